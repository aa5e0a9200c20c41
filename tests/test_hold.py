"""What is held has the same bits afterwards, everything else goes on, and what is held in part keeps its gradients right."""

from itertools import islice

import causes
import causes_of_heads
import causes_of_stages
import numpy as np
import pytest

from tinyattn import gradcheck, losses, models, ode, optim, train
from tinyattn.backend import to_numpy
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import InputError
from tinyattn.flows.emergence import ThreeNumbers, TwoNumbers
from tinyattn.flows.factorization import Factorization, target
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.flows.frozen_copy import FrozenCopy
from tinyattn.hold import hold, hold_params

PI = np.array([0.5, 0.3, 0.2])
FLOWS = {  # whose field is minus the gradient of its loss
    "two numbers": TwoNumbers(8.0, 4.0),
    "three numbers": ThreeNumbers(8.0, 4.0, 0.25),
    "heads": target((2.0, 1.0), 3),
    "focus and dilution": FocusDilution(PI, 0.4, 5),
}
SHAPES = {"two numbers": (2,), "three numbers": (3,), "heads": (2, 5), "focus and dilution": (80,)}


def there(flow, device):
    """The same flow with its arrays on the device."""
    if isinstance(flow, Factorization):
        return Factorization(
            *map(device.put, (flow.importances, flow.features, flow.places)), flow.geometry
        )
    return (
        FocusDilution(device.put(flow.pi), flow.rho, flow.width)
        if isinstance(flow, FocusDilution)
        else flow
    )


