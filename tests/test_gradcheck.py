import dataclasses
import importlib
import inspect
import pkgutil

import more_mutants
import numpy as np
import pytest

import tinyattn
from tinyattn import backend, gradcheck, models, mutants, ops
from tinyattn.errors import InputError

CASES = {case.name: case for case in [*gradcheck.cases(), more_mutants.STACK]}


def library():
    for info in pkgutil.walk_packages(tinyattn.__path__, "tinyattn."):
        yield importlib.import_module(info.name)


def backwards():
    """Every public function named *_backward, wherever it stands."""
    return {
        f
        for module in library()
        for name, f in inspect.getmembers(module, inspect.isfunction)
        if name.endswith("_backward") and f.__module__ == module.__name__
    }


def all_models():
    """Every dataclass with init, forward and backward."""
    return {
        c
        for module in library()
        for _, c in inspect.getmembers(module, inspect.isclass)
        if dataclasses.is_dataclass(c)
        and all(hasattr(c, name) for name in ("init", "forward", "backward"))
    }


def test_every_backward_and_every_model_has_its_row():
    assert len(backwards()) >= 10 and len(all_models()) >= 2
    missing = {
        thing.__name__
        for thing in (backwards() | all_models()) - {case.of for case in CASES.values()}
    }
    assert not missing, f"add a case to cases() in tinyattn/cases.py for {', '.join(missing)}"


@pytest.mark.parametrize("name", CASES)
def test_gradients_by_hand_are_gradients_by_differences(device, name):
    for seed in range(2):
        for row in gradcheck.check(CASES[name], seed, device):
            assert row.error <= gradcheck.TOLERANCE, str(row)


def test_every_backward_and_every_model_has_a_mutant():
    of_models = {getattr(model, "backward_through", model.backward) for model in all_models()}
    missing = {
        f.__qualname__
        for f in (backwards() | of_models) - {mutant.function for mutant in more_mutants.ALL}
    }
    assert not missing, f"add a mutant to tests/more_mutants.py for {', '.join(missing)}"


@pytest.mark.parametrize(
    "mutant",
    more_mutants.ALL,
    ids=lambda mutant: f"{mutant.function.__qualname__}: {mutant.mistake}",
)
def test_a_mutant_is_caught_where_it_should_show(mutant):
    with mutants.broken(mutant.function, mutant.right, mutant.wrong):
        rows = gradcheck.check(CASES[mutant.case])
    assert {row.tensor for row in rows if row.error > gradcheck.TOLERANCE} == mutant.breaks
    assert all(row.error > 1e-2 for row in rows if row.tensor in mutant.breaks)
    assert all(row.error <= gradcheck.TOLERANCE for row in gradcheck.check(CASES[mutant.case])), (
        "the mutant has stayed"
    )


def test_broken_wants_the_piece_exactly_once():
    with pytest.raises(InputError, match="expected once in relu_backward, got 0 times"):
        with mutants.broken(ops.relu_backward, "no such code", ""):
            pass


def test_inputs_are_never_mutated(rng):
    case = CASES["self_attention"]
    inputs = case.draw(rng)
    for array in inputs.values():
        array.setflags(write=False)
    copies = {key: array.copy() for key, array in inputs.items()}
    gradcheck.compare(case, inputs, rng)
    assert all(np.array_equal(inputs[key], copies[key]) for key in inputs)


@pytest.mark.parametrize("name", CASES)
def test_memory_order_does_not_matter(name, rng):
    case = CASES[name]
    inputs = case.draw(rng)
    turned = {
        key: np.asfortranarray(x) if isinstance(x, np.ndarray) else x for key, x in inputs.items()
    }
    (out, cache), (out2, cache2) = case.forward(inputs), case.forward(turned)
    dout = rng.normal(size=out.shape)
    grads, grads2 = (
        case.backward(dout, cache),
        case.backward(np.asfortranarray(dout).reshape(dout.shape), cache2),
    )
    np.testing.assert_allclose(out2, out, rtol=1e-12, atol=1e-14)
    for key in case.wrt:
        np.testing.assert_allclose(grads2[key], grads[key], rtol=1e-11, atol=1e-13)


def test_a_point_at_a_kink_is_redrawn_not_loosened():
    draws = []

    def draw(rng):
        draws.append(1)
        x = rng.normal(size=(2, 3))
        if len(draws) < 3:
            x[1, 1] = 0.3 * gradcheck.STEP
        return {"x": x}

    rows = gradcheck.check(CASES["relu"]._replace(draw=draw))
    assert len(draws) == 3 and rows[0].error <= gradcheck.TOLERANCE
    with pytest.raises(InputError, match="no ReLU changes sign, got none in 50 draws"):
        gradcheck.check(CASES["relu"]._replace(draw=lambda rng: {"x": np.zeros((2, 3))}))


