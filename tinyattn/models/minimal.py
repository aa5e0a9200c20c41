"""The minimal model of the ladder: one attention layer and nothing else."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..attention import AttendCache, attend_backward, attend_forward, causal
from ..backend import Array, Params, namespace
from ..door import door
from ..ops import sum_rows
from .params import check_input, xavier_bound

# The minimal model of "Incremental Learning of Sparse Attention Patterns" (arXiv 2602.19143)
#
#   The input at position j is a one-hot token beside a one-hot position, x_j = [token_j, j], of
#   width D = V + positions.
#     (1)  q_ht = x_t W_Q^h / sqrt(D)       one full D x D matrix a head; keys are the input itself
#     (2)  v_hj = x_j W_V^h                 only the V columns that are read as logits
#     (3)  a_htj = q_ht . x_j               for keys j <= t
#     (4)  y_ht = attend(a, v)
#     (5)  logits_t = sum_h y_ht
#   In (2) the paper has D - V columns more, which stay idle.
#
#   Backward. The sum (5) hands every head the same gradient, dy_ht = dlogits_t: heads meet nowhere
#   else. Then, from (3), (2) and (1),
#     (6)  dq_ht = sum_j da_htj x_j
#     (7)  dW_V^h = sum_j x_j^T dv_hj
#     (8)  dW_Q^h = sum_t x_t^T dq_ht / sqrt(D)
#   Each is a sum over the sequences as well. x is data and has no gradient.
#
#   The position of x_j is known beforehand: it is row j of the identity. So only the V token
#   entries of the D need a product: in (6), and in (7) and (8), which are sums over positions j of
#   x_j^T g_j with g = dv or dq,
#     (9)  dq_ht = [sum_j da_htj token_j, da_ht]      its last entries are da itself, then zeros
#     (10) sum_j x_j^T g_j = [sum_j token_j^T g_j ; the g_j]
#   In (10) the row of position j is g_j, or 0 where there is none.
#
#   A one-hot token times a matrix is a row of it, so (1) and (2) are look-ups in the table of all
#   V x positions inputs. Backward, one dense product is several times faster than scattering rows.
#   The head axis leads, (H, B, T, ..), so that (7) and (8) are one large product a head.
#   In the paper's regression variant a token is a vector of V numbers instead of a one-hot, and
#   nothing else changes.


class MinimalCache(NamedTuple):
    x: Array  # inputs (B, S, D): one-hot or real tokens beside one-hot positions
    attend: AttendCache

    @property
    def attention(self):
        """The attention maps (B, H, T, S)."""
        return self.attend.s.swapaxes(0, 1)


@door("""vocab count, positions count, heads count, first_query count >= 0 < positions,
    query_scale number >= 0 <= 1e100?, value_scale number >= 0 <= 1e100?""")
@dataclass(frozen=True)
class MinimalModel:
    """One attention layer and nothing else: no residual, no normalisation, no MLP, no biases.

    vocab:       tokens are 0..vocab-1, or vectors of vocab numbers.
    positions:   the longest sequence read.
    heads:       each with its own query matrix (D x D) and value matrix (D x V),
                 D = vocab + positions.
    first_query: the first query sits at this position, from 0; each sees itself and all before.
    query_scale, value_scale: weights start uniform in +-scale; None is Xavier's bound for a D x D
                 matrix.
    """

    vocab: int
    positions: int
    heads: int = 1
    first_query: int = 0
    query_scale: float | None = None
    value_scale: float | None = None

    @property
    def width(self):
        """Numbers in an input, D: tokens and positions."""
        return self.vocab + self.positions

    @door("rng Generator -> W_Q (D, H, D), W_V (D, H, V)")
    def init(self, rng: np.random.Generator) -> Params:
        """The parameters at the start."""
        D = self.width
        params = {}
        for key, scale in (("W_Q", self.query_scale), ("W_V", self.value_scale)):
            bound = xavier_bound(D, D) if scale is None else scale
            params[key] = rng.uniform(-bound, bound, self.shapes[key])
        return params

    def check(self, x):
        """Return the tokens x, or raise InputError. Call it before ids go to a GPU."""
        return check_input(x, self.vocab, self.first_query, self.positions, vectors=True)

    @door("x = self.check(x), params like self.shapes -> logits (B, T, V), T = S - first_query")
    def forward(self, params: Params, x: Any) -> tuple[Any, MinimalCache]:
        """x: token ids (B, S), or vectors (B, S, V).

        Entry t is about the token after position first_query + t. The attention maps (B, H, T, S)
        are `cache.attention`.
        """
        W_Q, W_V = params["W_Q"], params["W_V"]
        S, first = x.shape[1], self.first_query
        inputs = self._inputs(x, W_Q.dtype)
        q = self._project(W_Q / math.sqrt(self.width), x, inputs, first)  # (1)
        v = self._project(W_V, x, inputs)  # (2)
        a = q @ inputs.swapaxes(-1, -2)  # (3)
        y, attend = attend_forward(a, v, causal(S - first, S, namespace(x)))  # (4)
        logits = y.sum(axis=0)  # (5)
        return logits, MinimalCache(inputs, attend)

    @door("""cache MinimalCache, cache.x (B, S, D), T = S - self.first_query,
        dlogits (B, T, self.vocab) -> gradients""")
    def backward(self, dlogits: Any, cache: MinimalCache) -> Params:
        """The gradients of W_Q and W_V."""
        x, attend = cache
        xp, V, H, first = namespace(x), self.vocab, self.heads, self.first_query
        dy = xp.broadcast_to(dlogits, (H, *dlogits.shape))  # (5)
        da, dv = attend_backward(dy, attend)  # (4)
        tokens = x[..., :V]
        queried = tokens[:, first:]
        dW_V = self._project_backward(dv, tokens)  # (2), (7)
        dq_tokens = da @ tokens  # (3), (6); with da, the two parts of (9)
        dW_Q = xp.zeros((self.width, H, self.width), dtype=da.dtype)
        dW_Q[..., :V] = self._project_backward(dq_tokens, queried, first)  # (1), (8)
        dW_Q[..., V : V + x.shape[1]] = self._project_backward(da, queried, first)
        return {"W_Q": dW_Q / math.sqrt(self.width), "W_V": dW_V}

    @door("params like self.shapes -> (H, V, V)")
    def token_maps(self, params):
        """What each head adds to the logits for a token it attends to: a row for each token."""
        return params["W_V"][: self.vocab].swapaxes(0, 1)

    @property
    def shapes(self) -> dict[str, tuple]:
        """The shape of every parameter."""
        D, H, V = self.width, self.heads, self.vocab
        return {"W_Q": (D, H, D), "W_V": (D, H, V)}

    def _inputs(self, x, dtype):
        """What (1) to (3) call x: tokens beside one-hot positions, (B, S, D)."""
        xp = namespace(x)
        B, S = x.shape[:2]
        inputs = xp.zeros((B, S, self.width), dtype=dtype)
        sequence, position = xp.arange(B)[:, None], xp.arange(S)
        if x.ndim == 3:
            inputs[:, :, : self.vocab] = x
        else:
            inputs[sequence, position, x] = 1
        inputs[sequence, position, self.vocab + position] = 1
        return inputs

    def _project(self, W, x, inputs, first=0):
        """W (D, H, K) applied to the inputs at positions first, first+1, ...: (H, B, T, K)."""
        V, P, H, K = self.vocab, self.positions, self.heads, W.shape[-1]
        W = W.swapaxes(0, 1)
        B, S = x.shape[:2]
        if x.ndim == 3:
            projected = inputs[:, first:].reshape(-1, self.width) @ W
            return projected.reshape(H, B, S - first, K)
        table = (W[:, :V, None] + W[:, None, V:]).reshape(H, V * P, K)
        rows = x[:, first:] * P + namespace(x).arange(first, S)
        return table.take(rows, axis=1)

    def _project_backward(self, dy, tokens, first=0):
        """(10), summed over sequences: (D, H, K).

        Its g is dy (H, B, T, K), at positions first, first+1, ..., those of tokens (B, T, V).
        """
        H, B, T, K = dy.shape
        V = self.vocab
        of_tokens = tokens.reshape(B * T, -1).T @ dy.reshape(H, B * T, K)
        of_positions = sum_rows(dy.swapaxes(0, 1))
        dW = namespace(dy).zeros((self.width, H, K), dtype=dy.dtype)
        dW[:V] = of_tokens.swapaxes(0, 1)
        dW[V + first : V + first + T] = of_positions.swapaxes(0, 1)
        return dW
