# %% [markdown]
# # Laws of networks
#
# A wait is a way over a speed: SGD has the sizes in the speed; an optimizer that
# divides a slope by its size takes them out of it, and leaves those in the way.
#
# **Question.** The plateau of lesson 06 lasts √d T. In transformers it does not. Which
# exponents carry over, and what has the optimizer to do with the others?
#
# **You see** how an exponent and its error are worked out by hand; what becomes of two
# numbers that move by a fixed amount a step; the laws of a transformer under SGD and
# under Adam; which of Adam's divisions changes the law; and laws that we cannot
# explain. **Takes** 30 minutes to read, 4 minutes to run; it goes on where it was
# interrupted.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read by NumPy: runs stand side by side

import numpy as np

import lesson
from drawings import laws_of_networks as draw
from experiments import RecallTrial
from experiments.divided import DividedLocation
from tinyattn import losses, measure, ode
from tinyattn.flows.emergence import TwoNumbers

run = lesson.start("20_laws_of_networks")

# %% [markdown]
# ## 1. From runs to an exponent
#
# A *power law* (07) is a constant times powers of the sizes. The power is the exponent.
# Here are three runs of section 3, under Adam with d = 8. They differ in the number of
# tokens T alone. The plateau was over at these steps:
#
#     T = 16      120 steps
#     T = 32      160
#     T = 64      200
#
# *Two runs.* How much longer is the plateau, how much larger is T, and which power
# makes the one of the other?
#
#     200 / 120 = 1.667        64 / 16 = 4
#     4 to which power is 1.667?
#     exponent = ln 1.667 / ln 4 = 0.511 / 1.386 = 0.37
#
# *Neighbours.* Between two neighbouring sizes we call this the **local exponent**.
#
#     from 16 to 32     ln(160/120) / ln 2 = 0.288 / 0.693 = 0.42
#     from 32 to 64     ln(200/160) / ln 2 = 0.223 / 0.693 = 0.32
#
# A true power law has the same local exponent everywhere. These two differ. It may be
# chance, or it may be no power law.
#
# *Three runs.* A line is laid through all three points by least squares. T doubles from
# each to the next. So count doublings from the middle: −1, 0, 1. And take logarithms to
# the base 2 of the steps, so that the slope is the exponent:
#
#     doublings    log₂ steps    less the mean, 7.291
#        −1          6.907            −0.384
#         0          7.322             0.031
#         1          7.644             0.353
#
#     slope = (−1 · (−0.384) + 0 · 0.031 + 1 · 0.353) / ((−1)² + 0² + 1²)
#           = 0.737 / 2
#           = 0.37
#
# How sure is that? The line does not pass through the points. It misses them by
#
#     −0.384 − (−0.369) = −0.015        0.031 − 0 = 0.031        0.353 − 0.369 = −0.016
#
# Say the points miss the line by chance, by about as much each time. Then the slope is
# off by chance too. How far, typically, its **standard error** says. The squares of
# what is missed add up to 0.00144. Three points and two things fitted, slope and
# height, leave 3 − 2 = 1. So
#
#     mean square missed     = 0.00144 / 1 = 0.00144
#     standard error         = √(0.00144 / 2) = 0.03
#
# where the 2 is the sum of squares of the doublings again. In general
#
#     slope = Σ (ln T − mean)(ln t − mean) / Σ (ln T − mean)²
#     error = √( mean square missed / Σ (ln T − mean)² )
#
# with t for the length of the plateau. We write 0.37 ± 0.03. The true exponent lies
# within one standard error in about two of three cases, if there are many points and if
# the law is a power law. With three points it is a rough number. A small error does not
# say that the law is one: bent points on few sizes can lie close to a line.

# %%
law = measure.fit_power_law([120, 160, 200], T=[16, 32, 64])
print(f"exponent {law.exponents['T']:.3f} ± {law.errors['T']:.3f}")

