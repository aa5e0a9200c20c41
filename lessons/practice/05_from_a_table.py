# %% [markdown]
# # Practice: a step from its table
#
# **Question.** Euler, the midpoint, RK4: one step averages several slopes. How does a
# table of numbers say which?
#
# **Takes** 20 minutes, medium. **After** lesson 05, and 04_euler.py.

# %%
import practice

# %% [markdown]
# ## Given: three tables
#
# A step of length h asks f several times; each time is a stage, and its answer a slope
# k_i. Stage i is at the time t + c_i h and at the point
#
#     y + h (A_i1 k_1 + A_i2 k_2 + ...)        over the stages before it
#
# and the step ends at y + h (b_1 k_1 + b_2 k_2 + ...). A method is its c, A and b. Row
# i of A has a number for each stage before it, so the first row is empty.

# %%
EULER = {"c": [0], "A": [[]], "b": [1]}
MIDPOINT = {"c": [0, 1 / 2], "A": [[], [1 / 2]], "b": [0, 1]}
RK4 = {"c": [0, 1 / 2, 1 / 2, 1],
       "A": [[], [1 / 2], [0, 1 / 2], [0, 0, 1]],
       "b": [1 / 6, 1 / 3, 1 / 3, 1 / 6]}

# %% [markdown]
# ## Yours
#
# One function for all of them. It is judged by its order: the power of h with which the
# error falls, on a flow that depends on y and on t.

# %%
def step(table, f, t, y, h):
    """A table, f(t, y), the time t, y (n,), the length h -> y (n,) at time t + h."""
    # Return the new y.
    return None

# %%
methods = {"Euler": (1, EULER), "midpoint": (2, MIDPOINT), "RK4": (4, RK4)}

practice.check_order(step, methods,
                     then="compare with tinyattn/pairs.py, where a solver is its table too. "
                          "Next: 05_implicit.py")

# %% [markdown]
# ## Hints
#
# 1. Keep the slopes in a list k, empty at first. For every stage make the point where f
#    is asked, ask it, and append the answer.
# 2. zip(A_i, k) pairs each number of a row with a slope that is there already; for the
#    first stage there is none, and the point is y itself.
# 3. Two loops: for c_i, row in zip(table["c"], table["A"]), inside it one over the
#    pairs of the row. After it a last sum, with the pairs of b and k, gives the end.
