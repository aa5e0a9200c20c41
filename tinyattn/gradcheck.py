"""Finite differences against any backward. `python -m tinyattn.gradcheck` checks every operation and every model.

The method, for a function y = f(x) with arrays in and out:

  - The loss is L = sum(w * y) with a random w, so one backward call with dy = w tests the whole Jacobian at once.
  - (f(x + h u) - f(x - h u)) / 2h differs from the derivative along u by h^2/6 times the third derivative, plus
    round-off of about 1e-16/h. In float64 h = 1e-5 leaves both near 1e-10.
  - Small tensors are checked entry by entry; large ones along random directions of +-1, 1e-6 a coordinate.
  - The error of a tensor is |by hand - by differences| / (|by hand| + |by differences|), norms over all numbers checked.
  - Where a ReLU changes sign between the two sides, the difference says nothing; another point is drawn.
"""

import contextlib
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import backend, ops
from .cases import Case, cases, model_case
from .errors import (
    InputError,
    check_array,
    check_count,
    check_floats,
    check_function,
    check_number,
    check_pair_of,
    check_params,
    check_shape,
    check_some,
    host_floats,
    is_array,
    shown,
)
from .terminal import CommandLine, each, open_output, run_command, whole_number

STEP = 1e-5  # for one entry
DIRECTION_STEP = 1e-6  # a coordinate, along a random direction
SMALL = 400  # tensors up to this many entries are checked entry by entry
DIRECTIONS = 24  # random directions for larger ones
TOLERANCE = 1e-7
CPU = backend.get("cpu")


class Row(NamedTuple):
    """The check of one tensor: its error, and its worst number by hand and by differences.

    where: the index of that number, or None for one along a random direction.
    checked: how many numbers were compared; 0 for an input that is not differentiated.
    """

    case: str
    tensor: str
    shape: tuple
    checked: int
    error: float
    where: tuple[int, ...] | None
    by_hand: float
    by_differences: float

    def __str__(self):
        if not self.checked:
            return f"{self.case:<24} {self.tensor:<7} {str(self.shape):<13} {0:>4} {'':9}   not differentiated: no array of floats"
        where = (
            "along one direction"
            if self.where is None
            else f"at [{', '.join(map(str, self.where))}]"
        )
        return (
            f"{self.case:<24} {self.tensor:<7} {str(self.shape):<13} {self.checked:>4} {self.error:9.1e}"
            f"   {where}: {self.by_hand:+.10e} by hand, {self.by_differences:+.10e} by differences"
        )


class Kink(Exception):
    """A ReLU changed sign between the two sides of a difference."""


def central_differences(
    f: Callable[[np.ndarray], Any], x: np.ndarray, h: float | None = None
) -> np.ndarray:
    """Gradient of the scalar f at x, entry by entry: (f(x + h e_i) - f(x - h e_i)) / 2h, in the precision of x.

    f sees copies of x (...). Returns an array (...), shaped like x. The error is of order h^2 + 1e-16/h, so
    h is 1e-5. In float32 it is h^2 + 1e-7/h, three digits at best, and you must give h; InputError
    without it, and for arrays that are not NumPy's.
    """
    check_function("f", f, "a function of x")
    if not isinstance(check_floats("x", x), np.ndarray):
        raise InputError(f"x: expected a NumPy array, got {type(x).__name__}")
    if h is None and x.dtype.itemsize < 8:
        raise InputError(
            f"x: expected float64, or a step h of your own, got {x.dtype}, in which differences tell little"
        )
    h = STEP if h is None else h
    check_number("h", h, above=0, maximum=1e100)
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        above, below = (
            float(host_floats("f: its return", f(side), ())) for side in _shifted("x", x, index, h)
        )
        gradient[index] = (above - below) / (2 * h)
    return gradient


def check(case: Case, seed: int = 0, device: backend.Backend = CPU, tries: int = 50) -> list[Row]:
    """Draw a point away from every kink and compare all gradients there. Returns a Row for each tensor.

    Raises InputError where no point without a kink is found.
    """
    check_count("seed", seed, 0)
    for rng in np.random.default_rng(seed).spawn(tries):
        with contextlib.suppress(Kink):
            return compare(case, case.draw(rng), rng, device)
    raise InputError(
        f"inputs: expected a point of {case.name} where no ReLU changes sign, got none in {tries} draws"
    )


