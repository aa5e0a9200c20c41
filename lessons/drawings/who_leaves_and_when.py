"""The figure of lesson 10."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import player, plot


def waits(times, paths, epsilons, took, step, rate_times, rates, deltas):
    """Attention of two heads {ε: (n, 2)} on position 1; {"crowd held", "free": waits}; the rate.

    step: by how much the waits with the crowd held should differ; deltas: δ at the rates' times.
    """
    fig = plt.figure(figsize=(12.5, 8.6))
    above, below = fig.subfigures(2, 1)
    heads = above.subplots()
    square, falling = below.subplots(1, 2)
    colours = (plot.BLUE, plot.GREEN, plot.VERMILION)
    for (name, s), colour, up in zip(paths.items(), colours, (-6, -2, 8)):
        leaver = s[-1].argmin()
        heads.plot(times, s[:, 1 - leaver], color=colour, lw=2, ls=":")
        heads.plot(times, s[:, leaver], color=colour, lw=2.5)
        leaves = times[np.flatnonzero(s[:, leaver] > 0.8)[-1]]
        where = dict(xytext=(8, 0), textcoords="offset points", va="center")
        heads.annotate(name, (leaves, 0.8), color=colour, **where)
        ends = dict(xytext=(5, up), textcoords="offset points", va="center")
        end = s[-1, leaver]
        heads.annotate(f"{end:.2f}", (times[-1], end), color=colour, fontsize=9, **ends)
    heads.text(times[-1], 0.545, "they stop here, not at 0", ha="right", va="center")
    heads.set(
        xlabel="time",
        ylabel="attention on position 1",
        ylim=(0.45, 1.02),
        xlim=(0, times[-1]),
        title="Both heads turn to position 1; then one lets go (dotted: the other)",
    )
    powers = -np.log10(epsilons)
    steps = np.arange(len(powers))
    lines = {"crowd held": step, "free": took["free"][1] - took["free"][0]}
    colours = {"crowd held": plot.VERMILION, "free": plot.BLUE}
    told = {"crowd held": "crowd held: as foretold, a line", "free": "free: a square"}
    for name, t in took.items():
        square.plot(powers, t[0] + lines[name] * steps, ls="--", color="0.5", lw=1.2)
        square.plot(powers, t, "o-" if name == "free" else "o", color=colours[name], ms=7, lw=1.5)
    for name, up in (("crowd held", -34), ("free", 12)):
        where = dict(xytext=(-10, up), textcoords="offset points", ha="right", va="center")
        square.annotate(told[name], (powers[-1], took[name][-1]), color=colours[name], **where)
    beside = dict(xytext=(4, -52), textcoords="offset points", ha="right", va="center")
    line_ends = took["free"][0] + lines["free"] * steps[-1]
    square.annotate("through the first two", (powers[-1], line_ends), color="0.4", **beside)
    square.set_xticks(powers, [f"1e-{power:.0f}" for power in powers])
    square.set(
        xlabel="first difference ε of the heads",
        ylabel="time from t = 20 until they differ by 0.2",
        ylim=(0, 1100),
        title="What makes the square: hold the crowd, and it is a line",
    )
    first = np.sqrt(2) * deltas
    falling.plot(rate_times, first, color="k", lw=1.2, ls="--", label="√2 δ")
    both = first - 4 * deltas**2
    falling.plot(rate_times, both, color=plot.ORANGE, lw=1.5, label="√2 δ − 4 δ²")
    falling.plot(rate_times, rates, "o", color=plot.BLUE, ms=7, label="measured")
    falling.legend()
    marks.slope(falling, rate_times[[0, -1]], 0.6 * rates[0], -0.5, r"$t^{-1/2}$")
    falling.set(
        xscale="log",
        yscale="log",
        xlabel="time, heads together",
        ylabel="rate at which a difference grows",
        title="While they wait, the rate keeps falling",
    )
    return fig


def page():
    """A page to drag the first difference on, and to hold the crowd."""
    return player.Live("who_leaves_and_when", "Who leaves, and when")
