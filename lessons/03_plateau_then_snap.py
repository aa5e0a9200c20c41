# %%
"""Plateau, then snap: two numbers explain why attention wakes up all at once.

Question   A layer trains for thousands of steps, nothing happens, and then it learns within a few hundred. Why?
You see    the plateau as a race of two numbers; its end in closed form; what Euler's method, which is gradient
           descent, gets wrong at large steps; and the real layer under SGD following the curve.
Takes      20 seconds.
"""

import math

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import lesson, measure, models, ode, optim, plot
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.progress import progress_bar
from tinyattn.tasks import regression

THRESHOLD = 0.1  # the plateau lasts until the loss is below this, a fifth of its start
PAPER_T, PAPER_D, PAPER_PLATEAU = 512, 64, 5319.27
TOKENS, WIDTH, BATCH, RATE, SEEDS = 256, 256, 32, 1.0, 5

run = lesson.start("03_plateau_then_snap", __doc__)
if run.quick:
    TOKENS, WIDTH, SEEDS = 64, 32, 3

# %% [markdown]
# ## 1. Two numbers
#
# T tokens x_t are drawn; the target is W* x_r, r one fixed place. The layer is y = W sum_t softmax(a)_t x_t: it has to
# learn *where* to look (the scores a) and *what* to do with what it sees (the matrix W). By symmetry, W stays a
# multiple w of W*, and the scores differ by one number, Delta, between the relevant place and the rest. The library
# derives their flow:

# %%
print(lesson.derivation(TwoNumbers))


# %% [markdown]
# ## 2. Why a plateau, and when it ends
#
# At the start attention is spread over T tokens, so W sees the relevant one only at weight 1/T: w grows at the small
# rate lambda = 1/(sqrt(d) T). Attention gains nothing while w = 0, for then every value is 0: da = s dy (v - y) = 0.
# So w moves first, then w drives Delta, and Delta, through exp(Delta), drives w. On the plateau this loop reads
# dw/dt = lambda exp(Delta), dDelta/dt = lambda w exp(Delta); divide one by the other: Delta = w^2/2. Put that back:
# lambda t = integral of exp(-u^2/2) du. The integral from 0 to infinity is finite, so w runs away at the finite time
# **t = sqrt(pi/2) / lambda = 1.2533 sqrt(d) T**. That is the snap.


# %%
def falls_below(t, y):
    return flow.loss(y) - THRESHOLD


falls_below.terminal = True
flow = TwoNumbers(PAPER_T, PAPER_D)
exact = ode.integrate(flow, (0, 1e5), flow.start(), method="rk45", rtol=1e-9, atol=1e-12, events=falls_below)
plateau, closed_form, linear = float(exact.t_events[0]), flow.snap_time, float(flow.linearised_time(0.8))

# %% [markdown]
# ## 3. Descent is Euler's method
#
# Gradient descent with learning rate h is Euler's method with step h, bit for bit. Its error is of order h; RK4, four
# slopes a step, has order 4. Orders are measured on a problem whose answer is known, y' = -2 t y^2. Then both walk
# through the snap with steps so long that a dozen of them make the whole plateau: RK4 still finds its end, Euler comes
# late. Past it the loss is curved a hundred times more sharply, and steps that long are unstable for both.


# %%
def order(method, sizes):
    """Slope of the error at t = 2 of y' = -2 t y^2, y(0) = 1, against the number of steps."""
    errors = [abs(ode.integrate(lambda t, y: -2 * t * y * y, (0, 2), np.array(1.0), method=method, n_steps=n).y[-1] - 0.2)
              for n in sizes]  # fmt: skip
    return -measure.fit_power_law(errors, n=sizes).exponents["n"]


euler_order, rk4_order = order("euler", [64, 128, 256, 512, 1024]), order("rk4", [16, 32, 64, 128])
end = 1.25 * plateau
walks = {
    f"{method}, step {step}": ode.integrate(flow, (0, end), flow.start(), method=method, step=step)
    for method, step in [("euler", 400), ("euler", 100), ("euler", 25), ("rk4", 400)]
}
dense = ode.integrate(flow, (0, end), flow.start(), method="rk45", rtol=1e-9, atol=1e-12,
                      t_eval=np.linspace(0, end, 600))  # fmt: skip
