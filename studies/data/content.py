"""What is inside a file, whatever it is compressed with."""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from studies.data.errors import WrongFileError

PIECE = 1 << 20

# What the standard library raises for a compressed file that is cut short or damaged.
DAMAGED = (EOFError, OSError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open ``path`` for reading what is inside, by its ending: ``.gz``, ``.xz``, ``.zip``, or as it is.

    A zip archive must hold exactly one file. Raises :class:`WrongFileError` where it does not.
    """
    if path.suffix == ".gz":
        with gzip.open(path, "rb") as unzipped:
            yield cast("IO[bytes]", unzipped)
    elif path.suffix == ".xz":
        with lzma.open(path, "rb") as file:
            yield file
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) != 1:
                raise WrongFileError(
                    f"{path}: expected a zip archive with one file inside, it holds {len(members)}; "
                    "get the original archive"
                )
            with archive.open(members[0]) as file:
                yield file
    else:
        with path.open("rb") as file:
            yield file


def chunks(path: Path) -> Iterator[bytes]:
    """What is inside ``path``, in pieces of a mebibyte."""
    with opened(path) as file:
        yield from raw_chunks(file)


def raw_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of an open file, in pieces of a mebibyte."""
    while piece := file.read(PIECE):
        yield piece


def contents(path: Path) -> bytes:
    """All that is inside ``path``.

    Raises :class:`WrongFileError` where it cannot be unpacked.
    """
    try:
        return b"".join(chunks(path))
    except DAMAGED as error:
        raise WrongFileError(
            f"{path}: expected a whole file, it cannot be read to its end ({error}): get it anew"
        ) from error
