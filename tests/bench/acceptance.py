"""What a first hour on a card should see: `python tests/bench/benchmark.py --device gpu --accept`.

Runs the gpu tests; compares gradients, flows and a training run with the CPU; asks whether a step waits for the card; times
steps, flows with many runs and the three operations that a card may not like; writes one Markdown table to
out/acceptance.md. Exit status: 0, or 1 where a test or a comparison fails.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import peers
from benchmark import (
    FULL,
    MINIMAL,
    ROOT,
    long_enough,
    markdown,
    operations,
    sgemm_rate,
    start_of,
    training_step,
)

from tinyattn import backend, losses, ode, optim
from tinyattn.cases import cases
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.flows.factorization import target
from tinyattn.flows.focus_dilution import FocusDilution

FLOAT64, FLOAT32, STEPS = 1e-10, 1e-4, 100
BUSY = 200  # products that keep the card busy while a step is queued behind them


@dataclass(frozen=True)
class Sizes:
    """How large the timings are. The defaults are for a card."""

    batches: tuple[int, ...] = (32, 128, 512, 3000, 12000)
    runs: tuple[int, ...] = (10, 100, 1000, 10_000, 100_000)
    replicas: tuple[int, ...] = (1, 10, 100, 1000)
    matrix: int = 8192


def relative(one, other):
    """Largest difference of two nests of arrays, in units of the largest entry of each array."""
    if isinstance(other, dict):
        return max(relative(one[key], other[key]) for key in other)
    if isinstance(other, (list, tuple)):
        return max(map(relative, one, other))
    one, other = backend.to_numpy((one, other))
    return float(np.abs(one - other).max() / max(1e-300, np.abs(other).max()))


def gradients(device):
    """Largest relative difference of outputs and gradients in float64, over every pair and model of the library."""
    worst = 0.0
    for case in cases():
        given = case.draw(np.random.default_rng(0))
        out, cache = case.forward(given)
        there, cache_there = case.forward(device.put(given))
        dout = np.random.default_rng(1).normal(size=np.shape(out))
        dout = dout if dout.ndim else float(dout)
        grads, grads_there = (
            case.backward(dout, cache),
            case.backward(device.put(dout), cache_there),
        )
        worst = max(worst, relative(there, out), relative(grads_there, grads))
    return worst


def flows(device):
    """Largest relative difference of the ends of three flows in float64, the same fixed steps."""
    two = lambda put: (
        TwoNumbers(put(np.array([64.0, 128.0])), 16.0),
        TwoNumbers(np.array([64.0, 128.0]), 16.0).start(),
    )

    def heads(put):
        flow = target((2.0, 1.0), 6, "simplex")
        there = type(flow)(*map(put, (flow.importances, flow.features, flow.places)), "simplex")
        return there, flow.start(2, 1e-3)

    def token(put):
        flow = FocusDilution(put(np.array([0.75, 0.19, 0.05, 0.01])), 0.5, 16)
        return flow, flow.start(np.random.default_rng(0), 1e-2)

    def end(of, put):
        flow, start = of(put)
        return ode.integrate(flow, (0, 20), put(start), n_steps=200, t_eval=[20.0]).y

    return max(relative(end(of, device.put), end(of, lambda x: x)) for of in (two, heads, token))


def after_training(device):
    """Largest relative difference of the parameters in float32 after 100 steps of the minimal model."""

    def trained(place):
        params, sequences = place.put(start_of(MINIMAL, 32))
        loss, optimizer = losses.next_token_loss(MINIMAL), optim.SGD(1.0)
        state = optimizer.init(params)
        for _ in range(STEPS):
            grads, _ = optim.clip_by_global_norm(loss(params, sequences)[1], 1.0)
            params, state = optimizer.step(params, grads, state)
        return params

    return relative(trained(device), trained(backend.get("cpu")))


def waits(device, matrix):
    """Names of the parts of a training step that return only when the card has done what was queued before them."""
    a = device.put(np.random.default_rng(0).random((matrix, matrix), dtype=np.float32))
    params, sequences = device.put(start_of(MINIMAL, 128))
    loss, optimizer = losses.next_token_loss(MINIMAL), optim.AdamW(0.003)
    state = optimizer.init(params)
    _, grads = loss(params, sequences)
    parts: dict[str, Callable] = {
        "forward and backward": lambda: loss(params, sequences),
        "clipping": lambda: optim.clip_by_global_norm(grads, 1.0),
        "AdamW": lambda: optimizer.step(params, grads, state),
    }
    found = []
    for name, part in parts.items():
        part()  # its kernels are compiled, and its memory is there
        device.synchronize()
        for _ in range(BUSY):
            a @ a
        done = device.xp.cuda.Event()
        done.record()
        part()
        if done.done:
            found.append(name)
        device.synchronize()
    return found


def table(device, sizes):
    """Rows of times: what, on the CPU, on the card, their ratio, and what more there is to say."""
    cpu, rate = backend.get("cpu"), sgemm_rate(device, sizes.matrix)
    rows = [["what", "CPU, ms", device.name + ", ms", "CPU / card", "beside it"]]

    def add(what, here, there, more=""):
        rows.append([what, f"{here * 1e3:.3g}", f"{there * 1e3:.3g}", f"{here / there:.2f}", more])

    rows.append(
        [
            f"float32 product of two {sizes.matrix} x {sizes.matrix} matrices",
            "",
            "",
            "",
            f"{rate / 1e12:.1f} TFLOP/s",
        ]
    )
    for name, model in (("minimal", MINIMAL), ("full", FULL)):
        for B in sizes.batches:
            here = long_enough(training_step(model, cpu, B, 128), cpu)
            there = long_enough(training_step(model, device, B), device)
            more = f"{operations(model, B) / there / rate:.0%} of the card's rate"
            if peers.installed("torch") and peers.torch_has_card():
                step = peers.step_of("PyTorch", model, *start_of(model, B), device="cuda")
                more += f"; PyTorch there {long_enough(step, device) / there:.2f} of this"
            add(f"{name}, batch {B}", here, there, more)
    for runs in sizes.runs:
        T = np.linspace(64, 4096, runs)

        def steps(place, T=T):
            flow, start = TwoNumbers(place.put(T), 64.0), place.put(TwoNumbers(T, 64.0).start())
            return long_enough(
                lambda: ode.integrate(flow, (0, 20), start, n_steps=20, t_eval=[20]), place
            )

        add(f"20 RK4 steps of two numbers, {runs} runs", steps(cpu), steps(device))
    for replicas in sizes.replicas:

        def speed(place, replicas=replicas):
            flow = FocusDilution(place.put(np.array([0.75, 0.19, 0.05, 0.01])), 0.5, 16)
            y = place.put(
                np.stack([flow.start(np.random.default_rng(i), 1e-1) for i in range(replicas)])
            )
            return long_enough(lambda: flow(0.0, y), place)

        add(f"the slope of focus and dilution, {replicas} replicas", speed(cpu), speed(device))
    for name, of in operations_of_doubt().items():
        add(name, *(long_enough(of(place), place) for place in (cpu, device)))
    return rows


def operations_of_doubt():
    """Operations that suit NumPy or that a card may not like, each with its alternative: functions of a place."""
    rng = np.random.default_rng(0)
    e, x, dv = (
        rng.random(shape, dtype=np.float32) for shape in ((384, 25, 25), (3200, 75), (3, 3200, 50))
    )
    ids, rows = rng.integers(50, size=3200), rng.random((3200, 64), dtype=np.float32)

    def of(function, *arrays):
        def there(place):
            given = place.put(arrays)
            return lambda: function(place.xp, *given)

        return there

    def scattered(xp, ids, rows):
        out = xp.zeros((50, 64), dtype=rows.dtype)
        backend.scatter_add(out, ids, rows)
        return out

    one_hot = lambda xp, ids, rows: (ids[:, None] == xp.arange(50)).astype(rows.dtype).T @ rows
    return {
        "row sums by einsum": of(lambda xp, e: xp.einsum("...s->...", e), e),
        "row sums by sum": of(lambda xp, e: e.sum(axis=-1), e),
        "x.T @ dv, a batch over heads": of(lambda xp, x, dv: x.T @ dv, x, dv),
        "scatter_add of 3200 rows": of(scattered, ids, rows),
        "the same by a one-hot product": of(one_hot, ids, rows),
    }


def crossover(rows):
    """The first batch of each network, and number of runs, from which the card is faster: a sentence."""
    first: dict[str, str] = {}
    for what, _, _, ratio, _ in rows[2:]:  # after the head and the card's rate
        kind, _, size = what.rpartition(", ")
        if kind and float(ratio) > 1:
            first.setdefault(kind, size)
    return (
        "The card is faster from: "
        + ("; ".join(f"{kind}, {size}" for kind, size in first.items()) or "nowhere")
        + ".\n"
    )


def gpu_tests():
    """Whether the tests marked gpu pass on the card."""
    env = {**os.environ, "TINYATTN_REQUIRE_GPU": "1"}
    return (
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", "gpu"], cwd=ROOT, env=env
        ).returncode
        == 0
    )


def accept(name, sizes=Sizes(), tests: Callable[[], bool] = gpu_tests, out=Path("out")):
    """Do all of it on the device of this name: an exit status."""
    device = backend.get(name)
    found = {
        "the gpu tests pass": tests(),
        f"float64, every pair and model: {(worst := gradients(device)):.1e}, at most {FLOAT64:.0e}": worst
        <= FLOAT64,
        f"float64, three flows: {(worst := flows(device)):.1e}, at most {FLOAT64:.0e}": worst
        <= FLOAT64,
        f"float32, {STEPS} steps: {(worst := after_training(device)):.1e}, at most {FLOAT32:.0e}": worst
        <= FLOAT32,
        f"parts of a step that wait for the card: {', '.join(parts := waits(device, sizes.matrix)) or 'none'}": not parts,
    }
    rows = table(device, sizes)
    lines = [f"- {'holds' if good else 'DOES NOT HOLD'}: {what}" for what, good in found.items()]
    text = "\n".join([f"# {card_name(device)}\n", *lines, "", markdown(rows), crossover(rows)])
    out.mkdir(parents=True, exist_ok=True)
    (out / "acceptance.md").write_text(text, encoding="utf-8")
    print(text)
    return 0 if all(found.values()) else 1


def card_name(device):
    """The card's name, and the version of CuPy."""
    index = int(device.name.partition(":")[2] or 0)
    name = device.xp.cuda.runtime.getDeviceProperties(index)["name"]
    return f"{name.decode() if isinstance(name, bytes) else name}, CuPy {device.xp.__version__}"
