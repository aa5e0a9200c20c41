# %% [markdown]
# # One head by hand
#
# A head is a weighted average, and one line says how its weights learn.
#
# **Question.** A head reads three things and answers with their weighted average. The
# weights come from scores. The average is too low. Which scores should rise, and how
# fast?
#
# **You see** three weights learn, first on paper with every number, then on the screen
# with the same numbers; and a page on which you can drag them. **Takes** 1 second.

# %%
import math

import numpy as np

import lesson
from drawings import one_head_by_hand as draw
from tinyattn import attention

run = lesson.start("01_one_head_by_hand")

# %% [markdown]
# ## 1. An average of three values
#
# A *head* answers one *query*. It reads a few things, here three. Each of them is a
# *key*, and each key has two numbers:
#
# - its *score*, a: how well the key fits the query;
# - its *value*, v: what is read there.
#
# Where scores and values come from is lesson 02's subject. Here they are given:
#
#     key          1       2       3
#     score a     ln 2     0       0
#     value v      2       4       8
#
# The head averages the values. For that it needs weights that are positive and sum to
# 1, and scores are any numbers. So take e to the power of each score:
#
#     e^a          2       1       1          their sum is 4
#
# Then divide by the sum:
#
#     s           2/4     1/4     1/4         their sum is 1
#
# This is *softmax*. The weights s are the *attention* that each key gets. In letters,
# where Σ_j is the sum over all keys j:
#
#     s_i = e^a_i / Σ_j e^a_j
#
# The *output* y is the average of the values with these weights:
#
#     y = 1/2 · 2 + 1/4 · 4 + 1/4 · 8
#       = 1 + 1 + 2
#       = 4
#
#     y = Σ_j s_j v_j
#
# The figure of section 4 shows it (left). Each key is a bar. Its width is its
# attention, its height is its value. All widths together are 1. So if the bars were
# made of sand and levelled, the sand would stand at height 4: the output.
#
# ## 2. What is wanted, and two gradients
#
# We want 5. How wrong 4 is, we measure by the *loss*
#
#     L = (y − 5)² / 2 = (4 − 5)² / 2 = 1/2
#
# How does L change with y? The derivative of (y − 5)² / 2 is y − 5:
#
#     ∂L/∂y = y − 5 = 4 − 5 = −1
#
# Raise y by 0.01, and L falls by about 0.01. We write dy for this derivative, and
# likewise da for ∂L/∂a and dv for ∂L/∂v: *d and a name is the derivative of the loss by
# what has that name*. All derivatives together are the *gradient*.
#
# *Descent* subtracts a small multiple of the gradient from what it may change. So minus
# the gradient says where a number is going. We call that its *pull*: a number with the
# pull 1 rises, one with the pull −1 falls.
#
# The values first. Value 1 enters y with the weight 1/2. Raise it by 1, and y rises by
# 1/2. So ∂y/∂v₁ = s₁ = 1/2, and by the chain rule
#
#     dv₁ = dy · ∂y/∂v₁ = (−1) · 1/2 = −1/2
#     dv₂ = dy · ∂y/∂v₂ = (−1) · 1/4 = −1/4
#     dv₃ = dy · ∂y/∂v₃ = (−1) · 1/4 = −1/4
#
#     dv_i = s_i dy
#
# All three are pulled up, each by its share.
#
# ## 3. The gradient of a score
#
# A score is harder, since it acts through all three weights. Try it on score 1. Raise
# it from ln 2 to ln 2.02, which is 0.00995 higher:
#
#     e^a         2.02        1          1           their sum is 4.02
#     s          0.50249   0.24876    0.24876
#     y = 0.50249 · 2 + 0.24876 · 4 + 0.24876 · 8 = 3.99005
#
# The output fell by 0.00995, as much as the score rose: ∂y/∂a₁ is about −1. Now
# exactly.
#
# Key 1's weight is a quotient, e^a₁ / sum. If a₁ rises, e^a₁ grows by its own size, and
# so does the sum. The quotient rule, with sum = 4:
#
#     ∂s₁/∂a₁ = (e^a₁ · sum − e^a₁ · e^a₁) / sum²
#             = (2 · 4 − 2 · 2) / 16
#             = 1/4
#
# In the weight of key 2 only the sum grows:
#
#     ∂s₂/∂a₁ = (0 · sum − e^a₂ · e^a₁) / sum²
#             = (0 − 1 · 2) / 16
#             = −1/8
#
# Key 3 has the same score as key 2, so ∂s₃/∂a₁ = −1/8 too. The three sum to 0: what key
# 1 gains, the others lose. Now the output:
#
#     ∂y/∂a₁ = 2 · ∂s₁/∂a₁ + 4 · ∂s₂/∂a₁ + 8 · ∂s₃/∂a₁
#            = 2 · 1/4 + 4 · (−1/8) + 8 · (−1/8)
#            = 1/2 − 1/2 − 1
#            = −1
#
# and the loss, by the chain rule:
#
#     da₁ = dy · ∂y/∂a₁ = (−1) · (−1) = 1
#
# The gradient is positive, so descent lowers score 1.
#
# *In letters.* Write sum² in the two quotients above as sum · sum. Then e^a / sum is s
# each time:
#
#     ∂s_i/∂a_i = s_i − s_i²
#     ∂s_j/∂a_i = −s_j s_i              for every other key j
#
# Multiply each by its value and add:
#
#     ∂y/∂a_i = v_i s_i − v_i s_i² − (v_j s_j s_i, added over every other j)
#
# Take s_i out of the last two terms:
#
#     ∂y/∂a_i = v_i s_i − s_i (s_i v_i + s_j v_j, added over every other j)
#
# The bracket holds key i and every other key: it is the sum over all.
#
#     ∂y/∂a_i = v_i s_i − s_i Σ_j s_j v_j
#
# That last sum is y:
#
#     ∂y/∂a_i = s_i (v_i − y)
#
# And the loss:
#
#     da_i = s_i dy (v_i − y)
#
# Check it on key 1: s₁ dy (v₁ − y) = 1/2 · (−1) · (2 − 4) = 1, as before.
#
# **Predict** da for keys 2 and 3. Which score does descent raise?

