"""Pairs of forward and backward that are not the library's, right ones and ones with a mistake.

They are written as people write them, in several styles: caches are tuples, dicts or one array,
gradients come back as a dict, as a tuple or alone.

PAIRS are right. MISTAKES have one mistake each, most of them planted as one piece of source put in
the place of another. random_right_pairs composes right pairs at random.

The kinds of mistakes:

  sign                everything is multiplied by -1
  factor              one constant factor
  elementwise factor  an input, an output or a derivative is missing or doubled, entry by entry
  row factor          a factor that differs by row, such as 1/norm, is missing
  transposed          a transposition is missing, or one too many
  exchanged           the gradients of two inputs changed places
  reversed            the order along an axis is the opposite one
  shifted             off by one along an axis
  zero                the gradient is 0
  missing rows        a slice of the gradient is 0 or left out
  missing outputs     what some outputs contribute is missing
  mask                the gradient is not 0 where it should be
  twice               all of it or a contribution counts twice
  contribution        one of several uses of an input is missing
  broadcast           not summed over a broadcast axis: wrong shape, one row only, or a mean
  mean                a term is missing or wrong that along an axis is constant or proportional to
                      the output or the input: mean and variance of a norm, row sum of a softmax
  dy                  dy is not used, or squared, or the gradient is right for ones only
  forward             the forward changes its input, or is random
  kink                the point is at a corner
  precision           float32 inside
  none                nothing of these
"""

import inspect
import textwrap
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from random_pairs import random_right_pairs  # noqa: F401

EPS = 1e-5


class Pair(NamedTuple):
    name: str
    forward: Callable
    backward: Callable
    inputs: dict


class Mistake(NamedTuple):
    """A pair with a mistake: `wrong` are the tensors in which check_pair errs, kinds its names."""

    what: str
    pair: str
    forward: Callable
    backward: Callable
    inputs: dict
    wrong: frozenset
    kinds: frozenset


PAIRS: list[Pair] = []


def add_pair(forward, backward, draw):
    """Enter a right pair under the forward's name; its inputs depend on the name alone."""
    rng = np.random.default_rng(zlib.crc32(forward.__name__.encode()))
    PAIRS.append(Pair(forward.__name__, forward, backward, draw(rng)))


# Norms


def rms_norm(x, gain):
    rms = np.sqrt((x**2).mean(axis=-1, keepdims=True) + EPS)
    return x / rms * gain, (x, gain, rms)


def rms_norm_backward(dy, cache):
    x, gain, rms = cache
    n = x / rms
    dgain = (dy * n).sum(axis=(0, 1))
    dn = dy * gain
    dx = (dn - n * (dn * n).mean(axis=-1, keepdims=True)) / rms
    return dx, dgain


add_pair(
    rms_norm,
    rms_norm_backward,
    lambda rng: {"x": rng.normal(size=(2, 3, 5)), "gain": rng.normal(size=5)},
)


def batch_norm(x, gamma, beta):
    mu = x.mean(0)
    inv_std = 1 / np.sqrt(x.var(0) + EPS)
    xhat = (x - mu) * inv_std
    return gamma * xhat + beta, (xhat, gamma, inv_std)


def batch_norm_backward(dout, cache):
    xhat, gamma, inv_std = cache
    N = dout.shape[0]
    dbeta = dout.sum(0)
    dgamma = (dout * xhat).sum(0)
    dxhat = dout * gamma
    dx = inv_std / N * (N * dxhat - dxhat.sum(0) - xhat * (dxhat * xhat).sum(0))
    return {"x": dx, "gamma": dgamma, "beta": dbeta}


add_pair(
    batch_norm,
    batch_norm_backward,
    lambda rng: {
        "x": 2 + 3 * rng.normal(size=(7, 4)),
        "gamma": rng.normal(size=4),
        "beta": rng.normal(size=4),
    },
)


GROUPS = 3


def group_norm(x, gain, bias):
    B, C, T = x.shape
    groups = x.reshape(B, GROUPS, -1)
    mean = groups.mean(-1, keepdims=True)
    std = np.sqrt(groups.var(-1, keepdims=True) + EPS)
    n = ((groups - mean) / std).reshape(B, C, T)
    return n * gain[:, None] + bias[:, None], {"n": n, "std": std, "gain": gain}


def group_norm_backward(dy, cache):
    n, std, gain = cache["n"], cache["std"], cache["gain"]
    dgain = (dy * n).sum(axis=(0, 2))
    dbias = dy.sum(axis=(0, 2))
    B, C, T = dy.shape
    dn = (dy * gain[:, None]).reshape(B, GROUPS, -1)
    n = n.reshape(B, GROUPS, -1)
    centred = dn - dn.mean(-1, keepdims=True)
    dx = (centred - n * (dn * n).mean(-1, keepdims=True)) / std
    return {"x": dx.reshape(B, C, T), "gain": dgain, "bias": dbias}


add_pair(
    group_norm,
    group_norm_backward,
    lambda rng: {
        "x": rng.normal(size=(2, 6, 5)),
        "gain": rng.normal(size=6),
        "bias": rng.normal(size=6),
    },
)


def l2_normalise(x):
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / norm, (x, norm)


def l2_normalise_backward(dy, cache):
    x, norm = cache
    y = x / norm
    along = (dy * y).sum(axis=1, keepdims=True)
    return (dy - y * along) / norm


add_pair(l2_normalise, l2_normalise_backward, lambda rng: {"x": 3 * rng.normal(size=(5, 4))})


def standardise(x):
    centred = x - x.mean(axis=0)
    std = centred.std(axis=0)
    z = centred / std
    return z, (z, std)


def standardise_backward(dz, cache):
    z, std = cache
    n = len(z)
    through_mean = dz.mean(axis=0)
    through_std = z * (dz * z).sum(axis=0) / n
    return (dz - through_mean - through_std) / std


add_pair(standardise, standardise_backward, lambda rng: {"x": 1 + 2 * rng.normal(size=(8, 3))})


def cosine_rows(a, b):
    na = np.sqrt((a * a).sum(1))
    nb = np.sqrt((b * b).sum(1))
    cos = (a * b).sum(1) / (na * nb)
    return cos, (a, b, na, nb, cos)


def cosine_rows_backward(dcos, cache):
    a, b, na, nb, cos = cache
    ua, ub = a / na[:, None], b / nb[:, None]
    da = dcos[:, None] * (ub - cos[:, None] * ua) / na[:, None]
    db = dcos[:, None] * (ua - cos[:, None] * ub) / nb[:, None]
    return da, db


add_pair(
    cosine_rows,
    cosine_rows_backward,
    lambda rng: {"a": rng.normal(size=(4, 6)), "b": 2 * rng.normal(size=(4, 6))},
)


def pairwise_distance(a, b):
    diff = a[:, None, :] - b[None, :, :]
    dist = np.sqrt((diff**2).sum(-1))
    return dist, (diff, dist)


def pairwise_distance_backward(ddist, cache):
    diff, dist = cache
    ddiff = ddist[..., None] * diff / dist[..., None]
    return {"a": ddiff.sum(1), "b": -ddiff.sum(0)}


add_pair(
    pairwise_distance,
    pairwise_distance_backward,
    lambda rng: {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=(5, 3))},
)


# Convolutions and pooling

STRIDE, PAD = 2, 1


