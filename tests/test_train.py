import itertools
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinyattn import losses, models, ops, optim, train
from tinyattn.backend import to_numpy
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import InputError
from tinyattn.tasks import markov


def quadratic(params, batch):
    """L = |w - batch|^2 / 2, with its gradient."""
    difference = params["w"] - batch
    return 0.5 * (difference * difference).sum(), {"w": difference}


def test_loop_history_and_callbacks(device):
    seen = []

    def look(step, params):
        seen.append(step)
        return {"w": params["w"], "double": 2.0 * step}

    params = device.put({"w": np.array([4.0])})
    zero = device.put(np.zeros(1))
    new, history = train.train(quadratic, params, [zero] * 7, optim.SGD(0.5), steps=7, every=3,
                               callbacks=[(2, look), (100, lambda step, params: None)])  # fmt: skip
    assert seen == [0, 2, 4, 6, 7] == history.steps("w").tolist()
    assert history["w"][:, 0].tolist() == [4 * 0.5**step for step in seen]
    assert history["double"].tolist() == [0, 4, 8, 12, 14] and history.last("double") == 14
    assert history.steps("loss").tolist() == [0, 3, 6]
    assert history["loss"].tolist() == [8 * 0.25**step for step in (0, 3, 6)]
    assert to_numpy(new)["w"].item() == 4 * 0.5**7 and to_numpy(params)["w"].item() == 4
    with pytest.raises(InputError, match="name: expected one of .*, got 'kl'"):
        history["kl"]


def test_a_run_can_stop_by_itself_where_it_looks():
    _, history = train.train(quadratic, {"w": np.array([4.0])}, [np.zeros(1)] * 9, optim.SGD(0.5), steps=9,
                             callbacks=[(2, lambda step, params: {"w": params["w"]})],
                             until=lambda history: history.last("w")[0] <= 0.5)  # fmt: skip
    assert history.steps("w").tolist() == [0, 2, 4] and history.steps("loss").tolist() == [0]


def test_whether_to_stop_is_asked_only_where_something_was_recorded():
    asked = []
    train.train(quadratic, {"w": np.array([4.0])}, [np.zeros(1)] * 5, optim.SGD(0.5), steps=5,
                callbacks=[(2, lambda step, params: {"w": params["w"]})],
                until=lambda history: bool(asked.append(history.steps("w")[-1])))  # fmt: skip
    assert asked == [0, 2, 4]


def test_a_loss_that_is_not_finite_stops_with_the_step_named(device):
    batches = [device.put(np.zeros(1))] * 5 + [device.put(np.full(1, np.nan))] * 3
    params = device.put({"w": np.array([4.0])})
    with pytest.raises(
        train.Diverged, match="^loss at step 6: expected a finite number, got nan$"
    ) as error:
        train.train(quadratic, params, batches, optim.SGD(0.5), steps=8, every=2)
    assert error.value.step == 6 and error.value.history.steps("loss").tolist() == [0, 2, 4, 6]
    with pytest.raises(train.Diverged, match="excess at step 3: expected a finite number, got inf"):
        look = lambda step, params: {"excess": np.inf if step == 3 else 1.0}
        train.train(quadratic, params, batches, optim.SGD(0.5), steps=4, callbacks=[(1, look)])


def test_a_schedule_is_a_function_of_step_and_history():
    warm_up = lambda step, history: min(1.0, (step + 1) / 4)
    new, _ = train.train(
        quadratic,
        {"w": np.array([1.0])},
        [np.zeros(1)] * 5,
        optim.SGD(0.5),
        steps=5,
        schedule=warm_up,
    )
    assert new["w"].item() == (1 - 0.125) * (1 - 0.25) * (1 - 0.375) * (1 - 0.5) * (1 - 0.5)
    look = lambda step, params: {"validation": 1.0 if step < 2 else 2.0}
    worse = lambda step, history: (
        0.5 if history.last("validation") > history["validation"].min() else 1.0
    )
    new, _ = train.train(quadratic, {"w": np.array([1.0])}, [np.zeros(1)] * 4, optim.SGD(0.5), steps=4, schedule=worse,
                         callbacks=[(1, look)])  # fmt: skip
    assert new["w"].item() == (1 - 0.5) * (1 - 0.5) * (1 - 0.25) * (1 - 0.25)


