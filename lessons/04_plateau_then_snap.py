# %% [markdown]
# # Plateau, then snap
#
# Two numbers explain why attention wakes up all at once.
#
# **Question.** A layer trains for thousands of steps, nothing happens, and then it
# learns within a few hundred. Why?
#
# **You see** the plateau as a race of two numbers; its end in closed form; what Euler's
# method, which is gradient descent, gets wrong at large steps; and the real layer under
# SGD following the curve.
#
# **Takes** 25 seconds.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import lesson, measure, models, ode, optim, plot
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.progress import progress_bar
from tinyattn.tasks import regression

THRESHOLD = 0.1  # the plateau lasts until the loss is below this, a fifth of its start
TOY_T, TOY_D, TOY_PLATEAU = 512, 64, 5319.27  # SciPy's DOP853 and Radau agree on it
TOKENS, WIDTH, BATCH, RATE, SEEDS = 256, 256, 32, 1.0, 5

run = lesson.start("04_plateau_then_snap")
if run.quick:
    TOKENS, WIDTH, SEEDS = 64, 32, 3

# %% [markdown]
# ## 1. Two numbers
#
# T tokens x_t are drawn; the target is W* x_r, r one fixed place. The layer is y = W
# sum_t softmax(a)_t x_t: it has to learn *where* to look (the scores a) and *what* to
# do with what it sees (the matrix W). By symmetry, W stays on the line of W*, W = w
# W*/|W*|, and the scores differ by one number, Delta, between the relevant place and
# the rest. The library derives their flow:

# %%
print(lesson.derivation(TwoNumbers))


# %% [markdown]
# ## 2. Why a plateau, and when it ends
#
# At the start attention is spread over T tokens, so W sees the relevant one only at
# weight 1/T: w grows at the small rate lambda = 1/(sqrt(d) T). Attention gains nothing
# while w = 0, for then every value is 0: da = s dy (v - y) = 0. So w moves first, then
# w drives Delta, and Delta, through exp(Delta), drives w. On the plateau this loop
# reads dw/dt = lambda exp(Delta), dDelta/dt = lambda w exp(Delta); divide one by the
# other: Delta = w^2/2. Put that back: lambda t = integral of exp(-u^2/2) du. The
# integral from 0 to infinity is finite, so w runs away at the finite time **t =
# sqrt(pi/2) / lambda = 1.2533 sqrt(d) T**. That is the snap.

# %%
print("\n" + lesson.derivation(TwoNumbers.rate.fget))
flow = TwoNumbers(TOY_T, TOY_D)
falls_below = ode.event(lambda t, y: flow.loss(y) - THRESHOLD, terminal=True)
exact = ode.integrate(flow, (0, 1e5), flow.start(), method="rk45", rtol=1e-9, atol=1e-12, events=falls_below)
plateau, closed_form, linear = exact.first_times[0], flow.snap_time, float(flow.linearised_time(0.8))

# %% [markdown]
# ## 3. Descent is Euler's method
#
# Gradient descent with learning rate h is Euler's method with step h, bit for bit. Its
# error is of order h; RK4, four slopes a step, has order 4. Orders are measured on a
# problem whose answer is known, y' = -2 t y^2. Then both walk through the snap with
# steps so long that a dozen of them make the whole plateau: RK4 still finds its end,
# Euler comes late: a descent with a large learning rate waits longer, in its own time,
# than the flow says.


# %%
def order(method, sizes):
    """Slope of the error at t = 2 of y' = -2 t y^2, y(0) = 1, against the number of steps."""
    errors = [abs(ode.integrate(lambda t, y: -2 * t * y * y, (0, 2), np.array(1.0), method=method, n_steps=n).y[-1] - 0.2)
              for n in sizes]  # fmt: skip
    return -measure.fit_power_law(errors, n=sizes).exponents["n"]


