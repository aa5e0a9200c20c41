"""What the lessons measure, on NumPy arrays: bring arrays home with `to_numpy` first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InputError, check_count, check_number, host_floats, shown


def entropy(log_p: Any) -> np.ndarray:
    """Entropy in nats of each distribution, log_p (..., V) -> (...). Entries may be -inf."""
    log_p = _log_probs("log_p", log_p)
    return _mean(log_p, -log_p)


def kl(log_p: Any, log_q: Any) -> np.ndarray:
    """KL(p || q) in nats of each pair of distributions along the last axis: (..., V) -> (...).

    With p the exact distribution, its mean is the excess loss of q: the cross-entropy of q less the
    entropy of p.

    Raises InputError for shapes that differ.
    """
    log_p, log_q = _log_probs("log_p", log_p), _log_probs("log_q", log_q)
    if log_p.shape != log_q.shape:
        raise InputError(f"log_q: expected shape {log_p.shape}, as log_p, got {log_q.shape}")
    with np.errstate(invalid="ignore"):
        distance = _mean(log_p, log_p - log_q)
    return np.where(np.isnan(log_q).any(axis=-1), np.nan, distance)


def _mean(log_p, values):
    """Mean under the distribution p; where p is 0, the value counts nothing, even if infinite."""
    impossible = np.isneginf(log_p)
    terms = np.exp(log_p) * np.where(impossible, 0.0, values)
    return np.where(impossible, 0.0, terms).sum(axis=-1)


def _log_probs(name, log_p):
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
        wanted = "(B, H, T, S)" if axes == 4 else "(T, S)"
        raise InputError(f"{name}: expected maps {wanted} with T <= S, got shape {s.shape}")
    return s


def lag_attention(s: Any) -> np.ndarray:
    """Attention by distance: s (..., T, S), with queries at the last T of S positions -> (..., S).

    Entry i-1 belongs to lag i, the i-th token before the one predicted: lag 1 is the query's own
    position. It is the mean over the queries that can see so far back, at least one for every lag.
    """
    s = _maps("s", s, 2)
    T, S = s.shape[-2:]
    of_lag = lambda lag: s.diagonal(S - T + 1 - lag, axis1=-2, axis2=-1)
    return np.stack([of_lag(lag).mean(axis=-1) for lag in range(1, S + 1)], axis=-1)


def span_mass(s: Any, blocks: Sequence[Sequence[int]]) -> np.ndarray:
    """Attention of each head on each block of lags: s (B, H, T, S) -> (H, blocks).

    It is a mean over B and T. Lags count as in `lag_attention`. A query that cannot see so far back
    contributes 0 there.

    Raises InputError for maps or blocks that do not fit.
    """
    s = _maps("s", s, 4)
    if s.ndim != 4:
        raise InputError(f"s: expected maps (B, H, T, S), got shape {s.shape}")
    T, S = s.shape[-2:]
    lag = np.arange(S - T, S)[:, None] + 1 - np.arange(S)
    several = lambda thing: isinstance(thing, (list, tuple)) and bool(thing)
    if not several(blocks) or not all(map(several, blocks)):
        raise InputError(f"blocks: expected lists of lags, got {shown(blocks)}")
    for lags in blocks:
        for one in lags:
            check_count("blocks: lag", one, 1, S)
    masses = [(s * np.isin(lag, block)).sum(axis=-1).mean(axis=(0, -1)) for block in blocks]
    return np.stack(masses, axis=-1)


def stage_steps(steps: Any, curves: Any) -> np.ndarray:
    """Steps at which a run leaves each rung: steps (n,), distances to rungs (n, h) -> (h-1,).

    It has left rung k when rungs above k are nearer; NaN if it never does. The boundary is put
    where the fewest evaluations lie on the wrong side, so that noise, which makes two rungs change
    places for a while, moves it little.

    Raises InputError for steps that do not rise, curves that are not finite.
    """
    steps = host_floats("steps", steps, (None,), finite=True)
    curves = host_floats("curves", curves)
    fits = curves.ndim == 2 and len(curves) == len(steps) and curves.shape[1] >= 2
    if not fits or not np.isfinite(curves).all():
        wanted = f"finite numbers (n, h >= 2) for steps {steps.shape}"
        raise InputError(f"curves: expected {wanted}, got shape {curves.shape}")
    if np.any(np.diff(steps) <= 0):
        raise InputError(f"steps: expected rising steps, got {shown(steps)}")
    nearest, left = curves.argmin(axis=1), []
    for k in range(curves.shape[1] - 1):
        beyond = nearest > k
        too_early = np.concatenate([[0], np.cumsum(beyond)])  # evaluations beyond, before each step
        too_late = np.concatenate([np.cumsum(~beyond[::-1])[::-1], [0]])
        at = int((too_early + too_late).argmin())
        left.append(float(steps[at]) if at < len(steps) else math.nan)
    return np.array(left)


def effective_rank(singular_values: Any) -> np.ndarray:
    """The number of directions a matrix uses: singular values (..., r) -> (...).

    It is exp(entropy) of their squares. A matrix of zeros uses none.

    Raises InputError for a single number.
    """
    values = host_floats("singular_values", singular_values, finite=True)
    if not values.ndim or not values.shape[-1]:
        got = f"shape {values.shape}"
        raise InputError(f"singular_values: expected them along the last axis, got {got}")
    largest = np.abs(values).max(axis=-1, keepdims=True)
    square = np.square(values / np.where(largest > 0, largest, 1))
    total = square.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        log_share = np.log(square / np.where(total > 0, total, 1))
    return np.where(total[..., 0] > 0, np.exp(entropy(log_share)), 0.0)


def turns(curve: Any, minimum: float) -> list[tuple[int, int, int]]:
    """Where a curve (n,) falls, rises and falls again, each by `minimum` or more.

    It is a list of index triples: the bottom of the first fall, the top of the rise and the bottom
    of the second fall, which may be the end so far; the bottom of one turn may begin the next.

    Raises InputError for a curve that is not finite.
    """
    curve = host_floats("curve", curve, finite=True)
    if curve.ndim != 1 or not len(curve):
        raise InputError(f"curve: expected finite numbers (n,), got shape {curve.shape}")
    check_number("minimum", minimum, above=0)
    corners, at_top, extreme = [], True, 0  # tops and bottoms in turn, a top first
    for i, value in enumerate(curve):
        higher, lower = value > curve[extreme], value < curve[extreme]
        if higher if at_top else lower:
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
        wanted = "two or more rising times, one for each loss"
        raise InputError(f"t: expected {wanted}, got shapes {t.shape}, {loss.shape}")
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
    """y = C * product of x_k ** exponents[k].

    `errors` are standard errors ("C": of log C); r2 is of log y.
    """

    C: float
    exponents: dict[str, float]
    errors: dict[str, float]
    r2: float


def fit_power_law(y: Any, **x: Any) -> PowerLaw:
    """Least squares of log y on the logarithms of the x_k, arrays of one shape: a PowerLaw.

    Raises InputError for numbers that are not positive, or too few to tell the exponents apart.
    """
    y = host_floats("y", y)
    x = {name: host_floats(name, values) for name, values in x.items()}
    if not x:
        raise InputError("x: expected at least one array beside y, got none")
    if "C" in x or any(np.shape(values) != np.shape(y) for values in x.values()):
        shapes = {name: np.shape(values) for name, values in x.items()}
        raise InputError(f"x: expected shapes {np.shape(y)}, as y, and no name C, got {shapes}")
    for name, values in {"y": y, **x}.items():
        if not (np.isfinite(values) & (values > 0)).all():
            wanted = f"{y.size} positive finite numbers"
            raise InputError(f"{name}: expected {wanted}, got {shown(values)}")
    log_y = np.log(np.ravel(y))
    columns = [np.ones_like(log_y), *(np.log(np.ravel(values)) for values in x.values())]
    if log_y.size <= len(columns):
        wanted = f"more than {len(columns)} points for {len(columns)} coefficients"
        raise InputError(f"y: expected {wanted}, got {log_y.size}")
    design = np.stack(columns, axis=1)
    coefficients, _, rank, _ = np.linalg.lstsq(design, log_y, rcond=None)
    if rank < len(columns):
        names = ", ".join(x)
        raise InputError(f"x: expected {names} to vary independently, got a design of rank {rank}")
    rest = log_y - design @ coefficients
    variance = rest @ rest / (log_y.size - len(columns)) * np.linalg.inv(design.T @ design)
    errors = np.sqrt(np.diag(variance)).tolist()
    spread = float(((log_y - log_y.mean()) ** 2).sum())
    r2 = 1 - float(rest @ rest) / spread if spread else 1.0
    C, exponents = float(np.exp(coefficients[0])), dict(zip(x, coefficients[1:].tolist()))
    return PowerLaw(C, exponents, dict(zip(["C", *x], errors)), r2)
