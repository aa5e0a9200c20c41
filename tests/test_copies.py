"""Which use of the embeddings dilutes: the derived shares are the flow's, and a third for equal rare tokens."""

import numpy as np
import pytest

from experiments.copies import Copies, push_shares, pushed_there, pushes
from tinyattn.errors import InputError
from tinyattn.flows.focus_dilution import FocusDilution

PI = (0.75, 0.19, 0.05, 0.01)


@pytest.mark.parametrize("rho, width", [(0.3, 3), (0.7, 8)])
@pytest.mark.parametrize("pi", [PI, (0.6, 0.3, 0.1), (0.6, 0.2, 0.1, 0.05, 0.03, 0.02)])
def test_the_shares_of_the_push_are_those_of_the_flow(pi, rho, width):
    flow = FocusDilution(np.array(pi), rho, width)
    derived = push_shares(flow)
    np.testing.assert_allclose(derived, pushed_there(flow), atol=1e-6)
    np.testing.assert_allclose(derived[1], derived[2], atol=1e-12)
    assert derived[2].min() < 0.32, "not a third"


@pytest.mark.parametrize("frequent, d, rho", [(0.5, 3, 0.2), (0.75, 4, 0.5), (0.9, 7, 0.8)])
def test_with_equal_rare_tokens_each_use_has_a_third(frequent, d, rho):
    pi = np.array([frequent, *[(1 - frequent) / (d - 1)] * (d - 1)])
    np.testing.assert_allclose(push_shares(FocusDilution(pi, rho, 5)), 1 / 3, atol=1e-9)


def test_the_pushes_of_the_three_uses_add_up():
    flow = FocusDilution(np.array(PI), 0.5, 5)
    y = flow.start(np.random.default_rng(0), 0.5)
    W0, speed = flow.split(y)[0], flow.split(flow(0.0, y))[0]
    u = np.linalg.svd(W0)[2][0]
    np.testing.assert_allclose(np.abs(pushes(flow, y).sum(axis=0)), np.abs(speed @ u), atol=1e-12)


def test_a_query_that_reads_the_copy_does_not_turn_away():
    piece = Copies(pi=[0.76, 0.08, 0.08, 0.08], rho=[0.5], width=[4])
    (numbers,) = piece.run()["numbers"].values()
    assert numbers["on_0"]["query"].min() > 0.76
    assert max(numbers["on_0"][use][-1] for use in ("free", "key", "value")) < 0.5
    spread = numbers["spread"]
    assert spread["query"].max() < numbers["as_they_come"] < spread["free"][-1]
    assert numbers["dilutes"] == {"free": True, "query": False, "key": True, "value": True}
    assert 0.3 < numbers["value_share"][0] < 0.5


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(rho=[]), "rho: expected one or more numbers"),
        (dict(pi=[0.2, 0.8]), "pi: expected two or more frequencies, the largest first"),
        (dict(width=[1]), "width: expected a whole number >= 2"),
        (dict(rho=[0.9]), "rho: expected a finite number >= 0.2"),
    ],
)
def test_bad_settings_are_one_clear_line(wrong, message):
    with pytest.raises(InputError, match=message):
        Copies(**wrong)
