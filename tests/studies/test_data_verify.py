"""A file is the one expected, or the message says how it differs."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studies.data import verify
from studies.data.content import chunks, contents
from studies.data.errors import MissingFileError, WrongFileError
from tests.studies.tiny_corpora import ORIGIN, TERMS, of_files, place, plain, sha256

pytestmark = pytest.mark.usefixtures("empty_cache")
LONG = bytes(3 << 20)
WORDS = b"no it was n't black monday\n" * 3


@pytest.fixture
def corpus():
    """One plain file."""
    return of_files(plain(WORDS))


@pytest.mark.parametrize("home", ["tiny", "tiny-2", "."])
def test_a_file_is_found_and_verified(tmp_path, home):
    """In the conventional folder, in one called like the corpus, or in the data folder itself."""
    corpus = of_files(plain(WORDS), name="tiny-2")
    (tmp_path / home).mkdir(exist_ok=True)
    (tmp_path / home / "words.txt").write_bytes(WORDS)
    found = verify.require(corpus, tmp_path)["words.txt"]
    assert ("verified", sha256(WORDS)) == (found.status, found.found)
    assert tmp_path / home / "words.txt" == found.path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(WORDS) - 1), bits=st.integers(1, 255))
def test_any_other_byte_is_noticed(tmp_path, at, bits):
    """Every single corruption fails, with the checksum expected and the one found."""
    corpus = of_files(plain(WORDS))
    other = bytearray(WORDS)
    other[at] ^= bits
    home = place(tmp_path, corpus, {"words.txt": other})
    os.utime(home / "words.txt", ns=(0, 257 * at + bits))  # as if each were written at its own time
    with pytest.raises(WrongFileError, match=f"sha256 {sha256(WORDS)}; found .*{sha256(other)}"):
        verify.require(corpus, tmp_path)


@pytest.mark.parametrize("length", [0, 1, len(WORDS) - 1])
def test_a_file_cut_short_is_named(tmp_path, corpus, length):
    """A truncated file is said to be one, and where to get it anew."""
    place(tmp_path, corpus, {"words.txt": WORDS[:length]})
    says = rf"get them anew \({ORIGIN}\):\n.*words.txt: expected .* found {length} bytes, cut short"
    with pytest.raises(WrongFileError, match=says):
        verify.require(corpus, tmp_path)


def test_a_missing_file_is_described(tmp_path, corpus):
    """Name, size, checksum, terms and origin of what is not there."""
    says = (
        rf"expected words.txt .* found none .*\n.*\n  words.txt, 81 bytes, sha256 {sha256(WORDS)}\n"
    )
    with pytest.raises(MissingFileError, match=rf"{says}    from: {ORIGIN}\n    terms: {TERMS}"):
        verify.require(corpus, tmp_path)


def test_a_folder_of_the_name_is_no_file(tmp_path, corpus):
    """A folder `words.txt` is not the file, nor a file a folder that is meant."""
    (tmp_path / "tiny" / "words.txt").mkdir(parents=True)
    assert "missing" == verify.check(corpus.files[0], corpus, tmp_path).status
    unpacked = of_files(plain(WORDS, "words", folder=True))
    (tmp_path / "words").write_bytes(WORDS)
    assert "missing" == verify.check(unpacked.files[0], unpacked, tmp_path).status


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("words.txt.gz", lambda content: gzip.compress(content, 1)),
        ("words.txt.xz", lzma.compress),
    ],
)
def test_content_counts_where_the_packing_differs(tmp_path, name, pack):
    """The checksum of what is inside is enough; what is inside must be whole."""
    file = plain(b"as published", name, unpacked_sha256=sha256(WORDS))
    corpus = of_files(file)
    place(tmp_path, corpus, {name: pack(WORDS)})
    found = verify.require(corpus, tmp_path)[name]
    assert ("verified", sha256(WORDS)) == (found.status, found.found)
    place(tmp_path, corpus, {name: pack(WORDS + b"!")})
    with pytest.raises(WrongFileError, match=rf"inside are 82 bytes, .* expected {sha256(WORDS)}"):
        verify.require(corpus, tmp_path)
    place(tmp_path, corpus, {name: pack(WORDS)[:-9]})
    with pytest.raises(WrongFileError, match="it cannot be unpacked"):
        verify.require(corpus, tmp_path)


def test_a_zip_holds_one_file(tmp_path):
    """What is inside an archive of two is not defined."""
    path = tmp_path / "words.zip"
    for count in (1, 2):
        with zipfile.ZipFile(path, "w") as archive:
            for i in range(count):
                archive.writestr(f"words-{i}", WORDS)
        if count == 1:
            assert WORDS == contents(path)
    with pytest.raises(
        WrongFileError, match="expected a zip archive with one file inside, it holds 2"
    ):
        contents(path)


def test_other_packings_are_read_as_they_are(tmp_path):
    """An ending that is not known says nothing."""
    packed = bz2.compress(WORDS)
    (tmp_path / "words.bz2").write_bytes(packed)
    assert packed == b"".join(chunks(tmp_path / "words.bz2"))


def test_a_damaged_file_is_not_unpacked(tmp_path):
    """Reading what is inside fails with the path."""
    path = tmp_path / "words.gz"
    path.write_bytes(gzip.compress(WORDS)[:-5])
    with pytest.raises(WrongFileError, match=r"words.gz: expected a whole file, .* get it anew"):
        contents(path)


def test_a_good_alternative_makes_up_for_a_bad_file(tmp_path):
    """Either form will do, and the better of what is there is taken."""
    file = replace(plain(WORDS), alternatives=(plain(WORDS, "words.bak"),))
    corpus = of_files(file)
    home = place(tmp_path, corpus, {"words.txt": b"?", "words.bak": WORDS})
    assert home / "words.bak" == verify.require(corpus, tmp_path)["words.txt"].path


def test_without_a_checksum_a_file_is_only_present(tmp_path):
    """Nothing is called verified that nobody can verify; a known size still has to agree."""
    corpus = of_files(plain(WORDS, sha256=None))
    place(tmp_path, corpus, {"words.txt": WORDS[::-1]})
    found = verify.require(corpus, tmp_path)["words.txt"]
    assert ("present", sha256(WORDS[::-1])) == (found.status, found.found)
    place(tmp_path, corpus, {"words.txt": WORDS[1:]})
    with pytest.raises(WrongFileError, match=r"no known checksum; found 80 bytes, cut short"):
        verify.require(corpus, tmp_path)


def test_a_known_size_inside_has_to_agree(tmp_path):
    """Of an archive of unknown checksum, too."""
    corpus = of_files(plain(b"", "words.gz", size=None, sha256=None, unpacked_size=len(WORDS)))
    place(tmp_path, corpus, {"words.gz": gzip.compress(WORDS)})
    assert "present" == verify.require(corpus, tmp_path)["words.gz"].status
    place(tmp_path, corpus, {"words.gz": gzip.compress(WORDS * 2)})
    with pytest.raises(WrongFileError, match=r"inside are 162 bytes, .* expected 81 bytes"):
        verify.require(corpus, tmp_path)


@pytest.mark.parametrize("known", [{"unpacked_sha256": sha256(LONG)}, {"unpacked_size": len(LONG)}])
def test_an_archive_damaged_at_its_very_end(tmp_path, known):
    """Though everything inside can still be read, the archive is not whole, and no reader would take it."""
    corpus = of_files(plain(b"", "words.gz", size=None, sha256=None, **known))
    packed = bytearray(gzip.compress(LONG))
    place(tmp_path, corpus, {"words.gz": packed})
    assert verify.require(corpus, tmp_path)
    packed[-8] ^= 1  # in the checksum that ends a gzip file
    place(tmp_path, corpus, {"words.gz": packed})
    os.utime(tmp_path / "tiny" / "words.gz", ns=(1, 1))
    with pytest.raises(WrongFileError, match=r"it cannot be unpacked \(CRC check failed"):
        verify.require(corpus, tmp_path)


def refuse(*_, **__):
    """Stand in for a system call that is not allowed."""
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    ("call", "says"), [("open", "cannot be read"), ("is_file", "cannot be reached")]
)
def test_an_unreadable_file_is_said_to_be_one(tmp_path, corpus, monkeypatch, call, says):
    """Permissions are not corruption."""
    place(tmp_path, corpus, {"words.txt": WORDS})
    monkeypatch.setattr(Path, call, refuse)
    with pytest.raises(WrongFileError, match=rf"words.txt: {says} \(.*Permission denied"):
        verify.require(corpus, tmp_path)


def test_a_verified_file_is_not_read_again(tmp_path, corpus, monkeypatch):
    """Until its size or its time of change differs."""
    home = place(tmp_path, corpus, {"words.txt": WORDS})
    first = verify.require(corpus, tmp_path)
    monkeypatch.setattr(verify, "raw_chunks", refuse)
    assert first == verify.require(corpus, tmp_path)
    os.utime(home / "words.txt", ns=(1, 1))
    with pytest.raises(WrongFileError, match="Permission denied"):
        verify.require(corpus, tmp_path)


def test_a_spoiled_memory_is_ignored(tmp_path, corpus, empty_cache):
    """What was remembered and cannot be read back is found out again."""
    place(tmp_path, corpus, {"words.txt": WORDS})
    first = verify.require(corpus, tmp_path)
    (note,) = (empty_cache / "verified").iterdir()
    for spoiled in (b"", b"\xff", b"[]", b'{"fingerprint": 3}', note.read_bytes()[:-3]):
        note.write_bytes(spoiled)
        assert first == verify.require(corpus, tmp_path)


def test_a_file_that_changes_meanwhile_is_not_remembered(
    tmp_path, corpus, empty_cache, monkeypatch
):
    """A copy may still be under way."""
    home = place(tmp_path, corpus, {"words.txt": WORDS})
    original = verify.raw_chunks

    def slow(file):
        yield from original(file)
        os.utime(home / "words.txt", ns=(1, 1))

    monkeypatch.setattr(verify, "raw_chunks", slow)
    verify.require(corpus, tmp_path)
    assert not (empty_cache / "verified").exists()


def test_no_cache_folder_is_no_obstacle(tmp_path, corpus, monkeypatch):
    """Where nothing can be remembered, files are verified each time."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    place(tmp_path, corpus, {"words.txt": WORDS})
    assert verify.require(corpus, tmp_path) == verify.require(corpus, tmp_path)
