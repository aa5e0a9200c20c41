"""The figure of lesson 09."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import plot


def tables(G, moments, curves):
    """The target (2, 2); {moment: tables of the heads (2, 2, 2)}; losses {name: (t, loss)}.

    A table has features down and positions across.
    """
    fig = plt.figure(figsize=(12.5, 8.2))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1.25, 1))
    axes = top.subplots(2, 4)
    for row, (moment, heads) in zip(axes, moments.items()):
        left_over = G - heads.sum(axis=0)
        names = ["wanted: G", "head 1 writes", "head 2 writes", "left over: R"]
        for ax, name, table in zip(row, names, [G, *heads, left_over]):
            ax.imshow(table, cmap="PuOr_r", vmin=-3, vmax=3)
            for (i, j), value in np.ndenumerate(table):
                ink = "w" if abs(value) > 2 else "k"
                ax.text(j, i, f"{value.round(2) + 0:.2f}", ha="center", va="center", color=ink)
            ax.set_xticks([0, 1], ["position 1", "2"])
            ax.set_yticks([0, 1], ["feature 1", "2"])
            ax.tick_params(length=0)
            ax.spines[:].set_visible(False)
            ax.set_title(name, loc="center")
        row[0].set_ylabel(moment)
        for ax, sign in zip(row[1:], ("=", "+", "+")):
            ax.text(-0.42, 0.5, sign, transform=ax.transAxes, fontsize=16, ha="center", va="center")
    ax = bottom.subplots()
    for (name, (t, loss)), colour in zip(curves.items(), plot.COLOURS):
        leaves = t[np.argmax(loss < 0.25)] if (loss < 0.25).any() else t[-1] / 2
        marks.named(ax, t, loss, name, leaves, (-6, 8), color=colour, lw=2)
    marks.reference(ax, 0.5, "", below=True)
    ax.set(
        xscale="log",
        xlabel="time (logarithmic)",
        ylabel="loss",
        ylim=(0, 2),
        title="Together on feature 1 the loss rests at 1/2; the more alike the heads, the longer",
    )
    return fig
