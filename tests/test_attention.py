import math
import re

import numpy as np
import pytest

from tinyattn import attention, few_queries
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError


def qkv(rng, B=2, H=3, T=4, S=6, K=5, C=2, shared=False):
    heads = 1 if shared else H
    return (
        rng.normal(size=(B, H, T, K)),
        rng.normal(size=(B, heads, S, K)),
        rng.normal(size=(B, heads, S, C)),
    )


def loop_over_heads(q, k, v, visible, dy):
    """The slow witness: one head, one sequence, one query at a time, with the softmax Jacobian written out."""
    B, H, T, K = q.shape
    y, dq, dk, dv = (
        np.zeros((B, H, T, v.shape[-1])),
        np.zeros(q.shape),
        np.zeros(k.shape),
        np.zeros(v.shape),
    )
    for b, h, t in np.ndindex(B, H, T):
        g = h if k.shape[1] > 1 else 0
        seen = np.flatnonzero(visible[t])
        a = np.array([q[b, h, t] @ k[b, g, s] / math.sqrt(K) for s in seen])
        s = np.exp(a) / np.exp(a).sum()
        y[b, h, t] = s @ v[b, g, seen]
        da = (np.diag(s) - np.outer(s, s)) @ (v[b, g, seen] @ dy[b, h, t])
        dv[b, g, seen] += np.outer(s, dy[b, h, t])
        dq[b, h, t] = da @ k[b, g, seen] / math.sqrt(K)
        dk[b, g, seen] += np.outer(da, q[b, h, t]) / math.sqrt(K)
    return y, dq, dk, dv


@pytest.mark.parametrize("H, shared", [(1, False), (3, False), (3, True)])
@pytest.mark.parametrize("masked", [False, True])
def test_multihead_is_the_loop_over_heads(device, rng, H, shared, masked):
    q, k, v = qkv(rng, H=H, shared=shared)
    visible = attention.causal(4, 6) if masked else np.ones((4, 6), bool)
    y, cache = attention.multihead_forward(
        *device.put([q, k, v]), device.put(visible) if masked else None
    )
    dy = rng.normal(size=y.shape)
    got = to_numpy([y, *attention.multihead_backward(device.put(dy), cache)])
    for ours, witness in zip(got, loop_over_heads(q, k, v, visible, dy)):
        np.testing.assert_allclose(ours, witness, rtol=1e-10, atol=1e-12)


