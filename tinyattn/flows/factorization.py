"""Heads compete, then cooperate: the factorisation flow of arXiv 2602.19143.

The paper is "Incremental Learning of Sparse Attention Patterns". In the regression variant of its
chain, with orthonormal features, what H heads compute is a sum of outer products, and training is a
factorisation of one matrix:

    target  G = sum_k m_k e_k p_k^T      e_k (d) feature k, p_k (T) where it is, m_k its importance
    output  Y = sum_j V_j s_j^T          V_j (d) the value of head j, s_j (T) its attention

States are arrays (..., H, d + T): for each head its value V_j, then its attention s_j or its logits
a_j. The head axis leads and every head goes through the same operations entry by entry, so
identical heads stay identical to the last bit.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Array, namespace, to_numpy
from ..door import door
from ..errors import InputError, check_choice, check_count, check_floats, check_number, shown
from ..ode import event
from ..ops import SoftmaxCache, softmax_backward, softmax_forward

# The flow
#
#   With the residual R = G - Y the loss and its differential are
#     (1)  L = 1/2 |R|^2,      δL = - sum_j <R, δV_j s_j^T + V_j δs_j^T>
#   so descent moves the value and the attention of a head by
#     (2)  dV_j/dt = R s_j,      -dL/ds_j = R^T V_j.
#   The heads meet in R and nowhere else: each learns what the others together leave over.
#   Attention has to stay on the simplex. With logits, s_j = softmax(a_j), the softmax
#   Jacobian J(s) = diag(s) - s s^T takes the gradient to the logits,
#     (3)  da_j/dt = J(s_j) R^T V_j           (and so ds_j/dt = J(s_j)^2 R^T V_j).
#   The paper's figure moves the attention itself by the same J, once instead of twice:
#     (4)  ds_j/dt = J(s_j) R^T V_j,
#   which is gradient descent on the simplex in the geometry where an entry of s_j is
#   moved in proportion to itself (replicator, or Fisher-Rao). Rows of J sum to 0, so both
#   keep the sum of s_j.


@dataclass(frozen=True, eq=False)
class Factorization:
    """The flow f(t, y) for a target G (d, T), as `target` makes it.

    importances: m_k (h,), features: e_k as rows (h, d), places: p_k as rows (h, T), both
                 orthonormal.
    geometry:    "logits", the network's own, (3), or "simplex", the paper's figure, (4).

    The starts (start, near_uniform, concentrated, waterfall) are NumPy arrays; `put` them beside
    the flow's arrays.
    """

    importances: Any
    features: Any
    places: Any
    geometry: str = "logits"

    def __post_init__(self):
        m = to_numpy(check_floats("importances", self.importances, (None,)))
        if not len(m) or not (np.isfinite(m) & (m > 0)).all():
            raise InputError(f"importances: expected positive finite numbers, got {shown(m)}")
        for name in ("features", "places"):
            rows = to_numpy(check_floats(name, getattr(self, name), (len(m), None)))
            if not np.abs(rows @ rows.T - np.eye(len(m))).max() < 1e-6:
                raise InputError(f"{name}: expected orthonormal rows, got {shown(rows)}")
        # G is made of them once; the caller may change the arrays later.
        for name in ("importances", "features", "places"):
            object.__setattr__(self, name, getattr(self, name).copy())
        check_choice("geometry", self.geometry, ("logits", "simplex"))

    @property
    def width(self):
        """Numbers in a value, d."""
        return self.features.shape[1]

    @property
    def length(self):
        """Positions, T."""
        return self.places.shape[1]

    @functools.cached_property
    def G(self):
        """The target (d, T)."""
        return (self.importances[:, None] * self.features).T @ self.places

    @door("y some (..., H, self.width + self.length) -> V (..., H, d), s (..., H, T)")
    def split(self, y):
        """The values and the attention of a state."""
        V, z = y[..., : self.width], y[..., self.width :]
        if self.geometry == "logits":
            return V, softmax_forward(z)[0]
        return V, z

    def residual(self, y):
        """R = G - sum_j V_j s_j^T, (..., d, T)."""
        return self._residual(*self.split(y))

    @door("y some (..., H, self.width + self.length) -> dy/dt (..., H, d + T)")
    def __call__(self, t: float, y: Array) -> Array:
        """dy/dt at y."""
        V, s = self.split(y)
        R = self._residual(V, s)[..., None, :, :]
        dV = (R * s[..., None, :]).sum(axis=-1)  # (2)
        pull = (R * V[..., :, None]).sum(axis=-2)  # R^T V_j
        dz = softmax_backward(pull, SoftmaxCache(s))  # (3), (4)
        return namespace(y).concatenate([dV, dz], axis=-1)

    def _residual(self, V, s):
        return self.G - (V[..., :, None] * s[..., None, :]).sum(axis=-3)

    def loss(self, y: Array) -> Array:
        """L = |R|^2 / 2, half a squared error, (...)."""
        R = self.residual(y)
        return (R * R).sum(axis=(-2, -1)) / 2  # (1)

    def feature_loss(self, y):
        """Each feature's half squared error in its own entry of the target: (..., h).

        That of feature k is (m_k - e_k^T Y p_k)^2 / 2.
        """
        along_p = (self.residual(y)[..., None, :, :] * self.places[:, None, :]).sum(axis=-1)
        miss = (along_p * self.features).sum(axis=-1)
        return miss * miss / 2

    @door("""k count >= 0 < len(self.importances), y0 some (..., H, self.width + self.length)
        -> an event""")
    def half_event(self, y0, k, terminal=False):
        """An event for `ode.integrate`: the loss of feature k has fallen to half of that at y0.

        k counts from 0.
        """
        half = self.feature_loss(y0)[..., k] / 2
        return event(lambda t, y: self.feature_loss(y)[..., k] - half, terminal)

    # Its derivative
    #
    #   A small change of the state, δV_j and δs_j, changes the residual by
    #     (5)  δR = - sum_j (δV_j s_j^T + V_j δs_j^T),           δs_j = J(s_j) δa_j for logits,
    #   the speed of the values by
    #     (6)  δ(dV_j/dt) = δR s_j + R δs_j,
    #   and the pull g_j = R^T V_j on the attention, and J(s_j) g_j = s_j * g_j - s_j (s_j . g_j),
    #   by
    #     (7)  δg_j = δR^T V_j + R^T δV_j
    #     (8)  δ(J g_j) = J δg_j + δs_j * (g_j - s_j . g_j) - s_j (δs_j . g_j).
    #   Changes that sum to 0 over identical heads leave δR = 0: R does not see them, and each
    #   head follows its own change.

    @door("""N = self.width + self.length, dy some (..., H, N), y some (~..., H, N)
        -> (..., H, N)""")
    def tangent(self, y, dy):
        """The Jacobian of the flow at y times dy."""
        V, s = self.split(namespace(y).broadcast_to(y, dy.shape))
        dV, ds = dy[..., : self.width], dy[..., self.width :]
        if self.geometry == "logits":
            ds = softmax_backward(ds, SoftmaxCache(s))
        R = self._residual(V, s)[..., None, :, :]
        dY = dV[..., :, None] * s[..., None, :] + V[..., :, None] * ds[..., None, :]
        dR = -dY.sum(axis=-3, keepdims=True)  # (5)
        slope = (dR * s[..., None, :] + R * ds[..., None, :]).sum(axis=-1)  # (6)
        pull = (R * V[..., :, None]).sum(axis=-2)
        dpull = (dR * V[..., :, None] + R * dV[..., :, None]).sum(axis=-2)  # (7)
        mean = (s * pull).sum(axis=-1, keepdims=True)
        dmean = (ds * pull).sum(axis=-1, keepdims=True)
        turn = ds * (pull - mean) - s * dmean
        dz = softmax_backward(dpull, SoftmaxCache(s)) + turn  # (8)
        return namespace(y).concatenate([slope, dz], axis=-1)

    @door("y some (H, self.width + self.length) -> (n, n), n = H (d + T)")
    def jacobian(self, y):
        """The Jacobian of the flow at one state: column i is the change along entry i.

        In the simplex form each change of attention first loses its mean, since s must keep its
        sum.
        """
        xp = namespace(y)
        along = xp.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
        if self.geometry == "simplex":
            V, s = along[..., : self.width], along[..., self.width :]
            along = xp.concatenate([V, s - s.mean(axis=-1, keepdims=True)], axis=-1)
        return self.tangent(y, along).reshape(y.size, y.size).T

    def leading_mode(self, y, within=1e-3):
        """The leading rate of the Jacobian at one state, and the part of dy/dt that grows with it.

        Returns the rate, in 1/time, and a NumPy array (H, d + T), the part of dy/dt in the
        directions that grow at that rate: the direction that will win, its sign and its sizes those
        of the motion. Eigenvalues within a share `within` of the leading one count as equal: heads
        that sit together have H - 1 such, and if they are identical the motion has no part in them.
        Every attention must be positive: at the corners of the simplex the Jacobian has too few
        eigenvectors.

        Raises InputError for a state at which the flow is not finite.
        """
        check_number("within", within, minimum=0)
        J = to_numpy(self.jacobian(y))
        if not np.isfinite(J).all():
            raise InputError(
                f"y: expected a state at which the flow is finite, got {shown(to_numpy(y))}"
            )
        if self.geometry == "logits":
            rates, modes = np.linalg.eigh((J + J.T) / 2)
        else:
            rates, modes = np.linalg.eig(J)
        rate = rates.real.max()
        leads = rates.real >= rate - within * abs(rate)
        shares = np.linalg.solve(modes, to_numpy(self(0.0, y)).reshape(-1))
        return float(rate), (modes[:, leads] @ shares[leads]).real.reshape(y.shape)

    @door("V (..., H, self.width), logits (..., H, self.length) -> y (..., H, d + T)")
    def state(self, V, logits):
        """Pack values and logits into a state of either geometry."""
        z = logits if self.geometry == "logits" else softmax_forward(logits)[0]
        return namespace(V).concatenate([V, z], axis=-1)

    def start(self, heads, eps):
        """The deterministic start: V = 0 and a_j = eps * (unit vector j).

        Head j is tilted towards position j; with eps = 0 the heads are identical.
        """
        return self._start(heads, np.ones(self.length), eps)

    @door("rng Generator, heads count, noise number >= 0 <= 1e100 -> y (H, d + T)")
    def near_uniform(self, rng, heads, noise=1e-6):
        """V = 0 and logits of independent N(0, noise^2): attention uniform but for that."""
        logits = noise * rng.normal(size=(heads, self.length))
        return self.state(np.zeros((heads, self.width)), logits)

    def concentrated(self, heads, position, mass=0.99, eps=0.0):
        """V = 0, `mass` of every head's attention on one position, the rest even; tilted by eps."""
        check_count("position", position, 0, self.length - 1)
        return self._start(heads, self._step(np.arange(self.length) == position, mass), eps)

    def waterfall(self, heads, mass=0.99, eps=0.0):
        """V = 0, head j with `mass` even over positions 0..j, the rest even; tilted by eps.

        Raises InputError for as many heads as positions, or more.
        """
        if check_count("heads", heads) >= self.length:
            raise InputError(f"heads: expected fewer than the {self.length} positions, got {heads}")
        first = np.arange(self.length) <= np.arange(heads)[:, None]
        return self._start(heads, self._step(first, mass), eps)

    def _step(self, inside, mass):
        """Attention even inside and even outside, with `mass` in all inside."""
        check_number("mass", mass, above=0, below=1)
        n = inside.sum(axis=-1, keepdims=True)
        return np.where(inside, mass / n, (1 - mass) / (self.length - n))

    def _start(self, heads, attention, eps):
        check_number("eps", eps, minimum=0, maximum=1e100)
        if check_count("heads", heads) > self.length:
            raise InputError(
                f"heads: expected at most one for each of {self.length} positions, got {heads}"
            )
        logits = np.log(attention) + eps * np.eye(heads, self.length)
        return self.state(np.zeros((heads, self.width)), logits)


