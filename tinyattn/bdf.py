"""Backward differences of order 1 to 5, an implicit method: the slope is taken where the step ends.

It is for flows in which something decays much faster than what one wants to see: an explicit step
must stay below about 2 or 3 over the fastest rate, however still everything is; this one need not.
The idea is that of Curtiss and Hirschfelder (1952); order and step vary as with Gear (1971).
"""

import math
from typing import Any

import numpy as np

from .errors import InputError, check_floats, check_number, check_some, host_floats
from .steps import Failed, Field, Slope, error_scale, first_step, next_time

# From implicit Euler to backward differences
#
#   On dy/dt = -r y Euler's step is y_new = (1 - h r) y, which grows once h r > 2. With the slope at
#   the end of the step instead,
#     (1)  y_new = y + h f(t_new, y_new),     here y_new = y / (1 + h r),
#   every step decays. The price is an equation for y_new.
#
#   (1) asks for the straight line through y and y_new whose slope at its end is f. Order k asks the
#   same of a polynomial P of degree k through y_new and the k values before it, h apart. From its
#   newest value y_n and the backward differences D_0 = y_n, D_1 = y_n - y_(n-1), each D_j that of
#   D_(j-1), Newton writes it as
#     (2)  P(t_n + s h) = sum_(j=0..k) D_j s (s + 1) ... (s + j - 1) / j!
#   At s = 0 the product has the slope (j - 1)! / j! = 1 / j. So with the differences D' at t_new,
#     (3)  sum_(j=1..k) D'_j / j = h f(t_new, y_new)
#   At s = 1 all products are 1: the polynomial through the k + 1 values so far predicts
#     (4)  y_p = sum_(j=0..k) D_j,  and at t_new its differences are sum_(i=j..k) D_i.
#   If y_new = y_p + d then every difference gains d, D'_j = d + sum_(i=j..k) D_i, and D'_(k+1) = d.
#   In (3) D_i then occurs i times, with 1 + 1/2 + ... + 1/i = g_i altogether, and d with g_k:
#     (5)  d = c f(t_new, y_p + d) - e,       c = h / g_k,   e = sum_(i=1..k) g_i D_i / g_k
#   Newton's iteration finds it, with the Jacobian J = df/dy,
#     (6)  (I - c J) change = c f(t_new, y_p + d) - e - d
#   J steers only: one from earlier steps serves as long as the changes shrink fast.
#
# Its error
#
#   With all differences, to j = infinity, (3) is exact. The first that is left out is
#   D'_(k+1) / (k + 1) = d / (k + 1), and (5) has divided by g_k:
#     (7)  error = d / ((k + 1) g_k), which goes like h^(k + 1)
#   The same with D'_k would be the error of order k - 1, and with D'_(k+2) that of k + 1: the order
#   is the one that allows the longest step. D'_(k+2) is the change of d since the last step.
#
# Another step
#
#   Values a step r h apart are (2) at s = 0, -r, -2r, ... With
#          N(r)_ij = s (s + 1) ... (s + j - 1) / j!  at s = -i r
#   they are N(r) D. With r = 1 that is sum_j (-1)^j (i over j) D_j, which also takes values to
#   differences, so
#     (8)  D becomes N(1) N(r) D
#
# An old matrix
#
#   NumPy keeps no factorisation, so the inverse of I - c J is kept, as long as J and c serve.
#   With c' in it where c is right, a direction of rate r is changed by (1 + c r) / (1 + c' r) of
#   what it should be: from 1, if it is slow, to c / c', if it is fast. The factor that makes the
#   largest error over all rates a minimum is
#     (9)  2 / (1 + c / c'),  which leaves at most the share |c - c'| / (c + c') after a round.

MOST = 5  # the maximum: order 6 hardly damps what turns while it decays, order 7 grows by itself
_SAFE = 0.8  # of the step that the error would allow
_ENOUGH = 0.03  # of the error allowed: what Newton's iteration may leave
_SERVES = 0.3  # the share by which c may differ from that of the matrix: 0.13 is left after a round
_G = (0.0, *np.cumsum(1 / np.arange(1, MOST + 1)).tolist())  # g_i


