# %% [markdown]
# # Repetition in recall
#
# Repetition brings sooner what it rewards: a way to look that all keys share, or a way
# to answer without looking.
#
# **Question.** Repetition shortens the plateau of a layer (07, 08). Does it bring the
# skill of lesson 18 sooner? What is learnt first?
#
# **You see** two kinds of repetition, what each teaches first, and which part of the
# network carries it. Then you see what is gained by ending the repetition. **Takes** 45
# minutes to read, 6 minutes to run; it goes on where it was interrupted.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read by NumPy: runs stand side by side

import numpy as np

import lesson
from drawings import repetition_in_recall as draw
from experiments.repeated_recall import RepeatedRecall, grafted, knocked_out, put_back
from tinyattn.tasks.recall import AssociativeRecall

run = lesson.start("19_repetition_in_recall")
PAIRS, TOKENS, SEEDS, STEPS = (4, 16, 1, 600) if run.quick else (8, 32, 3, 2500)

# %% [markdown]
# ## 1. Two ways to repeat
#
# The task of lesson 18: pairs of a key and its value, then a query, which is one of the
# keys. The answer is the value behind it. Which value belongs to which key is drawn
# anew for every sequence.
#
#     3 7 5 2 5        keys 3 and 5, values 7 and 2, the query 5; the answer is 2
#
# The pairs before the query are its *context*. Our sequences have 8 pairs, of 32
# tokens. In a *clean* sequence each of the 8 keys stands once, and any of the 32 tokens
# is as likely to be asked for as any other. Its 8 values differ from one another too.
#
# A sequence can repeat in the two ways of lessons 07 and 08.
#
# *Across samples.* Two tokens, 0 and 1, are *favoured*. With probability q the query is
# one of these two, and else it is any token. The context says nothing about it: each
# key stands once. (q was the probability of the repeated token in lesson 08, and the
# query in lesson 18. Here it is the probability, and in the code it is called p.)
#
#     ... 1 9 ... 4 2 ...   1     a favoured key is asked for
#     ... 6 0 ... 8 5 ...   8     another one
#     ... 0 3 ... 1 4 ...   1     a favoured one again, with a new value
#
# *In context.* Each of the 8 places for a key takes the query with probability n/8, and
# at least one does: a draw in which none does is drawn again. (With 24 pairs it is
# n/24.) All these copies have the same value behind them. The other keys stand once,
# with values that differ. n was the number of copies in lesson 07. Here it is their
# mean before anything is drawn again, 8 · n/8. In the code it is called repeats.
#
#     ... 5 2 ... 3 7 ... 5 2 ... 8 1 ...   5     the pair 5 2 stands twice
#
# ### What could be learnt instead
#
# Each way to repeat can be answered without the skill.
#
# Across samples: learn to find the values of 0 and 1 only. Their share of the questions
# is q, and 2 in 32 of the others. For q = 0.4 that is 0.4 + 0.6 · 2/32 = 0.44. All else
# is a guess, right in 1 of 8.
#
# In context: *count*. Say the value that stands there most often. No key has to be
# looked at, and neither has the query.
#
# How often is counting right? Take two pairs, and n = 1. Each of the two places takes
# the query with probability 1/2. The four cases are equally likely:
#
#     query, query      both pairs are copies
#     query, other      one copy
#     other, query      one copy
#     other, other      drawn again
#
# So of the three that count one holds two copies. There counting is right. In the two
# others both values stand once, and it guesses, right in 1 of 2.
#
#     1/3 · 1 + 2/3 · 1/2 = 2/3
#
# The mean number of copies is (2 + 1 + 1)/3 = 4/3, and not 1, as the cases with none
# are not there.
#
# With 8 places, by the same steps:
#
#     chance of none                      (1 − n/8)⁸
#     chance of exactly one               8 · n/8 · (1 − n/8)⁷ = n (1 − n/8)⁷
#     share with one copy                 n (1 − n/8)⁷ / (1 − (1 − n/8)⁸)
#     counting is right in                1 − 7/8 · (share with one copy)
#
# In the last line: with two copies or more counting is right, as only the copied value
# stands twice. With one copy all 8 values stand once, and it is wrong in 7 of 8.
#
# And the mean number of copies. In all draws together it is n. Those with none add
# nothing to it, and they are drawn again. So the same copies are shared by fewer:
#
#     mean number of copies               n / (1 − (1 − n/8)⁸)
#
# For n = 2 by hand. (3/4)⁷ is 0.1335 and (3/4)⁸ is 0.1001, so the share with one copy
# is 0.267/0.900 = 0.297, and counting is right in 1 − 7/8 · 0.297 = 0.74 of all cases.
#
# **Predict.** n = 1 sounds like no repetition. In how many of its sequences does the
# query's pair stand twice or more?

# %%
def one_copy(n, places):
    """The share of sequences in which the query stands once, and how often it stands."""
    at_each = n / places
    at_least_once = 1 - (1 - at_each) ** places
    once = n * (1 - at_each) ** (places - 1)
    return once / at_least_once, n / at_least_once


def most_frequent(n, places, many=20000):
    """How often the value that stands there most often is the answer, on drawn sequences."""
    task = AssociativeRecall(places, 4 * places, n)
    sequences = task.sample(np.random.default_rng(0), many)
    values = sequences[:, 1 : 2 * places : 2]
    counts = (values[:, :, None] == values[:, None, :]).sum(axis=2)
    said = np.take_along_axis(values, counts.argmax(axis=1)[:, None], axis=1)[:, 0]
    return (said == sequences[:, -1]).mean()


