"""How fast is it? Run from the repository:

    python tests/bench/benchmark.py             a training step of three networks, how its cost grows, the integrator, sampling
    python tests/bench/benchmark.py --peers     beside PyTorch, torch.compile, JAX, SciPy and diffrax, where they are installed
    python tests/bench/benchmark.py --write     the same, and the tables of the guide to speed
    python tests/bench/benchmark.py --device gpu --accept    what a first hour on a card should see, see acceptance.py

Machines are noisy: contenders run in processes of their own, one after the other, so many rounds; a figure is the median of
several steps and then of the rounds, and a ratio is taken within a round. GFLOP are those of the matrix products as the
models' equations state them; the yardstick is the machine's own float32 product of two 2048 x 2048 matrices.
"""

import argparse
import functools
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import peers

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "lessons"))

from experiments import RecallTrial
from tinyattn import backend, losses, models, ode, optim
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.tasks import markov

THREADS = os.cpu_count() or 1
VOCAB, PASS = 50, 128
MINIMAL, FULL = models.MinimalModel(VOCAB, 25, 3), models.Transformer(VOCAB, 31, first_query=11)
RECALL = RecallTrial().network
JOBS = {  # model, sequences in a batch, sequences in a pass
    "minimal, batch 512": (MINIMAL, 512, PASS),
    "minimal, batch 3000": (MINIMAL, 3000, PASS),
    "full, batch 512": (FULL, 512, 64),
    "full, batch 3000": (FULL, 3000, 64),
    "recall, batch 128": (RECALL, 128, 64),
}
HERE, MORE = (
    "here",
    "more",
)  # processes in which each product has one thread: steps, and the other tables
OF_STEPS = (
    "A training step: forward, backward, clipping and AdamW in float32. 50 tokens, 3 heads; minimal: 25 places; full: width "
    "255, 31 places, 20 queries; recall: the network of lesson 18. GFLOP are those of the products in the models' equations.\n"
)
OF_PASSES = "The same step in one piece and in passes, each product on one thread:\n"
OF_GROWTH = (
    "How a step grows, on one thread: slopes of log time, and of log operations, over doublings:\n"
)
OF_FLOWS = (
    "Two flows to one tolerance. Errors: of the 42 times, relative; of the state at the end; each against rk45 with a "
    "tolerance 1000 times finer or more. diffrax is timed once it is compiled.\n"
)
ENOUGH, RUNS = 2.0, 5  # seconds of steps in one figure, and steps at least


