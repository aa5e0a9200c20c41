import numpy as np
import pytest

from tinyattn import attention, backend, ops
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError


def test_softmax_backward_is_the_full_jacobian(rng):
    x, dy = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 4, 5))
    y, cache = ops.softmax_forward(x)
    dx = ops.softmax_backward(dy, cache)
    for row in np.ndindex(3, 4):
        J = np.diag(y[row]) - np.outer(y[row], y[row])
        np.testing.assert_allclose(dx[row], J @ dy[row], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(dx.sum(axis=-1), 0, atol=1e-15)


def test_numbers_by_hand():
    y, cache = ops.softmax_forward(np.log([[2.0, 1.0, 1.0]]))
    assert y.tolist() == [[0.5, 0.25, 0.25]]
    assert ops.softmax_backward(np.array([[4.0, 8.0, 16.0]]), cache).tolist() == [[-2, 0, 2]]
    assert ops.cross_entropy_forward(np.zeros((2, 4)), np.array([1, 3]))[0] == np.log(4)
    s = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(
        ops.silu_forward(np.array([-2.0, 0.0, 2.0, -800.0]))[0],
        [-2 * (1 - s), 0, 2 * s, 0],
        atol=1e-15,
    )
    loss, cache = ops.squared_error_forward(
        np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 4.0]])
    )
    assert loss == (4 + 9) / 4 and ops.squared_error_backward(2.0, cache).tolist() == [
        [0, 2],
        [3, 0],
    ]


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 1, 3, 4)])
def test_the_squared_error_is_a_mean_over_all_places_before_the_last_axis(device, rng, shape):
    y, target = rng.normal(size=shape), rng.normal(size=shape)
    places = list(np.ndindex(shape[:-1]))
    L, cache = ops.squared_error_forward(device.put(y), device.put(target))
    halves = [((y[place] - target[place]) ** 2).sum() / 2 for place in places]
    np.testing.assert_allclose(float(to_numpy(L)), sum(halves) / len(places), rtol=1e-13)
    dy = to_numpy(ops.squared_error_backward(0.3, cache))
    np.testing.assert_allclose(dy, 0.3 * (y - target) / len(places), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_scores_and_logits_stay_finite(device, dtype):
    x = device.put(np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4]]), dtype)
    y, cache = ops.softmax_forward(x)
    dx = ops.softmax_backward(x, cache)
    loss, ce_cache = ops.cross_entropy_forward(x, device.put(np.array([1, 0, 2])))
    dlogits = ops.cross_entropy_backward(1.0, ce_cache)
    for array in to_numpy([y, dx, loss, dlogits]):
        assert np.isfinite(array).all()
    np.testing.assert_allclose(to_numpy(y), [[1, 0, 0], [1 / 3] * 3, [0.5, 0.5, 0]], rtol=1e-6)
    np.testing.assert_allclose(to_numpy(loss), (2e4 + np.log(3) + 2e4 + np.log(2)) / 3, rtol=1e-6)


def test_minus_infinity_hides_exactly(device):
    y, _ = ops.softmax_forward(device.put(np.array([[0.0, -np.inf, 0.0]])))
    assert to_numpy(y).tolist() == [[0.5, 0, 0.5]]