def check_model(
    model: Any, x: Any, params: dict[str, Any] | None = None, seed: int = 0
) -> list[Row]:
    """Check every parameter of a model on the input x. Returns a Row for each.

    x is what forward takes after params, or a tuple of that. Weights are random unless you give
    params. Params and vectors x are widened to float64. A model inside others is also checked by x.

    Raises InputError for what is no model.
    """
    if isinstance(model, type) or not all(
        hasattr(model, name) for name in ("init", "forward", "backward")
    ):
        raise InputError(
            f"model: expected one with its settings, such as models.MinimalModel(5, 6), got {shown(model)}"
        )
    read = tuple(_widened("x", part) for part in (x if isinstance(x, tuple) else (x,)))
    case = model_case(type(model).__name__, model, lambda rng: read)
    if params is not None:
        check_params(
            "params",
            params,
            {key: w.shape for key, w in model.init(np.random.default_rng(0)).items()},
        )
        exact = {key: host_floats(key, backend.to_numpy(w)) for key, w in params.items()}
        case = case._replace(draw=lambda rng: {"x": read[0], "others": read[1:], **exact})
    return check(case, seed, tries=50 if params is None else 1)


def check_pair(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: dict[str, Any],
    *,
    wrt: tuple[str, ...] | list[str] | None = None,
    seed: int = 0,
    name: str | None = None,
) -> list[Row]:
    """Check forward(*inputs) -> out, cache and backward(dout, cache) -> gradients. Returns a Row for each input.

    inputs: NumPy arrays by name, in the order in which forward takes them. Floats are widened to
            float64 first.
    wrt:    the names of those to differentiate by; None means every array of floats, and a Row
            names each input that is none.
    backward returns a dict of gradients by name, or a tuple of them in the order of wrt or of all
    inputs (what stands there for an input that is not in wrt is not looked at), or, if there is
    one, the gradient itself.

    Raises InputError for inputs, outputs and gradients that do not fit.
    """
    check_function("forward", forward)
    check_function("backward", backward)
    if not isinstance(inputs, dict) or not inputs:
        raise InputError(f"inputs: expected a dict of arrays by name, got {shown(inputs)}")
    held = {key: _widened(key, value) for key, value in inputs.items()}
    floats = [key for key, value in held.items() if is_array(value) and value.dtype.kind == "f"]
    if wrt is not None and not isinstance(wrt, (tuple, list)):
        raise InputError(f"wrt: expected a list of names, got {shown(wrt)}")
    if not floats:
        raise InputError(
            f"inputs: expected at least one array of floats, got {shown(dict(inputs))}"
        )
    passed_over = [key for key in held if key not in floats] if wrt is None else []
    wrt = tuple(floats if wrt is None else wrt)
    if not wrt or not set(wrt) <= set(floats):
        raise InputError(
            f"wrt: expected some of the arrays of floats, {', '.join(floats)}, got {wrt}"
        )
    for key in wrt:
        check_some(key, held[key])

    def run(inputs):
        return check_pair_of("forward", "out and cache", forward(*(inputs[key] for key in held)))

    def gradients(dout, cache):
        grads = backward(dout, cache)
        if isinstance(grads, dict):
            missing = [key for key in wrt if key not in grads]
            if missing:
                raise InputError(
                    f"backward: expected a gradient of each of {', '.join(wrt)}, got none of {', '.join(missing)}"
                )
            return grads
        grads = grads if isinstance(grads, (tuple, list)) else (grads,)
        names = wrt if len(grads) == len(wrt) else tuple(held)
        if len(grads) != len(names):
            raise InputError(
                f"backward: expected {len(wrt)} gradients, of {', '.join(wrt)}, got {len(grads)}"
            )
        return dict(zip(names, grads))

    name = getattr(forward, "__name__", type(forward).__name__) if name is None else name
    rows = check(Case(name, backward, wrt, lambda rng: held, run, gradients), seed, tries=1)
    return rows + [
        Row(name, key, np.shape(held[key]), 0, 0.0, None, 0.0, 0.0) for key in passed_over
    ]


def _widened(name, value):
    """Floats as float64, in which differences are taken; everything else as it is."""
    if hasattr(value, "dtype") and check_array(name, value).dtype.kind not in "fiub":
        raise InputError(f"{name}: expected an array of numbers, got {value.dtype}")
    if is_array(value) and value.dtype.kind == "f":
        return host_floats(name, backend.to_numpy(value))
    return value