small = flow.attention(dense.y) < 0.01  # where the closed form claims to hold
w_moves, s_moves = (float(dense.t[np.argmax(part > 0.1 * part.max())]) for part in (dense.y[:, 0], flow.attention(dense.y)))

# %% [markdown]
# ## 4. The real layer, with noise
#
# The same layer with all its parameters, T scores and a d x d matrix, trained by SGD on fresh batches. Time is the
# learning rate times the number of steps. Drawing T d numbers for every sample would take minutes; the gradient needs
# only two of their linear combinations, whose joint law is known exactly, and those are drawn instead.

# %%
print("\n" + lesson.derivation(regression.SingleLocation.stochastic))
real = TwoNumbers(TOKENS, WIDTH, per_place=True)
task = regression.draw_task(run.rng, TOKENS, WIDTH)
layer = models.ToyLayer(TOKENS, WIDTH)
steps, looks = int(1.15 * 1.05 * real.snap_time / RATE), []
params = {key: np.stack([value] * SEEDS).astype("float32") for key, value in layer.init().items()}
descent = optim.SGD(RATE)
state = descent.init(params)
with progress_bar(steps, "SGD, five seeds") as bar:
    for step in range(steps + 1):
        if step % 20 == 0:
            singles = [{key: value[r] for key, value in params.items()} for r in range(SEEDS)]
            looks.append([step * RATE, *(float(task.population(layer, one)[0]) for one in singles)])
        da, dW = task.stochastic(run.rng, params["a"], params["W"], BATCH)
        params, state = descent.step(params, {"a": da, "W": dW}, state)
        bar.update()
times, losses = np.array(looks)[:, 0], np.array(looks)[:, 1:]
predicted = ode.integrate(real, (0, times[-1]), real.start(), method="rk45", rtol=1e-9, atol=1e-12, t_eval=times)
flow_loss = real.loss(predicted.y)
sgd_gap = float(np.abs(losses.mean(axis=1) - flow_loss).max() / flow_loss[0])
crossings = measure.plateau_length(times, losses, THRESHOLD)
flow_crossing = float(measure.plateau_length(times, flow_loss, THRESHOLD))

# %%
fig, ((ax, numbers), (walk, noise)) = plt.subplots(2, 2, figsize=(12, 8))
ax.plot(dense.t, flow.loss(dense.y), color=plot.BLUE, lw=2.5, label="the flow")
w = np.linspace(0, 4.2, 400)
closed = np.stack([w, w * w / 2], axis=-1)
ax.plot(flow.time_at(w), flow.loss(closed), color=plot.VERMILION, ls="--", label="closed form of the plateau")
ax.plot(dense.t, flow.linearised_loss(dense.t), color=plot.GREEN, ls="-.", label="linear prediction")
ax.axvline(closed_form, color=plot.VERMILION, lw=1, ls=":")
ax.annotate(f"$\\sqrt{{\\pi/2}}/\\lambda$ = {closed_form:.0f}", (closed_form, 0.3), xytext=(-5, 0), ha="right",
            textcoords="offset points", color=plot.VERMILION)  # fmt: skip
plot.reference(ax, THRESHOLD, f"plateau ends: t = {plateau:.0f}")
ax.set(ylabel="loss", ylim=(0, 0.55), title=f"Plateau and snap (T = {PAPER_T}, d = {PAPER_D})")
ax.legend(loc="center left")
for part, colour, name in [(dense.y[:, 0] / math.sqrt(PAPER_D), plot.ORANGE, "weight w / sqrt(d)"),
                           (flow.attention(dense.y), plot.PURPLE, "attention on the relevant token")]:  # fmt: skip
    numbers.plot(dense.t, part, color=colour, lw=2, label=name)
