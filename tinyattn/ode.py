"""Integrators for dy/dt = f(t, y), written by hand: Euler, the classic RK4, and the adaptive pair of Dormand and Prince.

y is an array of any shape, on NumPy or CuPy. Gradient descent with learning rate h is `euler_step` on the gradient
flow; what Euler gets wrong, the others show. Stages are summed one after the other, entry by entry, so that entries
which start equal and move by equal operations stay equal to the last bit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .backend import namespace, to_numpy
from .errors import (
    InputError,
    check_array,
    check_choice,
    check_count,
    check_floats,
    check_function,
    check_number,
    check_some,
    host_floats,
    is_array,
    shown,
)
from .events import NotFinite, Watch, last_stop
from .progress import progress_bar

Field = Callable[[float, Any], Any]  # f(t, y), which may write into y and return the same buffer every time


def euler_step(f: Field, t: float, y: Any, h: float) -> Any:
    """y + h f(t, y). Its error after a fixed time is of order h."""
    return _euler(f, t, _checked_state(f, t, y, h), h)


def _euler(f, t, y, h):
    return y + h * _slope(f, t, y)


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
    return _rk4(f, t, _checked_state(f, t, y, h), h)


def _rk4(f, t, y, h):
    k1 = _slope(f, t, y)
    k2 = _slope(f, t + h / 2, y + (h / 2) * k1)
    k3 = _slope(f, t + h / 2, y + (h / 2) * k2)
    k4 = _slope(f, t + h, y + h * k3)
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
#   The last stage stands at the new point, so it is the first slope of the next step. b5 - b4 estimates the error of
#   the fourth-order result; the fifth-order one is kept.

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

# Inside a step, y(t + theta h) = y + h sum_i b_i(theta) k_i with these quartics in theta (Shampine, 1986), of order 4.
# Row i holds the coefficients of theta, theta^2, theta^3, theta^4 in b_i.
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
    y = _checked_state(f, t, y, h)
    new, k = _dopri5_stages(f, t, y, h, _slope(f, t, y))
    return new, h * _weighted(_ERROR, k)


def _dopri5_stages(f, t, y, h, first):
    k = [first]
    for c, row in zip(_C[1:], _A[1:]):
        new = y + h * _weighted(row, k)
        k.append(_slope(f, t + c * h, new))
    return new, k


def _weighted(weights, k):
    """sum_i weights_i k_i, one after the other; zeros are left out."""
    total = None
    for w, slope in zip(weights, k):
        if w != 0:
            total = w * slope if total is None else total + w * slope
    return total


def _slope(f, t, y):
    """f at a copy of y, as an array of our own in the precision of y."""
    dy = f(t, y.copy())
    if type(dy) is np.ndarray and dy.dtype == y.dtype and dy.shape == y.shape:
        return dy.copy()
    if namespace(y) is np and type(dy) is not np.ndarray:
        dy = host_floats("f: its return", dy)
    if check_array("f: its return", dy).dtype.kind not in "fi" or dy.shape != y.shape:
        raise InputError(f"f: expected a return of real numbers of shape {y.shape}, as y, got {dy.dtype} {tuple(dy.shape)}")
    return dy.astype(y.dtype)


def _checked_state(f, t, y, h):
    """The state of a single step, its arguments checked."""
    check_function("f", f, "a function f(t, y)")
    check_number("t", t)
    check_number("h", h, least=-1e100, most=1e100)
    return _state(y)


def _state(y, name="y"):
    """y as an array of floats, whatever holds them; one that is such an array already stays what and where it is."""
    if is_array(y) and (namespace(y) is not np or y.dtype.kind == "f"):
        return namespace(y).asarray(check_floats(name, y))
    return host_floats(name, y)


@dataclass
class Solution:
    """What `integrate` returns; `t` and the event times are NumPy arrays, `y` and `y_events` stay where y0 was.

    t, y:      times and states, time first.
    status:    0: the end of t_span was reached; 1: a terminal event stopped it; -1: it failed, and message says why.
    t_events:  for each event that returns one number, all times at which it fired (k,), as in solve_ivp; for one that
               returns a number for each run, the first time of each, NaN where none (runs,).
    y_events:  the states then: (k, *y.shape), or shaped like y.
    first_times: for each event when it first fired: a number, or an array over the runs; NaN where it did not.
    """

    t: np.ndarray
    y: Any
    nfev: int
    n_steps: int
    status: int
    message: str
    t_events: list[np.ndarray] = field(default_factory=list)
    y_events: list[Any] = field(default_factory=list)
    first_times: list[Any] = field(default_factory=list)

    @property
    def success(self) -> bool:
        return self.status >= 0


def integrate(
    f: Field,
    t_span: tuple[float, float],
    y0: Any,
    *,
    method: str | None = None,
    step: float | None = None,
    n_steps: int | None = None,
    t_eval: Any = None,
    events: Any = None,
    rtol: float | None = None,
    atol: float | None = None,
    max_step: float | None = None,
    max_steps: int = 1_000_000,
    progress: str | None = "integrating",
) -> Solution:
    """Integrate dy/dt = f(t, y) from y(t_span[0]) = y0 to t_span[1], forwards or backwards. Returns a Solution.

    f:          may write into the y that it is given, and return the same buffer every time; so may events.
    y0:         an array of NumPy or CuPy, in whose precision all is computed, or anything else that holds real numbers.
    method:     "euler" or "rk4", which need `step` or `n_steps`: times are t0 + i step, and the last step lands on the
                end exactly. Or "rk45", which chooses its steps so that the local error of every entry of y stays
                below atol + rtol |y| (1e-9 and 1e-6), none longer than max_step. Without a method, "rk4" if `step` or
                `n_steps` is given, else "rk45".
    t_eval:     times, in order, at which to return y, by interpolation inside steps (order 4, Euler's order aside);
                None returns every step.
    events:     functions g(t, y) whose zeros are located inside a step. g returns one number, and every zero counts; or one
                for each run where the leading axis of y carries independent runs, and the first of each does. A start on a
                zero is none: it was just fired there. Attributes as in solve_ivp: g.direction, +1 for rising only, -1 for
                falling only, 0 for both; g.terminal, True to stop at the first zero, or a count to stop at that one; with
                many runs True, to stop when every run has fired a terminal event. A run that has stands still from the end
                of that step on, so that it does not hold up the others. While a zero is located, t is an array of one time
                a run.
    max_steps:  more steps than this end the integration with status -1.
    progress:   the title of the bar that is shown after two seconds; None shows none.

    A value that is not finite ends it with status -1, as does a t so far from 0 that it cannot tell a step; the steps before
    are returned. Raises InputError for what cannot be integrated at all.
    """
    t0, t1 = _check_span(t_span)
    check_function("f", f, "a function f(t, y)")
    y0 = _state(y0, "y0")
    check_some("y0", y0)
    xp = namespace(y0)
    if not bool(to_numpy(xp.isfinite(y0).all())):
        raise InputError(f"y0: expected finite floating-point numbers, got {shown(to_numpy(y0))}")
    wanted = _check_t_eval(t_eval, t0, t1)
    check_count("max_steps", max_steps)
    events = [] if events is None else list(events) if isinstance(events, (list, tuple)) else [events]
    calls, moving = 0, None

    def still(dy):
        """dy with 0 for the runs that have fired a terminal event."""
        return dy if moving is None else xp.where(moving, dy, 0.0)

    def counted(t, y):
        nonlocal calls
        calls += 1
        return still(f(t, y))

    steps = _choose(method, counted, still, t0, t1, y0, step, n_steps, rtol, atol, max_step)
    watches, sign = [Watch(g, t0, y0) for g in events], math.copysign(1, t1 - t0)
    times, states, taken = ([], [], 0) if wanted is not None else ([t0], [y0], 0)
    due = 0  # index of the next wanted time
    if wanted is not None and len(wanted) and wanted[0] == t0:
        times, states, due = [t0], [y0], 1
    status, message = 0, "reached the end of t_span"
    with progress_bar(1.0, progress) as bar:
        try:
            for t, t_new, y_new, inside in steps:
                if taken == max_steps:
                    raise _Failed(f"max_steps = {max_steps} taken, at t = {t:.6g}")
                stop = None
                try:
                    fired = [watch for watch in watches if watch.look(t, t_new, y_new, inside) and watch.terminal]
                except NotFinite as error:
                    raise _Failed(f"{error} at t = {t_new:.6g}, step {taken + 1}") from None
                taken += 1
                for watch in fired:
                    running = watch.wide(xp.isnan(watch.times))
                    moving = running if moving is None else moving & running
                if fired:
                    stop = last_stop(watches, sign)
                end, share = (t_new, 1.0) if stop is None else stop
                if wanted is None:
                    times.append(end)
                    states.append(y_new if stop is None else inside(share))
                else:
                    while due < len(wanted) and abs(wanted[due] - t0) <= abs(end - t0):
                        theta = (wanted[due] - t) / (t_new - t)
                        times.append(wanted[due])
                        states.append(y_new if theta == 1 else inside(theta))
                        due += 1
                bar.update(abs(t_new - t) / abs(t1 - t0))
                if stop is not None:
                    status, message = 1, "a terminal event has fired for every run"
                    for watch in watches:
                        watch.forget_after(end, sign)
                    break
        except _Failed as failure:
            status, message = -1, str(failure)
    y = xp.stack(states) if states else xp.zeros((0, *y0.shape), dtype=y0.dtype)
    happened = [(watch.t_events, watch.y_events, watch.first_time) for watch in watches]
    return Solution(np.array(times), y, calls, taken, status, message, *(list(column) for column in zip(*happened)))


class _Failed(Exception):
    """The integration cannot go on."""


def _choose(method, f, still, t0, t1, y0, step, n_steps, rtol, atol, max_step):
    """The generator of steps for a method, its settings checked."""
    fixed = step is not None or n_steps is not None
    method = ("rk4" if fixed else "rk45") if method is None else method.lower() if isinstance(method, str) else method
    check_choice("method", method, ("euler", "rk4", "rk45"))
    adaptive = dict(rtol=rtol, atol=atol, max_step=max_step)
    if method == "rk45":
        if fixed:
            raise InputError('step: expected none, as "rk45" chooses its own (see rtol, atol, max_step)')
        defaults = dict(rtol=1e-6, atol=1e-9, max_step=math.inf)
        chosen = {
            name: defaults[name] if value in (None, defaults[name]) else check_number(name, value, above=0)
            for name, value in adaptive.items()
        }
        return _adaptive_steps(f, still, t0, t1, y0, **chosen)
    for name, value in adaptive.items():
        if value is not None:
            raise InputError(f'{name}: expected none, as "{method}" takes fixed steps, got {shown(value)}')
    one_step = _euler if method == "euler" else _rk4
    return _fixed_steps(f, t0, t1, y0, one_step, *_check_step(step, n_steps, t1 - t0))


def _fixed_steps(f, t0, t1, y, one_step, h, n):
    """Yield (t, t_new, y_new, inside) for n steps of h, the last of them as long as it takes."""
    for i in range(n):
        t, t_new = t0 + i * h, t1 if i == n - 1 else t0 + (i + 1) * h
        if t == t1:  # rounding in t has made up for a step
            return
        if t_new == t:
            raise _Failed(f"t = {t!r} cannot tell a step of {h:.6g}, step {i + 1}")
        # Rounding in t must not change a step, unless t is so coarse that its steps are others.
        length = h if abs(t_new - t - h) <= 1e-9 * abs(h) else t_new - t
        new = one_step(f, t, y, length)
        if not bool(to_numpy(namespace(y).isfinite(new).all())):
            raise _Failed(f"y is not finite at t = {t_new:.6g}, step {i + 1}")
        yield t, t_new, new, _hermite(f, t, t_new, y, new)
        y = new


def _hermite(f, t, t_new, y, new):
    """The cubic through both ends of a step with the slopes there; they are computed when it is first asked for."""
    slopes = []

    def inside(theta):
        if not slopes:
            h = t_new - t
            slopes.extend((h * _slope(f, t, y), h * _slope(f, t_new, new)))
        bend = (1 - 2 * theta) * (new - y) + (theta - 1) * slopes[0] + theta * slopes[1]
        return (1 - theta) * y + theta * new + theta * (theta - 1) * bend

    return inside


def _adaptive_steps(f, still, t0, t1, y, rtol, atol, max_step):
    """Yield (t, t_new, y_new, inside), each step as long as the error allows; raise _Failed where none is short enough.

    The error of a step of order 5 goes like h^5, so the next h is the last one times 0.9 / size^(1/5), where `size` is
    the largest error in units of what is allowed; between 0.2 and 10 times.
    """
    xp, t, sign, rejected, taken = namespace(y), t0, math.copysign(1, t1 - t0), False, 0

    def size_of(error, *ys):
        largest = abs(ys[0]) if len(ys) == 1 else xp.maximum(abs(ys[0]), abs(ys[1]))
        return float(to_numpy((abs(error) / (atol + rtol * largest)).max()))

    first = _slope(f, t, y)
    h = _first_step(f, t, y, first, sign, min(abs(t1 - t0), max_step), size_of)
    while t != t1:
        h = min(max(h, 10 * math.ulp(t)), max_step)
        t_new = t1 if h >= abs(t1 - t) else t + sign * h
        length = t_new - t  # the step that t takes, which may differ from h in its last digits
        if not length:
            raise _Failed(f"t = {t!r} cannot tell a step of {h:.6g}, step {taken + 1}")
        new, k = _dopri5_stages(f, t, y, length, still(first))
        size = size_of(length * _weighted(_ERROR, k), y, new)
        if not size <= 1:
            h, rejected = abs(length) * (max(0.2, 0.9 * size**-0.2) if math.isfinite(size) else 0.1), True
            if h < 10 * math.ulp(t):
                what = "its error stays too large" if math.isfinite(size) else "y is not finite there"
                raise _Failed(f"no step short enough at t = {t:.6g}, step {taken + 1}: {what}")
            continue
        yield t, t_new, new, _dense(y, length, k)
        taken += 1
        growth = min(1 if rejected else 10, 0.9 * size**-0.2 if size else 10)
        t, y, first, rejected, h = t_new, new, k[6], False, abs(length) * max(growth, 0.2)


def _first_step(f, t, y, first, sign, longest, size_of):
    """A first step by the size of y, of its slope and of its curvature (Hairer, Norsett and Wanner, II.4)."""
    d0, d1 = size_of(y, y), size_of(first, y)
    h0 = min(0.01 * d0 / d1 if min(d0, d1) > 1e-5 else 1e-6, longest)
    d2 = size_of(_slope(f, t + sign * h0, y + (sign * h0) * first) - first, y) / h0
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


def _check_span(t_span):
    try:
        t0, t1 = (float(t) for t in t_span)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"t_span: expected two numbers, got {shown(t_span)}") from None
    if not math.isfinite(t1 - t0) or t0 == t1:
        raise InputError(f"t_span: expected two different finite times, got {shown(t_span)}")
    return t0, t1


def _check_step(step, n_steps, length):
    """The signed step and the number of steps, from whichever of the two is given."""
    if (step is None) == (n_steps is None):
        given = "both" if step is not None else "neither"
        raise InputError(f"step: expected either step or n_steps with a fixed-step method, got {given}")
    if n_steps is not None:
        return length / check_count("n_steps", n_steps), n_steps
    check_number("step", step, above=0)
    if abs(length) / step > 2**53:
        raise InputError(f"step: expected one that t can tell from 0 over a span of {abs(length):g}, got {step!r}")
    n = max(1, math.ceil(abs(length) / step - 1e-9))
    return math.copysign(step, length), n


def _check_t_eval(t_eval, t0, t1):
    if t_eval is None:
        return None
    wanted = host_floats("t_eval", t_eval)
    low, high = min(t0, t1), max(t0, t1)
    inside = wanted.ndim == 1 and np.all((wanted >= low) & (wanted <= high))
    if not inside or np.any(np.diff(wanted) * (t1 - t0) <= 0):
        raise InputError(f"t_eval: expected times in order within [{t0:g}, {t1:g}], got {shown(wanted)}")
    return [float(t) for t in wanted]
