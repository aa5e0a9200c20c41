# %% [markdown]
# # Two heads compete
#
# Identical heads stay identical, and a difference of 1e-k decides who leaves and when.
#
# **Question.** Several heads read the same input and could share the work. Why do they
# all first learn the same thing?
#
# **You see** what several heads change in the gradient; heads that never part; how long
# others wait, which grows with the square of the logarithm of their first difference;
# and the rate that says when and who.
#
# **Takes** 20 seconds.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import lesson, ode, plot
from tinyattn.flows.factorization import Factorization, target
from tinyattn.progress import each

IMPORTANCES, TOKENS, HEADS = [2.89, 1.7, 1.0], 40, 3
DECADES = list(range(2, 11))  # heads that start 1e-2, ..., 1e-10 apart
CROWDS, LONG, STARTS = [2, 3, 4, 5], 1e4, 20

run = lesson.start("06_two_heads_compete")
if run.quick:
    DECADES, CROWDS, LONG, STARTS = list(range(2, 7)), [2, 3], 2e3, 5
tight = dict(method="rk45", rtol=1e-8, atol=1e-12)
flows = {geometry: target(IMPORTANCES, TOKENS, geometry) for geometry in ("simplex", "logits")}
simplex = flows["simplex"]
m1, m2, _ = IMPORTANCES

# %% [markdown]
# ## 1. What several heads change in the gradient
#
# One thing. The heads' outputs are added, so all of them are moved by one residual R:
# what they *together* leave over. Nothing in a head's gradient says which head it is.

# %%
print(lesson.derivation(Factorization))

# %% [markdown]
# ## 2. Identical heads stay identical
#
# Equal states have equal velocities, so they stay equal for ever: not nearly, but to
# the last bit, if every head is computed by the same operations. All approach the
# strongest feature and share it, V_j = m_1 e_1 / H, ever more slowly. What does a
# difference in the last bit do? It is a difference: the heads part, only later.

# %%
gap, share = 0.0, 0.0
for heads in each(CROWDS, "identical heads"):
    y = ode.integrate(simplex, (0, LONG), simplex.start(heads, 0.0), t_eval=[LONG], **tight).y[-1]
    V, _ = simplex.split(y)
    gap = max(gap, float(np.abs(y - y[0]).max()))
    share = max(share, float(np.abs(V - [m1 / heads, 0, 0]).max() / (m1 / heads)))

last_bit = simplex.start(HEADS, 0.0)
last_bit[1, simplex.width + 1] = np.nextafter(last_bit[1, simplex.width + 1], 1)
bit = ode.integrate(simplex, (0, LONG), last_bit, events=simplex.half_event(last_bit, 1, True), t_eval=[], **tight)
bit_leaves = bit.first_times[0]

# %% [markdown]
# ## 3. The rate at which they part
#
# From here on subscripts count features and positions, a prime is d/dt, and δ is what
# one head differs by from the mean of the heads. Differences sum to 0, so they leave R
# as it is, and each head follows its own; while they sit together on feature 1, with
# s_1 near 1, R holds m_2 on position 2 and to leading order in s_2
#
# - simplex: δV_2' = m_2 δs_2, δs_2' = s_2 m_2 δV_2, so the leading rate is **m_2
#   sqrt(s_2)**;
# - logits:  δV_2' = m_2 s_2 (δa_2 - δa_1), (δa_2 - δa_1)' = 2 s_2 m_2 δV_2, so it is
#   **sqrt(2) m_2 s_2**.
#
# The attention s_2 that is left on position 2 keeps falling, for all heads alike. With
# V at its optimum for s, V_1 = m_1/H and V_2 = m_2 s_2/H, its logarithm drifts by -c_2
# s_2 in the simplex form, where c_k = (m_1^2 - m_k^2)/H (m_k = 0 where no feature
# stands), so **s_2 = 1/(c_2 t)**. With logits the drift is -c_2 s_2^2 - sum_k c_k
# s_k^2, over all positions but the first; in the end all c_k s_k^2 are equal, 1/(2 T
# t), so **s_2 = 1/sqrt(2 T c_2 t)**. Both rates fall like 1/sqrt(t).


