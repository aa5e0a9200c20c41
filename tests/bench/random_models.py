"""All settings of every model drawn at random, all gradients checked: python tests/bench/random_models.py [--runs 200]

Sizes go down to 1, where an axis that is summed, broadcast or dropped by mistake shows. Every parameter is compared with
differences to 1e-7. At some points differences themselves are not that good: attention is saturated, or a layer norm over
three numbers has made all rows alike. Whether they are is asked without looking at the gradient by hand: with other
steps they must come out the same. Where they do not, the tensor waits for other points of the same model. Some wait for
ever, for their gradient is zero by structure (the scores where all keys are alike): by hand it must then be 0 to round-off.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lessons"))

from experiments.stack import MinimalStack
from tinyattn import gradcheck, models
from tinyattn.errors import InputError

POINTS, ZERO = 12, 1e-11


class Checked(NamedTuple):
    """What came of one configuration: tensors compared, the largest error, how many are zero by structure, what is wrong."""

    tensors: int
    error: float
    zeros: int
    wrong: list


def size(rng, maximum=5, minimum=1):
    return int(rng.integers(minimum, maximum + 1))


def scale(rng):
    return float(10 ** rng.uniform(-3, 1))


def ids(rng, vocab, length):
    return rng.integers(vocab, size=(size(rng), length))


def vectors(rng, vocab, length):
    return rng.normal(size=(size(rng), length, vocab))


# A model with random settings, and a function that draws what its forward reads: rng -> a tuple.


def minimal(rng, tokens):
    positions, scales = size(rng), [scale(rng) if rng.random() < 0.5 else None for _ in range(2)]
    model = models.MinimalModel(size(rng), positions, size(rng), size(rng, positions) - 1, *scales)
    length = size(rng, positions, model.first_query + 1)
    return model, lambda rng: (tokens(rng, model.vocab, length),)


def stack(rng):
    positions = size(rng)
    first = size(rng, positions) - 1
    model = MinimalStack(size(rng), positions, size(rng), first, depth=size(rng, 3))
    length = size(rng, positions, first + 1)
    return model, lambda rng: (ids(rng, model.vocab, length),)


def attention_layer(rng):
    heads = size(rng, 3)
    model = models.AttentionLayer(
        heads * size(rng, 3), heads, size(rng) - 1, masked=rng.random() < 0.5
    )
    shape = (
        *(size(rng, 3) for _ in range(size(rng, 2, 0))),
        size(rng, 7, model.first_query + 1),
        model.width,
    )
    return model, lambda rng: (rng.normal(size=shape),)


def block(rng):
    heads = size(rng, 3)
    width, norm = heads * size(rng, 3), rng.random() < 0.5
    settings = (
        size(rng, 5, 0),
        norm and width != 2,
        str(rng.choice(list(models.block.ACTIVATIONS))),
        size(rng) - 1,
    )
    model = models.Block(width, heads, *settings)
    shape = (size(rng, 3), size(rng, 7, model.first_query + 1), width)

    def draw(rng):
        masks = model.draw_drops(rng, *shape[:2], 0.3)
        return rng.normal(size=shape), *(None if rng.random() < 0.2 else mask for mask in masks)

    return model, draw


def embedding(rng):
    model = models.EmbeddingModel(size(rng), size(rng), size(rng) - 1, scale(rng))
    length = size(rng, 7, model.first_query + 1)
    return model, lambda rng: (ids(rng, model.vocab, length),)


def toy(rng):
    tokens = size(rng)
    model = models.ToyLayer(tokens, size(rng), shared=size(rng, tokens - 1, 0))
    return model, lambda rng: (rng.normal(size=(size(rng), tokens, model.width)),)


def transformer(rng, tokens):
    positions, heads = size(rng), size(rng, 3)
    width, norm = heads * size(rng, 3), rng.random() < 0.5
    norm = (
        norm and width != 2
    )  # a norm makes +-1 of any two numbers: before it all gradients are 0 but for its eps
    kinds = [kind for kind in models.transformer.POSITIONS if width > 1 or kind != "sinusoidal"]
    model = models.Transformer(
        size(rng), positions, width, heads, size(rng, 5, 0), size(rng, positions) - 1, size(rng, 3), norm,
        str(rng.choice(kinds)), size(rng) if rng.random() < 0.5 else None, scale(rng),
    )  # fmt: skip
    length, p = size(rng, positions, model.first_query + 1), rng.uniform(0, 0.6)
    drops = size(rng, model.depth * (2 if model.hidden else 1), 0) if rng.random() < 0.5 else 0

    def draw(rng):
        x = tokens(rng, model.vocab, length)
        masks = model.draw_drops(rng, len(x), length, p)[:drops]
        return x, *(None if rng.random() < 0.2 else mask for mask in masks)

    return model, draw


MODELS = {
    "MinimalModel on ids": lambda rng: minimal(rng, ids),
    "MinimalModel on vectors": lambda rng: minimal(rng, vectors),
    "MinimalStack": stack,
    "AttentionLayer": attention_layer,
    "Block": block,
    "EmbeddingModel": embedding,
    "ToyLayer": toy,
    "Transformer on ids": lambda rng: transformer(rng, ids),
    "Transformer on vectors": lambda rng: transformer(rng, vectors),
}


def weights(rng, model):
    """Random ones, none of them 0, that keep signals about level through three layers without norms."""
    shapes = {key: w.shape for key, w in model.init(np.random.default_rng(0)).items()}
    return {key: rng.normal(size=shape) / shape[0] ** 0.5 for key, shape in shapes.items()}


def checked(name, seed):
    """Draw a configuration of the model of that name and check all of its parameters."""
    rng = np.random.default_rng(seed)
    model, draw = MODELS[name](rng)
    errors, waiting, wrong = {}, {}, []
    for point in range(POINTS):
        inputs, params = draw(rng), weights(rng, model)
        try:
            rows = gradcheck.check_model(model, inputs, params, seed=point)
        except InputError as error:  # a ReLU has its corner here
            assert "changes sign" in str(error), error
            continue
        for row in rows:
            error, told, largest = row.error, True, 0.0
            if not error <= gradcheck.TOLERANCE:
                error, told, largest = second_look(model, inputs, params, row.tensor, rng)
            if error <= gradcheck.TOLERANCE:
                errors[row.tensor] = max(error, errors.get(row.tensor, 0.0))
            elif told:
                wrong.append(
                    f"{name}, seed {seed}, point {point}: {model} on {[np.shape(x) for x in inputs]}: {row}"
                )
            else:
                waiting[row.tensor] = max(largest, waiting.get(row.tensor, 0.0))
        if wrong or params.keys() <= errors.keys() and (all(errors.values()) or point > 1):
            break
    for tensor in params.keys() - errors.keys() if not wrong else ():
        if waiting.get(tensor, 1.0) > ZERO:
            wrong.append(
                f"{name}, seed {seed}: {model}: {tensor} was not compared in {POINTS} points"
            )
    compared = [
        error for error in errors.values() if error
    ]  # without one: 0 by hand, and 0 by differences
    return Checked(
        len(compared),
        max(compared, default=0.0),
        0 if wrong else len(errors.keys() | params) - len(compared),
        wrong,
    )


def second_look(model, inputs, params, tensor, rng):
    """The error of a tensor once more, whether differences tell it here, and the largest entry of the gradient by hand."""
    forward = lambda x, **params: model.forward(params, x, *inputs[1:])
    point = {"x": inputs[0], **params}
    out, cache = forward(**point)
    w = rng.normal(size=out.shape)
    f = lambda value: float((w * forward(**{**point, tensor: value})[0]).sum())
    by_hand = (
        model.backward_through(w, cache)[0] if tensor == "x" else model.backward(w, cache)[tensor]
    )
    once, *others = (
        gradcheck.central_differences(f, point[tensor], h * gradcheck.STEP) for h in (1, 1.5, 2, 3)
    )
    agree = not any(
        gradcheck.relative_error(once, other) > gradcheck.TOLERANCE / 3 for other in others
    )  # NaN does
    return (
        gradcheck.relative_error(by_hand, once),
        agree and once.any(),
        float(np.abs(by_hand).max()),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--runs", type=int, default=200, help="configurations of each model (default 200)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first; the next has the next")
    options = parser.parse_args()
    failed = 0
    for name in MODELS:
        start = time.perf_counter()
        found = [checked(name, seed) for seed in range(options.seed, options.seed + options.runs)]
        wrong = [one.wrong for one in found if one.wrong]
        print(
            f"{name:<23} {len(found)} runs, {sum(one.tensors for one in found):>4} tensors, largest error "
            f"{max(one.error for one in found):.1e}, {sum(one.zeros for one in found):>2} zero by structure, "
            f"{len(wrong)} runs wrong ({time.perf_counter() - start:.0f} s)",
            *(f"{first} (and {len(more)} more)" for first, *more in wrong), sep="\n    ", flush=True,
        )  # fmt: skip
        failed += len(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
