"""The figures of lesson 01."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import gradcheck, player, plot


def by_hand(s, v, da, y, wanted):
    """Attention s, values v, score gradients da, (3,) each, the output y and what is wanted."""
    fig, ax = plt.subplots(figsize=(7.5, 3.8))
    ax.scatter([1, 2, 3], v, s=8000 * s, color=plot.SKY, edgecolor=plot.BLUE, zorder=2)
    effects = {1: "its score rises", 0: "its score stays", -1: "its score falls"}
    for i in range(3):
        push = f"push −da = {-da[i] + 0:g}\n{effects[int(np.sign(-da[i]))]}"
        ax.text(i + 1, v[i], f"s = {s[i]:g}", ha="center", va="center", fontsize=9)
        ax.text(i + 1.26, v[i], push, va="center", color=plot.VERMILION)
    ax.axhline(y, color="k", lw=1, zorder=1)
    ax.axhline(wanted, color="k", lw=1, ls="--")
    ax.text(3.88, y - 0.1, f"output y = {y:g}, the average", va="top", ha="right")
    ax.text(3.88, wanted + 0.1, f"wanted: {wanted:g}", va="bottom", ha="right")
    ax.set(xlim=(0.4, 3.9), ylim=(0, 10), xticks=[1, 2, 3], xlabel="key", ylabel="value v")
    ax.set_title("Descent shifts attention (area) to values on the wanted side of the average")
    return fig


def checks(steps, errors, chart, mistakes, tensors):
    """Errors over steps of differences, {dtype: (n,)} both; errors by mistake and tensor."""
    fig, (valley, table) = plt.subplots(1, 2, figsize=(14, 4.8), width_ratios=(1, 1.2))
    styles = (plot.BLUE, "o", (-30, -16)), (plot.VERMILION, "s", (12, 10))
    for (name, h), (colour, marker, shift) in zip(steps.items(), styles):
        style = dict(color=colour, marker=marker, ms=3.5)
        marks.named(valley, h, errors[name], name, at=1e-3, shift=shift, **style)
    valley.set(
        xscale="log",
        yscale="log",
        xlabel="step h of the central difference",
        ylabel="relative error of the gradient",
    )
    valley.set_title("Too long a step: Taylor's next term. Too short: round-off")
    error_at = lambda h: np.interp(h, steps["float64"], errors["float64"])
    marks.slope(valley, np.array([1e-3, 0.2]), 3 * error_at(1e-3), 2, "$h^2$")
    marks.slope(valley, np.array([1e-8, 1e-12]), 3 * error_at(1e-8), -1, "$1/h$")
    grey = "0.35"
    valley.axvline(gradcheck.STEP, color=grey, lw=1, ls="--")
    beside = dict(xytext=(-6, 0), textcoords="offset points", ha="right", fontsize=8)
    valley.annotate("the library's checks", (gradcheck.STEP, 3e-3), color=grey, **beside)
    image = table.imshow(np.log10(chart), cmap="magma_r", vmin=-12, vmax=0, aspect="auto")
    table.set_xticks(range(len(tensors)), [f"d{name}" for name in tensors])
    table.set_yticks(range(len(chart)), mistakes)
    for (i, j), error in np.ndenumerate(np.array(chart)):
        ink = "w" if error > 1e-4 else "k"
        table.text(j, i, f"{error:.0e}", ha="center", va="center", fontsize=8, color=ink)
    table.set_title("Which gradients fail tells which line is wrong")
    table.spines[:].set_visible(False)
    fig.colorbar(image, label="log10 of the relative error")
    return fig


def page():
    """A page to drag scores, values and the target on."""
    return player.Live("one_head_by_hand", "One head by hand")
