"""What is parsed is kept whole or not at all, and only for the very files."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from studies import data
from studies.data import cache
from studies.data.errors import WrongFileError
from studies.data.writing import write_bytes
from tests.studies.tiny_corpora import fitted, of_files, place, plain

pytestmark = pytest.mark.usefixtures("empty_cache")
WORDS = b"pierre vinken\n"


@pytest.fixture
def counted(tmp_path):
    """A corpus in ``tmp_path`` and the list of times it was parsed."""
    calls = []

    def parse(paths):
        calls.append(paths)
        return {"bytes": np.frombuffer(paths["words.txt"].read_bytes(), np.uint8)}

    corpus = of_files(plain(WORDS), parse=parse)
    place(tmp_path, corpus, {"words.txt": WORDS})
    return corpus, calls


def kept(folder):
    """The one file of parsed arrays."""
    (path,) = (folder / "corpora").iterdir()
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrays=st.dictionaries(
        st.sampled_from(["a", "frames", "train_ids"]),
        st.sampled_from([np.uint8, np.int64, np.float32]).flatmap(
            lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0))
        ),
    )
)
def test_arrays_come_back(tmp_path, arrays):
    """Names, types, shapes and bits."""
    cache.store(tmp_path / "x", arrays)
    back = cache.load(tmp_path / "x")
    assert arrays.keys() == back.keys()
    for name, array in arrays.items():
        assert (array.dtype, array.shape) == (back[name].dtype, back[name].shape)
        assert array.tobytes() == back[name].tobytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(share=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_one_wrong_bit_is_noticed(tmp_path, share, bits):
    """Wherever it is, also where the format would not mind."""
    cache.store(tmp_path / "x", {"a": np.arange(9), "b": np.zeros((2, 3))})
    content = bytearray((tmp_path / "x").read_bytes())
    content[int(share * len(content))] ^= bits
    (tmp_path / "x").write_bytes(content)
    assert cache.load(tmp_path / "x") is None


def test_what_is_cut_short_is_noticed(tmp_path):
    """At any length."""
    cache.store(tmp_path / "x", {"a": np.arange(9)})
    content = (tmp_path / "x").read_bytes()
    for length in range(len(content)):
        (tmp_path / "x").write_bytes(content[:length])
        assert cache.load(tmp_path / "x") is None


def test_the_second_reading_parses_nothing(tmp_path, counted):
    """Until the reader's version, or the content of a file, is another."""
    corpus, calls = counted
    for _ in range(2):
        assert WORDS == data.read(corpus, tmp_path)
    assert 1 == len(calls)
    data.read(replace(corpus, version=2), tmp_path)
    assert 2 == len(calls)
    place(tmp_path, corpus, {"words.txt": WORDS * 2})
    assert WORDS * 2 == data.read(fitted(corpus, tmp_path), tmp_path)
    assert 3 == len(calls)


def test_a_file_that_turned_wrong_is_noticed(tmp_path, counted):
    """The cache never stands in for the files."""
    corpus, _ = counted
    data.read(corpus, tmp_path)
    place(tmp_path, corpus, {"words.txt": WORDS[:-1]})
    with pytest.raises(WrongFileError, match="cut short"):
        data.read(corpus, tmp_path)


def test_a_spoiled_cache_is_built_anew(tmp_path, counted, empty_cache):
    """The user sees nothing of it."""
    corpus, calls = counted
    data.read(corpus, tmp_path)
    whole = kept(empty_cache).read_bytes()
    kept(empty_cache).write_bytes(whole[:-1])
    assert WORDS == data.read(corpus, tmp_path)
    assert 2 == len(calls)
    assert whole == kept(empty_cache).read_bytes()


def test_nothing_half_read_is_kept(tmp_path, counted, empty_cache):
    """A reader that fails leaves no arrays."""

    def parse(_):
        raise WrongFileError("expected more")

    corpus, _ = counted
    with pytest.raises(WrongFileError, match="expected more"):
        data.read(replace(corpus, parse=parse), tmp_path)
    assert not (empty_cache / "corpora").exists()


def test_a_full_disk_is_no_obstacle(tmp_path, counted, empty_cache, monkeypatch):
    """The corpus is read, nothing is kept, and no temporary file stays."""

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    corpus, calls = counted
    monkeypatch.setattr(os, "fsync", full)
    for _ in range(2):
        assert WORDS == data.read(corpus, tmp_path)
    assert 2 == len(calls)
    assert [] == [path for path in empty_cache.rglob("*") if path.is_file()]


def test_an_interruption_leaves_the_old_file(tmp_path, monkeypatch):
    """And nothing beside it."""

    def interrupt(*_):
        raise KeyboardInterrupt

    path = tmp_path / "x"
    write_bytes(path, b"old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(path, b"new")
    assert [path] == list(tmp_path.iterdir())
    assert b"old" == path.read_bytes()


def test_the_cache_is_in_the_home_by_default(tmp_path, monkeypatch):
    """As other programs have it."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path / ".cache/desiderata" == cache.cache_folder()
