"""Causes of lessons on networks, for `causes.py`: one head that looks back; then recall, the ladder, and laws."""

import causes_of_ladder
import causes_of_laws
import causes_of_recall
import numpy as np

from tinyattn import backend, losses, measure, models, optim, train
from tinyattn.hold import hold_params
from tinyattn.tasks import markov

AFTER = {
    0: 0.179,
    1: 0.181,
    10: 0.212,
    100: 0.555,
    2000: 0.702,
}  # attention on lag 3, by the step from which W_V is held


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


PARTS = [looks_back, *causes_of_recall.PARTS, *causes_of_ladder.PARTS, *causes_of_laws.PARTS]