# %% [markdown]
# 0.368 ± 0.027, as by hand.
#
# ## 2. A step with a fixed length
#
# Under SGD (06) a step is the learning rate η times the slope. A slope that is a
# hundred times fainter makes a step that is a hundred times shorter.
#
# *Adam* is AdamW of lesson 12 without its shrinking of weights. It keeps two running
# means for each number, and its step is
#
#     η · (mean of slope) / √(mean of square)
#
# Take a slope that is the same at each step. By hand, for two slopes:
#
#     slope            0.2               0.002
#     mean of square   0.04              0.000004
#     root of it       0.2               0.002
#     quotient         0.2/0.2 = 1       0.002/0.002 = 1
#
# The step is η, however faint the slope is. What is left of the slope is its sign.
#
# Now a slope that changes sign: 3, −1, 3, −1, ...
#
#     mean of slope    (3 − 1)/2 = 1
#     mean of square   (9 + 1)/2 = 5
#     quotient         1 / √5 = 0.45
#
# So where slopes change sign, as they do from batch to batch, Adam moves by less than
# η. How much less depends on how much noise there is beside the mean.
#
# The plainest optimizer of this kind has no memory. It moves each number by η times the
# *sign* of its slope, up or down. We call this a **sign step**.
#
# *What this does to a law.* A wait is a way over a speed. In lesson 06 two numbers have
# a way to go, w (how much is written) and Δ (by how much the right score exceeds the
# others), and each has a speed:
#
#     SGD            dw/dt = κ e^Δ        dΔ/dt = κ w e^Δ        κ = 1/(√d T)
#     sign steps     dw/dt = 1            dΔ/dt = 1
#
# where t is η times the number of steps. (Δ has to wait for one step: its slope is 0
# until w has moved.) κ is gone. T and d stood nowhere else in the speeds. But T still
# stands in the *way*: attention on one right place of T is
#
#     s_r = e^Δ / (e^Δ + T − 1)
#
# and it is 1/2 when e^Δ is T − 1, when Δ is ln(T − 1). With speed 1 that is the time:
#
#     t = ln(T − 1)
#
# It is no power law any more. With η = 0.001:
#
#     T = 16       ln 15   = 2.708      2708 steps
#     T = 64       ln 63   = 4.143      4143
#     T = 1024     ln 1023 = 6.931      6931
#
# What local exponent would one find?
#
#     from 16 to 64        ln(4143/2708) / ln 4  = 0.425 / 1.386 = 0.31
#     from 64 to 1024      ln(6931/4143) / ln 16 = 0.514 / 2.773 = 0.19
#
# An exponent that falls, where SGD has 1. And d has none at all.
#
# The loss is another thing. It comes to a fifth of its start, 0.1, when (1 − s_r
# w/√d)²/2 is 0.1, so when s_r w/√d is 0.553. Attention is at most 1, so w has at least
# this way to go:
#
#     w = 0.553 √d        for d = 1024:  0.553 · 32 = 17.7
#
# **Predict.** When is attention 1/2 for d = 16, and when for d = 1024? And when is the
# loss 0.1?

# %%
ETA = 0.001
tokens, widths = (16.0, 64.0, 1024.0), (16.0, 64.0, 256.0, 1024.0)
T, d = (sizes.ravel() for sizes in np.meshgrid(tokens, widths))
flow = TwoNumbers(T, d)  # 12 runs in one call
y = flow.start()
half, low = np.full(len(T), np.nan), np.full(len(T), np.nan)
for step in range(1, 18000):
    y = y + ETA * np.sign(flow(0.0, y))
    half[(flow.attention(y) >= 0.5) & np.isnan(half)] = step
    low[(flow.loss(y) < 0.1) & np.isnan(low)] = step
print("                     attention 1/2                loss 0.1")
print("            T = 16     64   1024        16     64   1024")
for size in widths:
    rows = d == size
    print(f"d = {size:4.0f}   ", *(f"{n:6.0f}" for n in half[rows]), "    ",
          *(f"{n:6.0f}" for n in low[rows]))
on_signs = np.log(half[1] / half[0]) / np.log(64 / 16)
print(f"exponent of T from 16 to 64, by attention: {on_signs:.3f}")


def under_sgd(flow, mark):
    """The time at which mark(y) is first 0, for each run of the flow of lesson 06."""
    found = ode.event(lambda t, y: mark(y), terminal=True)
    how = dict(t_eval=[0.0], rtol=1e-8, atol=1e-11)
    return ode.integrate(flow, (0, 1e8), flow.start(), events=found, **how).t_events[0]


turned = under_sgd(flow, lambda y: flow.attention(y) - 0.5)
of_64 = d == 64
run.figure(draw.ways(T[of_64], turned[of_64], half[of_64]), "ways",
           "Left: where the number of tokens enters a wait, under SGD and in steps of one "
           "size. Right: when attention is a half, over tokens, for both.")
run.claim("two numbers in sign steps: attention is 1/2 after ln(T − 1)/η steps, whatever d is",
          (np.abs(half * ETA / np.log(T - 1) - 1) < 0.002).all())
