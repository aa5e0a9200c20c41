"""What repetition teaches in recall, and in which part of the network (our own)."""

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinyattn.backend import Params, to_numpy
from tinyattn.errors import check_choice
from tinyattn.tasks.recall import FAVOURED, AssociativeRecall

from .held_recall import HeldRecall, at_zero, of_another
from .recall import RecallTrial

CONTEXTS = ("", "any key asked", "copies left out")


class AnyKeyAsked(AssociativeRecall):
    """The contexts of a task with copies, but the query is any of the keys in them, all alike."""

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n sequences (n, 2 pairs + 2): the pairs, the query, the answer."""
        sequences = super().sample(rng, n)
        if self.repeats is None:
            return sequences
        keys, values = keys_of(sequences), sequences[:, 1:-2:2]
        came_before = np.tril(keys[:, :, None] == keys[:, None, :], -1).any(axis=2)
        chosen = np.where(came_before, -1.0, rng.random(keys.shape)).argmax(axis=1)
        row = np.arange(n)
        sequences[:, -2] = keys[row, chosen]
        sequences[:, -1] = values[row, chosen]
        return sequences


def keys_of(sequences: np.ndarray) -> np.ndarray:
    """The keys of sequences (n, 2 pairs + 2): (n, pairs)."""
    return sequences[:, 0:-2:2]


def copies_of(sequences: np.ndarray) -> np.ndarray:
    """How often the query stands among the keys: (n,)."""
    return (keys_of(sequences) == sequences[:, -2:-1]).sum(axis=1)


def another_asked(sequences: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of sequences (n, 2 pairs + 2) those with the query's pair twice or more, and another key.

    That key is then the query. Their last column is still the value of the pair that is copied.
    """
    keys, query = keys_of(sequences), sequences[:, -2:-1]
    other = np.where(keys == query, -1.0, rng.random(keys.shape)).argmax(axis=1)
    changed = sequences.copy()
    changed[:, -2] = keys[np.arange(len(keys)), other]
    return changed[(copies_of(sequences) > 1) & (changed[:, -2] != sequences[:, -2])]


@dataclass(frozen=True)
class RepeatedRecall(HeldRecall):
    """Recall with repetition, and what is known of what is repeated.

    contexts: "any key asked": the query is any of the keys in the context, see `AnyKeyAsked`;
              "copies left out": of each batch only the sequences in which the query stands once.
    until:    the step at which repetition ends, and what is held is let go; None: never.
    """

    contexts: str = ""

    def __post_init__(self):
        check_choice("contexts", self.contexts, CONTEXTS)
        super().__post_init__()

    @functools.cached_property
    def task(self) -> AssociativeRecall:
        """The task, with its repetitions."""
        kind = AnyKeyAsked if self.contexts == "any key asked" else AssociativeRecall
        return kind(self.pairs, self.vocab, self.repeats, self.p)

    def drawn(self, step, losses, rng):
        """The sequences of one batch."""
        if self.until is not None and step >= self.until:
            return self.task.clean.sample(rng, self.batch)
        sequences = super().drawn(step, losses, rng)
        if self.contexts != "copies left out":
            return sequences
        lone = copies_of(sequences) == 1
        return sequences[lone] if lone.any() else sequences

    def trained(self, loss, params, batches, optimizer, evaluate, **how):
        """As of any HeldRecall; each evaluation also says

        favoured_accuracy  on clean sequences that ask for a favoured token
        others_accuracy    on those that do not
        copied_accuracy    where the query's pair stands at least twice, if there are copies
        copied_anyway      there, with another key as the query: how often it says what it said of
                           the pair that is copied
        """
        probe = RepetitionProbe(self)

        def look(step, params):
            return {**evaluate(step, params), **probe.known(params)}

        return super().trained(loss, params, batches, optimizer, look, **how)


