# %% [markdown]
# # When to distrust a run
#
# What cannot change tells on a walk that goes wrong, but not on every one.
#
# **Question.** A computed path looks smooth, its loss falls, and no error is raised.
# How does one find out that it is wrong?
#
# **You see** two matrices that no true path changes, found by the steps of lesson 04;
# walks that leave the path although they look healthy, and the number that gives them
# away; why the flow of lesson 14 turns stiff, and a method for that; and two runs that
# are wrong and hardly drift, of which one gives itself away and one does not. **Takes**
# 40 minutes to read, 1 minute to run.

# %%
import os
import warnings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads only slow down matrices so small

import numpy as np

import lesson
from drawings import when_to_distrust_a_run as draw
from tinyattn import ode
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.hold import hold

run = lesson.start("16_when_to_distrust_a_run")

# %% [markdown]
# ## 1. What cannot change, in four numbers
#
# Lesson 04 found that its flow keeps u² − v². The output was a product, u v, so u was
# pulled by something times v, and v by the same thing times u. Then u² and v² have the
# same speed.
#
# In the head of lesson 14 there are two products:
#
#     what a token says          W0 ── W1
#     a score                    W0 ── W_Q ── W_K ── W0
#
# Take one token and embeddings one number wide, so that all four are numbers. Call Ψ
# the pull on what it says, W0 W1, and Ω the pull on the score, W0 W_Q W_K W0. Each
# number gets a pull times the rest of the product. W0 stands in the score twice:
#
#     dW0/dt  = Ψ W1 + 2 Ω W0 W_Q W_K
#     dW1/dt  = Ψ W0
#     dW_Q/dt = Ω W0² W_K
#     dW_K/dt = Ω W0² W_Q
#
# An example: W0 = 2, W1 = 0.5, W_Q = 1, W_K = 0.3, and say Ψ = 0.4, Ω = 0.1. The speed
# of a square is twice the number times its speed:
#
#     dW0/dt  = 0.2 + 0.12 = 0.32      speed of W0²  = 2 · 2 · 0.32   = 1.28
#     dW1/dt  = 0.8                    speed of W1²  = 2 · 0.5 · 0.8  = 0.8
#     dW_Q/dt = 0.12                   speed of W_Q² = 2 · 1 · 0.12   = 0.24
#     dW_K/dt = 0.4                    speed of W_K² = 2 · 0.3 · 0.4  = 0.24
#
# W_Q² and W_K² have the same speed. And 1.28 is 0.8 + 0.24 + 0.24. In letters:
#
#     speed of W1²          = 2 Ψ W0 W1
#     speed of W_Q²         = 2 Ω W0² W_Q W_K
#     speed of W_K²         = 2 Ω W0² W_Q W_K
#     speed of W0²          = 2 Ψ W0 W1 + 4 Ω W0² W_Q W_K
#
# So two things never change:
#
#     W_Q² − W_K²
#     W0² − W1² − W_Q² − W_K²
#
# Nothing was used of Ψ and Ω but that there are such pulls. What they are does not
# matter.
#
# ## 2. The same in matrices
#
# Now W0 has a row of 16 numbers for each token, W1 a column, and Ψ and Ω have a number
# for each pair of tokens. The scores are W0 W_Q W_Kᵀ W0ᵀ. ᵀ flips a matrix, and flips
# the order of a product. The rule for a product is that of lesson 02's layer: if X Y is
# pulled by Ψ, then
#
#     X is pulled by Ψ Yᵀ        Y is pulled by Xᵀ Ψ
#
# In the scores W_Q has W0 on its left and W_Kᵀ W0ᵀ on its right, so it is pulled by W0ᵀ
# Ω W0 W_K. Γ is short for W0ᵀ Ω W0, 16 by 16. All four in this way:
#
#     dW0/dt  = Ψ W1ᵀ + Ω W0 W_K W_Qᵀ + Ωᵀ W0 W_Q W_Kᵀ
#     dW1/dt  = W0ᵀ Ψ
#     dW_Q/dt = Γ W_K
#     dW_K/dt = Γᵀ W_Q
#
# For W_Q², now W_Qᵀ W_Q, by the product rule and with (Γ W_K)ᵀ = W_Kᵀ Γᵀ:
#
#     speed of W_Qᵀ W_Q = W_Kᵀ Γᵀ W_Q + W_Qᵀ Γ W_K
#     speed of W_Kᵀ W_K = W_Qᵀ Γ W_K + W_Kᵀ Γᵀ W_Q
#
# The same two terms. For the second, take W0ᵀ times dW0/dt:
#
#     W0ᵀ dW0/dt = W0ᵀ Ψ W1ᵀ + Γ W_K W_Qᵀ + Γᵀ W_Q W_Kᵀ
#
# and look at its three terms. They are (dW1/dt) W1ᵀ, (dW_Q/dt) W_Qᵀ and (dW_K/dt) W_Kᵀ.
# Each with its flipped self is a speed:
#
#     speed of W0ᵀ W0 = speed of W1 W1ᵀ + speed of W_Q W_Qᵀ + speed of W_K W_Kᵀ
#
# So two matrices never change:
#
#     W_Qᵀ W_Q − W_Kᵀ W_K        W0ᵀ W0 − W1 W1ᵀ − W_Q W_Qᵀ − W_K W_Kᵀ
#
# They are called **conserved**. Near 0, at ε = 1e-3, their entries are some 1e-5, at
# most 5.5e-5, and so they stay.
#
# Add up the entries on the diagonal. That of W_Qᵀ W_Q is |W_Q|², the sum of all squared
# entries. So
#
#     |W_Q|² ≈ |W_K|²
#     |W0|² ≈ |W1|² + |W_Q|² + |W_K|²
#
# *Embeddings are as long as all that they feed.*
#
# It also answers a question of lesson 15, why W_Q and W_K leave a saddle half and half.
# There W_Q grows by ξᵀ times one row, and W_K by ξᵀ times another, where ξ is the
# direction of the embeddings, of length 1. Then W_Qᵀ W_Q is the one row flipped times
# itself, and W_Kᵀ W_K the other. If these are the same, the rows are the same but for
# their sign, and so of one length. Where W0 and W1 leave, the second matrix says the
# same of these two, for W_Q and W_K do not move then.
#
# **Predict.** At t = 1000 of lesson 14's path |W0| is 3.78 and |W1| is 3.00. How long
# are W_Q and W_K?

