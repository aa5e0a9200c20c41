"""Figures: labelled axes, colours that survive colour-blindness, attention maps on one 0-1 scale."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import matplotlib
import matplotlib.colors
import matplotlib.rcsetup
import numpy as np

from .errors import InputError, check_array, check_count, check_instance, check_number, host_floats, shown

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
    "axes.prop_cycle": matplotlib.rcsetup.cycler(color=COLOURS),
    "legend.frameon": False,
}


def printable(text: str) -> str:
    """The text without control characters, as a terminal may show it."""
    check_instance("text", text, str)
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)


def plain(text: str) -> str:
    """The text as a figure may show it letter by letter: matplotlib reads dollars as mathematics."""
    return printable(text).replace("$", r"\$")


def attention_map(
    ax: Any,
    s: Any,
    title: str = "",
    first_query: int = 0,
    visible: Any = None,
    cmap: str = "magma_r",
    limits: Sequence[float] = (0, 1),
) -> Any:
    """Draw one map s (T, S): a row for each query, a column for each key. Returns the image, for a colour bar.

    Pairs where `visible` is False are grey. Raises InputError for NaN elsewhere.
    """
    _check_axes(ax)
    s = _map("s", s, 2)
    if visible is not None:
        if check_array("visible", visible).shape != s.shape or visible.dtype.kind != "b":
            raise InputError(f"visible: expected booleans of shape {s.shape}, as s, got {visible.dtype} {visible.shape}")
    low, high = host_floats("limits", limits, (2,), finite=True)
    if not isinstance(cmap, str) or cmap not in matplotlib.colormaps:
        raise InputError(f"cmap: expected a colour map of matplotlib, got {shown(cmap)}")
    if not np.isfinite(s if visible is None else s[visible]).all():
        raise InputError("s: expected finite numbers, got NaN or infinity among them")
    drawn = s if visible is None else np.ma.masked_where(~visible, s)
    colours = matplotlib.colormaps[cmap].with_extremes(bad="0.88")
    image = ax.imshow(drawn, cmap=colours, vmin=low, vmax=high, aspect="equal", interpolation="nearest")
    _positions(ax, s.shape, title, first_query)
    return image


def heads_map(ax: Any, s: Any, title: str = "", first_query: int = 0) -> None:
    """Draw maps s (H, T, S) of up to eight heads in one picture, a colour each; grey where alike."""
    _check_axes(ax)
    s = _map("s", s, 3)
    H = len(s)
    if H > len(COLOURS):
        raise InputError(f"s: expected maps of at most {len(COLOURS)} heads, a colour each, got {H}")
    if not np.isfinite(s).all():
        raise InputError("s: expected finite numbers, got NaN or infinity among them")
    inks = 1 - np.array([matplotlib.colors.to_rgb(COLOURS[h]) for h in range(H)])
    total, most = s.sum(axis=0)[..., None], s.max(axis=0)[..., None]
    alike = (1 - most / np.maximum(total, 1e-30)) * (H / max(H - 1, 1))  # 0: one head only, 1: all as much
    mixed = np.einsum("hts,hc->tsc", s, inks) / np.maximum(total, 1e-30)
    paper = 1 - np.sqrt(np.clip(most, 0, 1)) * ((1 - alike) * mixed + alike * 0.8)  # the root lifts faint ones
    ax.imshow(paper, aspect="equal", interpolation="nearest")
    _positions(ax, paper.shape[:2], title, first_query)


def _map(name, s, axes):
    s = host_floats(name, s)
    if s.ndim != axes or not s.size:
        raise InputError(f"{name}: expected a map {'(H, T, S)' if axes == 3 else '(T, S)'}, got shape {s.shape}")
    return s


def _check_axes(ax):
    if not hasattr(ax, "set_xticks"):
        raise InputError(f"ax: expected axes of matplotlib, got {shown(ax)}")


def _positions(ax, shape, title, first_query):
    """The axes of a map: a few positions of queries and keys."""
    T, S = shape
    check_count("first_query", first_query, 0)
    check_instance("title", title, str)
    keys, queries = range(0, S, max(1, S // 5)), range(0, T, max(1, T // 5))
    ax.set_xticks(keys, [str(key) for key in keys])
    ax.set_yticks(queries, [str(query + first_query) for query in queries])
    ax.set(title=title, xlabel="key position")
    ax.spines[:].set_visible(False)


def maps_row(axes: Sequence[Any], s: Any, titles: Sequence[str], first_query: int = 0, visible: Any = None, **how: Any) -> Any:
    """Draw maps s (n, T, S) side by side on n axes, each with its title, on one scale; returns the last image.

    The first has the label of the queries. how: `cmap` and `limits` of `attention_map`.
    """
    s = _map("s", s, 3)
    if not len(s) == len(axes) == len(titles):
        raise InputError(f"axes: expected one, and a title, for each of {len(s)} maps, got {len(axes)} and {len(titles)}")
    for ax, one, title in zip(axes, s, titles):
        image = attention_map(ax, one, title, first_query, visible, **how)
    axes[0].set_ylabel("query position")
    return image


def stages(ax: Any, edges: Any, names: Sequence[str] = ()) -> None:
    """Bands from each edge to the next, grey and white in turn, and the names of the stages above them."""
    _check_axes(ax)
    edges = host_floats("edges", edges, (None,), finite=True)
    if len(edges) < 2 or (np.diff(edges) < 0).any():
        raise InputError(f"edges: expected two or more rising numbers, got {shown(edges)}")
    if len(names) not in (0, len(edges) - 1):
        raise InputError(f"names: expected {len(edges) - 1}, one for each band, got {len(names)}")
    for i, (left, right) in enumerate(zip(edges, edges[1:])):
        ax.axvspan(left, right, color="0.94" if i % 2 == 0 else "1", zorder=0, lw=0)
    to_axis, to_data = (
        ax.transData.transform,
        ax.transData.inverted().transform,
    )  # so that a logarithmic axis has its own middle
    for name, left, right in zip(names, edges, edges[1:]):
        middle = to_data((to_axis([(left, 1), (right, 1)])).mean(axis=0))[0]
        ax.annotate(name, (middle, 1.02), xycoords=("data", "axes fraction"), ha="center", annotation_clip=False)


def named(ax: Any, x: Any, y: Any, name: str, at: float | None = None, shift: Sequence[float] = (4, 4), **style: Any) -> Any:
    """Plot y over x, and write the curve's name in its colour where it runs: at x = `at`, by default at its end.

    shift: where the name begins, in points from there; from the right if the first is negative.
    style: of matplotlib's `plot`. Returns the line.
    """
    _check_axes(ax)
    x, y = host_floats("x", x, (None,), finite=True), host_floats("y", y, (None,))
    if len(x) != len(y) or not len(x):
        raise InputError(f"y: expected shape {x.shape}, as x, got {y.shape}")
    check_instance("name", name, str)
    (line,) = ax.plot(x, y, **style)
    i = len(x) - 1 if at is None else int(np.abs(x - at).argmin())
    ax.annotate(name, (x[i], y[i]), xytext=tuple(shift), textcoords="offset points", color=line.get_color(), fontsize=9,
                ha="right" if shift[0] < 0 else "left", annotation_clip=False)  # fmt: skip
    return line


def schematic(ax: Any, boxes: dict[str, Any], arrows: Sequence[Any], size: float = 10) -> None:
    """Boxes and arrows: who feeds whom.

    boxes:  {text: (x, y)} on a plane from (0, 0) to (1, 1), or {text: (x, y, colour)}.
    arrows: (from, to, text) or (from, to, text, bend), bend 0 for a straight one.
    size:   of the letters, in points.
    """
    _check_axes(ax)
    for ends in arrows:
        for end in ends[:2]:
            if end not in boxes:
                raise InputError(f"arrows: expected ends among {', '.join(boxes)}, got {shown(end)}")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.axis("off")
    drawn = {}
    for text, (x, y, *colour) in boxes.items():
        face = {"boxstyle": "round,pad=0.5", "fc": "1", "ec": colour[0] if colour else "0.3", "lw": 1.5}
        drawn[text] = ax.text(x, y, text, ha="center", va="center", fontsize=size, bbox=face, zorder=3)
    for start, end, text, *bend in arrows:
        turn = bend[0] if bend else 0.0
        style = {"arrowstyle": "-|>", "lw": 1.4, "color": "0.3", "connectionstyle": f"arc3,rad={turn}", "shrinkA": 2,
                 "patchA": drawn[start].get_bbox_patch(), "patchB": drawn[end].get_bbox_patch(), "shrinkB": 2}  # fmt: skip
        (x0, y0), (x1, y1) = boxes[start][:2], boxes[end][:2]
        ax.annotate("", (x1, y1), (x0, y0), arrowprops=style, zorder=2)
        place = ((x0 + x1) / 2 + turn * (y1 - y0) / 2, (y0 + y1) / 2 - turn * (x1 - x0) / 2)
        ax.text(*place, text, ha="center", va="center", fontsize=size - 1, color="0.2", zorder=4,
                bbox={"fc": "1", "ec": "none", "pad": 1, "alpha": 0.85})  # fmt: skip


def step_axis(ax: Any, last: float, linear: float = 10) -> None:
    """An x axis of training steps: linear up to `linear`, logarithmic from there."""
    _check_axes(ax)
    check_number("last", last, above=0)
    check_number("linear", linear, above=0)
    ax.set_xscale("symlog", linthresh=linear, linscale=(1 - 1 / 10) / np.log(10))
    ax.set(xlim=(0, last), xlabel=f"training step (logarithmic from {linear})")


def reference(ax: Any, value: float, text: str, below: bool = False) -> None:
    """A dashed horizontal line with a label: a paper's number or an exact bound."""
    _check_axes(ax)
    check_number("value", value)
    check_instance("text", text, str)
    check_instance("below", below, bool)
    ax.axhline(value, color="0.35", linestyle="--", linewidth=1)
    ax.annotate(text, (0.99, value), xycoords=("axes fraction", "data"), xytext=(0, -3 if below else 3), ha="right",
                textcoords="offset points", va="top" if below else "bottom", color="0.35", fontsize=8)  # fmt: skip


def slope(ax: Any, x: Any, y: float, power: float, text: str) -> None:
    """A dotted line through (x[0], y) that rises as x**power, with a label at its end."""
    _check_axes(ax)
    x = host_floats("x", x, (None,), finite=True)
    if not len(x) or (x <= 0).any():
        raise InputError(f"x: expected positive numbers, got {shown(x)}")
    check_number("y", y)
    check_number("power", power)
    check_instance("text", text, str)
    line = y * (x / x[0]) ** power
    ax.plot(x, line, color="0.35", linestyle=":", linewidth=1.2)
    ax.annotate(text, (x[-1], line[-1]), xytext=(4, 0), textcoords="offset points", color="0.35", fontsize=8)
