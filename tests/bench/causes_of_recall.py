"""Causes of recall by two layers, for `causes.py`: parts held in training, knocked out after it, and put back."""

from experiments.held_recall import HeldRecall, summed

LOOKS, WRITES, SECOND = ("W_Q.1", "W_K.1"), ("W_V.1", "W_O.1"), ("W_Q.2", "W_K.2")
HELD = {  # what is held, what is 0 from the start: the steps to an accuracy of 0.99, or the accuracy after 4000; seeds 0, 1
    "W_Q, W_K of layer 1 held": (LOOKS, (), (940, 920)),
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
EMBEDDINGS, SAYS = ("W_E", "W_P"), ("W_V.1", "W_O.1", "W_U", "c_U")
PUT_BACK = {  # what starts anew after training: how many steps until it is solved again
    "where layer 1 looks": (LOOKS, (120, 90)),
    "where layer 2 looks": (SECOND, (120, 90)),
    "where both look": (LOOKS + SECOND, (170, 160)),
    "where layer 1 looks and what it writes": (LOOKS + WRITES, (100, 100)),
    "the embeddings": (EMBEDDINGS, (70, 70)),
}
TOLD = {  # one layer that is told the token before; what starts anew: the step of the snap, seeds 0, 1, 2
    "where": (LOOKS, (80, 80, 80)),
    "what": (SAYS, (30, 30, 20)),
    "both": (LOOKS + SAYS, (110, 120, 110)),
    "the embeddings": (EMBEDDINGS, (0, 10, 10)),
    "everything": (LOOKS + SAYS + EMBEDDINGS, (250, 270, 290)),
}
OTHERS = {  # settings: the step of the snap, seeds 0, 1, 2; None: never
    "embeddings held": (dict(still=EMBEDDINGS), (970, 820, 970)),
    "started 3.5 times as large": (dict(scale=0.7), (300, 280, 280)),
    "each place given the place before": (dict(looks="before"), (None, 380, 250)),
    "values given their key": (dict(looks="key"), (190, 180, 180)),
    "one layer told the token after": (dict(depth=1, following=True), (190, 190, 180)),
    "batches of 512": (dict(batch=512), (410,)),
    "batches of 32": (dict(batch=32), (1120,)),
}
LOOKS_HELD = (0.732, 0.738, 0.760)  # layer 1's attention held as at the start: accuracy after 4000
BY_SUM = {  # layer 1 even: the score gained times the place; accuracy as it is, with the key taken out
    0: (18.8, 0.764, 0.309, 0.913, 0.125),
}


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
        start, end = free.ends[0], free.ends[-1]
        yield f"recall, free, seed {seed}", result(found), 750
        for name, (zero, expected) in KNOCKED_OUT.items():
            knocked = HeldRecall(seed=seed, start=end, zero=zero, **settings | {"steps": 1}).run()
            yield f"    knocked out, {name}", knocked["clean_accuracy"][0], expected[seed]
        for name, (back, expected) in PUT_BACK.items():
            anew = end | {key: start[key] for key in back}
            again = HeldRecall(seed=seed, start=anew, **settings).run()
            yield f"    put back {name}: solved again after", result(again), expected[seed]


def told(seeds=(0, 1, 2), **settings):
    for seed in seeds:
        how = dict(seed=seed, depth=1, previous=True, **settings)
        free = HeldRecall(**how)
        free.run()
        start, end = free.ends[0], free.ends[-1]
        for name, (back, expected) in TOLD.items():
            anew = end | {key: start[key] for key in back}
            found = HeldRecall(**how, start=anew).run()
            yield f"told, put back {name}, seed {seed}: snap", found["emerged"], expected[seed]


def others(seeds=(0, 1, 2), **settings):
    for name, (how, expected) in OTHERS.items():
        for seed, snap in zip(seeds, expected):
            found = HeldRecall(seed=seed, **how | settings).run()
            yield f"recall, {name}, seed {seed}: snap", found["emerged"], snap
    for seed, expected in zip(seeds, LOOKS_HELD):
        found = HeldRecall(seed=seed, looks="start", **settings).run()
        yield f"recall, layer 1's attention held, seed {seed}", result(found), expected


def by_sum(seeds=(0,), **settings):
    for seed in seeds:
        found = summed(dict(seed=seed, pair=2, **settings))
        numbers = (6 * found["gain"][2], *found["accuracy"])
        yield f"recall, layer 1 even, seed {seed}: gain, accuracies", numbers, BY_SUM[seed]


PARTS = [held, after_training, told, others, by_sum]
