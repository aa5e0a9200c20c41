import itertools
import unicodedata
from collections import Counter

import numpy as np
import pytest

from experiments import turning
from tinyattn.errors import InputError
from tinyattn.losses import next_token_loss
from tinyattn.models import EmbeddingModel
from tinyattn.optim import SGD
from tinyattn.tasks import text

WIKI = " \n = Title = \n \n The cat @-@ like <unk> sat , the cat slept . \n"
TINY = "Once there was a cat. It didn't sleep!\n<|endoftext|>\nThe cat sat.\n<|endoftext|>\n"


def test_the_formats(tmp_path):
    assert (
        text.split(WIKI)
        == "= Title = <eos> The cat @-@ like <unk> sat , the cat slept . <eos>".split()
    )
    assert (
        text.split(TINY)
        == "once there was a cat . it didn't sleep ! <eos> the cat sat . <eos>".split()
    )
    assert text.split("A cat, a cat.") == "a cat , a cat .".split()
    path = tmp_path / "wiki.txt"
    path.write_text(WIKI, encoding="utf-8")
    corpus = text.read(path, vocab=4)
    assert corpus.words[0] == "<unk>" and set(corpus.words[1:]) == {"cat", "=", "<eos>"}
    assert corpus.counts.sum() == len(corpus.ids) == 16 and corpus.counts[corpus.id("cat")] == 2
    path.write_bytes(
        b"\xef\xbb\xbf" + WIKI.replace("\n", "\r\n").encode()
    )  # as some editors write it
    assert text.words(path) == text.split(WIKI)
    assert [corpus.words[i] for i in corpus.ids[:5]] == ["=", "<unk>", "=", "<eos>", "<unk>"]


def test_the_vocabulary_is_the_most_frequent_words(rng):
    words = text.stories(rng, 400)
    corpus = text.from_words(words, 20)
    counts = Counter(words)
    assert corpus.vocab == 20 and list(corpus.counts[1:]) == sorted(corpus.counts[1:], reverse=True)
    assert all(corpus.counts[corpus.id(word)] == counts[word] for word in corpus.words[1:])
    assert corpus.counts[0] == len(words) - corpus.counts[1:].sum()
    assert min(corpus.counts[1:]) >= max(
        n for word, n in counts.items() if word not in corpus.words
    )


def test_batches_are_stretches_and_shuffling_keeps_the_counts(rng):
    corpus = text.from_words(text.stories(rng, 200), 30)
    whole = " ".join(map(str, corpus.ids))
    for batch in itertools.islice(corpus.batches(rng, 5, 8), 3):
        assert batch.shape == (5, 8)
        assert all(" ".join(map(str, row)) in whole for row in batch)
    train, rest = corpus.hold_out(0.1)
    assert (
        np.array_equal(np.concatenate([train.ids, rest.ids]), corpus.ids)
        and train.words == rest.words == corpus.words
    )
    assert len(rest.ids) == pytest.approx(0.1 * len(corpus.ids), abs=1) and np.array_equal(
        train.counts + rest.counts, corpus.counts
    )
    shuffled = corpus.shuffled(rng)
    assert np.array_equal(shuffled.counts, corpus.counts) and not np.array_equal(
        shuffled.ids, corpus.ids
    )
    assert text.stories(np.random.default_rng(1), 9) == text.stories(np.random.default_rng(1), 9)


