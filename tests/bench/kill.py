"""Kill training runs at random moments, and resume them to the same bits: python tests/bench/kill.py [--runs 50] [--seed 0]

A child process trains a small model and writes a checkpoint every other step, so that a kill often lands inside a write.
After every kill the folder holds a checkpoint that can be read, and at most hidden unfinished files beside it. The run that
is resumed to its end has the parameters and the whole history of one that nobody killed. Machines are noisy: now and then
the child has finished before it is killed, which is counted.
"""

import argparse
import functools
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tinyattn import losses, models, optim, train
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import InputError
from tinyattn.tasks import markov

STEPS, EVERY, SETTINGS = 120, 2, {"task": "killed"}


def falling(step, history):
    """A learning rate that adapts: halved at every look that has not improved on all before."""
    seen = history["validation"]
    return float(0.5 ** (seen[1:] >= np.minimum.accumulate(seen)[:-1]).sum())


def adapting(data, rng):
    """Batches that adapt: the larger, the better the network is."""

    def draw(step, history):
        return data[rng.integers(len(data), size=16 if history.last("validation") > 1.5 else 24)]

    return draw


def trained(path):
    """Train from the checkpoint there, or from the start: a digest of all bits of the parameters and of the history."""
    rng = np.random.default_rng(0)
    chain = markov.draw_chain(rng, vocab=6, spans=(2, 1))
    model = models.MinimalModel(vocab=6, positions=11, heads=3, first_query=chain.order - 1)
    data, held_out, params = chain.sample(rng, 100, 12), chain.sample(rng, 20, 12), model.init(rng)
    loss = losses.next_token_loss(model)

    def look(step, params):
        value, grads = loss(params, held_out)
        return {"validation": value, "slope": grads["W_V"], "looked_at": step}

    params, history = train.train(
        loss, params, adapting(data, rng), optim.AdamW(0.01), steps=STEPS, clip=0.3, every=3, title=None,
        callbacks=[(2, look), (7, lambda step, params: {"queries": params["W_Q"]})], schedule=falling,
        checkpoint=Checkpoint(path, EVERY, True, SETTINGS),
    )  # fmt: skip
    digest = hashlib.sha256()
    for name, arrays in {"params": params, **history.tree()}.items():
        for key, array in arrays.items():
            digest.update(f"{name} {key} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def child(path):
    """A process that trains and prints the digest; its code is this file."""
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "TINYATTN_DEVICE": "cpu",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, __file__, "--child", str(path)], env=env, stdout=subprocess.PIPE
    )


def wait_for_write(process, path):
    """Until a new checkpoint has been put in its place, or the process has ended."""
    written = lambda: path.stat().st_mtime_ns if path.exists() else None
    before = written()
    while written() == before and process.poll() is None:
        time.sleep(0.002)


@functools.cache
def unbroken():
    """What a run that nobody kills prints, and the seconds from its first checkpoint to its end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        process = child(path)
        wait_for_write(process, path)
        start = time.perf_counter()
        printed, _ = process.communicate()
        assert process.returncode == 0, "the unbroken run failed"
        return printed, time.perf_counter() - start


def kept_step(path):
    """The step of the checkpoint that a kill has left: it can be read, and beside it lies nothing but unfinished files."""
    beside = [file.name for file in path.parent.iterdir() if file != path]
    strange = [name for name in beside if not (name.startswith(".") and name.endswith(".part"))]
    assert not strange, f"expected a checkpoint and unfinished files, got {', '.join(strange)}"
    return Checkpoint(path, resume=True, settings=SETTINGS).read()["step"]


def killed_and_resumed(folder, seed):
    """Kill a run in this folder once or twice, then let it end: whether all bits are the same, the step of the first kill, and
    how many writes were cut."""
    rng, path = np.random.default_rng(seed), Path(folder) / "run.npz"
    wanted, seconds = unbroken()
    steps, cut = [], 0
    for _ in range(rng.integers(1, 3)):
        process = child(path)
        wait_for_write(process, path)
        try:
            process.communicate(timeout=seconds * rng.random())
        except subprocess.TimeoutExpired:
            process.kill()  # SIGKILL, or on Windows terminate()
            process.communicate()
        steps.append(kept_step(path))
        cut += len(list(path.parent.glob(".*.part")))
    process = child(path)
    printed, _ = process.communicate()
    assert process.returncode == 0, f"the run resumed at step {steps[-1]} failed"
    assert kept_step(path) == STEPS and steps == sorted(steps)
    return printed == wanted, steps[0], cut


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first run; the next has the next"
    )
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(trained(options.child))
        return 0
    start, same, on_the_way, unfinished = time.perf_counter(), 0, 0, 0
    for seed in range(options.seed, options.seed + options.runs):
        with tempfile.TemporaryDirectory() as folder:
            try:
                bits, step, cut = killed_and_resumed(folder, seed)
            except (AssertionError, InputError) as error:
                print(f"seed {seed}: {error}")
                continue
        same, on_the_way, unfinished = same + bits, on_the_way + (step < STEPS), unfinished + cut
        print(
            f"seed {seed}: killed at step {step}, {cut} writes cut, {'the same' if bits else 'OTHER'} bits",
            flush=True,
        )
    print(
        f"{same} of {options.runs} resumed to the same bits, {on_the_way} were killed on the way, {unfinished} writes were cut",
        end="",
    )
    print(f" ({time.perf_counter() - start:.0f} s)")
    return 0 if same == options.runs else 1


if __name__ == "__main__":
    sys.exit(main())
