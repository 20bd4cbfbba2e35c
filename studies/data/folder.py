"""Where the data are: the folder that the user names, and the places in it where a file may lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from studies.data.corpus import Corpus, DataFile
from studies.data.errors import DataFolderError

VARIABLE = "DESIDERATA_DATA"


def data_folder(named: str | Path | None = None, corpus: Corpus[Any] | None = None) -> Path:
    """The folder of data: ``named``, else what the environment variable ``DESIDERATA_DATA`` names.

    Raises :class:`DataFolderError` where neither is given, or where what is given is not a folder that can
    be listed; with a ``corpus``, the message says which files it needs and where people get them.
    """
    value = str(named) if named is not None else os.environ.get(VARIABLE, "")
    said = "--data" if named is not None else VARIABLE
    if not value.strip():
        raise DataFolderError(
            f"expected a folder of data, none is named: set {VARIABLE} to it, or pass --data FOLDER"
            + wanted(corpus)
        )
    folder = Path(value).expanduser()
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise DataFolderError(
            f"expected {said} to name a folder of data, {folder} {state}: create it and put the files there, "
            f"or name another{wanted(corpus)}"
        )
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise DataFolderError(
            f"expected {said} to name a folder that can be read, {folder} cannot be listed "
            f"({error.strerror or error}): change its permissions, or name another"
        ) from error
    return folder


def places(folder: Path, corpus: Corpus[Any], file: DataFile) -> tuple[Path, ...]:
    """The paths at which ``file`` is looked for, first the one where a download would put it."""
    homes = dict.fromkeys((folder / corpus.where, folder / corpus.name, folder))
    return tuple(home / file.name for home in homes)


def wanted(corpus: Corpus[Any] | None) -> str:
    """What a corpus consists of, as lines that end an error message; nothing without a corpus."""
    if corpus is None:
        return ""
    lines = [
        f"\n{corpus.name} ({corpus.summary}) is read from <folder>/{corpus.where}/ or <folder>/:"
    ]
    for file in corpus.files:
        lines.append(f"  {described(file)}")
        lines.extend(f"    or {described(other)}" for other in file.alternatives)
        lines.append(f"    from: {file.origin}")
        lines.append(f"    terms: {file.terms}")
    return "\n".join(lines)


def described(file: DataFile) -> str:
    """One file in a line: name, size, checksum; what is not known is said to be."""
    size = "size not fixed" if file.size is None else f"{file.size:,} bytes"
    if file.sha256 is not None:
        checksum = f"sha256 {file.sha256}"
    elif file.unpacked_sha256 is not None:
        checksum = f"sha256 of what is inside {file.unpacked_sha256}"
    else:
        checksum = "no known checksum"
    return f"{file.name}, {size}, {checksum}"
