# %% [markdown]
# # Focus and dilution
#
# One head, four stages, again and again.
#
# **Question.** Attention focuses, blurs and focuses again, and the loss falls in steps.
# What drives the cycle?
#
# **You see** condensation, focus, dilution and renewal on one time axis; when each
# saddle is left, foretold from it; two matrices that cannot change, and what they say
# about the integrator's steps; and what frees a flow that is stuck.
#
# **Takes** 40 seconds.

# %%
import math
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded: threads only slow down matrices so small

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import lesson, measure, ode, plot
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.progress import each

PI, RHO, WIDTH, EPS, END = [0.75, 0.19, 0.05, 0.01], 0.5, 16, 1e-3, 1000.0
STEPS, DRIFT_END = [0.2, 0.1, 0.05], 300.0
DELTAS, RARE, LOOK, DISTANCE = [0.1, 0.05, 0.025, 0.0125], 0.25 / 3, 200.0, 0.3
FREQUENT, PERSISTENCE, REST = [0.4, 0.5, 0.6, 0.7, 0.8], [0.3, 0.5, 0.7, 0.8, 0.9], 4000.0
KNOWN = {  # by seed, from SciPy: condensed, 1 - cosine, norm of W_Q, focus, norm of embedding 1, renewal, loss at 200, 1000
    0: (14.009, 6.8e-7, 1.0007, 86.217, "0.4826, 0.004493, 94.54", 297.36, 0.63352, 0.56696),
    1: (13.177, 2.4e-6, 0.9993, 85.472, "0.4830, 0.005927, 93.80", 286.61, 0.63347, 0.56713),
}
KNOWN_RATES = {(0.5, 0.5): 3.6e-3, (0.6, 0.8): 2.9e-2, (0.4, 0.9): 3.7e-4}  # (pi_0, rho) where alike tokens part by themselves

run = lesson.start("10_focus_and_dilution")
if run.quick:
    END, STEPS, DRIFT_END, DELTAS, FREQUENT, PERSISTENCE = 400.0, [0.2, 0.1], 100.0, [0.1, 0.05], [0.4, 0.7], [0.5, 0.9]
tight = dict(method="rk45", rtol=1e-8, atol=1e-10)
flow = FocusDilution(np.array(PI), RHO, WIDTH)
start = flow.start(run.rng, EPS)

# %% [markdown]
# ## 1. The flow
#
# A token comes again with probability rho, else a fresh one is drawn from pi. One head
# reads the sequence and predicts the token after the last. Embeddings, scores and
# readout share the matrix W0: that is why attention and embeddings push each other.

# %%
print(lesson.derivation(FocusDilution))


# %% [markdown]
# ## 2. The four stages
#
# 1. **Condensation.** At 0 the scores have no gradient and the readout's has rank one,
#    pi (1/d - pi)^T: W0 and W1 become rank one, W0 along pi, at the rate |pi| |pi -
#    1/d|. The network predicts pi whatever it sees.
# 2. **Focus.** On that ray a second saddle waits whose unstable directions lie in W_Q
#    and W_K alone. All turn to the frequent token, itself most of all.
# 3. **Dilution.** The frequent token's embedding says "I come again", which is wrong
#    after a rare one. So the rare tokens' embeddings shrink, pass through zero and grow
#    the other way, and with them their scores: the frequent token stays focused on
#    itself, but the rare ones turn away from it, and their attention spreads.
# 4. **Renewal.** The rare tokens differ a little. That opens a new direction of the
#    embeddings, and the next cycle starts: from t = 600 on token 1 focuses again, now
#    on itself.


# %%
times = np.unique(np.concatenate([np.linspace(0, END, 1001), np.geomspace(0.1, END, 300), [min(200.0, END), END]]))
stages = flow.stages(start, END, t_eval=times, progress="flow", **tight)
path = stages.path
condensed_t, focus_t, renewal_t = stages.condensed_t, stages.focus_t, stages.renewal_t
later_focus = flow.stages(flow.start(np.random.default_rng(run.options.seed), EPS / 10), 200.0, **tight).focus_t - focus_t

