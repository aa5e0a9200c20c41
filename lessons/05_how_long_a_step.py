# %% [markdown]
# # How long a step may be
#
# Each step multiplies a small distance by a factor, which tells where no walk can rest.
#
# **Question.** Why does descent fly off when its learning rate is too large? And what
# can one do where the longest step is too short to get anywhere?
#
# **You see** steps that arrive, steps that hop about a valley for ever, and steps that
# fly off; one factor that tells where they cannot come to rest, while where they go
# instead is run; a flow for which a good method takes 6,088 steps, nearly all for a
# number that is gone; and a method that looks at the end of its step and takes 178.
# **Takes** 6 seconds.

# %%
import warnings

import numpy as np

import lesson
from drawings import how_long_a_step as draw
from tinyattn import ode, pairs

run = lesson.start("05_how_long_a_step")

# %% [markdown]
# ## 1. One number that shrinks
#
# In lesson 04 a number whose speed is λ times itself had the growth rate λ. Take one
# that shrinks, with λ = −2:
#
#     dx/dt = −2 x
#
# The flow takes it to 0 like e^(−2t). Now take steps of Euler's method. A step of h
# moves x by h times the speed:
#
#     x becomes x + h · (−2 x) = (1 − 2 h) x
#
# So each step multiplies x by the same factor, 1 − 2 h. Start at 1 and take three
# steps, of four lengths:
#
#     h = 0.25    factor  0.5     1    0.5    0.25    0.125     shrinks
#     h = 0.5     factor  0       1    0      0       0         there in one step
#     h = 0.75    factor −0.5     1   −0.5    0.25   −0.125     hops over 0, and arrives
#     h = 1.25    factor −1.5     1   −1.5    2.25   −3.375     hops over 0, and grows
#
# The longer step has the same speed at its start, and keeps it for longer. Beyond h =
# 0.5 it overshoots, and beyond h = 1 it lands farther away than it started.
#
# For any growth rate, one step of Euler's method is
#
#     x becomes (1 + h λ) x
#
# and what shrinks in the flow shrinks in steps only while this factor lies between −1
# and 1. For a negative λ that means
#
#     1 + h λ > −1
#     h |λ| < 2
#     h < 2/|λ|
#
# The other half, 1 + h λ < 1, holds for every step, as λ is negative.
#
# This is the *longest step*, and a walk whose steps are shorter is called *stable*.
# Here is a table of growth rates with their sign, as they come in this lesson:
#
#     growth rate λ    the flow             factor of a step    longest step
#     +1               grows like e^t       1 + h               none: it is to grow
#      0               stays                1                   none: it stays
#     −1               shrinks like e^(−t)  1 − h               2
#     −2               twice as fast        1 − 2 h             1
#     −10,000          gone at once         1 − 10,000 h        0.0002
#
# **Predict.** λ = −2, twenty steps from 1: what is left with h = 0.9, 1.0 and 1.1?

# %%
for h in (0.9, 1.0, 1.1):
    walk = ode.integrate(lambda t, x: -2 * x, (0, 20 * h), [1.0], method="euler", step=h)
    print(f"h = {h}: factor {1 - 2 * h:.1f}, first {walk.y[:4, 0].round(3)}, "
          f"after twenty {walk.y[20, 0]:.4g}")

# %% [markdown]
# 0.0115, 1 and 38.3: that is 0.8, 1 and 1.2 to the power of 20. The three steps differ
# by a tenth, and their ends by everything.
#
# ## 2. The valley
#
# Now the loss of lesson 04, L = (u v − 1)²/2, and its speeds:
#
#     du/dt = (1 − u v) v        dv/dt = (1 − u v) u
#
# The loss is 0 on the whole line u v = 1, the valley. Stand at (1, 1) and go a little
# way off, first across the valley, then along it:
#
#     at (1.01, 1.01):   1 − u v = −0.0201    speed (−0.0203, −0.0203)
#     at (1.01, 0.99):   1 − u v =  0.0001    speed ( 0.0001,  0.0001)
#
# Each number's distance from (1, 1) is 0.01. Across the valley its speed is −2.03 times
# that, and for a smaller distance −2 times: at 1.001 the speed is −0.002003. Along the
# valley there is hardly any speed. So the growth rates at (1, 1) are −2 across and 0
# along.
#
# Descent is Euler's method with h = η. So at (1, 1) the longest learning rate is 2/2 =
# 1.
#
# **Predict.** Descent from (1.1, 1.1) with η = 0.9, 1.0 and 1.1, 400 steps: where does
# each end? Section 1 says −0.8, −1 and −1.2 for the factors.

