# %% [markdown]
# # Focus and dilution
#
# One vector serves each token in three ways, so what one use learns moves the others.
#
# **Question.** In one head, attention focuses, spreads out and focuses again, and the
# loss falls in steps. What drives each stage?
#
# **You see** three stages with two tokens and six numbers, by hand; four stages with
# four tokens, each with the equation that moves it; and each stage tested, by keeping
# still what is said to drive it. **Takes** 75 minutes to read, 30 seconds to run.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads only slow down matrices so small

import numpy as np

import lesson
from drawings import focus_and_dilution as draw
from tinyattn import measure, ode, ops
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.flows.frozen_copy import USES, FrozenCopy
from tinyattn.flows.stages import find_stages
from tinyattn.hold import hold

run = lesson.start("14_focus_and_dilution")

# %% [markdown]
# ## 1. A head that reads a long text
#
# There are two tokens, 0 and 1. Token 0 is frequent: it stands at 80 of 100 places.
# Token 1 is rare: it stands at the other 20. These *frequencies* are called π:
#
#     π = (0.8, 0.2)
#
# What comes next? With probability ρ = ½ the last token comes again. Otherwise a fresh
# token is drawn, with the frequencies π. Put the probabilities into a table P: the last
# token down, the next token across.
#
#                    next is 0                    next is 1
#     last is 0      ½ + ½ · 0.8 = 0.9            ½ · 0.2 = 0.1
#     last is 1      ½ · 0.8 = 0.4                ½ + ½ · 0.2 = 0.6
#
# In letters, where the second bracket is 1 if j is i and 0 if not:
#
#     P_ij = (1 − ρ) π_j + ρ (j is i)
#
# A head reads a long text and has to foretell the token after the last. Each token has
# one vector, its *embedding*, x_0 for token 0 and x_1 for token 1. In lesson 02 a layer
# makes a query, a key and a value of each input row. Here the input row is the
# embedding, and the value is the embedding itself. So this one vector has three uses:
#
#                     the embedding of a token
#               /                |                \
#          as query            as key            as value
#       what the last       how a token        what a token
#      token looks for      is found           says when read
#               \               /                  |
#                  scores Φ (Phi)                  |
#                       |                          |
#                   attention  ------------->   output y: the average
#                                                  |
#                                               readout: logits of the next token
#
# The last token is the query. The head does not know places, only tokens: wherever
# token 1 stands in the text, it has the same key, and so the same score. Let token i be
# the last one, and Φ_ik the score that it gives to token k. Softmax takes e to the
# power of the score for every place. In 100 places token k stands 100 π_k times. So
#
#     A_ik = π_k e^Φ_ik / Σ_l π_l e^Φ_il
#
# A_ik is the attention that the last token i has for all places of token k together.
#
# An example. Let token 1 get the score ln 2 and token 0 the score 0:
#
#     token      π e^Φ                 attention
#     0          0.8 · 1 = 0.8         0.8 / 1.2 = 2/3
#     1          0.2 · 2 = 0.4         0.4 / 1.2 = 1/3
#
# With all scores 0 attention is π: the head looks at tokens *as they come*.
#
# The *readout* makes logits of the output (lesson 03): of the next token. The loss is
# the cross-entropy: minus the logarithm of what the head gives the token that comes, in
# the mean over all last tokens i, weighted by π_i, and all next tokens j, by P_ij.
#
# ## 2. Two tokens, one number each: condensation
#
# Let every vector have just one number. Then there are six numbers in all:
#
#     x_0, x_1        the embeddings
#     b_0, b_1        the readout: output y gives token j the logit y b_j
#     W_Q, W_K        what makes a query and a key of an embedding
#
# The query of token i is x_i W_Q, the key of token k is x_k W_K. Their product is the
# score. Only the product of W_Q and W_K counts; we call it φ (small phi):
#
#     φ = W_Q W_K            Φ_ik = φ x_i x_k
#     y_i = Σ_k A_ik x_k     logits y_i b_j        p_ij = softmax of these over j
#
# All six numbers start small, at 0.01. Then all scores are nearly 0, since a score is a
# product of four small numbers. So attention is as tokens come, and the output is the
# same whatever the last token is:
#
#     y = 0.8 x_0 + 0.2 x_1
#
# Its logits are nearly 0 too, so p is (½, ½), and the loss is ln 2 = 0.693.
#
# *Which way are they pulled?* Lesson 03: the pull on the logits is what came less what
# was given. Take all last tokens together, each as often as it is the last. Then token
# 0 comes 0.8 of the time, which are its frequencies again:
#
#     0.8 · 0.9 + 0.2 · 0.4 = 0.72 + 0.08 = 0.80
#
# What was given is ½. So
#
#     pull on the logit of token 0:   0.8 − ½ =  0.3
#     pull on the logit of token 1:   0.2 − ½ = −0.3
#
# The logit of token j is y b_j = 0.8 x_0 b_j + 0.2 x_1 b_j. We say that token k *says*
# x_k b_j of token j. It is heard with the weight π_k. So what token k says of token j
# is pulled by π_k times the pull on that logit, π_k (π_j − ½). Call the table of these
# pulls U:
#
#                        of token 0             of token 1
#     token 0 says       0.8 · 0.3 = 0.24       0.8 · (−0.3) = −0.24
#     token 1 says       0.2 · 0.3 = 0.06       0.2 · (−0.3) = −0.06
#
# Each row is a multiple of (0.3, −0.3), each column a multiple of π. So the table is a
# column times a row:
#
#     U = πᵀ (π − ½)
#
# Token k says x_k b_j, a product. Raise x_k by a little, and x_k b_j rises by b_j times
# that. So the pull on x_k is row k of U, each cell times its b_j; and that on b_j is
# column j of U, each cell times its x_k:
#
#     dx_0/dt = 0.24 b_0 − 0.24 b_1 = 0.8 (0.3 b_0 − 0.3 b_1)
#     dx_1/dt = 0.06 b_0 − 0.06 b_1 = 0.2 (0.3 b_0 − 0.3 b_1)
#     db_0/dt = 0.24 x_0 + 0.06 x_1 =  0.3 (0.8 x_0 + 0.2 x_1)
#     db_1/dt = −0.24 x_0 − 0.06 x_1 = −0.3 (0.8 x_0 + 0.2 x_1)
#
# *x_0 grows four times as fast as x_1: embeddings grow in proportion to π.* Both
# brackets are numbers. The second is y. Call the first w (as in lesson 06 it says how
# far the readout has grown), and see how the two move:
#
#     dy/dt = 0.8 dx_0/dt + 0.2 dx_1/dt = (0.8² + 0.2²) w = 0.68 w
#     dw/dt = 0.3 db_0/dt − 0.3 db_1/dt = (0.3² + 0.3²) y = 0.18 y
#
# Each is pushed by the other, as u and v in lesson 04. Try w = 0.5145 y, and both grow
# at one rate:
#
#     dy/dt = 0.68 · 0.5145 y = 0.350 y
#     dw/dt = 0.18 y = (0.18 / 0.5145) w = 0.350 w
#
# At the start y is 0.01 and w is 0. As in lesson 04, half of y then grows so, with its
# w, and the other half shrinks. The 0.5145 is √(0.18/0.68), which makes the two rates
# equal. So the growth rate is
#
#     λ = 0.68 · √(0.18/0.68) = √(0.68 · 0.18) = 0.350
#
# So all numbers at 0 is a saddle, and 0.350 is its rate. The length |π| of a list of
# numbers is the root of the sum of its squares. So 0.68 is |π|², and 0.18 is |π − ½|²:
#
#     λ = |π| |π − ½|
#
# *Where does it stop?* As the logits grow, p is no longer ½, and U = πᵀ (π − p). Its
# columns are still multiples of π. So x goes on growing in proportion to π, until p is
# π: then there is no pull any more. Three things are known of that place. (What the
# start has left, 0.01 or so, is left out.) First, x_0 = 4 x_1. So
#
#     y = 0.8 · 4 x_1 + 0.2 x_1 = 3.4 x_1        |x| = √(16 + 1) x_1 = 4.123 x_1
#
# Second, b_1 = −b_0, as they are pulled oppositely. So |b| = √2 b_0. Third, x is as
# long as b. For d(|x|²)/dt is twice the sum of all x_k U_kj b_j, and so is d(|b|²)/dt:
# the difference does not change, as u² − v² in lesson 04, and it was 0. So
#
#     √2 b_0 = 4.123 x_1        b_0 = 2.915 x_1
#
# The logits are y b_0 and −y b_0. For p = (0.8, 0.2) they must be 0.693 and −0.693,
# since e^0.693 = 2 and e^−0.693 = ½, and p = (2/2.5, 0.5/2.5):
#
#     y b_0 = 3.4 x_1 · 2.915 x_1 = 9.912 x_1² = 0.693
#     x_1 = √0.0699 = 0.264
#     x = (1.058, 0.264)      b = (0.771, −0.771)      y = 0.899
#
# This is the *condensed* state, and the way to it is **condensation**: all embeddings
# on one line, in proportion to π, and the head foretells π whatever it has read.
#
# **Predict.** The loss starts at 0.693. Where does it rest now?

