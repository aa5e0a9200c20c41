import numpy as np
import pytest

from experiments.stack import MinimalStack
from tinyattn import attention, gradcheck, losses, models, ops, optim, train
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.flows.factorization import Factorization
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.tasks import markov, regression, text
from tinyattn.tasks.recall import AssociativeRecall


def slow_minimal(model, params, x):
    """The slow witness: full one-hot vectors, every product written out, one sequence, head and query at a time."""
    V, D, first = model.vocab, model.width, model.first_query
    B, S = x.shape
    onehot = np.zeros((B, S, D))
    for b, s in np.ndindex(B, S):
        onehot[b, s, x[b, s]] = onehot[b, s, V + s] = 1
    logits, maps = np.zeros((B, S - first, V)), np.zeros((model.heads, B, S - first, S))
    for b, h, t in np.ndindex(B, model.heads, S - first):
        keys = onehot[b, : first + t + 1]
        a = keys @ (onehot[b, first + t] @ params["W_Q"][:, h]) / np.sqrt(D)
        s = np.exp(a) / np.exp(a).sum()
        maps[h, b, t, : len(s)] = s
        logits[b, t] += s @ (keys @ params["W_V"][:, h])
    return logits, maps


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("context, tokens", [(1, 6), (3, 6), (3, 4)])
def test_minimal_model_is_its_slow_witness(device, rng, heads, context, tokens):
    model = models.MinimalModel(vocab=5, positions=6, heads=heads, first_query=context - 1)
    params = {key: 3 * w for key, w in model.init(rng).items()}
    x = rng.integers(5, size=(4, tokens))
    logits, cache = model.forward(device.put(params), device.put(x))
    want, maps = slow_minimal(model, params, x)
    np.testing.assert_allclose(to_numpy(logits), want, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(
        to_numpy(cache.attention), maps.swapaxes(0, 1), rtol=1e-10, atol=1e-13
    )


@pytest.mark.parametrize("context, tokens", [(1, 6), (3, 6), (2, 4)])
def test_the_minimal_backward_is_its_inputs_multiplied_out(device, rng, context, tokens):
    """Places are summed and not multiplied; the witness builds x = [token, place] and multiplies all of it."""
    model = models.MinimalModel(vocab=5, positions=6, heads=3, first_query=context - 1)
    params, ids = device.put(model.init(rng)), rng.integers(5, size=(4, tokens))
    for tokens_of in (ids, rng.normal(size=(4, tokens, 5))):
        logits, cache = model.forward(params, device.put(tokens_of))
        dlogits = rng.normal(size=logits.shape)
        g = to_numpy(model.backward(device.put(dlogits), cache))
        s, v = to_numpy(cache.attend.s), to_numpy(cache.attend.v)
        one_hot = np.eye(5)[ids] if tokens_of is ids else tokens_of
        x = np.concatenate([one_hot, np.broadcast_to(np.eye(6)[:tokens], (4, tokens, 6))], axis=-1)
        ds = np.einsum("btv,hbsv->hbts", dlogits, v)
        da = s * (ds - (s * ds).sum(-1, keepdims=True)) / np.sqrt(11)
        dW_Q = np.einsum("btd,hbts,bse->dhe", x[:, context - 1 :], da, x)
        dW_V = np.einsum("bsd,hbts,btv->dhv", x, s, dlogits)
        np.testing.assert_allclose(g["W_Q"], dW_Q, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(g["W_V"], dW_V, rtol=1e-10, atol=1e-13)


def test_the_minimal_model_reads_vectors_as_it_reads_ids(device, rng):
    """A one-hot vector is the token itself; any other is a mixture of tokens for the values, which are linear."""
    model = models.MinimalModel(vocab=5, positions=6, heads=3, first_query=1)
    params, ids = device.put(model.init(rng)), rng.integers(5, size=(4, 6))
    want, ids_cache = model.forward(params, device.put(ids))
    got, cache = model.forward(params, device.put(np.eye(5)[ids]))
    np.testing.assert_allclose(to_numpy(got), to_numpy(want), rtol=1e-12, atol=1e-14)
    dout = device.put(rng.normal(size=want.shape))
    for key, g in model.backward(dout, cache).items():
        np.testing.assert_allclose(
            to_numpy(g), to_numpy(model.backward(dout, ids_cache)[key]), rtol=1e-12, atol=1e-14
        )
    for wrong in (rng.normal(size=(4, 6, 4)), rng.normal(size=(4, 7, 5)), rng.normal(size=6)):
        with pytest.raises(InputError, match="x: expected"):
            model.forward(params, device.put(wrong))


@pytest.mark.parametrize("context", [1, 3])
def test_the_embedding_model_is_its_definition(device, rng, context):
    model = models.EmbeddingModel(vocab=5, width=4, first_query=context - 1, scale=1.0)
    params, x = model.init(rng), rng.integers(5, size=(3, 6))
    logits, cache = model.forward(device.put(params), device.put(x))
    for b, t in np.ndindex(3, 7 - context):
        e = params["W0"][x[b, : context + t]]
        a = np.exp(e @ params["W_K"] @ (e[-1] @ params["W_Q"]))
        np.testing.assert_allclose(
            to_numpy(logits)[b, t], a / a.sum() @ e @ params["W1"], rtol=1e-10
        )
        np.testing.assert_allclose(
            to_numpy(cache.attention)[b, 0, t, : context + t], a / a.sum(), rtol=1e-10
        )
    with pytest.raises(
        InputError, match=r"x: expected shape \(batch, 3 or more tokens\), got \(3, 2\)"
    ):
        models.EmbeddingModel(5, 4, first_query=2).forward(params, x[:, :2])


def slow_transformer(model, p, x, drops):
    """The slow witness of one block: one sequence, one query, one head at a time, from the definitions."""
    p = {key.removesuffix(".1"): w for key, w in p.items()}
    B, S, first, K = *x.shape, model.first_query, model.width // model.heads

    def norm(v, g, b):
        return g * (v - v.mean()) / np.sqrt(v.var() + 1e-5) + b

    logits, maps = np.zeros((B, S - first, model.vocab)), np.zeros((B, model.heads, S - first, S))
    for b, t in np.ndindex(B, S - first):
        e = np.stack([p["W_E"][token] + p["W_P"][place] for place, token in enumerate(x[b])])
        c = np.zeros(model.width)
        for h in range(model.heads):
            keys, values = e[: first + t + 1] @ p["W_K"][:, h], e[: first + t + 1] @ p["W_V"][:, h]
            a = np.exp(keys @ (e[first + t] @ p["W_Q"][:, h]) / np.sqrt(K))
            maps[b, h, t, : first + t + 1] = a / a.sum()
            c += (a / a.sum()) @ values @ p["W_O"][h]
        r = norm(e[first + t] + drops[0][b, t] * c, p["g_1"], p["b_1"])
        m = np.maximum(r @ p["W_1"] + p["c_1"], 0) @ p["W_2"] + p["c_2"]
        logits[b, t] = norm(r + drops[1][b, t] * m, p["g_2"], p["b_2"]) @ p["W_U"] + p["c_U"]
    return logits, maps


@pytest.mark.parametrize("context, tokens", [(1, 6), (3, 6), (3, 4)])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_transformer_is_its_slow_witness(device, rng, context, tokens, dropout):
    model = models.Transformer(
        vocab=5, positions=6, width=6, heads=2, hidden=7, first_query=context - 1
    )
    params = {key: w + 0.3 * rng.normal(size=w.shape) for key, w in model.init(rng).items()}
    x, drops = rng.integers(5, size=(3, tokens)), model.draw_drops(rng, 3, tokens, dropout)
    logits, cache = model.forward(device.put(params), device.put(x), *device.put(drops))
    want, maps = slow_transformer(model, params, x, drops)
    np.testing.assert_allclose(to_numpy(logits), want, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(to_numpy(cache.attention), maps, rtol=1e-9, atol=1e-12)
    if not dropout:
        np.testing.assert_array_equal(
            to_numpy(model.forward(device.put(params), device.put(x))[0]), to_numpy(logits)
        )


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("when", ["at start", "after steps"])
def test_gradients_of_the_transformer(rng, dropout, when):
    model = models.Transformer(vocab=5, positions=7, width=12, heads=3, hidden=9, first_query=2)
    sequences, drops = rng.integers(5, size=(4, 8)), model.draw_drops(rng, 4, 7, dropout)
    params = model.init(rng)
    if when == "after steps":
        params = trained(model, losses.next_token_loss(model), (sequences, *drops))
    for row in gradcheck.check_model(model, (sequences[:, :-1], *drops), params):
        assert row.error <= gradcheck.TOLERANCE, row


def test_a_deep_transformer_is_blocks_one_after_the_other(device, rng):
    """Depth two: the first block's output, by the slow witness, is what the second reads; and settings only leave parts out."""
    deep = models.Transformer(
        vocab=5, positions=6, width=6, heads=2, hidden=7, first_query=2, depth=2
    )
    params = {key: w + 0.3 * rng.normal(size=w.shape) for key, w in deep.init(rng).items()}
    x = rng.integers(5, size=(3, 6))
    got = to_numpy(deep.forward(device.put(params), device.put(x))[0])
    first, second = (
        {k.removesuffix(f".{i}"): w for k, w in params.items() if not k.endswith(f".{3 - i}")}
        for i in (1, 2)
    )
    whole = models.Transformer(vocab=5, positions=6, width=6, heads=2, hidden=7)
    eye = {"W_U": np.eye(6), "c_U": np.zeros(6)}
    states = slow_transformer(
        models.Transformer(6, 6, width=6, heads=2, hidden=7),
        {**first, **eye},
        x,
        np.ones((2, 3, 6, 6)),
    )[0]
    one = {**second, "W_E": np.zeros((1, 6)), "W_U": params["W_U"], "c_U": params["c_U"]}
    for b in range(3):
        want = slow_transformer(
            whole, {**one, "W_P": states[b]}, np.zeros((1, 6), int), np.ones((2, 1, 6, 6))
        )[0]
        np.testing.assert_allclose(got[b], want[0, 2:], rtol=1e-9, atol=1e-11)


def test_settings_leave_parts_out(rng):
    bare = models.Transformer(
        5, 6, width=6, heads=2, hidden=0, norm=False, position_kind="none", outputs=3, depth=3
    )
    params = bare.init(rng)
    per_block = ["W_Q", "W_K", "W_V", "W_O"]
    names = [f"{key}{end}" for end in (".1", ".2", ".3") for key in per_block]
    assert list(params) == ["W_E", *names, "W_U", "c_U"] and params["W_U"].shape == (6, 3)
    x = rng.integers(5, size=(2, 6))
    logits, cache = bare.forward(params, x)
    vectors = bare.forward(params, np.eye(5)[x])[0]
    np.testing.assert_allclose(vectors, logits, rtol=1e-12)
    assert logits.shape == (2, 6, 3) and [s.shape for s in cache.attentions] == [(2, 2, 6, 6)] * 3
    one = models.Transformer(5, 6, width=6, heads=2, hidden=0, norm=False, position_kind="none")
    first = {key: params[key] for key in ("W_E", *names[:4])} | {
        "W_U": np.eye(6, 5),
        "c_U": np.zeros(5),
    }
    last = [
        one.forward(first, x[:, order])[0][:, 5]
        for order in ([0, 1, 2, 3, 4, 5], [3, 1, 4, 0, 2, 5])
    ]
    np.testing.assert_allclose(
        *last, rtol=1e-12, err_msg="without positions the order of what is seen does not count"
    )
    sines = models.Transformer(5, 50, width=7, heads=1, position_kind="sinusoidal")._sines(
        np, np.float64
    )
    assert sines.shape == (50, 7) and np.linalg.norm(sines, axis=1) == pytest.approx(1)
    assert sines[3, 0] / sines[3, 5] == pytest.approx(np.sin(3) / np.cos(3 / 10000 ** (4 / 7)))
    drops = models.Transformer(5, 6, width=6, heads=2, first_query=3, depth=2).draw_drops(
        rng, 2, 6, 0.5
    )
    assert [d.shape for d in drops] == [(2, 6, 6), (2, 6, 6), (2, 3, 6), (2, 3, 6)]
    tiny = models.Transformer(200, 6, scale=1e-3).init(rng)
    assert tiny["W_E"].std() == pytest.approx(1e-3, rel=0.05) and tiny[
        "W_P"
    ].std() == pytest.approx(1e-3, rel=0.1)


@pytest.mark.parametrize("when", ["at start", "after steps"])
def test_gradients_of_the_deep_transformer(rng, when):
    for settings in (
        dict(),
        dict(hidden=0, norm=False),
        dict(position_kind="sinusoidal", norm=False),
    ):
        model = models.Transformer(
            vocab=5,
            positions=7,
            width=6,
            heads=2,
            **{"hidden": 5, **settings},
            first_query=6,
            depth=2,
        )
        sequences = rng.integers(5, size=(4, 8))
        params = model.init(rng)
        if when == "after steps":
            params = trained(model, losses.next_token_loss(model), sequences)
        for row in gradcheck.check_model(model, sequences[:, :-1], params):
            assert row.error <= gradcheck.TOLERANCE, row


def test_dropped_entries_keep_the_mean_and_chunks_take_their_own_rows(rng):
    model = models.Transformer(vocab=5, positions=9, width=12, heads=3, hidden=9, first_query=2)
    sequences, drops = rng.integers(5, size=(40, 10)), model.draw_drops(rng, 40, 9, 0.25)
    assert drops[0].shape == (40, 7, 12) and set(np.unique(drops[1])) == {0, 4 / 3}
    assert drops[0].mean() == pytest.approx(1, abs=0.05)
    params = model.init(rng)
    loss = losses.next_token_loss(model)
    whole, parts = (one(params, (sequences, *drops)) for one in (loss, losses.chunked(loss, 7)))
    assert whole[0] == pytest.approx(parts[0], rel=1e-12)
    for key in params:
        np.testing.assert_allclose(parts[1][key], whole[1][key], rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("p", [0.2, 0.6])
def test_every_mask_drops_its_share_and_keeps_the_mean(rng, p):
    block = models.Block(12, heads=3, hidden=4, first_query=2, dropped="all")
    model = models.Transformer(5, 9, 12, 3, 4, first_query=2, depth=2, dropped="all")
    masks = [*block.draw_drops(rng, 60, 9, p), *model.draw_drops(rng, 60, 9, p)]
    shapes = {"e": (60, 9, 12), "s": (60, 3, 9, 9), "1": (60, 9, 12), "2": (60, 9, 12)}
    last = {"s": (60, 3, 7, 9), "1": (60, 7, 12), "2": (60, 7, 12)}
    assert [m.shape for m in masks] == [*last.values(), *shapes.values(), *last.values()]
    for mask in masks:
        assert (np.unique(mask) == [0, 1 / (1 - p)]).all()
        spread = np.sqrt(p * (1 - p) / mask.size)  # of the share that is dropped
        assert abs((mask == 0).mean() - p) < 5 * spread
        assert abs(mask.mean() - 1) < 5 * spread / (1 - p)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: models.Transformer(5, 6, width=8, heads=3),
            "heads: expected a divisor of width = 8, got 3",
        ),
        (
            lambda: models.Transformer(5, 6, position_kind="rotary"),
            "position_kind: expected .*got 'rotary'",
        ),
        (lambda: models.Transformer(5, 6, depth=0), "depth: expected a whole number >= 1, got 0"),
        (lambda: models.Transformer(5, 6, scale=0.0), "scale: expected .* > 0 .*, got 0.0"),
        (
            lambda: forward_with(models.Transformer(5, 6), 3),
            "drops: expected at most 2, drop_1.1, drop_2.1, got 3",
        ),
        (
            lambda: models.Transformer(5, 6, first_query=6),
            "first_query: expected less than positions = 6, got 6",
        ),
        (
            lambda: models.Transformer(5, 6).draw_drops(np.random.default_rng(0), 2, 6, 1.0),
            "p: expected .* < 1, got 1.0",
        ),
    ],
)
def test_bad_settings_of_the_transformer(call, message):
    with pytest.raises(InputError, match=message):
        call()


def forward_with(model, drops):
    return model.forward(
        model.init(np.random.default_rng(0)), np.zeros((2, 6), int), *[None] * drops
    )


def trained(model, loss, batch, steps=5):
    params = model.init(np.random.default_rng(1))
    return train.train(loss, params, [batch] * steps, optim.AdamW(0.05), steps=steps)[0]


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("when", ["at start", "small start", "after steps"])
def test_gradients_of_the_minimal_model(rng, heads, when):
    small = dict(query_scale=1e-3, value_scale=1e-3) if when == "small start" else {}
    model = models.MinimalModel(vocab=4, positions=7, heads=heads, first_query=2, **small)
    sequences = rng.integers(4, size=(3, 8))
    params = model.init(rng)
    if when == "after steps":
        params = trained(model, losses.next_token_loss(model), sequences)
    for row in gradcheck.check_model(model, sequences[:, :-1], params):
        assert row.error <= gradcheck.TOLERANCE, row


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_the_attention_layer(rng, heads, masked):
    model = models.AttentionLayer(width=6, heads=heads, masked=masked)
    x = rng.normal(size=(2, 5, 6))

    def loss(params, batch):
        y, cache = model.forward(params, batch)
        return (y * y).sum(), model.backward(2 * y, cache)

    for params in (model.init(rng), trained(model, loss, x)):
        for row in gradcheck.check_model(model, x, params):
            assert row.error <= gradcheck.TOLERANCE, row


def test_every_head_of_the_minimal_model_gets_the_same_output_gradient(rng):
    """Identical heads stay identical: equal parameters have equal gradients, to the last bit."""
    model = models.MinimalModel(vocab=5, positions=6, heads=3)
    params = {key: np.repeat(w[:, :1], 3, axis=1) for key, w in model.init(rng).items()}
    logits, cache = model.forward(params, rng.integers(5, size=(4, 6)))
    for g in model.backward(rng.normal(size=logits.shape), cache).values():
        assert np.array_equal(g[:, 0], g[:, 1]) and np.array_equal(g[:, 0], g[:, 2])


def test_pack_and_unpack(device, rng):
    model = models.AttentionLayer(width=6, heads=2)
    params = device.put(model.init(rng))
    vector = models.pack(params)
    assert vector.shape == (4 * 36,)
    again = models.unpack(vector, like=params)
    assert list(again) == list(params)
    assert all(np.array_equal(to_numpy(again[key]), to_numpy(params[key])) for key in params)
    with pytest.raises(InputError, match=r"vector: expected shape \(144,\), got \(143,\)"):
        models.unpack(vector[1:], like=params)


def test_unpacking_keeps_all_leading_axes(rng):
    """Vectors of a trajectory of many runs, say: each is unpacked as if it were alone."""
    like = {"a": (2, 3), "b": np.zeros(4), "c": ()}
    vectors = rng.normal(size=(5, 6, 2, 11))
    for n in range(4):
        some = vectors[(0,) * (3 - n)]
        parts = models.unpack(some, like)
        assert {key: w.shape for key, w in parts.items()} == {
            "a": (*some.shape[:-1], 2, 3),
            "b": (*some.shape[:-1], 4),
            "c": some.shape[:-1],
        }
        for i in np.ndindex(some.shape[:-1]):
            assert parts["a"][i].ravel().tolist() == some[i][:6].tolist()
            assert parts["b"][i].tolist() == some[i][6:10].tolist() and parts["c"][i] == some[i][10]


def test_xaviers_bound_by_hand():
    assert models.xavier_bound(2, 4) == 1 and models.xavier_bound(5, 19) == 0.5


FROM_FIRST = {  # every model with queries, made with the position of the first
    "minimal": lambda n: models.MinimalModel(5, 7, heads=2, first_query=n),
    "stack": lambda n: MinimalStack(5, 7, heads=2, first_query=n, depth=2),
    "embedding": lambda n: models.EmbeddingModel(5, 4, first_query=n, scale=0.5),
    "layer": lambda n: models.AttentionLayer(8, heads=2, first_query=n),
    "unmasked layer": lambda n: models.AttentionLayer(8, heads=2, first_query=n, masked=False),
    "block": lambda n: models.Block(8, heads=2, hidden=3, first_query=n),
    "transformer": lambda n: models.Transformer(5, 7, 8, heads=2, hidden=3, first_query=n, depth=2),
}


@pytest.mark.parametrize("name", FROM_FIRST)
def test_queries_from_the_first_on_are_the_last_of_all_queries(rng, name):
    every = FROM_FIRST[name](0)
    params = every.init(rng)
    vectors = "layer" in name or name == "block"
    x = rng.normal(size=(3, 7, 8)) if vectors else rng.integers(5, size=(3, 7))
    want, all_maps = every.forward(params, x)
    for first in (1, 4, 6):
        got, maps = FROM_FIRST[name](first).forward(params, x)
        np.testing.assert_allclose(got, want[:, first:], rtol=1e-10, atol=1e-12)
        kept = all_maps.attention[..., first:, :]
        np.testing.assert_allclose(maps.attention, kept, rtol=1e-10, atol=1e-12)


READS = {  # every model, and what it reads: five tokens or vectors of six numbers
    "minimal": (models.MinimalModel(5, 6, heads=2, first_query=1), "ids"),
    "minimal on vectors": (models.MinimalModel(6, 6, heads=2, first_query=1), "vectors"),
    "embedding": (models.EmbeddingModel(5, 4, first_query=1), "ids"),
    "toy": (models.ToyLayer(5, 6, shared=2), "vectors"),
    "layer": (models.AttentionLayer(6, heads=2, first_query=1), "vectors"),
    "block": (models.Block(6, heads=2, hidden=3, activation="silu", first_query=1), "vectors"),
    "transformer": (
        models.Transformer(5, 6, width=6, heads=2, hidden=3, depth=2, position_kind="sinusoidal"),
        "ids",
    ),
    "transformer on vectors": (
        models.Transformer(6, 6, width=6, heads=2, hidden=3, first_query=2),
        "vectors",
    ),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_model_keeps_its_precision(device, rng, dtype, name):
    model, kind = READS[name]
    params = device.put(model.init(rng), dtype)
    x = device.put(
        rng.integers(5, size=(3, 5)) if kind == "ids" else rng.normal(size=(3, 5, 6)), dtype
    )
    out, cache = model.forward(params, x)
    grads = model.backward(out, cache)
    assert out.dtype == dtype and {key: (g.dtype, g.shape) for key, g in grads.items()} == {
        key: (p.dtype, p.shape) for key, p in params.items()
    }
    if hasattr(model, "backward_through"):
        assert model.backward_through(out, cache)[0].dtype == dtype


def test_a_mask_of_another_precision_is_refused(rng):
    model, _ = READS["transformer"]
    params = {key: w.astype("float32") for key, w in model.init(rng).items()}
    with pytest.raises(
        InputError, match="drop_2.1: expected float32, as what it multiplies, got float64"
    ):
        model.forward(
            params, rng.integers(5, size=(3, 6)), None, *model.draw_drops(rng, 3, 6, 0.5)[1:2]
        )
    block, _ = READS["block"]
    with pytest.raises(InputError, match="drops: expected at most 2, drop_1, drop_2, got 3"):
        block.forward(block.init(rng), rng.normal(size=(3, 5, 6)), None, None, None)


def test_a_block_is_its_layer_and_its_mlp(device, rng):
    """Without norms, with leading axes of its own, y = r + mlp(r) with r = x + layer(x)."""
    block = models.Block(6, heads=2, hidden=3, norm=False, activation="silu", first_query=2)
    params, x = block.init(rng), rng.normal(size=(4, 3, 5, 6))
    o, _ = block.layer.forward({key: params[key] for key in ("W_Q", "W_K", "W_V", "W_O")}, x)
    r = x[..., 2:, :] + o
    h = r @ params["W_1"]
    y, cache = block.forward(device.put(params), device.put(x))
    np.testing.assert_allclose(
        to_numpy(y), r + (h / (1 + np.exp(-h))) @ params["W_2"], rtol=1e-12, atol=1e-14
    )
    assert cache.attention.shape == (4, 3, 2, 3, 5)
    dx, grads = block.backward_through(device.put(np.ones_like(o)), cache)
    assert dx.shape == x.shape and grads.keys() == params.keys()


@pytest.mark.parametrize("first", [0, 6])
@pytest.mark.parametrize("leading", [(3,), (2, 3), (2, 1, 2)])
def test_leading_axes_are_free_and_gradients_add_up_over_them(rng, first, leading):
    """Each sequence by itself, (S, D), gives its part of y and of dx, and gradients that add up."""
    layer = models.AttentionLayer(6, heads=2, first_query=first)
    block = models.Block(6, heads=2, hidden=3, first_query=first, dropped="all")
    x = rng.normal(size=(*leading, 7, 6))
    shapes = (2, 7 - first, 7), (7 - first, 6), (7 - first, 6)
    masks = [(rng.random((*leading, *shape)) > 0.4) / 0.6 for shape in shapes]
    for model, drops in [(layer, []), (block, []), (block, masks), (block, [None, masks[1], None])]:
        params = model.init(rng)
        y, cache = model.forward(params, x, *drops)
        dy = rng.normal(size=y.shape)
        dx, grads = model.backward_through(dy, cache)
        summed = dict.fromkeys(grads, 0)
        for i in np.ndindex(leading):
            of_one = [None if drop is None else drop[i] for drop in drops]
            one, cache = model.forward(params, x[i], *of_one)
            np.testing.assert_allclose(y[i], one, rtol=1e-10, atol=1e-13)
            one, parts = model.backward_through(dy[i], cache)
            np.testing.assert_allclose(dx[i], one, rtol=1e-9, atol=1e-12)
            summed = {key: g + parts[key] for key, g in summed.items()}
        for key, g in grads.items():
            np.testing.assert_allclose(g, summed[key], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("leading", [(), (2,), (2, 1), (9, 9)])
def test_a_layer_reads_what_has_a_query_whatever_its_other_sizes(rng, leading):
    layer, block = models.AttentionLayer(2, first_query=4), models.Block(2, hidden=3, first_query=4)
    for model in (layer, block):
        params = model.init(rng)
        for S in (5, 6):
            y, _ = model.forward(params, rng.normal(size=(*leading, S, 2)))
            assert y.shape == (*leading, S - 4, 2)
        for S in (1, 3, 4):
            with pytest.raises(InputError, match="x: expected more than first_query = 4 tokens"):
                model.forward(params, np.ones((*leading, S, 2)))


def model():
    return models.MinimalModel(vocab=5, positions=6, first_query=2)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda p: model().forward(p, np.array([[0, 1, 5]])), r"x: expected ids in 0..4, got 5"),
        (lambda p: model().forward(p, np.array([[0, -1, 2]])), r"x: expected ids in 0..4, got -1"),
        (
            lambda p: model().forward(p, np.array([[0.0, 1.0, 2.0]])),
            r"x: expected an integer array, got dtype float64",
        ),
        (
            lambda p: model().forward(p, np.array([[0, 1]])),
            r"x: expected shape \(batch, 3 to 6 tokens\), got \(1, 2\)",
        ),
        (
            lambda p: model().forward(p, np.zeros((2, 7), int)),
            r"x: expected shape \(batch, 3 to 6 tokens\)",
        ),
        (
            lambda p: model().forward({**p, "W_V": p["W_Q"]}, np.zeros((2, 6), int)),
            r"W_V: expected shape \(11, 1, 5\)",
        ),
        (
            lambda p: models.MinimalModel(vocab=0, positions=6),
            r"vocab: expected a whole number >= 1, got 0",
        ),
        (
            lambda p: models.MinimalModel(vocab=5, positions=6, heads=1.5),
            r"heads: expected a whole number",
        ),
        (
            lambda p: models.MinimalModel(vocab=5, positions=6, first_query=6),
            r"first_query: .* in 0..5, got 6",
        ),
        (
            lambda p: models.MinimalModel(vocab=5, positions=6, query_scale=-1),
            r"query_scale: expected .*>= 0 .*, got -1",
        ),
        (
            lambda p: models.AttentionLayer(width=10, heads=3),
            r"heads: expected a divisor of width = 10, got 3",
        ),
        (
            lambda p: models.AttentionLayer(width=6).forward(p, np.ones((2, 4, 5))),
            r"x: expected shape \(..., S, 6\), got \(2, 4, 5\)",
        ),
    ],
)
def test_bad_input_is_one_clear_line(rng, call, message):
    with pytest.raises(InputError, match=message):
        call(model().init(rng))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "uint64"])
