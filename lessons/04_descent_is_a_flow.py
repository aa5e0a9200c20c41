# %% [markdown]
# # Descent is a flow
#
# Descent follows a path, and near a saddle the path waits.
#
# **Question.** What does gradient descent follow, and why does it learn nothing for a
# long time and then everything at once?
#
# **You see** one hill walked down in short steps and in ever shorter ones; a place
# where nothing moves although nothing is solved; and how long one waits there, foretold
# from how near to it one starts. **Takes** 3 seconds.

# %%
import numpy as np

import lesson
from drawings import descent_is_a_flow as draw
from tinyattn import losses, ode, optim, train

run = lesson.start("04_descent_is_a_flow")

# %% [markdown]
# ## 1. Two numbers and a target
#
# Take the smallest network that has a layer inside. Its input is 1. The first layer
# multiplies it by u, the second by v.
#
#     1  ── times u ──>  u  ── times v ──>  u v        wanted: 1
#
# In lesson 01 v was a value. In this lesson and the next u and v are these two factors.
# Nobody needs a network to say 1. But this one is small enough to be understood whole,
# and what it does comes again with attention: what counts is a product.
#
# Start at u = v = 0.1. The output is 0.1 · 0.1 = 0.01, and 0.99 is missing. The loss is
# half the square of what is missing:
#
#     L = (u v − 1)² / 2        at the start: 0.99² / 2 = 0.490
#
# How does L change with u? It is half a square, so by the chain rule its derivative is
# what was squared, u v − 1, times the derivative of that. With v fixed, u v has the
# derivative v. So
#
#     ∂L/∂u = (u v − 1) v
#     ∂L/∂v = (u v − 1) u
#
# Descent goes the other way, against the slope:
#
#     −∂L/∂u = (1 − u v) v
#     −∂L/∂v = (1 − u v) u
#
# In words: each number is pulled by *what is missing, times the other number*. At the
# start that is 0.99 · 0.1 = 0.099, for u and for v.
#
# A step of descent moves each number by its pull times the *learning rate* η. With η =
# 0.5 the first two steps are, by hand,
#
#     0.1    + 0.5 · 0.99 · 0.1              = 0.1    + 0.0495 = 0.1495
#     0.1495 + 0.5 · (1 − 0.1495²) · 0.1495  = 0.1495 + 0.0731 = 0.2226
#
# The second step was longer than the first, as the other number had grown.
#
# **Predict.** Ten steps. Which of them is the longest, and is that the one in which the
# loss falls most?

# %%
def pull(u, v):
    missing = 1 - u * v
    return missing * v, missing * u


u, v = 0.1, 0.1
for step in range(10):
    pull_u, pull_v = pull(u, v)
    loss_here = (u * v - 1) ** 2 / 2
    print(f"step {step}: u = {u:.4f}, v = {v:.4f}, loss {loss_here:.4f}, "
          f"next step {0.5 * pull_u:.4f}")
    u = u + 0.5 * pull_u
    v = v + 0.5 * pull_v

# %% [markdown]
# Steps are counted from 0; the two by hand are steps 0 and 1. The longest is step 5:
# from 0.6587 it goes 0.1864. The loss falls most in step 4, from 0.300 to 0.160, by
# 0.140. In step 5 it falls by 0.119.
#
# How can the longer step earn less? A step lowers the loss by its length times the pull
# on its way, for u and for v. In step 4 the pull is 0.368 at the start, at most 0.385,
# and 0.373 at the end. In step 5 it is 0.373 at the start and 0.241 at the end, where
# little is missing.
#
# The first three steps lower the loss by only 0.012, 0.026 and 0.054. After step 7
# nothing is left to learn. So even here one sees a slow beginning, a fast middle and an
# end.
#
# Look also at the columns u and v. They start equal, they are pulled equally, and so
# they stay equal. *Equal stays equal.* In lesson 09 the same happens to two heads.
#
# ## 2. Shorter steps, and what they come to
#
# Take half the learning rate and twice as many steps. From 0.1, by hand:
#
#     one step of 0.5:     0.1     + 0.5  · 0.99 · 0.1                = 0.1495
#     two steps of 0.25:   0.1     + 0.25 · 0.99 · 0.1                = 0.12475
#                          0.12475 + 0.25 · (1 − 0.12475²) · 0.12475  = 0.15545
#
# The two short steps come farther. The second one looked again, at 0.12475, and found a
# stronger pull. The long step kept the pull of its start all the way.
#
# Now take 4 steps of 0.125, 8 of 0.0625, and so on. Learning rate times number of steps
# is 0.5 each time. Call this product the time t.
#
# In the code `ode.integrate` takes the steps. It is given the pull as a function of the
# time t and of y; from when to when; the start; and how many steps. In lesson 01 y was
# the output. For `integrate` it is the array of all numbers that move, here (u, v).
# This pull does not depend on t. What "euler" is comes in a moment.
#
# **Predict.** Do the ends run away, or do they come to some number?

