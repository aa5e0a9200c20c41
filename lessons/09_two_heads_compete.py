# %% [markdown]
# # Two heads compete
#
# One leftover moves all heads, and nothing in it says which head is which.
#
# **Question.** Several heads read the same input and could share the work. Why do they
# all first learn the same thing, and what parts them?
#
# **You see** two heads and two features, worked on paper; both heads on one feature;
# why it pays to part, in four cells; and what parts them: not noise that they share.
# **Takes** 25 minutes to read, 15 seconds to run.

# %%
import numpy as np

import lesson
from drawings import two_heads_compete as draw
from tinyattn import ode, ops
from tinyattn.flows.factorization import target
from tinyattn.hold import hold

run = lesson.start("09_two_heads_compete")

# %% [markdown]
# ## 1. What is wanted: a table
#
# An input has two positions. At position 1 stands a random number x₁, at position 2 a
# random number x₂. They are independent of each other; each has mean 0, and its square
# has mean 1.
#
# Two numbers are to be written. Call each thing that can be written a *feature*:
#
#     feature 1 is to be 3 x₁
#     feature 2 is to be 1 x₂
#
# Put this into a table G, features down, positions across:
#
#                   position 1   position 2
#     feature 1          3            0
#     feature 2          0            1
#
# Feature 1 stands at position 1 and counts three times as much as feature 2, which
# stands at position 2.
#
# ## 2. What one head can hold
#
# A head looks and writes. Where it looks is its attention s, two numbers that sum to 1;
# s is the softmax of its two scores a (lesson 01). The scores are numbers of the head's
# own, the same for all inputs. What it writes is a list V, a number for each feature.
# The value of a position, which in lesson 01 was given, is here V times the number that
# stands there.
#
# Take V = (2, 1) and s = (0.75, 0.25). The head reads the one number
#
#     s·x = 0.75 x₁ + 0.25 x₂
#
# and writes 2 times that as feature 1, and 1 times that as feature 2:
#
#     feature 1:  2 · 0.75 x₁ + 2 · 0.25 x₂ = 1.5 x₁ + 0.5 x₂
#     feature 2:  1 · 0.75 x₁ + 1 · 0.25 x₂ = 0.75 x₁ + 0.25 x₂
#
# So a head holds a table too. The cell of a feature and a position is what it writes of
# the feature times how much it looks at the position:
#
#                   position 1           position 2
#     feature 1     2 · 0.75 = 1.5       2 · 0.25 = 0.5
#     feature 2     1 · 0.75 = 0.75      1 · 0.25 = 0.25
#
# Its second row is its first row, halved. The rows of one head are always multiples of
# each other, since all of them are multiples of s. The rows of G, (3, 0) and (0, 1),
# are not. One head alone cannot hold G. Two can: their tables add up.
#
# Call the sum of the heads' tables Y. What is wanted and not yet written is *left
# over*:
#
#     R = G − Y
#
# Name its cells by feature and position, in this order: R₁₂ is what is left over of
# feature 1 at position 2. If the head above is all that there is,
#
#     R₁₁ = 3 − 1.5 = 1.5          R₁₂ = 0 − 0.5 = −0.5
#     R₂₁ = 0 − 0.75 = −0.75       R₂₂ = 1 − 0.25 = 0.75
#
# ## 3. The loss is the size of what is left over
#
# For an input (x₁, x₂) feature 1 is wrong by the first row of R, applied to it:
#
#     error of feature 1 = 1.5 x₁ − 0.5 x₂
#
# Its square is
#
#     2.25 x₁² − 1.5 x₁ x₂ + 0.25 x₂²
#
# Now the mean over all inputs. The mean of x₁² is 1, and that of x₂² is 1. The
# positions are independent, so the mean of x₁ x₂ is the product of their means, 0 · 0.
#
#     mean square of feature 1's error = 2.25 − 0 + 0.25 = 2.5
#
# The squares of the row's two cells, added up. For feature 2 the same:
#
#     mean square of feature 2's error = 0.75² + 0.75² = 1.125
#
# The loss L is half of the mean squared error of both: (2.5 + 1.125)/2 = 1.8125. Write
# |R|² for the sum of the squares of all four cells. Then
#
#     L = |R|² / 2
#
# The random inputs are gone. From here on learning is about four cells.

