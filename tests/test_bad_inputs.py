"""A table of bad inputs, made for every public function: each is refused by name, or gives a right result.

`PYTHONPATH=lessons python tests/test_bad_inputs.py` prints the table. A call that is valid is changed in one argument at a time: another type,
shape or dtype, NaN, infinity, nothing, one. What comes of it is wrong if it is any error but an InputError or TypeError
that names the argument, a hang, a NaN nobody is told of, or a number other than the plain float64 input would give.
"""

import contextlib
import dataclasses
import importlib
import inspect
import pkgutil
import re
import signal
import sys
import tempfile
import types
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

import experiments
import marks
import tinyattn
from experiments import redistribution, snap
from experiments.stack import MinimalStack
from tinyattn import (
    attention,
    backend,
    checkpoint,
    doctor,
    few_queries,
    gradcheck,
    hold,
    losses,
    measure,
    models,
    ode,
    ops,
    optim,
    plot,
    sweep,
    train,
)
from tinyattn.errors import InputError
from tinyattn.flows import (
    emergence,
    factorization,
    focus_dilution,
    frozen_copy,
    population,
    repetition,
    stages,
)
from tinyattn.tasks import markov, recall, regression, text

SECONDS = 20  # a call that takes longer hangs; a busy machine answers in a few
FOLDER = tempfile.TemporaryDirectory()
HERE = Path(FOLDER.name)
LEFT_OUT = {  # the start of a dotted name: why nothing is tried
    "errors.": "the checks themselves",
    "door.": "what checks, by its own tests",
    "events.": "tried through ode.integrate",
    "kept.": "tried through Checkpoint and sweep",
    "checkpoint.Keeper": "inside train",
    "tasks.task": "tried through each task",
    "steps.Slope": "inside ode.integrate",
    "steps.as_state": "inside ode.integrate",
    "steps.fixed_steps": "inside ode.integrate",
    "steps.checked": "inside the single steps",
    "steps.check_field": "inside ode.integrate",
    "steps.error_scale": "inside ode.integrate",
    "steps.next_time": "inside ode.integrate",
    "steps.first_step": "inside ode.integrate",
    "pairs.adaptive_steps": "inside ode.integrate",
    "bdf.bdf_steps": "inside ode.integrate",
    "optim.Optimizer": "a protocol",
    "terminal.": "says and hears, computes nothing; by its own tests",
    "player.": "by its own tests",
    "plot.check_": "checks themselves, tried through the others",
    "plot.seen": "tried through maps and pages",
    "mutants.": "wrong on purpose",
    "losses.checked": "a check itself, tried through train",
    "models.params.numbered": "names, inside Transformer",
    "models.params.check_": "checks themselves, tried through the models",
    "cases.": "what gradcheck checks",
    "gradcheck.check": "takes a Case, which the library makes",
    "gradcheck.compare": "takes a Case, which the library makes",
    "gradcheck.main": "a command line",
    "evidence.": "inside doctor, whose inputs are checked as those of gradcheck.check_pair",
    "kinds.": "inside doctor",
    "missing.": "inside doctor",
    "doctor.examine": "takes a Case, which the library makes",
    "doctor.of_shape": "inside gradcheck",
    "doctor.told": "takes what diagnose returns",
    "doctor.main": "a command line",
    "hold.HeldFlow": "made by hold, and tried through it",
    "hold.HeldOptimizer": "made by hold_params, and tried through it",
    "backend.Backend": "made by backend.get",
    "flows.linearization.Linearization": "made by FocusDilution.linearise",
    "ode.Solution": "a result",
    "measure.PowerLaw": "a result",
}


class Text(str):
    """A string that may be any, unlike the name of a choice."""


class Hang(BaseException):
    pass


class Late(Exception):
    """A generator that complains only when it is asked for its first item."""


# What is tried. The valid numbers are short binary fractions, so that no dtype rounds them; whole numbers are counts.


def array(*shape, seed=0):
    return np.random.default_rng(seed).integers(-24, 25, shape) / 16


def rng():
    return np.random.default_rng(0)


ENTRIES = {}


def dotted(thing):
    return f"{thing.__module__}.{thing.__qualname__}".removeprefix("tinyattn.")


def add(subject, tag="", /, *, call=None, use=None, fine=None, also=(), **valid):
    """A valid call of `subject`, and perhaps what is done with its return.

    fine: "argument, mutation" (or parts of it): why whatever result comes is right. also: names a message may say instead.
    """
    run = call or subject
    whole = (lambda **given: use(run(**given))) if use else run
    name = dotted(subject) + (f" ({tag})" if tag else "")
    assert name not in ENTRIES, name
    ENTRIES[name] = types.SimpleNamespace(call=whole, valid=valid, fine=fine or {}, also=also)


def pair(forward, backward, dout="dy", tag="", fine=None, **valid):
    """A forward, and the backward of its cache."""
    out, cache = forward(**valid)
    add(forward, tag, fine=fine, **valid)
    add(backward, tag, **{dout: array(*out.shape) if out.shape else 0.5, "cache": cache})


def like(params):
    return {key: array(*value.shape, seed=i) for i, (key, value) in enumerate(params.items())}


IDS = np.array([[1, 0, 4, 3], [2, 4, 0, 1]])
# fmt: off