@pytest.mark.parametrize("S", [1, 5, 32, 33])
def test_the_largest_of_short_rows_is_the_largest(device, rng, S):
    x = rng.normal(size=(3, 4, S))
    x[0, 0, 0], x[1, 2, S // 2] = np.inf, np.nan
    for one in (x, x.swapaxes(0, 1), np.asfortranarray(x), x[::2], x[0, 0]):
        np.testing.assert_array_equal(
            to_numpy(ops._row_max(device.put(one))), one.max(axis=-1, keepdims=True)
        )


@pytest.mark.parametrize("shape", [(7,), (4, 7), (2, 3, 7)])
def test_cross_entropy_is_its_definition(device, rng, shape):
    z, y = 3 * rng.normal(size=shape), rng.integers(7, size=shape[:-1])
    L, cache = ops.cross_entropy_forward(device.put(z), device.put(np.asarray(y)))
    p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    of_targets = np.take_along_axis(p, np.asarray(y)[..., None], axis=-1)
    np.testing.assert_allclose(float(to_numpy(L)), -np.log(of_targets).mean(), rtol=1e-13)
    want = 0.3 * (p - (np.arange(7) == np.asarray(y)[..., None])) / max(1, np.size(y))
    np.testing.assert_allclose(
        to_numpy(ops.cross_entropy_backward(0.3, cache)), want, rtol=1e-12, atol=1e-16
    )


def test_layernorm_standardises(rng):
    y, cache = ops.layernorm_forward(
        7 + 3 * rng.normal(size=(4, 6)), np.ones(6), np.zeros(6), eps=1e-30
    )
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-12)
    dx, dg, db = ops.layernorm_backward(rng.normal(size=(4, 6)), cache)
    np.testing.assert_allclose(dx.sum(axis=-1), 0, atol=1e-14)  # shifting a row changes nothing
    np.testing.assert_allclose((dx * cache.n).sum(axis=-1), 0, atol=1e-14)  # nor does scaling it


def test_linear_is_tensordot(rng):
    x, W = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(4, 5, 6, 2))
    np.testing.assert_allclose(
        ops.linear_forward(x, W, axes=2)[0], np.tensordot(x, W, 2), rtol=1e-12
    )


def test_sum_to_undoes_broadcasting(rng):
    dx = rng.normal(size=(2, 3, 4))
    assert ops.sum_to(dx, (2, 3, 4)) is dx or np.array_equal(ops.sum_to(dx, (2, 3, 4)), dx)
    np.testing.assert_allclose(ops.sum_to(dx, (3, 1)), dx.sum(axis=(0, 2))[:, None])
    np.testing.assert_allclose(ops.sum_to(dx, (4,)), dx.sum(axis=(0, 1)))


def test_sum_to_adds_up_what_each_entry_was_copied_to(rng):
    """Every way to broadcast to (2, 1, 3, 2), entry by entry."""
    dx = rng.normal(size=(2, 1, 3, 2))
    for kept in np.ndindex(2, 2, 2, 2):
        whole = tuple(n if keep else 1 for n, keep in zip(dx.shape, kept))
        for shape in (whole, whole[1:], whole[2:], whole[3:], ()):
            want = np.zeros(shape)
            copied_from = np.broadcast_to(np.arange(want.size).reshape(shape), dx.shape)
            np.add.at(want.reshape(-1), copied_from, dx)
            got = ops.sum_to(dx, shape)
            assert got.shape == shape
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(3,), (4, 1), (2, 4), (3, 3, 4), (3, 1, 1)])
def test_sum_to_refuses_a_shape_that_does_not_broadcast(shape):
    with pytest.raises(InputError, match=r"shape: expected one that broadcasts to \(2, 3, 4\)"):
        ops.sum_to(np.ones((2, 3, 4)), shape)


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4, 1e300, -1e300])
def test_log_softmax_is_finite_where_logits_are(shift):
    logs = ops.log_softmax(np.array([[0.0, 0.0], [1e4, 0.0], [0.0, -1e4]]) + shift)
    if abs(shift) < 1e300:
        np.testing.assert_allclose(logs, [[-np.log(2)] * 2, [0, -1e4], [0, -1e4]], rtol=1e-12)
    assert np.isfinite(logs).all()


