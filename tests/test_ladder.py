import types

import numpy as np
import pytest

from experiments import LadderTrial, paper_chain, rungs
from experiments.rungs import LadderProbe
from tinyattn import backend, losses, measure, models, ops
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
        want = measure.kl(chain.log_probs(x[:, :-1], blocks=k), log_q).mean()
        assert look["kl"][k - 1] == pytest.approx(want, rel=1e-9)
    of_tokens = lambda log_p: np.take_along_axis(log_p, x[:, 3:, None], axis=-1).mean()
    assert look["excess"] == pytest.approx(
        of_tokens(chain.log_probs(x[:, :-1])) - of_tokens(log_q), rel=1e-9
    )
    np.testing.assert_allclose(
        look["span_mass"], measure.span_mass(cache.attention, chain.blocks), rtol=1e-9
    )
    np.testing.assert_allclose(look["maps"], cache.attention.mean(axis=0), rtol=1e-9)
    W, A = params["W_V"][:5, 1], chain.matrices[0].T
    assert look["alignment"][1, 0] == pytest.approx(
        (W * A).sum() / np.linalg.norm(W) / np.linalg.norm(A)
    )


def test_the_rungs_are_the_strongest_blocks(device, rng):
    chain = markov.draw_chain(rng, vocab=5, spans=(1, 1, 1), reverse=True)
    model, x = models.MinimalModel(vocab=5, positions=5, first_query=2), chain.sample(rng, 50, 6)
    looks = LadderProbe(model, chain, x, device)
    assert looks.order == [2, 1, 0]
    np.testing.assert_allclose(
        looks.p[1], np.exp(chain.log_probs(x[:, :-1], blocks=[1, 2])), rtol=1e-12
    )
    np.testing.assert_allclose(looks.p[2], np.exp(chain.log_probs(x[:, :-1])), rtol=1e-12)
    with pytest.raises(
        ValueError, match="model: expected its first query at 2 or later, where the chain predicts"
    ):
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
    params["W_V"][:5] = (
        chain.matrices[0].T[:, None] * len(chain.blocks[0]) / chain.temperature / model.heads
    )
    look = LadderProbe(model, chain, x, device)(0, device.put(params))
    assert look["kl"][0] == pytest.approx(0, abs=1e-9) and look["kl"][1] > 0.1
    np.testing.assert_allclose(look["span_mass"][:, 0], 1, atol=1e-9)
    np.testing.assert_allclose(look["alignment"][:, 0], 1, atol=1e-9)


def test_at_depth_two_all_measures_are_of_the_last_layer(device, rng):
    chain = markov.draw_chain(rng, vocab=5, spans=(2, 1))
    model = models.Transformer(
        vocab=5, positions=8, width=6, heads=2, hidden=3, first_query=2, depth=2
    )
    params, x = model.init(rng), chain.sample(rng, 50, 9)
    look = LadderProbe(model, chain, x, device, maps=True)(0, device.put(params))
    _, cache = model.forward(params, x[:, :-1])
    np.testing.assert_allclose(look["maps"], cache.attentions[1].mean(axis=0), rtol=1e-9)
    written = params["W_E"] @ params["W_V.2"][:, 1] @ params["W_O.2"][1] @ params["W_U"]
    A = chain.matrices[0].T
    assert look["alignment"][1, 0] == pytest.approx(
        (written * A).sum() / np.linalg.norm(written) / np.linalg.norm(A)
    )


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
    curves = np.stack(
        [
            0.2 + ramp(300, 400),
            0.5 - ramp(300, 400) * 0.4 + ramp(600, 700),
            1 - 0.8 * ramp(300, 700),
        ],
        axis=1,
    )
    clean = measure.stage_steps(steps, curves)
    assert clean[0] == pytest.approx(320, abs=20) and clean[1] == pytest.approx(640, abs=40)
    for _ in range(20):
        noisy = measure.stage_steps(steps, curves + 0.05 * rng.normal(size=curves.shape))
        assert np.abs(noisy - clean).max() <= 40
    assert np.isnan(
        measure.stage_steps(steps, np.stack([0 * steps, 1 + 0 * steps], axis=1))
    ).tolist() == [True]
    with pytest.raises(ValueError, match="curves: expected finite numbers"):
        measure.stage_steps(steps, curves[:5])


