# %% [markdown]
# # Is it right?
#
# Move a number, look at the loss: it checks any gradient, and what fails says where.
#
# **Question.** You have worked out a gradient by hand. How do you know that it is
# right? And if it is wrong, which line of it is?
#
# **You see** how near a checked gradient comes, and why no nearer; a whole attention
# layer, backward; and what each of eight mistakes in it looks like, then four more to
# find yourself. **Takes** 3 seconds.

# %%
import math

import numpy as np

import lesson
from drawings import is_it_right as draw
from tinyattn import attention, gradcheck, measure, mutants

run = lesson.start("02_is_it_right")

# %% [markdown]
# ## 1. One derivative, measured
#
# Take lesson 01's example: the scores ln 2, 0, 0, the values 2, 4, 8, and 5 wanted.
# There we found da₁ = 1. If that is right, L must rise by about 0.1 when score 1 rises
# by 0.1.
#
#     score 1        e^a              output y              L = (y − 5)² / 2
#     ln 2           2, 1, 1          16/4       = 4        0.5
#     ln 2 + 0.1     2.21034, 1, 1    3.90008               0.604908
#     ln 2 − 0.1     1.80967, 1, 1    4.09992               0.405075
#
# From the first row to the second:
#
#     (0.604908 − 0.5) / 0.1 = 1.0491
#
# It is 5% off. From the third row to the second the way is 0.2 long:
#
#     (0.604908 − 0.405075) / 0.2 = 0.99917
#
# That is 0.08% off. This is the *central difference*. With a step h in place of 0.1:
#
#     (L(a + h) − L(a − h)) / 2h  ≈  da
#
# Now make h ten times smaller, again and again. The same arithmetic gives
#
#     h          central difference      off by
#     0.1          0.99917              −8.3e-4
#     0.01         0.9999917            −8.3e-6
#     0.001        0.999999917          −8.3e-8
#
# Each time the error falls a hundredfold. **Predict** the error at h = 1e-12.

# %%
v = np.array([[2.0], [4.0], [8.0]])


def loss_of(score):
    a = np.array([[score, 0.0, 0.0]])
    y, _ = attention.attend_forward(a, v)
    return (y.item() - 5.0) ** 2 / 2


for h in (1e-1, 1e-2, 1e-3, 1e-5, 1e-6, 1e-8, 1e-12):
    above = loss_of(math.log(2) + h)
    below = loss_of(math.log(2) - h)
    estimate = (above - below) / (2 * h)
    print(f"h = {h:.0e}   L above {above:.16f}   below {below:.16f}   off by {estimate - 1:+.1e}")

# %% [markdown]
# A hundredfold at each step would give −8e-26. It is 9e-5, as bad as at h = 0.03. The
# error falls down to h = 1e-5 and then rises again. Two things are at work.
#
# *Too long a step.* Write L(a + h) and L(a − h) as their Taylor series. L′, L″ and L‴
# are the derivatives of L:
#
#     L(a + h) = L + L′ h + L″ h²/2 + L‴ h³/6 + ...
#     L(a − h) = L − L′ h + L″ h²/2 − L‴ h³/6 + ...
#
# Subtract. What has an even power of h cancels:
#
#     L(a + h) − L(a − h) = 2 L′ h + L‴ h³/3 + ...
#
# Divide by 2h:
#
#     L′ + L‴ h²/6 + ...
#
# So the error is a number times h². Here it is −h²/12: by the first line of the table
# above −8.3e-4 = −0.01/12.
#
# The one-sided difference, (L(a + h) − L) / h, keeps the term before: L″ h/2. Its error
# is like h, and that is the 5% above.
#
# *Too short a step.* The machine keeps 53 binary digits of a number, about 16 decimal
# ones. So what it keeps of a number near 1 is off by up to
#
#     ε = 1/2⁵³ = 1.1e-16
#
# Look at the last line printed. The two losses differ by 2e-12, and each is kept to
# about 1e-16. So of their difference only the first four digits are true: its error is
# about ε. ln 2 ± h is rounded too, which adds about as much again. After the division
# by 2h the error is, up to a number of about 1, ε/h.
#
# *Both.* Up to numbers of about 1 in front of each,
#
#     error ≈ h² + ε/h
#
# Where is it least? Where its derivative is 0:
#
#     2h − ε/h² = 0
#     h³ = ε/2
#
# Multiply the first of these lines by h: ε/h is 2h² there. So
#
#     error ≈ h² + 2h² = 3h² = 3 (ε/2)^(2/3) = 1.9 ε^(2/3)
#
# With ε = 1.1e-16 that is h = 4e-6 and an error of 4e-11: ten of sixteen digits, and
# not one more. *float32*, the numbers that networks train with, keep 24 binary digits:
# ε = 6e-8. Put that in, and the least error is 3e-5, at h = 3e-3.
#
# **Predict** the curve of the error over h, both axes logarithmic: its shape, and the
# slopes of its two sides.
#
# To measure them we take the scores of fifty queries, so that chance averages out, and
# move each of the 150 in turn. Two gradients of many numbers are compared by the
# *relative error*
#
#     |by hand − by differences| / (|by hand| + |by differences|)
#
# where | | is the length: the root of the sum of squares. It is 0 for equal gradients.

