"""The figure of the template: a function from arrays to a figure."""

import matplotlib.pyplot as plt

import marks
from tinyattn import plot


def halves(n, y):
    """y (n,) after so many halvings n (n,)."""
    fig, ax = plt.subplots(figsize=(6, 3.5))
    marks.named(ax, n, y, "each a half of the one before", 3, (6, 4), color=plot.BLUE, marker="o")
    ax.set(yscale="log", xlabel="halvings n", ylabel="y", title="Each is half of the last")
    return fig