print("places  n     copies   stand once   counting is right   drawn")
for places, n in ((2, 1.0), (8, 1.0), (8, 1.5), (8, 2.0), (8, 4.0)):
    once, copies = one_copy(n, places)
    right = 1 - (1 - 1 / places) * once
    print(f"{places:<7} {n:<5} {copies:5.2f} {once:10.3f} {right:15.3f} "
          f"{most_frequent(n, places):16.3f}")

# %% [markdown]
# In 40% of them: 0.598 hold one copy. The first line is the case by hand. The last
# column counts on 20,000 sequences, and it agrees with the formula. At n = 4 counting
# is right in 97%. There is next to nothing left that it takes the skill for.
#
# ## 2. Which way helps?
#
# The network is that of lesson 18: two layers of attention, one head each, no MLP,
# trained by AdamW. Each step sees 128 new sequences. As values are drawn anew each
# time, nothing can be learnt by heart.
#
# However it is trained, it is judged on clean sequences. The snap is the step at which
# its clean accuracy first exceeds 1/2. The step at which it exceeds 95% is told beside
# it.
#
# A third way is repetition across samples that *adapts*. Its q starts at 0. Every 10
# steps the clean loss is measured, and compared with what it was 10 steps before and at
# the start.
#
#     below 0.8 of the start                         q ← q/2, and 0 once below 0.02
#     else, fallen by less than 5% in 10 steps       q ← q + 0.2, up to 0.6
#     else                                           q stays
#
# So it raises q while the loss hardly falls, and takes it back once the loss is below a
# mark. The numbers of this rule were chosen on other seeds than those below.
#
# **Predict** for each way: does the snap come sooner than without repetition, or later?

# %%
ACROSS = [0.4] if run.quick else [0.1, 0.2, 0.4, 0.6]
IN_CONTEXT = [2.0] if run.quick else [1.0, 1.5, 2.0]
ways = {"none": {}, **{f"q = {q:g}": {"p": q} for q in ACROSS}, "q adapts": {"adaptive": {}},
        **{f"n = {n:g}": {"repeats": n} for n in IN_CONTEXT}}
task = dict(pairs=PAIRS, vocab=TOKENS, steps=STEPS)
if run.quick:
    task |= dict(width=32, lr=5e-3, judged=128)
seeds = [100 * run.options.seed + i for i in range(SEEDS)]


def sweep(trial, ways, title):
    """The results of a trial for each way, one for each seed."""
    points = [{**task, **way, "seed": seed} for way in ways.values() for seed in seeds]
    results = run.sweep(trial, points, title)
    return {name: results[i * SEEDS : (i + 1) * SEEDS] for i, name in enumerate(ways)}


def when(results, what="emerged"):
    """The steps at which that came in each run, infinite where it did not come."""
    return np.array([np.inf if one[what] is None else one[what] for one in results])


def text(values):
    return ", ".join("never" if np.isinf(value) else f"{value:.4g}" for value in values)


found = sweep(RepeatedRecall.results, ways, "ways")
print("way         snap, each seed          median   95%: median")
for name, results in found.items():
    snaps, solved = when(results), when(results, "solved")
    print(f"{name:<11} {text(snaps):<24} {np.median(snaps):<8g} "
          f"{text([np.median(solved)])}")

# %% [markdown]
# The code trains each network from three starts, with seeds 0, 1 and 2. The numbers in
# the text are medians of these three, where nothing else is said.
#
# *Across samples* it comes sooner. Without repetition the snap is at 660. With q = 0.2
# it is at 490, with 0.4 at 380. More than that helps no further: 390 with q = 0.6. With
# q = 0.1 it is at 640: seed by seed 70, 20 and 80 steps sooner, and seeds differ by as
# much (660 to 740 without repetition).
#
# *In context* it comes later, each time, and the later the more copies. With n = 1, 1.5
# and 2 it is at 990, 1240 and 1620. With n = 4, where counting is right in 97%, it did
# not come within 3000 steps. (That is from [PAPERS.md](PAPERS.md). It is not run here.)
#
# Adapting is the soonest. Section 6 looks at it.
#
# Two kinds of repetition, two signs. Sections 3 and 4 take the first apart, section 5
# the second.
#
# ## 3. Across samples: the favoured keys first
#
# We look at two accuracies, both on clean sequences: where a favoured token is asked
# for, and where another one is. The last column below is taken when the favoured are
# above 1/2. It says how much of its attention layer 1 gives, in the mean over values,
# to the key before the value. Even attention gives 0.17 (18).
#
# **Predict.** Which is above 1/2 first? By how many steps, for q = 0.1 and for q = 0.4?

# %%
def first_above(result, name, level=0.5):
    """The first step at which a curve of a run is above a level, infinite if it never is."""
    above = np.array(result[name]) > level
    return result["step"][above.argmax()] if above.any() else np.inf


print("            favoured above 1/2       others above 1/2         layer 1 on the key before it")
for q in ACROSS:
    results = found[f"q = {q:g}"]
    favoured, others = ([first_above(result, f"{who}_accuracy") for result in results]
                        for who in ("favoured", "others"))
    then = [result["step"].index(step) for result, step in zip(results, favoured)]
    looks = [result["previous_token"][i][0] for result, i in zip(results, then)]
    print(f"q = {q:<7} {text(favoured):<24} {text(others):<24} {np.median(looks):.2f}")

PHASE = 80 if run.quick else 250
print(f"layer 1 on the key before it: at least, up to step {PHASE}; at step {PHASE}")
for name in ("none", "q = 0.4"):
    early = [result["step"].index(PHASE) + 1 for result in found[name]]
    looks = [np.array(result["previous_token"])[:i, 0]
             for result, i in zip(found[name], early)]
    print(f"{name:<9} {text([look.min().round(2) for look in looks]):<20} "
          f"{text([look[-1].round(2) for look in looks])}")

