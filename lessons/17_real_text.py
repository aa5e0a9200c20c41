# %% [markdown]
# # Real text
#
# A turn counts as one only if the same words in random order do not make it.
#
# **Question.** Does the cycle of lesson 14 happen on words, and how does one tell it
# from noise?
#
# **You see** for words of high, middle and low frequency how spread their attention is,
# and what they look at; and the same words in random order, where there are no turns.
# **Takes** 4 minutes.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read by NumPy: passes run in threads

import numpy as np

import lesson
from drawings import real_text as draw
from experiments import TextTrial

run = lesson.start("17_real_text")
small = dict(steps=1000, batch=48, length=16, width=16, lr=0.2) if run.quick else {}

# %% [markdown]
# ## 1. The head of lesson 14, with words for tokens
#
# So that it runs anywhere, the lesson makes up a text of its own: 4,000 short sentences
# of 51 words ("the boat was in the barn .") in which some words foretell others, as
# names and things come again within a story. Real ones, as at the end of this page, are
# a command. One head, one matrix W0 of embeddings that serves as query, key and value,
# a readout W1; each word is predicted from those before it. As in lesson 14 a word w
# looks at word k as often as k stands in a long text, times e to the score,
#
#     A_wk = count_k e^(Φ_wk) / Σ_l count_l e^(Φ_wl)
#
# so a word's attention is a law over all words, and its *entropy* says how spread it
# is: ln n if n words share it evenly, 0 if all is on one. Two words, half each: ln 2 =
# 0.69 nats.
#
# ## 2. What is a turn, and what is chance?
#
# Seven words are *followed*, of high, middle and low frequency, measured every 25
# steps. A **turn** is attention that focuses, dilutes and focuses again: its entropy
# falls, rises and falls. But every curve of training wiggles, as batches differ. So a
# fall or a rise counts only if it is at least 0.2 of the curve's range, 5 times its
# noise (the median change from one measurement to the next) and 0.1 nats; and only once
# the words' frequencies are learnt, the first thing that is (exercise 2).
#
# And there is a **control**: the same words in random order, trained and judged alike.
# Order is all that it lacks. **Predict** the two losses, and what attention does in the
# control.

# %%
trial = TextTrial(**small, seed=run.options.seed, device=run.device.name)
found = trial.run(map=run.map, title="text")
control = found["shuffled"]
run.figure(draw.turns(trial, found), "turns")
run.page(draw.page(found), "player")

# %% [markdown]
# In random order nothing can be known but the words' frequencies, and once they are
# learnt the loss rests at their entropy and attention hardly moves. In the text it goes
# on falling, and words turn: they focus, blur and focus again, some on other words than
# before.
#
# What the control does not show is how strongly batches throw about a network that
# *has* learnt an order: a word with many quick turns may be one of those. What we take
# for the cycle is the deep, slow turn.

# %%
entropy, corners = np.array(found["entropy"]), found["corners"] or []
turned = {word: len(turns) for word, turns in zip(found["word"], found["turns"]) if turns}
unseen = np.interp(corners, found["unseen_step"], found["unseen"])
run.claim("some followed word focuses, dilutes and focuses again", bool(turned))
run.claim("in random order none does", not any(control["turns"]))
run.claim("the turn is no over-fitting: loss on unseen text is lower at its second focus",
          bool(turned) and unseen[0] > unseen[2])
run.claim("order is worth something: loss on unseen text ends below that in random order",
          found["unseen"][-1] < control["unseen"][-1])

star = found["star"]
places = [found["step"].index(corner) for corner in corners]
text = lambda values, form=".3g": ", ".join(format(value, form) for value in values)
in_control = sum(map(bool, control["turns"]))
run.compare([
    ("followed words with a turn", in_control, f"{len(turned)} of {len(found['word'])}"),
    (f"“{found['word'][star]}”: steps of its clearest turn", None, text(corners, "d")),
    ("    its entropy there", None, text(entropy[places, star])),
    ("    the word it looks at most", None, ", ".join(found["top"][i][star] for i in places)),
    ("    loss on unseen text there", None, text(unseen)),
    ("loss on unseen text at the end", control["unseen"][-1], found["unseen"][-1]),
], before="random order")
run.finish(trial.settings, turns=turned, star=found["word"][star], corners=corners,
           condensed=found["condensed"], unseen=found["unseen"][-1], control=control["unseen"][-1])

# %% [markdown]
# A text of your own, in WikiText's format, TinyStories' or plain, with its figure:
#
#     python lessons/experiments text --text PATH --follow continue,been
#
# ## Exercises
#
# 1. Run it on a text of yours. Which words turn, the frequent or the rare ones?
# 2. Why are turns counted only once the frequencies are learnt?
# 3. Why would random order be a weaker control under Adam than under SGD?

# %% [markdown]
# ## Answers
#
# 1. Depends on the text. In WikiText-2's test split and in TinyStories some of the
#    followed words did, at every seed tried (0 to 2), and none in random order. Words
#    that come less than 40 times are left out: single batches throw them about in
#    random order as well.
# 2. While the network condenses (lesson 14) the most frequent word swings in random
#    order as well: frequencies are an order too.
# 3. Adam divides each gradient by its own size. In random order the gradient is soon
#    noise of batches alone; Adam makes steps of it as long as before, and attention can
#    wander far.
