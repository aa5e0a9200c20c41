"""What a lost head costs a network of two layers that recalls, at once and in the end (our own).

The task is that of arXiv 2505.17863. Train; take each head of each layer away, in turn; train on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyattn.backend import to_numpy
from tinyattn.errors import InputError, check_count, keep_counts, shown

from .experiment import Experiment
from .held_recall import HeldRecall

LAYERS = (1, 2)


@dataclass(frozen=True)
class LostRecall(Experiment):
    """One network for each seed, trained until it answers 99%, and each of its heads lost then.

    heads:  of each of the two layers.
    pairs, vocab, width, batch, lr, steps, every: see `RecallTrial`.
    longer: steps that a network trains on, fewer where it answers 99% before.
    seed:   of each network.
    """

    heads: int = 4
    pairs: int = 8
    vocab: int = 32
    width: int = 64
    batch: int = 128
    lr: float = 1e-3
    steps: int = 4000
    every: int = 10
    longer: int = 400
    seed: Sequence[int] = (0, 1, 2)

    def __post_init__(self):
        if not isinstance(self.seed, (list, tuple)) or not self.seed:
            raise InputError(f"seed: expected one or more numbers, got {shown(self.seed)}")
        object.__setattr__(self, "seed", tuple(self.seed))
        check_count("longer", self.longer)
        check_count("heads", self.heads, 2)
        keep_counts(self, "longer", "heads")
        for seed in self.seed:
            self.trial(seed)

    def trial(self, seed: int, **change: Any) -> HeldRecall:
        """The network of a seed."""
        names = ("heads", "pairs", "vocab", "width", "batch", "lr", "steps", "every")
        settings = {name: getattr(self, name) for name in names} | {"seed": seed}
        return HeldRecall(**settings | change)

    def run(self) -> dict[str, Any]:
        """{"numbers": by seed}:

        solved      the step at which 95% of clean sequences are answered; accuracy: at the end
        before      of each head of layer 1, attention of values on the key before them
        matching    of each head of layer 2, the query's on the value behind its key
        layer 1, layer 2
                    over the head that is lost: accuracy "at_once" and "in_the_end", and the step
                    at which 95% are answered again, "again", 0 where they still are
        """
        return {"numbers": {f"seed {seed}": self.one(seed) for seed in self.seed}}

    def one(self, seed: int) -> dict[str, Any]:
        """What is found of one seed."""
        trial = self.trial(seed)
        free = trial.run()
        end = {key: to_numpy(p) for key, p in trial.ends[-1].items()}
        before, matching = looks_of_heads(trial, end)
        found: dict[str, Any] = {
            "solved": free["solved"],
            "accuracy": free["clean_accuracy"][-1],
            "before": before,
            "matching": matching,
        }
        for layer in LAYERS:
            how = {"start": end, "steps": self.longer}
            runs = [
                self.trial(seed, **how, silent=((layer, head),)).run() for head in range(self.heads)
            ]
            found[f"layer {layer}"] = {
                "at_once": [run["clean_accuracy"][0] for run in runs],
                "in_the_end": [run["clean_accuracy"][-1] for run in runs],
                "again": [run["solved"] for run in runs],
            }
        return found

    def figure(self, found: dict[str, Any]) -> Any:
        """The accuracies at once and in the end, for each head of each layer."""
        from . import figures

        return figures.lost_recall(self, found["numbers"])


def looks_of_heads(trial: HeldRecall, params: Any) -> tuple[list[float], list[float]]:
    """Of each head the mean attention that recall needs, on 512 new sequences: layer 1, layer 2.

    Layer 1: of values on the key before them; layer 2: of the query on the value behind its key.
    """
    x = trial.task.sample(np.random.default_rng([trial.seed, 1]), 512)[:, :-1]
    T = x.shape[1]
    _, cache = trial.network.forward(params, trial.backend().put(x))
    first, last = (to_numpy(s) for s in (cache.attentions[0], cache.attentions[-1]))
    before = first[:, :, 1:T:2, 0 : T - 1 : 2].diagonal(axis1=2, axis2=3).mean(axis=(0, 2))
    at = (x[:, 0 : T - 1 : 2] == x[:, -1:]).argmax(axis=1)
    matching = last[np.arange(len(x)), :, -1, 2 * at + 1].mean(axis=0)
    return before.tolist(), matching.tolist()