# %%
G = np.array([[3.0, 0.0], [0.0, 1.0]])
V_example = np.array([2.0, 1.0])
s_example = np.array([0.75, 0.25])
R_example = G - np.outer(V_example, s_example)  # outer: each number of V times each of s
x = run.rng.normal(size=(100_000, 2))  # inputs, one in a row
errors = x @ R_example.T  # for each input, the errors of features 1 and 2
print("mean over 100,000 inputs:", (errors**2).sum(axis=1).mean() / 2)
print("half the squares of R:   ", (R_example**2).sum() / 2)

# %% [markdown]
# The second number is 1.8125, as on paper. The first comes near it, by chance a
# hundredth off or so.
#
# ## 4. What moves a head
#
# Both heads go down the loss (lesson 04: a flow). Let us find the speeds of one head.
#
# *What it writes.* Raise V of feature 1 by a little. Then Y gains s₁ times that little
# at position 1, and s₂ times it at position 2, and R loses the same. When R₁₁ falls by
# s₁ times a little, R₁₁²/2 falls by R₁₁ times that, as its derivative is R₁₁. With the
# same for R₁₂, the loss falls by R₁₁ s₁ + R₁₂ s₂ times the little. That is the slope
# that leads down, and so the speed of the flow. For both features:
#
#     dV₁/dt = R₁₁ s₁ + R₁₂ s₂
#     dV₂/dt = R₂₁ s₁ + R₂₂ s₂           in short:  dV/dt = R s
#
# *A head learns to write what is left over where it looks.*
#
# *Where it looks.* Raise the attention on position 1 by a little. Then Y gains V₁ of
# that in feature 1, and V₂ of that in feature 2. So the loss falls by g₁ times the
# little, where g₁ is what is left over at position 1, weighed by what the head writes:
#
#     g₁ = R₁₁ V₁ + R₂₁ V₂
#     g₂ = R₁₂ V₁ + R₂₂ V₂               in short:  g = Rᵀ V
#
# Attention itself is not free, it must sum to 1; scores are. In lesson 01 the output
# was y = Σ s v, an average of values, and
#
#     ∂y/∂a₁ = s₁ (v₁ − y)
#
# Here g stands where v stood: by so much the loss falls when attention on that position
# rises. And where y stood there is the average of g,
#
#     s·g = s₁ g₁ + s₂ g₂
#
# The scores follow the slope that leads down the loss, so there is no other sign to
# mind:
#
#     da₁/dt = s₁ (g₁ − s·g)
#     da₂/dt = s₂ (g₂ − s·g)             in short:  da/dt = J(s) g
#
# A score rises where g is above its average, by the attention that is there. J(s) is
# the name of this step, softmax's derivative.
#
# Both heads follow these lines, each with its own V and s, and both with the same R:
#
#                 R = G − Y, what is left over
#                    |                  |
#                    v                  v
#                 head 1             head 2
#                  V, s               V, s
#                    |                  |
#                    +-----> Y <--------+       the sum of what they hold
#
# ## 5. The first push, by hand
#
# Both heads start with V = (0, 0) and s = (1/2, 1/2). Nothing is written, so R = G.
#
#     dV₁/dt = 3 · ½ + 0 · ½ = 1.5
#     dV₂/dt = 0 · ½ + 1 · ½ = 0.5
#
# And g = 0, as V = 0: nothing turns yet. After a short time of 0.01 each head writes V
# = (0.015, 0.005). Each cell of a head's table is half of its V, and there are two
# heads, so the table of both is
#
#     Y = [[0.015, 0.015], [0.005, 0.005]]
#     R = [[2.985, −0.015], [−0.005, 0.995]]
#
# Now attention is pulled:
#
#     g₁ = 2.985 · 0.015 − 0.005 · 0.005 = 0.04475
#     g₂ = −0.015 · 0.015 + 0.995 · 0.005 = 0.00475
#     s·g = ½ · 0.04475 + ½ · 0.00475 = 0.02475
#     da₁/dt = ½ (0.04475 − 0.02475) = 0.01
#     da₂/dt = ½ (0.00475 − 0.02475) = −0.01
#
# These are the lines of one head. **Predict:** to which position does the other turn?

# %%
EYE = np.eye(2)


