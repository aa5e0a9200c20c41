"""Every stub of lessons/practice fails in one line before it is answered, passes with an answer, and fails with a wrong
one; its hints, its notebook and its place in the tables."""

import ast
import re
import runpy
import subprocess
import sys
import textwrap
import types
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "lessons" / "practice"
STUBS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
FRAME = ("practice", "frame", "steps", "circuit", "diagnosis")


class Answer(NamedTuple):
    """What is written into a stub: code that replaces the function, or the dict, of this name.

    kind: of a wrong one, what is said of it; of a wrong gradient, the kind of mistake.
    """

    stub: str
    name: str
    code: str
    kind: str = ""


# ---- answers: from the library, or written here

NEWTON = (
    "z = y.copy()\nfor _ in range(50):\n    r = z - y - h * f({t}, z)\n"
    "    z = z {sign} np.linalg.solve(np.eye(len(y)) {inner} h * jacobian({t}, z), r)\nreturn z"
)

RIGHT = [
    Answer("01_score", "backward", "s, v, y = cache\nreturn s * dy * (v - y), s * dy"),
    Answer("01_softmax", "backward",
           "from tinyattn import ops\nreturn ops.softmax_backward(dy, ops.SoftmaxCache(*cache))"),
    Answer("02_find_the_mistake", "answers", "__import__('diagnosis').drawn()"),
    Answer("03_attend", "backward",
           "from tinyattn import attention\n"
           "return attention.attend_backward(dy, attention.AttendCache(*cache))"),
    Answer("03_first_push", "paper",
           "{'s': [1 / 3] * 3, 'y': [0.693, 1.386], 'p': [0.333, 0.667], 'dy': [-0.667, 0.667],\n"
           " 'da': [-0.616, 0.308, 0.308]}"),
    Answer("03_multihead", "backward",
           "from tinyattn import attention as at\nq, k, v, s = cache\n"
           "return at.multihead_backward(dy, at.MultiheadCache(q, k, at.AttendCache(s, v)))"),
    Answer("03_shared_input", "backward",
           "from tinyattn import attention as at\nx, W_Q, W_K, W_V, *_ = cache\n"
           "heads = [W[:, None] for W in (W_Q, W_K, W_V)]\n"
           "_, kept = at.self_attention_forward(x, *heads, np.eye(dy.shape[-1])[None])\n"
           "dx, dQ, dK, dV, _ = at.self_attention_backward(dy, kept)\n"
           "return dx, dQ[:, 0], dK[:, 0], dV[:, 0]"),
    Answer("04_euler", "step", "from tinyattn import ode\nreturn ode.euler_step(f, t, y, h)"),
    Answer("05_from_a_table", "step",
           "k = []\n"
           "for c, row in zip(table['c'], table['A']):\n"
           "    k.append(f(t + c * h, y + h * sum(w * one for w, one in zip(row, k))))\n"
           "return y + h * sum(w * one for w, one in zip(table['b'], k))"),
    Answer("05_implicit", "step", NEWTON.format(t="t + h", sign="-", inner="-")),
    Answer("06_two_numbers", "flow", "return tuple(TwoNumbers(T, d)(0.0, np.array([w, Delta])))"),
    Answer("09_heads_flow", "flow",
           "from tinyattn import ops\n"
           "s = attention(a)\nR = G - V.T @ s\n"
           "return s @ R.T, ops.softmax_backward(V @ R, ops.SoftmaxCache(s))"),
    Answer("12_layernorm", "backward",
           "from tinyattn import ops\nreturn ops.layernorm_backward(dy, ops.LayerNormCache(*cache))"),
    Answer("18_circuit", "layers",
           "first = {name: np.zeros((D, D)) for name in ('W_Q', 'W_K', 'W_V')}\n"
           "second = {name: np.zeros((D, D)) for name in first}\n"
           "first['W_Q'][PLACE, PLACE] = 200 * np.eye(9, k=-1)\n"
           "first['W_K'][PLACE, PLACE] = np.eye(9)\n"
           "first['W_V'][TOKEN, BEFORE] = np.eye(8)\n"
           "second['W_Q'][TOKEN, BEFORE] = 200 * np.eye(8)\n"
           "second['W_K'][BEFORE, BEFORE] = np.eye(8)\n"
           "second['W_Q'][16, 16] = 200\n"
           "second['W_K'][[9, 11, 13, 15], 16] = 1\n"
           "second['W_V'][TOKEN, ANSWER] = np.eye(8)\n"
           "return {**first, 'W_O': np.eye(D)}, {**second, 'W_O': np.eye(D)}"),
]  # fmt: skip
CIRCUIT = RIGHT[-1].code

