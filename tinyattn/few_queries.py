"""Self-attention once more, in an order that is cheaper where queries are few.

Read `attention.py` first: this computes the same numbers. `AttentionLayer(few_queries=True)` takes
it, for networks that answer once, at the end of what they read.
"""

import math
from typing import NamedTuple

from .attention import MultiheadCache, heads_first, multihead_backward, multihead_forward
from .backend import Array
from .door import door
from .ops import LinearCache, linear_backward, linear_forward, sum_to

# Few queries
#
#   A score is (x_t W_Q) . (x_j W_K), which is also (x_t W_Q W_K^T) . x_j, and values may be
#   averaged before they are projected. So W_K and W_V can be applied to T queries instead of S
#   keys. Scores and averages then cost D numbers each, not K and C, so that it pays where T is
#   small. Here multihead divides by sqrt(D) where it should by sqrt(K); so with
#   M_h = sqrt(D/K) W_K^h, D x K,
#     (1)  q = x W_Q
#     (2)  u_ht = q_ht M_h^T                 a query in the coordinates of x
#     (3)  z = multihead(u, x, x)            x itself is key and value, for all heads
#     (4)  r_ht = z_ht W_V^h
#     (5)  y = sum over heads and their coordinates of r W_O
#   Backward. (4) and (2) are linear maps of each head, so
#     (6)  dz_h = dr_h W_V^h transposed,     dW_V^h = sum over n of z_hn^T dr_hn
#     (7)  dq_h = du_h M_h,                  dM_h   = sum over n of du_hn^T q_hn,
#          dW_K^h = sqrt(D/K) dM_h
#   with n over sequences and queries. x is used in (1) and, as key and value, twice in (3), so with
#   the dk and dv of multihead
#     (8)  dx = dq W_Q^T + dk + dv           (the first only where there is a query)
#
#   The cache keeps u and z, B H T D numbers each, q, the attention maps and M beside x and the
#   weights; keys and values are x itself, without a copy, and nothing is computed again.


class FewQueriesCache(NamedTuple):
    q_of_x: LinearCache
    multihead: MultiheadCache
    q: Array
    z: Array
    o: LinearCache
    M: Array
    W_V: Array
    first: int

    @property
    def attention(self):
        """The attention maps (B, H, T, S)."""
        return self.multihead.attend.s


@door("""x some (B, S, D), first count >= 0 < S, T = S - first, W_Q some (D, H, K), W_K (D, 1|H, K),
    W_V (D, 1|H, C), W_O some (H, C, E), visible mask ~(B, H, T, S)?, drop (B, H, T, S)?
    -> y (B, T, E)""")
def few_queries_forward(x, W_Q, W_K, W_V, W_O, visible=None, first=0, drop=None):
    """`self_attention_forward` for x (B, S, D), with fewer products where queries are few."""
    q, q_cache = linear_forward(x[:, first:], W_Q)  # (1)
    q = heads_first(q)
    M = W_K * math.sqrt(x.shape[-1] / W_K.shape[-1])
    u = _each_head(q, M.swapaxes(0, 1).swapaxes(1, 2))  # (2)
    z, multihead = multihead_forward(u, x[:, None], x[:, None], visible, drop)  # (3)
    r = _each_head(z, W_V.swapaxes(0, 1))  # (4)
    y, o_cache = linear_forward(heads_first(r), W_O, axes=2)  # (5)
    return y, FewQueriesCache(q_cache, multihead, q, z, o_cache, M, W_V, first)


@door("cache FewQueriesCache, dy (*cache.o.shape) -> dx (B, S, D), dW_Q, dW_K, dW_V, dW_O")
def few_queries_backward(dy, cache):
    """The backward of `few_queries_forward`."""
    q_cache, multihead, q, z, o_cache, M, W_V, first = cache
    dr, dW_O, _ = linear_backward(dy, o_cache)  # (5)
    dr = heads_first(dr)
    dz = _each_head(dr, W_V.swapaxes(0, 1).swapaxes(1, 2))  # (4), (6)
    dW_V = _each_head_weights(z, dr, W_V)  # (6)
    du, dk, dv = multihead_backward(dz, multihead)  # (3)
    dq = _each_head(du, M.swapaxes(0, 1))  # (2), (7)
    dM = _each_head_weights(du, q, M)  # (7)
    dW_K = dM * math.sqrt(M.shape[0] / M.shape[-1])  # (7)
    dx_q, dW_Q, _ = linear_backward(heads_first(dq), q_cache)  # (1)
    dx = dk[:, 0] + dv[:, 0]  # (8)
    dx[:, first:] += dx_q  # (8)
    return dx, dW_Q, dW_K, dW_V, dW_O


def _by_head(x):
    """x (B, H, T, K) -> (H, B T, K)."""
    B, H, T, K = x.shape
    return x.swapaxes(0, 1).reshape(H, B * T, K)


def _each_head(x, W):
    """x (B, H, T, K), W (H or 1, K, C) -> x_h W_h, (B, H, T, C)."""
    B, H, T, _ = x.shape
    return (_by_head(x) @ W).reshape(H, B, T, W.shape[-1]).swapaxes(0, 1)


def _each_head_weights(left, right, W):
    """The sums of (6) and (7), shaped like W.

    left (B, H, T, D), right (B, H, T, K) -> left^T right (D, H or 1, K).
    """
    dW = _by_head(left).swapaxes(1, 2) @ _by_head(right)
    return sum_to(dW.swapaxes(0, 1), W.shape)