# %%
def downhill(t, y):
    u, v = y
    missing = 1 - u * v
    return np.array([missing * v, missing * u])


def descend_from_above(eta):
    """u over 400 steps of descent from (1.1, 1.1), where v is always the same."""
    walk = ode.integrate(downhill, (0, 400 * eta), [1.1, 1.1], method="euler", step=eta)
    return walk.y[:, 0]


across = {}
for eta in (0.9, 1.0, 1.1):
    across[eta] = descend_from_above(eta)
    print(f"learning rate {eta}: begins {across[eta][:5].round(4)}, "
          f"ends {across[eta][-2:].round(4)}")
low, high = np.sort(across[1.1][-2:])

# %% [markdown]
# With 0.9 it arrives at 1, hopping from side to side; near the end each distance is 0.8
# of the one before. With 1.0 it hops too, and after 400 steps it is still 0.013 and
# 0.012 off. A factor of −1 neither shrinks nor grows. What little it closes in is not
# in the factor. A step of η = 1 leads from x to x + (1 − x²) x = 2 x − x³. Put in
# x = 1 + ε, and what comes out once more:
#
#     one step:     1 − ε − 3 ε² − ε³
#     two steps:    1 + ε − 16 ε³        and higher powers
#
# With 1.1 it neither arrives nor flies off: it hops between 0.8146 and 1.1161, and goes
# on so. Section 1 would have it fly off, like 1.2 to the power of the number of steps.
# But a factor is what a step does to a *small* distance. Farther out the speed is
# another, and at these two places a step leads from each to the other. With two digits
# more:
#
#     1.116063 + 1.1 · (1 − 1.116063²) · 1.116063 = 1.116063 − 0.301511 = 0.814552
#     0.814552 + 1.1 · (1 − 0.814552²) · 0.814552 = 0.814552 + 0.301511 = 1.116063
#
# For any η the product of two such places, low and high, is 1/η, and their squares add
# up to 1 + 1/η. Exercise 3 finds this. For η = 1 both are 1: the hop begins exactly at
# the longest step.

# %%
run.claim("at 0.9 descent arrives; at 1.1 it hops between 0.8146 and 1.1161, as exercise 3 finds",
          bool(abs(across[0.9][-1] - 1) < 1e-6)
          and bool(abs(low * high - 1 / 1.1) < 1e-9)
          and bool(abs(low**2 + high**2 - 1 - 1 / 1.1) < 1e-9))

# %% [markdown]
# ## 3. Elsewhere in the valley
#
# The valley is long. The rates at any point of it can be had from the loss alone. Its
# slopes were (u v − 1) v and (u v − 1) u. Take their derivatives, by u and by v, and
# put them into a square:
#
#                             by u           by v
#     slope (u v − 1) v       v²             2 u v − 1
#     slope (u v − 1) u       2 u v − 1      u²
#
# The derivative of (u v − 1) v by v, for instance, is u v + (u v − 1). This table of
# second derivatives of L is called the *Hessian*. In the valley u v = 1, and there it
# is
#
#     [[v², 1], [1, u²]]
#
# By how much do the slopes change if one goes a little way off, du in u and dv in v?
# Here du and dv are little ways, as in du/dt, and not derivatives of the loss.
#
#     slope (u v − 1) v    changes by    v² du + (2 u v − 1) dv
#     slope (u v − 1) u    changes by    (2 u v − 1) du + u² dv
#
# The Hessian is the same by rows and by columns. So both changes together are the row
# (du, dv) times the Hessian. In the valley the slopes themselves are 0, and descent
# goes against them. So minus this product is the speed. Try the direction across the
# valley, (v, u), and the one along it, (u, −v):
#
#     (v, u)  [[v², 1], [1, u²]] = (v³ + u, v + u³)
#     (u, −v) [[v², 1], [1, u²]] = (u v² − v, u − v u²) = (0, 0)
#
# As u v = 1, a u is v times u², and a v is u times v². So in the first line
#
#     v³ + u = v (v² + u²)
#     v + u³ = u (v² + u²)
#
# It is (v² + u²) times (v, u). So along the valley λ = 0, and across it
#
#     λ = −(u² + v²)        longest step = 2 / (u² + v²)
#
# Some points of the valley:
#
#     (1, 1)         λ = −2          longest step 1, as measured
#     (2, 0.5)       λ = −4.25       longest step 0.471
#     (100, 0.01)    λ = −10,000     longest step 0.0002
#
# Where u and v are unlike the valley is narrow, with steep sides.
#
# Lesson 04 walked from (2, 0.3). The flow ends at (2.0374, 0.4908), where u² + v² is
# 4.392 and the longest step 2/4.392 = 0.455.
#
# **Predict.** Descent from (2, 0.3) with learning rates from 0.3 to 0.9. Which of them
# can end near (2.0374, 0.4908)? And the others: do they hop for ever?

