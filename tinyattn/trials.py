"""One training run from a dict of settings to a dict of results: what sweeps repeat, in this process or in others.

Settings left out have the defaults below; a setting that is not known is an error. Results are lists and numbers.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from . import backend
from .errors import InputError, check_choice, check_count, check_instance, check_number, host_floats, shown
from .losses import CROSS_ENTROPY, SQUARED_ERROR, pair_loss
from .models import Transformer
from .ops import cross_entropy_forward, squared_error_forward
from .optim import SGD, AdamW
from .tasks import regression
from .tasks.recall import Recall
from .train import train

SIZES = 10**7  # no size of a trial is larger
RECALL = dict(pairs=8, tokens=32, repeats=None, p=0.0, adaptive=None, previous=False, depth=2, heads=1, width=64, scale=0.2,
              lr=1e-3, batch=128, steps=4000, every=10, judged=512, stop=0.99, seed=0, device="cpu")  # fmt: skip
LOCATION = dict(
    tokens=32,
    width=16,
    anywhere=True,
    marker=True,
    p=0.0,
    places=1,
    depth=1,
    heads=1,
    model_width=64,
    hidden=0,
    optimizer="adam",
    lr=1e-3,
    batch=32,
    steps=4000,
    every=20,
    judged=256,
    threshold=0.2,
    seed=0,
    device="cpu",
)


@dataclass(frozen=True)
class AdaptiveRepetition:
    """Repetition that adapts: the probability p of a favoured query rises while the clean loss stands still, then falls.

    A look at the clean loss that has not fallen by a share `still` since the look before raises p by `up`, to `most` at
    most. Once it is below a share `emerged` of the loss at the first look, the skill is coming, and each look halves p.
    """

    start: float = 0.0
    up: float = 0.2
    most: float = 0.6
    still: float = 0.05
    emerged: float = 0.8

    def __post_init__(self):
        for name in ("start", "up", "most", "still", "emerged"):
            check_number(name, getattr(self, name), least=0, most=1)
        if self.start > self.most:
            raise InputError(f"start: expected at most most = {self.most}, got {self.start}")

    def p(self, losses: Any) -> float:
        """The probability for the next steps, after looks at these clean losses (n,)."""
        losses, p = host_floats("losses", losses, (None,), finite=True).tolist(), float(self.start)
        for before, loss in zip(losses, losses[1:]):
            if loss < self.emerged * losses[0]:
                p = p / 2 if p > 0.02 else 0.0
            elif loss > (1 - self.still) * before:
                p = min(p + self.up, self.most)
        return p


def recall(settings: dict[str, Any]) -> dict[str, Any]:
    """Train a transformer without MLP and norms on associative recall and look at it on clean data, without repetition.

    previous: the input carries the token before each one as well. adaptive: a dict of AdaptiveRepetition's settings, which then
    chooses p. stop: the clean accuracy at which the run ends.

    Returns lists over the looks (step, clean_accuracy, clean_loss, own_accuracy and own_loss on the task trained on, p,
    previous_token: attention of values on the key before them in the first layer, matching: of the query on the value behind
    the matching key in the last, matching_key: on that key itself) and when clean accuracy first exceeded 5, 50 and 95%:
    weak, emerged, solved, None if never; own_emerged for 50% on the task trained on.
    """
    s = _settings(RECALL, settings)
    task, device = Recall(s["pairs"], s["tokens"], s["repeats"], s["p"]), backend.get(s["device"])
    for_init, for_judging, for_batches = np.random.default_rng(s["seed"]).spawn(3)
    T, V = task.length, task.tokens
    model = Transformer(2 * V if s["previous"] else V, T, s["width"], s["heads"], hidden=0, first_query=T - 1, depth=s["depth"],
                        norm=False, outputs=V, scale=s["scale"])  # fmt: skip
    params = device.put(model.init(for_init), "float32")
    if s["adaptive"] is not None and not isinstance(s["adaptive"], dict):
        raise InputError(f"adaptive: expected None or a dict of AdaptiveRepetition's settings, got {shown(s['adaptive'])}")
    if s["adaptive"] and not s["adaptive"].keys() <= {field.name for field in fields(AdaptiveRepetition)}:
        raise InputError(f"adaptive: expected settings of AdaptiveRepetition, got {', '.join(map(str, s['adaptive']))}")
    adaptive = None if s["adaptive"] is None else AdaptiveRepetition(**s["adaptive"])

    def read(sequences):
        x = sequences[:, :-1]
        if s["previous"]:
            before = np.concatenate([np.zeros((len(x), 1, V)), np.eye(V)[x[:, :-1]]], axis=1)
            x = np.concatenate([np.eye(V)[x], before], axis=-1)
        return device.put(x, "float32") if s["previous"] else device.put(x), device.put(sequences[:, -1:])

    def batches(step, history):
        now = replace(task, p=adaptive.p(history["clean_loss"])) if adaptive else task
        return read(now.sample(for_batches, s["batch"]))

    own, clean = (one.sample(for_judging, s["judged"]) for one in (task, task.clean))
    places = np.arange(s["judged"])

    def judge(params, sequences):
        x, answers = read(sequences)
        logits, cache = model.forward(params, x)
        loss, _ = cross_entropy_forward(logits, answers)
        right = backend.to_numpy(logits)[:, 0].argmax(axis=-1) == sequences[:, -1]
        return float(right.mean()), float(backend.to_numpy(loss)), cache

    def look(step, params):
        accuracy, loss, cache = judge(params, clean)
        first, last = (backend.to_numpy(cache.attentions[i]) for i in (0, -1))
        at = (clean[:, 0 : T - 1 : 2] == clean[:, T - 1 : T]).argmax(axis=1)
        of_query = last[places, :, -1]  # (sequences, heads, keys)
        found = dict(clean_accuracy=accuracy, clean_loss=loss,
                     matching=float(of_query[places, :, 2 * at + 1].sum(axis=1).mean()) / s["heads"],
                     matching_key=float(of_query[places, :, 2 * at].sum(axis=1).mean()) / s["heads"])  # fmt: skip
        if s["depth"] > 1:
            found["previous_token"] = float(first[:, :, 1:T:2, 0 : T - 1 : 2].diagonal(axis1=2, axis2=3).mean())
        if task != task.clean:
            found["own_accuracy"], found["own_loss"], _ = judge(params, own)
        return found

    _, history = train(pair_loss(model, CROSS_ENTROPY), params, batches, AdamW(s["lr"], decay=0.0),
                       steps=s["steps"], every=s["every"],
                       callbacks=[(s["every"], look)], title=None,
                       until=lambda history: history.last("clean_accuracy") >= s["stop"])  # fmt: skip
    steps, accuracy, losses = history.steps("clean_accuracy"), history["clean_accuracy"], history["clean_loss"]
    return {
        "step": steps.tolist(),
        "p": [adaptive.p(losses[:i]) if adaptive else s["p"] for i in range(len(losses))],  # of the batches before each look
        **{name: history[name].tolist() for name in history.names if name != "loss"},
        **({"own_emerged": _first(steps, history["own_accuracy"] > 0.5)} if "own_accuracy" in history.names else {}),
        **{name: _first(steps, accuracy > level) for name, level in (("weak", 0.05), ("emerged", 0.5), ("solved", 0.95))},
    }


def location(settings: dict[str, Any]) -> dict[str, Any]:
    """Train a transformer with sinusoidal positions, by default one layer with one head, on single-location regression.

    anywhere: the relevant token stands at a random place, else at the first. marker: one more input feature is 1 there.

    Returns lists over the looks (step, test_loss without cross-sample repetition, attention of the last position on the
    relevant places, mean over heads, in the first layer) and `emerged`: when the test loss first fell below the share
    `threshold` of what an output of zeros loses, None if never.
    """
    s = _settings(LOCATION, settings)
    check_choice("optimizer", s["optimizer"], ("adam", "sgd"))
    if s["anywhere"] and not s["marker"]:
        raise InputError("marker: expected True where the relevant token stands anywhere, or nothing tells which it is")
    device, T, d = backend.get(s["device"]), s["tokens"], s["width"]
    for_task, for_init, for_judging, for_batches = np.random.default_rng(s["seed"]).spawn(4)
    task = regression.draw_task(for_task, T, d, s["places"], s["p"])
    clean = regression.SingleLocation(task.W_star, T, s["places"])
    model = Transformer(d + 1, T, s["model_width"], s["heads"], s["hidden"], first_query=T - 1, depth=s["depth"], norm=False,
                        position_kind="sinusoidal", outputs=d, scale=1 / math.sqrt(s["model_width"]))  # fmt: skip
    params = device.put(model.init(for_init), "float32")

    def read(x, target):
        x = x if s["marker"] else x * (np.arange(d + 1) < d)
        return device.put(x, "float32"), device.put(target[:, None], "float32")

    def batches():
        while True:
            yield read(*task.sample_marked(for_batches, s["batch"], s["anywhere"]))

    x, target = clean.sample_marked(for_judging, s["judged"], s["anywhere"])
    relevant = x[:, :, -1]

    def look(step, params):
        y, cache = model.forward(params, read(x, target)[0])
        loss = squared_error_forward(backend.to_numpy(y)[:, 0].astype(float), target)[0]
        of_last = backend.to_numpy(cache.attentions[0])[:, :, -1].mean(axis=1)
        return {"test_loss": float(loss), "attention": float((of_last * relevant).sum(axis=1).mean())}

    optimizer = AdamW(s["lr"], decay=0.0) if s["optimizer"] == "adam" else SGD(s["lr"])
    first = squared_error_forward(np.zeros_like(target), target)[0]  # what a network that says nothing loses
    _, history = train(pair_loss(model, SQUARED_ERROR), params, batches(), optimizer, steps=s["steps"], every=s["every"],
                       callbacks=[(s["every"], look)], title=None,
                       until=lambda history: history.last("test_loss") < s["threshold"] * first)  # fmt: skip
    steps = history.steps("test_loss")
    return {"step": steps.tolist(), "test_loss": history["test_loss"].tolist(), "attention": history["attention"].tolist(),
            "emerged": _first(steps, history["test_loss"] < s["threshold"] * first)}  # fmt: skip


def _settings(defaults, settings):
    """All settings of a trial, those that are counts, switches and shares checked here; the rest by what they go to."""
    if not isinstance(settings, dict):
        raise InputError(f"settings: expected a dict, got {shown(settings)}")
    unknown = sorted(map(str, settings.keys() - defaults.keys()))
    if unknown:
        raise InputError(f"settings: expected some of {', '.join(defaults)}, got {', '.join(unknown)}")
    s = {**defaults, **settings}
    for name in ("batch", "steps", "every", "judged", "width", "depth", "heads", "model_width", "places"):
        check_count(name, s.get(name, 1), most=SIZES)
    check_count("seed", s["seed"], 0)
    for name in ("previous", "anywhere", "marker"):
        check_instance(name, s.get(name, False), bool)
    for name in ("stop", "threshold"):
        check_number(name, s.get(name, 0.5), least=0)
    return s


def _first(steps, holds):
    """The first step at which it holds, or None."""
    return int(steps[holds.argmax()]) if holds.any() else None
