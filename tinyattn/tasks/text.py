"""Real text as sequences of word ids.

    corpus = text.read("wikitext2-test.txt", vocab=1000)
    batches = corpus.batches(rng, 64, 33)

It reads local files in the formats of WikiText and TinyStories, or plain text, and makes stories of
its own. Words are numbered by how often they occur; what is left out of the vocabulary is <unk>.
"""

import collections
import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..door import door
from ..errors import InputError, check_count, check_ids, check_shape, shown
from .task import Task

UNKNOWN, END = "<unk>", "<eos>"
FORMATS = ("auto", "wikitext", "tinystories", "plain")


@dataclass(frozen=True, eq=False)
class Corpus(Task):
    """Word ids (n,) and the words they mean, the most frequent first.

    Id 0 is <unk>: all words that are left out. counts: how often each id occurs in the text (V,).
    """

    ids: np.ndarray
    words: tuple[str, ...]

    def __post_init__(self):
        words = self.words
        is_list = isinstance(words, (tuple, list))
        if not is_list or not words or not _are_strings(words):
            raise InputError(f"words: expected a tuple of words, got {shown(words)}")
        object.__setattr__(self, "words", tuple(words))
        object.__setattr__(self, "ids", check_ids("ids", self.ids, len(words)).copy())
        check_shape("ids", self.ids, (None,))

    @functools.cached_property
    def counts(self):
        """How often each word occurs in the text, (vocab,)."""
        return np.bincount(self.ids, minlength=len(self.words))

    @functools.cached_property
    def _number(self):
        return {word: i for i, word in enumerate(self.words)}

    @property
    def vocab(self):
        """Words that are told apart, the unknown one included."""
        return len(self.words)

    def id(self, word: str) -> int:
        """The id of a word, which must be in the vocabulary.

        Raises InputError for a word that is not kept.
        """
        if not isinstance(word, str) or word not in self._number:
            raise InputError(
                f"word: expected one of the {self.vocab} in the vocabulary, got {word!r}"
            )
        return self._number[word]

    @door("rng Generator, n count, length count -> ids (n, length)")
    def sample(self, rng: np.random.Generator, n: int, length: int) -> np.ndarray:
        """n stretches of the text, from random positions on.

        Raises InputError for a length beyond the text.
        """
        if length > len(self.ids):
            raise InputError(
                f"length: expected at most the {len(self.ids)} words of the text, got {length}"
            )
        starts = rng.integers(len(self.ids) - length + 1, size=n)
        return self.ids[starts[:, None] + np.arange(length)]

    @door("share number > 0 < 1 -> Corpus, Corpus")
    def hold_out(self, share: float) -> tuple["Corpus", "Corpus"]:
        """Split off the last `share` of the text: two corpora with the same vocabulary.

        Raises InputError for a share that leaves nothing.
        """
        at = round(len(self.ids) * (1 - share))
        if not 0 < at < len(self.ids):
            raise InputError(
                f"share: expected one that leaves words on both sides of {len(self.ids)}, "
                f"got {share}"
            )
        return Corpus(self.ids[:at], self.words), Corpus(self.ids[at:], self.words)

    @door("rng Generator -> Corpus")
    def shuffled(self, rng: np.random.Generator) -> "Corpus":
        """The same words in random order: what is left when order tells nothing."""
        return Corpus(rng.permutation(self.ids), self.words)


def read(path: str | Path, vocab: int, form: str = "auto") -> Corpus:
    """Read a UTF-8 file and keep its vocab - 1 most frequent words: a Corpus.

    form: as for `words`.
    """
    return from_words(words(path, form), vocab)


@door("form in FORMATS -> list")
def words(path: str | Path, form: str = "auto") -> list[str]:
    """The words of a text file in UTF-8.

    form: "wikitext", words between blanks as they are, a line's end is <eos>; "tinystories",
          stories between lines <|endoftext|>, which become <eos>; "plain"; "auto", the one of these
          that the text shows. TinyStories and plain text are split into lower-case words and signs.

    Raises InputError for what is no file of text in UTF-8.
    """
    try:
        raw = Path(path).read_bytes()
    except (OSError, TypeError, ValueError) as error:
        why = getattr(error, "strerror", error)
        raise InputError(f"path: expected a text file, got {shown(path)} ({why})") from None
    try:
        return split(raw.decode("utf-8-sig"), form)
    except UnicodeDecodeError as error:
        raise InputError(
            f"path: expected text in UTF-8, got {path} with byte {error.start} undecodable"
        ) from None


