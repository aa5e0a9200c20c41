"""Checking the checker: every backward broken on purpose, and the tensors in which the check must notice.

Read as a table for diagnosis: when the gradients of these tensors are wrong and the others are exact, look there.
"""

import contextlib
import inspect
import textwrap
from typing import Any, NamedTuple

from . import attention, models, ops
from .errors import InputError, shown
from .models.transformer import block_backward


class Twin(NamedTuple):
    """A backward with one piece of its source replaced, the gradcheck case that runs it, and what fails there."""

    mistake: str
    function: Any
    right: str
    wrong: str
    case: str
    breaks: frozenset


def _twin(mistake, function, right, wrong, case, *breaks):
    return Twin(mistake, function, right, wrong, case, frozenset(breaks))


SELF = "self_attention"

TWINS = [
    # These eight show what the pattern of failures in one attention layer tells; lesson 01 draws them.
    _twin("row sum forgotten in softmax", ops.softmax_backward,
          '(dy - _row_sum("...s,...s->...", y, dy))', "dy", SELF, "x", "W_Q", "W_K"),
    _twin("scale missing in dq", attention.multihead_backward,
          "dq = sum_to(da @ k, q.shape) / math.sqrt(K)", "dq = sum_to(da @ k, q.shape)", SELF, "x", "W_Q"),
    _twin("da not transposed in dk", attention.multihead_backward,
          "da.swapaxes(-1, -2) @ q", "da @ q", SELF, "x", "W_K"),
    _twin("s not transposed in dv", attention.attend_backward,
          "s.swapaxes(-1, -2) @ dy", "s @ dy", SELF, "x", "W_V"),
    _twin("wrong sign in da", attention.attend_backward,
          "da = softmax", "da = -softmax", SELF, "x", "W_Q", "W_K"),
    # dx is right all the same: on its way from y to x every path passes through two linear maps, and two signs cancel.
    _twin("wrong sign in dx of linear", ops.linear_backward,
          "dx = (dy_no", "dx = -(dy_no", SELF, "W_Q", "W_K", "W_V"),
    _twin("mean instead of sum in dW", ops.linear_backward,
          "x_ni.T @ dy_no", "x_ni.T @ dy_no / len(x_ni)", SELF, "W_Q", "W_K", "W_V", "W_O"),
    _twin("one of three uses of x forgotten", attention.self_attention_backward,
          "dx = dx_k + dx_v", "dx = 0 * dx_k + dx_v", SELF, "x"),
    # The rest see to it that no backward goes untested.
    _twin("W not transposed in dx", ops.linear_backward,
          "W_io.T", "W_io", "AttentionLayer, H = 3", "W_Q", "W_K", "W_V"),
    _twin("wrong sign of the bias", ops.linear_backward, "db = dy_no", "db = -dy_no", "linear, with bias", "b"),
    _twin("repeated ids written, not added", ops.embedding_backward,
          "scatter_add(dW, ids, dy)", "dW[ids] = dy", "embedding", "W"),
    _twin("missing factor y", ops.softmax_backward, "y * (dy", "(dy", "softmax", "x"),
    _twin("mask missing", ops.relu_backward, "dy * positive", "dy", "relu", "x"),
    _twin("mean(dn) missing", ops.layernorm_backward, "dn - dn.mean(axis=-1, keepdims=True)", "dn", "layernorm", "x"),
    _twin("missing scale r", ops.layernorm_backward, "dx = r * (", "dx = (", "layernorm", "x"),
    _twin("n missing in dg", ops.layernorm_backward, "sum_to(dy * n, g.shape)", "sum_to(dy, g.shape)",
          "layernorm", "g"),
    _twin("target not subtracted", ops.cross_entropy_backward, " - is_target", "", "cross_entropy", "logits"),
    _twin("sum instead of mean", ops.cross_entropy_backward, "(dL / targets.size)", "dL", "cross_entropy", "logits"),
    _twin("wrong sign", ops.squared_error_backward, "difference * (dL", "-difference * (dL", "squared_error", "y"),
    _twin("missing 1/N", ops.squared_error_backward, "(dL / places)", "dL", "squared_error", "y"),
    _twin("values of other queries", attention.attend_backward, "dv = sum_to(s.swapaxes(-1, -2) @ dy",
          "dv = sum_to((s * s).swapaxes(-1, -2) @ dy", "attend, masked", "v"),
    _twin("shared scores not summed", attention.attend_backward, "ds = sum_to(dy @ v.swapaxes(-1, -2), s.shape)",
          "ds = (dy @ v.swapaxes(-1, -2))[0]", "attend, one row for all", "a"),
    _twin("shared keys not summed", attention.multihead_backward, "dk = sum_to(da.swapaxes(-1, -2) @ q, k.shape)",
          "dk = (da.swapaxes(-1, -2) @ q)[:, :1]", "multihead, shared k, v", "k"),
    _twin("missing scale in dq", models.MinimalModel.backward,
          "(da / math.sqrt(D))", "da", "MinimalModel, H = 3", "W_Q"),
    _twin("position of the query off by one", models.MinimalModel.backward,
          "x[:, first:]", "x[:, : x.shape[1] - first]", "MinimalModel, H = 3", "W_Q"),
    _twin("each head given its share only", models.MinimalModel.backward,
          "broadcast_to(dlogits,", "broadcast_to(dlogits / H,", "MinimalModel, H = 3", "W_Q", "W_V"),
    _twin("W_Q and W_K exchanged", models.AttentionLayer.backward,
          "_, dW_Q, dW_K,", "_, dW_K, dW_Q,", "AttentionLayer, H = 3", "W_Q", "W_K"),
    _twin("keys forgotten in de", models.EmbeddingModel.backward, "de = de + de_k", "de = 1 * de", "EmbeddingModel", "W0"),
    _twin("queries and keys exchanged", models.EmbeddingModel.backward, "da @ cache.k_j, da", "da @ (0 * cache.k_j), da",
          "EmbeddingModel", "W0", "W_Q"),
    _twin("residual forgotten in dr", block_backward, "dr + dn_2", "dr", "Transformer", "W_E", "W_P", "W_Q", "W_K",
          "W_V", "W_O", "g_1", "b_1"),
    _twin("residual forgotten in de", block_backward, "dx[:, cache.attention_layer.first :] += dn_1", "pass",
          "Transformer", "W_E", "W_P"),
    _twin("first mask used twice", block_backward, "cache.drop[1]", "cache.drop[0]", "Transformer, dropout", "W_2",
          "c_2", "W_1", "c_1", "g_1", "b_1", "W_O", "W_V", "W_Q", "W_K", "W_E", "W_P"),
    _twin("layers in the wrong order", models.Transformer.backward, "range(self.depth, 0, -1)", "range(1, self.depth + 1)",
          "Transformer on vectors", "W_E", *(f"{key}{layer}" for key in ("W_Q", "W_K", "W_V", "W_O", "W_1", "c_1", "W_2", "c_2")
                                             for layer in ("", ".2"))),
    _twin("positions of one sequence only", models.Transformer.backward, "dz.sum(axis=0)", "dz[0]", "Transformer", "W_P"),
    _twin("dm taken for dy", models.ToyLayer.backward, "dm[:, None]", "dy[:, None]", "ToyLayer, shared = 2", "a"),
]  # fmt: skip


@contextlib.contextmanager
def broken(function, right, wrong):
    """Inside the with-block `function` runs with the piece `right` of its source replaced by `wrong`.

    Every caller sees the twin, as the code of the function itself is exchanged. `right` must occur exactly once.
    """
    if not inspect.isfunction(function):
        raise InputError(f"function: expected a function, got {shown(function)}")
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(right) != 1:
        raise InputError(f"right: expected once in {function.__qualname__}, got {source.count(right)} times: {right}")
    twin = {}
    exec(compile(source.replace(right, wrong), f"<broken {function.__name__}>", "exec"), function.__globals__, twin)
    original = function.__code__
    function.__code__ = twin[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = original
