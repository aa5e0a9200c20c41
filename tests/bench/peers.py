"""The same training steps and the same flows as others compute them, for `benchmark.py --peers`.

PyTorch, eager or compiled, and JAX under jit differentiate the network below by themselves. SciPy and diffrax integrate the
flows. All are optional; `installed` says which are there.
"""

import functools
import importlib.metadata
import importlib.util
import itertools
import math
import os
import time
import types

import numpy as np

from tinyattn import losses, models, ode
from tinyattn.flows.emergence import TwoNumbers

PACKAGES = {"PyTorch": "torch", "torch.compile": "torch", "JAX jit": "jax"}
RATE, CLIP, DECAY, EPS = 0.003, 1.0, 0.01, 1e-8


def installed(package):
    return importlib.util.find_spec(package) is not None


def torch_has_card():
    import torch

    return torch.cuda.is_available()


def network(model, lib):
    """The forward pass of a MinimalModel or a Transformer as a function (params, x) in the words of `lib`."""

    def attend(q, k, v, first):
        T, S = q.shape[-2], k.shape[-2]
        hidden = lib.hidden(T, S, first)
        a = lib.where(hidden, -math.inf, q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]))
        return lib.softmax(a) @ v

    def minimal(p, x):
        S, first = x.shape[1], model.first_query
        place = lib.broadcast_to(lib.eye(S, model.positions), (x.shape[0], S, model.positions))
        x = lib.cat([lib.one_hot(x, model.vocab), place])
        q = lib.einsum("btd,dhk->bhtk", x[:, first:], p["W_Q"])
        v = lib.einsum("bsd,dhv->bhsv", x, p["W_V"])
        return attend(q, x[:, None], v, first).sum(1)

    def transformer(p, x):
        z = p["W_E"][x] + p["W_P"][: x.shape[1]]
        for i, block in enumerate(model.blocks, 1):
            of = lambda name, i=i: p[f"{name}.{i}"]
            first, e = block.first_query, z[:, block.first_query :]
            split = lambda e, W: lib.einsum("bsd,dhk->bhsk", e, W)
            y = attend(split(e, of("W_Q")), split(z, of("W_K")), split(z, of("W_V")), first)
            z = e + lib.einsum("bhtk,hkd->btd", y, of("W_O"))
            if block.norm:
                z = lib.norm(z, of("g_1"), of("b_1"))
            if block.hidden:
                m = lib.relu(z @ of("W_1") + of("c_1")) @ of("W_2") + of("c_2")
                z = lib.norm(z + m, of("g_2"), of("b_2")) if block.norm else z + m
        return z @ p["W_U"] + p["c_U"]

    return minimal if isinstance(model, models.MinimalModel) else transformer


def step_of(peer, model, params, sequences, device="cpu"):
    """A function that takes one training step of `peer`: cross-entropy, clipping, AdamW, in float32. device: for PyTorch."""
    ours = float(losses.next_token_loss(model)(params, sequences)[0])
    if peer == "JAX jit":
        step, loss = _jax(model, params, sequences)
    else:
        step, loss = _torch(model, params, sequences, peer == "torch.compile", device)
    assert abs(loss() - ours) < 1e-4, f"the network of {peer} is another one"
    return step