numbers.set(ylim=(0, 1.1), ylabel="share of what is needed", title="The weight moves first; attention answers late, and at once")
numbers.legend(loc="upper left")
walk.plot(dense.t, flow.loss(dense.y), color="0.75", lw=6, label="the flow, adaptive steps")
for (name, solution), colour in zip(walks.items(), (plot.ORANGE, plot.GREEN, plot.BLUE, plot.VERMILION)):
    marker = dict(marker="o", ms=3) if "400" in name else {}
    walk.plot(solution.t, flow.loss(solution.y), color=colour, lw=1.2, label=name, **marker)
walk.set(ylabel="loss", ylim=(0, 0.55), title="Large steps: Euler, that is descent, comes late; past the snap both explode")
walk.legend(loc="lower left")
for r in range(SEEDS):
    noise.plot(times, losses[:, r], color=plot.SKY, lw=0.8, label="SGD, one seed" if r == 0 else None)
noise.plot(times, losses.mean(axis=1), color=plot.BLUE, lw=2, label=f"mean of {SEEDS} seeds")
noise.plot(times, flow_loss, color="k", ls="--", label="the flow of two numbers")
noise.set(ylabel="loss", ylim=(0, 0.55), title=f"{WIDTH * WIDTH + TOKENS:,} parameters under SGD (T = {TOKENS}, d = {WIDTH}, batch {BATCH})")
noise.legend(loc="lower left")
closer = noise.inset_axes((0.2, 0.38, 0.5, 0.45))
for r in range(SEEDS):
    closer.plot(times, losses[:, r], color=plot.SKY, lw=0.8)
closer.plot(times, flow_loss, color="k", ls="--")
closer.set(xlim=(0.95 * flow_crossing, 1.03 * flow_crossing), ylim=(0, 0.5), title="the snap, enlarged")
for each in (ax, numbers, walk, noise):
    each.set(xlabel="time (learning rate times steps)", xlim=(0, None))
for each in (ax, numbers, walk):
    each.set_xlim(0, end)
run.figure(fig, "plateau_then_snap")

# %%
run.compare(
    [
        (f"plateau, T = {PAPER_T}, d = {PAPER_D}", PAPER_PLATEAU, f"{plateau:.2f}"),
        ("closed form sqrt(pi/2) / lambda", "-", f"{closed_form:.1f}"),
        ("linear prediction of the same", "17997", f"{linear:.0f}"),
        ("order of Euler, of RK4", "1, 4", f"{euler_order:.2f}, {rk4_order:.2f}"),
        ("SGD: largest gap to the flow, share of the start", "0.055", f"{sgd_gap:.3f}"),
        ("SGD: crossing, and the flow's", "5420-5440, 5430", f"{crossings.min():.0f}-{crossings.max():.0f}, {flow_crossing:.0f}"),
    ],
    before="reference",
)
run.claim("the plateau lasts 5319.27", abs(plateau / PAPER_PLATEAU - 1) < 1e-4)
run.claim("the closed form foretells it within 5%", abs(closed_form / plateau - 1) < 0.05)
run.claim("the linear prediction is late by a factor of more than 3", linear > 3 * plateau)
run.claim("Euler has order 1 and RK4 order 4", abs(euler_order - 1) < 0.1 and abs(rk4_order - 4) < 0.1)
run.claim("the weight moves before attention does", w_moves < s_moves)
run.claim("SGD stays within 0.1 of the starting loss of the flow", sgd_gap < (0.25 if run.quick else 0.1))
run.exercise("the relevant token stands at B = 4 places, all scored by one shared number. How much shorter is the plateau?")
run.finish(plateau=plateau, closed_form=closed_form, linear=linear, euler_order=euler_order, rk4_order=rk4_order,
           sgd_gap=sgd_gap, sgd_crossings=crossings, flow_crossing=flow_crossing)  # fmt: skip

# %% [markdown]
# Answer: lambda = B / (sqrt(d) T), so four times. Had every place its own score, it would only be twice: lesson 04.