euler_order, rk4_order = order("euler", [64, 128, 256, 512, 1024]), order("rk4", [16, 32, 64, 128])
flow = TwoNumbers(TOKENS, WIDTH, per_place=True)  # from here on the setting of the SGD runs below
snap, adaptive = flow.snap_time, dict(method="rk45", rtol=1e-9, atol=1e-12)
crossing = ode.integrate(flow, (0, 1e6), flow.start(), events=falls_below, **adaptive).first_times[0]
end = 1.25 * crossing
dense = ode.integrate(flow, (0, end), flow.start(), t_eval=np.linspace(0, end, 1200), **adaptive)
walks = {
    f"{name}, step {snap / n:.0f}": ode.integrate(flow, (0, end), flow.start(), method=method, step=snap / n)
    for name, method, n in [("Euler", "euler", 12), ("Euler", "euler", 50), ("RK4", "rk4", 12)]
}
parts = {
    "weight w / sqrt(d)": dense.y[:, 0] / math.sqrt(WIDTH),
    "attention on the relevant token": flow.attention(dense.y),
}
early = (dense.t > 0.02 * snap) & (dense.t < 0.2 * snap)
onsets = [measure.fit_power_law(number[early], t=dense.t[early]).exponents["t"] for number in dense.y.T]  # of w, of Delta

fractions = 2.0 ** np.arange(-10, -3)
late = {
    method: [abs(ode.integrate(flow, (0, end), flow.start(), method=method, step=f * snap, events=falls_below)
                       .first_times[0] - crossing) / crossing for f in fractions]
    for method in ("euler", "rk4")
}  # fmt: skip

# %% [markdown]
# ## 4. The real layer, with noise
#
# The same layer with all its parameters, T scores and a d x d matrix, trained by SGD on
# fresh batches. Time is the learning rate times the number of steps. Drawing T d
# numbers for every sample would take minutes; the gradient needs only two of their
# linear combinations, whose joint law is known exactly, and those are drawn instead.

# %%
print("\n" + lesson.derivation(regression.SingleLocation.stochastic))
task = regression.draw_task(run.rng, TOKENS, WIDTH)
layer = models.ToyLayer(TOKENS, WIDTH)
steps, looks = int(1.15 * crossing / RATE), []
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
flow_loss = flow.loss(ode.integrate(flow, (0, times[-1]), flow.start(), t_eval=times, **adaptive).y)
sgd_gap = float(np.abs(losses.mean(axis=1) - flow_loss).max() / flow_loss[0])
crossings = measure.plateau_length(times, losses, THRESHOLD)

# %%
fig = plt.figure(figsize=(12, 9))
grid = fig.add_gridspec(2, 2, height_ratios=(1.3, 1))
whole, numbers, orders = fig.add_subplot(grid[0, :]), fig.add_subplot(grid[1, 0]), fig.add_subplot(grid[1, 1])
closer = whole.inset_axes((0.3, 0.14, 0.42, 0.62))
w = np.linspace(0, 3.2, 400)
closed = np.stack([w, w * w / 2], axis=-1)
for ax in (whole, closer):
    for r in range(SEEDS):
        ax.plot(times, losses[:, r], color=plot.SKY, lw=1, label=f"SGD, {SEEDS} seeds" if r == 0 else None)
    ax.plot(dense.t, flow.loss(dense.y), color="k", lw=2, label="the flow of two numbers")
    ax.plot(flow.time_at(w), flow.loss(closed), color=plot.VERMILION, lw=2, ls="--", label="closed form of the plateau")
    ax.plot(dense.t, flow.linearised_loss(dense.t), color=plot.GREEN, lw=2, ls="-.", label="linear prediction")
    for (name, solution), colour, marker in zip(walks.items(), (plot.PURPLE, plot.ORANGE, plot.BLUE), ("o", "", "s")):
        ax.plot(solution.t, flow.loss(solution.y), color=colour, marker=marker, ms=4, lw=1, label=name)
    ax.axvline(snap, color=plot.VERMILION, lw=1, ls=":")
closer.annotate(f"$\\sqrt{{\\pi/2}}/\\lambda$ = {snap:.0f}", (snap, 0.05), xytext=(-4, 0), ha="right",
                textcoords="offset points", color=plot.VERMILION)  # fmt: skip
