# %% [markdown]
# # Plateau, then snap
#
# Where to look cannot be learnt before something is written; then it runs away.
#
# **Question.** A layer trains for thousands of steps, nothing happens, and then it
# learns within a few hundred. Why, and when?
#
# **You see** the plateau as a race of two numbers, its end in closed form, what is left
# of it when one of them is held still or is deaf to the other, and a real layer that
# follows it on random batches.
# **Takes** 30 seconds.

# %%
import itertools

import numpy as np

import lesson
from drawings import plateau_then_snap as draw
from tinyattn import measure, models, ode, optim, train
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.flows.population import population, stochastic
from tinyattn.hold import hold
from tinyattn.tasks import regression

run = lesson.start("06_plateau_then_snap")
TOKENS, WIDTH, SEEDS = (64, 32, 3) if run.quick else (256, 256, 5)  # of the layer under SGD

# %% [markdown]
# ## 1. One place among 512
#
# T tokens x_1, ..., x_T stand in a row. Each is a vector of d numbers, drawn at random
# with mean 0 and variance 1/d. The length of a vector, squared, is the sum of the
# squares of its numbers. Each of these squares is 1/d on average, so
#
#     |x_t|² = d · 1/d = 1        on average
#
# One place, r, is the right one, the same place in every sample. Wanted is the token
# that stands there, sent through a fixed matrix W*:
#
#     x_r W*
#
# W* is orthogonal: it turns a vector and keeps its length. So the square of what is
# wanted is 1 on average too.
#
# The layer is a head as in lesson 01, with two simplifications. Its scores are numbers
# of their own, one for each place, without queries and keys. Its values are x_t W.
#
#     s = softmax(a)        y = Σ_t s_t x_t W        L = |y − x_r W*|² / 2
#
# L is averaged over all samples. At the start W and all scores are 0. Then y is 0, and
# L is 1/2.
#
# The layer has to learn *where* to look, the scores, and *what* to write, the matrix W.
# That is T + d² numbers, 4608 for T = 512 and d = 64. Two numbers tell all of them:
#
# - All places but r are alike. Their scores are told the same and stay equal (lesson
#   04: equal stays equal). What matters is by how much the score of place r exceeds
#   them. Call that **Δ**. (What a number is *told*, or *hears*, is its own slope of the
#   loss. Descent moves it by nothing else.)
# - Random tokens prefer no direction. So W grows along W* and nowhere else. How far it
#   has come on that line, we call **w**.
#
# The second point is worth a look, step by step. Attention gathers tokens, and W is
# applied to what is gathered:
#
#     gathered = Σ_t s_t x_t        y = gathered W
#
# The entry of W in row i and column j enters y_j alone, with entry i of what is
# gathered. So its slope is that entry times (y − x_r W*)_j (dW = xᵀ dout of lesson 02).
# All entries at once, for one sample, and multiplied out:
#
#     ∂L/∂W = gatheredᵀ (y − x_r W*)
#           = gatheredᵀ gathered W − gatheredᵀ x_r W*
#
# Now the mean over all samples. Products of two different tokens have the mean 0, and
# x_tᵀ x_t is on average 1/d times the identity. Of gatheredᵀ gathered the squares are
# left, of gatheredᵀ x_r only token r:
#
#     mean of gatheredᵀ gathered W     Σ_t s_t² W / d
#     mean of gatheredᵀ x_r W*         s_r W* / d
#
#     −∂L/∂W = (s_r W* − Σ_t s_t² W) / d
#
# That is a number times W*, less a number times W. A matrix that starts at 0 and is
# moved in this way stays on the line through W*.
#
# As a vector of its d² entries W* has the length √d, for each of its d rows has the
# length 1. So W*/√d has length 1, and we write
#
#     W = w W* / √d
#
# Then w is the length of W itself. A step of W along the line changes w by just as
# much, and so descent on W is descent on w: dw/dt = −∂L/∂w. W is W* when w is √d, which
# is 8 for d = 64.
#
# ### What the layer writes, by hand
#
# Take T = 512, d = 64, w = 1 and Δ = 0.
#
#     attention on the right token              1/512
#     W is this share of W*                     1/8
#     so this share of the answer is written    1/512 · 1/8 = 1/4096
#     and the loss is                           (1 − 1/4096)² / 2 ≈ 1/2 − 1/4096
#
# (The other 511 tokens are written as well. What they write we call *noise*. It is
# small at first, and section 3 puts it in.)
#
# A step of w from 0 to 1 lowers the loss by 1/4096. So −∂L/∂w is 1/4096 there, and that
# is the speed with which w sets out. We call it κ (kappa). It sets the time of all that
# follows:
#
#     κ = 1 / (√d T)        for T = 512, d = 64:  1 / (8 · 512) = 1/4096
#
# ### Both speeds
#
# Now with any w, and with any attention s_r on the right token. The share of the answer
# that is written is s_r w/√d. What is missing, 1 − s_r w/√d, is nearly 1 as long as
# little is written.
#
#     L ≈ (1 − s_r w/√d)² / 2
#
#     −∂L/∂w   = (1 − s_r w/√d) s_r/√d   ≈ s_r/√d
#     −∂L/∂s_r = (1 − s_r w/√d) w/√d     ≈ w/√d
#
# Attention does not move by itself. It follows from Δ. The softmax has e^Δ for place r
# and 1 for each of the 511 others:
#
#     s_r = e^Δ / (e^Δ + 511)
#
# For Δ = 0 that is 1/512. For e^Δ = 10 it is 10/521, ten times as much to within 2%.
# While e^Δ is small beside 512, s_r is e^Δ/T.
#
# How s_r moves with its own score stands in lesson 01:
#
#     ∂s_r/∂Δ = s_r − s_r²   ≈ s_r
#
# Here only the score of place r moves. If all T scores move, the pulls on them sum to 0
# (lesson 01, exercise 2). So each of the T − 1 others falls by 1/(T − 1) of what place
# r rises by, and Δ grows 1 + 1/(T − 1) = T/(T − 1) times as fast. For T = 512 that is
# 0.2% more. Section 5 has it, the rest of this lesson leaves it out.
#
# The chain rule takes the pull on s_r to Δ:
#
#     −∂L/∂Δ = (−∂L/∂s_r) · ∂s_r/∂Δ   ≈ (w/√d) · s_r
#
# Descent is a flow (lesson 04): each number moves with minus its slope. Put s_r = e^Δ/T
# into both, and 1/(√d T) is κ:
#
#     dw/dt = s_r/√d     = κ e^Δ
#     dΔ/dt = w s_r/√d   = κ w e^Δ
#
# Three arrows are in these two lines.
#
#     (1)  w → Δ     the more is in W, the more looking is worth: the w in dΔ/dt
#     (2)  Δ → w     the more it looks, the more w hears: the e^Δ in dw/dt
#     (3)  Δ → Δ     the more it looks, the more a score moves: the e^Δ in dΔ/dt
#
# Where does the e^Δ of (3) come from? Before the signs ≈ it was
#
#     dΔ/dt = (w/√d) · (s_r − s_r²)
#
# and all of the e^Δ is in the second factor, ∂s_r/∂Δ. To cut (3) is to keep this factor
# at its first value, 1/512 − 1/512².
#
# (1) and (2) make a ring. So one may believe that the two numbers feed each other, that
# this takes long to get going, and that it is why all goes at once in the end. To see,
# section 4 cuts (2), then (2) and (3) together, and exercise 3 cuts (3) alone.
#
# ## 2. The race
#
# At t = 0 w is 0, and Δ cannot move: all values are 0, and so is da = s dy (v − y) of
# lesson 01. But w moves, with the speed κ. So this start is no saddle, as the plateau
# of lesson 04 was. Something moves from the first moment, and yet the loss does not.
#
# By hand, up to t = 2048, half of 1/κ. As long as e^Δ is about 1,
#
#     w = κ t                         = 1/2
#     dΔ/dt = κ w = κ² t
#     Δ = κ² t² / 2 = (1/2)² / 2      = 1/8
#
# **Predict.** Where is w at t = 4096, twice as far? And when are attention and loss
# half-way?

