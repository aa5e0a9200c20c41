"""The standard picture of each trial: results of run() -> a matplotlib figure.

Of some seeds, or over values of its settings.
"""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import plot

from .ladder import LadderTrial
from .location import LocationTrial
from .lost import Lost
from .lost_recall import LostRecall
from .recall import RecallTrial
from .regression import RegressionTrial
from .text import TextTrial
from .trial import Trial


def over(trial: Trial, found: Any, runs: list, results: list) -> Any:
    """One curve for each run, in the colour of its values; beside them the steps and the law.

    found: the measure.PowerLaw, or None; runs: pairs (point, trial), results: theirs.
    """
    columns, width = (2, 13) if found else (1, 9)
    fig, axes = plt.subplots(1, columns, figsize=(width, 4.8), squeeze=False)
    _curves(axes[0, 0], trial, runs, results)
    if found:
        _law(axes[0, 1], found, runs, results)
    return fig


def _curves(ax, trial, runs, results):
    name, label, title = trial.curve
    points = list(dict.fromkeys(_words(point) for point, _ in runs))
    shade = plt.get_cmap("viridis")(np.linspace(0, 0.92, max(len(points), 2)))
    colours = dict(zip(points, plot.COLOURS if len(points) <= len(plot.COLOURS) else shade))
    few = len(points) <= 9
    seen, top = set(), 0.0
    for (point, _), result in zip(runs, results):
        y = np.array(result[name])
        step = result.get(f"{name}_step", result["step"])
        if name == "kl":
            y = y[:, -1]
        elif y.ndim > 1:
            y = y.max(axis=1)
        words = _words(point)
        told = words if few and words not in seen else None
        ax.plot(step, y, color=colours[words], lw=1.6, label=told)
        seen.add(words)
        # The first evaluations, before anything is learnt, may go above the top.
        top = max(top, 1.15 * y[min(3, len(y) - 1) :].max())
    ax.set(xlabel="training step", ylabel=label, ylim=(0, top or None), title=title)
    if few:
        ax.legend(fontsize=8)


def _law(ax, law, runs, results):
    predicted, steps = [], []
    for (point, _), result in zip(runs, results):
        if result["emerged"]:
            factors = [point[key] ** power for key, power in law.exponents.items()]
            predicted.append(law.C * np.prod(factors))
            steps.append(result["emerged"])
    ax.loglog(predicted, steps, "o", color=plot.BLUE, ms=5)
    ends = np.array([min(predicted), max(predicted)])
    ax.loglog(ends, ends, ":", color="0.35")
    powers = " ".join(f"{key}$^{{{power:.2f}}}$" for key, power in law.exponents.items())
    ax.set(
        xlabel=f"{law.C:.3g} {powers}",
        ylabel="step at which the skill came",
        title=f"The law, R² = {law.r2:.3f}",
    )


def _words(point):
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in point.items())


