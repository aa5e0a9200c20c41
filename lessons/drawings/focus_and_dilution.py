"""The figure of lesson 14."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import measure, player, plot


def stages(pi, times, A, moments, edges, losses, references, norms, spread):
    """Attention A (time, d, d) at some moments; loss, embeddings' norms, entropy (time, d).

    edges: where the four stages begin and end. references: {text: loss}.
    """
    fig = plt.figure(figsize=(12.5, 11))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1, 2.6))
    names = [
        "condensation:\nall look as tokens come",
        "focus:\nall turn to token 0",
        "dilution:\nrare tokens turn away",
        "renewal:\ntoken 3 turns to itself",
        "next focus:\ntoken 1 turns to itself",
    ]
    axes = top.subplots(1, len(moments))
    for ax, moment, name in zip(axes, moments, names):
        there = A[np.abs(times - moment).argmin()]
        image = ax.imshow(there, cmap="magma_r", vmin=0, vmax=1)
        for (i, k), share in np.ndenumerate(there):
            ink = "w" if share > 0.5 else "k"
            ax.text(k, i, f"{share:.2f}", ha="center", va="center", fontsize=8, color=ink)
        tokens = range(len(pi))
        title = f"t = {moment:.0f}, {name}"
        ax.set(title=title, xticks=tokens, yticks=tokens, xlabel="looks at token")
        ax.title.set_fontsize(9)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    axes[0].set_ylabel("token")
    top.colorbar(image, ax=axes, shrink=0.7, label="attention")
    loss, embedding, entropy = bottom.subplots(3, 1, sharex=True)
    for ax in (loss, embedding, entropy):
        ax.set(xscale="log", xlim=(1, times[-1]))
    plot.stages(loss, edges, ["condensation", "focus", "dilution", "renewal and the next cycle"])
    plot.stages(embedding, edges)
    plot.stages(entropy, edges)
    loss.plot(times, losses, color="k", lw=2)
    for text, value in references.items():
        marks.reference(loss, value, text, below="chain" in text)
    loss.set(ylabel="loss, nats", ylim=(0.42, 1.5))
    inks, late = (plot.BLUE, plot.ORANGE, plot.GREEN, plot.VERMILION), times[-1]
    for i, colour in enumerate(inks):
        at, name = 40 if i < 2 else late, f"token {i} ({pi[i]:g})"
        marks.named(embedding, times, norms[:, i], name, at, (-4, 5), color=colour, lw=2)
    embedding.set(ylabel="length of embedding", ylim=(0, 1.15 * norms.max()))
    for i, shift in ((0, (0, 5)), (1, (-4, 6))):
        marks.named(entropy, times, spread[:, i], f"token {i}", 160, shift, color=inks[i], lw=2)
    spread_label = "spread of attention\n(entropy, nats)"
    entropy.set(ylabel=spread_label, xlabel="time (logarithmic)", ylim=(0, 1.3))
    for moment in moments:
        entropy.plot(moment, 0, "k^", ms=7, clip_on=False)
    return fig


def page(flow, runs):
    """Paths of the flow from starts of size ε, {ε: Stages}, to drag through."""
    text = "Where each of four tokens looks, through condensation, focus, dilution and renewal."
    page = player.Page("Focus and dilution", text, choice="start ε", unit="time")
    names = [f"token {i} ({p:g})" for i, p in enumerate(flow.pi)]
    for eps, stages in runs.items():
        t, y, of = stages.path.t, stages.path.y, f"{eps:g}"
        A = flow.attention(y)
        some = np.unique(np.linspace(0, len(t) - 1, 120).astype(int))
        page.maps(t[some], A[some, None], tokens=names, names=["the head"], of=of)
        curves = {
            "loss, nats": {"loss": flow.loss(y)},
            "length of embedding": dict(zip(names, flow.row_norms(y).T)),
            "spread of attention, nats": dict(zip(names, measure.entropy(np.log(A)).T)),
        }
        for label, panel in curves.items():
            thin = {name: values[::3] for name, values in panel.items()}
            page.curves(t[::3], thin, label=label, log=True, of=of)
        ends = [stages.condensed_t, stages.focus_t, stages.renewal_t, t[-1]]
        page.stages([t[0], *ends], ["condensation", "focus", "dilution", "renewal"], of=of)
    return page