# %%
def identical_path(flow, end):
    """The path of identical heads, and along it the linear growth of a difference: states (time, 2, H, d + T)."""
    tilted = flow.start(HEADS, 1e-9) - flow.start(HEADS, 0.0)
    pair = np.stack([flow.start(HEADS, 0.0), (tilted - tilted.mean(axis=0)) / 1e-9])
    field = lambda t, y: np.stack([flow(t, y[0]), flow.tangent(y[0], y[1])])
    return ode.integrate(field, (0, end), pair, t_eval=np.linspace(0, end, 1500), **tight)


def leaving_times(flow, end):
    """When feature 2 is half learnt, for every first difference of `DECADES`, all runs in one call."""
    y0 = np.stack([flow.start(HEADS, 10.0**-k) for k in DECADES])
    return ode.integrate(flow, (0, end), y0, events=flow.half_event(y0, 1, True), t_eval=[], **tight).t_events[0]


leaves = {geometry: leaving_times(flow, 1e4) for geometry, flow in flows.items()}
paths = {geometry: identical_path(flow, 1.2 * leaves[geometry][-1]) for geometry, flow in flows.items()}
rates, expected, errors = {}, {}, {}
for geometry, flow in flows.items():
    y0 = flow.start(HEADS, 0.0)
    first = ode.integrate(flow, (0, 100), y0, events=flow.half_event(y0, 0, True), t_eval=[], **tight).first_times[0]
    path = paths[geometry]
    seen = np.flatnonzero((path.t > 2 * first) & (path.t < leaves[geometry][-1]))[:: 5 if run.quick else 15]
    s2 = flow.split(path.y[seen, 0])[1][:, 0, 1]
    measured = np.array([flow.leading_mode(path.y[i, 0])[0] for i in each(seen, f"rates, {geometry}")])
    foreseen = m2 * np.sqrt(s2) if geometry == "simplex" else math.sqrt(2) * m2 * s2
    rates[geometry], expected[geometry] = (path.t[seen], measured), foreseen
    errors[geometry] = float(np.abs(foreseen / measured - 1).max())

# %% [markdown]
# ## 4. Why the square of a logarithm
#
# A difference eps needs the integral of the rate to reach ln(1/eps). The integral of
# 1/sqrt(t) is 2 sqrt(t), so sqrt(t) grows like ln(1/eps), and in the limit **t =
# (m_1^2 - m_2^2) / (4 m_2^2 H) ln^2(1/eps)** in the simplex form, and T times that with
# logits. There the limit is far away: the c_k s_k^2 become equal like t^(-1/T), and t
# would have to be 1e60. Until then s_2 sqrt(t) stands up to 8% higher, and the waits
# are shorter.
#
# When exactly? Let u_j be the logarithm of head j's s_2 over that of the crowd. Beyond
# first order the δV_2 still sum to 0, as R damps their sum fast: one head's gain is the
# others' loss. With rate^2 taken out of time,
#
# - simplex: u_j' = m_2 δV_2, δV_2' = m_2 s_2 (e^(u_j) - mean of all e^(u_k)): **u_j'' =
#   e^(u_j) - mean e^(u_k)**;
# - logits:  u_j' = 2 m_2 s_2 e^(u_j) δV_2, same δV_2'. With w_j = 1 - e^(-u_j):
#   **w_j'' = 1/(1 - w_j) - mean 1/(1 - w_k)**.
#
# Small differences grow like e^time, and then run off to infinity in finite time, as in
# lesson 04. So there is one number e^C for the lead that *linear* growth has given a
# head when it in truth leaves. Nothing is fitted.


# %%
def leads(geometry):
    """u_j along the path of identical heads for eps = 1, by linear growth: (time, H)."""
    flow, path = flows[geometry], paths[geometry]
    common, change = path.y[:, 0, :, flow.width :], path.y[:, 1, :, flow.width :]
    return change[..., 1] / common[..., 1] if geometry == "simplex" else change[..., 1] - change[..., 0]


def runs_off(geometry, shares, small=1e-4):
    """C: leads start as small * shares * e^time, the leader's share 1, and become infinite at the time C - ln(small)."""

    def field(t, y):
        push = np.exp(y[0]) if geometry == "simplex" else 1 / (1 - y[0])
        return np.stack([y[1], push - push.mean()])

    far = ode.event(lambda t, y: y[0].max() - (30.0 if geometry == "simplex" else 1 - 1e-9), terminal=True)
    return ode.integrate(field, (0, 100), small * np.stack([shares, shares]), events=far, **tight).t[-1] + math.log(small)


