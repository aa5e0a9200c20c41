"""Repetition across samples that adapts: our own rule, after a remark in arXiv 2505.17863."""

from dataclasses import dataclass
from typing import Any

from tinyattn.errors import InputError, check_number, host_floats


@dataclass(frozen=True)
class AdaptiveRepetition:
    """Repetition that adapts: p, the probability of a favoured query, rises and then falls.

    It starts at `start`. At an evaluation where the clean loss has not fallen by a share `still`
    since the one before, p rises by `up`, to `maximum` at most. Once the loss is below a share
    `emerged` of what it was at the first evaluation, the skill is coming, and each evaluation
    halves p.
    """

    start: float = 0.0
    up: float = 0.2
    maximum: float = 0.6
    still: float = 0.05
    emerged: float = 0.8

    def __post_init__(self):
        for name in ("start", "up", "maximum", "still", "emerged"):
            check_number(name, getattr(self, name), minimum=0, maximum=1)
        if self.start > self.maximum:
            raise InputError(f"start: expected at most maximum = {self.maximum}, got {self.start}")

    def p(self, losses: Any) -> float:
        """The probability for the next steps, after evaluations with these clean losses (n,)."""
        losses = host_floats("losses", losses, (None,), finite=True).tolist()
        p = float(self.start)
        for before, loss in zip(losses, losses[1:]):
            if loss < self.emerged * losses[0]:
                p = p / 2 if p > 0.02 else 0.0
            elif loss > (1 - self.still) * before:
                p = min(p + self.up, self.maximum)
        return p