# %% [markdown]
# ## 3. The way out of each saddle, foretold
#
# Between two stages the flow is slow: it passes near a critical point, and there the
# linear flow dx/dt = f + J x foretells where it goes, and when: its growing modes are
# the next stage. The first two such points have a closed form (derived above): the
# origin, left at the rate mu, and the condensed point, left at the rate r = rho |c|
# Cov(pi, log pi) Var(pi) / |pi|^5 in W_Q and W_K alone. The others are found where |f|
# is least on the way (one before condensation, where the decaying part of the start has
# died out, tells nothing new). Dilution has no saddle of its own: it follows focus at
# once. The share of a leading mode in each matrix says which stage comes next:
# embeddings (W0, W1) or attention (W_Q, W_K).

# %%
print(lesson.derivation(FocusDilution.condensed_point))
at_condensed = flow.linearise(flow.condensed_point())
waits, saddles = np.linspace(0, 150, 301), []
for i in flow.slow_points(times, path.y):
    if 0 < times[i] < condensed_t:
        continue
    linear, moved = flow.linearise(path.y[i]), np.linalg.norm(path.y[i:] - path.y[i], axis=1)
    reached = np.argmax(moved > DISTANCE)  # 0 if it never gets so far
    measured = float(np.interp(DISTANCE, moved[: reached + 1], times[i : i + reached + 1])) if reached else math.nan
    saddles.append(dict(t=float(times[i]), rate=linear.rate, shares=linear.shares(), measured=measured,
                        predicted=float(times[i] + linear.escape_time(DISTANCE)), moved=(times[i:] - times[i], moved),
                        size=np.linalg.norm(linear.displacement(waits), axis=1)))  # fmt: skip

# %% [markdown]
# ## 4. What cannot change, and what that says about steps
#
# Along the exact flow two matrices are conserved (derived above). A walk of finite
# steps moves them, and their drift tells how wrong it is, with no exact solution at
# hand. It also tells when: the flow turns stiff. Its fastest decay rate grows from 0.5
# to 65 at t = 1000; RK4 stands 2.8/step, Euler's method, which is gradient descent,
# 2/(learning rate).


# %%
def drift(y):
    """Largest change of an entry of the conserved matrices since the start."""
    return max(float(np.abs(now - then).max()) for now, then in zip(flow.conserved(y), flow.conserved(start)))


drifts = {
    step: drift(ode.integrate(flow, (0, DRIFT_END), start, step=step, t_eval=[DRIFT_END]).y[-1])
    for step in each(STEPS, "steps")
}
halvings = [drifts[a] / drifts[b] for a, b in zip(STEPS, STEPS[1:])]
long_walk = ode.integrate(flow, (0, END), start, step=STEPS[-1], t_eval=times[times > 0])
walk_drift = np.array([drift(y) for y in long_walk.y])
exact_drift = drift(path.y[-1])
stiff_at = times[np.linspace(1, len(times) - 1, 12).astype(int)]
stiffness = [-np.linalg.eigvalsh(flow.jacobian(path.y[np.searchsorted(times, t)]))[0] for t in stiff_at]

# %% [markdown]
# ## 5. What renews the cycle
#
# Make the rare tokens exactly alike, in the data and in the start. Then dilution ends
# at a point that no direction leaves at a positive rate: the flow is stuck. An
# asymmetry delta of the data opens a direction, at a rate of order delta; one of the
# start alone opens nothing. Yet the point is degenerate only for some laws. Differences
# between alike tokens have a Jacobian of their own, and for a weaker frequent token or
# a more persistent chain it has a growing direction by itself.


# %%
def made_alike(chain, y):
    """y with the mean of the rare tokens' embeddings and readouts in the place of each."""
    y = y.copy()
    W0, W1, *_ = chain.split(y)  # views of y
    W0[1:], W1[:, 1:] = W0[1:].mean(axis=0), W1[:, 1:].mean(axis=1, keepdims=True)
    return y


def alike(pi, rho, t):
    """Where a start with rare tokens alike has come at time t: (flow, state)."""
    chain = FocusDilution(pi, rho, WIDTH)
    y = made_alike(chain, chain.start(np.random.default_rng(0), EPS))
    return chain, ode.integrate(chain, (0, t), y, t_eval=[t], **tight).y[-1]


