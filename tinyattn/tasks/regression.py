"""Single-location regression, the task of "The Emergence of Sparse Attention" (arXiv 2505.17863).

x_1..x_T in R^d are independent N(0, I/d); the target is x_r W*, rows as everywhere in this library. The relevant token
x_r stands at the last B places (in-context repetition). With probability p it is the first unit vector instead of
Gaussian (cross-sample repetition). The task knows the exact population loss and gradients of `models.ToyLayer`.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, check_count, check_number
from ..ops import Softmax, softmax_backward, softmax_forward
from .markov import orthogonal


@dataclass(frozen=True, eq=False)
class SingleLocation:
    """The task as `draw_task` makes it: W_star (d, d) is orthogonal, so every direction counts alike."""

    W_star: np.ndarray
    tokens: int
    places: int = 1
    p: float = 0.0

    @property
    def width(self):
        return len(self.W_star)

    @property
    def moments(self):
        """The second moment of the relevant token along each coordinate, (d,): the others have 1/d."""
        S = np.full(self.width, (1 - self.p) / self.width)
        S[0] += self.p
        return S

    def relevant(self, rng, shape, dtype="float64"):
        """Relevant tokens (*shape, d)."""
        x = rng.standard_normal((*shape, self.width), dtype) * self.width**-0.5
        if self.p:
            x[rng.random(shape) < self.p] = np.eye(self.width)[0]
        return x

    def sample(self, rng, n):
        """n samples: x (n, T, d) and targets (n, d)."""
        x = rng.normal(size=(n, self.tokens, self.width)) / np.sqrt(self.width)
        x_r = self.relevant(rng, (n,))
        x[:, -self.places :] = x_r[:, None]
        return x, x_r @ self.W_star

    # The population, s the attention, A = sum of s over the relevant places, S the moments of the relevant token
    #
    #   y - y* = x_r (A W - W*) + sum over other t of s_t x_t W, all independent and of mean 0, so
    #     (1)  L = 1/2 [ tr (A W - W*)^T S (A W - W*) + (1/d) sum_other s_t^2 |W|^2 ]
    #     (2)  dW = A S (A W - W*) + (1/d) (sum_other s_t^2) W
    #     (3)  ds_t = tr W^T S (A W - W*)  at a relevant place,   s_t |W|^2 / d  elsewhere
    #   and the scores follow through the softmax.

    def population(self, layer, params):
        """The exact loss and gradients of a ToyLayer on this task: loss (0-d), grads."""
        W, d, B = params["W"], self.width, self.places
        s, softmax = softmax_forward(layer.scores(params["a"]))
        others, A = s[0, : self.tokens - B], s[0, -B:].sum()
        miss = A * W - self.W_star
        pull = self.moments[:, None] * miss
        noise = (others * others).sum() / d
        loss = ((miss * pull).sum() + noise * (W * W).sum()) / 2  # (1)
        dW = A * pull + noise * W  # (2)
        ds = np.concatenate([others * ((W * W).sum() / d), np.full(B, (W * pull).sum())])[None]  # (3)
        return loss, {"a": layer.scores_backward(softmax_backward(ds, softmax)), "W": dW}

    # Stochastic gradients without drawing T d numbers a sample
    #
    #   Of the other tokens X (T-B, d) a gradient needs only m = s^T X and X g, where g = e W^T and e = y - y* depend on
    #   them through m alone. X is N(0, I/d), so given m it is
    #     (4)  X = s m / |s|^2 + (I - s s^T / |s|^2) Z,    Z fresh N(0, I/d)
    #   and Z g is N(0, |g|^2/d I), whatever m was. The mean over n samples of (I - ..) Z_i g_i is one Gaussian again:
    #     (5)  mean of X g = s mean(m.g) / |s|^2 + (I - s s^T/|s|^2) z sqrt(sum |g_i|^2 / d) / n,   z ~ N(0, I)
    #   So n d + T numbers replace n T d, exactly in law.

    def stochastic(self, rng, a, W, n):
        """One draw of the gradients on n samples, for many runs at once: a (R, T), W (R, d, d) -> da, dW, in their dtype."""
        (R, T), d, B, dtype = a.shape, self.width, self.places, a.dtype
        s, _ = softmax_forward(a)
        others, A = s[:, : T - B], s[:, -B:].sum(axis=1)[:, None, None]
        square = (others * others).sum(axis=1)[:, None, None]
        x_r = self.relevant(rng, (R, n), dtype)
        m = (square / d) ** 0.5 * rng.standard_normal((R, n, d), dtype)  # N(0, |s|^2/d I)
        mixed = A * x_r + m
        e = mixed @ W - x_r @ self.W_star.astype(dtype)
        g = e @ W.swapaxes(1, 2)
        z = rng.standard_normal((R, T - B), dtype) * ((g * g).sum(axis=(1, 2)) / d)[:, None] ** 0.5 / n
        along = (m * g).sum(axis=(1, 2)) / n - (others * z).sum(axis=1)
        ds_others = others * (along / square[:, 0, 0])[:, None] + z  # (5)
        ds = np.concatenate([ds_others, np.repeat((x_r * g).sum(axis=(1, 2))[:, None] / n, B, axis=1)], axis=1)
        return softmax_backward(ds, Softmax(s)), mixed.swapaxes(1, 2) @ e / n


def draw_task(rng, tokens, width, places=1, p=0.0):
    """Draw W* uniformly among orthogonal matrices of size width, for `tokens` tokens, the relevant one at `places`."""
    check_count("width", width)
    if check_count("places", places) >= check_count("tokens", tokens):
        raise InputError(f"places: expected fewer than tokens = {tokens}, got {places}")
    check_number("p", p, least=0, most=1)
    return SingleLocation(orthogonal(rng, 1, width)[0], tokens, places, float(p))
