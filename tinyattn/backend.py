"""NumPy or CuPy: which one, how arrays enter it and how they leave.

Everything above this file is written once. An operation asks its first array for its own module
(`namespace`) and never imports CuPy; a program asks `get(device)` once, brings arrays in with `put`
and out with `to_numpy`:

    device = backend.get("auto")
    params = device.put(model.init(rng), "float32")
    ...
    backend.to_numpy(params)
"""

import functools
import os
import re
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from .door import door
from .errors import InputError, check_array, check_floats, first_line

Array = Any  # numpy.ndarray or cupy.ndarray
Params = dict[str, Any]  # arrays by name, and what has the same names

# A number too small to tell from 0 is 0: the attention on a key far below the best, and all that
# is multiplied by it. A decorator for functions in which that is the design, regardless of
# np.seterr elsewhere.
underflow_is_zero = np.errstate(under="ignore")

INSTALL = 'pip install -e ".[gpu-cuda13]" (CUDA 12: ".[gpu-cuda12]")'


def namespace(x: Any) -> Any:
    """The module that made array `x`: numpy, cupy, or a stand-in with the same functions."""
    if isinstance(x, (np.ndarray, np.generic)):
        return np
    return sys.modules[type(check_array("x", x)).__module__.partition(".")[0]]


def _within(index, out):
    if not isinstance(index, np.ndarray) or not index.size:
        return index
    low, high, n = index.min(), index.max(), len(out)
    if not -n <= low <= high < n:
        raise InputError(f"index: expected places in {-n}..{n - 1}, got {low}..{high}")
    return index


@door("out some (N, *O), index ids (...), index = _within(index, out), values (..., *O) -> None")
def scatter_add(out: Any, index: Any, values: Any) -> None:
    """Add values into out[index], in place; -1 is the last row. Where an index repeats, all count.

    On a GPU the order of additions is free, so last bits may differ from run to run. NumPy's add.at
    adds one row at a time; sorting the rows by index and adding runs of equal ones is ten times
    faster.
    """
    xp = namespace(out)
    if xp is not np or not index.size:
        xp.add.at(out, index, values)
        return
    rows = index.reshape(-1).astype(np.int64) % len(out)  # -1 is the last row
    order = rows.argsort(kind="stable")
    rows = rows[order]
    first = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))
    out[rows[first]] += np.add.reduceat(values.reshape(-1, *out.shape[1:])[order], first)


def to_numpy(tree: Any) -> Any:
    """Bring arrays, or any nest of dicts, lists and tuples of them, to NumPy; pass the rest on."""
    return _map(_leave, tree)


def copied(tree: Any) -> Any:
    """The same nest with copies of its arrays. Callers' functions get copies and may spoil them."""
    return _map(lambda leaf: leaf.copy() if hasattr(leaf, "dtype") else leaf, tree)


@dataclass(frozen=True)
class Backend:
    """Where arrays live: `name` ("cpu" or "gpu:N") and `xp`, the module that computes there.

    A thread has one current GPU, and the last `get` chooses it; threads of a pool start on GPU 0.
    """

    name: str
    xp: Any

    def put(self, tree: Any, dtype: str | None = None) -> Any:
        """Bring NumPy arrays (any nest of dicts, lists and tuples) in, their floats as `dtype`.

        Without a dtype floats keep theirs. Python scalars and None pass through, so they never turn
        float32 into float64.

        Raises InputError for an array of anything but numbers and booleans, and for a dtype other
        than float32 or float64.
        """
        if dtype is not None:
            try:
                check_floats("dtype", np.empty(0, dtype))
            except TypeError:
                raise InputError(f"dtype: expected float32 or float64, got {dtype!r}") from None
        return _map(lambda leaf: self._enter(leaf, dtype), tree)

    def _enter(self, leaf, dtype):
        if not hasattr(leaf, "dtype"):
            return leaf
        if check_array("tree", leaf).dtype.kind not in "fiubc":
            raise InputError(f"tree: expected arrays of numbers, got dtype {leaf.dtype}")
        leaf = leaf.astype(dtype) if dtype and leaf.dtype.kind == "f" else leaf
        return self.xp.asarray(leaf) if isinstance(leaf, (np.ndarray, np.generic)) else leaf

    def synchronize(self):
        """Wait until all work is done. A GPU otherwise runs behind the program."""
        if self.xp is not np:
            self.xp.cuda.get_current_stream().synchronize()