@door("content str, form in FORMATS -> list")
def split(content: str, form: str = "auto") -> list[str]:
    """The words of a text, as `words` tells.

    A line ends with a line feed, a carriage return or both. Letters keep their marks and joiners: a
    word of Hindi is one word, and so is one whose accents are characters of their own, which counts
    as if composed. Soft hyphens and marks of direction are left out.
    """
    content = re.sub(r"\r\n?", "\n", content)
    if form == "auto":
        form = _form_of(content)
    if form == "wikitext":
        found = []
        for line in content.split("\n"):
            if line.split():
                found += [*line.split(), END]
        return found
    content = re.sub("[\u00ad\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", "", content)
    content = content.replace("\u200b", " ")
    # What follows a character and belongs to it, which Python's \w and \W do not know: marks, and
    # three joiners.
    belongs = lambda c: unicodedata.category(c) in ("Mn", "Mc", "Me") or c in "\u200c\u200d\u2060"
    extend = "".join(re.escape(c) for c in sorted(set(content)) if belongs(c))
    word = rf"\w[\w{extend}]*"
    marks = f"[{extend}]*" if extend else ""
    pattern = rf"<\|endoftext\|>|<unk>|{word}(?:['’]{word})*|[^\w\s]{marks}"
    plain = lambda word: unicodedata.normalize("NFC", word.lower())
    found = re.findall(pattern, content)
    return [END if word == "<|endoftext|>" else plain(word) for word in found]


def _form_of(content):
    """The form that a text shows."""
    if re.search(r"^ = .* = ?$| <unk> | @-@ ", content, re.M):
        return "wikitext"
    return "tinystories" if "<|endoftext|>" in content else "plain"


def from_words(words: Sequence[str], vocab: int) -> Corpus:
    """A Corpus of <unk> and the vocab - 1 most frequent of these words, of equals the first.

    Raises InputError for an empty list.
    """
    is_list = isinstance(words, Sequence) and not isinstance(words, str)
    if not is_list or not _are_strings(words):
        raise InputError(f"words: expected a list of words, got {shown(words)}")
    counts = collections.Counter(words)
    counts.pop(UNKNOWN, None)
    if not counts:
        raise InputError("words: expected at least one word, got none")
    if check_count("vocab", vocab, 2) > len(counts) + 1:
        raise InputError(
            f"vocab: expected at most {len(counts) + 1}, the text's own words and {UNKNOWN}, "
            f"got {vocab}"
        )
    kept = (UNKNOWN, *(word for word, _ in counts.most_common(vocab - 1)))
    number = {word: i for i, word in enumerate(kept)}
    return Corpus(np.array([number.get(word, 0) for word in words]), kept)


@door("rng Generator, n count -> list")
def stories(rng: np.random.Generator, n: int) -> list[str]:
    """n short sentences of a small language of our own, as words.

    Names and things recur within a story. Frequencies fall like 1/rank within each kind of word.
    """
    names = "ada ben cleo dan eva finn gus hana ivo june".split()
    things = "boat kite lamp stone book bell seed drum coin map shell rope".split()
    places = "hill lake barn road wood shop tower garden".split()
    deeds = "found took lost gave kept hid sold drew saw made".split()
    zipf = {len(part): _falling(len(part)) for part in (names, things, places, deeds)}
    draw = lambda part: part[rng.choice(len(part), p=zipf[len(part)])]
    words = []
    while n > 0:
        name, thing, place = draw(names), draw(things), draw(places)
        for _ in range(min(n, int(rng.integers(3, 7)))):
            kind = rng.integers(4)
            if kind == 0:
                words += f"{name} {draw(deeds)} the {thing} .".split()
            elif kind == 1:
                words += f"the {thing} was in the {place} .".split()
            elif kind == 2:
                words += f"{name} went to the {place} and {draw(deeds)} a {thing} .".split()
            else:
                words += f"then {draw(names)} {draw(deeds)} the {draw(things)} for {name} .".split()
            n -= 1
        words.append(END)
    return words


def _are_strings(words):
    return all(isinstance(word, str) for word in words)


def _falling(n):
    """Probabilities in proportion to 1, 1/2, 1/3, ..."""
    weights = 1 / np.arange(1, n + 1)
    return weights / weights.sum()
