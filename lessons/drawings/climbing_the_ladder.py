"""The figures of lesson 12."""

import matplotlib.pyplot as plt
import numpy as np

from experiments import figures
from tinyattn import player, plot

# Blocks and rungs have an order, and so shades of one colour; heads have colours of their own.
BLOCKS = "#E29AC8", "#A8408F", "#4A1048"
STYLES = "-", "--", "-."  # of heads, whose curves may lie on each other


def ladder(trial, found, moments):
    """Distances to the rungs; maps at these steps; where each head looks."""
    step, kl, mass = (np.array(found[name]) for name in ("step", "kl", "span_mass"))
    fig = plt.figure(figsize=(12, 10.2))
    grid = fig.add_gridspec(3, 3, height_ratios=(1.2, 1, 0.9))
    _distances(fig.add_subplot(grid[0, :]), found, step, kl)
    for column, moment in enumerate(moments):
        ax = fig.add_subplot(grid[1, column])
        first = trial.network.first_query
        plot.heads_map(ax, found["maps"][moment], f"step {step[moment]}", first_query=first)
        _count_from_1(ax, found["maps"][moment], first)
        ax.set_ylabel("" if column else "place t of the query\n(colours: the heads below)")
        ax.set_xlabel("place looked at (grey: heads alike)")
    names = [f"head {j + 1}: ends on block {block}" for j, block in enumerate(found["own_block"])]
    for j, name in enumerate(names):
        ax = fig.add_subplot(grid[2, j])
        for k, colour in enumerate(BLOCKS):
            ax.plot(step, mass[:, j, k], color=colour, lw=2.2, label=f"on block {k + 1}")
        for moment in moments:
            ax.axvline(step[moment], color="0.6", lw=0.8, ls=":")
        ax.set(ylim=(0, 1), xlim=(0, step[-1]), xlabel="training step")
        ax.set_title(name, color=plot.COLOURS[j], fontweight="bold")
        if j == 0:
            ax.set_ylabel("share of its attention")
            ax.legend(loc="best")
        _turned_back(ax, step, mass[:, j], found["own_block"][j])
    return fig


def _count_from_1(ax, maps, first_query):
    """Places as the text has them, x_1 being the first."""
    queries, keys = np.shape(maps)[1:]
    rows, columns = range(0, queries, 4), [0, *range(4, keys, 5)]
    ax.set_yticks(rows, [str(row + first_query + 1) for row in rows])
    ax.set_xticks(columns, [str(column + 1) for column in columns])


def _distances(ax, found, step, kl):
    names = "block 1", "blocks 1 and 2", "all three blocks"
    for k, colour in enumerate(BLOCKS):
        label = f"rung {k + 1}: the teacher of {names[k]}"
        ax.plot(step, kl[:, k], color=colour, lw=2.4, label=label)
    for k, of_rung in enumerate(np.array(found.get("learned_kl", [])).T):
        label = f"learned rung {k + 1}: a network that sees {names[k]}"
        ax.plot(step, of_rung, color=BLOCKS[k], ls=":", lw=2.2, label=label)
    nearest = kl.argmin(axis=1)
    changes = [0, *(np.flatnonzero(np.diff(nearest)) + 1), len(step) - 1]
    for start, end in zip(changes, changes[1:]):
        ax.axvspan(step[start], step[end], color=BLOCKS[nearest[start]], alpha=0.09, lw=0)
        if step[end] - step[start] > 0.09 * step[-1]:
            middle = (step[start] + step[end]) / 2
            text = f"nearest: rung {nearest[start] + 1}"
            where = ("data", "axes fraction")
            ax.annotate(text, (middle, 0.96), xycoords=where, ha="center", va="top")
    ax.set(
        xlim=(0, step[-1]),
        ylim=(0, 1.2 * kl[min(3, len(kl) - 1) :].max()),
        xlabel="training step",
        ylabel="distance KL(teacher || network), nats",
        title="Distance to teachers who see one, two and all three blocks of the past",
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)