# %%
def downhill(t, y):
    u, v = y
    return np.array(pull(u, v))


for n in (1, 2, 4, 8, 16, 32, 64):  # walk.y has a row per time, a column per number
    walk = ode.integrate(downhill, (0, 0.5), [0.1, 0.1], method="euler", n_steps=n)
    print(f"{n:2} steps of {0.5 / n:.5f}: u = {walk.y[-1, 0]:.5f}")

# %% [markdown]
# They come to a number near 0.1635. The last two doublings of the steps added 0.00057
# and 0.00029, each half of the one before. If it goes on like this, what is still to
# come is ½ + ¼ + ⅛ + … times the last, and that sum is 1. So 0.00029 is still to come,
# and 0.16318 + 0.00029 is 0.1635.
#
# In the limit of ever shorter steps a walk becomes a path. On it u and v change all the
# time, and the pull is their *speed*:
#
#     du/dt = (1 − u v) v
#     dv/dt = (1 − u v) u
#
# This is the **gradient flow**. It has no steps and no learning rate.
#
# And what does a step of descent do, seen from the flow? It reads the speed where the
# step starts, keeps it for a time h, and goes straight on:
#
#     u(t + h) ≈ u(t) + h · (speed of u at t)
#
# That is the oldest way to follow a flow, **Euler's method**, and h is its step. Put
# the speed in, and it is a step of descent with η = h. So *descent is Euler's method on
# the gradient flow*. This is no likeness but the same arithmetic, for any network and
# any loss.
#
# To see it on the machine, write the two numbers as a network: a function from
# parameters and a batch of data to the loss and its gradient. This network has no data,
# so it does not look at the batch. `train.train` descends on the loss. Its optimizer
# subtracts 0.5 times the gradient in each step and does nothing else; lesson 06 says
# what the three letters mean. `losses.gradient_flow` makes the flow from the same
# function. Both walk 4 steps of 0.5, from (0.1, 0.2), so that u and v differ.
#
# **Predict.** In how many of their 16 digits do the two ends agree?

# %%
def loss(params, batch):
    u, v = params["u"], params["v"]
    missing = 1 - u * v
    gradient = {"u": -missing * v, "v": -missing * u}
    return float(missing[0] ** 2 / 2), gradient


start = {"u": np.array([0.1]), "v": np.array([0.2])}
no_data = [None] * 4  # a batch for each step: this network needs none
# A second result, a record of the training, is not used; title=None: no progress bar.
trained, _ = train.train(loss, start, no_data, optim.SGD(0.5), steps=4, title=None)
flow = losses.gradient_flow(loss, start, None)  # None: no data here either
walk = ode.integrate(flow, (0, 2), np.array([0.1, 0.2]), method="euler", step=0.5)
print("descent:", trained["u"][0], trained["v"][0])
print("Euler:  ", *walk.y[-1])
run.claim("four steps of descent are four of Euler's method on the flow, to the last bit",
          trained["u"][0] == walk.y[-1, 0] and trained["v"][0] == walk.y[-1, 1])

# %% [markdown]
# In all of them. The same arithmetic gives the same bits.
#
# How far is descent from the flow? For that we need the flow itself. Where u = v = x it
# can be solved. The speed is
#
#     dx/dt = (1 − x²) x
#
# The trick is to find something whose speed is a number times itself. Here 1/x² does
# it, but for a 1. Its derivative by x is −2/x³, so
#
#     speed of 1/x² = −(2/x³) (1 − x²) x
#                   = −2 (1 − x²)/x²
#                   = −2 (1/x² − 1)
#
# The 1 does not move, so 1/x² − 1 has the same speed: −2 times itself. What has this
# property is e^(−2t), or a multiple of it, for the derivative of e^(−2t) is −2 e^(−2t).
# At the start x = 0.1, 1/x² = 100 and 1/x² − 1 = 99:
#
#     1/x² = 1 + 99 e^(−2t)
#
# At t = 0.5 this is 1 + 99 · 0.3679 = 37.42 and x = 0.1635, as the walks above said. At
# t = 2 it is 1 + 99 · 0.01832 = 2.813 and x = 0.5962.
#
# **Predict.** Halve the step. By how much does the distance to 0.5962 at t = 2 fall?

