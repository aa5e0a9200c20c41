# %%
"""Climbing the ladder: a network on the high-order chain learns one block of the past after the other.

Question   Does the network itself go through the stages of lesson 06, and what does it know at each of them?
You see    its distance to teachers that see one, two or all three blocks of the past: it stops near each before it goes on;
           where the heads look when they leave a stage; and what each head writes at the end.
Takes      1 minute; with --model full 10, with --seeds 5 about 4.

Variants: --reverse, --lag-weights 0.7,0.3, --spans 4,4,4 --stride 2 --heads 4, --importance 1, --init-scale 1e-3,
--optimizer sgd, --model full, and combinations of them.
"""

import argparse
import itertools
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded: passes run side by side instead

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import ladder, lesson, losses, measure, models, optim, plot, train
from tinyattn.errors import InputError, check_count, check_number
from tinyattn.tasks import markov

VOCAB, GENERATED, LOOKS, HELD_OUT, CHUNK, DROPOUT = 50, 20, 20, 500, 128, 0.1


def numbers(kind):
    """The type of a flag that takes numbers with commas between them."""

    def read(text):
        try:
            return tuple(kind(part) for part in text.split(","))
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected numbers with commas between them, got {text!r}") from None

    return read


run = lesson.start("07_climbing_the_ladder", __doc__, flags={
    "--model": dict(choices=["minimal", "full"], default="minimal", help="which network (default minimal)"),
    "--optimizer": dict(choices=["adamw", "sgd"], default="adamw", help="default adamw"),
    "--lr": dict(type=float, help="learning rate; default 0.08, with --model full 0.003, with sgd 20 (full: 0.2)"),
    "--heads": dict(type=int, default=3, help="default 3"),
    "--spans": dict(type=numbers(int), help="lags in each block; default 2,2,2, with --model full 4,4,4"),
    "--stride": dict(type=int, help="distance between the starts of blocks; smaller than a span they overlap"),
    "--lag-weights": dict(type=numbers(float), help="c_i of the lags of a block, e.g. 0.7,0.3; default all 1"),
    "--importance": dict(type=float, help="ratio m of successive blocks; default 1.7, with sgd 2"),
    "--reverse": dict(action="store_true", help="the farthest block matters most"),
    "--init-scale": dict(type=float, help="queries start uniform in +- this (minimal model; default 1e-9)"),
    "--sequences": dict(type=int, help="train on a set of so many; default an endless stream, with --model full 9000"),
    "--batch": dict(type=int, help="default 512"),
    "--steps": dict(type=int, help="default 1200, with sgd 6000"),
    "--seeds": dict(type=int, default=1, help="so many runs, with seeds --seed, --seed + 1, ... (default 1)"),
}, resumable=True)  # fmt: skip
option, sgd, full = run.options, run.options.optimizer == "sgd", run.options.model == "full"
if run.quick:
    VOCAB, GENERATED, HELD_OUT = 30, 10, 300


def choose(value, default):
    return default if value is None else value


spans = choose(option.spans, (4, 4, 4) if full else (2, 2, 2))
importance = choose(option.importance, 2.0 if sgd else 1.7)
sequences = check_count("--sequences", choose(option.sequences, 9000 if full else 0), 0)
batch = check_count("--batch", choose(option.batch, 256 if run.quick else 512))
steps = check_count("--steps", choose(option.steps, 700 if run.quick else 6000 if sgd else 1200))
check_count("--seeds", option.seeds)
if not 2 <= len(spans) <= 4:
    raise InputError(f"--spans: expected two to four blocks, got {spans}")
if check_count("--heads", option.heads) > 8:
    raise InputError(f"--heads: expected at most 8, got {option.heads}")
init_scale = check_number("--init-scale", choose(option.init_scale, 1e-2 if run.quick else 1e-9), least=0)
if full and option.init_scale is not None:
    raise InputError(f"--init-scale: expected none with --model full, got {option.init_scale}")
rate = check_number("--lr", choose(option.lr, (0.2 if full else 20) if sgd else 0.003 if full else 0.08), above=0)
chosen = (option.lr, option.stride, option.lag_weights, option.sequences, option.init_scale, option.batch, option.steps)
plain = not (sgd or option.reverse or any(value is not None for value in (*chosen, option.spans, option.importance)))
plain = plain and option.heads == 3
standard = plain and not full

# %% [markdown]
# ## 1. The chain and its ladder
#
# The next token depends on the past in blocks: p = softmax of sum_k A_k (sum of the tokens in block k), divided by a
# temperature, each A_k an orthogonal matrix times an importance, the nearest block first. So we know what a perfect
# network predicts, and also what one would that sees only the k strongest blocks: rung k of the **ladder**. The
# distance to a rung is KL(rung k || network).
#
# ## 2. The network
#
# The minimal model: one layer of attention, no residual, no norm, no MLP; queries start within 1e-9 of 0 (1e-2 with
# --quick) and values at 0, so the heads start alike. `--model full` is a transformer of width 255 with residual sums,
# norms, an MLP and dropout. Cross-entropy instead of squared error, AdamW instead of descent, one-hot tokens instead of
# Gaussian ones: nothing of lesson 06 is exactly true here. Does its story hold? (It holds under plain SGD as well, later:
# the gradient is a mean over all positions, so the paper's rate of 0.2 would need 100 times as many steps here as 20.)


