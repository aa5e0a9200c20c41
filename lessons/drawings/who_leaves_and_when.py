"""The figure of lesson 10."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import player, plot


def waits(times, paths, epsilons, took, rate_times, rates, first):
    """Attention of two heads {ε: (n, 2)} on position 1; {"crowd held", "free": waits}; the rate.

    first: √2 δ at the times of the rates.
    """
    fig, ((feeds, heads), (square, falling)) = plt.subplots(2, 2, figsize=(12.5, 8.6))
    boxes = {
        "ν: head 1 writes\nmore of feature 2": (0.18, 0.74, plot.BLUE),
        "θ: head 1 looks\nmore at position 2": (0.82, 0.74, plot.BLUE),
        "δ: attention left on position 2\nthe crowd turns: dδ/dt = −8 δ³": (
            0.5,
            0.2,
            plot.VERMILION,
        ),
    }
    nu, theta, crowd = boxes
    arrows = [(nu, theta, "dθ/dt = 2 δ ν", -0.3), (theta, nu, "dν/dt = δ θ", -0.3),
              (crowd, nu, "less and less", 0.0), (crowd, theta, "less and less", 0.0)]  # fmt: skip
    marks.schematic(feeds, boxes, arrows, 9.5)
    feeds.set_title("Each feeds the other by the attention that is left, and that falls")
    for (name, s), colour in zip(paths.items(), (plot.BLUE, plot.GREEN, plot.VERMILION)):
        leaver = s[-1].argmin()
        heads.plot(times, s[:, 1 - leaver], color=colour, lw=1)
        heads.plot(times, s[:, leaver], color=colour, lw=2.5)
        leaves = times[np.flatnonzero(s[:, leaver] > 0.8)[-1]]
        where = dict(xytext=(8, 0), textcoords="offset points", va="center")
        heads.annotate(name, (leaves, 0.8), color=colour, **where)
    stays = dict(xytext=(-2, -18), textcoords="offset points", ha="right", va="center")
    heads.annotate("it stops here, not at 0", (times[-1], 0.58), color="0.3", fontsize=9, **stays)
    heads.set(
        xlabel="time",
        ylabel="attention on position 1",
        ylim=(0.45, 1.02),
        xlim=(0, times[-1]),
        title="Both turn to position 1; then one lets go (thin: the other)",
    )
    powers = -np.log10(epsilons)
    for (name, t), colour, up in zip(took.items(), (plot.VERMILION, plot.BLUE), (-34, 12)):
        square.plot(powers, t, "o-", color=colour, ms=7, lw=1.5)
        where = dict(xytext=(-10, up), textcoords="offset points", ha="right", va="center")
        square.annotate(f"{name}: {said(name)}", (powers[-1], t[-1]), color=colour, **where)
    square.set_xticks(powers, [f"1e-{power:.0f}" for power in powers])
    square.set(
        xlabel="first difference ε of the heads",
        ylabel="time from t = 20 until they differ by 0.2",
        ylim=(0, 1100),
        title="What makes the square: hold the crowd, and it is a line",
    )
    falling.plot(rate_times, first, color="k", lw=1.2, ls="--", label="√2 δ")
    falling.plot(rate_times, first - 2 * first**2, color=plot.ORANGE, lw=1.5, label="√2 δ − 4 δ²")
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


def said(name):
    """What a curve of waits is."""
    return {"crowd held": "a line", "free": "a square"}[name]


def page(times, paths):
    """Attention of two heads {ε: (n, 2)} on position 1."""
    text = "Two heads sit on feature 1 until their first difference has grown."
    page = player.Page("Who leaves, and when", text, choice="first difference", unit="time")
    for name, s in paths.items():
        heads = {f"head {j + 1}": s[:, j] for j in range(2)}
        page.curves(times, heads, label="attention on position 1", of=name)
    return page
