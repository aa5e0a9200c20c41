import math

import numpy as np
import pytest

from tinyattn import optim
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError

GRADIENTS = [1.0, -2.0, 0.5, 3.0]


def run(optimizer, device, p=2.0, scale=1.0):
    params = {"w": device.put(np.array([p])), "b": device.put(np.array([[p]]))}
    state = optimizer.init(params)
    for g in GRADIENTS:
        grads = {key: device.put(np.full(w.shape, g)) for key, w in params.items()}
        params, state = optimizer.step(params, grads, state, scale)
    params = to_numpy(params)
    assert params["w"].item() == params["b"].item()
    return params["w"].item()


def test_sgd_with_momentum(device):
    p, u = 2.0, 0.0
    for g in GRADIENTS:
        u = 0.9 * u + g
        p -= 0.1 * u
    assert run(optim.SGD(lr=0.1, momentum=0.9), device) == pytest.approx(p, rel=1e-14)
    assert run(optim.SGD(lr=0.2, momentum=0.9), device, scale=0.5) == pytest.approx(p, rel=1e-14)


def test_gradient_descent_is_exact(device):
    p = 2.0
    for g in GRADIENTS:
        p = p - 0.1 * g
    assert run(optim.SGD(lr=0.1), device) == p


def test_adamw_one_number_at_a_time(device):
    p, m, u = 2.0, 0.0, 0.0
    for t, g in enumerate(GRADIENTS, 1):
        m = 0.9 * m + 0.1 * g
        u = 0.999 * u + 0.001 * g * g
        p = p * (1 - 0.08 * 0.01)
        p -= 0.08 * (m / (1 - 0.9**t)) / (math.sqrt(u / (1 - 0.999**t)) + 1e-8)
    assert run(optim.AdamW(lr=0.08), device) == pytest.approx(p, rel=1e-12)


def test_the_scale_of_a_schedule_multiplies_the_learning_rate_everywhere(device):
    assert run(optim.AdamW(lr=0.16, decay=0.3), device, scale=0.5) == run(
        optim.AdamW(lr=0.08, decay=0.3), device
    )


def test_defaults_are_the_papers():
    assert (optim.AdamW(0.08).decay, optim.SGD(0.2).momentum) == (0.01, 0.0)


def test_adamw_decays_what_has_no_gradient():
    params = {"w": np.array([2.0])}
    optimizer = optim.AdamW(lr=0.1, decay=0.5)
    params, _ = optimizer.step(params, {"w": np.zeros(1)}, optimizer.init(params))
    assert params["w"][0] == pytest.approx(2.0 * (1 - 0.05))


@pytest.mark.parametrize("optimizer", [optim.SGD(0.1, 0.9), optim.AdamW(0.1)])
def test_steps_are_pure_and_keep_float32(device, optimizer):
    params, grads = device.put([{"w": np.ones(3)}, {"w": np.full(3, 0.5)}], "float32")
    state = optimizer.init(params)
    new, _ = optimizer.step(params, optim.clip_by_global_norm(grads, 0.1)[0], state, 0.5)
    assert (
        to_numpy(params)["w"].tolist() == [1, 1, 1] and to_numpy(grads)["w"].tolist() == [0.5] * 3
    )
    assert new["w"].dtype == np.float32
    again, _ = optimizer.step(params, optim.clip_by_global_norm(grads, 0.1)[0], state, 0.5)
    assert np.array_equal(to_numpy(again)["w"], to_numpy(new)["w"])


def test_clipping_is_global(device):
    grads = device.put({"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])})
    clipped, norm = optim.clip_by_global_norm(grads, 1.0)
    assert to_numpy(norm) == 5.0
    assert (
        to_numpy(clipped)["a"].tolist() == pytest.approx([0.6, 0])
        and to_numpy(clipped)["b"].item() == 0.8
    )
    same, _ = optim.clip_by_global_norm(grads, 5.0)
    assert to_numpy(same)["a"].tolist() == [3, 0]
    zero, _ = optim.clip_by_global_norm(device.put({"a": np.zeros(2)}), 1.0)
    assert to_numpy(zero)["a"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: optim.SGD(lr=float("nan")), "lr: expected a finite number > 0, got nan"),
        (lambda: optim.AdamW(lr=float("inf")), "lr: expected a finite number > 0, got inf"),
        (lambda: optim.AdamW(lr=0), "lr: expected a finite number > 0, got 0"),
        (lambda: optim.AdamW(lr="0.1"), "lr: expected a finite number > 0, got '0.1'"),
        (
            lambda: optim.SGD(lr=0.1, momentum=1.0),
            "momentum: expected a finite number >= 0 and < 1, got 1.0",
        ),
        (lambda: optim.AdamW(lr=0.1, beta2=-0.1), "beta2: expected"),
        (lambda: optim.AdamW(lr=0.1, decay=float("nan")), "decay: expected"),
        (
            lambda: optim.clip_by_global_norm({"a": np.ones(2)}, 0.0),
            "maximum: expected a finite number > 0, got 0.0",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_numpy_numbers_as_settings_keep_float32(device):
    lr = np.logspace(-3, -1, 3)[1]
    for optimizer in (optim.SGD(lr, np.float64(0.9)), optim.AdamW(lr, np.float64(0.01))):
        params = device.put({"w": np.ones(3)}, "float32")
        grads, _ = optim.clip_by_global_norm(params, np.float64(1.0))
        new, _ = optimizer.step(params, grads, optimizer.init(params), np.float64(0.5))
        assert grads["w"].dtype == new["w"].dtype == np.float32


def test_gradients_too_large_to_square_are_clipped_not_lost():
    clipped, norm = optim.clip_by_global_norm({"a": np.array([3e30, 4e30], np.float32)}, 1.0)
    assert clipped["a"].tolist() == pytest.approx([0.6, 0.8]) and norm == pytest.approx(5e30)


def test_gradients_must_fit_the_parameters():
    params, optimizer = {"w": np.ones((3, 1))}, optim.SGD(0.1)
    with pytest.raises(InputError, match=r"grads\['w'\]: expected shape \(3, 1\), got \(3,\)"):
        optimizer.step(params, {"w": np.ones(3)}, optimizer.init(params))
    with pytest.raises(InputError, match="grads: expected the keys w, got v"):
        optimizer.step(params, {"v": np.ones((3, 1))}, optimizer.init(params))


def test_gradients_and_state_have_the_precision_of_the_parameters():
    params, narrow = {"w": np.ones((3, 1))}, {"w": np.ones((3, 1), np.float32)}
    for optimizer, name in (
        (optim.SGD(0.1, 0.9), "velocity"),
        (optim.AdamW(0.1), "m"),
        (optim.AdamW(0.1), "u"),
    ):
        state = optimizer.init(params)
        with pytest.raises(
            InputError, match=r"grads\['w'\]: expected float64, as the parameter, got float32"
        ):
            optimizer.step(params, narrow, state)
        with pytest.raises(
            InputError,
            match=rf"state\['{name}'\]\['w'\]: expected float64, as the parameter, got float32",
        ):
            optimizer.step(params, params, {**state, name: narrow})


def test_an_infinite_norm_comes_out():
    with np.errstate(all="ignore"):
        clipped, norm = optim.clip_by_global_norm({"a": np.array([1e200, 1.0])}, 1.0)
    assert np.isinf(norm) and np.isnan(clipped["a"]).all()
    with pytest.raises(InputError, match="eps: expected a finite number >= 1e-16, got 1e-30"):
        optim.AdamW(0.1, eps=1e-30)
