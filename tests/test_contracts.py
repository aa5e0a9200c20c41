"""Every task and every flow of the library keeps the contract that its package states."""

import dataclasses
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

from tinyattn import flows, tasks
from tinyattn.errors import InputError
from tinyattn.flows.emergence import ThreeNumbers, TwoNumbers
from tinyattn.flows.factorization import Factorization, target
from tinyattn.flows.focus_dilution import FocusDilution
from tinyattn.flows.frozen_copy import FrozenCopy
from tinyattn.tasks import markov, recall, regression, text


def classes(package, part):
    """The dataclasses of a package that have this function."""
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        for _, kind in inspect.getmembers(module, dataclasses.is_dataclass):
            if kind.__module__ == info.name and part in vars(kind):
                yield kind


def corpus():
    return text.from_words("the boat was in the barn and ada saw the boat .".split(), 6)


TASKS = {  # an example, what sample takes after rng and n, and what the exact answer says of a sample x of four rows
    markov.MarkovChain: (
        lambda rng: markov.draw_chain(rng, 5, (2, 1)),
        (7,),
        lambda task, x: task.log_probs(x),
    ),
    recall.AssociativeRecall: (
        lambda rng: recall.AssociativeRecall(3, 6),
        (),
        lambda task, x: task.answer(x),
    ),
    regression.SingleLocation: (
        lambda rng: regression.draw_task(rng, 4, 3),
        (),
        None,
    ),  # of a model: see test_emergence
    text.Corpus: (lambda rng: corpus(), (3,), None),
}
FLOWS = {  # an example, what start takes, and how many parts a state has
    TwoNumbers: (TwoNumbers(8.0, 4.0), (), 2),
    ThreeNumbers: (ThreeNumbers(8.0, 4.0, 0.2), (), 3),
    Factorization: (target((2.0, 1.0), 5), (2, 0.1), 2),
    FocusDilution: (
        FocusDilution(np.array([0.6, 0.4]), 0.5, 3),
        (np.random.default_rng(0), 0.1),
        4,
    ),
    FrozenCopy: (
        FrozenCopy(FocusDilution(np.array([0.6, 0.4]), 0.5, 3), np.linspace(-1, 1, 30), ("value",)),
        (),
        4,
    ),
}


def test_every_task_and_every_flow_is_tried():
    missing = {kind.__name__ for kind in classes(tasks, "sample")} - {
        kind.__name__ for kind in TASKS
    }
    assert not missing, f"add an example of {missing} to TASKS"
    missing = {kind.__name__ for kind in classes(flows, "__call__")} - {
        kind.__name__ for kind in FLOWS
    }
    assert not missing, f"add an example of {missing} to FLOWS"


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.__name__)
def test_a_task(rng, kind):
    make, how, answer = TASKS[kind]
    task = make(rng)
    batches, again = task.batches(np.random.default_rng(1), 4, *how), np.random.default_rng(1)
    for _ in range(3):
        batch, sample = next(batches), task.sample(again, 4, *how)
        for one, other in zip(
            *(pair if isinstance(pair, tuple) else (pair,) for pair in (batch, sample))
        ):
            assert isinstance(one, np.ndarray) and len(one) == 4 and np.array_equal(one, other)
    if answer:
        assert len(answer(task, sample)) == 4
    with pytest.raises(InputError, match="^n: expected"):
        task.batches(rng, 0, *how)
    with pytest.raises(InputError, match="^rng: expected"):
        task.batches(0, 4, *how)


@pytest.mark.parametrize("kind", FLOWS, ids=lambda kind: kind.__name__)
def test_a_flow(rng, kind):
    flow, how, parts = FLOWS[kind]
    y = flow.start(*how)
    assert type(y) is np.ndarray and flow(0.0, y).shape == y.shape and np.shape(flow.loss(y)) == ()
    several = np.stack([y, y + 0.01 * rng.normal(size=y.shape)])
    assert flow(0.0, several).shape == several.shape and flow.loss(several).shape == (2,)
    split = flow.split(several)
    assert len(split) == parts and sum(part.size for part in split) == several.size
    h = 1e-6  # what is called descent lowers the loss, and by |dy/dt|^2 where the metric is Euclidean
    y = several[1]
    assert flow.loss(y + h * flow(0.0, y)) < flow.loss(y)