# %%
exact = (1 + 99 * np.exp(-4.0)) ** -0.5
for n in (8, 16, 32, 64, 128):
    walk = ode.integrate(downhill, (0, 2), [0.1, 0.1], method="euler", n_steps=n)
    print(f"step {2 / n:.4f}: too low by {exact - walk.y[-1, 0]:.4f}")

# %% [markdown]
# By half: 0.0642, 0.0325, 0.0163, 0.0082, 0.0041. On this path and up to t = 2, descent
# with a small learning rate stays near the flow, at a distance like η. So here the flow
# tells nearly what descent does. How long its steps may be is lesson 05.
#
# ## 3. What the flow keeps and descent loses
#
# Nearly, but not all. Look at u² − v². Under the flow
#
#     speed of u² = 2 u du/dt = 2 u (1 − u v) v
#     speed of v² = 2 v dv/dt = 2 v (1 − u v) u
#
# The right sides are equal. So u² − v² never changes: *the flow keeps it*.
#
# Now one step of descent, by hand. Start at (2, 0.3). Then u v = 0.6, so 0.4 is
# missing, and u² − v² = 4 − 0.09 = 3.91. With η = 0.5
#
#     u = 2   + 0.5 · 0.4 · 0.3 = 2.06
#     v = 0.3 + 0.5 · 0.4 · 2   = 0.7
#     u² − v² = 4.2436 − 0.49   = 3.7536
#
# It has lost a share of 0.04. In letters, for any u and v, with 1 − u v called missing:
#
#     (u + η missing v)² = u² + 2 η missing u v + η² missing² v²
#     (v + η missing u)² = v² + 2 η missing u v + η² missing² u²
#     difference         = (u² − v²) (1 − η² missing²)
#
# The middle terms cancel, as in the flow. The last ones do not. Here the factor is 1 −
# 0.25 · 0.16 = 0.96, and 3.91 · 0.96 = 3.7536.
#
# A flow can end only where both speeds are 0: where nothing is missing, or at (0, 0).
# At (0, 0) u² − v² would be 0, and it is kept at 3.91. So if the flow from here ends,
# it ends at u v = 1. With u² − v² = 3.91 this fixes the end, for v is 1/u, and the
# equation for u² is a quadratic one:
#
#     u² − 1/u² = 3.91        u² = (3.91 + √(3.91² + 4)) / 2 = 4.151
#
# so u = 2.0374 and v = 1/u = 0.4908.
#
# **Predict.** Descent with η = 0.1 and with η = 0.4: does it end at a larger u or at a
# smaller one?

# %%
kept = {}
for eta in (0.1, 0.4):
    end = ode.integrate(downhill, (0, 60), [2.0, 0.3], method="euler", step=eta).y[-1]
    kept[eta] = end[0] ** 2 - end[1] ** 2
    print(f"descent, learning rate {eta}: ends at {end.round(4)}, u² - v² = {kept[eta]:.4f}")
end = ode.integrate(downhill, (0, 60), [2.0, 0.3], rtol=1e-10, atol=1e-12).y[-1]
print(f"flow: ends at {end.round(4)}, u² - v² = {end[0] ** 2 - end[1] ** 2:.4f}")

