# %% [markdown]
# # Repetition speeds it up
#
# From a rate to a power law, in four ways.
#
# **Question.** How does the length of the plateau depend on the number of tokens T,
# their size d, and on repetition?
#
# **You see** sqrt(d) T for the plateau; a gain of B from a token that stands at B
# places, if they share one score, but only sqrt(B) if each has its own; and what
# repeating a token across samples does.
#
# **Takes** 5 seconds; with --network, which trains real networks over a grid of T and
# d, a few minutes.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded: networks are trained side by side instead

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import lesson, measure, ode, plot, trials
from tinyattn.flows.emergence import ThreeNumbers, TwoNumbers

THRESHOLD = 0.1  # the plateau lasts until the test loss is below this
END = 1e8
NETWORKS = {"adam": dict(lr=1e-3, steps=4000), "sgd": dict(lr=0.2, steps=20000)}
NETWORK_T, NETWORK_D, NETWORK_SEEDS = [16, 32, 64], [8, 16, 32], 2

run = lesson.start("05_repetition_speeds_it_up", flags={
    "--network": dict(action="store_true", help="train one-layer networks too, over T and d, with Adam and with SGD"),
})  # fmt: skip
RTOL = 1e-5 if run.quick else 1e-8
if run.quick:
    NETWORK_T, NETWORK_D, NETWORK_SEEDS, NETWORKS = [8, 16], [4, 8], 1, {"adam": NETWORKS["adam"]}

# %% [markdown]
# ## 1. From a rate to a power law
#
# On the plateau of lesson 04, w grows by dw/dt = lambda exp(Delta) with lambda = B /
# (sqrt(d) T): B places hold B/T of the uniform attention. How Delta answers depends on
# the parameters.
#
# - *One score shared by all B places*: dDelta/dt = lambda w exp(Delta), so Delta =
#   w^2/2, and the snap comes at sqrt(pi/2) / lambda = 1.2533 sqrt(d) T / B. A token
#   that stands at B places is learnt B times sooner.
# - *A score for every place*: one score moves only its own 1/B of the attention, so its
#   gradient is B times smaller: dDelta/dt = (lambda/B) w exp(Delta), Delta = w^2/2B.
#   Then lambda t = integral of exp(-u^2/2B) du, which is sqrt(pi B/2) at the snap:
#   1.2533 sqrt(d) T / sqrt(B). Same loss, same data, other parameters, and another law:
#   a gradient flow depends on the coordinates in which it descends.
# - *One fixed token with probability p* (B = 1): the relevant token's second moment is
#   g = (1-p)/d, but h = p + (1-p)/d along the repeated direction. Along d-1 directions
#   together W grows at g sqrt(d-1)/T, along the repeated one at h/T, and both push
#   Delta, so the length of the two grows by the same loop with lambda = sqrt(h^2 + g^2
#   (d-1)) / T. Up to a mixed term 2 p (1-p) under the root, that is sqrt(p^2 d +
#   (1-p)^2) / (sqrt(d) T).
#
# All runs of a law are integrated in one call: the settings of the flow are arrays. The
# flow with p:

# %%
print(lesson.derivation(ThreeNumbers))


# %%
def plateau_lengths(flow):
    """The times at which the test loss of each run falls below the threshold."""
    snap = ode.event(lambda t, y: flow.test_loss(y) - THRESHOLD, terminal=True)
    solution = ode.integrate(flow, (0, END), flow.start(), method="rk45", rtol=RTOL, atol=1e-3 * RTOL, events=snap,
                             t_eval=[0.0])  # fmt: skip
    assert solution.status == 1, solution.message
    return solution.t_events[0]


def grid(*axes):
    return [values.ravel() for values in np.meshgrid(*axes)]


T, d = grid(2.0 ** np.arange(6, 13), 2.0 ** np.arange(4, 10))
lengths = plateau_lengths(TwoNumbers(T, d))
law_T_d = measure.fit_power_law(lengths, T=T, d=d)
part = (T >= 256) & (d <= 128)
law_part = measure.fit_power_law(lengths[part], T=T[part], d=d[part])

B, d_B = grid(2.0 ** np.arange(0, 7), 2.0 ** np.arange(4, 10))
lengths_B = {per_place: plateau_lengths(TwoNumbers(4096.0, d_B, B, per_place=per_place)) for per_place in (False, True)}
law_B = measure.fit_power_law(lengths_B[False], T_over_B=4096 / B, d=d_B)
law_B_per_place = measure.fit_power_law(lengths_B[True], T_over_B=4096 / B, d=d_B)

