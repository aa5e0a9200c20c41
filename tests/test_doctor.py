"""The doctor names mistakes, never a wrong one, and says nothing of what is right."""

import sys
import time

import foreign_pairs
import more_mutants
import numpy as np
import pytest

from tinyattn import doctor, evidence, gradcheck, mutants, ops
from tinyattn.errors import InputError

CASES = {case.name: case for case in [*gradcheck.cases(), more_mutants.STACK]}

# What fits the mutants of models; those of operations are told by their own numbers, as "like".
KINDS = {
    "one of three uses of x forgotten": {"contribution"},
    "scale forgotten in dW_K": {"factor"},
    "wrong sign in dW of each head": {"sign"},
    "missing scale in dq": {"factor"},
    "positions of dq forgotten": {"missing rows"},
    "rows of positions forgotten": {"missing rows"},
    "each head given its share only": {"factor"},
    "W_Q and W_K exchanged": {"exchanged"},
    "keys forgotten in de": {"contribution"},
    "queries and keys exchanged": {"contribution", "zero"},
    "residual forgotten in dr": {"contribution"},
    "blocks in the wrong order": {"another's"},
    "positions of one sequence only": {"missing outputs"},
}
OF_OPERATIONS = [*mutants.MUTANTS, *mutants.OTHERS]


def kinds(findings):
    found = {}
    for one in findings:
        found.setdefault(one.tensor, set()).add(one.kind)
    return found


@pytest.mark.parametrize(
    "mutant",
    more_mutants.ALL,
    ids=lambda mutant: f"{mutant.function.__qualname__}: {mutant.mistake}",
)
def test_a_mutant_is_named_or_said_to_be_unknown(mutant):
    case = CASES[mutant.case]
    with mutants.broken(mutant.function, mutant.right, mutant.wrong):
        found = doctor.examine(case, case.draw(np.random.default_rng(0)))
    by_tensor = kinds(found)
    assert set(by_tensor) == mutant.breaks
    if mutant in OF_OPERATIONS and mutant.mistake != "wrong sign of the bias":
        says = [one.says for one in found if one.kind == "like"]
        assert len(says) == len(mutant.breaks) and all(mutant.mistake in one for one in says)
        return
    expected = KINDS.get(mutant.mistake, {"sign"} if mutant in OF_OPERATIONS else set())
    got = set().union(*by_tensor.values()) - {"none"}
    assert got == expected, [one.says for one in found]


@pytest.mark.parametrize("name", CASES)
def test_what_is_right_has_no_finding(name):
    case = CASES[name]
    inputs = case.draw(np.random.default_rng(3))
    for row in gradcheck.check(case, seed=3):
        assert not row.wrong and row.finding == ""
    assert doctor.examine(case, inputs) == []


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y = e / e.sum(axis=-1, keepdims=True)
    return y, y


def test_a_persons_softmax_that_forgets_the_row_sum_is_told_the_line():
    """The example of README: the kind, and the line of ours that this is."""
    x = np.random.default_rng(0).normal(size=(3, 4))
    (row,) = gradcheck.check_pair(softmax, lambda dy, y: dy * y, {"x": x})
    assert row.wrong and "<-- WRONG" in str(row)
    assert "row sum forgotten in softmax, in ops.softmax_backward (2)" in row.finding
    assert "goes with the output along axis 1" in row.finding
    (right,) = gradcheck.check_pair(
        softmax, lambda dy, y: y * (dy - (dy * y).sum(axis=-1, keepdims=True)), {"x": x}
    )
    assert not right.wrong and right.finding == "" and "WRONG" not in str(right)


def linear(x, W, b):
    return x @ W + b, (x, W)


def linear_backward(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)


@pytest.mark.parametrize(
    "change, tensor, message",
    [
        (lambda dx, dW, db: (dx, dW.T, db), "W", r"got \(3, 4\): transposed: right with its axes"),
        (lambda dx, dW, db: (dx, dW, dx[:, :3]), "b", "got .5, 3.$"),
        (lambda dx, dW, db: (dx, dW, np.outer(np.full(5, 0.2), db)), "b", "broadcast: right after a sum over axis 0"),
        (lambda dx, dW, db: (dx, dW, db[None]), "b", r"broadcast: right when reshaped to \(3,\)"),
    ],
)  # fmt: skip
def test_a_gradient_of_another_shape_is_one_line_that_says_what_would_make_it_right(
    rng, change, tensor, message
):
    inputs = {"x": rng.normal(size=(5, 4)), "W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
    backward = lambda dy, cache: change(*linear_backward(dy, cache))
    with pytest.raises(InputError, match=f"gradient of {tensor} in linear: expected .*{message}"):
        gradcheck.check_pair(linear, backward, inputs)
    (finding,) = doctor.diagnose(linear, backward, inputs)
    assert finding.tensor == tensor


def test_a_mistake_in_one_entry_of_many_is_found(rng):
    """Of 10,000 numbers one is wrong: the doctor looks along the axes for the place."""
    x = rng.normal(size=(50, 200))

    def backward(dy, x):
        dx = 3 * x**2 * dy
        dx[31, 170] *= 2
        return dx

    (row,) = gradcheck.check_pair(lambda x: (x**3, x), backward, {"x": x})
    assert row.wrong and "wrong at index 31 of axis 0, most at x[31, 170]: " in row.finding


def test_the_doctor_costs_no_more_than_its_patience():
    """Calls are counted rather than seconds: they are what the time goes into."""
    calls = []

    def slow(x, W):
        calls.append(1)
        time.sleep(0.002)
        return x @ W, (x, W)

    def backward(dy, cache):
        x, W = cache
        return -(dy @ W.T), x.T @ dy

    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(100, 80)), "W": rng.normal(size=(80, 25))}
    found = doctor.diagnose(slow, backward, inputs)
    assert kinds(found) == {"x": {"sign", "like"}} and len(calls) < 700


