"""Many runs of one trial: side by side, kept as they finish, and not run again.

    with sweep.processes() as map:
        points = [{"pairs": 8, "seed": seed} for seed in range(5)]
        outcomes = sweep.sweep(mine.trial, points, map=map, folder="out/mine")

A trial is a function from a dict of settings to a result, both of what JSON can hold. A `map` that
sends it to other processes has to find it there by name, so it is in a module, not in a script.
"""

import contextlib
import copy
import functools
import hashlib
import itertools
import json
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

from .errors import InputError, check_count, check_function, check_instance, first_line, shown
from .kept import check_writable, made_by, plain, write_text
from .terminal import Interrupted, progress_bar


class Outcome(NamedTuple):
    """What became of one point: its result and None, or None and the error that ended it."""

    settings: dict[str, Any]
    result: Any
    error: str | None


def sweep(
    trial: Callable[[dict[str, Any]], Any],
    points: Iterable[dict[str, Any]],
    *,
    map: Callable[..., Iterable[Any]] = map,
    folder: str | Path | None = None,
    title: str | None = "sweep",
) -> list[Outcome]:
    """Run trial(settings) for each settings of `points`: a list of Outcome, in their order.

    map:    the builtin, which runs one after the other, that of `processes()`, of a pool of
            multiprocessing, or of an executor of an engine which runs already, such as
            dask.distributed's client.get_executor().map or mpi4py.futures' MPIPoolExecutor().map.
    folder: where each finished point is kept, a JSON file named by settings and by `kept.made_by`:
            the trial's name and the files that it is made of. What is there already is read and not
            run again. A trial that fails or exits is reported, not kept, and does not stop the
            others.

    Raises InputError for points that JSON cannot hold, and, with a folder, for a trial that is no
    function of a file.
    """
    check_function("trial", trial, "a function of a dict of settings")
    check_function("map", map)
    every = _check_points(points)
    paths: list[Path | None] = [None] * len(every)
    if folder is not None:
        if not isinstance(folder, (str, Path)):
            raise InputError(f"folder: expected a path, got {shown(folder)}")
        made = made_by("trial", trial)
        check_writable("folder", Path(folder).absolute())
        paths = [_path(Path(folder).absolute(), made, settings) for settings in every]
    found = [_kept(path, settings) for path, settings in zip(paths, every)]
    missing = [i for i, outcome in enumerate(found) if outcome is None]
    with _telling_what_is_kept(folder, title), progress_bar(len(every), title) as bar:
        bar.update(len(every) - len(missing))
        asked = [(every[i], paths[i]) for i in missing]
        answers = _ask(functools.partial(_attempt, trial), asked, map)
        for i, outcome in zip(missing, _outcomes(asked, answers)):
            found[i] = outcome
            if outcome.error is None:
                _keep(paths[i], outcome)  # again: the process that ran it may not write here
            bar.update()
    return [outcome for outcome in found if outcome is not None]


def _check_points(points):
    """The points as JSON holds them."""
    if isinstance(points, (dict, str)) or not isinstance(points, Iterable):
        raise InputError(f"points: expected a list of dicts of settings, got {shown(points)}")
    points = [plain("points", settings) for settings in points]
    for settings in points:
        if not isinstance(settings, dict):
            raise InputError(f"points: expected dicts of settings, got {shown(settings)}")
    return points


def _ask(attempt, asked, map):
    """The answers of a map: Outcomes, and a BrokenExecutor where a worker died.

    After that an executor gives no more.
    """
    try:
        answers = map(attempt, asked)
    except BrokenExecutor as error:
        return itertools.repeat(error)
    check_instance("map: its return", answers, Iterable)  # type: ignore[type-abstract]
    return _until_it_breaks(iter(answers))


def _until_it_breaks(answers):
    """The answers, then for ever the BrokenExecutor that ends them."""
    try:
        yield from answers
    except BrokenExecutor as error:
        yield from itertools.repeat(error)


def _outcomes(asked, answers):
    """The Outcome of each pair (settings, path) that was asked, in order."""
    for settings, path in asked:
        answer = next(answers, None)
        if answer is None:
            raise InputError(f"map: expected a result for each of {len(asked)} points, got fewer")
        if isinstance(answer, BrokenExecutor):
            died = f"{type(answer).__name__}: the worker died (killed, or out of memory?)"
            answer = _kept(path, settings) or Outcome(settings, None, died)
        if check_instance("map: its return", answer, Outcome).settings != settings:
            got = f"that of {shown(answer.settings)}"
            raise InputError(f"map: expected results in the order of the points, got {got}")
        yield answer


