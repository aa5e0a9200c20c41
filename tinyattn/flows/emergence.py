"""Plateau and snap: the toy layer of arXiv 2505.17863 as a flow of few numbers.

The paper is "The Emergence of Sparse Attention". Its task: T tokens, i.i.d. N(0, I/d); the target
is x_r W*, x_r the token at the B relevant positions.
The layer: y = sum_t s_t x_t W with s = softmax(a).
The loss: L = E|y - x_r W*|^2 / 2, where W* keeps lengths. From its start at 0 the loss
rests near 1/2, on a plateau, and then falls all at once.

States are arrays (..., 2). Each setting may be an array over the leading axes, so that
many runs go through one call; on a GPU such settings must be there too: TwoNumbers(put(T), put(d)).
"""

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Array, namespace, to_numpy
from ..errors import InputError, check_floats, check_instance, host_floats, is_array, shown

MOST = 1e100  # largest size: products of them are still numbers

# Two numbers are enough
#
#   By symmetry W stays on the line of W*, W = w W*/|W*| with |W*| = sqrt(d), and scores
#   stay equal among the relevant positions and among the others; Delta is their
#   difference. Write s_r for the attention on all relevant positions together; each of
#   the others has (1-s_r)/(T-B). The relevant token is missed by s_r w - sqrt(d); the
#   others add their noise:
#     (1)  s_r = B / ((T-B) exp(-Delta) + B)
#     (2)  L = [ miss^2 + (1-s_r) w noise ] / 2d
#          with   miss = s_r w - sqrt(d),   noise = (1-s_r) w / (T-B)
#     (3)  dw/dt = -dL/dw = -[ s_r miss + (1-s_r) noise ] / d
#     (4)  -dL/ds_r = -w [ miss - noise ] / d
#   How Delta moves depends on what the parameters are: a gradient flow is not the same in
#   other coordinates.
#   *Shared*: Delta is itself the parameter, one number that scores every relevant
#   position. Since ds_r/dDelta = s_r (1-s_r),
#     (5)  dDelta/dt = s_r (1-s_r) (-dL/ds_r)
#   *Per position*: every position has a score of its own, as in the toy layer. For a
#   relevant score ds_r/da = (s_r/B) (1-s_r), for any other -s_r (1-s_r) / (T-B), and
#   each moves by that times (-dL/ds_r). So their difference moves by
#     (6)  dDelta/dt = [1/B + 1/(T-B)] s_r (1-s_r) (-dL/ds_r)
#   which is T / (B (T-B)) times (5): for B = 1 and many tokens the same, for B positions
#   slower by the factor B.


