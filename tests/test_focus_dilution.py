import numpy as np
import pytest

from tinyattn import gradcheck, losses, measure, models, ode
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.flows.frozen_copy import USES, FrozenCopy
from tinyattn.flows.linearization import Linearization
from tinyattn.flows.stages import find_stages
from tinyattn.hold import hold

PI = np.array([0.75, 0.19, 0.05, 0.01])
TABLE = {  # rho, eps, seed: condensed, 1 - cosine, norm of W_Q over its start, focus at 0.9 and 0.99, norm of row 1: peak,
    # least, at, second direction, loss at 200 and 1000; computed independently
    (0.5, 1e-3, 0): (
        14.009,
        6.8e-7,
        1.0007,
        86.217,
        102.57,
        0.482604,
        0.00449341,
        94.54,
        297.36,
        0.63352,
        0.56696,
    ),
    (0.5, 1e-3, 1): (
        13.177,
        2.4e-6,
        0.9993,
        85.472,
        101.82,
        0.482983,
        0.00592668,
        93.80,
        286.61,
        0.63347,
        0.56713,
    ),
    (0.3, 1e-3, 0): (
        14.009,
        6.8e-7,
        1.0007,
        131.87,
        169.29,
        0.490213,
        0.00446900,
        147.96,
        761.00,
        0.69388,
        0.68622,
    ),
    (0.7, 1e-3, 0): (
        14.009,
        6.8e-7,
        1.0008,
        66.940,
        77.203,
        0.476198,
        0.00450091,
        72.43,
        176.75,
        0.50570,
        0.40502,
    ),
    (0.5, 1e-4, 0): (
        19.020,
        6.8e-9,
        1.0007,
        120.29,
        136.78,
        0.492083,
        0.00045118,
        128.78,
        424.71,
        0.63407,
        0.57078,
    ),
}
tight = dict(method="rk45", rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("setting", TABLE, ids=str)
def test_the_table(setting):
    rho, eps, seed = setting
    flow = FocusDilution(PI, rho, 16)
    y0 = flow.start(np.random.default_rng(seed), eps)
    condensed, off, grown, focus, sharp, peak, minimum, at, second, loss_200, loss_1000 = TABLE[
        setting
    ]
    found = find_stages(flow, y0, 1000, t_eval=[200, 1000], **tight)
    sharpened = ode.integrate(
        flow, (0, 200), y0, t_eval=[], events=lambda t, y: flow.attention(y)[0, 0] - 0.99, **tight
    )
    times = [found.condensed_t, found.focus_t, sharpened.first_times[0], found.renewal_t]
    assert times == pytest.approx([condensed, focus, sharp, second], rel=1e-3)
    assert 1 - found.cosine == pytest.approx(off, rel=0.05)
    assert found.frozen_ratio == pytest.approx(grown, abs=1e-4)
    assert [found.peak, found.minimum, found.turned_t] == pytest.approx(
        [peak, minimum, at], rel=1e-3
    )
    assert flow.loss(found.path.y) == pytest.approx(np.array([loss_200, loss_1000]), abs=1e-4)


def test_who_focuses_who_spreads_and_who_comes_next():
    flow = FocusDilution(PI, 0.5, 16)
    y0, times = flow.start(np.random.default_rng(0), 1e-3), [87, 140, 170, 250, 297, 600, 950, 1000]
    path = ode.integrate(flow, (0, 1000), y0, t_eval=times, **tight)
    A = dict(zip(times, flow.attention(path.y)))
    spread = dict(zip(times, measure.entropy(np.log(flow.attention(path.y)))))
    assert A[87][:, 0] == pytest.approx([0.906, 0.773, 0.752, 0.750], abs=2e-3)
    for t in (140, 170, 250, 297):
        assert spread[t][0] < 0.3 and spread[t][1] > spread[87][1] + 0.2
    assert A[600][3, 3] == pytest.approx(0.58, abs=0.01)
    assert A[950][3, 2] == pytest.approx(0.51, abs=0.01) and A[950][3].argmax() == 2
    assert A[1000][[0, 1], [0, 1]] == pytest.approx([0.65, 0.67], abs=0.01)
    assert spread[1000][1] < spread[297][1] - 0.2


@pytest.mark.parametrize("pi", [[0.8, 0.2], [0.75, 0.25 / 3, 0.25 / 3, 0.25 / 3]], ids=len)
def test_each_use_has_a_third_of_the_first_push_if_rare_tokens_are_alike(pi):
    flow = FocusDilution(np.array(pi), 0.5, 1)
    y = flow.condensed_point()
    y[-2:] = 1e-3  # W_Q and W_K
    apart = []
    for use in USES:
        only = FrozenCopy(flow, y, [other for other in USES if other != use])
        push = flow.split(only(0.0, y))[0][:, 0]
        apart.append((1 - pi[0]) * push[0] - pi[0] * push[1:].sum())  # not along pi
    assert apart == pytest.approx(np.full(3, np.mean(apart)), rel=1e-4) and apart[0] > 0


def pushes(flow, y):
    """How fast x moves through each use, for a flow with one number in a vector."""
    found = []
    for use in USES:
        only = FrozenCopy(flow, y, [other for other in USES if other != use])
        found.append(flow.split(only(0.0, y))[0][:, 0])
    return np.array(found)


def test_the_push_as_value_has_condensations_own_pull_in_it():
    two = FocusDilution(np.array([0.8, 0.2]), 0.5, 1)
    y = two.condensed_point()
    y[-2:] = 1e-2  # so that phi is 1e-4
    query, key, value = pushes(two, y) / 1e-4
    assert query == pytest.approx([0.01242, -0.01242], abs=1e-5)
    assert key == pytest.approx([0.01242, -0.01242], abs=1e-5)
    assert value - query == pytest.approx([-0.02755, -0.00689], abs=2e-5)
    assert value[1] / (query + key + value)[1] == pytest.approx(0.44, abs=5e-3)
    start = np.full(6, 0.01)
    near_0 = ode.integrate(two, (0, 348), start, t_eval=[348], method="rk45", rtol=1e-9).y[0]
    assert abs(near_0[1]) < 0.01
    assert 1000 * pushes(two, near_0)[:, 1] == pytest.approx([-4.0, -3.3, -4.9], abs=0.1)


def test_with_the_queries_on_a_copy_token_1_does_not_spread():
    flow = FocusDilution(PI, 0.5, 16)
    y0 = flow.start(np.random.default_rng(0), 1e-3)
    y = ode.integrate(flow, (0, 80), y0, t_eval=[80], **tight).y[0]
    copied = FrozenCopy(flow, y, ["query"])
    late = ode.integrate(copied, (80, 1000), y, t_eval=[1000], **tight).y[0]
    spread = measure.entropy(np.log(copied.attention(late)))[1]
    assert spread == pytest.approx(0.662, abs=3e-3) and spread < 0.7


def test_two_tokens_need_one_number_each_and_four_need_more():
    two = FocusDilution(np.array([0.8, 0.2]), 0.5, 1)
    end = ode.integrate(two, (0, 1000), np.full(6, 0.01), t_eval=[1000], **tight).y[-1]
    assert two.loss(end) == pytest.approx(two.entropy_rate, abs=1e-6)
    assert flow_end(FocusDilution(PI, 0.5, 1), 3000) == pytest.approx(0.6334, abs=1e-4)


def flow_end(flow, end):
    """The loss of a one-number flow from a small start with W_Q = W_K."""
    y0 = np.array([*[0.01] * 4, 0.01, 0, 0, -0.01, 0.01, 0.01])
    return float(flow.loss(ode.integrate(flow, (0, end), y0, t_eval=[end], **tight).y[-1]))


@pytest.mark.parametrize("seed", range(3))
def test_renewal_grows_at_the_rate_of_what_pulls_and_not_without_a_second_direction(seed):
    flow = FocusDilution(PI, 0.5, 16)
    y0 = flow.start(np.random.default_rng(seed), 1e-3)
    renewed = lambda t, y: float(flow.singular_values(y)[1]) - 0.5
    path = ode.integrate(flow, (0, 400), y0, t_eval=[142, 200], events=renewed, **tight)
    y = path.y[1]
    W0, W1, _, _ = flow.split(y)
    A = flow.attention(y)
    p = np.exp(A @ W0 @ W1)
    p /= p.sum(axis=1, keepdims=True)
    rate = np.linalg.norm(A.T @ (PI[:, None] * (flow.P - p)), 2)
    foretold = 200 + np.log(0.5 / flow.singular_values(y)[1]) / rate
    assert path.first_times[0] == pytest.approx(foretold, rel=0.015)

    xi = np.linalg.svd(flow.split(path.y[0])[0])[2][0]

    def along_xi(t, y, slope):
        slope = slope.copy()
        dW0, dW1, _, _ = flow.split(slope)
        dW0[:], dW1[:] = np.outer(dW0 @ xi, xi), np.outer(xi, xi @ dW1)
        return slope

    held = ode.integrate(hold(flow, along_xi), (142, 1000), path.y[0], t_eval=[1000], **tight)
    assert flow.loss(held.y[-1]) == pytest.approx(0.6334, abs=1e-4)


def test_stages_that_do_not_come_are_nan():
    flow = FocusDilution(PI, 0.5, 6)
    found = find_stages(flow, flow.start(np.random.default_rng(0), 1e-3), 5.0, **tight)
    assert np.isnan(found[:-1]).all() and found.path.status == 0


def test_what_ends_a_stage_is_what_was_asked_for():
    """The states of the run itself at the times found, for another token and other levels."""
    flow, end = FocusDilution(PI, 0.8, 3), 70.0
    y0 = flow.start(np.random.default_rng(3), 1e-2)
    levels = dict(token=2, grown=0.7, focused=0.8, renewed=0.05)
    found = find_stages(flow, y0, end, **levels, **tight)
    names = ("condensed_t", "top_t", "focus_t", "turned_t", "renewal_t")
    times = np.array([getattr(found, name) for name in names])
    assert (np.diff(times) > 0).all(), "each in its turn"
    looks = np.sort([0, *times, times[1] - 0.1, times[1] + 0.1, times[3] - 0.1, times[3] + 0.1])
    path = ode.integrate(flow, (0, end), y0, t_eval=looks, **tight)
    at = lambda t: path.y[np.searchsorted(looks, t)]
    condensed, top, focus, shortest, renewal = map(at, times)
    assert flow.singular_values(condensed)[0] == pytest.approx(0.7, rel=1e-4)
    assert flow.attention(focus)[0, 0] == pytest.approx(0.8, rel=1e-4)
    assert flow.singular_values(renewal)[1] == pytest.approx(0.05, rel=1e-4)
    length = lambda y: flow.row_norms(y)[2]
    assert found.peak == pytest.approx(length(top), rel=1e-4)
    assert found.minimum == pytest.approx(length(shortest), rel=1e-3)
    assert length(top) > max(length(at(times[1] - 0.1)), length(at(times[1] + 0.1)))
    assert length(shortest) < min(length(at(times[3] - 0.1)), length(at(times[3] + 0.1)))
    W0, _, W_Q, _ = flow.split(condensed)
    direction = np.linalg.eigh(W0 @ W0.T)[1][:, -1]
    assert found.cosine == pytest.approx(abs(direction @ PI) / np.sqrt((PI**2).sum()), rel=1e-4)
    start = flow.split(y0)[2]
    assert found.frozen_ratio**2 == pytest.approx((W_Q**2).sum() / (start**2).sum(), rel=1e-4)


def test_the_field_is_the_gradient(device, rng):
    flow = FocusDilution(np.array([0.5, 0.3, 0.2]), 0.4, 5)
    y = rng.normal(size=flow.start(rng, 1.0).shape)
    slope = -gradcheck.central_differences(lambda y: float(flow.loss(y)), y)
    there = FocusDilution(device.put(flow.pi), 0.4, 5)
    np.testing.assert_allclose(to_numpy(there(0.0, device.put(y))), slope, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(to_numpy(there.loss(device.put(y))), flow.loss(y), rtol=1e-12)
    many = rng.normal(size=(3, y.size))
    np.testing.assert_allclose(flow(0.0, many)[1], flow(0.0, many[1]), rtol=1e-12, atol=1e-14)


def test_what_is_conserved_does_not_move(rng):
    """To first order along the field, for any state, and along a run."""
    flow = FocusDilution(PI, 0.5, 6)
    y = rng.normal(size=flow.start(rng, 1.0).shape)
    for above, below in zip(
        flow.conserved(y + 1e-6 * flow(0, y)), flow.conserved(y - 1e-6 * flow(0, y))
    ):
        np.testing.assert_allclose(above, below, atol=1e-11)
    end = ode.integrate(flow, (0, 5), y, t_eval=[5], method="rk45", rtol=1e-11, atol=1e-12).y[-1]
    for before, after in zip(flow.conserved(y), flow.conserved(end)):
        np.testing.assert_allclose(after, before, atol=1e-8)


def test_the_leading_rate_at_the_origin():
    flow = FocusDilution(PI, 0.5, 16)
    J = flow.jacobian(np.zeros(flow.start(np.random.default_rng(0), 1.0).size))
    assert np.linalg.eigvalsh(J)[-1] == pytest.approx(flow.origin_rate, rel=1e-6)
    assert flow.origin_rate == pytest.approx(0.4595, abs=1e-4)
    assert flow.linearise(np.zeros(J.shape[0])).shares()["W_Q"] < 1e-6
    assert flow.entropy_rate == pytest.approx(0.553611, abs=1e-6)


@pytest.mark.parametrize("pi", [PI, np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])], ids=str)
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_the_condensed_point_is_a_saddle_and_only_attention_leaves_it(rng, pi, rho):
    flow = FocusDilution(pi, rho, 5)
    y = flow.condensed_point(rng.normal(size=5))
    np.testing.assert_allclose(flow(0.0, y), 0, atol=1e-14)
    np.testing.assert_allclose(flow.conserved(y), 0, atol=1e-13)
    assert flow.loss(y) == pytest.approx(-float(pi @ np.log(pi)))
    rates, modes = np.linalg.eigh(flow.jacobian(y))
    assert rates[-1] == pytest.approx(flow.focus_rate, abs=1e-9)
    for mode in modes[:, rates > 1e-6].T:
        W0, W1, W_Q, W_K = flow.split(mode)
        assert np.linalg.norm(W0) + np.linalg.norm(W1) < 1e-6 and np.linalg.norm(
            W_Q
        ) == pytest.approx(np.linalg.norm(W_K))
    assert (rates > 1e-6).sum() == (5 if rho else 0)


