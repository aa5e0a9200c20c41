"""What surrounds the dilution of arXiv 2605.01199: its P3.6 to 3.8 and T3.9, and other chains.

How attention, as it turns to the frequent token, moves the embeddings apart, and how fast; the
modes that an asymmetry among rare tokens opens, and those among which they stay alike; the same
stages with other transition matrices of the same frequencies. The flow is in
`flows.focus_dilution`.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyattn import ode
from tinyattn.backend import to_numpy
from tinyattn.errors import (
    InputError,
    check_count,
    check_instance,
    check_number,
    host_floats,
    keep_counts,
    shown,
)
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.flows.stages import find_stages
from tinyattn.measure import fit_power_law
from tinyattn.ops import log_softmax

from .experiment import Experiment

TIGHT: dict[str, Any] = dict(method="rk45", rtol=1e-8, atol=1e-12)
PI = (0.75, 0.19, 0.05, 0.01)  # of the paper's main run
# Shares of its end between which the contrast's rate is measured: the embeddings themselves have
# not moved yet.
STRETCH = (1 / 1000, 1 / 100)

# How the embeddings are moved apart
#
#   Near the condensed point, (12) of `flows.focus_dilution`, W0 = g u^T with g = n pi,
#   W1 = u c^T / (n |pi|^2) and W_Q W_K^T = f u u^T: f is of second order and grows like
#   exp(2 r t).
#   The contrast of token 0 with the others,
#     (1)  C = w.g,   w = (1 - pi_0, -pi_0, ..., -pi_0),
#   which for equal rare tokens is (1 - pi_0) g_0 - (d-1) pi_0 g_low, is 0 there, as w.pi = 0,
#   and has rate 0: while attention is pi, F sees g through pi.g alone. What moves it is f, in
#   two ways. With the vectors
#     (2)  a_i = pi_i ((P c)_i - E c),   b_k = pi_k (pi_k - E pi),   a.pi = Cov,   b.pi = Var
#   of (13) there, dPhi = - a b^T / |pi|^2, and the two terms of dW0 with W_Q W_K^T give
#     (3)  -f (dPhi + dPhi^T) g = f n / |pi|^2 (a Var + b Cov)
#   Attention itself changes by dA_ik = f n^2 pi_i b_k, so that dM = A^T dF gains
#   b f n^2 (pi^T dF), and with pi^T dF c = -Cov the readout's term gives
#     (4)  -dM c / (n |pi|^2) = f n / |pi|^2 b Cov + (a multiple of pi, which w does not see)
#   Together
#     (5)  dC/dt = k f,   k = n / |pi|^2 w.(a Var + 2 b Cov),     hence   C = C_0 + k f / 2r,
#   which grows like exp(2 r t): a straight line of its logarithm, with twice the slope of the
#   attention weights'. C_0, of order eps, is what the start has left; with rate 0 it stays. With
#   one frequent token w.a and w.b are positive: g_0 rises and the others fall, in opposite
#   directions. Once g_low has fallen below 0, what grows with f turns the rare tokens
#   away from the frequent one, and attention is diluted.


def contrast(flow: FocusDilution, y: Any) -> np.ndarray:
    """C of (1) at states y (..., n), along W0's first direction, g_0 > 0: NumPy (...)."""
    g = token_weights(flow, y)
    pi_0 = to_numpy(check_instance("flow", flow, FocusDilution).pi)[0]
    return g[..., 0] - pi_0 * g.sum(axis=-1)  # (1)


def token_weights(flow: FocusDilution, y: Any) -> np.ndarray:
    """g, each token's embedding along W0's first direction, g_0 > 0: y (..., n) -> NumPy (..., d).

    Raises InputError for a state that is not finite.
    """
    W0 = to_numpy(check_instance("flow", flow, FocusDilution).split(y)[0])
    if not np.isfinite(W0).all():
        raise InputError(f"y: expected finite embeddings, got {shown(W0)}")
    u = np.linalg.svd(W0, full_matrices=False)[2][..., :1, :]
    g = (W0 @ u.swapaxes(-1, -2))[..., 0]
    return g * np.where(g[..., :1] < 0, -1, 1)