# %%
flow = TwoNumbers(512, 64)  # the whole flow, noise and all
precise = dict(rtol=1e-9, atol=1e-12)  # the error that a step may make


def follow(field, times, start=(0.0, 0.0)):
    """w and Δ at these times."""
    return ode.integrate(field, (0, times[-1]), np.array(start), t_eval=times, **precise).y


moments = np.array([0, 2048, 4096, 5000, 5292, 5400.0])
print("    t      w      Δ      e^Δ     s_r     loss")
for t, y in zip(moments, follow(flow, moments)):
    w, Delta = y
    s_r, loss = flow.attention(y), flow.loss(y)
    print(f"{t:5.0f} {w:6.2f} {Delta:6.2f} {np.exp(Delta):8.2f} {s_r:7.4f} {loss:8.5f}")

# %% [markdown]
# At t = 2048 w is 0.51 and Δ is 0.13: the hand was right. At t = 4096 w is 1.19, a
# little more than twice that, and e^Δ has only come to 2. The loss is still 0.4994.
#
# Attention is half-way at 5292, and the loss at 5296. At 5000, with nineteen twentieths
# of this time gone, attention was 1.3%, and the loss had lost 6 thousandths of its
# start. Then all of it goes at once.
#
# ### The end of the plateau in closed form
#
# Divide one speed by the other. The factor κ e^Δ cancels:
#
#     dΔ/dw = (κ w e^Δ) / (κ e^Δ) = w
#
# Both start at 0, so
#
#     Δ = w² / 2
#
# The table comes near: at t = 4096 w²/2 is 1.19²/2 = 0.71, and Δ is 0.76. (What the
# other tokens write slows w a little, and not Δ. Without that, by `both_quiet` of
# section 3, it is 0.81 and 0.81.) Put this into the speed of w, and bring all that has
# w to one side:
#
#     dw/dt = κ e^(w²/2)
#     κ dt = e^(−w²/2) dw
#
# Add up both sides, from the start to some w. (We write u for the w on the way.)
#
#     κ t = ∫ e^(−u²/2) du        from 0 to w
#
# The area under this bell stays finite, however far w goes. From 0 to infinity it is
# half of √(2π), which is √(π/2) = 1.2533. So w is infinite at the *finite* time
#
#     t = 1.2533 / κ = 1.2533 · 4096 = 5134
#
# An exponential such as e^t never becomes infinite. This does. Such an end of a plateau
# we call a **snap**.
#
# In truth nothing becomes infinite. When s_r w/√d comes to 1, nothing is missing any
# more, and everything stops. What is to be seen of a snap is how short its last part
# is. e^Δ is 10, attention ten times what it was at the start, when w²/2 = ln 10:
#
#     w = √(2 ln 10)                        = 2.146
#     κ t = ∫ e^(−u²/2) du from 0 to 2.146  = 1.2134
#     1.2134 / 1.2533                       = 0.97
#
# So for 97% of the time attention is less than ten times its start, and all the rest
# happens in the last 3%. (The area up to 2.146 is found by adding up thin strips.)
#
# Whether an end is a snap, its closed form says: e^Δ infinite at a finite time, or not.
# In a run one sees a short last part, from e^Δ = 10 to attention 1/2. In the runs of
# section 4 it is 4% to 12% of the time where attention snaps, and 42% in the one where
# it does not.
#
# ## 3. What the other tokens do
#
# The whole flow takes 5292 until attention is 1/2, and the closed form says 5134. What
# is missing? Also the other tokens are written. W is w/√d times a matrix that keeps
# lengths. So the square of x_t W is on average
#
#     |x_t W|² = w²/d · |x_t|² = w²/d
#
# Each of the other T − 1 tokens has its share of the attention that r leaves, and
# counts by it, squared:
#
#     (1 − s_r)/(T − 1)                                    attention on each of them
#     (1 − s_r)²/(T − 1)² · w²/d                           mean square of what it writes
#     (T − 1) · (1 − s_r)²/(T − 1)² · w²/d                 of all: they are independent
#
# In the loss half of this is added to what is missing of the right token:
#
#     L = (1 − s_r w/√d)² / 2 + (1 − s_r)² w² / (2 d (T − 1))
#
# This is exact, and `TwoNumbers` is its flow. While attention is small, (1 − s_r)² and
# T/(T − 1) are nearly 1, and the last term is w²/(2 d T). It pulls w back by w/(d T),
# which is κ w/√d:
#
#     dw/dt = κ e^Δ − κ w/√d = κ e^Δ (1 − w/(√d e^Δ))
#
# So the noise takes the share w/(√d e^Δ) of w's speed. With e^Δ = e^(w²/2) of section
# 2,
#
#     share = w e^(−w²/2) / √d
#     slope of it over w = (1 − w²) e^(−w²/2) / √d
#
# The slope is 0 at w = 1. There the share is largest:
#
#     at w = 1     e^(−1/2) / √d = 0.607 / 8        8%
#     at w = 2     2 · 0.135 / 8                    3%
#
# **Predict.** Let w not hear the other tokens. Is attention half-way nearer to 5134?
# And if Δ does not hear them either?
#
# The library's `hold` takes a flow and what to do to its slopes: a function (t, y,
# slope) that replaces them, as here, or a mask of the numbers that stand still, as in
# section 4.

