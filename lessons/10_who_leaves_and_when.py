# %% [markdown]
# # Who leaves, and when
#
# The longer heads sit together, the more slowly they part.
#
# **Question.** Two heads differ by ε at the start. Which leaves the crowd, and when?
#
# **You see** two numbers that feed each other, worked from four cells; the rate at
# which they grow fall while they wait; the square of a logarithm, and the line that it
# becomes when the crowd is held; the head that will leave, named long before. **Takes**
# 35 minutes to read, 15 seconds to run.

# %%
import numpy as np

import lesson
from drawings import who_leaves_and_when as draw
from tinyattn import ode
from tinyattn.flows.factorization import target
from tinyattn.hold import hold

run = lesson.start("10_who_leaves_and_when")
flow = target([3.0, 1.0], 2, "logits")  # two heads, two features: lesson 09
# atol is far below the smallest ε here, 1e-10.
accurate = dict(method="rk45", rtol=1e-6 if run.quick else 1e-9, atol=1e-14)
FEATURE_2, SCORE_2 = 1, 3  # a head's state is the row V₁, V₂, a₁, a₂

# %% [markdown]
# ## 1. Three waits
#
# In lesson 09 two heads learnt the table G = [[3, 0], [0, 1]], features down, positions
# across. They first sat together on feature 1, a crowd, and one of them left for
# feature 2 later. How much later hung on ε, the first difference of the heads:
#
#     ε = 1e-2:    88.5
#     ε = 1e-4:   263.0        174.5 more
#     ε = 1e-8:   879.3        616.3 more
#
# A difference that grows at a fixed rate λ grows from ε to about 1 in ln(1/ε)/λ (lesson
# 04). From 1e-2 to 1e-4 the logarithm gains ln 100. From 1e-4 to 1e-8 it gains twice as
# much, so the wait should gain twice 174.5, which is 349. It gains 616. So the rate is
# not fixed. What is it?
#
# ## 2. The crowd, in four cells
#
# We look at the crowd first. Both heads look alike and write alike. Call δ the
# attention that each still has on position 2:
#
#     s = (1 − δ, δ)
#
# Together they hold Y = 2 V s. So of the line dV/dt = R s of lesson 09 this is left,
# with |s|² short for (1 − δ)² + δ²:
#
#     dV/dt = R s = G s − 2 |s|² V
#
# V comes to rest at the rate 2 |s|², about 2. Where they look, δ, moves far more
# slowly, as section 4 will show. So take V at rest, R s = 0. With G s = (3 (1 − δ), δ)
# this is
#
#     V₁ = 1.5 (1 − δ) / |s|²
#     V₂ = 0.5 δ / |s|²
#
# Now what is left over, R = G − Y, one cell a line. The first number is the feature,
# the second the position. As δ is small, |s|² is near 1, and we keep of each cell the
# largest part:
#
#     R₁₁ = 3 − 3 (1 − δ)² / |s|² = 3 δ² / |s|²  ≈  3 δ²
#     R₁₂ = 0 − 3 (1 − δ) δ / |s|²  ≈  −3 δ
#     R₂₁ = 0 − δ (1 − δ) / |s|²  ≈  −δ
#     R₂₂ = 1 − δ² / |s|² = (1 − δ)² / |s|²  ≈  1
#
# Feature 2 is left over, all of its 1, at position 2. That is what the heads could
# gain.
#
# **Predict** the four cells at t = 20, where δ is 0.055.

# %%
def crowd_at(t, eps=0.0):
    """The state at t of two heads that start alike, but for eps in head 2's score of position 2."""
    start = flow.start(2, 0.0)
    start[1, SCORE_2] += eps
    return ode.integrate(flow, (0, t), start, t_eval=[t], **accurate).y[0]


crowd = crowd_at(20)
V, s = flow.split(crowd)
delta = s[0, 1]  # head 1, position 2
print(f"δ = {delta:.4f}, V = {V[0].round(4)}")
print("R =", flow.residual(crowd).round(4).tolist())

