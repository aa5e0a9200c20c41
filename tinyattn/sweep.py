"""Many runs of one trial: side by side, kept as they finish, and not run again.

    with sweep.processes() as map:
        points = [{"pairs": 8, "seed": seed} for seed in range(5)]
        outcomes = sweep.sweep(trials.recall.run, points, map=map, folder="out/recall")

A trial is a function from a dict of settings to a result, both of what JSON can hold. A `map` that
sends it to other processes has to find it there by name, so it stands in a module, not in a script.
"""

import contextlib
import copy
import functools
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from .errors import InputError, check_count, check_function, check_instance, shown
from .kept import check_writable, fingerprint, library, plain, write_whole
from .terminal import Interrupted, progress_bar


class NoResult:
    """Stands for the result of a point that failed. It equals None; using it raises the point's error."""

    def __init__(self, error):
        self._error = error

    def __eq__(self, other):
        return other is None or isinstance(other, NoResult)

    def __hash__(self):
        return hash(None)

    def __bool__(self):
        return False

    def __repr__(self):
        return f"no result ({self._error})"

    def _tell(self, *_):
        raise InputError(f"result: expected one, got a point that failed: {self._error}")

    __getitem__ = __iter__ = __len__ = __contains__ = __float__ = _tell


class Outcome(NamedTuple):
    """What became of one point: its result, or the error, one line, that ended it."""

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

    map:    the builtin, which runs one after the other, that of `processes()`, or that of an
            executor of an engine which runs already, such as dask.distributed's
            client.get_executor().map or mpi4py.futures' MPIPoolExecutor().map.
    folder: where each finished point is kept, a JSON file named by settings, by the code of this
            library and by that of the trial, what it closes over and the globals that it reads
            included. What is there already is read and not run again. A trial that fails or exits
            is reported, not kept, and does not stop the others.

    Raises InputError for points that JSON cannot hold, and, with a folder, for a trial that cannot
    be told from others.
    """
    check_function("trial", trial, "a function of a dict of settings")
    check_function("map", map)
    if isinstance(points, (dict, str)) or not isinstance(points, Iterable):
        raise InputError(f"points: expected a list of dicts of settings, got {shown(points)}")
    points = [plain("points", settings) for settings in points]
    for settings in points:
        if not isinstance(settings, dict):
            raise InputError(f"points: expected dicts of settings, got {shown(settings)}")
    paths: list[Path | None] = [None] * len(points)
    kept_in = folder
    if folder is not None:
        if not isinstance(folder, (str, Path)):
            raise InputError(f"folder: expected a path, got {shown(folder)}")
        folder = Path(folder).absolute()
        check_writable("folder", folder)
        made = [_name(trial), fingerprint("trial", trial), library()]
        paths = [_path(folder, made, settings) for settings in points]
    found = [_kept(path, settings) for path, settings in zip(paths, points)]
    missing = [i for i, outcome in enumerate(found) if outcome is None]
    with _telling_what_is_kept(kept_in, title), progress_bar(len(points), title) as bar:
        bar.update(len(points) - len(missing))
        run, lost = functools.partial(_attempt, trial), None
        given = [(points[i], paths[i]) for i in missing]  # one list: a pool's map of multiprocessing takes no more
        try:
            outcomes = iter(check_instance("map: its return", map(run, given), Iterable))  # type: ignore[type-abstract]
        except BrokenExecutor as error:
            outcomes, lost = iter(()), _lost(error)
        for i in missing:
            try:
                outcome = next(outcomes, None)
            except BrokenExecutor as error:
                outcome, lost = None, _lost(error)
            if outcome is None and lost is None:
                raise InputError(f"map: expected a result for each of {len(missing)} points, got fewer from {shown(map)}")
            outcome = outcome or _kept(paths[i], points[i]) or Outcome(points[i], NoResult(lost), lost)
            if check_instance("map: its return", outcome, Outcome).settings != points[i]:
                raise InputError(f"map: expected results in the order of the points, got that of {shown(outcome.settings)}")
            found[i] = outcome
            if outcome.error is None:
                _keep(paths[i], trial, outcome)  # again, where the process that ran it could not write here
            bar.update()
    return [outcome for outcome in found if outcome is not None]


@contextlib.contextmanager
def _telling_what_is_kept(folder, title):
    try:
        yield
    except KeyboardInterrupt:
        if folder is None:
            raise
        raise Interrupted(f"interrupted in {title or 'a sweep'}; what has finished is kept in {folder}") from None


def _lost(error):
    return f"{type(error).__name__}: a process of the pool ended without a word (killed, or out of memory?)"


@contextlib.contextmanager
def processes(n: int | None = None) -> Iterator[Callable[..., Iterable[Any]]]:
    """The `map` of n processes at a time, by default one for each core: a new one for each point.

    They know nothing of the caller's script, and use one thread of matrix products each unless the
    environment says otherwise. One that dies loses its point and no other. Ctrl-C ends them.
    """
    running: set[subprocess.Popen] = set()
    ending = threading.Event()
    pool = ThreadPoolExecutor(os.cpu_count() or 1 if n is None else check_count("n", n))

    def map_in_processes(function, *iterables):
        sent = _sent(function)
        return _InOrder([pool.submit(_ask, running, ending, (sent, arguments)) for arguments in zip(*iterables)])

    try:
        yield map_in_processes
    finally:
        ending.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(running):
            process.kill()


class _InOrder:
    """The results of futures; one that is an error is raised, and the next ones still come."""

    def __init__(self, futures):
        self.futures = futures[::-1]

    def __iter__(self):
        return self

    def __next__(self):
        if not self.futures:
            raise StopIteration
        return self.futures.pop().result()


def _sent(function):
    """A function as bytes that other processes can read."""
    try:
        sent = pickle.dumps(function)
    except Exception as error:
        raise InputError(
            f"trial: expected a function of a module, for other processes to import, got one that cannot be sent ({error})"
        ) from None
    if b"__main__" in sent:
        raise InputError(
            "trial: expected a function of a module, for other processes to import, got one of the script that runs"
        )
    return sent


def _ask(running, ending, call):
    """The answer to a call, a pickled function and its arguments, from a process of its own."""
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "MKL", "OMP")}
    path = os.pathsep.join(place or os.getcwd() for place in sys.path)
    command = [sys.executable, "-c", "from tinyattn import sweep; sweep._answer()"]
    environment = {**one_thread, **os.environ, "PYTHONPATH": path}
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)  # Ctrl-C is for us
    with subprocess.Popen(command, env=environment, **pipes) as process:  # type: ignore[call-overload]
        running.add(process)
        if ending.is_set():
            process.kill()
        with contextlib.suppress(OSError):
            pickle.dump(call, process.stdin)  # type: ignore[arg-type]
            process.stdin.flush()  # type: ignore[union-attr]
        # stdin stays open until there is an answer: its end would tell the process that ours has ended
        answer = process.stdout.read()  # type: ignore[union-attr]
    running.discard(process)
    if not answer:
        raise BrokenExecutor
    return pickle.loads(answer)


def _answer():
    """What such a process does: one call, unless its caller ends first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it has no session of its own, Ctrl-C is not for it
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a trial prints is no answer
    sent, arguments = pickle.load(sys.stdin.buffer)
    threading.Thread(target=lambda: os._exit(1 if sys.stdin.buffer.read() else 0), daemon=True).start()
    with answers:
        pickle.dump(pickle.loads(sent)(*arguments), answers)
    os._exit(0)  # not to wait for the thread


