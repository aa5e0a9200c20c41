"""What scripts hold, knock out and put back in networks is what they say; the numbers themselves take minutes: bench/causes.py."""

import causes_of_ladder
import causes_of_laws
import causes_of_recall
import numpy as np
import pytest
from causes_of_ladder import HeldLadder, silenced
from causes_of_recall import LOOKS, SECOND

from experiments.continued import ContinuedLadder, alone, without
from experiments.divided import Divided, DividedLocation
from experiments.held_recall import HeldRecall, first_layer, summed, taken_apart
from tinyattn import gradcheck, models, optim
from tinyattn.errors import InputError
from tinyattn.flows.population import population
from tinyattn.ops import softmax_forward
from tinyattn.tasks import regression

RECALL = dict(pairs=2, vocab=4, width=8, batch=8, judged=16, steps=3, every=1, stop=1.1)
LADDER = dict(vocab=4, spans=(1, 1), heads=2, generated=3, batch=8, held_out=8, steps=3, every=1)


def changed(first, last):
    return {key for key in first if not np.array_equal(first[key], last[key])}


def test_what_is_held_in_recall_stays_and_the_rest_learns():
    free, held = HeldRecall(**RECALL), HeldRecall(**RECALL, still=(*LOOKS, "W_P"), zero=LOOKS)
    free.run(), held.run()
    first, last = held.ends[0], held.ends[-1]
    assert changed(first, last) == {*first} - {*LOOKS, "W_P"}
    assert changed(free.ends[0], first) == {*LOOKS} and not any(first[key].any() for key in LOOKS)


@pytest.mark.parametrize("layer, zero", [(0, LOOKS), (1, SECOND)])
def test_a_layer_that_is_knocked_out_attends_evenly(rng, layer, zero):
    trial = HeldRecall(**RECALL)
    trial.run()
    end = trial.ends[-1]
    knocked = HeldRecall(**RECALL, start=end, zero=zero)
    knocked.run()
    assert changed(end, knocked.ends[0]) == {*zero}
    _, cache = trial.network.forward(knocked.ends[0], rng.integers(4, size=(5, 5)))
    seen = (np.arange(5) + 1)[-cache.attentions[layer].shape[2] :, None]
    even = np.where(np.arange(5) < seen, 1 / seen, 0)
    np.testing.assert_allclose(cache.attentions[layer] - even, 0, atol=1e-7)


def test_a_value_map_of_zeros_makes_layer_1_write_nothing(rng):
    trial = HeldRecall(**RECALL, zero=("W_V.1",))
    trial.run()
    params, x = trial.ends[0], rng.integers(4, size=(5, 5))
    other = params | {key: rng.normal(size=params[key].shape) for key in (*LOOKS, "W_O.1")}
    logits = trial.network.forward(params, x)[0]
    np.testing.assert_allclose(trial.network.forward(other, x)[0], logits, rtol=1e-5, atol=1e-7)


def test_what_is_put_back_is_as_at_the_start_and_the_rest_as_learnt(monkeypatch):
    made = []

    def remembered(**how):
        made.append(HeldRecall(**how))
        return made[-1]

    monkeypatch.setattr(causes_of_recall, "HeldRecall", remembered)
    assert len(list(causes_of_recall.after_training((0,), **RECALL))) == 9
    free, _, _, _, layer_1, layer_2, *_ = made
    for again, parts in ((layer_1, LOOKS), (layer_2, SECOND)):
        anew = again.ends[0]
        assert changed(anew, free.ends[-1]) == {*parts}
        assert not changed(anew, free.ends[0]) & {*parts}


