import numpy as np
import pytest

from tinyattn import gradcheck, ode
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError
from tinyattn.flows.factorization import Factorization, target

M = (2.89, 1.7, 1.0)
HALF_TIMES = {  # eps: half times of the three features, computed independently
    "simplex": {1e-2: (4.5330, 24.349, 66.446), 1e-4: (4.5413, 53.092, 147.24), 1e-6: (4.5413, 89.278, 226.31),
                1e-8: (4.5413, 132.78, 303.38)},
    "logits": {1e-2: (21.458, 77.262, 158.57), 1e-4: (21.555, 368.33, 649.51), 1e-6: (21.556, 902.30, 1299.5),
               1e-8: (21.556, 1665.2, 2156.5)},
}  # fmt: skip


def half_times(flow, y0, end):
    """When the loss of each feature has fallen to half."""
    start = flow.feature_loss(y0)
    events = [lambda t, y, k=k: flow.feature_loss(y)[k] - start[k] / 2 for k in range(len(start))]
    solution = ode.integrate(flow, (0, end), y0, method="rk45", rtol=1e-10, atol=1e-13, events=events, t_eval=[end])
    assert solution.success, solution.message
    return np.array([float(t) for t in solution.t_events]), solution


@pytest.mark.parametrize("geometry", ["simplex", "logits"])
@pytest.mark.parametrize("eps", [1e-2, 1e-4, 1e-6, 1e-8])
def test_the_table_of_half_times(geometry, eps):
    flow = target(M, 40, geometry)
    wanted = HALF_TIMES[geometry][eps]
    times, _ = half_times(flow, flow.tilted(3, eps), 1.1 * wanted[-1])
    assert times == pytest.approx(np.array(wanted), rel=1e-3)


def test_the_start_and_the_end_of_the_papers_figure():
    flow = target(M, 40, "simplex")
    y0 = flow.tilted(3, 1e-6)
    assert flow.loss(y0) == pytest.approx(6.121, abs=5e-4)
    end = ode.integrate(flow, (0, 3000), y0, method="rk45", rtol=1e-10, atol=1e-13, t_eval=[3000]).y[-1]
    assert flow.loss(end) == pytest.approx(7.304e-7, rel=1e-3)


@pytest.mark.parametrize("geometry", ["simplex", "logits"])
def test_the_field_is_the_gradient_in_its_geometry(device, rng, geometry):
    """-dL/dy by differences, with J(s) once more in the simplex form, where entries of s are not free."""
    m, d, T, H = np.array([2.0, 1.5, 0.7]), 4, 6, 2
    features, places = (np.linalg.qr(rng.normal(size=(n, 3)))[0].T for n in (d, T))
    flow = Factorization(m, features, places, geometry)
    y = flow.state(rng.normal(size=(H, d)), rng.normal(size=(H, T)))
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


@pytest.mark.parametrize("heads", [2, 5])
def test_identical_heads_stay_identical_and_share_the_strongest_feature(heads):
    flow = target(M, 40, "simplex")
    solution = ode.integrate(flow, (0, 1e4), flow.tilted(heads, 0.0), method="rk45", rtol=1e-8, atol=1e-11, t_eval=[1e4])
    y = solution.y[-1]
    assert all(np.array_equal(y[0], head) for head in y)
    np.testing.assert_allclose(flow.split(y)[0], M[0] / heads * np.eye(3)[[0] * heads], atol=0.01 * M[0] / heads)


def test_blocks_and_noise(rng):
    flow = target(M, 8, "logits", blocks=[[0, 1], [2, 3], [4, 5, 6]])
    np.testing.assert_allclose(flow.places @ flow.places.T, np.eye(3), atol=1e-15)
    y = flow.near_uniform(rng, 3)
    assert y.shape == (3, 11) and 0 < np.abs(flow.split(y)[1] - 1 / 8).max() < 1e-5


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: target((1.0, -1.0), 5), "importances: expected positive finite numbers"),
        (lambda: target(M, 2), r"blocks: expected 3 disjoint lists of positions in 0..1"),
        (lambda: target(M, 9, blocks=[[0], [0], [1]]), "blocks: expected 3 disjoint"),
        (lambda: target(M, 9, geometry="sphere"), 'geometry: expected "logits" or "simplex", got \'sphere\''),
        (lambda: target(M, 9).tilted(10, 1e-6), "heads: expected at most one for each of 9 positions, got 10"),
        (lambda: target(M, 9).tilted(2, -1.0), "eps: expected"),
        (lambda: target(M, 9).loss(np.zeros((2, 5))), r"y: expected shape \(any, 12\), got \(2, 5\)"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()