# %%
END = 720 if run.quick else 1000
flow = FocusDilution(np.array([0.75, 0.19, 0.05, 0.01]), 0.5, 16)
start = flow.start(run.rng, 1e-3)
times = np.arange(END + 1.0)
accurate = dict(method="rk45", rtol=1e-7 if run.quick else 1e-9, atol=1e-10)
exact = ode.integrate(flow, (0, END), start, t_eval=times, **accurate)
for t in (0, 51, END):
    lengths = [np.linalg.norm(matrix) for matrix in flow.split(exact.y[t])]
    print(f"t = {t:4}: lengths of W0, W1, W_Q, W_K", np.round(lengths, 4))


def drift(y):
    """The largest change of an entry of the two matrices since the start."""
    changes = [now - then for now, then in zip(flow.conserved(y), flow.conserved(start))]
    return max(float(np.abs(change).max()) for change in changes)


print(f"largest change of an entry until t = {END}: {max(map(drift, exact.y)):.1e}")

# %% [markdown]
# 3.78² − 3.00² = 14.3 − 9.0 = 5.3, half of it is 2.65, and its root 1.63: the run has
# 1.6246 for both. The entries of the two matrices change by 1e-11 or so, while those of
# W0 have changed by more than 1.
#
# ## 3. Drift
#
# A walk of finite steps does change them, as descent did with u² − v². How far it has
# changed them is its **drift**. It needs no true path beside it. So it is a test that
# one can make of any run.
#
# *How much drift is too much?* Every walk of finite steps has some. Take u² alone, and
# say that it may not change. The walk has u, the path has some û, and u² has drifted by
# d from û²:
#
#     (u − û) (u + û) = u² − û² = d
#     u − û = d / (u + û)          about d / 2u
#
# With u = 2 and d = 0.04 the walk is off by 0.01. An entry of the two matrices is a sum
# of such products, with signs, and of products u v of two numbers. For these
#
#     u v − û v̂ = ½ (u − û) (v + v̂) + ½ (v − v̂) (u + û)
#
# Again each difference stands beside a sum. So, with y for all numbers of the walk and
# ŷ for those of the path, d is a product of the rows y − ŷ and y + ŷ, in which signs
# and places are changed. And such a product is at most length times length. So
#
#     |y − ŷ| is at least d / |y + ŷ|          about d / 2|y|
#
# *The drift, over twice the length of all numbers, is an error that the walk has at the
# least.* It may be off by far more. A drift is too large if that error is.
#
# *And how much is to be expected?* The drift is an error, and lesson 05 says how errors
# fall: with half the step to a half for descent, of order 1, and to a sixteenth for
# RK4, of order 4. That holds as long as the steps are short enough. So there is a
# second test, and it needs no size at all: *at half the step the drift must fall by 2,
# or by 16*. (It must be well above rounding, which leaves 4e-16 in one step where an
# entry is 3.4.)
#
# Each method has a longest step, 2.785/|λ| for RK4, where λ is the most negative growth
# rate. Call its size |λ| the *fastest rate*. For now take it as given: it is 0.9 at t =
# 51, 3.4 at 600, 31 at 800 and 65 at 1000. Section 4 finds out why.
#
# **Predict.** Two walks of RK4, with steps 0.1 and 0.05. By which factor do their
# drifts differ at t = 101? And when does each of them go wrong? The fastest rate passes
# 27.85 near t = 782 and 55.7 at 940.

