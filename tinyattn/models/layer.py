"""Multi-head self-attention as a model of its own."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..attention import SelfAttentionCache, causal, self_attention_backward, self_attention_forward
from ..backend import Params, namespace
from ..errors import InputError, check_floats, check_generator, check_instance, check_some, keep_counts
from .params import check_params, xavier_bound


@dataclass(frozen=True)
class AttentionLayer:
    """Multi-head self-attention with heads that split the width: D = heads * K, projections W_Q, W_K, W_V, W_O.

    The stages and their derivations are those of `self_attention_forward`.
    """

    width: int
    heads: int = 1
    masked: bool = True  # a query sees itself and what came before it

    def __post_init__(self):
        keep_counts(self, "width", "heads")
        check_instance("masked", self.masked, bool)
        if self.width % self.heads:
            raise InputError(f"heads: expected a divisor of width = {self.width}, got {self.heads}")

    def init(self, rng: np.random.Generator) -> Params:
        """W_Q, W_K, W_V (D, H, K) and W_O (H, K, D), by Xavier."""
        check_generator("rng", rng)
        bound = xavier_bound(self.width, self.width)
        return {key: rng.uniform(-bound, bound, shape) for key, shape in self._shapes().items()}

    def forward(self, params: Params, x: Any) -> tuple[Any, SelfAttentionCache]:
        """x (..., T, D) -> y (..., T, D)."""
        check_floats("x", x, axes=2)
        check_some("x", x)
        check_floats("x", x, (*x.shape[:-1], self.width))
        check_params(params, self._shapes())
        T = x.shape[-2]
        visible = causal(T, T, namespace(x)) if self.masked else None
        return self_attention_forward(x, params["W_Q"], params["W_K"], params["W_V"], params["W_O"], visible)

    def backward(self, dy: Any, cache: SelfAttentionCache) -> Params:
        """dy (..., T, D) -> gradients of the four projections."""
        _, dW_Q, dW_K, dW_V, dW_O = self_attention_backward(dy, cache)
        return {"W_Q": dW_Q, "W_K": dW_K, "W_V": dW_V, "W_O": dW_O}

    def _shapes(self):
        D, H, K = self.width, self.heads, self.width // self.heads
        return {"W_Q": (D, H, K), "W_K": (D, H, K), "W_V": (D, H, K), "W_O": (H, K, D)}
