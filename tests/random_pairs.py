"""Right pairs of forward and backward at random: chains of pieces, each with its backward by hand.

The pieces: forward(*values, **settings) -> y, cache and backward(dy, cache) -> tuple. They also
take complex values, and are analytic, so that steps along i tell the gradient to all digits.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinyattn import gradcheck


def unary(f, derivative):
    return lambda x: (f(x), x), lambda dy, x: (dy * derivative(x),)


def smooth_gelu(x):
    return x * 0.5 * (1 + np.tanh(0.85 * x))


def smooth_gelu_derivative(x):
    t = np.tanh(0.85 * x)
    return 0.5 * (1 + t) + 0.425 * x * (1 - t**2)


def unbroadcast(d, shape):
    """Sum d over the axes along which a value of this shape was broadcast."""
    d = d.sum(axis=tuple(range(d.ndim - len(shape))))
    axes = tuple(a for a, n in enumerate(shape) if n == 1 and d.shape[a] != 1)
    return np.asarray(d.sum(axis=axes, keepdims=True))


def add(a, b):
    return a + b, (a.shape, b.shape)


def add_backward(dy, shapes):
    return tuple(unbroadcast(dy, shape) for shape in shapes)


def multiply(a, b):
    return a * b, (a, b)


def multiply_backward(dy, cache):
    a, b = cache
    return unbroadcast(dy * b, a.shape), unbroadcast(dy * a, b.shape)


def times_constant(x, c):
    return c * x, c


def times_constant_backward(dy, c):
    return (c * dy,)


def matrix_product(x, W):
    """x (..., I), W (I, O)."""
    return x @ W, (x, W)


def matrix_product_backward(dy, cache):
    x, W = cache
    rows, drows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ W.T, rows.T @ drows


def gram(x):
    """Products of all rows: (..., T, D) -> (..., T, T)."""
    return x @ x.swapaxes(-1, -2), x


def gram_backward(dy, x):
    return (dy @ x + dy.swapaxes(-1, -2) @ x,)


def softmax(x, axis):
    e = np.exp(x - x.real.max(axis, keepdims=True))
    y = e / e.sum(axis, keepdims=True)
    return y, (y, axis)


def softmax_backward(dy, cache):
    y, axis = cache
    return (y * (dy - (dy * y).sum(axis, keepdims=True)),)


def log_sum_exp(x, axis):
    m = x.real.max(axis, keepdims=True)
    e = np.exp(x - m)
    total = e.sum(axis, keepdims=True)
    return np.squeeze(m + np.log(total), axis), (e / total, axis)


def log_sum_exp_backward(dy, cache):
    share, axis = cache
    return (share * np.expand_dims(dy, axis),)


def total(x, axis):
    return np.asarray(x.sum(axis)), (x.shape, axis)


def total_backward(dy, cache):
    shape, axis = cache
    return (np.broadcast_to(np.expand_dims(dy, axis), shape).copy(),)


def average(x, axis):
    return np.asarray(x.sum(axis) / x.shape[axis]), (x.shape, axis)


def average_backward(dy, cache):
    (dx,) = total_backward(dy, cache)
    return (dx / dx.shape[cache[1]],)


def root_mean_square_norm(x, axis, eps):
    r = np.sqrt((x * x).sum(axis, keepdims=True) / x.shape[axis] + eps)
    return x / r, (x / r, r, axis)


def root_mean_square_norm_backward(dy, cache):
    y, r, axis = cache
    along = (dy * y).sum(axis, keepdims=True) / y.shape[axis]
    return ((dy - y * along) / r,)


def unit_norm(x, axis, eps):
    r = np.sqrt((x * x).sum(axis, keepdims=True) + eps)
    return x / r, (x / r, r, axis)


def unit_norm_backward(dy, cache):
    y, r, axis = cache
    return ((dy - y * (dy * y).sum(axis, keepdims=True)) / r,)


def layer_norm(x, axis, eps):
    n = x.shape[axis]
    y, (_, r, _) = root_mean_square_norm(x - x.sum(axis, keepdims=True) / n, axis, eps)
    return y, (y, r, axis)


def layer_norm_backward(dy, cache):
    (dc,) = root_mean_square_norm_backward(dy, cache)
    axis = cache[2]
    return (dc - dc.mean(axis, keepdims=True),)


def cumulative_sum(x, axis):
    return np.cumsum(x, axis), axis


def cumulative_sum_backward(dy, axis):
    return (np.flip(np.cumsum(np.flip(dy, axis), axis), axis),)


def turn_over(x, axis):
    return np.flip(x, axis), axis


def turn_over_backward(dy, axis):
    return (np.flip(dy, axis),)


def permute(x, axes):
    return np.transpose(x, axes), axes


def permute_backward(dy, axes):
    return (np.transpose(dy, np.argsort(axes)),)


def flatten(x):
    return x.reshape(-1), x.shape


def flatten_backward(dy, shape):
    return (dy.reshape(shape),)


def look_up(x, ids):
    return x[ids], (x.shape, ids)


def look_up_backward(dy, cache):
    shape, ids = cache
    dx = np.zeros(shape)
    np.add.at(dx, ids, dy)
    return dx, None


ELEMENTWISE = {
    "tanh": unary(np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "logistic": unary(
        lambda x: 0.5 + 0.5 * np.tanh(x / 2), lambda x: 0.25 * (1 - np.tanh(x / 2) ** 2)
    ),
    "sin": unary(np.sin, np.cos),
    "square": unary(lambda x: x * x, lambda x: 2 * x),
    "cube": unary(lambda x: x * x * x, lambda x: 3 * x * x),
    "root": unary(lambda x: np.sqrt(1 + x * x), lambda x: x / np.sqrt(1 + x * x)),
    "bell": unary(lambda x: np.exp(-x * x / 2), lambda x: -x * np.exp(-x * x / 2)),
    "reciprocal": unary(lambda x: 1 / (2 + x * x), lambda x: -2 * x / (2 + x * x) ** 2),
    "gelu": unary(smooth_gelu, smooth_gelu_derivative),
}
ALONG_AN_AXIS = {
    "softmax": (softmax, softmax_backward),
    "logsumexp": (log_sum_exp, log_sum_exp_backward),
    "sum": (total, total_backward),
    "mean": (average, average_backward),
    "rms norm": (root_mean_square_norm, root_mean_square_norm_backward),
    "unit norm": (unit_norm, unit_norm_backward),
    "layer norm": (layer_norm, layer_norm_backward),
    "cumsum": (cumulative_sum, cumulative_sum_backward),
    "flip": (turn_over, turn_over_backward),
}
NORMS = ("rms norm", "unit norm", "layer norm")
BENT = (*ELEMENTWISE, "softmax", "logsumexp", *NORMS)  # these want values of order 1
LARGEST = 48  # entries of a value


class Program:
    """A chain of pieces; value 0 is the first input and the last value the output.

    forward and backward are a pair. steps: (name, forward, backward, of which values, settings).
    """

    def __init__(self, style):
        self.names, self.inputs, self.slots, self.steps, self.style = [], {}, {}, [], style
        self.values = 0

    def enter(self, name, array):
        self.names.append(name)
        self.inputs[name] = array
        self.slots[name] = self.values
        self.values += 1
        return self.values - 1

    def step(self, name, pair, of, settings):
        self.steps.append((name, *pair, of, settings, self.values))
        self.values += 1
        return self.values - 1

    def forward(self, *arrays):
        values = dict(zip(self.slots.values(), arrays))
        caches = []
        for _, forward, _, of, settings, to in self.steps:
            values[to], cache = forward(*(values[i] for i in of), **settings)
            caches.append(cache)
        return values[self.values - 1], (caches, [values[i].shape for i in sorted(values)])

    def backward(self, dy, cache):
        caches, shapes = cache
        grads = {i: np.zeros(shape) for i, shape in enumerate(shapes)}
        grads[self.values - 1] = np.asarray(dy)
        for (_, _, backward, of, _, to), kept in zip(reversed(self.steps), reversed(caches)):
            for i, d in zip(of, backward(grads[to], kept)):
                if d is not None:
                    grads[i] = grads[i] + d
        out = {name: grads[self.slots[name]] for name in self.names}
        out = {name: d for name, d in out.items() if self.inputs[name].dtype.kind == "f"}
        if self.style == "tuple":
            return tuple(out.get(name) for name in self.names)
        return next(iter(out.values())) if self.style == "alone" and len(out) == 1 else out


def random_shape(rng, limit=LARGEST):
    while True:
        axes = rng.choice([0, 1, 1, 2, 2, 2, 3, 3, 4])
        shape = tuple(int(n) for n in rng.choice([1, 2, 3, 4, 5], size=axes))
        if np.prod(shape) <= limit:
            return shape


def partner_shape(rng, shape):
    """A shape that broadcasts with this one: smaller, or larger where this one has a 1."""
    if not shape:
        return random_shape(rng, 8)
    other = [1 if rng.random() < 0.3 else n for n in shape]
    if rng.random() < 0.3:
        other = [int(rng.integers(2, 4)) if n == 1 else m for n, m in zip(shape, other)]
    other = tuple(other[rng.integers(len(other) + 1) :] if rng.random() < 0.4 else other)
    fits = np.prod(np.broadcast_shapes(shape, other)) <= LARGEST
    return other if fits else ()


def random_program(rng, number, powers, kept):
    """A program and what it is made of. powers: of ten, from which input's scales are drawn.

    kept: names of inputs to add to the output once more, for which the rest is a constant.
    """
    program = Program(("dict", "tuple", "alone")[number % 3])
    values = {}

    def fresh(shape, positive=False):
        scale = 10 ** (powers * rng.uniform(-3, 3) * (rng.random() < 0.5))
        name = ("x", "W", "b", "z", "a", "g", "h", "u")[len(program.names) % 8]
        name += str(len(program.names)) if program.names else ""
        slot = program.enter(name, scale * rng.normal(size=shape))
        values[slot] = program.inputs[name]
        return slot

    def apply(name, pair, *of, **settings):
        slot = program.step(name, pair, of, settings)
        values[slot] = np.asarray(pair[0](*(values[i] for i in of), **settings)[0])
        return slot

    def tempered(slot, limit=3.0):
        """The value, times a constant where it is far from order 1."""
        size = np.sqrt(np.mean(values[slot] ** 2))
        if size and not 0.3 < size < limit:
            c = min(3.0, float(f"{1 / size:.1e}"))  # more would magnify the step
            return apply(f"times {c:g}", (times_constant, times_constant_backward), slot, c=c)
        return slot

    now = fresh(random_shape(rng))
    chain = [now]
    for _ in range(rng.integers(2, 8)):
        shape = values[now].shape
        choice = rng.choice(
            ["elementwise", "axis", "matmul", "add", "multiply", "residual", "square of it"]
            + ["gram", "permute", "flatten", "look up"],
            p=[0.2, 0.25, 0.13, 0.1, 0.08, 0.08, 0.03, 0.04, 0.03, 0.02, 0.04],
        )
        pick, place = rng.random(2)  # drawn in any case, so that scales do not change the choices
        axis = int(place * len(shape)) - (len(shape) if pick < 0.5 else 0)
        if choice == "elementwise" or (choice == "axis" and not shape):
            name = list(ELEMENTWISE)[int(pick * len(ELEMENTWISE))]
            now = apply(name, ELEMENTWISE[name], tempered(now))
        elif choice == "axis":
            name = list(ALONG_AN_AXIS)[int(rng.random() * len(ALONG_AN_AXIS))]
            settings = {"axis": axis, **({"eps": 0.1} if name in NORMS else {})}
            now = apply(
                name, ALONG_AN_AXIS[name], tempered(now) if name in BENT else now, **settings
            )
        elif choice == "matmul" and shape:
            W = fresh((shape[-1], int(rng.integers(1, 5))))
            if np.prod(shape[:-1]) * values[W].shape[1] <= LARGEST:
                now = apply("matmul", (matrix_product, matrix_product_backward), now, W)
            else:
                W_row = apply("sum", (total, total_backward), W, axis=1)
                now = apply("multiply", (multiply, multiply_backward), now, W_row)
        elif choice == "gram" and len(shape) > 1 and np.prod(shape[:-1]) * shape[-2] <= LARGEST:
            now = apply("gram", (gram, gram_backward), now)
        elif choice == "permute" and len(shape) > 1:
            axes = tuple(int(a) for a in rng.permutation(len(shape)))
            now = apply("permute", (permute, permute_backward), now, axes=axes)
        elif choice == "flatten" and shape:
            now = apply("flatten", (flatten, flatten_backward), now)
        elif choice == "look up" and shape and np.prod(shape[1:]) * 4 <= LARGEST:
            ids = f"ids{len(program.names)}"
            slot = program.enter(ids, rng.integers(shape[0], size=int(rng.integers(1, 5))))
            values[slot] = program.inputs[ids]
            now = apply("look up", (look_up, look_up_backward), now, slot)
        elif choice == "square of it":
            now = apply("multiply", (multiply, multiply_backward), now, now)
        elif choice == "residual":
            old = [s for s in chain[:-1] if fitting(values[s].shape, shape)]
            old = old[int(pick * len(old))] if old else now
            piece = ("add", (add, add_backward))
            if place < 0.3:
                piece = ("multiply", (multiply, multiply_backward))
            now = apply(*piece, now, old)
        else:
            b = fresh(partner_shape(rng, shape))
            piece = (
                ("multiply", (multiply, multiply_backward))
                if choice == "multiply"
                else ("add", (add, add_backward))
            )
            now = apply(*piece, *((now, b) if pick < 0.7 else (b, now)))
        chain.append(now)
    for name in kept:
        slot = program.slots[name]
        while values[slot].ndim:
            slot = apply("sum", (total, total_backward), slot, axis=0)
        slot = apply("sin", ELEMENTWISE["sin"], tempered(slot))
        now = apply("add", (add, add_backward), now, slot)
    return program


def fitting(a, b):
    try:
        return np.prod(np.broadcast_shapes(a, b)) <= LARGEST
    except ValueError:
        return False


class RandomPair(NamedTuple):
    """A Pair, the names of its pieces, and what kept it within the tolerance of differences.

    powers: 1 where the inputs' scales are 1e-3 to 1e3, less where they had to be nearer to 1.
    kept: inputs on which the output did not depend but for rounding, now added to it.
    redrawn: how many chains before this one bend too much within a step, even at scales of 1.
    """

    name: str
    forward: Callable
    backward: Callable
    inputs: dict
    pieces: tuple
    powers: float
    kept: tuple
    redrawn: int


def errors_along_i(forward, backward, inputs, draws=8):
    """The largest error of each gradient over some dy, by steps along i.

    Im f(x + ih) / h has neither the error of a step nor that of a difference, so that this tells at
    any scale whether a backward is right.
    """
    out, cache = forward(*inputs.values())
    dys = np.random.default_rng(0).normal(size=(draws, *out.shape))
    floats = [key for key, x in inputs.items() if x.dtype.kind == "f"]
    by_hand = []
    for dy in dys:
        grads = backward(dy.copy(), cache)
        if isinstance(grads, tuple):
            grads = dict(zip(inputs, grads))
        by_hand.append(grads if isinstance(grads, dict) else {floats[0]: grads})
    errors = dict.fromkeys(inputs, 0.0)
    for key in floats:
        exact = np.zeros((draws, *inputs[key].shape))
        for index in np.ndindex(inputs[key].shape):
            x = np.array(inputs[key], complex)
            x[index] += 1e-30j
            y, _ = forward(*(x if k == key else value for k, value in inputs.items()))
            exact[:, *index] = (dys * np.imag(y) / 1e-30).reshape(draws, -1).sum(axis=1)
        for grads, m in zip(by_hand, exact):
            errors[key] = max(errors[key], gradcheck.relative_error(grads[key], m))
    return errors


def random_right_pairs(n=200, seed=0):
    """n right pairs, each within the tolerance of check_pair: a generator of RandomPair.

    In one of ten or twenty, differences are worse than that. Such a pair is drawn again with the
    same pieces and the powers of ten of its inputs' scales times 2/3, down to scales of 1. An input
    whose gradient is then rounding alone is one on which the output does not depend, as the sum of
    a softmax on its input: it is added to the output by one more path. What is left is replaced.
    """
    for number, sequence in enumerate(np.random.SeedSequence(seed).spawn(n)):
        for redrawn, own in enumerate([sequence, *sequence.spawn(9)]):
            pair = _within_tolerance(number, own)
            if pair is not None:
                yield pair._replace(redrawn=redrawn)
                break
        else:
            raise AssertionError(f"random pair {number}: still off after {redrawn} draws")


def _within_tolerance(number, sequence):
    """The pair of this seed, at the scales nearest to those wanted; None if there are none."""
    kept = ()
    for powers in (*((2 / 3) ** k for k in range(7)), 0.0, 0.0):
        with np.errstate(all="ignore"):
            program = random_program(np.random.default_rng(sequence), number, powers, kept)
            pair = program.forward, program.backward, program.inputs
            errors = errors_along_i(*pair)
            rows = gradcheck.check_pair(*pair, name="random")
        tolerance = gradcheck.TOLERANCE
        off = [row for row in rows if not max(row.error, errors[row.tensor]) <= tolerance]
        if not off:
            pieces = tuple(step[0] for step in program.steps)
            return RandomPair(f"random {number}", *pair, pieces, powers, kept, 0)
        if powers == 0 and not kept:
            kept = tuple(row.tensor for row in off if abs(row.by_hand) < 1e-9)
    return None