p, d_p = grid([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 2.0 ** np.arange(4, 10))
lengths_p = plateau_lengths(ThreeNumbers(4096.0, d_p, p))
x = np.sqrt(d_p) * 4096 / np.sqrt(p**2 * d_p + (1 - p) ** 2)
law_p = measure.fit_power_law(lengths_p, x=x)

few = np.array([0.1, 0.3, 0.5])
plateau_p = dict(zip(["0.1", "0.3", "0.5"], plateau_lengths(ThreeNumbers(512, 64, few)).tolist()))

# %%
fig, ((by_T, by_B), (by_p, ratio)) = plt.subplots(2, 2, figsize=(12, 8.4))
colours = dict(zip(2.0 ** np.arange(4, 10), (plot.BLUE, plot.SKY, plot.GREEN, plot.YELLOW, plot.ORANGE, plot.VERMILION)))
for size, colour in colours.items():
    rows = d == size
    by_T.loglog(T[rows], lengths[rows], "o-", color=colour, ms=4, lw=1, label=f"d = {size:.0f}")
    by_T.loglog(T[rows], TwoNumbers(T[rows], size).snap_time, ":", color="0.2", lw=1)
    rows = d_p == size
    by_p.loglog(x[rows], lengths_p[rows], "o", color=colour, ms=5, label=f"d = {size:.0f}")
by_T.plot([], [], ":", color="0.2", label=r"$\sqrt{\pi/2}\,\sqrt{d}\,T$")
by_T.set(
    xlabel="tokens T",
    ylabel="plateau length (time)",
    title=f"It grows like $T^{{{law_T_d.exponents['T']:.3f}}} d^{{\\,{law_T_d.exponents['d']:.3f}}}$",
)
by_T.legend()
rows = d_B == 64
for per_place, colour, name in [
    (False, plot.BLUE, "one shared score"),
    (True, plot.VERMILION, "a score for every place"),
]:
    length = lengths_B[per_place][rows]
    by_B.loglog(B[rows], length[0] / length, "o-", color=colour, label=name)
plot.slope(by_B, B[rows], 1.0, 1, "B")
plot.slope(by_B, B[rows], 1.0, 0.5, r"$\sqrt{B}$")
by_B.set(
    xlabel="places B of the relevant token",
    ylabel="times shorter than with B = 1",
    title="Same data, other parameters, other law (T = 4096, d = 64)",
)
by_B.legend()
line = np.array([x.min(), x.max()])
by_p.loglog(line, law_p.C * line ** law_p.exponents["x"], "k--", lw=1, label=f"fit, exponent {law_p.exponents['x']:.3f}")
by_p.set(
    xlabel=r"$\sqrt{d}\,T\,/\,\sqrt{p^2 d + (1-p)^2}$",
    ylabel="plateau length (time)",
    title="Repetition across samples, p = 0 to 0.5: one line for all (T = 4096)",
)
by_p.legend()
ratio.semilogx(T * np.sqrt(d), lengths * TwoNumbers(T, d).rate, "o", color=plot.BLUE, ms=4, label="no repetition")
shared, own = TwoNumbers(4096.0, d_B, B), TwoNumbers(4096.0, d_B, B, per_place=True)
ratio.semilogx(1 / shared.rate, lengths_B[False] * shared.rate, "s", color=plot.GREEN, ms=3, label="in context, shared score")
ratio.semilogx(
    1 / own.rate,
    lengths_B[True] * own.rate / np.sqrt(B),
    "^",
    color=plot.VERMILION,
    ms=3,
    label=r"in context, own scores, $/\sqrt{B}$",
)
plot.reference(ratio, np.sqrt(np.pi / 2), r"$\sqrt{\pi/2}$", below=True)
ratio.set(
    xlabel=r"$1/\lambda$",
    ylabel=r"plateau length times $\lambda$",
    ylim=(1, 2),
    title="What is left of the closed form: shares sqrt(d) B / T and 1 / sqrt(d)",
)
ratio.legend()
run.figure(fig, "laws")

# %% [markdown]
# ## 2. Where the fits differ from the closed form and from the paper's
#
# The closed form has exponents 1 and 1/2 and C = 1.2533; the fit over this grid has
# 0.973 and 0.502 with C = 1.56. That is no noise but two corrections, seen in the last
# panel. After the snap w still has to relax, at a rate of order 1/d: a time of order d,
# which is a share sqrt(d)/T of the plateau. And the other tokens' noise slows w by a
# share 1/sqrt(d). The first fades with T, and tilts the exponent of T below 1. With d
# the first grows and the second fades, and in the exponent of d they nearly cancel.
#
# The paper's 1.51, 0.99 and 0.49 are fitted to in-context runs at T = 4096 (its Fig. 2,
# left); of runs over T and d it prints R2 alone. Fitted to B and d at T = 4096, ours
# has 1.45, 0.977 and 0.509. Where the first correction is small, T >= 256 and d <= 128,
# it has 1.44, 0.991 and 0.489, which is theirs to the digits printed but for C, 5%
# apart, and C trades against the exponents: a change of T's by 0.01 at T = 1000 moves
# it by 7%. Which grid theirs is, is not recorded.
#
# With p the exponents agree (1.02 and 0.99), but the paper's C = 2.15 is not ours,
# 1.37. Nor does it fit the paper's own first law: at p = 0, T = 4096, d = 64 the two
# give 86,700 and 43,700, where we integrate 42,000. A clock that runs twice as fast in
# one of the two experiments would explain it; the exponent does not depend on the
# clock.

# %% [markdown]
# ## 3. Networks (--network)
#
# A transformer of one layer and one head, with residual sum and positions, has to find
# the relevant token, which stands anywhere and is marked by one more feature. Its
# plateau lasts until the test loss is 0.2 of what saying nothing costs. Under SGD time
# is steps times learning rate, and its exponents are those of a rate that attention has
# to multiply up from 1/T; Adam's steps do not shrink with the gradient, and T counts
# for less. The order of the exponents of T is the paper's; those of d are smaller here,
# on sizes from 8 to 32 of a network of width 64 with other rates, and why is not known.

# %%
networks = {}
if run.options.network:
    grid_points = [(T_, d_, seed) for T_ in NETWORK_T for d_ in NETWORK_D for seed in range(NETWORK_SEEDS)]
    for name, how in NETWORKS.items():
        settings = [
            dict(length=T_, width=d_, optimizer=name, seed=run.options.seed * 100 + seed, **how) for T_, d_, seed in grid_points
        ]
        steps = [result["emerged"] for result in run.sweep(trials.location.run, settings, f"networks, {name}")]
        came = [i for i, step in enumerate(steps) if step is not None]
        law = measure.fit_power_law(
            [steps[i] for i in came], T=[grid_points[i][0] for i in came], d=[grid_points[i][1] for i in came]
        )
        networks[name] = dict(steps=steps, law=law, missing=len(steps) - len(came))
    shown = [dict(anywhere=True), dict(anywhere=False), dict(anywhere=False, marker=False)]
    places = [
        result["emerged"]
        for result in run.sweep(
            trials.location.run, [dict(length=32, width=16, **NETWORKS["adam"], **one) for one in shown], "places"
        )
    ]
    fig, axes = plt.subplots(1, len(networks), figsize=(6 * len(networks), 4.4), squeeze=False)
    for ax, (name, found) in zip(axes[0], networks.items()):
        for d_, colour in zip(NETWORK_D, plot.COLOURS):
            own = [(point[0], step) for point, step in zip(grid_points, found["steps"]) if point[1] == d_ and step is not None]
            ax.loglog(*zip(*own), "o", color=colour, label=f"d = {d_}")
            fitted = [
                found["law"].C * T_ ** found["law"].exponents["T"] * d_ ** found["law"].exponents["d"] for T_ in NETWORK_T
            ]
            ax.loglog(NETWORK_T, fitted, ":", color=colour)
        exponents = found["law"].exponents
        ax.set(
            xlabel="tokens T",
            ylabel="steps of the plateau",
            title=f"{name}: $T^{{{exponents['T']:.2f}}} d^{{\\,{exponents['d']:.2f}}}$ (dotted)",
        )
        ax.set_xticks(NETWORK_T, NETWORK_T)
        ax.minorticks_off()
        ax.legend()
    run.figure(fig, "networks")


# %%
def close(ours, theirs, within=0.01):
    return all(abs(one / other - 1) < within for one, other in zip(ours, theirs))


T_d = (law_T_d.C, law_T_d.exponents["T"], law_T_d.exponents["d"])
T_d_part = (law_part.C, law_part.exponents["T"], law_part.exponents["d"])
T_B = (law_B.C, law_B.exponents["T_over_B"], law_B.exponents["d"])
B_own = law_B_per_place.exponents["T_over_B"]
one = plateau_p["0.1"], plateau_p["0.3"], plateau_p["0.5"]
run.compare(
    [
        ("T, d: C, exponents", "1.51, 0.99, 0.49", ", ".join(f"{value:.4f}" for value in T_d)),
        ("      R2", "0.999", f"{law_T_d.r2:.5f}"),
        ("      where T >= 256, d <= 128", "1.51, 0.99, 0.49", ", ".join(f"{value:.4f}" for value in T_d_part)),
        ("T/B, d, one shared score: C, exponents", "1.51, 0.99, 0.49", ", ".join(f"{value:.4f}" for value in T_B)),
        ("T/B, a score for every place: exponent", None, f"{B_own:.4f}"),
        ("p: C, exponent", "2.15, 1.02", f"{law_p.C:.3f}, {law_p.exponents['x']:.4f}"),
        ("   R2", "0.992", f"{law_p.r2:.4f}"),
        ("plateau at T 512, d 64, p = 0.1, 0.3, 0.5", None, ", ".join(f"{value:.0f}" for value in one)),
        *(
            (
                f"network, {name}: C, exponents of T, d; R2; runs without a snap",
                {"adam": "1.45, 0.57, 1.31", "sgd": "6.42, 1.07, 1.44"}[name],
                "{:.3g}, {T:.2f}, {d:.2f}; {:.3f}; {}".format(n["law"].C, n["law"].r2, n["missing"], **n["law"].exponents),
            )
            for name, n in networks.items()
        ),
        *([("    steps: place drawn, fixed, fixed without the mark", None, ", ".join(map(str, places)))] if networks else []),
    ]
)
run.claim("the plateau grows like T^0.973 d^0.502", close(T_d, (1.5610, 0.9728, 0.5021)) and law_T_d.r2 >= 0.9996)
run.claim("away from small T its exponents are the paper's", close(T_d_part[1:], (0.99, 0.49)))
run.claim("in context, a shared score gains B", close(T_B, (1.4506, 0.9770, 0.5093)) and law_B.r2 > 0.9995)
run.claim("in context, scores of their own gain the square root of B", abs(B_own - 0.49) < 0.02)
run.claim("across samples one law holds for all p and d", law_p.r2 > 0.99 and abs(law_p.exponents["x"] - 0.991) < 0.01)
run.claim("p = 0.1, 0.3, 0.5 cut the plateau to 4186, 2158, 1487", close(one, (4186, 2158, 1487), 1e-3))
for name, n in networks.items():
    run.claim(f"networks, {name}: the plateau grows with T and with d",
              n["missing"] == 0 and n["law"].exponents["T"] > 0 and n["law"].exponents["d"] > 0)  # fmt: skip
run.exercise("what does B do for the exponent of d in the closed form, and what in the fit? Why do they differ?")
settings = dict(
    threshold=THRESHOLD, rtol=RTOL, networks=NETWORKS, network_T=NETWORK_T, network_d=NETWORK_D,
    network_seeds=NETWORK_SEEDS
)  # fmt: skip
run.finish(
    settings,
    law_T_d={"C": law_T_d.C, **law_T_d.exponents, "r2": law_T_d.r2},
    law_B={"C": law_B.C, **law_B.exponents, "r2": law_B.r2},
    law_B_per_place={"B_exponent": -B_own, "r2": law_B_per_place.r2},
    law_p={"C": law_p.C, "g": law_p.exponents["x"], "r2": law_p.r2},
    plateau_p=plateau_p,
    networks={
        name: {"steps": n["steps"], "C": n["law"].C, **n["law"].exponents, "r2": n["law"].r2} for name, n in networks.items()
    },
)

# %% [markdown]
# Answer: nothing in the closed form, 1/2 whatever B. In the fit it rises to 0.509: with
# B = 64 the plateau is short, so the time of order d that the loss needs after the snap
# is a larger part of the whole, and it grows faster than sqrt(d).
