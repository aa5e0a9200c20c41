"""A set of sequences that ends, and a second set to judge by, do to a training what they say and nothing else."""

import numpy as np
import pytest

from experiments import LadderTrial
from experiments.stopping import StoppingTrial
from tinyattn import backend
from tinyattn.errors import InputError

SMALL = dict(vocab=6, spans=(1, 1), generated=6, held_out=40, batch=20, query_scale=0.01)
SET = dict(SMALL, sequences=30, steps=20, every=5)


def drawn(trial, steps):
    """The batches of these steps."""
    device = backend.get("cpu")
    *_, for_data, for_drops = trial.generators()
    batch = trial.batches(device, for_data, for_drops)
    return [batch(step, {})[0] for step in range(steps)]


def rows(batches):
    return [tuple(row) for x in batches for row in np.asarray(x).astype(int).tolist()]


def test_up_to_the_step_sequences_are_the_same_and_from_then_on_each_is_new():
    wide = dict(SET, vocab=40)  # so that no two sequences are alike by chance
    same, fresh = drawn(StoppingTrial(**wide), 8), drawn(StoppingTrial(**wide, fresh_from=3), 8)
    for one, other in zip(same[:3], fresh[:3]):
        assert np.array_equal(one, other)
    seen = set(rows(same))
    assert len(seen) <= 30 and len(set(rows(fresh[3:]))) == 5 * 20
    assert not set(rows(fresh[3:])) & seen
    assert {x.shape for x in same} == {x.shape for x in fresh}


def test_a_smaller_set_than_the_batch_goes_on_with_as_many_fresh_ones():
    batches = drawn(StoppingTrial(**SET | {"sequences": 12}, fresh_from=1), 3)
    assert [len(x) for x in batches] == [12, 12, 12]


def test_a_second_held_out_set_changes_nothing_and_is_measured_by_cross_entropy():
    plain, checked = LadderTrial(**SET).run(), StoppingTrial(**SET, checked_on=25).run()
    for name in plain:
        assert plain[name] == checked[name], name
    assert len(checked["held_out_loss"]) == len(checked["step"])
    entropy_rate = checked["held_out_loss"][0] - checked["excess"][0]
    for loss, excess in zip(checked["held_out_loss"], checked["excess"]):
        assert loss - excess == pytest.approx(entropy_rate, abs=0.25)  # other sequences: noise


def test_on_its_own_set_the_excess_loss_is_cross_entropy_less_that_of_the_true_law():
    plain, trial = LadderTrial(**SET).run(), StoppingTrial(**SET, on_set=True)
    found = trial.run()
    for name in plain:
        assert plain[name] == found[name], name
    *_, for_data, _ = trial.generators()
    x = trial.chain.sample(for_data, 30, trial.length)
    law = trial.chain.log_probs(x[:, :-1])  # of the tokens after the first context
    after = x[:, -law.shape[1] :]
    true = np.mean([law[i, t, token] for i, row in enumerate(after) for t, token in enumerate(row)])
    assert found["set_excess"][0] == pytest.approx(
        np.log(6) + true, abs=0.02
    )  # it knows nothing yet
    assert found["set_excess"][-1] < found["excess"][-1]  # the set is small: learnt by heart


def test_settings_are_those_of_json_and_make_the_same_trial_again():
    trial = StoppingTrial(**SET, fresh_from=10, checked_on=5, on_set=True)
    assert StoppingTrial.of(trial.settings).settings == trial.settings


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(sequences=0), "sequences: expected a set, for it to end, got 0"),
        (dict(fresh_from=-1), "fresh_from: expected a whole number >= 0, got -1"),
        (dict(on_set=1), "on_set: expected"),
        (dict(checked_on=2.5), "checked_on: expected a whole number >= 0, got 2.5"),
        (dict(model="full", query_scale=None), 'model: expected "minimal", got'),
    ],
)
def test_what_does_not_fit_is_one_clear_line(change, message):
    with pytest.raises(InputError, match=message):
        StoppingTrial(**SET | change)
