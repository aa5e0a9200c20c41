import math

import numpy as np
import pytest

from tinyattn import ode, pairs
from tinyattn.backend import namespace, to_numpy
from tinyattn.errors import InputError


def bend(t, y):
    """Non-autonomous and nonlinear, so that a wrong node shows: y(t) = 1 / (1 + t^2)."""
    return -2 * t * y * y


def oscillator(t, y):
    """(..., 2): y1 + i y2 turns once in 2 pi."""
    return namespace(y).stack([y[..., 1], -y[..., 0]], axis=-1)


def with_attributes(g, **attributes):
    vars(g).update(attributes)
    return g


def order(step, sizes):
    """Slope of the error at t = 2 against the number of steps, on logarithms."""
    errors = []
    for n in sizes:
        y, h = np.array(1.0), 2 / n
        for i in range(n):
            y = step(bend, i * h, y, h)
        errors.append(abs(y - 0.2))
    return -np.polyfit(np.log(sizes), np.log(errors), 1)[0]


def test_orders():
    assert order(ode.euler_step, [64, 128, 256, 512, 1024]) == pytest.approx(1, abs=0.1)
    assert order(ode.rk4_step, [16, 32, 64, 128]) == pytest.approx(4, abs=0.1)
    assert order(lambda *args: ode.dopri5_step(*args)[0], [64, 128, 256]) == pytest.approx(
        5, abs=0.4
    )


def test_the_order_test_sees_a_wrong_node():
    def wrong_nodes(f, t, y, h):
        k1 = f(t, y)
        k2 = f(t + h / 3, y + (h / 2) * k1)
        k3 = f(t + 2 * h / 3, y + (h / 2) * k2)
        k4 = f(t + h, y + h * k3)
        return y + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)

    assert order(wrong_nodes, [16, 32, 64, 128]) == pytest.approx(3.1, abs=0.1)


def test_the_tableau_of_dormand_and_prince():
    pair, c = pairs.DOPRI5, np.array(pairs.DOPRI5.nodes)
    A, b4 = rows_of(pair), np.array(pairs._B4)
    b5 = A[6]
    trees = [  # elementary weights of all rooted trees up to order 4, then three of order 5
        (lambda b: b.sum(), 1, 1), (lambda b: b @ c, 1 / 2, 2), (lambda b: b @ c**2, 1 / 3, 3),
        (lambda b: b @ A @ c, 1 / 6, 3), (lambda b: b @ c**3, 1 / 4, 4), (lambda b: (b * c) @ A @ c, 1 / 8, 4),
        (lambda b: b @ A @ c**2, 1 / 12, 4), (lambda b: b @ A @ A @ c, 1 / 24, 4), (lambda b: b @ c**4, 1 / 5, 5),
        (lambda b: b @ A @ A @ A @ c, 1 / 120, 5), (lambda b: (b * c**2) @ A @ c, 1 / 10, 5),
    ]  # fmt: skip
    for weight, value, of in trees:
        assert weight(b5) == pytest.approx(value, abs=1e-14)
        if of <= 4:
            assert weight(b4) == pytest.approx(value, abs=1e-14)
    np.testing.assert_allclose(pair.error, b5 - b4, atol=1e-16)


@pytest.mark.parametrize("name", pairs.PAIRS)
def test_what_every_pair_promises(name):
    """Order conditions p = 1 to 4 of both methods, and of the polynomial inside; the longest stable step."""
    pair, theta = pairs.PAIRS[name], 0.3
    c, A, error = np.array(pair.nodes), rows_of(pair), np.array(pair.error)
    b = A[-1]
    np.testing.assert_allclose(A.sum(axis=1), c, atol=1e-15)
    assert tuple(c[-2:]) == (1, 1), (
        "the last two stages stand at the end, so they tell the fastest rate"
    )
    inside = np.array(pair.dense) @ theta ** np.arange(1, len(pair.dense[0]) + 1)
    for p in range(1, min(pair.order, 4) + 1):
        assert b @ c ** (p - 1) == pytest.approx(1 / p, abs=1e-14)
        assert inside @ c ** (p - 1) == pytest.approx(theta**p / p, abs=1e-13)
        if p < pair.order:
            assert error @ c ** (p - 1) == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(
        np.sum(pair.dense, axis=1), b, atol=1e-13
    )  # at theta = 1 the step itself
    grown = [abs(decayed(b, A, h)) for h in (0.999 * pair.stable, 1.001 * pair.stable)]
    assert grown[0] < 1 < grown[1]


def rows_of(pair):
    """The weights of its stages as a square matrix, its last row the step."""
    A = np.zeros((len(pair.nodes), len(pair.nodes)))
    for i, row in enumerate(pair.rows):
        A[i, : len(row)] = row
    return A


def decayed(b, A, h):
    """What one step of h makes of 1 on dy/dt = -y."""
    return 1 - h * b @ np.linalg.solve(np.eye(len(A)) + h * A, np.ones(len(A)))