# %% [markdown]
# On paper 3δ² = 0.009, −3δ = −0.166, −δ = −0.055, 1; in the run 0.0080, −0.1754,
# −0.0594 and 0.9965. With |s|² and all of 1 − δ kept, three of the cells are −0.1753,
# −0.0584 and 0.9966: the run's, to 0.001.
#
# R₁₁ is another case: with all kept it is 0.0103. Here V is not quite at rest. It is
# 1.5837 of feature 1, and at rest 1.5825. Two heads write 2 · 0.0012 · 0.94 = 0.0023
# more than at rest, and 0.0103 − 0.0023 is the run's 0.0080.
#
# ## 3. Two numbers that feed each other
#
# Now make the heads a little different, in the two ways that lesson 09 found to pay.
# Head 1 writes ν *more* of feature 2 than the crowd, and head 2 as much less. This is
# lesson 09's β. How much more a head looks, lesson 09's γ, comes from its scores. Head
# 1's score of position 2, less its score of position 1, is θ *higher* than the crowd's,
# and head 2's as much lower.
#
# What both hold together changes only by products of two small numbers, as 2βγ was one.
# So as long as ν and θ are small, R is the crowd's.
#
#     ν, writes more  ---------- 2 δ ν ---------->  θ, scores higher
#           ^                                              |
#           +--------------------- δ θ --------------------+
#
# *What θ does to ν.* Take θ = 0.01. A score that is 0.01 higher multiplies e^a by 1.01,
# and the sum of both, nearly all of it position 1's, hardly changes. So the attention
# on position 2 rises from 0.0554 by about a hundredth of itself:
#
#     head 1 looks δ θ = 0.0554 · 0.01 = 0.00055 more at position 2
#
# This is γ, then: γ = δ θ. How fast head 1's V₂ grows is what is left over where it
# looks:
#
#     dV₂/dt = R₂₁ s₁ + R₂₂ s₂
#
# R₂₂ is 1, and R₂₁ is small. So V₂ gains 0.00055 on the crowd's in each unit of time.
# It is lesson 09's dβ/dt = γ:
#
#     dν/dt = δ θ
#
# *What ν does to θ.* Take ν = 0.01. The pull on head 1's attention is what is left over
# at each position, weighed by what it writes, g = Rᵀ V. Its V₂ is 0.01 more, so
#
#     g₁ gains R₂₁ ν = −δ ν = −0.00055
#     g₂ gains R₂₂ ν = ν = 0.01
#     s·g gains (1 − δ) (−δ ν) + δ ν  ≈  0
#
# A score moves by its attention times (g less its average):
#
#     da₁/dt gains (1 − δ) (−δ ν)  ≈  −δ ν = −0.00055
#     da₂/dt gains δ ν = 0.00055
#
# Score 2 rises and score 1 falls, so their difference gains both:
#
#     dθ/dt = 2 δ ν
#
# *What was left out.* Parts of the size δ² θ and δ² ν, and in section 4 such parts will
# count. Here they cancel. V is at rest, so R₂₁ s₁ + R₂₂ s₂ = 0, which is
#
#     R₂₁ (1 − δ) = −R₂₂ δ
#
# *In the speed of ν.* Attention on position 2 rises by δ (1 − δ) θ, and that on
# position 1 falls by as much. So with all kept
#
#     dν/dt = (R₂₂ − R₂₁) δ (1 − δ) θ
#           = R₂₂ (1 − δ) δ θ + R₂₂ δ δ θ
#           = R₂₂ δ θ
#
# *In the speed of θ.* From ν, s·g gains (1 − δ) R₂₁ ν + δ R₂₂ ν, which is exactly 0.
# And the gain of a₁, (1 − δ) R₂₁ ν, is −R₂₂ δ ν:
#
#     da₁/dt gains −R₂₂ δ ν
#     da₂/dt gains R₂₂ δ ν
#     dθ/dt = 2 R₂₂ δ ν
#
# R₂₂ is 1 but for δ², so only parts of the size δ³ are missing.
#
# *In V₁.* The heads come to differ there too. Head 1 looks δ θ more at position 2 and
# as much less at position 1, so its V₁ gains
#
#     (R₁₂ − R₁₁) δ θ  ≈  −3 δ² θ
#
# Such a difference in V₁ gives g₂ − g₁ as much times R₁₂ − R₁₁, −3 δ, and θ then 2 δ
# times that. Next to what ν does, both ways are smaller by δ. In the rate they count
# together, with the size δ³.
#
# **Predict.** Nudge the crowd of t = 20 by θ = 0.01, and then by ν = 0.01. There are
# four speeds: dν/dt and dθ/dt, each time. What are they by the two lines?

# %%
def nudged(state, nu=0.0, theta=0.0):
    """The heads of a crowd, made different by ν and θ."""
    state = state.copy()
    for head, sign in ((0, 1), (1, -1)):  # head 1 more, head 2 less
        state[head, FEATURE_2] += sign * nu
        state[head, SCORE_2] += sign * theta
    return state


def half_difference(rows):
    """Half of head 1 less head 2: of what is written of feature 2, and of score 2 less score 1."""
    V_1, V_2, a_1, a_2 = (rows[0] - rows[1]) / 2
    return V_2, a_2 - a_1


for nu, theta in ((0.0, 0.01), (0.01, 0.0)):
    nu_speed, theta_speed = half_difference(flow(0.0, nudged(crowd, nu, theta)))
    print(f"ν = {nu:4}, θ = {theta:4}: dν/dt = {nu_speed:.5f}, dθ/dt = {theta_speed:.5f}")
nu, theta = half_difference(crowd_at(20, eps=0.01))
print(f"lesson 09's run from ε = 1e-2 at t = 20: θ = {theta:.3f}, √2 ν = {np.sqrt(2) * nu:.3f}")