# %%
thrown = {}
for eta in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
    with np.errstate(over="ignore", invalid="ignore"):  # a number that flies off is no error here
        walk = ode.integrate(downhill, (0, 400 * eta), [2.0, 0.3], method="euler", step=eta)
    thrown[eta] = walk.y
    u, v = walk.y[-1]
    if walk.success:  # it came to its end
        print(f"learning rate {eta}: ends at ({u:.3f}, {v:.3f}), u v = {u * v:.3f}, "
              f"longest step there {2 / (u**2 + v**2):.3f}")
    else:
        print(f"learning rate {eta}: {walk.message}")
print("u² - v² with 0.6:", (thrown[0.6][:8, 0] ** 2 - thrown[0.6][:8, 1] ** 2).round(2))
print("with 0.9, after 9, 10, 11 steps:", *[str(place) for place in thrown[0.9][9:12].round(2)])
u, v = thrown[0.9][:11].T
by_step = 1 - 0.9**2 * (1 - u * v) ** 2
print("the factors of u² - v² with 0.9:", *[f"{factor:.2f}" for factor in by_step])

# %% [markdown]
# With 0.3 it ends at (2.023, 0.494), near the flow's end. None hops for ever. With 0.5
# to 0.8 it ends at other points of the valley, and each time the longest step there is
# longer than η. With 0.9 it flies off: at step 16 the machine has no numbers left for
# it.
#
# Why can 0.6 not end near the flow's end? There each small distance across the valley
# is multiplied by 1 − 0.6 · 4.392 = −1.6. A walk can come to rest only where its step
# is stable. In lesson 04 a step of descent multiplied u² − v² by
#
#     1 − η² missing²        missing = 1 − u v
#
# As long as something is missing, though not too much, u² − v² shrinks in size: 3.91,
# 3.68, 3.18, 2.09, 1.49, 1.07. And in the valley, where u v = 1,
#
#     (u² + v²)² = (u² − v²)² + 4 u² v² = (u² − v²)² + 4
#
# So a smaller u² − v² is a wider place, where a longer step is stable. For 0.6
#
#     u² + v² < 2/0.6 = 3.333       or       u² − v² < √(3.333² − 4) = 2.67
#
# and so it was from the fourth number on, 2.09. That it went on to 1.07 was only run.
# At 1.1 in section 2 there was no such way out: where u = v, u² − v² is 0 already.
# (1, 1) is the widest place of the valley, and 1.1 is too long for it.
#
# And 0.9? It would be stable at (1, 1), and yet it is lost. The factor 1 − η² missing²
# shrinks u² − v² only while it is above −1, so while η · missing is below √2 in size.
# In the third and fourth step it is −3.00 and −2.92. That alone does not decide: in the
# sixth it is 0.98, near the valley again. From the tenth on, at −9.52, the walk does
# not come back. Far out, where u v is large in size, missing is about −u v:
#
#     u becomes u + η missing v ≈ u − η u v² = (1 − η v²) u
#     v becomes v + η missing u ≈ v − η u² v = (1 − η u²) v
#
# Where, as far out as this, η u² and η v² are both above 2 each number grows in size,
# and then both are above 2 still more. So *it flies off*. At (−2.79, −7.11), after ten
# steps, they are 7.0 and 45.5. The factors −44.5 and −6.0 lead to (124, 43); the step
# itself, to (118, 40).
#
# Nearer in, the 1 of missing counts. From (1.6, 1.6) with 0.9 both are 2.3, but the
# step leads to 1.6 + 0.9 · (1 − 2.56) · 1.6 = −0.65 for each, and does not grow.
#
# So 1 + η λ tells which places cannot be kept. Which throw leads so far out was only
# run.

