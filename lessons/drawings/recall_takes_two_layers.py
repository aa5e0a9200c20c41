"""The figures of lesson 18."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import player, plot


def circuit():
    """The two layers over 3 7 5 2 and the query 5."""
    fig, ax = plt.subplots(figsize=(9, 4.6))
    first, second, last = "7\nbehind 3", "2\nbehind 5", "says 2"
    boxes = {
        "key 3": (0.1, 0.1),
        "value 7": (0.3, 0.1),
        "key 5": (0.5, 0.1),
        "value 2": (0.7, 0.1),
        "query 5": (0.9, 0.1),
        first: (0.3, 0.47, plot.ORANGE),
        second: (0.7, 0.47, plot.ORANGE),
        last: (0.9, 0.88, plot.PURPLE),
    }
    arrows = [
        ("value 7", first, ""),
        ("value 2", second, ""),
        ("query 5", last, "who stands\nbehind 5?", 0.0),
        ("key 3", first, "layer 1 copies\nthe token before", -0.1),
        ("key 5", second, "layer 1", -0.1),
        (second, last, "layer 2 finds “behind 5”\nand reads the value", -0.15),
    ]
    marks.schematic(ax, boxes, arrows, size=11)
    return fig


def recall(found, apart, even, foretold, guess, steps):
    """Accuracy; patterns on the way; layer 2's attention; what was put back.

    found: results of the three networks {name: (seeds,)}. apart: of `taken_apart`, even: of
    `summed`, both for one seed. foretold: attention on the values (pairs,) by the sum alone.
    """
    fig, axes = plt.subplots(2, 2, figsize=(13, 9))
    (skill, behind), (second, back) = axes
    _networks(skill, found, guess, steps)
    _on_the_way(behind, apart["free"], apart["longer"])
    _second_layer(second, apart["attention"], even["attention"], foretold)
    _put_back(back, apart["put_back"], apart["free"], guess)
    return fig


def _networks(ax, found, guess, steps):
    for (name, results), colour in zip(found.items(), (plot.BLUE, plot.VERMILION, plot.GREEN)):
        for i, result in enumerate(results):
            label = name if i == 0 else None
            ax.plot(result["step"], result["clean_accuracy"], color=colour, lw=1.4, label=label)
    ax.axhline(guess, color="0.35", ls="--", lw=1, label="guessing among the values")
    ax.set(
        xscale="symlog",
        xlim=(20, steps),
        ylim=(0, 1.05),
        xlabel="training step (logarithmic)",
        ylabel="accuracy on new sequences",
        title="One layer fails; two learn it in one snap",
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=9)


def _on_the_way(ax, free, longer):
    step = np.array(free["step"])
    copies = np.array(free["previous_token"])[:, 0]
    selects = np.array(free["matching"])[:, -1]
    ax.plot(step, free["clean_accuracy"], color=plot.BLUE, lw=1.4, label="accuracy")
    ax.plot(step, selects, color=plot.PURPLE, lw=2, label="layer 2: query on the right value")
    ax.plot(step, copies, color=plot.ORANGE, lw=2, label="layer 1: values on their key")
    more = step[-1] + np.array(longer["step"])
    going_on = np.array(longer["previous_token"])[:, 0]
    ax.plot(more, going_on, color=plot.ORANGE, lw=2, ls=":", label="the same, trained on")
    ax.axvline(step[-1], color="0.6", lw=0.8)
    style = {"arrowstyle": "->", "color": "0.3"}
    lowest = copies[: len(copies) * 2 // 3].argmin()
    where = 0.04 * more[-1], 0.45
    at = step[lowest], copies[lowest]
    ax.annotate("turns away from\nthe keys first", at, where, arrowprops=style, fontsize=9)
    ax.annotate(
        "the run ends",
        (step[-1], 0.3),
        (6, 0),
        textcoords="offset points",
        fontsize=9,
    )
    ax.set(
        xlim=(0, more[-1]),
        ylim=(0, 1.05),
        xlabel="training step",
        ylabel="attention, accuracy",
        title="Two layers: layer 1 unlearns first what it needs later",
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=9)


def _second_layer(ax, free, even, foretold):
    place = np.arange(1, len(free) + 1)
    ax.bar(place - 0.2, free, 0.4, color=plot.PURPLE, label="layer 1 learns where to look")
    ax.bar(place + 0.2, even, 0.4, color=plot.SKY, label="layer 1 held at even attention")
    values = place[1:-1:2]
    label = "foretold by the sum of tokens so far"
    ax.plot(values + 0.2, foretold, "kx", ms=7, mew=2, label=label)
    kinds = ["key", "value"] * (len(free) // 2) + ["query"]
    names = [f"{kind}\n{i // 2 + 1}" if kind != "query" else kind for i, kind in enumerate(kinds)]
    size = 8 if len(free) < 12 else 6.5
    ax.set_xticks(place, names, fontsize=size)
    ax.set(
        ylim=(0, 1),
        xlabel="place",
        ylabel="layer 2's attention",
        title="A query for the third pair: the first value whose sum has its key",
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=9)


def _put_back(ax, runs, free, guess):
    colours = {
        "where layer 1 looks": plot.ORANGE,
        "where layer 2 looks": plot.PURPLE,
        "where both look": plot.VERMILION,
        "all but the embeddings": plot.GREEN,
    }
    for name, colour in colours.items():
        ax.plot(runs[name]["step"], runs[name]["clean_accuracy"], color=colour, lw=2, label=name)
    ax.plot(free["step"], free["clean_accuracy"], color=plot.BLUE, lw=2, label="everything")
    ax.axhline(guess, color="0.35", ls="--", lw=1, label="(guessing)")
    ax.axhline(0.5, color="0.35", ls=":", lw=1, label="(the mark 1/2)")
    ax.set(
        xlim=(0, free["step"][-1]),
        ylim=(0, 1.05),
        xlabel="steps after it was put back to its random start",
        ylabel="accuracy on new sequences",
        title="One part comes back at once; the more, the later",
    )
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=9, title="put back"
    )


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
        page.tour(_stops(np.array(first["step"]), curves), of=name)
    return page


def _stops(step, curves):
    """The tour: where layer 1 has turned away from the keys, the snap, and the end."""
    stops, (accuracy, *patterns) = [], map(np.array, curves.values())
    above = accuracy > 0.5
    snap = int(above.argmax()) if above.any() else len(step) - 1
    for name, looks in zip(list(curves)[1:], patterns):
        low = int(looks[: snap + 1].argmin())
        if low < snap and looks[low] < 0.8 * looks[0]:
            told = f"{name}, {looks[low]:.3f}: least here, and {looks[0]:.3f} at the start"
            stops.append((low, name, f"Step {step[low]}, before accuracy comes: {told}."))
        stops.append((len(step) - 1, name, f"In the end: {name}, {looks[-1]:.2f}."))
    there = f"accuracy is {accuracy[snap]:.2f}, for the first time above 1/2"
    never = f"accuracy is {accuracy[snap]:.3f}, and was never above 1/2"
    told = f"Step {step[snap]}: {there if above.any() else never}."
    stops.append((snap, "accuracy", told))
    return sorted(stops, key=lambda stop: stop[0])
