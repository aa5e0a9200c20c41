"""What a person relies on who lets a run go on overnight: kills, Ctrl-C, the same seed, and gradients at any size."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import kill
import pytest
import random_models

ROOT = Path(__file__).parent.parent
LADDER = str(ROOT / "lessons" / "12_climbing_the_ladder.py")
SMALL = """
import matplotlib.pyplot as plt
import lesson
from experiments import LadderTrial

run = lesson.start("small", resumable=True)
settings = dict(vocab=6, spans=(1, 1), generated=6, held_out=40, batch=20, steps=2000, seed=run.options.seed)
trial = LadderTrial(**settings)
found = trial.run(map=run.map, checkpoint=run.checkpoint("checkpoint"), title="training")
run.figure(plt.figure(), "figure")
run.finish(trial.settings, kl=found["kl"], own=found["own_block_mass"])
"""
FLAGS = "--quick --no-show --device cpu".split()  # after the first checkpoint seconds are left
signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")


def start(arguments, folder, **env):
    """A process of its own, which Ctrl-C interrupts even where the shell that runs the tests ignores it."""
    heed = None if os.name == "nt" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OPENBLAS_NUM_THREADS": "1",
        **env,
    }
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=folder, env=env, preexec_fn=heed,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip


def results(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def interrupted(script, folder, times):
    """Start a lesson there and send SIGINT so many times once its first checkpoint is kept: status, stdout, stderr."""
    process = start([script, *FLAGS, "--out", "stopped"], folder)
    while not any((folder / "stopped").glob("*.npz")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    for _ in range(times):
        os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_is_killed_resumes_to_the_same_bits(tmp_path, seed):
    same, step, _ = kill.killed_and_resumed(tmp_path, seed)
    assert same, f"killed at step {step}"


@pytest.mark.parametrize("name", random_models.MODELS)
def test_gradients_are_right_whatever_the_settings(name):
    found = [random_models.checked(name, seed) for seed in range(10)]
    assert not [line for one in found for line in one.wrong]
    assert (
        sum(one.tensors for one in found) > len(found) and max(one.error for one in found) <= 1e-7
    )


def test_the_same_seed_gives_the_same_results_in_every_process(tmp_path):
    words = "recall --pairs 2 --vocab 6 --width 16 --batch 16 --steps 60 --judged 32 --seed".split()
    runs = {"1": 5, "2": 5, "3": 6}  # hash seed and name: seed
    processes = {
        name: start(
            [ROOT / "lessons" / "experiments", *words, seed, "--out", name],
            tmp_path,
            PYTHONHASHSEED=name,
        )
        for name, seed in runs.items()
    }
    found = []
    for name, process in processes.items():
        _, err = process.communicate()
        assert process.returncode == 0, err
        found.append(results(tmp_path / name)["seeds"][str(runs[name])])
    assert found[0] == found[1] and len(found[0]) > 5
    assert found[2]["clean_loss"] != found[0]["clean_loss"]


@signals
def test_after_ctrl_c_the_printed_command_goes_on_to_the_same_result(tmp_path):
    small = tmp_path / "small.py"
    small.write_text(SMALL)
    whole = start([small, *FLAGS, "--out", "whole"], tmp_path)
    status, _, err = interrupted(small, tmp_path, 1)
    (line,) = [line for line in err.splitlines() if "--resume" in line]
    assert status == 130 and "Traceback" not in err
    assert str(Path("stopped") / "checkpoint.npz") in line
    assert not (tmp_path / "stopped" / "results.json").exists()
    _, *command = shlex.split(line.partition("to go on: ")[2])
    process = start(command, tmp_path)
    out, err = process.communicate()
    assert process.returncode == 0 and "goes on from step" in out, err
    assert whole.communicate() and whole.returncode == process.returncode
    stopped, unbroken = (results(tmp_path / name) for name in ("stopped", "whole"))
    assert all(stopped[name] == unbroken[name] for name in ("kl", "own"))
    again = start(command, tmp_path)  # of a run that has ended, and then of another
    out, err = again.communicate()
    assert again.returncode == 0 and "goes on from step 2000" in out, err
    assert all(results(tmp_path / "stopped")[name] == unbroken[name] for name in ("kl", "own"))
    other = start([*command, "--seed", 1], tmp_path)
    _, err = other.communicate()
    assert other.returncode == 2 and err.startswith("error: resume: expected seed = 0, as in")


@signals
def test_two_ctrl_c_at_once_end_the_run(tmp_path):
    status, out, _ = interrupted(LADDER, tmp_path, 2)
    assert status != 0 and "results:" not in out