# %%
STEPS = (0.4, 0.2) if run.quick else (0.1, 0.05)
DESCENT = 0.2 if run.quick else 0.05
EARLY, LATE = 101, 600
walks, limits = {}, {}
for step in STEPS:
    name = f"RK4, step {step:g}"
    walks[name] = ode.integrate(flow, (0, END), start, method="rk4", step=step, t_eval=times)
    limits[name] = 2.785 / step
name = f"descent, rate {DESCENT:g}"
walks[name] = ode.integrate(flow, (0, END), start, method="euler", step=DESCENT, t_eval=times)
limits[name] = 2 / DESCENT
slower = ode.integrate(flow, (0, END), start, method="euler", step=DESCENT / 2, t_eval=times)


def fastest(y):
    """The size of the most negative growth rate: of the Jacobian's eigenvalues."""
    return -float(np.linalg.eigvalsh(flow.jacobian(y))[0])


looks = (EARLY, LATE, END - (40 if run.quick else 200), END)
for name, walk in {"exact path": exact, **walks, "half of that rate": slower}.items():
    drifts = ", ".join(f"{drift(walk.y[t]):.1e}" for t in looks)
    end = walk.y[END]
    bears = f" of {limits[name]:.2f} that its step bears" if name in limits else ""
    print(f"{name:18} drift at t = {', '.join(map(str, looks))}: {drifts}")
    print(f"{'':18} at the end loss {flow.loss(end):.4f}, fastest rate {fastest(end):.1f}{bears}")
    least = drift(end) / (2 * np.linalg.norm(end))
    off = np.linalg.norm(end - exact.y[END])
    print(f"{'':18} off by {least:.1g} at the least, and in truth by {off:.1g}")
coarse, fine = (walks[f"RK4, step {step:g}"] for step in STEPS)
fall = drift(coarse.y[EARLY]) / drift(fine.y[EARLY])
for name, long, short in (("RK4", coarse, fine), ("descent", walks[f"descent, rate {DESCENT:g}"],
                                                  slower)):
    falls = ", ".join(f"{drift(long.y[t]) / drift(short.y[t]):.4g}" for t in looks)
    print(f"half the step, {name}: drift smaller by {falls}")

# %% [markdown]
# By 16.2 at t = 101. Each goes wrong after the time at which the path passes what its
# step bears, 782 and 940. A step of 0.1 bears fastest rates up to 2.785/0.1 = 27.85,
# and the drift is 1.9e-9 at 600, 1.3e-2 at 800 and 0.18 at 1000. A step of 0.05 bears
# 55.7, and the drift is 1.2e-10 at 800 and 4.2e-2 at 1000.
#
# *What a wrong walk looks like.* It does not fly off. Its loss falls on, 0.5676 and
# 0.5680 for 0.5670. But the path is at the fastest rate 65.4 at t = 1000, and the walks
# are at 24.2, 43.5 and 34.2. It is as in the valley of lesson 05: a walk whose step is
# too long is thrown to where it can be borne. What is conserved changes on the way.
#
# One might think of this test: step times the fastest rate where the walk is, against
# its limit. It finds nothing. 24.2 of 27.85, 43.5 of 55.7, 34.2 of 40: each walk is
# *below* what its step bears, since that is where it was thrown. (From there the flow
# takes it back towards its limit, and it is thrown again. So it may also be somewhat
# above: with seed 1 it is 55.9 for 55.7 and, in descent, 46.4 for 40, where the path is
# at 69.5.) And a walk that is right may be as near: descent with a rate of 0.03 is at
# 65.3 of 66.7 at t = 1000, drifts by 1.4e-4 and follows the path.
#
# What the drift says:
#
#                        drift at 1000    off at the least    in truth
#     RK4, 0.1               0.18             0.02               0.3
#     RK4, 0.05              0.042            0.004              0.06
#     descent, 0.05          0.11             0.01               0.2
#     descent, 0.025         1.2e-4           1e-5               1e-3
#
#     at half the step the drift falls by     at 101    600     800      1000
#     RK4, 0.1 to 0.05                        16.2      16.2    1e8       4.2
#     descent, 0.05 to 0.025                   2.03      2.03   2.005    967
#
# The errors at the least are true, and too small by 15 to 120. The other test is
# sharper. As long as both walks follow the path the factors are 16 and 2. Where the
# longer step has left it the factor is 967 or a hundred million, and where both have,
# it is anything, 4.2. Descent with 0.05 drifts by 1.4e-4 at 600, a million times more
# than RK4 with 0.05. Nothing is wrong with it but its order: 2.03.
#
# It was measured on four more pairs. Descent with 0.03 and 0.015 follows the path to
# the end, and the factor stays 2.00. With 0.1 and 0.05 it is 2.01 until 750, 206 at
# 800, 2.35 at 940 and 1.76 at 1000. RK4 with 0.2 and 0.1 has 16.5 until 700 and then
# 1.8e7, with 0.4 and 0.2 17.0 until 600 and then 7e5. So it was right in each; but
# where both walks are off it may be near 2 by chance, as between 940 and 1000. One has
# to look along the way.
#
# So: *if the drift does not fall by 2 to the order at half the step, all along the way,
# the steps are too long. If it does, the drift over twice the length is what the walk
# is off, at the least.*
#
# ## 4. Why the flow turns stiff
#
# Why does the fastest rate grow from 3.4 to 65 within 400 units of time?
#
# *What a fast rate is.* In lesson 05 the rate across the valley was −(u² + v²). The
# output is u v. A step of length 1 along (v, u), the direction across, divided by its
# length √(u² + v²), changes it by (v² + u²)/√(u² + v²) = √(u² + v²). So there
#
#     |λ| = (change of the output for a step of length 1)²
#
# wherever nothing much is missing. With cross-entropy the outputs are logits. A step of
# length 1 changes those of last token i by a row r, and one of length x by x r. The
# square was the second derivative of the loss (lesson 05). So take that again. The
# cross-entropy is
#
#     ln Σ_j e^(z_j + x r_j)  less the logit of the token that comes
#
# That logit is a straight line in x and has no second derivative. The slope of the
# logarithm is the mean of the r_j, with the probabilities p_j that the head gives:
#
#     Σ_j p_j r_j
#
# When x rises, p_j rises by p_j times how far r_j lies above that mean (lesson 01). So
# the slope of this slope is
#
#     Σ_j p_j (r_j − mean) r_j  =  Σ_j p_j (r_j − mean)²
#
# (as Σ_j p_j (r_j − mean) · mean is 0). That is the *variance* of the row, the mean
# squared difference from its mean. Count each i as often as it is last:
#
#     |λ| ≈ Σ_i π_i (variance of the change of the logits after token i)
#
# *A direction is fast if a small step along it changes much of what the head says.*
#
# **Predict** which of the four terms is the largest at t = 1000: that of token 0, which
# is last in three of four places and was the first to focus, or one of the others?

