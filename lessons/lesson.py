"""What every lesson shares: flags, its table "paper | here", results.json, claims that are checked.

    import lesson
    from drawings import one_head_looks_back as draw

    run = lesson.start("03_one_head_looks_back")
    ...
    run.figure(draw.looks_back(maps), "maps")
    run.compare([("what", paper's number or None, ours)])
    run.claim("attention settles on lag 3", lag_attention > 0.9)
    run.finish(dict(lag=LAG), lag_attention=lag_attention)

It is beside the lessons, as their drawings are, where a script and a notebook here find it.

Exit status: 0, or 1 if a claim does not hold, or 2 with one line if the input cannot be used.
"""

import argparse
import contextlib
import functools
import html
import inspect
import itertools
import json
import os
import platform
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from records import short, write
from tinyattn import __version__, backend, plot
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import InputError, check_count, shown
from tinyattn.kept import check_writable, set_aside, source_digest, write_figure
from tinyattn.sweep import processes, sweep
from tinyattn.terminal import CommandLine, in_notebook, open_output, status_of, whole_number


@dataclass
class Lesson:
    """One run of a lesson: `options` (the flags: seed, quick, out, ...), `device`, `rng`.

    backend: where the lesson may compute; only what asks for `device` does.
    """

    name: str
    options: argparse.Namespace
    backend: backend.Backend
    rng: np.random.Generator
    claims: dict = field(default_factory=dict)
    figures: dict = field(default_factory=dict)
    pages: list = field(default_factory=list)
    rows: dict = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    used: str = "cpu"  # the device that was asked for

    @property
    def device(self):
        """The backend to compute on; the record says so from then on."""
        self.used = self.backend.name
        return self.backend

    @property
    def quick(self):
        """Whether this is the quick run."""
        return self.options.quick

    @property
    def out(self):
        """The folder of figures and results."""
        return self.options.out

    @functools.cached_property
    def map(self):
        """A `map` for passes that may run side by side: on the CPU that of a thread for each core.

        Matrix products should then use one thread each; a lesson that uses it says so before NumPy
        is loaded.
        """
        return ThreadPoolExecutor(os.cpu_count()).map if self.device.xp is np else map

    def sweep(self, trial, points, title):
        """The results of `sweep.sweep`, in the order of the points; on the CPU each core runs one.

        What has finished is kept under --out, and a run that was interrupted goes on from there.

        Raises InputError if a point failed, Interrupted after Ctrl-C.
        """
        pool: Any = processes()
        if self.device.xp is not np:
            pool = contextlib.nullcontext(map)
            points = [{**point, "device": self.device.name} for point in points]
        folder = self.out / "sweep"
        with pool as side_by_side:
            outcomes = sweep(trial, points, map=side_by_side, folder=folder, title=title)
        failed = [f"{outcome.settings}: {outcome.error}" for outcome in outcomes if outcome.error]
        if failed:
            told = f"got {len(failed)} failures: {'; '.join(failed)}"
            raise InputError(f"{title}: expected {len(points)} results, {told}")
        return [outcome.result for outcome in outcomes]

    def checkpoint(self, name, **settings):
        """A train.Checkpoint in the output folder, from which --resume goes on.

        settings: what the result depends on. The lesson's code is added.
        """
        path = self.out / f"{name}.npz"
        script = source_digest(sys.modules["__main__"])
        if not self.options.resume:
            set_aside(path)
        return Checkpoint(path, 100, self.options.resume, {**settings, "lesson": script})

    def figure(self, figure, name, caption=""):
        """Write the figure to NAME.png in the output folder; a notebook shows it there and then.

        caption: what it shows, in a sentence, for who cannot see it too; the book prints it.
        """
        write_figure(self.out / f"{name}.png", figure)
        if in_notebook():
            from IPython.display import Image, display

            plt.close(figure)  # else it is drawn once more at the end of the cell
            display(Image(filename=self.out / f"{name}.png", alt=caption or None))
        self.figures[f"{name}.png"] = caption
        print(f"figure: {self.out / name}.png")

    def page(self, page, name):
        """Write a page of `player` to NAME.html in the output folder; a notebook shows it there."""
        text = f"lesson {self.name.split('_')[0]}: lessons/{self.name}.py"
        source = {"text": text, "page": self.name}
        path = page.write(self.out / f"{name}.html", source=source)
        if path.name not in self.pages:
            self.pages.append(path.name)
        print(f"page: {path}")
        if in_notebook():
            from IPython.display import display

            frame = html.escape(path.read_text(encoding="utf-8"))
            # as high as what it shows
            fit = "this.height = this.contentDocument.documentElement.scrollHeight"
            shape = f'class="page" title="{name}" width="100%" height="760" onload="{fit}"'
            display({"text/html": f'<iframe {shape} srcdoc="{frame}"></iframe>'}, raw=True)

    def compare(self, rows, before="paper"):
        """Print rows (what, theirs, ours) as a table headed `before` and "here"; None is a dash."""
        rows = [tuple(map(short, row)) for row in rows]
        self.rows |= {what: [theirs, ours] for what, theirs, ours in rows}
        columns = zip(("", before, "here"), *rows)
        wide = [max(map(len, column)) for column in columns]
        print(f"\n{'':{wide[0]}} | {before:>{wide[1]}} | {'here':>{wide[2]}}")
        print("-+-".join("-" * n for n in wide))
        for what, theirs, ours in rows:
            print(f"{what:{wide[0]}} | {theirs:>{wide[1]}} | {ours:>{wide[2]}}")
        print()

    def claim(self, sentence, holds):
        """Note a claim and whether it holds, a bool. `finish` reports all claims.

        Raises InputError for what is neither True nor False.
        """
        if not isinstance(holds, (bool, np.bool_)):
            raise InputError(f"holds: expected True or False of {sentence!r}, got {shown(holds)}")
        self.claims[sentence] = bool(holds)

    def finish(self, settings, **results):
        """Write results.json, show figures, report claims; one that does not hold: status 1.

        In a notebook it raises ClaimError instead.

        settings: a dict of all that the results depend on, besides the flags, as they were used.
        """
        broken = [sentence for sentence, holds in self.claims.items() if not holds]
        versions = {
            "tinyattn": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
        }
        if self.used != "cpu":
            versions["cupy"] = self.backend.xp.__version__
        flags = dict(vars(self.options))
        for name in ("out", "no_show", "device"):
            del flags[name]
        record = {
            **results,
            "claims": self.claims,
            "rows": self.rows,
            "figures": self.figures,
            "pages": self.pages,
            "settings": {**flags, **settings, "device": self.used},
            "seed": self.options.seed,
            "versions": versions,
            "seconds": round(time.perf_counter() - self.started, 2),
        }
        write(self.out / "results.json", record)
        for sentence, holds in self.claims.items():
            print(f"{'holds' if holds else 'DOES NOT HOLD'}: {sentence}")
        print(f"results: {self.out / 'results.json'} ({record['seconds']:.1f} s)")
        print(f"\nExercises and their answers are at the end of lessons/{self.name}.py")
        if not self.options.no_show and matplotlib.get_backend().lower() != "agg":
            plt.show()
        if broken and in_notebook():
            raise ClaimError(f"claim does not hold: {'; '.join(broken)}")
        if broken:
            sys.exit(f"claim does not hold: {'; '.join(broken)}")