# %%
many = run.rng.normal(size=(50, 3))
y_many, cache_many = attention.attend_forward(many, v)
exact, _ = attention.attend_backward(y_many - 5.0, cache_many)


def loss_of_many(scores):
    y, _ = attention.attend_forward(scores, v.astype(scores.dtype))
    return 0.5 * ((y - 5.0) ** 2).sum()


def error(kind, h):
    estimate = gradcheck.central_differences(loss_of_many, many.astype(kind), h)
    return gradcheck.relative_error(estimate.astype("float64"), exact)


steps = {"float64": np.logspace(-12, -0.5, 47), "float32": np.logspace(-6, -0.5, 24)}
errors = {kind: np.array([error(kind, h) for h in steps[kind]]) for kind in steps}


def slope(part):
    h, off = steps["float64"][part], errors["float64"][part]
    return measure.fit_power_law(off, h=h).exponents["h"]


slopes = slope(steps["float64"] < 1e-7), slope(steps["float64"] > 1e-4)
least = {kind: errors[kind].min() for kind in errors}
run.figure(draw.valley(steps, errors, loss_of), "valley",
           "Left: a central difference is nearly parallel to the tangent. Right: its relative "
           "error over the step, a V in float64 and in float32.")
run.claim("the error is a V: it grows like h² on its right and like 1/h on its left",
          abs(slopes[0] + 1) < 0.15 and abs(slopes[1] - 2) < 0.1)

