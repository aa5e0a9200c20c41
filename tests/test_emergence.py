import dataclasses

import numpy as np
import pytest

from tinyattn import gradcheck, losses, measure, models, ode, train
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.flows.population import population, stochastic
from tinyattn.flows.repetition import ThreeNumbers
from tinyattn.hold import hold
from tinyattn.tasks import regression

FLOWS = [
    TwoNumbers(T=20, d=7, B=3), TwoNumbers(T=20, d=7, B=3, per_place=True),
    ThreeNumbers(T=20, d=7, p=0.3), ThreeNumbers(T=20, d=7, p=0.3, per_place=True),
]  # fmt: skip


def plateau(flow, end=1e7, rtol=1e-9):
    """The time at which the test loss falls to 0.1, one for each run."""
    snap = ode.event(lambda t, y: flow.test_loss(y) - 0.1, terminal=True)
    solution = ode.integrate(flow, (0, end), flow.start(), method="rk45", rtol=rtol, atol=1e-3 * rtol, events=snap,
                             t_eval=[0.0])  # fmt: skip
    assert solution.status == 1, solution.message
    return solution.first_times[0]


@pytest.mark.parametrize("flow", FLOWS)
def test_flows_descend_their_loss_and_hessians_are_its_second_differences(device, flow, rng):
    y = rng.normal(size=flow.start().shape[-1])
    slopes = gradcheck.central_differences(lambda y: float(flow.loss(y)), y)
    speed = np.ones(len(y))
    speed[-1] = flow.mobility
    field = to_numpy(flow(0.0, device.put(y)))
    np.testing.assert_allclose(field, -speed * slopes, rtol=1e-7, atol=1e-11)
    hessian = np.stack([
        gradcheck.central_differences(lambda y, i=i: float((-flow(0.0, y) / speed)[i]), y) for i in range(len(y))
    ])  # fmt: skip
    np.testing.assert_allclose(to_numpy(flow.hessian(device.put(y))), hessian, rtol=1e-6, atol=1e-9)


def test_plateaus_of_the_table():
    assert plateau(TwoNumbers(512, 64)) == pytest.approx(5319.27, rel=1e-4)
    assert plateau(TwoNumbers(512, 64, per_place=True)) == pytest.approx(5314.00, rel=1e-4)
    p = np.array([0.1, 0.3, 0.5])
    assert plateau(ThreeNumbers(512, 64, p)) == pytest.approx(
        np.array([4186, 2158, 1487]), rel=1e-3
    )
    per_place = plateau(ThreeNumbers(512, 64, p, per_place=True))
    assert per_place == pytest.approx(np.array([4181.6, 2155.5, 1485.5]), rel=1e-4)
    assert plateau(TwoNumbers(64, 16, 4, per_place=True)) == pytest.approx(192.6, rel=1e-3)
    assert plateau(TwoNumbers(64, 16, 4)) == pytest.approx(102.7, rel=1e-3)
    assert plateau(TwoNumbers(128, 16, 16, per_place=True)) == pytest.approx(191.5, rel=1e-3)
    assert plateau(TwoNumbers(64, 16, 1, per_place=True)) == pytest.approx(357.5, rel=1e-3)


def test_without_repetition_three_numbers_are_two():
    assert plateau(ThreeNumbers(128, 32)) == pytest.approx(
        float(plateau(TwoNumbers(128, 32))), rel=1e-7
    )


def test_the_grid_of_42_runs_in_one_call():
    T, d = (grid.ravel() for grid in np.meshgrid(2.0 ** np.arange(6, 13), 2.0 ** np.arange(4, 10)))
    lengths = plateau(TwoNumbers(T, d), rtol=1e-6)
    law = measure.fit_power_law(lengths, T=T, d=d)
    assert (law.C, law.exponents["T"], law.exponents["d"]) == pytest.approx(
        (1.5610, 0.9728, 0.5021), rel=0.01
    )
    assert law.r2 >= 0.9996
    one = np.flatnonzero((T == 512) & (d == 64))[0]
    assert lengths[one] == pytest.approx(5319.27, rel=1e-4)


def test_the_laws_over_places():
    B, d = (grid.ravel() for grid in np.meshgrid(2.0 ** np.arange(0, 7), 2.0 ** np.arange(4, 10)))
    law = measure.fit_power_law(
        plateau(TwoNumbers(4096.0, d, B), rtol=1e-6), T_over_B=4096 / B, d=d
    )
    assert (law.C, law.exponents["T_over_B"], law.exponents["d"]) == pytest.approx(
        (1.4506, 0.9770, 0.5093), rel=0.01
    )
    assert law.r2 >= 0.9995
    own = measure.fit_power_law(
        plateau(TwoNumbers(4096.0, d, B, per_place=True), rtol=1e-6), T_over_B=4096 / B, d=d
    )
    assert own.exponents["T_over_B"] == pytest.approx(0.49, abs=0.01)


def test_settings_may_be_arrays_on_any_device(device):
    T, d = np.array([64.0, 128.0, 256.0]), np.array([16.0, 16.0, 32.0])
    for there, here in [
        (
            TwoNumbers(device.put(T), device.put(d), per_place=True),
            TwoNumbers(T, d, per_place=True),
        ),
        (ThreeNumbers(device.put(T), device.put(d), 0.2), ThreeNumbers(T, d, 0.2)),
    ]:
        snap = lambda t, y, flow=there: flow.test_loss(y) - 0.1
        snap.terminal = True
        solution = ode.integrate(
            there,
            (0, 1e6),
            device.put(here.start()),
            method="rk45",
            rtol=1e-9,
            atol=1e-12,
            events=snap,
        )
        np.testing.assert_allclose(solution.t_events[0], plateau(here), rtol=1e-7)


