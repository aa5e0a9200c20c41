"""What the lessons train. A model is a small frozen dataclass of settings with three functions:

    init(rng) -> params               a dict of NumPy arrays, float64; `Backend.put` converts them
    forward(params, x) -> out, cache
    backward(dout, cache) -> grads    a dict with the keys and shapes of params

so gradient checks, optimizers and readers meet every model the same way. Read backward beside
forward, from bottom to top: the same stage numbers come in reverse. A model that is a part of
another (`AttentionLayer` in `Block`, `Block` in `Transformer`) has one function more:

    backward_through(dout, cache) -> dx, grads
"""

from .block import Block
from .embedding import EmbeddingModel
from .layer import AttentionLayer
from .minimal import MinimalModel
from .params import check_gradients, pack, unpack, xavier_bound
from .toy import ToyLayer
from .transformer import Transformer

__all__ = [
    "AttentionLayer",
    "Block",
    "EmbeddingModel",
    "MinimalModel",
    "ToyLayer",
    "Transformer",
    "check_gradients",
    "pack",
    "unpack",
    "xavier_bound",
]