# %%
two = FocusDilution(np.array([0.8, 0.2]), 0.5, 1)  # frequencies, ρ, numbers in a vector
precise = dict(method="rk45", rtol=1e-9, atol=1e-12)
moments = np.array([0, 10, 20, 40, 200, 300, 340, 348, 360, 380, 1000.0])
walk = ode.integrate(two, (0, 1000), np.full(6, 0.01), t_eval=moments, **precise).y


def show(rows):
    """A line for each of these moments."""
    print("   t    x_0    x_1    b_0       φ    A_00   A_10    loss")
    for t, y, A in zip(moments[rows], walk[rows], two.attention(walk[rows])):
        x_0, x_1, b_0, _, W_Q, W_K = y
        print(f"{t:4.0f} {x_0:6.3f} {x_1:6.3f} {b_0:6.3f} {W_Q * W_K:7.4f} "
              f"{A[0, 0]:7.4f} {A[1, 0]:6.4f} {two.loss(y):7.4f}")


show(slice(0, 5))
print(f"rate at 0: {two.origin_rate:.4f}; entropy of π: {-(two.pi * np.log(two.pi)).sum():.4f}")

# %% [markdown]
# At 0.5004. That is the mean of −ln p: −0.8 ln 0.8 − 0.2 ln 0.2, the *entropy* of π.
# And x and b are those above to a hundredth, which is what the start has left. φ has
# grown from 0.0001 only to 0.00016 at t = 40, which is printed as 0.0002: attention had
# no part in this.
#
# ## 3. Focus
#
# At t = 40 all seems done, and all seems still. The head gives p = π after either
# token, but after token 0 token 0 comes with 0.9, and after token 1 with 0.4. Now
# attention can do something, since there are different values to look at, 1.058 and
# 0.264.
#
# *What does each last token want?* One number, y_i, says all. The larger it is, the
# louder the head says "token 0 comes". The pull on y_i is the pull on the logits,
# weighed by b, and by π_i, how often token i is the last:
#
#     −dy_0 = 0.8 ((0.9 − 0.8) · 0.771 + (0.1 − 0.2) · (−0.771))
#           = 0.8 · 0.1542 = 0.1234
#     −dy_1 = 0.2 ((0.4 − 0.8) · 0.771 + (0.6 − 0.2) · (−0.771))
#           = 0.2 · (−0.6168) = −0.1234
#
# After token 0 the head should say it louder, after token 1 softer.
#
# *How can attention do that?* By the line of lesson 01. The pull on a score is the
# attention there, times the pull on y, times how far that value lies above the average:
#
#     −dΦ_ik = A_ik (−dy_i) (x_k − y_i)
#
# Token 0 says it louder by looking more at token 0, whose value 1.058 is above 0.899.
# Token 1 says it softer by looking less at token 0. So the two want opposite things.
#
# *But scores are not free.* They are φ x_i x_k, with one φ for both. If φ rises, score
# Φ_ik rises by x_i x_k of that. So the pull on φ is a sum of votes, one of each last
# token:
#
#     −dφ = Σ_i Σ_k (−dΦ_ik) x_i x_k = Σ_i (−dy_i) x_i · Σ_k A_ik (x_k − y_i) x_k
#
# The inner sum is the *variance* of what token i reads: how far the values lie from
# their average, squared, in the mean. (For Σ_k A_ik (x_k − y_i) y_i is 0.) With A = π
# it is the same for both:
#
#     variance = 0.8 (1.058 − 0.899)² + 0.2 (0.264 − 0.899)² = 0.0202 + 0.0806 = 0.1008
#
#     token 0 votes    0.1234 · 1.058 · 0.1008    =  0.01316
#     token 1 votes   −0.1234 · 0.264 · 0.1008    = −0.00328
#     together                                       0.00988
#
# Both pull equally hard on their output. But a vote is weighed by x_i, since it is
# token i's query that is multiplied, and token 0's is four times as long. *The frequent
# token wins the vote, and gets what it wants.*
#
# Call this sum λ. As φ = W_Q W_K is a product, W_Q is pulled by λ times W_K:
#
#     dW_Q/dt = λ W_K        dW_K/dt = λ W_Q
#
# Lesson 04 again: the condensed state is a second saddle. W_Q + W_K grows at the rate
# λ, and W_Q − W_K shrinks. So φ, their product, becomes positive and grows at 2 λ.
# Nothing else moves at first, since x and b are at rest there. This is **focus**.
#
# *Who turns?* Token 0's score of itself is φ · 1.058 · 1.058 = 1.119 φ, of token 1
# 0.279 φ. Token 1's scores are 0.279 φ and 0.070 φ. Between the two scores of token 0
# lie 0.840 φ, between those of token 1 0.209 φ. So token 0 turns to token 0 four times
# as much as token 1 does, and token 1 has voted against it.

# %%
def vote(flow, x, b, A):
    """The votes of all last tokens on φ, and their sum λ."""
    y = A @ x
    p, _ = ops.softmax_forward(y[:, None] * b)  # of each row
    pull = flow.pi * ((flow.P - p) @ b)
    variance = (A * (x - y[:, None]) ** 2).sum(axis=1)
    votes = pull * x * variance
    return votes, votes.sum()


as_come = np.array([[0.8, 0.2], [0.8, 0.2]])
votes, rate = vote(two, np.array([1.058, 0.264]), np.array([0.771, -0.771]), as_come)
print("votes", votes.round(5), "together", rate.round(5))

condensed = two.condensed_point()  # the state of section 2 with all its digits, W_Q = W_K = 0
condensed[4:] = 0.01  # now W_Q and W_K are 0.01
speed = two(0.0, condensed)
print("dW_Q/dt over W_K:", (speed[4] / condensed[5]).round(5))