def where_it_rests(pi_0, rho):
    """Where rare tokens that are exactly alike come to rest; rounding is not allowed to part them."""
    chain = FocusDilution(np.array([pi_0, *[(1 - pi_0) / 3] * 3]), rho, WIDTH)
    field = lambda t, y: made_alike(chain, chain(t, y))
    start = made_alike(chain, chain.start(np.random.default_rng(0), EPS))
    return chain, ode.integrate(field, (0, REST), start, t_eval=[REST], method="rk45", rtol=1e-6, atol=1e-8).y[-1]


def rate_of_differences(chain, y):
    """The leading rate among changes that two rare tokens make in opposite directions; others do not mix with them."""
    difference = np.zeros((2 * WIDTH, y.size))
    for i in range(WIDTH):
        W0, _, _, _ = chain.split(difference[i])
        W0[1, i], W0[2, i] = 0.5**0.5, -(0.5**0.5)
        _, W1, _, _ = chain.split(difference[WIDTH + i])
        W1[i, 1], W1[i, 2] = 0.5**0.5, -(0.5**0.5)
    h = 1e-5
    J = (chain(0.0, y + h * difference) - chain(0.0, y - h * difference)) / (2 * h) @ difference.T
    return float(np.linalg.eigvalsh((J + J.T) / 2)[-1])


escape = {}
for delta in each(DELTAS, "asymmetries"):
    chain, y = alike(np.array([PI[0], RARE * (1 + delta), RARE, RARE * (1 - delta)]), RHO, LOOK)
    escape[delta] = float(np.linalg.eigvalsh(chain.jacobian(y))[-1])
delta_slope = measure.fit_power_law(list(escape.values()), delta=list(escape)).exponents["delta"] if len(escape) > 2 else (
    math.log(escape[DELTAS[0]] / escape[DELTAS[1]]) / math.log(DELTAS[0] / DELTAS[1]))  # fmt: skip
stuck, y = alike(np.array([PI[0], RARE, RARE, RARE]), RHO, LOOK)
stuck_loss, stuck_rate = float(stuck.loss(y)), float(np.linalg.eigvalsh(stuck.jacobian(y))[-1])
y = ode.integrate(stuck, (0, LOOK), start, t_eval=[LOOK], **tight).y[-1]  # a start that tells the rare tokens apart
start_only_rate = float(np.linalg.eigvalsh(stuck.jacobian(y))[-1])
laws = [(p, rho) for rho in PERSISTENCE for p in FREQUENT]
own_rates = np.array([rate_of_differences(*where_it_rests(*law)) for law in each(laws, "laws")])
own_rates = own_rates.reshape(len(PERSISTENCE), len(FREQUENT))

# %%
inks = (plot.BLUE, plot.ORANGE, plot.GREEN, plot.VERMILION)
names = [f"token {i}, {p:g}" for i, p in enumerate(PI)]
edges = [
    ("condensation", 1.0, condensed_t),
    ("focus", condensed_t, focus_t),
    ("dilution", focus_t, renewal_t),
    ("the next cycle", renewal_t, END),
]
W0, _, W_Q, _ = flow.split(path.y)
A = flow.attention(path.y)
spread = measure.entropy(np.log(A))
panels = [
    ("loss, nats", flow.loss(path.y)[:, None], ["loss"]),
    ("singular values of $W_0$", flow.singular_values(path.y), ["first", "second", "third", "fourth"]),
    ("norm of $W_Q$", np.linalg.norm(W_Q, axis=(1, 2))[:, None], None),
    ("attention to token 0", A[:, :, 0], names),
    ("entropy of attention", spread, None),
    ("norm of embedding", flow.row_norms(path.y), None),
]
fig, axes = plt.subplots(len(panels), 1, figsize=(10, 12.5), sharex=True)
for ax, (what, curves, labels) in zip(axes, panels):
    for j, curve in enumerate(curves.T):
        ax.semilogx(times, curve, color=inks[j] if curves.shape[1] > 1 else "k", lw=2, label=labels and labels[j])
    for i, (stage, left, right) in enumerate(edges):
        ax.axvspan(left, right, color="0.93" if i % 2 == 0 else "1", zorder=0)
        if ax is axes[0]:
            ax.annotate(stage, (math.sqrt(left * right), 1.03), xycoords=("data", "axes fraction"), ha="center")
    ax.set(ylabel=what, xlim=(1, END))
    if labels and len(labels) > 1:
        ax.legend(loc="center left", fontsize=8)
