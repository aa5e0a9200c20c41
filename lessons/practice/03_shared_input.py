# %% [markdown]
# # Practice: one input, used three times
#
# **Question.** Queries, keys and values all come from the same x. What is its gradient?
#
# **Takes** 25 minutes, hard. **After** lesson 03, and 03_multihead.py.

# %%
import math

import numpy as np

import practice

# %% [markdown]
# ## Given: self-attention of one head
#
# x has a row of D numbers for each of S tokens. Vectors are rows, so x W is a row for
# each token again. Each token is a query and a key.

# %%
def forward(x, W_Q, W_K, W_V):
    """x (S, D), W_Q (D, K), W_K (D, K), W_V (D, C) -> y (S, C), and what backward reads."""
    q, k, v = x @ W_Q, x @ W_K, x @ W_V
    a = q @ k.T / math.sqrt(q.shape[1])
    e = np.exp(a - a.max(axis=1, keepdims=True))
    s = e / e.sum(axis=1, keepdims=True)
    y = s @ v
    return y, (x, W_Q, W_K, W_V, q, k, v, s)

# %% [markdown]
# ## Yours
#
# Find dq, dk, dv first, as in 03_multihead.py with a single head.

# %%
def backward(dy, cache):
    """dy (S, C) -> dx (S, D), dW_Q (D, K), dW_K (D, K), dW_V (D, C)."""
    x, W_Q, W_K, W_V, q, k, v, s = cache
    # Return dx, dW_Q, dW_K, dW_V: gradients of the input and of the three matrices.
    return None

# %%
rng = np.random.default_rng(0)
shapes = {"x": (5, 3), "W_Q": (3, 4), "W_K": (3, 4), "W_V": (3, 6)}
inputs = {name: rng.normal(size=shape) for name, shape in shapes.items()}

practice.check(forward, backward, inputs,
               then="compare with self_attention_backward in tinyattn/attention.py. "
                    "Next: 04_euler.py")

# %% [markdown]
# ## Hints
#
# 1. Go through the forward from below: dv, then the gradient of a, then dq and dk. They
#    have the shapes of v, q and k.
# 2. For one product, v = x W_V: with indices v_jc = Σ_i x_ji W_ic. Its two gradients
#    are products of dv with the other factor, transposed. Shapes decide which side.
# 3. x has moved the loss in three ways. Each gives a gradient of shape (S, D), and what
#    they do to the loss adds up.