# %%
a = np.array([[math.log(2), 0.0, 0.0]])  # a row for the one query
v = np.array([[2.0], [4.0], [8.0]])  # a row for each key
wanted = 5.0

y, cache = attention.attend_forward(a, v)  # from scores and values to the output
dy = y - wanted
da, dv = attention.attend_backward(dy, cache)  # from dy back to scores and values
s = cache.s

print("attention s ", s[0])
print("output y    ", y[0])
print("gradient dv ", dv[:, 0])
print("gradient da ", da[0])
on_paper = ([0.5, 0.25, 0.25], 4.0, [-0.5, -0.25, -0.25], [1.0, 0.0, -1.0])
on_screen = (s[0].tolist(), y.item(), dv[:, 0].tolist(), da[0].tolist())
run.claim("paper and screen agree digit for digit", on_screen == on_paper)

# %% [markdown]
# They agree digit for digit. For key 2 da is 1/4 · (−1) · (4 − 4) = 0, and for
# key 3 it is 1/4 · (−1) · (8 − 4) = −1. So descent raises score 3, lowers score 1, and
# leaves score 2 as it is:
#
# - value 8 lies above the average of 4, and we want more: key 3 is pulled up;
# - value 2 lies below: key 1 is pulled down;
# - value 4 is what the head says already: more of it changes nothing.
#
# *Descent raises a score where that value serves better than the present average, and
# in proportion to the attention that the key has already.* The rest of this book is
# that sentence, for many queries, heads and steps.
#
# The two functions that were called are a pair. The *forward* function goes from inputs
# to the output, and keeps in a *cache* what is needed later, here s and v. The
# *backward* function goes from the output's gradient to the inputs' gradients. They
# stand one above the other in `tinyattn/attention.py`, under this same derivation with
# one more index, t, for the query.
#
# ## 4. One step
#
# Descent subtracts η times the gradient. η is the *learning rate*; take 0.1. We let it
# move the scores alone; the values stay:
#
#     a₁ = 0.693 − 0.1 · 1    = 0.593
#     a₂ = 0     − 0.1 · 0    = 0
#     a₃ = 0     − 0.1 · (−1) = 0.1
#
# How far does the loss fall? If L is a straight line, each unit of score 1 changes it
# by da₁. Score 1 moved by −η da₁, and changes it by
#
#     da₁ · (−η da₁) = −η da₁²
#
# Likewise the others. All together:
#
#     −0.1 · (1² + 0² + (−1)²) = −0.2
#
# **Predict.** L was 0.5. Is it 0.3 now? Less? More?

