# %% [markdown]
# # Practice: Euler's step
#
# **Question.** A flow says how fast y moves. Where is it a moment later?
#
# **Takes** 5 minutes, easy. **After** lesson 04.

# %%
import practice

# %% [markdown]
# ## Given: a flow
#
# f(t, y) returns the speed dy/dt at time t, an array of the shape of y. It is asked
# once for each step of length h. For dy/dt = −y, y = 1 and h = 0.1 one step ends at
# 0.9.
#
# ## Yours

# %%
def step(f, t, y, h):
    """f(t, y), the time t, y (n,), the length h -> y (n,) at time t + h."""
    # Return the new y.
    return None

# %%
practice.check_order(step, {"Euler": (1,)},
                     then="gradient descent is this step. Next: 05_from_a_table.py")

# %% [markdown]
# ## Hints
#
# 1. Go straight on, with the speed that you have now.
# 2. A distance is a speed times a time.
# 3. For dy/dt = −y at y = 1 the speed is −1; in a time of 0.1 that makes −0.1, and it
#    comes on top of y.