# %%
def first(field, mark, start=(0.0, 0.0)):
    """The time at which mark(y) is first 0."""
    found = ode.event(lambda t, y: mark(y), terminal=True)
    return ode.integrate(field, (0, 1e5), np.array(start), events=found, **precise).first_times[0]


half = lambda y: flow.attention(y) - 0.5
low = lambda y: flow.loss(y) - 0.1  # the plateau is over when a fifth of the loss is left


def w_quiet(t, y, slope):  # the speed of w without the noise; that of Δ as it is
    w, s_r = y[0], flow.attention(y)
    missing = 1 - s_r * w / 8
    return np.array([missing * s_r / 8, slope[1]])


def both_quiet(t, y, slope):  # both without the noise
    w, s_r = y[0], flow.attention(y)
    missing = 1 - s_r * w / 8
    return np.array([missing * s_r / 8, missing * w / 8 * (s_r - s_r**2)])


closed_form = flow.snap_time  # √(π/2) / κ
free = {"attention": first(flow, half), "loss": first(flow, low)}
quiet = [first(hold(flow, deaf_to_it), half) for deaf_to_it in (w_quiet, both_quiet)]
print(f"closed form: {closed_form:.1f}")
print(f"whole flow: attention 1/2 at {free['attention']:.1f}, loss 0.1 at {free['loss']:.0f}")
print(f"w does not hear the noise: attention 1/2 at {quiet[0]:.1f}; neither does: {quiet[1]:.1f}")
run.claim("the loss is 0.1 at 5319.27, and the closed form foretells it within 5%",
          abs(free["loss"] / 5319.27 - 1) < 1e-4 and abs(closed_form / free["loss"] - 1) < 0.05)

