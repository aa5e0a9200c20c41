# %% [markdown]
# # One head looks back
#
# Before any attention has moved, the gradient already points at the right token.
#
# **Question.** A token depends on the token three back and on nothing else. How does a
# head find that out?
#
# **You see** the gradient point at lag 3 before any attention has moved; the map settle
# there; the loss fall to what the chain itself leaves open. **Takes** 15 seconds.

# %%
import numpy as np

import lesson
from drawings import one_head_looks_back as draw
from tinyattn import attention, backend, losses, measure, models, ops, optim, train
from tinyattn.tasks import markov

LAG, VOCAB, GENERATED, BATCH = 3, 10, 8, 256

run = lesson.start("03_one_head_looks_back")
STEPS, HELD_OUT = (400, 500) if run.quick else (2000, 1000)

# %% [markdown]
# ## 1. The chain and the model
#
# Two letters first. Say that b follows an a three places back: its *lag* is 3.
#
#     a ? ? b        the token at lag 3 decides; lags 1 and 2 do not
#
# Our chain has ten tokens and is a little random. The next one is drawn from
#
#     p = softmax(A x_{t−3} / 0.1)
#
# where x_{t−3} is the token three back as a *one-hot* (zeros, with a 1 at the token's
# number) and A is a random orthogonal matrix. No model can undercut the *entropy rate*,
# the mean of −log p(next token) under this law, in *nats* (natural logarithms).
#
# The model: x_t is now token t's one-hot beside that of its position, width D = 20. A
# query at place t reads the places j ≤ t, itself included, to predict token t + 1:
#
#     score of j = x_t W_Q x_jᵀ / √D        logits = Σ_j s_j (x_j W_V)
#
# *Logits* are scores of the next token, before softmax; W_V holds a row of ten of them
# for each thing that may be read. Lag 3 of the next token is two places left of t:
# queries stand at places 2 to 9, eight rows, ten keys.

# %%
chain_rng, weights_rng, held_out_rng, stream_rng = run.rng.spawn(4)
chain = markov.draw_chain(chain_rng, VOCAB, blocks=[[LAG]])
length = chain.order + GENERATED
model = models.MinimalModel(VOCAB, length - 1, heads=1, first_query=chain.order - 1,
                            query_scale=1e-3, value_scale=0.0)
loss = losses.next_token_loss(model)

held_out = model.check(chain.sample(held_out_rng, HELD_OUT, length)[:, :-1])
law = chain.log_probs(held_out)
entropy_rate = measure.entropy(law).mean()

# %% [markdown]
# ## 2. The first push
#
# At the very start the values are 0, and then da = s dy (v − y) = 0 as well (v, y and
# dy are now rows of ten logits, multiplied as such): what the head writes moves first.
# So hold attention uniform (W_Q = 0), let W_V alone learn for a few steps, and look at
# −da, summed over sequences: where descent would push each score. **Predict** it.

# %%
start = model.init(weights_rng)
start["W_Q"] *= 0.0
for _ in range(20):
    batch = chain.sample(stream_rng, 20 * BATCH, length)
    _, grads = loss(start, batch)
    start["W_V"] -= 2.0 * grads["W_V"]
logits, cache = model.forward(start, batch[:, :-1])
_, ce_cache = ops.cross_entropy_forward(logits, batch[:, model.first_query + 1 :])
dlogits = ops.cross_entropy_backward(1.0, ce_cache)  # the head's dy: its output is the logits
da, _ = attention.attend_backward(dlogits[None], cache.attend)
push = -da[0].sum(axis=0)

T, S = push.shape
at_lag = np.array([push.diagonal(S - T + 1 - lag).mean() for lag in range(1, S + 1)])
others = np.delete(at_lag, LAG - 1).max() / at_lag[LAG - 1]
run.claim("before attention has moved, descent raises lag 3 at least twice as hard as any other",
          others < 1 / 2)

