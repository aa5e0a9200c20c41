"""Causes of the ladder, for `causes.py`: heads that are lost, heads that are never added, one head alone."""

import dataclasses

import numpy as np

from experiments import LadderTrial
from experiments.continued import ContinuedLadder, without
from experiments.continued import alone as one_of
from tinyattn.hold import hold_params

LOST = {  # by seed: the excess loss at once, by the block of the head that is lost; and at the end
    0: ((3.11, 1.40, 0.64), (0.38, 0.41, 0.38)),
    1: ((3.13, 1.41, 0.54), (0.335, 0.340, 0.331)),
}
RUNGS = {(0, 1): (1.55, 0.30, 0.37), (0, 2): (1.49, 0.28, 0.39), (0, 3): (1.57, 0.31, 0.37)}
LOST_ON_RUNG_2 = {0: ((1.60, 1.39, 0.67), (0.39, 0.40, 0.39))}  # by head
NEVER_ADDED = {0: ((0.78, 0.94, 1.08), (0.79, 0.94, 1.08), (0.80, 0.94, 1.08))}
ALONE = {0: (0.80, 0.94, 1.08), 1: (1.03, 0.89, 1.04)}  # distances to the rungs at the end


@dataclasses.dataclass(frozen=True)
class HeldLadder(ContinuedLadder):
    """The ladder with heads of some numbers held, from 0."""

    silent: tuple = ()

    def trained(self, loss, params, batches, optimizer, look, **how):
        masks = {key: np.zeros(p.shape, bool) for key, p in params.items()}
        for mask in masks.values():
            mask[:, list(self.silent)] = True
        loss, optimizer = hold_params(loss, optimizer, masks)
        return super().trained(loss, params, batches, optimizer, look, **how)


def silenced(params, head):
    """The parameters, with values of 0 for this head."""
    W_V = params["W_V"].copy()
    W_V[:, head] = 0
    return params | {"W_V": W_V}


def lost(seeds=(0, 1), after=1500, **settings):
    for seed in seeds:
        found = ContinuedLadder(seed=seed, **settings).run()
        yield f"ladder, free, seed {seed}: distance to the full teacher", found["kl"][-1][-1], ""
        at_once, at_end = LOST[seed]
        end = found["params"][-1]
        for head in np.argsort(found["own_block"]).tolist():
            block = found["own_block"][head]
            how = settings | dict(steps=after, every=after, draw=1)  # on new batches
            run = HeldLadder(seed=seed, silent=(head,), start=silenced(end, head), **how).run()
            yield f"    head of block {block} lost: excess", run["excess"][0], at_once[block - 1]
            yield "        at the end", run["excess"][-1], at_end[block - 1]
            yield "        distances to the rungs", run["kl"][-1], RUNGS.get((seed, block), "")


def lost_on_rung_2(seeds=(0,), after=600, **settings):
    for seed in seeds:
        found = ContinuedLadder(seed=seed, **settings).run()
        moment = int(np.argmin(np.array(found["kl"])[:, 1]))
        at_once, at_end = LOST_ON_RUNG_2[seed]
        for head in range(3):
            start = without(found["params"][moment], head)
            how = settings | dict(steps=after, every=after, draw=1)
            run = ContinuedLadder(seed=seed, heads=2, start=start, **how).run()
            yield (
                f"ladder, on rung 2, head {head + 1} lost: excess",
                run["excess"][0],
                at_once[head],
            )
            yield "        at the end", run["excess"][-1], at_end[head]


def never_added(seeds=(0,), **settings):
    for seed in seeds:
        start = ContinuedLadder(seed=seed, steps=1, every=1).run()["params"][0]
        for head in range(3):
            how = dict(seed=seed, heads=1, start=one_of(start, head), draw=head, every=1200)
            found = ContinuedLadder(**how | settings).run()["kl"][-1]
            yield f"ladder, head {head + 1} never added: distances", found, NEVER_ADDED[seed][head]


def alone(seeds=(0, 1)):
    for seed in seeds:
        found = LadderTrial(seed=seed, heads=1, steps=1500, every=1500).run()["kl"][-1]
        yield f"ladder, one head, seed {seed}: distances to the rungs", found, ALONE[seed]


PARTS = [lost, lost_on_rung_2, never_added, alone]
