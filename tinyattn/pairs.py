"""Embedded pairs of explicit methods, whose difference chooses the step: a solver is its table.

Stages are summed one after the other, entry by entry, as in `steps`.
"""

import math
import warnings
from typing import Any, NamedTuple

from .backend import namespace, to_numpy
from .steps import Failed, Field, checked, error_scale, first_step, next_time


class Pair(NamedTuple):
    """Two explicit Runge-Kutta methods that share their stages: an adaptive solver is its table.

    order:  p of the result that is kept. The other is of order p - 1, and their difference, which
            estimates its error, goes like h^p.
    nodes:  for each of s stages the share of the step at which it is; 1 for the last two.
    rows:   for each stage the weights of those before it. The last row is the step, so that the
            last slope is the first one of the next step.
    error:  (s,), the weights of the kept result less those of the other.
    dense:  (s, q); inside a step y(t + theta h) = y + h sum_i b_i(theta) k_i, and row i holds the
            coefficients of theta, theta^2, ... in b_i.
    stable: the longest h for which dy/dt = -y decays.
    """

    order: int
    nodes: tuple
    rows: tuple
    error: tuple
    dense: tuple
    stable: float


# Dormand and Prince's pair of orders 5 and 4 (1980)
#
#       0  |
#      1/5 |    1/5
#     3/10 |    3/40        9/40
#      4/5 |   44/45      -56/15      32/9
#      8/9 | 19372/6561 -25360/2187 64448/6561 -212/729
#       1  |  9017/3168   -355/33   46732/5247   49/176  -5103/18656
#       1  |   35/384        0       500/1113   125/192  -2187/6784    11/84
#     -----+--------------------------------------------------------------------------
#      b5  |   35/384        0       500/1113   125/192  -2187/6784    11/84     0
#      b4  | 5179/57600      0      7571/16695  393/640 -92097/339200 187/2100  1/40
#
#   b5 - b4 estimates the error of the fourth-order result; the fifth-order one is kept. Inside a
#   step the quartics are those of Shampine (1986), of order 4.

