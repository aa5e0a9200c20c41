"""What a program says while it works: a bar after two seconds, and what Ctrl-C keeps."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def in_notebook() -> bool:
    """Whether this runs in a notebook, where the command line is not ours and stderr is a red box."""
    return "ipykernel" in sys.modules


class _Bar(tqdm):
    """A bar that notes when it was last seen."""

    seen = time.monotonic()

    def display(self, *args, **kwargs):
        _Bar.seen = time.monotonic()
        return super().display(*args, **kwargs)


def progress_bar(total: float, title: str | None) -> tqdm:
    """A tqdm bar that shows once no bar has been seen for two seconds.

    It is silent where stderr is not a terminal, where TQDM_DISABLE is set, and without a title.
    """
    off = title is None or os.environ.get("TQDM_DISABLE", "") not in ("", "0")
    delay = max(0.0, 2 - (time.monotonic() - _Bar.seen))
    return _Bar(total=total, desc=title, delay=delay, disable=True if off else None, leave=False)


def each(items: Sequence[T], title: str) -> Iterator[T]:
    """The items, one after the other, with a bar."""
    with progress_bar(len(items), title) as bar:
        for item in items:
            yield item
            bar.update()


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a run whose work is kept. The message says where; `flag` makes a command go on."""

    def __init__(self, message: str, flag: str = ""):
        super().__init__(message)
        self.flag = flag


@contextlib.contextmanager
def patient_interrupts(wanted: bool = True) -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C only asks to stop and the second ends at once. Yields a function: was it asked?

    This holds if `wanted`, in the main thread, and where Ctrl-C raises KeyboardInterrupt.
    """
    patient = wanted and threading.current_thread() is threading.main_thread()
    if not patient or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    asked: list[int] = []  # a list, not an Event: a lock that a second signal would wait for is held while the first is noted

    def ask(number, frame):
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        print("finishing the step, to keep what is done; Ctrl-C once more ends at once", file=sys.stderr)

    signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
