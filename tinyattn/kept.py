"""What is kept on disk: written whole or not at all, and told apart by what made it."""

import contextlib
import dataclasses
import dis
import functools
import hashlib
import importlib
import json
import math
import os
import secrets
import stat
import sys
import sysconfig
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .errors import InputError, shown


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Let write(file) fill a file beside `path`, or beside what it is a link to, sync it to disk, and rename it.

    Raises OSError with the path where it cannot be written, on a full disk say.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{secrets.token_hex(8)}.part")  # its own, and a name of any length has room for it
    try:
        with open(unfinished, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    with contextlib.suppress(OSError):  # a folder cannot be opened everywhere
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_writable(name: str, folder: Path) -> None:
    """Make the folder, or raise InputError if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        why = "there is a file of that name" if isinstance(error, FileExistsError) else getattr(error, "strerror", error)
        raise InputError(f"{name}: expected a folder that can be written, got {folder} ({why})") from None


def check_file(name: str, path: Path) -> None:
    """Make the folder of a file, or raise InputError if a file of that name cannot be written there."""
    is_folder = False
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        pass  # of which `check_writable` tells
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", error)
        raise InputError(f"{name}: expected that of a file, got {shown(str(path))} ({why})") from None
    if is_folder:
        raise InputError(f"{name}: expected that of a file, got the folder {path}")
    check_writable(name, Path(os.path.realpath(path)).parent)


def write_text(path: Path, text: str) -> None:
    """`write_whole` of a text, in UTF-8."""
    write_whole(path, lambda file: file.write(text.encode("utf-8", "replace")))


def write_figure(path: Path, figure: Any) -> None:
    """`write_whole` of a figure of matplotlib, as PNG."""
    write_whole(path, lambda file: figure.savefig(file, format="png"))


def set_aside(*paths: Path) -> None:
    """Move these files, if they are there, into their folder's subfolder `earlier`: a new run overwrites none."""
    for path in paths:
        if path.is_file():
            (path.parent / "earlier").mkdir(exist_ok=True)
            path.replace(path.parent / "earlier" / path.name)


def plain(name: str, value: Any, gaps: bool = False) -> Any:
    """The value as it comes back from JSON, the same whether fresh or kept; floats to the last bit.

    NumPy numbers and arrays, paths and tuples become what JSON has. NaN and infinity, which it has
    not, are refused; with `gaps` they become null.

    Raises InputError for what JSON cannot hold.
    """
    try:
        return json.loads(json.dumps(_as_json(value, gaps), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected what JSON can hold, got {shown(value)} ({error})") from None


def _as_json(value, gaps):
    if isinstance(value, dict):
        return {key.item() if isinstance(key, np.generic) else key: _as_json(item, gaps) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item, gaps) for item in value]
    if isinstance(value, np.floating):  # of more than double precision too, whose tolist() is itself
        value = float(value)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufUSO":
        return _as_json(value.tolist(), gaps)
    if isinstance(value, Path):
        return str(value)
    return None if gaps and isinstance(value, float) and not math.isfinite(value) else value


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def source_digest(module: Any) -> str:
    """A digest of the file of a module; "" where there is none."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        return _digest(Path(module.__file__).read_bytes())
    return ""


# Read when the library is loaded: files that are edited later are not what this process computes with.
_FILES = sorted(file for file in Path(__file__).parent.rglob("*.py") if file.is_file())  # no editor's lock, no folder
_LIBRARY = _digest(b"".join(file.read_bytes() for file in _FILES))


def library() -> str:
    """A digest of this library's code: what an edited gradient would change is made again."""
    return _LIBRARY


def fingerprint(name: str, thing: Any, strict: bool = True) -> str:
    """A digest of a function or a value by all that it is made of, the same in every process.

    A function counts by its code, its closure, its defaults, and the globals, modules and classes
    of the caller's own that its code names, and these likewise. Python, this library (see
    `library`) and installed packages count by name. What is reached in other ways (os.environ,
    files, globals()["x"]) is not seen. With `strict`, raises InputError for a part that cannot be
    told from others of its kind. Without, what can change while a program runs (a list, an array, a
    file) counts by its type.
    """
    return _digest(json.dumps(_Describer(name, strict).describe(thing)).encode())


class _Describer:
    """What a thing is made of, as a nest of lists and strings. What comes again is told by its number."""

    def __init__(self, name, strict):
        self.name, self.strict, self.seen = name, strict, {}

    def describe(self, thing, names=()):
        """`names`: those that code reads; of a module only these count."""
        if thing is None or thing is ... or type(thing) in (bool, int, float, complex, str, bytes):
            return repr(thing)
        if isinstance(thing, types.ModuleType):
            return self._module(thing, names)
        if type(thing) in (tuple, frozenset, types.CodeType):  # constants: whether two are one object is chance
            return self._describe(thing, names)
        if id(thing) in self.seen:
            return ["number", self.seen[id(thing)][0]]
        self.seen[id(thing)] = len(self.seen), thing  # kept, for as long as its id must not be used again
        return self._describe(thing, names)

    def all(self, things, names=()):
        return [self.describe(thing, names) for thing in things]

    def named(self, namespace, names):
        """Of a dict by name, what code reads."""
        return [[name, self.describe(namespace[name], names)] for name in names if name in namespace]

    def _module(self, module, names):
        if _installed(module):
            return ["module", module.__name__]
        key = id(module), tuple(names)
        if key in self.seen:
            return ["number", self.seen[key][0]]
        self.seen[key] = len(self.seen), module
        return ["module", module.__name__, self.named(vars(module), names)]

    def _describe(self, thing, names):
        kind, state = type(thing).__qualname__, getattr(thing, "__dict__", None) or {}
        inside = [_content(cell) for cell in getattr(thing, "__closure__", None) or ()]
        if isinstance(thing, (type, types.FunctionType)) and _belongs(thing):
            return [kind, thing.__module__, thing.__qualname__, self.all(inside)]
        if isinstance(thing, types.FunctionType):
            names = _names(thing.__code__)
            parts = [thing.__code__, *inside, thing.__defaults__, thing.__kwdefaults__, dict(state)]
            imported = [_module_of(name) for name in _imports(thing.__code__)]
            return [kind, self.all(parts, names), self.named(thing.__globals__, names), self.all(imported, names)]
        if isinstance(thing, types.CodeType):
            counts = [thing.co_argcount, thing.co_posonlyargcount, thing.co_kwonlyargcount, thing.co_flags]
            variables = [thing.co_names, thing.co_varnames, thing.co_freevars, thing.co_cellvars]
            return [kind, thing.co_code.hex(), thing.co_exceptiontable.hex(), counts, variables, self.all(thing.co_consts)]
        if isinstance(thing, type):
            parts = {key: part for key, part in vars(thing).items() if _written(key, part)}
            return [kind, thing.__qualname__, self.all(thing.__bases__), list(parts), self.all(parts.values())]
        if isinstance(thing, types.MethodType):
            return [kind, self.all((thing.__func__, thing.__self__))]
        if isinstance(thing, (staticmethod, classmethod)):
            return [kind, self.describe(thing.__func__)]
        if isinstance(thing, property):
            return [kind, self.all((thing.fget, thing.fset, thing.fdel))]
        if isinstance(thing, functools.partial):
            return [kind, self.all((thing.func, thing.args, thing.keywords, dict(state)))]
        if hasattr(thing, "__wrapped__"):  # as functools.lru_cache leaves it
            return [kind, self.describe(thing.__wrapped__)]
        of = [self.describe(type(thing)), self.all(thing, names) if isinstance(thing, (tuple, list)) else None]
        if isinstance(thing, (set, frozenset)):
            return [*of, sorted(map(json.dumps, self.all(thing)))]
        if isinstance(thing, tuple) or dataclasses.is_dataclass(thing):
            fields = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()
            slots = [getattr(thing, field.name, None) for field in fields]
            return [*of, self.all(slots), self.all(state), self.all(state.values())]
        if not self.strict:
            return of[:1]
        if isinstance(thing, dict):
            return [*of, self.all(thing, names), self.all(thing.values(), names), self.all(state.values())]
        if isinstance(thing, list):
            return [*of, self.all(state.values())]
        if type(thing) is np.ndarray and not thing.dtype.hasobject:
            return [*of, str(thing.dtype), list(thing.shape), _digest(np.ascontiguousarray(thing).tobytes())]
        try:
            reduced = thing.__reduce_ex__(4)
        except Exception as error:
            raise InputError(
                f"{self.name}: expected one whose results can be kept, all of its parts being told from others, "
                f"got {shown(thing)} in it ({error})"
            ) from None
        if isinstance(reduced, str):  # what pickle knows by its name
            return [*of, getattr(thing, "__module__", ""), reduced]
        return [*of, [self.describe(list(part) if isinstance(part, Iterator) else part) for part in reduced]]


def _written(key, part):
    """Whether an attribute of a class is its author's, and not what Python keeps there."""
    methods = (types.FunctionType, staticmethod, classmethod, property)
    return isinstance(part, methods) or not (key.startswith("__") or key == "_abc_impl")


def _names(code):
    """The names that a function's code, or that of a function inside it, may read."""
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return sorted({*code.co_names, *(name for part in inner for name in _names(part))})


def _imports(code):
    """The modules that a function's code, or that of a function inside it, imports itself."""
    own = [step.argval for step in dis.get_instructions(code) if step.opname == "IMPORT_NAME" and step.argval]
    return own + [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _imports(part)]


def _module_of(name):
    """The module of that name, imported; None where there is none."""
    with contextlib.suppress(ImportError):
        return importlib.import_module(name)


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:  # not yet filled
        return None


def _belongs(thing):
    """Whether a class or function belongs to an installed module, in which its name stands."""
    module = sys.modules.get(thing.__module__)
    return _installed(module) and hasattr(module, thing.__qualname__.partition(".")[0])


def _installed(module):
    """Whether a module is Python's, this library's or an installed package's."""
    if module is None:
        return False
    file = getattr(module, "__file__", None)
    if module.__name__.partition(".")[0] == __package__ or (file is None and module.__name__ != "__main__"):
        return True
    if file is None:
        return False
    path, python = Path(file).resolve(), Path(sysconfig.get_path("stdlib")).resolve()
    return bool({"site-packages", "dist-packages"} & set(path.parts)) or python in path.parents
