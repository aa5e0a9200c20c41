"""Faults of the kinds that users report, each on small inputs: files, output, odd numbers, pools, functions of one's own."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tinyattn import checkpoint, gradcheck, kept, losses, models, ode, optim, plot, sweep, train
from tinyattn.errors import InputError

ROOT = Path(__file__).parent.parent
posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


def run(words, folder, shell="", **env):
    """A command in a folder: what came of it."""
    words = [sys.executable, *map(str, words)]
    if shell:
        words = ["sh", "-c", f'"$@" {shell}', "sh", *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", **env}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, timeout=120)


# Losses of one's own in chunks


def squares(params, batch, weighted=3.0, size=7, share=None):
    """Names that a library might use for its own; each keeps the caller's meaning."""
    weight = size * weighted  # 21 times the mean square
    return weight * (params["w"] * batch).sum(axis=1).mean(), {"w": weight * batch.mean(axis=0)}


class Counted:
    """A loss that is an object, and says itself how it is weighted."""

    def __init__(self):
        self.weights = []

    def __call__(self, params, batch):
        return self.weighted(params, batch, 1.0)

    def weighted(self, params, batch, weight):
        self.weights.append(weight)
        value, grads = squares(params, batch)
        return weight * value, {"w": weight * grads["w"]}


@pytest.mark.parametrize("loss", [squares, Counted()], ids=["a function", "an object"])
def test_a_loss_in_chunks_is_the_loss(rng, loss):
    batch, params = rng.normal(size=(11, 3)), {"w": rng.normal(size=3)}
    value, grads = loss(params, batch)
    in_chunks, grads_in_chunks = losses.chunked(loss, 4)(params, batch)
    assert in_chunks == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(grads_in_chunks["w"], grads["w"], rtol=1e-12)
    if isinstance(loss, Counted):
        assert loss.weights == [1.0, 4 / 11, 4 / 11, 3 / 11], (
            "it was asked for its shares, not multiplied"
        )


# Files


@posix
def test_a_link_stays_a_link_and_the_file_behind_it_is_written(tmp_path):
    (tmp_path / "large disk").mkdir()
    (tmp_path / "run.npz").symlink_to(tmp_path / "large disk" / "run.npz")
    one = checkpoint.Checkpoint(tmp_path / "run.npz", resume=True)
    for step in (1, 2):
        one.write(step=step)
        assert (tmp_path / "run.npz").is_symlink() and one.read() == {"step": step}
    assert [path.name for path in (tmp_path / "large disk").iterdir()] == ["run.npz"]


@pytest.mark.parametrize("name", ["x" * 300 + ".npz", "a\0b.npz"])
def test_a_name_that_the_system_refuses_is_refused_before_the_training(tmp_path, name):
    with pytest.raises(InputError, match="^path: expected"):
        checkpoint.Checkpoint(tmp_path / name)


def foreign(path, kind):
    """A file that is no checkpoint of this library."""
    one = checkpoint.Checkpoint(path)
    one.write(step=3, params={"w": np.arange(6.0)})
    raw = bytearray(path.read_bytes())
    if kind == "encrypted":
        for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            raw[raw.index(mark) + at] |= 1
    elif kind == "bits turned":
        raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    if kind == "arrays of another program":
        np.savez(path, weights=np.ones(3))
    elif kind == "words of another program":
        np.savez(path, words=np.array(json.dumps({"epoch": 3})))
    elif kind == "a zip of texts":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("words.npy", "not an array")
    elif kind == "an array alone":
        with open(path, "wb") as file:
            np.save(file, np.ones(3))
    elif kind == "pickled":
        np.savez(path, words=np.array([{}], dtype=object))


