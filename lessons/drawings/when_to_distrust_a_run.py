"""The figure of lesson 16."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import plot

INKS = {"rk45": plot.BLACK, "exact path": plot.BLACK, "bdf": plot.GREEN}
WALKS = (plot.VERMILION, plot.ORANGE, plot.PURPLE)
SILENT = (plot.BLUE, plot.SKY)


def distrust(drifts, followed, limits, chosen, losses):
    """Drift; fastest rate where walks are; length of steps; loss.

    drifts, followed, losses: {name: (times, values)}; the walks' names are those of limits,
    {name: fastest rate that its step bears}. chosen: {method: times of its steps}.
    """
    inks = dict(INKS)
    inks |= dict(zip(limits, WALKS))
    inks |= dict(zip((name for name in drifts if name not in inks), SILENT))
    fig, ((moved, rate), (steps, loss)) = plt.subplots(2, 2, figsize=(13, 9))
    _drift(moved, drifts, limits, inks)
    _rates(rate, followed, limits, inks)
    _steps(steps, chosen, inks)
    _losses(loss, losses, limits, inks)
    return fig


def _drift(ax, drifts, limits, inks):
    for name, (t, values) in drifts.items():
        silent = name not in limits and name not in INKS
        said = f"{name}: wrong" if silent or name in limits else f"{name}: right"
        style = "--" if silent else "-"
        ax.semilogy(t, np.maximum(values, 1e-17), style, color=inks[name], lw=2, label=said)
    ax.legend(fontsize=8, loc="upper left")
    ax.set(
        xlabel="time",
        ylabel="drift of the two matrices",
        ylim=(1e-13, 1e4),
        title="Three wrong runs drift with a jump, the other two (dashed) without",
    )


def _rates(ax, followed, limits, inks):
    for name, (t, values) in followed.items():
        if name in limits:
            ax.plot(t, values, "o-", color=inks[name], lw=1.5, ms=4, label=name)
            ax.axhline(limits[name], color=inks[name], lw=1, ls=":")
        else:
            without = name not in inks
            style = dict(color="0.5", ls="--") if without else dict(color=plot.BLACK)
            ax.plot(t, values, lw=2.5, label=name, **style)
    corner = dict(xycoords="axes fraction", fontsize=9, color="0.35", ha="right")
    ax.annotate("dotted: the most that each step bears", (0.98, 0.02), **corner)
    ax.legend(fontsize=8, loc="upper left")
    ax.set(
        xlabel="time",
        ylabel="fastest rate where the walk is",
        ylim=(-5, 1.35 * max(max(values) for _, values in followed.values())),
        title="Past what its step bears a walk leaves the path",
    )


def _steps(ax, chosen, inks):
    for name, t in chosen.items():
        colour = inks[name]
        ax.semilogy(t[1:], np.diff(t), color=colour, lw=2, label=f"{name}: {len(t) - 1} steps")
    ax.legend(fontsize=9, loc="lower right")
    ax.set(xlabel="time", ylabel="length of a step", title="The same stretch by two methods")


def _losses(ax, losses, limits, inks):
    for name, (t, values) in losses.items():
        style = "-" if name in limits or name in INKS else "--"
        ax.plot(t, values, style, color=inks[name], lw=2, label=name)
    ax.legend(fontsize=8, loc="center right")
    ax.set(
        xlabel="time",
        ylabel="loss, nats",
        title="The loss alone shows one wrong run of five",
    )