# %% [markdown]
# The favoured keys are learnt first. Medians:
#
#     q                          0.1    0.2    0.4    0.6
#     favoured above 1/2         570    350    210    170
#     others above 1/2           640    500    380    390
#
# So the favoured come 640 − 570 = 70 steps before the others for q = 0.1, and
# 380 − 210 = 170 for q = 0.4. In between the network finds the values of two keys and
# guesses the others.
#
# The more it repeats, the sooner come the favoured. The others do not: from 0.4 to 0.6
# they come no sooner. That they are then asked for in too few samples is a *guess*;
# exercise 3 goes further, to q = 0.95.
#
# The lines below the table say how far layer 1 looks at the key: the least of it up to
# step 250, and at step 250, for each seed. Without repetition both are 0.06 to 0.07.
# With q = 0.4 the least is 0.11 to 0.12, and at step 250 it is 0.25 to 0.29. We come
# back to that in section 4.
#
# What have the others got from it? They are found at 380 at q = 0.4, and at 660 without
# repetition, where they are asked for in 30 of 32 samples. So something that is
# learnt for two keys serves the other thirty. Which part of the network is it in?
#
# First: how does the network find the favoured values, at a time when it finds no
# others? By the circuit of lesson 18, in which layer 1 looks at the token before and
# layer 2 matches? Or by something of its own? *Knock out* one thing at a time, as in
# lesson 18: set it to 0, and let nothing learn. With W_Q of a layer at 0 all its scores
# are equal, and it looks evenly. With W_V of layer 1 at 0 it writes nothing.
#
# We do it at step 250 of q = 0.4. The last two columns are for section 5: the same at
# step 500 of n = 2.
#
# **Predict** the first column: which of the three does it take to find the favoured
# values?

# %%
LAYER_1 = {"where layer 1 looks": ["W_Q.1", "W_K.1"], "what layer 1 writes": ["W_V.1", "W_O.1"]}
LAYER_2 = {"where layer 2 looks": ["W_Q.2", "W_K.2"], "what layer 2 writes": ["W_V.2", "W_O.2"]}
knocks = {"nothing": [], "layer 1 looks evenly": ["W_Q.1"], "layer 1 writes nothing": ["W_V.1"],
          "layer 2 looks evenly": ["W_Q.2"]}
trained = {"q = 0.4": {"p": 0.4, "steps": PHASE, "parts": knocks},
           "n = 2": {"repeats": 2.0, "steps": 2 * PHASE, "parts": knocks}}
left = sweep(knocked_out, trained, "knocked out")
mean = lambda results, part, whom: np.mean([one[part][whom] for one in results])
print("knocked out                q = 0.4: favoured   others      n = 2: copied   one copy")
for part in knocks:
    shares = [mean(left["q = 0.4"], part, whom) for whom in ("favoured", "others")]
    shares += [mean(left["n = 2"], part, whom) for whom in ("copied", "others")]
    print(f"{part:<26} {shares[0]:17.2f} {shares[1]:8.2f} {shares[2]:19.2f} {shares[3]:10.2f}")

# %% [markdown]
# Layer 1 must write and layer 2 must match, for the favoured keys too. The network is
# right in 0.90 of them (these are means of three). Without what layer 1 writes that is
# 0.10, a guess among the 8 values, and so it is if layer 2 looks evenly, 0.11. So at
# step 250 there is a circuit, and it works for two keys of 32: the others, in the
# second column, are guessed. (Section 5 reads the columns of n = 2. The last is for
# sequences with one copy: with nothing knocked out the network guesses there.)
#
# Does layer 1 look back by then, or does layer 2 match the *sum* of lesson 18, section
# 7, for which even looks are enough? Some of both, it seems. If layer 1 looks evenly
# the accuracy falls from 0.90 to 0.46. When the favoured keys come to 1/2 its attention
# on the key before is 0.19, hardly more than the even 0.17. By step 250 it is 0.25 to
# 0.29.
#
# ## 4. Which part carries the gain?
#
# Lesson 08 answered this for one layer of three numbers: what is repeated is written
# first, w₁, and attention follows. Attention is what all tokens share. So one may
# believe that here too the repeated keys teach what to *say* first, and that where to
# look comes of it.
#
# ### Held: what layer 2 writes
#
# What layer 2 says of the place where it looks is made by its W_V and W_O, its value
# map. *Hold* them (03) as they are at the start for 250 steps, with q = 0.4 or with no
# repetition. Then let them go, and end the repetition. From step 250 on these runs
# learn everything, from clean sequences.
#
# A third pair of runs is for the grafts below. In it all learns, but at step 250 AdamW
# (12) starts anew: what it has averaged of the slopes so far is forgotten.
#
# **Predict.** If the value map must learn for repetition to help, what is left of the
# gain when it is held?

# %%
MAP = LAYER_2["what layer 2 writes"]
KINDS = {"all learns": {}, "value map still": {"still": MAP}, "AdamW anew": {"anew": PHASE}}
phases = {f"q = {q:g}, {name}": {"p": q, "until": PHASE, "steps": 1300, **how}
          for name, how in KINDS.items() for q in (0.0, 0.4)}
held = {name: when(results) for name, results in
        sweep(RepeatedRecall.results, phases, "value map held").items()}
for name, snaps in held.items():
    print(f"{name:<26} {text(snaps):<18} median {text([np.median(snaps)])}")

