"""Learned rungs of the ladder (arXiv 2602.19143): networks that see a window of the last k blocks, and nothing before it.

An exact rung is as sure of itself as if the other blocks did not exist; a network that cannot see them
has to allow for them. So its law is softer, and it is the law that a growing network passes.
"""

from typing import Any

import numpy as np

from ..backend import Backend, to_numpy
from ..errors import InputError, check_count, check_shape, shown
from ..losses import chunked, next_token_loss
from ..ops import log_softmax
from ..train import train

AT_ONCE, DRAWS = 4096, 1000


def windows(sequences: Any, reach: int, order: int) -> np.ndarray:
    """From sequences of ids (n, L), for each token with `order` before it, the `reach` just before it and the token itself.

    Returns (n (L - order), reach + 1), the windows of a sequence one after the other, counted from
    0 each.

    Raises InputError for sequences of no more than `order` tokens, or reach > order.
    """
    check_shape("sequences", sequences, (None, None))
    check_count("reach", reach, 1, check_count("order", order))
    if sequences.shape[1] <= order:
        raise InputError(f"sequences: expected more than order = {order} tokens, got shape {shown(sequences.shape)}")
    seen = np.lib.stride_tricks.sliding_window_view(sequences, reach + 1, axis=1)
    return seen[:, order - reach :].reshape(-1, reach + 1)


def learn(trial: Any, reach: int, rng: np.random.Generator, device: Backend, map: Any, title: str | None) -> Any:
    """Train the network of a LadderTrial on windows of `reach` tokens of an endless stream: a function of its law.

    Half of the trial's steps and of its batch, from Xavier's start, the rate falling to 0 from half
    of the way on. The function takes sequences (n, L) and returns log-probabilities (n, L - order, V).
    """
    chain, network, steps = trial.chain, trial.window_network(reach), max(1, trial.steps // 2)
    loss = chunked(next_token_loss(network), AT_ONCE, map)
    stream = chain.batches(rng, max(1, trial.batch // 2), trial.length)
    batches = (device.put(windows(x, reach, chain.order)) for x in stream)
    falling = lambda step, history: min(1.0, 2 * (1 - step / steps))
    start = device.put(network.init(rng), "float32")
    params, _ = train(loss, start, batches, trial.stepper, steps=steps, clip=1.0, schedule=falling, title=title)

    def law(sequences):
        x = windows(sequences, reach, chain.order)[:, :-1]
        parts = [network.forward(params, device.put(x[i : i + AT_ONCE]))[0][:, 0] for i in range(0, len(x), AT_ONCE)]
        found = np.concatenate([to_numpy(log_softmax(logits)) for logits in parts])
        return found.reshape(len(sequences), -1, chain.vocab)

    return law


# What a window tells
#
#   At the first token with a full context the tokens before the window are uniform and know
#   nothing of those in it, so the law given the window alone is a plain average,
#     (1)  p(x | window) = mean over older tokens of p(x | older tokens, window)
#   No law that sees the window only has a smaller loss than the entropy of (1); what it
#   loses beyond that is KL(p || law).


def law_of_window(chain: Any, sequences: np.ndarray, reach: int, rng: np.random.Generator) -> np.ndarray:
    """(1) for the first `order` tokens of sequences (n, L), over 1000 draws of older tokens: probabilities (n, V)."""
    context = np.asarray(sequences)[:, : chain.order]
    total = np.zeros((len(context), chain.vocab))
    for _ in range(DRAWS):
        older = rng.integers(chain.vocab, size=(len(context), chain.order - reach))
        total += np.exp(chain.log_law(np.concatenate([older, context[:, chain.order - reach :]], axis=1))[:, 0])  # (1)
    return total / DRAWS
