"""The gradients of the toy layer on single-location regression (arXiv 2505.17863).

They are exact, over the population, or those of a sample.

The flows of few numbers in `flows.emergence` are this descent, of W and of all scores, seen in the
directions in which it moves.
"""

import dataclasses
from typing import Any

import numpy as np

from ..backend import Params
from ..door import door
from ..errors import InputError, check_dict, check_floats, check_instance, shown
from ..models import ToyLayer
from ..ops import SoftmaxCache, softmax_backward, softmax_forward
from ..tasks.regression import SingleLocation

SETTINGS = {"length", "width", "shared"}  # of a ToyLayer: those that the derivations allow for

# The population, s the attention, A = sum of s over the relevant positions, S the moments of
# the relevant token
#
#   y - y* = x_r (A W - W*) + sum over other t of s_t x_t W, all independent and of mean
#   0, so
#     (1)  L = 1/2 [ tr (A W - W*)^T S (A W - W*) + (1/d) sum_other s_t^2 |W|^2 ]
#     (2)  dW = A S (A W - W*) + (1/d) (sum_other s_t^2) W
#     (3)  ds_t = tr W^T S (A W - W*)  at a relevant position,   s_t |W|^2 / d  elsewhere
#   and the scores follow through the softmax.


def population(task: SingleLocation, layer: ToyLayer, params: Params) -> tuple[Any, Params]:
    """The exact loss and gradients of a ToyLayer on a SingleLocation: loss (0-d), grads.

    Raises InputError for a layer of another size, and for one with settings that (1) to (3) do not
    know.
    """
    check_instance("task", task, SingleLocation)
    _check_layer(task, layer)
    check_dict("params", params, ("a", "W"))
    check_floats("W", params["W"], (task.width, task.width))
    W, d, B = params["W"], task.width, task.places
    s, softmax = softmax_forward(layer.scores(params["a"]))
    others, A = s[0, : task.length - B], s[0, -B:].sum()
    miss = A * W - task.W_star
    pull = task.moments[:, None] * miss
    noise = (others * others).sum() / d
    loss = ((miss * pull).sum() + noise * (W * W).sum()) / 2  # (1)
    dW = A * pull + noise * W  # (2)
    ds = np.concatenate([others * ((W * W).sum() / d), np.full(B, (W * pull).sum())])[None]  # (3)
    return loss, {"a": layer.scores_backward(softmax_backward(ds, softmax)), "W": dW}


def _check_layer(task, layer):
    """Raise InputError unless (1) to (3) are the layer's: its other settings may change them."""
    if type(layer) is not ToyLayer:
        raise InputError(f"layer: expected a models.ToyLayer, got {shown(layer)}")
    unknown = {field.name for field in dataclasses.fields(layer)} - SETTINGS
    if unknown:
        known, others = ", ".join(sorted(SETTINGS)), ", ".join(sorted(unknown))
        raise InputError(
            f"layer: expected the settings {known}, for which flows/population.py derives the "
            f"loss, got also {others}"
        )
    if (layer.length, layer.width) != (task.length, task.width):
        raise InputError(f"layer: expected {task.length} tokens of width {task.width}, got {layer}")


# Stochastic gradients without drawing T d numbers a sample
#
#   Of the other tokens X (T-B, d) a gradient needs only m = s^T X and X g, where
#   g = e W^T and e = y - y* depend on them through m alone. X is N(0, I/d); along the unit
#   vector u = s/|s| it is one Gaussian vector, and what is orthogonal to u is independent of
#   it:
#     (4)  X = (u n^T + (I - u u^T) Z) / sqrt(d),   n (d) and Z (T-B, d) fresh N(0, I)
#          m = |s| n / sqrt(d)
#   and Z g is N(0, |g|^2 I), regardless of m. The mean over N samples of (I - u u^T) Z_i g_i
#   is one Gaussian again:
#     (5)  mean of X g = u mean(n.g) / sqrt(d) + (I - u u^T) z
#          z ~ N(0, sum |g_i|^2 / (d N^2) I)
#   So 2 N d + T numbers replace N T d, with exactly the same distribution.


@door("""task SingleLocation, rng Generator, n count, a (R, task.length),
    W (R, task.width, task.width) -> da (R, T), dW (R, d, d)""")
def stochastic(
    task: SingleLocation, rng: np.random.Generator, a: np.ndarray, W: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of R ToyLayers, a score for each position, each on n samples of its own.

    Raises InputError for types of a and W that differ.
    """
    (R, T), d, B, dtype = a.shape, task.width, task.places, a.dtype
    if W.dtype != dtype:
        raise InputError(f"W: expected {dtype}, as a, got {W.dtype}")
    s, _ = softmax_forward(a)
    others, A = s[:, : T - B], s[:, -B:].sum(axis=1)[:, None, None]
    largest = others.max(axis=1, keepdims=True)
    # With all attention on the relevant positions, any direction u will do.
    largest = np.where(largest == 0, 1, largest)
    size = largest * ((others / largest) ** 2).sum(axis=1, keepdims=True) ** 0.5
    u = others / np.where(size == 0, 1, size)
    x_r = task.relevant(rng, (R, n), dtype)
    along = rng.standard_normal((R, n, d), dtype)
    mixed = A * x_r + (size / d**0.5)[:, :, None] * along  # (4)
    e = mixed @ W - x_r @ task.W_star.astype(dtype)
    g = e @ W.swapaxes(1, 2)
    z = rng.standard_normal((R, T - B), dtype) * ((g * g).sum(axis=(1, 2)) / d)[:, None] ** 0.5 / n
    push = (along * g).sum(axis=(1, 2)) / (n * d**0.5) - (u * z).sum(axis=1)
    ds_others = u * push[:, None] + z  # (5)
    ds_relevant = np.repeat((x_r * g).sum(axis=(1, 2))[:, None] / n, B, axis=1)
    ds = np.concatenate([ds_others, ds_relevant], axis=1)
    return softmax_backward(ds, SoftmaxCache(s)), mixed.swapaxes(1, 2) @ e / n
