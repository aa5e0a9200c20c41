"""Bad input: one line that names the argument, what was expected and what came."""

import math
import numbers

import numpy as np


class InputError(ValueError):
    """A setting or an array that cannot be used; nothing has been changed when it is raised."""


def check_count(name, value, least=1):
    """Return `value` as an int, or raise InputError unless it is a whole number >= least."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise InputError(f"{name}: expected a whole number >= {least}, got {value!r}")
    return int(value)


def check_number(name, value, *, above=None, least=None, below=None, most=None):
    """Return `value` as a float, or raise InputError unless it is finite and inside the bounds given."""
    bounds = [(">", above), (">=", least), ("<", below), ("<=", most)]
    wanted = " ".join(["a finite number", *(f"{sign} {bound}" for sign, bound in bounds if bound is not None)])
    ok = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    ok = ok and (above is None or value > above) and (least is None or value >= least)
    ok = ok and (below is None or value < below) and (most is None or value <= most)
    if not ok:
        raise InputError(f"{name}: expected {wanted}, got {value!r}")
    return float(value)


def check_ids(name, ids, size):
    """Return `ids`, or raise InputError unless it is an integer array with entries in 0..size-1.

    Entries are looked at only on the host (a NumPy array): reading them from a GPU would stall it, so ids are
    checked before they are put there.
    """
    if not hasattr(ids, "dtype") or ids.dtype.kind not in "iu":
        got = f"dtype {ids.dtype}" if hasattr(ids, "dtype") else type(ids).__name__
        raise InputError(f"{name}: expected an integer array, got {got}")
    if isinstance(ids, np.ndarray) and ids.size and not 0 <= ids.min() <= ids.max() < size:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise InputError(f"{name}: expected ids in 0..{size - 1}, got {wrong}")
    return ids


def check_shape(name, array, expected):
    """Raise InputError unless array.shape fits `expected`, a tuple of sizes in which None allows any."""
    if not hasattr(array, "shape"):
        raise InputError(f"{name}: expected an array, got {type(array).__name__}")
    fits = len(array.shape) == len(expected) and all(e in (None, n) for n, e in zip(array.shape, expected))
    if not fits:
        wanted = str(tuple(expected)).replace("None", "any")
        raise InputError(f"{name}: expected shape {wanted}, got {tuple(array.shape)}")
