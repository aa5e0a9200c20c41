# %% [markdown]
# # Practice: attend backward
#
# **Question.** Many queries read the same values. What comes back to each score and to
# each value?
#
# **Takes** 20 minutes, medium. **After** lesson 03, and 01_softmax.py.

# %%
import numpy as np

import practice

# %% [markdown]
# ## Given: scores and values
#
# B sequences; in each T queries and S keys. Query t gives key j the score a_tj. Softmax
# over the keys makes attention of it, and y_t is the average of the values. Lessons had
# one query; here every value is read by all T.

# %%
def forward(a, v):
    """Scores a (B, T, S), values v (B, S, C) -> y (B, T, C), and what backward reads."""
    e = np.exp(a - a.max(axis=2, keepdims=True))
    s = e / e.sum(axis=2, keepdims=True)
    y = s @ v
    return y, (s, v)

# %% [markdown]
# ## Yours
#
# `A @ B` multiplies the matrices of each sequence, and `A.swapaxes(1, 2)` transposes
# each of them.

# %%
def backward(dy, cache):
    """dy (B, T, C) -> da (B, T, S) and dv (B, S, C)."""
    s, v = cache  # (B, T, S), (B, S, C)
    # Return da, dv: gradients of the scores and of the values.
    return None

# %%
rng = np.random.default_rng(0)
a, v = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 5, 4))

practice.check(forward, backward, {"a": a, "v": v},
               then="compare with attend_backward in tinyattn/attention.py. "
                    "Next: 03_first_push.py")

# %% [markdown]
# ## Hints
#
# 1. Start with indices, and leave B out: y_tc = Σ_j s_tj v_jc. A value is read by every
#    query, so its gradient is a sum over t. Shapes tell which factor is transposed.
# 2. The gradient of s comes next, ds: a score for each pair (t, j), from dy_t and v_j.
#    It is a product of two matrices again, of shape (B, T, S).
# 3. From ds to da it is the backward of softmax over the last axis, that of
#    01_softmax.py: from each ds_tj take the average of its row, with weights s.
