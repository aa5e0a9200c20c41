# %% [markdown]
# # Practice: the gradient of one score
#
# **Question.** A score moves the output through every weight at once. What is its
# gradient, and that of a value?
#
# **Takes** 10 minutes, easy. **After** lesson 01.
#
# Write what is missing in `backward` below, and run this file or all of its cells.
# Every number that it returns is compared with a finite difference: one input is
# changed by a little, and the change of the loss is divided by that (more in lesson
# 02). With `--hint` it gives a hint.

# %%
import numpy as np

import practice

# %% [markdown]
# ## Given: one query
#
# Softmax turns S scores a into weights s that sum to 1. The output y is the average of
# the values v with these weights, a single number.

# %%
def forward(a, v):
    """Scores a (S,) and values v (S,) -> y, a number, and what backward reads."""
    e = np.exp(a)
    s = e / e.sum()
    y = (s * v).sum()
    return y, (s, v, y)

# %% [markdown]
# ## Yours
#
# dy is the gradient of the loss with respect to y, a number. Return that with respect
# to each score and to each value.

# %%
def backward(dy, cache):
    """dy, a number -> da (S,) and dv (S,)."""
    s, v, y = cache  # (S,), (S,), a number
    # Return da, dv: how much the loss changes with each score, and with each value.
    return None

# %%
a = np.log([2.0, 1.0, 1.0, 4.0])
v = np.array([2.0, 4.0, 8.0, 1.0])

practice.check(forward, backward, {"a": a, "v": v},
               then="this line is da of every head in the book. Next: 01_softmax.py")

# %% [markdown]
# ## Hints
#
# 1. y is a sum of s v. With s held still, by how much does y grow when one value grows
#    by 1? That times dy is the gradient of this value.
# 2. Raise one score a_i a little. Its own weight s_i gains s_i (1 − s_i) of that, and
#    every other weight s_j loses s_j s_i. Add up what y gains and loses.
# 3. What all weights lose together is s_i times an average that you know already: it
#    has a name in the cache.
