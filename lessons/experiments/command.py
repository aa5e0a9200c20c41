"""Run an experiment from the shell: python lessons/experiments ladder --reverse --heads 4 --seeds 5

Every setting of the experiment is a flag. It writes results.json and a picture into --out; those of
an earlier run move into its subfolder `earlier`. What is printed is the headline, in words; all
numbers and series are in results.json. Of those that train, Ctrl-C finishes the step and keeps the
run; the same command with --resume goes on.

    ladder --over query_scale=xavier,1e-3,1e-9
        a run for each value, in one picture
    location --over length=16,32 --over width=8,16 --seeds 3
        all combinations, and their power law
    location --law
        those of the paper's law, at its own architecture

Runs of --over go side by side, one on each core, and are kept as they finish: the same command goes
on. With --scheduler ADDRESS runs go to a cluster of dask's that runs already.
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

import numpy as np

from records import short, write
from tinyattn import __version__, measure
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import Failure, InputError, check_count
from tinyattn.kept import check_writable, plain, set_aside, write_figure
from tinyattn.sweep import processes, sweep
from tinyattn.terminal import CommandLine, read_as, run_command, whole_number

from . import EXPERIMENTS
from .said import lines_of
from .trial import Trial


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: its exit status.

    0, or 1 for a run that diverged or failed, 2 for bad input, 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = vars(_parser().parse_args(arguments))
    name = options.pop("experiment")
    run = _run_trials if issubclass(EXPERIMENTS[name], Trial) else _run_once
    command = shlex.join(["python", "lessons/experiments", *arguments])
    return run_command(lambda: run(name, options), command)


def _run_once(name, options):
    """Run an experiment that has no seeds of its own: its numbers and its figure."""
    out = options.pop("out")
    experiment = EXPERIMENTS[name](**_given(options))
    _begin(out)
    found = experiment.run()
    numbers = plain("results", found["numbers"], gaps=True)
    lines = [f"{key} = {short(value, 'never')}" for key, value in numbers.items()]
    figure = lambda: experiment.figure(found)
    _finish(out, name, experiment.settings, {"numbers": numbers}, lines, figure)


def _run_trials(name, options):
    """Run a trial with each seed, or each value of the settings that are varied and each seed."""
    kind = EXPERIMENTS[name]
    own = ("seeds", "out", "resume", "scheduler", "over")
    seeds, out, resume, scheduler, over = (options.pop(key) for key in own)
    fixed, varied = kind.law if options.pop("law", False) else ({}, {})
    settings = {**fixed, **_given(options)}
    varied = {**varied, **_values(kind, over or [])}
    trial = kind(**settings)
    check_count("--seeds", seeds)
    runs = []
    for values in itertools.product(*varied.values()):
        point = dict(zip(varied, values))
        for seed in range(trial.seed, trial.seed + seeds):
            runs.append((point, dataclasses.replace(trial, **point, seed=seed)))
    _begin(out, *([] if resume else out.glob("seed_*.npz")))
    if scheduler is None and not varied:
        results = _here([one for _, one in runs], out, resume)
    else:
        results = _side_by_side(runs, settings, out, resume, scheduler)
    lines = [_line(name, point, one, found) for (point, one), found in zip(runs, results)]
    if varied:
        law = _law(varied, runs, results)
        found = []
        for (point, one), result in zip(runs, results):
            found.append({**point, "seed": one.seed, "result": result})
        record = {"over": varied, "runs": found, "law": law and dataclasses.asdict(law)}
        lines.append(f"law: {law or 'none'}")
        figure = lambda: _figures().over(trial, law, runs, results)
    else:
        record = {"seeds": {one.seed: found for (_, one), found in zip(runs, results)}}
        figure = lambda: trial.figure(record["seeds"])
    used = {**trial.settings, "device": trial.backend().name}  # where "auto" has led
    _finish(out, name, used, record, lines, figure)


def _begin(out, *old):
    """Before anything is computed: check that --out can be written, and set earlier files aside."""
    check_writable("--out", out)
    set_aside(out / "results.json", out / "figure.png", *old)


def _finish(out, name, settings, found, lines, figure):
    """Write results.json and the picture, print the lines, and say where things are."""
    record = {"experiment": name, "settings": settings, "tinyattn": __version__, **found}
    write(out / "results.json", record)
    print(*lines, sep="\n")
    import matplotlib

    matplotlib.use("Agg")
    from tinyattn import plot

    plot.use()
    write_figure(out / "figure.png", figure())
    print(f"figure: {out / 'figure.png'}\nresults: {out / 'results.json'}")


def _figures():
    from . import figures  # not before: it loads matplotlib

    return figures


def _line(experiment, point, trial, found):
    """What is printed of a run: its settings, and its results in words."""
    name = [f"{key} = {short(value)}" for key, value in point.items()]
    name.append(f"seed {trial.seed}")
    return "\n".join([f"{', '.join(name)}:", *lines_of(experiment, found)])


def _given(options):
    return {name: value for name, value in options.items() if value is not None}


def _values(kind, over):
    """{setting: the values to run} of words NAME=VALUE,VALUE.

    Values of a setting that is a list are VALUE/VALUE.
    """
    hints = typing.get_type_hints(kind)
    found = {}
    for word in over:
        name, equals, values = word.partition("=")
        name = name.replace("-", "_")
        if not equals or name not in hints or name in ("seed", "device") or name in found:
            raise InputError(
                "--over: expected NAME=VALUE,VALUE with another setting of the trial each time, "
                f"got {word!r}"
            )
        separator, read = _reader(hints[name])
        try:
            found[name] = [read(value) for value in values.split(separator)]
        except argparse.ArgumentTypeError as error:
            raise InputError(f"--over {name}: {error} in {word!r}") from None
    return found


def _law(over, runs, results):
    """The measure.PowerLaw of the step at which each run's skill came, over the settings varied.

    over: {setting: values}; runs: pairs (point, trial), results: theirs. Runs that did not come to
    an end are left out. None if there is no such law.
    """
    values = list(itertools.chain.from_iterable(over.values()))
    if not all(isinstance(value, (int, float)) and value > 0 for value in values):
        return None
    steps = np.array([result.get("emerged") or np.nan for result in results], dtype=float)
    came = np.isfinite(steps)
    x = {name: np.array([point[name] for point, _ in runs], dtype=float)[came] for name in over}
    enough = came.sum() >= len(x) + 2 and all(len(np.unique(values)) >= 2 for values in x.values())
    return measure.fit_power_law(steps[came], **x) if enough else None


def _here(trials, out, resume):
    """Results of one trial after the other, with a checkpoint for each; none of them NaN."""
    results = []
    cpu = trials[0].backend().name == "cpu"
    pool = ThreadPoolExecutor(os.cpu_count()) if cpu else contextlib.nullcontext()
    with pool as threads:
        for trial in trials:
            kept = Checkpoint(out / f"seed_{trial.seed}.npz", resume=resume)
            side_by_side = threads.map if threads else map
            found = trial.run(checkpoint=kept, title=f"seed {trial.seed}", map=side_by_side)
            results.append(plain("results", found))
    return results


def _side_by_side(runs, settings, out, resume, scheduler):
    """Results of all runs, kept in out/sweep as they finish.

    They come from the cores here, or from the workers of a running cluster.
    """
    if resume:
        raise InputError(
            "--resume: expected none with --scheduler or --over, which go on by themselves, got one"
        )
    trial = runs[0][1]
    points = [{**settings, **point, "seed": one.seed} for point, one in runs]
    with contextlib.ExitStack() as stack:
        if scheduler is not None:
            side_by_side = stack.enter_context(_client(scheduler)).get_executor().map
        elif trial.backend().name == "cpu":
            side_by_side = stack.enter_context(processes())
        else:
            side_by_side = map
        how = {"map": side_by_side, "folder": out / "sweep", "title": "runs"}
        outcomes = sweep(trial.results, points, **how)
    failed = [f"{outcome.settings}: {outcome.error}" for outcome in outcomes if outcome.error]
    if failed:
        raise Failure("; ".join(failed))
    return [outcome.result for outcome in outcomes]


def _client(scheduler):
    try:
        from dask.distributed import Client
    except ImportError:
        raise InputError(
            '--scheduler: expected the package distributed, got none: pip install -e ".[cluster]"'
        ) from None
    try:
        return Client(scheduler, timeout=5)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--scheduler: expected the address of a running scheduler, got {scheduler!r}: {error}"
        ) from None


def _parser():
    how = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = CommandLine(prog="python lessons/experiments", description=__doc__, **how)
    names = "|".join(EXPERIMENTS)
    commands = parser.add_subparsers(dest="experiment", required=True, metavar=names)
    for name, kind in EXPERIMENTS.items():
        more = kind.__base__ if issubclass(kind, Trial) else inspect.getmodule(kind)
        about = f"{inspect.getdoc(kind)}\n\n{inspect.getdoc(more)}"
        command = commands.add_parser(name, description=about, **how)
        folder = "folder for results.json and the picture"
        command.add_argument("--out", type=Path, default=Path("out") / name, help=folder)
        if issubclass(kind, Trial):
            _add_runs(command, kind)
        _add_settings(command, kind)
    return parser


def _add_runs(command, kind):
    """The flags that say which runs of a trial there are."""
    add = command.add_argument
    many = "so many runs, with seeds --seed, --seed + 1, ..."
    add("--seeds", type=whole_number, default=1, help=many)
    add("--resume", action="store_true", help="go on from the checkpoints in that folder")
    each = "a run for each of these values of a setting"
    add("--over", action="append", metavar="NAME=VALUES", help=each)
    if kind.law[1]:
        add("--law", action="store_true", help="the paper's law: its settings, over what it varies")
    workers = "run on the workers of a dask cluster, tcp://HOST:PORT"
    add("--scheduler", metavar="ADDRESS", help=workers)


def _add_settings(command, kind):
    """A flag for each setting, None where it is not given."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        flag = f"--{field.name.replace('_', '-')}"
        hint = hints[field.name]
        if bool in (hint, *typing.get_args(hint)):
            how = {"action": argparse.BooleanOptionalAction, "default": None}
        else:
            default = "chosen by the others" if field.default is None else field.default
            how = {"type": _reader(hint)[1], "help": f"default: {default}"}
        command.add_argument(flag, dest=field.name, **how)


WORDS = {int: "a whole number", float: "a number", str: "a text"}


def _reader(hint):
    """From the type of a setting: the separator of several values, and a reader of one."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    nested = [kind for kind in kinds if typing.get_origin(kind) is not None]
    if not nested:
        return ",", _reader_of([kind for kind in WORDS if kind in kinds])
    if typing.get_origin(nested[0]) is dict:
        return "/", lambda word: read_as(json.loads, word, "JSON")
    item = typing.get_args(nested[0])[0]
    what = f"{WORDS[item]}, or several with commas between them"
    several = lambda word: [item(part) for part in word.split(",")]
    return "/", lambda word: read_as(several, word, what)


def _reader_of(kinds):
    """A function that reads a word as the first of these kinds that it fits."""

    def read(word):
        for kind in kinds:
            with contextlib.suppress(ValueError):
                return kind(word)
        raise ValueError(word)

    return lambda word: read_as(read, word, WORDS[kinds[-1]])