def test_near_a_saddle_the_linear_flow_is_off_by_the_square_of_the_distance(rng):
    """Twice as near: four times nearer; and what grows is the leading direction."""
    flow = FocusDilution(PI, 0.5, 5)
    saddle, away, t = flow.condensed_point(), rng.normal(size=flow.start(rng, 1.0).size), 60.0
    off = []
    for eps in (4e-4, 2e-4, 1e-4):
        y = saddle + eps * away
        linear = flow.linearise(y)
        end = ode.integrate(flow, (0, t), y, t_eval=[t], method="rk45", rtol=1e-11, atol=1e-13).y[
            -1
        ]
        off.append(np.linalg.norm(linear.displacement([t])[0] - (end - y)))
        moved = (end - y) / np.linalg.norm(end - y)
        distance = float(np.linalg.norm(end - y))
        assert linear.escape_time(distance) == pytest.approx(t, rel=10 * eps)
    assert measure.fit_power_law(off, eps=[4e-4, 2e-4, 1e-4]).exponents["eps"] == pytest.approx(
        2, abs=0.1
    )
    assert abs(moved @ linear.leading_mode()) > 0.999
    assert sum(linear.shares().values()) == pytest.approx(1) and linear.shares()[
        "W_Q"
    ] == pytest.approx(0.5, abs=0.01)
    assert np.isnan(linear.escape_time(0.1, longest=1.0))


