import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import experiments
from tinyattn import sweep
from tinyattn.errors import InputError
from tinyattn.kept import made_by
from tinyattn.terminal import Interrupted

ROOT = Path(__file__).parent.parent


def half(settings):
    """A trial: half of x, noted in a file; odd ones fail."""
    if "log" in settings:
        with open(settings["log"], "a") as log:
            print(settings["x"], file=log)
    if settings["x"] % 2:
        raise ValueError(f"{settings['x']} is odd\nand more")
    return {"half": settings["x"] / 2, "third": settings["x"] / 3}


def test_outcomes_come_in_order_and_a_failure_does_not_stop_the_others():
    outcomes = sweep.sweep(half, [{"x": x} for x in (4, 3, 2)])
    assert [outcome.settings["x"] for outcome in outcomes] == [4, 3, 2]
    assert [outcome.error for outcome in outcomes] == [None, "ValueError: 3 is odd", None]
    assert outcomes[0].result == {"half": 2.0, "third": 4 / 3} and outcomes[1].result is None


def test_what_is_kept_is_not_run_again(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "a" / "b"
    points = [{"x": x, "log": str(log)} for x in (4, 3, 2)]
    ran = lambda: [int(line) for line in log.read_text().split()]
    fresh = sweep.sweep(half, points[:1], folder=folder)
    again = sweep.sweep(half, points, folder=folder)
    assert ran() == [4, 3, 2] and again[0] == fresh[0] and again[0].result["third"] == 4 / 3
    sweep.sweep(half, points, folder=folder)
    assert ran() == [4, 3, 2, 3], "only what failed is tried again"
    sweep.sweep(half, [{**points[0], "more": 1}], folder=folder)
    assert ran() == [4, 3, 2, 3, 4], "other settings are another point"
    kept = sorted(folder.iterdir())
    assert len(kept) == 3 and all(
        json.loads(path.read_text())["trial"].endswith("half") for path in kept
    )
    for path in kept:
        path.write_text("{ cut off")
    assert sweep.sweep(half, points[:1], folder=folder)[0] == fresh[0]


def power(settings, exponent=2):
    return settings["x"] ** exponent


class Scaled:
    factor = 3

    def method(self, settings):
        return settings["x"] * self.factor

    @classmethod
    def results(cls, settings):
        return settings["x"] * cls.factor

    @staticmethod
    def plain(settings):
        return settings["x"]

    __call__ = method


class ScaledMore(Scaled):
    factor = 4


@functools.lru_cache
def cached(x):
    return x


def closed_over(factor):
    return lambda settings: factor * settings["x"]


@functools.wraps(power)
def named_otherwise(settings):
    return 0


def test_a_result_belongs_to_the_trial_that_made_it(tmp_path):
    functions_and_results = [
        (power, 9),
        (Scaled.results, 9),
        (ScaledMore.results, 12),
        (Scaled.plain, 3),
    ]
    for _ in range(2):
        for trial, result in functions_and_results:
            assert sweep.sweep(trial, [{"x": 3}], folder=tmp_path, title=None)[0].result == result
    assert len(list(tmp_path.iterdir())) == len(functions_and_results)


@pytest.mark.parametrize("trial", [
    lambda settings: 1, closed_over(5), functools.partial(power, exponent=3), Scaled(), Scaled().method,
    named_otherwise, len, np.vectorize(power),
])  # fmt: skip
def test_what_is_no_function_of_a_file_is_run_but_not_kept(tmp_path, trial):
    with pytest.raises(
        InputError, match="^trial: expected a function of a file, found there by its name, .* got "
    ):
        sweep.sweep(trial, [{"x": 3}], folder=tmp_path, title=None)
    assert not list(tmp_path.iterdir())
    sweep.sweep(trial, [{"x": 3}], title=None)


def test_an_edited_script_is_another_trial(tmp_path):
    script = tmp_path / "script.py"
    body = (
        "import sys\nfrom tinyattn import sweep\nNUMBERS = {'a': [1, 2]}\n"
        "def trial(s):\n    print('ran', end=' ')\n    return s['x'] * 2 + sum(NUMBERS['a'])\n"
        "print(sweep.sweep(trial, [{'x': 1}], folder='kept')[0].result)\n"
    )
    for edit, printed in [
        (None, "ran 5"),
        (None, "5"),
        (("* 2", "* 3"), "ran 6"),
        (("[1, 2]", "[1, 3]"), "ran 6"),
        (None, "5"),
    ]:
        script.write_text(body.replace(*edit) if edit else body)
        done = subprocess.run(
            [sys.executable, script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.stdout.strip() == printed, done.stderr


IMPORTS = {  # how a trial reaches the number in lab/deep/number.py, and whether it stands in the package
    "a module of a package": ("import lab.deep.number", "lab.deep.number.N", False),
    "a name of a module": ("from lab.deep.number import N", "N", False),
    "a module from a package": ("from lab.deep import number", "number.N", False),
    "an import in the function": ("", "inside()", False),
    "by way of another module": ("import lab.other", "lab.other.number()", False),
    "a package's own file": ("import lab", "lab.N()", False),
    "a neighbour": ("from .deep.number import N", "N", True),
    "a module of its own package": ("from . import other", "other.number()", True),
    "everything": ("from lab.deep.number import *", "N", False),
}


@pytest.mark.parametrize("how", IMPORTS)
def test_an_edit_of_what_a_trial_imports_is_seen_and_of_what_it_does_not_is_not(tmp_path, how):
    line, value, inside = IMPORTS[how]
    deep = tmp_path / "lab" / "deep"  # without a file of its own: a namespace package
    deep.mkdir(parents=True)
    (tmp_path / "lab" / "__init__.py").write_text(
        "def N():\n    from .deep.number import N\n    return N\n"
    )
    (tmp_path / "lab" / "other.py").write_text(
        "def number():\n    import lab.deep.number as n\n    return n.N\n"
    )
    trial = f"{line}\ndef inside():\n    from lab.deep import number\n    return number.N\ndef trial(s): return {value}\n"
    (tmp_path / ("lab/run.py" if inside else "run.py")).write_text(trial)
    home = "lab.run" if inside else "run"
    (tmp_path / "main.py").write_text(
        f"from {home} import trial\nfrom tinyattn import sweep\n"
        "print(sweep.sweep(trial, [{}], folder='kept', title=None)[0].result)\n"
    )
    told = []
    for number, unrelated in ((2, 1), (2, 2), (3, 2)):
        (deep / "number.py").write_text(f"N = {number}\n")
        (deep / "unrelated.py").write_text(f"M = {unrelated}\n")
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "main.py"], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        told.append((done.stdout.strip(), len(list((tmp_path / "kept").iterdir()))))
    assert told == [("2", 1), ("2", 1), ("3", 2)]


def test_a_trial_of_an_installed_package_is_told_by_its_package(tmp_path):
    installed = tmp_path / "site-packages"
    for name in ("mine", "theirs"):
        (installed / name).mkdir(parents=True)
        (installed / name / "__init__.py").write_text("")
    (installed / "mine" / "run.py").write_text(
        "import theirs\nfrom . import more\ndef trial(s): return 1\n"
    )
    (installed / "mine" / "more.py").write_text("")
    code = "from mine.run import trial\nfrom tinyattn import kept\nprint(kept.made_by('trial', trial)['code'])"
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{installed}"}
    digest = lambda: (
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True).stdout
    )
    first = digest()
    (installed / "theirs" / "__init__.py").write_text("N = 1")
    assert first and digest() == first
    (installed / "mine" / "more.py").write_text("N = 1")
    assert digest() != first


def test_what_a_result_depends_on_is_said(tmp_path):
    made = made_by("trial", Scaled.results)
    assert made["name"] == "Scaled.results" and len(made["code"]) == len(made["library"]) == 64
    assert made_by("trial", power)["code"] == made["code"], "of the same file"


def greedy(settings):
    return settings.pop("x") + settings.pop("list").pop()


def test_what_a_trial_does_to_its_settings_is_its_own_affair(tmp_path):
    points = [{"x": 1, "list": [2, 3]}]
    (first,), (again,) = (sweep.sweep(greedy, points, folder=tmp_path) for _ in range(2))
    assert first == again == ({"x": 1, "list": [2, 3]}, 4, None) and points == [
        {"x": 1, "list": [2, 3]}
    ]


def leaves(settings):
    """A trial that leaves: by sys.exit, or, in a process of its own, without a word."""
    if settings["x"] == 1:
        sys.exit("enough")
    if settings["x"] == 2:
        os._exit(3)
    return settings["x"]


def test_a_trial_that_leaves_ends_no_other(tmp_path):
    outcomes = sweep.sweep(leaves, [{"x": x} for x in (0, 1, 3)])
    assert [outcome.result for outcome in outcomes] == [0, None, 3] and outcomes[
        1
    ].error == "SystemExit: enough"
    with ProcessPoolExecutor(1) as pool:
        outcomes = sweep.sweep(leaves, [{"x": x} for x in (0, 2, 3)], map=pool.map, folder=tmp_path)
    assert outcomes[0].result == 0 and "the worker died" in outcomes[1].error and outcomes[2].error
    assert sweep.sweep(leaves, [{"x": 3}], folder=tmp_path)[0].result == 3


SMALL = [
    dict(pairs=2, vocab=4, width=8, batch=8, steps=20, judged=16, seed=seed) for seed in range(4)
]


@pytest.mark.parametrize("kind", ["processes", "threads", "pool of one's own"])
def test_every_map_gives_the_same_to_the_last_bit(tmp_path, kind):
    single = sweep.sweep(experiments.RecallTrial.results, SMALL)
    assert all(outcome.error is None for outcome in single)
    if kind == "processes":
        main = dict(vars(sys.modules["__main__"]))
        with sweep.processes(2) as map:
            there = sweep.sweep(experiments.RecallTrial.results, SMALL, map=map, folder=tmp_path)
            assert vars(sys.modules["__main__"]) == main, "the caller's script is not touched"
    else:
        with ThreadPoolExecutor(2) if kind == "threads" else ProcessPoolExecutor(2) as pool:
            there = sweep.sweep(
                experiments.RecallTrial.results, SMALL, map=pool.map, folder=tmp_path
            )
    assert (
        there == single
        and sweep.sweep(experiments.RecallTrial.results, SMALL, folder=tmp_path) == single
    )


def test_a_script_without_a_guard_can_use_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "print('once', flush=True)\nfrom experiments import RecallTrial\nfrom tinyattn import sweep\n"
        f"points = {SMALL[:2]!r}\n"
        "with sweep.processes(2) as map:\n    print([o.error for o in sweep.sweep(RecallTrial.results, points, map=map)])\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0 and done.stdout.splitlines() == ["once", "[None, None]"], (
        done.stderr
    )


