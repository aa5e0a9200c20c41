"""The book builds without a warning, holds every lesson and every module, and leads nowhere outside."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LESSONS = sorted(path.stem for path in (ROOT / "lessons").glob("[0-9][0-9]_*.py"))


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The book with its cells not run (the tests of the lessons run them): {name: page}."""
    out = tmp_path_factory.mktemp("book")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(out / "kept")]
    command += ["-D", "nb_execution_mode=off", str(ROOT / "lessons"), str(out / "html")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return {path.stem: path.read_text(encoding="utf-8") for path in (out / "html").glob("*.html")}


def test_every_lesson_is_a_page_with_its_answers_folded(book):
    assert set(LESSONS) <= set(book)
    for name in LESSONS:
        page = book[name]
        assert page.count("<summary>Answers</summary>") == 1 and "hide-input" in page.replace("hide_input", "hide-input")
        assert f"{name}.html" in book["index"], f"the front page leads to {name}"


def test_the_library_stands_there_module_by_module(book):
    import tinyattn

    listed = (ROOT / "lessons" / "library.md").read_text(encoding="utf-8")
    modules = re.findall(r"automodule:: tinyattn\.([\w.]+)", listed)
    missing = [name for name in tinyattn.__all__ if name not in modules]
    assert not missing, f"lessons/library.md: add an automodule for {', '.join(missing)}"
    files = {".".join(path.relative_to(ROOT / "tinyattn").with_suffix("").parts) for path in (ROOT / "tinyattn").rglob("*.py")}
    files = {name for name in files if not name.split(".")[-1].startswith("__")}
    assert files <= set(modules), f"lessons/library.md: add an automodule for {', '.join(sorted(files - set(modules)))}"
    assert 'id="tinyattn.attention.attend_forward"' in book["library"]


def test_nothing_leads_outside_and_no_link_leads_nowhere(book):
    for name, page in book.items():
        outside = set(re.findall(r'(?:href|src)="(https?://[^"]+)"', page))
        assert outside <= {"https://github.com/pradyunsg/furo"}, f"{name}: {outside}"  # the theme's credit, a link to click
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(https?:[^"]*)"', page)
        assert not loaded, f"{name}: {loaded}"
        for target in re.findall(r'href="([\w.]+)\.html(?:#[^"]*)?"', page):
            assert target in book or target in ("genindex", "search", "py-modindex"), f"{name} links to {target}"