for value, text in (
    (math.log(len(PI)), "ln 4"),
    (-float(np.dot(PI, np.log(PI))), "entropy of pi"),
    (flow.entropy_rate, "entropy of the chain"),
):
    plot.reference(axes[0], value, text, below=text != "entropy of pi")
axes[0].set(ylim=(0.42, 1.45))
axes[-1].set_xlabel("time (logarithmic)")
run.figure(fig, "four_stages")

fig, axes = plt.subplots(2, 3, figsize=(14, 8.2))
directions = np.linalg.svd(W0.reshape(-1, WIDTH), full_matrices=False)[2][:2]
for i, token in enumerate(names):
    place = W0[:, i] @ directions.T
    axes[0, 0].plot(*place.T, color=inks[i], lw=1.5, label=token)
    axes[0, 0].plot(*place[-1], "o", color=inks[i])
axes[0, 0].set(xlabel="first principal direction", ylabel="second", title="Paths of the embeddings, from 0")
axes[0, 0].legend(fontsize=8)
for k, saddle in enumerate(saddles):
    axes[0, 1].semilogy(*saddle["moved"], color=plot.COLOURS[k], lw=4, alpha=0.35)
    axes[0, 1].semilogy(
        waits, saddle["size"], "--", color=plot.COLOURS[k], label=f"saddle at t = {saddle['t']:.0f}, rate {saddle['rate']:.2g}"
    )
axes[0, 1].set(xlim=(0, 100), ylim=(1e-3, 3), xlabel="time since the slowest point", ylabel="distance from it",
               title="Foretold from each saddle (dashed: linear flow)")  # fmt: skip
axes[0, 1].legend(fontsize=8, loc="lower right")
axes[0, 2].loglog(DELTAS, list(escape.values()), "o-", color=plot.BLUE)
plot.slope(axes[0, 2], DELTAS[::-1], 1.3 * escape[DELTAS[-1]], 1, "$\\delta^1$")
axes[0, 2].set_xticks(DELTAS, DELTAS)
axes[0, 2].minorticks_off()
axes[0, 2].set(
    xlabel="asymmetry $\\delta$ of the rare tokens", ylabel="leading rate", title="An asymmetry of the data frees the flow"
)
axes[1, 0].semilogy(stiff_at, stiffness, "o-", color=plot.VERMILION)
for rate, text in (
    (2.785 / STEPS[-1], f"RK4, step {STEPS[-1]:g}"),
    (2 / 0.1, "descent, learning rate 0.1"),
    (2 / 1.0, "descent, learning rate 1"),
):
    plot.reference(axes[1, 0], rate, text)
axes[1, 0].set(
    xlabel="time", ylabel="fastest decay rate", ylim=(None, 150), title="The flow turns stiff (dashed: where a walk breaks)"
)
axes[1, 1].semilogy(times[1:], np.maximum(walk_drift, 1e-17), color=plot.VERMILION, label=f"RK4, step {STEPS[-1]:g}")
axes[1, 1].plot(END, exact_drift, "o", color=plot.BLUE, label="rk45 at the end")
axes[1, 1].set(xlabel="time", ylabel="drift of what is conserved", title="What cannot change tells when the walk is wrong")
axes[1, 1].legend()
image = axes[1, 2].imshow(
    np.log10(np.maximum(own_rates, 1e-5)), cmap="viridis", vmin=-5, vmax=-1.5, origin="lower", aspect="auto"
)
for (i, j), rate in np.ndenumerate(own_rates):
    axes[1, 2].text(
        j, i, f"{rate:.0e}" if rate > 1e-5 else "0", ha="center", va="center", color="w" if rate < 1e-3 else "k", fontsize=8
    )
