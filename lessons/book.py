"""What the book adds to Sphinx: answers that fold, words that lead to the glossary, derivations in
the reference, and numbers of equations that lead to the code that cites them, and back."""

import ast
import functools
import inspect
import logging
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import experiments
import tinyattn

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"

# ---- lessons as notebooks


def read_lesson(text):
    """A lesson or a stub as a notebook: answers and hints folded; new words lead to the glossary.

    A lesson ends with the stubs that belong to it.
    """
    import jupytext

    notebook = jupytext.reads(text, fmt="py:percent")
    python = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = python
    number = re.search(r'lesson\.start\("(\d\d)_', text)
    terms = [term for term, lesson, _ in words() if number and lesson == number[1]]
    for cell in notebook.cells:
        folded = re.match(r"## (Answers|Hints)\n", cell.source)
        if cell.cell_type == "markdown" and folded:
            text = cell.source[folded.end() :].strip()
            cell.source = f"<details>\n<summary>{folded[1]}</summary>\n\n{text}\n\n</details>"
        elif cell.cell_type == "markdown":
            for term in list(terms):
                spelt = r"\s+".join(map(re.escape, term.split()))
                first = re.compile(rf"\*({spelt}(?:s|es|ed)?)(\.?)\*", re.I)
                cell.source, found = first.subn(rf"*{{term}}`\1 <{term}>`\2*", cell.source, count=1)
                if found:
                    terms.remove(term)
        elif "run.compare(" in cell.source:
            cell.metadata["tags"] = ["hide-input"]
    stubs = practice(number[1]) if number else ""
    if stubs:
        (cell,) = jupytext.reads(f"# %% [markdown]\n# {stubs}", fmt="py:percent").cells
        notebook.cells.append(cell)
    return notebook


def practice(number):
    """The line of links to the stubs of a lesson, by its number, each with its minutes; or ""."""
    links = []
    for path in sorted((HERE / "practice").glob(f"{number}_*.py")):
        text = path.read_text(encoding="utf-8")
        title = re.search("^# # Practice: (.*)", text, re.M)
        takes = re.search(r"^# \*\*Takes\*\* (\d+ minutes, \w+)", text, re.M)
        links.append(f"[{title[1]}](practice/{path.stem}) ({takes[1]})")
    return f"**Practice.** {'; '.join(links)}." if links else ""


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
    for path in (HERE / f"{name}.py" for name in docnames):
        if path.exists() and path.parent == HERE:  # stubs are not run
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


# ---- the glossary


@functools.cache
def words():
    """(term, lesson, in short) of README.md's table of words, without what is in brackets."""
    table = README.read_text(encoding="utf-8").split("## Words\n")[1].split("\n## ")[0]
    _, *rows = [line for line in table.splitlines() if line.startswith("| ")]
    found = []
    for row in rows:
        terms, lesson, short = (part.strip() for part in row.split("|")[1:4])
        found += [(term.split(" (")[0], lesson, short) for term in terms.split(", ")]
    return found


def glossary():
    """The table of words as Sphinx's glossary: terms explained together are one entry."""
    pages = {path.stem[:2]: path.stem for path in HERE.glob("[0-9][0-9]_*.py")}
    entries: dict[tuple[str, str], list[str]] = {}
    for term, lesson, short in words():
        entries.setdefault((lesson, short), []).append(term)
    lines = ["```{glossary}"]
    for (lesson, short), terms in entries.items():
        lines += [*terms, f"  {short} ([{lesson}]({pages[lesson]}))", ""]
    return "\n".join([*lines, "```"])


def reference():
    """A heading and all docstrings of every module, in reading order, the experiments last."""
    names = []
    for package in (tinyattn, experiments):
        for file in Path(package.__file__).parent.rglob("*.py"):
            parts = file.relative_to(Path(package.__file__).parent).with_suffix("").parts
            if parts[-1] != "__main__":
                names.append(".".join((package.__name__, *parts)).removesuffix(".__init__"))
    names.remove("tinyattn")
    order = {f"tinyattn.{name}": i for i, name in enumerate(tinyattn.__all__)}
    first = lambda name: (order.get(".".join(name.split(".")[:2]), len(order)), name)
    lines = []
    for name in sorted(names, key=first):
        short = name.removeprefix("tinyattn.")
        lines += [f"## {short}", "", "```{eval-rst}", f".. automodule:: {name}", "```", ""]
    return "\n".join(lines)


def to_pages(app, docname, source):
    """Links to a lesson lead to its page; the front page goes on with README.md."""
    if docname == "library":
        source[0] += "\n" + reference()
    if docname == "index":
        _, text = README.read_text(encoding="utf-8").split("\n", 1)
        head, rest = text.split("\n| term | lesson |")
        _, letters = rest.split("\n## Letters\n")
        source[0] += f"{head}\n{glossary()}\n\n## Letters\n{letters}"
    if docname in ("index", "PAPERS"):
        text = source[0].replace("[template.py](template.py)", "template.py")
        source[0] = re.sub(r"\]\((\d\d_\w+)\.py\)", r"](\1)", text)


