"""What the gradient check checks of the library: a case or more for every backward and every model.

All sizes of a case differ, so that a transposed factor cannot hide.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import attention, errors, few_queries, models, ops
from .backend import to_numpy
from .errors import InputError, check_dict, check_float_dict, check_pair_of, shown


class Case(NamedTuple):
    """What to check: a forward, its backward, and how to draw inputs.

    of:       the backward or the model that is checked.
    wrt:      names of the inputs that get gradients.
    draw:     rng -> inputs, a dict: float64 arrays to differentiate by, and what is held.
    forward:  inputs -> out, cache.
    backward: dout, cache -> a dict of gradients.
    """

    name: str
    of: Any
    wrt: tuple
    draw: Callable
    forward: Callable
    backward: Callable


def cases() -> list[Case]:
    """One Case or more for every `*_backward` and every model of the library."""
    return [*_operations(), *_attention(), *_models()]


def _operations():
    ids = np.array([[1, 0, 4, 1], [3, 1, 1, 2]])
    target = np.linspace(-2, 2, 60).reshape(3, 4, 5)
    linear = ops.linear_forward, ops.linear_backward
    layernorm = ops.layernorm_forward, ops.layernorm_backward
    cross_entropy = ops.cross_entropy_forward, ops.cross_entropy_backward
    squared_error = ops.squared_error_forward, ops.squared_error_backward
    x = (3, 4, 5)
    with_bias = {"x": (2, 3, 4, 5), "W": (4, 5, 6, 2), "b": (6, 2)}
    return [
        _op_case("linear", *linear, {"x": (2, 3, 4), "W": (4, 5)}),
        _op_case("linear, with bias", *linear, with_bias, axes=2),
        _op_case(
            "embedding", ops.embedding_forward, ops.embedding_backward, {"W": (5, 2, 3)}, ids=ids
        ),
        _op_case("softmax", ops.softmax_forward, ops.softmax_backward, {"x": x}),
        _op_case("relu", ops.relu_forward, ops.relu_backward, {"x": x}),
        _op_case("silu", ops.silu_forward, ops.silu_backward, {"x": x}),
        _op_case("layernorm", *layernorm, {"x": x, "g": (5,), "b": (5,)}),
        _op_case("cross_entropy", *cross_entropy, {"logits": (2, 4, 5)}, targets=ids),
        _op_case("squared_error", *squared_error, {"y": x}, target=target),
    ]


def _attention():
    attend = attention.attend_forward, attention.attend_backward
    multihead = attention.multihead_forward, attention.multihead_backward
    self_attention = attention.self_attention_forward, attention.self_attention_backward
    few = few_queries.few_queries_forward, few_queries.few_queries_backward
    scores = {"a": (2, 3, 5), "v": (2, 5, 4)}
    drop = np.arange(30).reshape(2, 3, 5) % 3 / 1.5
    qkv = {"q": (2, 3, 4, 5), "k": (2, 3, 6, 5), "v": (2, 3, 6, 2)}
    shared = {**qkv, "k": (2, 1, 6, 5), "v": (2, 1, 6, 2)}
    three_heads = _projections(B=2, S=4, D=6, H=3, K=5, C=2, E=7)
    one_head = _projections(B=2, S=4, D=6, H=1, K=5, C=2, E=7)
    large = _projections(B=3, S=7, D=12, H=4, K=11, C=9, E=13)
    x = {"x": (2, 5, 6)}
    causal = attention.causal(5, 5)
    return [
        _op_case("attend", *attend, scores),
        _op_case("attend, masked", *attend, scores, visible=attention.causal(3, 5)),
        _op_case("attend, dropped", *attend, scores, drop=drop),
        _op_case("attend, one row for all", *attend, {"a": (1, 5), "v": (3, 5, 4)}),
        _op_case("multihead", *multihead, qkv),
        _op_case("multihead, shared k, v", *multihead, shared),
        _op_case("self_attention", *self_attention, three_heads),
        _op_case("self_attention, one head", *self_attention, one_head),
        _op_case("self_attention, large", *self_attention, large),
        _op_case("few_queries", *few, {**three_heads, **x}, first=3),
        _op_case("few_queries, one head", *few, {**one_head, **x}, visible=causal),
    ]


def _projections(B, S, D, H, K, C, E):
    """The shapes that self-attention takes."""
    return {"x": (B, S, D), "W_Q": (D, H, K), "W_K": (D, H, K), "W_V": (D, H, C), "W_O": (H, C, E)}


def _models():
    minimal = {H: models.MinimalModel(vocab=4, positions=5, heads=H, first_query=1) for H in (1, 3)}
    layer = {H: models.AttentionLayer(width=6, heads=H) for H in (1, 3)}
    few = models.AttentionLayer(6, 3, 3, few_queries=True)
    embedding = models.EmbeddingModel(4, 5, first_query=2)
    block = models.Block(width=6, heads=2, hidden=5, activation="silu", first_query=2)
    full = models.Transformer(vocab=4, positions=6, width=6, heads=2, hidden=5, first_query=2)
    deep = models.Transformer(4, 5, width=6, heads=2, hidden=0, first_query=4, depth=2, norm=False)
    plain = models.Transformer(
        4, 5, width=6, heads=1, hidden=5, depth=2, norm=False, position_kind="sinusoidal", outputs=3
    )
    all_dropped = models.Transformer(
        4, 5, width=6, heads=2, hidden=5, first_query=2, depth=2, dropped="all", bias=False
    )
    toy = {n: models.ToyLayer(length=7, width=4, shared=n) for n in (0, 2)}

    def ids(*shape):
        return lambda rng: rng.integers(4, size=shape)

    def vectors(*shape):
        return lambda rng: rng.normal(size=shape)

    def ids_and_drops(model):
        return lambda rng: (rng.integers(4, size=(3, 5)), *model.draw_drops(rng, 3, 5, 0.4))

    return [
        *(model_case(f"MinimalModel, H = {H}", minimal[H], ids(2, 5)) for H in (1, 3)),
        model_case("MinimalModel on vectors", minimal[3], vectors(2, 5, 4)),
        *(model_case(f"AttentionLayer, H = {H}", layer[H], vectors(2, 5, 6)) for H in (1, 3)),
        model_case("AttentionLayer, few queries", few, vectors(2, 5, 6)),
        model_case("EmbeddingModel", embedding, ids(3, 6)),
        model_case("Block", block, vectors(2, 5, 6)),
        model_case("Transformer", full, ids(3, 5)),
        model_case("Transformer, dropout", full, ids_and_drops(full)),
        model_case("Transformer, all dropped", all_dropped, ids_and_drops(all_dropped)),
        model_case("Transformer, two layers", deep, ids(3, 5)),
        model_case("Transformer on vectors", plain, vectors(3, 5, 4)),
        *(model_case(f"ToyLayer, shared = {n}", toy[n], vectors(3, 7, 4)) for n in (0, 2)),
    ]


def _op_case(name, forward, backward, shapes, **held):
    """A case for an operation. Shapes are in the order in which its backward returns gradients."""

    def gradients(dout, cache):
        grads = backward(dout, cache)
        return dict(zip(shapes, grads if type(grads) is tuple else (grads,)))

    def draw(rng):
        return {**held, **{key: rng.normal(size=shape) for key, shape in shapes.items()}}

    return Case(name, backward, tuple(shapes), draw, lambda inputs: forward(**inputs), gradients)


def model_case(name, model, draw_x):
    """A case for a model with random weights, none of them zero.

    draw_x(rng) draws its input, or a tuple of inputs. A model that is a part of others is also
    checked by its input.
    """
    start = check_float_dict("model.init: its return", model.init(np.random.default_rng(0)))
    shapes = {key: array.shape for key, array in start.items()}
    inside = hasattr(model, "backward_through")

    def draw(rng):
        drawn = draw_x(rng)
        x, *others = drawn if isinstance(drawn, tuple) else (drawn,)
        params = {key: 0.5 * rng.normal(size=shape) for key, shape in shapes.items()}
        return {"x": x, "others": others, **params}

    def forward(inputs):
        params = {key: inputs[key] for key in shapes}
        returned = model.forward(params, inputs["x"], *inputs["others"])
        return check_pair_of("model.forward", "out and cache", returned)

    def gradients(dout, cache):
        if not inside:
            return check_dict("model.backward: its return", model.backward(dout, cache), shapes)
        returned = model.backward_through(dout, cache)
        dx, grads = check_pair_of("model.backward_through", "dx and gradients", returned)
        return {"x": dx, **check_dict("model.backward_through: its gradients", grads, shapes)}

    wrt = ("x", *shapes) if inside else tuple(shapes)
    return Case(name, type(model), wrt, draw, forward, gradients)


def pair_case(forward, backward, inputs, wrt=None, name=None):
    """A case for a pair of a person's own; `gradcheck.check_pair` says what it takes.

    Raises InputError for what is no pair.
    """
    errors.check_function("forward", forward)
    errors.check_function("backward", backward)
    if not isinstance(inputs, dict) or not inputs:
        raise InputError(f"inputs: expected a dict of arrays by name, got {shown(inputs)}")
    held = {key: widened(key, value) for key, value in inputs.items()}
    floats = [key for key, value in held.items() if getattr(value, "dtype", None) == np.float64]
    if wrt is not None and not isinstance(wrt, (tuple, list)):
        raise InputError(f"wrt: expected a list of names, got {shown(wrt)}")
    if not floats:
        raise InputError(f"inputs: expected at least one array of floats, got {shown(inputs)}")
    wrt = tuple(floats if wrt is None else wrt)
    if not wrt or not set(wrt) <= set(floats):
        wanted = f"some of the arrays of floats, {', '.join(floats)}"
        raise InputError(f"wrt: expected {wanted}, got {wrt}")
    for key in wrt:
        errors.check_some(key, held[key])

    def run(inputs):
        returned = forward(*(inputs[key] for key in held))
        return check_pair_of("forward", "out and cache", returned)

    def gradients(dout, cache):
        return _by_name(backward(dout, cache), wrt, tuple(held))

    if name is None:
        name = getattr(forward, "__name__", type(forward).__name__)
    return Case(name, backward, wrt, lambda rng: held, run, gradients)


def _by_name(grads, wrt, names):
    """What a backward returned, as a dict with the gradients of at least wrt."""
    wanted = ", ".join(wrt)
    if isinstance(grads, dict):
        missing = ", ".join(key for key in wrt if key not in grads)
        if missing:
            wanted = f"a gradient of each of {wanted}"
            raise InputError(f"backward: expected {wanted}, got none of {missing}")
        return grads
    grads = grads if isinstance(grads, (tuple, list)) else (grads,)
    if len(grads) == len(wrt):
        return dict(zip(wrt, grads))
    if len(grads) != len(names):
        raise InputError(f"backward: expected {len(wrt)} gradients, of {wanted}, got {len(grads)}")
    return dict(zip(names, grads))


def widened(name, value):
    """Floats as float64, in which differences are taken; everything else as it is.

    Raises InputError for arrays of anything but numbers.
    """
    if hasattr(value, "dtype") and errors.check_array(name, value).dtype.kind not in "fiub":
        raise InputError(f"{name}: expected an array of numbers, got {value.dtype}")
    if errors.is_array(value) and value.dtype.kind == "f":
        return errors.host_floats(name, to_numpy(value))
    return value
