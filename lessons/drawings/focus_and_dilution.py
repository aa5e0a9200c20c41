"""The figures of lesson 14."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from tinyattn import measure, player, plot

INKS = plot.BLUE, plot.ORANGE, plot.GREEN, plot.VERMILION  # tokens 0 to 3
MAPS = (
    "as tokens come",
    "end of focus: only\ntoken 0 has turned",
    "end of dilution:\n1, 2, 3 avoid token 0",
    "token 3 looks\nmost at itself",
    "1 looks at itself,\n0 lets go, 3 looks at 2",
)
FRAMED = ((), ((0, 0),), ((1, 0), (2, 0), (3, 0)), ((3, 3),), ((0, 0), (1, 1), (3, 2)))
STAGES = ["condensation", "focus", "dilution", "renewal", "next cycle"]


def stages(times, A, moments, edges, losses, references, x, second, turned, spread):
    """Attention A (time, d, d) at moments; loss, embeddings x (time, d), entropy (time, d).

    edges: where stages begin and end. references: {text: loss}. second: W0's second singular
    value. turned: when x_1 passes through 0.
    """
    fig = plt.figure(figsize=(12.5, 12))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1, 2.9))
    axes = top.subplots(1, len(moments))
    tokens = range(A.shape[1])
    for ax, moment, name, framed in zip(axes, moments, MAPS, FRAMED):
        there = A[np.abs(times - moment).argmin()]
        image = ax.imshow(there, cmap="magma_r", vmin=0, vmax=1)
        for (i, k), share in np.ndenumerate(there):
            ink = "w" if share > 0.5 else "k"
            ax.text(k, i, f"{share:.2f}", ha="center", va="center", fontsize=8, color=ink)
        for i, k in framed:
            frame = Rectangle((k - 0.47, i - 0.47), 0.94, 0.94, fill=False, ec=plot.SKY, lw=2.5)
            ax.add_patch(frame)
        ax.set(title=f"t = {round(moment, 1):g}: {name}", xticks=tokens, yticks=tokens)
        ax.set_xlabel("looks at token")
        ax.title.set_fontsize(9)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    axes[0].set_ylabel("last token")
    top.colorbar(image, ax=axes, shrink=0.7, label="attention")
    loss, embedding, entropy = bottom.subplots(3, 1, sharex=True)
    for ax in (loss, embedding, entropy):
        ax.set(xscale="log", xlim=(edges[0], edges[-1]))
        plot.stages(ax, edges, STAGES if ax is loss else ())
    loss.plot(times, losses, color="k", lw=2)
    for text, value in references.items():
        loss.axhline(value, color="0.35", ls="--", lw=1)
        where = dict(xytext=(4, -3), textcoords="offset points", va="top", color="0.35", fontsize=9)
        loss.annotate(text, (edges[0], value), **where)
    loss.set(ylabel="loss, nats", ylim=(0.42, 1.5))
    names = [f"token {i}" for i in tokens]
    for i, (name, ink) in enumerate(zip(names, INKS)):
        embedding.plot(times, x[:, i], color=ink, lw=2, label=name)
        entropy.plot(times, spread[:, i], color=ink, lw=2, label=name)
    embedding.plot(times, second, color="k", lw=1.5, ls="--", label="W0's second direction")
    embedding.axhline(0, color="0.35", lw=0.8)
    embedding.plot(turned, 0, "o", color=INKS[1], ms=9)
    said = dict(xytext=(-8, -14), textcoords="offset points", ha="right", color=INKS[1], fontsize=9)
    embedding.annotate(f"token 1 passes through 0 at {turned:.1f}", (turned, 0), **said)
    embedding.set(ylabel="embedding along\nW0's first direction")
    embedding.legend(loc="upper left")
    entropy.legend(loc="upper left")
    time = "time (logarithmic; triangles: the maps)"
    entropy.set(ylabel="spread of attention\n(entropy, nats)", xlabel=time, ylim=(0, 1.45))
    for moment in moments:
        entropy.plot(moment, 0, "k^", ms=7, clip_on=False)
    return fig


def held(after, spreads, as_come, curves, least):
    """Token 1's spread {use of the copy: (n,)}; losses {what is still: (times, loss)}."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 4.6))
    inks = "k", plot.BLUE, plot.GREEN, plot.SKY, plot.VERMILION
    for (name, values), ink in zip(spreads.items(), inks):
        label = "no copy (free)" if "free" in name else f"copy as {name}"
        left.plot(after, values, color=ink, lw=2, label=label)
    left.axhline(as_come, color="0.35", ls="--", lw=1, label="as tokens come")
    left.legend(loc="upper left", bbox_to_anchor=(0, 0.98))
    left.set(
        xlabel="time",
        ylabel="spread of token 1's attention, nats",
        ylim=(0.4, 1.55),
        xlim=(after[0], after[-1]),
        title="Embeddings copied at t = 80: only a still query stops dilution",
    )
    colours = "k", plot.PURPLE, plot.ORANGE
    for (name, (times, loss)), ink in zip(curves.items(), colours):
        free = name == "free"
        right.plot(times, loss, color=ink, lw=2 if free else 3, label=name, zorder=2 if free else 3)
    right.axhline(least, color="0.35", ls="--", lw=1, label="entropy rate: the least loss")
    right.legend(loc="upper right")
    right.set(
        xscale="log",
        xlabel="time (logarithmic)",
        ylabel="loss, nats",
        xlim=(5, curves["free"][0][-1]),
        ylim=(0.52, 1.0),
        title="What is kept still makes its plateau last",
    )
    return fig


