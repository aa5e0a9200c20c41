"""The figures of lesson 05."""

import matplotlib.pyplot as plt
import numpy as np

import marks
from tinyattn import plot

BROWN = "#9a6700"


def hops(across, places, paths, stable):
    """u over steps {learning rate: (n,)}, with the places of the hop; {learning rate: (n, 2)}.

    stable: the learning rate for which the valley is drawn thick where it is stable.
    """
    fig, (line, plane, size) = plt.subplots(1, 3, figsize=(16, 5), width_ratios=(1.15, 1.1, 0.8))
    steps = np.arange(25)
    for u, colour in zip(across.values(), (plot.GREEN, BROWN, plot.PURPLE)):
        line.plot(steps, u[:25], "o-", color=colour, lw=0.8, ms=4)
    for place in places:
        line.axhline(place, color=plot.PURPLE, ls=":", lw=1.2)
        line.annotate(f"{place:.4f}", (-0.3, place + 0.006), color=plot.PURPLE)
    notes = (
        ("η = 0.9: arrives", 0.775, plot.GREEN),
        ("η = 1.0: hardly closes in", 0.755, BROWN),
        ("η = 1.1: hops for ever", 0.735, plot.PURPLE),
    )
    for text, y, colour in notes:
        line.annotate(text, (0, y), color=colour)
    line.set(
        xlabel="step of descent",
        ylabel="u = v",
        xlim=(-0.5, 25),
        ylim=(0.72, 1.2),
        title="The first 25 steps; at (1, 1) the longest step is 1",
    )
    _valley(plane, stable)
    inks = (plot.BLUE, plot.VERMILION, plot.GREEN)
    shifts = ((8, -24), (-12, -14))
    for (eta, path), colour, shift in zip(paths.items(), inks, shifts):
        plane.plot(*path.T, "o-", color=colour, lw=0.8, ms=4)
        plane.plot(*path[-1], "o", color=colour, ms=9)
        side = "left" if shift[0] > 0 else "right"
        beside = dict(xytext=shift, textcoords="offset points", color=colour, ha=side)
        plane.annotate(f"η = {eta:g} ends", path[-1], fontsize=9, **beside)
    beside = dict(textcoords="offset points", color=plot.VERMILION, fontsize=11)
    for number, landing in enumerate(paths[stable][1:5], 1):
        plane.annotate(f"{number}", landing, xytext=(6, 2), **beside)
    plane.plot(2, 0.3, "X", color="k", ms=9)
    plane.annotate("start", (2, 0.3), xytext=(8, -4), textcoords="offset points")
    for path, colour in zip(paths.values(), inks):
        away = np.hypot(*path[:14].T)
        size.plot(np.arange(len(away)), away, "o-", color=colour, lw=1, ms=4)
    size.annotate("η = 0.9 flies off", (10.2, 150), color=plot.GREEN, ha="right")
    size.annotate(
        "u² − v² times\n−9.52",
        (9.5, 4.9),
        xytext=(4.5, 14),
        arrowprops={"arrowstyle": "->", "color": plot.GREEN},
        color=plot.GREEN,
        ha="center",
    )
    size.annotate("η = 0.3", (13, 2.4), color=plot.BLUE, ha="right")
    size.annotate("η = 0.6", (13, 1.02), color=plot.VERMILION, ha="right")
    size.set(
        xlabel="step of descent",
        ylabel="distance from (0, 0), logarithmic",
        yscale="log",
        ylim=(0.8, 1e3),
        title="Descent from (2, 0.3)",
    )
    return fig


def _valley(ax, stable):
    """The plane with the valley u v = 1, thick where a step is stable."""
    u, v = np.meshgrid(np.linspace(0.4, 2.4, 400), np.linspace(-0.1, 1.6, 400))
    loss = np.minimum((u * v - 1) ** 2 / 2, 2)
    ax.imshow(loss, extent=(0.4, 2.4, -0.1, 1.6), origin="lower", cmap="Greys", vmin=0, vmax=4)
    side = np.linspace(0.6, 2.4, 300)
    wide = side**2 + side**-2 < 2 / stable
    ax.plot(side, 1 / side, color="k", lw=1)
    ax.plot(side[wide], 1 / side[wide], color="k", lw=5, alpha=0.55, solid_capstyle="butt")
    told = dict(arrowprops={"arrowstyle": "->", "color": "0.2"}, color="0.2", ha="center")
    ax.annotate(f"here a step of {stable:g}\nis stable", (0.85, 1.18), xytext=(1.35, 1.35), **told)
    ax.set(xlabel="u", ylabel="v", xlim=(0.4, 2.4), ylim=(-0.1, 1.6), aspect="equal")
    ax.set_title("Descent from (2, 0.3) and the valley u v = 1")


def factors(times, fast):
    """The factor of a step by method; the length of steps over {method: times}, and the limit."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(13, 4.8))
    size = np.linspace(0, 5, 400)
    z = -size
    left.axhspan(-1, 1, color="0.9", zorder=0)
    rk4 = 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24
    marks.named(left, size, 1 / (1 - z), "implicit Euler", 4.0, (0, 6), color=plot.GREEN, lw=2)
    marks.named(left, size, np.exp(z), "the flow, e^z", 4.0, (0, -15), color="k", lw=2)
    marks.named(left, size[size < 3.3], rk4[size < 3.3], "RK4", shift=(5, -6), color=BROWN, lw=2)
    marks.named(
        left,
        size[size < 2.8],
        (1 + z)[size < 2.8],
        "Euler, 1 + z",
        shift=(6, 0),
        color=plot.BLUE,
        lw=2,
    )
    for at, value, colour in ((2, -1, plot.BLUE), (2.785, 1, BROWN)):
        left.plot(at, value, "o", color=colour, ms=8)
        beside = dict(xytext=(-8, 8 * value), textcoords="offset points", color=colour)
        left.annotate(f"{at:g}", (at, value), ha="right", va="center", **beside)
    left.annotate("between −1 and 1: stable", (0.1, -0.9), color="0.35", fontsize=9)
    left.set(
        xlabel="h |λ|  (z = h λ, λ negative)",
        ylabel="factor of a step",
        ylim=(-2, 2),
        xlim=(0, 5),
        title="What a step does to a distance that shrinks",
    )
    for (name, t), colour in zip(times.items(), (plot.VERMILION, plot.GREEN)):
        right.plot(t[1:], np.diff(t), color=colour, lw=0.7 if name == "rk45" else 2)
    right.annotate(f"bdf: {len(times['bdf']) - 1} steps", (0.02, 0.1), color=plot.GREEN)
    right.annotate(f"rk45: {len(times['rk45']) - 1} steps", (0.1, 5e-4), color=plot.VERMILION)
    right.plot([3e-4, 2], [3.3066 / fast] * 2, color="0.2", ls=":")
    limit = f"its longest stable step, {3.3066 / fast:.6f}"
    right.annotate(limit, (1.8, 1.7e-4), color="0.3", fontsize=9, ha="right")
    right.axvline(2e-3, color="0.5", ls="--", lw=1)
    right.annotate(
        "the fast number is\ngone from the flow",
        (1.7e-3, 0.3),
        color="0.3",
        fontsize=9,
        ha="right",
        va="top",
    )
    right.set(
        xlabel="time t, logarithmic",
        ylabel="length of a step, logarithmic",
        xscale="log",
        yscale="log",
        xlim=(1e-5, 2.2),
        ylim=(1e-6, 0.5),
        title="Growth rates −1 and −10,000, to t = 2",
    )
    return fig
