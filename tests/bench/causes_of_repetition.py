"""Causes of lesson 19, for `causes.py`: what repetition teaches, in which part; what makes copies late."""

from experiments.held_recall import HeldRecall
from experiments.repeated_recall import RepeatedRecall, grafted, knocked_out, put_back

LOOKS, WRITES = ["W_Q.1", "W_K.1"], ["W_V.2", "W_O.2"]  # where layer 1 looks, what layer 2 writes
PHASE = 250  # steps with repetition, before all is clean
VALUE_MAP = {  # is it held for 250 steps, and q: steps to the snap, by seed
    (False, 0.0): (660, 660, 740),
    (False, 0.4): (360, 380, 390),
    (True, 0.0): (680, 750, 780),
    (True, 0.4): (620, 750, 720),
}
ANEW = {0.0: (770, 780, 860), 0.4: (400, 430, 430)}  # the same, AdamW anew at step 250
CLOCK = {  # q = 0.6 to this step: to the snap, to 95%
    250: ((330, 340, 350), (370, 380, 390)),
    None: ((380, 390, 400), (440, 450, 470)),
}
GRAFTS = {  # plain, q = 0.4; the plain one with the other's looks, with its writing; the other with the plain looks
    0: (530, 150, 260, 490, 250),
    1: (520, 180, 270, 490, 290),
    2: (620, 180, 330, 570, 310),
}
PUT_BACK = {  # fresh; plain at 250, and its looks put back; n = 2 at 500, and the same
    0: (690, 530, 390, 620, 440),
    1: (690, 520, 390, 530, 430),
    2: (770, 620, 490, 680, 550),
}
CONTEXTS = {  # n = 1.5 and 2: as they are; any key asked; copies left out
    0: (1240, 1620, 640, 650, 950, 1130),
    1: (1140, 1460, 650, 620, 1010, 1260),
    2: (1320, 1730, 670, 680, 1010, 1240),
}
SIGN = {  # where values look in layer 1 given, and n: snap, by seed; then with layer 2's value map held
    ("look given", None): (190, 180, 180),
    ("look given", 1.0): (150, 140, 140),
    ("look given", 2.0): (130, 120, 120),
    ("value map held", None): (820, 870, 930),
    ("value map held", 1.0): (1340, 1150, 1480),
    ("value map held", 2.0): (None, None, None),
}
OF_24_PAIRS = {None: (460, 400, 400), 2.0: (200, 200, 200)}  # the look given, by n
KNOCKED_OUT = {  # favoured keys, q = 0.4 at 250: nothing out; looks of 1, writing of 1, looks of 2
    0: (0.98, 0.51, 0.09, 0.12),
    1: (0.87, 0.46, 0.10, 0.09),
    2: (0.85, 0.41, 0.11, 0.12),
}


def value_map_held(seeds=(0, 1, 2), **settings):
    for (still, q), expected in VALUE_MAP.items():
        part = WRITES if still else []
        how = dict(p=q, still=part, until=PHASE, steps=1300) | settings
        found = [RepeatedRecall(seed=seed, **how).run()["emerged"] for seed in seeds]
        yield f"recall, q = {q}, value map held: {still}: snap", str(found), expected


def started_anew(seeds=(0, 1, 2), **settings):
    for q, expected in ANEW.items():
        how = dict(p=q, until=PHASE, anew=PHASE, steps=1300) | settings
        found = [RepeatedRecall(seed=seed, **how).run()["emerged"] for seed in seeds]
        yield f"recall, q = {q}, AdamW anew: snap", str(found), expected


def ended_by_a_clock(seeds=(0, 1, 2), **settings):
    for until, expected in CLOCK.items():
        how = dict(p=0.6, until=until, steps=1300) | settings
        runs = [RepeatedRecall(seed=seed, **how).run() for seed in seeds]
        found = [[run[what] for run in runs] for what in ("emerged", "solved")]
        yield f"recall, q = 0.6 until {until}: snap, 95%", str(found), expected


def grafts(seeds=(0, 1, 2), **settings):
    parts = {"looks": LOOKS, "writes": WRITES}
    how = dict(p=0.4, first=PHASE, steps=1300, parts=parts) | settings
    for seed in seeds:
        one = grafted({**how, "seed": seed})
        found = [one["plain"], one["repeated"], *one["into_plain"].values()]
        found.append(one["into_repeated"]["looks"])
        yield f"recall, grafts, seed {seed}: steps to the snap", str(found), GRAFTS[seed]


def looks_put_back(seeds=(0, 1, 2), **settings):
    how = dict(steps=1300, parts={"nothing": [], "looks": LOOKS}) | settings
    for seed in seeds:
        plain = put_back({**how, "seed": seed, "first": PHASE})
        counting = put_back({**how, "seed": seed, "first": 2 * PHASE, "repeats": 2.0})
        found = [plain["fresh"], *plain["parts"].values(), *counting["parts"].values()]
        yield f"recall, looks put back, seed {seed}: snap after", str(found), PUT_BACK[seed]


def contexts(seeds=(0, 1, 2), **settings):
    for seed in seeds:
        found = []
        for kind in ("", "any key asked", "copies left out"):
            for n in (1.5, 2.0):
                how = dict(repeats=n, contexts=kind, seed=seed, steps=2500) | settings
                found.append(RepeatedRecall(**how).run()["emerged"])
        yield f"recall, contexts, seed {seed}: snap", str(found), CONTEXTS[seed]


def sign(seeds=(0, 1, 2), **settings):
    for (name, n), expected in SIGN.items():
        part = dict(looks="key") if name == "look given" else dict(still=WRITES)
        how = dict(repeats=n, steps=3000) | part | settings
        found = [HeldRecall(seed=seed, **how).run()["emerged"] for seed in seeds]
        yield f"recall, n = {n}, {name}: snap", str(found), expected
    larger = dict(pairs=24, vocab=64, hidden=256, scale=0.7, steps=2000, every=20, looks="key")
    for n, expected in OF_24_PAIRS.items():
        how = larger | dict(repeats=n) | settings
        found = [HeldRecall(seed=seed, **how).run()["emerged"] for seed in seeds]
        yield f"recall, 24 pairs, n = {n}, look given: snap", str(found), expected


def favoured_keys(seeds=(0, 1, 2), **settings):
    parts = {"nothing": [], "looks": ["W_Q.1"], "writes": ["W_V.1"], "looks of 2": ["W_Q.2"]}
    how = dict(p=0.4, steps=PHASE, parts=parts) | settings
    for seed in seeds:
        shares = knocked_out({**how, "seed": seed}).values()
        found = [round(share["favoured"], 2) for share in shares]
        yield f"recall, knocked out, seed {seed}: favoured keys", str(found), KNOCKED_OUT[seed]


PARTS = [
    value_map_held,
    started_anew,
    ended_by_a_clock,
    grafts,
    looks_put_back,
    contexts,
    sign,
    favoured_keys,
]
