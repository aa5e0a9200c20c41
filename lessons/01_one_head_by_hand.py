# %% [markdown]
# # One head by hand
#
# Softmax attention for one query, in numbers you can follow on paper.
#
# **Question.** What is the gradient of an attention score, and how do you know that
# yours is right?
#
# **You see** three scores worked out digit by digit, on paper and on screen; the
# derivation the library's code follows; how the error of finite differences depends on
# their step; and what each mistake in a backward looks like.
#
# **Takes** 2 seconds.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import attention, gradcheck, lesson, measure, plot, twins

run = lesson.start("01_one_head_by_hand")

# %% [markdown]
# ## 1. One query, three keys, on paper
#
# A head answers one *query*. Each thing that it may read, a *key*, has a *score* a and
# a *value* v. Softmax turns the scores into weights that sum to 1, the *attention* s;
# the output y is the average of the values with these weights.
#
# The scores are (ln 2, 0, 0). Exponentials: 2, 1, 1; their sum is 4; so the attention
# is s = (1/2, 1/4, 1/4). The values are 2, 4, 8; the output is their average y = 2/2 +
# 4/4 + 8/4 = 4. We want 5. With the loss L = (y - 5)^2 / 2 the output should rise:
# dL/dy = y - 5 = -1. Call it dy; likewise da is short for dL/da and dv for dL/dv. A
# value counts by its weight: dv = s dy = (-1/2, -1/4, -1/4).
#
# A score acts through all three weights, and the sum of that is dy/da = s (v - y)
# (section 2 derives it). So the gradient of a score is **da = s dy (v - y)**: here
# (1/2)(-1)(2-4) = 1, then 0, then (1/4)(-1)(8-4) = -1. Descent subtracts it: the score
# of the value 8 rises, the score of 2 falls, and 4, which is what we have, stays.

# %%
SCORES = np.array([[math.log(2), 0.0, 0.0]])
VALUES = np.array([[2.0], [4.0], [8.0]])
WANTED = 5.0
PAPER = {"s": [0.5, 0.25, 0.25], "y": 4.0, "da": [1.0, 0.0, -1.0], "dv": [-0.5, -0.25, -0.25]}


def loss(scores):
    return float(0.5 * (attention.attend_forward(scores, VALUES)[0] - WANTED).item() ** 2)


y, cache = attention.attend_forward(SCORES, VALUES)
dy = y - WANTED
da, dv = attention.attend_backward(dy, cache)
differences = gradcheck.central_differences(loss, SCORES)
by_hand = cache.s[0] * dy.item() * (VALUES[:, 0] - y.item())

print("key   score a   attention s   value v   v - y   da = s dy (v - y)   da by differences")
for i in range(3):
    print(
        f"{i + 1:>3} {SCORES[0, i]:>9.4f} {cache.s[0, i]:>13} {VALUES[i, 0]:>9} {VALUES[i, 0] - y.item():>7}"
        f" {da[0, i]:>19} {differences[0, i]:>19.12f}"
    )
better = SCORES - 0.25 * da
print(f"\ny = {y.item()}, loss {loss(SCORES)}; after one step of descent, 0.25 da: loss {loss(better):.4f}")
on_screen = {"s": cache.s[0].tolist(), "y": y.item(), "da": da[0].tolist(), "dv": dv[:, 0].tolist()}
run.claim("paper and screen agree digit for digit", on_screen == PAPER and by_hand.tolist() == PAPER["da"])
run.claim("the step lowers the loss", loss(better) < loss(SCORES))

fig, ax = plt.subplots(figsize=(7.5, 3.6))
ax.scatter([1, 2, 3], VALUES, s=8000 * cache.s[0], color=plot.SKY, edgecolor=plot.BLUE, zorder=2)
for i in range(3):
    ax.text(i + 1, VALUES[i, 0], f"s = {cache.s[0, i]:g}", ha="center", va="center", fontsize=9)
    push = {1: "its score rises", 0: "its score stays", -1: "its score falls"}[int(np.sign(-da[0, i]))]
    ax.text(i + 1.26, VALUES[i, 0], f"push -da = {-da[0, i] + 0:g}\n{push}", va="center", color=plot.VERMILION)
ax.axhline(y.item(), color="k", lw=1, zorder=1)
ax.axhline(WANTED, color="k", lw=1, ls="--")
ax.text(3.88, y.item() - 0.1, "output y = 4, the average", va="top", ha="right")
ax.text(3.88, WANTED + 0.1, "wanted: 5", va="bottom", ha="right")
ax.set(xlim=(0.4, 3.9), ylim=(0, 10), xticks=[1, 2, 3], xlabel="key", ylabel="value v",
       title="Descent shifts attention (area) to values on the wanted side of the average")  # fmt: skip
run.figure(fig, "by_hand")

# %% [markdown]
# ## 2. The same for any number of queries, keys and heads
#
# The library computes y from the scores in a *forward* pass and the gradients from dy
# in a *backward* pass. The derivation stands right above the code. Here it is, as it
# stands there.

# %%
print("\n" + lesson.derivation(attention.attend_forward))

# %% [markdown]
# ## 3. How small should the step of a difference be?
#
# (f(x+h) - f(x-h)) / 2h is off by about h^2 f'''/6 (the next term of Taylor's series)
# plus about 1e-16/h (two numbers that agree in all but their last digits are
# subtracted). The first falls as h falls, the second rises: a V on log axes. Errors are
# relative, |one - other| / (|one| + |other|): 0 for equal gradients, 1 for opposite
# ones. In float32 the bottom of the V lies six orders of magnitude higher, which is why
# gradients are checked in float64.

