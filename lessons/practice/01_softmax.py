# %% [markdown]
# # Practice: softmax backward
#
# **Question.** Every output of a softmax hears of every input. How does one go back
# without a matrix of all pairs?
#
# **Takes** 15 minutes, medium. **After** lesson 01.

# %%
import numpy as np

import practice

# %% [markdown]
# ## Given: softmax of each row
#
# N rows of S numbers each. A row of the output sums to 1. What lesson 01 called a and
# s, the scores and the weights, is x and y here: input and output.

# %%
def forward(x):
    """x (N, S) -> y (N, S), and what backward reads."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    y = e / e.sum(axis=1, keepdims=True)
    return y, (y,)

# %% [markdown]
# ## Yours
#
# dy is the gradient of the loss with respect to every entry of y. Two lines are enough,
# and no loop.

# %%
def backward(dy, cache):
    """dy (N, S) -> dx (N, S)."""
    (y,) = cache  # (N, S)
    # Return dx: how much the loss changes with each entry of x.
    return None

# %%
x = np.random.default_rng(0).normal(size=(3, 5))

practice.check(forward, backward, {"x": x},
               then="compare with softmax_backward in tinyattn/ops.py. "
                    "Next: 02_find_the_mistake.py")

# %% [markdown]
# ## Hints
#
# 1. Take a single row. y_i is e^(x_i) over the sum Z of all of them, so its logarithm
#    is x_i − ln Z. How does ln Z change when x_j grows a little?
# 2. Then δy_i = y_i (δx_i − Σ_j y_j δx_j). The loss changes by Σ_i dy_i δy_i. Put the
#    one into the other, and collect what stands with δx_i.
# 3. In that there is one number for each row, an average of dy with weights y. Sum over
#    axis 1, and keep this axis (keepdims=True), so that it is taken from every entry.
