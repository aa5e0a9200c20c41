import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tinyattn import trials
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import InputError

TINY = dict(pairs=2, vocab=4, width=16, batch=32, judged=64, every=20)


def test_recall_is_learnt_by_two_layers_and_not_by_one():
    two, one = (trials.recall.run({**TINY, "depth": depth, "scale": 0.7, "lr": 3e-3, "steps": 1500}) for depth in (2, 1))
    assert two["solved"] is not None and two["weak"] <= two["emerged"] <= two["solved"] <= two["step"][-1]
    assert two["matching"][-1][-1] > 0.7 and len(two["matching"]) == len(two["step"]) == len(two["clean_accuracy"])
    assert one["solved"] is None and max(one["clean_accuracy"]) < 0.9 and "previous_token" not in one
    with_previous = trials.recall.run({**TINY, "depth": 1, "previous": True, "scale": 0.7, "lr": 3e-3, "steps": 1500})
    assert with_previous["solved"] is not None, "one layer whose input carries the token before"


def test_on_a_task_with_repetition_both_accuracies_are_recorded():
    found = trials.recall.run({**TINY, "repeats": 1.5, "steps": 40})
    assert len(found["own_accuracy"]) == len(found["clean_accuracy"]) == 3 and found["step"] == [0, 20, 40]
    assert "own_accuracy" not in trials.recall.run({**TINY, "steps": 20})


def test_repetition_adapts():
    adaptive = trials.AdaptiveRepetition(start=0.0, up=0.2, most=0.5, still=0.05, emerged=0.8)
    losses = (3.0, 2.99, 2.98, 2.97, 2.7, 2.3, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1)
    seen = [adaptive.p(losses[: i + 1]) for i in range(len(losses))]
    assert seen[:8] == pytest.approx([0.0, 0.2, 0.4, 0.5, 0.5, 0.25, 0.125, 0.0625]) and seen[-1] == 0.0
    found = trials.recall.run({**TINY, "adaptive": {"up": 0.3, "still": 1.0}, "steps": 60})
    assert found["p"] == pytest.approx([0.0, 0.0, 0.3, 0.6]), "the first look has none to compare with"


def test_single_location_is_learnt_by_one_head(rng):
    found = trials.location.run(dict(length=8, width=4, lr=3e-3, steps=2000, every=50))
    assert found["emerged"] is not None and found["emerged"] == found["step"][-1]
    assert found["attention"][0] == pytest.approx(1 / 8, abs=0.05) and found["attention"][-1] > 0.5
    assert found["test_loss"][-1] < 0.1 < found["test_loss"][0]
    fixed = trials.location.run(dict(length=8, width=4, anywhere=False, marker=False, lr=3e-3, steps=2000, every=50))
    assert fixed["emerged"] is not None
    assert trials.location.run(dict(length=8, width=4, optimizer="sgd", lr=0.1, steps=50, every=50))["step"] == [0, 50]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: trials.recall.run({"layers": 2}), "settings: expected only names among steps, .*, got layers"),
        (lambda: trials.location.run({"optimizer": "lion"}), 'optimizer: expected "adam" or "sgd", got \'lion\''),
        (lambda: trials.location.run({"marker": False}), "marker: expected True where"),
        (lambda: trials.AdaptiveRepetition(most=1.5), "most: expected .* <= 1, got 1.5"),
        (lambda: trials.RecallTrial(adaptive={"down": 1.0}), "adaptive: expected only names among start, .*, got .'down'"),
        (lambda: trials.LadderTrial(spans=(4,)), "spans: expected two blocks or more, for a ladder, got"),
        (lambda: trials.LadderTrial(model="full", query_scale=0.1), "query_scale: expected none with the full model, got 0.1"),
        (lambda: trials.LadderTrial(dropout=0.1), "dropout: expected none with the minimal model, got 0.1"),
        (lambda: trials.LadderTrial(query_scale="normal"), "query_scale: expected"),
        (lambda: trials.LadderTrial(lr=-1.0), "lr: expected a finite number > 0, got -1.0"),
        (lambda: trials.LadderTrial(optimizer="adam"), 'optimizer: expected "adamw" or "sgd"'),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_trial_is_the_same_each_time():
    assert trials.recall.run({**TINY, "steps": 40, "p": 0.3}) == trials.recall.run({**TINY, "steps": 40, "p": 0.3})
    one, other = (trials.recall.run({**TINY, "steps": 20, "seed": seed}) for seed in (0, 1))
    assert not np.array_equal(one["clean_loss"], other["clean_loss"])


