"""What the lessons measure, on NumPy arrays: bring arrays home with `to_numpy` first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InputError, check_count, check_number, host_floats, shown


def entropy(log_p: Any) -> np.ndarray:
    """Entropy in nats of each law, log_p (..., V) -> (...). Log-probabilities may be -inf."""
    log_p = _laws("log_p", log_p)
    return _mean(log_p, -log_p)


def kl(log_p: Any, log_q: Any) -> np.ndarray:
    """KL(p || q) in nats of each pair of laws along the last axis: (..., V) -> (...).

    With p the exact law, its mean is the excess loss of q: the cross-entropy of q less the entropy
    of p.

    Raises InputError for shapes that differ.
    """
    log_p, log_q = _laws("log_p", log_p), _laws("log_q", log_q)
    if log_p.shape != log_q.shape:
        raise InputError(f"log_q: expected shape {log_p.shape}, as log_p, got {log_q.shape}")
    with np.errstate(invalid="ignore"):
        distance = _mean(log_p, log_p - log_q)
    return np.where(np.isnan(log_q).any(axis=-1), np.nan, distance)


def _mean(log_p, values):
    """Mean under the law p; what has probability 0 counts nothing, whatever its value."""
    return np.where(
        np.isneginf(log_p), 0.0, np.exp(log_p) * np.where(np.isneginf(log_p), 0.0, values)
    ).sum(axis=-1)


def _laws(name, log_p):
    """Log-probabilities (..., V) as float64."""
    log_p = host_floats(name, log_p)
    if not log_p.ndim or not log_p.shape[-1]:
        raise InputError(
            f"{name}: expected log-probabilities along the last axis, got shape {log_p.shape}"
        )
    if (log_p > 1e-6).any():
        raise InputError(
            f"{name}: expected logarithms of probabilities, at most 0, got {log_p.max():g}"
        )
    return log_p


def _maps(name, s, axes):
    """Attention maps (..., T, S), T of S queries, with at least so many axes, as float64."""
    s = host_floats(name, s)
    if s.ndim < axes or not s.size or s.shape[-2] > s.shape[-1]:
        raise InputError(
            f"{name}: expected maps ({'B, H, ' * (axes == 4)}T, S) with T <= S, got shape {s.shape}"
        )
    return s


def lag_attention(s: Any) -> np.ndarray:
    """Attention by distance: s (..., T, S), whose queries are the last T of S positions -> (..., S).

    Entry i-1 belongs to lag i, the i-th token before the one predicted: lag 1 is the query's own
    place. It is the mean over the queries that can see so far back, at least one for every lag.
    """
    s = _maps("s", s, 2)
    T, S = s.shape[-2:]
    lags = [
        s.diagonal(S - T + 1 - lag, axis1=-2, axis2=-1).mean(axis=-1) for lag in range(1, S + 1)
    ]
    return np.stack(lags, axis=-1)


def span_mass(s: Any, blocks: Sequence[Sequence[int]]) -> np.ndarray:
    """Attention of each head on each block of lags: s (B, H, T, S) -> (H, blocks), means over B and T.

    Lags count as in `lag_attention`. A query that cannot see so far back contributes 0 there.

    Raises InputError for maps or blocks that do not fit.
    """
    s = _maps("s", s, 4)
    if s.ndim != 4:
        raise InputError(f"s: expected maps (B, H, T, S), got shape {s.shape}")
    T, S = s.shape[-2:]
    lag = np.arange(S - T, S)[:, None] + 1 - np.arange(S)
    if (
        not isinstance(blocks, (list, tuple))
        or not blocks
        or not all(isinstance(b, (list, tuple)) and b for b in blocks)
    ):
        raise InputError(f"blocks: expected lists of lags, got {shown(blocks)}")
    for lags in blocks:
        for one in lags:
            check_count("blocks: lag", one, 1, S)
    masses = [(s * np.isin(lag, block)).sum(axis=-1).mean(axis=(0, -1)) for block in blocks]
    return np.stack(masses, axis=-1)


def stage_steps(steps: Any, curves: Any) -> np.ndarray:
    """Steps at which a run leaves each rung: steps (n,), distances to rungs (n, h) -> (h-1,), NaN if never.

    It has left rung k when rungs above k are nearer. The boundary is put where the fewest looks lie
    on the wrong side, so that noise, which makes two rungs change places for a while, moves it
    little.

    Raises InputError for steps that do not rise, curves that are not finite.
    """
    steps, curves = host_floats("steps", steps, (None,), finite=True), host_floats("curves", curves)
    if (
        curves.ndim != 2
        or curves.shape[:1] != steps.shape
        or curves.shape[1] < 2
        or not np.isfinite(curves).all()
    ):
        raise InputError(
            f"curves: expected finite numbers (n, h >= 2) for steps {steps.shape}, got shape {curves.shape}"
        )
    if np.any(np.diff(steps) <= 0):
        raise InputError(f"steps: expected rising steps, got {shown(steps)}")
    nearest, left = curves.argmin(axis=1), []
    for k in range(curves.shape[1] - 1):
        beyond = nearest > k
        wrong = np.concatenate([[0], np.cumsum(beyond)]) + np.concatenate(
            [np.cumsum(~beyond[::-1])[::-1], [0]]
        )
        at = int(wrong.argmin())
        left.append(float(steps[at]) if at < len(steps) else math.nan)
    return np.array(left)


def effective_rank(singular_values: Any) -> np.ndarray:
    """The number of directions a matrix uses: singular values (..., r) -> exp(entropy of their squares).

    A matrix of zeros uses none.

    Raises InputError for a single number.
    """
    values = host_floats("singular_values", singular_values, finite=True)
    if not values.ndim or not values.shape[-1]:
        raise InputError(
            f"singular_values: expected them along the last axis, got shape {values.shape}"
        )
    largest = np.abs(values).max(axis=-1, keepdims=True)
    square = np.square(values / np.where(largest > 0, largest, 1))
    total = square.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.where(
            total[..., 0] > 0, np.exp(entropy(np.log(square / np.where(total > 0, total, 1)))), 0.0
        )


def turns(curve: Any, minimum: float) -> list[tuple[int, int, int]]:
    """Where a curve (n,) falls, rises and falls again, each by `least` or more: a list of index triples.

    A triple holds the bottom of the first fall, the top of the rise and the bottom of the second
    fall, which may be the end so far; the bottom of one turn may begin the next.

    Raises InputError for a curve that is not finite.
    """
    curve = host_floats("curve", curve, finite=True)
    if curve.ndim != 1 or not len(curve):
        raise InputError(f"curve: expected finite numbers (n,), got shape {curve.shape}")
    check_number("minimum", minimum, above=0)
    corners, at_top, extreme = [], True, 0  # tops and bottoms in turn; a top is looked for first
    for i, value in enumerate(curve):
        if value > curve[extreme] if at_top else value < curve[extreme]:
            extreme = i
        elif abs(value - curve[extreme]) >= minimum:
            corners.append(extreme)
            at_top, extreme = not at_top, i
    if not at_top:
        corners.append(extreme)
    return [(corners[i], corners[i + 1], corners[i + 2]) for i in range(1, len(corners) - 2, 2)]


def plateau_length(t: Any, loss: Any, threshold: float) -> np.ndarray:
    """When a loss first falls below a threshold: t (n,), loss (n, ...) -> (...), NaN if never.

    A run that starts below it has length t[0].

    Raises InputError for times that do not rise, losses that are not finite.
    """
    t, loss = host_floats("t", t, finite=True), host_floats("loss", loss)
    check_number("threshold", threshold)
    if t.ndim != 1 or len(t) < 2 or loss.shape[:1] != t.shape or np.any(np.diff(t) <= 0):
        raise InputError(
            f"t: expected two or more rising times, one for each loss, got shapes {t.shape}, {loss.shape}"
        )
    if not np.isfinite(loss).all():
        raise InputError("loss: expected finite numbers, got NaN or infinity among them")
    below = loss < threshold
    last = np.clip(below.argmax(axis=0), 1, None)[None]
    before, after = (np.take_along_axis(loss, i, axis=0)[0] for i in (last - 1, last))
    t_before, t_after = t[last - 1][0], t[last][0]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = t_before + (t_after - t_before) * (before - threshold) / (before - after)
    return np.where(below[0], t[0], np.where(below.any(axis=0), crossing, np.nan))


@dataclass(frozen=True)
class PowerLaw:
    """y = C * product of x_k ** exponents[k]. `errors` are standard errors ("C": of log C); r2 is of log y."""

    C: float
    exponents: dict[str, float]
    errors: dict[str, float]
    r2: float


def fit_power_law(y: Any, **x: Any) -> PowerLaw:
    """Least squares of log y on the logarithms of the x_k, arrays of one shape: a PowerLaw.

    Raises InputError for numbers that are not positive, or too few to tell the exponents apart.
    """
    y, x = host_floats("y", y), {name: host_floats(name, values) for name, values in x.items()}
    if not x:
        raise InputError("x: expected at least one array beside y, got none")
    if "C" in x or any(np.shape(values) != np.shape(y) for values in x.values()):
        shapes = {name: np.shape(values) for name, values in x.items()}
        raise InputError(f"x: expected shapes {np.shape(y)}, as y, and no name C, got {shapes}")
    for name, values in {"y": y, **x}.items():
        if not (np.isfinite(values) & (values > 0)).all():
            raise InputError(
                f"{name}: expected {y.size} positive finite numbers, got {shown(values)}"
            )
    log_y = np.log(np.ravel(y))
    columns = [np.ones_like(log_y), *(np.log(np.ravel(values)) for values in x.values())]
    if log_y.size <= len(columns):
        raise InputError(
            f"y: expected more than {len(columns)} points for {len(columns)} coefficients, got {log_y.size}"
        )
    design = np.stack(columns, axis=1)
    coefficients, _, rank, _ = np.linalg.lstsq(design, log_y, rcond=None)
    if rank < len(columns):
        raise InputError(
            f"x: expected {', '.join(x)} to vary independently, got a design of rank {rank}"
        )
    rest = log_y - design @ coefficients
    variance = rest @ rest / (log_y.size - len(columns)) * np.linalg.inv(design.T @ design)
    errors = np.sqrt(np.diag(variance)).tolist()
    spread = float(((log_y - log_y.mean()) ** 2).sum())
    r2 = 1 - float(rest @ rest) / spread if spread else 1.0
    return PowerLaw(float(np.exp(coefficients[0])), dict(zip(x, coefficients[1:].tolist())),
                    dict(zip(["C", *x], errors)), r2)  # fmt: skip
