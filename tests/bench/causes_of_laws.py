"""Causes of the laws of networks, for `causes.py`: what of Adam changes the exponents of a plateau."""

import itertools

import numpy as np

from experiments.divided import DividedLocation
from tinyattn import measure

LAWS = {  # exponents of T and d, and the standard error of the first, with seed 0
    "adam": (0.40, 1.33, 0.03),
    "signs": (0.43, 1.42, 0.05),
    "two divisions": (0.50, 1.78, 0.04),
    "two elsewhere": (0.85, 1.34, 0.00),
    "one division for all": (0.79, 1.29, 0.01),
    "divisions kept": (0.56, 1.57, 0.04),
    "sgd": (0.95, 1.74, 0.02),
}
SETTINGS = dict(scale="fan_in", position_size=32**0.5, judged=128)
OF_ADAM = dict(steps=12000)
OF_SGD = dict(optimizer="sgd", lr=0.02, steps=40000, every=50)
HOW = {
    "adam": OF_ADAM,
    "signs": dict(**OF_ADAM, by="sign"),
    "two divisions": dict(**OF_ADAM, by="looks"),
    "two elsewhere": dict(**OF_ADAM, by="values"),
    "one division for all": dict(**OF_ADAM, by="all"),
    "divisions kept": dict(**OF_ADAM, kept=50),
    "sgd": OF_SGD,
}


def laws(names=LAWS, lengths=(16, 32, 64), widths=(8, 16), seed=0):
    T, d = np.array(list(itertools.product(lengths, widths))).T
    for name in names:
        trials = [
            DividedLocation(length=a, width=b, seed=seed, **SETTINGS, **HOW[name])
            for a, b in zip(T.tolist(), d.tolist())
        ]
        steps = np.array([trial.run()["emerged"] for trial in trials], float)
        came = np.isfinite(steps)  # those that did not snap are left out of the fit
        law = measure.fit_power_law(steps[came], T=T[came], d=d[came])
        yield f"laws, {name}, seed {seed}: steps", steps, ""
        found = [*law.exponents.values(), law.errors["T"]]
        yield "    exponents of T and d, error of T's", found, LAWS[name]


PARTS = [laws]