# %% [markdown]
# By hand the sum was 0.00988, with three digits; the code rounds less, 0.00987. The
# whole flow, at the exact condensed state, gives 0.00985. So W_Q takes 1/0.00985 = 102
# units of time to grow by a factor of e. The wait will be long.
#
# ## 4. Dilution
#
# Now φ grows. What does it do to the embeddings? They were at rest. Each of their three
# uses now pushes them. By hand, at the condensed state with a small φ.
#
# *As query.* x_i makes the scores φ x_i x_k. It is pulled like φ, but by its own vote
# alone:
#
#     φ (−dy_i) · variance
#     on x_0:    φ · 0.1234 · 0.1008 =  0.01244 φ
#     on x_1:   −φ · 0.1234 · 0.1008 = −0.01244 φ
#
# Token 1 wants to look less at token 0. Its scores are in proportion to x_1. So x_1 is
# pushed down.
#
# *As key.* x_k is in the scores of both queries, φ x_i x_k:
#
#     φ Σ_i (−dΦ_ik) x_i = φ π_k (x_k − y) Σ_i (−dy_i) x_i
#
#     Σ_i (−dy_i) x_i = 0.1234 · 1.058 − 0.1234 · 0.264 = 0.0980
#     on x_0:   φ · 0.8 · 0.159 · 0.0980    =  0.0125 φ
#     on x_1:   φ · 0.2 · (−0.635) · 0.0980 = −0.0124 φ
#
# *As value.* x_k is pulled by those who read it, each by its attention:
#
#     Σ_i A_ik (−dy_i)
#
# While A is π this is π_k (0.1234 − 0.1234) = 0. But φ has changed attention. By lesson
# 01 it rises by its own size, times how far its score lies above the average score. The
# score is φ x_i x_k, the average score φ x_i y:
#
#     A_ik = π_k + π_k φ x_i (x_k − y)
#     A_00 = 0.8 + 0.8 φ · 1.058 · 0.159 = 0.8 + 0.1346 φ
#     A_10 = 0.8 + 0.8 φ · 0.264 · 0.159 = 0.8 + 0.0336 φ
#     on x_0:   0.1234 (A_00 − A_10) = 0.1234 · 0.1010 φ = 0.0125 φ
#     on x_1:   the opposite, as A_01 = 1 − A_00:         −0.0125 φ
#
# *A pull that keeps the ratio.* The outputs have moved a little too, and so −dy_0 and
# −dy_1 have changed. We work it out since a run counts it with the value's pull
# (section 7). If −dy_0 changes by c_0, −dy_1 by c_1, and A_ik is π_k, then the pull on
# x_k as value changes by
#
#     Σ_i A_ik c_i = π_k (c_0 + c_1)
#
# One number, times π_k. And x is in proportion to π. So it shrinks x_0 and x_1 alike,
# and *keeps their ratio*: it is condensation's own pull, back to where p is π.
#
# How large is it? First, the output:
#
#     y_i = Σ_k A_ik x_k   rises by   Σ_k π_k φ x_i (x_k − y) x_k = φ x_i · variance
#
# The logits of tokens 0 and 1, 0.771 y_i and −0.771 y_i, are 1.542 y_i apart. By
# softmax's line (lesson 01) p_i0 rises by p_i0 p_i1 times what their distance gains:
#
#     p_i0   rises by   0.8 · 0.2 · 1.542 · (rise of y_i)
#
# And p_i1 falls by as much. In −dy_i both terms then fall by 0.771 times that:
#
#     −dy_i = π_i ((P_i0 − p_i0) · 0.771 + (P_i1 − p_i1) · (−0.771))
#     −dy_i   falls by   π_i · 1.542 · (rise of p_i0) = π_i · 0.380 · (rise of y_i)
#
# as 1.542 · 0.8 · 0.2 · 1.542 = 0.380. In numbers:
#
#     y_0 has risen by   φ · 1.058 · 0.1008 = 0.1066 φ
#     y_1 has risen by   φ · 0.264 · 0.1008 = 0.0266 φ
#     −dy_0 has fallen by   0.8 · 0.380 · 0.1066 φ = 0.0324 φ
#     −dy_1 has fallen by   0.2 · 0.380 · 0.0266 φ = 0.0020 φ
#     on x_0:   −0.8 (0.0324 + 0.0020) φ = −0.0275 φ
#     on x_1:   −0.2 (0.0324 + 0.0020) φ = −0.0069 φ
#
# That is not small, and the one is four times the other, as x_0 is of x_1.
#
# *Three equal pushes.* Without it each use raises x_0 and lowers x_1 by the same
# amount, 0.0124 φ with all digits. Is that chance? With two tokens
#
#     x_0 − y = 0.2 (x_0 − x_1)         x_1 − y = −0.8 (x_0 − x_1)
#     variance = 0.8 · 0.2 (x_0 − x_1)²       −dy_1 = dy_0
#
# so the three pushes on x_0 are
#
#     as query   φ (−dy_0) · variance
#     as key     φ · 0.8 · 0.2 (x_0 − x_1) · (−dy_0) (x_0 − x_1) = φ (−dy_0) · variance
#     as value   (−dy_0) · 0.8 φ · 0.2 (x_0 − x_1) · (x_0 − x_1) = φ (−dy_0) · variance
#
# So of what changes the ratio of x_0 to x_1, the value's part is a third. This is
# *derived*, for two tokens while φ is small. Rare tokens that are exactly alike have
# one x and one −dy, and the lines stay true with all of them together in the place of
# token 1: of each push each of n such tokens has 1/n. For rare tokens that differ it is
# not a third; for four tokens as in section 5 it is between 0.26 and 0.36
# ([PAPERS.md](PAPERS.md), *the value's share*). Key and value still push equally.
#
# *And then?* x_1 falls, from 0.264, faster and faster as φ grows. Does it stop when it
# is 0? In the run below x_1 passes through 0 near t = 348. At t = 348 the pushes on it
# as query, key and value, the last with condensation's pull, are −4.0, −3.3 and −4.9
# thousandths. So it goes on. Then x_1 is negative. In token 1's scores key 0 stood
# above key 1 by φ x_1 (x_0 − x_1). Now this is negative: it looks at token 0 *less*
# than tokens come. That is **dilution**: attention that had turned to the frequent
# token spreads out over the others.
#
# **Predict.** Where do x_1 and A_10, token 1's attention on token 0, end? And the loss?

# %%
show(slice(4, None))
print(f"least possible loss, the chain's entropy rate: {two.entropy_rate:.4f}")

end_x, end_b = walk[-1][:2], walk[-1][2:4]
outputs = two.attention(walk[-1]) @ end_x
given, _ = ops.softmax_forward(outputs[:, None] * end_b)
print("after 0 and after 1 the head gives token 0", given[:, 0].round(4))

