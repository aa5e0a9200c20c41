"""The ladder (arXiv 2602.19143) on a set of sequences: when to stop, and why.

Our own: a second set of held-out sequences, on which cross-entropy alone is measured; the excess
loss on the set that is trained on; and data that are fresh from a step on, so that no sequence is
seen again.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyattn.errors import InputError, check_count, check_instance, keep_counts, shown

from .ladder import LadderTrial

STREAM, CHECK = 2, 3  # generators of their own, beside those of LadderTrial


@dataclass(frozen=True)
class StoppingTrial(LadderTrial):
    """A LadderTrial on a set of sequences.

    fresh_from: from this step on batches are of sequences never seen before; None: never.
    checked_on: so many more held-out sequences, of which only the cross-entropy is measured; 0:
                none.
    on_set:     measure also the excess loss on the set itself: below 0, the network foretells
                those sequences better than the true law does.

    Its results have also held_out_loss, a list over the evaluations, if checked_on; and set_excess,
    if on_set.
    """

    fresh_from: int | None = None
    checked_on: int = 0
    on_set: bool = False

    def __post_init__(self):
        super().__post_init__()
        if not self.sequences:
            raise InputError(f"sequences: expected a set, for it to end, got {self.sequences}")
        if self.fresh_from is not None:
            check_count("fresh_from", self.fresh_from, 0)
            keep_counts(self, "fresh_from", minimum=0)
        if self.model != "minimal":
            raise InputError(f'model: expected "minimal", got {shown(self.model)}')
        keep_counts(self, "checked_on", minimum=0)
        check_instance("on_set", self.on_set, bool)

    def batches(self, device, for_data, for_drops):
        """As LadderTrial's up to step fresh_from; then from an endless stream, as many at once."""
        kept = super().batches(device, for_data, for_drops)
        if self.fresh_from is None:
            return kept
        settings = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(LadderTrial)
        }
        size = min(self.batch, self.sequences)
        endless = LadderTrial(**settings | {"sequences": 0, "batch": size})
        rng = np.random.default_rng([self.seed, self.draw, STREAM])
        fresh = endless.batches(device, rng, for_drops)
        return lambda step, history: (kept if step < self.fresh_from else fresh)(step, history)

    def trained(self, loss, params, batches, optimizer, evaluate, **how) -> Any:
        """As every trial's, and with each evaluation what checked_on and on_set ask for."""
        kept = {}  # by name: sequences, and what is taken from the cross-entropy on them
        if self.checked_on:
            rng = np.random.default_rng([self.seed, self.draw, CHECK])
            kept["held_out_loss"] = self.chain.sample(rng, self.checked_on, self.length), 0.0
        if self.on_set:
            *_, for_data, _ = self.generators()
            own = self.chain.sample(for_data, self.sequences, self.length, self.p)
            true = own[:, self.chain.order :, None]
            law = np.take_along_axis(self.chain.log_probs(own[:, :-1]), true, axis=-1)
            kept["set_excess"] = own, -float(law.mean())
        if not kept:
            return super().trained(loss, params, batches, optimizer, evaluate, **how)
        put = self.backend().put
        kept = {name: (put(x, "float32"), less) for name, (x, less) in kept.items()}

        def all_of_them(step, params):
            measured = {name: float(loss(params, x)[0]) - less for name, (x, less) in kept.items()}
            return evaluate(step, params) | measured

        return super().trained(loss, params, batches, optimizer, all_of_them, **how)