# %%
def train_one(seed):
    """One run: the chain, the LadderProbe and the history."""
    for_chain, for_start, for_looks, for_data, for_drops = np.random.default_rng(seed).spawn(5)
    chain = markov.draw_chain(for_chain, VOCAB, spans, stride=option.stride, importance=importance,
                              reverse=option.reverse, lag_weights=option.lag_weights)  # fmt: skip
    length = chain.order + GENERATED
    if full:
        model = models.Transformer(VOCAB, length - 1, heads=option.heads, first_query=chain.order - 1)
    else:
        model = models.MinimalModel(VOCAB, length - 1, option.heads, chain.order - 1, init_scale, 0.0)
    loss = losses.chunked(losses.next_token_loss(model), min(CHUNK, batch), run.map)
    if sequences:
        stream = train.minibatches(chain.sample(for_data, sequences, length), min(batch, sequences), for_data)
    else:
        stream = (chain.sample(for_data, batch, length) for _ in itertools.count())
    if full:
        stream = ((x, *model.draw_drops(for_drops, len(x), length - 1, DROPOUT)) for x in stream)
    looks = ladder.LadderProbe(model, chain, chain.sample(for_looks, HELD_OUT, length), run.device, maps=True)
    kept = {
        **vars(option),
        "spans": spans,
        "importance": importance,
        "sequences": sequences,
        "batch": batch,
        "init_scale": init_scale,
        "lr": rate,
        "vocab": VOCAB,
        "generated": GENERATED,
        "looks": LOOKS,
        "dropout": DROPOUT,
    }
    kept = {key: kept[key] for key in kept.keys() - {"out", "no_show", "resume", "seeds", "steps", "device"}}
    optimizer = optim.SGD(rate, momentum=0.9) if sgd else optim.AdamW(rate)
    _, history = train.train(
        loss, run.device.put(model.init(for_start), "float32"), (run.device.put(b, "float32") for b in stream), optimizer,
        steps=steps, clip=1.0, callbacks=[(LOOKS, looks)], every=LOOKS, title=f"seed {seed}",
        checkpoint=run.checkpoint(f"checkpoint_{seed}", **{**kept, "seed": seed}),
    )  # fmt: skip
    return chain, looks, history


def summary(history):
    """The numbers of one run, as results.json has them."""
    at, kl, mass = history.steps("kl"), history["kl"], history["span_mass"]
    nearest = kl.argmin(axis=0)
    return dict(
        kl_argmin_steps=at[nearest].tolist(),
        kl_there=kl[nearest].tolist(),
        kl_at_start=kl[0].tolist(),
        stage_steps=measure.stage_steps(at, kl).tolist(),
        rungs_in_order=bool((np.diff(nearest) > 0).all()),
        final_kl=kl[-1].tolist(),
        own_block=(mass[-1].argmax(axis=1) + 1).tolist(),
        own_block_mass=mass[-1].max(axis=1).tolist(),
        first_block=(mass[nearest[0]].argmax(axis=1) + 1).tolist(),
    )


runs = {seed: train_one(seed) for seed in range(option.seed, option.seed + option.seeds)}
found = {seed: summary(history) for seed, (_, _, history) in runs.items()}
chain, looks, history = runs[option.seed]
first = found[option.seed]
h, H = len(chain.blocks), option.heads

# %% [markdown]
# ## 3. What to look for
#
# Each stage of lesson 06 is a rung. While all heads sit on the strongest block the network is nearest to the teacher
# that sees this block alone (nearest, not equal: the other blocks leak in). One head leaves, and it comes nearest to
# the teacher of two blocks. At the end, look at what the heads *write*: a head writes the same for a token wherever the
# token stands; where it still looks at another's block this is wrong, and the other head takes it back.


# %%
def rung(k):
    """The blocks that teacher k (from 0) sees, in words."""
    return f"block{'s' if k else ''} {', '.join(str(block + 1) for block in looks.order[: k + 1])}"


at, kl, mass, alignment = history.steps("kl"), history["kl"], history["span_mass"], history["alignment"]
left = [step for step in first["stage_steps"] if np.isfinite(step)]
edges = [0, *left, at[-1]]
fig = plt.figure(figsize=(12.5, 10))
grid = fig.add_gridspec(3, 12, height_ratios=(1.35, 1, 1))
ax = fig.add_subplot(grid[0, :])
inks = (plot.VERMILION, plot.PURPLE, plot.SKY, plot.BLACK)
for other, (_, _, others) in runs.items():
    for k in range(h):
        ax.plot(others.steps("kl"), others["kl"][:, k], color=inks[k], lw=2.2 if other == option.seed else 0.8,
                label=f"to the teacher of {rung(k)}" if other == option.seed else None)  # fmt: skip
