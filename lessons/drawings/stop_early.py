"""The figures of lesson 13."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import plot

INKS = plot.VERMILION, plot.ORANGE, plot.BLUE
BLOCKS = plot.VERMILION, plot.PURPLE, plot.SKY


def stop_early(found, paper):
    """A LadderTrial's results {sequences: ...}; paper: {n: (best step, loss)}."""
    fig = plt.figure(figsize=(12.5, 8.6))
    grid = fig.add_gridspec(2, len(found), height_ratios=(1.3, 1))
    ax = fig.add_subplot(grid[0, :])
    for (n, one), colour in zip(found.items(), INKS):
        step, excess = np.array(one["step"]), np.array(one["excess"])
        best = one["best_step"], one["best_excess"]
        what = f"stop at {best[0]}" if best[0] < step[-1] else f"still falling at {best[0]}"
        told = f"{n} sequences: {what}, rung {one['best_rung']}"
        ax.plot(step[1:], excess[1:], color=colour, lw=2, label=told)
        ax.plot(*best, "o", color=colour, ms=10)
        if n in paper:
            ax.plot(*paper[n], "D", color=colour, mfc="none", ms=9, mew=1.6)
    ax.plot([], [], "o", color="0.4", ms=10, label="here: best step and loss")
    if paper:
        ax.plot([], [], "D", color="0.4", mfc="none", ms=9, label="the paper's")
    ax.legend(loc="lower left")
    ax.set(
        xscale="log",
        ylim=(0, 4),
        xlabel="training step (logarithmic)",
        ylabel="excess loss on new sequences, nats",
        title="Less data: an earlier stop, a higher loss, and more harm in going on",
    )
    for i, (n, one) in enumerate(found.items()):
        ax = fig.add_subplot(grid[1, i])
        kl, step = np.array(one["kl"]), one["step"]
        for k, colour in enumerate(BLOCKS):
            name = f"teacher of block{'s 1 to' if k else ''} {k + 1}"
            ax.plot(step, kl[:, k], color=colour, lw=2, label=name)
            if k < 2 and "learned_kl" in one:
                ax.plot(step, np.array(one["learned_kl"])[:, k], color=colour, lw=2, ls=":")
        ax.axvline(one["best_step"], color="k", lw=1, ls="--")
        ax.set(xlabel="training step", ylim=(0, 4), title=f"{n} sequences (dashed: stop)")
        if i == 0:
            ax.set_ylabel("distance to a teacher, nats")
    ax.plot([], [], ":", color="0.3", lw=2, label="learned rungs 1 and 2")
    ax.legend(fontsize=9, loc="upper center")
    return fig


def data(same, fresh, stop, sizes, shares, shows, foretold):
    """The stopped run, going on with the same sequences and with fresh ones; blocks over sizes.

    same, fresh: pairs (step, excess loss). shares: (sizes, 3), most attention of a head on a block.
    shows, foretold: sizes at which the blocks show.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 4.8))
    left.plot(*same, color=plot.VERMILION, lw=2, label="the same sequences again")
    left.plot(*fresh, color=plot.GREEN, lw=2, ls="--", label="from the stop on, fresh sequences")
    left.axvline(stop, color="k", lw=1, ls=":", label=f"the stop, step {stop}")
    left.legend(loc="upper right", bbox_to_anchor=(1, 0.72))
    left.set(
        ylim=(0, 4),
        xlabel="training step",
        ylabel="excess loss on new sequences, nats",
        title="Over-fitting comes of seeing the same sequences again",
    )
    for k, colour in enumerate(BLOCKS):
        right.plot(sizes, shares[:, k], "o-", color=colour, lw=2, label=f"block {k + 1}")
        height = shares[-1, k] / 2
        right.plot(shows[k], height, "s", color=colour, ms=11, mec="k")
        right.plot(foretold[k], height, "D", color=colour, ms=11, mfc="none", mew=2)
    right.plot([], [], "s", color="0.7", mec="k", ms=10, label="shows: half of its last value")
    right.plot([], [], "D", color="0.4", mfc="none", ms=10, label="foretold from block 2")
    right.legend(loc="upper left", fontsize=9)
    right.set(
        xscale="log",
        ylim=(0, 1),
        xlabel="sequences (logarithmic)",
        ylabel="attention on the block, at the stop",
        title="A block shows when there is enough data for it",
    )
    return fig
