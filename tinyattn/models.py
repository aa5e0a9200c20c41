"""What the lessons train. A model is a small frozen dataclass of settings with three functions:

    init(rng) -> params               a dict of NumPy arrays (float64; `Backend.put` chooses the precision)
    forward(params, x) -> out, cache
    backward(dout, cache) -> grads    a dict with the keys and shapes of params

so gradient checks, optimisers and readers meet every model the same way. Read backward beside forward, from bottom to
top: the same stage numbers come in reverse.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .attention import (
    Attend,
    SelfAttention,
    attend_backward,
    attend_forward,
    causal,
    self_attention_backward,
    self_attention_forward,
)
from .backend import namespace
from .errors import InputError, check_count, check_ids, check_number, check_shape
from .ops import (
    Linear,
    embedding_backward,
    embedding_forward,
    layernorm_backward,
    layernorm_forward,
    linear_backward,
    linear_forward,
    relu_backward,
    relu_forward,
)

Array = Any  # numpy.ndarray or cupy.ndarray


def pack(params):
    """All parameters as one vector, in the order of the dict: what integrators and Jacobians work on."""
    arrays = list(params.values())
    return namespace(arrays[0]).concatenate([array.reshape(-1) for array in arrays])


def unpack(vector, like):
    """The dict with the keys and shapes of `like` whose `pack` is `vector`."""
    size = sum(array.size for array in like.values())
    check_shape("vector", vector, (size,))
    params, start = {}, 0
    for key, array in like.items():
        params[key] = vector[start : start + array.size].reshape(array.shape)
        start += array.size
    return params


def xavier_bound(fan_in, fan_out):
    """Weights uniform in +- this keep the size of signals and of gradients about level (Glorot and Bengio, 2010)."""
    return math.sqrt(6 / (fan_in + fan_out))


def _check_tokens(model, x):
    """Return the token ids x (B, S), or raise InputError if the model cannot read them."""
    check_ids("x", x, model.vocab)
    check_shape("x", x, (None, None))
    return _check_length(model, x)


def _check_length(model, x):
    if not model.context <= x.shape[1] <= model.positions:
        raise InputError(f"x: expected shape (batch, {model.context} to {model.positions} tokens), got {tuple(x.shape)}")
    return x


# The minimal model of "Incremental Learning of Sparse Attention Patterns" (arXiv 2602.19143)
#
#   The input of place j is a one-hot token beside a one-hot position, x_j = [token_j, j], of width D = V + positions.
#     (1)  q_ht = x_t W_Q^h                 one full D x D matrix a head; the keys are the input itself
#     (2)  v_hj = x_j W_V^h                 only the V columns that are read as logits; the paper's other T stay idle
#     (3)  a_htj = q_ht . x_j / sqrt(D)     for keys j <= t
#     (4)  y_ht = attend(a, v)
#     (5)  logits_t = sum_h y_ht
#   Backward. The sum (5) hands every head the same gradient, dy_ht = dlogits_t: heads meet nowhere else. Then, from
#   (3), (2) and (1),
#     (6)  dq_ht = sum_j da_htj x_j / sqrt(D)
#     (7)  dW_V^h = sum_j x_j^T dv_hj
#     (8)  dW_Q^h = sum_t x_t^T dq_ht
#   A one-hot times a matrix is a row of it, so (1) and (2) are look-ups in the table of all V x positions inputs.
#   Inside, the head axis leads, (H, B, T, ..), so that (7) and (8) are one large product a head without a copy.
#   Backward the one-hots are multiplied out: one dense product is several times faster than scattering rows.
#   In the paper's regression variant a token is a vector of V numbers instead of a one-hot, and nothing else changes.


class Minimal(NamedTuple):
    x: Array  # inputs (B, S, D): one-hot or real tokens beside one-hot positions
    attend: Attend

    @property
    def attention(self):
        """The attention maps (B, H, T, S)."""
        return self.attend.s.swapaxes(0, 1)


@dataclass(frozen=True)
class MinimalModel:
    """One attention layer and nothing else: no residual, no normalisation, no MLP, no biases.

    vocab, positions: tokens 0..vocab-1, or vectors of vocab numbers, and the longest sequence read.
    heads:            each with its own query matrix (D x D) and value matrix (D x V), D = vocab + positions.
    context:          queries stand where at least this many tokens can be seen, at positions context-1, context, ...
    query_scale, value_scale: weights start uniform in +-scale; None is Xavier's bound for a D x D matrix.
    """

    vocab: int
    positions: int
    heads: int = 1
    context: int = 1
    query_scale: float | None = None
    value_scale: float | None = None

    def __post_init__(self):
        for name in ("vocab", "positions", "heads", "context"):
            check_count(name, getattr(self, name))
        for name in ("query_scale", "value_scale"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), least=0)
        if self.context > self.positions:
            raise InputError(f"context: expected at most positions = {self.positions}, got {self.context}")

    @property
    def width(self):
        return self.vocab + self.positions

    def init(self, rng):
        """W_Q (D, H, D) and W_V (D, H, V)."""
        D, H, V = self.width, self.heads, self.vocab
        query = xavier_bound(D, D) if self.query_scale is None else self.query_scale
        value = xavier_bound(D, D) if self.value_scale is None else self.value_scale
        return {"W_Q": rng.uniform(-query, query, (D, H, D)), "W_V": rng.uniform(-value, value, (D, H, V))}

    def check(self, x):
        """Return the tokens x, or raise InputError; for ids that go to a GPU, call it before `put`."""
        if x.ndim != 3:
            return _check_tokens(self, x)
        check_shape("x", x, (None, None, self.vocab))
        return _check_length(self, x)

    def forward(self, params, x):
        """Token ids x (B, S), or vectors (B, S, V) -> logits (B, T, V), T = S-context+1.

        Entry t is about the token after position context-1 + t.
        """
        self.check(x)
        xp, S, W_Q, W_V = namespace(x), x.shape[1], params["W_Q"], params["W_V"]
        check_shape("W_Q", W_Q, (self.width, self.heads, self.width))
        check_shape("W_V", W_V, (self.width, self.heads, self.vocab))
        first = self.context - 1
        inputs = self._inputs(x, W_Q.dtype)
        q = self._project(W_Q, x, inputs, first)  # (1)
        v = self._project(W_V, x, inputs)  # (2)
        a = q @ inputs.swapaxes(-1, -2) / math.sqrt(self.width)  # (3)
        y, attend = attend_forward(a, v, causal(S - first, S, xp))  # (4)
        logits = y.sum(axis=0)  # (5)
        return logits, Minimal(inputs, attend)

    def backward(self, dlogits, cache):
        """dlogits (B, T, V) -> gradients of W_Q and W_V."""
        x, attend = cache
        D, H, first = self.width, self.heads, self.context - 1
        check_shape("dlogits", dlogits, (x.shape[0], x.shape[1] - first, self.vocab))
        dy = namespace(dlogits).broadcast_to(dlogits, (H, *dlogits.shape))  # (5)
        da, dv = attend_backward(dy, attend)  # (4)
        dq = (da / math.sqrt(D)) @ x  # (3), (6)
        dW_V = x.reshape(-1, D).T @ dv.reshape(H, -1, self.vocab)  # (2), (7)
        dW_Q = x[:, first:].reshape(-1, D).T @ dq.reshape(H, -1, D)  # (1), (8)
        return {"W_Q": dW_Q.swapaxes(0, 1), "W_V": dW_V.swapaxes(0, 1)}

    def token_maps(self, params):
        """What each head adds to the logits for a token that it looks at: (H, V, V), a row for each token."""
        return params["W_V"][: self.vocab].swapaxes(0, 1)

    def _inputs(self, x, dtype):
        """What (1) to (3) call x: tokens beside one-hot positions, (B, S, D)."""
        xp, (B, S) = namespace(x), x.shape[:2]
        inputs = xp.zeros((B, S, self.width), dtype=dtype)
        sequence, place = xp.arange(B)[:, None], xp.arange(S)
        if x.ndim == 3:
            inputs[:, :, : self.vocab] = x
        else:
            inputs[sequence, place, x] = 1
        inputs[sequence, place, self.vocab + place] = 1
        return inputs

    def _project(self, W, x, inputs, first=0):
        """W (D, H, K) applied to the inputs at positions first, first+1, ...: (H, B, T, K)."""
        V, P, H, K = self.vocab, self.positions, self.heads, W.shape[-1]
        W = W.swapaxes(0, 1)
        if x.ndim == 3:
            return (inputs[:, first:].reshape(-1, self.width) @ W).reshape(H, x.shape[0], -1, K)
        table = (W[:, :V, None] + W[:, None, V:]).reshape(H, V * P, K)
        rows = x[:, first:].astype("int64") * P + namespace(x).arange(first, x.shape[1])
        return table.take(rows, axis=1)


@dataclass(frozen=True)
class AttentionLayer:
    """Multi-head self-attention with heads that split the width: D = heads * K, projections W_Q, W_K, W_V, W_O.

    The stages and their derivations are those of `self_attention_forward`.
    """

    width: int
    heads: int = 1
    masked: bool = True  # a query sees itself and what came before it

    def __post_init__(self):
        check_count("width", self.width)
        check_count("heads", self.heads)
        if self.width % self.heads:
            raise InputError(f"heads: expected a divisor of width = {self.width}, got {self.heads}")

    def init(self, rng):
        """W_Q, W_K, W_V (D, H, K) and W_O (H, K, D), by Xavier."""
        bound = xavier_bound(self.width, self.width)
        return {key: rng.uniform(-bound, bound, shape) for key, shape in self._shapes().items()}

    def forward(self, params, x):
        """x (..., T, D) -> y (..., T, D)."""
        check_shape("x", x, (*(None for _ in x.shape[:-2]), None, self.width))
        for key, shape in self._shapes().items():
            check_shape(key, params[key], shape)
        T = x.shape[-2]
        visible = causal(T, T, namespace(x)) if self.masked else None
        return self_attention_forward(x, *(params[key] for key in ("W_Q", "W_K", "W_V", "W_O")), visible)

    def backward(self, dy, cache: SelfAttention):
        """dy (..., T, D) -> gradients of the four projections."""
        _, dW_Q, dW_K, dW_V, dW_O = self_attention_backward(dy, cache)
        return {"W_Q": dW_Q, "W_K": dW_K, "W_V": dW_V, "W_O": dW_O}

    def _shapes(self):
        D, H, K = self.width, self.heads, self.width // self.heads
        return {"W_Q": (D, H, K), "W_K": (D, H, K), "W_V": (D, H, K), "W_O": (H, K, D)}


# The toy layer of "The Emergence of Sparse Attention" (arXiv 2505.17863)
#
#     (1)  a_t = a free parameter for each place, or one shared by the last places, 0 before them
#     (2)  m = attend(a, x), one row of scores for every sample
#     (3)  y = m W
#   Backward, the row of scores serves all samples, so attend_backward sums its gradient over them; a score shared by
#   several places receives the sum of theirs.


class Toy(NamedTuple):
    attend: Attend
    linear: Linear


@dataclass(frozen=True)
class ToyLayer:
    """Attention over `tokens` places that does not look at what stands there, then a linear map of size width.

    shared: 0 gives each place a score of its own, `a` (T,); n > 0 gives the last n places one score, `a` (1,).
    """

    tokens: int
    width: int
    shared: int = 0

    def __post_init__(self):
        check_count("tokens", self.tokens)
        check_count("width", self.width)
        if check_count("shared", self.shared, 0) >= self.tokens:
            raise InputError(f"shared: expected fewer places than tokens = {self.tokens}, got {self.shared}")

    def init(self, rng=None):
        """Everything starts at 0: a (T,) or (1,), and W (D, D)."""
        return {"a": np.zeros(1 if self.shared else self.tokens), "W": np.zeros((self.width, self.width))}

    def scores(self, a):
        """The row of scores (1, T)."""
        if not self.shared:
            return a[None]
        xp = namespace(a)
        return xp.concatenate([xp.zeros(self.tokens - self.shared, dtype=a.dtype), xp.broadcast_to(a, self.shared)])[None]

    def scores_backward(self, da):
        """da (1, T) -> the gradient of the parameter a."""
        return da[0, -self.shared :].sum(keepdims=True) if self.shared else da[0]

    def forward(self, params, x):
        """x (B, T, D) -> y (B, D)."""
        check_shape("x", x, (None, self.tokens, self.width))
        a = self.scores(params["a"])  # (1)
        m, attend = attend_forward(a, x)  # (2)
        y, linear = linear_forward(m[:, 0], params["W"])  # (3)
        return y, Toy(attend, linear)

    def backward(self, dy, cache):
        """dy (B, D) -> gradients of a and W."""
        dm, dW, _ = linear_backward(dy, cache.linear)  # (3)
        da, _ = attend_backward(dm[:, None], cache.attend)  # (2)
        return {"a": self.scores_backward(da), "W": dW}  # (1)


# The embedding model of "Focus and Dilution" (arXiv 2605.01199)
#
#     (1)  e = W0[x]
#     (2)  q = e W_Q,  k = e W_K            queries at positions context-1, context, ...
#     (3)  a_tj = q_t . k_j                 not divided by anything
#     (4)  y = attend(a, e)                 the values are the embeddings themselves
#     (5)  logits = y W1
#   e is used as query, as key and as value, so it receives three gradients:
#     (6)  dq = da k,  dk = da^T q
#     (7)  de = de(values) + dk W_K^T, and dq W_Q^T where there is a query


class Embedded(NamedTuple):
    embedding: Any
    q: Linear
    k: Linear
    q_t: Array
    k_j: Array
    attend: Attend
    readout: Linear

    @property
    def attention(self):
        """The attention maps (B, 1, T, S)."""
        return self.attend.s[:, None]


@dataclass(frozen=True)
class EmbeddingModel:
    """One head over embeddings: no positions, no value matrix, no normalisation, one matrix W0 for all that is read.

    context: the token after position context-1, context, ... is predicted: 1 is every token, the length only the last.
    scale:   standard deviation of all weights at the start.
    """

    vocab: int
    width: int
    context: int = 1
    scale: float = 1e-3

    def __post_init__(self):
        for name in ("vocab", "width", "context"):
            check_count(name, getattr(self, name))
        check_number("scale", self.scale, least=0)

    def init(self, rng):
        """W0 (V, D), W1 (D, V), W_Q and W_K (D, D), drawn in this order."""
        return {key: self.scale * rng.normal(size=shape) for key, shape in self._shapes().items()}

    def check(self, x):
        """Return the token ids x (B, S), or raise InputError; for ids that go to a GPU, call it before `put`."""
        check_ids("x", x, self.vocab)
        check_shape("x", x, (None, None))
        if x.shape[1] < self.context:
            raise InputError(f"x: expected sequences of at least context = {self.context} tokens, got {x.shape[1]}")
        return x

    def forward(self, params, x):
        """Token ids x (B, S) -> logits (B, T, V), T = S-context+1."""
        self.check(x)
        for key, shape in self._shapes().items():
            check_shape(key, params[key], shape)
        S, first = x.shape[1], self.context - 1
        e, embedding = embedding_forward(x, params["W0"])  # (1)
        q, q_cache = linear_forward(e[:, first:], params["W_Q"])  # (2)
        k, k_cache = linear_forward(e, params["W_K"])
        a = q @ k.swapaxes(-1, -2)  # (3)
        y, attend = attend_forward(a, e, causal(S - first, S, namespace(x)))  # (4)
        logits, readout = linear_forward(y, params["W1"])  # (5)
        return logits, Embedded(embedding, q_cache, k_cache, q, k, attend, readout)

    def backward(self, dlogits, cache):
        """dlogits (B, T, V) -> gradients of all parameters."""
        dy, dW1, _ = linear_backward(dlogits, cache.readout)  # (5)
        da, de = attend_backward(dy, cache.attend)  # (4)
        dq, dk = da @ cache.k_j, da.swapaxes(-1, -2) @ cache.q_t  # (3), (6)
        de_k, dW_K, _ = linear_backward(dk, cache.k)  # (2)
        de_q, dW_Q, _ = linear_backward(dq, cache.q)
        de = de + de_k
        de[:, self.context - 1 :] += de_q  # (7)
        return {"W0": embedding_backward(de, cache.embedding), "W1": dW1, "W_Q": dW_Q, "W_K": dW_K}  # (1)

    def _shapes(self):
        V, D = self.vocab, self.width
        return {"W0": (V, D), "W1": (D, V), "W_Q": (D, D), "W_K": (D, D)}


# The full transformer of "Incremental Learning of Sparse Attention Patterns": one layer, norms after the residual sums
#
#     (1)  e = W_E[x] + W_P                 tokens and learned positions
#     (2)  o = self_attention(e)            W_Q, W_K, W_V, W_O without biases; queries at positions context-1, ...
#     (3)  r = layernorm(e + drop_1 * o)
#     (4)  u = relu(r W_1 + c_1)
#     (5)  m = u W_2 + c_2
#     (6)  z = layernorm(r + drop_2 * m)
#     (7)  logits = z W_U + c_U
#   drop_1 and drop_2 are given with the input: 0 for what is dropped, 1/(1 - p) for the rest, so that the mean is kept.
#   Backward. Where a value branches its gradients add up: r goes into the sum (6) and into (4),
#     (8)  dr = dn_2 + d(r through 4)       with n_2 = r + drop_2 * m, so dm = drop_2 * dn_2
#   and e goes into the sum (3), where there is a query, and into (2),
#     (9)  de = d(e through 2) + dn_1       with n_1 = e + drop_1 * o, so do = drop_1 * dn_1
#     (10) dW_P at a position is the sum of de over sequences; positions beyond the sequence have 0


class Full(NamedTuple):
    embedding: Any
    attention_layer: SelfAttention
    drop: tuple
    norm_1: Any
    linear_1: Linear
    relu: Any
    linear_2: Linear
    norm_2: Any
    readout: Linear

    @property
    def attention(self):
        """The attention maps (B, H, T, S)."""
        return self.attention_layer.multihead.attend.s


@dataclass(frozen=True)
class Transformer:
    """One attention layer and an MLP, each inside a residual sum with a layer norm after it, then a linear readout.

    vocab, positions: tokens 0..vocab-1 and the longest sequence read.
    width, heads:     heads split the width, which is a multiple of their number.
    hidden:           width of the MLP.
    context:          queries stand where at least this many tokens can be seen, at positions context-1, context, ...
    """

    vocab: int
    positions: int
    width: int = 255
    heads: int = 3
    hidden: int = 64
    context: int = 1

    def __post_init__(self):
        for name in ("vocab", "positions", "width", "heads", "hidden", "context"):
            check_count(name, getattr(self, name))
        if self.width % self.heads:
            raise InputError(f"heads: expected a divisor of width = {self.width}, got {self.heads}")
        if self.context > self.positions:
            raise InputError(f"context: expected at most positions = {self.positions}, got {self.context}")

    def init(self, rng):
        """Matrices by Xavier, norms 1, biases 0, tokens and positions N(0, 1/2), so that their sum has variance 1."""
        params = {}
        for key, shape in self._shapes().items():
            if key in ("W_E", "W_P"):
                params[key] = math.sqrt(0.5) * rng.normal(size=shape)
            elif len(shape) == 1:
                params[key] = np.ones(shape) if key.startswith("g") else np.zeros(shape)
            else:
                inner = shape[0] * shape[1] if key == "W_O" else shape[0]
                bound = xavier_bound(inner, math.prod(shape) // inner)
                params[key] = rng.uniform(-bound, bound, shape)
        return params

    def draw_drops(self, rng, B, S, p):
        """drop_1 and drop_2 for a batch of B sequences of S tokens, each entry dropped with probability p: (B, T, D)."""
        check_number("p", p, least=0, below=1)
        shape = (B, S - self.context + 1, self.width)
        return tuple((rng.random(shape) >= p) / (1 - p) for _ in range(2))

    def check(self, x):
        """Return the token ids x (B, S), or raise InputError; for ids that go to a GPU, call it before `put`."""
        return _check_tokens(self, x)

    def forward(self, params, x, drop_1=None, drop_2=None):
        """Token ids x (B, S) -> logits (B, T, V), T = S-context+1; drops (B, T, D), None drops nothing."""
        self.check(x)
        for key, shape in self._shapes().items():
            check_shape(key, params[key], shape)
        (B, S), first, p = x.shape, self.context - 1, params
        drop = tuple(1.0 if d is None else d for d in (drop_1, drop_2))
        for name, d in (("drop_1", drop_1), ("drop_2", drop_2)):
            if d is not None:
                check_shape(name, d, (B, S - first, self.width))
        rows, embedding = embedding_forward(x, p["W_E"])
        e = rows + p["W_P"][:S]  # (1)
        visible = causal(S - first, S, namespace(x))
        o, layer = self_attention_forward(e, p["W_Q"], p["W_K"], p["W_V"], p["W_O"], visible, first)  # (2)
        r, norm_1 = layernorm_forward(e[:, first:] + drop[0] * o, p["g_1"], p["b_1"])  # (3)
        h, linear_1 = linear_forward(r, p["W_1"], p["c_1"])
        u, relu = relu_forward(h)  # (4)
        m, linear_2 = linear_forward(u, p["W_2"], p["c_2"])  # (5)
        z, norm_2 = layernorm_forward(r + drop[1] * m, p["g_2"], p["b_2"])  # (6)
        logits, readout = linear_forward(z, p["W_U"], p["c_U"])  # (7)
        return logits, Full(embedding, layer, drop, norm_1, linear_1, relu, linear_2, norm_2, readout)

    def backward(self, dlogits, cache):
        """dlogits (B, T, V) -> gradients of all parameters."""
        g = {}
        dz, g["W_U"], g["c_U"] = linear_backward(dlogits, cache.readout)  # (7)
        dn_2, g["g_2"], g["b_2"] = layernorm_backward(dz, cache.norm_2)  # (6)
        du, g["W_2"], g["c_2"] = linear_backward(cache.drop[1] * dn_2, cache.linear_2)  # (5)
        dr, g["W_1"], g["c_1"] = linear_backward(relu_backward(du, cache.relu), cache.linear_1)  # (4)
        dn_1, g["g_1"], g["b_1"] = layernorm_backward(dr + dn_2, cache.norm_1)  # (3), (8)
        layer = self_attention_backward(cache.drop[0] * dn_1, cache.attention_layer)  # (2)
        de, g["W_Q"], g["W_K"], g["W_V"], g["W_O"] = layer
        de[:, self.context - 1 :] += dn_1  # (9)
        g["W_E"] = embedding_backward(de, cache.embedding)  # (1)
        g["W_P"] = namespace(de).zeros((self.positions, self.width), dtype=de.dtype)
        g["W_P"][: de.shape[1]] = de.sum(axis=0)  # (10)
        return g

    def token_maps(self, params):
        """What each head adds to the logits for a token that it looks at, norms and MLP left aside: (H, V, V)."""
        per_head = params["W_V"].swapaxes(0, 1) @ params["W_O"]
        return params["W_E"] @ per_head @ params["W_U"]

    def _shapes(self):
        V, D, H, M = self.vocab, self.width, self.heads, self.hidden
        K = D // H
        return {"W_E": (V, D), "W_P": (self.positions, D), "W_Q": (D, H, K), "W_K": (D, H, K), "W_V": (D, H, K),
                "W_O": (H, K, D), "g_1": (D,), "b_1": (D,), "W_1": (D, M), "c_1": (M,), "W_2": (M, D), "c_2": (D,),
                "g_2": (D,), "b_2": (D,), "W_U": (D, V), "c_U": (V,)}  # fmt: skip
