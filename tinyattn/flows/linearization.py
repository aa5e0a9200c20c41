"""A gradient flow near a slow point, as in arXiv 2605.01199: rates, directions, when it is left."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import check_number, host_floats

# The flow near a slow point
#
#   dx/dt = f + J x from x = 0, J symmetric. Along an eigenvector e_k with rate l_k the motion is
#   that of one number,
#     (1)  x(s) = sum_k (exp(l_k s) - 1) / l_k (e_k . f) e_k
#   What J leaves out is of order |x|^2, so near a critical point, from a distance eps, the error is
#   of order eps^2 exp(2 l s), l the leading rate; where the next rate is well below l, the leading
#   directions alone are left when the motion has grown to order one, after about log(1/eps) / l.


@dataclass(frozen=True, eq=False)
class Linearization:
    """A flow near one point, in NumPy arrays.

    rates (n,), smallest first; modes (n, n), unit vectors as columns; speeds (n,) along them.
    """

    flow: Any
    rates: Any
    modes: Any
    speeds: Any

    @property
    def rate(self):
        """The leading rate, in 1/time."""
        return float(self.rates[-1])

    def leading_mode(self, within=0.01):
        """The motion's part in the modes of the leading rate, a unit vector (n,): what will win.

        Rates within a share `within` of the leading one count as equal. At an exact critical point,
        where nothing moves, it is one of those modes.
        """
        check_number("within", within, minimum=0)
        leads = self.rates >= self.rate - within * abs(self.rate)
        mode = self.modes[:, leads] @ self.speeds[leads]
        size = np.linalg.norm(mode)
        return mode / size if size > 1e-12 else self.modes[:, -1]

    def shares(self):
        """The share of the squared leading mode in each matrix, {"W0": share, ...}; sum 1."""
        parts = zip(("W0", "W1", "W_Q", "W_K"), self.flow.split(self.leading_mode()))
        return {name: float((part * part).sum()) for name, part in parts}

    def displacement(self, s):
        """Where the linear flow is after times s (m,), seen from the point: (m, n), (1)."""
        s = host_floats("s", s, (None,))
        rates = np.where(np.abs(self.rates) < 1e-9, 1e-9, self.rates)
        return np.expm1(np.minimum(np.outer(s, rates), 50)) / rates * self.speeds @ self.modes.T

    def escape_time(self, distance, longest=1e4):
        """When the linear flow is `distance` away from the point; NaN if not by `longest`."""
        check_number("distance", distance, above=0)
        check_number("longest", longest, above=0)
        away = lambda s: np.linalg.norm(self.displacement([s])) > distance
        low, high = 0.0, float(longest)
        if not away(high):
            return math.nan
        while high - low > 1e-9 * high:
            middle = (low + high) / 2
            if away(middle):
                high = middle
            else:
                low = middle
        return high