def add_ops():
    x, dx = array(2, 3), array(3, seed=1)
    pair(ops.linear_forward, ops.linear_backward, x=x, W=array(3, 2), b=array(2), axes=1)
    pair(ops.embedding_forward, ops.embedding_backward, ids=IDS, W=array(5, 3))
    pair(ops.softmax_forward, ops.softmax_backward, x=x)
    pair(ops.relu_forward, ops.relu_backward, x=x)
    pair(ops.silu_forward, ops.silu_backward, x=x)
    pair(ops.layernorm_forward, ops.layernorm_backward, x=x, g=dx, b=array(3), eps=0.125)
    pair(ops.cross_entropy_forward, ops.cross_entropy_backward, "dL", logits=array(2, 4, 5), targets=IDS)
    pair(ops.squared_error_forward, ops.squared_error_backward, "dL", y=x, target=array(2, 3, seed=1))
    add(ops.log_softmax, z=x)
    add(ops.sum_to, dx=x, shape=(1, 3))
    add(ops.sum_rows, x=x)
    visible = attention.causal(2, 3)
    pair(attention.attend_forward, attention.attend_backward, a=x, v=array(3, 2), visible=visible)
    q, k, v = array(2, 2, 2), array(2, 3, 2, seed=1), array(2, 3, 3, seed=2)
    pair(attention.multihead_forward, attention.multihead_backward, q=q, k=k, v=v, visible=visible)
    W = dict(W_Q=array(3, 2, 2), W_K=array(3, 2, 2, seed=1), W_V=array(3, 2, 2, seed=2), W_O=array(2, 2, 3, seed=3))
    pair(attention.self_attention_forward, attention.self_attention_backward, x=array(3, 3), **W, visible=visible, first=1)
    pair(few_queries.few_queries_forward, few_queries.few_queries_backward, x=array(1, 3, 3), **W, visible=visible, first=1)
    add(attention.heads_first, x=q)
    add(attention.causal, T=2, S=3)
    tree = {"a": array(2), "b": [array(2), 1.5]}
    passes = {"tree": "anything else passes through"}
    cpu = backend.get("cpu")
    add(backend.namespace, x=x, fine={"x": "looks at its module only"})
    added = lambda out, index, values: [backend.scatter_add(out, index, values), out]
    add(backend.scatter_add, call=added, out=array(5, 2), index=IDS, values=array(2, 4, 2),
        fine={"index, negative": "the last"})
    for function in (backend.to_numpy, backend.copied):
        add(function, tree=tree, fine=passes)
    add(backend.get, device="cpu")
    add(backend.put_like, tree=tree, like=x, fine={**passes, "like": "looks at its module only"})
    add(cpu.put, tree=tree, dtype="float64", fine=passes)
    add(gradcheck.central_differences, f=lambda x: (x**3).sum(), x=x, h=0.0625, also=("x",))
    add(gradcheck.relative_error, n=x, m=array(2, 3, seed=1))
    toy = models.ToyLayer(2, 2)
    add(gradcheck.check_model, model=toy, x=array(3, 2, 2), params=like(toy.init()), seed=3)
    inputs = {"x": array(2, 2), "W": array(2, 2), "b": array(2)}
    add(gradcheck.check_pair, forward=ops.linear_forward, backward=ops.linear_backward, inputs=inputs, wrt=("x", "W", "b"),
        seed=3, name=Text("linear"), also=("wrt", "axes"))
    add(doctor.diagnose, forward=ops.linear_forward, backward=ops.linear_backward, inputs=inputs, wrt=("x", "W", "b"),
        also=("wrt", "axes"))


def add_models():
    minimal = dict(vocab=5, positions=4, heads=2, first_query=1, query_scale=0.5, value_scale=0.5)
    embedding, toy = dict(vocab=5, width=2, first_query=1, scale=0.5), dict(length=3, width=2, shared=2)
    layer, block = dict(width=4, heads=2, first_query=1, masked=True), dict(width=4, heads=2, hidden=3, norm=True,
        activation="silu", first_query=1)
    full = dict(vocab=5, positions=4, width=4, heads=2, hidden=3, first_query=1, depth=2, norm=True, position_kind="learned",
                outputs=3, scale=0.5, position_size=0.7, dropped="residuals", bias=True)
    for kind, settings, x in (
        (models.MinimalModel, minimal, IDS),
        (MinimalStack, {**minimal, "depth": 2}, IDS),
        (models.EmbeddingModel, embedding, IDS),
        (models.AttentionLayer, layer, array(2, 3, 4)),
        (models.Block, block, array(2, 3, 4)),
        (models.ToyLayer, toy, array(2, 3, 2)),
        (models.Transformer, full, IDS),
    ):
        add(kind, use=lambda model: model.init(rng()), **settings)
        model = kind(**settings)
        params = like(model.init(rng()))
        add(model.init, rng=rng())
        dout = "dlogits" if hasattr(model, "vocab") else "dy"
        pair(model.forward, model.backward, dout, params=params, x=x)
        if hasattr(model, "backward_through"):
            out, cache = model.forward(params, x)
            add(model.backward_through, dy=array(*out.shape), cache=cache)
        if hasattr(model, "check"):
            add(model.check, x=x)
        if hasattr(model, "token_maps"):
            add(model.token_maps, params=params, fine={"NaN": "only some parameters are read"})
    vectors = models.MinimalModel(5, 4, first_query=1)
    pair(vectors.forward, vectors.backward, "dlogits", "vectors", params=like(vectors.init(rng())), x=array(2, 4, 5))
    drops = model.draw_drops(rng(), 2, 4, 0.5)
    for one in (model, model.blocks[-1]):
        add(one.draw_drops, rng=rng(), B=2, S=4, p=0.5)
    names = ("drop_1.1", "drop_2.1", "drop_1.2", "drop_2.2")
    dropped = lambda **d: model.forward(params, IDS, *d.values())
    add(model.forward, "dropout", call=dropped, **dict(zip(names, drops)))
    theirs = models.Transformer(5, 4, width=6, heads=2, hidden=3, dropped="all")
    of_theirs = like(theirs.init(rng()))
    all_dropped = lambda **d: theirs.forward(of_theirs, IDS, *d.values())
    add(theirs.forward, "all dropped", call=all_dropped,
        **dict(zip(("drop_e", "drop_s.1", "drop_1.1", "drop_2.1"), theirs.draw_drops(rng(), *IDS.shape, 0.5))))
    toy = models.ToyLayer(**toy)
    add(toy.scores, a=array(1))
    add(toy.scores_backward, da=array(1, 3))
    flat = like(toy.init())
    free = {"missing": "any dict of arrays", "extra": "any dict of arrays"}
    add(models.pack, params=flat, fine=free)
    add(models.unpack, vector=array(5), like=flat, also=("vector",),
        fine={"like": "shapes alone are read"})
    add(models.xavier_bound, fan_in=3, fan_out=2)


