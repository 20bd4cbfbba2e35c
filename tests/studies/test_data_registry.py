"""Corpora are found by folder, and each says of its files what is known."""

from __future__ import annotations

import re
import sys

import pytest

import studies.data.corpora
from studies import data
from studies.data import registry
from studies.data.errors import UnknownCorpusError
from tests.studies.tiny_corpora import of_files, plain

HEX = re.compile("[0-9a-f]{64}")


def test_the_corpora_of_the_studies_are_there():
    """Those that a task is named after."""
    wanted = (
        "enwik8 enwik8-part imdb jsb-chorales mimic3 mnist musedata nottingham physionet2012 "
        "piano-midi ptb text8 text8-part"
    )
    assert set(wanted.split()) <= set(data.names())


@pytest.mark.parametrize("name", data.names())
def test_every_file_is_described(name):
    """Names are lower-case with hyphens; checksums are SHA-256; terms and origin are stated."""
    corpus = data.get(name)
    assert name == corpus.name
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name)
    assert corpus.summary
    names = [choice.name for file in corpus.files for choice in file.choices()]
    assert len(set(names)) == len(names)
    for choice in (choice for file in corpus.files for choice in file.choices()):
        assert choice.terms
        assert choice.origin
        for checksum in (choice.sha256, choice.unpacked_sha256):
            assert checksum is None or HEX.fullmatch(checksum)
        # a download of which nothing is known could be anything
        assert choice.url is None or choice.sha256 or choice.unpacked_sha256


def test_an_unknown_name_lists_the_near_ones():
    """A slip of the finger is put right by the message; a foreign word gets the whole list."""
    with pytest.raises(UnknownCorpusError, match=r"'noting-ham'; did you mean .*nottingham"):
        data.get("noting-ham")
    with pytest.raises(LookupError, match=r"called 'qqq'; known: enwik8, enwik8-part, .*text8"):
        data.read("qqq")


def test_a_taken_name_is_refused():
    """Two corpora of one name would hide each other."""
    known = {}
    registry.enter(known, of_files(plain(b"a")), "here")
    with pytest.raises(ValueError, match="there: the corpus name 'tiny' is taken: choose another"):
        registry.enter(known, of_files(plain(b"b")), "there")


def test_a_new_file_is_a_new_corpus(tmp_path, monkeypatch):
    """Nothing else has to be edited."""
    (tmp_path / "mine.py").write_text(
        "from tests.studies.tiny_corpora import of_files, plain\n"
        "CORPORA = (of_files(plain(b'a'), name='mine'),)\n",
        encoding="utf-8",
    )
    paths = [*studies.data.corpora.__path__, str(tmp_path)]
    monkeypatch.setattr(studies.data.corpora, "__path__", paths)
    registry._corpora.cache_clear()
    try:
        assert "a tiny corpus" == data.get("mine").summary
    finally:
        monkeypatch.undo()
        registry._corpora.cache_clear()
        sys.modules.pop("studies.data.corpora.mine", None)
    assert "mine" not in data.names()
