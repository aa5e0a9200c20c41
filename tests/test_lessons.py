"""The frame that all lessons share does what it promises. That each runs, as a script and in the book: test_book."""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import matplotlib
import pytest

import marks

ROOT = Path(__file__).parent.parent
LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))


def run(script, *flags, folder, **env):
    env = {**os.environ, "TINYATTN_DEVICE": "cpu", "PYTHONPATH": os.pathsep.join(sys.path), **env}
    return subprocess.run([sys.executable, str(script), "--no-show", *map(str, flags)], cwd=folder, env=env,
                          capture_output=True, text=True, encoding="utf-8")  # fmt: skip


# Those of the others that train do it in experiments, whose own tests run them on the stand-in.
ON_DEVICE = [
    path for path in LESSONS if re.search(r"run\.device\.put", path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("lesson", ON_DEVICE, ids=lambda path: path.stem)
def test_a_lesson_runs_on_the_stand_in(lesson, tmp_path):
    """With --device gpu, and the strict stand-in where CuPy would be: nothing mixes the two kinds of array."""
    done = on_the_stand_in(lesson, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(
        (tmp_path / "out" / lesson.stem / "results.json").read_text(encoding="utf-8")
    )
    assert results["settings"]["device"] == "gpu:0" and results["versions"]["cupy"] == "stand-in"


def test_a_sweep_of_a_lesson_runs_where_the_lesson_does(tmp_path):
    body = (
        "from experiments import RecallTrial\npoints = [dict(pairs=2, vocab=4, width=8, batch=8, steps=2, judged=8)] * 2\n"
        "results = run.sweep(RecallTrial.results, points, 'points')\n"
        "print(run.device.name, [len(result['step']) for result in results])\nrun.finish({})"
    )
    done = on_the_stand_in(script(tmp_path, body), tmp_path)
    assert done.returncode == 0 and "gpu:0 [2, 2]" in done.stdout, done.stdout + done.stderr
    (kept,) = (tmp_path / "out" / "tiny" / "sweep").glob("*.json")
    assert json.loads(kept.read_text())["settings"]["device"] == "gpu:0"


@pytest.mark.parametrize(
    "body, device", [("run.finish({})", "cpu"), ("run.device\nrun.finish({'lr': 0.5})", "gpu:0")]
)
def test_a_record_says_where_was_computed(tmp_path, body, device):
    done = on_the_stand_in(script(tmp_path, body), tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "tiny" / "results.json").read_text())
    assert record["settings"]["device"] == device and ("cupy" in record["versions"]) == (
        device != "cpu"
    )
    assert record["settings"].get("lr", 0.5) == 0.5 and set(record["settings"]) <= {
        "seed",
        "quick",
        "device",
        "lr",
    }


def on_the_stand_in(path, folder):
    code = (
        "import runpy, sys; sys.path.insert(0, sys.argv[1]); import strict_cupy; sys.modules['cupy'] = strict_cupy; "
        "sys.argv = sys.argv[2:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    arguments = [str(Path(__file__).parent), str(path), "--quick", "--no-show", "--device", "gpu"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, env=env, capture_output=True, text=True,
                          encoding="utf-8")  # fmt: skip


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_the_derivations_that_a_lesson_prints_fit_a_page(lesson):
    text = lesson.read_text(encoding="utf-8")
    names = re.findall(r"lesson\.derivation\((.*?)\)", text)
    imports = "\n".join(re.findall(r"^(?:from tinyattn.*|import lesson)$", text, re.M))
    space: dict = {}
    exec(imports, space)
    for name in names:
        wide = [
            line
            for line in space["lesson"].derivation(eval(name, space)).splitlines()
            if len(line) > 88
        ]
        assert not wide, (
            f"the derivation above {name} has {len(wide)} lines wider than 88 columns: {wide[0]}"
        )


NOTEBOOK = """
import sys, types
sys.modules["ipykernel"] = types.ModuleType("ipykernel")
import matplotlib
matplotlib.use("Agg")
cells = [cell for cell in open(sys.argv[1], encoding="utf-8").read().split("# %%") if not cell.startswith(" [markdown]")]
for cell in cells:
    for _ in range(int(sys.argv[2])):
        exec(cell, globals())
"""


def as_a_notebook(path, folder, times=1, **env):
    """Run the code cells of a lesson, each so many times, as a notebook would."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TINYATTN_DEVICE": "", **env}
    return subprocess.run([sys.executable, "-c", NOTEBOOK, str(path), str(times)], cwd=folder, env=env, capture_output=True,
                          text=True, encoding="utf-8")  # fmt: skip


def test_a_notebook_beside_the_lessons_finds_frame_and_drawings(tmp_path):
    """In the folder where it is, and with nothing on the path but the library."""
    for name in ("lesson.py", "records.py", "marks.py", "template.py", "drawings/template.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "lessons" / name, tmp_path / name)
    done = as_a_notebook(tmp_path / "template.py", tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "template" / "halves.png").exists()


def test_cells_may_be_run_twice_and_a_claim_that_fails_is_one_clear_error(tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(
        "# %%\nimport lesson\nrun = lesson.start('tiny', quick=True, seed=3)\n"
        "# %%\nimport matplotlib.pyplot as plt\nrun.figure(plt.figure(), 'figure')\nrun.claim('two is even', True)\n"
        "run.claim('three is even', SEEN)\n# %%\nrun.finish({})\n"
    )
    whole = path.read_text()
    path.write_text(whole.replace("SEEN", "True"))
    done = as_a_notebook(path, tmp_path, 2)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "tiny" / "results.json").read_text(encoding="utf-8"))
    assert record["figures"] == {"figure.png": ""} and len(record["claims"]) == 2
    assert record["seed"] == 3 and record["settings"]["quick"]
    path.write_text(whole.replace("SEEN", "False"))
    done = as_a_notebook(path, tmp_path)
    assert done.stderr.splitlines()[-1] == "lesson.ClaimError: claim does not hold: three is even"


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--device", "tpu"], "error: device: expected"),
        (["--seed", "abc"], "error: --seed: expected a whole number, got 'abc'"),
        (["--sead", "1"], "error: unrecognized arguments: --sead 1"),
        (["--seed", "-1"], "error: --seed: expected a whole number >= 0, got -1"),
        (
            ["--out", "taken/inside"],
            "error: --out: expected a folder that can be written, got taken",
        ),
        (["--out", "taken"], "error: --out: expected a folder that can be written, got taken"),
    ],
)
def test_bad_input_is_one_line_without_a_traceback(tmp_path, flags, message):
    (tmp_path / "taken").write_text("a file, not a folder")
    done = run(LESSONS[0], "--quick", *flags, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if path.name != "out"] == ["taken"]


def script(folder, body, name="tiny"):
    path = folder / f"{name}.py"
    path.write_text(f'import lesson\nrun = lesson.start("{name}")\n{body}')
    return path


def test_a_claim_that_does_not_hold_is_status_1_and_one_line(tmp_path):
    body = "run.claim('two is even', True)\nrun.claim('three is even', False)\nrun.finish({}, number=3)"
    done = run(script(tmp_path, body), folder=tmp_path)
    assert done.returncode == 1 and done.stderr == "claim does not hold: three is even\n"
    assert "DOES NOT HOLD: three is even" in done.stdout
    results = json.loads((tmp_path / "out" / "tiny" / "results.json").read_text())
    assert results["number"] == 3 and results["claims"] == {
        "two is even": True,
        "three is even": False,
    }


def test_a_run_that_diverges_is_one_line_and_a_bug_keeps_its_traceback(tmp_path):
    body = (
        "import numpy as np\nfrom tinyattn import optim, train\n"
        "nan = lambda p, b: (np.float64('nan'), p)\n"
        "train.train(nan, {'w': np.ones(1)}, [0], optim.SGD(0.1), steps=1)"
    )
    done = run(script(tmp_path, body), folder=tmp_path)
    assert (
        done.returncode == 1
        and done.stderr == "error: loss at step 0: expected a finite number, got nan\n"
    )
    done = run(script(tmp_path, "1 / 0"), folder=tmp_path)
    assert (
        done.returncode == 1 and "Traceback" in done.stderr and "ZeroDivisionError" in done.stderr
    )


def test_figures_and_tables(tmp_path):
    body = (
        "import numpy as np, matplotlib.pyplot as plt\nfrom tinyattn import plot\nimport marks\n"
        "fig, ax = plt.subplots()\nplot.attention_map(ax, np.eye(3, 4), 'map')\nmarks.reference(ax, 0.5, 'half')\n"
        "run.figure(fig, 'map')\nrun.compare([('a', None, 0.123456), ('b', 2, np.float64(3))])\n"
        "run.finish({}, array=np.arange(3), nested={'x': [np.float32(0.5), None]})"
    )
    done = run(script(tmp_path, body), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "tiny" / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "a |     - | 0.1235" in done.stdout and "b |     2 |      3" in done.stdout
    results = json.loads((tmp_path / "out" / "tiny" / "results.json").read_text())
    assert results["array"] == [0, 1, 2] and results["nested"] == {"x": [0.5, None]}


def test_in_a_notebook_the_command_line_is_not_ours(tmp_path):
    path = script(tmp_path, "run.finish({})")
    path.write_text(
        "import sys, types\nsys.modules['ipykernel'] = types.ModuleType('ipykernel')\n"
        + path.read_text()
    )
    done = run(path, "--seed", 9, "-f", "kernel.json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "tiny" / "results.json").read_text())["seed"] == 0


def test_maps_have_the_first_query_on_top_and_true_labels():
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    from tinyattn import attention, plot
    from tinyattn.errors import InputError

    fig, ax = plt.subplots()
    s = np.arange(12.0).reshape(3, 4) / 12
    image = plot.attention_map(ax, s, "title", first_query=1, visible=attention.causal(3, 4))
    assert (
        ax.yaxis_inverted()
        and np.array_equal(image.get_array().data, s)
        and image.get_clim() == (0, 1)
    )
    assert image.get_array().mask.tolist() == (~attention.causal(3, 4)).tolist()
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "1",
        "2",
        "3",
    ] and ax.get_ylabel() == "query position"
    for draw in (plot.attention_map, lambda ax, s, **how: plot.heads_map(ax, s[None], **how)):
        draw(ax, s, first_query=1, tokens=["the", "$cat", "sat", "down"])
        assert [label.get_text() for label in ax.get_yticklabels()] == [r"\$cat", "sat", "down"]
        assert [label.get_text() for label in ax.get_xticklabels()][
            0
        ] == "the" and ax.get_xlabel() == "key token"
    with pytest.raises(InputError, match="tokens: expected 4, one for each position, got 3"):
        plot.attention_map(ax, s, first_query=1, tokens=["a", "b", "c"])
    marks.slope(ax, [1, 10], 2.0, 2, "square")
    assert ax.lines[-1].get_ydata().tolist() == [2, 200]
    plt.close(fig)


def test_the_derivation_is_the_one_in_the_library():
    matplotlib.use("Agg")
    import lesson
    from tinyattn import attention, ops

    assert lesson.derivation(ops.softmax_forward).startswith("Softmax of the last axis\n")
    text = lesson.derivation(attention.attend_forward)
    assert text.startswith("Attend: ") and "da_tj = s_tj dy_t . (v_j - y_t)" in text
    decorated = functools.wraps(attention.attend_forward)(
        lambda *arguments: attention.attend_forward(*arguments)
    )
    assert lesson.derivation(decorated) == text


def test_data_is_never_markup_in_a_figure(tmp_path):
    """Words that mean something to matplotlib or to a terminal, drawn and printed as they stand."""
    words = [
        r"$\\frac$",
        "$",
        "$x$ $y",
        r"\$",
        "_hidden",
        "%s {}",
        "\x1b[31m",
        "भाषा",
        "\x00",
        "a\nb",
    ]
    body = (
        f"import matplotlib.pyplot as plt\nfrom tinyattn import plot\nwords = {words!r}\nfig, ax = plt.subplots()\n"
        "for i, word in enumerate(words):\n    ax.plot([0, 1], [i, i], label=f'\u201c{plot.plain(word)}\u201d')\n"
        "    ax.text(0, i, plot.plain(word))\nax.set_title(plot.plain(words[0]))\nlegend = ax.legend()\n"
        "run.figure(fig, 'words')\nrun.compare([(word, None, word) for word in words])\n"
        "print(len(legend.get_texts()) == len(words))\nrun.finish({})"
    )
    path = script(tmp_path, body)
    path.write_text(path.read_text(), encoding="utf-8")
    done = run(path, folder=tmp_path, PYTHONWARNINGS="ignore")
    assert done.returncode == 0, done.stderr
    assert (
        "True" in done.stdout
        and "\x1b" not in done.stdout
        and (tmp_path / "out" / "tiny" / "words.png").exists()
    )


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp932", "utf-16"])
def test_output_never_fails_for_its_letters(tmp_path, encoding):
    body = (
        "print('\u03b4\u2248\u6f22 caf\u00e9', '\udcff')\nrun.compare([('\u03bb', None, '\u2192')])\n"
        "run.claim('\u221a2', True)\nrun.finish({})"
    )
    path = script(tmp_path, "", "letters")
    path.write_text(path.read_text() + body.encode("ascii", "backslashreplace").decode())
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TINYATTN_DEVICE": "cpu",
        "PYTHONIOENCODING": encoding,
    }
    done = subprocess.run(
        [sys.executable, path, "--no-show"], cwd=tmp_path, env=env, capture_output=True
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert b"udcff" in done.stdout.replace(b"\x00", b"")


def test_results_of_an_earlier_run_are_set_aside_and_a_resume_wants_a_checkpoint(tmp_path):
    body = "import matplotlib.pyplot as plt\nrun.figure(plt.figure(), 'figure')\nrun.finish({}, number=run.options.seed)"
    path = script(tmp_path, body)
    out = tmp_path / "out" / "tiny"
    for seed in (1, 2, 3):
        assert run(path, "--seed", seed, folder=tmp_path).returncode == 0
    assert sorted(file.name for file in out.iterdir()) == ["earlier", "figure.png", "results.json"]
    assert [
        json.loads((place / "results.json").read_text())["number"]
        for place in (out, out / "earlier")
    ] == [3, 2]
    stopped = script(tmp_path, "raise KeyboardInterrupt")
    done = run(stopped, folder=tmp_path)
    assert done.returncode == 130 and done.stderr == "interrupted\n"
    assert [file.name for file in out.iterdir()] == ["earlier"], (
        "what was there does not pass for this run's"
    )
    ladder = next(path for path in LESSONS if path.stem.endswith("climbing_the_ladder"))
    done = run(ladder, "--quick", "--resume", "--out", "empty", folder=tmp_path)
    assert (
        done.returncode == 2
        and done.stderr == "error: --resume: expected a checkpoint in empty, got none\n"
    )
    assert not (tmp_path / "empty").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_a_sweep_that_is_interrupted_says_what_is_kept_and_leaves_no_process(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import os, time\ndef trial(s):\n    open(f'pid_{os.getpid()}', 'w').close()\n"
        "    time.sleep(0.05 if s['x'] < 2 else 60)\n    return s['x']\n"
    )
    path = script(
        tmp_path, "import slow\nrun.sweep(slow.trial, [{'x': x} for x in range(6)], 'points')"
    )
    env = {
        **os.environ,
        "TINYATTN_DEVICE": "cpu",
        "PYTHONPATH": os.pathsep.join([*sys.path, str(tmp_path)]),
    }
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen([sys.executable, path, "--no-show"], cwd=tmp_path, env=env, preexec_fn=heed,
                               start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    kept = tmp_path / "out" / "tiny" / "sweep"
    while len(list(kept.glob("*.json"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err.startswith(
        "interrupted in points; what has finished is kept in out/tiny/sweep; to go on: "
    )
    assert err.count("\n") == 1 and len(list(kept.glob("*.json"))) == 2
    deadline = time.monotonic() + 10
    pids = [int(path.name[4:]) for path in tmp_path.glob("pid_*")]
    assert len(pids) >= 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            while time.monotonic() < deadline:
                os.kill(pid, 0)
                time.sleep(0.05)


def test_maps_that_cannot_be_drawn_are_one_clear_line():
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    from tinyattn import plot
    from tinyattn.errors import InputError

    fig, ax = plt.subplots()
    s, hidden = np.ones((3, 4)), np.tri(3, 4, 1, dtype=bool)
    holes = np.where(hidden, s, np.nan)
    plot.attention_map(ax, holes, visible=hidden)
    plot.heads_map(ax, np.ones((8, 3, 4)))
    for call, message in [
        (
            lambda: plot.attention_map(ax, np.ones((2, 3, 4))),
            r"s: expected a map \(T, S\), got shape \(2, 3, 4\)",
        ),
        (lambda: plot.attention_map(ax, holes), "s: expected finite numbers, got NaN"),
        (
            lambda: plot.attention_map(ax, s, visible=hidden[:2]),
            r"visible: expected booleans of shape \(3, 4\)",
        ),
        (lambda: plot.attention_map(ax, s, tokens="abcd"), "tokens: expected a list of texts, got"),
        (lambda: plot.attention_map(fig, s), "ax: expected axes of matplotlib"),
        (
            lambda: plot.heads_map(ax, np.ones((9, 3, 4))),
            "s: expected maps of at most 8 heads, a colour each, got 9",
        ),
        (lambda: plot.heads_map(ax, s), r"s: expected a map \(H, T, S\), got shape \(3, 4\)"),
        (lambda: marks.slope(ax, [0, 1], 1.0, 2.0, "law"), "x: expected positive numbers"),
        (lambda: marks.reference(ax, np.nan, "bound"), "value: expected a finite number, got nan"),
    ]:
        with pytest.raises(InputError, match=f"^{message}"):
            call()
    plt.close(fig)


def test_files_that_are_not_the_lessons_stay_where_they_are(tmp_path):
    out = tmp_path / "out" / "tiny"
    (out / "earlier").mkdir(parents=True)
    for name in ("holiday.png", "earlier/thesis.txt", "earlier/holiday.png"):
        (out / name).write_text("mine")
    path = script(
        tmp_path,
        "import matplotlib.pyplot as plt\nrun.figure(plt.figure(), 'figure')\nrun.finish({})",
    )
    for _ in range(3):
        assert run(path, folder=tmp_path).returncode == 0
    assert (out / "earlier" / "figure.png").exists() and (out / "earlier" / "results.json").exists()
    assert all(
        (out / name).read_text() == "mine"
        for name in ("holiday.png", "earlier/thesis.txt", "earlier/holiday.png")
    )
