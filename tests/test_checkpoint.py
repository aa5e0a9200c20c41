import itertools
import json

import numpy as np
import pytest

from tinyattn import losses, models, optim, train
from tinyattn.backend import to_numpy
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import InputError
from tinyattn.tasks import markov


def test_what_is_written_is_read_to_the_last_bit(device, tmp_path, rng):
    kept = Checkpoint(
        tmp_path / "deep" / "run.npz", resume=True, settings={"lr": 0.1, "spans": (2, 2)}
    )
    assert kept.read() is None
    tree = {
        "step": 7,
        "params": {
            "W": rng.normal(size=(3, 2)).astype("float32"),
            "b": rng.normal(size=4),
            "c": np.array(2.5),
        },
        "best": np.inf,
    }
    kept.write(**{**tree, "params": device.put(tree["params"])})
    again = kept.read()
    assert again["step"] == 7 and type(again["step"]) is int and again["best"] == np.inf
    for key, array in tree["params"].items():
        assert again["params"][key].dtype == array.dtype and np.array_equal(
            again["params"][key], array
        )
    assert [path.name for path in kept.path.parent.iterdir()] == ["run.npz"]
    assert Checkpoint(kept.path).read() is None  # not asked to resume


def test_bad_input_is_one_clear_line(tmp_path):
    path = tmp_path / "run.npz"
    Checkpoint(path, settings={"lr": 0.1}).write(step=1)
    for settings, message in [
        ({"lr": 0.2}, "expected lr = 0.1, as in .*run.npz, got 0.2"),
        ({}, "expected lr = 0.1, .* got None"),
    ]:
        with pytest.raises(InputError, match=f"^resume: {message}$"):
            Checkpoint(path, resume=True, settings=settings).read()
    whole = path.read_bytes()
    for damaged in (whole[:-30], b"", b"not a checkpoint"):
        path.write_bytes(damaged)
        with pytest.raises(
            InputError, match="^resume: expected a checkpoint in .*, got a file that cannot be read"
        ):
            Checkpoint(path, resume=True, settings={"lr": 0.1}).read()
    Checkpoint(path, settings={"lr": 0.1}).write({"optimizer": "SGD(lr=1)", "shape": [2]}, step=1)
    same = Checkpoint(path, resume=True, settings={"lr": 0.1})
    assert same.read({"optimizer": "SGD(lr=1)", "shape": (2,)}) == same.read() == {"step": 1}
    for made, message in [
        ({"optimizer": "AdamW"}, r"optimizer = 'SGD\(lr=1\)'"),
        ({"optimizer": "SGD(lr=1)"}, r"shape = \[2\], .* got None"),
    ]:
        with pytest.raises(InputError, match=f"^resume: expected {message}"):
            same.read(made)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="path: expected a folder that can be written, got .*file"):
        Checkpoint(tmp_path / "file" / "run.npz")
    with pytest.raises(InputError, match="tree: expected arrays and what JSON can hold"):
        Checkpoint(path).write(thing={1, 2})
    assert same.read() == {"step": 1}, "a write that fails leaves what was there"
    with pytest.raises(InputError, match="settings: expected what JSON can hold"):
        Checkpoint(path, settings={"rng": np.random.default_rng(0)})
    with pytest.raises(InputError, match="every: expected"):
        Checkpoint(path, every=0)


@pytest.mark.parametrize("optimizer", [optim.AdamW(0.02), optim.SGD(0.1, momentum=0.9)])
def test_a_run_that_was_interrupted_comes_to_the_same_result(device, tmp_path, rng, optimizer):
    chain = markov.draw_chain(rng, vocab=6, spans=(1, 1))
    model = models.MinimalModel(vocab=6, positions=7, heads=2, first_query=1)
    data, start = chain.sample(rng, 40, 8), device.put(model.init(rng), "float32")
    loss = losses.next_token_loss(model)

    def run(checkpoint=None, broken_at=None, steps=14):
        looks = [
            (
                2,
                lambda step, params: {
                    "validation": to_numpy(loss(params, device.put(data)))[0],
                    "many": np.ones(3) * step,
                },
            )
        ]

        def batches():
            stream = train.minibatches(data, 16, np.random.default_rng(5))
            for step in itertools.count():
                if step == broken_at:
                    raise KeyboardInterrupt
                yield device.put(next(stream))

        return train.train(
            loss,
            start,
            batches(),
            optimizer,
            steps=steps,
            clip=0.5,
            callbacks=looks,
            every=3,
            schedule=lambda step, history: 1.0 if history.last("validation") > 1.7 else 0.5,
            checkpoint=checkpoint,
        )

    params, history = run()
    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        run(Checkpoint(path, every=4), broken_at=11)
    with pytest.raises(InputError, match="^steps: expected at least 8, those already taken, got 7"):
        run(Checkpoint(path, every=4, resume=True), steps=7)
    resumed, history_resumed = run(Checkpoint(path, every=4, resume=True))
    finished, _ = run(Checkpoint(path, every=4, resume=True))  # nothing is left to do
    run(Checkpoint(tmp_path / "longer.npz"), steps=10)
    extended, history_extended = run(Checkpoint(tmp_path / "longer.npz", resume=True))
    assert all(np.array_equal(to_numpy(params[key]), to_numpy(extended[key])) for key in params)
    assert all(np.array_equal(history[name], history_extended[name]) for name in history.names)
    for key in params:
        assert np.array_equal(to_numpy(params[key]), to_numpy(resumed[key]))
        assert np.array_equal(to_numpy(params[key]), to_numpy(finished[key]))
        assert to_numpy(resumed[key]).dtype == np.float32
    for name in history.names:
        assert np.array_equal(history[name], history_resumed[name]), name
        assert np.array_equal(history.steps(name), history_resumed.steps(name)), name


