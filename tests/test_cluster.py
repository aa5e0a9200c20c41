"""A sweep on an engine that runs already, dask's: what a worker that dies leaves behind, and the same results to the bit.

The lines of the guide to engines are those that run here."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import experiments
from experiments.command import main
from tinyattn import sweep

ROOT = Path(__file__).parent.parent
RECALL = [
    dict(pairs=2, vocab=6, width=16, batch=16, steps=60, judged=32, seed=seed) for seed in range(6)
]
LOCATION = [
    dict(length=6, width=4, model_width=16, batch=16, steps=60, judged=32, seed=seed)
    for seed in range(6)
]


@pytest.fixture(scope="module")
def cluster():
    from dask.distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


def workers_of(client):
    return client.run(os.getpid)


@pytest.mark.parametrize(
    "trial, points",
    [(experiments.RecallTrial.results, RECALL), (experiments.LocationTrial.results, LOCATION)],
)
def test_a_sweep_outlives_a_worker(cluster, tmp_path, trial, points):
    from dask.distributed import Client

    with Client(cluster) as client:
        killed = []

        def kill_one():  # once the first result is there, so half-way
            while not list(tmp_path.glob("*.json")):
                time.sleep(0.01)
            pid = next(iter(workers_of(client).values()))
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

        killer = threading.Thread(target=kill_one)
        killer.start()
        outcomes = sweep.sweep(
            trial, points, map=client.get_executor().map, folder=tmp_path, title=None
        )
        killer.join()
        client.wait_for_workers(2, timeout=30)
        assert killed[0] not in workers_of(client).values(), "the worker was not killed"
    assert [outcome.error for outcome in outcomes] == [None] * len(points)
    plain = sweep.sweep(trial, points, title=None)
    assert [outcome.result for outcome in outcomes] == [outcome.result for outcome in plain]
    assert len(list(tmp_path.glob("*.json"))) == len(points)


def test_the_guides_lines_run_on_the_cluster(cluster, tmp_path, monkeypatch):
    """The lines of the guide's sweep, and those that put dask in the place of its pool, with the cluster's address."""
    guide = (ROOT / "lessons" / "guides" / "engines.md").read_text(encoding="utf-8")
    points = re.search(r"```python\n(from experiments import RecallTrial\n.*?)```", guide, re.S)[1]
    lines = re.search(r"```python\n(from dask.distributed import Client\n.*?)```", guide, re.S)[1]
    monkeypatch.chdir(tmp_path)
    names = {}
    small = points.split("\nwith ")[0].replace(
        "pairs=4, vocab=16, steps=600", "pairs=2, vocab=6, width=16, batch=16, steps=20"
    )
    exec(small, names)
    exec(lines.replace("Client()", f"Client({cluster.scheduler_address!r})"), names)
    assert [outcome.error for outcome in names["outcomes"]] == [None] * 4
    names["client"].close()


def test_the_command_line_sends_its_runs_there(cluster, tmp_path, monkeypatch, capsys):
    words = (
        "recall --pairs 2 --vocab 6 --width 16 --batch 16 --steps 20 --judged 32 --seeds 3".split()
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*more):
        command = [sys.executable, str(ROOT / "lessons" / "experiments"), *words, *more]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)

    there = run("--scheduler", cluster.scheduler_address, "--out", "there")
    assert there.returncode == 0, there.stderr
    assert run("--out", "here").returncode == 0
    seeds = [
        json.loads((tmp_path / name / "results.json").read_text())["seeds"]
        for name in ("there", "here")
    ]
    assert seeds[0] == seeds[1] and len(list((tmp_path / "there" / "sweep").glob("*.json"))) == 3
    monkeypatch.chdir(tmp_path)
    for more, said in (
        (
            ["--scheduler", "tcp://127.0.0.1:9"],
            "--scheduler: expected the address of a running scheduler",
        ),
        (
            ["--scheduler", cluster.scheduler_address, "--resume"],
            "--resume: expected none with --scheduler",
        ),
    ):
        assert main([*words, *more]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {said}")
