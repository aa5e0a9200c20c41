"""The high-order Markov chain of arXiv 2602.19143.

The paper is "Incremental Learning of Sparse Attention Patterns". The past is read in blocks of lags
I(1), I(2), ..., I(h), the nearest first. Each block has a matrix A_k, and

    p(x_t = . | past) = softmax( (1/tau) sum_k A_k sum_{i in I(k)} c_i x_{t-i} )

with one-hot columns x. So the chain knows exactly what a perfect model predicts, and what one would
that sees only the first k blocks. In the regression variant tokens are independent Gaussian vectors
and the sum itself is the target.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..door import door
from ..errors import (
    InputError,
    check_count,
    check_floats,
    check_ids,
    check_number,
    check_some,
    host_floats,
    shown,
)
from ..ops import log_softmax
from .task import Task

MATRICES = ("orthogonal", "frobenius")
MOST = 1e150  # largest logit: its square, which norms need, is still a number
CHUNK = 500  # sequences sampled at a time: the arrays of a step fit into the processor's cache


@dataclass(frozen=True, eq=False)
class MarkovChain(Task):
    """A chain as `draw_chain` makes it.

    It gives probabilities to positions t with at least `order` tokens before them.

    matrices:    A_k with its importance, (h, V, V); column u of A_k is what token u adds to the
                 next token's logits.
    blocks:      a tuple of lags for each matrix; lag 1 is the token just before the one predicted.
    weights:     c_i for each lag of each block.
    temperature: tau.
    """

    matrices: np.ndarray
    blocks: tuple[tuple[int, ...], ...]
    weights: tuple[tuple[float, ...], ...]
    temperature: float

    def __post_init__(self):
        A = host_floats("matrices", self.matrices, (None, None, None), finite=True)
        if A.shape[1] != A.shape[2] or A.shape[1] < 2 or not len(A):
            raise InputError(f"matrices: expected (h, V, V) with V >= 2, got shape {A.shape}")
        blocks = _explicit(self.blocks)
        if len(blocks) != len(A):
            raise InputError(
                f"blocks: expected one for each of {len(A)} matrices, got {shown(self.blocks)}"
            )
        weights = _weights("weights", self.weights, blocks)
        temperature = check_number("temperature", self.temperature, above=0)
        kept = {"matrices": A, "blocks": blocks, "weights": weights, "temperature": temperature}
        for name, value in kept.items():
            object.__setattr__(self, name, value)
        strengths = np.abs(A).max(axis=(1, 2))
        with np.errstate(over="ignore", divide="ignore"):
            largest = sum(s * np.abs(c).sum() for s, c in zip(strengths, weights))
            reach = largest / np.float64(temperature)
        if not reach < MOST:
            raise InputError(
                f"temperature: expected one at which logits stay below {MOST:g}, "
                f"got {temperature}, with {reach:g}"
            )
        if not strengths.min() > 1 / MOST:
            raise InputError(
                f"matrices: expected each to hold some number above {1 / MOST:g}, "
                f"got {strengths.min():g} at most"
            )

    @property
    def vocab(self):
        """Tokens, V."""
        return self.matrices.shape[-1]

    @property
    def order(self):
        """How far back the chain reads: the largest lag."""
        return max(map(max, self.blocks))

    @door("x ids (n, S) < self.vocab -> (n, S - order + 1, V)")
    def log_probs(self, x: Any, blocks: int | Sequence[int] | None = None) -> np.ndarray:
        """Log-probabilities of the token after each full context of x.

        Entry j is about the token after x[:, j + order - 1]. With `blocks` = k they are those given
        the first k blocks only; with a list, given the blocks it names, counted from 0.
        """
        return log_softmax(self.drive(x, blocks) / self.temperature)

    def drive(self, x: Any, blocks: int | Sequence[int] | None = None) -> np.ndarray:
        """sum_k A_k sum_i c_i x_{t-i} after each full context, for ids (n, S) or vectors (n, S, V).

        Raises InputError for sequences shorter than the order.
        """
        if getattr(x, "ndim", 2) == 2:
            x = check_ids("x", x, self.vocab)
        else:
            check_floats("x", x, (None, None, self.vocab))
        check_some("x", x)
        S, order = x.shape[1], self.order
        if S < order:
            raise InputError(f"x: expected sequences of at least order = {order} tokens, got {S}")
        total: Any = 0.0
        for lag, table in self._tables(blocks).items():
            past = x[:, order - lag : S + 1 - lag]
            total = total + (table[past] if x.ndim == 2 else past @ table)
        return total

    @door("""rng Generator, n count, length count >= self.order + 1, p number >= 0 <= 1
        -> ids (n, length)""")
    def sample(self, rng: np.random.Generator, n: int, length: int, p: float = 0.0) -> np.ndarray:
        """n sequences: a uniform context, then tokens by their probabilities.

        p: cross-sample repetition: with this probability a token of the context is one of two
           favoured ones, 0 and 1.
        """
        V, order = self.vocab, self.order
        x = np.empty((n, length), dtype=np.int64)
        x[:, :order] = rng.integers(V, size=(n, order))
        if p:
            favoured = rng.random((n, order)) < p
            x[:, :order] = np.where(favoured, rng.integers(2, size=(n, order)), x[:, :order])
        u = rng.random((n, length))
        tables = {lag: table / self.temperature for lag, table in self._tables().items()}
        for start in range(0, n, CHUNK):
            rows = slice(start, start + CHUNK)
            for t in range(order, length):
                z = sum(table[x[rows, t - lag]] for lag, table in tables.items())
                # Invert the distribution function: the token is how many of its values are below u.
                cdf = np.exp(z - z.max(axis=1, keepdims=True)).cumsum(axis=1)
                below = cdf[:, :-1] <= u[rows, t, None] * cdf[:, -1:]
                x[rows, t] = below.sum(axis=1)
        return x

    @door("""rng Generator, n count, length count >= self.order + 1, exact bool
        -> x (n, length, V), targets (n, length - order + 1, V)""")
    def sample_regression(
        self, rng: np.random.Generator, n: int, length: int, exact: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gaussian tokens x, N(0, I) and independent, and targets `drive(x)`.

        With `exact` the sample is whitened and every x comes with -x, so its moments up to the
        third are exactly those of N(0, I). This takes an even n of at least 2 length V.

        Raises InputError for an n that is odd, or too small, if it is to be exact.
        """
        size = length * self.vocab
        if not exact:
            x = rng.normal(size=(n, length, self.vocab))
        elif n % 2 or n < 2 * size:
            raise InputError(
                f"n: expected an even number of at least 2 length vocab = {2 * size}, got {n}"
            )
        else:
            half = math.sqrt(n / 2) * np.linalg.qr(rng.normal(size=(n // 2, size)))[0]
            x = np.concatenate([half, -half]).reshape(n, length, self.vocab)
        return x, self.drive(x)

    def _tables(self, blocks=None):
        """For each lag a table (V, V): row u is what token u at that lag adds.

        It is the sum of c_i A_k over the blocks that have the lag.
        """
        h = len(self.blocks)
        if blocks is None:
            blocks = range(h)
        elif not isinstance(blocks, (list, tuple)):
            blocks = range(check_count("blocks", blocks, 0, h))
        for k in blocks:
            check_count("blocks", k, 0, h - 1)
        tables = {}
        for k in range(h):
            seen = 1.0 if k in blocks else 0.0
            for lag, c in zip(self.blocks[k], self.weights[k]):
                tables[lag] = tables.get(lag, 0.0) + (seen * c) * self.matrices[k].T
        return tables


@door("""rng Generator, vocab count >= 2, matrices in MATRICES, reverse bool, importance number > 0,
    temperature number > 0""")
def draw_chain(
    rng: np.random.Generator,
    vocab: int = 50,
    spans: int | Sequence[int] = (2, 2, 2),
    *,
    blocks: Sequence[Sequence[int]] | None = None,
    stride: int | None = None,
    importance: float = 1.7,
    reverse: bool = False,
    lag_weights: Any = None,
    matrices: str = "orthogonal",
    temperature: float = 0.1,
) -> MarkovChain:
    """Draw the matrices of a chain; the defaults are those of the paper's minimal model.

    spans:       number of lags in each block, the nearest block first: (2, 2, 2) is lags 1-2, 3-4,
                 5-6.
    blocks:      explicit lists of lags instead of spans, e.g. [[3]] for the token three back and
                 nothing else.
    stride:      distance between the starts of successive blocks; smaller than the span they
                 overlap. None: disjoint.
    importance:  ratio m of successive blocks: A_k is multiplied by m^(h-k), so the nearest block
                 counts most;
    reverse:     ... or by m^(k-1), and the farthest does.
    lag_weights: c_i, nearest lag first (the paper counts from the oldest, and divides by their
                 sum), the same tuple for every block, or one tuple a block. None: all 1.
    matrices:    "orthogonal": each A_k uniform among orthogonal matrices. "frobenius": Gaussian
                 matrices made orthogonal to each other, <A_k, A_l> = 0, with the norm sqrt(V) that
                 orthogonal matrices have.

    Raises InputError for blocks, strides and importances that do not fit.
    """
    if blocks is not None and stride is not None:
        raise InputError(f"stride: expected none beside explicit blocks, got {stride}")
    lags = _blocks(spans, stride) if blocks is None else _explicit(blocks)
    h = len(lags)
    power = np.arange(h) if reverse else np.arange(h)[::-1]
    with np.errstate(over="ignore", under="ignore"):
        strengths = importance**power
    if not (1 / MOST < strengths.min() and strengths.max() < MOST):
        raise InputError(
            f"importance: expected one whose powers up to {h - 1} lie within 1e-150..1e150, "
            f"got {importance}"
        )
    A = orthogonal(rng, h, vocab) if matrices == "orthogonal" else _frobenius(rng, h, vocab)
    A = A * strengths[:, None, None]
    return MarkovChain(A, lags, _weights("lag_weights", lag_weights, lags), temperature)


def _blocks(spans, stride):
    spans = tuple(spans) if isinstance(spans, (tuple, list, np.ndarray)) else (spans,)
    if not spans:
        raise InputError("spans: expected at least one, got none")
    spans = tuple(check_count("spans", n) for n in spans)
    if stride is not None:
        check_count("stride", stride)
    blocks, start = [], 1
    for n in spans:
        blocks.append(tuple(range(start, start + int(n))))
        start += stride or n
    return tuple(blocks)


def _explicit(blocks):
    try:
        blocks = tuple(tuple(block) for block in blocks)
    except TypeError:
        raise InputError(f"blocks: expected lists of lags, got {blocks!r}") from None
    if not blocks or not all(blocks) or any(isinstance(block, str) for block in blocks):
        raise InputError(f"blocks: expected at least one lag in each block, got {blocks}")
    blocks = tuple(tuple(check_count("blocks: lag", lag) for lag in block) for block in blocks)
    for block in blocks:
        if len(set(block)) < len(block):
            raise InputError(f"blocks: expected different lags in a block, got {block}")
    return blocks


def _weights(name, given, blocks):
    if given is None:
        return tuple((1.0,) * len(block) for block in blocks)
    weights = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if not any(isinstance(c, (tuple, list)) for c in weights):
        weights = (weights,) * len(blocks)
    sizes = [len(block) for block in blocks]
    all_lists = all(isinstance(c, (tuple, list)) for c in weights)
    if not all_lists or [len(c) for c in weights] != sizes:
        raise InputError(
            f"{name}: expected one number for each lag of blocks of {sizes}, got {shown(given)}"
        )
    return tuple(tuple(check_number(name, c) for c in block) for block in weights)


@door("rng Generator, h count, V count -> (h, V, V)")
def orthogonal(rng: np.random.Generator, h: int, V: int) -> np.ndarray:
    """h orthogonal matrices, Haar-distributed: QR of a Gaussian, signs fixed (Mezzadri, 2007)."""
    Q, R = np.linalg.qr(rng.normal(size=(h, V, V)))
    return Q * np.sign(np.einsum("hvv->hv", R))[:, None, :]


def _frobenius(rng, h, V):
    if h > V * V:
        raise InputError(
            f"blocks: expected at most vocab^2 = {V * V} Frobenius-orthogonal matrices, got {h}"
        )
    Q, R = np.linalg.qr(rng.normal(size=(V * V, h)))
    return math.sqrt(V) * (Q * np.sign(np.diag(R))).T.reshape(h, V, V)
