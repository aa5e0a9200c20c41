"""Every lesson runs quickly, as a script, and then as a notebook in the book, which builds without a warning; what is in it,
and that every link leads somewhere."""

import json
import os
import posixpath
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote

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
    html = out / "html"
    return {
        path.relative_to(html).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in html.rglob("*.html")
        if path.relative_to(html).parts[0] != "_static"
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
        "11",
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


def test_the_library_stands_there_a_page_for_each_module(book):
    for name in tinyattn.__all__:
        page = book[f"pages/library/tinyattn.{name}"]
        assert f'id="module-tinyattn.{name}"' in page, f"the reference lacks {name}"
    assert 'id="tinyattn.tasks.markov.MarkovChain"' in book["pages/library/tinyattn.tasks.markov"]
    assert 'id="experiments.ladder.LadderTrial"' in book["pages/library/experiments.ladder"]
    assert 'id="tinyattn.attention.attend_forward"' in book["pages/library/tinyattn.attention"]
    listed = re.findall(r'href="library/([\w.]+)\.html"', book["pages/library"])
    assert [*dict.fromkeys(listed)][:2] == ["tinyattn.ops", "tinyattn.attention"], (
        "what a reader comes for is first"
    )


def test_every_page_of_a_quick_book_says_so(book):
    """And no page of a full one: what has run is kept for quick and for full apart."""
    for name, page in book.items():
        written = not name.startswith(("_modules", "genindex", "search", "py-modindex"))
        if written and not re.match(r"practice/\d", name):  # stubs are not run
            assert "This is a quick book" in page, name


def test_formulas_lessons_and_papers_in_a_page(book):
    page = book["01_one_head_by_hand"]
    formula = re.findall(
        r'<div class="formula docutils container">\n(.*?)</div>\n</div>', page, re.S
    )
    assert len(formula) > 15
    e = '<em class="var">e</em><sup><em class="var">a</em><sub><em class="var">i</em></sub></sup>'
    assert any(e in block for block in formula), "e^a_i"
    assert '<a class="reference internal" href="02_is_it_right.html">lesson 02</a>' in page
    paper = 'href="pages/ledger/incremental.html">Incremental Learning of Sparse Attention Patterns'
    assert paper in book["12_climbing_the_ladder"]


def test_the_ledger_has_a_page_for_each_paper_and_folds_what_differs(book):
    for name in ("incremental", "emergence", "focus"):
        page = book[f"pages/ledger/{name}"]
        assert (
            page.count("<summary>What differs</summary>") > 3
            and "<table" not in page.split("Recall at 24")[0]
        )


def test_a_lesson_can_be_taken_home(book, quick_runs):
    for name in LESSONS:
        assert re.search(rf'<a [^>]*download[^>]*href="notebooks/{name}.ipynb"', book[name])
        path = quick_runs[1] / "book" / "html" / "notebooks" / f"{name}.ipynb"
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert cells[0]["source"][0].startswith("# ") and "warning" not in str(cells[0])
        assert not re.search("(results|figure): out|tinyattn: device", book[name]), name


def test_what_is_kept_is_kept_for_quick_and_full_apart_and_for_the_code_that_made_it(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "lessons")
    from book import notebooks

    text = (ROOT / "lessons" / "06_plateau_then_snap.py").read_text(encoding="utf-8")
    made_by = lambda: notebooks.read_lesson(text).metadata["kernelspec"]["made_by"].split()
    monkeypatch.setenv("TINYATTN_QUICK", "1")
    quick = made_by()
    monkeypatch.delenv("TINYATTN_QUICK")
    full = made_by()
    assert (quick[0], full[0]) == ("quick", "full") and quick[1] == full[1]
    other = notebooks.made_by(ROOT / "lessons" / "07_repetition_in_context.py")
    assert other.split()[1] != full[1], "it imports other drawings"


@pytest.mark.parametrize(
    "text, pieces",
    [
        ("a head", [("", "a head")]),
        (
            "λ = 1/(√d T)",
            [("var", "λ"), ("", " = 1/(√"), ("var", "d"), ("", " "), ("var", "T"), ("", ")")],
        ),
        ("e^(−u²/2)", [("var", "e"), ("high", "−u²/2")]),
        ("x_{t+1} in 23 s", [("var", "x"), ("low", "t+1"), ("", " in 23 s")]),
        ("I do, in run_all.py", [("", "I do, in run_all.py")]),
        ("Yüksel's dΔ/dt", [("", "Yüksel's "), ("var", "dΔ"), ("", "/"), ("var", "dt")]),
        (
            "the score a, T^0.40",
            [("", "the score "), ("var", "a"), ("", ", "), ("var", "T"), ("high", "0.40")],
        ),
        (
            "s_t² x_tᵀ",
            [("var", "s"), ("low", "t"), ("", "² "), ("var", "x"), ("low", "t"), ("", "ᵀ")],
        ),
        (
            "(W0 W1)_kj",
            [("", "("), ("var", "W0"), ("", " "), ("var", "W1"), ("", ")"), ("low", "kj")],
        ),
    ],
)
def test_what_is_a_symbol_in_a_sentence(text, pieces, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "lessons")
    from book import formulas

    assert formulas.pieces(text, prose=True) == pieces


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
            if there.startswith(("_static", "notebooks/")):
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
            assert f'href="pages/words.html#{place}"' in book[name], (
                f"{name} does not lead to {term!r}"
            )
            assert f'id="{place}"' in book["pages/words"]
    assert 'href="../01_one_head_by_hand.html">01</a>' in book["pages/words"].replace(
        '<span class="doc std std-doc">01</span>', "01"
    )


def test_lessons_lead_to_the_functions_they_use_and_equations_to_the_code_that_cites_them(book):
    leads = lambda name, module, thing: (
        f'href="pages/library/tinyattn.{module}.html#tinyattn.{thing}"' in book[name]
    )
    assert leads("01_one_head_by_hand", "attention", "attention.attend_backward")
    assert leads("06_plateau_then_snap", "flows.emergence", "flows.emergence.TwoNumbers")
    source = book["_modules/tinyattn/attention"]
    numbers = dict(re.findall(r'<a class="equation" id="(eq-\d+)" href="#(by-eq-\d+)">', source))
    assert len(numbers) >= 15 and all(
        f'id="{by}" href="#{eq}"' in source for eq, by in numbers.items()
    )
    line = next(line for line in source.splitlines() if 'id="by-eq-5"' in line)
    assert "softmax_backward" in line  # (6) of attend: da
    assert re.search(
        r"da_tj = s_tj \(ds_tj", re.sub("<[^>]*>", "", book["pages/library/tinyattn.attention"])
    ), "derivations stand in the reference"
    there = 'href="../../_modules/tinyattn/attention.html#eq-5">(6)</a>'
    assert there in book["pages/library/tinyattn.attention"]


def test_the_same_book_as_an_epub(book, quick_runs):
    """Every link in it leads somewhere in it, and its contents list the lessons."""
    out = quick_runs[1] / "book"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TINYATTN_QUICK": "1", "TINYATTN_DEVICE": ""}
    env.pop("MPLBACKEND", None)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "epub"]
    command += [str(ROOT / "lessons"), str(out / "epub")]  # what has run is kept beside both
    done = subprocess.run(
        command, cwd=quick_runs[1].parent, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(out / "epub" / "tinyattn.epub") as whole:
        read = {name: whole.read(name) for name in whole.namelist()}
    pages = {name: text.decode() for name, text in read.items() if name.endswith(".xhtml")}
    for name, page in pages.items():
        assert "<iframe" not in page
        for target, place in re.findall(r'(?:href|src)="([^"#]*)(?:#([^"]*))?"', page):
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(target)))
            there = there if target else name
            assert there in read, f"{name} links to {target}"
            assert not place or f'id="{place}"' in pages[there], f"{name}: {target}#{place}"
    assert all(f'href="{name}.xhtml"' in pages["nav.xhtml"] for name in LESSONS)
