# %% [markdown]
# # One head looks back
#
# It finds the single lag that matters, and its map sharpens.
#
# **Question.** A token depends on the token three back and on nothing else. How does a
# head find that out?
#
# **You see** the gradient point at lag 3 before any attention has moved; the attention
# map settle there; the loss fall to the chain's own entropy rate; and which weights
# hold what was learnt.
#
# **Takes** 6 seconds.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinyattn import attention, backend, lesson, losses, measure, models, ops, optim, plot, train
from tinyattn.tasks import markov

LAG = 3
VOCAB, GENERATED, BATCH = 10, 8, 256
LEARNING_RATE, CLIP = 0.08, 1.0

run = lesson.start("02_one_head_looks_back")
STEPS, HELD_OUT = (400, 500) if run.quick else (2000, 1000)
SNAPSHOTS = [0, 25, 100, STEPS]  # steps at which the whole map is kept

# %% [markdown]
# ## 1. The chain and the model
#
# The next token is drawn from softmax(A x_{t-3} / 0.1): A is a random orthogonal matrix
# and x_{t-3} the token three back as a one-hot, a vector of zeros with a 1 at the
# token's number. This law is known, so we know what no model can undercut: the entropy
# rate, the mean of -log p(next token) under it, in nats (natural logarithms).
#
# The model is the minimal one: one-hot tokens beside one-hot positions go in, scores of
# the next token (logits) come out, and in between stands one attention head. A query
# reads the tokens up to its own place, itself included, so the token at lag 3 stands
# two places to the left of the query.

# %%
chain_rng, weights_rng, held_out_rng, stream_rng = run.rng.spawn(4)
chain = markov.draw_chain(chain_rng, VOCAB, blocks=[[LAG]])
length = chain.order + GENERATED
model = models.MinimalModel(VOCAB, length - 1, heads=1, first_query=chain.order - 1, query_scale=1e-3, value_scale=0.0)
params = run.device.put(model.init(weights_rng), "float32")

held_out = model.check(chain.sample(held_out_rng, HELD_OUT, length)[:, :-1])
law = chain.log_law(held_out)
entropy_rate = measure.entropy(law).mean()
held_out_there = run.device.put(held_out)
loss = losses.next_token_loss(model)
stream = (run.device.put(losses.check_sequences(model, x)) for x in chain.batches(stream_rng, BATCH, length))

# %% [markdown]
# ## 2. Train, and watch
#
# The loss is the cross-entropy, the mean of -log p(next token) under the model. Less
# the entropy rate it is the excess loss, which is also the mean KL divergence
# KL(chain's law || model's law); we compute it as that, with less noise.


# %%
def watch(step, params):
    logits, cache = model.forward(params, held_out_there)
    logits, maps = backend.to_numpy((logits, cache.attention))
    by_lag = measure.lag_attention(maps[:, 0]).mean(axis=0)
    excess = measure.kl(law, ops.log_softmax(logits)).mean()
    return {"excess": excess, "by_lag": by_lag, "map": maps[:, 0].mean(axis=0)}


LOOKS = 5
params, history = train.train(loss, params, stream, optim.AdamW(LEARNING_RATE), steps=STEPS, clip=CLIP,
                              callbacks=[(LOOKS, watch)], every=LOOKS)  # fmt: skip
steps, by_lag = history.steps("by_lag"), history["by_lag"]
lag_attention, excess_loss = float(by_lag[-1, LAG - 1]), float(history["excess"][-1])

# %% [markdown]
# ## 3. The first push
#
# Values move first: at the very start they are 0, and then da = s dy (v - y) = 0 as
# well. So hold attention uniform (W_Q = 0), let W_V alone learn for a few steps, and
# look at -da, averaged over sequences: the direction in which descent would move each
# score. Lag 3 stands out although no attention has moved; faintly, so does lag 6,
# through which the past reaches lag 3. And since positions enter as one-hots, this map
# *is* a block of the gradient, D the width: dW_Q[position t, position j] = sum over
# sequences of da[t, j] / sqrt(D).

# %%
start = model.init(weights_rng)
start["W_Q"] *= 0.0
for _ in range(20):
    batch = chain.sample(stream_rng, 20 * BATCH, length)
    _, grads = loss(start, batch)
    start["W_V"] -= 2.0 * grads["W_V"]
logits, cache = model.forward(start, batch[:, :-1])
_, ce_cache = ops.cross_entropy_forward(logits, batch[:, model.first_query + 1 :])
dlogits = ops.cross_entropy_backward(1.0, ce_cache)
da, _ = attention.attend_backward(dlogits[None], cache.attend)
push = -da[0].sum(axis=0)

T, S = push.shape
block = model.backward(dlogits, cache)["W_Q"][VOCAB + model.first_query :, 0, VOCAB:]
at_lag = np.array([push.diagonal(S - T + 1 - lag).mean() for lag in range(1, S + 1)])
run.claim("the map of score gradients is a block of the gradient of W_Q",
          np.allclose(block, -push / np.sqrt(model.width), rtol=1e-10, atol=1e-14))  # fmt: skip
