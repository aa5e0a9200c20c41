"""Run a trial from the shell: python -m tinyattn.trials ladder --reverse --heads 4 --spans 4,4,4 --seeds 5

Every setting of the trial is a flag. Writes results.json and the trial's picture into --out. Ctrl-C
finishes the step and keeps the run; the same command with --resume goes on.

    ladder --over query_scale=xavier,1e-3,1e-9     a run for each value, in one picture
    location --over length=16,32 --over width=8,16 --seeds 3     all combinations, and their power law
    location --law                                 those of the paper's law, at its own architecture

Runs of --over stand side by side, one on each core, and are kept as they finish: the same command
goes on. With --scheduler ADDRESS runs go to a cluster of dask's that runs already.
"""

import argparse
import contextlib
import dataclasses
import inspect
import itertools
import json
import os
import shlex
import sys
import types
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded: passes run side by side instead

import numpy as np

from tinyattn import __version__, measure
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import Failure, InputError, check_count
from tinyattn.kept import check_writable, plain, set_aside, write_figure, write_text
from tinyattn.sweep import processes, sweep
from tinyattn.terminal import CommandLine, open_output, read_as, run_command, whole_number
from .ladder import LadderTrial
from .location import LocationTrial
from .recall import RecallTrial
from .regression import RegressionTrial
from .text import TextTrial
from .trial import Trial

TRIALS: dict[str, type[Trial]] = {"ladder": LadderTrial, "recall": RecallTrial, "location": LocationTrial}
TRIALS |= {"regression": RegressionTrial, "text": TextTrial}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 for a run that diverged or failed, 2 for bad input, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = vars(_parser().parse_args(arguments))
    kind = TRIALS[options.pop("trial")]
    frame = {name: options.pop(name) for name in ("seeds", "out", "resume", "scheduler", "over")}
    of_law = kind.law if options.pop("law", False) else ({}, {})
    settings = of_law[0] | {name: value for name, value in options.items() if value is not None}
    run = lambda: _run(kind, settings, **frame | {"over": of_law[1] | _values(kind, frame["over"] or [])})
    return run_command(run, f"python -m tinyattn.trials {shlex.join(arguments)}")


def _run(kind, settings, seeds, out, resume, scheduler, over):
    trial = kind(**settings)
    check_count("--seeds", seeds)
    points = [dict(zip(over, values)) for values in itertools.product(*over.values())]
    runs = [(point, dataclasses.replace(trial, **point, seed=trial.seed + i)) for point in points for i in range(seeds)]
    check_writable("--out", out)
    kept = [] if resume else out.glob("seed_*.npz")
    set_aside(out / "results.json", out / "figure.png", *kept)
    if scheduler is None and not over:
        results = _here([trial for _, trial in runs], out, resume)
    else:
        results = _side_by_side(runs, settings, out, resume, scheduler)
    settings = {**trial.settings, "device": trial.backend().name}  # where "auto" has led
    record = {"trial": kind.__name__, "settings": settings, "tinyattn": __version__}
    if over:
        record |= {"over": over, "runs": [{**point, "seed": one.seed, "result": found}
                                          for (point, one), found in zip(runs, results)]}  # fmt: skip
        law = _law(over, runs, results)
        record["law"] = law and dataclasses.asdict(law)
    else:
        record["seeds"] = {one.seed: found for (_, one), found in zip(runs, results)}
    write_text(out / "results.json", json.dumps(plain("results", record)) + "\n")
    for (point, one), result in zip(runs, results):
        name = ", ".join([*(f"{key} = {_short(value)}" for key, value in point.items()), f"seed {one.seed}"])
        numbers = {key: value for key, value in result.items() if not isinstance(value, list) or len(value) < 9}
        print(f"{name}: {', '.join(f'{key} = {_short(value)}' for key, value in numbers.items())}")
    import matplotlib

    matplotlib.use("Agg")
    from tinyattn import plot
    from . import figures

    plot.use()
    if over:
        print(f"law: {law}" if law else "law: none")
        picture = figures.draw_over(trial, law, runs, results)
    else:
        picture = figures.draw(trial, record["seeds"])
    write_figure(out / "figure.png", picture)
    print(f"figure: {out / 'figure.png'}\nresults: {out / 'results.json'}")


def _values(kind, over):
    """{setting: the values to run} of words NAME=VALUE,VALUE (of a setting that is a list: VALUE/VALUE)."""
    hints, found = typing.get_type_hints(kind), {}
    for word in over:
        name, equals, values = word.partition("=")
        name = name.replace("-", "_")
        if not equals or name not in hints or name in ("seed", "device") or name in found:
            raise InputError(f"--over: expected NAME=VALUE,VALUE with another setting of the trial each time, got {word!r}")
        separator, read = _reader(hints[name])
        try:
            found[name] = [read(value) for value in values.split(separator)]
        except argparse.ArgumentTypeError as error:
            raise InputError(f"--over {name}: {error} in {word!r}") from None
    return found