closer.set(xlim=(0.93 * snap, 1.17 * snap), ylim=(0, 0.52), title="the snap, enlarged")
whole.set(xlim=(0, end), ylim=(0, 0.55), xlabel="time (learning rate times steps)", ylabel="loss",
          title=f"Nothing, then everything: {WIDTH * WIDTH + TOKENS:,} parameters under SGD follow two numbers"
                f" (T = {TOKENS}, d = {WIDTH}, batch {BATCH})")  # fmt: skip
whole.legend(loc="center left")
for (name, part), colour in zip(parts.items(), (plot.ORANGE, plot.PURPLE)):
    numbers.plot(dense.t, part, color=colour, lw=2, label=name)
numbers.set(xlim=(0, end), ylim=(0, 1.15), xlabel="time (learning rate times steps)", ylabel="share of what is needed",
            title="The weight moves first; attention answers late, and at once")  # fmt: skip
numbers.legend(loc="upper left")
for method, colour, power in (("euler", plot.ORANGE, 1), ("rk4", plot.BLUE, 4)):
    orders.loglog(fractions, late[method], "o-", color=colour, label={"euler": "Euler (descent)", "rk4": "RK4"}[method])
    plot.slope(orders, fractions[:4], 2 * late[method][0], power, f"$h^{power}$")
orders.set(xlabel="step h, as a share of the plateau", ylabel="error of the snap's time, relative",
           title="How wrong a walk of large steps is")  # fmt: skip
orders.legend()
run.figure(fig, "plateau_then_snap")

# %%
run.compare(
    [
        (f"plateau, T = {TOY_T}, d = {TOY_D}", str(TOY_PLATEAU), f"{plateau:.2f}"),
        ("closed form sqrt(pi/2) / lambda", None, f"{closed_form:.1f}"),
        ("linear prediction of the same", "17997", f"{linear:.0f}"),
        ("order of Euler, of RK4", "1, 4", f"{euler_order:.2f}, {rk4_order:.2f}"),
        ("onset of w, of Delta: powers of t", "1, 2", f"{onsets[0]:.2f}, {onsets[1]:.2f}"),
        ("SGD: largest gap to the flow, share of the start", "0.055", f"{sgd_gap:.3f}"),
        (
            "SGD: crossing, and the flow's",
            "5420-5440, 5430",
            f"{crossings.min():.0f}-{crossings.max():.0f}, {crossing:.0f}",
        ),
    ],
    before="reference",
)
run.claim("the plateau lasts 5319.27", abs(plateau / TOY_PLATEAU - 1) < 1e-4)
run.claim("the closed form foretells it within 5%", abs(closed_form / plateau - 1) < 0.05)
run.claim("the linear prediction is late by a factor of more than 3", linear > 3 * plateau)
run.claim("Euler has order 1 and RK4 order 4", abs(euler_order - 1) < 0.1 and abs(rk4_order - 4) < 0.1)
run.claim("the weight moves before attention does: w starts like t, Delta like t^2",
          abs(onsets[0] - 1) < 0.1 and abs(onsets[1] - 2) < 0.1)  # fmt: skip
run.claim("sixteen steps to the plateau: RK4 finds its end within 3%, Euler is more than 10% late",
          late["rk4"][-1] < 0.03 and late["euler"][-1] > 0.1)  # fmt: skip
run.claim("SGD stays within 0.1 of the starting loss of the flow", sgd_gap < (0.25 if run.quick else 0.1))
run.exercise("the relevant token stands at B = 4 places, all scored by one shared number. How much shorter is the plateau?")
settings = dict(
    threshold=THRESHOLD, tokens=TOKENS, width=WIDTH, batch=BATCH, lr=RATE, seeds=SEEDS
)  # fmt: skip
run.finish(settings, plateau=plateau, closed_form=closed_form, linear=linear, euler_order=euler_order, rk4_order=rk4_order,
           sgd_gap=sgd_gap, sgd_crossings=crossings, flow_crossing=crossing)  # fmt: skip

# %% [markdown]
# Answer: lambda = B / (sqrt(d) T), so four times. Had every place its own score, it
# would only be twice: lesson 05.