def test_windows_are_what_stands_before_each_token():
    x = np.arange(14).reshape(2, 7)
    np.testing.assert_array_equal(
        rungs.windows(x, 2, 4),
        [[2, 3, 4], [3, 4, 5], [4, 5, 6], [9, 10, 11], [10, 11, 12], [11, 12, 13]],
    )
    np.testing.assert_array_equal(
        rungs.windows(x, 2, 4, nearest=3), [[0, 1, 4], [1, 2, 5], [2, 3, 6], [7, 8, 11], [8, 9, 12], [9, 10, 13]]
    )  # fmt: skip
    with pytest.raises(InputError, match="reach: expected a whole number in 1..4, got 5"):
        rungs.windows(x, 5, 4)
    with pytest.raises(InputError, match="nearest: expected a whole number in 1..3, got 4"):
        rungs.windows(x, 2, 4, nearest=4)
    with pytest.raises(InputError, match="sequences: expected more than order = 7 tokens"):
        rungs.windows(x, 2, 7)


def test_the_law_of_a_window_is_an_average_over_what_stood_before(rng):
    chain = markov.draw_chain(rng, vocab=3, spans=(1, 1, 1))
    x = chain.sample(rng, 6, 5)
    older = np.stack(np.meshgrid(*[np.arange(3)] * 2), axis=-1).reshape(-1, 2)  # the nine pairs
    for row, found in zip(x, rungs.law_of_window(chain, x, 1, rng)):
        every = np.concatenate([older, np.full((9, 1), row[2])], axis=1)
        np.testing.assert_allclose(
            found, np.exp(chain.log_probs(every)[:, 0]).mean(axis=0), atol=0.06
        )
    np.testing.assert_allclose(
        rungs.law_of_window(chain, x, 3, rng), np.exp(chain.log_probs(x[:, :3])[:, 0])
    )
    for row, found in zip(x, rungs.law_of_window(chain, x, 1, rng, nearest=2)):
        every = np.stack([older[:, 0], np.full(9, row[1]), older[:, 1]], axis=1)
        np.testing.assert_allclose(
            found, np.exp(chain.log_probs(every)[:, 0]).mean(axis=0), atol=0.06
        )


def test_learned_rungs_come_near_what_their_windows_tell():
    small = dict(vocab=5, spans=(1, 1, 1), generated=8, held_out=200, batch=64, learned=True)
    trial = LadderTrial(**small, steps=600, every=100)
    found = trial.run()
    looked_at = trial.chain.sample(trial.generators()[2], 200, trial.length)
    assert (
        found["learned_loss"][0]
        > found["learned_loss"][1]
        > measure.entropy(trial.chain.log_probs(looked_at)).mean()
    )
    assert min(found["learned_gap"]) > 0, "no law of a window loses less than its entropy"
    assert np.shape(found["learned_kl"]) == (len(found["step"]), 2)
    there, exact = (np.array(found[name])[:2, :2] for name in ("learned_kl_there", "kl_there"))
    assert (np.diag(there) < np.diag(exact)).all(), "learned rungs are passed closer by"
    full = LadderTrial(model="full", **small, sequences=20, steps=2, every=1).run()
    assert np.shape(full["learned_kl"]) == (3, 2) and len(full["learned_stage_steps"]) == 2


def test_learned_rungs_know_the_strongest_blocks_also_where_these_are_the_farthest():
    small = dict(vocab=5, spans=(2, 1), generated=1, held_out=1000, batch=64, rung_steps=300)
    trial = LadderTrial(**small, steps=2, every=1, reverse=True, learned=True)
    found = trial.run()
    x = trial.chain.sample(trial.generators()[2], 1000, trial.length)
    given = rungs.law_of_window(trial.chain, x, 1, np.random.default_rng(0), nearest=3)
    sees = measure.entropy(np.log(given)).mean()
    assert found["order"] == [1, 0] and 0 < found["learned_gap"][0] < 0.1
    assert abs(found["learned_loss"][0] - sees) < 0.1 < np.log(5) - sees


