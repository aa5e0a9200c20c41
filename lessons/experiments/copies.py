"""Which use of the embeddings dilutes in arXiv 2605.01199, for other chains and widths (our own).

The query, the key or the value reads a copy that does not move, from just before attention has
turned to the frequent token. The flow with such a copy is in `flows.frozen_copy`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyattn import measure, ode
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError, check_count, check_instance, check_number, shown
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.flows.frozen_copy import USES, FrozenCopy

from .experiment import Experiment
from .redistribution import PI

HOW: dict[str, Any] = dict(method="rk45", rtol=1e-7, atol=1e-9, progress=None)
# In units of 1/r, from the end of focus: the copy is made, attention is looked at.
COPIED, MOMENTS = -0.5, (1.0, 3.0, 7.0)

# Three pushes
#
#   Near the condensed point scores are f g g^T, with g = n pi and f small, as in
#   `experiments.redistribution`; a, b, Cov and Var are those of (2) there. What pulls on the output
#   of query i is e = a / (n |pi|^2), and sum_i e_i = 0. To first order in f, g is pushed
#     (1)  as query  f e_i Var_pi(g)                = f n / |pi|^2  a_i Var
#     (2)  as key    f pi_k (g_k - E g) e.g         = f n / |pi|^2  b_k Cov
#     (3)  as value  sum_i dA_ik e_i                = f n / |pi|^2  b_k Cov  (+ a multiple of pi)
#   for dA_ik = f g_i pi_k (g_k - E g), as in (4) there; the multiple of pi is condensation's own
#   pull, which keeps all ratios g_i / g_0. So of what changes these
#     (4)  the key's part and the value's are equal, for all pi, rho and transition matrices;
#   with w = (-pi_i / pi_0, .., 1, ..), which takes the ratio of token i,
#     (5)  the value's share is  w.b Cov / (w.a Var + 2 w.b Cov)
#   Entries of a sum to 0, and so do those of b. If the rare tokens are alike, such vectors are all
#   multiples of one, z: a = x z, b = y z, and a Var = x y (z.pi) z = b Cov. Hence
#     (6)  with equal rare tokens each use has a third, whatever pi_0, d, rho and D are.


def push_shares(flow: FocusDilution) -> np.ndarray:
    """Shares of query, key and value in what changes g_i / g_0, (5): NumPy (3, d-1), i from 1."""
    pi, P = to_numpy(check_instance("flow", flow, FocusDilution).pi), to_numpy(flow.P)
    c = np.log(pi) - np.log(pi).mean()
    a = pi * (P @ c - pi @ c)
    b = pi * (pi - pi @ pi)
    of_ratio = lambda v: v[1:] - pi[1:] / pi[0] * v[0]
    as_query, as_key = of_ratio(a) * (b @ pi), of_ratio(b) * (a @ pi)  # (1), (2)
    parts = np.stack([as_query, as_key, as_key])  # (4)
    return parts / parts.sum(axis=0)


def pushed_there(flow: FocusDilution, f: float = 1e-4) -> np.ndarray:
    """What `push_shares` says, of the flow at the condensed point with scores f g g^T: (3, d-1).

    By the central difference of f and -f, where the pull of the point itself drops out.
    """
    y = np.array([check_instance("flow", flow, FocusDilution).condensed_point()] * 2)
    _, _, W_Q, W_K = flow.split(y)
    W_Q[:, 0, 0], W_K[:, 0, 0] = (check_number("f", f, above=0) ** 0.5), (f**0.5, -(f**0.5))
    on_g = pushes(flow, y[0]) - pushes(flow, y[1])
    pi = to_numpy(flow.pi)
    parts = on_g[:, 1:] - pi[1:] / pi[0] * on_g[:, :1]
    return parts / parts.sum(axis=0)


def pushes(flow: FocusDilution, y: np.ndarray) -> np.ndarray:
    """How fast g moves through each use at one state y (n,): NumPy (3, d), query, key, value."""
    W0 = to_numpy(check_instance("flow", flow, FocusDilution).split(y)[0])
    u = np.linalg.svd(W0, full_matrices=False)[2][0]
    u = u if (W0 @ u)[0] > 0 else -u
    found = []
    for use in USES:
        others = [other for other in USES if other != use]
        found.append(to_numpy(flow.split(FrozenCopy(flow, y, others)(0.0, y))[0]) @ u)
    return np.array(found)


@dataclass(frozen=True)
class Copies(Experiment):
    """One chain's frequencies; all combinations of the settings that are lists.

    pi:    frequencies, the first one the largest.
    rho:   persistences.
    width: numbers in an embedding.
    seed:  of the start.
    eps:   its size.
    """

    pi: Sequence[float] = PI
    rho: Sequence[float] = (0.3, 0.5, 0.7)
    width: Sequence[int] = (16,)
    seed: Sequence[int] = (0,)
    eps: float = 1e-3

    def __post_init__(self):
        for name in ("pi", "rho", "width", "seed"):
            value = getattr(self, name)
            if not isinstance(value, (list, tuple)) or not value:
                raise InputError(f"{name}: expected one or more numbers, got {shown(value)}")
            object.__setattr__(self, name, tuple(value))
        for rho in self.rho:
            check_number("rho", rho, minimum=0.2, maximum=0.8)
        for width in self.width:
            check_count("width", width, minimum=2)
        for seed in self.seed:
            check_count("seed", seed, 0)
        check_number("eps", self.eps, minimum=1e-6, maximum=1e-2)
        flow = FocusDilution(np.array(self.pi, float), self.rho[0], self.width[0])
        if flow.vocab < 2 or max(self.pi) != self.pi[0] or flow.focus_rate <= 0:
            raise InputError(
                f"pi: expected two or more frequencies, the largest first, got {shown(self.pi)}"
            )

    def run(self) -> dict[str, Any]:
        """{"numbers": by setting, and {name: curves} of the first setting}.

        Of each setting:

        r, focus_t             the rate of focus in closed form; token 0 gives itself 0.9
        as_they_come           the spread of attention that is pi, in nats
        spread                 of token 1 at the moments: free, and with each use on the copy
        dilutes                whether it is above as_they_come at the last moment
        on_0                   token 1's attention on token 0 at the moments, likewise
        value_share_derived    (5), of each rare token
        value_share_there      the same of the flow, by differences
        value_share            of the push on token 1 when the copy is made and at focus,
                               condensation's own pull with it
        """
        found: dict[str, Any] = {"numbers": {}}
        for rho, width, seed in itertools.product(self.rho, self.width, self.seed):
            name = f"rho {rho:g}, width {width}, seed {seed}"
            flow = FocusDilution(np.array(self.pi, float), rho, width)
            numbers, curves = self.one(flow, seed)
            found["numbers"][name] = numbers
            found.setdefault("curves", curves)
        return found

    def one(self, flow: FocusDilution, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """The numbers of one setting, and its curves: time from focus, spread by use.

        Raises InputError where token 0 never gives itself 0.9.
        """
        r, pi = flow.focus_rate, to_numpy(flow.pi)
        come = -float(pi @ np.log(pi))
        focused = ode.event(lambda t, y: float(flow.attention(y)[0, 0]) - 0.9, terminal=True)
        start = flow.start(np.random.default_rng(seed), self.eps)
        longest = 4 * np.log(1 / self.eps) * (1 / flow.origin_rate + 1 / r)
        focus_t = ode.integrate(
            flow, (0, longest), start, t_eval=[], events=focused, **HOW
        ).first_times[0]
        if not np.isfinite(focus_t):
            raise InputError(f"pi: expected a chain whose token 0 focuses, got {shown(self.pi)}")
        copied = focus_t + COPIED / r
        y = ode.integrate(flow, (0, copied), start, t_eval=[copied], **HOW).y[-1]
        curve_t = np.linspace(copied, focus_t + MOMENTS[-1] / r, 61)
        times = np.unique([*curve_t, focus_t, *(focus_t + np.array(MOMENTS) / r)])
        fields = {"free": flow, **{use: FrozenCopy(flow, y, (use,)) for use in USES}}
        curves: dict[str, Any] = {"time": times - focus_t, "as_they_come": come}
        numbers: dict[str, Any] = {
            "r": r,
            "focus_t": focus_t,
            "as_they_come": come,
            "spread": {},
            "dilutes": {},
            "on_0": {},
            "value_share_derived": push_shares(flow)[2],
            "value_share_there": pushed_there(flow)[2],
        }
        at = np.searchsorted(times, focus_t + np.array((0, *MOMENTS)) / r - 1e-9)
        for name, field in fields.items():
            path = ode.integrate(field, (copied, times[-1]), y, t_eval=times, **HOW).y
            of_1 = to_numpy(field.attention(path))[:, 1]
            spread = measure.entropy(np.log(of_1))
            curves[name] = spread
            numbers["spread"][name] = spread[at[1:]]
            numbers["on_0"][name] = of_1[at[1:], 0]
            numbers["dilutes"][name] = bool(spread[at[-1]] > come)
            if name == "free":
                on_1 = [pushes(flow, state)[:, 1] for state in (y, path[at[0]])]
                numbers["value_share"] = [push[2] / push.sum() for push in on_1]
        return numbers, curves

    def figure(self, found: dict[str, Any]) -> Any:
        """How far token 1's attention is spread, free and with each use on the copy."""
        from . import flow_figures

        return flow_figures.copies(self, found["curves"])
