"""Pages that are made of what stands elsewhere: the start, the gallery, the words, the ledger by
paper, the reference by file. They are written into lessons/pages/ before Sphinx reads."""

import functools
import re
from pathlib import Path

import experiments
import tinyattn

HERE = Path(__file__).resolve().parent.parent
LESSONS = sorted(HERE.glob("[0-9][0-9]_*.py"))
PAGES = HERE / "pages"
FRONT = HERE.parent / "README.md"  # the project's
README = HERE / "README.md"  # the gallery, the words, the letters
LEDGER = HERE / "PAPERS.md"
PAPERS = {"I": "incremental", "E": "emergence", "F": "focus"}


@functools.cache
def words():
    """(term, lesson, in short) of README.md's table of words, without what is in brackets."""
    found = []
    for terms, lesson, short in rows(section(README, "Words")):
        found += [(term.split(" (")[0], lesson, short) for term in terms.split(", ")]
    return found


def section(path, title):
    """What stands below a heading of the second level, up to the next."""
    return path.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text):
    """The rows of the first table of a Markdown text, without its head."""
    return [cells(line) for line in text.splitlines() if line.startswith("|")][2:]


def cells(line):
    """The cells of a line of a table."""
    return [part.strip() for part in line.strip()[1:-1].split("|")]


def to_pages(text, above="../"):
    """Links to lessons' files lead to their pages, from a page that lies below `above`."""
    text = re.sub(r"\]\((?:lessons/)?(\d\d_\w+)\.py\)", rf"]({above}\1)", text)
    text = re.sub(r"\]\(pictures/", rf"]({above}pictures/", text)
    return text.replace("[template.py](template.py)", "template.py")


def to_modules(text):
    """Links of a guide to the library's files lead to their pages; other files have none."""
    text = re.sub(r"\]\(\.\./\.\./tinyattn/([\w/]+)\.py\)", module_page, text)
    return re.sub(r"\[([^\]]*)\]\(\.\./(?:\.\./tests|template|index|README)[^)]*\)", r"\1", text)


def module_page(link):
    name = link[1].removesuffix("/__init__").replace("/", ".")
    return f"](../pages/library/tinyattn.{name})"


def start():
    """The table of lessons, a part each, for the start page."""
    table = section(FRONT, "Lessons").strip().split("\n\n")[0]
    return to_pages(table, above="")


def gallery():
    text = README.read_text(encoding="utf-8")
    body = text.split("<!-- gallery -->\n")[1].split("<!-- end of gallery -->")[0]
    return f"# Gallery\n\nEvery lesson's question, pictures and numbers. {to_pages(body)}"


def glossary():
    """The table of words as Sphinx's glossary: terms explained together are one entry."""
    names = {path.stem[:2]: path.stem for path in LESSONS}
    entries: dict[tuple[str, str], list[str]] = {}
    for term, lesson, short in words():
        entries.setdefault((lesson, short), []).append(term)
    lines = ["# Words and letters", "", "```{glossary}"]
    for (lesson, short), terms in entries.items():
        lines += [*terms, f"  {short} ([{lesson}](../{names[lesson]}))", ""]
    return "\n".join([*lines, "```", "", "## Letters", "", section(README, "Letters")])


# ---- the ledger


def ledger():
    """{name: Markdown} of the ledger: what it is, a page for each paper, one for the rest."""
    head, *parts = LEDGER.read_text(encoding="utf-8").split("\n## ")
    pages, rest = {}, []
    for part in parts:
        title, body = part.split("\n", 1)
        paper = re.match(r"\[([IEF])\] ", title)
        if paper:
            body = by_block(body.replace("\n### ", "\n## "))
            pages[f"ledger/{PAPERS[paper[1]]}"] = f"# {title}\n\n{body}"
        else:
            rest.append(f"## {title}\n{to_pages(body, '../../')}")
    pages["ledger/ours"] = "\n".join(["# Beyond the papers\n", *rest])
    listed = "\n".join([*(f"ledger/{name}" for name in PAPERS.values()), "ledger/ours"])
    pages["ledger"] = f"{head}\n\n```{{toctree}}\n{listed}\n```\n"
    return pages


