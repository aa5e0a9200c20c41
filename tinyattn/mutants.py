"""Checking the checker: backwards broken on purpose, and the tensors in which the check must fail.

MUTANTS are eight mistakes in one attention layer. Read them as a table for diagnosis: where the
gradients of these tensors are wrong and the others exact, look there. OTHERS are mistakes in
single operations, so that a wrong gradient of softmax or layer norm can be told by its numbers. The
tests break the models too.
"""

import contextlib
import functools
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import attention, models, ops
from .backend import copied
from .errors import InputError, shown


class Mutant(NamedTuple):
    """A backward with a piece of its source replaced, the case that runs it, and what fails."""

    mistake: str
    function: Any
    right: str
    wrong: str
    case: str
    breaks: frozenset


def mutant(mistake: str, function: Any, right: str, wrong: str, case: str, *breaks: str) -> Mutant:
    """A Mutant whose `breaks` are named one by one."""
    return Mutant(mistake, function, right, wrong, case, frozenset(breaks))


SELF = "self_attention"

MUTANTS = [
    mutant("row sum forgotten in softmax", ops.softmax_backward,
           "(dy - _row_sum(y, dy))", "dy", SELF, "x", "W_Q", "W_K"),
    mutant("scale missing in dq", attention.multihead_backward,
           "dq = sum_to(da @ k, q.shape)", "dq = sum_to(da @ k, q.shape) * math.sqrt(q.shape[-1])",
           SELF, "x", "W_Q"),
    mutant("da not transposed in dk", attention.multihead_backward,
           "da.swapaxes(-1, -2) @ q", "da @ q", SELF, "x", "W_K"),
    mutant("s not transposed in dv", attention.attend_backward,
           "read.swapaxes(-1, -2) @ dy", "read @ dy", SELF, "x", "W_V"),
    mutant("wrong sign in da", attention.attend_backward,
           "da = softmax", "da = -softmax", SELF, "x", "W_Q", "W_K"),
    # dx is right all the same: every path from y to x passes through two linear maps, so that two
    # signs cancel.
    mutant("wrong sign in dx of linear", ops.linear_backward,
           "dx = (dy_no", "dx = -(dy_no", SELF, "W_Q", "W_K", "W_V"),
    mutant("mean instead of sum in dW", ops.linear_backward,
           "x_ni.T @ dy_no", "x_ni.T @ dy_no / len(x_ni)", SELF, "W_Q", "W_K", "W_V", "W_O"),
    mutant("one of three uses of x forgotten", attention.self_attention_backward,
           "dx = dx_k + dx_v", "dx = 0 * dx_k + dx_v", SELF, "x"),
]  # fmt: skip


BLOCK = models.Block.backward_through

