"""Focus and dilution on words: what a turn of attention hangs on.

The idea is our own: the same text with other draws of batches, the same words in other orders, and
one use of the embeddings on a copy that does not move.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinyattn import measure
from tinyattn.attention import AttendCache, attend_backward, attend_forward, causal
from tinyattn.backend import Array, Params, namespace, to_numpy
from tinyattn.errors import InputError, check_choice, check_count, keep_counts, shown
from tinyattn.hold import hold_params
from tinyattn.losses import chunked, next_token_loss
from tinyattn.models import EmbeddingModel
from tinyattn.ops import (
    LinearCache,
    embedding_backward,
    embedding_forward,
    linear_backward,
    linear_forward,
    log_softmax,
)
from tinyattn.tasks import text as words
from tinyattn.train import train

from .text import HELD_OUT, LEAST, TextTrial

USES = ("query", "key", "value")
ORDERS = ("text", "random", "pairs")
PAIRS = 99  # for a generator of its own, beside those of batches

# The embedding model with a copy C of its embeddings
#
#   Write e_q, e_k, e_v for what the three uses read: each is W0[x], or C[x].
#     (1)  q = e_q W_Q,  k = e_k W_K,  a_tj = q_t . k_j
#     (2)  y = attend(a, e_v),  logits = y W1
#
#   Backward. C does not move: W0 gets the gradients of the uses that read it, and no other.
#     (3)  dq = da k,  dk = da^T q
#     (4)  de = the sum of de_v, dk W_K^T and dq W_Q^T over the uses that are live


class CopiedCache(NamedTuple):
    x: Array
    q: LinearCache
    k: LinearCache
    q_t: Array
    k_j: Array
    attend: AttendCache
    readout: LinearCache


@dataclass(frozen=True, eq=False)
class CopiedModel:
    """An EmbeddingModel with a query at every place; some uses read a copy of W0 (V, D)."""

    model: EmbeddingModel
    copy: Array
    uses: Sequence[str]

    @property
    def first_query(self):
        """0: the first query sits at the first place."""
        return 0

    def check(self, x):
        """As the model's own."""
        return self.model.check(x)

    def read(self, W0):
        """What each use reads, {use: (V, D)}."""
        return {use: self.copy if use in self.uses else W0 for use in USES}

    def forward(self, params: Params, x: Any) -> tuple[Any, CopiedCache]:
        """x: token ids (B, S); logits (B, S, V)."""
        e = {use: embedding_forward(x, table)[0] for use, table in self.read(params["W0"]).items()}
        q, q_cache = linear_forward(e["query"], params["W_Q"])  # (1)
        k, k_cache = linear_forward(e["key"], params["W_K"])
        a = q @ k.swapaxes(-1, -2)
        S = x.shape[1]
        y, attend = attend_forward(a, e["value"], causal(S, S, namespace(x)))  # (2)
        logits, readout = linear_forward(y, params["W1"])
        return logits, CopiedCache(x, q_cache, k_cache, q, k, attend, readout)

    def backward(self, dlogits: Any, cache: CopiedCache) -> Params:
        """The gradients of all parameters."""
        dy, dW1, _ = linear_backward(dlogits, cache.readout)  # (2)
        da, de_v = attend_backward(dy, cache.attend)
        dq = da @ cache.k_j  # (3)
        dk = da.swapaxes(-1, -2) @ cache.q_t
        de_q, dW_Q, _ = linear_backward(dq, cache.q)
        de_k, dW_K, _ = linear_backward(dk, cache.k)
        of_use = {"query": de_q, "key": de_k, "value": de_v}
        live = [of_use[use] for use in USES if use not in self.uses]
        de = sum(live, 0.0 * de_v)  # (4)
        _, embedding = embedding_forward(cache.x, self.copy)
        dW0 = embedding_backward(de, embedding)
        return {"W0": dW0, "W1": dW1, "W_Q": dW_Q, "W_K": dW_K}