def add_training():
    decay, square = lambda t, y: -y, array(2, 2)
    for step in (ode.euler_step, ode.rk4_step, ode.dopri5_step):
        add(step, f=lambda t, y: -y * t, t=0.5, y=square, h=0.25, fine={"t, 1e+308": "the field itself overflows"})
    add(ode.bdf_step, f=lambda t, y: -y * t, t=0.5, past=array(3, 2), h=0.25)
    event = lambda t, y: y.sum() - 0.25
    add(ode.event, use=lambda g: [g(0.5, square), g.terminal, g.direction], g=event, terminal=2, direction=-1.0)
    common = dict(f=decay, t_span=(0.0, 1.0), y0=square, max_steps=40, progress=Text("run"))
    never = {"out": "NaN for an event that did not fire", "events, a function": "one event"}
    add(ode.integrate, **common, t_eval=[0.25, 1.0], events=[event], rtol=0.0625, atol=0.0625, max_step=0.5, fine=never)
    add(ode.integrate, "bdf", **common, method="bdf", t_eval=[0.25, 1.0], events=[event], rtol=0.0625, atol=0.0625,
        max_step=0.5, fine=never)
    add(ode.integrate, "step", **common, method="euler", step=0.25)
    add(ode.integrate, "n_steps", **common, method="rk4", n_steps=4)
    params, grads = {"W": square, "b": array(2)}, {"W": array(2, 2, seed=1), "b": array(2, seed=1)}
    adam = dict(lr=0.5, decay=0.5, beta1=0.5, beta2=0.5, eps=0.5)
    for kind, settings in ((optim.SGD, dict(lr=0.5, momentum=0.5)), (optim.AdamW, adam)):
        optimizer = kind(**settings)
        state = optimizer.init(params)
        add(kind, use=lambda optimizer: optimizer.step(params, grads, optimizer.init(params)), **settings)
        add(optimizer.init, params=params, fine={"missing": "any dict", "extra": "any dict", "NaN": "shapes alone are read"})
        add(optimizer.step, params=params, grads=grads, state=state, scale=0.5)
    add(optim.clip_by_global_norm, grads=grads, maximum=0.5, fine={"missing": "any dict", "extra": "any dict"})

    def loss(params, batch):
        return sum((w * w).sum() for w in params.values()), {key: 2 * w for key, w in params.items()}

    shown = lambda returned: [returned[0], returned[1].tree()]
    add(train.train, use=shown, loss=loss, params=params, batches=[array(2), array(2)], optimizer=optim.SGD(0.125), steps=2,
        clip=0.5, callbacks=[(1, lambda step, params: {"size": len(params)})], schedule=lambda step, history: 0.5, every=1,
        title=Text("run"), checkpoint=None, until=lambda history: False, also=("grads", "batches"),
        fine={"until, a function": "0 goes on", "key": "any dict", "batches, [NaN]": "this loss does not look",
              "batches, a function": "it draws them"})
    model, toy = models.MinimalModel(5, 4, 2, first_query=1), models.ToyLayer(2, 2)
    weights, flat = like(model.init(rng())), like(toy.init())
    sequences = np.concatenate([IDS, IDS[:, :1]], axis=1)
    on = lambda params, batch: lambda loss: loss(params, batch)
    add(losses.next_token_loss, use=on(weights, sequences), model=model)
    next_token, entered = losses.next_token_loss(model), ("x", "targets")
    add(losses.WeightedLoss, use=on(weights, sequences), weighted=next_token.weighted)
    add(losses.WeightedLoss.__call__, call=lambda params, batch: next_token(params, batch), params=weights, batch=sequences,
        also=entered)
    add(losses.check_sequences, model=model, sequences=sequences, also=("x",))
    add(losses.chunked, use=on(weights, sequences), loss=next_token, size=1, map=map)
    add(losses.chunked(next_token, 1), params=weights, batch=sequences, also=entered)
    answers, error = (IDS, IDS[:, 1:]), losses.CROSS_ENTROPY
    add(losses.pair_loss, use=on(weights, answers), model=model, error=error)
    of_answers = losses.pair_loss(model, error)
    add(losses.WeightedLoss.__call__, "pairs", call=lambda params, batch: of_answers(params, batch), params=weights,
        batch=answers, also=entered)
    pairs = (array(3, 2, 2), array(3, 2))
    of_pairs = losses.pair_loss(toy, losses.SQUARED_ERROR)
    of_pairs = losses.pair_loss(toy, losses.SQUARED_ERROR)
    flow = losses.gradient_flow(of_pairs, flat, pairs)
    add(losses.gradient_flow, use=lambda f: f(0.0, models.pack(flat)), loss=of_pairs, like=flat, batch=pairs,
        also=("y", "x", "target"),
        fine={"like": "shapes alone are read"})
    add(flow, t=0.5, y=models.pack(flat), fine={"t": "the flow does not depend on time"})
    add(train.minibatches, data=square, size=1, rng=rng(),
        fine={"data, NaN": "not in the first batch", "data, str": "rows of anything"})
    mask = array(2, 2) > 0
    add(hold.hold, use=lambda held: [held(0.5, square), held(2.0, square)], flow=decay, still=mask, after=0.25, until=1.5,
        also=("until",))
    of_steps = lambda held: [held[0](params, (1, 0)), held[1].step(params, grads, held[1].init(params))]
    add(hold.hold_params, use=of_steps, loss=loss, optimizer=optim.SGD(0.5), still={"W": mask, "b": True}, after=1, until=3,
        also=("grads",), fine={"missing": "one parameter fewer is held"})
    history = train.History()
    history.record(0, loss=0.5)
    recorded = lambda step, loss: [history := train.History(), history.record(step, loss=loss), history.tree()][2]
    add(history.record, call=recorded, step=3, loss=0.5)
    for method in (history.__getitem__, history.last, history.steps):
        add(method, name="loss")
    add(history.tree, before=2.0)
    add(history.replay, use=lambda histories: [past.names for past in histories], steps=1)
    kept = checkpoint.Checkpoint(HERE / "kept.npz", resume=True, settings={"a": 1})
    add(checkpoint.Checkpoint, path=HERE / "other.npz", every=3, resume=True, settings={"a": 1}, fine={"settings": "any dict"})
    add(kept.write, call=lambda made, a: [kept.write(made, a=a), kept.read()][1], made={"b": 2}, a=square, also=("tree",),
        fine={"key": "any dict", "made['b']": "what JSON can hold", "a,": "any array or what JSON can hold"})
    kept.write({"b": 2}, a=square)
    add(kept.read, made={"b": 2}, fine={"missing": "not compared", "None": "not compared"}, also=("resume",))