def test_clipping_is_applied():
    new, history = train.train(quadratic, {"w": np.array([10.0])}, [np.zeros(1)] * 8, optim.SGD(0.5), steps=8, every=3,
                               clip=1.0)  # fmt: skip
    assert new["w"].item() == pytest.approx(10 - 8 * 0.5)
    assert history.steps("loss").tolist() == [0, 3, 6]


def test_batches_may_adapt_and_see_what_was_seen_then():
    shown = []

    def draw(step, history):
        shown.append(
            (step, history.steps("size").tolist(), history.steps("loss").tolist() if step else [])
        )
        return np.full(1, float(len(history["size"])))

    look = lambda step, params: {"size": abs(params["w"]).sum()}
    train.train(
        quadratic,
        {"w": np.array([4.0])},
        draw,
        optim.SGD(0.5),
        steps=5,
        every=2,
        callbacks=[(2, look)],
    )
    assert shown == [
        (0, [0], []),
        (1, [0], [0]),
        (2, [0, 2], [0]),
        (3, [0, 2], [0, 2]),
        (4, [0, 2, 4], [0, 2]),
    ]


def test_next_token_loss_counts_full_contexts_only_and_chunks_add_up(device, rng):
    model = models.MinimalModel(vocab=5, positions=7, heads=2, first_query=2)
    params = model.init(rng)
    sequences = rng.integers(5, size=(7, 8))
    logits, _ = model.forward(params, sequences[:, :-1])
    want, _ = ops.cross_entropy_forward(logits, sequences[:, 3:])
    assert logits.shape == (7, 5, 5)
    whole = losses.next_token_loss(model)(device.put(params), device.put(sequences))
    parts = losses.chunked(losses.next_token_loss(model), 3)(
        device.put(params), device.put(sequences)
    )
    with ThreadPoolExecutor(2) as pool:
        threaded = losses.chunked(losses.next_token_loss(model), 3, pool.map)(
            device.put(params), device.put(sequences)
        )
    assert all(
        np.array_equal(to_numpy(threaded[1][key]), to_numpy(parts[1][key])) for key in params
    )
    for loss, grads in to_numpy([whole, parts]):
        assert loss == pytest.approx(want, rel=1e-12)
        for key in params:
            np.testing.assert_allclose(grads[key], to_numpy(whole[1])[key], rtol=1e-9, atol=1e-14)


def test_training_is_the_same_on_the_stand_in(device, rng):
    chain = markov.draw_chain(rng, vocab=6, spans=(1, 1))
    model = models.MinimalModel(vocab=6, positions=7, heads=2, first_query=1)
    data, start = chain.sample(rng, 40, 8), model.init(rng)

    def run(put):
        batches = (put(batch) for batch in train.minibatches(data, 16, np.random.default_rng(5)))
        return train.train(
            losses.next_token_loss(model),
            put(start),
            batches,
            optim.AdamW(0.02),
            steps=12,
            clip=0.5,
        )

    (ours, history), (here, history_here) = run(device.put), run(lambda tree: tree)
    np.testing.assert_allclose(history["loss"], history_here["loss"], rtol=1e-9)
    for key in start:
        np.testing.assert_allclose(to_numpy(ours)[key], here[key], rtol=1e-6, atol=1e-10)


def test_rows_of_several_arrays_stay_together(rng):
    x, y = np.arange(10), 10 * np.arange(10)
    for part_x, part_y in itertools.islice(train.minibatches((x, y), 4, rng), 5):
        assert part_x.shape == (4,) and (part_y == 10 * part_x).all()
    with pytest.raises(InputError, match=r"data: expected arrays with a row for each sample, got"):
        train.minibatches((x, y[:9]), 4, rng)


