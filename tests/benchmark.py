"""How fast is it? Run from the repository: python tests/benchmark.py [--device gpu]

Prints seconds of a whole training step (forward, backward, clip, AdamW) of the minimal model, its floating-point
operations, and the share of the machine's own float32 matrix-product rate that makes; sampling; and the integrator on
many runs at once. Machines are noisy: each figure is the median of several runs, all in one process.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tinyattn import backend, losses, models, ode, optim
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.flows.factorization import Factorization, target
from tinyattn.tasks import markov

VOCAB, POSITIONS, HEADS = 50, 25, 3
CHUNK, FULL_CHUNK = 125, 64
THREADS = os.cpu_count() or 1


def seconds(call, device, runs):
    """Median seconds of a call after one to warm up."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        call()
        device.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def sgemm_rate(device, n):
    """Floating-point operations a second of a product of two n x n float32 matrices: the yardstick."""
    a = device.put(np.random.default_rng(0).random((n, n), dtype=np.float32))
    return 2 * n**3 / seconds(lambda: a @ a, device, 9)


def operations(model, B, S):
    """Floating-point operations of the matrix products in one step; everything else is not counted."""
    T, D, V, H = S - model.first_query, model.width, model.vocab, model.heads
    if isinstance(model, models.MinimalModel):
        scores = 2 * (2 * T * D * S)  # forward a = q x^T, backward dq = da x
        values = 3 * (2 * T * S * V)  # forward y = s v, backward dv and ds
        weights = 2 * T * D * D + 2 * S * D * V  # dW_Q and dW_V; forward projections are look-ups
        return B * H * (scores + values + weights)
    attention = 2 * (2 * T * S * D)  # scores and values of all heads
    projections = 2 * (T + S + S + T) * D * D
    rest = 2 * T * D * (2 * model.hidden + V)
    return 3 * B * (attention + projections + rest)  # forward, and backward twice as much


def training_step(model, device, B, chunk, pool):
    """A function that takes one training step: cross-entropy, clipping, AdamW, in float32."""
    rng = np.random.default_rng(0)
    sequences = device.put(rng.integers(VOCAB, size=(B, model.positions + 1)))
    params = device.put(model.init(rng), "float32")
    loss, optimizer = losses.next_token_loss(model), optim.AdamW(0.003)
    if chunk:
        loss = losses.chunked(loss, chunk, pool.map if pool else map)
    state = optimizer.init(params)

    def step():
        _, grads = loss(params, sequences)
        grads, _ = optim.clip_by_global_norm(grads, 1.0)
        optimizer.step(params, grads, state)

    return step


