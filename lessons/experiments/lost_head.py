"""The ladder with a small full transformer that can lose a head (our own)."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyattn.backend import Params, put_like, to_numpy
from tinyattn.errors import check_count, keep_counts
from tinyattn.hold import hold_params
from tinyattn.models import Transformer

from .ladder import OF_FULL, LadderTrial
from .trial import SIZES


@dataclass(frozen=True)
class LostHead(LadderTrial):
    """A LadderTrial of the full model of one layer, on a stream and without dropout by default.

    width, hidden: of the transformer.
    silent: heads that write nothing, from 0: their W_O is 0, and stays so.
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
            params = put_like(self.start, params["W_E"])
        mute = np.zeros(self.network.shapes["W_O.1"], bool)
        mute[list(self.silent)] = True
        mute = put_like({"W_O.1": mute}, params["W_E"])
        if self.silent:
            params = {**params, "W_O.1": params["W_O.1"] * ~mute["W_O.1"]}
            loss, optimizer = hold_params(loss, optimizer, mute)

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
