# %% [markdown]
# # Practice: the flow of heads
#
# **Question.** Heads write one table together. What moves a head, and what does it know
# of the others?
#
# **Takes** 20 minutes, medium. **After** lesson 09, and 01_softmax.py.

# %%
import numpy as np

import practice

# %% [markdown]
# ## Given: what is left over
#
# G is the table that is wanted: d features down, T positions across. Head j writes V_j,
# d numbers, and looks by s_j = softmax(a_j), T numbers. The loss is half the squared
# size of what is left over,
#
#     R = G − Σ_j V_j s_jᵀ        L = |R|² / 2
#
# where V_j s_jᵀ is the table with V_j times s_j in its cells.

# %%
G = np.array([[3.0, 0.0, 0.0, 0.5], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])

def attention(a):
    """Scores a (H, T) -> attention s (H, T), a softmax for each head."""
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def loss(V, a):
    """V (H, d), a (H, T) -> L, a number. V.T @ s is the sum over heads."""
    R = G - V.T @ attention(a)
    return (R * R).sum() / 2

# %% [markdown]
# ## Yours
#
# Descent moves V and a against the gradient of L.

# %%
def flow(V, a):
    """V (H, d), a (H, T) -> their speeds under descent, dV/dt (H, d) and da/dt (H, T)."""
    s = attention(a)
    R = G - V.T @ s  # (d, T)
    # Return dV, da: minus the gradients of the loss.
    return None

# %%
rng = np.random.default_rng(0)
V, a = rng.normal(size=(2, 3)), rng.normal(size=(2, 4))

practice.check_flow(loss, flow, {"V": V, "a": a},
                    then="compare with Factorization in tinyattn/flows/factorization.py. "
                         "Next: 12_layernorm.py")

# %% [markdown]
# ## Hints
#
# 1. For one head: change V_j by δ, and R changes by −δ s_jᵀ. So L changes by −(the sum
#    of R times that table). Which vector of d numbers stands with δ?
# 2. The same for a change of s_j: T numbers, the pull on the attention of this head.
#    For all heads at once both are products of matrices with R or Rᵀ.
# 3. From the pull on s to that on a it is the backward of softmax, for each head: how
#    much each pull exceeds the average of its row, times the attention there.
