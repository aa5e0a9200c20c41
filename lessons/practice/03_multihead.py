# %% [markdown]
# # Practice: multi-head backward
#
# **Question.** A score is a product of a query and a key. What comes back to each of
# them, in every head?
#
# **Takes** 25 minutes, hard. **After** lesson 03, and 03_attend.py.

# %%
import math

import numpy as np

import practice

# %% [markdown]
# ## Given: queries, keys, values
#
# H heads, each with T queries and S keys of K numbers, and S values of C numbers. A
# score is the inner product of a query and a key, divided by √K.

# %%
def forward(q, k, v):
    """q (H, T, K), k (H, S, K), v (H, S, C) -> y (H, T, C), and what backward reads."""
    a = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[2])
    e = np.exp(a - a.max(axis=2, keepdims=True))
    s = e / e.sum(axis=2, keepdims=True)
    y = s @ v
    return y, (q, k, v, s)

# %% [markdown]
# ## Yours
#
# Go through the forward from its last line to its first. What you wrote in 03_attend.py
# serves here too.

# %%
def backward(dy, cache):
    """dy (H, T, C) -> dq (H, T, K), dk (H, S, K), dv (H, S, C)."""
    q, k, v, s = cache  # (H, T, K), (H, S, K), (H, S, C), (H, T, S)
    # Return dq, dk, dv: gradients of the queries, the keys and the values.
    return None

# %%
rng = np.random.default_rng(0)
q, k, v = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 6))

practice.check(forward, backward, {"q": q, "k": k, "v": v},
               then="compare with multihead_backward in tinyattn/attention.py. "
                    "Next: 03_shared_input.py")

# %% [markdown]
# ## Hints
#
# 1. Heads do not meet here: the first axis goes along in every line. Find da (H, T, S)
#    and dv first, as for scores that are given.
# 2. With indices, a_tj = Σ_c q_tc k_jc / √K. Query t is in the scores of every key, and
#    key j in those of every query: one gradient sums over j, the other over t.
# 3. The factor 1/√K stands before both. Divide da by √K once, before it is used. Shapes
#    tell the rest: K comes last in both results, and one of them needs da transposed.
