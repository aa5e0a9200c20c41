"""The figures of lesson 17."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import player, plot

FREQUENCIES, PAIRS = 3.32, 1.53  # nats: entropy of the words, and of what follows a word
INKS = {
    "text": plot.BLUE,
    "larger batches": plot.SKY,
    "pairs kept": plot.ORANGE,
    "random order": "0.55",
}
SINCE, WIDEST, AGAIN = 860, 1400, 2000  # steps: names focused most, spread most, focused again


def marked(ax, *steps):
    """Dotted lines at these steps, with their numbers at the top."""
    for step in steps:
        ax.axvline(step, color="0.35", ls=":", lw=1, zorder=0)
        where = dict(textcoords="offset points", va="top", ha="left", fontsize=8, color="0.3")
        ax.annotate(f"{step}", (step, 1), (2, -3), xycoords=ax.get_xaxis_transform(), **where)


def turns(first, scale, losses, names, of_a, kinds, spread):
    """Losses, spread by kind of word, of the names' mean and of "a", in several runs.

    losses: {name: results}; names, of_a: {name: curves (n,)}; spread(found, words) -> (n, words).
    """
    fig, ((loss, kind), (name, a)) = plt.subplots(2, 2, figsize=(13.5, 9), layout="constrained")
    step = scale * np.array(first["step"])
    for label, found in losses.items():
        for i, one in enumerate(found):
            at = scale * np.array(one["unseen_step"])
            loss.plot(at, one["unseen"], color=INKS[label], lw=1.8, label=None if i else label)
    for value, text, at, ha, shift in (
        (FREQUENCIES, "entropy of the words", step[-1], "right", -4),
        (PAIRS, "entropy of what follows a word", 0, "left", 4),
    ):
        loss.axhline(value, color="0.35", ls="--", lw=1)
        where = dict(textcoords="offset points", va="top", ha=ha, fontsize=9)
        loss.annotate(text, (at, value), (shift, -4), **where)
    loss.set(ylabel="loss, nats", title="Loss on text kept out of training")
    loss.legend(loc="upper right", bbox_to_anchor=(1, 0.78))
    inks = (plot.BLUE, plot.PURPLE, plot.GREEN, plot.VERMILION, plot.BLACK)
    for (label, words), colour in zip(kinds.items(), inks):
        kind.plot(step, spread(first, words).mean(axis=1), color=colour, lw=2, label=label)
    kind.axvspan(540, 740, color="0.9", zorder=0)
    kind.annotate("the largest\nevent", (530, 0.08), fontsize=9, va="bottom", ha="right")
    kind.legend(loc="upper right", bbox_to_anchor=(1, 0.66), title="mean over")
    kind.set(title="One run: spread of attention by kind of word")
    marked(kind, SINCE, WIDEST, AGAIN)
    marked(name, SINCE, WIDEST, AGAIN)
    of_a_title = "“a” in several draws"
    if of_a["larger batches"]:
        of_a_title = "“a”: the draws agree, the larger batches do not"
        late = step >= AGAIN
        for size in ("text", "larger batches"):  # where the first draw of each is spread most
            marked(a, int(step[late][of_a[size][0][late].argmax()]))
    for ax, curves, title in (
        (name, names, "Mean of ten names: up and down again in each draw of the text"),
        (a, of_a, of_a_title),
    ):
        for label, found in curves.items():
            for i, curve in enumerate(found):
                told = label + (" (only drifts)" if label == "random order" else "")
                told = None if i else told
                ax.plot(step, curve, color=INKS[label], lw=1.6, label=told)
        ax.legend(loc="lower left" if ax is name else "upper center")
        ax.set(title=title)
    for ax in (kind, name, a):
        ax.set(ylabel="spread of attention, nats")
    for ax in (loss, kind, name, a):
        ax.set(xlabel="training step", ylim=(0, None), xlim=(0, step[-1]))
    bottom = 2.2
    name.set(ylim=(bottom, 3.75))
    (of_pairs,) = names["pairs kept"]
    leaves = step[int((of_pairs < bottom).argmax())]
    if of_pairs.min() < bottom:
        where = dict(textcoords="offset points", fontsize=9, color=INKS["pairs kept"])
        name.annotate(f"on to {of_pairs.min():.1f}", (leaves, bottom), (6, 4), **where)
    return fig


def held(first, scale, ada, spreads, runs, as_come):
    """Embedding and query of "ada" through its turn; names' spread with one thing still (n,).

    ada: {"embedding", "query": lengths (n,), cosines with step 860 (n,)}. as_come: spread of
    attention as words come.
    """
    fig, (length, cosine, still) = plt.subplots(1, 3, figsize=(15.5, 4.8), layout="constrained")
    step = scale * np.array(first["step"])
    shown = (step >= 700) & (step <= 2100)
    for (name, (lengths, cosines)), ink in zip(ada.items(), (plot.BLUE, plot.VERMILION)):
        length.plot(step[shown], lengths[shown], color=ink, lw=2, label=name)
        cosine.plot(step[shown], cosines[shown], color=ink, lw=2, label=name)
    length.set(ylim=(0, None), ylabel="length", title="“ada”: the query shrinks to a third")
    cosine.axhline(0, color="0.35", lw=0.8)
    cosine.set(
        ylim=(-0.4, 1.05),
        ylabel="cosine with itself at step 860",
        title="and grows again in another direction",
    )
    length.legend(loc="lower right")
    cosine.legend(loc="lower left")
    for ax in (length, cosine):
        marked(ax, SINCE, WIDEST, AGAIN)
        ax.set(xlabel="training step")
    inks = {
        "nothing": "k",
        "queries": plot.VERMILION,
        "W_Q": plot.PURPLE,
        "queries, W_Q": plot.ORANGE,
        "keys, W_K": plot.GREEN,
        "values": plot.SKY,
    }
    for name, curve in spreads.items():
        at = scale * np.array(runs[name]["step"])
        here = at >= SINCE
        is_copy = "queries" in name
        still.plot(at[here], curve[here], color=inks[name], lw=3 if is_copy else 1.3, label=name)
    still.axhline(as_come, color="0.35", ls="--", lw=1, label="as words come")
    marked(still, SINCE, WIDEST, AGAIN)
    still.legend(title="still from step 860 on", loc="lower right", ncols=2, fontsize=9)
    still.set(
        xlabel="training step",
        ylim=(2.4, 3.7),
        ylabel="names' mean spread of attention, nats",
        title="Names with parts still: lowest at 1400 with queries on a copy",
    )
    return fig


MEAN, SPREAD, UNSEEN = "mean of the names", "spread of attention, nats", "loss on unseen text"


def page(runs, words, scale):
    """Spread of attention of some words in several orders of the words, to drag through."""
    text = (
        "Attention of names, ten in their mean and seven alone: in a text, its pairs, random order."
    )
    page = player.Page("Real text", text, choice="order")
    for name, found in runs.items():
        columns = [found["word"].index(word) for word in words]
        entropy = np.array(found["entropy"])
        curves = {MEAN: entropy[:, columns].mean(axis=1)}
        for j in columns[: len(plot.COLOURS) - 1]:
            curves[found["word"][j]] = entropy[:, j]
        listed = {label: curve.tolist() for label, curve in curves.items()}
        page.curves(found["step"], listed, label=SPREAD, of=name)
        page.curves(found["unseen_step"], {"loss": found["unseen"]}, label=UNSEEN, of=name)
        page.tour(_stops(found, curves[MEAN], name, scale), of=name)
    return page


def _stops(found, mean, order, scale):
    """The tour: frequencies learnt, then three moments of the names' mean (n,), then the end."""
    frame = lambda step: found["step"].index(step // scale)
    loss = dict(zip(found["unseen_step"], found["unseen"]))
    at, last = 400 // scale, found["step"][-1]
    begun = (
        f"{order.capitalize()}, step {at}: the loss is {loss[at]:.2f}. Who knows only how frequent "
        f"words are has {FREQUENCIES}."
    )
    stops = [(frame(400), UNSEEN, begun)]
    for step in (SINCE, WIDEST, AGAIN):
        value = mean[frame(step)]
        than = "more" if value > mean[0] else "less"
        said = (
            f"Step {step // scale}: the names' mean is {value:.2f}. They are spread {than} than "
            f"words come, {mean[0]:.2f}."
        )
        stops.append((frame(step), MEAN, said))
    at_end = found["unseen"][-1]
    ended = f"Step {last}, the end: the names' mean is {mean[-1]:.2f}, the loss {at_end:.2f}."
    return [*stops, (len(found["step"]) - 1, SPREAD, ended)]
