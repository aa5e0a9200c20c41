"""The exact pieces of two papers: what the experiments `snap` and `redistribution` measure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import Redistribution, Snap, redistribution
from experiments.redistribution import (
    PI,
    contrast,
    contrast_push,
    made_alike,
    token_weights,
    transition_from,
)
from tinyattn import gradcheck, ode
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.tasks.regression import draw_task

EXPERIMENTS = Path(__file__).parent.parent / "lessons" / "experiments"
tight = dict(method="rk45", rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("per_place", [False, True])
def test_the_hessian_along_the_path_is_the_difference_of_the_gradient(per_place):
    """Of the loss in (w, Delta); the flow is minus the gradient with Delta's entry times the mobility, 1 for a shared score."""
    flow = TwoNumbers(512, 64, per_place=per_place)
    times = np.array([0.0, 0.3, 0.9, 1.0, 1.03, 1.034, 1.04, 1.2, 2.0]) * flow.snap_time
    path = ode.integrate(flow, (0, times[-1]), flow.start(), t_eval=times, **tight).y
    speed = np.array([1, flow.mobility])
    assert flow.mobility == (pytest.approx(512 / 511) if per_place else 1)
    for y in path:
        rows = [
            gradcheck.central_differences(lambda y, i=i: float(-flow(0.0, y)[i] / speed[i]), y)
            for i in range(2)
        ]
        np.testing.assert_allclose(
            flow.hessian(y), np.stack(rows), rtol=1e-6, atol=1e-6 * np.abs(rows).max()
        )
        slope = gradcheck.central_differences(lambda y: float(flow.loss(y)), y)
        np.testing.assert_allclose(flow(0.0, y), -speed * slope, rtol=1e-5, atol=1e-10)


def test_the_loss_is_sharpest_at_the_snap_and_w_keeps_to_its_equilibrium_only_then():
    found = Snap().path()
    numbers = found["numbers"]
    assert numbers["half_loss_t"] == pytest.approx(5295.8, abs=0.1)
    assert (
        numbers["sharpest_t"] == pytest.approx(5303.8, abs=1)
        and abs(numbers["sharpest_over_half_loss"] - 1) < 0.003
    )
    top = found["eigenvalues"][:, 1]
    assert numbers["largest_eigenvalue"] == pytest.approx(0.0425, rel=0.01)
    assert numbers["largest_eigenvalue"] > 2.5 * top[-1] and top[-1] > 50 * top[0]
    assert (
        numbers["lowest_t"] == pytest.approx(numbers["half_loss_t"], rel=0.005)
        and numbers["least_eigenvalue"] < -0.038
    )
    gap = found["w"] / found["equilibrium"]
    assert (
        numbers["w_over_equilibrium_at_half_loss"] < 0.3 and (gap[found["time"] < 5000] < 0.1).all()
    )
    assert numbers["equilibrium_within_1_percent_t"] < 1.06 * numbers["half_loss_t"]


def test_drawn_weights_keep_plateau_and_snap_and_their_lean_foretells_it():
    piece = Snap(T=128, d=32, seeds=5, lr=2.0)
    found = piece.drawn()
    flow = TwoNumbers(piece.T, piece.d)
    for i, snap in enumerate(found["snap_t"]):
        plateau = found["descent"][i][found["time"] < 0.8 * snap]
        assert 0.47 < plateau.min() <= plateau.max() < 0.56 and found["descent"][i][-1] < 0.02
        assert 0.5 * flow.snap_time < snap < 2 * flow.snap_time
    assert found["snap_t"] == pytest.approx(found["predicted_t"], rel=0.01), (
        "three numbers are exact"
    )
    assert found["sgd_snap_t"] == pytest.approx(found["snap_t"], rel=0.06)
    assert np.corrcoef(found["lean"], found["snap_t"])[0, 1] < -0.95, (
        "the more W leans towards W*, the sooner"
    )
    assert np.corrcoef(found["closed_t"], found["snap_t"])[0, 1] > 0.95


