"""The figures of lesson 11."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import plot

FEATURES = plot.VERMILION, plot.PURPLE, plot.SKY


def stages(t, V, s, losses, half_times, moments):
    """Values V and attention s of three heads, and the loss of each feature.

    V, s: (time, heads, >= 3). losses: (time, features). moments: of the maps, one in each stage.
    """
    fig = plt.figure(figsize=(12.5, 8))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1, 1.15))
    axes = top.subplots(1, len(moments))
    names = [
        "at the start",
        "all on feature 1",
        "one has left for feature 2",
        "one has left for feature 3",
    ]
    for ax, moment, name in zip(axes, moments, names):
        i = np.abs(t - moment).argmin()
        image = ax.imshow(s[i, :, :3], cmap="magma_r", vmin=0, vmax=1)
        for (j, k), value in np.ndenumerate(V[i, :, :3]):
            if abs(value) > 0.05:
                ink = "w" if s[i, j, k] > 0.5 else "k"
                told = f"writes\n{value:.2f}"
                ax.text(k, j, told, ha="center", va="center", color=ink, fontsize=8)
        ax.set_xticks(range(3), ["position 1\nfeature 1", "2", "3"])
        ax.set_yticks(range(3), ["head 1", "2", "3"])
        ax.set_title(f"t = {moment:.3g}: {name}", loc="center")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    top.colorbar(image, ax=axes, shrink=0.7, label="attention on the position")
    ax = bottom.subplots()
    ax.set(xscale="log", xlim=(0.1, t[-1]), ylim=(0, 1.12 * losses.max()))
    for k, (colour, half) in enumerate(zip(FEATURES, half_times)):
        name = f"feature {k + 1}: t = {half:.4g}"
        marks.named(ax, t[1:], losses[1:, k], name, half, (7, 3), color=colour, lw=2)
        ax.plot(half, losses[0, k] / 2, "o", color=colour)
    edges = [0.1, *half_times, t[-1]]
    plot.stages(ax, edges, ["looking around", "all heads together", "two and one", "one each"])
    for moment in moments[1:]:
        ax.plot(moment, 0, "k^", ms=7, clip_on=False)
    ax.set(
        xlabel="time (logarithmic); a band ends when a feature is half learnt; triangles: maps",
        ylabel="loss of a feature",
    )
    return fig


def variants(runs, network):
    """Shares of each feature's loss {name: (t, shares)}; results of a RegressionTrial."""
    fig, axes = plt.subplots(1, len(runs) + 1, figsize=(14.5, 4), sharey=True)
    for ax, (name, (t, shares)) in zip(axes, runs.items()):
        for k, colour in enumerate(FEATURES):
            learnt = shares[:, k] < 0.5
            at = t[np.argmax(learnt)] if learnt.any() else t[-1] / 30
            marks.named(ax, t[1:], shares[1:, k], str(k + 1), at, (5, 2), color=colour, lw=2)
        ax.set(xscale="log", xlim=(0.3, t[-1]), xlabel="time (logarithmic)", title=name)
    t, ax = np.array(network["time"]), axes[-1]
    for k, colour in enumerate(FEATURES):
        flow, trained = np.array(network["flow_loss"])[:, k], np.array(network["loss"])[:, k]
        some = np.unique(np.geomspace(3, len(t) - 1, 22).astype(int))
        line, dots = ("the flow", "the network") if k == 0 else (None, None)
        ax.plot(t[1:], flow[1:], color=colour, lw=2, label=line)
        ax.plot(t[some], trained[some], "o", color=colour, mfc="none", ms=4, label=dots)
    ax.set(
        xscale="log",
        xlim=(1, t[-1]),
        xlabel="time (logarithmic)",
        title="a network follows the flow",
    )
    ax.legend()
    axes[0].set_ylabel("loss of a feature / its start")
    return fig