def _attempt(trial, point):
    """Run one point, its settings and where it is kept, in whatever process, and keep its Outcome at once."""
    settings, path = point
    try:
        outcome = Outcome(settings, plain("result", trial(copy.deepcopy(settings))), None)
    except (Exception, SystemExit) as error:
        said = _first_line(error)
        return Outcome(settings, NoResult(said), said)
    with contextlib.suppress(OSError):  # a machine that does not share the folder; `sweep` keeps it then
        _keep(path, trial, outcome)
    return outcome


def _first_line(error):
    """The kind of an error and the first line that it says, if it can say anything."""
    try:
        lines = str(error).split("\n")
    except Exception:
        lines = []
    return ": ".join([type(error).__name__, *[line.strip() for line in lines if line.strip()][:1]])


def _keep(path, trial, outcome):
    """Write the point's file, unless it is there and can be read."""
    if path is not None and _kept(path, outcome.settings) is None:
        record = {"trial": _name(trial), "settings": outcome.settings, "result": outcome.result}
        write_whole(path, lambda file: file.write(json.dumps(record, indent=1).encode()))


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
    return folder / f"{made[0].rpartition('.')[2]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _name(trial):
    """Module and name of a trial; of a partial or a callable object, those of its function or class."""
    while isinstance(trial, functools.partial):
        trial = trial.func
    named = trial if hasattr(trial, "__qualname__") else type(trial)
    return f"{named.__module__}.{named.__qualname__}".replace("<", "").replace(">", "")