# %% [markdown]
# At a smaller one, as u² − v² shrinks in every step: 2.0352 for η = 0.1, with 3.9005
# left of 3.91, and 1.9921 for η = 0.4, with 3.7164. Both reach u v = 1, near the flow's
# end but not at it.
#
# The last lines of the code follow the flow itself, and it does end there. Without a
# method `integrate` takes one that is far more exact than Euler's and chooses its own
# steps; rtol and atol say how exact. Lesson 05 opens it.
#
# ## 4. A place where nothing moves
#
# At u = v = 0 both pulls are 0: what is missing is 1, but the other number is 0.
# Nothing moves there. And nothing is solved: the loss is ½.
#
# Is it a minimum? Go 0.1 away, in two directions.
#
#     at (0.1,  0.1):   u v =  0.01    L = 0.99² / 2 = 0.490     lower than ½
#     at (0.1, −0.1):   u v = −0.01    L = 1.01² / 2 = 0.510     higher than ½
#
# Down along (1, 1), up along (1, −1). Such a place is a **saddle**: on a horse one sits
# at the lowest point from head to tail, and at the highest from left to right.
#
# How does one leave it? Add the two speeds, then subtract them:
#
#     speed of u + v = (1 − u v) v + (1 − u v) u =  (1 − u v) (u + v)
#     speed of u − v = (1 − u v) v − (1 − u v) u = −(1 − u v) (u − v)
#
# Each is pulled in proportion to itself. They share only the factor 1 − u v. Near the
# saddle u v is small beside 1, at u = v = 0.1 a hundredth of it. Leave it out:
#
#     speed of u + v ≈  (u + v)
#     speed of u − v ≈ −(u − v)
#
# Now the sum and the difference do not mix at all. In section 2 the speed of a number
# was −2 times itself, and it went like e^(−2t). In the same way a number whose speed is
# λ times itself is e^(λt) times its start. This λ is a *growth rate*. It has a sign: 1
# for the sum, which grows like e^t; −1 for the difference, which shrinks like e^(−t).
#
#     direction      what lies along it     growth rate λ
#     (1,  1)        u + v                  +1    away
#     (1, −1)        u − v                  −1    towards
#
# The largest growth rate is the *rate* of the saddle, at which it is left. Here it is
# 1.
#
# An example. Start at (0.02, 0): the sum is 0.02 and so is the difference. At t = 2 the
# sum is 0.02 · 7.389 = 0.1478 and the difference 0.02 · 0.1353 = 0.0027. Half of their
# sum is u, half of their difference is v:
#
#     u = (0.1478 + 0.0027) / 2 = 0.0752
#     v = (0.1478 − 0.0027) / 2 = 0.0725
#
# Whoever starts with v = 0 soon has v nearly equal to u.
#
# **Predict.** The flow itself, with its 1 − u v: does it come to the same at t = 2?

# %%
# t_eval: the times to return
walk = ode.integrate(downhill, (0, 3), [0.02, 0.0], rtol=1e-9, atol=1e-12, t_eval=[1, 2, 3])
for t, (u, v) in zip(walk.t, walk.y):
    grown, shrunk = 0.02 * np.exp(t), 0.02 * np.exp(-t)
    print(f"t = {t:.0f}: flow ({u:.4f}, {v:.4f}), "
          f"near the saddle ({(grown + shrunk) / 2:.4f}, {(grown - shrunk) / 2:.4f})")

# %% [markdown]
# Nearly: (0.0751, 0.0723) for (0.0752, 0.0725). At t = 3 it is 0.197 for 0.201, 2%
# less. By then u v has grown to 0.04, so the sum grows at 0.96 instead of 1. But u v
# was less before: it grows like e^(2t), whose integral is half of itself. So what the
# growth has lost over the whole way is half of 0.04.
#
# ## 5. The wait
#
# Start at u = v = ε, on the way out. Half of the target, u v = ½, is reached when x is
# 0.7071. How long does that take? Section 2 has the path: 1/x² − 1 shrinks like
# e^(−2t), and it starts at 1/ε² − 1. At u v = x² = ½ it is 2 − 1 = 1:
#
#     (1/ε² − 1) e^(−2t) = 1
#     e^(2t) = 1/ε² − 1
#     t = ln(1/ε² − 1) / 2
#
# For a small ε the 1 is nothing beside 1/ε², and ln(1/ε²) is 2 ln(1/ε):
#
#     t ≈ ln(1/ε)
#
# For ε = 0.01 the wait is ln 100 = 4.605.
#
# Growth like e^t alone would reach 0.7071 at ln(1/ε) − 0.35, for ln 0.7071 is −0.35.
# Near the end 1 − u v slows it down, and that costs 0.35 again. For half of the target,
# where 1/x² − 1 is 1, the two cancel; for another share they do not.
#
# **Predict.** How long is it for ε = 0.0001, a hundred times nearer to the saddle?

