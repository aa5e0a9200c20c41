"""Causes of lesson 17, for `causes.py`: ten names spread; what is kept still, and random order."""

import numpy as np

from experiments.turning import TurningTrial

NAMES = "ada ben cleo dan eva finn gus hana ivo june".split()
SETTINGS = dict(steps=4000, every=20, batch=48, lr=0.05, length=16, width=16, since=860)
HELD = {
    "free": {},
    "queries on a copy": {"copied": ("query",)},
    "W_Q still": {"held": ("W_Q",)},
    "no query moving": {"copied": ("query",), "held": ("W_Q",)},
    "no key moving": {"copied": ("key",), "held": ("W_K",)},
    "values on a copy": {"copied": ("value",)},
}
SEEN = "at 1400", "highest", "least after that", "median from 2000"
# By seed, in the order of HELD
EXPECTED = {
    0: (
        (3.52, 3.52, 2.92, 3.25),
        (3.31, 3.54, 3.44, 3.51),
        (3.50, 3.60, 3.48, 3.51),
        (3.23, 3.46, 3.34, 3.40),
        (3.40, 3.42, 3.06, 3.33),
        (3.42, 3.46, 3.04, 3.11),
    ),
    1: (
        (3.49, 3.50, 2.64, 3.19),
        (3.19, 3.39, 3.10, 3.25),
        (3.47, 3.61, 3.41, 3.45),
        (3.19, 3.46, 3.41, 3.42),
        (3.37, 3.38, 2.79, 3.27),
        (3.34, 3.43, 2.94, 3.02),
    ),
    2: (
        (3.48, 3.49, 2.87, 3.23),
        (3.34, 3.50, 3.41, 3.43),
        (3.42, 3.54, 3.44, 3.48),
        (3.19, 3.33, 3.29, 3.30),
        (3.41, 3.41, 3.04, 3.32),
        (3.39, 3.43, 3.07, 3.18),
    ),
}

# By seed, with batches of 12, 48 and 192
DRIFT = {0: (3.08, 3.07, 3.06), 1: (3.05, 3.05, 3.03)}


def mean_of_names(found):
    """The spread of the names' attention, in their mean, and its steps."""
    rows = [found["word"].index(word) for word in NAMES]
    return np.array(found["entropy"])[:, rows].mean(axis=1), np.array(found["step"])


def turn():
    for seed, expected in EXPECTED.items():
        for (name, still), numbers in zip(HELD.items(), expected):
            curve, steps = mean_of_names(TurningTrial(**SETTINGS, seed=seed, **still).run())
            after = curve[steps >= SETTINGS["since"]]
            top = int(after.argmax())
            at_1400, median = curve[steps == 1400][0], np.median(curve[steps >= 2000])
            found = at_1400, after[top], after[top:].min(), median
            for what, seen, number in zip(SEEN, found, numbers):
                yield f"text, seed {seed}, {name}: names' mean, {what}", float(seen), number


def drift():
    """In random order, where nothing is to be learnt, the size of the batches does not matter."""
    random = SETTINGS | dict(order="random", steps=860)
    del random["since"]
    for seed, expected in DRIFT.items():
        for batch, number in zip((12, 48, 192), expected):
            curve, _ = mean_of_names(TurningTrial(**random | dict(batch=batch), seed=seed).run())
            yield (
                f"text, seed {seed}, random order, batches of {batch}: names' mean at 860",
                float(curve[-1]),
                number,
            )


PARTS = [turn, drift]