@pytest.mark.parametrize(
    "trial, settings",
    [
        ("recall", dict(pairs=2, vocab=4, width=8, judged=16, adaptive={}, previous=True)),
        ("location", dict(length=6, width=3, model_width=8, judged=16, places=2)),
        ("ladder", dict(vocab=6, spans=(1, 1), generated=6, held_out=16, query_scale=0.01, maps=True)),
        ("ladder", dict(vocab=6, spans=(1, 1), generated=6, held_out=16, model="full", sequences=20)),
        ("regression", dict(lags=(1, 3), length=4, vocab=3, heads=2, batch=24, whole=False)),
        ("text", dict(width=8, length=8, judged=16, every=5)),
    ],
)
def test_a_trial_runs_on_the_stand_in_as_here(stand_in, trial, settings):
    settings = {"batch": 8, "steps": 20, "every": 10, **settings}
    module = getattr(trials, trial)
    here, there = module.run(settings), module.run({**settings, "device": "gpu"})
    assert here.keys() == there.keys()
    for name in here.keys() & {"step", "time", "clean_loss", "test_loss", "attention", "p", "kl", "loss", "entropy", "maps"}:
        np.testing.assert_allclose(here[name], there[name], rtol=1e-3, atol=1e-5)


SMALL = dict(vocab=6, spans=(1, 1), generated=6, held_out=40, batch=20, steps=40, query_scale=0.01)


def test_settings_are_recorded_as_they_were_used():
    """What is chosen by the others is stated as chosen; of the record the same trial is made again."""
    for trial in (
        trials.LadderTrial(),
        trials.LadderTrial(model="full", optimizer="sgd", device="auto"),
        trials.LadderTrial(**SMALL),
        trials.RecallTrial(adaptive={"up": 0.3}),
        trials.LocationTrial(),
    ):
        settings = trial.settings
        assert json.loads(json.dumps(settings)) == settings and type(trial).of(settings).settings == settings
    full, minimal = trials.LadderTrial(model="full").settings, trials.LadderTrial().settings
    assert (full["lr"], full["sequences"], full["dropout"], full["spans"]) == (0.003, 9000, 0.1, [4, 4, 4])
    assert (minimal["lr"], minimal["query_scale"], minimal["importance"], minimal["steps"]) == (0.08, 1e-9, 1.7, 1200)
    assert trials.LadderTrial(optimizer="sgd").settings["importance"] == 2.0


def test_a_ladder_is_run_and_the_same_each_time():
    trial = trials.LadderTrial(**SMALL, maps=True)
    one, again = trial.run(), trial.run()
    assert one == again and one["step"] == [0, 20, 40] and np.shape(one["maps"]) == (3, 3, 6, 7)
    assert np.shape(one["kl"]) == (3, 2) and np.shape(one["span_mass"]) == (3, 3, 2) and one["kl"][-1][0] < one["kl"][0][0]
    other = dataclasses.replace(trial, draw=1, sequences=30)
    assert np.array_equal(other.chain.matrices, trial.chain.matrices) and other.run()["kl"][0] == one["kl"][0]
    assert other.run()["kl"][-1] != one["kl"][-1]


def test_a_full_model_with_dropout_on_a_set_of_sequences():
    settings = dict(model="full", vocab=6, spans=(1, 1), generated=4, held_out=20, batch=8, sequences=20, steps=4, every=2)
    found = trials.ladder.run(settings)
    assert found["step"] == [0, 2, 4] and found["order"] == [0, 1] and np.isfinite(found["kl"]).all()
    without = trials.ladder.run({**settings, "dropout": 0.0})
    assert without["kl"][0] == found["kl"][0] and without["kl"][-1] != found["kl"][-1]