# %%
ends = {eta: walk[-1] for eta, walk in thrown.items()}
longest_there = {eta: 2 / float(end @ end) for eta, end in ends.items() if eta < 0.9}
run.claim("0.3 ends near the flow's end, 0.5 to 0.8 where their steps are stable; 0.9 flies off",
          bool(np.abs(ends[0.3] - [2.0374, 0.4908]).max() < 0.05)
          and all(abs(ends[eta].prod() - 1) < 1e-9 and eta < longest_there[eta]
                  for eta in (0.5, 0.6, 0.7, 0.8))
          and bool(np.abs(ends[0.9]).max() > 1e6))

run.figure(draw.hops(across, (low, high), {eta: thrown[eta] for eta in (0.3, 0.6, 0.9)}, 0.6),
           "hops",
           "Descent with several learning rates: on the line u = v, in the valley of u v = 1, "
           "and the one that flies off.")

# %% [markdown]
# Left: the pink walk, a step a tenth too long, ends in hops between the two dotted
# places; the brown one hardly closes in. Middle: the valley is drawn thick where a step
# of 0.6 is stable. The blue walk ends near the flow's end, on a thin part. The orange
# one is thrown across the valley four times, far out, and ends on the thick part.
# Right: the green walk, with 0.9, stays about as far as the others for eight steps, and
# then each step throws it farther; the arrow marks the one with the factor −9.52.
#
# ## 4. A better method
#
# Euler's method looks at the speed once in a step. The classic **RK4** looks four
# times: at the start; twice in the middle, each time going there with the speed seen
# last; and at the end. Then it goes with an average in which the middle counts twice.
# By hand, for λ = −1 and h = 1, from x = 1:
#
#     at the start         x = 1                    speed₁ = −1
#     in the middle        x = 1 − ½ · 1    = 0.5   speed₂ = −0.5
#     there again          x = 1 − ½ · 0.5  = 0.75  speed₃ = −0.75
#     at the end           x = 1 − 1 · 0.75 = 0.25  speed₄ = −0.25
#     average              (−1 − 2 · 0.5 − 2 · 0.75 − 0.25) / 6 = −0.625
#     the step             1 − 0.625 = 0.375
#
# The flow says e^(−1) = 0.368. Euler's step says 0. In letters, with z = h λ, the same
# lines give the four speeds, times h and over x, and then the factor:
#
#     z,    z (1 + z/2),    z (1 + z/2 + z²/4),    z (1 + z + z²/2 + z³/4)
#     factor = 1 + z + z²/2 + z³/6 + z⁴/24
#
# The flow's own factor for a time h is e^z = 1 + z + z²/2 + z³/6 + z⁴/24 + z⁵/120 and
# so on. Euler's 1 + z has the first two terms, RK4 the first five. So a step of Euler
# is off by about z²/2 and a step of RK4 by about z⁵/120. A fixed time takes a number of
# steps that goes like 1/h. So at its end the error goes like h for Euler and like h⁴
# for RK4. This power of h is the *order* of a method. Exercise 1 runs it on another
# path.
#
# Does so much better a method also allow much longer steps? Its factor must lie between
# −1 and 1. For negative z:
#
#     z = −2        1 − 2 + 2 − 1.333 + 0.667 = 0.333
#     z = −2.785    0.9996
#     z = −3        1 − 3 + 4.5 − 4.5 + 3.375 = 1.375
#
# So RK4's longest step is 2.785/|λ|, for Euler's 2/|λ|. Every further look multiplies
# what came before by z, so the factor of any method that goes on like this is a
# polynomial in z. And a polynomial grows beyond 1 sooner or later. *So every such
# method has a longest step.*
#
# ## 5. Two rates far apart
#
# Take two numbers that have nothing to do with each other, both from 1:
#
#     slow:  λ = −1
#     fast:  λ = −10,000
#
# We want to see the slow one until t = 2, when it is e^(−2) = 0.1353. The fast one is
# e^(−10) = 0.00005 at t = 0.001 and e^(−20) = 2e-9 at t = 0.002. From then on we call
# it gone. For the slow one alone, 100 steps of 0.02 do:
#
#     0.98¹⁰⁰ = 0.1326        off by 2%
#
# But the walk takes both numbers along, with one step for both. And the fast one has
# the longest step 2/10,000 = 0.0002. At h = 0.02 its factor is 1 − 200 = −199. However
# little is left of it, it would grow 199-fold in each step. So Euler's method needs
# more than
#
#     2 / 0.0002 = 10,000 steps
#
# and all but the first ten are taken for a number that is gone. The fast rate decides
# the step, the slow rate decides the time, and the number of steps is their ratio, give
# or take. A flow with such rates is called **stiff**. In a network fast and slow are
# not two numbers but two directions, as across and along a narrow valley: at (100,
# 0.01) above, the rates are −10,000 and 0.
#
# Could a method that chooses its own steps help? `rk45`, which `ode.integrate` uses
# when it is given no method, takes each step by two methods of orders 5 and 4, which
# share their looks. Their difference is an estimate of the error. Where it is far below
# what is allowed, 1e-9 and a millionth of the number, the next step is longer.
#
# **Predict.** How many steps does it take to t = 2: about a hundred, or thousands?

