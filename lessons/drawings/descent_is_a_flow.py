"""The figure of lesson 04."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import player, plot

LOW, HIGH = -1.8, 2.2


def flow(paths, times, losses):
    """Loss along two lines; the plane with paths {name: (n, 2)}; {start: loss} over times (n,)."""
    fig, (lines, plane, waits) = plt.subplots(1, 3, figsize=(15, 4.8), width_ratios=(1, 1.1, 1.3))
    _lines(lines)
    _plane(plane, paths, int(np.argmax(times >= 0.5)))
    _waits(waits, times, losses)
    return fig


def _lines(ax):
    """The loss along u = v and along u = -v."""
    x = np.linspace(-1.3, 1.3, 300)
    ax.plot(x, (x**2 - 1) ** 2 / 2, color=plot.BLUE, lw=2)
    up = np.abs(x) < 0.75
    ax.plot(x[up], (x[up] ** 2 + 1) ** 2 / 2, color="#9a6700", lw=2)
    ax.plot(0, 0.5, "X", color="k", ms=10, zorder=3)
    ax.annotate("saddle", (0, 0.5), xytext=(0, -20), textcoords="offset points", ha="center")
    ax.annotate("along (1, −1):\nup, λ = −1", (0, 1.12), color="#9a6700", ha="center")
    ax.annotate("along (1, 1):\ndown, λ = +1", (0, 0.14), color=plot.BLUE, ha="center")
    ax.set(
        xlabel="u on the line",
        ylabel="loss",
        ylim=(0, 1.4),
        title="Two lines through (0, 0)",
    )


def _plane(ax, paths, every):
    """The hill from above, with its valley and its saddle."""
    u, v = np.meshgrid(np.linspace(LOW, HIGH, 400), np.linspace(LOW, HIGH, 400))
    loss = np.minimum((u * v - 1) ** 2 / 2, 2)
    box = (LOW, HIGH, LOW, HIGH)
    ax.imshow(loss, extent=box, origin="lower", cmap="Greys", vmin=0, vmax=6)
    levels = [0.1, 0.3, 0.5, 0.8, 1.2, 1.8]
    ax.contour(u, v, loss, levels=levels, colors="0.6", linewidths=0.6)
    for side in (np.linspace(0.45, HIGH, 100), np.linspace(-0.55, LOW, 100)):
        ax.plot(side, 1 / side, color="k", lw=1.5)
    ax.annotate("valley", (1.55, 0.78), fontsize=9)
    ax.annotate("valley", (-1.72, -0.95), fontsize=9)
    inks = (plot.BLUE, "#9a6700", plot.GREEN)
    shifts = ((8, 4), (-6, -14), (8, -2))
    for (name, path), colour, shift in zip(paths.items(), inks, shifts):
        ax.plot(*path.T, color=colour, lw=1.5)
        ax.plot(*path[::every].T, "o", color=colour, ms=3.5)
        ax.plot(*path[0], "o", color=colour, ms=8)
        beside = dict(xytext=shift, textcoords="offset points", color=colour, fontsize=9)
        ax.annotate(name, path[0], ha="left" if shift[0] > 0 else "right", **beside)
    ax.plot(0, 0, "X", color="k", ms=10, zorder=3)
    ax.annotate("saddle", (0, 0), xytext=(-12, 8), textcoords="offset points", ha="right")
    slow = {"xytext": (0.75, 0.1), "color": plot.BLUE, "fontsize": 9}
    ax.annotate(
        "slow here", (0.13, 0.05), arrowprops={"arrowstyle": "->", "color": plot.BLUE}, **slow
    )
    ax.set(xlabel="u", ylabel="v", xlim=box[:2], ylim=box[2:], aspect="equal")
    ax.set_title("The flow, a dot each 0.5 of time (light: low loss)")


def _waits(ax, times, losses):
    """The loss over time, and where it is foretold to fall."""
    inks = (plot.BLUE, "#9a6700", plot.GREEN, plot.VERMILION)
    for (start, loss), colour in zip(losses.items(), inks):
        wait = np.log(1 / start)
        ax.plot(times, loss, color=colour, lw=2)
        ax.axvline(wait, ymax=0.5 / 0.62, color=colour, ls=":")
        ax.plot(wait, 1 / 8, "o", color=colour, ms=6)
        ax.annotate(f"ε = {start:g}", (wait, 0.51), color=colour, ha="center")
    waits = [np.log(1 / start) for start in losses]
    for left, right in zip(waits, waits[1:]):
        ax.annotate(
            "", (right, 0.56), (left, 0.56), arrowprops={"arrowstyle": "<->", "color": "0.4"}
        )
        ax.annotate("ln 10 = 2.3", ((left + right) / 2, 0.57), color="0.3", ha="center")
    ax.set(
        xlabel="time t",
        ylabel="loss",
        xlim=(0, 12),
        ylim=(0, 0.62),
        title="Start u = v = ε. Dotted: ln(1/ε); there u v = ½, loss ⅛",
    )


def page():
    """A page to drag the start and the learning rate on."""
    return player.Live("descent_is_a_flow", "Descent is a flow")
