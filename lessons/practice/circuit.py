"""What judges a network whose weights were set by hand: by its accuracy, and by where it looks."""

import numpy as np

from frame import NotYet, asked, judge, where
from tinyattn.errors import shown

NAMES = ("W_Q", "W_K", "W_V", "W_O")


@judge
def check_accuracy(layers, network, model, task, least=0.99):
    """The accuracy of a network on 2000 sequences of a task, and two of its patterns.

    layers():        two dicts of W_Q, W_K, W_V, W_O, each (D, D).
    network(*dicts): the parameters of `model`, a Transformer of two layers that answers once.
    task:            recall.AssociativeRecall.
    """
    with asked(layers):
        params = network(*_two(layers, layers(), model.width))
    x = task.sample(np.random.default_rng(0), 2000)
    read, answer = x[:, :-1], x[:, -1]
    logits, cache = model.forward(params, read)
    accuracy = float((logits[:, 0].argmax(axis=-1) == answer).mean())

    first, second = (attention[:, 0] for attention in cache.attentions)
    values = np.arange(1, 2 * task.pairs, 2)
    before = float(first[:, values, values - 1].mean())
    rows = np.arange(len(x))
    behind = 2 * (read[:, 0:-1:2] == read[:, -1:]).argmax(axis=1) + 1
    right = float(second[rows, 0, behind].mean())
    print(f"layer 1, at the place of a value: {before:.3f} of its attention is on the key before")
    print(f"layer 2, at the query: {right:.3f} of its attention is on the value behind its key")
    print(f"accuracy {accuracy:.3f}; by guessing among the values {1 / task.pairs:.3f}")
    if accuracy >= least:
        return
    if before < 0.9:
        raise NotYet("layer 1 does not read the place before")
    if right < 0.9:
        said = read[rows, second[:, 0].argmax(axis=1)]
        one = int((said != answer).argmax())
        tokens = " ".join(map(str, read[one]))
        place = int(second[one, 0].argmax())
        raise NotYet(f"layer 2 looks elsewhere: in {tokens} it looks most at place {place}")
    raise NotYet("both layers look where they should: see what they write, and where W_U reads")


def _two(layers, returned, D):
    """Both dicts, or NotYet unless they are two of four matrices (D, D)."""
    wanted = f"{layers.__name__}: expected two dicts of {', '.join(NAMES)}, each ({D}, {D})"
    if returned is None or returned is ...:
        raise NotYet(f"{wanted}, got {returned!r}: write it in {where(layers)}")
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise NotYet(f"{wanted}, got {shown(returned)}")
    for i, layer in enumerate(returned, 1):
        if not isinstance(layer, dict):
            raise NotYet(f"{wanted}, got {shown(layer)} as layer {i}")
        for name in NAMES:
            shape = np.shape(layer.get(name))
            if shape != (D, D):
                came = f"shape {shape}" if name in layer else "none"
                raise NotYet(f"{wanted}, got {came} for {name} of layer {i}")
    return returned
