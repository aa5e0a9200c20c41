import numpy as np
import pytest

from tinyattn import gradcheck, losses, measure, models, ode
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError
from tinyattn.flows.factorization import Factorization, target
from tinyattn.ode import event
from tinyattn.tasks import markov

M = (2.89, 1.7, 1.0)
HALF_TIMES = {  # eps: half times of the three features, computed independently
    "simplex": {1e-2: (4.5330, 24.349, 66.446), 1e-4: (4.5413, 53.092, 147.24), 1e-6: (4.5413, 89.278, 226.31),
                1e-8: (4.5413, 132.78, 303.38)},
    "logits": {1e-2: (21.458, 77.262, 158.57), 1e-4: (21.555, 368.33, 649.51), 1e-6: (21.556, 902.30, 1299.5),
               1e-8: (21.556, 1665.2, 2156.5)},
}  # fmt: skip


def half_times(flow, y0, end):
    events = [flow.half_event(y0, k) for k in range(len(flow.importances))]
    solution = ode.integrate(
        flow, (0, end), y0, method="rk45", rtol=1e-8, atol=1e-12, events=events, t_eval=[end]
    )
    assert solution.success, solution.message
    return np.array(solution.first_times), solution


@pytest.mark.parametrize("geometry", ["simplex", "logits"])
@pytest.mark.parametrize("eps", [1e-2, 1e-4, 1e-6, 1e-8])
def test_the_table_of_half_times(geometry, eps):
    flow = target(M, 40, geometry)
    wanted = HALF_TIMES[geometry][eps]
    times, _ = half_times(flow, flow.start(3, eps), 1.1 * wanted[-1])
    assert times == pytest.approx(np.array(wanted), rel=1e-3)


def test_the_start_and_the_end_of_the_papers_figure():
    flow = target(M, 40, "simplex")
    y0 = flow.start(3, 1e-6)
    assert flow.loss(y0) == pytest.approx(6.121, abs=5e-4)
    end = ode.integrate(
        flow, (0, 3000), y0, method="rk45", rtol=1e-10, atol=1e-13, t_eval=[3000]
    ).y[-1]
    assert flow.loss(end) == pytest.approx(7.304e-7, rel=1e-3)


def test_the_stages_of_the_papers_figure_from_its_own_start():
    """Values 0, attention even but for noise of 1e-6, seed 0: read off there, near 5, 50, 230."""
    flow = target(M, 40, "simplex")
    s = 1 / 40 + 1e-6 * np.random.default_rng(0).normal(size=(3, 40))
    y0 = np.concatenate([np.zeros((3, 3)), s / s.sum(axis=1, keepdims=True)], axis=1)
    times, _ = half_times(flow, y0, 260.0)
    assert times == pytest.approx(np.array([4.5407, 51.073, 233.80]), rel=1e-3)


def rotated(rng, geometry, d=4, T=6, heads=2):
    """A flow with features and places in rotated bases, the arrays it is made of, and a random state."""
    m = np.array([2.0, 1.5, 0.7])
    features, places = (np.linalg.qr(rng.normal(size=(n, 3)))[0].T for n in (d, T))
    flow = Factorization(m, features, places, geometry)
    return (
        (m, features, places),
        flow,
        flow.state(rng.normal(size=(heads, d)), rng.normal(size=(heads, T))),
    )


