"""Single-location regression, the task of "The Emergence of Sparse Attention" (arXiv 2505.17863).

x_1..x_T in R^d are independent N(0, I/d); the target is x_r W*, rows as everywhere in this library.
The relevant token x_r sits at the last B positions (in-context repetition). With probability p it
is the first unit vector instead of Gaussian (cross-sample repetition). The gradients of
`models.ToyLayer` on it, exact and sampled, are in `flows.population`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..door import door
from ..errors import InputError, check_choice, check_count, host_floats, shown
from .markov import orthogonal
from .task import Task

MATRICES = ("orthogonal", "gaussian")


@door("length count, places count < length, p number >= 0 <= 1")
@dataclass(frozen=True, eq=False)
class SingleLocation(Task):
    """The task as `draw_task` makes it, with any W_star (d, d).

    length: tokens, T. places: relevant positions, B. p: of cross-sample repetition.
    """

    W_star: np.ndarray
    length: int
    places: int = 1
    p: float = 0.0

    def __post_init__(self):
        W = host_floats("W_star", self.W_star, (None, None), finite=True)
        if W.shape[0] != W.shape[1] or not len(W) or np.abs(W).max() > 1e100:
            raise InputError(
                f"W_star: expected a square matrix of sizes up to 1e+100, got {shown(W)}"
            )
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
    def relevant(
        self, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = "float64"
    ) -> np.ndarray:
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
    def sample_marked(
        self, rng: np.random.Generator, n: int, anywhere: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """n samples for a network that has to find the relevant token.

        One more feature is 1 at the relevant token and 0 elsewhere. With `anywhere` the token's
        positions are drawn for each sample; else they are the first ones, since a residual sum
        passes on the last.
        """
        x, target = self.sample(rng, n)
        marked = np.zeros((n, self.length, self.width + 1))
        marked[:, :, :-1] = x[:, ::-1]
        marked[:, : self.places, -1] = 1
        if anywhere:
            order = rng.random((n, self.length)).argsort(axis=1)
            marked = np.take_along_axis(marked, order[:, :, None], axis=1)
        return marked, target


@door("rng Generator, width count, matrix in MATRICES", hands_on=True)
def draw_task(
    rng: np.random.Generator,
    length: int,
    width: int,
    places: int = 1,
    p: float = 0.0,
    matrix: str = "orthogonal",
) -> SingleLocation:
    """Draw W* (width, width): a SingleLocation.

    matrix: "orthogonal", uniform among orthogonal matrices, or "gaussian", entries N(0, 1/width).
    """
    if matrix == "orthogonal":
        return SingleLocation(orthogonal(rng, 1, width)[0], length, places, p)
    return SingleLocation(rng.normal(size=(width, width)) * width**-0.5, length, places, p)