@dataclass(frozen=True, eq=False)
class TwoNumbers:
    """The flow of y = (w, Delta), for T tokens of size d with the relevant one at B positions.

    per_place: False: one shared score Delta is the parameter. True: every position has its own
               score.
    """

    T: Any
    d: Any
    B: Any = 1
    per_place: bool = False

    def __post_init__(self):
        _settle_sizes(self, "T", "d", "B")

    def start(self) -> np.ndarray:
        """w = Delta = 0 for every run, a NumPy array (*runs, 2)."""
        return np.zeros((*np.broadcast_shapes(*map(np.shape, (self.T, self.d, self.B))), 2))

    def split(self, y: Array) -> list[Array]:
        """w and Delta of a state (..., 2), each (...)."""
        return _numbers(y, 2)

    def __call__(self, t: float, y: Array) -> Array:
        """dy/dt at y (..., 2)."""
        w, s_r, miss, noise = self._parts(y)
        dw = -(s_r * miss + (1 - s_r) * noise) / self.d  # (3)
        dDelta = self.mobility * s_r * (1 - s_r) * -(w * (miss - noise)) / self.d  # (4), (5), (6)
        return namespace(y).stack([dw, dDelta], axis=-1)

    def loss(self, y: Array) -> Array:
        """The population loss, half a squared error, (...). It starts at 1/2 for all settings."""
        w, s_r, miss, noise = self._parts(y)
        return (miss * miss + (1 - s_r) * w * noise) / (2 * self.d)  # (2)

    test_loss = loss  # without cross-sample repetition they are the same

    def attention(self, y: Array) -> Array:
        """s_r, the attention on all relevant positions together, (...)."""
        return self._attention(self.split(y)[-1])

    def _attention(self, Delta):
        return self.B / ((self.T - self.B) * namespace(Delta).exp(-Delta) + self.B)  # (1)

    # The Hessian of L in (w, Delta), with L_s = dL/ds_r = w (miss - noise)/d
    #
    #     (7)  L_ww = [ s_r^2 + (1-s_r)^2/(T-B) ] / d
    #          L_ws = [ miss - noise + w (s_r - (1-s_r)/(T-B)) ] / d
    #          L_ss = w^2 [ 1 + 1/(T-B) ] / d
    #     (8)  ds_r/dDelta = s_r' = s_r (1-s_r),   d2s_r/dDelta2 = s_r' (1-2 s_r)
    #          H_wD = L_ws s_r',             H_DD = L_ss s_r'^2 + L_s s_r' (1-2 s_r)

    def hessian(self, y: Array) -> Array:
        """The Hessian of the loss in (w, Delta), (..., 2, 2).

        The flow's Jacobian is -diag(1, mobility) times it.
        """
        w, s_r, miss, noise = self._parts(y)
        others = self.T - self.B
        slope = s_r * (1 - s_r)
        ww = (s_r * s_r + (1 - s_r) ** 2 / others) / self.d  # (7)
        ws = (miss - noise + w * (s_r - (1 - s_r) / others)) / self.d
        ss = w * w * (1 + 1 / others) / self.d
        wD = ws * slope  # (8)
        DD = ss * slope * slope + w * (miss - noise) / self.d * slope * (1 - 2 * s_r)
        xp = namespace(y)
        return xp.stack([xp.stack([ww, wD], axis=-1), xp.stack([wD, DD], axis=-1)], axis=-2)

    @property
    def mobility(self):
        """How fast Delta moves, in units of the shared form."""
        return self.T / (self.B * (self.T - self.B)) if self.per_place else 1.0

    # The plateau in closed form
    #
    #   While s_r is small, s_r = (B/T) exp(Delta), miss = -sqrt(d) and noise is nothing, so with
    #   rate = B kappa, kappa = 1/(sqrt(d) T), and c = 1 (shared) or B (per position)
    #     (9)  dw/dt = rate exp(Delta),   dDelta/dt = (rate/c) w exp(Delta)
    #          hence   dDelta/dw = w/c,     Delta = w^2/2c
    #    (10)  rate t = integral_0^w exp(-u^2/2c) du = sqrt(pi c/2) erf(w / sqrt(2c))
    #   w runs away at the finite time sqrt(pi c/2) / rate: that is the snap. Linearised,
    #   exp(Delta) = 1 + Delta, (9) is
    #    (11)  w = sqrt(c) sinh(k t),   Delta = cosh(k t) - 1   with   k = rate/sqrt(c)
    #          L = 1/2 - rate sqrt(c)/2 sinh(2 k t),   dL/dt = -rate^2 (cosh^2 + sinh^2)
    #   which loses eps/2 at t = arcsinh(eps / (rate sqrt(c))) / 2k. It holds only while
    #   Delta < 1, and that ends long before the snap: the snap is faster than any
    #   exponential.

    @property
    def rate(self):
        """B kappa, the speed of w at the start."""
        return self.B / (self.d**0.5 * self.T)

    @property
    def snap_time(self):
        """sqrt(pi c/2) / rate: when the plateau ends, in closed form."""
        return (math.pi * self._c / 2) ** 0.5 / self.rate  # (10)

    def time_at(self, w):
        """The time at which the plateau's closed form reaches w, on the host.

        Delta is then w^2 / 2c.
        """
        erf = np.vectorize(math.erf)(host_floats("w", w) / (2 * self._c) ** 0.5)
        return (math.pi * self._c / 2) ** 0.5 * erf / self.rate  # (10)

    def linearised(self, t):
        """(w, Delta) by the flow linearised at its start, (..., 2), on the host."""
        x = host_floats("t", t) * self.rate / self._c**0.5
        return np.stack([self._c**0.5 * np.sinh(x), np.cosh(x) - 1], axis=-1)  # (11)

    def linearised_loss(self, t):
        """The loss by the flow linearised at its start: times t (n,) -> (n,), on the host.

        Half a squared error, as `loss`.
        """
        x = self.rate * self._c**0.5
        return 0.5 * (1 - x * np.sinh(2 * host_floats("t", t) * self.rate / self._c**0.5))  # (11)

    def linearised_time(self, eps):
        """When the linearised flow has lost the share eps of its loss."""
        x = self.rate * self._c**0.5
        eps = host_floats("eps", eps)
        return np.arcsinh(eps / x) * self._c**0.5 / (2 * self.rate)  # (11)

    # Late, w relaxes to the zero of (3) at the present s_r, at a rate of order 1/d
    #    (12)  w_inf = sqrt(d) s_r / [ s_r^2 + (1-s_r)^2/(T-B) ]

    def equilibrium(self, s_r):
        """w_inf, to which w relaxes late, at attention s_r.

        Raises InputError for s_r outside (0, 1].
        """
        s_r = host_floats("s_r", s_r)
        if not ((s_r > 0) & (s_r <= 1)).all():
            raise InputError(f"s_r: expected attention in (0, 1], got {shown(s_r)}")
        return self.d**0.5 * s_r / (s_r * s_r + (1 - s_r) ** 2 / (self.T - self.B))  # (12)

    @property
    def _c(self):
        return self.B if self.per_place else 1.0

    def _parts(self, y):
        w, Delta = self.split(y)
        s_r = self._attention(Delta)
        return w, s_r, s_r * w - self.d**0.5, (1 - s_r) * w / (self.T - self.B)


