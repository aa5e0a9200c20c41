"""The pairs in foreign_pairs are right, and each mistake shows where and as what it says."""

from collections import Counter

import foreign_pairs
import numpy as np
import pytest
import random_pairs
from foreign_pairs import BY_NAME, INSIDE, MISTAKES, PAIRS

from tinyattn import gradcheck
from tinyattn.errors import InputError

KINDS = {
    line.split("  ")[1].strip()
    for line in foreign_pairs.__doc__.partition("The kinds of mistakes:")[2].splitlines()
    if line.startswith("  ") and not line.startswith("   ")
}
# Mistakes of these kinds need not be in the backward, and a check that hands out copies, or one to
# seven digits, need not see them: `wrong` says which tensors it sees them in, if in any.
NOT_IN_BACKWARD = {"forward", "kink", "precision"}


def floats(inputs):
    return [key for key, value in inputs.items() if value.dtype.kind == "f"]


def error(pair, tensor):
    """The error of one tensor; infinite for a gradient of the wrong shape."""
    try:
        (row,) = gradcheck.check_pair(pair.forward, pair.backward, pair.inputs, wrt=(tensor,))
    except InputError as refused:
        if not str(refused).startswith(f"gradient of {tensor} in "):
            raise
        return np.inf
    return row.error


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_right_pairs_are_right(pair):
    rows = gradcheck.check_pair(pair.forward, pair.backward, pair.inputs)
    assert max(row.error for row in rows) <= gradcheck.TOLERANCE
    assert [row.tensor for row in rows if row.checked] == floats(pair.inputs)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: f"{m.pair}: {m.what}")
def test_a_mistake_is_in_the_tensors_it_names(mistake):
    errors = {tensor: error(mistake, tensor) for tensor in floats(mistake.inputs)}
    assert {key for key, e in errors.items() if not e <= gradcheck.TOLERANCE} == mistake.wrong
    assert mistake.wrong or mistake.kinds <= NOT_IN_BACKWARD


def test_every_kind_has_its_mistakes():
    assert len(KINDS) == 21
    count = Counter(kind for mistake in MISTAKES for kind in mistake.kinds)
    assert set(count) == KINDS
    assert sum(mistake.kinds == {"none"} for mistake in MISTAKES) >= 5
    assert len({(mistake.pair, mistake.what) for mistake in MISTAKES}) == len(MISTAKES)
    assert {mistake.pair for mistake in MISTAKES} <= {pair.name for pair in PAIRS}


def gradients(backward, dy, cache, inputs):
    """What a backward returns, in whatever form, as a dict."""
    grads = backward(dy.copy(), cache)
    if isinstance(grads, tuple):
        grads = dict(zip(inputs, grads))
    elif not isinstance(grads, dict):
        grads = {floats(inputs)[0]: grads}
    return {key: np.asarray(grads[key]) for key in floats(inputs)}


def same(a, b):
    return a.shape == b.shape and np.abs(a - b).max() <= 1e-9 * np.abs(b).max()


def rows_of(x, axis):
    return np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])


def shown(mistake):
    """The kinds that the numbers of some gradient show, exactly."""
    right = BY_NAME[mistake.pair]
    out, cache = right.forward(*(value.copy() for value in right.inputs.values()))
    out = np.asarray(out)

    def both(dy):
        return [gradients(f, dy, cache, right.inputs) for f in (right.backward, mistake.backward)]

    dy = np.random.default_rng(1).normal(size=out.shape)
    units = [both(unit.reshape(out.shape)) for unit in np.eye(out.size)]
    r, g = both(dy)
    r_of_ones, g_of_ones = both(np.ones(out.shape))
    found = set()
    for key in mistake.wrong:
        found |= by_numbers(r[key], g[key], [out, *right.inputs.values()])
        if any(key != k and same(g[key], r[k]) and same(g[k], r[key]) for k in mistake.wrong):
            found.add("exchanged")
        if g[key].shape == r[key].shape:
            if not same(both(-2 * dy)[1][key], -2 * g[key]):
                found.add("dy")
            if np.abs(r_of_ones[key]).max() > 1e-9 and same(g_of_ones[key], r_of_ones[key]):
                found.add("right for ones")
            pairs = [(a[key], b[key]) for a, b in units if a[key].any()]
            lost = [not b.any() for _, b in pairs]
            kept = [same(b, a) for a, b in pairs]
            if any(lost) and any(kept) and all(map(max, lost, kept)):
                found.add("missing outputs")
    return found