# %% [markdown]
# By the two lines θ = 0.01 gives dν/dt = 0.00055 and dθ/dt = 0, and ν = 0.01 gives 0
# and 0.0011. Three of the four are found. The fourth is not: θ alone lowers dθ/dt, by
# 0.00024. Section 4 finds out why.
#
# Leave that aside, and θ and ν feed each other as u and v did in lesson 04. There the
# sum u + v changed by a multiple of itself. Here one of the two is fed twice as much,
# so weigh ν by some number C:
#
#     d(θ + C ν)/dt = 2 δ ν + C δ θ = C δ (θ + (2/C) ν)
#
# In the bracket stands the same sum again if 2/C = C, and that is C = √2 or C = −√2.
# The first is the one that grows:
#
#     lead = θ + √2 ν
#     d(lead)/dt = √2 δ · lead
#
# The *lead* of head 1 grows at the rate √2 δ. At t = 20 that is 1.414 · 0.0554 = 0.078.
# And θ − √2 ν shrinks at that rate, so θ and √2 ν come alike: −0.045 and −0.050 in the
# last line, where it is head 2 that leads. One direction grows and another shrinks: it
# is the saddle of lesson 04.
#
# *No attention left on position 2, no rate.* There a head neither hears of what is left
# over nor can turn.
#
# ## 4. But δ does not stay
#
# The crowd goes on turning to position 1. How fast? The pull on it, from the four
# cells:
#
#     g₁ = R₁₁ V₁ + R₂₁ V₂ = 3 δ² · 1.5 − δ · δ/2 = 4 δ²
#     g₂ = R₁₂ V₁ + R₂₂ V₂ = −3 δ · 1.5 + 1 · δ/2 = −4 δ
#     s·g = (1 − δ) 4 δ² − δ · 4 δ  ≈  0
#
# So the scores move by
#
#     da₁/dt = (1 − δ) 4 δ²  ≈  4 δ²
#     da₂/dt = δ (−4 δ) = −4 δ²
#
# and a₂ − a₁ falls at 8 δ². When a₂ − a₁ falls by 0.01, δ falls by a hundredth of
# itself, as in section 3. So
#
#     dδ/dt = −8 δ² · δ = −8 δ³
#
# This is slow: at t = 20 it is 0.0014, a fortieth of δ per unit of time. V comes to
# rest at the rate 2, eighty times faster. That is what section 2 needed.
#
# To solve the line for δ, look at 1/δ²:
#
#     d(1/δ²)/dt = (−2/δ³) (−8 δ³) = 16
#     1/δ²  ≈  16 t
#     δ  ≈  1/(4 √t)
#
# This is the last column of lesson 09's table: 0.0559, 0.0177, 0.0056 for 0.0554,
# 0.0175, 0.0056 at t = 20, 200, 2000. What it lacks, section 6 finds.
#
# *What it takes from the rate.* The same pull acts on θ. Head 1 looks δ θ more at
# position 2 than the crowd does, and there g₂ is −4 δ. So
#
#     da₂/dt loses δ θ · 4 δ = 4 δ² θ more than the crowd's
#     s·g falls by δ θ · 4 δ = 4 δ² θ too, so g₁ − s·g rises by that
#     da₁/dt gains 4 δ² θ
#     dθ/dt = 2 δ ν − 8 δ² θ
#
# With δ = 0.0554 and θ = 0.01 the new part is −0.00025: the number that was not
# foretold, −0.00024. In the lead, θ is one half of it once √2 ν is as large as θ. So
# the lead loses
#
#     8 δ² θ = 4 δ² · lead
#     rate = √2 δ − 4 δ²
#
# At t = 20: 0.07832 − 0.01227 = 0.06605.
#
# **Predict.** The rate can be measured: `leading_mode` takes the derivatives of all
# speeds and finds the largest rate at which a small change of the state grows. How near
# will it be to √2 δ − 4 δ² at t = 20, and at 200?

# %%
times = np.array([20.0, 50, 100, 200, 500, 1000, 3000, 10_000])
times = times[:-1] if run.quick else times
path = ode.integrate(flow, (0, times[-1]), flow.start(2, 0.0), t_eval=times, **accurate)
deltas = flow.split(path.y)[1][:, 0, 1]
rates = np.array([flow.leading_mode(state)[0] for state in path.y])
by_hand = np.sqrt(2) * deltas - 4 * deltas**2
print("    t   δ         rate      √2 δ      √2 δ − 4 δ²")
for row in zip(times, deltas, rates, np.sqrt(2) * deltas, by_hand):
    print("{:5.0f}   {:.5f}   {:.5f}   {:.5f}   {:.5f}".format(*row))
off = float(np.abs(by_hand / rates - 1)[times >= 100].max())
run.claim("from t = 100 on the rate is √2 δ − 4 δ², within 2%", off < 0.02)