def ladder(trial: LadderTrial, results: dict[int, dict[str, Any]]) -> Any:
    """Distances to teachers, maps if results hold them, attention on blocks, what heads write."""
    mine = results[trial.seed]
    step, mass = np.array(mine["step"]), np.array(mine["span_mass"])
    alignment = np.array(mine["alignment"])
    H, h = alignment.shape[1:]
    left = [when for when in mine["stage_steps"] if when is not None]
    edges = [0, *left, step[-1]]
    with_maps = "maps" in mine and H <= len(plot.COLOURS)
    height, ratios = (10, (1.35, 1, 1)) if with_maps else (7, (1.35, 1))
    fig = plt.figure(figsize=(12.5, height))
    grid = fig.add_gridspec(len(ratios), 12, height_ratios=ratios)
    _distances(fig.add_subplot(grid[0, :]), trial.seed, results, edges)
    if with_maps:
        for i, moment in enumerate(_moments(step, edges)):
            ax = fig.add_subplot(grid[1, 3 * i : 3 * i + 3])
            title = f"step {step[moment]}"
            first = trial.network.first_query
            plot.heads_map(ax, mine["maps"][moment], title, first_query=first)
            ax.set_ylabel("" if i else "query position\n(the heads' colours;\ngrey: alike)")
    for k in range(h):
        ax = fig.add_subplot(grid[-1, k * 9 // h : (k + 1) * 9 // h])
        for j in range(H):
            colour = plot.COLOURS[j % len(plot.COLOURS)]
            ax.plot(step, mass[:, j, k], color=colour, lw=2, label=f"head {j + 1}")
        ax.set(title=f"attention on block {k + 1}", ylim=(0, 1), xlabel="training step")
        if k == h - 1:
            ax.legend(loc="best")
    _alignment(fig.add_subplot(grid[-1, 9:]), alignment[-1])
    return fig


def _distances(ax, own_seed, results, edges):
    """Distances of all runs to the teachers; stages of the run with this seed, between edges."""
    mine = results[own_seed]
    step, kl, order = np.array(mine["step"]), np.array(mine["kl"]), mine["order"]
    h = kl.shape[1]
    narrow = NARROW * step[-1]
    colours = [RUNGS[k % len(RUNGS)] for k in range(h)]
    for seed, result in results.items():
        own = seed == own_seed
        for k, of_rung in enumerate(np.array(result["kl"]).T):
            label = f"to the teacher of {rung(order, k)}" if own else None
            width = 2.2 if own else 0.8
            ax.plot(result["step"], of_rung, color=colours[k], lw=width, label=label)
    if "learned_kl" in mine:
        for k, of_rung in enumerate(np.array(mine["learned_kl"]).T):
            label = f"to a network that sees {rung(order, k)}"
            ax.plot(step, of_rung, color=colours[k], ls=":", lw=2, label=label)
    for i, (start, end) in enumerate(zip(edges[:-1], edges[1:])):
        ax.axvspan(start, end, color="0.94" if i % 2 == 0 else "1", zorder=0)
        if end - start < narrow:
            continue  # its name would lie on its neighbour's
        middle = (start + end) / 2
        nearest = kl[np.abs(step - middle).argmin()].argmin()
        name = f"nearest: {rung(order, nearest)}"
        inside = ("data", "axes fraction")
        ax.annotate(name, (middle, 0.97), xycoords=inside, ha="center", va="top")
    climbs = (
        "The network comes nearest to the teacher of one block, leaves it for that of two, "
        "then for that of all three"
    )
    every_stage = len(edges) == h + 1 and min(np.diff(edges)) >= narrow
    in_order = mine["rungs_in_order"] and every_stage and h == 3
    ax.set(
        xlim=(0, step[-1]),
        ylim=(0, 1.15 * kl[min(3, len(kl) - 1) :].max()),
        xlabel="training step",
        ylabel="KL(teacher || network), nats",
        title=climbs if in_order else "Distance to the teachers",
    )
    ax.legend(loc="best")


def _moments(step, edges):
    """Up to four evaluations whose maps are drawn: in the first stage, and where stages end."""
    whens = (edges[1] // 2, *edges[1:])
    moments = sorted({int(np.abs(step - when).argmin()) for when in whens})
    some = np.linspace(0, len(moments) - 1, min(4, len(moments))).round().astype(int)
    return [moments[i] for i in some]


def _alignment(ax, alignment):
    """A table of cosines (H, h)."""
    H, h = alignment.shape
    ax.imshow(alignment, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
    for (j, k), value in np.ndenumerate(alignment):
        ink = "w" if abs(value) > 0.6 else "k"
        ax.text(k, j, f"{value:.2f}", ha="center", va="center", color=ink)
    ax.set_xticks(range(h), [f"$A_{k + 1}$" for k in range(h)])
    ax.set_yticks(range(H), [f"head {j + 1}" for j in range(H)])
    ax.set(title="what a head writes, against $A_k$")


NARROW = 0.09  # of the steps, a stage too short for its name
STYLES = "-", "--", "-.", ":"  # of layers, the first first
RUNGS = plot.VERMILION, plot.PURPLE, plot.SKY, plot.BLACK


def rung(order: list[int], k: int) -> str:
    """The blocks that teacher k (from 0) sees, in words."""
    return f"block{'s' if k else ''} {', '.join(str(block + 1) for block in order[: k + 1])}"


def recall(trial: RecallTrial, results: dict[int, dict[str, Any]]) -> Any:
    """Clean accuracy of every run, and the two patterns of attention behind it, in each layer."""
    fig, (skill, patterns) = plt.subplots(1, 2, figsize=(11, 4.2))
    for seed, result in results.items():
        width = 2.2 if seed == trial.seed else 0.8
        skill.plot(result["step"], result["clean_accuracy"], color=plot.BLUE, lw=width)
    marks.reference(skill, 1 / trial.pairs, "guessing among the values")
    skill.set(
        ylim=(0, 1.02),
        xlabel="training step",
        ylabel="clean accuracy",
        title="When the skill comes",
    )
    mine = results[trial.seed]
    for name, colour, what in (
        ("previous_token", plot.ORANGE, "values look at the key before them"),
        ("matching", plot.PURPLE, "the query looks at the value behind its key"),
    ):
        if name not in mine:
            continue
        for layer, of_layer in enumerate(np.array(mine[name]).T):
            style = STYLES[layer % len(STYLES)]
            label = f"layer {layer + 1}: {what}"
            patterns.plot(mine["step"], of_layer, style, color=colour, lw=2, label=label)
    patterns.set(
        ylim=(0, 1.02),
        xlabel="training step",
        ylabel="attention",
        title=f"The patterns behind it (seed {trial.seed})",
    )
    patterns.legend(fontsize=8)
    return fig


def location(trial: LocationTrial, results: dict[int, dict[str, Any]]) -> Any:
    """Test loss and attention on the relevant token, of every run."""
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.2))
    curves = {"test_loss": "test loss", "attention": "attention on the relevant token"}
    for ax, (name, what) in zip(axes, curves.items()):
        for seed, result in results.items():
            width = 2.2 if seed == trial.seed else 0.8
            ax.plot(result["step"], result[name], color=plot.BLUE, lw=width)
        ax.set(ylim=(0, None), xlabel="training step", ylabel=what)
    marks.reference(axes[1], trial.places / trial.length, "uniform attention")
    return fig


def regression(trial: RegressionTrial, results: dict[int, dict[str, Any]]) -> Any:
    """The loss of each feature in the network and in the flow."""
    fig, ax = plt.subplots(figsize=(7.5, 4.4))
    for seed, result in results.items():
        own = seed == trial.seed
        time, loss = result["time"], np.array(result["loss"])
        for k, colour in zip(range(len(trial.lags)), plot.COLOURS):
            label = f"feature {k + 1}" if own else None
            ax.plot(time, loss[:, k], color=colour, lw=2.2 if own else 0.8, label=label)
            if own:
                of_flow = np.array(result["flow_loss"])[:, k]
                ax.plot(time, of_flow, "k:", label="the flow" if k == 0 else None)
    ax.set(
        xscale="symlog",
        xlabel="time (learning rate times steps)",
        ylabel="loss of a feature / its start",
        ylim=(0, None),
    )
    ax.legend()
    return fig


def text(trial: TextTrial, results: dict[int, dict[str, Any]]) -> Any:
    """Spread of attention with its turns, in order and shuffled; one word's attention; losses.

    Of the run with the trial's own seed.
    """
    found = results[trial.seed]
    fig, ((ordered, shuffled), (one, loss)) = plt.subplots(2, 2, figsize=(13, 8.4))
    words = [f"“{plot.plain(word)}”" for word in found["word"]]
    star = found["star"]
    _spread(ordered, found, found, words)
    _spread(shuffled, found["shuffled"], found, words)
    ordered.set_title("In the text (dots: turns)")
    ordered.legend(fontsize=8, title="word (count)")
    shuffled.set_title("The same words in random order")
    shuffled.set_ylim(ordered.get_ylim())
    for colour, (word, curve) in zip(plot.COLOURS, found["attended"].items()):
        itself = " (itself)" if word == found["word"][star] else ""
        one.plot(found["step"], curve, color=colour, lw=2, label=f"“{plot.plain(word)}”{itself}")
    for corner in found["corners"] or ():
        one.axvline(corner, color="0.4", lw=1, ls=":")
    one.set(
        ylim=(0, 1),
        xlabel="training step",
        ylabel="attention",
        title=f"What {words[star]} looks at (dotted: its clearest turn)",
    )
    one.legend(fontsize=8)
    for run, colour, name in (
        (found, plot.BLUE, "text"),
        (found["shuffled"], "0.6", "random order"),
    ):
        loss.plot(run["loss_step"], run["loss"], color=colour, lw=0.7, alpha=0.6)
        step, unseen, at = run["unseen_step"], run["unseen"], found["step"][-1] * 0.6
        told = f"{name}, kept out of training"
        marks.named(loss, step, unseen, told, at, (-6, 8), color=colour, lw=2)
    marks.reference(loss, found["word_entropy"], "entropy of the words' frequencies", below=True)
    loss.axvline(found["condensed"], color="0.4", lw=1, ls=":")
    loss.set(
        xlabel="training step (dotted: frequencies are learnt)",
        ylabel="loss, nats",
        title="Loss on text kept out of training",
    )
    return fig


def _spread(ax, run, found, words):
    """Entropy of attention of some words, and where it turns, in a run."""
    star = found["star"]
    shown = sorted({star, *np.linspace(0, len(words) - 1, 4).astype(int).tolist()})
    step, entropy = np.array(run["step"]), np.array(run["entropy"])
    for colour, j in zip(plot.COLOURS, shown):
        label = f"{words[j]} ({found['count'][j]})"
        ax.plot(step, entropy[:, j], color=colour, lw=2.5 if j == star else 1.3, label=label)
        for turn in run["turns"][j]:
            at = np.searchsorted(step, turn)
            ax.plot(step[at], entropy[at, j], "o", color=colour, ms=5)
    ylabel = "spread of attention (entropy, nats)"
    ax.set(ylim=(0, None), xlabel="training step", ylabel=ylabel)


def lost(piece: Lost, numbers: dict[str, Any]) -> Any:
    """The figure of a Lost: what a lost head costs at once and in the end."""
    moments = ("rung 1", "rung 2", "end")
    fig, axes = plt.subplots(1, len(moments), figsize=(12.5, 4.5), sharey=True)
    fig.suptitle(f"A head is lost: {piece.model} model, {piece.heads} heads", x=0.01, ha="left")
    for ax, moment in zip(axes, moments):
        for one, colour in zip(numbers.values(), plot.COLOURS):
            ends = one[moment]
            for at_once, in_the_end in zip(ends["at_once"], ends["in_the_end"]):
                ax.plot([0, 1], [at_once, in_the_end], "o-", color=colour)
            foretold = min(law["averaged"] for law in one["foretold"].values())
            ax.axhline(foretold, color=colour, lw=1, ls="--")
        ax.set(xticks=[0, 1], xticklabels=["at once", "in the end"], title=f"lost at: {moment}")
    axes[0].set_ylabel("distance to the full teacher, nats (dashed: foretold)")
    return fig


def lost_recall(piece: LostRecall, numbers: dict[str, Any]) -> Any:
    """The figure of a LostRecall: accuracy without each head, at once and trained on."""
    fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), sharey=True)
    fig.suptitle(f"A head of recall is lost: {piece.heads} heads a layer", x=0.01, ha="left")
    for ax, layer in zip(axes, ("layer 1", "layer 2")):
        for one, colour in zip(numbers.values(), plot.COLOURS):
            ends = one[layer]
            for at_once, in_the_end in zip(ends["at_once"], ends["in_the_end"]):
                ax.plot([0, 1], [at_once, in_the_end], "o-", color=colour)
        ax.set(xticks=[0, 1], xticklabels=["at once", "in the end"], title=layer)
    axes[0].set_ylabel("clean accuracy")
    return fig
