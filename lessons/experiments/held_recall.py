"""Recall with a part held still, given, knocked out or put back (our own): which part does what."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinyattn.backend import Params, put_like
from tinyattn.errors import check_choice, check_count
from tinyattn.hold import hold_params
from tinyattn.models import Transformer
from tinyattn.optim import Optimizer, State

from .lost_head import silence
from .recall import RecallTrial

LOOKS = ["", "before", "key", "start"]


@dataclass(frozen=True)
class HeldRecall(RecallTrial):
    """Recall with parameters held as they start, some that start at 0, or looks that are given.

    still: parameters that are held.
    until: the step at which what is held is let go; None: never.
    zero:  parameters that are 0 at the start.
    looks: where layer 1 of two layers looks. "": as it learns; "before": each place at the place
           before it; "key": values at their key, all else at itself; "start": as at the start of
           the run, whatever becomes of the embeddings.
    anew:  the step before which the optimizer starts anew, all else going on; None: never.
    silent: heads that write nothing, (layer from 1, head from 0) each: their W_O stays 0.
    start: the parameters to start from, on the host; None: drawn.
    ends:  the parameters at the first and at the last evaluation, filled by a run.
    """

    still: tuple[str, ...] = ()
    until: int | None = None
    zero: tuple[str, ...] = ()
    looks: str = ""
    anew: int | None = None
    silent: tuple[tuple[int, int], ...] = ()
    start: Params | None = None
    ends: list[Params] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self):
        check_choice("looks", self.looks, LOOKS)
        for name in ("until", "anew"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        super().__post_init__()

    @functools.cached_property
    def network(self) -> Any:
        """The model that is trained."""
        free = super().network
        if not self.looks:
            return free
        T = self.task.length
        if self.looks == "start":
            for_init = np.random.default_rng(self.seed).spawn(3)[0]
            start = {key: p.astype("float32") for key, p in free.init(for_init).items()}
            return GivenLooks(free, lambda x: first_layer(free, start, x)[1])
        itself, before = np.eye(T), np.eye(T, k=-1)
        before[0, 0] = 1  # the first place has none before it
        is_value = (np.arange(T) % 2 == 1)[:, None]
        given = before if self.looks == "before" else np.where(is_value, before, itself)
        return GivenLooks(free, lambda x: given[None, None].astype("float32"))

    def make_optimizer(self):
        """The optimizer of these settings."""
        optimizer = super().make_optimizer()
        return optimizer if self.anew is None else StartedAnew(optimizer, self.anew)

    def trained(self, loss, params, batches, optimizer, evaluate, **how):
        """As of any trial, with what is held; evaluations also keep the parameters."""
        if self.start is not None:
            params = put_like(self.start, params["W_E"])
        params = at_zero(params, self.zero)
        let_go = self.until is not None
        if self.still:
            until = self.until if let_go else float("inf")
            loss, optimizer = hold_params(
                loss, optimizer, dict.fromkeys(self.still, True), 0, until
            )
        if self.silent:
            heads = [(f"W_O.{layer}", 0, head) for layer, head in self.silent]
            loss, optimizer, params = silence(loss, optimizer, params, heads)

        def batch_of(step, history):
            batch = batches(step, history)
            return (step, batch) if self.still and let_go else batch

        def look(step, params):
            self.ends[:] = [*self.ends[:1], params]
            return evaluate(step, params)

        return super().trained(loss, params, batch_of, optimizer, look, **how)


@dataclass(frozen=True)
class StartedAnew:
    """An optimizer that starts anew before the step `at`, as if it had seen none."""

    optimizer: Optimizer
    at: int

    def init(self, params: Params) -> State:
        """The state before the first step."""
        return {"step": 0, "state": self.optimizer.init(params)}

    def step(
        self, params: Params, grads: Params, state: State, scale: float = 1.0
    ) -> tuple[Params, State]:
        """One step with learning rate lr * scale: new params, new state."""
        step, own = state["step"], state["state"]
        if step == self.at:
            own = self.optimizer.init(params)
        new, own = self.optimizer.step(params, grads, own, scale)
        return new, {"step": step + 1, "state": own}


def at_zero(params: Params, names: Sequence[str]) -> Params:
    """The parameters with those of these names at 0: knocked out."""
    return params | {key: 0 * params[key] for key in names}


def of_another(params: Params, donor: Params, names: Sequence[str]) -> Params:
    """The parameters with those of these names from another network: put back, or grafted."""
    return params | {key: donor[key] for key in names}


@dataclass(frozen=True)
class GivenLooks:
    """A Transformer of two layers whose first one looks where it is told.

    With W_Q.1 and W_K.1 at 0 each of n places that are seen gets 1/n. Dropout multiplies attention
    by a mask; here the mask is n times the attention that is wanted. So W_Q.1 and W_K.1 get
    gradients of 0.

    looks: a function from ids (B, S) to attention (B, 1, S, S), or (1, 1, S, S), one for all.
    """

    free: Transformer
    looks: Callable[[Any], Any]

    @functools.cached_property
    def masked(self) -> Transformer:
        """The same with dropout of everything."""
        return replace(self.free, dropped="all")

    @property
    def shapes(self) -> dict[str, tuple]:
        """The shape of every parameter."""
        return self.free.shapes

    def init(self, rng: np.random.Generator) -> Params:
        """The parameters at the start, as of the free network."""
        return self.free.init(rng)

    def forward(self, params: Params, x: Any) -> tuple[Any, Any]:
        """As of the free network, with the first attention replaced."""
        B, S = x.shape
        seen = np.arange(1, S + 1, dtype="float32")[:, None]
        mask = np.broadcast_to(seen * self.looks(x), (B, 1, S, S))
        even = params | {key: 0 * params[key] for key in ("W_Q.1", "W_K.1")}
        return self.masked.forward(even, x, None, mask.astype(params["W_E"].dtype))

    def backward(self, dlogits: Any, cache: Any) -> Params:
        """The gradients of all parameters."""
        return self.masked.backward(dlogits, cache)


def first_layer(network: Transformer, params: Params, x: Any) -> tuple[Any, Any]:
    """What the first layer makes of ids x (B, S), rows (B, S, D), and its attention."""
    e = params["W_E"][x] + params["W_P"][: x.shape[1]]
    block = network.blocks[0]
    rows, cache = block.forward({key: params[f"{key}.1"] for key in block.shapes}, e)
    return rows, cache.attention


def taken_apart(settings: dict[str, Any]) -> dict[str, Any]:
    """Train the free network; knock parts out, train on, put parts back: for `sweep.sweep`.

    settings: of a RecallTrial, and under "knocked_out" and "put_back" a dict from a name to the
              parameters that are set to 0, or go back to where they started; and "longer", how many
              steps a copy is trained on. Every run has the batches of its seed, from the first one.

    free, longer: results of runs; knocked_out: accuracies by name; put_back: results by name;
    attention: see `attention_on`.
    """
    settings = dict(settings)
    knocked_out, put_back = settings.pop("knocked_out"), settings.pop("put_back")
    longer, pair = settings.pop("longer"), settings.pop("pair")
    free = HeldRecall.of(settings)
    found = free.run()
    start, end = free.ends[0], free.ends[-1]

    def again(of, **how):
        return HeldRecall(**settings | how, start=of).run()

    accuracy = lambda of: again(of, steps=1)["clean_accuracy"][0]
    back = {name: of_another(end, start, names) for name, names in put_back.items()}
    return {
        "free": found,
        "longer": again(end, steps=longer, stop=1.1),
        "attention": attention_on(free, end, pair),
        "knocked_out": {name: accuracy(at_zero(end, names)) for name, names in knocked_out.items()},
        "put_back": {name: again(params) for name, params in back.items()},
    }


def summed(settings: dict[str, Any]) -> dict[str, Any]:
    """Train where layer 1 looks evenly, and ask what layer 2 matches: for `sweep.sweep`.

    What layer 1 writes beside a token is then the mean of all tokens up to there.

    settings: of a RecallTrial, and "pair", a number from 0: queries are those that ask for it.

    run:       the results of the run.
    gain:      by how much a value's score is higher for such a query than for one whose key stands
               later, for all values but the last.
    accuracy:  as it is; with the query's key taken out of all means behind it; with it left in that
               of its own value only; with it taken out of that one only.
    attention: see `attention_on`.
    """
    settings = dict(settings)
    pair = settings.pop("pair")
    looks = ("W_Q.1", "W_K.1")
    trial = HeldRecall.of(settings | {"still": looks, "zero": looks})
    found = trial.run()
    params, network = trial.ends[-1], trial.network
    sequences = trial.task.sample(np.random.default_rng([trial.seed, 1]), 6000)
    x, answers = sequences[:, :-1], sequences[:, -1]
    n = np.arange(len(x))
    keys = x[:, :-1:2]
    key = 2 * (keys == x[:, -1:]).argmax(axis=1)  # the place of the query's key

    rows, even = first_layer(network, params, x)
    query = rows[:, -1] @ params["W_Q.2"][:, 0]
    score = np.einsum("bd,bjd->bj", query, rows[:, 1:-1:2] @ params["W_K.2"][:, 0])
    score = score / np.sqrt(trial.width)
    once = (x[:, 1:-1:2] != x[:, -1:]).all(axis=1)  # the query is no value as well
    of_pair, gain = once & (key == 2 * pair), []
    for i in range(trial.pairs - 1):
        later = once & (key > 2 * i) & (key > 0)
        gain.append(float(score[of_pair, i].mean() - score[later, i].mean()))

    own = even[n, 0, key + 1, key]
    out = even.copy()
    for place in range(x.shape[1]):
        behind = place > key
        out[behind, 0, place, key[behind]] = 0
    only, not_own = out.copy(), even.copy()
    only[n, 0, key + 1, key] = own
    not_own[n, 0, key + 1, key] = 0

    def accuracy(looks):
        logits, _ = GivenLooks(network, lambda x: looks).forward(params, x)
        return float((logits[:, 0].argmax(axis=-1) == answers).mean())

    return {
        "run": found,
        "gain": gain,
        "accuracy": [accuracy(looks) for looks in (even, out, only, not_own)],
        "attention": attention_on(trial, params, pair),
    }


def attention_on(trial: HeldRecall, params: Params, pair: int) -> list[float]:
    """The last layer's attention on each place, in the mean over queries for this pair's value.

    pair: from 0. Left out are sequences where the query is a value as well.
    """
    x = trial.task.sample(np.random.default_rng([trial.seed, 1]), 6000)[:, :-1]
    once = (x[:, 1:-1:2] != x[:, -1:]).all(axis=1)
    x = x[once & (x[:, 2 * pair] == x[:, -1])]
    _, cache = trial.network.forward(params, x)
    return cache.attentions[-1][:, 0, 0].mean(axis=0).tolist()
