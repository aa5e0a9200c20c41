"""The figure of lesson 19."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import player, plot


def repetition(snaps, last_step, across, in_context, ends):
    """Four panels: the snap by way, what is learnt first across and in context, and how it ends.

    snaps:      {way: steps of the snap (seeds,)}, infinite where none came by last_step.
    across:     results of one run with repetition across samples.
    in_context: of one with repetition in context.
    ends:       {name: results} of one run each: "none", constant q, "q adapts", and a clock.
    """
    fig, axes = plt.subplots(2, 2, figsize=(13, 9.4), layout="constrained")
    (ways, of_across), (of_ends, of_context) = axes
    _ways(ways, snaps, last_step)
    _first(
        of_across,
        across,
        {
            "favoured_accuracy": ("a favoured key is asked for: right", plot.VERMILION, "-"),
            "others_accuracy": ("another key is asked for: right", plot.BLUE, "-"),
            "previous_token": ("layer 1, a value on its key", "0.35", ":"),
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
            "clean_accuracy": ("clean accuracy", plot.BLUE, "-"),
        },
        "In context: first it counts, whatever it is asked",
    )
    flat = np.array(in_context["copied_anyway"]) > 0.9
    if flat.any():
        begin, end = np.array(in_context["step"])[flat][[0, -1]]
        of_context.annotate("", (begin, 0.82), (end, 0.82), arrowprops={"arrowstyle": "<->"})
        told = "the copied value, whatever key is asked for:\nsaid in more than 0.9"
        of_context.annotate(told, ((begin + end) / 2, 0.8), fontsize=9, ha="center", va="top")
    _ends(of_ends, ends)
    return fig


def _ways(ax, snaps, last_step):
    for row, (way, steps) in enumerate(snaps.items()):
        came = steps[np.isfinite(steps)]
        colour = plot.BLUE if "q" in way else plot.VERMILION if "n" in way[:3] else "k"
        colour = "k" if way == "none" else colour
        beside = row + 0.16 * (np.arange(len(came)) - (len(came) - 1) / 2)  # a row for each seed
        ax.plot(came, beside, "o", color=colour, ms=6)
        if len(came):
            ax.plot([np.median(steps)] * 2, [row - 0.36, row + 0.36], color=colour, lw=2)
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
        xlabel="step of the snap: clean accuracy above 1/2 (dots: seeds, bar: median)",
        title="Across samples it helps (blue), in context it does not (orange)",
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
    inks = dict(zip(ends, ("k", plot.SKY, plot.VERMILION, plot.GREEN)))
    for name, run in ends.items():
        ax.plot(run["step"], run["clean_accuracy"], color=inks[name], lw=2, label=name)
    for name in ("none", "q adapts"):
        loss = np.array(ends[name]["clean_loss"])
        told = f"{name}: loss, share of its start"
        ax.plot(ends[name]["step"], loss / loss[0], "--", color=inks[name], lw=1.2, label=told)
    ax.axhline(0.8, color="0.6", lw=1)
    step, loss = np.array(ends["none"]["step"]), np.array(ends["none"]["clean_loss"])
    below = loss < 0.8 * loss[0]
    if below.any():
        passed = step[below.argmax()]
        told = f"passed at step {passed}\nwithout repetition too"
        arrow = {"arrowstyle": "->", "color": "0.3"}
        at = (passed + 0.28 * step[-1], 0.9)
        ax.annotate(told, (passed, 0.8), at, fontsize=9, va="center", arrowprops=arrow)
    ax.set(
        ylim=(0, 1.05),
        xlabel="training step",
        ylabel="clean accuracy; share of the loss",
        title="Repeat at first, then end it: a clock does as well as the rule",
    )
    ax.legend(fontsize=9, loc="best")


def page(runs):
    """Accuracy of the first run of each way to repeat {name: results}."""
    text = "What each way to repeat teaches first: a favoured key, a copied value, the skill."
    page = player.Page("Repetition in recall", text, choice="repetition")
    for name, (first, *_) in runs.items():
        accuracy = {CLEAN: first["clean_accuracy"]}
        if "q" in name:
            accuracy[FAVOURED] = first["favoured_accuracy"]
        if "copied_anyway" in first:
            accuracy[ANYWAY] = first["copied_anyway"]
        if "own_accuracy" in first:
            accuracy[OWN] = first["own_accuracy"]
        page.curves(first["step"], accuracy, label="accuracy", of=name)
        page.curves(first["step"], {"loss": first["clean_loss"]}, label="loss, nats", of=name)
        if "adapts" in name:
            page.curves(first["step"], {"q": first["p"]}, label="q", of=name)
        page.tour(_stops(first, accuracy), of=name)
    return page


CLEAN, FAVOURED = "clean accuracy", "a favoured key asked: right"
ANYWAY, OWN = "another key asked: the copied value said", "its own task: right"


def _stops(run, accuracy):
    """The tour: what comes first with repetition, the snap without it, and the end."""
    step = run["step"]
    clean = np.array(accuracy[CLEAN])
    stops = [(len(step) - 1, CLEAN, f"In the end clean accuracy is {clean[-1]:.2f}.")]
    above = clean > 0.5
    snap = int(above.argmax()) if above.any() else None
    if snap is not None:
        told = f"clean accuracy is {clean[snap]:.2f}, for the first time above 1/2"
        stops.append((snap, CLEAN, f"Step {step[snap]}: {told}."))
    favoured = np.array(accuracy.get(FAVOURED, [0.0])) > 0.5
    first = int(favoured.argmax())
    if favoured.any() and first != snap:
        told = f"right in {accuracy[FAVOURED][first]:.2f} where a favoured key is asked for"
        others = f"in {run['others_accuracy'][first]:.2f} where another one is"
        stops.append((first, FAVOURED, f"Step {step[first]}: {told}, and {others}."))
    if ANYWAY in accuracy:
        most = int(np.argmax(accuracy[ANYWAY]))
        told = f"asked for another key, it says the copied value in {accuracy[ANYWAY][most]:.2f}"
        right = f"clean accuracy is {clean[most]:.2f}"
        stops.append((most, ANYWAY, f"Step {step[most]}: {told}; {right}."))
    if run["p"][0] != run["p"][-1] or max(run["p"]) > run["p"][0]:
        last = len(step) - 1 - int(np.argmax(run["p"][::-1]))
        told = f"the last batches with q = {run['p'][last]:g}; then it is taken back"
        stops.append((last, "q", f"Step {step[last]}: {told}."))
    return sorted(stops, key=lambda stop: stop[0])