def test_the_error_estimate_is_of_order_five():
    errors = [abs(ode.dopri5_step(bend, 0.5, np.array(0.8), h)[1]) for h in (0.1, 0.05)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(5, abs=0.3)


@pytest.mark.parametrize("method, settings", [
    ("euler", dict(n_steps=20000)), ("rk4", dict(step=0.01)), ("rk45", dict(rtol=1e-9, atol=1e-12)),
])  # fmt: skip
@pytest.mark.parametrize("span", [(0.0, 3.0), (3.0, 0.0)])
def test_every_method_on_every_device_in_both_directions(device, method, settings, span):
    y0 = np.array([[1.0, 0.0], [0.5, -2.0], [0.0, 3.0]])
    wanted = np.linspace(*span, 7)
    solution = ode.integrate(
        oscillator, span, device.put(y0), method=method, t_eval=wanted, **settings
    )
    assert (solution.success, solution.status) == (
        True,
        0,
    ) and solution.t.tolist() == wanted.tolist()
    turned = (wanted - span[0])[:, None]
    exact = np.stack([y0[:, 0] * np.cos(turned) + y0[:, 1] * np.sin(turned),
                      y0[:, 1] * np.cos(turned) - y0[:, 0] * np.sin(turned)], axis=-1)  # fmt: skip
    tolerance = 1e-3 if method == "euler" else 1e-7
    np.testing.assert_allclose(to_numpy(solution.y), exact, atol=tolerance)


def test_fixed_steps_land_on_the_end_exactly():
    solution = ode.integrate(bend, (0.1, 1.0), np.array(1.0), step=0.25)
    assert solution.t.tolist() == [0.1, 0.1 + 0.25, 0.1 + 2 * 0.25, 0.1 + 3 * 0.25, 1.0]
    solution = ode.integrate(bend, (0, 0.3), np.array(1.0), step=0.1)
    assert (
        solution.t.tolist() == [0, 0.1, 0.2, 0.3] and solution.nfev == 12 and solution.n_steps == 3
    )


def test_euler_is_gradient_descent_to_the_last_bit():
    y, solution = (
        1.0,
        ode.integrate(lambda t, y: -(y**3), (0, 0.3), np.array(1.0), method="euler", step=0.1),
    )
    for _ in range(3):
        y = y - 0.1 * y**3
    assert solution.y[-1] == y


def test_no_t_eval_returns_every_step_and_t_eval_interpolates():
    every = ode.integrate(bend, (0, 2), np.array(1.0), n_steps=40)
    assert every.t.shape == (41,) and every.y.shape == (41,)
    some = ode.integrate(bend, (0, 2), np.array(1.0), n_steps=40, t_eval=[0.0, 0.05, 0.51, 2.0])
    np.testing.assert_allclose(some.y, 1 / (1 + some.t**2), atol=2e-7)
    assert some.y[1] == every.y[1] and some.y[-1] == every.y[-1]
    fine = ode.integrate(
        bend,
        (0, 2),
        np.array(1.0),
        method="rk45",
        rtol=1e-8,
        atol=1e-10,
        t_eval=np.linspace(0, 2, 99),
    )
    np.testing.assert_allclose(fine.y, 1 / (1 + fine.t**2), atol=1e-8)
    assert fine.nfev < 400


@pytest.mark.parametrize("settings", [dict(), dict(step=0.3)])
@pytest.mark.parametrize("span, wanted", [
    ((0, 2), [0.3, 1.7]), ((2, 0), [1.7, 1.1, 0.2]), ((0, 2), [2.0]), ((0, 2), []),
])  # fmt: skip
def test_the_times_wanted_come_also_where_the_start_is_none_of_them(span, wanted, settings):
    solution = ode.integrate(bend, span, [1 / (1 + span[0] ** 2)], t_eval=wanted, **settings)
    assert solution.t.tolist() == wanted and solution.y.shape == (len(wanted), 1)
    np.testing.assert_allclose(solution.y[:, 0], 1 / (1 + solution.t**2), atol=2e-3)


@pytest.mark.parametrize("settings", [dict(), dict(step=0.3)])
@pytest.mark.parametrize("wanted", [[0.0, 0.4, 0.8, 1.2], [0.2, 0.9], [1.5, 2.0]])
def test_of_the_times_wanted_those_after_the_stop_do_not_come(wanted, settings):
    for sign in (1, -1):  # y moves by 1 in a unit of time, so the stop is at 1
        stop = ode.event(lambda t, y: y[0] - sign * 1.0, terminal=True)
        how = dict(events=stop, t_eval=sign * np.array(wanted), **settings)
        solution = ode.integrate(lambda t, y: np.ones(1), (0, 2 * sign), [0.0], **how)
        came = [time for time in wanted if time <= 1]
        assert solution.status == 1 and (sign * solution.t).tolist() == came
        np.testing.assert_allclose(solution.y[:, 0], solution.t, rtol=1e-12)


@pytest.mark.parametrize("settings", [dict(), dict(step=0.3), dict(method="euler", step=0.3)])
def test_at_the_end_of_a_step_the_state_wanted_is_that_of_the_step_to_the_last_bit(settings):
    every = ode.integrate(turn, (0, 9), [1.0, 0.3], **settings)
    wanted = ode.integrate(turn, (0, 9), [1.0, 0.3], t_eval=every.t, **settings)
    assert np.array_equal(wanted.y, every.y)


@pytest.mark.parametrize("f, y0, span", [
    (bend, 1.0, (0, 3)), (bend, 0.1, (3, -3)),
    (lambda t, y: -40 * (y - np.cos(3 * t)), 0.0, (0, 4)),
    (lambda t, y: 1e-3 * y, 1.0, (0, 1)), (lambda t, y: np.sin(20 * t) * y, 1e-4, (0, 2)),
    (lambda t, y: np.cos(9 * t) * y + (t > 1), 0.0, (0, 2)), (lambda t, y: 0 * y, 1.0, (0, 3)),
])  # fmt: skip
def test_of_one_number_the_steps_and_what_lies_inside_them_are_those_of_solve_ivp(f, y0, span):
    """There the two measures of the error, largest and root mean square, are one."""
    scipy, inside = pytest.importorskip("scipy.integrate"), np.linspace(*span, 57)
    tight = dict(rtol=1e-6, atol=1e-9)
    for how in (tight, dict(rtol=1e-3, atol=1e-5), dict(max_step=0.1, **tight)):
        ours = ode.integrate(f, span, [y0], **how)
        theirs = scipy.solve_ivp(f, span, [y0], dense_output=True, **how)
        np.testing.assert_allclose(ours.t, theirs.t, atol=1e-7)
        np.testing.assert_allclose(ours.y, theirs.y.T, rtol=1e-7, atol=1e-8)
        assert ours.nfev == theirs.nfev
        some = ode.integrate(f, span, [y0], t_eval=inside, **how)
        np.testing.assert_allclose(some.y, theirs.sol(inside).T, rtol=1e-7, atol=1e-8)


def test_tolerances_not_given_are_those_that_are_documented():
    given = ode.integrate(bend, (0, 3), [1.0], rtol=1e-6, atol=1e-9)
    assert np.array_equal(given.t, ode.integrate(bend, (0, 3), [1.0]).t)


def test_as_many_steps_as_allowed_are_no_failure():
    for enough, status in ((20, 0), (19, -1)):
        solution = ode.integrate(bend, (0, 2), [1.0], n_steps=20, max_steps=enough)
        assert (solution.status, solution.n_steps) == (status, enough)


@pytest.mark.parametrize("settings", [dict(), dict(step=0.3)])
@pytest.mark.parametrize("span", [(1, 3), (3, 1)])
def test_the_bar_comes_to_its_end(monkeypatch, span, settings):
    moves = []

    class Bar:
        __enter__ = lambda self: self
        __exit__ = lambda self, *error: None
        update = lambda self, by: moves.append(by)

    monkeypatch.setattr(ode, "progress_bar", lambda total, title: Bar() if total == 1 else None)
    ode.integrate(bend, span, [1 / (1 + span[0] ** 2)], **settings)
    assert sum(moves) == pytest.approx(1) and min(moves) > 0


def test_tolerances_are_kept_and_max_step_is_obeyed():
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
        solution = ode.integrate(
            bend, (0, 2), np.array(1.0), method="rk45", rtol=rtol, atol=rtol * 1e-3
        )
        errors.append(abs(solution.y[-1] - 0.2))
        assert errors[-1] < 10 * rtol
    assert errors == sorted(errors, reverse=True)
    assert (
        np.diff(ode.integrate(bend, (0, 2), np.array(1.0), method="rk45", max_step=0.01).t).max()
        <= 0.01 + 1e-12
    )


@pytest.mark.parametrize(
    "method, settings", [("rk4", dict(step=0.05)), ("rk45", dict(rtol=1e-10, atol=1e-12))]
)
def test_events_fire_once_a_run_and_stop_when_all_have(device, method, settings):
    y0 = np.array([[1.0, 0.0], [2.0, 0.0], [0.5, 0.0]])

    falls_to_half = ode.event(lambda t, y: y[..., 0] - 0.25, terminal=True, direction=-1)

    def never(t, y):
        return y[..., 0] - 5.0

    solution = ode.integrate(
        oscillator,
        (0, 20),
        device.put(y0),
        method=method,
        events=[falls_to_half, never],
        **settings,
    )
    exact = np.arccos(0.25 / y0[:, 0])
    np.testing.assert_allclose(solution.t_events[0], exact, atol=1e-6)
    np.testing.assert_allclose(to_numpy(solution.y_events[0])[:, 0], 0.25, atol=1e-6)
    assert solution.status == 1 and solution.t[-1] == solution.t_events[0].max()
    np.testing.assert_allclose(to_numpy(solution.y)[-1, 1, 0], 0.25, atol=1e-6)
    assert np.isnan(solution.t_events[1]).all()


def test_a_run_that_has_fired_stands_still_and_does_not_hold_up_the_others():
    rates = np.array([1.0, 1e-3])

    half = ode.event(lambda t, y: y - 0.5, terminal=True)
    solution = ode.integrate(
        lambda t, y: -rates * y,
        (0, 1e4),
        np.ones(2),
        method="rk45",
        rtol=1e-8,
        atol=1e-10,
        events=half,
    )
    np.testing.assert_allclose(solution.t_events[0], np.log(2) / rates, rtol=1e-6)
    assert (
        solution.n_steps < 60
    )  # it is stability that would hold the step below 3.3 / 1.0, for 700 units of time
    after = solution.t > 10
    assert (solution.y[after, 0] == solution.y[after, 0][0]).all()


@pytest.mark.parametrize(
    "method, settings", [("rk4", dict(step=0.05)), ("rk45", dict(rtol=1e-5, atol=1e-6))]
)
def test_float32_stays_float32(device, method, settings):
    y0 = device.put(np.array([[1.0, 0.0], [2.0, 0.0]]), "float32")
    half = ode.event(lambda t, y: y[..., 0] - 0.25, terminal=True)
    solution = ode.integrate(oscillator, (0, 20), y0, method=method, events=half, **settings)
    assert solution.y.dtype == solution.y_events[0].dtype == np.float32
    np.testing.assert_allclose(solution.t_events[0], np.arccos([0.25, 0.125]), atol=1e-4)


def test_direction_of_a_single_event():
    times = {}
    for direction in (-1, 0, 1):
        g = ode.event(lambda t, y: y[0], direction=direction)
        solution = ode.integrate(oscillator, (0, 10), np.array([1.0, 0.0]), step=0.1, events=g)
        times[direction] = solution.first_times[0]
        assert solution.status == 0 and solution.t[-1] == 10
    assert times[-1] == times[0] == pytest.approx(np.pi / 2, abs=1e-5)
    assert times[1] == pytest.approx(3 * np.pi / 2, abs=1e-5)


def test_many_runs_are_each_the_run_alone():
    rates = np.array([0.1, 1.0, 7.0])
    batched = ode.integrate(
        lambda t, y: -rates * y, (0, 2), np.ones(3), method="rk45", rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(batched.y[-1], np.exp(-2 * rates), rtol=1e-7, atol=1e-11)


def test_equal_entries_stay_equal_to_the_last_bit(rng):
    y0 = np.repeat(rng.normal(size=(1, 3)), 4, axis=0)
    for method, settings in [("euler", dict(step=0.1)), ("rk4", dict(step=0.1)), ("rk45", {})]:
        y = ode.integrate(
            lambda t, y: np.sin(t + y) - y**3, (0, 5), y0, method=method, **settings
        ).y[-1]
        assert all(np.array_equal(y[0], row) for row in y)


@pytest.mark.parametrize(
    "method, settings", [("euler", dict(step=0.1)), ("rk4", dict(step=0.1)), ("rk45", {})]
)
def test_a_value_that_is_not_finite_stops_with_time_and_step(method, settings):
    with np.errstate(all="ignore"):
        solution = ode.integrate(
            lambda t, y: y * y, (0, 40), np.array([1.0]), method=method, **settings
        )
    assert solution.status == -1 and not solution.success
    assert "t = " in solution.message and f"step {solution.n_steps + 1}" in solution.message
    assert np.isfinite(solution.y).all() and len(solution.t) == len(solution.y)


def test_max_steps_ends_it():
    solution = ode.integrate(bend, (0, 2), np.array(1.0), step=0.1, max_steps=5)
    assert solution.status == -1 and "max_steps = 5" in solution.message and len(solution.t) == 6
    assert solution.n_steps == 5


def test_a_nan_of_an_event_stops():
    nan_later = lambda t, y: np.log(1 - y[0]) + 5.0
    with np.errstate(all="ignore"):
        solution = ode.integrate(
            lambda t, y: np.ones(1), (0, 2), np.zeros(1), step=0.3, events=nan_later
        )
    assert (
        solution.status == -1
        and solution.message == "an event's value is not finite at t = 1.2, step 4"
    )
    hole = lambda t, y: np.where(abs(y - 0.6) < 0.1, np.nan, y - 0.55)[0]
    solution = ode.integrate(lambda t, y: np.ones(1), (0, 1), np.zeros(1), step=0.5, events=hole)
    assert solution.status == -1 and "event's value" in solution.message, (
        "a hole inside the step is no zero"
    )


def test_an_error_inside_an_event_is_not_swallowed():
    def wrong(t, y):
        return y[0] if t == 0 else np.ones(2) @ np.ones(3)

    with pytest.raises(ValueError, match="matmul"):
        ode.integrate(bend, (0, 2), np.ones(1), step=0.5, events=wrong)


def test_nothing_fires_after_the_stop_and_two_events_may_stop_two_runs():
    at = lambda place, run=None: lambda t, y: (y if run is None else y[run]) - place
    first, second = at(0.5, 0), at(1.5, 0)
    first.terminal = True
    solution = ode.integrate(
        lambda t, y: np.ones(1), (0, 2), np.zeros(1), step=2, events=[first, second]
    )
    assert solution.t[-1] == solution.t_events[0] == pytest.approx(0.5) and not len(
        solution.t_events[1]
    )
    up, down = at(1.0), at(-1.0)
    up.terminal = down.terminal = True
    for method, settings in (("rk4", dict(step=0.1)), ("rk45", {})):
        solution = ode.integrate(lambda t, y: np.array([1.0, -0.5]), (0, 9), np.zeros(2), method=method, events=[up, down],
                                 **settings)  # fmt: skip
        assert solution.status == 1 and solution.t[-1] == pytest.approx(2)
        np.testing.assert_allclose(solution.t_events, [[1, np.nan], [np.nan, 2]], rtol=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("step", [2, 0.3])
def test_of_many_runs_too_nothing_fires_after_the_stop(sign, step):
    """Runs at t and at t - 1/4: the stop is at 3/4, when the second comes to 1/2."""
    at = lambda place: lambda t, y: sign * y[:, 0] - place
    stop, seen = ode.event(at(0.5), terminal=True), at(0.45)
    late, never = at(0.7), at(9.0)
    how = dict(events=[stop, seen, late, never], step=step)
    start = sign * np.array([[0.0, 5.0], [-0.25, 6.0]])
    solution = ode.integrate(lambda t, y: np.ones_like(y), (0, 2 * sign), start, **how)
    assert solution.status == 1 and solution.t[-1] == pytest.approx(0.75 * sign)
    first = 0.7 if step == 2 else np.nan  # with short steps it stands still by then
    wanted = [[0.5, 0.75], [0.45, 0.7], [first, np.nan], [np.nan, np.nan]]
    for i, times in enumerate(wanted):
        np.testing.assert_allclose(sign * solution.t_events[i], times, rtol=1e-12)
        np.testing.assert_allclose(sign * solution.first_times[i], times, rtol=1e-12)
        moved = np.array(times)[:, None] * sign
        np.testing.assert_allclose(solution.y_events[i], start + moved, rtol=1e-12)


def test_f_is_never_asked_outside_the_span():
    asked = []

    def f(t, y):
        asked.append(t)
        return 1e-8 * y

    ode.integrate(f, (0, 1), np.ones(1), method="rk45")
    assert 0 <= min(asked) and max(asked) <= 1


@pytest.mark.parametrize(
    "change, message",
    [
        (
            dict(method="rk4"),
            "step: expected either step or n_steps with a fixed-step method, got neither",
        ),
        (
            dict(method="Euler", step=0.1, rtol=1e-3),
            'rtol: expected none, as "euler" takes fixed steps, got 0.001',
        ),
        (dict(step=0.1, atol=1e-3), "atol: expected none"),
        (dict(step=0.1, max_step=1.0), "max_step: expected none"),
        (dict(method=3), "method: expected"),
        (dict(step=0.1, n_steps=3), "step: expected .* got both"),
        (dict(step=0.0), "step: expected a finite number > 0, got 0.0"),
        (dict(step=-0.1), "step: expected a finite number > 0, got -0.1"),
        (dict(step=math.nan), "step: expected a finite number > 0, got nan"),
        (dict(n_steps=0), "n_steps: expected a whole number >= 1, got 0"),
        (dict(method="rk23", step=0.1), "method: expected .*, got 'rk23'"),
        (dict(method="rk45", step=0.1), "step: expected none"),
        (dict(method="rk45", rtol=0.0), "rtol: expected a finite number > 0, got 0.0"),
        (dict(method="rk45", rtol=math.inf), "rtol: expected a finite number > 0, got inf"),
        (dict(method="bdf", atol=math.inf), "atol: expected a finite number > 0, got inf"),
        (dict(atol=np.array(True)), "atol: expected a finite number > 0, got True"),
        (dict(method="rk45", atol=-1.0), "atol: expected"),
        (dict(method="rk45", max_step=0.0), "max_step: expected a finite number > 0, got 0.0"),
        (
            dict(step=0.1, t_eval=[0.0, 2.5]),
            r"t_eval: expected times in order within \[0, 2\], got \[0. , 2.5\]",
        ),
        (dict(step=0.1, t_eval=[1.0, 0.5]), "t_eval: expected times in order"),
        (dict(step=0.1, t_eval=[0.1, math.nan]), "t_eval: expected"),
        (
            dict(step=0.1, y0=np.array([1.0, np.nan])),
            r"y0: expected finite floating-point numbers, got \[ 1., nan\]",
        ),
        (dict(step=0.1, y0=np.array([1j, 2])), "y0: expected an array of numbers"),
        (dict(step=0.1, y0=np.ones(2, "float16")), "y0: expected float32 or float64, got float16"),
        (
            dict(step=0.1, y0=np.ma.masked_array([1.0, 2.0], [True, False])),
            "y0: expected an array of numbers",
        ),
        (dict(t_span=(-1.7e308, 1.7e308)), "t_span: expected two finite times"),
        (
            dict(f=lambda t, y: 1j * y),
            "f: expected a return of real numbers of shape .2,., as y, got complex128",
        ),
        (dict(f=lambda t, y: None), "f: its return: expected an array of numbers, got None"),
        (
            dict(events=lambda t, y: None),
            "events: expected g.t, y. to return a number that changes its sign, got None",
        ),
        (
            dict(events=lambda t, y: y[0] > 0),
            "events: expected g.t, y. to return a number that changes its sign, got True",
        ),
        (
            dict(events=with_attributes(lambda t, y: y[0], terminal=-1)),
            "events: terminal: expected a whole number >= 0, got -1",
        ),
        (
            dict(events=with_attributes(lambda t, y: y[0], direction="up")),
            "events: direction: expected",
        ),
        (
            dict(events=with_attributes(lambda t, y: y, terminal=2)),
            "events: expected terminal True or False .* got 2",
        ),
        (
            dict(t_span=(-math.inf, 0)),
            "t_span: expected two finite times, or an end at infinity, got",
        ),
        (dict(t_span=(0, math.nan)), "t_span: expected two finite times"),
        (
            dict(step=0.1, t_span=(0, math.inf)),
            "t_span: expected a finite end, or a terminal event that comes before",
        ),
        (
            dict(t_span=(0, math.inf), events=lambda t, y: y[0]),
            "t_span: expected a finite end, or a terminal event",
        ),
        (
            dict(t_span=(0, math.inf), n_steps=3),
            "n_steps: expected none, but step, with an end at infinity, got 3",
        ),
        (
            dict(rtol=[1e-3]),
            r"rtol: expected a finite number > 0, or an array of them of shape \(2,\), as y0, got \[0.001\]",
        ),
        (
            dict(atol=np.array([1e-9, 0.0])),
            "atol: expected a finite number > 0, or an array of them",
        ),
        (dict(atol=["a", "b"]), "atol: expected an array of numbers"),
        (
            dict(f=lambda y, t: y),
            r"f: expected a function f\(t, y\), the time first, got f\(y, t\)",
        ),
        (
            dict(f=lambda y, time: y),
            r"f: expected a function f\(t, y\), the time first, got f\(y, time\)",
        ),
        (
            dict(f=lambda state, t: state),
            r"f: expected a function f\(t, y\), the time first, got f\(state, t\)",
        ),
        (dict(f=lambda y: y), r"f: expected a function f\(t, y\), the time first, got f\(y\)"),
        (
            dict(method="bdf", y0=np.ones(2, "float32")),
            'y0: expected float64 on NumPy, where "bdf" works, got float32 on numpy',
        ),
        (dict(method="bdf", n_steps=3), 'step: expected none, as "bdf" chooses its own'),
        (dict(step=0.1, t_span=3), "t_span: expected two numbers, got 3"),
        (
            dict(step=0.1, f=lambda t, y: y[:1]),
            r"f: expected a return of real numbers of shape \(2,\), as y, got .* \(1,\)",
        ),
        (
            dict(step=0.1, events=lambda t, y: np.ones(3)),
            "events: expected one number, or one for each of",
        ),
        (dict(step=0.1, max_steps=0), "max_steps: expected"),
        (dict(step=0.1, y0="a"), "y0: expected an array of numbers, got 'a'"),
        (dict(y0=[]), r"y0: expected at least one entry, got shape \(0,\)"),
        (dict(step=0.1, t_eval="a"), "t_eval: expected an array of numbers, got 'a'"),
        (dict(method="rk45", max_step="a"), "max_step: expected a finite number > 0, got 'a'"),
        (dict(step=0.1, f=None), "f: expected a function"),
        (dict(step=0.1, events=3), r"events: expected functions g\(t, y\), got 3"),
        (dict(step=0.1, events=lambda t, y: np.nan), "events: expected finite values at the start"),
        (dict(step=1e-320), "step: expected"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    settings = {"f": bend, "t_span": (0, 2), "y0": np.array([1.0, 2.0]), **change}
    with pytest.raises(InputError, match=message):
        ode.integrate(settings.pop("f"), settings.pop("t_span"), settings.pop("y0"), **settings)


# What a field or an event is given it may spoil, and what it returns it may fill again.


def careless(exact):
    """The function with the worst manners: it works in what it was given and hands out one buffer for everything."""
    buffer = np.empty(np.shape(exact(0.0, np.ones(2))))

    def f(t, y):
        buffer[...] = exact(t, y)
        y[...] = np.nan
        return buffer

    return f


def turn(t, y):
    return np.array([y[1], -y[0]])


@pytest.mark.parametrize(
    "settings", [dict(method="euler", step=0.1), dict(step=0.1), dict(), dict(t_eval=[0.3, 1.7])]
)
def test_careless_fields_and_events_change_nothing(settings):
    crossing = lambda t, y: y[0] - 0.3
    y0 = np.array([1.0, 0.0])
    clean = ode.integrate(turn, (0, 9), y0, events=crossing, **settings)
    spoilt = ode.integrate(careless(turn), (0, 9), y0, events=careless(crossing), **settings)
    assert np.array_equal(clean.y, spoilt.y) and np.array_equal(
        clean.t_events[0], spoilt.t_events[0]
    )
    assert np.array_equal(clean.y_events[0], spoilt.y_events[0]) and len(clean.t_events[0]) == 3
    assert y0.tolist() == [1, 0]


@pytest.mark.parametrize("step", [ode.euler_step, ode.rk4_step, ode.dopri5_step])
def test_careless_fields_change_no_single_step(step):
    y = np.array([0.4, -1.2])
    assert np.array_equal(
        step(turn, 0.5, y, 0.1), step(careless(turn), 0.5, y, 0.1)
    ) and y.tolist() == [0.4, -1.2]


def test_events_of_many_runs_may_be_careless_too():
    y0, crossing = np.array([[1.0, 0.0], [2.0, 0.0]]), lambda t, y: y[:, 0] - 0.1

    def spoils(t, y):
        value = crossing(t, y)
        y[...] = np.nan
        return value

    clean, spoilt = (ode.integrate(oscillator, (0, 5), y0, events=g) for g in (crossing, spoils))
    assert np.array_equal(clean.t_events[0], spoilt.t_events[0]) and np.array_equal(
        clean.y, spoilt.y
    )


# Events of one run are those of solve_ivp.


def pendulum(t, y):
    return np.array([y[1], -np.sin(y[0]) - 0.05 * y[1] + 0.1 * np.cos(0.7 * t)])


PENDULUM_EVENTS = [
    [lambda t, y: y[0]],
    [
        with_attributes(lambda t, y: y[0], direction=1),
        with_attributes(lambda t, y: y[1] - 0.2, direction=-2.5),
    ],
    [with_attributes(lambda t, y: y[0], terminal=3), lambda t, y: y[1]],
    [with_attributes(lambda t, y: y[0], terminal=True, direction=-1), lambda t, y: t - 0.5],
    [lambda t, y: y[0] - 9.0],
]


@pytest.mark.parametrize("events", PENDULUM_EVENTS)
@pytest.mark.parametrize("span", [(0, 40), (40, 0)])
def test_events_against_solve_ivp(events, span):
    scipy = pytest.importorskip("scipy.integrate")
    y0 = [1.0, 0.3]
    ours = ode.integrate(pendulum, span, y0, events=events, rtol=1e-10, atol=1e-12)
    theirs = scipy.solve_ivp(pendulum, span, y0, events=events, rtol=1e-10, atol=1e-12)
    assert ours.status == theirs.status and ours.t[-1] == pytest.approx(theirs.t[-1], rel=1e-7)
    np.testing.assert_allclose(ours.y[-1], theirs.y[:, -1], atol=1e-7)
    for t, y, t_there, y_there in zip(
        ours.t_events, ours.y_events, theirs.t_events, theirs.y_events
    ):
        np.testing.assert_allclose(t, t_there, atol=1e-6)
        np.testing.assert_allclose(y.reshape(-1, 2), np.reshape(y_there, (-1, 2)), atol=1e-6)


def test_all_zeros_of_one_run_each_once_also_at_the_end_of_a_step():
    for settings in (dict(step=0.25), dict(step=0.1), dict(max_step=0.3)):
        solution = ode.integrate(
            lambda t, y: np.ones(1),
            (0, 2),
            [-1.0],
            events=lambda t, y: y[0] * (y[0] - 0.5),
            **settings,
        )
        np.testing.assert_allclose(solution.t_events[0], [1.0, 1.5], rtol=1e-12)
        np.testing.assert_allclose(solution.y_events[0], [[0.0], [0.5]], atol=1e-12)
        assert solution.first_times == [solution.t_events[0][0]]


@pytest.mark.parametrize("settings", [dict(step=0.01), dict(rtol=1e-9, atol=1e-12)])
def test_a_start_on_a_zero_is_none_so_a_period_can_be_measured(settings):
    back = with_attributes(lambda t, y: y[0], terminal=True, direction=1)
    period = ode.integrate(turn, (0, 99), [0.0, 1.0], events=back, **settings)
    assert period.first_times == pytest.approx([2 * np.pi], rel=1e-7)


@pytest.mark.parametrize("settings", [dict(step=0.037), dict(rtol=1e-7)])
def test_a_restart_goes_on_from_where_an_event_stopped_it(settings):
    stop = with_attributes(lambda t, y: y[0] - 0.2, terminal=True)
    t, y, found = 0.0, np.array([1.0, 0.4]), []
    while len(found) < 12:
        part = ode.integrate(turn, (t, 99), y, events=stop, **settings)
        assert (
            part.status == 1
            and part.t[-1] == part.t_events[0][-1]
            and np.array_equal(part.y[-1], part.y_events[0][-1])
        )
        t, y = part.t[-1], part.y[-1]
        found.append(t)
    assert np.diff(found)[::2] == pytest.approx(np.diff(found)[0], rel=1e-4)
    assert np.diff(found).min() > 1, "no zero is found twice"


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("method", ["rk4", "euler"])
def test_what_stops_inside_a_step_is_the_last_of_all_steps(method, sign):
    stop = ode.event(lambda t, y: y[0] - 0.625, terminal=True)
    path = ode.integrate(
        lambda t, y: sign * np.ones(1), (0, sign * 2), [0.0], method=method, step=0.25, events=stop
    )
    np.testing.assert_allclose(sign * path.t, [0, 0.25, 0.5, 0.625], rtol=1e-12)
    np.testing.assert_allclose(path.y[:, 0], [0, 0.25, 0.5, 0.625], rtol=1e-12)
    at_once = ode.event(lambda t, y: y[0] - 0.125, terminal=True)
    path = ode.integrate(
        lambda t, y: sign * np.ones(1),
        (0, sign * 2),
        [0.0],
        method=method,
        step=0.25,
        events=at_once,
    )
    np.testing.assert_allclose(sign * path.t, [0, 0.125], rtol=1e-12)


@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_stop_that_t_cannot_tell_from_a_time_that_is_there_takes_its_place(before):
    """y moves by 2^30 in one step: it has left the step's end before t has another digit."""
    stop = ode.event(lambda t, y: 1.0 if y[0] > 1 + before * 2.0**30 else -1.0, terminal=True)
    path = ode.integrate(
        lambda t, y: np.full(1, 2.0**30), (1, 9), [1.0], method="rk4", step=1.0, events=stop
    )
    assert path.t.tolist() == [*range(1, before + 2)] and path.status == 1
    assert len(path.y) == len(path.t) and np.array_equal(path.y[-1], path.y_events[0][-1])
    assert stop(0, path.y[-1]) > 0, "the state is that behind the zero"


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "span, step, n", [(0.25, 1.0, 1), (1.0, 1.0, 1), (0.25, 1e12, 1), (1.5, 1.0, 2), (2.0, 1.0, 2)]
)
def test_there_are_as_many_steps_as_it_takes_one_at_least(span, step, n, sign):
    path = ode.integrate(lambda t, y: np.ones(1), (0, sign * span), [0.0], step=step)
    want = [*range(n), span]
    assert (path.n_steps, path.nfev) == (n, 4 * n)
    assert path.t.tolist() == [sign * t for t in want] and path.y[:, 0] == pytest.approx(
        [sign * t for t in want]
    )


# Time


def test_without_a_method_and_names_in_any_case():
    decay = lambda t, y: -y
    assert ode.integrate(decay, (0, 30), [1.0, 2.0]).y[-1] == pytest.approx(
        np.exp(-30) * np.array([1, 2]), abs=1e-8
    )
    for name in ("rk45", "RK45"):
        assert np.array_equal(
            ode.integrate(decay, (0, 3), [1.0], method=name).y,
            ode.integrate(decay, (0, 3), [1.0]).y,
        )
    assert np.array_equal(
        ode.integrate(decay, (0, 3), [1.0], n_steps=9).y,
        ode.integrate(decay, (0, 3), [1.0], method="RK4", n_steps=9).y,
    )


@pytest.mark.parametrize("t0", [1.7e18, -1.7e18, 1e300])
@pytest.mark.parametrize(
    "settings", [dict(), dict(n_steps=1000), dict(method="euler", step=300.0), dict(step=1e-3)]
)
def test_where_t_cannot_tell_a_step_the_run_says_so_or_is_right(t0, settings):
    span = (t0, t0 + 4096 * math.ulp(t0) / 256)
    stop = with_attributes(lambda t, y: y[0] - 0.22 * (span[1] - span[0]), terminal=True)
    try:
        solutions = [
            ode.integrate(lambda t, y: np.ones_like(y), span, [0.0], events=g, **settings)
            for g in (None, stop)
        ]
    except InputError as error:
        assert "step" in str(error)
        return
    for solution in solutions:
        moved = solution.t - span[0]
        assert (
            np.all(np.diff(solution.t) > 0)
            and np.abs(solution.y[:, 0] - moved).max() <= math.ulp(t0) / 2
        )
        assert solution.status >= 0 or "cannot tell a step" in solution.message


def test_a_clock_in_nanoseconds():
    decay = lambda t, y: -y * 1e-9
    solution = ode.integrate(decay, (1.7e18, 1.7e18 + 5e9), [1.0], rtol=1e-9)
    assert solution.y[-1, 0] == pytest.approx(np.exp(-5), rel=1e-6)


# What a state may be


class Column:
    """Like a pandas Series: not an array, but it knows how to become one."""

    dtype = np.dtype(float)
    shape = (2,)

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


class Named(np.ndarray):
    pass


@pytest.mark.parametrize("y0", [
    [1, 0], (1.0, 0.0), np.array([1, 0]), np.array([1, 0], "uint8"), np.array([True, False]), Column([1.0, 0.0]),
    np.array([1.0, 0.0]).view(Named),
])  # fmt: skip
def test_whatever_holds_numbers_is_a_state(y0):
    solution = ode.integrate(turn, (0, 1), y0)
    assert type(solution.y) is np.ndarray and solution.y.dtype == np.float64
    np.testing.assert_allclose(solution.y[-1], [np.cos(1), -np.sin(1)], atol=1e-5)
    assert ode.rk4_step(lambda t, y: list(turn(t, y)), 0.0, y0, 0.1) == pytest.approx(
        [np.cos(0.1), -np.sin(0.1)], abs=1e-6
    )


def test_a_number_is_a_state_and_a_slope_may_be_wider_than_it():
    assert ode.integrate(lambda t, y: -float(y), (0, 1), 1.0).y[-1] == pytest.approx(
        np.exp(-1), abs=1e-5
    )
    narrow = ode.integrate(lambda t, y: -y.astype(float), (0, 1), np.ones(3, "float32"), step=0.1)
    assert narrow.y.dtype == np.float32


@pytest.mark.parametrize("f", [
    lambda t, y: y * np.nan, lambda t, y: np.log(-y), lambda t, y: np.array([1.0, np.nan]), lambda t, y: y * np.inf,
    lambda t, y: y / np.sqrt(t), lambda t, y: -1e305 * y,
])  # fmt: skip
@pytest.mark.parametrize("settings", [dict(), dict(step=0.1)])
def test_a_slope_that_is_not_finite_at_the_start_ends_it_at_once(f, settings):
    with np.errstate(all="ignore"):
        solution = ode.integrate(f, (0, 1), np.ones(2), max_steps=50, **settings)
    assert solution.status == -1 and solution.n_steps <= 50 and np.isfinite(solution.y).all()


def test_tolerances_that_float32_does_not_know_still_tell_steps():
    y0 = np.array([1.0, 0.0], "float32")
    solution = ode.integrate(oscillator, (0, 1), y0, rtol=1e-60, atol=1e-60, max_steps=50)
    assert solution.status == -1, "it comes to an end, and says that it has not arrived"
    assert ode.integrate(lambda t, y: 0 * y, (0, 1), np.zeros(2, "float32"), atol=1e-60).status == 0


def test_the_start_may_be_the_fields_own_buffer():
    for settings in (dict(), dict(step=0.01), dict(method="euler", step=0.001)):
        buffer = np.ones(2)
        solution = ode.integrate(
            lambda t, y, out=buffer: np.multiply(y, -1, out=out), (0, 1), buffer, **settings
        )
        assert solution.y[-1] == pytest.approx(np.exp(-1), rel=2e-3) and (solution.y[0] == 1).all()
    buffer = np.ones(2)
    assert ode.rk4_step(
        lambda t, y: np.multiply(y, -1, out=buffer), 0.0, buffer, 0.1
    ) == pytest.approx(np.exp(-0.1), rel=1e-6)


def test_an_event_keeps_its_shape_and_a_step_its_precision():
    late = lambda t, y: (y[:, 0] if t == 0 else y[:1, 0]) - 0.5
    with pytest.raises(
        InputError, match=r"events: expected g\(t, y\) of shape \(3,\), as at the start, got \(1,\)"
    ):
        ode.integrate(lambda t, y: -y, (0, 2), np.ones((3, 1)), step=0.5, events=late)
    assert (
        ode.euler_step(lambda t, y: -y, np.float64(0), np.ones(2, "float32"), np.float64(0.1)).dtype
        == np.float32
    )
    with pytest.raises(InputError, match="rtol: expected a finite number"):
        ode.integrate(lambda t, y: -y, (0, 2), [1.0], rtol=np.ones(2))


@pytest.mark.parametrize("step", [1.0, 0.25])
@pytest.mark.parametrize(
    "touches", [lambda t, y: min(y[0] - 0.3, 0.0), lambda t, y: max(0.3 - y[0], 0.0)]
)
def test_a_zero_that_is_reached_and_kept_is_where_it_is_reached(step, touches):
    path = ode.integrate(
        lambda t, y: np.ones(1), (0, 1), [0.0], method="rk4", step=step, events=touches
    )
    assert path.t_events[0] == pytest.approx([0.3], abs=1e-12)


# A span without a length or without an end, tolerances by entry


@pytest.mark.parametrize("settings", [dict(), dict(step=0.1), dict(n_steps=3), dict(method="bdf")])
@pytest.mark.parametrize("wanted", [None, [1.5], []])
def test_a_span_of_no_length_returns_the_start(settings, wanted):
    solution = ode.integrate(
        turn, (1.5, 1.5), [1.0, 2.0], t_eval=wanted, events=lambda t, y: y[0], **settings
    )
    assert (
        solution.success
        and solution.n_steps == solution.nfev == 0
        and not len(solution.t_events[0])
    )
    assert solution.t.tolist() == ([1.5] if wanted is None else wanted)
    assert solution.y.tolist() == [[1.0, 2.0]] * len(solution.t)


@pytest.mark.parametrize(
    "settings", [dict(), dict(step=0.1), dict(method="euler", step=0.001), dict(method="bdf")]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_terminal_event_may_come_before_an_end_at_infinity(settings, sign):
    gone = ode.event(lambda t, y: y[0] - 0.1, terminal=True)
    wanted = sign * np.array([0.0, 1.0, 5.0])
    solution = ode.integrate(
        lambda t, y: -sign * y, (0, sign * math.inf), [1.0], events=gone, t_eval=wanted, **settings
    )
    assert solution.status == 1 and solution.t.tolist() == wanted[:2].tolist()
    assert sign * solution.first_times[0] == pytest.approx(math.log(10), rel=2e-3)


@pytest.mark.parametrize("settings", [dict(), dict(step=0.1), dict(method="bdf")])
def test_an_event_that_never_comes_before_an_end_at_infinity_is_told(settings):
    never = ode.event(lambda t, y: y[0] + 1, terminal=True)
    solution = ode.integrate(
        lambda t, y: 0 * y, (0, math.inf), [1.0], events=never, max_steps=1000, **settings
    )
    assert solution.status == -1 and (
        "no terminal event has fired by t" in solution.message or "step" in settings
    )


@pytest.mark.parametrize("method", ["rk45", "bdf"])
def test_tolerances_of_each_entry(method):
    rates = np.array([1.0, 20.0])
    decay = lambda t, y: -rates * y
    one = ode.integrate(decay, (0, 1), np.ones(2), method=method, rtol=1e-7, atol=1e-10)
    for rtol, atol in (([1e-7] * 2, np.full(2, 1e-10)), (np.full(2, 1e-7), (1e-10, 1e-10))):
        each = ode.integrate(decay, (0, 1), np.ones(2), method=method, rtol=rtol, atol=atol)
        assert np.array_equal(each.t, one.t) and np.array_equal(each.y, one.y)
    loose = ode.integrate(decay, (0, 1), np.ones(2), method=method, rtol=1e-7, atol=[1e-10, 1.0])
    assert loose.n_steps < one.n_steps / 2 and loose.y[-1, 0] == pytest.approx(
        math.exp(-1), rel=1e-5
    )


def test_tolerances_of_each_entry_on_every_device_and_in_its_precision(device):
    y0 = device.put(np.array([[1.0, 0.0], [2.0, 0.0]]), "float32")
    some = np.full((2, 2), 1e-5)
    for rtol in (some, some.tolist(), device.put(some)):
        solution = ode.integrate(oscillator, (0, 5), y0, rtol=rtol, atol=some)
        assert solution.y.dtype == np.float32
        np.testing.assert_allclose(
            to_numpy(solution.y[-1])[:, 0], [math.cos(5), 2 * math.cos(5)], atol=1e-3
        )


@pytest.mark.parametrize("y0", [1.0, np.ones(2)])
def test_a_tolerance_may_be_an_array_without_axes(device, y0):
    y0 = device.put(np.asarray(y0))
    by_number = ode.integrate(lambda t, y: -y, (0, 1), y0, rtol=1e-5, atol=1e-7)
    for rtol in (np.float64(1e-5), np.array(1e-5), device.put(np.array(1e-5))):
        solution = ode.integrate(lambda t, y: -y, (0, 1), y0, rtol=rtol, atol=np.array(1e-7))
        assert np.array_equal(solution.t, by_number.t)
        assert np.array_equal(to_numpy(solution.y), to_numpy(by_number.y))


def test_an_event_whose_terminal_is_none_ends_nothing():
    solution = ode.integrate(
        turn, (0, 5), [1.0, 0.0], events=with_attributes(lambda t, y: y[0], terminal=None)
    )
    assert solution.status == 0 and len(solution.t_events[0]) == 2


# Whether the error or the longest stable step decides


def van_der_pol(t, y):
    """(..., 2), with mu = 1000."""
    x, v = y[..., 0], y[..., 1]
    return np.stack([v, 1000 * (1 - x * x) * v - x], axis=-1)


def test_where_the_longest_stable_step_decides_a_warning_says_so_once():
    with pytest.warns(
        RuntimeWarning, match=r'the longest stable step.* at t = 5\.5.*; method="bdf" has no'
    ) as told:
        ode.integrate(van_der_pol, (0, 2000), [2.0, 0.0], method="rk45", max_steps=8000)
    assert len(told) == 1 and told[0].filename == __file__


def lorenz(t, y):
    return np.array([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rtol, end", [(1e-3, 500), (1e-6, 150)])
def test_where_the_error_decides_there_is_no_warning(rtol, end):
    assert ode.integrate(lorenz, (0, end), np.ones(3), rtol=rtol, atol=rtol).n_steps > 6000


@pytest.mark.filterwarnings("error")
def test_a_short_stretch_at_the_longest_stable_step_is_no_reason_to_warn():
    assert ode.integrate(lambda t, y: -y, (0, 3000), np.ones(1)).n_steps > 900