# %% [markdown]
# On the left of the figure is what a difference does: a chord through L at ln 2 − h and
# ln 2 + h, here for h = 1. It has the slope 0.924 where the tangent has 1; the chord to
# one side has 1.351.
#
# On the right is the error, a V each. With seed 0 the slopes are −1.00 and 2.00: ε/h on
# one side, h² on the other. The lowest points are 6e-11 and 4e-5, for 4e-11 and 3e-5
# foretold. They lie at a longer h than foretold, 2e-5 and 1e-2. Both numbers in front
# are not 1. Read off the two sides of the V, that of h² is 0.093: it makes the best h
# longer and the error smaller. That of ε/h is 6: it makes h longer and the error
# larger. Put in,
#
#     0.093 h² + 6 ε/h      is least at h = 1.5e-5, and there it is 6.5e-11
#
# The 6 comes of the sum of fifty losses. It is 29, and a number of that size is kept
# less exactly than one near 1. We tried: if each difference is taken of its own query's
# loss alone, the 6 becomes 2.
#
# So gradients are checked in *float64*, with h = 1e-5. Then a right one is off by 1e-10
# or so, and we call wrong what is off by more than 1e-7. In float32 no mistake shows
# that is smaller than 4e-5.
#
# What is this relative error for a wrong gradient? Let the right one have the length 1,
# and the one by hand be a factor times it:
#
#     factor −1:     |−1 − 1| / (1 + 1)  = 2/2  = 1         a wrong sign
#     factor 0:      |0 − 1| / (0 + 1)   = 1/1  = 1         a gradient of zeros
#     factor 2:      |2 − 1| / (2 + 1)   = 1/3              counted twice
#     factor > 0:    |factor − 1| / (factor + 1)
#     factor ≤ 0:    (1 − factor) / (1 − factor) = 1
#
# So the size of an error can tell which positive factor is missing. An error of 1 says
# only that the factor is not positive.
#
# ## 2. A whole layer, forward and backward
#
# Where do scores and values come from? An *attention layer* makes them from one input
# x, a row for each token. It has four matrices. The first three turn each row of x into
# a query, a key and a value:
#
#     queries = x W_Q
#     keys    = x W_K
#     v       = x W_V
#
# A score says how well a key fits a query. It is their product, entry by entry, summed;
# a dot stands for that. K is the length of a key. How large is a score? Let the entries
# be independent numbers of mean 0 and *variance* 1. For numbers of mean 0 the variance
# is the mean of their square, and its root is their size. The variance of a product is
# then the mean of the one squared times that of the other squared, 1 · 1 = 1. A score
# is a sum of K such products. In its square each product meets itself, and it meets
# each of the others. Where two different ones meet, the mean is 0 · 0 = 0. So the K
# squares are left: the variance of the sum is K, and its size √K. Divided by √K scores
# have a size of 1 for any K:
#
#     a_tj = (query t · key j) / √K
#
# Then the head of lesson 01, for each query t, and a last matrix:
#
#     s_tj = e^a_tj / Σ_i e^a_ti
#     y_t  = Σ_j s_tj v_j
#     out  = y W_O
#
# The lines that are new are a row times a matrix, and a dot. First the matrix. The
# smallest case is x = (1, 2) times a matrix of one column, 3 above 4:
#
#     out = 1 · 3 + 2 · 4 = 11
#
# Raise the 3 by 1, and out rises by 1, the number of x that it is multiplied with.
# Raise the 4 by 1, and out rises by 2. So with dout, the derivative of L by out,
#
#     dW = (1 dout, 2 dout), as a column
#
# Likewise raise the 1, and out rises by 3; the 2, by 4:
#
#     dx = (3 dout, 4 dout)
#
# If x has several rows, the same matrix is used for each. Each use moves L, and what
# they move adds up. The sum over rows is a product of matrices (ᵀ swaps rows and
# columns):
#
#     dW = xᵀ dout
#     dx = dout Wᵀ
#
# Then the dot. Raise the first number of query t by 1, and a_tj rises by the first
# number of key j, over √K. Query t meets every key j, and what it moves adds up:
#
#     dquery t = Σ_j da_tj (key j) / √K
#     dkey j   = Σ_t da_tj (query t) / √K
#
# Now walk the layer from its end to its start. (3) and (4) are lesson 01's lines.
# Values and outputs are rows now: each column is an output of its own, and in (4) what
# they move adds up, which is a dot again.
#
#     (1)  dW_O     = yᵀ dout
#     (2)  dy       = dout W_Oᵀ
#     (3)  dv       = sᵀ dy                       that is, dv_j = Σ_t s_tj dy_t
#     (4)  da_tj    = s_tj dy_t · (v_j − y_t)
#     (5)  dqueries = da keys / √K
#     (6)  dkeys    = daᵀ queries / √K
#     (7)  dW_Q = xᵀ dqueries,   dW_K = xᵀ dkeys,   dW_V = xᵀ dv
#     (8)  dx   = dqueries W_Qᵀ + dkeys W_Kᵀ + dv W_Vᵀ
#
# In (8) x has had three uses, so it has three gradients, and they add up. What is
# computed from what, and so what a mistake can reach:
#
#     dout ─┬─→ dW_O
#           └─→ dy ─┬─→ dv ─────────────────┬─→ dW_V
#                   │                       └─→ dx
#                   └─→ da ─┬─→ dqueries ───┬─→ dW_Q
#                           │               └─→ dx
#                           └─→ dkeys ──────┬─→ dW_K
#                                           └─→ dx
#
# A mistake spoils what lies to the right of it, and nothing else. Here is the layer as
# code: @ is the matrix product, .T is ᵀ. `check_pair` takes the two functions and the
# inputs, draws a dout at random, moves each number of each input by h = 1e-5, and
# prints a row for each.

# %%
def forward(x, W_Q, W_K, W_V, W_O):
    queries, keys, v = x @ W_Q, x @ W_K, x @ W_V
    a = queries @ keys.T / math.sqrt(keys.shape[1])
    y, cache = attention.attend_forward(a, v)
    return y @ W_O, (x, W_Q, W_K, W_V, W_O, queries, keys, y, cache)