def test_the_line_this_book_is_about(rng):
    a, v, dy = rng.normal(size=(2, 4, 6)), rng.normal(size=(2, 6, 3)), rng.normal(size=(2, 4, 3))
    y, cache = attention.attend_forward(a, v)
    da, _ = attention.attend_backward(dy, cache)
    line = np.einsum("bts,btc,btsc->bts", cache.s, dy, v[:, None] - y[:, :, None])
    np.testing.assert_allclose(da, line, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(da.sum(axis=-1), 0, atol=1e-14)


def test_hidden_pairs_get_no_attention_and_no_gradient(device, rng):
    a, v = rng.normal(size=(3, 5)), rng.normal(size=(5, 2))
    visible = attention.causal(3, 5)
    y, cache = attention.attend_forward(device.put(a), device.put(v), device.put(visible))
    da, _ = attention.attend_backward(y, cache)
    assert (to_numpy(cache.s)[~visible] == 0).all() and (to_numpy(da)[~visible] == 0).all()
    assert (to_numpy(cache.s)[visible] > 0).all()
    for score in (np.nan, np.inf, -np.inf, 1e300):  # whatever it is
        again, _ = attention.attend_forward(
            device.put(np.where(visible, a, score)), device.put(v), device.put(visible)
        )
        np.testing.assert_array_equal(to_numpy(again), to_numpy(y))


def test_permuting_heads_permutes_everything(rng):
    q, k, v = qkv(rng)
    order = [2, 0, 1]
    y, cache = attention.multihead_forward(q, k, v)
    dy = rng.normal(size=y.shape)
    grads = attention.multihead_backward(dy, cache)
    y2, cache2 = attention.multihead_forward(q[:, order], k[:, order], v[:, order])
    for one, two in zip([y, *grads], [y2, *attention.multihead_backward(dy[:, order], cache2)]):
        assert np.array_equal(one[:, order], two)


def test_self_attention_with_unequal_sizes_and_shared_keys(rng):
    x = rng.normal(size=(2, 4, 6))
    W = [rng.normal(size=shape) for shape in [(6, 3, 5), (6, 1, 5), (6, 1, 2), (3, 2, 7)]]
    y, cache = attention.self_attention_forward(x, *W)
    grads = attention.self_attention_backward(y, cache)
    assert y.shape == (2, 4, 7) and [g.shape for g in grads] == [x.shape, *(w.shape for w in W)]
    q, k, v = (np.einsum("btd,dhk->bhtk", x, w) for w in W[:3])
    r = loop_over_heads(q, k, v, np.ones((4, 4), bool), np.zeros((2, 3, 4, 2)))[0]
    np.testing.assert_allclose(y, np.einsum("bhtc,hcd->btd", r, W[3]), rtol=1e-10)


@pytest.mark.parametrize("heads, keys, first", [(1, 1, 4), (3, 3, 4), (3, 1, 2), (3, 3, 0)])
def test_few_queries_are_self_attention(device, rng, heads, keys, first):
    """The same, and its gradients, with W_K and W_V on the queries' side; with a mask and dropout too."""
    shapes = (2, 5, 6), (6, heads, 4), (6, keys, 4), (6, keys, 3), (heads, 3, 7)
    given = device.put([rng.normal(size=shape) for shape in shapes])
    drop = device.put((rng.random((2, heads, 5 - first, 5)) > 0.3) / 0.7)
    for visible, dropped in ((None, None), (device.put(attention.causal(5 - first, 5)), drop)):
        want, cache = attention.self_attention_forward(*given, visible, first, dropped)
        got, few = few_queries.few_queries_forward(*given, visible, first, dropped)
        np.testing.assert_allclose(to_numpy(got), to_numpy(want), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(
            to_numpy(few.attention), to_numpy(cache.attention), rtol=1e-11, atol=1e-12
        )
        dy = device.put(rng.normal(size=want.shape))
        for one, other in zip(
            few_queries.few_queries_backward(dy, few), attention.self_attention_backward(dy, cache)
        ):
            np.testing.assert_allclose(to_numpy(one), to_numpy(other), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_scores_stay_finite(device, dtype):
    a = device.put(np.array([[1e4, -1e4, 0.0]]), dtype)
    v = device.put(np.array([[1.0], [2.0], [3.0]]), dtype)
    y, cache = attention.attend_forward(a, v)
    for array in to_numpy([y, *attention.attend_backward(y, cache)]):
        assert np.isfinite(array).all() and array.dtype == dtype


def blind(query):
    visible = np.ones((4, 6), bool)
    visible[query] = False
    return visible


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda q, k, v: (q, k[..., :4], v),
            r"k: expected shape \(..., 1 or 3, S, 5\), got \(2, 3, 6, 4\)",
        ),
        (
            lambda q, k, v: (q, k[:, :2], v),
            r"k: expected shape \(..., 1 or 3, S, 5\), got \(2, 2, 6, 5\)",
        ),
        (
            lambda q, k, v: (q, k, v[:, :2]),
            r"v: expected shape \(..., 1 or 3, 6, C\), got \(2, 2, 6, 2\)",
        ),
        (
            lambda q, k, v: (q, k, v[..., :4, :]),
            r"v: expected shape \(..., 1 or 3, 6, C\), got \(2, 3, 4, 2\)",
        ),
        (
            lambda q, k, v: (q, k, v, blind(2)),
            r"visible: expected a key for every query, got none at query \[2\]",
        ),
        (
            lambda q, k, v: (q, k, v, np.ones((4, 6))),
            r"visible: expected a boolean array, got float64",
        ),
        (
            lambda q, k, v: (q, k, v, np.ones((6, 4), bool)),
            r"visible: expected a shape that broadcasts to",
        ),
    ],
)
def test_bad_input_is_one_clear_line(rng, change, message):
    with pytest.raises(InputError, match=message):
        attention.multihead_forward(*change(*qkv(rng)))


