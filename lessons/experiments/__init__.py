"""What reproduces the papers: training runs, and flows with what is measured of them.

An experiment is a frozen dataclass of settings with their checks; every variant is a setting.
`run()` returns what it found, `figure(found)` draws it. The same by a dict of settings, for
`sweep.sweep`, in any process:

    found = experiments.LadderTrial(heads=4, spans=(4, 4, 4)).run()
    points = [{"pairs": 8, "seed": seed} for seed in range(5)]
    outcomes = sweep.sweep(experiments.RecallTrial.results, points)

From a shell, with a picture: python lessons/experiments ladder --heads 4 --spans 4,4,4
"""

from .copies import Copies
from .experiment import Experiment
from .ladder import LadderTrial
from .location import LocationTrial
from .lost import Lost
from .lost_recall import LostRecall
from .recall import RecallTrial
from .redistribution import Redistribution
from .regression import RegressionTrial
from .snap import Snap
from .text import TextTrial

EXPERIMENTS: dict[str, type[Experiment]] = {  # by the names of their commands
    "ladder": LadderTrial,
    "recall": RecallTrial,
    "location": LocationTrial,
    "regression": RegressionTrial,
    "text": TextTrial,
    "snap": Snap,
    "redistribution": Redistribution,
    "copies": Copies,
    "lost": Lost,
    "lost_recall": LostRecall,
}
