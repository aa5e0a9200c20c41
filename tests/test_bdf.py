"""Backward differences: their orders, known stiff problems against SciPy, and what every method of integrate does."""

import math
import re

import numpy as np
import pytest
from test_ode import bend, careless, oscillator, turn, van_der_pol

from tinyattn import bdf, ode
from tinyattn.errors import InputError
from tinyattn.flows.factorization import target
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.steps import Slope


def robertson(t, y):
    """(..., 3): three substances, rates from 0.04 to 3e7."""
    a, b, c = y[..., 0], y[..., 1], y[..., 2]
    first, second, third = 0.04 * a, 1e4 * b * c, 3e7 * b * b
    return np.stack([second - first, first - second - third, third], axis=-1)


def largest_error(k, n):
    """Of n equal steps of order k on `bend` from t = 0 to 2, begun with exact values."""
    h = 2 / n
    exact = lambda t: 1 / (1 + t * t)
    past, errors = [exact(-i * h) for i in range(k + 1)], []
    for i in range(n):
        new, _ = ode.bdf_step(bend, i * h, past, h)
        past = [new, *past[:k]]
        errors.append(abs(new - exact((i + 1) * h)))
    return max(errors)


@pytest.mark.parametrize("k", range(1, bdf.MOST + 1))
def test_orders(k):
    sizes = [64, 128, 256]
    errors = [largest_error(k, n) for n in sizes]
    assert -np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(k, abs=0.15)


@pytest.mark.parametrize("k", range(1, bdf.MOST + 1))
def test_the_estimate_is_the_error_of_one_step(k):
    exact, h = lambda t: 1 / (1 + t * t), 0.005
    past = [exact(0.5 - i * h) for i in range(k + 2)]
    after, estimate = ode.bdf_step(bend, 0.5, past[: k + 1], h)
    # d is measured from the new value, whose own error is in it; once the past errs too, it is not.
    share = 1 / ((k + 1) * sum(1 / i for i in range(1, k + 1)))
    assert estimate == pytest.approx((1 + share) * (after - exact(0.5 + h)), rel=0.07)


def test_one_step_of_order_one_is_implicit_euler():
    new, _ = ode.bdf_step(lambda t, y: -50.0 * y, 0.0, [[1.0, 2.0], [7.0, -3.0]], 0.1)
    np.testing.assert_allclose(new, np.array([1.0, 2.0]) / 6, rtol=1e-12)


@pytest.mark.parametrize("change, message", [
    (dict(past=[1.0]), r"past: expected 2 to 6 values of y, got shape \(1,\)"),
    (dict(past=np.ones((7, 2))), r"past: expected 2 to 6 values of y, got shape \(7, 2\)"),
    (dict(past=3.0), r"past: expected 2 to 6 values of y, got shape \(\)"),
    (dict(h=0.0), "h: expected a step between the values of past, got 0.0"),
    (dict(f=lambda t, y: y * np.nan), "h: expected a step whose end, at t = 0.1, can be found, got 0.1"),
])  # fmt: skip
def test_a_step_of_bad_input_is_one_clear_line(change, message):
    settings = {"f": turn, "t": 0.0, "past": np.ones((2, 2)), "h": 0.1, **change}
    with pytest.raises(InputError, match=message):
        ode.bdf_step(**settings)


# By SciPy's Radau with rtol 1e-11 and 1e-12, which agree to the digits given
ROBERTSON_AT_1E5 = [1.78659211e-02, 7.27475147e-08, 9.82134006e-01]
VAN_DER_POL_AT_2000 = [1.70616773, -8.92809701e-04]


def test_robertson():
    found = ode.integrate(robertson, (0, 1e5), [1.0, 0.0, 0.0], method="bdf", rtol=1e-7, atol=1e-12)
    assert found.success and found.n_steps < 700
    np.testing.assert_allclose(found.y[-1], ROBERTSON_AT_1E5, rtol=1e-5)
    np.testing.assert_allclose(found.y.sum(axis=1), 1, rtol=1e-10)


@pytest.mark.filterwarnings("error")
def test_van_der_pol_comes_to_its_end():
    found = ode.integrate(van_der_pol, (0, 2000), [2.0, 0.0], method="bdf", rtol=1e-8, atol=1e-10)
    assert found.success and found.n_steps < 3000
    np.testing.assert_allclose(found.y[-1], VAN_DER_POL_AT_2000, rtol=1e-5)


def test_tolerances_are_kept():
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
        found = ode.integrate(
            bend, (0, 2), np.array(1.0), method="bdf", rtol=rtol, atol=rtol * 1e-3
        )
        errors.append(abs(found.y[-1] - 0.2))
        assert errors[-1] < 20 * rtol
    assert errors == sorted(errors, reverse=True)
    steps = np.diff(ode.integrate(bend, (0, 2), np.array(1.0), method="bdf", max_step=0.01).t)
    assert steps.max() <= 0.01 + 1e-12


