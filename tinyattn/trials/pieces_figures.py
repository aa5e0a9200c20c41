"""The pictures of `pieces`: a dict that it returns -> a matplotlib figure."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from .. import plot
from ..flows.emergence import TwoNumbers


def emergence(found: dict[str, Any]) -> Any:
    """Landscape and path, w and its equilibrium, curvature, drawn starts, and the repeated direction."""
    fig, axes = plt.subplots(2, 3, figsize=(14, 8.2))
    (land, level, sharp), (drawn, first, last) = axes
    t, w, Delta, snap = found["time"], found["w"], found["Delta"], found["snap"]
    across, up = np.linspace(-0.15 * w.max(), 1.15 * w.max(), 160), np.linspace(-2, 1.1 * Delta.max(), 160)
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    heights = TwoNumbers(found["T"], found["d"]).loss(grid)
    shown = land.contourf(across, up, heights, levels=np.linspace(0, 1, 21), cmap="Blues_r", extend="max")
    fig.colorbar(shown, ax=land, label="loss")
    land.plot(w, Delta, color=plot.VERMILION, lw=2)
    land.plot(w[0], Delta[0], "o", color=plot.VERMILION)
    land.annotate("start", (w[0], Delta[0]), xytext=(6, -12), textcoords="offset points", color=plot.VERMILION)
    land.set(xlabel="weight w", ylabel="score Δ", title="A plain, then a cliff into the valley")
    near = t > 0.8 * snap
    plot.named(level, t[near], w[near], "w", snap, (-14, 4), color=plot.BLUE, lw=2)
    level.plot(t[near], found["equilibrium"][near], color=plot.ORANGE, lw=2, label="where w would rest at this attention")
    level.set(xlabel="time", ylim=(0, 1.15 * found["equilibrium"][near].max()), title="w meets its resting place late")
    level.legend(fontsize=8)
    for k, name, colour in ((1, "largest", plot.VERMILION), (0, "least", plot.BLUE)):
        sharp.plot(t[near], found["curvature"][near, k], color=colour, lw=2, label=f"{name} eigenvalue of the Hessian")
    sharp.axvline(snap, color="0.4", lw=1, ls=":")
    sharp.set(xlabel="time (dotted: the loss is 0.1)", title="The loss is sharpest at the snap")
    sharp.legend(fontsize=8)
    for losses in found["drawn_loss"]:
        drawn.plot(found["drawn_step"], losses, color=plot.BLUE, lw=1.2)
    drawn.set(xlabel="step", ylabel="loss", ylim=(0, None), title="From drawn W, five seeds: the same (T 64, d 16)")
    for name, colour, label in (("repeated", plot.VERMILION, "repeated direction"), ("rest", plot.BLUE, "the others")):
        first.plot(found["repeated_time"], found[name], color=colour, lw=2, label=label)
    first.set(xlabel="time", ylabel="weight / its end", xlim=(0, 0.6 * t[-1]), title="What is repeated is learnt first")
    first.legend(fontsize=8)
    plot.named(last, t, found["loss"], "loss", 0.5 * snap, (0, 5), color=plot.BLACK, lw=2)
    plot.named(last, t, found["attention"], "attention", 0.5 * snap, (0, 5), color=plot.BLUE, lw=2)
    last.set(xlabel="time", ylim=(0, 1.05), title=f"The path: T = {found['T']}, d = {found['d']}")
    return fig


def dilution(found: dict[str, Any]) -> Any:
    """The redistribution as a straight log-line, the rates of renewal over the asymmetry, and a chain with a circulation."""
    fig, (line, powers, bars) = plt.subplots(1, 3, figsize=(14, 4.4))
    t, moved = found["time"], np.abs(found["moved"])
    seen = moved > 1e-10
    line.semilogy(t[seen], moved[seen], color=plot.VERMILION, lw=2, label="what has moved between the tokens")
    at = t[seen][(moved[seen] > 1e-6).argmax()]
    line.semilogy(
        t, 1e-6 * np.exp(found["foretold"] * (t - at)), "k:", label=f"twice the rate of focus, {found['foretold']:.4f}"
    )
    line.set(xlabel="time", ylim=(1e-10, 10), title=f"Redistribution: a straight line, rate {found['line'][0]:.4f}")
    line.legend(fontsize=8)
    delta = found["delta"]
    for name, power, colour, says in (
        ("across", 0, plot.VERMILION, "parting the rare tokens"),
        ("along", 1, plot.BLUE, "keeping them alike"),
    ):
        powers.loglog(delta, found[name], "o-", color=colour, label=f"{says}: slope {found['slopes'][power]:.2f}")
    powers.set(
        xlabel="asymmetry δ of the rare tokens", ylabel="leading rate at t = 200", title="Renewal: modes of order δ and δ²"
    )
    powers.set_xticks(delta, [f"{x:g}" for x in delta])
    powers.xaxis.minorticks_off()
    powers.legend(fontsize=8)
    for i, (name, stage) in enumerate(found["circulating"].items()):
        height = [stage["condensed"], stage["focus"]]
        shown = bars.bar(np.arange(2) + 0.36 * (i - 0.5), height, 0.34, color=plot.COLOURS[i], label=f"{name} a circulation")
        bars.bar_label(shown, fmt="%.1f", fontsize=8)
    bars.set_xticks([0, 1], ["condensation", "focus"])
    bars.set(ylabel="time", title="Another chain of the same frequencies")
    bars.legend(fontsize=8)
    return fig
