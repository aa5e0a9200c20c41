"""Repetition across samples that adapts: our own rule, after a remark in arXiv 2505.17863."""

from dataclasses import dataclass
from typing import Any

from tinyattn.errors import InputError, check_number, host_floats


@dataclass(frozen=True)
class AdaptiveRepetition:
    """Repetition that adapts: the probability p of a favoured query rises while the clean loss stands still, then falls.

    A look at the clean loss that has not fallen by a share `still` since the look before raises p
    by `up`, to `most` at most. Once it is below a share `emerged` of the loss at the first look,
    the skill is coming, and each look halves p. The first p is `start`.
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
        """The probability for the next steps, after looks at these clean losses (n,)."""
        losses, p = host_floats("losses", losses, (None,), finite=True).tolist(), float(self.start)
        for before, loss in zip(losses, losses[1:]):
            if loss < self.emerged * losses[0]:
                p = p / 2 if p > 0.02 else 0.0
            elif loss > (1 - self.still) * before:
                p = min(p + self.up, self.maximum)
        return p
