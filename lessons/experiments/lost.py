"""What a lost head costs on the ladder, at once and in the end, and can the end be foretold?

Train; take heads away at three moments, each in turn; train on. Our own, on the chains of
arXiv 2602.19143.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyattn.errors import (
    InputError,
    check_choice,
    check_count,
    check_instance,
    keep_counts,
    shown,
)
from tinyattn.ops import log_softmax

from .experiment import Experiment
from .lost_head import LostHead
from .rungs import strongest_first

DRAWS = 400


def law_without(chain: Any, sequences: np.ndarray, left: Sequence[int], rng: Any) -> np.ndarray:
    """Probabilities (n, T, V) of one who knows the tokens of the blocks `left`, from 0, only.

    The plain mean over the others' tokens, as 400 other sequences have them. Blocks must not
    overlap.
    """
    every = range(len(chain.blocks))
    of_block = [chain.log_probs(sequences[:, :-1], blocks=[k]) for k in every]
    known = sum(of_block[k] for k in left)
    total = np.zeros_like(of_block[0])
    for _ in range(DRAWS):
        logits = known
        for k in set(every) - set(left):
            logits = logits + of_block[k][rng.permutation(len(sequences))]
        total += np.exp(log_softmax(logits))
    return total / DRAWS


@dataclass(frozen=True)
class Lost(Experiment):
    """One ladder for each seed; every choice of heads is lost at each of three moments.

    model:   "minimal", or "full": a small transformer, see `lost_head.LostHead`.
    lost:    heads lost at a time.
    heads, spans, importance, reverse, vocab, generated, batch, lr, steps: see `LadderTrial`.
    width, hidden: of the transformer; query_scale: of the minimal model's start, below about 1e-6
             rounding may make heads equal.
    longer:  steps that a network trains on.
    every:   steps from one evaluation to the next.
    seed:    of each ladder.
    """

    model: str = "minimal"
    lost: int = 1
    heads: int = 3
    spans: Sequence[int] = (2, 2, 2)
    importance: float = 1.7
    reverse: bool = False
    vocab: int = 30
    generated: int = 10
    width: int = 48
    hidden: int = 32
    query_scale: float = 1e-3
    batch: int = 128
    lr: float | None = None
    steps: int = 1000
    longer: int = 400
    every: int = 20
    seed: Sequence[int] = (0, 1, 2)

    def __post_init__(self):
        check_choice("model", self.model, ("minimal", "full"))
        if not isinstance(self.seed, (list, tuple)) or not self.seed:
            raise InputError(f"seed: expected one or more numbers, got {shown(self.seed)}")
        object.__setattr__(self, "seed", tuple(self.seed))
        object.__setattr__(self, "spans", tuple(self.spans))
        for name in ("lost", "longer"):
            check_count(name, getattr(self, name))
            keep_counts(self, name)
        check_instance("reverse", self.reverse, bool)
        for seed in self.seed:
            self.trial(seed)
        if self.lost >= min(self.heads, len(self.spans)):
            raise InputError(
                f"lost: expected fewer than the heads and the blocks, got {shown(self.lost)}"
            )
        if self.steps % self.every or self.longer % self.every:
            raise InputError(f"every: expected a divisor of steps and longer, got {self.every}")

    def trial(self, seed: int, **change: Any) -> LostHead:
        """The ladder of a seed."""
        names = ("model", "heads", "spans", "importance", "reverse", "vocab", "generated")
        names += ("batch", "lr", "steps", "every")
        settings = {name: getattr(self, name) for name in names} | {"seed": seed}
        if self.model == "full":
            settings |= {"width": self.width, "hidden": self.hidden}
        else:
            settings |= {"dropout": None, "query_scale": self.query_scale}
        return LostHead(**settings | change)

    def run(self) -> dict[str, Any]:
        """{"numbers": by seed}, all in nats, distances to the teacher that sees all blocks:

        own_block     of each head at the end, from 1
        free          the network's at the end, and trained on for `longer` steps
        foretold      by the blocks left, the strongest first: of those who know these and no more,
                      "exact" as if there were no others, "averaged" over what they may be
        rung 1, rung 2, end
                      when rung 1 is left, nearest to rung 2, the end: the step, and over choices of
                      heads "lost" (from 1), "at_once", "in_the_end", "rung", the nearest then
        """
        return {"numbers": {f"seed {seed}": self.one(seed) for seed in self.seed}}

    def one(self, seed: int) -> dict[str, Any]:
        """What is found of one seed."""
        trial = self.trial(seed)
        free = trial.run()
        kl = np.array(free["kl"])
        left = free["stage_steps"][0]
        moments = {
            "rung 1": int(np.argmin(kl[:, 0])) if left is None else free["step"].index(int(left)),
            "rung 2": int(np.argmin(kl[:, 1])),
            "end": len(kl) - 1,
        }

        def on(start, **change):  # draw: on new sequences
            how = {"steps": self.longer, "every": self.longer, "draw": 1, "start": start}
            return self.trial(seed, **how | change).run()["kl"]

        found: dict[str, Any] = {
            "own_block": free["own_block"],
            "free": [kl[-1, -1], on(trial.passed[-1])[-1][-1]],
            "foretold": self.foretold(trial),
        }
        choices = list(itertools.combinations(range(self.heads), self.lost))
        for name, moment in moments.items():
            ends = [on(trial.passed[moment], silent=heads) for heads in choices]
            found[name] = {
                "step": free["step"][moment],
                "lost": [",".join(str(head + 1) for head in heads) for heads in choices],
                "at_once": [end[0][-1] for end in ends],
                "in_the_end": [end[-1][-1] for end in ends],
                "rung": [int(np.argmin(end[-1])) + 1 for end in ends],
            }
        return found

    def foretold(self, trial: LostHead) -> dict[str, dict[str, float]]:
        """The distances of those who know some blocks only, on the trial's held-out sequences."""
        chain = trial.chain
        rng = trial.generators()[2]
        sequences = chain.sample(rng, trial.held_out, trial.length)
        full = chain.log_probs(sequences[:, :-1])
        order, found = strongest_first(chain), {}
        for ranks in itertools.combinations(range(len(order)), len(order) - self.lost):
            known = [order[rank] for rank in ranks]
            laws = {
                "exact": chain.log_probs(sequences[:, :-1], blocks=known),
                "averaged": np.log(law_without(chain, sequences, known, rng)),
            }
            found[",".join(str(block + 1) for block in known)] = {
                name: float((np.exp(full) * (full - law)).sum(axis=-1).mean())
                for name, law in laws.items()
            }
        return found

    def figure(self, found: dict[str, Any]) -> Any:
        """The distances at once and in the end, for each moment, and what is foretold."""
        from . import figures

        return figures.lost(self, found["numbers"])