# %%
rates = np.array([-1.0, -10_000.0])


def slow_and_fast(t, y):
    return rates * y


# RK: Runge and Kutta, as in rk4. The pair of methods in rk45 is called dopri5.
# A step of it from 1 for λ = −1:
end, _ = ode.dopri5_step(lambda t, x: -x, 0.0, [1.0], 3.3066)
print(f"rk45: factor {end[0]:.4f} at h |λ| = 3.3066")
with warnings.catch_warnings(record=True) as told:  # keeps the warning, to print it
    warnings.simplefilter("always")
    by_rk45 = ode.integrate(slow_and_fast, (0, 2), [1.0, 1.0], method="rk45")
print(f"rk45: {by_rk45.n_steps} steps")
fast = np.abs(by_rk45.y[by_rk45.t >= 0.01, 1])
print(f"the fast number from t = 0.01 on: {fast.min():.1e} to {fast.max():.1e}")
print("it warns:", *[str(one.message) for one in told])

# %% [markdown]
# 6,088 steps, 0.000329 long in the mean. The factor of rk45 is a polynomial again, and
# comes to 1 at h |λ| = 3.3066. So its longest step is 0.000331: nearly the same. The
# warning says it too; section 7 comes to the method that it names.
#
# Here is what could happen, a guess. As the fast number dies away, the steps are made
# longer. Then they are too long. What is left of the fast number grows again, until the
# two methods differ by as much as is allowed. Then the steps are made shorter, and it
# shrinks. The run agrees: on the flow the fast number would be e^(−100) at t = 0.01,
# but here it stays between 3.5e-10 and 1.1e-9 until the end, at just what is allowed,
# 1e-9. So it is never quite gone; the steps keep it alive.
#
# To test it, *hold* the fast number at 0, where it never moves. The flow and the method
# are the same, and so is the slow number.
#
# **Predict.** How many steps now?

# %%
without = ode.integrate(slow_and_fast, (0, 2), [1.0, 0.0], method="rk45")
print(f"rk45, fast number held at 0: {without.n_steps} steps, "
      f"slow number off by {abs(without.y[-1, 0] - np.exp(-2)):.1e}")

