"""The door of the library: what a function takes is said once, above it, and checked for callers.

    @door("x (..., D), g (D,), b (D,), eps number > 0 -> y (..., D)")
    def layernorm_forward(x, g, b, eps=1e-5):

The declaration is the check and the first line of the documentation. Where a function of the
library calls another, nothing is checked again. Clauses are read from left to right; what follows
-> is for readers.

    x (..., D)          an array of float32 or float64. A letter is a size: the first array that has
                        it says how large it is, the others must agree. ... are any number of axes,
                        likewise
    x (*O, 1|H, a.b)    *O are any number of axes; 1|H is 1 or H; a.b is any expression of what came
                        before
    v (~..., S, C)      leading axes that broadcast against those before
    v ~(..., T, S)      a shape that broadcasts to this one
    cache.n (..., D)    what an argument holds is checked in the same way
    x                   an array of any shape
    x some (..., D)     at least one entry
    x mask (T, S)       booleans, one at least True in every row
    x ids (...) < V     whole numbers from 0 to V - 1, which become int64
    x scalar            a number, or an array of no axes
    n count >= 2        a whole number, from 1 on unless it says otherwise
    p number > 0 <= 1   a finite number
    way in WAYS         one of these strings
    params like shapes  a dict of arrays of these names and shapes
    cache ReluCache     an instance of this class; rng Generator, f function likewise
    T = S - first       a name for what follows; x = f(x) hands on what f returns, if it raises no
                        error
    ?                   at the end of a clause: or None
"""

import contextvars
import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from . import errors
from .errors import WIDE, InputError

F = TypeVar("F", bound=Callable)
_inside = contextvars.ContextVar("inside", default=False)
_KINDS: dict[str, Callable] = {
    "": errors.check_floats,
    "some": lambda name, array: errors.check_some(name, errors.check_floats(name, array)),
    "mask": errors.check_mask,
    "ids": errors.check_ids,
    "scalar": errors.check_scalar,
    "count": errors.check_count,
    "number": errors.check_number,
    "in": errors.check_choice,
    "like": errors.check_params,
    "Generator": errors.check_generator,
    "function": errors.check_function,
}
_BOUNDS = {">": "above", ">=": "minimum", "<": "below", "<=": "maximum"}


def door(declaration: str, hands_on: bool = False) -> Callable[[F], F]:
    """Check the arguments of the function below, or the settings of the dataclass, as declared.

    hands_on: the function calls functions of its caller, or hands arguments on that others check;
              so what it calls is checked as well.
    """

    def decorate(thing):
        if not inspect.isclass(thing):
            return _guarded(thing, declaration, hands_on)
        thing.__init__ = _guarded(thing.__init__, declaration, True)
        return thing

    return decorate


def _guarded(function, declaration, hands_on):
    clauses = [_clause(part) for part in _parts(declaration.partition("->")[0])]
    around = inspect.unwrap(function).__globals__
    parameters = inspect.signature(function).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
    names = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    needed = set(names)
    others = next((one.name for one in parameters if one.kind is one.VAR_POSITIONAL), "")

    @functools.wraps(function)
    def enter(*args, **kwargs):
        if _inside.get():
            return function(*args, **kwargs)
        given = {**defaults, **dict(zip(names, args)), **kwargs, others: args[len(names) :]}
        if given.keys() >= needed:  # else Python says what is missing
            _look(clauses, given, around)
            args = *map(given.get, names[: len(args)]), *given[others]
            kwargs = {name: given[name] for name in kwargs}
        if hands_on:
            return function(*args, **kwargs)
        token = _inside.set(True)
        try:
            return function(*args, **kwargs)
        finally:
            _inside.reset(token)

    enter.__doc__ = "\n\n".join(
        [" ".join(declaration.split()), inspect.cleandoc(function.__doc__ or "")]
    )
    return enter


class _Clause(NamedTuple):
    """What is expected of one argument."""

    name: str
    code: Any  # of what an argument holds, or of a name for what follows
    kind: str
    wanted: list  # of a kind that has more to say: a class, the strings, the shapes
    bounds: list
    sizes: list | None
    broadcasts: bool  # to the shape
    optional: bool


class _Size(NamedTuple):
    """An axis of a shape, or a group of axes."""

    text: str
    code: Any  # None for a letter
    group: bool  # *O and ...
    or_one: bool
    broadcasts: bool  # against what came before