# %% [markdown]
# With all parts free repetition brings the snap from 660 to 380, by 280 steps. With the
# value map held it is at 750 without repetition and at 720 with it: of the gain 30 is
# left, a tenth. So the value map has to learn for repetition to teach much. *Held.*
#
# But this does not say that the gain *lies* in the value map. In lesson 06 hardly any
# loss was gained with Δ held at 0. Yet most of the wait was not Δ's: with w given, held
# at 8, it was 531 of 5292. So Δ was needed, and w was what had to learn first. The
# value map may be such a Δ here. A part that others need is not yet the part that
# carries the gain.
#
# ### Grafts
#
# So we ask in another way. Train two networks from one start for 250 steps, one without
# repetition, the plain one, and one with q = 0.4. Take one part out of one and put it
# in the place of the same part of the other. We call this a *graft*. Then train on, on
# clean sequences, and count the steps until the snap.
#
# There are six parts:
#
#     where layer 1 looks        its W_Q, W_K
#     what layer 1 writes        its W_V, W_O
#     where layer 2 looks        its W_Q, W_K
#     what layer 2 writes        its W_V, W_O
#     embeddings, places         the vectors that stand for tokens and for places
#     readout                    from the last vector to the logits
#
# A part that carries the gain brings the snap sooner when it is put into the plain
# network. And the network with repetition should lose by it when it gets the plain
# one's instead. After the graft AdamW starts anew and the sequences are new ones, in
# all runs alike.
#
# **Predict.** Which of the six is it?

# %%
parts = {**LAYER_1, **LAYER_2, "embeddings, places": ["W_E", "W_P"], "readout": ["W_U", "c_U"]}
if run.quick:
    parts = {part: parts[part] for part in ("where layer 1 looks", "what layer 2 writes")}
graft = {"p": 0.4, "first": PHASE, "parts": parts, "steps": 1300}
mixed = sweep(grafted, {"grafts": graft}, "grafts")["grafts"]
never = lambda values: np.array([np.inf if value is None else value for value in values])
plain, repeated = (np.median(never([one[which] for one in mixed]))
                   for which in ("plain", "repeated"))
into_plain, into_repeated = ({part: np.median(never([one[which][part] for one in mixed]))
                              for part in parts} for which in ("into_plain", "into_repeated"))
print(f"steps from {PHASE} to the snap: plain {plain:g}, with repetition {repeated:g}")
print("part                    put into the plain one   plain part put into the other")
for part in parts:
    print(f"{part:<23} {into_plain[part]:12g} {into_repeated[part]:28g}")

# %% [markdown]
# It is where layer 1 looks. All counts are steps from 250 to the snap, medians:
#
#     the part that is swapped   plain, with the other's   q = 0.4, with the plain one's
#     none                                530                          180
#     where layer 1 looks                 270                          290
#     what layer 1 writes                 530                          160
#     where layer 2 looks                 440                          200
#     what layer 2 writes                 490                          190
#     embeddings, places                  400                          200
#     readout                             520                          180
#
# *The first row.* The gain is 530 − 180 = 350 steps.
#
# *Put in.* Of the 350 steps the look of layer 1 brings 530 − 270 = 260. What layer 2
# writes, held above and needed, brings 40.
#
# *Taken out.* The same look costs the other network 290 − 180 = 110, and not 260. So
# the five other parts, all together, bring 530 − 290 = 240. With the 260 that is more
# than the 350 there are:
#
#     260 + 240 − 350 = 150
#
# 150 steps can be had from either side. But taken out one by one, none of the five
# costs more than 20. (The network with q = 0.4 and the plain look is the plain one with
# the five other parts. So this 240 is a part *put in*, as the 260 is.)
#
# By both tests one part is first: where layer 1 looks. Put in, it brings three quarters
# of the gain. Taken out, it costs a third.
#
# So what was believed is half true. What is written must be learnt, or repetition
# brings little. But what layer 2 writes carries little of the gain. The part that
# carries most is a look.
#
# *A gain of 350, and of 280 above.* The runs in which all learns took 660 − 250 = 410
# and 380 − 250 = 130 steps from there, not 530 and 180. Is it that AdamW starts anew in
# the grafts, or that the sequences are others? The third pair above keeps the
# sequences and starts AdamW anew. It snaps at 780 and 430:
#
#     780 − 250 = 530          430 − 250 = 180
#
# So it is AdamW's new start, all of it. *Held.* It costs the plain network 120 steps
# and the other 50. Why it costs steps, and why the plain one more, is not known.
#
# ### Taught, or spoilt?
#
# A graft compares two networks. Is it that the one has learnt to look back, or that the
# other has lost it?
#
# At the start attention is even, and a value gives its key 0.17 of it. In the plain
# network this *falls*: it is 0.07 from step 210 to 330. With q = 0.4 it falls less, to
# 0.11 to 0.12 (section 3 prints all three), and is back at 0.19 when the favoured keys
# are learnt. So the plain one may have something to undo.
#
# Take the plain network at step 250 and *put back* (18) the W_Q and W_K of layer 1 to
# what they were at the start, with the rest as it is.
#
# **Predict.** The plain one took 530 steps from there, and 270 with the other's look.
# What does it take with the look of the start?

# %%
back = {"nothing": [], "where layer 1 looks": LAYER_1["where layer 1 looks"]}


def tell_put_back(results):
    """Print the steps to the snap with each part put back, for each seed."""
    for part in back:
        snaps = never([one["parts"][part] for one in results])
        print(f"put back {part}: snap after {text(snaps)}, median {np.median(snaps):g}")


of_plain = {"plain": {"first": PHASE, "parts": back, "steps": 1300}}
of_plain = sweep(put_back, of_plain, "put back")["plain"]
tell_put_back(of_plain)

