"""Derivations stand in the reference below what they derive; numbers of equations are links.

A number in brackets at the start of a line of comments, or after a wide space, defines an equation;
any other in a comment cites the last one of that number. Equations are counted in the order of the
file, so that the reference and the source give each the same name.
"""

import ast
import functools
import inspect
import re
import sys

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
        after = (name for start, name in below if start > end and "Cache" not in name)
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
    if app.builder.name != "html":  # an EPUB has no pages of source
        return
    if page.startswith(("_modules/tinyattn", "_modules/experiments")):
        context["body"] = _link_source(body)
    elif page.startswith("pages/library/"):
        modules = {re.sub(r"[._]", "-", name): name for name in sys.modules}

        def linked(match):
            there = "../../_modules/" + modules[match[2]].replace(".", "/") + ".html"
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
    app.connect("autodoc-skip-member", without_fields)
    app.connect("html-page-context", link_equations)
