"""The figure of lesson 07."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import plot
from tinyattn.flows.emergence import TwoNumbers


def laws(T, d, lengths, B, gains, x, lengths_p):
    """Lengths over T and d, (n,) each; how B shortens one, {name: (m,)}; lengths over x of p."""
    fig, (by_T, by_B, by_p) = plt.subplots(1, 3, figsize=(14.5, 4.8))
    for size, colour in zip(np.unique(d), plot.COLOURS):
        rows = d == size
        dots = dict(color=colour, marker="o", ms=4, lw=1)
        marks.named(by_T, T[rows], lengths[rows], f"d = {size:.0f}", **dots)
        by_T.plot(T[rows], TwoNumbers(T[rows], size).snap_time, ":", color="0.2", lw=1)
    by_T.set(
        xscale="log",
        yscale="log",
        xlabel="tokens T",
        ylabel="length of the plateau (time)",
        xlim=(None, 2.4 * T.max()),
        title=r"It grows like $T$ and $\sqrt{d}$ (dotted: $1.2533\,\sqrt{d}\,T$)",
    )
    styles = (plot.BLUE, (-10, 6)), (plot.VERMILION, (10, -14))
    for (name, gain), (colour, shift) in zip(gains.items(), styles):
        marks.named(by_B, B, gain, name, B[-3], shift, color=colour, marker="o", ms=5)
    marks.slope(by_B, B, 1.0, 1, "B")
    marks.slope(by_B, B, 1.0, 0.5, r"$\sqrt{B}$")
    by_B.set(
        xscale="log",
        yscale="log",
        xlabel="positions B of the relevant token",
        ylabel="times shorter than with B = 1",
        title="Same data, other parameters, other law",
    )
    by_p.loglog(x, lengths_p, "o", color=plot.GREEN, ms=5)
    marks.slope(by_p, np.array([x.min(), x.max()]), 1.3 * x.min(), 1, "")
    by_p.set(
        xlabel=r"$\sqrt{d}\,T\,/\,\sqrt{1 + p^2 (d-1)}$",
        ylabel="length of the plateau (time)",
        title="Repetition across samples, p = 0 to 0.5: one line for all",
    )
    return fig
