"""The figures of lesson 21."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import plot

TITLES = {  # by lesson: what its path shows
    "06": "06: some what, all where, then what",
    "10": "10: what leads, then both",
    "14": "14: nearly all what, then where",
    "18": "18: what goes back, then both",
}


def four(systems):
    """Above what over where, below both and the loss over time.

    systems: {lesson: (times, what, where, loss, label of the times)}; what, where and loss go from
             0 at the start to 1 at the end.
    """
    fig, axes = plt.subplots(2, 4, figsize=(14, 7.4))
    for (path, moments), (lesson, found) in zip(axes.T, systems.items()):
        times, what, where, loss, label = found
        path.plot([0, 1], [0, 1], color="0.6", ls="--", lw=1.2)
        path.plot(where, what, color=plot.BLUE, lw=2)
        dots = np.linspace(times[0], times[-1], 21)  # at equal times
        there = [np.interp(dots, times, x) for x in (where, what)]
        path.plot(*there, "o", color=plot.BLUE, ms=5)
        low = min(-0.08, where.min() - 0.05, what.min() - 0.05)
        path.set(
            xlim=(-0.08, 1.12), ylim=(low, 1.12), xlabel="where (share of its way)",
            title=TITLES[lesson],
        )  # fmt: skip
        moments.plot(times, loss, color="0.6", lw=3, label="loss")
        moments.plot(times, what, color=plot.ORANGE, lw=2, label="what")
        moments.plot(times, where, color=plot.PURPLE, lw=2, label="where")
        moments.set(ylim=(low, 1.12), xlabel=label)
    axes[0, 0].set_ylabel("what (share of its way)")
    axes[1, 0].set_ylabel("share of its way")
    names = ["loss (how much of its fall is done)", "what is written", "where it is looked at"]
    handles = axes[1, 0].get_legend_handles_labels()[0]
    fig.legend(handles, names, loc="outside lower center", ncols=3)
    arrow = {"arrowstyle": "->", "color": "0.3"}
    back = systems["18"]
    lowest = int(back[1].argmin())
    axes[0, 3].annotate(
        "unlearnt first", (back[2][lowest], back[1][lowest]), xytext=(0.45, 0.02), fontsize=9,
        arrowprops=arrow,
    )  # fmt: skip
    written = systems["14"]
    i = int(np.argmax(written[2] > 0.02))
    axes[0, 2].annotate(
        "the corner: nearly all\nof what, none of where", (written[2][i], written[1][i]),
        xytext=(0.42, 0.1), fontsize=9, arrowprops=arrow,
    )  # fmt: skip
    return fig


def full(free, alike, lost, trained_on):
    """A full transformer: free, from heads that start alike, and after a head is lost.

    free, alike: results of runs. lost: {block: results}. trained_on: excess loss with none lost.
    """
    fig, axes = plt.subplots(1, 3, figsize=(14, 4.6))
    colours = (plot.BLUE, plot.ORANGE, plot.GREEN)
    highest = float(np.max(free["kl"])) * 1.05
    for ax, found, title in (
        (axes[0], free, "Heads drawn apart: hardly a wait"),
        (axes[1], alike, "The same, heads nearly alike: they wait"),
    ):
        step, kl = np.array(found["step"]), np.array(found["kl"])
        for k, colour in enumerate(colours):
            seen = ("block 1", "blocks 1, 2", "all blocks")[k]
            ax.plot(step, kl[:, k], color=colour, lw=2, label=f"teacher who sees {seen}")
        ax.set(xlabel="training step", ylim=(0, highest), title=title)
    axes[0].set_ylabel("distance to the teacher, nats")
    axes[1].legend(loc="upper right", fontsize=9)
    for (block, found), colour in zip(lost.items(), colours):
        step, excess = np.array(found["step"]), np.array(found["excess"])
        axes[2].plot(step, excess, color=colour, lw=2, label=f"head of block {block} lost")
    axes[2].axhline(trained_on, color="0.5", ls="--", lw=1.2, label="none lost, at the end")
    first = lost[1]
    axes[2].annotate(
        "largest at once,\nsmallest in the end", (first["step"][-1], first["excess"][-1]),
        xytext=(0.55, 0.5), textcoords="axes fraction", fontsize=9,
        arrowprops={"arrowstyle": "->", "color": "0.3"},
    )  # fmt: skip
    axes[2].set(
        ylim=(0, None), xlabel="training steps after the loss", ylabel="excess loss, nats",
        title="A head is lost: far apart, then near",
    )  # fmt: skip
    axes[2].legend(fontsize=9, loc="upper right")
    return fig