def compare(case, inputs, rng, device=CPU):
    """A Row for each gradient of a case at these inputs. Raises Kink at a corner."""

    def forward(inputs):
        out, cache = case.forward(device.put(backend.copied(inputs)))
        if not is_array(out) and not isinstance(out, float):
            raise InputError(f"forward: expected an array or a number for out, got {shown(out)}")
        return (np.asarray(out) if isinstance(out, float) else out), cache

    out, cache = forward(inputs)
    if out.dtype != np.float64:
        raise InputError(
            f"forward: expected float64 out of float64, got {out.dtype}: differences would tell little"
        )
    weights = rng.normal(size=out.shape)
    grads = backend.copied(backend.to_numpy(case.backward(device.put(weights.copy()), cache)))

    def run(tensor, value):
        out, cache = forward({**inputs, tensor: value})
        return backend.copied(backend.to_numpy((out, _relu_masks(cache))))

    rows = []
    for tensor in case.wrt:
        x, g = inputs[tensor], grads[tensor]
        check_floats(f"gradient of {tensor} in {case.name}", g)
        check_shape(f"gradient of {tensor} in {case.name}", g, x.shape)
        small = x.size <= SMALL
        steps = (
            list(np.ndindex(x.shape))
            if small
            else rng.choice([-1.0, 1.0], size=(DIRECTIONS, *x.shape))
        )
        h = STEP if small else DIRECTION_STEP
        by_hand, by_differences = [], []
        for step in steps:
            (above, masks_above), (below, masks_below) = (
                run(tensor, value) for value in _shifted(tensor, x, step, h)
            )
            if not all(map(np.array_equal, masks_above, masks_below)):
                raise Kink
            by_hand.append(g[step] if small else (g * step).sum())
            by_differences.append((weights * (above - below)).sum() / (2 * h))
        n, m = np.array(by_hand), np.array(by_differences)
        worst = int(np.abs(n - m).argmax())
        index = tuple(map(int, steps[worst])) if small else None
        rows.append(
            Row(
                case.name,
                tensor,
                x.shape,
                len(n),
                relative_error(n, m),
                index,
                float(n[worst]),
                float(m[worst]),
            )
        )
    return rows


def _shifted(name, x, step, h):
    """x + h u and x - h u, for u a whole direction or, given an index, the unit vector there."""
    if isinstance(step, np.ndarray):
        above, below = x + h * step, x - h * step
    else:
        above, below = x.copy(), x.copy()
        above[step] += h
        below[step] -= h
    moved = above != below
    if not (moved.all() if isinstance(step, np.ndarray) else moved[step]):
        raise InputError(
            f"{name}: expected numbers that a step of {h:g} changes, got entries of up to {np.abs(x).max():g}"
        )
    return above, below


def relative_error(n: Any, m: Any) -> float:
    """|n - m| / (|n| + |m|) in Euclidean norms over all entries; 0 for two arrays of zeros."""
    n, m = host_floats("n", n), host_floats("m", m)
    check_shape("m", m, n.shape)
    largest = max((float(np.abs(array).max()) for array in (n, m) if array.size), default=0.0)
    if largest and math.isfinite(largest):  # squares of very large or small numbers are none
        n, m = n / largest, m / largest
    scale = np.linalg.norm(n) + np.linalg.norm(m)
    return float(np.linalg.norm(n - m) / scale) if scale else 0.0


def _relu_masks(cache):
    """The sign masks of every ReLU in a nest of caches."""
    if isinstance(cache, ops.ReluCache):
        return [cache.positive]
    branches = (
        cache.values()
        if isinstance(cache, dict)
        else cache
        if isinstance(cache, (tuple, list))
        else ()
    )
    return [mask for branch in branches for mask in _relu_masks(branch)]


def main(arguments=None):
    """Print the table; return 1 if any tensor is worse than the tolerance, 2 for bad input, else 0."""
    return run_command(lambda: _print_table(arguments), "python -m tinyattn.gradcheck")


def _print_table(arguments):
    parser = CommandLine(prog="python -m tinyattn.gradcheck", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=whole_number, default=0)
    parser.add_argument("--device", help='"auto", "cpu", "gpu" or "gpu:N"')
    options = parser.parse_args(arguments)
    check_count("--seed", options.seed, 0)
    device = backend.get(options.device)
    print(f"{'case':<24} {'tensor':<7} {'shape':<13} {'n':>4} {'error':>9}   worst entry")
    rows = [row for case in each(cases(), "gradients") for row in check(case, options.seed, device)]
    bad = [row for row in rows if not row.error <= TOLERANCE]
    for row in rows:
        print(f"{row}{'   <-- WRONG' if row in bad else ''}")
    print(
        f"{len(rows)} tensors, largest error {max(row.error for row in rows):.1e}, {len(bad)} above {TOLERANCE:.0e}"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    open_output()
    sys.exit(main())
