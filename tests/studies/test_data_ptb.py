"""Penn Treebank three ways, against the sizes and the git blobs of the conventional files."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies import data
from studies.data.corpora import ptb
from studies.data.errors import WrongFileError
from tests.studies.tiny_corpora import written

pytestmark = pytest.mark.usefixtures("empty_cache")
SPLITS = ("train", "valid", "test")
TEXTS = {
    "train": " the u.s. <unk> rose N %\n the $ N bid 's\n",
    "valid": " the bid rose\n",
    "test": " the <unk>\n zweig\n",
}


def read(folder, **changed):
    """The corpus of tiny texts."""
    texts = {f"ptb.{split}.txt": text.encode() for split, text in (TEXTS | changed).items()}
    return data.read(written(data.get("ptb"), folder, texts), folder)


def symbols(tokens, split):
    """The symbols of one stream."""
    return [tokens.vocabulary[i] for i in getattr(tokens, split)]


def test_words(tmp_path):
    """Each line's words and a sentence end; words of the test set count to the vocabulary."""
    words = read(tmp_path).words
    expected = "the u.s. <unk> rose N % <eos> the $ N bid 's <eos>".split()
    assert expected == symbols(words, "train")
    assert "the <unk> <eos> zweig <eos>".split() == symbols(words, "test")
    assert len(set(expected)) + 1 == len(words.vocabulary)


def test_characters(tmp_path):
    """The blanks at the ends of lines are gone, the others are underscores."""
    corpus = read(tmp_path)
    assert [*"the_bid_rose", "<eos>"] == symbols(corpus.characters, "valid")
    assert list("the_<unk>zweig") == symbols(corpus.characters_rru, "test")


def test_words_of_rru(tmp_path):
    """Keras' Tokenizer: lower case, punctuation away, by frequency; what training lacks is unknown."""
    words = read(tmp_path).words_rru
    assert "the u s unk rose n the n bid 's".split() == symbols(words, "train")
    assert ("<oov>", "the", "n", "u", "s", "unk", "rose", "bid", "'s") == words.vocabulary
    assert ["the", "unk", "<oov>"] == symbols(words, "test")


@given(
    lines=st.lists(st.lists(st.sampled_from(["a", "bc", "<unk>", "u.s."]), min_size=1), min_size=1)
)
def test_the_character_file_has_the_characters(lines):
    """Split at blanks, the conventional file is the stream without sentence ends, and with them by lines."""
    text = "".join(f" {' '.join(words)} \n" for words in lines)
    made = ptb.character_file(text)
    tokens = ptb.character_tokens(text)
    assert made.split() == [token for token in tokens if token != ptb.EOS]
    by_lines = [t for line in made.split("\n")[:-1] for t in (*line.split(), ptb.EOS)]
    assert by_lines == tokens


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (" no end", "expected every line to end, the last does not"),
        ("", "expected every line to end"),
    ],
)
def test_a_text_that_does_not_end(tmp_path, text, says):
    """A last line without its end is a file cut short."""
    with pytest.raises(WrongFileError, match=rf"ptb.valid.txt: {says}"):
        read(tmp_path, valid=text)


def test_what_is_no_text(tmp_path):
    """Bytes that are not UTF-8."""
    contents = {f"ptb.{split}.txt": b"\xff\n" for split in SPLITS}
    corpus = written(data.get("ptb"), tmp_path, contents)
    with pytest.raises(
        WrongFileError, match=r"ptb.train.txt: expected UTF-8 text, got other bytes"
    ):
        data.read(corpus, tmp_path)


@pytest.mark.parametrize(
    ("form", "sizes", "types"),
    [
        ("words", (929_589, 73_760, 82_430), 10_000),
        ("characters", (5_017_482, 393_042, 442_423), 50),
        ("characters_rru", (4_975_414, 389_672, 438_662), 49),
        ("words_rru", (887_644, 70_338, 78_808), 9_650),
    ],
)
def test_the_real_corpus(real, form, sizes, types):
    """Tokens of each split and the vocabulary, as published."""
    tokens = getattr(real("ptb"), form)
    assert sizes == tuple(len(getattr(tokens, split)) for split in SPLITS)
    assert types == len(tokens.vocabulary)
    assert {*tokens.valid, *tokens.test} <= {*tokens.train, 0}


def test_real_words_of_rru_are_never_unknown(real):
    """All of its valid and test words are in training, so the mark for others goes unused."""
    tokens = real("ptb").words_rru
    assert all(getattr(tokens, split).min() > 0 for split in SPLITS)


@pytest.mark.parametrize(
    ("split", "sentences", "length", "blob"),
    [
        ("train", 42_068, 10_034_964, "84b890a87aed6ad2989aa12d03f1129c41d727b2"),
        ("valid", 3_370, 786_084, "940c7ea52db925f46874bc9e1ea37424beec6c98"),
        ("test", 3_761, 884_846, "4e866a8573cdd7d0ce6af45c034055adecc3bbd4"),
    ],
)
def test_the_real_character_files(data_dir, real, split, sentences, length, blob):
    """Derived from the words, they are byte for byte the conventional ones."""
    words = real("ptb").words
    eos = words.vocabulary.index(ptb.EOS)
    assert sentences == int((getattr(words, split) == eos).sum())
    text = (data_dir / "ptb" / f"ptb.{split}.txt").read_text(encoding="utf-8")
    made = ptb.character_file(text).encode()
    assert length == len(made)
    header = f"blob {length}\0".encode()
    assert blob == hashlib.sha1(header + made, usedforsecurity=False).hexdigest()
