"""One training run from settings to results: what lessons show and sweeps repeat.

A trial is a frozen dataclass of settings with their checks; every variant of an experiment is a
setting. `run()` returns a dict of lists and numbers, as JSON holds them. Each stands in a module
of its own, whose `run` takes a dict of settings, for `sweep.sweep`:

    results = trials.LadderTrial(heads=4, spans=(4, 4, 4)).run()
    outcomes = sweep.sweep(trials.recall.run, [{"pairs": 8, "seed": seed} for seed in range(5)])

The same from a shell, with a picture: python -m tinyattn.trials ladder --heads 4 --spans 4,4,4
"""

from . import ladder, location, recall
from .ladder import LadderProbe, LadderTrial
from .location import LocationTrial
from .recall import AdaptiveRepetition, RecallTrial

__all__ = ["AdaptiveRepetition", "LadderProbe", "LadderTrial", "LocationTrial", "RecallTrial", "ladder", "location", "recall"]
