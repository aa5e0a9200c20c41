import numpy as np
import pytest

from tinyattn import trials
from tinyattn.errors import InputError

TINY = dict(pairs=2, tokens=4, width=16, batch=32, judged=64, every=20)


def test_recall_is_learnt_by_two_layers_and_not_by_one():
    two, one = (trials.recall({**TINY, "depth": depth, "scale": 0.7, "lr": 3e-3, "steps": 1500}) for depth in (2, 1))
    assert two["solved"] is not None and two["weak"] <= two["emerged"] <= two["solved"] <= two["step"][-1]
    assert two["matching"][-1] > 0.7 and len(two["matching"]) == len(two["step"]) == len(two["clean_accuracy"])
    assert one["solved"] is None and max(one["clean_accuracy"]) < 0.9 and "previous_token" not in one
    with_previous = trials.recall({**TINY, "depth": 1, "previous": True, "scale": 0.7, "lr": 3e-3, "steps": 1500})
    assert with_previous["solved"] is not None, "one layer whose input carries the token before"


def test_on_a_task_with_repetition_both_accuracies_are_recorded():
    found = trials.recall({**TINY, "repeats": 1.5, "steps": 40})
    assert len(found["own_accuracy"]) == len(found["clean_accuracy"]) == 3 and found["step"] == [0, 20, 40]
    assert "own_accuracy" not in trials.recall({**TINY, "steps": 20})


def test_repetition_adapts():
    adaptive = trials.AdaptiveRepetition(start=0.0, up=0.2, most=0.5, still=0.05, emerged=0.8)
    losses = (3.0, 2.99, 2.98, 2.97, 2.7, 2.3, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1)
    seen = [adaptive.p(losses[: i + 1]) for i in range(len(losses))]
    assert seen[:8] == pytest.approx([0.0, 0.2, 0.4, 0.5, 0.5, 0.25, 0.125, 0.0625]) and seen[-1] == 0.0
    found = trials.recall({**TINY, "adaptive": {"up": 0.3, "still": 1.0}, "steps": 60})
    assert found["p"] == pytest.approx([0.0, 0.0, 0.3, 0.6]), "the first look has none to compare with"


def test_single_location_is_learnt_by_one_head(rng):
    found = trials.location(dict(tokens=8, width=4, lr=3e-3, steps=2000, every=50))
    assert found["emerged"] is not None and found["emerged"] == found["step"][-1]
    assert found["attention"][0] == pytest.approx(1 / 8, abs=0.05) and found["attention"][-1] > 0.5
    assert found["test_loss"][-1] < 0.1 < found["test_loss"][0]
    fixed = trials.location(dict(tokens=8, width=4, anywhere=False, marker=False, lr=3e-3, steps=2000, every=50))
    assert fixed["emerged"] is not None
    assert trials.location(dict(tokens=8, width=4, optimizer="sgd", lr=0.1, steps=50, every=50))["step"] == [0, 50]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: trials.recall({"layers": 2}), "settings: expected some of pairs, .*, got layers"),
        (lambda: trials.location({"optimizer": "lion"}), 'optimizer: expected "adam" or "sgd", got \'lion\''),
        (lambda: trials.location({"marker": False}), "marker: expected True where"),
        (lambda: trials.AdaptiveRepetition(most=1.5), "most: expected .* <= 1, got 1.5"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_trial_is_the_same_each_time():
    assert trials.recall({**TINY, "steps": 40, "p": 0.3}) == trials.recall({**TINY, "steps": 40, "p": 0.3})
    one, other = (trials.recall({**TINY, "steps": 20, "seed": seed}) for seed in (0, 1))
    assert not np.array_equal(one["clean_loss"], other["clean_loss"])


@pytest.mark.parametrize(
    "trial, settings", [(trials.recall, dict(adaptive={}, previous=True)), (trials.location, dict(places=2))]
)
def test_a_trial_runs_on_the_stand_in_as_here(stand_in, trial, settings):
    sizes = dict(pairs=2, tokens=4, width=8) if trial is trials.recall else dict(tokens=6, width=3, model_width=8)
    settings = {**sizes, **settings, "batch": 8, "steps": 20, "every": 10, "judged": 16}
    here, there = trial(settings), trial({**settings, "device": "gpu"})
    assert here.keys() == there.keys() and here["step"] == there["step"]
    for name in here.keys() & {"clean_loss", "test_loss", "attention", "p"}:
        assert here[name] == pytest.approx(there[name], rel=1e-4)
