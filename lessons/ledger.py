"""Run the commands of PAPERS.md, or those given; keep their headline figures in results.json.

    ledger.py                                    all of them, one after the other: hours
    ledger.py "ladder --batch 3000 --steps 2000" this one

What a command writes is in out/ledger, in a folder of its own. Sweeps go on where they were
interrupted; the time kept is then that of the last start. Exit status: 0, or 1 if one failed.
"""

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from experiments import EXPERIMENTS
from records import write
from run_all import HERE, RESULTS, between, clock

LEDGER = HERE / "PAPERS.md"
SMALL = 9  # longer lists are curves


def commands(text):
    """The commands that a Markdown text shows, in its order, each from the experiment's name on."""
    found = dict.fromkeys(re.findall(r"`([^`]+)`", text))
    return [one for one in found if one.split()[0] in EXPERIMENTS]


VERDICTS = ["same", "near", "differs (cause known)", "differs (cause not known)"]


def verdicts(text):
    """How often each verdict stands in the papers' tables of a Markdown text."""
    found = dict.fromkeys(VERDICTS, 0)
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip()[1:-1].split("|")]
        if (
            line.startswith("|")
            and len(cells) == 6
            and cells[0] != "item"
            and "---" not in cells[0]
        ):
            found[cells[3]] += 1
    return found


def headline(record):
    """What results.json keeps of a record: numbers, short lists, the last entry of a curve."""
    if "numbers" in record:
        return numbers(record["numbers"])
    if "runs" not in record:
        return {f"seed {seed}": numbers(result) for seed, result in record["seeds"].items()}
    kept = {}
    for run in record["runs"]:
        point = [f"{name} {run[name]}" for name in record["over"]]
        kept[", ".join([*point, f"seed {run['seed']}"])] = numbers(run["result"])
    if record.get("law"):
        kept["law"] = numbers(record["law"])
    return kept


def numbers(value):
    """A result in six significant figures, of a curve its last entry; None where that is long."""
    if isinstance(value, dict):
        kept = {key: numbers(part) for key, part in value.items()}
        return {key: part for key, part in kept.items() if part is not None or value[key] is None}
    if isinstance(value, list):
        if len(value) < SMALL:
            return [numbers(part) for part in value]
        last = value[-1]
        too_long = isinstance(last, list) and len(last) >= SMALL
        return None if too_long else numbers(last)
    return float(f"{value:.6g}") if isinstance(value, float) else value


def keep(command, record, seconds):
    """Write a command's headline and time into results.json, and all times into PAPERS.md."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    one = {"seconds": round(seconds), "found": headline(record)}
    every = {**kept.get("commands", {}), command: one}
    named = commands(LEDGER.read_text(encoding="utf-8"))
    kept["commands"] = {name: every[name] for name in sorted(named) if name in every}
    kept["verdicts"] = verdicts(LEDGER.read_text(encoding="utf-8"))
    write(RESULTS, kept)
    times = [f"| {name} | {clock(one['seconds'])} |\n" for name, one in kept["commands"].items()]
    between(LEDGER, "times", "".join(["| command | time |\n|---|---|\n", *times]))


def run(command):
    """Run one, and keep what it found: its exit status."""
    out = Path("out") / "ledger" / re.sub(r"[^\w.]+", "_", command)
    words = [str(HERE / "experiments"), *shlex.split(command), "--out", str(out)]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *words])
    seconds = time.perf_counter() - started
    if done.returncode == 0:
        record = json.loads((out / "results.json").read_text(encoding="utf-8"))
        keep(command, record, seconds)
    print(f"{command}: {seconds:.0f} s, exit status {done.returncode}", flush=True)
    return done.returncode


if __name__ == "__main__":
    given = sys.argv[1:] or commands(LEDGER.read_text(encoding="utf-8"))
    statuses = [run(command) for command in given]
    sys.exit(1 if any(statuses) else 0)
