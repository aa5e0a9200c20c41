import numpy as np
import pytest

from tinyattn import measure
from tinyattn.errors import InputError
from tinyattn.tasks import markov


def law_by_hand(chain, past, blocks=None):
    """softmax((1/tau) sum_k A_k sum_i c_i x_{t-i}), every sum a loop; `past` is the tokens before t, oldest first."""
    z = np.zeros(chain.vocab)
    for k in range(len(chain.blocks) if blocks is None else blocks):
        for lag, c in zip(chain.blocks[k], chain.weights[k]):
            z += chain.matrices[k] @ (c * np.eye(chain.vocab)[past[-lag]])
    e = np.exp((z - z.max()) / chain.temperature)
    return e / e.sum()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        dict(blocks=[[3]]),
        dict(spans=(4, 4, 4), stride=2, reverse=True),
        dict(spans=(2, 2), lag_weights=(0.7, 0.3), temperature=0.5),
        dict(
            spans=(1, 3), lag_weights=((1,), (0.5, 0.3, 0.2)), matrices="frobenius", importance=1.3
        ),
    ],
)
def test_the_law_and_its_truncations(rng, settings):
    chain = markov.draw_chain(rng, vocab=6, **settings)
    x = rng.integers(6, size=(3, chain.order + 2))
    for blocks in [None, *range(len(chain.blocks) + 1)]:
        log_probs = chain.log_probs(x, blocks)
        assert log_probs.shape == (3, 3, 6)
        for n, j in np.ndindex(3, 3):
            want = law_by_hand(chain, x[n, : chain.order + j], blocks)
            np.testing.assert_allclose(np.exp(log_probs[n, j]), want, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(chain.log_probs(x, 0), -np.log(6))


def test_settings_of_the_paper(rng):
    chain = markov.draw_chain(rng)
    assert (chain.vocab, chain.temperature, chain.order) == (50, 0.1, 6)
    assert chain.blocks == ((1, 2), (3, 4), (5, 6)) and chain.weights == ((1.0, 1.0),) * 3
    for A, scale in zip(chain.matrices, (1.7**2, 1.7, 1)):
        np.testing.assert_allclose(np.linalg.svd(A)[1], scale, rtol=1e-12)
    far = markov.draw_chain(rng, reverse=True, importance=2.0)
    np.testing.assert_allclose(np.linalg.norm(far.matrices, axis=(1, 2)) / np.sqrt(50), [1, 2, 4])
    assert markov.draw_chain(rng, spans=(4, 4, 4), stride=2).blocks == (
        (1, 2, 3, 4),
        (3, 4, 5, 6),
        (5, 6, 7, 8),
    )


def test_frobenius_orthogonal_matrices(rng):
    A = markov.draw_chain(rng, vocab=7, importance=1.0, matrices="frobenius").matrices
    np.testing.assert_allclose(np.einsum("kuv,luv->kl", A, A), 7 * np.eye(3), atol=1e-12)


def test_orthogonal_matrices_are_uniform(rng):
    """The trace of a Haar-distributed orthogonal matrix has mean 0 and variance 1; plain QR has neither."""
    traces = np.trace(markov.orthogonal(rng, 4000, 5), axis1=1, axis2=2)
    assert abs(traces.mean()) < 0.08 and abs(traces.var() - 1) < 0.1


def test_sampled_sequences_follow_the_exact_law(rng):
    """Chi-square of the token after each of the 16 contexts of a small chain, and of its uniform start."""
    chain = markov.draw_chain(rng, vocab=4, spans=(1, 1), temperature=0.7)
    x = chain.sample(rng, 40000, 4)
    assert (x.shape, x.dtype) == ((40000, 4), np.int64)
    start = np.bincount(x[:, 0] * 4 + x[:, 1], minlength=16)
    assert (
        (start - 2500) ** 2 / 2500
    ).sum() < 37.7  # 0.1% point of chi-square, 15 degrees of freedom
    for context in np.ndindex(4, 4):
        for t in (2, 3):
            tokens = x[(x[:, t - 2 : t] == context).all(axis=1), t]
            expected = len(tokens) * np.exp(chain.log_probs(np.array([context]))[0, 0])
            assert (
                (np.bincount(tokens, minlength=4) - expected) ** 2 / expected
            ).sum() < 24  # 3 degrees, p = 2.5e-5


def test_cross_entropy_of_samples_is_the_entropy_of_the_law(rng):
    chain = markov.draw_chain(rng)
    x = chain.sample(rng, 3000, 26)
    log_probs = chain.log_probs(x[:, :-1])
    loss = -np.take_along_axis(log_probs, x[:, 6:, None], -1).mean()
    assert loss == pytest.approx(measure.entropy(log_probs).mean(), rel=0.01)


def test_a_temperature_near_zero_stays_finite(rng):
    chain = markov.draw_chain(rng, vocab=5, temperature=1e-4)
    x = chain.sample(rng, 200, 9)
    law = np.exp(chain.log_probs(x[:, :-1]))
    assert np.isfinite(law).all() and (law.argmax(axis=-1) == x[:, 6:]).mean() > 0.99


def test_a_seed_means_one_data_set():
    first, second = (markov.draw_chain(np.random.default_rng(3)) for _ in range(2))
    x, y = (chain.sample(np.random.default_rng(4), 1200, 9) for chain in (first, second))
    assert np.array_equal(first.matrices, second.matrices) and np.array_equal(x, y)


def test_regression_targets_are_the_drive_of_gaussian_tokens(rng):
    chain = markov.draw_chain(rng, vocab=5, spans=(2, 1), lag_weights=((0.7, 0.3), (1.0,)))
    x, y = chain.sample_regression(rng, 2000, 6)
    assert x.shape == (2000, 6, 5) and y.shape == (2000, 4, 5)
    A, B = chain.matrices
    np.testing.assert_allclose(
        y[:, 1], (0.7 * x[:, 3] + 0.3 * x[:, 2]) @ A.T + x[:, 1] @ B.T, rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(np.cov(x.reshape(-1, 5).T), np.eye(5), atol=0.05)
    np.testing.assert_allclose(
        chain.drive(x, blocks=1)[:, 0], (0.7 * x[:, 2] + 0.3 * x[:, 1]) @ A.T, atol=1e-12
    )


@pytest.mark.parametrize("n", [30, 32, 40])
def test_an_exact_sample_has_the_moments_of_the_population(rng, n):
    chain = markov.draw_chain(rng, vocab=3, spans=(2, 1))
    x, y = chain.sample_regression(rng, n, 5, exact=True)
    flat = x.reshape(n, -1)
    np.testing.assert_allclose(flat.T @ flat / n, np.eye(15), atol=1e-12)
    assert (
        np.abs(flat.sum(axis=0)).max() < 1e-12
        and np.abs(np.einsum("ni,nj,nk", flat, flat, flat)).max() < 1e-9
    )
    np.testing.assert_allclose(y, chain.drive(x), atol=1e-12)
    for n in (28, 31, 33, 45):
        with pytest.raises(
            InputError, match=f"n: expected an even number of at least 2 length vocab = 30, got {n}"
        ):
            chain.sample_regression(rng, n, 5, exact=True)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(spans=(2, -1)), r"spans: expected a whole number >= 1, got -1"),
        (dict(spans=(2, 0.5)), r"spans: expected"),
        (dict(spans=()), r"spans: expected"),
        (dict(temperature=0), "temperature: expected a finite number > 0, got 0"),
        (dict(temperature=-0.1), "temperature: expected a finite number > 0, got -0.1"),
        (dict(importance=float("nan")), "importance: expected"),
        (dict(vocab=1), "vocab: expected a whole number >= 2, got 1"),
        (dict(stride=0), "stride: expected"),
        (dict(blocks=[[1], []]), "blocks: expected at least one lag"),
        (dict(blocks=[[0]]), "blocks: lag: expected a whole number >= 1, got 0"),
        (dict(blocks=[[1, 1]]), "blocks: expected different lags"),
        (dict(blocks=3), "blocks: expected lists of lags, got 3"),
        (
            dict(lag_weights=(0.7, 0.2, 0.1)),
            r"lag_weights: expected one number for each lag of blocks of \[2, 2, 2\]",
        ),
        (dict(lag_weights=(0.7, float("inf"))), "lag_weights: expected a finite number"),
        (dict(matrices="random"), "matrices: expected .*, got 'random'"),
        (
            dict(vocab=2, blocks=[[1], [2], [3], [4], [5]], matrices="frobenius"),
            "blocks: expected at most",
        ),
    ],
)
def test_bad_settings_are_one_clear_line(rng, settings, message):
    with pytest.raises(InputError, match=message):
        markov.draw_chain(rng, **{"vocab": 5, **settings})


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda c, rng: c.sample(rng, 3, 6), "length: expected a whole number >= 7, got 6"),
        (lambda c, rng: c.sample(rng, 0, 8), "n: expected a whole number >= 1, got 0"),
        (
            lambda c, rng: c.log_probs(np.zeros((2, 5), int)),
            "x: expected sequences of at least order = 6 tokens, got 5",
        ),
        (
            lambda c, rng: c.log_probs(np.zeros((2, 7))),
            "x: expected an integer array, got dtype float64",
        ),
        (lambda c, rng: c.log_probs(np.full((2, 7), 50)), "x: expected ids in 0..49, got 50"),
        (
            lambda c, rng: c.log_probs(np.zeros((2, 7), int), blocks=4),
            "blocks: expected a whole number in 0..3, got 4",
        ),
    ],
)
def test_bad_sequences_are_one_clear_line(rng, call, message):
    with pytest.raises(InputError, match=message):
        call(markov.draw_chain(rng), rng)