small = TwoNumbers(*(sizes.ravel() for sizes in np.meshgrid([16.0, 32.0, 64.0], [8.0, 16.0])))
lengths = under_sgd(small, lambda y: small.loss(y) - 0.1)
law = measure.fit_power_law(lengths, T=small.T, d=small.d)
print("SGD, T 16 to 64, d 8 and 16: exponents", *(f"{x:.2f}" for x in law.exponents.values()))

# %% [markdown]
# Attention is 1/2 at 2710, 4145 and 6932, the same in each row: T is in the logarithm,
# and d is nowhere. The loss waits for the slower of the two. For d = 16 that is Δ
# nearly all the time. For d = 1024 it is w, at 17,690 for each T: there T is nowhere.
# In between, at T = 64, each fourfold d makes it 5531/4245, 8920/5531 and 17690/8920
# times as long. The local exponents of d are 0.19, 0.34 and 0.49.
#
# In one corner the loss does not even wait for attention. For d = 16, T = 1024 it is
# 0.1 at 6317, before attention is 1/2. By then w is 6.3, which is 1.58 √d, and
# attention 0.35. Their product is 0.55: little is looked at, and too much of it is
# said.
#
# In the first figure, left, the way of T through either optimizer. Right, attention for
# d = 64. Under SGD the line has the exponent 1 but for small sizes; in sign steps it
# lies on ln(T − 1). From 16 to 1024 tokens the wait grows 56-fold under SGD, and
# 2.6-fold in sign steps.
#
# (The last line is for section 3: under SGD the exponents are 0.89 and 0.49 at small
# sizes. Lesson 07 says why they are less than 1 and 1/2.)
#
# So in sign steps a law is a law of ways, and of two ways the longer counts. It is no
# power law, but over a few sizes a power fits it.
#
# Which way a number has to go depends on which numbers there are (07: other parameters,
# another law). W is d² numbers in the layer of lesson 06, of which each has only about
# 1/√d to go. Then the root of d is gone too (exercise 2).
#
# ## 3. The task, made real
#
# Now the same task for a transformer of one layer with one head. T tokens of d numbers
# each; wanted is x_r W*. Three things are different from lesson 06.
#
# - The right token may stand anywhere. Each token has one number more, its *mark*,
#   which is 1 at the right token and 0 at the others.
# - The scores are no numbers of their own. They come from queries and keys.
# - There is a readout, and what the last place holds is added to what the head found.
#
# A line for each step. Numbers are 64 wide inside:
#
#     row of a token     (x, mark) W_E + position
#     query              (row of the last place) W_Q
#     key, value         (row of each place) W_K,  (row of each place) W_V
#     score              query · key / 8                    8 = √64
#     found              (average of the values, by attention) W_O
#     answer             (row of the last place + found) W_U + a bias
#
# Positions are fixed: 64 sines and cosines, together √32 long. All matrices are drawn
# as PyTorch draws them, uniformly within 1/√(how many numbers are summed). Each step
# sees 32 new sequences. The plateau is over when the loss on 128 others is a fifth of
# what the answer 0 would lose. We look every 20 steps, and under SGD every 50. So a
# plateau of 120 steps is one of 101 to 120.
#
# Where to look is W_Q and W_K, with the mark's row of W_E. What to write is W_V, W_O
# and W_U. As in lesson 06 neither is worth anything alone.
#
# T is 16, 32 and 64 here, and d is 8 and 16. For these sizes two numbers have 0.89 and
# 0.49 under SGD.
#
# **Predict** T's exponent: for SGD, for sign steps, and for Adam.

# %%
start = dict(scale="fan_in", position_size=32**0.5, judged=128)  # PyTorch's start, long positions
adam = dict(steps=12000, **start)
ways = {"SGD": dict(optimizer="sgd", lr=0.02, every=50, **start | dict(steps=40000)),
        "Adam": adam, "sign steps": dict(**adam, by="sign")}
held = {"one division": dict(**adam, by="all"), "two divisions": dict(**adam, by="looks"),
        "two elsewhere": dict(**adam, by="values"),
        "divisions kept": dict(**adam, kept=50)}
LENGTHS, WIDTHS, LARGER = (16, 32, 64), (8, 16), (8, 16, 32)
if run.quick:
    LENGTHS, WIDTHS, LARGER = (8, 24), (4, 8), (4, 8)
    del ways["SGD"], held["one division"], held["two elsewhere"]
seed = run.options.seed
laws, waits = {}, {}


