"""Single-location regression, the task of "The Emergence of Sparse Attention" (arXiv 2505.17863).

x_1..x_T in R^d are independent N(0, I/d); the target is x_r W*, rows as everywhere in this library.
The relevant token x_r stands at the last B places (in-context repetition). With probability p it is
the first unit vector instead of Gaussian (cross-sample repetition). The task knows the exact
population loss and gradients of `models.ToyLayer`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Params
from ..door import door
from ..errors import InputError, check_choice, check_count, check_dict, check_floats, host_floats, shown
from ..ops import SoftmaxCache, softmax_backward, softmax_forward
from .markov import orthogonal
from .task import Task

MATRICES = ("orthogonal", "gaussian")


@door("length count, places count < length, p number >= 0 <= 1")
@dataclass(frozen=True, eq=False)
class SingleLocation(Task):
    """The task as `draw_task` makes it, with any W_star (d, d)."""

    W_star: np.ndarray
    length: int
    places: int = 1
    p: float = 0.0

    def __post_init__(self):
        W = host_floats("W_star", self.W_star, (None, None), finite=True)
        if W.shape[0] != W.shape[1] or not len(W) or np.abs(W).max() > 1e100:
            raise InputError(f"W_star: expected a square matrix of sizes up to 1e+100, got {shown(W)}")
        object.__setattr__(self, "W_star", W)

    @property
    def width(self):
        """Numbers in a token, d."""
        return len(self.W_star)

    @property
    def moments(self):
        """The relevant token's second moment along each coordinate, (d,). Others have 1/d."""
        S = np.full(self.width, (1 - self.p) / self.width)
        S[0] += self.p
        return S

    @door("rng Generator, shape tuple -> (*shape, d)")
    def relevant(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = "float64") -> np.ndarray:
        """Relevant tokens (*shape, d)."""
        for size in shape:
            check_count("shape", size, 0)
        check_choice("dtype", getattr(dtype, "name", dtype), ("float32", "float64"))
        x = rng.standard_normal((*shape, self.width), dtype) * self.width**-0.5
        if self.p:
            x[rng.random(shape) < self.p] = np.eye(self.width)[0]
        return x

    @door("rng Generator, n count -> x (n, T, d), targets (n, d)")
    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """n samples."""
        x = rng.normal(size=(n, self.length, self.width)) / np.sqrt(self.width)
        x_r = self.relevant(rng, (n,))
        x[:, -self.places :] = x_r[:, None]
        return x, x_r @ self.W_star

    @door("rng Generator, n count, anywhere bool -> x (n, T, d+1), targets (n, d)")
    def sample_marked(self, rng: np.random.Generator, n: int, anywhere: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """n samples for a network that has to find the relevant token.

        One more feature is 1 at the relevant token and 0 elsewhere. With `anywhere` the token's
        places are drawn for each sample; else they are the first ones, since a residual sum passes
        on the last.
        """
        x, target = self.sample(rng, n)
        marked = np.zeros((n, self.length, self.width + 1))
        marked[:, :, :-1], marked[:, : self.places, -1] = x[:, ::-1], 1
        if anywhere:
            order = rng.random((n, self.length)).argsort(axis=1)
            marked = np.take_along_axis(marked, order[:, :, None], axis=1)
        return marked, target

    # The population, s the attention, A = sum of s over the relevant places, S the moments of
    # the relevant token
    #
    #   y - y* = x_r (A W - W*) + sum over other t of s_t x_t W, all independent and of mean
    #   0, so
    #     (1)  L = 1/2 [ tr (A W - W*)^T S (A W - W*) + (1/d) sum_other s_t^2 |W|^2 ]
    #     (2)  dW = A S (A W - W*) + (1/d) (sum_other s_t^2) W
    #     (3)  ds_t = tr W^T S (A W - W*)  at a relevant place,   s_t |W|^2 / d  elsewhere
    #   and the scores follow through the softmax.

    def population(self, layer: Any, params: Params) -> tuple[Any, Params]:
        """The exact loss and gradients of a ToyLayer on this task: loss (0-d), grads.

        Raises InputError for what is no ToyLayer of this size.
        """
        if not all(hasattr(layer, name) for name in ("length", "width", "scores")):
            raise InputError(f"layer: expected a models.ToyLayer, got {shown(layer)}")
        check_dict("params", params, ("a", "W"))
        check_floats("W", params["W"], (self.width, self.width))
        W, d, B = params["W"], self.width, self.places
        if (layer.length, layer.width) != (self.length, d):
            raise InputError(f"layer: expected {self.length} tokens of width {d}, got {layer}")
        s, softmax = softmax_forward(layer.scores(params["a"]))
        others, A = s[0, : self.length - B], s[0, -B:].sum()
        miss = A * W - self.W_star
        pull = self.moments[:, None] * miss
        noise = (others * others).sum() / d
        loss = ((miss * pull).sum() + noise * (W * W).sum()) / 2  # (1)
        dW = A * pull + noise * W  # (2)
        ds = np.concatenate([others * ((W * W).sum() / d), np.full(B, (W * pull).sum())])[None]  # (3)
        return loss, {"a": layer.scores_backward(softmax_backward(ds, softmax)), "W": dW}

    # Stochastic gradients without drawing T d numbers a sample
    #
    #   Of the other tokens X (T-B, d) a gradient needs only m = s^T X and X g, where g = e
    #   W^T and e = y - y* depend on them through m alone. X is N(0, I/d); along the unit
    #   vector u = s/|s| it is one Gaussian vector, and what stands across is independent of
    #   it:
    #     (4)  X = (u n^T + (I - u u^T) Z) / sqrt(d),   n (d) and Z (T-B, d) fresh N(0, I)
    #          m = |s| n / sqrt(d)
    #   and Z g is N(0, |g|^2 I), whatever m was. The mean over N samples of (I - u u^T) Z_i
    #   g_i is one Gaussian again:
    #     (5)  mean of X g = u mean(n.g) / sqrt(d) + (I - u u^T) z
    #          z ~ N(0, sum |g_i|^2 / (d N^2) I)
    #   So 2 N d + T numbers replace N T d, exactly in law.

    @door("rng Generator, n count, a (R, self.length), W (R, self.width, self.width) -> da (R, T), dW (R, d, d)")
    def stochastic(self, rng: np.random.Generator, a: np.ndarray, W: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Gradients on n samples, one draw for each of R runs.

        Raises InputError for types of a and W that differ.
        """
        (R, T), d, B, dtype = a.shape, self.width, self.places, a.dtype
        if W.dtype != dtype:
            raise InputError(f"W: expected {dtype}, as a, got {W.dtype}")
        s, _ = softmax_forward(a)
        others, A = s[:, : T - B], s[:, -B:].sum(axis=1)[:, None, None]
        largest = others.max(axis=1, keepdims=True)
        largest = np.where(largest == 0, 1, largest)  # with all attention on the relevant places, any direction u will do
        size = largest * ((others / largest) ** 2).sum(axis=1, keepdims=True) ** 0.5
        u = others / np.where(size == 0, 1, size)
        x_r, along = self.relevant(rng, (R, n), dtype), rng.standard_normal((R, n, d), dtype)
        mixed = A * x_r + (size / d**0.5)[:, :, None] * along  # (4)
        e = mixed @ W - x_r @ self.W_star.astype(dtype)
        g = e @ W.swapaxes(1, 2)
        z = rng.standard_normal((R, T - B), dtype) * ((g * g).sum(axis=(1, 2)) / d)[:, None] ** 0.5 / n
        push = (along * g).sum(axis=(1, 2)) / (n * d**0.5) - (u * z).sum(axis=1)
        ds_others = u * push[:, None] + z  # (5)
        ds = np.concatenate([ds_others, np.repeat((x_r * g).sum(axis=(1, 2))[:, None] / n, B, axis=1)], axis=1)
        return softmax_backward(ds, SoftmaxCache(s)), mixed.swapaxes(1, 2) @ e / n


@door("rng Generator, width count, matrix in MATRICES", hands_on=True)
def draw_task(
    rng: np.random.Generator, length: int, width: int, places: int = 1, p: float = 0.0, matrix: str = "orthogonal"
) -> SingleLocation:
    """Draw W* (width, width): a SingleLocation.

    matrix: "orthogonal", uniform among orthogonal matrices, or "gaussian", entries N(0, 1/width).
    """
    if matrix == "orthogonal":
        return SingleLocation(orthogonal(rng, 1, width)[0], length, places, p)
    return SingleLocation(rng.normal(size=(width, width)) * width**-0.5, length, places, p)
