import dataclasses
import functools
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

import experiments
from tinyattn import backend, measure, ops
from tinyattn.checkpoint import Checkpoint
from tinyattn.errors import InputError

COMMAND = str(Path(experiments.__file__).parent)
TINY = dict(pairs=2, vocab=4, width=16, batch=32, judged=64, every=20)


def test_recall_is_learnt_by_two_layers_and_not_by_one():
    two, one = (
        experiments.RecallTrial.results(
            {**TINY, "depth": depth, "scale": 0.7, "lr": 3e-3, "steps": 1500}
        )
        for depth in (2, 1)
    )
    assert (
        two["solved"] is not None
        and two["weak"] <= two["emerged"] <= two["solved"] <= two["step"][-1]
    )
    assert two["matching"][-1][-1] > 0.7 and len(two["matching"]) == len(two["step"]) == len(
        two["clean_accuracy"]
    )
    assert (
        one["solved"] is None and max(one["clean_accuracy"]) < 0.9 and "previous_token" not in one
    )
    with_previous = experiments.RecallTrial.results(
        {**TINY, "depth": 1, "previous": True, "scale": 0.7, "lr": 3e-3, "steps": 1500}
    )
    assert with_previous["solved"] is not None, "one layer whose input carries the token before"


def test_on_a_task_with_repetition_both_accuracies_are_recorded():
    found = experiments.RecallTrial.results({**TINY, "repeats": 1.5, "steps": 40})
    assert len(found["own_accuracy"]) == len(found["clean_accuracy"]) == 3 and found["step"] == [
        0,
        20,
        40,
    ]
    assert "own_accuracy" not in experiments.RecallTrial.results({**TINY, "steps": 20})


def test_repetition_adapts():
    adaptive = experiments.repetition.AdaptiveRepetition(
        start=0.0, up=0.2, maximum=0.5, still=0.05, emerged=0.8
    )
    losses = (3.0, 2.99, 2.98, 2.97, 2.7, 2.3, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1)
    seen = [adaptive.p(losses[: i + 1]) for i in range(len(losses))]
    assert (
        seen[:8] == pytest.approx([0.0, 0.2, 0.4, 0.5, 0.5, 0.25, 0.125, 0.0625])
        and seen[-1] == 0.0
    )
    found = experiments.RecallTrial.results(
        {**TINY, "adaptive": {"up": 0.3, "still": 1.0}, "steps": 60}
    )
    assert found["p"] == pytest.approx([0.0, 0.0, 0.3, 0.6]), (
        "the first look has none to compare with"
    )


