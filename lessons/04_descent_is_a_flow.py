# %% [markdown]
# # Descent is a flow
#
# Here is the smallest network that shows nothing for long, and then learns all at once.
#
# **Question.** What does gradient descent follow, and why does it wait?
#
# **You see** one hill walked down in two ways, a place where nothing moves and nothing
# is solved, and how long a step may be. **Takes** 3 seconds.

# %%
import numpy as np

import lesson
from drawings import descent_is_a_flow as draw
from tinyattn import losses, measure, ode, optim, train

run = lesson.start("04_descent_is_a_flow")

# %% [markdown]
# ## 1. Two numbers and a target
#
# The smallest network with a hidden unit multiplies: the output is u v, and 1 is
# wanted. The loss, and the two slopes that lead down:
#
#     L(u, v) = (u v − 1)² / 2        −∂L/∂u = (1 − u v) v        −∂L/∂v = (1 − u v) u
#
# Start both at 0.1 and take a step of length 0.5 by hand: 1 − u v is 0.99, so each of
# them becomes 0.1 + 0.5 · 0.99 · 0.1 = 0.1495.

# %%
def downhill(t, y):
    u, v = y
    return (1 - u * v) * np.array([v, u])


walk = ode.integrate(downhill, (0, 10), [0.1, 0.1], method="euler", step=0.5)
print(walk.y[:5, 0])  # 0.1, 0.1495, 0.2226, ...

# %% [markdown]
# Equal stays equal: u and v are told the same and do the same. Remember it for heads.
#
# Shorter steps are more steps; in the limit a walk becomes a path on which u and v
# change all the time, at the speeds du/dt = (1 − u v) v and dv/dt = (1 − u v) u. This
# is the **gradient flow**. Descent with learning rate h looks at it at times h, 2h, 3h,
# ...: each of its steps goes straight on with the speed at the step's start, which is
# *Euler's method*. `losses.gradient_flow` makes the flow of any network from its loss,
# and the steps are the same to the last bit.

# %%
def loss(params, batch):
    u, v = params["u"], params["v"]
    return float((u * v - 1)[0] ** 2 / 2), {"u": (u * v - 1) * v, "v": (u * v - 1) * u}


start = {"u": np.array([0.1]), "v": np.array([0.1])}
trained, _ = train.train(loss, start, [None] * 20, optim.SGD(0.5), steps=20, title=None)
flow = losses.gradient_flow(loss, start, None)
by_euler = ode.integrate(flow, (0, 10), np.array([0.1, 0.1]), method="euler", step=0.5).y[-1]
run.claim("twenty steps of descent are twenty of Euler's method on the flow, to the last bit",
          trained["u"][0] == by_euler[0] and trained["v"][0] == by_euler[1])

# %% [markdown]
# **Predict.** From u = v = x the flow can be solved: z = 1/x² has dz/dt = −2 (z − 1),
# so x² = 1 / (1 + (1/x₀² − 1) e^(−2t)). Halve the step: how much nearer at t = 2?

# %%
exact = (1 + 99 * np.exp(-4.0)) ** -0.5  # at t = 2 from 0.1
counts, order = [32, 64, 128, 256], {}
for method in ("euler", "rk4"):
    walks = [ode.integrate(downhill, (0, 2), [0.1, 0.1], method=method, n_steps=n) for n in counts]
    errors = np.array([abs(walk.y[-1, 0] - exact) for walk in walks])
    order[method] = measure.fit_power_law(errors, h=2 / np.array(counts)).exponents["h"]
    print(method, errors)
run.claim("the error of Euler's method falls like h, that of RK4 like h⁴, within 0.1",
          abs(order["euler"] - 1) < 0.1 and abs(order["rk4"] - 4) < 0.1)

# %% [markdown]
# Euler's errors halve with the step: they go like h, and 1, the power of h, is its
# **order**. RK4 averages four slopes taken along the step: half the step, a sixteenth.
#
# ## 2. A saddle, and the wait
#
# At u = v = 0 nothing moves, and yet it is no minimum: the loss is 1/2. Near it u v is
# too small to matter, and what is left is du/dt = v, dv/dt = u. Along (1, 1) distances
# grow like e^t, along (1, −1) they shrink like e^(−t). Down one way and up the other: a
# **saddle**, and 1 is the **rate** at which it is left. From u = v = ε the way out,
# until u v = 1/2, takes ln(1/ε² − 1)/2 ≈ ln(1/ε): 4.605 for 0.01. **Predict** 0.0001.

# %%
half = ode.event(lambda t, y: y[0] * y[1] - 0.5, terminal=True)
waits, how = {}, dict(rtol=1e-9, atol=1e-13, events=half)
for eps in (1e-1, 1e-2, 1e-3, 1e-4):
    waits[eps] = ode.integrate(downhill, (0, 100), [eps, eps], **how).first_times[0]
    print(f"from {eps:g}: {waits[eps]:.4f}, ln(1/{eps:g}) = {np.log(1 / eps):.4f}")