_B5 = (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
_B4 = (5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
DOPRI5 = Pair(
    order=5,
    nodes=(0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1),
    rows=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        _B5,
    ),
    error=tuple(b5 - b4 for b5, b4 in zip((*_B5, 0), _B4)),
    dense=(
        (1, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432),
        (0, 0, 0, 0),
        (0, 131558114200 / 32700410799, -68118460800 / 10900136933, 87487479700 / 32700410799),
        (0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072),
        (0, 127303824393 / 49829197408, -318862633887 / 49829197408, 701980252875 / 199316789632),
        (0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844),
        (0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423),
    ),
    stable=3.3066,
)
PAIRS = {"rk45": DOPRI5}  # by the names that `ode.integrate` knows


def dopri5_step(f: Field, t: float, y: Any, h: float) -> tuple[Any, Any]:
    """One step of order 5: the new y, and an estimate of its local error, shaped like y."""
    slope, t, y, h = checked(f, t, y, h)
    k, (_, new) = _stages(DOPRI5, slope, t, y, h, slope(t, y))
    return new, h * _weighted(DOPRI5.error, k)


def _stages(pair, slope, t, y, h, first):
    """The slopes of a step's stages, and the last two points of these; the last is the new y."""
    k, before, new = [first], y, y
    for node, row in zip(pair.nodes[1:], pair.rows[1:]):
        before, new = new, y + h * _weighted(row, k)
        k.append(slope(t + node * h, new))
    return k, (before, new)


def _weighted(weights, k):
    """sum_i weights_i k_i, one after the other; zeros are left out."""
    total = None
    for w, slope in zip(weights, k):
        if w != 0:
            total = w * slope if total is None else total + w * slope
    return total


def adaptive_steps(pair, slope, t0, t1, y, rtol, atol, max_step):
    """Yield (t, t_new, y_new, inside), steps as long as the error allows.

    The estimate is the error of the result of lower order, which goes like h^p, so the next h is
    the last one times 0.9 / size^(1/p), where `size` is the largest estimate in units of what is
    allowed; between 0.2 and 10 times. The result of order p, which is kept, has a local error of
    h^(p + 1).

    Raises Failed if no step is short enough. Warns once where the longest stable step has decided
    for long.
    """
    t, sign, rejected, taken = t0, math.copysign(1, t1 - t0), False, 0
    size_of, power = error_scale(y, rtol, atol), -1 / pair.order
    limit = _Limit(pair, size_of)
    first = slope(t, y)
    if not bool(to_numpy(namespace(y).isfinite(first).all())):
        raise Failed(f"the slope is not finite at the start, t = {t:.6g}, step 1")
    h = first_step(slope, t, y, first, sign, min(abs(t1 - t0), max_step), size_of, pair.order)
    while t != t1:
        t_new = next_time(t, t1, h, max_step, taken)
        length = t_new - t  # the step that t takes, which may differ from h in its last digits
        k, (before, new) = _stages(pair, slope, t, y, length, slope.still(first))
        size = size_of(length * _weighted(pair.error, k), y, new)
        if not size <= 1:
            if math.isfinite(size):
                shorter, why = max(0.2, 0.9 * size**power), "its error stays too large"
            else:
                shorter, why = 0.1, "y is not finite there"
            h, rejected = abs(length) * shorter, True
            if h < 10 * math.ulp(t):
                raise Failed(f"no step short enough at t = {t:.6g}, step {taken + 1}: {why}")
            continue
        yield t, t_new, new, _dense(pair, y, length, k)
        taken += 1
        if limit.decides(taken, length, k, before, new):
            said = "the longest stable step, not the error, has decided for long"
            hint = 'method="bdf" has no such limit'
            warnings.warn(f"{said} at t = {t:.6g}; {hint}", RuntimeWarning, stacklevel=3)
        growth = 0.9 * size**power if size else 10
        growth = max(0.2, min(growth, 1 if rejected else 10))
        h, rejected = abs(length) * growth, False
        t, y, first = t_new, new, k[-1]


# When stability decides
#
#   On dy/dt = -r y a step multiplies y by a polynomial in h r, whose size passes 1 at the longest
#   stable step, h r = 3.3066 for Dormand and Prince. As long as the error decides, h r is smaller.
#   When everything that decays fast has decayed, the error allows ever longer steps, the fast part
#   grows again in those that are too long, and its error shortens them: h r stays at the limit, or,
#   by the factor 0.9 of the next h, a little below.
#
#   The last two stages give r at no cost: they are at the same time, so that their slopes differ
#   by the Jacobian times the difference of their points (Hairer and Wanner, 1996, IV.2),
#     (1)  h r = h |k - k'| / |y - y'|
#   where the fastest direction leads, as it does at the limit. One step at the limit says little;
#   so one in a hundred is tested, and fifty of these in a row at the limit are 5000 steps that
#   another method would not have taken. Each test below the limit halves the count.


class _Limit:
    """Whether the longest stable step has decided for long; told once."""

    def __init__(self, pair, size_of):
        self.longest, self.size_of, self.hits = 0.85 * pair.stable, size_of, 0

    def decides(self, taken, h, k, before, new):
        if taken % 100 or self.hits == 50:
            return False
        reach = abs(h) * self.size_of(k[-1] - k[-2], new)  # (1)
        there = reach > self.longest * self.size_of(new - before, new)
        self.hits = self.hits + 1 if there else self.hits // 2
        return self.hits == 50


def _dense(pair, y, h, k):
    """The polynomial inside a step; its coefficients are summed up when it is first asked for."""
    powers = []

    def inside(theta):
        if not powers:
            powers.extend(h * _weighted(column, k) for column in zip(*pair.dense))
        total = powers[-1]
        for power in powers[-2::-1]:
            total = power + theta * total
        return y + theta * total

    return inside
