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

from tinyattn import sweep, trials
from tinyattn.errors import InputError
from tinyattn.kept import fingerprint
from tinyattn.progress import Interrupted

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
    assert outcomes[0].result == {"half": 2.0, "third": 4 / 3} and outcomes[1].result == None and not outcomes[1].result  # noqa: E711
    for use in (lambda none: none["half"], list, float, len):
        with pytest.raises(InputError, match="result: expected one, got a point that failed: ValueError: 3 is odd"):
            use(outcomes[1].result)


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
    assert len(kept) == 3 and all(json.loads(path.read_text())["trial"].endswith("half") for path in kept)
    for path in kept:
        path.write_text("{ cut off")
    assert sweep.sweep(half, points[:1], folder=folder)[0] == fresh[0]


def power(settings, exponent=2):
    return settings["x"] ** exponent


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, settings):
        return settings["x"] * self.factor

    def method(self, settings):
        return settings["x"] * self.factor


FACTOR = 10


def scaled_by_a_global(settings):
    return inner(settings["x"])


def inner(x):
    return FACTOR * x


def closed_over(factor):
    return lambda settings: (lambda x: factor * x)(settings["x"])


def test_a_result_belongs_to_the_trial_that_made_it(tmp_path, monkeypatch):
    trials_and_results = [
        (power, 9),
        (functools.partial(power, exponent=3), 27),
        (functools.partial(power, exponent=4), 81),
        (lambda settings: settings["x"] + 1, 4),
        (lambda settings: settings["x"] + 2, 5),
        (closed_over(5), 15),
        (closed_over(np.float32(6)), 18),
        (closed_over([7]), [7] * 3),
        (Scaled(8), 24),
        (Scaled(9).method, 27),
        (scaled_by_a_global, 30),
    ]
    for _ in range(2):
        for trial, result in trials_and_results:
            (outcome,) = sweep.sweep(trial, [{"x": 3}], folder=tmp_path)
            assert outcome.result == result or outcome.error, f"{trial} has got another's result"
        assert len(list(tmp_path.iterdir())) == len(trials_and_results)
    monkeypatch.setitem(globals(), "FACTOR", 11)
    assert sweep.sweep(scaled_by_a_global, [{"x": 3}], folder=tmp_path)[0].result == 33
    with pytest.raises(InputError, match="trial: expected one whose results can be kept, .* got .*lock"):
        sweep.sweep(closed_over(threading.Lock()), [{"x": 3}], folder=tmp_path)


