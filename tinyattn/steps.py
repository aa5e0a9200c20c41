"""Steps of Euler's method and of the classic RK4, and what the methods of every file share.

Stages are summed one after the other, entry by entry: entries that start equal and move by equal
operations stay equal to the last bit.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .backend import namespace, to_numpy
from .errors import (
    InputError,
    check_array,
    check_floats,
    check_function,
    check_number,
    host_floats,
    is_array,
)

# f(t, y), which may write into y and return the same buffer every time
Field = Callable[[float, Any], Any]


class Slope:
    """A caller's field as the steps use it: it gets a copy of y, and its answer is copied.

    The copy is in y's dtype.

    calls:  how often it was asked.
    moving: None, or which runs move; the others have slope 0.
    """

    def __init__(self, f):
        self.f = check_function("f", f, "a function f(t, y)")
        self.calls, self.moving = 0, None

    def __call__(self, t, y):
        self.calls += 1
        dy = self.f(t, y.copy())
        if type(dy) is type(y) and dy.dtype == y.dtype and dy.shape == y.shape:
            return self.still(dy.copy())
        if namespace(y) is np and type(dy) is not np.ndarray:
            dy = host_floats("f: its return", dy)
        if check_array("f: its return", dy).dtype.kind not in "fi" or dy.shape != y.shape:
            wanted = f"a return of real numbers of shape {y.shape}, as y"
            raise InputError(f"f: expected {wanted}, got {dy.dtype} {tuple(dy.shape)}")
        return self.still(dy.astype(y.dtype))

    def still(self, dy):
        """dy with 0 for the runs that do not move."""
        return dy if self.moving is None else namespace(dy).where(self.moving, dy, 0.0)

    def stop(self, running):
        """From now on only those of the runs move that are still running."""
        self.moving = running if self.moving is None else self.moving & running


def as_state(name: str, y: Any) -> Any:
    """A copy of y as an array of floats; an array keeps its precision and stays where it is."""
    if is_array(y) and (namespace(y) is not np or y.dtype.kind == "f"):
        return namespace(y).asarray(check_floats(name, y)).copy()
    return host_floats(name, y)


def euler_step(f: Field, t: float, y: Any, h: float) -> Any:
    """y + h f(t, y). Its error after a fixed time is of order h."""
    return _euler(*checked(f, t, y, h))


def _euler(slope, t, y, h):
    return y + h * slope(t, y)


# Classic Runge-Kutta of order 4: Kutta (1901)
#
#      0  |
#     1/2 | 1/2
#     1/2 |  0   1/2
#      1  |  0    0    1
#     ----+--------------------
#         | 1/6  1/3  1/3  1/6


def rk4_step(f: Field, t: float, y: Any, h: float) -> Any:
    """One step of the classic method: four slopes, error after a fixed time of order h^4."""
    return _rk4(*checked(f, t, y, h))


def _rk4(slope, t, y, h):
    k1 = slope(t, y)
    k2 = slope(t + h / 2, y + (h / 2) * k1)
    k3 = slope(t + h / 2, y + (h / 2) * k2)
    k4 = slope(t + h, y + h * k3)
    return y + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)


def checked(f, t, y, h):
    """The arguments of a single step, checked: y is an array then, and f a Slope."""
    t, h = check_number("t", t), check_number("h", h, minimum=-1e100, maximum=1e100)
    return Slope(f), t, as_state("y", y), h


def check_field(f: Any) -> Field:
    """Return f, or raise InputError unless its signature is that of a function f(t, y).

    Names tell f(y, t): a first argument y, or a second one t.
    """
    check_function("f", f, "a function f(t, y)")
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # a compiled function may have none
        return f
    names = list(signature.parameters)
    try:
        signature.bind(0.0, 0.0)
        swapped = names[0] == "y" or names[1:2] == ["t"]
    except TypeError:
        swapped = True
    if swapped:
        got = f"f({', '.join(names)})"
        raise InputError(f"f: expected a function f(t, y), the time first, got {got}")
    return f


class Failed(Exception):
    """The path cannot go on."""


def fixed_steps(slope, method, t0, t1, y, h, n):
    """Yield (t, t_new, y_new, inside) for n steps of h by "euler" or "rk4"; the last ends at t1.

    Raises Failed where y is not finite.
    """
    one_step = {"euler": _euler, "rk4": _rk4}[method]
    for i in range(n):
        t = t0 + i * h
        t_new = t1 if i == n - 1 else t0 + (i + 1) * h
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


def error_scale(y, rtol, atol):
    """A function (error, *ys) that returns the largest entry of |error| / (atol + rtol |y|).

    It takes one y, or the larger of two in each entry.
    """
    xp = namespace(y)
    tiny = float(np.finfo(y.dtype).tiny)  # prevents 0 / 0 where atol is 0 in the precision of y

    def size_of(error, *ys):
        largest = abs(ys[0])
        for other in ys[1:]:
            largest = xp.maximum(largest, abs(other))
        return float(to_numpy((abs(error) / (atol + rtol * largest + tiny)).max()))

    return size_of


def next_time(t, t1, h, longest, taken):
    """t a step h > 0 nearer to t1, or t1 if that is no farther.

    Raises Failed where t cannot tell the step.
    """
    h = min(max(h, 10 * math.ulp(t)), longest)
    t_new = t1 if h >= abs(t1 - t) else t + math.copysign(h, t1 - t)
    if t_new == t:
        raise Failed(f"t = {t!r} cannot tell a step of {h:.6g}, step {taken + 1}")
    if math.isinf(t_new):
        raise Failed(f"no terminal event has fired by t = {t:.6g}, step {taken + 1}")
    return t_new


def first_step(slope, t, y, first, sign, longest, size_of, order):
    """A first step by the size of y, of its slope and of its curvature.

    It is that of Hairer, Norsett and Wanner, II.4.
    """
    d0, d1 = size_of(y, y), size_of(first, y)
    h0 = 0.01 * d0 / d1 if min(d0, d1) > 1e-5 else 1e-6
    h0 = min(h0, longest)
    if not h0 > 0:  # a slope so steep that the quotient is 0
        h0 = 1e-6
    there = slope(t + sign * h0, y + (sign * h0) * first)
    d2 = size_of(there - first, y) / h0
    if not math.isfinite(d1 + d2):
        return h0
    steepest = max(d1, d2)
    if steepest > 1e-15:
        h1 = (0.01 / steepest) ** (1 / order)
    else:
        h1 = max(1e-6, 1e-3 * h0)
    return min(100 * h0, h1)
