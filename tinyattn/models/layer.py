"""Multi-head self-attention as a model of its own: the layer of Vaswani et al. (2017), on which a block is built."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..attention import SelfAttentionCache, causal, self_attention_backward, self_attention_forward
from ..backend import Params, namespace
from ..errors import InputError, check_floats, check_generator, check_instance, check_some, keep_counts
from ..few_queries import FewQueriesCache, few_queries_backward, few_queries_forward
from .params import check_params, xavier_bound


@dataclass(frozen=True)
class AttentionLayer:
    """Multi-head self-attention with projections W_Q, W_K, W_V, W_O; heads split the width, D = heads * K.

    first_query: the first query sits at this position, from 0, and the last at the end.
    masked:      each query sees itself and all earlier tokens; False: all tokens.

    few_queries: compute the same in the order of `few_queries_forward`, of x (B, S, D): fewer products
                 where queries are few, as of a network that answers once.

    The stages and their derivations are those of `self_attention_forward`.
    """

    width: int
    heads: int = 1
    first_query: int = 0
    masked: bool = True
    few_queries: bool = False

    def __post_init__(self):
        keep_counts(self, "width", "heads")
        keep_counts(self, "first_query", least=0)
        check_instance("masked", self.masked, bool)
        check_instance("few_queries", self.few_queries, bool)
        if self.width % self.heads:
            raise InputError(f"heads: expected a divisor of width = {self.width}, got {self.heads}")

    def init(self, rng: np.random.Generator) -> Params:
        """W_Q, W_K, W_V (D, H, K) and W_O (H, K, D), by Xavier."""
        check_generator("rng", rng)
        bound = xavier_bound(self.width, self.width)
        return {key: rng.uniform(-bound, bound, shape) for key, shape in self.shapes.items()}

    def check(self, x: Any) -> Any:
        """Return x (..., S, D), or raise InputError unless it has a query and this width."""
        check_some("x", check_floats("x", x, axes=2))
        check_floats("x", x, (*x.shape[:-1], self.width))
        if x.shape[-2] <= self.first_query:
            raise InputError(f"x: expected more than first_query = {self.first_query} tokens, got shape {tuple(x.shape)}")
        return x

    def forward(self, params: Params, x: Any) -> tuple[Any, SelfAttentionCache | FewQueriesCache]:
        """x (..., S, D) -> y (..., T, D), T = S - first_query. The attention (..., H, T, S) is `cache.attention`."""
        self.check(x)
        check_params(params, self.shapes)
        return self._forward(params, x)

    def _forward(self, params: Params, x: Any, drop: Any = None) -> tuple[Any, SelfAttentionCache | FewQueriesCache]:
        """`forward`, on what has been checked."""
        S, first = x.shape[-2], self.first_query
        visible = causal(S - first, S, namespace(x)) if self.masked else None
        forward = few_queries_forward if self.few_queries else self_attention_forward
        return forward(x, params["W_Q"], params["W_K"], params["W_V"], params["W_O"], visible, first, drop)

    def backward(self, dy: Any, cache: SelfAttentionCache | FewQueriesCache) -> Params:
        """dy (..., T, D) -> gradients of the four projections."""
        return self.backward_through(dy, cache)[1]

    def backward_through(self, dy: Any, cache: SelfAttentionCache | FewQueriesCache) -> tuple[Any, Params]:
        """dy (..., T, D) -> dx (..., S, D) and the gradients of the four projections."""
        backward = few_queries_backward if self.few_queries else self_attention_backward
        dx, dW_Q, dW_K, dW_V, dW_O = backward(dy, cache)
        return dx, {"W_Q": dW_Q, "W_K": dW_K, "W_V": dW_V, "W_O": dW_O}

    @property
    def shapes(self) -> dict[str, tuple]:
        """The shape of every parameter."""
        D, H, K = self.width, self.heads, self.width // self.heads
        return {"W_Q": (D, H, K), "W_K": (D, H, K), "W_V": (D, H, K), "W_O": (H, K, D)}
