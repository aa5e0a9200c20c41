"""The rungs of the ladder (arXiv 2602.19143), exact and learned, and how near a network is to each.

Exact: the chain's own probabilities given the k strongest blocks only, as if the others did not
exist. Learned: a network that sees a window of those blocks, and nothing else of the past. It has
to allow for what it cannot see, so its distribution is softer, and it is what a growing network
passes.
"""

import math
from typing import Any

import numpy as np

from tinyattn import measure
from tinyattn.backend import Backend, Params, to_numpy
from tinyattn.errors import InputError, check_count, check_ids, check_instance, check_shape, shown
from tinyattn.losses import chunked, next_token_loss
from tinyattn.ops import log_softmax
from tinyattn.tasks import markov
from tinyattn.train import train

AT_ONCE, DRAWS = 4096, 1000
RUNG_BATCH = 256  # sequences in a step of a learned rung, at most
EVALUATED_ON = 250  # sequences in one pass of an evaluation


def windows(sequences: Any, reach: int, order: int, nearest: int = 1) -> np.ndarray:
    """Windows of sequences of ids (n, L): (n (L - order), reach + 1).

    There is one for each token that has `order` tokens before it: `reach` of them, of which the
    last is `nearest` places before the token, and the token itself. The windows of a sequence come
    one after the other.

    Raises InputError for sequences of no more than `order` tokens, or windows that go beyond them.
    """
    check_shape("sequences", sequences, (None, None))
    check_count("reach", reach, 1, check_count("order", order))
    check_count("nearest", nearest, 1, order - reach + 1)
    if sequences.shape[1] <= order:
        raise InputError(
            f"sequences: expected more than order = {order} tokens, "
            f"got shape {shown(sequences.shape)}"
        )
    whole = np.lib.stride_tricks.sliding_window_view(sequences, order + 1, axis=1)
    first = order + 1 - nearest - reach
    return whole[..., [*range(first, first + reach), order]].reshape(-1, reach + 1)


