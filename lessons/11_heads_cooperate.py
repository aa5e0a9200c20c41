# %% [markdown]
# # Heads cooperate
#
# What one head has learnt is no longer left over for the others.
#
# **Question.** Once a head has left the crowd, who does what, and in which order?
#
# **You see** three heads divide three features, one stage after the other; a head too
# many, a head too few; a network that follows the same curve. **Takes** 15 seconds.

# %%
import numpy as np

import lesson
from drawings import heads_cooperate as draw
from experiments import RegressionTrial
from tinyattn import ode
from tinyattn.flows.factorization import target

run = lesson.start("11_heads_cooperate")
END, RTOL = (700.0, 1e-6) if run.quick else (3000.0, 1e-8)

# %% [markdown]
# ## 1. Three heads, three features
#
# Lesson 09 with one more of each: feature k stands at position k and matters by its
# *importance* m_k. The general form, for any heads j and features k:
#
#     G = Σ_k m_k e_k p_kᵀ        Y = Σ_j V_j s_jᵀ        R = G − Y        L = |R|² / 2
#
# e_k and p_k are feature k and its position as one-hots. Take m = (2.89, 1.7, 1) and 40
# positions: at the start the loss is (2.89² + 1.7² + 1²)/2 = 6.12. From here on descent
# moves attention itself, ds_j/dt = J(s_j) Rᵀ V_j, the *simplex form* (through scores J
# acts twice: the same story, slower). To leave for feature k, ν of which is written, a
# head's pull is Rᵀ V = m_k ν, so its attention there grows by ds_k/dt = s_k m_k ν; and
# by as much as s_k is raised, m_k times that is dν/dt. So it leaves at the rate m_k
# √s_k (in lesson 10, √2 δ). All heads go to feature 1 first. **Predict:** which is
# next?

# %%
flow = target([2.89, 1.7, 1.0], 40, "simplex")


def follow(flow, start, end=END):
    """The path, and when the loss in each feature has halved ("half learnt"), NaN if never."""
    times = np.concatenate([[0], np.geomspace(0.1, end, 400)])
    halves = [flow.half_event(start, k) for k in range(3)]
    path = ode.integrate(flow, (0, end), start, t_eval=times, events=halves, rtol=RTOL, atol=1e-12)
    return path, np.array(path.first_times)


start = flow.start(3, 1e-6)  # head j's score of position j is 1e-6 higher
path, half_times = follow(flow, start)
V, s = flow.split(path.y)
next_ones = []
for before, after in zip(half_times, half_times[1:]):  # between them: what grows fastest?
    middle = np.abs(path.t - np.sqrt(before * after)).argmin()
    _, motion = flow.leading_mode(path.y[middle])
    head, feature = np.unravel_index(motion[:, :3].argmax(), (3, 3))
    next_ones.append((int(feature) + 1, int(head) + 1))

moments = [0.1, *np.sqrt(half_times * np.append(half_times[1:], END))]
losses = flow.feature_loss(path.y)
run.figure(draw.stages(path.t, V, s, losses, half_times, moments), "stages")
run.claim("features 1, 2, 3 are half learnt at 4.54, 89.3 and 226",
          bool(np.abs(half_times / [4.5413, 89.278, 226.31] - 1).max() < 1e-3))
run.claim("on each plateau the fastest direction names the next feature and the head to take it",
          next_ones == [(2, 2), (3, 3)])

# %% [markdown]
# R holds features 2 and 3, and the pull of 2 is stronger: one head leaves for it. Then
# only 3 is left over. *The order of stages is the order of importances.*
#
# ## 2. Other orders, other numbers of heads
#
# **Predict:** importances reversed; four heads; two. And a network: lesson 03's model
# under descent on Gaussian tokens with squared error. If its attention depends on
# positions alone, that is lesson 09's loss: x x^T is the identity on average.

# %%
reverse = target([1.0, 1.7, 2.89], 40, "simplex")
cases = {"importances reversed": (reverse, reverse.start(3, 1e-6)),
         "four heads: one to spare": (flow, flow.start(4, 1e-6)),
         "two heads: feature 3 given up": (flow, flow.start(2, 1e-6))}
found, shares = {}, {}
for name, (one, y0) in cases.items():
    found[name] = one_path, halves = follow(one, y0)
    shares[name] = one_path.t, one.feature_loss(one_path.y) / one.feature_loss(y0)

size = dict(batch=300, steps=600) if run.quick else {}
trial = RegressionTrial(**size, seed=run.options.seed, device=run.device.name)
network = trial.run(title="network")
run.figure(draw.variants(shares, network), "variants")

reversed_path, four, two = found.values()
reversed_order = (np.argsort(reversed_path[1]) + 1).tolist()
of_two = float(flow.loss(two[0].y[-1]))
crowd = int(np.bincount(flow.split(four[0].y[-1])[1].argmax(axis=1)).argmax()) + 1
run.claim("reversed importances reverse the order; a fourth head stays on 1; two heads give up 3",
          reversed_order == [3, 2, 1] and crowd == 1 and abs(of_two - 0.5) < 1e-4)
reached = [(a, b) for a, b in zip(network["half_times"], network["flow_half_times"]) if b]
gap = max(abs(a / b - 1) for a, b in reached)
run.claim("the network keeps the order, and its times within 15% (quick: 30%) of the flow's",
          gap < (0.3 if run.quick else 0.15) and reached == sorted(reached))

text = lambda times: ", ".join("never" if t is None or np.isnan(t) else f"{t:.4g}" for t in times)
run.compare([  # the paper, Incremental Learning of Sparse Attention Patterns, starts elsewhere: 10
    ("half times of features 1, 2, 3", "5, 50, 230", text(half_times)),
    ("two heads: loss for ever, m₃²/2", None, of_two),
    ("the network's half times", None, text(network["half_times"])),
    ("    and the flow's", None, text(network["flow_half_times"])),
])
run.finish({"end": END, **size}, half_times=half_times, reversed_order=reversed_order,
           two_heads=of_two, network=network["half_times"], flow=network["flow_half_times"])

# %% [markdown]
# ## Exercises
#
# 1. All importances equal: what do the heads learn first, and how much loss is left?
# 2. Each feature stands on two positions, head j is tilted to j. What is not learnt?
# 3. Start from flow.waterfall(3, 0.99): head j spread over positions 1 to j. What now?

# %% [markdown]
# ## Answers
#
# 1. A third in all nine cells: (3 · 4/9 + 6 · 1/9)/3 = 2/3 is left. Then all part.
# 2. Heads 1 and 2 are tilted to one block and act as one head: feature 3 is not learnt.
# 3. No plateaus: the heads differ from the start, and nobody has to leave a crowd.