def square(params, batch):
    """L = sum w^2; the gradient of batch 42 and of those after it is not a number."""
    return (params["w"] ** 2).sum(), {"w": params["w"] * (np.nan if batch >= 42 else 2.0)}


def go(path, optimizer=None, size=3, loss=square, dtype=float, every=10, steps=40, **how):
    kept = Checkpoint(path, every=5, resume=True)
    settings = dict(
        callbacks=[(2, lambda step, params: {"size": float(abs(params["w"]).sum())})], title=None
    )
    batches, start = iter(range(1000)), {"w": np.ones(size, dtype)}
    return train.train(
        loss,
        start,
        batches,
        optimizer or optim.SGD(0.01),
        steps=steps,
        every=every,
        checkpoint=kept,
        **{**settings, **how},
    )


@pytest.mark.parametrize("every, after", [(10, 45), (1, 43), (45, 45)])
def test_what_is_kept_is_finite_and_the_last_of_it_stays(tmp_path, every, after):
    with pytest.raises(train.Diverged) as error:
        go(tmp_path / "run.npz", steps=200, every=every)
    kept = Checkpoint(tmp_path / "run.npz", resume=True).read()
    assert (
        kept["step"] == 40 and np.isfinite(kept["params"]["w"]).all() and error.value.step <= after
    )
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(train.Diverged, match="^state u w at step 5: .* got inf"),
    ):
        grows = lambda params, batch: (0.0, {"w": np.full(3, 1e200)})
        go(tmp_path / "other.npz", optim.AdamW(0.1), loss=grows, callbacks=[])


def test_a_run_that_stops_by_itself_keeps_its_end_and_can_be_read_and_extended(tmp_path):
    stop = lambda history: history.last("size") < 2.0
    params, history = go(tmp_path / "run.npz", until=stop)
    kept = Checkpoint(tmp_path / "run.npz", resume=True).read()
    assert kept["step"] == history.steps("size")[-1] < 40 and np.array_equal(
        kept["params"]["w"], params["w"]
    )
    again, history_again = go(tmp_path / "run.npz", until=stop)
    whole, history_whole = go(tmp_path / "whole.npz")
    longer, history_longer = go(tmp_path / "run.npz")
    assert np.array_equal(again["w"], params["w"]) and np.array_equal(longer["w"], whole["w"])
    for one, other in ((history, history_again), (history_whole, history_longer)):
        assert all(
            np.array_equal(one[name], other[name])
            and np.array_equal(one.steps(name), other.steps(name))
            for name in one.names
        )


def test_a_checkpoint_goes_into_the_run_that_made_it_and_into_no_other(tmp_path, monkeypatch):
    go(tmp_path / "run.npz", optim.SGD(0.01, 0.9), steps=20)
    before = (tmp_path / "run.npz").read_bytes()
    other = lambda params, batch: (1 + (params["w"] ** 2).sum(), {"w": params["w"] * 2.0})
    for change, named in [
        (dict(optimizer=optim.AdamW(0.01)), "optimizer"),
        (dict(optimizer=optim.SGD(0.02, 0.9)), "optimizer"),
        (dict(size=7), "params"),
        (dict(dtype="float32"), "params"),
        (dict(loss=other), "loss"),
        (dict(clip=1.0), "clip"),
        (dict(every=3), "every"),
        (dict(callbacks=[]), "callbacks"),
        (dict(schedule=lambda step, history: 0.5), "schedule"),
    ]:
        with pytest.raises(
            InputError, match=f"^resume: expected {named} = .*, as in .*run.npz, got"
        ):
            go(tmp_path / "run.npz", **{"optimizer": optim.SGD(0.01, 0.9), **change})
    monkeypatch.setattr("tinyattn.checkpoint.LIBRARY", "another")
    with pytest.raises(InputError, match="^resume: expected library = "):
        go(tmp_path / "run.npz", optim.SGD(0.01, 0.9))
    assert (tmp_path / "run.npz").read_bytes() == before
    params, history = train.train(
        square,
        {"w": np.array(1.5)},
        range(9),
        optim.SGD(0.1),
        steps=9,
        checkpoint=Checkpoint(tmp_path / "0.npz"),
    )
    assert (
        params["w"].shape == ()
        and Checkpoint(tmp_path / "0.npz", resume=True).read()["params"]["w"].shape == ()
    )
    resumed, _ = train.train(square, {"w": np.array(1.5)}, range(9), optim.SGD(0.1), steps=9,
                             checkpoint=Checkpoint(tmp_path / "0.npz", resume=True))  # fmt: skip
    assert isinstance(resumed["w"], np.ndarray) and resumed["w"] == params["w"]