def plateaus(name, settings, widths):
    """Steps of the plateaus over all T and d, NaN for those that did not end; and their law."""
    points = [dict(length=T, width=d, seed=seed, **settings) for T in LENGTHS for d in widths]
    results = run.sweep(DividedLocation.results, points, name)
    steps = np.array([result["emerged"] or np.nan for result in results], dtype=float)
    T, d = np.array([(point["length"], point["width"]) for point in points]).T
    came = np.isfinite(steps)
    waits[name] = steps.reshape(len(LENGTHS), len(widths))
    law = laws[name] = measure.fit_power_law(steps[came], T=T[came], d=d[came])
    told = ", ".join("-" if np.isnan(n) else f"{n:.0f}" for n in steps)
    powers = ", ".join(f"{x}^{law.exponents[x]:.2f} ± {law.errors[x]:.2f}" for x in ("T", "d"))
    print(f"{name:<16} {powers}   steps {told}")


for name, settings in ways.items():
    plateaus(name, settings, WIDTHS)

# %% [markdown]
# The exponents, with seed 0. Beside them are those of two numbers, and those of the
# paper of lesson 07, *The Emergence of Sparse Attention*, for a layer with one head
# that is four times as wide:
#
#                   T                d                two numbers     paper
#     SGD           0.95 ± 0.02      1.74 ± 0.03      0.89, 0.49      1.07, 1.44
#     sign steps    0.43 ± 0.05      1.42 ± 0.07      0.31, 0
#     Adam          0.40 ± 0.03      1.33 ± 0.05                      0.57, 1.31
#
# (Seeds 1 and 2 have for T: SGD 0.94 and 0.98, sign steps 0.41 and 0.41, Adam 0.40 and
# 0.39. For d: 1.23 and 1.63, 1.24 and 1.17, 1.05 and 1.10.)
#
# *T carries over, once the optimizer is known.* Under SGD its exponent is near that of
# two numbers, a little above. Under Adam it is less than half of that. And sign steps
# have Adam's exponent, to within 0.03. So all that Adam remembers can be dropped, and
# of each slope all but the sign. *Held*: T's exponent stays.
#
# Section 2 foretells 0.31 between 16 and 64, by the way ln(T − 1) alone. Found is 0.1
# more. What one may believe: noise. A batch's slope is not the mean slope. The fainter
# the mean is beside the noise, the more often the sign is wrong, and a sign that is
# wrong nearly as often as right takes a number nowhere. With T the mean grows fainter.
# So less noise should bring the exponent down. *Held*, in exercise 3: with batches of
# 8, 32 and 128 Adam has 0.50, 0.41 and 0.38, the mean of three seeds.
#
# *d does not carry over*, under none of the three. Section 5 comes to that.
#
# The paper's own exponents of T are larger than ours, by 0.12 and 0.17. Their sizes,
# width and rate are others. Which of these it is, we do not know.
#
# ## 4. Which of Adam's divisions?
#
# Adam has a division for each number of the network, 17,480 of them for d = 8. Which of
# these does it take to change T's exponent? First, how large are the slopes at the
# start?

# %%
def sizes(tokens):
    """For W_Q and W_K together, and for all numbers, the root of the mean square of a slope."""
    rng = np.random.default_rng(seed)
    trial = DividedLocation(length=tokens, width=WIDTHS[0], **start)
    task, params = trial.draw_task(rng), trial.network.init(rng)
    loss = losses.pair_loss(trial.network, losses.SQUARED_ERROR)
    of_looks, of_all = [], []
    for _ in range(20):
        x, target = task.sample_marked(rng, 32, anywhere=True)
        _, grads = loss(params, trial.read(x, target, run.backend))
        squares = {key: g.ravel() ** 2 for key, g in grads.items()}
        of_looks.append(np.concatenate([squares["W_Q.1"], squares["W_K.1"]]).mean())
        of_all.append(np.concatenate(list(squares.values())).mean())
    return np.sqrt(np.mean(of_looks)), np.sqrt(np.mean(of_all))


slopes = {tokens: sizes(tokens) for tokens in (LENGTHS[0], LENGTHS[-1])}
for tokens, (of_looks, of_all) in slopes.items():
    print(f"T = {tokens}: slopes of W_Q and W_K {of_looks:.6f}, of all numbers {of_all:.4f}, "
          f"{of_all / of_looks:.0f} times as large")

