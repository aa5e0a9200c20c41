import time

import pytest

from tinyattn.terminal import _Bar, each, progress_bar


def test_the_bar_is_silent_when_told(monkeypatch, capsys):
    for value in ("1", "0", ""):
        monkeypatch.setenv("TQDM_DISABLE", value)
        assert progress_bar(3, "x").disable  # under test stderr is not a terminal
    assert capsys.readouterr().err == ""


def test_the_bar_shows_on_a_terminal(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress_bar(3, "x") as bar:
        assert not bar.disable
    assert progress_bar(3, None).disable


def test_silence_counts_across_bars_and_each_gives_every_item(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(_Bar, "seen", time.monotonic() - 1.5)
    with progress_bar(3, "x") as bar:
        assert bar.delay == pytest.approx(0.5, abs=0.1)
    monkeypatch.setattr(_Bar, "seen", time.monotonic() - 60)
    with progress_bar(3, "x") as bar:
        assert bar.delay == 0 and time.monotonic() - _Bar.seen < 1, "shown at once, and seen"
    assert list(each([3, 1, 2], "numbers")) == [3, 1, 2]
