"""The figure of lesson 03."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import attention, player, plot


def looks_back(pull, maps, steps, runs):
    """The first pull (T, S); maps {step: (T, S)}; {run: attention on lag 3 (n,)} at n steps."""
    fig = plt.figure(figsize=(12, 7.4))
    top, bottom = fig.subfigures(2, 1, height_ratios=(1, 1.2))
    axes = top.subplots(1, 3)
    T, S = pull.shape
    visible = attention.causal(T, S)
    pull = 1000 * pull
    most = np.abs(pull).max()
    title = "The first pull, after one step of W_V:\nlag 3 stands out, less where keys are many"
    both_signs = dict(cmap="PuOr_r", limits=(-most, most))
    image = plot.attention_map(axes[0], pull, title, S - T, visible, **both_signs)
    own = S - 1, T - 1  # the last query's own key, at lag 1
    told = dict(fontsize=8, ha="center", va="center")
    axes[0].text(own[0] - 2, own[1], "lag 3", **told)
    axes[0].text(own[0] - 5, own[1], "lag 6", **told)
    label = "pull on the score, thousandths"
    bar = top.colorbar(image, ax=axes[0], shrink=0.9, ticks=[-1, 0, 1], location="left")
    bar.set_label(label)
    bar.ax.set_yticklabels(["−1: falls", "0", "1: rises"])
    titles = [f"Mean attention\nat step {step}" for step in maps]
    image = plot.maps_row(axes[1:], np.stack(list(maps.values())), titles, S - T, visible)
    top.colorbar(image, ax=axes[1:], shrink=0.8, label="attention")
    _runs(bottom.subplots(), steps, runs)
    return fig


def _runs(ax, steps, runs):
    """Attention on lag 3 of each run, named where it ends."""
    styles = {
        "W_V learns on: free": ("free", plot.VERMILION, "-", 2.5),
        "W_V held after 100 steps": ("W_V held after 100", plot.BLUE, "-", 2.5),
        "W_V after 1 step, longer, held": ("W_V after 1, longer", plot.PURPLE, "-", 2),
        "W_V held after 10 steps": ("W_V held after 10", plot.GREEN, "-", 2),
        "W_V held after 1 step": ("W_V held after 1", plot.ORANGE, "-", 2),
        "W_V held at 0": ("W_V held at 0", plot.BLACK, "--", 1.2),
        "W_Q held": ("W_Q held", "0.5", ":", 2.5),
    }
    height = 1.0
    for label, (name, colour, dash, width) in styles.items():
        ax.plot(steps, runs[name], color=colour, ls=dash, lw=width)
        end = runs[name][-1]
        height = min(end, height - 0.047)  # labels of ends that agree stand below one another
        told = f"{end:.3f}  {label}"
        ax.text(1.01 * steps[-1], height, told, color=colour, va="center", fontsize=9)
    ax.axvline(100, color="0.35", lw=0.8, ls="--")
    ax.text(105, 0.77, "step 100", color="0.35", va="top", fontsize=9)
    free, still = np.interp(100, steps, runs["free"]), runs["W_V held after 100"][-1]
    told = (
        f"At step 100 attention was {free:.2f}. What W_V had\n"
        f"learnt by then brings it to {still:.2f} (blue)"
    )
    ax.annotate(told, (100, free), (0.3, 0.04), textcoords="axes fraction", fontsize=9,
                arrowprops=dict(arrowstyle="->", color="0.35"))  # fmt: skip
    title = "Attention on lag 3, each time with one part held still: how fast does it go?"
    ax.set(ylabel="mean attention on lag 3", title=title)
    ax.set(xlabel="training step", ylim=(0, 0.8), xlim=(0, steps[-1]))


def page(steps, maps, by_lag, excess, entropy_rate):
    """Maps (n, T, S), attention by lag (n, S) and the excess loss (n,), over steps (n,)."""
    page = player.Page("One head looks back", "The token at lag 3 decides; the head finds it.")
    T, S = maps.shape[1:]
    page.maps(steps, maps[:, None], first_query=S - T)
    lags = {f"lag {lag}": by_lag[:, lag - 1] for lag in range(1, 7)}
    page.curves(steps, lags, label="mean attention on a lag")
    floor = {"held-out sequences": entropy_rate + excess, "entropy rate": 0 * excess + entropy_rate}
    return page.curves(steps, floor, label="cross-entropy, nats")