# %% [markdown]
# The slopes of W_Q and W_K, of where to look, are 118 times fainter than those of all
# numbers at T = 16, and 81 times at T = 64. (With seeds 1 and 2: 77 and 53, 53 and 90
# times.) Do these sizes know T? A mean slope goes like 1/T by lesson 06 and would fall
# to a quarter. The one size rises by a seventh, and the other falls by a fifth. So
# nearly all that one batch shows is noise, and that hardly knows T.
#
# Four changes of Adam, each with what one would foretell:
#
# *One division.* All numbers are divided by one root, of the mean square over all of
# them. That makes all steps longer or shorter by one factor, which hardly knows T. It
# is SGD with another rate, and W_Q and W_K are 100 times slower than the rest.
# Foretold: SGD's exponent.
#
# *Two divisions.* One root for W_Q and W_K together, and one for all the rest. Now W_Q
# and W_K move as far as the rest. But neither root knows T. So all speeds should keep
# their 1/T. In the layer of lesson 06 it changes no exponent to make Δ 100 times
# faster:
#
#     dw/dt = κ e^Δ        dΔ/dt = 100 κ w e^Δ
#     dΔ/dw = 100 w
#     Δ = 50 w²
#     κ dt = e^(−50 w²) dw
#
# With u = 10 w this is the bell of lesson 06, e^(−u²/2), and dw is du/10:
#
#     t = 1.2533 / (10 κ) = 0.12533 √d T
#
# The plateau is ten times shorter, for each T. Foretold: again SGD's exponent.
#
# *Two elsewhere.* One root for W_V and W_O together, and one for all the rest. This is
# as many divisions, but W_Q and W_K share with all the rest again. Foretold: SGD's
# exponent, whatever two divisions do.
#
# *Divisions kept.* Each number has a division of its own, but the roots stay as they
# are after 50 steps. From there on it is SGD with a fixed rate for each number. (What
# else remains of Adam is the running mean of the slope, over about ten steps.) Foretold
# for the same reason: SGD's exponent, at least where a plateau is much longer than 50
# steps.
#
# **Predict** which of the four will be wrong.

# %%
for name, settings in held.items():
    plateaus(name, settings, WIDTHS)

of_T = {name: law.exponents["T"] for name, law in laws.items()}
run.claim("in sign steps T's exponent is within 0.15 of Adam's",
          abs(of_T["sign steps"] - of_T["Adam"]) < 0.15)
halfway = (of_T.get("SGD", 1.0) + of_T["Adam"]) / 2
nearer = of_T["two divisions"] < halfway
sentence = "with two divisions T's exponent is nearer to Adam's"
if not run.quick:
    nearer = nearer and min(of_T["one division"], of_T["two elsewhere"]) > halfway
    sentence = f"{sentence} than to SGD's; with one, or with two elsewhere, it is not"
run.claim(sentence, nearer)

# %% [markdown]
# The exponents of T:
#
#                         seed 0            seed 1            seed 2
#     SGD                 0.95 ± 0.02       0.94 ± 0.01       0.98 ± 0.04
#     one division        0.79 ± 0.01       1.01 ± 0.13       0.89 ± 0.10
#     two elsewhere       0.85 ± 0.00       0.89 ± 0.04       0.95 ± 0.12
#     divisions kept      0.56 ± 0.04       0.48 ± 0.03       0.53 ± 0.11
#     two divisions       0.50 ± 0.04       0.42 ± 0.02       0.47 ± 0.03
#     sign steps          0.43 ± 0.05       0.41 ± 0.05       0.41 ± 0.07
#     Adam                0.40 ± 0.03       0.40 ± 0.02       0.39 ± 0.07
#
# *One division* keeps most of SGD's exponent, or all of it. So dividing as such does
# not change the law. (For T = 64, d = 16 the plateau had not ended after 12,000 steps,
# with seeds 0 and 2. Such runs are left out of the fit, and they are late ones. So 0.79
# and 0.89 are too small, if anything. *Two elsewhere* lack the same run, with each
# seed.)
#
# *Two divisions* were foretold wrong. One size more, that of the slopes of W_Q and W_K,
# takes T's exponent most of the way from SGD's to Adam's.
#
# *Two elsewhere* do not. So it is not that there are two.
#
# *Divisions kept* were foretold wrong as well. Rates that stay as they are, but differ
# from number to number, bring the exponent to about 0.5. So it takes no division that
# follows a slope as it changes. (The first 50 steps are Adam's own. They are half of
# the shortest plateau, 100, and a thirteenth of the longest, 660. With kept=10 in place
# of kept=50 the exponents are 0.56, 0.50 and 0.62.)
#
# So, *held*: most of what Adam does to T it does by moving W_Q and W_K, where to look,
# as far as the rest. To have it for each number, and anew at each step, adds 0.02 to
# 0.1.
#
# *Not known* is why two divisions do it. Neither size knows T, and in two numbers a
# ratio of speeds leaves the exponent alone. The network differs from the two numbers in
# more than we have held: it starts at random and not at 0, its scores are products of
# matrices, and they depend on what stands there.
#
# ## 5. d, and the start
#
# Of d two numbers say: √d under SGD, and nothing in sign steps until attention is 1/2.
# The network has an exponent from 1.05 to 1.74. What has the start to do with it? We
# train under Adam from another start, in which we change one thing at a time.
#
#     even        W_E has standard deviation 1/8; all other matrices are drawn uniformly
#                 within √(6 / (rows + columns)), by Xavier's rule
#     PyTorch's   all matrices as in section 3
#     short       positions are 1 long
#     long        positions are √32 = 5.66 long, as in section 3
#
# In one thing d stands in the start itself: how long the row is that the mark writes.
# It is the length of a row of W_E, which has 64 numbers.
#
#     even           √64 · 1/8 = 1                    for each d
#     PyTorch's      uniform within 1/√(d + 1), so of standard deviation 1/√(3 (d + 1))
#         d = 8      √64 / √27 = 1.54
#         d = 32     √64 / √99 = 0.80
#
# In PyTorch's start the mark is the fainter, the larger d is. One may believe that this
# delays large d. So there is a fifth start: even and short in everything, but W_E alone
# has standard deviation 1/√(d + 1), so that the mark's row falls in the same way. We
# call it *faint*.
#
# We look every 10 steps, at 256 sequences.
#
# **Predict.** Which of these raise the exponent of d? And is it a power law?

