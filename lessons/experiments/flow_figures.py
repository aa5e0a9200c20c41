"""The figures of `snap`, `redistribution`, `copies`: of arXiv 2505.17863 and arXiv 2605.01199."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import plot
from tinyattn.flows.emergence import TwoNumbers

from .copies import Copies
from .redistribution import Redistribution
from .snap import Snap


def snap(piece: Snap, found: dict[str, Any]) -> Any:
    """The figure of a Snap's results.

    Landscape, equilibrium, curvature, drawn starts, what is learnt first.
    """
    fig = plt.figure(figsize=(13.5, 8.4))
    halves: Any = fig.subfigures(2, 1, height_ratios=(1.15, 1))
    above, below = halves
    landscape, equilibrium, curvature = above.subplots(1, 3)
    drawn, repeated = below.subplots(1, 2)
    path, numbers = found["path"], found["numbers"]
    title = f"The toy layer with {piece.T} tokens of size {piece.d}, one of them relevant"
    fig.suptitle(f"{title}; w: what to write, Δ: where to look", x=0.01, ha="left")
    _landscape(above, landscape, piece, path)
    _equilibrium(equilibrium, path)
    _curvature(curvature, path, numbers)
    _drawn(drawn, piece, found["drawn"])
    _repeated(repeated, piece, found["repeated"], numbers)
    return fig


def _landscape(fig, ax, piece, path):
    flow = TwoNumbers(piece.T, piece.d)
    w = np.linspace(-0.05, 1.45, 260) * np.sqrt(piece.d)
    delta = np.linspace(-1, path["delta"][-1] + 0.8, 260)
    loss = flow.loss(np.stack(np.broadcast_arrays(w[None, :], delta[:, None]), axis=-1))
    levels = np.linspace(0, 0.55, 12)
    shades = dict(cmap="magma_r", extend="max", vmin=0, vmax=0.7)
    image = ax.contourf(w, delta, loss, levels=levels, **shades)
    ax.contour(w, delta, loss, levels=levels, colors="k", linewidths=0.3, alpha=0.4)
    fig.colorbar(image, ax=ax, label="loss", ticks=levels[::2], aspect=30, pad=0.02)
    valley = np.linspace(0.5, delta[-1], 200)
    attention = flow.attention(np.stack([0 * valley, valley], axis=-1))
    ax.plot(flow.equilibrium(attention), valley, color="k", ls="--", lw=1.2)
    ax.plot(path["w"], path["delta"], color="w", lw=4.5)
    ax.plot(path["w"], path["delta"], color=plot.BLUE, lw=2.5)
    snap = np.interp(0.25, path["loss"][::-1], path["time"][::-1])
    for share, name in (
        (0, "start"),
        (0.5, "half of the wait is over"),
        (0.9, "nine tenths are over"),
        (1, "the snap"),
    ):
        down = -13 if share == 0 else -4
        i = np.searchsorted(path["time"], share * snap)
        point = path["w"][i], path["delta"][i]
        ax.plot(*point, "o", color=plot.BLUE, mec="w", ms=8)
        _label(ax, name, point, (11, down), color="k" if share == 1 else "w")
    ax.set(
        xlim=(w[0], w[-1]),
        ylim=(delta[0], delta[-1]),
        xlabel="w",
        ylabel="Δ",
        title="The path crosses a plain, then falls\ninto a valley (dashed: the best w for each Δ)",
    )


def _label(ax, text, point, shift, **style):
    """Small text beside a point, shifted by so many points of the page."""
    ax.annotate(text, point, xytext=shift, textcoords="offset points", fontsize=9, **style)


def _equilibrium(ax, path):
    time, later = path["time"], path["time"] > 0
    end = time[-1]
    marks.named(
        ax, time[later], path["w"][later], "w", 0.3 * end, (0, 8), color=plot.ORANGE, lw=2.2
    )
    name = "its equilibrium at\nthe present attention"
    marks.named(ax, time, path["equilibrium"], name, 0.03 * end, (0, 22), color="k", ls="--")
    ax.set(
        xlim=(0, end),
        yscale="log",
        ylim=(0.05, 3 * path["equilibrium"].max()),
        xlabel="time (learning rate times steps)",
        ylabel="w (logarithmic)",
        title="On the plateau w is far below its equilibrium;\nafter the snap it sits on it",
    )


def _curvature(ax, path, numbers):
    time, snap = path["time"], numbers["half_loss_t"]
    smallest, largest = path["eigenvalues"].T
    loss = path["loss"] * abs(path["eigenvalues"]).max() / 0.5
    beside = 1.1 * snap
    above, below = (4, 6), (4, -14)
    marks.named(ax, time, largest, "largest eigenvalue", beside, above, color=plot.VERMILION, lw=2)
    marks.named(ax, time, smallest, "smallest eigenvalue", beside, below, color=plot.PURPLE, lw=2)
    marks.named(ax, time, loss, "loss (scaled)", 0.3 * snap, (0, -14), color="0.55", lw=1.4)
    inset = ax.inset_axes((0.05, 0.06, 0.4, 0.36))
    inset.axvline(snap, color="0.55", lw=1, ls=":")
    inset.plot(time, largest, color=plot.VERMILION, lw=2)
    inset.plot(time, smallest, color=plot.PURPLE, lw=2)
    inset.plot(time, loss, color="0.55", lw=1.4)
    width = 6 * abs(numbers["sharpest_t"] - numbers["lowest_t"])
    inset.set(xlim=(snap - width, snap + width), yticks=[], xticks=[round(snap)])
    inset.tick_params(labelsize=8)
    inset.set_title("enlarged", fontsize=8)
    ax.set(
        xlim=(0, time[-1]),
        xlabel="time",
        ylabel="eigenvalue of the Hessian",
        title=f"The loss is sharpest at the snap: at {numbers['sharpest_t']:.0f},\n"
        f"where the loss is half at {snap:.0f} (dotted)",
    )


def _drawn(ax, piece, drawn):
    colours = [plot.BLUE, plot.ORANGE, plot.GREEN, plot.PURPLE, plot.SKY, plot.VERMILION]
    labels = "gradient descent", "SGD", "predicted from the start"
    time = drawn["time"]
    for i in range(piece.seeds):
        colour = colours[i % len(colours)]
        descent, sgd, predicted = labels if i == 0 else (None, None, None)
        ax.plot(time, drawn["descent"][i], color=colour, lw=2, label=descent)
        ax.plot(time, drawn["sgd"][i], color="k", lw=1, ls="--", label=sgd)
        ax.axvline(drawn["predicted_t"][i], color=colour, lw=1, ls=":", label=predicted)
    shortest = TwoNumbers(piece.T, piece.d).snap_time
    ax.axvline(shortest, color="0.6", lw=1, label="closed form for W = 0")
    ax.set(
        xlim=(0, time[-1]),
        ylim=(0, None),
        xlabel="time",
        ylabel="loss on the population",
        title="W and W* drawn from N(0, 1/d): the same plateau and snap, a little sooner\n"
        "where W leans towards W*, a little later where it leans away (a colour: a draw)",
    )
    ax.legend(loc="lower left")


def _repeated(ax, piece, repeated, numbers):
    time, w, v = repeated["time"], repeated["w"], repeated["v"]
    attention, end, top = repeated["attention"], time[-1], time[v.argmax()]
    marks.named(ax, time, v, "v: the repeated token", top, (8, -8), color=plot.GREEN, lw=2.2)
    marks.named(ax, time, w, "w: all others", end, (-6, 8), color=plot.ORANGE, lw=2.2)
    marks.named(ax, time, attention, "attention", end, (-6, -14), color=plot.PURPLE, lw=1.4)
    ax.plot(time, repeated["loss"], color="0.4", lw=1.4, ls="--")
    name = "test loss (training loss: dashed)"
    marks.named(ax, time, repeated["test_loss"], name, end / 2, (0, 6), color="0.4", lw=1.4)
    for name, colour in (("v_half_t", plot.GREEN), ("w_half_t", plot.ORANGE)):
        ax.plot(numbers[name], 0.5, "o", color=colour, ms=6)
        _label(ax, f"{numbers[name]:.0f}", (numbers[name], 0.5), (-7, 4), ha="right")
    what = f"A token that is relevant in {piece.p:.0%} of all samples"
    ax.set(
        xlim=(0, time[-1]),
        ylim=(0, None),
        xlabel="time",
        ylabel="share of what is needed; loss",
        title=f"{what}: its direction v is learnt first,\n"
        "and overshoots until attention comes (dots: half of what is needed)",
    )


def redistribution(piece: Redistribution, found: dict[str, Any]) -> Any:
    """The figure of a Redistribution's results.

    The contrast, the token weights, the modes of an asymmetry, other chains.
    """
    fig, ((line, apart), (modes, others)) = plt.subplots(2, 2, figsize=(12.5, 9))
    numbers = found["numbers"]
    chain = f"One head on a Markov chain whose token 0 has frequency {piece.frequent:g}"
    setting = f"ρ = {piece.rho:g}, {piece.width} numbers in an embedding"
    fig.suptitle(f"{chain}; {setting}", x=0.01, ha="left")
    _contrast(line, piece, found["redistribution"], numbers)
    _apart(apart, found["redistribution"]["eps"])
    _modes(modes, found["renewal"], numbers)
    _chains(others, found["chains"], numbers)
    return fig


def _contrast(ax, piece, found, numbers):
    for name, colour, eps in (
        ("eps", plot.BLUE, piece.eps),
        ("eps/10", plot.GREEN, piece.eps / 10),
    ):
        one, number = found[name], numbers[f"contrast_{name}"]
        time, grown, (first, end) = one["time"], one["grown"], one["stretch"]
        label = f"start {eps:g}: rate {number['rate']:.4f}, predicted {number['predicted']:.4f}"
        ax.semilogy(time, grown.clip(1e-9), color=colour, lw=2.4, label=label)
        ax.semilogy(time, one["contrast"].clip(1e-9), color=colour, lw=0.8)
        middle = (first + end) // 2
        t = time[np.abs(time - time[middle]) < 1.6 * (time[end] - time[first])]
        predicted = grown[middle] * np.exp(number["predicted"] * (t - time[middle]))
        by_attention = one["by_attention"].clip(1e-9)
        slope = alone = None
        if name == "eps":
            slope = "slope predicted at the slow point"
            alone = "k f / 2r, from the attention weights alone"
        ax.semilogy(t, predicted, "k--", lw=1.2, label=slope)
        ax.semilogy(time, by_attention, color=plot.ORANGE, lw=1.6, ls=":", label=alone)
        ax.axvspan(time[first], time[end], color="0.93", lw=0, zorder=0)
    smaller = found["eps/10"]
    at_the_end = smaller["contrast"] > 0.999 * smaller["contrast"][-1]
    last = smaller["time"][np.argmax(at_the_end)]
    ax.set(
        ylim=(1e-5, 500),
        xlim=(10, last + 10),
        xlabel="time",
        ylabel="contrast (1−π₀) γ₀ − (d−1) π₀ γ_low",
        title="The contrast of the embeddings grows exponentially, at twice the rate of "
        "attention's\nweights (thin: with what the start has left; grey: where the rate is "
        "measured)",
    )
    ax.legend(loc="upper left")


def _apart(ax, one):
    time = one["time"]
    end = time[np.argmax(one["contrast"] > 0.9999 * one["contrast"][-1])]
    of_frequent, of_low, *_ = one["weights"].T
    at, above = 0.2 * end, (0, 6)
    name = "γ₀: the frequent token's embedding"
    marks.named(ax, time, of_frequent, name, at, above, color=plot.BLUE, lw=2.2)
    marks.named(ax, time, of_low, "γ_low: each rare one's", at, above, color=plot.ORANGE, lw=2.2)
    for row, name, colour, up in (
        ("frequent", "attention of the frequent token to itself", plot.BLUE, 6),
        ("low", "of a rare token to the frequent one", plot.ORANGE, -14),
    ):
        marks.named(ax, time, one[row], name, 0.17 * end, (0, up), color=colour, lw=1.4, ls="--")
    ax.axhline(0, color="0.8", lw=1, zorder=0)
    ax.set(
        xlim=(0, end + 12),
        xlabel="time",
        ylabel="size along the common direction; attention",
        title="The embeddings move in opposite directions; once γ_low is below 0,\n"
        "rare tokens look away: focus is diluted",
    )


def _modes(ax, renewal, numbers):
    delta = np.array(renewal["delta"])
    for name, colour, what, power, power_name in (
        ("leading", plot.VERMILION, "leading mode: parts the rare tokens", 1, "δ"),
        ("alike", plot.PURPLE, "leading mode that keeps the rare tokens alike", 2, "δ²"),
    ):
        label = f"{what}: slope {numbers[f'{name}_slope']:.3f}"
        ax.loglog(delta, renewal[name], "o-", color=colour, lw=1.6, ms=7, label=label)
        marks.slope(ax, np.sort(delta), min(renewal[name]) * 0.8, power, power_name)
    ax.loglog(delta, renewal["predicted"], "k+", ms=12, label="largest singular value of dL/dM")
    ax.minorticks_off()
    ax.set_xticks(delta, [f"{one:g}" for one in delta])
    ax.set(
        xlim=(None, delta.max() * 1.25),
        ylim=(min(renewal["alike"]) / 2, 30 * max(renewal["leading"])),
        xlabel="asymmetry δ of the rare tokens, q(1+δ), q, q(1−δ)",
        ylabel="rate (1/time)",
        title="An asymmetry δ opens new directions at a rate of order δ;\n"
        "staying alike, of order δ²",
    )
    ax.legend(loc="upper left")


def _chains(ax, chains, numbers):
    named = {
        "fresh": (plot.BLUE, "P = ρ I + (1−ρ) 1 πᵀ", (8, -8), "left"),
        "by chance": (plot.GREEN, "other transitions, drawn", (-7, 3), "right"),
        "no repeats": (plot.VERMILION, "repeats avoided", (-7, 3), "right"),
    }
    for name, (colour, what, shift, side) in named.items():
        number = numbers[f"chain, {name}"]
        time, attention = chains[name]["time"], chains[name]["attention"]
        label = f"{what}: r = {number['r']:.4f}"
        ax.plot(time, attention, color=colour, lw=2.2, label=label)
        focus = number["focus_t"]
        if np.isfinite(focus):
            ax.plot(focus, 0.9, "o", color=colour, ms=6)
            _label(ax, f"{focus:.1f}", (focus, 0.9), shift, color=colour, ha=side)
    condensed = numbers["chain, fresh"]["condensed_t"]
    ax.axvline(condensed, color="0.5", lw=1, ls=":")
    together = f"condensation, in all three: {condensed:.2f}"
    _label(ax, together, (condensed, 0.5), (5, 0), color="0.35")
    ax.set(
        xlim=(0, 200),
        ylim=(0, 1.03),
        xlabel="time",
        ylabel="attention of token 0 to itself",
        title="Three chains of the same π = (0.75, 0.19, 0.05, 0.01): the same condensation;\n"
        "the sign of r says whether attention turns to the frequent token",
    )
    ax.legend(loc="lower right", title="r: rate of the attention weights (dots: 0.9)")


def copies(piece: Copies, curves: dict[str, Any]) -> Any:
    """The figure of the first setting of Copies: the spread of token 1's attention."""
    fig, ax = plt.subplots(figsize=(7.5, 5))
    for name, colour in (
        ("free", plot.BLACK),
        ("query", plot.ORANGE),
        ("key", plot.BLUE),
        ("value", plot.GREEN),
    ):
        label = "nothing (free)" if name == "free" else f"the {name}"
        ax.plot(curves["time"], curves[name], color=colour, lw=2.2, label=label)
    ax.axhline(curves["as_they_come"], color="0.5", lw=1, ls="--", label="attention that is π")
    ax.set(
        xlabel="time from the end of focus",
        ylabel="spread of token 1's attention, nats",
        title=f"Which use reads a copy that does not move?\nρ = {piece.rho[0]:g}, "
        f"{piece.width[0]} numbers in an embedding",
    )
    ax.legend()
    return fig