@pytest.mark.parametrize("looks", ["before", "key", "start"])
def test_where_layer_1_is_told_to_look_it_looks(rng, looks):
    trial = HeldRecall(**RECALL, looks=looks)
    trial.run()
    first, last = trial.ends[0], trial.ends[-1]
    assert changed(first, last) == {*first} - {*LOOKS}, "nothing moves where it looks"
    params = {key: p.astype("float64") for key, p in last.items()}
    x = rng.integers(4, size=(3, 5))
    if looks == "start":
        _, attention = first_layer(trial.network.free, first, x)
        assert np.allclose(attention[:, 0].sum(axis=-1), 1)
    else:
        beside = [0, 0, 1, 2, 3] if looks == "before" else [0, 0, 2, 2, 4]
        attention = np.eye(5)[beside][None, None]
    e = params["W_E"][x] + params["W_P"]
    rows = e + attention[:, 0] @ e @ params["W_V.1"][:, 0] @ params["W_O.1"][0]
    block = trial.network.free.blocks[1]
    z, _ = block.forward({key: params[f"{key}.2"] for key in block.shapes}, rows)
    logits, cache = trial.network.forward(params, x)
    np.testing.assert_allclose(logits, z @ params["W_U"] + params["c_U"], atol=1e-6)
    dlogits = rng.normal(size=logits.shape)
    grads = trial.network.backward(dlogits, cache)
    for key in ("W_E", "W_V.1", "W_O.1", "W_K.2"):
        value = lambda p: (trial.network.forward(params | {key: p}, x)[0] * dlogits).sum()
        right = gradcheck.central_differences(value, params[key], 1e-5)
        assert gradcheck.relative_error(grads[key], right) < 1e-7


def test_what_is_taken_apart():
    looks = ["W_Q.1", "W_K.1"]
    settings = RECALL | dict(knocked_out={"layer 1": looks}, put_back={"layer 1": looks})
    found = taken_apart(settings | dict(longer=2, pair=1))
    assert found["longer"]["step"] == [0, 1, 2] and len(found["attention"]) == 5
    assert found["put_back"]["layer 1"]["step"] == found["free"]["step"]
    assert found["longer"]["clean_loss"][0] == found["free"]["clean_loss"][-1]
    assert 0 <= found["knocked_out"]["layer 1"] <= 1


def test_over_even_looks_layer_2_matches_a_sum():
    """Layer 2 matches the query with a mean: the score that a key behind it adds goes like 1 over the place."""
    found = summed(
        dict(pairs=4, vocab=8, width=16, batch=64, judged=64, steps=150, every=50, lr=1e-2, pair=1)
    )
    gain, place = np.array(found["gain"]), np.array([2, 4, 6])
    assert gain.shape == (3,) and abs(gain[0]) < 0.3 * gain[1]
    assert gain[1] * place[1] == pytest.approx(gain[2] * place[2], rel=0.25)
    assert len(found["accuracy"]) == 4 and sum(found["attention"]) == pytest.approx(1, abs=1e-5)


def test_a_lost_head_is_silent_and_stays_so_while_the_other_learns(rng):
    end = ContinuedLadder(**LADDER, lr=0.5).run()["params"][-1]
    x = rng.integers(4, size=(5, 4))
    for head in (0, 1):
        trial = HeldLadder(**LADDER, silent=(head,), start=silenced(end, head), draw=1)
        run = trial.run()
        first, last = run["params"][0], run["params"][-1]
        assert np.array_equal(first["W_Q"], end["W_Q"]) and not first["W_V"][:, head].any()
        for key in first:
            assert np.array_equal(first[key][:, head], last[key][:, head])
            assert not np.array_equal(first[key][:, 1 - head], last[key][:, 1 - head])
        one = models.MinimalModel(4, trial.network.positions, 1, trial.network.first_query)
        left, _ = one.forward(without(end, head), x)
        np.testing.assert_allclose(trial.network.forward(first, x)[0], left, rtol=1e-5, atol=1e-7)
    assert len(list(causes_of_ladder.lost((0,), 2, **LADDER))) == 7


def test_a_head_that_is_taken_out_is_one_that_is_silent():
    """Lesson 12 takes it out, which is cheaper: the other learns the same."""
    end = ContinuedLadder(**LADDER, lr=0.5).run()["params"][-1]
    how = LADDER | dict(draw=1, steps=20)
    held = HeldLadder(**how, silent=(0,), start=silenced(end, 0)).run()
    out = ContinuedLadder(**how | dict(heads=1), start=without(end, 0)).run()
    for key, W in alone(held["params"][-1], 1).items():
        np.testing.assert_allclose(out["params"][-1][key], W, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out["kl"], held["kl"], rtol=1e-4)


