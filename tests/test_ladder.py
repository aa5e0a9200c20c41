import numpy as np
import pytest

from experiments import LadderTrial, rungs
from experiments.rungs import LadderProbe
from tinyattn import measure, models, ops
from tinyattn.backend import to_numpy
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import InputError
from tinyattn.tasks import markov


@pytest.fixture
def setting(rng):
    chain = markov.draw_chain(rng, vocab=5, spans=(2, 1))
    model = models.MinimalModel(vocab=5, positions=8, heads=2, first_query=2)
    return chain, model, chain.sample(rng, 600, 9)


def test_the_ladder_is_its_plain_definition(device, rng, setting):
    chain, model, x = setting
    params = {key: 2 * w for key, w in model.init(rng).items()}
    look = LadderProbe(model, chain, x, device, maps=True)(0, device.put(params))
    logits, cache = model.forward(params, x[:, :-1])
    log_q = ops.log_softmax(logits)
    for k in (1, 2):
        want = measure.kl(chain.log_law(x[:, :-1], blocks=k), log_q).mean()
        assert look["kl"][k - 1] == pytest.approx(want, rel=1e-9)
    of_tokens = lambda log_p: np.take_along_axis(log_p, x[:, 3:, None], axis=-1).mean()
    assert look["excess"] == pytest.approx(of_tokens(chain.log_law(x[:, :-1])) - of_tokens(log_q), rel=1e-9)
    np.testing.assert_allclose(look["span_mass"], measure.span_mass(cache.attention, chain.blocks), rtol=1e-9)
    np.testing.assert_allclose(look["maps"], cache.attention.mean(axis=0), rtol=1e-9)
    W, A = params["W_V"][:5, 1], chain.matrices[0].T
    assert look["alignment"][1, 0] == pytest.approx((W * A).sum() / np.linalg.norm(W) / np.linalg.norm(A))


def test_the_rungs_are_the_strongest_blocks(device, rng):
    chain = markov.draw_chain(rng, vocab=5, spans=(1, 1, 1), reverse=True)
    model, x = models.MinimalModel(vocab=5, positions=5, first_query=2), chain.sample(rng, 50, 6)
    looks = LadderProbe(model, chain, x, device)
    assert looks.order == [2, 1, 0]
    np.testing.assert_allclose(looks.p[1], np.exp(chain.log_law(x[:, :-1], blocks=[1, 2])), rtol=1e-12)
    np.testing.assert_allclose(looks.p[2], np.exp(chain.log_law(x[:, :-1])), rtol=1e-12)
    with pytest.raises(ValueError, match="model: expected its first query at 2 or later, as laws are, got 1"):
        LadderProbe(models.MinimalModel(vocab=5, positions=5, first_query=1), chain, x, device)


def test_a_network_that_writes_a_block_is_at_its_rung(device, setting):
    """Values set to A_1 and attention to block 1 by hand: distance 0 to rung 1, and only there."""
    chain, model, x = setting
    params = {key: np.zeros_like(w) for key, w in model.init(np.random.default_rng(0)).items()}
    D = model.width
    for t in range(model.positions):
        for lag in chain.blocks[0]:
            if t + 1 - lag >= 0:
                params["W_Q"][5 + t, :, 5 + t + 1 - lag] = 60 * D**0.5
    params["W_V"][:5] = chain.matrices[0].T[:, None] * len(chain.blocks[0]) / chain.temperature / model.heads
    look = LadderProbe(model, chain, x, device)(0, device.put(params))
    assert look["kl"][0] == pytest.approx(0, abs=1e-9) and look["kl"][1] > 0.1
    np.testing.assert_allclose(look["span_mass"][:, 0], 1, atol=1e-9)
    np.testing.assert_allclose(look["alignment"][:, 0], 1, atol=1e-9)