def _torch(model, params, sequences, compiled, device):
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(os.cpu_count() or 1)
    lib = types.SimpleNamespace(
        einsum=torch.einsum, where=torch.where, broadcast_to=torch.broadcast_to, relu=F.relu,
        eye=functools.partial(torch.eye, device=device),
        hidden=lambda T, S, first: ~torch.ones(T, S, dtype=torch.bool, device=device).tril(first),
        softmax=lambda a: a.softmax(-1), one_hot=lambda x, n: F.one_hot(x, n).float(), cat=lambda xs: torch.cat(xs, dim=-1),
        norm=lambda x, g, b: F.layer_norm(x, g.shape, g, b),
    )  # fmt: skip
    forward, x = network(model, lib), torch.from_numpy(sequences).to(device)
    p = {
        key: torch.nn.Parameter(torch.from_numpy(w.copy()).to(device)) for key, w in params.items()
    }
    optimizer = torch.optim.AdamW(p.values(), RATE, weight_decay=DECAY, eps=EPS)

    def loss(p, x):
        return F.cross_entropy(
            forward(p, x[:, :-1]).flatten(0, 1), x[:, model.first_query + 1 :].flatten()
        )

    if compiled:
        loss = torch.compile(loss)

    def step():
        optimizer.zero_grad()
        loss(p, x).backward()
        torch.nn.utils.clip_grad_norm_(p.values(), CLIP)
        optimizer.step()
        if device != "cpu":
            torch.cuda.synchronize()

    return step, lambda: loss(p, x).item()


def _jax(model, params, sequences):
    import jax
    import jax.numpy as jnp

    def norm(x, g, b):
        c = x - x.mean(-1, keepdims=True)
        return g * c * jax.lax.rsqrt((c * c).mean(-1, keepdims=True) + 1e-5) + b

    lib = types.SimpleNamespace(
        einsum=jnp.einsum, where=jnp.where, broadcast_to=jnp.broadcast_to, relu=jax.nn.relu, eye=jnp.eye, norm=norm,
        hidden=lambda T, S, first: ~jnp.tri(T, S, first, dtype=bool), softmax=jax.nn.softmax, one_hot=jax.nn.one_hot,
        cat=lambda xs: jnp.concatenate(xs, axis=-1),
    )  # fmt: skip
    forward = network(model, lib)

    def loss(p, x):
        log_p = jax.nn.log_softmax(forward(p, x[:, :-1]))
        return -jnp.take_along_axis(log_p, x[:, model.first_query + 1 :, None], axis=-1).mean()

    def one(p, state, x):
        _, g = jax.value_and_grad(loss)(p, x)
        size = jnp.sqrt(sum((part * part).sum() for part in g.values()))
        g = {key: part * (CLIP / jnp.maximum(size, CLIP)) for key, part in g.items()}
        t, m, u = state[0] + 1, *({key: b * old[key] + (1 - b) * g[key] ** n for key in g}
                                  for old, b, n in ((state[1], 0.9, 1), (state[2], 0.999, 2)))  # fmt: skip
        turn = {key: m[key] / (1 - 0.9**t) / (jnp.sqrt(u[key] / (1 - 0.999**t)) + EPS) for key in g}
        return {key: p[key] - RATE * DECAY * p[key] - RATE * turn[key] for key in g}, (t, m, u)

    one = jax.jit(one, donate_argnums=(0, 1))
    x = jnp.asarray(sequences)
    start = {key: jnp.asarray(w) for key, w in params.items()}
    zeros = lambda: {key: jnp.zeros_like(w) for key, w in start.items()}
    now = [{key: w.copy() for key, w in start.items()}, (0.0, zeros(), zeros())]

    def step():
        now[:] = one(*now, x)
        jax.block_until_ready(now)

    return step, lambda: float(jax.jit(loss)(start, x))


def versions():
    """Of the peers that are installed, to follow those of Python and NumPy."""
    names = ("torch", "jax", "scipy", "diffrax")
    return "".join(
        f", {name} {importlib.metadata.version(name)}" for name in names if installed(name)
    )


def plateau(T, d, start, method, **tolerance):
    """By SciPy: when the plateau of TwoNumbers(T, d) ends, steps, and evaluations of the field."""
    flow = TwoNumbers(T, d)
    stop = ode.event(lambda t, y: flow.loss(y) - 0.1, terminal=True)
    t, _, steps, calls = solve_scipy(flow, (0, 1e7), start, method, **tolerance, events=stop)
    return t, steps, calls


