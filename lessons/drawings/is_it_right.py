"""The figures of lesson 02."""

import math

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import gradcheck, plot


def valley(steps, errors, loss):
    """A central difference as a slope; then errors over steps, {dtype: (n,)} both."""
    fig, (chord, ax) = plt.subplots(1, 2, figsize=(13, 4.8), width_ratios=(1, 1.35))
    _chord(chord, loss)
    styles = (plot.BLUE, "o"), (plot.VERMILION, "s")
    for (name, h), (colour, marker) in zip(steps.items(), styles):
        ax.plot(h, errors[name], color=colour, marker=marker, ms=3.5)
        lowest = errors[name].argmin()
        at = h[lowest], errors[name][lowest]
        style = dict(xytext=(-18, -4), textcoords="offset points", color=colour, ha="right")
        ax.annotate(f"{name}: least {at[1]:.0e}", at, **style, va="center")
    ax.set(xscale="log", yscale="log", xlabel="step h", ylabel="relative error of the gradient")
    ax.set_ylim(3e-12, 3)
    ax.set_title("Too short a step: rounding, ε/h. Too long: Taylor's next term, h²")
    error_at = lambda h: np.interp(h, steps["float64"], errors["float64"])
    marks.slope(ax, np.array([2e-3, 0.3]), 0.15 * error_at(2e-3), 2, "$h^2$")
    marks.slope(ax, np.array([1e-8, 1e-12]), 4 * error_at(1e-8), -1, "$1/h$")
    ax.axvline(gradcheck.STEP, color="0.35", lw=1, ls="--")
    beside = dict(xytext=(-6, 0), textcoords="offset points", ha="right", fontsize=9)
    ax.annotate("h = 1e-5, used\nfrom here on", (gradcheck.STEP, 3e-7), color="0.35", **beside)
    return fig


def _chord(ax, loss):
    """The loss over score 1, its tangent at ln 2, and the chords of a step of 1."""
    h, middle = 1.0, math.log(2)
    scores = np.linspace(middle - 1.6, middle + 1.6, 200)
    ax.plot(scores, [loss(a) for a in scores], color="k", lw=2)
    ends = np.array([middle - h, middle + h])
    heights = np.array([loss(a) for a in ends])
    there = loss(middle)
    slope = (heights[1] - heights[0]) / (2 * h)
    ax.plot(ends, there + (ends - middle), color=plot.GREEN, lw=2, ls="--")
    ax.plot(ends, heights, color=plot.ORANGE, lw=2, marker="o")
    ax.plot([middle, ends[1]], [there, heights[1]], color=plot.PURPLE, lw=2, ls=":", marker="o")
    one_sided = (heights[1] - there) / h
    told = {
        "the loss L": "k",
        "tangent: slope da₁ = 1": plot.GREEN,
        f"to both sides: slope {slope:.3f}": plot.ORANGE,
        f"to one side: slope {one_sided:.3f}": plot.PURPLE,
    }
    for i, (text, colour) in enumerate(told.items()):
        ax.text(-0.85, 2.3 - 0.22 * i, text, color=colour)
    ax.set(xlabel="score 1", ylabel="loss L", xticks=[*ends, middle])
    ax.set_xticklabels(["ln 2 − h", "ln 2 + h", "ln 2"])
    ax.set(ylim=(-0.6, 2.5), title="A step h = 1, up and down: the chord is nearly parallel")


def mistakes(chart, names, tensors):
    """Relative errors (mistakes, tensors) of a check; what fails is dark."""
    chart = np.array(chart)
    fig, ax = plt.subplots(figsize=(9.5, 4.8))
    image = ax.imshow(np.log10(chart), cmap="magma_r", vmin=-12, vmax=0, aspect="auto")
    ax.set_xticks(range(len(tensors)), [f"d{name}" for name in tensors])
    ax.set_yticks(range(len(names)), names)
    for (i, j), error in np.ndenumerate(chart):
        wrong = error > gradcheck.TOLERANCE
        text = f"{error:.2f}" if wrong else f"{error:.0e}"
        ax.text(j, i, text, ha="center", va="center", fontsize=9, color="w" if wrong else "k")
    row, column = names.index("wrong sign in dx of linear"), list(tensors).index("x")
    frame = dict(fill=False, edgecolor=plot.GREEN, lw=3)
    ax.add_patch(plt.Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, **frame))
    ax.set_title("Which gradients fail tells which line is wrong. Green: two wrong signs cancel")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    bar = fig.colorbar(image, label="relative error", ticks=[-12, -9, -7, -3, 0])
    bar.ax.set_yticklabels(["1e-12", "1e-9", "1e-7", "1e-3", "1"])
    return fig