# %% [markdown]
# It is: 5179. The closed form is early by 158.1, and noise on w is 112.5 of these. (It
# makes the wait 2.2% longer, while the share is 8% at its largest. Lesson 07 derives
# the 2%.) Noise on Δ takes 0.7 off: if neither hears it, it is 5179.9. That is still
# 46.3 later than 5133.6, and 112.5 − 0.7 + 46.3 = 158.1.
#
# The flow without noise and the closed form differ in two things. One is the mark. The
# closed form ends where e^Δ is infinite, the run where attention is 1/2:
#
#     e^Δ = 511                                 attention is 1/2
#     w = √(2 ln 511)                           = 3.532
#     area under the bell from 3.532 on         = 0.0005
#     0.0005/κ                                  = 2
#
# So by its mark the run is 2 earlier. The other difference is the signs ≈ of section 1.
# They must make up the rest: it is 48 later by them.
#
# ## 4. The arrows, one by one
#
# We *hold* one of the two numbers, as W_V in lesson 03: it is kept still while
# everything else goes on. Or we let it move, but cut an arrow. Each time is foretold
# before the run.
#
# *w held.* Give w a value at once, and keep it. Then only Δ moves, with dΔ/dt = κ w
# e^Δ. Look at e^(−Δ), which starts at 1:
#
#     d(e^(−Δ))/dt = −e^(−Δ) dΔ/dt = −κ w
#     e^(−Δ) = 1 − κ w t
#
# It is 0, and Δ infinite, at t = 1/(κ w). For w = 8, 4 and 1 this is 512, 1024, 4096.
#
# And e^Δ is 10, so that e^(−Δ) is 0.1, when 0.9 of that time is over.
#
# *Δ held at 0.* Attention stays even, s_r = 1/T, and only w moves. The two squares of w
# in the loss of section 3 make w²/(2 d) · (1/T² + (T − 1)/T²) = w²/(2 d T):
#
#     L = 1/2 − κ w + w² / (2 d T)
#
# Its lowest point is at w = κ d T = √d, where
#
#     L = 1/2 − 1/(2T)
#
# For T = 512 this is 0.4990. W is then W* itself, all there is to write has been
# learnt, and hardly any loss is gone.
#
# *w deaf.* Cut only arrow (2): w grows on, but does not hear that attention does. Then
#
#     w = κ t
#     d(e^(−Δ))/dt = −κ w = −κ² t
#     e^(−Δ) = 1 − κ² t² / 2
#
# which is 0 at κ t = √2, at t = 5793. It is 0.1 at κ t = √1.8, 95% of that.
#
# *(2) and (3) cut.* Let also Δ not hear that attention grows. Then
#
#     w = κ t        dΔ/dt = κ w = κ² t        Δ = κ² t² / 2
#
# This is finite at all times. e^Δ is 10 at κ t = 2.146, and 511, which is attention
# 1/2, at κ t = √(2 ln 511) = 3.532, at t = 14,466. The last part is 39% of it.
#
# **Predict.** In which of these runs is there a plateau, in which a snap, and in which
# does the loss fall?