def contrast_push(flow: FocusDilution) -> float:
    """k of (5): how fast the contrast moves, in units of u^T W_Q W_K^T u."""
    pi = to_numpy(check_instance("flow", flow, FocusDilution).pi)
    P = to_numpy(flow.P)
    c = np.log(pi) - np.log(pi).mean()
    size = np.linalg.norm(pi)
    a = pi * (P @ c - pi @ c)  # (2)
    b = pi * (pi - pi @ pi)  # (2)
    w = np.where(np.arange(len(pi)) == 0, 1 - pi[0], -pi[0])
    n = math.sqrt(np.linalg.norm(c) / size**3)
    return float(n / size**2 * w @ (a * (b @ pi) + 2 * b * (a @ pi)))  # (5)


def made_alike(flow: FocusDilution, y: np.ndarray) -> np.ndarray:
    """States y (..., n) in which each rare token has the mean of their embeddings and readouts.

    It is the projection onto the states in which all tokens but the first are alike.
    """
    check_instance("flow", flow, FocusDilution).split(y)
    z = np.array(to_numpy(y))
    W0, W1, *_ = flow.split(z)  # views of z
    W0[..., 1:, :] = W0[..., 1:, :].mean(axis=-2, keepdims=True)
    W1[..., 1:] = W1[..., 1:].mean(axis=-1, keepdims=True)
    return z


def transition_from(weights: Any, pi: Any) -> np.ndarray:
    """The transition matrix Q (d, d), NumPy, that keeps pi (d,): pi_i Q_ij = x_i weights_ij z_j.

    Rows and columns are scaled in turn until both have the sums pi (Sinkhorn, 1964).

    Raises InputError for weights that are not positive, or pi that are no probabilities.
    """
    pi = host_floats("pi", pi, (None,), finite=True)
    if len(pi) < 2 or (pi <= 0).any() or abs(pi.sum() - 1) > 1e-6:
        raise InputError(
            f"pi: expected two or more positive probabilities that sum to 1, got {shown(pi)}"
        )
    pairs = host_floats("weights", weights, (len(pi), len(pi)), finite=True)
    if (pairs < 1e-6).any() or (pairs > 1e6).any():
        raise InputError(f"weights: expected numbers from 1e-6 to 1e6, got {shown(pairs)}")
    for _ in range(10000):
        before = pairs
        pairs = pairs * (pi / pairs.sum(axis=0))
        pairs = pairs * (pi / pairs.sum(axis=1))[:, None]
        if np.abs(pairs - before).max() < 1e-15:
            break
    return pairs / pairs.sum(axis=1, keepdims=True)


# The modes that an asymmetry opens
#
#   Where the cycle comes to rest, W0, W1, W_Q and W_K all use the one direction u. Along a unit
#   vector v across it, δW0 = x v^T and δW1 = v z^T change no score, and M by x z^T alone. The
#   loss changes by x^T (dM) z, so
#     (6)  the rates along v are the singular values of dM = A^T dF, each with both signs,
#   and there are D - 1 such v. With rare tokens exactly alike dM is 0 there. Exchanging tokens 1
#   and 3 exchanges delta and -delta, and with them the columns and the rows of dM:
#     (7)  dM(-delta) = X dM(delta) X,    X the exchange
#   Its entries among changes that keep the rare tokens alike (X x = x, X z = z) are therefore
#   even in delta and begin with delta^2; the others have a term of order delta, and lead.


