"""The figure of lesson 12."""

import numpy as np

import marks
from experiments import figures
from tinyattn import player


def ladder(trial, found, reference=None):
    """The standard picture of a LadderTrial, and the paper's distance at the end."""
    fig = figures.ladder(trial, {trial.seed: found})
    if reference is not None:
        marks.reference(fig.axes[0], reference, f"paper, full teacher, at the end: {reference}")
    return fig


def page(runs):
    """Maps of all heads, distances to the teachers, attention on blocks, of {m: (trial, found)}."""
    text = "Three heads learn three blocks of the past. Block k matters m to the power of 3 − k."
    page = player.Page("Climbing the ladder", text, choice="m")
    for m, (trial, found) in runs.items():
        step, kl, mass = (np.array(found[name]) for name in ("step", "kl", "span_mass"))
        page.maps(step, np.clip(found["maps"], 0, 1), first_query=trial.network.first_query, of=m)
        rungs = [figures.rung(found["order"], k) for k in range(kl.shape[1])]
        distances = dict(zip(rungs, kl.T))
        page.curves(step, distances, label="distance to a teacher, nats", log_y=True, of=m)
        for k in range(kl.shape[1]):
            heads = {f"head {j + 1}": mass[:, j, k] for j in range(mass.shape[1])}
            page.curves(step, heads, label=f"attention on block {k + 1}", of=m)
        left = [when for when in found["stage_steps"] if when is not None]
        names = [f"nearest: {rung}" for rung in rungs[: len(left) + 1]]
        page.stages([0, *left, step[-1]], names, of=m)
    return page