others = np.delete(at_lag, LAG - 1).max() / at_lag[LAG - 1]
run.claim("before attention has moved, descent raises lag 3 at least twice as hard as any other lag", others < 1 / 2)

# %%
fig = plt.figure(figsize=(12, 6.6))
top, bottom = fig.subfigures(2, 1, height_ratios=(1, 1.25))
axes = top.subplots(1, len(SNAPSHOTS) + 1)
visible = attention.causal(T, S)
image = plot.attention_map(axes[0], push / np.abs(push).max(), "first push, -da\n(W_Q held at 0)", S - T, visible,
                           cmap="PuOr_r", limits=(-1, 1))  # fmt: skip
axes[0].set_ylabel("query position")
bar = top.colorbar(image, ax=axes[0], shrink=0.7, ticks=[-1, 0, 1], location="left")
bar.ax.set_yticklabels(["score\nfalls", "stays", "score\nrises"])
for ax, step in zip(axes[1:], SNAPSHOTS):
    image = plot.attention_map(ax, history["map"][list(steps).index(step)], f"mean attention\nat step {step}", S - T,
                               visible)  # fmt: skip
top.colorbar(image, ax=axes[1:], shrink=0.7, label="attention")

left, middle, right = bottom.subplots(1, 3)
for lag, colour in zip(range(1, 7), (plot.SKY, plot.ORANGE, plot.VERMILION, plot.GREEN, plot.PURPLE, plot.BLACK)):
    left.plot(steps, by_lag[:, lag - 1], color=colour, lw=2.5 if lag == LAG else 1.2, label=f"lag {lag}")
left.set(ylabel="mean attention", ylim=(0, 1), title="One lag takes nearly all the attention")
left.legend(loc="upper left")
middle.plot(history.steps("loss"), history["loss"], color=plot.SKY, lw=0.8, label="each batch")
middle.plot(steps, entropy_rate + history["excess"], color=plot.BLUE, lw=2, label="held-out sequences")
middle.axhline(entropy_rate, color="0.35", ls="--", lw=1, label="entropy rate of the chain")
middle.set(ylabel="cross-entropy (nats)", ylim=(0, None), title="The loss falls to what the chain leaves open")
middle.legend(loc="lower left")
for ax in (left, middle):
    plot.step_axis(ax, STEPS)
W_Q = backend.to_numpy(params["W_Q"])[:, 0]
largest = np.abs(W_Q).max()
image = right.imshow(W_Q, cmap="PuOr_r", vmin=-largest, vmax=largest)
right.axhline(VOCAB - 0.5, color="0.35", lw=0.8)
right.axvline(VOCAB - 0.5, color="0.35", lw=0.8)
middles = [(VOCAB - 1) / 2, VOCAB + (S - 1) / 2]
right.set_xticks(middles, ["key token", "key position"])
right.set_yticks(middles, ["query\ntoken", "query\nposition"])
right.tick_params(length=0)
right.set_title("Learnt in W_Q: which pairs score high")
right.spines[:].set_visible(False)
bottom.colorbar(image, ax=right, shrink=0.7, label="weight")
run.figure(fig, "looks_back")

# %% [markdown]
# Positions talk to positions: the diagonal in the lower right is lag 3. Above it, every
# query token likes the late positions and dislikes the last two, which lie at lag 3 of
# no query. Rows and pairs that never occur stay blank. What the head says once it looks
# there, the matrix A, has been learnt by W_V.

# %%
needed = (0.5, 0.3) if run.quick else (0.9, 0.05)
run.claim(f"attention on lag 3 exceeds {needed[0]}", lag_attention > needed[0])
run.claim(f"the excess loss is below {needed[1]} nats", excess_loss < needed[1])
run.compare(
    [
        ("attention on lag 3 at the end", 1, lag_attention),
        (
            "uniform attention on lag 3, at the start",
            float((1 / np.arange(chain.order, length)).mean()),
            float(by_lag[0, LAG - 1]),
        ),
        ("loss at the start (nats): ln 10", float(np.log(VOCAB)), float(entropy_rate + history["excess"][0])),
        ("loss at the end (nats): entropy rate", float(entropy_rate), float(entropy_rate + excess_loss)),
        ("excess loss (nats)", 0, excess_loss),
    ],
    before="expected",
)
run.exercise(
    "let the token depend on lags 3 and 5, each through a matrix of its own (in draw_chain: blocks=[[3], [5]],\n"
    "importance=1.0). The claims above will fail. What does the first push look like, and where does the head end?"
)
settings = dict(
    lag=LAG, vocab=VOCAB, generated=GENERATED, batch=BATCH, lr=LEARNING_RATE, clip=CLIP, steps=STEPS,
    held_out=HELD_OUT
)  # fmt: skip
run.finish(settings, lag_attention=lag_attention, excess_loss=excess_loss, entropy_rate=entropy_rate, steps=STEPS,
           first_push_by_lag=at_lag / at_lag.max())  # fmt: skip

# %% [markdown]
# Answer: two bright diagonals. The head ends with half its attention on each and about
# half a nat above the entropy rate: its one value matrix cannot tell which of the two
# tokens came from which lag. It takes a second head, and why two heads do not at once
# divide the work between them is a story of its own.