def test_bad_input_is_one_clear_line(tmp_path, rng):
    empty, broken = tmp_path / "empty.txt", tmp_path / "broken.txt"
    empty.write_text(" \n \n")
    broken.write_bytes(b"good \xff\xfe")
    corpus = text.from_words("a b a c".split(), 3)
    for call, message in [
        (
            lambda: text.read(tmp_path / "none.txt", 5),
            "^path: expected a text file, got .*none.txt",
        ),
        (lambda: text.read(tmp_path, 5), "^path: expected a text file"),
        (lambda: text.read(empty, 5), "^words: expected at least one word, got none"),
        (lambda: text.from_words(["<unk>"], 2), "^words: expected at least one word, got none"),
        (lambda: text.read(broken, 5), "^path: expected text in UTF-8, got .* byte 5"),
        (lambda: text.read(empty, 5, form="pdf"), "^form: expected .* got 'pdf'"),
        (
            lambda: text.from_words("a b a".split(), 4),
            "^vocab: expected at most 3, the text's own words and <unk>, got 4",
        ),
        (lambda: corpus.id("zebra"), "^word: expected one of the 3 in the vocabulary, got 'zebra'"),
        (
            lambda: next(corpus.batches(rng, 2, 5)),
            "^length: expected at most the 4 words of the text, got 5",
        ),
        (lambda: next(corpus.batches(rng, 0, 2)), "^n: expected"),
        (lambda: corpus.hold_out(1.0), "^share: expected a finite number > 0 and < 1, got 1.0"),
    ]:
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.parametrize("content, found", [
    ("हिन्दी भाषा।", ["हिन्दी", "भाषा", "।"]),
    ("cafe\u0301 CAFÉ", ["café", "café"]),
    ("می\u200cخواهم", ["می\u200cخواهم"]),
    ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
    ("ภาษาไทย", ["ภาษาไทย"]),
    ("don’t a-b x_1", ["don’t", "a", "-", "b", "x_1"]),
    ("👍\ufe0f ok", ["👍\ufe0f", "ok"]),
    ("[x] ^ \\ -]", ["[", "x", "]", "^", "\\", "-", "]"]),
])  # fmt: skip
def test_words_of_every_script_keep_their_marks(content, found):
    assert [unicodedata.normalize("NFC", word) for word in text.split(content, "plain")] == [
        unicodedata.normalize("NFC", word) for word in found
    ]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_only_ends_of_lines_end_a_line(mark, tmp_path):
    content = f" one two{mark}three four \r\n five \r six \n\n"
    assert text.split(content, "wikitext").count("<eos>") == 3
    (tmp_path / "file").write_bytes(content.encode())
    assert text.words(tmp_path / "file", "wikitext") == text.split(content, "wikitext")


def test_a_corpus_is_what_it_says():
    for ids, words, message in [
        (np.array([0, 3]), ("a", "b"), "ids: expected ids in 0..1, got 3"),
        (np.array([0.0]), ("a",), "ids: expected an integer array"),
        (np.zeros((2, 2), int), ("a",), "ids: expected shape"),
        (np.array([0]), (), "words: expected a tuple of words"),
        (np.array([0]), "a", "words: expected a tuple of words"),
    ]:
        with pytest.raises(InputError, match=message):
            text.Corpus(ids, words)
    corpus = text.Corpus(np.array([0, 1, 1, 0], "uint8"), ["a", "b"])
    assert corpus.ids.dtype == np.int64 and corpus.words == ("a", "b")
    with pytest.raises(
        InputError, match="share: expected one that leaves words on both sides of 4, got 1e-09"
    ):
        corpus.hold_out(1e-9)
    with pytest.raises(InputError, match="rng: expected a numpy.random.Generator"):
        corpus.batches(0, 2, 2)


@pytest.mark.parametrize("one, other", [
    ("J\u030c", "\u01f0"), ("H\u0331", "\u1e96"), ("co\u00adoperate", "cooperate"), ("\u200ffoo\u200e", "foo"),
    ("\ufefffoo", "foo"),
    ("foo\u200bbar", "foo bar"), ("\u202bשלום\u202c", "שלום"),
])  # fmt: skip
def test_one_word_has_one_spelling(one, other):
    assert text.split(one, "plain") == text.split(other, "plain")