@pytest.mark.parametrize("trial", [
    trials.LadderTrial(**SMALL, every=5), trials.LadderTrial(**SMALL, sequences=30, every=5),
    trials.RecallTrial(**TINY, steps=40, adaptive={"up": 0.3}), trials.LocationTrial(length=6, width=3, steps=40, every=5),
    trials.RegressionTrial(lags=(1, 3), length=4, vocab=3, heads=2, batch=24, steps=40, every=5),
    trials.TextTrial(width=8, length=8, batch=8, judged=16, steps=40, every=5),
], ids=["stream", "set", "adaptive", "location", "regression", "text"])  # fmt: skip
def test_a_trial_goes_on_from_its_checkpoint_to_the_same_results(tmp_path, trial):
    kept = Checkpoint(tmp_path / "run.npz", every=5, resume=True)
    dataclasses.replace(trial, steps=20).run(checkpoint=kept)
    shown = trial.run(checkpoint=kept, title=None)
    assert shown == trial.run()
    with pytest.raises(InputError, match="resume: expected lr = "):
        dataclasses.replace(trial, lr=0.5).run(checkpoint=kept)


def command(*words, folder, **how):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-m", "tinyattn.trials", *map(str, words)], cwd=folder, env=env,
                          capture_output=True, text=True, **how)  # fmt: skip