def dropout(x):
    return x * np.random.default_rng().integers(2, size=x.shape), None


def in_place(x):
    x *= 2.0
    return x**2, x.copy()


@pytest.mark.parametrize(
    "forward, backward, x, kind, says",
    [
        (dropout, lambda dy, _: dy, np.ones(30), "forward", "a second call gives other numbers"),
        (in_place, lambda dy, x: 2 * x * dy, np.arange(1.0, 5), "forward", "changes its input x"),
        (lambda x: (np.maximum(x, 0), x), lambda dy, x: dy * (x > 0), np.array([0.0, 1, -1]), "kink", "slopes"),
        (lambda x: (np.sin(x.astype("float32")).astype(float), x), lambda dy, x: dy * np.cos(x),
         np.linspace(1, 2, 7), "precision", "float32"),
        (lambda x: (x**2, x), lambda dy, x: 2 * x, np.arange(1.0, 5), "dy", "right for a dy of ones"),
        (lambda x: (x**2, x), lambda dy, x: 2 * x * dy**2, np.arange(1.0, 5), "dy", "squared"),
        (lambda x: (x**2, x), lambda dy, x: 2 * x * dy + x, np.arange(1.0, 5), "dy", "dy of zeros"),
    ],
)  # fmt: skip
def test_where_differences_or_dy_are_the_trouble_it_says_so(forward, backward, x, kind, says):
    found = doctor.diagnose(forward, backward, {"x": x})
    assert kind in {one.kind for one in found} and any(says in one.says for one in found), found


def test_a_right_backward_at_a_corner_has_only_the_corner():
    x = np.array([0.0, 1.0, -1.0, 2.0])
    found = doctor.diagnose(lambda x: (np.maximum(x, 0), x), lambda dy, x: dy * (x > 0), {"x": x})
    assert [one.kind for one in found] == ["kink"] and "x[0]" in found[0].says


def test_where_no_kind_fits_it_says_where_to_look(rng):
    def net(x, W1, W2):
        h = np.tanh(x @ W1)
        return h @ W2, (x, W1, W2, h)

    def backward(dy, cache):
        x, W1, W2, h = cache
        dh = dy @ W2.T  # without tanh's derivative
        return {"x": dh @ W1.T, "W1": x.T @ dh, "W2": h.T @ dy}

    inputs = {key: rng.normal(size=size) for key, size in
              {"x": (5, 4), "W1": (4, 6), "W2": (6, 3)}.items()}  # fmt: skip
    found = doctor.diagnose(net, backward, inputs)
    assert kinds(found) == {"x": {"none"}, "W1": {"none"}}
    assert all(one.says.endswith("; right: W2") for one in found)


def test_the_command_examines_a_file(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\ninputs = {'x': np.linspace(-1, 1, 12).reshape(3, 4), 'n': np.arange(3)}\n"
        "def forward(x, n):\n    return x**2, x\ndef backward(dy, x):\n    return -2 * x * dy\n"
    )
    assert doctor.main([str(path)]) == 1
    assert "x: sign: minus the gradient" in capsys.readouterr().out
    path.write_text(path.read_text().replace("-2", "2"))
    assert doctor.main([str(path)]) == 0 and "no mistake found" in capsys.readouterr().out
    path.write_text("forward = 3\n")
    assert doctor.main([str(path)]) == 2
    assert "got none of backward, inputs" in capsys.readouterr().err
    assert doctor.main([str(tmp_path / "none.py")]) == 2
    sys.stdout.flush()


def test_what_is_ours_is_known_in_any_order_of_inputs(rng):
    """A person's layer norm that takes its shift before its scale."""
    forward = lambda b, x, g: ops.layernorm_forward(x, g, b)

    def backward(dy, cache):
        dx, dg, db = ops.layernorm_backward(dy, cache)
        return {"b": db, "x": dx, "g": ops.sum_to(dy, dg.shape)}

    inputs = {"b": rng.normal(size=5), "x": rng.normal(size=(3, 5)), "g": rng.normal(size=5)}
    says = doctor.told(doctor.diagnose(forward, backward, inputs))
    assert list(says) == ["g"] and "n missing in dg, in ops.layernorm_backward (5)" in says["g"]