def _turning(step, mass, own):
    """The evaluation at which a head that ends on block 3 turns back from block 2, or None."""
    if own != 3:
        return None
    later = step > 0.25 * step[-1]
    top = int(np.where(later, mass[:, 1], 0).argmax())
    came_back = mass[top:, 0].max() > mass[top, 0] + 0.05
    return None if mass[top, 1] < mass[-1, 1] + 0.1 or not came_back else top


def _turned_back(ax, step, mass, own):
    """Mark where a head that ends on block 3 set out for block 2 and came back."""
    top = _turning(step, mass, own)
    if top is None:
        return
    words = "sets out for block 2,\nand turns back"
    style = {"arrowstyle": "->", "color": "0.3"}
    where = (0.05 * step[-1], 0.9)
    ax.annotate(words, (step[top], mass[top, 1]), where, arrowprops=style, fontsize=9, va="center")


def lost(found, at_end, on_rung, on_rung_from, apart):
    """Excess loss when a head is lost at the end, or on rung 2, and of heads never added.

    found: the free run; at_end, on_rung: {the lost head: results of the others}; on_rung_from: the
    evaluation at which those were lost; apart: results of each head alone.
    """
    step, excess = np.array(found["step"]), np.array(found["excess"])
    fig, axes = plt.subplots(1, 3, figsize=(13, 5.4), sharey=True)
    _after(axes[0], at_end, found["own_block"])
    _slows_down(axes[0], list(at_end.values())[1])  # without the head of block 2
    where = np.array(found["span_mass"])[on_rung_from].argmax(axis=1) + 1
    longest = _after(axes[1], on_rung, where)
    after = step[on_rung_from:] - step[on_rung_from]
    shown = after <= longest
    axes[1].plot(after[shown], excess[on_rung_from:][shown], color="0.5", lw=2.4, label="none lost")
    axes[2].plot(step, excess, color="0.5", lw=2.4, label="three heads, added")
    for head, run in enumerate(apart):
        style = {"color": plot.COLOURS[head], "ls": STYLES[head], "lw": 2.2}
        axes[2].plot(run["step"], run["excess"], label=f"head {head + 1}, never added", **style)
    axes[2].set(xlim=(0, step[-1]), xlabel="training step")
    titles = (
        "A head lost at the end: back to rung 2",
        "A head lost on rung 2: no further",
        "Heads never added: none leaves rung 1",
    )
    nearest = np.array(found["kl"]).argmin(axis=0)
    levels = excess[nearest[:2]]  # when it is nearest to rungs 1 and 2
    for ax, title in zip(axes, titles):
        for level, colour in zip(levels, BLOCKS):
            ax.axhline(level, color=colour, lw=7, alpha=0.25, zorder=0)
        ax.set(yscale="log", ylim=(0.03, 4.5), title=title)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=9)
    beside = axes[-1].get_yaxis_transform()
    for rung, level in enumerate(levels, 1):
        axes[-1].text(1.02, level, f"rung {rung}", transform=beside, va="center", fontsize=9)
    ticks = [0.03, 0.1, 0.3, 1, 3]
    axes[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0].set_ylabel("excess loss, nats")
    return fig


def _after(ax, runs, blocks):
    """Excess loss from a loss on, for each lost head; how many steps."""
    for (head, run), style in zip(runs.items(), STYLES):
        label = f"head {head + 1} lost, on block {blocks[head]}"
        ax.plot(run["step"], run["excess"], style, color=plot.COLOURS[head], lw=2.2, label=label)
    longest = run["step"][-1]
    ax.set(xlim=(-0.02 * longest, longest), xlabel="steps after the loss")
    return longest