def add_trials():
    points = [{"a": 1.5}, {"a": 0.5}]
    values = lambda outcomes: [outcome.result for outcome in outcomes]
    add(sweep.sweep, use=values, trial=one_point, points=points, map=map, folder=HERE / "sweep", title=Text("run"))
    entered = lambda pool: [pool.__enter__(), pool.__exit__(None, None, None)][1]
    add(sweep.processes, use=entered, n=2)
    small = dict(pairs=2, vocab=4, p=0.25, depth=2, heads=1, width=4, scale=0.5, judged=4, stop=1.0,
        adaptive={"start": 0.25}, previous=True, following=True, repeats=1.5)
    common = dict(steps=2, every=1, batch=2, lr=0.125, seed=3, device="cpu")
    ran = lambda trial: trial.run()
    add(experiments.RecallTrial, use=ran, **common, **small, fine={"adaptive": "checked by name"})
    small = dict(length=4, width=2, anywhere=True, marker=True, p=0.25, places=1, depth=1, heads=1, model_width=4, hidden=2,
        optimizer="adamw", judged=4, threshold=0.25)
    add(experiments.LocationTrial, use=ran, **common, **small)
    small = dict(model="minimal", heads=2, query_scale=0.125, value_scale=0.125, vocab=4, spans=(1, 1), stride=1,
        lag_weights=(0.5,), importance=2.0, reverse=True, generated=3, sequences=4, draw=1, optimizer="sgd", chunk=2,
        held_out=4, maps=True)
    brief = lambda trial: trial.run() if trial.steps < 9 else trial.settings  # by default 6000
    add(experiments.LadderTrial, use=brief, **common, **small)
    small = dict(lags=(1,), importance=1.5, length=3, vocab=2, heads=1, tilt=0.125, whole=True)
    add(experiments.RegressionTrial, use=ran, **{**common, "batch": 12}, **small)
    text = HERE / "boats.txt"
    text.write_text("the boat , a kite . " * 100)
    small = dict(text=str(text), vocab=6, follow=("the",), width=2, scale=0.125, length=4, momentum=0.5, chunk=2, judged=4)
    add(experiments.TextTrial, use=lambda trial: trial.backend().name, **{**common, "steps": 4}, **small)
    few = {"missing": "has a default", "{}": "defaults"}
    for kind, settings in [(experiments.RecallTrial, {"batch": 2}), (experiments.LocationTrial, {"batch": 2}),
                           (experiments.LadderTrial, {"batch": 2}), (experiments.RegressionTrial, {"batch": 144})]:
        one_step = lambda settings, run=kind.results: run(
            {**settings, "steps": 1} if isinstance(settings, dict) else settings)
        add(kind.results, kind.__name__, call=one_step, settings=settings, fine=few, also=("steps",))
    add(experiments.rungs.windows, sequences=np.arange(12).reshape(2, 6), reach=2, order=3, fine={"sequences": "any array"})
    add(experiments.repetition.AdaptiveRepetition, start=0.25, up=0.25, maximum=0.5, still=0.125, emerged=0.5)
    add(experiments.repetition.AdaptiveRepetition().p, losses=np.array([2.0, 2.0, 1.0]))


def one_point(settings):
    return settings["a"] * 2


