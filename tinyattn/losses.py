"""Losses that compose: each is a function (params, batch) -> loss, grads, for `train.train`.

loss = pair_loss(model, CROSS_ENTROPY)             # batches (x, targets)
loss = next_token_loss(model)                      # batches of sequences
loss = chunked(loss, 128, pool.map)                # any of them, some rows at a time
field = gradient_flow(loss, params, batch)         # for `ode.integrate`
"""

import functools
import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .backend import Params, copied
from .errors import (
    InputError,
    check_array,
    check_count,
    check_float_dict,
    check_floats,
    check_function,
    check_ids,
    check_pair_of,
    check_shape,
    check_some,
    shown,
)
from .models import check_gradients, pack, unpack
from .ops import (
    cross_entropy_backward,
    cross_entropy_forward,
    squared_error_backward,
    squared_error_forward,
)

Loss = Callable[[Params, Any], tuple[Any, Params]]


@dataclass(frozen=True)
class WeightedLoss:
    """A loss that can also be asked for a multiple of itself.

    loss(params, batch) returns the loss and its gradients; loss.weighted(params, batch, weight),
    both times the weight, which it can multiply by where the backward begins, on one small array
    instead of on every gradient. A loss of another kind with such a method is used likewise by
    `chunked`; any other loss is multiplied there.
    """

    weighted: Callable[[Params, Any, float], tuple[Any, Params]]

    def __post_init__(self):
        wanted = "a function (params, batch, weight) -> loss, grads"
        check_function("weighted", self.weighted, wanted)

    def __call__(self, params: Params, batch: Any) -> tuple[Any, Params]:
        return self.weighted(params, batch, 1.0)


CROSS_ENTROPY = cross_entropy_forward, cross_entropy_backward
SQUARED_ERROR = squared_error_forward, squared_error_backward


def pair_loss(model: Any, error: tuple[Callable[..., Any], Callable[..., Any]]) -> Loss:
    """The loss on batches (x, target): the error of model.forward(params, x) against the target.

    error: a pair, forward(out, target) -> number, cache and backward(dnumber, cache) -> dout:
           CROSS_ENTROPY for targets that are ids, SQUARED_ERROR for vectors, or one of your own.

    The loss raises InputError for a batch that is no pair.
    """
    value_and_grads = _of_model(model, error)

    def loss_on_pairs(params, batch, weight):
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise InputError(f"batch: expected a pair of inputs and targets, got {shown(batch)}")
        return value_and_grads(params, weight, *batch)

    return WeightedLoss(loss_on_pairs)


def _of_model(model, error):
    """A function (params, weight, x, target, *others) -> weight times loss and grads.

    others: what else forward takes.
    """
    _check_model(model, "forward", "backward")
    if not isinstance(error, tuple) or len(error) != 2 or not all(map(callable, error)):
        wanted = "a pair of functions, such as losses.CROSS_ENTROPY"
        raise InputError(f"error: expected {wanted}, got {shown(error)}")
    error_forward, error_backward = error

    def value_and_grads(params, weight, x, target, *others):
        returned = model.forward(params, x, *others)
        out, cache = check_pair_of("model.forward", "out and cache", returned)
        measured = error_forward(out, target)
        value, error_cache = check_pair_of("error", "the number and cache", measured)
        grads = model.backward(error_backward(weight, error_cache), cache)
        return weight * value, check_gradients("model.backward", grads, params)

    return value_and_grads


def _check_model(model, *parts):
    if isinstance(model, type) or not all(hasattr(model, part) for part in parts):
        wanted = "one with its settings, such as models.MinimalModel(5, 6)"
        raise InputError(f"model: expected {wanted}, got {shown(model)}")


def next_token_loss(model: Any) -> Loss:
    """The loss on sequences of ids (B, S+1): mean cross-entropy in nats of each query's next token.

    The first S tokens are read; those behind position model.first_query are predicted. A batch may
    be a tuple (sequences, ...) with more arrays for model.forward: dropout masks.
    """
    value_and_grads = _of_model(model, CROSS_ENTROPY)

    def loss_on_sequences(params, batch, weight):
        sequences, *others = batch if isinstance(batch, tuple) else (batch,)
        check_shape("batch", sequences, (None, None))
        check_some("batch", sequences)
        read, predicted = sequences[:, :-1], sequences[:, model.first_query + 1 :]
        return value_and_grads(params, weight, read, predicted, *others)

    return WeightedLoss(loss_on_sequences)