def speeds(V, a, seen=(EYE, EYE)):
    """dV/dt and da/dt of both heads, a row for each; what `seen` is comes in section 9."""
    # In code dV and da are these speeds. In lesson 01 they were gradients: the other sign.
    s, _ = ops.softmax_forward(a)  # of each row
    R = G - np.outer(V[0], s[0]) - np.outer(V[1], s[1])
    dV, da = np.zeros((2, 2)), np.zeros((2, 2))
    for head in (0, 1):
        told = R @ seen[head]  # all of R, until section 9
        dV[head] = told @ s[head]
        g = told.T @ V[head]
        da[head] = s[head] * (g - s[head] @ g)
    return dV, da


nothing = np.zeros((2, 2))
print("dV/dt at the start:", *speeds(nothing, nothing)[0])
little = np.array([[0.015, 0.005], [0.015, 0.005]])
print("da/dt at t = 0.01: ", *speeds(little, nothing)[1])

# %% [markdown]
# To position 1, as the first does, and as fast: the digits are those of the paper. Head
# 2 has the same V and s and is told the same R, and nothing else enters the lines.
#
# Why position 1? Leave out the products of two small numbers. Then g₁ is 3 · 0.015 and
# g₂ is 1 · 0.005. The 3 of feature 1 counts twice: it made the heads write feature 1
# three times as fast, and what they write finds three times as much left over there.
#
#     g₁ : g₂ = 3 · 3 : 1 · 1 = 9 : 1
#
# With all kept it is 9.4 : 1. So from V = (0, 0) and even attention a head is drawn to
# the feature that counts most. With the 3 and the 1 of G exchanged that is feature 2,
# and position 2.
#
# ## 6. Alike stays alike
#
# In lesson 04 the difference u − v stayed 0 once it was 0. Subtract one head's line for
# V from the other's. R is the same in both:
#
#     d(V of head 1 − V of head 2)/dt = R (s of head 1 − s of head 2)
#
# If both look alike, the bracket is 0, and what they write stays as different as it is.
# If they look alike and write alike, their g is the same too, and so is da/dt. So two
# heads that start alike stay alike. This is *derived*: it follows from the lines.
#
# What can two heads do that are alike? Both write one V and look with one s, and
# together they hold 2 V s: a table whose rows are multiples of each other, as if they
# were one head. Section 8 shows that none of these comes below L = 1/2. This one has
# 1/2, feature 1 shared:
#
#     V = (1.5, 0)      s = (1, 0)      Y = [[3, 0], [0, 0]]      R = [[0, 0], [0, 1]]
#
# Heads that sit together on one feature are a *crowd*.
#
# **Predict.** Start the heads alike and wait till t = 2000. How large is the difference
# between them then, and do they reach s = (1, 0)? And one head alone, which shares R
# with nobody: where does it go?

# %%
FEATURE_2, SCORE_2 = 1, 3  # a head's state is the row V₁, V₂, a₁, a₂
# Section 4 for any G: what counts, and at how many positions; "logits": with scores.
flow = target([3.0, 1.0], 2, "logits")
accurate = dict(method="rk45", rtol=1e-6 if run.quick else 1e-9, atol=1e-13)  # far below ε
times = np.unique([*np.geomspace(0.1, 2000, 400), 20, 200, 2000])


def follow(start, end=2000, flow=flow):
    """Times up to `end`, and the states on the way there."""
    path = ode.integrate(flow, (0, end), start, t_eval=times[times <= end], **accurate)
    return path.t, path.y


some = run.rng.normal(size=(2, 4))  # any state: the library's lines and ours, compared
ours = np.hstack(speeds(some[:, :2], some[:, 2:]))
print("flow less speeds:", np.abs(flow(0.0, some) - ours).max())

_, alike = follow(flow.start(2, 0.0))  # two heads, V = 0, scores apart by 0: all 0
V, s = flow.split(alike)
print("   t   V of head 1     s of head 1        loss    1/(4√t)")
for t in (20, 200, 2000):
    at = np.flatnonzero(times == t)[0]
    values, looks = V[at, 0].round(3), s[at, 0].round(4)
    loss = flow.loss(alike[at])
    print(f"{t:4}   {values}   {looks}   {loss:.4f}   {0.25 / np.sqrt(t):.4f}")
difference = np.abs(alike[:, 0] - alike[:, 1]).max()
print("largest difference between the heads, all the way:", difference)
_, lone = follow(flow.start(1, 0.0), end=200)
lone_V, lone_s = flow.split(lone[-1])
print("one head alone, t = 200:", lone_V[0].round(2), lone_s[0].round(3))
run.claim("heads that start alike stay alike to the last bit", bool(difference == 0))