# ---- derivations and their equations
#
# A number in brackets at the start of a line of comments, or after a wide space, defines an
# equation; any other in a comment cites the last one of that number. Equations are counted in the
# order of the file, so that the reference and the source give each the same name.

DEFINED = re.compile(r"(?:(?<=#)|(?<=   ))( *)\((\d+)\)(?=  )")
CITED = re.compile(r"\((\d+)\)")


@functools.cache
def derivations(module):
    """{name of what is below it: (the derivation, how many equations there are above it)}."""
    source = inspect.getsource(sys.modules[module])
    lines, found, equations, i = source.splitlines(), {}, 0, 0
    below = sorted(_named(ast.parse(source), module))
    while i < len(lines):
        end = i
        while end < len(lines) and lines[end].lstrip().startswith("#"):
            end += 1
        here = sum(len(DEFINED.findall(line)) for line in lines[i:end])
        after = (name for start, name in below if start > end and not name.endswith("Cache"))
        name = next(after, None)
        if here and name:
            block = [line.strip().removeprefix("#").removeprefix(" ") for line in lines[i:end]]
            found[name] = "\n".join(block), equations
        equations += here
        i = max(end, i + 1)
    return found


def _named(tree, path):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.lineno, f"{path}.{node.name}"
            yield from _named(node, f"{path}.{node.name}")


def verbatim(app, what, name, thing, options, lines):
    """A docstring letter by letter, as columns say which lines belong together; a derivation."""
    if any(line.strip() for line in lines):
        lines[:] = [".. code-block:: none", "", *(f"   {line}" for line in lines), ""]
    module = getattr(getattr(thing, "fget", thing), "__module__", None)
    if what != "module" and module in sys.modules and name in derivations(module):
        text, before = derivations(module)[name]
        lines += [
            ".. code-block:: none",
            f"   :class: derivation after-{before} {re.sub('[._]', '-', module)}",
            "",
        ]
        lines += [*(f"   {line}" for line in text.splitlines()), ""]


def without_fields(app, what, name, thing, skip, options):
    """A cache's fields say no more than its signature."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def link_equations(app, page, template, context, doctree):
    """In the source an equation leads to the first code that cites it, and code to its equation."""
    body = context.get("body", "")
    if page.startswith(("_modules/tinyattn", "_modules/experiments")):
        context["body"] = _link_source(body)
    elif page == "library":
        modules = {re.sub(r"[._]", "-", name): name for name in sys.modules}

        def linked(match):
            there = "_modules/" + modules[match[2]].replace(".", "/") + ".html"
            number = iter(range(int(match[1]), 10**6))
            link = lambda found: f'{found[1]}<a href="{there}#eq-{next(number)}">({found[2]})</a>'
            lines = [DEFINED.sub(link, f"# {line}")[2:] for line in match[4].split("\n")]
            return match[3] + "\n".join(lines)

        start = r'(?<=class="derivation after-)(\d+) ([\w-]+)'
        block = start + r"( [^>]*>.*?<pre><span></span>)(.*?)(?=</pre>)"
        context["body"] = re.sub(block, linked, body, flags=re.S)


def _link_source(body):
    comment = re.compile(r'<span class="c1">(.*?)</span>')
    spots = []  # (start, end, its own name, the name it leads to)
    last: dict[str, str] = {}  # the name of the last equation of each number
    cited: dict[str, str] = {}
    k = 0
    for found in comment.finditer(body):
        line_start = body.rfind("\n", 0, found.start()) + 1
        whole = not body[line_start : found.start()].strip()
        defined = set()  # where in the comment equations are defined
        if whole:
            defined = {match.end() - len(match[2]) - 2 for match in DEFINED.finditer(found[1])}
        for match in CITED.finditer(found[1]):
            at, number = found.start(1) + match.start(), match[1]
            if match.start() in defined:
                last[number] = f"eq-{k}"
                spots.append((at, at + len(match[0]), last[number], None))
                k += 1
            elif number in last:
                name = None
                if not whole and last[number] not in cited:
                    cited[last[number]] = name = f"by-{last[number]}"
                spots.append((at, at + len(match[0]), name, last[number]))
    for start, end, name, there in reversed(spots):
        there = there or cited.get(name, name)
        mark = f' id="{name}"' if name else ""
        link = f'<a class="equation"{mark} href="#{there}">{body[start:end]}</a>'
        body = body[:start] + link + body[end:]
    return body


def setup(app):
    app.connect("autodoc-process-docstring", verbatim)
    app.connect("source-read", to_pages)
    app.connect("env-before-read-docs", run_side_by_side)
    app.connect("autodoc-skip-member", without_fields)
    app.connect("html-page-context", link_equations)
