"""Checkpoints of a long run: written whole or not at all, read back to the last bit."""

import glob
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .backend import to_numpy
from .errors import InputError, check_array, check_count, check_instance, shown
from .kept import check_writable, plain, write_whole

_WORDS, _ARRAY = "words", "array/"  # members of the file: settings and all that is no array, and each array


@dataclass(frozen=True)
class Checkpoint:
    """For `train`: where to keep the run, how often, and whether to continue what is there.

    path:     an .npz file; its folder is made if need be. every: steps between two writes.
    resume:   continue from it if it exists.
    settings: whatever JSON can hold; a run with other settings is refused.
    """

    path: str | Path
    every: int = 100
    resume: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        try:
            object.__setattr__(self, "path", Path(self.path))
        except TypeError:
            raise InputError(f"path: expected a file's path, got {shown(self.path)}") from None
        check_count("every", self.every)
        check_instance("resume", self.resume, bool)
        object.__setattr__(self, "settings", plain("settings", check_instance("settings", self.settings, dict)))
        if self.file.is_dir():
            raise InputError(f"path: expected that of a file, got the folder {self.path}")
        check_writable("path", self.file.parent)

    @property
    def file(self) -> Path:
        """The file that it is written to."""
        return Path(self.path)

    def write(self, made: dict[str, Any] | None = None, /, **tree: Any) -> None:
        """Save a nest of dicts of arrays (from any device) and of what JSON can hold, replacing the file.

        made: what made it besides the settings, a dict of strings and numbers. `read` compares it.

        Raises InputError for a tree that holds what a file cannot.
        """
        for path, leaf in _flatten(tree):
            if hasattr(leaf, "dtype"):
                check_array(path, leaf)
        flat = dict(_flatten(to_numpy(tree)))
        made = plain("made", check_instance("made", {} if made is None else made, dict))
        for path, leaf in flat.items():
            if getattr(leaf, "dtype", np.dtype(bool)).kind not in "fiubcUS":
                raise InputError(f"{path}: expected an array of numbers or strings, got {leaf.dtype}")
        arrays = {path: leaf for path, leaf in flat.items() if isinstance(leaf, (np.ndarray, np.generic))}
        rest = {path: leaf for path, leaf in flat.items() if path not in arrays}
        try:
            words = json.dumps({"settings": self.settings, "made": made, "rest": rest})
        except TypeError as error:
            raise InputError(f"tree: expected arrays and what JSON can hold, got {shown(rest)} ({error})") from None
        members = {_WORDS: np.array(words), **{f"{_ARRAY}{path}": leaf for path, leaf in arrays.items()}}
        write_whole(self.file, lambda file: np.savez(file, **members))  # type: ignore[arg-type]
        for left in self.file.parent.glob(f".{glob.escape(self.file.name)}.*.part"):  # by a run that was killed as it wrote
            left.unlink(missing_ok=True)

    def read(self, made: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The nest of the last `write`, arrays as NumPy's; None without a file or with resume False.

        Raises InputError if the file cannot be read, or has other settings or another `made`.
        """
        if made is not None:
            made = plain("made", check_instance("made", made, dict))
        if not self.resume or not self.file.exists():
            return None
        try:
            with np.load(self.file, allow_pickle=False) as file:
                words = json.loads(str(file[_WORDS]))
                arrays = {path.removeprefix(_ARRAY): file[path] for path in file.files if path != _WORDS}
                tree = _nest({**words["rest"], **arrays})
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"resume: expected a checkpoint in {self.path}, got a file that cannot be read ({why})") from None
        wanted = [(words["settings"], self.settings), *([] if made is None else [(words["made"], made)])]
        for kept, now in wanted:
            for name in [name for name in {**kept, **now} if kept.get(name) != now.get(name)]:
                raise InputError(
                    f"resume: expected {name} = {shown(kept.get(name))}, as in {self.path}, got {shown(now.get(name))}"
                )
        return tree


def _flatten(tree, path=""):
    for key, branch in tree.items():
        if not isinstance(key, str) or "/" in key:
            raise InputError(f"{path}{key}: expected a name without /, got {key!r}")
        if isinstance(branch, dict) and branch:
            yield from _flatten(branch, f"{path}{key}/")
        else:
            yield f"{path}{key}", branch


def _nest(flat):
    tree: dict[str, Any] = {}
    for path, leaf in flat.items():
        *branches, name = path.split("/")
        where = tree
        for branch in branches:
            where = where.setdefault(branch, {})
        where[name] = leaf
    return tree
