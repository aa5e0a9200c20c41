"""Associative recall, the task of arXiv 2505.17863 that takes two layers.

    k_1 v_1 k_2 v_2 ... k_N v_N q   ->   the value behind the key q

Keys and values come from the same tokens, and which value belongs to which key is drawn anew for
every sequence: nothing can be learnt by heart, and the value has to be looked up behind the key.

    task = AssociativeRecall(pairs=8, vocab=32)
    sequences = task.sample(rng, 128)           # (128, 18): 17 are read, the last is the answer
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
    repeats:       None: the query is a key exactly once. A number, in-context repetition: each of
                   the N pairs has the query as its key with probability repeats / N, and at least
                   one has; the other keys are distinct.
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
            favoured = rng.random((n, 1)) < self.p
            query = np.where(favoured, rng.integers(FAVOURED, size=(n, 1)), query)
        # The query comes last in this order, so the first V-1 are the other tokens, shuffled.
        order = rng.random((n, V))
        order[row, query] = 2.0
        others = order.argsort(axis=1)[:, :N]
        is_query = self._places(rng, n)
        if N == V:
            # The last of the others is then the query. It is replaced by the token that the first
            # key equal to the query has displaced.
            others[:, -1] = others[row[:, 0], is_query.argmax(axis=1)]
        keys = np.where(is_query, query, others)
        values = rng.random((n, V)).argsort(axis=1)  # row i: a random permutation
        sequences = np.empty((n, 2 * N + 2), dtype=np.int64)
        sequences[:, 0 : 2 * N : 2] = keys
        sequences[:, 1 : 2 * N : 2] = values[row, keys]
        sequences[:, 2 * N :] = query
        sequences[:, 2 * N + 1 :] = values[row, query]
        return sequences

    @door("x ids (n, S) < self.vocab -> ids (n,)")
    def answer(self, x: Any) -> np.ndarray:
        """The value behind the query of each row of x, of 2 pairs + 1 tokens or more.

        Where the query is a key several times, all have the same value.

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

    # Which keys are the query: each of N with probability q = repeats / N, given that one is at
    # least
    #
    #   The first is key j with probability q (1-q)^j / (1 - (1-q)^N), j = 0, ..., N-1; those
    #   behind it are independent.
    #     (1)  P(first <= j) = (1 - (1-q)^(j+1)) / (1 - (1-q)^N)
    #   Set equal to u, uniform in [0, 1), and solved for j,
    #     (2)  first = floor( log(1 - u (1 - (1-q)^N)) / log(1-q) )
    #   Drawing all keys again until one is the query comes to the same, but for a small q it never
    #   ends.

    def _places(self, rng, n):
        """Which keys are the query, booleans (n, N)."""
        N = self.pairs
        key = np.arange(N)
        if self.repeats is None:
            return rng.integers(N, size=(n, 1)) == key
        q = self.repeats / N
        u = rng.random((n, 1))
        if q == 1:
            return np.ones((n, N), dtype=bool)
        log_rest = math.log1p(-q)
        first = np.floor(np.log1p(u * math.expm1(N * log_rest)) / log_rest)  # (2)
        first = np.minimum(first, N - 1)  # rounding
        again = rng.random((n, N)) < q
        return (key == first) | ((key > first) & again)
