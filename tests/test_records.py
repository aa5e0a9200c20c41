"""lessons/records.py: results.json, and how a value of it is printed."""

import json

import numpy as np
import pytest

import records


def test_what_is_written_is_read_again_to_the_last_bit(tmp_path):
    record = {
        "pi": np.pi,
        "curve": np.linspace(0, 1, 20),
        "words": ["two  spaces", "[x]"],
        "never": np.nan,
        "deep": [[1.0], [2.5]],
    }
    records.write(tmp_path / "results.json", record)
    text = (tmp_path / "results.json").read_text(encoding="utf-8")
    kept = json.loads(text)
    assert kept == {**record, "curve": record["curve"].tolist(), "never": None}
    assert text.count("\n") < 20, "a list of numbers is one line"


@pytest.mark.parametrize(
    "value, text",
    [(0.123456, "0.1235"), (None, "never"), (3, "3"), ([0.5, None], "[0.5, never]"), ({"a": 1.0, "b": [2]}, "a 1, b [2]"),
     ("a\x1b", "a\N{REPLACEMENT CHARACTER}"), (np.float64(1e-9), "1e-09"), (True, "True")],
)  # fmt: skip
def test_a_value_is_short(value, text):
    assert records.short(value, "never") == text
