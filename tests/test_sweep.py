import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from tinyattn import sweep, trials
from tinyattn.errors import InputError

ROOT = Path(__file__).parent.parent
calls = []


def half(settings):
    """A trial: half of x; odd ones fail."""
    calls.append(settings["x"])
    if settings["x"] % 2:
        raise ValueError(f"{settings['x']} is odd\nand more")
    return {"half": settings["x"] / 2, "third": settings["x"] / 3}


def test_outcomes_come_in_order_and_a_failure_does_not_stop_the_others():
    outcomes = sweep.sweep(half, [{"x": x} for x in (4, 3, 2)])
    assert [outcome.settings["x"] for outcome in outcomes] == [4, 3, 2]
    assert [outcome.error for outcome in outcomes] == [None, "ValueError: 3 is odd", None]
    assert outcomes[0].result == {"half": 2.0, "third": 4 / 3} and outcomes[1].result is None


def test_what_is_kept_is_not_run_again(tmp_path):
    points = [{"x": x} for x in (4, 3, 2)]
    calls.clear()
    fresh = sweep.sweep(half, points[:1], folder=tmp_path / "a" / "b")
    again = sweep.sweep(half, points, folder=tmp_path / "a" / "b")
    assert calls == [4, 3, 2] and again[0] == fresh[0] and again[0].result["third"] == 4 / 3
    sweep.sweep(half, points, folder=tmp_path / "a" / "b")
    assert calls == [4, 3, 2, 3], "only what failed is tried again"
    sweep.sweep(half, [{"x": 4, "more": 1}], folder=tmp_path / "a" / "b")
    assert calls[-1] == 4 and len(calls) == 5, "other settings are another point"
    kept = sorted((tmp_path / "a" / "b").iterdir())
    assert len(kept) == 3 and all(json.loads(path.read_text())["trial"].endswith("half") for path in kept)
    for path in kept:
        path.write_text("{ cut off")
    assert sweep.sweep(half, points[:1], folder=tmp_path / "a" / "b")[0] == fresh[0]


SMALL = [dict(pairs=2, tokens=4, width=8, batch=8, steps=20, judged=16, seed=seed) for seed in range(4)]


@pytest.mark.parametrize("kind", ["processes", "threads", "pool of one's own"])
def test_every_map_gives_the_same_to_the_last_bit(tmp_path, kind):
    alone = sweep.sweep(trials.recall, SMALL)
    assert all(outcome.error is None for outcome in alone)
    if kind == "processes":
        with sweep.processes(2) as map:
            there = sweep.sweep(trials.recall, SMALL, map=map, folder=tmp_path)
        assert vars(sys.modules["__main__"]).get("__file__"), "what was hidden is back"
    else:
        with ThreadPoolExecutor(2) if kind == "threads" else ProcessPoolExecutor(2) as pool:
            there = sweep.sweep(trials.recall, SMALL, map=pool.map, folder=tmp_path)
    assert there == alone and sweep.sweep(trials.recall, SMALL, folder=tmp_path) == alone


def test_a_script_without_a_guard_can_use_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "print('once', flush=True)\nfrom tinyattn import sweep, trials\n"
        f"points = {SMALL[:2]!r}\n"
        "with sweep.processes(2) as map:\n    print([o.error for o in sweep.sweep(trials.recall, points, map=map)])\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and done.stdout.splitlines() == ["once", "[None, None]"], done.stderr


def test_a_sweep_that_is_killed_keeps_what_was_finished(tmp_path):
    points = [{**SMALL[0], "steps": 300, "seed": seed} for seed in range(8)]
    code = f"from tinyattn import sweep, trials\nsweep.sweep(trials.recall, {points!r}, folder={str(tmp_path)!r})"
    run = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    run.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert 2 <= len(kept) < 8
    outcomes = sweep.sweep(trials.recall, points, folder=tmp_path)
    assert all(outcome.error is None for outcome in outcomes) and len(list(tmp_path.glob("*.json"))) == 8
    assert kept.items() <= {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}.items()


def test_bad_input_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    for call, message in [
        (lambda: sweep.sweep(half, [{"x": {1, 2}}]), r"points: expected what JSON can hold, got \{'x': \{1, 2\}\}"),
        (lambda: sweep.sweep(half, [{"x": float("nan")}]), "points: expected what JSON can hold"),
        (
            lambda: sweep.sweep(half, [{"x": 2}], folder=tmp_path / "file"),
            "folder: expected one that can be written, got .*file",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            call()
    assert sweep.sweep(trials.recall, [dict(pears=3)])[0].error.startswith(
        "InputError: settings: expected some of pairs, tokens,"
    )
    assert sweep.sweep(lambda settings: {1, 2}, [{}])[0].error.startswith("InputError: result: expected what JSON can hold")
    with pytest.raises(InputError, match="n: expected a whole number >= 1, got 0"), sweep.processes(0):
        pass
