"""Causes of the laws of networks, for `causes.py`: what of Adam changes the exponents of a plateau."""

import dataclasses
import itertools

import numpy as np

from experiments import LocationTrial
from tinyattn import measure, optim

LAWS = {  # exponents of T and d, and the standard error of the first, by the optimizer
    "adam": (0.40, 1.33, 0.03),
    "one division for all": (0.79, 1.29, 0.01),
    "divisions kept": (0.56, 1.57, 0.04),
    "sgd": (0.95, 1.74, np.nan),
}
SETTINGS = dict(scale="fan_in", position_size=32**0.5, judged=128)
OF_ADAM = dict(steps=12000)
OF_SGD = dict(optimizer="sgd", lr=0.02, steps=40000, every=50)


@dataclasses.dataclass(frozen=True)
class Divided(optim.AdamW):
    """Adam without decay that divides by another u.

    one:  by the mean of u over all numbers of all parameters.
    kept: by u as it was at this step, from there on; None: never.
    """

    one: bool = False
    kept: int | None = None

    def step(self, params, grads, state, scale=1.0):
        t, b1, b2 = state["t"] + 1, self.beta1, self.beta2
        m = {key: b1 * state["m"][key] + (1 - b1) * g for key, g in grads.items()}
        known, u = t if self.kept is None else min(t, self.kept), state["u"]
        if known == t:
            u = {key: b2 * u[key] + (1 - b2) * (g * g) for key, g in grads.items()}
        mean = sum(part.sum() for part in u.values()) / sum(part.size for part in u.values())
        new = {}
        for key, p in params.items():
            m_hat = m[key] / (1 - b1**t)
            u_hat = (mean if self.one else u[key]) / (1 - b2**known)
            new[key] = p - self.lr * scale * m_hat / (np.sqrt(u_hat) + self.eps)
        return new, {"t": t, "m": m, "u": u}


@dataclasses.dataclass(frozen=True)
class DividedLocation(LocationTrial):
    """The location task under such an Adam."""

    one: bool = False
    kept: int | None = None

    def make_optimizer(self):
        if self.optimizer == "sgd":
            return super().make_optimizer()
        return Divided(self.lr, 0.0, one=self.one, kept=self.kept)


def laws(names=LAWS, lengths=(16, 32, 64), widths=(8, 16), seed=0):
    how = {"adam": OF_ADAM, "one division for all": dict(**OF_ADAM, one=True),
           "divisions kept": dict(**OF_ADAM, kept=50), "sgd": OF_SGD}  # fmt: skip
    T, d = np.array(list(itertools.product(lengths, widths))).T
    for name in names:
        trials = [
            DividedLocation(length=a, width=b, seed=seed, **SETTINGS, **how[name])
            for a, b in zip(T.tolist(), d.tolist())
        ]
        steps = np.array([trial.run()["emerged"] for trial in trials], float)
        came = np.isfinite(steps)  # those that did not snap are left out of the fit
        law = measure.fit_power_law(steps[came], T=T[came], d=d[came])
        yield f"laws, {name}, seed {seed}: steps", steps, ""
        found = [*law.exponents.values(), law.errors["T"]]
        yield "    exponents of T and d, error of T's", found, LAWS[name]


PARTS = [laws]