def backward_with(keys_gradient):
    """The backward of `forward`, with line (6) as a function of da and the queries."""
    def backward(dout, saved):
        x, W_Q, W_K, W_V, W_O, queries, keys, y, cache = saved
        dW_O = y.T @ dout  # (1)
        dy = dout @ W_O.T  # (2)
        da, dv = attention.attend_backward(dy, cache)  # (3), (4)
        da = da / math.sqrt(keys.shape[1])  # for (5) and (6)
        dqueries = da @ keys  # (5)
        dkeys = keys_gradient(da, queries)  # (6)
        dW_Q, dW_K, dW_V = x.T @ dqueries, x.T @ dkeys, x.T @ dv  # (7)
        dx = dqueries @ W_Q.T + dkeys @ W_K.T + dv @ W_V.T  # (8)
        return dx, dW_Q, dW_K, dW_V, dW_O
    return backward


shapes = {"x": (4, 6), "W_Q": (6, 5), "W_K": (6, 5), "W_V": (6, 2), "W_O": (2, 3)}
inputs = {name: run.rng.normal(size=shape) for name, shape in shapes.items()}
right_one = backward_with(lambda da, queries: da.T @ queries)
right_rows = gradcheck.check_pair(forward, right_one, inputs, name="right")
print(*right_rows, sep="\n")
run.claim("the layer worked by hand is right: every gradient within 1e-7",
          max(row.error for row in right_rows) < 1e-7)

# %% [markdown]
# Each row says: what was checked, the input (the row of x is about dx), its shape, how
# many numbers, the relative error, and the worst number, by hand and by differences.
# All five errors are near 1e-10 or below. The layer is right.
#
# Now forget the transposition in line (6). There are four tokens, so da is 4 by 4, and
# `da @ queries` has the same shape as `da.T @ queries`: nothing crashes.
#
# **Predict** which of the five gradients fail. Follow the arrows from dkeys.

# %%
wrong_one = backward_with(lambda da, queries: da @ queries)
wrong_rows = gradcheck.check_pair(forward, wrong_one, inputs, name="da not transposed")
print(*wrong_rows, sep="\n")

# %% [markdown]
# dW_K and dx, and no other: the two to the right of dkeys. The numbers of the other
# three are the same as before to the last digit.
#
# So what fails tells where to look, if one line is wrong:
#
#     fails                        line
#     dW_K and dx                  dkeys
#     dW_Q, dW_K and dx            da
#     all but dW_O                 dy
#     dx alone                     (8)
#     one dW alone                 its line in (1) or (7): nothing lies to its right
#
# Two wrong lines can look like one: dqueries and dkeys together look like da.
#
# ## 3. Eight mistakes
#
# The same with the library's layer. It has several heads: each has matrices of its own,
# all read the same x, and their outs are added. It also takes several sequences at
# once. The library calls queries q, and keys k, and a row times a matrix *linear*. Here
# there are 3 heads with K = 5, and 2 sequences of 4 tokens: x has 8 rows, of six
# numbers each.
#
# `mutants.MUTANTS` is a list of eight mistakes. For each it names a function, a piece
# of its source, what stands there instead, and the gradients that should fail. In the
# block `with mutants.broken(...)` the function runs with that piece. A `case` is the
# layer, a way to draw its inputs, and their names (`wrt`). `check` does with a case
# what `check_pair` does.
#
#     mistake                              line
#     row sum forgotten in softmax         (4): v_j in place of v_j − y_t
#     scale missing in dq                  (5): no 1/√K
#     da not transposed in dk              (6)
#     s not transposed in dv               (3)
#     wrong sign in da                     (4)
#     wrong sign in dx of linear           (2) and (8), wherever a Wᵀ stands
#     mean instead of sum in dW            (1) and (7): divided by the number of rows
#     one of three uses of x forgotten     (8)
#
# **Predict.** If da has the wrong sign, which gradients are still right? And if every
# dx of linear has the wrong sign, in (2) and in (8), is the layer's own dx right?

# %%
case = next(case for case in gradcheck.cases() if case.name == "self_attention")


def errors_with(function, right, wrong):
    with mutants.broken(function, right, wrong):
        return [row.error for row in gradcheck.check(case)]


def failing(found):
    return {name for name, off in zip(case.wrt, found) if off > gradcheck.TOLERANCE}


names, chart, as_expected = [], [], []
for mutant in mutants.MUTANTS:
    found = errors_with(mutant.function, mutant.right, mutant.wrong)
    names.append(mutant.mistake)
    chart.append(found)
    as_expected.append(failing(found) == mutant.breaks)