def test_kinks_are_found_inside_the_caches_of_models():
    _, cache = ops.relu_forward(np.array([1.0, -1.0]))
    masks = gradcheck._relu_masks({"layers": [(cache, None), np.ones(2)]})
    assert [mask.tolist() for mask in masks] == [[True, False]]


def test_large_tensors_are_checked_along_directions():
    rows = {row.tensor: row for row in gradcheck.check(CASES["self_attention, large"])}
    assert (rows["x"].checked, rows["W_Q"].checked) == (252, gradcheck.DIRECTIONS)
    assert rows["W_Q"].where is None and rows["x"].where is not None


@pytest.mark.parametrize("mistake", ["one up, one down", "first entry", "last entry"])
def test_directions_see_mistakes_that_cancel_and_mistakes_of_one_entry(rng, mistake):
    wrong = np.zeros((30, 40))
    if mistake == "one up, one down":  # the sums of all rows and of all columns stay right
        wrong[::2, ::2] = wrong[1::2, 1::2] = 1
        wrong[::2, 1::2] = wrong[1::2, ::2] = -1
    else:
        wrong[(0, 0) if mistake == "first entry" else (-1, -1)] = 30
    x = rng.normal(size=wrong.shape)
    for error in (0 * wrong, wrong):
        (row,) = gradcheck.check_pair(
            lambda x: (x.copy(), None),
            lambda dy, cache, error=error: dy + error,
            {"x": x},
        )
        assert row.checked == gradcheck.DIRECTIONS and row.where is None
        assert row.error > 0.1 if error.any() else row.error < 1e-8


def test_the_error_of_a_tensor_is_that_of_all_its_numbers_together():
    n, m = np.array([3.0, 0.0]), np.array([0.0, 4.0])
    assert gradcheck.relative_error(n, m) == pytest.approx(5 / 7)
    assert gradcheck.relative_error(n[:, None], -n[:, None]) == 1
    assert gradcheck.relative_error(2.0, 1.0) == pytest.approx(1 / 3)


def test_a_step_of_ones_own_is_the_step():
    """(f(x + h) - f(x - h)) / 2h of x^3 is 3 x^2 + h^2, whatever h is."""
    x = np.array([[0.5, -1.0], [2.0, 0.0]])
    for h in (0.5, 0.25):
        got = gradcheck.central_differences(lambda x: (x**3).sum(), x, h)
        np.testing.assert_allclose(got, 3 * x**2 + h**2, rtol=1e-13)


def test_a_row_shows_name_index_and_both_numbers():
    (row,) = gradcheck.check(CASES["softmax"])
    assert row.tensor in str(row) and f"[{', '.join(map(str, row.where))}]" in str(row)
    assert f"{row.by_hand:+.10e}" in str(row) and f"{row.by_differences:+.10e}" in str(row)


def test_central_differences_of_a_known_function():
    x = np.array([[0.5, -1.0], [2.0, 0.0]])
    np.testing.assert_allclose(
        gradcheck.central_differences(lambda x: (x**3).sum(), x), 3 * x**2, atol=1e-9
    )


def test_the_seed_moves_the_point_and_wrong_shapes_are_named(capsys):
    (one,), (other,) = (gradcheck.check(CASES["softmax"], seed) for seed in (0, 1))
    assert one.by_hand != other.by_hand
    gradcheck.main(["--device", "cpu", "--seed", "7"])
    assert str(gradcheck.check(CASES["softmax"], 7)[0]) in capsys.readouterr().out
    assert gradcheck.main(["--seed", "-1"]) == 2
    turned = CASES["linear"]._replace(
        backward=lambda dout, cache: {"x": dout, "W": np.ones((5, 4))}
    )
    with pytest.raises(
        InputError, match=r"gradient of x in linear: expected shape \(2, 3, 4\), got \(2, 3, 5\)"
    ):
        gradcheck.check(turned)


def test_check_model_takes_random_weights_or_yours(rng):
    model = models.MinimalModel(vocab=4, positions=5, heads=2)
    x = rng.integers(4, size=(2, 5))
    assert all(row.error <= gradcheck.TOLERANCE for row in gradcheck.check_model(model, x))
    assert all(
        row.error <= gradcheck.TOLERANCE for row in gradcheck.check_model(model, x, model.init(rng))
    )


class Scaled:
    """y = W x a + b, for what stands beside x: a and b of two sizes."""

    def init(self, rng):
        return {"W": rng.normal(size=(2, 3))}

    def forward(self, params, x, a, b):
        return params["W"] @ x * a + b, (x, a, b)

    def backward(self, dy, cache):
        x, a, b = cache
        assert x.tolist() == [1, 2, 4] and a.tolist() == [3, 5] and b.tolist() == [[7], [9]]
        return {"W": np.outer(dy.sum(axis=0) * a, x)}


