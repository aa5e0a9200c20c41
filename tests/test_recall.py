import math

import numpy as np
import pytest

from tinyattn.errors import InputError
from tinyattn.tasks.recall import AssociativeRecall


def parts(task, sequences):
    N = task.pairs
    return (
        sequences[:, 0 : 2 * N : 2],
        sequences[:, 1 : 2 * N : 2],
        sequences[:, 2 * N],
        sequences[:, 2 * N + 1],
    )


@pytest.mark.parametrize("repeats, p", [(None, 0.0), (None, 0.3), (1.0, 0.0), (2.5, 0.0), (6, 0.5)])
def test_the_answer_is_the_value_behind_the_query(rng, repeats, p):
    task = AssociativeRecall(6, 10, repeats, p)
    sequences = task.sample(rng, 500)
    assert (
        sequences.shape == (500, task.length + 1) and sequences.min() == 0 and sequences.max() == 9
    )
    keys, values, query, answer = parts(task, sequences)
    here = keys == query[:, None]
    assert (here.sum(axis=1) >= 1).all() and (
        np.where(here, values, answer[:, None]) == answer[:, None]
    ).all()
    for k, v, q in zip(keys, values, query):
        others = k[k != q]
        assert len(set(others)) == len(others), "other keys are distinct"
        pairs = dict(zip(k, v))
        assert len(set(pairs.values())) == len(pairs), "the map is a permutation"
    if repeats is None:
        assert (here.sum(axis=1) == 1).all()
    assert (task.answer(sequences) == answer).all() and (
        task.answer(sequences[:, :-1]) == answer
    ).all()


def test_how_often_things_come(rng):
    n = 40_000
    keys, values, query, answer = parts(
        AssociativeRecall(8, 32), AssociativeRecall(8, 32).sample(rng, n)
    )
    for ids in (keys, values, query[:, None], answer[:, None]):
        assert np.bincount(ids.ravel(), minlength=32) / ids.size == pytest.approx(1 / 32, abs=0.005)
    place = (keys == query[:, None]).argmax(axis=1)
    assert np.bincount(place, minlength=8) / n == pytest.approx(1 / 8, abs=0.01)
    keys, _, query, _ = parts(
        AssociativeRecall(8, 32, 2.0), AssociativeRecall(8, 32, 2.0).sample(rng, n)
    )
    often = (keys == query[:, None]).sum(axis=1)
    p = 2 / 8
    assert often.mean() == pytest.approx(2 / (1 - (1 - p) ** 8), abs=0.03), (
        "2 on average, given that there is one"
    )
    _, _, query, _ = parts(AssociativeRecall(8, 32), AssociativeRecall(8, 32, p=0.4).sample(rng, n))
    assert (query == 0).mean() == pytest.approx(0.2 + 0.6 / 32, abs=0.01) and (
        query == 2
    ).mean() == pytest.approx(0.6 / 32, abs=0.005)


def test_the_clean_task_and_batches(rng):
    task = AssociativeRecall(4, 9, repeats=3.0, p=0.5)
    assert task.clean == AssociativeRecall(4, 9) and task.length == 9
    assert next(task.batches(rng, 7)).shape == (7, 10)
    assert np.array_equal(
        task.sample(np.random.default_rng(3), 5), task.sample(np.random.default_rng(3), 5)
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: AssociativeRecall(0, 4), "pairs: expected a whole number >= 1, got 0"),
        (
            lambda: AssociativeRecall(5, 4),
            "vocab: expected a whole number >= 5, got 4",
        ),
        (lambda: AssociativeRecall(4, 8, repeats=0.0), "repeats: expected .* <= 4, got 0.0"),
        (lambda: AssociativeRecall(4, 8, repeats=5.0), "repeats: expected .* <= 4, got 5.0"),
        (lambda: AssociativeRecall(4, 8, p=1.5), "p: expected .* >= 0 and <= 1, got 1.5"),
        (
            lambda: AssociativeRecall(1, 8).answer(np.array([[1, 2, 3]])),
            "x: expected the query of every row among its keys",
        ),
        (
            lambda: AssociativeRecall(2, 8).answer(np.array([[1, 2, 1]])),
            r"x: expected shape \(n, 5\) or longer, got \(1, 3\)",
        ),
        (
            lambda: AssociativeRecall(4, 8).sample(np.random.default_rng(0), 0),
            "n: expected a whole number >= 1, got 0",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("pairs, tokens", [(1, 2), (2, 2), (3, 3), (5, 5), (5, 6), (9, 9)])
@pytest.mark.parametrize("p", [0.0, 0.7])
def test_keys_are_distinct_and_the_query_stands_once_at_every_size(rng, pairs, tokens, p):
    sample = AssociativeRecall(pairs, tokens, p=p).sample(rng, 400)
    keys, values, query, answer = (
        sample[:, 0 : 2 * pairs : 2],
        sample[:, 1 : 2 * pairs : 2],
        sample[:, 2 * pairs],
        sample[:, -1],
    )
    assert all(len(set(row)) == pairs for row in keys.tolist()) and all(
        len(set(row)) == pairs for row in values.tolist()
    )
    at = keys == query[:, None]
    assert (at.sum(axis=1) == 1).all() and (values[at] == answer).all()
    assert abs(at.mean(axis=0) - 1 / pairs).max() < 5 * np.sqrt(1 / 400)


@pytest.mark.parametrize(
    "pairs, tokens, repeats",
    [(4, 9, 1e-9), (4, 9, 0.5), (4, 4, 1.5), (6, 20, 3.0), (3, 3, 3), (1, 2, 0.2), (2, 5, 1.9)],
)
def test_the_query_repeats_as_often_as_the_docstring_says(rng, pairs, tokens, repeats):
    n, q = 20000, repeats / pairs
    sample = AssociativeRecall(pairs, tokens, repeats).sample(rng, n)
    keys, query = sample[:, 0 : 2 * pairs : 2], sample[:, 2 * pairs, None]
    at = keys == query
    assert at.any(axis=1).all()
    counts = np.bincount(at.sum(axis=1), minlength=pairs + 1) / n
    binomial = np.array(
        [math.comb(pairs, k) * q**k * (1 - q) ** (pairs - k) for k in range(pairs + 1)]
    )
    binomial[0] = 0
    np.testing.assert_allclose(counts, binomial / binomial.sum(), atol=4 * 0.5 / np.sqrt(n))
    assert np.ptp(at.mean(axis=0)) < 6 * 0.5 / np.sqrt(n), "every place alike"
    others = [row[~here] for row, here in zip(keys, at)]
    assert all(len(set(row.tolist())) == len(row) for row in others)