# %% [markdown]
# Ten steps for 6,088. So it is the fast number.
#
# ## 6. The step that looks at its own end
#
# All methods so far start from the speed where the step begins. What if the step is
# taken with the speed *where it ends*? Take λ = −10,000 and h = 0.02 again, from 1.
# Call the end x, which we do not know yet:
#
#     x = 1 + h λ x = 1 − 200 x
#     201 x = 1
#     x = 1/201 = 0.005
#
# It shrinks. In letters, from x₀ to x₁:
#
#     x₁ = x₀ + h λ x₁
#     (1 − h λ) x₁ = x₀
#     x₁ = x₀ / (1 − h λ)
#
# This is **implicit Euler**: the end stands on both sides, and one has to solve for it.
# Its factor is 1/(1 − z). For negative z, whatever its size, that is a number between 0
# and 1. *There is no longest step.* Compare the factors:
#
#     h λ          the flow, e^z    Euler       RK4             implicit Euler
#     −0.02        0.980            0.980       0.980           0.980
#     −1           0.368            0           0.375           0.500
#     −3           0.050            −2          1.375           0.250
#     −200         0.000            −199        65,000,000      0.005
#
# At −200 its factor is 0.005 and the flow's is 1e-87. It does not know how fast the
# fast number goes. It does know that it goes.
#
# For the slow number it is as good as Euler, no better: 1/1.02 to the power of 100 is
# 0.1380, where the flow has 0.1353. Its factor is 1/(1 − z) = 1 + z + z² + …, off by
# about z²/2, so its order is 1 too.
#
# *When the speed is no multiple of x* the equation for the end is harder. Lesson 04's
# speed for u = v = x is (1 − x²) x. From 2, with h = 1, the end x must satisfy
#
#     x = 2 + (1 − x²) x
#     x³ − 2 = 0
#
# Newton's method finds such an x. It begins with a guess, sees what the left side still
# misses, divides that by the slope of the left side, here 3 x², and takes the quotient
# off the guess. The first guess is the start, 2:
#
#     guess 2         misses 6         slope 12       2 − 6/12          = 1.5
#     guess 1.5       misses 1.375     slope 6.75     1.5 − 1.375/6.75  = 1.2963
#     guess 1.2963    misses 0.1783    slope 5.0412   1.2963 − 0.0354   = 1.2609
#
# and the next is 1.2599, the cube root of 2, to all digits shown. Euler's method goes
# from 2 to 2 + (1 − 4) · 2 = −4, on the wrong side, and from there to 56.
#
# For any speed, what the guess misses and its slope are
#
#     miss  = x − x₀ − h speed(x)
#     slope = 1 − h (derivative of the speed at x)
#
# The code prints the flow beside it. In lesson 04 1/x² − 1 shrank like e^(−2t). From x
# = 2 it starts at 1/4 − 1 = −0.75.
#
# **Predict.** Implicit Euler with h = 1 goes on from 1.2599. Does it arrive at 1?

# %%
def implicit_step(speed, derivative, x0, h):
    """The end of a step of implicit Euler, by Newton's method from the start."""
    x = x0
    for _ in range(8):  # above, four were enough
        miss = x - x0 - h * speed(x)
        slope = 1 - h * derivative(x)
        x = x - miss / slope
    return x


x = 2.0
for step in range(1, 6):
    x = implicit_step(lambda x: (1 - x**2) * x, lambda x: 1 - 3 * x**2, x, 1.0)
    print(f"step {step}: implicit Euler {x:.4f}, flow {(1 - 0.75 * np.exp(-2 * step)) ** -0.5:.4f}")

# %% [markdown]
# It does: 1.2599, 1.0801, 1.0260, 1.0086, 1.0029. The flow is faster. But no step was
# thrown to the other side.
#
# The price is the equation. With two numbers or more the slope is a table, and dividing
# by it means to solve as many linear equations as there are numbers. For some hundred
# numbers, as in lesson 14, that is little. For a network of a million parameters it is
# a table of a million times a million.
#
# ## 7. A method to use
#
# Implicit Euler is of order 1, and its steps are all alike. `method="bdf"`, *backward
# differences*, mends both. It lays a polynomial through the last values and the new
# one, which it does not know yet, and asks that the slope at the end be the speed
# there. With one last value the polynomial is a straight line, and this is implicit
# Euler. It uses up to five, for an order up to 5. And it estimates its error and
# chooses its steps, as rk45 does, with the same errors allowed. tinyattn/bdf.py has the
# derivation.
#
# **Predict.** How many steps does bdf take to t = 2, if implicit Euler does with a
# hundred? And how many with the fast number held at 0?

