# %% [markdown]
# # One head by hand
#
# A head is a weighted average, and one line says how its weights learn.
#
# **Question.** What is the gradient of an attention score, and how do you know that
# yours is right?
#
# **You see** three scores worked out digit by digit, on paper and on screen; how a
# gradient is checked; and what each mistake in one looks like. **Takes** 4 seconds.

# %%
import math

import numpy as np

import lesson
from drawings import one_head_by_hand as draw
from tinyattn import attention, gradcheck, measure, mutants

run = lesson.start("01_one_head_by_hand")

# %% [markdown]
# ## 1. One query, three keys, on paper
#
# A head answers one *query*. Each thing that it may read, a *key*, has a *score* a and
# a *value* v. Softmax turns the scores into weights that sum to 1, the *attention* s;
# the *output* y is the average of the values with these weights.
#
# Take the scores ln 2, 0, 0. Their exponentials are 2, 1, 1, with sum 4, so
#
#     s = (1/2, 1/4, 1/4)        v = (2, 4, 8)        y = 2/2 + 4/4 + 8/4 = 4
#
# We want 5. With the loss L = (y − 5)² / 2 the output should rise: dL/dy = y − 5 = −1.
# Call it dy; likewise da is short for dL/da and dv for dL/dv. A value counts by its
# weight, so dv = s dy = (−1/2, −1/4, −1/4). A score acts through all three weights:
# raise a_i a little, and s_i gains s_i of it while *every* s_j loses s_i s_j of it (for
# e^a is divided by its sum). So y gains s_i v_i and loses s_i Σ_j s_j v_j = s_i y:
#
#     dy/da_i = s_i (v_i − y)        da = s dy (v − y)
#
# The first score: (1/2)(−1)(2 − 4) = 1. **Predict** the other two. Descent subtracts
# da: which score will rise?

# %%
a = np.array([[math.log(2), 0.0, 0.0]])
v = np.array([[2.0], [4.0], [8.0]])

y, cache = attention.attend_forward(a, v)
da, dv = attention.attend_backward(y - 5.0, cache)
screen = [cache.s[0].tolist(), y.item(), da[0].tolist(), dv[:, 0].tolist()]
paper = [[0.5, 0.25, 0.25], 4.0, [1.0, 0.0, -1.0], [-0.5, -0.25, -0.25]]

print("s, y, da, dv:", *screen)
run.figure(draw.by_hand(cache.s[0], v[:, 0], da[0], y.item(), 5.0), "by_hand")
run.page(draw.page(), "drag_it")
run.claim("paper and screen agree digit for digit", screen == paper)

# %% [markdown]
# The value 8 lies above the average, and we want more: its score rises. The value 2
# pulls down: its score falls. The value 4 is what we have already. *Descent raises a
# score where that value serves better than the present average.* The rest of this book
# is that sentence, for many queries, heads and steps.
#
# ## 2. The same for any number of queries, keys and heads
#
# The library computes y in a *forward* pass, and the gradients from dy in a *backward*
# pass. The derivation stands above its code: section 1's, with an index for each query.

# %%
print(lesson.derivation(attention.attend_forward))

# %% [markdown]
# ## 3. How a gradient is checked
#
# Move one number by h, up and down, and look at the loss: the *central difference*
#
#     (L(x + h) − L(x − h)) / 2h  ≈  dL/dx
#
# is off by about h² (the next term of Taylor's series), plus about 1e−16/h, as two
# numbers that agree in all but their last digits are subtracted. Errors are relative,
# |one − other| / (|one| + |other|) with the lengths of whole gradients: 0 for equal
# ones, 1 for opposite ones. **Predict** the curve over h, on two logarithmic axes.

# %%
many = run.rng.normal(size=(50, 3))  # scores of fifty queries, so that chance averages out
y_many, cache_many = attention.attend_forward(many, v)
exact, _ = attention.attend_backward(y_many - 5.0, cache_many)


def loss(scores):
    y, _ = attention.attend_forward(scores, v.astype(scores.dtype))
    return 0.5 * ((y - 5.0) ** 2).sum()


def error(kind, h):
    estimate = gradcheck.central_differences(loss, many.astype(kind), h)
    return gradcheck.relative_error(estimate.astype("float64"), exact)


steps = {"float64": np.logspace(-12, -0.5, 47), "float32": np.logspace(-6, -0.5, 24)}
errors = {kind: np.array([error(kind, h) for h in steps[kind]]) for kind in steps}


def slope(part):
    return measure.fit_power_law(errors["float64"][part], h=steps["float64"][part]).exponents["h"]


left, right = slope(steps["float64"] < 1e-7), slope(steps["float64"] > 1e-4)
run.claim("the error is a V: it grows like h² on its right and like 1/h on its left",
          abs(right - 2) < 0.1 and abs(left + 1) < 0.15)

# %% [markdown]
# A V, drawn below on the left. h² + ε/h is least near h = ε^(1/3) and is ε^(2/3) there.
# In float32 ε is 1e−7 and not 1e−16, so the bottom lies six orders of magnitude higher:
# gradients are checked in float64, with h near the bottom.
#
# ## 4. What each mistake looks like
#
# Several heads and the matrices around them make an attention layer. From now on x is
# its input, a row for each token: x W_Q are the queries, x W_K the keys, x W_V the
# values, scores are products of queries and keys, and W_O brings the heads together.
# Break its backward on purpose, one line at a time, and check every gradient; the chart
# names the eight mistakes. **Predict:** if da has the wrong sign, which are right?

# %%
mistakes, tensors, chart, as_expected = mutants.chart()
run.figure(draw.checks(steps, errors, chart, mistakes, tensors), "checks")
run.claim("each of eight mistakes shows in the gradients where it should, and in no other",
          all(as_expected))

# %% [markdown]
# What the backward pass has computed before it comes to the mistake is exact: dW_O and
# dW_V never see da. An error of exactly 1 is a flipped sign, or a gradient of zeros.

# %%
run.compare([
    ("attention s", "1/2, 1/4, 1/4", ", ".join(f"{s:g}" for s in cache.s[0])),
    ("output y", 4, y.item()),
    ("score gradient da", "1, 0, -1", ", ".join(f"{one:g}" for one in da[0])),
    ("slopes of the V, left and right", "-1, 2", f"{left:.2f}, {right:.2f}"),
    ("mistakes that show", 8, sum(as_expected)),
], before="on paper")
run.finish({"queries": len(many)}, da=da, slopes=[left, right], mistakes=sum(as_expected))

# %% [markdown]
# ## Exercises
#
# 1. Keep the scores and the target, and make the third value 6. Which score rises most?
# 2. Show that the entries of da sum to 0, whatever s, v and dy are. Why must they?
# 3. All values are equal. What is da, and what does it say about a head that writes
#    nothing yet?

# %% [markdown]
# ## Answers
#
# 1. y = 3.5, dy = −1.5, v − y = (−1.5, 0.5, 2.5), so da = (1.125, −0.1875, −0.9375):
#    the third, and now the second rises too, as 4 lies above the new average.
# 2. Σ s v = y and Σ s = 1, so Σ s (v − y) = 0. Adding one number to all scores leaves
#    softmax as it is, so the loss cannot change that way.
# 3. v = y everywhere, so da = 0: attention has nothing to gain. Such a head learns what
#    to write before it learns where to look. Lesson 03 begins there.