# %% [markdown]
# The difference is 0, exactly: also on the machine both heads go through the same
# operations with the same numbers. The loss comes to rest near 1/2.
#
# And they do not reach s = (1, 0). Some attention is left on position 2, call it δ:
# 0.055 at t = 20, 0.018 at 200, 0.0056 at 2000. It falls, but ever more slowly, close
# to 1/(4√t), the last column. Lesson 10 derives that. Softmax gives exactly 0 only to a
# score that lies infinitely far below the other. There, at V = (1.5, 0) and s = (1, 0),
# nothing would move:
#
#     dV/dt = R s = (0, 0)        g = Rᵀ V = (0, 0)
#
# The place of rest is at infinite scores; the crowd is on its way to it for ever.
#
# One head alone goes the same way: V = (3.04, 0.01) and s = (0.988, 0.012) at t = 200.
# So it is not because they share R that both go to feature 1. What we *held*, as in
# lesson 03, is the other head, at nothing. The end stayed the same. Each goes there by
# itself. The 9 : 1 of section 5 gives the direction only at first. Soon, for the lone
# head from about t = 0.5 on, g₂ is negative: what it writes of feature 1 at position 2
# is too much there. Starts other than V = 0 with even attention were not tried here.
# What sharing R does is the next section.
#
# ## 7. Why it pays to part: four cells
#
# Is the crowd's place of rest the bottom of the loss? It has L = 1/2. Stand near it:
# both heads write (1.5, 0) and look (0.9, 0.1). The heads of the run write a little
# more, 0.008 and 0.003 at t = 2000, both the same. We leave that out, as we ask what a
# *difference* between the heads does. Together they hold
#
#                   position 1                        position 2
#     feature 1     1.5 · 0.9 + 1.5 · 0.9 = 2.7       1.5 · 0.1 + 1.5 · 0.1 = 0.3
#     feature 2     0                                 0
#
# Feature 1 lacks 0.3 at position 1 and has 0.3 too much at position 2. All of feature 2
# is missing, its 1 at position 2. The loss is
#
#     0.3²/2 + 0.3²/2 + 1²/2 = 0.045 + 0.045 + 0.5 = 0.59
#
# To fetch feature 2 a head has to write it *and* to look at position 2. Let head 1 do
# 0.1 more of both, and head 2 as much less:
#
#     head 1 writes (1.5, 0.1)      and looks (0.8, 0.2)
#     head 2 writes (1.5, −0.1)     and looks (1.0, 0.0)
#
# The cells of both, what head 1 holds plus what head 2 holds:
#
#     feature 1, position 1:   1.5 · 0.8 + 1.5 · 1.0 = 2.7
#     feature 1, position 2:   1.5 · 0.2 + 1.5 · 0.0 = 0.3
#     feature 2, position 2:   0.1 · 0.2 − 0.1 · 0.0 = 0.02
#     feature 2, position 1:   0.1 · 0.8 − 0.1 · 1.0 = −0.02
#
# Feature 1 is as before. Of feature 2 there is now 0.02 where 1 is wanted, a gain, and
# −0.02 where nothing is wanted, a cost. The loss is
#
#     0.045 + 0.045 + 0.98²/2 + 0.02²/2 = 0.09 + 0.4802 + 0.0002 = 0.5704
#
# It has fallen. Now with letters: δ is the attention left on position 2, β the more of
# writing, γ the more of looking.
#
#     head 1 writes (1.5, β)      and looks (1 − δ − γ, δ + γ)
#     head 2 writes (1.5, −β)     and looks (1 − δ + γ, δ − γ)
#
# In feature 1 the heads write the same, and what one looks more the other looks less:
# its cells stay as they were. Those of feature 2 are
#
#     feature 2, position 2:   β (δ + γ) − β (δ − γ) = 2 β γ
#     feature 2, position 1:   β (1 − δ − γ) − β (1 − δ + γ) = −2 β γ
#
# Feature 2's part of the loss was 1/2 and becomes
#
#     (1 − 2 β γ)² / 2 + (2 β γ)² / 2 = 1/2 − 2 β γ + 4 β² γ²
#
# The gain counts once and the cost only squared, so for small βγ > 0 the loss falls.
# Mind that attention is never below 0, so that γ is at most δ.
#
# **Predict** the loss if head 1 looks more at position 2 but writes *less* of feature
# 2: β = −0.1, γ = 0.1. And with β = 0.1 alone, γ = 0?

