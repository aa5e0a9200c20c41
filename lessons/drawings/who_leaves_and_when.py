"""The figure of lesson 10."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import player, plot


def waits(times, paths, decades, measured, fit, rate_times, rates, foreseen):
    """Attention of two heads {ε: (n, 2)} on position 1; waits over decades; the rate over time.

    fit: (parabola, line) at the decades. rates, foreseen: measured and by the formula, (m,).
    """
    fig, (heads, square, falling) = plt.subplots(1, 3, figsize=(14.5, 4.7))
    for (name, s), colour in zip(paths.items(), (plot.BLUE, plot.GREEN, plot.VERMILION)):
        leaver = s[-1].argmin()
        heads.plot(times, s[:, 1 - leaver], color=colour, lw=1)
        leaves = times[np.flatnonzero(s[:, leaver] > 0.75)[-1]]
        marks.named(heads, times, s[:, leaver], name, leaves, (-4, -6), color=colour, lw=2)
    heads.set(
        xlabel="time",
        ylabel="attention on position 1",
        ylim=(0.45, 1.02),
        xlim=(0, times[-1]),
        title="Both turn to position 1; then one lets go (thin: the other)",
    )
    square.plot(decades, measured, "o", color=plot.BLUE, ms=7)
    marks.named(square, decades, fit[0], "a parabola", decades[-3], (-8, 4), color="k", lw=1.2)
    marks.named(square, decades, fit[1], "a line", decades[1], (6, -14), color="0.5", lw=1, ls=":")
    square.set_xticks(decades, [f"1e-{k}" for k in decades], fontsize=8)
    square.set(
        xlabel="first difference ε of the heads",
        ylabel="time at which one leaves",
        title="The wait grows with the square of ln(1/ε)",
    )
    pale = dict(color=plot.BLUE, lw=4, alpha=0.5)
    marks.named(falling, rate_times, rates, "measured", rate_times[4], (8, 10), **pale)
    dashed = dict(color="k", lw=1.2, ls="--")
    marks.named(falling, rate_times, foreseen, "√2 δ", rate_times[-8], (-6, -14), **dashed)
    marks.slope(falling, rate_times[[0, -1]], 0.7 * rates[0], -0.5, r"$1/\sqrt{t}$")
    falling.set(
        xscale="log",
        yscale="log",
        xlabel="time, heads together",
        ylabel="rate at which a difference grows",
        title="While they wait, the rate keeps falling",
    )
    return fig


def page(times, paths):
    """Attention of two heads {ε: (n, 2)} on position 1."""
    text = "Two heads sit on feature 1 until their first difference has grown."
    page = player.Page("Who leaves, and when", text, choice="first difference", unit="time")
    for name, s in paths.items():
        heads = {f"head {j + 1}": s[:, j] for j in range(2)}
        page.curves(times, heads, label="attention on position 1", of=name)
    return page
