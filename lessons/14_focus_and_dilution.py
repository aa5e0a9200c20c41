# %% [markdown]
# # Focus and dilution
#
# Attention and embeddings share their numbers, so each undoes what the other has done.
#
# **Question.** In one head, attention focuses, blurs and focuses again, and the loss
# falls in steps. What drives the cycle?
#
# **You see** four stages on one axis of time, each with its cause. **Takes** 40
# seconds.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads only slow down matrices so small

import numpy as np

import lesson
from drawings import focus_and_dilution as draw
from tinyattn import measure
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.flows.stages import find_stages

run = lesson.start("14_focus_and_dilution")
END, RTOL = (700.0, 1e-6) if run.quick else (1000.0, 1e-8)

# %% [markdown]
# ## 1. One head, four tokens
#
# Four tokens; token 0 stands at 75 of 100 places, the others at 19, 5 and 1. In this
# chain a token comes again with probability ρ = 1/2; else a fresh one is drawn with
# these frequencies π. Call the last token i: the head predicts the one after it.
#
# Each token has one *embedding*, a vector (a row of W0), and it serves three times: as
# the query of the last token, as the key of a token that is read, and as what that
# token says about the next one, through a *readout* W1. There are no positions. So the
# last token i looks at token k as often as k stands there, times e to the score:
#
#     A_ik = π_k e^(Φ_ik) / Σ_l π_l e^(Φ_il)        Φ = W0 W_Q W_Kᵀ W0ᵀ
#
# and the logits are A W0 W1. All weights start near 0, at ε = 1e-3. Then every token
# gets probability 1/4, and the loss is ln 4 = 1.386.
#
# **Predict.** Where does the loss rest next, if attention cannot move yet? And when
# does the first rest end: near 0 the pull on W0 W1 is π (π − 1/4)ᵀ, so 0 is a saddle
# left at the rate |π| |π − 1/4| = 0.775 · 0.593 = 0.46 (|π| is the length of π).

# %%
pi = np.array([0.75, 0.19, 0.05, 0.01])
flow = FocusDilution(pi, 0.5, 16)
times = np.geomspace(1, END, 600)
how = dict(method="rk45", rtol=RTOL, atol=1e-2 * RTOL)
start = flow.start(run.rng, 1e-3)
stages = find_stages(flow, start, END, t_eval=times, **how)
states = stages.path.y
A, norms = flow.attention(states), flow.row_norms(states)
spread = measure.entropy(np.log(A))

# %% [markdown]
# ## 2. Four stages
#
# 1. **Condensation.** While W0 is 0 all values are equal, so scores have no gradient
#    (lesson 01, exercise 3); the embeddings grow, all along one direction and in
#    proportion to π, and the head says π whatever it sees. *Cause: a saddle at 0, left
#    after about ln(1000)/0.46 = 15.*
# 2. **Focus.** Now there is something to look at. All tokens turn to the frequent
#    token, that token itself first. *Cause: a second saddle, which only W_Q and W_K can
#    leave.*
# 3. **Dilution.** The frequent token's embedding says "I come again", and after a rare
#    token that is wrong. So the rare tokens' embeddings shrink, pass through zero and
#    grow the other way. As queries they then change the sign of all their scores: they
#    avoid what they sought, and spread. *Cause: one vector is value and query.*
# 4. **Renewal.** The rare tokens differ a little, which opens a new direction; in it
#    the next tokens focus, now on themselves. *Cause: an asymmetry of the data.*

# %%
ends = [stages.condensed_t, stages.focus_t, stages.dilution_t, stages.renewal_t]
moments = [40, stages.focus_t, 170, 500, 0.95 * END]
edges = [1.0, ends[0], ends[1], ends[3], END]
references = {"all tokens alike: ln 4": np.log(4),
              "frequencies known: entropy of π": float(-(pi @ np.log(pi))),
              "all known: entropy of the chain": flow.entropy_rate}
losses = flow.loss(states)
figure = draw.stages(pi, times, A, moments, edges, losses, references, norms, spread)
run.figure(figure, "stages")
others = {eps: find_stages(flow, eps * (start / 1e-3), END, t_eval=times, **how)
          for eps in (1e-2, 1e-4)}
run.page(draw.page(flow, {1e-3: stages, **others}), "player")

at = lambda t: int(np.abs(times - t).argmin())
known = np.array([14.009, 86.217, 94.54, 297.36])
exact = run.options.seed > 0 or bool(np.abs(ends / known - 1).max() < 1e-3)
run.claim("the stages end in this order, at 14.0, 86.2, 94.5 and 297 (seed 0)",
          all(np.diff(ends) > 0) and exact)
run.claim("condensation is along π, with attention frozen",
          1 - stages.cosine < 1e-5 and abs(stages.frozen_ratio - 1) < 2e-3)
calm = spread[at(ends[2]) : at(ends[3])]
run.claim("in dilution the frequent token stays focused on itself, and token 1 spreads",
          calm[:, 0].max() < 0.3 and calm[:, 1].max() > spread[at(ends[1]), 1] + 0.2)
run.claim("after renewal token 1 focuses again",
          spread[-1, 1] < spread[at(ends[3]) :, 1].max() - 0.2)

text = lambda values: ", ".join(f"{value:.4g}" for value in values)
run.compare([
    ("condensation, focus, dilution, renewal end at", text(known), text(ends)),
    ("1 − cosine of W0's direction with π", "6.8e-07", 1 - stages.cosine),
    ("norm of W_Q over its start then", "1.0007", f"{stages.frozen_ratio:.4f}"),
    ("token 1's embedding: longest, least", "0.4826, 0.0045", text([stages.peak, stages.minimum])),
    ("loss at t = 200", 0.6335, float(losses[at(200)])),
    ("least possible loss: entropy of the chain", 0.5536, flow.entropy_rate),
], before="SciPy")
run.finish({"pi": pi, "rho": 0.5, "width": 16, "end": END, "rtol": RTOL}, ends=ends,
           cosine=stages.cosine, frozen=stages.frozen_ratio)

# %% [markdown]
# ## Exercises
#
# 1. Start ten times nearer to 0. By how much do condensation and focus come later?
# 2. Let the chain forget faster: ρ = 0.3. Which stage waits longer, and why?
# 3. Make the rare tokens exactly alike, in π and in the start. What becomes of stage 4?

# %% [markdown]
# ## Answers
#
# 1. Condensation by ln(10)/0.46 = 5.0; focus comes at 120 and not at 86 (lesson 15).
# 2. Focus: it pays only as far as the last token says something about the next. It ends
#    at 132 and not at 86; condensation, which needs π alone, stays at 14.0.
# 3. Nothing: no direction is left that grows, and the loss stays at 0.7226.