# %%
def loss_of(beta, gamma, delta=0.1):
    """The loss of the two heads above."""
    head_1 = np.outer([1.5, beta], [1 - delta - gamma, delta + gamma])
    head_2 = np.outer([1.5, -beta], [1 - delta + gamma, delta - gamma])
    return ((G - head_1 - head_2) ** 2).sum() / 2


for beta, gamma in ((0.0, 0.0), (0.1, 0.1), (-0.1, 0.1), (0.1, 0.0), (0.0, 0.1)):
    print(f"β = {beta:4}, γ = {gamma:3}: loss {loss_of(beta, gamma):.4f}")

# %% [markdown]
# It rises to 0.6104: 2βγ is negative. And either of the two alone leaves it at 0.59.
# What counts is the *product* βγ, as u v was in lesson 04. The slopes that lead down,
# for small β and γ, are
#
#     −∂L/∂β = 2 γ        −∂L/∂γ = 2 β
#
# So each is pushed by the other, and where both are 0 neither is pushed. If both grow
# positive, head 1 leaves for feature 2; if both grow negative, head 2 does.
#
# How fast does β grow? V₂ moves by what is left over where its head looks (section 4).
# Of feature 2 all of the 1 is left, at position 2, so head 1's V₂ moves at δ + γ and
# head 2's at δ − γ. The δ moves both alike. Half of the difference is left for β:
#
#     dβ/dt = γ
#
# That is half of the slope 2γ. As β raises the one V₂ and lowers the other, its slope
# is that of head 1's V₂ less that of head 2's, (δ + γ) − (δ − γ) = 2γ. For γ the scores
# come between; lesson 10 works that out.
#
# Does the way down lead below the 1/2 of the place of rest? The 0.5704 is still above
# it: 0.09 of it is feature 1's, 9 δ² in letters. Stand nearer, with δ = γ = 0.01 and β
# = 0.1. Then 2βγ = 0.002, and
#
#     L = 9 · 0.01² + 0.998²/2 + 0.002²/2 = 0.0009 + 0.498002 + 0.000002 = 0.498904
#
# That is below 1/2. With δ = γ = β/10 it is so for every small β:
#
#     9 δ² − 2 β γ + 4 β² γ² = 0.09 β² − 0.2 β² + 0.04 β⁴ = −0.11 β² + 0.04 β⁴
#
# So as near as one likes to the place of rest there are lower places: it is no bottom.
# With βγ > 0 the way leads down, with βγ < 0 up: a saddle (lesson 04). But it is one at
# infinite scores: there δ = 0, γ is at most δ, and no head can turn. The crowd comes
# nearer to it for ever, and while it does, the room for γ gets smaller.
#
# So this is what it means that heads *compete*. Each by itself is drawn to feature 1.
# But all are told one leftover: what one of them writes, the others do not find any
# more. Together they have used feature 1 up, and the loss falls further only if they
# become different, by 2βγ.
#
# ## 8. A small difference, and what it needs
#
# Alike heads have β = γ = 0 and never leave. Make them different by little: add ε to
# head 2's score of position 2.
#
# We say that the heads have *parted* when the loss falls below 1/4, half of the 1/2 at
# which they rest together.
#
# **Predict.** Which head will leave for feature 2? From ε = 1e-2 they part at t = 88.5.
# When from ε = 1e-4, and from 1e-8?

# %%
parted = ode.event(lambda t, y: flow.loss(y) - 0.25, terminal=True)  # stop where this is 0


def wait(start):
    """When the loss falls below 1/4."""
    return ode.integrate(flow, (0, 1e4), start, events=parted, **accurate).first_times[0]


waits, paths = {}, {}
for eps in ("1e-2", "1e-4", "1e-8"):
    start = flow.start(2, 0.0)
    start[1, SCORE_2] += float(eps)  # of head 2: code counts heads from 0
    waits[eps] = wait(start)
    paths[eps] = follow(start, end=2.5 * waits[eps])
    _, states = paths[eps]
    wrote = states[-1, :, FEATURE_2].round(2)
    print(f"ε = {eps}: parted at {waits[eps]:.1f}; of feature 2 heads 1 and 2 end with {wrote}")
