"""The training loop, what it remembers, and what it is fed."""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from . import errors
from .backend import Params, copied, put_like, to_numpy
from .checkpoint import Checkpoint, Keeper, NotFinite
from .errors import Failure, InputError, check_count, check_function, check_number, shown
from .kept import code_of
from .losses import Loss, checked
from .optim import Optimizer, clip_by_global_norm
from .terminal import patient_interrupts, progress_bar

_NO_MORE = object()


class Diverged(Failure):
    """A number was NaN or infinite at `step`; `history` and `params` hold all until then."""

    def __init__(self, name, step, value, history, params):
        super().__init__(f"{name} at step {step}: expected a finite number, got {value}")
        self.step, self.history, self.params = step, history, params


class History:
    """Named series of (step, value).

    `history["loss"]` is an array of values, `history.steps("loss")` their steps.
    """

    def __init__(self):
        self._series: dict[str, list[tuple[int, np.ndarray]]] = {}

    def __repr__(self):
        told = lambda name, series: f"{name}: {len(series)} to step {series[-1][0]}"
        return f"History({', '.join(told(*one) for one in self._series.items())})"

    def record(self, step: int, /, **values: Any) -> None:
        """Append each value to the series of its name: a number or array, always of one shape.

        Raises InputError for what is neither a number nor an array of them.
        """
        check_count("step", step, 0)
        for name, value in values.items():
            on_host = value
            if hasattr(value, "dtype"):
                on_host = to_numpy(errors.check_array(name, value))
            try:
                array = np.array(on_host)
            except ValueError:  # lists of several lengths
                array = np.array(None)
            if array.dtype.kind not in "fiub":
                wanted = "a number or an array of numbers to record"
                raise InputError(f"{name}: expected {wanted}, got {shown(value)}")
            series = self._series.setdefault(name, [])
            if series:
                errors.check_shape(name, array, series[0][1].shape)
            series.append((step, array))

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array([value for _, value in self._get(name)])

    def last(self, name: str) -> np.ndarray:
        """The last value recorded under this name, a number or an array (...)."""
        return self._get(name)[-1][1].copy()

    def steps(self, name: str) -> np.ndarray:
        """The steps (n,) at which values of this name were recorded."""
        return np.array([step for step, _ in self._get(name)])

    @property
    def names(self) -> list[str]:
        """The names that were recorded."""
        return list(self._series)

    def tree(self, before: float = math.inf) -> dict[str, dict[str, np.ndarray]]:
        """All series as a nest of arrays, values (n, ...) and steps (n,), before this step."""
        if before != math.inf:
            check_number("before", before)
        tree = {}
        for name in self.names:
            steps = self.steps(name)
            tree[name] = {"steps": steps[steps < before], "values": self[name][steps < before]}
        return {name: series for name, series in tree.items() if len(series["steps"])}

    def replay(self, steps: int) -> Iterator["History"]:
        """What functions saw at steps 0, 1, ..., steps - 1: one History that grows as in the run.

        It holds callbacks' records up to each step, and losses of earlier steps.
        """
        return self._replay(check_count("steps", steps, 0))

    def _replay(self, steps):
        past, came = History(), dict.fromkeys(self._series, 0)
        for step in range(steps):
            for name, series in self._series.items():
                last = step - 1 if name == "loss" else step
                while came[name] < len(series) and series[came[name]][0] <= last:
                    past._series.setdefault(name, []).append(series[came[name]])
                    came[name] += 1
            yield past

    @classmethod
    def _from_tree(cls, tree: dict[str, dict[str, np.ndarray]]) -> "History":
        history = cls()
        for name, series in tree.items():
            steps = map(int, series["steps"])
            history._series[name] = list(zip(steps, series["values"]))
        return history

    def _get(self, name):
        if not isinstance(name, str) or name not in self._series:
            raise InputError(f"name: expected one of {self.names}, got {name!r}")
        return self._series[name]


