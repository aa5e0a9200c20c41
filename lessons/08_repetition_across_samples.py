# %% [markdown]
# # Repetition across samples
#
# What is repeated is written first, and attention follows; the rest comes after.
#
# **Question.** In some of the samples the right token is one and the same. Does that
# help to learn all the others, and how?
#
# **You see** one direction weigh as much as the 63 others together, attention come
# through it alone, and one law for every amount of repetition. **Takes** 15 seconds.

# %%
import numpy as np

import lesson
from drawings import repetition_across_samples as draw
from tinyattn import measure, ode
from tinyattn.flows.repetition import ThreeNumbers
from tinyattn.hold import hold

run = lesson.start("08_repetition_across_samples")
RTOL = 1e-6 if run.quick else 1e-9
precise = dict(rtol=RTOL, atol=1e-3 * RTOL)  # the error that a step may make

# %% [markdown]
# ## 1. One direction against 63
#
# The task is that of lesson 06: T tokens of d numbers, one right place, x_r W* is
# wanted. New is that with the probability q the right token is not drawn afresh. It is
# one fixed vector of length 1, the same in all samples. We call it the *repeated*
# token. The other tokens, and the right one in the remaining samples, are random as
# before.
#
# First see where the √d in κ = 1/(√d T) comes from. Take d = 64, and no
# repetition. A random token has the mean square 1/64 in each of 64 directions at right
# angles. W* keeps them at right angles, so for each direction W has something of its
# own to learn, and what is missing of each adds to the loss by itself. Let 1 be the
# whole of one. If a share of it is in W, s_r times that share is written. The rest is
# missing, and counts by the mean square of the token in that direction:
#
#     L of one direction = 1/64 · (1 − s_r · share)² / 2
#     −∂L/∂share         = 1/64 · s_r                         at the start
#
# All 64 shares set out with this speed. W moves along all of them at once, and speeds
# at right angles add up as in Pythagoras:
#
#     √(64 · (1/64)²) · s_r = 1/8 · s_r
#
# With s_r = 1/T this is 1/(√d T) = κ. So κ is 64 small equal speeds added up.
#
# Now let q = 0.1. Along the repeated token the right token's mean square is
#
#     0.1 · 1 + 0.9 · 1/64 = 0.1141
#
# for in one sample of ten it is 1, and else 1/64 on average. Along each of the 63
# directions across it, only random tokens count:
#
#     0.9 · 1/64 = 0.0141
#
# One direction is now 8 times as strong as any other. Call w₁ what is written along the
# repeated token, 1 being the whole. Call w₂ what is written in all the others together;
# its whole is √63 = 7.94. Their speeds at the start, times T:
#
#     w₁     0.1141
#     w₂     √63 · 0.0141 = 0.1116
#
# The one direction weighs as much as the 63 others together, although the token is
# repeated in only one sample of ten. Both together:
#
#     √(0.1141² + 0.1116²) = 0.1596        without repetition: 0.1250
#
# which is 1.28 times as much. So we should expect a plateau that is 1.28 times shorter.
#
# ## 2. The same race
#
# The same for any q and d, with the speeds at the start as letters:
#
#     κ₁ = (q + (1 − q)/d) / T
#     κ₂ = √(d − 1) (1 − q) / (d T)
#
# While attention grows, s_r is e^Δ/T as before, and both speeds gain e^Δ. Δ is one
# number, and both pull at it. The slope of L over s_r has a term for each direction,
# its mean square times its share (from the line for L above, at the start):
#
#     the repeated one       (q + (1 − q)/d) · w₁                      = T κ₁ w₁
#     each of the others     (1 − q)/d · w₂/√(d − 1)
#     d − 1 of these         (d − 1) (1 − q)/d · w₂/√(d − 1)           = T κ₂ w₂
#
# Δ moves by the sum of these times ∂s_r/∂Δ ≈ s_r = e^Δ/T (lesson 06). So
#
#     dw₁/dt = κ₁ e^Δ        dw₂/dt = κ₂ e^Δ
#     dΔ/dt = (κ₁ w₁ + κ₂ w₂) e^Δ
#
# w₁ and w₂ keep the proportion κ₁ : κ₂. So one number w = √(w₁² + w₂²) tells both:
#
#     κ_q = √(κ₁² + κ₂²)
#     w₁ = κ₁ w/κ_q        w₂ = κ₂ w/κ_q
#     dw/dt = κ_q e^Δ
#     dΔ/dt = (κ₁² + κ₂²) w/κ_q · e^Δ = κ_q w e^Δ
#
# This is lesson 06's race, with κ_q for κ. Work out what κ_q is. Write both squares
# with 1/d of the random part in every one of d directions, and q more in the first:
#
#     T² κ_q² = (q + (1 − q)/d)² + (d − 1) ((1 − q)/d)²
#             = q² + 2 q (1 − q)/d + d ((1 − q)/d)²
#             = q² + (2 q (1 − q) + (1 − q)²)/d
#             = q² + (2 q − 2 q² + 1 − 2 q + q²)/d
#             = q² + (1 − q²)/d
#             = (1 + q² (d − 1)) / d
#
# so that
#
#     κ_q = κ √(1 + q² (d − 1))
#
# For q = 0.1 and d = 64 the root is √1.63 = 1.277, as by hand. For q = 0.5 it is √16.75
# = 4.093. The plateau ends at 1.2533/κ_q. For T = 512 and d = 64 that is 5134 without
# repetition, 4021 for q = 0.1 and 1254 for q = 0.5.
#
# (The paper, *The Emergence of Sparse Attention*, has √(q² d + (1 − q)²) for the root.
# It leaves out 2 q (1 − q): the random tokens that lie along the repeated one. At q =
# 0.1 and d = 64 that is 1.204 for 1.277, 6% less. At q = 0 and q = 1 both agree.)
#
# **Predict** for q = 0.5: what is written first, what last? When does the layer answer
# *random* tokens, of which it is told only half as often as before?

