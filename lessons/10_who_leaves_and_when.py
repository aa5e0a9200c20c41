# %% [markdown]
# # Who leaves, and when
#
# The longer heads sit together, the more slowly they part.
#
# **Question.** Two heads differ by ε at the start. Which leaves the crowd, and when?
#
# **You see** the rate at which heads part fall while they wait; the wait grow with the
# square of ln(1/ε); the head that will leave, named long before. **Takes** 20 seconds.

# %%
import numpy as np

import lesson
from drawings import who_leaves_and_when as draw
from tinyattn import ode
from tinyattn.flows.factorization import target

run = lesson.start("10_who_leaves_and_when")
flow = target([3.0, 1.0], 2, "logits")  # two heads, two features: lesson 09
precise = dict(method="rk45", rtol=1e-6 if run.quick else 1e-9, atol=1e-14)
solved = ode.event(lambda t, y: flow.loss(y) - 0.25, terminal=True)

# %% [markdown]
# ## 1. A rate that falls
#
# Lesson 09 ended with waits of 88.5, 263.0 and 879.3 for ε = 1e-2, 1e-4 and 1e-8. At a
# fixed rate they would differ as 1 to 2, not 174 to 616. So it is not fixed.
#
# Both heads sit on feature 1, a *crowd*, each with the share δ of its attention left on
# position 2, where R still holds the whole of feature 2. Let head 1 write ν more of
# feature 2, with a₂ − a₁ larger by α; head 2 the opposite. Their sum, and with it R, is
# as before. To leading order in δ, α raises the attention on position 2 by δ α, and
# there is 1 to be had; ν pushes a₂ by δ ν and a₁ by −δ ν:
#
#     dν/dt = δ α        dα/dt = 2 δ ν        a saddle, with rate √2 δ
#
# A little attention must be left on position 2 for a head to find anything there. But
# the crowd goes on turning to position 1: dδ/dt = −8 δ³ (exercise 3), so δ = 1/(4√t),
# and the rate is 0.354/√t.
#
# **Predict.** From the rate over time to the wait: how does it grow with ln(1/ε)?

# %%
times = np.geomspace(20, 1000, 25)
path = ode.integrate(flow, (0, 1000), flow.start(2, 0.0), t_eval=times, **precise)
delta = flow.split(path.y)[1][:, 0, 1]
rates = np.array([flow.leading_mode(y)[0] for y in path.y])
error = float(np.abs(np.sqrt(2) * delta / rates - 1)[times > 100].max())
run.claim("from t = 100 on a difference grows at the rate √2 δ, within 10%", error < 0.1)

# %% [markdown]
# ## 2. The square of a logarithm
#
# At a changing rate a difference grows like e to the sum of the rates, so ε has become
# 1 when that sum is ln(1/ε), give or take a constant. The sum of 0.354/√t up to t is
# 0.354 · 2 √t = √(t/2). So √t grows like ln(1/ε), and t like its square:
#
#     t ≈ 2 (ln(1/ε) + C)²
#
# For 1e-8 that is 2 · 18.42² = 679; C = 2.55 makes it 879. Over powers of ten a square
# bends evenly: the difference of differences is 4 (ln 10)² = 21.2.

# %%
decades = np.arange(2, 8 if run.quick else 11)
starts = np.stack([flow.start(2, 0.0)] * len(decades))
starts[:, 1, 3] += 10.0**-decades  # head 2's score of position 2, all runs in one call
how = dict(events=solved, t_eval=[], **precise)
waits = ode.integrate(flow, (0, 1e4), starts, **how).t_events[0]
bends = np.diff(waits, 2)
fits = {power: np.polyval(np.polyfit(decades, waits, power), decades) for power in (1, 2)}
off = {power: float(np.abs(fit - waits).max()) for power, fit in fits.items()}
print("waits", waits.round(1), "\nbends", bends.round(2))
run.claim("the wait bends evenly in ln(1/ε): by 21.2 a decade, within 8%",
          bool(np.abs(bends / (4 * np.log(10) ** 2) - 1).max() < 0.08))

at = np.linspace(0, 600, 600)
three = ode.integrate(flow, (0, 600), starts[[0, 2, 4]], t_eval=at, **precise).y
attention = np.moveaxis(flow.split(three)[1][..., 0], 1, 0)
paths = dict(zip(("ε = 1e-2", "1e-4", "1e-6"), attention))
run.figure(draw.waits(at, paths, decades, waits, (fits[2], fits[1]), times, rates,
                      np.sqrt(2) * delta), "waits")
run.page(draw.page(at, paths), "player")

# %% [markdown]
# ## 3. Who
#
# Start the heads at random, 1e-6 apart. At t = 50, when they still agree to five
# digits, take the direction that grows fastest, with the sign of the motion so far.
# **Predict:** in which head does it raise feature 2?

# %%
named = 0
draws = run.rng.spawn(3 if run.quick else 20)
for rng in draws:
    y0 = flow.near_uniform(rng, 2, 1e-6)
    found = ode.integrate(flow, (0, 3000), y0, events=solved, t_eval=[50.0], **precise)
    _, motion = flow.leading_mode(found.y[0])
    leaver = found.y_events[0][0][:, 1].argmax()  # column 1: what is written of feature 2
    named += int(motion[:, 1].argmax() == leaver)
run.claim("the leading direction names the head that will write feature 2, from every start",
          named == len(draws))
run.compare([
    ("wait for ε = 1e-4, 1e-6 (C = 2.5)", "274, 532", f"{waits[2]:.1f}, {waits[4]:.1f}"),
    ("bend of the wait per decade", "21.2", f"{bends[0]:.2f} to {bends[-1]:.2f}"),
    ("a parabola misses by at most, a line by", None, f"{off[2]:.2g}, {off[1]:.3g}"),
    ("rate against √2 δ from t = 100 on: off by", 0, error),
    ("leavers named at t = 50", len(draws), named),
], before="on paper")
run.finish({"decades": decades, "starts": len(draws)}, waits=waits, rate_error=error, named=named)

# %% [markdown]
# ## Exercises
#
# 1. Which ε makes the heads wait until t = 10,000?
# 2. Four heads share feature 1, each writes 0.75 of its 3. How does the wait change?
# 3. With V at its best for s, V = G s / (2 |s|²), show that dδ/dt = −8 δ³.

# %% [markdown]
# ## Answers
#
# 1. √(10000/2) = 70.7 = ln(1/ε) + C; with C = 2.55, ε = e^(−68.2), about 2e-30.
# 2. Each is pulled to position 1 half as hard, so δ = 1/√(8 t) is √2 times as large,
#    and so is the rate. The wait halves, in the limit of small ε.
# 3. s = (1 − δ, δ), R₁₁ = 3δ², R₁₂ = −3δ, R₂₁ = −δ, R₂₂ = 1, V = (1.5, δ/2): Rᵀ V =
#    (4δ², −4δ), and da = s (RᵀV − s·RᵀV) = (4δ², −4δ²). The scores' difference falls by
#    8δ², and δ by δ times that.
