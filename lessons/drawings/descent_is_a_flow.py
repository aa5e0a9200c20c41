"""The figure of lesson 04."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import player, plot

LOW, HIGH = -1.8, 2.2
BROWN = "#9a6700"


def flow(paths, times, losses, long_times, long_losses):
    """Loss along two lines; the plane with paths {name: (n, 2)}; {start: loss} over times (n,).

    long_losses: {"stays" or "nudged": (m,)} over long_times, of walks from (1, -1)'s line.
    """
    fig = plt.figure(figsize=(15, 5))
    grid = fig.add_gridspec(2, 3, width_ratios=(0.9, 1.2, 1.3), height_ratios=(1.5, 1))
    _lines(fig.add_subplot(grid[:, 0]))
    _plane(fig.add_subplot(grid[:, 1]), paths, int(np.argmax(times >= 0.5)))
    _waits(fig.add_subplot(grid[0, 2]), times, losses)
    _long_wait(fig.add_subplot(grid[1, 2]), long_times, long_losses)
    return fig


def _lines(ax):
    """The loss along u = v and along u = -v."""
    x = np.linspace(-1.3, 1.3, 300)
    ax.plot(x, (x**2 - 1) ** 2 / 2, color=plot.BLUE, lw=2)
    up = np.abs(x) < 0.75
    ax.plot(x[up], (x[up] ** 2 + 1) ** 2 / 2, color=BROWN, lw=2)
    ax.plot(0, 0.5, "X", color="k", ms=10, zorder=3)
    ax.annotate("saddle", (0, 0.5), xytext=(0, -20), textcoords="offset points", ha="center")
    ax.annotate("along (1, −1):\nup, λ = −1", (0, 1.12), color=BROWN, ha="center")
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
    ax.contour(u, v, loss, levels=levels, colors="0.7", linewidths=0.5)
    ends = np.array([LOW, HIGH])
    ax.plot(ends, ends, color=plot.BLUE, ls=":", lw=1)
    ax.plot([LOW, 1.4], [-LOW, -1.4], color=BROWN, ls=":", lw=1)
    for side in (np.linspace(0.45, HIGH, 100), np.linspace(-0.55, LOW, 100)):
        ax.plot(side, 1 / side, color="k", lw=1.5)
    ax.annotate("valley", (1.55, 0.78), fontsize=9)
    ax.annotate("valley", (-1.72, -0.95), fontsize=9)
    inks, widths = (plot.GREEN, BROWN, "0.4"), (3, 1.5, 1.5)
    names = (((6, -18), "center"), ((-8, -6), "right"), ((8, -2), "left"))
    sizes = (6, 2.5, 4)  # small brown dots, so that the green ones behind them are seen
    for (name, path), colour, width, (shift, side), size in zip(
        paths.items(), inks, widths, names, sizes
    ):
        ax.plot(*path.T, color=colour, lw=width)
        ax.plot(*path[::every].T, "o", color=colour, ms=size)
        ax.plot(*path[0], "o", color=colour, ms=8)
        beside = dict(xytext=shift, textcoords="offset points", color=colour, fontsize=9)
        ax.annotate(name, path[0], ha=side, **beside)
    ax.add_patch(plt.Circle((0, 0), 0.1, fill=False, color="k", lw=1, zorder=5))
    ax.annotate("saddle", (0, 0), xytext=(-10, 10), textcoords="offset points", ha="right")
    path = next(iter(paths.values()))
    inside = int((np.hypot(*path[::every].T) < 0.1).sum())
    ax.annotate(
        f"{inside} green dots inside\nthis ring, radius 0.1",
        (0.09, 0.03),
        xytext=(0.5, -0.12),
        arrowprops={"arrowstyle": "->", "color": plot.GREEN},
        va="center",
        color=plot.GREEN,
        fontsize=9,
    )
    ax.set(xlabel="u", ylabel="v", xlim=box[:2], ylim=box[2:], aspect="equal")
    ax.set_title("The flow, a dot each 0.5 of time (light: low loss)")


def _waits(ax, times, losses):
    """The loss over time, and where it is foretold to fall."""
    waits = [np.log(1 / start) for start in losses]
    for (start, loss), wait in zip(losses.items(), waits):
        ax.plot(times, loss, color=plot.BLUE, lw=2)
        ax.axvline(wait, ymax=0.5 / 0.66, color=plot.BLUE, ls=":")
        ax.plot(wait, 1 / 8, "o", color=plot.BLUE, ms=6)
        ax.annotate(f"ε = {start:g}", (wait, 0.515), color=plot.BLUE, ha="center")
    for left, right in zip(waits, waits[1:]):
        ax.annotate(
            "", (right, 0.59), (left, 0.59), arrowprops={"arrowstyle": "<->", "color": "0.4"}
        )
        ax.annotate("ln 10 = 2.3", ((left + right) / 2, 0.6), color="0.3", ha="center")
    ax.set(
        ylabel="loss",
        xlim=(0, 12),
        ylim=(0, 0.66),
        title="Start u = v = ε. Dotted: ln(1/ε); there u v = ½, loss ⅛",
    )


def _long_wait(ax, times, losses):
    """The loss from (0.1, -0.1), and from a start that is nudged off the line."""
    ax.plot(times, losses["nudged"], color=plot.GREEN, lw=4)
    ax.plot(times, losses["stays"], color=BROWN, lw=1.5)
    stays = dict(color=BROWN, ha="center", va="top")
    ax.annotate("from (0.1, −0.1): for ever", (18, 0.45), **stays)
    nudged = dict(color=plot.GREEN, ha="center", va="top")
    ax.annotate("nudged by 1e-16: until 37.5", (18, 0.27), **nudged)
    ax.set(xlabel="time t", ylabel="loss", xlim=(0, 45), ylim=(0, 0.62))


def page():
    """A page to drag the start and the learning rate on."""
    return player.Live("descent_is_a_flow", "Descent is a flow")