@pytest.mark.parametrize(
    "words, kind",
    [
        ("ladder --vocab 6 --spans 2,1 --reverse --lag-weights 0.5,1 --heads 2 --generated 6 --held-out 40 --batch 20", None),
        ("recall --pairs 2 --vocab 4 --width 8 --batch 8 --judged 16 --repeats 1.5", "recall"),
        ("location --length 6 --width 3 --no-anywhere --model-width 8", "location"),
        ("regression --lags 1,3 --length 4 --vocab 3 --heads 2 --batch 24 --no-whole", "regression"),
        ("text --width 8 --length 8 --batch 8 --judged 16 --vocab 40 --follow boat,the", "text"),
    ],
)
def test_the_command_runs_every_trial_and_writes_what_it_found(tmp_path, words, kind):
    if "ladder" in words:
        words = words.replace("0.5,1", "1,1").replace("--spans 2,1", "--spans 2,2")
    steps = 8 if "text" in words else 4
    done = command(*words.split(), "--steps", steps, "--every", 2, "--seeds", 2, "--seed", 3, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out" / words.split()[0]
    record = json.loads((out / "results.json").read_text())
    assert list(record["seeds"]) == ["3", "4"] and record["settings"]["steps"] == steps
    module = getattr(trials, words.split()[0])
    assert module.run({**record["settings"], "seed": 4}) == record["seeds"]["4"]
    assert (out / "figure.png").stat().st_size > 10_000 and "seed 4: " in done.stdout


@pytest.mark.parametrize(
    "words, message",
    [
        ("ladder --spans 2", "error: spans: expected two blocks or more"),
        ("ladder --spans x", "error: --spans: expected a whole number, or several with commas between them, got 'x'"),
        ("ladder --seeds 0", "error: --seeds: expected a whole number >= 1, got 0"),
        ("ladder --heads none", "error: --heads: expected a whole number, got 'none'"),
        ("recall --vocab 3", "error: "),
        ("recall --adaptive 3", "error: adaptive: expected None or a dict"),
        ("text --text nowhere.txt", "error: path: expected a text file, got 'nowhere.txt'"),
        ("text --follow unheard", "error: follow: expected some of the 52 words that are kept, got 'unheard'"),
        ("text --steps 60", "error: steps: expected at least 4 times every = 25, got 60"),
        ("regression --lags 12", "error: lags: expected a whole number in 1..11, got 12"),
        ("regression --heads 4", "error: heads: expected at most 3, one for each lag, got 4"),
        ("regression --batch 100", "error: batch: expected an even number of at least 2 length vocab = 144, got 100"),
        (
            "location --over width",
            "error: --over: expected NAME=VALUE,VALUE with another setting of the trial each time, got 'width'",
        ),
        ("location --over seed=1,2", "error: --over: expected NAME=VALUE,VALUE"),
        ("location --over width=4 --over width=8", "error: --over: expected NAME=VALUE,VALUE"),
        ("location --over width=4,x", "error: --over width: expected a whole number, got 'x' in 'width=4,x'"),
        ("location --over width=4,0", "error: width: expected a whole number in 1..10000000, got 0"),
        ("location --over width=4,8 --resume", "error: --resume: expected none with --scheduler or --over"),
        ("chess", "error: ladder|"),
    ],
)
def test_a_wrong_command_is_one_line(tmp_path, words, message):
    done = command(*words.split(), folder=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(message) and done.stderr.count("\n") == 1, done.stderr


def test_a_command_runs_every_value_and_fits_the_law(tmp_path):
    words = "location --over length=6,8 --over width=3,5 --model-width 16 --lr 3e-3 --steps 2000 --judged 64".split()
    done = command(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out" / "location"
    record = json.loads((out / "results.json").read_text())
    assert record["over"] == {"length": [6, 8], "width": [3, 5]} and len(record["runs"]) == 4
    last = record["runs"][-1]
    assert (last["length"], last["width"], last["seed"]) == (8, 5, 0)
    assert last["result"] == trials.location.run({**record["settings"], "length": 8, "width": 5})
    assert "length = 8, width = 5, seed 0: " in done.stdout and "law: PowerLaw(C=" in done.stdout
    assert record["law"]["exponents"].keys() == {"length", "width"} and record["law"]["r2"] <= 1
    kept = {path: path.stat().st_mtime_ns for path in (out / "sweep").glob("*.json")}
    assert len(kept) == 4 and command(*words, folder=tmp_path).stdout == done.stdout
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what had finished ran again"
    lists = command("ladder", *"--vocab 6 --generated 4 --held-out 20 --batch 8 --steps 4 --every 2".split(),
                    "--over", "spans=1,1/2,2", folder=tmp_path)  # fmt: skip
    assert "spans = [2, 2], seed 0: " in lists.stdout and "law: none" in lists.stdout, lists.stderr
    assert (tmp_path / "out" / "ladder" / "figure.png").stat().st_size > 10_000


def test_the_papers_law_is_a_command_whose_settings_give_way(tmp_path):
    words = "location --law --over length=4 --over width=2,3 --over places=1 --model-width 8 --heads 2 --hidden 0 --steps 20"
    done = command(*words.split(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "location" / "results.json").read_text())
    assert record["over"] == {"length": [4], "width": [2, 3], "places": [1]} and record["law"] is None
    settings = record["settings"]
    assert (settings["depth"], settings["heads"], settings["scale"], settings["lr"]) == (2, 2, "fan_in", 1e-4)


def test_a_command_that_is_interrupted_goes_on(tmp_path):
    words = "ladder --vocab 6 --spans 1,1 --generated 6 --held-out 40 --batch 20 --steps 3000".split()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-m", "tinyattn.trials", *words], cwd=tmp_path, env=env, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    while not (tmp_path / "out" / "ladder" / "seed_0.npz").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err.rstrip().endswith("--steps 3000 --resume"), err
    done = command(*words[:-1], 600, "--resume", folder=tmp_path)
    assert done.returncode in (0, 2), done.stderr


def test_a_network_follows_the_flow_of_its_heads():
    """Positions only, what parts it from the flow is the step; all of W_Q, the tokens too."""
    small = dict(batch=300, steps=700)
    apart = {}
    for whole in (False, True):
        found = trials.RegressionTrial(**small, whole=whole).run()
        assert found["half_times"] == sorted(found["half_times"][:2]) + [None]
        apart[whole] = np.abs(np.divide(found["half_times"][:2], found["flow_half_times"][:2]) - 1).max()
    assert apart[False] < 0.04 and apart[True] < 0.3


def test_words_turn_in_a_text_and_not_in_random_order():
    found = trials.TextTrial(steps=1000, batch=48, length=16, width=16, lr=0.2).run()
    assert any(found["turns"]) and not any(found["shuffled"]["turns"])
    first, top, last = (found["entropy"][found["step"].index(corner)][found["star"]] for corner in found["corners"])
    assert top > first + 0.1 and top > last + 0.1 and found["corners"][0] >= found["condensed"]
    assert found["unseen"][-1] < found["shuffled"]["unseen"][-1] == pytest.approx(found["word_entropy"], abs=0.05)
    assert set(found["attended"]) <= set(found["word"]) | {w for row in found["top"] for w in row} | {*found["attended"]}
