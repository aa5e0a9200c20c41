"""Integrate dy/dt = f(t, y), written by hand: Euler, RK4, Dormand-Prince, backward differences.

y is an array of any shape, on NumPy or CuPy. Gradient descent with learning rate η is an
`euler_step` of h = η on the gradient flow; what Euler gets wrong, the others show.
"""

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .backend import namespace, to_numpy
from .bdf import bdf_step, bdf_steps
from .errors import (
    InputError,
    check_choice,
    check_count,
    check_function,
    check_number,
    check_some,
    host_floats,
    is_array,
    shown,
)
from .events import NotFinite, Watch, last_stop
from .pairs import PAIRS, adaptive_steps, dopri5_step
from .steps import Failed, Field, Slope, as_state, check_field, euler_step, fixed_steps, rk4_step
from .terminal import progress_bar

__all__ = ["Solution", "bdf_step", "dopri5_step", "euler_step", "event", "integrate", "rk4_step"]

METHODS = ("euler", "rk4", *PAIRS, "bdf")


@dataclass
class Solution:
    """What `integrate` returns. Times are NumPy arrays; states stay where y0 was.

    t, y:      times and states, time first. Times rise, or fall, strictly: where a terminal event
               fires at a time that is there already, its state replaces the one there.
    nfev:      calls of f; one with many states at once, for a Jacobian, counts once.
    status:    0: the end of t_span was reached; 1: a terminal event stopped it; -1: it failed, and
               message says why.
    t_events:  for each event that returns one number, all times at which it fired (k,), as in
               solve_ivp; for one that returns a number for each run, the first time of each, NaN
               where none (runs,).
    y_events:  the states then: (k, *y.shape), or shaped like y.
    first_times: for each event when it first fired: a number, or an array over the runs; NaN where
                 it did not.
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
        """Whether the run, or each of them, came to its end."""
        return self.status >= 0


def event(
    g: Callable[[float, Any], Any], terminal: bool | int = False, direction: float = 0
) -> Callable[[float, Any], Any]:
    """g(t, y) as an event for `integrate`, with the attributes that it and SciPy's solve_ivp read.

    terminal:  True ends the integration at the first zero, a count at that one.
    direction: +1 for zeros where g rises only, -1 where it falls only, 0 for both.
    """
    check_function("g", g, "a function g(t, y)")

    watched: Any = lambda t, y: g(t, y)
    if not isinstance(terminal, bool):
        terminal = check_count("terminal", terminal, 0)
    watched.terminal = terminal
    watched.direction = check_number("direction", direction)
    return watched


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
    rtol: Any = None,
    atol: Any = None,
    max_step: float | None = None,
    max_steps: int = 1_000_000,
    progress: str | None = "integrating",
) -> Solution:
    """Integrate dy/dt = f(t, y) from y0 at t_span[0] to t_span[1], either way: a Solution.

    f:          may write into the y that it is given, and return the same buffer every time; so may
                events. Its method jacobian(y), (n, n) at a state of n entries, is used by "bdf"
                where f has one.
    t_span:     an end at infinity needs a terminal event that comes before; without a length, the
                start is returned.
    y0:         an array of NumPy or CuPy, in whose precision all is computed, or anything else that
                holds real numbers.
    method:     "euler" or "rk4", which need `step` or `n_steps`: times are t0 + i step, and the
                last step lands on the end exactly. Or "rk45" or "bdf", which choose their steps so
                that the local error of every entry of y stays below atol + rtol |y| (1e-9 and
                1e-6), none longer than max_step. "bdf" is for flows in which something decays much
                faster than what is to be seen; it works in float64 on NumPy, with a Jacobian, so
                entries that start equal part in the last bit. Without a method, "rk4" if `step` or
                `n_steps` is given, else "rk45".
    rtol, atol: numbers, or arrays of them shaped like y0.
    t_eval:     times, in order, at which to return y, by interpolation inside steps (order 4, or
                the step's own in "bdf", Euler's order aside); None returns every step.
    events:     functions g(t, y) whose zeros are located inside a step. g returns one number, and
                every zero counts; or one for each run where the leading axis of y carries
                independent runs, and the first of each does. A zero at t0 is not reported. `event`
                sets g.direction and g.terminal, as in solve_ivp. With many runs terminal is True or
                False: all stop once every run has fired such an event. A run that has fired does
                not move from the end of that step on, so that it does not hold up the others. While
                a zero is located, t holds one time per run.
    max_steps:  more steps than this end the integration with status -1.
    progress:   the title of the bar that is shown after two seconds; None shows none.

    A value that is not finite ends it with status -1, as does a t so far from 0 that it cannot tell
    a step; the steps before are returned. Where the longest stable step of "rk45" decides, not the
    error, a RuntimeWarning says so, once. Raises InputError for what cannot be integrated at all.
    """
    t0, t1 = _check_span(t_span)
    slope, y0 = Slope(check_field(f)), as_state("y0", y0)
    check_some("y0", y0)
    xp, sign = namespace(y0), math.copysign(1, t1 - t0)
    if not bool(to_numpy(xp.isfinite(y0).all())):
        raise InputError(f"y0: expected finite floating-point numbers, got {shown(to_numpy(y0))}")
    path = _Path(t0, y0, _check_t_eval(t_eval, t0, t1))
    check_count("max_steps", max_steps)
    adaptive = {"rtol": rtol, "atol": atol, "max_step": max_step}
    steps = _choose(method, slope, t0, t1, y0, step, n_steps, adaptive)
    if events is None:
        events = []
    elif not isinstance(events, (list, tuple)):
        events = [events]
    watches = [Watch(g, t0, y0) for g in events]
    if math.isinf(t1) and not any(watch.terminal for watch in watches):
        wanted = "a finite end, or a terminal event that comes before"
        raise InputError(f"t_span: expected {wanted}, got {shown(t_span)}")
    status, message, taken = 0, "reached the end of t_span", 0
    with progress_bar(1.0, progress) as bar:
        try:
            for t, t_new, y_new, inside in steps if t0 != t1 else ():
                if taken == max_steps:
                    raise Failed(f"max_steps = {max_steps} taken, at t = {t:.6g}")
                fired = [watch for watch in watches if watch.look(t, t_new, y_new, inside)]
                taken += 1
                ending = [watch for watch in fired if watch.terminal]
                for watch in ending:
                    slope.stop(watch.wide(xp.isnan(watch.times)))
                stop = last_stop(watches, sign) if ending else None
                path.add(t, t_new, y_new, inside, stop)
                bar.update(abs(t_new - t) / abs(t1 - t0))
                if stop is not None:
                    status, message = 1, "a terminal event has fired for every run"
                    for watch in watches:
                        watch.forget_after(stop[0], sign)
                    break
        except NotFinite as error:
            status, message = -1, f"{error} at t = {t_new:.6g}, step {taken + 1}"
        except Failed as failure:
            status, message = -1, str(failure)
    happened = (
        [watch.t_events for watch in watches],
        [watch.y_events for watch in watches],
        [watch.first_time for watch in watches],
    )
    times, states = path.arrays()
    return Solution(times, states, slope.calls, taken, status, message, *happened)


class _Path:
    """The part of a path that `integrate` returns: every step, or states at the times wanted."""

    def __init__(self, t0, y0, wanted):
        self.t0, self.y0, self.wanted = t0, y0, wanted
        first = wanted is None or (len(wanted) > 0 and wanted[0] == t0)
        self.times, self.states = ([t0], [y0]) if first else ([], [])

    def add(self, t, t_new, y_new, inside, stop):
        """Add a step. stop: None, or the time in it at which all ends and the share of the step."""
        end, share = (t_new, 1.0) if stop is None else stop
        if self.wanted is None:
            if stop is not None and end == self.times[-1]:  # a zero just behind the step before
                del self.times[-1], self.states[-1]  # no time occurs twice
            self.times.append(end)
            self.states.append(y_new if stop is None else inside(share))
            return
        for time in self.wanted[len(self.times) :]:
            if abs(time - self.t0) > abs(end - self.t0):
                return
            theta = (time - t) / (t_new - t)
            self.times.append(time)
            self.states.append(y_new if theta == 1 else inside(theta))

    def arrays(self):
        """The times (n,) and the states (n, *y.shape)."""
        xp, states = namespace(self.y0), self.states
        if not states:
            return np.array([]), xp.zeros((0, *self.y0.shape), dtype=self.y0.dtype)
        return np.array(self.times), xp.stack(states)


def _choose(method, slope, t0, t1, y0, step, n_steps, adaptive):
    """The generator of steps for a method, its settings checked."""
    fixed = step is not None or n_steps is not None
    if method is None:
        method = "rk4" if fixed else "rk45"
    elif isinstance(method, str):
        method = method.lower()
    if check_choice("method", method, METHODS) in ("euler", "rk4"):
        for name, value in adaptive.items():
            if value is not None:
                wanted = f'none, as "{method}" takes fixed steps'
                raise InputError(f"{name}: expected {wanted}, got {shown(value)}")
        return fixed_steps(slope, method, t0, t1, y0, *_check_step(step, n_steps, t1 - t0))
    if fixed:
        wanted = f'none, as "{method}" chooses its own (see rtol, atol, max_step)'
        raise InputError(f"step: expected {wanted}")
    rtol = _tolerance("rtol", adaptive["rtol"], 1e-6, y0)
    atol = _tolerance("atol", adaptive["atol"], 1e-9, y0)
    longest = adaptive["max_step"]
    if longest is None or _is_infinite(longest):
        longest = math.inf
    else:
        longest = check_number("max_step", longest, above=0)
    if method == "bdf":
        if type(y0) is not np.ndarray or y0.dtype != np.float64:
            got = f"{y0.dtype} on {namespace(y0).__name__}"
            raise InputError(f'y0: expected float64 on NumPy, where "bdf" works, got {got}')
        return bdf_steps(slope, t0, t1, y0, rtol, atol, longest)
    return adaptive_steps(PAIRS[method], slope, t0, t1, y0, rtol, atol, longest)


def _tolerance(name, value, default, y0):
    """A number, or an array shaped like y0, with its precision and where it is."""
    if value is None:
        return default
    if is_array(value) and value.ndim == 0:
        value = to_numpy(value).item()
    if not is_array(value) and not isinstance(value, (list, tuple)):
        return check_number(name, value, above=0)
    entries = host_floats(name, to_numpy(value) if is_array(value) else value)
    if entries.shape != y0.shape or not (np.isfinite(entries) & (entries > 0)).all():
        wanted = f"a finite number > 0, or an array of them of shape {y0.shape}, as y0"
        raise InputError(f"{name}: expected {wanted}, got {shown(value)}")
    return namespace(y0).asarray(entries, dtype=y0.dtype)


def _is_infinite(value):
    return isinstance(value, numbers.Real) and value == math.inf


def _check_span(t_span):
    try:
        t0, t1 = (float(t) for t in t_span)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"t_span: expected two numbers, got {shown(t_span)}") from None
    too_long = math.isfinite(t1) and not math.isfinite(t1 - t0)
    if not math.isfinite(t0) or math.isnan(t1) or too_long:
        wanted = "two finite times, or an end at infinity"
        raise InputError(f"t_span: expected {wanted}, got {shown(t_span)}")
    return t0, t1


def _check_step(step, n_steps, length):
    """The signed step and the number of steps, from whichever of the two is given."""
    if (step is None) == (n_steps is None):
        given = "both" if step is not None else "neither"
        wanted = "either step or n_steps with a fixed-step method"
        raise InputError(f"step: expected {wanted}, got {given}")
    if n_steps is not None:
        if math.isinf(length):
            wanted = "none, but step, with an end at infinity"
            raise InputError(f"n_steps: expected {wanted}, got {shown(n_steps)}")
        return length / check_count("n_steps", n_steps), n_steps
    check_number("step", step, above=0)
    if math.isinf(length):
        return math.copysign(step, length), 2**53
    if abs(length) / step > 2**53:
        wanted = f"one that t can tell from 0 over a span of {abs(length):g}"
        raise InputError(f"step: expected {wanted}, got {step!r}")
    n = max(1, math.ceil(abs(length) / step - 1e-9))
    return math.copysign(step, length), n


def _check_t_eval(t_eval, t0, t1):
    if t_eval is None:
        return None
    wanted = host_floats("t_eval", t_eval)
    low, high = min(t0, t1), max(t0, t1)
    inside = wanted.ndim == 1 and np.all((wanted >= low) & (wanted <= high) & np.isfinite(wanted))
    if not inside or np.any(np.diff(wanted) * math.copysign(1, t1 - t0) <= 0):
        expected = f"times in order within [{t0:g}, {t1:g}]"
        raise InputError(f"t_eval: expected {expected}, got {shown(wanted)}")
    return [float(t) for t in wanted]
