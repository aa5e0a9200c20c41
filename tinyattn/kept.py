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
    """Let write(file) fill a file beside `path` (or beside what it links to), sync it, rename it.

    Raises OSError with the path where it cannot be written, on a full disk say.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Its own name, short enough wherever `path` has one of any length.
    unfinished = path.with_name(f".{secrets.token_hex(8)}.part")
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
        why = getattr(error, "strerror", error)
        if isinstance(error, FileExistsError):
            why = "there is a file of that name"
        got = f"{folder} ({why})"
        raise InputError(f"{name}: expected a folder that can be written, got {got}") from None


def check_file(name: str, path: Path) -> None:
    """Make the folder of a file, or raise InputError if a file of that name cannot be written."""
    is_folder = False
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        pass  # of which `check_writable` tells
    except (OSError, ValueError) as error:
        got = f"{shown(str(path))} ({getattr(error, 'strerror', error)})"
        raise InputError(f"{name}: expected that of a file, got {got}") from None
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
    """Move these files, where they exist, into `earlier` in their folder, safe from a new run."""
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
        got = f"{shown(value)} ({error})"
        raise InputError(f"{name}: expected what JSON can hold, got {got}") from None


def _as_json(value, gaps):
    if isinstance(value, dict):
        plain_key = lambda key: key.item() if isinstance(key, np.generic) else key
        return {plain_key(key): _as_json(item, gaps) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item, gaps) for item in value]
    if isinstance(value, np.floating):  # long doubles too: tolist() leaves them as they are
        value = float(value)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufUSO":
        return _as_json(value.tolist(), gaps)
    if isinstance(value, Path):
        return str(value)
    if gaps and isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _digest(files):
    """A digest of the contents of files."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


# Read when the library is loaded: this process does not compute with what files become later.
_FOUND = Path(__file__).parent.rglob("*.py")
_FILES = sorted(file for file in _FOUND if file.is_file())  # no editor's lock, no folder
LIBRARY = _digest(_FILES)


def source_digest(module: Any) -> str:
    """A digest of the file of a module; "" where there is none."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        return _digest([Path(module.__file__)])
    return ""


def code_of(thing: Any) -> str:
    """The name of a function, or of the class of an object, and a digest of the file that has it.

    What it closes over and what it imports are not told.
    """
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    digest = source_digest(sys.modules.get(named.__module__))
    return f"{named.__module__}.{named.__qualname__} {digest[:16]}"


def made_by(name: str, function: Any) -> dict[str, str]:
    """What a function's results depend on besides its arguments.

    That is its name, a digest of its files and one of this library. Its files are the one that has
    it and those of the caller's own that this one imports, at any depth and in any line, from the
    folder of the script or of the outermost package.

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
            f"{name}: expected a function of a file, found there by its name, "
            f"for its results to be kept, got {shown(function)}"
        )
    package = getattr(sys.modules[module], "__package__", None) or ""
    return {"name": path, "code": _code_digest(Path(file), package), "library": LIBRARY}


def digest_of_imports(script: Path) -> str:
    """A digest of this library and of all that a script imports from its folder, without itself."""
    script = script.resolve()
    return _digest([*_FILES, *(file for file in _code_files(script, "") if file != script)])


def _code_digest(file, package):
    """A digest of a file of code and of all that it imports below the folder of its package."""
    return _digest(_code_files(file.resolve(), package))


def _code_files(file, package):
    """A file of code and all that it imports below the folder of its package, sorted."""
    root = file.parents[len(package.split(".")) if package else 0]
    installed = root.name in ("site-packages", "dist-packages")  # all else is not the caller's
    held = root / package.split(".")[0] if installed else root
    seen, new = set(), [file]
    while new:
        one = new.pop()
        if one not in seen and (one == file or one.is_relative_to(held)):
            seen.add(one)
            new.extend(_imported(one, root))
    return sorted(seen)


def _imported(file, root):
    """The files below root that a file imports, in any line.

    These are modules, packages, and submodules named after `from`.
    """
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
            if node.module:
                base = (*base, *node.module.split("."))
            names = [(*base, alias.name) for alias in node.names]
        for parts in names:
            for n in range(1, len(parts) + 1):
                path = root.joinpath(*parts[:n])
                for found in (path.with_suffix(".py"), path / "__init__.py"):
                    if found.is_file():
                        yield found
