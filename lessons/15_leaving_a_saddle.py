# %% [markdown]
# # Leaving a saddle
#
# Where a flow is slow it is nearly linear, and a linear flow can be foretold.
#
# **Question.** Between two stages of lesson 14 nothing seems to happen. What decides
# when it goes on, and in which direction? And when may one believe the computed path?
#
# **You see** each saddle left when foretold, and by the matrices in which its fastest
# direction lies; and two quantities that cannot change, which tell a wrong run.
# **Takes** 40 seconds.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads only slow down matrices so small

import numpy as np

import lesson
from drawings import leaving_a_saddle as draw
from tinyattn import ode
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.flows.stages import find_stages

run = lesson.start("15_leaving_a_saddle")
END, STEPS = (400.0, [0.4, 0.2]) if run.quick else (1000.0, [0.1, 0.05])

# %% [markdown]
# ## 1. The linear flow
#
# Lesson 04 near (0, 0): du/dt = v, dv/dt = u. The two numbers form a vector x, and the
# speed is a matrix times x, J = [[0, 1], [1, 0]]. Its *eigenvectors* (1, 1) and (1, −1)
# keep their direction; along them distances grow and shrink at the *eigenvalues* 1 and
# −1. That is what rates and directions of a saddle are. J is called the **Jacobian**:
# the derivatives of the speeds. Near any slow point let x be the distance from it, f
# the speed there, not quite 0, and e_k the eigenvectors, of length 1 (in a gradient
# flow J is symmetric, so they are orthogonal):
#
#     dx/dt = f + J x        x(t) = Σ_k (e^(λ_k t) − 1)/λ_k (e_k · f) e_k
#
# and the largest λ wins. For lesson 14's head x has 640 numbers, and two saddles have
# rates in closed form; c is ln π less its plain mean, Cov and Var weigh each token by
# π:
#
#     at 0:            |π| |π − 1/4| = 0.4595
#     condensed:       ρ |c| Cov(π, ln π) Var(π) / |π|⁵
#
# The second grows with ρ, and is 0 if all tokens are equally frequent. **Predict:**
# from a start ten times nearer to 0, how much later does focus come?

# %%
flow = FocusDilution(np.array([0.75, 0.19, 0.05, 0.01]), 0.5, 16)
start = flow.start(run.rng, 1e-3)
precise = dict(method="rk45", rtol=1e-8, atol=1e-10)
times = np.linspace(0, END, int(END) + 1)
stages = find_stages(flow, start, END, t_eval=times, **precise)
nearer = find_stages(flow, start / 10, 200.0, **precise)
later = np.log(10) * (1 / flow.origin_rate + 1 / flow.focus_rate)
measured = nearer.focus_t - stages.focus_t
at_condensed = flow.linearise(flow.condensed_point())
run.claim("the closed rate is the Jacobian's, and foretells the delay of focus within 2%",
          abs(at_condensed.rate / flow.focus_rate - 1) < 1e-8 and abs(later / measured - 1) < 0.02)

# %% [markdown]
# Each saddle is left ln(10)/λ later, 5.0 + 28.9 = 33.9 in all.
#
# ## 2. Foretold from each slow point
#
# Now look for the points where the path is slowest, take f and J there and nothing
# else, and ask when the linear flow is 0.3 away, and along which matrices. **Predict:**
# which of W0, W1, W_Q and W_K leave the saddle before focus? And the one after
# dilution?

# %%
path, waits, saddles = stages.path.y, np.linspace(0, 150, 301), []
for i in flow.slow_points(times, path):
    linear, moved = flow.linearise(path[i]), np.linalg.norm(path[i:] - path[i], axis=1)
    early = 0 < times[i] < stages.condensed_t  # where the start's decaying part has died out
    if early or moved.max() < 0.3:
        continue
    gone = int(np.argmax(moved > 0.3))
    saddles.append(dict(
        t=float(times[i]), rate=linear.rate, shares=linear.shares(),
        wait=float(np.interp(0.3, moved[: gone + 1], times[: gone + 1])),
        foreseen=linear.escape_time(0.3), moved=(times[: len(moved)], moved),
        predicted=np.linalg.norm(linear.displacement(waits), axis=1),
    ))
attention = [saddle["shares"]["W_Q"] + saddle["shares"]["W_K"] for saddle in saddles]
errors = [abs(saddle["foreseen"] / saddle["wait"] - 1) for saddle in saddles]
run.claim("condensation leaves in the embeddings, focus in attention, renewal in embeddings again",
          attention[0] < 0.1 and attention[1] > 0.9 and attention[2] < 0.1)
