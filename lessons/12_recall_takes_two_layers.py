# %% [markdown]
# # Recall takes two layers
#
# A skill that comes in one snap, and what repetition does to its coming.
#
# **Question.** What must the first layer write so that the second can look a value up?
# And does repetition help or hinder?
#
# **You see** one layer fail and two succeed after a plateau, two patterns of attention
# rising together; when that happens for more pairs and more tokens; what repetition
# speeds up and what it delays; and repetition that adapts.
#
# **Takes** 4 to 6 minutes. It goes on where it was interrupted.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded: runs stand side by side instead

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import lesson, measure, plot, trials
from tinyattn.tasks.recall import AssociativeRecall

PAIRS, TOKENS, SEEDS, STEPS = 8, 32, 5, 4000
GRID = [(pairs, tokens) for tokens in (16, 32, 64) for pairs in (4, 6, 8, 12)]
ACROSS, IN_CONTEXT, HIGH = [0.1, 0.2, 0.4, 0.6], [1.5, 2.0, 4.0], [0.8, 0.95]
SEEDS_IN_CONTEXT = 3

run = lesson.start("12_recall_takes_two_layers")
if run.quick:
    PAIRS, TOKENS, SEEDS, STEPS, GRID, ACROSS, IN_CONTEXT, HIGH = 4, 16, 2, 450, [], [0.2], [], []
task = dict(pairs=PAIRS, vocab=TOKENS, steps=STEPS, every=20 if run.quick else 10)
seeds = [run.options.seed * 100 + i for i in range(SEEDS)]


def runs(title, *variants, over=seeds):
    """The results of each variant, a dict of settings, for every seed: a list for each variant."""
    points = [{**task, **variant, "seed": seed} for variant in variants for seed in over]
    results = run.sweep(trials.recall.run, points, title)
    return [results[i * len(over) : (i + 1) * len(over)] for i in range(len(variants))]


def when(results, what="emerged"):
    """Steps, NaN for what never came."""
    return np.array([np.nan if result[what] is None else float(result[what]) for result in results])


# %% [markdown]
# ## 1. One layer fails, and why
#
# A sequence is k_1 v_1 k_2 v_2 ... q: find q among the keys and say the value behind
# it. In one layer the query scores every place by what stands there and by the
# position, a(q, x_j, j), and adds up what it finds, f(x_j, j). At the place of a value
# nothing tells which key stands before it: the score of v_i cannot depend on k_i. So
# the best that one layer can do is to guess among the values: 1 in 8.
#
# Two layers can: the first writes into each value's place which key stands before it (a
# previous-token head), the second matches the query with that. Or one layer can, if its
# input carries the token before each one. That is all that is missing.

# %%
two, one, helped = runs("depth", {"depth": 2}, {"depth": 1}, {"depth": 1, "previous": True})

# %% [markdown]
# ## 2. More pairs, more tokens
#
# The snap comes later the more there is to tell apart. A power law is fitted to the
# step at which clean accuracy exceeds 1/2.

# %%
grid = runs("grid", *({"pairs": pairs, "vocab": tokens} for pairs, tokens in GRID), over=seeds[:1])
grid_at = np.array([when(results)[0] for results in grid])
law = measure.fit_power_law(grid_at, n_pairs=[pairs for pairs, _ in GRID], n_tokens=[n for _, n in GRID]) if GRID else None

# %% [markdown]
# ## 3. Repetition, across samples and in context
#
# *Across samples*: with probability p the query is one of two favoured tokens. Their
# keys are met more often, so the circuit is found for them first, and it serves the
# others too: the clean skill comes sooner. With p near 1 others are hardly ever asked
# for, and the network learns the favoured ones alone, until the few other questions
# catch up.
#
# *In context*: each place holds the query with probability B/N. Then its value stands
# there several times, and saying the value that stands there most often is right ever
# more often, without any look at the keys. That is learnt first, the training loss
# falls early, and there is less left to push towards the circuit: the clean skill comes
# later.
#
# That is so here, with 8 pairs of 32 tokens. The paper finds the opposite with 32 pairs
# of 256 tokens and four layers: repetition in context brings 5% accuracy 4 times
# sooner. Guessing among the values in the context is right in 3.1% there, below that
# threshold, and in 12.5% here, above it. So what is told here does not explain theirs.

# %%
across = dict(zip(ACROSS, runs("across samples", *({"p": p} for p in ACROSS))))
few = seeds[:SEEDS_IN_CONTEXT]
in_context = dict(zip(IN_CONTEXT, runs("in context", *({"repeats": B} for B in IN_CONTEXT), over=few)))
high = dict(zip(HIGH, runs("high p", *({"p": p} for p in HIGH), over=seeds[:1])))


def most_frequent(B, n=4000):
    """How often the value that stands there most often is the answer, on the task with B."""
    sequences = AssociativeRecall(PAIRS, TOKENS, B).sample(np.random.default_rng(0), n)
    values = sequences[:, 1 : 2 * PAIRS : 2]
    counts = (values[:, :, None] == values[:, None, :]).sum(axis=2)
    return float((values[np.arange(n), counts.argmax(axis=1)] == sequences[:, -1]).mean())