class RepetitionProbe:
    """What a network of a RecallTrial knows of favoured tokens and of pairs that are copied."""

    def __init__(self, trial: RecallTrial):
        self.trial, self.device = trial, trial.backend()
        self.rng = rng = np.random.default_rng([trial.seed, 1])
        clean = trial.task.clean
        many = max(1, trial.judged // 2)
        asked_all = clean.sample(rng, 2 * many)
        self.sets = {
            "favoured": replace(clean, p=1.0).sample(rng, many),
            "others": asked_all[asked_all[:, -2] >= FAVOURED][:many],
        }
        if trial.repeats is not None:
            with_copies = AssociativeRecall(trial.pairs, trial.vocab, trial.repeats)
            own = with_copies.sample(rng, many)
            self.sets["copied"] = own[copies_of(own) > 1]
            self.sets["anyway"] = another_asked(own, rng)

    def accuracy(self, params: Params) -> dict[str, float]:
        """The share of each set of sequences of which the network says the last column."""
        found = {}
        for name, sequences in self.sets.items():
            x, _ = self.trial.read(sequences, self.device)
            logits, _ = self.trial.network.forward(params, x)
            said = to_numpy(logits)[:, 0].argmax(axis=-1)
            found[name] = float((said == sequences[:, -1]).mean())
        return found

    def known(self, params: Params) -> dict[str, float]:
        """The same, named as RepeatedRecall records it."""
        found = self.accuracy(params)
        names = {"copied": "copied_accuracy", "anyway": "copied_anyway"}
        return {names.get(name, f"{name}_accuracy"): share for name, share in found.items()}


def knocked_out(settings: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Train, then set parts to 0, and nothing learns: for `sweep.sweep`.

    settings: of a RepeatedRecall, and under "parts" a dict from a name to the parameters set to 0.

    Returns {name: {set of sequences: accuracy}}, the sets those of RepetitionProbe.
    """
    settings = dict(settings)
    parts = settings.pop("parts")
    trial = RepeatedRecall.of(settings)
    trial.run()
    probe = RepetitionProbe(trial)
    end = trial.ends[-1]
    return {name: probe.accuracy(at_zero(end, names)) for name, names in parts.items()}


def grafted(settings: dict[str, Any]) -> dict[str, Any]:
    """Train without and with repetition; put parts of one network into the other, and train on.

    settings: of a RepeatedRecall with repetition, and "first", the steps until then, and "parts", a
              dict from a name to parameters. Both networks have one start. All that follows is
              without repetition, on other sequences, the same for all, with a fresh optimizer.

    plain, repeated: steps from there to the snap, None if it did not come.
    into_plain:      the same, by part, of the plain network with this part of the repeated one.
    into_repeated:   of the repeated network with this part of the plain one.
    """
    settings = dict(settings)
    first, parts = settings.pop("first"), settings.pop("parts")
    plain, repeated = (
        RepeatedRecall.of({**how, "steps": first}) for how in (without(settings), settings)
    )
    plain.run()
    repeated.run()
    plain, repeated = plain.ends[-1], repeated.ends[-1]

    def into(params, donor):
        put = {name: of_another(params, donor, names) for name, names in parts.items()}
        return {name: snap(settings, mixed) for name, mixed in put.items()}

    return {
        "plain": snap(settings, plain),
        "repeated": snap(settings, repeated),
        "into_plain": into(plain, repeated),
        "into_repeated": into(repeated, plain),
    }


def put_back(settings: dict[str, Any]) -> dict[str, Any]:
    """Train with repetition; then put parts back to where they started, and train on.

    settings: as of `grafted`. All that follows is as there.

    fresh: steps to the snap from the start, as it was.
    parts: by part, from the network with repetition, in which this part is as at the start.
    """
    settings = dict(settings)
    first, parts = settings.pop("first"), settings.pop("parts")
    trial = RepeatedRecall.of({**settings, "steps": first})
    trial.run()
    start, end = trial.ends
    back = {name: of_another(end, start, names) for name, names in parts.items()}
    return {
        "fresh": snap(settings, start),
        "parts": {name: snap(settings, mixed) for name, mixed in back.items()},
    }


def without(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without their repetition."""
    return {key: value for key, value in settings.items() if key not in ("p", "repeats")}


def snap(settings: dict[str, Any], start: Params) -> int | None:
    """Steps from these parameters to the snap, on clean sequences that were not seen before."""
    other = {"seed": 1000 + settings.get("seed", 0)}
    return RepeatedRecall(**without(settings) | other, start=start).run()["emerged"]