@pytest.mark.parametrize("settings, name", [
    (dict(temperature=1e-309), "temperature"), (dict(temperature=1e-200), "temperature"),
    (dict(importance=1e200), "importance"),
    (dict(importance=1e-200), "importance"), (dict(importance=1e90, spans=(1, 1, 1)), "importance"),
    (dict(importance=1e90, spans=(1, 1, 1), reverse=True), "importance"), (dict(lag_weights=1e300, spans=(1,)), "temperature"),
])  # fmt: skip
def test_a_law_that_would_not_be_finite_is_refused(rng, settings, name):
    with pytest.raises(InputError, match=f"^{name}: expected one"):
        markov.draw_chain(rng, 5, **{"spans": (1, 1), **settings})


@pytest.mark.parametrize(
    "settings",
    [
        dict(temperature=1e-140),
        dict(temperature=1e300),
        dict(importance=1e70),
        dict(importance=1e-70),
    ],
)
def test_laws_at_the_edge_are_laws(rng, settings):
    chain = markov.draw_chain(rng, 5, (1, 1), **settings)
    p = np.exp(chain.log_probs(chain.sample(rng, 20, 6)))
    assert np.isfinite(p).all() and p.sum(axis=-1) == pytest.approx(1)


def test_a_chain_is_what_it_says():
    A = np.ones((2, 3, 3))
    for change, message in [
        (dict(matrices=np.full((2, 3, 3), np.nan)), "matrices: expected finite numbers"),
        (dict(matrices=np.ones((2, 3, 4))), "matrices: expected .h, V, V."),
        (dict(matrices=0 * A), "matrices: expected each to hold some number"),
        (dict(blocks=((1,),)), "blocks: expected one for each of 2 matrices"),
        (dict(blocks=((0,), (1,))), "blocks: lag: expected a whole number >= 1, got 0"),
        (dict(weights=((1.0,), (1.0, 2.0))), "weights: expected one number for each lag"),
        (dict(weights=((1.0,), (np.nan,))), "weights: expected a finite number"),
        (dict(temperature=0), "temperature: expected a finite number > 0, got 0"),
    ]:
        settings = dict(matrices=A, blocks=((1,), (2,)), weights=((1.0,), (1.0,)), temperature=1.0)
        with pytest.raises(InputError, match=message):
            markov.MarkovChain(**{**settings, **change})