def torch_step(model, B, threads):
    """The same step of the same network as a PyTorch module with its autograd; None where PyTorch is not installed."""
    try:
        import torch
        from torch.nn import functional as F
    except ImportError:
        return None
    torch.set_num_threads(threads)
    rng, first, S = np.random.default_rng(0), model.first_query, model.positions
    sequences = torch.from_numpy(rng.integers(VOCAB, size=(B, S + 1)))
    p = {key: torch.nn.Parameter(torch.from_numpy(w.astype("float32"))) for key, w in model.init(rng).items()}
    hidden = ~torch.ones(S - first, S, dtype=torch.bool).tril(first)

    def attend(q, k, v):
        a = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(hidden, -math.inf)
        return a.softmax(-1) @ v

    def minimal(x):
        place = torch.eye(S).expand(B, S, S)
        x = torch.cat([F.one_hot(x, VOCAB).float(), place], dim=-1)
        q = torch.einsum("btd,dhk->bhtk", x[:, first:], p["W_Q"])
        v = torch.einsum("bsd,dhv->bhsv", x, p["W_V"])
        return attend(q, x[:, None], v).sum(1)

    def full(x):
        D = model.width
        e = F.embedding(x, p["W_E"]) + p["W_P"]
        split = lambda e, W: (e @ W.reshape(D, D)).reshape(B, -1, model.heads, D // model.heads).transpose(1, 2)
        y = attend(split(e[:, first:], p["W_Q.1"]), split(e, p["W_K.1"]), split(e, p["W_V.1"]))
        c = y.transpose(1, 2).reshape(B, -1, D) @ p["W_O.1"].reshape(D, D)
        r = F.layer_norm(e[:, first:] + c, (D,), p["g_1.1"], p["b_1.1"])
        m = F.relu(r @ p["W_1.1"] + p["c_1.1"]) @ p["W_2.1"] + p["c_2.1"]
        return F.layer_norm(r + m, (D,), p["g_2.1"], p["b_2.1"]) @ p["W_U"] + p["c_U"]

    forward = minimal if isinstance(model, models.MinimalModel) else full
    optimizer = torch.optim.AdamW(p.values(), 0.003, weight_decay=0.01)

    def loss():
        return F.cross_entropy(forward(sequences[:, :-1]).flatten(0, 1), sequences[:, first + 1 :].flatten())

    ours = losses.next_token_loss(model)({key: w.detach().numpy() for key, w in p.items()}, sequences.numpy())[0]
    assert abs(loss().item() - float(ours)) < 1e-4, "the PyTorch module is another network"

    def step():
        optimizer.zero_grad()
        loss().backward()
        torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
        optimizer.step()

    return step


def steps_table(device, rate, threads):
    """Rows for every model and batch: whole, in chunks that fit the cache, or in chunks spread over threads."""
    on_gpu = device.xp is not np
    minimal = {context: models.MinimalModel(VOCAB, POSITIONS, HEADS, first_query=context - 1) for context in (1, 6)}
    full = models.Transformer(VOCAB, 31, first_query=11)
    jobs = [("minimal", minimal[context], B) for context in (1, 6) for B in (32, 512, 3000)]
    jobs += [("full", full, B) for B in (512, 3000)]
    with ThreadPoolExecutor(threads) as pool:
        for name, model, B in jobs:
            size = CHUNK if name == "minimal" else FULL_CHUNK
            for chunk in [size] if threads > 1 else [None] if on_gpu or B <= size else [None, size]:
                if B <= size and threads > 1 or (name == "full" and not on_gpu and threads == 1):
                    continue  # the full model is timed where it is fastest
                step, flop = training_step(model, device, B, chunk, pool if threads > 1 else None), operations(
                    model, B, model.positions)  # fmt: skip
                runs = max(5, min(200, 12000 // B)) if name == "minimal" else 3
                t, other = seconds(step, device, runs), ""
                rival = torch_step(model, B, threads) if threads > 1 else None
                if rival:
                    t_rival = seconds(rival, device, runs)
                    t = min(t, seconds(step, device, runs))
                    t_rival = min(t_rival, seconds(rival, device, runs))
                    other = f" {t_rival * 1e3:>9.1f} {t_rival / t:>6.2f}"
                print(
                    f"{name:<8} {model.positions - model.first_query:>8} {B:>6} {chunk or '-':>6} {threads:>8} {t * 1e3:>8.2f} "
                    f"{flop / 1e9:>7.3f} {flop / t / 1e9:>8.1f} {flop / t / rate:>9.1%}{other}",
                    flush=True,
                )


def grid_in_one_call(device):
    """The 42 plateaus of lesson 05, integrated together and one at a time, to the same tolerance."""
    T, d = (grid.ravel() for grid in np.meshgrid(2.0 ** np.arange(6, 13), 2.0 ** np.arange(4, 10)))

    def plateaus(T, d, put):
        flow = TwoNumbers(put(T), put(d))
        snap = ode.event(lambda t, y: flow.loss(y) - 0.1, terminal=True)
        start = put(TwoNumbers(T, d).start())
        return ode.integrate(flow, (0, 1e7), start, method="rk45", events=snap, t_eval=[0.0]).t_events[0]

    on_host = lambda x: x
    batched = seconds(lambda: plateaus(T, d, device.put), device, 3)
    single = seconds(lambda: [plateaus(*pair, on_host) for pair in zip(T.tolist(), d.tolist())], device, 3)
    print(f"\n42 plateaus (T 64..4096, d 16..512), rk45, rtol 1e-6: {batched:.2f} s in one call, "
          f"{single:.2f} s one at a time on the host, ratio {single / batched:.2f}")  # fmt: skip


def figures_run(device):
    """Lesson 07's run: simplex form, three heads, to t = 500, against a loop over heads of small Euler steps."""
    flow = target((2.89, 1.7, 1.0), 40, "simplex")
    y0, end, h = flow.start(3, 1e-6), 500.0, 0.005

    def adaptive(rtol, atol, there=flow, start=y0):
        return ode.integrate(there, (0, end), start, method="rk45", rtol=rtol, atol=atol, t_eval=[end]).y[-1]

    def plain():
        V, s, G = list(y0[:, :3]), list(y0[:, 3:]), flow.G
        for _ in range(round(end / h)):
            R = G - sum(np.outer(V_j, s_j) for V_j, s_j in zip(V, s))
            for j in range(3):
                pull = R.T @ V[j]
                V[j], s[j] = V[j] + h * (R @ s[j]), s[j] + h * (s[j] * (pull - s[j] @ pull))
        return np.concatenate([V, s], axis=1)

    exact = float(flow.loss(adaptive(1e-12, 1e-15)))
    put = [device.put(array) for array in (flow.importances, flow.features, flow.places, y0)]
    there = Factorization(*put[:3], "simplex")
    fast, slow = seconds(lambda: adaptive(1e-6, 1e-9, there, put[3]), device, 5), seconds(plain, backend.get("cpu"), 1)
    errors = [abs(float(flow.loss(y)) - exact) for y in (adaptive(1e-6, 1e-9), plain())]
    print(f"\nthree heads, simplex form, to t = 500 (loss {exact:.4e}): rk45, rtol 1e-6, {fast:.2f} s, loss off by "
          f"{errors[0]:.0e}; loop over heads of Euler steps of 0.005, {slow:.2f} s, off by {errors[1]:.0e}; "
          f"ratio {slow / fast:.1f}")  # fmt: skip


def steps_per_second(device):
    """RK4 steps of the two-number flow against the number of runs carried together."""
    print("\nRK4 on the two-number flow\n    runs   steps/s   runs x steps/s")
    for runs in (1, 10, 100, 1000, 10000, 100000):
        T = np.linspace(64, 4096, runs)
        flow, start = TwoNumbers(device.put(T), 64.0), device.put(TwoNumbers(T, 64.0).start())
        n = 200 if runs <= 1000 else 20
        t = seconds(lambda: ode.integrate(flow, (0, n), start, n_steps=n, t_eval=[n]), device, 3)
        print(f"{runs:>8} {n / t:>9.0f} {runs * n / t:>16.2e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device")
    parser.add_argument("--rate", type=float, help=argparse.SUPPRESS)  # given to the threaded rows by their parent
    options = parser.parse_args()
    device = backend.get(options.device)
    if options.rate:
        return steps_table(device, options.rate, THREADS)
    rate = sgemm_rate(device, 8192 if device.xp is not np else 2048)
    print(f"{device.name}, NumPy {np.__version__}; float32 matrix product: {rate / 1e9:.0f} GFLOP/s\n")
    print("one training step, float32, V = 50, 3 heads: minimal model, 25 positions; full transformer, width 255, 31 positions")
    print(f"{'model':<8} {'queries':>8} {'batch':>6} {'chunk':>6} {'threads':>8} {'ms':>8} {'GFLOP':>7} {'GFLOP/s':>8} "
          f"{'of sgemm':>9} {'PyTorch':>9} {'ratio':>6}", flush=True)  # fmt: skip
    steps_table(device, rate, 1)
    if device.xp is np:  # a process of its own: the number of BLAS threads is read when NumPy is loaded
        one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        subprocess.run([sys.executable, __file__, "--device", "cpu", "--rate", str(rate)], env=one_thread, check=True)
    rng = np.random.default_rng(0)
    chain = markov.draw_chain(rng)
    t = seconds(lambda: chain.sample(rng, 12000, 26), device, 5)
    print(f"\nsampling 12,000 sequences of 26 tokens, V = 50, spans (2, 2, 2), on the host: {t:.3f} s")
    grid_in_one_call(device)
    figures_run(device)
    steps_per_second(device)


if __name__ == "__main__":
    main()
