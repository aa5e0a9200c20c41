"""The matrices of the chain in the runs of arXiv 2602.19143, which all have the seed 0.

They are the first thing that is drawn there. Each is U W^T for the singular value decomposition
G = U S W of a Gaussian matrix G. The pairs (column of U, row of W) have a sign that a decomposition
leaves open, and U W^T depends on it; so the signs that theirs left are kept here.
"""

import numpy as np

from tinyattn.errors import InputError

SEED, VOCAB, GROUP = 0, 50, 16
# Bit i is 1 where the largest number of column i of U is positive; the farthest block first.
SIGNS = (0x39730F5E520C8, 0xC08C9657F1C8, 0x2B018DA5631E0)


def paper_matrices(blocks: int, vocab: int) -> np.ndarray:
    """The matrices (blocks, vocab, vocab) of importance 1, the nearest block first.

    Raises InputError unless they are three, for 50 tokens.
    """
    if (blocks, vocab) != (len(SIGNS), VOCAB):
        raise InputError(
            f'matrices: expected others than "paper", which are {len(SIGNS)} of {VOCAB} tokens, '
            f"with {blocks} of {vocab}"
        )
    twister = np.random.RandomState(SEED)
    found = []
    for bits in SIGNS:
        U, _, W = np.linalg.svd(_normals(twister, VOCAB**2).reshape(VOCAB, VOCAB))
        largest = U[np.abs(U).argmax(axis=0), range(VOCAB)] > 0
        kept = np.array([bits >> i & 1 for i in range(VOCAB)], dtype=bool)
        sign = np.where(largest == kept, 1.0, -1.0)
        found.append((U * sign) @ (sign[:, None] * W).T)
    return np.stack(found[::-1])


def _normals(twister, n):
    """n normal numbers as PyTorch draws them: Box-Muller on groups of 16 uniform ones.

    Where n is no multiple of 16, the last 16 are drawn again.
    """
    whole = n - n % GROUP
    drawn = np.empty(n)
    drawn[:whole] = _box_muller(_uniform(twister, n)[:whole])
    if n > whole:
        drawn[-GROUP:] = _box_muller(_uniform(twister, GROUP))
    return drawn


def _uniform(twister, n):
    """n numbers in [0, 1) of 24 bits."""
    return (twister.randint(2**32, size=n, dtype=np.uint32) & (2**24 - 1)) / 2.0**24


def _box_muller(u):
    """Normal numbers from as many uniform ones, whole groups of 16: eight radii, eight angles."""
    u = u.reshape(-1, 2, GROUP // 2)
    radius, angle = np.sqrt(-2 * np.log(1 - u[:, 0])), 2 * np.pi * u[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
