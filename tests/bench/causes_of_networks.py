"""Causes of lessons on networks, for `causes.py`: one head that looks back, and recall by two layers."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lessons"))

from experiments import RecallTrial
from tinyattn import backend, losses, measure, models, optim, train
from tinyattn.hold import hold_params
from tinyattn.tasks import markov

AFTER = {0: 0.179, 1: 0.181, 10: 0.212, 100: 0.555}  # attention on lag 3, by the step from which W_V is held
LOOKS, WRITES, SECOND = ("W_Q.1", "W_K.1"), ("W_V.1", "W_O.1"), ("W_Q.2", "W_K.2")
RECALL = {  # what is held, what is 0 from the start: the steps to an accuracy of 0.99, or the accuracy after 4000; seeds 0, 1
    "free": ((), (), (750, 750)),
    "where layer 1 looks held": (LOOKS, (), (940, 920)),
    "what layer 1 writes held": (WRITES, (), (1040, 1000)),
    "where layer 2 looks held": (SECOND, (), (0.115, 0.135)),
    "layer 1 held uniform": (LOOKS, LOOKS, (0.78, 0.77)),
}


def looks_back(steps=2000):
    for after, expected in AFTER.items():
        for_chain, for_start, for_looks, for_data = np.random.default_rng(0).spawn(4)
        chain = markov.draw_chain(for_chain, 10, blocks=[[3]])
        model = models.MinimalModel(10, 10, first_query=2, query_scale=1e-3, value_scale=0.0)
        loss, optimizer = hold_params(losses.next_token_loss(model), optim.SGD(1.0), {"W_V": True}, after)
        params = backend.get("cpu").put(model.init(for_start), "float32")
        batches = chain.batches(for_data, 256, 11)
        stream = enumerate(batches) if after else batches
        end, _ = train.train(loss, params, stream, optimizer, steps=steps, title=None)
        maps = model.forward(end, chain.sample(for_looks, 1000, 11)[:, :-1])[1].attention
        on_lag_3 = measure.lag_attention(maps[:, 0]).mean(axis=0)[2]
        yield f"looks back, W_V held after {after} steps: attention on lag 3", on_lag_3, expected


@dataclasses.dataclass(frozen=True)
class HeldRecall(RecallTrial):
    """Recall with some parameters held as they start, some of them at 0."""

    still: Any = ()
    zero: Any = ()

    def trained(self, loss, params, batches, optimizer, look, **how):
        params = {key: 0 * p if key in self.zero else p for key, p in params.items()}
        if self.still:
            loss, optimizer = hold_params(loss, optimizer, dict.fromkeys(self.still, True))
        return super().trained(loss, params, batches, optimizer, look, **how)


def recall(names=RECALL, seeds=(0, 1)):
    for name in names:
        still, zero, expected = RECALL[name]
        for seed in seeds:
            found = HeldRecall(seed=seed, still=still, zero=zero).run()
            solved = found["clean_accuracy"][-1] >= 0.99
            result = found["step"][-1] if solved else found["clean_accuracy"][-1]
            yield f"recall, {name}, seed {seed}", result, expected[seed]


PARTS = [looks_back, recall]