def test_closed_forms():
    for flow in (TwoNumbers(65536, 4096), TwoNumbers(65536, 4096, 8, per_place=True)):
        assert plateau(flow, 1e8) * flow.rate == pytest.approx(flow.snap_time * flow.rate, rel=5e-3)
    flow = TwoNumbers(65536, 4096)
    assert plateau(flow, 1e8) * flow.rate == pytest.approx(1.2575, rel=1e-4)
    assert flow.snap_time * flow.rate == pytest.approx(np.sqrt(np.pi / 2))
    assert TwoNumbers(512, 64).linearised_time(0.8) == pytest.approx(17997, rel=1e-4)
    for flow in (flow, TwoNumbers(65536, 4096, 8, per_place=True)):
        t = np.array([0.1, 0.5, 0.8]) * flow.snap_time
        y = ode.integrate(
            flow, (0, t[-1]), flow.start(), method="rk45", rtol=1e-10, atol=1e-13, t_eval=t
        ).y
        np.testing.assert_allclose(flow.time_at(y[:, 0]), t, rtol=1e-2)  # up to order 1 / sqrt(d)
        np.testing.assert_allclose(
            y[:, 1], y[:, 0] ** 2 / (2 * (flow.B if flow.per_place else 1)), rtol=2e-2
        )
        early = 0.05 * flow.snap_time
        y = ode.integrate(flow, (0, early), flow.start(), n_steps=50).y[-1]
        np.testing.assert_allclose(flow.linearised(early), y, rtol=3e-3)
        lost = 0.5 - flow.loss(y)
        assert 0.5 - flow.linearised_loss(early) == pytest.approx(lost, rel=5e-3)
        assert flow.linearised_time(2 * lost) == pytest.approx(early, rel=5e-3)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
def test_the_rate_is_the_speed_of_the_weights_at_the_start(p):
    """There s_r = B/T and |d(w, v)/dt| is the rate; in closed form by the token's second moment."""
    T, d = 300, 50
    three = ThreeNumbers(T, d, p)
    assert three.rate == pytest.approx(np.linalg.norm(three(0.0, three.start())[:2]), rel=1e-12)
    assert three.rate == pytest.approx(np.sqrt(1 + p**2 * (d - 1)) / (np.sqrt(d) * T), rel=1e-12)
    assert three.snap_time * three.rate == pytest.approx(np.sqrt(np.pi / 2), rel=1e-12)
    for B in (1, 7):
        two = TwoNumbers(T, d, B)
        assert two.rate == pytest.approx(two(0.0, two.start())[0], rel=1e-12)