def test_single_location_is_learnt_by_one_head(rng):
    found = experiments.LocationTrial.results(
        dict(length=8, width=4, lr=3e-3, steps=2000, every=50)
    )
    assert found["emerged"] is not None and found["emerged"] == found["step"][-1]
    assert found["attention"][0] == pytest.approx(1 / 8, abs=0.05) and found["attention"][-1] > 0.5
    assert found["test_loss"][-1] < 0.1 < found["test_loss"][0]
    fixed = experiments.LocationTrial.results(
        dict(length=8, width=4, anywhere=False, marker=False, lr=3e-3, steps=2000, every=50)
    )
    assert fixed["emerged"] is not None
    assert experiments.LocationTrial.results(
        dict(length=8, width=4, optimizer="sgd", lr=0.1, steps=50, every=50)
    )["step"] == [
        0,
        50,
    ]


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: experiments.RecallTrial.results({"layers": 2}),
            "settings: expected only names among steps, .*, got layers",
        ),
        (
            lambda: experiments.LocationTrial.results({"optimizer": "lion"}),
            'optimizer: expected "adamw" or "sgd", got \'lion\'',
        ),
        (
            lambda: experiments.LocationTrial.results({"marker": False}),
            "marker: expected True where",
        ),
        (
            lambda: experiments.repetition.AdaptiveRepetition(maximum=1.5),
            "maximum: expected .* <= 1, got 1.5",
        ),
        (
            lambda: experiments.RecallTrial(adaptive={"down": 1.0}),
            "adaptive: expected only names among start, .*, got .'down'",
        ),
        (
            lambda: experiments.LadderTrial(spans=(4,)),
            "spans: expected two blocks or more, for a ladder, got",
        ),
        (
            lambda: experiments.LadderTrial(model="full", query_scale=0.1),
            "query_scale: expected none with the full model, got 0.1",
        ),
        (
            lambda: experiments.LadderTrial(dropout=0.1),
            "dropout: expected none with the minimal model, got 0.1",
        ),
        (lambda: experiments.LadderTrial(query_scale="normal"), "query_scale: expected"),
        (lambda: experiments.LadderTrial(lr=-1.0), "lr: expected a finite number > 0, got -1.0"),
        (
            lambda: experiments.LadderTrial(optimizer="adam"),
            'optimizer: expected "adamw" or "sgd"',
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_trial_is_the_same_each_time():
    assert experiments.RecallTrial.results(
        {**TINY, "steps": 40, "p": 0.3}
    ) == experiments.RecallTrial.results({**TINY, "steps": 40, "p": 0.3})
    one, other = (
        experiments.RecallTrial.results({**TINY, "steps": 20, "seed": seed}) for seed in (0, 1)
    )
    assert not np.array_equal(one["clean_loss"], other["clean_loss"])


@pytest.mark.parametrize(
    "trial, settings",
    [
        ("recall", dict(pairs=2, vocab=4, width=8, judged=16, adaptive={}, previous=True)),
        ("location", dict(length=6, width=3, model_width=8, judged=16, places=2)),
        (
            "ladder",
            dict(vocab=6, spans=(1, 1), generated=6, held_out=16, query_scale=0.01, maps=True),
        ),
        (
            "ladder",
            dict(vocab=6, spans=(1, 1), generated=6, held_out=16, model="full", sequences=20),
        ),
        ("regression", dict(lags=(1, 3), length=4, vocab=3, heads=2, batch=24, whole=False)),
        ("text", dict(width=8, length=8, judged=16, every=5)),
    ],
)
def test_a_trial_runs_on_the_stand_in_as_here(stand_in, trial, settings):
    settings = {"batch": 8, "steps": 20, "every": 10, **settings}
    run = experiments.EXPERIMENTS[trial].results
    here, there = run(settings), run({**settings, "device": "gpu"})
    assert here.keys() == there.keys()
    for name in here.keys() & {
        "step",
        "time",
        "clean_loss",
        "test_loss",
        "attention",
        "p",
        "kl",
        "loss",
        "entropy",
        "maps",
    }:
        np.testing.assert_allclose(here[name], there[name], rtol=1e-3, atol=1e-5)


SMALL = dict(vocab=6, spans=(1, 1), generated=6, held_out=40, batch=20, steps=40, query_scale=0.01)


def test_settings_are_recorded_as_they_were_used():
    """What is chosen by the others is stated as chosen; of the record the same trial is made again."""
    for trial in (
        experiments.LadderTrial(),
        experiments.LadderTrial(model="full", optimizer="sgd", device="auto"),
        experiments.LadderTrial(**SMALL),
        experiments.RecallTrial(adaptive={"up": 0.3}),
        experiments.LocationTrial(),
    ):
        settings = trial.settings
        assert (
            json.loads(json.dumps(settings)) == settings
            and type(trial).of(settings).settings == settings
        )
    full, minimal = (
        experiments.LadderTrial(model="full").settings,
        experiments.LadderTrial().settings,
    )
    assert (full["lr"], full["sequences"], full["dropout"], full["spans"]) == (
        0.003,
        9000,
        0.1,
        [4, 4, 4],
    )
    assert (minimal["lr"], minimal["query_scale"], minimal["importance"], minimal["steps"]) == (
        0.08,
        1e-9,
        1.7,
        1200,
    )
    assert experiments.LadderTrial(optimizer="sgd").settings["importance"] == 2.0


def test_a_ladder_is_run_and_the_same_each_time():
    trial = experiments.LadderTrial(**SMALL, maps=True)
    one, again = trial.run(), trial.run()
    assert one == again and one["step"] == [0, 20, 40] and np.shape(one["maps"]) == (3, 3, 6, 7)
    assert (
        np.shape(one["kl"]) == (3, 2)
        and np.shape(one["span_mass"]) == (3, 3, 2)
        and one["kl"][-1][0] < one["kl"][0][0]
    )
    other = dataclasses.replace(trial, draw=1, sequences=30)
    assert (
        np.array_equal(other.chain.matrices, trial.chain.matrices)
        and other.run()["kl"][0] == one["kl"][0]
    )
    assert other.run()["kl"][-1] != one["kl"][-1]


def test_a_full_model_with_dropout_on_a_set_of_sequences():
    settings = dict(
        model="full",
        vocab=6,
        spans=(1, 1),
        generated=4,
        held_out=20,
        batch=8,
        sequences=20,
        steps=4,
        every=2,
    )
    found = experiments.LadderTrial.results(settings)
    assert (
        found["step"] == [0, 2, 4] and found["order"] == [0, 1] and np.isfinite(found["kl"]).all()
    )
    without = experiments.LadderTrial.results({**settings, "dropout": 0.0})
    assert without["kl"][0] == found["kl"][0] and without["kl"][-1] != found["kl"][-1]


@pytest.mark.parametrize("trial", [
    experiments.LadderTrial(**SMALL, every=5), experiments.LadderTrial(**SMALL, sequences=30, every=5),
    experiments.RecallTrial(**TINY, steps=40, adaptive={"up": 0.3}),
    experiments.LocationTrial(length=6, width=3, steps=40, every=5),
    experiments.RegressionTrial(lags=(1, 3), length=4, vocab=3, heads=2, batch=24, steps=40, every=5),
    experiments.TextTrial(width=8, length=8, batch=8, judged=16, steps=40, every=5),
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
    return subprocess.run([sys.executable, COMMAND, *map(str, words)], cwd=folder, env=env,
                          capture_output=True, text=True, **how)  # fmt: skip


@pytest.mark.parametrize(
    "words, kind",
    [
        (
            "ladder --vocab 6 --spans 2,1 --reverse --lag-weights 0.5,1 --heads 2 --generated 6 --held-out 40 --batch 20",
            None,
        ),
        ("recall --pairs 2 --vocab 4 --width 8 --batch 8 --judged 16 --repeats 1.5", "recall"),
        ("location --length 6 --width 3 --no-anywhere --model-width 8", "location"),
        (
            "regression --lags 1,3 --length 4 --vocab 3 --heads 2 --batch 24 --no-whole",
            "regression",
        ),
        ("text --width 8 --length 8 --batch 8 --judged 16 --vocab 40 --follow boat,the", "text"),
    ],
)
def test_the_command_runs_every_trial_and_writes_what_it_found(tmp_path, words, kind):
    if "ladder" in words:
        words = words.replace("0.5,1", "1,1").replace("--spans 2,1", "--spans 2,2")
    steps = 8 if "text" in words else 4
    done = command(
        *words.split(), "--steps", steps, "--every", 2, "--seeds", 2, "--seed", 3, folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out" / words.split()[0]
    record = json.loads((out / "results.json").read_text())
    assert list(record["seeds"]) == ["3", "4"] and record["settings"]["steps"] == steps
    run = experiments.EXPERIMENTS[words.split()[0]].results
    assert run({**record["settings"], "seed": 4}) == record["seeds"]["4"]
    assert (out / "figure.png").stat().st_size > 10_000 and "seed 4:\n    " in done.stdout


@pytest.mark.parametrize(
    "words, message",
    [
        ("ladder --spans 2", "error: spans: expected two blocks or more"),
        (
            "ladder --spans x",
            "error: --spans: expected a whole number, or several with commas between them, got 'x'",
        ),
        ("ladder --seeds 0", "error: --seeds: expected a whole number >= 1, got 0"),
        ("ladder --heads none", "error: --heads: expected a whole number, got 'none'"),
        ("recall --vocab 3", "error: "),
        ("recall --adaptive 3", "error: adaptive: expected None or a dict"),
        ("text --text nowhere.txt", "error: path: expected a text file, got 'nowhere.txt'"),
        (
            "text --follow unheard",
            "error: follow: expected some of the 52 words that are kept, got 'unheard'",
        ),
        ("text --steps 60", "error: steps: expected at least 4 times every = 25, got 60"),
        ("regression --lags 12", "error: lags: expected a whole number in 1..11, got 12"),
        ("regression --heads 4", "error: heads: expected at most 3, one for each lag, got 4"),
        (
            "regression --batch 100",
            "error: batch: expected an even number of at least 2 length vocab = 144, got 100",
        ),
        (
            "location --over width",
            "error: --over: expected NAME=VALUE,VALUE with another setting of the trial each time, got 'width'",
        ),
        ("location --over seed=1,2", "error: --over: expected NAME=VALUE,VALUE"),
        ("location --over width=4 --over width=8", "error: --over: expected NAME=VALUE,VALUE"),
        (
            "location --over width=4,x",
            "error: --over width: expected a whole number, got 'x' in 'width=4,x'",
        ),
        (
            "location --over width=4,0",
            "error: width: expected a whole number in 1..10000000, got 0",
        ),
        (
            "location --over width=4,8 --resume",
            "error: --resume: expected none with --scheduler or --over",
        ),
        ("chess", "error: ladder|"),
    ],
)
def test_a_wrong_command_is_one_line(tmp_path, words, message):
    done = command(*words.split(), folder=tmp_path)
    assert (
        done.returncode == 2 and done.stderr.startswith(message) and done.stderr.count("\n") == 1
    ), done.stderr


def test_a_command_runs_every_value_and_fits_the_law(tmp_path):
    words = "location --over length=6,8 --over width=3,5 --model-width 16 --lr 3e-3 --steps 2000 --judged 64".split()
    done = command(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out" / "location"
    record = json.loads((out / "results.json").read_text())
    assert record["over"] == {"length": [6, 8], "width": [3, 5]} and len(record["runs"]) == 4
    last = record["runs"][-1]
    assert (last["length"], last["width"], last["seed"]) == (8, 5, 0)
    assert last["result"] == experiments.LocationTrial.results(
        {**record["settings"], "length": 8, "width": 5}
    )
    assert (
        "length = 8, width = 5, seed 0:\n    step at which the token is found" in done.stdout
        and "law: PowerLaw(C=" in done.stdout
    )
    assert record["law"]["exponents"].keys() == {"length", "width"} and record["law"]["r2"] <= 1
    kept = {path: path.stat().st_mtime_ns for path in (out / "sweep").glob("*.json")}
    assert len(kept) == 4 and command(*words, folder=tmp_path).stdout == done.stdout
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what had finished ran again"
    lists = command("ladder", *"--vocab 6 --generated 4 --held-out 20 --batch 8 --steps 4 --every 2".split(),
                    "--over", "spans=1,1/2,2", folder=tmp_path)  # fmt: skip
    assert (
        "spans = [2, 2], seed 0:\n    steps at which it is nearest" in lists.stdout
        and "law: none" in lists.stdout
    ), lists.stderr
    assert (tmp_path / "out" / "ladder" / "figure.png").stat().st_size > 10_000


def test_the_papers_law_is_a_command_whose_settings_give_way(tmp_path):
    words = "location --law --over length=4 --over width=2,3 --over places=1 --model-width 8 --heads 2 --hidden 0 --steps 20"
    done = command(*words.split(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "location" / "results.json").read_text())
    assert (
        record["over"] == {"length": [4], "width": [2, 3], "places": [1]} and record["law"] is None
    )
    settings = record["settings"]
    assert (settings["depth"], settings["heads"], settings["scale"], settings["lr"]) == (
        2,
        2,
        "fan_in",
        1e-4,
    )


def test_a_command_that_is_interrupted_goes_on(tmp_path):
    words = (
        "ladder --vocab 6 --spans 1,1 --generated 6 --held-out 40 --batch 20 --steps 3000".split()
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, COMMAND, *words], cwd=tmp_path, env=env, text=True,
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
        found = experiments.RegressionTrial(**small, whole=whole).run()
        assert found["half_times"] == sorted(found["half_times"][:2]) + [None]
        apart[whole] = np.abs(
            np.divide(found["half_times"][:2], found["flow_half_times"][:2]) - 1
        ).max()
    assert apart[False] < 0.04 and apart[True] < 0.3


@functools.cache
def turning():
    """A small run in which words turn, and what it found."""
    trial = experiments.TextTrial(steps=1000, batch=48, length=16, width=16, lr=0.2)
    return trial, trial.run()


def test_words_turn_in_a_text_and_not_in_random_order():
    _, found = turning()
    assert any(found["turns"]) and not any(found["shuffled"]["turns"])
    first, top, last = (
        found["entropy"][found["step"].index(corner)][found["star"]] for corner in found["corners"]
    )
    assert top > first + 0.1 and top > last + 0.1 and found["corners"][0] >= found["condensed"]
    assert (
        found["unseen"][-1]
        < found["shuffled"]["unseen"][-1]
        == pytest.approx(found["word_entropy"], abs=0.05)
    )
    assert set(found["attended"]) <= set(found["word"]) | {
        w for row in found["top"] for w in row
    } | {*found["attended"]}


def test_what_a_text_trial_says_of_its_words_is_counted_and_its_turns_are_in_its_curves():
    trial, found = turning()
    steps, entropy = found["step"], np.array(found["entropy"])
    read = trial.content[: round(0.9 * len(trial.content))]
    counts = {word: read.count(word) for word in trial.corpus.words}
    assert found["count"] == [counts[word] for word in found["word"]] and min(found["count"]) >= 40
    assert found["count"][0] == max(counts.values())
    assert (found["words"], found["tokens"]) == (len(counts), len(trial.content))
    assert found["word_entropy"] == pytest.approx(scipy.stats.entropy([*counts.values()]))
    unseen = found["shuffled"]["unseen"]
    learnt = [loss < unseen[-1] + 0.05 for loss in unseen]
    assert found["condensed"] == found["unseen_step"][learnt.index(True)]
    best = (0.0, None, None)
    for j, curve in enumerate(entropy.T):
        noise = np.median(abs(curve[1:] - curve[:-1])) / scipy.stats.norm.ppf(0.75)
        size = max(0.2 * (max(curve) - min(curve)), 5 * noise, 0.1)
        turns = [[steps[i] for i in turn] for turn in measure.turns(curve, size)]
        turns = [turn for turn in turns if turn[0] >= found["condensed"]]
        assert found["turns"][j] == turns
        for turn in turns:
            first, top, last = (curve[steps.index(step)] for step in turn)
            best = max(best, ((top - max(first, last)) / (noise + 0.01), j, turn))
    assert (found["star"], found["corners"]) == best[1:]
    attended = found["attended"]
    assert len(attended) == 6 and all(len(shares) == len(steps) for shares in attended.values())
    for look, tops in enumerate(found["top"]):
        there = {word: shares[look] for word, shares in attended.items()}
        assert sum(there.values()) < 1 and max(there.values()) > 1 / len(counts)
        if tops[found["star"]] in there:
            assert max(there, key=there.get) == tops[found["star"]]
    assert found["top"][-1][found["star"]] in attended


def test_attention_in_a_long_text_goes_by_counts_and_scores(rng):
    trial = experiments.TextTrial(width=4, length=8, batch=8, judged=16, steps=40, every=5)
    params = {key: rng.normal(size=w.shape) for key, w in trial.network.init(rng).items()}
    V = trial.corpus.vocab
    counts = rng.integers(0, 9, size=V)
    look = trial.evaluate(counts, params)
    W0, W_Q, W_K = (params[key] for key in ("W0", "W_Q", "W_K"))
    for row, w in enumerate(trial.followed):
        weights = np.array([counts[k] * np.exp((W0[w] @ W_Q) @ (W0[k] @ W_K)) for k in range(V)])
        np.testing.assert_allclose(look["attention"][row], weights / weights.sum(), rtol=1e-9)
        assert look["entropy"][row] == pytest.approx(scipy.stats.entropy(weights))
        assert look["norm"][row] == pytest.approx(np.sqrt(sum(W0[w] ** 2)))
    energies = np.linalg.eigvalsh(W0.T @ W0)
    assert look["rank"] == pytest.approx(np.exp(scipy.stats.entropy(energies)))


def test_a_text_is_long_enough_if_the_tenth_held_out_holds_a_stretch_and_a_word_more(tmp_path):
    path = tmp_path / "text.txt"
    small = dict(text=str(path), length=8, steps=100)
    path.write_text("a b " * 46)
    assert experiments.TextTrial(**small).corpus.vocab == 3
    path.write_text("a b c " * 44)  # of which 119 words are read: 40, 40 and 39
    trial = experiments.TextTrial(**small)
    assert [trial.corpus.words[w] for w in trial.followed] == ["a", "b"]
    with pytest.raises(InputError, match="steps: expected at least 4 times every = 25, got 99"):
        experiments.TextTrial(**{**small, "steps": 99})
    for content, message in (
        ("a b " * 45, "text: expected more than 90 words, got 90"),
        ("a b c " * 43, "text: expected some word 40 times in the part trained on, got 39"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=message):
            experiments.TextTrial(**small)


@pytest.mark.parametrize("depth", [2, 3])
def test_what_the_recall_probe_measures_is_its_plain_definition(rng, depth):
    small = dict(pairs=3, vocab=6, width=8, heads=2, judged=40, repeats=1.5)
    trial = experiments.RecallTrial(**small, depth=depth)
    probe = experiments.recall.RecallProbe(trial, backend.get("cpu"), rng)
    params = {key: 1.5 * w for key, w in trial.network.init(rng).items()}
    look = probe(0, params)
    logits, cache = trial.network.forward(params, probe.clean[:, :-1])
    of_value, of_key, previous, right, losses = [], [], [], [], []
    for n, row in enumerate(probe.clean.tolist()):
        assert row[:6:2].count(row[6]) == 1, "clean: the query is a key once"
        at = row[:6:2].index(row[6])
        of_value.append([s[n, :, -1, 2 * at + 1].mean() for s in cache.attentions])
        of_key.append([s[n, :, -1, 2 * at].mean() for s in cache.attentions])
        before = [[s[n, :, i, i - 1] for i in (1, 3, 5)] for s in cache.attentions[:-1]]
        previous.append(np.mean(before, axis=(1, 2)))
        right.append(logits[n, 0, row[7]] == max(logits[n, 0]))
        losses.append(-np.log(np.exp(logits[n, 0, row[7]]) / np.exp(logits[n, 0]).sum()))
    np.testing.assert_allclose(look["matching"], np.mean(of_value, axis=0), rtol=1e-9)
    np.testing.assert_allclose(look["matching_key"], np.mean(of_key, axis=0), rtol=1e-9)
    np.testing.assert_allclose(look["previous_token"], np.mean(previous, axis=0), rtol=1e-9)
    assert look["clean_accuracy"] == np.mean(right)
    assert look["clean_loss"] == pytest.approx(np.mean(losses))
    own = ops.log_softmax(trial.network.forward(params, probe.own[:, :-1])[0])[:, 0]
    assert look["own_loss"] == pytest.approx(-own[np.arange(40), probe.own[:, 7]].mean())
    assert any(row[:6:2].count(row[6]) > 1 for row in probe.own.tolist())


def test_a_skill_has_come_when_accuracy_exceeds_5_50_and_95_percent():
    steps = np.array([0, 10, 20, 30, 40])
    found = experiments.recall.thresholds("own_", steps, np.array([0.05, 0.5, 0.95, 0.4, 0.96]))
    assert found == {"own_weak": 10, "own_emerged": 20, "own_solved": 40}
    found = experiments.recall.thresholds("", steps, np.array([0.0, 0.06, 0.5, 0.5, 0.4]))
    assert found == {"weak": 10, "emerged": None, "solved": None}


def test_a_recall_network_reads_each_token_and_the_one_before():
    trial = experiments.RecallTrial(pairs=1, vocab=3, previous=True)
    x, answers = trial.read(np.array([[1, 2, 1, 2]]), backend.get("cpu"))
    assert x.tolist() == [[[0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 1, 0], [0, 1, 0, 0, 0, 1]]]
    assert answers.tolist() == [[2]]
    x, _ = experiments.RecallTrial(pairs=1, vocab=3).read(
        np.array([[1, 2, 1, 2]]), backend.get("cpu")
    )
    assert x.tolist() == [[1, 2, 1]]


def test_a_recall_network_reads_each_token_and_the_one_after():
    trial = experiments.RecallTrial(pairs=1, vocab=3, following=True)
    x, _ = trial.read(np.array([[1, 2, 1, 2]]), backend.get("cpu"))
    assert x.tolist() == [[[0, 1, 0, 0, 0, 1], [0, 0, 1, 0, 1, 0], [0, 1, 0, 0, 0, 0]]]
    trial = experiments.RecallTrial(pairs=1, vocab=3, previous=True, following=True)
    x, _ = trial.read(np.array([[1, 2, 1, 2]]), backend.get("cpu"))
    assert x[0, 1].tolist() == [0, 0, 1, 0, 1, 0, 0, 1, 0] and trial.network.vocab == 9


def test_a_recall_network_starts_and_tells_places_as_it_is_told(rng):
    trial = experiments.RecallTrial(
        **TINY, scale="fan_in", position_kind="sinusoidal", position_size=3.0
    )
    params = trial.network.init(rng)
    assert "W_P" not in params and 0.4 < abs(params["W_E"]).max() < 1 / 2
    assert 0.2 < abs(params["W_Q.1"]).max() < 1 / 4
    sines = trial.network._sines(np, "float64")
    np.testing.assert_allclose(np.linalg.norm(sines, axis=1), 3.0)
    of_length = experiments.RecallTrial(**TINY, position_size=3.0).network.init(rng)["W_P"]
    assert (of_length**2).sum(axis=1).mean() == pytest.approx(9, rel=0.6)
    assert experiments.RecallTrial.results(trial.settings | {"steps": 20})["step"] == [0, 20]
    with pytest.raises(InputError, match="position_kind: expected"):
        experiments.RecallTrial(position_kind="rotary")


def test_a_run_ends_at_the_look_that_asks_for_no_more():
    small = {**TINY, "steps": 60}
    start = experiments.RecallTrial.results(small)["clean_accuracy"][0]
    assert experiments.RecallTrial.results({**small, "stop": start})["step"] == [0]
    assert experiments.RecallTrial.results({**small, "stop": 1.01})["step"] == [0, 20, 40, 60]
    found = experiments.RecallTrial.results(
        {**small, "stop": 0.7, "steps": 1500, "scale": 0.7, "lr": 3e-3}
    )
    assert max(found["clean_accuracy"][:-1]) < 0.7 <= found["clean_accuracy"][-1]


def test_a_location_is_found_when_the_loss_is_below_a_share_of_what_zeros_lose():
    """An output of zeros loses E |x_r W*|^2 / 2 = 1/2; of 4000 samples, to within 0.007."""
    small = dict(length=6, width=3, model_width=8, judged=4000, steps=40)
    found = experiments.LocationTrial.results({**small, "threshold": 0.0})
    assert (found["step"], found["emerged"]) == ([0, 20, 40], None)
    start = found["test_loss"][0]
    found = experiments.LocationTrial.results({**small, "threshold": start / 0.45})
    assert (found["step"], found["emerged"]) == ([0], 0)
    found = experiments.LocationTrial.results({**small, "threshold": start / 0.55})
    assert found["emerged"] != 0 and found["step"][1] == 20


def test_what_the_location_probe_measures_is_its_plain_definition(rng):
    small = dict(length=5, width=3, places=2, p=1.0, model_width=8, heads=2, depth=2, judged=30)
    trial = experiments.LocationTrial(**small)
    task = trial.draw_task(rng)
    probe = experiments.location.LocationProbe(trial, task, backend.get("cpu"), rng)
    params = {key: 2 * w for key, w in trial.network.init(rng).items()}
    look = probe(0, params)
    y, cache = trial.network.forward(params, probe.x.astype("float32"))
    s = cache.attentions[0]
    losses, silent, found = [], [], []
    for n in range(30):
        at = [t for t in range(5) if probe.x[n, t, -1] == 1]
        assert len(at) == 2
        want = probe.x[n, at[0], :-1] @ task.W_star
        losses.append(sum((y[n, 0] - want) ** 2) / 2)
        silent.append(sum(want**2) / 2)
        found.append(np.mean([s[n, h, -1, at].sum() for h in range(2)]))
    assert look["test_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert look["attention"] == pytest.approx(np.mean(found), rel=1e-5)
    assert probe.silent == pytest.approx(np.mean(silent)) and np.ptp(silent) > 0.1, "p is 0 here"


def test_a_location_network_starts_as_its_scale_says_and_sees_the_mark_if_there_is_one(rng):
    for settings, deviation in (
        (dict(), 1 / 20),
        (dict(scale="lecun"), 1 / np.sqrt(5)),
        (dict(scale=0.3), 0.3),
    ):
        network = experiments.LocationTrial(width=4, model_width=400, **settings).network
        W_E = network.init(rng)["W_E"]
        assert W_E.shape == (5, 400) and network.first_query == 31
        assert W_E.std() == pytest.approx(deviation, rel=5 / np.sqrt(2 * W_E.size))
    x, target = np.ones((2, 5, 4)), np.ones((2, 3))
    for marker, mark in ((True, 1), (False, 0)):
        trial = experiments.LocationTrial(length=5, width=3, marker=marker, anywhere=False)
        read, wanted = trial.read(x, target, backend.get("cpu"))
        assert read[0, 0].tolist() == [1, 1, 1, mark] and wanted.shape == (2, 1, 3)


def test_repetition_rises_and_falls_at_the_bounds_by_hand():
    """At a fall by exactly `still`, or to exactly `emerged`, nothing happens yet."""
    half = experiments.repetition.AdaptiveRepetition(
        start=0.25, up=0.25, maximum=0.75, still=0.5, emerged=0.25
    )
    assert half.p([4.0]) == 0.25 and half.p([4.0, 2.0]) == 0.25
    assert half.p([4.0, 2.5]) == 0.5 and half.p([4.0, 5.0]) == 0.5
    assert half.p([4.0, 4.0, 4.0, 4.0]) == 0.75, "at most"
    assert half.p([4.0, 2.0, 1.0]) == 0.25 and half.p([4.0, 2.0, 0.5]) == 0.125
    assert half.p([4.0, 0.5, 0.5, 4.0]) == 0.0625 + 0.25, "it may rise again"
    assert half.p([4.0, *[0.5] * 20]) == 0
    assert (
        experiments.repetition.AdaptiveRepetition(start=0.5, maximum=0.5).p([4.0, 4.0, 4.0]) == 0.5
    )


def test_a_feature_is_half_learnt_where_its_loss_is_half():
    small = dict(lags=(1, 3), length=4, vocab=3, heads=2, batch=24, every=5)
    trial = experiments.RegressionTrial(**small, steps=600, importance=2.0)
    np.testing.assert_allclose(trial.flow.importances, [2, 1])
    assert trial.flow.places.tolist() == [[0, 0, 0, 1], [0, 1, 0, 0]], "lag 1 is the last place"
    found = trial.run()
    assert found["time"] == pytest.approx(0.1 * np.arange(0, 601, 5))
    for name in ("", "flow_"):
        losses = np.array(found[f"{name}loss"])
        assert losses[0] == pytest.approx([1, 1], abs=1e-5)
        for k, half in enumerate(found[f"{name}half_times"]):
            assert np.interp(half, found["time"], losses[:, k]) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("change, message", [
    (dict(batch=25), "batch: expected an even number of at least 2 length vocab = 24, got 25"),
    (dict(batch=22), "batch: expected an even number of at least 2 length vocab = 24, got 22"),
    (dict(batch=27), "batch: expected an even number"),
    (dict(lags=()), "lags: expected lags, got"), (dict(lags=3), "lags: expected lags, got 3"),
    (dict(lags=(1, 4)), r"lags: expected a whole number in 1\.\.3, got 4"),
    (dict(lags=(1, 1)), "lags: expected each once"), (dict(heads=3), "heads: expected at most 2"),
])  # fmt: skip
def test_a_regression_that_does_not_fit_is_one_clear_line(change, message):
    small = dict(lags=(1, 3), length=4, vocab=3, heads=2, batch=24)
    assert experiments.RegressionTrial(**small) and experiments.RegressionTrial(
        **{**small, "batch": 26}
    )
    with pytest.raises(InputError, match=message):
        experiments.RegressionTrial(**{**small, **change})


def test_an_experiment_has_the_name_of_its_module_and_its_own_run_and_figure():
    for name, kind in experiments.EXPERIMENTS.items():
        assert (
            kind.__module__ == f"experiments.{name}"
            and kind.of(kind().settings).settings == kind().settings
        )
        assert {"run", "figure"} <= vars(kind).keys(), name
        assert pickle.loads(pickle.dumps(kind.results)) == kind.results, (
            "a pool finds it by its name"
        )
        if issubclass(kind, experiments.trial.Trial):
            assert len(kind.curve) == 3, name


def test_what_is_printed_of_a_run_is_in_its_results():
    from experiments import said

    found = experiments.LadderTrial(vocab=6, generated=4, held_out=20, batch=8, steps=4, every=2)
    lines = said.lines_of("ladder", found.run())
    assert len(lines) == len(said.SAID["ladder"]) - 1, "all but the learned rungs"
    assert said.lines_of("recall", {"emerged": None})[0].endswith("answered: never")
