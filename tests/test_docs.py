"""What stands in the place of use: every public function says what it takes, in which shapes, and what it refuses."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap

import pytest

import experiments
import tinyattn

SHAPE = r"\(\.\.\.|\([\w*+ -]+,[^)]*\)|0-d"  # (..., D), (B, T), (n,) or a number of no axes


def public():
    """{name: function} of every function, method and property of library and experiments without a leading underscore."""
    found, packages = {}, (tinyattn, experiments)
    for info in (
        info for one in packages for info in pkgutil.walk_packages(one.__path__, f"{one.__name__}.")
    ):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != info.name:
                continue
            if inspect.isfunction(thing):
                found[f"{info.name}.{name}"] = thing
            for part, of in vars(thing).items() if inspect.isclass(thing) else ():
                of = (
                    getattr(of, "fget", None)
                    or getattr(of, "func", None)
                    or getattr(of, "__func__", of)
                )
                if (
                    inspect.isfunction(of)
                    and not part.startswith("_")
                    and of.__module__ == info.name
                ):
                    found[f"{info.name}.{name}.{part}"] = of
    return found


FUNCTIONS = public()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_says_what_its_user_has_to_know(name):
    function = FUNCTIONS[name]
    said = inspect.getdoc(function)
    assert said, (
        f"{name}: add a docstring: what it returns, shapes, units, errors, and whose idea it is"
    )
    kinds = " ".join(str(kind) for kind in function.__annotations__.values())
    if re.search(r"Array|ndarray", kinds):
        assert re.search(SHAPE, said), (
            f"{name}: add the shapes of its arrays to its docstring, such as (..., T, S)"
        )
    raised = {
        node.exc.func.id
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function))))
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
    }
    if re.search("loss|entropy_|entropy$|^kl$", name.split(".")[-1]) and not name.endswith(
        ("_backward", "pair_loss")
    ):
        assert re.search("nats|squared error", said), (
            f"{name}: add to its docstring its unit: nats, or half a squared error"
        )
    if raised:
        assert re.search("Raises|Error", said), (
            f"{name}: add to its docstring when it raises {', '.join(sorted(raised))}"
        )


OF_OTHERS = re.compile(
    r"experiments|tinyattn\.(flows|models|tasks|attention|ops|optim|steps|pairs|bdf)\b"
)
FRAMES = ("tinyattn.tasks.task", "tinyattn.models.params")  # carry what others came up with
FRAMES += tuple(
    f"experiments.{name}" for name in ("experiment", "trial", "figures", "command", "said")
)


@pytest.mark.parametrize("name", sorted({function.__module__ for function in FUNCTIONS.values()}))
def test_a_module_that_carries_an_idea_says_whose_it_is(name):
    if OF_OTHERS.match(name) and name not in FRAMES:
        source = inspect.getsource(importlib.import_module(name))
        said = re.search(r"arXiv \d{4}\.\d{5}|[A-Z]\w+[^\n]*\((?:19|20)\d\d\)|our own", source)
        assert said, (
            f"{name.replace('.', '/')}.py: add whose idea it is: arXiv number, or names (year), or 'our own'"
        )


def test_models_tell_where_the_attention_is():
    for name, function in FUNCTIONS.items():
        if name.startswith("tinyattn.models.") and name.endswith(".forward") and "Toy" not in name:
            assert "cache.attention" in inspect.getdoc(function), (
                f"{name}: say that cache.attention holds the maps"
            )
