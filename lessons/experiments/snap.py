"""What surrounds the snap of arXiv 2505.17863: its Figs. 6, 8, 9 and 10 in one run.

The landscape of the loss with the path on it; the weight against its equilibrium; the extreme
eigenvalues of the Hessian; the toy layer from drawn weights; which direction is learnt first when
one is repeated across samples. The flows and the Hessian are in `flows.emergence`.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyattn import ode
from tinyattn.errors import check_count, check_number, keep_counts
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.flows.population import population, stochastic
from tinyattn.flows.repetition import ThreeNumbers
from tinyattn.measure import plateau_length
from tinyattn.models import ToyLayer
from tinyattn.tasks.regression import draw_task

from .experiment import Experiment

TIGHT: dict[str, Any] = dict(method="rk45", rtol=1e-9, atol=1e-12)

# A start that is drawn
#
#   With one relevant position and no repetition the loss of the toy layer depends on W through
#     (1)  w = <W*, W> / N,  N = |W*|,    and    z, the size of W's part orthogonal to W*
#          L = [ (A w - N)^2 + A^2 z^2 + (1-A)^2 (w^2 + z^2) / (T-1) ] / 2d
#   alone. The gradient of W is a number times W less a number times W*, so the orthogonal part
#   keeps its direction, and three numbers are exact, each position with a logit of its own:
#     (2)  dw/dt = -[ A (A w - N) + (1-A)^2 w / (T-1) ] / d
#     (3)  dz/dt = -[ A^2 + (1-A)^2 / (T-1) ] z / d
#     (4)  dDelta/dt = T/(T-1) A (1-A) [ w (N - A w) - A z^2 + (1-A) (w^2 + z^2) / (T-1) ] / d
#   From entries N(0, 1/d) w starts at w0, of size 1/sqrt(d), and z near sqrt(d). On the plateau
#   A is small, z counts for nothing, and (9) of `flows.emergence` holds with rate = N/(dT):
#   dw/dt = rate exp(Delta) and dDelta/dt = w dw/dt, so
#     (5)  Delta = (w^2 - w0^2) / 2
#     (6)  rate t = integral_w0^inf exp((w0^2 - u^2)/2) du
#                   = sqrt(pi/2) exp(w0^2/2) erfc(w0/sqrt(2)) = sqrt(pi/2) - w0 + ...
#   A start that leans towards W* snaps earlier by the share sqrt(2/pi) w0, one that leans away
#   later. At the snap A z^2 in (4) holds attention back until z has decayed, for a time of order
#   d: short where T is large.


def _numbers_of_a_drawn_start(T, d, N):
    """The field (2) to (4) of (w, z, Delta), and its loss (1)."""

    def attention(y):
        return 1 / ((T - 1) * math.exp(-y[2]) + 1)

    def field(t, y):
        w, z, A = float(y[0]), float(y[1]), attention(y)
        noise = (1 - A) / (T - 1)
        dw = -(A * (A * w - N) + (1 - A) * noise * w) / d  # (2)
        dz = -(A * A + (1 - A) * noise) * z / d  # (3)
        pull = w * (N - A * w) - A * z * z + noise * (w * w + z * z)
        return np.array([dw, dz, T / (T - 1) * A * (1 - A) * pull / d])  # (4)

    def loss(y):
        w, z, A = float(y[0]), float(y[1]), attention(y)
        noise = (1 - A) ** 2 * (w * w + z * z) / (T - 1)
        return ((A * w - N) ** 2 + A * A * z * z + noise) / (2 * d)  # (1)

    return field, loss


def _above(loss, level, t, y):
    return loss(y) - level


@dataclass(frozen=True)
class Snap(Experiment):
    """One relevant position among T tokens of size d, and what is measured around its snap.

    p:         share of samples whose relevant token is one fixed vector, for the last part.
    seeds:     drawn starts, from `seed` on.
    lr, batch: of gradient descent on the population and of SGD, from each of them.
    """

    T: int = 512
    d: int = 64
    p: float = 0.3
    seeds: int = 4
    seed: int = 0
    lr: float = 2.0
    batch: int = 32

    def __post_init__(self):
        keep_counts(self, "seeds", "batch")
        check_count("T", self.T, 64, 4096)
        check_count("d", self.d, 8, min(self.T, 512))
        check_count("seed", self.seed, 0)
        check_number("p", self.p, above=0, below=1)
        # The sharpest curvature is about 2.7/d.
        check_number("lr", self.lr, minimum=0.1, maximum=self.d)

    def run(self) -> dict[str, Any]:
        """Everything: {"numbers": headline figures, and a dict of curves by part}.

        Times are learning rate times steps.
        """
        found = {"path": self.path(), "drawn": self.drawn(), "repeated": self.repeated()}
        numbers: dict[str, Any] = {}
        for part in found.values():
            numbers |= part.pop("numbers")
        return {"numbers": numbers, **found}

    def figure(self, found: dict[str, Any]) -> Any:
        """Landscape, equilibrium, curvature, drawn starts, what is learnt first."""
        from . import flow_figures

        return flow_figures.snap(self, found)

    def path(self) -> dict[str, Any]:
        """Figs. 6 and 8: the path of two numbers from 0, its equilibrium and its Hessian.

        time, w, delta, loss, equilibrium (n,); eigenvalues (n, 2), the smaller first; numbers: when
        the loss is half of its start, when the larger eigenvalue peaks, and how high, when the
        smaller is lowest, how near w is to its equilibrium then and later.
        """
        flow = TwoNumbers(self.T, self.d)
        half = ode.event(lambda t, y: flow.loss(y) - 0.25)
        # Small tokens snap late in units of the closed form.
        end = 2.5 * flow.snap_time + 20 * self.d
        walk = ode.integrate(flow, (0, end), flow.start(), t_eval=[], events=half, **TIGHT)
        snap = walk.first_times[0]
        # The snap takes a few times d.
        near = snap + np.linspace(-1, 1, 4001) * min(10 * self.d, snap / 2)
        times = np.unique(np.concatenate([np.linspace(0, 2 * snap, 1001), near]))
        y = ode.integrate(flow, (0, times[-1]), flow.start(), t_eval=times, **TIGHT).y
        eigenvalues = np.linalg.eigvalsh(flow.hessian(y))
        top, bottom = eigenvalues[:, 1].argmax(), eigenvalues[:, 0].argmin()
        equilibrium = flow.equilibrium(flow.attention(y))
        reached = y[:, 0] / equilibrium
        settled = times[np.flatnonzero(np.abs(reached - 1) > 0.01)[-1]]
        numbers = {
            "half_loss_t": snap,
            "sharpest_t": times[top],
            "sharpest_over_half_loss": times[top] / snap,
            "largest_eigenvalue": eigenvalues[top, 1],
            "largest_eigenvalue_at_start": eigenvalues[0, 1],
            "largest_eigenvalue_at_end": eigenvalues[-1, 1],
            "lowest_t": times[bottom],
            "least_eigenvalue": eigenvalues[bottom, 0],
            "least_eigenvalue_at_start": eigenvalues[0, 0],
            "w_over_equilibrium_at_half_loss": reached[np.searchsorted(times, snap)],
            "equilibrium_within_1_percent_t": settled,
        }
        return {
            "numbers": numbers,
            "time": times,
            "w": y[:, 0],
            "delta": y[:, 1],
            "loss": flow.loss(y),
            "equilibrium": equilibrium,
            "eigenvalues": eigenvalues,
        }

    def drawn(self) -> dict[str, Any]:
        """Fig. 9: the toy layer, W and W* with entries N(0, 1/d).

        Lists over the seeds: lean, w0; descent and sgd, the population loss, every 8 steps of
        descent on the population and of SGD; snap_t, sgd_snap_t, when it is half of its start, NaN
        if not by the end; predicted_t, by the flow of three numbers (2) to (4), and closed_t, by
        (6).
        """
        flow = TwoNumbers(self.T, self.d)
        names = ("lean", "snap_t", "sgd_snap_t", "predicted_t", "closed_t")
        found: dict[str, Any] = {name: [] for name in ("descent", "sgd", *names)}
        draws = []
        for seed in range(self.seed, self.seed + self.seeds):
            rng = np.random.default_rng(seed)
            task = draw_task(rng, self.T, self.d, matrix="gaussian")
            W = rng.normal(size=(self.d, self.d)) / math.sqrt(self.d)
            draws.append((task, W, rng))
            size = np.linalg.norm(task.W_star)
            lean = float((W * task.W_star).sum() / size)
            across = math.sqrt((W * W).sum() - lean**2)
            field, loss = _numbers_of_a_drawn_start(self.T, self.d, size)
            start = np.array([lean, across, 0.0])
            half = ode.event(functools.partial(_above, loss, loss(start) / 2), terminal=True)
            end = 1e3 * flow.snap_time
            walk = ode.integrate(field, (0, end), start, t_eval=[], events=half, **TIGHT)
            mills = math.exp(lean**2 / 2) * math.erfc(lean / math.sqrt(2))
            found["lean"].append(lean)
            found["predicted_t"].append(float(walk.first_times[0]))
            found["closed_t"].append(flow.snap_time * mills * math.sqrt(self.d) / size)  # (6)
        steps = math.ceil((1.2 * max(found["predicted_t"]) + 10 * self.d) / self.lr)
        for task, W, rng in draws:
            for name, snap, source in (("descent", "snap_t", None), ("sgd", "sgd_snap_t", rng)):
                curve = self._descend(task, W, steps, source)
                times = 8.0 * self.lr * np.arange(len(curve))
                found[name].append(curve)
                found[snap].append(float(plateau_length(times, curve, curve[0] / 2)))
        found["time"] = 8.0 * self.lr * np.arange(len(found["descent"][0]))
        off = []
        for name in ("snap_t", "sgd_snap_t"):
            off += [abs(t / ours - 1) for t, ours in zip(found[name], found["predicted_t"])]
        numbers = {f"drawn_{name}": found[name] for name in names}
        numbers["drawn_worst_miss"] = max(off)
        return {"numbers": numbers, **found}

    def _descend(self, task, W, steps, rng):
        """The population loss every 8 steps of descent on the population, or, with rng, of SGD."""
        layer, losses = ToyLayer(self.T, self.d), []
        a = np.zeros(self.T)
        for step in range(steps):
            if rng is None or step % 8 == 0:
                loss, grads = population(task, layer, {"a": a, "W": W})
                da, dW = grads["a"], grads["W"]
            if step % 8 == 0:
                losses.append(loss)
            if rng is not None:
                da, dW = (part[0] for part in stochastic(task, rng, a[None], W[None], self.batch))
            a, W = a - self.lr * da, W - self.lr * dW
        return np.array(losses, float)

    def repeated(self) -> dict[str, Any]:
        """Fig. 10: three numbers with repetition p, the repeated direction v and the rest w.

        time, w and v, each over its end, attention, loss, test_loss (n,); numbers: when w, v, the
        training loss, and what the layer writes, attention times w or v, are first half way. The
        ends are those of full attention, v = 1 and w = sqrt(d-1); v passes its own, as attention is
        still low.
        """
        flow = ThreeNumbers(self.T, self.d, self.p)
        w_end, v_end = math.sqrt(self.d - 1), 1.0
        start = float(flow.loss(flow.start()))
        halves = {
            "w_half_t": lambda t, y: y[0] - w_end / 2,
            "v_half_t": lambda t, y: y[1] - v_end / 2,
            "repeated_half_loss_t": lambda t, y: flow.loss(y) - start / 2,
            "w_written_half_t": lambda t, y: flow.attention(y) * y[0] - w_end / 2,
            "v_written_half_t": lambda t, y: flow.attention(y) * y[1] - v_end / 2,
        }
        events = [ode.event(half) for half in halves.values()]
        times = np.linspace(0, 3 * flow.snap_time + 20 * self.d / (1 - self.p), 2001)
        span = (0, times[-1])
        path = ode.integrate(flow, span, flow.start(), t_eval=times, events=events, **TIGHT)
        w, v, _ = flow.split(path.y)
        return {
            "numbers": dict(zip(halves, map(float, path.first_times))),
            "time": times,
            "w": w / w_end,
            "v": v,
            "attention": flow.attention(path.y),
            "loss": flow.loss(path.y),
            "test_loss": flow.test_loss(path.y),
        }
