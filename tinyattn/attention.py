"""Attention: every head of every model in this book runs `attend_forward` and `attend_backward`.

Three pairs, each built on the one before: `attend` (scores and values), `multihead` (queries, keys
and values with a head axis), `self_attention` (an input and four projections). A head axis of 1
means shared by all heads. Scaled dot products are those of Vaswani et al. (2017).
"""

import math
from typing import NamedTuple

import numpy as np

from .backend import Array, namespace, underflow_is_zero
from .door import door
from .ops import (
    LinearCache,
    SoftmaxCache,
    linear_backward,
    linear_forward,
    softmax_backward,
    softmax_forward,
    sum_to,
)

# Attend: a softmax over the keys j, then an average of their values
#
#     (1)  a_tj = -inf where the pair (t, j) is hidden
#     (2)  s_tj = softmax of row t of a
#     (3)  y_t  = sum_j s_tj v_j
#   A small change of attention and values changes y by
#          δy_t = sum_j δs_tj v_j + sum_j s_tj δv_j
#   so
#     (4)  dv_j  = sum_t s_tj dy_t           = s^T dy
#     (5)  ds_tj = dy_t . v_j                = dy v^T
#     (6)  da_tj = s_tj (ds_tj - sum_i s_ti ds_ti)                 the backward of softmax
#   Put (5) into (6): its sum is dy_t . (sum_i s_ti v_i) = dy_t . y_t, and the result is
#   the line this book is about,
#
#          da_tj = s_tj dy_t . (v_j - y_t)
#
#   Descent raises the score of a key whose value would serve better (lower the loss more)
#   than the average that is read now, and in proportion to the attention already paid to
#   it: no attention, no learning. A hidden pair has s = 0, so its gradient vanishes here
#   without a line of code. Dropout puts a factor m_tj, 0 or 1/(1 - p), into (3), (4) and
#   (5), so that v_j in that line becomes m_tj v_j.
#
#   The cache keeps the attention maps s, B H T S numbers, in most models the largest
#   array of all; scores are not kept, as (6) reads s alone, and with dropout m s is
#   computed again.


class AttendCache(NamedTuple):
    s: Array
    v: Array
    drop: Array | None = None


@door("""a some (..., T, S), visible mask ~(..., T, S)?, drop (..., T, S)?, v (~..., S, C)
    -> y (..., T, C)""")
@underflow_is_zero
def attend_forward(a, v, visible=None, drop=None):
    """Scores a and values v; their leading axes broadcast against each other.

    `visible` hides pairs where it is False. Every query must see a key: the host checks this; on a
    GPU a query without one gives NaN. `drop` multiplies the attention on its way to the values. The
    attention before that is `cache.s`.
    """
    if visible is not None:
        xp = namespace(a)
        # xp.where on a itself, which is larger than the mask, would be slow.
        highest = xp.where(visible, math.inf, -math.inf).astype(a.dtype)
        a = xp.fmin(a, highest)  # (1)
    s, _ = softmax_forward(a)  # (2)
    read = s if drop is None else s * drop
    return read @ v, AttendCache(s, v, drop)  # (3)


@door("""cache AttendCache, cache.s (..., T, S), cache.v (~..., S, C), dy (..., T, C)
    -> da (..., T, S), dv (..., S, C)""")
@underflow_is_zero
def attend_backward(dy, cache):
    """The backward of `attend_forward`: da and dv are shaped like a and v."""
    s, v, drop = cache
    read = s if drop is None else s * drop
    dv = sum_to(read.swapaxes(-1, -2) @ dy, v.shape)  # (4)
    ds = sum_to(dy @ v.swapaxes(-1, -2), s.shape)  # (5)
    da = softmax_backward(ds if drop is None else ds * drop, SoftmaxCache(s))  # (6)
    return da, dv


# Multi-head attention: scores are scaled inner products of queries and keys
#
#     (1)  a_htj = q_ht . k_hj / sqrt(K)      for a sum of K independent products of mean 0
#                                             grows like sqrt(K)
#     (2)  y = attend(a, v)
#   δa_htj = (δq_ht . k_hj + q_ht . δk_hj) / sqrt(K), so
#     (3)  dq_ht = sum_j da_htj k_hj / sqrt(K)
#     (4)  dk_hj = sum_t da_htj q_ht / sqrt(K)
#   Where one key or value serves all heads its gradients add up over h.
#
#   The cache keeps q and k, B H (T + S) K numbers, and the cache of attend; scores are not
#   kept, and nothing is computed again.


class MultiheadCache(NamedTuple):
    q: Array
    k: Array
    attend: AttendCache