# Three wrong ones each, or more.
SOFTMAX_OF = "s * (ds - (s * ds).sum(axis=-1, keepdims=True))"
ATTEND = "ds = dy @ v.swapaxes(1, 2)\ndv = s.swapaxes(1, 2) @ dy\nda = " + SOFTMAX_OF + "\n"
ROW = "q, k, v, s = cache\n" + ATTEND + "da = da / math.sqrt(q.shape[2])\n"
SHARED = (
    "x, W_Q, W_K, W_V, q, k, v, s = cache\nds, dv = dy @ v.T, s.T @ dy\nda = " + SOFTMAX_OF + "\n"
    "da = da / math.sqrt(q.shape[1])\ndq, dk = da @ k, da.T @ q\n"
)
NORM = (
    "n, r, g = cache\ndn = g * dy\nmean = lambda z: z.mean(axis=1, keepdims=True)\n"
    "dx = r * (dn - mean(dn) - n * mean(n * dn))\n"
)
PAPER = "{{'s': [1 / 3] * 3, 'y': {y}, 'p': {p}, 'dy': {dy}, 'da': {da}}}"
TWO = (
    "s = 1 / ((T - 1) * np.exp(-Delta) + 1)\nmissing = s * w - np.sqrt(d)\nother = (1 - s) * w / (T - 1)\n"
    "dw = -(s * missing + (1 - s) * other) / d\ndD = -s * (1 - s) * w * (missing - other) / d\n"
)