# %%
def says(y):
    """The logits after each of the four tokens, (4, 4): attention times what tokens say."""
    W0, W1, _, _ = flow.split(y)
    return flow.attention(y) @ W0 @ W1


def reaction(y):
    """The four terms of the sum above, along the fastest direction at y."""
    direction = np.linalg.eigh(flow.jacobian(y))[1][:, 0]
    change = (says(y + 1e-5 * direction) - says(y - 1e-5 * direction)) / 2e-5
    logits = says(y)
    given = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    mean = (given * change).sum(axis=1, keepdims=True)
    return flow.pi * (given * (change - mean) ** 2).sum(axis=1)


TESTED = (600, 660, END) if run.quick else (600, 700, 800, 900, 1000)
rates = {t: fastest(exact.y[t]) for t in TESTED}
for t in TESTED:
    terms = reaction(exact.y[t])
    total = terms.sum()
    itself = flow.attention(exact.y[t])[0, 0]
    terms = ", ".join(f"{term:.2f}" for term in terms)
    print(f"t = {t:4}: fastest rate {rates[t]:5.2f}, sum {total:5.2f}, terms {terms}; "
          f"token 0 looks at itself with {itself:.3f}")

# %% [markdown]
# Token 0's: 63.24 of 65.39, where the fastest rate is 65.38. At t = 600 it was token
# 1's, 3.02 of 3.22 for a rate of 3.44, and token 0 had 0.13.
#
# *When can a step change much?* What the head says changes with attention, and
# attention with the scores, by s − s² (lesson 01): 0.25 if s is one half, and 0 if it
# is 1. At t = 600 token 0, which is last in three of four places, looks at itself with
# 1.000. A small change of its scores has hardly any effect. Then it lets go:
#
#     t         A_00      s − s²     its term
#     600       1.000     0.000       0.1
#     700       0.859     0.121      11.1
#     800       0.771     0.177      28.2
#     1000      0.646     0.229      63.2
#
# From 700 to 1000 s − s² grows 1.9-fold and its square 3.6-fold, the term 5.7-fold. The
# rest must come from scores that react more and from values that differ more. How much
# from each was not split up.
#
# So here is a suspect: token 0's scores. Two tests. First, *measure*: leave out of the
# Jacobian all directions that change the four scores of token 0, and see what fastest
# rate is left. Second, *hold*: from t = 600 on, keep these four scores as they are,
# while all else moves.
#
# Four scores are four numbers, and each has a gradient, a row of 640 derivatives. A
# motion does not change them if it is at right angles to the four rows. So from a speed
# one has to take what lies along them.
#
# **Predict.** What is the fastest rate without them, at t = 600 and at 1000? And with
# them held, does rk45 need as many steps from 600 to 1000 as it does free?

