import itertools

import numpy as np
import pytest

from tinyattn import models, optim, train
from tinyattn.backend import to_numpy
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import InputError
from tinyattn.tasks import markov


def test_what_is_written_is_read_to_the_last_bit(device, tmp_path, rng):
    kept = Checkpoint(tmp_path / "deep" / "run.npz", resume=True, settings={"lr": 0.1, "spans": (2, 2)})
    assert kept.read() is None
    tree = {"step": 7, "params": {"W": rng.normal(size=(3, 2)).astype("float32"), "b": rng.normal(size=4)}, "best": np.inf}
    kept.write(**{**tree, "params": device.put(tree["params"])})
    again = kept.read()
    assert again["step"] == 7 and type(again["step"]) is int and again["best"] == np.inf
    for key, array in tree["params"].items():
        assert again["params"][key].dtype == array.dtype and np.array_equal(again["params"][key], array)
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
        with pytest.raises(InputError, match="^resume: expected a checkpoint in .*, got a file that cannot be read"):
            Checkpoint(path, resume=True, settings={"lr": 0.1}).read()
    with pytest.raises(InputError, match="settings: expected what JSON can hold"):
        Checkpoint(path, settings={"rng": np.random.default_rng(0)})
    with pytest.raises(InputError, match="^history/a/b: expected a name without /"):
        Checkpoint(path).write(history={"a/b": np.ones(2)})
    with pytest.raises(InputError, match="every: expected"):
        Checkpoint(path, every=0)


@pytest.mark.parametrize("optimizer", [optim.AdamW(0.02), optim.SGD(0.1, momentum=0.9)])
def test_a_run_that_was_interrupted_comes_to_the_same_result(device, tmp_path, rng, optimizer):
    chain = markov.draw_chain(rng, vocab=6, spans=(1, 1))
    model = models.MinimalModel(vocab=6, positions=7, heads=2, context=2)
    data, start = chain.sample(rng, 40, 8), device.put(model.init(rng), "float32")
    loss = train.next_token_loss(model)

    def run(checkpoint=None, broken_at=None, steps=14):
        looks = [
            (2, lambda step, params: {"validation": to_numpy(loss(params, device.put(data)))[0], "many": np.ones(3) * step})
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
            watch="validation",
            every=3,
            schedule=optim.HalveOnPlateau(patience=1),
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
