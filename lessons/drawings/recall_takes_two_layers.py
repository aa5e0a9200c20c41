"""The figures of lesson 18."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import player, plot


def circuit():
    """The two layers over k₁ v₁ k₂ v₂ q, here with q = k₂."""
    fig, ax = plt.subplots(figsize=(9, 4.6))
    first, second, last = "v₁,\nafter k₁", "v₂,\nafter k₂", "says v₂"
    boxes = {
        "k₁": (0.1, 0.1),
        "v₁": (0.3, 0.1),
        "k₂": (0.5, 0.1),
        "v₂": (0.7, 0.1),
        "q = k₂": (0.9, 0.1),
        first: (0.3, 0.47, plot.ORANGE),
        second: (0.7, 0.47, plot.ORANGE),
        last: (0.9, 0.88, plot.PURPLE),
    }
    arrows = [
        ("v₁", first, ""),
        ("v₂", second, ""),
        ("q = k₂", last, "query: k₂", 0.0),
        ("k₁", first, "layer 1 copies\nthe token before", -0.1),
        ("k₂", second, "layer 1", -0.1),
        (second, last, "layer 2 finds “after k₂”\nand reads the value", -0.15),
    ]
    marks.schematic(ax, boxes, arrows, size=11)
    return fig


def recall(runs, patterns, guess, steps):
    """Clean accuracy {name: results}, and of one run the patterns behind it."""
    fig, (skill, behind) = plt.subplots(1, 2, figsize=(12.5, 4.6))
    inks = plot.BLUE, plot.VERMILION, plot.GREEN
    for (name, results), colour, height in zip(runs.items(), inks, (0.7, 0.24, 0.9)):
        for result in results:
            skill.plot(result["step"], result["clean_accuracy"], color=colour, lw=1.2)
        step, accuracy = np.array(results[0]["step"]), np.array(results[0]["clean_accuracy"])
        above = accuracy > height
        at = step[np.argmax(above)] if above.any() else 1.5 * guess * steps
        told = name.replace(" that", "\nthat")
        beside = dict(xytext=(10, 0), textcoords="offset points")
        skill.annotate(told, (at, height), color=colour, **beside)
    skill.axhline(guess, color="0.35", ls="--", lw=1)
    skill.set(
        xscale="symlog",
        xlim=(20, steps),
        ylim=(0, 1.05),
        xlabel="training step (logarithmic); dashed: guessing among the values",
        ylabel="accuracy on new sequences",
        title="One layer fails; two learn it in one snap",
    )
    step = np.array(patterns["step"])
    copies, selects = (np.array(patterns[name]) for name in ("previous_token", "matching"))
    for y, colour, name in (
        (copies[:, 0], plot.ORANGE, "layer 1: value → key before it"),
        (selects[:, -1], plot.PURPLE, "layer 2: query → value behind its key"),
        (patterns["clean_accuracy"], plot.BLUE, "accuracy"),
    ):
        behind.plot(step, y, color=colour, lw=2, label=name)
    behind.set(
        ylim=(0, 1.05),
        xlabel="training step",
        ylabel="attention, accuracy",
        title="Both patterns rise together",
    )
    behind.legend(fontsize=9, loc="center left")
    return fig


def page(runs):
    """Accuracy and the patterns behind it, of the first run of each network {name: results}."""
    text = "Accuracy on new sequences, and the two patterns that it takes."
    page = player.Page("Recall takes two layers", text, choice="network")
    for name, (first, *_) in runs.items():
        curves = {"accuracy": first["clean_accuracy"]}
        if "previous_token" in first:
            copies = np.array(first["previous_token"])
            curves["layer 1: value to key before it"] = copies[:, 0]
        if "matching" in first:
            curves["last layer: query to value"] = np.array(first["matching"])[:, -1]
        page.curves(first["step"], curves, label="accuracy, attention", of=name)
    return page
