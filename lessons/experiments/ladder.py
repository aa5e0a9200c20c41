"""The complexity ladder (arXiv 2602.19143).

How near is a network to teachers that see only the strongest k blocks?
"""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tinyattn import measure
from tinyattn.errors import (
    InputError,
    check_choice,
    check_count,
    check_instance,
    check_number,
    keep_counts,
    shown,
)
from tinyattn.losses import chunked, next_token_loss
from tinyattn.models import MinimalModel, Transformer
from tinyattn.optim import SGD, AdamW
from tinyattn.tasks import markov
from tinyattn.train import minibatches

from .paper_chain import paper_matrices
from .repetition import AdaptiveRepetition
from .rungs import LadderProbe, law_of_window, learn, passed, strongest_first
from .stack import MinimalStack
from .trial import SIZES, Trial

XAVIER = "xavier"
# 0.3 is between the shares of the excess loss that are left on rungs 1 and 2.
ADAPTIVE = AdaptiveRepetition(emerged=0.3)
LEARNING_RATES = {  # by model and optimizer
    ("minimal", "adamw"): 0.08,
    ("minimal", "sgd"): 20.0,
    ("full", "adamw"): 0.003,
    ("full", "sgd"): 0.2,
}
# Settings of the full model that are those of Transformer.
OF_FULL = ("dropped", "scale", "position_size", "bias")


