"""The figures of lesson 21."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import plot

TITLES = {  # by lesson: what its path shows
    "06": "06: what leads, where overtakes",
    "10": "10: what leads, then both",
    "14": "14: most of what, then where",
    "18": "18: both together",
}


def four(systems, in_scores, parts):
    """Above what over where, below both and the loss over time.

    systems:   {lesson: (times, what, where, loss, label of the times)}; what, where and loss go
               from 0 at the start to 1 at the end.
    in_scores: of 10, the share of its way that a score has gone.
    parts:     of 18, {name: share} of the two things whose product is what.
    """
    fig, axes = plt.subplots(2, 4, figsize=(14, 7.6))
    lowest = min(-0.08, *(part.min() - 0.05 for part in parts.values()))
    for (path, moments), (lesson, found) in zip(axes.T, systems.items()):
        times, what, where, loss, label = found
        path.plot([0, 1], [0, 1], color="0.6", ls="--", lw=1.2)
        path.plot(where, what, color=plot.BLUE, lw=2)
        dots = np.linspace(times[0], times[-1], 21)  # at equal times
        there = [np.interp(dots, times, x) for x in (where, what)]
        path.plot(*there, "o", color=plot.BLUE, ms=5)
        i = int(np.argmax(where >= 0.1))
        path.plot([0.1, 0.1], [-0.08, what[i]], color="0.4", ls=":", lw=1.4)
        path.annotate(
            f"{what[i]:.2f}", (where[i], what[i]), xytext=(8, -14), textcoords="offset points",
            fontsize=10,
        )  # fmt: skip
        path.set(
            xlim=(-0.08, 1.12), ylim=(-0.08, 1.12), xlabel="where (share of its way)",
            title=TITLES[lesson],
        )  # fmt: skip
        moments.plot(times, loss, color="0.6", lw=3, label="loss")
        moments.plot(times, what, color=plot.ORANGE, lw=2, label="what")
        moments.plot(times, where, color=plot.PURPLE, lw=2, label="where")
        moments.set(ylim=(lowest if lesson == "18" else -0.08, 1.12), xlabel=label)
    axes[0, 0].set_ylabel("what (share of its way)")
    axes[1, 0].set_ylabel("share of its way")
    axes[0, 0].text(
        0.97, 0.03, "dots: at equal times\ndotted: where has a tenth,\nand what has by then",
        transform=axes[0, 0].transAxes, ha="right", va="bottom", fontsize=9, color="0.3",
    )  # fmt: skip
    axes[0, 1].plot(in_scores, systems["10"][1], color=plot.GREEN, lw=1.6, ls="-.")
    axes[0, 1].text(
        0.97, 0.03, "green: where as a score,\nnot as attention",
        transform=axes[0, 1].transAxes, ha="right", va="bottom", fontsize=9, color=plot.GREEN,
    )  # fmt: skip
    for (name, part), style in zip(parts.items(), (":", "-.")):
        axes[1, 3].plot(systems["18"][0], part, color="0.25", ls=style, lw=1.4, label=name)
    axes[1, 3].legend(
        handles=axes[1, 3].get_lines()[-2:], title="what, as a product of", fontsize=8,
        title_fontsize=8, loc="upper left",
    )  # fmt: skip
    names = ["loss (how much of its fall is done)", "what is written", "where it is looked at"]
    handles = axes[1, 0].get_legend_handles_labels()[0]
    fig.legend(handles, names, loc="outside lower center", ncols=3)
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
        ax.legend(loc="upper right", fontsize=9)
    axes[0].set_ylabel("distance to the teacher, nats")
    for (block, found), colour in zip(lost.items(), colours):
        step, excess = np.array(found["step"]), np.array(found["excess"])
        axes[2].plot(step, excess, color=colour, lw=2, label=f"head of block {block} lost")
    axes[2].axhline(trained_on, color="0.5", ls="--", lw=1.2, label="none lost, trained as long")
    first = max(lost.values(), key=lambda one: one["excess"][0])
    if first is min(lost.values(), key=lambda one: one["excess"][-1]):
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
