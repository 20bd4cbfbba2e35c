"""Many small files in one archive, or unpacked in a folder."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from studies.data.content import DAMAGED
from studies.data.errors import WrongFileError


def members(path: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The files below ``path``, by name, whose name ``wanted`` accepts, in the order of their names.

    ``path`` is a tar archive, compressed or not, or the folder that is unpacked from one; a name is as in the
    archive, such as ``set-a/132539.txt``. Raises :class:`WrongFileError` where it cannot be read to its end.
    """
    try:
        found = dict(_of_folder(path, wanted) if path.is_dir() else _of_archive(path, wanted))
    except (*DAMAGED, tarfile.TarError) as error:
        raise WrongFileError(
            f"{path}: expected a whole archive, it cannot be read to its end ({error}): get it anew"
        ) from error
    return dict(sorted(found.items()))


def _of_archive(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path, "r|*") as archive:
        for one in archive:
            name = one.name.removeprefix("./")
            if one.isfile() and wanted(name):
                file = archive.extractfile(one)
                if file is not None:
                    yield name, file.read()


def _of_folder(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    for one in path.rglob("*"):
        name = f"{path.name}/{one.relative_to(path).as_posix()}"
        if wanted(name) and one.is_file():
            yield name, one.read_bytes()


def canonical(wanted: Callable[[str], bool]) -> Callable[[Path], Iterator[bytes]]:
    """What a checksum of such files is taken over: each one's name, length and bytes, in the order of names.

    It does not depend on how they are packed, nor in what order.
    """

    def content(path: Path) -> Iterator[bytes]:
        for name, data in members(path, wanted).items():
            yield f"{name}\n{len(data)}\n".encode()
            yield data

    return content