def bdf_step(f: Field, t: float, past: Any, h: float) -> tuple[Any, Any]:
    """One step of order k, in 1..5, from the last k + 1 values: the new y, and an estimate of its
    local error.

    past: (k + 1, ...), the newest first, that of t, h apart. The new y and the error have the shape
          of one of them. Of order 1, implicit Euler, the older one serves the estimate alone.

    Raises InputError for h = 0, and where Newton's iteration does not find the new y.
    """
    t, h = check_number("t", t), check_number("h", h, minimum=-1e100, maximum=1e100)
    past = host_floats("past", past, finite=True)
    check_some("past", past)
    if not past.ndim or not 2 <= len(past) <= MOST + 1:
        raise InputError(f"past: expected 2 to {MOST + 1} values of y, got shape {past.shape}")
    if h == 0:
        raise InputError(f"h: expected a step between the values of past, got {h!r}")
    k = len(past) - 1
    differences = [*np.tensordot(_newton_form(1.0, k), past, 1)]
    atol = 1e-13 * max(abs(past).max(), 1e-100)
    newton = _Newton(Slope(f), 1e-13, atol, enough=1.0, rounds=50)
    d = newton.solve(t + h, h, k, differences)
    if d is None:
        raise InputError(
            f"h: expected a step whose end, at t = {t + h:.6g}, can be found, got {h!r}"
        )
    return sum(differences) + d, d * _error_of(k)


def _newton_form(r, k):
    """N(r) of (8), (k + 1, k + 1)."""
    s = -r * np.arange(k + 1.0)[:, None]
    j = np.arange(1.0, k + 1)
    return np.concatenate([np.ones((k + 1, 1)), np.cumprod((s + j - 1) / j, axis=1)], axis=1)


def _error_of(k):
    """The error of order k over D'_(k+1), see (7)."""
    return 1 / ((k + 1) * _G[k])


class _Newton:
    """Newton's iteration for d, to `enough` of what the tolerances allow.

    The matrix is kept as long as it serves; a Jacobian is too old when the iteration needs more
    than `rounds`.
    """

    def __init__(self, slope, rtol, atol, enough, rounds=6):
        self.slope = slope
        self.rtol, self.atol = rtol, atol
        self.enough, self.rounds = enough, rounds
        self.J = self.inverse = self.c = None
        self.stacks = None  # whether f takes many states at once; not known yet

    def solve(self, t, h, k, D):
        """d of (5), or None where it is not found with a Jacobian of this very point."""
        c, predicted = h / _G[k], sum(D[: k + 1])
        e = sum(_G[i] * D[i] for i in range(1, k + 1)) / _G[k]
        fresh = False
        while True:
            if self.J is None:
                self.J, self.inverse, fresh = self._jacobian(t, predicted), None, True
            if self.inverse is None or abs(c / self.c - 1) > _SERVES:
                try:
                    self.inverse, self.c = np.linalg.inv(np.eye(len(self.J)) - c * self.J), c
                except np.linalg.LinAlgError:
                    return None
            d = self._iterate(t, predicted, c, e)
            if d is not None or fresh:
                return d
            self.J = None

    def _iterate(self, t, predicted, c, e):
        """The rounds of (6), from d = 0; None where they do not come to `enough`.

        Changes that shrink by `rate` in a round sum up to change rate / (1 - rate) from there on.
        """
        size_of = error_scale(predicted, self.rtol, self.atol)
        d, last = np.zeros_like(predicted), None
        for left in reversed(range(self.rounds)):
            miss = c * self.slope(t, predicted + d) - e - d
            change = (self.inverse @ miss.reshape(-1)).reshape(d.shape)  # (6)
            change = 2 / (1 + c / self.c) * change  # (9)
            d, size = d + change, size_of(change, predicted)
            if size == 0:
                return d
            if last is not None:
                rate = size / last
                if not rate < 1 or size * rate**left / (1 - rate) > self.enough:
                    return None
                if size * rate / (1 - rate) <= self.enough:
                    return d
            elif not math.isfinite(size):
                return None
            last = size
        return None

    def _jacobian(self, t, y):
        """J (n, n) at a state of n entries: the field's own, or differences."""
        own = getattr(self.slope.f, "jacobian", None)
        if own is None:
            return self._differences(t, y)
        try:
            J = own(y.copy())
        except InputError:  # it takes one state, and these are many runs
            return self._differences(t, y)
        return check_floats("f: jacobian(y)", J, (y.size, y.size))

    def _differences(self, t, y):
        """J by forward differences, all columns in one call where the field takes many states."""
        n = y.size
        size = abs(y) + self.atol / self.rtol  # below atol / rtol y counts as 0
        apart = 2.0**-26 * size.reshape(n)  # half the digits
        moved = y + np.diag(apart).reshape(n, *y.shape)
        base = self.slope(t, y)
        columns = lambda slopes: ((slopes - base).reshape(n, n) / apart[:, None]).T
        if self.stacks:
            return columns(self.slope(t, moved))
        J = columns(np.stack([self.slope(t, one) for one in moved]))
        if self.stacks is None:
            self.stacks = self._same(t, moved, columns, J)
        return J

    def _same(self, t, moved, columns, J):
        """Whether one call with all states gives the same J.

        A field may fail there, or mistake one axis for another.
        """
        try:
            with np.errstate(all="ignore"):
                return bool(abs(columns(self.slope(t, moved)) - J).max() <= 1e-3 * abs(J).max())
        except Exception:  # a caller's field may raise anything for a shape it was not made for
            return False


