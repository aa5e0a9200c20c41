"""Run all lessons, or those named, and refresh what shows their results.

    run_all.py                full runs; refreshes pictures/, results.json, the gallery in README.md
                              and the times in the project's README
    run_all.py --quick        quick runs; nothing is refreshed
    run_all.py --check        full runs, compared with results.json; nothing is refreshed
    run_all.py 03 07          these lessons only

It stops at none and reports all. Exit status: 0, or 1 if a lesson failed or differs.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from records import write
from tinyattn.terminal import CommandLine, open_output, whole_number

HERE = Path(__file__).resolve().parent
LESSONS = sorted(HERE.glob("[0-9][0-9]_*.py"))
RESULTS, PICTURES = HERE / "results.json", HERE / "pictures"
TOLERANCE, TINY = 0.1, 1e-6  # numbers may differ by a tenth; below 1e-6 they are rounding
NUMBER = re.compile(r"[-−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def run(path, quick, out):
    """Run one lesson: (what went wrong, "" if nothing; its results; seconds)."""
    command = [sys.executable, str(path), "--no-show", "--out", str(out / path.stem)]
    command += ["--quick"] if quick else []
    started = time.perf_counter()
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}  # regardless of the terminal here
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=env)
    seconds = time.perf_counter() - started
    (out / "logs").mkdir(parents=True, exist_ok=True)
    (out / "logs" / f"{path.stem}.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode:
        told = done.stderr.strip().splitlines()
        return told[-1] if told else f"exit status {done.returncode}", {}, seconds
    results = (out / path.stem / "results.json").read_text(encoding="utf-8")
    return "", json.loads(results), seconds


def run_side_by_side(paths, quick, out, jobs):
    """Run lessons, so many at a time, and report each as it ends.

    Returns {path: (wrong, results, seconds)}.
    """

    def one(path):
        wrong, record, seconds = run(path, quick, out)
        print(f"{path.stem:28} {seconds:6.1f} s  {wrong or 'every claim holds'}", flush=True)
        return wrong, record, seconds

    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(paths, pool.map(one, paths)))


def headline(record, seconds):
    """What results.json keeps of a lesson."""
    kept = {"rows": record["rows"], "claims": list(record["claims"]), "figures": record["figures"]}
    return {**kept, "seconds": round(seconds, 1)}


def differences(then, now):
    """Where two headlines differ: a list of sentences."""
    old_rows, new_rows = then["rows"], now["rows"]
    told = [f"row {name!r} is new or gone" for name in old_rows.keys() ^ new_rows.keys()]
    told += [f"claim {claim!r} is new or gone" for claim in {*then["claims"]} ^ {*now["claims"]}]
    for name in old_rows.keys() & new_rows.keys():
        before, after = old_rows[name][1], new_rows[name][1]
        old, new = numbers(before), numbers(after)
        same_words = NUMBER.sub("", before) == NUMBER.sub("", after)
        if not same_words or len(old) != len(new) or not all(map(close, old, new)):
            told.append(f"{name.strip()}: {before} then, {after} now")
    return told


def numbers(text):
    return [float(x.replace("−", "-")) for x in NUMBER.findall(text)]


def close(one, other):
    return abs(one - other) <= max(TOLERANCE * max(abs(one), abs(other)), TINY)


def opening(path):
    """Title and question of a lesson, from its first cell."""
    lines = path.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    text = " ".join(line.strip("# ") for line in lines[1:])
    question = re.search(r"\*\*Question\.\*\* (.*?) \*\*You see", re.sub(r"\s+", " ", text))
    return lines[1].strip("# "), question[1] if question else ""


def gallery(kept):
    """Question, pictures and numbers of every lesson, as Markdown."""
    parts = [
        f"Full runs on {kept['machine']}; `run_all.py` refreshes this page (times are those of one "
        "run; machines differ by a factor of two).\n"
    ]
    for path in LESSONS:
        title, question = opening(path)
        stem, found = path.stem[:2], kept["lessons"].get(path.stem)
        parts.append(f"## [{stem} {title}]({path.name})\n\n{question}\n")
        if found:
            for name, caption in found["figures"].items():
                parts.append(f"![{caption or title}](pictures/{stem}_{name})\n")
            table = ["| | expected or paper | here |", "|---|---|---|"]
            for what, (theirs, ours) in found["rows"].items():
                table.append(f"| {what.strip()} | {theirs} | {ours} |")
            parts.append("\n".join([*table, ""]))
            claims = " ".join(f"{claim[0].upper()}{claim[1:]}." for claim in found["claims"])
            parts.append(f"{claims} ({clock(found['seconds'])})\n")
    return "\n".join(parts)


def clock(seconds):
    return f"{max(1, round(seconds))} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def between(path, mark, text):
    """Replace what is between the lines <!-- mark --> and <!-- end of mark --> of a file."""
    whole = path.read_text(encoding="utf-8")
    start, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    head, rest = whole.split(start)
    path.write_text(head + start + text + end + rest.split(end)[1], encoding="utf-8")


def refresh(found, out):
    """Write pictures, results.json, the gallery, and the times in the project's README."""
    kept = {"lessons": {}}
    if RESULTS.exists():
        kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    kept["machine"] = f"{os.cpu_count()} cores, {versions}"
    PICTURES.mkdir(exist_ok=True)
    for path, (record, seconds) in found.items():
        kept["lessons"][path.stem] = headline(record, seconds)
        for old in PICTURES.glob(f"{path.stem[:2]}_*.png"):
            old.unlink()
        for name in record["figures"]:
            shutil.copy(out / path.stem / name, PICTURES / f"{path.stem[:2]}_{name}")
    in_order = [path.stem for path in LESSONS if path.stem in kept["lessons"]]
    kept["lessons"] = {name: kept["lessons"][name] for name in in_order}
    write(RESULTS, kept)
    between(HERE / "README.md", "gallery", gallery(kept))
    readme = HERE.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    for name, one in kept["lessons"].items():
        row = rf"(\| \[[^\]]*\]\(lessons/{name}\.py\) \|.*\|) [^|]* \|\n"
        text = re.sub(row, rf"\1 {clock(one['seconds'])} |\n", text)
    readme.write_text(text, encoding="utf-8")


