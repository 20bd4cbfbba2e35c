"""Where data are read from, and what is said where no folder can be."""

from __future__ import annotations

import os

import pytest

from studies import data
from studies.data.errors import DataFolderError
from studies.data.folder import data_folder
from tests.studies.tiny_corpora import of_files, plain, sha256


def test_what_is_named_goes_before_the_environment(tmp_path, monkeypatch):
    """``--data`` wins; without it the variable counts."""
    (tmp_path / "a").mkdir()
    monkeypatch.setenv("DESIDERATA_DATA", str(tmp_path))
    assert tmp_path / "a" == data_folder(tmp_path / "a")
    assert tmp_path == data_folder()


def test_a_tilde_is_the_home(tmp_path, monkeypatch):
    """As a shell has it, though a variable in a file may not."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path == data_folder("~")


@pytest.mark.parametrize("value", [None, "", "  "])
def test_no_folder_is_named(monkeypatch, value):
    """The message says what to set, and for a corpus what to put there."""
    monkeypatch.delenv("DESIDERATA_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("DESIDERATA_DATA", value)
    with pytest.raises(DataFolderError, match=r"set DESIDERATA_DATA to it, or pass --data FOLDER$"):
        data_folder()
    corpus = of_files(plain(b"a"))
    says = (
        rf"(?s)pass --data FOLDER\ntiny .*<folder>/tiny/.*words.txt, 1 bytes, sha256 {sha256(b'a')}"
    )
    with pytest.raises(DataFolderError, match=says):
        data.read(corpus)


def test_the_folder_does_not_exist(tmp_path, monkeypatch):
    """Which of the two named it is said."""
    monkeypatch.setenv("DESIDERATA_DATA", str(tmp_path / "no"))
    with pytest.raises(
        DataFolderError, match=r"expected DESIDERATA_DATA to name .*/no does not exist"
    ):
        data_folder()
    with pytest.raises(DataFolderError, match=r"expected --data to name .*/other does not exist"):
        data_folder(tmp_path / "other")


def test_the_folder_is_a_file(tmp_path):
    """A file holds no files."""
    (tmp_path / "words.txt").write_bytes(b"")
    with pytest.raises(DataFolderError, match=r"words.txt is a file: create it"):
        data_folder(tmp_path / "words.txt")


def test_the_folder_cannot_be_read(tmp_path, monkeypatch):
    """Permissions are named as such."""

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(
        DataFolderError, match=r"cannot be listed \(Permission denied\): change its perm"
    ):
        data_folder(tmp_path)