# %%
look = dict(steps=12000, every=10)
starts = {"even, short": look, "even, long": dict(**look, position_size=32**0.5)}
if not run.quick:
    starts["PyTorch's, short"] = dict(**look, scale="fan_in")
    starts["PyTorch's, long"] = dict(**look, scale="fan_in", position_size=32**0.5)
    starts["faint, short"] = dict(**look, scale="lecun")
for name, settings in starts.items():
    plateaus(name, settings, LARGER)
    doubled = waits[name][:, 1:] / waits[name][:, :-1]  # each d beside half of it
    local = (np.log(doubled) / np.log(2)).mean(axis=0)  # the mean over T
    print("    local exponents of d:", *(f"{exponent:.2f}" for exponent in local))

# %% [markdown]
# The exponents of d:
#
#                         seed 0          seed 1          seed 2          local, seed 0
#     even, short         0.74 ± 0.03     0.67 ± 0.14     0.60 ± 0.07     0.64, 0.84
#     faint, short        0.53 ± 0.05     0.44 ± 0.18     0.39 ± 0.10     0.35, 0.72
#     PyTorch's, short    0.90 ± 0.05     0.93 ± 0.11     0.88 ± 0.05     0.71, 1.10
#     even, long          1.26 ± 0.06     0.98 ± 0.14     1.08 ± 0.06     1.46, 1.07
#     PyTorch's, long     1.42 ± 0.03     1.44 ± 0.08     1.41 ± 0.08     1.34, 1.50
#
# *Long positions* raise the exponent, by 0.3 to 0.5. *PyTorch's matrices* raise it
# besides, by 0.2 to 0.5. *Held*, and both. But *faint* lowers it, by 0.2. So what was
# believed is wrong: that the mark is fainter for larger d is not why PyTorch's start
# has the larger exponent. Why positions and matrices do it is not known.
#
# (*PyTorch's, long* is the start of section 3, with d = 32 besides: 1.42 for 1.33.)
#
# Local exponents say how good the power is. From d = 8 to 16 and from 16 to 32 they
# differ by 0.2 to 0.4 with seed 0, and by up to 1.1 with seed 1. A standard error of
# 0.03 hides that. The paper has 1.31, and we 1.42 from the start that is most like
# theirs. No more should be read into either than "d, or a little more".
#
# ## 6. Recall
#
# The task of lesson 18: pairs of a key and its value, then a query. There are two sizes
# again: how many pairs stand there, and of how many kinds of token. Two layers, Adam.
# The plateau is over when half of the answers are right.
#
# The paper has exponents of 2.25 for pairs and 0.79 for kinds of token, with four
# layers.
#
# **Predict.** Do our smaller networks have them, with 4 to 12 pairs of 16 to 64 kinds?

# %%
if run.quick:
    grid = [(pairs, kinds) for kinds in (8, 16) for pairs in (2, 4)]