# %% [markdown]
# At t = 20 the rate is 0.06822 for 0.06605 by hand, 3% more. At t = 200 it is 0.02357
# for 0.02351, a quarter of a percent. The gaps are 13 δ³ and 11 δ³: what we left out
# falls like δ³. From t = 20 to t = 1000 the rate falls to a sixth.
#
# ## 5. The square
#
# At a changing rate a small difference grows by e to the *integral* of the rate over
# time. The largest part of the rate is
#
#     √2 δ  ≈  √2/(4 √t) = 0.354/√t
#
# It is the derivative of √(t/2), for that is 1/(2 √2 √t) = 0.354/√t. So up to t the
# integral of the rate is √(t/2), and what the smaller parts add. Such a part is −4 δ²,
# about −0.25/t; section 6 finds all of them, and they go like 1/t too. The integral of
# 1/t is ln t, which grows far less than √t.
#
# The heads part when ε has grown to about 1. Then the integral is about ln(1/ε):
#
#     √(t/2) = ln(1/ε) + something that grows like ln t
#     t  ≈  2 ln(1/ε)²
#
# *The wait is the square of a logarithm*, for small ε. The smaller parts count for much
# still: for ε = 1e-8 this is 2 · 18.42² = 679, and lesson 09 waited 879. There is a
# test in which they count for little. From one power of ten to the next, ln(1/ε) gains
# h = ln 10 = 2.303. If the wait were a line in ln(1/ε), it would grow by the same each
# time, and the differences of its differences would be 0. For the square 2 x² they are
#
#     2 (x + h)² − 2 · 2 x² + 2 (x − h)² = 4 h² = 21.2
#
# **Predict.** For ε = 1e-7 and 1e-8 the heads part at 692.2 and 879.3, which is 187.1
# more. How much more will it be for 1e-9, and when do they part for 1e-10?

# %%
solved = ode.event(lambda t, y: flow.loss(y) - 0.25, terminal=True)  # parted: loss below 1/4
powers = np.arange(2, 8 if run.quick else 11)
starts = np.stack([flow.start(2, 0.0)] * len(powers))  # all runs go in one call
starts[:, 1, SCORE_2] += 10.0**-powers  # head 2's score of position 2
found = ode.integrate(flow, (0, 1e4), starts, events=solved, t_eval=[], **accurate)
waits = found.t_events[0]  # one for each run
bends = np.diff(waits, 2)  # differences of differences
print("parted at:", waits.round(1))
print("differences of the differences:", bends.round(1))
run.claim("the waits bend by 4 (ln 10)² = 21.2 for each power of ten, within 8%",
          bool(np.abs(bends / (4 * np.log(10) ** 2) - 1).max() < 0.08))

# %% [markdown]
# The waits do bend, by 22.5 at first and by 21.8 at last, falling towards 21.2. By the
# 21.2 the next difference is 187.1 + 21.2 = 208.3, and the one after it 229.5, so that
# the heads part at 879.3 + 208.3 + 229.5 = 1317.1 for ε = 1e-10. The run says 1319.2;
# with `--quick` it stops at 1e-7.
#
# ## 6. What the square leaves out
#
# This section may be skipped; the next ones do not need it. Two parts of the rate go
# like 1/t. One is −4 δ² = −0.25/t. The other hides in √2 δ, as δ is not quite 1/(4 √t):
# in section 4 we kept the largest part of each cell. With all of them kept
#
#     g₁ = R₁₁ V₁ + R₂₁ V₂ = (4.5 − 0.5) δ² (1 − δ) / |s|⁴ = 4 δ² (1 − δ) / |s|⁴
#     g₂ = R₁₂ V₁ + R₂₂ V₂ = (0.5 − 4.5) δ (1 − δ)² / |s|⁴ = −4 δ (1 − δ)² / |s|⁴
#     s·g = (1 − δ) g₁ + δ g₂ = 0
#     da₁/dt = (1 − δ) g₁ = 4 δ² (1 − δ)² / |s|⁴
#     da₂/dt = δ g₂ = −4 δ² (1 − δ)² / |s|⁴
#
# So a₂ − a₁ falls at 8 δ² (1 − δ)² / |s|⁴, and δ by δ (1 − δ) times that:
#
#     dδ/dt = −8 δ³ (1 − δ)³ / |s|⁴
#
# But for parts of the size δ², (1 − δ)³ is 1 − 3 δ, |s|² is 1 − 2 δ, and 1/|s|⁴ is 1 +
# 4 δ. The product is 1 + δ:
#
#     dδ/dt  ≈  −8 δ³ (1 + δ)
#
# That V is not quite at rest adds less. The place where V₁ rests is 1.5 (1 − δ)/|s|²,
# and |s|² is 1 − 2 δ, so it is about 1.5 (1 + δ). δ falls at 8 δ³, so this place falls
# at
#
#     1.5 · 8 δ³ = 12 δ³
#
# V₁ goes after it at 2 times its distance from it (section 2). It keeps pace with it at
# the distance where both are equally fast:
#
#     2 · distance = 12 δ³
#     distance = 6 δ³
#
# At t = 20 this is 0.0010, and section 2 found 0.0012. Two heads have R₁₁ wrong by 12
# δ³ then, and g₁ by 18 δ³. Of g₁, 4 δ², that is much. But off rest s·g is not 0 either,
# and as s₁ + s₂ is 1,
#
#     g₁ − s·g = s₂ (g₁ − g₂) = δ (g₁ − g₂)
#     g₂ − s·g = −s₁ (g₁ − g₂) = −(1 − δ) (g₁ − g₂)
#
# So what moves the scores is g₁ − g₂, about 4 δ. Next to that 18 δ³ is smaller by δ².
# On we go as in section 4, with δ ≈ 1/(4 √t) in the small part:
#
#     d(1/δ²)/dt = 16 (1 + δ)  ≈  16 + 4/√t
#     1/δ²  ≈  16 t + 8 √t = 16 t (1 + 1/(2 √t))
#     δ  ≈  (1 − 1/(4 √t)) / (4 √t) = 1/(4 √t) − 1/(16 t)
#
# √2 times the last part is 0.088/t. Together with the 0.25/t of −4 δ² this is
#
#     rate  ≈  0.354/√t − 0.338/t
#     integral of the rate  ≈  √(t/2) − 0.338 ln t
#
# **Predict.** With the rates of section 4, (0.354/√t − rate) t should be 0.338, and
# (1/δ² − 16 t)/√t should be 8. From which t on, about? And is it then the 0.338 that
# the waits from 88 to 1319 show?