def test_minibatches_are_drawn_without_replacement(rng):
    data = np.arange(10)[:, None]
    stream = train.minibatches(data, 5, rng)
    for _ in range(3):
        assert sorted(np.concatenate([next(stream), next(stream)])[:, 0]) == list(range(10))
    assert next(train.minibatches(data, 50, rng)).shape == (10, 1)
    stream = train.minibatches(data, 4, rng)
    epochs = [np.concatenate([next(stream), next(stream)])[:, 0].tolist() for _ in range(2)]
    assert (
        all(len(set(epoch)) == 8 for epoch in epochs)
        and epochs[0] != epochs[1]
        and epochs[0] != sorted(epochs[0])
    )


@pytest.mark.parametrize("rows", range(1, 13))
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_every_batch_is_full_and_an_epoch_has_as_many_as_fit(rng, rows, size):
    stream, fit = train.minibatches(np.arange(rows), size, rng), max(rows // size, 1)
    for _ in range(4):
        epoch = [next(stream) for _ in range(fit)]
        assert {len(batch) for batch in epoch} == {min(size, rows)}
        assert len(set(np.concatenate(epoch).tolist())) == fit * min(size, rows)


def test_over_many_epochs_every_row_stands_first_equally_often():
    stream = train.minibatches(np.arange(4), 4, np.random.default_rng(0))
    first = np.bincount([next(stream)[0] for _ in range(4000)], minlength=4)
    assert abs(first - 1000).max() < 5 * (4000 * 0.25 * 0.75) ** 0.5


def test_a_history_shows_how_much_it_holds_and_to_which_step():
    history = train.History()
    assert repr(history) == "History()"
    history.record(10, loss=1.0)
    assert repr(history) == "History(loss: 1 to step 10)"
    for step in (20, 30):
        history.record(step, loss=1.0, size=2)
    assert repr(history) == "History(loss: 3 to step 30, size: 2 to step 30)"


def test_what_a_history_holds_before_and_at_a_step():
    history = train.History()
    for step in (0, 2, 4):
        history.record(step, size=10.0 + step)
        history.record(step, loss=20.0 + step)
    history.record(4, late=np.ones(2))
    assert history.tree().keys() == {"size", "loss", "late"} and history.tree(0) == {}
    before = history.tree(before=4)
    assert before.keys() == {"size", "loss"} and before["size"]["steps"].tolist() == [0, 2]
    assert before["loss"]["values"].tolist() == [20, 22]
    seen = [{name: past[name].tolist() for name in past.names} for past in history.replay(6)]
    assert seen[0] == {"size": [10]} and seen[2] == {"size": [10, 12], "loss": [20]}
    assert seen[3]["loss"] == [20, 22] and "late" not in seen[3] and seen[5]["late"] == [[1, 1]]
    assert history.steps("loss").tolist() == [0, 2, 4], "the history itself is as it was"


def test_a_checkpoint_is_written_every_so_many_steps_and_at_the_end(tmp_path):
    kept, seen = Checkpoint(tmp_path / "run.npz", every=3, resume=True), {}

    def look(step, params):
        seen[step] = kept.read() and kept.read()["step"]

    how = dict(callbacks=[(1, look)], checkpoint=kept, title=None)
    train.train(quadratic, {"w": np.ones(2)}, [np.zeros(2)] * 8, optim.SGD(0.1), steps=8, **how)
    assert seen == {0: None, 1: None, 2: None, 3: 3, 4: 3, 5: 3, 6: 6, 7: 6, 8: 8}


def test_a_run_that_is_finished_draws_nothing_and_one_that_goes_on_draws_what_it_had(tmp_path):
    drawn = []

    def draw(step, history):
        drawn.append(step)
        return np.zeros(2)

    def go(steps):
        kept = Checkpoint(tmp_path / "run.npz", every=3, resume=True)
        how = dict(steps=steps, checkpoint=kept, title=None)
        return train.train(quadratic, {"w": np.ones(2)}, draw, optim.SGD(0.1), **how)

    for steps, wanted in ((4, [0, 1, 2, 3]), (4, []), (6, [0, 1, 2, 3, 4, 5])):
        params, _ = go(steps)
        assert drawn == wanted and params["w"] == pytest.approx(0.9**steps)
        drawn.clear()


def test_the_bar_counts_every_step_once_also_those_taken_before(tmp_path, monkeypatch):
    moves = []

    class Bar:
        __enter__ = lambda self: self
        __exit__ = lambda self, *error: None
        update = lambda self, by=1: moves.append(by)
        set_postfix = lambda self, **told: None

    monkeypatch.setattr(train, "progress_bar", lambda total, title: Bar())
    for steps, wanted in ((5, [0, 1, 1, 1, 1, 1]), (7, [5, 1, 1])):
        kept = Checkpoint(tmp_path / "run.npz", resume=True)
        how = dict(steps=steps, checkpoint=kept)
        train.train(quadratic, {"w": np.ones(2)}, [np.zeros(2)] * 7, optim.SGD(0.1), **how)
        assert moves == wanted
        moves.clear()


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(steps=0), "steps: expected a whole number >= 1, got 0"),
        (dict(steps=3), "batches: expected 3, one for every step"),
        (dict(steps=2, every=0), "every: expected"),
        (dict(steps=2, callbacks=[(0, print)]), "callbacks: n: expected"),
        (dict(steps=2, clip=-1.0), "clip: expected a finite number > 0, got -1.0"),
        (
            dict(steps=2, callbacks=[print]),
            "callbacks: expected a list of pairs .*, got <built-in function print>",
        ),
        (dict(steps=2, callbacks=print), "callbacks: expected a list of pairs"),
        (
            dict(steps=2, callbacks=[(1, lambda step, params: 3)]),
            "callbacks: expected a dict of named values or None from each, got 3",
        ),
        (
            dict(steps=2, callbacks=[(1, lambda step, params: {"x": "y"})]),
            "x: expected a number or an array of numbers to record",
        ),
        (
            dict(steps=2, callbacks=[(1, lambda step, params: {"x": np.ones(1 + step)})]),
            r"x: expected shape \(1,\), got \(2,\)",
        ),
        (
            dict(steps=2, optimizer="adamw"),
            "optimizer: expected one with its settings, .* got 'adamw'",
        ),
        (dict(steps=2, optimizer=optim.AdamW), "optimizer: expected one with its settings"),
        (
            dict(steps=2, optimizer=types.SimpleNamespace(init=dict)),
            "optimizer: expected one with its settings",
        ),
        (
            dict(steps=2, optimizer=types.SimpleNamespace(step=dict)),
            "optimizer: expected one with its settings",
        ),
        (
            dict(steps=2, batches=np.zeros((2, 3))),
            "batches: expected an iterable of them, such as minibatches",
        ),
        (dict(steps=2, batches=7), "batches: expected an iterable"),
        (dict(steps=2, params=[np.ones(1)]), "params: expected a dict of arrays, got"),
        (
            dict(steps=2, params={"w": [1.0]}),
            r"params\['w'\]: expected an array of NumPy or CuPy, got list",
        ),
        (
            dict(steps=2, params={"w": np.ones(1, "float16")}),
            r"params\['w'\]: expected float32 or float64, got float16",
        ),
        (
            dict(steps=2, loss=lambda p, b: p),
            "loss: expected a return of one number and the gradients",
        ),
        (dict(steps=2, loss=lambda p, b: (0.0, {})), "grads: expected the keys w, got none"),
        (
            dict(steps=2, loss=lambda p, b: (0.0, {"w": np.ones(1, int)})),
            r"grads\['w'\]: expected float32 or float64, got int64",
        ),
        (
            dict(steps=2, schedule="warm-up"),
            "schedule: expected a function of step and history, got 'warm-up'",
        ),
        (
            dict(steps=2, schedule=lambda step, history: np.nan),
            "schedule: its return: expected a finite number >= 0, got nan",
        ),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    with pytest.raises(InputError, match=message):
        settings = dict(
            loss=quadratic,
            params={"w": np.ones(1)},
            batches=[np.zeros(1)] * 2,
            optimizer=optim.SGD(0.1),
        )
        train.train(**{**settings, **change})


