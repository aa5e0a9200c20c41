"""The figure of lesson 01."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import player, plot


def by_hand(states, v, wanted, eta):
    """Bars as wide as attention and as high as values, before a step and after it.

    states: twice (attention (3,), output, gradient of the scores (3,)). v: values (3,).
    """
    fig, axes = plt.subplots(1, 2, figsize=(12, 4.8), sharey=True)
    told = (
        f"Shaded area: s (v − y), from a bar's top to the output. "
        f"Times dy = y − {wanted:g} it is da"
    )
    fig.suptitle(told, x=0.01, ha="left")
    titles = "Before: one query, three keys", f"After one step of descent, η = {eta:g}"
    for ax, title, state in zip(axes, titles, states):
        _bars(ax, v, wanted, *state)
        ax.set(xlim=(0, 1.3), ylim=(0, 8.6), title=title)
        ax.set(xticks=[0, 0.25, 0.5, 0.75, 1], xlabel="attention s: the widths sum to 1")
    axes[0].set_ylabel("value v")
    return fig


def _bars(ax, v, wanted, s, y, da):
    """The bars of one state; between each top and the line y its share of the gradient, shaded."""
    left = np.cumsum(s) - s
    ax.bar(left, v, s, align="edge", color=plot.SKY, alpha=0.35, edgecolor=plot.BLUE)
    shades = [plot.ORANGE if top > y else plot.PURPLE for top in v]
    ax.bar(left, v - y, s, bottom=y, align="edge", color=shades, alpha=0.75, edgecolor="k", lw=0.5)
    ax.plot([0, 1], [y, y], color="k", lw=2)
    ax.plot([0, 1], [wanted, wanted], color="k", lw=1, ls="--")
    dy = f"{y - wanted:.3f}".replace("-", "−")
    ax.text(1.01, y - 0.15, f"output y = {y:.3f}\ndy = {dy}", va="center")
    ax.text(1.01, wanted, f"wanted: {wanted:g}", va="center")
    for i, middle in enumerate(left + s / 2):
        ax.text(middle, 0.15, f"key {i + 1}", ha="center", va="bottom", fontsize=9)
        area = s[i] * (v[i] - y)
        inside = abs(v[i] - y) > 1
        at, va = ((v[i] + y) / 2, "center") if inside else (max(v[i], y) + 0.1, "bottom")
        text = f"area {_signed(area)}"
        if abs(area) < 1e-9:
            text, at, va = "area 0: its top\nlies on the line", y - 0.15, "top"
        ax.text(middle, at, text, ha="center", va=va, fontsize=9)
        word = {1: "score rises", 0: "score stays", -1: "score falls"}[int(np.sign(-da[i]))]
        pull = f"pull {_signed(-da[i])}:\n{word}"
        ax.text(middle, 0.8, pull, ha="center", va="bottom", fontsize=9)


def _signed(number):
    """Three digits and a sign that is as wide as a plus."""
    return f"{number + 0:.3g}".replace("-", "−")


def page():
    """A page to drag scores, values and the target on."""
    return player.Live("one_head_by_hand", "One head by hand")