# %% [markdown]
# x_1 passes through 0 at t = 348 and ends at −0.99. A_10 falls from 0.80 to 0.30, while
# token 0 looks at itself with 0.99. So token 1 avoids what it had hardly begun to seek.
# The loss ends at 0.3947, the entropy rate (lesson 03): after token 0 the head gives
# 0.9 to token 0, after token 1 it gives 0.4. All is learnt.
#
# And focus and dilution overlap here. At t = 340 x_1 has lost three quarters of its
# 0.264, while A_00 is still 0.82.
#
# ## 5. Four tokens, sixteen numbers each
#
# Now four tokens, as in the paper (*Focus and Dilution*, arXiv 2605.01199):
#
#     π = (0.75, 0.19, 0.05, 0.01)        ρ = ½
#
#                    next is  0      1      2      3
#     last is 0             0.875  0.095  0.025  0.005
#     last is 1             0.375  0.595  0.025  0.005
#     last is 2             0.375  0.095  0.525  0.005
#     last is 3             0.375  0.095  0.025  0.505
#
# An embedding has 16 numbers. W0 has a row for each token, W1 a column for each: what
# token k says of token j is cell k, j of W0 W1. W_Q and W_K are 16 by 16. That is 640
# numbers, drawn at random with standard deviation 1e-3:
#
#     Φ = W0 W_Q W_Kᵀ W0ᵀ        logits A W0 W1
#
# What do 16 numbers change? By section 2 each of the 16 columns of W0 grows in
# proportion to π, all at one rate. So the rows of W0 become multiples of one row ξ
# (xi). Let ξ have the length 1. Then
#
#     row of token k = x_k ξ
#
# One number for each token, again. `np.linalg.svd` finds ξ, and how much of W0 lies
# along it. The *singular values* of W0 are its lengths along a first direction, along a
# second one at right angles to it, and so on, the longest first. If the rows of W0 are
# x_k ξ and nothing else, the first singular value is |x|, and the others are 0.
#
# The query of token i is x_i times the row ξ W_Q, the key of token k is x_k times the
# row ξ W_K. Both are rows of 16 numbers, and φ is now their product, the sum of 16
# products, ξ W_Q W_Kᵀ ξᵀ. (And b_j is now ξ times column j of W1, so that the logit of
# j is y b_j again.)
#
# What moves are the 256 numbers of W_Q. The one in row m and column n is in φ with ξ_m
# times number n of ξ W_K. So with λ, the sum of the votes,
#
#     dW_Q/dt = λ ξᵀ (ξ W_K)
#
# a table, column times row. The row ξ W_Q moves by ξ times that. ξ has the length 1, so
# ξ ξᵀ is 1:
#
#     d(ξ W_Q)/dt = λ ξ ξᵀ (ξ W_K) = λ (ξ W_K)
#
# So each of its 16 numbers is pulled by λ times its partner in the other row, as W_Q
# and W_K in section 3. The sum of the two rows grows at the rate λ.
#
# *Condensation.* |π| is 0.775 and |π − ¼| is 0.593. The first rate is
#
#     λ = 0.775 · 0.593 = 0.460
#
# *The condensed state.* The logits y b_j must give π, so they are ln π_j plus some
# number. The b_j sum to 0, since the pulls on all logits sum to 0. So y b is ln π less
# its mean:
#
#     y b = (2.100, 0.727, −0.608, −2.218)           its length is 3.198
#
# As x is in proportion to π, the average y is |π| |x|. And |b| = |x| as before. So
#
#     0.775 |x| · |x| = 3.198        |x| = 2.031        y = 1.575
#
# *Focus.* In −dy_i stands P_ij − π_j, what is not given yet. By section 1 it is ρ times
# 1 − π_j if j is i, and ρ times −π_j if not. Weighed by b_j and summed it is ρ (b_i −
# the average of b), so
#
#     −dy_i = π_i ρ (b_i − 1.054)        as Σ_j π_j b_j = 1.054
#
# The variance of x is 0.4625. The votes:
#
#     token      x        b       −dy       vote: −dy · x · variance
#     0        1.964    1.333    0.1046      0.0951
#     1        0.498    0.461   −0.0563     −0.0130
#     2        0.131   −0.386   −0.0360     −0.0022
#     3        0.026   −1.408   −0.0123     −0.0001
#                                        λ = 0.0798
#
# Again token 0 alone votes for focus, and wins.
#
# There will be a fourth stage. One definition of each end, for all that follows:
#
#     1  condensation   from 0, until W0 is 1 long in its first direction
#     2  focus          then, until token 0 gives itself 0.9 of its attention
#     3  dilution       then, until the attention of tokens 1, 2, 3 is spread most
#     4  renewal        then, until W0 is 0.5 long in its second direction
#
# How far attention is spread we measure by its entropy, −Σ_k A_ik ln A_ik: 0 if all of
# it is on one token, ln 4 = 1.386 if it is equal on all four, 0.727 if it is as tokens
# come. At the end of dilution the mean over tokens 1, 2 and 3 is largest.
#
# In the code `find_stages` of the library follows the flow and notes when each mark is
# passed; `flow.split` takes a state apart into W0, W1, W_Q and W_K; `flow.attention` is
# the table A.
#
# **Predict.** Which tokens have turned to token 0 when focus ends?

# %%
END = 700.0 if run.quick else 1000.0
pi = np.array([0.75, 0.19, 0.05, 0.01])
flow = FocusDilution(pi, 0.5, 16)
start = flow.start(run.rng, 1e-3)
rough = dict(method="rk45", rtol=1e-6 if run.quick else 1e-7, atol=1e-9)
times = np.unique([*np.arange(0.5, 300, 0.5), *np.geomspace(300, END, 120), 600, 0.95 * END])
at = lambda t: int(np.abs(times - t).argmin())  # the index of a moment


def first_direction(y):
    """ξ; the tokens' numbers x along it, token 0's counted positive; W0's singular values."""
    W0 = flow.split(y)[0]
    _, lengths, directions = np.linalg.svd(W0, full_matrices=False)
    xi = directions[..., 0, :]
    x = (W0 @ xi[..., None])[..., 0]
    sign = np.sign(x[..., :1])
    return sign * xi, sign * x, lengths


def follow(eps):
    """The path from a start of this size, and when each of the four stages ends."""
    found = find_stages(flow, start * (eps / 1e-3), END, t_eval=times, **rough)
    spread = measure.entropy(np.log(flow.attention(found.path.y)))  # it takes logarithms
    rare = spread[:, 1:].mean(axis=1)
    rare[(times < found.focus_t) | (times > found.renewal_t)] = 0  # look only in between
    spread_most = float(times[rare.argmax()])
    return found, [found.condensed_t, found.focus_t, spread_most, found.renewal_t]


stages, ends = follow(1e-3)
states = stages.path.y
A, losses = flow.attention(states), flow.loss(states)
spread = measure.entropy(np.log(A))
_, x, lengths = first_direction(states)
print("condensation, focus, dilution, renewal end at", np.round(ends, 1))
for name, t in zip(("condensation", "focus", "dilution", "renewal"), ends):
    i = at(t)
    print(f"end of {name}: loss {losses[i]:.4f}, attention on token 0 "
          f"{A[i, :, 0].round(3)}, spread {spread[i].round(2)}")
print(f"token 1's embedding passes through 0 at {stages.turned_t:.1f}")
# known for seed 0 from SciPy's integrator LSODA; the third to half a unit of time
known = np.array([14.009, 86.217, 140.5, 297.36])
near = bool(np.abs(ends / known - 1).max() < (0.01 if run.quick else 4e-3))
run.claim("the four stages end in this order; with seed 0 at 14.0, 86.2, 140.5 and 297",
          bool(np.all(np.diff(ends) > 0)) and (near or run.options.seed > 0))