else:
    grid = [(pairs, kinds) for kinds in (16, 32, 64) for pairs in (4, 6, 8, 12)]
pairs, kinds = np.array(grid).T
points = [dict(pairs=n, vocab=m, steps=4000, seed=100 * seed) for n, m in grid]
results = run.sweep(RecallTrial.results, points, "recall")
steps = np.array([result["emerged"] or np.nan for result in results], dtype=float)
came = np.isfinite(steps)
recall = measure.fit_power_law(steps[came], pairs=pairs[came], kinds=kinds[came])
power = lambda law, x: f"{x}^{law.exponents[x]:.2f} ± {law.errors[x]:.2f}"
told = f"{power(recall, 'pairs')}, {power(recall, 'kinds')}"
print(f"recall: {told}, R² {recall.r2:.3f}")
for m in np.unique(kinds):
    rows = kinds == m
    local = np.log(steps[rows][1:] / steps[rows][:-1]) / np.log(pairs[rows][1:] / pairs[rows][:-1])
    print(f"    {m} kinds: steps", *(f"{n:.0f}" for n in steps[rows]),
          "  local exponents", *(f"{x:.2f}" for x in local))

run.claim("later from long positions with larger d, and in recall with more pairs and more kinds",
          laws["even, long"].exponents["d"] > laws["even, short"].exponents["d"]
          and min(recall.exponents.values()) > 0)
of_optimizers = {name: (waits[name], laws[name]) for name in (*ways, *held)}
of_starts = {name: (waits[name], laws[name]) for name in starts}
run.figure(draw.laws(LENGTHS, WIDTHS, LARGER, of_optimizers, of_starts,
                     (pairs, kinds, steps, recall)), "laws",
           "How the plateau grows with tokens for five optimizers, with the numbers in a token "
           "for several starts, and in recall with pairs; exponents with their errors.")

both = lambda name: f"{power(laws[name], 'T')}, {power(laws[name], 'd')}" if name in laws else None
rows = [
    ("two numbers, sign steps: T by attention, 16 to 64", "0.31", f"{on_signs:.2f}"),
    ("SGD: T, d", "paper 1.07, 1.44; two numbers 0.89, 0.49", both("SGD")),
    ("Adam: T, d", "paper 0.57, 1.31", both("Adam")),
    ("sign steps: T, d", "0.31, -", both("sign steps")),
    ("two divisions: T", "as SGD", power(laws["two divisions"], "T")),
    ("recall: pairs, kinds of token", "paper 2.25, 0.79", told),
]
run.compare(rows, before="foretold, paper")
record = {name: {"law": vars(law), "steps": waits[name]} for name, law in laws.items()}
run.finish(dict(lengths=LENGTHS, widths=WIDTHS, larger=LARGER, grid=grid), laws=record,
           recall=vars(recall))