def test_ids_of_every_integer_type_mean_the_same(device, rng, dtype):
    model = models.MinimalModel(vocab=50, positions=25, heads=2)
    params, x = model.init(rng), rng.integers(50, size=(3, 25))
    want, _ = model.forward(params, x)
    got, _ = model.forward(device.put(params), device.put(x.astype(dtype)))
    np.testing.assert_allclose(to_numpy(got), want, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_layer_is_the_loop_over_heads(rng, masked):
    from test_attention import loop_over_heads

    model, x = models.AttentionLayer(width=6, heads=3, masked=masked), rng.normal(size=(2, 5, 6))
    params = model.init(rng)
    visible = np.tri(5, dtype=bool) if masked else np.ones((5, 5), bool)
    q, k, v = (np.einsum("btd,dhk->bhtk", x, params[key]) for key in ("W_Q", "W_K", "W_V"))
    r = loop_over_heads(q, k, v, visible, np.zeros((2, 3, 5, 2)))[0]
    np.testing.assert_allclose(
        model.forward(params, x)[0], np.einsum("bhtc,hcd->btd", r, params["W_O"]), rtol=1e-10
    )
    with pytest.raises(InputError, match=r"W_Q: expected shape \(6, 2, 3\), got \(6, 3, 2\)"):
        models.AttentionLayer(width=6, heads=2).forward(params, x)


def test_weights_start_uniform_within_their_scales(rng):
    D = 40 + 60
    for settings, query, value in [
        ({}, np.sqrt(3 / D), np.sqrt(3 / D)),
        (dict(query_scale=1e-9), 1e-9, np.sqrt(3 / D)),
        (dict(value_scale=0.0), np.sqrt(3 / D), 0.0),
        (dict(query_scale=0.2, value_scale=0.5), 0.2, 0.5),
    ]:
        params = models.MinimalModel(vocab=40, positions=60, heads=2, **settings).init(rng)
        for key, scale in (("W_Q", query), ("W_V", value)):
            w = params[key]
            assert np.abs(w).max() <= scale and np.abs(w).max() >= 0.99 * scale
            assert abs(w.mean()) <= 0.05 * scale and w.std() == pytest.approx(
                scale / np.sqrt(3), rel=0.05
            )
    layer = models.AttentionLayer(width=30, heads=3).init(rng)
    assert all(0.98 < np.abs(w).max() / np.sqrt(0.1) <= 1 for w in layer.values())


def test_sizes_of_a_narrow_type_are_sizes(rng):
    narrow = np.int8
    model = models.MinimalModel(narrow(100), narrow(100), narrow(2), narrow(3))
    assert model.width == 200 and type(model.first_query) is int
    assert models.ToyLayer(9, 4, np.uint8(2)).scores_backward(np.ones((1, 9))).tolist() == [2]
    deep = models.Transformer(
        np.uint8(5), np.uint8(6), np.uint8(6), np.uint8(2), np.uint8(4), np.uint8(3), np.uint8(2)
    )
    wide = models.Transformer(5, 6, 6, 2, 4, 3, 2)
    x, params = rng.integers(5, size=(2, 5)), wide.init(rng)
    assert np.array_equal(deep.forward(params, x)[0], wide.forward(params, x)[0])
    assert AssociativeRecall(np.int8(70), np.int8(100)).length == 141
    draw = lambda places: regression.draw_task(np.random.default_rng(0), 9, 4, places).sample(
        np.random.default_rng(1), 5
    )
    assert all(np.array_equal(one, other) for one, other in zip(draw(2), draw(np.uint8(2))))
    chains = [
        markov.draw_chain(np.random.default_rng(0), 5, spans)
        for spans in ((90,) * 4, np.array([90] * 4, "uint8"))
    ]
    assert chains[0].blocks == chains[1].blocks


def test_flows_and_texts_keep_what_they_were_made_of():
    pi, m, T, ids = (
        np.array([0.5, 0.3, 0.2]),
        np.array([2.0, 1.0]),
        np.array([32.0, 64.0]),
        np.array([0, 1, 1]),
    )
    focus, numbers, corpus = (
        FocusDilution(pi, 0.5, 2),
        TwoNumbers(T, 8.0),
        text.Corpus(ids, ("a", "b")),
    )
    heads = Factorization(m, np.eye(2), np.eye(2, 4))
    before = [focus.P.copy(), heads.G.copy(), numbers.snap_time.copy(), corpus.counts.copy()]
    pi[:], m[:], T[:], ids[:] = 1 / 3, 9, 0.5, 0
    after = [
        FocusDilution.P.func(focus),
        Factorization.G.func(heads),
        numbers.snap_time,
        text.Corpus.counts.func(corpus),
    ]
    assert all(np.array_equal(one, other) for one, other in zip(before, after))


def test_with_one_hot_positions_the_map_of_score_gradients_is_a_block_of_the_gradient_of_W_Q(rng):
    """dW_Q[position t, position j] = sum over sequences of da[t, j] / sqrt(D): what lesson 03 draws."""
    model = models.MinimalModel(5, 7, heads=1, first_query=2)
    params, x = model.init(rng), rng.integers(5, size=(30, 8))
    logits, cache = model.forward(params, x[:, :-1])
    _, errors = ops.cross_entropy_forward(logits, x[:, 3:])
    dlogits = ops.cross_entropy_backward(1.0, errors)
    da, _ = attention.attend_backward(dlogits[None], cache.attend)
    block = model.backward(dlogits, cache)["W_Q"][5 + 2 :, 0, 5:]
    np.testing.assert_allclose(
        block, da[0].sum(axis=0) / np.sqrt(model.width), rtol=1e-10, atol=1e-14
    )


def test_what_is_dropped_where(rng):
    """Every mask of "all" multiplies what its name says, by a witness of one layer in loops."""
    model = models.Transformer(
        5, 4, width=6, heads=2, hidden=0, norm=False, dropped="all", bias=False
    )
    params = {key: rng.normal(size=shape) for key, shape in model.shapes.items()}
    x = rng.integers(5, size=(3, 4))
    drop_e, drop_s, drop_1 = model.draw_drops(rng, 3, 4, 0.4)
    assert [mask.shape for mask in (drop_e, drop_s, drop_1)] == [(3, 4, 6), (3, 2, 4, 4), (3, 4, 6)]
    assert {*np.unique(drop_s)} == {0, 1 / 0.6} and "c_U" not in params
    logits, cache = model.forward(params, x, drop_e, drop_s, drop_1)
    e = drop_e * (params["W_E"][x] + params["W_P"])
    written = 0 * e
    for b, t, h in np.ndindex(3, 4, 2):
        q, k, v = (e[b] @ params[f"W_{name}.1"][:, h] for name in "QKV")
        s = np.exp(k[: t + 1] @ q[t] / np.sqrt(3))
        np.testing.assert_allclose(cache.attention[b, h, t, : t + 1], s / s.sum())
        written[b, t] += (drop_s[b, h, t, : t + 1] * s / s.sum()) @ v[: t + 1] @ params["W_O.1"][h]
    np.testing.assert_allclose(logits, (e + drop_1 * written) @ params["W_U"], rtol=1e-9)
    plain = models.Transformer(5, 4, width=6, heads=2, hidden=0, norm=False, bias=False)
    np.testing.assert_array_equal(model.forward(params, x)[0], plain.forward(params, x)[0])


def test_starts_of_the_transformer(rng):
    settings = dict(vocab=40, positions=30, width=60, heads=3, hidden=50, depth=2)
    start = models.Transformer(**settings, scale="orthonormal", position_size=1.3).init(rng)
    np.testing.assert_allclose(start["W_E"] @ start["W_E"].T, np.eye(40), atol=1e-12)
    assert np.sqrt((start["W_P"] ** 2).sum(axis=1).mean()) == pytest.approx(1.3, rel=0.05)
    start = models.Transformer(**settings, scale="fan_in").init(rng)
    for key, summed in {
        "W_E": 40,
        "W_Q.1": 60,
        "W_O.2": 60,
        "W_1.1": 60,
        "W_2.2": 50,
        "W_U": 60,
    }.items():
        assert 0.97 / np.sqrt(summed) < np.abs(start[key]).max() <= 1 / np.sqrt(summed), key
    assert not start["c_1.1"].any() and (start["g_1.2"] == 1).all()
    default = models.Transformer(**settings).init(np.random.default_rng(3))
    same = models.Transformer(**settings, position_size=np.sqrt(30)).init(np.random.default_rng(3))
    np.testing.assert_allclose(same["W_P"], default["W_P"])  # as a token: sqrt(width) * scale
    with pytest.raises(
        ValueError, match="scale: expected another where vocab exceeds width = 6, got 'orthonormal'"
    ):
        models.Transformer(7, 4, width=6, heads=2, scale="orthonormal")
    with pytest.raises(
        ValueError, match='scale: expected "orthonormal" or "fan_in", got \'lecun\''
    ):
        models.Transformer(7, 4, width=6, heads=2, scale="lecun")


def test_uniform_starts_fill_their_bounds_on_both_sides(rng):
    """Xavier's sqrt(6 / (numbers in + numbers out)), or 1 / sqrt(numbers summed), with mean 0."""
    X = lambda n, m: np.sqrt(6 / (n + m))
    layer = dict.fromkeys(("W_Q", "W_K", "W_V", "W_O"), X(60, 60))
    block = layer | {"W_1": X(60, 40), "W_2": X(40, 60)}
    both = {f"{key}.{i}": bound for key, bound in block.items() for i in (1, 2)}
    summed = {"W_E": 50, "W_U": 60} | {key: 40 if key[2] == "2" else 60 for key in both}
    stack = {"W_Q.1": 0.3, "W_V.1": 0.2, "W_Q.2": 0.3, "W_V.2": 0.2}
    deep = dict(vocab=50, positions=30, width=60, heads=3, hidden=40, depth=2, outputs=20)
    for model, bounds in [
        (models.AttentionLayer(60, heads=3), layer),
        (models.Block(60, heads=3, hidden=40), block),
        (models.MinimalModel(30, 30, 2), {"W_Q": X(60, 60), "W_V": X(60, 60)}),
        (MinimalStack(30, 30, 2), dict.fromkeys(stack, X(60, 60))),
        (MinimalStack(30, 30, 2, query_scale=0.3, value_scale=0.2), stack),
        (models.Transformer(**deep), both | {"W_U": X(60, 20)}),
        (models.Transformer(**deep, scale="fan_in"), {key: n**-0.5 for key, n in summed.items()}),
    ]:
        start = model.init(rng)
        for key, bound in bounds.items():
            w = start[key] / bound
            assert -1 <= w.min() < -0.97 and 0.97 < w.max() <= 1, key
            assert abs(w.mean()) < 5 / np.sqrt(3 * w.size), key


def test_normal_starts_have_mean_zero_and_their_scale(rng):
    learned = dict(vocab=50, positions=40, width=60, heads=3)
    for model, scales in [
        (models.EmbeddingModel(50, 60, scale=0.2), dict.fromkeys(("W0", "W1", "W_Q", "W_K"), 0.2)),
        (models.Transformer(**learned), {"W_E": np.sqrt(0.5), "W_P": np.sqrt(0.5)}),
        (models.Transformer(**learned, scale=0.2), {"W_E": 0.2, "W_P": 0.2}),
        (models.Transformer(**learned, position_size=3.0), {"W_P": 3 / np.sqrt(60)}),
        (models.Transformer(**learned, scale="orthonormal"), {"W_P": 1 / np.sqrt(60)}),
    ]:
        start = model.init(rng)
        for key, scale in scales.items():
            w = start[key] / scale
            assert abs(w.mean()) < 5 / np.sqrt(w.size), key
            assert abs((w * w).mean() - 1) < 5 * np.sqrt(2 / w.size), key


@pytest.mark.parametrize("size", [None, 2.5])
def test_sinusoidal_positions_are_learned_ones_with_sines_and_cosines_in_their_place(rng, size):
    """Numbers 2i and 2i + 1 turn by 1 / 10000^(2i / width) a place; all have one length."""
    settings = dict(vocab=5, positions=9, width=6, heads=2, hidden=3)
    learned = models.Transformer(**settings)
    sines = models.Transformer(**settings, position_kind="sinusoidal", position_size=size)
    params = learned.init(rng)
    for s, i in np.ndindex(9, 3):
        angle = s / 10000 ** (2 * i / 6)
        params["W_P"][s, 2 * i : 2 * i + 2] = np.sin(angle), np.cos(angle)
    params["W_P"] *= (1 if size is None else size) / np.sqrt(3)  # three pairs of length 1
    x = rng.integers(5, size=(2, 7))
    fixed = {key: w for key, w in params.items() if key != "W_P"}
    got, want = sines.forward(fixed, x)[0], learned.forward(params, x)[0]
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)


