# %% [markdown]
# # Practice: two numbers feed each other
#
# **Question.** w says how much is written of what is right, Δ how much higher the right
# score is. How fast does descent move each?
#
# **Takes** 25 minutes, hard. **After** lesson 06.

# %%
import numpy as np

import practice
from tinyattn.flows.emergence import TwoNumbers

T, d = 64, 16

# %% [markdown]
# ## Given: the loss
#
# Of T tokens one matters. The attention on it is s_r, and each of the others has the
# same share of the rest. What is written has size w, and √d is wanted:
#
#     s_r = 1 / ((T − 1) e^(−Δ) + 1)
#     L = ((s_r w − √d)² + (1 − s_r)² w² / (T − 1)) / (2 d)
#
# The first square is what is missing of the right token. The second is the noise of the
# others.

# %%
def loss(w, Delta):
    """Two numbers, w and Δ -> L, a number."""
    s_r = 1 / ((T - 1) * np.exp(-Delta) + 1)
    missing = s_r * w - np.sqrt(d)
    noise = (1 - s_r) ** 2 * w**2 / (T - 1)
    return (missing**2 + noise) / (2 * d)

# %% [markdown]
# ## Yours
#
# The whole flow, and not only its first plateau: both speeds are judged at forty
# states, early and late.

# %%
def flow(w, Delta):
    """Two numbers, w and Δ -> their speeds dw/dt and dΔ/dt under descent, two numbers."""
    # Return dw, dDelta: minus the derivatives of the loss.
    return None

# %%
rng = np.random.default_rng(0)
states = {"w": rng.uniform(0.1, 4.0, 40), "Δ": rng.uniform(-1.0, 8.0, 40)}

practice.check_field(flow, TwoNumbers(T, d), states,
                     then="compare with TwoNumbers in tinyattn/flows/emergence.py. "
                          "Next: 09_heads_flow.py")

# %% [markdown]
# ## Hints
#
# 1. w stands in two squares. Differentiate each, divide by 2 d, and turn the sign, as
#    descent goes down.
# 2. Δ acts through s_r alone, so its derivative is ∂L/∂s_r times ds_r/dΔ. Find the
#    first with w held still, both squares again.
# 3. s_r is a logistic function of Δ, less a constant, and so its derivative is
#    s_r (1 − s_r).
