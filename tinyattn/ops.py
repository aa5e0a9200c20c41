"""The operations: each a forward and, right below it, its backward; the derivation is above both.

`op_forward(inputs) -> y, cache` and `op_backward(dy, cache) -> d(inputs)` are pure: nothing is
mutated, nothing kept between calls. The cache holds just what backward reads. Leading axes, written
..., are free everywhere. Layer norm is that of Ba, Kiros and Hinton (2016).
"""

import math
from typing import NamedTuple

import numpy as np

from .backend import Array, namespace, scatter_add, underflow_is_zero
from .door import door
from .errors import InputError, shown


@door("dx, shape tuple, shape = _copied_from(shape, dx) -> an array of this shape")
def sum_to(dx, shape):
    """The backward of broadcasting: sum dx over the axes along which `shape` was copied.

    One number that is used many times moves the loss through each use, and the parts add up.

    Raises InputError for a shape that does not broadcast to that of the array.
    """
    if dx.shape == shape:  # a sum over no axis would copy it
        return dx
    leading = dx.ndim - len(shape)
    copied = [leading + i for i, n in enumerate(shape) if n == 1 and dx.shape[leading + i] != 1]
    many = (*range(leading), *copied)
    kept = [n for i, n in enumerate(dx.shape) if i not in many]
    rows = namespace(dx).moveaxis(dx, many, tuple(range(len(many)))).reshape(-1, *kept)
    return sum_rows(rows).reshape(shape)


def _copied_from(shape, dx):
    """A shape that broadcasts to that of dx."""
    last = dx.shape[max(dx.ndim - len(shape), 0) :]
    if len(shape) > dx.ndim or any(n not in (1, m) for n, m in zip(shape, last)):
        wanted = f"one that broadcasts to {tuple(dx.shape)}"
        raise InputError(f"shape: expected {wanted}, got {shown(shape)}")
    return shape


@door("x (N, *O) -> y (*O)")
def sum_rows(x):
    """The sum of the rows of x, in pairs where they are many.

    NumPy adds rows one after the other, so that in float32 a million equal rows lose 1% to
    rounding. Halves are added to each other instead until 128 rows are left: N additions as well.
    """
    while len(x) > 128 and namespace(x) is np:
        half = len(x) // 2
        pairs = x[:half] + x[half : 2 * half]
        if len(x) % 2:
            pairs[0] += x[-1]
        x = pairs
    return x.sum(axis=0)


# Linear: y = x W + b
#
#   Let i run over the contracted axes (the last of x, the first of W), o over the others of W, n
#   over the others of x.
#     (1)  y_no = sum_i x_ni W_io + b_o
#   A small change of all three changes
#          δy_no = sum_i δx_ni W_io + sum_i x_ni δW_io + δb_o
#   and with δL = sum_no dy_no δy_no each factor of a δ is a gradient:
#     (2)  dx_ni = sum_o dy_no W_io          = dy W^T
#     (3)  dW_io = sum_n x_ni dy_no          = x^T dy
#     (4)  db_o  = sum_n dy_no                 (b is used once for every n, so its gradients add up)
#
#   The cache keeps x and W as they came, without copies; nothing is computed again.


class LinearCache(NamedTuple):
    x: Array
    W: Array
    axes: int
    has_bias: bool

    @property
    def shape(self):
        """The shape of y."""
        return (*self.x.shape[: self.x.ndim - self.axes], *self.W.shape[self.axes :])


@door("""x, axes count <= x.ndim, I = x.shape[x.ndim - axes:], W some (*I, *O), b (*O)?
    -> y (..., *O)""")
def linear_forward(x, W, b=None, axes=1):
    """The last `axes` axes of x (..., *I), contracted with the first of W."""
    cache = LinearCache(x, W, axes, b is not None)
    inner = math.prod(W.shape[:axes])
    y = (x.reshape(-1, inner) @ W.reshape(inner, -1)).reshape(cache.shape)  # (1)
    if b is not None:
        y = y + b  # (1)
    return y, cache


