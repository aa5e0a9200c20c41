"""Multi-head self-attention as a model of its own: the layer of Vaswani et al. (2017)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..attention import SelfAttentionCache, causal, self_attention_backward, self_attention_forward
from ..backend import Params, namespace
from ..door import door
from ..errors import InputError
from ..few_queries import FewQueriesCache, few_queries_backward, few_queries_forward
from .params import xavier_bound


@door("width count, heads count, first_query count >= 0, masked bool, few_queries bool")
@dataclass(frozen=True)
class AttentionLayer:
    """Multi-head self-attention with projections W_Q, W_K, W_V, W_O.

    width, heads: heads split the width, D = heads * K.
    first_query:  the first query sits at this position, from 0, and the last at the end.
    masked:       each query sees itself and all earlier tokens; False: all tokens.
    few_queries:  compute the same in the order of `few_queries_forward`, of x (B, S, D): fewer
                  products where queries are few, as of a network that answers once.

    The stages and their derivations are those of `self_attention_forward`.
    """

    width: int
    heads: int = 1
    first_query: int = 0
    masked: bool = True
    few_queries: bool = False

    def __post_init__(self):
        if self.width % self.heads:
            raise InputError(f"heads: expected a divisor of width = {self.width}, got {self.heads}")

    @door("rng Generator -> W_Q (D, H, K), W_K (D, H, K), W_V (D, H, K), W_O (H, K, D)")
    def init(self, rng: np.random.Generator) -> Params:
        """The parameters at the start, by Xavier."""
        bound = xavier_bound(self.width, self.width)
        return {key: rng.uniform(-bound, bound, shape) for key, shape in self.shapes.items()}

    @door("x some (..., S, self.width) -> x")
    def check(self, x: Any) -> Any:
        """Return x, or raise InputError unless it has a query and this width."""
        if x.shape[-2] <= self.first_query:
            raise InputError(
                f"x: expected more than first_query = {self.first_query} tokens, "
                f"got shape {tuple(x.shape)}"
            )
        return x

    @door("""x = self.check(x), x (..., S, D), params like self.shapes, T = S - self.first_query,
        drop (..., self.heads, T, S)? -> y (..., T, D)""")
    def forward(
        self, params: Params, x: Any, drop: Any = None
    ) -> tuple[Any, SelfAttentionCache | FewQueriesCache]:
        """drop: see `attend_forward`. The attention (..., H, T, S) is `cache.attention`."""
        S, first = x.shape[-2], self.first_query
        visible = causal(S - first, S, namespace(x)) if self.masked else None
        forward = few_queries_forward if self.few_queries else self_attention_forward
        W_Q, W_K, W_V, W_O = (params[name] for name in ("W_Q", "W_K", "W_V", "W_O"))
        return forward(x, W_Q, W_K, W_V, W_O, visible, first, drop)

    def backward(self, dy: Any, cache: SelfAttentionCache | FewQueriesCache) -> Params:
        """dy (..., T, D) -> gradients of the four projections."""
        return self.backward_through(dy, cache)[1]

    def backward_through(
        self, dy: Any, cache: SelfAttentionCache | FewQueriesCache
    ) -> tuple[Any, Params]:
        """dy (..., T, D) -> dx (..., S, D) and the gradients of the four projections."""
        backward = few_queries_backward if self.few_queries else self_attention_backward
        dx, dW_Q, dW_K, dW_V, dW_O = backward(dy, cache)
        return dx, {"W_Q": dW_Q, "W_K": dW_K, "W_V": dW_V, "W_O": dW_O}

    @property
    def shapes(self) -> dict[str, tuple]:
        """The shape of every parameter."""
        D, H, K = self.width, self.heads, self.width // self.heads
        return {"W_Q": (D, H, K), "W_K": (D, H, K), "W_V": (D, H, K), "W_O": (H, K, D)}