# %%
w_still, delta_still = np.array([True, False]), np.array([False, True])


def deaf(t, y, slope):  # arrow (2) cut: w moves as if Δ were 0
    even = np.array([y[0], 0.0])
    return np.array([flow(t, even)[0], slope[1]])


def deaf_quiet(t, y, slope):  # and without the noise of the others
    return np.array([(1 - y[0] / 8 / 512) / 4096, slope[1]])


def steady(t, y, slope):  # arrow (3) cut: s_r − s_r², by which a score moves, as at Δ = 0
    s_r, s_0 = flow.attention(y), 1 / 512
    return np.array([slope[0], slope[1] * (s_0 - s_0**2) / (s_r - s_r**2)])


cut = hold(flow, deaf)
runs = {"free": (flow, 0.0)}  # the flow, and w at the start
runs |= {f"w held at {w:g}": (hold(flow, w_still), w) for w in (8.0, 4.0, 1.0)}
runs |= {"w deaf": (cut, 0.0), "(2), (3) cut": (hold(cut, steady), 0.0)}
foretold = dict(zip(runs, (5134, 512, 1024, 4096, 5793, 14466)))
ten = lambda y: y[1] - np.log(10)  # e^Δ is 10

halves = {}
print("                e^Δ is 10   attention 1/2   foretold   last part")
for name, (field, w) in runs.items():
    begun, halves[name] = first(field, ten, (w, 0)), first(field, half, (w, 0))
    last = f"{1 - begun / halves[name]:9.1%}"
    print(f"{name:<13}{begun:12.0f}{halves[name]:16.0f}{foretold[name]:11}   {last}")

held = [halves[name] for name in ("w held at 8", "w held at 4", "w held at 1")]
at_8 = first(hold(flow, w_still), low, (8.0, 0))
lost = {name: first(runs[name][0], low) for name in ("w deaf", "(2), (3) cut")}
print(f"the loss is 0.1: w held at 8, {at_8:.0f};", *(f"{k}, {t:.0f};" for k, t in lost.items()))
no_noise = hold(flow, deaf_quiet)
without = {"w deaf": cut, "w deaf, without noise": no_noise}
without["(2), (3) cut, without noise"] = hold(no_noise, steady)
for name, field in without.items():
    there = first(field, half)
    w = follow(field, np.array([0, there]))[-1, 0]
    print(f"{name}: attention 1/2 at {there:.0f}, w is {w:.2f}, and κ t {there / 4096:.2f}")
alone = follow(hold(flow, delta_still), np.array([0, 5134, 20000.0]))
print("Δ held at 0: the loss at 5134 and 20000 is", flow.loss(alone)[1:].round(5))

run.claim("with w held at 8, 4 or 1 attention is 1/2 at 1/(κ w), within 5%",
          all(abs(found * w / 4096 - 1) < 0.05 for w, found in zip((8, 4, 1), held)))