# %%
def foretold(eps):
    """t = 2 (ln(1/ε) + 0.855 + ¼ ln t)²: what comes out goes in again, until it stays."""
    t = 1000.0
    for _ in range(20):
        t = 2 * (np.log(1 / eps) + 0.855 + np.log(t) / 4) ** 2
    return t


first_left_out = (np.sqrt(2) / 4 / np.sqrt(times) - rates) * times
in_delta = (1 / deltas**2 - 16 * times) / np.sqrt(times)
print("    t   (0.354/√t − rate) t   (1/δ² − 16 t)/√t")
for row in zip(times, first_left_out, in_delta):
    print("{:5.0f}   {:.3f}                 {:.2f}".format(*row))
print("ε       parted at   √(t/2) − ¼ ln t − ln(1/ε)   by the fitted line")
fitted = [foretold(10.0**-power) for power in powers]
asked = np.sqrt(waits / 2) - np.log(waits) / 4 - powers * np.log(10)
for row in zip(powers, waits, asked, fitted):
    print("1e-{:<2}   {:8.1f}     {:.3f}                     {:8.1f}".format(*row))
print("bends of the fitted line:", np.diff(fitted, 2).round(1))
late = powers >= 4
# polyfit with 1: slope and constant of the straight line that lies nearest
through = np.polyfit(np.log(waits[late]), (np.sqrt(waits / 2) - powers * np.log(10))[late], 1)
print("√(t/2) − ln(1/ε) as a line in ln t, from 1e-4 on: slope and constant", through.round(3))

# %% [markdown]
# Late. At t = 20 the numbers are 0.217 and 1.4, at 1000 they are 0.310 and 6.3, at
# 10,000 still 0.327 and 7.3. Both rise towards what was derived, and slowly. The next
# parts of d(1/δ²)/dt have the size δ², and so 1/t, and add a ln t to 1/δ²: next to 8 √t
# that is small only late. The 0.338 is *derived*, for t far beyond the waits of this
# lesson.
#
# For these waits we fit. A straight line through √(t/2) − ln(1/ε) against ln t, from
# 1e-4 to 1e-10, has the slope 0.249. So take ¼, and see which constant it asks for.
# That is the second table: from 0.925 for 1e-2 down to 0.850, and up again to 0.861. It
# is no constant, but it moves little. So this line is *fitted*, both its 0.855 and its
# ¼:
#
#     t = 2 (ln(1/ε) + 0.855 + ¼ ln t)²
#
# To use it, put a guess for t on its right, and repeat with what comes out. It is good
# to 1% from 1e-3 on, and to 0.2% from 1e-4 on: 879.5 for 879.3. At 1e-2 it is worst,
# 86.5 for 88.5. It also bends as the run does, by 22.4 to 21.7. For far smaller ε 0.338
# has to take the place of the ¼.
#
# ## 7. Hold the crowd
#
# So far the square is derived, for small differences. A test: is it the falling rate,
# and nothing else, that makes the square? *Hold* the crowd still (lesson 03). At t = 20
# stop it: from there on take from every speed its mean over the two heads. What is left
# moves head 1 one way and head 2 as much the other way. So the mean of the two heads,
# which is the crowd with its δ, stays as it is, while ν and θ are free.
#
# The lines of section 3 are for small differences. So that the end, when they are no
# longer small, has no part in this, we say in this section that the heads have parted
# when they differ by 0.2 in what they write of feature 2, which is ν = 0.1. The loss
# has hardly moved by then, from about 0.5137 to about 0.5125 with the crowd held.
#
# **Predict.** Start both runs from the crowd of t = 20, with ε = 1e-2, 1e-4, 1e-6, 1e-8
# added to head 2's score of position 2. With the crowd held, how much longer is each
# wait than the one before? The rate at t = 20 is 0.0682, and ln 100 is 4.605. And free,
# by how much do these differences grow?

