"""Causes of lessons on several heads, for `causes.py`: a crowd that is held, a leftover of one's own, a head that is lost."""

import numpy as np
from causes import run

from tinyattn import ode
from tinyattn.flows.factorization import target
from tinyattn.hold import hold

CROWD_HELD = {
    1e-2: 59.4,
    1e-4: 127.0,
    1e-6: 194.6,
    1e-8: 262.1,
}  # when two heads part, by how far they are apart at t = 20
FREE = {1e-2: 97.6, 1e-4: 296.0, 1e-6: 583.7, 1e-8: 959.5}
AT_ONCE = {1: 4.84, 2: 1.54, 3: 1.08}  # the loss when a head is silenced
HALF_BACK = {1: 1.26, 2: 1113, 3: np.nan}  # when its feature's loss is half of that
SIMPLEX = dict(rtol=1e-8, atol=1e-12)


def who_leaves(crowd_held=CROWD_HELD, free=FREE):
    flow, feature_2 = target([3, 1], 2), 1
    start, _ = run(flow, (0, 20), flow.start(2, 0), atol=1e-14)
    yield "who leaves: the rate at t = 20", flow.leading_mode(start)[0], 0.0682
    fields = {
        "the crowd held": (
            hold(flow, lambda t, y, slope: slope - slope.mean(axis=-2, keepdims=True)),
            crowd_held,
        ),
        "free": (flow, free),
    }
    apart = lambda t, y: abs(y[0, feature_2] - y[1, feature_2]) - 0.2
    for name, (field, times) in fields.items():
        for eps, when in times.items():
            tilted = start.copy()
            tilted[1, -1] += eps  # head 2's score of position 2
            came = run(field, (20, 1000), tilted, apart, atol=1e-14)[1] - 20
            yield f"    {name}: from {eps:g} to 0.2 takes", came, when


def leftovers():
    flow = target([2.89, 1.7, 1], 40, "simplex")
    alone = lambda t, y: flow(t, y[:, None])[
        :, 0
    ]  # each head in a run of its own, with a leftover of its own
    V, s = flow.split(run(alone, (0, 3000), flow.start(3, 1e-6), **SIMPLEX)[0])
    yield (
        "cooperate: a leftover each, what the heads write of feature 1",
        V[:, 0] * s[:, 0],
        [2.89] * 3,
    )
    yield "    and of the others at most", abs(V[:, 1:]).max(), 0


def lost(heads=AT_ONCE, end=6000):
    flow = target([2.89, 1.7, 1], 40, "simplex")
    learnt, _ = run(flow, (0, 824), flow.start(3, 1e-6), **SIMPLEX)
    for head in heads:
        silenced, still = learnt.copy(), np.zeros(learnt.shape, bool)
        silenced[head - 1, : flow.width] = 0
        still[head - 1] = True
        half = flow.half_event(silenced, head - 1)
        y, when = run(hold(flow, still), (0, end), silenced, half, **SIMPLEX)
        yield f"    head {head} silenced: the loss at once", flow.loss(silenced), AT_ONCE[head]
        yield "        at the end", flow.loss(y), 0.5
        yield "        its feature is half back at", when, HALF_BACK[head]


def third_wait(when=100, eps=1e-6):
    flow = target([2.89, 1.7, 1], 40, "simplex")
    start = flow.start(3, 1e-6)
    learnt, _ = run(flow, (0, when), start, **SIMPLEX)
    equal = learnt.copy()
    equal[0] = equal[2] = (learnt[0] + learnt[2]) / 2
    tilt = eps * equal[2, flow.width + 2]
    equal[2, flow.width] -= tilt
    equal[2, flow.width + 2] += tilt
    for name, y, expected in (("free", learnt, 226.3), ("heads 1 and 3 equal again", equal, 756)):
        came = run(flow, (when, 1500), y, flow.half_event(start, 2), **SIMPLEX)[1]
        yield f"cooperate, {name} at {when}: feature 3 is half learnt at", came, expected


def tangent():
    """V of feature 1 as a share of lesson 11's tangent at t = 1, 2; then R unaware of feature 1 elsewhere."""
    flow = target([2.89, 1.7, 1], 40, "simplex")
    G = np.diag([2.89, 1.7, 1.0]) @ np.eye(3, 40)

    def unaware(t, y):
        V, s = flow.split(y)
        R = G - V.T @ s
        R[0, 1:] = 0
        g = V @ R
        return np.concatenate([s @ R.T, s * (g - (s * g).sum(axis=1, keepdims=True))], axis=1)

    for name, field, expected in (
        ("free", flow, (0.962, 0.921)),
        ("held", unaware, (0.998, 0.990)),
    ):
        found = []
        for t in (1, 2):
            y, _ = run(field, (0, t), flow.start(3, 1e-6), **SIMPLEX)
            found.append(y[0, 0] / (np.sqrt(2 / 40) * np.tan(2.89 * t / np.sqrt(80))))
        yield f"cooperate, feature 1 elsewhere {name}: V beside the tangent", found, expected


def third_difference(end=100.0):
    """θ of heads 1 and 3 by lesson 11's two lines, from 0.5e-6: in a crowd that never parts; in the run."""
    flow = target([2.89, 1.7, 1], 40, "simplex")
    times = np.linspace(0, end, 5001)
    for name, eps, expected in (("never parts", 0.0, 0.00074), ("of the run", 1e-6, 0.00069)):
        path = ode.integrate(flow, (0, end), flow.start(3, eps), t_eval=times, **SIMPLEX)
        seen = flow.split(path.y)[1][:, [0, 2], 2]
        lines = lambda t, y: np.array([np.interp(t, times, seen.mean(axis=1)) * y[1], y[0]])
        theta = run(lines, (0, end), np.array([0.0, 0.5e-6]), atol=1e-20)[0][1]
        yield f"cooperate, θ at {end:g} by two lines, s₃ {name}", theta, expected
    yield "    measured", (seen[-1, 1] - seen[-1, 0]) / seen[-1].sum(), 0.063


PARTS = [who_leaves, leftovers, lost, third_wait, tangent, third_difference]