# %%
# An event is a number that is watched; a terminal one ends the path where it is 0.
half = ode.event(lambda t, y: y[0] * y[1] - 0.5, terminal=True)
waits = {}
for eps in (1e-1, 1e-2, 1e-3, 1e-4):
    walk = ode.integrate(downhill, (0, 100), [eps, eps], rtol=1e-9, atol=1e-13, events=half)
    waits[eps] = walk.first_times[0]
    print(f"from {eps:g}: {waits[eps]:.4f}, and ln(1/{eps:g}) = {np.log(1 / eps):.4f}")
run.claim("the wait from ε, for four ε from 0.1 to 0.0001, is ln(1/ε) within 1%",
          all(abs(wait / np.log(1 / eps) - 1) < 0.01 for eps, wait in waits.items()))

# %% [markdown]
# 9.2103: only twice as long. Each time ε is ten times smaller the wait is longer by
# nearly ln 10 = 2.303. The reason is in the growth rate. Whoever starts ten times
# nearer has to grow tenfold first, and is then where the other one started. Growing
# tenfold at rate λ takes the time t with e^(λt) = 10. So
#
#     k times nearer to a saddle of rate λ:  (ln k)/λ later
#
# What does the loss do meanwhile? For ε = 0.0001, half of the wait is 4.6. By then u
# has grown a hundredfold, to 0.01, and u v to 0.0001: the loss is 0.4999. It has lost a
# 5000th of itself. Such a stretch, on which the loss hardly falls, is a **plateau**. It
# is not that nothing happens there. The two numbers are multiplied by e in every unit
# of time, from the start on. But the loss sees only their product. From u = v = 0.1,
# where it is a hundredth, it takes only 2.3 more until it is ½.
#
# This plateau is a saddle being left. Some plateaus are. Not all: in lesson 06 no place
# near the start has the speed 0, and there is a plateau all the same.
#
# ## 6. On the other line
#
# Now start exactly on (1, −1), at (0.1, −0.1). The sum u + v is 0 and its speed is (1 −
# u v) · 0 = 0. On paper it stays 0 for ever: the path runs down towards the saddle and
# never leaves the line. But a machine keeps about 16 digits of each number and rounds
# in every step. A sum of 1e-17 would be enough: at rate 1 it grows to 1 by t = 39.
#
# And if a sum of 1e-16 is put in by hand? At u = v = ε the sum is 2 ε, so ε is 0.5e-16.
# The difference, 0.2, soon shrinks away. On paper the wait is
#
#     ln(1/ε) = ln(2e16) = ln 2 + 16 ln 10 = 0.69 + 36.84 = 37.53
#
# The method in the code takes fixed steps, as Euler's does, but looks at the speed four
# times in each. Lesson 05 opens it.
#
# **Predict.** Does the machine's walk from (0.1, −0.1) leave the line before t = 100?

# %%
stays = ode.integrate(downhill, (0, 100), [0.1, -0.1], method="rk4", step=0.1).y
print(f"on the line, at t = 100: {stays[-1]}, largest |u + v| on the way: "
      f"{np.abs(stays.sum(axis=1)).max()}")
nudged = [0.1, -0.1 + 1e-16]
leaves = {}
for step in (0.05, 0.1, 0.2):
    walk = ode.integrate(downhill, (0, 100), nudged, method="rk4", step=step, events=half)
    leaves[step] = walk.first_times[0]
    print(f"nudged by 1e-16, step {step}: leaves at {leaves[step]:.2f}")
run.claim("on (1, -1) a walk stays for ever, u + v = 0 to the last bit; nudged, it leaves",
          bool(np.all(stays.sum(axis=1) == 0)) and bool(np.isfinite(list(leaves.values())).all()))

# %% [markdown]
# It does not leave. At t = 100 both numbers are 3.7e-45 in size, and u + v is exactly 0
# at every step. Here is why rounding does not help it: what is missing, 1 − u v, is one
# number and serves both. Then u moves by that number times v, and v by the same number
# times u. As u and v differ in sign only, so do the two products, and so do their
# rounded values, for rounding does not look at the sign. Each of the four looks does
# the same. The machine computes u and −v alike, to the bit.
#
# The nudged walk leaves, and near 37.53. But the three steps do not agree. Is it the
# rounding? Near 0.1 the machine's numbers lie 1.39e-17 apart, no longer small beside
# 1e-16: of the nudge it stores 7 · 1.39e-17 = 9.7e-17. To test it, *hold* the rounding
# off: walk with u + v and u − v as the two numbers, by their own speeds of section 4,
# from the same stored start. A sum of 9.7e-17 is then rounded to 16 of its own digits.
# Nothing else changes. Adding and subtracting are linear, so with exact numbers a step
# comes to the same place in either pair. If it is the rounding, the three steps leave
# together.
#
# **Predict.** If rounding is the cause, at which time do they leave now?