@pytest.mark.parametrize("name", FLOWS)
def test_what_is_free_moves_by_its_gradient_and_the_rest_stands(device, rng, name):
    flow, y = FLOWS[name], rng.normal(size=SHAPES[name])
    still = rng.random(y.shape) < 0.5
    slope = -gradcheck.central_differences(lambda y: float(flow.loss(y)), y)
    found = to_numpy(hold(there(flow, device), device.put(still))(0.0, device.put(y)))
    assert (found[still] == 0).all()
    np.testing.assert_allclose(found, np.where(still, 0, slope), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("uses", [("query",), ("key",), ("value",), ("query", "key"), ("key", "value"), ("value", "query"),
                                  ("query", "key", "value")])  # fmt: skip
def test_a_use_that_reads_a_copy_leaves_the_gradient_of_the_others(device, rng, uses):
    flow = FocusDilution(PI, 0.4, 5)
    state, y = rng.normal(size=(2, 80))
    held = FrozenCopy(flow, state, uses)
    slope = -gradcheck.central_differences(lambda y: float(held.loss(y)), y)
    on_device = FrozenCopy(there(flow, device), device.put(state), uses)
    np.testing.assert_allclose(to_numpy(on_device(0.0, device.put(y))), slope, rtol=1e-7, atol=1e-9)
    many = np.stack([y, state])
    np.testing.assert_allclose(held(0.0, many)[0], held(0.0, y), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        held.attention(state), flow.attention(state), rtol=1e-12
    )  # where the copy is as what it copies
    assert np.isclose(held.loss(state), flow.loss(state), rtol=1e-12)


def test_all_uses_on_the_copy_leave_the_embeddings_where_they_are(rng):
    flow = FocusDilution(PI, 0.4, 5)
    state = rng.normal(size=80)
    W0, *others = flow.split(FrozenCopy(flow, state, ("query", "key", "value"))(0.0, state))
    assert (W0 == 0).all()
    for one, free in zip(others, flow.split(flow(0.0, state))[1:]):
        np.testing.assert_allclose(one, free, rtol=1e-12)


def test_a_held_flow_keeps_what_the_contract_of_flows_names():
    flow = target((2.0, 1.0), 3)
    held = hold(flow, np.ones((2, 5), bool))
    y = held.start(2, 0.1)
    assert held.loss(y) == flow.loss(y) and len(held.split(y)) == 2 and held.flow is flow
    with pytest.raises(AttributeError, match="jacobian: a held flow has start, loss and split"):
        held.jacobian(y)  # which would be that of the free motion


def test_many_runs_in_one_call_are_the_runs_one_by_one(device):
    flow, w = TwoNumbers(64.0, 16.0), device.put(np.array([True, False]))
    starts = device.put(np.array([[4.0, 0.0], [2.0, 0.0], [1.0, 0.0]]))
    how = dict(n_steps=50, method="rk4", progress=None)
    together = to_numpy(ode.integrate(hold(flow, w), (0, 50), starts, **how).y)
    assert (together[:, :, 0] == [4, 2, 1]).all() and (np.diff(together[:, :, 1], axis=0) > 0).all()
    for i in range(3):
        assert np.array_equal(
            to_numpy(ode.integrate(hold(flow, w), (0, 50), starts[i], **how).y), together[:, i]
        )
    each = device.put(
        np.array([[True, False], [False, True], [False, False]])
    )  # another mask for every run
    end = to_numpy(ode.integrate(hold(flow, each), (0, 50), starts, **how).y[-1])
    assert end[0, 0] == 4 and end[1, 1] == 0 and (end[2] != [1, 0]).all()


def test_a_hold_begins_and_ends_when_it_is_told(device):
    still = device.put(np.array([True, False]))
    y0 = device.put(np.zeros(2))
    held = hold(lambda t, y: 0 * y + 1, still, after=1.0, until=3.0)
    path = ode.integrate(held, (0, 4), y0, t_eval=[1, 2, 3, 4], rtol=1e-9, atol=1e-9, progress=None)
    np.testing.assert_allclose(to_numpy(path.y), [[1, 1], [1, 2], [1, 3], [2, 4]], atol=1e-7)
    one_after_the_other = hold(hold(lambda t, y: 0 * y + 1, still, until=1.0), ~still, after=1.0)
    path = ode.integrate(one_after_the_other, (0, 2), y0, rtol=1e-9, atol=1e-9, progress=None)
    np.testing.assert_allclose(to_numpy(path.y[-1]), [1, 1], atol=1e-7)


def test_backward_differences_hold_it_too(rng):
    """A held flow has no Jacobian of its own to offer, so they take differences of the held field."""
    flow = FLOWS["focus and dilution"]
    y, still = flow.start(rng, 0.3), rng.random(80) < 0.4
    how = dict(rtol=1e-7, atol=1e-9, progress=None)
    path, other = (
        ode.integrate(hold(flow, still), (0, 20), y, method=method, **how)
        for method in ("bdf", "rk45")
    )
    assert np.array_equal(path.y[-1][still], y[still]) and np.array_equal(
        other.y[-1][still], y[still]
    )
    np.testing.assert_allclose(path.y[-1], other.y[-1], atol=1e-5)


def test_a_function_may_keep_still_what_is_no_entry(device):
    """The mean over heads; and it sees y although the field spoils what it is given."""
    y0 = device.put(np.array([[1.0, 2], [3, 5]]))

    def spoiling(t, y):
        y *= 0
        return y + device.put(np.array([[1.0, 2], [4, 6]]))

    seen = []
    held = hold(
        spoiling,
        lambda t, y, slope: (seen.append(to_numpy(y)), slope - slope.mean(axis=-2, keepdims=True))[
            1
        ],
    )
    np.testing.assert_allclose(to_numpy(held(0.0, y0)), [[-1.5, -2], [1.5, 2]])
    assert np.array_equal(seen[0], [[1, 2], [3, 5]])


# Networks

MODEL = models.MinimalModel(5, 6, heads=3, first_query=2, query_scale=0.5, value_scale=0.5)
LOSS = losses.next_token_loss(MODEL)


def batches(seed=1):
    rng = np.random.default_rng(seed)
    while True:
        yield rng.integers(5, size=(8, 7))


def one_head(device, head=1):
    """Head 1 of W_V alone, and all of W_Q."""
    mask = np.zeros(MODEL.shapes["W_V"], bool)
    mask[:, head] = True
    return {"W_V": device.put(mask), "W_Q": True}


OPTIMIZERS = [optim.SGD(0.1, momentum=0.9), optim.AdamW(0.01, decay=0.1)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["sgd", "adamw"])
def test_what_is_held_has_the_same_bits_after_200_steps(device, rng, optimizer, dtype):
    params = device.put(MODEL.init(rng), dtype)
    loss, held = hold_params(LOSS, optimizer, one_head(device))
    stream = map(device.put, batches())
    end, _ = train.train(loss, params, stream, held, steps=200, clip=1.0, title=None)
    assert (
        np.array_equal(to_numpy(end["W_Q"]), to_numpy(params["W_Q"])) and end["W_Q"].dtype == dtype
    )
    moved = to_numpy(end["W_V"]) != to_numpy(params["W_V"])
    assert not moved[:, 1].any() and moved[:, [0, 2]].mean() > 0.9


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["sgd", "adamw"])
def test_without_the_optimiser_a_gradient_of_zero_would_not_hold_it(rng, optimizer):
    """Momentum from the steps before, and weight decay: the trap."""
    params = MODEL.init(rng)
    loss, held = hold_params(LOSS, optimizer, {"W_V": True}, after=5)
    run = lambda loss, optimizer, steps, stream: train.train(
        loss, params, stream, optimizer, steps=steps, title=None
    )[0]["W_V"]
    at_5 = run(LOSS, optimizer, 5, batches())
    assert np.array_equal(run(loss, held, 20, enumerate(batches())), at_5)
    assert abs(run(loss, optimizer, 20, enumerate(batches())) - at_5).max() > 1e-3


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["sgd", "adamw"])
@pytest.mark.parametrize("after, until", [(0, 50), (20, 50)])
def test_what_is_let_go_goes_on_as_if_no_time_had_passed(rng, optimizer, after, until):
    """a and b do not meet in this loss, so b at step 80 is a free b of 80 - 50 + after steps, to the last bit."""
    params = {"a": rng.normal(size=3), "b": rng.normal(size=3)}
    loss = lambda params, batch: (
        sum((p**4).sum() for p in params.values()),
        {key: 4 * p**3 for key, p in params.items()},
    )
    held_loss, held = hold_params(loss, optimizer, {"b": True}, after, until)
    run = lambda loss, optimizer, steps: train.train(
        loss, params, enumerate([0] * 80), optimizer, steps=steps, title=None
    )[0]
    end = run(held_loss, held, 80)
    assert np.array_equal(end["a"], run(loss, optimizer, 80)["a"])
    assert np.array_equal(end["b"], run(loss, optimizer, 80 - until + after)["b"])


