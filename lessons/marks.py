"""Marks on the figures of lessons and experiments: names, references, slopes, boxes and arrows."""

from collections.abc import Sequence
from typing import Any

import matplotlib.colors
import numpy as np

from tinyattn.errors import InputError, check_instance, check_number, host_floats, shown
from tinyattn.plot import check_axes, check_texts

_LABEL = {"color": "0.35", "fontsize": 8, "textcoords": "offset points"}  # of lines for comparison


def named(
    ax: Any,
    x: Any,
    y: Any,
    name: str,
    at: float | None = None,
    shift: Sequence[float] = (4, 4),
    **style: Any,
) -> Any:
    """Plot y over x, and write the curve's name in its colour beside it; returns the line.

    at:    the x of the name, by default the last.
    shift: where the name begins, in points from there; where it ends if the first is negative.
    style: of matplotlib's `plot`.

    Raises InputError for shapes that differ.
    """
    check_axes(ax)
    x, y = host_floats("x", x, (None,), finite=True), host_floats("y", y, (None,))
    if len(x) != len(y) or not len(x):
        raise InputError(f"y: expected shape {x.shape}, as x, and not empty, got {y.shape}")
    check_instance("name", name, str)
    right, up = host_floats("shift", shift, (2,), finite=True)
    i = len(x) - 1 if at is None else int(np.abs(x - check_number("at", at)).argmin())
    (line,) = ax.plot(x, y, **style)
    text = {"color": line.get_color(), "fontsize": 9, "ha": "right" if right < 0 else "left"}
    where = {"xytext": (right, up), "textcoords": "offset points", "annotation_clip": False}
    ax.annotate(name, (x[i], y[i]), **where, **text)
    return line


def schematic(ax: Any, boxes: dict[str, Any], arrows: Sequence[Any], size: float = 10.0) -> None:
    """Boxes and arrows: who feeds whom.

    boxes:  {text: (x, y)} on a plane from (0, 0) to (1, 1), or {text: (x, y, colour)}.
    arrows: (from, to, text), or (from, to, text, bend), bend 0 for a straight one.
    size:   of the letters, in points.

    Raises InputError for an arrow to no box.
    """
    check_axes(ax)
    check_number("size", size, above=0)
    check_instance("boxes", boxes, dict)
    for text, box in boxes.items():
        check_instance("boxes", text, str)
        if not isinstance(box, (tuple, list)) or len(box) not in (2, 3):
            wanted = f"(x, y) or (x, y, colour) for {text!r}"
            raise InputError(f"boxes: expected {wanted}, got {shown(box)}")
        host_floats("boxes", box[:2], (2,), finite=True)
        if len(box) == 3 and not matplotlib.colors.is_color_like(box[2]):
            wanted = f"a colour of matplotlib for {text!r}"
            raise InputError(f"boxes: expected {wanted}, got {shown(box[2])}")
    if not isinstance(arrows, (list, tuple)):
        raise InputError(f"arrows: expected a list of (from, to, text), got {shown(arrows)}")
    for arrow in arrows:
        right = isinstance(arrow, (list, tuple)) and len(arrow) in (3, 4)
        if not right or not all(end in boxes for end in arrow[:2]):
            wanted = f"(from, to, text) with ends among {', '.join(boxes)}"
            raise InputError(f"arrows: expected {wanted}, got {shown(arrow)}")
        check_texts("arrows", arrow[:3])
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.axis("off")
    centred = {"ha": "center", "va": "center"}
    drawn = {}
    for text, (x, y, *colour) in boxes.items():
        face = {"boxstyle": "round,pad=0.5", "fc": "1", "ec": (*colour, "0.3")[0], "lw": 1.5}
        written = ax.text(x, y, text, fontsize=size, bbox=face, zorder=3, **centred)
        drawn[text] = written.get_bbox_patch()
    paper = {"fc": "1", "ec": "none", "pad": 1, "alpha": 0.85}
    for start, end, text, *bend in arrows:
        turn = check_number("arrows", bend[0]) if bend else 0.0
        style = {"arrowstyle": "-|>", "lw": 1.4, "color": "0.3", "shrinkA": 2, "shrinkB": 2}
        style["connectionstyle"] = f"arc3,rad={turn}"
        style["patchA"], style["patchB"] = drawn[start], drawn[end]
        (x0, y0), (x1, y1) = boxes[start][:2], boxes[end][:2]
        ax.annotate("", (x1, y1), (x0, y0), arrowprops=style, zorder=2)
        x = (x0 + x1) / 2 + turn * (y1 - y0) / 2
        y = (y0 + y1) / 2 - turn * (x1 - x0) / 2
        ax.text(x, y, text, fontsize=size - 1, color="0.2", zorder=4, bbox=paper, **centred)


def step_axis(ax: Any, last: float, linear: float = 10) -> None:
    """An x axis of training steps: linear up to `linear`, logarithmic from there."""
    check_axes(ax)
    check_number("last", last, above=0)
    check_number("linear", linear, above=0)
    ax.set_xscale("symlog", linthresh=linear, linscale=(1 - 1 / 10) / np.log(10))
    ax.set(xlim=(0, last), xlabel=f"training step (logarithmic from {linear})")


def reference(ax: Any, value: float, text: str, below: bool = False) -> None:
    """A dashed horizontal line with a label: a paper's number or an exact bound."""
    check_axes(ax)
    check_number("value", value)
    check_instance("text", text, str)
    check_instance("below", below, bool)
    ax.axhline(value, color="0.35", linestyle="--", linewidth=1)
    va, shift = ("top", -3) if below else ("bottom", 3)
    where = {"xycoords": ("axes fraction", "data"), "xytext": (0, shift), "ha": "right", "va": va}
    ax.annotate(text, (0.99, value), **where, **_LABEL)


def slope(ax: Any, x: Any, y: float, power: float, text: str) -> None:
    """A dotted line through (x[0], y) that rises as x**power, with a label at its end.

    Raises InputError for numbers that are not positive.
    """
    check_axes(ax)
    x = host_floats("x", x, (None,), finite=True)
    if not len(x) or (x <= 0).any():
        raise InputError(f"x: expected positive numbers, got {shown(x)}")
    check_number("y", y)
    check_number("power", power)
    check_instance("text", text, str)
    line = y * (x / x[0]) ** power
    ax.plot(x, line, color="0.35", linestyle=":", linewidth=1.2)
    ax.annotate(text, (x[-1], line[-1]), xytext=(4, 0), **_LABEL)
