"""One head on a Markov chain of embeddings: the population flow of arXiv 2605.01199.

The paper is "Focus and Dilution". Its chain has the stationary distribution pi and the transition
matrix P = rho I + (1 - rho) Q: the last token comes again with probability rho, else one by Q. By
default Q = 1 pi^T, a fresh token.
One layer, one head, no positions, no value matrix: the last token i of a long sequence sees every
class k as often as it occurs, pi_k, weighted by its score.

States are vectors, `models.pack` of W0 (d, D), W1 (D, d), W_Q and W_K (D, D); leading axes are
free.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..attention import attend_backward, attend_forward
from ..backend import Array, namespace, to_numpy
from ..door import door
from ..errors import InputError, check_floats, check_number, host_floats, shown
from ..models import unpack
from ..ops import log_softmax
from .linearization import Linearization

# The flow
#
#     (1)  M = W0 W1                          what a token writes: its embedding, read out
#     (2)  Phi = W0 W_Q W_K^T W0^T            the score of token k for the query i
#     (3)  F = attend(Phi + log pi, M) = A M
#          A_ik = pi_k exp(Phi_ik) / sum_l pi_l exp(Phi_il)      and F are the logits
#     (4)  L = - sum_i pi_i sum_j P_ij log softmax(F_i)_j
#   The prior log pi inside the softmax counts each class as often as it occurs in the
#   sequence. Backward,
#     (5)  dF = diag(pi) (softmax(F) - P)
#     (6)  dPhi, dM = attend_backward(dF)
#          dM = A^T dF,   dA = dF M^T,   dPhi = A * (dA - rowsum(A * dA))
#   W0 occurs in (1) once and in (2) twice. With B = W_Q W_K^T and G = W0^T dPhi W0,
#     (7)  dW0 = dM W1^T + dPhi W0 B^T + dPhi^T W0 B,      dW1 = W0^T dM
#     (8)  dW_Q = G W_K,                                   dW_K = G^T W_Q
#
# What is conserved
#
#   Along dW/dt = -dL/dW, (8) gives d/dt (W_Q^T W_Q) = - W_K^T G^T W_Q - W_Q^T G W_K, and
#   the same for W_K^T W_K, so
#     (9)  W_Q^T W_Q - W_K^T W_K
#   is constant. In d/dt of W0^T W0 the first term of (7) gives -(W0^T dM) W1^T and its
#   transpose, which is d/dt of W1 W1^T; the other two give -(G B^T + G^T B) and its
#   transpose, and G B^T + B G^T is -d/dt of W_Q W_Q^T, G^T B + B^T G that of W_K W_K^T. So
#     (10) W0^T W0 - W1 W1^T - W_Q W_Q^T - W_K W_K^T
#   is constant too. Finite steps keep neither, and their drift tells how far the
#   integrator has strayed.


@door("rho number >= 0 < 1, width count")
@dataclass(frozen=True, eq=False)
class FocusDilution:
    """The flow f(t, y) for probabilities pi (d,), persistence rho in [0, 1), width D.

    pi:         positive, with sum 1.
    transition: Q (d, d), whose rows sum to 1 and which keeps pi, pi Q = pi; without it 1 pi^T.
    """

    pi: Any
    rho: float
    width: int
    transition: Any = None

    def __post_init__(self):
        # P is made of them once; the caller may change the arrays later.
        object.__setattr__(self, "pi", check_floats("pi", self.pi, (None,)).copy())
        pi = to_numpy(self.pi)
        positive = np.isfinite(pi).all() and (pi > 0).all() and abs(pi.sum() - 1) < 1e-6
        if not positive or len(pi) < 2:
            raise InputError(
                f"pi: expected two or more positive probabilities that sum to 1, got {shown(pi)}"
            )
        if self.transition is None:
            return
        square = check_floats("transition", self.transition, (len(pi), len(pi))).copy()
        object.__setattr__(self, "transition", square)
        Q = to_numpy(square)
        sums = np.abs(Q.sum(axis=1) - 1).max() < 1e-6
        keeps = np.abs(pi @ Q - pi).max() < 1e-6
        if not ((Q >= 0).all() and sums and keeps):
            raise InputError(
                f"transition: expected rows of probabilities that sum to 1 and keep pi, "
                f"got {shown(Q)}"
            )

    @property
    def vocab(self):
        """Tokens, d."""
        return self.pi.shape[0]

    @functools.cached_property
    def P(self):
        """The transition matrix (d, d); rows sum to 1."""
        xp = namespace(self.pi)
        Q = self.pi if self.transition is None else self.transition
        return self.rho * xp.eye(self.vocab, dtype=self.pi.dtype) + (1 - self.rho) * Q

    @property
    def size(self):
        """Numbers in a state, 2 d D + 2 D^2."""
        return 2 * self.width * (self.vocab + self.width)

    @door("rng Generator, eps number >= 0 <= 1e100 -> y (2 d D + 2 D^2,)")
    def start(self, rng, eps):
        """All weights N(0, eps^2), drawn in the order W0, W1, W_Q, W_K: a NumPy vector."""
        return eps * rng.normal(size=self.size)

    @door("y (..., self.size) -> W0 (..., d, D), W1 (..., D, d), W_Q (..., D, D), W_K (..., D, D)")
    def split(self, y):
        """Views of a state."""
        d, D = self.vocab, self.width
        return list(unpack(y, {"W0": (d, D), "W1": (D, d), "W_Q": (D, D), "W_K": (D, D)}).values())

    def _forward(self, y):
        W0, W1, W_Q, W_K = self.split(y)
        M = W0 @ W1  # (1)
        B = W_Q @ W_K.swapaxes(-1, -2)
        Phi = W0 @ B @ W0.swapaxes(-1, -2)  # (2)
        F, attend = attend_forward(Phi + namespace(y).log(self.pi), M)  # (3)
        return (W0, W1, W_Q, W_K, B), F, attend

    def attention(self, y):
        """A (..., d, d): row i is the attention of a sequence that ends in token i."""
        return self._forward(y)[2].s

    def loss(self, y: Array) -> Array:
        """The population loss in nats, (...)."""
        log_q = log_softmax(self._forward(y)[1])
        return -(self.pi[:, None] * self.P * log_q).sum(axis=(-2, -1))  # (4)

    @property
    def entropy_rate(self):
        """The minimum of the loss: the entropy of the next token given the last, in nats."""
        pi, P = to_numpy(self.pi), to_numpy(self.P)
        return float(-(pi[:, None] * P * np.log(np.where(P > 0, P, 1))).sum())

    @door("y (..., self.size) -> dy/dt (..., self.size)")
    def __call__(self, t: float, y: Array) -> Array:
        """dy/dt at y."""
        (W0, W1, W_Q, W_K, B), F, attend = self._forward(y)
        xp = namespace(y)
        dF = self.pi[:, None] * (xp.exp(log_softmax(F)) - self.P)  # (5)
        dPhi, dM = attend_backward(dF, attend)  # (6)
        flipped = lambda X: X.swapaxes(-1, -2)
        dW0 = dM @ flipped(W1) + dPhi @ W0 @ flipped(B) + flipped(dPhi) @ W0 @ B  # (7)
        G = flipped(W0) @ dPhi @ W0
        grads = (dW0, flipped(W0) @ dM, G @ W_K, flipped(G) @ W_Q)  # (7), (8)
        return -xp.concatenate([g.reshape(*y.shape[:-1], -1) for g in grads], axis=-1)

    def singular_values(self, y):
        """The singular values of W0, largest first: NumPy (..., min(d, D))."""
        return np.linalg.svd(_finite("y", to_numpy(self.split(y)[0])), compute_uv=False)

    def row_norms(self, y):
        """The norms of the tokens' embeddings, (..., d)."""
        W0 = self.split(y)[0]
        return (W0 * W0).sum(axis=-1) ** 0.5

    def conserved(self, y):
        """The two matrices (9) and (10), each (..., D, D)."""
        W0, W1, W_Q, W_K = self.split(y)
        square = lambda X: X @ X.swapaxes(-1, -2)
        inner = lambda X: X.swapaxes(-1, -2) @ X
        return inner(W_Q) - inner(W_K), inner(W0) - square(W1) - square(W_Q) - square(W_K)

    # The first two saddles, in closed form
    #
    #   At 0, (5) is pi_i (1/d - P_ij), so dM = A^T dF = pi (1/d - pi)^T, since pi P = pi, and
    #   dPhi = 0: W0 and W1 grow along pi and pi - 1/d at the rate
    #     (11) mu = |pi| |pi - 1/d|
    #   and W_Q, W_K stay. As long as Phi = 0, dM = pi (q - pi)^T with q = softmax(pi^T M), so
    #   W0 keeps the direction of pi and W1 has rank one, of the same size by (10). They rest
    #   where the network predicts pi for every context: with c = log pi, less its mean, and a
    #   unit vector u (D),
    #     (12) W0 = n pi u^T,  W1 = u c^T / (n |pi|^2),  n^2 = |c| / |pi|^3
    #   There dF = diag(pi) (1 pi^T - P). Hence, with M = pi c^T / |pi|^2 and means over pi, so
    #   that E[pi] = |pi|^2 and E[P c] = E[c],
    #          -dPhi_ik = 1 / |pi|^2 [pi_i ((P c)_i - E c)] [pi_k (pi_k - E pi)]
    #   W_Q = W_K = 0 still has no gradient, but G = W0^T dPhi W0 = -r u u^T makes
    #   dW_Q/dt = r u u^T W_K and the same for W_K:
    #     (13) r = n^2 pi^T (-dPhi) pi = |c| Cov(pi, P log pi) Var(pi) / |pi|^5
    #   With Q = 1 pi^T the first is rho Cov(pi, log pi): attention turns to the frequent tokens
    #   only if the chain persists and the tokens differ. With another Q it may be negative:
    #   then W_Q = -W_K grows, at the rate -r, and attention turns to the rare ones. From a start
    #   ten times smaller, condensation comes ln(10) / mu later, focus ln(10) (1/mu + 1/r).

    @property
    def origin_rate(self):
        """mu, the leading rate at the origin, (11)."""
        pi = to_numpy(self.pi)
        return float(np.linalg.norm(pi) * np.linalg.norm(pi - 1 / len(pi)))

    def condensed_point(self, u=None):
        """The saddle (12) as a NumPy vector, embeddings along u (D,), by default the first axis.

        Raises InputError for a direction of zeros, or where pi is uniform.
        """
        u = np.eye(self.width)[0] if u is None else to_numpy(check_floats("u", u, (self.width,)))
        pi, u = to_numpy(self.pi), host_floats("u", u, finite=True)
        if not np.linalg.norm(u) > 0:
            raise InputError("u: expected a direction, got zeros")
        if np.ptp(pi) == 0:
            raise InputError(
                "pi: expected probabilities that are not uniform, which have no condensed point, "
                f"got {pi}"
            )
        u = u / np.linalg.norm(u)
        c = np.log(pi) - np.log(pi).mean()
        size = np.linalg.norm(pi)
        n = math.sqrt(np.linalg.norm(c) / size**3)
        W0, W1 = n * np.outer(pi, u), np.outer(u, c) / (n * size**2)
        return np.concatenate([W0.ravel(), W1.ravel(), np.zeros(2 * self.width**2)])

    @property
    def focus_rate(self):
        """r, the rate of W_Q and W_K at the condensed point, (13).

        It is negative if they turn away from the frequent tokens.
        """
        pi = to_numpy(self.pi)
        c = np.log(pi) - np.log(pi).mean()
        mean = pi @ pi
        cov = pi @ ((pi - mean) * (to_numpy(self.P) @ c))
        var = pi @ (pi - mean) ** 2
        return float(np.linalg.norm(c) * cov * var / mean**2.5)

    def jacobian(self, y, h=1e-5):
        """The Jacobian (n, n) at one state (n,), symmetric, by central differences of the field."""
        check_floats("y", y, (None,))
        check_number("h", h, above=0, maximum=1e100)
        xp = namespace(y)
        steps = h * xp.eye(y.size, dtype=y.dtype)
        J = (self(0.0, y + steps) - self(0.0, y - steps)) / (2 * h)
        return (J + J.T) / 2

    def linearise(self, y):
        """The flow near one state (n,), best a slow one: a Linearization."""
        rates, modes = np.linalg.eigh(_finite("y", to_numpy(self.jacobian(y))))
        return Linearization(self, rates, modes, modes.T @ to_numpy(self(0.0, y)))

    def slow_points(self, t, y):
        """Where a path, t and y (time, n), is slowest: indices of the start and of each minimum."""
        t = host_floats("t", t, (None,), finite=True)
        check_floats("y", y, (len(t), None))
        speed = np.linalg.norm(_finite("y", to_numpy(self(0.0, y))), axis=-1)
        inside = range(1, len(t) - 1)
        return [0, *(i for i in inside if speed[i] < min(speed[i - 1], speed[i + 1]))]


def _finite(name, array):
    """The array, or an InputError: LAPACK answers NaN with an error of its own, or not at all."""
    if not np.isfinite(array).all():
        raise InputError(f"{name}: expected a state at which all is finite, got {shown(array)}")
    return array