@pytest.mark.parametrize("params", [None, {"W": np.arange(6.0).reshape(2, 3)}])
def test_what_stands_beside_x_reaches_the_model(params):
    x = np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0]), np.array([[7.0], [9.0]])
    (row,) = gradcheck.check_model(Scaled(), x, params)
    assert row.tensor == "W" and row.checked == 6 and row.error < 1e-9


def test_the_command_prints_a_table_and_its_status(capsys):
    assert gradcheck.main(["--device", "cpu"]) == 0
    table = capsys.readouterr().out
    assert all(case.name in table for case in gradcheck.cases()) and "0 above 1e-07" in table
    with mutants.broken(ops.softmax_backward, "y * (dy", "-y * (dy"):
        assert gradcheck.main(["--device", "cpu"]) == 1
    assert "<-- WRONG" in capsys.readouterr().out
    assert gradcheck.main(["--device", "tpu"]) == 2
    assert "error: device: expected" in capsys.readouterr().err


def test_a_gradient_that_is_not_a_number_is_wrong(capsys):
    with mutants.broken(ops.softmax_backward, "y * (dy", "float('nan') * (dy"):
        assert gradcheck.main(["--device", "cpu"]) == 1
    assert "nan" in capsys.readouterr().out
    with pytest.raises(InputError, match="x: expected float32 or float64, got int64"):
        gradcheck.central_differences(lambda x: (x**2).sum(), np.array([1, 2, 3]))


def test_the_row_shows_the_worst_entry():
    right = "dx = (dy_no @ W_io.T).reshape(x.shape)"
    with mutants.broken(
        ops.linear_backward,
        right,
        f"{right} + (namespace(x).arange(x.size) == 17).reshape(x.shape)",
    ):
        row = gradcheck.check(CASES["linear"])[0]
    assert row.where == tuple(
        map(int, np.unravel_index(17, row.shape))
    ) and row.by_hand - row.by_differences == pytest.approx(1)


def test_the_error_is_symmetric_and_zero_gradients_agree():
    assert gradcheck.relative_error(np.zeros(3), np.zeros(3)) == 0
    assert gradcheck.relative_error(np.ones(3), np.zeros(3)) == 1
    assert backend.get("cpu") == gradcheck.CPU


def scaled(x, W, ids):
    """Rows of x by ids, times W."""
    return x[ids] @ W, (x, W, ids)


def scaled_backward(dy, cache):
    x, W, ids = cache
    dx = np.zeros_like(x)
    np.add.at(dx, ids, dy @ W.T)
    return dx, x[ids].T @ dy


def pair_inputs(rng):
    return {
        "x": rng.normal(size=(4, 3)),
        "W": rng.normal(size=(3, 2)),
        "ids": np.array([0, 2, 2, 3, 1]),
    }


@pytest.mark.parametrize("convention", ["of the floats", "of all", "dict"])
def test_a_pair_of_ones_own_in_every_convention(rng, convention):
    def backward(dy, cache):
        dx, dW = scaled_backward(dy, cache)
        return {"of the floats": (dx, dW), "of all": (dx, dW, None), "dict": {"W": dW, "x": dx}}[
            convention
        ]

    rows = gradcheck.check_pair(scaled, backward, pair_inputs(rng))
    assert [(row.case, row.tensor, row.checked > 0) for row in rows] == [
        ("scaled", "x", True), ("scaled", "W", True), ("scaled", "ids", False)]  # fmt: skip
    assert max(row.error for row in rows) < 1e-9 and "not differentiated" in str(rows[2])
    (row,) = (
        gradcheck.check_pair(scaled, backward, pair_inputs(rng), wrt=["W"], name="mine")
        if convention != "of the floats"
        else rows[1:2]
    )
    assert row.tensor == "W" and row.error < 1e-9
    wrong = lambda dy, cache: (
        backward(dy, cache)["x"] if convention == "dict" else backward(dy, cache)[0],
        2 * scaled_backward(dy, cache)[1],
    )
    rows = gradcheck.check_pair(scaled, wrong, pair_inputs(rng))
    assert rows[0].error < 1e-9 and rows[1].error == pytest.approx(1 / 3)


def test_a_pair_of_one_input_and_a_number_out_and_of_the_librarys_own(rng):
    (row,) = gradcheck.check_pair(
        lambda x: ((x**2).sum(), x), lambda dy, x: dy * 2 * x, {"x": rng.normal(size=(2, 3))}
    )
    assert row.error < 1e-9
    (row,) = gradcheck.check_pair(
        ops.softmax_forward, ops.softmax_backward, {"x": rng.normal(size=(2, 3)).astype("float32")}
    )
    assert row.error < 1e-9, "inputs in float32 are widened"
    rows = gradcheck.check_pair(
        ops.embedding_forward,
        ops.embedding_backward,
        {"ids": np.array([1, 1]), "W": rng.normal(size=(3, 2))},
    )
    assert [row.tensor for row in rows] == ["W", "ids"] and rows[0].error < 1e-9
    assert str(rows[1]).endswith("not differentiated: no array of floats") and rows[1].checked == 0


