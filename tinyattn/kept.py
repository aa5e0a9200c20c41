"""What is kept on disk: written whole or not at all, and told apart by what made it."""

import ast
import contextlib
import hashlib
import json
import math
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable
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
    unfinished = path.with_name(
        f".{secrets.token_hex(8)}.part"
    )  # its own, and a name of any length has room for it
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
        why = (
            "there is a file of that name"
            if isinstance(error, FileExistsError)
            else getattr(error, "strerror", error)
        )
        raise InputError(
            f"{name}: expected a folder that can be written, got {folder} ({why})"
        ) from None


def check_file(name: str, path: Path) -> None:
    """Make the folder of a file, or raise InputError if a file of that name cannot be written there."""
    is_folder = False
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        pass  # of which `check_writable` tells
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", error)
        raise InputError(
            f"{name}: expected that of a file, got {shown(str(path))} ({why})"
        ) from None
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
        raise InputError(
            f"{name}: expected what JSON can hold, got {shown(value)} ({error})"
        ) from None


def _as_json(value, gaps):
    if isinstance(value, dict):
        return {
            key.item() if isinstance(key, np.generic) else key: _as_json(item, gaps)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_as_json(item, gaps) for item in value]
    if isinstance(
        value, np.floating
    ):  # of more than double precision too, whose tolist() is itself
        value = float(value)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufUSO":
        return _as_json(value.tolist(), gaps)
    if isinstance(value, Path):
        return str(value)
    return None if gaps and isinstance(value, float) and not math.isfinite(value) else value


def _digest(files):
    """A digest of what stands in files."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


# Read when the library is loaded: files that are edited later are not what this process computes with.
_FILES = sorted(
    file for file in Path(__file__).parent.rglob("*.py") if file.is_file()
)  # no editor's lock, no folder
LIBRARY = _digest(_FILES)


def source_digest(module: Any) -> str:
    """A digest of the file of a module; "" where there is none."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        return _digest([Path(module.__file__)])
    return ""


def code_of(thing: Any) -> str:
    """The name of a function, or of the class of an object, and a digest of the file in which it stands.

    What it closes over and what it imports are not told.
    """
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__} {source_digest(sys.modules.get(named.__module__))[:16]}"


def made_by(name: str, function: Any) -> dict[str, str]:
    """What a function's results depend on besides its arguments: its name, a digest of its files, one of this library.

    Its files are the one in which it stands and those of the caller's own that this one imports, at
    any depth and in whatever line, from the folder of the script or of the outermost package.

    name: of the argument. Raises InputError unless function is found by its name in a module that
    has a file, as no lambda, closure, partial, object or function of a session is.
    """
    owner = getattr(function, "__self__", None)
    module: Any
    if isinstance(owner, type):  # a classmethod
        module, path = owner.__module__, f"{owner.__qualname__}.{function.__name__}"
    else:
        module, path = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    found: Any = sys.modules.get(module)
    file = getattr(found, "__file__", None)
    for part in path.split("."):
        found = getattr(found, part, None)
    if file is None or found != function:
        raise InputError(
            f"{name}: expected a function of a file, found there by its name, for its results to be kept, got {shown(function)}"
        )
    package = getattr(sys.modules[module], "__package__", None) or ""
    return {"name": path, "code": _code_digest(Path(file), package), "library": LIBRARY}


def _code_digest(file, package):
    """A digest of a file of code and of the files that it imports, at any depth, below the folder of its package."""
    file = file.resolve()
    root = file.parents[len(package.split(".")) if package else 0]
    installed = root.name in (
        "site-packages",
        "dist-packages",
    )  # where all else is not the caller's
    held = root / package.split(".")[0] if installed else root
    seen, new = set(), {file}
    while new:
        seen |= new
        new = {
            imported
            for one in new
            for imported in _imported(one, root)
            if imported.is_relative_to(held)
        } - seen
    return _digest(sorted(seen))


def _imported(file, root):
    """The files below root that a file imports, in whatever line: modules, packages, and submodules named after `from`."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:  # which its own import would tell
        return
    here = file.relative_to(root).parent.parts
    for node in ast.walk(tree):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else ()
            base = (*base, *(node.module.split(".") if node.module else ()))
            names = [(*base, alias.name) for alias in node.names]
        for parts in names:
            for n in range(1, len(parts) + 1):
                place = root.joinpath(*parts[:n])
                yield from (
                    found
                    for found in (place.with_suffix(".py"), place / "__init__.py")
                    if found.is_file()
                )
