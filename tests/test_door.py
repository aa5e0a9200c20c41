"""The declaration above a function: what it lets in, what it says otherwise, and that it looks once."""

import contextvars
import inspect
import pickle
import sys
import threading

import numpy as np
import pytest

from tinyattn import attention, models, ode, ops
from tinyattn.door import door
from tinyattn.errors import InputError
from tinyattn.ops import ReluCache  # noqa: F401  named in a declaration


def checks(call):
    """The functions of errors.py and door.py that run in a call, but for the wrapper that each function has."""
    seen = []

    def note(frame, event, _):
        code = frame.f_code
        ours = code.co_filename.endswith(("tinyattn/errors.py", "tinyattn/door.py"))
        if event == "call" and ours and code.co_name[0] != "<" and code.co_name != "enter":
            seen.append(code.co_name)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return seen


def weights(rng):
    return [rng.normal(size=shape) for shape in ((6, 3, 5), (6, 3, 5), (6, 3, 2), (3, 2, 7))]


def test_self_attention_is_checked_once_and_the_pairs_in_it_are_not(rng):
    x, W, visible = rng.normal(size=(2, 4, 6)), weights(rng), attention.causal(4, 4)
    of_all = checks(lambda: attention.self_attention_forward(x, *W, visible))
    assert len(of_all) <= 12 and of_all.count("_look") == 1, of_all
    _, cache = attention.self_attention_forward(x, *W, visible)
    of_backward = checks(lambda: attention.self_attention_backward(np.ones((2, 4, 7)), cache))
    assert len(of_backward) <= 12 and of_backward.count("_look") == 1, of_backward


def test_a_model_is_checked_once(rng):
    model = models.Transformer(5, 4, width=6, heads=2, hidden=3, depth=2)
    params, x = model.init(rng), rng.integers(5, size=(3, 4))
    model.forward(params, x)  # which makes its blocks
    assert checks(lambda: model.forward(params, x)).count("_look") == 1


def test_what_a_caller_s_function_does_is_checked_as_well(rng):
    field = lambda t, y: ops.softmax_forward(y[None] if t < 0.5 else list(y))[0][0]
    with pytest.raises(InputError, match="^x: expected an array of NumPy or CuPy, got list$"):
        ode.integrate(field, (0.0, 1.0), np.ones(2), method="euler", step=0.25)


def test_another_thread_has_a_door_of_its_own(rng):
    told = []

    @door("x (N,)")
    def outer(x):
        def inner():
            try:
                ops.softmax_forward([1.0])
            except InputError as error:
                told.append(str(error))

        thread = threading.Thread(target=contextvars.Context().run, args=(inner,))
        thread.start()
        thread.join()

    outer(np.ones(2))
    assert told == ["x: expected an array of NumPy or CuPy, got list"]


def test_after_an_error_the_door_is_there_again():
    for _ in range(2):
        with pytest.raises(InputError, match="x: expected"):
            ops.softmax_forward("text")

    @door("n count")
    def fails(n):
        raise KeyError(n)

    with pytest.raises(KeyError):
        fails(1)
    with pytest.raises(InputError, match="x: expected"):
        ops.softmax_forward("text")


def test_a_function_stays_what_it_was():
    assert list(inspect.signature(ops.layernorm_forward).parameters) == ["x", "g", "b", "eps"]
    assert ops.layernorm_forward.__doc__.startswith(
        "x some (..., D), g (D,), b (D,), eps number > 0 -> y (..., D)\n\n"
    )
    assert pickle.loads(pickle.dumps(ops.layernorm_forward)) is ops.layernorm_forward
    assert inspect.unwrap(ops.softmax_forward).__code__.co_name == "softmax_forward"
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'b'"):
        ops.layernorm_forward(np.ones(3), np.ones(3))
    with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
        ops.relu_forward(np.ones(3), y=1)


FIVE, GRID = np.ones(5), np.ones((2, 5))
WAYS, SHAPES = ("x", "y"), {"W": (2, 5)}