def by_numbers(r, g, others):
    """The kinds that turn the right gradient r into g."""
    if g.shape != r.shape:
        return {"transposed" if same(g, r.T) else "broadcast"}
    found = {"transposed"} if r.ndim == 2 and same(g, r.T) else set()
    some = r != 0
    ratio = np.divide(g, r, out=np.full(r.shape, np.nan), where=some)
    if not g.any():
        return {"zero"}
    if same(g, -r):
        found.add("sign")
    elif r.size > 1 and same(g, r * ratio[some][0]):
        found.add("factor")
        if same(g, 2 * r):
            found.add("twice")
    elif not g[~some].any():
        rows = [[q[~np.isnan(q)] for q in rows_of(ratio, a)] for a in range(r.ndim)]
        if any(all(np.ptp(q) < 1e-9 for q in qs if len(q)) for qs in rows):
            found.add("row factor")
    if same(g[some], r[some]) and g[~some].any():
        found.add("mask")
    if r.size > 1 and np.ptp(g) == 0:
        found.add("broadcast")
    for axis, n in enumerate(r.shape):
        if n == 1:
            continue
        R, G = np.moveaxis(r, axis, 0), np.moveaxis(g, axis, 0)
        if same(G, R[::-1]):
            found.add("reversed")
        if same(G[1:], R[:-1]) or same(G[:-1], R[1:]):
            found.add("shifted")
        left_out = np.array([not b.any() and a.any() for a, b in zip(R, G)])
        if left_out.any() and same(G[~left_out], R[~left_out]):
            found.add("missing rows")
        span = [np.ones(r.shape), *(x for x in others if x.shape == r.shape)]
        span = np.stack([rows_of(x, axis) for x in span], axis=-1)
        off = rows_of(g - r, axis)[..., None]
        rest = off - span @ np.linalg.pinv(span, rcond=1e-9) @ off
        if n > span.shape[-1] and np.abs(rest).max() <= 1e-9 * np.abs(r).max():
            found.add("mean")
    return found


IN_BACKWARD = [mistake for mistake in MISTAKES if not mistake.kinds & NOT_IN_BACKWARD]


@pytest.mark.parametrize("mistake", IN_BACKWARD, ids=lambda m: f"{m.pair}: {m.what}")
def test_the_numbers_show_the_kinds(mistake):
    found = shown(mistake)
    kinds = set(mistake.kinds)
    # The span of outputs, inputs and ones is large and holds some other mistakes by chance.
    implied = {"mean"} | ({"row factor"} if "missing rows" in kinds else set())
    if "right for ones" in found:
        found.add("dy")
        implied |= {"right for ones", "dy"}  # as an order that is wrong also is
    if "factor" in found or "missing outputs" in found:
        found.add("broadcast")  # a mean, or one row
        implied.add("broadcast")
    assert found - implied <= kinds
    if (mistake.pair, mistake.what) not in INSIDE:
        kinds -= {"none", "elementwise factor", "contribution"}  # for these there is no such test
        assert kinds <= found
    else:
        assert not kinds <= found


def test_inside_names_mistakes():
    assert INSIDE <= {(mistake.pair, mistake.what) for mistake in IN_BACKWARD}


def test_random_pairs_are_right_and_of_many_kinds():
    pairs = list(random_pairs.random_right_pairs())
    assert len(pairs) == 200
    for pair in pairs:
        rows = gradcheck.check_pair(pair.forward, pair.backward, pair.inputs)
        assert max(row.error for row in rows) <= gradcheck.TOLERANCE, pair.name
    assert {x.ndim for pair in pairs for x in pair.inputs.values()} == {0, 1, 2, 3, 4}
    assert {1, 2, 3} <= {n for pair in pairs for x in pair.inputs.values() for n in x.shape}
    sizes = [np.abs(x).max() for pair in pairs for x in pair.inputs.values()]
    assert min(sizes) < 3e-3 and max(sizes) > 300
    pieces = {piece for pair in pairs for piece in pair.pieces}
    assert {*random_pairs.ELEMENTWISE, *random_pairs.ALONG_AN_AXIS} <= pieces
    assert {"matmul", "gram", "look up", "permute", "flatten", "add", "multiply"} <= pieces
    # Differences say little of 18 as first drawn: 9 are drawn nearer to 1, 9 get one more path.
    assert sum(pair.powers == 1 for pair in pairs) >= 170
    assert sum(len(pair.kept) > 0 for pair in pairs) <= 15
    assert sum(pair.redrawn for pair in pairs) <= 1


def test_random_pairs_are_right_to_the_last_digits():
    for pair in random_pairs.random_right_pairs(60, seed=1):
        errors = random_pairs.errors_along_i(pair.forward, pair.backward, pair.inputs)
        assert max(errors.values()) <= 1e-10, pair.name


def test_random_pairs_are_the_same_each_time():
    first, second = (list(random_pairs.random_right_pairs(5, seed=2)) for _ in range(2))
    for a, b in zip(first, second):
        assert a.pieces == b.pieces and all(
            map(np.array_equal, a.inputs.values(), b.inputs.values())
        )


def test_a_wrong_piece_does_not_pass(monkeypatch):
    wrong = lambda dy, cache: (cache[0] * dy,)
    monkeypatch.setitem(random_pairs.ALONG_AN_AXIS, "softmax", (random_pairs.softmax, wrong))
    pairs = list(random_pairs.random_right_pairs(100))
    assert sum(pair.redrawn for pair in pairs) > 5
