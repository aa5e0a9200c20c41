"""What all trials share: the settings of a training run, and their run through `train`."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from tinyattn import backend
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import check_count, keep_counts
from tinyattn.train import train

from .experiment import Experiment

SIZES = 10**7  # no size of a trial is larger


@dataclasses.dataclass(frozen=True)
class Trial(Experiment):
    """Settings of one training run. Those that are None get defaults that depend on the others.

    steps:  training steps.
    every:  steps from one evaluation to the next.
    batch:  sequences in a step.
    lr:     the learning rate.
    seed:   of everything that is drawn; the same settings give the same results.
    device: "cpu", "gpu", "gpu:N" or "auto".
    """

    steps: int | None = None
    every: int = 10
    batch: int = 128
    lr: float | None = None
    seed: int = 0
    device: str = "cpu"

    # Of the results, the one drawn where settings are varied: name, label, title.
    curve: ClassVar[tuple[str, str, str]]
    # Settings that are whole numbers >= 1.
    counts: ClassVar[tuple[str, ...]] = ("steps", "every", "batch")
    # The paper's law: settings, and what is varied.
    law: ClassVar[tuple[dict[str, Any], dict[str, list]]] = ({}, {})

    def __post_init__(self):
        for name in self.counts:
            check_count(name, getattr(self, name), maximum=SIZES)
        keep_counts(self, *self.counts)
        keep_counts(self, "seed", minimum=0)

    def choose(self, **defaults: Any) -> None:
        """Give the settings of these names that are None their defaults."""
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def trained(
        self, loss, params, batches, optimizer, evaluate, *, checkpoint=None, title=None, **how
    ):
        """Train by `train.train`, with an evaluation every so many steps: the History."""
        if checkpoint is not None:
            same = self.settings
            for name in ("steps", "device"):
                del same[name]
            checkpoint = dataclasses.replace(checkpoint, settings={**checkpoint.settings, **same})
        _, history = train(
            loss,
            params,
            batches,
            optimizer,
            steps=self.steps,
            every=self.every,
            callbacks=[(self.every, evaluate)],
            title=title,
            checkpoint=checkpoint,
            **how,
        )
        return history

    def run(
        self,
        *,
        checkpoint: Checkpoint | None = None,
        title: str | None = None,
        map: Callable[..., Iterable[Any]] = map,
    ) -> dict[str, Any]:
        """Train, and return a dict of lists over the evaluations ("step" says when) and of numbers.

        checkpoint: where to keep the run on the way, see `train.train`.
        title:      of a progress bar.
        map:        for passes of one step that may run side by side.
        """
        raise NotImplementedError

    def backend(self) -> backend.Backend:
        """Where it computes."""
        return backend.get(self.device)


def first_step(steps: np.ndarray, holds: np.ndarray) -> int | None:
    """The first of steps (n,) at which holds (n,) is true, or None."""
    return int(steps[holds.argmax()]) if holds.any() else None