# %% [markdown]
# ## 4. Diversity that adapts
#
# While the clean loss stands still, raise p; once it falls, lower it again. The rule
# and its settings (`trials.AdaptiveRepetition`) were chosen on other seeds than those
# judged here.

# %%
(adaptive,) = runs("adaptive", {"adaptive": {}})
constant = {0.0: when(two, "solved"), **{p: when(results, "solved") for p, results in across.items()}}
best_p = min(constant, key=lambda p: np.median(np.nan_to_num(constant[p], nan=np.inf)))
best_each = np.nanmin(list(constant.values()), axis=0)
adapted = when(adaptive, "solved")

# %%
fig, axes = plt.subplots(2, 3, figsize=(14.5, 8.2))
for results, colour, name in (
    (two, plot.BLUE, "two layers"),
    (one, plot.VERMILION, "one layer"),
    (helped, plot.GREEN, "one layer, input with the token before"),
):
    for i, result in enumerate(results):
        axes[0, 0].plot(result["step"], result["clean_accuracy"], color=colour, lw=1.2, label=name if i == 0 else None)
plot.reference(axes[0, 0], 1 / PAIRS, "guessing among the values")
axes[0, 0].set(
    xscale="symlog",
    xlim=(10, STEPS),
    ylim=(0, 1.02),
    xlabel="training step",
    ylabel="clean accuracy",
    title="One layer fails, two snap",
)
axes[0, 0].legend(fontsize=8)
for name, colour, what in (("previous_token", plot.ORANGE, "layer 1: value looks at the key before it"),
                           ("matching", plot.PURPLE, "layer 2: query looks at the value behind its key"),
                           ("clean_accuracy", plot.BLUE, "clean accuracy")):  # fmt: skip
    axes[0, 1].plot(two[0]["step"], two[0][name], color=colour, lw=2, label=what)
axes[0, 1].set(
    ylim=(0, 1.02), xlabel="training step", ylabel="attention, accuracy", title="Both patterns rise together (one run)"
)
axes[0, 1].legend(fontsize=8)
for tokens, colour in zip((16, 32, 64), plot.COLOURS):
    rows = [i for i, point in enumerate(GRID) if point[1] == tokens]
    if rows:
        axes[0, 2].loglog([GRID[i][0] for i in rows], grid_at[rows], "o", color=colour, label=f"{tokens} tokens")
        axes[0, 2].loglog(
            [GRID[i][0] for i in rows],
            [law.C * GRID[i][0] ** law.exponents["n_pairs"] * tokens ** law.exponents["n_tokens"] for i in rows],
            ":",
            color=colour,
        )
if GRID:
    axes[0, 2].set_xticks([4, 6, 8, 12], ["4", "6", "8", "12"])
    axes[0, 2].minorticks_off()
    axes[0, 2].legend(fontsize=8)
axes[0, 2].set(xlabel="pairs", ylabel="step of the snap", title="Later with more pairs and more tokens (dotted: fit)")
axes[1, 0].plot(list(constant), [np.median(values) for values in constant.values()], "-", color=plot.BLUE)
for p, values in constant.items():
    axes[1, 0].plot(
        [p] * len(values), values, "o", color=plot.BLUE, ms=4, label="constant p (line: median)" if p == 0 else None
    )
axes[1, 0].plot([best_p] * len(adapted), adapted, "D", color=plot.VERMILION, ms=5, label="p that adapts (drawn at the best p)")
axes[1, 0].set(
    ylim=(0, None),
    xlabel="p, cross-sample repetition",
    ylabel="step of 95% clean accuracy",
    title="A little repetition across samples helps",
)
axes[1, 0].legend(fontsize=8)
for (B, results), colour in zip(in_context.items(), plot.COLOURS):
    axes[1, 1].plot(results[0]["step"], results[0]["own_accuracy"], "--", color=colour, lw=1.5)
    axes[1, 1].plot(results[0]["step"], results[0]["clean_accuracy"], color=colour, lw=2, label=f"B = {B:g}")
axes[1, 1].plot(two[0]["step"], two[0]["clean_accuracy"], color="k", lw=2, label="no repetition")
axes[1, 1].set(
    ylim=(0, 1.02), xlabel="training step", ylabel="accuracy", title="In context it delays the skill (dashed: on its own task)"
)
axes[1, 1].legend(fontsize=8)
axes[1, 2].plot(adaptive[0]["step"], adaptive[0]["p"], color=plot.VERMILION, lw=2, label="p that adapts")
axes[1, 2].plot(
    adaptive[0]["step"], np.array(adaptive[0]["clean_loss"]) / np.log(TOKENS), color="k", lw=2, label="clean loss / ln(tokens)"
)
for (p, results), colour in zip(high.items(), (plot.SKY, plot.GREEN)):
    axes[1, 2].plot(results[0]["step"], np.array(results[0]["own_loss"]) / np.log(TOKENS), "--", color=colour, lw=1.2)
    axes[1, 2].plot(
        results[0]["step"],
        np.array(results[0]["clean_loss"]) / np.log(TOKENS),
        color=colour,
        lw=1.5,
        label=f"clean loss, p = {p} (dashed: own)",
    )