def test_causal_shows_each_query_itself_and_its_past():
    assert attention.causal(2, 4).tolist() == [[True, True, True, False], [True] * 4]
    with pytest.raises(InputError, match="T: expected a whole number in 1..4, got 5"):
        attention.causal(5, 4)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda x, W: attention.self_attention_forward(x, W[0][:, 0], *W[1:]),
            r"W_Q: expected shape \(6, H, K\)",
        ),
        (
            lambda x, W: attention.self_attention_forward(x, W[0], W[1][:5], *W[2:]),
            r"W_K: expected shape \(6, 1 or 3",
        ),
        (
            lambda x, W: attention.self_attention_forward(x, *W[:3], W[3][:2]),
            r"W_O: expected shape \(3, 2, E\)",
        ),
        (
            lambda x, W: attention.attend_forward(np.ones((2, 4, 6)), np.ones((3, 6, 2))),
            r"v: expected leading axes",
        ),
        (
            lambda x, W: attention.attend_forward(np.ones((4, 6)), np.ones(6)),
            r"v: expected shape \(..., 6, C\), got \(6,\)",
        ),
        (
            lambda x, W: attention.multihead_forward(*[np.ones((4, 5))] * 3),
            r"q: expected shape \(..., H, T, K\), got \(4, 5\)",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_named(rng, call, message):
    W = [rng.normal(size=shape) for shape in [(6, 3, 5), (6, 3, 5), (6, 3, 2), (3, 2, 7)]]
    with pytest.raises(InputError, match=message):
        call(rng.normal(size=(2, 4, 6)), W)


def test_one_mask_serves_every_query(rng):
    visible = np.array([[True, False, True, True, True, False]])
    _, cache = attention.attend_forward(
        rng.normal(size=(2, 4, 6)), rng.normal(size=(2, 6, 3)), visible
    )
    assert (cache.s[..., ~visible[0]] == 0).all()


MASKS = [(6,), (1, 6), (4, 6), (4, 1), (3, 4, 6), (3, 1, 6), (2, 1, 4, 6), (2, 3, 4, 6)]


@pytest.mark.parametrize("shape", MASKS)
def test_a_mask_of_any_axes_hides_what_it_hides_written_out(rng, shape):
    """Keys that nobody sees are allowed; a query that sees none is not, and its place is named."""
    a, v = rng.normal(size=(2, 3, 4, 6)), rng.normal(size=(2, 3, 6, 5))
    visible = np.ones(shape, bool) if shape[-1] == 1 else rng.random(shape) < 0.5
    visible[..., -1] = True
    visible[..., 0] &= shape[-1] == 1
    y, _ = attention.attend_forward(a, v, visible)
    e = np.exp(a) * visible
    want = e / e.sum(axis=-1, keepdims=True) @ v
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-14)
    for query in np.ndindex(shape[:-1]) if len(shape) > 1 else ():
        wrong = visible.copy()
        wrong[query] = False
        with pytest.raises(InputError, match="expected a key for every query, got none") as error:
            attention.attend_forward(a, v, wrong)
        assert str(error.value).endswith(f"at query {list(query)}")


@pytest.mark.parametrize("shape", [(6, 4), (5,), (2, 4, 6), (3, 4, 5), (1, 2, 3, 4, 6)])
def test_a_mask_that_does_not_broadcast_to_the_scores_is_refused(shape):
    with pytest.raises(InputError, match="visible: expected a shape that broadcasts to"):
        attention.attend_forward(np.ones((2, 3, 4, 6)), np.ones((6, 5)), np.ones(shape, bool))


@pytest.mark.parametrize("scores, values", [((2, 3), (2,)), ((5, 2, 3), (4, 3)), ((3,), (2,))])
def test_the_leading_axes_wanted_are_named(scores, values):
    want = re.escape(f"v: expected leading axes that broadcast against {scores}, got shape")
    with pytest.raises(InputError, match=want):
        attention.attend_forward(np.ones((*scores, 4, 6)), np.ones((*values, 6, 5)))


def test_scores_and_values_broadcast_and_their_gradients_add_up(rng):
    a, v = rng.normal(size=(2, 1, 4, 6)), rng.normal(size=(3, 6, 5))
    y, cache = attention.attend_forward(a, v)
    dy = rng.normal(size=(2, 3, 4, 5))
    da, dv = attention.attend_backward(dy, cache)
    da_sum, dv_sum = np.zeros(a.shape), np.zeros(v.shape)
    for i, j in np.ndindex(2, 3):
        one, cache = attention.attend_forward(a[i, 0], v[j])
        np.testing.assert_allclose(y[i, j], one, rtol=1e-12)
        da_one, dv_one = attention.attend_backward(dy[i, j], cache)
        da_sum[i, 0] += da_one
        dv_sum[j] += dv_one
    np.testing.assert_allclose(da, da_sum, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(dv, dv_sum, rtol=1e-10, atol=1e-13)