def _slows_down(ax, run):
    """Mark where the excess loss without the head of block 2 falls slowly before it falls again."""
    step, excess = np.array(run["step"]), np.array(run["excess"])
    if step[-1] < 300:  # too short to show it
        return
    i = int(np.searchsorted(step, 100))
    style = {"arrowstyle": "->", "color": "0.3"}
    where = (0.3 * step[-1], 1.9)
    ax.annotate("slows down", (step[i], excess[i]), where, arrowprops=style, fontsize=9)


def page(runs):
    """Maps of all heads, distances to the teachers, attention on blocks, of {μ: (trial, found)}."""
    ratio = next(iter(runs.values()))[0].importance
    text = (
        "Three heads learn three blocks of the past, two tokens each. m_k, the importance, says "
        "how much block k counts: the least counts m₃ = 1, and each other μ times the next, so "
        f"m₂ = μ and m₁ = μ². At μ = {ratio:g} block 1 counts {ratio**2:.3g} times as much as "
        "block 3; at μ = 1 all count alike. Places "
        "are counted from 0 here."
    )
    page = player.Page("Climbing the ladder", text, choice="μ")
    for ratio, (trial, found) in runs.items():
        step, kl, mass = (np.array(found[name]) for name in ("step", "kl", "span_mass"))
        first = trial.network.first_query
        page.maps(step, np.clip(found["maps"], 0, 1), first_query=first, of=ratio)
        rungs = [figures.rung(found["order"], k) for k in range(kl.shape[1])]
        distances = dict(zip(rungs, kl.T))
        page.curves(step, distances, label="distance to a teacher, nats", log_y=True, of=ratio)
        for k in range(kl.shape[1]):
            heads = {f"head {j + 1}": mass[:, j, k] for j in range(mass.shape[1])}
            page.curves(step, heads, label=f"attention on block {k + 1}", of=ratio)
        left = [when for when in found["stage_steps"] if when is not None]
        names = [f"nearest: {rung}" for rung in rungs[: len(left) + 1]]
        page.stages([0, *left, step[-1]], names, of=ratio)
        page.tour(_stops(step, kl, mass, rungs, found["own_block"]), of=ratio)
    return page


def _stops(step, kl, mass, rungs, own):
    """The tour: where each rung is nearest, where heads part, and the way of the head of block 3.

    kl (n, rungs), mass (n, heads, blocks): at the evaluations step (n,). own (heads,): from 1.
    """
    stops = []
    for k, rung in enumerate(rungs):
        i = int(kl[:, k].argmin())
        told = f"{kl[i, k]:.2f} nats from the teacher who sees {rung}: nearer than at any other"
        stops.append((i, rung, f"Step {step[i]}: the network is {told} step."))
    apart = (mass.max(axis=1) - mass.min(axis=1)).max(axis=1)  # the most, over blocks
    if (apart > 0.1).any():
        i = int((apart > 0.1).argmax())
        off = mass[i] - mass[i].mean(axis=0)
        head, block = np.unravel_index(off.argmax(), off.shape)
        others = np.delete(mass[i, :, block], head)
        told = ", ".join(f"{share:.2f}" for share in others)
        sentence = (
            f"Step {step[i]}: the heads part, for the first time by more than 0.1. Head {head + 1} "
            f"gives block {block + 1} {mass[i, head, block]:.2f} of its attention, "
            f"the others {told}."
        )
        stops.append((i, f"head {head + 1}", sentence))
    for head in np.flatnonzero(np.array(own) == 3):
        name, turn = f"head {head + 1}", _turning(step, mass[:, head], 3)
        if turn is not None:
            there = f"has {mass[turn, head, 1]:.2f} of its attention on block 2, and turns back"
            stops.append((turn, name, f"Step {step[turn]}: {name} {there}."))
        there = f"looks at block 3 with {mass[-1, head, 2]:.2f} of its attention"
        stops.append((len(step) - 1, name, f"In the end {name} {there}."))
    return sorted(stops, key=lambda stop: stop[0])
