"""Associative recall (arXiv 2505.17863) by a transformer without norms.

Does the skill come, and when?
"""

import functools
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from tinyattn.backend import Backend, Params, to_numpy
from tinyattn.errors import InputError, check_instance, check_number, keep_counts, shown
from tinyattn.losses import CROSS_ENTROPY, pair_loss
from tinyattn.models import Transformer
from tinyattn.ops import cross_entropy_forward
from tinyattn.optim import AdamW
from tinyattn.tasks.recall import AssociativeRecall

from .repetition import AdaptiveRepetition
from .trial import Trial, first_step


@dataclass(frozen=True)
class RecallTrial(Trial):
    """Train a transformer on associative recall; evaluate it on clean data, without repetition.

    pairs, vocab, repeats, p: of the task, see `AssociativeRecall`.
    adaptive: an AdaptiveRepetition, or a dict of its settings, which then chooses p.
    previous: the input carries the token before each one as well.
    following: the input carries the token after each one as well, none after the query.
    depth, heads, width, hidden, scale, position_kind, position_size: of the network, see
              `Transformer`; no MLP by default.
    lr:       of AdamW without decay.
    judged:   sequences of an evaluation.
    stop:     the clean accuracy at which the run ends.
    """

    steps: int | None = 4000
    lr: float | None = 1e-3
    pairs: int = 8
    vocab: int = 32
    repeats: float | None = None
    p: float = 0.0
    adaptive: AdaptiveRepetition | dict[str, float] | None = None
    previous: bool = False
    following: bool = False
    depth: int = 2
    heads: int = 1
    width: int = 64
    hidden: int = 0
    scale: float | str = 0.2
    position_kind: str = "learned"
    position_size: float | None = None
    judged: int = 512
    stop: float = 0.99

    curve: ClassVar[tuple[str, str, str]] = (
        "clean_accuracy",
        "clean accuracy",
        "When the skill comes",
    )
    counts: ClassVar[tuple[str, ...]] = (*Trial.counts, "depth", "heads", "width", "judged")

    def __post_init__(self):
        super().__post_init__()
        keep_counts(self, "hidden", minimum=0)
        for name in ("previous", "following"):
            check_instance(name, getattr(self, name), bool)
        check_number("stop", self.stop, minimum=0)
        if isinstance(self.adaptive, dict):
            known = [field.name for field in fields(AdaptiveRepetition)]
            if not self.adaptive.keys() <= set(known):
                names = ", ".join(known)
                raise InputError(
                    f"adaptive: expected only names among {names}, got {shown(self.adaptive)}"
                )
            object.__setattr__(self, "adaptive", AdaptiveRepetition(**self.adaptive))
        elif self.adaptive is not None and not isinstance(self.adaptive, AdaptiveRepetition):
            raise InputError(
                "adaptive: expected None or a dict of AdaptiveRepetition's settings, "
                f"got {shown(self.adaptive)}"
            )
        _ = self.task, self.network, self.make_optimizer()  # which check their own settings

    @functools.cached_property
    def task(self) -> AssociativeRecall:
        """The task, with its repetitions."""
        return AssociativeRecall(self.pairs, self.vocab, self.repeats, self.p)

    @functools.cached_property
    def network(self) -> Transformer:
        """The model that is trained."""
        T = self.task.length
        return Transformer(
            vocab=(1 + self.previous + self.following) * self.vocab,
            positions=T,
            width=self.width,
            heads=self.heads,
            hidden=self.hidden,
            first_query=T - 1,
            depth=self.depth,
            norm=False,
            position_kind=self.position_kind,
            outputs=self.vocab,
            scale=self.scale,
            position_size=self.position_size,
            few_queries=True,
        )

    def make_optimizer(self):
        """The optimizer of these settings."""
        return AdamW(self.lr, decay=0.0)

    def repetition(self, losses: Any) -> float:
        """p of the batches after evaluations with these clean losses."""
        return self.adaptive.p(losses) if isinstance(self.adaptive, AdaptiveRepetition) else self.p

    def drawn(self, step: int, losses: Any, rng: np.random.Generator) -> np.ndarray:
        """The sequences (n, T+1) of one batch, after evaluations with these clean losses."""
        task = replace(self.task, p=self.repetition(losses)) if self.adaptive else self.task
        return task.sample(rng, self.batch)

    def read(self, sequences: np.ndarray, device: Backend) -> tuple[Any, Any]:
        """What the network reads of sequences (n, T+1), and the answers (n, 1), on the device."""
        x, answers = sequences[:, :-1], device.put(sequences[:, -1:])
        if not self.previous and not self.following:
            return device.put(x), answers
        tokens = np.eye(self.vocab)[x]
        none = np.zeros_like(tokens[:, :1])
        parts = [tokens]
        if self.previous:
            parts.append(np.concatenate([none, tokens[:, :-1]], axis=1))
        if self.following:
            parts.append(np.concatenate([tokens[:, 1:], none], axis=1))
        return device.put(np.concatenate(parts, axis=-1), "float32"), answers

    def run(self, *, checkpoint=None, title=None, map=map) -> dict[str, Any]:
        """Lists over the evaluations:

        step, clean_accuracy, clean_loss
        own_accuracy, own_loss    on the task trained on, where that is not the clean one
        p                         of the batches before the evaluation
        previous_token            attention of values on the key before them, in each layer but the
                                  last
        matching, matching_key    of the query on the value behind its key in each layer, and on
                                  that key; mean over heads

        and weak, emerged, solved: the step at which clean accuracy first exceeded 5, 50 and 95%,
        None if never; own_weak, own_emerged and own_solved on the task trained on.
        """
        device = self.backend()
        for_init, for_judging, for_batches = np.random.default_rng(self.seed).spawn(3)
        probe = RecallProbe(self, device, for_judging)
        params = device.put(self.network.init(for_init), "float32")

        def batches(step, history):
            return self.read(self.drawn(step, history["clean_loss"], for_batches), device)

        history = self.trained(
            pair_loss(self.network, CROSS_ENTROPY),
            params,
            batches,
            self.make_optimizer(),
            probe,
            checkpoint=checkpoint,
            title=title,
            until=lambda history: history.last("clean_accuracy") >= self.stop,
        )
        steps, losses = history.steps("clean_accuracy"), history["clean_loss"]
        found = {
            "step": steps.tolist(),
            "p": [self.repetition(losses[:i]) for i in range(len(losses))],
            **{name: history[name].tolist() for name in history.names if name != "loss"},
            **thresholds("", steps, history["clean_accuracy"]),
        }
        if "own_accuracy" in found:
            found |= thresholds("own_", steps, history["own_accuracy"])
        return found

    def figure(self, found: dict[int, dict[str, Any]]) -> Any:
        """The standard picture of runs, {seed: results}, the trial's own seed in bold."""
        from . import figures

        return figures.recall(self, found)