def conv1d(x, w, b):
    """x (N, C, T), w (F, C, K), b (F,)."""
    xp = np.pad(x, ((0, 0), (0, 0), (PAD, PAD)))
    K = w.shape[2]
    T_out = (xp.shape[2] - K) // STRIDE + 1
    y = np.zeros((x.shape[0], w.shape[0], T_out))
    for t in range(T_out):
        window = xp[:, :, t * STRIDE : t * STRIDE + K]
        y[:, :, t] = np.tensordot(window, w, axes=([1, 2], [1, 2])) + b
    return y, (xp, w)


def conv1d_backward(dy, cache):
    xp, w = cache
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    db = dy.sum(axis=(0, 2))
    for t in range(dy.shape[2]):
        for k in range(w.shape[2]):
            dw[:, :, k] += dy[:, :, t].T @ xp[:, :, t * STRIDE + k]
            dxp[:, :, t * STRIDE + k] += dy[:, :, t] @ w[:, :, k]
    return dxp[:, :, PAD:-PAD], dw, db


add_pair(
    conv1d,
    conv1d_backward,
    lambda rng: {
        "x": rng.normal(size=(2, 3, 9)),
        "w": rng.normal(size=(4, 3, 3)),
        "b": rng.normal(size=4),
    },
)


def conv2d(x, w):
    """x (N, C, H, W), w (F, C, KH, KW), no padding."""
    N, _, H, W = x.shape
    F, _, KH, KW = w.shape
    y = np.zeros((N, F, H - KH + 1, W - KW + 1))
    for i in range(KH):
        for j in range(KW):
            patch = x[:, :, i : i + y.shape[2], j : j + y.shape[3]]
            y += np.einsum("nchw,fc->nfhw", patch, w[:, :, i, j])
    return y, (x, w)


def conv2d_backward(dy, cache):
    x, w = cache
    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    h, v = dy.shape[2:]
    for n in range(len(x)):
        for i in range(w.shape[2]):
            for j in range(w.shape[3]):
                patch = x[n, :, i : i + h, j : j + v]
                dx[n, :, i : i + h, j : j + v] += np.einsum("fhw,fc->chw", dy[n], w[:, :, i, j])
                dw[:, :, i, j] += np.einsum("fhw,chw->fc", dy[n], patch)
    return {"x": dx, "w": dw}


add_pair(
    conv2d,
    conv2d_backward,
    lambda rng: {"x": rng.normal(size=(2, 2, 5, 4)), "w": rng.normal(size=(3, 2, 3, 2))},
)


def max_pool(x):
    """Windows of 2 along the last axis."""
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    y = pairs.max(-1)
    return y, (pairs, y)


def max_pool_backward(dy, cache):
    pairs, y = cache
    first = pairs[..., 0] >= pairs[..., 1]
    dpairs = np.zeros_like(pairs)
    dpairs[..., 0] = dy * first
    dpairs[..., 1] = dy * ~first
    return dpairs.reshape(*dy.shape[:-1], -1)


add_pair(max_pool, max_pool_backward, lambda rng: {"x": rng.normal(size=(3, 2, 8))})

WINDOW = 3


def avg_pool(x):
    return x.reshape(x.shape[0], -1, WINDOW).mean(axis=2), x.shape


def avg_pool_backward(dy, shape):
    dx = np.zeros(shape)
    dx[:] = np.repeat(dy, WINDOW, axis=1) / WINDOW
    return {"x": dx}


add_pair(avg_pool, avg_pool_backward, lambda rng: {"x": rng.normal(size=(4, 12))})


# Elementwise


def gelu(x):
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    t = np.tanh(inner)
    return 0.5 * x * (1 + t), (x, t)


def gelu_backward(dy, cache):
    x, t = cache
    dinner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    dx = 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * dinner
    return dy * dx


add_pair(gelu, gelu_backward, lambda rng: {"x": rng.normal(size=(3, 7))})


def tanh(x):
    y = np.tanh(x)
    return y, y


def tanh_backward(dy, y):
    return dy * (1 - y**2)


add_pair(tanh, tanh_backward, lambda rng: {"x": rng.normal(size=(2, 4, 3))})


def logistic(x):
    y = 1 / (1 + np.exp(-x))
    return y, {"y": y}


def logistic_backward(dy, cache):
    y = cache["y"]
    return {"x": dy * y * (1 - y)}


add_pair(logistic, logistic_backward, lambda rng: {"x": 2 * rng.normal(size=6)})


def ratio(a, b):
    return a / b, (a, b)


def ratio_backward(dy, cache):
    """b (4, 1) is broadcast along the rows of a (4, 3)."""
    a, b = cache
    da = dy / b
    db = -(dy * a).sum(axis=1, keepdims=True) / b**2
    return da, db


add_pair(
    ratio,
    ratio_backward,
    lambda rng: {"a": rng.normal(size=(4, 3)), "b": rng.uniform(0.5, 3, size=(4, 1))},
)


def dropout(x, keep):
    """keep: where to let x through, drawn outside."""
    p = 0.7
    return x * keep / p, (keep, p)


def dropout_backward(dy, cache):
    keep, p = cache
    return {"x": dy * keep / p}


add_pair(
    dropout,
    dropout_backward,
    lambda rng: {"x": rng.normal(size=(4, 5)), "keep": rng.random(size=(4, 5)) < 0.7},
)


# Softmax and losses


def logsumexp(x):
    m = x.max(axis=1, keepdims=True)
    e = np.exp(x - m)
    total = e.sum(axis=1, keepdims=True)
    return (m + np.log(total))[:, 0], (e, total)


def logsumexp_backward(dy, cache):
    e, total = cache
    return e / total * dy[:, None]


add_pair(logsumexp, logsumexp_backward, lambda rng: {"x": 2 * rng.normal(size=(5, 4))})


