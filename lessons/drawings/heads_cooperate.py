"""The figures of lesson 11."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import marks
from tinyattn import player, plot

FEATURES = plot.VERMILION, plot.PURPLE, plot.SKY
STAGES = "all on feature 1", "head 2 has left for feature 2", "head 3 has left for feature 3"


def stages(t, V, s, losses, half_times, moments):
    """Attention s and values V of three heads on each plateau, and the loss of each feature.

    V, s: (time, heads, >= 3). losses: (time, features). moments: of the maps, one on each plateau.
    """
    fig = plt.figure(figsize=(11.5, 11))
    grid = fig.add_gridspec(3, 3, height_ratios=(1, 1, 1.1))
    axes = np.array([[fig.add_subplot(grid[i, j]) for j in range(3)] for i in range(2)])
    for column, (moment, name) in enumerate(zip(moments, STAGES)):
        i = np.abs(t - moment).argmin()
        looks, writes = axes[:, column]
        seen = _grid(looks, s[i, :, :3], "position", "magma_r", (0, 1))
        written = _grid(writes, V[i, :, :3], "feature", "RdBu_r", (-3, 3))
        looks.set_title(f"t = {moment:.0f}: {name}", loc="center")
    axes[0, 0].set_ylabel("where each head looks")
    axes[1, 0].set_ylabel("what each head writes")
    for ax, cells in ((axes[0, 2], [(2, 0)]), (axes[1, 2], [(0, 2), (2, 2)])):
        for row, column in cells:
            box = Rectangle((column - 0.46, row - 0.46), 0.92, 0.92)
            box.set(fill=False, ec=plot.GREEN, lw=3.5)
            ax.add_patch(box)
    told = "framed: head 3 writes feature 3 at position 1 too,\nand head 1 takes it back there"
    axes[1, 2].set_xlabel(told, color=plot.GREEN)
    share = "attention on the position\n(37 others are not drawn)"
    fig.colorbar(seen, ax=axes[0], shrink=0.8, label=share)
    fig.colorbar(written, ax=axes[1], shrink=0.8, label="how much of the feature")
    ax = fig.add_subplot(grid[2, :])
    ax.set(xscale="log", xlim=(0.1, t[-1]), ylim=(0, 1.1 * losses.max()))
    for k, (colour, half) in enumerate(zip(FEATURES, half_times)):
        name = f"feature {k + 1}: half at {half:.3g}"
        marks.named(ax, t[1:], losses[1:, k], name, half, (9, 4), color=colour, lw=2)
        ax.plot(half, losses[0, k] / 2, "o", color=colour)
    edges = [0.1, *half_times, t[-1]]
    plot.stages(ax, edges, ["looking around", "all heads together", "two and one", "one each"])
    for moment in moments:
        ax.plot(moment, 0, "k^", ms=7, clip_on=False)
    ax.set(
        xlabel="time (logarithmic); a band ends when a feature is half learnt; triangles: maps",
        ylabel="loss of a feature",
    )
    return fig


def _grid(ax, table, across, cmap, limits):
    """One table (heads, 3), its numbers in its cells."""
    image = ax.imshow(table, cmap=cmap, vmin=limits[0], vmax=limits[1])
    for (j, k), value in np.ndenumerate(table):
        dark = abs(value) > 0.6 * limits[1]
        told = f"{value:.2f}" if abs(value) >= 0.005 else "0"
        ax.text(k, j, told, ha="center", va="center", color="w" if dark else "k")
    ax.set_xticks(range(3), [f"{across} 1", "2", "3"])
    ax.set_yticks(range(len(table)), [f"head {j + 1}" for j in range(len(table))])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def held(t, own, t_free, free, at_once, at_end):
    """Feature losses of one head with its own leftover, and of all; losses when a head is lost.

    own, free: (time, features). at_once, at_end: (loss, loss of each feature) for each head.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6))
    for k, colour in enumerate(FEATURES):
        left.plot(t_free[1:], free[1:, k], color=colour, lw=1.5)
        left.plot(t, own[:, k], color=colour, lw=2.5, ls=(0, (2, 1.2)))
        height = free[0, k] + 0.09
        left.text(0.11, height, f"feature {k + 1}", color=colour, va="bottom")
    left.plot([], [], color="0.3", lw=1.5, label="the leftover of all heads")
    left.plot([], [], color="0.3", lw=2.5, ls=(0, (2, 1.2)), label="each head its own leftover")
    left.legend(loc="upper right")
    left.set(
        xscale="log",
        xlim=(0.1, t[-1]),
        ylim=(0, 4.7),
        xlabel="time (logarithmic)",
        ylabel="loss of a feature",
        title="With its own leftover a head learns feature 1 only",
    )
    places, names = [], []
    for head, pair in enumerate(zip(at_once, at_end)):
        for when, (loss, parts) in zip(("at once", "at the end"), pair):
            x = 2.6 * head + (when == "at the end")
            bottom = 0.0
            shares = [*parts, loss - sum(parts)]
            for share, colour in zip(shares, (*FEATURES, "0.75")):
                right.bar(x, share, bottom=bottom, color=colour, width=0.9)
                bottom += share
            right.text(x, bottom + 0.06, f"{loss:.2f}", ha="center")
            places.append(x)
            names.append(when)
    right.set_xticks(places, names, rotation=30, ha="right")
    for head in range(3):
        right.text(2.6 * head + 0.5, 5.15, f"head {head + 1} silent", ha="center")
    for k, colour in enumerate(FEATURES):
        right.bar(0, 0, color=colour, label=f"feature {k + 1} is missing")
    right.bar(0, 0, color="0.75", label="written where nothing is wanted")
    right.legend(loc="upper right", bbox_to_anchor=(1, 0.93))
    right.set(ylim=(0, 5.5), ylabel="loss", title="Whichever head is lost, feature 3 stays lost")
    return fig


def page():
    """A page to silence a head on."""
    return player.Live("heads_cooperate", "Heads cooperate")