def test_sequences_are_checked_on_the_host_before_they_enter(rng):
    model = models.MinimalModel(vocab=5, positions=7, first_query=2)
    sequences = rng.integers(5, size=(4, 8))
    assert losses.check_sequences(model, sequences) is sequences
    for wrong, message in [
        (sequences + 1, "sequences: expected ids in 0..4, got 5"),
        (sequences.astype(float), "sequences: expected an integer array"),
        (sequences[:, :3], r"x: expected shape \(batch, 3 to 7 tokens\), got \(4, 2\)"),
    ]:
        with pytest.raises(InputError, match=message):
            losses.check_sequences(model, wrong)
    with pytest.raises(InputError, match="data: expected at least one row"):
        train.minibatches(sequences[:0], 2, rng)
    with pytest.raises(InputError, match="rng: expected a numpy.random.Generator, .* got 3"):
        train.minibatches(sequences, 2, 3)
    with pytest.raises(InputError, match=r"batch: expected at least one entry, got shape \(0, 8\)"):
        losses.next_token_loss(model)(model.init(rng), sequences[:0])


def test_the_history_keeps_what_it_was_given():
    history, buffer = train.History(), np.zeros(1)
    for step in range(3):
        buffer[0] = step
        history.record(step, value=buffer)
    assert history["value"][:, 0].tolist() == [0, 1, 2]
    history.last("value")[0] = 9
    assert history.last("value")[0] == 2


