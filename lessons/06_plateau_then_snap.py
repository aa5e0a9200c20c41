# %% [markdown]
# # Plateau, then snap
#
# Two numbers feed each other, and so attention wakes up all at once.
#
# **Question.** A layer trains for thousands of steps, nothing happens, and then it
# learns within a few hundred. Why, and when?
#
# **You see** the plateau as a race of two numbers, its end in closed form, and a real
# layer under SGD following the curve. **Takes** 30 seconds.

# %%
import itertools
import math

import numpy as np

import lesson
from drawings import plateau_then_snap as draw
from tinyattn import measure, models, ode, optim, train
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.flows.population import population, stochastic
from tinyattn.tasks import regression

run = lesson.start("06_plateau_then_snap")
TOKENS, WIDTH, SEEDS = (64, 32, 3) if run.quick else (256, 256, 5)  # of the layer under SGD

# %% [markdown]
# ## 1. Two numbers
#
# T tokens x_t, vectors of d numbers, are drawn at random. The answer is W* x_r: one
# fixed place r matters, and a fixed matrix W* is applied to what stands there. A layer
#
#     y = W Σ_t s_t x_t        s = softmax(a)
#
# has to learn *where* to look (the scores a) and *what* to do with what it sees (the
# matrix W). Everything else is alike by symmetry, so two numbers tell all: w, how far W
# has grown along W*, and Δ, by how much the score of place r exceeds the others.
#
# Say W = w W*/|W*|, with |W*| = √d, and attention α on place r: then the answer is
# missed by a share 1 − w α/√d, and the loss is L ≈ (1 − w α/√d)² / 2 (½ at the start).
# At first attention is even, and while it is small α = e^Δ/T. So −∂L/∂w ≈ α/√d and
# −∂L/∂Δ ≈ w α/√d. With
#
#     λ = 1/(√d T)        for T = 512, d = 64:  1/(8 · 512) = 1/4096
#
# for what w hears of the right token at the start,
#
#     dw/dt = λ e^Δ        dΔ/dt = λ w e^Δ
#
# Attention gains nothing while W is 0 (every value is 0, and so is da = s dy (v − y)),
# so w moves first. With w the pull on Δ begins, and e^Δ multiplies both speeds. By
# hand: at t = 2048, half of 1/λ, w is about λ t = 1/2, and Δ, pushed by λ w = λ² t, has
# come to (λ t)²/2 = 1/8.
#
# **Predict.** Divide one speed by the other, and say when this explodes.

# %%
flow = TwoNumbers(512, 64)
print("closed form:", flow.snap_time)

# %% [markdown]
# dΔ/dw = w, so Δ = w²/2. Put that back: λ dt = e^(−w²/2) dw, and
#
#     λ t = ∫ e^(−u²/2) du  from 0 to w
#
# The integral to infinity is √(π/2) = 1.2533, so w runs away at the *finite* time
# 1.2533/λ = 5134: a plateau, then a **snap**. 04's saddle was left like e^t; this is
# faster than any exponential. (The linear flow of exercise 3, dw/dt = λ (1 + Δ) and
# dΔ/dt = λ w, has lost 0.4 of its loss only at 17997.)
#
# Near the snap attention is no longer small, and the other tokens make noise. The whole
# flow, as the library derives it; the plateau is over when its loss is 0.1:

# %%
print(lesson.derivation(TwoNumbers))
precise = dict(method="rk45", rtol=1e-9, atol=1e-12)


def plateau(flow):
    """The time until the loss is 0.1, a fifth of its start."""
    low = ode.event(lambda t, y: flow.loss(y) - 0.1, terminal=True)
    return ode.integrate(flow, (0, 1e5), flow.start(), events=low, **precise).first_times[0]


length, closed_form, linear = plateau(flow), flow.snap_time, float(flow.linearised_time(0.8))
run.claim("the plateau lasts 5319.27; the closed form foretells it within 5%",
          abs(length / 5319.27 - 1) < 1e-4 and abs(closed_form / length - 1) < 0.05)
