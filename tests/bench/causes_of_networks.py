"""Causes of lessons on networks, for `causes.py`: one head that looks back; then recall, the ladder, and laws."""

import causes_of_ladder
import causes_of_laws
import causes_of_recall
import causes_of_repetition
import causes_of_text
import numpy as np

from tinyattn import attention, backend, losses, measure, models, ops, optim, train
from tinyattn.hold import hold_params
from tinyattn.tasks import markov

AFTER = {
    0: 0.179,
    1: 0.181,
    10: 0.212,
    100: 0.555,
    2000: 0.702,
}  # attention on lag 3, by the step from which W_V is held

HELD = {  # lesson 03's own runs, by seed: W_V held at 0, after 1, 10, 100 steps, free
    0: (0.1786, 0.1818, 0.2143, 0.606, 0.686),
    1: (0.1786, 0.1816, 0.2118, 0.571, 0.679),
    2: (0.1786, 0.1821, 0.2199, 0.679, 0.688),
}
LONGER = {  # W_V held after one step, but as long as after 100: as it is, of 100 batches at once; then
    # its rows for tokens alone, as long as those after 100; then W_V of 100 steps, held from step 0
    0: (0.407, 0.421, 0.460, 0.617),
    1: (0.371, 0.378, 0.411, 0.581),
    2: (0.501, 0.512, 0.564, 0.690),
}
PACE = {  # W_V of one step, η for W_Q as many times 1 as W_V of 100 steps is longer; made longer, η = 10;
    # W_V of 100 steps, η = 10; the same, η = 1, at the step where it is level with the one made longer
    0: (0.404, 0.971, 0.983, 0.407),
    1: (0.369, 0.965, 0.982, 0.371),
    2: (0.501, 0.980, 0.986, 0.501),
}
LEVEL = {0: 1126, 1: 1040, 2: 1283}
FAR = {  # the pull on lags 3 and 10, tokens shuffled; the same, anywhere
    0: (1.28, -0.18, 1.40, -0.10),
    1: (1.27, -0.21, 1.37, -0.10),
    2: (1.48, -0.14, 1.57, -0.11),
}
SURPLUS = {
    0: (0.0076, 0.0020),
    1: (0.0078, 0.0000),
    2: (0.0089, 0.0017),
}  # of g at lags 3 and 6, by the law
AT_6 = {
    0: (0.00024, 0.00173, 0.00004),
    1: (-0.00154, 0.00159, -0.00006),
    2: (-0.00092, 0.00270, -0.00008),
}  # of g at lag 6, by the law: what a value was taught at lags 3, 6 and 9
BY_LAW = {  # the pull on lags 1, 2, 3 and 10, tokens shuffled; then, all places alike, on lags 1 and 10
    0: (-0.27, -0.29, 1.27, -0.17, -0.37, -0.10),
    1: (-0.23, -0.26, 1.27, -0.22, -0.36, -0.10),
    2: (-0.36, -0.37, 1.47, -0.14, -0.42, -0.11),
}
CHAIN_AT_6 = {0: 0.00, 1: -0.24, 2: 0.00}  # the pull on lag 6 by the law, tokens of the chain
SAID = {  # at the last query, of what comes: places 0, 3, 6, and 7, which is lag 3, in thousandths
    0: (4.4, 5.3, 5.6, 15.1),
    1: (5.9, 7.4, 8.0, 16.6),
    2: (2.3, 2.7, 2.8, 13.6),
}


def looks_back():
    for after, expected in AFTER.items():
        rng = np.random.default_rng(0)
        chain = markov.draw_chain(rng, 10, blocks=[[3]])
        model = models.MinimalModel(10, 10, first_query=2, query_scale=1e-3, value_scale=0.0)
        loss, optimizer = hold_params(
            losses.next_token_loss(model), optim.SGD(1.0), {"W_V": True}, after
        )
        params = backend.get("cpu").put(model.init(rng), "float32")
        batches = chain.batches(rng, 256, 11)
        end, _ = train.train(
            loss,
            params,
            enumerate(batches) if after else batches,
            optimizer,
            steps=2000,
            title=None,
        )
        _, cache = model.forward(end, chain.sample(rng, 1000, 11)[:, :-1])
        on_lag_3 = measure.lag_attention(cache.attention[:, 0]).mean(axis=0)[2]
        yield f"looks back, W_V held after {after} steps: attention on lag 3", on_lag_3, expected