# %% [markdown]
# More pairs and more kinds of token both delay it. The exponent of kinds, 0.60 ± 0.03,
# is not far from the paper's 0.79. That of pairs is 0.59 ± 0.04, and theirs is
# **2.25**. (Seeds 1 and 2: pairs 0.52 ± 0.09 and 0.48 ± 0.07, kinds 0.61 ± 0.06 and
# 0.47 ± 0.05.)
#
# Twice the pairs take 1.5 times as long here, and 4.8 times as long there. What is
# different:
#
# - *Sizes.* A run with more pairs, `python lessons/experiments recall --vocab 64
#   --steps 6000 --over pairs=4,8,12,24`, has its plateau over at 610, 880, 1230 and
#   2640. The local exponents are 0.53, 0.83 and 1.10. They rise, so it is no power law
#   in pairs, and at larger sizes one finds a larger exponent. That is one run for each
#   size, and how far they rise we have not seen. (Those that the lesson prints, between
#   0 and 0.91, scatter: their sizes are too near each other.)
# - *What counts as over.* There it is 5% of the answers. With 4 pairs a guess among the
#   values that stand there is right in 25%, with 24 in 4.2%. So with few pairs 5% is
#   passed long before there is recall, and with many it is not. Held: five runs of 8 to
#   32 pairs of 64 kinds (with an MLP, from a start of 0.7, one seed) have
#   pairs^1.54 ± 0.16 at 50%, and the *same* runs, judged at 5%, pairs^2.15 ± 0.15. That
#   it would be 2 or more was foretold ([PAPERS.md](PAPERS.md), Fig. 4).
# - *The network.* Four layers there, two here. That was not tried.
#
# So sizes and threshold bring the exponent of pairs to the paper's. That of kinds they
# do not: with 32 pairs it is 0.33 at 5% and 0.34 at 50%. Why it is less is not known.
#
# In the second figure steps are counted from the smallest size, so that all panels have
# one axis, and a law is a line with its exponent as slope. Left, seven optimizers at
# work on the same task, the mean over both d; in the middle, Adam from five starts, the
# mean over T; right, recall.
#
# ## What was asked
#
# **What was asked.** Which exponents carry over? T's does, if one knows the optimizer:
# 0.95 under SGD, for 0.89 in two numbers. Under Adam it is 0.40, where steps of a fixed
# length would have 0.31. The exponents of d (1.05 to 1.74 for 0.5) and of pairs (0.59
# for 2.25) do not: that of d changes with the start, and both with the sizes at which
# one looks. That of pairs hangs on what counts as over, too.
#
# *What an optimizer does to a law:* a wait is a way over a speed. SGD has the sizes in
# the speed. An optimizer that divides each slope by its size takes them out of there,
# and what is left is in the way: ln(T − 1) for a score, where the speed had 1/T. What
# it divides *together* keeps the ratios it had: one division for all leaves the law as
# it was.
#
# **Why.**
#
# - *Sign steps have ln(T − 1)/η, and no d, until attention is 1/2.* Derived; measured
#   to 0.1%.
# - *Adam has its exponent of T from the sign of slopes.* Held: without sizes and
#   memory, 0.43 for 0.40.
# - *Dividing as such is not enough.* Held: with one division 0.79 to 1.01, with two
#   elsewhere 0.85 to 0.95.
# - *W_Q and W_K divided by a size of their own do most.* Held: 0.42 to 0.50. Why they
#   do, where two numbers would not mind, is not known.
# - *Noise adds to the exponent of ln(T − 1).* Held: less with each larger batch.
# - *That so few divisions help since where to look was the slowest* is a guess.
# - *The exponent of pairs hangs on the mark.* Held: the same runs have 1.54 at 50% and
#   2.15 at 5%.
# - *Long positions and PyTorch's matrices raise the exponent of d.* Held. Why is not
#   known; a fainter mark was believed, held, and is not it.
#
# **What surprises in the picture.** The green line, two divisions, lies with Adam's,
# and the brown one, with as many, lies with SGD's. One number, if it is the right one,
# is worth 0.3 to 0.6 of an exponent. And in the middle hardly a line is straight.

# %% [markdown]
# ## Exercises
#
# 1. *(3 minutes, easy)* Under SGD the plateau was over at 2850 steps for T = 16, d = 8,
#    at 9750 for T = 16, d = 16, and at 10,600 for T = 64, d = 8. What are the exponents
#    of T and of d, from these alone?
# 2. *(8 minutes, medium)* A layer has a score for each of T places, and a matrix of d²
#    numbers (06). All of them move by sign steps, each by its exact slope. When is
#    attention 1/2? And in how many steps is a number of W where W* has it? (T = 16, d =
#    32, η = 0.001.)
# 3. *(5 minutes and a run, hard)* If noise is why Adam's exponent of T is more than
#    0.31, what should become of it with batches of 8, and of 128? Run `python
#    lessons/experiments location --scale fan_in --position-size 5.657 --steps 12000
#    --every 10 --over length=16,32,64 --over width=8,16 --batch 8`, and the same with
#    128. For other seeds add --seed 1.

# %% [markdown]
# ## Answers
#
# 1. T: ln(10600/2850)/ln 4 = 1.313/1.386 = 0.95. d: ln(9750/2850)/ln 2 = 1.230/0.693 =
#    1.77. The fit over all six has 0.95 and 1.74.
# 2. The right score rises by η a step. All others are told to fall, and with signs they
#    fall by as much. So Δ grows by 2 η a step, and attention is 1/2 at ln(T − 1)/(2 η)
#    = 1354. (Measured: 1356, for d = 8 and for d = 32.) A number of W* has the size
#    1/√d = 0.18, and a number of W is there after 177 steps, long before.
# 3. More noise, a larger exponent. For batches of 8, 32 and 128 the exponents of T are
#    0.47, 0.44 and 0.42 (seed 0), 0.50, 0.37 and 0.32 (seed 1), 0.54, 0.43 and 0.40
#    (seed 2), with standard errors from 0.01 to 0.09. They fall each time, as foretold.
#    (The 0.44 is 0.40 in section 3, where one looks every 20 steps and not every 10.)