def train(
    loss: Loss,
    params: Params,
    batches: Iterable[Any] | Callable[[int, "History"], Any],
    optimizer: Optimizer,
    *,
    steps: int,
    clip: float | None = None,
    callbacks: Sequence[tuple[int, Callable[[int, Params], dict[str, Any] | None]]] = (),
    schedule: Callable[[int, "History"], float] | None = None,
    every: int = 10,
    title: str | None = "training",
    checkpoint: Checkpoint | None = None,
    until: Callable[[History], Any] | None = None,
) -> tuple[Params, History]:
    """Take `steps` optimizer steps and return the new params and their History.

    loss:       (params, batch) -> loss, grads. Params and batches live on the same device; the loop
                does not care which. It gets copies of the params, and may fill the same buffers
                with its gradients every time.
    batches:    an iterable with a batch for every step, or a function (step, history) -> batch.
    clip:       maximum global norm of the gradient, or None.
    callbacks:  pairs (n, f). f(step, params), called before the first step, after every n steps and
                after the last, returns a dict of named values to record, or None.
    schedule:   (step, history) -> what multiplies the learning rate in that step: a warm-up, a
                decay, a halving on a plateau.
    every:      the batch's own loss is read, and recorded as "loss", every so many steps. Reading
                waits for a GPU.
    until:      history -> True to stop, asked before each step at which callbacks are due.
    title:      of the progress bar; None shows none.
    checkpoint: a checkpoint.Checkpoint, written on the way and at the end. A run that goes on from
                one first draws and drops the batches of the steps taken, each with the history as
                it was, and ends in the same bits as an unbroken run (on a GPU up to the order of
                additions). Its optimizer, shapes, dtypes, clip, callbacks' n, the names and files
                of its schedule and loss, and the library must be the same; a model's settings are
                for the checkpoint's own. With one, the first Ctrl-C finishes the step, keeps it and
                raises terminal.Interrupted; the second ends at once.

    The history that functions see at a step holds what callbacks recorded at it, but not its loss.

    Raises Diverged if a recorded number (not an array), or anything to be kept, is NaN or infinite.
    `params` itself is not changed.
    """
    callbacks = _check_arguments(loss, batches, optimizer, callbacks)
    steps, every = check_count("steps", steps), check_count("every", every)
    clip = None if clip is None else check_number("clip", clip, above=0)
    if checkpoint is not None:
        errors.check_instance("checkpoint", checkpoint, Checkpoint)
    if schedule is not None:
        check_function("schedule", schedule, "a function of step and history")
    if until is not None:
        check_function("until", until, "a function of the history")
    params = copied(errors.check_float_dict("params", params))
    history, state = History(), optimizer.init(params)
    draw = batches if callable(batches) else _drawing(iter(batches), steps)
    made = _made(params, optimizer, clip, every, callbacks, schedule, loss)
    keeper = Keeper(checkpoint, made, steps)
    kept = keeper.begin(title)
    if kept:
        params, state = put_like((kept["params"], kept["state"]), next(iter(params.values())))
        history = History._from_tree(kept["history"])
        if steps > keeper.start:
            for step, past in enumerate(history.replay(keeper.start)):
                draw(step, past)

    def record(step, /, **values):
        history.record(step, **values)
        for name in values:
            value = history.last(name)
            if np.ndim(value) == 0 and not math.isfinite(value):
                raise Diverged(name, step, value, history, params)

    def keep(step):
        """As of the top of this step; what is recorded at it will be recorded again."""
        try:
            keeper.keep(step, history.tree(before=step), params=params, state=state)
        except NotFinite as error:
            raise Diverged(error.args[0], step, error.args[1], history, params) from None

    patient = patient_interrupts(checkpoint is not None)
    with patient as asked_to_stop, progress_bar(steps, title) as bar:
        bar.update(keeper.start)
        for step in itertools.count(keeper.start):
            stopping = asked_to_stop()
            if stopping or keeper.due(step):
                keep(step)
            if stopping:
                raise keeper.interrupted(step)
            due = [callback for n, callback in callbacks if step % n == 0 or step == steps]
            for callback in due:
                record(step, **_named(callback(step, copied(params))))
            if step == steps or (until and due and _is_true(until(history))):
                break
            batch = draw(step, history)
            scale = 1.0
            if schedule:
                scale = check_number("schedule: its return", schedule(step, history), minimum=0)
            value, grads = checked(loss(copied(params), batch))
            if step % every == 0:
                record(step, loss=value)
                bar.set_postfix(loss=f"{history.last('loss'):.4f}", refresh=False)
            if clip is not None:
                grads, _ = clip_by_global_norm(grads, clip)
            params, state = optimizer.step(params, grads, state, scale)
            bar.update()
        if step < steps:
            keep(step)
        if asked_to_stop():
            raise keeper.interrupted(step)
    return params, history