def target(
    importances: Any, length: int, geometry: str = "logits", blocks: Any = None
) -> Factorization:
    """A flow whose feature k is at position k.

    blocks: lists of positions; then feature k is spread evenly over those of block k.

    Raises InputError for importances or blocks that do not fit.
    """
    try:
        m = np.asarray(importances, dtype=float)
    except (TypeError, ValueError):
        raise InputError(
            f"importances: expected positive finite numbers, got {importances}"
        ) from None
    if m.ndim != 1 or not len(m) or not np.isfinite(m).all() or (m <= 0).any():
        raise InputError(f"importances: expected positive finite numbers, got {importances}")
    if blocks is None:
        if check_count("length", length) < len(m):
            raise InputError(
                f"length: expected at least {len(m)}, one for each importance, got {length}"
            )
        blocks = [[k] for k in range(len(m))]
    places = np.zeros((len(m), check_count("length", length)))
    positions = []
    try:
        for block in blocks:
            positions += [check_count("blocks: position", position, 0) for position in block]
    except TypeError:
        raise InputError(f"blocks: expected {len(m)} lists of positions, got {blocks}") from None
    disjoint = len(set(positions)) == len(positions)
    fits = len(blocks) == len(m) and all(map(len, blocks)) and disjoint
    if not fits or max(positions) >= length:
        raise InputError(
            f"blocks: expected {len(m)} disjoint lists of positions in 0..{length - 1}, "
            f"got {blocks}"
        )
    for row, block in zip(places, blocks):
        row[list(block)] = len(block) ** -0.5
    return Factorization(m, np.eye(len(m)), places, geometry)