def test_a_hold_that_never_comes_changes_no_bit(rng):
    params, optimizer = MODEL.init(rng), optim.AdamW(0.01)
    loss, held = hold_params(LOSS, optimizer, {"W_V": True}, after=100)
    end, _ = train.train(loss, params, enumerate(batches()), held, steps=30, clip=0.1, title=None)
    free, _ = train.train(LOSS, params, batches(), optimizer, steps=30, clip=0.1, title=None)
    assert all(np.array_equal(end[key], free[key]) for key in free)


def test_gradients_of_what_is_held_are_zero_and_the_others_right(device, rng):
    params = MODEL.init(rng)
    batch, still = next(batches()), one_head(device)
    loss, _ = hold_params(LOSS, OPTIMIZERS[0], still)
    value, grads = loss(device.put(params), device.put(batch))
    assert float(to_numpy(value)) == pytest.approx(float(LOSS(params, batch)[0]), rel=1e-12)
    for key in params:
        one = lambda p: float(LOSS({**params, key: p}, batch)[0])
        slope = gradcheck.central_differences(one, params[key])
        slope[to_numpy(still[key]) if key == "W_V" else ...] = 0
        assert (
            gradcheck.relative_error(to_numpy(grads[key]), slope) < 1e-7
            if key == "W_V"
            else not to_numpy(grads[key]).any()
        )
    flow = losses.gradient_flow(loss, device.put(params), device.put(batch))
    slope = models.unpack(to_numpy(flow(0.0, models.pack(device.put(params)))), params)
    assert not slope["W_Q"].any() and not slope["W_V"][:, 1].any() and slope["W_V"][:, 0].any()


