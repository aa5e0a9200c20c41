"""The figure of lesson 03."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import attention, player, plot


def looks_back(pull, maps, steps, by_lag, runs):
    """The first pull (T, S); maps {step: (T, S)}; attention by lag (n, S); {run: on lag 3 (n,)}.

    steps: of the n looks.
    """
    fig = plt.figure(figsize=(12, 7.4))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1, 1.2))
    axes = top.subplots(1, 3)
    T, S = pull.shape
    visible = attention.causal(T, S)
    pull = pull / np.abs(pull).max()
    title = "The first pull, after one step of W_V:\nlag 3 stands out, less where keys are many"
    both_signs = dict(cmap="PuOr_r", limits=(-1, 1))
    image = plot.attention_map(axes[0], pull, title, S - T, visible, **both_signs)
    bar = top.colorbar(image, ax=axes[0], shrink=0.8, ticks=[-1, 0, 1], location="left")
    bar.ax.set_yticklabels(["score\nfalls", "stays", "score\nrises"])
    titles = [f"Mean attention\nat step {step}" for step in maps]
    image = plot.maps_row(axes[1:], np.stack(list(maps.values())), titles, S - T, visible)
    top.colorbar(image, ax=axes[1:], shrink=0.8, label="attention")

    left, right = bottom.subplots(1, 2)
    inks = plot.SKY, plot.ORANGE, plot.VERMILION, plot.GREEN, plot.PURPLE, plot.BLACK
    for one, colour in enumerate(inks, 1):
        width = 2.5 if one == 3 else 1.2
        left.plot(steps, by_lag[:, one - 1], color=colour, lw=width, label=f"lag {one}")
    left.set(ylabel="mean attention", title="Attention waits, then lag 3 takes it from the others")
    left.legend(loc="upper left")
    _runs(right, steps, runs)
    for ax in (left, right):
        ax.set(xlabel="training step", ylim=(0, 0.8), xlim=(0, steps[-1]))
    return fig


def _runs(ax, steps, runs):
    """Attention on lag 3 of each run, in the order of their ends."""
    styles = {
        "free": (plot.VERMILION, "-", 2.5),
        "W_V held after 100": (plot.BLUE, "-", 2),
        "W_V after 1, longer": (plot.PURPLE, "-", 2),
        "W_V held after 10": (plot.GREEN, "-", 2),
        "W_V held after 1": (plot.ORANGE, "-", 2),
        "W_V held at 0": (plot.BLACK, "--", 1.2),
        "W_Q held": (plot.SKY, ":", 2.5),
    }
    for name, (colour, dash, width) in styles.items():
        ax.plot(steps, runs[name], color=colour, ls=dash, lw=width, label=name)
    ax.axvline(100, color="0.35", lw=0.8, ls="--")
    free, still = np.interp(100, steps, runs["free"]), runs["W_V held after 100"][-1]
    told = (
        f"Blue: at step 100 attention was {free:.2f}.\nWhat W_V knew then is enough for {still:.2f}"
    )
    ax.annotate(told, (100, free), (0.34, 0.05), textcoords="axes fraction", fontsize=9,
                arrowprops=dict(arrowstyle="->", color="0.35"))  # fmt: skip
    ax.set(
        ylabel="mean attention on lag 3", title="A part held still: how far does attention come?"
    )
    ax.legend(loc="upper left", bbox_to_anchor=(0.06, 1), fontsize=9)


def page(steps, maps, by_lag, excess, entropy_rate):
    """Maps (n, T, S), attention by lag (n, S) and the excess loss (n,), over steps (n,)."""
    page = player.Page("One head looks back", "The token at lag 3 decides; the head finds it.")
    T, S = maps.shape[1:]
    page.maps(steps, maps[:, None], first_query=S - T)
    lags = {f"lag {lag}": by_lag[:, lag - 1] for lag in range(1, 7)}
    page.curves(steps, lags, label="mean attention on a lag")
    floor = {"held-out sequences": entropy_rate + excess, "entropy rate": 0 * excess + entropy_rate}
    return page.curves(steps, floor, label="cross-entropy, nats")