def test_the_linear_flow_is_that_of_its_matrix(rng):
    """dx/dt = f + J x by the exponential of [[J, f], [0, 0]], for rates of both signs and for 0."""
    linalg = pytest.importorskip("scipy.linalg")
    rates, modes = np.array([-2.0, -0.5, 0.0, 0.7]), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    f, times = rng.normal(size=4), np.array([0.0, 0.3, 2.0, 5.0])
    flow = Linearization(None, rates, modes, modes.T @ f)
    whole = np.zeros((5, 5))
    whole[:4, :4], whole[:4, 4] = modes @ np.diag(rates) @ modes.T, f
    wanted = [linalg.expm(t * whole)[:4, 4] for t in times]
    np.testing.assert_allclose(flow.displacement(times), wanted, rtol=1e-6, atol=1e-12)
    assert flow.rate == 0.7


def test_the_leading_mode_is_the_motion_among_the_rates_that_count_as_leading(rng):
    modes = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    for rates in ([-9.0, 0.1, 0.1995, 0.2], [-9.0, -0.3, -0.2005, -0.2]):
        flow = Linearization(None, np.array(rates), modes, np.array([5.0, 7.0, -3.0, 4.0]))
        two = -0.6 * modes[:, 2] + 0.8 * modes[:, 3]
        np.testing.assert_allclose(flow.leading_mode(), two, rtol=1e-12)
        np.testing.assert_allclose(flow.leading_mode(within=0.001), modes[:, 3], rtol=1e-12)
        turned = Linearization(None, flow.rates, modes, np.array([5.0, 7.0, 0.0, -1e-9]))
        np.testing.assert_allclose(turned.leading_mode(), -modes[:, 3], rtol=1e-12)
        rest = Linearization(None, flow.rates, modes, np.zeros(4))
        assert np.array_equal(rest.leading_mode(within=0), modes[:, 3]), "where nothing moves"


