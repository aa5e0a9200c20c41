"""Checkpoints of a long run: written whole or not at all, read back to the last bit."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .backend import to_numpy
from .errors import InputError, check_array, check_count, check_instance, shown
from .kept import LIBRARY, check_file, plain, write_whole
from .terminal import Interrupted

# A member of the file: settings, all that is no array, and the paths of the arrays "0", "1", ...
_WORDS = "words"


@dataclass(frozen=True)
class Checkpoint:
    """For `train`: where to keep the run, how often, and whether to continue what is there.

    path:     an .npz file; its folder is made if need be.
    every:    steps between two writes.
    resume:   continue from it if it exists.
    settings: what JSON can hold; a run with other settings is refused.

    A run that is killed while it writes leaves what was there, and beside it a hidden .part file.
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
        settings = plain("settings", check_instance("settings", self.settings, dict))
        object.__setattr__(self, "settings", settings)
        check_file("path", self.file)

    @property
    def file(self) -> Path:
        """The file that it is written to."""
        return Path(self.path)

    def write(self, made: dict[str, Any] | None = None, /, **tree: Any) -> None:
        """Save a nest of dicts of arrays (from any device) and of what JSON can hold.

        It replaces the file.

        made: what made it besides the settings, a dict of strings and numbers. `read` compares it.

        Raises InputError for a tree that holds what a file cannot.
        """
        for path, leaf in _flatten(tree):
            if hasattr(leaf, "dtype"):
                check_array("/".join(path), leaf)
        made = plain("made", check_instance("made", {} if made is None else made, dict))
        paths, arrays, rest = [], [], []
        for path, leaf in _flatten(to_numpy(tree)):
            if not isinstance(leaf, (np.ndarray, np.generic)):
                rest.append((path, leaf))
            elif leaf.dtype.kind not in "fiubcUS":
                name = "/".join(path)
                raise InputError(
                    f"{name}: expected an array of numbers or strings, got {leaf.dtype}"
                )
            else:
                paths.append(path)
                arrays.append(leaf)
        described = {"settings": self.settings, "made": made, "rest": rest, "paths": paths}
        try:
            words = json.dumps(described)
        except TypeError as error:
            raise InputError(
                f"tree: expected arrays and what JSON can hold, got {shown(rest)} ({error})"
            ) from None
        members = {_WORDS: np.array(words), **{str(i): leaf for i, leaf in enumerate(arrays)}}
        write_whole(self.file, lambda file: np.savez(file, **members))  # type: ignore[arg-type]

    def read(self, made: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The nest of the last `write`, its arrays as NumPy's.

        None if there is no file, or resume is False.

        Raises InputError if the file cannot be read, or has other settings or another `made`.
        """
        if made is not None:
            made = plain("made", check_instance("made", made, dict))
        if not self.resume or not self.file.exists():
            return None
        try:
            with np.load(self.file, allow_pickle=False) as file:
                words = json.loads(str(file[_WORDS]))
                arrays = [(path, file[str(i)]) for i, path in enumerate(words["paths"])]
                tree = _nest([*words["rest"], *arrays])
                settings_then, made_then = dict(words["settings"]), dict(words["made"])
        except Exception as error:  # zip, NumPy and JSON raise many kinds for a damaged file
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"resume: expected a checkpoint in {self.path}, "
                f"got a file that cannot be read ({why})"
            ) from None
        self._compare(settings_then, self.settings)
        if made is not None:
            self._compare(made_then, made)
        return tree

    def _compare(self, kept, now):
        """Raise InputError for the first name that has another value now than in the file."""
        for name in {**kept, **now}:
            if kept.get(name) != now.get(name):
                raise InputError(
                    f"resume: expected {name} = {shown(kept.get(name))}, as in {self.path}, "
                    f"got {shown(now.get(name))}"
                )


class Keeper:
    """The keeping of one training run, for `train.train`.

    It reads what there is at the start, and writes on the way; without a checkpoint, neither.

    made: what the run depends on besides the checkpoint's settings, as JSON holds it; compared when
          it goes on. steps: its last step.
    """

    def __init__(self, checkpoint: Checkpoint | None, made: dict[str, Any], steps: int):
        self.checkpoint, self.steps, self.start = checkpoint, steps, 0
        self.made = {**made, "library": LIBRARY}

    def begin(self, title: str | None) -> dict[str, Any] | None:
        """params, state and history of the run that goes on, as they were at the step `start`.

        None for a new run. Raises InputError for what is no training run, or one with more steps.
        """
        kept = self.checkpoint.read(self.made) if self.checkpoint else None
        if kept is None or self.checkpoint is None:
            return None
        if not {"step", "params", "state"} <= kept.keys():
            names = ", ".join(kept) or "nothing"
            raise InputError(
                f"resume: expected a training run in {self.checkpoint.path}, got {names}"
            )
        self.start = kept["step"]
        if self.steps < self.start:
            raise InputError(
                f"steps: expected at least {self.start}, those already taken, got {self.steps}"
            )
        if title is not None:
            print(f"{title}: goes on from step {self.start}, kept in {self.checkpoint.path}")
        return {"history": {}, **kept}

    def due(self, step: int) -> bool:
        """Whether the run is to be kept as of the top of this step."""
        if self.checkpoint is None or step <= self.start:
            return False
        return step % self.checkpoint.every == 0 or step == self.steps

    def keep(self, step: int, history: dict[str, Any], **tree: Any) -> None:
        """Write the run as of the top of this step. Raises NotFinite for a NaN or an infinity."""
        if self.checkpoint is None:
            return
        tree = to_numpy(tree)
        for path, leaf in _flatten(tree):
            if isinstance(leaf, (np.ndarray, np.generic)) and not np.isfinite(leaf).all():
                raise NotFinite(" ".join(path), np.asarray(leaf)[~np.isfinite(leaf)].flat[0])
        self.checkpoint.write(self.made, step=step, history=history, **tree)

    def interrupted(self, step: int) -> Interrupted:
        """What Ctrl-C ends the run with, once it is kept as of this step."""
        assert self.checkpoint is not None  # without one, Ctrl-C is not asked for
        where = f"step {step} of {self.steps}, which is kept in {self.checkpoint.path}"
        return Interrupted(f"interrupted at {where}", "--resume")


class NotFinite(Exception):
    """A number that is to be kept is NaN or infinite: its name and the number."""


def _flatten(tree, path=()):
    """Pairs (path, leaf) of a nest of dicts; a path is a tuple of names, any strings."""
    for key, branch in tree.items():
        if not isinstance(key, str):
            name = "/".join([*path, str(key)])
            raise InputError(f"{name}: expected a string as a name, got {key!r}")
        if isinstance(branch, dict) and branch:
            yield from _flatten(branch, (*path, key))
        else:
            yield (*path, key), branch


def _nest(leaves):
    tree: dict[str, Any] = {}
    for (*branches, name), leaf in leaves:
        where = tree
        for branch in branches:
            where = where.setdefault(branch, {})
        where[name] = leaf
    return tree