# %% [markdown]
# Token 0 alone. When focus ends it gives itself 0.9, by definition (0.898 at the
# nearest of `times`). Token 1 gives token 0 0.773, tokens 2 and 3 give it 0.753 and
# 0.750, and as tokens come it would be 0.75. By the end of dilution these three have
# fallen to 0.487, 0.264 and 0.272: they avoid token 0. Token 0 then looks at itself
# alone.
#
# Token 1's embedding passes through 0 at 94.5, inside the third stage. (With two tokens
# x_1 did so before A_00 was 0.9.) All its scores are 0 at that moment, and its
# attention is as tokens come.
#
# The ends are marks on the way, and not places of rest: when condensation ends, the
# loss is 1.01 and still falling. With seeds 1 and 2 the times are up to 8% earlier, in
# the same order.
#
# Here is all of it.

# %%
moments = [40, ends[1], ends[2], 600, 0.95 * END]
references = {"all tokens alike: ln 4": np.log(4),
              "frequencies known: entropy of π": float(-(pi @ np.log(pi))),
              "all known: entropy rate": flow.entropy_rate}
figure = draw.stages(times, A, moments, [0.5, *ends, END], losses, references, x, lengths[:, 1],
                     stages.turned_t, spread)
run.figure(figure, "stages",
           "Attention of four tokens at five moments, then loss, embeddings and spread of "
           "attention over time, in four stages and a next cycle.")
run.page(draw.page(flow, {1e-2: follow(1e-2), 1e-3: (stages, ends), 1e-4: follow(1e-4)}), "player")

# %% [markdown]
# *Maps.* A row is a last token, a column where it looks. At t = 40 all look as tokens
# come. At the end of focus only the first row has changed by more than 0.03. At the end
# of dilution the first row is all on token 0, and the other rows have left it. (Framed
# are the cells that surprise, here and at the end; the last text cell names them.)
#
# *Loss.* It rests at ln 4 = 1.386, at 0.727 (the entropy of π) and near 0.634, and
# falls between. The last dashed line, 0.554, is the least there is.
#
# *Embeddings*, along the first direction of W0. All rise together in condensation and
# on to t = 50, in proportion to π. Then token 0's rises further, and the three others
# fall through 0, token 3 first and token 1, the dot, last. The black dashed line is how
# long W0 is in a second direction. It rises in the fourth stage, from 0.01, and at t =
# 1000 it is 2.4, more than token 0's number.
#
# *Spread.* Token 0's falls to 0. Token 1's dips from 0.73 to 0.68, which is all the
# focus it had, and then rises.
#
# On the page, drag through the times, from starts of three sizes. The last two maps,
# and what all curves do from t = 297 on, belong to section 9.
#
# ## 6. Condensation and focus, tested
#
# What moves each stage? *Hold* it still (lesson 03: kept still, while all else goes
# on).
#
# Condensation was derived with scores of 0. **Predict** what becomes of it, and of the
# loss afterwards, if W_Q and W_K stay at their start. And if W0, or W1, stays at its
# start?
#
# Focus was derived with embeddings at rest. At t = 51 they nearly are (W0 is 1.97 long,
# for 2.03), and token 0 still gives itself 0.751. **Predict.** From then on W0 and W1
# stay as they are. Does focus come: sooner, later, never?

# %%
def still(*names):
    """A mask for `hold`: True at all numbers of these matrices."""
    marks = np.zeros(flow.size)
    matrices = dict(zip(("W0", "W1", "W_Q", "W_K"), flow.split(marks)))
    for name in names:
        matrices[name][:] = 1  # the four are views: writing into them writes into marks
    return marks > 0


long_first = lambda t, y: float(flow.singular_values(y)[0]) - 1  # 0 at the end of condensation
focused = lambda t, y: float(flow.attention(y)[0, 0]) - 0.9  # 0 at the end of focus


def kept_still(names, begin, end, mark):
    """From the free run's state at `begin`: when mark is 0, and the state at the end."""
    first = states[at(begin)] if begin > 0 else start
    walk = ode.integrate(hold(flow, still(*names)), (begin, end), first, t_eval=[end], events=mark,
                         **rough)
    return float(walk.first_times[0]), walk.y[-1]


condensed_at = {}
for names in (("W_Q", "W_K"), ("W0",), ("W1",)):
    condensed_at[names], last = kept_still(names, 0, 300, long_first)
    print(f"{' and '.join(names)} still from 0: condensation ends at {condensed_at[names]:.2f}; "
          f"loss at t = 300: {flow.loss(last):.4f}")
focus_at = {}
for names in (("W0", "W1"), ("W0",), ("W1",), ("W_Q", "W_K")):
    focus_at[names], last = kept_still(names, 51, 300, focused)
    print(f"{' and '.join(names)} still from 51: focus ends at {focus_at[names]:.1f}; at t = 300 "
          f"attention on token 0: {flow.attention(last)[:, 0].round(3)}")
print(f"free: condensation ends at {ends[0]:.2f}, focus at {ends[1]:.1f}")
attention_still, embeddings_still = ("W_Q", "W_K"), ("W0", "W1")
run.claim("W_Q, W_K still: condensation as in the free run, no focus; W0, W1 still: focus comes",
          abs(condensed_at[attention_still] / ends[0] - 1) < 1e-3
          and np.isnan(focus_at[attention_still]) and focus_at[embeddings_still] < 200)

# %% [markdown]
# *Condensation.* With W_Q and W_K still it ends at 14.01, as in the free run. So
# attention has no part in it. But focus never comes, and the loss stays at 0.7271, the
# entropy of π. With W0 still the mark of condensation, the length of W0, cannot be
# passed ("nan"); with W1 still it is not. But the loss tells: at t = 300 it is 1.3854
# or 1.3852, as at the start. It takes both, x and b. *Held.*
#
# *Focus.* With W0 and W1 still it comes, at 101.9 and not at 86.2. So attention alone
# can do it. With W_Q and W_K still it never comes. *Held*: the second saddle is left by
# W_Q and W_K.
#
# It comes later than in the free run, and it stops at 0.940. There the sum of the
# votes, λ, is 0: token 0 has nearly what it wants, with a vote of 0.0125, and the
# others, which turned to it against theirs, vote −0.0125. So the embeddings help. With
# W0 alone still, focus ends at 95.4, with W1 alone still at 89.3: *held*. By section 4
# x_0 rises, which makes token 0's vote larger, and x_1 falls, which makes token 1's
# vote against it smaller. That this is how they help is a *guess*.
#
# And while W0 and W1 are still, token 1 does turn to token 0, up to 0.820, against its
# own vote. With W0 alone still it is 0.850, and with W1 alone still it dilutes as in
# the free run. So that token 1 does not turn is the doing of W0. *Held*: all of W0, in
# its three uses; section 7 tells them apart.
#
# ## 7. Which use dilutes?
#
# Dilution was worked by hand: token 1's query turns round. But x_1 falls by three
# pushes, as query, as key and as value. One might think that the value is the cause:
# "what token 0 says is wrong after token 1, so token 1's embedding is pushed away from
# it; and that the same vector is the query is an accident".
#
# Let us test it. We keep a copy of all four embeddings as they are at t = 80. In one
# run the copy serves as value, in the second as key, in the third as query. (In one
# more, it serves as value and key.) The copy does not move. Everything else learns on:
# W0 in its two other uses, W1, W_Q and W_K. (`FrozenCopy` of the library is the flow
# with such a copy.)
#
# **Predict** in which of these runs token 1 still spreads. As tokens come, its spread
# would be 0.73.

