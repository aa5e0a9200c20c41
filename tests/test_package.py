"""The shape of the project: what depends on what, what is shipped, and what README promises."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinyattn

ROOT = Path(__file__).parent.parent
ORDER = tinyattn.__all__  # a module may import those that stand before it


def imports(path):
    """Names of the library's own modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == len(
            path.relative_to(ROOT / "tinyattn").parts
        ):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (name.partition(".")[0] for name in names if not name.startswith("_"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tinyattn"):
            yield from (alias.name for alias in node.names)


def test_dependencies_point_one_way():
    for path in (ROOT / "tinyattn").rglob("*.py"):
        if path.stem != "__init__":
            here = path.relative_to(ROOT / "tinyattn").parts[0].removesuffix(".py")
            for name in imports(path):
                missing = {name, here} - {*ORDER}
                assert not missing, (
                    f"tinyattn/__init__.py: put {' and '.join(missing)} in __all__, where it belongs"
                )
                assert ORDER.index(name) < ORDER.index(here), (
                    f"{path.name} imports {name}, which does not stand before it"
                )


def test_no_file_of_the_library_is_long():
    lines = {
        path.name: path.read_text(encoding="utf-8").count("\n")
        for path in (ROOT / "tinyattn").rglob("*.py")
    }
    room = {"ops.py": 400}  # for an operation of one's own or two
    long = [name for name, n in lines.items() if n > room.get(name, 320)]
    assert not long, (
        f"{', '.join(long)}: expected at most 320 lines, of ops.py 400; split it along its own seam"
    )


def test_every_module_is_an_attribute_and_dir_lists_them_in_reading_order():
    code = (
        "import sys, tinyattn\nassert not {'cupy', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "print(*dir(tinyattn))\nassert tinyattn.attention.attend_forward and tinyattn.tasks.markov\n"
        "try:\n    tinyattn.nothing\nexcept AttributeError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names, error = done.stdout.splitlines()
    assert (
        names.split() == tinyattn.__all__
        and error == "module 'tinyattn' has no attribute 'nothing'"
    )
    files = {
        path.stem
        for path in (ROOT / "tinyattn").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    missing = files - {"__init__"} - set(tinyattn.__all__)
    assert not missing, f"tinyattn/__init__.py: add {', '.join(missing)} to __all__"
    assert set(tinyattn.__all__) == files - {"__init__"}


def test_cupy_is_imported_in_one_place():
    for path in (ROOT / "tinyattn").rglob("*.py"):
        if path.stem != "backend":
            assert not re.search(
                r"^\s*(import|from) cupy", path.read_text(encoding="utf-8"), re.M
            ), path


def test_everything_is_shipped():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    for folder in {path.parent for path in ROOT.glob("tinyattn/**/*.py")}:
        assert (folder / "__init__.py").exists(), (
            f"{folder.name} is no package, and would not be shipped"
        )
    assert (
        f'version="{tinyattn.__version__}"' in setup and (ROOT / "tinyattn" / "py.typed").exists()
    )


def test_a_gradient_needs_numpy_and_nothing_else():
    """What importing attention loads beyond NumPy: files of this library, and of Python's own a few."""
    code = (
        "import sys, numpy.random\nbefore = {*sys.modules}\nimport tinyattn.attention\n"
        "print(*({*sys.modules} - before), 'argparse' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *loaded, argparse = done.stdout.split()
    mine = {name for name in loaded if name.startswith("tinyattn")}
    assert mine == {
        "tinyattn",
        *(f"tinyattn.{name}" for name in ("attention", "backend", "door", "errors", "ops")),
    }
    assert {name.partition(".")[0] for name in loaded} - {
        "tinyattn"
    } <= sys.stdlib_module_names and argparse == "False"


def test_experiments_load_no_matplotlib_before_they_draw():
    code = "import sys, experiments\nassert 'matplotlib' not in sys.modules and 'tinyattn.plot' not in sys.modules"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_readme_and_lessons_agree():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for lesson in (ROOT / "lessons").glob("[0-9][0-9]_*.py"):
        assert f"lessons/{lesson.name}" in readme, f"README does not list {lesson.name}"
    for path in re.findall(r"\]\(((?!http)[^)#]+)\)", readme) + re.findall(
        r'src="([^"]+)"', readme
    ):
        assert (ROOT / path).exists(), f"README points to {path}, which is not there"


README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"```python\n(.*?)```(.*?)(?=\n## |```sh|```python)", README, re.S
)  # code, and the text that follows


@pytest.mark.parametrize("code, after", BLOCKS, ids=[str(i) for i in range(len(BLOCKS))])
def test_a_block_of_readme_runs(code, after, tmp_path):
    """As it stands, in an empty folder, with lessons/ on the path; those for dask run in test_cluster."""
    assert len([line for line in code.splitlines() if line.strip()]) <= 16, "at most 16 lines"
    if "dask" in code:
        return
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "MPLBACKEND": "Agg",
        "TQDM_DISABLE": "1",
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    shown = re.search(r"```text\n(.*?)```", after, re.S)
    if shown:  # the last digits are the machine's
        assert [line.split()[:2] for line in shown[1].splitlines()] == [
            line.split()[:2] for line in done.stdout.splitlines()
        ]
    if "savefig" in code:
        assert list(tmp_path.glob("*.png"))


def test_readme_lists_every_file_of_the_library():
    for path in sorted((ROOT / "tinyattn").rglob("*.py")):
        folder = path.parent.relative_to(ROOT).as_posix()
        if not path.stem.startswith("_") and f"{folder}/__init__.py" not in README:
            assert f"{folder}/{path.name}" in README, (
                f"README.md: add {folder}/{path.name} to the table of the library"
            )


def test_every_operation_is_named_in_readme_and_its_values_are_tested():
    from tinyattn import ops

    row = (
        next(line for line in README.splitlines() if line.startswith("| [ops.py]"))
        .lower()
        .replace(" ", "")
        .replace("-", "")
    )
    tests = (ROOT / "tests" / "test_ops.py").read_text(encoding="utf-8")
    for name in (name.removesuffix("_forward") for name in vars(ops) if name.endswith("_forward")):
        assert name.replace("_", "") in row, f"README.md: add {name} to the row of ops.py"
        assert f"{name}_forward(" in tests, (
            f"tests/test_ops.py: add a test of what values of {name}_forward are known to be"
        )


def test_every_pair_has_its_derivation_above_it():
    """A comment with numbered equations between the pair before and this one; and code that cites each of them."""
    for name in ("ops", "attention", "few_queries"):
        lines = (ROOT / "tinyattn" / f"{name}.py").read_text(encoding="utf-8").splitlines()
        begins = {
            line.split("(")[0].removeprefix("def "): i
            for i, line in enumerate(lines)
            if line.startswith("def ")
        }
        for pair in (
            found.removesuffix("_backward") for found in begins if found.endswith("_backward")
        ):
            start, end = begins[f"{pair}_forward"], begins[f"{pair}_backward"]
            before = max(
                (i for found, i in begins.items() if found.endswith("_backward") and i < start),
                default=0,
            )
            comments = "\n".join(line for line in lines[before:start] if line.startswith("#"))
            told = f"tinyattn/{name}.py: add the derivation of {pair} as a comment above {pair}_forward"
            equations = set(re.findall(r"\((\d+)\)  ", comments))
            assert equations, f"{told}, its equations numbered (1), (2), ..."
            stop = min((i for i in begins.values() if i > end), default=len(lines))
            code = [line for line in lines[start:stop] if "# " in line and not line.startswith("#")]
            cited = set(re.findall(r"\((\d+)\)", "\n".join(line.split("# ")[-1] for line in code)))
            assert cited, (
                f"tinyattn/{name}.py: let the lines of {pair}_forward and {pair}_backward cite {sorted(equations)}"
            )
            assert cited <= equations, (
                f"tinyattn/{name}.py: {pair} cites {sorted(cited - equations)}, which its derivation lacks"
            )