run.claim("the linear prediction is late by a factor of more than 3", linear > 3 * length)

# %% [markdown]
# ## 2. The real layer, with noise
#
# The same layer with all its parameters, T scores and a d x d matrix, trained by *SGD*
# (gradient descent on fresh random batches) with learning rate 1, so that time is the
# number of steps. Every place has its own score (`per_place`, lesson 07): for one place
# among many the same flow. Drawing T d numbers for every sample would take minutes; the
# gradient needs only two of their combinations, whose joint law is known exactly
# (`flows.population.stochastic`). **Predict:** do 65,792 parameters keep to the curve?

# %%
flow = TwoNumbers(TOKENS, WIDTH, per_place=True)
crossing = plateau(flow)
task, layer = regression.draw_task(run.rng, TOKENS, WIDTH), models.ToyLayer(TOKENS, WIDTH)
start = {name: np.stack([x] * SEEDS).astype("float32") for name, x in layer.init().items()}


def noisy(params, rng):
    da, dW = stochastic(task, rng, params["a"], params["W"], 32)
    return 0.0, {"a": da, "W": dW}


def look(step, params):
    each = [{name: x[i] for name, x in params.items()} for i in range(SEEDS)]
    return {"loss of each": np.array([float(population(task, layer, one)[0]) for one in each])}


_, history = train.train(noisy, start, itertools.repeat(run.rng), optim.SGD(1.0),
                         steps=int(1.15 * crossing), callbacks=[(20, look)], title="SGD")
times, losses = history.steps("loss of each").astype(float), history["loss of each"]
path = ode.integrate(flow, (0, times[-1]), flow.start(), t_eval=times, **precise)
gap = float(np.abs(losses.mean(axis=1) - flow.loss(path.y)).max() / 0.5)
crossings = measure.plateau_length(times, losses, 0.1)
run.claim("SGD stays within 0.1 of the starting loss of the flow (quick: 0.25)",
          gap < (0.25 if run.quick else 0.1))

shares = {"weight w/√d": path.y[:, 0] / math.sqrt(WIDTH),
          "attention on the right token": flow.attention(path.y)}
run.figure(draw.snap(flow, path, times, losses, shares), "snap")
run.page(draw.page(), "drag_it")
run.compare([
    ("plateau, T = 512, d = 64", 5319.27, length),
    ("closed form √(π/2)/λ", None, closed_form),
    ("linear prediction", 17997, linear),
    ("SGD: crossings", None, f"{crossings.min():.0f} to {crossings.max():.0f}"),
    ("    and the flow's", None, f"{crossing:.0f}"),
    ("SGD: largest gap to the flow, share of the start", 0.055, gap),
], before="reference")
settings = dict(tokens=TOKENS, width=WIDTH, seeds=SEEDS, batch=32, lr=1.0)
run.finish(settings, plateau=length, closed_form=closed_form, gap=gap, crossings=crossings)

# %% [markdown]
# They do: the mean of all runs stays within a few hundredths of the starting loss. (The
# reference figures are our own, computed once by other code.)
#
# ## Exercises
#
# 1. The relevant token stands at B = 4 places, all scored by one shared number. How
#    much shorter is the plateau?
# 2. Start with Δ = 1 instead of 0. How much shorter now?
# 3. Solve the linear flow, dw/dt = λ (1 + Δ), dΔ/dt = λ w. Why is its snap so late?

# %% [markdown]
# ## Answers
#
# 1. A share B/T of the even attention hears it: λ is 4 times as large, the plateau 4
#    times shorter. With a score for each place only twice: lesson 07.
# 2. Δ = 1 + w²/2, so both speeds gain a factor e: 5134/2.718 = 1889 (the whole flow:
#    1981, for 5319).
# 3. w = sinh(λt), Δ = cosh(λt) − 1: exponentials of rate λ, as at any saddle (here at w
#    = 0, Δ = −1). It holds while Δ < 1; beyond, e^Δ is what counts.