# %% [markdown]
# It takes 390. So of the 260 steps that the graft brings, 530 − 390 = 140 come of
# undoing what the plain network has made of its look, and 390 − 270 = 120 are what the
# repeated keys have taught.
#
# What was put back is two matrices, and not only the turn away from the key. That the
# turn is what costs the 140 is a *guess*. Why layer 1 turns away at first is not known.
#
# ### Why this part
#
# This is a *guess*, which the circuit suggests. *What* stands in a place is another
# token in each sequence, and for each of the 32 tokens layer 1 writes, and layer 2
# matches, something else. (Layer 1 need not *learn* what it writes: lesson 18 held it
# as drawn, and the skill came.) But that a value looks at the place before it has
# nothing to do with which token stands there. It can be learnt from two keys, for all
# keys.
#
# That a look by places is open to the network is *derived*: its scores are made of
# token and place vectors, and those of the places are the same in every sequence. That
# this network's look goes by places was not tested: we have not taken places and tokens
# apart in it. Why embeddings and layer 2's looks carry a part as well is not known.
#
# ## 5. In context: counting comes first
#
# ### What it has learnt
#
# The table of section 2 says that in context the snap is late. What has the network
# learnt before it?
#
# If it counts, it does not care about the query. So take sequences in which a pair
# stands twice or more, and *ask for another key* of the same sequence. A network that
# looks for the query's key says that key's value. A network that counts says the copied
# value all the same.
#
# We follow n = 2: how often it is right where the copied pair is asked for; how often
# it says the copied value although another key is asked for; and clean accuracy.
#
# **Predict** the second of these numbers.

# %%
in_context = found["n = 2"][0]
print("step    right, copied pair asked   copied value, another asked   clean   layer 1 on the key")
for i in range(0, len(in_context["step"]), 5 if run.quick else 20):
    copied, anyway, clean = (in_context[name][i] for name in
                             ("copied_accuracy", "copied_anyway", "clean_accuracy"))
    looks = in_context["previous_token"][i][0]
    print(f"{in_context['step'][i]:<7} {copied:14.2f} {anyway:26.2f} {clean:19.2f} {looks:10.2f}")
print("half of its own task at", text(when(found["n = 2"], "own_emerged")))
most_anyway = [max(result["copied_anyway"]) for result in found["n = 2"]]
print("copied value, another asked: at most", text(most_anyway))

# %% [markdown]
# This is the run with seed 0. It counts. From step 200 to step 1300 it is right in 0.9
# and then in 0.99 of the copied pairs, and it says the same value just as often when
# another key is asked for. Its clean accuracy stays at 0.12 to 0.17: about one in
# eight.
#
# Half of its own task is right at step 100, long before the snap.
#
# Layer 1 hardly looks back in this time, with 0.03 of its attention. In the plain
# network it was 0.07 at least. From step 1100 on it comes, and some 200 steps later
# clean accuracy rises. The copied value is said less and less where another key is
# asked for, and in the end this network looks up as the others do.
#
# ### Where it counts
#
# The second half of the table of section 3 knocked out parts of this network at
# step 500, and looked at sequences with two copies or more. What would a guess among
# the 8 places be worth there? The mean number of copies is 2.22 in all sequences, and
# 0.297 of them have one. So the others have
#
#     (2.22 − 0.297 · 1) / (1 − 0.297) = 2.74 copies        2.74/8 = 0.34
#
# The network has 0.96. If layer 1 looks evenly 0.53 is left, if it writes nothing 0.46,
# and if layer 2 looks evenly 0.61. So there is no one part for it: both layers have a
# share in it. But that this network *uses* both does not say that counting *needs*
# both (18): exercise 2 trains one layer alone.
#
# ### What makes it late
#
# Two things have changed with the copies. The *contexts* hold copies; and counting
# *pays*. Keep the contexts and take away the pay. For each sequence of the same draw
# ask for any of the different keys in it, each as likely as another. The copies stand
# there as before, but the query is rarely the one that is copied.
#
# And there is a second question. A sequence in which counting is right may teach
# nothing about looking. So perhaps it is late only since fewer sequences are left that
# teach it. Then leaving all sequences with copies out of each batch, with nothing in
# their place, should make it just as late. Of 128 sequences that leaves 0.297 · 128 =
# 38 for n = 2.
#
# **Predict** both: any key asked, and copies left out. For n = 2 the snap came at 1620,
# and without repetition at 660.

# %%
OF_N = [n for n in IN_CONTEXT if n in (1.5, 2.0)]
contexts = {f"n = {n:g}, {kind}": {"repeats": n, "contexts": kind}
            for n in OF_N for kind in ("any key asked", "copies left out")}
without = sweep(RepeatedRecall.results, contexts, "contexts")
print("                             snap, each seed    median   "
      "copied value, another asked: at most; above 1/2 at")
for n in OF_N:
    for name in (f"n = {n:g}", *(name for name in contexts if name.startswith(f"n = {n:g},"))):
        results = found.get(name) or without[name]
        snaps, most_said = when(results), [max(result["copied_anyway"]) for result in results]
        said = np.median([first_above(result, "copied_anyway") for result in results])
        print(f"{name:<28} {text(snaps):<18} {np.median(snaps):<8g} "
              f"{text(np.round(most_said, 2)):<18} {said:g}")

# %% [markdown]
# *Any key asked*: 650 for n = 1.5 and 650 for n = 2. That is no later than without
# repetition, though the contexts hold the same copies. So without the pay such contexts
# do not make it late. *Held*. One thing else has changed: a context with copies has
# fewer different keys, so there are fewer to search. A harm of the copies could be
# hidden by that. It was not told apart.
#
# *Copies left out*: 1010 and 1240. That is later than 660, but not as late as with the
# copies in, 1240 and 1620. So the delay has two parts:
#
#     n = 1.5     1010 − 660 = 350 of 1240 − 660 = 580, three fifths
#     n = 2       1240 − 660 = 580 of 1620 − 660 = 960, three fifths
#
# *Three fifths* come of fewer sequences to learn from. *Held*, by leaving the copies
# out. It fits lesson 18: there seed 0 snapped at 1120 with batches of 32. Here it snaps
# at 1130 with about 38 left.
#
# *Two fifths* come only where the copies are trained on and counting pays. We do not
# know the cause. One was believed: that the network, as it counts, turns layer 1
# further away from the key, to 0.03, and that this has to be undone. Then putting the
# look of layer 1 back to the start should bring more steps here than the 130 to 140
# that it brought the plain network (section 4: 530, 520 and 620 became 390, 390 and
# 490). We do it at step 500 of n = 2, and go on with clean sequences. To compare, a
# fresh network is trained on the same sequences.
#
# **Predict.** By how many steps does it bring the snap nearer? And will the network
# that has counted for 500 steps be later than the fresh one, or sooner?

