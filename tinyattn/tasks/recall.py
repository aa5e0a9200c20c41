"""Associative recall, the task of "The Emergence of Sparse Attention" (arXiv 2505.17863) that takes two layers.

    k_1 v_1 k_2 v_2 ... k_N v_N q   ->   the value that stands behind the key q

Keys and values come from the same tokens, and which value belongs to which key is drawn anew for
every sequence: nothing can be learnt by heart, and the value has to be looked up behind the key.

    task = AssociativeRecall(pairs=8, vocab=32)
    sequences = task.sample(rng, 128)           # (128, 18): read the first 17, the last is the answer
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..door import door
from ..errors import InputError
from .task import Task

FAVOURED = 2  # tokens that cross-sample repetition prefers as queries: 0 and 1


@door("""pairs count, vocab count >= max(2, pairs), repeats number >= 1e-300 <= pairs?,
    p number >= 0 <= 1""")
@dataclass(frozen=True)
class AssociativeRecall(Task):
    """N pairs of tokens 0..vocab-1, then a query that is among the keys.

    pairs, vocab:  N keys, all different, with their values; the value of a key is that of a random
                   permutation of the tokens.
    repeats:       None, or in-context repetition: each of the N places holds the query as its key
                   with probability repeats / N, and at least one does; the other keys are distinct.
                   None: the query is a key exactly once.
    p:             cross-sample repetition: with this probability the query is one of two favoured
                   tokens.
    """

    pairs: int
    vocab: int
    repeats: float | None = None
    p: float = 0.0

    @property
    def length(self):
        """Tokens that are read: the pairs and the query."""
        return 2 * self.pairs + 1

    @property
    def clean(self):
        """The same task without repetition, on which every network is judged."""
        return replace(self, repeats=None, p=0.0)

    @door("rng Generator, n count -> ids (n, 2 pairs + 2)")
    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n sequences: the pairs, the query, the answer."""
        N, V = self.pairs, self.vocab
        row = np.arange(n)[:, None]
        query = rng.integers(V, size=(n, 1))
        if self.p:
            query = np.where(
                rng.random((n, 1)) < self.p, rng.integers(FAVOURED, size=(n, 1)), query
            )
        order = rng.random((n, V))
        order[row, query] = (
            2.0  # the query comes last, so the first V-1 are the other tokens in random order
        )
        others = order.argsort(axis=1)[:, :N]
        places = self._places(rng, n)
        if (
            N == V
        ):  # then the last of the others is the query, and the one that its first place leaves unused stands in for it
            others[:, -1] = others[row[:, 0], places.argmax(axis=1)]
        keys = np.where(places, query, others)
        values = rng.random((n, V)).argsort(axis=1)  # row i: a random permutation
        sequences = np.empty((n, 2 * N + 2), dtype=np.int64)
        sequences[:, 0 : 2 * N : 2], sequences[:, 1 : 2 * N : 2] = keys, values[row, keys]
        sequences[:, 2 * N :], sequences[:, 2 * N + 1 :] = query, values[row, query]
        return sequences

    @door("x ids (n, S) < self.vocab -> ids (n,)")
    def answer(self, x: Any) -> np.ndarray:
        """The value behind the query of each row of x, of 2 pairs + 1 tokens or more.

        Where the query stands as a key several times, all have the same value.

        Raises InputError for rows of another length or without the query among the keys.
        """
        if x.shape[1] < self.length:
            raise InputError(
                f"x: expected shape (n, {self.length}) or longer, got {tuple(x.shape)}"
            )
        N = self.pairs
        at = x[:, 0 : 2 * N : 2] == x[:, 2 * N, None]
        if not at.any(axis=1).all():
            raise InputError("x: expected the query of every row among its keys")
        return np.take_along_axis(x[:, 1 : 2 * N : 2], at.argmax(axis=1)[:, None], axis=1)[:, 0]

    # Where the query stands as a key: N places, each with probability q = repeats / N, given that
    # one does at least
    #
    #   The first is place j with probability q (1-q)^j / (1 - (1-q)^N), j = 0, ..., N-1; those
    #   behind it are independent.
    #     (1)  P(first <= j) = (1 - (1-q)^(j+1)) / (1 - (1-q)^N)
    #   Set equal to u, uniform in [0, 1), and solved for j,
    #     (2)  first = floor( log(1 - u (1 - (1-q)^N)) / log(1-q) )
    #   Drawing all places again until one holds the query comes to the same, but for a small q it
    #   never ends.

    def _places(self, rng, n):
        """Where the query stands as a key, booleans (n, N)."""
        N, place = self.pairs, np.arange(self.pairs)
        if self.repeats is None:
            return rng.integers(N, size=(n, 1)) == place
        q, u = self.repeats / N, rng.random((n, 1))
        if q == 1:
            return np.ones((n, N), dtype=bool)
        log_rest = math.log1p(-q)
        first = np.floor(np.log1p(u * math.expm1(N * log_rest)) / log_rest)  # (2)
        first = np.minimum(first, N - 1)  # rounding
        return (place == first) | ((place > first) & (rng.random((n, N)) < q))


Recall = AssociativeRecall  # the shorter name, which scripts know