predicted, fits, bends = {}, {}, {}
L = np.log(10.0) * np.array(DECADES)
for geometry in flows:
    grown = leads(geometry)[1:]
    C = runs_off(geometry, grown[-1] / grown[-1, 1])
    predicted[geometry] = np.interp(L + C, np.log(np.abs(grown[:, 1])), paths[geometry].t[1:], right=math.nan)
    spread = ((leaves[geometry] - leaves[geometry].mean()) ** 2).sum()
    fits[geometry] = {n: 1 - float(((np.polyval(np.polyfit(L, leaves[geometry], n), L) - leaves[geometry]) ** 2).sum()
                                   / spread) for n in (1, 2)}  # fmt: skip
    bends[geometry] = np.diff(leaves[geometry], 2)[1:]  # centred at 1e-4, 1e-5, ...
limit = (m1**2 - m2**2) / (4 * m2**2 * HEADS)
limits = {"simplex": 2 * math.log(10) ** 2 * limit, "logits": 2 * math.log(10) ** 2 * limit * TOKENS}

# %% [markdown]
# ## 5. Who leaves
#
# Start the heads at random, 1e-6 apart. Soon after they have gathered on feature 1,
# long before anything is to be seen, the Jacobian has its fastest directions there, H -
# 1 equal ones, and the part of the motion in them names a head.

# %%
right, nearest = 0, []
for rng in each(run.rng.spawn(STARTS), "starts"):
    y0 = simplex.near_uniform(rng, HEADS)
    event = simplex.half_event(y0, 1, True)
    solution = ode.integrate(simplex, (0, 1e3), y0, events=event, t_eval=[15.0], **tight)
    rate, motion = simplex.leading_mode(solution.y[0])
    nearest.append(float(np.abs(solution.y[0] - solution.y[0].mean(axis=0)).max()))
    right += int(motion[:, 1].argmax() == solution.y_events[0][0][:, 1].argmax())

# %%
fig, axes = plt.subplots(2, 2, figsize=(12, 8.4))
colours = {"simplex": plot.BLUE, "logits": plot.VERMILION}
for k, style in ((2, "-"), (6, "--"), (10, ":")):
    if k in DECADES:
        y0 = simplex.start(HEADS, 10.0**-k)
        times = np.linspace(0, 1.25 * leaves["simplex"][-1], 600)
        s = simplex.split(ode.integrate(simplex, (0, times[-1]), y0, t_eval=times, **tight).y)[1]
        for j, colour in enumerate((plot.BLUE, plot.ORANGE, plot.GREEN)):
            axes[0, 0].plot(times, s[:, j, 0], style, color=colour, lw=1.8,
                            label=f"head {j + 1}, first difference 1e-{k}" if j == 1 or k == 2 else None)  # fmt: skip
axes[0, 0].set(xlabel="time", ylabel="attention on position 1", ylim=(0, 1.22),
               title="Heads crowd on feature 1; then one lets go, the later the more alike")  # fmt: skip
axes[0, 0].legend(loc="upper right", ncols=2, fontsize=8)
for geometry, ax in (("simplex", axes[0, 1]), ("logits", axes[1, 1])):
    ax.plot(DECADES, leaves[geometry], "o", color=colours[geometry], ms=7, label="measured: feature 2 half learnt")
    ax.plot(DECADES, predicted[geometry], color="k", lw=1.5, label="predicted, nothing fitted")
    ax.plot(DECADES, np.polyval(np.polyfit(L, leaves[geometry], 1), L), ":", color="0.45", label="best straight line")
    form = "Simplex form" if geometry == "simplex" else "Softmax of logits"
    ax.set(
        xlabel="first difference of the heads",
        ylabel="time at which one leaves",
        title=f"{form}: the wait grows with the square of ln(1/eps)",
    )
    ax.set_xticks(DECADES, [f"1e-{k}" for k in DECADES])
    ax.legend(loc="upper left")
for geometry, (t, measured) in rates.items():
    axes[1, 0].loglog(t, measured, color=colours[geometry], lw=4, alpha=0.4, label=f"{geometry}: measured")
    name = "$m_2\\sqrt{s_2}$" if geometry == "simplex" else "$\\sqrt{2}\\,m_2 s_2$"
    axes[1, 0].loglog(t, expected[geometry], "--", color=colours[geometry], lw=1.5, label=f"{geometry}: {name}")
