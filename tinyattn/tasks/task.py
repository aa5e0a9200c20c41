"""What every task has."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import check_function


def endless(
    sample: Callable[..., Any], rng: np.random.Generator, n: int, *how: Any
) -> Iterator[Any]:
    """Batches sample(rng, n, *how), one after the other without end. The first is drawn at once."""
    first = check_function("sample", sample, "a function sample(rng, n, ...)")(rng, n, *how)
    return itertools.chain([first], (sample(rng, n, *how) for _ in itertools.count()))


class Task:
    """A task has `sample(rng, n, ...)`: n rows, on the host."""

    def batches(self, rng: np.random.Generator, n: int, *how: Any) -> Iterator[Any]:
        """Endless batches of `sample`. The first is drawn here, so bad arguments raise here."""
        return endless(self.sample, rng, n, *how)  # type: ignore[attr-defined]