def put_like(tree: Any, like: Any) -> Any:
    """Bring NumPy arrays (any nest of them) where the array `like` is."""
    return Backend("", namespace(check_array("like", like))).put(tree)


def get(device: str | None = None) -> Backend:
    """The backend for "auto", "cpu", "gpu" or "gpu:N".

    None means $TINYATTN_DEVICE, and "auto" where that is unset. "auto" takes the GPU if a test
    computation there is right, and otherwise says once on stderr why not. "gpu:N" becomes the
    current device of the calling thread.

    Raises InputError for an unknown name, and for "gpu" where no GPU works.
    """
    name = device
    if name is None:
        name = os.environ.get("TINYATTN_DEVICE") or "auto"
    if not isinstance(name, str) or not re.fullmatch(r"auto|cpu|gpu(:\d+)?", name):
        raise InputError(f'device: expected "auto", "cpu", "gpu" or "gpu:N", got {name!r}')
    if name == "cpu":
        return _cpu()
    index = int(name.partition(":")[2] or 0)
    trouble = _trouble_with_gpu(index)
    if trouble is None:
        import cupy

        cupy.cuda.Device(index).use()
        return Backend(f"gpu:{index}", cupy)
    if name != "auto":
        raise InputError(
            f"device: expected a working GPU for {name!r}, got: {trouble}. To install: {INSTALL}"
        )
    _say_once(f'tinyattn: device "auto" computes on the CPU with NumPy, because {trouble}.')
    return _cpu()


@functools.cache
def _cpu():
    """NumPy, with memory that stays.

    The C library of Linux returns freed memory to the system beyond twice the largest block it has
    freed so far, and then every pass of a training step pays for fresh pages. One block of just
    under 32 MiB, its ceiling, taken and freed here, raises that limit for the whole process; a step
    in cache-sized chunks gains up to a third.
    """
    np.empty(31 << 20, np.uint8)
    return Backend("cpu", np)


@functools.cache
def _trouble_with_gpu(index):
    """Why GPU `index` cannot be used, in one clause; None if it can.

    Only computing tells: CuPy imports happily without a driver, its is_available() may itself
    raise, and a library can be missing for matrix products alone. So run a compiled kernel and a
    product, and compare.
    """
    try:
        import cupy
    except Exception as error:  # a broken driver or library may raise anything
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            return "CuPy is not installed"
        return f"CuPy cannot be imported ({first_line(error).rstrip('.')})"
    try:
        x = np.linspace(-1, 1, 12).reshape(3, 4)
        with cupy.cuda.Device(index):
            there = cupy.exp(cupy.asarray(x))
            product = cupy.asnumpy(there @ there.T)
    except Exception as error:
        return f"CuPy found no working GPU {index} ({first_line(error).rstrip('.')})"
    if not np.allclose(product, np.exp(x) @ np.exp(x).T):
        return f"GPU {index} computed a wrong matrix product"
    return None


@functools.cache
def _say_once(sentence):
    from .terminal import say  # here, since it loads more than NumPy

    say(sentence)


def _leave(leaf):
    if not hasattr(leaf, "dtype"):
        return leaf
    xp = namespace(leaf)
    return np.asarray(leaf) if xp is np else xp.asnumpy(leaf)


def _map(function, tree):
    if isinstance(tree, dict):
        return {key: _map(function, branch) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        branches = [_map(function, branch) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return function(tree)