# %%
by_bdf = ode.integrate(slow_and_fast, (0, 2), [1.0, 1.0], method="bdf")
bdf_without = ode.integrate(slow_and_fast, (0, 2), [1.0, 0.0], method="bdf")
walks = {"rk45": by_rk45, "bdf": by_bdf, "bdf, fast number held at 0": bdf_without}
for name, walk in walks.items():
    slow_error = abs(walk.y[-1, 0] - np.exp(-2))
    print(f"{name:27} {walk.n_steps:5} steps, {np.sum(walk.t[1:] < 0.002):3} before t = 0.002, "
          f"{np.sum(walk.t[1:] < 0.01):3} before 0.01, slow number off by {slow_error:.1e}")
slow = 1.0
for _ in range(100):
    slow = slow / 1.02
print(f"implicit Euler, h = 0.02      100 steps, slow number off by {abs(slow - np.exp(-2)):.1e}")
at_limit = 2 * 10_000 / pairs.DOPRI5.stable
run.claim("rk45 takes the steps of its longest one, within 5%; under 100 with the fast number held",
          bool(abs(by_rk45.n_steps / at_limit - 1) < 0.05)
          and bool(by_bdf.n_steps < by_rk45.n_steps / 10 and without.n_steps < 100)
          and bool(abs(by_bdf.y[-1, 0] - np.exp(-2)) < 1e-5))

# %% [markdown]
# 178, for the 6,088 of rk45. With the fast number held at 0 it takes 35, so 143 are for
# the fast number. Nearly all of them are taken while it is there: before t = 0.002
# there are 129 steps, and 3 held. By t = 0.01, as its steps lengthen from 0.00006 to
# 0.002, there are 20 more, and 1 held. From there on there are 29, and 31 held. The
# hundred steps of implicit Euler jump over the fast number.
#
# What is allowed holds for one step; at the end bdf is off by 1.9e-7 and implicit Euler
# by 0.0027. rk45 is exact to 15 digits, which nobody asked for: its steps are short for
# the fast number's sake.

# %%
run.figure(draw.factors({"rk45": by_rk45.t, "bdf": by_bdf.t}, 10_000.0), "factors",
           "Left: by what Euler, RK4 and implicit Euler multiply a distance in one step. "
           "Right: the steps that an explicit and an implicit method take on a stiff equation.")
run.compare([
    ("descent at 1.1 hops between", "0.8146, 1.1161", f"{low:.4f}, {high:.4f}"),
    ("from (2, 0.3) with 0.6: longest step where it ends", "> 0.6", f"{longest_there[0.6]:.3f}"),
    ("rk45: steps to t = 2, at its longest step", f"{at_limit:.0f}", f"{by_rk45.n_steps}"),
    ("steps of bdf; of rk45, fast number held at 0", None,
     f"{by_bdf.n_steps}; {without.n_steps}"),
    ("implicit Euler, 100 steps: the slow number", "0.1353", f"{slow:.4f}"),
], before="on paper")
steps = [by_rk45.n_steps, by_bdf.n_steps, without.n_steps]
run.finish({"rates": rates, "longest": pairs.DOPRI5.stable}, hops=[low, high],
           ends=[list(ends[0.3]), list(ends[0.6])], steps=steps)

