"""Focus and dilution on words (arXiv 2605.01199).

Attention's turns in a text, and in the same words shuffled.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tinyattn import measure
from tinyattn.backend import Params, to_numpy
from tinyattn.errors import InputError, check_count, check_instance, check_number, shown
from tinyattn.losses import chunked, next_token_loss
from tinyattn.models import EmbeddingModel
from tinyattn.ops import log_softmax
from tinyattn.optim import SGD
from tinyattn.tasks import text as words

from .trial import Trial

RANKS = (0, 1, 2, 4, 8, 16, 32, 64, 100, 150, 200, 300)  # words followed, by frequency
# The paper's word, and one of its family that is frequent enough in a small text.
PAPERS = ("continue", "continued")
# Occurrences: single batches throw the attention of rarer words about, in shuffled text as well.
LEAST = 40
HELD_OUT = 0.1  # the last share of the text, kept out of training
# The minimum of a turn's falls and rise: share of the range, times the noise, nats.
SHARE, NOISE, NATS = 0.2, 5, 0.1
# Nats by which the loss in shuffled text may exceed its end once frequencies are learnt.
CONDENSED = 0.05


def noise_of(curve: np.ndarray) -> np.ndarray:
    """The noise of curves (n, ...): 1.48 times the median change from one point to the next.

    Half of what a Gaussian draws lies nearer to 0 than 1/1.48 of its standard deviation.
    """
    return 1.48 * np.median(np.abs(np.diff(curve, axis=0)), axis=0)


def turns_of(steps: np.ndarray, curve: np.ndarray, since: float = 0) -> list[list[int]]:
    """The turns of a curve (n,) at steps (n,) that begin at step `since` or later.

    Each is a triple of steps: focused, diluted, focused again. A fall or a rise counts if it is 0.2
    of the curve's range, 5 times its noise and 0.1 nats, or more.
    """
    least = max(SHARE * np.ptp(curve), NOISE * noise_of(curve), NATS)
    triples = [[int(steps[i]) for i in turn] for turn in measure.turns(curve, least)]
    return [triple for triple in triples if triple[0] >= since]


@dataclass(frozen=True)
class TextTrial(Trial):
    """Train one head on a text and on the same words in random order; follow some words' attention.

    text:     a file, see `tasks.text.words`; None: stories that are made up here.
    vocab:    words kept, the most frequent; by default 500, or all if there are fewer.
    follow:   words to follow beside those chosen by their frequency.
    width:    of the model.
    scale:    of its start.
    length:   words in a training sequence.
    momentum: of SGD.
    chunk:    sequences in one pass.
    judged:   stretches of held-out text.

    A turn is attention that focuses, dilutes and focuses again: its entropy falls, rises and falls,
    each time by at least 0.2 of the range of that curve, 5 times its noise and 0.1 nats. The noise
    of a curve comes from the choice of batches; its size is taken from the curve, the median change
    from one evaluation to the next, as of a Gaussian. Turns count once the words' frequencies are
    learnt: while the network condenses, the most frequent word swings in shuffled text as well.
    """

    steps: int | None = 5000
    every: int = 25
    batch: int = 192
    lr: float | None = 0.08
    text: str | None = None
    vocab: int | None = None
    follow: Sequence[str] = ()
    width: int = 32
    scale: float = 1e-2
    length: int = 32
    momentum: float = 0.9
    chunk: int = 16
    judged: int = 400

    curve: ClassVar[tuple[str, str, str]] = (
        "unseen",
        "loss, nats",
        "Loss on text kept out of training",
    )
    counts: ClassVar[tuple[str, ...]] = (*Trial.counts, "width", "length", "chunk", "judged")

    def __post_init__(self):
        super().__post_init__()
        check_number("scale", self.scale, above=0)
        is_list = isinstance(self.follow, (tuple, list))
        if not is_list or not all(isinstance(word, str) for word in self.follow):
            raise InputError(f"follow: expected a list of words, got {shown(self.follow)}")
        if self.text is not None:
            check_instance("text", self.text, str)
        if self.steps < 4 * self.every:
            raise InputError(
                f"steps: expected at least 4 times every = {self.every}, got {self.steps}"
            )
        self.choose(vocab=min(500, len({*self.content, words.UNKNOWN})))
        if len(self.corpus.ids) * HELD_OUT <= self.length + 1:
            minimum = round((self.length + 1) / HELD_OUT)
            raise InputError(
                f"text: expected more than {minimum} words, got {len(self.corpus.ids)}"
            )
        for word in self.follow:
            if word not in self.corpus.words:
                raise InputError(
                    f"follow: expected some of the {self.vocab} words that are kept, got {word!r}"
                )
        if not self.followed:
            maximum = int(self.corpus.hold_out(HELD_OUT)[0].counts.max())
            raise InputError(
                f"text: expected some word {LEAST} times in the part trained on, "
                f"got {maximum} times at most"
            )
        _ = self.network, self.make_optimizer()  # which check their own settings

    def generators(self):
        """Fresh generators: stories, evaluation, batches, shuffling, batches of shuffled text."""
        return np.random.default_rng(self.seed).spawn(5)

    @functools.cached_property
    def content(self) -> list[str]:
        """The text, word by word."""
        if self.text is None:
            return words.stories(self.generators()[0], 4000)
        return words.words(self.text)

    @functools.cached_property
    def corpus(self) -> words.Corpus:
        """The text as ids of the words kept."""
        return words.from_words(self.content, check_count("vocab", self.vocab, 2))

    @functools.cached_property
    def followed(self) -> list[int]:
        """Ids of the words followed: some of every frequency, the paper's, and those asked for."""
        counts = self.corpus.hold_out(HELD_OUT)[0].counts
        by_count = [int(w) for w in np.argsort(-counts, kind="stable") if counts[w] >= LEAST]
        some = [by_count[rank] for rank in RANKS if rank < len(by_count)]
        papers = [w for w in by_count if self.corpus.words[w] in PAPERS]
        asked_for = [self.corpus.id(word) for word in self.follow]
        return list(dict.fromkeys([*some, *papers, *asked_for]))

    @functools.cached_property
    def network(self) -> EmbeddingModel:
        """The model that is trained."""
        return EmbeddingModel(self.corpus.vocab, self.width, first_query=0, scale=self.scale)

    def make_optimizer(self):
        """The optimizer of these settings."""
        return SGD(self.lr, self.momentum)

    def run(self, *, checkpoint=None, title=None, map=map) -> dict[str, Any]:
        """word, count: of each word followed. Of the text, and of "shuffled" the same:

        step, entropy, norm   lists over the evaluations: of each word's attention (nats), of its
                              embedding
        rank                  effective rank of W0
        loss_step, loss, unseen_step, unseen   in training, and on text kept out of it
        top                   the word that each attends to most
        turns                 of each word: triples of steps, focused, diluted, focused again

        and

        condensed             the step at which frequencies are learnt
        words, tokens         vocabulary and length of the text
        word_entropy          of the frequencies, nats
        star                  the index of the word whose turn is clearest against its noise
        corners               the steps of that turn, or None
        attended              of that word, {word: attention over the evaluations}, the six it ever
                              attends to most
        """
        _, for_judging, for_batches, for_shuffling, for_shuffled = self.generators()
        kept = kept_shuffled = None
        if checkpoint is not None:
            content = "\n".join(self.content).encode("utf-8", "surrogatepass")
            digest = hashlib.sha256(content).hexdigest()[:16]
            settings = {**checkpoint.settings, "content": digest}
            other = checkpoint.file.with_name(f"{checkpoint.file.stem}_shuffled.npz")
            kept = dataclasses.replace(checkpoint, settings=settings)
            kept_shuffled = dataclasses.replace(kept, path=other)
        history = self._train(self.corpus, for_batches, for_judging, map, kept, title)
        shuffled = self.corpus.shuffled(for_shuffling)
        name = title and f"{title}, shuffled"
        control = self._train(shuffled, for_shuffled, for_judging, map, kept_shuffled, name)
        learnt = control["unseen"] < control["unseen"][-1] + CONDENSED
        condensed = int(control.steps("unseen")[learnt.argmax()])
        counts = self.corpus.hold_out(HELD_OUT)[0].counts
        shares = counts[counts > 0] / counts.sum()
        found = {
            "word": [self.corpus.words[w] for w in self.followed],
            "count": [int(counts[w]) for w in self.followed],
            "words": self.corpus.vocab,
            "tokens": len(self.corpus.ids),
            "condensed": condensed,
            "word_entropy": float(-(shares * np.log(shares)).sum()),
            **self._measures(history, condensed),
            "shuffled": self._measures(control, condensed),
        }
        return {**found, **self._clearest(history, found)}

    def figure(self, found: dict[int, dict[str, Any]]) -> Any:
        """The standard picture of the run with the trial's own seed, of {seed: results}."""
        from . import figures

        return figures.text(self, found)

    def _train(self, corpus, rng, for_judging, map, checkpoint, title):
        device = self.backend()
        loss = chunked(next_token_loss(self.network), self.chunk, map)
        params = device.put(self.network.init(np.random.default_rng(self.seed)), "float32")
        seen, unseen = corpus.hold_out(HELD_OUT)
        judged = device.put(unseen.sample(for_judging, self.judged, self.length + 1))
        batches = (device.put(batch) for batch in seen.batches(rng, self.batch, self.length + 1))

        def evaluate(step, params):
            found = self.evaluate(seen.counts, params)
            if step % (2 * self.every) == 0:
                found["unseen"] = loss(params, judged)[0]
            return found

        return self.trained(
            loss,
            params,
            batches,
            self.make_optimizer(),
            evaluate,
            checkpoint=checkpoint,
            title=title,
            clip=1.0,
        )

    def evaluate(self, counts: np.ndarray, params: Params) -> dict[str, Any]:
        """Attention of the words followed (followed, vocab), its entropy; their norms; W0's rank.

        In a long text word w attends to k in proportion to count_k exp(Phi_wk), so nothing is
        sampled.
        """
        W0, W_Q, W_K = (to_numpy(params[key]).astype(float) for key in ("W0", "W_Q", "W_K"))
        scores = W0[self.followed] @ W_Q @ (W0 @ W_K).T
        with np.errstate(divide="ignore"):
            log_A = log_softmax(np.log(counts) + scores)
        sizes = np.linalg.svd(W0, compute_uv=False)
        return {
            "entropy": measure.entropy(log_A),
            "attention": np.exp(log_A),
            "norm": np.linalg.norm(W0[self.followed], axis=1),
            "rank": float(measure.effective_rank(sizes)),
        }

    def _measures(self, history, condensed):
        entropy, steps = history["entropy"], history.steps("entropy")
        turns = [turns_of(steps, curve, condensed) for curve in entropy.T]
        top = history["attention"].argmax(axis=-1)
        return {
            "step": steps.tolist(),
            "entropy": entropy.tolist(),
            "norm": history["norm"].tolist(),
            "rank": history["rank"].tolist(),
            "loss_step": history.steps("loss").tolist(),
            "loss": history["loss"].tolist(),
            "unseen_step": history.steps("unseen").tolist(),
            "unseen": history["unseen"].tolist(),
            "top": [[self.corpus.words[k] for k in row] for row in top],
            "turns": turns,
        }

    def _clearest(self, history, found):
        """star, corners and attended, as `run` tells."""
        entropy, steps = history["entropy"], found["step"]
        noise = noise_of(entropy)

        def depth(j, turn):
            first, top, last = (entropy[steps.index(step), j] for step in turn)
            return top - max(first, last)

        best, star, corners = -1.0, 0, None
        for j, turns in enumerate(found["turns"]):
            for turn in turns:
                clear = depth(j, turn) / (noise[j] + 0.01)
                if clear > best:
                    best, star, corners = clear, j, turn
        attended = history["attention"][:, star]
        top = np.argsort(-attended.max(axis=0))[:6]
        curves = {self.corpus.words[k]: attended[:, k].tolist() for k in top}
        return {"star": star, "corners": corners, "attended": curves}
