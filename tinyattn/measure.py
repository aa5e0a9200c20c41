"""What the lessons measure, on NumPy arrays: bring arrays home with `to_numpy` first."""

import numpy as np

from .errors import InputError


def entropy(log_p):
    """Entropy in nats of each law along the last axis: log_p (..., V) -> (...)."""
    return -(np.exp(log_p) * log_p).sum(axis=-1)


def kl(log_p, log_q):
    """KL(p || q) in nats of each pair of laws along the last axis: (..., V) -> (...).

    With p the exact law, its mean is the excess loss of q: the cross-entropy of q less the entropy of p.
    """
    if log_p.shape != log_q.shape:
        raise InputError(f"log_q: expected shape {log_p.shape}, as log_p, got {log_q.shape}")
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=-1)


def lag_attention(s):
    """Attention by distance: s (..., T, S), whose queries are the last T of S positions -> (..., S).

    Entry i-1 belongs to lag i, the i-th token before the one predicted: lag 1 is the query's own place. It is the mean
    over the queries that can see so far back, at least one for every lag.
    """
    T, S = s.shape[-2:]
    lags = [s.diagonal(S - T + 1 - lag, axis1=-2, axis2=-1).mean(axis=-1) for lag in range(1, S + 1)]
    return np.stack(lags, axis=-1)


def span_mass(s, blocks):
    """The attention of each head on each block of lags: s (H, B, T, S) -> (H, number of blocks), means over B and T."""
    by_lag = lag_attention(s).mean(axis=1)
    deepest = max(max(block) for block in blocks)
    if deepest > by_lag.shape[-1]:
        raise InputError(f"blocks: expected lags up to {by_lag.shape[-1]}, as s has keys, got {deepest}")
    return np.stack([by_lag[:, [lag - 1 for lag in block]].sum(axis=1) for block in blocks], axis=1)
