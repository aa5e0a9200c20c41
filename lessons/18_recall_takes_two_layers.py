# %% [markdown]
# # Recall takes two layers
#
# A value cannot be found by its key unless something has written the key beside it.
#
# **Question.** A sequence says "3 is 7, 5 is 2, ... 5?" What must the first layer write
# so that the second can answer 2?
#
# **You see** why one layer cannot; how two can, as a picture and in attention; and the
# skill come in one snap. **Takes** 2 minutes; it goes on where it was interrupted.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read by NumPy: runs stand side by side

import lesson
from drawings import recall_takes_two_layers as draw
from experiments import RecallTrial

run = lesson.start("18_recall_takes_two_layers")
PAIRS, TOKENS, SEEDS, STEPS = (4, 16, 2, 600) if run.quick else (8, 32, 5, 4000)

# %% [markdown]
# ## 1. Why one layer fails
#
# Two pairs and a query: 3 7 5 2 5. The answer is 2, the token behind the other 5.
#
# In one layer the query gives every place a score by what stands there and where, a(q,
# x_j, j), and adds up what it finds. In fourth place stands a 2, and *nothing there
# tells that a 5 stands before it*. Had the sequence been 5 7 3 2 5, the same 2 would
# stand in the same place, behind a 3. So the score of a value cannot depend on its key:
# attention cannot pick the right one. Trained, such a layer guesses among the values: 1
# in 2 here, 1 in 8 with eight pairs.
#
# **Predict:** what would the first of two layers have to write, and where?

# %%
run.figure(draw.circuit(), "circuit")

# %% [markdown]
# Into each value's place: "I stand after a 5". (A *previous-token head*: each place
# reads the one before it.) Then the second layer's query, 5, finds the place that says
# so, and reads the value there. This is the *circuit*: two steps, each of them easy,
# neither worth anything alone. That is a loop as in lesson 06, and so there is a
# plateau before the snap.
#
# ## 2. Three networks
#
# Attention alone, no MLP, trained by Adam on fresh sequences: keys and values drawn
# anew each time, so that nothing can be remembered but the skill. Two layers; one
# layer; and one layer whose input carries, beside each token, the token before it. (The
# names in the code call accuracy *clean*, as opposed to that under lesson 19's
# repetitions.) Each network answers once, at its last place, so its last layer has one
# query. The library then multiplies in another order (`few_queries.py`): the same
# numbers from fewer multiplications. **Predict** the third.

# %%
variants = {"two layers": dict(depth=2), "one layer": dict(depth=1),
            "one layer that is told the token before": dict(depth=1, previous=True)}
task = dict(pairs=PAIRS, vocab=TOKENS, steps=STEPS, every=20 if run.quick else 10)
seeds = [100 * run.options.seed + i for i in range(SEEDS)]
points = [{**task, **variant, "seed": seed} for variant in variants.values() for seed in seeds]
results = run.sweep(RecallTrial.results, points, "three networks")
found = {name: results[i * SEEDS : (i + 1) * SEEDS] for i, name in enumerate(variants)}
two, one, told = found.values()
run.figure(draw.recall(found, two[0], 1 / PAIRS, STEPS), "recall")
run.page(draw.page(found), "player")

# %% [markdown]
# It succeeds, at every seed in less than half the steps: what the first layer has to
# write is all that was missing. With two layers both patterns (drawn for one seed) rise
# together, in a few dozen steps, after hundreds in which the accuracy stays where
# guessing leaves it.

# %%
ends = {name: [result["clean_accuracy"][-1] for result in each] for name, each in found.items()}
snaps = {name: [result["emerged"] for result in each] for name, each in found.items()}
copies, selects = two[0]["previous_token"][-1][0], two[0]["matching"][-1][1]
minimum, maximum = (0.9, 0.5) if run.quick else (0.99, 0.2)
run.claim(f"two layers reach {minimum} for all seeds but at most one",
          sum(end >= minimum for end in ends["two layers"]) >= SEEDS - 1)
run.claim(f"one layer stays below {maximum}",
          all(max(result["clean_accuracy"]) < maximum for result in one))
run.claim("one layer that is told the token before succeeds, for all seeds but at most one",
          sum(result["emerged"] is not None for result in told) >= SEEDS - 1)
run.claim("at the end (first seed) each pattern holds more than half of its head's attention",
          min(copies, selects) > 0.5)

text = lambda values: ", ".join("never" if value is None else f"{value:.3g}" for value in values)
run.compare([
    ("two layers: accuracy at the end", 1, text(ends["two layers"])),
    ("    step of the snap (accuracy above 1/2)", None, text(snaps["two layers"])),
    ("one layer: accuracy at the end", f"{1 / PAIRS:g}", text(ends["one layer"])),
    ("told the token before: step of the snap", None, text(list(snaps.values())[2])),
    ("layer 1 on the key before, at the end", 1, copies),
    ("layer 2 on the value behind its key", 1, selects),
], before="on paper")
run.finish({**task, "seeds": seeds}, accuracy=ends, snap=snaps)

# %% [markdown]
# ## Exercises
#
# 1. Why is there no gradient for layer 2's pattern while layer 1's is missing, and the
#    other way round?
# 2. Give the one-layer network the token *after* each one instead. What do you expect?
# 3. Why does one layer come to 1 in 8, and not to 1 in 32?

# %% [markdown]
# ## Answers
#
# 1. Layer 2 can match only what layer 1 has written, and what layer 1 writes counts
#    only if layer 2 reads it: each gradient is a product with the other's share, as
#    dw/dt and dΔ/dt in lesson 06.
# 2. It succeeds as well: the query matches the key's own place, where the input shows
#    the key and, beside it, the value. (Beside the query itself nothing may be written:
#    the answer comes after it.)
# 3. The values are known to be among the tokens at even places, all equally likely. It
#    can learn to look at these and no others, and that is what it does.
