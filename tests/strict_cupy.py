"""A stand-in for CuPy that computes with NumPy, does what CuPy does and refuses what it refuses.

As CuPy: whole numbers in index arrays wrap around at the end of an axis, so that only a check sees them; `asarray` of an
array that is there already is the same array; only numbers and booleans enter. It refuses

- mixing with NumPy arrays or NumPy scalars, implicit conversion to them, float(), int(), bool(), item(), iteration;
- boolean indexing, whose result has a size that only the GPU knows;
- keywords, lists and forms of a call that CuPy does not take, or that need a number only the GPU knows.

Stricter than CuPy, on purpose: float32 that meets float64, turns into it or is filled with it without being asked; and
functions that are not in FUNCTIONS (add a name there once CuPy is known to have it).
"""

import sys
import types

import numpy as np

__version__ = "stand-in"

FUNCTIONS = """
    abs absolute arange broadcast_to concatenate cos cosh einsum exp expm1 eye fmin full isfinite isnan log log1p maximum
    minimum moveaxis ones sin sinh sqrt stack take_along_axis tanh tri where zeros zeros_like
""".split()
METHODS = "all any max mean min reshape sum swapaxes take".split()


class StrictError(TypeError):
    pass


class ndarray:
    __array_ufunc__ = None  # NumPy then hands mixed arithmetic to us, and we refuse it

    def __init__(self, a):
        self._a = a

    shape = property(lambda self: self._a.shape)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    dtype = property(lambda self: self._a.dtype)
    T = property(lambda self: ndarray(self._a.T))

    def astype(self, dtype):
        return ndarray(self._a.astype(dtype))

    def copy(self):
        return ndarray(self._a.copy())

    def __len__(self):
        return len(self._a)

    def __getitem__(self, index):
        return ndarray(np.asarray(self._a[_index(index, self._a.shape)]))

    def __setitem__(self, index, value):
        if isinstance(value, (list, tuple)):
            raise StrictError("CuPy takes no lists")
        _keeps_precision("an assignment", self, value)
        self._a[_index(index, self._a.shape)] = _bare(value)

    def _refuse(self, *_, **__):
        raise StrictError(
            "this would bring a number home from the GPU and stall it: use to_numpy where it is meant"
        )

    __array__ = __float__ = __int__ = __index__ = __bool__ = __iter__ = __contains__ = item = (
        tolist
    ) = get = _refuse


def _index(index, shape):
    """The index for NumPy: whole numbers in arrays wrap around, as they do in CuPy."""
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if isinstance(part, ndarray) and part.dtype == bool:
            raise StrictError("boolean indexing needs a size that only the GPU knows")
        if not (
            part is None
            or part is Ellipsis
            or isinstance(part, (ndarray, slice))
            or type(part) is int
        ):
            raise StrictError(f"an index of type {type(part).__name__} among GPU arrays")
    used = sum(part is not None and part is not Ellipsis for part in parts)
    axis, bare = 0, []
    for part in parts:
        array = isinstance(part, ndarray)
        bare.append(part._a % shape[axis] if array and shape[axis] else _bare(part))
        axis += 0 if part is None else len(shape) - used if part is Ellipsis else 1
    return tuple(bare) if isinstance(index, tuple) else bare[0]


def _keeps_precision(what, kept, given):
    if kept.dtype == np.float32 and "float64" in _floats(given):
        raise StrictError(
            f"float64 became float32 in {what}: somewhere before it was computed twice as slowly for nothing"
        )


def _bare(x):
    if isinstance(x, ndarray):
        return x._a
    if isinstance(x, (np.ndarray, np.generic)):
        raise StrictError(f"a NumPy {type(x).__name__} among GPU arrays")
    if isinstance(x, (list, tuple)):
        return type(x)(map(_bare, x))
    return x


def _floats(x):
    if isinstance(x, ndarray):
        return {x.dtype.name} & {"float32", "float64"}
    return set().union(*map(_floats, x)) if isinstance(x, (list, tuple)) else set()


def _strict(function):
    name = getattr(function, "__name__", str(function))

    def wrapped(*args, **kwargs):
        if unknown := kwargs.keys() - {"axis", "dtype", "keepdims"}:
            raise StrictError(f"{name} of CuPy does not take {', '.join(sorted(unknown))}")
        if name not in ("concatenate", "stack") and any(isinstance(a, list) for a in args):
            raise StrictError(f"{name} of CuPy takes no lists")
        if (name == "where" and len(args) != 3) or (
            name == "arange" and any(isinstance(a, ndarray) for a in args)
        ):
            raise StrictError(f"{name} would need to know numbers that only the GPU knows")
        came = _floats([*args, *kwargs.values()])
        if name.startswith("__i") and name != "__invert__":
            _keeps_precision(name, *args)
        if name == "take":
            axis = kwargs.get("axis")
            args = (
                args[0],
                ndarray(args[1]._a % (args[0].size if axis is None else args[0].shape[axis])),
            )
        result = function(*map(_bare, args), **{key: _bare(value) for key, value in kwargs.items()})
        if result is NotImplemented or result is None:
            return result
        result = np.asarray(result)
        if "float32" in came and result.dtype == np.float64 and kwargs.get("dtype") is None:
            raise StrictError(f"float32 became float64 in {name}")
        return ndarray(result)

    return wrapped


for _name in METHODS:
    setattr(ndarray, _name, _strict(getattr(np.ndarray, _name)))
for _name in "add sub mul truediv floordiv mod pow matmul and or xor lt le gt ge eq ne".split():
    for _prefix in ("", "r", "i"):
        if hasattr(np.ndarray, f"__{_prefix}{_name}__"):
            setattr(
                ndarray,
                f"__{_prefix}{_name}__",
                _strict(getattr(np.ndarray, f"__{_prefix}{_name}__")),
            )
for _name in ("neg", "abs", "invert"):
    setattr(ndarray, f"__{_name}__", _strict(getattr(np.ndarray, f"__{_name}__")))
for _name in FUNCTIONS:
    setattr(sys.modules[__name__], _name, _strict(getattr(np, _name)))


def asarray(x, dtype=None):
    """The way in: NumPy arrays of numbers are welcome here. An array that is there already stays the same."""
    if isinstance(x, ndarray) and dtype in (None, x.dtype):
        return x
    x = np.array(x._a if isinstance(x, ndarray) else x, dtype=dtype)
    if x.dtype.kind not in "fiubc":
        raise StrictError(f"CuPy has no arrays of {x.dtype}")
    return ndarray(x)


def asnumpy(x):
    """The way out."""
    return x._a.copy()


class _Add:
    @staticmethod
    def at(out, index, values):
        np.add.at(out._a, _index(index, out.shape), _bare(values))


add = _Add()


class _Device:
    used = []

    def __init__(self, index):
        if index > 0:
            raise RuntimeError(f"cudaErrorInvalidDevice: invalid device ordinal {index}")
        self.index = index

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def use(self):
        self.used.append(self.index)


class _Event:
    done = False  # as if the card had work left

    def record(self):
        pass


cuda = types.SimpleNamespace(
    Device=_Device,
    Event=_Event,
    get_current_stream=lambda: types.SimpleNamespace(synchronize=lambda: None),
    runtime=types.SimpleNamespace(getDeviceProperties=lambda index: {"name": b"stand-in"}),
)


def __getattr__(name):
    if name.startswith("__") or not hasattr(np, name):
        raise AttributeError(f"module 'cupy' has no attribute {name!r}")
    raise AttributeError(
        f"{name}: the library has not needed it; add it to FUNCTIONS in tests/strict_cupy.py if CuPy has it"
    )