def test_the_numbers_of_the_path_are_read_off_its_curves():
    found = Snap(T=64, d=16).path()
    numbers, time, gap = found["numbers"], found["time"], found["w"] / found["equilibrium"]
    minimum, largest = found["eigenvalues"].T
    at = lambda name, curve: np.interp(numbers[name], time, curve)
    assert at("half_loss_t", found["loss"]) == pytest.approx(0.25, rel=1e-4)
    ratio = numbers["w_over_equilibrium_at_half_loss"]
    assert at("half_loss_t", gap) == pytest.approx(ratio, rel=1e-2)
    assert at("sharpest_t", largest) == numbers["largest_eigenvalue"] == largest.max()
    assert numbers["largest_eigenvalue_at_end"] == largest[-1]
    assert at("lowest_t", minimum) == numbers["least_eigenvalue"] == minimum.min()
    half = numbers["half_loss_t"]
    assert numbers["sharpest_over_half_loss"] == pytest.approx(numbers["sharpest_t"] / half)
    later = time > numbers["equilibrium_within_1_percent_t"]
    assert (abs(gap[later] - 1) <= 0.01).all() and abs(gap[~later][-1] - 1) > 0.01
    assert time[0] == 0 and time[-1] >= 2 * half and len(time) > 4000


def test_the_curvature_at_the_start_of_the_path_is_known():
    """At 0, with A = 1/T: L_ww = 1/(T d), L_wD = -(1 - 1/T)/(T sqrt d), L_DD = 0."""
    T, d = 256, 16
    numbers = Snap(T=T, d=d).path()["numbers"]
    ww, wD = 1 / (T * d), (1 - 1 / T) / (T * np.sqrt(d))
    root = np.sqrt((ww / 2) ** 2 + wD**2)
    ends = numbers["largest_eigenvalue_at_start"], numbers["least_eigenvalue_at_start"]
    assert ends == pytest.approx((ww / 2 + root, ww / 2 - root), rel=1e-9)


def drawn_by_hand(seed, T, d):
    """W and W*, entries N(0, 1/d), as they are drawn for a seed."""
    rng = np.random.default_rng(seed)
    W_star = draw_task(rng, T, d, matrix="gaussian").W_star
    return rng.normal(size=(d, d)) / np.sqrt(d), W_star


def by_hand(a, W, W_star):
    """The loss E|y - x_r W*|^2 / 2 and its slopes by a and W; the relevant token is the last."""
    d, s = len(W), np.exp(a - a.max()) / np.exp(a - a.max()).sum()
    miss, size = s[-1] * W - W_star, (W * W).sum()
    loss = ((miss**2).sum() + (s[:-1] ** 2).sum() * size) / (2 * d)
    ds = np.append(s[:-1] * size, (W * miss).sum()) / d
    return loss, s * (ds - s @ ds), (s[-1] * miss + (s[:-1] ** 2).sum() * W) / d


def test_drawn_weights_descend_the_loss_by_the_steps_that_are_told():
    T, d, lr = 64, 8, 1.5
    found = Snap(T=T, d=d, seeds=2, seed=3, lr=lr).drawn()
    for i, seed in enumerate((3, 4)):
        W, W_star = drawn_by_hand(seed, T, d)
        assert found["lean"][i] == pytest.approx((W * W_star).sum() / np.sqrt((W_star**2).sum()))
        a, losses = np.zeros(T), []
        for _ in range(161):
            loss, da, dW = by_hand(a, W, W_star)
            losses.append(loss)
            a, W = a - lr * da, W - lr * dW
        np.testing.assert_allclose(found["descent"][i][:21], losses[::8], rtol=1e-9)
        assert found["sgd"][i][0] == pytest.approx(losses[0], rel=1e-9), "the same weights"
        for name, snap in (("descent", "snap_t"), ("sgd", "sgd_snap_t")):
            curve, time = found[name][i], found["time"]
            assert np.interp(found[snap][i], time, curve) == pytest.approx(curve[0] / 2, rel=1e-6)
    np.testing.assert_allclose(found["time"][:3], [0, 8 * lr, 16 * lr], rtol=1e-14)
    snaps = np.array([found["snap_t"], found["sgd_snap_t"]])
    off = abs(snaps / np.array(found["predicted_t"]) - 1).max()
    assert found["numbers"]["drawn_worst_miss"] == pytest.approx(off)