def test_at_depth_two_all_measures_are_of_the_last_layer(device, rng):
    chain = markov.draw_chain(rng, vocab=5, spans=(2, 1))
    model = models.Transformer(vocab=5, positions=8, width=6, heads=2, hidden=3, first_query=2, depth=2)
    params, x = model.init(rng), chain.sample(rng, 50, 9)
    look = LadderProbe(model, chain, x, device, maps=True)(0, device.put(params))
    _, cache = model.forward(params, x[:, :-1])
    np.testing.assert_allclose(look["maps"], cache.attentions[1].mean(axis=0), rtol=1e-9)
    written = params["W_E"] @ params["W_V.2"][:, 1] @ params["W_O.2"][1] @ params["W_U"]
    A = chain.matrices[0].T
    assert look["alignment"][1, 0] == pytest.approx((written * A).sum() / np.linalg.norm(written) / np.linalg.norm(A))


def test_token_maps_of_the_transformer_are_what_a_head_writes(device, rng):
    model = models.Transformer(vocab=5, positions=4, width=6, heads=2, hidden=3)
    params = model.init(rng)
    maps = to_numpy(model.token_maps(device.put(params)))
    want = params["W_E"] @ params["W_V.1"][:, 1] @ params["W_O.1"][1] @ params["W_U"]
    assert maps.shape == (2, 5, 5)
    np.testing.assert_allclose(maps[1], want, rtol=1e-12)


def test_stage_steps_find_the_boundaries_in_noise(rng):
    steps = np.arange(0, 1000, 10)
    ramp = lambda low, high: np.interp(steps, [low, high], [0, 1])
    curves = np.stack([0.2 + ramp(300, 400), 0.5 - ramp(300, 400) * 0.4 + ramp(600, 700), 1 - 0.8 * ramp(300, 700)], axis=1)
    clean = measure.stage_steps(steps, curves)
    assert clean[0] == pytest.approx(320, abs=20) and clean[1] == pytest.approx(640, abs=40)
    for _ in range(20):
        noisy = measure.stage_steps(steps, curves + 0.05 * rng.normal(size=curves.shape))
        assert np.abs(noisy - clean).max() <= 40
    assert np.isnan(measure.stage_steps(steps, np.stack([0 * steps, 1 + 0 * steps], axis=1))).tolist() == [True]
    with pytest.raises(ValueError, match="curves: expected finite numbers"):
        measure.stage_steps(steps, curves[:5])


def test_windows_are_what_stands_before_each_token():
    x = np.arange(14).reshape(2, 7)
    np.testing.assert_array_equal(
        rungs.windows(x, 2, 4), [[2, 3, 4], [3, 4, 5], [4, 5, 6], [9, 10, 11], [10, 11, 12], [11, 12, 13]]
    )
    with pytest.raises(InputError, match="reach: expected a whole number in 1..4, got 5"):
        rungs.windows(x, 5, 4)
    with pytest.raises(InputError, match="sequences: expected more than order = 7 tokens"):
        rungs.windows(x, 2, 7)


def test_the_law_of_a_window_is_an_average_over_what_stood_before(rng):
    chain = markov.draw_chain(rng, vocab=3, spans=(1, 1, 1))
    x = chain.sample(rng, 6, 5)
    older = np.stack(np.meshgrid(*[np.arange(3)] * 2), axis=-1).reshape(-1, 2)  # the nine pairs
    for row, found in zip(x, rungs.law_of_window(chain, x, 1, rng)):
        every = np.concatenate([older, np.full((9, 1), row[2])], axis=1)
        np.testing.assert_allclose(found, np.exp(chain.log_law(every)[:, 0]).mean(axis=0), atol=0.06)
    np.testing.assert_allclose(rungs.law_of_window(chain, x, 3, rng), np.exp(chain.log_law(x[:, :3])[:, 0]))


