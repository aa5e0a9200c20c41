"""The figure of lesson 19."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import player, plot


def repetition(snaps, last_step, across, in_context, ends):
    """Four panels: the snap by way, what is learnt first across and in context, and how it ends.

    snaps:      {way: steps of the snap (seeds,)}, infinite where none came by last_step.
    across:     results of one run with repetition across samples.
    in_context: of one with repetition in context.
    ends:       {name: results} of one run each: without, with constant q, with q that adapts.
    """
    fig, axes = plt.subplots(2, 2, figsize=(13, 9.4), layout="constrained")
    (ways, of_across), (of_ends, of_context) = axes
    _ways(ways, snaps, last_step)
    _first(
        of_across,
        across,
        {
            "favoured_accuracy": ("asked for a favoured key", plot.VERMILION, "-"),
            "others_accuracy": ("asked for another key", plot.BLUE, "-"),
            "previous_token": ("layer 1 of a value on its key", "0.35", ":"),
        },
        "Across samples: first the favoured keys, then the others",
    )
    _first(
        of_context,
        in_context,
        {
            "copied_accuracy": ("the copied pair is asked for: right", plot.VERMILION, "-"),
            "copied_anyway": (
                "another key is asked for, and the copied\nvalue is said all the same",
                plot.ORANGE,
                "--",
            ),
            "clean_accuracy": ("no copies: right", plot.BLUE, "-"),
        },
        "In context: first it counts, whatever it is asked",
    )
    flat = np.array(in_context["copied_anyway"]) > 0.9
    if flat.any():
        begin, end = np.array(in_context["step"])[flat][[0, -1]]
        of_context.annotate("", (begin, 0.82), (end, 0.82), arrowprops={"arrowstyle": "<->"})
        told = "nearly all copied pairs right,\nand the query has no part in it"
        of_context.annotate(told, ((begin + end) / 2, 0.8), fontsize=9, ha="center", va="top")
    _ends(of_ends, ends)
    return fig


def _ways(ax, snaps, last_step):
    for row, (way, steps) in enumerate(snaps.items()):
        came = steps[np.isfinite(steps)]
        colour = plot.BLUE if "q" in way else plot.VERMILION if "n" in way[:3] else "k"
        colour = "k" if way == "none" else colour
        ax.plot(came, [row] * len(came), "o", color=colour, ms=7, alpha=0.75)
        if len(came):
            ax.plot([np.median(steps)] * 2, [row - 0.3, row + 0.3], color=colour, lw=2)
        else:
            ax.annotate(
                f"not by {last_step}", (last_step, row), color=colour, ha="right", va="center"
            )
    none = np.median(snaps["none"])
    ax.axvline(none, color="0.5", lw=1, ls="--")
    ax.set_yticks(range(len(snaps)), list(snaps))
    ax.invert_yaxis()
    ax.set(
        xlim=(0, None),
        xlabel="step of the snap: clean accuracy above 1/2 (a dot for each seed)",
        title="Across samples it helps (blue), in context it does not (red)",
    )


def _first(ax, run, curves, title):
    step = np.array(run["step"])
    for name, (told, colour, style) in curves.items():
        y = np.array(run[name])
        y = y[:, 0] if y.ndim == 2 else y
        ax.plot(step, y, style, color=colour, lw=2, label=told)
    ax.set(ylim=(0, 1.05), xlabel="training step", ylabel="share", title=title)
    ax.legend(fontsize=9, loc="best")


def _ends(ax, ends):
    inks = "k", plot.SKY, plot.VERMILION
    for (name, run), colour in zip(ends.items(), inks):
        ax.plot(run["step"], run["clean_accuracy"], color=colour, lw=2, label=name)
    adaptive = list(ends.values())[-1]
    ax.plot(adaptive["step"], adaptive["p"], ":", color=plot.VERMILION, lw=1.6, label="its q")
    ax.set(
        ylim=(0, 1.05),
        xlabel="training step",
        ylabel="clean accuracy; q",
        title="Repeat while nothing moves, stop when it does",
    )
    ax.legend(fontsize=9, loc="best")


def page(runs):
    """Accuracy of the first run of each way to repeat {name: results}."""
    text = "Accuracy without repetition, on favoured keys, and on the task that is trained."
    page = player.Page("Repetition in recall", text, choice="repetition")
    for name, (first, *_) in runs.items():
        accuracy = {"without repetition": first["clean_accuracy"]}
        if "q" in name:
            accuracy["asked for a favoured key"] = first["favoured_accuracy"]
        if "copied_anyway" in first:
            accuracy["copied value, another key asked"] = first["copied_anyway"]
        if "own_accuracy" in first:
            accuracy["on its own task"] = first["own_accuracy"]
        page.curves(first["step"], accuracy, label="accuracy", of=name)
        page.curves(first["step"], {"loss": first["clean_loss"]}, label="loss, nats", of=name)
    return page
