"""A head of the full transformer that is lost writes nothing and stays so; heads made alike are alike, and stay so."""

import numpy as np

from experiments.lost_head import LostHead, alike, every_head_lost

TINY = dict(
    vocab=6, spans=(1, 1), heads=2, width=8, hidden=4, generated=3, batch=8, held_out=8, steps=3,
    every=1, lr=0.01,
)  # fmt: skip


def test_a_silent_head_writes_nothing_and_the_rest_learns():
    free, silent = LostHead(**TINY), LostHead(**TINY, silent=(1,))
    free.run(), silent.run()
    first, last = silent.passed[0], silent.passed[-1]
    assert not first["W_O.1"][1].any() and not last["W_O.1"][1].any()
    np.testing.assert_array_equal(free.passed[0]["W_O.1"][0], first["W_O.1"][0])
    for name in first:
        assert not np.array_equal(first[name], last[name]), name
    assert free.passed[-1]["W_O.1"][1].any()


def test_equal_heads_stay_equal_and_others_part():
    start = LostHead(**TINY)
    start.run()
    of_first = start.passed[0]
    equal = LostHead(**TINY, start=alike(of_first, 0.0))
    equal.run()
    for params in equal.passed:
        for name, axis in (("W_Q.1", 1), ("W_K.1", 1), ("W_V.1", 1), ("W_O.1", 0)):
            heads = np.moveaxis(params[name], axis, 0)
            np.testing.assert_allclose(heads[0], heads[1], atol=1e-6)
    same = alike(of_first, 1.0)
    for name, p in of_first.items():
        np.testing.assert_allclose(same[name], p, atol=1e-6)


def test_every_head_is_lost_once():
    found = every_head_lost({**TINY, "spans": [1, 1], "longer": 2, "alike": 2, "eps": 0.1})
    assert [len(one["step"]) for one in found["lost"]] == [3, 3]
    end = found["free"]["excess"][-1]
    assert all(one["excess"][0] != end for one in found["lost"])
    assert found["going_on"]["excess"][0] == end