@pytest.mark.parametrize("span", [(0.0, 3.0), (3.0, 0.0)])
@pytest.mark.parametrize("shape", [(2,), (3, 2)])
def test_times_wanted_in_both_directions_of_one_run_or_many(span, shape):
    y0, wanted = np.random.default_rng(0).normal(size=shape), np.linspace(*span, 17)
    found = ode.integrate(oscillator, span, y0, method="bdf", t_eval=wanted, rtol=1e-9, atol=1e-11)
    turned = (wanted - span[0]).reshape(-1, *(1 for _ in shape[1:]))
    exact = np.stack([y0[..., 0] * np.cos(turned) + y0[..., 1] * np.sin(turned),
                      y0[..., 1] * np.cos(turned) - y0[..., 0] * np.sin(turned)], axis=-1)  # fmt: skip
    assert found.t.tolist() == wanted.tolist()
    np.testing.assert_allclose(found.y, exact, atol=3e-7)
    every = ode.integrate(oscillator, span, y0, method="bdf")
    again = ode.integrate(oscillator, span, y0, method="bdf", t_eval=every.t)
    assert np.array_equal(again.y, every.y) and every.t[-1] == span[1]


def test_events_against_solve_ivp():
    scipy = pytest.importorskip("scipy.integrate")
    up = ode.event(lambda t, y: y[0], direction=1)
    third = ode.event(lambda t, y: y[1] - 0.2, terminal=3)
    ours = ode.integrate(
        turn, (0, 40), [1.0, 0.3], method="bdf", events=[up, third], rtol=1e-9, atol=1e-11
    )
    theirs = scipy.solve_ivp(turn, (0, 40), [1.0, 0.3], events=[up, third], rtol=1e-10, atol=1e-12)
    assert ours.status == theirs.status == 1
    for one, other in zip(ours.t_events, theirs.t_events):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert ours.t[-1] == ours.t_events[1][-1] and np.array_equal(ours.y[-1], ours.y_events[1][-1])


def test_a_run_that_has_fired_stands_still_and_does_not_hold_up_the_others():
    rates = np.array([1.0, 1e-3, 50.0])
    half = ode.event(lambda t, y: y - 0.5, terminal=True)
    found = ode.integrate(
        lambda t, y: -rates * y,
        (0, 1e4),
        np.ones(3),
        method="bdf",
        rtol=1e-8,
        atol=1e-10,
        events=half,
    )
    np.testing.assert_allclose(found.t_events[0], np.log(2) / rates, rtol=1e-6)
    for run, fired in enumerate(found.t_events[0]):
        later = found.y[found.t >= fired, run]  # from the end of the step in which it fired
        assert (later == later[0]).all() and (len(later) > 5 or run == 1)


# The Jacobian


class Counted:
    """A field that counts its calls, and the states in them."""

    def __init__(self, f, **methods):
        self.f, self.calls, self.states = f, 0, 0
        vars(self).update(methods)

    def __call__(self, t, y):
        self.calls += 1
        self.states += y.size // 2
        return self.f(t, y)


def of_one_state(t, y):
    """van_der_pol, but two states look like two numbers to it, and it says nothing."""
    x, v = y
    return np.array([v, 1000 * (1 - x * x) * v - x])


@pytest.mark.parametrize(
    "f", [of_one_state, lambda t, y: of_one_state(t, map(float, y)), careless(of_one_state)]
)
def test_a_field_of_one_state_is_found_out(f):
    """The second fails for two states, the third spoils what it is given and keeps one buffer."""
    one = ode.integrate(f, (0, 1000), [2.0, 0.0], method="bdf")
    many = ode.integrate(van_der_pol, (0, 1000), [2.0, 0.0], method="bdf")
    assert np.array_equal(one.y, many.y) and one.nfev > many.nfev


def test_columns_come_in_one_call_and_the_jacobian_is_kept():
    f = Counted(oscillator)
    found = ode.integrate(f, (0, 20), [1.0, 0.0], method="bdf", rtol=1e-8, atol=1e-10)
    assert f.calls == found.nfev and 0 < f.states - f.calls < 20, (
        "each Jacobian after the first takes one call"
    )
    assert found.nfev < 3 * found.n_steps


