"""Steps of Euler's method, of the classic RK4 and of Dormand and Prince's pair.

Stages are summed one after the other, entry by entry: entries that start equal and move by equal
operations stay equal to the last bit.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .backend import namespace, to_numpy
from .errors import InputError, check_array, check_floats, check_function, check_number, host_floats, is_array

Field = Callable[[float, Any], Any]  # f(t, y), which may write into y and return the same buffer every time


class Slope:
    """A caller's field as the steps use it: it gets a copy of y, and its answer is copied, in y's dtype.

    calls:  how often it was asked. moving: None, or which runs move; the others have slope 0.
    """

    def __init__(self, f):
        self.f, self.calls, self.moving = check_function("f", f, "a function f(t, y)"), 0, None

    def __call__(self, t, y):
        self.calls += 1
        dy = self.f(t, y.copy())
        if type(dy) is type(y) and dy.dtype == y.dtype and dy.shape == y.shape:
            return self.still(dy.copy())
        if namespace(y) is np and type(dy) is not np.ndarray:
            dy = host_floats("f: its return", dy)
        if check_array("f: its return", dy).dtype.kind not in "fi" or dy.shape != y.shape:
            raise InputError(f"f: expected a return of real numbers of shape {y.shape}, as y, got {dy.dtype} {tuple(dy.shape)}")
        return self.still(dy.astype(y.dtype))

    def still(self, dy):
        """dy with 0 for the runs that do not move."""
        return dy if self.moving is None else namespace(dy).where(self.moving, dy, 0.0)

    def stop(self, running):
        """From now on only those of the runs move that are still running."""
        self.moving = running if self.moving is None else self.moving & running


def as_state(name: str, y: Any) -> Any:
    """A copy of y as an array of floats; an array keeps its precision and its place."""
    if is_array(y) and (namespace(y) is not np or y.dtype.kind == "f"):
        return namespace(y).asarray(check_floats(name, y)).copy()
    return host_floats(name, y)


def euler_step(f: Field, t: float, y: Any, h: float) -> Any:
    """y + h f(t, y). Its error after a fixed time is of order h."""
    return _euler(*_checked(f, t, y, h))


def _euler(slope, t, y, h):
    return y + h * slope(t, y)


# Classic Runge-Kutta of order 4 (Kutta, 1901)
#
#      0  |
#     1/2 | 1/2
#     1/2 |  0   1/2
#      1  |  0    0    1
#     ----+--------------------
#         | 1/6  1/3  1/3  1/6


def rk4_step(f: Field, t: float, y: Any, h: float) -> Any:
    """One step of the classic method: four slopes, error after a fixed time of order h^4."""
    return _rk4(*_checked(f, t, y, h))


def _rk4(slope, t, y, h):
    k1 = slope(t, y)
    k2 = slope(t + h / 2, y + (h / 2) * k1)
    k3 = slope(t + h / 2, y + (h / 2) * k2)
    k4 = slope(t + h, y + h * k3)
    return y + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)


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
#   The last stage stands at the new point, so it is the first slope of the next step. b5 - b4
#   estimates the error of the fourth-order result; the fifth-order one is kept.

_C = (0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1)
_A = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_B4 = (5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
_ERROR = tuple(b5 - b4 for b5, b4 in zip((*_A[6], 0), _B4))

# Inside a step, y(t + theta h) = y + h sum_i b_i(theta) k_i with these quartics in theta (Shampine,
# 1986), of order 4. Row i holds the coefficients of theta, theta^2, theta^3, theta^4 in b_i.
_DENSE = (
    (1, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432),
    (0, 0, 0, 0),
    (0, 131558114200 / 32700410799, -68118460800 / 10900136933, 87487479700 / 32700410799),
    (0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072),
    (0, 127303824393 / 49829197408, -318862633887 / 49829197408, 701980252875 / 199316789632),
    (0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844),
    (0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423),
)


def dopri5_step(f: Field, t: float, y: Any, h: float) -> tuple[Any, Any]:
    """One step of order 5: the new y, and an estimate of its local error, shaped like y."""
    slope, t, y, h = _checked(f, t, y, h)
    new, k = _dopri5(slope, t, y, h, slope(t, y))
    return new, h * _weighted(_ERROR, k)


def _dopri5(slope, t, y, h, first):
    k = [first]
    for c, row in zip(_C[1:], _A[1:]):
        new = y + h * _weighted(row, k)
        k.append(slope(t + c * h, new))
    return new, k


def _weighted(weights, k):
    """sum_i weights_i k_i, one after the other; zeros are left out."""
    total = None
    for w, slope in zip(weights, k):
        if w != 0:
            total = w * slope if total is None else total + w * slope
    return total


def _checked(f, t, y, h):
    """The arguments of a single step, checked: y is an array then, and f a Slope."""
    t, h = check_number("t", t), check_number("h", h, least=-1e100, most=1e100)
    return Slope(f), t, as_state("y", y), h


class Failed(Exception):
    """The path cannot go on."""


def fixed_steps(slope, method, t0, t1, y, h, n):
    """Yield (t, t_new, y_new, inside) for n steps of h by "euler" or "rk4"; the last ends at t1.

    Raises Failed where y is not finite.
    """
    one_step = {"euler": _euler, "rk4": _rk4}[method]
    for i in range(n):
        t, t_new = t0 + i * h, t1 if i == n - 1 else t0 + (i + 1) * h
        if t == t1:  # rounding in t has made up for a step
            return
        if t_new == t:
            raise Failed(f"t = {t!r} cannot tell a step of {h:.6g}, step {i + 1}")
        # Rounding in t must not change a step, unless t is so coarse that its steps are others.
        length = h if abs(t_new - t - h) <= 1e-9 * abs(h) else t_new - t
        new = one_step(slope, t, y, length)
        if not bool(to_numpy(namespace(y).isfinite(new).all())):
            raise Failed(f"y is not finite at t = {t_new:.6g}, step {i + 1}")
        yield t, t_new, new, _hermite(slope, t, t_new, y, new)
        y = new


def _hermite(slope, t, t_new, y, new):
    """The cubic through both ends of a step with the slopes there, computed on first use."""
    slopes = []

    def inside(theta):
        if not slopes:
            h = t_new - t
            slopes.extend((h * slope(t, y), h * slope(t_new, new)))
        bend = (1 - 2 * theta) * (new - y) + (theta - 1) * slopes[0] + theta * slopes[1]
        return (1 - theta) * y + theta * new + theta * (theta - 1) * bend

    return inside


def adaptive_steps(slope, t0, t1, y, rtol, atol, max_step):
    """Yield (t, t_new, y_new, inside), steps as long as the error allows. Raises Failed if none is.

    The estimate is the error of the fourth-order result, which goes like h^5, so the next h is the last
    one times 0.9 / size^(1/5), where `size` is the largest estimate in units of what is allowed;
    between 0.2 and 10 times. The fifth-order result, which is kept, has a local error of h^6.
    """
    xp, t, sign, rejected, taken = namespace(y), t0, math.copysign(1, t1 - t0), False, 0

    tiny = float(np.finfo(y.dtype).tiny)  # keeps 0 / 0 away where an atol is none of the numbers of y's precision

    def size_of(error, *ys):
        largest = abs(ys[0]) if len(ys) == 1 else xp.maximum(abs(ys[0]), abs(ys[1]))
        return float(to_numpy((abs(error) / (atol + rtol * largest + tiny)).max()))

    first = slope(t, y)
    if not bool(to_numpy(xp.isfinite(first).all())):
        raise Failed(f"the slope is not finite at the start, t = {t:.6g}, step 1")
    h = _first_step(slope, t, y, first, sign, min(abs(t1 - t0), max_step), size_of)
    while t != t1:
        h = min(max(h, 10 * math.ulp(t)), max_step)
        t_new = t1 if h >= abs(t1 - t) else t + sign * h
        length = t_new - t  # the step that t takes, which may differ from h in its last digits
        if not length:
            raise Failed(f"t = {t!r} cannot tell a step of {h:.6g}, step {taken + 1}")
        new, k = _dopri5(slope, t, y, length, slope.still(first))
        size = size_of(length * _weighted(_ERROR, k), y, new)
        if not size <= 1:
            h, rejected = abs(length) * (max(0.2, 0.9 * size**-0.2) if math.isfinite(size) else 0.1), True
            if h < 10 * math.ulp(t):
                what = "its error stays too large" if math.isfinite(size) else "y is not finite there"
                raise Failed(f"no step short enough at t = {t:.6g}, step {taken + 1}: {what}")
            continue
        yield t, t_new, new, _dense(y, length, k)
        taken += 1
        growth = min(1 if rejected else 10, 0.9 * size**-0.2 if size else 10)
        t, y, first, rejected, h = t_new, new, k[6], False, abs(length) * max(growth, 0.2)


def _first_step(slope, t, y, first, sign, longest, size_of):
    """A first step by the size of y, of its slope and of its curvature (Hairer, Norsett and Wanner, II.4)."""
    d0, d1 = size_of(y, y), size_of(first, y)
    h0 = min(0.01 * d0 / d1 if min(d0, d1) > 1e-5 else 1e-6, longest)
    h0 = h0 if h0 > 0 else 1e-6  # a slope so steep that the quotient is 0
    d2 = size_of(slope(t + sign * h0, y + (sign * h0) * first) - first, y) / h0
    if not math.isfinite(d1 + d2):
        return h0
    return min(100 * h0, (0.01 / max(d1, d2)) ** 0.2 if max(d1, d2) > 1e-15 else max(1e-6, 1e-3 * h0))


def _dense(y, h, k):
    """The quartic inside a step; its four coefficients are summed up when it is first asked for."""
    powers = []

    def inside(theta):
        if not powers:
            powers.extend(h * _weighted(column, k) for column in zip(*_DENSE))
        return y + theta * (powers[0] + theta * (powers[1] + theta * (powers[2] + theta * powers[3])))

    return inside
