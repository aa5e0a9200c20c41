"""Optimisers and clipping. All are settings with pure functions: state goes in and comes out.

    state = optimizer.init(params)
    params, state = optimizer.step(params, grads, state)

Plain gradient descent is Euler's method with step lr on dparams/dt = -grads.
"""

from dataclasses import dataclass
from typing import Any

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


def _zeros(params):
    check_float_dict("params", params)
    return {key: namespace(p).zeros_like(p) for key, p in params.items()}


def _check(params, grads, state, names):
    """Raise InputError unless grads and state have the names, shapes and dtypes of params."""
    check_float_dict("params", params)
    check_dict("state", state, names)
    for name, tree in {
        "grads": grads,
        **{f"state[{name!r}]": state[name] for name in names if name != "t"},
    }.items():
        check_dict(name, tree, params)
        for key, p in params.items():
            given = tree[key]
            if type(given) is type(p) and given.dtype == p.dtype and given.shape == p.shape:
                continue
            if check_floats(f"{name}[{key!r}]", tree[key], p.shape).dtype != p.dtype:
                raise InputError(
                    f"{name}[{key!r}]: expected {p.dtype}, as the parameter, got {tree[key].dtype}"
                )


@door("lr number > 0, momentum number >= 0 < 1")
@dataclass(frozen=True)
class SGD:
    """p <- p - lr u with u <- momentum u + g (Polyak, 1964). Momentum 0 is gradient descent."""

    lr: float
    momentum: float = 0.0

    def init(self, params: Params) -> State:
        """The state before the first step: velocities, a dict as params, or nothing without momentum."""
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
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101). At step t = 1, 2, ...

    (1)  m <- beta1 m + (1 - beta1) g           u <- beta2 u + (1 - beta2) g^2
    (2)  m^ = m / (1 - beta1^t)                 u^ = u / (1 - beta2^t)          m and u start at 0: undo that bias
    (3)  p <- p - lr decay p - lr m^ / (sqrt(u^) + eps)                         the decay does not pass through m and u
    """

    lr: float
    decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def init(self, params: Params) -> State:
        """The state before the first step: means of gradients and of their squares, dicts as params."""
        return {"t": 0, "m": _zeros(params), "u": _zeros(params)}

    def step(
        self, params: Params, grads: Params, state: State, scale: float = 1.0
    ) -> tuple[Params, State]:
        """One step with learning rate lr * scale: new params, new state."""
        _check(params, grads, state, ("t", "m", "u"))
        t, lr = (
            check_count("state['t']", state["t"], 0) + 1,
            self.lr * check_number("scale", scale, minimum=0),
        )
        b1, b2 = self.beta1, self.beta2
        m = {key: b1 * state["m"][key] + (1 - b1) * g for key, g in grads.items()}  # (1)
        u = {key: b2 * state["u"][key] + (1 - b2) * (g * g) for key, g in grads.items()}
        new = {}
        for key, p in params.items():
            m_hat, u_hat = m[key] / (1 - b1**t), u[key] / (1 - b2**t)  # (2)
            new[key] = (
                p - (lr * self.decay) * p - lr * m_hat / (namespace(p).sqrt(u_hat) + self.eps)
            )  # (3)
        return new, {"t": t, "m": m, "u": u}


def clip_by_global_norm(grads: Params, maximum: float) -> tuple[Params, Any]:
    """Scale all gradients by one number to a joint Euclidean norm of at most `most`: new grads, norm.

    The norm (0-d) stays where the gradients live: looking at it here would stall a GPU.
    """
    maximum = check_number("maximum", maximum, above=0)
    arrays = list(check_float_dict("grads", grads).values())
    xp = namespace(arrays[0])
    norm = xp.sqrt(
        sum((g.astype("float64") ** 2).sum() for g in arrays)
    )  # squares of float32 overflow beyond 1e19
    factor = (
        maximum / xp.maximum(norm, maximum) + 0.0 * norm
    )  # which is NaN for an infinite norm, and nothing for others
    return {key: g * factor.astype(g.dtype) for key, g in grads.items()}, norm