known = {"1e-2": 88.5, "1e-4": 263.0, "1e-8": 879.3}
run.claim("a difference of 1e-2, 1e-4, 1e-8 parts the heads at 88.5, 263.0, 879.3",
          all(abs(waits[eps] / known[eps] - 1) < 1e-3 for eps in known))

# %% [markdown]
# Head 2 leaves, each time. It looked more at position 2, a negative γ; that pushes β
# below 0, which pushes γ. From 1e-4 they part at 263.0, from 1e-8 at 879.3. In lesson
# 04 a wait was ln(1/ε) over a rate, so 1e-4 waited twice as long as 1e-2, and 1e-8
# twice as long as 1e-4. Here each is about three times the last: more. Lesson 10 says
# how much more, and why.
#
# Does it take both β and γ? *Hold* one of them: keep it still while everything else
# goes on (lesson 03). First keep the heads' V alike, so that β = 0: from every speed of
# V take its mean over the two heads and give it to both. They differ by 0.01 in a score
# of head 2. Then keep their scores alike in the same way, so that γ = 0; now they
# differ by 0.01 in what head 2 writes of feature 2.
#
# **Predict** the loss at t = 2000 in these two runs. Free, it is 0 by then.

# %%
def together(part):
    """A rule for `hold`: in these columns of the state both heads get their mean speed."""

    def rule(t, y, slope):
        slope = slope.copy()
        slope[:, part] = slope[:, part].mean(axis=0)
        return slope

    return rule


values, scores = slice(0, 2), slice(2, 4)
ends = {}
for held, kept, differ in (("β", values, SCORE_2), ("γ", scores, FEATURE_2)):
    start = flow.start(2, 0.0)
    start[1, differ] += 0.01
    _, states = follow(start, flow=hold(flow, together(kept)))
    ends[held] = float(flow.loss(states[-1]))
    print(f"{held} held at 0: loss {ends[held]:.4f} at t = 2000; free, parted at {wait(start):.1f}")
run.claim("with β or with γ held at 0 the loss stays above 1/2", min(ends.values()) > 0.5)

# %% [markdown]
# 0.5001 in both: nobody leaves. Each of the two needs the other; *held*, twice.
#
# It can also be *derived* that the loss cannot fall below 1/2 then. Let both heads look
# with the same s. There is an input with
#
#     s·x = 0        x₁² + x₂² = 1
#
# Both heads read 0 of it, and write 0. Wanted are 3 x₁ and x₂, so the errors of this
# input have the squares
#
#     9 x₁² + x₂² ≥ x₁² + x₂² = 1
#
# An error is a row of R times x. With an x of length 1 it is at most the length of that
# row. So the squares of all cells, |R|², are at least 1, and L is at least 1/2. That s
# sums to 1, or is positive, was not used: s can be any two numbers.
#
# Now let both heads write the same V. Turn every table on its side, positions down and
# features across. G stays as it is, V and s change places, and |R|² is the sum of the
# same squares. So this is the case above, with V for s, and again L is at least 1/2.
#
# ## 9. Does noise part them?
#
# Training sees batches, not the mean over all inputs. In a batch of 32 inputs the mean
# of x₁² is not 1 but perhaps 1.2, and that of x₁ x₂ not 0 but perhaps −0.1. Put these
# means into a table M, x₁ x₁ and x₁ x₂ in its first row, x₂ x₁ and x₂ x₂ in its second.
# In this batch it could be, and over all inputs it is,
#
#     M = [[1.2, −0.1], [−0.1, 0.8]]           M = [[1, 0], [0, 1]]
#
# The errors of an input are R x, and its loss is half of their squares. Raise V₁ by a
# little: the head writes s·x times that more of feature 1, and the error falls by as
# much. So half its square falls by the error times s·x, times the little:
#
#     (R₁₁ x₁ + R₁₂ x₂) (s₁ x₁ + s₂ x₂)
#
# The mean of this is dV₁/dt. Over all inputs the mean of x₁² and of x₂² is 1 and that
# of x₁ x₂ is 0, and R₁₁ s₁ + R₁₂ s₂ is left, as in section 4. In a batch these means
# are the cells of M, and what is left is R M s.
#
# Raise the attention on position 1 by a little: the two errors fall by V₁ x₁ and V₂ x₁
# times that, and the loss by x₁ times V·(R x). So g₁ is the mean of x₁ times V·(R x),
# and g₂ that of x₂ times it. In a batch this is M Rᵀ V. As x₁ x₂ is x₂ x₁, M turned on
# its side is M, so M Rᵀ is R M turned on its side:
#
#     dV/dt = R M s            g = M Rᵀ V = (R M)ᵀ V
#
# These are the lines of section 4 with R M for R; `seen` in the code is M. Over all
# inputs R M is R. A batch is noise: R M is another in each step.
#
# **Predict.** Two heads that start alike learn from noisy batches, 4000 steps of 0.05.
# First every batch is for both heads, as in any training. Then we change one thing:
# each head gets batches of its own, of the same size, so that each sees as much noise
# as before. In which of the two do they part?

