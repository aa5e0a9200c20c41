"""What a program says while it works: a bar after two seconds, and what Ctrl-C keeps."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from tqdm import tqdm


def progress_bar(total: float, title: str | None) -> tqdm:
    """A tqdm bar; silent where stderr is not a terminal, where TQDM_DISABLE is set, and without a title."""
    off = title is None or os.environ.get("TQDM_DISABLE", "") not in ("", "0")
    return tqdm(total=total, desc=title, delay=2, disable=True if off else None, leave=False)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a run whose work is kept: the message says what and where. `flag` is what a command needs to go on."""

    def __init__(self, message: str, flag: str = ""):
        super().__init__(message)
        self.flag = flag


@contextlib.contextmanager
def patient_interrupts(wanted: bool = True) -> Iterator[Callable[[], bool]]:
    """Within, the first Ctrl-C only asks, and the function that this yields tells that it has; the second ends at once.

    Only where it is `wanted`, in the main thread, and where Ctrl-C raises KeyboardInterrupt; elsewhere nothing changes.
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
