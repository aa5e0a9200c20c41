"""lessons/PAPERS.md: every command in it is one, was run, and every figure of ours is one that was found."""

import json
import re
from pathlib import Path

import ledger
from experiments import EXPERIMENTS
from experiments.command import _parser, _values

ROOT = Path(__file__).parent.parent
LEDGER = (ROOT / "lessons" / "PAPERS.md").read_text(encoding="utf-8")
RESULTS = json.loads((ROOT / "lessons" / "results.json").read_text(encoding="utf-8"))
NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-−+]?\d+)?")


def rows():
    """(item, ours, what differs, shown by) of every row of every table."""
    for line in LEDGER.splitlines():
        cells = [cell.strip() for cell in line.strip()[1:-1].split("|")]
        if (
            line.startswith("|")
            and len(cells) > 2
            and cells[0] not in ("item", "what")
            and "---" not in cells[0]
        ):
            yield (
                cells[0],
                cells[2] if len(cells) == 6 else cells[1],
                cells[-2] if len(cells) == 6 else "",
                cells[-1],
            )


def numbers(found):
    """All numbers of a nest of dicts, lists and texts."""
    if isinstance(found, dict):
        return [number for pair in found.items() for part in pair for number in numbers(part)]
    if isinstance(found, list):
        return [number for part in found for number in numbers(part)]
    if isinstance(found, str):
        return [float(text.replace(",", "").replace("−", "-")) for text in NUMBER.findall(found)]
    return [] if found is None or isinstance(found, bool) else [float(found)]


def stands_for(text, number):
    """Whether a number, rounded as text is, is what text says; its sign may stand in words."""
    text = text.replace(",", "").replace("−", "-").lstrip("-")
    mantissa, _, power = text.partition("e")
    unit = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    return abs(abs(number) - float(text)) <= 0.5001 * unit


def test_no_row_is_empty():
    for item, ours, _, shown in rows():
        assert not re.search("not (here )?yet|not run", ours) and ours not in ("", "-"), item
        assert shown not in ("", "-"), item


def test_commands_are_commands():
    """Every experiment is one, with settings that it has; every lesson and test is there; every command was run."""
    commands = {*ledger.commands(LEDGER)}
    assert len(commands) > 20
    assert not commands - RESULTS["commands"].keys(), "what lessons/ledger.py has not run"
    assert not RESULTS["commands"].keys() - commands, "what no row names"
    for command in commands:
        words = [
            str(ROOT / "README.md") if word.endswith(".txt") else word for word in command.split()
        ]
        options = vars(_parser().parse_args(words))
        kind = EXPERIMENTS[options.pop("experiment")]
        settings, over = kind.law if options.pop("law", False) else ({}, {})
        given = {
            name: value
            for name, value in options.items()
            if value is not None and name in kind.__dataclass_fields__
        }
        given = settings | given | {"follow": ()} if "follow" in given else settings | given
        for name, values in (over | _values(kind, options.get("over") or [])).items():
            for value in values:
                kind(**{**given, name: value})
        kind(**given)
    for lesson in re.findall(r"\b(\d\d_\w+)", LEDGER):
        assert (ROOT / "lessons" / f"{lesson}.py").exists(), lesson
    for test in re.findall(r"tests/\w+\.py", LEDGER):
        assert (ROOT / test).exists(), test


def test_figures_are_those_found():
    """Every number of ours is, rounded, one that the row's lessons or commands found, or a setting; or a test holds it."""
    told = []
    for item, ours, _, shown in rows():
        lessons, commands = re.findall(r"\b\d\d_\w+", shown), ledger.commands(shown)
        if "tests/" in shown:
            continue
        found = [RESULTS["lessons"][name][part] for name in lessons for part in ("rows", "claims")]
        found += [RESULTS["commands"].get(command, {}).get("found") for command in commands]
        found = numbers([item, *(command.replace(",", " ") for command in commands), *found])
        missing = [
            text
            for text in NUMBER.findall(ours)
            if not any(stands_for(text, number) for number in found)
        ]
        told += [f"{item}: {', '.join(missing)}"] if missing else []
    assert not told, "\n".join(told)


def test_every_row_of_a_paper_has_a_verdict_and_their_counts_are_kept():
    counts = ledger.verdicts(LEDGER)  # a word that is none of the four is an error
    assert sum(counts.values()) == len(
        re.findall(r"^\| (?:[A-Z]|real|theory|rep).*\|$", LEDGER.split("## Ours")[0], re.M)
    )
    assert RESULTS["verdicts"] == counts


def test_headlines():
    curves = {
        "step": list(range(20)),
        "kl": [[0.1] * 3] * 20,
        "maps": {"a": list(range(12))},
        "attention": [[0.1] * 9] * 9,
    }
    short = {"emerged": 123.456, "solved": None, "kl_there": [[0.12345, 2.0], [3.0, 4.0]]}
    kept = {"step": 19, "kl": [0.1] * 3, "maps": {"a": 11}}
    kept |= {"emerged": 123.456, "solved": None, "kl_there": [[0.12345, 2.0], [3.0, 4.0]]}
    assert ledger.headline({"seeds": {"0": {**curves, **short}}}) == {"seed 0": kept}
    runs = [{"lr": 0.1, "seed": 2, "result": {**curves, **short}}]
    law = {"C": 2.0, "exponents": {"lr": -1.0}}
    record = {"over": {"lr": [0.1]}, "runs": runs, "law": law}
    assert ledger.headline(record) == {"lr 0.1, seed 2": kept, "law": law}
    assert ledger.headline({"numbers": {"rate": 1.2345678}}) == {"rate": 1.23457}
    assert ledger.commands("`ladder --lr 1`, `x`, `snap`, `recall`") == [
        "ladder --lr 1", "snap", "recall"
    ]  # fmt: skip