def test_n_stories_are_n_sentences_and_words_in_them_fall_like_one_over_their_rank(rng):
    for n in (1, 2, 7, 50):
        told = text.stories(rng, n)
        assert told.count(".") == n and told[-1] == "<eos>" and "<unk>" not in told
        assert 3 * (told.count("<eos>") - 1) < n, "a story has three sentences, but the last"
    told = text.stories(rng, 4000)
    deeds = "found took lost gave kept hid sold drew saw made".split()  # drawn for each sentence
    counts = np.array([told.count(deed) for deed in deeds])
    zipf, total = 1 / np.arange(1, 11), counts.sum()
    np.testing.assert_allclose(counts / total, zipf / zipf.sum(), atol=5 * 0.5 / np.sqrt(total))
    assert all(word in told for word in "june rope garden".split()), "the rarest come too"


@pytest.mark.parametrize(
    "kind",
    [
        "ada ben cleo dan eva finn gus hana ivo june",
        "boat kite lamp stone book bell seed drum coin map shell rope",
    ],
)
def test_names_and_things_recur_within_a_story_and_others_come_in_the_next(rng, kind):
    """Of four on average three are the story's own: three kinds of sentence of four name it."""
    told = " ".join(text.stories(rng, 2000)).split("<eos>")
    of_kind = [Counter(word for word in story.split() if word in kind.split()) for story in told]
    named = [counts for counts in of_kind if counts]
    own = sum(max(counts.values()) for counts in named) / sum(counts.total() for counts in named)
    assert 0.75 < own < 0.95
    assert len({counts.most_common(1)[0][0] for counts in named}) == len(kind.split())


def test_a_sample_begins_at_any_word_of_the_text(rng):
    corpus = text.Corpus(np.arange(5), tuple("abcde"))
    starts, counts = np.unique(corpus.sample(rng, 4000, 3)[:, 0], return_counts=True)
    assert starts.tolist() == [0, 1, 2]
    assert counts / 4000 == pytest.approx(1 / 3, abs=5 * 0.5 / np.sqrt(4000))
    assert corpus.sample(rng, 2, 5).tolist() == [[0, 1, 2, 3, 4]] * 2


def test_every_word_kept_has_a_count_and_all_words_may_be_kept():
    corpus = text.Corpus(np.array([0, 1, 1]), ("<unk>", "a", "never"))
    assert corpus.counts.tolist() == [1, 2, 0] and corpus.vocab == 3
    train, rest = text.from_words("a b a b c".split(), 4).hold_out(0.2)
    assert (train.counts.tolist(), rest.counts.tolist()) == ([0, 2, 2, 0], [0, 0, 0, 1])
    assert text.from_words("b a a <unk>".split(), 3).words == ("<unk>", "a", "b")
    assert text.from_words("b a a <unk>".split(), 3).ids.tolist() == [2, 1, 1, 0]
    with pytest.raises(InputError, match="^words: expected a list of words, got 'abc'"):
        text.from_words("abc", 2)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_both_parts_of_a_text_have_words(share):
    corpus = text.Corpus(np.zeros(4, int), ("a",))
    with pytest.raises(InputError, match="share: expected one that leaves words on both sides"):
        corpus.hold_out(share)
    assert [len(part.ids) for part in corpus.hold_out(0.74)] == [1, 3]


def test_pairs_kept_has_the_pairs_of_the_text_and_no_others(rng):
    corpus = text.from_words(text.stories(rng, 300), 52)
    drawn = turning.pairs_kept(corpus, rng)
    pairs = lambda ids: set(zip(ids[:-1].tolist(), ids[1:].tolist()))
    last = (int(corpus.ids[-1]),)
    new = pairs(drawn.ids) - pairs(corpus.ids)
    assert len(drawn.ids) == len(corpus.ids) and {one[0] for one in new} <= {*last}
    share = lambda one: np.bincount(one.ids, minlength=corpus.vocab) / len(one.ids)
    assert np.abs(share(drawn) - share(corpus)).max() < 0.03


