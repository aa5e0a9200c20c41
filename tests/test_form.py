"""What stands in a reader's way in a lesson, and where: width, checks and drawing that belong elsewhere, words
and letters used before they are explained. To add one, begin with lessons/template.py."""

import ast
import re
from pathlib import Path

import pytest

LESSONS = Path(__file__).parent.parent / "lessons"
NUMBERED = sorted(LESSONS.glob("[0-9][0-9]_*.py"))
ALL = [*NUMBERED, LESSONS / "template.py"]
BOOK = (LESSONS / "README.md").read_text(encoding="utf-8")


def cells(path):
    """The cells of a lesson: (is it Markdown, its lines without marks)."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# %%"):
            found.append(("[markdown]" in line, []))
        else:
            found[-1][1].append(line.removeprefix("#").removeprefix(" ") if found[-1][0] else line)
    return found


def text_of(path):
    return "\n".join("\n".join(lines) for markdown, lines in cells(path) if markdown)


def rows_of(heading):
    """The first two columns of a table of lessons/README.md: (terms, lesson)."""
    table = BOOK.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [
        [part.strip() for part in line.split("|")[1:3]]
        for line in table.splitlines()
        if line.startswith("| ")
    ]
    return [(terms.split(", "), lesson) for terms, lesson in rows[1:]]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_lesson_fits_a_page(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        assert not re.match(r"# %%(?! \[markdown\]$).", line), (
            f"line {number}: text on a cell's mark"
        )
        wide = 88 if line.startswith("# ") else 100
        assert len(line) <= wide, f"line {number}: {len(line)} columns, expected at most {wide}"
    (_, opening), (_, imports) = cells(path)[:2]
    assert opening[0].startswith("# ") and opening[2] and not opening[2].startswith("**"), (
        "a title, then a sentence of cause"
    )
    for markdown, text in cells(path):
        numbers = [
            int(found[1]) for line in text if markdown and (found := re.match(r"(\d+)\. ", line))
        ]
        assert numbers == list(range(1, len(numbers) + 1)), (
            f"a line of text begins like a list: {numbers} in {text[0]!r}"
        )
        for before, line in zip(["", *text], text if markdown else ()):
            alike = re.match(r"[+>] |\d+\) |=+$", line) or (before and line.startswith("1. "))
            assert not alike, (
                f"a line of text begins like a list, a quotation or a heading: {line!r}"
            )
    whole = " ".join(opening)
    assert all(mark in whole for mark in ("**Question.** ", "**You see** ")), "Question, You see"
    assert re.search(r"\*\*Takes\*\* \d+ (second|minute)s?", whole), (
        "**Takes** N seconds or minutes"
    )
    code = [line for line in imports if line.strip()]
    assert len(code) <= 12, f"{len(code)} lines of code before the first idea, expected at most 12"


def calls(path, name):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"run.{name}"
    ]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_lesson_holds_its_idea_and_no_more(path):
    source = path.read_text(encoding="utf-8")
    assert len(calls(path, "claim")) <= 4, (
        "more than four claims: the headline stays, the others become tests"
    )
    assert 1 <= len(calls(path, "figure")) <= 2, "one figure, two at most"
    assert len(calls(path, "compare")) == len(calls(path, "finish")) == 1
    for unwanted, where in (
        ("matplotlib", "drawings/"), ("plt.", "drawings/"), ("ax.", "drawings/"), (".savefig", "drawings/"),
        ("argparse", "experiments/"), ("InputError", "experiments/"), ("check_count", "experiments/"),
        ("sys.argv", "experiments/"), ("import lessons", "nowhere"),
    ):  # fmt: skip
        assert unwanted not in source, f"{unwanted} belongs to {where}"
    drawing = re.sub(r"^[0-9]+_", "", path.stem)
    assert f"from drawings import {drawing} as draw\n" in source, (
        f"its figures are those of drawings/{drawing}.py"
    )


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_lesson_asks_and_answers_at_its_end(path):
    assert "**Predict" in text_of(path), "the reader is asked to predict before the code shows"
    (is_text, questions), (also, answers) = cells(path)[-2:]
    assert is_text and also and "## Exercises" in questions and answers[0] == "## Answers", (
        "answers are the last cell"
    )
    for part in ("\n".join(questions).split("## Exercises")[1], "\n".join(answers)):
        assert re.findall(r"^(\d)\. ", part, re.M) == ["1", "2", "3"], (
            "three exercises, easy to hard, and their answers"
        )


def test_words_are_explained_where_they_are_first_used():
    """The glossary of lessons/README.md says in which lesson. There the word is set off, *word*, and it stands in none
    before; but for words of everyday language, which have a meaning in brackets there."""
    texts = {path.stem[:2]: re.sub(r"\s+", " ", text_of(path)) for path in NUMBERED}
    for terms, lesson in rows_of("Words"):
        for term in terms:
            word = re.escape(term.split(" (")[0])
            assert re.search(rf"\*{word}(s|es|ed)?\.?\*", texts[lesson], re.I), (
                f"{term!r} is not set off in lesson {lesson}"
            )
            before = [
                number
                for number, text in texts.items()
                if re.search(rf"\b{word}", text, re.I) and number < lesson
            ]
            assert "(" in term or not before, (
                f"{term!r}: explained in lesson {lesson}, used before in {before}"
            )


KNOWN = {
    "e",
    "ln",
    "Σ",
    *"a an as at be by do if in is it no of on or so to up we".split(),
    "np",
}  # e to a power, sums; words; NumPy in a line to type
MARKS = r"[₀-₉ᵀ⁰¹²³ⁿ]|_\w+|\bW0|\bW1"


def test_letters_of_formulas_are_stated():
    """A formula is a line of text, indented by four, with an = in it and no code; its letters stand in the table of lessons/README.md,
    explained in that lesson or before."""
    stated = {}
    for letters, lesson in rows_of("Letters"):
        for letter in letters:
            stated[letter] = min(lesson, stated.get(letter, "99"))
    for path in NUMBERED:
        lines = [line for markdown, lines in cells(path) if markdown for line in lines]
        for line in lines:
            code = '"' in line or "python lessons" in line
            if line.startswith("    ") and re.search("[=≈]", line) and not code:
                for token in re.findall(r"[A-Za-zα-ωΑ-Ω]+", re.sub(MARKS, " ", line)):
                    letter = token[1:] if token[0] in "d∂" and len(token) == 2 else token
                    if len(letter) < 3 and letter not in KNOWN:
                        known = stated.get(letter, "99") <= path.stem[:2]
                        assert known, (
                            f"{path.stem}: {letter!r} in {line.strip()!r} is stated in no lesson so far"
                        )


def test_every_lesson_has_its_row_in_the_projects_readme_and_its_drawing():
    readme = (LESSONS.parent / "README.md").read_text(encoding="utf-8")
    for path in NUMBERED:
        title = path.read_text(encoding="utf-8").splitlines()[1].strip("# ")
        row = f"| [{path.stem[:2]} {title}](lessons/{path.name}) |"
        assert row in readme, f"README.md: expected a row that begins {row}"
    drawings = {path.stem for path in (LESSONS / "drawings").glob("*.py")}
    assert drawings == {re.sub(r"^[0-9]+_", "", path.stem) for path in ALL}