# %%
def score_rows(y, token):
    """The derivatives of a token's four scores by all numbers, (4, 640)."""
    W0, _, W_Q, W_K = flow.split(y)
    rows = np.zeros((4, y.size))
    query = W0[token] @ W_Q
    for k, row in enumerate(rows):
        key = W0[k] @ W_K
        in_W0, _, in_W_Q, in_W_K = flow.split(row)  # views: writing to them fills the row
        in_W0[token] += W_Q @ key
        in_W0[k] += W_K @ query
        in_W_Q += np.outer(W0[token], key)
        in_W_K += np.outer(W0[k], query)
    return rows


def without(rows, what):
    """What is left of rows of 640 numbers, or of one, at right angles to the given rows."""
    along = np.linalg.solve(rows @ rows.T, rows @ what.T)
    return what - (rows.T @ along).T


def fastest_without(y, token):
    """The fastest rate among motions that change none of the token's scores."""
    rows = score_rows(y, token)
    J = without(rows, without(rows, flow.jacobian(y)).T)
    return -float(np.linalg.eigvalsh(J)[0])


rates_without = {t: fastest_without(exact.y[t], 0) for t in TESTED}
for t in TESTED:
    print(f"t = {t:4}: fastest rate {rates[t]:5.1f}, "
          f"without token 0's scores {rates_without[t]:.1f}")


def keep_scores(token):
    """A rule for `hold`: no speed along the derivatives of the token's scores."""
    return lambda t, y, speed: without(score_rows(y, token), speed)


loose = dict(method="rk45", rtol=1e-6, atol=1e-9, t_eval=[END])
fields = {"free": flow}
for token in range(1 if run.quick else 4):
    fields[f"token {token}"] = hold(flow, keep_scores(token))
BEGIN = 680 if run.quick else 600  # the scores are held from here on
held = {}
for name, field in fields.items():
    walk = ode.integrate(field, (BEGIN, END), exact.y[BEGIN], **loose)
    looks_at_itself = flow.attention(walk.y[-1])[0, 0]
    held[name] = (walk.n_steps, looks_at_itself)
    print(f"scores held: {name:8} {walk.n_steps:5} steps, token 0 looks at itself "
          f"with {looks_at_itself:.3f} at t = {END}")

# %% [markdown]
# At 600 the fastest rate is 3.4 and 2.8 without token 0's scores; at 1000 it is 65.4
# and 5.3. Nearly all of it lies in the directions that move these four scores.
#
# Held, rk45 takes 790 steps for 3949 free. *Held*: without motion of token 0's scores
# the flow does not turn stiff.
#
# The other rows are a warning about holding. With token 2's or token 3's scores held
# there are as few steps, 567 and 715. But look at the last column. There token 0 has
# hardly let go of itself, with 0.996 and 1.000. With token 1's scores held it has let
# go a little, 0.863, and the steps are in between, 1253. That these three holds act by
# keeping token 0 where it is is a *guess*; all five rows agree with it.
#
# ## 5. The method that looks at its own end
#
# On such a stretch rk45 is held to 3.3066/|λ| (lesson 05), however much error one
# allows. bdf is not.
#
# **Predict.** From t = 700 on: how many fewer steps does rk45 take if a thousand times
# more error is allowed? And how many does bdf take?

# %%
FROM = 660 if run.quick else 700
stretch = {}
settings = {
    "rk45, rtol 1e-6": dict(method="rk45", rtol=1e-6, atol=1e-9),
    "rk45, rtol 1e-3": dict(method="rk45", rtol=1e-3, atol=1e-6),
    "bdf, rtol 1e-6": dict(method="bdf", rtol=1e-6, atol=1e-9),
}
for name, how in settings.items():
    stretch[name] = ode.integrate(flow, (FROM, END), exact.y[FROM], **how)
    error = np.abs(stretch[name].y[-1] - exact.y[END]).max()
    print(f"{name}: {stretch[name].n_steps:5} steps, {stretch[name].nfev:5} calls of the flow, "
          f"off by {error:.0e}")
bdf_error = float(error)
paths = {"rk45": (times, exact.y)}
if not run.quick:
    whole = ode.integrate(flow, (0, END), start, method="bdf", t_eval=times)
    paths["bdf"] = (times, whole.y)
    print(f"bdf from 0 to {END}: {whole.n_steps} steps, drift {drift(whole.y[-1]):.0e}, "
          f"off by {np.abs(whole.y[-1] - exact.y[END]).max():.0e}")
    on = ode.integrate(flow, (END, 3000), exact.y[END], method="bdf", t_eval=[3000])
    print(f"bdf from {END} to 3000: {on.n_steps} steps; fastest rate there {fastest(on.y[-1]):.0f}")
    with warnings.catch_warnings(record=True) as told:  # keeps the warning, to print it
        warnings.simplefilter("always")
        ode.integrate(flow, (END, END + 300), exact.y[END], **loose | {"t_eval": []})
    print("rk45 from there on warns:", *[str(one.message) for one in told])