@contextlib.contextmanager
def _telling_what_is_kept(folder, title):
    try:
        yield
    except KeyboardInterrupt:
        if folder is None:
            raise
        where = title or "a sweep"
        message = f"interrupted in {where}; what has finished is kept in {folder}"
        raise Interrupted(message) from None


@contextlib.contextmanager
def processes(n: int | None = None) -> Iterator[Callable[..., Iterable[Any]]]:
    """The `map` of n processes at a time, by default one for each core.

    They are those of concurrent.futures with spawn, know nothing of the caller's script, and use
    one thread of matrix products each unless the environment says otherwise. What they print goes
    to stderr. One that dies is replaced: its point's answer is the BrokenExecutor, the others go
    on. Ctrl-C ends them.
    """
    n = (os.cpu_count() or 1) if n is None else check_count("n", n)
    others = set(multiprocessing.active_children())
    threads, own = ThreadPoolExecutor(n), threading.local()  # each thread has a pool of one process
    pools: list[ProcessPoolExecutor] = []
    ended_well = False

    def send(function, item):
        if not hasattr(own, "pool"):
            own.pool = _pool_of_one()
            pools.append(own.pool)
        try:
            return own.pool.submit(function, item).result()
        except BrokenExecutor as error:
            del own.pool
            return error

    def map_in_processes(function, items):
        _check_sendable(function)
        futures = [threads.submit(send, function, item) for item in items]
        return (future.result() for future in futures)

    try:
        yield map_in_processes
        ended_well = True
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        if not ended_well:
            for child in set(multiprocessing.active_children()) - others:
                child.kill()
        for pool in pools:
            pool.shutdown()


_STARTING = threading.Lock()  # what a new process reads of this one is changed for a moment


def _pool_of_one():
    """A pool with one process, which has started and has not run the caller's script.

    spawn tells a new process the file of __main__, to import it there: here it has none. The
    environment is read before any line of ours: by OpenBLAS, and by Python, which without
    PYTHONSAFEPATH takes modules from the current folder.
    """
    environment = dict.fromkeys([f"{name}_NUM_THREADS" for name in ("OPENBLAS", "MKL", "OMP")], "1")
    environment["PYTHONSAFEPATH"] = "1"
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin)
    with _STARTING:
        ours = environment.keys() - os.environ.keys()
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        os.environ.update({name: environment[name] for name in ours})
        try:
            pool.submit(os.getpid).result()
            # Else one that dies while it writes its answer would be waited for: ours is open too.
            pool._result_queue._writer.close()  # type: ignore[attr-defined]
        finally:
            sys.modules["__main__"] = main
            for name in ours:
                del os.environ[name]
    return pool


def _begin():
    """The first thing that such a process does."""
    os.environ.pop("PYTHONSAFEPATH", None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller, who ends it
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
        sys.stdout = sys.stderr  # which keeps nothing back
    # What a trial forks may outlive it, but must not keep multiprocessing's tracker alive, which
    # holds our stdout open.
    tracker = resource_tracker.getfd()
    os.register_at_fork(after_in_child=lambda: os.close(tracker))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """No process outlives its caller."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _check_sendable(function):
    """Raise InputError unless other processes find this function by its name."""
    try:
        sent = pickle.dumps(function)
    except Exception as error:
        got = f"one that cannot be sent ({error})"
    else:
        if b"__main__" not in sent:
            return
        got = "one of the script that runs"
    wanted = "a function of a module, for other processes to import"
    raise InputError(f"trial: expected {wanted}, got {got}")


def _attempt(trial, point):
    """Run one point, its settings and where it is kept, in any process; keep it at once."""
    settings, path = point
    try:
        result = plain("result", trial(copy.deepcopy(settings)))
    except (Exception, SystemExit) as error:
        return Outcome(settings, None, first_line(error))
    outcome = Outcome(settings, result, None)
    with contextlib.suppress(OSError):  # where the folder is not shared, `sweep` keeps it
        _keep(path, outcome)
    return outcome


def _keep(path, outcome):
    """Write the point's file, unless it is there and can be read."""
    if path is None or _kept(path, outcome.settings) is not None:
        return
    trial = path.name.rpartition("-")[0]
    record = {"trial": trial, "settings": outcome.settings, "result": outcome.result}
    write_text(path, json.dumps(record, indent=1))


def _kept(path, settings):
    """The Outcome that is kept for these settings, or None."""
    if path is None:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["settings"] == settings:
            return Outcome(settings, record["result"], None)
    return None


def _path(folder, made, settings):
    key = json.dumps([made, settings], sort_keys=True)
    return folder / f"{made['name']}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
