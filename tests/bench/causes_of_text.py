"""Causes of lesson 17, for `causes.py`: ten names spread their attention, with queries, keys or values kept still."""

import numpy as np

from experiments.turning import TurningTrial

NAMES = "ada ben cleo dan eva finn gus hana ivo june".split()
HELD = {
    "free": {},
    "queries on a copy": {"copied": ("query",)},
    "no query moving": {"copied": ("query",), "held": ("W_Q",)},
    "no key moving": {"copied": ("key",), "held": ("W_K",)},
    "values on a copy": {"copied": ("value",)},
}
SPREAD = {  # of the names at step 1400, by seed, in the order of HELD
    0: (3.52, 3.31, 3.23, 3.40, 3.42),
    1: (3.49, 3.19, 3.19, 3.37, 3.34),
    2: (3.48, 3.34, 3.19, 3.41, 3.39),
}


def turn():
    for seed, expected in SPREAD.items():
        for (name, still), spread in zip(HELD.items(), expected):
            settings = dict(steps=1400, every=20, batch=48, lr=0.05, length=16, width=16)
            found = TurningTrial(**settings, seed=seed, since=860, **still).run()
            rows = [found["word"].index(word) for word in NAMES]
            at_end = np.mean([found["entropy"][-1][row] for row in rows])
            yield f"text, seed {seed}, {name}: names' spread at 1400", at_end, spread


PARTS = [turn]