def bdf_steps(slope, t0, t1, y, rtol, atol, max_step):
    """Yield (t, t_new, y_new, inside), with order and step as the error allows.

    Order and step change after k + 1 steps of one order and length, whose differences decide.

    Raises Failed if no step does.
    """
    size_of, sign = error_scale(y, rtol, atol), math.copysign(1, t1 - t0)
    newton = _Newton(slope, rtol, atol, max(_ENOUGH, 10 * 2.0**-52 / np.min(rtol)))
    first = slope(t0, y)
    if not np.isfinite(first).all():
        raise Failed(f"the slope is not finite at the start, t = {t0:.6g}, step 1")
    h = first_step(slope, t0, y, first, sign, min(abs(t1 - t0), max_step), size_of, 2)
    t, k, equal, taken, apart = t0, 1, 0, 0, sign * h
    D = [y, apart * first, 0 * y]
    while t != t1:
        t_new = next_time(t, t1, h, max_step, taken)
        length = t_new - t
        if abs(length / apart - 1) > 1e-9:
            respaced = _newton_form(1.0, k) @ _newton_form(length / apart, k)
            D[: k + 1] = np.tensordot(respaced, np.stack(D[: k + 1]), 1)  # (8)
            apart, equal = length, 0
        d = newton.solve(t_new, length, k, D)
        if d is None:
            size, shorter, why = math.nan, 0.5, "Newton's iteration does not converge"
        else:
            new = _differences_at_end(D, d, k)
            size = size_of(_error_of(k) * d, y, new[0])
            shorter = max(0.2, _growth(size, k)) if math.isfinite(size) else 0.1
            why = "its error stays too large"
        if not size <= 1:
            h = abs(length) * shorter
            if h < 10 * math.ulp(t):
                raise Failed(f"no step short enough at t = {t:.6g}, step {taken + 1}: {why}")
            continue
        yield t, t_new, new[0], _dense(new[: k + 1])
        t, y, h = t_new, new[0], abs(length)
        taken, equal = taken + 1, equal + 1
        # A run that an event has stopped has differences of 0.
        D = [y, *(slope.still(difference) for difference in new[1:])]
        if equal > k:
            best, growth = _best_order(size_of, D, k, y)
            if not 0.9 < growth < 1.2:  # else it is not worth a new matrix
                k, equal, h = best, 0, h * growth


def _differences_at_end(D, d, k):
    """D'_0 to D'_(k+2): each is that of before and the next one, from D'_(k+1) = d down."""
    new = [d, d - D[k + 1]]
    for j in range(k, -1, -1):
        new.insert(0, D[j] + new[0])
    return new


def _best_order(size_of, D, k, y):
    """Of k and its neighbours, the order with the longest step, and that step over the last."""
    growth = {}
    for order in range(max(k - 1, 1), min(k + 1, MOST) + 1):
        size = size_of(_error_of(order) * D[order + 1], y)
        growth[order] = _growth(size, order)
    best = max(growth, key=growth.__getitem__)
    return best, growth[best]


def _growth(size, order):
    """How many times as long a step may be, at most 10; size: the last error over the allowed."""
    return min(10, _SAFE * size ** (-1 / (order + 1))) if size else 10


def _dense(D):
    """(2) inside a step, where theta = 1 is its end, s = 0."""

    def inside(theta):
        total = D[-1]
        for j in range(len(D) - 1, 0, -1):
            total = D[j - 1] + (theta - 1 + (j - 1)) / j * total
        return total

    return inside