# %%
case = next(case for case in gradcheck.cases() if case.name == twins.SELF)  # three heads, all sizes different
inputs = case.draw(np.random.default_rng(run.options.seed + 1))
out, layer_cache = case.forward(inputs)
exact = case.backward(out, layer_cache)["W_Q"]  # of the loss |y|^2 / 2, where dy = y


def error_of_differences(h, dtype):
    """Relative error of the gradient of W_Q by differences, everything computed in `dtype`, against ours in float64."""
    there = {name: array.astype(dtype) for name, array in inputs.items()}

    def half_square(W_Q):
        return 0.5 * (case.forward({**there, "W_Q": W_Q})[0] ** 2).sum()

    estimate = gradcheck.central_differences(half_square, there["W_Q"], dtype(h)).astype(np.float64)
    return gradcheck.relative_error(estimate, exact)


steps64 = np.logspace(-12, -0.5, 13 if run.quick else 47)
steps32 = np.logspace(-6, -0.5, 7 if run.quick else 23)
errors64 = np.array([error_of_differences(h, np.float64) for h in steps64])
errors32 = np.array([error_of_differences(h, np.float32) for h in steps32])


def slope(low, high):
    inside = (steps64 >= low) & (steps64 <= high)
    return measure.fit_power_law(errors64[inside], h=steps64[inside]).exponents["h"]


right, left = slope(1e-4, 1e-1), slope(1e-12, 1e-7)
run.claim("right of the V the error falls like h^2", abs(right - 2) < 0.1)
run.claim("left of it the error grows like 1/h", abs(left + 1) < (0.3 if run.quick else 0.15))

fig, ax = plt.subplots(figsize=(7.5, 4.5))
ax.loglog(steps64, errors64, "o-", ms=3.5, color=plot.BLUE, label="float64")
ax.loglog(steps32, errors32, "s-", ms=3.5, color=plot.VERMILION, label="float32")
at = np.array([1e-3, 0.2])
plot.slope(ax, at, 3 * np.interp(1e-3, steps64, errors64), 2, "$h^2$")
plot.slope(ax, np.array([1e-8, 1e-12]), 3 * np.interp(1e-8, steps64, errors64), -1, "$1/h$")
ax.axvline(gradcheck.STEP, color="0.35", lw=1, ls="--")
ax.annotate("step of the library's checks", (gradcheck.STEP, 2e-3), xytext=(-6, 0), textcoords="offset points",
            ha="right", fontsize=8, color="0.35")  # fmt: skip
ax.set(xlabel="step h of the central difference", ylabel="relative error of the gradient of W_Q",
       title="Too large a step: Taylor's next term. Too small: round-off")  # fmt: skip
ax.legend(loc="center left")
run.figure(fig, "v_curve")

# %% [markdown]
# ## 4. What each mistake looks like
#
# Several heads with their projections make one attention layer
# (`models.AttentionLayer`, on which every transformer block of this book is built).
# Break its backward on purpose, one line at a time, and check every tensor of the
# *broken twin*. Which ones fail narrows down the mistake: a forgotten row sum spoils
# dx, dW_Q and dW_K and leaves dW_V and dW_O exact; a missing scale in dq spoils dx and
# dW_Q alone; an error of exactly 1 is a flipped sign. Two mistakes leave dx exact: the
# mean in dW lies off its way, and the wrong sign in the dx of a linear map enters
# twice, in W_O and again in W_Q, W_K or W_V, and cancels.

# %%
shown = [twin for twin in twins.TWINS if twin.case == twins.SELF]
chart, caught_right = [[row.error for row in gradcheck.check(case)]], True
for twin in shown:
    with twins.broken(twin.function, twin.right, twin.wrong):
        rows = gradcheck.check(case)
    chart.append([row.error for row in rows])
    caught_right &= {row.tensor for row in rows if row.error > gradcheck.TOLERANCE} == twin.breaks
run.claim("every broken twin fails in the tensors where it should, and in no other", caught_right)

fig, ax = plt.subplots(figsize=(7.5, 4.2))
image = ax.imshow(np.log10(chart), cmap="magma_r", vmin=-12, vmax=0, aspect="auto")
ax.set_xticks(range(len(case.wrt)), [f"d{name}" for name in case.wrt])
ax.set_yticks(range(len(chart)), ["nothing broken", *(twin.mistake for twin in shown)])
for i, errors in enumerate(chart):
    for j, error in enumerate(errors):
        ax.text(j, i, f"{error:.0e}", ha="center", va="center", fontsize=8, color="w" if error > 1e-4 else "k")
ax.set_title("Which gradients fail narrows down the mistake (relative error)")
ax.spines[:].set_visible(False)
fig.colorbar(image, label="log10 of the error")
run.figure(fig, "broken_twins")

# %%
run.compare(
    [
        ("attention s", PAPER["s"], on_screen["s"]),
        ("output y", PAPER["y"], on_screen["y"]),
        ("score gradient da", PAPER["da"], on_screen["da"]),
        ("slope of the V, right", "2", f"{right:.2f}"),
        ("slope of the V, left", "-1", f"{left:.2f}"),
        ("broken twins caught", len(shown), len(shown) if caught_right else "not all"),
    ],
    before="expected",
)
run.exercise("keep the scores and the target, and make the third value 6. Which score does descent raise most?")
settings = dict(
    scores=SCORES, values=VALUES, wanted=WANTED
)  # fmt: skip
run.finish(settings, attention=on_screen["s"], output=on_screen["y"], score_gradient=on_screen["da"],
           v_curve_slopes=[left, right], least_error=float(errors64.min()), twins=len(shown))  # fmt: skip

# %% [markdown]
# Answer: y = 3.5, dy = -1.5, v - y = (-1.5, 0.5, 2.5), so da = (1.125, -0.1875,
# -0.9375): the third, and now the second rises too, because 4 lies above the new
# average.