# %%
y_80 = states[at(80)]
after = np.arange(80, 170.5, 0.5)
shown = [0, 40, 80, 180]  # t = 80, 100, 120, 170
copies, copy_spread = {"nothing (free)": flow}, {}
for uses in (("value",), ("key",), ("value", "key"), ("query",)):
    copies[" and ".join(uses)] = FrozenCopy(flow, y_80, uses)
print("the copy serves as   spread of token 1 at t = 80, 100, 120, 170")
for name, field in copies.items():
    walk = ode.integrate(field, (80, 170), y_80, t_eval=after, **rough)
    token_1 = field.attention(walk.y)[:, 1]
    copy_spread[name] = measure.entropy(np.log(token_1))
    print(f"{name:20} {copy_spread[name][shown].round(2)}")
last = {name: found[-1] for name, found in copy_spread.items()}
run.claim("the copy as query: token 1 does not spread, below 0.73 nats; as value or key: it does",
          last["query"] < 0.73 and min(last["value"], last["key"]) > 1)


def pushes(y):
    """How fast x moves through each use: the two others read a copy and are not pushed."""
    xi, _, _ = first_direction(y)
    found = []
    for use in USES:
        others = [other for other in USES if other != use]
        speeds = FrozenCopy(flow, y, others)(0.0, y)
        found.append(flow.split(speeds)[0] @ xi)
    return np.array(found)  # a row for each use, a column for each token


print("pushes on x_1, in thousandths, as", *USES)
for t in (80, 100):
    on_token_1 = pushes(states[at(t)])[:, 1]
    print(f"t = {t}: {(1000 * on_token_1).round(2)}, "
          f"the value's share {on_token_1[2] / on_token_1.sum():.2f}")

# %% [markdown]
# Here is the table, in words:
#
#     the copy serves as      t = 80     100      120      170
#     nothing (free)           0.69      0.82     1.04     1.06     it dilutes
#     value                    0.69      0.69     1.02     1.13     it dilutes, later
#     key                      0.69      0.75     1.05     1.05     it dilutes
#     value and key            0.69      0.67     0.79     1.14     it dilutes, last
#     query                    0.69      0.61     0.57     0.57     it focuses more
#
# It is the queries. (The copy serves all four tokens: that it is token 1's own query is
# not told apart.) If the queries cannot turn round, token 1 does not spread; even at
# t = 1000 its spread is 0.66, below 0.73. If the values or the keys cannot move, or
# neither of them, it spreads all the same. *Held.* With seeds 1 and 2 the numbers at
# t = 170 are the same to 0.01.
#
# So the cause that one might think of fails the test. Value and key decide *when*: each
# delays it when it is still, the value more, and both together most. At t = 80 the
# value's share of the push on x_1 is 0.47, and at t = 100 it is 0.36. This counts
# condensation's own pull with the value. Counted so, it would not be a third in section
# 4 either: 0.0124 + 0.0069 of 3 · 0.0124 + 0.0069, which is 0.44.
#
# In numbers, for token 1 at t = 120, with all digits kept. φ is 1.040, and x is
#
#     x = (2.255, −0.410, −0.644, −0.351)
#
#     φ x_1 = 1.040 · (−0.410) = −0.427
#     scores       −0.963     0.175     0.275     0.150
#     π e^score     0.286     0.226     0.066     0.012       their sum is 0.590
#     attention     0.485     0.384     0.112     0.020
#
# As tokens come it is 0.75, 0.19, 0.05 and 0.01. Token 1's query is negative. So token
# 0, whose key is positive, loses, and the three rare tokens, whose keys are negative,
# gain.
#
# ## 8. Renewal
#
# From t = 140 to 250 the loss hardly moves: 0.6356, then 0.6327. With two tokens the
# least loss was reached at the end of dilution. Here the least loss is 0.554. What is
# missing?
#
# *One direction is not enough.* The logits after token i are y_i b: multiples of one
# row b. (In lesson 09 the rows of one head were multiples of each other.) The
# difference of two logits should be the logarithm of the ratio of what comes:
#
#                   logit of 1 less that of 2       logit of 0 less that of 3
#     after 0         ln (0.095/0.025) = 1.34         ln (0.875/0.005) = 5.16
#     after 3         ln (0.095/0.025) = 1.34         ln (0.375/0.505) = −0.30
#
# By the first column y_0 (b_1 − b_2) = y_3 (b_1 − b_2), and it is not 0. So y_0 = y_3.
# By the second column y_0 is not y_3. One row b cannot do both. With two tokens there
# was one difference of logits after each last token, and one y_i was enough for it.
#
# *What pulls, then?* Write U again for the table of pulls on what token k says of token
# j. In general it is
#
#     U_kj = Σ_i A_ik π_i (P_ij − p_ij)
#
# With A_ik = π_k this is π_k (π_j − p_j), the table of section 2. At t = 200, in
# thousandths:
#
#                       of 0      of 1      of 2      of 3
#     token 0 says     −2.85      4.17      0.32     −1.64
#     token 1 says    −13.03     18.29     −0.62     −4.64
#     token 2 says     −3.74      5.17     −0.07     −1.36
#     token 3 says     −0.83      1.12      0.01     −0.31
#
# When it reads token 1, the head should say "1" more and "0" less. Yet b hardly moves.
# Take b_0. It is pulled by the first column, each cell times its x, which is now
# (2.421, −0.322, −0.557, −0.848):
#
#     −2.85 · 2.421 + 13.03 · 0.322 + 3.74 · 0.557 + 0.83 · 0.848 = 0.08
#
# That is nothing beside its terms, −6.9 and 4.2. All four cells ask for less of "0".
# But token 0's x is positive and the others' are negative, so one b_0 cannot serve all.
# The same sum for b_1 is 0.4. For b_2 and b_3 it is 1.0 and −1.5: they still move, but
# slowly, b_3 from −1.52 here to −1.59 at t = 297. (The pull shrinks on the way. Kept up
# for 97 units of time it would have been twice that.)
#
# And x, W_Q and W_K hardly move either. (x_3 moves most, from −0.85 here to −0.92 at
# the end of renewal.) What pulls on them are the −dy_i, and those are nearly gone:
# 0.0007, 0.0003, 0.0004 and −0.0013, where they had been 0.1046, −0.0563, −0.0360 and
# −0.0123. Each output is nearly where one number can bring it.
#
# *A second number.* W0 has room for more directions. Let ξ′ be one at right angles to
# ξ. Let token k have a second number, x′_k, along ξ′, with the readout b′_j. Both are
# near 0. What token k says of token j gains x′_k b′_j.
#
# Does a pull come through the scores too? The output has a second number as well, y′_i
# = Σ_k A_ik x′_k. So the pull on a score has a second term:
#
#     −dΦ_ik = A_ik ((−dy_i) (x_k − y_i) + (−dy′_i) (x′_k − y′_i))
#
# The first term is nearly 0, as −dy_i is. In the second −dy′_i is a sum of terms with a
# b′_j in each, and the bracket is made of x′: small times small. So nothing comes
# through scores. What is left is, as in section 2,
#
#     dx′_k/dt = Σ_j U_kj b′_j
#     db′_j/dt = Σ_k U_kj x′_k
#
# **Renewal** is condensation once more, with another table U. Its rate: in section 2 U
# was a column times a row, and the rate was the product of their lengths. That is the
# root of the sum of the squares of all cells:
#
#     √(0.24² + 0.24² + 0.06² + 0.06²) = √0.1224 = 0.350
#
# Any U is a sum of such tables. `np.linalg.svd` finds them: each is a number σ, a
# *singular value*, times a column times a row. All columns have the length 1 and are at
# right angles to each other, and so are the rows. In section 2 there was one such
# table. Take b′ along the row r of one of them, and x′ along its column c. All other
# tables give nothing then, and
#
#     dx′/dt = σ · (length of b′) · c        db′/dt = σ · (length of x′) · r
#
# So along this pair x′ and b′ push each other, and half their sum grows at the rate σ,
# as in section 2. Along the pair of the largest σ it grows fastest. The table above has
# 0.0245, and a second one of 0.0007. As the second is so small the root of the sum of
# all squares has the same digits, 0.0245.
#
# At t = 200 W0 is 0.0501 long in its second direction. How much of that is the growing
# half, along the first pair? The cell below reckons it: 0.0499. (At t = 140 it was
# 0.0116, and ln (0.0499/0.0116)/60 is 0.0243.) So nearly all of it grows at the rate σ
# already. To grow to 0.5 it takes
#
#     ln (0.5/0.0501) / 0.0245 = 2.301/0.0245 = 94        so renewal ends at 294
#
# Two tests. First, hold the second number: from the end of dilution on W0 and W1 may
# move along ξ only. Second, hold what makes the rare tokens different: they are equally
# frequent, π = (0.75, 1/12, 1/12, 1/12), and the start is the same.
#
# **Predict** for each of the two: is there a renewal, and where does the loss rest?

