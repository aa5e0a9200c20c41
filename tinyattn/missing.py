"""Kinds of mistakes in a part of a gradient: what is missing from n, or there once too often.

e = m - n is what is missing. As in kinds.py, each is a function from `Evidence` to `Finding`s.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .evidence import CLOSE, Evidence, Finding, beside, enough, multiple, sum_but

MANY = 64  # slices of an axis that are tried one by one


def somewhere(e: Evidence) -> Iterator[Finding]:
    """Wrong in a part alone: 0, not 0 where it should be, or off by one factor."""
    wrong = np.abs(e.N - e.m) > CLOSE * e.scale
    if wrong.all() or not wrong.any():
        return
    where = place(e, wrong)
    N, m = e.N[wrong], e.m[wrong]
    if not N.any():
        says = f"0 {where}, for up to {np.abs(m).max():.3g} by differences; right everywhere else"
        yield Finding(e.tensor, "missing rows", f"missing rows: {says}", 0.0)
    elif np.abs(m).max() <= CLOSE * e.scale:
        says = f"up to {np.abs(N).max():.3g} {where}, for 0 by differences; right everywhere else"
        yield Finding(e.tensor, "mask", f"mask: {says}: a mask is forgotten", 0.0)
    elif m.size > 1:
        c = float((N * m).sum() / (m**2).sum())
        if e.same(N, c * m):
            kind = "sign" if abs(c + 1) < 1e-5 else "twice" if abs(c - 2) < 1e-5 else "factor"
            says = f"{c:.6g} times the gradient {where}, right everywhere else"
            yield from e.found(kind, says, N, c * m)


def place(e: Evidence, wrong: np.ndarray) -> str:
    """Words for where `wrong` (...), one for each entry compared, is True."""
    if wrong.all():
        return "everywhere"
    for axis in range(wrong.ndim):
        others = tuple(i for i in range(wrong.ndim) if i != axis)
        rows = wrong.any(axis=others)
        if not rows.all():
            index = np.arange(e.x.shape[axis])[e.at[axis]].reshape(-1)
            return f"at {_indices(index[rows])} of axis {axis}"
    return f"at {int(wrong.sum())} of {wrong.size} entries"


def _indices(index):
    shown = [*map(str, index[:6]), *(["..."] if len(index) > 6 else [])]
    return f"index {', '.join(shown)}"


def outputs(e: Evidence) -> Iterator[Finding]:
    """What some outputs give is missing, twice or turned: dy comes one slice at a time."""
    contributes = e.J * e.w
    seen = []
    for axis, size in enumerate(e.out.shape):
        if not 2 <= size <= min(MANY, e.calls):
            continue
        times: dict[int, list[int]] = {1: [], 0: [], 2: [], -1: []}
        by_slice = []
        for j in range(size):
            dy = np.zeros_like(e.w)
            one = (slice(None),) * axis + (j,)
            dy[one] = e.w[one]
            by_slice.append(e.by_hand(dy)[e.at])
            m = np.take(contributes, j, e.m.ndim + axis)
            m = m.reshape(*e.m.shape, -1).sum(axis=-1)
            if e.same(m, 0) and e.same(by_slice[-1], 0):
                continue
            fits = [c for c in times if e.same(by_slice[-1], c * m)]
            if not fits:
                break
            times[fits[0]].append(j)
        else:
            wrong = [(c, times[c]) for c in (0, 2, -1) if times[c]]
            if times[1] and len(wrong) == 1 and wrong not in seen:
                ((c, index),) = wrong
                seen.append(wrong)
                kind, how = {
                    0: ("missing outputs", "is missing"),
                    2: ("twice", "is counted twice"),
                    -1: ("sign", "has the wrong sign"),
                }[c]
                says = f"what the outputs at {_indices(index)} of axis {axis} give {how}"
                yield from e.found(kind, says, sum(by_slice), e.N)


def contribution(e: Evidence) -> Iterator[Finding]:
    """What is missing is dy itself, the gradient of another input, or what flows through one."""
    missing = e.m - e.N
    for name, part in _parts(e):
        if multiple(part, e.m) or part.size < 3:
            continue
        c = float((missing * part).sum() / (part**2).sum())
        kind, says = _share(c, name)
        if abs(c + 1) < 1e-5 and name.startswith("the gradient"):
            kind, says = "contribution", f"minus {name} is missing, or it is there once too often"
        yield from e.found(kind, says, missing, c * part) if abs(c) > 1e-4 else ()
    if not e.whole:
        return
    for name, (W, _, dW) in e.others.items():
        if dW is None or W.ndim < 2 or W.shape == e.x.shape:
            continue
        # q = x W over an axis: sum dx x = sum dq q = sum dW W, for each index that W sums over
        for axis, size in enumerate(e.x.shape):
            for other in range(W.ndim):
                if W.shape[other] != size or size < 3:
                    continue
                through = sum_but(W * dW, other)
                if multiple(through, sum_but(e.x * e.m, axis)):
                    continue
                left = sum_but(e.x * missing, axis)
                c = float((left * through).sum() / max((through**2).sum(), 1e-300))
                near = np.abs(left - c * through).max() <= 0.1 * CLOSE * np.abs(left).max(initial=0)
                if near and any(abs(c - one) < 1e-5 for one in (1, -1, 2)):
                    kind, says = _share(c, f"what {e.tensor} gives through {name}")
                    fit = float(np.abs(left - c * through).max() / np.abs(left).max())
                    yield Finding(e.tensor, kind, f"{kind}: {says} (fits to {fit:.0e})", fit)


def _share(c, name):
    """Kind and words for a term that is missing c times."""
    if abs(c - 1) < 1e-5:
        return "contribution", f"{name} is missing, and nothing else"
    if abs(c + 1) < 1e-5:
        return "twice", f"{name} is there once too often"
    if abs(c - 2) < 1e-5:
        return "contribution", f"{name} has the wrong sign"
    return "contribution", f"{c:.6g} times {name} is missing"


def _parts(e):
    """Terms that the tensor's gradient may have been left without, on the entries compared."""
    if e.w.shape == e.x.shape:
        yield "dy itself (a residual path)", e.w[e.at]
    for name, (value, _, m) in e.others.items():
        if m is not None and value.shape == e.x.shape and e.whole:
            yield f"the gradient of {name}", m
        if value.shape == e.x.shape:
            yield f"{name} itself", value[e.at]


