"""The transformer of Vaswani et al. (2017), decoder only: an embedding, blocks, a readout."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..backend import Params, namespace
from ..door import door
from ..errors import InputError, check_choice, check_number
from ..ops import (
    EmbeddingCache,
    LinearCache,
    embedding_backward,
    embedding_forward,
    linear_backward,
    linear_forward,
    sum_rows,
)
from .block import Block, BlockCache
from .params import check_drops, check_input, numbered, xavier_bound

POSITIONS = ("learned", "sinusoidal", "none")
SCALES = ("orthonormal", "fan_in")

# The transformer of "Incremental Learning of Sparse Attention Patterns", and by its settings that
# of "The Emergence of Sparse Attention"
#
#     (1)  e = drop_e * (W_E[x] + W_P)      tokens and positions; a vector x is multiplied, x W_E
#     (2)  z = block(...block(e)...)        every block but the last has a query at every position
#     (3)  logits = z W_U + c_U
#   drop_e is 1 unless all is dropped, see `Block`. Backward is the list read upwards, and
#     (4)  dW_P at a position is the sum of de over sequences; beyond the sequence it is 0


class TransformerCache(NamedTuple):
    tokens: LinearCache | EmbeddingCache
    drop: Any  # drop_e, or None
    blocks: tuple[BlockCache, ...]
    readout: LinearCache

    @property
    def attentions(self):
        """The attention maps of each block in order: (B, H, S, S), of the last (B, H, T, S)."""
        return [block.attention for block in self.blocks]

    @property
    def attention(self):
        """The attention maps of the last block, (B, H, T, S)."""
        return self.attentions[-1]


@door("""vocab count, positions count, width count, depth count, position_kind in POSITIONS,
    outputs count?, position_size number > 0 <= 1e100?, bias bool""")
@dataclass(frozen=True)
class Transformer:
    """An embedding, blocks of attention and MLP one after the other, a linear readout.

    vocab:         tokens are 0..vocab-1, or vectors of vocab numbers.
    positions:     the longest sequence read.
    width, heads, hidden, norm, activation, dropped: of every block, see `Block`; if "all" is
                   dropped, what enters the first block too.
    first_query:   the first query of the last block sits at this position, from 0.
    depth:         number of blocks. Parameters of block i are named as in `Block`, with ".i" added.
    position_kind: "learned", "sinusoidal" (fixed; Vaswani and others, 2017) or "none".
    position_size: length of every sinusoidal position, 1 by default; sines and cosines as such have
                   sqrt(width / 2). Of learned ones the root of the mean square length at the start,
                   by default that of a token.
    outputs:       how many numbers are read out, by default as many as vocab.
    scale:         standard deviation of W_E at the start; "orthonormal": its rows are so; "fan_in":
                   it and all other matrices are uniform within 1/sqrt(numbers summed), as PyTorch
                   draws linear maps.
    bias:          False: the readout is W_U alone.
    few_queries:   of the last block, see `AttentionLayer`.
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
    scale: float | str = math.sqrt(0.5)  # a token and its position then have variance 1 together
    activation: str = "relu"
    position_size: float | None = None
    dropped: str = "residuals"
    bias: bool = True
    few_queries: bool = False

    def __post_init__(self):
        if not isinstance(self.scale, str):
            check_number("scale", self.scale, above=0, maximum=1e100)
        elif check_choice("scale", self.scale, SCALES) == "orthonormal" and self.vocab > self.width:
            raise InputError(
                f"scale: expected another where vocab exceeds width = {self.width}, "
                f"got {self.scale!r}"
            )
        last = self.blocks[-1]  # it has checked first_query to be a count
        if last.first_query >= self.positions:
            raise InputError(
                f"first_query: expected less than positions = {self.positions}, "
                f"got {self.first_query}"
            )
        if self.position_kind == "sinusoidal" and self.width == 1:
            raise InputError(
                "width: expected at least 2 for sinusoidal positions, one number being no "
                "direction, got 1"
            )

    @functools.cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks, the first first."""
        every = Block(
            width=self.width,
            heads=self.heads,
            hidden=self.hidden,
            norm=self.norm,
            activation=self.activation,
            dropped=self.dropped,
        )
        last = dataclasses.replace(
            every, first_query=self.first_query, few_queries=self.few_queries
        )
        return (*[every] * (self.depth - 1), last)

    @door("rng Generator -> params")
    def init(self, rng: np.random.Generator) -> Params:
        """The parameters at the start.

        W_E (V, D) and W_P (positions, D), normal; the blocks'; W_U (D, outputs), and with a bias
        c_U (outputs,).
        """
        V, D = self.shapes["W_E"]
        W_E = rng.normal(size=(V, D))
        if self.scale == "orthonormal":
            W_E = np.linalg.qr(W_E.T)[0].T
        elif not isinstance(self.scale, str):
            W_E = self.scale * W_E
        params = {"W_E": W_E}
        if self.position_kind == "learned":
            if self.position_size is not None:
                deviation = self.position_size / math.sqrt(D)
            elif isinstance(self.scale, str):
                deviation = 1 / math.sqrt(D)
            else:
                deviation = self.scale
            params["W_P"] = deviation * rng.normal(size=(self.positions, D))
        for i, block in enumerate(self.blocks, 1):
            params |= numbered(block.init(rng), i)
        shape = self.shapes["W_U"]
        bound = xavier_bound(*shape)
        params["W_U"] = rng.uniform(-bound, bound, shape)
        if self.bias:
            params["c_U"] = np.zeros(shape[1:])
        if self.scale == "fan_in":
            for key, shape in self.shapes.items():
                if key.startswith("W") and key != "W_P":
                    summed = math.prod(shape[:-1]) if key.startswith("W_O") else shape[0]
                    bound = 1 / math.sqrt(summed)
                    params[key] = rng.uniform(-bound, bound, shape)
        return params

    @door("""rng Generator, B count, S count >= self.first_query + 1 <= self.positions,
        p number >= 0 < 1 -> masks""")
    def draw_drops(self, rng: np.random.Generator, B: int, S: int, p: float) -> tuple:
        """Dropout masks for B sequences of S tokens: those of all blocks, see `Block.draw_drops`.

        If all is dropped, drop_e (B, S, D) comes before them.
        """
        of_blocks = tuple(mask for block in self.blocks for mask in block.draw_drops(rng, B, S, p))
        if self.dropped != "all":
            return of_blocks
        drop_e = (rng.random((B, S, self.width)) >= p) / (1 - p)
        return (drop_e, *of_blocks)

    def check(self, x: Any) -> Any:
        """Return the tokens x, or raise InputError. Call it before ids go to a GPU."""
        return check_input(x, self.vocab, self.first_query, self.positions, vectors=True)

    @door("""x = self.check(x), params like self.shapes, drops = self._fitting(drops, params, x)
        -> logits (B, T, outputs)""")
    def forward(self, params: Params, x: Any, *drops: Any) -> tuple[Any, TransformerCache]:
        """x: token ids (B, S), or vectors (B, S, V); T = S - first_query.

        drops: masks as draw_drops makes them; without them, or where one is None, nothing is
               dropped.
        The attention maps of the last block are `cache.attention`.
        """
        B, S = x.shape[:2]
        tokens: LinearCache | EmbeddingCache
        if x.ndim == 3:
            e, tokens = linear_forward(x, params["W_E"])  # (1)
        else:
            e, tokens = embedding_forward(x, params["W_E"])  # (1)
        if self.position_kind == "learned":
            e = e + params["W_P"][:S]
        elif self.position_kind == "sinusoidal":
            e = e + self._sines(namespace(x), e.dtype)[:S]
        drop = None
        if self.dropped == "all" and drops:
            drop, drops = drops[0], drops[1:]
        z = e if drop is None else drop * e
        caches = []
        for i, block in enumerate(self.blocks, 1):
            of_block = {key: params[f"{key}.{i}"] for key in block.shapes}
            n = len(block._masks((B,), S))
            mine, drops = drops[:n], drops[n:]
            z, cache = block.forward(of_block, z, *mine)  # (2)
            caches.append(cache)
        logits, readout = linear_forward(z, params["W_U"], params.get("c_U"))  # (3)
        return logits, TransformerCache(tokens, drop, tuple(caches), readout)

    def _fitting(self, drops, params, x):
        B, S = x.shape[:2]
        masks = {"drop_e": (B, S, self.width)} if self.dropped == "all" else {}
        for i, block in enumerate(self.blocks, 1):
            masks |= numbered(block._masks((B,), S), i)
        return check_drops(drops, masks, params["W_E"].dtype)

    @door("cache TransformerCache, dlogits (*cache.readout.shape) -> gradients")
    def backward(self, dlogits: Any, cache: TransformerCache) -> Params:
        """The gradients of all parameters."""
        dz, dW_U, dc_U = linear_backward(dlogits, cache.readout)  # (3)
        g = {"W_U": dW_U, "c_U": dc_U} if self.bias else {"W_U": dW_U}
        for i in range(self.depth, 0, -1):
            dz, of_block = self.blocks[i - 1].backward_through(dz, cache.blocks[i - 1])  # (2)
            g |= numbered(of_block, i)
        dz = dz if cache.drop is None else cache.drop * dz  # (1)
        if isinstance(cache.tokens, LinearCache):
            _, g["W_E"], _ = linear_backward(dz, cache.tokens)  # (1)
        else:
            g["W_E"] = embedding_backward(dz, cache.tokens)
        if self.position_kind == "learned":
            g["W_P"] = namespace(dz).zeros((self.positions, self.width), dtype=dz.dtype)
            g["W_P"][: dz.shape[1]] = sum_rows(dz)  # (4)
        return g

    @door("params like self.shapes -> (H, V, outputs)")
    def token_maps(self, params: Params) -> Any:
        """What each head of the last block adds to the logits for a token: a row for each token.

        It is what goes through values and readout alone.
        """
        W_V, W_O = (params[f"{key}.{self.depth}"] for key in ("W_V", "W_O"))
        return params["W_E"] @ (W_V.swapaxes(0, 1) @ W_O) @ params["W_U"]

    def _sines(self, xp, dtype):
        """Sines and cosines of falling frequency, vectors of position_size: (positions, D)."""
        P, D = self.positions, self.width
        position = xp.arange(P, dtype=dtype)[:, None]
        frequency = xp.exp(xp.arange(0, D, 2, dtype=dtype) * (-math.log(10000) / D))
        angle = position * frequency
        sines = xp.stack([xp.sin(angle), xp.cos(angle)], axis=-1).reshape(P, -1)[:, :D]
        length = (sines * sines).sum(axis=-1, keepdims=True) ** 0.5
        return (self.position_size or 1.0) * (sines / length)

    @property
    def shapes(self) -> dict[str, tuple]:
        """The shape of every parameter."""
        V, D, outputs = self.vocab, self.width, self.outputs or self.vocab
        shapes: dict[str, tuple] = {"W_E": (V, D)}
        if self.position_kind == "learned":
            shapes["W_P"] = (self.positions, D)
        for i, block in enumerate(self.blocks, 1):
            shapes |= numbered(block.shapes, i)
        shapes["W_U"] = (D, outputs)
        if self.bias:
            shapes["c_U"] = (outputs,)
        return shapes