def test_repetition_favours_two_tokens_in_the_context_and_leaves_the_law(rng):
    """With p = 0.4 tokens 0 and 1 come with probability 0.4 / 2 + 0.6 / 4, others 0.6 / 4."""
    n = 20000
    chain = markov.draw_chain(rng, vocab=4, spans=(1, 1), temperature=0.7)
    x = chain.sample(rng, n, 3, p=0.4)
    for t in (0, 1):
        shares = np.bincount(x[:, t], minlength=4) / n
        assert shares == pytest.approx([0.35, 0.35, 0.15, 0.15], abs=5 * 0.5 / np.sqrt(n))
    law = np.exp(chain.log_probs(x[:, :2])[:, 0])
    assert np.bincount(x[:, 2]) / n == pytest.approx(law.mean(axis=0), abs=5 * 0.5 / np.sqrt(n))


def test_blocks_may_come_in_any_order_and_as_many_as_there_are_directions(rng):
    chain = markov.draw_chain(rng, vocab=2, blocks=[[4, 1], [3], [2], [1]], matrices="frobenius")
    assert chain.order == 4, "the largest lag of all, not of the last block"
    x = rng.integers(2, size=(3, 5))
    for n, j in np.ndindex(3, 2):
        want = law_by_hand(chain, x[n, : 4 + j])
        np.testing.assert_allclose(np.exp(chain.log_probs(x)[n, j]), want, rtol=1e-9, atol=1e-15)


def test_a_law_of_some_blocks_is_that_of_a_chain_without_the_others(rng):
    chain = markov.draw_chain(rng, vocab=5, spans=(1, 2, 1))
    x = rng.integers(5, size=(4, 6))
    A, one = chain.matrices[[0, 2]], ((1.0,), (1.0,))
    first_and_last = markov.MarkovChain(A, ((1,), (4,)), one, chain.temperature)
    np.testing.assert_allclose(chain.log_probs(x, [0, 2]), first_and_last.log_probs(x), atol=1e-12)
    np.testing.assert_allclose(chain.log_probs(x, [2, 0]), chain.log_probs(x, [0, 2]), atol=1e-12)
