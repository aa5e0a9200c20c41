# %% [markdown]
# # Practice: a step that looks at its own end
#
# **Question.** Take the slope where the step ends, which you do not know yet. How do
# you find that end?
#
# **Takes** 25 minutes, hard. **After** lesson 05, and 04_euler.py.

# %%
import numpy as np

import practice

# %% [markdown]
# ## Given: an equation for the end
#
# Backward Euler asks for the z, the new y, that solves
#
#     z = y + h f(t + h, z)
#
# For dy/dt = λ y with λ = −100 and h = 1 that is z = y − 100 z, so z = y/101: it
# decays, where Euler's method, y − 100 y, would make it 99 times as large. Here it is
# solved at once. A curved f needs Newton's method: call what is left of the equation
#
#     r = z − y − h f(t + h, z)
#
# Change z by δ, and r changes by (I − h J) δ to first order, with I the identity and J
# the matrix of derivatives ∂f_i/∂y_j at z. Take the δ that makes r vanish, and repeat.
#
# ## Yours
#
# jacobian(t, y) returns J (n, n), and np.linalg.solve(M, r) the δ with M δ = r. Begin
# at y, and stop when r is below 1e-12, or after 50 rounds.

# %%
def step(f, jacobian, t, y, h):
    """f(t, y) (n,), jacobian(t, y) (n, n), the time t, y (n,), h -> y (n,) at time t + h."""
    # Return z, the new y.
    return None

# %%
practice.check_implicit(step,
                        then="compare with tinyattn/bdf.py, whose first order this is. "
                             "Next: 06_two_numbers.py")

# %% [markdown]
# ## Hints
#
# 1. First write one round: r at the present z, then M = np.eye(len(y)) − h J, then a
#    new z. All of it is at the time where the step ends.
# 2. r should vanish: r + M δ = 0. Mind the sign of δ.
# 3. Put the round into a loop over range(50), with z = y.copy() before it, and leave it
#    with break once np.abs(r).max() is small. f of a straight field needs one round.
