# %% [markdown]
# # Real text
#
# Words focus, dilute and focus again.
#
# **Question.** Does the cycle of lesson 10 happen on real text, and how does one tell
# it from noise?
#
# **You see** for words of high, middle and low frequency: how spread their attention
# is, what they look at, how their embeddings grow; the turns that were found, beside
# the loss on text kept out of training; and the same words in random order, where there
# are no turns.
#
# **Takes** 2 to 3 minutes. --text PATH reads a file of your own: WikiText's format,
# TinyStories' format or plain text.

# %%
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded: passes run side by side instead

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import lesson, losses, measure, models, ops, optim, plot, train
from tinyattn.backend import to_numpy
from tinyattn.errors import InputError, check_count
from tinyattn.tasks import text

WIDTH, SCALE, LENGTH, BATCH, RATE, MOMENTUM, LOOKS, CHUNK = 32, 1e-2, 32, 192, 0.08, 0.9, 25, 16
SHARE, NOISE, NATS = 0.2, 5, 0.1  # a turn's falls and rise: least share of the range, times the noise, nats
CONDENSED = 0.05  # nats by which the loss in shuffled text may exceed its end once the words' frequencies are learnt
LEAST = 40  # occurrences: single batches throw the attention of rarer words about, in shuffled text as well
HELD_OUT, JUDGED = 0.1, 400  # the last share of the text is kept out of training; stretches of it that are judged
PAPERS = ["continue", "continued"]  # the paper's word, and one of the same family that is frequent enough in a small text
RANKS = [0, 1, 2, 4, 8, 16, 32, 64, 100, 150, 200, 300]  # words followed, by frequency

run = lesson.start("11_real_text", flags={
    "--text": dict(type=Path, help="a text file in UTF-8; default: stories that the lesson makes itself"),
    "--vocab": dict(type=int, help="words kept, the most frequent; default 500, or all if there are fewer"),
    "--steps": dict(type=int, help="default 5000"),
    "--follow": dict(action="append", default=[], metavar="WORD", help="a word to follow as well; may be repeated"),
})  # fmt: skip
options = run.options
if run.quick:
    RATE = 0.15
steps = check_count("--steps", (300 if run.quick else 5000) if options.steps is None else options.steps, 4 * LOOKS)
for_text, for_judging, for_batches, for_shuffling, for_shuffled = run.rng.spawn(5)
content = text.stories(for_text, 4000) if options.text is None else text.words(options.text)
corpus = text.from_words(content, min(500, len({*content, text.UNKNOWN})) if options.vocab is None else options.vocab)
counts = corpus.hold_out(HELD_OUT)[0].counts
if len(corpus.ids) * HELD_OUT <= LENGTH + 1:
    raise InputError(f"--text: expected more than {round(LENGTH / HELD_OUT)} words, got {len(corpus.ids)}")
for word in options.follow:
    if word not in corpus.words:
        raise InputError(f"--follow: expected one of the {corpus.vocab} words that are kept, got {word!r}")
named = [corpus.id(word) for word in options.follow]
by_count = np.argsort(-counts, kind="stable")
by_count = [int(w) for w in by_count[counts[by_count] >= LEAST]]
papers = [w for w in by_count if corpus.words[w] in PAPERS]
followed = list(dict.fromkeys([*(by_count[rank] for rank in RANKS if rank < len(by_count)), *papers, *named]))
if not followed:
    raise InputError(f"--text: expected some word {LEAST} times in the part trained on, got {int(counts.max())} times at most")

# %% [markdown]
# ## 1. What is followed
#
# The model of lesson 10 with a word for a token: one head, no positions, one matrix of
# embeddings that serves scores, values and, through W1, predictions. Every word of a
# stretch of text is predicted from those before it. In a long text a word w looks at
# word k in proportion to how often k stands there, times exp of the score,
#
#     A_wk = count_k exp(Phi_wk) / sum_l count_l exp(Phi_wl)
#     Phi  = W0 W_Q W_K^T W0^T
#
# so its attention is a law over the vocabulary, without any noise of evaluation; what
# still shakes it is the choice of batches. Its entropy is high when attention is spread
# (diluted), low when it is focused. (The stretches of 32 words that are trained on are
# short of that limit: there a word is always among what it sees itself.)


# %%
def look(counts, params):
    W0, _, W_Q, W_K = (to_numpy(params[key]).astype(float) for key in ("W0", "W1", "W_Q", "W_K"))
    scores = W0[followed] @ W_Q @ (W0 @ W_K).T
    with np.errstate(divide="ignore"):
        log_A = ops.log_softmax(np.log(counts) + scores)
    return {"entropy": measure.entropy(log_A), "attention": np.exp(log_A), "norm": np.linalg.norm(W0[followed], axis=1),
            "rank": measure.effective_rank(np.linalg.svd(W0, compute_uv=False))}  # fmt: skip