def page(flow, runs):
    """Paths from starts of size ε, {ε: (Stages, ends of the stages)}, to drag through."""
    text = "Where each of four tokens looks, through condensation, focus, dilution and renewal."
    page = player.Page("Focus and dilution", text, choice="start ε", unit="time")
    names = [f"token {i} ({p:g})" for i, p in enumerate(flow.pi)]
    for eps, (stages, ends) in runs.items():
        t, y, of = stages.path.t, stages.path.y, f"{eps:g}"
        A = flow.attention(y)
        at_ends = [int(np.abs(t - end).argmin()) for end in ends]
        some = np.unique([*np.geomspace(1, len(t) - 1, 120).astype(int), *at_ends])
        page.maps(t[some], A[some, None], tokens=names, names=["the head"], of=of)
        curves = {
            "loss, nats": {"loss": flow.loss(y)},
            "length of embedding": dict(zip(names, flow.row_norms(y).T)),
            "spread of attention, nats": dict(zip(names, measure.entropy(np.log(A)).T)),
        }
        for label, panel in curves.items():
            thin = {name: values[::3] for name, values in panel.items()}
            page.curves(t[::3], thin, label=label, log=True, of=of)
        page.stages([t[0], *ends, t[-1]], STAGES, of=of)
        page.tour(_stops(flow, t[some], y[some], ends), of=of)
    return page


def _stops(flow, t, y, ends):
    """The tour: the end of each stage, and of the run, as the states y at the times t (n,) are."""
    frames = [int(np.abs(t - end).argmin()) for end in (*ends, t[-1])]
    A, spread = flow.attention(y), measure.entropy(np.log(flow.attention(y)))
    listed = lambda numbers: ", ".join(f"{number:.2f}" for number in numbers)
    comes, lengths, loss = flow.pi[0], flow.row_norms(y), flow.loss(y)
    first, focus, dilution, renewal, last = frames
    told = [
        f"tokens 0 to {len(flow.pi) - 1} give token 0 {listed(A[first, :, 0])} of their attention; "
        f"it comes {comes:g} of the time",
        f"token 0 gives itself {A[focus, 0, 0]:.2f}, the others give it {listed(A[focus, 1:, 0])}",
        f"tokens 1 and up are spread {listed(spread[dilution, 1:])} nats, and give token 0 only "
        f"{listed(A[dilution, 1:, 0])}",
        f"embeddings are {listed(lengths[renewal])} long",
        f"the loss is {loss[last]:.3f}; all known, it would be {flow.entropy_rate:.3f}",
    ]
    looks = "the head", "the head", "spread of attention, nats", "length of embedding", "loss, nats"
    names = [f"End of {stage}" for stage in STAGES[:-1]] + ["End of the run"]
    stops = zip(frames, looks, names, told)
    return [(i, look, f"{name}, t = {t[i]:.3g}: {words}.") for i, look, name, words in stops]