def _look(clauses, given, around):
    """Check what was given. Afterwards `given` holds what the function gets, and the sizes."""
    value_of = lambda code: eval(code, around, given)
    for clause in clauses:
        value = given[clause.name] if clause.code is None else value_of(clause.code)
        if clause.kind == "=" or (value is None and clause.optional):
            given[clause.name] = value
            continue
        plain = clause.kind in ("", "some") and type(value) is np.ndarray and value.dtype in WIDE
        if not plain or (clause.kind and not value.size):  # most arguments are plain
            bounds = {_BOUNDS[sign]: value_of(bound) for sign, bound in clause.bounds}
            check = _KINDS.get(clause.kind, errors.check_instance)
            value = check(clause.name, value, *map(value_of, clause.wanted), **bounds)
        given[clause.name] = value
        if clause.sizes is not None:
            _fit(clause, tuple(value.shape), given, value_of)


def _fit(clause, shape, given, value_of):
    """Compare a shape with the declared one.

    Letters and groups of axes that are free take the sizes they meet.
    """
    wanted: list = []  # for each axis a number, or its letter
    free = None  # the group of axes that takes what is left
    for size in clause.sizes:
        n = given.get(size.text) if size.code is None else value_of(size.code)
        if size.group and (n is None or size.broadcasts):
            start, free, others = len(wanted), size, n
        elif size.group:
            wanted += n
        else:
            wanted.append(size if n is None or size.or_one else n)
    axes, met = wanted, {}
    if free:
        came = met[free.text] = shape[start : max(start, len(shape) - len(wanted) + start)]
        axes = [*wanted[:start], *came, *wanted[start:]]
        if others is not None:
            met[free.text] = _broadcast(clause.name, came, others, shape)
    if clause.broadcasts:
        axes = axes[max(len(axes) - len(shape), 0) :]
    fits = len(axes) == len(shape)
    for n, came in zip(axes, shape):
        may_be_one = clause.broadcasts
        if type(n) is _Size:
            may_be_one = may_be_one or n.or_one
            n = given[n.text] if n.text in given else met.setdefault(n.text, came)
        fits = fits and (came == n or (came == 1 and may_be_one))
    if not fits:
        told = [_told(n, given) for n in wanted]
        if free:
            told.insert(start, free.text if free.text == "..." else f"*{free.text}")
        text = ", ".join(told) + ("," if len(told) == 1 else "")
        what = "a shape that broadcasts to" if clause.broadcasts else "shape"
        raise InputError(f"{clause.name}: expected {what} ({text}), got {shape}")
    given.update(met)


def _told(n, given):
    """A wanted size in words: a number, or a letter whose number is not known yet."""
    if type(n) is not _Size:
        return str(n)
    size = given.get(n.text, n.text)
    return f"1 or {size}" if n.or_one else str(size)


def _broadcast(name, came, others, shape):
    try:
        return np.broadcast_shapes(came, others)
    except ValueError:
        raise InputError(
            f"{name}: expected leading axes that broadcast against {others}, got shape {shape}"
        ) from None


def _parts(text):
    """The text cut at its commas but for those in brackets."""
    depth, parts = 0, [""]
    for character in " ".join(text.split()):
        depth += (character in "([") - (character in ")]")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _code(text):
    return compile(text.strip(), "<declaration>", "eval")


def _clause(text):
    if name := re.fullmatch(r"(\w+) = (.+)", text):
        return _Clause(name[1], _code(name[2]), "=", [], [], None, False, False)
    pattern = r"([\w.]+) ?([A-Za-z]\w*)? ?([A-Za-z_][\w.]*)? ?((~?)\((.*)\))? ?([<>].*?)?(\??)"
    if not (found := re.fullmatch(pattern, text)):
        raise InputError(f"declaration: expected a clause such as x (..., D), got {text}")
    name, kind, wanted, shape, broadcasts, inner, bounds, optional = found.groups()
    if kind and kind not in _KINDS:
        wanted = kind  # a class
    sizes = [_size(part) for part in _parts(inner)] if shape else None
    limits = [(sign, _code(bound)) for sign, bound in re.findall(r"([<>]=?)([^<>]+)", bounds or "")]
    more = [_code(wanted)] if wanted else []
    code = _code(name) if "." in name else None
    return _Clause(name, code, kind or "", more, limits, sizes, bool(broadcasts), bool(optional))


def _size(text):
    mark, text = re.fullmatch(r"(~|\*|1\|)?(.+)", text).groups()
    code = None if text == "..." or text.isidentifier() else _code(text)
    return _Size(text, code, mark == "*" or text == "...", mark == "1|", mark == "~")