# %%
of_counting = {"n = 2": {"repeats": 2.0, "first": 2 * PHASE, "parts": back, "steps": 1300}}
of_counting = sweep(put_back, of_counting, "put back, n = 2")["n = 2"]
fresh = never([one["fresh"] for one in of_counting])
print(f"fresh: snap after {text(fresh)}, median {np.median(fresh):g}")
tell_put_back(of_counting)

# %% [markdown]
# By 180, 100 and 130 steps: 620, 530 and 680 become 440, 430 and 550. In the median
# that is 130, no more than the 130 of the plain network. Only seed 0 has more,
# 180 for 140. The belief fails, as far as this goes: it was tested on clean sequences,
# and not while counting pays.
#
# And the network that has counted is no later than the fresh one, 690, 690 and 770, but
# 70 to 160 steps sooner. (On the sequences of section 2 a fresh one took 660, 660 and
# 740.) So what 500 steps of counting have left behind does not make it late.
#
# ### Said without pay
#
# Now the last two columns of the table of *What makes it late*. They hold a surprise.
# *Any key asked* and *copies left out*: for these networks counting has never paid. And
# yet at some step of the run they say the copied value in 0.84 to 0.96 of the cases in
# which another key is asked for. Even those say it that have never seen a copy. So
# copies do not have to teach it.
#
# Do they bring it sooner? For n = 2 it is said in half of the cases at step 80 where it
# pays, and at 120 with any key asked. With the copies left out it is at 240, but these
# steps see 38 sequences and not 128, and that alone makes things later (18). So what
# the pay brings is shown here, and what the copies bring is not.
#
# Why without pay at all? A *guess*: on its plateau each of these networks says an
# average of all values, and an average weighs double what stands twice. That it is an
# average was not measured. That the network of n = 2 uses both layers to count speaks
# for something more.
#
# ## 6. Repetition that adapts
#
# With q = 0.6 the favoured keys come soonest, and the others are asked for least. So
# repeat much at first, and then end it. The rule of section 2 does that by the clean
# loss alone. Beside it we put a plain clock: q = 0.6 for 250 steps, then 0.
#
# **Predict.** Constant q = 0.6, and q that adapts, up to 0.6: which is sooner at the
# snap, and which at 95%? By how much? And the clock?

# %%
snap = {name: np.median(when(results)) for name, results in found.items()}
solved = {name: when(results, "solved") for name, results in found.items()}
medians = {name: np.median(steps) for name, steps in solved.items()}
best = min((f"q = {q:g}" for q in ACROSS), key=medians.get)
most = f"q = {ACROSS[-1]:g}"
clock = {"clock": {"p": ACROSS[-1], "until": PHASE, "steps": 1300}}
clock = sweep(RepeatedRecall.results, clock, "clock")["clock"]
for name in dict.fromkeys((most, best, "q adapts", "clock")):
    results = found.get(name, clock)
    snaps, ninety_five = when(results), when(results, "solved")
    print(f"{name:<10} snap {text(snaps):<16} median {np.median(snaps):<5g} "
          f"95%: {text(ninety_five):<16} median {np.median(ninety_five):g}")
adaptive, without_any = found["q adapts"][0], found["none"][0]
moments = list(zip(adaptive["step"], adaptive["p"], adaptive["clean_loss"],
                   without_any["clean_loss"]))
for step, q, loss, plain_loss in moments[::2]:
    print(f"    step {step:<4} q = {q:<6.3g} clean loss {loss:.2f}   without repetition "
          f"{plain_loss:.2f}")


def below_mark(results):
    """The first step of each run at which the clean loss is below 0.8 of its start."""
    falls = [{"step": one["step"], "share": 1 - np.array(one["clean_loss"]) / one["clean_loss"][0]}
             for one in results]
    return [first_above(one, "share", 0.2) for one in falls]


print("clean loss below 0.8 of its start at: none", text(below_mark(found["none"])),
      "  q adapts", text(below_mark(found["q adapts"])))

all_snaps = {name: when(results) for name, results in found.items()}
first_runs = {name: found[name][0] for name in ("none", most, "q adapts")}
first_runs["clock"] = clock[0]
run.figure(draw.repetition(all_snaps, STEPS, found["q = 0.4"][0], in_context, first_runs),
           "repetition",
           "Above: the step of the snap with each kind of repetition; across samples, favoured "
           "keys first. Below: repetition that adapts; in context, counting first.")
run.page(draw.page(found), "player")

