"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from properties.core.errors import HarnessError, OutputError
from properties.report.write import write_text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=60))
def test_what_is_written_is_what_is_read(tmp_path, text):
    """Any text survives, over an older file too, and no temporary file stays."""
    path = tmp_path / "certificate.json"
    write_text(path, text)
    assert text == path.read_bytes().decode()
    assert [path] == list(tmp_path.iterdir())


def test_line_ends_are_the_same_everywhere(tmp_path):
    """A newline is one byte, so that equal certificates are equal files."""
    write_text(tmp_path / "a", "one\ntwo\n")
    assert b"one\ntwo\n" == (tmp_path / "a").read_bytes()


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    """Neither private, as temporary files are, nor other than the replaced file's."""
    path, plain = tmp_path / "page.html", tmp_path / "plain"
    plain.write_text("x")
    write_text(path, "new")
    assert stat.S_IMODE(plain.stat().st_mode) == stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o640)
    write_text(path, "newer")
    assert 0o640 == stat.S_IMODE(path.stat().st_mode)


def test_a_link_is_followed(tmp_path):
    """The file that a link leads to is replaced; the link stays a link."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink()
    assert "new" == real.read_text()


def test_a_missing_folder_is_named(tmp_path):
    """Nothing is created on the user's behalf."""
    with pytest.raises(
        OutputError, match=r"expected .*reports to be a folder .* it is missing; create it"
    ):
        write_text(tmp_path / "reports" / "a.json", "{}")
    assert [] == list(tmp_path.iterdir())


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    """The message tells it from a missing folder."""
    (tmp_path / "reports").write_text("x")
    with pytest.raises(OutputError, match="it is a file"):
        write_text(tmp_path / "reports" / "a.json", "{}")


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    """The message asks for a file name."""
    with pytest.raises(OutputError, match=r"expected a file name, got the folder .*; add a name"):
        write_text(tmp_path, "{}")


def test_the_error_is_one_of_the_harness():
    """The command line turns the tree of errors into exit status 2."""
    assert issubclass(OutputError, HarnessError)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch, call, code):
    """After a full disk or a refusal the old file is whole and alone in its folder."""
    path = tmp_path / "certificate.json"
    path.write_text("old")

    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(
        OutputError, match=rf"could not be written \({os.strerror(code)}\); free the space"
    ):
        write_text(path, "new")
    assert "old" == path.read_text()
    assert [path] == list(tmp_path.iterdir())


def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch):
    """Neither does a keyboard interrupt, which is no OSError."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "a", "new")
    assert [] == list(tmp_path.iterdir())


def test_a_read_only_folder_is_refused(tmp_path, monkeypatch):
    """The folder refuses the temporary file already: mkstemp is where that shows."""
    import tempfile

    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(OutputError, match="change the permissions"):
        write_text(tmp_path / "a", "new")