plot.slope(axes[1, 0], rates["logits"][0][[0, -1]], 0.7 * rates["logits"][1][0], -0.5, "$t^{-1/2}$")
axes[1, 0].set(xlabel="time, heads together", ylabel="leading rate of the Jacobian",
               title="While they sit together the rate at which they part keeps falling")  # fmt: skip
axes[1, 0].legend()
run.figure(fig, "two_heads_compete")

# %%
known = {"simplex": {2: 24.349, 4: 53.092, 6: 89.278, 8: 132.78}, "logits": {2: 77.262, 4: 368.33, 6: 902.30, 8: 1665.2}}
rows = [(f"{geometry}: leaving time, eps = 1e-{k}", known[geometry].get(k), float(t))
        for geometry in flows for k, t in zip(DECADES, leaves[geometry]) if k in known[geometry] or k == 10]  # fmt: skip
span = {geometry: f"{bends[geometry][0]:.4g} to {bends[geometry][-1]:.4g}" for geometry in flows}
run.compare(
    [
        *rows,
        ("simplex: second difference per decade, from 1e-4 on", "1.88 to 1.77", span["simplex"]),
        ("simplex: its limit", "1.67", limits["simplex"]),
        ("logits: second difference per decade, from 1e-4 on", "59.8 to 55.5", span["logits"]),
        ("logits: its limit, T times as large", None, limits["logits"]),
        ("leading rate: largest error of the formula", None, max(errors.values())),
        ("R2 of a straight line in ln(1/eps), of a parabola", None, f"{fits['simplex'][1]:.4f}, {fits['simplex'][2]:.7f}"),
        (f"gap of identical heads at t = {LONG:g}", "0", gap),
        ("leaving time after a difference in the last bit", None, bit_leaves),
        ("random starts: the leading direction names the leaver", None, f"{right} of {STARTS}"),
    ],
    before="reference",
)
late = {geometry: np.abs(predicted[geometry] / leaves[geometry] - 1)[2:] for geometry in flows}
run.claim("identical heads never differ, not in the last bit, and share feature 1 within 1%", gap == 0 and share < 0.01)
run.claim("heads that differ in one last bit part all the same", math.isfinite(bit_leaves))
run.claim("the leaving times of the table, within 0.1%",
          all(abs(t / known[g][k] - 1) < 1e-3 for g in flows for k, t in zip(DECADES, leaves[g]) if k in known[g]))  # fmt: skip
run.claim("the wait bends evenly: second differences are constant within 10%",
          all(bend.max() / bend.min() < 1.1 for bend in bends.values()))  # fmt: skip
run.claim("the leading rate is the formula's within 10% while the heads sit together", max(errors.values()) < 0.1)
run.claim("from 1e-4 on the prediction, nothing fitted, is right within 0.5% (simplex) and 5% (logits)",
          late["simplex"].max() < 0.005 and late["logits"].max() < 0.05)  # fmt: skip
run.claim("a parabola in ln(1/eps) fits better than a line", all(fit[2] > max(0.9999, fit[1]) for fit in fits.values()))
run.claim("the leading direction names the head that leaves, at every random start", right == STARTS)
run.exercise("six heads instead of three: how much earlier does the first one leave, in the limit of small differences?")
settings = dict(
    importances=IMPORTANCES, tokens=TOKENS, heads=HEADS, decades=DECADES, crowds=CROWDS, long=LONG,
    starts=STARTS
)  # fmt: skip
run.finish(
    settings,
    departure={g: {f"1e-{k}": t for k, t in zip(DECADES, leaves[g])} for g in flows},
    predicted={g: {f"1e-{k}": t for k, t in zip(DECADES, predicted[g])} for g in flows},
    quadratic_r2=min(fit[2] for fit in fits.values()),
    line_r2=max(fit[1] for fit in fits.values()),
    second_differences=bends,
    second_differences_limit=limits,
    identical_heads_gap=gap,
    identical_heads_share_error=share,
    last_bit_departure=bit_leaves,
    eigenvalue_error=max(errors.values()),
    leavers_named=[right, STARTS],
    difference_when_named=max(nearest),
)

# %% [markdown]
# Answer: it takes half the time. Each of six heads has half the value on feature 1, so
# each is pulled to position 1 half as hard, and twice the attention, s_2 = H /
# ((m_1^2 - m_2^2) t), is left on position 2. The rate is sqrt(2) times as large at
# every t, and as it falls like 1/sqrt(t), the wait halves.
