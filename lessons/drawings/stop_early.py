"""The figure of lesson 13."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import plot


def stop_early(found, paper):
    """A LadderTrial's results {sequences (0: a stream): ...}; paper: {n: (best step, loss)}."""
    finite = [n for n in found if n]
    fig = plt.figure(figsize=(13, 8.2))
    grid = fig.add_gridspec(2, len(finite), height_ratios=(1.3, 1))
    ax = fig.add_subplot(grid[0, :])
    last = max(one["step"][-1] for one in found.values())
    inks = plot.VERMILION, plot.ORANGE, plot.BLUE, plot.BLACK
    for (n, one), colour in zip(found.items(), inks):
        step, excess = np.array(one["step"]), np.array(one["excess"])
        step, excess = step[excess < 3.9], excess[excess < 3.9]
        name, at, shift = "a stream", step[len(step) // 4], (-4, -16)
        if n:
            name, at, shift = f"{n} sequences", step[-1], (5, -3)
        marks.named(ax, step, excess, name, at, shift, color=colour, lw=2)
        if n:
            best = one["best_step"], one["best_excess"]
            ax.plot(*best, "o", color=colour, ms=9)
            verb = "stop" if best[0] < one["step"][-1] else "still falling"
            told = f"{verb} at {best[0]}: rung {one['best_rung']}"
            shift = (8, -14) if best[1] > 0.4 else (-10, 12)
            beside = dict(xytext=shift, textcoords="offset points", fontsize=9)
            ax.annotate(told, best, color=colour, **beside)
        if n in paper:
            ax.plot(*paper[n], "D", color=colour, mfc="none", ms=8)
    if paper:
        ax.plot([], [], "D", color="0.4", mfc="none", label="the paper's best step and loss")
        ax.legend(loc="upper right")
    ax.set(
        xlim=(0, 1.12 * last),
        ylim=(0, 4),
        xlabel="training step",
        ylabel="excess loss on new sequences, nats",
        title="Less data: an earlier stop, a higher loss, and more harm in going on",
    )
    for i, n in enumerate(finite):
        ax = fig.add_subplot(grid[1, i])
        kl, step = np.array(found[n]["kl"]), found[n]["step"]
        for k, colour in enumerate((plot.VERMILION, plot.PURPLE, plot.SKY)):
            name = f"teacher of block{'s 1 to' if k else ''} {k + 1}"
            ax.plot(step, kl[:, k], color=colour, lw=2, label=name)
            if k < 2 and "learned_kl" in found[n]:
                ax.plot(step, np.array(found[n]["learned_kl"])[:, k], color=colour, lw=2, ls=":")
        ax.axvline(found[n]["best_step"], color="k", lw=1, ls="--")
        ax.set(xlabel="training step", ylim=(0, 3.6), title=f"{n} sequences (dashed: stop)")
        if i == 0:
            ax.set_ylabel("distance to a teacher, nats")
    ax.plot([], [], ":", color="0.3", lw=2, label="a network that sees these alone")
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0.1, 1.02))
    return fig