# %%
def follow(field, times):
    """w₂, w₁ and Δ at these times."""
    return ode.integrate(field, (0, times[-1]), field.start(), t_eval=times, **precise).y


flow = ThreeNumbers(512.0, 64.0, 0.5)
moments = np.array([0, 600, 1000, 1254, 1320, 1400, 1500, 1700.0])
print("    t     w1   w2/√63    s_r    loss   on random tokens")
for t, y in zip(moments, follow(flow, moments)):
    w2, w1, Delta = y
    losses = f"{flow.loss(y):7.4f} {flow.test_loss(y):7.4f}"
    print(f"{t:5.0f} {w1:6.3f} {w2 / np.sqrt(63):7.3f} {flow.attention(y):7.4f} {losses}")

# %% [markdown]
# The repeated token is written first: at t = 1254, when the closed form snaps, w₁ is
# 2.4 and w₂ has 4% of its whole. The loss in training begins to fall. On random tokens
# it is still 0.497. Then attention rises to 0.32, and *waits*, while w₂ grows; by 1500
# random tokens are answered too, and at the end w₁ is back near 1.
#
# Why more than 1 of w₁? The whole of the repeated token is written when s_r w₁ is 1. At
# t = 1320 it is 0.319 · 3.23 = 1.03. A third of the attention with three times the
# weight does it. So for the repeated token there is nothing left to learn, and neither
# w₁ nor Δ has a reason to go on until the others need attention.
#
# ## 3. Held
#
# So is it the repeated token that brings attention? *Hold* each of the two at 0 from
# the start. What remains is a race with κ₂ alone, or with κ₁ alone.
#
# When is attention awake? Take e^Δ = 10, ten times the start. In the closed form Δ =
# w²/2, so w is √(2 ln 10) = 2.146 then, and
#
#     κ t = ∫ e^(−u²/2) du = 1.2134        from 0 to 2.146
#
# For T = 512, d = 64, with 1.2134 · 512 = 621.3:
#
#     q = 0.5, free            621.3 / 0.5116    1214
#     q = 0.5, w₁ held at 0    621.3 / 0.0620    10019    twice that without repetition
#     q = 0.5, w₂ held at 0    621.3 / 0.5078    1223
#
# **Predict.** Do the same for q = 0.1. Then say what attention will do in the run with
# w₂ held, long after it has woken.

# %%
def first(field, mark, span, start):
    """The time in this span at which mark(y) is first 0."""
    found = ode.event(lambda t, y: mark(y), terminal=True)
    return ode.integrate(field, span, start, events=found, **precise).first_times[0]


still = {"free": [False, False, False],  # of w₂, w₁, Δ
         "w1 held at 0": [False, True, False], "w2 held at 0": [True, False, False]}
awake = lambda y: y[2] - np.log(10)
woken, foretold = {}, {}
for q in (0.1, 0.5):
    three = ThreeNumbers(512.0, 64.0, q)
    k1, k2 = (q + (1 - q) / 64) / 512, np.sqrt(63) * (1 - q) / 64 / 512
    foretold[q] = 1.2134 / np.array([np.hypot(k1, k2), k2, k1])
    woken[q] = np.array([first(hold(three, np.array(mask)), awake, (0, 1e5), three.start())
                         for mask in still.values()])
    for name, told, found in zip(still, foretold[q], woken[q]):
        print(f"q = {q}, {name:<12}: e^Δ is 10 at {found:.0f}, foretold {told:.0f}")
