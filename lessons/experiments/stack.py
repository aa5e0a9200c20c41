"""Minimal layers one after the other: the ladder's minimal model (arXiv 2602.19143) with depth."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinyattn.attention import (
    MultiheadCache,
    causal,
    heads_first,
    multihead_backward,
    multihead_forward,
)
from tinyattn.backend import Params, namespace
from tinyattn.errors import check_floats, check_generator, check_instance, check_params, keep_counts
from tinyattn.models.minimal import MinimalModel
from tinyattn.models.params import numbered, xavier_bound
from tinyattn.ops import LinearCache, linear_backward, linear_forward

# A stack of minimal layers; x is what a layer reads, of width D = V + positions, the first reads
# one-hot tokens beside one-hot positions
#
#     (1)  q_ht = x_t W_Q^h,  v_hj = x_j W_V^h          keys are x itself, for all heads
#     (2)  y = multihead(q, x, v)
#     (3)  x'_t = sum_h y_ht                            what the next layer reads
#   The last layer has queries from first_query on and writes logits: W_V has V columns there and D
#   elsewhere.
#   Backward. Every head receives dx' (3). x is used as query, key and value, so
#     (4)  dx_j = dq W_Q^T + dk_j + dv W_V^T            the first where there is a query


class StackCache(NamedTuple):
    layers: tuple[tuple[LinearCache, LinearCache, MultiheadCache], ...]

    @property
    def attentions(self):
        """The attention maps of each layer in order: (B, H, S, S), of the last (B, H, T, S)."""
        return [multihead.attend.s for _, _, multihead in self.layers]

    @property
    def attention(self):
        """The attention maps of the last layer, (B, H, T, S)."""
        return self.attentions[-1]


@dataclass(frozen=True)
class MinimalStack:
    """Minimal layers one after the other; see `MinimalModel` for the settings not named here.

    depth: layers.
    """

    vocab: int
    positions: int
    heads: int = 1
    first_query: int = 0
    query_scale: float | None = None
    value_scale: float | None = None
    depth: int = 2

    def __post_init__(self):
        keep_counts(self, "depth")
        _ = self.single  # which checks its own settings

    @functools.cached_property
    def single(self) -> MinimalModel:
        """The model of one such layer."""
        return MinimalModel(
            vocab=self.vocab,
            positions=self.positions,
            heads=self.heads,
            first_query=self.first_query,
            query_scale=self.query_scale,
            value_scale=self.value_scale,
        )

    def init(self, rng: np.random.Generator) -> Params:
        """W_Q (D, H, D) and W_V (D, H, D) of each layer, W_Q.i and W_V.i.

        W_V of the last is (D, H, V).
        """
        check_generator("rng", rng)
        bound = xavier_bound(self.single.width, self.single.width)
        params = {}
        for key, shape in self.shapes.items():
            scale = self.query_scale if key.startswith("W_Q") else self.value_scale
            scale = bound if scale is None else scale
            params[key] = rng.uniform(-scale, scale, shape)
        return params

    def check(self, x: Any) -> Any:
        """Return the tokens x, or raise InputError. Call it before ids go to a GPU."""
        return self.single.check(x)

    def forward(self, params: Params, x: Any) -> tuple[Any, StackCache]:
        """Token ids x (B, S), or vectors (B, S, V) -> logits (B, T, V), T = S - first_query.

        The attention maps of the last layer are `cache.attention`.
        """
        x = self.check(x)
        check_params("params", params, self.shapes)
        x, layers = self.single._inputs(x, params["W_Q.1"].dtype), []
        for i in range(1, self.depth + 1):
            first = self.first_query if i == self.depth else 0
            S = x.shape[1]
            q, of_q = linear_forward(x[:, first:], params[f"W_Q.{i}"])  # (1)
            v, of_v = linear_forward(x, params[f"W_V.{i}"])  # (1)
            visible = causal(S - first, S, namespace(x))
            q, v = heads_first(q), heads_first(v)
            y, multihead = multihead_forward(q, x[:, None], v, visible)  # (2)
            layers.append((of_q, of_v, multihead))
            x = y.sum(axis=1)  # (3)
        return x, StackCache(tuple(layers))

    def backward(self, dlogits: Any, cache: StackCache) -> Params:
        """dlogits (B, T, V) -> gradients of all parameters."""
        check_instance("cache", cache, StackCache)
        B, H, T, _ = cache.attention.shape
        check_floats("dlogits", dlogits, (B, T, self.vocab))
        g, dx = {}, dlogits
        for i in range(self.depth, 0, -1):
            of_q, of_v, multihead = cache.layers[i - 1]
            dy = namespace(dx).broadcast_to(dx[:, None], (B, H, *dx.shape[1:]))  # (3)
            dq, dk, dv = multihead_backward(dy, multihead)  # (2)
            dx_q, g[f"W_Q.{i}"], _ = linear_backward(heads_first(dq), of_q)  # (1)
            dx_v, g[f"W_V.{i}"], _ = linear_backward(heads_first(dv), of_v)  # (1)
            dx = dk[:, 0] + dx_v  # (4)
            dx[:, dx.shape[1] - dx_q.shape[1] :] += dx_q  # (4)
        return g

    def token_maps(self, params: Params) -> Any:
        """What each head of the last layer adds to the logits for a token it attends to.

        (H, V, V), a row for each token.
        """
        check_params("params", params, self.shapes)
        return params[f"W_V.{self.depth}"][: self.vocab].swapaxes(0, 1)

    @property
    def shapes(self) -> dict[str, tuple]:
        """The shape of every parameter."""
        D, H = self.single.width, self.heads
        shapes: dict[str, tuple] = {}
        for i in range(1, self.depth + 1):
            written = self.vocab if i == self.depth else D
            shapes |= numbered({"W_Q": (D, H, D), "W_V": (D, H, written)}, i)
        return shapes