axes[1, 2].set_xticks(range(len(FREQUENT)), FREQUENT)
axes[1, 2].set_yticks(range(len(PERSISTENCE)), PERSISTENCE)
axes[1, 2].set(xlabel="$\\pi_0$", ylabel="$\\rho$", title="Rate at which alike rare tokens part (0: below 1e-5)")
run.figure(fig, "saddles_and_steps")

# %%
text = lambda values, form="{:.4g}": ", ".join(form.format(value) for value in values)
loss_at = {t: float(flow.loss(path.y[np.searchsorted(times, t)])) for t in (200.0, 1000.0) if t <= END}
at = lambda t: int(np.searchsorted(times, t))
known = KNOWN.get(run.options.seed, (None,) * 8)
run.compare(
    [
        ("condensed: first singular value of W0 reaches 1", known[0], condensed_t),
        ("1 - cosine of its direction with pi", known[1], 1 - stages.cosine),
        ("norm of W_Q there over its start", str(known[2]), f"{stages.frozen_ratio:.5g}"),
        ("focus: A_00 reaches 0.9", known[3], focus_t),
        ("norm of embedding 1: peak, least, at", known[4], text([stages.peak, stages.least, stages.dilution_t])),
        ("renewal: second singular value reaches 0.5", known[5], renewal_t),
        *(
            (f"loss at t = {t:g}", str(value), f"{loss_at[t]:.5f}")
            for t, value in zip((200.0, 1000.0), known[6:])
            if t in loss_at
        ),
        (
            "entropy of token 1's attention: at focus, at renewal",
            None,
            text([spread[at(focus_t), 1], spread[at(renewal_t), 1]]),
        ),
        ("leading rate at the origin: |pi| |pi - 1/d|, linear flow", None, text([flow.origin_rate, saddles[0]["rate"]])),
        ("at the condensed point: closed form, Jacobian", None, text([flow.focus_rate, at_condensed.rate])),
        (
            f"start of {EPS / 10:g}: focus later by (1/mu + 1/r) ln 10, true",
            "34.07" if run.options.seed == 0 else None,
            text([(1 / flow.origin_rate + 1 / flow.focus_rate) * math.log(10), later_focus]),
        ),
        *(
            (
                f"away from the saddle at {s['t']:.0f} by {DISTANCE}: linear flow, true",
                None,
                text([s["predicted"], s["measured"]]),
            )
            for s in saddles
        ),
        *(
            (f"leading mode at {s['t']:.0f}: share in W0, W1, W_Q, W_K", None, text(s["shares"].values(), "{:.2f}"))
            for s in saddles
        ),
        (f"drift at t = {DRIFT_END:g}, RK4 with steps {STEPS}", None, text(drifts.values(), "{:.1e}")),
        ("its fall at each halving", "16, 16", text(halvings)),
        (f"drift at t = {END:g}: RK4 with step {STEPS[-1]}, rk45", "4e-2, -", text([walk_drift[-1], exact_drift], "{:.0e}")),
        *(
            (f"leading rate, delta = {delta}", known, rate)
            for (delta, rate), known in zip(escape.items(), (8.134e-4, 3.972e-4, 1.974e-4, 9.854e-5))
        ),
        ("its power of delta", "1", delta_slope),
        ("delta = 0: loss, and leading rate", "0.722622, 0", f"{stuck_loss:.6f}, {stuck_rate:.0e}"),
    ],
    before="reference",
)
close = lambda value, known, within: abs(value / known - 1) < within
run.claim("condensation, focus, dilution and renewal come in this order",
          condensed_t < focus_t < stages.dilution_t < renewal_t)  # fmt: skip
run.claim(
    "in dilution the frequent token stays focused and token 1 spreads its attention",
    spread[at(stages.dilution_t) : at(renewal_t), 0].max() < 0.3 and spread[at(renewal_t), 1] > spread[at(focus_t), 1] + 0.2,
)
if not run.quick:
    run.claim("after renewal token 1 focuses again", spread[-1, 1] < spread[at(renewal_t) :, 1].max() - 0.2)