def test_an_edited_script_is_another_trial_and_an_edited_comment_is_not(tmp_path):
    script = tmp_path / "script.py"
    body = (
        "import sys\nfrom tinyattn import sweep\nNUMBERS = {'a': [1, 2]}  # comment\n"
        "def trial(s):\n    print('ran', end=' ')\n    return s['x'] * 2 + sum(NUMBERS['a'])\n"
        "print(sweep.sweep(trial, [{'x': 1}], folder='kept')[0].result)\n"
    )
    for edit, printed in [
        (None, "ran 5"),
        (("comment", "remark"), "5"),
        (("* 2", "* 3"), "ran 6"),
        (("[1, 2]", "[1, 3]"), "ran 6"),
        (None, "5"),
    ]:
        script.write_text(body.replace(*edit) if edit else body)
        done = subprocess.run(
            [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        assert done.stdout.strip() == printed, done.stderr


def test_what_a_trial_does_to_its_settings_is_its_own_affair(tmp_path):
    def greedy(settings):
        return settings.pop("x") + settings.pop("list").pop()

    points = [{"x": 1, "list": [2, 3]}]
    (first,), (again,) = (sweep.sweep(greedy, points, folder=tmp_path) for _ in range(2))
    assert first == again == ({"x": 1, "list": [2, 3]}, 4, None) and points == [{"x": 1, "list": [2, 3]}]


def leaves(settings):
    """A trial that leaves: by sys.exit, or, in a process of its own, without a word."""
    if settings["x"] == 1:
        sys.exit("enough")
    if settings["x"] == 2:
        os._exit(3)
    return settings["x"]


def test_a_trial_that_leaves_ends_no_other(tmp_path):
    outcomes = sweep.sweep(leaves, [{"x": x} for x in (0, 1, 3)])
    assert [outcome.result for outcome in outcomes] == [0, None, 3] and outcomes[1].error == "SystemExit: enough"
    with ProcessPoolExecutor(1) as pool:
        outcomes = sweep.sweep(leaves, [{"x": x} for x in (0, 2, 3)], map=pool.map, folder=tmp_path)
    assert outcomes[0].result == 0 and "ended without a word" in outcomes[1].error and outcomes[2].error
    assert sweep.sweep(leaves, [{"x": 3}], folder=tmp_path)[0].result == 3


SMALL = [dict(pairs=2, vocab=4, width=8, batch=8, steps=20, judged=16, seed=seed) for seed in range(4)]


@pytest.mark.parametrize("kind", ["processes", "threads", "pool of one's own"])
def test_every_map_gives_the_same_to_the_last_bit(tmp_path, kind):
    single = sweep.sweep(trials.recall.run, SMALL)
    assert all(outcome.error is None for outcome in single)
    if kind == "processes":
        main = dict(vars(sys.modules["__main__"]))
        with sweep.processes(2) as map:
            there = sweep.sweep(trials.recall.run, SMALL, map=map, folder=tmp_path)
            assert vars(sys.modules["__main__"]) == main, "the caller's script is not touched"
    else:
        with ThreadPoolExecutor(2) if kind == "threads" else ProcessPoolExecutor(2) as pool:
            there = sweep.sweep(trials.recall.run, SMALL, map=pool.map, folder=tmp_path)
    assert there == single and sweep.sweep(trials.recall.run, SMALL, folder=tmp_path) == single


def test_a_script_without_a_guard_can_use_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "print('once', flush=True)\nfrom tinyattn import sweep, trials\n"
        f"points = {SMALL[:2]!r}\n"
        "with sweep.processes(2) as map:\n    print([o.error for o in sweep.sweep(trials.recall.run, points, map=map)])\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and done.stdout.splitlines() == ["once", "[None, None]"], done.stderr


@pytest.mark.parametrize("trial", ["def trial(s): return 1", "trial = lambda s: 1"])
def test_a_trial_of_the_script_that_runs_is_one_line(tmp_path, trial):
    script = tmp_path / "script.py"
    script.write_text(
        f"from tinyattn import sweep\n{trial}\nwith sweep.processes(2) as map:\n"
        "    try:\n        sweep.sweep(trial, [{}], map=map)\n    except ValueError as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout.startswith("trial: expected a function of a module") and done.stdout.count("\n") == 1 and not done.stderr


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
    lost = "BrokenExecutor: a process of the pool ended without a word (killed, or out of memory?)"
    assert errors == [None, lost, lost, None, "ValueError: four", lost, None, None]
    assert {outcome.result[1] for outcome in outcomes if not outcome.error} == {"1"} and again[0].error is None


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
    code = f"from tinyattn import sweep, trials\nsweep.sweep(trials.recall.run, {points!r}, folder={str(tmp_path)!r})"
    run = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    run.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert 2 <= len(kept) < 8
    outcomes = sweep.sweep(trials.recall.run, points, folder=tmp_path)
    assert all(outcome.error is None for outcome in outcomes) and len(list(tmp_path.glob("*.json"))) == 8
    assert kept.items() <= {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}.items()


def test_bad_input_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    for call, message in [
        (lambda: sweep.sweep(half, [{"x": {1, 2}}]), r"points: expected what JSON can hold, got \{'x': \{1, 2\}\}"),
        (lambda: sweep.sweep(half, [{"x": float("nan")}]), "points: expected what JSON can hold"),
        (lambda: sweep.sweep(half, {"x": 1}), "points: expected a list of dicts"),
        (lambda: sweep.sweep(half, [3]), "points: expected dicts of settings, got 3"),
        (lambda: sweep.sweep(3, [{}]), "trial: expected a function of a dict of settings, got 3"),
        (lambda: sweep.sweep(half, [{"x": 2}], map=lambda *_: []), "map: expected a result for each of 1 points"),
        (
            lambda: sweep.sweep(half, [{"x": 2}], folder=tmp_path / "file"),
            "folder: expected a folder that can be written, got .*file",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            call()
    assert sweep.sweep(trials.recall.run, [dict(pears=3)])[0].error.startswith(
        "InputError: settings: expected only names among steps, every,"
    )
    assert sweep.sweep(lambda settings: {1, 2}, [{}])[0].error.startswith("InputError: result: expected what JSON can hold")
    with pytest.raises(InputError, match="n: expected a whole number >= 1, got 0"), sweep.processes(0):
        pass


HELPER = """
import functools
from helper2 import deeper
SCALE = 2
class Tool:
    factor = 3
    def use(self, x): return self.inside(x) * self.factor
    def inside(self, x): return x
@functools.lru_cache
def cached(x): return x + 1
def g(x): return SCALE * deeper(x)
"""
SCRIPT = """
import functools, json, sys
import numpy as np
from tinyattn import kept
import helper
from helper import Tool
NAMES = {"c", "a", "b"}
def imports_inside(s):
    from helper import g
    return g(s["x"])
def by_attribute(s): return helper.g(s["x"])
def by_class(s): return Tool().use(s["x"])
def by_cache(s): return helper.cached(s["x"])
def of_names(s): return len(NAMES) * s["x"]
class Derived(Tool):
    def __call__(self, s): return self.use(s["x"])
TRIALS = {"inside": imports_inside, "attribute": by_attribute, "class": by_class, "cache": by_cache, "names": of_names,
          "derived": Derived(), "method": Derived().use, "vectorized": np.vectorize(helper.g),
          "partial": functools.partial(helper.g)}
exec(sys.argv[1])
print(json.dumps({name: kept.fingerprint("trial", trial) for name, trial in TRIALS.items()}))
"""


def test_fingerprints_see_what_the_code_reaches_and_are_the_same_in_every_process(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)

    def told(seed="1", helper=("", ""), helper2="def deeper(x): return x", change=""):
        (tmp_path / "helper.py").write_text(HELPER.replace(*helper))
        (tmp_path / "helper2.py").write_text(helper2)
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, "script.py", change], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    first = told()
    changed = lambda **how: {name for name, digest in told(**how).items() if digest != first[name]}
    of_g = {"inside", "attribute", "vectorized", "partial"}
    assert changed(seed="2") == changed(seed="3") == set()
    assert changed(helper=("SCALE = 2", "SCALE = 4")) == of_g
    assert changed(helper2="def deeper(x): return x * 1") == of_g
    assert changed(change="helper.SCALE = 5") == of_g, "globals count as they are when it runs"
    assert changed(helper=("x + 1", "x + 2")) == {"cache"}
    assert changed(helper=("return x\n", "return 2 * x\n")) == {"class", "derived", "method"}, (
        "what a method calls, and a base class"
    )
    assert changed(change="Tool.factor = 7") == {"class", "derived", "method"}
    assert changed(change="NAMES.add('d')") == {"names"}
    assert changed(helper=("import functools", "# a comment\nimport functools")) == set()


def test_functions_that_differ_in_nothing_but_their_shape_are_told_apart():
    pairs = [
        ("lambda a: len(a)", "lambda *a: len(a)"),
        ("lambda a, b=1: b", "lambda a, b=2: b"),
        ("lambda a: (lambda: a)", "lambda a: (lambda: 1)"),
    ]
    for one, other in pairs:
        assert fingerprint("trial", eval(one)) != fingerprint("trial", eval(other))
        assert fingerprint("trial", eval(one)) == fingerprint("trial", eval(one))
    spaces = [{}, {}]
    body = "def t(s):\n    try:\n        a()\n{}    except ValueError:\n        return 0\n{}"
    exec(body.format("        b()\n", ""), spaces[0])
    exec(body.format("", "    else:\n        b()\n"), spaces[1])
    assert fingerprint("trial", spaces[0]["t"]) != fingerprint("trial", spaces[1]["t"])
    plain, marked = eval("lambda s: s"), eval("lambda s: s")
    marked.level = 2
    assert fingerprint("trial", plain) != fingerprint("trial", marked)
    chain = eval("lambda: 0")
    for _ in range(60):  # each names the one before three times: told once, not 3^60 times
        space = {"a": chain, "b": chain, "c": chain}
        chain = eval("lambda: a() + b() + c()", space)
    start = time.perf_counter()
    fingerprint("trial", chain)
    assert time.perf_counter() - start < 5


def test_results_in_another_order_are_refused_and_a_damaged_file_is_replaced(tmp_path):
    points = [{"x": 2}, {"x": 4}]
    with pytest.raises(InputError, match="map: expected results in the order of the points, got that of {'x': 4}"):
        sweep.sweep(half, points, map=lambda f, *columns: [f(*row) for row in reversed(list(zip(*columns)))])
    sweep.sweep(half, points, folder=tmp_path)
    for path in tmp_path.glob("*.json"):
        path.write_text("{")
    sweep.sweep(half, points, folder=tmp_path)
    assert all(json.loads(path.read_text())["result"] for path in tmp_path.glob("*.json"))


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error, said", [(Silent(), "Silent"), (ValueError("\n\nfoo\nbar"), "ValueError: foo"), (KeyError(), "KeyError")]
)
def test_every_error_is_one_line(error, said):
    def fails(settings):
        raise error

    assert [outcome.error for outcome in sweep.sweep(fails, [{}, {}])] == [said, said]


def test_ctrl_c_tells_what_is_kept(tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    points = [{"pairs": 2}]
    with pytest.raises(Interrupted, match=f"^interrupted in runs; what has finished is kept in {tmp_path}$"):
        sweep.sweep(trials.recall.run, points, map=interrupted, folder=tmp_path, title="runs")
    with pytest.raises(KeyboardInterrupt) as caught:
        sweep.sweep(trials.recall.run, points, map=interrupted, title="runs")
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
