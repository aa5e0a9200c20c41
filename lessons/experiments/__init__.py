"""One training run from settings to results: what lessons show and sweeps repeat.

A trial is a frozen dataclass of settings with their checks; every variant of an experiment is a
setting. `run()` returns a dict of lists and numbers, as JSON holds them. Each stands in a module
of its own, whose `run` takes a dict of settings, for `sweep.sweep`:

    results = trials.LadderTrial(heads=4, spans=(4, 4, 4)).run()
    outcomes = sweep.sweep(trials.recall.run, [{"pairs": 8, "seed": seed} for seed in range(5)])

The same from a shell, with a picture: python -m tinyattn.trials ladder --heads 4 --spans 4,4,4
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors; when the program runs, NumPy is loaded after the command has set its threads
    from . import ladder, location, recall, regression, repetition, rungs, text
    from .ladder import LadderTrial
    from .location import LocationTrial
    from .recall import RecallTrial
    from .regression import RegressionTrial
    from .repetition import AdaptiveRepetition
    from .rungs import LadderProbe
    from .text import TextTrial

_HOMES = {
    "AdaptiveRepetition": "repetition",
    "LadderProbe": "rungs",
    "LadderTrial": "ladder",
    "LocationTrial": "location",
    "RecallTrial": "recall",
    "RegressionTrial": "regression",
    "TextTrial": "text",
}
__all__ = ["AdaptiveRepetition", "LadderProbe", "LadderTrial", "LocationTrial", "RecallTrial", "RegressionTrial", "TextTrial"]
__all__ += ["ladder", "location", "recall", "regression", "repetition", "rungs", "text"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_HOMES.get(name, name)}", __name__)
    return getattr(module, name) if name in _HOMES else module