run.claim("free, with w₁ and with w₂ held at 0, attention wakes as foretold, within 6%",
          all(np.abs(woken[q] / foretold[q] - 1).max() < 0.06 for q in woken))

without_rest = hold(flow, np.array(still["w2 held at 0"]))
*_, at_1500, at_10000 = flow.attention(follow(without_rest, np.array([0, 1500.0, 10000.0])))
print(f"q = 0.5, w2 held at 0 for good: attention {at_1500:.3f} at 1500, {at_10000:.3f} at 10000")
run.claim("with w₂ held at 0 attention stays between 0.29 and 0.35 from 1500 to 10000",
          0.29 < at_1500 < at_10000 < 0.35)

low = lambda y: flow.test_loss(y) - 0.1
let_go = woken[0.5][2]
then = follow(without_rest, np.array([0, let_go]))[-1]
answered = {"free": first(flow, low, (0, 1e5), flow.start()),
            "let go": first(flow, low, (let_go, 1e5), then)}
print(f"random tokens answered: free at {answered['free']:.0f}; "
      f"w2 held until {let_go:.0f} and then let go: at {answered['let go']:.0f}")
run.claim("held at 0 until attention wakes, w₂ is late by less than 3% in the end",
          0 < answered["let go"] / answered["free"] - 1 < 0.03)

times = np.geomspace(60, 20000, 500)
states = {name: follow(hold(flow, np.array(mask)), times) for name, mask in still.items()}
dense = np.linspace(0, 1800, 600)

# %% [markdown]
# For q = 0.5 attention wakes at 1230 when free, at 10,506 without w₁, and at 1239
# without w₂. So w₁ alone brings it. Whether anything is written of the rest makes no
# difference until then. And without w₁ repetition does harm: without any repetition it
# is 5098, half as long, for now half of the samples teach the rest nothing.
#
# For q = 0.1 it is 3979, 5724 and 5617, for 3893, 5566 and 5447 foretold: each of the
# two is half of the matter, as by hand.
#
# With w₂ held for good attention wakes and stops at 0.30, with w₁ at 3.4: the repeated
# token is answered in full, and nobody else asks for more. From there on it only
# creeps, to 0.34 at t = 10,000. (Along s_r w₁ = 1 more attention means less noise of
# the other tokens, which is (1 − s_r)² w₁²/(d (T − 1)).)
#
# And w₂, held at 0 until attention is awake at 1239, and then let go? Random tokens are
# answered at 1511, for 1487 in the free run. All that w₂ learns on the plateau is worth
# 24 of 1487.
#
# ## 4. One law for all q
#
# As in lesson 07 we take the time until the loss is 0.1, here the loss on *random*
# tokens. If κ_q is all that counts, then all q and d lie on one line over 1/κ_q, on
# logarithmic axes. **Predict** its slope, and on which side of 1 it is.

# %%
def plateaus(flow):
    """For each run the time at which the loss on random tokens is 0.1."""
    found = ode.event(lambda t, y: flow.test_loss(y) - 0.1, terminal=True)
    how = dict(events=found, t_eval=[0.0], **precise)
    return ode.integrate(flow, (0, 1e8), flow.start(), **how).t_events[0]


sizes = 2.0 ** np.arange(4, 10)
q, d = (values.ravel() for values in np.meshgrid([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], sizes))
lengths = plateaus(ThreeNumbers(4096.0, d, q))
over = np.sqrt(d) * 4096 / np.sqrt(1 + q**2 * (d - 1))  # 1/κ_q
paper = np.sqrt(d) * 4096 / np.sqrt(q**2 * d + (1 - q) ** 2)
law, by_paper = (measure.fit_power_law(lengths, x=x) for x in (over, paper))
for name, found in (("1/κ_q", law), ("the paper's", by_paper)):
    print(f"over {name:<12}{found.C:.3f} x^{found.exponents['x']:.3f}, R² {found.r2:.4f}")
run.claim("one law holds for all q and d: 1/κ_q to the power of 0.983, R² above 0.999",
          law.r2 > 0.999 and abs(law.exponents["x"] - 0.983) < 0.002)