axes[1, 2].set(xlim=(0, 1200), ylim=(0, 2), xlabel="training step", title="Repetition that adapts; and too much of it")
axes[1, 2].legend(fontsize=8)
run.figure(fig, "recall")

# %%
median = lambda values: float(np.median(np.nan_to_num(values, nan=np.inf)))
text = lambda values: ", ".join("-" if np.isnan(value) else f"{value:.4g}" for value in values)
ends = {name: [result["clean_accuracy"][-1] for result in results] for name, results in (("2", two), ("1", one))}
p_told = 0.2
speedup = median(when(two)) / median(when(across[p_told]))
speedup_B2 = median(when(two[: len(few)])) / median(when(in_context[2.0])) if in_context else None
rows = [
    (f"two layers, {PAIRS} pairs, {TOKENS} tokens: clean accuracy at the end", None, text(ends["2"])),
    ("    step of the snap (accuracy above 1/2)", None, text(when(two))),
    (f"one layer: clean accuracy after {STEPS} steps", None, text(ends["1"])),
    ("one layer, input with the token before: step of the snap", None, text(when(helped))),
    (
        "attention at the end: previous token, matching value",
        None,
        text([two[0]["previous_token"][-1], two[0]["matching"][-1]]),
    ),
    *(
        (f"across samples, p = {p}: snap, 95%", None, f"{median(when(r)):.4g}, {median(when(r, 'solved')):.4g}")
        for p, r in across.items()
    ),
    (f"speed-up at p = {p_told}", "2", speedup),
    *(
        (
            f"in context, B = {B:g}: 5%, snap, and snap on its own task",
            None,
            text([np.median(when(r, "weak")), np.median(when(r)), np.median(when(r, "own_emerged"))]),
        )
        for B, r in in_context.items()
    ),
    *((f"    saying the most frequent value is right, B = {B:g}", None, most_frequent(B)) for B in in_context),
    *([("no repetition: 5%, snap", None, text([np.median(when(two, "weak")), np.median(when(two))]))] if in_context else []),
    *(
        (
            f"p = {p}: lowest own loss while clean accuracy is below 1/2, clean loss then",
            None,
            text(
                min(
                    (own, clean)
                    for own, clean, right in zip(r[0]["own_loss"], r[0]["clean_loss"], r[0]["clean_accuracy"])
                    if right < 0.5
                )
            ),
        )
        for p, r in high.items()
    ),
    *(
        [
            ("law: pairs, tokens (paper: at 5% accuracy)", "2.25, 0.79", text(list(law.exponents.values()))),
            ("    R2", "0.982", law.r2),
        ]
        if law
        else []
    ),
    (f"95%: adaptive, each seed (median {median(adapted):.4g})", None, text(adapted)),
    (f"     best constant p = {best_p:g} (median {median(constant[best_p]):.4g})", None, text(constant[best_p])),
    ("     best constant of each seed", None, text(best_each)),
]
run.compare(rows)
if run.quick:
    run.claim("two layers learn to recall", all(end > 0.9 for end in ends["2"]))
    run.claim("one layer does not", all(max(result["clean_accuracy"]) < 0.5 for result in one))
    run.claim("one layer does if its input carries the token before", any(np.isfinite(when(helped))))
else:
    run.claim("two layers exceed 0.99 clean accuracy for at least 4 of 5 seeds", sum(end >= 0.99 for end in ends["2"]) >= 4)
    run.claim("one layer stays below 0.2", all(max(result["clean_accuracy"]) < 0.2 for result in one))
    run.claim(
        "one layer succeeds if its input carries the token before, for at least 4 of 5 seeds",
        sum(np.isfinite(when(helped))) >= 4,
    )
    run.claim("the snap comes later with more pairs and with more tokens",
              law.exponents["n_pairs"] > 0 and law.exponents["n_tokens"] > 0)  # fmt: skip
    run.claim("cross-sample repetition p = 0.2 makes it at least 1.3 times earlier", speedup >= 1.3)
    run.claim(
        "in-context repetition delays the clean skill", all(median(when(r)) > median(when(two)) for r in in_context.values())
    )
run.exercise("give the one-layer network the token after each one instead. Which accuracy do you expect, and why?")
settings = dict(
    pairs=PAIRS, tokens=TOKENS, seeds=SEEDS, steps=STEPS, grid=GRID, across=ACROSS, in_context=IN_CONTEXT,
    high=HIGH, seeds_in_context=SEEDS_IN_CONTEXT
)  # fmt: skip
run.finish(settings, clean_accuracy=ends, snap_step={"2": when(two), "1": when(one)}, speedup_p02=speedup,
           speedup_B2_clean=speedup_B2, law=None if law is None else {"C": law.C, **law.exponents, "r2": law.r2},
           adaptive={"step_to_95": adapted, "best_constant": best_each, "best_constant_p": best_p})  # fmt: skip

# %% [markdown]
# Answer: it succeeds as well. Then the query matches the key's own place, where its
# input shows the key and, beside it, the value that follows (with nothing after the
# query itself, or the answer would be given away).