@door("""q some (..., H, T, K), k some (~..., 1|H, S, K), visible mask ~(..., H, T, S)?,
    drop (..., H, T, S)?, v (~..., 1|H, S, C) -> y (..., H, T, C)""")
def multihead_forward(q, k, v, visible=None, drop=None):
    """Queries q, keys k and values v of each head, or of one head for all.

    visible, drop: see `attend_forward`.
    """
    a = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])  # (1)
    y, attend = attend_forward(a, v, visible, drop)  # (2)
    return y, MultiheadCache(q, k, attend)


@door("""cache MultiheadCache, cache.attend.s (..., T, S), cache.attend.v (~..., S, C),
    dy (..., T, C) -> dq (..., H, T, K), dk (..., 1|H, S, K), dv (..., 1|H, S, C)""")
def multihead_backward(dy, cache):
    """The backward of `multihead_forward`: dq, dk, dv are shaped like q, k, v."""
    q, k, attend = cache
    da, dv = attend_backward(dy, attend)  # (2)
    da = da / math.sqrt(q.shape[-1])  # of (3) and (4) alike
    dq = sum_to(da @ k, q.shape)  # (3)
    dk = sum_to(da.swapaxes(-1, -2) @ q, k.shape)  # (4)
    return dq, dk, dv


# Self-attention: queries, keys and values are projections of one input
#
#     (1)  q = x W_Q    (2)  k = x W_K    (3)  v = x W_V
#     (4)  r = multihead(q, k, v)
#     (5)  y = sum over heads and their coordinates of r W_O
#   Backward, the list upwards. Each weight receives what linear gives it, with sums over sequences
#   and tokens:
#     (6)  dW_O = r^T dy      (7)  dW_V = x^T dv      (8)  dW_K = x^T dk      (9)  dW_Q = x^T dq
#   x is used three times, so it receives three gradients, and they add up:
#     (10)  dx = dq W_Q^T + dk W_K^T + dv W_V^T       (the first only where there is a query)
#
#   The cache keeps x and the weights, without copies, r, B T H C numbers, and the cache of
#   multihead; nothing is computed again.


class SelfAttentionCache(NamedTuple):
    q: LinearCache
    k: LinearCache
    v: LinearCache
    multihead: MultiheadCache
    o: LinearCache
    first: int

    @property
    def attention(self):
        """The attention maps (..., H, T, S)."""
        return self.multihead.attend.s


@door("""x some (..., S, D), first count >= 0 < S, T = S - first, W_Q some (D, H, K),
    W_K (D, 1|H, K), W_V (D, 1|H, C), W_O some (H, C, E), visible mask ~(..., H, T, S)?,
    drop (..., H, T, S)? -> y (..., T, E)""")
def self_attention_forward(x, W_Q, W_K, W_V, W_O, visible=None, first=0, drop=None):
    """Queries, keys and values are projections of x; queries are at positions first to S-1.

    visible, drop: see `attend_forward`.
    """
    q, q_cache = linear_forward(x[..., first:, :], W_Q)  # (1)
    k, k_cache = linear_forward(x, W_K)  # (2)
    v, v_cache = linear_forward(x, W_V)  # (3)
    q, k, v = heads_first(q), heads_first(k), heads_first(v)
    r, multihead = multihead_forward(q, k, v, visible, drop)  # (4)
    y, o_cache = linear_forward(heads_first(r), W_O, axes=2)  # (5)
    return y, SelfAttentionCache(q_cache, k_cache, v_cache, multihead, o_cache, first)


@door("cache SelfAttentionCache, dy (*cache.o.shape) -> dx (..., S, D), dW_Q, dW_K, dW_V, dW_O")
def self_attention_backward(dy, cache):
    """The backward of `self_attention_forward`."""
    dr, dW_O, _ = linear_backward(dy, cache.o)  # (5), (6)
    dq, dk, dv = multihead_backward(heads_first(dr), cache.multihead)  # (4)
    dx_v, dW_V, _ = linear_backward(heads_first(dv), cache.v)  # (3), (7)
    dx_k, dW_K, _ = linear_backward(heads_first(dk), cache.k)  # (2), (8)
    dx_q, dW_Q, _ = linear_backward(heads_first(dq), cache.q)  # (1), (9)
    dx = dx_k + dx_v
    dx[..., cache.first :, :] += dx_q  # (10)
    return dx, dW_Q, dW_K, dW_V, dW_O


@door("x (..., T, H, K) -> (..., H, T, K)")
def heads_first(x):
    """Swap the head and token axes, there or back. Its own backward."""
    return x.swapaxes(-2, -3)


@door("S count, T count <= S -> a mask (T, S)")
def causal(T, S, xp=np):
    """For queries at the last T of S positions: each sees itself and all before."""
    return xp.tri(T, S, S - T, dtype=bool)
