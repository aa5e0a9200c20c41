"""What every model needs: its parameters as one vector, sizes to start from, checks of what it reads."""

import math
from typing import Any

from ..backend import Params, namespace
from ..door import door
from ..errors import (
    InputError,
    check_array,
    check_dict,
    check_float_dict,
    check_floats,
    check_ids,
    check_shape,
    check_some,
)


def pack(params: Params) -> Any:
    """All parameters as one vector, in the order of the dict."""
    arrays = list(check_float_dict("params", params).values())
    return namespace(arrays[0]).concatenate([array.reshape(-1) for array in arrays])


def unpack(vector: Any, like: dict[str, Any]) -> Params:
    """Views of a vector as the dict whose `pack` it is: (..., n) -> arrays (..., *shape), n all sizes together.

    like: the names, each with an array or a shape. Leading axes are free.
    """
    check_dict("like", like, like)
    shapes = {
        key: part if isinstance(part, tuple) else check_array(key, part).shape
        for key, part in like.items()
    }
    n = sum(map(math.prod, shapes.values()))
    check_floats("vector", vector, axes=1)
    check_floats("vector", vector, (*vector.shape[:-1], n))
    params, start = {}, 0
    for key, shape in shapes.items():
        params[key] = vector[..., start : start + math.prod(shape)].reshape(
            (*vector.shape[:-1], *shape)
        )
        start += math.prod(shape)
    return params


@door("fan_in count, fan_out count -> number")
def xavier_bound(fan_in: int, fan_out: int) -> float:
    """Xavier's bound: weights uniform in +- this keep signals and gradients level (Glorot, Bengio, 2010)."""
    return math.sqrt(6 / (fan_in + fan_out))


def numbered(tree: dict[str, Any], i: int) -> dict[str, Any]:
    """The same dict with the names of a model's i-th part: W_Q becomes W_Q.i."""
    return {f"{key}.{i}": value for key, value in tree.items()}


def check_gradients(name: str, grads: Any, params: Params) -> Params:
    """Return what a backward called `name` returned, or raise InputError unless it fits the params, names and shapes."""
    check_dict(f"{name}: its return", grads, params)
    for key, array in params.items():
        check_floats(f"{name}: its gradient of {key}", grads[key], array.shape)
    return grads


def check_input(
    x: Any, vocab: int, first_query: int, positions: int | None = None, vectors: bool = False
) -> Any:
    """Return ids x (B, S) as int64 or, if they may come, vectors x (B, S, V); or raise InputError.

    S is from first_query + 1 to positions; None: any longer S.
    """
    if vectors and getattr(x, "ndim", None) == 3:
        check_floats("x", x, (None, None, vocab))
    else:
        x = check_ids("x", x, vocab)
        check_shape("x", x, (None, None))
    check_some("x", x)
    S, maximum = x.shape[1], x.shape[1] if positions is None else positions
    if not first_query < S <= maximum:
        tokens = f"{first_query + 1} {'or more' if positions is None else f'to {positions}'} tokens"
        raise InputError(f"x: expected shape (batch, {tokens}), got {tuple(x.shape)}")
    return x


def check_drops(drops: tuple, shapes: dict[str, tuple], dtype: Any) -> tuple:
    """Return drops, or raise InputError unless drops are masks of these shapes and this dtype, or None, and no more."""
    if len(drops) > len(shapes):
        raise InputError(
            f"drops: expected at most {len(shapes)}, {', '.join(shapes)}, got {len(drops)}"
        )
    for (name, shape), drop in zip(shapes.items(), drops):
        if drop is not None and check_floats(name, drop, shape).dtype != dtype:
            raise InputError(f"{name}: expected {dtype}, as what it multiplies, got {drop.dtype}")
    return drops