@pytest.mark.parametrize(
    "declaration, given, message",
    [
        ("a (N,), b (N,)", (FIVE, FIVE), None),
        ("a (N,), b (N,)", (FIVE, FIVE[:4]), "b: expected shape (5,), got (4,)"),
        ("a (N, N), b", (GRID, FIVE), "a: expected shape (N, N), got (2, 5)"),
        ("a (..., N), b (..., N, 2)", (GRID, FIVE), "b: expected shape (2, 5, 2), got (5,)"),
        ("a (N, *O), b (*O)", (GRID, FIVE), None),
        ("a (N, *O), b (*O, N)", (GRID, FIVE), "b: expected shape (5, 2), got (5,)"),
        ("a (M, N), b (1|M, N)", (GRID, GRID[:1]), None),
        ("a (M, N), b (1|M, N)", (GRID, GRID[[0, 0, 0]]), "b: expected shape (1 or 2, 5), got (3, 5)"),
        ("a (..., N), b (~..., N)", (GRID, FIVE), None),
        ("a (..., N), b (~..., N)", (GRID, GRID[[0, 0, 0]]),
         "b: expected leading axes that broadcast against (2,), got shape (3, 5)"),
        ("a (M, N), b mask ~(M, N)", (GRID, FIVE > 0), None),
        ("a (M, N), b mask ~(M, N)", (GRID, GRID[0, :4] > 0), "b: expected a shape that broadcasts to (2, 5), got (4,)"),
        ("a (M, N), b mask ~(M, N)", (GRID, GRID[[0]] < 0), "b: expected a key for every query, got none at query [0]"),
        ("a (M, N), T = N - M, b count <= T", (GRID, 4), "b: expected a whole number in 1..3, got 4"),
        ("a (M, N), b ids (M,) < N", (GRID, np.array([0, 5])), "b: expected ids in 0..4, got 5"),
        ("a (...), b scalar", (GRID, np.float32(1)), None),
        ("a some (...), b scalar?", (GRID[:0], None), "a: expected at least one entry, got shape (0, 5)"),
        ("a number > 0 <= 1, b count >= 0 < 3", (1, 2), None),
        ("a number > 0 <= 1, b", (0, FIVE), "a: expected a finite number > 0 and <= 1, got 0"),
        ("a in WAYS, b bool", ("z", True), """a: expected "x" or "y", got 'z'"""),
        ("a like SHAPES, b str", ({"W": GRID}, "text"), None),
        ("a like SHAPES, b", ({"W": FIVE}, FIVE), "W: expected shape (2, 5), got (5,)"),
        ("a Generator, b function", (np.random.default_rng(0), 3), "b: expected a function, got 3"),
        ("a ReluCache, b (*a.positive.shape)", (ops.relu_forward(GRID)[1], FIVE), "b: expected shape (2, 5), got (5,)"),
    ],
)  # fmt: skip
def test_every_kind_of_clause(declaration, given, message):
    @door(declaration)
    def function(a, b):
        return a, b

    if message is None:
        assert len(function(*given)) == 2
    else:
        with pytest.raises(InputError) as told:
            function(*given)
        assert str(told.value) == message


def test_what_a_clause_makes_of_an_argument_is_what_the_function_gets():
    @door("n count, ids ids (n,), doubled = 2 * n")
    def function(n, ids, doubled=0, *more):
        return n, ids.dtype, doubled, more

    n, dtype, doubled, more = function(np.int8(100), np.zeros(100, "uint8"), 1, 7)
    assert (type(n), dtype, doubled, more) == (int, "int64", 200, (7,))
    assert function(ids=np.zeros(1, int), n=1) == (1, "int64", 0, ())


def test_a_declaration_that_cannot_be_read_is_told():
    with pytest.raises(InputError, match="declaration: expected a clause such as .*, got x - 1"):
        door("y (N,), x - 1")(lambda x, y: None)
