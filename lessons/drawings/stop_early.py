"""The figures of lesson 13."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter

from drawings.climbing_the_ladder import BLOCKS
from tinyattn import plot

INKS = plot.VERMILION, "0.55", "k"  # of the sets; none of them is the colour of a block or a head


def stop_early(found, paper):
    """A LadderTrial's results {sequences: ...}; paper: {n: (best step, loss)}.

    The nearest rung is named by learned rungs where there are any.
    """
    fig = plt.figure(figsize=(12.5, 11.4))
    grid = fig.add_gridspec(3, len(found), height_ratios=(1.3, 1, 0.8))
    ax = fig.add_subplot(grid[0, :])
    for (n, one), colour in zip(found.items(), INKS):
        step, excess = np.array(one["step"]), np.array(one["excess"])
        best = one["best_step"], one["best_excess"]
        what = f"stop at {best[0]}" if best[0] < step[-1] else f"still falling at {best[0]}"
        rung = one["best_rung"]
        if "learned_best_kl" in one:
            rung = int(np.argmin(one["learned_best_kl"])) + 1
        told = f"{n} sequences: {what}, nearest to rung {rung}"
        ax.plot(step[1:], excess[1:], color=colour, lw=2, label=told)
        _mark_a_rise(ax, step, excess, best[0])
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
            ax.plot(step[1:], kl[1:, k], color=colour, lw=2, label=name)
            if k < 2 and "learned_kl" in one:
                ax.plot(step[1:], np.array(one["learned_kl"])[1:, k], color=colour, lw=2, ls=":")
        ax.axvline(one["best_step"], color="k", lw=1, ls="--")
        ax.set(xscale="log", xlabel="training step (logarithmic)", ylim=(0, 4))
        ax.set_xlim(10, 1.1 * step[-1])
        ticks = [at for at in (10, 30, 100, 300, 1000) if at <= step[-1]]
        ax.set_xticks(ticks, [str(at) for at in ticks])
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_title(f"{n} sequences (dashed: stop)", color=INKS[i])
        if i == 0:
            ax.set_ylabel("distance to a teacher, nats")
    ax.plot([], [], ":", color="0.3", lw=2, label="learned rungs 1, 2 (first two panels)")
    ax.legend(fontsize=9, loc="upper center")
    n = list(found)[1]
    _where_heads_look([fig.add_subplot(grid[2, i]) for i in range(3)], found[n], n, INKS[1])
    return fig


def _where_heads_look(axes, one, n, colour):
    """Each head's attention on the blocks; a band where the loss rises before the stop."""
    step, mass = np.array(one["step"]), np.array(one["span_mass"])
    rise = _rise(step, np.array(one["excess"]), one["best_step"])
    for j, ax in enumerate(axes):
        for k, ink in enumerate(BLOCKS):
            ax.plot(step, mass[:, j, k], color=ink, lw=2, label=f"on block {k + 1}")
        ax.axvline(one["best_step"], color="k", lw=1, ls="--")
        if rise:
            ax.axvspan(step[rise[0]], step[rise[1]], color="0.9", zorder=0)
        ax.set(xlim=(0, step[-1]), ylim=(0, 1), xlabel="training step")
        ax.set_title(f"{n} sequences: head {j + 1}", color=colour)
    axes[0].set_ylabel("share of its attention")
    if rise:
        axes[2].axvspan(-2, -1, color="0.9", label="the loss rises (arrow)")
    white = {"frameon": True, "facecolor": "w", "edgecolor": "w", "framealpha": 1}
    axes[2].legend(loc="center", bbox_to_anchor=(0.7, 0.52), fontsize=9, **white)


def _rise(step, excess, best_step):
    """Where a rise before the best step begins and is highest, or None."""
    above = (excess - np.minimum.accumulate(excess))[step < best_step]
    if above.max(initial=0) <= 0.02:
        return None
    top = int(above.argmax())
    return int(excess[: top + 1].argmin()), top


def _mark_a_rise(ax, step, excess, best_step):
    """An arrow at the highest point of a rise that comes before the best step."""
    rise = _rise(step, excess, best_step)
    if rise:
        top = step[rise[1]], excess[rise[1]]
        where = {"xytext": (45, 55), "textcoords": "offset points"}
        arrow = {"arrowstyle": "->", "color": "0.3", "lw": 1.6}
        ax.annotate("it rises, and then falls again", top, arrowprops=arrow, **where)


def data(same, fresh, stop, sizes, shares, shows, foretold, nothing):
    """The stopped run, going on with the same sequences and with fresh ones; blocks over sizes.

    same, fresh: results of a StoppingTrial, same with set_excess. shares: (sizes, 3), most
    attention of a head on a block. shows, foretold: sizes at which the blocks show. nothing: the
    attention that a head which knows nothing gives to a block.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 4.8))
    step = same["step"]
    on_new = "the same ones again: loss on new ones"
    left.plot(step, same["excess"], color=plot.VERMILION, lw=2, label=on_new)
    own = "    ... and on the same ones themselves"
    left.plot(step, same["set_excess"], color=plot.VERMILION, lw=1.5, ls=":", label=own)
    told = "fresh ones from the stop on: loss on new ones"
    left.plot(fresh["step"], fresh["excess"], color=plot.GREEN, lw=2, ls="--", label=told)
    left.axvline(stop, color="k", lw=1, ls=":", label=f"the stop, step {stop}")
    left.axhline(0, color="0.6", lw=1)
    law = {"color": "0.4", "fontsize": 9, "ha": "right", "va": "top"}
    left.text(0.99 * step[-1], -0.05, "the true law", **law)
    left.legend(loc="upper left", bbox_to_anchor=(0.33, 0.68), fontsize=9)
    left.set(
        xlim=(0, step[-1]),
        ylim=(-0.6, 5.2),
        xlabel="training step",
        ylabel="excess loss, nats",
        title="Over-fitting comes of seeing the same sequences again",
    )
    for k, colour in enumerate(BLOCKS):
        right.plot(sizes, shares[:, k], "o-", color=colour, lw=2, label=f"block {k + 1}")
        height = shares[-1, k] / 2
        right.plot(shows[k], height, "s", color=colour, ms=11, mec="k")
        right.plot(foretold[k], height, "D", color=colour, ms=11, mfc="none", mew=2)
    right.plot([], [], "s", color="0.7", mec="k", ms=10, label="shows: half of its last value")
    right.plot([], [], "D", color="0.4", mfc="none", ms=10, label="foretold from block 2")
    told = "a head that knows nothing"
    right.axhline(nothing, color="0.5", lw=1, ls=":", label=told)
    i = int(np.diff(shares[:, 2]).argmax())
    middle = np.sqrt(sizes[i] * sizes[i + 1]), shares[i : i + 2, 2].mean()
    arrow = {"arrowstyle": "->", "color": BLOCKS[2], "lw": 1.6}
    where = {"xytext": (-40, 42), "textcoords": "offset points", "ha": "right", "fontsize": 9}
    right.annotate("block 3: all at once", middle, arrowprops=arrow, color=BLOCKS[2], **where)
    right.legend(loc="upper left", fontsize=9)
    right.set(
        xscale="log",
        ylim=(0, 1.25),
        xlabel="sequences (logarithmic)",
        ylabel="attention on the block, at the stop",
        title="A block shows when there is enough data for it",
    )
    return fig