def test_the_snap_of_drawn_weights_is_foretold_by_the_whole_flow_and_by_an_integral():
    """Three numbers against all d^2 + T of them by solve_ivp, and (6) by quadrature."""
    integrate = pytest.importorskip("scipy.integrate")
    T, d = 64, 8
    found = Snap(T=T, d=d, seeds=2, seed=3).drawn()
    for i, seed in enumerate((3, 4)):
        W, W_star = drawn_by_hand(seed, T, d)
        N, start = np.sqrt((W_star**2).sum()), by_hand(np.zeros(T), W, W_star)[0]

        def field(t, y):
            _, da, dW = by_hand(y[:T], y[T:].reshape(d, d), W_star)
            return -np.append(da, dW)

        half = lambda t, y: by_hand(y[:T], y[T:].reshape(d, d), W_star)[0] - start / 2
        half.terminal = True
        how = dict(events=half, rtol=1e-8, atol=1e-10)
        flow = integrate.solve_ivp(field, (0, 1e4), np.append(np.zeros(T), W), **how)
        assert found["predicted_t"][i] == pytest.approx(flow.t[-1], rel=1e-6)
        w0 = found["lean"][i]
        area = integrate.quad(lambda u: np.exp((w0**2 - u**2) / 2), w0, np.inf)[0]
        assert found["closed_t"][i] == pytest.approx(area * d * T / N, rel=1e-8)


