"""Checking the checker: backwards broken on purpose, and the tensors in which the check must fail.

Eight mistakes in one attention layer. Read them as a table for diagnosis: where the gradients of
these tensors are wrong and the others exact, look there. The tests break every other backward too.
"""

import contextlib
import inspect
import textwrap
from typing import Any, NamedTuple

from . import attention, gradcheck, ops
from .errors import InputError, shown


class Mutant(NamedTuple):
    """A backward with a piece of its source replaced, the case that runs it, and what fails."""

    mistake: str
    function: Any
    right: str
    wrong: str
    case: str
    breaks: frozenset


def mutant(mistake: str, function: Any, right: str, wrong: str, case: str, *breaks: str) -> Mutant:
    """A Mutant whose `breaks` are named one by one."""
    return Mutant(mistake, function, right, wrong, case, frozenset(breaks))


SELF = "self_attention"

MUTANTS = [
    mutant("row sum forgotten in softmax", ops.softmax_backward,
           "(dy - _row_sum(y, dy))", "dy", SELF, "x", "W_Q", "W_K"),
    mutant("scale missing in dq", attention.multihead_backward,
           "dq = sum_to(da @ k, q.shape)", "dq = sum_to(da @ k, q.shape) * math.sqrt(q.shape[-1])",
           SELF, "x", "W_Q"),
    mutant("da not transposed in dk", attention.multihead_backward,
           "da.swapaxes(-1, -2) @ q", "da @ q", SELF, "x", "W_K"),
    mutant("s not transposed in dv", attention.attend_backward,
           "read.swapaxes(-1, -2) @ dy", "read @ dy", SELF, "x", "W_V"),
    mutant("wrong sign in da", attention.attend_backward,
           "da = softmax", "da = -softmax", SELF, "x", "W_Q", "W_K"),
    # dx is right all the same: every path from y to x passes through two linear maps, so that two
    # signs cancel.
    mutant("wrong sign in dx of linear", ops.linear_backward,
           "dx = (dy_no", "dx = -(dy_no", SELF, "W_Q", "W_K", "W_V"),
    mutant("mean instead of sum in dW", ops.linear_backward,
           "x_ni.T @ dy_no", "x_ni.T @ dy_no / len(x_ni)", SELF, "W_Q", "W_K", "W_V", "W_O"),
    mutant("one of three uses of x forgotten", attention.self_attention_backward,
           "dx = dx_k + dx_v", "dx = 0 * dx_k + dx_v", SELF, "x"),
]  # fmt: skip


@contextlib.contextmanager
def broken(function, right, wrong):
    """In the with-block `function` runs with the piece `right` of its source replaced by `wrong`.

    Every caller sees the mutant, as the code of the function itself is exchanged. Raises
    InputError for what is no function, and unless `right` occurs exactly once.
    """
    if not inspect.isfunction(function):
        raise InputError(f"function: expected a function, got {shown(function)}")
    function = inspect.unwrap(function)  # below its decorators
    source = textwrap.dedent(inspect.getsource(function))
    times = source.count(right)
    if times != 1:
        where = f"once in {function.__qualname__}"
        raise InputError(f"right: expected {where}, got {times} times: {right}")
    changed: dict[str, Any] = {}
    code = compile(source.replace(right, wrong), f"<broken {function.__name__}>", "exec")
    exec(code, function.__globals__, changed)
    original = function.__code__
    function.__code__ = inspect.unwrap(changed[function.__name__]).__code__
    try:
        yield
    finally:
        function.__code__ = original


def chart() -> tuple[list[str], tuple[str, ...], list[list[float]], list[bool]]:
    """Errors of all gradients of one attention layer, as it is and with each mistake of MUTANTS.

    Returns the mistakes ("nothing broken" first), the names of the tensors, a row of errors for
    each mistake, and for each but the first whether it failed in the tensors where it should and in
    no other.
    """
    case = next(case for case in gradcheck.cases() if case.name == SELF)
    errors = lambda: [row.error for row in gradcheck.check(case)]
    rows, as_expected = [errors()], []
    for mutant in MUTANTS:
        with broken(mutant.function, mutant.right, mutant.wrong):
            rows.append(errors())
        failed = {name for name, error in zip(case.wrt, rows[-1]) if error > gradcheck.TOLERANCE}
        as_expected.append(failed == mutant.breaks)
    mistakes = ["nothing broken", *(mutant.mistake for mutant in MUTANTS)]
    return mistakes, tuple(case.wrt), rows, as_expected
