"""Figures: labelled axes, colours for colour-blind eyes too, attention maps on one 0-1 scale."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import matplotlib.colors
import matplotlib.rcsetup
import numpy as np

from . import errors
from .errors import InputError, check_count, check_instance, host_floats, shown
from .terminal import printable

# Okabe and Ito (2008), distinguishable with every common form of colour-blindness.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#000000"
COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, BLACK)
HIDDEN = 0.88  # the grey of pairs where the query does not see the key
_SQUARES = {"aspect": "equal", "interpolation": "nearest"}

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


def use() -> None:
    """From here on every figure of matplotlib has this book's style."""
    matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]


def plain(text: str) -> str:
    """The text as a figure may show it letter by letter: matplotlib reads $ as mathematics."""
    return printable(text).replace("$", r"\$")


def attention_map(
    ax: Any,
    s: Any,
    title: str = "",
    first_query: int = 0,
    visible: Any = None,
    cmap: str = "magma_r",
    limits: Sequence[float] = (0, 1),
    tokens: Sequence[str] | None = None,
) -> Any:
    """Draw one map s (T, S): a row for each query, a column for each key.

    The labels are positions in the sequence: keys from 0, queries from `first_query`. With
    `tokens`, the S of the sequence, they are the tokens there. Pairs where `visible` is False are
    grey; without it keys after their query are, if no query attends to them. Returns the image, for
    a colour bar.

    Raises InputError for NaN elsewhere.
    """
    check_axes(ax)
    s = _map("s", s, 2)
    visible = seen(s, first_query, visible)
    low, high = host_floats("limits", limits, (2,), finite=True)
    if not isinstance(cmap, str) or cmap not in matplotlib.colormaps:
        raise InputError(f"cmap: expected a colour map of matplotlib, got {shown(cmap)}")
    if not np.isfinite(s if visible is None else s[visible]).all():
        raise InputError("s: expected finite numbers, got NaN or infinity among them")
    drawn = s if visible is None else np.ma.masked_where(~visible, s)
    colours = matplotlib.colormaps[cmap].with_extremes(bad=str(HIDDEN))
    image = ax.imshow(drawn, cmap=colours, vmin=low, vmax=high, **_SQUARES)
    _label(ax, s.shape, title, first_query, tokens)
    return image


def seen(s: Any, first_query: int = 0, visible: Any = None) -> Any:
    """Which pairs of maps s (..., T, S) a query sees, (T, S), or None if it may see all.

    That is `visible`, or without it all but keys after their query, if no query attends to them.

    Raises InputError for a `visible` that is not booleans (T, S).
    """
    T, S = s.shape[-2:]
    if visible is None:
        query = check_count("first_query", first_query, 0) + np.arange(T)[:, None]
        later = np.arange(S) > query
        return ~later if not s[..., later].any() else None
    if errors.check_array("visible", visible).shape != (T, S) or visible.dtype.kind != "b":
        got = f"{visible.dtype} {visible.shape}"
        raise InputError(f"visible: expected booleans of shape {T, S}, as s, got {got}")
    return visible


def heads_map(
    ax: Any, s: Any, title: str = "", first_query: int = 0, tokens: Sequence[str] | None = None
) -> None:
    """Draw maps s (H, T, S) of up to eight heads in one picture, a colour each; grey where alike.

    Labels as in `attention_map`. Raises InputError for more than eight heads, or NaN.
    """
    check_axes(ax)
    s = _map("s", s, 3)
    H = len(s)
    if H > len(COLOURS):
        wanted = f"maps of at most {len(COLOURS)} heads, a colour each"
        raise InputError(f"s: expected {wanted}, got {H}")
    if not np.isfinite(s).all():
        raise InputError("s: expected finite numbers, got NaN or infinity among them")
    inks = 1 - np.array([matplotlib.colors.to_rgb(COLOURS[h]) for h in range(H)])
    maximum = s.max(axis=0)[..., None]
    total = np.maximum(s.sum(axis=0)[..., None], 1e-30)
    alike = (1 - maximum / total) * (H / max(H - 1, 1))  # 0: one head only, 1: all equally
    mixed = np.einsum("hts,hc->tsc", s, inks) / total
    ink = (1 - alike) * mixed + alike * 0.8
    paper = 1 - np.sqrt(np.clip(maximum, 0, 1)) * ink  # the root makes faint entries visible
    ax.imshow(paper, **_SQUARES)
    _label(ax, paper.shape[:2], title, first_query, tokens)


