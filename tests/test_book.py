"""Every lesson runs quickly, as a script, and then as a notebook in the book, which builds without a warning; what is in it,
and that every link leads somewhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinyattn

ROOT = Path(__file__).parent.parent
LESSONS = sorted(path.stem for path in (ROOT / "lessons").glob("[0-9][0-9]_*.py"))


@pytest.fixture(scope="module")
def quick_runs(tmp_path_factory):
    """All lessons with --quick, as run_all.py runs them: (what it said, the folder of their results)."""
    folder = tmp_path_factory.mktemp("lessons")
    env = {**os.environ, "TINYATTN_DEVICE": "cpu", "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    command = [sys.executable, str(ROOT / "lessons" / "run_all.py"), "--quick"]
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8"
    )
    return done, folder / "out"


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs_quickly_and_its_claims_hold(lesson, quick_runs):
    done, out = quick_runs
    line = next(line for line in done.stdout.splitlines() if line.startswith(lesson))
    assert line.endswith("every claim holds"), line
    results = json.loads((out / lesson / "results.json").read_text(encoding="utf-8"))
    assert results["claims"] and all(results["claims"].values())
    assert 1 <= len(results["rows"]) <= 6, "at most six rows of figures: the headline"
    assert len(results["settings"]) > 3 and all(
        results["settings"].get(name, 1) for name in ("lr", "steps", "batch")
    )
    assert (
        results["seed"] == 0
        and results["settings"]["quick"]
        and {"tinyattn", "numpy"} <= set(results["versions"])
    )
    assert {file.suffix for file in (out / lesson).iterdir() if file.is_file()} - {
        ".npz",
        ".html",
    } == {".json", ".png"}
    said = (out / "logs" / f"{lesson}.txt").read_text(encoding="utf-8")
    assert re.search(r"\|\s+here\n", said), "the table is missing"


def test_all_lessons_were_run(quick_runs):
    done, _ = quick_runs
    assert (
        done.returncode == 0
        and done.stderr == ""
        and f"{len(LESSONS)} of {len(LESSONS)} lessons" in done.stdout
    )


@pytest.fixture(scope="module")
def book(quick_runs):
    """The book, its lessons quick and built where the scripts ran, whose sweeps it takes: {name: page}."""
    out = quick_runs[1] / "book"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TINYATTN_QUICK": "1", "TINYATTN_DEVICE": ""}
    env.pop("MPLBACKEND", None)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(out / "kept")]
    command += [str(ROOT / "lessons"), str(out / "html")]
    done = subprocess.run(
        command, cwd=quick_runs[1].parent, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, (
        done.stderr
    )  # -W: a warning is an error; kernels say a word of their own
    sources = [
        path
        for name in ("tinyattn", "experiments")
        for path in (out / "html" / "_modules" / name).rglob("*.html")
    ]
    stubs = (out / "html" / "practice").glob("*.html")
    paths = [*(out / "html").glob("*.html"), *stubs, *sources]
    return {
        path.relative_to(out / "html").with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in paths
    }


def test_every_lesson_is_a_page_with_its_answers_folded(book):
    assert set(LESSONS) <= set(book)
    for name in LESSONS:
        page = book[name]
        assert page.count("<summary>Answers</summary>") == 1 and "hide-input" in page.replace(
            "hide_input", "hide-input"
        )
        assert f"{name}.html" in book["index"], f"the front page leads to {name}"
        assert re.search(r'<img [^>]*src="_images/[^"]*"', page), f"{name} shows no picture"
        assert "stderr" not in page, f"{name} has a red box"
    pages = [name for name in LESSONS if '<iframe class="page"' in book[name]]
    assert [name[:2] for name in pages] == [
        "01",
        "03",
        "04",
        "06",
        "10",
        "12",
        "14",
        "17",
        "18",
        "19",
    ]


def test_every_stub_of_practice_is_a_page_that_its_lesson_leads_to(book):
    for path in (ROOT / "lessons" / "practice").glob("[0-9][0-9]_*.py"):
        page = book[f"practice/{path.stem}"]
        assert "<summary>Hints</summary>" in page and "not yet" not in page, "it is not run"
        for name in (lesson for lesson in LESSONS if lesson[:2] == path.stem[:2]):
            assert f'href="practice/{path.stem}.html"' in book[name]


def test_the_library_stands_there_module_by_module(book):
    for name in tinyattn.__all__:
        assert f'id="module-tinyattn.{name}"' in book["library"], f"the reference lacks {name}"
    assert 'id="tinyattn.tasks.markov.MarkovChain"' in book["library"]
    assert 'id="experiments.ladder.LadderTrial"' in book["library"]
    assert 'id="tinyattn.attention.attend_forward"' in book["library"]


def test_nothing_leads_outside_and_no_link_leads_nowhere(book):
    for name, page in book.items():
        outside = set(re.findall(r'(?:href|src)="(https?://[^"]+)"', page))
        assert outside <= {"https://github.com/pradyunsg/furo"}, (
            f"{name}: {outside}"
        )  # the theme's credit, a link to click
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(https?:[^"]*)"', page)
        assert not loaded, f"{name}: {loaded}"
        for target, place in re.findall(r'href="([\w./]*?)(?:\.html)?(?:#([^"]*))?"', page):
            there = (
                os.path.normpath(os.path.join(os.path.dirname(name), target)) if target else name
            )
            if there in ("genindex", "search", "py-modindex", "_modules/index") or there.startswith(
                ("_static", "_modules/n")
            ):
                continue
            assert there in book, f"{name} links to {target}"
            assert not place or f'id="{place}"' in book[there], f"{name} links to {target}#{place}"


def test_a_new_word_leads_to_the_glossary_and_back(book):
    table = (
        (ROOT / "lessons" / "README.md")
        .read_text(encoding="utf-8")
        .split("## Words\n")[1]
        .split("\n## ")[0]
    )
    rows = [
        [part.strip() for part in line.split("|")[1:3]]
        for line in table.splitlines()
        if line.startswith("| ")
    ]
    for terms, lesson in rows[1:]:
        name = next(name for name in LESSONS if name.startswith(lesson))
        for term in (term.split(" (")[0] for term in terms.split(", ")):
            place = "term-" + re.sub(r"\W+", "-", term)
            assert f'href="index.html#{place}"' in book[name], f"{name} does not lead to {term!r}"
            assert f'id="{place}"' in book["index"]
    assert 'href="01_one_head_by_hand.html">01</a>' in book["index"].replace(
        '<span class="doc std std-doc">01</span>', "01"
    )


def test_lessons_lead_to_the_functions_they_use_and_equations_to_the_code_that_cites_them(book):
    assert 'href="library.html#tinyattn.attention.attend_backward"' in book["01_one_head_by_hand"]
    assert 'href="library.html#tinyattn.flows.emergence.TwoNumbers"' in book["06_plateau_then_snap"]
    source = book["_modules/tinyattn/attention"]
    numbers = dict(re.findall(r'<a class="equation" id="(eq-\d+)" href="#(by-eq-\d+)">', source))
    assert len(numbers) >= 15 and all(
        f'id="{by}" href="#{eq}"' in source for eq, by in numbers.items()
    )
    line = next(line for line in source.splitlines() if 'id="by-eq-5"' in line)
    assert "softmax_backward" in line  # (6) of attend: da
    assert re.search(r"da_tj = s_tj \(ds_tj", re.sub("<[^>]*>", "", book["library"])), (
        "derivations stand in the reference"
    )
    assert 'href="_modules/tinyattn/attention.html#eq-5">(6)</a>' in book["library"]
