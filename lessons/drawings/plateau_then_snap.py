"""The figures of lesson 06."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import player, plot


def race(flow, times, path, later, states):
    """The three arrows; w and attention along the free path; attention where something is held.

    flow: TwoNumbers. times (n,), path (n, 2). later (m,), states {name of the run: (m, 2)}.
    """
    fig, (loop, free, held) = plt.subplots(
        1, 3, figsize=(15, 4.8), gridspec_kw={"width_ratios": (1, 1, 1.25)}
    )
    boxes = {
        "w: what is written": (0.2, 0.2, plot.ORANGE),
        "Δ: where to look": (0.8, 0.2, plot.PURPLE),
        "attention on the\nright token": (0.5, 0.85, plot.PURPLE),
    }
    w, delta, attention = boxes
    arrows = [
        (w, delta, "(1) w", 0.0),
        (attention, w, "(2) $e^\\Delta$:\nw hears more", 0.15),
        (attention, delta, "(3) $e^\\Delta$: the\nscore moves\nmore", 0.25),
        (delta, attention, "softmax", 0.45),
    ]
    marks.schematic(loop, boxes, arrows)
    loop.set_title("At the start only w can move")
    w, s_r = path[:, 0] / flow.d**0.5, flow.attention(path)
    marks.named(free, times, w, "w/√d", 3600, (-6, 10), color=plot.ORANGE, lw=2)
    marks.named(
        free, times, s_r, "attention on the\nright token", 5250, (-10, 60), color=plot.PURPLE, lw=2
    )
    loss = 2 * flow.loss(path)
    free.plot(times, loss, color="k", lw=1.2)
    free.annotate("loss, share of its start", (200, 1.02), fontsize=9)
    lost = times[np.argmax(loss < 0.99)]
    free.annotate(
        f"at {lost:.0f} the loss\nhas lost 1%",
        (lost, 0.99),
        (0.42 * times[-1], 0.72),
        fontsize=9,
        arrowprops={"arrowstyle": "->", "color": "0.3"},
    )
    free.set(
        xlim=(0, times[-1]),
        ylim=(0, 1.1),
        xlabel="time",
        ylabel="share",
        title="w grows from the first moment; attention jumps",
    )
    styles = {
        "free": ("k", "-", 5134),
        "w held at 8": (plot.BLUE, "-", 512),
        "w held at 4": (plot.SKY, "-", 1024),
        "w held at 1": (plot.GREEN, "-", 4096),
        "w deaf": (plot.VERMILION, "-", 5793),
        "Δ held at 0": (plot.PURPLE, "--", None),
    }
    for name, (colour, line, foretold) in styles.items():
        held.plot(later, flow.attention(states[name]), line, color=colour, lw=2, label=name)
        if foretold:
            held.axvline(foretold, color=colour, lw=1, ls=":")
    held.legend(loc="center left")
    held.set(
        xscale="log",
        xlim=(later[0], later[-1]),
        ylim=(-0.02, 1.05),
        xlabel="time",
        ylabel="attention on the right token",
        title="With w held it snaps too, and sooner; dotted: foretold",
    )
    return fig


def snap(flow, path, times, losses):
    """The loss of two numbers, of the layer under SGD, of the closed form and of the linear flow.

    flow: TwoNumbers. path (n, 2) at times (n,), losses (n, seeds).
    """
    fig, whole = plt.subplots(figsize=(12, 5))
    w = np.linspace(0, 3.2, 400)
    closed = flow.time_at(w), flow.loss(np.stack([w, w * w / 2], axis=-1))
    closer = whole.inset_axes((0.36, 0.12, 0.42, 0.66))
    for ax in (whole, closer):
        for r, of_seed in enumerate(losses.T):
            label = f"the layer under SGD, {losses.shape[1]} runs" if r == 0 else None
            ax.plot(times, of_seed, color=plot.SKY, lw=1, label=label)
        ax.plot(times, flow.loss(path), color="k", lw=2, label="the flow of two numbers")
        ax.plot(*closed, color=plot.VERMILION, lw=2, ls="--", label="closed form of the plateau")
        linear = flow.linearised_loss(times)
        ax.plot(times, linear, color=plot.GREEN, lw=2, ls="-.", label="the linear flow")
        ax.axvline(flow.snap_time, color=plot.VERMILION, lw=1, ls=":")
    told = f"$\\sqrt{{\\pi/2}}/\\kappa$ = {flow.snap_time:.0f}"
    beside = dict(xytext=(-4, 0), textcoords="offset points", ha="right")
    closer.annotate(told, (flow.snap_time, 0.05), color=plot.VERMILION, **beside)
    closer.set(
        xlim=(0.93 * flow.snap_time, 1.17 * flow.snap_time),
        ylim=(0, 0.52),
        title="the snap, enlarged",
    )
    whole.set(
        xlim=(0, times[-1]),
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
