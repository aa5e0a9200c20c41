"""Where a function of time and state crosses zero inside a step, for many runs at once; `ode.integrate` uses it."""

import math

import numpy as np

from .backend import namespace, to_numpy
from .errors import InputError


class NotFinite(Exception):
    """An event has no sign."""


class Watch:
    """One event: its last values, and when and where each run fired first."""

    def __init__(self, g, t0, y0):
        if not callable(g):
            raise InputError(f"events: expected functions g(t, y), got {g!r}")
        self.g, self.xp, self.states = g, namespace(y0), y0
        self.terminal, self.direction = getattr(g, "terminal", False), getattr(g, "direction", 0)
        self.value = self.xp.asarray(g(t0, y0))
        if self.value.ndim and (y0.ndim == 0 or self.value.shape != y0.shape[:1]):
            raise InputError(
                f"events: expected one number, or one for each of {y0.shape[:1]} runs, got shape {self.value.shape}"
            )
        if not bool(to_numpy(self.xp.isfinite(self.value).all())):
            raise InputError(f"events: expected finite values at the start, got {to_numpy(self.value)}")
        self.times = self.xp.full(self.value.shape, math.nan)
        self.states = self.xp.full(y0.shape, math.nan, dtype=y0.dtype)

    def look(self, t, t_new, y_new, inside):
        """Note which runs crossed zero in this step; return whether any did. Raise NotFinite where it has no sign."""
        xp, before = self.xp, self.value
        self.value = now = xp.asarray(self.g(t_new, y_new))
        rises, falls = (before <= 0) & (now >= 0) & (before != now), (before >= 0) & (now <= 0) & (before != now)
        hit = rises | falls if self.direction == 0 else rises if self.direction > 0 else falls
        hit = hit & xp.isnan(self.times)
        if not bool(to_numpy((hit | ~xp.isfinite(now)).any())):
            return False
        if not bool(to_numpy(xp.isfinite(now).all())):
            raise NotFinite("an event's value is not finite")
        theta = self._locate(t, t_new - t, inside, before)
        self.times = xp.where(hit, t + theta * (t_new - t), self.times)
        self.states = xp.where(self.wide(hit), inside(self.wide(theta.astype(y_new.dtype))), self.states)
        return True

    def forget_after(self, end, sign):
        """Take back what fired in the last step after the integration had stopped."""
        late = sign * self.times > sign * end
        self.times = self.xp.where(late, math.nan, self.times)
        self.states = self.xp.where(self.wide(late), math.nan, self.states)

    def wide(self, per_run):
        """One value a run, shaped to multiply a state."""
        return per_run.reshape(per_run.shape + (1,) * (self.states.ndim - 1)) if per_run.ndim else per_run

    def _locate(self, t, h, inside, before):
        """Bisect for all runs at once: the share of the step after which the value has changed sign."""
        xp = self.xp
        low = xp.zeros(before.shape)
        high = xp.where(before == 0, low, 1.0)  # a run that stands on zero fires at once
        for _ in range(53):
            middle = (low + high) / 2
            value = xp.asarray(self.g(t + middle * h, inside(self.wide(middle.astype(self.states.dtype)))))
            still = (value > 0) == (before > 0)
            low, high = xp.where(still, middle, low), xp.where(still, high, middle)
        return high


def last_stop(watches, sign):
    """When the last run fires its first terminal event: a time, or None while some run has fired none."""
    times = np.broadcast_arrays(*(sign * to_numpy(watch.times) for watch in watches if watch.terminal))
    first = np.fmin.reduce(times)
    return None if np.isnan(first).any() else float(sign * first.max())