OTHERS = [
    mutant("W not transposed in dx", ops.linear_backward,
           "W_io.T", "W_io", "AttentionLayer, H = 3", "x", "W_Q", "W_K", "W_V"),
    mutant("wrong sign of the bias", ops.linear_backward,
           "db = sum_rows", "db = -sum_rows", "linear, with bias", "b"),
    mutant("repeated ids written, not added", ops.embedding_backward,
           "scatter_add(dW, ids, dy)", "dW[ids] = dy", "embedding", "W"),
    mutant("missing factor y", ops.softmax_backward, "y * (dy", "(dy", "softmax", "x"),
    mutant("mask missing", ops.relu_backward, "dy * positive", "dy", "relu", "x"),
    mutant("derivative of the logistic function forgotten", ops.silu_backward,
           "s * (1 + x * (1 - s))", "s", "silu", "x"),
    mutant("mean(dn) missing", ops.layernorm_backward,
           "dn - dn.mean(axis=-1, keepdims=True)", "dn", "layernorm", "x"),
    mutant("missing scale r", ops.layernorm_backward, "dx = r * (", "dx = (", "layernorm", "x"),
    mutant("n missing in dg", ops.layernorm_backward,
           "sum_to(dy * n, g.shape)", "sum_to(dy, g.shape)", "layernorm", "g"),
    mutant("target not subtracted", ops.cross_entropy_backward,
           "-= each", "-= 0 * each", "cross_entropy", "logits"),
    mutant("sum instead of mean", ops.cross_entropy_backward,
           "dL / targets.size", "dL", "cross_entropy", "logits"),
    mutant("wrong sign", ops.squared_error_backward,
           "difference * (dL", "-difference * (dL", "squared_error", "y"),
    mutant("missing 1/N", ops.squared_error_backward, "(dL / N)", "dL", "squared_error", "y"),
    mutant("values of other queries", attention.attend_backward,
           "dv = sum_to(read.swapaxes(-1, -2) @ dy", "dv = sum_to((s * s).swapaxes(-1, -2) @ dy",
           "attend, masked", "v"),
    mutant("shared scores not summed", attention.attend_backward,
           "ds = sum_to(dy @ v.swapaxes(-1, -2), s.shape)",
           "ds = (dy @ v.swapaxes(-1, -2))[0]", "attend, one row for all", "a"),
    mutant("dropout forgotten in da", attention.attend_backward,
           "ds if drop is None else ds * drop", "ds", "attend, dropped", "a"),
    mutant("shared keys not summed", attention.multihead_backward,
           "dk = sum_to(da.swapaxes(-1, -2) @ q, k.shape)",
           "dk = (da.swapaxes(-1, -2) @ q)[:, :1]", "multihead, shared k, v", "k"),
    mutant("residual forgotten in dx", BLOCK, "dx[..., self.first_query :, :] += dn_1", "pass",
           "Block", "x"),
]  # fmt: skip


@contextlib.contextmanager
def broken(function, right, wrong):
    """In the with-block `function` runs with the piece `right` of its source replaced by `wrong`.

    Every caller sees the mutant, as the code of the function itself is exchanged. Raises
    InputError for what is no function, and unless `right` occurs exactly once.
    """
    if not inspect.isfunction(function):
        raise InputError(f"function: expected a function, got {shown(function)}")
    function = inspect.unwrap(function)  # below its decorators
    source = _source(function)
    times = source.count(right)
    if times != 1:
        where = f"once in {function.__qualname__}"
        raise InputError(f"right: expected {where}, got {times} times: {right}")
    changed: dict[str, Any] = {}
    code = compile(source.replace(right, wrong), f"<broken {function.__name__}>", "exec")
    exec(code, function.__globals__, changed)
    original = function.__code__
    function.__code__ = inspect.unwrap(changed[function.__name__]).__code__
    try:
        yield
    finally:
        function.__code__ = original


@functools.cache
def _source(function):
    """The source of a function as it is in its file, also while it is broken."""
    return textwrap.dedent(inspect.getsource(function))


def like_ours(inputs: dict, out: Any, w: Any, gradients: dict) -> str:
    """Which mistake of MUTANTS or OTHERS gives these gradients, in words; "" for none.

    An operation is ours if it gives this output (...) of these inputs, in some order; then its
    backwards with each mistake are run with dy = w, and all gradients by name are compared.
    """
    told = []
    for backward, names, ours in _ours(inputs, out):
        for one in (*MUTANTS, *OTHERS):
            right, wrong = (_gradients(one, piece, backward, names, w) for piece in one[2:4])
            both = [(wrong[key], gradients[key]) for key in wrong if key in gradients]
            changes = any(not _same(right[key], wrong[key]) for key in wrong)
            if changes and both and all(_same(a, b) for a, b in both):
                where = f"{one.function.__module__.split('.')[-1]}.{one.function.__qualname__}"
                told.append(f"{one.mistake}, in {where}{_equation(one)}")
        if told:
            return f"as in {ours} with this mistake: {'; or '.join(dict.fromkeys(told))}"
    return ""