def _law(over, runs, results):
    """The measure.PowerLaw of the step at which each run's skill came, over the settings varied, or None if there is none.

    over: {setting: values}; runs: pairs (point, trial), results: theirs. Runs that did not come to
    an end are left out.
    """
    steps = np.array([result.get("emerged") or np.nan for result in results], dtype=float)
    came = np.isfinite(steps)
    x = {name: [point[name] for point, _ in runs] for name in over}
    numeric = all(isinstance(value, (int, float)) and value > 0 for values in x.values() for value in values)
    varied = {name: np.array(values, dtype=float)[came] for name, values in x.items()} if numeric else {}
    if not varied or came.sum() < len(varied) + 2 or any(len(np.unique(values)) < 2 for values in varied.values()):
        return None
    return measure.fit_power_law(steps[came], **varied)


def _here(trials, out, resume):
    """Results of one trial after the other, with a checkpoint for each."""
    results = []
    cpu = trials[0].backend().name == "cpu"
    with ThreadPoolExecutor(os.cpu_count()) if cpu else contextlib.nullcontext() as threads:
        for trial in trials:
            kept = Checkpoint(out / f"seed_{trial.seed}.npz", resume=resume)
            results.append(trial.run(checkpoint=kept, title=f"seed {trial.seed}", map=threads.map if threads else map))
    return results


def _side_by_side(runs, settings, out, resume, scheduler):
    """Results of all runs, kept in out/sweep as they finish: on the cores here, or from the workers of a running cluster."""
    if resume:
        raise InputError("--resume: expected none with --scheduler or --over, which go on by themselves, got one")
    run = sys.modules[type(runs[0][1]).__module__].run
    points = [{**settings, **point, "seed": trial.seed} for point, trial in runs]
    with contextlib.ExitStack() as stack:
        if scheduler is not None:
            side_by_side = stack.enter_context(_client(scheduler)).get_executor().map
        else:
            side_by_side = stack.enter_context(processes()) if runs[0][1].backend().name == "cpu" else map
        outcomes = sweep(run, points, map=side_by_side, folder=out / "sweep", title="runs")
    failed = [f"{outcome.settings}: {outcome.error}" for outcome in outcomes if outcome.error]
    if failed:
        raise Failure("; ".join(failed))
    return [outcome.result for outcome in outcomes]


def _client(scheduler):
    try:
        from dask.distributed import Client
    except ImportError:
        raise InputError('--scheduler: expected the package distributed, got none: pip install -e ".[cluster]"') from None
    try:
        return Client(scheduler, timeout=5)
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler: expected the address of a running scheduler, got {scheduler!r}: {error}") from None


def _short(value):
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parser():
    parser = CommandLine(
        prog="python -m tinyattn.trials", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="trial", required=True, metavar="|".join(TRIALS))
    for name, kind in TRIALS.items():
        command = commands.add_parser(
            name,
            description=f"{inspect.getdoc(kind)}\n\n{inspect.getdoc(kind.__base__)}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--seeds", type=whole_number, default=1, help="so many runs, with seeds --seed, --seed + 1, ...")
        command.add_argument("--out", type=Path, default=Path("out") / name, help="folder for results.json and the picture")
        command.add_argument("--resume", action="store_true", help="go on from the checkpoints in that folder")
        command.add_argument(
            "--over", action="append", metavar="NAME=VALUES", help="a run for each of these values of a setting"
        )
        if kind.law[1]:
            command.add_argument("--law", action="store_true", help="the paper's law: its settings, over what it varies")
        command.add_argument("--scheduler", metavar="ADDRESS", help="run on the workers of a dask cluster, tcp://HOST:PORT")
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            flag = f"--{field.name.replace('_', '-')}"
            if bool in (hints[field.name], *typing.get_args(hints[field.name])):
                command.add_argument(flag, dest=field.name, action=argparse.BooleanOptionalAction, default=None)
            else:
                shown = "chosen by the others" if field.default is None else field.default
                command.add_argument(flag, dest=field.name, type=_reader(hints[field.name])[1], help=f"default: {shown}")
    return parser


WORDS = {int: "a whole number", float: "a number", str: "a text"}


def _reader(hint):
    """From the type of a setting: what stands between several values of it, and a function that reads one from a word."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    nested = [kind for kind in kinds if typing.get_origin(kind) is not None]
    if not nested:
        return ",", _reader_of([kind for kind in WORDS if kind in kinds])
    if typing.get_origin(nested[0]) is dict:
        return "/", lambda word: read_as(json.loads, word, "JSON")
    (item,) = typing.get_args(nested[0])[:1]
    what = f"{WORDS[item]}, or several with commas between them"
    return "/", lambda word: read_as(lambda word: [item(part) for part in word.split(",")], word, what)


def _reader_of(kinds):
    """A function that reads a word as the first of these kinds that it fits."""

    def read(word):
        for kind in kinds:
            with contextlib.suppress(ValueError):
                return kind(word)
        raise ValueError(word)

    return lambda word: read_as(read, word, WORDS[kinds[-1]])


if __name__ == "__main__":
    open_output()
    sys.exit(main())
