"""Which mistake is it? `python -m tinyattn.doctor mine.py` says what is wrong with a backward.

    findings = doctor.diagnose(forward, backward, {"x": x, "W": W})

It needs nothing but the pair. First it asks whether differences can be believed here: whether the
forward is random, changes its input, has a corner here or computes in float32. Then whether the
backward is linear in dy, as every backward is. Then it tries the kinds of kinds.py on each
gradient that is wrong, those of missing.py, and, where the pair is an operation of ours, the
mistakes of mutants.py.
"""

import itertools
import math
import runpy
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from . import backend, errors, kinds, missing
from .cases import Case, pair_case
from .errors import InputError
from .evidence import CLOSE, PATIENCE, SEEDS, TOLERANCE, Evidence, Finding, Runs, Seen
from .mutants import like_ours
from .terminal import CommandLine, open_output, run_command

CPU = backend.get("cpu")

# Of the whole: where one of these fits, those of LOCAL would fit as well.
WHOLE = (kinds.zero, kinds.factor)
LOCAL = (kinds.elementwise_factor, kinds.derivative, kinds.row_factor, missing.somewhere,
         missing.mean, missing.summed, missing.of_another_dy)  # fmt: skip
ANYWAY = (kinds.transposed, kinds.other_transposed, kinds.moved, kinds.exchanged, missing.outputs,
          missing.contribution)  # fmt: skip


def diagnose(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: dict[str, Any],
    *,
    wrt: tuple[str, ...] | list[str] | None = None,
) -> list[Finding]:
    """What is wrong with a pair, as `gradcheck.check_pair` takes it; an empty list for a right one.

    Every gradient that is off by more than 1e-7 has a Finding or more: kinds that fit, the plainest
    first, or one of the kind "none". A gradient of another shape than its input has one as well.

    Raises InputError for what is no pair.
    """
    case = pair_case(forward, backward, inputs, wrt)
    return examine(case, case.draw(None))


def told(findings: Iterable[Finding]) -> dict[str, str]:
    """The sentences of findings by tensor, those of one tensor joined."""
    says: dict[str, list[str]] = {}
    for finding in findings:
        says.setdefault(finding.tensor, []).append(finding.says)
    return {tensor: "; also ".join(sentences) for tensor, sentences in says.items()}


def examine(
    case: Case, inputs: dict, wrong: list | None = None, device=CPU, rng: Any = None
) -> list[Finding]:
    """The findings for a case at these inputs.

    wrong: the tensors that are known to be; rng: a Generator that gives dy.
    """
    with np.errstate(all="ignore"):
        run = Runs(case, inputs, device, rng or np.random.default_rng(SEEDS))
        if not np.array_equal(run.out, run.again, equal_nan=True):
            says = "forward: a second call gives other numbers: dropout without a seed, or a state"
            return [Finding(key, "forward", says, math.nan) for key in wrong or case.wrt]
        if not np.isfinite(run.out).all():
            says = (
                "forward: the output is not finite here, so nothing can be said; try other inputs"
            )
            return [Finding(key, "forward", says, math.nan) for key in wrong or case.wrt]
        return _examine(run, wrong)


def _examine(run, wrong):
    grads = run.gradients(run.w)
    for key in run.case.wrt:
        errors.check_floats(f"gradient of {key} in {run.case.name}", grads[key])
    shaped = {key: np.shape(n) == run.inputs[key].shape for key, n in grads.items()}
    seen = {key: Seen(run, key, grads[key] if shaped[key] else None) for key in run.case.wrt}
    found, ill = [], []
    for key, tensor in seen.items():
        if not shaped[key]:
            hint = _exchanged(grads[key], seen)
            if not hint and tensor.whole:
                hint = of_shape(grads[key], tensor.m)
            kind = hint.strip(": ").partition(":")[0] or "none"
            says = f"shape {np.shape(grads[key])} for {tensor.x.shape}{hint}"
            found.append(Finding(key, kind, says, math.nan))
        elif tensor.error > TOLERANCE or not math.isfinite(tensor.error) or key in (wrong or ()):
            ill.append(key)
    like = like_ours(run.inputs, run.out, run.w, grads) if ill and all(shaped.values()) else ""
    right = [key for key in seen if shaped[key] and key not in ill]
    for key in ill:
        found += _of_one(run, key, seen, grads, like)
    named = [key for key in seen if any(one.tensor == key and one.kind != "none" for one in found)]
    where = f"; right: {', '.join(right)}" if right else ""
    where += f"; mend {', '.join(named)} first" if named else ""
    return [one._replace(says=one.says + where * (one.kind == "none")) for one in found]