def add_flows():
    y = array(2, 2)
    timeless = {"t,": "the flow does not depend on time"}
    flow = emergence.TwoNumbers(8.0, 4.0, 2.0)
    run = lambda flow: flow(0.0, flow.start())
    add(emergence.TwoNumbers, use=run, T=8.0, d=4.0, B=2.0, per_place=True)
    add(emergence.TwoNumbers, "arrays", use=run, T=np.array([8.0, 4.0]), d=np.array([4.0, 2.0]), B=np.array([2.0, 1.0]))
    add(repetition.ThreeNumbers, use=run, T=8.0, d=4.0, p=0.25, per_place=True)
    for name in ("time_at", "linearised", "linearised_loss", "linearised_time", "equilibrium"):
        method = getattr(flow, name)
        add(method, **{list(inspect.signature(method).parameters)[0]: 0.5})
    three = repetition.ThreeNumbers(8.0, 4.0, 0.25)
    factors = factorization.target([4.0, 2.0], 3)
    focus = focus_dilution.FocusDilution(np.array([0.5, 0.25, 0.25]), 0.5, 2)
    at, weights = array(2, 5), array(20)
    for owner, methods, state in (
        (flow, ("split", "loss", "attention", "hessian"), y),
        (three, ("split", "loss", "test_loss", "attention", "hessian"), array(2, 3)),
        (factors, ("split", "residual", "loss", "feature_loss", "jacobian", "leading_mode"), at),
        (focus, ("split", "attention", "loss", "singular_values", "row_norms", "conserved", "jacobian", "linearise"), weights),
    ):
        add(owner.__call__, t=0.5, y=state, fine=timeless)
        for name in methods:
            more = {"leading_mode": dict(within=0.125), "jacobian": dict(h=0.0625) if owner is focus else {}}.get(name, {})
            partly = {"y, NaN": "a part is read"} if name in ("attention", "row_norms", "singular_values") else None
            add(getattr(owner, name), y=state, **more, fine=partly)
    kind = factorization.Factorization
    add(kind, use=lambda f: f(0.0, at), importances=np.array([4.0, 2.0]), features=np.eye(2), places=np.eye(2, 3),
        geometry="logits")
    add(factorization.target, use=lambda f: f.G, importances=[4.0, 2.0], length=3, geometry="simplex", blocks=[[0], [1, 2]])
    add(factors.half_event, use=lambda g: g(0.0, at), y0=at, k=1, terminal=True, fine={"terminal": "integrate looks at it"})
    add(factors.tangent, y=at, dy=array(3, 2, 5))
    add(factors.state, V=array(2, 2), logits=array(2, 3))
    add(factors.start, heads=2, eps=0.5)
    add(factors.near_uniform, rng=rng(), heads=2, noise=0.5)
    add(factors.concentrated, heads=2, position=1, mass=0.5, eps=0.5)
    add(factors.waterfall, heads=2, mass=0.5, eps=0.5)
    kind = focus_dilution.FocusDilution
    add(kind, use=lambda f: f(0.0, array(2 * len(f.pi) * f.width + 2 * f.width**2)), pi=focus.pi, rho=0.5, width=2,
        transition=focus.P)
    add(focus.start, rng=rng(), eps=0.5)
    add(focus.condensed_point, u=array(2))
    add(focus.slow_points, t=np.arange(4.0), y=array(4, 20), fine={"NaN": "indices"})
    how = dict(t_eval=[1.0], token=1, grown=0.5, focused=0.5, renewed=0.5, method="euler", step=0.5, progress=Text("run"))
    add(stages.find_stages, flow=focus, y0=weights, end=1.0, **how, also=("step", "t_eval"), fine={"out": "NaN for a stage that did not come"})
    kind, uses, partly = frozen_copy.FrozenCopy, ("key", "value"), {"state, NaN": "its embeddings are read"}
    add(kind, use=lambda f: f(0.5, array(20, seed=1)), flow=focus, state=weights, uses=uses, fine=partly)
    copy = kind(focus, weights, uses)
    add(copy.__call__, t=0.5, y=array(20, seed=1), fine=timeless)
    for name in ("split", "attention", "loss"):
        add(getattr(copy, name), y=array(20, seed=1), fine={"y, NaN": "a part is read"} if name == "attention" else None)
    add(redistribution.contrast, flow=focus, y=weights, fine={"y, NaN": "a part is read"})
    add(redistribution.token_weights, flow=focus, y=weights, fine={"y, NaN": "a part is read"})
    add(redistribution.contrast_push, flow=focus)
    add(redistribution.made_alike, flow=focus, y=weights)
    add(redistribution.readout_gradient, flow=focus, y=weights)
    add(redistribution.transition_from, weights=abs(array(3, 3)) + 0.5, pi=np.array([0.5, 0.25, 0.25]))
    add(redistribution.Redistribution, use=lambda piece: piece.flow(0.25).P, frequent=0.5, rho=0.5, width=2, eps=2**-10, seed=3)
    add(snap.Snap, use=lambda piece: piece.drawn()["numbers"], T=64, d=8, p=0.5, seeds=1, seed=3, lr=2.0, batch=8)
    near = focus.linearise(weights)
    add(near.leading_mode, within=0.125)
    add(near.displacement, s=array(2) + 2)
    add(near.escape_time, distance=0.5, longest=64.0, fine={"out": "NaN if not by then"})


def add_tasks():
    settings = dict(vocab=4, spans=(1, 2), stride=1, importance=2.0, reverse=True, temperature=0.5)
    add(markov.draw_chain, use=lambda chain: chain.log_probs(IDS % 4), rng=rng(), matrices="orthogonal",
        lag_weights=((0.5,), (1.0, 0.5)), **settings, also=("x",))
    add(markov.draw_chain, "blocks", use=lambda chain: chain.log_probs(IDS % 4), rng=rng(), vocab=4, blocks=[[1], [2]],
        matrices="frobenius", also=("x",))
    chain = markov.MarkovChain(array(2, 4, 4), ((1,), (2,)), ((1.0,), (0.5,)), 0.5)
    add(markov.MarkovChain, use=lambda chain: chain.log_probs(IDS % 4),
        matrices=chain.matrices, blocks=chain.blocks, weights=chain.weights, temperature=0.5)
    add(chain.log_probs, x=IDS % 4, blocks=1)
    add(chain.drive, x=IDS % 4, blocks=[0, 1])
    add(chain.drive, "vectors", x=array(2, 3, 4), blocks=1)
    add(chain.sample, rng=rng(), n=2, length=4)
    add(chain.sample_regression, rng=rng(), n=32, length=4, exact=True)
    add(markov.orthogonal, rng=rng(), h=2, V=3)
    model = models.MinimalModel(4, 4, 2, first_query=1)
    params, sequences, cpu = like(model.init(rng())), chain.sample(rng(), 3, 5), backend.get("cpu")
    look = experiments.rungs.LadderProbe(model, chain, sequences, cpu)
    add(experiments.rungs.LadderProbe, use=lambda look: look(0, params), model=model, chain=chain, sequences=sequences,
        device=cpu, maps=True)
    add(look.__call__, step=3, params=params,
        fine={"step": "a look does not depend on it", "NaN": "no query stands at the first position"})
    W_star = np.eye(3)[[1, 2, 0]]
    task = regression.SingleLocation(W_star, 4, 2, 0.25)
    add(regression.SingleLocation, use=lambda task: task.sample(rng(), 2), W_star=W_star, length=4, places=2, p=0.25)
    add(regression.draw_task, use=lambda task: task.sample(rng(), 2), rng=rng(), length=4, width=3, places=2, p=0.25,
        matrix="gaussian")
    add(task.relevant, rng=rng(), shape=(2, 2), dtype="float64")
    add(task.sample, rng=rng(), n=2)
    add(task.sample_marked, rng=rng(), n=2, anywhere=True)
    layer = models.ToyLayer(4, 3)
    add(population.population, task=task, layer=layer, params=like(layer.init()))
    add(population.stochastic, task=task, rng=rng(), a=array(2, 4), W=array(2, 3, 3), n=2)
    pairs = recall.AssociativeRecall(2, 4)
    add(recall.AssociativeRecall, use=lambda task: task.sample(rng(), 2), pairs=2, vocab=4, repeats=1.5, p=0.25)
    add(pairs.sample, rng=rng(), n=2)
    add(pairs.answer, x=pairs.sample(rng(), 2), fine={"x": "any keys among which the query is"}, also=("x",))
    path, words = HERE / "text.txt", "a b a c b a".split()
    path.write_text("A b a, c b a.")
    corpus = text.from_words(words, 3)
    add(text.Corpus, use=lambda c: [c.counts, c.id("a"), next(c.batches(rng(), 1, 2))], ids=corpus.ids, words=corpus.words)
    add(corpus.id, word="a")
    add(corpus.sample, rng=rng(), n=2, length=3)
    add(corpus.hold_out, share=0.5)
    add(corpus.shuffled, rng=rng())
    add(text.read, path=path, vocab=3, form="plain")
    add(text.words, path=path, form="plain")
    add(text.split, content=Text("a b"), form="auto")
    add(text.from_words, words=words, vocab=3, also=("text",))
    add(text.stories, rng=rng(), n=2)


