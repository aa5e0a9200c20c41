"""What layer 1 of a recall network writes is measured as a loop over tokens would, and listed in its results."""

import numpy as np

from experiments.written import WrittenRecall, size_written


def test_the_size_is_that_of_rows_worked_one_by_one(rng):
    params = {
        "W_E": rng.normal(size=(5, 3)),
        "W_V.1": rng.normal(size=(3, 2, 4)),
        "W_O.1": rng.normal(size=(2, 4, 3)),
    }
    mean = sum(params["W_E"]) / 5
    squares = []
    for token in params["W_E"]:
        row = np.zeros(3)
        for head in range(2):
            row += (token - mean) @ params["W_V.1"][:, head] @ params["W_O.1"][head]
        squares.append(row @ row)
    np.testing.assert_allclose(size_written(params), np.sqrt(np.mean(squares)), rtol=1e-12)


def test_what_is_written_alike_of_all_tokens_does_not_count(rng):
    params = {
        "W_E": np.ones((5, 3)) * rng.normal(size=3),
        "W_V.1": rng.normal(size=(3, 1, 4)),
        "W_O.1": rng.normal(size=(1, 4, 3)),
    }
    assert size_written(params) < 1e-12


def test_a_run_lists_it_at_each_evaluation():
    small = dict(pairs=2, vocab=6, width=8, batch=4, judged=8, steps=4, every=2)
    found = WrittenRecall(**small).run()
    assert len(found["written"]) == len(found["step"]) == 3
    assert found["written"][0] > 0 and found["written"][0] != found["written"][-1]
