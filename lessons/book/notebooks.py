"""Lessons as notebooks: they run side by side and are kept; answers fold, figures have captions."""

import ast
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tinyattn.kept import digest_of_imports

from .written import HERE, LESSONS, QUICK, words

CONSOLE = re.compile(
    r"^(?:(?:figure|page|results|tinyattn): .*|Exercises and their answers .*)\n?", re.M
)


def read_lesson(text):
    """A lesson or a stub as a notebook: answers and hints folded; new words lead to the glossary.

    A lesson begins with its number and a link to the notebook, and ends with the stubs that belong
    to it. What it has computed is kept for the code that it imports, as quick or as full.
    """
    notebook = plain_notebook(text)
    found = re.search(r'lesson\.start\("((\d\d)_\w+)"', text)
    name, number = found.groups() if found else ("", "")
    if number:
        notebook.metadata["kernelspec"]["made_by"] = made_by(HERE / f"{name}.py")
        first = notebook.cells[0]
        first.source = re.sub(r"^# ", f"# {number} ", first.source) + take_home(name)
        if is_quick():
            first.source += "\n\n" + QUICK.format("")
    else:
        notebook.cells[0].source = notebook.cells[0].source.replace("# Practice: ", "# ", 1)
    terms = [term for term, lesson, _ in words() if number == lesson]
    for cell in notebook.cells:
        cell.source = cell.source.replace("](PAPERS.md)", "](pages/ledger)")
        folded = re.match(r"## (Answers|Hints)\n", cell.source)
        if cell.cell_type == "markdown" and folded:
            text = cell.source[folded.end() :].strip()
            cell.source = f"<details>\n<summary>{folded[1]}</summary>\n\n{text}\n\n</details>"
        elif cell.cell_type == "markdown":
            cell.source = lead_to_glossary(cell.source, terms)
        else:
            if "run.compare(" in cell.source:
                cell.metadata["tags"] = ["hide-input"]
            caption = caption_of(cell.source)
            if caption:
                cell.metadata["mystnb"] = {
                    "image": {"alt": caption},
                    "figure": {"caption": caption},
                }
    notebook.cells += practice(number) if number else []
    return notebook


def plain_notebook(text):
    """A script of cells as a notebook, with nothing added."""
    import jupytext

    notebook = jupytext.reads(text, fmt="py:percent")
    python = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = python
    return notebook


def made_by(path):
    """What a lesson's results depend on besides its own code."""
    return f"{'quick' if is_quick() else 'full'} {digest_of_imports(path)}"


def is_quick():
    """Whether lessons run quickly."""
    return os.environ.get("TINYATTN_QUICK", "0") not in ("", "0")


def take_home(name):
    """A line of links to the lesson as a notebook and as a script."""
    as_notebook = f'<a href="notebooks/{name}.ipynb" download="">notebook</a>'
    as_script = f'<a href="notebooks/{name}.py" download="">script</a>'
    return f'\n\n<p class="take-home">Take it home: {as_notebook} · {as_script}</p>'


def lead_to_glossary(text, terms):
    """A Markdown cell in which each of the terms, where it first stands in italics, is a link."""
    for term in list(terms):
        spelt = r"\s+".join(map(re.escape, term.split()))
        first = re.compile(rf"\*({spelt}(?:s|es|ed)?)(\.?)\*", re.I)
        text, found = first.subn(rf"*{{term}}`\1 <{term}>`\2*", text, count=1)
        if found:
            terms.remove(term)
    return text


def caption_of(code):
    """The caption that a cell gives its figure; "" if it has none."""
    if "run.figure(" not in code:
        return ""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "run.figure":
            if len(node.args) == 3 and isinstance(node.args[2], ast.Constant):
                return node.args[2].value
    return ""


def practice(number):
    """A cell of links to the stubs of a lesson, by its number, each with its minutes; or none."""
    import jupytext

    links = []
    for path in sorted((HERE / "practice").glob(f"{number}_*.py")):
        text = path.read_text(encoding="utf-8")
        title = re.search("^# # Practice: (.*)", text, re.M)
        takes = re.search(r"^# \*\*Takes\*\* (\d+ minutes, \w+)", text, re.M)
        links.append(f"[{title[1]}](practice/{path.stem}) ({takes[1]})")
    line = f"# %% [markdown]\n# **Practice.** {'; '.join(links)}."
    return jupytext.reads(line, fmt="py:percent").cells if links else []


def run_side_by_side(app, env, docnames):
    """Run the lessons that are to be read and are not kept yet, one on each core, and keep them.

    They run where the command was given, as scripts do: they write to out/ and take from it what
    sweeps have kept there. What fails is left to MyST-NB, which runs it again and says where.
    """
    if app.config.nb_execution_mode != "cache":
        return
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn
    from jupyter_cache.executors.utils import single_nb_execution

    cache, missing = get_cache(env.mystnb_config.execution_cache_path), {}
    for path in LESSONS:
        if path.stem in docnames:
            notebook = read_lesson(path.read_text(encoding="utf-8"))
            try:
                cache.match_cache_notebook(notebook)
            except KeyError:
                missing[path] = notebook

    logging.getLogger("traitlets").setLevel(logging.WARNING)  # else a line for each lesson

    here, longest = Path.cwd(), app.config.nb_execution_timeout
    execute = lambda notebook: single_nb_execution(notebook, here, longest, False)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, result in zip(missing, pool.map(execute, missing.values())):
            if result.err is None:
                seconds = {"execution_seconds": result.time}
                bundle = CacheBundleIn(result.nb, str(path), data=seconds)
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def without_console(app, doctree):
    """Leave out what a run says of files that a page does not show; pages to drag from an EPUB."""
    from docutils import nodes

    for block in list(doctree.findall(nodes.literal_block)):
        if "output" in block["classes"] or "output" in block.parent.get("classes", []):
            text = CONSOLE.sub("", block.astext()).strip("\n")
            block.children = []
            if text:
                block += nodes.Text(text)
                block.rawsource = text
            else:
                block.parent.remove(block)
    if app.builder.name == "epub":
        for raw in list(doctree.findall(nodes.raw)):
            if "<iframe" in raw.astext() or "take-home" in raw.astext():
                raw.parent.remove(raw)


def without_missing_styles(app, page, template, context, doctree):
    """An EPUB names style sheets that extensions write for pages alone: leave them out."""
    if app.builder.name == "epub":
        missing = re.compile("codeautolink|mystnb")
        kept = [css for css in context["css_files"] if not missing.search(str(css.filename))]
        context["css_files"] = kept


def write_notebooks(app, error):
    """Write every lesson as a notebook and as a script beside the pages."""
    import jupytext

    if error or app.builder.name != "html":
        return
    folder = Path(app.outdir) / "notebooks"
    folder.mkdir(exist_ok=True)
    for path in LESSONS:
        text = path.read_text(encoding="utf-8")
        (folder / path.name).write_text(text, encoding="utf-8")
        jupytext.write(plain_notebook(text), folder / f"{path.stem}.ipynb")


def setup(app):
    app.connect("env-before-read-docs", run_side_by_side)
    app.connect("doctree-read", without_console)
    app.connect("html-page-context", without_missing_styles)
    app.connect("build-finished", write_notebooks)