WRONG = [
    Answer("01_score", "backward", "s, v, y = cache\nreturn -s * dy * (v - y), s * dy", "sign"),
    Answer("01_score", "backward", "s, v, y = cache\nreturn s * dy * v, s * dy", "missing"),
    Answer("01_score", "backward", "s, v, y = cache\nreturn s * (v - y), s * dy", "dy"),
    Answer("01_softmax", "backward", "(y,) = cache\nreturn y * dy", "missing"),
    Answer("01_softmax", "backward",
           "(y,) = cache\nreturn y * ((y * dy).sum(axis=1, keepdims=True) - dy)", "sign"),
    Answer("01_softmax", "backward",
           "(y,) = cache\nreturn 2 * y * (dy - (y * dy).sum(axis=1, keepdims=True))", "twice"),
    Answer("02_find_the_mistake", "answers", "{1: 'a', 2: 'b', 3: 'c', 4: 'd', 5: 'e'}", "here others are"),
    Answer("02_find_the_mistake", "answers",
           "{**__import__('diagnosis').drawn(), 2: 'e', 3: 'a'}", "look at the numbers"),
    Answer("02_find_the_mistake", "answers", "{1: 'g', 2: 'a', 3: 'e', 4: 'h', 5: 'z'}", "got 'z' for 5"),
    Answer("03_attend", "backward", "s, v = cache\n" + ATTEND + "return da, -dv", "sign"),
    Answer("03_attend", "backward",
           "s, v = cache\n" + ATTEND + "return da, np.repeat(dv.mean(axis=1, keepdims=True), v.shape[1], 1)",
           "averaged over axis 1"),
    Answer("03_attend", "backward", "s, v = cache\n" + ATTEND + "return da[:, ::-1], dv", "reversed"),
    Answer("03_attend", "backward", "s, v = cache\n" + ATTEND + "return 0 * da, dv", "zero"),
    Answer("03_first_push", "paper",
           PAPER.format(y="[1.386, 0.693]", p="[0.667, 0.333]", dy="[-0.333, 0.333]", da="[-0.1, 0.05, 0.05]"),
           "y        wrong"),
    Answer("03_first_push", "paper",
           PAPER.format(y="[0.693, 1.386]", p="[0.333, 0.667]", dy="[0.667, -0.667]", da="[0.616, -0.308, -0.308]"),
           "sign is reversed"),
    Answer("03_first_push", "paper",
           PAPER.format(y="[0.693, 1.386]", p="[0.333, 0.667]", dy="[-0.667, 0.667]", da="[-1.848, 0.924, 0.924]"),
           "3 times what it should be"),
    Answer("03_multihead", "backward",
           ROW + "dq, dk = da @ k, da.swapaxes(1, 2) @ q\nreturn dq * math.sqrt(q.shape[2]), dk, dv", "factor"),
    Answer("03_multihead", "backward",
           ROW + "dq, dk = da @ k, da.swapaxes(1, 2) @ q\nreturn dq[::-1], dk, dv", "reversed"),
    Answer("03_multihead", "backward",
           ROW + "dq, dk = da @ k, da.swapaxes(1, 2) @ q\n"
           "return dq.mean(axis=0, keepdims=True) + 0 * dq, dk, dv", "mean"),
    Answer("03_multihead", "backward",
           ROW + "dq, dk = da @ k, da.swapaxes(1, 2) @ q\nreturn -dq, -dk, dv", "sign"),
    Answer("03_shared_input", "backward",
           SHARED + "return dq @ W_Q.T + dv @ W_V.T, x.T @ dq, x.T @ dk, x.T @ dv", "contribution"),
    Answer("03_shared_input", "backward",
           SHARED + "return dq @ W_Q.T + 2 * dk @ W_K.T + dv @ W_V.T, x.T @ dq, x.T @ dk, x.T @ dv",
           "twice"),
    Answer("03_shared_input", "backward",
           SHARED + "return dq @ W_Q.T + dk @ W_K.T + dv @ W_V.T, x.T @ dk, x.T @ dq, x.T @ dv", "wrong"),
    Answer("04_euler", "step", "return y + f(t, y)", "h is missing"),
    Answer("04_euler", "step", "return y - h * f(t, y)", "sign is reversed"),
    Answer("04_euler", "step", "return h * f(t, y)", "y itself is missing"),
    Answer("05_from_a_table", "step",
           "k = []\nfor c, row in zip(table['c'], table['A']):\n"
           "    k.append(f(t, y + h * sum(w * one for w, one in zip(row, k))))\n"
           "return y + h * sum(w * one for w, one in zip(table['b'], k))", "look at the times"),
    Answer("05_from_a_table", "step",
           "k = []\nfor c, row in zip(table['c'], table['A']):\n    k.append(f(t + c * h, y))\n"
           "return y + h * sum(w * one for w, one in zip(table['b'], k))", "look at the points"),
    Answer("05_from_a_table", "step",
           "k = []\nfor c, row in zip(table['c'], table['A']):\n"
           "    k.append(f(t + c * h, y + h * sum(w * one for w, one in zip(row, k))))\n"
           "return y + h * sum(w * one for w, one in zip(table['b'][1:], k[1:]))", "times h f(t, y)"),
    Answer("05_implicit", "step", "return y + h * f(t, y)", "it grows"),
    Answer("05_implicit", "step", NEWTON.format(t="t", sign="-", inner="-"), "another time"),
    Answer("05_implicit", "step", NEWTON.format(t="t + h", sign="-", inner="+"), "I − h J"),
    Answer("06_two_numbers", "flow", TWO + "return -dw, -dD", "sign is reversed"),
    Answer("06_two_numbers", "flow", TWO + "return dw * d, dD", "16 times"),
    Answer("06_two_numbers", "flow", TWO + "return -s * missing / d, dD", "should be"),
    Answer("09_heads_flow", "flow",
           "s = attention(a)\nR = G - V.T @ s\nds = V @ R\nreturn -s @ R.T, -(" + SOFTMAX_OF + ")", "sign"),
    Answer("09_heads_flow", "flow", "s = attention(a)\nR = G - V.T @ s\nds = V @ R\nreturn s @ R.T, s * ds",
           "is the row sum of a softmax"),
    Answer("09_heads_flow", "flow",
           "s = attention(a)\nR = G - V.T @ s\nds = V @ R\nreturn (s @ R.T)[::-1], " + SOFTMAX_OF, "reversed"),
    Answer("12_layernorm", "backward", NORM + "return dx, (dy * n).mean(axis=0), dy.sum(axis=0)", "mean"),
    Answer("12_layernorm", "backward", NORM + "return r * dn, (dy * n).sum(axis=0), dy.sum(axis=0)",
           "terms of mean and variance along axis 1"),
    Answer("12_layernorm", "backward",
           NORM + "return dx, (dy * n).sum(axis=0), np.full(dy.shape[1], dy.sum(axis=0).mean())", "broadcast"),
    Answer("12_layernorm", "backward", NORM + "return dx, dy.sum(axis=0), (dy * n).sum(axis=0)", "wrong"),
    Answer("18_circuit", "layers", CIRCUIT.replace("k=-1", "k=0"), "layer 1 does not read the place before"),
    Answer("18_circuit", "layers", CIRCUIT.replace("second['W_Q'][16, 16] = 200\n", ""), "layer 2 looks elsewhere"),
    Answer("18_circuit", "layers", CIRCUIT.replace("second['W_V'][TOKEN, ANSWER]", "second['W_V'][TOKEN, TOKEN]"),
           "see what they write"),
]  # fmt: skip


