"""What judges the answer to a stub, the last thing that it calls.

    import practice

    def backward(dy, cache):
        ...

    practice.check(forward, backward, {"x": x}, then="what to read next")

A judge prints what it found and, once all is right, "done" and what to read next. A script then
ends with status 0; 1 while something is missing or wrong; 2 and one line for input that cannot be
used. A notebook goes on. With --hint the script gives a hint and judges nothing.

Here are the judges of gradients, flows and numbers. Those of integrators are in `steps`, of a
network in `circuit`, of mistakes to be found in `diagnosis`; what they share is in `frame`.
"""

import functools

import numpy as np

from circuit import check_accuracy
from diagnosis import check_diagnoses
from frame import NotYet, asked, fitting, judge, script_name, settle
from steps import check_implicit, check_order
from tinyattn import gradcheck
from tinyattn.errors import check_function, shown
from tinyattn.gradcheck import TOLERANCE, relative_error

__all__ = [
    "check",
    "check_accuracy",
    "check_diagnoses",
    "check_field",
    "check_flow",
    "check_implicit",
    "check_numbers",
    "check_order",
]

# ---- gradients


@judge
def check(forward, backward, inputs, *, wrt=None):
    """A backward against central differences: a row for each gradient, and what is wrong with it.

    forward(*inputs) -> out, cache; backward(dout, cache) -> gradients, in the order of wrt.

    inputs: arrays (...) by name. wrt: the names of those to differentiate by; None means all.
    """
    _compare(forward, backward, inputs, tuple(inputs if wrt is None else wrt), "d{}")


@judge
def check_flow(loss, flow, inputs):
    """The speeds of a gradient flow against central differences of the loss, times -1.

    loss(*inputs) -> a number; flow(*inputs) -> the speed of each, arrays (...) shaped like them.
    """

    def forward(*given):
        return loss(*given), given

    @functools.wraps(flow)
    def backward(dL, given):
        speeds = flow(*given)
        if not isinstance(speeds, tuple) or any(v is None or v is ... for v in speeds):
            return speeds
        return tuple(-dL * np.asarray(speed) for speed in speeds)

    _compare(forward, backward, inputs, tuple(inputs), "d{}/dt", "minus each speed:")


def _compare(forward, backward, inputs, wrt, symbol, title=None):
    check_function("forward", forward)
    out, cache = forward(*inputs.values())
    yours = getattr(backward, "__wrapped__", backward)
    shapes = {symbol.format(name): np.shape(inputs[name]) for name in wrt}
    gradients = lambda dout, cache: fitting(yours, backward(dout, cache), shapes)
    with asked(yours):
        gradients(np.ones_like(out), cache)
        rows = gradcheck.check_pair(forward, gradients, inputs, wrt=wrt, name=yours.__name__)
    wrong = []
    print(title or "what your backward gives (by hand) against finite differences; error:")
    for row in rows:
        print(row)
        if row.wrong:
            wrong.append(symbol.format(row.tensor))
            print(row.finding)
    print(f"an error of at most {TOLERANCE:g} counts as right")
    settle(wrong)


# ---- flows and numbers


@judge
def check_field(flow, field, states):
    """The speeds of a few numbers against a field(t, y) that is right.

    flow(*numbers) -> their speeds; states: for each number, by name, its values (n,) at n states.
    """
    y = np.stack(list(states.values()), axis=-1)
    right = field(0.0, y)
    shapes = {f"d{name}/dt": () for name in states}
    with asked(flow):
        yours = np.array([fitting(flow, flow(*state), shapes) for state in y.tolist()])
    wrong = []
    for i, name in enumerate(shapes):
        error = relative_error(yours[:, i], right[:, i])
        print(f"{name:<8} at {len(y)} states, error {error:.1e}")
        if not error <= TOLERANCE:
            wrong.append(name)
            print(_difference(yours[:, i], right[:, i], y, list(states)))
    settle(wrong)


def _difference(yours, right, y, names):
    """In words, how the one differs from the other over all states."""
    ratio = yours / right
    if not yours.any():
        return "it is 0 at every state"
    if np.ptp(ratio) <= 1e-6 * abs(ratio.mean()):
        sign = ": its sign is reversed" if abs(ratio.mean() + 1) < 1e-6 else ""
        return f"it is {ratio.mean():.4g} times what it should be, at every state{sign}"
    worst = int(np.abs(yours - right).argmax())
    state = ", ".join(f"{name} = {value:.3f}" for name, value in zip(names, y[worst]))
    return f"at {state} it is {yours[worst]:.6g}, and should be {right[worst]:.6g}"


@judge
def check_numbers(yours, right):
    """Numbers worked on paper, each a list or a number by name, to three digits.

    right: the same names, arrays (...), in the order in which each is worked from those before it.
    Raises NotYet at the first that is missing or off.
    """
    for name, value in right.items():
        value = np.asarray(value)
        if yours.get(name) is None:
            wanted = f"numbers for {', '.join(right)}"
            where = f"write them in {script_name()}"
            raise NotYet(f"paper: expected {wanted}, got none for {name}: {where}")
        try:
            mine = np.asarray(yours[name], dtype=float).reshape(value.shape)
        except (TypeError, ValueError):
            told = f"{name}: expected {value.size} numbers, got {shown(yours[name])}"
            raise NotYet(told) from None
        off = np.abs(mine - value).max()
        print(f"{name:<8} {'right' if off < 2e-3 else 'wrong' + _how(mine, value, off)}")
        if off >= 2e-3:
            raise NotYet(f"{name} is wrong")


def _how(mine, value, off):
    """What can be said of wrong numbers, without saying the right ones."""
    if off < 0.02:
        return ": nearly; give three digits"
    if np.abs(mine + value).max() < 2e-3:
        return ": its sign is reversed"
    if mine.size > 1 and np.abs(np.sort(mine) - np.sort(value)).max() < 2e-3:
        return ": the right numbers in another order"
    times = (mine * value).sum() / (value * value).sum()
    if mine.size > 1 and np.abs(mine - times * value).max() < 5e-3:
        return f": {times:.3g} times what it should be"
    if mine.size > 1 and abs(value.sum()) < 1e-6 and abs(mine.sum()) > 2e-3:
        return ": its numbers should sum to 0"
    return ""
