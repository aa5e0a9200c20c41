"""What a run leaves behind: its results.json, and how a value of it is printed."""

import json
import re
from pathlib import Path
from typing import Any

from tinyattn.kept import plain, write_text
from tinyattn.terminal import printable


def write(path: Path, record: dict[str, Any]) -> None:
    """Write a record as JSON, with short lists in one line; NaN and infinity become null."""
    text = json.dumps(plain("results", record, gaps=True), indent=1, ensure_ascii=False)
    innermost = re.compile(r"\[\n\s+([^][{}]*?)\n\s+\]")
    text = innermost.sub(lambda found: "[" + re.sub(r"\n\s+", " ", found[1]) + "]", text)
    write_text(path, f"{text}\n")


def short(value: Any, missing: str = "-") -> str:
    """A value in one short line: numbers in four figures, `missing` for None."""
    if isinstance(value, list):
        return f"[{', '.join(short(part, missing) for part in value)}]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {short(part, missing)}" for key, part in value.items())
    if value is None:
        return missing
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))
