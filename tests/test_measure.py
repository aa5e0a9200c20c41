import numpy as np
import pytest

from tinyattn import attention, measure
from tinyattn.errors import InputError
from tinyattn.ops import log_softmax, softmax_forward


def test_entropy_and_kl(rng):
    p, q = log_softmax(rng.normal(size=(2, 3, 5))), log_softmax(rng.normal(size=(2, 3, 5)))
    np.testing.assert_allclose(measure.entropy(np.log(np.full((2, 4), 0.25))), np.log(4))
    np.testing.assert_allclose(measure.kl(p, p), 0, atol=1e-15)
    cross_entropy = -(np.exp(p) * q).sum(axis=-1)
    np.testing.assert_allclose(measure.kl(p, q), cross_entropy - measure.entropy(p), rtol=1e-12)
    assert (measure.kl(p, q) > 0).all()
    with pytest.raises(InputError, match="log_q: expected shape"):
        measure.kl(p, q[0])


def test_lag_attention_is_the_mean_over_queries_that_see_so_far(rng):
    T, S = 4, 6
    s, _ = softmax_forward(np.where(attention.causal(T, S), rng.normal(size=(2, 3, T, S)), -np.inf))
    by_lag = measure.lag_attention(s)
    assert by_lag.shape == (2, 3, S)
    for lag in range(1, S + 1):
        # The query at position p predicts token p+1, so lag i is the key at p+1-i.
        picked = [s[..., p - 2, p + 1 - lag] for p in range(2, 6) if p + 1 - lag >= 0]
        np.testing.assert_allclose(by_lag[..., lag - 1], np.mean(picked, axis=0))


def test_span_mass(rng):
    s = np.zeros((3, 2, 4, 6))
    for t in range(4):
        s[:, 0, t, t + 2] = 0.75  # lag 1
        s[:, 0, t, t + 1] = 0.25  # lag 2
        s[:, 1, t, t] = 1  # lag 3
    mass = measure.span_mass(s, [(1, 2), (3,)])
    assert mass.tolist() == [[1, 0], [0, 1]]
    s[0] = np.eye(4, 6)  # one sequence of three looks three back
    assert measure.span_mass(s, [(1, 2), (3,)])[0] == pytest.approx([2 / 3, 1 / 3])
    with pytest.raises(InputError, match=r"blocks: lag: expected a whole number in 1..6, got 7"):
        measure.span_mass(s, [(7,)])
    early = np.tri(4)[None, None] / np.arange(1, 5)[:, None]  # uniform, from the first query on
    want = [(1 + 1 / 2 + 1 / 3 + 2 / 4) / 4, (1 / 2 + 2 / 3 + 2 / 4) / 4]
    assert measure.span_mass(early, [(1, 4), (2, 3)])[0] == pytest.approx(want)
    assert measure.span_mass(early, [(1, 2, 3, 4)])[0] == pytest.approx([1])


def test_plateau_length_is_the_first_crossing():
    t = np.array([0.0, 1.0, 2.0, 3.0])
    loss = np.array([[0.5, 0.5, 0.1], [0.4, 0.5, 0.5], [0.2, 0.5, 0.5], [0.5, 0.4, 0.5]])
    np.testing.assert_allclose(measure.plateau_length(t, loss, 0.3), [1.5, np.nan, 0])
    assert measure.plateau_length(t, loss[:, 0], 0.3) == 1.5
    for bad in [(t[:1], loss[:1]), (t, loss[:3]), (t[::-1], loss), (t, loss * np.nan)]:
        with pytest.raises(InputError):
            measure.plateau_length(*bad, 0.3)


