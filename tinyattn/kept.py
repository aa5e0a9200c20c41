"""What is kept on disk: written whole or not at all, and told apart by what made it."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pickle
import sys
import tempfile
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from .errors import InputError, shown


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Let write(file) fill a file beside `path`, wait until it is on the disk, and only then put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with open(unfinished, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # a folder cannot be opened everywhere
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_writable(name: str, folder: Path) -> None:
    """Make the folder, or raise InputError now, before any work is done, if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        why = "there is a file of that name" if isinstance(error, FileExistsError) else getattr(error, "strerror", error)
        raise InputError(f"{name}: expected a folder that can be written, got {folder} ({why})") from None


def plain(name: str, value: Any) -> Any:
    """The value as it comes back from JSON, the same whether fresh or kept; floats to the last bit."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected what JSON can hold, got {shown(value)} ({error})") from None


@functools.cache
def library() -> str:
    """A digest of this library's code: what an edited gradient would change is made again."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return _digest(b"".join(file.read_bytes() for file in files))


def source_digest(module: Any) -> str:
    """Of a module of the caller's own, a digest of its file; "" for an installed one, or where there is no file."""
    file = getattr(module, "__file__", None)
    if file is None or _installed(module):
        return ""
    with contextlib.suppress(OSError):
        return _digest(Path(file).read_bytes())
    return ""


def fingerprint(name: str, thing: Any, strict: bool = True) -> str:
    """A digest of a function or a value by all that it is made of, the same in every process.

    Of a function that is its code, what it closes over, its defaults, and every global that its code names; and of those
    likewise. What belongs to Python, to this library (see `library`) or to an installed package counts by its name.
    With `strict` raises InputError where a part cannot be told apart from others of its kind. Without, what can change
    while a program runs (a list, an array, an open file) counts by its type alone.
    """
    return _digest(json.dumps(_Teller(name, strict).tell(thing)).encode())


class _Teller:
    """What a thing is made of, as a nest of lists and strings."""

    def __init__(self, name, strict):
        self.name, self.strict, self.told = name, strict, {}

    def tell(self, thing):
        if thing is None or thing is ... or type(thing) in (bool, int, float, complex, str, bytes):
            return repr(thing)
        if id(thing) not in self.told:
            self.told[id(thing)] = thing, "itself"  # while it is being told, and for as long as its id must not be reused
            self.told[id(thing)] = thing, self._tell(thing)
        return self.told[id(thing)][1]

    def all(self, things):
        return [self.tell(thing) for thing in things]

    def _tell(self, thing):
        kind = type(thing).__qualname__
        if isinstance(thing, types.ModuleType):
            return [kind, thing.__name__, source_digest(thing)]
        if isinstance(thing, (type, types.FunctionType)) and _installed(sys.modules.get(thing.__module__)):
            return [kind, thing.__module__, thing.__qualname__]
        if isinstance(thing, types.FunctionType):
            names = [name for name in _names(thing.__code__) if name in thing.__globals__]
            inside = [_content(cell) for cell in thing.__closure__ or ()]
            parts = [thing.__code__, *inside, thing.__defaults__, thing.__kwdefaults__, *map(thing.__globals__.get, names)]
            return [kind, names, self.all(parts)]
        if isinstance(thing, types.CodeType):
            return [kind, thing.co_code.hex(), thing.co_names, thing.co_varnames, self.all(thing.co_consts)]
        if isinstance(thing, functools.partial):
            return [kind, self.all((thing.func, thing.args, thing.keywords))]
        if isinstance(thing, types.MethodType):
            return [kind, self.all((thing.__func__, thing.__self__))]
        if isinstance(thing, type):
            return [kind, thing.__qualname__, source_digest(sys.modules.get(thing.__module__))]
        if isinstance(thing, tuple):
            return [kind, self.all(thing)]
        if isinstance(thing, frozenset):
            return [kind, sorted(map(repr, thing))]
        if dataclasses.is_dataclass(thing):
            return [self.tell(type(thing)), self.all(getattr(thing, field.name) for field in dataclasses.fields(thing))]
        if not self.strict:
            return [kind]
        if isinstance(thing, dict):
            return [kind, self.all(thing), self.all(thing.values())]
        if isinstance(thing, list):
            return [kind, self.all(thing)]
        try:
            return [self.tell(type(thing)), _digest(pickle.dumps(thing))]
        except Exception as error:
            raise InputError(
                f"{self.name}: expected one whose results can be kept, all of its parts being told from others, "
                f"got {shown(thing)} in it ({error})"
            ) from None


def _names(code):
    """The global names that a function's code, or that of a function inside it, may read."""
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return sorted({*code.co_names, *(name for part in inner for name in _names(part))})


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:  # not yet filled
        return None


def _installed(module):
    """Whether a module is Python's, this library's or an installed package's."""
    if module is None:
        return False
    root, file = module.__name__.partition(".")[0], getattr(module, "__file__", None) or ""
    return root in sys.stdlib_module_names | {__package__} or bool({"site-packages", "dist-packages"} & set(Path(file).parts))


def _digest(content):
    return hashlib.sha256(content).hexdigest()