# %%
def batch(rng):
    """The table M of 32 inputs."""
    x = rng.normal(size=(32, 2))
    return x.T @ x / 32


def descend(rng, own, steps=3000 if run.quick else 4000, step=0.05):
    """Descent from alike heads: when the loss fell below 1/4; the heads' differences at the end."""
    V, a = np.zeros((2, 2)), np.zeros((2, 2))
    parted_at = np.nan
    for n in range(1, steps + 1):
        one = batch(rng)
        other = batch(rng) if own else one
        dV, da = speeds(V, a, (one, other))
        V, a = V + step * dV, a + step * da
        s, _ = ops.softmax_forward(a)
        if np.isnan(parted_at) and ((G - V.T @ s) ** 2).sum() / 2 < 0.25:  # V.T @ s is Y
            parted_at = n * step
    return parted_at, float(np.abs(V[0] - V[1]).max()), float(np.abs(a[0] - a[1]).max())


same, own = [], []
for shared_rng, own_rng in zip(run.rng.spawn(3), run.rng.spawn(3)):  # three draws of batches
    _, in_V, in_scores = descend(shared_rng, own=False)
    same.append(max(in_V, in_scores))
    parted_at, far, _ = descend(own_rng, own=True)
    own.append(far)
    print(f"difference at the end: the same batches {same[-1]} in V and scores; "
          f"own batches {far:.2f} in V, parted at {parted_at:.1f}")
run.claim("batches that both heads see leave them alike to the last bit; own batches part them",
          max(same) == 0 and min(own) > 1)

# %% [markdown]
# The same batches: the difference is 0, exactly, in all three draws. Own batches: they
# part in all three, with seed 0 at t = 25.2, 55.6 and 60.2, and end more than 3 apart.
# So noise does not part heads; noise that *differs from head to head* does. *Held*: for
# each head the noise is the same in kind and size, and only its being shared was
# changed. One size was run, batches of 32.
#
# ## 10. All of it in one picture

# %%
t, states = paths["1e-2"]
V, s = flow.split(states)
tables = V[..., :, None] * s[..., None, :]  # for each time and head: V times s
moments = {f"t = {moment}": tables[t == moment][0] for moment in (20, 200)}
curves = {"alike: for ever": (times, flow.loss(alike))}
for eps, (t, states) in paths.items():
    curves[f"ε = {eps}: {waits[eps]:.1f}"] = t, flow.loss(states)
run.figure(draw.tables(G, moments, curves), "tables",
           "The wanted table, what each of two heads holds and what is left over, at two "
           "moments; below, the loss from three starts.")

end_V, end_s = V[-1], s[-1]
run.compare([
    ("crowd at t = 2000: V", "1.5, 0", ", ".join(f"{v:.3f}" for v in alike[-1, 0, :2])),
    ("    attention on position 2: 1/(4√t)", "0.0056", f"{flow.split(alike[-1])[1][0, 1]:.4f}"),
    ("    loss", 0.5, float(flow.loss(alike[-1]))),
    ("loss with β, with γ held at 0", "> 0.5", f"{ends['β']:.4f}, {ends['γ']:.4f}"),
    ("parted at, ε = 1e-2, 1e-4, 1e-8", None, ", ".join(f"{t:.1f}" for t in waits.values())),
    ("ε = 1e-2: feature 2, both at the end", 1, ", ".join(f"{v:.2f}" for v in end_V[:, 1])),
], before="on paper")
run.finish({"end": 2000, "batch": 32, "step": 0.05}, waits=waits, same_batches=same,
           own_batches=own, held=ends, end_V=end_V, end_s=end_s)

