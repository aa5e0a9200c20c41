"""The shape of the project: what depends on what, what is shipped, and what README promises."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import tinyattn

ROOT = Path(__file__).parent.parent
# From the bottom up. A module may import those of lower rank only.
RANKS = [
    {"errors", "progress"},
    {"backend", "kept"},
    {"ops", "events", "steps", "checkpoint"},
    {"attention", "ode"},
    {"models", "optim", "sweep"},
    {"cases", "losses", "tasks", "flows", "measure"},
    {"gradcheck", "train", "plot"},
    {"twins", "trials", "player"},
    {"lesson"},
]
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}


def imports(path):
    """Names of the library's own modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == len(path.relative_to(ROOT / "tinyattn").parts):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (name.partition(".")[0] for name in names if not name.startswith("_"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tinyattn"):
            yield from (alias.name for alias in node.names)


def test_dependencies_point_one_way():
    for path in (ROOT / "tinyattn").rglob("*.py"):
        if path.stem != "__init__":
            here = path.relative_to(ROOT / "tinyattn").parts[0].removesuffix(".py")
            for name in imports(path):
                assert name in RANK and here in RANK, f"put {name} and {here} in RANKS, where they belong"
                assert RANK[name] < RANK[here], f"{path.name} imports {name}, which does not stand below it"


def test_no_file_of_the_library_is_long():
    lines = {path.name: path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "tinyattn").rglob("*.py")}
    long = [name for name, n in lines.items() if n > 320]
    assert not long, f"{', '.join(long)}: expected at most 320 lines; split it along its own seam"


def test_every_module_is_an_attribute_and_dir_lists_them_in_reading_order():
    code = (
        "import sys, tinyattn\nassert not {'cupy', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "print(*dir(tinyattn))\nassert tinyattn.attention.attend_forward and tinyattn.tasks.markov\n"
        "try:\n    tinyattn.nothing\nexcept AttributeError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names, error = done.stdout.splitlines()
    assert names.split() == tinyattn.__all__ and error == "module 'tinyattn' has no attribute 'nothing'"
    files = {path.stem for path in (ROOT / "tinyattn").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert set(tinyattn.__all__) == files - {"__init__"}


def test_cupy_is_imported_in_one_place():
    for path in (ROOT / "tinyattn").rglob("*.py"):
        if path.stem != "backend":
            assert not re.search(r"^\s*(import|from) cupy", path.read_text(encoding="utf-8"), re.M), path


def test_everything_is_shipped():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    packages = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in ROOT.glob("tinyattn/**/__init__.py")}
    assert set(re.findall(r'"(tinyattn(?:\.\w+)*)"', re.search(r"packages=\[.*?\]", setup)[0])) == packages
    assert f'version="{tinyattn.__version__}"' in setup and (ROOT / "tinyattn" / "py.typed").exists()


def test_readme_and_lessons_agree():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for lesson in (ROOT / "lessons").glob("[0-9][0-9]_*.py"):
        assert f"lessons/{lesson.name}" in readme, f"README does not list {lesson.name}"
    for path in re.findall(r"\]\(((?!http)[^)#]+)\)", readme) + re.findall(r'src="([^"]+)"', readme):
        assert (ROOT / path).exists(), f"README points to {path}, which is not there"


def test_the_gradient_check_in_readme_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code, shown = re.search(r"```python\n(import numpy.*?)```.*?```text\n(.*?)```", readme, re.S).groups()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in shown.splitlines()] == [line.split()[:2] for line in done.stdout.splitlines()]
