"""One head on a Markov chain of embeddings: the population flow of "Focus and Dilution" (arXiv 2605.01199).

The chain has the stationary law pi and the transition matrix P = rho I + (1 - rho) 1 pi^T: the last token comes again
with probability rho, else a fresh one is drawn. One layer, one head, no positions, no value matrix: what the last token
i of a long sequence sees is every class k as often as it stands there, pi_k, weighted by its score.

States are vectors, `models.pack` of W0 (d, D), W1 (D, d), W_Q and W_K (D, D); leading axes are free.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..attention import attend_backward, attend_forward
from ..backend import namespace, to_numpy
from ..errors import InputError, check_count, check_number, check_shape
from ..ops import log_softmax

# The flow
#
#     (1)  M = W0 W1                              what a token writes: its embedding, read out
#     (2)  Phi = W0 W_Q W_K^T W0^T                the score of token k for the query i
#     (3)  F = attend(Phi + log pi, M)            the logits: A_ik = pi_k exp(Phi_ik) / sum_l pi_l exp(Phi_il), F = A M
#     (4)  L = - sum_i pi_i sum_j P_ij log softmax(F_i)_j
#   The prior log pi inside the softmax counts each class as often as it stands in the sequence. Backward,
#     (5)  dF = diag(pi) (softmax(F) - P)
#     (6)  dPhi, dM = attend_backward(dF)         dM = A^T dF, dA = dF M^T, dPhi = A * (dA - rowsum(A * dA))
#   W0 stands in (1) once and in (2) twice. With B = W_Q W_K^T and G = W0^T dPhi W0,
#     (7)  dW0 = dM W1^T + dPhi W0 B^T + dPhi^T W0 B,      dW1 = W0^T dM
#     (8)  dW_Q = G W_K,                                   dW_K = G^T W_Q
#
# What is conserved
#
#   Along dW/dt = -dL/dW, (8) gives d/dt (W_Q^T W_Q) = - W_K^T G^T W_Q - W_Q^T G W_K, and the same for W_K^T W_K, so
#     (9)  W_Q^T W_Q - W_K^T W_K
#   is constant. In d/dt of W0^T W0 the first term of (7) gives -(W0^T dM) W1^T and its transpose, which is d/dt of
#   W1 W1^T; the other two give -(G B^T + G^T B) and its transpose, and G B^T + B G^T is -d/dt of W_Q W_Q^T, G^T B + B^T G
#   that of W_K W_K^T. So
#     (10) W0^T W0 - W1 W1^T - W_Q W_Q^T - W_K W_K^T
#   is constant too. No exact law holds for gradient descent with finite steps, and the drift of these two tells how far
#   the integrator has strayed.


@dataclass(frozen=True, eq=False)
class FocusDilution:
    """The flow f(t, y) for a law pi (d,), positive and summing to 1, a persistence rho in [0, 1) and a width D."""

    pi: Any
    rho: float
    width: int

    def __post_init__(self):
        check_shape("pi", self.pi, (None,))
        pi = to_numpy(self.pi)
        if not (np.isfinite(pi).all() and (pi > 0).all() and abs(pi.sum() - 1) < 1e-9):
            raise InputError(f"pi: expected positive probabilities that sum to 1, got {pi}")
        check_number("rho", self.rho, least=0, below=1)
        check_count("width", self.width)

    @property
    def tokens(self):
        return self.pi.shape[0]

    @functools.cached_property
    def P(self):
        """The transition matrix (d, d); rows sum to 1."""
        xp = namespace(self.pi)
        return self.rho * xp.eye(self.tokens, dtype=self.pi.dtype) + (1 - self.rho) * self.pi

    def start(self, rng, eps):
        """All weights N(0, eps^2), drawn in the order W0, W1, W_Q, W_K: a NumPy vector."""
        check_number("eps", eps, least=0)
        d, D = self.tokens, self.width
        return eps * rng.normal(size=2 * d * D + 2 * D * D)

    def split(self, y):
        """W0 (..., d, D), W1 (..., D, d), W_Q and W_K (..., D, D) of a state (..., 2 d D + 2 D^2)."""
        d, D = self.tokens, self.width
        check_shape("y", y, (*(None for _ in y.shape[:-1]), 2 * d * D + 2 * D * D))
        shapes, parts, at = ((d, D), (D, d), (D, D), (D, D)), [], 0
        for rows, columns in shapes:
            parts.append(y[..., at : at + rows * columns].reshape(*y.shape[:-1], rows, columns))
            at += rows * columns
        return parts

    def _forward(self, y):
        W0, W1, W_Q, W_K = self.split(y)
        M = W0 @ W1  # (1)
        B = W_Q @ W_K.swapaxes(-1, -2)
        Phi = W0 @ B @ W0.swapaxes(-1, -2)  # (2)
        F, attend = attend_forward(Phi + namespace(y).log(self.pi), M)  # (3)
        return (W0, W1, W_Q, W_K, B), F, attend

    def attention(self, y):
        """A (..., d, d): row i is where a sequence that ends in token i looks."""
        return self._forward(y)[2].s

    def loss(self, y):
        """The population loss in nats, (...)."""
        log_q = log_softmax(self._forward(y)[1])
        return -(self.pi[:, None] * self.P * log_q).sum(axis=(-2, -1))  # (4)

    @property
    def entropy_rate(self):
        """The least loss there is: the entropy of the next token given the last, in nats."""
        pi, P = to_numpy(self.pi), to_numpy(self.P)
        return float(-(pi[:, None] * P * np.log(P)).sum())

    def __call__(self, t, y):
        """dy/dt at y."""
        (W0, W1, W_Q, W_K, B), F, attend = self._forward(y)
        xp = namespace(y)
        dF = self.pi[:, None] * (xp.exp(log_softmax(F)) - self.P)  # (5)
        dPhi, dM = attend_backward(dF, attend)  # (6)
        flipped = lambda X: X.swapaxes(-1, -2)  # noqa: E731
        dW0 = dM @ flipped(W1) + dPhi @ W0 @ flipped(B) + flipped(dPhi) @ W0 @ B  # (7)
        G = flipped(W0) @ dPhi @ W0
        grads = (dW0, flipped(W0) @ dM, G @ W_K, flipped(G) @ W_Q)  # (7), (8)
        return -xp.concatenate([g.reshape(*y.shape[:-1], -1) for g in grads], axis=-1)

    def conserved(self, y):
        """The two matrices (9) and (10), each (..., D, D)."""
        W0, W1, W_Q, W_K = self.split(y)
        square = lambda X: X @ X.swapaxes(-1, -2)  # noqa: E731
        inner = lambda X: X.swapaxes(-1, -2) @ X  # noqa: E731
        return inner(W_Q) - inner(W_K), inner(W0) - square(W1) - square(W_Q) - square(W_K)

    @property
    def origin_rate(self):
        """The leading rate at the origin, |pi| |pi - 1/d|: there dM = pi (1/d - pi)^T has rank one and dPhi = 0."""
        pi = to_numpy(self.pi)
        return float(np.linalg.norm(pi) * np.linalg.norm(pi - 1 / len(pi)))

    def jacobian(self, y, h=1e-5):
        """The Jacobian of the flow at one state (n,), by central differences of the gradient: (n, n), symmetric."""
        check_shape("y", y, (None,))
        xp = namespace(y)
        steps = h * xp.eye(y.size, dtype=y.dtype)
        J = (self(0.0, y + steps) - self(0.0, y - steps)) / (2 * h)
        return (J + J.T) / 2