run.figure(draw.mistakes(chart, names, case.wrt), "mistakes",
           "Relative errors of five gradients, a row for each of eight mistakes: which "
           "gradients fail tells which line is wrong.")
run.claim("each of eight mistakes shows in the gradients where it should, and in no other",
          all(as_expected))

# %% [markdown]
# A field is pale where the error is small. With the wrong sign in da, dW_O and dW_V are
# pale: they never see da. dW_Q and dW_K have an error of exactly 1, a wrong sign.
#
# With the wrong sign in every dx of linear, the layer's own dx is *right* (the green
# frame). Every way from dout to dx passes two such lines, (2) and then (8), and the two
# signs cancel. With the mean in dW dx is right as well, for a plainer reason: it never
# uses a dW. So one right gradient proves nothing about the others: check them all.
#
# The sizes speak too. Without the 1/√5 in (5) dW_Q is √5 times too large:
#
#     (√5 − 1) / (√5 + 1) = 1.236 / 3.236 = 0.38
#
# With the mean over 8 rows in place of the sum each dW is 1/8 of what it should be:
#
#     (1 − 1/8) / (1 + 1/8) = 7/9 = 0.78
#
# Both stand in the chart.
#
# ## 4. Four to find
#
# Four more backward passes of the same layer, each with something wrong. Their errors:
#
#     patient      dx        dW_Q      dW_K      dW_V      dW_O
#     right       8e-11      4e-11     4e-11     8e-12     5e-12
#     1           0.33       0.38      0.38      8e-12     5e-12
#     2           8e-11      0.713     0.713     8e-12     5e-12
#     3           0.65       4e-11     4e-11     1.00      5e-12
#     4           8e-9       4e-11     4e-11     1e-8      5e-12
#
# The right dW_Q has the length 33.5, the right dW_K 26.0.
#
# **Predict** each line and what is wrong with it. What fails together gives the line,
# by the arrows; the size gives the kind. The answers are the broken pieces in the next
# cell: first the right piece of the library's source, then what stands there instead.
# (`heads_first` only moves axes.)

# %%
layer = attention.self_attention_backward
patients = [
    ("1", attention.multihead_backward, "da = da / math.sqrt(q.shape[-1])", "da = 1.0 * da",
     {"x", "W_Q", "W_K"}),
    ("2", layer, "return dx, dW_Q, dW_K", "return dx, dW_K, dW_Q", {"W_Q", "W_K"}),
    ("3", layer, "heads_first(dv), cache.v", "-heads_first(dv), cache.v", {"x", "W_V"}),
    ("4", layer, "heads_first(dv), cache.v", 'heads_first(dv).astype("float32"), cache.v', set()),
]
found_out = []
for number, function, right, wrong, where in patients:
    found = errors_with(function, right, wrong)
    found_out.append(failing(found) == where)
    print(f"{number}:  {right}\n    {wrong}")
    print("      ", "   ".join(f"d{name} {off:.3g}" for name, off in zip(case.wrt, found)))
run.claim("the four broken backwards fail where the arrows say", all(found_out))

# %% [markdown]
# 1. dW_Q and dW_K fail, dW_V does not: the line is da. 0.38 is the factor √5 again, in
#    both: the scale is missing in da. By the lines above it could also be (5) and (6),
#    each without its 1/√K. The library, as our code did, divides da by √K once, before
#    both.
# 2. The same two fail, and dx is right. So it is line (7), or what is done with its
#    results. A factor of 6, as x has rows of six numbers, would give 5/7 = 0.714: near,
#    but not it. Two gradients that have nothing to do with each other are nearly at
#    right angles, and for lengths b and c their error is √(b² + c²) / (b + c). For
#    equal lengths that is √2/2 = 0.707, and for 33.5 and 26.0 it is 0.713: the results
#    are exchanged, and W_K's gradient is returned as W_Q's.
# 3. dW_V fails with 1, and dx with it: dv has the wrong sign, or is forgotten. The size
#    cannot tell which; it is the sign.
# 4. Nothing fails at 1e-7. But dW_V is off by 1e-8, a thousand times more than it is
#    otherwise, and dx by 8e-9, a hundred times. That is below float32's ε, 6e-8, the
#    most by which what it keeps of a number near 1 is off. The lines are right: dv
#    passes through float32 on its way.
#
# ## 5. The doctor
#
# This reading can be left to a program. `check` has a sentence for each row that is
# wrong, its *finding*. It comes from `tinyattn.doctor`, which tries the known kinds of
# mistakes one after the other on the numbers and names those that fit: a sign, one
# factor and the size that it comes from, a transposition, a use that is forgotten, and
# others. It has no arrows, only the numbers.
#
# x has three uses. In patient 1 two of them are wrong, in patient 3 one is. **Predict**
# for which of the two it can say what is wrong with dx.

