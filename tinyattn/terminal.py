"""What a program says and hears on a terminal: flags, a bar, errors in one line, Ctrl-C."""

import argparse
import contextlib
import io
import os
import re
import signal
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from tqdm import tqdm

from .errors import Failure, InputError, check_instance, shown

T = TypeVar("T")
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def in_notebook() -> bool:
    """Whether this runs in a notebook: its command line is not ours, its stderr is a red box."""
    return "ipykernel" in sys.modules


# Words


def printable(text: str) -> str:
    """The text without control characters, as a terminal may show it."""
    check_instance("text", text, str)
    hidden = lambda c: unicodedata.category(c) in ("Cc", "Cs")
    return "".join(_UNKNOWN if hidden(c) else c for c in text)


def say(sentence: str) -> None:
    """One line on stderr, in a notebook on stdout; nothing where there is neither."""
    stream = sys.stdout if in_notebook() else sys.stderr
    if not getattr(stream, "closed", True):
        print(printable(sentence), file=stream)


def open_output() -> None:
    """For programs: make stdout one that fails for no letter and outlives its reader.

    It also passes no control character on.
    """
    if type(sys.stdout) is io.TextIOWrapper:  # and not what a notebook or a test put there
        sys.stdout.reconfigure(errors="backslashreplace")
        sys.stdout = _Output(sys.stdout)  # type: ignore[assignment]


_CONTROLS = [c for c in (*range(32), *range(127, 160)) if chr(c) not in "\n\t"]
_HIDDEN = dict.fromkeys(_CONTROLS, _UNKNOWN)


class _Output:
    """A stream of text. Its reader may close the pipe: the program goes on, and says no more."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def write(self, text):
        self._try(self.stream.write, text.translate(_HIDDEN))
        return len(text)

    def flush(self):
        self._try(self.stream.flush)

    def _try(self, act, *arguments):
        try:
            act(*arguments)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


# Flags


class CommandLine(argparse.ArgumentParser):
    """A parser of whole flags, whose errors are one line too.

    argparse would take beginnings of flags, and print its usage.
    """

    def __init__(self, **how):
        super().__init__(**how, allow_abbrev=False)

    def parse_known_args(self, args=None, namespace=None):
        """As argparse does, but a value that begins with a minus and a digit is no flag.

        So --spans -1,2 reaches its reader.
        """
        words: list[str] = []
        for word in sys.argv[1:] if args is None else args:
            if words and re.match(r"--[\w-]+$", words[-1]) and re.match(r"-[.\d]", word):
                words[-1] += f"={word}"
            else:
                words.append(word)
        return super().parse_known_args(words, namespace)

    def error(self, message):
        """End with status 2 and one line, which begins with the flag."""
        self.exit(2, f"error: {printable(message.removeprefix('argument '))}\n")


def whole_number(word: str) -> int:
    """For `type` of a flag: a whole number, or argparse's error in the words of this library."""
    return read_as(int, word, "a whole number")


def number(word: str) -> float:
    """For `type` of a flag: a number."""
    return read_as(float, word, "a number")


def read_as(read: Callable[[str], T], word: str, what: str) -> T:
    """read(word); where that is a ValueError, argparse's error, which says what was expected."""
    try:
        return read(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {what}, got {shown(word)}") from None


# Ends


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a run whose work is kept. The message says where; with `flag` it goes on."""

    def __init__(self, message: str, flag: str = ""):
        super().__init__(message)
        self.flag = flag


def status_of(error: BaseException, command: str) -> int | None:
    """The exit status for what ended a program, told in one line.

    It is 2 for bad input, 1 for a failure, 130 for Ctrl-C; None, and no line, for an error that
    needs a traceback.

    command: what was typed.
    """
    if isinstance(error, Interrupted):
        flag = f" {error.flag}" if error.flag and error.flag not in command.split() else ""
        say(f"{error}; to go on: {command}{flag}")
        return 130
    if isinstance(error, KeyboardInterrupt):
        say("interrupted")
        return 130
    if isinstance(error, (InputError, Failure, OSError)):
        say(f"error: {error}")
        return 2 if isinstance(error, InputError) else 1
    return None


def run_command(main: Callable[[], Any], command: str) -> int:
    """main's return, or the status of what ended it, see `status_of`; other errors pass."""
    try:
        return main() or 0
    except BaseException as error:
        status = status_of(error, command)
        if status is None:
            raise
        return status


# Time


class _Bar(tqdm):
    """A bar that notes when it was last seen."""

    seen = time.monotonic()

    def display(self, *args, **kwargs):
        _Bar.seen = time.monotonic()
        return super().display(*args, **kwargs)


def progress_bar(total: float, title: str | None) -> tqdm:
    """A tqdm bar that shows once no bar has been seen for two seconds.

    It is silent where stderr is not a terminal, or closed, where TQDM_DISABLE is set, and without a
    title.
    """
    disabled = os.environ.get("TQDM_DISABLE", "") not in ("", "0")
    off = title is None or disabled or getattr(sys.stderr, "closed", True)
    delay = max(0.0, 2 - (time.monotonic() - _Bar.seen))
    return _Bar(total=total, desc=title, delay=delay, disable=True if off else None, leave=False)


def each(items: Sequence[T], title: str) -> Iterator[T]:
    """The items, one after the other, with a bar."""
    with progress_bar(len(items), title) as bar:
        for item in items:
            yield item
            bar.update()


@contextlib.contextmanager
def patient_interrupts(wanted: bool = True) -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C only asks to stop and the second ends at once.

    Yields a function that tells whether the first has come. This holds if `wanted`, in the main
    thread, and where Ctrl-C raises KeyboardInterrupt.
    """
    patient = wanted and threading.current_thread() is threading.main_thread()
    if not patient or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    # A list, not an Event, whose lock the first signal may hold while the second waits for it.
    asked: list[int] = []

    def ask(number, frame):
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        say("finishing the step, to keep what is done; Ctrl-C once more ends at once")

    signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