def mean(e: Evidence) -> Iterator[Finding]:
    """What is missing goes with 1, the output or the input along axes, once for each slice."""
    missing = e.m - e.N
    for count in range(e.x.ndim if e.whole else 0, 0, -1):
        found = []
        for axes in itertools.combinations(range(e.x.ndim), count):
            if enough(missing, axes):
                found += _along(e, missing, axes)
        if found:
            yield from found
            return


def _along(e, missing, axes):
    """The first of the terms below that fits along these axes."""
    what = f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"
    rows: dict[str, Any] = dict(axis=axes, keepdims=True)
    share = lambda v: (missing * v).sum(**rows) / np.maximum((v * v).sum(**rows), 1e-300) * v
    centred = e.x - e.x.mean(**rows)
    terms = [(np.ones_like(missing), "is the same", "a mean or a sum")]
    if e.out.shape == e.x.shape:
        terms.append((e.out, "goes with the output", "a sum of dy y, as in softmax or in a norm,"))
    terms.append((e.x, f"goes with {e.tensor}", "the term of a norm"))
    terms.append((centred, f"goes with {e.tensor} less its mean", "the term of a variance"))
    for v, goes, term in terms:
        says = f"what is missing {goes} along {what}: {term} is forgotten, or over the wrong axes"
        if told := list(e.found("mean", says, missing, share(v))):
            return told
    both = missing.mean(**rows) + share(centred)
    if not enough(missing, axes, 2):
        return []
    says = f"the terms of mean and variance along {what} are forgotten, or over the wrong axes"
    return list(e.found("mean", says, missing, both))


def of_another_dy(e: Evidence) -> Iterator[Finding]:
    """Right for a dy that was changed on the way: times an input, or summed along an axis."""
    gradient = lambda dy: (e.J * dy).sum(axis=tuple(range(e.m.ndim, e.J.ndim)))
    with np.errstate(all="ignore"):
        for name, v in beside(e, e.out.shape):
            for dy, how in ((e.w / v, "is missing"), (e.w * v, "too many")):
                m = gradient(dy)
                square = (m * m).sum()
                if e.m.size < 3 or not 0 < square < np.inf or multiple(m, e.m):
                    continue
                c = float((e.N * m).sum() / square)
                also = f", and one of {c:.6g}" if abs(c - 1) > 1e-5 else ""
                says = f"a factor {name} {how} on the way from dy{also}"
                yield from e.found("elementwise factor", says, e.N, c * m)
    for axis, size in enumerate(e.out.shape):
        if size < 2 or e.m.size < 3:
            continue
        whole: Any = dict(axis=axis, keepdims=True)
        for dy, kind, says in (
            (e.w.sum(**whole) + 0 * e.w, "dy", f"right if dy is first summed along axis {axis}"),
            (e.w.mean(**whole) + 0 * e.w, "dy", f"right if dy is first averaged along axis {axis}"),
            (np.flip(e.w, axis), "reversed", f"right if dy is turned round along axis {axis}"),
        ):
            m = gradient(dy)
            if not e.same(m, e.m):
                yield from e.found(kind, says, e.N, m)


def summed(e: Evidence) -> Iterator[Finding]:
    """n is m, summed or averaged over an axis that the tensor has."""
    for axis, size in enumerate(e.x.shape):
        if size > 1 and e.whole:
            for reduce, how in ((np.sum, "summed"), (np.mean, "averaged")):
                m = np.broadcast_to(reduce(e.m, axis=axis, keepdims=True), e.m.shape)
                says = f"{how} over axis {axis} of {e.tensor} as well, along which it is not copied"
                if not e.same(m, e.m):
                    yield from e.found("broadcast", says, e.n, m)