# %% [markdown]
# None: 3623 and 3618. And with a thousand times more allowed it is off by 5e-5 only. It
# is not the error that decides. bdf takes 77 steps, off by 1e-7.
#
# Its price is the Jacobian and the equations: for 640 numbers a Jacobian takes the
# speeds of 1280 states. They are asked for in one call, so the 205 calls do not show
# it.
#
# From t = 1000 bdf goes on to 3000, where the fastest rate is 272, in about 160 steps.
# rk45 took 125,641 when it was tried.
#
# After some 5000 steps that the limit has decided `integrate` warns, here at t = 1204.
# *The warning says that the steps are spent on something that is not to be seen.* The
# path is right all the same.
#
# RK4 and descent give no such warning, as their steps are given. There one has drift,
# at two steps.
#
# ## 6. No drift proves nothing
#
# So drift can show that a run is wrong. Does its absence show that a run is right?
#
# Section 1 has the answer in it: *nothing was used of Ψ and Ω*. If a slip in the code
# gives wrong pulls, the two matrices are conserved as well. Lesson 04's u² − v² is kept
# for any factor in the place of 1 − u v.
#
# And there is a second way. Take implicit Euler with a step of 10, from the start, near
# the first saddle. The path leaves it at the rate 0.4595. The step's factor is, by
# lesson 05,
#
#     1 / (1 − h λ) = 1 / (1 − 10 · 0.4595) = −0.28
#
# What ought to grow hundredfold in one step, e^4.6, shrinks to 0.28.
#
# **Predict** for both the loss at t = 100, where the path has 0.678, and the drift. For
# the slip we type ρ = 0.6 in the place of 0.5.

# %%
def implicit_walk(y, step, n):
    """n steps of implicit Euler: backward differences of order 1."""
    states = [y]
    for i in range(n):
        y, _ = ode.bdf_step(flow, i * step, np.stack([y, y]), step)
        states.append(y)
    return np.stack(states)


slip = FocusDilution(flow.pi, 0.6, 16)
mistaken = ode.integrate(slip, (0, 100), start, t_eval=times[:101], **accurate)
stuck = implicit_walk(start, 10.0, 10)
silent = {"ρ = 0.6 typed for 0.5": (times[:101], mistaken.y),
          "implicit Euler, step 10": (10.0 * np.arange(11), stuck)}


def product(y):
    """The largest entry of the products that the two matrices are made of."""
    W0, W1, W_Q, W_K = flow.split(y)
    products = (W0.T @ W0, W1 @ W1.T, W_Q @ W_Q.T, W_K @ W_K.T, W_Q.T @ W_Q, W_K.T @ W_K)
    return max(float(np.abs(made).max()) for made in products)


def tell(name, y):
    """Loss, drift, and drift beside the size of what drifts."""
    print(f"{name}: loss {flow.loss(y):.4f}, drift {drift(y):.1e}, largest product "
          f"{product(y):.1e}, their ratio {drift(y) / product(y):.1e}")


tell("the path", exact.y[100])
for name, (_, states) in silent.items():
    tell(name, states[-1])
if not run.quick:
    tell(f"bdf at t = {END}", whole.y[-1])
lengths = [np.linalg.norm(matrix) for matrix in flow.split(stuck[-1])]
print("implicit Euler, lengths of W0, W1, W_Q, W_K", np.round(lengths, 4))
halved = implicit_walk(start, 5.0, 20)[-1]
print(f"implicit Euler, step 5: loss {flow.loss(halved):.4f}, drift {drift(halved):.4e} for "
      f"{drift(stuck[-1]):.4e}")
growing = float(np.linalg.eigvalsh(flow.jacobian(stuck[-1]))[-1])
print(f"largest growth rate where it is: {growing:.4f}")