# %% [markdown]
# Twice as long: a start k times nearer adds ln k, and at a saddle of rate λ, (ln k)/λ.
# This **plateau**, where the loss hardly falls, is a saddle being left.
#
# Exactly on (1, −1) the walk goes to 0 and stays, on paper and on the machine, which
# computes u and −v alike. Nudge v by 1e-16, half of it along (1, 1), and it leaves.

# %%
how = dict(method="rk4", step=0.1, events=half)
stays = ode.integrate(downhill, (0, 100), [0.1, -0.1], **how).y[-1]
leaves = ode.integrate(downhill, (0, 100), [0.1, -0.1 + 1e-16], **how).first_times[0]
print(f"stays: {stays}; nudged, it leaves at {leaves:.2f}; ln(2e16) = {np.log(2e16):.2f}")
run.claim("on (1, -1) a walk stays for ever, and a nudge of 1e-16 leaves within 0.1 of ln(2e16)",
          bool(np.abs(stays).max() < 1e-40) and abs(leaves - np.log(2e16)) < 0.1)

times = np.linspace(0, 12, 400)
follow = lambda start: ode.integrate(downhill, (0, 12), start, rtol=1e-8, t_eval=times).y
starts = {"from (0.1, 0.1)": [0.1, 0.1], "from (1.9, −0.8)": [1.9, -0.8], "on (1, −1)": [1.3, -1.3]}
growth = {eps: (times, follow([eps, eps])[:, 0]) for eps in (0.1, 0.01, 0.001)}
run.figure(draw.flow({name: follow(y) for name, y in starts.items()}, growth), "flow")
run.page(draw.page(), "drag_it")

# %% [markdown]
# ## 3. How long may a step be?
#
# At (1, 1) the second derivatives of L are [[1, 1], [1, 1]]: across the valley u v = 1,
# along (1, 1), distances shrink at rate 2; down its length, (1, −1), at rate 0, for all
# its points are minima. Euler multiplies a distance that shrinks at rate λ by 1 − h λ,
# which lies between −1 and 1 only while **h < 2/λ**, and that is 1 here. **Predict.**
# Learning rates 0.9, 1.0 and 1.1, from (1.1, 1.1): where do they end?

# %%
ends = {}
for h in (0.9, 1.0, 1.1):
    ends[h] = ode.integrate(downhill, (0, 400 * h), [1.1, 1.1], method="euler", step=h).y[-2:, 0]
    print(f"learning rate {h}: {ends[h].round(3)}")
hops = np.abs(np.sort(ends[1.1]) - [0.815, 1.116]).max() < 1e-3
run.claim("at 0.9 descent arrives; at 1.1 it hops between 0.815 and 1.116 for ever",
          bool(np.abs(ends[0.9] - 1).max() < 1e-6 and hops))
run.compare([
    ("first step from 0.1, by hand", "0.1495", f"{walk.y[1, 0]:.4f}"),
    ("order of Euler, of RK4", "1, 4", f"{order['euler']:.2f}, {order['rk4']:.2f}"),
    ("wait from 0.01: ln(100)", "4.605", f"{waits[1e-2]:.3f}"),
    ("nudged by 1e-16, it leaves at: ln(2e16)", "37.53", f"{leaves:.2f}"),
], before="on paper")
run.finish({"eps": list(waits)}, order=order, waits=list(waits.values()), nudged=leaves, ends=ends)

# %% [markdown]
# At 1.0 the factor is −1: it hops about (1, 1), and closes in ever more slowly.
#
# ## Exercises
#
# 1. Show that u² − v² never changes under the flow. Where does (2, 0.3) end?
# 2. RK4 multiplies a distance by 1 + z + z²/2 + z³/6 + z⁴/24 with z = −h λ. Check that
#    its longest stable step is 2.785/λ.
# 3. From (2, 0.3) even 0.9 flies off. Above which rate can it not end where flow does?

# %% [markdown]
# ## Answers
#
# 1. d(u²)/dt = 2 (1 − u v) u v = d(v²)/dt. With u v = 1 and u² − v² = 2² − 0.3² = 3.91,
#    u² = 4.15 and v² = 0.24.
# 2. At z = −2.785 it is 1.000, and beyond that larger.
# 3. The flow ends where u² + v² = 4.39, the rate across the valley, and 2/4.39 = 0.46.
#    Longer steps are thrown along it until it is wide enough: 0.6 ends at (1.29, 0.77),
#    where 2/(u² + v²) is 0.88. At 0.9 the first throws are too long.