@pytest.mark.parametrize("flow", [
    TwoNumbers(300, 50), TwoNumbers(300, 50, 7), TwoNumbers(300, 50, 7, per_place=True),
])  # fmt: skip
def test_closed_forms_of_the_plateau_solve_its_equations(flow):
    """dw/dt = rate exp(Delta), dDelta/dt = rate/c w exp(Delta); linear: 1 + Delta for exp."""
    integrate = pytest.importorskip("scipy.integrate")
    c, rate = 7 if flow.per_place else 1, flow.rate
    area = lambda end: integrate.quad(lambda u: np.exp(-(u**2) / (2 * c)), 0, end)[0]
    for w in (0.3, 1.0, 4.0):
        assert flow.time_at(w) == pytest.approx(area(w) / rate, rel=1e-8)
    assert flow.snap_time == pytest.approx(area(np.inf) / rate, rel=1e-8)
    linear = lambda t, y: [rate * (1 + y[1]), rate / c * y[0]]
    times = np.array([0.2, 1.0, 2.5]) / rate
    path = integrate.solve_ivp(linear, (0, times[-1]), [0, 0], t_eval=times, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(flow.linearised(times), path.y.T, rtol=1e-7)
    # L = 1/2 - rate w (1 + Delta), the loss to the order that the linear flow knows
    lost = rate * path.y[0] * (1 + path.y[1])
    np.testing.assert_allclose(flow.linearised_loss(times), 0.5 - lost, rtol=1e-7)
    for share in (0.01, 0.5, 0.9):
        (loss,) = flow.linearised_loss([flow.linearised_time(share)])
        assert loss == pytest.approx((1 - share) / 2, rel=1e-9)


@pytest.mark.parametrize("B", [1, 5])
def test_at_its_equilibrium_w_stands_still(B):
    flow = TwoNumbers(60, 9, B)
    for delta in (-1.0, 2.0, 6.0):
        A = flow.attention(np.array([0.0, delta]))
        scores = np.exp(np.where(np.arange(60) < B, delta, 0.0))
        assert A == pytest.approx(scores[:B].sum() / scores.sum(), rel=1e-12)
        assert flow(0.0, np.array([flow.equilibrium(A), delta]))[0] == pytest.approx(0, abs=1e-15)


def test_settings_of_whole_numbers_of_any_width_are_those_numbers():
    T, d, y = np.array([100, 120]), np.array([90, 110]), np.ones((2, 3))
    for dtype in ("int8", "uint8", "int64"):
        for make in (TwoNumbers, ThreeNumbers):
            narrow, wide = (make(T.astype(kind), d.astype(kind)) for kind in (dtype, float))
            state = y[:, : narrow.start().shape[-1]]
            np.testing.assert_allclose(narrow(0.0, state), wide(0.0, state), rtol=1e-14)
            np.testing.assert_allclose(narrow.hessian(state), wide.hessian(state), rtol=1e-14)
            np.testing.assert_allclose(narrow.rate, wide.rate, rtol=1e-14)


def test_late_w_follows_its_equilibrium():
    flow = TwoNumbers(64, 16)
    y = ode.integrate(flow, (0, 5000), flow.start(), method="rk45", rtol=1e-9, atol=1e-12).y[-1]
    A = flow.attention(y)
    assert A > 0.9 and y[0] == pytest.approx(flow.equilibrium(A), rel=1e-2)


def full_flow(task, layer):
    """The population gradient flow of a whole ToyLayer, W and all scores, as f(t, packed params)."""
    like = layer.init()
    return lambda t, y: -models.pack(population(task, layer, models.unpack(y, like))[1])


@pytest.mark.parametrize(
    "B, p, shared",
    [(1, 0.0, False), (4, 0.0, False), (4, 0.0, True), (1, 0.3, False), (1, 0.3, True)],
)
def test_each_reduced_flow_is_the_full_flow_it_belongs_to(rng, B, p, shared):
    T, d = 24, 5
    task = regression.draw_task(rng, T, d, B, p)
    layer = models.ToyLayer(T, d, shared=B if shared else 0)
    flow = (
        ThreeNumbers(T, d, p, per_place=not shared)
        if p
        else TwoNumbers(T, d, B, per_place=not shared)
    )
    times = np.linspace(0, 2.5 * flow.snap_time, 7)
    settings = dict(method="rk45", rtol=1e-10, atol=1e-13, t_eval=times)
    full = ode.integrate(
        full_flow(task, layer), (0, times[-1]), models.pack(layer.init()), **settings
    )
    reduced = ode.integrate(flow, (0, times[-1]), flow.start(), **settings)
    assert flow.loss(reduced.y)[-1] < 0.2
    for y_full, y in zip(full.y, reduced.y):
        params = models.unpack(y_full, layer.init())
        scores = layer.scores(params["a"])[0]
        assert population(task, layer, params)[0] == pytest.approx(float(flow.loss(y)), rel=1e-7)
        np.testing.assert_allclose(scores[-B:] - scores[0], y[-1], rtol=1e-6, atol=1e-9)
        if p:  # v on the repeated coordinate, w on the rest
            want = np.concatenate([y[1] * task.W_star[:1], y[0] / np.sqrt(d - 1) * task.W_star[1:]])
        else:
            want = y[0] / np.sqrt(d) * task.W_star
        np.testing.assert_allclose(params["W"], want, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("B, p, shared", [(1, 0.0, 0), (3, 0.2, 0), (3, 0.2, 3)])
def test_population_gradients_are_differences_and_the_mean_of_samples(rng, B, p, shared):
    T, d = 9, 4
    task, layer = regression.draw_task(rng, T, d, B, p), models.ToyLayer(T, d, shared)
    params = {key: 0.5 * rng.normal(size=value.shape) for key, value in layer.init().items()}
    loss, grads = population(task, layer, params)
    for key in params:
        f = lambda x, key=key: float(population(task, layer, {**params, key: x})[0])
        np.testing.assert_allclose(
            grads[key], gradcheck.central_differences(f, params[key]), rtol=1e-6, atol=1e-9
        )
    batches, losses = [], []
    for _ in range(40):
        x, target = task.sample(rng, 5000)
        y, cache = layer.forward(params, x)
        losses.append(0.5 * ((y - target) ** 2).sum() / len(x))
        batches.append(models.pack(layer.backward((y - target) / len(x), cache)))
    for sampled, exact in [(losses, loss), (batches, models.pack(grads))]:
        error = np.std(sampled, axis=0) / np.sqrt(40)
        assert (np.abs(np.mean(sampled, axis=0) - exact) < 5 * error).all()


@pytest.mark.parametrize("anywhere", [False, True])
def test_marked_samples_hold_the_answer_at_the_mark(rng, anywhere):
    task = regression.draw_task(rng, 6, 3, 2, 0.3)
    x, target = task.sample_marked(rng, 4000, anywhere)
    mark = x[:, :, -1]
    assert (
        x.shape == (4000, 6, 4) and set(np.unique(mark)) == {0, 1} and (mark.sum(axis=1) == 2).all()
    )
    relevant = x[mark == 1].reshape(4000, 2, 4)[:, :, :-1]
    np.testing.assert_allclose(
        relevant @ task.W_star, np.repeat(target[:, None], 2, axis=1), atol=1e-12
    )
    where = mark.mean(axis=0)
    assert (
        where == pytest.approx(1 / 3, abs=0.05)
        if anywhere
        else where.tolist() == [1, 1, 0, 0, 0, 0]
    )
    others = x[mark == 0][:, :-1]
    assert others.mean(axis=0) == pytest.approx(0, abs=0.02) and others.var(
        axis=0
    ) == pytest.approx(1 / 3, rel=0.05)


@pytest.mark.parametrize("B, p", [(1, 0.0), (2, 0.4)])
def test_the_short_cut_has_the_law_of_direct_sampling(rng, B, p):
    """Means and covariances of the stochastic gradient of the scores and of two columns of W, over many draws."""
    T, d, n, draws = 6, 3, 4, 40000
    task, layer = regression.draw_task(rng, T, d, B, p), models.ToyLayer(T, d)
    a, W = rng.normal(size=T), rng.normal(size=(d, d))
    short = stochastic(task, rng, np.tile(a, (draws, 1)), np.tile(W, (draws, 1, 1)), n)
    short = np.concatenate([short[0], short[1].reshape(draws, -1)], axis=1)
    x, target = (part.reshape(draws, n, *part.shape[1:]) for part in task.sample(rng, draws * n))
    s = np.exp(a) / np.exp(a).sum()
    m = np.einsum("t,rnti->rni", s, x)
    e = (m @ W - target) / n
    g = e @ W.T
    da = s * (np.einsum("rni,rnti->rt", g, x) - np.einsum("rni,rni->r", g, m)[:, None])
    direct = np.concatenate([da, np.einsum("rni,rnj->rij", m, e).reshape(draws, -1)], axis=1)
    for r in (0, draws - 1):  # the same as by the layer, one draw at a time
        y, cache = layer.forward({"a": a, "W": W}, x[r])
        np.testing.assert_allclose(
            direct[r],
            models.pack(layer.backward((y - target[r]) / n, cache)),
            rtol=1e-10,
            atol=1e-14,
        )
    spread = direct.std(axis=0)
    np.testing.assert_allclose(
        (short.mean(axis=0) - direct.mean(axis=0)) / spread, 0, atol=5 * np.sqrt(2 / draws)
    )
    scale = np.outer(spread, spread)
    np.testing.assert_allclose((np.cov(short.T) - np.cov(direct.T)) / scale, 0, atol=0.12)
    fourth = lambda z: (((z - z.mean(axis=0)) / spread) ** 4).mean(axis=0)
    np.testing.assert_allclose(fourth(short), fourth(direct), rtol=0.35)


def test_full_batch_gradient_descent_is_euler_on_the_networks_own_flow_to_the_last_bit(rng):
    from tinyattn import optim

    for model, sequences in [
        (
            models.MinimalModel(vocab=5, positions=6, heads=2, first_query=1),
            rng.integers(5, size=(9, 7)),
        ),
    ]:
        loss, start = losses.next_token_loss(model), model.init(rng)
        params, _ = train.train(loss, start, [sequences] * 8, optim.SGD(0.3), steps=8)
        f, y = losses.gradient_flow(loss, start, sequences), models.pack(start)
        for _ in range(8):
            y = ode.euler_step(f, 0.0, y, 0.3)
        assert np.array_equal(models.pack(params), y)
        solution = ode.integrate(f, (0, 2.4), models.pack(start), method="euler", step=0.3)
        assert np.array_equal(solution.y[-1], y)
        exact = ode.integrate(
            f, (0, 2.4), models.pack(start), method="rk45", rtol=1e-10, atol=1e-12
        ).y[-1]
        errors = [
            np.abs(ode.integrate(f, (0, 2.4), models.pack(start), n_steps=n).y[-1] - exact).max()
            for n in (4, 8)
        ]
        assert errors[1] < errors[0] / 8 < np.abs(y - exact).max()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda rng: TwoNumbers(T=4, d=2, B=4), "T: expected .* above B = 4, .*got 4"),
        (lambda rng: TwoNumbers(T=4, d=0), "d: expected sizes .* got 0"),
        (lambda rng: TwoNumbers(T=4, d=2, B=0), "B: expected numbers of positions .* got 0"),
        (lambda rng: TwoNumbers(T=[64, 128], d=2), r"T: expected a number or an array of them, got \[64, 128\]"),
        (lambda rng: TwoNumbers(T=np.inf, d=2), "T: expected numbers of tokens"),
        (lambda rng: TwoNumbers(T=np.ones(3) * 9, d=np.ones(2) * 2), "T, d, B: expected settings that broadcast"),
        (lambda rng: ThreeNumbers(T=4, d=2, p=1.5), r"p: expected probabilities in \[0, 1\], got 1.5"),
        (lambda rng: regression.draw_task(rng, 4, 2, places=4), "places: expected a whole number in 1..3, got 4"),
        (lambda rng: regression.draw_task(rng, 4, 2, p=-0.1), "p: expected"),
        (lambda rng: regression.SingleLocation(np.ones((2, 3)), 4), "W_star: expected a square matrix"),
        (lambda rng: regression.SingleLocation(np.ones((0, 0)), 4), "W_star: expected a square matrix"),
        (lambda rng: regression.SingleLocation(np.full((2, 2), 1e101), 4), "W_star: expected a square matrix"),
        (lambda rng: stochastic(regression.draw_task(rng, 4, 2), rng, np.zeros((1, 5)), np.zeros((1, 2, 2)), 3),
         r"a: expected shape \(R, 4\), got \(1, 5\)"),
        (lambda rng: population(regression.draw_task(rng, 4, 2), models.ToyLayer(5, 2), models.ToyLayer(5, 2).init()),
         "layer: expected 4 tokens of width 2"),
        (lambda rng: models.ToyLayer(length=4, width=2, shared=4), "shared: expected a whole number in 0..3, got 4"),
        (lambda rng: models.ToyLayer(4, 2).forward(models.ToyLayer(4, 2).init(), np.ones((3, 5, 2))),
         r"x: expected shape \(B, 4, 2\), got \(3, 5, 2\)"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(rng, call, message):
    with pytest.raises(InputError, match=message):
        call(rng)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_short_cut_is_finite_where_all_attention_is_on_the_relevant_place(rng, dtype):
    task = regression.draw_task(rng, 6, 3)
    a, W = np.zeros((2, 6), dtype), np.repeat(task.W_star[None].astype(dtype), 2, axis=0)
    a[0, -1] = 1e4
    da, dW = stochastic(task, rng, a, W, 5)
    assert (
        np.isfinite(da).all()
        and np.isfinite(dW).all()
        and da.dtype == dtype
        and not da[0].any()
        and da[1].any()
    )


def test_the_weight_moves_first_and_long_steps_tell_the_order_of_a_method():
    """On the plateau w grows like t and Delta like t^2; 16 steps to the snap: RK4 finds its end, Euler comes late."""
    flow = TwoNumbers(64, 32, per_place=True)
    low = ode.event(lambda t, y: flow.loss(y) - 0.1, terminal=True)
    times = flow.snap_time * np.linspace(0.02, 0.2, 40)
    path = ode.integrate(
        flow, (0, times[-1]), flow.start(), method="rk45", rtol=1e-9, atol=1e-12, t_eval=times
    )
    onset = [measure.fit_power_law(number, t=times).exponents["t"] for number in path.y.T]
    assert onset == pytest.approx([1, 2], abs=0.1)
    exact = plateau(flow)
    late = {}
    for method in ("euler", "rk4"):
        walks = [ode.integrate(flow, (0, 2 * exact), flow.start(), method=method, step=share * flow.snap_time, events=low)
                 for share in (1 / 16, 1 / 128, 1 / 256)]  # fmt: skip
        late[method] = [walk.first_times[0] / exact - 1 for walk in walks]
    assert late["euler"][0] > 0.1 and abs(late["rk4"][0]) < 0.03
    assert late["euler"][1] / late["euler"][2] == pytest.approx(2, rel=0.1)


def test_away_from_few_tokens_the_exponents_are_the_papers_and_the_rest_of_the_closed_form_is_known():
    T, d = (grid.ravel() for grid in np.meshgrid(2.0 ** np.arange(8, 13), 2.0 ** np.arange(4, 8)))
    lengths = plateau(TwoNumbers(T, d), rtol=1e-6)
    law = measure.fit_power_law(lengths, T=T, d=d)
    assert (law.C, law.exponents["T"], law.exponents["d"]) == pytest.approx(
        (1.44, 0.991, 0.489), rel=0.01
    )
    left = lengths * TwoNumbers(T, d).rate / np.sqrt(np.pi / 2) - 1
    assert (left > 0).all() and np.abs(left - (np.sqrt(d) / T + 1 / np.sqrt(d)) * 0.3).max() < 0.08


@pytest.mark.parametrize(
    "p, d, times", [(0.0, 64, 1.0), (0.1, 64, 1.2767), (0.5, 64, 4.0927), (1.0, 9, 3.0)]
)
def test_how_much_repetition_across_samples_speeds_up_the_plateau(p, d, times):
    """sqrt(1 + p^2 (d - 1)), worked by hand; the length of (w, v) grows at that rate at the start of the flow itself."""
    flow, without = ThreeNumbers(512.0, d, p), TwoNumbers(512.0, d)
    assert flow.rate / without.rate == pytest.approx(times, rel=1e-4)
    assert without.snap_time / flow.snap_time == pytest.approx(times, rel=1e-4)
    dw, dv, _ = flow(0.0, flow.start())
    assert np.hypot(dw, dv) == pytest.approx(flow.rate, rel=1e-12)


def test_across_samples_one_line_holds_for_all_p():
    p, d = (
        grid.ravel()
        for grid in np.meshgrid([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 2.0 ** np.arange(4, 10))
    )
    x = np.sqrt(d) * 4096 / np.sqrt(1 + p**2 * (d - 1))
    flow = ThreeNumbers(4096.0, d, p)
    law = measure.fit_power_law(plateau(flow, rtol=1e-6), x=x)
    assert (law.C, law.exponents["x"]) == pytest.approx((1.53, 0.983), rel=0.01) and law.r2 > 0.999
    half = lambda y: flow.attention(y) - 0.5
    awake = lambda y: y[:, 2] - np.log(10)
    for mark, C, exponent, r2 in ((half, 1.415, 0.990, 0.9997), (awake, 1.217, 1.001, 0.9996)):
        found = ode.event(lambda t, y, mark=mark: mark(y), terminal=True)
        how = dict(rtol=1e-6, atol=1e-9, t_eval=[0.0], events=found)
        times = ode.integrate(flow, (0, 1e8), flow.start(), **how).t_events[0]
        law = measure.fit_power_law(times, x=x)
        assert (law.C, law.exponents["x"]) == pytest.approx((C, exponent), abs=1e-3)
        assert law.r2 > r2


def test_across_samples_the_papers_line_is_twice_the_flow_and_twice_its_own_first_law():
    """At p = 0.1, d = 64 the plateau is shorter by 1.281: 1.277 by the exact rate, 1.204 by the paper's."""
    p, d = (
        grid.ravel()
        for grid in np.meshgrid([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 2.0 ** np.arange(4, 10))
    )
    lengths = plateau(ThreeNumbers(4096.0, d, p), rtol=1e-6)
    none, some = (lengths[(d == 64) & (p == value)][0] for value in (0.0, 0.1))
    assert none / some == pytest.approx(1.281, abs=1e-3)
    line = 2.15 * (np.sqrt(d) * 4096 / np.sqrt(p**2 * d + (1 - p) ** 2)) ** 1.02
    of_flow = line / lengths
    assert (of_flow.min(), of_flow.max()) == pytest.approx((1.83, 2.24), abs=0.005)
    first = 1.51 * 4096**0.99 * d[p == 0] ** 0.49
    assert abs(first / lengths[p == 0] - 1).max() < 0.04
    of_first = line[p == 0] / first
    assert (of_first.min(), of_first.max()) == pytest.approx((1.93, 2.07), abs=0.005)


@pytest.mark.parametrize("matrix", ["orthogonal", "gaussian"])
def test_a_drawn_target_keeps_lengths_on_average(rng, matrix):
    """Entries have mean 0 and variance 1/d; their squares spread by 2/d^2 if they are normal."""
    d = 100
    W = regression.draw_task(rng, 3, d, matrix=matrix).W_star
    assert W.mean() == pytest.approx(0, abs=5 / d / np.sqrt(d))
    if matrix == "orthogonal":
        np.testing.assert_allclose(W @ W.T, np.eye(d), atol=1e-12)
    else:
        assert (W**2).mean() * d == pytest.approx(1, abs=5 * np.sqrt(2) / d)
        assert (W**4).mean() * d**2 == pytest.approx(3, abs=5 * np.sqrt(96) / d)


def test_a_layer_of_whose_settings_the_derivation_knows_nothing_is_refused(monkeypatch):
    """As if somebody had given ToyLayer an activation: the population of a linear layer is not its loss."""
    activated = dataclasses.make_dataclass(
        "ToyLayer", [("activation", str, "relu")], bases=(models.ToyLayer,), frozen=True
    )
    task, layer = regression.draw_task(np.random.default_rng(0), 4, 2), activated(4, 2)
    with pytest.raises(InputError, match="^layer: expected a models.ToyLayer, got ToyLayer"):
        population(task, layer, layer.init())
    monkeypatch.setattr("tinyattn.flows.population.ToyLayer", activated)
    with pytest.raises(
        InputError,
        match="^layer: expected the settings length, shared, width, .*, got also activation$",
    ):
        population(task, layer, layer.init())


def test_the_smallest_and_largest_settings_are_taken_and_none_beyond():
    """At s_r = B/T and numbers of 0 the loss is 1/2 whatever they are."""
    for flow in (
        TwoNumbers(2, 1),
        TwoNumbers(4, 1, 3),
        ThreeNumbers(2, 1),
        ThreeNumbers(2, 1, 1.0),
        ThreeNumbers(2, 5, 0.25),
    ):
        assert flow.loss(flow.start()) == pytest.approx(0.5)
        assert flow.attention(flow.start()) == pytest.approx(getattr(flow, "B", 1) / flow.T)
    for flow, name in (
        (lambda: TwoNumbers(1, 1), "T"),
        (lambda: TwoNumbers(3, 1, 3), "T"),
        (lambda: TwoNumbers(2, 0.9), "d"),
        (lambda: TwoNumbers(2, 1, 0.9), "B"),
        (lambda: ThreeNumbers(1, 1), "T"),
        (lambda: ThreeNumbers(2, 0.9), "d"),
        (lambda: ThreeNumbers(2, 1, 1.1), "p"),
        (lambda: ThreeNumbers(2, 1, -0.1), "p"),
    ):
        with pytest.raises(InputError, match=f"^{name}: expected"):
            flow()


def test_a_task_of_ones_own_matrix_has_one_relevant_token_the_last(rng):
    W = rng.normal(size=(3, 3))
    x, target = regression.SingleLocation(W, 4).sample(rng, 5)
    np.testing.assert_allclose(x[:, -1] @ W, target, rtol=1e-12)
    assert (np.abs(x[:, :-1] - x[:, -1:]).max(axis=-1) > 0).all()


def first(field, mark, start, until=1e5):
    """The time at which mark(y) is first 0."""
    found = ode.event(lambda t, y: mark(y), terminal=True)
    how = dict(rtol=1e-9, atol=1e-12, events=found)
    return ode.integrate(field, (0, until), np.array(start, float), **how).first_times[0]


def test_each_arrow_between_two_numbers_cut_alone():
    """Lesson 06: without noise on w, without the way from Delta to w, without that from Delta to itself."""
    flow = TwoNumbers(512, 64)
    half, low = lambda y: flow.attention(y) - 0.5, lambda y: flow.loss(y) - 0.1
    even = lambda y: flow(0.0, np.array([y[0], 0.0]))
    heard = lambda y, s_r: (1 - s_r * y[0] / 8) * s_r / 8
    quiet = hold(flow, lambda t, y, slope: np.array([heard(y, flow.attention(y)), slope[1]]))
    heard_by_Delta = lambda y, s_r: (1 - s_r * y[0] / 8) * y[0] / 8 * s_r * (1 - s_r)
    silent = lambda t, y, slope: np.array(
        [heard(y, flow.attention(y)), heard_by_Delta(y, flow.attention(y))]
    )
    deaf = hold(flow, lambda t, y, slope: np.array([even(y)[0], slope[1]]))
    quiet_and_deaf = hold(flow, lambda t, y, slope: np.array([heard(y, 1 / 512), slope[1]]))
    speed = lambda s_r: s_r * (1 - s_r)
    slow = hold(
        flow,
        lambda t, y, slope: slope * [1, speed(1 / 512) / speed(flow.attention(y))],
    )
    assert first(flow, half, (0, 0)) == pytest.approx(5291.7, abs=0.1)
    assert first(flow, lambda y: flow.loss(y) - 0.495, (0, 0)) == pytest.approx(5100, abs=1)
    assert first(flow, low, (0, 1)) == pytest.approx(1981, abs=0.5)
    assert first(quiet, half, (0, 0)) == pytest.approx(5179.2, abs=0.1)
    assert first(deaf, half, (0, 0)) == pytest.approx(6043.1, abs=0.1)
    assert first(deaf, low, (0, 0)) == pytest.approx(26378, abs=1)
    assert first(slow, low, (0, 0)) == pytest.approx(9154, abs=1)
    assert first(slow, lambda y: flow.attention(y) - 0.26, (0, 0)) == pytest.approx(9154, abs=10)
    assert first(slow, half, (0, 0)) == pytest.approx(47532, abs=10)
    assert np.pi / np.sqrt(2) / flow.rate == pytest.approx(9099, abs=0.1)
    assert first(hold(flow, silent), half, (0, 0)) == pytest.approx(5179.9, abs=0.1)
    assert first(quiet_and_deaf, half, (0, 0)) == pytest.approx(5864, abs=1)
    both = hold(deaf, slow.still)
    assert first(both, half, (0, 0)) == pytest.approx(15988, abs=1)
    assert np.sqrt(2 * np.log(511)) / flow.rate == pytest.approx(14466, abs=1)


def test_the_last_part_of_a_snap():
    """Lesson 06: the share of the time, up to attention 1/2, that is left when e^Delta is 10."""
    flow = TwoNumbers(512, 64)
    half, ten = lambda y: flow.attention(y) - 0.5, lambda y: y[1] - np.log(10)
    even = lambda y: flow(0.0, np.array([y[0], 0.0]))
    deaf = hold(flow, lambda t, y, slope: np.array([even(y)[0], slope[1]]))
    speed = lambda s_r: s_r * (1 - s_r)
    steady = lambda t, y, slope: slope * [1, speed(1 / 512) / speed(flow.attention(y))]
    still = hold(flow, np.array([True, False]))
    for field, w, share in (
        (flow, 0, 0.037), (still, 8, 0.123), (still, 1, 0.114), (deaf, 0, 0.060), (hold(deaf, steady), 0, 0.424),
    ):  # fmt: skip
        left = 1 - first(field, ten, (w, 0)) / first(field, half, (w, 0))
        assert left == pytest.approx(share, abs=6e-4)


@pytest.mark.parametrize("d", [16, 64, 512])
def test_the_share_of_noise_in_the_speed_of_w(d):
    """Lessons 06, 07: w / (sqrt(d) e^Delta), at most e^(-1/2) / sqrt(d), at w = 1."""
    flow = TwoNumbers(4096.0, d)
    times = np.linspace(0.01, 1.2, 400) * flow.snap_time
    how = dict(rtol=1e-9, atol=1e-12, t_eval=times)
    y = ode.integrate(flow, (0, times[-1]), flow.start(), **how).y
    y = y[flow.attention(y) < 0.05]
    w, s_r = y[:, 0], flow.attention(y)
    by_itself = s_r * (1 - s_r * w / np.sqrt(d)) / np.sqrt(d)
    share = (1 - s_r) ** 2 * w / (d * 4095) / by_itself
    assert share == pytest.approx(w / np.sqrt(d) / np.exp(y[:, 1]), rel=0.25, abs=2e-4)
    assert share.max() == pytest.approx(np.exp(-0.5) / np.sqrt(d), rel=0.07)
    assert w[share.argmax()] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("d, written", [(16, 0.60), (512, 0.11)])
def test_many_copies_of_own_scores_have_written_much_when_attention_wakes(d, written):
    """Lesson 07: what is missing is no longer all, so the gain is less than the root of n."""
    flow = TwoNumbers(4096, d, 64, True)
    ten = lambda y: y[1] - np.log(10)
    time = first(flow, ten, (0, 0))
    how = dict(rtol=1e-9, atol=1e-12)
    y = ode.integrate(flow, (0, time), flow.start(), **how).y[-1]
    assert flow.attention(y) * y[0] / np.sqrt(d) == pytest.approx(written, abs=5e-3)
    assert y[0] == pytest.approx(17.5, abs=0.1)


def test_w_held_copies_gain_by_a_shared_score_alone():
    """Lesson 07, for T = 4096 and d = 64."""
    for n, time in zip((1, 4, 16), (4092, 4083, 4047)):  # without its three factors 1 - s_r
        flow = TwoNumbers(4096, 64, n, True)
        half = lambda y, flow=flow: flow.attention(y) - 0.5
        undamped = lambda t, y, slope, flow=flow: slope * [0, (1 - flow.attention(y)) ** -3]
        assert first(hold(flow, undamped), half, (8, 0)) == pytest.approx(time, abs=0.6)
    for per_place, times in ((False, [4121, 1046, 274]), (True, [4120, 4180, 4368])):
        for n, time in zip((1, 4, 16), times):
            flow = TwoNumbers(4096, 64, n, per_place)
            half = lambda y, flow=flow: flow.attention(y) - 0.5
            assert first(hold(flow, np.array([True, False])), half, (8, 0)) == pytest.approx(
                time, abs=0.6
            )


@pytest.mark.parametrize("p, times", [(0.1, [3979, 5724, 5617]), (0.5, [1230, 10506, 1239])])
def test_what_wakes_attention_under_repetition_across_samples(p, times):
    """Lesson 08: free, without what is written of the repeated token, without that of the rest."""
    flow = ThreeNumbers(512, 64, p)
    for held, time in zip(([], [1], [0]), times):
        field = hold(flow, np.isin(np.arange(3), held))
        found = first(field, lambda y: y[2] - np.log(10), (0, 0, 0))
        assert found == pytest.approx(time, abs=0.6)


def test_without_the_rest_attention_rests_and_noise_lets_it_creep():
    """Lesson 08, q = 0.5: with s_r v = 1 nothing is asked for; without noise it stays there for ever."""
    flow = ThreeNumbers(512, 64, 0.5)

    def quiet(t, y, slope):
        s_r = flow.attention(y)
        missing = (0.5 + 0.5 / 64) * (1 - s_r * y[1])
        return np.array([0, missing * s_r, missing * y[1] * s_r * (1 - s_r)])

    times = np.array([1500.0, 10000.0])
    for field, attention in (
        (hold(flow, np.array([True, False, False])), [0.296, 0.342]),
        (hold(flow, quiet), [0.2942, 0.2942]),
    ):
        how = dict(rtol=1e-8, atol=1e-11, t_eval=times)
        y = ode.integrate(field, (0, times[-1]), flow.start(), **how).y
        assert flow.attention(y) == pytest.approx(attention, abs=6e-4)
    v, Delta = y[-1, 1:]  # of the quiet run, on v²/2 = Delta + (e^Delta − 1)/511 all the way
    assert v**2 / 2 == pytest.approx(Delta + np.expm1(Delta) / 511, abs=1e-6)
    assert (v, np.exp(Delta)) == pytest.approx((3.399, 213.0), rel=2e-4)


def test_where_repetition_is_the_rule_attention_waits_for_the_rest():
    """Lesson 08, q = 0.95: it wakes early, and is a half when 39% of the others is learnt."""
    flow = ThreeNumbers(512, 64, 0.95)
    for mark, time in (
        (lambda y: y[2] - np.log(10), 660),
        (lambda y: flow.attention(y) - 0.5, 2257),
        (lambda y: flow.test_loss(y) - 0.1, 2998),
    ):
        assert first(flow, mark, (0, 0, 0)) == pytest.approx(time, abs=0.6)


@pytest.mark.parametrize("p, free, given", [(0.1, 122, 10), (0.5, 524, 58)])
def test_attention_rests_until_the_others_are_learnt(p, free, given):
    """Lesson 08: from s_r w₁ = 1 to attention 1/2, and the same with w₂ put at its whole there."""
    flow = ThreeNumbers(4096, 512, p)
    half = lambda y: flow.attention(y) - 0.5
    rested = first(flow, lambda y: flow.attention(y) * y[1] - 1, (0, 0, 0))
    state = ode.integrate(flow, (0, rested), np.zeros(3), rtol=1e-9, atol=1e-12).y[-1]
    assert flow.attention(state) == pytest.approx(0.27, abs=0.02)
    state[0] = np.sqrt(511)
    assert first(flow, half, (0, 0, 0)) - rested == pytest.approx(free, abs=1)
    assert first(flow, half, state) == pytest.approx(given, abs=1)


def test_more_repetition_across_samples_is_not_always_better():
    p = np.array([0.5, 0.7, 0.95])
    assert plateau(ThreeNumbers(512, 64, p)) == pytest.approx([1487, 1298, 2998], abs=1)


def test_what_tilts_the_law_of_tokens_and_sizes():
    """Lesson 07: judged by attention nothing has to catch up; without noise w keeps its speed."""
    T, d = (grid.ravel() for grid in np.meshgrid(2.0 ** np.arange(6, 13), 2.0 ** np.arange(4, 10)))
    flow = TwoNumbers(T, d)

    def quiet(t, y, slope):
        w, s_r = y[:, 0], flow.attention(y)
        missing = 1 - s_r * w / np.sqrt(d)
        dDelta = missing * w / np.sqrt(d) * s_r * (1 - s_r)
        return np.stack([missing * s_r / np.sqrt(d), dDelta], axis=-1)

    low, half = lambda y: flow.loss(y) - 0.1, lambda y: flow.attention(y) - 0.5
    for field, mark, exponents in (
        (flow, half, (0.989, 0.489)),
        (hold(flow, quiet), low, (0.973, 0.512)),
        (hold(flow, quiet), half, (0.989, 0.499)),
    ):
        found = ode.event(lambda t, y, mark=mark: mark(y), terminal=True)
        how = dict(rtol=1e-6, atol=1e-9, t_eval=[0.0], events=found)
        times = ode.integrate(field, (0, 1e8), flow.start(), **how).t_events[0]
        law = measure.fit_power_law(times, T=T, d=d)
        assert tuple(law.exponents.values()) == pytest.approx(exponents, abs=1e-3)
    for size, later in ((16, 0.0442), (64, 0.0217)):  # derived: (1 − π/4)/√(π/2)/√d
        flow = TwoNumbers(4096, size)

        def still(t, y, slope, flow=flow, size=size):
            w, s_r = y[0], flow.attention(y)
            missing = 1 - s_r * w / np.sqrt(size)
            dDelta = missing * w / np.sqrt(size) * s_r * (1 - s_r)
            return np.array([missing * s_r / np.sqrt(size), dDelta])

        mark = lambda y, flow=flow: flow.attention(y) - 0.5
        noise = first(flow, mark, (0, 0)) / first(hold(flow, still), mark, (0, 0)) - 1
        assert noise == pytest.approx(later, abs=1e-4)
        assert noise == pytest.approx((1 - np.pi / 4) / np.sqrt(np.pi / 2 * size), rel=0.04)
