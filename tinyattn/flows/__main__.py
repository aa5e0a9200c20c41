"""The exact pieces of two papers, one command each: python -m tinyattn.flows emergence

Writes figure.png and results.json, its headline figures, into --out. Each takes seconds.
"""

import argparse
import dataclasses
import inspect
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded: all matrices here are small

from .. import __version__
from ..kept import check_writable, plain, set_aside, write_figure, write_text
from ..terminal import CommandLine, number, open_output, run_command, whole_number
from .redistribution import Dilution
from .snap import Snap

PIECES = {"emergence": Snap, "dilution": Dilution}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 for what could not be written, 2 for bad input, 130 after Ctrl-C."""
    options = vars(_parser().parse_args(arguments))
    name, out = options.pop("piece"), options.pop("out")
    return run_command(lambda: _run(name, PIECES[name](**options), out), "python -m tinyattn.flows")


def _run(name, piece, out):
    check_writable("--out", out)
    set_aside(out / "results.json", out / "figure.png")
    found = piece.run()
    numbers = plain("results", found["numbers"], gaps=True)
    record = {"piece": name, "settings": dataclasses.asdict(piece), "tinyattn": __version__, "numbers": numbers}
    write_text(out / "results.json", json.dumps(record, indent=1) + "\n")
    for key, value in numbers.items():
        print(f"{key} = {_short(value)}")
    import matplotlib

    matplotlib.use("Agg")
    from .. import plot
    from . import figures

    plot.use()
    write_figure(out / "figure.png", getattr(figures, name)(piece, found))
    print(f"figure: {out / 'figure.png'}\nresults: {out / 'results.json'}")


def _short(value):
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(part)}" for key, part in value.items())
    return "never" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def _parser():
    parser = CommandLine(
        prog="python -m tinyattn.flows", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="piece", required=True, metavar="|".join(PIECES))
    for name, kind in PIECES.items():
        what = f"{inspect.getdoc(sys.modules[kind.__module__])}\n\n{inspect.getdoc(kind)}"
        command = commands.add_parser(name, description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
        command.add_argument("--out", type=Path, default=Path("out") / name, help="folder for results.json and the figure")
        for field in dataclasses.fields(kind):
            command.add_argument(
                f"--{field.name}",
                type=whole_number if type(field.default) is int else number,
                default=field.default,
                help=f"default: {field.default}",
            )
    return parser


if __name__ == "__main__":
    open_output()
    sys.exit(main())