def path_of(stub):
    return FOLDER / f"{stub}.py"


def answered(answer):
    """The text of a stub with an answer written into it."""
    text = path_of(answer.stub).read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == answer.name:
            body = textwrap.indent(answer.code, "    ").splitlines()
            lines[node.lineno : node.end_lineno] = body
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == answer.name:
            lines[node.lineno - 1 : node.end_lineno] = [f"{answer.name} = {answer.code}"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a stub, or the text of one, in this process: (its status, stdout, stderr)."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in FRAME:
        monkeypatch.delitem(sys.modules, name, raising=False)

    def one(stub, *flags, text=None):
        path = path_of(stub)
        if text is not None:
            path = tmp_path / path.name
            path.write_text(text, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", [str(path), *flags])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(path), run_name="__main__")
        said = capsys.readouterr()
        return end.value.code or 0, said.out, said.err

    yield one
    for name in FRAME:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("stub", [path.stem for path in STUBS])
def test_before_it_is_answered_a_stub_fails_in_one_line(run, stub):
    status, out, err = run(stub)
    assert status == 1 and err.count("\n") == 1 and err.startswith("not yet: ")
    assert re.search(r"expected .*, got .*: write (it|them) in lessons/practice/" + stub, err), err
    assert "Traceback" not in out + err and f"python lessons/practice/{stub}.py --hint" in out


@pytest.mark.parametrize("answer", RIGHT, ids=lambda answer: answer.stub)
def test_with_an_answer_it_is_done(run, answer):
    status, out, err = run(answer.stub, text=answered(answer))
    assert (status, err) == (0, ""), out + err
    assert out.splitlines()[-1].startswith("done; "), out


@pytest.mark.parametrize("answer", WRONG, ids=[f"{answer.stub}-{answer.kind}" for answer in WRONG])
def test_with_a_wrong_answer_it_fails_and_says_what_helps(run, answer):
    status, out, err = run(answer.stub, text=answered(answer))
    assert status == 1 and err.startswith("not yet: ") and err.count("\n") == 1, out + err
    assert "done" not in out and "Traceback" not in out + err
    assert answer.kind in out + err, out + err


def test_every_stub_has_an_answer_and_three_that_are_wrong():
    stubs = [path.stem for path in STUBS]
    assert len(stubs) >= 13 and sorted(answer.stub for answer in RIGHT) == stubs
    for stub in stubs:
        assert len([answer for answer in WRONG if answer.stub == stub]) >= 3, stub


# ---- what a reader types instead of an answer


@pytest.mark.parametrize("code, told", [
    ("return s @ dy, None", "got (array"),
    ("...", "expected da (2, 3, 5), dv (2, 5, 4), got None"),
    ("return dy", "got 1 in the place of 2"),
    ("return dy, dy", "got da (2, 3, 4), dv (2, 3, 4)"),
    ("return 'da', 'dv'", "got ('da', 'dv')"),
    ("s, v = cache\n    da = s @ dy\n    return da, da", "backward: ValueError: matmul"),
    ("return undefined", "backward: NameError: name 'undefined' is not defined, in 03_attend.py, line"),
])  # fmt: skip
def test_what_cannot_be_judged_is_told_in_one_line(run, code, told):
    code = code.replace("\n    ", "\n")
    if "matmul" not in told:
        code = "s, v = cache\n" + code
    text = answered(Answer("03_attend", "backward", code))
    if told.startswith("got (array"):
        text = text.replace("s @ dy, None", "v, None")
    status, _, err = run("03_attend", text=text)
    assert status == 1 and told in err and err.count("\n") == 1, err


@pytest.mark.parametrize("y", ["[1, 2, 3]", "['ln 2', 1]", "0.5"])
def test_numbers_on_paper_that_cannot_be_read_are_told_in_one_line(run, y):
    paper = PAPER.format(y=y, p="[0, 0]", dy="[0, 0]", da="[0, 0, 0]")
    status, _, err = run("03_first_push", text=answered(Answer("03_first_push", "paper", paper)))
    assert (status, err) == (1, f"not yet: y: expected 2 numbers, got {eval(y)!r}\n")


def test_input_that_cannot_be_used_is_status_2(run):
    text = answered(RIGHT[0]).replace('{"a": a, "v": v}', '{"a": a, "v": [1, 2, 4, 8]}')
    status, _, err = run("01_score", text=text)
    assert status == 2 and err.startswith("error: ") and err.count("\n") == 1, err


@pytest.mark.parametrize("stub", [path.stem for path in STUBS])
def test_hints_come_one_by_one(run, stub):
    _, first, err = run(stub, "--hint")
    assert err == "" and re.match(r"1\. \S", first) and "\n2. " not in first
    assert run(stub, "--hint", "1")[1] == first
    status, out, _ = run(stub, "--hint", "3")
    assert (
        status == 0
        and out.startswith(first)
        and re.findall(r"^(\d)\. ", out, re.M) == ["1", "2", "3"]
    )


@pytest.mark.parametrize("flag, told", [
    (["--hint", "4"], "error: --hint: expected 1, 2 or 3, got 4\n"),
    (["--hint", "0"], "error: --hint: expected 1, 2 or 3, got 0\n"),
    (["--hint", "x"], "error: --hint: expected a whole number, got 'x'\n"),
    (["--answer"], "error: unrecognized arguments: --answer\n"),
])  # fmt: skip
def test_a_flag_that_cannot_be_used_is_status_2(run, flag, told):
    assert run("01_score", *flag) == (2, "", told)


def test_help_tells_the_question_and_the_hints(run):
    status, out, _ = run("01_score", "--help")
    assert status == 0 and "A score moves the output" in out and "the first two or three" in out


# ---- what a stub is


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.stem)
def test_a_stub_says_its_question_and_holds_no_answer(path):
    text = path.read_text(encoding="utf-8")
    head = text.split("\n\n")[0]
    assert head.startswith("# %% [markdown]\n# # Practice: ") and "**Question.** " in head
    assert re.search(r"\*\*Takes\*\* \d+ minutes, (easy|medium|hard)", head), (
        "minutes and difficulty"
    )
    assert f"**After** lesson {path.stem[:2]}" in head
    last = text.split("# %% [markdown]\n")[-1]
    assert last.startswith("# ## Hints\n") and re.findall(r"^# (\d)\. ", last, re.M) == [
        "1",
        "2",
        "3",
    ]
    for number, line in enumerate(text.splitlines(), 1):
        assert len(line) <= (88 if line.startswith("# ") else 100), f"line {number} is too wide"
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in getattr(node, "names", ()) if isinstance(alias, ast.alias)]
        used = (
            getattr(node, "module", None) or getattr(node, "attr", None) or getattr(node, "id", "")
        )
        for name in [*names, used]:
            assert not re.search(
                r"_backward|_step\b|^(ops|attention|pairs|ode|bdf)$|factorization", name
            ) or (
                name == "attention" and path.stem == "09_heads_flow"  # a function of its own
            ), f"{name} would be an answer"


