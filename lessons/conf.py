"""The book: the lessons as pages, executed, and the library's reference.

    python -m sphinx lessons out/book

With TINYATTN_QUICK=1 the lessons run quickly. What has run is kept beside the book, and runs again
only if its lesson has changed.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

project, author, copyright = (
    "tinyattn",
    "the authors of tinyattn",
    "the authors of tinyattn, MIT licence",
)
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["conf.py", "run_all.py", "template.py", "drawings", "out", "README.md"]

html_theme = "furo"
html_title = "tinyattn: how attention heads learn"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 3
nb_custom_formats = {".py": ["conf.read_lesson", {}]}
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_timeout = 1800
nb_execution_raise_on_error = True
nb_merge_streams = True
smartquotes = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}


def read_lesson(text):
    """A lesson as a notebook: its answers folded, and the code that makes the table of results."""
    import jupytext

    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## Answers"):
            answers = cell.source.removeprefix("## Answers").strip()
            cell.source = f"<details>\n<summary>Answers</summary>\n\n{answers}\n\n</details>"
        elif cell.cell_type == "code" and "run.compare(" in cell.source:
            cell.metadata["tags"] = ["hide-input"]
    return notebook


def as_it_stands(app, what, name, thing, options, lines):
    """A docstring is shown letter by letter: its columns say which lines belong together."""
    if any(line.strip() for line in lines):
        lines[:] = ["::", "", *(f"   {line}" for line in lines), ""]


def to_pages(app, docname, source):
    """Links to a lesson lead to its page; the front page goes on with the gallery of README.md."""
    if docname == "index":
        source[0] += (HERE / "README.md").read_text(encoding="utf-8").split("\n", 1)[1]
    if docname in ("index", "PAPERS"):
        text = source[0].replace("[template.py](template.py)", "template.py")
        source[0] = re.sub(r"\]\((\d\d_\w+)\.py\)", r"](\1)", text)


def setup(app):
    app.connect("autodoc-process-docstring", as_it_stands)
    app.connect("source-read", to_pages)
