"""The figure of lesson 13."""

from tinyattn.trials import figures


def turns(trial, found):
    """The standard picture of a TextTrial."""
    return figures.text(trial, {trial.seed: found})