def add_pictures():
    log_p, s = -abs(array(2, 3)) - 0.5, abs(array(2, 2, 2, 3))
    add(measure.entropy, log_p=log_p)
    add(measure.kl, log_p=log_p, log_q=-abs(array(2, 3, seed=1)))
    add(measure.lag_attention, s=s)
    add(measure.span_mass, s=s, blocks=[[1], [2, 3]])
    never = {"out": "NaN if it never does"}
    add(measure.stage_steps, steps=np.arange(4.0), curves=abs(array(4, 3)), fine=never)
    add(measure.effective_rank, singular_values=abs(array(2, 3)))
    add(measure.turns, curve=np.array([2.0, 1, 2, 0, 1]), minimum=0.5)
    add(measure.plateau_length, t=np.arange(4.0), loss=np.array([2.0, 1.5, 0.5, 0.25]), threshold=1.0, fine=never)
    add(measure.fit_power_law, y=np.array([1.0, 2, 3, 5]), a=np.array([1.0, 2, 4, 8]), also=("x",))
    ax = plt.figure(figsize=(1, 1)).add_subplot()
    for function in (plot.plain,):
        add(function, text=Text("a $ b"))
    words = dict(title=Text("title"), first_query=1, tokens=["the", "cat", "sat"])
    add(plot.attention_map, ax=ax, s=abs(array(2, 3)), **words, visible=attention.causal(2, 3), cmap="magma_r", limits=(0.0,
        1.0),
        use=lambda image: np.ma.filled(image.get_array(), 0.0), fine={"NaN": "drawn grey"})
    add(plot.heads_map, ax=ax, s=abs(array(2, 2, 3)), **words,
        use=lambda _: [np.asarray(image.get_array()) for image in ax.images])
    add(marks.step_axis, ax=ax, last=64.0, linear=8.0, use=lambda _: ax.get_xlim())
    drawn = lambda _: [line.get_xydata() for line in ax.lines]
    add(marks.reference, ax=ax, value=0.5, text=Text("text"), below=True, use=drawn)
    add(plot.stages, ax=ax, edges=np.array([0.0, 1, 3]), names=["one", "two"], use=lambda _: len(ax.patches))
    add(marks.named, ax=ax, x=np.array([1.0, 2, 4]), y=np.array([1.0, 2, 4]), name=Text("name"), at=2.0, shift=(4.0, 4.0),
        use=drawn, fine={"NaN": "a gap in the curve"})
    add(plot.maps_row, axes=[ax, ax], s=abs(array(2, 2, 3)), titles=["one", "two"], first_query=1,
        visible=attention.causal(2, 3), use=lambda image: np.ma.filled(image.get_array(), 0.0), fine={"NaN": "drawn grey"})
    boxes = {"a": (0.25, 0.5), "b": (0.75, 0.5, "k")}
    add(marks.schematic, ax=ax, boxes=boxes, arrows=[("a", "b", "feeds", 0.25)], size=8.0, use=lambda _: len(ax.texts),
        fine={"boxes, extra key": "one more box"})
    add(marks.slope, ax=ax, x=np.array([1.0, 2, 4]), y=0.5, power=2.0, text=Text("text"), use=drawn)


for build in (add_ops, add_models, add_training, add_trials, add_flows, add_tasks, add_pictures):
    build()
# fmt: on


# How an argument is changed: (label, value, what is right, the plain value it stands for)
#
#   refuse  must be refused              same  as the plain value, or refused     nan   NaN comes out, or refused
#   keys    likewise, in any name        inf   whatever comes out, or refused     huge  no NaN comes out, or refused
#   other   nothing but finite numbers come out, or refused, also in the name of another argument that it does not fit


def changes(value):
    kind = value.dtype.kind if isinstance(value, np.ndarray) else ""
    wrong = {"object()": object(), '"text"': "text", "{}": {}, "a function": lambda *_: 0}
    if isinstance(value, (str, Path)):
        wrong = {label: new for label, new in wrong.items() if label != '"text"'}
    if callable(value) and not isinstance(value, type):
        wrong = {label: new for label, new in wrong.items() if label != "a function"}
        yield from (
            ("3", 3, "refuse", None),
            ("a function of nothing", lambda *_, **__: None, "other", None),
        )
    if isinstance(value, dict):
        del wrong["{}"]
        yield "{}", {}, "other", None
        yield "values as a list", list(value.values()), "refuse", None
        yield "extra key", {**value, "extra": next(iter(value.values()))}, "keys", None
        yield "missing key", dict(list(value.items())[1:]), "keys", None
    unfit = "other" if isinstance(value, Text) else "refuse"
    yield from ((label, new, unfit, None) for label, new in wrong.items())
    yield from (("None", None, "other", None), ("[1, 2]", [1, 2], "other", None))
    if isinstance(value, np.random.Generator):
        yield from (
            ("0", 0, "refuse", None),
            ("RandomState", np.random.RandomState(0), "refuse", None),
        )
    elif isinstance(value, bool):
        yield from (("1", 1, "same", True), ('"yes"', "yes", "refuse", None))
    elif isinstance(value, (int, float)):
        yield from numbers(value)
    elif isinstance(value, str):
        meant = "other" if isinstance(value, Text) else "refuse"
        yield from (
            ('"nonsense"', "nonsense", meant, None),
            ('""', "", meant, None),
            ("3", 3, "other", None),
        )
    elif type(value) in (list, tuple):
        some = (
            ("[]", []),
            ("[None]", [None]),
            ('["a"]', ["a"]),
            ("3", 3),
            ("one more", [*value, value[-1]]),
        )
        yield from ((label, new, "other", None) for label, new in some)
        yield "[NaN]", [np.nan] * len(value), "nan", None
    elif kind:
        yield from shapes(value)
        yield from dtypes(value, kind)


