"""The two models of "Incremental Learning of Sparse Attention Patterns" (arXiv 2602.19143) written a second time, one number
after the other, with no array operation of the library: figures that no rewrite of it may move.

    python tests/reference.py        writes tests/reference.json

Gradients are by the complex step: the forward, all of whose parts are analytic, at w + ih has the imaginary part h dL/dw, and
no difference is taken, so with h = 1e-30 they are good to rounding.
"""

import cmath
import json
import math
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_suffix(".json")
CASES = {
    "minimal": dict(model="minimal", vocab=5, positions=4, heads=3, first_query=1, batch=2, seed=1, lr=0.08),
    "minimal, first query 0": dict(model="minimal", vocab=4, positions=5, heads=2, first_query=0, batch=2, seed=2, lr=0.08),
    "full": dict(model="full", vocab=5, positions=4, width=6, heads=2, hidden=3, depth=1, first_query=1, batch=2, seed=3,
                 lr=0.003),
    "full, two blocks": dict(model="full", vocab=4, positions=4, width=4, heads=2, hidden=3, depth=2, first_query=1, batch=2,
                             seed=4, lr=0.003),
}  # fmt: skip
STEPS, STEP = 4, 1e-30
BETA1, BETA2, EPS, DECAY, CLIP = 0.9, 0.999, 1e-8, 0.01, 1.0