def thresholds(whose: str, steps: np.ndarray, accuracy: np.ndarray) -> dict[str, int | None]:
    """The first of steps (n,) at which accuracy (n,) exceeds 5, 50 and 95%, None if never."""
    names = {"weak": 0.05, "emerged": 0.5, "solved": 0.95}
    return {whose + name: first_step(steps, accuracy > minimum) for name, minimum in names.items()}


class RecallProbe:
    """A callback for `train`: measures of a RecallTrial's network on held-out sequences."""

    def __init__(self, trial: RecallTrial, device: Backend, rng: np.random.Generator):
        self.trial, self.device = trial, device
        self.own = trial.task.sample(rng, trial.judged)
        self.clean = trial.task.clean.sample(rng, trial.judged)

    def __call__(self, step: int, params: Params) -> dict[str, Any]:
        trial, T, sequences = self.trial, self.trial.task.length, self.clean
        accuracy, loss, cache = self.judge(params, sequences)
        maps = to_numpy(tuple(cache.attentions))
        rows = np.arange(len(sequences))
        at = (sequences[:, 0 : T - 1 : 2] == sequences[:, T - 1 : T]).argmax(axis=1)
        of_query = np.stack([s[:, :, -1].mean(axis=1) for s in maps])  # (layers, sequences, keys)
        found = {
            "clean_accuracy": accuracy,
            "clean_loss": loss,
            "matching": of_query[:, rows, 2 * at + 1].mean(axis=1),
            "matching_key": of_query[:, rows, 2 * at].mean(axis=1),
        }
        if trial.depth > 1:
            pairs = [s[:, :, 1:T:2, 0 : T - 1 : 2].diagonal(axis1=2, axis2=3) for s in maps[:-1]]
            found["previous_token"] = np.array([on_key.mean() for on_key in pairs])
        if trial.task != trial.task.clean:
            found["own_accuracy"], found["own_loss"], _ = self.judge(params, self.own)
        return found

    def judge(self, params: Params, sequences: np.ndarray) -> tuple[float, float, Any]:
        """Accuracy and loss on sequences (n, length + 1), and the cache of the forward pass."""
        x, answers = self.trial.read(sequences, self.device)
        logits, cache = self.trial.network.forward(params, x)
        loss, _ = cross_entropy_forward(logits, answers)
        right = to_numpy(logits)[:, 0].argmax(axis=-1) == sequences[:, -1]
        return float(right.mean()), float(to_numpy(loss)), cache