@door("cache LinearCache, dy (*cache.shape) -> dx (..., *I), dW (*I, *O), db (*O)?")
def linear_backward(dy, cache):
    """The backward of `linear_forward`; db is None where there was no b."""
    x, W, axes, has_bias = cache
    inner = math.prod(W.shape[:axes])
    dy_no, x_ni, W_io = dy.reshape(-1, W.size // inner), x.reshape(-1, inner), W.reshape(inner, -1)
    dx = (dy_no @ W_io.T).reshape(x.shape)  # (2)
    dW = (x_ni.T @ dy_no).reshape(W.shape)  # (3)
    db = sum_rows(dy_no).reshape(W.shape[axes:]) if has_bias else None  # (4)
    return dx, dW, db


# Embedding: y = W[ids], one row of W for each id
#
#     (1)  y_n = W[ids_n]
#   Row i of W is used wherever ids_n = i, so
#     (2)  dW[i] = sum over n with ids_n = i of dy_n


class EmbeddingCache(NamedTuple):
    ids: Array
    W_shape: tuple


@door("W (V, *O), ids ids (...) < V -> y (..., *O)")
def embedding_forward(ids, W):
    """Rows of W by integer ids."""
    return W[ids], EmbeddingCache(ids, W.shape)  # (1)


@door("cache EmbeddingCache, dy (*cache.ids.shape, *cache.W_shape[1:]) -> dW (V, *O)")
def embedding_backward(dy, cache):
    """The backward of `embedding_forward`. The ids are data and have no gradient."""
    ids, W_shape = cache
    dW = namespace(dy).zeros(W_shape, dtype=dy.dtype)
    scatter_add(dW, ids, dy)  # (2)
    return dW


# Softmax of the last axis
#
#     (1)  y_i = exp(x_i) / sum_j exp(x_j)     unchanged when one number is taken from every x_i;
#                                              taking the largest keeps exp from overflowing
#   Since log y_i = x_i - log sum_j exp(x_j),
#          δy_i = y_i (δx_i - sum_j y_j δx_j)
#   that is δy = J(y) δx with the Jacobian J(y) = diag(y) - y y^T. It is symmetric, so
#          dx = J(y) dy
#     (2)  dx_i = y_i (dy_i - sum_j y_j dy_j)
#   The bracket compares entry i with the average entry, so the dx of a row sum to 0. J itself,
#   S x S, is never built.
#
#   The cache keeps y alone, as many numbers as x, which can be dropped; nothing is computed again.


class SoftmaxCache(NamedTuple):
    y: Array


@door("x some (..., S) -> y (..., S)")
@underflow_is_zero
def softmax_forward(x):
    """Rows that sum to 1. -inf gives exactly 0; each row needs a finite entry."""
    e = namespace(x).exp(x - _row_max(x))
    y = e / _row_sum(e)  # (1)
    return y, SoftmaxCache(y)


@door("cache SoftmaxCache, cache.y (..., S), dy (..., S) -> dx (..., S)")
@underflow_is_zero
def softmax_backward(dy, cache):
    """The backward of `softmax_forward`."""
    (y,) = cache
    dx = y * (dy - _row_sum(y, dy))  # (2)
    return dx


def _row_sum(x, y=None):
    """Sums of x, or of x y, over the last axis, which stays, with one entry.

    NumPy's einsum takes short rows four times faster than .sum, but adds one after the other; long
    rows are summed in pairs.
    """
    einsum = namespace(x).einsum
    if x.shape[-1] > 1024:
        return (x if y is None else x * y).sum(axis=-1, keepdims=True)
    if y is None:
        return einsum("...s->...", x)[..., None]
    return einsum("...s,...s->...", x, y)[..., None]


def _row_max(x):
    """max over the last axis, which stays, with one entry.

    NumPy searches columns of a transposed copy up to twenty times faster than short rows.
    """
    S = x.shape[-1]
    if namespace(x) is not np or S > 32:
        return x.max(axis=-1, keepdims=True)
    return np.ascontiguousarray(x.reshape(-1, S).T).max(axis=0).reshape(*x.shape[:-1], 1)


# ReLU
#
#     (1)  y = x where x > 0, else 0           (NaN stays NaN)
#     (2)  dx = dy where x > 0, else 0         (at x = 0 there is a corner; we take 0)
#
#   The cache keeps where x > 0, a byte an entry; x itself can be dropped.


class ReluCache(NamedTuple):
    positive: Array


@door("x (...) -> y (...)")
def relu_forward(x):
    """y = max(x, 0)."""
    positive = ~(x <= 0)  # unlike x > 0, true of NaN, which must come out
    return namespace(x).where(positive, x, 0.0), ReluCache(positive)  # (1)


@door("cache ReluCache, dy (*cache.positive.shape) -> dx (...)")
def relu_backward(dy, cache):
    """The backward of `relu_forward`."""
    (positive,) = cache
    return dy * positive  # (2)


# SiLU (Elfwing, Uchibe and Doya, 2017), a smooth ReLU
#
#     (1)  y = x s,   s = 1 / (1 + exp(-x)), the logistic function
#   δs = s (1 - s) δx, hence δy = (s + x s (1 - s)) δx and
#     (2)  dx = dy s (1 + x (1 - s))
#
#   The cache keeps x and s, two arrays of this shape, so that backward computes no tanh again.


class SiluCache(NamedTuple):
    x: Array
    s: Array


@door("x (...) -> y (...)")
def silu_forward(x):
    """y = x times the logistic function of x."""
    s = 0.5 + 0.5 * namespace(x).tanh(0.5 * x)  # the same, and exp cannot overflow
    return x * s, SiluCache(x, s)  # (1)


@door("cache SiluCache, cache.x (...), dy (...) -> dx (...)")
def silu_backward(dy, cache):
    """The backward of `silu_forward`."""
    x, s = cache
    return dy * s * (1 + x * (1 - s))  # (2)


# Layer norm over the last axis, of size D
#
#     (1)  c = x - mean(x)          taken off twice: the mean of large equal numbers is rounded,
#                                   what is left of it is not
#     (2)  r = 1 / sqrt(mean(c^2) + eps)
#     (3)  n = r c                  mean 0 and, up to eps, variance 1
#     (4)  y = g n + b
#   With g and b shared by all rows,
#     (5)  db = sum over rows of dy,   dg = sum over rows of dy n,   dn = g dy
#   From (2), δr = -r^3 mean(c δc), so (3) gives δn = r (δc - n mean(n δc)), where δc = δx -
#   mean(δx). Then
#          sum dn δn = r sum (dn - n mean(n dn)) δc
#   for sum(dn n) mean(n δc) = mean(n dn) sum(n δc). Taking the mean off δx takes it off the
#   bracket, and mean(n) = 0, so
#     (6)  dx = r (dn - mean(dn) - n mean(n dn))
#
#   The cache keeps n, as many numbers as x, and r, one a row; c and y follow from them and are
#   not kept, and nothing is computed again.


class LayerNormCache(NamedTuple):
    n: Array
    r: Array
    g: Array


@door("x some (..., D), g (D,), b (D,), eps number > 0 -> y (..., D)")
def layernorm_forward(x, g, b, eps=1e-5):
    """Rows of mean 0 and variance 1, times the scale g, plus the shift b."""
    c = x - x.mean(axis=-1, keepdims=True)  # (1)
    c = c - c.mean(axis=-1, keepdims=True)  # (1)
    variance = (c * c).mean(axis=-1, keepdims=True) + float(eps)
    r = variance**-0.5 + 0.0 * variance  # (2); NaN, not 0, where squares overflow
    n = r * c  # (3)
    return g * n + b, LayerNormCache(n, r, g)  # (4)


@door("cache LayerNormCache, cache.n (..., D), dy (..., D) -> dx (..., D), dg (D,), db (D,)")
def layernorm_backward(dy, cache):
    """The backward of `layernorm_forward`."""
    n, r, g = cache
    db, dg, dn = sum_to(dy, g.shape), sum_to(dy * n, g.shape), g * dy  # (5)
    if db is dy:  # a single row; what backward returns is the caller's to change
        db = db.copy()
    along_n = n * (n * dn).mean(axis=-1, keepdims=True)  # (6)
    dx = r * (dn - dn.mean(axis=-1, keepdims=True) - along_n)  # (6)
    return dx, dg, db


# Cross-entropy of logits z with the ids that came, mean over N positions
#
#     (1)  p_v = e_v / Z,   e_v = exp(z_v - max z),   Z = sum_u e_u        softmax, as above
#     (2)  L = -(1/N) sum_n log p_{n, y_n} = (1/N) sum_n (log Z_n - (z_{n, y_n} - max z_n))
#          where y_n is the id that came at position n, called `targets` in the code
#   δ log p_y = δz_y - sum_v p_v δz_v, hence
#     (3)  dz_nv = (p_nv - [v = y_n]) / N
#   times dL, the gradient of what L enters; [..] is 1 where it holds, else 0.
#
#   The cache keeps e, as many numbers as the logits, and Z, one a position; p is computed from
#   them in backward, where 1 / (N Z) multiplies e once.


class CrossEntropyCache(NamedTuple):
    e: Array
    Z: Array
    targets: Array


@door("z some (..., V) -> log p (..., V)")
@underflow_is_zero
def log_softmax(z):
    """Logits -> log-probabilities, finite for finite logits."""
    xp = namespace(z)
    z = z - _row_max(z)
    return z - xp.log(_row_sum(xp.exp(z)))


@door("logits some (..., V), targets ids (...) < V -> L, 0-d")
@underflow_is_zero
def cross_entropy_forward(logits, targets):
    """The mean of -log softmax(logits)[target], in nats."""
    xp, maximum = namespace(logits), _row_max(logits)
    e = xp.exp(logits - maximum)  # (1)
    Z = _row_sum(e)  # (1)
    of_targets = xp.take_along_axis(logits, targets[..., None], axis=-1)
    return (xp.log(Z) - (of_targets - maximum)).mean(), CrossEntropyCache(e, Z, targets)  # (2)


@door("cache CrossEntropyCache, dL scalar -> dlogits (..., V)")
@underflow_is_zero
def cross_entropy_backward(dL, cache):
    """dL is a number or 0-d, in the precision of the logits. Targets have no gradient."""
    e, Z, targets = cache
    N, V, each = targets.size, e.shape[-1], dL / targets.size
    dlogits = e.reshape(N, V) * (each / Z.reshape(N, 1))  # (3), the p of every v
    dlogits[namespace(e).arange(N), targets.reshape(N)] -= each  # (3), where v = y_n
    return dlogits.reshape(e.shape)


# Squared error, half the squared distance along the last axis, mean over the N positions before it
#
#     (1)  L = (1/2N) sum_n |y_n - target_n|^2
#     (2)  dy_n = (y_n - target_n) / N                  times dL


class SquaredErrorCache(NamedTuple):
    difference: Array
    N: int


@door("y some (..., D), target (..., D) -> L, 0-d")
def squared_error_forward(y, target):
    """Half the squared distance, mean over the positions."""
    difference, N = y - target, math.prod(y.shape[:-1])
    L = (difference * difference).sum() * (0.5 / N)  # (1)
    return L, SquaredErrorCache(difference, N)


@door("cache SquaredErrorCache, dL scalar -> dy (..., D)")
def squared_error_backward(dL, cache):
    """dL is a number or 0-d, in the precision of y. The target has no gradient."""
    difference, N = cache
    return difference * (dL / N)  # (2)
