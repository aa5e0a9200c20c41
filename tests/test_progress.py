from tinyattn.progress import progress_bar


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
