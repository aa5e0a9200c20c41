"""Where data comes from. A task is a frozen dataclass of settings with

sample(rng, n, ...)     n rows on the host: arrays, or a tuple of inputs and targets
batches(rng, n, ...)    endless batches of `sample`
its exact answer        what a perfect learner says: MarkovChain.log_probs (of the next token),
                        AssociativeRecall.answer; of real text nobody knows it. The loss of a toy
                        layer over all of a SingleLocation is in flows.population
"""

from . import markov, recall, regression, text

__all__ = ["markov", "recall", "regression", "text"]
