"""Kinds of mistakes in a whole gradient: n by hand is c m, or m turned, moved or another's.

A kind is a function from `Evidence` to the `Finding`s that fit; it says nothing where it does not
fit. What takes a coefficient from the numbers, such as a factor for each row, wants more numbers
than coefficients, so that chance cannot fit.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from .evidence import CLOSE, Evidence, Finding, beside, enough, flat

MANY = 64  # slices of an axis that are tried one by one


def zero(e: Evidence) -> Iterator[Finding]:
    """n = 0."""
    if not e.n.any():
        says = f"for up to {np.abs(e.m).max():.3g} by differences: it is never written"
        yield Finding(e.tensor, "zero", f"zero everywhere, {says}", 0.0)


def factor(e: Evidence) -> Iterator[Finding]:
    """n = c m with one c; c = -1 is a sign."""
    if not (e.m**2).sum():
        return
    c = float((e.N * e.m).sum() / (e.m**2).sum())
    if abs(c) < 1e-4 or not e.same(e.N, c * e.m):
        return
    if abs(c + 1) < 1e-5:
        yield from e.found("sign", "minus the gradient: a sign is turned", e.N, -e.m)
        return
    what = name_of_factor(abs(c), e)
    if e.m.size == 1 and not what:
        return
    turned = ", and a sign is turned" if c < 0 else ""
    told = what or "no size of the inputs, nor 2, √ or ln 2 of one"
    yield from e.found("factor", f"{c:.6g} times the gradient: {told}{turned}", e.N, c * e.m)


def name_of_factor(c: float, e: Evidence) -> str:
    """What a positive factor may come from: sizes of the arrays, their inverses and roots."""
    near = lambda value: abs(c / value - 1) < 1e-5
    told = []
    if near(2):
        told.append("counted twice, or a ½ forgotten")
    if near(0.5):
        told.append("counted half, or a ½ too many")
    if near(math.log(2)) or near(1 / math.log(2)):
        told.append("ln 2: logarithms of base 2 and e are mixed")
    for value, says in ((math.pi, "π"), (2 * math.pi, "2π")):
        if near(value) or near(1 / value):
            told.append(f"a factor {says if near(1 / value) else f'1/{says}'} forgotten")
    for size, axes in _sizes(e).items():
        for value, says in (
            (size, f"{size} = {axes}: a sum where the forward takes a mean"),
            (1 / size, f"1/{size}, {size} = {axes}: a mean where the forward takes a sum"),
            (math.sqrt(size), f"√{size}, {size} = {axes}: a scale 1/√{size} forgotten"),
            (1 / math.sqrt(size), f"1/√{size}, {size} = {axes}: a scale 1/√{size} too many"),
            (2 / size, f"2/{size}, {size} = {axes}: a mean where the forward takes half a sum"),
            (size / 2, f"{size}/2, {size} = {axes}: half a sum where the forward takes a mean"),
            ((size - 1) / size, f"{size - 1}/{size}, {size} = {axes}: divided by N, not N - 1"),
            (size / (size - 1), f"{size}/{size - 1}, {size} = {axes}: divided by N - 1, not N"),
        ):
            if near(value) and (size > 2 or "N" not in says):
                told.append(says)
    return "; or ".join(told)


def _sizes(e):
    """Sizes of axes and of what is left of each array without its last axis, with their names."""
    found: dict[int, str] = {}
    arrays = {e.tensor: e.x, "the output": e.out, **{k: v for k, (v, *_) in e.others.items()}}
    for name, array in arrays.items():
        for count in range(1, array.ndim + 1):
            for axes in itertools.combinations(range(array.ndim), count):
                size = math.prod(array.shape[axis] for axis in axes)
                which = "axis" if count == 1 else "axes"
                if size > 1 and size not in found:
                    found[size] = f"{which} {', '.join(map(str, axes))} of {name}"
    return found


def elementwise_factor(e: Evidence) -> Iterator[Finding]:
    """n = m v or n v = m, entry by entry, for an input or the output v."""
    for name, v in beside(e):
        if np.ptp(v) <= CLOSE * np.abs(v).max():
            continue
        v = np.broadcast_to(v, e.x.shape)[e.at]
        for label, u in ((name, v), (f"1 - {name}", 1 - v), (f"{name}²", v * v)):
            missing = f"a factor {label} is missing, or a division by it too many"
            too_many = f"a factor {label} too many, or a division by it is missing"
            told = list(e.found("elementwise factor", missing, e.N * u, e.m))
            told = told or list(e.found("elementwise factor", too_many, e.N, e.m * u))
            if told:
                yield from told
                break


def derivative(e: Evidence) -> Iterator[Finding]:
    """Of a function entry by entry: dy handed on, or the function in place of its derivative."""
    if e.x.shape != e.out.shape or not e.whole or e.x.size < 3:
        return
    J = e.J.reshape(e.x.size, e.out.size)
    if np.abs(J - np.diag(np.diag(J))).max() > CLOSE * np.abs(J).max():
        return
    with np.errstate(all="ignore"):
        for v, says in (
            (np.ones_like(e.out), "dy is handed on as it came: the derivative is forgotten"),
            (e.out, "the function stands where its derivative should"),
            (e.out / e.x, "dy y/x: the derivative of one factor of a product is forgotten"),
            (np.diag(J).reshape(e.x.shape) ** 2, "the derivative stands there twice"),
        ):
            if np.isfinite(v).all():
                yield from e.found("elementwise factor", says, e.n, e.w * v)


def row_factor(e: Evidence) -> Iterator[Finding]:
    """n = c m along an axis, with another c for every row, such as a norm."""
    for axis in range(e.x.ndim):
        if not enough(e.m, axis) or e.m.size == e.m.shape[axis]:
            continue
        square = (e.m**2).sum(axis=axis, keepdims=True)
        c = (e.N * e.m).sum(axis=axis, keepdims=True) / np.where(square, square, 1)
        signs = np.abs(np.abs(c) - 1).max() < 1e-4
        if signs or (np.abs(c)[square > 0] < 1e-4).any() or not e.same(e.N, c * e.m):
            continue
        what = _name_of_row_factor(e, axis, c)
        says = f"a factor that is the same along axis {axis} and another for each row: {what}"
        yield from e.found("row factor", says, e.N, c * e.m)


def _name_of_row_factor(e, axis, c):
    """Which size of a row goes like the factor, or like its inverse."""
    rows = dict(axis=axis, keepdims=True)
    for source, of in ((e.tensor, e.x), ("the output", e.out)) if e.whole else ():
        if of.ndim != e.x.ndim or of.sum(**rows).shape != c.shape:
            continue
        sizes = {
            "norm": np.sqrt((of**2).sum(**rows)),
            "standard deviation": of.std(**rows),
            "sum": np.abs(of.sum(**rows)),
        }
        for (name, size), power in itertools.product(sizes.items(), (1, -1, 2, -2)):
            ratio = np.abs(c) * size**-power
            if np.ptp(ratio) < 1e-3 * np.abs(ratio).mean():
                what = f"the {name} of {source}{'' if abs(power) == 1 else ', squared'}"
                how = "a division by it is missing" if power > 0 else "a factor of it is missing"
                return f"it goes with {'' if power > 0 else 'one over '}{what}: {how}"
    return "where it comes from is not known"


def other_transposed(e: Evidence) -> Iterator[Finding]:
    """n = dq W where m = dq W^T: a square matrix that x is multiplied by is not transposed."""
    for name, (W, *_) in e.others.items():
        if not e.whole or W.ndim != 2 or len({*W.shape, *e.x.shape[-1:]}) != 1 or len(W) < 2:
            continue
        for rest, also in ((0, ""), (e.w, ", beside a residual path")):
            if np.shape(rest) not in ((), e.x.shape) or np.linalg.cond(W) > 1e4:
                continue
            for turn in (W, W.T):
                dq = np.linalg.solve(turn, np.moveaxis(e.m - rest, -1, 0).reshape(len(W), -1))
                n = np.moveaxis((turn.T @ dq).reshape(len(W), *e.x.shape[:-1]), 0, -1) + rest
                says = f"right if {name} is transposed where {e.tensor} meets it{also}"
                if not e.same(n, e.m):
                    yield from e.found("transposed", says, e.n, n)


def transposed(e: Evidence) -> Iterator[Finding]:
    """n and m agree after a permutation of axes of equal size."""
    for axes in itertools.permutations(range(e.x.ndim)):
        turned = e.n.transpose(axes)
        if axes == tuple(range(e.x.ndim)) or turned.shape != e.x.shape:
            continue
        if e.same(turned, e.n):
            continue
        for sign, also in ((1, ""), (-1, ", and a sign is turned")):
            says = f"right with its axes in the order {axes}{also}"
            yield from e.found("transposed", says, sign * turned[e.at], e.m)


def moved(e: Evidence) -> Iterator[Finding]:
    """n and m agree after the order along an axis is reversed, shifted or changed."""
    for axis, size in enumerate(e.x.shape):
        if size < 2 or flat(e.n, axis):
            continue
        told = list(e.found("reversed", f"right in reverse along axis {axis}",
                            np.flip(e.n, axis)[e.at], e.m))  # fmt: skip
        if not told and size > 2:
            told = list(_shifted(e, axis, size))
        if not told and e.whole and size <= MANY:
            told = list(_permuted(e, axis, size))
        yield from told


def _shifted(e, axis, size):
    """What stands at i belongs to i + s; at the ends anything may stand."""
    for s in (sign * step for step in range(1, min(size, MANY)) for sign in (1, -1)):
        if size - abs(s) < max(2, size / 2):
            continue
        rolled = np.roll(e.n, s, axis)[e.at]
        inside = np.arange(size)[e.at[axis]].reshape(-1) - s
        keep = np.flatnonzero((inside >= 0) & (inside < size))
        a, b = (np.take(array, keep, axis) for array in (rolled, e.m))
        if b.size >= 3 and np.abs(b).max(initial=0) > CLOSE * e.scale and not flat(b, axis):
            says = f"off by {abs(s)} along axis {axis}: what stands at i belongs to i {s:+d}"
            told = list(e.found("shifted", says, a, b))
            if told:
                yield from told
                return


def _permuted(e, axis, size):
    """Each slice of n is one of m, in another order."""
    n, m = (np.moveaxis(array, axis, 0).reshape(size, -1) for array in (e.n, e.m))
    if n.shape[1] < 2:
        return
    order = []
    for row in n:
        left = [i for i in range(size) if i not in order]
        order.append(min(left, key=lambda i, row=row: np.abs(m[i] - row).max()))
    if order != list(range(size)):
        says = f"right in the order {', '.join(map(str, order))} along axis {axis}"
        yield from e.found("permuted", says, n, m[order])


def exchanged(e: Evidence) -> Iterator[Finding]:
    """n is the gradient of another input, and perhaps that of the other is this one's."""
    for name, (value, n, m) in e.others.items():
        if m is not None and value.shape == e.x.shape and e.whole and not e.same(m, e.m):
            says = f"this is the gradient of {name}, and the other way round"
            if not e.same(n, e.m):
                says = f"this is the gradient of {name}: what tells the two apart is missing"
            kind = "exchanged" if e.same(n, e.m) else "another's"
            yield from e.found(kind, says, e.n, m)
