# %% [markdown]
# # Climbing the ladder
#
# A network learns one block of the past after the other, and waits in between.
#
# **Question.** Does a network that predicts tokens go through the stages of lesson 11,
# and what does it know at each of them?
#
# **You see** its distance to teachers that see one, two or all three blocks of the
# past; where the heads look when they leave a stage; what each head writes at the end.
# **Takes** 4 minutes; it goes on where it was interrupted, with `--resume`.

# %%
import dataclasses
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read by NumPy: passes run in threads

import numpy as np

import lesson
from drawings import climbing_the_ladder as draw
from experiments import LadderTrial

run = lesson.start("12_climbing_the_ladder", resumable=True)

# %% [markdown]
# ## 1. The chain and its ladder
#
# Lesson 03's chain had one lag that mattered. This one, of 50 tokens, has six, in three
# *blocks* of two: lags 1 and 2, 3 and 4, 5 and 6. Block k has a matrix A_k, a random
# orthogonal one times m_k = 2.89, 1.7, 1: the importances of lesson 11.
#
#     p = softmax( (A₁ (x_{t−1} + x_{t−2}) + A₂ (x_{t−3} + x_{t−4}) + A₃ (...)) / 0.1 )
#
# So we know what a perfect network predicts. The same formula without A₂ and A₃, or
# without A₃, is a *teacher* that sees the strongest block alone, or the two strongest.
# The three teachers are the *rungs* of a **ladder**. The distance to a rung is
# KL(teacher || network), in nats (from the teachers to the full one 2.86, 0.73, 0).
#
# ## 2. The network
#
# The minimal model of lesson 03 with three heads, whose W_Q starts within 1e-9 of 0 and
# W_V at 0. So the heads start nearly alike, as in lessons 09 to 11. All else differs:
# cross-entropy for squared error, AdamW for plain descent, one-hot tokens for Gaussian
# ones. It learns from an endless stream of sequences, 20 predictions each, in the loop
# `train.train`, as every network of this book does. **Predict:**
# to which rung is it nearest at first, and what do its heads do then?

# %%
small = dict(vocab=30, generated=10, held_out=300, batch=256, steps=700, query_scale=1e-2)
settings = small if run.quick else dict(learned=True)  # learned rungs too: the dotted curves
trial = LadderTrial(maps=True, seed=run.options.seed, device=run.device.name, **settings)
found = trial.run(map=run.map, checkpoint=run.checkpoint("checkpoint"), title="training")
run.figure(draw.ladder(trial, found, None if run.quick else 0.09), "ladder")
runs = {"1.7": (trial, found)}  # on the page also small chains with other importances m
for m in () if run.quick else (1.7, 1.3, 1.0):
    other = dataclasses.replace(trial, importance=m, learned=False, **small)
    runs[f"{m:g}, 30 tokens"] = other, other.run(map=run.map, title=f"m = {m:g}, 30 tokens")
run.page(draw.page(runs), "player")

# %% [markdown]
# ## 3. How to read it
#
# Each stage of lesson 11 is a rung. While all heads sit on the strongest block the
# network is nearest to the teacher of this block alone, and rests there for 300 steps.
# One head leaves, and it is nearest to the teacher of two blocks, where it only slows
# down; then another leaves. A curve that rises is no fault: the network moves *away*
# from the teacher of one block because it knows more than that teacher.
#
# Nearest is not close, for an exact teacher is as sure of itself as if there were no
# other blocks. The dotted curves (full run) measure to **learned rungs**: this network
# trained on windows of the last two tokens alone, or four. These allow for what they do
# not see, as does a network before it looks there; it passes much closer to them.
#
# At the end look at what the heads write (lower right: the cosine with each A_k). The
# head of block 3 still gives block 1 a quarter of its attention, and there what it
# writes is wrong; the head of block 1 takes it back: it writes about −0.1 of A₃.

# %%
at, kl, left = np.array(found["step"]), np.array(found["kl"]), found["stage_steps"]
looks = 2 * left[0] / 3, (left[0] + 2 * left[1]) / 3  # a step on each of the first two rungs
middles = [float(kl[np.abs(at - step).argmin(), -1]) for step in looks]
passing = np.min(found["learned_kl"], axis=0).tolist() if "learned_kl" in found else None
run.claim("its least distances to rungs 1, 2, 3 come in that order", found["rungs_in_order"])
run.claim("at its least distance to rung 1, every head looks most at block 1",
          set(found["first_block"]) == {1})
near = 0.5 if run.quick else 0.15
run.claim(f"at the end the distance to the full teacher is below {near} nats", kl[-1, -1] < near)
if not run.quick:
    run.claim("the heads end on three different blocks, each with more than half of its attention",
              sorted(found["own_block"]) == [1, 2, 3] and min(found["own_block_mass"]) > 0.5)

paper = [None] * 3 if run.quick else ["330, 575", "0.87, 0.34", "2.8, 0.7, 0.09"]
text = lambda values, form=".2f": ", ".join(format(value, form) for value in values)
run.compare([  # left: another rung is closer; the distances on them, at two thirds of the stay
    ("rungs 1 and 2 are left at steps", paper[0], text(left, "g")),
    ("distance to the full teacher on them", paper[1], text(middles)),
    ("distances to the three teachers at the end", paper[2], text(kl[-1])),
    ("least distances to learned rungs 1 and 2", None, passing and text(passing)),
    ("block each head looks at most, at the end", None, text(found["own_block"], "g")),
    ("    its share of the attention there", None, text(found["own_block_mass"])),
])
run.finish(trial.settings, stage_steps=left, kl_argmin_steps=found["kl_argmin_steps"],
           final_kl=kl[-1], own_block=found["own_block"], own_mass=found["own_block_mass"])

# %% [markdown]
# The paper, *Incremental Learning of Sparse Attention Patterns*, trains on a fixed set;
# its stages are shorter, and why is not known ([PAPERS.md](PAPERS.md)).
#
# ## Exercises
#
# 1. Why is the network near no rung at step 0, and how far is it from each?
# 2. `python lessons/experiments ladder --importance 1` makes all m_k equal. Near which
#    rung does the network wait?
# 3. With `ladder --reverse` the farthest block matters most. What changes, what stays?

# %% [markdown]
# ## Answers
#
# 1. It says 1/50 for each token, as W_V = 0; the distance is then ln 50 = 3.91 less the
#    entropy of that teacher's law.
# 2. Near none. The heads coincide and share all three blocks alike, and wait until the
#    tiny difference between them has grown; then all part at once: lesson 11, exercise
#    1.
# 3. The heads leave for the blocks in the order 3, 2, 1: importance, not distance,
#    decides. (At seed 0 the rungs are left at steps 500 and 1140. Heads that start 1e-9
#    apart part where rounding takes them: an earlier build gave 540 and 940.)