run.claim("with Δ held at 0 the loss is above 0.499 at t = 20000", flow.loss(alone)[-1] > 0.499)

times, later = np.linspace(0, 5700, 571), np.geomspace(300, 30000, 600)
states = {name: follow(field, later, (w, 0.0)) for name, (field, w) in runs.items()}
states["Δ held at 0"] = follow(hold(flow, delta_still), later)
run.figure(draw.race(flow, times, follow(flow, times), later, states, foretold), "race",
           "Left: three arrows between what is written and where to look. Middle: both over "
           "time. Right: attention on the right token, free and with one part held still or "
           "one arrow cut.")

# %% [markdown]
# *w held:* attention is 1/2 at 531, 1054 and 4194, as foretold but for 2 to 4%. The
# last part, from e^Δ = 10 on, is 11 to 12% of the time. So a plateau and a snap, in
# each of the three, although nothing feeds w any more. With w = 8 the loss goes with
# attention, and is 0.1 at 533; with 4 or 1 it cannot, for at full attention it is still
# (1 − w/8)²/2, 0.125 or 0.383.
#
# *Δ held:* the loss is 0.49974 at 5134 and 0.4993 at 20,000. Alone w gets nowhere.
#
# *w deaf:* attention is 1/2 at 6043, only a seventh later than in the free run, and it
# snaps: the last part is 6%. But the loss comes to 0.1 only at 26,378, where in the
# free run it came 28 after attention. For w is at 1.35 of its 8 when attention comes,
# and goes on as slowly as before. By κ t it should be at 6043/4096 = 1.48. The noise
# slows it: without noise w is κ t again, and attention comes at 5864, when κ t is 1.43.
# That this is 71 after 5793 is left to the signs ≈ and the mark, as in section 3.
#
# *(2) and (3) cut:* attention lies near 0 here too, and rises in the end. But it takes
# its time: 10 times the start at 9216, 1/2 at 15,988. That last part is 42% of the
# time, where it is 4% in the free run. A plateau, but no snap. It is 1522 later than
# foretold. Noise on w is 1145 of that: without it attention comes at 14,843. The rest,
# 377, is left to the signs ≈ and the mark.
#
# In the figure the three arrows stand on the left. In the middle is the free run: w
# (its share of √d) climbs from the first moment, attention lies at 0 and then jumps. On
# the right is attention in six of the runs, on a logarithmic time axis; crosses mark
# the time that was foretold. The free curve ends at 0.96, the others that rise go on to
# 1, that with w held at 8 slowly: there s_r w/√d is nearly 1 soon, and little is left
# to pull.
#
# What became of the belief? The two do feed each other, but neither the wait nor the
# snap of attention needs that.
#
# - *The wait.* Δ is slow while κ w is small, by arrow (1). Some w is not enough to end
#   that, it takes a large one: held at 8, 4 and 1, w leaves a wait of 531, 1054, 4194.
# - *The snap of attention.* Arrow (3) is enough, attention's own. Without (2) and (3)
#   there is none. By (2) alone Δ runs away as well, but attention slows down long
#   before 1/2 (exercise 3).
# - *Arrow (2)*, from Δ back to w, shortens the wait by an eighth. Its work is after the
#   snap: it takes w, and with it the loss, along.
#
# ## 5. The real layer, on random batches
#
# Does a layer with all its parameters keep to two numbers? We train its T scores and
# its d x d matrix by *SGD*, stochastic (that is, random) gradient descent: a step of
# descent on a fresh random batch each time. The learning rate η is 1, so that the time
# η · steps is the number of steps. (The noise of section 3 is in the average over all
# samples already. What is new is the chance of which samples a batch has.)
#
# We choose T = d = 256. Then √d T is 16 · 256 = 4096, as it was for T = 512 and d = 64.
# So κ is the same, and so is the closed form.
#
# Two details. All T scores move now, so Δ is T/(T − 1) times as fast (section 1;
# `per_place` below). And a batch of 32 samples has 32 · T · d random numbers, which
# would take minutes to draw. The gradient needs only two combinations of them, of each
# sample the vectors Σ s_t x_t and x_r with what W makes of them. Their joint law is
# known exactly (its derivation stands in `flows/population.py`), and `stochastic` draws
# these. `population` is the exact loss of a layer, the average over all samples.
#
# **Predict.** Do 65,792 parameters on random batches keep to the curve of two numbers?
# How far apart are five runs with different draws?