@pytest.mark.parametrize(
    "optimizer", [optim.SGD(0.1), optim.SGD(0.1, momentum=0.9), optim.AdamW(0.1)]
)
def test_careless_losses_and_callbacks_change_nothing(optimizer):
    """A loss that works in the params it was given and fills the same gradients every time; a callback that spoils them."""
    start, batches = {"w": np.array([4.0, -1.0]), "v": np.array([2.0])}, list(np.linspace(0, 1, 9))

    def clean(params, batch):
        squares = (params["w"] ** 2).sum()
        return squares * params["v"][0] + batch, {
            "w": 2 * params["w"] * params["v"],
            "v": np.array([squares]),
        }

    grads = {key: np.empty_like(p) for key, p in start.items()}

    def careless(params, batch):
        value, found = clean(params, batch)
        for key, g in found.items():
            grads[key][...] = g
            params[key][...] = np.nan
        return value, grads

    def spoil(step, params):
        found = {"w": params["w"].copy()}
        params["w"][...] = np.nan
        return found

    looks = [[(2, lambda step, params: {"w": params["w"]})], [(2, spoil)]]
    (there, seen), (here, seen_here) = (
        train.train(
            loss,
            start,
            batches,
            optimizer,
            steps=9,
            every=1,
            clip=5.0,
            callbacks=callbacks,
            title=None,
        )
        for loss, callbacks in zip((clean, careless), looks)
    )
    assert all(np.array_equal(there[key], here[key]) for key in start) and start["w"].tolist() == [
        4,
        -1,
    ]
    assert all(np.array_equal(seen[name], seen_here[name]) for name in seen.names)


def test_a_flow_may_have_a_careless_loss():
    batch = np.array([1.0, 2.0])

    def careless(params, batch):
        batch -= params["w"]  # the caller's batch, if it were not a copy
        return 0.5 * (batch * batch).sum(), {"w": -batch}

    flow = losses.gradient_flow(careless, {"w": np.zeros(2)}, batch)
    assert all(
        flow(0.0, np.array([3.0, 5.0])).tolist() == [-2.0, -3.0] for _ in range(2)
    ) and batch.tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "uint64"])
@pytest.mark.parametrize("kind", ["minimal", "full", "embedding"])
def test_ids_of_any_width_train_alike(rng, dtype, kind):
    vocab = min(np.iinfo(dtype).max + 1, 300)
    model = {"minimal": models.MinimalModel(vocab, 6, 2, first_query=1),
             "embedding": models.EmbeddingModel(vocab, 3, first_query=1),
             "full": models.Transformer(vocab, 6, width=4, heads=2, hidden=3, first_query=1)}[kind]  # fmt: skip
    loss, params, x = losses.next_token_loss(model), model.init(rng), rng.integers(0, vocab, (3, 7))
    x[0, :2] = vocab - 1
    (wide, grads), (narrow, narrow_grads) = loss(params, x), loss(params, x.astype(dtype))
    assert wide == narrow and all(np.array_equal(grads[key], narrow_grads[key]) for key in grads)