def test_learned_rungs_learn_by_adamw_whatever_trains_the_network():
    small = dict(vocab=5, spans=(1, 1), generated=4, held_out=20, batch=8, steps=2, every=1)
    runs = [
        LadderTrial(**small, learned=True, rung_steps=20, **how).run()["learned_loss"]
        for how in (dict(importance=2.0), dict(optimizer="sgd"), dict(importance=2.0, lr=0.01))
    ]
    assert runs[0] == runs[1] != runs[2]


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
    assert (
        trial.run()["kl"][0] == plain.run()["kl"][0]
        and trial.run()["kl"][-1] != plain.run()["kl"][-1]
    )
    adaptive = LadderTrial(
        vocab=20, generated=4, p="adaptive", steps=40, every=2, batch=16, held_out=40
    )
    assert adaptive.run()["step"][-1] == 40
    with pytest.raises(InputError, match="p: expected a finite number .* got 'often'"):
        LadderTrial(p="often")
    with pytest.raises(
        InputError, match="p: expected a number with a set of sequences, got 'adaptive'"
    ):
        LadderTrial(p="adaptive", sequences=100)


@pytest.mark.parametrize("settings", [dict(), dict(model="full", dropped="all", bias=False)])
def test_two_layers_of_either_model_are_a_setting(settings):
    small = dict(
        vocab=5, spans=(1, 1), generated=4, held_out=20, batch=8, steps=4, every=2, depth=2
    )
    small |= dict(learned=True, reverse=True)
    if "model" in settings:
        small |= dict(vocab=20, scale="orthonormal", position_size=1.3, sequences=40)
    trial = LadderTrial(**small, **settings)
    found = trial.run()
    assert np.shape(found["learned_kl"]) == (3, 1)
    assert np.shape(found["span_mass"]) == (3, 3, 2) and len(trial.network.forward(
        trial.network.init(np.random.default_rng(0)), trial.chain.sample(np.random.default_rng(0), 2, 6)[:, :-1])[1].attentions
    ) == 2  # fmt: skip
    with pytest.raises(
        InputError, match="dropped: expected none with the minimal model, got 'all'"
    ):
        LadderTrial(dropped="all")
    with pytest.raises(InputError, match="value_scale: expected none with the full model, got 0.1"):
        LadderTrial(model="full", value_scale=0.1)


def test_a_probe_takes_sequences_with_one_token_to_predict_and_up_to_all_places(setting):
    chain, model, x = setting
    cpu = backend.get("cpu")
    params = model.init(np.random.default_rng(1))
    for length in (4, 9):
        look = LadderProbe(model, chain, x[:7, :length], cpu)(0, params)
        want = measure.kl(
            chain.log_probs(x[:7, : length - 1]), _log_q(model, params, x[:7, :length])
        )
        assert look["kl"][1] == pytest.approx(want.mean()) and want.shape == (7, length - 3)
    longer = chain.sample(np.random.default_rng(1), 5, 10)
    for wrong in (x[:, :3], x[:0], longer):
        with pytest.raises(InputError, match="sequences: expected"):
            LadderProbe(model, chain, wrong, cpu)


def _log_q(model, params, x):
    return ops.log_softmax(model.forward(params, x[:, :-1])[0])


class Rates:
    """An optimiser that keeps the rates it is given, and the params as they are."""

    def __init__(self):
        self.seen = []

    def init(self, params):
        self.params = params
        return {}

    def step(self, params, grads, state, scale):
        self.seen.append(scale)
        return params, state


@pytest.mark.parametrize("batch, rows", [(12, 6), (1, 1), (1000, 256)])
def test_a_learned_rung_sees_windows_of_half_a_batch_at_a_rate_that_falls_to_zero(rng, batch, rows):
    chain = markov.draw_chain(rng, 5, (1, 1, 1))
    network, sizes = models.MinimalModel(5, 2, 2, 1), []

    def batches(rng, n, length):
        sizes.append((n, length))
        return chain.batches(rng, n, length)

    rates = Rates()
    trial = types.SimpleNamespace(
        chain=types.SimpleNamespace(batches=batches, order=3, vocab=5),
        window_network=lambda reach: network,
        rung_steps=8,
        batch=batch,
        length=7,
        window_optimizer=lambda: rates,
    )
    law = rungs.learn(trial, 2, rng, backend.get("cpu"), map, None)
    assert sizes == [(rows, 7)] and rates.seen == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    x = chain.sample(rng, 4, 6)
    found = law(x)
    assert found.shape == (4, 3, 5)
    for n, j in np.ndindex(4, 3):  # token 3 + j, after the two tokens before it
        logits = network.forward(rates.params, x[n : n + 1, j + 1 : j + 3])[0][0, 0]
        want = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(np.exp(found[n, j]), want, rtol=1e-5)