# %% [markdown]
# *First row, t = 20, ε = 1e-2.* Both heads hold feature 1, 1.51 and 1.48 of the 3. What
# is left over is feature 2, all of its 1, and −0.18: both still look a little at
# position 2 and write feature 1 there, where it is not wanted. The −0.06 is of feature
# 2 at position 1: head 2 writes 0.067 of feature 2, and looks there. Head 1 writes
# −0.004 of it, 0.07 less. It is −β that grows.
#
# *Second row, t = 200.* Nothing is left over, and yet the heads have not divided the
# work as one would: feature 1 to one, feature 2 to the other. In the framed cells head
# 2 writes 1.35 of feature 2 at position 1, where none is wanted, and head 1 writes
# −1.35 of it. In numbers, head 2 looks at both positions, and writes feature 2 from
# both:
#
#     head 2 at position 1:   2.36 · 0.571 = 1.35
#     head 2 at position 2:   2.36 · 0.429 = 1.01
#     head 1 at position 1:   −1.36 · 0.992 = −1.35
#
# What one head writes too much the other takes back. Only the sum is in the loss. And
# nothing will change it: R = 0, so both lines of section 4 are 0. *Derived.* How much
# is taken back hangs on how they came there: head 1 ends with −1.36, −1.45 and −1.53 of
# feature 2 for ε = 1e-2, 1e-4 and 1e-8. We have no formula for it.
#
# *Below.* All four curves fall together, from 5 at t = 0, and rest at 1/2. There the
# gain 2βγ is too small to be seen, while β and γ feed each other. The more alike the
# heads start, the longer. The curve of the alike ones, wide and grey, lies under the
# others and never leaves.
#
# **What was asked.** Why do several heads first learn the same thing? Each by itself is
# drawn to the feature that counts most, and nothing tells one head from another. What
# parts them? Together they have used that feature up, as all share one leftover, and
# only by becoming different can they gain more. It takes a difference that is there
# already, in the start or in the noise that each sees.
#
# **Why.** *That the first push sends both to position 1*: derived, by hand. *That each
# would go there by itself*: held, one head alone does. *That alike heads stay alike*:
# derived; and 0 exactly when run. *That parting pays, as what one writes is no longer
# left over for the other*: derived, 2βγ in one cell. *That it takes both, writing and
# looking*: held, β or γ kept at 0, and the loss stays above 1/2; and derived. *That
# noise parts only if each head has its own*: held, on three draws. Lesson 11 gives each
# of three heads a leftover of its own, and sees what is lost.
#
# **What surprises in the picture.** Parted heads do not divide the work cleanly. One
# writes feature 2 at both positions, and the other takes back the 1.35 that is too
# much.
#
# ## Exercises
#
# 1. Easy, 3 minutes. Write G as a sum of two tables that one head each can hold. Find a
#    second way in the figure.
# 2. Medium, 5 minutes. Start head 2 with V = (0, 0.1) and all else alike. Which feature
#    will head 2 take, and sooner or later than with ε = 1e-2 in a score? Then add three
#    lines after section 8: `start = flow.start(2, 0.0)`, `start[1, FEATURE_2] = 0.1`,
#    `print(wait(start))`.
# 3. Hard, 10 minutes. Let only head 1 look at position 2, so that γ = δ in section 7.
#    For a given β > 0, up to which δ is the loss below 1/2? What is that for β = 0.1?
#    Then run `print(loss_of(0.1, 0.022, 0.022), loss_of(0.1, 0.023, 0.023))`.

# %% [markdown]
# ## Answers
#
# 1. V = (3, 0) with s = (1, 0), and V = (0, 1) with s = (0, 1). The figure's second row
#    is another: the cells −1.35 and 1.35 add up to 0.
# 2. Feature 2: it writes more of it, so it is drawn to position 2. Sooner, at t = 37.
#    In section 8 a start of 0.01 in V took 90.7, and 0.01 in a score 88.5; 0.1 is ten
#    times as far apart.
# 3. With γ = δ the loss is 9 δ² + 1/2 − 2 β δ + 4 β² δ². It is below 1/2 if 9 δ + 4 β²
#    δ is less than 2 β, so up to δ = 2 β / (9 + 4 β²). For β = 0.1 that is 0.2/9.04 =
#    0.0221. The run: 0.49998 at 0.022 and 0.50018 at 0.023.