def test_the_time_of_escape_along_one_direction_is_known():
    """|x| = f (exp(l s) - 1) / l, f s where l = 0; where l < 0 it comes to f / |l| at most."""
    along = lambda rate, f: Linearization(None, np.array([rate]), np.eye(1), np.array([f]))
    assert along(0.5, 1e-3).escape_time(2.0) == pytest.approx(np.log(1001) / 0.5, rel=1e-8)
    assert along(0.0, -0.25).escape_time(3.0) == pytest.approx(12, rel=1e-6)
    assert along(-1.0, 1.0).escape_time(0.5) == pytest.approx(np.log(2), rel=1e-8)
    assert np.isnan(along(-1.0, 1.0).escape_time(1.5))
    assert np.isnan(along(0.0, 1.0).escape_time(2e4))
    assert np.isnan(along(0.0, 1.0).escape_time(3.0, longest=2.9))
    assert along(0.0, 1.0).escape_time(3.0, longest=3.1) == pytest.approx(3, rel=1e-6)


def test_many_states_at_once_are_each_the_state_alone(rng):
    flow = FocusDilution(np.array([0.5, 0.3, 0.2]), 0.4, 5)
    many = rng.normal(size=(2, 3, flow.start(rng, 1.0).size))
    for name in ("loss", "attention", "row_norms", "singular_values", "conserved", "split"):
        together = getattr(flow, name)(many)
        parts = together if isinstance(together, (tuple, list)) else [together]
        for i in np.ndindex(2, 3):
            alone = getattr(flow, name)(many[i])
            alone = alone if isinstance(alone, (tuple, list)) else [alone]
            for part, one in zip(parts, alone, strict=True):
                np.testing.assert_allclose(part[i], one, rtol=1e-12, atol=1e-13, err_msg=name)