for i, (start, end) in enumerate(zip(edges[:-1], edges[1:])):
    ax.axvspan(start, end, color="0.94" if i % 2 == 0 else "1", zorder=0)
    ax.annotate(
        f"nearest: {rung(i) if len(left) == h - 1 else ''}",
        ((start + end) / 2, 0.97),
        xycoords=("data", "axes fraction"),
        ha="center",
        va="top",
    )
if standard and not run.quick:
    plot.reference(ax, 0.09, "paper, full teacher, at the end: 0.09")
ax.set(
    xlim=(0, at[-1]),
    ylim=(0, 1.15 * kl[min(3, len(kl) - 1) :].max()),
    xlabel="training step",
    ylabel="KL(teacher || network), nats",
    title="The network comes nearest to the teacher of one block, leaves it for that of two, then for that of all three"
    if first["rungs_in_order"] and len(left) == h - 1
    else "Distance to the teachers",
)
ax.legend(loc="center right")
moments = [np.abs(at - step).argmin() for step in (edges[1] // 2, *edges[1:])]
moments = [moments[i] for i in np.linspace(0, len(moments) - 1, 4).round().astype(int)]
for i, moment in enumerate(moments):
    ax = fig.add_subplot(grid[1, 3 * i : 3 * i + 3])
    plot.heads_map(ax, history["maps"][moment], f"step {at[moment]}", first_query=looks.model.first_query)
    if i == 0:
        ax.set_ylabel("query position\n(the heads' colours;\ngrey: alike)")
for k in range(h):
    ax = fig.add_subplot(grid[2, k * 9 // h : (k + 1) * 9 // h])
    for j in range(H):
        ax.plot(at, mass[:, j, k], color=plot.COLOURS[j], lw=2, label=f"head {j + 1}")
    ax.set(title=f"attention on block {k + 1}", ylim=(0, 1), xlabel="training step")
    if k == h - 1:
        ax.legend(loc="upper left")
ax = fig.add_subplot(grid[2, 9:])
image = ax.imshow(alignment[-1], cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
for j, k in np.ndindex(H, h):
    value = float(alignment[-1, j, k])
    ax.text(k, j, f"{value:.2f}", ha="center", va="center", color="w" if abs(value) > 0.6 else "k")
ax.set_xticks(range(h), [f"$A_{k + 1}$" for k in range(h)])
ax.set_yticks(range(H), [f"head {j + 1}" for j in range(H)])
ax.set(title="what a head writes, against $A_k$")
run.figure(fig, "ladder")

# %%
paper = standard and not run.quick
plateaus, leaves, last = ((0.87, 0.34), ("about 330", "about 575"), (2.8, 0.7, 0.09)) if paper else ([None] * 4,) * 3
if plain and full and not run.quick:
    plateaus, leaves, last = (None, 0.45), ("about 65", "about 450"), (None, None, 0.2)
rows = []
for k, (reached, step) in enumerate(zip([0, *first["stage_steps"]], first["stage_steps"])):
    if reached < step:  # else a rung that was passed over, or never left
        middle = kl[np.abs(at - (reached + 2 * step) / 3).argmin(), -1]
        rows += [(f"nearest to {rung(k)}: KL to the full teacher meanwhile", plateaus[k], float(middle)),
                 (f"the teacher of {rung(k)} is left at step", leaves[k], int(step))]  # fmt: skip
run.compare([
    *rows,
    *((f"KL to the teacher of {rung(k)}, at the end", last[k], float(kl[-1, k])) for k in range(h)),
    ("step nearest to each of them", None, ", ".join(map(str, first["kl_argmin_steps"]))),
    ("excess loss on new sequences (nats)", None, float(history["excess"][-1])),
    ("block each head looks at most, at the end", None, ", ".join(map(str, first["own_block"]))),
    ("its share of the attention there", None, ", ".join(f"{share:.2f}" for share in first["own_block_mass"])),
])  # fmt: skip
if standard:
    every = list(found.values())
    run.claim("the network comes nearest to rungs 1, 2, 3 in that order", all(one["rungs_in_order"] for one in every))
    run.claim("when it is nearest to rung 1, every head looks most at block 1",
              all(set(one["first_block"]) == {1} for one in every))  # fmt: skip
    run.claim(f"at the end the distance to the full teacher is below {0.5 if run.quick else 0.15}",
              all(one["final_kl"][-1] < (0.5 if run.quick else 0.15) for one in every))  # fmt: skip
    if not run.quick:
        run.claim("the heads end on three different blocks, each with more than half of its attention there",
                  all(sorted(one["own_block"]) == [1, 2, 3] and min(one["own_block_mass"]) > 0.5 for one in every))  # fmt: skip
else:
    run.claim("the distance to the full teacher falls below a third of what it was at the start",
              all(one["final_kl"][-1] < one["kl_at_start"][-1] / 3 for one in found.values()))  # fmt: skip
run.exercise("run it with --importance 1. Near which rung does the network wait, and why?")
run.finish(**first, seeds=found)

# %% [markdown]
# Answer: near none. The heads coincide and share all three blocks alike, a third of the attention on each, and wait until
# the tiny difference between them has grown. Then all part at once: lesson 06, equal importances.
