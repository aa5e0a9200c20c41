"""The benchmark and the acceptance of a card do not fail for mistakes of their own; what they time is not looked at."""

import acceptance
import benchmark
import peers
import pytest


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(benchmark, "ENOUGH", 0.0)
    monkeypatch.setattr(benchmark, "RUNS", 1)


def test_a_card_is_accepted(stand_in, brief, tmp_path, capsys):
    """On the strict stand-in, which refuses what a card refuses."""
    sizes = acceptance.Sizes(batches=(2, 3), runs=(2,), replicas=(1, 2), matrix=8)
    assert acceptance.accept("gpu", sizes, tests=lambda: True, out=tmp_path) == 0
    text = (tmp_path / "acceptance.md").read_text(encoding="utf-8")
    assert text == capsys.readouterr().out.rstrip("\n") + "\n"
    assert (
        text.startswith("# stand-in, CuPy stand-in")
        and text.count("- holds: ") == 5
        and "| minimal, batch 3 |" in text
    )
    assert (
        "parts of a step that wait for the card: none" in text
        and "The card is faster from: " in text
    )


def test_a_card_that_waits_or_computes_wrongly_is_not(stand_in, brief, tmp_path, monkeypatch):
    sizes = acceptance.Sizes(batches=(2,), runs=(2,), replicas=(1,), matrix=8)
    monkeypatch.setattr(stand_in.cuda.Event, "done", True)
    monkeypatch.setattr(acceptance, "FLOAT64", -1.0)
    assert acceptance.accept("gpu", sizes, tests=lambda: False, out=tmp_path) == 1
    text = (tmp_path / "acceptance.md").read_text(encoding="utf-8")
    assert text.count("- DOES NOT HOLD: ") == 4 and "forward and backward, clipping, AdamW" in text


def test_operations_are_counted_as_the_equations_state_them():
    model, B, T, S, D, V = benchmark.MINIMAL, 2, 25, 25, 75, 50
    assert benchmark.operations(model, B) == B * 3 * (
        4 * T * D * S + 6 * T * S * V + 2 * T * D * D + 2 * S * D * V
    )
    assert set(benchmark.JOBS) >= {"minimal, batch 512", "full, batch 3000"}


@pytest.mark.parametrize("model", [benchmark.MINIMAL, benchmark.FULL, benchmark.RECALL])
@pytest.mark.parametrize("peer", peers.PACKAGES)
def test_peers_are_the_same_network(peer, model):
    if not peers.installed(peers.PACKAGES[peer]):
        pytest.skip(f"{peers.PACKAGES[peer]} is not installed")
    peers.step_of(peer, model, *benchmark.start_of(model, 4))()  # which compares the losses


def test_flows_and_steps_are_told_in_tables(brief, monkeypatch):
    monkeypatch.setattr(
        benchmark,
        "plateaus",
        lambda: (
            T := benchmark.np.array([16.0, 32.0]),
            d := T / 4,
            benchmark.TwoNumbers(T, d).start(),
        ),
    )
    small = benchmark.FocusDilution(benchmark.np.array([0.6, 0.4]), 0.5, 3)
    start = small.start(benchmark.np.random.default_rng(0), 0.1)
    monkeypatch.setattr(benchmark, "stretches", lambda: (small, [((0.0, 5.0), start)]))
    table = benchmark.flows_table(False)
    assert table.count("rk45 here") == 3 and table.count("bdf here") == 1
    monkeypatch.setattr(benchmark, "JOBS", {"small": (benchmark.MINIMAL, 4, 2)})
    assert set(benchmark.contender(benchmark.HERE)) == {"small"}
    assert benchmark.markdown([["a", "b"], ["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |\n"
