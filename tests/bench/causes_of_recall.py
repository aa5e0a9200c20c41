"""Causes of recall by two layers, for `causes.py`: parts held in training, knocked out after it, and put back."""

import dataclasses

from experiments import RecallTrial
from tinyattn.hold import hold_params

LOOKS, WRITES, SECOND = ("W_Q.1", "W_K.1"), ("W_V.1", "W_O.1"), ("W_Q.2", "W_K.2")
HELD = {  # what is held, what is 0 from the start: the steps to an accuracy of 0.99, or the accuracy after 4000; seeds 0, 1
    "where layer 1 looks held": (LOOKS, (), (940, 920)),
    "what layer 1 writes held": (WRITES, (), (1040, 1000)),
    "where layer 2 looks held": (SECOND, (), (0.115, 0.135)),
    "layer 1 held uniform": (LOOKS, LOOKS, (0.78, 0.77)),
    "layer 1 held uniform, no positions": ((*LOOKS, "W_P"), (*LOOKS, "W_P"), (0.52, 0.53)),
}
KNOCKED_OUT = {  # what is set to 0 after training: the accuracy
    "layer 1 uniform": (LOOKS, (0.37, 0.37)),
    "layer 2 uniform": (SECOND, (0.10, 0.10)),
    "layer 1 writes nothing": (("W_V.1",), (0.11, 0.11)),
}
PUT_BACK = {  # what starts anew after training: how many steps until it is solved again
    "where layer 1 looks": (LOOKS, (120, 90)),
    "where layer 2 looks": (SECOND, (120, 90)),
}


@dataclasses.dataclass(frozen=True)
class HeldRecall(RecallTrial):
    """Recall with some parameters held as they start, and some that start at 0.

    start:     the parameters to start from. Batches are those of any run of its seed, from the first.
    looked_at: the parameters at each look of the run.
    """

    still: tuple = ()
    zero: tuple = ()
    start: dict | None = None
    looked_at: list = dataclasses.field(default_factory=list)

    def trained(self, loss, params, batches, optimizer, look, **how):
        params = self.start or params
        params = {key: 0 * p if key in self.zero else p for key, p in params.items()}
        if self.still:
            loss, optimizer = hold_params(loss, optimizer, dict.fromkeys(self.still, True))

        def kept(step, params):
            self.looked_at.append(params)
            return look(step, params)

        return super().trained(loss, params, batches, optimizer, kept, **how)


def result(found):
    """The step at which it was solved, or the accuracy at the end."""
    solved = found["clean_accuracy"][-1] >= 0.99
    return found["step"][-1] if solved else found["clean_accuracy"][-1]


def held(names=HELD, seeds=(0, 1)):
    for name in names:
        still, zero, expected = HELD[name]
        for seed in seeds:
            found = HeldRecall(seed=seed, still=still, zero=zero).run()
            yield f"recall, {name}, seed {seed}", result(found), expected[seed]


def after_training(seeds=(0, 1), **settings):
    for seed in seeds:
        free = HeldRecall(seed=seed, **settings)
        found = free.run()
        start, end = free.looked_at[0], free.looked_at[-1]
        yield f"recall, free, seed {seed}", result(found), 750
        for name, (zero, expected) in KNOCKED_OUT.items():
            knocked = HeldRecall(seed=seed, start=end, zero=zero, **settings | {"steps": 1}).run()
            yield f"    knocked out, {name}", knocked["clean_accuracy"][0], expected[seed]
        for name, (back, expected) in PUT_BACK.items():
            anew = end | {key: start[key] for key in back}
            again = HeldRecall(seed=seed, start=anew, **settings).run()
            yield f"    put back {name}: solved again after", result(again), expected[seed]


PARTS = [held, after_training]
