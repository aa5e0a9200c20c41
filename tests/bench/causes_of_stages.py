"""Causes of focus and dilution, for `causes.py`: matrices held, a copy in one use of the embeddings, one direction only."""

import numpy as np
from causes import run

from tinyattn import ode
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.flows.frozen_copy import FrozenCopy
from tinyattn.hold import hold

FLOW, HOW = FocusDilution(np.array([0.75, 0.19, 0.05, 0.01]), 0.5, 16), dict(rtol=1e-7, atol=1e-9)
SPREAD = {  # of the attention of token 1: which uses read the copy of t = 80, and what comes at which times
    (): {80: 0.69, 100: 0.82, 120: 1.04, 170: 1.06},
    ("value",): {80: 0.69, 100: 0.69, 120: 1.02},
    ("key",): {100: 0.75, 120: 1.05},
    ("value", "key"): {120: 0.79, 160: 1.14},
    ("query",): {100: 0.61, 120: 0.57, 170: 0.57},
    ("query", "key"): {100: 0.62, 120: 0.58, 170: 0.56},
}


def at(t):
    """The state of the free flow from its start."""
    return run(FLOW, (0, t), FLOW.start(np.random.default_rng(0), 1e-3), **HOW)[0]


def still(*names):
    """A mask of all numbers of these matrices."""
    marks = np.zeros(FLOW.size)
    for name, part in zip(("W0", "W1", "W_Q", "W_K"), FLOW.split(marks)):
        part[...] = name in names
    return marks > 0


def condensation():
    start = FLOW.start(np.random.default_rng(0), 1e-3)
    grown = lambda t, y: FLOW.singular_values(y)[0] - 1
    for names, when, loss in (
        (("W_Q", "W_K"), 14.01, 0.7271),
        (("W0",), np.nan, 1.3854),
        (("W1",), np.nan, 1.3852),
    ):
        y, came = run(hold(FLOW, still(*names)), (0, 300), start, grown, **HOW)
        yield f"condensation, {' and '.join(names)} held: its end", came, when
        yield "    the loss at 300", FLOW.loss(y), loss


def focus():
    focused = lambda t, y: FLOW.attention(y)[0, 0] - 0.9
    for names, when, looks in (
        (("W0", "W1"), 101.9, (0.940, 0.820)),
        (("W0",), 95.4, (0.974, 0.850)),
        (("W1",), 89.3, (1.000, 0.491)),
        (("W_Q", "W_K"), np.nan, (0.752, 0.750)),
    ):
        y, came = run(hold(FLOW, still(*names)), (51, 300), at(51), focused, **HOW)
        yield f"focus, {' and '.join(names)} held from 51: its end", came, when
        yield "    tokens 0 and 1 on token 0 at 300", FLOW.attention(y)[:2, 0], looks


def renewal():
    y = at(142)
    xi = np.linalg.svd(FLOW.split(y)[0])[2][0]

    def along_xi(t, y, slope):
        slope = slope.copy()
        dW0, dW1, _, _ = FLOW.split(slope)
        dW0[:], dW1[:] = np.outer(dW0 @ xi, xi), np.outer(xi, xi @ dW1)
        return slope

    y = run(hold(FLOW, along_xi), (142, 1000), y, **HOW)[0]
    yield "renewal, one direction held: the loss at 1000", FLOW.loss(y), 0.6334
    alike = FocusDilution(np.array([0.75, 0.25 / 3, 0.25 / 3, 0.25 / 3]), 0.5, 16)
    y = run(alike, (0, 1000), alike.start(np.random.default_rng(0), 1e-3), **HOW)[0]
    yield "renewal, rare tokens alike: the loss at 1000", alike.loss(y), 0.7226


def dilution():
    start = at(80)
    for uses, spread in SPREAD.items():
        field = FrozenCopy(FLOW, start, uses) if uses else FLOW
        path = ode.integrate(field, (80, 170), start, t_eval=list(spread), progress=None, **HOW)
        rows = field.attention(path.y)[:, 1]
        name = " and ".join(uses) + " on the copy" if uses else "free"
        yield (
            f"dilution, {name}: spread at {', '.join(map(str, spread))}",
            -(rows * np.log(rows)).sum(axis=-1),
            [*spread.values()],
        )


def saddle():
    y, marks = at(51), np.zeros(FLOW.start(np.random.default_rng(0), 0).size)
    _, _, W_Q, W_K = FLOW.split(marks)
    W_Q[...] = W_K[...] = 1
    rates, modes = np.linalg.eigh(FLOW.jacobian(y))
    focus = lambda t, y: FLOW.attention(y)[0, 0] - 0.9
    yield "saddle: focus, free", run(FLOW, (51, 200), y, focus, **HOW)[1], 86.2
    for n, when in ((1, 136.4), (16, 137.7)):
        leading = modes[:, -n:]
        part = leading.T @ (y * marks)  # of W_Q and W_K along these directions
        yield f"    {n} of rate {rates[-n]:.4f} taken out: its length", np.linalg.norm(part), 0.0696
        yield "        focus", run(FLOW, (51, 200), y - leading @ part, focus, **HOW)[1], when


PARTS = [condensation, focus, dilution, renewal, saddle]