def test_clipping_does_not_count_what_is_held():
    params = {"a": np.array([1.0]), "b": np.array([1.0])}
    loss = lambda params, batch: (0.0, {"a": np.array([3.0]), "b": np.array([4.0])})
    held_loss, held = hold_params(loss, optim.SGD(1.0), {"b": True})
    end, _ = train.train(held_loss, params, [0], held, steps=1, clip=3.0, title=None)
    assert end["a"] == -2 and end["b"] == 1  # not scaled by 3/5


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["sgd", "adamw"])
@pytest.mark.parametrize("broken", [7, 10, 15, 20, 25])
def test_a_run_that_goes_on_from_a_checkpoint_ends_in_the_same_bits(
    tmp_path, rng, optimizer, broken
):
    """Broken off before, at the start of, in, at the end of and after the hold of steps 10 to 20."""
    params, mask = MODEL.init(rng), np.arange(11 * 3 * 5).reshape(11, 3, 5) % 2 == 0

    def run(steps, mask=mask, **kept):
        loss, held = hold_params(LOSS, optimizer, {"W_V": mask}, 10, 20)
        stream = enumerate(batches())
        return train.train(loss, params, stream, held, steps=steps, clip=1.0, title=None, **kept)[0]

    run(broken, checkpoint=Checkpoint(tmp_path / "run.npz"))
    end = run(30, checkpoint=Checkpoint(tmp_path / "run.npz", resume=True))
    assert all(np.array_equal(end[key], p) for key, p in run(30).items())
    with pytest.raises(InputError, match="^resume: expected optimizer = "):
        run(40, ~mask, checkpoint=Checkpoint(tmp_path / "run.npz", resume=True))


# Bad input, where it shows only when it is used


def test_bad_input_is_told_in_one_line(stand_in):
    from tinyattn import backend

    gpu, flow, y = backend.get("gpu"), TwoNumbers(8.0, 4.0), np.zeros((3, 2))
    for still, text in (
        (np.array([True]), r"^still: expected shape \(2,\), got \(1,\)$"),
        (np.ones((2, 3, 2), bool), r"^still: expected shape \(3, 2\), got \(2, 3, 2\)$"),
        (
            gpu.put(np.ones(2, bool)),
            "^still: expected an array of numpy, as what it holds, got one of strict_cupy$",
        ),
        (lambda t, y, slope: slope[0], r"^still: its return: expected shape \(3, 2\), got \(2,\)$"),
    ):
        with pytest.raises(InputError, match=text):
            hold(flow, still)(0.0, y)
    with pytest.raises(InputError, match="^until: expected a finite number > 2.0, got 2.0$"):
        hold(flow, np.array([True, False]), 2.0, 2.0)
    params, batch = MODEL.init(np.random.default_rng(0)), next(islice(batches(), 1))
    for still, text in (
        ({"W_X": True}, "^still: expected names among W_Q, W_V, got 'W_X'$"),
        ({"W_V": np.ones(5, bool)}, r"^still\['W_V'\]: expected shape \(11, 3, 5\), got \(5,\)$"),
    ):
        loss, held = hold_params(LOSS, OPTIMIZERS[1], still)
        with pytest.raises(InputError, match=text):
            held.init(params)
        with pytest.raises(InputError, match=text):
            loss(params, batch)
    for still, text in (
        ({}, "^still: expected a dict of True or masks"),
        (["W_V"], "^still: expected a dict of True or masks"),
        ({"W_V": False}, r"^still\['W_V'\]: expected True or an array of booleans, got False$"),
        ({"W_V": np.ones(5)}, r"^still\['W_V'\]: expected True or an array of booleans, got "),
    ):
        with pytest.raises(InputError, match=text):
            hold_params(LOSS, OPTIMIZERS[1], still)
    with pytest.raises(InputError, match="^until: expected a whole number >= 6, got 5$"):
        hold_params(LOSS, OPTIMIZERS[1], {"W_V": True}, 5, 5)
    loss, _ = hold_params(LOSS, OPTIMIZERS[1], {"W_V": True}, until=5)
    with pytest.raises(InputError, match=r"^batch: expected a pair \(step, batch\), as enumerate"):
        loss(params, batch)


# What lessons rest on: the quick rows of the tables that tests/bench/causes.py prints

ROWS = {
    "plateau": lambda: causes.plateau([8, 4], [5134]),
    "who leaves": lambda: causes_of_heads.who_leaves({1e-2: 59.4, 1e-4: 127.0}, {1e-2: 97.6}),
    "leftovers": causes_of_heads.leftovers,
    "a head is lost": lambda: causes_of_heads.lost([1], 100),
    "dilution": causes_of_stages.dilution,
    "a saddle": causes_of_stages.saddle,
}


@pytest.mark.parametrize("name", ROWS)
def test_a_cause_is_found_again(name):
    for what, found, expected in ROWS[name]():
        digits = max(len(str(number).partition(".")[2]) for number in np.ravel(expected))
        assert np.round(found, digits) == pytest.approx(
            np.array(expected), abs=10.0**-digits * 1e-3
        ), what
