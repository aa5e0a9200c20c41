"""The figure of lesson 08."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import plot


def across(flow, dense, path, times, states, over, lengths, standing_out):
    """What is heard by direction; the free run; attention with a part held at 0; one law.

    flow: ThreeNumbers. dense (n,), path (n, 3): the free run. times (m,), states {run: (m, 3)}.
    over (k,), lengths (k,): of the plateaus, over 1/kappa_q. standing_out {text: number of one}.
    """
    fig, ((heard, free), (held, law)) = plt.subplots(2, 2, figsize=(12.5, 9))
    d, q = 64, 0.1
    strengths = np.full(d, (1 - q) / d)
    strengths[0] += q
    heard.bar(np.arange(1, d + 1), strengths, color=[plot.ORANGE] + [plot.BLUE] * (d - 1))
    heard.annotate(
        "the repeated token:\n0.114, and alone",
        (1.5, 0.11),
        (8, 0.095),
        color=plot.ORANGE,
        arrowprops={"arrowstyle": "->", "color": "0.3"},
    )
    heard.text(
        12, 0.02, r"63 others: 0.014 each, together $\sqrt{63}\cdot$0.014 = 0.112", color=plot.BLUE
    )
    heard.set(
        xlabel="direction (d = 64)",
        ylabel="mean square of the right token",
        title="Repeated in 1 sample of 10, one direction weighs as much as 63",
    )
    rest, repeated, _ = path.T
    free.plot(dense, repeated, color=plot.ORANGE, lw=2, label="$w_1$, of the repeated token")
    free.plot(
        dense, rest / (flow.d - 1) ** 0.5, color=plot.BLUE, lw=2, label="$w_2/\\sqrt{63}$, the rest"
    )
    free.plot(dense, flow.attention(path), color=plot.PURPLE, lw=2, label="attention $s_r$")
    top = repeated.argmax()
    free.annotate(
        f"attention rests at a third,\n$w_1$ at {repeated[top]:.1f}: "
        r"$s_r\,w_1 = 1$",
        (dense[top], repeated[top]),
        (0.32 * dense[-1], 2.9),
        arrowprops={"arrowstyle": "->", "color": "0.3"},
    )
    free.axhline(1, color="0.6", lw=0.8, ls=":")
    free.legend(loc="center left")
    free.set(
        xlim=(0, dense[-1]),
        ylim=(0, 3.7),
        xlabel="time",
        ylabel="in W, as a share of its whole; attention",
        title="q = 0.5: first what is repeated, then attention, then the rest",
    )
    names = {
        "free": ("free", "k", "-"),
        "w1 held at 0": ("$w_1$ held at 0", plot.ORANGE, "-"),
        "w2 held at 0": ("$w_2$ held at 0", plot.BLUE, "--"),
    }
    for run, (name, colour, line) in names.items():
        s_r = flow.attention(states[run])
        held.plot(times, s_r, color=colour, ls=line, lw=2, label=name)
    held.legend(loc="center left")
    held.annotate(
        "rests near 0.30,\nthen creeps",
        (4000, 0.31),
        (2300, 0.45),
        color=plot.BLUE,
        arrowprops={"arrowstyle": "->", "color": "0.3"},
    )
    held.set(
        xscale="log",
        xlim=(times[0], times[-1]),
        ylim=(-0.02, 1.05),
        xlabel="time",
        ylabel="attention on the right token",
        title="q = 0.5: the repeated token brings attention; the rest makes it full",
    )
    law.loglog(over, lengths, "o", color=plot.GREEN, ms=5)
    beside = law.inset_axes([0.53, 0.12, 0.45, 0.34])  # on one line they would hide each other
    above = 100 * (lengths / (1.53 * over**0.983) - 1)
    beside.semilogx(over, above, "o", color=plot.GREEN, ms=4)
    for (text, i), marker in zip(standing_out.items(), "^sD"):
        law.plot(over[i], lengths[i], marker, color=plot.VERMILION, ms=7, label=text)
        beside.plot(over[i], above[i], marker, color=plot.VERMILION, ms=7)
    beside.axhline(0, color="k", lw=1)
    beside.set_title("above the law, %", fontsize=9)
    beside.set(ylim=(-5, 9), xticks=[1e4, 1e5])
    ends = np.array([over.min(), over.max()])
    law.plot(ends, 1.53 * ends**0.983, color="k", lw=1, label="$1.53\\,x^{0.983}$")
    law.plot(ends, 1.2533 * ends, ":", color="0.3", lw=1.2, label="closed form: $1.2533\\,x$")
    law.legend(loc="upper left")
    law.set(
        xlabel=r"$x = 1/\kappa_q = \sqrt{d}\,T\,/\,\sqrt{1 + q^2 (d-1)}$",
        ylabel="until random tokens are answered (time)",
        title="q from 0 to 0.5, d from 16 to 512: one law",
    )
    return fig