@dataclass(frozen=True)
class LadderTrial(Trial):
    """Train the minimal model or the full transformer on the chain; measure its distance to rungs.

    model:      "minimal", or "full": a transformer of width 255 with dropout.
    heads:      of its attention.
    depth:      layers.
    query_scale, value_scale: weights of the minimal model start uniform in +- this, "xavier" for
                Xavier's bound; by default 1e-9 and 0, with several layers "xavier" both.
    dropout:    of the full model; by default 0.1.
    dropped, scale, position_size, bias: of the full model, see `Transformer`.
    vocab, spans, stride, lag_weights, importance, reverse: of the chain, see `draw_chain`; spans
                are (2, 2, 2) by default, (4, 4, 4) for the full model; importance 1.7, 2 for SGD.
    matrices:   of the chain: "orthogonal" or "frobenius", see `draw_chain`; or "paper", those of
                the paper's own runs, whatever the seed.
    generated:  tokens of a sequence that follow its first context.
    sequences:  train on a set of so many; 0: on an endless stream; by default 0, 9000 for the full
                model.
    p:          cross-sample repetition in training, see `MarkovChain.sample`; "adaptive": ADAPTIVE
                chooses it from the excess loss.
    draw:       which of the seed's draws of sequences; the chain and the start stay the same.
    optimizer:  "adamw", or "sgd" with momentum 0.9. Its lr is 0.08, 0.003 for the full model, by
                default; of SGD 20 and 0.2. Gradients are means over positions, clipped to norm 1.
    steps:      by default 1200, of SGD 6000.
    chunk:      sequences in one pass of a step, see `losses.chunked`.
    held_out:   sequences of an evaluation.
    maps:       results hold the mean attention maps.
    learned:    compare with learned rungs too: the same network on windows of the k strongest
                blocks, for all k but the last, see `rungs`. It learns by AdamW.
    rung_steps: how long each of them trains, by default half of `steps`.
    """

    every: int = 20
    batch: int = 512
    model: str = "minimal"
    heads: int = 3
    depth: int = 1
    query_scale: float | str | None = None
    value_scale: float | str | None = None
    dropout: float | None = None
    dropped: str | None = None
    scale: float | str | None = None
    position_size: float | None = None
    bias: bool | None = None
    vocab: int = 50
    spans: Sequence[int] | None = None
    stride: int | None = None
    lag_weights: Sequence[float] | None = None
    importance: float | None = None
    reverse: bool = False
    matrices: str = "orthogonal"
    generated: int = 20
    sequences: int | None = None
    p: float | str = 0.0
    draw: int = 0
    optimizer: str = "adamw"
    chunk: int = 128
    held_out: int = 500
    maps: bool = False
    learned: bool = False
    rung_steps: int | None = None

    curve: ClassVar[tuple[str, str, str]] = (
        "kl",
        "KL(full teacher || network), nats",
        "Distance to the teacher that sees all",
    )
    counts: ClassVar[tuple[str, ...]] = (
        *Trial.counts,
        "heads",
        "depth",
        "generated",
        "chunk",
        "held_out",
    )

    def __post_init__(self):
        full = check_choice("model", self.model, ("minimal", "full")) == "full"
        sgd = check_choice("optimizer", self.optimizer, ("adamw", "sgd")) == "sgd"
        check_choice("matrices", self.matrices, (*markov.MATRICES, "paper"))
        for name in ("query_scale", "value_scale") if full else ("dropout", *OF_FULL):
            value = getattr(self, name)
            if value is not None:
                raise InputError(
                    f"{name}: expected none with the {self.model} model, got {shown(value)}"
                )
        self.choose(
            steps=6000 if sgd else 1200,
            spans=(4, 4, 4) if full else (2, 2, 2),
            importance=2.0 if sgd else 1.7,
            sequences=9000 if full else 0,
            lr=LEARNING_RATES[self.model, self.optimizer],
        )
        if full:
            self.choose(dropout=0.1)
        elif self.depth == 1:
            self.choose(query_scale=1e-9, value_scale=0.0)
        else:
            self.choose(query_scale=XAVIER, value_scale=XAVIER)
        super().__post_init__()
        keep_counts(self, "sequences", "draw", minimum=0)
        if self.p != "adaptive":
            check_number("p", self.p, minimum=0, maximum=1)
        elif self.sequences:
            raise InputError(f"p: expected a number with a set of sequences, got {self.p!r}")
        for name in ("reverse", "maps", "learned"):
            check_instance(name, getattr(self, name), bool)
        if self.learned:
            self.choose(rung_steps=max(1, self.steps // 2))
        if self.rung_steps is not None:
            check_count("rung_steps", self.rung_steps, maximum=SIZES)
            keep_counts(self, "rung_steps")
        if full:
            check_number("dropout", self.dropout, minimum=0, below=1)
        if len(self.chain.blocks) < 2:
            raise InputError(
                f"spans: expected two blocks or more, for a ladder, got {shown(self.spans)}"
            )
        _ = self.network, self.make_optimizer()  # which check their own settings

    def generators(self):
        """Fresh generators for the chain, the start, evaluation, the training data, and dropout."""
        children = np.random.default_rng(self.seed).spawn(5 + self.draw)
        return [*children[:3], *children[3 + self.draw :]]

    @functools.cached_property
    def chain(self):
        """The chain, drawn by the seed; the paper's own has its matrices from elsewhere."""
        weights = self.lag_weights
        if isinstance(weights, list):
            weights = tuple(weights)
        own = self.matrices == "paper"
        chain = markov.draw_chain(
            self.generators()[0],
            self.vocab,
            self.spans,
            stride=self.stride,
            importance=self.importance,
            reverse=self.reverse,
            lag_weights=weights,
            matrices="orthogonal" if own else self.matrices,
        )
        if not own:
            return chain
        # Orthogonal matrices have the spectral norm 1, so that is the importance.
        strengths = np.linalg.norm(chain.matrices, ord=2, axis=(1, 2), keepdims=True)
        A = strengths * paper_matrices(len(chain.blocks), self.vocab)
        return dataclasses.replace(chain, matrices=A)

    @property
    def length(self) -> int:
        """Tokens of a sequence, of which all but the last are read."""
        return self.chain.order + self.generated

    @functools.cached_property
    def network(self):
        """The model that is trained."""
        return self._network(
            self.length - 1, self.chain.order - 1, self.query_scale, self.value_scale
        )

    def window_network(self, reach: int) -> Any:
        """The same model for windows of so many tokens, from Xavier's start.

        The last token is the only query.
        """
        return self._network(reach, reach - 1, XAVIER, XAVIER, few_queries=True)

    def _network(self, positions, first, *scales, few_queries=False):
        if self.model == "full":
            every = {name: getattr(self, name) for name in OF_FULL}
            given = {name: value for name, value in every.items() if value is not None}
            return Transformer(
                self.vocab,
                positions,
                heads=self.heads,
                first_query=first,
                depth=self.depth,
                few_queries=few_queries,
                **given,
            )
        scales = [None if scale == XAVIER else scale for scale in scales]
        if self.depth == 1:
            return MinimalModel(self.vocab, positions, self.heads, first, *scales)
        return MinimalStack(self.vocab, positions, self.heads, first, *scales, self.depth)

    def make_optimizer(self):
        """The optimizer of these settings."""
        return SGD(self.lr, momentum=0.9) if self.optimizer == "sgd" else AdamW(self.lr)

    def window_optimizer(self):
        """The optimizer of learned rungs: AdamW, under SGD at the rate the model has without."""
        return AdamW(LEARNING_RATES[self.model, "adamw"] if self.optimizer == "sgd" else self.lr)

    def batches(self, device, for_data, for_drops):
        """A function (step, history) -> the next batch (batch, length), on the device.

        The full model's comes with dropout masks.
        """
        chain, length = self.chain, self.length
        if self.sequences:
            kept = chain.sample(for_data, self.sequences, length, self.p)
            stream = minibatches(kept, min(self.batch, self.sequences), for_data)
            draw = lambda history: next(stream)
        else:
            p = lambda history: ADAPTIVE.p(history["excess"]) if self.p == "adaptive" else self.p
            draw = lambda history: chain.sample(for_data, self.batch, length, p(history))

        def batch(step, history):
            x = draw(history)
            drops = ()
            if self.dropout is not None:
                drops = self.network.draw_drops(for_drops, len(x), length - 1, self.dropout)
            return device.put((x, *drops), "float32")

        return batch

    def run(self, *, checkpoint=None, title=None, map=map) -> dict[str, Any]:
        """Lists over the evaluations:

        step
        kl, excess, span_mass, alignment, maps   see `LadderProbe`

        and numbers, of h blocks and H heads:

        order (h,)                      the blocks from 0, the strongest first; rung k knows k
        kl_argmin_steps (h,)            where the network is nearest to each rung
        kl_there (h, h)                 its distances to all rungs there
        rungs_in_order                  whether it is nearest to later rungs later
        stage_steps (h-1,)              when each rung but the last is left, None if never
        best_step, best_excess          where the excess loss is smallest, and that loss
        best_rung                       the rung nearest there
        first_block, own_block (H,)     the block from 1 that has most of a head's attention when
                                        the network is nearest to rung 1, and at the end
        own_block_mass (H,)             its share

        With learned rungs also, in nats:

        learned_kl_argmin_steps, learned_kl_there, learned_stage_steps
                                        as above, of the learned rungs (h-1,) and the exact last one
        learned_best_kl (h,)            the distances to them at best_step
        learned_loss (h-1,)             the loss of the learned rungs on the sequences of evaluation
        learned_gap (h-1,)              KL(chain given the window || rung) at the first token, where
                                        the tokens outside the window are uniform
        """
        device = self.backend()
        _, for_start, for_evaluation, for_data, for_drops = self.generators()
        evaluated_on = self.chain.sample(for_evaluation, self.held_out, self.length)
        of_rungs, laws = self._rungs(evaluated_on, device, map, title) if self.learned else ({}, ())
        probe = LadderProbe(self.network, self.chain, evaluated_on, device, self.maps, laws)
        params = device.put(self.network.init(for_start), "float32")
        loss = chunked(next_token_loss(self.network), min(self.chunk, self.batch), map)
        batches = self.batches(device, for_data, for_drops)
        history = self.trained(
            loss,
            params,
            batches,
            self.make_optimizer(),
            probe,
            clip=1.0,
            checkpoint=checkpoint,
            title=title,
        )
        steps, kl = history.steps("kl"), history["kl"]
        mass, excess = history["span_mass"], history["excess"]
        nearest = kl.argmin(axis=0)
        best = int(excess.argmin())
        if self.learned:
            ladder = np.concatenate([history["learned_kl"], kl[:, -1:]], axis=1)
            of_rungs |= {f"learned_{name}": value for name, value in passed(steps, ladder).items()}
            of_rungs["learned_best_kl"] = ladder[best].tolist()
        return {
            "step": steps.tolist(),
            **{name: history[name].tolist() for name in history.names if name != "loss"},
            "order": probe.order,
            **passed(steps, kl),
            **of_rungs,
            "rungs_in_order": bool((np.diff(nearest) > 0).all()),
            "best_step": int(steps[best]),
            "best_excess": float(excess[best]),
            "best_rung": int(kl[best].argmin()) + 1,
            "first_block": (mass[nearest[0]].argmax(axis=1) + 1).tolist(),
            "own_block": (mass[-1].argmax(axis=1) + 1).tolist(),
            "own_block_mass": mass[-1].max(axis=1).tolist(),
        }

    def figure(self, found: dict[int, dict[str, Any]]) -> Any:
        """The standard picture of runs, {seed: results}, the trial's own seed in bold."""
        from . import figures

        return figures.ladder(self, found)

    def _rungs(self, evaluated_on, device, map, title):
        """What is known of the learned rungs, and their log-probabilities (h-1, n, T, V)."""
        of_chain = np.random.default_rng(self.seed).spawn(5 + self.draw)[0]
        children = of_chain.spawn(len(self.chain.blocks))
        strongest, laws, found = (
            strongest_first(self.chain),
            [],
            {"learned_loss": [], "learned_gap": []},
        )
        true = evaluated_on[:, self.chain.order :, None]
        for k, rng in enumerate(children[1:], 1):
            lags = [lag for block in strongest[:k] for lag in self.chain.blocks[block]]
            nearest, reach = min(lags), max(lags) + 1 - min(lags)
            learnt = learn(self, reach, rng, device, map, title and f"{title}, rung {k}", nearest)
            learned = learnt(evaluated_on)
            given = law_of_window(self.chain, evaluated_on, reach, rng, nearest)
            found["learned_loss"].append(-float(np.take_along_axis(learned, true, axis=-1).mean()))
            found["learned_gap"].append(float(measure.kl(np.log(given), learned[:, 0]).mean()))
            laws.append(learned)
        return found, np.stack(laws)