run.figure(draw.across(flow, dense, follow(flow, dense), times, states, over, lengths), "across")
listed = lambda found: ", ".join(f"{t:.0f}" for t in found)
run.compare([
    ("q = 0.5: e^Δ is 10, free, w1 held, w2 held", listed(foretold[0.5]), listed(woken[0.5])),
    ("q = 0.1: the same", listed(foretold[0.1]), listed(woken[0.1])),
    ("q = 0.5, w2 held: attention at 1500, 10000", None, f"{at_1500:.3f}, {at_10000:.3f}"),
    ("random tokens answered: free, w2 let go", None, listed(answered.values())),
    ("law over 1/κ_q: C and exponent", "1.25, 1; paper 2.15, 1.02",
     f"{law.C:.3g}, {law.exponents['x']:.3g}"),
    ("    R²; over the paper's root", "paper 0.992", f"{law.r2:.4f}; {by_paper.r2:.4f}"),
], before="foretold")
run.finish({"rtol": RTOL}, law=vars(law), woken=woken[0.5], answered=answered)

# %% [markdown]
# It is 1.53 x^0.983 with R² = 0.9992, for x = 1/κ_q. The slope is below 1. After the
# snap w₂ catches up, at the rate (1 − q)/d (lesson 07 had 1/d), and short plateaus feel
# that more. Judged by the time when attention is 1/2, the slope is 0.990 and R² 0.9998.
#
# Over the paper's root the same plateaus have x^0.991 and R² = 0.9957: nearer to 1, and
# five times as much of the spread is left.
#
# The paper has 2.15 x^1.02 here, with R² 0.992. At T = 4096, d = 64 and q = 0 this is
# 2.15 · 32768^1.02 = 86,700. Its own law of lesson 07 says 1.51 · 4096^0.99 · 64^0.49 =
# 43,700, and the flow 42,042. So the paper's two laws differ by a factor of 2 where
# both hold, and the flow sides with the first. Why is not known.
#
# In the figure, upper left: the mean square of the right token, direction by direction.
# Upper right: the free run. Lower left: attention in three runs, on a logarithmic axis.
# Lower right: all 36 plateaus on one line. (The two that stand out at the left are d =
# 512 at q = 0.4 and 0.5, where w₂ has most to catch up.)
#
# ## What was asked
#
# **What was asked.** Repetition in a share q of the samples shortens the plateau by
# √(1 + q² (d − 1)), for all tokens, the random ones too. For what is learnt from the
# repeated one is where to look, and that is the same for all.
#
# **Why.**
#
# - *One direction counts as much as many.* Derived: equal speeds of d directions add up
#   to √d of one, not to d.
# - *The repeated token brings attention.* Held: without w₁ attention wakes at 10,506,
#   without w₂ at 1239, free at 1230 (q = 0.5); 10,019, 1223 and 1214 were foretold.
# - *Full attention needs the others.* Held: without w₂ it stops at 0.30. Derived:
#   s_r w₁ = 1 is all that the repeated token asks for.
# - *The rest is learnt after.* Held: w₂ at 0 until then costs 24 of 1487.
#
# **What surprises in the picture.** Attention rises in two steps. On the first step it
# is a third, and w₁ has climbed to 3.3, three times what it will be at the end.
#
# ## Exercises
#
# 1. *(3 minutes, easy)* T = 512, d = 64, q = 0.3. How many times shorter than without
#    repetition is the plateau, by κ_q, and when does it end?
# 2. *(10 minutes, medium)* For which q is κ₁ = κ₂? What is it for d = 64, what is it
#    like for large d?
# 3. *(10 minutes, hard)* More repetition, earlier attention. Is the plateau on random
#    tokens shorter and shorter? Run `many = np.arange(0, 1, 0.05)` and
#    `plateaus(ThreeNumbers(512.0, 64.0, many))`. Explain what you see by the catching
#    up of w₂, whose speed at full attention is (1 − q)/d (√(d − 1) − w₂).

# %% [markdown]
# ## Answers
#
# 1. √(1 + 0.09 · 63) = 2.58 times; 5134/2.58 = 1988. The flow's loss on random tokens
#    is 0.1 at 2158.
# 2. q d + 1 − q = √(d − 1) (1 − q), so q = (√(d − 1) − 1)/(d + √(d − 1) − 1): 0.098 for
#    d = 64, and about 1/√d for large d. Very little repetition is enough.
# 3. No. It is shortest at q = 0.7, 1298, four times shorter than 5319, and at q = 0.95
#    it is 2998. After the snap w₂ catches up at the rate (1 − q)/d, which takes about
#    0.8 d/(1 − q): 171 at q = 0.7 and 1024 at 0.95. And at 0.95 attention itself waits
#    for w₂.
