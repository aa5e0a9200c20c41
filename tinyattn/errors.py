"""Bad input: one line that names the argument, what was expected and what came."""

import math
import numbers
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
WIDE = (np.dtype("float32"), np.dtype("float64"))


class InputError(ValueError):
    """A setting or an array that cannot be used; nothing has been changed when it is raised."""


class Failure(RuntimeError):
    """A run that could not finish though its input was right. A program tells it in one line."""


def check_count(
    name: str, value: Any, minimum: int = 1, maximum: int | None = None, below: int | None = None
) -> int:
    """Return `value` as an int, or raise InputError unless it is whole and within the bounds.

    maximum: 2^53 unless it or `below` is given.
    """
    maximum = maximum if below is None else below - 1
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < minimum or value > (2**53 if maximum is None else maximum):
        within = f">= {minimum}" if maximum is None else f"in {minimum}..{maximum}"
        raise InputError(f"{name}: expected a whole number {within}, got {shown(value)}")
    return int(value)


def keep_counts(settings: Any, *names: str, minimum: int = 1) -> None:
    """Check counts of a frozen dataclass and keep them as Python's ints, which do not overflow."""
    for name in names:
        object.__setattr__(settings, name, check_count(name, getattr(settings, name), minimum))


def check_number(
    name: str, value: Any, *, above=None, minimum=None, below=None, maximum=None
) -> float:
    """Return `value` as a float, or raise InputError unless it is finite and within the bounds."""
    number = math.nan
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and _finite(value):
        number = float(value)
    ok = not math.isnan(number)
    ok = ok and (above is None or number > above)
    ok = ok and (minimum is None or number >= minimum)
    ok = ok and (below is None or number < below)
    ok = ok and (maximum is None or number <= maximum)
    if not ok:
        bounds = [(">", above), (">=", minimum), ("<", below), ("<=", maximum)]
        within = " and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
        wanted = f"a finite number {within}".rstrip()
        raise InputError(f"{name}: expected {wanted}, got {shown(value)}")
    return number


def check_choice(name: str, value: Any, choices) -> Any:
    """Return `value`, or raise InputError unless it is one of the strings `choices`."""
    if not isinstance(value, str) or value not in choices:
        *some, last = (f'"{choice}"' for choice in choices)
        wanted = f"{', '.join(some)} or {last}" if some else last
        raise InputError(f"{name}: expected {wanted}, got {shown(value)}")
    return value


def check_generator(name: str, rng: Any) -> np.random.Generator:
    """Return `rng`, or raise InputError unless it is NumPy's Generator."""
    if not isinstance(rng, np.random.Generator):
        wanted = "a numpy.random.Generator, such as np.random.default_rng(0)"
        raise InputError(f"{name}: expected {wanted}, got {shown(rng)}")
    return rng


def check_instance(name: str, value: Any, kind: type[T]) -> T:
    """Return `value`, or raise InputError unless it is an instance of `kind`, such as a cache."""
    if not isinstance(value, kind):
        raise InputError(f"{name}: expected {kind.__name__}, got {shown(value)}")
    return value


