"""Lost heads on the ladder and in recall: what is lost, and what one who knows some blocks only can do."""

import numpy as np
import pytest

from experiments.held_recall import HeldRecall
from experiments.lost import Lost, law_without
from experiments.lost_head import LostHead
from experiments.lost_recall import LostRecall, looks_of_heads
from tinyattn.errors import InputError
from tinyattn.ops import log_softmax
from tinyattn.tasks import markov

TINY = dict(vocab=5, spans=(1, 1), heads=2, generated=3, batch=8, steps=4, every=2, longer=2)
TINY |= dict(lr=0.01, width=8, hidden=4, seed=(1,))
RECALL = dict(pairs=2, vocab=4, width=8, heads=2, batch=8, steps=4, every=2)


@pytest.mark.parametrize("model", ["minimal", "full"])
def test_every_choice_of_heads_is_lost_at_three_moments(model):
    (one,) = Lost(model=model, **TINY).run()["numbers"].values()
    for moment in ("rung 1", "rung 2", "end"):
        assert one[moment]["lost"] == ["1", "2"] and one[moment]["step"] in (0, 2, 4)
        assert len(one[moment]["at_once"]) == len(one[moment]["in_the_end"]) == 2
    assert {*one["foretold"]} == {"1", "2"}
    assert all(law["averaged"] < law["exact"] for law in one["foretold"].values())


def test_a_silent_head_of_the_minimal_model_stays_silent():
    trial = Lost(**TINY).trial(1, silent=(0,), value_scale=0.1)
    trial.run()
    assert isinstance(trial, LostHead)
    for params in trial.passed:
        assert not params["W_V"][:, 0].any() and params["W_V"][:, 1].any()


def test_one_who_knows_some_blocks_takes_the_mean_over_the_others():
    rng = np.random.default_rng(0)
    chain = markov.draw_chain(rng, 4, (1, 1), importance=2.0)
    x = rng.integers(4, size=(400, 3))
    found = law_without(chain, x, [0], rng)
    every = np.exp([chain.log_probs(np.stack([np.full(400, j), x[:, 1]], 1)) for j in range(4)])
    np.testing.assert_allclose(
        found, every.mean(axis=0), atol=0.125
    )  # 400 draws: five times their error
    whole = law_without(chain, x, [0, 1], rng)
    np.testing.assert_allclose(whole, np.exp(chain.log_probs(x[:, :-1])), atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_heads_know_more_than_two_blocks_where_older_tokens_tell_of_the_third(seed):
    piece = Lost(vocab=12, query_scale=0.1)
    trial = piece.trial(seed, heads=2, batch=64, steps=500, every=500)
    trial.run()
    rng = trial.generators()[2]
    x = trial.chain.sample(rng, 1000, trial.length)
    full = trial.chain.log_probs(x[:, :-1])
    law = np.log(law_without(trial.chain, x, [0, 1], rng))
    found = log_softmax(trial.network.forward(trial.passed[-1], x[:, :-1])[0])
    by_law, by_network = (
        (np.exp(full) * (full - log_q)).sum(axis=-1).mean(axis=0) for log_q in (law, found)
    )
    assert by_network[0] > by_law[0] + 0.1, "no older token tells of it: the law is the best"
    assert by_network[-1] < by_law[-1] - 0.05


def test_a_silent_head_of_recall_stays_silent_and_the_rest_learns():
    trial = HeldRecall(**RECALL, silent=((2, 1),), stop=1.1)
    trial.run()
    first, last = trial.ends[0], trial.ends[-1]
    assert not first["W_O.2"][1].any() and not last["W_O.2"][1].any()
    assert all(not np.array_equal(first[name], last[name]) for name in first)


def test_every_head_of_recall_is_lost_once():
    piece = LostRecall(**RECALL, longer=2, seed=(3,))
    (one,) = piece.run()["numbers"].values()
    for layer in ("layer 1", "layer 2"):
        assert [len(one[layer][name]) for name in ("at_once", "in_the_end", "again")] == [2, 2, 2]
    trial = piece.trial(3)
    trial.run()
    before, matching = looks_of_heads(trial, trial.ends[-1])
    assert len(before) == len(matching) == 2 and 0 < min(before + matching) < 1


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Lost(lost=3), "lost: expected fewer than the heads and the blocks"),
        (lambda: Lost(every=7), "every: expected a divisor of steps and longer"),
        (lambda: Lost(seed=()), "seed: expected one or more numbers"),
        (lambda: Lost(model="tall"), "model: expected"),
        (lambda: LostRecall(seed=()), "seed: expected one or more numbers"),
        (lambda: LostRecall(heads=1), "heads: expected a whole number >= 2"),
    ],
)
def test_bad_settings_are_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()