def numbers(value):
    yield from (
        ("NaN", np.nan, "nan", None),
        ("inf", np.inf, "inf", None),
        ("-inf", -np.inf, "inf", None),
    )
    kind = type(value)
    yield from (
        ("0", kind(0), "other", None),
        ("-1", kind(-1), "other", None),
        ("10**400", 10**400, "huge", None),
    )
    yield from (
        ("True", True, "same", kind(1)),
        ("complex", complex(value), "same", value),
        ("1j", 1j, "refuse", None),
    )
    if isinstance(value, int):
        yield from (
            ("1.5", 1.5, "refuse", None),
            ("np.int64", np.int64(value), "same", value),
            ('"3"', "3", "refuse", None),
        )
    else:
        yield from ((str(new), new, "huge", None) for new in (1e308, 1e-308))
        yield "np.float32", np.float32(value), "same", value


def shapes(value):
    yield from (
        ("an axis more", value[None], "other", None),
        ("an axis more at the end", value[..., None], "other", None),
    )
    if value.ndim:
        yield "an axis less", value[0], "other", None
        yield "size 1", value[(slice(0, 1),) * value.ndim], "other", None
    for axis in range(value.ndim):
        yield (
            f"one more along axis {axis}",
            np.concatenate([value, value.take([0], axis)], axis),
            "other",
            None,
        )
        yield (
            f"one fewer along axis {axis}",
            value.take(range(1, value.shape[axis]), axis),
            "other",
            None,
        )
        yield f"empty along axis {axis}", value.take([], axis), "other", None


def dtypes(value, kind):
    yield from (
        ("a list", value.tolist(), "same", value),
        ("object", value.astype(object), "same", value),
    )
    yield "str", value.astype(str), "refuse", None
    if value.ndim == 2:
        yield "np.matrix", value.view(np.matrix), "same", value
    masked = np.ma.masked_array(
        value, np.arange(value.size).reshape(value.shape) == value.size // 2
    )
    yield "masked", masked, "nan", None
    if kind == "f":
        whole, plain = np.round(value), lambda a: a.astype(float)
        yield from ((name, whole.astype(name), "same", plain(whole)) for name in ("int8", "int64"))
        yield "uint8", abs(whole).astype("uint8"), "same", plain(abs(whole))
        yield "bool", value > 0, "same", plain(value > 0)
        yield from ((name, value.astype(name), "same", value) for name in ("float16", "complex128"))
        for label, bad in (("NaN", np.nan), ("inf", np.inf)):
            new = value.copy()
            new.flat[new.size // 2] = bad
            yield label, new, label.lower(), None
    elif kind == "i":
        yield from (
            (name, value.astype(name), "same", value)
            for name in ("int8", "uint8", "uint16", "float64")
        )
        yield "bool", value > 0, "same", (value > 0).astype(int)
        for label, bad in (("too large", 10**6), ("negative", -1)):
            new = value.copy()
            new.flat[-1] = bad
            yield label, new, "refuse", None
    else:
        yield from (
            ("int8", value.astype("int8"), "same", value),
            ("float64", value.astype(float), "same", value),
        )
        yield "all False", np.zeros_like(value), "other", None


# One call, and what came of it


def fresh(value):
    """A copy of what a call may change or use up."""
    if isinstance(value, np.random.Generator):
        return rng()
    if isinstance(value, (dict, list, tuple)) and not hasattr(value, "_fields"):
        parts = (
            zip(value, map(fresh, value.values())) if isinstance(value, dict) else map(fresh, value)
        )
        return type(value)(parts)
    if isinstance(value, plt.Axes):
        value.clear()
    return value.copy() if isinstance(value, np.ndarray) else value


def attempt(call, arguments):
    """(result, None) or (None, what was raised), and the warnings of NumPy."""

    def ring(*_):
        raise Hang(f"no answer in {SECONDS} s")

    arguments = {key: fresh(value) for key, value in arguments.items()}
    timed = hasattr(signal, "setitimer")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            if timed:
                before = signal.signal(signal.SIGALRM, ring)
                signal.setitimer(signal.ITIMER_REAL, SECONDS)
            result, error = call(**arguments), None
            if isinstance(result, types.GeneratorType):
                try:
                    result = next(result)
                except Exception as late:
                    raise Late(f"only at next(): {type(late).__name__}: {late}") from None
        except (Exception, Hang, SystemExit) as caught:
            result, error = None, caught
        finally:
            if timed:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)
    messages = [str(one.message) for one in told]
    return (
        result,
        error,
        [
            message
            for message in messages
            if re.match("invalid value|divide by|Mean of empty", message)
        ],
    )


def leaves(result):
    """The arrays, numbers and strings of a nest; what a mask hides counts as NaN."""
    if isinstance(result, np.ma.MaskedArray):
        result = result.astype(float).filled(np.nan)
    if isinstance(result, (np.ndarray, np.generic, float, int, complex)):
        return [np.asarray(result)]
    if isinstance(result, str):
        return [np.asarray(str(result), dtype=object)]
    if dataclasses.is_dataclass(result):
        return leaves([getattr(result, field.name) for field in dataclasses.fields(result)])
    if isinstance(result, dict):
        return leaves(list(result.values()))
    return (
        [leaf for part in result for leaf in leaves(part)]
        if isinstance(result, (list, tuple))
        else []
    )