@pytest.mark.parametrize("steps", [1, 60])
def test_what_a_ladder_sums_up_is_in_its_lists(steps):
    small = dict(vocab=5, spans=(1, 1, 4), generated=5, held_out=30, batch=16, every=5)
    found = LadderTrial(**small, steps=steps, learned=True).run()
    steps, kl, mass = found["step"], np.array(found["kl"]), np.array(found["span_mass"])
    ladder = np.concatenate([found["learned_kl"], kl[:, 2:]], axis=1)
    for name, curves in (("", kl), ("learned_", ladder)):
        nearest = [min(range(len(steps)), key=lambda look: curves[look, k]) for k in range(3)]
        assert found[f"{name}kl_argmin_steps"] == [steps[look] for look in nearest]
        assert found[f"{name}kl_there"] == [curves[look].tolist() for look in nearest]
        left = measure.stage_steps(steps, curves)
        assert found[f"{name}stage_steps"] == [None if np.isnan(step) else step for step in left]
    nearest = [steps.index(step) for step in found["kl_argmin_steps"]]
    assert found["rungs_in_order"] == (nearest[0] < nearest[1] < nearest[2])
    best = steps.index(found["best_step"])
    assert found["best_excess"] == found["excess"][best] == min(found["excess"])
    assert kl[best, found["best_rung"] - 1] == kl[best].min()
    assert found["learned_best_kl"] == ladder[best].tolist()
    for head in range(3):
        first, own = found["first_block"][head] - 1, found["own_block"][head] - 1
        assert mass[nearest[0], head, first] == mass[nearest[0], head].max()
        assert mass[-1, head, own] == mass[-1, head].max() == found["own_block_mass"][head]


def test_a_learned_rung_loses_the_entropy_of_its_window_and_its_gap():
    """At the one token generated, what stood before the window is uniform: a mean over it."""
    small = dict(vocab=3, spans=(1, 1, 1), generated=1, held_out=1000, batch=64, steps=1, every=1)
    trial = LadderTrial(**small, rung_steps=2, learned=True)
    found = trial.run()
    every = np.array([*np.ndindex(3, 3, 3)])
    law = np.exp(trial.chain.log_probs(every)).reshape(3, 3, 3, 3)  # three tokens, then the next
    x = trial.chain.sample(trial.generators()[2], 1000, 4)
    for k, older in ((1, (0, 1)), (2, (0,))):
        given = law.mean(axis=older)
        entropy = measure.entropy(np.log(given))[tuple(x[:, 3 - k : 3].T)].mean()
        loss, gap = found["learned_loss"][k - 1], found["learned_gap"][k - 1]
        assert gap > 0.5 and loss == pytest.approx(entropy + gap, abs=5 * 0.5 / np.sqrt(1000))


@pytest.mark.parametrize("value_scale", [0.5, 30.0])
def test_a_step_goes_down_the_gradient_clipped_to_norm_one(value_scale):
    small = dict(vocab=5, spans=(1, 1), generated=4, held_out=20, batch=8, steps=1, every=1)
    trial = LadderTrial(**small, optimizer="sgd", lr=0.5, query_scale=1.0, value_scale=value_scale)
    _, for_start, for_looks, for_data, for_drops = trial.generators()
    cpu, params = backend.get("cpu"), trial.network.init(for_start)
    batch = trial.batches(cpu, for_data, for_drops)(0, None)
    _, grads = losses.next_token_loss(trial.network)(params, batch)
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    assert norm > 3 if value_scale > 1 else norm < 1
    new = {key: p - 0.5 * grads[key] * min(1, 1 / norm) for key, p in params.items()}
    looked_at = trial.chain.sample(for_looks, 20, trial.length)
    look = LadderProbe(trial.network, trial.chain, looked_at, cpu)(1, new)
    np.testing.assert_allclose(trial.run()["kl"][1], look["kl"], rtol=1e-5)