def _of_one(run, key, seen, grads, like):
    """The findings for one tensor that is wrong."""
    tensor, found = seen[key], []
    if not np.isfinite(grads[key]).all():
        says = f"not finite: NaN or infinite at {int((~np.isfinite(grads[key])).sum())} entries"
        return [Finding(key, "none", says, math.nan)]
    if changed := _changed(run):
        says = f"forward: it changes its input {changed}, and so what backward is to differentiate"
        found.append(Finding(key, "forward", says, 0.0))
    doubts, left = tensor.doubts(run)
    found += [Finding(key, kind, f"{kind}: {says}", 0.0) for kind, says in doubts]
    if not left:
        return found
    if nonlinear := list(_of_dy(run, key, tensor, grads[key])):
        return found + nonlinear
    others = {
        name: (run.inputs[name], grads[name], other.m if other.whole else None)
        for name, other in seen.items()
        if name != key
    }
    others |= {  # what is not differentiated can be a factor all the same
        name: (np.asarray(value, float), None, None)
        for name, value in run.inputs.items()
        if name not in seen and isinstance(value, np.ndarray)
    }
    evidence = Evidence(
        tensor=key, x=tensor.x, n=grads[key], at=tensor.at, m=tensor.m, J=tensor.J, w=run.w,
        out=run.out, others=others, by_hand=lambda dy: run.gradients(dy)[key],
        calls=int(PATIENCE / len(seen) / (6 * run.seconds + 1e-9)),
    )  # fmt: skip
    if tensor.error <= TOLERANCE:
        says = f"none of the known kinds: right at the {tensor.m.size} entries compared one by one"
        return [Finding(key, "none", says, math.nan)]
    if like:
        found.append(Finding(key, "like", like, 0.0))
    found += _that_fit(evidence)
    return found or [Finding(key, "none", _none(tensor, evidence), math.nan)]


def _exchanged(n, seen):
    """Words for a gradient that has shape and numbers of another input's."""
    for key, other in seen.items():
        if other.whole and np.shape(n) == other.x.shape:
            if np.abs(n - other.m).max() <= CLOSE * np.abs(other.m).max():
                return f": exchanged: this is the gradient of {key}"
    return ""


def _that_fit(evidence):
    """Findings of all kinds that fit, the plainest first."""
    found = [one for kind in WHOLE for one in kind(evidence)]
    if not any(one.kind == "zero" for one in found):
        others = ANYWAY if found else (*LOCAL, *ANYWAY)
        found += [one for kind in others for one in kind(evidence)]
    return found


def _changed(run):
    """The name of an input that the forward changes, or None."""
    given = run.device.put(backend.copied(run.inputs))
    run.case.forward(given)
    same = lambda a, b: np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    arrays = {key: x for key, x in run.inputs.items() if isinstance(x, np.ndarray)}
    after = backend.to_numpy({key: given[key] for key in arrays})
    return next((key for key, before in arrays.items() if not same(before, after[key])), None)


def _of_dy(run, key, tensor, n):
    """Whether a gradient is not linear in dy."""
    w, v = run.w, np.random.default_rng(1).normal(size=run.w.shape)
    by_hand = lambda dy: run.gradients(dy)[key]
    scale = max(np.abs(n).max(), np.abs(tensor.m).max())
    same = lambda a, b: np.abs(a - b).max() <= CLOSE * scale
    of_v, of_zero, of_ones = by_hand(v), by_hand(0 * w), by_hand(np.ones_like(w))
    if same(by_hand(w + v) + of_zero, n + of_v) and same(of_zero, 0 * of_zero):
        return
    axes = tuple(range(tensor.m.ndim, tensor.J.ndim))
    right = same(np.asarray(of_ones[tensor.at]), tensor.J.sum(axis=axes))
    also = ", and right for a dy of ones: a factor dy is missing" if right else ""
    if same(n, of_v):
        says = f"dy is not used{also}"
    elif not same(of_zero, 0 * of_zero):
        says = "for a dy of zeros it is not 0: a term without the factor dy"
    elif same(by_hand(2 * w), 4 * n):
        says = f"twice the dy gives four times the gradient: dy counts squared{also}"
    else:
        says = f"not linear in dy, as every backward is{also}"
    yield Finding(key, "dy", f"dy: {says}", 0.0)