def test_a_write_that_fails_leaves_the_file_before_and_nothing_beside_it(tmp_path, monkeypatch):
    kept = Checkpoint(tmp_path / "run.npz", resume=True)
    kept.write(step=1)

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        kept.write(step=2)
    assert kept.read() == {"step": 1} and [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_names_and_empty_branches_come_back_and_what_cannot_is_refused(tmp_path):
    kept = Checkpoint(tmp_path / "run.npz", resume=True)
    tree = {"allow_pickle": np.ones(3), "file": np.zeros(2), "words": "yes", "0": np.array(["a"]), "empty": {},
            "deep": {"none": None, "empty": {}}, "a/b": {"": {"c/": np.arange(2.0)}}}  # fmt: skip
    kept.write(**tree)
    again = kept.read()
    assert (
        again.keys() == tree.keys()
        and again["allow_pickle"].tolist() == [1, 1, 1]
        and again["deep"] == tree["deep"]
    )
    assert again["a/b"][""]["c/"].tolist() == [0, 1] and again["0"].tolist() == ["a"]
    for bad, message in [
        (
            dict(a=np.ma.masked_array([1.0, 2.0], [True, False])),
            "a: expected an array of NumPy or CuPy",
        ),
        (dict(a={3: np.ones(1)}), "a/3: expected a string as a name, got 3"),
        (dict(a=np.array([None])), "a: expected an array of numbers or strings, got object"),
    ]:
        with pytest.raises(InputError, match=f"{message}"):
            kept.write(**bad)
    with pytest.raises(InputError, match="path: expected that of a file, got the folder"):
        Checkpoint(tmp_path)


def test_a_loss_is_told_by_its_name_and_its_file_and_a_model_by_the_settings(tmp_path):
    def resume(loss=square, **settings):
        kept = Checkpoint(tmp_path / "run.npz", every=2, resume=True, settings=settings)
        train.train(
            loss, {"w": np.ones(3)}, range(9), optim.SGD(0.1), steps=4, checkpoint=kept, title=None
        )

    class Loss:
        def __call__(self, params, batch):
            return square(params, batch)

    resume(heads=2)
    resume(heads=2)
    for other, named in (
        (lambda: resume(Loss(), heads=2), "loss"),
        (lambda: resume(heads=3), "heads"),
    ):
        with pytest.raises(InputError, match=f"^resume: expected {named} = "):
            other()


def test_a_checkpoint_of_something_else_goes_into_no_run(tmp_path):
    go(tmp_path / "run.npz", steps=5)
    kept = Checkpoint(tmp_path / "run.npz", resume=True)
    with np.load(tmp_path / "run.npz") as file:
        made = json.loads(str(file["words"]))["made"]
    kept.write(made, weights=np.ones(3))
    with pytest.raises(
        InputError, match="^resume: expected a training run in .*run.npz, got weights$"
    ):
        go(tmp_path / "run.npz", steps=9)


def test_batches_and_rates_that_adapt_resume_to_the_same_bits(tmp_path):
    def run(name, steps, resume=False):
        rng = np.random.default_rng(3)
        draw = lambda step, history: (
            rng.normal(size=3 if history.last("size") > 2.9 else 4).sum() + step
        )
        rate = lambda step, history: 0.5 ** len(history["loss"]) if step else 1.0
        loss = lambda params, batch: (
            (params["w"] ** 2).sum() + batch,
            {"w": 2 * params["w"] + 0.1 * batch},
        )
        look = lambda step, params: {"size": float(abs(params["w"]).sum())}
        kept = Checkpoint(tmp_path / name, every=3, resume=resume)
        return train.train(loss, {"w": np.ones(3)}, draw, optim.AdamW(0.05), steps=steps, every=4, schedule=rate, title=None,
                           callbacks=[(2, look)], checkpoint=kept)  # fmt: skip

    whole, history = run("whole.npz", 20)
    for stop in (1, 4, 7, 13, 16):
        run("parts.npz", stop)
        parts, history_parts = run("parts.npz", 20, resume=True)
        assert np.array_equal(whole["w"], parts["w"])
        assert all(np.array_equal(history[name], history_parts[name]) for name in history.names)