def main():
    how = argparse.RawDescriptionHelpFormatter
    parser = CommandLine(description=__doc__, formatter_class=how)
    parser.add_argument("names", nargs="*", help="numbers or names of lessons; default: all")
    parser.add_argument("--quick", action="store_true", help="quick runs")
    parser.add_argument("--check", action="store_true", help="compare with results.json")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where the lessons write")
    many = "lessons at a time; default: one a core if quick, else two cores each"
    parser.add_argument("--jobs", type=whole_number, help=many)
    options = parser.parse_args()
    if options.quick and options.check:
        parser.error("--check: expected full runs, got --quick")
    known = [path.stem for path in LESSONS]
    for name in options.names:
        if not any(stem.startswith(name) for stem in known):
            parser.error(f"names: expected some of {', '.join(known)}, got {name}")
    paths = [path for path in LESSONS if path.stem.startswith(tuple(options.names or [""]))]
    cores = os.cpu_count() or 1
    jobs = options.jobs or max(1, cores if options.quick else cores // 2)
    started = time.perf_counter()
    found = run_side_by_side(paths, options.quick, options.out, jobs)
    failed = [path.stem for path, (wrong, _, _) in found.items() if wrong]
    whole = {path: rest for path, (wrong, *rest) in found.items() if not wrong}
    told = []
    if options.check:
        kept = json.loads(RESULTS.read_text(encoding="utf-8"))["lessons"]
        for path, (record, seconds) in whole.items():
            then = kept.get(path.stem, {"rows": {}, "claims": []})
            told += [f"{path.stem}: {one}" for one in differences(then, headline(record, seconds))]
    elif not options.quick:
        refresh(whole, options.out)
    for one in told:
        print(one)
    last = [f"{len(whole)} of {len(paths)} lessons in {time.perf_counter() - started:.0f} s"]
    last += [f"failed: {', '.join(failed)}"] if failed else []
    last += [f"{len(told)} differences from results.json"] if options.check else []
    print("; ".join(last))
    return 1 if failed or told else 0


if __name__ == "__main__":
    open_output()
    sys.exit(main())
