"""text8 and enwik8: the conventional split, and the parts under names of their own."""

from __future__ import annotations

import io
import lzma
import zipfile

import numpy as np
import pytest

from studies import data
from studies.data.errors import WrongFileError
from tests.studies.tiny_corpora import place, written

pytestmark = pytest.mark.usefixtures("empty_cache")
TEXT = bytes(range(97, 107)) * 41


def zipped(content):
    """The bytes of a zip archive with one file inside."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("text8", content)
    return buffer.getvalue()


def whole(tokens):
    """The bytes that the three streams spell."""
    ids = np.concatenate([tokens.train, tokens.valid, tokens.test])
    return "".join(tokens.vocabulary[i] for i in ids).encode("latin-1")


def test_ninety_five_five(tmp_path):
    """In order, and by the size of what is there; the symbols are the bytes, ascending."""
    corpus = written(data.get("text8"), tmp_path, {"text8.zip": zipped(TEXT)})
    tokens = data.read(corpus, tmp_path)
    assert (370, 20, 20) == (len(tokens.train), len(tokens.valid), len(tokens.test))
    assert tuple("abcdefghij") == tokens.vocabulary
    assert TEXT == whole(tokens)


def test_the_file_inside_will_do(tmp_path):
    """Unpacked, under its own name."""
    corpus = written(data.get("text8"), tmp_path, {"text8.zip": zipped(TEXT)})
    (tmp_path / "text8" / "text8.zip").unlink()
    place(tmp_path, corpus, {"text8": TEXT})
    assert TEXT == whole(data.read(corpus, tmp_path))


def test_every_byte_is_a_symbol(tmp_path):
    """enwik8 has more than letters."""
    content = bytes(range(256)) * 2
    corpus = data.get("enwik8-part")
    corpus = written(corpus, tmp_path, {corpus.files[0].name: lzma.compress(content)})
    for _ in range(2):
        tokens = data.read(corpus, tmp_path)
        assert 256 == len(tokens.vocabulary)
        assert content == whole(tokens)


def test_too_little_to_split(tmp_path):
    """Each split has at least one byte."""
    corpus = written(data.get("text8"), tmp_path, {"text8.zip": zipped(TEXT[:19])})
    with pytest.raises(
        WrongFileError, match="expected at least 20 bytes to split 90 : 5 : 5, got 19"
    ):
        data.read(corpus, tmp_path)


@pytest.mark.parametrize(
    ("name", "length", "symbols"), [("text8", 6_877_825, 27), ("enwik8", 4_154_064, 200)]
)
def test_the_real_parts(real, name, length, symbols):
    """Sizes and alphabets; the summary says that they are another benchmark."""
    tokens = real(f"{name}-part")
    held_out = length * 5 // 100
    assert (length - 2 * held_out, held_out, held_out) == (
        len(tokens.train),
        len(tokens.valid),
        len(tokens.test),
    )
    assert symbols == len(tokens.vocabulary)
    assert f"another benchmark, not comparable with {name}" in data.get(f"{name}-part").summary


def test_the_real_text8_is_words(real):
    """Small letters and blanks, one at the start; 1,171,946 words."""
    tokens = real("text8-part")
    assert tuple(" abcdefghijklmnopqrstuvwxyz") == tokens.vocabulary
    text = whole(tokens)
    assert text.startswith(b" anarchism originated as a term")
    assert 1_171_946 == len(text.split())