# %% [markdown]
# Lag 3 stands out (top left, below), although no attention has moved: W_V has learnt
# what a token says of the next at lag 3, for at other lags it says little. So the token
# at lag 3 writes what is wanted, the average does not, and −dy·(v − y) is positive
# there. Positions enter as one-hots, so this map over √D *is* the position block of
# −dW_Q. (Lag 6 shows faintly: it determines lag 3, two steps of the chain away.)
#
# ## 3. Train, and watch
#
# The loss is the cross-entropy, the mean of −log p(next token) under the model; less
# the entropy rate it is the *excess loss*, the mean Kullback-Leibler divergence
# KL(chain || model). AdamW is a common variant of descent.

# %%
params = run.device.put(model.init(weights_rng), "float32")
seen = run.device.put(held_out)
stream = (run.device.put(losses.check_sequences(model, x))
          for x in chain.batches(stream_rng, BATCH, length))


def watch(step, params):
    logits, cache = model.forward(params, seen)
    logits, maps = backend.to_numpy((logits, cache.attention))
    return {"excess": measure.kl(law, ops.log_softmax(logits)).mean(),
            "by_lag": measure.lag_attention(maps[:, 0]).mean(axis=0),
            "map": maps[:, 0].mean(axis=0)}


params, history = train.train(loss, params, stream, optim.AdamW(0.08), steps=STEPS, clip=1.0,
                              callbacks=[(5, watch)], every=5)
steps, by_lag, excess = history.steps("by_lag"), history["by_lag"], history["excess"]
maps = {step: history["map"][list(steps).index(step)] for step in (0, 25, 100, STEPS)}
batches, W_Q = (history.steps("loss"), history["loss"]), backend.to_numpy(params["W_Q"])[:, 0]
run.figure(draw.looks_back(push, steps, maps, by_lag, batches, entropy_rate + excess,
                           entropy_rate, W_Q, VOCAB, LAG), "looks_back")
run.page(draw.page(steps, history["map"], by_lag, excess, entropy_rate), "player")

# %% [markdown]
# In W_Q (lower right) positions talk to positions: the diagonal in its last block is
# lag 3. *What* the head says, the matrix A, is in W_V.

# %%
focused, near = (0.5, 0.3) if run.quick else (0.9, 0.05)
run.claim(f"attention on lag 3 exceeds {focused}", by_lag[-1, LAG - 1] > focused)
run.claim(f"the excess loss is below {near} nats", excess[-1] < near)
even = float((1 / np.arange(chain.order, length)).mean())
run.compare([
    ("attention on lag 3 at the end", 1, float(by_lag[-1, LAG - 1])),
    ("    at the start: uniform", even, float(by_lag[0, LAG - 1])),
    ("loss at the start (nats): ln 10", float(np.log(VOCAB)), float(entropy_rate + excess[0])),
    ("loss at the end: entropy rate", float(entropy_rate), float(entropy_rate + excess[-1])),
], before="expected")
settings = dict(lag=LAG, vocab=VOCAB, generated=GENERATED, batch=BATCH, lr=0.08, steps=STEPS)
run.finish(settings, lag_attention=by_lag[-1, LAG - 1], excess_loss=excess[-1], push=at_lag)

# %% [markdown]
# ## Exercises
#
# 1. What is the mean attention on lag 3 at the start, for queries that see 3 to 10
#    tokens, and why is it not 1/10?
# 2. Set section 1's 0.1 to 1 and to 10 (in draw_chain: temperature=10.0). What happens
#    to the push, and what to the loss that is left?
# 3. Let the token depend on lags 3 and 5 alike, each through a matrix of its own
#    (blocks=[[3], [5]], importance=1.0). What is the first push, and the head's end?

# %% [markdown]
# ## Answers
#
# 1. The mean of 1/3, 1/4, ..., 1/10: 0.179. Early queries see few tokens.
# 2. The law comes near to uniform, so there is less to gain: the entropy rate is 2.26
#    at 1 and 2.302 at 10, for ln 10 = 2.303. At 1 the push still points at lag 3 alone;
#    at 10 it is lost in the noise of the sequences drawn (lag 8 gets 0.8 of it).
# 3. Two bright diagonals. The head ends with half its attention on each and about half
#    a nat above the entropy rate: its one value matrix cannot tell which token came
#    from which lag. It takes a second head: lesson 09.
