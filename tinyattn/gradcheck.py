"""Finite differences against any backward: `python -m tinyattn.gradcheck` checks the library's own.

The method, for a function y = f(x) with arrays in and out:

  - The loss is L = sum(w * y) with a random w, so one backward call with dy = w tests the whole
    Jacobian at once.
  - (f(x + h u) - f(x - h u)) / 2h differs from the derivative along u by h^2/6 times the third
    derivative, plus round-off of about 1e-16/h. In float64 h = 1e-5 leaves both near 1e-10.
  - Small tensors are checked entry by entry, large ones along random directions of +-1.
  - The error of a tensor is |n - m| / (|n| + |m|), n by hand, m by differences, norms over all
    numbers checked.
  - Where a ReLU changes sign between the two sides, the difference says nothing: draw anew.
"""

import contextlib
import copy
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import backend, doctor, errors, ops
from .backend import Params
from .cases import Case, cases, model_case, pair_case, widened
from .errors import InputError, shown
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
    finding: where it is wrong, which kind of mistake fits, as `doctor` says.
    """

    case: str
    tensor: str
    shape: tuple
    checked: int
    error: float
    where: tuple[int, ...] | None
    by_hand: float
    by_differences: float
    finding: str = ""

    @property
    def wrong(self):
        """Whether the error is above the tolerance, 1e-7."""
        return not self.error <= TOLERANCE

    def __str__(self):
        what = f"{self.case:<24} {self.tensor:<7} {str(self.shape):<13} {self.checked:>4}"
        if not self.checked:
            return f"{what} {'':9}   not differentiated: no array of floats"
        where = "along one direction"
        if self.where is not None:
            where = f"at [{', '.join(map(str, self.where))}]"
        numbers = f"{self.by_hand:+.10e} by hand, {self.by_differences:+.10e} by differences"
        mark = "   <-- WRONG" if self.wrong else ""
        return f"{what} {self.error:9.1e}   {where}: {numbers}{mark}"


class Kink(Exception):
    """A ReLU changed sign between the two sides of a difference."""


def central_differences(f: Callable, x: np.ndarray, h: float | None = None) -> np.ndarray:
    """Gradient of the scalar f at x, entry by entry: (f(x + h e_i) - f(x - h e_i)) / 2h.

    f sees copies of x (...). Returns an array (...), of the shape and precision of x. The error is
    of order h^2 + 1e-16/h, so h is 1e-5. In float32 it is h^2 + 1e-7/h, three digits at best, and
    you must give h; InputError without it, and for arrays that are not NumPy's.
    """
    errors.check_function("f", f, "a function of x")
    if not isinstance(errors.check_floats("x", x), np.ndarray):
        raise InputError(f"x: expected a NumPy array, got {type(x).__name__}")
    if h is None and x.dtype.itemsize < 8:
        got = f"{x.dtype}, in which differences tell little"
        raise InputError(f"x: expected float64, or a step h of your own, got {got}")
    h = STEP if h is None else h
    errors.check_number("h", h, above=0, maximum=1e100)
    value = lambda side: float(errors.host_floats("f: its return", f(side), ()))
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        above, below = map(value, _shifted("x", x, index, h))
        gradient[index] = (above - below) / (2 * h)
    return gradient


def check(case: Case, seed: int = 0, device: backend.Backend = CPU, tries: int = 50) -> list[Row]:
    """Draw a point away from every kink and compare all gradients there: a Row for each tensor.

    Where a gradient is wrong its Row has a finding. Raises InputError where no point without a kink
    is found.
    """
    rows, inputs, rng = _rows(case, seed, device, tries)
    wrong = [row.tensor for row in rows if row.wrong]
    if not wrong:
        return rows
    told = doctor.told(doctor.examine(case, inputs, wrong, device, rng))
    return [row._replace(finding=told.get(row.tensor, "")) for row in rows]


def _rows(case, seed=0, device=CPU, tries=50):
    """The rows without findings, the inputs, and a generator that gives the same dy once more."""
    errors.check_count("seed", seed, 0)
    for rng in np.random.default_rng(seed).spawn(tries):
        with contextlib.suppress(Kink):
            inputs = case.draw(rng)
            again = copy.deepcopy(rng)
            return compare(case, inputs, rng, device), inputs, again
    wanted = f"a point of {case.name} where no ReLU changes sign"
    raise InputError(f"inputs: expected {wanted}, got none in {tries} draws")


def check_model(model: Any, x: Any, params: Params | None = None, seed: int = 0) -> list[Row]:
    """Check every parameter of a model on the input x. Returns a Row for each.

    x is what forward takes after params, or a tuple of that. Weights are random unless you give
    params. Params and vectors x are widened to float64. A model inside others is also checked by x.

    Raises InputError for what is no model.
    """
    is_model = all(hasattr(model, name) for name in ("init", "forward", "backward"))
    if isinstance(model, type) or not is_model:
        wanted = "one with its settings, such as models.MinimalModel(5, 6)"
        raise InputError(f"model: expected {wanted}, got {shown(model)}")
    parts = x if isinstance(x, tuple) else (x,)
    read = tuple(widened("x", part) for part in parts)
    case = model_case(type(model).__name__, model, lambda rng: read)
    if params is not None:
        own = model.init(np.random.default_rng(0))
        errors.check_params("params", params, {key: w.shape for key, w in own.items()})
        exact = {key: errors.host_floats(key, backend.to_numpy(w)) for key, w in params.items()}
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
    """Check forward(*inputs) -> out, cache and backward(dout, cache) -> gradients: a Row an input.

    inputs: NumPy arrays by name, in the order in which forward takes them. Floats are widened to
            float64 first.
    wrt:    the names of those to differentiate by; None means every array of floats, and a Row
            names each other input.

    backward returns a dict of gradients by name, or a tuple of them in the order of wrt or of all
    inputs (where entries of inputs that are not in wrt are ignored), or, if there is one, the
    gradient itself.

    Raises InputError for inputs, outputs and gradients that do not fit.
    """
    case = pair_case(forward, backward, inputs, wrt, name)
    rows = check(case, seed, tries=1)
    if wrt is None:
        for key in inputs:
            if key not in case.wrt:
                rows.append(Row(case.name, key, np.shape(inputs[key]), 0, 0.0, None, 0.0, 0.0))
    return rows


def compare(case, inputs, rng, device=CPU):
    """A Row for each gradient of a case at these inputs. Raises Kink at a corner."""

    def forward(inputs):
        out, cache = case.forward(device.put(backend.copied(inputs)))
        if isinstance(out, float):
            out = np.asarray(out)
        if not errors.is_array(out):
            raise InputError(f"forward: expected an array or a number for out, got {shown(out)}")
        return out, cache

    out, cache = forward(inputs)
    if out.dtype != np.float64:
        got = f"{out.dtype}: differences would tell little"
        raise InputError(f"forward: expected float64 out of float64, got {got}")
    weights = rng.normal(size=out.shape)
    grads = backend.copied(backend.to_numpy(case.backward(device.put(weights.copy()), cache)))

    def run(tensor, value):
        out, cache = forward({**inputs, tensor: value})
        return backend.copied(backend.to_numpy((out, _relu_masks(cache))))

    rows = []
    for tensor in case.wrt:
        x, g = inputs[tensor], grads[tensor]
        name = f"gradient of {tensor} in {case.name}"
        errors.check_floats(name, g)
        if g.shape != x.shape:
            L = lambda x, tensor=tensor: (weights * run(tensor, x)[0]).sum()
            hint = doctor.of_shape(g, central_differences(L, x)) if x.size <= SMALL else ""
            raise InputError(f"{name}: expected shape {x.shape}, got {g.shape}{hint}")
        small = x.size <= SMALL
        if small:
            steps, h = list(np.ndindex(x.shape)), STEP
        else:
            steps, h = rng.choice([-1.0, 1.0], size=(DIRECTIONS, *x.shape)), DIRECTION_STEP
        by_hand, by_differences = [], []
        for step in steps:
            x_above, x_below = _shifted(tensor, x, step, h)
            above, masks_above = run(tensor, x_above)
            below, masks_below = run(tensor, x_below)
            if not all(map(np.array_equal, masks_above, masks_below)):
                raise Kink
            by_hand.append(g[step] if small else (g * step).sum())
            by_differences.append((weights * (above - below)).sum() / (2 * h))
        n, m = np.array(by_hand), np.array(by_differences)
        worst = int(np.abs(n - m).argmax())
        index = tuple(map(int, steps[worst])) if small else None
        error, both = relative_error(n, m), (float(n[worst]), float(m[worst]))
        rows.append(Row(case.name, tensor, x.shape, len(n), error, index, *both))
    return rows


def _shifted(name, x, step, h):
    """x + h u and x - h u, for u a whole direction or, given an index, the unit vector there."""
    if isinstance(step, np.ndarray):
        above, below = x + h * step, x - h * step
        moved = (above != below).all()
    else:
        above, below = x.copy(), x.copy()
        above[step] += h
        below[step] -= h
        moved = above[step] != below[step]
    if not moved:
        wanted = f"numbers that a step of {h:g} changes"
        raise InputError(f"{name}: expected {wanted}, got entries of up to {np.abs(x).max():g}")
    return above, below


def relative_error(n: Any, m: Any) -> float:
    """|n - m| / (|n| + |m|) in Euclidean norms over all entries; 0 for two arrays of zeros."""
    n, m = errors.host_floats("n", n), errors.host_floats("m", m)
    errors.check_shape("m", m, n.shape)
    largest = max((float(np.abs(array).max()) for array in (n, m) if array.size), default=0.0)
    if largest and math.isfinite(largest):  # else squares would overflow, or be 0
        n, m = n / largest, m / largest
    scale = np.linalg.norm(n) + np.linalg.norm(m)
    return float(np.linalg.norm(n - m) / scale) if scale else 0.0


def _relu_masks(cache):
    """The sign masks of every ReLU in a nest of caches."""
    if isinstance(cache, ops.ReluCache):
        return [cache.positive]
    if isinstance(cache, dict):
        cache = list(cache.values())
    if not isinstance(cache, (tuple, list)):
        return []
    return [mask for branch in cache for mask in _relu_masks(branch)]


def main(arguments=None):
    """Print the table; return 1 if a tensor fails the tolerance, 2 for bad input, else 0."""
    return run_command(lambda: _print_table(arguments), "python -m tinyattn.gradcheck")


def _print_table(arguments):
    parser = CommandLine(prog="python -m tinyattn.gradcheck", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=whole_number, default=0)
    parser.add_argument("--device", help='"auto", "cpu", "gpu" or "gpu:N"')
    options = parser.parse_args(arguments)
    errors.check_count("--seed", options.seed, 0)
    device = backend.get(options.device)
    print(f"{'case':<24} {'tensor':<7} {'shape':<13} {'n':>4} {'error':>9}   worst entry")
    rows = [row for case in each(cases(), "gradients") for row in check(case, options.seed, device)]
    bad = [row for row in rows if row.wrong]
    for row in rows:
        print(f"{row}\n    {row.finding}" if row.finding else row)
    largest = max(row.error for row in rows)
    print(f"{len(rows)} tensors, largest error {largest:.1e}, {len(bad)} above {TOLERANCE:.0e}")
    return 1 if bad else 0


if __name__ == "__main__":
    open_output()
    sys.exit(main())
