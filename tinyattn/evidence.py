"""What is known of a gradient that is wrong: it by hand, differences, and whether to believe these.

n is the gradient by hand and m the one by differences, both of L = sum(w * y) with a random w.
"""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from . import backend, errors
from .errors import InputError

TOLERANCE = 1e-7  # of the error |n - m| / (|n| + |m|)
CLOSE = 1e-6  # of the largest number: within this, two gradients are the same
STEP = 1e-5
PATIENCE = 0.3  # seconds for the differences of all tensors together, beyond those of the check
FEWEST = 3  # indices of an axis that are compared, where not all can be
NUMBERS = 4_000_000  # of a Jacobian
BLOCKS = 8  # of an axis, in which a mistake in one place is looked for
SEEDS = (2, 3, 5, 7)  # of dy, so that it is no one's x


class Finding(NamedTuple):
    """What kind of mistake fits a tensor, in a word and in a sentence.

    tensor: its name; "" for what concerns the pair as a whole.
    fit:    the largest difference that is left, as a share of the largest number.
    """

    tensor: str
    kind: str
    says: str
    fit: float


@dataclass
class Evidence:
    """What is known of one tensor whose gradient is wrong.

    x, n:    the tensor and its gradient by hand, whole.
    at:      the entries that were compared, as for x[at]: whole axes, or some of their indices.
    m:       differences there.
    J:       how outputs change there, (*shape of m, *shape of out).
    w, out:  weights of the loss, and the output.
    others:  by name, the other tensors: (value, gradient by hand, by differences where whole).
    by_hand: dy -> n for another dy.
    calls:   how often by_hand may be called.
    """

    tensor: str
    x: np.ndarray
    n: np.ndarray
    at: tuple
    m: np.ndarray
    J: np.ndarray
    w: np.ndarray
    out: np.ndarray
    others: dict[str, tuple]
    by_hand: Callable
    calls: int = 10_000
    scale: float = field(init=False)

    def __post_init__(self):
        self.scale = float(max(np.abs(self.m).max(), np.abs(self.N).max()))

    @property
    def N(self):
        """By hand, at the entries that were compared."""
        return np.asarray(self.n[self.at])

    @property
    def whole(self):
        """Whether every entry was compared."""
        return self.m.shape == self.x.shape

    def distance(self, a, b):
        """The largest difference, as a share of the largest number of n and m."""
        return float(np.abs(a - b).max(initial=0.0)) / self.scale

    def same(self, a, b):
        """Whether two arrays agree as gradients do."""
        return self.distance(a, b) <= CLOSE

    def found(self, kind, says, a, b):
        """A Finding, if a and b agree."""
        fit = self.distance(a, b)
        if fit <= CLOSE:
            yield Finding(self.tensor, kind, f"{kind}: {says} (fits to {fit:.0e})", fit)


def beside(e, shape=None):
    """Arrays that can be a factor of an array of this shape, with their names.

    What has a number for each row is a factor too, such as labels.
    """
    shape = e.x.shape if shape is None else shape
    arrays = [(name, value) for name, (value, *_) in e.others.items()]
    arrays += [("y (the output)", e.out), (e.tensor, e.x)]
    for name, value in arrays:
        if value.size < 2:
            continue
        rows = value.reshape(*value.shape, *(1,) * (len(shape) - value.ndim))
        for one in (value, rows):
            with contextlib.suppress(ValueError):
                if np.broadcast_shapes(one.shape, shape) == shape:
                    yield name, one
                    break


def enough(array, axes, coefficients=1):
    """Whether so many coefficients for each slice along axes leave four numbers to be tested by.

    Numbers that are 0 test nothing.
    """
    counts = (np.abs(array) > CLOSE * np.abs(array).max(initial=0)).sum(axis=axes)
    return int(np.maximum(counts - coefficients, 0).sum()) >= 4


def flat(array, axis):
    """Whether an array does not change along an axis, or is 0."""
    return np.ptp(array, axis=axis).max(initial=0) <= CLOSE * np.abs(array).max(initial=0)


def multiple(a, b):
    """Whether a is b times a number."""
    square = (b * b).sum()
    c = (a * b).sum() / square if square else 0.0
    return np.abs(a - c * b).max(initial=0) <= CLOSE * np.abs(a).max(initial=0)


def sum_but(array, axis):
    """Sums over all axes but one."""
    return array.sum(axis=tuple(i for i in range(array.ndim) if i != axis))


