# %% [markdown]
# # Practice: layer norm backward
#
# **Question.** Layer norm takes the mean from a row and divides by its size. What does
# that take from the gradient?
#
# **Takes** 30 minutes, hard. **After** lesson 12, whose network has none; full
# transformers have one after each sum.

# %%
import numpy as np

import practice

EPS = 1e-5

# %% [markdown]
# ## Given: each row has mean 0 and variance 1
#
# N rows of D numbers. n is a row less its mean, divided by its standard deviation (EPS
# keeps that from being 0). A scale g and a shift b, shared by all rows, come last.

# %%
def forward(x, g, b):
    """x (N, D), g (D,), b (D,) -> y (N, D), and what backward reads."""
    c = x - x.mean(axis=1, keepdims=True)
    r = 1 / np.sqrt((c * c).mean(axis=1, keepdims=True) + EPS)  # (N, 1)
    n = r * c
    y = g * n + b
    return y, (n, r, g)

# %% [markdown]
# ## Yours

# %%
def backward(dy, cache):
    """dy (N, D) -> dx (N, D), dg (D,), db (D,)."""
    n, r, g = cache  # (N, D), (N, 1), (D,)
    # Return dx, dg, db: gradients of the input, the scale and the shift.
    return None

# %%
rng = np.random.default_rng(0)
x, g, b = rng.normal(size=(3, 5)), rng.normal(size=5), rng.normal(size=5)

practice.check(forward, backward, {"x": x, "g": g, "b": b},
               then="compare with layernorm_backward in tinyattn/ops.py. Next: 18_circuit.py")

# %% [markdown]
# ## Hints
#
# 1. Begin at the last line: y = g n + b. Each row uses the same g and b, so their
#    gradients are sums over rows. The gradient of n, call it dn, has the shape of n.
# 2. For one row write δn for a small change δc of c. r changes too, by −r³ times the
#    mean of c δc; in terms of n that is δn = r (δc − n · mean of n δc).
# 3. Now Σ dn δn, and collect what stands with δc: dn loses its share along n. c is x
#    less its mean, so what comes back to x has mean 0 as well: take the mean off.
