"""The toy layer of the plateau: one row of scores, then a linear map."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..attention import AttendCache, attend_backward, attend_forward
from ..backend import Params, namespace
from ..door import door
from ..ops import LinearCache, linear_backward, linear_forward

# The toy layer of "The Emergence of Sparse Attention" (arXiv 2505.17863)
#
#     (1)  a_t = a parameter for each position, or one shared by the last ones, 0 before them
#     (2)  m = attend(a, x), one row of scores for every sample
#     (3)  y = m W
#   Backward, the row of scores serves all samples, so attend_backward sums its gradient over them;
#   a score shared by several positions receives the sum of theirs.


class ToyCache(NamedTuple):
    attend: AttendCache
    linear: LinearCache


@door("length count, width count, shared count >= 0 < length")
@dataclass(frozen=True)
class ToyLayer:
    """Attention over `length` positions, regardless of content, then a linear map of size width.

    shared: 0: each position has a score of its own, `a` (T,); n > 0: the last n positions share
            one, `a` (1,).
    """

    length: int
    width: int
    shared: int = 0

    @door("rng Generator? -> a (T,) or (1,), W (D, D)")
    def init(self, rng: np.random.Generator | None = None) -> Params:
        """Everything starts at 0."""
        return {key: np.zeros(shape) for key, shape in self.shapes.items()}

    @door("a (*self.shapes['a']) -> (1, T)")
    def scores(self, a):
        """The row of scores."""
        if not self.shared:
            return a[None]
        xp = namespace(a)
        first = xp.zeros(self.length - self.shared, dtype=a.dtype)
        last = xp.broadcast_to(a, self.shared)
        return xp.concatenate([first, last])[None]

    @door("da (1, self.length) -> (T,) or (1,)")
    def scores_backward(self, da):
        """The gradient of the parameter a."""
        if not self.shared:
            return da[0]
        return da[0, -self.shared :].sum(keepdims=True)

    @door("x (B, self.length, self.width), params like self.shapes -> y (B, D)")
    def forward(self, params: Params, x: Any) -> tuple[Any, ToyCache]:
        """The tokens, averaged and mapped."""
        a = self.scores(params["a"])  # (1)
        m, attend = attend_forward(a, x)  # (2)
        y, linear = linear_forward(m[:, 0], params["W"])  # (3)
        return y, ToyCache(attend, linear)

    @door("cache ToyCache, dy (*cache.linear.shape) -> gradients")
    def backward(self, dy: Any, cache: ToyCache) -> Params:
        """The gradients of a and W."""
        dm, dW, _ = linear_backward(dy, cache.linear)  # (3)
        da, _ = attend_backward(dm[:, None], cache.attend)  # (2)
        return {"a": self.scores_backward(da), "W": dW}  # (1)

    @property
    def shapes(self) -> dict[str, tuple]:
        """The shape of every parameter."""
        return {"a": (1 if self.shared else self.length,), "W": (self.width, self.width)}