FOREIGN = ["encrypted", "bits turned", "arrays of another program", "words of another program", "a zip of texts",
           "an array alone", "pickled"]  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_checkpoint_is_one_line(tmp_path, kind):
    foreign(tmp_path / "a.npz", kind)
    with pytest.raises(
        InputError,
        match="^resume: expected a checkpoint in .*a.npz, got a file that cannot be read",
    ) as error:
        checkpoint.Checkpoint(tmp_path / "a.npz", resume=True).read()
    assert "\n" not in str(error.value)


def test_many_runs_write_into_one_folder_at_once(tmp_path):
    def writes(i):
        for step in range(25):
            for name in (f"{i}.npz", "all.npz"):
                checkpoint.Checkpoint(tmp_path / name).write(step=step, w=np.full(20_000, i))

    failed = []

    def guarded(i):
        try:
            writes(i)
        except Exception as error:
            failed.append(error)

    runs = [threading.Thread(target=guarded, args=(i,)) for i in range(4)]
    [one.start() for one in runs], [one.join() for one in runs]
    assert not failed and sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"{i}.npz" for i in range(4)),
        "all.npz",
    ]
    last = checkpoint.Checkpoint(tmp_path / "all.npz", resume=True).read()
    assert len(set(last["w"])) == 1, "the file of one writer, whole"


@posix
def test_a_full_disk_is_one_line_that_names_the_file(tmp_path):
    code = """
        import resource, sys
        from tinyattn import kept, terminal
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        write = lambda: kept.write_text(kept.Path("notes.txt"), "x" * 5000)
        sys.exit(terminal.run_command(write, "this"))
    """
    (tmp_path / "notes.txt").write_text("before")
    done = run(["-c", "\n".join(line[8:] for line in code.splitlines())], tmp_path)
    assert done.returncode == 1 and b"notes.txt" in done.stderr and done.stderr.count(b"\n") == 1, (
        done.stderr
    )
    assert (tmp_path / "notes.txt").read_text() == "before" and len(list(tmp_path.iterdir())) == 1


def test_what_an_earlier_run_left_is_set_aside(tmp_path):
    names = ["results.json", "figure.png"]
    for time_ in ("first", "second", "third"):
        kept.set_aside(*(tmp_path / name for name in names))
        for name in names[: 1 if time_ == "third" else 2]:
            (tmp_path / name).write_text(time_)
    assert (tmp_path / "results.json").read_text() == "third" and not (
        tmp_path / "figure.png"
    ).exists()
    assert [(tmp_path / "earlier" / name).read_text() for name in names] == ["second", "second"]