def test_losses_attention_and_norms_by_loops_over_tokens(rng):
    pi, rho, d, D = np.array([0.5, 0.3, 0.2]), 0.4, 3, 4
    flow = FocusDilution(pi, rho, D)
    y = rng.normal(size=flow.start(rng, 1.0).size)
    W0, W1 = y[:12].reshape(d, D), y[12:24].reshape(D, d)
    W_Q, W_K = y[24:40].reshape(D, D), y[40:].reshape(D, D)
    loss = 0.0
    for i in range(d):
        weights = [pi[k] * np.exp((W0[i] @ W_Q) @ (W0[k] @ W_K)) for k in range(d)]
        A = np.array(weights) / sum(weights)
        np.testing.assert_allclose(flow.attention(y)[i], A, rtol=1e-12)
        logits = sum(A[k] * W0[k] @ W1 for k in range(d))
        for j in range(d):
            P = rho * (i == j) + (1 - rho) * pi[j]
            loss -= pi[i] * P * (logits[j] - np.log(np.exp(logits).sum()))
        assert flow.row_norms(y)[i] == pytest.approx(np.sqrt(sum(x * x for x in W0[i])), rel=1e-12)
    assert flow.loss(y) == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(flow.singular_values(y) ** 2, np.linalg.eigvalsh(W0.T @ W0)[:0:-1])