def test_a_model_may_fill_the_same_gradients_in_every_chunk(rng):
    class Refilling(models.EmbeddingModel):
        def backward(self, dlogits, cache):
            for key, g in super().backward(dlogits, cache).items():
                kept[key][...] = g
            return kept

    clean, refilling = models.EmbeddingModel(5, 3), Refilling(5, 3)
    params, x = clean.init(rng), rng.integers(5, size=(7, 6))
    kept = {key: np.empty_like(w) for key, w in params.items()}
    for chunk in (2, 3):
        of = [losses.chunked(losses.next_token_loss(model), chunk) for model in (clean, refilling)]
        (value, grads), (value_here, here) = (loss(params, x) for loss in of)
        assert value == value_here and all(np.array_equal(grads[key], here[key]) for key in grads)


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_any_loss_may_be_computed_in_chunks(device, rng, size):
    """One on pairs, and one of one's own on a bare array."""
    model = models.ToyLayer(3, 2)
    params = device.put({"a": rng.normal(size=3), "W": rng.normal(size=(2, 2))})
    pairs = device.put((rng.normal(size=(7, 3, 2)), rng.normal(size=(7, 2))))
    own = lambda params, batch: (
        batch.mean() * params["a"].sum(),
        {key: 0 * w + batch.mean() for key, w in params.items()},
    )
    for loss, batch in [(losses.pair_loss(model, losses.SQUARED_ERROR), pairs), (own, pairs[0])]:
        (value, grads), (in_parts, parts) = (
            loss(params, batch),
            losses.chunked(loss, size)(params, batch),
        )
        assert float(to_numpy(in_parts)) == pytest.approx(float(to_numpy(value)), rel=1e-12)
        for key in params:
            np.testing.assert_allclose(
                to_numpy(parts[key]), to_numpy(grads[key]), rtol=1e-9, atol=1e-14
            )
    with pytest.raises(InputError, match=r"batch: expected shape \(7, 2\), got \(6, 2\)"):
        losses.chunked(own, size)(params, (pairs[0], pairs[1][:6]))


def test_losses_are_of_a_model_with_its_settings_and_of_pairs(rng):
    toy, mean = models.ToyLayer(3, 2), losses.SQUARED_ERROR
    for wrong in (models.ToyLayer, models.MinimalModel, object(), None):
        for make in (losses.next_token_loss, lambda model: losses.pair_loss(model, mean)):
            with pytest.raises(InputError, match="model: expected one with its settings"):
                make(wrong)
    for wrong in (mean[0], list(mean), mean[:1], (*mean, mean[0]), (mean[0], "backward")):
        with pytest.raises(InputError, match="error: expected a pair of functions"):
            losses.pair_loss(toy, wrong)
    x, target = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 2))
    for wrong in (x, x[:2], (x,), [x], (x, target, target), None, "xy"):
        with pytest.raises(InputError, match="batch: expected a pair of inputs and targets"):
            losses.pair_loss(toy, mean)(toy.init(), wrong)


def test_a_flow_puts_gradients_in_the_order_of_the_names_it_was_given():
    like = {"w": np.zeros(2), "b": np.zeros((1, 1))}
    loss = lambda p, batch: (0.0, {"b": 10 * p["b"], "w": p["w"] + batch})
    flow = losses.gradient_flow(loss, like, np.array([1.0, 2.0]))
    assert flow(0.0, np.array([3.0, 4.0, 5.0])).tolist() == [-4, -6, -50]


def test_what_a_loss_returns_is_one_number_and_gradients_and_nothing_else():
    params, g = {"w": np.ones(2)}, {"w": np.ones(2)}
    wrong = [(1.0, g, g), (1.0,), (), 1.0, None, np.ones(2), "ab", {1.0: g, 2.0: g}]
    for returned in (*wrong, ([1.0], g), (np.ones(1), g), ("1", g)):
        loss = lambda p, batch: returned
        for use in (
            lambda: losses.gradient_flow(loss, params, np.ones(4))(0.0, np.ones(2)),
            lambda: losses.chunked(loss, 2)(params, np.ones(4)),
            lambda: train.train(loss, params, [np.ones(4)], optim.SGD(0.1), steps=1),
        ):
            with pytest.raises(InputError, match="loss: expected a return of one number and the"):
                use()