@pytest.mark.parametrize("trial", ["def trial(s): return 1", "trial = lambda s: 1"])
def test_a_trial_of_the_script_that_runs_is_one_line(tmp_path, trial):
    script = tmp_path / "script.py"
    script.write_text(
        f"from tinyattn import sweep\n{trial}\nwith sweep.processes(2) as map:\n"
        "    try:\n        sweep.sweep(trial, [{}], map=map)\n    except ValueError as error:\n        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (
        done.stdout.startswith("trial: expected a function of a module")
        and done.stdout.count("\n") == 1
        and not done.stderr
    )


def dies_at(settings):
    print("what a trial prints is no answer")
    if settings["x"] in settings["fatal"]:
        os._exit(3)
    if settings["x"] == 4:
        raise ValueError("four")
    return os.getpid(), os.environ["OPENBLAS_NUM_THREADS"]


def test_a_worker_that_dies_loses_its_point_and_no_other(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    points = [{"x": x, "fatal": [1, 2, 5]} for x in range(8)]
    with sweep.processes(2) as map:
        outcomes = sweep.sweep(dies_at, points, map=map)
        again = sweep.sweep(dies_at, points[:1], map=map)
    errors = [outcome.error for outcome in outcomes]
    lost = "BrokenProcessPool: the worker died (killed, or out of memory?)"
    assert errors == [None, lost, lost, None, "ValueError: four", lost, None, None]
    assert {outcome.result[1] for outcome in outcomes if not outcome.error} == {"1"} and again[
        0
    ].error is None


def dies_while_it_answers(settings):
    """At x = 0 the process ends as soon as the trial is over, while its large answer is on its way."""
    if settings["x"]:
        return settings["x"]
    main = threading.main_thread().ident

    def end():
        running = True
        while running:
            frame, names = sys._current_frames()[main], set()
            while frame:
                names.add(frame.f_code.co_name)
                frame = frame.f_back
            running = "_attempt" in names
        os._exit(9)

    threading.Thread(target=end, daemon=True).start()
    return [f"some words of an answer {i}" for i in range(300_000)]


def test_a_worker_that_dies_while_it_answers_loses_its_point_and_no_other():
    with sweep.processes(2) as map:
        points = [{"x": x} for x in range(4)]
        outcomes = sweep.sweep(dies_while_it_answers, points, map=map, title=None)
    assert [outcome.result for outcome in outcomes] == [None, 1, 2, 3]
    assert "the worker died" in outcomes[0].error


def test_a_sweep_leaves_nothing_behind(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from experiments import RecallTrial\nfrom tinyattn import sweep\n"
        f"with sweep.processes(2) as map:\n    sweep.sweep(RecallTrial.results, {SMALL[:2]!r}, map=map)\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "lessons")])
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_workers_end_with_their_parent(tmp_path):
    trial = "import os, time\ndef trial(s):\n    open(s['at'], 'w').write(str(os.getpid()))\n    time.sleep(60)"
    (tmp_path / "slow.py").write_text(trial)
    at = tmp_path / "pid"
    code = (
        "from tinyattn import sweep\nimport slow\n"
        f"with sweep.processes(1) as map: sweep.sweep(slow.trial, [{{'at': {str(at)!r}}}], map=map)"
    )
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    parent = subprocess.Popen([sys.executable, "-c", code], env=env)
    deadline = time.monotonic() + 30
    while not (at.exists() and at.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(int(at.read_text()), 0)
            time.sleep(0.05)


def test_a_sweep_that_is_killed_keeps_what_was_finished(tmp_path):
    points = [{**SMALL[0], "steps": 300, "seed": seed} for seed in range(8)]
    code = (
        "from experiments import RecallTrial\nfrom tinyattn import sweep\n"
        f"sweep.sweep(RecallTrial.results, {points!r}, folder={str(tmp_path)!r})"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    run.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert 2 <= len(kept) < 8
    outcomes = sweep.sweep(experiments.RecallTrial.results, points, folder=tmp_path)
    assert (
        all(outcome.error is None for outcome in outcomes)
        and len(list(tmp_path.glob("*.json"))) == 8
    )
    assert (
        kept.items()
        <= {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}.items()
    )


def test_bad_input_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    for call, message in [
        (
            lambda: sweep.sweep(half, [{"x": {1, 2}}]),
            r"points: expected what JSON can hold, got \{'x': \{1, 2\}\}",
        ),
        (lambda: sweep.sweep(half, [{"x": float("nan")}]), "points: expected what JSON can hold"),
        (lambda: sweep.sweep(half, {"x": 1}), "points: expected a list of dicts"),
        (lambda: sweep.sweep(half, [3]), "points: expected dicts of settings, got 3"),
        (lambda: sweep.sweep(3, [{}]), "trial: expected a function of a dict of settings, got 3"),
        (
            lambda: sweep.sweep(half, [{"x": 2}], map=lambda *_: []),
            "map: expected a result for each of 1 points",
        ),
        (
            lambda: sweep.sweep(half, [{"x": 2}], folder=tmp_path / "file"),
            "folder: expected a folder that can be written, got .*file",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            call()
    assert sweep.sweep(experiments.RecallTrial.results, [dict(pears=3)])[0].error.startswith(
        "InputError: settings: expected only names among steps, every,"
    )
    assert sweep.sweep(lambda settings: {1, 2}, [{}])[0].error.startswith(
        "InputError: result: expected what JSON can hold"
    )
    with (
        pytest.raises(InputError, match="n: expected a whole number >= 1, got 0"),
        sweep.processes(0),
    ):
        pass


def test_results_in_another_order_are_refused_and_a_damaged_file_is_replaced(tmp_path):
    points = [{"x": 2}, {"x": 4}]
    with pytest.raises(
        InputError, match="map: expected results in the order of the points, got that of {'x': 4}"
    ):
        sweep.sweep(half, points, map=lambda f, points: [f(point) for point in reversed(points)])
    sweep.sweep(half, points, folder=tmp_path)
    for path in tmp_path.glob("*.json"):
        path.write_text("{")
    sweep.sweep(half, points, folder=tmp_path)
    assert all(json.loads(path.read_text())["result"] for path in tmp_path.glob("*.json"))


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error, said",
    [
        (Silent(), "Silent"),
        (ValueError("\n\nfoo\nbar"), "ValueError: foo"),
        (KeyError(), "KeyError"),
    ],
)
def test_every_error_is_one_line(error, said):
    def fails(settings):
        raise error

    assert [outcome.error for outcome in sweep.sweep(fails, [{}, {}])] == [said, said]


def test_ctrl_c_tells_what_is_kept(tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    points = [{"pairs": 2}]
    with pytest.raises(
        Interrupted, match=f"^interrupted in runs; what has finished is kept in {tmp_path}$"
    ):
        sweep.sweep(
            experiments.RecallTrial.results, points, map=interrupted, folder=tmp_path, title="runs"
        )
    with pytest.raises(KeyboardInterrupt) as caught:
        sweep.sweep(experiments.RecallTrial.results, points, map=interrupted, title="runs")
    assert not isinstance(caught.value, Interrupted)


def test_no_result_is_like_another_and_like_none():
    odd = [outcome.result for outcome in sweep.sweep(half, [{"x": 1}, {"x": 3}])]
    assert odd[0] == odd[1] and odd[0] != 0 and {None, *odd} == {None}


def test_a_point_is_known_by_its_settings_in_any_order_and_by_them_alone(tmp_path):
    log, folder = str(tmp_path / "log"), tmp_path / "kept"
    sweep.sweep(half, [{"x": 2, "log": log}], folder=folder)
    sweep.sweep(half, [{"log": log, "x": 2}], folder=folder)
    assert Path(log).read_text().split() == ["2"]
    (of_two,) = folder.iterdir()
    sweep.sweep(half, [{"x": 4, "log": log}], folder=folder)
    (of_four,) = set(folder.iterdir()) - {of_two}
    of_four.write_bytes(of_two.read_bytes())
    again = sweep.sweep(half, [{"x": 4, "log": log}], folder=folder)
    assert again[0].result["half"] == 2.0 and Path(log).read_text().split() == ["2", "4", "4"]


def test_the_bar_counts_what_is_kept_and_what_runs(tmp_path, monkeypatch):
    told = []

    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, n=1):
            told.append(n)

    monkeypatch.setattr(sweep, "progress_bar", lambda total, title: Bar())
    sweep.sweep(half, [{"x": 2}], folder=tmp_path)
    assert sum(told) == 1
    told.clear()
    sweep.sweep(half, [{"x": x} for x in (2, 4, 5, 6)], folder=tmp_path)
    assert told == [1, 1, 1, 1], "the one that is kept, then the three that run"


def threads_of(settings):
    return os.environ[settings["name"]]


def test_the_environment_may_give_processes_more_threads(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    points = [{"name": f"{library}_NUM_THREADS"} for library in ("OPENBLAS", "MKL")]
    with sweep.processes(2) as map:
        outcomes = sweep.sweep(threads_of, points, map=map)
    assert [outcome.result for outcome in outcomes] == ["3", "1"]