# %%
two = TwoNumbers(TOKENS, WIDTH, per_place=True)
crossing = first(two, lambda y: two.loss(y) - 0.1)
turned = first(two, lambda y: two.attention(y) - 0.5)
print(f"the flow for {TOKENS}, {WIDTH}: attention 1/2 at {turned:.0f}, loss 0.1 at {crossing:.0f}")
task, layer = regression.draw_task(run.rng, TOKENS, WIDTH), models.ToyLayer(TOKENS, WIDTH)
start = {name: np.stack([x] * SEEDS).astype("float32")  # so many layers, side by side
         for name, x in layer.init().items()}


def on_a_batch(params, rng):  # in place of a batch: the generator to draw its gradient with
    da, dW = stochastic(task, rng, params["a"], params["W"], 32)
    return 0.0, {"a": da, "W": dW}  # the batch's loss is not needed: `look` has the exact one


def look(step, params):
    each = [{name: x[i] for name, x in params.items()} for i in range(SEEDS)]
    return {"loss of each": np.array([float(population(task, layer, one)[0]) for one in each])}


_, history = train.train(on_a_batch, start, itertools.repeat(run.rng), optim.SGD(1.0),
                         steps=int(1.15 * crossing), callbacks=[(20, look)], title="SGD")
steps, losses = history.steps("loss of each").astype(float), history["loss of each"]
path = follow(two, steps)
gap = float(np.abs(losses.mean(axis=1) - two.loss(path)).max() / 0.5)
crossings = measure.plateau_length(steps, losses, 0.1)
without_2 = halves["w deaf"], lost["w deaf"]
run.claim("SGD stays within 0.1 of the starting loss of the flow (quick: 0.25)",
          gap < (0.25 if run.quick else 0.1))

run.figure(draw.snap(two, path, steps, losses), "snap",
           "The loss of a layer under SGD, of the flow of two numbers and of the closed form: "
           "nothing, then everything.")
run.page(draw.page(), "drag_it")
listed = lambda found: ", ".join(f"{t:.0f}" for t in found)
run.compare([
    ("attention is 1/2, the loss is 0.1 at", f"{closed_form:.0f}", listed(free.values())),
    ("    by the linear flow of exercise 2", f"{flow.linearised_time(0.8):.0f}", None),
    ("attention is 1/2 with w held at 8, 4, 1", "512, 1024, 4096", listed(held)),
    ("loss at t = 20000 with Δ held at 0", "0.4990 or more", f"{flow.loss(alone)[-1]:.4f}"),
    ("w deaf: attention is 1/2, the loss is 0.1 at", "5793, -", listed(without_2)),
    ("SGD: the loss is 0.1 at", f"{crossing:.0f}",
     f"{crossings.min():.0f} to {crossings.max():.0f}"),
], before="foretold")
settings = dict(tokens=TOKENS, width=WIDTH, seeds=SEEDS, batch=32, lr=1.0)
found = dict(plateau=free["loss"], closed_form=closed_form, quiet=quiet, gap=gap)
run.finish(settings, **found, halves=halves, lost=lost, crossings=crossings)