def train_on(corpus, rng, title):
    model = models.EmbeddingModel(corpus.vocab, WIDTH, first_query=0, scale=SCALE)
    loss = losses.chunked(losses.next_token_loss(model), CHUNK, run.map)
    params = run.device.put(model.init(np.random.default_rng(options.seed)), "float32")
    seen, unseen = corpus.hold_out(HELD_OUT)
    judged = run.device.put(unseen.sample(for_judging, JUDGED, LENGTH + 1))
    batches = (run.device.put(batch) for batch in seen.batches(rng, BATCH, LENGTH + 1))
    watch = lambda step, params: look(seen.counts, params)
    judge = lambda step, params: {"unseen": loss(params, judged)[0]}
    return train.train(loss, params, batches, optim.SGD(RATE, MOMENTUM), steps=steps, clip=1.0,
                       callbacks=[(LOOKS, watch), (2 * LOOKS, judge)], every=LOOKS, title=title)[1]  # fmt: skip


history = train_on(corpus, for_batches, "text")
control = train_on(corpus.shuffled(for_shuffling), for_shuffled, "shuffled")


# %% [markdown]
# ## 2. Turns
#
# A turn is attention that focuses, dilutes and focuses again: its entropy falls, rises
# and falls, each time by at least 0.2 of the range of that curve, by 5 times its noise,
# and by 0.1 nats, a tenth of the number of words looked at. Evaluation has no noise;
# what shakes a curve is the choice of batches, and its size is taken from the curve
# itself: the median change from one look to the next, as of a Gaussian. Turns are
# counted once the words' frequencies are learnt: before, while the network condenses,
# the most frequent word swings in shuffled text as well.
#
# Shuffled text, judged by the same rule, shows what frequencies and batches do alone.
# What it does not show is how strongly batches throw about a network that has learnt an
# order: a word with many turns is one of those, and the cycle is the deep turn that
# takes hundreds of steps.


# %%
def noise_of(run_of):
    """Of each followed word's entropy, one standard deviation."""
    return 1.48 * np.median(np.abs(np.diff(run_of["entropy"], axis=0)), axis=0)


def turns_of(run_of):
    """For each followed word its turns, triples of indices of looks."""
    least = np.maximum(np.maximum(SHARE * np.ptp(run_of["entropy"], axis=0), NOISE * noise_of(run_of)), NATS)
    return [[turn for turn in measure.turns(curve, size) if steps_at[turn[0]] >= condensed]
            for curve, size in zip(run_of["entropy"].T, least)]  # fmt: skip


steps_at = history.steps("entropy")
condensed = control.steps("unseen")[(control["unseen"] < control["unseen"][-1] + CONDENSED).argmax()]
found, in_shuffled = turns_of(history), turns_of(control)
shares = counts[counts > 0] / counts.sum()
word_entropy = float(-(shares * np.log(shares)).sum())

# %%
words = [corpus.words[w] for w in followed]
quoted = [f"“{plot.plain(word)}”" for word in corpus.words]
curves = history["entropy"].T
depth = lambda j, turn: curves[j, turn[1]] - max(curves[j, turn[0]], curves[j, turn[2]])
deepest = [max(turns, key=lambda turn: depth(j, turn), default=None) for j, turns in enumerate(found)]
clear = [depth(j, turn) / (noise + 0.01) if turn else 0.0 for j, (turn, noise) in enumerate(zip(deepest, noise_of(history)))]
star = int(np.argmax(clear))  # the turn that stands out most from its noise
shown = sorted({star, *np.linspace(0, len(followed) - 1, 5).astype(int).tolist()})
fig, axes = plt.subplots(2, 3, figsize=(14.5, 8))
for ax, run_of, what in ((axes[0, 0], history, "In the text"), (axes[0, 1], control, "The same words in random order")):
    for colour, j in zip(plot.COLOURS, shown):
        ax.plot(steps_at, run_of["entropy"][:, j], color=colour, lw=2, label=f"{quoted[followed[j]]} ({counts[followed[j]]})")
        for turn in (found if run_of is history else in_shuffled)[j]:
            ax.plot(steps_at[list(turn)], run_of["entropy"][list(turn), j], "o", color=colour, ms=5)
    ax.set(ylim=(0, None), xlabel="training step", ylabel="entropy of attention, nats", title=f"{what} (dots: turns)")
axes[0, 0].legend(fontsize=8, title="word (count)")
attended = history["attention"][:, star]
for colour, k in zip(plot.COLOURS, np.argsort(-attended.max(axis=0))[:6]):
    axes[0, 2].plot(
        steps_at, attended[:, k], color=colour, lw=2, label=quoted[k] + (" (itself)" if k == followed[star] else "")
    )