if run.options.seed in KNOWN:
    run.claim(
        "condensation, focus and renewal come when they should, within 0.1%",
        all(close(t, known, 1e-3) for t, known in zip((condensed_t, focus_t, renewal_t), (known[0], known[3], known[5]))),
    )
run.claim("condensation is along pi, with attention frozen", 1 - stages.cosine < 1e-5 and abs(stages.frozen_ratio - 1) < 2e-3)
run.claim("the closed form of the rate of focus is the Jacobian's, and foretells the delay of a smaller start within 2%",
          close(flow.focus_rate, at_condensed.rate, 1e-8)
          and close((1 / flow.origin_rate + 1 / flow.focus_rate) * math.log(10), later_focus, 0.02))  # fmt: skip
attention_share = [s["shares"]["W_Q"] + s["shares"]["W_K"] for s in saddles]
run.claim("condensation grows in the embeddings, focus in the scores, renewal in the embeddings: 90% of each leading mode",
          attention_share[0] < 0.1 and attention_share[1] > 0.9 and attention_share[2] < 0.1)  # fmt: skip
run.claim("the linear flow foretells when each saddle is left: within 2% of the wait at the first three, 8% later",
          all(abs(s["predicted"] - s["measured"]) < (0.02 if i < 3 else 0.08) * (s["measured"] - s["t"])
              for i, s in enumerate(saddles)))  # fmt: skip
run.claim("RK4's drift falls by 16 at each halving, within 20%", all(abs(fall / 16 - 1) < 0.2 for fall in halvings))
run.claim(
    "the rates of the asymmetric points within 1%",
    all(close(rate, known, 0.01) for rate, known in zip(escape.values(), (8.134e-4, 3.972e-4, 1.974e-4, 9.854e-5))),
)
run.claim("they are of order delta", abs(delta_slope - 1) < 0.05)
run.claim("without asymmetry the flow is stuck, and one of the start alone does not free it",
          abs(stuck_loss - 0.722622) < 1e-5 and abs(stuck_rate) < 1e-6 and abs(start_only_rate) < 1e-6)  # fmt: skip
by_themselves = {(pi_0, rho): own_rates[i, j] for i, rho in enumerate(PERSISTENCE) for j, pi_0 in enumerate(FREQUENT)}
run.claim("a weaker frequent token or a more persistent chain lets alike tokens part by themselves, at the known rates",
          all(close(by_themselves[point], rate, 0.05) for point, rate in KNOWN_RATES.items() if point in by_themselves)
          and by_themselves[max(FREQUENT), min(PERSISTENCE)] < 1e-5)  # fmt: skip
if not run.quick:
    run.claim("the drift is below 1e-9 at t = 300 with step 0.05, and betrays that step by t = 1000",
              drifts[0.05] < 1e-9 and walk_drift[-1] > 1e-3 > 1e-6 > exact_drift)  # fmt: skip
run.exercise("which learning rate does gradient descent need at t = 1000, and which was enough at t = 100?")
settings = dict(
    pi=PI, rho=RHO, width=WIDTH, eps=EPS, end=END, steps=STEPS, drift_end=DRIFT_END, deltas=DELTAS,
    rare=RARE, look=LOOK, distance=DISTANCE, frequent=FREQUENT, persistence=PERSISTENCE, rest=REST
)  # fmt: skip
run.finish(
    settings,
    condensed_t=condensed_t,
    cosine=stages.cosine,
    frozen_ratio=stages.frozen_ratio,
    focus_t=focus_t,
    dilution_norm=[stages.peak, stages.least],
    focus_rate=flow.focus_rate,
    renewal_t=renewal_t,
    loss_200=loss_at.get(200.0),
    loss_1000=loss_at.get(1000.0),
    drift=drifts[STEPS[-1]],
    escape=escape,
    delta_slope=delta_slope,
    saddles=[{k: v for k, v in s.items() if k not in ("size", "moved")} for s in saddles],
    own_rates=own_rates,
)

# %% [markdown]
# Answer: Euler's steps stay bounded while step times rate is below 2. At t = 1000 the
# fastest rate is 65, so below 0.03; at t = 100 it was 1.2, and 1.6 was enough.
