"""The figure of lesson 09."""

from tinyattn import plot
from tinyattn.trials import figures


def ladder(trial, found, reference=None):
    """The standard picture of a LadderTrial, and the paper's distance at the end."""
    fig = figures.ladder(trial, {trial.seed: found})
    if reference is not None:
        plot.reference(fig.axes[0], reference, f"paper, full teacher, at the end: {reference}")
    return fig