def check_pair_of(name: str, what: str, returned: Any) -> Any:
    """Return what a caller's function returned, or raise InputError unless it is a tuple of two."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise InputError(f"{name}: expected a return of two, {what}, got {shown(returned)}")
    return returned


def check_function(name: str, value: Any, what: str = "a function") -> Any:
    """Return `value`, or raise InputError unless it can be called."""
    if not callable(value):
        raise InputError(f"{name}: expected {what}, got {shown(value)}")
    return value


def check_array(name: str, array: Any) -> Any:
    """Return `array`, or raise InputError unless it is an array or a number of NumPy or CuPy.

    Subclasses of numpy.ndarray pass, except matrices and masked arrays.
    """
    if not is_array(array):
        raise InputError(f"{name}: expected an array of NumPy or CuPy, got {type(array).__name__}")
    return array


def is_array(array: Any) -> bool:
    """Whether `check_array` lets it pass."""
    if type(array) is np.ndarray:
        return True
    module = sys.modules.get(type(array).__module__.partition(".")[0])
    kinds = (np.ndarray, np.generic, getattr(module, "ndarray", np.ndarray))
    return isinstance(array, kinds) and not isinstance(array, (np.matrix, np.ma.MaskedArray))


def check_floats(name: str, array: Any, shape: tuple | None = None, axes: int = 0) -> Any:
    """Return `array`, or raise InputError unless it holds float32 or wider, of this shape.

    `axes` is the minimum number of axes; `shape` is as in `check_shape`.
    """
    plain = type(array) is np.ndarray and array.dtype in WIDE
    if plain and array.ndim >= axes and shape in (None, array.shape):
        return array  # at once: every operation asks for it
    check_array(name, array)
    if array.dtype.kind != "f" or array.dtype.itemsize < 4:
        raise InputError(f"{name}: expected float32 or float64, got {array.dtype}")
    if array.ndim < axes:
        raise InputError(f"{name}: expected at least {axes} axes, got shape {tuple(array.shape)}")
    if shape is not None:
        check_shape(name, array, shape)
    return array


def check_ids(name: str, ids: Any, below: int | None = None) -> Any:
    """Return `ids` as int64, or raise InputError unless it is an integer array, in 0..below-1.

    Without `below` any integer passes. Only the host reads the entries: reading them would stall a
    GPU. Check ids before you put them there.
    """
    check_array(name, ids)
    if ids.dtype.kind not in "iu":
        raise InputError(f"{name}: expected an integer array, got dtype {ids.dtype}")
    on_host = isinstance(ids, (np.ndarray, np.generic))
    if below is not None and on_host and ids.size and not 0 <= ids.min() <= ids.max() < below:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise InputError(f"{name}: expected ids in 0..{below - 1}, got {wrong}")
    return ids if ids.dtype == np.int64 else ids.astype("int64")


def check_shape(name: str, array: Any, expected: tuple) -> None:
    """Raise InputError unless array.shape is `expected`, a tuple of sizes; None allows any."""
    check_array(name, array)
    if array.shape == expected:
        return
    same = all(e in (None, n) for n, e in zip(array.shape, expected))
    if not same or len(array.shape) != len(expected):
        wanted = str(tuple(expected)).replace("None", "any")
        raise InputError(f"{name}: expected shape {wanted}, got {tuple(array.shape)}")


def check_some(name: str, array: Any) -> Any:
    """Return `array`, or raise InputError if it has no entries."""
    if not check_array(name, array).size:
        raise InputError(f"{name}: expected at least one entry, got shape {tuple(array.shape)}")
    return array


def check_mask(name: str, array: Any) -> Any:
    """Return `array`, or raise InputError unless it holds booleans, and no row of False alone.

    It says which keys (the last axis) a query sees; only the host reads its entries.
    """
    if check_array(name, array).dtype.kind != "b":
        raise InputError(f"{name}: expected a boolean array, got {array.dtype}")
    if isinstance(array, np.ndarray) and array.ndim and not array.any(axis=-1).all():
        query = [int(i[0]) for i in np.nonzero(~array.any(axis=-1))]
        raise InputError(f"{name}: expected a key for every query, got none at query {query}")
    return array


def check_scalar(name: str, value: Any) -> Any:
    """Return `value`, or raise InputError unless it is a number or a 0-d array of floats."""
    return check_floats(name, value, ()) if hasattr(value, "dtype") else check_number(name, value)


def check_dict(name: str, value: Any, keys) -> Any:
    """Return `value`, or raise InputError unless it is a dict with exactly these keys."""
    if not isinstance(value, Mapping):
        raise InputError(f"{name}: expected a dict, got {shown(value)}")
    if value.keys() != (keys.keys() if isinstance(keys, dict) else set(keys)):
        got = ", ".join(map(str, value)) or "none"
        raise InputError(f"{name}: expected the keys {', '.join(keys)}, got {got}")
    return value


def check_params(name: str, params: Any, shapes: dict[str, tuple]) -> Any:
    """Return `params`, or raise InputError unless they are arrays of floats as `shapes` says."""
    check_dict(name, params, shapes)
    for key, shape in shapes.items():
        check_floats(key, params[key], shape)
    return params


def check_float_dict(name: str, value: Any) -> Any:
    """Return `value`, or raise InputError unless it is a dict of at least one array of floats."""
    if not isinstance(value, Mapping) or not value:
        raise InputError(f"{name}: expected a dict of arrays, got {shown(value)}")
    for key, array in value.items():
        check_floats(f"{name}[{key!r}]", array)
    return value


def host_floats(
    name: str, values: Any, shape: tuple | None = None, finite: bool = False
) -> np.ndarray:
    """`values`, anything that holds real numbers, as a new float64 array (...) of NumPy.

    Raises InputError unless it does and fits `shape`. With `finite`, NaN and infinity are refused.
    """
    try:
        array = np.array(values)
        if array.dtype.kind not in "fiub" or isinstance(values, np.ma.MaskedArray):
            raise TypeError
    except (TypeError, ValueError):
        raise InputError(f"{name}: expected an array of numbers, got {shown(values)}") from None
    array = array.astype(np.float64, order="C")
    if shape is not None:
        check_shape(name, array, shape)
    if finite and not np.isfinite(array).all():
        raise InputError(f"{name}: expected finite numbers, got {shown(array)}")
    return array


def shown(value: Any) -> str:
    """What came, in one short line."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, threshold=6, edgeitems=2, separator=", ")
    else:
        text = str(value) if isinstance(value, type) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def first_line(error: BaseException) -> str:
    """The kind of an error and the first line that it says, if it can say anything."""
    try:
        lines = str(error).split("\n")
    except Exception:
        lines = []
    said = [line.strip() for line in lines if line.strip()]
    return ": ".join([type(error).__name__, *said[:1]])


def _finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the range of floats
        return False