def by_block(text):
    """A paper's tables with five columns or six as blocks: a row each, what differs folded."""
    lines = []
    for line in text.splitlines():
        row = cells(line) if line.startswith("|") else []
        if len(row) < 5:
            lines.append(line)
        elif row[0] != "item" and "---" not in row[0]:
            item, theirs, ours, *verdict, differs, shown = row
            word = f" ({verdict[0]})" if verdict else ""
            lines += [f"## {item}{word}", "", f"**Theirs** {theirs}", "", f"**Ours** {ours}", ""]
            if differs:
                lines += ["<details>", "<summary>What differs</summary>", "", differs, ""]
                lines += ["</details>", ""]
            lines += [f"**Shown by** {shown_by(shown)}", ""]
    return "\n".join(lines)


def shown_by(text):
    """Where a row's figures come from, its lessons as links."""
    names = {path.stem for path in LESSONS}
    link = lambda found: f"[{found[0]}](../../{found[0]})" if found[0] in names else found[0]
    return re.sub(r"\b\d\d_\w+", link, text)


# ---- the reference


def modules():
    """The names of all modules, in reading order, the experiments last."""
    names = []
    for package in (tinyattn, experiments):
        for file in Path(package.__file__).parent.rglob("*.py"):
            parts = file.relative_to(Path(package.__file__).parent).with_suffix("").parts
            if parts[-1] != "__main__":
                names.append(".".join((package.__name__, *parts)).removesuffix(".__init__"))
    names.remove("tinyattn")
    order = {f"tinyattn.{name}": i for i, name in enumerate(tinyattn.__all__)}
    first = ["tinyattn.ops", "tinyattn.attention"]  # what a reader comes for
    place = lambda name: order.get(".".join(name.split(".")[:2]), len(order))
    return sorted(names, key=lambda name: (name not in first, place(name), name))


def reference():
    """{name: Markdown} of the reference: a list, and a page for every module."""
    pages, lines = {}, []
    for name in modules():
        short = name.removeprefix("tinyattn.")
        pages[f"library/{name}"] = f"# {short}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n"
        lines.append(f"{short} <library/{name}>")
    listed = "\n".join(lines)
    text = (
        "A page for every file, operations first, the experiments last. Every function's shapes, "
    )
    text += "units and errors stand in its docstring, as here, and its derivation below it."
    pages["library"] = f"# The library\n\n{text}\n\n```{{toctree}}\n{listed}\n```\n"
    return pages


# ---- writing them


def write_pages(app):
    """Write what has changed, and remove what is no page any more."""
    pages = {"gallery": gallery(), "words": glossary(), **ledger(), **reference()}
    paths = {PAGES / f"{name}.md": text for name, text in pages.items()}
    for path in PAGES.rglob("*.md"):
        if path not in paths:
            path.unlink()
    for path, text in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


QUICK = """```{{warning}}
This is a quick book: its lessons were run smaller, and claim less. {}
```
"""


def fill(app, docname, source):
    """The start page gets its table; every page of a quick book says that it is one."""
    if docname == "index":
        app.env.note_dependency(FRONT)
        source[0] = source[0].replace("{lessons}", start())
    if docname.startswith("guides/"):
        source[0] = to_modules(source[0])
    if app.config.quick and source[0].startswith("# ") and not is_notebook(docname):
        gallery = "The pictures and numbers on this page are those of full runs."
        told = QUICK.format(gallery if docname == "pages/gallery" else "")
        head, rest = source[0].split("\n", 1)
        source[0] = f"{head}\n\n{told}\n{rest}"


def is_notebook(docname):
    """Whether a page is a lesson or a stub."""
    return re.match(r"(practice/)?\d\d_", docname) is not None


def setup(app):
    app.connect("builder-inited", write_pages)
    app.connect("source-read", fill)
