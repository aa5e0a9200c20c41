"""What every model needs: its parameters as one vector, sizes to start from, checks of what it reads."""

import math

from ..backend import namespace
from ..errors import InputError, check_ids, check_shape


def pack(params):
    """All parameters as one vector, in the order of the dict: what integrators and Jacobians work on."""
    arrays = list(params.values())
    return namespace(arrays[0]).concatenate([array.reshape(-1) for array in arrays])


def unpack(vector, like):
    """The dict with the keys and shapes of `like` whose `pack` is `vector`."""
    size = sum(array.size for array in like.values())
    check_shape("vector", vector, (size,))
    params, start = {}, 0
    for key, array in like.items():
        params[key] = vector[start : start + array.size].reshape(array.shape)
        start += array.size
    return params


def xavier_bound(fan_in, fan_out):
    """Weights uniform in +- this keep the size of signals and of gradients about level (Glorot and Bengio, 2010)."""
    return math.sqrt(6 / (fan_in + fan_out))


def check_tokens(model, x):
    """Return the token ids x (B, S), or raise InputError if the model cannot read them."""
    check_ids("x", x, model.vocab)
    check_shape("x", x, (None, None))
    return check_length(model, x)


def check_length(model, x):
    if not model.context <= x.shape[1] <= model.positions:
        raise InputError(f"x: expected shape (batch, {model.context} to {model.positions} tokens), got {tuple(x.shape)}")
    return x
