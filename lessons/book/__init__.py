"""What the book adds to Sphinx.

notebooks.py   lessons as notebooks: run and kept, answers folded, captions, a file to take home
written.py     pages made of README.md, PAPERS.md and the library: written before Sphinx reads
formulas.py    lines of Unicode as formulas; lessons, papers and the ledger as links
equations.py   derivations in the reference; their numbers lead to the code that cites them
"""

from . import equations, formulas, notebooks, written


def setup(app):
    # With another value all pages are read again.
    app.add_config_value("quick", notebooks.is_quick(), "env")
    for part in (notebooks, written, formulas, equations):
        part.setup(app)


read_lesson = notebooks.read_lesson