def test_the_loss_of_an_answer_is_the_cross_entropy_of_ids_that_do_not_stand_in_the_input(rng):
    model = models.Transformer(5, 6, width=6, heads=2, hidden=3, first_query=5)
    params, x, answers = model.init(rng), rng.integers(5, size=(4, 6)), rng.integers(5, size=(4, 1))
    logits = model.forward(params, x)[0][:, 0]
    value, grads = losses.pair_loss(model, losses.CROSS_ENTROPY)(params, (x, answers))
    log_q = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert value == pytest.approx(-log_q[np.arange(4), answers[:, 0]].mean(), rel=1e-12)
    q = np.exp(log_q)
    q[np.arange(4), answers[:, 0]] -= 1
    np.testing.assert_allclose(grads["c_U"], q.mean(axis=0), rtol=1e-10, atol=1e-14)
    (same, _) = losses.next_token_loss(model)(params, np.concatenate([x, answers], axis=1))
    assert same == value, "the token after the last one is such an answer"


def test_a_flow_takes_gradients_of_its_shapes_only():
    like, y = {"w": np.ones((2, 3))}, np.arange(6.0)
    for grads, message in [
        (
            lambda p: {"w": p["w"].T},
            r"loss: its gradient of w: expected shape \(2, 3\), got \(3, 2\)",
        ),
        (lambda p: {}, "loss: its return: expected the keys w, got none"),
    ]:
        with pytest.raises(InputError, match=message):
            losses.gradient_flow(lambda p, b, grads=grads: (0.0, grads(p)), like, 0)(0.0, y)
    batch = np.ones(6)
    flow = losses.gradient_flow(lambda p, b: (0.0, {"w": p["w"] - b.reshape(2, 3)}), like, batch)
    before = flow(0.0, y)
    batch[:] = 9
    assert np.array_equal(flow(0.0, y), before)


def test_numpy_numbers_are_settings_too_and_stateless_optimisers_resume(tmp_path):
    class Plain:
        """Without a repr and without a state of its own."""

        def init(self, params):
            return {}

        def step(self, params, grads, state, scale):
            return {key: p - 0.1 * grads[key] for key, p in params.items()}, {}

    def go(steps, resume=False):
        kept = Checkpoint(tmp_path / "run.npz", every=2, resume=resume)
        looks = [(np.int64(2), lambda step, params: {"w": params["w"]})]
        return train.train(quadratic, {"w": np.ones(2, "float32")}, [np.zeros(2, "float32")] * 9, Plain(), steps=steps,
                           clip=np.float32(1), every=np.int64(2), callbacks=looks, checkpoint=kept, title=None)  # fmt: skip

    go(4)
    assert np.array_equal(go(8, True)[0]["w"], go(8)[0]["w"])


def noting(**found):
    """A callback that notes these values at every step."""
    return [(1, lambda step, params: found)]


@pytest.mark.parametrize("change, message", [
    (dict(until=lambda history: np.nan, callbacks=noting(x=1.0)), "until: expected a return of True or False"),
    (dict(callbacks=noting(loss=1.0)), 'callbacks: expected names other than "loss"'),
    (dict(loss=lambda p, b: ([1.0, 2.0], p)), "loss: expected a return of one number and the gradients"),
    (dict(loss=lambda p, b: (0.0, {"w": np.ones(1, "float32")})), r"grads\['w'\]: expected float64, as the parameter, got"),
    (dict(callbacks=noting(x=np.ma.masked_array([1.0], [True]))), "x: expected an array of NumPy or CuPy"),
])  # fmt: skip
def test_what_is_none_of_the_loops_is_one_line(change, message):
    settings = dict(
        loss=quadratic,
        params={"w": np.ones(1)},
        batches=[np.zeros(1)] * 3,
        optimizer=optim.SGD(0.1),
        steps=3,
    )
    with pytest.raises(InputError, match=message):
        train.train(**{**settings, **change})
