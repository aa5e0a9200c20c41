"""The standard picture of each trial: (trial, {seed: results of run()}) -> a matplotlib figure."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from .. import plot
from .ladder import LadderTrial
from .location import LocationTrial
from .recall import RecallTrial


def draw(trial: Any, results: dict[int, dict[str, Any]]) -> Any:
    """The picture of whatever trial it is; the run with the trial's own seed stands out."""
    if isinstance(trial, LadderTrial):
        return ladder(trial, results)
    return recall(trial, results) if isinstance(trial, RecallTrial) else location(trial, results)


def ladder(trial: LadderTrial, results: dict[int, dict[str, Any]]) -> Any:
    """Distances to all teachers, maps (if results hold them), attention on blocks, what heads write."""
    mine = results[trial.seed]
    step, kl, mass, alignment = (np.array(mine[name]) for name in ("step", "kl", "span_mass", "alignment"))
    H, h = alignment.shape[1:]
    left = [when for when in mine["stage_steps"] if when is not None]
    edges = [0, *left, step[-1]]
    in_order = mine["rungs_in_order"] and len(left) == h - 1
    with_maps = "maps" in mine and H <= len(plot.COLOURS)
    fig = plt.figure(figsize=(12.5, 10 if with_maps else 7))
    grid = fig.add_gridspec(2 + with_maps, 12, height_ratios=(1.35, 1, 1) if with_maps else (1.35, 1))
    ax = fig.add_subplot(grid[0, :])
    for seed, result in results.items():
        for k in range(h):
            own = seed == trial.seed
            ax.plot(result["step"], np.array(result["kl"])[:, k], color=RUNGS[k % len(RUNGS)], lw=2.2 if own else 0.8,
                    label=f"to the teacher of {rung(mine['order'], k)}" if own else None)  # fmt: skip
    for i, (start, end) in enumerate(zip(edges[:-1], edges[1:])):
        ax.axvspan(start, end, color="0.94" if i % 2 == 0 else "1", zorder=0)
        nearest = kl[np.abs(step - (start + end) / 2).argmin()].argmin()
        name = f"nearest: {rung(mine['order'], nearest)}"
        ax.annotate(name, ((start + end) / 2, 0.97), xycoords=("data", "axes fraction"), ha="center", va="top")
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
        moments = sorted({int(np.abs(step - when).argmin()) for when in (edges[1] // 2, *edges[1:])})
        moments = [moments[i] for i in np.linspace(0, len(moments) - 1, min(4, len(moments))).round().astype(int)]
        for i, moment in enumerate(moments):
            ax = fig.add_subplot(grid[1, 3 * i : 3 * i + 3])
            plot.heads_map(ax, mine["maps"][moment], f"step {step[moment]}", first_query=trial.network.first_query)
            if i == 0:
                ax.set_ylabel("query position\n(the heads' colours;\ngrey: alike)")
    for k in range(h):
        ax = fig.add_subplot(grid[-1, k * 9 // h : (k + 1) * 9 // h])
        for j in range(H):
            ax.plot(step, mass[:, j, k], color=plot.COLOURS[j % len(plot.COLOURS)], lw=2, label=f"head {j + 1}")
        ax.set(title=f"attention on block {k + 1}", ylim=(0, 1), xlabel="training step")
        if k == h - 1:
            ax.legend(loc="best")
    ax = fig.add_subplot(grid[-1, 9:])
    ax.imshow(alignment[-1], cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
    for j, k in np.ndindex(H, h):
        value = float(alignment[-1, j, k])
        ax.text(k, j, f"{value:.2f}", ha="center", va="center", color="w" if abs(value) > 0.6 else "k")
    ax.set_xticks(range(h), [f"$A_{k + 1}$" for k in range(h)])
    ax.set_yticks(range(H), [f"head {j + 1}" for j in range(H)])
    ax.set(title="what a head writes, against $A_k$")
    return fig


RUNGS = plot.VERMILION, plot.PURPLE, plot.SKY, plot.BLACK


def rung(order: list[int], k: int) -> str:
    """The blocks that teacher k (from 0) sees, in words."""
    return f"block{'s' if k else ''} {', '.join(str(block + 1) for block in order[: k + 1])}"


def recall(trial: RecallTrial, results: dict[int, dict[str, Any]]) -> Any:
    """Clean accuracy of every run, and the two patterns of attention behind it."""
    fig, (skill, patterns) = plt.subplots(1, 2, figsize=(11, 4.2))
    for seed, result in results.items():
        skill.plot(result["step"], result["clean_accuracy"], color=plot.BLUE, lw=2.2 if seed == trial.seed else 0.8)
    plot.reference(skill, 1 / trial.pairs, "guessing among the values")
    skill.set(ylim=(0, 1.02), xlabel="training step", ylabel="clean accuracy", title="When the skill comes")
    mine = results[trial.seed]
    for name, colour, what in (
        ("previous_token", plot.ORANGE, "layer 1: value looks at the key before it"),
        ("matching", plot.PURPLE, "last layer: query looks at the value behind its key"),
    ):
        if name in mine:
            patterns.plot(mine["step"], mine[name], color=colour, lw=2, label=what)
    patterns.set(
        ylim=(0, 1.02), xlabel="training step", ylabel="attention", title=f"The patterns behind it (seed {trial.seed})"
    )
    patterns.legend(fontsize=8)
    return fig


def location(trial: LocationTrial, results: dict[int, dict[str, Any]]) -> Any:
    """Test loss and attention on the relevant token, of every run."""
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.2))
    for ax, name, what in zip(axes, ("test_loss", "attention"), ("test loss", "attention on the relevant token")):
        for seed, result in results.items():
            ax.plot(result["step"], result[name], color=plot.BLUE, lw=2.2 if seed == trial.seed else 0.8)
        ax.set(ylim=(0, None), xlabel="training step", ylabel=what)
    plot.reference(axes[1], trial.places / trial.length, "uniform attention")
    return fig
