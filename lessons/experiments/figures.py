"""The standard picture of each trial, of some seeds or over values of its settings: results of run() -> a matplotlib figure."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import plot

from .ladder import LadderTrial
from .location import LocationTrial
from .recall import RecallTrial
from .regression import RegressionTrial
from .text import TextTrial
from .trial import Trial


def over(trial: Trial, found: Any, runs: list, results: list) -> Any:
    """One curve for each run, in the colour of its values; beside them, if one was found, the steps and the law."""
    fig, axes = plt.subplots(1, 2 if found else 1, figsize=(13 if found else 9, 4.8), squeeze=False)
    ax = axes[0, 0]
    name, label, title = trial.curve
    points = list(dict.fromkeys(_words(point) for point, _ in runs))
    shade = plt.get_cmap("viridis")(np.linspace(0, 0.92, max(len(points), 2)))
    colours = dict(zip(points, plot.COLOURS if len(points) <= len(plot.COLOURS) else shade))
    seen, top = set(), 0.0
    for (point, _), result in zip(runs, results):
        y, step, words = (
            np.array(result[name]),
            result.get(f"{name}_step", result["step"]),
            _words(point),
        )
        if name == "kl":
            y = y[:, -1]
        elif y.ndim > 1:
            y = y.max(axis=1)
        ax.plot(
            step,
            y,
            color=colours[words],
            lw=1.6,
            label=None if words in seen or len(points) > 9 else words,
        )
        seen.add(words)
        top = max(
            top, 1.15 * y[min(3, len(y) - 1) :].max()
        )  # the first looks, before anything is learnt, may go above it
    ax.set(xlabel="training step", ylabel=label, ylim=(0, top or None), title=title)
    ax.legend(fontsize=8) if len(points) <= 9 else None
    if found:
        ax = axes[0, 1]
        came = [
            (point, result["emerged"])
            for (point, _), result in zip(runs, results)
            if result["emerged"]
        ]
        predicted = [
            found.C * np.prod([point[key] ** power for key, power in found.exponents.items()])
            for point, _ in came
        ]
        steps = [step for _, step in came]
        ax.loglog(predicted, steps, "o", color=plot.BLUE, ms=5)
        ends = np.array([min(predicted), max(predicted)])
        ax.loglog(ends, ends, ":", color="0.35")
        powers = " ".join(f"{key}$^{{{power:.2f}}}$" for key, power in found.exponents.items())
        ax.set(
            xlabel=f"{found.C:.3g} {powers}",
            ylabel="step at which the skill came",
            title=f"The law, R² = {found.r2:.3f}",
        )
    return fig


def _words(point):
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in point.items())


def ladder(trial: LadderTrial, results: dict[int, dict[str, Any]]) -> Any:
    """Distances to all teachers, maps (if results hold them), attention on blocks, what heads write."""
    mine = results[trial.seed]
    step, kl, mass, alignment = (
        np.array(mine[name]) for name in ("step", "kl", "span_mass", "alignment")
    )
    H, h = alignment.shape[1:]
    left = [when for when in mine["stage_steps"] if when is not None]
    edges = [0, *left, step[-1]]
    in_order = (
        mine["rungs_in_order"] and len(left) == h - 1 and min(np.diff(edges)) >= NARROW * step[-1]
    )
    with_maps = "maps" in mine and H <= len(plot.COLOURS)
    fig = plt.figure(figsize=(12.5, 10 if with_maps else 7))
    grid = fig.add_gridspec(
        2 + with_maps, 12, height_ratios=(1.35, 1, 1) if with_maps else (1.35, 1)
    )
    ax = fig.add_subplot(grid[0, :])
    for seed, result in results.items():
        for k in range(h):
            own = seed == trial.seed
            ax.plot(result["step"], np.array(result["kl"])[:, k], color=RUNGS[k % len(RUNGS)], lw=2.2 if own else 0.8,
                    label=f"to the teacher of {rung(mine['order'], k)}" if own else None)  # fmt: skip
    for k, of_rung in enumerate(np.array(mine["learned_kl"]).T if "learned_kl" in mine else ()):
        label = f"to a network that sees {rung(mine['order'], k)}"
        ax.plot(step, of_rung, color=RUNGS[k % len(RUNGS)], ls=":", lw=2, label=label)
    for i, (start, end) in enumerate(zip(edges[:-1], edges[1:])):
        ax.axvspan(start, end, color="0.94" if i % 2 == 0 else "1", zorder=0)
        if end - start < NARROW * step[-1]:
            continue  # its name would lie on its neighbour's
        nearest = kl[np.abs(step - (start + end) / 2).argmin()].argmin()
        name = f"nearest: {rung(mine['order'], nearest)}"
        ax.annotate(
            name,
            ((start + end) / 2, 0.97),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
        )
    climbs = "The network comes nearest to the teacher of one block, leaves it for that of two, then for that of all three"
    ax.set(
        xlim=(0, step[-1]),
        ylim=(0, 1.15 * kl[min(3, len(kl) - 1) :].max()),
        xlabel="training step",
        ylabel="KL(teacher || network), nats",
        title=climbs if in_order and h == 3 else "Distance to the teachers",
    )
    ax.legend(loc="best")
    if with_maps:
        moments = sorted(
            {int(np.abs(step - when).argmin()) for when in (edges[1] // 2, *edges[1:])}
        )
        moments = [
            moments[i]
            for i in np.linspace(0, len(moments) - 1, min(4, len(moments))).round().astype(int)
        ]
        for i, moment in enumerate(moments):
            ax = fig.add_subplot(grid[1, 3 * i : 3 * i + 3])
            plot.heads_map(
                ax,
                mine["maps"][moment],
                f"step {step[moment]}",
                first_query=trial.network.first_query,
            )
            ax.set_ylabel("" if i else "query position\n(the heads' colours;\ngrey: alike)")
    for k in range(h):
        ax = fig.add_subplot(grid[-1, k * 9 // h : (k + 1) * 9 // h])
        for j in range(H):
            ax.plot(
                step,
                mass[:, j, k],
                color=plot.COLOURS[j % len(plot.COLOURS)],
                lw=2,
                label=f"head {j + 1}",
            )
        ax.set(title=f"attention on block {k + 1}", ylim=(0, 1), xlabel="training step")
        if k == h - 1:
            ax.legend(loc="best")
    ax = fig.add_subplot(grid[-1, 9:])
    ax.imshow(alignment[-1], cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
    for j, k in np.ndindex(H, h):
        value = float(alignment[-1, j, k])
        ax.text(
            k, j, f"{value:.2f}", ha="center", va="center", color="w" if abs(value) > 0.6 else "k"
        )
    ax.set_xticks(range(h), [f"$A_{k + 1}$" for k in range(h)])
    ax.set_yticks(range(H), [f"head {j + 1}" for j in range(H)])
    ax.set(title="what a head writes, against $A_k$")
    return fig


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
        skill.plot(
            result["step"],
            result["clean_accuracy"],
            color=plot.BLUE,
            lw=2.2 if seed == trial.seed else 0.8,
        )
    plot.reference(skill, 1 / trial.pairs, "guessing among the values")
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
        for layer, of_layer in enumerate(np.array(mine[name]).T if name in mine else ()):
            style = STYLES[layer % len(STYLES)]
            patterns.plot(
                mine["step"],
                of_layer,
                style,
                color=colour,
                lw=2,
                label=f"layer {layer + 1}: {what}",
            )
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
    for ax, name, what in zip(
        axes, ("test_loss", "attention"), ("test loss", "attention on the relevant token")
    ):
        for seed, result in results.items():
            ax.plot(
                result["step"], result[name], color=plot.BLUE, lw=2.2 if seed == trial.seed else 0.8
            )
        ax.set(ylim=(0, None), xlabel="training step", ylabel=what)
    plot.reference(axes[1], trial.places / trial.length, "uniform attention")
    return fig


def regression(trial: RegressionTrial, results: dict[int, dict[str, Any]]) -> Any:
    """The loss of each feature in the network and in the flow."""
    fig, ax = plt.subplots(figsize=(7.5, 4.4))
    for seed, result in results.items():
        for k, colour in zip(range(len(trial.lags)), plot.COLOURS):
            own = seed == trial.seed
            ax.plot(result["time"], np.array(result["loss"])[:, k], color=colour, lw=2.2 if own else 0.8,
                    label=f"feature {k + 1}" if own else None)  # fmt: skip
            if own:
                ax.plot(
                    result["time"],
                    np.array(result["flow_loss"])[:, k],
                    "k:",
                    label="the flow" if k == 0 else None,
                )
    ax.set(
        xscale="symlog",
        xlabel="time (learning rate times steps)",
        ylabel="loss of a feature / its start",
        ylim=(0, None),
    )
    ax.legend()
    return fig


def text(trial: TextTrial, results: dict[int, dict[str, Any]]) -> Any:
    """Of the trial's own seed: spread of attention with its turns, in order and shuffled; one word's attention; losses."""
    found = results[trial.seed]
    fig, ((ordered, shuffled), (one, loss)) = plt.subplots(2, 2, figsize=(13, 8.4))
    words = [f"“{plot.plain(word)}”" for word in found["word"]]
    star = found["star"]
    shown = sorted({star, *np.linspace(0, len(words) - 1, 4).astype(int).tolist()})
    for ax, run, title in (
        (ordered, found, "In the text (dots: turns)"),
        (shuffled, found["shuffled"], "The same words in random order"),
    ):
        step, entropy = np.array(run["step"]), np.array(run["entropy"])
        for colour, j in zip(plot.COLOURS, shown):
            label = f"{words[j]} ({found['count'][j]})"
            ax.plot(step, entropy[:, j], color=colour, lw=2.5 if j == star else 1.3, label=label)
            for turn in run["turns"][j]:
                at = np.searchsorted(step, turn)
                ax.plot(step[at], entropy[at, j], "o", color=colour, ms=5)
        ax.set(
            ylim=(0, None),
            xlabel="training step",
            ylabel="spread of attention (entropy, nats)",
            title=title,
        )
    ordered.legend(fontsize=8, title="word (count)")
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
        plot.named(
            loss,
            run["unseen_step"],
            run["unseen"],
            f"{name}, kept out of training",
            found["step"][-1] * 0.6,
            (-6, 8),
            color=colour,
            lw=2,
        )
    plot.reference(loss, found["word_entropy"], "entropy of the words' frequencies", below=True)
    loss.axvline(found["condensed"], color="0.4", lw=1, ls=":")
    loss.set(
        xlabel="training step (dotted: frequencies are learnt)",
        ylabel="loss, nats",
        title="Loss on text kept out of training",
    )
    return fig
