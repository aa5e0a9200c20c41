"""What every model needs: parameters as one vector, a start's sizes, checks of what it reads."""

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
    """Views of a vector as the dict whose `pack` it is: (..., n) -> arrays (..., *shape).

    like: the names, each with an array or a shape; n is the sum of their sizes. Leading axes are
          free.
    """
    check_dict("like", like, like)
    shape_of = lambda key, part: part if isinstance(part, tuple) else check_array(key, part).shape
    shapes = {key: shape_of(key, part) for key, part in like.items()}
    n = sum(map(math.prod, shapes.values()))
    leading = check_floats("vector", vector, axes=1).shape[:-1]
    check_floats("vector", vector, (*leading, n))
    params, start = {}, 0
    for key, shape in shapes.items():
        end = start + math.prod(shape)
        params[key] = vector[..., start:end].reshape((*leading, *shape))
        start = end
    return params


@door("fan_in count, fan_out count -> number")
def xavier_bound(fan_in: int, fan_out: int) -> float:
    """Xavier's bound (Glorot, Bengio, 2010).

    Weights uniform in +- this keep signals and gradients level.
    """
    return math.sqrt(6 / (fan_in + fan_out))


def numbered(tree: dict[str, Any], i: int) -> dict[str, Any]:
    """The same dict with the names of a model's i-th part: W_Q becomes W_Q.i."""
    return {f"{key}.{i}": value for key, value in tree.items()}


def check_gradients(name: str, grads: Any, params: Params) -> Params:
    """Return the gradients that a backward called `name` returned.

    Raises InputError unless they have the names and shapes of params.
    """
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
    S = x.shape[1]
    too_long = positions is not None and S > positions
    if S <= first_query or too_long:
        longest = "or more" if positions is None else f"to {positions}"
        raise InputError(
            f"x: expected shape (batch, {first_query + 1} {longest} tokens), got {tuple(x.shape)}"
        )
    return x


def check_drops(drops: tuple, shapes: dict[str, tuple], dtype: Any) -> tuple:
    """Return dropout masks, each an array or None.

    Raises InputError for more masks than shapes, or one of another shape or dtype.
    """
    if len(drops) > len(shapes):
        names = ", ".join(shapes)
        raise InputError(f"drops: expected at most {len(shapes)}, {names}, got {len(drops)}")
    for (name, shape), drop in zip(shapes.items(), drops):
        if drop is not None and check_floats(name, drop, shape).dtype != dtype:
            raise InputError(f"{name}: expected {dtype}, as what it multiplies, got {drop.dtype}")
    return drops
