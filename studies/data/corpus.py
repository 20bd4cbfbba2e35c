"""What a corpus is: the files it consists of, and how they become arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from studies.data.content import chunks

T = TypeVar("T")
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class DataFile:
    """One conventional file, or folder, of a corpus.

    Attributes:
        name: the conventional file name.
        terms: the licence, as far as it is known.
        origin: where people get the file.
        size: its bytes, and ``sha256`` its checksum, hexadecimal; ``None`` where they are not known.
        unpacked_size: the bytes of what is inside, and ``unpacked_sha256`` their checksum. A file whose
            own checksum differs is accepted by them, since the same content can be compressed in many ways.
        content: gives what is inside a path in pieces; by default, what the ending of the name says.
        folder: whether it is a folder of small files, unpacked from an archive.
        url: a stable public address of the very file, if there is one.
        alternatives: other files with the same content; any one of them will do.
    """

    name: str
    terms: str
    origin: str
    size: int | None = None
    sha256: str | None = None
    unpacked_size: int | None = None
    unpacked_sha256: str | None = None
    content: Callable[[Path], Iterator[bytes]] = chunks
    folder: bool = False
    url: str | None = None
    alternatives: tuple[DataFile, ...] = ()

    def choices(self) -> tuple[DataFile, ...]:
        """This file and its alternatives, this one first."""
        return (self, *self.alternatives)


@dataclass(frozen=True)
class Corpus(Generic[T]):
    """A named set of files and the reader of their format.

    Attributes:
        name: lower-case with hyphens, as a command takes it.
        summary: one line for a listing.
        files: everything that is needed.
        where: the sub-folder of the data folder in which the files conventionally lie.
        parse: from a path for each of ``files``, by name, to flat arrays; these are what is cached.
        build: from those arrays to what :func:`studies.data.read` returns.
        version: of the reader; raised whenever ``parse`` gives other arrays for the same files.
    """

    name: str
    summary: str
    files: tuple[DataFile, ...]
    where: str
    parse: Callable[[Mapping[str, Path]], Arrays]
    build: Callable[[Arrays], T]
    version: int = 1