def _map(name, s, axes):
    s = host_floats(name, s)
    if s.ndim != axes or not s.size:
        wanted = "(H, T, S)" if axes == 3 else "(T, S)"
        raise InputError(f"{name}: expected a map {wanted}, got shape {s.shape}")
    return s


def check_axes(ax: Any) -> None:
    """Raise InputError unless ax is an axis of matplotlib."""
    if not hasattr(ax, "set_xticks"):
        raise InputError(f"ax: expected axes of matplotlib, got {shown(ax)}")


def _label(ax, shape, title, first_query, tokens):
    """The axes of a map: a few positions of queries and keys, or all their tokens."""
    T, S = shape
    check_count("first_query", first_query, 0)
    check_instance("title", title, str)
    if tokens is None:
        keys, queries = range(0, S, max(1, S // 5)), range(0, T, max(1, T // 5))
        names = [[str(key) for key in keys], [str(query + first_query) for query in queries]]
    else:
        tokens = [plain(token) for token in check_texts("tokens", tokens)]
        if len(tokens) != S or first_query + T > S:
            n = max(S, first_query + T)
            raise InputError(f"tokens: expected {n}, one for each position, got {len(tokens)}")
        keys, queries, names = range(S), range(T), [tokens, tokens[first_query : first_query + T]]
    ax.set_xticks(keys, names[0], rotation=0 if max(map(len, names[0])) < 4 else 90)
    ax.set_yticks(queries, names[1])
    of = "position" if tokens is None else "token"
    ax.set(title=title, xlabel=f"key {of}", ylabel=f"query {of}")
    ax.spines[:].set_visible(False)


def maps_row(
    axes: Sequence[Any],
    s: Any,
    titles: Sequence[str],
    first_query: int = 0,
    visible: Any = None,
    **how: Any,
) -> Any:
    """Draw maps s (n, T, S) side by side on n axes, each with its title, on one scale.

    For one map a single axis will do. The first labels the queries. Returns the last image.

    how: `cmap`, `limits` and `tokens` of `attention_map`.

    Raises InputError if axes or titles are not one for each map.
    """
    s, titles = _map("s", s, 3), check_texts("titles", titles)
    axes = [axes] if hasattr(axes, "set_xticks") else axes
    if not isinstance(axes, (list, tuple, np.ndarray)) or len(axes) != len(s):
        raise InputError(f"axes: expected {len(s)}, one for each map, got {shown(axes)}")
    if len(titles) != len(s):
        raise InputError(f"titles: expected {len(s)}, one for each map, got {len(titles)}")
    for ax, one, title in zip(axes, s, titles):
        image = attention_map(ax, one, title, first_query, visible, **how)
    for ax in axes[1:]:
        ax.set_ylabel("")
    return image


def stages(ax: Any, edges: Any, names: Sequence[str] = ()) -> None:
    """Bands from each edge to the next, grey and white in turn, with the stages' names above.

    Set the scale and the limits of the x axis before: names are in the middle of what is seen.

    Raises InputError for edges that do not rise, or another number of names.
    """
    check_axes(ax)
    edges, names = host_floats("edges", edges, (None,), finite=True), check_texts("names", names)
    if len(edges) < 2 or (np.diff(edges) < 0).any():
        raise InputError(f"edges: expected two or more rising numbers, got {shown(edges)}")
    if len(names) not in (0, len(edges) - 1):
        raise InputError(f"names: expected {len(edges) - 1}, one for each band, got {len(names)}")
    for i, (left, right) in enumerate(zip(edges, edges[1:])):
        ax.axvspan(left, right, color="0.94" if i % 2 == 0 else "1", zorder=0, lw=0)
    corners = np.stack([edges, np.ones_like(edges)], axis=-1)
    on_paper = ax.transData.transform(corners)  # a logarithmic axis has its own middle
    middles = ax.transData.inverted().transform((on_paper[1:] + on_paper[:-1]) / 2)[:, 0]
    above = {"xycoords": ("data", "axes fraction"), "ha": "center", "annotation_clip": False}
    for name, middle in zip(names, middles):
        ax.annotate(name, (middle, 1.02), **above)


def check_texts(name: str, texts: Any) -> Any:
    """Return `texts`, or raise InputError unless it is a list of strings."""
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{name}: expected a list of texts, got {shown(texts)}")
    return texts