@pytest.mark.parametrize("folder", ["a folder.py", ".#lock.py", "gone.py"])
def test_what_stands_beside_the_code_does_not_stop_the_import(tmp_path, folder):
    import shutil

    shutil.copytree(
        ROOT / "tinyattn", tmp_path / "tinyattn", ignore=shutil.ignore_patterns("__pycache__")
    )
    beside = tmp_path / "tinyattn" / "flows" / folder
    beside.mkdir() if folder.startswith("a ") else beside.symlink_to("nowhere")
    done = run(["-c", "from tinyattn import sweep"], tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr


# Going on


def descend(steps, batches=None, **how):
    loss = lambda params, batch: (
        (params["w"] ** 2).sum() + batch,
        {"w": 2 * params["w"] + 0.01 * batch},
    )
    return train.train(loss, {"w": np.ones(2)}, batches or itertools.repeat(1.0), optim.SGD(0.01), steps=steps, title=None,
                       **how)  # fmt: skip


def test_the_history_that_a_dropped_batch_sees_is_the_one_of_its_step(tmp_path):
    def batches(seen):
        def draw(step, history):
            seen.append(
                {
                    name: (history.steps(name).tolist(), history[name].tolist())
                    for name in history.names
                }
            )
            return 1.0

        return draw

    looks = [
        (3, lambda step, params: {"size/of w": float(params["w"].sum())}),
        (5, lambda step, params: {"five": step}),
    ]
    first, again = [], []
    descend(
        23,
        batches(first),
        every=4,
        callbacks=looks,
        checkpoint=checkpoint.Checkpoint(tmp_path / "a.npz", every=7),
    )
    _, history = descend(30, batches(again), every=4, callbacks=looks,
                         checkpoint=checkpoint.Checkpoint(tmp_path / "a.npz", every=7, resume=True))  # fmt: skip
    assert again[:23] == first and history.names == ["size/of w", "five", "loss"]
    grows = [len(past["loss"]) if "loss" in past.names else 0 for past in history.replay(9)]
    assert grows == [0, 1, 1, 1, 1, 2, 2, 2, 2]


def test_going_on_costs_as_many_operations_as_records(tmp_path):
    """No time is measured: one look at the history of each step, and each record is passed on once."""
    history = train.History()
    for step in range(20_000):
        history.record(step, loss=0.5)
    start = time.process_time()
    last = next(itertools.islice(history.replay(20_000), 19_999, None))
    assert (
        len(last.steps("loss")) == 19_999 and time.process_time() - start < 20
    )  # 0.1 s; 60 s when built anew each time


# Output


def test_a_terminal_may_know_few_letters_and_the_reader_may_leave(tmp_path):
    words = [
        str(ROOT / "lessons" / "experiments"),
        "snap",
        "--T",
        "64",
        "--d",
        "8",
        "--seeds",
        "1",
        "--out",
        "größe",
    ]
    done = run(words, tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and b"gr\\xf6\\xdfe" in done.stdout, done.stderr
    done = run(words, tmp_path, shell="| true", PYTHONUNBUFFERED="1")
    assert b"Traceback" not in done.stderr and (tmp_path / "größe" / "figure.png").exists(), (
        done.stderr
    )
    assert (tmp_path / "größe" / "earlier" / "figure.png").exists()


def test_a_program_whose_reader_leaves_goes_on_to_its_end(tmp_path):
    code = ("from tinyattn import terminal\nterminal.open_output()\n"
            "for i in range(20000): print('line', i, '\\x1b[31m \\x9b31m', chr(0xd8))\nopen('end', 'w')")  # fmt: skip
    done = run(["-c", code], tmp_path, shell="| head -n 1")
    assert done.stdout.startswith("line 0 \ufffd[31m \ufffd31m Ø".encode()) and done.stderr == b""
    assert (tmp_path / "end").exists()


@posix
@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_a_run_without_a_terminal_comes_to_its_end(tmp_path, closed):
    code = """
import time
from tinyattn import terminal
with terminal.progress_bar(3, "slow") as bar:
    for _ in range(3):
        time.sleep(0.9)
        bar.update()
terminal.say("a sentence")
open("end", "w")
"""
    done = run(["-c", code], tmp_path, shell=closed)
    assert done.returncode == 0 and (tmp_path / "end").exists(), done.stderr


# Numbers of other kinds


def test_numbers_of_every_kind_are_plain_or_refused():
    longer = np.longdouble(1) / 3
    assert kept.plain("a", {"x": longer, "y": [np.float32(0.5), np.array([longer])]}) == {
        "x": 1 / 3,
        "y": [0.5, [1 / 3]],
    }
    for odd in (
        np.clongdouble(1),
        np.complex64(1),
        np.array([1j]),
        np.datetime64(0, "s"),
        np.timedelta64(1, "s"),
        b"a",
    ):
        with pytest.raises(InputError, match="^a: expected what JSON can hold"):
            kept.plain("a", odd)
    history = train.History()
    history.record(0, a=longer, b=np.float16(2))
    assert history["a"] == [longer] and history["b"] == [2]
    for ragged in ([[1], [2, 3]], [1, [2]], [np.ones(2), np.ones(3)]):
        with pytest.raises(
            InputError, match="^a: expected a number or an array of numbers to record"
        ):
            history.record(1, a=ragged)


@pytest.mark.parametrize("maximum", [float("inf"), np.float32("inf"), np.longdouble("inf"), None])
def test_infinity_is_infinity_whoever_made_it(maximum):
    assert ode.integrate(lambda t, y: -y, (0, 1), [1.0], max_step=maximum).success
    assert train.History().tree(before=np.inf if maximum is None else maximum) == {}


# Maps


@posix
def test_the_map_of_multiprocessings_pool_is_a_map():
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        for map in (pool.map, pool.imap):
            found = sweep.sweep(halved, [{"x": i} for i in range(5)], map=map, title=None)
            assert [one.result for one in found] == [0, 0.5, 1, 1.5, 2]


def halved(settings):
    return settings["x"] / 2


# Models of one's own


class Mine:
    """A linear map and a bias, right in all its parts; each test spoils one."""

    def init(self, rng):
        return {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}

    def forward(self, params, x):
        return x @ params["W"] + params["b"], x

    def backward(self, dout, x):
        return {"W": x.T @ dout, "b": dout.sum(axis=0)}


SPOILT = [
    (dict(backward=lambda self, dout, x: {"W": x.T @ dout}), "model.backward: its return: expected the keys W, b, got W$"),
    (dict(backward=lambda self, dout, x: {**Mine.backward(self, dout, x), "c": dout}), "model.backward: .* got W, b, c$"),
    (dict(backward=lambda self, dout, x: tuple(Mine.backward(self, dout, x).values())), "model.backward: .*expected a dict"),
    (dict(backward=lambda self, dout, x: None), "model.backward: its return: expected a dict, got None"),
    (dict(backward=lambda self, dout, x: {"W": x.T @ dout, "b": dout}), "(model.backward: its )?gradient of b"),
    (dict(backward=lambda self, dout, x: {"W": x.T @ dout, "b": [0.0, 1.0]}), "(model.backward: its )?gradient of b"),
    (dict(forward=lambda self, params, x: x @ params["W"]), "model.forward: expected a return of two, out and cache"),
    (dict(forward=lambda self, params, x: [x @ params["W"], x]), "model.forward: expected a return of two, out and cache"),
    (dict(forward=lambda self, params, x: None), "model.forward: expected a return of two, out and cache, got None"),
]  # fmt: skip


@pytest.mark.parametrize("change, message", SPOILT)
def test_a_model_that_returns_something_else_is_one_line(rng, change, message):
    model = type("Spoilt", (Mine,), change)()
    x, target = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    with pytest.raises(InputError, match=f"^{message}"):
        gradcheck.check_model(model, x)
    with pytest.raises(InputError, match=f"^{message}"):
        losses.pair_loss(model, losses.SQUARED_ERROR)(model.init(rng), (x, target))


def test_a_model_that_is_right_passes_and_one_whose_start_is_a_list_is_one_line(rng):
    x = rng.normal(size=(5, 3))
    assert max(row.error for row in gradcheck.check_model(Mine(), x)) < 1e-9
    listed = type("Listed", (Mine,), dict(init=lambda self, rng: [np.ones((3, 2)), np.ones(2)]))()
    with pytest.raises(InputError, match="^model.init: its return: expected a dict of arrays"):
        gradcheck.check_model(listed, x)
    no_array = type("NoArray", (Mine,), dict(forward=lambda self, params, x: ("text", x)))()
    with pytest.raises(
        InputError, match="^forward: expected an array or a number for out, got 'text'"
    ):
        gradcheck.check_model(no_array, x)


def test_inputs_that_are_not_differentiated_are_named(rng):
    forward = lambda x, ids, scale: (scale * x[ids], (ids, scale, x.shape))

    def backward(dy, cache):
        ids, scale, shape = cache
        dx = np.zeros(shape)
        np.add.at(dx, ids, scale * dy)
        return {"x": dx}

    inputs = {"x": rng.normal(size=4), "ids": np.array([1, 1, 3]), "scale": 0.5}
    rows = gradcheck.check_pair(forward, backward, inputs)
    assert [(row.tensor, row.checked, row.error < 1e-9) for row in rows] == [
        ("x", 4, True),
        ("ids", 0, True),
        ("scale", 0, True),
    ]
    assert "not differentiated" in str(rows[1]) and "not differentiated" not in str(rows[0])
    assert [row.tensor for row in gradcheck.check_pair(forward, backward, inputs, wrt=["x"])] == [
        "x"
    ], "who asks for x knows"
    with pytest.raises(InputError, match="^inputs: expected at least one array of floats"):
        gradcheck.check_pair(forward, backward, {**inputs, "x": np.arange(4)})


# Times


def test_no_time_of_a_path_stands_twice():
    """A zero just behind a step's end: the step ends at 1 - 1e-17 of it, and the stop comes at 1 as well."""
    late = ode.event(lambda t, y: y[0] - np.nextafter(1.0, 2), terminal=True)
    path = ode.integrate(
        lambda t, y: np.ones(1), (0, 2), [0.0], method="euler", step=0.5, events=late
    )
    assert (
        path.status == 1
        and (np.diff(path.t) > 0).all()
        and path.t[-1] == pytest.approx(1.0)
        and len(path.t) == len(path.y)
    )
    wanted = ode.integrate(
        lambda t, y: np.ones(1),
        (0, 2),
        [0.0],
        t_eval=[0.5, 1.0],
        method="euler",
        step=0.5,
        events=late,
    )
    assert wanted.t.tolist() == [0.5, 1.0]


# Lines that people meet


@pytest.mark.parametrize("words, line", [
    ("ladder --heads two", "--heads: expected a whole number, got 'two'"),
    ("ladder --lr fast", "--lr: expected a number, got 'fast'"),
    ("ladder --spans 2,x", "--spans: expected a whole number, or several with commas between them, got '2,x'"),
    ("ladder --spans -1,2", "spans: expected"),
    ("ladder --seed -1", "seed: expected a whole number >= 0, got -1"),
    ("ladder --seeds many", "--seeds: expected a whole number, got 'many'"),
    ("ladder --over heads=2,x", "--over heads: expected a whole number, got 'x' in 'heads=2,x'"),
    ("ladder --over spans=2,2/x", "--over spans: expected a whole number, or several"),
    ("recall --adaptive {", "--adaptive: expected JSON, got '{'"),
    ("ladder --p -0.5", "p: expected a finite number >= 0 and <= 1, got -0.5"),
])  # fmt: skip
def test_a_flag_that_cannot_be_used_is_one_line(capsys, tmp_path, monkeypatch, words, line):
    from experiments.command import main

    monkeypatch.chdir(tmp_path)
    try:
        status = main(words.split())
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr().err
    assert status == 2 and said.startswith(f"error: {line}") and said.count("\n") == 1, said


def test_one_map_is_drawn_on_one_axis():
    figure, ax = plt.subplots()
    image = plot.maps_row(ax, np.full((1, 2, 3), 0.5), ["one"], first_query=1)
    assert list(ax.images) == [image] and ax.get_title(loc="left") + ax.get_title() == "one"
    with pytest.raises(InputError, match="^axes: expected 2, one for each map"):
        plot.maps_row(ax, np.full((2, 2, 3), 0.5), ["one", "two"])
    with contextlib.suppress(InputError):
        plot.maps_row(3, np.full((1, 2, 3), 0.5), ["one"])
    plt.close(figure)


def test_a_gradient_that_is_missing_stops_a_training_in_one_line(rng):
    model = type("Spoilt", (Mine,), SPOILT[0][0])()
    batches = [(rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))]
    with pytest.raises(
        InputError, match="^model.backward: its return: expected the keys W, b, got W$"
    ):
        train.train(
            losses.pair_loss(model, losses.SQUARED_ERROR),
            model.init(rng),
            batches,
            optim.SGD(0.1),
            steps=1,
            title=None,
        )
    assert isinstance(
        losses.pair_loss(models.ToyLayer(2, 2), losses.SQUARED_ERROR), losses.WeightedLoss
    )
