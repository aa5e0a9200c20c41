"""The embedding model of focus and dilution: one head, and one matrix of embeddings."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..attention import AttendCache, attend_backward, attend_forward, causal
from ..backend import Array, Params, namespace
from ..door import door
from ..ops import (
    EmbeddingCache,
    LinearCache,
    embedding_backward,
    embedding_forward,
    linear_backward,
    linear_forward,
)
from .params import check_input

# The embedding model of "Focus and Dilution" (arXiv 2605.01199)
#
#     (1)  e = W0[x]
#     (2)  q = e W_Q,  k = e W_K            queries at positions first_query, first_query+1, ...
#     (3)  a_tj = q_t . k_j                 not divided by anything
#     (4)  y = attend(a, e)                 the values are the embeddings themselves
#     (5)  logits = y W1
#
#   Backward. e is used as query, as key and as value, so it receives three gradients:
#     (6)  dq = da k,  dk = da^T q
#     (7)  de = de(values) + dk W_K^T, and dq W_Q^T where there is a query


class EmbeddingModelCache(NamedTuple):
    embedding: EmbeddingCache
    q: LinearCache
    k: LinearCache
    q_t: Array
    k_j: Array
    attend: AttendCache
    readout: LinearCache

    @property
    def attention(self):
        """The attention maps (B, 1, T, S)."""
        return self.attend.s[:, None]


@door("vocab count, width count, first_query count >= 0, scale number >= 0 <= 1e100")
@dataclass(frozen=True)
class EmbeddingModel:
    """One head over embeddings W0: no positions, no value matrix, no normalisation.

    first_query: the first query sits at this position, from 0; each sees itself and all before.
    scale:       standard deviation of all weights at the start.
    """

    vocab: int
    width: int
    first_query: int = 0
    scale: float = 1e-3

    @door("rng Generator -> W0 (V, D), W1 (D, V), W_Q (D, D), W_K (D, D)")
    def init(self, rng: np.random.Generator) -> Params:
        """The parameters at the start, drawn in this order."""
        return {key: self.scale * rng.normal(size=shape) for key, shape in self.shapes.items()}

    def check(self, x):
        """Return the token ids x (B, S), or raise InputError. Call it before ids go to a GPU."""
        return check_input(x, self.vocab, self.first_query)

    @door("x = self.check(x), params like self.shapes -> logits (B, T, V), T = S - first_query")
    def forward(self, params: Params, x: Any) -> tuple[Any, EmbeddingModelCache]:
        """x: token ids (B, S). The attention maps (B, 1, T, S) are `cache.attention`."""
        S, first = x.shape[1], self.first_query
        e, embedding = embedding_forward(x, params["W0"])  # (1)
        q, q_cache = linear_forward(e[:, first:], params["W_Q"])  # (2)
        k, k_cache = linear_forward(e, params["W_K"])
        a = q @ k.swapaxes(-1, -2)  # (3)
        y, attend = attend_forward(a, e, causal(S - first, S, namespace(x)))  # (4)
        logits, readout = linear_forward(y, params["W1"])  # (5)
        return logits, EmbeddingModelCache(embedding, q_cache, k_cache, q, k, attend, readout)

    @door("cache EmbeddingModelCache, dlogits (*cache.readout.shape) -> gradients")
    def backward(self, dlogits: Any, cache: EmbeddingModelCache) -> Params:
        """The gradients of all parameters."""
        dy, dW1, _ = linear_backward(dlogits, cache.readout)  # (5)
        da, de = attend_backward(dy, cache.attend)  # (4)
        dq = da @ cache.k_j  # (3), (6)
        dk = da.swapaxes(-1, -2) @ cache.q_t
        de_k, dW_K, _ = linear_backward(dk, cache.k)  # (2)
        de_q, dW_Q, _ = linear_backward(dq, cache.q)
        de = de + de_k
        de[:, self.first_query :] += de_q  # (7)
        dW0 = embedding_backward(de, cache.embedding)  # (1)
        return {"W0": dW0, "W1": dW1, "W_Q": dW_Q, "W_K": dW_K}

    @property
    def shapes(self) -> dict[str, tuple]:
        """The shape of every parameter."""
        V, D = self.vocab, self.width
        return {"W0": (V, D), "W1": (D, V), "W_Q": (D, D), "W_K": (D, D)}
