"""The figure of lesson 15."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import plot


def leaving(saddles, waits, stiff, limits, drifts):
    """What lesson 15 collects about each saddle; fastest decay over time; drift of walks over time.

    saddles: dicts of t, rate, shares, moved (times, distances), predicted (distances at `waits`).
    stiff: (times, rates). limits: {text: rate}. drifts: {name: (times, drift)}.
    """
    fig, axes = plt.subplots(2, 2, figsize=(12.5, 8.6))
    (away, matrices), (decay, drift) = axes
    for saddle, colour in zip(saddles, plot.COLOURS):
        away.semilogy(*saddle["moved"], color=colour, lw=4, alpha=0.35)
        name = f"t = {saddle['t']:.0f}, rate {saddle['rate']:.2g}"
        away.plot(waits, saddle["predicted"], "--", color=colour, lw=1.5, label=name)
    away.set(
        xlim=(0, 100),
        ylim=(1e-3, 3),
        xlabel="time since the slowest point",
        ylabel="distance from it",
        title="Leaving each slow point (dashed: predicted by the linear flow)",
    )
    away.legend(fontsize=8, loc="lower right")
    left = np.zeros(len(saddles))
    inks = {"W0": plot.BLUE, "W1": plot.SKY, "W_Q": plot.VERMILION, "W_K": plot.ORANGE}
    for key, colour in inks.items():
        share = np.array([saddle["shares"][key] for saddle in saddles])
        matrices.barh(range(len(saddles)), share, left=left, color=colour, label=key)
        left += share
    matrices.set_yticks(range(len(saddles)), [f"t = {saddle['t']:.0f}" for saddle in saddles])
    matrices.invert_yaxis()
    matrices.set(
        xlabel="share of the leading direction",
        xlim=(0, 1),
        title="Which matrices leave it: embeddings (blue) or attention (red)",
    )
    matrices.legend(ncols=4, fontsize=8, loc="upper right", bbox_to_anchor=(1, -0.1))
    decay.semilogy(*stiff, "o-", color=plot.VERMILION)
    for text, rate in limits.items():
        marks.reference(decay, rate, text)
    decay.set(
        xlabel="time",
        ylabel="fastest decay rate",
        ylim=(None, 150),
        title="The flow turns stiff (dashed: where a walk breaks)",
    )
    for (name, (t, moved)), colour in zip(drifts.items(), (plot.VERMILION, plot.ORANGE, plot.BLUE)):
        at = t[-1] if moved[-1] < 1e-6 else t[len(t) // 3]
        marks.named(drift, t, np.maximum(moved, 1e-17), name, at, (-6, 6), color=colour, lw=2)
    drift.set(
        yscale="log",
        xlabel="time",
        ylabel="drift of what is conserved",
        title="What cannot change tells when a walk is wrong",
    )
    return fig