def holds(test, result):
    return any(bool(np.any(test(leaf))) for leaf in leaves(result) if leaf.dtype.kind in "fc")


def equal(one, other):
    def close(a, b):
        if "O" in (a.dtype.kind, b.dtype.kind):
            return np.array_equal(a, b)
        return a.shape == b.shape and np.allclose(a, b, 1e-6, 1e-6, equal_nan=True)

    one, other = leaves(one), leaves(other)
    return len(one) == len(other) and all(map(close, one, other))


def says(message, names):
    """Whether a message speaks of one of these arguments: at its start, or as `name =`, `name[` or `as name has`."""
    for name in map(re.escape, names):
        word = rf"|(?<!\w){name}(?!\w)" if len(name) > 3 else ""
        if re.search(rf"^{name}(?!\w)|(?<!\w){name}(:| =|\[)|\bas {name}\b{word}", message):
            return True
    return False


def judge(entry, names, meant, result, error, told, reference):
    """None if it is right, "" if it was refused as it should be, else what is wrong."""
    if error is not None:
        if isinstance(error, train.Diverged) and meant in ("nan", "inf", "huge", "other"):
            return ""
        settings = getattr(getattr(entry.call, "__self__", None), "__dataclass_fields__", ())
        anything = [*settings, *(path[-1] for path, _ in arguments(entry.valid))]
        allowed = [*names, *entry.also, *(anything if meant in ("other", "keys") else ())]
        refused = isinstance(error, (InputError, TypeError)) and says(str(error), allowed)
        return "" if refused else f"{type(error).__name__}: {' '.join(str(error).split())[:110]}"
    if meant in ("refuse", "keys"):
        return "accepted"
    if meant == "same" and not equal(result, reference):
        return "another result than that of the plain value"
    if meant == "nan" and not holds(np.isnan, result):
        return "a silent NaN: the result has none"
    new = lambda test: holds(test, result) and not holds(test, entry.result)
    if meant in ("same", "other", "huge") and new(np.isnan) and "out" not in entry.fine:
        return "NaN in the result"
    if meant == "other" and new(np.isinf):
        return "infinity in the result"
    return f"RuntimeWarning: {told[0]}" if told and meant in ("same", "other") else None


def arguments(valid, path=()):
    """Every argument, and every entry of a dict: its path."""
    for key, value in valid.items():
        yield (*path, key), value
        if isinstance(value, dict):
            yield from arguments(value, (*path, key))


def replaced(valid, path, new):
    key, *rest = path
    return {**valid, key: replaced(valid[key], rest, new) if rest else new}


def tried(entry):
    """Each mutation of one entry: what was done, and the verdict of `judge`."""
    with contextlib.chdir(HERE):
        entry.result, error, _ = attempt(entry.call, entry.valid)
        if error is not None:
            yield "the valid call", f"{type(error).__name__}: {error}"
            return
        for path, value in arguments(entry.valid):
            for label, new, meant, plain in changes(value):
                done = f"{path[0]}{''.join(f'[{key!r}]' for key in path[1:])}, {label}"
                if any(part in done for part in entry.fine):
                    meant = "inf"
                reference = None
                if meant == "same":
                    reference, failed, _ = attempt(entry.call, replaced(entry.valid, path, plain))
                    meant = "other" if failed else "same"
                came = attempt(entry.call, replaced(entry.valid, path, new))
                yield done, judge(entry, path[::-1], meant, *came, reference)


def public():
    """The dotted name of everything public in the package that takes an argument."""
    for info in pkgutil.walk_packages(tinyattn.__path__, "tinyattn."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", "") != info.name:
                continue
            if inspect.isfunction(thing):
                yield thing
            elif inspect.isclass(thing) and not issubclass(thing, (tuple, Exception)):
                yield thing
                for key, method in vars(thing).items():
                    method = getattr(method, "__func__", method)  # of a classmethod
                    if inspect.isfunction(method) and (
                        key[0] != "_" or key in ("__call__", "__getitem__")
                    ):
                        yield method


def takes_something(thing):
    return len(set(inspect.signature(thing).parameters) - {"self"}) > 0


def left_out(name):
    return any(
        name == part or name.startswith(part if part[-1] in "._" else f"{part}.")
        for part in LEFT_OUT
    )


def test_every_public_callable_is_tried():
    names = {dotted(thing) for thing in public() if takes_something(thing)}
    untried = sorted(names - {name.partition(" ")[0] for name in ENTRIES})
    missing = [name for name in untried if not left_out(name)]
    assert not missing, (
        f"add an example call to tests/test_bad_inputs.py for {', '.join(missing)}: pair(...) or add(...)"
    )


@pytest.mark.parametrize("name", ENTRIES)
def test_bad_inputs(name):
    wrong = [f"{done} -> {verdict}" for done, verdict in tried(ENTRIES[name]) if verdict]
    assert not wrong, f"{len(wrong)} inputs of {name}\n" + "\n".join(wrong)


def main(only=""):
    print(f"{'':<64} tried refused   right   wrong")
    total = np.zeros(4, int)
    for name, entry in ENTRIES.items():
        if only in name:
            verdicts = list(tried(entry))
            wrong = [f"    {done} -> {verdict}" for done, verdict in verdicts if verdict]
            row = (
                len(verdicts),
                sum(v == "" for _, v in verdicts),
                sum(v is None for _, v in verdicts),
                len(wrong),
            )
            total += row
            print(f"{name:<64}{row[0]:>6}{row[1]:>8}{row[2]:>8}{row[3]:>8}", *wrong, sep="\n")
    print(f"{'total':<64}{total[0]:>6}{total[1]:>8}{total[2]:>8}{total[3]:>8}")
    return int(total[3] > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