def _settle_sizes(flow, *names):
    """Check the settings of these names.

    Arrays of whole numbers are kept as floats: narrow ones would overflow.
    """
    check_instance("per_place", flow.per_place, bool)
    for name in names:
        value = getattr(flow, name)
        if is_array(value) and value.dtype.kind in "iu":
            value = value.astype("float64")
        elif is_array(value):
            value = check_floats(name, value).copy()
        elif isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise InputError(f"{name}: expected a number or an array of them, got {shown(value)}")
        object.__setattr__(flow, name, value)
    settings = {"d": 1, "B": 1, "p": 0.0} | {name: getattr(flow, name) for name in names}
    try:
        np.broadcast_shapes(*map(np.shape, settings.values()))
    except ValueError:
        shapes = {name: np.shape(value) for name, value in settings.items()}
        every = ", ".join(names)
        raise InputError(
            f"{every}: expected settings that broadcast, got shapes {shapes}"
        ) from None
    T, d, B, p = (to_numpy(settings[name]) for name in ("T", "d", "B", "p"))
    for name, value, fits, wanted in (
        ("d", d, (d >= 1) & (d < MOST), f"sizes from 1 to {MOST:g}"),
        ("B", B, (B >= 1) & (B < MOST), f"numbers of positions from 1 to {MOST:g}"),
        ("T", T, (T > B) & (T < MOST), f"numbers of tokens above B = {B}, up to {MOST:g}"),
        ("p", p, (p >= 0) & (p <= 1), "probabilities in [0, 1]"),
    ):
        if not np.all(fits):
            raise InputError(f"{name}: expected {wanted}, got {shown(value)}")


def _numbers(y, numbers):
    """The numbers along the last axis of a state y (..., numbers), a list of arrays (...)."""
    if check_floats("y", y, axes=1).shape[-1] != numbers:
        raise InputError(f"y: expected a state (..., {numbers}), got shape {tuple(y.shape)}")
    return [y[..., i] for i in range(numbers)]
