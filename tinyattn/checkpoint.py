"""Checkpoints of a long run: written whole or not at all, and read back to the last bit."""

import json
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .backend import to_numpy
from .errors import InputError, check_count


@dataclass(frozen=True)
class Checkpoint:
    """For `train`: where to keep the run, how often, and whether to continue what is there.

    path:     an .npz file. every: steps between two writes. resume: continue from it if it exists.
    settings: whatever JSON can hold; a run with other settings is refused.
    """

    path: Path
    every: int = 100
    resume: bool = False
    settings: dict = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "path", Path(self.path))
        check_count("every", self.every)
        try:
            json.dumps(self.settings)
        except TypeError as error:
            raise InputError(f"settings: expected what JSON can hold, got {self.settings} ({error})") from None

    def write(self, **tree):
        """Save a nest of dicts of arrays (from any device), numbers and strings; the file there before stays until then."""
        flat = dict(_flatten({"settings": json.dumps(self.settings, sort_keys=True), **to_numpy(tree)}))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(self.path.name + ".part")
        with open(unfinished, "wb") as file:
            np.savez(file, **flat)
        os.replace(unfinished, self.path)

    def read(self):
        """The nest of the last `write`, NumPy arrays and Python scalars; None if there is none or `resume` is False."""
        if not self.resume or not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as file:
                tree = _nest({key: file[key] for key in file.files})
            kept = json.loads(tree.pop("settings"))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"resume: expected a checkpoint in {self.path}, got a file that cannot be read ({why})") from None
        wanted = json.loads(json.dumps(self.settings))
        for name in sorted(wanted.keys() | kept.keys()):
            if kept.get(name) != wanted.get(name):
                raise InputError(f"resume: expected {name} = {kept.get(name)}, as in {self.path}, got {wanted.get(name)}")
        return tree


def _flatten(tree, path=""):
    for key, branch in tree.items():
        if "/" in key:
            raise InputError(f"{path}{key}: expected a name without /, got {key!r}")
        if isinstance(branch, dict):
            yield from _flatten(branch, f"{path}{key}/")
        else:
            yield f"{path}{key}", np.asarray(branch)


def _nest(flat):
    """0-d arrays come back as Python scalars, which never turn float32 into float64."""
    tree = {}
    for path, array in flat.items():
        *branches, leaf = path.split("/")
        where = tree
        for branch in branches:
            where = where.setdefault(branch, {})
        where[leaf] = array.item() if array.ndim == 0 else array
    return tree