# Names that fit a mistake of foreign_pairs besides those of its table: each holds of the numbers.
ALSO = {
    ("batch_norm", "xhat is forgotten in dgamma"): {"another's"},  # the gradient of beta
    ("max_pool", "the smaller one gets the gradient"): {"permuted"},  # the other of each two
    ("avg_pool", "tile in place of repeat"): {"permuted"},
    ("gru_cell", "the gates z and r change places in dU"): {"permuted"},
    ("gelu", "the product rule's second half is forgotten"): {"elementwise factor"},  # dy y/x
    ("huber", "the absolute value is clipped"): {"sign"},  # where the difference is negative
    ("huber", "the target's sign is forgotten"): {"another's"},  # the prediction's
    ("hinge", "the labels are forgotten"): {"sign"},  # labels are 1 and -1
    ("dropout", "what was dropped gets a gradient"): {"elementwise factor"},  # the mask is 0 and 1
    ("relu", "the mask is forgotten"): {"elementwise factor"},  # dy handed on
    ("running_sum", "the sum leaves out its own entry"): {"contribution"},  # dy itself
    ("broadcast_sum", "db is summed over everything"): {"dy"},
    ("l2_normalise", "the forward normalises its input in place"): {"mean"},  # as y = x then
}


@pytest.mark.parametrize("pair", foreign_pairs.PAIRS, ids=lambda pair: pair.name)
def test_a_right_pair_has_no_finding(pair):
    assert doctor.diagnose(pair.forward, pair.backward, pair.inputs) == []


def test_random_right_pairs_have_no_finding():
    for pair in foreign_pairs.random_right_pairs(200):
        assert doctor.diagnose(pair.forward, pair.backward, pair.inputs) == [], pair.name


@pytest.mark.parametrize(
    "mistake", foreign_pairs.MISTAKES, ids=lambda mistake: f"{mistake.pair}: {mistake.what}"
)
def test_a_mistake_never_gets_a_wrong_name(mistake):
    fits = mistake.kinds | ALSO.get((mistake.pair, mistake.what), set()) | {"none", "like"}
    found = doctor.diagnose(mistake.forward, mistake.backward, mistake.inputs)
    assert {one.tensor for one in found} == mistake.wrong
    assert {one.kind for one in found} <= fits, [one.says for one in found]


def test_a_call_that_is_slow_for_once_does_not_count():
    """How many differences are worth it hangs on how long a call takes, not on what else runs."""
    calls = []

    def forward(x):
        calls.append(0)
        time.sleep(0.2 if len(calls) == 2 else 0)
        return np.tanh(x["x"]), None

    case = gradcheck.Case("slow", forward, ("x",), dict, forward, lambda dy, cache: {})
    run = evidence.Runs(case, {"x": np.ones(3)}, gradcheck.CPU, np.random.default_rng(0))
    assert len(calls) > 2 and run.seconds < 0.1


def test_most_mistakes_are_named():
    """137 of 172 in at least one tensor; of the others 13 are of no kind, and the rest lie inside."""
    named = 0
    for one in foreign_pairs.MISTAKES:
        found = {x.kind for x in doctor.diagnose(one.forward, one.backward, one.inputs)}
        named += bool(found - {"none"})
    assert named >= 137


@pytest.mark.parametrize(
    "pair, what, tensor, says",
    [
        ("rms_norm", "the gain is forgotten in dn", "x", "a factor gain is missing on the way from dy"),
        ("rms_norm", "1/rms is forgotten", "x", "with the norm of x: a division by it is missing"),
        ("rms_norm", "the term through the rms is forgotten", "x", "goes with x along axis 2: the term of a norm"),
        ("two_layers", "db1 is a mean", "b1", "1/6, 6 = axis 0 of the output: a mean where"),
        ("two_layers", "dW1 is transposed", "W1", "transposed: right with its axes in the order (1, 0)"),
        ("two_layers", "tanh's derivative is forgotten", "W1", "; right: W2, b2"),
        ("rotary_attention", "the values' part of dx is forgotten", "x", "what x gives through W_V is missing"),
        ("rotary_attention", "the scale is forgotten", "W_Q", "√6, 6 = axis 1 of W_Q: a scale 1/√6 forgotten"),
        ("rotary_attention", "the scale is forgotten", "x", "mend W_Q, W_K first"),
        ("rotary_attention", "dW_Q and dW_K change places", "W_K", "this is the gradient of W_Q, and the other way"),
    ],
)  # fmt: skip
def test_what_it_says_of_a_norm_a_net_and_an_attention(pair, what, tensor, says):
    (one,) = (one for one in foreign_pairs.MISTAKES if (one.pair, one.what) == (pair, what))
    told = doctor.told(doctor.diagnose(one.forward, one.backward, one.inputs))
    assert says in told[tensor], told
