# %% [markdown]
# # Two heads compete
#
# Nothing in a head's gradient says which head it is.
#
# **Question.** Several heads read the same input and could share the work. Why do they
# all first learn the same thing?
#
# **You see** two heads and two features, worked on paper; both heads on the same
# feature; and what parts them: not noise they share. **Takes** 10 seconds.

# %%
import numpy as np

import lesson
from drawings import two_heads_compete as draw
from tinyattn import ode, ops
from tinyattn.flows.factorization import target

run = lesson.start("09_two_heads_compete")

# %% [markdown]
# ## 1. What is to be learnt, and what a head can hold
#
# Position p holds a random number x_p (mean 0, mean square 1), and G x is wanted. G is
# a table, *features* down (what can be written), positions across (where one may look):
#
#     G = [[3, 0],        feature 1 stands at position 1 and matters three times as much
#          [0, 1]]        feature 2 stands at position 2
#
# A head has one column V, what it writes, and one row s = softmax(a), where it looks.
# It sees s·x and writes V (s·x): its table is V times s, one filled cell if it looks at
# one position and writes one feature. Two heads add up; the mean loss is what's *left
# over*:
#
#     Y = V₁ s₁ + V₂ s₂        R = G − Y        L = |R|² / 2
#
# Descent moves them by two lines. The second is lesson 01's: a pull g on the attention,
# here Rᵀ V_j, pulls the scores by J(s) g = s (g − s·g), where g exceeds its average.
#
#     dV_j/dt = R s_j        da_j/dt = J(s_j) Rᵀ V_j
#
# R is all that either head is told, and it holds both heads' work. By hand: V = 0 and s
# = (1/2, 1/2) for both, so R = G and dV/dt = G s = (1.5, 0.5). Both begin to write,
# feature 1 three times as fast. A moment τ later V = (1.5, 0.5) τ, Rᵀ V = (4.5, 0.5) τ,
# and da/dt = (1, −1) τ. **Predict:** which position does head 2 turn to?

# %%
G = np.array([[3.0, 0.0], [0.0, 1.0]])


def push(V, a, G):
    """The two lines for heads V (2, features) and a (2, positions); each may see a G of its own."""
    s, cache = ops.softmax_forward(a)
    R = G - V.T @ s + np.zeros((2, 1, 1))
    return (R * s[:, None]).sum(axis=2), ops.softmax_backward((R * V[..., None]).sum(axis=1), cache)


print("dV/dt at the start", push(np.zeros((2, 2)), np.zeros((2, 2)), G)[0])
print("da/dt at τ = 0.01 ", push(0.01 * np.array([[1.5, 0.5]] * 2), np.zeros((2, 2)), G)[1])

# %% [markdown]
# Position 1, both of them. Nothing told head 2 to look elsewhere.
#
# ## 2. Where it goes
#
# Both end on feature 1 and share it: V = (1.5, 0) and s = (1, 0) for each. All that is
# left over is feature 2, R = [[0, 0], [0, 1]], so L = 1/2. There R s = 0 and Rᵀ V = 0:
# nothing moves. **Predict:** is it a minimum?

# %%
flow = target([3.0, 1.0], 2, "logits")  # the same two lines, for any number of each
precise = dict(method="rk45", rtol=1e-6 if run.quick else 1e-9, atol=1e-13)
times = np.geomspace(0.1, 2000, 400)
follow = lambda y0: ode.integrate(flow, (0, 2000), y0, t_eval=times, **precise).y
together = follow(flow.start(2, 0.0))  # identical heads
rate, _ = flow.leading_mode(together[-1])
print(f"V {together[-1][0, :2]}, loss {flow.loss(together[-1]):.4f}, leading rate {rate:.4f}")
run.claim("identical heads stay identical to the last bit",
          bool((together[:, 0] == together[:, 1]).all()))