@pytest.mark.parametrize(
    "uses", [(), ("query",), ("key",), ("value",), ("query", "key", "value")], ids=str
)
def test_a_copy_in_some_uses_has_the_gradients_of_what_moves(rng, uses):
    model = EmbeddingModel(7, 4)
    params = {name: rng.normal(size=shape) for name, shape in model.shapes.items()}
    other = rng.normal(size=(7, 4))
    x = rng.integers(7, size=(3, 5))
    loss = next_token_loss(turning.CopiedModel(model, other, uses))
    value, grads = loss(params, x)
    for name in params:
        direction = rng.normal(size=params[name].shape)
        moved = lambda h: loss(params | {name: params[name] + h * direction}, x)[0]
        slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
        assert (grads[name] * direction).sum() == pytest.approx(slope, rel=1e-7, abs=1e-9)
    if len(uses) == 3:
        assert not grads["W0"].any()
    same = next_token_loss(turning.CopiedModel(model, params["W0"], uses))(params, x)[0]
    assert same == pytest.approx(next_token_loss(model)(params, x)[0], rel=1e-12)


SHORT = dict(
    steps=40, every=5, batch=8, length=8, width=4, judged=16, chunk=8, lr=0.5, watch=("a",)
)


def test_another_draw_or_a_copy_changes_the_run_from_where_it_begins():
    free = turning.TurningTrial.results({**SHORT, "since": 20})
    other = turning.TurningTrial.results({**SHORT, "draws": 1})
    same_start = lambda one, n: np.array_equal(one["entropy"][:n], free["entropy"][:n])
    assert same_start(other, 1) and not same_start(other, 3)
    assert free["step"] == [*range(0, 41, 5)] and free["unseen_step"] == [0, 10, 20, 30, 40]
    for what in ({"copied": ["query"]}, {"held": ["W0"]}):
        held = turning.TurningTrial.results({**SHORT, "since": 20, **what})
        assert same_start(held, 5) and not same_start(held, 9)
    lengths = np.array(held["length"])
    assert np.array_equal(lengths[4:], lengths[4:5].repeat(5, axis=0)), "W0 stands still"
    words = held["words"]
    shares = np.array(held["seen"]["a"])
    assert shares.sum(axis=1) == pytest.approx(1)
    j = held["word"].index("a")
    assert [words[k] for k in shares.argmax(axis=1)] == [top[j] for top in held["top"]]


def test_a_second_part_of_a_run_differs_by_its_momentum_alone():
    state = {}

    class CarriedOn(SGD):
        def init(self, params):
            return state or super().init(params)

        def step(self, params, grads, last, scale=1.0):
            params, new = super().step(params, grads, last, scale)
            state.update(new)
            return params, new

    class Carried(turning.TurningTrial):
        def make_optimizer(self):
            optimizer = super().make_optimizer()
            return CarriedOn(optimizer.lr, optimizer.momentum)

    whole = np.array(turning.TurningTrial.results(SHORT)["length"])
    anew = np.array(turning.TurningTrial.results({**SHORT, "since": 20})["length"])
    carried = np.array(Carried(**SHORT, since=20).run()["length"])
    assert np.array_equal(anew[:5], whole[:5]) and np.abs(anew - whole).max() > 1e-3
    assert carried == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"order": "reversed"}, "order: expected"),
        ({"copied": ("query",)}, "since: expected the step"),
        ({"since": 20, "copied": ("head",)}, "copied: expected some of query, key, value"),
        ({"since": 20, "held": ("W",)}, "held: expected some of W0, W1, W_Q, W_K"),
        ({"since": 21}, "since: expected a multiple of every"),
        ({"watch": ("zebra",)}, "word: expected one of"),
    ],
)
def test_settings_of_a_turn_that_cannot_be_used_are_one_line(wrong, message):
    with pytest.raises(InputError, match=message):
        turning.TurningTrial(**{**SHORT, **wrong})