class Runs:
    """A case at its inputs, run again and again: outputs, and gradients for any dy."""

    def __init__(self, case, inputs, device, rng):
        self.case, self.inputs, self.device = case, inputs, device
        self.out = self.output()
        for i in range(5):  # the least of five: a busy machine makes some long
            started = time.perf_counter()
            self.again = self.output()
            took = time.perf_counter() - started
            self.seconds = min(took, self.seconds) if i else took
        self.w = rng.normal(size=self.out.shape)

    def output(self, **moved):
        """The output (...), with some inputs moved. Raises InputError for no array."""
        put = self.device.put(backend.copied({**self.inputs, **moved}))
        out, _ = self.case.forward(put)
        if not errors.is_array(np.asarray(out) if isinstance(out, float) else out):
            got = errors.shown(out)
            raise InputError(f"forward: expected an array or a number for out, got {got}")
        return np.array(backend.to_numpy(out), float)

    def gradients(self, dy):
        """By name, the gradients for this dy."""
        _, cache = self.case.forward(self.device.put(backend.copied(self.inputs)))
        grads = self.case.backward(self.device.put(np.array(dy)), cache)
        return backend.copied(backend.to_numpy({key: grads[key] for key in self.case.wrt}))

    def slope(self, tensor, direction, h=STEP):
        """(dy/dx along a direction (...) by differences, and the second difference over h)."""
        x = self.inputs[tensor]
        above, below = (self.output(**{tensor: x + s * h * direction}) for s in (1, -1))
        return (above - below) / (2 * h), (above + below - 2 * self.out) / h


