"""What two papers draw of their flows, in numbers and a picture, in seconds: python -m tinyattn.trials.pieces emergence

`emergence`: arXiv 2505.17863, Figs. 6 to 10. `dilution`: arXiv 2605.01199, Props. 3.6 to 3.8 and Thm. 3.9. The command
writes figure.png and results.json into --out.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, measure, models, ode
from ..errors import CommandLine, InputError, check_count, check_number, host_floats
from ..flows.emergence import ThreeNumbers, TwoNumbers
from ..flows.focus_dilution import FocusDilution
from ..kept import check_writable, plain, write_whole
from ..tasks import regression

PRECISE: dict[str, Any] = dict(method="rk45", rtol=1e-9, atol=1e-12)


def emergence(T: int = 512, d: int = 64, p: float = 0.3, seeds: int = 5) -> dict[str, Any]:
    """The flow of two numbers in its landscape, its curvature, drawn starts, and the repeated direction.

    T, d:  tokens of size d. p: cross-sample repetition, for the last piece. seeds: drawn starts.

    Returns a dict of T, d and

    time, w, Delta, loss, attention (n,)   the path of `TwoNumbers`; loss is half a squared error
    equilibrium (n,)      w_inf at the attention of the moment
    curvature (n, 2)      least and largest eigenvalue of the Hessian of the loss
    snap, sharpest        times of a loss of 0.1 and of the largest eigenvalue
    settled               from when on w is within 1% of its equilibrium
    drawn_step (m,), drawn_loss (seeds, m)  descent with rate 1 on the exact loss of `ToyLayer` with T = 64, d = 16, from W with
                          entries N(0, 1/d) instead of 0
    repeated, rest (k,)   v/v_end and w/w_end of `ThreeNumbers` at repeated_time (k,)
    halves                times at which they reach one half
    """
    flow = TwoNumbers(check_count("T", T, 2), check_count("d", d))
    check_count("seeds", seeds)
    ends = ode.event(lambda t, y: flow.loss(y) - 0.1, terminal=True)
    snap = float(ode.integrate(flow, (0, 100 * flow.snap_time), flow.start(), t_eval=[], events=ends, **PRECISE).first_times[0])
    times = np.linspace(0, 1.25 * snap, 2501)
    path = ode.integrate(flow, (0, times[-1]), flow.start(), t_eval=times, **PRECISE)
    w, Delta = flow.split(path.y)
    A = flow.attention(path.y)
    curvature = np.linalg.eigvalsh(flow.hessian(path.y))
    equilibrium = flow.equilibrium(A)
    far = np.abs(w / equilibrium - 1) > 0.01

    layer, small = models.ToyLayer(64, 16), []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        task = regression.draw_task(rng, layer.length, layer.width)
        params = {**layer.init(), "W": rng.normal(size=(layer.width, layer.width)) / layer.width**0.5}
        losses = []
        for _ in range(800):
            loss, grads = task.population(layer, params)
            losses.append(float(loss))
            params = {name: params[name] - grads[name] for name in params}
        small.append(losses)

    three = ThreeNumbers(T, d, check_number("p", p, least=0, below=1))
    rest, repeated, _ = three.split(ode.integrate(three, (0, times[-1]), three.start(), t_eval=times, **PRECISE).y)
    rest, repeated = rest / rest[-1], repeated / repeated[-1]
    return {
        **dict(T=T, d=d, time=times, w=w, Delta=Delta, loss=flow.loss(path.y), attention=A),
        **dict(equilibrium=equilibrium, curvature=curvature, snap=snap),
        "sharpest": float(times[curvature[:, 1].argmax()]),
        "settled": float(times[len(far) - far[::-1].argmax()]) if not far[-1] else float("nan"),
        "drawn_step": np.arange(800),
        "drawn_loss": np.array(small),
        **dict(repeated_time=times, repeated=repeated, rest=rest),
        "halves": [float(times[(x > 0.5).argmax()]) for x in (repeated, rest)],
    }


# Redistribution: how attention, growing, moves the embeddings
#
#   On the condensed point W0 = n pi u^T, W1 = u c^T / (n |pi|^2) and W_Q = W_K = 0. Let the
#   attention block be small, b = u^T W_Q W_K^T u. Write W0 = g u^T, and look at
#     (1)  x = (1 - pi_0) g_0 - sum over the others of pi_0 g_k
#   (with equal rare tokens (d-1) pi_0 g_low), which is 0 on the ray g = n pi. To first order
#   in b the scores are Phi = n^2 b pi pi^T, and every change that they make to the gradient
#   of W0 and W1, (7) of the flow, is b times a constant: in dM through the attention, and in
#   dPhi W0 B^T + dPhi^T W0 B through B = W_Q W_K^T itself. The embeddings answer linearly,
#   none of their own rates at the saddle being positive, so their motion is driven and
#     (2)  x(t) = x_0 + const b(t),   b(t) = b(0) e^(2 r t)
#   as W_Q and W_K grow at the rate r of (13) each: x runs off at twice the rate of focus.
#
# Renewal
#
#   Where rare tokens are alike, rows of W0 and columns of W1 that are equal stay equal: such
#   states are a manifold which the flow does not leave. With rare frequencies q (1 + delta),
#   q, q (1 - delta) they are not quite alike; the Jacobian J then has a leading mode across
#   the manifold, and one along it, the largest rate of S^T J S with S an orthonormal basis.
#   Exchanging the tokens with + and - turns delta into -delta and maps the manifold onto
#   itself, so rates along it are even in delta and begin with delta^2; across it the
#   exchange may change the mode's sign, and delta itself may come.


def dilution(deltas=(0.1, 0.05, 0.025, 0.0125), rho: float = 0.5, width: int = 16, eps: float = 1e-3) -> dict[str, Any]:
    """Redistribution and renewal for pi = (0.75, and three rare tokens of 0.25/3), and a chain with the same pi.

    deltas: asymmetries of the rare tokens, (k,). rho, width, eps: of the flow and its start.

    Returns a dict of

    time, moved (n,)          x of (1), from the condensed point with W_Q, W_K of size eps / 100
    line                      (rate, R^2) of log x where 1e-6 < x < 1e-3
    foretold                  2 r
    delta, across, along (k,) rates of the leading modes across and along the symmetric manifold at t = 200
    slopes                    powers of delta, of both
    circulating               {"without", "with"}: times of condensation and focus of (0.75, 0.19, 0.05, 0.01), and r
    """
    common, rare = 0.75, 0.25 / 3
    flow = FocusDilution(np.array([common, rare, rare, rare]), rho, width)
    start, rng = flow.condensed_point(), np.random.default_rng(0)
    attention = slice(2 * flow.vocab * width, None)
    start[attention] = check_number("eps", eps, above=0) / 100 * rng.normal(size=2 * width * width)
    times = np.linspace(0, 130, 521)
    path = ode.integrate(flow, (0, times[-1]), start, t_eval=times, **PRECISE)
    g = flow.split(path.y)[0][:, :, 0]  # along the condensed point's u, the first axis
    moved = (1 - common) * g[:, 0] - common * g[:, 1:].sum(axis=1)  # (1)
    straight = (np.abs(moved) > 1e-6) & (np.abs(moved) < 1e-3)
    fit = np.polyfit(times[straight], np.log(np.abs(moved[straight])), 1)
    rest = np.log(np.abs(moved[straight])) - np.polyval(fit, times[straight])

    S = symmetric(flow)
    deltas, across, along = host_floats("deltas", deltas, (None,), finite=True), [], []
    for delta in deltas:
        uneven = FocusDilution(np.array([common, rare * (1 + delta), rare, rare * (1 - delta)]), rho, width)
        y0 = S @ (S.T @ uneven.start(np.random.default_rng(0), eps))
        y = ode.integrate(uneven, (0, 200), y0, t_eval=[200.0], **PRECISE).y[-1]
        J = uneven.jacobian(y)
        across.append(float(np.linalg.eigvalsh(J)[-1]))
        along.append(float(np.linalg.eigvalsh(S.T @ J @ S)[-1]))
    slopes = [measure.fit_power_law(rates, delta=deltas).exponents["delta"] for rates in (across, along)]

    pi = np.array([0.75, 0.19, 0.05, 0.01])
    circulation = 0.015 * np.outer(np.array([1.0, -1, 0, 0]) / pi, [0.0, 1, -1, 0])  # more from 0 to 1 and from 1 to 2
    found = {}
    for name, extra in (("without", None), ("with", circulation)):
        chain = FocusDilution(pi, rho, width, extra)
        stages = chain.stages(chain.start(np.random.default_rng(0), eps), 100, **PRECISE)
        found[name] = {"condensed": stages.condensed_t, "focus": stages.focus_t, "rate": chain.focus_rate}
    return {
        **dict(time=times, moved=moved, foretold=2 * flow.focus_rate),
        "line": (float(fit[0]), 1 - float(rest.var() / np.log(np.abs(moved[straight])).var())),
        **dict(delta=deltas, across=np.array(across), along=np.array(along), slopes=slopes, circulating=found),
    }


def symmetric(flow: FocusDilution) -> np.ndarray:
    """An orthonormal basis (n, k), as columns, of the states in which all tokens but the first are alike."""
    d, D = flow.vocab, flow.width
    kinds = np.stack([np.eye(d)[0], (1 - np.eye(d)[0]) / (d - 1) ** 0.5], axis=1)  # (d, 2)
    S = np.zeros((2 * d * D + 2 * D * D, 4 * D + 2 * D * D))
    S[: d * D, : 2 * D] = np.kron(kinds, np.eye(D))
    S[d * D : 2 * d * D, 2 * D : 4 * D] = np.kron(np.eye(D), kinds)
    S[2 * d * D :, 4 * D :] = np.eye(2 * D * D)
    return S


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for bad input."""
    how = argparse.RawDescriptionHelpFormatter
    parser = CommandLine(prog="python -m tinyattn.trials.pieces", description=__doc__, formatter_class=how)
    commands = parser.add_subparsers(dest="piece", required=True, metavar="emergence|dilution")
    for name, piece in (("emergence", emergence), ("dilution", dilution)):
        command = commands.add_parser(name, description=piece.__doc__, formatter_class=how)
        command.add_argument("--out", type=Path, default=Path("out") / name, help="folder for results.json and the picture")
        if name == "emergence":
            command.add_argument("--tokens", type=int, default=512, help="T, 512 by default")
            command.add_argument("--width", type=int, default=64, help="d, 64 by default")
    options = parser.parse_args(arguments)
    try:
        check_writable("--out", options.out)
        found = dilution() if options.piece == "dilution" else emergence(options.tokens, options.width)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    text = json.dumps(plain("results", {"piece": options.piece, "tinyattn": __version__, **found})) + "\n"
    write_whole(options.out / "results.json", lambda file: file.write(text.encode()))
    for name, value in found.items():
        if not isinstance(value, np.ndarray):
            print(f"{name}: {value}")
    import matplotlib

    matplotlib.use("Agg")
    from .. import plot
    from . import pieces_figures

    plot.use()
    getattr(pieces_figures, options.piece)(found).savefig(options.out / "figure.png")
    print(f"figure: {options.out / 'figure.png'}\nresults: {options.out / 'results.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
