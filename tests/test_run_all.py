"""lessons/run_all.py: what it reports, what it refreshes, what it compares, on two small lessons of our own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from run_all import differences

ROOT = Path(__file__).parent.parent
LESSON = """# %% [markdown]
# # {title}
#
# A cause.
#
# **Question.** How many
# are there?
#
# **You see** a line. **Takes** 1 second.

# %%
import matplotlib.pyplot as plt

import lesson

run = lesson.start("{name}")
run.figure(plt.figure(), "line")
run.compare([("how many", "about 3", {value})])
run.claim("there are some", {holds})
run.finish({{"n": 3}}, count=3)
"""


def run_all(folder, *flags):
    env = {**os.environ, "TINYATTN_DEVICE": "cpu", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "lessons/run_all.py", *flags],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def book(tmp_path):
    (tmp_path / "lessons").mkdir()
    for name in ("run_all.py", "records.py", "lesson.py"):
        shutil.copy(ROOT / "lessons" / name, tmp_path / "lessons")
    (tmp_path / "lessons" / "README.md").write_text(
        "# Lessons\n<!-- gallery -->\nold\n<!-- end of gallery -->\n## Words\nkept\n"
    )
    (tmp_path / "README.md").write_text(
        "| lesson | time |\n|---|---|\n| [01 One](lessons/01_one.py) | an idea | 77 s |\nkept\n"
    )
    write(tmp_path, "01_one", "One", "3.25", True)
    write(tmp_path, "02_two", "Two", "4", False)
    return tmp_path


def write(folder, name, title, value, holds):
    path = folder / "lessons" / f"{name}.py"
    path.write_text(
        LESSON.format(name=name, title=title, value=value, holds=holds), encoding="utf-8"
    )


def test_it_stops_at_none_and_refreshes_what_was_right(book):
    done = run_all(book)
    assert (
        done.returncode == 1 and "1 of 2 lessons" in done.stdout and "failed: 02_two" in done.stdout
    )
    assert "claim does not hold: there are some" in done.stdout and done.stderr == ""
    kept = json.loads((book / "lessons" / "results.json").read_text())
    assert list(kept["lessons"]) == ["01_one"] and kept["lessons"]["01_one"]["rows"] == {
        "how many": ["about 3", "3.25"]
    }
    assert [path.name for path in (book / "lessons" / "pictures").iterdir()] == ["01_line.png"]
    gallery = (book / "lessons" / "README.md").read_text()
    assert (
        "old" not in gallery
        and gallery.endswith("## Words\nkept\n")
        and "How many are there?" in gallery
    )
    assert "![One](pictures/01_line.png)" in gallery and "| how many | about 3 | 3.25 |" in gallery
    assert "77 s" not in (book / "README.md").read_text() and (
        book / "README.md"
    ).read_text().endswith("kept\n")


def test_check_compares_and_refreshes_nothing(book):
    assert run_all(book, "01").returncode == 0
    write(book, "01_one", "One", "3.3", True)
    done = run_all(book, "--check", "01")
    assert done.returncode == 0 and "0 differences" in done.stdout
    write(book, "01_one", "One", "5.5", True)
    before = (book / "lessons" / "results.json").read_bytes()
    done = run_all(book, "--check", "01")
    assert done.returncode == 1 and "01_one: how many: 3.25 then, 5.5 now" in done.stdout
    assert (book / "lessons" / "results.json").read_bytes() == before
    assert (
        run_all(book, "--quick", "01").returncode == 0
        and (book / "lessons" / "results.json").read_bytes() == before
    )


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--quick", "--check"], "--check: expected full runs"),
        (["9"], "names: expected some of 01_one, 02_two, got 9"),
    ],
)
def test_bad_input_is_told(book, flags, message):
    done = run_all(book, *flags)
    assert done.returncode == 2 and message in done.stderr and not (book / "out").exists()


def test_numbers_are_compared_and_words_too():
    told = lambda then, now: differences(
        {"rows": {"a": ["-", then]}, "claims": []}, {"rows": {"a": ["-", now]}, "claims": []}
    )
    assert (
        not told("1.5, −2e-3", "1.6, −2.1e-3")
        and not told("4e-12", "9e-15")
        and not told("330 to 340", "335 to 338")
    )
    assert (
        told("1.5, 2", "1.5")
        and told("1.5", "1.8")
        and told("never", "12")
        and told("the, a", "the, boat")
    )
    assert differences({"rows": {"a": ["-", "1"]}, "claims": ["x"]}, {"rows": {}, "claims": []})


def test_what_is_kept_in_the_book_is_what_the_lessons_give():
    """Every lesson has its pictures, rows and claims in results.json, under the names that it uses."""
    kept = json.loads((ROOT / "lessons" / "results.json").read_text(encoding="utf-8"))["lessons"]
    gallery = (ROOT / "lessons" / "README.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py")):
        found = kept[path.stem]
        source = path.read_text(encoding="utf-8")
        for name, caption in found["figures"].items():
            assert (
                caption
                and (ROOT / "lessons" / "pictures" / f"{path.stem[:2]}_{name}").exists()
                and f'"{name[:-4]}",' in source
            )
            assert f"pictures/{path.stem[:2]}_{name}" in gallery
        assert 1 <= len(found["claims"]) <= 4 and 1 <= len(found["rows"]) <= 6
