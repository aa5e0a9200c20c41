"""How much the first layer of a recall network writes of a token (our own)."""

from dataclasses import dataclass

import numpy as np

from tinyattn.backend import Params, to_numpy

from .recall import RecallTrial


@dataclass(frozen=True)
class WrittenRecall(RecallTrial):
    """Recall whose results also list, over the evaluations, written: see `size_written`."""

    def trained(self, loss, params, batches, optimizer, evaluate, **how):
        """As of any trial; each evaluation also measures what layer 1 writes."""

        def measured(step, params):
            return {**evaluate(step, params), "written": size_written(params)}

        return super().trained(loss, params, batches, optimizer, measured, **how)


def size_written(params: Params) -> float:
    """How long the row is that layer 1 writes of a token it looks at: root mean square.

    Over tokens, from their mean: what is written of all alike tells none from another.
    """
    tokens = to_numpy(params["W_E"])
    tokens = tokens - tokens.mean(axis=0)
    read = np.einsum("td,dhk->thk", tokens, to_numpy(params["W_V.1"]))
    rows = np.einsum("thk,hkd->td", read, to_numpy(params["W_O.1"]))
    return float(np.sqrt((rows**2).sum(axis=1).mean()))