def test_what_is_conserved_is_what_is_written(rng):
    flow = FocusDilution(np.array([0.5, 0.3, 0.2]), 0.4, 5)
    W0, W1, W_Q, W_K = flow.split(y := rng.normal(size=flow.start(rng, 1.0).size))
    first, second = flow.conserved(y)
    np.testing.assert_allclose(first, W_Q.T @ W_Q - W_K.T @ W_K, atol=1e-12)
    wanted = W0.T @ W0 - W1 @ W1.T - W_Q @ W_Q.T - W_K @ W_K.T
    np.testing.assert_allclose(second, wanted, atol=1e-12)


def test_a_start_has_independent_weights_of_the_size_asked_for():
    flow = FocusDilution(PI, 0.5, 40)
    y = flow.start(np.random.default_rng(0), 1e-2)
    for part in flow.split(y):  # 160 or 1600 numbers: five standard errors
        assert abs(part.mean()) < 5e-2 / part.size**0.5
        assert abs(part.std() - 1e-2) < 5e-2 / (2 * part.size) ** 0.5
    assert not flow.start(np.random.default_rng(0), 0.0).any()


def test_the_slow_points_of_a_path_are_its_start_and_the_minima_between(rng):
    """Near the origin, a critical point, the speed goes like the distance."""
    flow = FocusDilution(np.array([0.5, 0.3, 0.2]), 0.4, 4)
    sizes = np.array([2, 3, 1.5, 1, 2, 2.5, 0.5, 0.7, 0.1])
    path = 1e-6 * sizes[:, None] * rng.normal(size=flow.start(rng, 1.0).size)
    speed = np.linalg.norm(flow(0.0, path), axis=1)
    np.testing.assert_allclose(speed / speed[0], sizes / 2, rtol=1e-4)
    assert flow.slow_points(np.arange(9.0), path) == [0, 3, 6]


def test_the_slow_points_of_a_run():
    flow = FocusDilution(PI, 0.5, 16)
    times = np.linspace(0, 250, 501)
    path = ode.integrate(
        flow, (0, 250), flow.start(np.random.default_rng(0), 1e-3), t_eval=times, **tight
    )
    slow = [times[i] for i in flow.slow_points(times, path.y) if i == 0 or times[i] > 14]
    assert slow == pytest.approx([0, 51, 206], abs=1)


