"""The location task under an Adam that divides by something else (our own): what changes a law."""

from dataclasses import dataclass
from typing import Any

from tinyattn.backend import Params
from tinyattn.errors import check_choice, check_count
from tinyattn.optim import AdamW, State

from .location import LocationTrial

GROUPS: dict[str, tuple[str, ...]] = {"all": (), "looks": ("W_Q", "W_K"), "values": ("W_V", "W_O")}
DIVISIONS = ["number", "sign", *GROUPS]


@dataclass(frozen=True)
class Divided(AdamW):
    """AdamW without decay that divides by another u.

    by:   "number": each number by the root of its own u, as AdamW does.
          "sign": each step is the rate times the sign of that step's gradient, without a memory.
          "all": by the root of one mean of u, over all numbers of all parameters.
          "looks": by two: one mean over the numbers of W_Q and W_K, one over the rest.
          "values": by two: one mean over the numbers of W_V and W_O, one over the rest.
    kept: by u as it was at this step, from there on; None: never.
    """

    by: str = "number"
    kept: int | None = None

    def step(
        self, params: Params, grads: Params, state: State, scale: float = 1.0
    ) -> tuple[Params, State]:
        """One step with learning rate lr * scale: new params, new state."""
        t, lr = state["t"] + 1, self.lr * scale
        b1, b2 = (0.0, 0.0) if self.by == "sign" else (self.beta1, self.beta2)
        m = {key: b1 * state["m"][key] + (1 - b1) * g for key, g in grads.items()}
        known, u = t if self.kept is None else min(t, self.kept), state["u"]
        if known == t:
            u = {key: b2 * u[key] + (1 - b2) * (g * g) for key, g in grads.items()}
        new = {}
        for key, divisor in self.divisors(u).items():
            m_hat, u_hat = m[key] / (1 - b1**t), divisor / (1 - b2**known)
            new[key] = params[key] - lr * m_hat / (u_hat**0.5 + self.eps)
        return new, {"t": t, "m": m, "u": u}

    def divisors(self, u: Params) -> dict[str, Any]:
        """By name, the u that a parameter's steps are divided by the root of."""
        if self.by not in GROUPS:
            return dict(u)
        groups = {key: key.startswith(GROUPS[self.by]) for key in u}
        means = {}
        for group in set(groups.values()):
            parts = [u[key] for key in u if groups[key] == group]
            means[group] = sum(part.sum() for part in parts) / sum(part.size for part in parts)
        return {key: means[group] for key, group in groups.items()}


@dataclass(frozen=True)
class DividedLocation(LocationTrial):
    """The location task under such an Adam; by and kept as there."""

    by: str = "number"
    kept: int | None = None

    def __post_init__(self):
        check_choice("by", self.by, DIVISIONS)
        if self.kept is not None:
            check_count("kept", self.kept)
        super().__post_init__()

    def make_optimizer(self) -> Any:
        """The optimizer of these settings."""
        if self.optimizer == "sgd":
            return super().make_optimizer()
        return Divided(self.lr, 0.0, by=self.by, kept=self.kept)