# %% [markdown]
# Constant q = 0.6 snaps at 390, and q that adapts at 350. At 95% they are at 450 and at
# 380, and the best constant q, 0.4, at 430.
#
# And the clock is as soon as the rule: 340 and 380. Up to step 250 it is the run with
# q = 0.6 itself, on the same sequences. Only the end differs. So it is ending the
# repetition that gains the 50 steps until the snap and the 70 until 95%. *Held.* With
# q = 0.4 the snap gains nothing by it: it is at 380 if repetition ends at 250 in
# section 4, and at 380 if it goes on. The rule differs from the clock at both ends, by
# a slow beginning and a slow end. Together they gain nothing.
#
# What does the rule see, then? With seed 0 it keeps q at 0.6 from step 40 to 260, and
# at step 320 q is 0. It waits for 0.8 of the loss at the start, 3.49, so for 2.79. (A
# network that knows nothing loses ln 32 = 3.47.) One that gives each of the 8 values
# 1/8 loses
#
#     ln 8 = 2.08          2.08/3.47 = 0.6
#
# That would be far below 0.8. But the loss is not there at step 200: it is 2.95 without
# repetition. To be right in 1/8 it is enough that the most likely token is a value. The
# loss asks for all of the probability, and what is given to other tokens, or too much
# to one value, costs. Which of the two costs it here was not measured.
#
# The last line printed is the surprise. Without repetition the loss passes the mark at
# step 280, 250 and 250, with q that adapts at 260, 270 and 260. So the mark lies on the
# plateau, where all of these networks guess, and says nothing of what repetition has
# taught. It happens to come when the favoured keys are known. Here the rule is a clock.
#
# One more thing is in the list. While the favoured keys are being learnt the clean loss
# *rises*, from 3.18 at step 140 to 3.34 at step 180: the network says their values with
# more and more weight where another key is asked for. (That these are the values it
# says is a *guess*.)
#
# The figure. Upper left: the step of the snap, a dot for each seed, a bar for the
# median, and dashed the median without repetition. Upper right: one run with q = 0.4;
# layer 1's look (dotted) falls, and rises before the other keys come. Lower left: no
# repetition, and three ways to go on or to end (up to step 250 q = 0.6 lies under the
# clock); dashed is the clean loss, as a share of its start, and the grey line is
# the rule's mark. Lower right: one run with n = 2; the arrow spans the steps at
# which the copied value is said in more than 0.9 of the cases in which another key is
# asked for.
#
# ## 7. The sign depends on the network
#
# In context it was late *here*. *The Emergence of Sparse Attention*, from which task
# and both repetitions come, finds it 4 times sooner in context and 2 times across
# samples. Its networks have four layers of width 256 with MLPs, 32 pairs and 256
# tokens. We have not reached its 4 times.
#
# What we have run besides ([PAPERS.md](PAPERS.md)), all with two layers of width 64:
# other sizes of the task, another standard deviation of the embeddings at the start,
# and an MLP of 256 in each layer or none. Steps of the snap, medians of three seeds, in
# the last row one seed; a dash is not run:
#
#     pairs, tokens  start  MLP   none   q = 0.4   n = 1   1.25    1.5      2
#     8 of 32        0.2    no     660       380     990   1100   1240   1620
#     8 of 32        0.7    no     280       200     360      -    460    620
#     8 of 32        0.7    yes    240       180     220    240    240      -
#     24 of 64       0.7    yes   1500       800    1150   2450   2450   2650
#     32 of 256      0.7    yes   4300      1500    5000      -   4100      -
#
# Across samples it is sooner in every row, 1.3 to 2.9 times. In context there is no
# such rule. From the larger start it is later, with the MLP besides it makes no
# difference; with 24 pairs n = 1 helps, and n = 1.25 came at 1150, 2450 and not within
# 4000 for the three seeds, so a median says little there. With 32 pairs n = 1 is later
# than none and n = 1.5 a little sooner, by one seed.
#
# One more run holds a part of it still. *Give* layer 1 its look from the start, each
# value at its key, in the network of the first row, and train the rest. The snap, in
# medians of three seeds:
#
#     layer 1's look             none   n = 1      2
#     learnt                      660     990   1620
#     given                       180     140    120
#
# Where the look is given, copies bring the skill *sooner*. *Held*, seed by seed. With
# 24 pairs of 64 tokens (start 0.7, MLP) it is so for n = 2: 400 without copies and 200
# with them where the look is given, and 1500 and 2650 where it is learnt. So in these
# two networks, where copies make it late they do so only while layer 1's look has still
# to be learnt. (Commands and numbers: [PAPERS.md](PAPERS.md).)
#
# With layer 2's value map held as drawn it is 870 without copies, 1340 for n = 1, and
# not within 3000 for n = 2. So the map's learning is not what makes it late.
#
# **What is still not known:** why copies hinder the learning of this look, why they
# help once it is there, and why n = 1 helps with 24 pairs where the look is learnt.
#
# The last table sets the numbers side by side. (In quick runs they are of a smaller
# task.)

# %%
ways_first = [favoured < others for favoured, others in
              zip(*([first_above(result, f"{who}_accuracy") for result in found["q = 0.4"]]
                    for who in ("favoured", "others")))]
sooner = snap["none"] / snap["q = 0.4"]
minimum, at_most, part = (1.1, 0.5, "half") if run.quick else (1.3, 0.25, "a quarter")
run.claim(f"q = 0.4 brings the snap {minimum} times sooner or more, and the favoured keys first",
          bool(all(ways_first) and sooner >= minimum))

gain = plain - repeated
by_looks, by_map = (plain - into_plain[part] for part in
                    ("where layer 1 looks", "what layer 2 writes"))
run.claim("where layer 1 looks carries half of the gain or more, what layer 2 writes less",
          bool(by_looks >= gain / 2 > by_map))

delays = {n: snap[f"n = {n:g}"] - snap["none"] for n in OF_N}
any_key = {n: np.median(when(without[f"n = {n:g}, any key asked"])) - snap["none"] for n in OF_N}
run.claim(f"copies in context delay the snap; with any key asked less than {part} of that is left",
          all(delays[n] > 0 and any_key[n] < at_most * delays[n] for n in OF_N))
if not run.quick:
    run.claim("q that adapts is at 95% no later than the best constant q",
              bool(medians["q adapts"] <= medians[best]))