def test_the_half_times_of_a_repeated_direction_are_read_off_its_curves():
    piece = Snap(T=64, d=16, p=0.4)
    found = piece.repeated()
    time, A = found["time"], found["attention"]
    curves = {
        "w_half_t": (found["w"], 1 / 2), "v_half_t": (found["v"], 1 / 2),
        "repeated_half_loss_t": (found["loss"], 1 / 4),
        "w_written_half_t": (A * found["w"], 1 / 2), "v_written_half_t": (A * found["v"], 1 / 2),
    }  # fmt: skip
    for name, (curve, half) in curves.items():
        t = found["numbers"][name]
        assert np.interp(t, time, curve) == pytest.approx(half, rel=1e-3)
        assert np.interp(t - 5, time, curve) != pytest.approx(half, rel=1e-3)
    assert found["loss"][0] == found["test_loss"][0] == 0.5
    assert time[0] == found["w"][0] == found["v"][0] == 0
    A_end, others, h, g = A[-1], 63, 0.4 + 0.6 / 16, 0.6 / 16
    for name, moment in (("w", g), ("v", h)):  # the zero of its speed at this attention
        w = A_end / (A_end**2 + (1 - A_end) ** 2 / (16 * others * moment))
        assert found[name][-1] == pytest.approx(w, rel=0.02)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_the_repeated_direction_is_learnt_first(p):
    numbers = Snap(p=p).repeated()["numbers"]
    known = {0.1: (2133.4, 4162.3), 0.3: (797.1, 2127.0), 0.5: (487.2, 1443.9)}[p]
    assert (numbers["v_half_t"], numbers["w_half_t"]) == pytest.approx(known, rel=1e-3)
    assert (
        numbers["v_written_half_t"] < numbers["repeated_half_loss_t"] < numbers["w_written_half_t"]
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_the_contrast_grows_exponentially_at_twice_the_rate_of_attention(seed):
    flow, found = Redistribution(seed=seed).flow(), Redistribution(seed=seed).redistribution()
    numbers = found["numbers"]
    for name in ("eps", "eps/10"):
        one = numbers[f"contrast_{name}"]
        assert one["r2"] > 0.999 and one["rate"] == pytest.approx(one["predicted"], rel=0.02)
        assert one["predicted"] == pytest.approx(2 * flow.focus_rate, rel=5e-3)
        assert one["grown_over_by_attention_amid"] == pytest.approx(1, abs=0.02)
        weights = found[name]["weights"][slice(*found[name]["stretch"])]
        assert (np.diff(weights[:, 1:], axis=0) < 0).all() and weights[-1, 0] > weights[0, 0], (
            "in opposite directions"
        )
        assert abs(one["left_by_the_start"]) < 3 * {"eps": 1e-3, "eps/10": 1e-4}[name], (
            "of the order of the start"
        )
    assert found["eps"]["low"][-1] < 0.4 and found["eps"]["frequent"][-1] > 0.99


def test_the_numbers_of_the_contrast_are_read_off_its_curves():
    stats = pytest.importorskip("scipy.stats")
    piece = Redistribution(width=4, rho=0.7, eps=5e-3)
    flow, found = piece.flow(), piece.redistribution()
    assert found["numbers"]["contrast_rate_closed"] == pytest.approx(2 * flow.focus_rate)
    starts = [found[name]["weights"][0] for name in ("eps", "eps/10")]
    np.testing.assert_allclose(starts[0], 10 * starts[1], rtol=1e-9)
    for name, eps in (("eps", 5e-3), ("eps/10", 5e-4)):
        one, numbers = found[name], found["numbers"][f"contrast_{name}"]
        time, C, grown = one["time"], one["contrast"], one["grown"]
        np.testing.assert_allclose(C, one["weights"] @ [0.25, -0.75, -0.75, -0.75], atol=1e-14)
        np.testing.assert_allclose(C - grown, numbers["left_by_the_start"], atol=1e-14)
        slow = np.searchsorted(time, numbers["slow_point_t"])
        assert grown[slow] == pytest.approx(one["by_attention"][slow]), "all else is left out"
        first, last = one["stretch"]
        for end, share in ((first, 1e-3), (last, 1e-2)):
            assert (grown[slow:end] <= share * C[-1]).all() and grown[end] > share * C[-1]
        t, middle = time[first:last], (first + last) // 2
        assert numbers["stretch_t"] == [time[first], time[last - 1]]
        line = stats.linregress(t, np.log(grown[first:last]))
        assert numbers["rate"] == pytest.approx(line.slope, rel=1e-9)
        assert numbers["r2"] == pytest.approx(line.rvalue**2, rel=1e-9)
        whole = stats.linregress(t, np.log(C[first:last].clip(1e-300)))
        assert numbers["rate_with_what_the_start_left"] == pytest.approx(whole.slope, rel=1e-9)
        assert numbers["rate_over_predicted"] == pytest.approx(line.slope / numbers["predicted"])
        ratio = grown[middle] / one["by_attention"][middle]
        assert numbers["grown_over_by_attention_amid"] == pytest.approx(ratio)

        if name == "eps/10":
            continue
        y0 = made_alike(flow, flow.start(np.random.default_rng(0), eps))
        path = ode.integrate(flow, (0, time[-1]), y0, t_eval=time, **tight).y
        speed = np.linalg.norm(flow(0.0, path), axis=1)
        condensed = np.searchsorted(time, np.log(1 / eps) / flow.origin_rate)
        rises = np.diff(speed)[condensed:] > 0
        assert slow == condensed + rises.argmax(), "the first rest after condensation"
        leading = np.linalg.eigvalsh(flow.jacobian(path[slow]))[-1]
        assert numbers["predicted"] == pytest.approx(2 * leading, rel=1e-6)
        for i in (slow, middle):
            W0, _, W_Q, W_K = flow.split(path[i])
            u = np.linalg.eigh(W0.T @ W0)[1][:, -1]
            f = u @ W_Q @ W_K.T @ u
            by_attention = contrast_push(flow) * f / (2 * flow.focus_rate)
            assert one["by_attention"][i] == pytest.approx(by_attention, rel=1e-9)
            g = W0 @ u
            np.testing.assert_allclose(one["weights"][i], g * np.sign(g[0]), rtol=1e-9, atol=1e-14)
            A = flow.attention(path[i])
            assert one["frequent"][i] == pytest.approx(A[0, 0], rel=1e-9)
            assert one["low"][i] == pytest.approx(A[1, 0], rel=1e-9)


def test_the_embeddings_of_many_states_are_seen_with_token_0_on_the_positive_side(rng):
    flow = Redistribution(width=4).flow()
    many = rng.normal(size=(2, 3, flow.start(rng, 1.0).size))
    together, contrasts = token_weights(flow, many), contrast(flow, many)
    alike = made_alike(flow, many)
    for i in np.ndindex(2, 3):
        W0, W1, W_Q, W_K = flow.split(many[i])
        g = W0 @ np.linalg.eigh(W0.T @ W0)[1][:, -1]
        g = g if g[0] > 0 else -g
        np.testing.assert_allclose(together[i], g, rtol=1e-9)
        assert contrasts[i] == pytest.approx(0.25 * g[0] - 0.75 * g[1:].sum())
        rows = [(x[1] + x[2] + x[3]) / 3 for x in (W0, W1.T)]
        means = [np.stack([x[0], row, row, row]) for x, row in zip((W0, W1.T), rows)]
        wanted = [means[0], means[1].T, W_Q, W_K]
        for part, want in zip(flow.split(alike[i]), wanted):
            np.testing.assert_allclose(part, want, rtol=1e-12)


def test_a_transition_matrix_from_weights_keeps_their_cross_ratios(rng):
    """Scaling changes none of w_ij w_kl / (w_il w_kj); with the sums they fix the pairs."""
    ratios = lambda w: w[:-1, :-1] * w[1:, 1:] / (w[:-1, 1:] * w[1:, :-1])
    for pi in (np.array([0.6, 0.3, 0.1]), np.array([0.7, 0.3])):
        weights = np.exp(rng.normal(size=(len(pi), len(pi))))
        pairs = pi[:, None] * transition_from(weights, pi)
        np.testing.assert_allclose(pairs.sum(axis=0), pi, rtol=1e-12)
        np.testing.assert_allclose(pairs.sum(axis=1), pi, rtol=1e-12)
        np.testing.assert_allclose(ratios(pairs), ratios(weights), rtol=1e-9)


@pytest.mark.parametrize("width, eps", [(3, 1e-3), (2, 1e-6)])
def test_rates_where_the_flow_rests_by_matrices_of_tokens(width, eps):
    """From the smaller start it rests later than at 200."""
    piece = Redistribution(width=width, rho=0.6, eps=eps)
    deltas = [0.4, 0.2, 0.1]
    found = piece.renewal(deltas)
    assert found["delta"] == deltas
    for i, delta in [(0, 0.4), (2, 0.1)]:
        pi = np.array([0.75, (1 + delta) / 12, 1 / 12, (1 - delta) / 12])
        flow = FocusDilution(pi, 0.6, width)
        np.testing.assert_allclose(piece.flow(delta).pi, pi, rtol=1e-12)
        y0 = made_alike(flow, flow.start(np.random.default_rng(0), eps))
        rest = max(200, 2 * np.log(1 / eps) * (1 / flow.origin_rate + 1 / flow.focus_rate))
        assert (rest > 200) == (eps < 1e-3)
        y = ode.integrate(flow, (0, rest), y0, t_eval=[rest], **tight).y[-1]
        J = flow.jacobian(y)
        assert found["leading"][i] == pytest.approx(np.linalg.eigvalsh(J)[-1], rel=1e-6)
        numbers = 2 * 2 * width + 2 * width**2  # of a state with rare tokens alike
        basis = np.linalg.svd(made_alike(flow, np.eye(y.size)))[0][:, :numbers]
        alike = np.linalg.eigvalsh(basis.T @ J @ basis)[-1]
        assert found["alike"][i] == pytest.approx(alike, rel=1e-5)
        W0, W1, _, _ = flow.split(y)
        A, P = flow.attention(y), 0.6 * np.eye(4) + 0.4 * pi
        q = np.exp(A @ W0 @ W1)
        dM = A.T @ (pi[:, None] * (q / q.sum(axis=1, keepdims=True) - P))
        square = np.linalg.eigvalsh(dM.T @ dM)[-1]
        assert found["predicted"][i] ** 2 == pytest.approx(square, rel=1e-6)
    for name in ("leading", "alike"):
        slope = np.polyfit(np.log(deltas), np.log(found[name]), 1)[0]
        assert found["numbers"][f"{name}_slope"] == pytest.approx(slope, rel=1e-9)
        assert found["numbers"][f"{name}_rates"] == found[name]


@pytest.fixture(scope="module")
def chains():
    return Redistribution().chains()


def test_the_numbers_of_other_chains_are_read_off_their_curves(chains):
    found, pi = chains, np.array(PI)
    np.testing.assert_allclose(found["fresh"]["P"], 0.5 * np.eye(4) + 0.5 * pi, rtol=1e-12)
    assert not np.allclose(found["by chance"]["P"], found["fresh"]["P"], atol=1e-2)
    pairs = pi[:, None] * found["no repeats"]["P"]
    np.testing.assert_allclose(pairs, pairs.T, atol=1e-12)
    for i in range(1, 4):  # a repeat has a tenth of the weight
        assert pairs[0, 0] * pairs[i, i] / pairs[0, i] ** 2 == pytest.approx(0.01)
    for name in ("fresh", "by chance", "no repeats"):
        one, numbers = found[name], found["numbers"][f"chain, {name}"]
        np.testing.assert_allclose(pi @ one["P"], pi, rtol=1e-9)
        time, A = one["time"], one["attention"]
        assert A[0] == pytest.approx(0.75, abs=1e-4) and (time[0], time[-1]) == (0, 200)
        assert (numbers["attention_least"], numbers["attention_most"]) == (A.min(), A.max())
        if np.isfinite(numbers["focus_t"]):
            assert np.interp(numbers["focus_t"], time, A) == pytest.approx(0.9, abs=1e-3)
            waited = numbers["focus_t"] - numbers["condensed_t"]
            assert numbers["delay_times_r"] == pytest.approx(waited * numbers["r"])


@pytest.mark.parametrize("rho, drawn", [(0.5, False), (0.3, True)])
def test_how_attention_moves_the_embeddings_is_what_the_derivation_says(rng, rho, drawn):
    """dC/dt = k f to first order in f, for any law and chain, from the condensed point itself."""
    pi = np.array([0.5, 0.3, 0.2])
    flow = FocusDilution(
        pi, rho, 5, transition_from(np.exp(rng.normal(size=(3, 3))), pi) if drawn else None
    )
    y, (a, h) = flow.condensed_point(), (1e-3, 1e-4)
    W0, _, W_Q, W_K = flow.split(y)
    W_Q[0, 1] = W_K[0, 1] = a
    speed = (contrast(flow, y + h * flow(0.0, y)) - contrast(flow, y - h * flow(0.0, y))) / (2 * h)
    assert (
        speed == pytest.approx(contrast_push(flow) * a * a, rel=1e-3)
        and abs(contrast(flow, flow.condensed_point())) < 1e-15
    )
    np.testing.assert_allclose(token_weights(flow, y), np.abs(W0[:, 0]), rtol=1e-12)


def test_an_asymmetry_opens_modes_of_first_and_of_second_order():
    piece = Redistribution()
    found = piece.renewal()
    assert found["leading"] == pytest.approx([8.134e-4, 3.972e-4, 1.974e-4, 9.854e-5], rel=1e-3)
    assert found["numbers"]["leading_slope"] == pytest.approx(1, abs=0.1)
    assert found["numbers"]["alike_slope"] == pytest.approx(2, abs=0.1)
    assert found["predicted"] == pytest.approx(found["leading"], rel=1e-4), (
        "the singular values of dM"
    )


def test_the_modes_across_the_common_direction_are_the_singular_values_of_the_readouts_gradient():
    piece = Redistribution(width=4)
    flow = piece.flow(0.1)
    y = ode.integrate(flow, (0, 200), piece.start(flow, 1e-3), t_eval=[200.0], **tight).y[-1]
    rates = np.linalg.eigvalsh(flow.jacobian(y))
    singular = np.linalg.svd(redistribution.readout_gradient(flow, y), compute_uv=False)
    assert (
        (np.abs(rates - singular[0]) < 1e-3 * singular[0]).sum()
        == (np.abs(rates + singular[0]) < 1e-3 * singular[0]).sum()
        == 3
    )
    np.testing.assert_allclose(
        made_alike(flow, made_alike(flow, y)), made_alike(flow, y), rtol=1e-14
    )
    slopes = flow.split(-flow(0.0, y))
    inner = flow.split(y)[0].T @ redistribution.readout_gradient(flow, y)
    np.testing.assert_allclose(slopes[1], inner, rtol=1e-9, atol=1e-14)


def test_other_transition_matrices(device, rng):
    """The field is the gradient; conserved matrices and closed forms hold for any chain that keeps pi."""
    pi = np.array([0.5, 0.3, 0.2])
    Q = transition_from(np.exp(rng.normal(size=(3, 3))), pi)
    np.testing.assert_allclose(Q.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(pi @ Q, pi, rtol=1e-12)
    assert np.abs(pi[:, None] * Q - (pi[:, None] * Q).T).max() > 1e-3, "not reversible"
    flow = FocusDilution(pi, 0.4, 5, Q)
    y = rng.normal(size=flow.start(rng, 1.0).shape)
    slope = -gradcheck.central_differences(lambda y: float(flow.loss(y)), y)
    there = FocusDilution(device.put(pi), 0.4, 5, device.put(Q))
    np.testing.assert_allclose(to_numpy(there(0.0, device.put(y))), slope, rtol=1e-7, atol=1e-9)
    for above, below in zip(
        flow.conserved(y + 1e-6 * flow(0, y)), flow.conserved(y - 1e-6 * flow(0, y))
    ):
        np.testing.assert_allclose(above, below, atol=1e-11)
    saddle = flow.condensed_point()
    np.testing.assert_allclose(flow(0.0, saddle), 0, atol=1e-14)
    assert np.linalg.eigvalsh(flow.jacobian(saddle))[-1] == pytest.approx(
        abs(flow.focus_rate), abs=1e-9
    )
    origin = flow.linearise(np.zeros(y.size))
    assert (
        origin.rate
        == pytest.approx(flow.origin_rate, rel=1e-6)
        == pytest.approx(FocusDilution(pi, 0.4, 5).origin_rate)
    )
    fresh = FocusDilution(pi, 0.4, 5, np.tile(pi, (3, 1)))
    np.testing.assert_array_equal(fresh(0.0, y), FocusDilution(pi, 0.4, 5)(0.0, y))
    assert (
        FocusDilution(np.array([0.5, 0.5]), 0.0, 2, np.array([[0.0, 1.0], [1.0, 0.0]])).entropy_rate
        == 0
    )


def test_stages_of_other_chains(chains):
    """dL/dM at 0 sees pi alone: the same condensation. Focus comes as r foretells, and not at all where r < 0."""
    numbers = chains["numbers"]
    fresh, drawn, turned = (
        numbers[f"chain, {name}"] for name in ("fresh", "by chance", "no repeats")
    )
    for one in (fresh, drawn, turned):
        assert one["condensed_t"] == pytest.approx(14.009, abs=1e-3) and one["cosine"] > 1 - 1e-6
    assert (fresh["focus_t"], drawn["focus_t"]) == pytest.approx((86.217, 75.284), abs=0.01)
    assert drawn["condensed_t"] + fresh["delay_times_r"] / drawn["r"] == pytest.approx(
        drawn["focus_t"], rel=0.02
    )
    assert turned["r"] < 0 and np.isnan(turned["focus_t"]) and turned["attention_least"] < 0.3
    assert turned["attention_most"] < 0.751


def command(*words, folder):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, str(EXPERIMENTS), *map(str, words)], cwd=folder, env=env, capture_output=True,
                          text=True)  # fmt: skip


