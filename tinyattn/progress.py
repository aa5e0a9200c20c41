"""A progress bar for work that outlasts two seconds."""

import os

from tqdm import tqdm


def progress_bar(total: float, title: str | None) -> tqdm:
    """A tqdm bar; silent where stderr is not a terminal, where TQDM_DISABLE is set, and without a title."""
    off = title is None or os.environ.get("TQDM_DISABLE", "") not in ("", "0")
    return tqdm(total=total, desc=title, delay=2, disable=True if off else None, leave=False)
