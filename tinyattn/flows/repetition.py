"""The plateau with repetition across samples: a flow of three numbers (arXiv 2505.17863).

It is that of emergence.py with a third number, for what is learnt of the repeated vector.
States are arrays (..., 3); settings may be arrays, as there. Equations (9), (10) are those of
`emergence.TwoNumbers`.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Array, namespace
from .emergence import _numbers, _settle_sizes

# Three numbers: cross-sample repetition (B = 1)
#
#   With probability p the relevant token is one fixed unit vector u, otherwise N(0, I/d).
#   Its second moment is then
#     (1)  S = g (I - u^T u) + h u^T u      with   g = (1-p)/d,   h = p + (1-p)/d
#   and W = [v u^T u + w (I - u^T u)/sqrt(d-1)] W* stays of this form. As before, with s_r
#   the attention on the one position,
#     (2)  L = 1/2 [ h (s_r v - 1)^2 + g (s_r w - sqrt(d-1))^2
#                    + (1-s_r)^2 (w^2 + v^2) / (d (T-1)) ]
#     (3)  dw/dt = -[ g s_r (s_r w - sqrt(d-1)) + (1-s_r)^2 w / (d (T-1)) ]
#     (4)  dv/dt = -[ h s_r (s_r v - 1) + (1-s_r)^2 v / (d (T-1)) ]
#     (5)  -dL/ds_r = -[ h v (s_r v - 1) + g w (s_r w - sqrt(d-1))
#                      - (1-s_r) (w^2 + v^2) / (d (T-1)) ]
#     (6)  dDelta/dt = s_r (1-s_r) (-dL/ds_r)    times T/(T-1) if each place has a score of its own
#   The loss without repetition, which tests what has been learnt for all tokens, has p = 0 in
#   (1). On the plateau w and v grow in proportion g sqrt(d-1) : h, and (9), (10) above hold
#   for the length of (w, v) with
#     (7)  rate = sqrt(h^2 + g^2 (d-1)) / T = sqrt(1 + p^2 (d-1)) / (sqrt(d) T)
#   since d h = 1 + p (d-1) and d g = 1-p: written out, what is linear in p cancels.


@dataclass(frozen=True, eq=False)
class ThreeNumbers:
    """The flow of y = (w, v, Delta), for T tokens of size d.

    v is what is written for the token that is repeated across samples with probability p; w is what
    is written for the rest.
    """

    T: Any
    d: Any
    p: Any = 0.0
    per_place: bool = False

    def __post_init__(self):
        _settle_sizes(self, "T", "d", "p")

    def start(self) -> np.ndarray:
        """w = v = Delta = 0 for every run, a NumPy array (*runs, 3)."""
        return np.zeros((*np.broadcast_shapes(*map(np.shape, (self.T, self.d, self.p))), 3))

    def split(self, y: Array) -> list[Array]:
        """w, v and Delta of a state (..., 3), each (...)."""
        return _numbers(y, 3)

    def __call__(self, t: float, y: Array) -> Array:
        """dy/dt at y (..., 3)."""
        w, v, Delta = self.split(y)
        g, h = self._moments(self.p)
        s_r = self._attention(Delta)
        miss_w = g * (s_r * w - (self.d - 1) ** 0.5)
        miss_v = h * (s_r * v - 1)
        others = self.d * (self.T - 1)
        dw = -(s_r * miss_w + (1 - s_r) ** 2 * w / others)  # (3)
        dv = -(s_r * miss_v + (1 - s_r) ** 2 * v / others)  # (4)
        pull = -(v * miss_v + w * miss_w - (1 - s_r) * (w * w + v * v) / others)  # (5)
        return namespace(y).stack([dw, dv, self.mobility * s_r * (1 - s_r) * pull], axis=-1)  # (6)

    def loss(self, y: Array) -> Array:
        """The population loss with repetition, half a squared error, (...)."""
        return self._loss(y, self.p)

    def test_loss(self, y: Array) -> Array:
        """The loss on samples without repetition, half a squared error, (...)."""
        return self._loss(y, 0.0)

    def attention(self, y: Array) -> Array:
        """s_r, the attention on the relevant place, (...)."""
        return self._attention(self.split(y)[-1])

    def _attention(self, Delta):
        return 1 / ((self.T - 1) * namespace(Delta).exp(-Delta) + 1)

    def hessian(self, y: Array) -> Array:
        """The Hessian of the loss in (w, v, Delta), (..., 3, 3).

        It is that of two numbers, twice; w and v meet only in Delta.
        """
        w, v, Delta = self.split(y)
        s_r = self._attention(Delta)
        g, h = self._moments(self.p)
        n = 1 / (self.d * (self.T - 1))
        r = (self.d - 1) ** 0.5
        slope = s_r * (1 - s_r)
        ww = g * s_r * s_r + (1 - s_r) ** 2 * n
        vv = h * s_r * s_r + (1 - s_r) ** 2 * n
        wD = (g * (2 * s_r * w - r) - 2 * (1 - s_r) * w * n) * slope
        vD = (h * (2 * s_r * v - 1) - 2 * (1 - s_r) * v * n) * slope
        L_s = h * v * (s_r * v - 1) + g * w * (s_r * w - r) - (1 - s_r) * (w * w + v * v) * n
        L_ss = h * v * v + g * w * w + (w * w + v * v) * n
        DD = L_ss * slope * slope + L_s * slope * (1 - 2 * s_r)
        rows = [[ww, 0 * ww, wD], [0 * ww, vv, vD], [wD, vD, DD]]
        xp = namespace(y)
        return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)

    @property
    def mobility(self):
        """How fast Delta moves, in units of the shared form."""
        return self.T / (self.T - 1) if self.per_place else 1.0

    @property
    def rate(self):
        """The speed of (w, v) at the start."""
        return (1 + self.p * self.p * (self.d - 1)) ** 0.5 / (self.d**0.5 * self.T)  # (7)

    @property
    def snap_time(self):
        """sqrt(pi/2) / rate, when the plateau of the training loss ends."""
        return (math.pi / 2) ** 0.5 / self.rate

    def _moments(self, p):
        return (1 - p) / self.d, p + (1 - p) / self.d  # (1)

    def _loss(self, y, p):
        w, v, Delta = self.split(y)
        g, h = self._moments(p)
        s_r = self._attention(Delta)
        noise = (1 - s_r) ** 2 * (w * w + v * v) / (self.d * (self.T - 1))
        miss_w = s_r * w - (self.d - 1) ** 0.5
        return (h * (s_r * v - 1) ** 2 + g * miss_w**2 + noise) / 2  # (2)