def chain_sequences(rng, flow, n, length):
    """n sequences of the flow's chain: with probability rho the last token again, else a fresh one."""
    fresh = rng.choice(flow.vocab, size=(n, length), p=flow.pi)
    again = rng.random((n, length)) < flow.rho
    again[:, 0] = False
    last_fresh = np.maximum.accumulate(np.where(again, 0, np.arange(length)), axis=1)
    return np.take_along_axis(fresh, last_fresh, axis=1)


def test_the_model_on_sampled_sequences_tends_to_the_population_flow(rng):
    """At random weights: the gradient's difference falls with the length and with the number of samples."""
    flow = FocusDilution(np.array([0.5, 0.3, 0.2]), 0.4, 5)
    y = 0.7 * rng.normal(size=flow.start(rng, 1.0).size)

    def gradients(n, length, times=8):
        model = models.EmbeddingModel(3, 5, first_query=length - 1)
        params = dict(zip(("W0", "W1", "W_Q", "W_K"), flow.split(y)))
        loss = losses.next_token_loss(model)
        drawn = [loss(params, chain_sequences(rng, flow, n, length + 1))[1] for _ in range(times)]
        return np.stack([models.pack(grads) for grads in drawn])

    size = np.linalg.norm(flow(0.0, y))
    lengths = [8, 32, 128]
    off = [
        np.linalg.norm(gradients(4000, length).mean(axis=0) + flow(0.0, y)) / size
        for length in lengths
    ]
    assert (
        measure.fit_power_law(off, T=lengths).exponents["T"] == pytest.approx(-0.9, abs=0.3)
        and off[-1] < 0.03
    )
    numbers = [40, 400, 4000]
    spread = [np.linalg.norm(gradients(n, 32).std(axis=0)) for n in numbers]
    assert measure.fit_power_law(spread, n=numbers).exponents["n"] == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: FocusDilution(np.array([0.5, 0.4]), 0.5, 4),
            "pi: expected .*positive probabilities that sum to 1",
        ),
        (
            lambda: FocusDilution(np.ones((2, 2)) / 4, 0.5, 4),
            r"pi: expected shape \(any\)|pi: expected shape \(any,\)",
        ),
        (lambda: FocusDilution(PI, 1.0, 4), "rho: expected .* < 1, got 1.0"),
        (lambda: FocusDilution(PI, 0.5, 0), "width: expected a whole number >= 1, got 0"),
        (lambda: FocusDilution([0.5, 0.5], 0.5, 4), "pi: expected an array .* got list"),
        (
            lambda: FocusDilution(np.full(4, 0.25), 0.5, 4).condensed_point(),
            "pi: expected probabilities that are not uniform",
        ),
        (
            lambda: FocusDilution(PI, 0.5, 4).condensed_point(np.zeros(4)),
            "u: expected a direction, got zeros",
        ),
        (
            lambda: FocusDilution(PI, 0.5, 4).condensed_point(np.ones(3)),
            r"u: expected shape \(4,\), got \(3,\)",
        ),
        (
            lambda: find_stages(FocusDilution(PI, 0.5, 4), np.zeros(64), 1.0, token=4),
            r"token: expected .* 0..3, got 4",
        ),
        (
            lambda: FocusDilution(PI, 0.5, 4).linearise(np.ones(64)).escape_time(0),
            "distance: expected .* > 0, got 0",
        ),
        (
            lambda: FocusDilution(PI, 0.5, 4).loss(np.zeros(7)),
            r"y: expected shape \(..., 64\), got \(7,\)",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()


RARE = 0.25 / 3


def made_alike(flow, y):
    """y with the mean of the rare tokens' embeddings and readouts in the place of each."""
    y = y.copy()
    W0, W1, *_ = flow.split(y)  # views of y
    W0[1:], W1[:, 1:] = W0[1:].mean(axis=0), W1[:, 1:].mean(axis=1, keepdims=True)
    return y


def rate_at_200(pi, alike=True):
    flow = FocusDilution(np.array(pi), 0.5, 16)
    y0 = flow.start(np.random.default_rng(0), 1e-3)
    y = ode.integrate(
        flow, (0, 200), made_alike(flow, y0) if alike else y0, t_eval=[200.0], **tight
    ).y[-1]
    return float(np.linalg.eigvalsh(flow.jacobian(y))[-1]), float(flow.loss(y))


def test_an_asymmetry_of_the_data_frees_the_flow_at_a_rate_in_proportion_to_it():
    known = {0.1: 8.134e-4, 0.0125: 9.854e-5}
    rates = {
        delta: rate_at_200([0.75, RARE * (1 + delta), RARE, RARE * (1 - delta)])[0]
        for delta in known
    }
    assert rates == pytest.approx(known, rel=0.01)
    stuck, loss = rate_at_200([0.75, RARE, RARE, RARE])
    assert abs(stuck) < 1e-6 and loss == pytest.approx(0.722622, abs=1e-5)
    assert abs(rate_at_200([0.75, RARE, RARE, RARE], alike=False)[0]) < 1e-6, (
        "one of the start alone opens nothing"
    )


@pytest.mark.parametrize(
    "pi_0, rho, rate", [(0.5, 0.5, 3.6e-3), (0.6, 0.8, 2.9e-2), (0.8, 0.5, 0.0)]
)
def test_where_alike_tokens_part_by_themselves(pi_0, rho, rate):
    """The leading rate among changes that two rare tokens make in opposite directions, where the flow comes to rest."""
    flow = FocusDilution(np.array([pi_0, *[(1 - pi_0) / 3] * 3]), rho, 16)
    field = lambda t, y: made_alike(flow, flow(t, y))  # rounding is not allowed to part them
    y0 = made_alike(flow, flow.start(np.random.default_rng(0), 1e-3))
    y = ode.integrate(field, (0, 4000), y0, t_eval=[4000.0], method="rk45", rtol=1e-6, atol=1e-8).y[
        -1
    ]
    change = np.zeros((32, y.size))
    for i in range(16):
        W0, _, _, _ = flow.split(change[i])
        _, W1, _, _ = flow.split(change[16 + i])
        W0[1, i], W0[2, i] = W1[i, 1], W1[i, 2] = 0.5**0.5, -(0.5**0.5)
    h = 1e-5
    J = (flow(0.0, y + h * change) - flow(0.0, y - h * change)) / (2 * h) @ change.T
    assert float(np.linalg.eigvalsh((J + J.T) / 2)[-1]) == pytest.approx(rate, rel=0.05, abs=1e-5)


@pytest.mark.parametrize("rho", [0.0, 0.25])
def test_two_tokens_that_take_turns_are_a_chain(rho):
    """Q = 0 1 / 1 0 keeps an even law: a token comes again with probability rho."""
    flow = FocusDilution(np.array([0.5, 0.5]), rho, 1, np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert flow.P.tolist() == [[rho, 1 - rho], [1 - rho, rho]]
    want = -(rho * np.log(rho) + (1 - rho) * np.log(1 - rho)) if rho else 0
    assert flow.entropy_rate == pytest.approx(want) and flow.loss(np.zeros(6)) == pytest.approx(
        np.log(2)
    )


@pytest.mark.parametrize(
    "pi, rho, Q, name",
    [
        ([1.0], 0.5, None, "pi"),
        ([1.0, 0.0], 0.5, None, "pi"),
        ([0.6, 0.4], 1.0, None, "rho"),
        ([0.6, 0.4], -0.1, None, "rho"),
        ([0.5, 0.5], 0.5, [[1.1, -0.1], [-0.1, 1.1]], "transition"),
        ([0.5, 0.5], 0.5, [[0.9, 0.1], [0.2, 0.8]], "transition"),
        ([0.5, 0.5], 0.5, [[0.4, 0.4], [0.6, 0.6]], "transition"),
    ],
)
def test_what_is_no_chain_is_refused(pi, rho, Q, name):
    with pytest.raises(InputError, match=f"^{name}: expected"):
        FocusDilution(np.array(pi), rho, 4, None if Q is None else np.array(Q))
