"""The ladder with a small full transformer, or the minimal model, that can lose heads (our own)."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyattn.backend import Params, put_like, to_numpy
from tinyattn.errors import check_count, keep_counts
from tinyattn.hold import hold_params
from tinyattn.models import Transformer

from .ladder import OF_FULL, LadderTrial
from .trial import SIZES

# What a head writes by: the parameter, and its axis of heads.
WRITES = {"full": ("W_O.1", 0), "minimal": ("W_V", 1)}


def silence(
    loss: Any, optimizer: Any, params: Params, heads: list[tuple[str, int, int]]
) -> tuple[Any, Any, Params]:
    """A loss, an optimizer and parameters with which heads write nothing, and never will.

    heads: of each the parameter by which it writes, the axis of heads there, and its number from 0.
    """
    masks = {name: np.zeros(tuple(params[name].shape), bool) for name, _, _ in heads}
    for name, axis, head in heads:
        masks[name].swapaxes(0, axis)[head] = True
    masks = put_like(masks, next(iter(params.values())))
    params = params | {name: params[name] * ~mask for name, mask in masks.items()}
    loss, optimizer = hold_params(loss, optimizer, masks)
    return loss, optimizer, params


@dataclass(frozen=True)
class LostHead(LadderTrial):
    """A LadderTrial of one layer: the full model on a stream, without dropout, by default.

    width, hidden: of the transformer.
    silent: heads that write nothing, from 0: their W_O, of the minimal model W_V, stays 0.
    start:  the parameters to start from, on the host; None: drawn.
    passed: the parameters at each look of the run, filled by it.
    """

    model: str = "full"
    width: int = 48
    hidden: int = 32
    dropout: float | None = 0.0
    sequences: int | None = 0
    silent: tuple[int, ...] = ()
    start: Params | None = None
    passed: list[Params] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self):
        check_count("width", self.width, maximum=SIZES)
        check_count("hidden", self.hidden, 0, SIZES)
        keep_counts(self, "width")
        keep_counts(self, "hidden", minimum=0)
        super().__post_init__()

    def _network(self, positions, first, *scales, few_queries=False):
        if self.model == "minimal":
            return super()._network(positions, first, *scales, few_queries=few_queries)
        of_paper = {name: getattr(self, name) for name in OF_FULL}
        return Transformer(
            self.vocab,
            positions,
            width=self.width,
            heads=self.heads,
            hidden=self.hidden,
            first_query=first,
            few_queries=few_queries,
            **{name: value for name, value in of_paper.items() if value is not None},
        )

    def trained(self, loss, params, batches, optimizer, evaluate, **how):
        """As of any trial, with silent heads; each evaluation also keeps the parameters."""
        if self.start is not None:
            params = put_like(self.start, next(iter(params.values())))
        if self.silent:
            heads = [(*WRITES[self.model], head) for head in self.silent]
            loss, optimizer, params = silence(loss, optimizer, params, heads)

        def kept(step, params):
            self.passed.append({key: to_numpy(p) for key, p in params.items()})
            return evaluate(step, params)

        return super().trained(loss, params, batches, optimizer, kept, **how)


def alike(params: Params, eps: float) -> Params:
    """These parameters with each head as the first one, but for eps times what they differed by."""
    found = dict(params)
    for name, axis in (("W_Q.1", 1), ("W_K.1", 1), ("W_V.1", 1), ("W_O.1", 0)):
        first = np.take(params[name], [0], axis=axis)
        found[name] = first + np.float32(eps) * (params[name] - first)
    return found


def every_head_lost(settings: dict[str, Any]) -> dict[str, Any]:
    """Train; lose each head at the end and train on: for `sweep.sweep`.

    settings: of a LostHead; "longer", how many steps a copy is trained on; "eps", how far heads
              differ that start alike, and "alike", for how many steps these train.

    free:  results of the run. lost: a list over heads; going_on: none lost.
    alike: of a run from heads that start alike.
    """
    settings = dict(settings)
    longer, eps = settings.pop("longer"), settings.pop("eps")
    steps_alike = settings.pop("alike")
    trial = LostHead.of(settings)
    found = trial.run()
    end = trial.passed[-1]

    def on(**how):
        return LostHead(**settings | how).run()

    after = {"steps": longer, "draw": 1, "start": end}  # draw: on new sequences
    return {
        "free": found,
        "lost": [on(**after, silent=(head,)) for head in range(trial.heads)],
        "going_on": on(**after),
        "alike": on(steps=steps_alike, start=alike(trial.passed[0], eps)),
    }