# %%
def apart_by(t, y):
    """0 where the heads differ by 0.2 in what they write of feature 2; y holds many runs."""
    head_1, head_2 = y[..., 0, FEATURE_2], y[..., 1, FEATURE_2]
    return abs(head_1 - head_2) - 0.2


def less_mean(t, y, slope):
    """A rule for `hold`: every speed less its mean over the two heads."""
    return slope - slope.mean(axis=-2, keepdims=True)


BEGIN = 20  # from here on the crowd is held
epsilons = np.array([1e-2, 1e-4, 1e-6, 1e-8])
begin = crowd_at(BEGIN)
tilted = np.stack([begin] * len(epsilons))
tilted[:, 1, SCORE_2] += epsilons
took = {}
for name, field in (("crowd held", hold(flow, less_mean)), ("free", flow)):
    events = ode.event(apart_by, terminal=True)
    parted = ode.integrate(field, (BEGIN, 5000), tilted, events=events, t_eval=[], **accurate)
    took[name] = parted.t_events[0] - BEGIN
    print(f"{name:10}: {took[name].round(1)}, differences {np.diff(took[name]).round(1)}")
step = np.log(100) / flow.leading_mode(begin)[0]
print(f"ln 100 / rate at t = {BEGIN}: {step:.1f}")
run.claim("with the crowd held each 100 times smaller ε waits ln 100 / rate longer, within 1%",
          bool(np.abs(np.diff(took["crowd held"]) / step - 1).max() < 0.01))

# %% [markdown]
# Held: 59.4, 127.0, 194.6, 262.1, that is 67.7, 67.5 and 67.5 more, and 4.605/0.0682 =
# 67.5. A line. Free: 97.6, 296.0, 583.7, 959.5, that is 198.4, 287.7 and 375.8 more.
# These grow by 89 and 88, where the square 2 x² has 4 (ln 100)² = 84.8: 5% and 4% more
# than that, much as in section 5. All else is the same in the two runs. So the square
# comes from the crowd's moving on while it waits. *Held.*
#
# ## 8. Who
#
# If the lead of head 1 keeps its sign, the sign names the head: positive, head 1 will
# leave for feature 2; negative, head 2. Does it keep it? With section 4 the lines are
#
#     dν/dt = δ θ
#     dθ/dt = 2 δ ν − 8 δ² θ
#     d(lead)/dt = √2 δ · lead − 8 δ² θ
#
# Let θ be positive. If it is not, exchange the names of the heads. Three cases:
#
# *ν is positive too.* Then ν grows. And θ does not fall through 0, for there its speed
# is 2 δ ν, which is positive. Both stay positive: *once ν and θ have one sign, they
# keep it.*
#
# *The lead is negative.* Then so is ν. Both parts of d(lead)/dt are negative, so the
# lead falls, and at the rate √2 δ at least. The integral of that rate, √(t/2), has no
# bound (section 5). So the lead falls without end. But ν rises, as θ is positive. So it
# is θ that falls, until it passes 0. Then both are negative, and keep that.
#
# *The lead is positive, and ν negative.* Both parts of dθ/dt are negative, so θ falls.
# The lead grows if √2 δ · lead is more than 8 δ² θ, and so if
#
#     lead  >  4 √2 δ θ
#
# It goes on to grow, since θ and δ fall and the condition becomes easier. What the lead
# has above 4 √2 δ θ grows at the rate √2 δ at least, and so again without end. As θ
# falls and the sum θ + √2 ν grows without end, ν becomes positive, and then both are.
#
# So the sign of the lead names the head, but for a lead between 0 and 4 √2 δ θ. There
# the sign can still change. At t = 20 that is a lead below 0.31 θ.
#
# A head that looks less at position 2 can win, then, if it writes enough more of
# feature 2. Take three cases in the crowd of t = 20. In all of them head 1 looks more,
# θ = 0.0001, but writes less of feature 2:
#
#     ν = −0.00004:     lead = 0.0001 − 1.414 · 0.00004 = 0.000043        above 0.000031
#     ν = −0.0001:      lead = 0.0001 − 1.414 · 0.0001 = −0.000041
#     ν = −0.000065:    lead = 0.0001 − 1.414 · 0.000065 = 0.000008       between
#
# **Predict** who leaves in each case; the third is open by what was derived. And then
# for twenty starts drawn at random, with V and scores of about 1e-6: in how many does
# the sign of the lead at t = 50 name the head that leaves, hundreds of units of time
# later? And the sign at t = 0, and at t = 5?

