"""What the tests of studies share: a cache of their own, and the real corpora read once."""

from __future__ import annotations

import functools

import pytest

from studies import data
from studies.data.errors import MissingFileError


@pytest.fixture
def empty_cache(tmp_path_factory, monkeypatch):
    """A cache folder of the test's own, which holds nothing yet."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "desiderata"


@pytest.fixture(scope="session")
def real(data_dir, tmp_path_factory):
    """Reads a corpus by name from the real files, once a session; skips where they are not there."""
    folder = tmp_path_factory.mktemp("real-cache")

    @functools.cache
    def read(name):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(folder))
            try:
                return data.read(name, data_dir)
            except MissingFileError as error:
                pytest.skip(str(error).splitlines()[0])

    return read