@dataclass(frozen=True)
class Redistribution(Experiment):
    """One frequent token and three rare ones, persistence rho.

    frequent: frequency of token 0.
    width:    numbers in an embedding, D.
    eps:      size of the start.
    """

    frequent: float = 0.75
    rho: float = 0.5
    width: int = 16
    eps: float = 1e-3
    seed: int = 0

    def __post_init__(self):
        check_number("frequent", self.frequent, minimum=0.5, maximum=0.9)
        check_number("rho", self.rho, minimum=0.2, maximum=0.8)
        keep_counts(self, "width", minimum=2)
        check_number("eps", self.eps, minimum=1e-6, maximum=1e-2)
        check_count("seed", self.seed, 0)

    def run(self) -> dict[str, Any]:
        """Everything: {"numbers": headline figures, and a dict of curves by part}."""
        found = {
            "redistribution": self.redistribution(),
            "renewal": self.renewal(),
            "chains": self.chains(),
        }
        numbers: dict[str, Any] = {}
        for part in found.values():
            numbers |= part.pop("numbers")
        return {"numbers": numbers, **found}

    def figure(self, found: dict[str, Any]) -> Any:
        """The contrast, the token weights, the modes of an asymmetry, other chains."""
        from . import flow_figures

        return flow_figures.redistribution(self, found)

    def start(self, flow: FocusDilution, eps: float) -> np.ndarray:
        """The start of a size, with rare tokens alike: (n,)."""
        return made_alike(flow, flow.start(np.random.default_rng(self.seed), eps))

    def flow(self, delta: float = 0.0) -> FocusDilution:
        """The flow for rare tokens of frequency q (1 + delta), q and q (1 - delta)."""
        check_number("delta", delta, above=-1, below=1)
        q = (1 - self.frequent) / 3
        pi = np.array([self.frequent, q * (1 + delta), q, q * (1 - delta)])
        return FocusDilution(pi, self.rho, self.width)

    def redistribution(self) -> dict[str, Any]:
        """P3.6 to 3.8: the contrast from two starts, and its rate predicted at the slow point.

        For each start, by "eps" and "eps/10", at n times:

        time (n,), weights (n, d)
        contrast (n,)        C
        grown (n,)           C less C_0 as it is at the slow point
        by_attention (n,)    k f/2r
        frequent, low (n,)   attention of the frequent and of a rare token to the frequent one
        stretch              first and last index of the straight stretch

        numbers: the slope of log(grown) and its R2 there, predicted, and that of log(contrast).
        """
        flow = self.flow()
        k, r = contrast_push(flow), flow.focus_rate
        numbers: dict[str, Any] = {"contrast_rate_closed": 2 * r}
        found: dict[str, Any] = {"numbers": numbers}
        for name, eps in (("eps", self.eps), ("eps/10", self.eps / 10)):
            condensed = math.log(1 / eps) / flow.origin_rate
            times = np.arange(0, condensed + (math.log(1 / eps) + 6) / r, 0.25)
            start = self.start(flow, eps)
            y = ode.integrate(flow, (0, times[-1]), start, t_eval=times, **TIGHT).y
            slow = next(i for i in flow.slow_points(times, y) if times[i] > condensed)
            weights, C = token_weights(flow, y), contrast(flow, y)
            W0, _, W_Q, W_K = flow.split(y)
            u = np.linalg.svd(W0, full_matrices=False)[2][:, :1]
            f = ((u @ W_Q) * (u @ W_K)).sum(axis=(-2, -1))
            left = C[slow] - k * f[slow] / (2 * r)  # (5)
            grown, by_attention = C - left, k * f / (2 * r)
            first, last = (slow + int(np.argmax(grown[slow:] > share * C[-1])) for share in STRETCH)
            middle = (first + last) // 2
            t, log = times[first:last], np.log(grown[first:last])
            slope, height = np.polyfit(t, log, 1)
            slope_of_C, _ = np.polyfit(t, np.log(C[first:last].clip(1e-300)), 1)
            rate = 2 * flow.linearise(y[slow]).rate
            numbers[f"contrast_{name}"] = {
                "stretch_t": [t[0], t[-1]],
                "rate": slope,
                "r2": 1 - ((log - slope * t - height) ** 2).sum() / ((log - log.mean()) ** 2).sum(),
                "slow_point_t": times[slow],
                "predicted": rate,
                "rate_over_predicted": slope / rate,
                "left_by_the_start": left,
                "rate_with_what_the_start_left": slope_of_C,
                "grown_over_by_attention_amid": grown[middle] / by_attention[middle],
            }
            A = flow.attention(y)
            found[name] = {
                "time": times,
                "weights": weights,
                "contrast": C,
                "grown": grown,
                "by_attention": by_attention,
                "frequent": A[:, 0, 0],
                "low": A[:, 1, 0],
                "stretch": [first, last],
            }
        return found

    def renewal(self, deltas: Any = (0.1, 0.05, 0.025, 0.0125)) -> dict[str, Any]:
        """T3.9: where the flow rests, t = 200 or later, rates of the Jacobian by the asymmetry.

        delta, leading, alike, predicted (runs,): of the leading mode, of the leading one among
        states with rare tokens alike, and the largest singular value of dM, (6); numbers: slopes on
        logarithms.

        Raises InputError for fewer than three asymmetries, equal ones, or ones outside [1e-3, 0.5].
        """
        deltas = host_floats("deltas", deltas, (None,), finite=True)
        inside = ((deltas >= 1e-3) & (deltas <= 0.5)).all()
        different = len(set(deltas)) == len(deltas)
        if len(deltas) < 3 or not inside or not different:
            raise InputError(
                "deltas: expected three or more different numbers from 1e-3 to 0.5, "
                f"got {shown(deltas)}"
            )
        leading, alike, predicted = [], [], []
        for delta in deltas:
            flow = self.flow(delta)
            slow = 1 / flow.origin_rate + 1 / flow.focus_rate
            rest = max(200.0, 2 * math.log(1 / self.eps) * slow)
            start = self.start(flow, self.eps)
            y = ode.integrate(flow, (0, rest), start, t_eval=[rest], **TIGHT).y[-1]
            J = flow.jacobian(y)
            J_alike = made_alike(flow, made_alike(flow, J).T)
            leading.append(np.linalg.eigvalsh(J)[-1])
            alike.append(np.linalg.eigvalsh(J_alike)[-1])
            predicted.append(np.linalg.norm(readout_gradient(flow, y), 2))
        slope = lambda rates: fit_power_law(rates, delta=deltas).exponents["delta"]
        numbers = {
            "leading_slope": slope(leading),
            "alike_slope": slope(alike),
            "leading_rates": leading,
            "alike_rates": alike,
            "predicted_rates": predicted,
        }
        return {
            "numbers": numbers,
            "delta": deltas.tolist(),
            "leading": leading,
            "alike": alike,
            "predicted": predicted,
        }

    def chains(self) -> dict[str, Any]:
        """The paper's frequencies with three transition matrices.

        Fresh tokens, others by chance, and one that avoids repeats. By name: time, attention of
        token 0 to itself (n,), P (d, d); numbers: r, and when W0 has grown and attention has come
        to 0.9, NaN if never, and its minimum and maximum.
        """
        pi = np.array(PI)
        chance = np.exp(np.random.default_rng(self.seed).normal(size=(4, 4)))
        turning = 1 - 0.9 * np.eye(4)
        kinds = {
            "fresh": FocusDilution(pi, self.rho, self.width),
            "by chance": FocusDilution(pi, self.rho, self.width, transition_from(chance, pi)),
            "no repeats": FocusDilution(pi, 0.0, self.width, transition_from(turning, pi)),
        }
        found: dict[str, Any] = {"numbers": {}}
        for name, flow in kinds.items():
            y0 = flow.start(np.random.default_rng(self.seed), self.eps)
            times = np.linspace(0, 200, 401)
            stages = find_stages(flow, y0, 200, t_eval=times, method="rk45", rtol=1e-6, atol=1e-10)
            A = flow.attention(stages.path.y)[:, 0, 0]
            found["numbers"][f"chain, {name}"] = {
                "r": flow.focus_rate,
                "condensed_t": stages.condensed_t,
                "cosine": stages.cosine,
                "focus_t": stages.focus_t,
                "delay_times_r": (stages.focus_t - stages.condensed_t) * flow.focus_rate,
                "attention_least": A.min(),
                "attention_most": A.max(),
            }
            found[name] = {"time": times, "attention": A, "P": flow.P}
        return found


def readout_gradient(flow: FocusDilution, y: np.ndarray) -> np.ndarray:
    """dM = A^T dF at one state y (n,), NumPy (d, d): new directions grow by it alone, (6)."""
    W0, W1, *_ = map(to_numpy, check_instance("flow", flow, FocusDilution).split(y))
    A = to_numpy(flow.attention(y))
    q = np.exp(log_softmax(A @ W0 @ W1))
    dF = to_numpy(flow.pi)[:, None] * (q - to_numpy(flow.P))
    return A.swapaxes(-1, -2) @ dF