# %%
for nu in (-0.00004, -0.0001, -0.000065):
    y0 = nudged(crowd, nu, theta=0.0001)
    found = ode.integrate(flow, (20, 4000), y0, events=solved, t_eval=[], **accurate)
    parted_at, end = found.t_events[0][0], found.y_events[0][0]
    print(f"ν = {nu}: head {end[:, FEATURE_2].argmax() + 1} leaves, parted at {parted_at:.0f}")

draws = run.rng.spawn(3 if run.quick else 20)
starts = np.stack([flow.near_uniform(rng, 2, 1e-6) for rng in draws])  # scores
for start, rng in zip(starts, draws):
    start[:, :2] = 1e-6 * rng.normal(size=(2, 2))  # V
found = ode.integrate(flow, (0, 4000), starts, events=solved, t_eval=[0.0, 5.0, 50.0], **accurate)
leavers = found.y_events[0][:, :, FEATURE_2].argmax(axis=1)  # who writes feature 2 when parted


def named(states):
    """In how many runs the sign of the lead names the leaver."""
    count = 0
    for state, leaver in zip(states, leavers):
        nu, theta = half_difference(state)
        lead = theta + np.sqrt(2) * nu
        count += int((lead < 0) == leaver)  # positive: head 1, which is number 0
    return count


at_start, at_5, at_50 = found.y
one_sign = sum(int(np.prod(half_difference(state)) > 0) for state in at_50)
modes = [flow.leading_mode(state)[1] for state in at_50]  # the part of the motion that grows
by_mode = sum(int(mode[:, FEATURE_2].argmax() == leaver) for mode, leaver in zip(modes, leavers))
print(f"parted at {found.t_events[0].min():.0f} to {found.t_events[0].max():.0f}")
print(f"named by the lead at t = 50: {named(at_50)} of {len(draws)}; "
      f"at t = 0: {named(at_start)}; at t = 5: {named(at_5)}")
print(f"ν and θ of one sign at t = 50: {one_sign} of {len(draws)}")
run.claim("at t = 50 lead and leading direction name the head that leaves, from every start",
          named(at_50) == by_mode == len(draws))

# %% [markdown]
# Head 1 in the first case and head 2 in the second, as derived. In the third, which was
# open, it is head 2, though head 1 had the lead. The line for the lead has two parts,
# and with δ = 0.0554 and θ = 0.0001 they are
#
#     √2 δ · lead = 1.414 · 0.0554 · 0.000008 = 0.0000006
#     −8 δ² θ = −8 · 0.00307 · 0.0001         = −0.0000025
#
# So it falls, by 0.0000018 in each unit of time at first. In the run it is 0 at t = 26,
# and from then on head 2 has it. The first part alone would have let it grow. They part
# at 592 then, for 448 and 416.
#
# From random starts the lead at t = 50 names the leaver in 20 of 20, more than 300
# units of time before they part. By then ν and θ have one sign in all of them, so that
# neither can change any more: derived, as long as they are small. The end, when they no
# longer are, is run and not derived. `leading_mode` also gives the part of the present
# motion that lies along what grows fastest. Along that direction the speed is the rate
# times the difference, so both have one sign. It says whose V₂ rises, with no hand-made
# sum. It names the same head each time.
#
# At t = 0 the lead names only 12 of 20 with seed 0, and 16 and 18 with seeds 1 and 2,
# and at t = 5 all. The lead was worked out from the crowd's cells, and at t = 0 there
# is no crowd yet. That this is the reason is a *guess*. The start does decide who
# leaves; only, this sum does not show it yet.
#
# ## 9. All of it in one picture

# %%
at = np.linspace(0, 600, 600)
starts = np.stack([flow.start(2, 0.0)] * 3)
starts[:, 1, SCORE_2] += (1e-2, 1e-4, 1e-6)
three = ode.integrate(flow, (0, 600), starts, t_eval=at, **accurate).y
attention = np.moveaxis(flow.split(three)[1][..., 0], 1, 0)  # run, time, head: on position 1
paths = dict(zip(("ε = 1e-2", "1e-4", "1e-6"), attention))
run.figure(draw.waits(at, paths, epsilons, took, step, times, rates, deltas), "waits",
           "Above: attention of two heads on position 1, from several starts. Below: how long "
           "they wait, free and with the crowd held, and the rate while they wait.")
run.page(draw.page(), "drag_it")