run.claim("the linear flow foretells when: within 2% at the first three, 8% later",
          max(errors[:3]) < 0.02 and max(errors) < 0.08)

# %% [markdown]
# ## 3. What cannot change, and what that says about steps
#
# Lesson 04, exercise 1: u² − v² never changes. Here two matrices do not:
#
#     W_Qᵀ W_Q − W_Kᵀ W_K        W0ᵀ W0 − W1 W1ᵀ − W_Q W_Qᵀ − W_K W_Kᵀ
#
# A walk of finite steps moves them, and their *drift* tells how wrong it is, with no
# exact solution at hand. It grows when the flow turns **stiff**: when some direction
# decays much faster than what one wants to see. RK4 stands rates up to 2.785/step,
# descent up to 2/(learning rate). **Predict:** which learning rate is too large at t =
# 1000?

# %%
def drift(y):
    """Largest change of an entry of the two matrices since the start."""
    pairs = zip(flow.conserved(y), flow.conserved(start))
    return max(float(np.abs(now - then).max()) for now, then in pairs)


walks = {f"RK4, step {step:g}": ode.integrate(flow, (0, END), start, step=step, t_eval=times)
         for step in STEPS}
walks["rk45, adaptive"] = stages.path
drifts = {name: (walk.t[1:], np.array([drift(y) for y in walk.y[1:]]))
          for name, walk in walks.items()}
coarse, fine, adaptive = (moved for _, moved in drifts.values())
fall = coarse[100] / fine[100]  # at t = 101, before it is stiff
looked = times[np.linspace(1, len(times) - 1, 12).astype(int)]
decay = np.array([-np.linalg.eigvalsh(flow.jacobian(path[int(t)]))[0] for t in looked])
late = run.quick or (fine[299] < 1e-9 and fine[-1] > 1e-3 > 1e-6 > adaptive[-1])
run.claim("half the step, a sixteenth of the drift" +
          ("" if run.quick else "; step 0.05 is exact at t = 300 and wrong at 1000"),
          abs(fall / 16 - 1) < 0.2 and late)
limits = {f"RK4, step {STEPS[1]:g}": 2.785 / STEPS[1], "descent, learning rate 0.1": 20.0}
run.figure(draw.leaving(saddles, waits, (looked, decay), limits, drifts), "leaving")

text = lambda values: ", ".join(f"{value:.3g}" for value in values)
measured_rates = [saddles[0]["rate"], at_condensed.rate]
foreseen, wait = ([saddle[name] for saddle in saddles] for name in ("foreseen", "wait"))
run.compare([
    ("rates at 0 and condensed", text([flow.origin_rate, flow.focus_rate]), text(measured_rates)),
    ("start ten times nearer: focus later by", f"{later:.2f}", f"{measured:.2f}"),
    ("waits at the slow points", text(foreseen), text(wait)),
    ("drift falls at half the step by", "16", f"{fall:.1f}"),
    (f"fastest decay at the start, at t = {END:g}", None, text(decay[[0, -1]])),
], before="predicted")
run.finish({"end": END, "steps": STEPS}, waits=wait, attention=attention, delay=measured,
           decay=decay[[0, -1]], drift=[coarse[-1], fine[-1], adaptive[-1]])

# %% [markdown]
# ## Exercises
#
# 1. Which learning rate does descent need at t = 1000, and which was enough at t = 100?
# 2. W_Qᵀ W_Q − W_Kᵀ W_K is conserved: show it from dW_Q/dt = −G W_K, dW_K/dt = −Gᵀ W_Q.
# 3. The rare tokens alike, but two are a share δ more and less frequent. At which rate
#    is the third saddle left?

# %% [markdown]
# ## Answers
#
# 1. Below 2/65 = 0.03; at t = 100 the fastest rate was 1.2, and 1.6 was enough. Methods
#    that solve an equation for the new point have no such limit: from t = 1000 to 3000
#    SciPy's BDF takes 222 steps, rk45 125,786. Up to 1000 rk45 is the faster one.
# 2. d(W_Qᵀ W_Q)/dt = −W_Kᵀ Gᵀ W_Q − W_Qᵀ G W_K, which is symmetric in the two, so it is
#    d(W_Kᵀ W_K)/dt as well.
# 3. 8.1e-4, 4.0e-4, 2.0e-4 for δ = 0.1, 0.05, 0.025: like δ. At δ = 0 it is stuck,
#    whatever the start (for these π and ρ; with π₀ = 0.5 alike tokens part by
#    themselves, at 3.6e-3).