class Seen:
    """One tensor by hand and by differences, at all entries or at a grid of them."""

    def __init__(self, run, key, n):
        self.key, self.x, self.n = key, run.inputs[key], n
        shape = self.x.shape
        several = len(run.case.wrt)
        entries = PATIENCE / several / (2 * run.seconds + 1e-9)
        entries = max(1, int(min(entries, NUMBERS / max(run.out.size, 1) / several)))
        self.whole = self.x.size <= max(entries, 64)
        keep = max(FEWEST, int(entries ** (1 / max(len(shape), 1))))
        spread = lambda size: np.unique(np.linspace(0, size - 1, min(size, keep)).astype(int))
        axes = [np.arange(size) if self.whole else spread(size) for size in shape]
        self._compare_at(axes, run)
        if not self.whole and n is not None and self.error <= TOLERANCE and self._off(run):
            axes = [self._place(run, axis, one, keep) for axis, one in enumerate(axes)]
            self._compare_at(axes, run)

    def _compare_at(self, axes, run):
        """Differences at these indices of each axis."""
        self.at = tuple(slice(None) for _ in axes) if self.whole else np.ix_(*axes)
        self.grid = [len(axis) for axis in axes]
        places = np.ndindex(*self.grid)
        self.index = [tuple(int(axis[i]) for axis, i in zip(axes, one)) for one in places]
        self._compare(run, STEP)
        if self.n is not None and self.error > TOLERANCE:
            self._try_other_steps(run)

    def _off(self, run, one=...):
        """By how much n and differences differ along a random direction in a part of the tensor."""
        direction, rng = np.zeros(self.x.shape), np.random.default_rng(SEEDS)
        direction[one] = rng.choice([-1.0, 1.0], size=direction[one].shape)
        n = (self.n * direction).sum()
        m = (run.w * run.slope(self.key, direction)[0]).sum()
        off = abs(n - m)
        return off if off > 10 * TOLERANCE * max(abs(n), abs(m)) else 0.0

    def _place(self, run, axis, spread, keep):
        """Indices of an axis, those of a mistake in one place among them."""
        blocks = np.array_split(np.arange(self.x.shape[axis]), BLOCKS)
        off = [self._off(run, (slice(None),) * axis + (block,)) for block in blocks]
        while len(blocks[int(np.argmax(off))]) > keep:
            blocks = np.array_split(blocks[int(np.argmax(off))], BLOCKS)
            off = [self._off(run, (slice(None),) * axis + (block,)) for block in blocks]
        return np.unique([*blocks[int(np.argmax(off))], *spread])

    def _try_other_steps(self, run):
        """Another step where STEP rounds too much, or is too long for numbers that are small."""
        size = float(np.sqrt((self.x**2).mean())) or 1.0
        off = np.abs(self.N - self.m).reshape(-1)
        worst = np.argsort(-np.nan_to_num(off))[:3]
        for h in (10 * STEP, 3 * STEP, STEP / 3, size * STEP, 10 * size * STEP):
            m = [(run.w * run.slope(self.key, self.unit(self.index[i]), h)[0]).sum() for i in worst]
            nearer = np.abs(self.N.reshape(-1)[worst] - m).max() < 0.5 * off[worst[0]]
            if nearer:
                before = self.J, self.second, self.bend, self.m
                self._compare(run, h)
                if self.error <= TOLERANCE:
                    return
                self.J, self.second, self.bend, self.m = before

    def _compare(self, run, h):
        """Differences with this step at all entries of the grid."""
        slopes = [run.slope(self.key, self.unit(one), h) for one in self.index]
        self.J = np.array([slope for slope, _ in slopes]).reshape((*self.grid, *run.out.shape))
        self.second = np.array([(run.w * bend).sum() for _, bend in slopes]).reshape(self.grid)
        self.bend = np.array([np.abs(run.w * bend).sum() for _, bend in slopes]).reshape(self.grid)
        self.m = np.array([(run.w * slope).sum() for slope, _ in slopes]).reshape(self.grid)

    def unit(self, index):
        """1 at an index, else 0."""
        direction = np.zeros(self.x.shape)
        direction[index] = 1.0
        return direction

    @property
    def N(self):
        """By hand, at the entries that were compared."""
        return np.asarray(self.n[self.at])

    @property
    def error(self):
        """|n - m| / (|n| + |m|) over the entries compared."""
        if self.n is None:
            return math.inf
        size = np.linalg.norm(self.N) + np.linalg.norm(self.m)
        return float(np.linalg.norm(self.N - self.m) / size) if size else 0.0

    def doubts(self, run):
        """(kind, sentence)s on why differences or n may not be true, and whether a mistake is left.

        Entries at a corner count as right from then on.
        """
        told = []
        off = np.abs(self.N - self.m)
        scale = max(np.abs(self.N).max(), np.abs(self.m).max())
        wrong = off > TOLERANCE * scale
        # at a corner the slopes to the right and left differ by the second difference over h
        corner = wrong & (self.bend > 0.5 * off)
        if corner.any():
            corner = self._corners(run, corner)
        if corner.any():
            first = int(np.flatnonzero(corner)[0])
            m, half = self.m.reshape(-1)[first], self.second.reshape(-1)[first] / 2
            where = f"{self.key}[{', '.join(map(str, self.index[first]))}]"
            slopes = f"slopes {m + half:.4g} to the right and {m - half:.4g} to the left"
            told.append(("kink", f"a corner within 1e-5 of {where}: {slopes}; try other inputs"))
            self.m = np.where(corner, self.N, self.m)
            wrong &= ~corner
        if wrong.any():
            told += self._rounded(run, np.where(wrong, off, 0), scale)
        return told, wrong.any() and not any(kind == "precision" for kind, _ in told)

    def _corners(self, run, corner):
        """Those where the second difference over h does not change with h.

        That of a smooth function grows like h, that of noise falls like 1/h.
        """
        sure = np.zeros(corner.size, bool)
        for i in np.flatnonzero(corner)[:64]:
            unit = self.unit(self.index[i])
            bends = (run.slope(self.key, unit, h)[1] for h in (1e-4, 3e-4))
            near, far = (np.abs(run.w * bend).sum() for bend in bends)
            stays = near > 0.7 * self.bend.reshape(-1)[i]
            sure[i] = stays and 0.6 < far / near < 1.7
        return sure.reshape(corner.shape)

    def _rounded(self, run, off, scale):
        """Whether float32 was at work, or the differences do not settle."""
        narrow = lambda a: a.size and np.array_equal(a, a.astype(np.float32).astype(a.dtype))
        at = np.unravel_index(int(off.argmax()), off.shape)
        index = self.index[int(off.argmax())]
        slope = lambda h: float((run.w * run.slope(self.key, self.unit(index), h)[0]).sum())
        at_steps = {h: slope(h) for h in (1e-3, 1e-4, STEP, 1e-6)}
        unsettled = max(abs(m - self.m[at]) for m in at_steps.values()) > 0.2 * off[at]
        numbers = ", ".join(f"{m:.6g} at h = {h:g}" for h, m in at_steps.items())
        if narrow(run.out) and unsettled:
            says = f"the forward computes in float32: differences give {numbers}"
        elif off.max() < 1e-3 * scale and narrow(self.N.astype(float)):
            says = f"the gradient is rounded to float32: off by {off.max() / scale:.0e}"
        elif unsettled:
            says = f"differences do not settle: {numbers}; scale the inputs, or look for float32"
        else:
            return []
        return [("precision", f"{says}; by hand {self.N[at]:.6g}")]