# %% [markdown]
# The slip has 0.6445 for 0.6775, and a drift of 2e-11, as small as the path's. It is a
# true path, of another chain. No test of the walk itself can show it.
#
# Implicit Euler has 1.3863, the loss of one who has learnt nothing, and a drift of
# 5.5e-6. bdf drifts by 3e-6 until t = 1000, and bdf is right. So is the drift of
# implicit Euler as good as none? One might think: it never left the saddle, and who
# does not move does not drift. But look at the size of what drifts. The matrices are
# differences of products, W0ᵀ W0 and the like:
#
#     run                       drift     largest product    ratio
#     bdf, t = 1000             3.0e-6        3.4            9e-7
#     implicit Euler, t = 100   5.5e-6        3.4e-5         0.16
#
# bdf was asked for an error of 1e-6 of each number in a step, and has lost a millionth
# of its products. Implicit Euler has lost a sixth of them. It does move: W0 goes from
# the length 0.0073 to 0.0063, and W1 from 0.0079 to 0.0067. *A drift has to be seen
# beside the products.* And the test of section 3 finds it too: of order 1, at half the
# step the drift must fall to a half, and it is 5.5209e-6 with 10 and with 5. (What grew
# has died out in both, and the same rest is left: a *guess*. With steps of 1, 0.5 and
# 0.25, until t = 40, it falls by 1.84 and 1.91.) So this run gives itself away, though
# its drift is small.
#
# With half the step, 5, the *loss* is 1.3863 again. Who looks at the loss alone and
# finds it unchanged at half the step trusts the run. The factor 1/(1 − h λ) is −0.28
# for 10 and −0.77 for 5: both shrink. What grows is followed only if step times the
# largest growth rate is below 1, and well below it to be right: it is 4.6 and 2.3 here.
# With a step of 4 the loss is 1.372 (exercise 3). With 1 it is 0.655 for the path's
# 0.678, with 0.1 it is 0.6754; there h λ is 0.46 and 0.046.
#
# So: *no drift proves nothing, and a drift proves a run wrong if half the step does not
# lessen it as it should, or if it is large beside the products and beside what one can
# bear.* What one can do, each for another kind of mistake:
#
#     mistake                       what shows it
#     steps too long, stiff         half the step: the drift, and the fastest rate
#     steps too long, growing       step · largest growth rate; drift beside products
#     a wrong pull                  finite differences (lesson 02)
#     a wrong setting               a number known from elsewhere, such as λ₁ and λ₂
#
# In the first row: if the two walks are at other fastest rates at one time, one of them
# has left the path, as 24.2 and 43.5 of RK4 at t = 1000. Descent with 0.03 and 0.015
# has 65.3 and 65.4.

# %%
some = np.linspace(FROM - 60, END, 3 if run.quick else 12).astype(int)
followed = {"exact path": (some, [fastest(exact.y[t]) for t in some]),
            "without token 0's scores": (some, [fastest_without(exact.y[t], 0) for t in some])}
for name, walk in walks.items():
    followed[name] = (some, [fastest(walk.y[t]) for t in some])
paths |= {name: (times, walk.y) for name, walk in walks.items()}
drifts = {name: (t[1:], [drift(y) for y in states[1:]])
          for name, (t, states) in {**paths, **silent}.items()}
chosen = {"rk45": stretch["rk45, rtol 1e-6"].t, "bdf": stretch["bdf, rtol 1e-6"].t}
losses = {name: (t, flow.loss(states)) for name, (t, states) in {**paths, **silent}.items()}
run.figure(draw.distrust(drifts, followed, limits, chosen, losses), "distrust",
           "Drift of what is conserved in right and wrong runs, the fastest rate where they "
           "walk, the steps of two methods, and the loss, which alone shows little.")

kept = 1e-7 if run.quick else 1e-9
run.claim(f"drift is below {kept:g} on the path, and a sixteenth at half of RK4's step, within 20%",
          max(map(drift, exact.y)) < kept and abs(fall / 16 - 1) < 0.2)
run.claim("past what its step bears each walk drifts by more than 1e-3, at rates below the path's",
          all(drift(walk.y[END]) > 1e-3 > 1e4 * drift(exact.y[END])
              and max(fastest(walk.y[END]), limits[name]) < rates[END]
              for name, walk in walks.items()))
run.claim("token 0's scores have most of the fastest rate; held, less than half of rk45's steps",
          rates_without[END] < rates[END] / 3 and held["token 0"][0] < held["free"][0] / 2)
fewer = 3 if run.quick else 10
run.claim(f"bdf takes 1/{fewer} of rk45's steps or less; two wrong runs drift by less than 1e-4",
          fewer * stretch["bdf, rtol 1e-6"].n_steps < stretch["rk45, rtol 1e-6"].n_steps
          and bdf_error < 1e-5 and drift(stuck[-1]) < 1e-4 and drift(mistaken.y[-1]) < kept
          and bool(flow.loss(stuck[-1]) > 1.386))

rk4_drift = ", ".join(f"{drift(walk.y[END]):.2g}" for walk in (coarse, fine))
counts = [stretch[name].n_steps for name in settings]
run.compare([
    ("drift of RK4 at t = 101 falls, at half the step, by", "16", f"{fall:.1f}"),
    (f"drift of RK4 at t = {END}, with these two steps", None, rk4_drift),
    (f"fastest rate at t = {END}; without token 0's scores", None,
     f"{rates[END]:.1f}; {rates_without[END]:.1f}"),
    (f"rk45 from {BEGIN} to {END}: steps free; token 0's scores held", None,
     f"{held['free'][0]}; {held['token 0'][0]}"),
    (f"from {FROM} on: rk45; rk45, 1000 times looser; bdf", None, "; ".join(map(str, counts))),
    ("wrong, with little drift: loss at 100 for the path's", f"{flow.loss(exact.y[100]):.4f}",
     f"{flow.loss(mistaken.y[-1]):.4f}; {flow.loss(stuck[-1]):.4f}"),
], before="foretold")
run.finish({"end": END, "steps": STEPS, "descent": DESCENT}, fall=fall, rates=list(rates.values()),
           without=list(rates_without.values()), counts=counts,
           held=[steps for steps, _ in held.values()])