# %% [markdown]
# No: the *leading rate*, at which the fastest change grows, is positive as long as some
# attention is left on position 2, so it is a saddle (lesson 04). Let one head write a
# little of feature 2 and look a little at position 2, and the other do the opposite:
# their sum hardly changes, and what does change is for the better. But equal heads
# never do it, just as a walk on u = −v never left the saddle of lesson 04.
#
# Give one score of one head a difference ε, and they part, late:

# %%
apart, waits = {}, {}
for eps in (1e-2, 1e-4, 1e-8):
    y0 = flow.start(2, 0.0)
    y0[1, 3] += eps  # head 2's score of position 2
    solved = ode.event(lambda t, y: flow.loss(y) - 0.25, terminal=True)
    waits[eps] = ode.integrate(flow, (0, 1e4), y0, events=solved, **precise).first_times[0]
    apart[eps] = follow(y0)
    print(f"ε = {eps:g}: the loss falls below 1/4 at t = {waits[eps]:.1f}")
run.claim("a difference of 1e-2, 1e-4, 1e-8 parts the heads at 88.5, 263.0, 879.3",
          all(abs(waits[eps] / t - 1) < 1e-3 for eps, t in zip(waits, (88.5, 263.0, 879.3))))

# %% [markdown]
# The waits grow faster than the ln(1/ε) of lesson 04. Lesson 10 says how, and why.
#
# ## 3. Does noise part them?
#
# Training takes batches, and each batch shows the target with noise of its own.
# **Predict:** do identical heads part under it?

# %%
def descend(noise):
    """Descent from identical heads: how far apart they end. Each sees the target and its noise."""
    V, a = np.zeros((2, 2)), np.zeros((2, 2))
    for _ in range(4000):
        dV, da = push(V, a, G + noise())
        V, a = V + 0.05 * dV, a + 0.05 * da
    return float(np.abs(V[0] - V[1]).max())


same = descend(lambda: 0.3 * run.rng.normal(size=(2, 2)))
own = descend(lambda: 0.3 * run.rng.normal(size=(2, 2, 2)))
run.claim("noise that both heads see leaves them identical; noise of their own parts them",
          same == 0 and own > 1)

# %% [markdown]
# No. Both heads get the same noise, so they stay equal. Given noise of its own, as from
# a dropout mask of its own, or a different start, each goes its way.

# %%
V, s = flow.split(apart[1e-2])
tables = V[..., :, None] * s[..., None, :]
moments = {f"t = {t}": tables[np.abs(times - t).argmin()] for t in (20, 200)}
curves = {"identical heads": together, **{f"ε = {eps:g}": path for eps, path in apart.items()}}
curves = {name: (times, flow.loss(path)) for name, path in curves.items()}
run.figure(draw.tables(G, moments, curves), "tables")

run.compare([
    ("both share feature 1: V", "1.5, 0", ", ".join(f"{v:.3f}" for v in together[-1][0, :2])),
    ("loss then", 0.5, float(flow.loss(together[-1]))),
    ("difference of identical heads at the end", 0, float(np.ptp(together, axis=1).max())),
    *((f"ε = {eps:g}: they part at", None, wait) for eps, wait in waits.items()),
], before="on paper")
waits = {f"{eps:g}": wait for eps, wait in waits.items()}
run.finish({"end": 2000, "noise": 0.3}, waits=waits, same_noise=same, own_noise=own)

# %% [markdown]
# ## Exercises
#
# 1. Write G as a sum of two tables that one head each can hold. Is there another way?
# 2. Start head 2 with V = (0, 0.1) instead of 0. Which feature does it take?
# 3. At the end head 1 writes −1.3 of feature 2. Why does nothing stop it?

# %% [markdown]
# ## Answers
#
# 1. (3, 0) times (1, 0), plus (0, 1) times (0, 1). There are others: see 3.
# 2. Feature 2. It differs from head 1 from the start, and they part at t = 37.
# 3. Head 2 looks at both positions and writes feature 2 from both; head 1, which looks
#    at position 1 alone, takes back what came from there. Only the sum counts.