def test_the_table_of_practice_lists_every_stub():
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if line.startswith("| [")]
    assert len(rows) == len(STUBS)
    for path, row in zip(STUBS, rows):
        head = path.read_text(encoding="utf-8")
        minutes, difficulty = re.search(r"\*\*Takes\*\* (\d+) minutes, (\w+)", head).groups()
        file = f"| [{path.name}]({path.name}) | {path.stem[:2]} | {minutes} min | {difficulty} | "
        assert row.startswith(file), f"expected a row that begins {file}"


def test_a_stub_leads_to_the_next():
    for path, after in zip(STUBS, STUBS[1:]):
        text = path.read_text(encoding="utf-8")
        assert f"Next: {after.name}" in re.sub(r'"\n\s+"', "", text), f"{path.name}: {after.name}"


def test_in_a_notebook_it_says_so_and_goes_on(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    for text, told in (
        (path_of("01_score").read_text(encoding="utf-8"), "got None: write it in its cell\n"),
        (answered(RIGHT[0]), "done; "),
    ):
        space: dict = {}
        for cell in text.split("# %%"):
            if not cell.startswith(" [markdown]"):
                exec(cell, space)
        assert told in capsys.readouterr().out
    for name in FRAME:
        sys.modules.pop(name, None)


def test_a_stub_runs_from_the_folder_of_the_project():
    """As a reader starts it, with nothing on the path but the library."""
    command = [sys.executable, "lessons/practice/01_score.py"]
    env = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 1 and done.stderr.startswith(
        "not yet: backward: expected da (4,), dv (4,)"
    )


# ---- in the book


def test_a_lessons_page_leads_to_its_practice_and_hints_fold():
    import book

    lesson = 'run = lesson.start("01_one_head_by_hand")\n'
    last = book.read_lesson(f"# %%\n{lesson}").cells[-1].source
    assert last.startswith("**Practice.** ") and last.count("](practice/01_") == 2
    stub = book.read_lesson(path_of("01_score").read_text(encoding="utf-8"))
    assert stub.cells[-1].source.startswith("<details>\n<summary>Hints</summary>")
    assert "**Practice" not in stub.cells[-1].source
