"""The transformer: layers of attention and MLP inside residual sums, built up by its settings."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..attention import SelfAttentionCache, causal, self_attention_backward, self_attention_forward
from ..backend import Params, namespace
from ..errors import (
    InputError,
    check_choice,
    check_count,
    check_floats,
    check_generator,
    check_instance,
    check_number,
    keep_counts,
)
from ..ops import (
    EmbeddingCache,
    LayerNormCache,
    LinearCache,
    ReluCache,
    embedding_backward,
    embedding_forward,
    layernorm_backward,
    layernorm_forward,
    linear_backward,
    linear_forward,
    relu_backward,
    relu_forward,
)
from .params import check_input, check_params, xavier_bound

POSITIONS = ("learned", "sinusoidal", "none")


# A block: attention, then an MLP, each inside a residual sum with a layer norm after it
#
#     (1)  o = self_attention(x)            W_Q, W_K, W_V, W_O without biases; queries at positions first, first+1, ...
#     (2)  r = layernorm(x + drop_1 * o)
#     (3)  u = relu(r W_1 + c_1)
#     (4)  m = u W_2 + c_2
#     (5)  y = layernorm(r + drop_2 * m)
#   drop_1 and drop_2 are given with the input: 0 for what is dropped, 1/(1 - p) for the rest, so that the mean is kept.
#   Without g_1 and g_2 the norms are left out, without W_1 so are (3) to (5), and y = r.
#   Backward. Where a value branches its gradients add up: r goes into the sum (5) and into (3),
#     (6)  dr = dn_2 + d(r through 3)       with n_2 = r + drop_2 * m, so dm = drop_2 * dn_2
#   and x goes into the sum (2), where there is a query, and into (1),
#     (7)  dx = d(x through 1) + dn_1       with n_1 = x + drop_1 * o, so do = drop_1 * dn_1


class BlockCache(NamedTuple):
    attention_layer: SelfAttentionCache
    drop: tuple
    norm_1: LayerNormCache | None  # None where it is left out, as is what follows
    linear_1: LinearCache | None
    relu: ReluCache | None
    linear_2: LinearCache | None
    norm_2: LayerNormCache | None


def block_forward(x, p, visible=None, first=0, drop=(1.0, 1.0)):
    """x (B, S, D), p the parameters of one block -> y (B, T, D), T = S - first."""
    check_floats("x", x, (None, None, None))
    _check_block(p, x.shape[-1])
    for name, mask in zip(("drop[0]", "drop[1]"), check_instance("drop", drop, tuple)):
        if hasattr(mask, "dtype"):
            check_floats(name, mask, (x.shape[0], x.shape[1] - first, x.shape[2]))
        else:
            check_number(name, mask, least=0)
    norm_1 = norm_2 = linear_1 = relu = linear_2 = None
    o, layer = self_attention_forward(x, p["W_Q"], p["W_K"], p["W_V"], p["W_O"], visible, first)  # (1)
    r = x[:, first:] + drop[0] * o
    if "g_1" in p:
        r, norm_1 = layernorm_forward(r, p["g_1"], p["b_1"])  # (2)
    y = r
    if "W_1" in p:
        h, linear_1 = linear_forward(r, p["W_1"], p["c_1"])
        u, relu = relu_forward(h)  # (3)
        m, linear_2 = linear_forward(u, p["W_2"], p["c_2"])  # (4)
        y = r + drop[1] * m
        if "g_2" in p:
            y, norm_2 = layernorm_forward(y, p["g_2"], p["b_2"])  # (5)
    return y, BlockCache(layer, drop, norm_1, linear_1, relu, linear_2, norm_2)


def _check_block(p, D):
    """Raise InputError unless p holds what one block has: attention, and MLP and norms or not."""
    W_Q = check_instance("p", p, dict).get("W_Q")
    H, K = check_floats("W_Q", W_Q, (D, None, None)).shape[1:]
    shapes = {"W_Q": (D, H, K), "W_K": (D, H, K), "W_V": (D, H, None), "W_O": (H, None, D)}
    if "g_1" in p:
        shapes |= {"g_1": (D,), "b_1": (D,)}
    if "W_1" in p:
        M = check_floats("W_1", p["W_1"], (D, None)).shape[1]
        shapes |= {"W_1": (D, M), "c_1": (M,), "W_2": (M, D), "c_2": (D,)}
        shapes |= {"g_2": (D,), "b_2": (D,)} if "g_2" in p else {}
    check_params(p, shapes, "p")


def block_backward(dy, cache):
    """dy (B, T, D) -> dx (B, S, D), and a dict with the gradient of every parameter of the block."""
    check_instance("cache", cache, BlockCache)
    g, dn_2 = {}, dy
    if cache.norm_2:
        dn_2, g["g_2"], g["b_2"] = layernorm_backward(dn_2, cache.norm_2)  # (5)
    dr = dn_2
    if cache.linear_1:
        du, g["W_2"], g["c_2"] = linear_backward(cache.drop[1] * dn_2, cache.linear_2)  # (4)
        dr, g["W_1"], g["c_1"] = linear_backward(relu_backward(du, cache.relu), cache.linear_1)  # (3)
        dr = dr + dn_2  # (6)
    dn_1 = dr
    if cache.norm_1:
        dn_1, g["g_1"], g["b_1"] = layernorm_backward(dn_1, cache.norm_1)  # (2)
    layer = self_attention_backward(cache.drop[0] * dn_1, cache.attention_layer)  # (1)
    dx, g["W_Q"], g["W_K"], g["W_V"], g["W_O"] = layer
    dx[:, cache.attention_layer.first :] += dn_1  # (7)
    return dx, g


# The transformer of "Incremental Learning of Sparse Attention Patterns", and by its settings that of "The Emergence of
# Sparse Attention"
#
#     (1)  e = W_E[x] + W_P                 tokens and positions; a vector x is multiplied, x W_E
#     (2)  z = block(...block(e)...)        every block but the last has a query at every position
#     (3)  logits = z W_U + c_U
#   Backward,
#     (4)  dW_P at a position is the sum of de over sequences; positions beyond the sequence have 0


class TransformerCache(NamedTuple):
    tokens: LinearCache | EmbeddingCache
    blocks: tuple[BlockCache, ...]
    readout: LinearCache

    @property
    def attentions(self):
        """The attention maps of each layer, the first first: (B, H, S, S), of the last (B, H, T, S)."""
        return [block.attention_layer.multihead.attend.s for block in self.blocks]

    @property
    def attention(self):
        """The attention maps of the last layer, (B, H, T, S)."""
        return self.attentions[-1]


@dataclass(frozen=True)
class Transformer:
    """Blocks of attention and MLP, each inside a residual sum with a layer norm after it, then a linear readout.

    vocab, positions: tokens 0..vocab-1, or vectors of vocab numbers, and the longest sequence read.
    width, heads:     heads split the width, which is a multiple of their number.
    hidden:           width of the MLP; 0 leaves it out.
    first_query:      the first query sits there, from 0; every query sees itself and all earlier tokens.
    depth:            number of blocks.
    norm:             False leaves the layer norms out.
    position_kind:    "learned", "sinusoidal" (fixed; Vaswani and others, 2017, here of length 1) or "none".
    outputs:          how many numbers are read out, by default as many as vocab.
    scale:            standard deviation of tokens and learned positions at the start; the smaller, the longer the plateau.
    """

    vocab: int
    positions: int
    width: int = 255
    heads: int = 3
    hidden: int = 64
    first_query: int = 0
    depth: int = 1
    norm: bool = True
    position_kind: str = "learned"
    outputs: int | None = None
    scale: float = math.sqrt(0.5)  # a token and its position then have variance 1 together

    def __post_init__(self):
        keep_counts(self, "vocab", "positions", "width", "heads", "depth")
        keep_counts(self, "hidden", "first_query", least=0)
        check_number("scale", self.scale, above=0, most=1e100)
        check_instance("norm", self.norm, bool)
        if self.outputs is not None:
            keep_counts(self, "outputs")
        if self.width % self.heads:
            raise InputError(f"heads: expected a divisor of width = {self.width}, got {self.heads}")
        if self.first_query >= self.positions:
            raise InputError(f"first_query: expected less than positions = {self.positions}, got {self.first_query}")
        check_choice("position_kind", self.position_kind, POSITIONS)
        if self.position_kind == "sinusoidal" and self.width == 1:
            raise InputError("width: expected at least 2 for sinusoidal positions, one number being no direction, got 1")

    def init(self, rng: np.random.Generator) -> Params:
        """Matrices by Xavier, norms 1, biases 0, tokens and positions N(0, scale^2).

        What a second block has is named as in the first with ".2" added, and so on.
        """
        check_generator("rng", rng)
        params = {}
        for key, shape in self._shapes().items():
            if key in ("W_E", "W_P"):
                params[key] = self.scale * rng.normal(size=shape)
            elif len(shape) == 1:
                params[key] = np.ones(shape) if key.startswith("g") else np.zeros(shape)
            else:
                inner = shape[0] * shape[1] if key.startswith("W_O") else shape[0]
                bound = xavier_bound(inner, math.prod(shape) // inner)
                params[key] = rng.uniform(-bound, bound, shape)
        return params

    def draw_drops(self, rng, B, S, p):
        """Masks for a batch of B sequences of S tokens, each entry dropped with probability p: (B, T, D), in the last block.

        For each block drop_1 and, where there is an MLP, drop_2; blocks before the last have (B, S, D).
        """
        check_generator("rng", rng)
        check_count("B", B)
        check_count("S", S, self.first_query + 1, self.positions)
        check_number("p", p, least=0, below=1)
        return tuple((rng.random(shape) >= p) / (1 - p) for shape in self._drop_shapes(B, S).values())

    def check(self, x):
        """Return the tokens x, or raise InputError; for ids that go to a GPU, call it before `put`."""
        return check_input(self, x)

    def forward(self, params: Params, x: Any, *drops: Any) -> tuple[Any, TransformerCache]:
        """Token ids x (B, S), or vectors (B, S, V) -> logits (B, T, outputs), T = S - first_query.

        drops, as draw_drops makes them; without them, or where one is None, nothing is dropped.
        """
        x = self.check(x)
        check_params(params, self._shapes())
        (B, S), xp = x.shape[:2], namespace(x)
        shapes = self._drop_shapes(B, S)
        if len(drops) > len(shapes):
            raise InputError(f"drops: expected at most {len(shapes)}, {', '.join(shapes)}, got {len(drops)}")
        drop = dict(zip(shapes, drops))
        for name, d in drop.items():
            if d is not None:
                check_floats(name, d, shapes[name])
        e, tokens = linear_forward(x, params["W_E"]) if x.ndim == 3 else embedding_forward(x, params["W_E"])  # (1)
        if self.position_kind != "none":
            e = e + (params["W_P"] if self.position_kind == "learned" else self._sines(xp, e.dtype))[:S]
        z, blocks = e, []
        for layer in range(1, self.depth + 1):
            first = self.first_query if layer == self.depth else 0
            d = tuple(1.0 if drop.get(name) is None else drop[name] for name in self._names(("drop_1", "drop_2"), layer))
            p = {key: params[name] for key, name in zip(self._block_shapes(), self._names(self._block_shapes(), layer))}
            z, block = block_forward(z, p, causal(S - first, S, xp), first, d)  # (2)
            blocks.append(block)
        logits, readout = linear_forward(z, params["W_U"], params["c_U"])  # (3)
        return logits, TransformerCache(tokens, tuple(blocks), readout)

    def backward(self, dlogits: Any, cache: TransformerCache) -> Params:
        """dlogits (B, T, outputs) -> gradients of all parameters."""
        check_instance("cache", cache, TransformerCache)
        check_floats("dlogits", dlogits, (*cache.readout.x.shape[:-1], self.outputs or self.vocab))
        g = {}
        dz, g["W_U"], g["c_U"] = linear_backward(dlogits, cache.readout)  # (3)
        for layer in range(self.depth, 0, -1):
            dz, of_block = block_backward(dz, cache.blocks[layer - 1])  # (2)
            g.update(zip(self._names(of_block, layer), of_block.values()))
        if isinstance(cache.tokens, LinearCache):
            _, g["W_E"], _ = linear_backward(dz, cache.tokens)  # (1)
        else:
            g["W_E"] = embedding_backward(dz, cache.tokens)
        if self.position_kind == "learned":
            g["W_P"] = namespace(dz).zeros((self.positions, self.width), dtype=dz.dtype)
            g["W_P"][: dz.shape[1]] = dz.sum(axis=0)  # (4)
        return g

    def token_maps(self, params):
        """What each head of the first block adds to the logits for a token that it looks at, all else left aside: (H, V, V)."""
        check_params(params, self._shapes())
        per_head = params["W_V"].swapaxes(0, 1) @ params["W_O"]
        return params["W_E"] @ per_head @ params["W_U"]

    def _sines(self, xp, dtype):
        """Positions as sines and cosines of falling frequency, vectors of length 1: (positions, D)."""
        D, place = self.width, xp.arange(self.positions, dtype=dtype)[:, None]
        angle = place * xp.exp(xp.arange(0, D, 2, dtype=dtype) * (-math.log(10000) / D))
        sines = xp.stack([xp.sin(angle), xp.cos(angle)], axis=-1).reshape(self.positions, -1)[:, :D]
        return sines / (sines * sines).sum(axis=-1, keepdims=True) ** 0.5

    def _block_shapes(self):
        D, H, M = self.width, self.heads, self.hidden
        K = D // H
        shapes = {"W_Q": (D, H, K), "W_K": (D, H, K), "W_V": (D, H, K), "W_O": (H, K, D)}
        if self.norm:
            shapes.update(g_1=(D,), b_1=(D,))
        if M:
            shapes.update(W_1=(D, M), c_1=(M,), W_2=(M, D), c_2=(D,))
            if self.norm:
                shapes.update(g_2=(D,), b_2=(D,))
        return shapes

    def _names(self, keys, layer):
        """What the keys of a block are called in the whole: W_Q in the first, W_Q.2 in the second."""
        return [key if layer == 1 else f"{key}.{layer}" for key in keys]

    def _drop_shapes(self, B, S):
        D, shapes = self.width, {}
        for layer in range(1, self.depth + 1):
            T = S - self.first_query if layer == self.depth else S
            for name in self._names(("drop_1", "drop_2") if self.hidden else ("drop_1",), layer):
                shapes[name] = (B, T, D)
        return shapes

    def _shapes(self):
        V, D, O = self.vocab, self.width, self.outputs or self.vocab
        shapes = {"W_E": (V, D)}
        if self.position_kind == "learned":
            shapes["W_P"] = (self.positions, D)
        for layer in range(1, self.depth + 1):
            shapes.update(zip(self._names(self._block_shapes(), layer), self._block_shapes().values()))
        return {**shapes, "W_U": (D, O), "c_U": (O,)}