# %%
def sum_and_difference(t, y):
    total, difference = y
    missing = 1 - (total**2 - difference**2) / 4  # u v: a quarter of the squares' difference
    return np.array([missing * total, -missing * difference])


half_again = ode.event(lambda t, y: (y[0] ** 2 - y[1] ** 2) / 4 - 0.5, terminal=True)
stored = [nudged[0] + nudged[1], nudged[0] - nudged[1]]
print(f"u + v at the start, as it is stored: {stored[0]:.3g}; "
      f"ln(2 over that) = {np.log(2 / stored[0]):.2f}")
held = {}
for step in leaves:
    walk = ode.integrate(sum_and_difference, (0, 100), stored, method="rk4", step=step,
                         events=half_again)
    held[step] = walk.first_times[0]
    print(f"rounding held off, step {step}: leaves at {held[step]:.2f}; "
          f"free, u + v came to {np.exp(held[step] - leaves[step]):.2f} times as much")
run.claim("with rounding held off it leaves within 0.01 of ln(2/9.7e-17) for every step",
          all(abs(time - np.log(2 / stored[0])) < 0.01 for time in held.values()))

# %% [markdown]
# At 37.56 all three, where ln(2/9.7e-17) is. So it was the rounding: in the start and
# on the way. A sum larger by a factor c leaves ln c earlier, so the waits tell the
# factor, as printed: rounding on the way took 16% from the sum at step 0.05, added 9%
# at 0.1, and at 0.2 next to nothing, by luck (a guess). This is *held*, as in lesson
# 03: one thing was kept still, and the effect went.
#
# ## 7. The picture
#
# Blue is the direction (1, 1) and brown (1, −1), in every panel. Green are the two
# walks that start beside the line (1, −1). On the left, the loss along these two lines.
# In the middle, both numbers, seen from above: light is low, and the black lines are u
# v = 1, where the loss is 0, the *valley*. On the right, the loss over time: above from
# four starts u = v = ε, below from (0.1, −0.1) and nudged.

# %%
times = np.linspace(0, 12, 481)


def follow(start):
    return ode.integrate(downhill, (0, 12), start, rtol=1e-8, atol=1e-12, t_eval=times).y


def loss_on(path):
    return (path[:, 0] * path[:, 1] - 1) ** 2 / 2


paths = {"0.0001 beside it": follow([1.4, -1.3999]), "on (1, −1)": follow([1.4, -1.4]),
         "from (−1.5, −0.3)": follow([-1.5, -0.3])}
away = np.hypot(*paths["0.0001 beside it"].T)
near = times[away < 0.1]
print(f"the green path is within 0.1 of the saddle from t = {near[0]:.1f} to {near[-1]:.1f}, "
      f"nearest {away.min():.3f}")
losses_over_time = {eps: loss_on(follow([eps, eps])) for eps in waits}
walk = ode.integrate(downhill, (0, 45), nudged, method="rk4", step=0.1)
long_wait = {"stays": loss_on(stays[:451]), "nudged": loss_on(walk.y)}
run.figure(draw.flow(paths, times, losses_over_time, walk.t, long_wait), "flow",
           "Left: the loss along two lines through the saddle. Middle: paths of the flow in "
           "the plane of u and v. Right: the loss over time from starts nearer and nearer to "
           "the saddle.")
run.page(draw.page(), "drag_it")
text = lambda values: ", ".join(f"{value:.2f}" for value in values)
run.compare([
    ("first step from 0.1, by hand", "0.1495", f"{0.1 + 0.5 * pull(0.1, 0.1)[0]:.4f}"),
    ("from (2, 0.3): u² − v² where the flow ends", "3.91", f"{end[0] ** 2 - end[1] ** 2:.2f}"),
    ("wait from 0.01: ln(100)", "4.605", f"{waits[1e-2]:.3f}"),
    ("wait from 0.0001: ln(10000)", "9.210", f"{waits[1e-4]:.3f}"),
    ("nudged by 1e-16, steps 0.05, 0.1, 0.2: it leaves at", "37.53", text(leaves.values())),
    ("rounding held off: ln(2/9.7e-17)", "37.56", text(held.values())),
], before="on paper")
run.finish({"eps": list(waits)}, waits=list(waits.values()), kept=list(kept.values()),
           nudged=list(leaves.values()), held=list(held.values()))

