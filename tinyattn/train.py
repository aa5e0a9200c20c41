"""The training loop, what it remembers, and what it is fed."""

import functools
import itertools
import math

import numpy as np

from .backend import Backend, namespace, to_numpy
from .errors import InputError, check_count, check_ids, check_number
from .models import pack, unpack
from .ops import cross_entropy_backward, cross_entropy_forward, squared_error_backward, squared_error_forward
from .optim import PlateauState, clip_by_global_norm
from .progress import progress_bar

_NO_MORE = object()


class Diverged(RuntimeError):
    """A loss was NaN or infinite. `step` says when; `history` and `params` hold what there was by then."""

    def __init__(self, name, step, value, history, params):
        super().__init__(f"{name} at step {step}: expected a finite number, got {value}")
        self.step, self.history, self.params = step, history, params


class History:
    """Named series of (step, value). `history["loss"]` is an array of values, `history.steps("loss")` their steps."""

    def __init__(self):
        self._series = {}

    def record(self, step, **values):
        """Append each value, a number or an array from any device, to the series of its name."""
        for name, value in values.items():
            self._series.setdefault(name, []).append((step, np.array(to_numpy(value))))

    def __getitem__(self, name):
        return np.array([value for _, value in self._get(name)])

    def last(self, name):
        return self._get(name)[-1][1]

    def steps(self, name):
        return np.array([step for step, _ in self._get(name)])

    @property
    def names(self):
        return list(self._series)

    def tree(self):
        """All series as a nest of arrays, for a checkpoint."""
        return {name: {"steps": self.steps(name), "values": self[name]} for name in self.names}

    @classmethod
    def from_tree(cls, tree):
        history = cls()
        for name, series in tree.items():
            history._series[name] = [(int(step), value) for step, value in zip(series["steps"], series["values"])]
        return history

    def _get(self, name):
        if name not in self._series:
            raise InputError(f"name: expected one of {self.names}, got {name!r}")
        return self._series[name]


def train(loss, params, batches, optimizer, *, steps, clip=None, callbacks=(), schedule=None, watch="loss", every=10,
          title="training", checkpoint=None, until=None):  # fmt: skip
    """Take `steps` optimiser steps and return the new params and their History.

    loss:       (params, batch) -> loss, grads. Params and batches live on the same device; the loop does not care which.
    batches:    an iterable with a batch for every step.
    clip:       largest global norm of the gradient, or None.
    callbacks:  pairs (n, f). f(step, params), called before the first step, after every n steps and after the last,
                returns a dict of named values to record, or None.
    schedule:   an optim.HalveOnPlateau; it looks at each new value of the series `watch`.
    every:      the batch's own loss is read, and recorded as "loss", every so many steps. Reading waits for a GPU.
    until:      history -> True to stop, asked before each step at which callbacks recorded something.
    title:      of the progress bar; None shows none.
    checkpoint: a checkpoint.Checkpoint, written on the way and at the end. A run that continues from one draws the batches
                of the steps already taken and drops them, and comes to the same result as an unbroken one (on a GPU but
                for the order in which it adds).

    Raises Diverged, naming the step, when a recorded number (not an array) is NaN or infinite. `params` itself is not
    changed.
    """
    if clip is not None:
        check_number("clip", clip, above=0)
    check_count("steps", steps)
    check_count("every", every)
    for n, _ in callbacks:
        check_count("callbacks: n", n)
    history, state, batches, start = History(), optimizer.init(params), iter(batches), 0
    plateau = schedule.init() if schedule else None
    kept = checkpoint.read() if checkpoint else None
    if kept:
        params, state = _beside(kept["params"], params), _beside(kept["state"], params)
        plateau = PlateauState(**kept.get("plateau", {})) if schedule else None
        history, start = History.from_tree(kept.get("history", {})), kept["step"]
        if steps < start:
            raise InputError(f"steps: expected at least {start}, those already taken, got {steps}")
        if steps > start:
            next(itertools.islice(batches, start, start), None)

    def record(step, **values):
        nonlocal plateau
        history.record(step, **values)
        for name in values:
            value = history.last(name)
            if np.ndim(value) == 0 and not math.isfinite(value):
                raise Diverged(name, step, value, history, params)
            if schedule and name == watch:
                plateau = schedule.update(plateau, float(value))

    with progress_bar(steps, title) as bar:
        bar.update(start)
        for step in range(start, steps + 1):
            if checkpoint and step > start and (step % checkpoint.every == 0 or step == steps):
                checkpoint.write(step=step, params=params, state=state, history=history.tree(),
                                 plateau=plateau._asdict() if plateau else {})  # fmt: skip
            due = [callback for n, callback in callbacks if step % n == 0 or step == steps]
            for callback in due:
                record(step, **(callback(step, params) or {}))
            if step == steps or (until and due and until(history)):
                return params, history
            batch = next(batches, _NO_MORE)
            if batch is _NO_MORE:
                raise InputError(f"batches: expected {steps}, one for every step, got {step}")
            value, grads = loss(params, batch)
            if step % every == 0:
                record(step, loss=value)
                if schedule and step == 0 and watch not in history.names:
                    raise InputError(f"watch: expected a series that is recorded, {history.names}, got {watch!r}")
                bar.set_postfix(loss=f"{history.last('loss'):.4f}", refresh=False)
            if clip is not None:
                grads, _ = clip_by_global_norm(grads, clip)
            params, state = optimizer.step(params, grads, state, plateau.scale if schedule else 1.0)
            bar.update()