def test_what_a_ladder_chooses_follows_its_model_its_depth_and_its_optimiser():
    adam, sgd = LadderTrial(), LadderTrial(optimizer="sgd")
    assert (adam.lr, adam.steps, adam.value_scale) == (0.08, 1200, 0.0)
    assert (sgd.lr, sgd.steps, sgd.make_optimizer().momentum) == (20.0, 6000, 0.9)
    full = LadderTrial(model="full", optimizer="sgd")
    assert (full.lr, full.steps, full.network.width, full.dropout) == (0.2, 6000, 255, 0.1)
    deep = LadderTrial(depth=2)
    assert (deep.query_scale, deep.value_scale, deep.network.depth) == ("xavier", "xavier", 2)
    assert adam.rung_steps is None
    learned = lambda steps: LadderTrial(steps=steps, learned=True).rung_steps
    assert [learned(steps) for steps in (1, 2, 3, 10)] == [1, 1, 1, 5]
    assert adam.length == 6 + 20 and adam.network.positions == 25, "all but the last are read"
    assert adam.network.first_query == 5, "one query for each full context"
    window = adam.window_network(4)
    assert (window.positions, window.first_query) == (4, 3)


def test_a_set_of_sequences_comes_again_and_a_stream_does_not():
    small = dict(vocab=50, spans=(1, 1), generated=6, batch=8)
    for settings, rows in ((dict(sequences=20), 8), (dict(sequences=5), 5), (dict(), 8)):
        trial = LadderTrial(**small, **settings)
        *_, for_data, for_drops = trial.generators()
        batch = trial.batches(backend.get("cpu"), for_data, for_drops)
        seen = [tuple(row) for step in range(10) for row in batch(step, None)[0].tolist()]
        assert len(seen) == 10 * rows and len(seen[0]) == trial.length
        assert len(set(seen)) == settings.get("sequences", 80)


@pytest.mark.parametrize("p", [0.1, 0.25])
def test_dropout_leaves_out_a_share_p_of_what_it_drops(p):
    small = dict(model="full", vocab=6, spans=(1, 1), generated=8, batch=64)
    trial = LadderTrial(**small, dropout=p, dropped="all")
    *_, for_data, for_drops = trial.generators()
    x, *masks = trial.batches(backend.get("cpu"), for_data, for_drops)(0, None)
    assert len(x) == 64 and masks and all(len(mask) == 64 for mask in masks)
    for mask in masks:
        assert (mask == 0).mean() == pytest.approx(p, abs=5 * 0.5 / np.sqrt(mask.size))
        np.testing.assert_allclose(mask[mask > 0], 1 / (1 - p), rtol=1e-6)


def test_the_papers_own_matrices_are_those_of_its_seed():
    """The first and last numbers of PyTorch's first draw after seed 0, and some of each matrix."""
    drawn = paper_chain._normals(np.random.RandomState(paper_chain.SEED), 2500)
    np.testing.assert_allclose(drawn[:4], [-1.12584, -1.15236, -0.250579, -0.433879], rtol=1e-5)
    np.testing.assert_allclose(drawn[-2:], [0.687854, 1.839156], rtol=1e-5)
    A = paper_chain.paper_matrices(3, 50)
    np.testing.assert_allclose(A @ A.swapaxes(1, 2), np.stack([np.eye(50)] * 3), atol=1e-12)
    corners = [[0.0173, 0.1504], [0.0725, 0.0014], [-0.0048, -0.0357]]
    np.testing.assert_allclose(A[:, 0, :2], corners, atol=2e-4)
    np.testing.assert_allclose(A[:, -1, -1], [0.1424, 0, 0.2461], atol=2e-4)


def test_the_papers_own_matrices_stand_in_a_trials_chain_with_its_importance_for_every_seed():
    own, other = LadderTrial(matrices="paper"), LadderTrial(matrices="paper", seed=1, reverse=True)
    A = paper_chain.paper_matrices(3, 50)
    np.testing.assert_allclose(own.chain.matrices, A * [[[2.89]], [[1.7]], [[1.0]]], rtol=1e-9)
    np.testing.assert_allclose(other.chain.matrices, A * [[[1.0]], [[1.7]], [[2.89]]], rtol=1e-9)
    assert own.chain.blocks == LadderTrial().chain.blocks
    with pytest.raises(InputError, match='matrices: expected others than "paper", which are 3 of'):
        LadderTrial(matrices="paper", vocab=6)


def test_frobenius_matrices_stand_in_a_trials_chain():
    A = LadderTrial(matrices="frobenius", importance=1.0).chain.matrices.reshape(3, -1)
    np.testing.assert_allclose(A @ A.T, 50 * np.eye(3), atol=1e-9)
    with pytest.raises(InputError, match='matrices: expected "orthogonal", "frobenius" or "paper"'):
        LadderTrial(matrices="random")
