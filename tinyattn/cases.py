"""What the gradient check checks of the library: a case or more for every backward and every model.

All sizes of a case differ, so that a transposed factor cannot hide.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import attention, few_queries, models, ops
from .errors import check_dict, check_float_dict, check_pair_of


class Case(NamedTuple):
    """What to check: inputs named in `wrt` get gradients. `of` is the backward or model it stands for."""

    name: str
    of: Any
    wrt: tuple
    draw: (
        Callable  # rng -> inputs, a dict: float64 arrays to differentiate by, and whatever is held
    )
    forward: Callable  # inputs -> out, cache
    backward: Callable  # dout, cache -> a dict of gradients


def cases() -> list[Case]:
    """One Case or more for every `*_backward` and every model of the library."""
    ids = np.array([[1, 0, 4, 1], [3, 1, 1, 2]])
    scores = {"a": (2, 3, 5), "v": (2, 5, 4)}
    qkv = {"q": (2, 3, 4, 5), "k": (2, 3, 6, 5), "v": (2, 3, 6, 2)}
    shared = {**qkv, "k": (2, 1, 6, 5), "v": (2, 1, 6, 2)}
    projections = {
        "x": (2, 4, 6),
        "W_Q": (6, 3, 5),
        "W_K": (6, 3, 5),
        "W_V": (6, 3, 2),
        "W_O": (3, 2, 7),
    }
    one_head = {
        "x": (2, 4, 6),
        "W_Q": (6, 1, 5),
        "W_K": (6, 1, 5),
        "W_V": (6, 1, 2),
        "W_O": (1, 2, 7),
    }
    large = {
        "x": (3, 7, 12),
        "W_Q": (12, 4, 11),
        "W_K": (12, 4, 11),
        "W_V": (12, 4, 9),
        "W_O": (4, 9, 13),
    }
    target = np.linspace(-2, 2, 60).reshape(3, 4, 5)
    minimal = {H: models.MinimalModel(vocab=4, positions=5, heads=H, first_query=1) for H in (1, 3)}
    layer = {H: models.AttentionLayer(width=6, heads=H) for H in (1, 3)}
    block = models.Block(width=6, heads=2, hidden=5, activation="silu", first_query=2)
    full = models.Transformer(vocab=4, positions=6, width=6, heads=2, hidden=5, first_query=2)
    deep = models.Transformer(4, 5, width=6, heads=2, hidden=0, first_query=4, depth=2, norm=False)
    plain = models.Transformer(
        4, 5, width=6, heads=1, hidden=5, depth=2, norm=False, position_kind="sinusoidal", outputs=3
    )
    theirs = models.Transformer(
        4, 5, width=6, heads=2, hidden=5, first_query=2, depth=2, dropped="all", bias=False
    )
    toy = {n: models.ToyLayer(length=7, width=4, shared=n) for n in (0, 2)}
    attend = attention.attend_forward, attention.attend_backward
    self_attention = attention.self_attention_forward, attention.self_attention_backward
    few = few_queries.few_queries_forward, few_queries.few_queries_backward
    return [
        _op_case("linear", ops.linear_forward, ops.linear_backward, {"x": (2, 3, 4), "W": (4, 5)}),
        _op_case("linear, with bias", ops.linear_forward, ops.linear_backward,
                 {"x": (2, 3, 4, 5), "W": (4, 5, 6, 2), "b": (6, 2)}, axes=2),
        _op_case("embedding", ops.embedding_forward, ops.embedding_backward, {"W": (5, 2, 3)}, ids=ids),
        _op_case("softmax", ops.softmax_forward, ops.softmax_backward, {"x": (3, 4, 5)}),
        _op_case("relu", ops.relu_forward, ops.relu_backward, {"x": (3, 4, 5)}),
        _op_case("silu", ops.silu_forward, ops.silu_backward, {"x": (3, 4, 5)}),
        _op_case("layernorm", ops.layernorm_forward, ops.layernorm_backward, {"x": (3, 4, 5), "g": (5,), "b": (5,)}),
        _op_case("cross_entropy", ops.cross_entropy_forward, ops.cross_entropy_backward, {"logits": (2, 4, 5)}, targets=ids),
        _op_case("squared_error", ops.squared_error_forward, ops.squared_error_backward, {"y": (3, 4, 5)}, target=target),
        _op_case("attend", *attend, scores),
        _op_case("attend, masked", *attend, scores, visible=attention.causal(3, 5)),
        _op_case("attend, dropped", *attend, scores, drop=np.arange(30).reshape(2, 3, 5) % 3 / 1.5),
        _op_case("attend, one row for all", *attend, {"a": (1, 5), "v": (3, 5, 4)}),
        _op_case("multihead", attention.multihead_forward, attention.multihead_backward, qkv),
        _op_case("multihead, shared k, v", attention.multihead_forward, attention.multihead_backward, shared),
        _op_case("self_attention", *self_attention, projections),
        _op_case("self_attention, one head", *self_attention, one_head),
        _op_case("self_attention, large", *self_attention, large),
        _op_case("few_queries", *few, {**projections, "x": (2, 5, 6)}, first=3),
        _op_case("few_queries, one head", *few, {**one_head, "x": (2, 5, 6)}, visible=attention.causal(5, 5)),
        *(model_case(f"MinimalModel, H = {H}", minimal[H], lambda rng: rng.integers(4, size=(2, 5))) for H in (1, 3)),
        model_case("MinimalModel on vectors", minimal[3], lambda rng: rng.normal(size=(2, 5, 4))),
        *(model_case(f"AttentionLayer, H = {H}", layer[H], lambda rng: rng.normal(size=(2, 5, 6))) for H in (1, 3)),
        model_case("AttentionLayer, few queries", models.AttentionLayer(6, 3, 3, few_queries=True),
                   lambda rng: rng.normal(size=(2, 5, 6))),
        model_case("EmbeddingModel", models.EmbeddingModel(4, 5, first_query=2), lambda rng: rng.integers(4, size=(3, 6))),
        model_case("Block", block, lambda rng: rng.normal(size=(2, 5, 6))),
        model_case("Transformer", full, lambda rng: rng.integers(4, size=(3, 5))),
        model_case("Transformer, dropout", full, lambda rng: (rng.integers(4, size=(3, 5)), *full.draw_drops(rng, 3, 5, 0.4))),
        model_case("Transformer, all dropped", theirs,
                   lambda rng: (rng.integers(4, size=(3, 5)), *theirs.draw_drops(rng, 3, 5, 0.4))),
        model_case("Transformer, two layers", deep, lambda rng: rng.integers(4, size=(3, 5))),
        model_case("Transformer on vectors", plain, lambda rng: rng.normal(size=(3, 5, 4))),
        *(model_case(f"ToyLayer, shared = {n}", toy[n], lambda rng: rng.normal(size=(3, 7, 4))) for n in (0, 2)),
    ]  # fmt: skip


def _op_case(name, forward, backward, shapes, **held):
    """A case for an operation. Shapes are in the order in which its backward returns gradients."""

    def gradients(dout, cache):
        grads = backward(dout, cache)
        return dict(zip(shapes, grads if type(grads) is tuple else (grads,)))

    def draw(rng):
        return {**held, **{key: rng.normal(size=shape) for key, shape in shapes.items()}}

    return Case(name, backward, tuple(shapes), draw, lambda inputs: forward(**inputs), gradients)


def model_case(name, model, draw_x):
    """A case for a model with random weights, none zero. draw_x(rng) draws its input, or a tuple of them.

    A model that stands inside others is also checked by its input.
    """
    start = check_float_dict("model.init: its return", model.init(np.random.default_rng(0)))
    shapes = {key: array.shape for key, array in start.items()}
    inside = hasattr(model, "backward_through")

    def draw(rng):
        drawn = draw_x(rng)
        x, *others = drawn if isinstance(drawn, tuple) else (drawn,)
        return {
            "x": x,
            "others": others,
            **{key: 0.5 * rng.normal(size=shape) for key, shape in shapes.items()},
        }

    def forward(inputs):
        params = {key: inputs[key] for key in shapes}
        return check_pair_of(
            "model.forward", "out and cache", model.forward(params, inputs["x"], *inputs["others"])
        )

    def gradients(dout, cache):
        if not inside:
            return check_dict("model.backward: its return", model.backward(dout, cache), shapes)
        dx, grads = check_pair_of(
            "model.backward_through", "dx and gradients", model.backward_through(dout, cache)
        )
        return {"x": dx, **check_dict("model.backward_through: its gradients", grads, shapes)}

    return Case(
        name, type(model), ("x", *shapes) if inside else tuple(shapes), draw, forward, gradients
    )