# %% [markdown]
# They keep to it. With seed 0 five runs reach a loss of 0.1 from step 5413 to 5432; the
# flow of two numbers at 5419. The mean of the runs is never further from the flow than
# 1.3% of the starting loss. (Ten more, with seeds 1 and 2: from 5411 to 5434; 2.4% and
# 0.8%.) At this batch size and this learning rate, random batches neither end the
# plateau nor prolong it. Others were not run.
#
# In the figure the runs under SGD hide behind the flow, but for a thin blue fringe in
# the inset. The dashed curve is the closed form: to each w belong a Δ, w²/2, and a
# time, the area up to w divided by κ, and section 3 has the loss. It is drawn up to
# w = 3.2, and breaks off just before its end at 5134, the dotted line, 5% before 5419.
# Attention comes at 5256, and then w has still far to go, here to √d = 16.
#
# The page `drag_it.html`, beside the figures, has the same race to play with: drag T, d
# and the learning rate, and hold w as in section 4.
#
# ## What was asked
#
# **What was asked.** Why nothing for thousands of steps, then all at once, and when?
# The score of the right place moves in proportion to w, and w grows from 0 at the speed
# κ. When w is about 2, e^Δ is about 10, and multiplies both speeds; the rest needs no
# more than the last twentieth of the time. The end is at 1.2533/κ = 1.2533 √d T, a few
# percent early.
#
# **Why.**
#
# - *Δ waits for w.* Derived: while w is 0 all values are 0, and so is da. Held: w given
#   at once, it waits for 1/(κ w).
# - *w alone gets nowhere.* Derived: 1/2 − 1/(2T) at best. Held.
# - *Attention snaps by arrow (3), its own.* Derived: e^(−Δ) = 1 − κ w t. Held: it does
#   with w still and with w deaf; without (2) and (3) it does not. Without (3) alone
#   it begins to, and then creeps (exercise 3).
# - *Δ feeds w as well.* Held: without it attention comes a seventh later, and the loss
#   falls 21,000 later.
# - *The closed form is early.* Noise on w: held, 112.5 of 158. The mark: derived, −2.
#   The signs ≈: 48, which is what is left; nothing else differs.
#
# **What surprises in the picture.** At 5100, when 96% of the wait is over, the loss has
# lost 1%. It gives no warning; w does, from the first moment. And w ends above √d, at
# 1.04 of it. It stops where nothing is missing, where s_r w/√d is 1, and attention is
# at 0.96 by then: 1.04 · 0.96 = 1.
#
# ## Exercises
#
# 1. *(2 minutes, easy)* T is doubled. What becomes of the plateau? And if instead d is
#    four times as large?
# 2. *(10 minutes, medium)* Near the start e^Δ ≈ 1 + Δ. Put this into both speeds, and
#    leave out κ w Δ, the product of two small numbers: dw/dt = κ (1 + Δ), dΔ/dt = κ w.
#    Show that w = sinh κt and 1 + Δ = cosh κt solve this linear flow. The loss is
#    1/2 − κ (1 + Δ) w to first order. When is it 0.1?
# 3. *(15 minutes, hard)* Cut arrow (3) and keep the others: dw/dt = κ e^Δ, dΔ/dt = κ w.
#    Does Δ still become infinite at a finite time? (Take the derivative of the second,
#    and multiply it by dΔ/dt.) Then run the whole flow so, until the loss is 0.1 and
#    until attention is 1/2: `first(hold(flow, steady), low)` and the same with `half`.

# %% [markdown]
# ## Answers
#
# 1. In both cases κ is half as large and the plateau twice as long: 10,267.
# 2. cosh is the derivative of sinh, and sinh that of cosh, which gives both lines. The
#    loss is 1/2 − κ sinh κt · cosh κt = 1/2 − (κ/2) sinh 2κt, and 0.1 at
#    t = arcsinh(0.8/κ)/(2κ) = 17,997. That is more than three times too late: a linear
#    flow has exponentials and no snap.
# 3. Yes, later. d²Δ/dt² = κ² e^Δ. Times dΔ/dt and added up: (dΔ/dt)²/2 = κ² (e^Δ − 1).
#    So κ t = ∫ dΔ/√(2 (e^Δ − 1)). Take z² = e^Δ − 1. Then 2z dz = e^Δ dΔ, and
#    dΔ = 2z dz/(1 + z²), so that κ t = √2 ∫ dz/(1 + z²) = √2 atan z. For z to infinity
#    atan is π/2, κ t = 2.221 and t = 9099: infinite at a finite time, a snap. e^Δ is 10
#    at z = 3, and the last part, 1 − atan 3/(π/2), is 20% of the time.
#    In the whole flow e^Δ is 10 at 7460 and the loss 0.1 at 9154: there it is 19%. But
#    attention is only 0.26 then, and w 2.15 √d. By t = 10,000 attention is 0.37, w is
#    2.66 √d, and 0.372 · 2.66 = 0.99: hardly anything is missing, and little is left to
#    pull attention up. It creeps, and is 1/2 only at 47,532. So by arrow (2) alone the
#    loss snaps, and attention slows down between 0.26 and 0.37. Lesson 08 comes upon
#    such a state.
