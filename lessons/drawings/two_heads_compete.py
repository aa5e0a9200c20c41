"""The figure of lesson 09."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from tinyattn import plot


def tables(G, moments, curves):
    """The target (2, 2); {moment: tables of the heads (2, 2, 2)}; losses {name: (t, loss)}.

    A table has features down and positions across. In the last moment the cells that cancel are
    framed. The first curve lies under the others; dots on the second are the moments.
    """
    fig = plt.figure(figsize=(12.5, 8.8))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1.4, 1))
    axes = top.subplots(2, 4)
    for row, (moment, heads) in zip(axes, moments.items()):
        left_over = G - heads.sum(axis=0)
        names = ["wanted: G", "head 1 holds", "head 2 holds", "left over: R"]
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
        row[0].set_ylabel(moment, fontsize=12)
        for ax, sign in zip(row[1:], ("=", "+", "+")):
            ax.text(-0.42, 0.5, sign, transform=ax.transAxes, fontsize=16, ha="center", va="center")
    said = ("... which head 1 takes back", "head 2 writes 1.35 too much ...")
    for ax, words in zip(axes[-1, 1:3], said):
        frame = dict(fill=False, edgecolor=plot.BLACK, lw=2.5)
        ax.add_patch(Rectangle((-0.48, 0.52), 0.96, 0.96, clip_on=False, **frame))
        ax.set_xlabel(words, fontsize=10)
    top.suptitle("Two heads, first ε = 1e-2 apart: together on feature 1, then parted", fontsize=11)
    ax = bottom.subplots()
    ax.axhline(0.5, color="0.35", ls="--", lw=1)
    styles = (("0.6", 6), (plot.BLUE, 2), (plot.GREEN, 2), (plot.VERMILION, 2))
    for (name, (times, loss)), (colour, width) in zip(curves.items(), styles):
        ax.plot(times, loss, color=colour, lw=width)
        if (loss < 0.25).any():
            falls = times[np.argmax(loss < 0.25)]
            where = dict(xy=(falls, 0.2), xytext=(-14, 0), ha="right", va="center")
        else:
            where = dict(xy=(times[-1], 0.5), xytext=(-4, 9), ha="right", va="bottom")
        ax.annotate(name, textcoords="offset points", color=colour, fontsize=10, **where)
    times, loss = list(curves.values())[1]
    for moment in moments:
        at = np.abs(times - float(moment.removeprefix("t = "))).argmin()
        ax.plot(times[at], loss[at], "o", color=plot.BLUE, ms=7, clip_on=False)
        beside = dict(xytext=(-6, 8), textcoords="offset points", ha="right")
        ax.annotate(f"row {moment}", (times[at], loss[at]), color=plot.BLUE, fontsize=9, **beside)
    ax.set(
        xscale="log",
        xlabel="time (logarithmic)",
        ylabel="loss (5 at t = 0)",
        ylim=(0, 2),
        xlim=(1, 2100),
        title="Together the loss rests at 1/2; the more alike the heads, the longer",
    )
    return fig
