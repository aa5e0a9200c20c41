"""Where data comes from: each task samples on the host with NumPy's Generator and knows its own exact answer."""

from . import markov, recall, regression, text

__all__ = ["markov", "recall", "regression", "text"]
