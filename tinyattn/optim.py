"""Optimizers and clipping. All are settings with pure functions: state goes in and comes out.

    state = optimizer.init(params)
    params, state = optimizer.step(params, grads, state)

Plain gradient descent is Euler's method with step lr on dparams/dt = -grads.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from .backend import Params, namespace
from .door import door
from .errors import (
    InputError,
    check_count,
    check_dict,
    check_float_dict,
    check_floats,
    check_number,
)

State = dict[str, Any]


class Optimizer(Protocol):
    """What `train.train` takes: SGD, AdamW, what `hold.hold_params` returns, or one of your own."""

    def init(self, params: Params) -> State:
        """The state before the first step."""

    def step(
        self, params: Params, grads: Params, state: State, scale: float = 1.0
    ) -> tuple[Params, State]:
        """One step with learning rate lr * scale: new params, new state."""


def _zeros(params):
    check_float_dict("params", params)
    return {key: namespace(p).zeros_like(p) for key, p in params.items()}


def _check(params, grads, state, names):
    """Raise InputError unless grads and state have the names, shapes and dtypes of params."""
    check_float_dict("params", params)
    check_dict("state", state, names)
    trees = {"grads": grads}
    trees.update({f"state[{name!r}]": state[name] for name in names if name != "t"})
    for name, tree in trees.items():
        check_dict(name, tree, params)
        for key, p in params.items():
            g, what = tree[key], f"{name}[{key!r}]"
            if type(g) is type(p) and g.dtype == p.dtype and g.shape == p.shape:
                continue
            if check_floats(what, g, p.shape).dtype != p.dtype:
                raise InputError(f"{what}: expected {p.dtype}, as the parameter, got {g.dtype}")


@door("lr number > 0, momentum number >= 0 < 1")
@dataclass(frozen=True)
class SGD:
    """p <- p - lr u with u <- momentum u + g (Polyak, 1964). Momentum 0 is gradient descent."""

    lr: float
    momentum: float = 0.0

    def init(self, params: Params) -> State:
        """The state before the first step: velocities, a dict as params."""
        return {"velocity": _zeros(params)}

    def step(
        self, params: Params, grads: Params, state: State, scale: float = 1.0
    ) -> tuple[Params, State]:
        """One step with learning rate lr * scale: new params, new state."""
        _check(params, grads, state, ("velocity",))
        u = {key: self.momentum * state["velocity"][key] + g for key, g in grads.items()}
        lr = self.lr * check_number("scale", scale, minimum=0)
        return {key: p - lr * u[key] for key, p in params.items()}, {"velocity": u}


@door("""lr number > 0, decay number >= 0, beta1 number >= 0 < 1, beta2 number >= 0 < 1,
    eps number >= 1e-16""")
@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101).

    At step t = 1, 2, ...

    (1)  m <- beta1 m + (1 - beta1) g           u <- beta2 u + (1 - beta2) g^2
    (2)  m^ = m / (1 - beta1^t)                 u^ = u / (1 - beta2^t)
    (3)  p <- p - lr decay p - lr m^ / (sqrt(u^) + eps)

    m and u start at 0, and (2) undoes that bias. The decay in (3) does not pass through m and u.
    """

    lr: float
    decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def init(self, params: Params) -> State:
        """The state before the first step: t = 0, and m and u, dicts as params."""
        return {"t": 0, "m": _zeros(params), "u": _zeros(params)}

    def step(
        self, params: Params, grads: Params, state: State, scale: float = 1.0
    ) -> tuple[Params, State]:
        """One step with learning rate lr * scale: new params, new state."""
        _check(params, grads, state, ("t", "m", "u"))
        t = check_count("state['t']", state["t"], 0) + 1
        lr = self.lr * check_number("scale", scale, minimum=0)
        b1, b2 = self.beta1, self.beta2
        m = {key: b1 * state["m"][key] + (1 - b1) * g for key, g in grads.items()}  # (1)
        u = {key: b2 * state["u"][key] + (1 - b2) * (g * g) for key, g in grads.items()}  # (1)
        new = {}
        for key, p in params.items():
            m_hat, u_hat = m[key] / (1 - b1**t), u[key] / (1 - b2**t)  # (2)
            root = namespace(p).sqrt(u_hat)
            new[key] = p - (lr * self.decay) * p - lr * m_hat / (root + self.eps)  # (3)
        return new, {"t": t, "m": m, "u": u}


def clip_by_global_norm(grads: Params, maximum: float) -> tuple[Params, Any]:
    """Scale all gradients by one number, to a joint Euclidean norm of at most `maximum`.

    Returns the new grads, and the norm before. The norm (0-d) stays where the gradients live:
    reading it here would stall a GPU.
    """
    maximum = check_number("maximum", maximum, above=0)
    arrays = list(check_float_dict("grads", grads).values())
    xp = namespace(arrays[0])
    # In float64, as squares of float32 overflow beyond 1e19.
    norm = xp.sqrt(sum((g.astype("float64") ** 2).sum() for g in arrays))
    # 0 times the norm is NaN where it is infinite, and changes nothing elsewhere.
    factor = maximum / xp.maximum(norm, maximum) + 0.0 * norm
    return {key: g * factor.astype(g.dtype) for key, g in grads.items()}, norm
