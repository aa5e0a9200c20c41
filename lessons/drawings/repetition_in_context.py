"""The figure of lesson 07."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import plot
from tinyattn.flows.emergence import TwoNumbers


def laws(T, d, lengths, n, gains, few, held):
    """Who hears n copies; lengths over T and d, (k,) each; how n copies shorten the plateau.

    gains {name: (m,)} over n (m,) of the free runs; held {name: times} over few, with w held.
    """
    fig, (hears, by_T, by_n) = plt.subplots(1, 3, figsize=(15.5, 5))
    boxes = {
        "n copies of\nthe right token": (0.5, 0.86, plot.BLACK),
        "w: what is\nwritten": (0.14, 0.3, plot.ORANGE),
        "one shared\nscore Δ": (0.5, 0.3, plot.BLUE),
        "n scores\n$a_1 \\ldots a_n$": (0.86, 0.3, plot.VERMILION),
    }
    copies, w, shared, own = boxes
    arrows = [
        (copies, w, "hears n", 0.0),
        (copies, shared, "hears n", 0.0),
        (copies, own, "each hears 1", 0.0),
    ]
    marks.schematic(hears, boxes, arrows)
    hears.set_title("Which speed hears how many copies")
    hears.text(0.5, 0.1, "w and Δ n times faster: n times sooner", ha="center", color=plot.BLUE)
    hears.text(
        0.5, 0.02, "w alone n times faster: √n times sooner", ha="center", color=plot.VERMILION
    )
    for size, colour in zip(np.unique(d), plot.COLOURS):
        rows = d == size
        dots = dict(color=colour, marker="o", ms=4, lw=1)
        marks.named(by_T, T[rows], lengths[rows], f"d = {size:.0f}", **dots)
        by_T.plot(T[rows], TwoNumbers(T[rows], size).snap_time, ":", color="0.2", lw=1)
    latest = np.argmax(lengths / TwoNumbers(T, d).snap_time)
    by_T.annotate(
        "26% later, 20 of\nthem: w catches up",
        (T[latest], lengths[latest]),
        (T[latest], 5 * lengths[latest]),
        fontsize=9,
        arrowprops={"arrowstyle": "->", "color": "0.3"},
    )
    by_T.set(
        xscale="log",
        yscale="log",
        xlabel="tokens T",
        ylabel="length of the plateau (time)",
        xlim=(None, 2.4 * T.max()),
        title=r"$T^{0.973}\,d^{0.502}$ (dotted: $1.2533\,\sqrt{d}\,T$)",
    )
    for (name, gain), colour in zip(gains.items(), (plot.BLUE, plot.VERMILION)):
        dots = dict(color=colour, ms=6)
        by_n.plot(n, gain, "o", label=name, **dots)
        found = held[name][0] / held[name]
        by_n.plot(few, found, "o", mfc="none", mew=1.5, label=f"{name}, w held at 8", **dots)
    marks.slope(by_n, n, 1.0, 1, r"$n$")
    marks.slope(by_n, n, 1.0, 0.5, r"$\sqrt{n}$")
    by_n.legend(loc="upper left")
    by_n.set(
        xscale="log",
        yscale="log",
        xlim=(None, 1.5 * n.max()),
        ylim=(0.6, 200),
        xlabel="copies n of the right token",
        ylabel="times sooner than with n = 1",
        title="Measured $n^{0.977}$ and $n^{0.492}$; with w held own scores gain nothing",
    )
    return fig
