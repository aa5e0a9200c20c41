"""What lesson 19 holds, leaves out, asks for and grafts is what it says."""

import causes_of_repetition
import numpy as np
import pytest

from experiments.held_recall import StartedAnew
from experiments.repeated_recall import (
    AnyKeyAsked,
    RepeatedRecall,
    RepetitionProbe,
    another_asked,
    copies_of,
    grafted,
    keys_of,
    knocked_out,
    put_back,
)
from tinyattn.errors import InputError
from tinyattn.optim import AdamW
from tinyattn.tasks.recall import AssociativeRecall

TINY = dict(pairs=3, vocab=6, width=8, batch=16, judged=32, steps=4, every=1, stop=1.1)
VALUE_MAP = ["W_V.2", "W_O.2"]


def answers(sequences):
    return AssociativeRecall(8, 32).answer(sequences)


def test_any_key_of_a_context_is_asked_for_alike(rng):
    sequences = AnyKeyAsked(8, 32, 2.0).sample(rng, 20_000)
    assert np.array_equal(answers(sequences), sequences[:, -1])
    once = [len(set(row)) for row in keys_of(sequences).tolist()]
    alone = np.mean([1 / kinds if kinds < 8 else 0 for kinds in once])
    assert (copies_of(sequences) > 1).mean() == pytest.approx(alone, abs=0.01)
    other = AssociativeRecall(8, 32, 2.0).sample(rng, 20_000)
    copied = [8 - len(set(row)) for row in keys_of(other).tolist()]
    assert 8 - np.mean(once) == pytest.approx(np.mean(copied), abs=0.05)
    clean = AnyKeyAsked(8, 32).sample(np.random.default_rng(3), 50)
    assert np.array_equal(clean, AssociativeRecall(8, 32).sample(np.random.default_rng(3), 50))


def test_another_key_is_asked_for_and_the_copied_value_kept(rng):
    sequences = AssociativeRecall(8, 32, 2.0).sample(rng, 500)
    changed = another_asked(sequences, rng)
    assert 0.6 < len(changed) / 500 < 0.8
    assert (copies_of(changed) == 1).all() and (answers(changed) != changed[:, -1]).all()
    values = changed[:, 1:-2:2]
    assert ((values == changed[:, -1:]).sum(axis=1) > 1).all()


def test_copies_are_left_out_of_a_batch(rng):
    trial = RepeatedRecall(repeats=2.0, contexts="copies left out", batch=1000)
    drawn = trial.drawn(0, [], rng)
    assert (copies_of(drawn) == 1).all() and len(drawn) == pytest.approx(297, abs=60)


def test_repetition_and_what_is_held_end_together(rng):
    trial = RepeatedRecall(pairs=3, vocab=6, p=1.0, until=2, batch=300)
    assert (trial.drawn(1, [], rng)[:, -2] < 2).all()
    assert (trial.drawn(2, [], rng)[:, -2] >= 2).any()
    held = dict(TINY, still=VALUE_MAP, until=2)
    first, still, moved = (RepeatedRecall.of({**held, "steps": steps}) for steps in (1, 2, 3))
    for one in (first, still, moved):
        one.run()
    same = {
        key for key in first.ends[-1] if np.array_equal(first.ends[-1][key], still.ends[-1][key])
    }
    assert same == {*VALUE_MAP}
    assert not any(np.array_equal(still.ends[-1][key], moved.ends[-1][key]) for key in VALUE_MAP)


def test_an_optimizer_that_starts_anew_has_seen_nothing(rng):
    params = {"w": rng.normal(size=3)}
    plain, anew = AdamW(0.1), StartedAnew(AdamW(0.1), 2)
    states = plain.init(params), anew.init(params)
    one = other = params
    for step in range(4):
        grads = {"w": rng.normal(size=3)}
        if step == 2:
            states = plain.init(one), states[1]
        one, of_plain = plain.step(one, grads, states[0])
        other, of_anew = anew.step(other, grads, states[1])
        states = of_plain, of_anew
        assert np.array_equal(one["w"], other["w"])
    without = RepeatedRecall(**TINY).run()["clean_loss"]
    started = RepeatedRecall(**TINY, anew=2).run()["clean_loss"]
    assert without[:3] == started[:3] and without[3] != started[3]


def test_what_is_recorded_of_repetition():
    found = RepeatedRecall.results({**TINY, "repeats": 2.0})
    names = "favoured_accuracy", "others_accuracy", "copied_accuracy", "copied_anyway"
    assert all(len(found[name]) == len(found["step"]) == 5 for name in names)
    assert "copied_anyway" not in RepeatedRecall.results({**TINY, "p": 0.4})
    sets = RepetitionProbe(RepeatedRecall(repeats=2.0, judged=400)).sets
    assert (sets["favoured"][:, -2] < 2).all() and (sets["others"][:, -2] >= 2).all()
    assert (copies_of(sets["copied"]) > 1).all()


def test_a_graft_of_all_parts_is_the_other_network():
    every = [*RepeatedRecall(**TINY).network.shapes]
    parts = {"all": every, "none": []}
    found = grafted(
        {**TINY, "p": 0.9, "first": 3, "parts": parts, "steps": 400, "every": 10, "lr": 0.01}
    )
    assert found["plain"] == found["into_plain"]["none"] == found["into_repeated"]["all"]
    assert found["repeated"] == found["into_repeated"]["none"] == found["into_plain"]["all"]


def test_what_is_put_back_is_as_at_the_start():
    every = [*RepeatedRecall(**TINY).network.shapes]
    parts = {"all": every, "none": []}
    how = {
        **TINY,
        "repeats": 2.0,
        "first": 3,
        "parts": parts,
        "steps": 400,
        "every": 10,
        "lr": 0.01,
    }
    found = put_back(how)
    assert found["fresh"] == found["parts"]["all"] is not None
    trial = RepeatedRecall(**TINY | {"steps": 3, "lr": 0.01}, repeats=2.0)
    trial.run()
    assert len(trial.ends) == 2
    drawn = trial.network.init(np.random.default_rng(0).spawn(3)[0])
    assert all(np.array_equal(trial.ends[0][key], drawn[key].astype("float32")) for key in drawn)


def test_what_is_knocked_out_is_set_to_0():
    parts = {"nothing": [], "readout": ["W_U", "c_U"]}
    found = knocked_out({**TINY, "repeats": 2.0, "parts": parts})
    trial = RepeatedRecall(**TINY, repeats=2.0)
    trial.run()
    probe = RepetitionProbe(trial)
    assert found["nothing"] == probe.accuracy(trial.ends[-1])
    token_0 = {name: (sequences[:, -1] == 0).mean() for name, sequences in probe.sets.items()}
    assert found["readout"] == pytest.approx(token_0), "all logits alike: the first token is said"


def test_settings_that_cannot_be_used_are_told():
    with pytest.raises(InputError, match="contexts: expected"):
        RepeatedRecall(contexts="none")
    with pytest.raises(InputError, match="until: expected a whole number"):
        RepeatedRecall(until=0)


def test_the_scripts_of_the_causes_run(monkeypatch):
    monkeypatch.setattr(causes_of_repetition, "PHASE", 1)
    for part in causes_of_repetition.PARTS:
        rows = list(part((0,), **TINY))
        assert rows and all(len(row) == 3 for row in rows)
