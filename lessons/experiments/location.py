"""Single-location regression (arXiv 2505.17863) by a transformer with sinusoidal positions.

When does attention find the relevant token?
"""

import functools
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tinyattn.backend import Backend, Params, to_numpy
from tinyattn.errors import InputError, check_choice, check_instance, check_number
from tinyattn.losses import SQUARED_ERROR, pair_loss
from tinyattn.models import Transformer
from tinyattn.ops import squared_error_forward
from tinyattn.optim import SGD, AdamW
from tinyattn.tasks import regression
from tinyattn.tasks.task import endless

from .trial import Trial, first_step

LECUN = "lecun"


@dataclass(frozen=True)
class LocationTrial(Trial):
    """Train a transformer, by default one layer with one head, on single-location regression.

    length, width, places, p: of the task, see `SingleLocation`.
    anywhere:  the relevant token sits at a random position, else at the first.
    marker:    one more input feature is 1 at the relevant token.
    depth, heads, model_width, hidden, position_size: of the network, see `Transformer`.
    scale:     standard deviation of the embedding at the start, 1/sqrt(model_width) by default,
               "lecun": 1/sqrt(width + 1), LeCun's for its inputs (1998), or "fan_in", see
               `Transformer`.
    optimizer, lr: "adamw" or "sgd", and its learning rate.
    judged:    samples of an evaluation.
    threshold: the run ends when the test loss is below this share of what an output of zeros loses.
    """

    steps: int | None = 4000
    every: int = 20
    batch: int = 32
    lr: float | None = 1e-3
    length: int = 32
    width: int = 16
    anywhere: bool = True
    marker: bool = True
    p: float = 0.0
    places: int = 1
    depth: int = 1
    heads: int = 1
    model_width: int = 64
    hidden: int = 0
    position_size: float = 1.0
    scale: float | str | None = None
    optimizer: str = "adamw"
    judged: int = 256
    threshold: float = 0.2

    law: ClassVar[tuple[dict[str, Any], dict[str, list]]] = (
        dict(
            depth=2,
            heads=4,
            model_width=256,
            hidden=1024,
            lr=1e-4,
            scale="fan_in",
            position_size=11.3137,
            judged=128,
        ),
        dict(length=[16, 32, 64], width=[8, 16, 32], places=[1, 2, 4]),
    )

    curve: ClassVar[tuple[str, str, str]] = ("test_loss", "test loss", "When the token is found")
    counts: ClassVar[tuple[str, ...]] = (
        *Trial.counts,
        "length",
        "width",
        "places",
        "depth",
        "heads",
        "model_width",
        "judged",
    )

    def __post_init__(self):
        super().__post_init__()
        check_choice("optimizer", self.optimizer, ("adamw", "sgd"))
        self.choose(scale=1 / math.sqrt(self.model_width))
        if isinstance(self.scale, str):
            check_choice("scale", self.scale, (LECUN, "fan_in"))
        for name in ("anywhere", "marker"):
            check_instance(name, getattr(self, name), bool)
        check_number("threshold", self.threshold, minimum=0)
        if self.anywhere and not self.marker:
            raise InputError(
                "marker: expected True where the relevant token may be anywhere, or nothing tells "
                "which it is"
            )
        _ = self.network, self.make_optimizer()  # which check their own settings
        self.draw_task(np.random.default_rng(0))

    @functools.cached_property
    def network(self) -> Transformer:
        """The model that is trained."""
        scale: Any = 1 / math.sqrt(self.width + 1) if self.scale == LECUN else self.scale
        return Transformer(
            vocab=self.width + 1,
            positions=self.length,
            width=self.model_width,
            heads=self.heads,
            hidden=self.hidden,
            first_query=self.length - 1,
            depth=self.depth,
            norm=False,
            position_kind="sinusoidal",
            outputs=self.width,
            scale=scale,
            position_size=self.position_size,
            few_queries=True,
        )

    def make_optimizer(self):
        """The optimizer of these settings."""
        return AdamW(self.lr, decay=0.0) if self.optimizer == "adamw" else SGD(self.lr)

    def draw_task(self, rng: np.random.Generator) -> regression.SingleLocation:
        """The task, drawn by rng."""
        return regression.draw_task(rng, self.length, self.width, self.places, self.p)

    def read(self, x: np.ndarray, target: np.ndarray, device: Backend) -> tuple[Any, Any]:
        """What the network reads of marked samples x (n, T, d + 1), and its target, on the device.

        target: (n, d).
        """
        if not self.marker:
            x = x * (np.arange(self.width + 1) < self.width)
        return device.put(x, "float32"), device.put(target[:, None], "float32")

    def run(self, *, checkpoint=None, title=None, map=map) -> dict[str, Any]:
        """Lists over the evaluations:

        step
        test_loss    without cross-sample repetition
        attention    of the last position on the relevant ones, mean over heads, in the first layer

        and emerged: when the test loss first fell below the threshold, None if never.
        """
        device = self.backend()
        for_task, for_init, for_judging, for_batches = np.random.default_rng(self.seed).spawn(4)
        task = self.draw_task(for_task)
        probe = LocationProbe(self, task, device, for_judging)
        params = device.put(self.network.init(for_init), "float32")
        stream = endless(task.sample_marked, for_batches, self.batch, self.anywhere)
        batches = (self.read(x, target, device) for x, target in stream)
        emerged = self.threshold * probe.silent
        history = self.trained(
            pair_loss(self.network, SQUARED_ERROR),
            params,
            batches,
            self.make_optimizer(),
            probe,
            checkpoint=checkpoint,
            title=title,
            until=lambda history: history.last("test_loss") < emerged,
        )
        steps = history.steps("test_loss")
        return {
            "step": steps.tolist(),
            "test_loss": history["test_loss"].tolist(),
            "attention": history["attention"].tolist(),
            "emerged": first_step(steps, history["test_loss"] < emerged),
        }

    def figure(self, found: dict[int, dict[str, Any]]) -> Any:
        """The standard picture of runs, {seed: results}, the trial's own seed in bold."""
        from . import figures

        return figures.location(self, found)


class LocationProbe:
    """A callback for `train`: measures of a LocationTrial's network.

    silent: the loss of an output of zeros.
    """

    def __init__(
        self,
        trial: LocationTrial,
        task: regression.SingleLocation,
        device: Backend,
        rng: np.random.Generator,
    ):
        self.trial, self.device = trial, device
        clean = regression.SingleLocation(task.W_star, trial.length, trial.places)
        self.x, self.target = clean.sample_marked(rng, trial.judged, trial.anywhere)
        self.silent = squared_error_forward(np.zeros_like(self.target), self.target)[0]

    def __call__(self, step: int, params: Params) -> dict[str, Any]:
        x, _ = self.trial.read(self.x, self.target, self.device)
        y, cache = self.trial.network.forward(params, x)
        loss, _ = squared_error_forward(to_numpy(y)[:, 0].astype(float), self.target)
        of_last = to_numpy(cache.attentions[0])[:, :, -1].mean(axis=1)
        return {
            "test_loss": float(loss),
            "attention": float((of_last * self.x[:, :, -1]).sum(axis=1).mean()),
        }