def _made(params, optimizer, clip, every, callbacks, schedule, loss):
    """What a run that goes on must have in common with the one that was kept, as JSON holds it."""
    return {
        "optimizer": re.sub(r" at 0x\w+", "", repr(optimizer)),  # an object's address may be there
        "params": {key: f"{p.dtype}{tuple(p.shape)}" for key, p in params.items()},
        "clip": clip,
        "every": every,
        "callbacks": [n for n, _ in callbacks],
        "schedule": code_of(schedule) if schedule else "",
        "loss": code_of(loss),
    }


def _named(found):
    """What a callback returned, as a dict of named values."""
    if found is not None and not isinstance(found, dict):
        wanted = "a dict of named values or None from each"
        raise InputError(f"callbacks: expected {wanted}, got {shown(found)}")
    if found and "loss" in found:
        wanted = 'names other than "loss", which is the batch\'s own'
        raise InputError(f'callbacks: expected {wanted}, got "loss"')
    return found or {}


def _check_arguments(loss, batches, optimizer, callbacks):
    """Check loss, batches and optimizer; return the callbacks as a list of pairs."""
    check_function("loss", loss, "a function (params, batch) -> loss, grads")
    one = isinstance(batches, (str, dict)) or hasattr(batches, "dtype")
    if not callable(batches) and (one or not isinstance(batches, Iterable)):
        wanted = "an iterable of them, such as minibatches(data, 32, rng)"
        raise InputError(f"batches: expected {wanted}, got {shown(batches)}")
    steps = hasattr(optimizer, "init") and hasattr(optimizer, "step")
    if isinstance(optimizer, type) or not steps:
        wanted = "one with its settings, such as optim.AdamW(1e-3)"
        raise InputError(f"optimizer: expected {wanted}, got {shown(optimizer)}")
    for pair in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and callable(pair[1])):
            wanted = "a list of pairs (n, function of step and params)"
            raise InputError(f"callbacks: expected {wanted}, got {shown(pair)}")
    return [(check_count("callbacks: n", n), callback) for n, callback in callbacks]


def _drawing(batches, steps):
    """A function (step, history) -> batch that takes one after the other."""

    def draw(step, history):
        batch = next(batches, _NO_MORE)
        if batch is _NO_MORE:
            wanted = f"{steps}, one for every step (the same each time: itertools.repeat(batch))"
            raise InputError(f"batches: expected {wanted}, got {step}")
        return batch

    return draw


def _is_true(answer):  # NaN would pass for True
    if not isinstance(answer, (bool, np.bool_)):
        raise InputError(f"until: expected a return of True or False, got {shown(answer)}")
    return answer


def minibatches(data: Any, size: int, rng: np.random.Generator) -> Iterator[Any]:
    """Endless batches of `size` rows of `data`; each epoch is a fresh shuffle without replacement.

    data: an array (n, ...), or a tuple of such, whose rows stay together. Batches are full: the
    n % size left of an epoch wait. With size >= n a batch is all. Raises InputError without rows.
    """
    check_count("size", size)
    errors.check_generator("rng", rng)
    rows = []
    for array in data if isinstance(data, tuple) else (data,):
        if not errors.check_array("data", array).shape or not len(array):
            raise InputError(f"data: expected at least one row, got shape {array.shape}")
        rows.append(len(array))
    if len(set(rows)) != 1:
        raise InputError(f"data: expected arrays with a row for each sample, got {shown(rows)}")
    return _minibatches(data, rows[0], size, rng)


def _minibatches(data, n, size, rng):
    while True:
        order = rng.permutation(n)
        for start in range(0, max(n - size, 0) + 1, size):
            rows = order[start : start + size]
            yield tuple(part[rows] for part in data) if isinstance(data, tuple) else data[rows]