def test_a_row_whose_squares_overflow_comes_out_of_layernorm_as_nan():
    x = np.array([[1e200, -1e200, 0.0], [1.0, 2.0, 3.0]])
    with np.errstate(all="ignore"):
        y, _ = ops.layernorm_forward(x, np.ones(3), np.zeros(3))
    assert np.isnan(y[0]).all() and np.isfinite(y[1]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_precision_is_kept_and_inputs_are_not_touched(device, rng, dtype):
    x = rng.normal(size=(3, 4, 5))
    there, ids = device.put(x, dtype), device.put(rng.integers(5, size=(3, 4)))
    ones, zeros = device.put(np.ones(5), dtype), device.put(np.zeros(5), dtype)
    W = device.put(rng.normal(size=(5, 2)), dtype)
    passes = [
        (ops.linear_forward(there, W), ops.linear_backward),
        (ops.embedding_forward(ids, W), ops.embedding_backward),
        (ops.softmax_forward(there), ops.softmax_backward),
        (ops.relu_forward(there), ops.relu_backward),
        (ops.layernorm_forward(there, ones, zeros), ops.layernorm_backward),
        (ops.cross_entropy_forward(there, ids), ops.cross_entropy_backward),
        (ops.squared_error_forward(there, there * 0.5), ops.squared_error_backward),
    ]
    for (y, cache), backward in passes:
        grads = backward(y, cache)
        for array in [y, *(grads if type(grads) is tuple else (grads,))]:
            assert array is None or array.dtype == dtype, backward.__name__
    assert np.array_equal(to_numpy(there), x.astype(dtype))


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: ops.embedding_forward(np.array([0, 5]), np.ones((5, 2))),
            r"ids: expected ids in 0..4, got 5",
        ),
        (
            lambda: ops.embedding_forward(np.array([-1, 2]), np.ones((5, 2))),
            r"ids: expected ids in 0..4, got -1",
        ),
        (
            lambda: ops.embedding_forward(np.array([0.0]), np.ones((5, 2))),
            r"ids: expected an integer.* float64",
        ),
        (
            lambda: ops.embedding_forward([0], np.ones((5, 2))),
            r"ids: expected an array .*, got list",
        ),
        (
            lambda: ops.cross_entropy_forward(np.ones((3, 4)), np.array([0, 4, 1])),
            r"targets: .*0..3, got 4",
        ),
        (
            lambda: ops.cross_entropy_forward(np.ones((3, 4)), np.array([0, 1])),
            r"targets: expected shape \(3,\)",
        ),
        (
            lambda: ops.cross_entropy_forward(np.ones((3, 4)), np.ones(3)),
            r"targets: expected an integer",
        ),
        (
            lambda: ops.squared_error_forward(np.ones((3, 4)), np.ones((4, 3))),
            r"target: expected shape \(3, 4\)",
        ),
        (
            lambda: ops.linear_forward(np.ones((3, 4)), np.ones((5, 2))),
            r"W: expected shape \(4, \*O\), got \(5, 2\)",
        ),
        (
            lambda: ops.linear_forward(np.ones((3, 4)), np.ones((4, 2)), np.ones(3)),
            r"b: expected shape \(2,\)",
        ),
        (
            lambda: ops.layernorm_forward(np.ones((3, 4)), np.ones(3), np.ones(4)),
            r"g: expected shape \(4,\)",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "forward, backward, inputs",
    [
        (ops.linear_forward, ops.linear_backward, [(3, 4), (4, 5)]),
        (ops.softmax_forward, ops.softmax_backward, [(3, 5)]),
        (ops.relu_forward, ops.relu_backward, [(3, 5)]),
        (ops.layernorm_forward, ops.layernorm_backward, [(3, 5), (5,), (5,)]),
    ],
)
def test_a_backward_wants_dy_shaped_like_y(rng, forward, backward, inputs):
    y, cache = forward(*(rng.normal(size=shape) for shape in inputs))
    for wrong in ((5, 3), (7, 3, 5), (3, 1), (15,)):
        with pytest.raises(InputError, match=r"dy: expected shape \(3, 5\), got"):
            backward(np.ones(wrong), cache)


def test_relu_at_its_corner_and_at_infinity(device):
    y, cache = ops.relu_forward(device.put(np.array([-np.inf, -1.0, 0.0, 2.0, np.inf])))
    assert to_numpy(y).tolist() == [0, 0, 0, 2, np.inf]
    assert to_numpy(ops.relu_backward(device.put(np.ones(5)), cache)).tolist() == [0, 0, 0, 1, 1]


