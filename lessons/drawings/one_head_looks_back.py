"""The figure of lesson 03."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import attention, player, plot


def looks_back(push, steps, maps, by_lag, batches, losses, entropy_rate, W_Q, vocab, lag):
    """The first push (T, S), maps {step: (T, S)}, attention by lag (n, S), losses, and W_Q.

    steps: of the n evaluations. batches: steps and losses of each batch. losses: on held-out
    sequences, at `steps`.
    """
    fig = plt.figure(figsize=(12, 6.6))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1, 1.25))
    axes = top.subplots(1, len(maps) + 1)
    T, S = push.shape
    visible = attention.causal(T, S)
    push = push / np.abs(push).max()
    title = "first push, −da\n(W_Q held at 0)"
    both_signs = dict(cmap="PuOr_r", limits=(-1, 1))
    image = plot.attention_map(axes[0], push, title, S - T, visible, **both_signs)
    bar = top.colorbar(image, ax=axes[0], shrink=0.7, ticks=[-1, 0, 1], location="left")
    bar.ax.set_yticklabels(["score\nfalls", "stays", "score\nrises"])
    titles = [f"mean attention\nat step {step}" for step in maps]
    image = plot.maps_row(axes[1:], np.stack(list(maps.values())), titles, S - T, visible)
    top.colorbar(image, ax=axes[1:], shrink=0.7, label="attention")

    left, middle, right = bottom.subplots(1, 3)
    inks = plot.SKY, plot.ORANGE, plot.VERMILION, plot.GREEN, plot.PURPLE, plot.BLACK
    for one, colour in enumerate(inks, 1):
        width = 2.5 if one == lag else 1.2
        left.plot(steps, by_lag[:, one - 1], color=colour, lw=width, label=f"lag {one}")
    left.set(ylabel="mean attention", ylim=(0, 1), title="One lag takes nearly all the attention")
    left.legend(loc="upper left")
    middle.plot(*batches, color=plot.SKY, lw=0.8, label="each batch")
    middle.plot(steps, losses, color=plot.BLUE, lw=2, label="held-out sequences")
    middle.axhline(entropy_rate, color="0.35", ls="--", lw=1, label="entropy rate of the chain")
    middle.set(
        ylabel="cross-entropy (nats)",
        ylim=(0, None),
        title="The loss falls to what the chain leaves open",
    )
    middle.legend(loc="lower left")
    for ax in (left, middle):
        marks.step_axis(ax, steps[-1])
    largest = np.abs(W_Q).max()
    image = right.imshow(W_Q, cmap="PuOr_r", vmin=-largest, vmax=largest)
    right.axhline(vocab - 0.5, color="0.35", lw=0.8)
    right.axvline(vocab - 0.5, color="0.35", lw=0.8)
    middles = [(vocab - 1) / 2, vocab + (S - 1) / 2]
    right.set_xticks(middles, ["key token", "key position"])
    right.set_yticks(middles, ["query\ntoken", "query\nposition"])
    right.tick_params(length=0)
    right.set_title("Learnt in W_Q: which pairs score high")
    right.spines[:].set_visible(False)
    bottom.colorbar(image, ax=right, shrink=0.7, label="weight")
    return fig


def page(steps, maps, by_lag, excess, entropy_rate):
    """Maps (n, T, S), attention by lag (n, S) and the excess loss (n,), over steps (n,)."""
    page = player.Page("One head looks back", "The token at lag 3 decides; the head finds it.")
    T, S = maps.shape[1:]
    page.maps(steps, maps[:, None], first_query=S - T)
    lags = {f"lag {lag}": by_lag[:, lag - 1] for lag in range(1, 7)}
    page.curves(steps, lags, label="mean attention on a lag")
    floor = {"held-out sequences": entropy_rate + excess, "entropy rate": 0 * excess + entropy_rate}
    return page.curves(steps, floor, label="cross-entropy, nats")
