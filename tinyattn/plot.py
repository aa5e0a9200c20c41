"""Figures for people: labelled axes, colours that survive colour-blindness, attention maps on one 0-1 scale."""

import matplotlib
import numpy as np

# Okabe and Ito (2008), distinguishable with every common form of colour-blindness.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, BLACK = COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip

STYLE = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
    "legend.frameon": False,
}


def attention_map(ax, s, title="", first_query=0, visible=None, cmap="magma_r", limits=(0, 1)):
    """Draw one map s (T, S): a row for each query, a column for each key. Returns the image, for a colour bar.

    Pairs that are hidden, where `visible` is False, are grey.
    """
    shown = s if visible is None else np.ma.masked_where(~visible, s)
    colours = matplotlib.colormaps[cmap].with_extremes(bad="0.88")
    image = ax.imshow(shown, cmap=colours, vmin=limits[0], vmax=limits[1], aspect="equal", interpolation="nearest")
    _positions(ax, s.shape, title, first_query)
    return image


def heads_map(ax, s, title="", first_query=0):
    """Draw the maps s (H, T, S) of up to eight heads in one picture: a colour each, grey where they look alike."""
    s, H = np.asarray(s, dtype=float), len(s)
    inks = 1 - np.array([matplotlib.colors.to_rgb(COLOURS[h]) for h in range(H)])
    total, most = s.sum(axis=0)[..., None], s.max(axis=0)[..., None]
    alike = (1 - most / np.maximum(total, 1e-30)) * (H / max(H - 1, 1))  # 0: one head only, 1: all as much
    mixed = np.einsum("hts,hc->tsc", s, inks) / np.maximum(total, 1e-30)
    paper = 1 - np.sqrt(np.clip(most, 0, 1)) * ((1 - alike) * mixed + alike * 0.8)  # the root lifts faint ones
    ax.imshow(paper, aspect="equal", interpolation="nearest")
    _positions(ax, paper.shape[:2], title, first_query)


def _positions(ax, shape, title, first_query):
    """The axes of a map: a few positions of queries and keys."""
    T, S = shape
    keys, queries = range(0, S, max(1, S // 5)), range(0, T, max(1, T // 5))
    ax.set_xticks(keys, [str(key) for key in keys])
    ax.set_yticks(queries, [str(query + first_query) for query in queries])
    ax.set(title=title, xlabel="key position")
    ax.spines[:].set_visible(False)


def step_axis(ax, last, linear=10):
    """An x axis of training steps, linear up to `linear` and logarithmic after, without a kink in between."""
    ax.set_xscale("symlog", linthresh=linear, linscale=(1 - 1 / 10) / np.log(10))
    ax.set(xlim=(0, last), xlabel=f"training step (logarithmic from {linear})")


def reference(ax, value, text, below=False):
    """A dashed horizontal line with its meaning written on it: a paper's number or an exact bound."""
    ax.axhline(value, color="0.35", linestyle="--", linewidth=1)
    ax.annotate(text, (0.99, value), xycoords=("axes fraction", "data"), xytext=(0, -3 if below else 3), ha="right",
                textcoords="offset points", va="top" if below else "bottom", color="0.35", fontsize=8)  # fmt: skip


def slope(ax, x, y, power, text):
    """A dotted line through (x[0], y) that rises as x**power, named where it ends: what a law predicts."""
    x = np.asarray(x, dtype=float)
    line = y * (x / x[0]) ** power
    ax.plot(x, line, color="0.35", linestyle=":", linewidth=1.2)
    ax.annotate(text, (x[-1], line[-1]), xytext=(4, 0), textcoords="offset points", color="0.35", fontsize=8)