# %% [markdown]
# *Upper left.* Each solid walk that goes wrong has a jump in its drift, by hundreds or
# more, at the time when the path passes what its step bears. The dashed ones are wrong
# all the time and have no jump. Implicit Euler's line is low for its size: it is to be
# seen beside products of 3.4e-5, and all others beside some 1 to 3.
#
# *Upper right.* The black line is the path. Each walk follows it up to its dotted limit
# or a little beyond, falls off, and stays near or below the limit. The grey line leaves
# out token 0's scores.
#
# *Lower left.* rk45's steps shrink as the fastest rate grows, down to 0.05. From 760 on
# they go up and down so fast that the line is a band. Those of bdf grow to 8.
#
# *Lower right.* The same runs by their loss. Five lie on each other, though three of
# these are wrong. The slip looks like a good run of another chain, which it is. Only
# implicit Euler is seen to be wrong, by one who knows that there is something to learn.
#
# **What was asked.** How does one find out that a computed path is wrong? By something
# that the true path cannot change. Compute its drift twice, at a step and at half of
# it. If it does not fall by 2 to the order of the method, the steps are too long: take
# shorter ones, or bdf. If it does, the drift over twice the length is what the walk is
# off at the least. No drift is proof of nothing: a wrong pull conserves as well.
#
# **Why.** *That the two matrices do not change*: derived, for any pull. *That |W_Q| and
# |W_K| are alike, and leave a saddle half and half*: derived from it. *That half the
# step of RK4 has a sixteenth of the drift*: derived in lesson 05 for the error; 16.2
# measured for the drift. *That a drift is an error at the least*: derived. That who
# does not move does not drift was believed, and is wrong: a sixth of the products.
# *That the flow turns stiff by token 0's scores*: held; and measured, 63.2 of 65.4.
# *That this is by s − s², growing from 0*: derived, and it accounts for 3.6 of 5.7 from
# t = 700 on. *That rk45's steps are not those of its error*: held, with a thousand
# times more error allowed. *That a walk past its limit is thrown to where its step is
# stable*: derived in lesson 05 for two numbers; here seen, in three walks, and a guess
# beyond them.
#
# **What surprises in the picture.** Walks with steps that are too long neither fly off
# nor look wrong. They learn as far as their step can bear it. With step 0.1 token 0
# looks at itself with 0.74 at t = 1000, where the path has 0.65.
#
# ## Exercises
#
# 1. (5 minutes, easy) Which learning rate does descent need at t = 1000, and which was
#    enough at t = 100, where the fastest rate was 1.19? Run it with 0.03 and with
#    0.035, and look at the drift at t = 600 and 1000:
#
#        walk = ode.integrate(flow, (0, END), start, method="euler", step=0.03,
#                             t_eval=[600, END])
#        print([drift(y) for y in walk.y])
# 2. (10 minutes, medium) Lesson 04's two numbers with a slip, the target 2 for 1: du/dt
#    = (2 − u v) v, dv/dt = (2 − u v) u. Show that u² − v² is conserved. Where does the
#    path from (2, 0.3) end, where u² − v² is 3.91?
# 3. (15 minutes, hard) With a step of 10 implicit Euler did not leave the saddle. With
#    which steps does it leave, and with which is it slower than the path? Its factor is
#    1/(1 − h λ). Then run `implicit_walk(start, h, n)` to t = 100 for h = 4 and h = 5,
#    and print the loss of the last state.

# %% [markdown]
# ## Answers
#
# 1. Below 2/65.4 = 0.0306 at t = 1000; at t = 100 below 2/1.19 = 1.68. With 0.03 the
#    drift is 8.5e-5 at 600 and 1.4e-4 at the end: no jump. With 0.035 it is 9.9e-5 and
#    3.1e-2.
# 2. Speed of u² = 2 u v (2 − u v) = speed of v². At the end v = 2/u, so u² − 4/u² =
#    3.91, u² = (3.91 + √(3.91² + 16))/2 = 4.752, u = 2.180 and v = 0.917. The end is
#    wrong, and u² − v² is 3.91 as it should be.
# 3. It grows in size where |1 − h λ| is below 1, so for h λ below 2, h below 4.35. But
#    for h λ between 1 and 2 the factor is negative: it hops over the saddle as it
#    leaves. In a unit of time it grows by ln|1/(1 − h λ)|/h in the exponent. That is
#    less than λ from h λ = 1.28 on, h = 2.78. With h = 4 the loss at t = 100 is 1.372,
#    with h = 5 it is 1.386. The path has 0.678.
