"""The figure of lesson 04."""

import matplotlib.pyplot as plt
import numpy as np

from tinyattn import player, plot


def flow(paths, growth):
    """Left, the plane of u and v with paths {name: (n, 2)}; right, u over time {start: (t, u)}."""
    fig, (plane, waits) = plt.subplots(1, 2, figsize=(12, 5))
    u, v = np.meshgrid(np.linspace(-1.6, 2.2, 400), np.linspace(-1.6, 2.2, 400))
    loss = np.minimum((u * v - 1) ** 2 / 2, 2)
    plane.imshow(loss, extent=(-1.6, 2.2, -1.6, 2.2), origin="lower", cmap="Greys", vmin=0, vmax=6)
    plane.contour(u, v, loss, levels=[0.1, 0.3, 0.5, 0.8, 1.2, 1.8], colors="0.55", linewidths=0.6)
    side = np.linspace(0.45, 2.2, 100)
    plane.plot(side, 1 / side, color="k", lw=1.5)
    plane.annotate("valley: u v = 1", (0.85, 1.3), fontsize=9)
    for (name, path), colour in zip(paths.items(), plot.COLOURS):
        plane.plot(*path.T, color=colour, lw=2)
        plane.plot(*path[0], "o", color=colour, ms=6)
        shift = (-4, 8) if path[0, 1] > 0 else (0, -15)
        beside = dict(xytext=shift, textcoords="offset points", ha="right")
        plane.annotate(name, path[0], fontsize=9, color=colour, **beside)
    plane.plot(0, 0, "X", color="k", ms=10)
    plane.annotate("saddle", (0, 0), xytext=(10, -4), textcoords="offset points")
    plane.set(
        xlabel="u",
        ylabel="v",
        xlim=(-1.6, 2.2),
        ylim=(-1.6, 2.2),
        aspect="equal",
        title="Downhill (light: low)",
    )
    for (start, (t, x)), colour in zip(growth.items(), plot.COLOURS):
        waits.plot(t, x, color=colour, lw=2)
        wait = np.log(1 / start)
        waits.plot([wait, wait], [0, 0.5**0.5], ":", color=colour)
        beside = dict(xytext=(-6, 2), textcoords="offset points", ha="right")
        waits.annotate(f"start {start:g}", (wait, 0.5**0.5), color=colour, **beside)
    waits.set(
        xlabel="time",
        ylabel="u = v",
        ylim=(0, 1.05),
        xlim=(0, 12),
        title="Ten times nearer to the saddle: ln 10 = 2.3 later (dotted: ln(1/start))",
    )
    return fig


def page():
    """A page to drag the start and the learning rate on."""
    return player.Live("descent_is_a_flow", "Descent is a flow")