def test_a_width_of_one_has_room_for_positions_unless_they_are_directions(rng):
    settings = dict(vocab=5, positions=6, width=1, heads=1, hidden=2)
    x = rng.integers(5, size=(2, 6))
    for kind in ("learned", "none"):
        model = models.Transformer(**settings, position_kind=kind)
        assert model.forward(model.init(rng), x)[0].shape == (2, 6, 5)
    with pytest.raises(InputError, match="width: expected at least 2 for sinusoidal positions"):
        models.Transformer(**settings, position_kind="sinusoidal")
    wide = models.Transformer(**{**settings, "width": 2}, position_kind="sinusoidal")
    assert np.isfinite(wide.forward(wide.init(rng), x)[0]).all()


def test_token_maps_are_what_heads_add_to_the_logits_of_a_lone_token(rng):
    """It sees itself alone, so that attention is 1; its place adds the same to every token."""
    V, tokens = 5, np.arange(5)[:, None]
    bare = dict(vocab=V, positions=4, width=6, heads=2, hidden=0, norm=False)
    minimal = models.MinimalModel(V, 4, 3), MinimalStack(V, 4, 3, depth=1)
    for model in (*minimal, models.Transformer(**bare)):
        params = model.init(rng)
        logits, maps = model.forward(params, tokens)[0][:, 0], model.token_maps(params)
        if isinstance(model, models.Transformer):  # the residual sum passes the token on as well
            logits = logits - params["W_E"] @ params["W_U"]
        assert maps.shape == (model.heads, V, V)
        np.testing.assert_allclose(
            logits - logits[0],
            maps.sum(axis=0) - maps.sum(axis=0)[0],
            rtol=1e-10,
            atol=1e-12,
        )
    deep = MinimalStack(V, 4, 3, depth=2)
    params = deep.init(rng)
    for h, token in np.ndindex(3, V):
        assert deep.token_maps(params)[h, token].tolist() == params["W_V.2"][token, h].tolist()