run.compare([
    ("snap: none; q = " + text(ACROSS), None,
     text([snap["none"], *(snap[f"q = {q:g}"] for q in ACROSS)])),
    ("q = 0.4, layer 2's value map held: none; q", None,
     text([np.median(held[f"q = {q:g}, value map still"]) for q in (0.0, 0.4)])),
    (f"from step {PHASE}: plain; with layer 1's looks; q = 0.4", None,
     text([plain, into_plain["where layer 1 looks"], repeated])),
    ("in context, n = " + text(IN_CONTEXT) + ": snap", None,
     text([snap[f"n = {n:g}"] for n in IN_CONTEXT])),
    ("n = " + text(OF_N) + ": any key asked; copies left out", None,
     "; ".join(text([np.median(when(without[f"n = {n:g}, {kind}"])) for n in OF_N])
               for kind in ("any key asked", "copies left out"))),
    (f"95%: {most}; {best}; q that adapts; clock", None,
     text([*(medians[name] for name in (most, best, "q adapts")),
           np.median(when(clock, "solved"))])),
])
settings = {**task, "across": ACROSS, "in_context": IN_CONTEXT, "seeds": seeds, "phase": PHASE}
run.finish(settings, snap=snap, held={name: np.median(snaps) for name, snaps in held.items()},
           grafts=into_plain, back=into_repeated, solved=medians,
           clock=np.median(when(clock, "solved")))

# %% [markdown]
# ## 8. What we found
#
# **What was asked.** Does repetition bring the skill sooner, and what is learnt first?
# Across samples it does. The favoured keys are learnt first, by layer 1 writing and
# layer 2 matching, and the look of layer 1 that comes with it serves all keys. In
# context, in this network, it does not. Counting is learnt first, which serves only
# where there are copies.
#
# **Why.**
#
# - *The favoured keys are found by the circuit of two layers.* Knocked out: without
#   what layer 1 writes, or where layer 2 looks, they are guessed. With even looks of
#   layer 1 half is left.
# - *No part carries more of the gain than where layer 1 looks.* Measured, by grafts:
#   put into the plain network it brings 260 of the 350 steps, what layer 2 writes 40.
#   Taken out of the other it costs 110, as the five other parts bring 240 without it.
# - *Of the 260, 140 are what the plain network has made of its own look*: measured, by
#   putting it back to the start. That it is the turn away from the key is a guess, and
#   so is that the look goes by places and therefore serves all keys.
# - *The value map comes first, and attention follows*, as in lesson 08: believed. Held:
#   with the value map still, most of the gain is gone. So it is needed for the gain,
#   but by the grafts it carries little of it.
# - *AdamW's new start costs 120 steps*, and 50 with q = 0.4: held, on the same
#   sequences. Why is not known.
# - *In context it counts first.* Measured: asked for another key it says the copied
#   value. Networks for which counting never pays do so too, but later.
# - *Copies in the context make it late*: believed. Held: with any key asked it is not
#   late. It is late where counting pays and layer 1's look has still to be learnt.
# - *Fewer sequences are left to learn from.* Held, by leaving the copies out: three
#   fifths of the delay. The other two fifths are not explained.
# - *Counting spoils where layer 1 looks*: believed. Put back it gains no more than in a
#   plain network. This was tested on clean sequences only.
# - *From q = 0.6 it gains to end repetition.* Held: if it ends at step 250 it is at 95%
#   at 380, and at 450 if it goes on. From q = 0.4 the snap gains nothing.
# - *A rule sees when to end it*: believed. Measured: its mark is passed at the same
#   time without repetition, and a clock does as well.
# - *Where layer 1's look is given, copies bring the skill sooner*: held, in two
#   networks (8 pairs: 180, 140, 120). Why they hinder the learning of the look, and why
#   n = 1 helps with 24 pairs where it is learnt, is not known.
#
# **What surprises in the picture.** Lower right: for more than a thousand steps the
# network answers nearly all copied pairs, and which key it is asked for makes no
# difference. Lower left: the loss without repetition passes the rule's mark as soon as
# the other.
#
# ## Exercises
#
# 1. (Easy, 5 minutes.) Four pairs, n = 2. In which share of the sequences does the
#    query stand once, and how often is counting right?
# 2. (Medium, 5 minutes.) Can one layer alone count? Say what you expect of one layer on
#    n = 2, clean and on its own task. Then run `python lessons/experiments recall
#    --repeats 2 --depth 1 --steps 500 --every 50`.
# 3. (Medium, 10 minutes.) Too much: q = 0.95. What do you expect of the accuracy on the
#    network's own questions, and of the clean loss, before the others are learnt? Then
#    run `python lessons/experiments recall --p 0.95`.

# %% [markdown]
# ## Answers
#
# 1. Each of four places takes the query with probability 1/2. None: 1/16. Exactly one:
#    4 · 1/2 · 1/8 = 1/4. So the share is (1/4)/(15/16) = 4/15 = 0.267, and counting is
#    right in 1 − 3/4 · 0.267 = 0.8.
# 2. Yes. Its clean accuracy stays at 0.11, a guess among eight. On its own task it is
#    right in half at step 150 and in 0.73 at step 500, for 0.74 by counting. One layer
#    that reads all values evenly can do it: what stands twice has twice the share.
# 3. At step 200 it is right in 95% of its own questions, and the clean loss, 3.8, is
#    above the ln 32 = 3.47 of a network that knows nothing. Section 6 has seen it rise
#    while the favoured keys come. Here it rises above that: it is sure of wrong
#    answers. It knows two keys. The few other questions bring the skill at step
#    1050 (seed 0), later than without any repetition. That this is so because the
#    others are asked for too seldom is a *guess*, as in section 3.