def test_learned_rungs_come_near_what_their_windows_tell():
    small = dict(vocab=5, spans=(1, 1, 1), generated=8, held_out=200, batch=64, learned=True)
    trial = LadderTrial(**small, steps=600, every=100)
    found = trial.run()
    looked_at = trial.chain.sample(trial.generators()[2], 200, trial.length)
    assert found["learned_loss"][0] > found["learned_loss"][1] > measure.entropy(trial.chain.log_law(looked_at)).mean()
    assert min(found["learned_gap"]) > 0, "no law of a window loses less than its entropy"
    assert np.shape(found["learned_kl"]) == (len(found["step"]), 2)
    there, exact = (np.array(found[name])[:2, :2] for name in ("learned_kl_there", "kl_there"))
    assert (np.diag(there) < np.diag(exact)).all(), "learned rungs are passed closer by"
    with pytest.raises(InputError, match="learned: expected False where the nearest blocks are not the strongest, got True"):
        LadderTrial(**small, reverse=True)
    full = LadderTrial(model="full", **small, sequences=20, steps=2, every=1).run()
    assert np.shape(full["learned_kl"]) == (3, 2) and len(full["learned_stage_steps"]) == 2


def test_a_run_goes_on_with_the_rungs_that_it_began_with(tmp_path):
    small = dict(vocab=5, spans=(1, 1), generated=4, held_out=20, batch=8, every=2, learned=True)
    kept = Checkpoint(tmp_path / "run.npz", every=2, resume=True)
    began = LadderTrial(**small, steps=4)
    began.run(checkpoint=kept)
    with pytest.raises(InputError, match="rung_steps"):  # half of 8, not of 4
        LadderTrial(**small, steps=8).run(checkpoint=kept)
    again = LadderTrial(**small, steps=8, rung_steps=began.rung_steps).run(checkpoint=kept)
    assert again["step"] == [0, 2, 4, 6, 8] and np.shape(again["learned_best_kl"]) == (2,)


def test_repetition_favours_two_tokens_of_the_context_in_training_alone(rng):
    trial = LadderTrial(vocab=20, generated=4, p=0.5, steps=4, every=2, batch=16, held_out=40)
    x = trial.chain.sample(rng, 4000, 10, trial.p)
    share = np.isin(x[:, :6], (0, 1)).mean(axis=0)
    np.testing.assert_allclose(share, 0.5 + 0.5 * 2 / 20, atol=0.04)
    plain = LadderTrial(vocab=20, generated=4, steps=4, every=2, batch=16, held_out=40)
    assert trial.run()["kl"][0] == plain.run()["kl"][0] and trial.run()["kl"][-1] != plain.run()["kl"][-1]
    adaptive = LadderTrial(vocab=20, generated=4, p="adaptive", steps=40, every=2, batch=16, held_out=40)
    assert adaptive.run()["step"][-1] == 40
    with pytest.raises(InputError, match="p: expected a finite number .* got 'often'"):
        LadderTrial(p="often")
    with pytest.raises(InputError, match="p: expected a number with a set of sequences, got 'adaptive'"):
        LadderTrial(p="adaptive", sequences=100)


@pytest.mark.parametrize("settings", [dict(), dict(model="full", dropped="all", bias=False)])
def test_two_layers_of_either_model_are_a_setting(settings):
    small = dict(vocab=5, spans=(1, 1), generated=4, held_out=20, batch=8, steps=4, every=2, depth=2)
    if "model" in settings:
        small |= dict(vocab=20, scale="orthonormal", position_size=1.3, sequences=40)
    trial = LadderTrial(**small, **settings)
    found = trial.run()
    assert np.shape(found["span_mass"]) == (3, 3, 2) and len(trial.network.forward(
        trial.network.init(np.random.default_rng(0)), trial.chain.sample(np.random.default_rng(0), 2, 6)[:, :-1])[1].attentions
    ) == 2  # fmt: skip
    with pytest.raises(InputError, match="dropped: expected none with the minimal model, got 'all'"):
        LadderTrial(dropped="all")
    with pytest.raises(InputError, match="value_scale: expected none with the full model, got 0.1"):
        LadderTrial(model="full", value_scale=0.1)
