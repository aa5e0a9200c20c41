"""The figures of lesson 20."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import plot

BROWN = "#8b5a2b"
OPTIMIZERS = {
    "SGD": (plot.VERMILION, "o"),
    "one division": (plot.ORANGE, "s"),
    "two elsewhere": (BROWN, "s"),
    "divisions kept": (plot.PURPLE, "^"),
    "two divisions": (plot.GREEN, "s"),
    "sign steps": (plot.SKY, "o"),
    "Adam": (plot.BLUE, "o"),
}
STARTS = {
    "PyTorch's, long": (plot.PURPLE, "o"),
    "even, long": ("0.2", "o"),
    "PyTorch's, short": (plot.PURPLE, "^"),
    "even, short": ("0.2", "^"),
    "faint, short": ("0.6", "^"),
}


def ways(T, slow, signs):
    """Why a division takes T out of a speed, and what is left of it in the way.

    T (n,): tokens. slow (n,): when attention is 1/2 under SGD; signs (n,): in sign steps.
    """
    fig, (table, ax) = plt.subplots(
        1, 2, figsize=(13.5, 4.9), gridspec_kw={"width_ratios": (1.15, 1)}
    )
    boxes = {
        "slope\n∝ 1/T": (0.1, 0.5, plot.BLACK),
        "SGD: step\n∝ 1/T": (0.42, 0.8, plot.VERMILION),
        "sign step\nη": (0.42, 0.2, plot.BLUE),
        "wait ∝ T": (0.88, 0.8, plot.VERMILION),
        "wait\nln(T − 1)": (0.88, 0.2, plot.BLUE),
    }
    slope, sgd, sign, long, short = boxes
    arrows = [
        (slope, sgd, "times η", 0.0),
        (slope, sign, "divided by\nits own size", 0.0),
        (sgd, long, "way of w: about 2,\nspeed ∝ 1/T", 0.0),
        (sign, short, "way of Δ: ln(T − 1),\nspeed 1", 0.0),
    ]
    marks.schematic(table, boxes, arrows)
    table.set_title("A wait is a way over a speed; T may stand in either")
    ax.plot(T, slow / slow[0], "o-", color=plot.VERMILION, label="SGD: T in the speed")
    ax.plot(T, signs / signs[0], "o-", color=plot.BLUE, label="sign steps: T in the way")
    fine = np.geomspace(T[0], T[-1], 100)
    ax.plot(fine, np.log(fine - 1) / np.log(T[0] - 1), ":", color="0.2", label="ln(T − 1)")
    ax.plot(fine, fine / T[0], "--", color="0.6", lw=1, label="exponent 1")
    ax.legend(loc="upper left")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="tokens T",
        ylabel=f"times as long as at T = {T[0]:.0f}",
        title="Two numbers, d = 64: when attention is 1/2",
    )
    _plain(ax, T)
    ax.set_yticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    ax.yaxis.minorticks_off()
    return fig


def laws(lengths, widths, larger, optimizers, starts, recall):
    """Plateaus against their smallest size, with fitted exponents beside the names.

    optimizers: {name: (steps (lengths, widths), law)}; starts: {name: (steps (lengths, larger),
    law)}, both with NaN for what did not end; recall: (pairs, kinds, steps, law).
    """
    fig, axes = plt.subplots(1, 3, figsize=(16.5, 6), sharey=True)
    by_T, by_d, by_pairs = axes
    _guide(by_T, lengths, 1.0, "exponent 1")
    for name in (name for name in OPTIMIZERS if name in optimizers):
        steps, law = optimizers[name]
        _line(by_T, lengths, steps, law, "T", name, *OPTIMIZERS[name])
    fine = np.geomspace(lengths[0], lengths[-1], 60)
    way = np.log(fine - 1) / np.log(lengths[0] - 1)
    by_T.plot(fine, way, ":", color="0.2", label="the way ln(T − 1): 0.31 from 16 to 64")
    by_T.set(xlabel="tokens T", title="T: the optimizer decides")
    for name in (name for name in STARTS if name in starts):
        steps, law = starts[name]
        _line(by_d, larger, steps.T, law, "d", name, *STARTS[name])
    _guide(by_d, larger, 0.5, "two numbers, SGD: 0.5")
    by_d.set(xlabel="numbers in a token d", title="d, Adam: the start decides")
    pairs, kinds, steps, law = recall
    each = np.unique(kinds)
    _guide(by_pairs, np.unique(pairs), 2.25, "the paper: 2.25")
    for m, shade in zip(each, np.linspace(0.45, 0.95, len(each))):
        rows, colour = kinds == m, plt.get_cmap("Purples")(shade)
        share = steps[rows] / steps[rows][0]
        by_pairs.plot(pairs[rows], share, "o-", color=colour, label=f"{m} kinds of token")
    told = f"{law.exponents['pairs']:.2f} ± {law.errors['pairs']:.2f}"
    by_pairs.set(xlabel="pairs", title=f"Recall, Adam: pairs have {told}")
    for ax, sizes in ((by_T, lengths), (by_d, larger), (by_pairs, np.unique(pairs))):
        ax.set(xscale="log", yscale="log")
        ax.legend(loc="upper left", fontsize=8.5)
        _plain(ax, sizes)
    if "one division" in optimizers:
        _surprise(by_T, lengths[-1], optimizers["one division"][0], optimizers["two divisions"][0])
    by_T.set(ylabel="plateau: times as long as at the smallest size", ylim=(0.92, 26))
    by_T.set_yticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    by_T.yaxis.minorticks_off()
    return fig


def _grown(steps):
    """Mean over the columns of how many times longer a row is than the first, (rows,)."""
    return np.exp(np.nanmean(np.log(steps / steps[0]), axis=1))


def _line(ax, sizes, steps, law, letter, name, colour, mark):
    label = f"{name}: {law.exponents[letter]:.2f} ± {law.errors[letter]:.2f}"
    ax.plot(sizes, _grown(steps), mark + "-", color=colour, ms=6, lw=1.5, label=label)


def _surprise(ax, last, one, two):
    """An arrow from the line of one division down to that of two."""
    high, low = _grown(one)[-1], _grown(two)[-1]
    style = {"arrowstyle": "-|>", "color": "0.2", "lw": 1.5}
    ax.annotate("", (1.06 * last, low), (1.06 * last, high), arrowprops=style)
    where = dict(fontsize=8.5, ha="left", va="center", color="0.2")
    ax.text(1.1 * last, (high * low) ** 0.5, "a second\ndivision,\nfor W_Q\nand W_K", **where)
    ax.set_xlim(None, 1.5 * last)


def _guide(ax, sizes, power, text):
    ends = np.array([sizes[0], sizes[-1]], float)
    ax.plot(ends, (ends / ends[0]) ** power, "--", color="0.6", lw=1.2, label=text)


def _plain(ax, sizes):
    ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
    ax.xaxis.minorticks_off()
