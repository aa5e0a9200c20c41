"""The frame of every stub: flags, hints, the end, and what a function of the reader's returned."""

import argparse
import contextlib
import functools
import re
import shlex
import sys
import traceback
from pathlib import Path

import numpy as np

from tinyattn.errors import InputError, check_function, first_line, shown
from tinyattn.terminal import (
    CommandLine,
    in_notebook,
    open_output,
    run_command,
    say,
    whole_number,
)

ROOT = Path(__file__).resolve().parents[2]


class NotYet(Exception):
    """What is missing or wrong, in one line."""


def judge(judged):
    """A function that returns where an answer is right and raises NotYet where not, as a judge.

    then: what a judge says behind "done".
    """

    @functools.wraps(judged)
    def end(*given, then, **settings):
        work = functools.partial(judged, *given, **settings)
        status = run_command(lambda: _end(work, then), shlex.join([sys.executable, *sys.argv]))
        if not in_notebook():
            sys.exit(status)

    return end


def _end(work, then):
    open_output()
    script = _script()
    wanted = _hints_wanted(script) if script else 0
    if wanted:
        print(*hints(script)[:wanted], sep="\n")
        return 0
    try:
        work()
    except NotYet as missing:
        print(f"hints: python {_name(script)} --hint" if script else "hints: in the last cell")
        say(f"not yet: {missing}")
        return 1
    print(f"done; {then}")
    return 0


def _script():
    """The file of the script that runs; None in a notebook."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    return None if in_notebook() or file is None else Path(file).resolve()


def _hints_wanted(script):
    """How many hints the command line asks for."""
    how = argparse.RawTextHelpFormatter
    first = cells(script)[0][1]
    parser = CommandLine(prog=script.name, description=first, formatter_class=how)
    told = "print the first hint, or with N = 2 or 3 the first two or three"
    parser.add_argument("--hint", type=whole_number, nargs="?", const=1, metavar="N", help=told)
    count = parser.parse_args().hint
    if count not in (None, 1, 2, 3):
        parser.error(f"--hint: expected 1, 2 or 3, got {count}")
    return count or 0


def cells(path):
    """The cells of a stub, a list of (whether it is Markdown, its text without marks)."""
    found = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith("# %%"):
            found.append(("[markdown]" in line, []))
        elif found:
            found[-1][1].append(line.removeprefix("#").removeprefix(" ") if found[-1][0] else line)
    return [(markdown, "\n".join(lines).strip()) for markdown, lines in found]


def hints(path):
    """The hints of a stub, one text each: the items of its last cell."""
    return re.split(r"\n(?=\d\. )", cells(path)[-1][1])[1:]


def _name(path):
    """A file as one names it in the project's folder."""
    path = Path(path).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def script_name():
    """The script that runs, as one names it in the project's folder; in a notebook, its cell."""
    script = _script()
    return _name(script) if script else "their cell"


def where(function):
    """Where a function of the reader's stands: a file and a line."""
    code = function.__code__
    return "its cell" if in_notebook() else f"{_name(code.co_filename)}, line {code.co_firstlineno}"


@contextlib.contextmanager
def asked(function):
    """Inside, what the reader's function stumbles over is told in one line, with its place."""
    check_function("function", function)
    try:
        yield
    except (NotYet, InputError):
        raise
    except Exception as error:
        trace = traceback.extract_tb(error.__traceback__)
        mine = [frame for frame in trace if frame.filename == function.__code__.co_filename]
        place = where(function)
        if mine and not in_notebook():
            place = f"{_name(mine[-1].filename)}, line {mine[-1].lineno}: {mine[-1].line}"
        raise NotYet(f"{function.__name__}: {first_line(error)}, in {place}") from error


def fitting(function, returned, shapes):
    """What a function of the reader's returned, as a list of arrays, one for each name in shapes.

    Raises NotYet where something is missing or has another shape.
    """
    wanted = ", ".join(f"{name} {shape}" if shape else name for name, shape in shapes.items())
    wanted = f"{function.__name__}: expected {wanted}"
    parts = list(returned) if isinstance(returned, tuple) else [returned]
    if any(part is None or part is ... for part in parts):
        raise NotYet(f"{wanted}, got {shown(returned)}: write it in {where(function)}")
    if len(parts) != len(shapes):
        raise NotYet(f"{wanted}, got {len(parts)} in the place of {len(shapes)}")
    try:
        arrays = [np.asarray(part, dtype=float) for part in parts]
    except (TypeError, ValueError):
        raise NotYet(f"{wanted}, got {shown(returned)}") from None
    if [array.shape for array in arrays] != list(shapes.values()):
        came = ", ".join(f"{name} {array.shape}" for name, array in zip(shapes, arrays))
        raise NotYet(f"{wanted}, got {came}")
    return arrays


def settle(wrong):
    """Raise NotYet where something of that list is wrong."""
    if wrong:
        raise NotYet(f"{' and '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} wrong: see above")
