"""Focus and dilution with one use of the embeddings held: the query, the key or the value reads a copy that does not move.

In the flow of "Focus and Dilution" (arXiv 2605.01199), `flows.focus_dilution`, W0 has three uses.
Which of them brings a stage about is seen by letting one of them read the embeddings as they were,
while the others move on; that is our own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..attention import attend_backward, attend_forward
from ..backend import Array, namespace
from ..door import door
from ..errors import InputError, shown
from ..ops import log_softmax
from .focus_dilution import FocusDilution

USES = ("query", "key", "value")

# The flow
#
#   Write E_q, E_k, E_v for what the three uses read: each is W0, or the copy C. With B = W_Q W_K^T
#     (1)  M = E_v W1,   Phi = E_q B E_k^T,   F = attend(Phi + log pi, M)
#   and dPhi, dM by (5), (6) of `flows.focus_dilution`. Differentials,
#          δM = δE_v W1 + E_v δW1,   δPhi = δE_q B E_k^T + E_q δB E_k^T + E_q B δE_k^T
#   so with G = E_q^T dPhi E_k
#     (2)  dE_v = dM W1^T,   dE_q = dPhi E_k B^T,   dE_k = dPhi^T E_q B
#     (3)  dW1 = E_v^T dM,   dW_Q = G W_K,   dW_K = G^T W_Q
#   C does not depend on the state, so W0 gets the gradients of the uses that read it, and no other:
#     (4)  dW0 = the sum of dE over the uses that are live.
#   What (9) there says, that W_Q^T W_Q - W_K^T W_K is conserved, needs (3) only and still holds;
#   (10) there needs all three uses, and does not.


@door("flow FocusDilution, state (flow.size,)")
@dataclass(frozen=True, eq=False)
class FrozenCopy:
    """The flow f(t, y) of a FocusDilution of which some uses of the embeddings read a copy.

    flow:  the free one, whose states it has.
    state: (n,), that whose embeddings are the copy, beside those that move on its device.
    uses:  those that read the copy: "query", "key", "value", one or more.

    Raises InputError for a state that does not fit the flow, or uses that are not its.
    """

    flow: FocusDilution
    state: Any
    uses: Sequence[str]

    def __post_init__(self):
        object.__setattr__(self, "state", self.state.copy())
        known = isinstance(self.uses, (list, tuple)) and all(
            isinstance(use, str) and use in USES for use in self.uses
        )
        if not known or not self.uses or len(set(self.uses)) < len(self.uses):
            raise InputError(
                f"uses: expected some of {', '.join(USES)}, each once, got {shown(self.uses)}"
            )

    def start(self) -> Any:
        """The state whose embeddings are the copy, (n,)."""
        return self.state.copy()

    @property
    def copy(self):
        """C (d, D), the embeddings that do not move."""
        return self.flow.split(self.state)[0]

    @door(
        "y (..., self.flow.size) -> W0 (..., d, D), W1 (..., D, d), W_Q (..., D, D), W_K (..., D, D)"
    )
    def split(self, y):
        """Views of a state, as the free flow's."""
        return self.flow.split(y)

    def attention(self, y):
        """A (..., d, d): row i is where a sequence that ends in token i looks."""
        return self._forward(y)[2].s

    def loss(self, y: Array) -> Array:
        """The population loss in nats, (...)."""
        log_q = log_softmax(self._forward(y)[1])
        return -(self.flow.pi[:, None] * self.flow.P * log_q).sum(axis=(-2, -1))

    def _forward(self, y):
        W0, W1, W_Q, W_K = self.split(y)
        E = {use: self.copy if use in self.uses else W0 for use in USES}
        B = W_Q @ W_K.swapaxes(-1, -2)
        Phi = E["query"] @ B @ E["key"].swapaxes(-1, -2)  # (1)
        F, attend = attend_forward(Phi + namespace(y).log(self.flow.pi), E["value"] @ W1)
        return (E, W1, W_Q, W_K, B), F, attend

    @door("y (..., self.flow.size) -> dy/dt (..., self.flow.size)")
    def __call__(self, t: float, y: Array) -> Array:
        """dy/dt at y."""
        (E, W1, W_Q, W_K, B), F, attend = self._forward(y)
        xp = namespace(y)
        dF = self.flow.pi[:, None] * (xp.exp(log_softmax(F)) - self.flow.P)
        dPhi, dM = attend_backward(dF, attend)
        flipped = lambda X: X.swapaxes(-1, -2)
        dE = {
            "query": dPhi @ E["key"] @ flipped(B),  # (2)
            "key": flipped(dPhi) @ E["query"] @ B,
            "value": dM @ flipped(W1),
        }
        dW0 = xp.zeros_like(self.split(y)[0])
        for use in USES:
            if use not in self.uses:
                dW0 = dW0 + dE[use]  # (4)
        G = flipped(E["query"]) @ dPhi @ E["key"]
        grads = (dW0, flipped(E["value"]) @ dM, G @ W_K, flipped(G) @ W_Q)  # (3), (4)
        return -xp.concatenate([g.reshape(*y.shape[:-1], -1) for g in grads], axis=-1)