def _beside(tree, params):
    """The arrays of a checkpoint, put where params are."""
    return Backend("", namespace(next(iter(params.values())))).put(tree)


def next_token_loss(model, chunk=None, map=map):
    """The loss for `train`: mean cross-entropy of each next token, where the model's context is full.

    Batches are sequences of token ids (B, S+1): the first S are read, and those from model.context on are predicted.
    A batch may be a tuple (sequences, ...) with more arrays for model.forward, a row for each sequence: dropout masks.
    With `chunk`, so many sequences pass at a time and gradients add up, always in the same order: the arrays of a pass
    then stay in the processor's cache. With the map of a thread pool, passes run side by side; tell NumPy's matrix
    products to use one thread each, for OpenBLAS by OPENBLAS_NUM_THREADS=1 in the environment.

    A GPU cannot refuse ids out of range without stalling, and wraps them; `loss.check(sequences)` checks a batch while
    it is on the host, and returns it: put(loss.check(batch)).
    """
    if chunk is not None:
        check_count("chunk", chunk)

    def loss_and_grads(params, batch):
        sequences, *others = batch if isinstance(batch, tuple) else (batch,)
        B = sequences.shape[0]

        def one_pass(rows):
            part = sequences[rows]
            share = part.shape[0] / B
            logits, cache = model.forward(params, part[:, :-1], *(array[rows] for array in others))
            loss, ce_cache = cross_entropy_forward(logits, part[:, model.context :])
            return share * loss, model.backward(cross_entropy_backward(share, ce_cache), cache)

        def add(one, other):
            return one[0] + other[0], {key: g + other[1][key] for key, g in one[1].items()}

        size = chunk or B
        return functools.reduce(add, map(one_pass, [slice(i, i + size) for i in range(0, B, size)]))

    def check(sequences):
        check_ids("sequences", sequences, model.vocab)
        model.check(sequences[:, :-1])
        return sequences

    loss_and_grads.check = check
    return loss_and_grads


def squared_error_loss(model):
    """The loss for `train` on batches (x, target): half the squared distance of the model's output, mean over places."""
    return _loss_on_pairs(model, squared_error_forward, squared_error_backward)


def answer_loss(model):
    """The loss for `train` on batches (x, targets): the mean cross-entropy of ids that do not stand in x itself."""
    return _loss_on_pairs(model, cross_entropy_forward, cross_entropy_backward)


def _loss_on_pairs(model, error_forward, error_backward):
    def loss_and_grads(params, batch):
        x, target = batch
        y, cache = model.forward(params, x)
        loss, error = error_forward(y, target)
        return loss, model.backward(error_backward(1.0, error), cache)

    return loss_and_grads


def gradient_flow(loss, like, batch):
    """A network's own gradient flow: the field f(t, y) = -gradient of the loss on `batch` at the packed params y.

    `like` gives keys and shapes. `ode.euler_step` on f with step lr is full-batch gradient descent to the last bit, and
    `ode.rk4_step` integrates the real network.
    """

    def f(t, y):
        _, grads = loss(unpack(y, like), batch)
        return -pack({key: grads[key] for key in like})

    return f


def minibatches(data, size, rng):
    """Endless batches of rows of `data`, each epoch a fresh shuffle without replacement; all of it if size >= len.

    Batches are full: what is left at the end of an epoch, len % size rows, waits for the next shuffle.
    """
    check_count("size", size)
    if not len(data):
        raise InputError("data: expected at least one row, got none")
    while True:
        order = rng.permutation(len(data))
        for start in range(0, max(len(data) - size, 0) + 1, size):
            yield data[order[start : start + size]]