PARAMS = {"a": np.array([1.0]), "b": np.array([2.0, 3.0])}
FIRST = {"a": np.array([3.0]), "b": np.array([4.0, 0.5])}
SECOND_GRADS = {"a": np.array([-1.0]), "b": np.array([2.0, 8.0])}


def two_steps(optimizer):
    params, state = PARAMS, optimizer.init(PARAMS)
    for grads in (FIRST, SECOND_GRADS):
        params, state = optimizer.step(params, grads, state)
    return np.concatenate([params["a"], params["b"]])


def test_the_adam_whose_divisions_are_changed_is_adam_before():
    assert np.array_equal(two_steps(Divided(0.1, 0.0)), two_steps(optim.AdamW(0.1, decay=0.0)))


def test_divisions_by_hand():
    p, g1, g2 = np.array([1.0, 2, 3]), np.array([3.0, 4, 0.5]), np.array([-1.0, 2, 8])
    m1, m2 = g1, (0.09 * g1 + 0.1 * g2) / 0.19  # with their bias undone
    u1, u2 = g1**2, (0.000999 * g1**2 + 0.001 * g2**2) / 0.001999
    one = p - 0.1 * m1 / u1.mean() ** 0.5 - 0.1 * m2 / u2.mean() ** 0.5
    np.testing.assert_allclose(two_steps(Divided(0.1, 0.0, by="all")), one, rtol=1e-7)
    kept = p - 0.1 * m1 / u1**0.5 - 0.1 * m2 / u1**0.5
    np.testing.assert_allclose(two_steps(Divided(0.1, 0.0, kept=1)), kept, rtol=1e-7)
    signs = p - 0.1 * np.sign(g1) - 0.1 * np.sign(g2)
    np.testing.assert_allclose(two_steps(Divided(0.1, 0.0, by="sign")), signs, rtol=1e-6)


def test_two_divisions_are_one_for_two_matrices_and_one_for_the_rest():
    u = {"W_Q.1": np.array([1.0, 3.0]), "W_K.1": np.array([5.0]), "W_V.1": np.array([7.0, 8.0]),
         "c_U": np.array([9.0])}  # fmt: skip
    means = Divided(0.1, 0.0, by="looks").divisors(u)
    assert means == {"W_Q.1": 3.0, "W_K.1": 3.0, "W_V.1": 8.0, "c_U": 8.0}
    means = Divided(0.1, 0.0, by="values").divisors(u)
    assert means == {"W_Q.1": 4.5, "W_K.1": 4.5, "W_V.1": 7.5, "c_U": 4.5}


def test_with_a_score_for_each_place_sign_steps_have_half_the_way(rng):
    T, eta = 16, 1e-3
    task, layer = regression.draw_task(rng, T, 8), models.ToyLayer(T, 8)
    optimizer, params = Divided(eta, 0.0, eps=1e-16, by="sign"), layer.init()
    state, attention, step = optimizer.init(params), 0.0, 0
    while attention < 0.5:
        _, grads = population(task, layer, params)
        params, state = optimizer.step(params, grads, state)
        attention, step = softmax_forward(params["a"][None])[0][0, -1], step + 1
    assert step == pytest.approx(np.log(T - 1) / (2 * eta), rel=0.005)


@pytest.mark.parametrize("settings", [{"by": "matrix"}, {"kept": 0}, {"by": None}])
def test_a_division_that_is_unknown_is_one_clear_line(settings):
    (name,) = settings
    with pytest.raises(InputError, match=f"^{name}: expected"):
        DividedLocation(**settings)


def test_a_law_is_that_of_the_runs_that_snapped(monkeypatch):
    def run(trial):
        T, d = trial.length, trial.width
        return {"emerged": None if (T, d) == (64, 16) else 2 * T * d}

    monkeypatch.setattr(causes_of_laws.DividedLocation, "run", run)
    (_, steps, _), (_, found, _) = causes_of_laws.laws(["one division for all"])
    assert np.isnan(steps).sum() == 1
    np.testing.assert_allclose(found, [1, 1, 0], atol=1e-7)