foretold_waits = ", ".join(f"{fitted[n]:.1f}" for n in (0, 2, 4))
measured_waits = ", ".join(f"{wait:.1f}" for wait in waits[[0, 2, 4]])
held_step = np.diff(took["crowd held"])[-1]
run.compare([
    ("rate at t = 20: √2 δ − 4 δ²", f"{by_hand[0]:.5f}", f"{rates[0]:.5f}"),
    ("    from t = 100 on, off by", 0, off),
    ("parted at (fitted), ε = 1e-2, 1e-4, 1e-6", foretold_waits, measured_waits),
    ("    bend per power of ten", "21.2", f"{bends[0]:.2f} to {bends[-1]:.2f}"),
    ("crowd held: wait per two powers of ten", f"{step:.1f}", f"{held_step:.1f}"),
    ("leavers named at t = 50", len(draws), named(at_50)),
], before="on paper")
run.finish({"powers": powers, "starts": len(draws), "begin": BEGIN}, waits=waits, rate_error=off,
           held=took["crowd held"], free=took["free"],
           named=named(at_50), named_at_0=named(at_start))

# %% [markdown]
# *Above.* Both heads turn to position 1, and then one lets go of it. The smaller ε, the
# nearer to 1 they have come by then, and the less attention is left to turn with. What
# is odd: the leaver does not let go of position 1 altogether. It stops at 0.57, 0.59
# and 0.60. That is the end of lesson 09: it writes feature 2 at both positions, the
# other head takes back what is too much, nothing is left over, and so nothing moves.
#
# *Below, left.* Section 7. With the crowd held the four waits lie on the dashed line,
# the rate's. Free, they leave the line through their first two upwards.
#
# *Below, right.* The rate falls like the power −1/2 of time, and √2 δ alone is a little
# too high, by 4 δ².
#
# On the page `drag_it.html`, beside the figure, drag ε, and hold the crowd yourself.
#
# **What was asked.** Which head leaves, and when? The one with the lead, θ + √2 ν, once
# there is a crowd; but a lead smaller than 4 √2 δ |θ| may still change its sign. When:
# at t ≈ 2 ln(1/ε)² for very small ε. From 1e-3 to 1e-10 the fitted t = 2 (ln(1/ε) +
# 0.855 + ¼ ln t)² is within 1%. By that line a first difference of the size of the last
# digit of a number, 1e-16, waits about 3150, and not for ever; this was not run.
#
# **Why.** *That a difference grows at √2 δ − 4 δ²*: derived, from four cells; measured
# within 2% from t = 100 on. *That δ falls like 1/(4√t)*: derived, from the same cells.
# *That the wait is a square*: derived from the two. *What √(t/2) lacks, 0.338 ln t*:
# derived, for late times; the ¼ and 0.855 for these waits are fitted. *That it is the
# falling rate which makes it a square*: held; with the crowd held it is a line, 67.5
# for 67.5 foretold. *That the lead names the leaver*: derived, for small differences
# and a lead that is not too small; 20 of 20. *That it does not at t = 0, as there is no
# crowd yet*: a guess. More heads and features are not derived here.
#
# **What surprises in the picture.** The head that leaves position 1 keeps more than
# half of its attention there. And waiting makes waiting longer: the more alike two
# heads are, the more the way out has closed by the time that they are ready to part.
#
# ## Exercises
#
# 1. Easy, 3 minutes. Which ε makes the heads wait until t = 10,000, by the fitted line?
# 2. Medium, 8 minutes. Hold the crowd from t = 80 on. What is δ then, what the rate,
#    and how much longer is the wait for an ε that is 100 times smaller? Then set BEGIN
#    = 80 and run.
# 3. Hard, 15 minutes. Four heads share feature 1, each writing a quarter of the 3. One
#    of them writes ν more and scores θ higher than the crowd, and the three others
#    together as much less. Work out sections 3 and 4 again: what is dδ/dt, what δ, what
#    the first part of the rate, and how does the wait change for small ε? To run it,
#    put `np.zeros((4, 4))` for `flow.start(2, 0.0)` where section 5 makes its starts.

# %% [markdown]
# ## Answers
#
# 1. ln(1/ε) = √5000 − ¼ ln 10,000 − 0.855 = 70.71 − 2.30 − 0.86 = 67.55, and ε =
#    e^−67.55, about 5e-30. The line was fitted to far larger ε, so take it as the size
#    only.
# 2. δ = 1/(4 √80) = 0.0280, the rate √2 δ − 4 δ² = 0.0395 − 0.0031 = 0.0364, and ln 100
#    over that is 126.5. The run: 127.5, 127.1 and 127.1.
# 3. The four write together what the two did, so R is the same; each V is half as
#    large, and so is g = Rᵀ V. So dδ/dt = −4 δ³, 1/δ² ≈ 8 t, and δ ≈ 1/√(8 t), √2 times
#    as large as with two heads. The lines for ν and θ of the one head have R in them
#    and not V, so its rate is √2 δ again, and √2 times as large as with two heads:
#    0.5/√t, whose integral is √t. So √t grows like ln(1/ε), and t like ln(1/ε)²: half
#    as long as 2 ln(1/ε)², for very small ε. In the run the waits are 34.0 for 1e-2,
#    0.38 of that of two heads, and 628.8 for 1e-10, 0.48 of it. They bend by 11.6,
#    falling to 11.0, for each power of ten, and half of 21.2 is 10.6.