def check_sequences(model: Any, sequences: Any) -> Any:
    """Return sequences (B, S+1) that `next_token_loss(model)` can read, or raise InputError.

    A GPU cannot refuse ids out of range without stalling, and wraps them. So check a batch while it
    is on the host: put(check_sequences(model, batch)).
    """
    _check_model(model, "vocab", "check")
    sequences = check_ids("sequences", sequences, model.vocab)
    check_shape("sequences", sequences, (None, None))
    model.check(sequences[:, :-1])
    return sequences


def chunked(loss: Loss, size: int, map: Callable[..., Iterable[Any]] = map) -> Loss:
    """The same loss, a mean over rows, computed on `size` rows of a batch at a time.

    The arrays of a pass then stay in the processor's cache. Batches are arrays, or tuples of arrays
    with a row for each sample. Values and gradients are added up in the order of the rows. With the
    map of a thread pool passes run side by side; tell NumPy's matrix products to use one thread
    each, for OpenBLAS by OPENBLAS_NUM_THREADS=1 in the environment.

    A pass counts by its share of the rows, by which what the loss returns is multiplied; a
    `WeightedLoss` does that itself.

    Raises InputError for a map whose return cannot be gone through.
    """
    check_function("loss", loss, "a function (params, batch) -> loss, grads")
    check_count("size", size)
    check_function("map", map)
    weighted = getattr(loss, "weighted", None) or _times(loss)

    def loss_in_chunks(params, batch):
        n = _rows(batch)
        if n <= size:
            return loss(params, batch)

        def one_pass(start):
            part = _slice(batch, start, start + size)
            return copied(checked(weighted(params, part, _rows(part) / n)))

        passes = map(one_pass, range(0, n, size))
        if not isinstance(passes, Iterable):
            wanted = "a return that can be gone through"
            raise InputError(f"map: expected {wanted}, got {shown(passes)}")
        return functools.reduce(_sum, passes)

    return loss_in_chunks


def _rows(batch):
    """The number of rows of a batch, an array or a tuple of arrays, or an InputError."""
    first, *others = batch if isinstance(batch, (tuple, list)) else (batch,)
    n = check_array("batch", first).shape[0]
    for array in others:
        check_shape("batch", array, (n, *check_array("batch", array).shape[1:]))
    return n


def _slice(batch, start, stop):
    """Some rows of a batch, an array or a tuple of arrays."""
    if isinstance(batch, (tuple, list)):
        return tuple(array[start:stop] for array in batch)
    return batch[start:stop]


def _sum(one, other):
    """The sum of two losses, and of their gradients."""
    (value, grads), (other_value, other_grads) = one, other
    return value + other_value, {key: g + other_grads[key] for key, g in grads.items()}


def _times(loss):
    """A function (params, batch, weight) -> weight times what a loss returns."""

    def weighted(params, batch, weight):
        value, grads = checked(loss(params, batch))
        return weight * value, {key: weight * g for key, g in grads.items()}

    return weighted


def checked(returned: Any) -> tuple[Any, Params]:
    """What a loss returned, or an InputError unless it is one number and gradients."""
    if isinstance(returned, (tuple, list)) and len(returned) == 2:
        value, grads = returned
        if isinstance(value, numbers.Real) or getattr(value, "shape", None) == ():
            return value, grads
    wanted = "a return of one number and the gradients"
    raise InputError(f"loss: expected {wanted}, got {shown(returned)}")


def gradient_flow(loss: Loss, like: Params, batch: Any) -> Callable[[float, Any], Any]:
    """A network's gradient flow: f(t, y) = -gradient of the loss on `batch` at packed params y.

    `like` gives names and shapes. `ode.euler_step` on f with step lr is full-batch gradient
    descent, to the last bit; `ode.rk4_step` integrates the same network.
    """
    like = copied(check_float_dict("like", like))
    check_function("loss", loss, "a function (params, batch) -> loss, grads")
    size, batch = sum(array.size for array in like.values()), copied(batch)

    def f(t, y):
        check_floats("y", y, (size,))
        _, grads = checked(loss(unpack(y, like), copied(batch)))
        check_gradients("loss", grads, like)
        return -pack({key: grads[key] for key in like})

    return f
