"""The marks of the stages of focus and dilution (arXiv 2605.01199), found in one integration."""

import functools
import math
from typing import NamedTuple

import numpy as np

from .. import ode
from ..backend import to_numpy
from ..errors import check_count, check_floats, check_instance, check_number
from .focus_dilution import FocusDilution


class Stages(NamedTuple):
    """When each mark is passed; NaN for what did not come.

    condensed_t:       W0 has grown: the end of condensation.
    cosine:            of its first direction then with pi.
    frozen_ratio:      norm of W_Q then over that at the start.
    focus_t:           token 0 attends to itself: the end of focus.
    top_t, peak:       the rare token's embedding is longest after condensation, and how long.
    turned_t, minimum: it is shortest, passing near zero, amid dilution, and how long.
    renewal_t:         a second direction of W0 has grown: the end of renewal.
    path:              the ode.Solution.
    """

    condensed_t: float
    cosine: float
    frozen_ratio: float
    focus_t: float
    top_t: float
    peak: float
    turned_t: float
    minimum: float
    renewal_t: float
    path: ode.Solution


def find_stages(flow, y0, end, *, t_eval=(), token=1, grown=1.0, focused=0.9, renewed=0.5, **how):
    """Integrate from y0 until `end` and find the marks of the stages on the way: a Stages.

    token:   a rare one: its embedding grows at first, then shrinks, passes near zero and grows
             the other way.
    grown, focused, renewed: first singular value of W0 that ends condensation, attention of
             token 0 to itself that ends focus, second singular value that ends renewal.
    how:     method, step, tolerances and progress, for `ode.integrate`; t_eval: times kept in
             the path.
    """
    check_instance("flow", flow, FocusDilution)
    check_floats("y0", y0, flow.start(np.random.default_rng(0), 0.0).shape)
    check_number("end", end, above=0)
    check_count("token", token, 0, flow.vocab - 1)
    for name, level in (("grown", grown), ("focused", focused), ("renewed", renewed)):
        check_number(name, level)

    @functools.lru_cache(maxsize=1)  # three events ask for them at the same point
    def sizes_of(state):
        return flow.singular_values(np.frombuffer(state, y0.dtype))

    def size(y, k):
        return float(sizes_of(to_numpy(y).tobytes())[k])

    def swing(t, y):  # half the speed of the squared norm of the token's embedding
        return float(to_numpy(flow.split(y)[0][token] @ flow.split(flow(t, y))[0][token]))

    def largest(t, y):  # not before W0 has grown: a random start wiggles
        return -swing(t, y) if size(y, 0) > grown else -1.0

    found = [
        lambda t, y: size(y, 0) - grown,
        lambda t, y: float(flow.attention(y)[0, 0]) - focused,
        lambda t, y: size(y, 1) - renewed,
        ode.event(largest, direction=+1),
    ]
    path = ode.integrate(flow, (0, end), y0, t_eval=t_eval, events=found, **how)
    condensed_t, focus_t, renewal_t, top_t = path.first_times
    cosine = frozen_ratio = peak = minimum = turned_t = math.nan
    if condensed_t <= end:
        W0, _, W_Q, _ = map(to_numpy, flow.split(path.y_events[0][0]))
        pi = to_numpy(flow.pi)
        cosine = float(abs(np.linalg.svd(W0)[0][:, 0] @ pi) / np.linalg.norm(pi))
        frozen_ratio = float(np.linalg.norm(W_Q) / np.linalg.norm(to_numpy(flow.split(y0)[2])))
    if top_t < end:
        top = path.y_events[3][0]
        peak = float(flow.row_norms(top)[token])
        shortest = ode.event(swing, terminal=True, direction=+1)
        fall = ode.integrate(flow, (top_t, end), top, t_eval=[], events=shortest, **how)
        turned_t = fall.first_times[0]
        if len(fall.y_events[0]):
            minimum = float(flow.row_norms(fall.y_events[0][0])[token])
    return Stages(
        condensed_t=condensed_t,
        cosine=cosine,
        frozen_ratio=frozen_ratio,
        focus_t=focus_t,
        top_t=top_t,
        peak=peak,
        turned_t=turned_t,
        minimum=minimum,
        renewal_t=renewal_t,
        path=path,
    )