def test_power_law_fit(rng):
    T, d = (grid.ravel() for grid in np.meshgrid([8.0, 16, 32, 64], [2.0, 4, 8]))
    law = measure.fit_power_law(1.5 * T**0.97 * d**0.5, T=T, d=d)
    assert (law.C, law.exponents["T"], law.exponents["d"], law.r2) == pytest.approx(
        (1.5, 0.97, 0.5, 1)
    )
    fits = [
        measure.fit_power_law(T**2 * np.exp(0.1 * rng.normal(size=T.size)), T=T, d=d)
        for _ in range(2000)
    ]
    for name in ("T", "d"):  # the standard error is the spread of the estimate
        spread = np.std([fit.exponents[name] for fit in fits])
        assert np.sqrt(np.mean([fit.errors[name] ** 2 for fit in fits])) == pytest.approx(
            spread, rel=0.08
        )
    for bad, message in [
        (dict(y=-T, T=T), "y: expected 12 positive"), (dict(y=T, T=0 * T), "T: expected 12 positive"),
        (dict(y=T[:2], T=T[:2]), "y: expected more than 2 points"), (dict(y=T, T=T[:3]), "x: expected shapes"),
        (dict(y=T, C=T), "no name C"), (dict(y=T, T=T, d=2 * T), "x: expected T, d to vary"),
    ]:  # fmt: skip
        with np.errstate(all="ignore"), pytest.raises(InputError, match=message):
            measure.fit_power_law(**bad)


def test_laws_with_impossible_outcomes():
    with np.errstate(divide="ignore"):
        p, q = np.log(np.array([0.5, 0.5, 0.0])), np.log(np.array([0.25, 0.5, 0.25]))
    assert measure.entropy(p) == pytest.approx(np.log(2)) and measure.kl(p, q) == pytest.approx(
        0.5 * np.log(2)
    )
    assert measure.kl(q, p) == np.inf and measure.kl(p, p) == 0


def test_turns_are_falls_rises_and_falls():
    knots = lambda *values: np.interp(
        np.linspace(0, len(values) - 1, 101), np.arange(len(values)), values
    )
    bottom, top, second = measure.turns(knots(4, 1, 3, 0), 0.5)[0]
    assert (bottom, top) == (33, 67) and second == 100
    assert measure.turns(knots(4, 1, 3, 0), 2.5) == []
    assert (
        measure.turns(knots(4, 1, 3), 0.5)
        == []
        == measure.turns(knots(0, 3, 0), 0.5)
        == measure.turns(knots(4, 0), 0.5)
    )
    assert [len(turn) for turn in measure.turns(knots(4, 1, 3, 0, 2, 1), 0.5)] == [3, 3]
    noisy = knots(4, 1, 1, 1) + 0.05 * np.random.default_rng(0).normal(size=101)
    assert measure.turns(noisy, 0.5) == []
    for wrong in (dict(curve=np.ones((2, 2)), minimum=1), dict(curve=np.ones(3), minimum=0)):
        with pytest.raises(InputError, match="expected"):
            measure.turns(**wrong)


