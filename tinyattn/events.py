"""Where a function of time and state crosses zero inside a step, for many runs at once; `ode.integrate` uses it."""

import math

from .backend import namespace, to_numpy
from .errors import InputError


class Watch:
    """One event: its last values, and when and where each run fired first."""

    def __init__(self, g, t0, y0):
        self.g, self.xp = g, namespace(y0)
        self.terminal, self.direction = getattr(g, "terminal", False), getattr(g, "direction", 0)
        self.value = self.xp.asarray(g(t0, y0))
        if self.value.ndim and (y0.ndim == 0 or self.value.shape != y0.shape[:1]):
            raise InputError(
                f"events: expected one number, or one for each of {y0.shape[:1]} runs, got shape {self.value.shape}"
            )
        self.times = self.xp.full(self.value.shape, math.nan)
        self.states = self.xp.full(y0.shape, math.nan, dtype=y0.dtype)
        self.end, self.fired = None, False

    def look(self, t, t_new, y_new, inside):
        """Note which runs crossed zero in this step; return True if it is time to stop."""
        xp, before = self.xp, self.value
        self.value = now = xp.asarray(self.g(t_new, y_new))
        rises, falls = (before <= 0) & (now >= 0) & (before != now), (before >= 0) & (now <= 0) & (before != now)
        hit = rises | falls if self.direction == 0 else rises if self.direction > 0 else falls
        hit = hit & xp.isnan(self.times)
        self.fired = bool(to_numpy(hit.any()))
        if not self.fired:
            return False
        theta = self._locate(t, t_new - t, inside, before)
        self.times = xp.where(hit, t + theta * (t_new - t), self.times)
        self.states = xp.where(self.wide(hit), inside(self.wide(theta.astype(y_new.dtype))), self.states)
        if self.terminal and not bool(to_numpy(xp.isnan(self.times).any())):
            far = self.times.max() if t_new > t else self.times.min()
            self.end = float(to_numpy(far))
            return True
        return False

    def _locate(self, t, h, inside, before):
        """Bisect for all runs at once: the share of the step after which the value has changed sign."""
        xp = self.xp
        low, high = xp.zeros(before.shape), xp.ones(before.shape)
        for _ in range(53):
            middle = (low + high) / 2
            value = xp.asarray(self.g(t + middle * h, inside(self.wide(middle.astype(self.states.dtype)))))
            still = (value > 0) == (before > 0)
            low, high = xp.where(still, middle, low), xp.where(still, high, middle)
        return high

    def wide(self, per_run):
        """One value a run, shaped to multiply a state."""
        return per_run.reshape(per_run.shape + (1,) * (self.states.ndim - 1)) if per_run.ndim else per_run