# %%
def pull_table(flow, y):
    """U: what token k says of token j is pulled by U_kj."""
    W0, W1, _, _ = flow.split(y)
    A = flow.attention(y)
    p, _ = ops.softmax_forward(A @ W0 @ W1)
    return A.T @ (flow.pi[:, None] * (flow.P - p))


U = pull_table(flow, states[at(200)])
column, sizes, row = np.linalg.svd(U)
rate = sizes[0]
second = lengths[at(200), 1]
foretold = 200 + np.log(0.5 / second) / rate
wait = times[(times >= 200) & (times <= ends[3])]
rates = [np.linalg.svd(pull_table(flow, states[at(t)]), compute_uv=False)[0] for t in wait]
print("singular values of U at t = 200", sizes[:2].round(4))
print("rate of U at t = 280 and at the end of renewal",
      np.round([rates[int(np.abs(wait - 280).argmin())], rates[-1]], 4))
mean_rate = np.mean(rates)
print(f"in the mean {mean_rate:.4f}: then it ends at {200 + np.log(0.5 / second) / mean_rate:.1f}")
print(f"t = 200: all cells of U {np.sqrt((U**2).sum()):.4f}, rate {rate:.4f}, second direction "
      f"{second:.4f}\nrenewal foretold at {foretold:.1f}, it ends at {ends[3]:.1f}")

spread_most = ends[2]
xi, _, _ = first_direction(states[at(spread_most)])
for t in (140, 200):  # half the sum of the second numbers along U's first pair
    W0, W1, _, _ = flow.split(states[at(t)])
    own, _, _ = first_direction(states[at(t)])
    of_W0, of_W1 = column[:, 0] @ W0, W1 @ row[0]
    second_numbers = (of_W0 + of_W1) / 2
    growing = np.linalg.norm(second_numbers - second_numbers @ own * own)
    print(f"t = {t}: second direction {lengths[at(t), 1]:.4f}, of it the growing half "
          f"{growing:.4f}")


def only_along_xi(t, y, slope):
    slope = slope.copy()
    dW0, dW1, _, _ = flow.split(slope)  # views
    dW0[:] = np.outer(dW0 @ xi, xi)
    dW1[:] = np.outer(xi, xi @ dW1)
    return slope


late = times[times >= spread_most]
one_direction = ode.integrate(hold(flow, only_along_xi), (spread_most, END),
                              states[at(spread_most)], t_eval=late, **rough).y
rests = float(flow.loss(one_direction[-1]))
print(f"along ξ only: loss {rests:.4f} at t = {END:g} (free {losses[-1]:.4f}); attention\n"
      f"{flow.attention(one_direction[-1]).round(3)}")

print("rare tokens alike:")
for often in (0.75, 0.5) if run.quick else (0.75, 0.9, 0.6, 0.5):  # how often token 0 comes
    rare = (1 - often) / 3
    alike = FocusDilution(np.array([often, rare, rare, rare]), 0.5, 16)
    alike_y = ode.integrate(alike, (0, 3000), start, t_eval=[0, 300, 1000, 3000], **rough).y
    rows = alike.split(alike_y)[0][:, 1:]  # of the rare tokens, at each time
    apart = np.sqrt(((rows - rows.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2)))
    print(f"  π_0 = {often}, t = 0, 300, 1000, 3000: loss {alike.loss(alike_y).round(4)}\n"
          f"    second direction {alike.singular_values(alike_y)[:, 1].round(4)}, "
          f"rare rows apart {apart.round(4)}\n    all cells of U at t = 1000: "
          f"{np.sqrt((pull_table(alike, alike_y[2]) ** 2).sum()):.0e}")
run.claim("U at t = 200 foretells the end of renewal within 3%; with one direction the loss stays",
          abs(foretold / ends[3] - 1) < 0.03 and abs(rests - 0.633) < 1e-3)

attention_off = ode.integrate(hold(flow, still("W_Q", "W_K")), (0, END), start, t_eval=times,
                              **rough).y
curves = {"free": (times, losses), "W_Q, W_K still from 0": (times, flow.loss(attention_off)),
          "one direction only, from the end of dilution": (late, flow.loss(one_direction))}
run.figure(draw.held(after, copy_spread, references["frequencies known: entropy of π"], curves,
                     flow.entropy_rate), "held",
           "Left: spread of token 1 with a copy of the embeddings as value, key or query. "
           "Right: the loss with parts held still.")

# %% [markdown]
# *When.* Renewal was foretold for 294 and ends at 297.4. As it nears its end U shrinks:
# its rate is 0.0227 at t = 280 and 0.0206 at the end. With the mean of the rates from
# 200 on, 0.0237, it would be foretold for 297.1. So U's shrinking accounts for what was
# missing.
#
# *One direction.* No renewal. The loss rests at 0.633, where in the free run it ends at
# 0.567. Attention of tokens 0, 1 and 2 stays much as dilution has left it. Token 3 goes
# on leaving token 0, from 0.27 to 0.06, without a renewal. *Held.*
#
# *Rare tokens alike.* No renewal. The loss rests at 0.7226, U is gone, and W0 has 0.006
# in its second direction, where it had 0.004 at the start. *Held*, at these
# frequencies: it is the difference between the rare tokens that makes U. Exercise 3
# works out the 0.7226.
#
# Why is U gone? Take tokens 1, 2 and 3 that are exactly alike, and look at
#
#     U_kj = Σ_i A_ik π_i (P_ij − p_ij)
#
# For k = 1, 2, 3 the attention A_ik is the same, so these three rows of U are the same.
# For j = 1, 2, 3 what is missing of j, over all rare i together, is the same, so these
# three columns are the same too. It is the table of two tokens, 0 and "rare". With two
# tokens one number was enough to learn all, and then U is 0. *Derived*.
#
# The random start has made the three rows differ, by 0.0055 in all. One might think
# that what is alike stays alike, as heads did in lesson 09. But heads that differed by
# 1e-8 parted there. Here U is 0 and feeds no difference: at t = 3000 it is 0.0054. With
# 0.9 or 0.6 for token 0 it is the same. With 0.5 it is not: the loss rests at 1.112
# until t = 1000, then the rare tokens part, and at 3000 it is 1.026. So no U at rest
# does not mean that nothing grows. What grows there is in exercise 3 of lesson 15.
#
# *The figure.* On the left the five runs of section 7: the query's goes down where the
# others go up. On the right the loss: each part that is kept still makes the plateau
# before it last to the end.
#
# ## 9. The next cycle
#
# Once W0 has a second direction, there are new values to look at, and attention moves
# again. The cells that surprise are framed in the first figure.
#
# At t = 600 token 3, the rarest, looks most at itself, 0.58. At t = 950 it looks most
# at token 2, 0.51, and at itself with 0.27. Token 1 now looks most at itself, 0.64. And
# token 0, which had looked at itself alone since t = 120, lets go: at t = 1000 it gives
# itself 0.65 and token 1 the other 0.35.
#
# The curves show the moment. Between 600 and 700 token 1's number jumps from 0.4 to
# 1.6, and the loss falls from 0.605 to 0.575.
#
# That this is the first cycle's mechanism, now with two numbers for each token, is a
# *guess*. We have kept nothing still in the second cycle.