@dataclass(frozen=True)
class TurningTrial(TextTrial):
    """One training run of a TextTrial; every frequent word is followed.

    order:  of the words: "text"; "random"; or "pairs": each word drawn from those that follow, in
            the text, the one before it. Pairs are kept, sentences and stories are lost.
    draws:  which draws of batches: 0, 1, 2, ...; the text and the start are the same.
    since:  from this step on the uses in `copied` read a copy of the embeddings of that step; the
            optimizer's momentum begins anew there, also where no use is copied. None: never.
    copied: some of "query", "key", "value".
    held:   parameters that stand still from there on: some of "W0", "W1", "W_Q", "W_K".
    watch:  words of which the attention on every word is kept, the embedding and the query.
    """

    order: str = "text"
    draws: int = 0
    since: int | None = None
    copied: Sequence[str] = ()
    held: Sequence[str] = ()
    watch: Sequence[str] = ()

    def __post_init__(self):
        super().__post_init__()
        check_choice("order", self.order, ORDERS)
        keep_counts(self, "draws", minimum=0)
        if self.since is not None:
            check_count("since", self.since, 1, self.steps - 1)
            if self.since % self.every:
                raise InputError(f"since: expected a multiple of every, got {self.since}")
        if not set(self.copied) <= set(USES):
            raise InputError(
                f"copied: expected some of {', '.join(USES)}, got {shown(self.copied)}"
            )
        if not set(self.held) <= set(self.network.shapes):
            raise InputError(
                f"held: expected some of {', '.join(self.network.shapes)}, got {shown(self.held)}"
            )
        if (self.copied or self.held) and self.since is None:
            raise InputError("since: expected the step from which on something is still, got None")
        for word in self.watch:
            self.corpus.id(word)

    @functools.cached_property
    def followed(self):
        """Ids of all words that stand often enough in what is trained on, frequent ones first."""
        counts = self.corpus.hold_out(HELD_OUT)[0].counts
        return [int(w) for w in np.argsort(-counts, kind="stable") if counts[w] >= LEAST]

    def ordered(self) -> words.Corpus:
        """The words in their order."""
        if self.order == "random":
            return self.corpus.shuffled(self.generators()[3])
        if self.order == "pairs":
            return pairs_kept(self.corpus, np.random.default_rng([self.seed, PAIRS]))
        return self.corpus

    def run(self, *, checkpoint=None, title=None, map=map) -> dict[str, Any]:
        """word, count: of each word followed; and

        step, entropy, length   lists over the evaluations: of each word's attention (nats), of its
                                embedding
        top                     the word that each attends to most
        unseen_step, unseen     loss on text kept out of training
        seen                    {word: attention on every word}, of those watched
        embedding, query        {word: its embedding}, {word: its query}, of those watched
        words                   the vocabulary, in the order of `seen`

        Raises InputError for a checkpoint.
        """
        if checkpoint is not None:
            raise InputError("checkpoint: expected None, these runs are short")
        corpus = self.ordered()
        seen, unseen = corpus.hold_out(HELD_OUT)
        device = self.backend()
        _, for_judging, for_batches, _, _ = self.generators()
        if self.draws:
            for_batches = np.random.default_rng([self.seed, self.draws])
        judged = device.put(unseen.sample(for_judging, self.judged, self.length + 1))
        batches = (
            device.put(batch) for batch in seen.batches(for_batches, self.batch, self.length + 1)
        )
        params = device.put(self.network.init(np.random.default_rng(self.seed)), "float32")
        legs = [(self.network, 0, self.steps)]
        if self.since is not None:
            legs = [(self.network, 0, self.since), (None, self.since, self.steps)]
        looks = []
        for network, begin, end in legs:
            network = network or CopiedModel(self.network, params["W0"].copy(), self.copied)
            params = self._leg(network, params, batches, begin, end, seen.counts, judged, looks)
        return self._found(seen.counts, looks)

    def _leg(self, network, params, batches, begin, end, counts, judged, looks):
        """Train from step begin to end, and append what is seen on the way to looks."""
        loss = next_token_loss(network)
        optimizer = self.make_optimizer()
        if begin and self.held:
            loss, optimizer = hold_params(loss, optimizer, dict.fromkeys(self.held, True))
        loss = chunked(loss, self.chunk, map)

        def look(step, params):
            at = begin + step
            if looks and looks[-1]["step"] == at:
                return
            looks.append({"step": at, **self._look(network, counts, params)})
            if at % (2 * self.every) == 0:
                looks[-1]["unseen"] = float(loss(params, judged)[0])

        params, _ = train(
            loss,
            params,
            batches,
            optimizer,
            steps=end - begin,
            every=self.every,
            callbacks=[(self.every, look)],
            title=None,
            clip=1.0,
        )
        return params

    def _look(self, network, counts, params):
        W0, W_Q, W_K = (to_numpy(params[key]).astype(float) for key in ("W0", "W_Q", "W_K"))
        read = dict.fromkeys(USES, W0)
        if isinstance(network, CopiedModel):
            read = {use: to_numpy(table).astype(float) for use, table in network.read(W0).items()}
        queries = read["query"] @ W_Q
        scores = queries[self.followed] @ (read["key"] @ W_K).T
        with np.errstate(divide="ignore"):
            log_A = log_softmax(np.log(counts) + scores)
        return {"log_A": log_A, "W0": W0, "queries": queries}

    def _found(self, counts, looks):
        names, followed = self.corpus.words, self.followed
        row = {names[w]: j for j, w in enumerate(followed)}
        tops = [look["log_A"].argmax(axis=-1) for look in looks]
        return {
            "word": [names[w] for w in followed],
            "count": [int(counts[w]) for w in followed],
            "step": [look["step"] for look in looks],
            "entropy": [measure.entropy(look["log_A"]).tolist() for look in looks],
            "length": [np.linalg.norm(look["W0"][followed], axis=1).tolist() for look in looks],
            "top": [[names[k] for k in top] for top in tops],
            "unseen_step": [look["step"] for look in looks if "unseen" in look],
            "unseen": [look["unseen"] for look in looks if "unseen" in look],
            "seen": {
                word: [np.exp(look["log_A"][row[word]]).tolist() for look in looks]
                for word in self.watch
            },
            "embedding": {
                word: [look["W0"][self.corpus.id(word)].tolist() for look in looks]
                for word in self.watch
            },
            "query": {
                word: [look["queries"][self.corpus.id(word)].tolist() for look in looks]
                for word in self.watch
            },
            "words": list(names),
        }


def pairs_kept(corpus: words.Corpus, rng: np.random.Generator) -> words.Corpus:
    """As many words, each drawn from those that follow, in this text, the one before it."""
    after: list[list[int]] = [[] for _ in corpus.words]
    for word, following in zip(corpus.ids[:-1], corpus.ids[1:]):
        after[word].append(int(following))
    drawn = [int(corpus.ids[0])]
    while len(drawn) < len(corpus.ids):
        choices = after[drawn[-1]] or corpus.ids  # the text's last word may have none after it
        drawn.append(int(choices[rng.integers(len(choices))]))
    return words.Corpus(np.array(drawn), corpus.words)