def test_layernorm_of_a_constant_row_is_finite():
    x = np.full((1, 4), 3.0)
    y, cache = ops.layernorm_forward(x + np.array([0, 1e-3, 0, -1e-3]), np.ones(4), np.zeros(4))
    assert y[0, 1] == pytest.approx(1e-3 / np.sqrt(0.5e-6 + 1e-5))
    with pytest.raises(InputError, match=r"b: expected shape \(4,\)"):
        ops.layernorm_forward(x, np.ones(4), np.zeros(3))


def test_nan_comes_out_of_every_operation(rng):
    x = rng.normal(size=(3, 4))
    x[1, 2] = np.nan
    g, W, ids = rng.normal(size=4), rng.normal(size=(4, 5)), np.array([0, 1, 2])
    for y, _ in [
        ops.relu_forward(x), ops.softmax_forward(x), ops.linear_forward(x, W), ops.layernorm_forward(x, g, g),
        ops.embedding_forward(ids, x), ops.cross_entropy_forward(x, ids), ops.squared_error_forward(x, np.zeros((3, 4))),
    ]:  # fmt: skip
        assert np.isnan(y).any()
    y, cache = ops.relu_forward(np.array([np.nan, -1.0, 2.0, -np.inf, np.inf]))
    assert np.isnan(y[0]) and y[1:].tolist() == [0, 2, 0, np.inf]
    assert ops.relu_backward(np.ones(5), cache).tolist() == [1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int64", "bool", "float16", "complex128", "object"]
)
def test_arithmetic_does_not_happen_in_a_narrow_type(dtype):
    narrow, wide = np.ones((2, 3), dtype), np.ones((2, 3))
    for call in [
        lambda: ops.softmax_forward(narrow), lambda: ops.log_softmax(narrow), lambda: ops.relu_forward(narrow),
        lambda: ops.linear_forward(narrow, np.ones((3, 2))), lambda: ops.linear_forward(wide, narrow.T),
        lambda: ops.layernorm_forward(narrow, np.ones(3), np.ones(3)), lambda: ops.squared_error_forward(wide, narrow),
        lambda: ops.cross_entropy_forward(narrow, np.zeros(2, int)), lambda: ops.embedding_forward(np.zeros(2, int), narrow),
        lambda: ops.softmax_backward(narrow, ops.softmax_forward(wide)[1]),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=f"expected float32 or float64, got {dtype}"):
            call()


def test_a_cache_must_come_from_its_own_forward():
    with pytest.raises(InputError, match="cache: expected SoftmaxCache, got ReluCache"):
        ops.softmax_backward(np.ones(3), ops.relu_forward(np.ones(3))[1])


def test_ids_may_be_numpy_numbers_and_are_checked_all_the_same():
    assert ops.embedding_forward(np.int8(1), np.eye(3))[0].tolist() == [0, 1, 0]
    for wrong in (np.int64(-1), np.uint8(3)):
        with pytest.raises(InputError, match="ids: expected ids in 0..2"):
            ops.embedding_forward(wrong, np.eye(3))


