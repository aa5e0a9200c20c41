"""The regression variant of the chain (arXiv 2602.19143).

Does a network follow the flow in which heads share out features?
"""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tinyattn import ode
from tinyattn.errors import InputError, check_count, check_instance, check_number, shown
from tinyattn.flows.factorization import Factorization
from tinyattn.losses import SQUARED_ERROR, pair_loss
from tinyattn.measure import plateau_length
from tinyattn.models import MinimalModel
from tinyattn.optim import SGD
from tinyattn.tasks import markov

from .trial import Trial

# Why the minimal model is the flow
#
#   Tokens are Gaussian vectors and the target is sum_k A_k x_(t - lag k). If attention depends on
#   positions alone, the output is linear in x, and as x x^T averages to the identity the mean loss
#   is 1/2 |G - Y|^2 with e_k = A_k / |A_k|: the flow of flows/factorization.py. Two things keep one
#   clock. Scores are divided by sqrt(D), so the gradient of W_Q is multiplied by D. And the
#   sample's moments are made exact: those of 1200 ordinary draws would be off by 1/sqrt(1200), 3%,
#   and the target with them. The part of W_Q that scores tokens is not in the flow.


@dataclass(frozen=True)
class RegressionTrial(Trial):
    """Full-batch descent of the minimal model from a small tilt, and the flow from the same tilt.

    batch:      sequences, all of them in every step.
    lags:       where the features are, the most important first.
    importance: ratio of neighbours.
    length:     tokens of a sequence.
    vocab:      numbers in a token.
    heads:      of the network.
    tilt:       by so much head j starts with its score of feature j's position raised.
    whole:      train all of W_Q, or its block of positions alone.
    """

    steps: int | None = 1150
    every: int = 4
    batch: int = 1200
    lr: float | None = 0.1
    lags: Sequence[int] = (3, 6, 9)
    importance: float = 1.7
    length: int = 12
    vocab: int = 6
    heads: int = 3
    tilt: float = 1e-2
    whole: bool = True

    curve: ClassVar[tuple[str, str, str]] = (
        "loss",
        "largest loss of a feature / its start",
        "When the last feature is learnt",
    )
    counts: ClassVar[tuple[str, ...]] = (*Trial.counts, "length", "vocab", "heads")

    def __post_init__(self):
        super().__post_init__()
        check_number("tilt", self.tilt, minimum=0, maximum=1.0)
        check_instance("whole", self.whole, bool)
        if not isinstance(self.lags, (tuple, list)) or not self.lags:
            raise InputError(f"lags: expected lags, got {shown(self.lags)}")
        for lag in self.lags:
            check_count("lags", lag, 1, self.length - 1)
        if len(set(self.lags)) < len(self.lags):
            raise InputError(f"lags: expected each once, got {shown(self.lags)}")
        check_number("lr", self.lr, minimum=1e-9, maximum=1e9)
        if self.heads > len(self.lags):
            raise InputError(
                f"heads: expected at most {len(self.lags)}, one for each lag, got {self.heads}"
            )
        if self.batch % 2 or self.batch < 2 * self.length * self.vocab:
            minimum = 2 * self.length * self.vocab
            raise InputError(
                f"batch: expected an even number of at least 2 length vocab = {minimum}, "
                f"got {self.batch}"
            )
        _ = self.chain, self.make_optimizer()  # which check their own settings

    @functools.cached_property
    def chain(self):
        """The chain, drawn by the seed."""
        blocks = [[lag] for lag in self.lags]
        rng = np.random.default_rng(self.seed)
        return markov.draw_chain(
            rng, self.vocab, blocks=blocks, importance=self.importance, matrices="frobenius"
        )

    def make_optimizer(self):
        """The optimizer of these settings."""
        return SGD(self.lr)

    @functools.cached_property
    def network(self) -> MinimalModel:
        """The model that is trained."""
        return MinimalModel(
            self.vocab, self.length, self.heads, self.length - 1, query_scale=0.0, value_scale=0.0
        )

    @functools.cached_property
    def flow(self) -> Factorization:
        """The flow: features of length 1, one position each, importances |A_k| / sqrt(vocab)."""
        m = np.linalg.norm(self.chain.matrices, axis=(1, 2)) / math.sqrt(self.vocab)
        places = np.eye(self.length)[[self.length - lag for lag in self.lags]]
        return Factorization(m, np.eye(len(m)), places, "logits")

    def run(self, *, checkpoint=None, title=None, map=map) -> dict[str, Any]:
        """Of the network and of the flow, by feature, as a share of its start:

        time, loss            lists over the evaluations: (n,) and (n, features)
        half_times            when each feature is half learnt, None if never
        flow_loss, flow_half_times   the same of the flow, at the same times
        """
        device = self.backend()
        model, flow, D = self.network, self.flow, self.network.width
        rng = np.random.default_rng([self.seed, 1])
        x, y = self.chain.sample_regression(rng, self.batch, self.length, exact=True)
        data = device.put((x, y[:, -1:] / math.sqrt(self.vocab)), "float32")
        keep = np.ones((D, 1, D))
        if not self.whole:
            keep[: self.vocab] = 0
            keep[:, :, : self.vocab] = 0
        keep = device.put(D * keep, "float32")
        mean_loss = pair_loss(model, SQUARED_ERROR)

        def loss(params, batch):
            value, grads = mean_loss(params, batch)
            return value, {"W_Q": keep * grads["W_Q"], "W_V": grads["W_V"]}

        matrices = self.chain.matrices
        A = matrices.swapaxes(1, 2) / np.linalg.norm(matrices, axis=(1, 2), keepdims=True)
        features = device.put(A.reshape(len(A), -1).T, "float32")

        def state(step, params):
            _, cache = model.forward(params, data[0][::6])
            s = device.xp.log(cache.attention.mean(axis=0)[:, 0])
            V = params["W_V"][: self.vocab].swapaxes(0, 1).reshape(self.heads, -1) @ features
            return {"state": device.xp.concatenate([V, s], axis=-1)}

        params = model.init(np.random.default_rng(0))
        # D is also one past the last position's row.
        tilted = [D - lag for lag in self.lags[: self.heads]]
        params["W_Q"][D - 1, range(self.heads), tilted] = self.tilt * math.sqrt(D)
        history = self.trained(
            loss,
            device.put(params, "float32"),
            itertools.repeat(data),
            self.make_optimizer(),
            state,
            checkpoint=checkpoint,
            title=title,
        )
        times = history.steps("state") * self.lr
        start = flow.state(np.zeros((self.heads, len(A))), self.tilt * flow.places[: self.heads])
        path = ode.integrate(flow, (0, times[-1]), start, t_eval=times, rtol=1e-8, atol=1e-12)
        found: dict[str, Any] = {"time": times.tolist()}
        for name, states in (("", history["state"].astype(float)), ("flow_", path.y)):
            share = flow.feature_loss(states) / flow.feature_loss(start)
            found[f"{name}loss"] = share.tolist()
            halves = [float(half) for half in plateau_length(times, share, 0.5)]
            found[f"{name}half_times"] = [None if math.isnan(half) else half for half in halves]
        return found

    def figure(self, found: dict[int, dict[str, Any]]) -> Any:
        """The standard picture of runs, {seed: results}, the trial's own seed in bold."""
        from . import figures

        return figures.regression(self, found)
