"""The figure of lesson 06."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import player, plot


def snap(flow, path, times, losses, parts):
    """The loop of two numbers, their shares `parts` {name: (n,)} along the path, and the loss.

    flow: TwoNumbers. path: its ode.Solution. times (n,), losses (n, seeds): of the layer under SGD.
    """
    fig = plt.figure(figsize=(12, 8.6))
    grid = fig.add_gridspec(2, 2, height_ratios=(1, 1.25), width_ratios=(1, 1.3))
    loop = fig.add_subplot(grid[0, 0])
    numbers = fig.add_subplot(grid[0, 1])
    whole = fig.add_subplot(grid[1, :])
    boxes = {
        "attention\non the right token": (0.5, 0.82, plot.PURPLE),
        "w: what to write": (0.17, 0.22, plot.ORANGE),
        "Δ: where to look": (0.83, 0.22, plot.PURPLE),
    }
    attention, w, delta = boxes
    arrows = [
        (attention, w, "more of the right token\nto learn from: $e^\\Delta$", 0.3),
        (w, delta, "the better w, the more\nlooking there is worth", 0.3),
        (delta, attention, "softmax: $e^\\Delta$", 0.3),
    ]
    marks.schematic(loop, boxes, arrows)
    loop.set_title("Each feeds the other; at the start w alone can move")
    for (name, part), colour, at in zip(parts.items(), (plot.ORANGE, plot.PURPLE), (0.55, 1.02)):
        marks.named(numbers, path.t, part, name, at * flow.snap_time, (-8, 8), color=colour, lw=2)
    numbers.set(
        xlim=(0, path.t[-1]),
        ylim=(0, 1.1),
        xlabel="time",
        ylabel="share of what is needed",
        title="The weight moves first; attention answers late, and at once",
    )
    w = np.linspace(0, 3.2, 400)
    closed = flow.time_at(w), flow.loss(np.stack([w, w * w / 2], axis=-1))
    closer = whole.inset_axes((0.36, 0.12, 0.42, 0.66))
    for ax in (whole, closer):
        for r, of_seed in enumerate(losses.T):
            label = f"the layer under SGD, {losses.shape[1]} seeds" if r == 0 else None
            ax.plot(times, of_seed, color=plot.SKY, lw=1, label=label)
        ax.plot(path.t, flow.loss(path.y), color="k", lw=2, label="the flow of two numbers")
        ax.plot(*closed, color=plot.VERMILION, lw=2, ls="--", label="closed form of the plateau")
        linear = flow.linearised_loss(path.t)
        ax.plot(path.t, linear, color=plot.GREEN, lw=2, ls="-.", label="linear prediction")
        ax.axvline(flow.snap_time, color=plot.VERMILION, lw=1, ls=":")
    told = f"$\\sqrt{{\\pi/2}}/\\lambda$ = {flow.snap_time:.0f}"
    beside = dict(xytext=(-4, 0), textcoords="offset points", ha="right")
    closer.annotate(told, (flow.snap_time, 0.05), color=plot.VERMILION, **beside)
    closer.set(
        xlim=(0.93 * flow.snap_time, 1.17 * flow.snap_time),
        ylim=(0, 0.52),
        title="the snap, enlarged",
    )
    whole.set(
        xlim=(0, path.t[-1]),
        ylim=(0, 0.56),
        xlabel="time (learning rate times steps)",
        ylabel="loss",
        title="Nothing, then everything: a whole layer under SGD follows two numbers",
    )
    whole.legend(loc="center left")
    return fig


def page():
    """A page to drag the tokens, their size and the learning rate on."""
    return player.Live("plateau_then_snap", "Plateau, then snap")