def seconds(call, device, runs):
    """Median seconds of a call after one to warm up."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        call()
        device.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def long_enough(call, device):
    """Median seconds of a call over about two seconds of them, 5 to 200 calls."""
    return seconds(call, device, max(RUNS, min(200, round(ENOUGH / seconds(call, device, 1)))))


def sgemm_rate(device, n=2048):
    """Floating-point operations a second of a product of two n x n float32 matrices: the yardstick."""
    a = device.put(np.random.default_rng(0).random((n, n), dtype=np.float32))
    return 2 * n**3 / seconds(lambda: a @ a, device, 9)


def operations(model, B):
    """Floating-point operations of the matrix products in one step; everything else is not counted."""
    S, V, H, D = model.positions, model.vocab, model.heads, model.width
    if isinstance(model, models.MinimalModel):
        T = S - model.first_query
        scores = 2 * (2 * T * D * S)  # forward a = q x^T, backward dq = da x
        values = 3 * (2 * T * S * V)  # forward y = s v, backward dv and ds
        weights = 2 * T * D * D + 2 * S * D * V  # dW_Q and dW_V; forward projections are look-ups
        return B * H * (scores + values + weights)
    total = 0
    for block in model.blocks:
        T = S - block.first_query
        total += 2 * (2 * T * S * D) + 2 * (T + S + S + T) * D * D + 2 * T * D * 2 * block.hidden
    return 3 * B * (total + 2 * T * D * (model.outputs or V))  # forward, and backward twice as much


def start_of(model, B):
    """Parameters in float32 and sequences (B, S+1), drawn with seed 0."""
    rng = np.random.default_rng(0)
    return backend.get("cpu").put(model.init(rng), "float32"), rng.integers(
        model.vocab, size=(B, model.positions + 1)
    )


def training_step(model, device, B, chunk=None, map=map):
    """A function that takes one training step: cross-entropy, clipping, AdamW, in float32."""
    params, sequences = device.put(start_of(model, B))
    loss, optimizer = losses.next_token_loss(model), optim.AdamW(peers.RATE)
    if chunk and chunk < B:
        loss = losses.chunked(loss, chunk, map)
    now = [params, optimizer.init(params)]

    def step():
        grads, _ = optim.clip_by_global_norm(loss(now[0], sequences)[1], peers.CLIP)
        now[:] = optimizer.step(now[0], grads, now[1])

    return step


def contender(name):
    """Seconds of a step by one contender in this process, for every job."""
    device, found = backend.get("cpu"), {}
    with ThreadPoolExecutor(THREADS) as pool:
        for job, (model, B, chunk) in JOBS.items():
            if name == HERE:
                step = training_step(model, device, B, chunk, pool.map)
            else:
                step = peers.step_of(name, model, *start_of(model, B))
            found[job] = long_enough(step, device)
    return found


def in_a_process(*arguments):
    """What this file prints as JSON when it is run with these arguments, one thread for each product here."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    if arguments[-1] in (HERE, MORE):
        env |= {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # read when NumPy is loaded
    done = subprocess.run(
        [sys.executable, __file__, *arguments], env=env, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def steps_table(names, rounds):
    """A Markdown table of training steps: milliseconds here, of every peer, and the share of the machine's rate."""
    told, rates = [], []
    for _ in range(rounds):
        rates.append(sgemm_rate(backend.get("cpu")))
        told.append({name: in_a_process("--one", name) for name in (HERE, *names)})
        print(".", end="", file=sys.stderr, flush=True)
    rate = statistics.median(rates)
    head = [
        "training step",
        "here, ms",
        *(f"{name}, ms" for name in names),
        *(["best of them / here"] if names else []),
    ]
    rows = [[*head, "GFLOP", f"share of {rate / 1e9:.0f} GFLOP/s"]]
    for job, (model, B, _) in JOBS.items():
        middle = lambda of: statistics.median(map(of, told))
        took = {name: middle(lambda one, name=name: one[name][job]) for name in (HERE, *names)}
        best = lambda one: min(one[name][job] for name in names) / one[HERE][job]
        flop, row = operations(model, B), [job, *(f"{t * 1e3:.1f}" for t in took.values())]
        row += [f"{middle(best):.2f}"] if names else []
        rows.append([*row, f"{flop / 1e9:.2f}", f"{flop / took[HERE] / rate:.0%}"])
    return markdown(rows)


def markdown(rows):
    """A table in Markdown, the first row its head."""
    line = lambda row: f"| {' | '.join(row)} |\n"
    return "".join([line(rows[0]), "|---" * len(rows[0]) + "|\n", *map(line, rows[1:])])


def growth_table():
    """How a step's time and its operation count grow with each size: slopes over three doublings, log against log."""
    device, rows = backend.get("cpu"), [["grows with", "from, to", "time like", "operations like"]]
    small = functools.partial(models.Transformer, VOCAB)
    sizes = {
        "minimal: batch": ([64, 512], lambda n: (MINIMAL, n)),
        "minimal: tokens": ([16, 128], lambda n: (models.MinimalModel(VOCAB, n, 3), 64)),
        "minimal: vocabulary": ([25, 200], lambda n: (models.MinimalModel(n, 25, 3), 64)),
        "minimal: heads": ([1, 8], lambda n: (models.MinimalModel(VOCAB, 25, n), 64)),
        "full: batch": ([16, 128], lambda n: (small(32, 128, 4), n)),
        "full: tokens": ([16, 128], lambda n: (small(n, 128, 4), 32)),
        "full: width": ([64, 512], lambda n: (small(32, n, 4), 32)),
        "full: heads": ([1, 8], lambda n: (small(32, 128, n), 32)),
        "full: depth": ([1, 8], lambda n: (small(32, 128, 4, depth=n), 32)),
    }
    for what, ((minimum, maximum), of) in sizes.items():
        tried = [minimum * 2**i for i in range(round(math.log2(maximum / minimum)) + 1)]
        points = [of(n) for n in tried]
        took = [long_enough(training_step(model, device, B), device) for model, B in points]
        slope = lambda ys, tried=tried: np.polyfit(np.log(tried), np.log(ys), 1)[0]
        count = slope([operations(model, B) for model, B in points])
        rows.append(
            [what, f"{minimum}, {maximum}", f"{slope(took):.2f}", f"{round(count, 2) + 0.0:.2f}"]
        )
    return markdown(rows)


def chunks_table():
    """A minimal step in one piece, in passes, and in passes side by side."""
    device = backend.get("cpu")
    rows = [
        [
            "minimal, batch",
            "in one piece, ms",
            f"passes of {PASS}, ms",
            f"these on {THREADS} threads, ms",
        ]
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        for B in (512, 3000):
            ways = (None, map), (PASS, map), (PASS, pool.map)
            took = [long_enough(training_step(MINIMAL, device, B, *way), device) for way in ways]
            rows.append([str(B), *(f"{t * 1e3:.1f}" for t in took)])
    return markdown(rows)


# The flows: the same tolerance, the error against a reference


def plateaus():
    """T, d and start of the 42 plateaus of lesson 07, and when each ends: loss - 0.1 falls through 0."""
    T, d = (grid.ravel() for grid in np.meshgrid(2.0 ** np.arange(6, 13), 2.0 ** np.arange(4, 10)))
    return T, d, TwoNumbers(T, d).start()


def snaps_here(T, d, start, **how):
    """Times (runs,) at which the plateaus end, all in one call, and the Solution."""
    flow = TwoNumbers(T, d)
    snap = ode.event(lambda t, y: flow.loss(y) - 0.1, terminal=True)
    found = ode.integrate(flow, (0, 1e7), start, method="rk45", events=snap, t_eval=[0.0], **how)
    return found.t_events[0], found


def stretches():
    """The flow of lesson 15, and two spans with their starts: to t = 1000, as there, and on to 3000, where it is stiff."""
    flow = FocusDilution(np.array([0.75, 0.19, 0.05, 0.01]), 0.5, 16)
    start = flow.start(np.random.default_rng(0), 1e-3)
    middle = ode.integrate(
        flow, (0, 1e3), start, method="rk45", rtol=1e-10, atol=1e-12, t_eval=[1e3]
    ).y[-1]
    return flow, [((0.0, 1e3), start), ((1e3, 3e3), middle)]


def timed(call):
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def flows_table(with_peers):
    """Two flows by every method: seconds, steps, evaluations of the field, and the largest error."""
    rows = [["flow", "by", "seconds", "steps", "evaluations", "largest error"]]
    scipy, diffrax = (with_peers and peers.installed(name) for name in ("scipy", "diffrax"))

    def row(flow, by, took, steps, calls, error):
        rows.append(
            [flow, by, f"{took:.3g}", f"{steps:,}", f"{calls:,}" if calls else "-", f"{error:.0e}"]
        )

    T, d, start = plateaus()
    exact, tolerance = (
        snaps_here(T, d, start, rtol=1e-12, atol=1e-15)[0],
        dict(rtol=1e-6, atol=1e-9),
    )
    took, (times, found) = timed(lambda: snaps_here(T, d, start, **tolerance))
    wrong = lambda times: np.abs(np.asarray(times) / exact - 1).max()
    what = "42 plateaus, rtol 1e-6"
    row(what, "rk45 here, in one call", took, found.n_steps, found.nfev, wrong(times))
    took, found = timed(lambda: [snaps_here(*plateau, **tolerance) for plateau in zip(T, d, start)])
    row(what, "rk45 here, one by one", took, sum(f.n_steps for _, f in found), sum(f.nfev for _, f in found),
        wrong([float(t[0]) for t, _ in found]))  # fmt: skip
    for method in ("RK45", "DOP853", "LSODA") if scipy else ():
        by = functools.partial(peers.plateau, method=method, **tolerance)
        took, found = timed(lambda by=by: [by(*plateau) for plateau in zip(T, d, start)])
        times, steps, calls = zip(*found)
        row(what, f"SciPy {method}, one by one", took, sum(steps), sum(calls), wrong(times))
    if diffrax:
        took, (times, steps) = peers.plateaus_in_diffrax(T, d, start, **tolerance)
        row(what, "diffrax Dopri5, in one call", took, steps, None, wrong(times))

    flow, spans = stretches()
    tolerance = dict(rtol=1e-8, atol=1e-10)
    for span, start in spans:
        what = f"focus and dilution, t = {span[0]:g} to {span[1]:g}, rtol 1e-8"
        here = functools.partial(ode.integrate, flow, span, start, method="rk45", t_eval=[span[1]])
        took, found = timed(lambda here=here: here(**tolerance))
        exact = here(rtol=1e-11, atol=1e-13).y[-1]
        wrong = lambda y, exact=exact: np.abs(np.asarray(y) - exact).max()
        row(what, "rk45 here", took, found.n_steps, found.nfev, wrong(found.y[-1]))
        implicit = functools.partial(
            ode.integrate, flow, span, start, method="bdf", t_eval=[span[1]], **tolerance
        )
        took, found = timed(implicit)
        row(what, "bdf here", took, found.n_steps, found.nfev, wrong(found.y[-1]))
        for method in ("RK45", "LSODA", "BDF") if scipy else ():
            by = functools.partial(peers.solve_scipy, flow, span, start, method, **tolerance)
            took, (_, y, steps, calls) = timed(by)
            row(what, f"SciPy {method}", took, steps, calls, wrong(y))
        if diffrax:
            took, (y, steps) = peers.stretch_in_diffrax(flow, span, start, **tolerance)
            row(what, "diffrax Dopri5", took, steps, None, wrong(y))
    return markdown(rows)


def other_figures():
    """Sampling, and steps a second of the integrator against the runs that it carries: sentences."""
    rng, device = np.random.default_rng(0), backend.get("cpu")
    chain = markov.draw_chain(rng)
    t = seconds(lambda: chain.sample(rng, 12000, 26), device, 5)
    rates = []
    for runs in (1, 100, 10_000):
        T, n = np.linspace(64, 4096, runs), 200 if runs <= 1000 else 20
        flow, start = TwoNumbers(T, 64.0), TwoNumbers(T, 64.0).start()
        took = seconds(
            functools.partial(ode.integrate, flow, (0, n), start, n_steps=n, t_eval=[n]), device, 3
        )
        rates.append(f"{runs * n / took:.1e}")
    return (
        f"Sampling 12,000 sequences of 26 tokens takes {t:.2f} s. RK4 on the two-number flow makes {', '.join(rates)} steps "
        "a second with 1, 100 and 10,000 runs side by side.\n"
    )


def machine():
    """Name of the processor, its cores, and versions."""
    info = Path("/proc/cpuinfo")
    found = (
        re.search(r"model name\s*: (.+)", info.read_text(encoding="utf-8"))
        if info.exists()
        else None
    )
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{name}, {THREADS} cores; Python {platform.python_version()}, NumPy {np.__version__}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peers", action="store_true", help="also PyTorch, JAX, SciPy, diffrax, where installed"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="processes of each contender, in alternation; default 3",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="with peers, and refresh the tables of the guide to speed and of README.md",
    )
    parser.add_argument("--device", default="cpu", help="a GPU for --accept")
    parser.add_argument(
        "--accept", action="store_true", help="what a first hour on a card should see"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)  # one contender, in a process of its own
    options = parser.parse_args()
    if options.one:
        print(
            json.dumps(
                [chunks_table(), growth_table()] if options.one == MORE else contender(options.one)
            )
        )
        return 0
    if options.accept:
        import acceptance

        return acceptance.accept(options.device)
    with_peers = options.peers or options.write
    names = [
        name for name, package in peers.PACKAGES.items() if with_peers and peers.installed(package)
    ]
    parts = [
        f"On {machine()}{peers.versions() if with_peers else ''}, medians of {options.rounds} rounds:\n"
    ]
    parts += [OF_STEPS, steps_table(names, options.rounds)]
    for caption, table in zip((OF_PASSES, OF_GROWTH), in_a_process("--one", MORE)):
        parts += [caption, table]
    parts += [OF_FLOWS, flows_table(with_peers), other_figures()]
    text = "\n".join(parts)
    print(text)
    if options.write:
        from run_all import between

        between(ROOT / "lessons" / "guides" / "speed.md", "speed", text)
        between(ROOT / "README.md", "steps", parts[2].strip() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
