"""The figure of lesson 19."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import player, plot


def repetition(constant, adapted, best_p, in_context, plain, adaptive, tokens):
    """Steps to 95% {p: (seeds,)}, and of the p that adapts; runs {B: result}, plain, adaptive."""
    fig, (across, within, adapts) = plt.subplots(1, 3, figsize=(14.5, 4.7))
    medians = np.array([np.median(steps) for steps in constant.values()])
    across.plot(list(constant), np.where(np.isinf(medians), np.nan, medians), color=plot.BLUE)
    for p, steps in constant.items():
        came = steps[np.isfinite(steps)]
        across.plot([p] * len(came), came, "o", color=plot.BLUE, ms=5)
    across.plot([best_p + 0.02] * len(adapted), adapted, "D", color=plot.VERMILION, ms=6)
    below = dict(xytext=(-4, -16), textcoords="offset points", ha="right")
    point = best_p + 0.02, np.nanmin(adapted)
    across.annotate("p that adapts", point, color=plot.VERMILION, **below)
    across.set(
        xlabel="p, share of favoured queries",
        ylabel="step of 95% accuracy",
        ylim=(0, None),
        title="Across samples: a little repetition helps",
    )
    step, accuracy = np.array(plain["step"]), np.array(plain["clean_accuracy"])
    marks.named(within, step, accuracy, "none", step[-1], (4, 4), color="k", lw=2)
    for (B, run), colour, height in zip(in_context.items(), plot.COLOURS, (0.5, 0.35, 0.6)):
        step, accuracy = np.array(run["step"]), np.array(run["clean_accuracy"])
        within.plot(step, run["own_accuracy"], "--", color=colour, lw=1.4)
        came = accuracy > height
        at, shift = (step[np.argmax(came)], (6, -4)) if came.any() else (step[-1], (-6, 8))
        marks.named(within, step, accuracy, f"B = {B:g}", at, shift, color=colour, lw=2)
    within.set(
        ylim=(0, 1.05),
        xlabel="training step",
        ylabel="accuracy without repetition",
        title="In context: it delays the skill (dashed: own task)",
    )
    step, loss = np.array(adaptive["step"]), np.array(adaptive["clean_loss"]) / np.log(tokens)
    middle, top = step[len(step) // 2], step[np.argmax(adaptive["p"])]
    marks.named(adapts, step, loss, "loss / ln(tokens)", middle, (6, 6), color="k", lw=2)
    marks.named(adapts, step, adaptive["p"], "p", top, (4, 6), color=plot.VERMILION, lw=2)
    adapts.set(
        xlabel="training step",
        ylim=(0, 1.15),
        title="Repeat while nothing moves, stop when it does",
    )
    return fig


def page(runs):
    """Accuracy of the first run of each kind of repetition {name: results}."""
    text = "Accuracy without repetition, and on the task that the network is trained on."
    page = player.Page("Repetition in recall", text, choice="repetition")
    for name, (first, *_) in runs.items():
        accuracy = {"without repetition": first["clean_accuracy"]}
        if "own_accuracy" in first:
            accuracy["on its own task"] = first["own_accuracy"]
        page.curves(first["step"], accuracy, label="accuracy", of=name)
        page.curves(first["step"], {"loss": first["clean_loss"]}, label="loss, nats", of=name)
    return page