@pytest.mark.parametrize(
    "words, number",
    [
        ("snap --T 64 --d 16 --seeds 2", "sharpest_over_half_loss"),
        ("redistribution --width 3 --seed 1", "alike_slope"),
    ],
)
def test_the_commands_write_what_they_say(tmp_path, words, number):
    done = command(*words.split(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out" / words.split()[0]
    record = json.loads((out / "results.json").read_text())
    assert f"{number} = {record['numbers'][number]:.4g}\n" in done.stdout and record["settings"][
        "seed"
    ] in (0, 1)
    assert (out / "figure.png").stat().st_size > 50_000


@pytest.mark.parametrize(
    "words, message",
    [
        ("snap --T 4", "error: T: expected a whole number in 64..4096, got 4"),
        ("snap --d x", "error: --d: expected a whole number, got 'x'"),
        (
            "redistribution --frequent 0.1",
            "error: frequent: expected a finite number >= 0.5 and <= 0.9, got 0.1",
        ),
        (
            "redistribution --out /dev/null/x",
            "error: --out: expected a folder that can be written, got /dev/null/x",
        ),
        (
            "chess",
            "error: ladder|recall|location|regression|text|snap|redistribution|copies|lost|lost_recall: ",
        ),
    ],
)
def test_a_wrong_command_is_one_line(tmp_path, words, message):
    done = command(*words.split(), folder=tmp_path)
    assert (
        done.returncode == 2 and done.stderr.startswith(message) and done.stderr.count("\n") == 1
    ), done.stderr


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: FocusDilution(np.array(PI), 0.5, 4, np.eye(3)),
            r"transition: expected shape \(4, 4\), got \(3, 3\)",
        ),
        (
            lambda: FocusDilution(np.array(PI), 0.5, 4, np.full((4, 4), 0.25)),
            "transition: expected rows .* keep pi, got",
        ),
        (
            lambda: FocusDilution(np.array(PI), 0.5, 4, 2 * np.eye(4)),
            "transition: expected rows of probabilities that sum to 1",
        ),
        (lambda: transition_from(np.eye(4), PI), "weights: expected numbers from 1e-6 to 1e6, got"),
        (
            lambda: Redistribution().renewal([0.1, 0.1, 0.2]),
            "deltas: expected three or more different numbers",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()