# %% [markdown]
# Left: the factor of a step over h |λ|, and grey where it lies between −1 and 1.
# Euler's line leaves the grey at 2, RK4's at 2.785, implicit Euler's never. Right: the
# length of each step over time. Both methods begin with short steps. Those of bdf grow
# to a tenth. Those of rk45 come to the dotted line, its longest stable step, and go up
# and down about it, so often that they fill a band. Its last step is cut off at t = 2.
#
# **What was asked.** A step of Euler's method multiplies a small distance by 1 + h λ.
# With λ negative and h above 2/|λ| that is below −1: descent hops over the valley,
# farther each time. Then it hops for ever, is thrown to a wider place, or flies off. It
# flies off when a throw leads so far out, u v large and η u² and η v² above 2, that
# each next throw is longer. To choose a step, find the most negative rate where the
# walk is to end and stay below 2/|λ|, or 2.785/|λ| for RK4. With a longer step it
# cannot rest there. A shorter one can still be lost on the way: 0.9 is stable at (1, 1)
# and flew off. If the longest step is far shorter than what one wants to see asks for,
# the flow is stiff: take a method that looks at the end of its step, such as bdf. Its
# price is an equation to solve.
#
# **Why.** *That a walk cannot come to rest where its step is beyond 2/|λ|*: derived,
# the factor. *That at 1.1 it hops between two places*: derived, in exercise 3. *That
# too long a step is thrown to where the valley is wide*: derived as far as u² − v²
# shrinks while η · missing is below √2; where it ends was only run. *That far out each
# throw is longer*: derived, with 1 left out beside u v; that 0.9 comes there was only
# run. *That RK4 has order 4 and the longest step 2.785/|λ|*: derived for dx/dt = λ x.
# *That rk45's steps stay short for a number that is gone from the flow*: held. *That
# bdf takes most of its steps for it*: held.
#
# **What surprises in the pictures.** Too long a step need not make descent fly off. At
# (1, 1) one that is a tenth too long ends in a hop. The loss goes from 0.057 to 0.030
# and back, for ever, and no minimum is found. From (2, 0.3) one that is a third too
# long, 0.6 for 0.455, is thrown along the valley to a place that it can bear.
#
# ## Exercises
#
# 1. (10 minutes, easy) λ = −5: what are the longest steps of Euler and of RK4? Then run
#    lesson 04's path to t = 2 by both, with h = 1/16 and 1/32:
#    `ode.integrate(downhill, (0, 2), [0.1, 0.1], method="rk4", step=h).y[-1, 0]`. The
#    flow is at `(1 + 99 * np.exp(-4.0)) ** -0.5`. By how much do the two errors fall?
# 2. (10 minutes, medium) Implicit Euler on a number that grows: λ = 1 with h = 0.5, h =
#    1 and h = 3. What are its factors, and what does it make of lesson 04's saddle?
# 3. (20 minutes, hard) Find the two places of the hop. A step from each leads to the
#    other: low = high + η (1 − high²) high, and the same with low and high exchanged.
#    Add the two lines, then subtract them. Is the hop stable? A small distance from it
#    is multiplied, in two steps, by the product of the derivatives of x + η (1 − x²) x
#    at high and at low. Up to which η is it between −1 and 1? Print
#    `descend_from_above(eta)[-4:]` for 1.2, 1.23, 1.24 and 1.3.

# %% [markdown]
# ## Answers
#
# 1. 2/5 = 0.4 and 2.785/5 = 0.557. Euler's error falls from 0.0163 to 0.00815, to a
#    half, and that of RK4 from 7.2e-8 to 4.5e-9, to a sixteenth: the orders are 1 and 4
#    there too.
# 2. 1/(1 − h): 2, where the flow has 1.65; for h = 1 there is no end, as 1 = 0 would
#    have to hold; for h = 3 it is −0.5. So with long steps a saddle seems never to be
#    left: what ought to grow twentyfold shrinks by half. Where something grows the step
#    must stay below 1/λ, for the sake of what is to be seen.
# 3. The sum of the two lines is 0 = high − high³ + low − low³. Divided by high + low:
#    high² − high low + low² = 1. Their difference, divided by high − low, is −1 = 1 + η
#    − η (high² + high low + low²), so high² + high low + low² = 1 + 2/η. Half the
#    difference of the two results is high low = 1/η, and so high² + low² = 1 + 1/η. At
#    1.1: (high + low)² = 1.9091 + 2 · 0.9091 = 3.7273 and (high − low)² = 1.9091 − 2 ·
#    0.9091 = 0.0909. The roots are 1.9306 and 0.3015. Half their sum and half their
#    difference are 1.1161 and 0.8146.
#
#    The derivative is 1 + η − 3 η x². The product at both places is (1 + η)² − 3 η (1
#    + η) (high² + low²) + 9 η² high² low². The middle term is −3 (1 + η)², the last is
#    9: together 9 − 2 (1 + η)². It lies between −1 and 1 for η from 1 to √5 − 1 =
#    1.236. At 1.2 and 1.23 descent hops between two places, at 1.24 between four
#    (0.733, 1.154, 0.680, 1.134), and at 1.3 one sees no order any more.
