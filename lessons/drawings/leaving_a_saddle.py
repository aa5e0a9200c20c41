"""The figure of lesson 15."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import plot

KNOWS = ("nothing known", "frequencies known", "token 0 looks at itself", "two kinds of embedding",
         "token 3 looks at itself")  # fmt: skip


def leaving(saddles, waits, losses, later, taken, focus_at):
    """Losses of four starts; leaving each slow point; who leaves; directions taken out.

    saddles:  dicts of t, rate, shares, moved (times, distances), predicted (distances at `waits`).
    losses:   {start: loss at t = 0, 1, ...}; later: {start: delays of the three stages}.
    taken:    (times, {name: part along the second saddle's directions}).
    focus_at: {name: time}.
    """
    fig, ((loss, away), (matrices, parts)) = plt.subplots(2, 2, figsize=(13, 9))
    _losses(loss, losses, later)
    _away(away, saddles, waits)
    _matrices(matrices, saddles)
    _parts(parts, *taken, focus_at)
    return fig


def _losses(ax, losses, later):
    inks = (plot.BLACK, plot.VERMILION, plot.ORANGE, plot.BLUE)
    for (name, values), colour in zip(losses.items(), inks):
        label = f"ten times smaller: {name}" if name in later else name
        if name in later:
            label += ", later by " + ", ".join(f"{delay:.1f}" for delay in later[name])
        ax.plot(np.arange(len(values)), values, color=colour, lw=2, label=label)
    ax.legend(fontsize=8, loc="upper right")
    steps = (
        ("frequencies\nlearnt", 24, 0.97),
        ("token 0\nfocuses", 150, 0.66),
        ("second kind\nof embedding", 300, 0.65),
    )
    for text, t, value in steps:
        ax.annotate(text, (t, value), fontsize=8, color="0.35", va="bottom")
    ax.set(
        xlabel="time",
        ylabel="loss, nats",
        xlim=(0, 440),
        ylim=(0.58, 1.42),
        title="Each saddle adds its own delay, if what leaves it is ten times smaller",
    )


def _away(ax, saddles, waits):
    for saddle, colour in zip(saddles, plot.COLOURS):
        ax.semilogy(*saddle["moved"], color=colour, lw=4, alpha=0.35)
        name = f"t = {saddle['t']:.0f}, rate {saddle['rate']:.2g}"
        ax.plot(waits, saddle["predicted"], "--", color=colour, lw=1.5, label=name)
    ax.axhline(0.3, color="0.5", lw=0.8, ls=":")
    ax.annotate("0.3 away", (99, 0.31), ha="right", va="bottom", fontsize=8, color="0.35")
    ax.set(
        xlim=(0, 100),
        ylim=(1e-3, 4),
        xlabel="time since the slow point",
        ylabel="distance from it",
        title="Leaving each slow point: the path, and dashed the linear flow",
    )
    ax.legend(fontsize=8, loc="lower right")


def _matrices(ax, saddles):
    left = np.zeros(len(saddles))
    inks = {"W0": plot.BLUE, "W1": plot.SKY, "W_Q": plot.VERMILION, "W_K": plot.ORANGE}
    for key, colour in inks.items():
        share = np.array([saddle["shares"][key] for saddle in saddles])
        ax.barh(range(len(saddles)), share, left=left, color=colour, label=key)
        left += share
    names = [f"t = {saddle['t']:.0f}:\n{name}" for saddle, name in zip(saddles, KNOWS)]
    ax.set_yticks(range(len(saddles)), names)
    ax.invert_yaxis()
    ax.set(
        xlabel="share of the leading direction",
        xlim=(0, 1),
        title="Who leaves: embeddings and readout (blue), attention (red)",
    )
    ax.legend(ncols=4, fontsize=8, loc="upper right", bbox_to_anchor=(1, -0.1))


def _parts(ax, times, parts, focus_at):
    inks = (plot.BLACK, plot.BLUE, plot.VERMILION, plot.GREEN)
    for (name, values), colour in zip(parts.items(), inks):
        end = f"focus at {focus_at[name]:.1f}" if name in focus_at else "focus never"
        ax.semilogy(times, values, color=colour, lw=2, label=f"{name}: {end}")
    free = parts["free"]
    level = 0.3
    t_free = np.interp(np.log(level), np.log(free), times)
    other = parts["sixteen taken out"]
    if other[-1] > level:
        t_other = np.interp(np.log(level), np.log(other), times)
        ends = dict(arrowprops={"arrowstyle": "<->", "color": "0.3"})
        ax.annotate("", (t_free, level), (t_other, level), **ends)
        middle = (t_free + t_other) / 2
        later = f"{t_other - t_free:.1f} later"
        ax.annotate(later, (middle, level * 1.1), ha="center", va="bottom", color="0.3")
    told = dict(arrowprops={"arrowstyle": "->", "color": "0.3"}, color="0.3", fontsize=9)
    ax.annotate("a fiftieth is left,\nand is enough", (times[1], other[1]),
                xytext=(times[2], 0.03), va="center", **told)  # fmt: skip
    ax.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.12))
    ax.set(
        xlabel="time",
        ylabel="part of W_Q, W_K along them",
        title="The second saddle's sixteen directions, taken out at its slow point",
    )