def test_a_careless_pair_and_a_careless_function_are_checked_all_the_same(rng):
    out, grad = np.empty((2, 3)), np.empty((2, 3))

    def forward(x):
        kept = x.copy()
        out[...] = x**3
        x[...] = np.nan
        return out, kept

    def backward(dy, x):
        grad[...] = 3 * x**2 * dy
        dy[...] = np.nan
        return grad

    x = rng.normal(size=(2, 3))
    assert (
        gradcheck.check_pair(forward, backward, {"x": x})[0].error < 1e-9 and np.isfinite(x).all()
    )
    number = np.empty(())

    def f(x):
        number[...] = (x**3).sum()
        return number

    np.testing.assert_allclose(gradcheck.central_differences(f, x), 3 * x**2, rtol=1e-7)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(forward=3), "forward: expected a function, got 3"),
        (dict(backward=None), "backward: expected a function, got None"),
        (dict(inputs=[np.ones(3)]), "inputs: expected a dict of arrays by name"),
        (dict(inputs={"ids": np.arange(3)}), "inputs: expected at least one array of floats"),
        (dict(wrt=["y"]), "wrt: expected some of the arrays of floats, x, got"),
        (dict(forward=lambda x: x), "forward: expected a return of two, out and cache"),
        (
            dict(forward=lambda x: ([1.0], x)),
            r"forward: expected an array or a number for out, got \[1.0\]",
        ),
        (
            dict(forward=lambda x: (x.astype("float32"), x)),
            "forward: expected float64 out of float64, got float32",
        ),
        (dict(backward=lambda dy, x: (dy, dy)), "backward: expected 1 gradients, of x, got 2"),
        (
            dict(backward=lambda dy, x: {"z": dy}),
            "backward: expected a gradient of each of x, got none of x",
        ),
        (
            dict(backward=lambda dy, x: dy[:2]),
            r"gradient of x in .*: expected shape \(3,\), got \(2,\)",
        ),
        (dict(backward=lambda dy, x: [1.0, 2.0, 3.0]), "backward: expected 1 gradients"),
        (dict(backward=lambda dy, x: None), "gradient of x in .*: expected an array"),
    ],
)
def test_a_pair_that_returns_something_else_is_one_line(change, message):
    settings = dict(forward=lambda x: (x, x), backward=lambda dy, x: dy, inputs={"x": np.ones(3)})
    with pytest.raises(InputError, match=message):
        gradcheck.check_pair(**{**settings, **change})


def test_whole_numbers_and_float32_in_a_check(rng):
    model, x = models.MinimalModel(vocab=4, positions=5), rng.integers(4, size=(2, 5))
    for dtype in (int, "float32", "int8"):
        params = {
            key: rng.integers(-3, 4, w.shape).astype(dtype) for key, w in model.init(rng).items()
        }
        with np.errstate(all="raise"):
            try:
                assert max(row.error for row in gradcheck.check_model(model, x, params)) < 1e-7
            except InputError as error:
                assert "expected float32 or float64" in str(error)
    with pytest.raises(
        InputError, match="x: expected float64, or a step h of your own, got float32"
    ):
        gradcheck.central_differences(lambda x: (x**2).sum(), np.ones(3, "float32"))
    with pytest.raises(InputError, match="model: expected one with its settings"):
        gradcheck.check_model(models.MinimalModel, x)


def test_a_check_that_could_not_fail_is_refused():
    for x, h in ((1e20, None), (1.0, 1e-300), (-1e13, None)):
        with pytest.raises(InputError, match="x: expected numbers that a step of .* changes"):
            gradcheck.central_differences(lambda x: x.sum(), np.full(2, x), h)
    with pytest.raises(
        InputError,
        match="x: expected numbers that a step of 1e-05 changes, got entries of up to 1e.20",
    ):
        gradcheck.check_pair(
            lambda x: (2 * x, None), lambda dy, cache: 0 * dy, {"x": np.full(3, 1e20)}
        )
    (row,) = gradcheck.check_pair(
        lambda x: (1e-200 * x, None), lambda dy, cache: 5e-200 * dy, {"x": np.ones(3)}
    )
    assert row.error == pytest.approx(2 / 3, rel=1e-3), (
        "squares of small numbers are 0, and yet they differ"
    )
    assert gradcheck.relative_error([1e200], [2e200]) == pytest.approx(1 / 3)
    assert np.isnan(gradcheck.relative_error([np.nan], [1.0]))