# %%
def growth(lengths_of, begin, end):
    """The growth rate of something that grows like e^(rate t), between two moments."""
    ratio = lengths_of(states[at(end)]) / lengths_of(states[at(begin)])
    return float(np.log(ratio) / (end - begin))


def attention_part(y):
    """The length of ξ W_Q + ξ W_K, which grows at the rate of focus."""
    _, _, W_Q, W_K = flow.split(y)
    xi, _, _ = first_direction(y)
    return np.linalg.norm(xi @ W_Q + xi @ W_K)


def focus_ends(rho):
    """For exercise 2: when focus ends, for another chance that the last token comes again."""
    return find_stages(FocusDilution(pi, rho, 16), start, 300, t_eval=[300], **rough).focus_t


first_length = lambda y: flow.singular_values(y)[0]
measured = growth(first_length, 6, 8), growth(attention_part, 45, 55)
xi, x_50, _ = first_direction(states[at(50)])
b_50 = xi @ flow.split(states[at(50)])[1]
_, votes_50 = vote(flow, x_50, b_50, A[at(50)])
print(f"the votes as they are at t = 50: {votes_50:.4f}")
text = lambda values: ", ".join(f"{value:.4g}" for value in values)
run.compare([
    ("rate of condensation; between t = 6 and 8", flow.origin_rate, measured[0]),
    ("rate of focus; between t = 45 and 55", flow.focus_rate, measured[1]),
    ("condensation, focus, dilution, renewal end at", "14.01, 86.22, 140.5, 297.4", text(ends)),
    ("renewal ends, foretold at t = 200", foretold, ends[3]),
    ("copy as query: spread of token 1 at t = 170", 0.57, last["query"]),
    ("loss at t = 200; one direction only, at the end", "0.6335, 0.633",
     text([losses[at(200)], rests])),
], before="expected")
run.finish({"pi": pi, "rho": 0.5, "width": 16, "end": END, "rtol": rough["rtol"]}, ends=ends,
           cosine=stages.cosine, frozen=stages.frozen_ratio, turned=stages.turned_t,
           condensed_at=list(condensed_at.values()), focus_at=list(focus_at.values()),
           spread={name: found[shown] for name, found in copy_spread.items()},
           foretold=foretold, one_direction=rests)

# %% [markdown]
# The rate of focus is 3% lower than foretold. It was foretold for the condensed state,
# and at t = 50 that is not quite reached: W0 is 1.97 long and not yet 2.03, and
# attention has begun to turn. The votes as they are at t = 50 make 0.0772.
#
# ## 10. What we found
#
# **What was asked.** What drives each stage? Three times two things near 0 feed each
# other, as u and v in lesson 04: embeddings and readout in condensation, W_Q and W_K in
# focus, embeddings and readout in a second direction in renewal. Dilution comes with
# focus: the φ that grows there pushes the rare tokens' numbers through 0, and their
# queries turn round.
#
# **Why.**
#
# - Condensation: *derived*, rate |π| |π − ¼| = 0.460, embeddings in proportion to π.
#   *Held*: with W_Q and W_K still it is the same; with W0 or W1 still there is none.
# - Focus: *derived*, a vote that the frequent token wins, rate 0.0798, and token 0
#   turns most. *Held*: with W0 and W1 still it comes, at 101.9 for 86.2; with W_Q and
#   W_K still it does not. How the embeddings speed it up is a *guess*.
# - That token 1 does not turn with it: *held*; with W0 and W1 still it turns, to 0.82.
# - Dilution: the queries turn round. *Derived* for the first push: of what
#   changes the ratio of x_0 to x_1, a third each as query, key and value, for rare
#   tokens that are alike. *Held*: with the queries on a copy token 1 does not spread,
#   with values or keys on it it does. That the value is the cause was believed, and
#   fails the test: value and key decide when.
# - Renewal: *derived*, one row b is not enough, and a second number grows at the rate
#   of U, foretold 294, came 297. *Held*: with one direction the loss rests at 0.633;
#   with rare tokens that are alike there is none. That alike tokens stay alike whatever
#   the frequencies was believed; at π_0 = 0.5 they part.
# - The second cycle: a *guess*.
#
# **What surprises in the picture.** Only one token focuses at first, and the rare ones
# end up avoiding what they had hardly begun to seek. At the end token 3 looks most at
# token 2, and less at itself.
#
# Why a wait is as long as it is, and how to foretell it from any slow point, is lesson
# 15.
#
# ## Exercises
#
# 1. (Easy, 5 minutes.) Two tokens with π = (0.9, 0.1) and ρ = ½. At which rate is the
#    saddle at 0 left? Write down the table U first.
# 2. (Medium, 5 minutes.) Let the chain forget faster: ρ = 0.3, with four tokens. Which
#    of the first two stages waits longer, and by which factor? When does focus end?
#    Then run `focus_ends(0.3)`.
# 3. (Hard, 10 minutes.) The rare tokens are alike, π = (0.75, 1/12, 1/12, 1/12) and ρ =
#    ½. The head knows after each token how probable token 0 is, and nothing of which
#    rare token comes. Work out its loss.

# %% [markdown]
# ## Answers
#
# 1. π − ½ = (0.4, −0.4), so U = [[0.36, −0.36], [0.04, −0.04]]. The rate is the root of
#    the sum of the squares, √(0.1296 + 0.1296 + 0.0016 + 0.0016) = √0.2624 = 0.512; or
#    |π| |π − ½| = 0.9055 · 0.5657.
# 2. Focus. ρ is not in U at the start, so condensation still ends at 14.0. But −dy_i is
#    π_i ρ (b_i − average), so the sum of the votes is 3/5 of what it was, and the wait
#    is 5/3 times as long: from 14 to 86 it took 72, so now about 120, and focus ends
#    near 134. Measured: 131.9.
# 3. After token 0 (0.75 of the time) token 0 comes with 0.875, after a rare one with
#    0.375. The entropy of (0.875, 0.125) is 0.3768, that of (0.375, 0.625) is 0.6616. A
#    rare token comes 0.25 of the time, and costs ln 3 = 1.0986 more, as it is one of
#    three that the head holds equal. 0.75 · 0.3768 + 0.25 · 0.6616 + 0.25 · 1.0986 =
#    0.2826 + 0.1654 + 0.2747 = 0.7226.
