"""Many runs of one trial: side by side, kept as they finish, and not run again.

    with sweep.processes() as map:
        outcomes = sweep.sweep(trials.recall, [{"pairs": 8, "seed": seed} for seed in range(5)], map=map, folder="out/recall")

A trial is a function from a dict of settings to a result, both of what JSON can hold. A `map` that sends it to other
processes has to find it there by name, so it stands in a module, not in a script.
"""

import contextlib
import functools
import hashlib
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from .errors import InputError, check_count
from .progress import progress_bar


class Outcome(NamedTuple):
    """What became of one point: its result, or the error, one line, that ended it."""

    settings: dict
    result: Any
    error: str | None


def sweep(trial, points, *, map=map, folder=None, title="sweep"):
    """Run trial(settings) for each settings of `points`: a list of Outcome, in their order.

    map:    the builtin, which runs one after the other, that of `processes()`, or that of an executor of an engine which
            runs already, such as dask.distributed's client.get_executor().map or mpi4py.futures' MPIPoolExecutor().map.
    folder: where each finished point is kept, a JSON file named by trial, settings and the code of this library. What is
            there already is read and not run again. A trial that fails is reported, not kept, and does not stop the others.
    """
    points = [_plain("points", settings) for settings in points]
    if folder is not None:
        folder = Path(folder).absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"folder: expected one that can be written, got {folder} ({error.strerror})") from None
    outcomes = [_kept(trial, settings, folder) for settings in points]
    missing = [i for i, outcome in enumerate(outcomes) if outcome is None]
    with progress_bar(len(points), title) as bar:
        bar.update(len(points) - len(missing))
        run = functools.partial(_attempt, trial, folder)
        for i, outcome in zip(missing, map(run, [points[i] for i in missing])):
            outcomes[i] = outcome
            if outcome.error is None:
                _keep(trial, outcome, folder)  # again, where the process that ran it could not write here
            bar.update()
    return outcomes


@contextlib.contextmanager
def processes(n=None):
    """The `map` of a pool of n worker processes, by default one for each core.

    They start afresh and do not run the caller's script again, which Python otherwise has them do: a lesson is not a
    module. For one thread of matrix products each, set OPENBLAS_NUM_THREADS=1 in the environment before.
    """
    n = os.cpu_count() if n is None else check_count("n", n)
    main = vars(sys.modules["__main__"])
    script = {"__file__": main.pop("__file__")} if "__file__" in main and main.get("__spec__") is None else {}
    try:
        with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as pool:
            yield pool.map
    finally:
        main.update(script)


def _attempt(trial, folder, settings):
    """One point, in whatever process: its Outcome, kept at once, so that nothing finished is lost."""
    try:
        outcome = Outcome(settings, _plain("result", trial(settings)), None)
    except Exception as error:
        return Outcome(settings, None, f"{type(error).__name__}: {error}".splitlines()[0])
    with contextlib.suppress(OSError):  # a machine that does not share the folder; `sweep` keeps it then
        _keep(trial, outcome, folder)
    return outcome


def _keep(trial, outcome, folder):
    """Write the point's file, whole or not at all, unless it is there."""
    if folder is not None and not (path := _path(trial, outcome.settings, folder)).exists():
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        record = {"trial": _name(trial), "settings": outcome.settings, "result": outcome.result}
        unfinished.write_text(json.dumps(record, indent=1), encoding="utf-8")
        os.replace(unfinished, path)


def _kept(trial, settings, folder):
    """The Outcome that is kept for these settings, or None."""
    if folder is None:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(_path(trial, settings, folder).read_text(encoding="utf-8"))
        if record["settings"] == settings:
            return Outcome(settings, record["result"], None)


@functools.cache
def _code():
    """A digest of the library: what an edited gradient would change is run again."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _path(trial, settings, folder):
    key = json.dumps([_name(trial), settings, _code()], sort_keys=True)
    return folder / f"{trial.__name__}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _name(trial):
    return f"{trial.__module__}.{trial.__qualname__}"


def _plain(name, value):
    """The value as it comes back from JSON, the same whether fresh or kept; floats to the last bit."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected what JSON can hold, got {value!r:.200} ({error})") from None
