"""The complexity ladder: how near a network on the Markov chain is to teachers that see only the strongest k blocks."""

import math
from typing import Any

import numpy as np

from . import measure
from .backend import Backend, Params, to_numpy
from .errors import InputError, check_ids, check_instance, check_shape, shown
from .ops import log_softmax

CHUNK = 250  # sequences looked at in one pass


class LadderProbe:
    """A look at a network while it trains: a callback for `train`, and what it measures on sequences held out.

    model:     anything with forward, first_query and token_maps. chain: the MarkovChain the sequences come from.
    sequences: token ids (n, S+1) on the host, of which S are read.
    maps:      also record the mean attention map of each head.

    Rung k, of 1..h, is the exact law given the k strongest blocks only, `order` their numbers from 0, strongest first;
    the distance to it is KL(rung k || network), in nats, averaged over sequences and positions.
    """

    def __init__(self, model: Any, chain: Any, sequences: np.ndarray, device: Backend, maps: bool = False):
        for name, thing, parts in (
            ("model", model, ("forward", "first_query", "token_maps")),
            ("chain", chain, ("log_law", "blocks")),
        ):
            if isinstance(thing, type) or not all(hasattr(thing, part) for part in parts):
                raise InputError(f"{name}: expected one with {', '.join(parts)}, got {shown(thing)}")
        sequences = check_ids("sequences", sequences, chain.vocab)
        check_shape("sequences", sequences, (None, None))
        if len(sequences) < 1 or sequences.shape[1] <= model.first_query + 1:
            raise InputError(f"sequences: expected some of more than {model.first_query + 1} tokens, got {sequences.shape}")
        most = getattr(model, "positions", math.inf) + 1
        if sequences.shape[1] > most:
            raise InputError(
                f"sequences: expected at most {most} tokens, for the model to read all but one, got {sequences.shape}"
            )
        check_instance("device", device, Backend)
        check_instance("maps", maps, bool)
        self.model, self.chain, self.sequences, self.device, self.maps = model, chain, sequences, device, maps
        first = model.first_query - (chain.order - 1)  # where the network's first query stands among the chain's laws
        if first < 0:
            raise InputError(
                f"model: expected its first query at {chain.order - 1} or later, as laws are, got {model.first_query}"
            )
        self.order = np.argsort(-np.linalg.norm(chain.matrices, axis=(1, 2)).round(9), kind="stable").tolist()
        rungs = [self.order[:k] for k in range(1, len(self.order) + 1)]
        laws = np.stack([chain.log_law(sequences[:, :-1], blocks=rung)[:, first:] for rung in rungs])
        self.entropies = measure.entropy(laws).mean(axis=(1, 2))
        self.p = np.exp(laws)
        seen = sequences[:, model.first_query + 1 :, None]
        self.teacher_loss = -float(np.take_along_axis(laws[-1], seen, axis=-1).mean())
        targets = chain.matrices.swapaxes(1, 2)
        self.targets = targets / np.linalg.norm(targets, axis=(1, 2), keepdims=True)

    def __call__(self, step: int, params: Params) -> dict[str, Any]:
        """A dict of

        kl        (h,)    distance to each rung
        excess    ()      cross-entropy on the tokens that came, less the full teacher's
        span_mass (H, h)  attention of each head on each block
        alignment (H, h)  cosine between what a head writes for a token and the matrix A_k
        maps      (H, T, S), if asked for
        """
        model, x = self.model, self.sequences
        n, loss = len(x), 0.0
        overlap, mass, maps = np.zeros(len(self.p)), np.zeros(()), np.zeros(())
        for rows in (slice(i, i + CHUNK) for i in range(0, n, CHUNK)):
            logits, cache = model.forward(params, self.device.put(x[rows, :-1]))
            log_q, s = to_numpy((log_softmax(logits), cache.attention))
            share = len(s) / n
            overlap = overlap + np.einsum("kntv,ntv->k", self.p[:, rows], log_q) / (n * log_q.shape[1])
            loss -= share * float(np.take_along_axis(log_q, x[rows, model.first_query + 1 :, None], axis=-1).mean())
            mass = mass + share * measure.span_mass(s, self.chain.blocks)
            maps = maps + share * s.mean(axis=0) if self.maps else maps
        written = to_numpy(model.token_maps(params))
        size = np.maximum(np.linalg.norm(written, axis=(1, 2)), 1e-30)[:, None]
        found = dict(kl=-self.entropies - overlap, excess=loss - self.teacher_loss, span_mass=mass,
                     alignment=np.einsum("huv,kuv->hk", written, self.targets) / size)  # fmt: skip
        return {**found, "maps": maps} if self.maps else found