def tempered_softmax(z, temperature):
    """temperature: a scalar, as an array of no axes."""
    s = z / temperature
    e = np.exp(s - s.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return p, (z, temperature, p)


def tempered_softmax_backward(dp, cache):
    z, temperature, p = cache
    ds = p * (dp - (p * dp).sum(-1, keepdims=True))
    dz = ds / temperature
    dtemperature = np.asarray(-(ds * z).sum() / temperature**2)
    return {"z": dz, "temperature": dtemperature}


add_pair(
    tempered_softmax,
    tempered_softmax_backward,
    lambda rng: {"z": rng.normal(size=(3, 6)), "temperature": np.array(0.7)},
)


def nll_of_probabilities(p, labels):
    rows = np.arange(len(labels))
    loss = -np.log(p[rows, labels]).mean()
    return loss, (p, labels)


def nll_of_probabilities_backward(dloss, cache):
    p, labels = cache
    rows = np.arange(len(labels))
    dp = np.zeros_like(p)
    dp[rows, labels] = -1 / p[rows, labels] / len(labels)
    return dloss * dp, None


add_pair(
    nll_of_probabilities,
    nll_of_probabilities_backward,
    lambda rng: {"p": rng.dirichlet(6 * np.ones(4), size=6), "labels": rng.integers(4, size=6)},
)


def softmax_cross_entropy(logits, labels):
    """A loss for each row."""
    shifted = logits - logits.max(1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -logp[np.arange(len(labels)), labels], (logp, labels)


def softmax_cross_entropy_backward(dy, cache):
    logp, labels = cache
    d = np.exp(logp)
    d[np.arange(len(labels)), labels] -= 1
    return {"logits": d * dy[:, None]}


add_pair(
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
    lambda rng: {"logits": rng.normal(size=(5, 3)), "labels": np.array([0, 2, 1, 1, 0])},
)


def kl(p, q):
    return (p * (np.log(p) - np.log(q))).sum() / len(p), (p, q)


def kl_backward(dy, cache):
    p, q = cache
    dp = (np.log(p / q) + 1) / len(p)
    dq = -p / q / len(p)
    return dy * dp, dy * dq


add_pair(
    kl,
    kl_backward,
    lambda rng: {
        "p": rng.dirichlet(3 * np.ones(4), size=5),
        "q": rng.dirichlet(3 * np.ones(4), size=5),
    },
)


def huber(prediction, target):
    """Quadratic up to 1, an array of losses."""
    r = prediction - target
    small = np.abs(r) <= 1
    return np.where(small, r**2 / 2, np.abs(r) - 0.5), r


def huber_backward(dy, r):
    dr = dy * np.clip(r, -1, 1)
    return {"prediction": dr, "target": -dr}


add_pair(
    huber,
    huber_backward,
    lambda rng: {"prediction": 2 * rng.normal(size=(4, 3)), "target": rng.normal(size=(4, 3))},
)


def hinge(X, w, labels):
    """labels: +1 or -1; a mean."""
    margins = 1 - labels * (X @ w)
    return np.maximum(margins, 0).mean(), (X, w, labels, margins)


def hinge_backward(dloss, cache):
    X, w, labels, margins = cache
    active = margins > 0
    dscores = -labels * active * dloss / len(labels)
    return np.outer(dscores, w), X.T @ dscores, None


add_pair(
    hinge,
    hinge_backward,
    lambda rng: {
        "X": rng.normal(size=(7, 3)),
        "w": 2 * rng.normal(size=3),
        "labels": np.array([1, -1, 1, 1, -1, -1, 1]),
    },
)


def mse(prediction, target):
    return np.mean((prediction - target) ** 2), (prediction, target)


def mse_backward(dloss, cache):
    prediction, target = cache
    d = 2 * (prediction - target) * dloss / prediction.size
    return d, -d


add_pair(
    mse,
    mse_backward,
    lambda rng: {"prediction": rng.normal(size=(5, 3)), "target": rng.normal(size=(5, 3))},
)


# Networks


def two_layers(x, W1, b1, W2, b2):
    h = np.tanh(x @ W1 + b1)
    return h @ W2 + b2, (x, W1, h, W2)


def two_layers_backward(dy, cache):
    x, W1, h, W2 = cache
    dW2 = h.T @ dy
    db2 = dy.sum(axis=0)
    dh = dy @ W2.T
    da = dh * (1 - h**2)
    dW1 = x.T @ da
    db1 = da.sum(axis=0)
    dx = da @ W1.T
    return {"x": dx, "W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


add_pair(
    two_layers,
    two_layers_backward,
    lambda rng: {
        "x": rng.normal(size=(6, 4)),
        "W1": rng.normal(size=(4, 5)),
        "b1": rng.normal(size=5),
        "W2": rng.normal(size=(5, 3)),
        "b2": rng.normal(size=3),
    },
)


def relu_net(x, W1, b1, W2):
    """Square weights."""
    a = x @ W1 + b1
    return np.maximum(a, 0) @ W2, dict(x=x, W1=W1, W2=W2, a=a)


def relu_net_backward(dy, c):
    dW2 = np.maximum(c["a"], 0).T @ dy
    da = (dy @ c["W2"].T) * (c["a"] > 0)
    dW1 = c["x"].T @ da
    db1 = np.einsum("nh->h", da)
    dx = da @ c["W1"].T
    return dx, dW1, db1, dW2


add_pair(
    relu_net,
    relu_net_backward,
    lambda rng: {
        "x": rng.normal(size=(6, 4)),
        "W1": rng.normal(size=(4, 4)),
        "b1": rng.normal(size=4),
        "W2": rng.normal(size=(4, 4)),
    },
)


def relu(x):
    return np.maximum(x, 0), x > 0


def relu_backward(dy, positive):
    return {"x": dy * positive}


add_pair(relu, relu_backward, lambda rng: {"x": rng.normal(size=(3, 5))})


def silu_gate(x, W, V):
    """SwiGLU without its last map: silu(x W) * (x V)."""
    a, v = x @ W, x @ V
    s = 1 / (1 + np.exp(-a))
    return a * s * v, (x, W, V, a, v, s)


def silu_gate_backward(dy, cache):
    x, W, V, a, v, s = cache
    dv = dy * a * s
    da = dy * v * s * (1 + a * (1 - s))
    dW = x.T @ da
    dV = x.T @ dv
    dx = da @ W.T + dv @ V.T
    return {"x": dx, "W": dW, "V": dV}


add_pair(
    silu_gate,
    silu_gate_backward,
    lambda rng: {
        "x": rng.normal(size=(5, 4)),
        "W": rng.normal(size=(4, 6)),
        "V": rng.normal(size=(4, 6)),
    },
)


def residual_block(x, W):
    t = np.tanh(x @ W)
    return x + t, (x, W, t)


def residual_block_backward(dy, cache):
    x, W, t = cache
    da = dy * (1 - t * t)
    dx = dy + da @ W.T
    return dx, x.T @ da


add_pair(
    residual_block,
    residual_block_backward,
    lambda rng: {"x": rng.normal(size=(3, 4)), "W": rng.normal(size=(4, 4))},
)


def rnn(x, h0, W_x, W_h, b):
    """All states: x (B, T, D), y (B, T, H)."""
    states = [h0]
    for t in range(x.shape[1]):
        states.append(np.tanh(x[:, t] @ W_x + states[-1] @ W_h + b))
    return np.stack(states[1:], axis=1), (x, states, W_x, W_h)


def rnn_backward(dy, cache):
    x, states, W_x, W_h = cache
    T = x.shape[1]
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros(len(W_h))
    dxs = []
    dh_next = np.zeros_like(states[0])
    for t in reversed(range(T)):
        dh = dy[:, t] + dh_next
        da = dh * (1 - states[t + 1] ** 2)
        dW_x += x[:, t].T @ da
        dW_h += states[t].T @ da
        db += da.sum(0)
        dxs.append(da @ W_x.T)
        dh_next = da @ W_h.T
    dx = np.stack(dxs[::-1], axis=1)
    return {"x": dx, "h0": dh_next, "W_x": dW_x, "W_h": dW_h, "b": db}


add_pair(
    rnn,
    rnn_backward,
    lambda rng: {
        "x": rng.normal(size=(2, 4, 3)),
        "h0": rng.normal(size=(2, 5)),
        "W_x": 0.5 * rng.normal(size=(3, 5)),
        "W_h": 0.5 * rng.normal(size=(5, 5)),
        "b": rng.normal(size=5),
    },
)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def gru_cell(x, h, W, U):
    """W (D, 3H), U (H, 3H): gates z, r and the new state n."""
    xz, xr, xn = np.split(x @ W, 3, axis=1)
    hz, hr, hn = np.split(h @ U, 3, axis=1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    n = np.tanh(xn + r * hn)
    return (1 - z) * n + z * h, (x, h, W, U, z, r, n, hn)


def gru_cell_backward(dy, cache):
    x, h, W, U, z, r, n, hn = cache
    dn = dy * (1 - z)
    dz = dy * (h - n)
    dh = dy * z
    dan = dn * (1 - n**2)
    dhn = dan * r
    dar = dan * hn * r * (1 - r)
    daz = dz * z * (1 - z)
    dax = np.concatenate([daz, dar, dan], axis=1)
    dah = np.concatenate([daz, dar, dhn], axis=1)
    dh = dh + dah @ U.T
    return dax @ W.T, dh, x.T @ dax, h.T @ dah


add_pair(
    gru_cell,
    gru_cell_backward,
    lambda rng: {
        "x": rng.normal(size=(4, 3)),
        "h": rng.normal(size=(4, 5)),
        "W": rng.normal(size=(3, 15)),
        "U": rng.normal(size=(5, 15)),
    },
)


def rotate(x, angles):
    """Turn the two halves of the last axis by the angles (T, H/2)."""
    a, b = np.split(x, 2, axis=-1)
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


def rotary_attention(x, W_Q, W_K, W_V, W_O):
    """One causal head: x (B, T, D), W_Q and W_K (D, H), W_V (D, V), W_O (V, D)."""
    T, H = x.shape[1], W_Q.shape[1]
    angles = np.arange(T)[:, None] / 10.0 ** np.arange(H // 2)
    q, k, v = rotate(x @ W_Q, angles), rotate(x @ W_K, angles), x @ W_V
    scores = np.einsum("bth,bsh->bts", q, k) / np.sqrt(H)
    scores = np.where(np.tril(np.ones((T, T), bool)), scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    heads = p @ v
    return heads @ W_O, (x, W_Q, W_K, W_V, W_O, angles, q, k, v, p, heads)


def rotary_attention_backward(dy, cache):
    x, W_Q, W_K, W_V, W_O, angles, q, k, v, p, heads = cache
    dW_O = np.einsum("bth,btd->hd", heads, dy)
    dheads = dy @ W_O.T
    dp = np.einsum("btv,bsv->bts", dheads, v)
    dv = np.einsum("bts,btv->bsv", p, dheads)
    ds = p * (dp - (p * dp).sum(-1, keepdims=True))
    ds = ds / np.sqrt(q.shape[-1])
    dq = np.einsum("bts,bsh->bth", ds, k)
    dk = np.einsum("bts,bth->bsh", ds, q)
    dq = rotate(dq, -angles)
    dk = rotate(dk, -angles)
    dW_Q = np.einsum("btd,bth->dh", x, dq)
    dW_K = np.einsum("btd,bth->dh", x, dk)
    dW_V = np.einsum("btd,bth->dh", x, dv)
    dx = dq @ W_Q.T + dk @ W_K.T + dv @ W_V.T
    return {"x": dx, "W_Q": dW_Q, "W_K": dW_K, "W_V": dW_V, "W_O": dW_O}


add_pair(
    rotary_attention,
    rotary_attention_backward,
    lambda rng: {
        "x": rng.normal(size=(2, 5, 7)),
        "W_Q": 0.5 * rng.normal(size=(7, 6)),
        "W_K": 0.5 * rng.normal(size=(7, 6)),
        "W_V": rng.normal(size=(7, 3)),
        "W_O": rng.normal(size=(3, 7)),
    },
)


def linear_attention(q, k, v):
    """y_t is the sum over s <= t of (f(q_t) . f(k_s)) v_s, f = softplus."""
    fq, fk = np.log1p(np.exp(q)), np.log1p(np.exp(k))
    state = np.cumsum(fk[:, :, None] * v[:, None, :], axis=0)
    return np.einsum("th,thv->tv", fq, state), (q, k, v, fq, fk, state)


def linear_attention_backward(dy, cache):
    q, k, v, fq, fk, state = cache
    dfq = np.einsum("tv,thv->th", dy, state)
    dstate = fq[:, :, None] * dy[:, None, :]
    dstate = np.cumsum(dstate[::-1], axis=0)[::-1]
    dfk = np.einsum("thv,tv->th", dstate, v)
    dv = np.einsum("thv,th->tv", dstate, fk)
    return dfq * sigmoid(q), dfk * sigmoid(k), dv


add_pair(
    linear_attention,
    linear_attention_backward,
    lambda rng: {
        "q": rng.normal(size=(6, 4)),
        "k": rng.normal(size=(6, 4)),
        "v": rng.normal(size=(6, 3)),
    },
)


# Products, sums and look-ups


def tied_weights(E, tokens):
    """Embedding and unembedding by the same table E."""
    h = np.tanh(E[tokens])
    return h @ E.T, (E, tokens, h)


def tied_weights_backward(dlogits, cache):
    E, tokens, h = cache
    dE = np.einsum("btv,btd->vd", dlogits, h)
    dh = dlogits @ E
    np.add.at(dE, tokens, dh * (1 - h**2))
    return {"E": dE}


add_pair(
    tied_weights,
    tied_weights_backward,
    lambda rng: {"E": rng.normal(size=(7, 4)), "tokens": rng.integers(7, size=(3, 5))},
)


def bag_of_words(table, ids):
    """The sum of the rows named by ids; id 0 is padding and counts for nothing."""
    read = (ids > 0)[..., None]
    return (table[ids] * read).sum(axis=1), (table.shape, ids, read)


def bag_of_words_backward(dy, cache):
    shape, ids, read = cache
    dtable = np.zeros(shape)
    np.add.at(dtable, ids, dy[:, None] * read)
    return dtable, None


add_pair(
    bag_of_words,
    bag_of_words_backward,
    lambda rng: {
        "table": rng.normal(size=(8, 3)),
        "ids": np.array([[1, 4, 4, 7, 0], [2, 3, 6, 5, 4], [5, 1, 0, 0, 0]]),
    },
)


def embedding(table, ids):
    return table[ids], (table, ids)


def embedding_backward(dy, cache):
    table, ids = cache
    dtable = np.zeros_like(table)
    for row, i in enumerate(ids):
        dtable[i] += dy[row]
    return {"table": dtable}


add_pair(
    embedding,
    embedding_backward,
    lambda rng: {"table": rng.normal(size=(6, 4)), "ids": np.array([3, 0, 5, 1, 3, 2, 4])},
)


def bilinear(x, A, z):
    """x_n A z_n for each row n."""
    return np.einsum("ni,ij,nj->n", x, A, z), (x, A, z)


def bilinear_backward(dy, cache):
    x, A, z = cache
    dx = dy[:, None] * (z @ A.T)
    dA = (x * dy[:, None]).T @ z
    dz = dy[:, None] * (x @ A)
    return dx, dA, dz


add_pair(
    bilinear,
    bilinear_backward,
    lambda rng: {
        "x": rng.normal(size=(5, 4)),
        "A": rng.normal(size=(4, 4)),
        "z": rng.normal(size=(5, 4)),
    },
)


def quadratic_form(x, A):
    return np.sum(x @ A * x, axis=1), (x, A)


def quadratic_form_backward(dy, cache):
    x, A = cache
    g = dy[:, None]
    return {"x": g * (x @ A) + g * (x @ A.T), "A": x.T @ (g * x)}


add_pair(
    quadratic_form,
    quadratic_form_backward,
    lambda rng: {"x": rng.normal(size=(5, 3)), "A": rng.normal(size=(3, 3))},
)


def broadcast_sum(x, s, b):
    """x (B, T, D), s (T, 1), b (D,)."""
    return x + s + b, (s.shape, b.shape)


def broadcast_sum_backward(dy, cache):
    s_shape, b_shape = cache
    ds = dy.sum(axis=(0, 2)).reshape(s_shape)
    db = dy.sum(axis=(0, 1))
    return dy, ds, db


add_pair(
    broadcast_sum,
    broadcast_sum_backward,
    lambda rng: {
        "x": rng.normal(size=(2, 3, 4)),
        "s": rng.normal(size=(3, 1)),
        "b": rng.normal(size=4),
    },
)


def batched_matmul(A, B):
    """A (N, I, J), B (J, K), the same for all N."""
    return A @ B, (A, B)


def batched_matmul_backward(dC, cache):
    A, B = cache
    dA = dC @ B.T
    dB = (A.swapaxes(1, 2) @ dC).sum(axis=0)
    return dA, dB


add_pair(
    batched_matmul,
    batched_matmul_backward,
    lambda rng: {"A": rng.normal(size=(3, 2, 4)), "B": rng.normal(size=(4, 5))},
)


def running_sum(x):
    return np.cumsum(x, axis=1), None


def running_sum_backward(dy, _):
    return np.cumsum(dy[:, ::-1], axis=1)[:, ::-1]


add_pair(running_sum, running_sum_backward, lambda rng: {"x": rng.normal(size=(4, 6))})


# Mistakes

BY_NAME = {pair.name: pair for pair in PAIRS}
MISTAKES: list[Mistake] = []


def planted(function, right, wrong):
    """The function with the piece `right` of its source, which occurs once, replaced by `wrong`."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(right) == 1, f"{function.__name__}: {source.count(right)} times {right!r}"
    changed = {}
    exec(
        compile(source.replace(right, wrong), f"<{function.__name__}>", "exec"), globals(), changed
    )
    return changed[function.__name__]


def split(names):
    return frozenset(name.strip() for name in names.split(",") if name.strip())


def mistake(pair, what, right, wrong, tensors, kinds):
    """Enter a mistake in a backward. tensors, kinds: names, with commas between."""
    pair = BY_NAME[pair]
    backward = planted(pair.backward, right, wrong)
    MISTAKES.append(
        Mistake(what, pair.name, pair.forward, backward, pair.inputs, split(tensors), split(kinds))
    )


def other(pair, what, tensors, kinds, *, forward=None, backward=None, **inputs):
    """Enter a mistake in the forward, in the backward as a whole or in the inputs."""
    pair = BY_NAME[pair]
    forward, backward = forward or pair.forward, backward or pair.backward
    inputs = {**pair.inputs, **inputs}
    MISTAKES.append(
        Mistake(what, pair.name, forward, backward, inputs, split(tensors), split(kinds))
    )


# fmt: off
mistake("rms_norm", "the term through the rms is forgotten",
        " - n * (dn * n).mean(axis=-1, keepdims=True)", "", "x", "mean")
mistake("rms_norm", "1/rms is forgotten",
        ") / rms\n    return", ")\n    return", "x", "row factor")
mistake("rms_norm", "the term through the rms is a sum in place of a mean",
        ".mean(axis=-1", ".sum(axis=-1", "x", "mean")
mistake("rms_norm", "dgain is summed over the first axis alone",
        "sum(axis=(0, 1))", "sum(axis=0)", "gain", "broadcast")
mistake("rms_norm", "the gain is forgotten in dn",
        "dn = dy * gain", "dn = dy", "x", "elementwise factor")

mistake("batch_norm", "the variance is taken for a constant",
        " - xhat * (dxhat * xhat).sum(0)", "", "x", "mean")
mistake("batch_norm", "the mean is taken for a constant",
        " - dxhat.sum(0)", "", "x", "mean")
mistake("batch_norm", "dgamma and dbeta change places",
        '"gamma": dgamma, "beta": dbeta', '"gamma": dbeta, "beta": dgamma', "gamma, beta", "exchanged")
mistake("batch_norm", "dgamma is a mean over the batch",
        "(dout * xhat).sum(0)\n", "(dout * xhat).mean(0)\n", "gamma", "factor, broadcast")
mistake("batch_norm", "xhat is forgotten in dgamma",
        "(dout * xhat).sum(0)\n", "dout.sum(0)\n", "gamma", "elementwise factor")

mistake("group_norm", "dbias takes the first example only",
        "dy.sum(axis=(0, 2))", "dy[0].sum(axis=1)", "bias", "missing outputs, broadcast")
mistake("group_norm", "1/std is forgotten",
        ") / std", ")", "x", "row factor")
mistake("group_norm", "the mean runs over all groups",
        "dn.mean(-1, keepdims=True)", "dn.mean((1, 2), keepdims=True)", "x", "mean")

mistake("l2_normalise", "the projection is forgotten",
        "(dy - y * along)", "dy", "x", "mean")
mistake("l2_normalise", "1/norm is forgotten",
        "along) / norm", "along)", "x", "row factor")
mistake("l2_normalise", "1/norm twice",
        "(dy - y * along) / norm", "(dy - y * along) / norm**2", "x", "row factor")
mistake("l2_normalise", "the projection takes x for y",
        "(dy - y * along)", "(dy - x * along)", "x", "mean")

mistake("standardise", "mean and deviation are taken for constants",
        "(dz - through_mean - through_std)", "dz", "x", "mean")
mistake("standardise", "1/std is forgotten",
        "through_std) / std", "through_std)", "x", "row factor")
mistake("standardise", "the deviation is that of n - 1",
        "/ n\n", "/ (n - 1)\n", "x", "mean")
mistake("standardise", "the mean over everything in place of axis 0",
        "dz.mean(axis=0)", "dz.mean()", "x", "mean")

mistake("cosine_rows", "da and db change places", "return da, db", "return db, da", "a, b", "exchanged")
mistake("cosine_rows", "the projection is forgotten in da",
        "(ub - cos[:, None] * ua)", "ub", "a", "mean")
mistake("cosine_rows", "1/|b| is forgotten", " / nb[:, None]\n    return", "\n    return", "b", "row factor")

mistake("pairwise_distance", "db without its sign", "-ddiff.sum(0)", "ddiff.sum(0)", "b", "sign")
mistake("pairwise_distance", "the root's derivative is forgotten",
        " / dist[..., None]", "", "a, b", "elementwise factor")
mistake("pairwise_distance", "da takes the first b only",
        "ddiff.sum(1)", "ddiff[:, 0]", "a", "missing outputs, broadcast")

mistake("conv1d", "the padding is cut off at one end only",
        "PAD:-PAD", ": -2 * PAD", "x", "shifted")
mistake("conv1d", "the kernel's gradient is flipped",
        "dw[:, :, k]", "dw[:, :, -1 - k]", "w", "reversed")
mistake("conv1d", "the stride is forgotten in dx",
        "dxp[:, :, t * STRIDE + k]", "dxp[:, :, t + k]", "x", "none")
mistake("conv1d", "the last window is left out",
        "range(dy.shape[2])", "range(dy.shape[2] - 1)", "x, w", "missing outputs")
mistake("conv1d", "db is summed over the examples alone",
        "axis=(0, 2)", "axis=0", "b", "broadcast")

mistake("conv2d", "dw is assigned, not added, for each example",
        "dw[:, :, i, j] +=", "dw[:, :, i, j] =", "w", "missing outputs")
mistake("conv2d", "the kernel is flipped in dx",
        "dy[n], w[:, :, i, j])", "dy[n], w[:, :, -1 - i, -1 - j])", "x", "none")
mistake("conv2d", "dx is assigned, not added, where windows overlap",
        "j : j + v] += ", "j : j + v] = ", "x", "none")

mistake("max_pool", "both of a window get the gradient",
        "dy * ~first", "dy", "x", "mask")
mistake("max_pool", "the smaller one gets the gradient",
        ">=", "<", "x", "none, mask")
mistake("avg_pool", "1/window is forgotten", "axis=1) / WINDOW", "axis=1)", "x", "factor")
mistake("avg_pool", "only the first of a window gets the gradient",
        "dx[:] = np.repeat(dy, WINDOW, axis=1)", "dx[:, ::WINDOW] = dy", "x", "missing rows")
mistake("avg_pool", "tile in place of repeat",
        "np.repeat(dy, WINDOW, axis=1)", "np.tile(dy, WINDOW)", "x", "none")

mistake("gelu", "the 3 of the cube is forgotten", "1 + 3 * 0.0", "1 + 0.0", "x", "none")
mistake("gelu", "the product rule's second half is forgotten",
        " + 0.5 * x * (1 - t**2) * dinner", "", "x", "none, contribution")
mistake("gelu", "dy is not used", "dy * dx", "dx", "x", "dy")
mistake("tanh", "1 - y in place of 1 - y^2", "1 - y**2", "1 - y", "x", "none")
mistake("tanh", "dy is squared", "dy * (", "dy**2 * (", "x", "dy")
mistake("tanh", "the derivative is forgotten", " * (1 - y**2)", "", "x", "elementwise factor")
mistake("tanh", "the derivative twice", "(1 - y**2)", "(1 - y**2) ** 2", "x", "elementwise factor")
mistake("logistic", "wrong sign", "(1 - y)", "(y - 1)", "x", "sign")
mistake("logistic", "y is forgotten", "dy * y * ", "dy * ", "x", "elementwise factor")
mistake("ratio", "db without its sign", "-(dy", "(dy", "b", "sign")
mistake("ratio", "b is not squared", "b**2", "b", "b", "row factor, elementwise factor")
mistake("ratio", "da is multiplied by b", "dy / b", "dy * b", "a", "row factor, elementwise factor")
mistake("ratio", "db is not summed", "(dy * a).sum(axis=1, keepdims=True)", "(dy * a)", "b", "broadcast")
mistake("dropout", "1/p is forgotten", " / p}", "}", "x", "factor")
mistake("dropout", "what was dropped gets a gradient", "dy * keep", "dy", "x", "mask")

mistake("logsumexp", "dy is not used", " * dy[:, None]", "", "x", "dy, row factor")
mistake("logsumexp", "the sum is forgotten", "e / total", "e", "x", "row factor")
mistake("tempered_softmax", "the row sum is forgotten",
        "(dp - (p * dp).sum(-1, keepdims=True))", "dp", "z, temperature", "mean")
mistake("tempered_softmax", "the row sum runs over all rows",
        "sum(-1, keepdims=True)", "sum()", "z, temperature", "mean")
mistake("tempered_softmax", "1/temperature is forgotten", "ds / temperature\n", "ds\n", "z", "factor")
mistake("tempered_softmax", "wrong sign of dtemperature", "-(ds", "(ds", "temperature", "sign")
mistake("tempered_softmax", "p is forgotten before the bracket",
        "ds = p * (dp", "ds = (dp", "z, temperature", "elementwise factor")
mistake("nll_of_probabilities", "1/n is forgotten", " / len(labels)", "", "p", "factor")
mistake("nll_of_probabilities", "dloss is not used", "dloss * dp", "dp", "p", "dy, factor")
mistake("nll_of_probabilities", "all classes get a gradient",
        "dp[rows, labels] = -1 / p[rows, labels] /", "dp = -1 / p /", "p", "mask")
mistake("nll_of_probabilities", "1/p is forgotten",
        "-1 / p[rows, labels]", "-1", "p", "row factor, elementwise factor")
mistake("softmax_cross_entropy", "the labels are not subtracted",
        "labels] -= 1", "labels] -= 0", "logits", "none, contribution")
mistake("softmax_cross_entropy", "the mean over the rows that is not in the loss",
        "d * dy[:, None]", "d * dy[:, None] / len(d)", "logits", "factor")
mistake("softmax_cross_entropy", "dy is not used", "d * dy[:, None]", "d", "logits", "dy, row factor")
mistake("softmax_cross_entropy", "dy is its mean",
        "d * dy[:, None]", "d * dy.mean()", "logits", "dy, row factor")
mistake("kl", "the 1 of the product rule is forgotten", " + 1)", ")", "p", "none, mean, contribution")
mistake("kl", "p is forgotten in dq", "-p / q", "-1 / q", "q", "elementwise factor")
mistake("kl", "dp with the ratio upside down", "np.log(p / q)", "np.log(q / p)", "p", "none")
mistake("huber", "the clip is forgotten", "np.clip(r, -1, 1)", "r", "prediction, target", "none")
mistake("huber", "the target's sign is forgotten", "-dr}", "dr}", "target", "sign")
mistake("huber", "the absolute value is clipped", "np.clip(r, -1, 1)", "np.minimum(abs(r), 1)", "prediction, target", "none")
mistake("hinge", "all margins count", " * active", "", "X, w", "mask")
mistake("hinge", "the labels are forgotten", "-labels * active", "-1.0 * active", "X, w", "row factor, elementwise factor")
mistake("mse", "the 2 is forgotten", "2 * (", "(", "prediction, target", "factor")
mistake("mse", "divided by the rows only", "prediction.size", "len(prediction)", "prediction, target", "factor")
mistake("mse", "the two change places", "return d, -d", "return -d, d", "prediction, target", "exchanged, sign")
mistake("mse", "the target's gradient is zero", "return d, -d", "return d, 0 * d", "target", "zero")

mistake("two_layers", "dW1 is transposed", "x.T @ da", "da.T @ x", "W1", "transposed")
mistake("two_layers", "db1 is a mean", "da.sum(axis=0)", "da.mean(axis=0)", "b1", "broadcast, factor")
mistake("two_layers", "db2 is not summed", "dy.sum(axis=0)", "dy", "b2", "broadcast")
mistake("two_layers", "tanh's derivative is forgotten", " * (1 - h**2)", "", "x, W1, b1", "elementwise factor")
mistake("two_layers", "dx is left at zero", "da @ W1.T", "np.zeros_like(x)", "x", "zero")
mistake("two_layers", "db2 takes the first row only", "dy.sum(axis=0)", "dy[0]", "b2", "broadcast, missing outputs")
mistake("relu_net", "dW2 is transposed, and square",
        'np.maximum(c["a"], 0).T @ dy', 'dy.T @ np.maximum(c["a"], 0)', "W2", "transposed")
mistake("relu_net", "dW1 and dW2 change places",
        "dx, dW1, db1, dW2", "dx, dW2, db1, dW1", "W1, W2", "exchanged")
mistake("relu_net", "ReLU's mask is forgotten",
        ' * (c["a"] > 0)', "", "x, W1, b1", "mask, elementwise factor")
mistake("relu_net", "W1 is not transposed", 'da @ c["W1"].T', 'da @ c["W1"]', "x", "transposed")
mistake("relu_net", "the mask is of x", '(c["a"] > 0)', '(c["x"] > 0)', "x, W1, b1", "mask, none")
mistake("relu", "the mask is forgotten", "dy * positive", "dy", "x", "mask")
mistake("relu", "the mask is of dy", "dy * positive", "dy * (dy > 0)", "x", "dy")
mistake("silu_gate", "the gate's part of dx is forgotten", "da @ W.T + dv", "dv", "x", "contribution")
mistake("silu_gate", "silu's derivative is that of x s with s constant",
        " * (1 + a * (1 - s))", "", "x, W", "elementwise factor, none")
mistake("silu_gate", "v is forgotten in da", "dy * v * s", "dy * s", "x, W", "elementwise factor")
mistake("silu_gate", "dW and dV change places", '"W": dW, "V": dV', '"W": dV, "V": dW', "W, V", "exchanged")
mistake("residual_block", "the residual is forgotten", "dy + da @", "da @", "x", "contribution")
mistake("residual_block", "the residual counts twice", "dy + da @", "2 * dy + da @", "x", "twice")
mistake("residual_block", "W is not transposed", "da @ W.T", "da @ W", "x", "transposed")
mistake("residual_block", "dW is transposed, and square", "x.T @ da", "da.T @ x", "W", "transposed")

mistake("rnn", "cut after one step", "dy[:, t] + dh_next", "dy[:, t]", "x, h0, W_x, W_h, b", "none, contribution, missing outputs")
mistake("rnn", "only the last state counts",
        "dy[:, t] + dh_next", "dy[:, t] * (t == T - 1) + dh_next", "x, h0, W_x, W_h, b", "missing outputs")
mistake("rnn", "W_h is not transposed", "da @ W_h.T", "da @ W_h", "x, h0, W_x, W_h, b", "transposed")
mistake("rnn", "dW_h is transposed, and square", "states[t].T @ da", "da.T @ states[t]", "W_h", "transposed")
mistake("rnn", "dW_h takes the states after the step", "states[t].T", "states[t + 1].T", "W_h", "none, shifted")
mistake("rnn", "the steps of dx are in the order of the backward pass", "dxs[::-1]", "dxs", "x", "reversed")
mistake("rnn", "db is assigned, not added", "db += ", "db = ", "b", "contribution")
mistake("rnn", "dh0 is zero", '"h0": dh_next', '"h0": 0 * dh_next', "h0", "zero")
mistake("rnn", "tanh's derivative takes the state before",
        "states[t + 1] ** 2", "states[t] ** 2", "x, h0, W_x, W_h, b", "none, shifted, elementwise factor")

mistake("gru_cell", "the direct path of h is forgotten", "dh + dah", "dah", "h", "contribution")
mistake("gru_cell", "the reset gate is forgotten",
        "dan * hn * r * (1 - r)", "0 * dan", "x, h, W, U", "contribution, missing rows")
mistake("gru_cell", "h - n the other way round", "(h - n)", "(n - h)", "x, h, W, U", "none, sign, row factor")
mistake("gru_cell", "the reset gate is not applied to dhn",
        "dhn = dan * r", "dhn = dan", "h, U", "elementwise factor")
mistake("gru_cell", "the gates z and r change places in dU",
        "[daz, dar, dhn]", "[dar, daz, dhn]", "h, U", "none, exchanged")

mistake("rotary_attention", "dq is turned forward once more",
        "rotate(dq, -angles)", "rotate(dq, angles)", "x, W_Q", "none")
mistake("rotary_attention", "dk is not turned back",
        "dk = rotate(dk, -angles)", "dk = dk + 0", "x, W_K", "none")
mistake("rotary_attention", "the scale is forgotten",
        " / np.sqrt(q.shape[-1])", "", "x, W_Q, W_K", "factor")
mistake("rotary_attention", "the row sum is forgotten",
        "(dp - (p * dp).sum(-1, keepdims=True))", "dp", "x, W_Q, W_K", "mean")
mistake("rotary_attention", "the values' part of dx is forgotten",
        " + dv @ W_V.T", "", "x", "contribution")
mistake("rotary_attention", "dW_Q and dW_K change places",
        '"W_Q": dW_Q, "W_K": dW_K', '"W_Q": dW_K, "W_K": dW_Q', "W_Q, W_K", "exchanged")
mistake("rotary_attention", "dW_O takes the first example only",
        "heads, dy)", "heads[:1], dy[:1])", "W_O", "missing outputs")
mistake("rotary_attention", "the attention is not transposed in dv",
        '"bts,btv->bsv"', '"bst,btv->bsv"', "x, W_V", "transposed")
mistake("rotary_attention", "the keys' part of dx counts twice",
        "dk @ W_K.T", "2 * dk @ W_K.T", "x", "twice")

mistake("linear_attention", "the sum over time runs forward",
        "np.cumsum(dstate[::-1], axis=0)[::-1]", "np.cumsum(dstate, axis=0)", "k, v", "none")
mistake("linear_attention", "the sum over time is not turned back",
        "axis=0)[::-1]", "axis=0)", "k, v", "reversed, none")
mistake("linear_attention", "softplus is forgotten for q", "dfq * sigmoid(q)", "dfq", "q", "elementwise factor")
mistake("linear_attention", "dq and dk change places",
        "dfq * sigmoid(q), dfk * sigmoid(k)", "dfk * sigmoid(k), dfq * sigmoid(q)", "q, k", "exchanged")

mistake("tied_weights", "the embedding's part is forgotten",
        "np.add.at(dE, tokens, dh * (1 - h**2))", "pass", "E", "contribution")
mistake("tied_weights", "the unembedding's part is forgotten",
        "    dE = np.einsum(\"btv,btd->vd\", dlogits, h)", "    dE = np.zeros_like(E)", "E", "contribution")
mistake("tied_weights", "a token that comes twice counts once",
        "np.add.at(dE, tokens, dh * (1 - h**2))", "dE[tokens] += dh * (1 - h**2)", "E", "none, missing outputs, contribution")
mistake("bag_of_words", "padding gets a gradient", "dy[:, None] * read", "dy[:, None] + 0 * read", "table", "mask")
mistake("bag_of_words", "an id that comes twice counts once",
        "np.add.at(dtable, ids, dy[:, None] * read)", "dtable[ids] += dy[:, None] * read", "table", "none, missing outputs, contribution")
mistake("bag_of_words", "ids are taken to count from 1",
        "(dtable, ids,", "(dtable, ids - 1,", "table", "shifted")
mistake("embedding", "the last row is assigned, not added",
        "dtable[i] +=", "dtable[i] =", "table", "missing outputs")
mistake("embedding", "the last ids are not read",
        "enumerate(ids)", "enumerate(ids[:-2])", "table", "missing rows, missing outputs")
mistake("embedding", "the first row is a pad that is not", "    return", "    dtable[0] = 0\n    return", "table", "missing rows, missing outputs")
mistake("embedding", "dy is read one row off", "dy[row]", "dy[row - 1]", "table", "shifted, none")

mistake("bilinear", "dA is transposed, and square",
        "(x * dy[:, None]).T @ z", "z.T @ (x * dy[:, None])", "A", "transposed")
mistake("bilinear", "dx and dz change places", "return dx, dA, dz", "return dz, dA, dx", "x, z", "exchanged")
mistake("bilinear", "A is not transposed in dx", "z @ A.T", "z @ A", "x", "transposed")
mistake("bilinear", "dA counts twice", ".T @ z", ".T @ z * 2", "A", "twice, factor")
mistake("bilinear", "dy is forgotten in dz", "dy[:, None] * (x @ A)", "x @ A", "z", "dy, row factor")
mistake("bilinear", "dy is summed first",
        "dA = (x * dy[:, None]).T @ z", "dA = x.T @ z * dy.mean()", "A", "dy")
mistake("quadratic_form", "A is taken for symmetric",
        "g * (x @ A) + g * (x @ A.T)", "2 * g * (x @ A)", "x", "none, transposed")
mistake("quadratic_form", "the second x is forgotten",
        "g * (x @ A) + g * (x @ A.T)", "g * (x @ A)", "x", "contribution")
mistake("broadcast_sum", "ds without its last axis", ".reshape(s_shape)", "", "s", "broadcast")
mistake("broadcast_sum", "ds is a mean", "sum(axis=(0, 2))", "mean(axis=(0, 2))", "s", "broadcast, factor")
mistake("broadcast_sum", "db takes the first example only",
        "dy.sum(axis=(0, 1))", "dy[0].sum(axis=0)", "b", "broadcast, missing outputs")
mistake("broadcast_sum", "db takes the last position only",
        "dy.sum(axis=(0, 1))", "dy[:, -1].sum(axis=0)", "b", "broadcast, missing outputs")
mistake("broadcast_sum", "db is summed over everything",
        "dy.sum(axis=(0, 1))", "np.full(b_shape, dy.sum())", "b", "broadcast, none")
mistake("batched_matmul", "dB is not summed over the batch", ".sum(axis=0)", "", "B", "broadcast")
mistake("batched_matmul", "dB is a mean over the batch", ".sum(axis=0)", ".mean(axis=0)", "B", "broadcast, factor")
mistake("batched_matmul", "dB takes the first example only", ".sum(axis=0)", "[0]", "B", "broadcast, missing outputs")
mistake("batched_matmul", "dA with the wrong sign", "dC @ B.T", "-dC @ B.T", "A", "sign")
mistake("running_sum", "the sum runs forward",
        "np.cumsum(dy[:, ::-1], axis=1)[:, ::-1]", "np.cumsum(dy, axis=1)", "x", "none")
mistake("running_sum", "the sum is not turned back", "axis=1)[:, ::-1]", "axis=1)", "x", "reversed")
mistake("running_sum", "the sum leaves out its own entry",
        "axis=1)[:, ::-1]", "axis=1)[:, ::-1] - dy", "x", "shifted")
# fmt: on

# Where the mistake is in an inner value, so that the gradients' numbers alone do not show its kind.
INSIDE = {
    ("max_pool", "the smaller one gets the gradient"),
    ("relu_net", "ReLU's mask is forgotten"),
    ("relu_net", "W1 is not transposed"),
    ("relu_net", "the mask is of x"),
    ("residual_block", "the residual counts twice"),
    ("residual_block", "W is not transposed"),
    ("rnn", "W_h is not transposed"),
    ("rnn", "dW_h takes the states after the step"),
    ("rnn", "tanh's derivative takes the state before"),
    ("gru_cell", "h - n the other way round"),
    ("gru_cell", "the gates z and r change places in dU"),
    ("rotary_attention", "the row sum is forgotten"),
    ("rotary_attention", "the attention is not transposed in dv"),
    ("rotary_attention", "the keys' part of dx counts twice"),
    ("linear_attention", "the sum over time is not turned back"),
    ("tied_weights", "a token that comes twice counts once"),
    ("bag_of_words", "an id that comes twice counts once"),
    ("embedding", "dy is read one row off"),
    ("bilinear", "A is not transposed in dx"),
    ("quadratic_form", "A is taken for symmetric"),
}


# Mistakes in the forward


def l2_normalise_in_place(x):
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    x /= norm
    return x, (x, norm)


other("l2_normalise", "the forward normalises its input in place", "x", "forward",
      forward=l2_normalise_in_place)  # fmt: skip


def logsumexp_in_place(x):
    m = x.max(axis=1, keepdims=True)
    x -= m
    e = np.exp(x)
    total = e.sum(axis=1, keepdims=True)
    return (m + np.log(total))[:, 0], (e, total)


# Right in every number, for whoever hands it a copy.
other("logsumexp", "the forward subtracts the maximum in place", "", "forward",
      forward=logsumexp_in_place)  # fmt: skip


def dropout_at_random(x, keep):
    p = 0.7
    keep = np.random.default_rng().random(x.shape) < p
    return x * keep / p, (keep, p)


other("dropout", "the forward draws a new mask each time", "x", "forward",
      forward=dropout_at_random)  # fmt: skip


def noisy_gate(x, W, V):
    noise = 1e-3 * np.random.default_rng().normal(size=(len(x), W.shape[1]))
    y, cache = silu_gate(x, W, V)
    return y + noise, cache


other("silu_gate", "the forward adds noise", "x, W, V", "forward", forward=noisy_gate)


# Points at a corner

other("relu", "half of x is exactly 0", "x", "kink",
      x=np.maximum(BY_NAME["relu"].inputs["x"], 0))  # fmt: skip
other("max_pool", "the two of a window are equal", "x", "kink",
      x=np.repeat(BY_NAME["max_pool"].inputs["x"][..., ::2], 2, axis=-1))  # fmt: skip
other("relu_net", "rows of zeros and a bias of zeros", "x, b1", "kink",
      b1=np.zeros(4), x=BY_NAME["relu_net"].inputs["x"] * np.array([[1, 0, 1, 1, 0, 0]]).T)  # fmt: skip
other("hinge", "a margin of exactly 0", "X, w", "kink",
      X=np.array([[1, 0, 0], [0, 1, 1], [1, 2, -1.0]]), w=np.array([1.0, 0.5, 1.0]),
      labels=np.array([1, -1, 1]))  # fmt: skip


# float32 inside


def two_layers_float32(x, W1, b1, W2, b2):
    return two_layers(x.astype(np.float32), W1, b1, W2, b2)


other("two_layers", "x goes through float32", "x", "precision",
      forward=two_layers_float32)  # fmt: skip


def logistic_float32(x):
    y = 1 / (1 + np.exp(-np.float32(x)))
    return y.astype(float), {"y": y}


other("logistic", "the exponential is in float32", "x", "precision",
      forward=logistic_float32)  # fmt: skip


def kl_float32(p, q):
    log_ratio = np.log(np.asarray(p / q, dtype="f4"))
    return (p * log_ratio).sum() / len(p), (p, q)


other("kl", "the logarithm is in float32", "p, q", "precision", forward=kl_float32)


def gelu_backward_float32(dy, cache):
    x, t = cache
    return gelu_backward(dy.astype("f4"), (x.astype("f4"), t.astype("f4"))).astype(float)


# Within the tolerance of check_pair: about 1e-8.
other("gelu", "the backward is in float32", "", "precision", backward=gelu_backward_float32)