# %% [markdown]
# Left: one line falls away on both sides of the saddle, the other rises on both.
# Middle: the brown path is exactly on (1, −1) and ends at the saddle. The green one
# starts 0.0001 beside that line, too little to be seen. It comes to 0.017 of the
# saddle, stays within 0.1 of it from t = 2.5 to 6.7 (nine of its dots lie in the ring
# of radius 0.1), turns into the other line, and goes to the valley. The grey one starts
# elsewhere and meets no saddle. Right, above: all four losses have the same shape, a
# plateau at ½ and then a fall, and each tenfold smaller start comes 2.3 later. The
# dots, where half of the target is reached, stand on the dotted lines that were drawn
# at ln(1/ε). Below: the brown loss comes to ½ and stays, the green one falls near 37.5.
#
# The page drag_it.html has the same plane. Drag the start, and change the learning rate
# η. What it says of the length of a step is lesson 05.
#
# **What was asked.** Descent follows the gradient flow, as near as its steps are short:
# at t = 2 it was 0.016 behind with η = 0.0625, and half of that with half the η. It
# waits where it starts or comes near a saddle. There its two numbers grow at the rate
# 1, however small they are, but the loss sees only their product, and that is small
# until nearly the end. From ε the wait is ln(1/ε): 4.605 from 0.01, 9.210 from 0.0001.
#
# **Why.** *That descent is Euler's method*: derived, and the same to the last bit.
# *That equal numbers stay equal, and u and −v too*: derived. *That descent moves u² −
# v² and the flow does not*: derived. *That a start k times nearer waits (ln k)/λ
# longer*: derived, and run for λ = 1. *That the nudged walks leave at times that depend
# on the step*: held, it is the rounding.
#
# **What surprises in the picture.** The green path stops almost where nothing is
# solved. And it takes very little to get out again: a nudge of 1e-16 was enough, and
# the wait was 37.5. The logarithm turns sixteen zeros into 37. If the wait went like
# 1/ε it would be 2e16.
#
# ## Exercises
#
# 1. (5 minutes, easy) Take one step of descent from (0.2, 0.1) with η = 0.5, by hand.
#    By which factor does u² − v² change, and what does section 3 say?
# 2. (10 minutes, medium) Let 2 be wanted: L = (u v − 2)²/2. What is the rate of the
#    saddle at 0? And how long is the wait from u = v = 0.01 until half is reached, u v
#    = 1?
# 3. (15 minutes, hard) There are two valleys, one with u and v positive and one with
#    both negative. Which starts lead to which? Where does the flow from (1.9, −0.8)
#    end?

# %% [markdown]
# ## Answers
#
# 1. u v = 0.02, so 0.98 is missing. u = 0.2 + 0.5 · 0.98 · 0.1 = 0.249 and v = 0.1 +
#    0.5 · 0.98 · 0.2 = 0.198. From 0.04 − 0.01 = 0.03, u² − v² has come to 0.062001 −
#    0.039204 = 0.022797. That is a factor of 0.7599, and 1 − 0.25 · 0.98² = 0.7599.
# 2. Near 0 what is missing is 2, so du/dt = 2 v and dv/dt = 2 u: the rate is 2. As in
#    section 2, the speed of 1/x² is −2 (2 − x²)/x² = −4 (1/x² − ½), so 1/x² − ½ shrinks
#    like e^(−4t). It starts at 10,000 − ½. At u v = x² = 1 it is 1 − ½ = ½, a factor of
#    19,999 less: t = ln(19999)/4 = 2.476. That is nearly (ln 10,000)/4 + (ln 2)/4 =
#    2.303 + 0.173. The first part is half of 4.605, as the rate is twice as large.
# 3. By section 4 the speed of u + v is (1 − u v) times u + v itself. So it never passes
#    0, and its sign decides: positive starts end where both are positive. From (1.9,
#    −0.8) the sum is 1.1. u² − v² = 3.61 − 0.64 = 2.97 is kept, so u² = (2.97 + √(2.97²
#    + 4))/2 = 3.275, and the end is (1.810, 0.553). Where u + v is exactly 0 it ends at
#    the saddle.