def lesson_03(seeds=(0, 1, 2), steps=2000):
    """As lesson 03 trains: draws apart for the chain, the start, what is looked at, and the batches."""
    for seed in seeds:
        chain_rng, weights_rng, held_out_rng, _ = np.random.default_rng(seed).spawn(4)
        chain = markov.draw_chain(chain_rng, 10, blocks=[[3]])
        model = models.MinimalModel(10, 10, first_query=2, query_scale=1e-3, value_scale=0.0)
        start = backend.get("cpu").put(model.init(weights_rng), "float32")
        read = chain.sample(held_out_rng, 1000, 11)[:, :-1]
        batches = lambda: chain.batches(np.random.default_rng(seed).spawn(4)[3], 256, 11)
        first = np.concatenate([batch for _, batch in zip(range(100), batches())])
        kept = {}

        def end(after, params, keep=(), eta=1.0, steps=steps):
            loss, optimizer, stream = losses.next_token_loss(model), optim.SGD(eta), batches()
            if after != "free":
                loss, optimizer = hold_params(loss, optimizer, {"W_V": True}, after)
                stream = enumerate(stream) if after else stream
            how = dict(steps=steps, title=None, callbacks=keep)
            params, _ = train.train(loss, params, stream, optimizer, **how)
            maps = model.forward(params, read)[1].attention[:, 0]
            return measure.lag_attention(maps).mean(axis=0)[2]

        def keep(step, params):
            kept[step] = params["W_V"]

        def as_long(W_V, as_this, **how):
            longer = np.linalg.norm(as_this) / np.linalg.norm(W_V)
            return end(0, {**start, "W_V": (longer * W_V).astype("float32")}, **how)

        found = [end(after, start) for after in (0, 1, 10, 100)]
        found.append(end("free", start, [(1, keep)]))
        yield f"lesson 03, seed {seed}: attention on lag 3", found, HELD[seed]
        of_100 = kept[min(100, steps)]
        tokens_alone = lambda W_V: np.where(np.arange(20)[:, None, None] < 10, W_V, 0)
        of_all = -losses.next_token_loss(model)(start, first)[1]["W_V"]
        found = [as_long(kept[1], of_100), as_long(of_all, of_100)]
        found.append(as_long(tokens_alone(kept[1]), tokens_alone(of_100)))
        found.append(as_long(of_100, of_100))
        yield (
            "    one step, made longer; of 100 batches; rows for tokens; 100 steps",
            found,
            LONGER[seed],
        )
        longer = float(np.linalg.norm(of_100) / np.linalg.norm(kept[1]))
        found = [end(0, {**start, "W_V": kept[1]}, eta=longer)]
        found += [as_long(W_V, of_100, eta=10.0) for W_V in (kept[1], of_100)]
        found.append(as_long(of_100, of_100, steps=LEVEL[seed]))
        yield "    one step, η longer; made longer, η 10; 100 steps, η 10; level", found, PACE[seed]


def far_lags(seeds=(0, 1, 2), many=20000):
    """The pull on lags 3 and 10 in lesson 03, in thousandths; no rows for positions, tokens decide none.

    Tokens keep their places; then they are shuffled over the places, so all places are alike.
    """
    model = models.MinimalModel(10, 10, first_query=2, query_scale=1e-3, value_scale=0.0)
    for seed in seeds:
        chain = markov.draw_chain(np.random.default_rng(seed).spawn(4)[0], 10, blocks=[[3]])

        def pull(anywhere):
            rng = np.random.default_rng(seed)
            params = {name: np.zeros(shape) for name, shape in model.shapes.items()}
            for step in (0, 1):
                read = rng.permuted(chain.sample(rng, many, 11)[:, :-1], axis=0)
                if anywhere:
                    read = rng.permutation(read.ravel()).reshape(read.shape)
                law = np.exp(chain.log_probs(read))
                came = (law.cumsum(axis=-1) < rng.random((*law.shape[:-1], 1))).sum(axis=-1)
                logits, cache = model.forward(params, read)
                _, ce_cache = ops.cross_entropy_forward(logits, np.minimum(came, 9))
                dy = ops.cross_entropy_backward(1.0, ce_cache)
                if step == 0:
                    params["W_V"] -= model.backward(dy, cache)["W_V"]
                    params["W_V"][10:] = 0
            da, _ = attention.attend_backward(dy[None], cache.attend)
            pulls = -1000 * dy.shape[1] * da[0].sum(axis=0)
            return pulls.diagonal().mean(), pulls[-1, 0]

        found = [*pull(anywhere=False), *pull(anywhere=True)]
        yield f"lesson 03, seed {seed}: pull on lags 3 and 10", found, FAR[seed]


