"""At weights drawn from a seed both models of the chain give the figures of an independent forward, kept in reference.json."""

import json

import numpy as np
import pytest
import reference

from tinyattn import losses, models, train
from tinyattn.backend import to_numpy
from tinyattn.optim import AdamW

KEPT = json.loads(reference.PATH.read_text(encoding="utf-8"))


def made(c):
    """The library's model of a case."""
    if c["model"] == "minimal":
        return models.MinimalModel(c["vocab"], c["positions"], c["heads"], c["first_query"])
    return models.Transformer(
        c["vocab"],
        c["positions"],
        c["width"],
        c["heads"],
        c["hidden"],
        c["first_query"],
        c["depth"],
    )


def found(c, device):
    """What reference.figures holds, by the library."""
    model, (params, batches) = made(c), reference.drawn(c)
    loss, there = losses.next_token_loss(model), device.put(params)
    value, grads = loss(there, device.put(batches[0]))
    logits, _ = model.forward(there, device.put(batches[0][:, :-1]))
    grads = {name: np.asarray(to_numpy(g)) for name, g in grads.items()}
    steps = train.train(loss, there, (device.put(batch) for batch in batches), AdamW(c["lr"]), steps=len(batches), every=1,
                        clip=reference.CLIP, title=None)[1]["loss"]  # fmt: skip
    return {
        "loss": float(to_numpy(value)),
        "logits": to_numpy(logits),
        "gradients": reference.summary(c, grads),
        "losses": steps,
    }


def differences(here, kept):
    """The largest error of each figure, relative to the largest number of its kind."""
    pairs = {name: (here[name], kept[name]) for name in ("loss", "logits", "losses")}
    pairs |= {
        name: (here["gradients"][name], kept["gradients"][name]) for name in kept["gradients"]
    }
    return {
        name: float(np.abs(np.subtract(a, b)).max() / np.abs(b).max())
        for name, (a, b) in pairs.items()
    }


@pytest.mark.parametrize("name", reference.CASES)
def test_logits_loss_gradients_and_steps_are_those_of_the_reference(name, device):
    off = differences(found(reference.CASES[name], device), KEPT[name])
    assert set(reference.shapes(reference.CASES[name])) < set(off)
    assert not {
        what: error
        for what, error in off.items()
        if not error < (1e-7 if what == "losses" else 1e-8)
    }


def test_the_kept_figures_are_what_the_reference_gives():
    c = reference.CASES["minimal, first query 0"]
    W, batches = reference.drawn(c)
    loss, logits = reference.loss_and_logits(c, W, batches[0])
    kept = KEPT["minimal, first query 0"]
    assert loss.real == pytest.approx(kept["loss"], rel=1e-12)
    np.testing.assert_allclose(np.array(logits).real, kept["logits"], rtol=1e-12)


@pytest.mark.parametrize(
    "name, parameter", [("minimal", "W_V"), ("full", "g_1.1"), ("full, two blocks", "W_K.1")]
)
def test_a_gradient_that_is_a_little_wrong_is_seen(name, parameter):
    kept = KEPT[name]
    wrong = {
        **kept,
        "gradients": {
            **kept["gradients"],
            parameter: [1.0001 * x for x in kept["gradients"][parameter]],
        },
    }
    assert differences(wrong, kept)[parameter] > 1e-5