# %%
for number, function, right, wrong, _ in (patients[0], patients[2]):
    with mutants.broken(function, right, wrong):
        rows = gradcheck.check(case)
    print(f"{number}:")
    for row in rows:
        if row.wrong and row.tensor != "W_K":
            print(f"    d{row.tensor}: {row.finding}")

# %% [markdown]
# For patient 3: "what x gives through W_V has the wrong sign". How does it know? What x
# gives through W_V is dv W_Vᵀ. Multiply that with x, entry by entry, and add up over
# all tokens t, for one of the six numbers f of a token:
#
#     Σ_t x_tf (dv W_Vᵀ)_tf = Σ_t Σ_c x_tf dv_tc W_fc
#
# Here c are the columns of W_V. dW_V is xᵀ dv, so dW_fc = Σ_t x_tf dv_tc, and this is
#
#     Σ_c W_fc dW_fc
#
# The right dW_V is known from differences. So for each f the doctor knows what each use
# of x should have given, summed over tokens. What dx lacks, multiplied with x and
# summed likewise, is twice what the use through W_V should have given, for each of the
# six f: a sign is turned there.
#
# For patient 1 it says "none of the known kinds": no single use explains what dx lacks.
# It adds where dx is most and least wrong, and what to mend first: W_Q and W_K. Of W_Q
# it names the factor, √5, the root of the size of a key.

# %%
run.compare([
    ("slopes of the V, left and right", "-1, 2", f"{slopes[0]:.2f}, {slopes[1]:.2f}"),
    ("least error, float64", 4e-11, least["float64"]),
    ("least error, float32", 3e-5, least["float32"]),
    ("the layer by hand: largest error", "< 1e-7", max(row.error for row in right_rows)),
    ("mistakes that show where they should", 8, sum(as_expected)),
    ("broken backwards that do", 4, sum(found_out)),
], before="foretold")
run.finish({"queries": len(many)}, slopes=slopes, least=least, mistakes=sum(as_expected))

# %% [markdown]
# **What was asked.** How do you know that a gradient is right? Move each number by
# 1e-5, up and down, in float64, and compare: a right gradient agrees to about ten
# digits. Which line is wrong? The one from which the arrows lead to all gradients that
# fail, and to no other.
#
# **Why.** *That the error is a V* was worked out: h² is what Taylor's series leaves,
# ε/h what rounding leaves, and the measured slopes are 2 and −1. *That a mistake spoils
# what is computed from it and nothing else* follows from the order of the lines, and
# was tried: each of eight mistakes was put in, and everything else left as it was.
#
# **What surprises in the pictures.** A shorter step makes it worse: at h = 1e-12 a
# right gradient looks as wrong as at h = 0.08. And in the chart a wrong sign in two
# places leaves dx exact.

# %% [markdown]
# ## Exercises
#
# 1. (3 minutes, easy) Only dW_Q and dx fail, and dW_Q's error is 1/3. Which line is it,
#    and by which factor can it be off?
# 2. (5 minutes, medium) The one-sided difference (L(a + h) − L(a)) / h has an error of
#    about h + ε/h. Where is it least, and how large is it there, for ε = 1.1e-16?
# 3. (8 minutes, hard) Line (3) uses s where it should use sᵀ, and there are as many
#    queries as keys. Which gradients fail? The check is run with all tokens equal, each
#    row of x the same. Does it still show?

# %% [markdown]
# ## Answers
#
# 1. dqueries, (5). |factor − 1| / (factor + 1) is 1/3 for 2 and for 1/2.
# 2. The derivative 1 − ε/h² is 0 at h = √ε = 1e-8, and there the error is
#    2 √ε = 2e-8: five hundred times the 4e-11 foretold for the central difference.
# 3. dW_V and dx, to the right of dv; the chart has this mistake. With equal tokens all
#    scores are equal, and so is all attention. A matrix of equal numbers is its own
#    transpose: it does not show. Check with random inputs, and with sizes that differ.