def surplus_of_lags(seeds=(0, 1, 2)):
    """g at lags 3 and 6 after one step of W_V, more than at lags that say nothing, by the law.

    The value of a token is pulled at lag k by its attention there, in the mean over queries, times
    what then comes more often than in general: P at lag 3, P P at lag 6, as P at each step of 3.
    """
    for seed in seeds:
        chain = markov.draw_chain(np.random.default_rng(seed).spawn(4)[0], 10, blocks=[[3]])
        contexts = np.arange(10)[:, None] * np.ones((1, 3), int)
        P = np.exp(chain.log_probs(contexts))[:, 0]
        keys = np.arange(3, 11)
        more = {lag: law - P.mean(axis=0) for lag, law in ((3, P), (6, P @ P), (9, P @ P @ P))}
        attention = {lag: np.where(keys >= lag, 1 / keys, 0).mean() for lag in more}
        taught = {lag: attention[lag] * more[lag] / 10 for lag in more}
        values = sum(taught.values())
        found = [(more[lag] * values).sum(axis=1).mean() for lag in (3, 6)]
        yield f"lesson 03, seed {seed}: surplus of g at lags 3 and 6", found, SURPLUS[seed]
        found = [(more[6] * values).sum(axis=1).mean() for values in taught.values()]
        yield "    at lag 6, taught at lags 3, 6, 9", found, AT_6[seed]


def pulls_by_law(seeds=(0, 1, 2)):
    """The pulls of `far_lags`, in thousandths, by the law and by how often each token stands where.

    The first three tokens are drawn evenly; a place's frequencies times P are those three places on.
    At lag 3 what comes has the row of P, elsewhere its own frequencies; with the chain's tokens it has
    the row of P P at lag 6 and of P P P at lag 9. p is taken as 1/10.
    """
    for seed in seeds:
        chain = markov.draw_chain(np.random.default_rng(seed).spawn(4)[0], 10, blocks=[[3]])
        P = np.exp(chain.log_probs(np.arange(10)[:, None] * np.ones((1, 3), int)))[:, 0]
        often = [np.full(10, 0.1)] * 3
        while len(often) < 11:
            often.append(often[-3] @ P)

        def pulls(read, came, decide=(3,)):
            """The mean pull by lag, and g at the last query, by place; lags 3, 6, 9 may decide."""

            def comes(t, j):
                lag = t + 1 - j
                law = np.linalg.matrix_power(P, lag // 3) if lag in decide else came[t + 1]
                return law - 0.1 + 0 * P

            pairs = [(t, j) for t in range(2, 10) for j in range(t + 1)]
            W_V = sum(read[j][:, None] * comes(t, j) / (t + 1) / 8 for t, j in pairs)
            by_lag = {lag: [] for lag in range(1, 11)}
            for t in range(2, 10):
                g = np.array([read[j] @ (W_V * comes(t, j)).sum(axis=1) for j in range(t + 1)])
                for j in range(t + 1):
                    by_lag[t + 1 - j].append((g[j] - g.mean()) / (t + 1))
            return [1000 * np.mean(of_lag) for of_lag in by_lag.values()], 1000 * g

        shuffled, g = pulls(often, often)
        mean = np.mean(often[:10], axis=0)
        alike, _ = pulls([mean] * 11, [mean @ P] * 11)
        found = [shuffled[lag - 1] for lag in (1, 2, 3, 10)] + [alike[0], alike[9]]
        yield f"lesson 03, seed {seed}: pulls by the law, shuffled; alike", found, BY_LAW[seed]
        found = pulls(often, often, decide=(3, 6, 9))[0][5]
        yield "    lag 6, tokens of the chain", found, CHAIN_AT_6[seed]
        yield "    g at the last query: places 0, 3, 6; 7", g[[0, 3, 6, 7]], SAID[seed]


PARTS = [
    looks_back,
    lesson_03,
    far_lags,
    surplus_of_lags,
    pulls_by_law,
    *causes_of_recall.PARTS,
    *causes_of_repetition.PARTS,
    *causes_of_text.PARTS,
    *causes_of_ladder.PARTS,
    *causes_of_laws.PARTS,
]
