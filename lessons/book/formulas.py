"""Unicode formulas set as formulas, and lessons, papers and the ledger in prose as links.

A lesson writes λ = 1/(√d T) or e^(−u²/2). In the book single letters are italic, what follows _ and
^ stands low and high, and a line that is indented by four is a line of a formula, its columns kept.
"""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from .written import LESSONS, PAPERS, is_notebook

ALPHABET = "A-Za-zÀ-ɏΑ-Ωα-ω"
LETTER = "[A-Za-zΑ-Ωα-ω]"
BRACES = r"\{[^{}]*\}"
BRACKETS = r"\((?:[^()]|\([^()]*\))*\)"
LOW = rf"{BRACES}|(?:(?![ᵀ²³])\w)+|\*"  # x_tᵀ and s_t² are powers of x_t and s_t
TOKEN = re.compile(
    rf"(?<![\w.'’-])(?P<base>[d∂]?{LETTER}\d?[′̂˙]*)_(?P<low>{LOW})"
    rf"|(?<=[)\]|])_(?P<entry>{LOW})"
    rf"|\^(?P<high>{BRACES}|{BRACKETS}|[−-]?√?[\w.∞]+)"
    rf"|(?<![\w.'’])(?P<letter>[d∂]?{LETTER}\d?)(?![{ALPHABET}\d'’]|\.\w)"
)
CODE = re.compile(r"print\(|^\s*(python|pip|\.venv|import|from|for|git) |lesson\.", re.M)
DRAWN = re.compile("[─│┬└┌┐┘┴├]|-{4,}|^ +[/\\\\] ", re.M)
WIDE = re.compile(r"\s{2,}")
SPACE = 0.52  # how wide a character of the source is taken to be, in em


def pieces(text, prose):
    """A text as [(kind, text)]: kind is "", "var", "low" or "high"."""
    found, at = [], 0
    for match in TOKEN.finditer(text):
        if match["letter"] and prose and not is_symbol(text, match):
            continue
        found.append(("", text[at : match.start()]))
        if match["letter"]:
            found.append(("var", match["letter"]))
        elif match["high"]:
            found.append(("high", bare(match["high"])))
        elif match["entry"]:
            found.append(("low", bare(match["entry"])))
        else:
            found += [("var", match["base"]), ("low", bare(match["low"]))]
        at = match.end()
    return [piece for piece in [*found, ("", text[at:])] if piece[1]]


def bare(text):
    """Without the braces, or the brackets, that only say how far it reaches."""
    return text[1:-1] if text[0] in "{(" else text


def is_symbol(text, match):
    """Whether a letter in a sentence is a symbol and not a word."""
    letter, after = match["letter"], text[match.end() :]
    if letter in ("I", "do", "as", "am", "an", "at"):
        return False
    if letter in ("a", "A"):  # an article never stands before a sign
        return re.match(r"[,.;:)₀-₉²]|\Z|\s*[=·+−/<>≈(]", after) is not None
    if letter == "s":  # seconds
        return re.search(r"\d $", text[: match.start()]) is None
    return len(letter) == 1 or letter[0] in "d∂" or letter[-1].isdigit()


def as_nodes(text, prose=True):
    """A text as nodes."""
    made = {"": nodes.Text, "high": nodes.superscript, "low": nodes.subscript}
    for kind, part in pieces(text, prose):
        if kind == "":
            yield nodes.Text(part)
        elif kind == "var":
            yield nodes.emphasis("", part, classes=["var"])
        else:
            script = made[kind]()
            script += list(as_nodes(part, prose=False))
            yield script


def formula(text):
    """Lines of a formula as a node: what the source aligns stays aligned."""
    block = nodes.container(classes=["formula"])
    lines = text.rstrip("\n").splitlines()
    equals = {line.find("= ") for line in lines if re.match(r" *= ", line)}
    for line in lines:
        row = nodes.container(classes=["line"])
        for start, end, part in columns(line, equals):
            wide = "" if end is None else f"min-width:{SPACE * (end - start):.1f}em"
            row += nodes.raw("", f'<span class="cell" style="{wide}">', format="html")
            row += list(as_nodes(part, prose=False))
            row += nodes.raw("", "</span>", format="html")
        block += row
    return block