def of_shape(n: Any, m: np.ndarray) -> str:
    """Words for what would make a gradient n (...) of another shape than m (...) right.

    m: by differences, as large as the input.
    """
    same = lambda a: np.shape(a) == m.shape and np.abs(a - m).max() <= CLOSE * np.abs(m).max()
    n = np.asarray(n)
    if n.ndim <= 8:
        if n.size == m.size and same(n.reshape(m.shape)):
            return f": broadcast: right when reshaped to {m.shape}"
        for count in range(1, n.ndim + 1):
            for axes in itertools.combinations(range(n.ndim), count):
                for summed in (n.sum(axis=axes), n.sum(axis=axes, keepdims=True)):
                    if summed.size == m.size and same(summed.reshape(m.shape)):
                        what = "axis" if count == 1 else "axes"
                        what = f"{what} {', '.join(map(str, axes))}, along which it was copied"
                        return f": broadcast: right after a sum over {what}"
    if n.ndim == m.ndim <= 5:
        for axes in itertools.permutations(range(n.ndim)):
            if same(n.transpose(axes)):
                return f": transposed: right with its axes in the order {axes}"
    return ""


def _none(tensor, evidence):
    """What is known where no kind fits."""
    off = np.abs(tensor.N - tensor.m)
    wrong = off > CLOSE * evidence.scale
    worst, best = int(off.argmax()), int(np.where(wrong, off, np.inf).argmin())
    at = lambda i: f"{tensor.key}[{', '.join(map(str, tensor.index[i]))}]"
    numbers = list(zip(tensor.N.reshape(-1), tensor.m.reshape(-1)))
    pair = lambda i: f"{at(i)}: {numbers[i][0]:.4g} by hand, {numbers[i][1]:.4g} by differences"
    where = missing.place(evidence, wrong)
    says = f"none of the known kinds; wrong {where}, most at {pair(worst)}"
    says = says if tensor.m.size == 1 else f"{says}; least at {pair(best)}"
    for axis in range(tensor.x.ndim if tensor.whole else 0):
        n, m = (np.abs(one.sum(axis=axis)).max() / evidence.scale for one in (tensor.N, tensor.m))
        if m < CLOSE < 1e-3 < n:
            says += f"; along axis {axis} differences sum to 0 and this does not: is the row sum of"
            return says + " a softmax or the mean of a norm forgotten, or over the wrong axis?"
    return says


def main(arguments=None):
    """Examine the pair of a file; return 1 if something is wrong, 2 for bad input, else 0."""
    return run_command(lambda: _print_findings(arguments), "python -m tinyattn.doctor")


def _print_findings(arguments):
    parser = CommandLine(prog="python -m tinyattn.doctor", description=__doc__.splitlines()[0])
    what = "a Python file with forward, backward and inputs, a dict of arrays by name"
    parser.add_argument("file", type=Path, help=what)
    file = parser.parse_args(arguments).file
    if not file.is_file():
        raise InputError(f"file: expected {what}, got none at {file}")
    sys.path.insert(0, str(file.resolve().parent))  # as for `python mine.py`
    space = runpy.run_path(str(file))
    missing = [name for name in ("forward", "backward", "inputs") if name not in space]
    if missing:
        raise InputError(f"file: expected {what}, got none of {', '.join(missing)} in {file}")
    findings = diagnose(space["forward"], space["backward"], space["inputs"])
    for tensor, says in told(findings).items():
        print(f"{tensor}: {says}")
    for name, value in space["inputs"].items():
        if getattr(value, "dtype", np.dtype(int)).kind != "f":
            print(f"{name}: not differentiated: no array of floats")
    wrong = {one.tensor for one in findings if one.kind not in ("kink", "precision")}
    print(f"wrong: {', '.join(sorted(wrong))}" if wrong else "no mistake found")
    return 1 if findings else 0


if __name__ == "__main__":
    open_output()
    sys.exit(main())
