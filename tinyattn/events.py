"""Zeros of a function of time and state inside a step, for many runs at once: `ode.integrate`."""

import math

import numpy as np

from .backend import namespace, to_numpy
from .errors import InputError, check_count, check_number, host_floats, shown


class NotFinite(Exception):
    """An event has no sign."""


class Watch:
    """One event: its last values, and when and where it has fired.

    An event that returns one number records every zero. One that returns a number for each run
    records the first of each run. A zero is a change of sign or the arrival at 0; a zero at t0 is
    not reported.
    """

    def __init__(self, g, t0, y0):
        if not callable(g):
            raise InputError(f"events: expected functions g(t, y), got {shown(g)}")
        self.g, self.xp, self.like = g, namespace(y0), y0
        self.value = self._ask(t0, y0)
        self.single = self.value.ndim == 0
        if not self.single and (y0.ndim == 0 or self.value.shape != y0.shape[:1]):
            raise InputError(
                f"events: expected one number, or one for each of {y0.shape[:1]} runs, "
                f"got shape {self.value.shape}"
            )
        if not bool(to_numpy(self.xp.isfinite(self.value).all())):
            raise InputError(
                f"events: expected finite values at the start, got {to_numpy(self.value)}"
            )
        self.direction = check_number("events: direction", getattr(g, "direction", 0))
        self.terminal = _terminal(getattr(g, "terminal", False))
        if self.terminal > 1 and not self.single:
            raise InputError(
                f"events: expected terminal True or False for an event of many runs, "
                f"got {self.terminal}"
            )
        self.found = []  # of a single event: pairs (time, state)
        # When it first fired; of a single event, when it ends the run.
        self.times = self.xp.full(self.value.shape, math.nan)
        self.thetas = self.times  # and the share of the step then
        self.states = self.xp.full(y0.shape, math.nan, dtype=y0.dtype)

    @property
    def t_events(self):
        """All times of a single event (k,), or the first of each run, NaN without one; on NumPy."""
        if not self.single:
            return to_numpy(self.times)
        return np.array([time for time, _ in self.found])

    @property
    def y_events(self):
        """The states then: (k, *y.shape) of a single event, else shaped like y."""
        if not self.single:
            return self.states
        if not self.found:
            return self.xp.zeros((0, *self.like.shape), self.like.dtype)
        return self.xp.stack([y for _, y in self.found])

    @property
    def first_time(self):
        """When it first fired, NaN where it did not: a number, or a NumPy array over the runs."""
        if not self.single:
            return self.t_events
        return self.found[0][0] if self.found else math.nan

    def look(self, t, t_new, y_new, inside):
        """Record the zeros of this step; return whether there was one. Raises NotFinite for NaN."""
        xp, before = self.xp, self.value
        self.value = now = self._ask(t_new, y_new)
        rises = (before < 0) & (now >= 0)
        falls = (before > 0) & (now <= 0)
        if self.direction == 0:
            hit = rises | falls
        else:
            hit = rises if self.direction > 0 else falls
        if not self.single:
            hit = hit & xp.isnan(self.times)
        if not bool(to_numpy((hit | ~xp.isfinite(now)).any())):
            return False
        theta = self._locate(t, t_new - t, inside, before, hit)
        time = t + theta * (t_new - t)
        state = inside(self.wide(theta.astype(y_new.dtype)))
        if self.single:
            self.found.append((float(to_numpy(time)), state))
            hit = hit & (len(self.found) == self.terminal)
        self.times, self.thetas = xp.where(hit, time, self.times), xp.where(hit, theta, self.thetas)
        self.states = xp.where(self.wide(hit), state, self.states)
        return True

    def forget_after(self, end, sign):
        """Take back what fired in the last step after the integration had stopped."""
        self.found = [pair for pair in self.found if sign * pair[0] <= sign * end]
        late = sign * self.times > sign * end
        self.times = self.xp.where(late, math.nan, self.times)
        self.states = self.xp.where(self.wide(late), math.nan, self.states)

    def wide(self, per_run):
        """One value a run, shaped to multiply a state."""
        if not per_run.ndim:
            return per_run
        return per_run.reshape(per_run.shape + (1,) * (self.like.ndim - 1))

    def _ask(self, t, y):
        """g at a copy of y, as an array of our own."""
        value = self.g(t, y.copy())
        wanted = "g(t, y) to return a number that changes its sign"
        if self.xp is np and type(value) is not np.ndarray:
            if isinstance(value, (bool, np.bool_)) or value is None:
                raise InputError(f"events: expected {wanted}, got {value}")
            value = host_floats("events: g(t, y)", value)
        if getattr(value, "dtype", np.dtype(bool)).kind not in "fi":
            raise InputError(f"events: expected {wanted}, got {shown(value)}")
        if value.shape != getattr(self, "value", value).shape:
            raise InputError(
                f"events: expected g(t, y) of shape {self.value.shape}, as at the start, "
                f"got {value.shape}"
            )
        return value.copy()

    def _locate(self, t, h, inside, before, hit):
        """The share of the step after which the value has another sign, by bisection, per run."""
        xp = self.xp
        low, high = xp.zeros(before.shape), xp.ones(before.shape)
        lost = ~xp.isfinite(self.value)
        for _ in range(53):
            middle = (low + high) / 2
            value = self._ask(t + middle * h, inside(self.wide(middle.astype(self.like.dtype))))
            still = xp.where(before > 0, value > 0, value < 0)  # an arrival at 0 is the zero
            low, high = xp.where(still, middle, low), xp.where(still, high, middle)
            lost = lost | (hit & xp.isnan(value))
        if bool(to_numpy(lost.any())):
            raise NotFinite("an event's value is not finite")
        return high


def _terminal(value):
    """How many zeros of an event end the run; 0 if none does."""
    if value is None or isinstance(value, (bool, np.bool_)):
        return int(bool(value))
    return check_count("events: terminal", value, 0)


def last_stop(watches, sign):
    """Time and share of the step at which the last run stops; None while a run goes on."""
    ends = [watch for watch in watches if watch.terminal]
    times = [sign * to_numpy(watch.times) for watch in ends]
    first = np.fmin.reduce(np.broadcast_arrays(*times))
    if np.isnan(first).any():
        return None
    end = first.max()
    for watch, of_runs in zip(ends, times):
        if (of_runs == end).any():
            theta = to_numpy(watch.thetas)[of_runs == end][0]
            break
    return float(sign * end), float(theta)