def columns(line, equals):
    """(where it starts, where the next starts, text) of the columns of a line."""
    starts = {0, *(found.end() for found in WIDE.finditer(line))}
    starts |= {place for place in equals if line[place : place + 2] == "= "}
    starts = sorted(place for place in starts if place < len(line))
    for start, end in zip(starts, [*starts[1:], None]):
        yield start, end, line[start:end].strip()


def join_texts(document):
    """Make one text of neighbours, as a line's end is a text of its own."""
    for node in list(document.findall(nodes.paragraph)):
        for part in [node, *node.findall(nodes.emphasis), *node.findall(nodes.strong)]:
            joined = []
            for child in part.children:
                if isinstance(child, nodes.Text) and joined and isinstance(joined[-1], nodes.Text):
                    joined[-1] = nodes.Text(joined[-1] + child)
                else:
                    joined.append(child)
            part.children = []
            part += joined


class Formulas(SphinxPostTransform):
    """Sets what lessons write, when a page is about to be written."""

    default_priority = 900

    def run(self, **kwargs):
        docname = self.env.docname
        if not (is_notebook(docname) or docname.startswith(("pages/ledger", "pages/words"))):
            return
        for block in list(self.document.findall(nodes.literal_block)):
            of_code = (
                "output" in block.parent.get("classes", []) or block.parent.tagname == "output"
            )
            plain = block.get("language", "none") in ("none", "default", "")
            text = block.astext()
            if plain and not of_code and not CODE.search(text) and not DRAWN.search(text):
                block.replace_self(formula(text))
        join_texts(self.document)
        for text in list(self.document.findall(nodes.Text)):
            around = set()
            above = text.parent
            while above is not None:
                around.add(above.tagname)
                above = above.parent
            if "formula" in str(text.parent.get("classes", "")) or around & SKIPPED:
                continue
            if around & {"paragraph", "term"}:
                prose = list(self.linked(text.astext(), "reference" not in around))
                text.parent.replace(text, prose)

    def linked(self, text, may_lead):
        """A text as nodes, with links to the lessons and papers that it names."""
        at = 0
        for match in NAMED.finditer(text) if may_lead else ():
            there = page_of(match)
            if there and there != self.env.docname:
                yield from as_nodes(text[at : match.start()])
                uri = self.app.builder.get_relative_uri(self.env.docname, there)
                yield nodes.reference("", match[0], refuri=uri, internal=True)
                at = match.end()
        yield from as_nodes(text[at:])


SKIPPED = {"title", "literal", "literal_block", "raw", "subscript", "superscript"}
NUMBERS = {path.stem[:2]: path.stem for path in LESSONS}
TITLES = {
    "Incremental Learning of Sparse Attention Patterns": "I",
    "The Emergence of Sparse Attention": "E",
    "Focus and Dilution": "F",
}
TITLED = "|".join(title.replace(" ", r"\s") for title in TITLES)
NAMED = re.compile(
    r"(?:[Ll]essons? )(?P<lesson>\d\d)\b|(?<=[ ,(])(?P<short>\d\d)(?='s\b)"
    r"|(?P<ledger>\bthe ledger\b)"
    rf"|(?P<paper>{TITLED})"
)


def page_of(match):
    """The page that a name in a sentence leads to; None if there is none."""
    if match["paper"]:
        return f"pages/ledger/{PAPERS[TITLES[' '.join(match['paper'].split())]]}"
    return "pages/ledger" if match["ledger"] else NUMBERS.get(match["lesson"] or match["short"])


def setup(app):
    app.add_post_transform(Formulas)
