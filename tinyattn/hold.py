"""Keep a part of a flow or of a network still while everything else goes on: how a cause is shown.

    held = hold(flow, mask)                                             # for `ode.integrate`
    held = hold(flow, lambda t, y, slope: slope - slope.mean(axis=-2, keepdims=True))
    loss, optimizer = hold_params(loss, optimizer, {"W_Q": True})       # for `train.train`

Where one array has several uses, and one use is to stand still: `flows.frozen_copy`.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backend import Array, Params, namespace, to_numpy
from .errors import (
    InputError,
    check_count,
    check_dict,
    check_floats,
    check_function,
    check_number,
    check_shape,
    is_array,
    shown,
)
from .losses import Loss, checked
from .models import check_gradients
from .optim import State


def hold(
    flow: Callable[[float, Array], Array], still: Any, after: float = 0.0, until: float = math.inf
) -> "HeldFlow":
    """The same field with slope 0 where `still` says, at times after <= t < until.

    flow:  a field f(t, y): one of `flows`, a `losses.gradient_flow`, one that is held already.
    still: booleans, True where nothing moves, beside y on its device: shaped like y, or like its
           last axes, for every run the same. Or a function (t, y, slope) -> slope, for what is not
           entry by entry.
    after, until: in units of t. The slope jumps there. The adaptive method gets past a jump by short
           steps; a fixed step across it loses its order. Best integrate the free flow up to
           `after`, and the held one from there.

    `split` finds the entries of one part: marks = np.zeros(n); flow.split(marks)[2][:] = 1; then
    marks > 0 holds W_Q.

    Raises InputError unless after < until; and, when called, for a mask that does not fit y.
    """
    check_function("flow", flow, "a field f(t, y)")
    if not callable(still):
        still = _mask("still", still, "an array of booleans, or a function (t, y, slope) -> slope")
    after = check_number("after", after)
    return HeldFlow(
        flow, still, after, until if _never(until) else check_number("until", until, above=after)
    )


@dataclass(frozen=True, eq=False)
class HeldFlow:
    """What `hold` returns, with the flow's own start, loss and split.

    Whatever else the flow has, ask `flow` for it, and mind that it knows of no hold: its Jacobian is
    that of the free motion.
    """

    flow: Any
    still: Any
    after: float
    until: float

    def __call__(self, t: float, y: Array) -> Array:
        """dy/dt at y, shaped like y."""
        slope = check_floats("flow: its return", self.flow(t, y.copy()), y.shape)
        if not self.after <= t < self.until:
            return slope
        if callable(self.still):
            return check_floats("still: its return", self.still(t, y, slope), y.shape)
        _check_fits("still", self.still, slope, y.shape[max(0, y.ndim - self.still.ndim) :])
        return namespace(slope).where(self.still, 0.0, slope)

    def __getattr__(self, name):
        if name in ("start", "loss", "split"):
            return getattr(self.flow, name)
        raise AttributeError(
            f"{name}: a held flow has start, loss and split; the free one is its .flow"
        )


# What moves without a gradient
#
#   A parameter of gradient 0 moves on: AdamW's decay shrinks it, and momentum follows the gradients
#   of earlier steps. So a loss cannot hold it. Nor is it enough to put the old values back after a
#   step. Meanwhile m, u and the velocity would fade, and AdamW's t, by which it undoes their bias,
#   would count on: m and u that begin at a late t have their bias left in, and the first step is up
#   to (1 - beta1) / sqrt(1 - beta2) = 3 times as long as it should be.
#
#   So what is held has an optimiser of its own, of the same settings, that is not asked while it is
#   held. Values, m, u, velocity and t all stand still, and go on as if no time had passed.


def hold_params(
    loss: Loss, optimizer: Any, still: Params, after: int = 0, until: float = math.inf
) -> "tuple[Loss, HeldOptimizer]":
    """A loss and an optimiser that keep parameters still, to the last bit, in steps after <= step < until.

    loss:      (params, batch) -> loss, grads, as `train.train` takes it.
    optimizer: one with init and step, as those of `optim`.
    still:     by name, True for a whole parameter, or booleans shaped like it and beside it on its
               device: head h of W_V (D, H, C) is an array that is True at [:, h].
    after, until: counted as `train` counts steps. With either, batches of the held loss are pairs
               (step, batch): give `train` enumerate(batches). So both know the step, also where a
               run goes on from a checkpoint.

    Use both. A gradient of 0 holds nothing, since weight decay and momentum move what has none: the
    optimiser leaves out what is held, its own state included. The loss has gradients of 0 there so
    that clipping does not count them.

    Raises InputError unless after < until; and, when used, for a name that is no parameter, or a mask
    that does not fit its parameter.
    """
    check_function("loss", loss, "a function (params, batch) -> loss, grads")
    if isinstance(optimizer, type) or not (
        hasattr(optimizer, "init") and hasattr(optimizer, "step")
    ):
        raise InputError(
            f"optimizer: expected one with its settings, such as optim.AdamW(1e-3), got {shown(optimizer)}"
        )
    if not isinstance(still, dict) or not still:
        raise InputError(
            f"still: expected a dict of True or masks by the names of parameters, got {shown(still)}"
        )
    wanted = "True or an array of booleans"
    still = {
        key: mask if mask is True else _mask(f"still[{key!r}]", mask, wanted)
        for key, mask in still.items()
    }
    after = check_count("after", after, 0)
    until = until if _never(until) else check_count("until", until, after + 1)
    held = HeldOptimizer(optimizer, still, after, until)

    def held_loss(params, batch):
        step = 0
        if (after, until) != (0, math.inf):
            if not isinstance(batch, tuple) or len(batch) != 2:
                raise InputError(
                    f"batch: expected a pair (step, batch), as enumerate(batches) gives, got {shown(batch)}"
                )
            step, batch = check_count("batch: step", batch[0], 0), batch[1]
        value, grads = checked(loss(params, batch))
        if not after <= step < until:
            return value, grads
        named = held.named(check_gradients("loss", grads, params))
        return value, held.replaced(
            grads, {key: namespace(g).zeros_like(g) for key, g in named.items()}
        )

    return held_loss, held


@dataclass(frozen=True, eq=False, repr=False)
class HeldOptimizer:
    """The optimiser that `hold_params` returns. Its state: the step, the free state, that of the named parameters."""

    optimizer: Any
    still: Params
    after: int
    until: float

    def __repr__(self):
        """One line, with a checksum of each mask, which a checkpoint compares."""
        sums = {
            key: mask if mask is True else zlib.crc32(np.packbits(to_numpy(mask)))
            for key, mask in self.still.items()
        }
        return f"HeldOptimizer({self.optimizer!r}, {sums}, {self.after}, {self.until})"

    def init(self, params: Params) -> State:
        """The state before the first step."""
        named = self.named(params)
        return {"step": 0, "free": self.optimizer.init(params), "held": self.optimizer.init(named)}

    def step(
        self, params: Params, grads: Params, state: State, scale: float = 1.0
    ) -> tuple[Params, State]:
        """One step with learning rate lr * scale: new params, new state."""
        check_dict("state", state, ("step", "free", "held"))
        step = check_count("state['step']", state["step"], 0)
        new, free = self.optimizer.step(params, grads, state["free"], scale)
        named, held = self.named(params), state["held"]
        if not self.after <= step < self.until:
            named, held = self.optimizer.step(named, self.named(grads), held, scale)
        return self.replaced(new, named), {"step": step + 1, "free": free, "held": held}

    def named(self, params: Params) -> Params:
        """Those of the params that are held, whole. Raises InputError where one is missing or a mask does not fit."""
        for key, mask in self.still.items():
            if key not in params:
                raise InputError(f"still: expected names among {', '.join(params)}, got {key!r}")
            if mask is not True:
                _check_fits(f"still[{key!r}]", mask, params[key], params[key].shape)
        return {key: params[key] for key in self.still}

    def replaced(self, params: Params, named: Params) -> Params:
        """The params with entries of `named` where they are held."""
        still = self.still.items()
        return params | {
            key: named[key]
            if mask is True
            else namespace(mask).where(mask, named[key], params[key])
            for key, mask in still
        }


def _mask(name, mask, wanted):
    """A copy of a mask, or an InputError."""
    if not is_array(mask) or mask.dtype.kind != "b":
        raise InputError(f"{name}: expected {wanted}, got {shown(mask)}")
    return mask.copy()


def _check_fits(name, mask, array, shape):
    """Raise InputError unless a mask has this shape and is where the array is."""
    check_shape(name, mask, shape)
    if namespace(mask) is not namespace(array):
        places = [namespace(one).__name__ for one in (array, mask)]
        raise InputError(
            f"{name}: expected an array of {places[0]}, as what it holds, got one of {places[1]}"
        )


def _never(until):
    return isinstance(until, float) and until == math.inf
