"""The book: the lessons as pages, executed, and the library's reference.

    python -m sphinx lessons out/book

With TINYATTN_QUICK=1 the lessons run quickly; with -b epub before "lessons" it is one file for a
reader of books. What has run is kept beside the book, and runs again only if its code has changed.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
# Kernels find there what is beside the lessons.
given = filter(None, [os.environ.get("PYTHONPATH")])
os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path[:2], *given])

import tinyattn  # noqa: E402

project = "tinyattn"
version = tinyattn.__version__
author = "the authors of tinyattn"
copyright = "the authors of tinyattn, MIT licence"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_codeautolink", "book"]
exclude_patterns = [
    "[a-z]*.py",  # what is no lesson
    "practice/[a-z]*.py",  # what is no stub
    "book",
    "drawings",
    "experiments",
    "out",
    "README.md",
    "PAPERS.md",
]

html_theme = "furo"
html_title = "tinyattn: how attention heads learn"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 3
nb_custom_formats = {".py": ["book.read_lesson", {}]}
nb_execution_mode = "cache"
nb_execution_excludepatterns = ["practice/*"]  # stubs are not answered yet
nb_execution_in_temp = True
nb_execution_timeout = 1800
nb_execution_raise_on_error = True
nb_merge_streams = True
smartquotes = False

epub_basename = "tinyattn"
epub_show_urls = "no"
epub_tocscope = "includehidden"
suppress_warnings = ["epub.unknown_project_files"]  # its own caches

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
viewcode_follow_imported_members = False  # else [docs] in the source may lead nowhere
codeautolink_concat_default = True
