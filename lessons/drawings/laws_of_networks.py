"""The figure of lesson 20."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import plot


def laws(location, recall):
    """Steps of the snap. location: {name: (T, d, steps, law)}; recall: (pairs, tokens, steps, law).

    steps may hold NaN. A law is a measure.PowerLaw of the two sizes, or None.
    """
    fig, axes = plt.subplots(1, len(location) + 1, figsize=(4.8 * len(location) + 4.8, 4.7))
    titles = {
        "adam": "Find the marked token, Adam",
        "adam, other start": "Adam, PyTorch's start",
        "sgd": "The first again, under SGD",
    }
    for ax, (name, (T, d, steps, law)) in zip(axes, location.items()):
        _lines(ax, T, d, steps, law, "tokens T", "d", titles[name])
        ax.set_ylabel("step of the snap")
    _lines(axes[-1], *recall, "pairs", "tokens", "Recall, Adam")
    return fig


def _lines(ax, x, group, steps, law, label, name, title):
    x, group, steps = map(np.asarray, (x, group, steps))
    for size, colour in zip(np.unique(group), plot.COLOURS):
        rows = group == size
        ax.loglog(x[rows], steps[rows], "o", color=colour, ms=5)
        at = np.unique(x[rows])
        last = steps[rows & (x == at[-1])]
        if np.isfinite(last).any():
            y = np.nanmedian(last)
            beside = dict(xytext=(8, -3), textcoords="offset points", fontsize=9)
            ax.annotate(f"{name} = {size:g}", (at[-1], y), color=colour, **beside)
        if law is not None:
            first, second = law.exponents.values()
            ax.plot(at, law.C * at**first * size**second, ":", color=colour)
    ax.set_xticks(np.unique(x), [f"{size:g}" for size in np.unique(x)])
    ax.xaxis.minorticks_off()
    ax.set(xlabel=label, xlim=(None, 1.5 * x.max()), title=f"{title} (dotted: fitted law)")