@pytest.mark.parametrize("geometry", ["simplex", "logits"])
def test_the_field_is_the_gradient_in_its_geometry(device, rng, geometry):
    """-dL/dy by differences, with J(s) once more in the simplex form, where entries of s are not free."""
    (m, features, places), flow, y = rotated(rng, geometry)
    d = flow.width
    slope = -gradcheck.central_differences(lambda y: float(flow.loss(y)), y)
    if geometry == "simplex":
        for j, s in enumerate(y[:, d:]):
            slope[j, d:] = (np.diag(s) - np.outer(s, s)) @ slope[j, d:]
    there = Factorization(*device.put([m, features, places]), geometry)
    np.testing.assert_allclose(to_numpy(there(0.0, device.put(y))), slope, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(to_numpy(there.loss(device.put(y))), flow.loss(y), rtol=1e-12)
    residual = flow.residual(y)
    entries = [m_k - e @ (flow.G - residual) @ p for m_k, e, p in zip(m, features, places)]
    np.testing.assert_allclose(flow.feature_loss(y), np.square(entries) / 2, rtol=1e-10)


@pytest.mark.parametrize("geometry", ["simplex", "logits"])
def test_many_states_at_once_are_each_the_state_alone(rng, geometry):
    _, flow, _ = rotated(rng, geometry)
    many = flow.state(rng.normal(size=(2, 3, 2, 4)), rng.normal(size=(2, 3, 2, 6)))
    change = rng.normal(size=many.shape)
    field, attention = lambda y: flow(0.0, y), lambda y: flow.split(y)[1]
    for f in (field, attention, flow.loss, flow.residual, flow.feature_loss):
        together = f(many)
        for i in np.ndindex(2, 3):
            np.testing.assert_allclose(together[i], f(many[i]), rtol=1e-12, atol=1e-14)
    together, one = flow.tangent(many, change), flow.tangent(many[0, 0], change)
    for i in np.ndindex(2, 3):
        for found, y in ((together, many[i]), (one, many[0, 0])):
            np.testing.assert_allclose(found[i], flow.tangent(y, change[i]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("geometry", ["simplex", "logits"])
def test_the_target_what_is_left_of_it_and_losses_by_loops(rng, geometry):
    (m, features, places), flow, y = rotated(rng, geometry)
    V, z = y[:, :4], y[:, 4:]
    s = z if geometry == "simplex" else [np.exp(row) / sum(np.exp(row)) for row in z]
    left = np.zeros((4, 6))
    for i, t in np.ndindex(4, 6):
        left[i, t] = sum(m[k] * features[k, i] * places[k, t] for k in range(3))
        left[i, t] -= sum(V[j, i] * s[j][t] for j in range(2))
    np.testing.assert_allclose(flow.residual(y), left, rtol=1e-10, atol=1e-14)
    assert flow.loss(y) == pytest.approx(0.5 * sum(x * x for x in left.ravel()), rel=1e-12)
    for k in range(3):
        entry = sum(features[k, i] * left[i, t] * places[k, t] for i, t in np.ndindex(4, 6))
        assert flow.feature_loss(y)[k] == pytest.approx(entry**2 / 2, rel=1e-10)
    blocks = target(M, 8, geometry, blocks=[[0, 5], [2], [4, 6, 7]])
    rows = np.array([[1, 0, 0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 1, 1]])
    wanted = [M[k] * rows[k] / np.sqrt(rows[k].sum()) for k in range(3)]
    np.testing.assert_allclose(blocks.G, wanted, rtol=1e-14)


def test_eigenvalues_that_count_as_leading_are_those_within_the_share():
    flow = target([2.0, 1.9], 6, "logits")
    y = flow.start(1, 0.1)
    y[0, :2] = 0.3, -0.2
    J, velocity = flow.jacobian(y), flow(0.0, y).reshape(-1)
    rates, modes = np.linalg.eigh(J)
    gap = 1 - rates[-2] / rates[-1]
    assert gap > 0
    for within, count in ((0.9 * gap, 1), (1.1 * gap, 2), (0.0, 1)):
        rate, motion = flow.leading_mode(y, within=within)
        wanted = modes[:, -count:] @ (modes[:, -count:].T @ velocity)
        assert rate == pytest.approx(rates[-1], rel=1e-12)
        np.testing.assert_allclose(motion.reshape(-1), wanted, atol=1e-10)


@pytest.mark.parametrize("heads", [2, 3, 5])
def test_identical_heads_stay_identical_and_share_the_strongest_feature(heads):
    flow = target(M, 40, "simplex")
    solution = ode.integrate(
        flow, (0, 4e3), flow.start(heads, 0.0), method="rk45", rtol=1e-8, atol=1e-11, t_eval=[4e3]
    )
    y = solution.y[-1]
    assert all(np.array_equal(y[0], head) for head in y)
    np.testing.assert_allclose(
        flow.split(y)[0], M[0] / heads * np.eye(3)[[0] * heads], atol=0.01 * M[0] / heads
    )


@pytest.mark.parametrize("geometry", ["simplex", "logits"])
def test_the_jacobian_by_differences(device, rng, geometry):
    (m, features, places), flow, y = rotated(rng, geometry)
    d = flow.width

    def along(i):
        change = np.zeros(y.size)
        change[i] = 1e-6
        change = change.reshape(y.shape)
        if geometry == "simplex":
            change[:, d:] -= change[:, d:].mean(axis=1, keepdims=True)
        return ((flow(0, y + change) - flow(0, y - change)) / 2e-6).reshape(-1)

    there = Factorization(*device.put([m, features, places]), geometry)
    J = to_numpy(there.jacobian(device.put(y)))
    np.testing.assert_allclose(
        J, np.stack([along(i) for i in range(y.size)], axis=1), rtol=1e-6, atol=1e-8
    )
    if geometry == "logits":
        np.testing.assert_allclose(J, J.T, atol=1e-12)  # a gradient flow
    rate, motion = there.leading_mode(device.put(y))
    assert rate == pytest.approx(np.linalg.eigvals(J).real.max()) and motion.shape == y.shape
    np.testing.assert_allclose(J @ motion.reshape(-1), rate * motion.reshape(-1), atol=1e-8)
    free = Factorization(*(v.astype("float32") for v in (m, features, places)), geometry)
    assert free.jacobian(y.astype("float32")).dtype == np.float32


def test_leading_modes_of_heads_at_the_start_and_in_the_crowd():
    """At V = 0 differences grow by V_1' = m_1 s_1, s_1' = s_1 (1 - s_1) m_1 V_1; identical heads have no part in it."""
    flow = target(M, 40, "simplex")
    rate, motion = flow.leading_mode(flow.start(3, 1e-3))
    assert rate == pytest.approx(M[0] * (39 / 1600) ** 0.5, rel=1e-3)
    assert np.abs(motion[:, :3]).argmax(axis=1).tolist() == [0, 0, 0] and motion[:, 3].argmax() == 0
    identical = flow.start(3, 0.0)
    crowd = ode.integrate(
        flow, (0, 50), identical, method="rk45", rtol=1e-9, atol=1e-12, t_eval=[50]
    ).y[-1]
    for y in (identical, crowd):
        assert np.abs(flow.leading_mode(y)[1]).max() < 1e-12


def test_the_limit_with_logits_is_tokens_times_that_of_the_simplex_and_far_away():
    """The slow path of identical heads, V at its optimum, over log t: s_2 sqrt(t) -> sqrt(H / (2 T (m_1^2 - m_2^2)))."""
    T, H = 40, 3
    m = np.zeros(T)
    m[:3] = M

    def drift(u, shifted):  # shifted = ln s_k + u / 2 for all positions but the first, u = ln t
        s = np.exp(shifted - u / 2)
        first = 1 - s.sum()
        V = np.concatenate([[m[0] * first], m[1:] * s]) / (H * (first**2 + s @ s))
        da = s * (m[1:] * V[1:] - H * (V @ V) * s)
        return np.exp(u) * (da - s @ da + first * da.sum()) + 0.5

    flow = target(M, T, "logits")
    y = ode.integrate(
        flow, (0, 400), flow.start(H, 0.0), method="rk45", rtol=1e-8, atol=1e-11, t_eval=[400]
    ).y[-1]
    s = flow.split(y)[1][0, 1:]
    decades = np.log(10) * np.array([3.0, 4.0, 6.0, 130.0])
    path = ode.integrate(
        drift, (np.log(400), decades[-1]), np.log(s * 20), method="rk45", rtol=1e-7, t_eval=decades
    )
    x = np.exp(path.y[:, 0])
    per_decade = np.log(10) ** 2 / (4 * M[1] ** 2 * x**2)
    limit = T * np.log(10) ** 2 * (M[0] ** 2 - M[1] ** 2) / (2 * M[1] ** 2 * H)
    assert per_decade[-1] == pytest.approx(limit, rel=1e-3) and limit == pytest.approx(
        66.8, abs=0.05
    )
    assert 55 < per_decade[:3].min() and per_decade[:3].max() < 62


def test_starts():
    flow = target(M, 8, "simplex")
    V, s = flow.split(flow.concentrated(2, 5, 0.93, eps=1e-3))
    assert (
        not V.any()
        and s[:, 5] == pytest.approx(0.93, rel=1e-3)
        and s.sum(axis=1) == pytest.approx(1)
    )
    assert s[0, 0] > s[1, 0] and s[1, 1] > s[0, 1] and s[0, 3] == pytest.approx(0.01, rel=1e-3)
    logits = target(M, 8, "logits")
    np.testing.assert_allclose(
        logits.split(logits.waterfall(3, 0.9))[1], flow.split(flow.waterfall(3, 0.9))[1], rtol=1e-12
    )
    falls = flow.split(flow.waterfall(3, 0.9))[1]
    np.testing.assert_allclose(falls[2, :4], [0.3, 0.3, 0.3, 0.02], rtol=1e-12)
    np.testing.assert_allclose(falls[0, :2], [0.9, 0.1 / 7], rtol=1e-12)


def test_a_start_is_tilted_by_its_eps_and_noise_has_its_size(rng):
    for geometry in ("logits", "simplex"):
        flow = target(M, 400, geometry)
        V, s = flow.split(flow.start(3, 0.2))
        odds = np.log(s / s[:, 3:4])
        np.testing.assert_allclose(odds, 0.2 * np.eye(3, 400), atol=1e-12)
        assert not V.any() and s.sum(axis=1) == pytest.approx(1)
        for noise, how in ((1e-2, dict(noise=1e-2)), (1e-6, {})):
            V, s = flow.split(flow.near_uniform(rng, 40, **how))
            logits = np.log(s * 400) / noise  # 16000 independent ones, less the mean of each head's
            assert not V.any() and logits.std() == pytest.approx(1, abs=5 / np.sqrt(2 * 16000))
            assert abs(np.corrcoef(logits[0], logits[1])[0, 1]) < 5 / np.sqrt(400)


def test_half_events_for_many_runs():
    flow = target(M, 12, "simplex")
    y0 = np.stack([flow.start(3, eps) for eps in (1e-2, 1e-3)])
    event = flow.half_event(y0, 1, terminal=True)
    batched = ode.integrate(flow, (0, 1e3), y0, method="rk45", rtol=1e-9, events=event, t_eval=[])
    assert batched.status == 1
    for run, t in zip(y0, batched.t_events[0]):
        single = ode.integrate(
            flow,
            (0, 1e3),
            run,
            method="rk45",
            rtol=1e-9,
            events=flow.half_event(run, 1, True),
            t_eval=[],
        )
        assert t == pytest.approx(single.first_times[0], rel=1e-7)


@pytest.mark.parametrize("steps", [1, 40])
def test_a_network_that_scores_positions_only_takes_the_steps_of_the_flow(rng, steps):
    """The minimal model on the regression chain under descent is Euler's method on the flow, to rounding."""
    V, T, lags, rate = 4, 7, [2, 3, 5], 0.1
    chain = markov.draw_chain(rng, V, blocks=[[lag] for lag in lags], matrices="frobenius")
    x, y = chain.sample_regression(rng, 60, T, exact=True)
    y = y[:, -1:] / V**0.5
    model = models.MinimalModel(V, T, heads=2, first_query=T - 1, query_scale=0.0, value_scale=0.0)
    params, D = model.init(rng), model.width
    scores = 0.1 * rng.normal(size=(2, T))
    params["W_Q"][V + T - 1, :, V:] = scores * D**0.5
    sizes = np.linalg.norm(chain.matrices, axis=(1, 2))
    features = (chain.matrices / sizes[:, None, None]).swapaxes(1, 2).reshape(3, -1)
    flow = Factorization(sizes / V**0.5, features, np.eye(T)[[T - lag for lag in lags]], "logits")
    state = flow.state(np.zeros((2, V * V)), scores)
    loss = losses.pair_loss(model, losses.SQUARED_ERROR)
    for _ in range(steps):
        value, grads = loss(params, (x, y))
        assert float(value) == pytest.approx(float(flow.loss(state)), rel=1e-9)
        params["W_V"] = params["W_V"] - rate * grads["W_V"]
        params["W_Q"][V:, :, V:] -= rate * D * grads["W_Q"][V:, :, V:]
        state = ode.euler_step(flow, 0.0, state, rate)
    values, logits = flow.split(state)[0], params["W_Q"][V + T - 1, :, V:] / D**0.5
    np.testing.assert_allclose(params["W_V"][:V].swapaxes(0, 1).reshape(2, -1), values, atol=1e-9)
    np.testing.assert_allclose(logits, state[:, V * V :], atol=1e-9)


def test_blocks_and_noise(rng):
    flow = target(M, 8, "logits", blocks=[[0, 1], [2, 3], [4, 5, 6]])
    np.testing.assert_allclose(flow.places @ flow.places.T, np.eye(3), atol=1e-15)
    y = flow.near_uniform(rng, 3)
    assert y.shape == (3, 11) and 0 < np.abs(flow.split(y)[1] - 1 / 8).max() < 1e-5


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: target((1.0, -1.0), 5), "importances: expected positive finite numbers"),
        (lambda: target(["a"], 2), "importances: expected positive finite numbers"),
        (lambda: target(M, 2), "length: expected at least 3, one for each importance, got 2"),
        (
            lambda: target(M, 5, blocks=[[0], [1], [5]]),
            r"blocks: expected 3 disjoint lists of positions in 0..4",
        ),
        (lambda: target(M, 5, blocks=[0, 1, 2]), "blocks: expected 3 lists of positions"),
        (
            lambda: target(M, 5, blocks=[[0.5], [1], [2]]),
            "blocks: position: expected a whole number >= 0, got 0.5",
        ),
        (
            lambda: target(M, 9).half_event(target(M, 9).start(2, 0.1), 3),
            "k: expected .* 0..2, got 3",
        ),
        (
            lambda: target(M, 9).tangent(np.ones((2, 12)), np.ones((3, 12))),
            r"y: expected shape \(..., 3, 12\), got \(2, 12\)",
        ),
        (lambda: target(M, 9, blocks=[[0], [0], [1]]), "blocks: expected 3 disjoint"),
        (
            lambda: target(M, 9, geometry="sphere"),
            'geometry: expected "logits" or "simplex", got \'sphere\'',
        ),
        (
            lambda: target(M, 9).start(10, 1e-6),
            "heads: expected at most one for each of 9 positions, got 10",
        ),
        (lambda: target(M, 9).start(2, -1.0), "eps: expected"),
        (lambda: target(M, 9).concentrated(2, 9), "position: expected .* 0..8, got 9"),
        (
            lambda: target(M, 9).concentrated(2, 0, mass=1.0),
            "mass: expected a finite number > 0 and < 1, got 1.0",
        ),
        (lambda: target(M, 9).waterfall(9), "heads: expected fewer than the 9 positions, got 9"),
        (
            lambda: target(M, 9).jacobian(np.zeros((1, 2, 12))),
            r"y: expected shape \(H, 12\), got \(1, 2, 12\)",
        ),
        (
            lambda: target(M, 9).loss(np.zeros((2, 5))),
            r"y: expected shape \(..., H, 12\), got \(2, 5\)",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()


KNOWN = {
    "simplex": {2: 24.349, 4: 53.092, 6: 89.278, 8: 132.78},
    "logits": {2: 77.262, 4: 368.33, 6: 902.30, 8: 1665.2},
}


@pytest.mark.parametrize("geometry", KNOWN)
def test_the_wait_of_a_crowd_bends_evenly_and_is_foretold_with_nothing_fitted(geometry):
    """Three heads, 40 positions: the times at which the first leaves, for starts 1e-2 to 1e-8 apart.

    Let u_j be the logarithm of head j's attention on position 2 over that of the crowd. Beyond
    first order the value differences still sum to 0, as the residual damps their sum fast. With the
    square of the rate taken out of time, simplex: u_j'' = e^(u_j) - mean e^(u_k); logits, with
    w_j = 1 - e^(-u_j): w_j'' = 1/(1 - w_j) - mean 1/(1 - w_k). Small differences grow like e^time
    and run off in finite time, so there is one number e^C for the lead that *linear* growth has
    given a head when it in truth leaves.
    """
    flow, H, tight = target(M, 40, geometry), 3, dict(method="rk45", rtol=1e-8, atol=1e-12)
    decades = np.arange(2, 9)
    y0 = np.stack([flow.start(H, 10.0**-k) for k in decades])
    leaves = ode.integrate(
        flow, (0, 2e3), y0, events=flow.half_event(y0, 1, True), t_eval=[], **tight
    ).t_events[0]
    assert all(leaves[k - 2] == pytest.approx(t, rel=1e-3) for k, t in KNOWN[geometry].items())
    bend = np.diff(leaves, 2)[1:]
    assert bend.max() / bend.min() < 1.1

    tilted = flow.start(H, 1e-9) - flow.start(H, 0.0)
    pair = np.stack([flow.start(H, 0.0), (tilted - tilted.mean(axis=0)) / 1e-9])
    field = lambda t, y: np.stack([flow(t, y[0]), flow.tangent(y[0], y[1])])
    end = 1.2 * leaves[-1]
    path = ode.integrate(field, (0, end), pair, t_eval=np.linspace(0, end, 1500), **tight)
    common, change = path.y[:, 0, :, flow.width :], path.y[:, 1, :, flow.width :]
    lead = (
        change[..., 1] / common[..., 1]
        if geometry == "simplex"
        else change[..., 1] - change[..., 0]
    )
    shares, small = lead[-1] / lead[-1, 1], 1e-4

    def grow(t, y):
        push = np.exp(y[0]) if geometry == "simplex" else 1 / (1 - y[0])
        return np.stack([y[1], push - push.mean()])

    far = ode.event(
        lambda t, y: y[0].max() - (30.0 if geometry == "simplex" else 1 - 1e-9), terminal=True
    )
    C = ode.integrate(grow, (0, 100), small * np.stack([shares, shares]), events=far, **tight).t[
        -1
    ] + np.log(small)
    predicted = np.interp(np.log(10.0) * decades + C, np.log(np.abs(lead[1:, 1])), path.t[1:])
    assert predicted[2:] == pytest.approx(leaves[2:], rel=0.005 if geometry == "simplex" else 0.05)

    seen = np.flatnonzero((path.t > 60) & (path.t < leaves[-1]))[::60]
    s2 = flow.split(path.y[seen, 0])[1][:, 0, 1]
    rates = [flow.leading_mode(path.y[i, 0])[0] for i in seen]
    assert rates == pytest.approx(
        M[1] * np.sqrt(s2) if geometry == "simplex" else np.sqrt(2) * M[1] * s2, rel=0.1
    )


def test_a_difference_in_the_last_bit_parts_heads_and_the_leading_direction_names_who_leaves():
    flow, tight = target(M, 40, "simplex"), dict(method="rk45", rtol=1e-8, atol=1e-12)
    y0 = flow.start(3, 0.0)
    y0[1, flow.width + 1] = np.nextafter(y0[1, flow.width + 1], 1)
    found = ode.integrate(
        flow, (0, 1e4), y0, events=flow.half_event(y0, 1, True), t_eval=[], **tight
    )
    assert np.isfinite(found.first_times[0])
    for rng in np.random.default_rng(0).spawn(5):
        y0 = flow.near_uniform(rng, 3)
        found = ode.integrate(
            flow, (0, 1e3), y0, events=flow.half_event(y0, 1, True), t_eval=[15.0], **tight
        )
        _, motion = flow.leading_mode(found.y[0])
        assert motion[:, 1].argmax() == found.y_events[0][0][:, 1].argmax()


def test_the_crowd_of_two_heads_turns_and_waits_as_worked_by_hand():
    """G = diag(3, 1): attention left, the rate, and the wait for a difference of eps in one score, by lesson 10's lines."""
    flow, tight = target([3.0, 1.0], 2, "logits"), dict(method="rk45", rtol=1e-9, atol=1e-14)
    times = np.array([100.0, 300.0, 1000.0])
    crowd = ode.integrate(flow, (0, 1000), flow.start(2, 0.0), t_eval=times, **tight).y
    left = flow.split(crowd)[1][:, 0, 1]
    assert left == pytest.approx(1 / (4 * np.sqrt(times)), rel=0.02)
    rates = np.array([flow.leading_mode(y)[0] for y in crowd])
    missing = (rates - np.sqrt(2) * left + 4 * left**2) / left**3
    assert (missing > 10).all() and (missing < 13).all()
    # dδ/dt = -8 δ^3 (1 + δ - 6 δ^2): 1/δ^2 = 16 t + 8 √t - 7 ln t and a constant, so it creeps
    rest = 1 / left**2 - 16 * times - 8 * np.sqrt(times) + 7 * np.log(times)
    assert (rest > -8).all() and (rest < -6).all()
    creep = (np.sqrt(2) / 4 / np.sqrt(times) - rates) * times  # to 1/4 + √2/16 = 0.338
    assert (np.diff(creep) > 0).all() and creep[-1] == pytest.approx(0.310, abs=1e-3)
    powers = np.arange(2, 9)
    y0 = np.stack([flow.start(2, 0.0)] * len(powers))
    y0[:, 1, -1] += 10.0**-powers
    parted = event(lambda t, y: flow.loss(y) - 0.25, terminal=True)
    waits = ode.integrate(flow, (0, 1e3), y0, events=parted, t_eval=[], **tight).t_events[0]
    t = waits.copy()
    for _ in range(20):
        t = 2 * (np.log(10) * powers + 0.855 + np.log(t) / 4) ** 2
    assert t[2:] == pytest.approx(waits[2:], rel=2e-3) and t[0] == pytest.approx(86.46, abs=0.01)
    off = [np.abs(np.polyval(np.polyfit(powers, waits, n), powers) - waits).max() for n in (1, 2)]
    assert off[0] > 50 and off[1] < 0.5  # a line, a parabola
    four = np.zeros((4, 4))
    crowd = ode.integrate(flow, (0, 1000), four, t_eval=[1000], **tight).y[0]
    assert flow.split(crowd)[1][0, 1] == pytest.approx(1 / np.sqrt(8 * 1000), rel=0.02)


def test_the_lead_names_who_leaves_but_for_a_small_one():
    """A lead θ + √2 ν between 0 and 4 √2 δ θ may change its sign: -8 δ^2 θ takes from it. Beyond it does not."""
    flow, tight = target([3.0, 1.0], 2, "logits"), dict(method="rk45", rtol=1e-9, atol=1e-14)
    crowd = ode.integrate(flow, (0, 20), flow.start(2, 0.0), t_eval=[20], **tight).y[0]
    theta, unsure = 1e-4, 4 * np.sqrt(2) * flow.split(crowd)[1][0, 1] * 1e-4
    assert unsure == pytest.approx(3.13e-5, rel=1e-2)
    leads = np.array([1.01 * unsure, 0.8e-5, -1e-7])
    y0 = np.stack([crowd] * len(leads))
    for head, sign in ((0, 1), (1, -1)):
        y0[:, head, 1] += sign * (leads - theta) / np.sqrt(2)
        y0[:, head, 3] += sign * theta
    parted = event(lambda t, y: flow.loss(y) - 0.25, terminal=True)
    ends = ode.integrate(flow, (20, 4000), y0, events=parted, t_eval=[], **tight).y_events[0]
    assert [int(end[:, 1].argmax()) for end in ends] == [0, 1, 1]


def test_parted_heads_gain_by_a_product():
    flow = target([3.0, 1.0], 2, "simplex")
    for beta, gamma, loss in (
        (0, 0, 0.59),
        (0.1, 0.1, 0.5704),
        (-0.1, 0.1, 0.6104),
        (0.1, 0, 0.59),
    ):
        V = np.array([[1.5, beta], [1.5, -beta]])
        s = np.array([[0.9 - gamma, 0.1 + gamma], [0.9 + gamma, 0.1 - gamma]])
        assert flow.loss(np.concatenate([V, s], axis=1)) == pytest.approx(loss, rel=1e-12)


def test_on_each_plateau_the_fastest_direction_names_the_next_feature_and_the_head_to_take_it():
    flow, tight = target(M, 40, "simplex"), dict(method="rk45", rtol=1e-8, atol=1e-12)
    start = flow.start(3, 1e-6)
    half = HALF_TIMES["simplex"][1e-6]
    middles = np.sqrt(np.multiply(half[:-1], half[1:]))
    path = ode.integrate(flow, (0, 200), start, t_eval=middles, **tight)
    for y, feature in zip(path.y, (1, 2)):
        _, motion = flow.leading_mode(y)
        head, found = np.unravel_index(motion[:, :3].argmax(), (3, 3))
        assert (head, found) == (feature, feature)


def test_the_first_wait_is_a_tangents_and_attention_left_by_a_crowd_falls_like_one_over_time():
    """With little written s_1 = 1/T + V_1^2 / 2; in the crowd s_k = H / ((m_1^2 - m_k^2) t).

    The tangent leaves out what is written at the other positions, which takes H V_1 / T off dV_1/dt, so
    (1 - H t / 2T) off V_1 while that grows evenly.
    """
    flow, tight = target(M, 40, "simplex"), dict(method="rk45", rtol=1e-9, atol=1e-13)
    early = ode.integrate(flow, (0, 2), flow.start(3, 0.0), t_eval=[1.0, 2.0], **tight).y
    V, s = flow.split(early)
    assert s[:, 0, 0] == pytest.approx(1 / 40 + V[:, 0, 0] ** 2 / 2, rel=0.02)
    tangent = np.sqrt(2 / 40) * np.tan(M[0] * np.array([1.0, 2.0]) / np.sqrt(80))
    assert V[:, 0, 0] == pytest.approx(tangent * np.exp(-3 / 80 * np.array([1, 2])), rel=0.01)
    late = ode.integrate(flow, (0, 4000), flow.start(3, 0.0), t_eval=[4000.0], **tight).y[-1]
    left = flow.split(late)[1][0, 1:3]
    limit = 3 / ((M[0] ** 2 - np.square(M[1:])) * 4000)
    assert left == pytest.approx(limit, rel=0.03)


def test_the_wait_is_foretold_from_the_crowd_and_one_constant():
    """A lead grows like e^S / sqrt(rate), S the sum of the rates m_2 sqrt(s_2) of a crowd that stays."""
    flow, tight = target(M, 40, "simplex"), dict(method="rk45", rtol=1e-8, atol=1e-12)
    t = np.linspace(0, 300, 3001)

    def lead(heads):
        crowd = ode.integrate(flow, (0, 300), flow.start(heads, 0.0), t_eval=t, **tight).y
        rate = M[1] * np.sqrt(flow.split(crowd)[1][:, 0, 1])
        steps = (rate[1:] + rate[:-1]) / 2 * np.diff(t)
        return np.concatenate([[0], np.cumsum(steps)]) - np.log(rate) / 2

    waits = {eps: times[1] for eps, times in HALF_TIMES["simplex"].items()}
    of_three = lead(3)
    C = np.interp(waits[1e-2], t, of_three) - np.log(1e2)
    for eps, wait in waits.items():
        found = np.interp(np.log(1 / eps) + C, of_three[100:], t[100:])
        assert found == pytest.approx(wait, rel=5e-3)
    for heads, wait in ((2, 108.74), (4, 81.64)):  # with the same C
        found = np.interp(np.log(1e6) + C, lead(heads)[100:], t[100:])
        assert found == pytest.approx(wait, rel=5e-3)


def test_one_head_alone_is_at_a_minimum_on_the_strongest_feature(rng):
    """To second order the loss rises by (b - m_2 g)^2 / 2 + (m_1^2 - m_2^2) g^2 / 2 for b written, g looked."""
    flow = target(M, 5, "simplex")
    for b, g in rng.normal(size=(5, 2)) * 1e-3:
        y = np.zeros((1, 8))
        y[0, :2] = M[0] * (1 + g), b  # what is best of feature 1, for this attention
        y[0, 3:5] = 1 - g, g
        rise = flow.loss(y) - (M[1] ** 2 + M[2] ** 2) / 2
        by_hand = (b - M[1] * g) ** 2 / 2 + (M[0] ** 2 - M[1] ** 2) * g**2 / 2
        assert rise == pytest.approx(by_hand, rel=0.02)


def halves(flow, y0, end, level=0.5):
    """When each feature's loss has fallen to a share of its start, NaN if never."""
    t = np.concatenate([[0], np.geomspace(0.1, end, 600)])
    y = ode.integrate(flow, (0, end), y0, t_eval=t, method="rk45", rtol=1e-7, atol=1e-11).y
    loss = flow.feature_loss(y)
    return measure.plateau_length(t, loss / loss[0], level), y[-1]


def test_what_decides_the_order_of_stages():
    simplex = target(M, 40, "simplex")
    for rng in np.random.default_rng(1).spawn(4):
        assert (np.diff(halves(simplex, simplex.near_uniform(rng, 3), 700.0)[0]) > 0).all()
    equal = target([M[1]] * 3, 40, "simplex")
    rng = np.random.default_rng(2)
    quarters, _ = halves(equal, equal.near_uniform(rng, 3), 1000.0, 0.25)
    assert quarters.max() / quarters.min() < 1.2
    early = ode.integrate(
        equal, (0, 30), equal.start(3, 0.0), method="rk45", rtol=1e-8, t_eval=[30.0]
    ).y[-1]
    assert equal.feature_loss(early) / (M[1] ** 2 / 2) == pytest.approx(4 / 9, rel=0.01)
    blocks = target(M, 40, "simplex", blocks=[[0, 1], [2, 3], [4, 5]])
    assert (np.diff(halves(blocks, blocks.near_uniform(rng, 3), 1000.0)[0]) > 0).all()
    assert np.isnan(
        halves(blocks, blocks.start(3, 1e-6), 1000.0)[0][2]
    )  # heads 1 and 2 are tilted to one block
    wrong, _ = halves(simplex, simplex.concentrated(3, 9, 0.99, 1e-6), 6000.0)
    assert (np.diff(wrong) > 0).all() and wrong[1] > 2 * 89.28
    waterfall, _ = halves(simplex, simplex.waterfall(3, 0.99), 100.0)
    assert waterfall.max() < 20
    spare, end = halves(simplex, simplex.start(4, 1e-6), 3000.0)
    looks = simplex.split(end)[1].argmax(axis=1)
    assert np.bincount(looks, minlength=3).tolist()[:3] == [2, 1, 1] and (np.diff(spare) > 0).all()


@pytest.mark.parametrize("importances", [[1.0, 0.0], [1.0, -1.0], [1.0, np.inf], [np.nan, 1.0]])
def test_a_feature_without_importance_is_none(importances):
    for make in (
        lambda: Factorization(np.array(importances), np.eye(2), np.eye(2, 4)),
        lambda: target(importances, 4),
    ):
        with pytest.raises(InputError, match="importances: expected positive finite numbers, got"):
            make()