def test_the_fields_own_jacobian_is_asked_for_seldom():
    asked = []

    def polite(y):
        x, v = y
        return np.array([[0.0, 1.0], [-2000 * x * v - 1, 1000 * (1 - x * x)]])

    def jacobian(y):
        asked.append(polite(y))
        y[...] = np.nan
        return asked[-1]

    f = Counted(van_der_pol, jacobian=jacobian)
    own = ode.integrate(f, (0, 100), [2.0, 0.0], method="bdf")
    without = ode.integrate(van_der_pol, (0, 100), [2.0, 0.0], method="bdf")
    assert f.states == f.calls and 1 <= len(asked) < own.n_steps / 5
    f.jacobian = polite
    assert np.array_equal(ode.integrate(f, (0, 100), [2.0, 0.0], method="bdf").y, own.y)
    np.testing.assert_allclose(own.y[-1], without.y[-1], rtol=1e-5)
    f.jacobian = lambda y: np.eye(3)
    with pytest.raises(
        InputError, match=r"f: jacobian\(y\): expected shape \(2, 2\), got \(3, 3\)"
    ):
        ode.integrate(f, (0, 100), [2.0, 0.0], method="bdf")


def test_flows_with_a_jacobian_of_their_own_in_one_run_and_in_many():
    flow = FocusDilution(np.array([0.6, 0.4]), 0.5, 3)
    y0 = flow.start(np.random.default_rng(0), 0.3)
    for start in (y0, np.stack([y0, 2 * y0])):  # of many runs its Jacobian will hear nothing
        how = dict(t_eval=[30.0], rtol=1e-9, atol=1e-11)
        implicit, explicit = (
            ode.integrate(flow, (0, 30), start, method=name, **how) for name in ("bdf", "rk45")
        )
        np.testing.assert_allclose(implicit.y, explicit.y, atol=1e-7)
    pieces = target([3.0, 2.0], 5)
    y0 = pieces.start(2, 0.1)
    implicit, explicit = (
        ode.integrate(pieces, (0, 5), y0, method=name, **how | dict(t_eval=[5.0]))
        for name in ("bdf", "rk45")
    )
    np.testing.assert_allclose(implicit.y, explicit.y, atol=1e-7)


# Failure


@pytest.mark.parametrize("f, message", [
    (lambda t, y: y * y, "no step short enough at t = 0.9999.*, step"),
    (lambda t, y: y * np.nan, "the slope is not finite at the start, t = 0, step 1"),
    (lambda t, y: np.log(1.5 - t) * y, "no step short enough at t = 1.5, step .*: Newton's iteration does not converge"),
])  # fmt: skip
def test_a_failure_tells_time_and_step(f, message):
    with np.errstate(all="ignore"):
        found = ode.integrate(f, (0, 40), np.array([1.0]), method="bdf")
    assert (
        found.status == -1
        and np.isfinite(found.y).all()
        and len(found.t) == len(found.y) == found.n_steps + 1
    )
    assert re.match(message, found.message)


def test_as_many_steps_as_allowed():
    enough = ode.integrate(bend, (0, 2), [1.0], method="bdf").n_steps
    for allowed, status in ((enough, 0), (enough - 1, -1)):
        found = ode.integrate(bend, (0, 2), [1.0], method="bdf", max_steps=allowed)
        assert (found.status, found.n_steps) == (status, allowed)


def test_after_a_jump_the_order_falls():
    square_wave = lambda t, y: -1000 * (y - (math.floor(t) % 2))
    found = ode.integrate(square_wave, (0, 20), [0.5], method="bdf")
    assert found.success and found.n_steps < 1000, "steps of order 5 alone are five thousand"


def test_only_numpy(stand_in):
    with pytest.raises(
        InputError,
        match='y0: expected float64 on NumPy, where "bdf" works, got float64 on strict_cupy',
    ):
        ode.integrate(oscillator, (0, 1), stand_in.asarray(np.ones(2)), method="bdf")


def test_f_is_never_asked_outside_the_span_and_zeros_may_stay():
    asked = []

    def f(t, y):
        asked.append(t)
        return 0 * y

    found = ode.integrate(f, (0, 1), np.zeros(2), method="bdf")
    assert 0 <= min(asked) and max(asked) <= 1 and (found.y == 0).all() and found.n_steps < 20


def test_a_clock_in_nanoseconds():
    found = ode.integrate(
        lambda t, y: -y * 1e-9, (1.7e18, 1.7e18 + 5e9), [1.0], method="bdf", rtol=1e-9
    )
    assert found.y[-1, 0] == pytest.approx(math.exp(-5), rel=1e-6)


@pytest.mark.parametrize("share", [0.8, 1.25])
def test_a_matrix_of_another_step_serves(share):
    """Per round the share |c - c'| / (c + c') = 0.11 is left of the miss, of fast directions and of slow ones."""
    rates = np.array([1e-3, 1.0, 1e3])
    slope = Slope(lambda t, y: -rates * y)
    newton, D = bdf._Newton(slope, 1e-8, 1e-10, 1e-3, rounds=50), [np.ones(3), np.ones(3)]
    newton.solve(1.0, 1.0, 1, D)
    before = slope.calls
    d = newton.solve(1.0, share, 1, D)
    np.testing.assert_allclose(d, 1 / (1 + share * rates) - 2, rtol=1e-10)
    assert newton.c == 1.0 and slope.calls - before <= 12