def test_effective_rank():
    assert measure.effective_rank(
        np.array([[2.0, 2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    ) == pytest.approx([2, 1, 0])


def test_r2_is_the_share_of_the_scatter_that_the_law_explains(rng):
    """log y = 0, 0, 3 at log x = -1, 0, 1: the line 1 + 1.5 log x misses by 0.5, -1, 0.5."""
    law = measure.fit_power_law(np.exp([0.0, 0, 3]), x=np.exp([-1.0, 0, 1]))
    assert (law.C, law.exponents["x"]) == pytest.approx((np.e, 1.5))
    assert law.r2 == pytest.approx(1 - 1.5 / 6), "6 is the scatter about the mean, 1"
    assert (law.errors["C"], law.errors["x"]) == pytest.approx((np.sqrt(1.5 / 3), np.sqrt(1.5 / 2)))
    x, noise = 2.0 ** np.arange(8), np.exp(rng.normal(size=8))
    law = measure.fit_power_law(5 * x * noise, x=x)
    assert law.r2 == pytest.approx(np.corrcoef(np.log(x), np.log(x * noise))[0, 1] ** 2)
    assert measure.fit_power_law(np.ones(4), x=x[:4]).r2 == 1, "nothing is left to explain"


def test_turns_by_hand():
    assert measure.turns(np.array([5.0, 1, 4, 2, 6, 0]), 1.5) == [(1, 2, 3), (3, 4, 5)]
    assert measure.turns(np.array([3.0, 1, 2, 1]), 1.0) == [(1, 2, 3)], "a fall of `least` is one"
    assert measure.turns(np.array([3.0, 1, 2, 1]), 1.01) == []
    assert measure.turns(np.array([0.0, 2, 1, 5, 1, 4, 3, 0]), 2.0) == [(4, 5, 7)], "first a rise"


def test_plateaus_end_between_two_looks():
    t, loss = np.array([10.0, 20.0, 40.0]), np.array([1.0, 0.5, 0.1])
    assert measure.plateau_length(t, loss, 0.75) == pytest.approx(15)
    assert measure.plateau_length(t, loss, 0.3) == pytest.approx(30)
    assert measure.plateau_length(t, loss, 1.1) == 10, "below from the start"
    assert np.isnan(measure.plateau_length(t, loss, 0.1)), "0.1 is not below 0.1"
    assert measure.plateau_length(t[:2], loss[:2], 0.75) == pytest.approx(15), "two looks do"


def test_a_rung_is_left_where_fewest_looks_are_on_the_wrong_side():
    steps = 5.0 * np.arange(3, 11)

    def left(*nearest):
        curves = 1 - np.eye(max(nearest) + 1)[list(nearest)]
        return np.searchsorted(steps, measure.stage_steps(steps[: len(nearest)], curves)).tolist()

    assert left(0, 0, 1, 0, 0, 1, 1, 1) == [5]
    assert left(1, 1, 1, 0, 1, 1, 1, 1) == [0]
    assert left(0, 0, 1) == [2], "at the last look"
    assert left(0, 0, 2, 2, 2, 2, 1, 2) == [2, 2]
    assert left(0, 0, 0, 1, 1, 0, 2, 2) == [3, 6]


def test_what_is_not_a_number_is_not_called_near():
    with np.errstate(divide="ignore"):
        p = np.log(np.array([1.0, 0.0]))
    for q in ([0.0, np.nan], [np.nan, 0.0]):
        assert np.isnan(measure.kl(p, np.array(q)))
    above = np.array([0.5, -1.0])
    for wrong in (lambda: measure.kl(p, above), lambda: measure.entropy(above)):
        with pytest.raises(InputError, match="log_[pq]: expected .*, at most 0, got 0.5"):
            wrong()


@pytest.mark.parametrize("measured", [
    measure.lag_attention, lambda s: measure.span_mass(s, [(1,)]),
])  # fmt: skip
def test_maps_have_no_more_queries_than_keys(measured):
    assert measured(np.full((1, 1, 3, 3), 1 / 3)) is not None
    with pytest.raises(InputError, match=r"s: expected maps .* with T <= S, got .*1, 4, 3"):
        measured(np.full((1, 1, 4, 3), 1 / 3))


@pytest.mark.parametrize("blocks", [[], [()], 3, [1], [(1,), ()]])
def test_blocks_of_lags_are_lists_with_something_in_each(blocks):
    with pytest.raises(InputError, match="blocks: expected lists of lags, got"):
        measure.span_mass(np.full((1, 1, 3, 3), 1 / 3), blocks)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_effective_rank_does_not_depend_on_the_scale(scale):
    """Squares 9 and 1 are probabilities 0.9 and 0.1."""
    want = np.exp(-0.9 * np.log(0.9) - 0.1 * np.log(0.1))
    assert measure.effective_rank(scale * np.array([3.0, 1.0, 0.0])) == pytest.approx(want)


def test_lag_attention_is_of_one_map_or_of_many(rng):
    s = rng.random((2, 3, 4, 5))
    by_lag = measure.lag_attention(s)
    for n, h in np.ndindex(2, 3):
        np.testing.assert_array_equal(measure.lag_attention(s[n, h]), by_lag[n, h])
        np.testing.assert_array_equal(measure.lag_attention(s[n])[h], by_lag[n, h])