axes[0, 2].set(ylim=(0, 1), xlabel="training step", ylabel="attention", title=f"What {quoted[followed[star]]} looks at")
axes[0, 2].legend(fontsize=8)
for colour, j in zip(plot.COLOURS, shown):
    axes[1, 0].plot(steps_at, history["norm"][:, j], color=colour, lw=2)
axes[1, 0].set(xlabel="training step", ylabel="norm of embedding", title="How far each embedding has grown")
axes[1, 1].plot(steps_at, history["rank"], color="k", lw=2, label="text")
axes[1, 1].plot(steps_at, control["rank"], color="0.6", lw=2, label="shuffled")
axes[1, 1].set(xlabel="training step", ylabel="effective rank of $W_0$", title="Directions that the embeddings use")
axes[1, 1].legend()
for run_of, colour, what in ((history, plot.BLUE, "text"), (control, "0.6", "shuffled")):
    axes[1, 2].plot(run_of.steps("loss"), run_of["loss"], color=colour, lw=0.7, alpha=0.6, label=f"{what}, a batch")
    axes[1, 2].plot(run_of.steps("unseen"), run_of["unseen"], color=colour, lw=2, label=f"{what}, kept out of training")
plot.reference(axes[1, 2], word_entropy, "entropy of the words' frequencies")
axes[1, 2].set(xlabel="training step", ylabel="loss, nats", title="Loss in training and on text kept out of it")
axes[1, 2].legend()
run.figure(fig, "real_text")

# %%
top = history["attention"].argmax(axis=-1)
rows = []
for j, turns in enumerate(found):
    looked = " -> ".join(f"{corpus.words[top[i, j]]} {curves[j, i]:.2f} at {steps_at[i]}" for i in deepest[j] or ())
    rows.append((f"{words[j]} ({counts[followed[j]]})", len(in_shuffled[j]), f"{len(turns)}  {looked}"))
rows.append(("the words' frequencies are learnt at step", int(condensed), None))
rows.append(("loss at the end, text kept out of training", float(control["unseen"][-1]), float(history["unseen"][-1])))
if any(found):
    unseen_then = np.interp(steps_at[list(deepest[star])], history.steps("unseen"), history["unseen"])
    rows.append(
        (
            f'the same loss at the corners of the clearest turn, of "{words[star]}"',
            None,
            " -> ".join(f"{loss:.3f}" for loss in unseen_then),
        )
    )
rows.append(("effective rank of W0 at the end", float(control["rank"][-1]), float(history["rank"][-1])))
print("\nturns of each followed word (count), and for the deepest: most attended word, entropy and step at its three corners")
run.compare(rows, before="shuffled")
if run.quick:
    run.claim("attention of the most frequent word focuses: its entropy halves",
              history["entropy"][:, 0].min() < 0.5 * history["entropy"][0, 0])  # fmt: skip
else:
    often = [j for j, w in enumerate(followed) if counts[w] >= LEAST]  # words of --follow may be rarer
    run.claim("some followed word focuses, dilutes and focuses again", any(found[j] for j in often))
    run.claim("in shuffled text none does", not any(in_shuffled[j] for j in often))
    run.claim("dilution is not over-fitting: loss on text kept out of training falls from focus to focus",
              any(found) and unseen_then[0] > unseen_then[2])  # fmt: skip
run.claim("order is worth something: on text kept out of training the loss ends below that of shuffled text",
          history["unseen"][-1] < control["unseen"][-1])  # fmt: skip
run.exercise("train with Adam instead of SGD. Why is shuffled text a weaker control then?")
settings = dict(
    width=WIDTH, scale=SCALE, length=LENGTH, batch=BATCH, lr=RATE, momentum=MOMENTUM, looks=LOOKS,
    chunk=CHUNK, share=SHARE, noise=NOISE, nats=NATS, condensed=CONDENSED, least=LEAST, held_out=HELD_OUT,
    judged=JUDGED, steps=steps, vocab=corpus.vocab, text=str(options.text or "stories"),
)  # fmt: skip
run.finish(
    settings,
    turns={words[j]: [steps_at[list(turn)].tolist() for turn in turns] for j, turns in enumerate(found)},
    turns_in_shuffled={words[j]: len(turns) for j, turns in enumerate(in_shuffled)},
    vocabulary=corpus.vocab,
    tokens=len(corpus.ids),
    text=str(options.text or "stories"),
    effective_rank=history["rank"][-1],
)

# %% [markdown]
# Answer: Adam divides each gradient by its own size, so its steps do not shrink with
# the gradient. In shuffled text nothing is left to learn after a while and the gradient
# is noise of batches; Adam turns that noise into steps as long as before, and attention
# can wander far. Under SGD it stays nearly where it is.