class ClaimError(AssertionError):
    """A claim of a lesson does not hold."""


def start(
    name: str, *, quick: bool | None = None, seed: int = 0, resumable: bool = False
) -> Lesson:
    """Prepare a run of lesson `name`: of its script by the command line, in a notebook by these.

    quick:     run what --quick runs; None: if TINYATTN_QUICK is set in the environment, and not 0.
    seed:      the default of --seed.
    resumable: it keeps checkpoints (`Lesson.checkpoint`), from which --resume goes on.

    An earlier run's results.json, figures and pages move into the subfolder `earlier`.

    Raises InputError for --resume without a checkpoint.
    """
    open_output()
    if quick is None:
        quick = os.environ.get("TINYATTN_QUICK", "0") not in ("", "0")
    text = _opening()
    options = _parser(name, text, quick, seed, resumable).parse_args([] if in_notebook() else None)
    if not in_notebook():
        sys.excepthook = _one_line
    if options.no_show:
        matplotlib.use("Agg")
    plot.use()
    check_count("--seed", options.seed, 0)
    device = backend.get(options.device)
    if resumable and options.resume and not any(options.out.glob("*.npz")):
        raise InputError(f"--resume: expected a checkpoint in {options.out}, got none")
    check_writable("--out", options.out)
    _set_aside(options.out)
    if text:
        print(f"{text.splitlines()[0].strip('# ')}\n")
    return Lesson(name, options, device, np.random.default_rng(options.seed))


def _parser(name, text, quick, seed, resumable):
    """The command line of a lesson, with its opening text as the description."""
    how = argparse.RawTextHelpFormatter
    parser = CommandLine(prog=f"{name}.py", description=text, formatter_class=how)
    add = parser.add_argument
    same = "whole number >= 0; the same seed gives the same run"
    add("--seed", type=whole_number, default=seed, help=same)
    add("--device", help='"auto" (default), "cpu", "gpu" or "gpu:N"')
    shorter = "a shorter run, with a weaker claim"
    add("--quick", action="store_true", default=quick, help=shorter)
    folder = "folder for figures and results.json"
    add("--out", type=Path, default=Path("out") / name, help=folder)
    add("--no-show", action="store_true", help="write the figures, open no windows")
    if resumable:
        kept = "go on from the checkpoint in the output folder"
        add("--resume", action="store_true", help=kept)
    return parser


def _opening():
    """The first Markdown cell of the script that runs; "" in a notebook, which shows it itself."""
    lines: list[str] = []
    with contextlib.suppress(OSError, AttributeError, TypeError):
        lines = Path(str(sys.modules["__main__"].__file__)).read_text(encoding="utf-8").splitlines()
    if not lines or not lines[0].startswith("# %% [markdown]"):
        return ""
    inside = lambda line: line.startswith("#") and not line.startswith("# %%")
    cell = itertools.takewhile(inside, lines[1:])
    return "\n".join(line[2:] for line in cell)


def derivation(code):
    """The derivation above a function or class: the last block of comments before it."""
    code = inspect.unwrap(code)  # below its decorators
    lines, start = inspect.getsourcelines(code)
    indent = len(lines[0]) - len(lines[0].lstrip())
    mark = lines[0][:indent] + "#"
    above = inspect.getsource(inspect.getmodule(code)).splitlines()[: start - 1]
    while not above[-1].startswith(mark):
        above.pop()
    block = []
    while above and above[-1].startswith(mark):
        block.insert(0, above.pop()[len(mark) + 1 :])
    return "\n".join(block)


def _one_line(kind, error, trace):
    """An exception hook: one line for what `status_of` knows, a traceback for everything else."""
    status = status_of(error, shlex.join([sys.executable, *sys.argv]))
    if status is not None:
        raise SystemExit(status)
    sys.__excepthook__(kind, error, trace)


def _set_aside(folder):
    """Move an earlier results.json, and the figures and pages that it lists, into `earlier`."""
    try:
        record = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        names = ["results.json", *record["figures"], *record.get("pages", [])]
    except (OSError, ValueError, KeyError, TypeError):
        return
    set_aside(*(folder / name for name in names if Path(name).name == name))