@pytest.mark.parametrize("n, maximum", [(1000, 2e-6), (75_001, 2e-6), (1_000_000, 2e-6)])
def test_gradients_of_many_equal_rows_are_summed_in_pairs(n, maximum):
    """Against the sum that float64 tells; NumPy's own along the first axis is off by 7e-4 and 1%."""
    rows = np.full((n, 3), 0.1, np.float32)
    exact = n * np.float64(np.float32(0.1))
    linear = ops.linear_forward(rows, np.ones((3, 3), np.float32), np.zeros(3, np.float32))[1]
    norm = ops.layernorm_forward(rows, np.ones(3, np.float32), np.zeros(3, np.float32))[1]
    added = np.zeros((2, 3), np.float32)
    backend.scatter_add(added, np.ones(n, int), rows)
    sums = {
        "bias of linear": ops.linear_backward(rows, linear)[2],
        "shift of layer norm": ops.layernorm_backward(rows, norm)[2],
        "one row copied n times": ops.sum_to(rows, (3,)),
        "one row kept, copied n times": ops.sum_to(rows, (1, 3)),
        "copied along the last axis": ops.sum_to(np.ascontiguousarray(rows.T), (3, 1)),
        "copied along two axes": ops.sum_to(rows.reshape(1, n, 3, 1)[[0, 0]], (1, 3, 1)) / 2,
        "an embedding's row": added[1],
    }
    for name, total in sums.items():
        np.testing.assert_allclose(total.astype(float), exact, rtol=maximum, err_msg=name)


def test_sums_of_long_rows_are_right_in_float32():
    x = np.zeros((1, 75_000), np.float32)
    y, cache = ops.softmax_forward(x)
    np.testing.assert_allclose(y.astype(float), 1 / 75_000, rtol=1e-6)
    np.testing.assert_allclose(ops.log_softmax(x).astype(float), -np.log(75_000), rtol=1e-6)
    loss = ops.cross_entropy_forward(x, np.array([3]))[0]
    np.testing.assert_allclose(float(loss), np.log(75_000), rtol=1e-6)
    dx = ops.softmax_backward(np.full_like(x, 0.1), cache)
    assert abs(dx).max() < 1e-6 * y.max()  # what is the same for all moves nothing


@pytest.mark.parametrize("value", [1e6 + 0.1, -1e6, 123_456.7, 0.1])
def test_layer_norm_of_a_constant_row_is_its_shift(value):
    for width in (7, 85, 255):
        x, b = np.full((2, width), value, np.float32), np.linspace(-1, 1, width, dtype=np.float32)
        assert np.array_equal(ops.layernorm_forward(x, np.ones(width, np.float32), b)[0], [b, b])


def test_layer_norm_of_large_numbers_is_near_that_of_float64(rng):
    x = (1e4 + rng.normal(size=(4, 85))).astype(np.float32)
    one, zero = np.ones(85), np.zeros(85)
    exact = ops.layernorm_forward(x.astype(float), one, zero)[0]
    y = ops.layernorm_forward(x, one.astype(np.float32), zero.astype(np.float32))[0]
    assert abs(y - exact).max() < 2e-6


def test_what_a_backward_returns_is_never_its_input(rng):
    x, dy, one = rng.normal(size=5), rng.normal(size=5), np.ones(5)
    _, cache = ops.layernorm_forward(x, one, one)
    assert not any(np.shares_memory(dy, gradient) for gradient in ops.layernorm_backward(dy, cache))
    _, cache = ops.linear_forward(x, np.eye(5), one)
    assert not any(np.shares_memory(dy, gradient) for gradient in ops.linear_backward(dy, cache))


def test_an_underflow_of_attention_is_0_whatever_numpy_is_told(rng):
    """Where keys are far below the best, their attention is 0 by design; other mistakes still raise."""
    scores = np.float32([[0, -95, -300], [-88, 0, -103]])
    v, dy = rng.normal(size=(3, 2)).astype(np.float32), rng.normal(size=(2, 2)).astype(np.float32)
    quiet = attention.attend_backward(dy, attention.attend_forward(scores, v)[1])
    with np.errstate(all="raise"):
        y, cache = attention.attend_forward(scores, v)
        assert all(
            np.array_equal(a, b) for a, b in zip(attention.attend_backward(dy, cache), quiet)
        )
        loss, cache = ops.cross_entropy_forward(scores, np.array([0, 1]))
        assert np.isfinite(ops.cross_entropy_backward(1e-3, cache)).all() and abs(loss) < 1e-6
        assert np.isfinite(ops.log_softmax(scores)).all()
        with pytest.raises(FloatingPointError):
            ops.softmax_forward(np.float32([[np.inf, np.inf]]))
