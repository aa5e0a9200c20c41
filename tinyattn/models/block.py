"""A block of the transformer of Vaswani et al. (2017): attention and an MLP in residual sums."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..attention import SelfAttentionCache
from ..backend import Params
from ..door import door
from ..few_queries import FewQueriesCache
from ..ops import (
    LayerNormCache,
    LinearCache,
    layernorm_backward,
    layernorm_forward,
    linear_backward,
    linear_forward,
    relu_backward,
    relu_forward,
    silu_backward,
    silu_forward,
)
from .layer import AttentionLayer
from .params import check_drops, xavier_bound

DROPPED = ("residuals", "all")
ACTIVATIONS = {"relu": (relu_forward, relu_backward), "silu": (silu_forward, silu_backward)}

# A block: attention, then an MLP, each inside a residual sum with a layer norm after it
#
#     (1)  o = attention layer(x)           queries at positions first_query, first_query+1, ...
#     (2)  r = layernorm(x + drop_1 * o)
#     (3)  u = activation(r W_1 + c_1)
#     (4)  m = u W_2 + c_2
#     (5)  y = layernorm(r + drop_2 * m)
#   drop_1 and drop_2 are given with the input: 0 for what is dropped, 1/(1 - p) for the rest, so
#   that the mean is kept; drop_s does the same inside (1), see `attend_forward`. Without norm, (2)
#   and (5) are the sums alone; without an MLP, y = r.
#
#   Backward. Where a value branches its gradients add up: r goes into the sum (5) and into (3),
#     (6)  dr = dn_2 + d(r through 3)       with n_2 = r + drop_2 * m, so dm = drop_2 * dn_2
#   and x goes into the sum (2), where there is a query, and into (1),
#     (7)  dx = d(x through 1) + dn_1       with n_1 = x + drop_1 * o, so do = drop_1 * dn_1


class BlockCache(NamedTuple):
    layer: SelfAttentionCache | FewQueriesCache
    drops: tuple
    norm_1: LayerNormCache | None  # None where the block has no norm or no MLP
    linear_1: LinearCache | None
    activation: Any
    linear_2: LinearCache | None
    norm_2: LayerNormCache | None

    @property
    def attention(self):
        """The attention maps (..., H, T, S)."""
        return self.layer.attention


@door("""width count, heads count, hidden count >= 0, norm bool, activation in ACTIVATIONS,
    first_query count >= 0, dropped in DROPPED""")
@dataclass(frozen=True)
class Block:
    """Attention, then an MLP, each inside a residual sum with a layer norm after it.

    width, heads: heads split the width, which is a multiple of their number.
    hidden:       width of the MLP; 0 leaves it out.
    norm:         False leaves the layer norms out.
    activation:   of the MLP, "relu" or "silu".
    first_query:  the first query sits at this position, from 0; each sees itself and all before.
    dropped:      what dropout drops: what enters the "residuals", or "all": attention weights too.
    few_queries:  see `AttentionLayer`.
    """

    width: int
    heads: int = 1
    hidden: int = 0
    norm: bool = True
    activation: str = "relu"
    first_query: int = 0
    dropped: str = "residuals"
    few_queries: bool = False

    def __post_init__(self):
        _ = self.layer  # which checks its own settings

    @functools.cached_property
    def layer(self) -> AttentionLayer:
        """The attention of (1)."""
        return AttentionLayer(
            self.width, self.heads, self.first_query, few_queries=self.few_queries
        )

    @door("rng Generator -> params")
    def init(self, rng: np.random.Generator) -> Params:
        """The parameters at the start: matrices by Xavier, g at 1, b and c at 0.

        The layer's W_Q, W_K, W_V (D, H, K), W_O (H, K, D); with a norm g_1, b_1 (D,); with an MLP
        W_1 (D, M), c_1 (M,), W_2 (M, D), c_2 (D,), and with a norm g_2, b_2 (D,).
        """
        params = self.layer.init(rng)
        for key, shape in self.shapes.items():
            if key.startswith("g"):
                params[key] = np.ones(shape)
            elif key[0] in "bc":
                params[key] = np.zeros(shape)
            elif key not in params:
                bound = xavier_bound(*shape)
                params[key] = rng.uniform(-bound, bound, shape)
        return params

    @door("rng Generator, B count, S count >= self.first_query + 1, p number >= 0 < 1 -> masks")
    def draw_drops(self, rng: np.random.Generator, B: int, S: int, p: float) -> tuple:
        """The masks that forward takes; each number is dropped with probability p.

        drop_1 and, with an MLP, drop_2 (B, T, D), one for each residual sum; before them, if all is
        dropped, drop_s (B, H, T, S) for the attention.
        """
        return tuple((rng.random(shape) >= p) / (1 - p) for shape in self._masks((B,), S).values())

    def _masks(self, leading: tuple[int, ...], S: int) -> dict[str, tuple]:
        """The masks by name, and their shapes for inputs (*leading, S, D)."""
        T = S - self.first_query
        masks: dict[str, tuple] = {}
        if self.dropped == "all":
            masks["drop_s"] = (*leading, self.heads, T, S)
        masks["drop_1"] = (*leading, T, self.width)
        if self.hidden:
            masks["drop_2"] = (*leading, T, self.width)
        return masks

    def _fitting(self, drops, x):
        return check_drops(drops, self._masks(x.shape[:-2], x.shape[-2]), x.dtype)

    @door("""x = self.layer.check(x), params like self.shapes, drops = self._fitting(drops, x)
        -> y (..., T, D)""")
    def forward(self, params: Params, x: Any, *drops: Any) -> tuple[Any, BlockCache]:
        """x (..., S, D), and masks as draw_drops makes them; T = S - first_query.

        Without masks, or where one is None, nothing is dropped. They have the precision of x. The
        attention maps (..., H, T, S) are `cache.attention`.
        """
        masks = dict(zip(self._masks((), x.shape[-2]), drops))
        drop_1, drop_2 = (_or_one(masks.get(name)) for name in ("drop_1", "drop_2"))
        activate, _ = ACTIVATIONS[self.activation]
        norm_1 = norm_2 = linear_1 = activation = linear_2 = None
        o, layer = self.layer.forward(params, x, masks.get("drop_s"))  # (1)
        r = x[..., self.first_query :, :] + drop_1 * o
        if self.norm:
            r, norm_1 = layernorm_forward(r, params["g_1"], params["b_1"])  # (2)
        y = r
        if self.hidden:
            h, linear_1 = linear_forward(r, params["W_1"], params["c_1"])
            u, activation = activate(h)  # (3)
            m, linear_2 = linear_forward(u, params["W_2"], params["c_2"])  # (4)
            y = r + drop_2 * m
            if self.norm:
                y, norm_2 = layernorm_forward(y, params["g_2"], params["b_2"])  # (5)
        return y, BlockCache(
            layer=layer,
            drops=(drop_1, drop_2),
            norm_1=norm_1,
            linear_1=linear_1,
            activation=activation,
            linear_2=linear_2,
            norm_2=norm_2,
        )

    def backward(self, dy: Any, cache: BlockCache) -> Params:
        """dy (..., T, D) -> gradients of all parameters."""
        return self.backward_through(dy, cache)[1]

    @door("cache BlockCache, dy (*cache.layer.o.shape) -> dx (..., S, D), gradients")
    def backward_through(self, dy: Any, cache: BlockCache) -> tuple[Any, Params]:
        """dx and the gradients of all parameters."""
        _, activate_backward = ACTIVATIONS[self.activation]
        g, dr = {}, dy
        if self.hidden:
            dn_2 = dy
            if self.norm:
                dn_2, g["g_2"], g["b_2"] = layernorm_backward(dy, cache.norm_2)  # (5)
            du, g["W_2"], g["c_2"] = linear_backward(cache.drops[1] * dn_2, cache.linear_2)  # (4)
            dh = activate_backward(du, cache.activation)  # (3)
            dr, g["W_1"], g["c_1"] = linear_backward(dh, cache.linear_1)
            dr = dr + dn_2  # (6)
        dn_1 = dr
        if self.norm:
            dn_1, g["g_1"], g["b_1"] = layernorm_backward(dr, cache.norm_1)  # (2)
        dx, of_layer = self.layer.backward_through(cache.drops[0] * dn_1, cache.layer)  # (1)
        dx[..., self.first_query :, :] += dn_1  # (7)
        return dx, {**of_layer, **g}

    @property
    def shapes(self) -> dict[str, tuple]:
        """The shape of every parameter."""
        D, M = self.width, self.hidden
        norm_1 = {"g_1": (D,), "b_1": (D,)} if self.norm else {}
        mlp = {"W_1": (D, M), "c_1": (M,), "W_2": (M, D), "c_2": (D,)} if M else {}
        norm_2 = {"g_2": (D,), "b_2": (D,)} if M and self.norm else {}
        return {**self.layer.shapes, **norm_1, **mlp, **norm_2}


def _or_one(drop):
    """The mask, or 1 where nothing is dropped."""
    return 1.0 if drop is None else drop