def test_a_stack_of_one_is_the_minimal_model_and_layers_read_each_other(device, rng):
    one, single = MinimalStack(5, 6, 2, 2, depth=1), models.MinimalModel(5, 6, 2, 2)
    params, x = one.init(np.random.default_rng(1)), rng.integers(5, size=(3, 6))
    same = {key.removesuffix(".1"): value for key, value in params.items()}
    logits, cache = one.forward(device.put(params), device.put(x))
    want, wanted = single.forward(same, x)
    np.testing.assert_allclose(to_numpy(logits), want, rtol=1e-10)
    np.testing.assert_allclose(to_numpy(cache.attention), wanted.attention, rtol=1e-10)
    two = MinimalStack(5, 6, 2, 2, depth=2)
    params, inputs = (
        two.init(rng),
        np.concatenate([np.eye(5)[x], np.broadcast_to(np.eye(6), (3, 6, 6))], axis=2),
    )
    for i in (1, 2):
        a = np.einsum("btd,dhe,bse->bhts", inputs, params[f"W_Q.{i}"], inputs) / np.sqrt(11)
        s = np.exp(np.where(np.tri(6, dtype=bool), a, -np.inf))
        inputs = np.einsum(
            "bhts,bsd,dhc->btc", s / s.sum(axis=-1, keepdims=True), inputs, params[f"W_V.{i}"]
        )
    logits, cache = two.forward(params, x)
    np.testing.assert_allclose(logits, inputs[:, 2:], rtol=1e-9)
    assert [a.shape for a in cache.attentions] == [(3, 2, 6, 6), (3, 2, 4, 6)]


def test_without_settings_a_model_has_one_head_and_a_query_at_every_place(rng):
    """Sizes alone: what a model is by itself, seen in its maps (..., H, T, S) and in the numbers it starts from."""
    ids, vectors = rng.integers(3, size=(2, 4)), rng.normal(size=(2, 4, 5))
    for model, x in (
        (models.MinimalModel(3, 4), ids),
        (MinimalStack(3, 4), ids),
        (models.EmbeddingModel(3, 5), ids),
        (models.AttentionLayer(5), vectors),
        (models.Block(5), vectors),
    ):
        _, cache = model.forward(model.init(rng), x)
        assert cache.attention.shape == (2, 1, 4, 4)
        np.testing.assert_allclose(np.triu(cache.attention, 1), 0)
    start = models.EmbeddingModel(30, 20).init(rng)
    numbers = np.concatenate([w.ravel() for w in start.values()])
    assert numbers.std() == pytest.approx(1e-3, rel=5 / np.sqrt(2 * numbers.size))
    stack = MinimalStack(3, 4).init(rng)
    assert stack.keys() == {"W_Q.1", "W_V.1", "W_Q.2", "W_V.2"}
