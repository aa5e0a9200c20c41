"""Prints what comes when one thing is kept still, beside what is expected. From the folder of the project:

python tests/bench/causes.py              plateau, heads, stages: half a minute
python tests/bench/causes.py networks     networks that are trained: half an hour
"""

import importlib
import sys
from pathlib import Path

import numpy as np

from tinyattn import ode
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.hold import hold

HALF = {8: 531, 4: 1054, 1: 4194}  # when attention is 1/2, by the size at which w is held
LOSS = {5134: 0.49974, 20000: 0.4993}  # with Delta held at 0


def run(field, span, y0, event=None, rtol=1e-9, atol=1e-12):
    """The state at the end, and when the event came first."""
    path = ode.integrate(
        field, span, y0, t_eval=span[1:], events=event, rtol=rtol, atol=atol, progress=None
    )
    return path.y[-1], (path.first_times or [np.nan])[0]


def plateau(sizes=HALF, losses=LOSS):
    flow, w = TwoNumbers(512, 64), np.array([True, False])
    half, low = lambda t, y: flow.attention(y) - 0.5, lambda t, y: flow.loss(y) - 0.1
    yield "plateau: attention is 1/2, free", run(flow, (0, 5600), flow.start(), half)[1], 5292
    yield "    the loss is 0.1, free", run(flow, (0, 5600), flow.start(), low)[1], 5319
    yield (
        "    w held at 8: the loss is 0.1",
        run(hold(flow, w), (0, 700), np.array([8.0, 0.0]), low)[1],
        533,
    )
    for size in sizes:
        when = run(hold(flow, w), (0, 4500), np.array([size, 0.0]), half)[1]
        yield f"    w held at {size}: attention is 1/2", when, HALF[size]
    for end in losses:
        y = run(hold(flow, ~w), (0, end), flow.start())[0]
        yield f"    Delta held at 0: the loss at {end}", flow.loss(y), LOSS[end]


def show(*parts):
    """Print the rows of each part: what is held, what is found, what is expected."""
    for what, found, expected in (row for part in parts for row in part()):
        number = np.array2string(np.asarray(found), precision=5)
        print(f"{what:<66} {number:<32} {expected}", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lessons"))
    if sys.argv[1:] != ["networks"]:
        show(plateau)
    for name in sys.argv[1:] or ["heads", "stages"]:
        show(*importlib.import_module(f"causes_of_{name}").PARTS)
