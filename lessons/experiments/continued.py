"""The ladder from given parameters, with all that it passes, for heads that are lost (our own)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyattn.backend import Params, put_like

from .ladder import LadderTrial


@dataclass(frozen=True)
class ContinuedLadder(LadderTrial):
    """A LadderTrial of the minimal model that goes on from parameters, and keeps those it passes.

    start: the parameters to go on from, of as many heads as `heads` says, on the host; None: drawn.
    """

    start: Params | None = None

    def trained(self, loss, params, batches, optimizer, evaluate, **how):
        """As of any trial; each evaluation also records the parameters."""
        if self.start is not None:
            params = put_like(self.start, params["W_V"])

        def with_params(step, params):
            return {**evaluate(step, params), **params}

        return super().trained(loss, params, batches, optimizer, with_params, **how)

    def run(self, **how: Any) -> dict[str, Any]:
        """As of a LadderTrial, and "params": those at each evaluation, on the host."""
        found = super().run(**how)
        passed = {key: np.array(found.pop(key), "float32") for key in self.network.shapes}
        steps = range(len(found["step"]))
        found["params"] = [{key: every[i] for key, every in passed.items()} for i in steps]
        return found


def without(params: Params, head: int) -> Params:
    """The parameters of the minimal model without this head, counted from 0."""
    return {key: np.delete(p, head, axis=1) for key, p in params.items()}


def alone(params: Params, head: int) -> Params:
    """The parameters of the minimal model with this head only, counted from 0."""
    return {key: p[:, [head]] for key, p in params.items()}