# %%
eta = 0.1
a_next = a - eta * da
y_next, cache_next = attention.attend_forward(a_next, v)
loss, loss_next = (y.item() - wanted) ** 2 / 2, (y_next.item() - wanted) ** 2 / 2
print(f"attention {cache_next.s[0].round(3)}, output {y_next.item():.3f}, loss {loss_next:.4f}")

da_next, _ = attention.attend_backward(y_next - wanted, cache_next)
states = [(s[0], y.item(), da[0]), (cache_next.s[0], y_next.item(), da_next[0])]
run.figure(draw.by_hand(states, v[:, 0], wanted, eta), "by_hand",
           "Three keys as bars, as wide as their attention and as high as their values, before "
           "a step of descent and after it; shaded, what pulls each score.")
run.page(draw.page(), "drag_it")
run.claim("one step lowers the loss, by less than the straight line says",
          loss - 0.2 < loss_next < loss)

# %% [markdown]
# L is 0.3163: it fell by 0.184 and not by 0.2. It is no straight line. The output rose
# by 0.205, where its own straight line says 0.2. On the way dy went from −1 to −0.795.
# Its mean is −0.8975:
#
#     0.205 · (−0.8975) = −0.184
#
# The nearer the output comes to 5, the less the rest of the step earns. A shorter
# step falls short by less: lesson 04 begins there.
#
# Score 2 did not move, and yet weight 2 rose, from 0.25 to 0.255: the sum of the e^a
# fell, from 4 to 3.915.
#
# In the figure a rectangle is shaded between each bar's top and the line y. Its width
# is s_i and its height v_i − y. So its area, counted negative below the line, times dy
# is da_i. On the left the areas are −1, 0 and 1, and da is 1, 0 and −1. Areas above and
# below the line are equal, since sand that is levelled only moves.
#
# On the page, drag the three scores, the values, and what is wanted.

# %%
run.compare([
    ("attention s", "1/2, 1/4, 1/4", ", ".join(f"{one:g}" for one in s[0])),
    ("output y", 4, y.item()),
    ("score gradient da", "1, 0, -1", ", ".join(f"{one:g}" for one in da[0])),
    ("loss after one step (straight line)", 0.3, loss_next),
], before="on paper")
run.finish({"eta": eta}, da=da, loss_next=loss_next)

# %% [markdown]
# **What was asked.** Which scores should rise? Those of keys whose value lies on the
# wanted side of the average. How fast? By s_i times what is still wanted of the output
# times the value's distance from it:
#
#     pull on score i = −da_i = s_i (5 − y) (v_i − y)
#
# **Why.** It follows from the equations, one line each: the quotient rule gives what a
# score does to all weights, the values weigh that, and the sum that remains is y.
#
# **What surprises in the picture.** Key 2 has as much attention as key 3, and a value
# nearer to the wanted 5. Yet it is not pulled at all: its top lies on the line. What
# counts is the distance to the average, and not to what is wanted. After one step the
# average has risen above 4, and key 2 is pulled down too.

# %% [markdown]
# ## Exercises
#
# 1. (3 minutes, easy) Keep the scores and the target, and make the third value 6. Which
#    score rises most?
# 2. (5 minutes, medium) Show that the entries of da sum to 0, whatever s, v and dy are.
#    Why must they?
# 3. (5 minutes, hard) All values are equal. What is da? What does it say about a head
#    whose values are all 0 at the start?

# %% [markdown]
# ## Answers
#
# 1. y = 1/2 · 2 + 1/4 · 4 + 1/4 · 6 = 3.5, so dy = −1.5 and v − y = (−1.5, 0.5, 2.5).
#    Then da = (1.125, −0.1875, −0.9375): the third rises most. The second rises now
#    too, as 4 lies above the new average.
# 2. Σ_i s_i (v_i − y) is Σ_i s_i v_i less y Σ_i s_i, which is y less y: 0. Adding one
#    number to all scores multiplies every e^a alike, so softmax stays as it is, and the
#    loss cannot change that way. That change is the sum of da.
# 3. v_i = y for every key, so da = 0. Its attention has nothing to gain, and no score
#    moves. Such a head learns what to write before it learns where to look. Lesson 03
#    begins there.