def learn(
    trial: Any,
    reach: int,
    rng: np.random.Generator,
    device: Backend,
    map: Any,
    title: str | None,
    nearest: int = 1,
) -> Any:
    """Train the network of a LadderTrial on `windows` of `reach` tokens of an endless stream.

    As many steps as the trial says, half of its batch but no more than 256 sequences, from Xavier's
    start, the rate falling to 0 from half of the way on.

    Returns a function: sequences (n, L) -> log-probabilities (n, L - order, V).
    """
    chain, network, steps = trial.chain, trial.window_network(reach), trial.rung_steps
    loss = chunked(next_token_loss(network), AT_ONCE, map)
    stream = chain.batches(rng, max(1, min(RUNG_BATCH, trial.batch // 2)), trial.length)
    batches = (device.put(windows(x, reach, chain.order, nearest)) for x in stream)
    falling = lambda step, history: min(1.0, 2 * (1 - step / steps))
    start = device.put(network.init(rng), "float32")
    how = {"steps": steps, "clip": 1.0, "schedule": falling, "title": title}
    params, _ = train(loss, start, batches, trial.window_optimizer(), **how)

    def log_probs(sequences):
        x = windows(sequences, reach, chain.order, nearest)[:, :-1]
        parts = []
        for i in range(0, len(x), AT_ONCE):
            logits, _ = network.forward(params, device.put(x[i : i + AT_ONCE]))
            parts.append(to_numpy(log_softmax(logits[:, 0])))
        return np.concatenate(parts).reshape(len(sequences), -1, chain.vocab)

    return log_probs


# What a window tells
#
#   At the first token with a full context the tokens outside the window are uniform and
#   independent of those in it, so the distribution given the window alone is a plain average,
#     (1)  p(x | window) = mean over the other tokens of p(x | other tokens, window)
#   No prediction q from the window alone has a smaller loss than the entropy of (1); what it
#   loses beyond that is KL(p || q).


def law_of_window(
    chain: Any, sequences: np.ndarray, reach: int, rng: np.random.Generator, nearest: int = 1
) -> np.ndarray:
    """(1) for the first `order` tokens of sequences (n, L): probabilities (n, V).

    The window is that of `windows`; the mean is over 1000 draws of the other tokens.
    """
    n, first = len(sequences), chain.order + 1 - nearest - reach
    window = np.asarray(sequences)[:, first : first + reach]
    total = np.zeros((n, chain.vocab))
    for _ in range(DRAWS):
        other = rng.integers(chain.vocab, size=(n, chain.order - reach))
        context = np.concatenate([other[:, :first], window, other[:, first:]], axis=1)
        total += np.exp(chain.log_probs(context)[:, 0])  # (1)
    return total / DRAWS


def strongest_first(chain: markov.MarkovChain) -> list[int]:
    """The numbers of a chain's blocks from 0, the strongest first."""
    strengths = np.linalg.norm(chain.matrices, axis=(1, 2)).round(9)
    return np.argsort(-strengths, kind="stable").tolist()


def passed(steps: np.ndarray, kl: np.ndarray) -> dict[str, Any]:
    """Where a network passes rungs: see LadderTrial.run.

    steps (evaluations,); kl: its distances to them (evaluations, h).
    """
    nearest = kl.argmin(axis=0)
    left = measure.stage_steps(steps, kl).tolist()
    return {
        "kl_argmin_steps": steps[nearest].tolist(),
        "kl_there": kl[nearest].tolist(),
        "stage_steps": [None if math.isnan(step) else step for step in left],
    }


class LadderProbe:
    """A callback for `train`: measures of a network on sequences held out.

    model:     anything with forward, first_query and token_maps.
    chain:     the MarkovChain the sequences come from.
    sequences: token ids (n, S+1) on the host, of which S are read.
    maps:      also record the mean attention map of each head.
    laws:      log-probabilities (m, n, T, V) on the sequences, of other rungs.

    Rung k, of 1..h, is the exact distribution given the k strongest blocks only, `order` their
    numbers from 0, strongest first. The distance to it is KL(rung k || network), in nats, averaged
    over sequences and positions.
    """

    def __init__(
        self,
        model: Any,
        chain: Any,
        sequences: np.ndarray,
        device: Backend,
        maps: bool = False,
        laws: Any = (),
    ):
        _check_parts("model", model, ("forward", "first_query", "token_maps"))
        _check_parts("chain", chain, ("log_probs", "blocks"))
        sequences = check_ids("sequences", sequences, chain.vocab)
        check_shape("sequences", sequences, (None, None))
        if len(sequences) < 1 or sequences.shape[1] <= model.first_query + 1:
            raise InputError(
                f"sequences: expected some of more than {model.first_query + 1} tokens, "
                f"got {sequences.shape}"
            )
        maximum = getattr(model, "positions", math.inf) + 1
        if sequences.shape[1] > maximum:
            raise InputError(
                f"sequences: expected at most {maximum} tokens, for the model to read all but one, "
                f"got {sequences.shape}"
            )
        check_instance("device", device, Backend)
        check_instance("maps", maps, bool)
        self.model, self.chain, self.sequences = model, chain, sequences
        self.device, self.maps = device, maps
        # The chain predicts from position order - 1 on; the network's first query is so much later.
        first = model.first_query - (chain.order - 1)
        if first < 0:
            raise InputError(
                f"model: expected its first query at {chain.order - 1} or later, where the chain "
                f"predicts, got {model.first_query}"
            )
        self.order = strongest_first(chain)
        rungs = [self.order[:k] for k in range(1, len(self.order) + 1)]
        exact = [chain.log_probs(sequences[:, :-1], blocks=rung)[:, first:] for rung in rungs]
        seen = sequences[:, model.first_query + 1 :, None]
        self.teacher_loss = -float(np.take_along_axis(exact[-1], seen, axis=-1).mean())
        every = np.stack([*exact, *laws])
        self.entropies = measure.entropy(every).mean(axis=(1, 2))
        self.p = np.exp(every)
        targets = chain.matrices.swapaxes(1, 2)
        self.targets = targets / np.linalg.norm(targets, axis=(1, 2), keepdims=True)

    def __call__(self, step: int, params: Params) -> dict[str, Any]:
        """A dict of

        kl         (h,)       distance to each rung
        learned_kl (m,)       distance to each of the other rungs, if given
        excess     ()         cross-entropy on the tokens that came, less the full teacher's
        span_mass  (H, h)     attention of each head on each block
        alignment  (H, h)     cosine between what a head writes for a token and the matrix A_k
        maps       (H, T, S)  if asked for

        Heads are those of the last layer.
        """
        model, x = self.model, self.sequences
        n = len(x)
        overlap, loss = np.zeros(len(self.p)), 0.0
        mass, maps = np.zeros(()), np.zeros(())
        for start in range(0, n, EVALUATED_ON):
            rows = slice(start, start + EVALUATED_ON)
            logits, cache = model.forward(params, self.device.put(x[rows, :-1]))
            log_q, s = to_numpy((log_softmax(logits), cache.attention))
            share = len(s) / n
            T = log_q.shape[1]
            overlap = overlap + np.einsum("kntv,ntv->k", self.p[:, rows], log_q) / (n * T)
            came = x[rows, model.first_query + 1 :, None]
            loss -= share * float(np.take_along_axis(log_q, came, axis=-1).mean())
            mass = mass + share * measure.span_mass(s, self.chain.blocks)
            if self.maps:
                maps = maps + share * s.mean(axis=0)
        written = to_numpy(model.token_maps(params))
        size = np.maximum(np.linalg.norm(written, axis=(1, 2)), 1e-30)[:, None]
        distances = -self.entropies - overlap
        h = len(self.order)
        found = {
            "kl": distances[:h],
            "excess": loss - self.teacher_loss,
            "span_mass": mass,
            "alignment": np.einsum("huv,kuv->hk", written, self.targets) / size,
        }
        if len(distances) > h:
            found["learned_kl"] = distances[h:]
        if self.maps:
            found["maps"] = maps
        return found


def _check_parts(name, thing, parts):
    """Raise InputError unless a thing has these attributes."""
    if isinstance(thing, type) or not all(hasattr(thing, part) for part in parts):
        raise InputError(f"{name}: expected one with {', '.join(parts)}, got {shown(thing)}")