def shapes(c):
    """The shape of every parameter of a case."""
    if c["model"] == "minimal":
        D = c["vocab"] + c["positions"]
        return {"W_Q": (D, c["heads"], D), "W_V": (D, c["heads"], c["vocab"])}
    D, H, M, V = c["width"], c["heads"], c["hidden"], c["vocab"]
    found = {"W_E": (V, D), "W_P": (c["positions"], D), "W_U": (D, V), "c_U": (V,)}
    for i in range(1, c["depth"] + 1):
        block = {
            "W_Q": (D, H, D // H),
            "W_K": (D, H, D // H),
            "W_V": (D, H, D // H),
            "W_O": (H, D // H, D),
        }
        block |= {
            "g_1": (D,),
            "b_1": (D,),
            "W_1": (D, M),
            "c_1": (M,),
            "W_2": (M, D),
            "c_2": (D,),
            "g_2": (D,),
            "b_2": (D,),
        }
        found |= {f"{name}.{i}": shape for name, shape in block.items()}
    return found


def drawn(c):
    """Weights, N(0, 0.5^2) in the order of their names, and STEPS + 1 batches of tokens (batch, positions + 1)."""
    rng = np.random.default_rng(c["seed"])
    params = {name: 0.5 * rng.normal(size=shape) for name, shape in sorted(shapes(c).items())}
    return params, rng.integers(c["vocab"], size=(STEPS + 1, c["batch"], c["positions"] + 1))


def softmax(scores):
    """Of a list of numbers; the largest real part is taken out, which changes nothing."""
    top = max(score.real for score in scores)
    powers = [cmath.exp(score - top) for score in scores]
    return [power / sum(powers) for power in powers]


def times(x, W):
    """The row x times the matrix W."""
    return [sum(x[i] * W[i][j] for i in range(len(x))) for j in range(len(W[0]))]


def normed(x, gain, bias):
    """Layer norm of a list of numbers."""
    mean = sum(x) / len(x)
    spread = cmath.sqrt(sum((number - mean) ** 2 for number in x) / len(x) + 1e-5)
    return [gain[i] * (x[i] - mean) / spread + bias[i] for i in range(len(x))]


def minimal(c, W, tokens):
    """Logits of one sequence, a list for each query."""
    V, D = c["vocab"], c["vocab"] + c["positions"]
    x = [
        [float(k == token) for k in range(V)] + [float(k == j) for k in range(D - V)]
        for j, token in enumerate(tokens)
    ]
    found = []
    for t in range(c["first_query"], len(tokens)):
        logits = [0.0] * V
        for h in range(c["heads"]):
            q = times(x[t], W["W_Q"][:, h])
            s = softmax(
                [sum(q[k] * x[j][k] for k in range(D)) / math.sqrt(D) + 0j for j in range(t + 1)]
            )
            for j in range(t + 1):
                value = times(x[j], W["W_V"][:, h])
                logits = [logits[k] + s[j] * value[k] for k in range(V)]
        found.append(logits)
    return found


def full(c, W, tokens):
    """Logits of one sequence, a list for each query."""
    D, H = c["width"], c["heads"]
    z = [[W["W_E"][token][k] + W["W_P"][j][k] for k in range(D)] for j, token in enumerate(tokens)]
    for i in range(1, c["depth"] + 1):
        of = {name.split(".")[0]: value for name, value in W.items() if name.endswith(f".{i}")}
        first = c["first_query"] if i == c["depth"] else 0
        out = []
        for t in range(first, len(z)):
            o = [0.0] * D
            for h in range(H):
                q, size = times(z[t], of["W_Q"][:, h]), D // H
                keys = [times(z[j], of["W_K"][:, h]) for j in range(t + 1)]
                values = [times(z[j], of["W_V"][:, h]) for j in range(t + 1)]
                s = softmax(
                    [sum(q[k] * key[k] for k in range(size)) / math.sqrt(size) + 0j for key in keys]
                )
                read = [sum(s[j] * values[j][k] for j in range(t + 1)) for k in range(size)]
                o = [a + b for a, b in zip(o, times(read, of["W_O"][h]))]
            r = normed([a + b for a, b in zip(z[t], o)], of["g_1"], of["b_1"])
            u = [a + b for a, b in zip(times(r, of["W_1"]), of["c_1"])]
            u = [number if number.real > 0 else 0.0 for number in u]
            m = [a + b for a, b in zip(times(u, of["W_2"]), of["c_2"])]
            out.append(normed([a + b for a, b in zip(r, m)], of["g_2"], of["b_2"]))
        z = out
    return [[a + b for a, b in zip(times(row, W["W_U"]), W["c_U"])] for row in z]


def loss_and_logits(c, W, batch):
    """Mean cross-entropy in nats of the token after each query, and the logits [sequence][query][token]."""
    logits = [(minimal if c["model"] == "minimal" else full)(c, W, row[:-1]) for row in batch]
    terms = [-cmath.log(softmax(of_query)[row[c["first_query"] + 1 + i]])
             for row, of_row in zip(batch, logits) for i, of_query in enumerate(of_row)]  # fmt: skip
    return sum(terms) / len(terms), logits


def gradients(c, W, batch):
    """dL/dw of every weight by the complex step."""
    found = {}
    complexes = {name: value.astype(complex) for name, value in W.items()}
    for name, value in complexes.items():
        found[name] = np.zeros(value.shape)
        for place in np.ndindex(value.shape):
            value[place] += 1j * STEP
            found[name][place] = loss_and_logits(c, complexes, batch)[0].imag / STEP
            value[place] -= 1j * STEP
    return found


def trained(c, W, batches):
    """Losses along steps of AdamW, gradients clipped to a joint norm of 1."""
    losses, W = [], dict(W)
    m, u = ({name: np.zeros_like(value) for name, value in W.items()} for _ in range(2))
    for t, batch in enumerate(batches, 1):
        losses.append(loss_and_logits(c, W, batch)[0].real)
        grads = gradients(c, W, batch)
        norm = math.sqrt(sum(float(g.ravel() @ g.ravel()) for g in grads.values()))
        for name, g in grads.items():
            g = g * min(1.0, CLIP / norm)
            m[name] = BETA1 * m[name] + (1 - BETA1) * g
            u[name] = BETA2 * u[name] + (1 - BETA2) * g**2
            push = (m[name] / (1 - BETA1**t)) / (np.sqrt(u[name] / (1 - BETA2**t)) + EPS)
            W[name] = W[name] * (1 - c["lr"] * DECAY) - c["lr"] * push
    return losses


def figures(c):
    """All that is stored of a case; of a gradient its norm, its product with a drawn direction, and its first numbers."""
    W, batches = drawn(c)
    loss, logits = loss_and_logits(c, W, batches[0])
    return {"loss": loss.real, "logits": np.array(logits).real.tolist(), "gradients": summary(c, gradients(c, W, batches[0])),
            "losses": trained(c, W, batches)}  # fmt: skip


def summary(c, grads):
    """{name: [norm, product with a drawn direction, first five numbers...]}."""
    rng = np.random.default_rng(c["seed"] + 100)
    directions = {name: rng.normal(size=g.size) for name, g in sorted(grads.items())}
    return {name: [float(np.linalg.norm(g)), float(g.ravel() @ directions[name]), *g.ravel()[:5].tolist()]
            for name, g in sorted(grads.items())}  # fmt: skip


if __name__ == "__main__":
    found = {name: figures(c) for name, c in CASES.items()}
    PATH.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{PATH}: {', '.join(found)}")