def solve_scipy(f, span, y0, method, **how):
    """(t, y) at the end, steps, and evaluations of f, those for a Jacobian by differences included."""
    from scipy.integrate import solve_ivp

    calls = itertools.count()

    def counted(t, y):
        next(calls)
        return f(t, y)

    found = solve_ivp(counted, span, y0, method=method, **how)
    return found.t[-1], found.y[:, -1], len(found.t) - 1, next(calls)


def plateaus_in_diffrax(T, d, start, **tolerance):
    """By diffrax, all runs in one call: seconds, ((runs,) times at which they end, their steps together)."""

    def parts(y, args):
        (w, Delta), (T, d) = y, args
        A = 1 / ((T - 1) * jnp.exp(-Delta) + 1)
        return w, A, A * w - d**0.5, (1 - A) * w / (T - 1)

    def field(t, y, args):
        (w, A, miss, noise), (_, d) = parts(y, args), args
        return jnp.stack([-(A * miss + (1 - A) * noise), -A * (1 - A) * w * (miss - noise)]) / d

    def above(t, y, args, **_):
        (w, A, miss, noise), (_, d) = parts(y, args), args
        return (miss * miss + (1 - A) * w * noise) / (2 * d) - 0.1

    diffrax, jax, jnp = _diffrax()
    import optimistix

    event = diffrax.Event(above, optimistix.Newton(1e-10, 1e-10))
    one = lambda y0, args: _solved(diffrax, field, (0.0, 1e7), y0, args, event, **tolerance)
    took, (t, _, steps) = _second_time(
        jax, jax.jit(jax.vmap(one)), jnp.asarray(start), (jnp.asarray(T), jnp.asarray(d))
    )
    return took, (np.asarray(t), int(steps.sum()))


def stretch_in_diffrax(flow, span, start, **tolerance):
    """By diffrax, the gradient by JAX: seconds, (state at the end, steps)."""

    def loss(y):
        (d, D), sizes = (
            (flow.vocab, flow.width),
            np.cumsum([0, *(2 * [flow.vocab * flow.width]), *(2 * [flow.width**2])]),
        )
        shapes = (d, D), (D, d), (D, D), (D, D)
        W0, W1, W_Q, W_K = (y[a:b].reshape(shape) for a, b, shape in zip(sizes, sizes[1:], shapes))
        A = jax.nn.softmax(W0 @ W_Q @ W_K.T @ W0.T + jnp.log(flow.pi))
        return -(flow.pi[:, None] * flow.P * jax.nn.log_softmax(A @ W0 @ W1)).sum()

    diffrax, jax, jnp = _diffrax()
    field = lambda t, y, args: -jax.grad(loss)(y)
    assert (
        np.abs(np.asarray(field(0, jnp.asarray(start), None)) - flow(0.0, start)).max() < 1e-12
    ), "another flow"
    solve = jax.jit(lambda y0: _solved(diffrax, field, span, y0, None, None, **tolerance))
    took, (_, y, steps) = _second_time(jax, solve, jnp.asarray(start))
    return took, (np.asarray(y), int(steps))


def _diffrax():
    import diffrax
    import jax

    jax.config.update("jax_enable_x64", True)
    return diffrax, jax, jax.numpy


def _solved(diffrax, field, span, y0, args, event, rtol, atol):
    found = diffrax.diffeqsolve(
        diffrax.ODETerm(field), diffrax.Dopri5(), *span, None, y0, args=args, event=event, max_steps=10_000_000,
        saveat=diffrax.SaveAt(t1=True), stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
    )  # fmt: skip
    return found.ts[-1], found.ys[-1], found.stats["num_steps"]


def _second_time(jax, call, *arguments):
    """Seconds of a call that has been compiled, and what it returns."""
    jax.block_until_ready(call(*arguments))
    start = time.perf_counter()
    found = jax.block_until_ready(call(*arguments))
    return time.perf_counter() - start, found