def _gradients(one, piece, backward, names, w):
    """By name, the gradients with this piece in a mutant's function; {} if that fails."""
    with broken(one.function, one.right, piece), contextlib.suppress(Exception):
        grads = backward(w.copy())
        return dict(zip(names, grads if type(grads) is tuple else (grads,)))
    return {}


def _ours(inputs, out) -> Iterator[tuple]:
    """Operations of ours that give this output: backward of dy, names of the inputs, its name."""
    arrays = {key: x for key, x in inputs.items() if isinstance(x, np.ndarray)}
    floats = [key for key, x in arrays.items() if x.dtype.kind == "f"]
    ids = [x for x in arrays.values() if x.dtype.kind in "iu"][:1]
    for name, forward, backward, takes in _OPERATIONS:
        if len(floats) != takes or (name in _WITH_IDS) != bool(ids):
            continue
        for order in itertools.permutations(floats) if takes <= 5 else [floats]:
            given = copied([arrays[key] for key in order])
            given = [*ids, *given] if name == "embedding" else [*given, *ids]
            for more in _settings(name, given, out):
                with contextlib.suppress(Exception):
                    y, cache = forward(*given, **more)
                    if _same(np.asarray(y), out):
                        yield (lambda dy, cache=cache, run=backward: run(dy, cache)), order, name


def _settings(name, given, out):
    """What else a forward may have been called with: a causal mask, a kind of block."""
    if name == "a block":
        first = given[0].shape[-2] - out.shape[-2]
        return [dict(first_query=first, activation=one) for one in ("relu", "silu")]
    with_mask = name in ("attend", "multihead", "self_attention")
    if not with_mask or min(x.ndim for x in (out, *given)) < 2:
        return [{}]
    T = out.shape[-2]
    S = {"attend": given[0].shape[-1], "multihead": given[-1].shape[-2], "self_attention": T}[name]
    return [{}, *([{"visible": attention.causal(T, S)}] if T <= S else [])]


def _block(x, *weights, **settings):
    """A block with norms and an MLP: x, then its parameters in the order of `Block.init`."""
    D, H, M = x.shape[-1], weights[0].shape[1], weights[6].shape[1]
    block = models.Block(D, H, M, **settings)
    params = dict(zip(block.init(np.random.default_rng(0)), weights, strict=True))
    out, cache = block.forward(params, x)
    return out, (block, cache, params.keys())


def _of_block(dy, cache):
    block, cache, keys = cache
    dx, grads = block.backward_through(dy, cache)
    return dx, *(grads[key] for key in keys)


def _attend_dropped(a, v, drop):
    return attention.attend_forward(a, v, drop=drop)


_OPERATIONS = [
    (of.removesuffix("_forward"), getattr(module, of), getattr(module, of[:-7] + "backward"), takes)
    for module, of, takes in (
        (ops, "softmax_forward", 1), (ops, "relu_forward", 1), (ops, "silu_forward", 1),
        (ops, "layernorm_forward", 3), (ops, "linear_forward", 2), (ops, "linear_forward", 3),
        (ops, "embedding_forward", 1), (ops, "cross_entropy_forward", 1),
        (ops, "squared_error_forward", 2), (attention, "attend_forward", 2),
        (attention, "multihead_forward", 3), (attention, "self_attention_forward", 5),
    )
] + [
    ("attend with dropout", _attend_dropped, attention.attend_backward, 3),
    ("a block", _block, _of_block, 13),
]  # fmt: skip
_WITH_IDS = ("embedding", "cross_entropy")


def _same(a, b):
    """Whether two arrays agree but for rounding."""
    if np.shape(a) != np.shape(b):
        return False
    largest = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return bool(np.abs(a - b).max(initial=0) <= 1e-9 * largest)


def _equation(one):
    """The number of the equation that the broken line cites, " (6)"; "" where it cites none."""
    for line in _source(inspect.unwrap(one.function)).splitlines():
        if one.right.splitlines()[0] in line and (cited := re.search(r"#.*?(\(\d+\))", line)):
            return f" {cited[1]}"
    return ""
