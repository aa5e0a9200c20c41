"""Causes of lessons on networks, for `causes.py`: one head that looks back, and recall by two layers."""

import dataclasses

import numpy as np

from experiments import RecallTrial
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
LOOKS, WRITES, SECOND = ("W_Q.1", "W_K.1"), ("W_V.1", "W_O.1"), ("W_Q.2", "W_K.2")
RECALL = {  # what is held, what is 0 from the start: the steps to an accuracy of 0.99, or the accuracy after 4000; seeds 0, 1
    "free": ((), (), (750, 750)),
    "where layer 1 looks held": (LOOKS, (), (940, 920)),
    "what layer 1 writes held": (WRITES, (), (1040, 1000)),
    "where layer 2 looks held": (SECOND, (), (0.115, 0.135)),
    "layer 1 held uniform": (LOOKS, LOOKS, (0.78, 0.77)),
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


@dataclasses.dataclass(frozen=True)
class HeldRecall(RecallTrial):
    """Recall with some parameters held as they start, some of them at 0."""

    still: tuple = ()
    zero: tuple = ()

    def trained(self, loss, params, batches, optimizer, look, **how):
        params = {key: 0 * p if key in self.zero else p for key, p in params.items()}
        if self.still:
            loss, optimizer = hold_params(loss, optimizer, dict.fromkeys(self.still, True))
        return super().trained(loss, params, batches, optimizer, look, **how)


def recall():
    for name, (still, zero, expected) in RECALL.items():
        for seed in (0, 1):
            found = HeldRecall(seed=seed, still=still, zero=zero).run()
            solved = found["clean_accuracy"][-1] >= 0.99
            result = found["step"][-1] if solved else found["clean_accuracy"][-1]
            yield f"recall, {name}, seed {seed}", result, expected[seed]


PARTS = [looks_back, recall]
