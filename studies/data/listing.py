"""Which files are there: one row for each file of each corpus, and the tables that show them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from studies.data.folder import VARIABLE, data_folder, described
from studies.data.registry import get, names
from studies.data.verify import Check, Status, check

_STYLES: dict[Status, str] = {
    "verified": "green",
    "present": "cyan",
    "missing": "yellow",
    "wrong": "red",
}


@dataclass(frozen=True)
class Row:
    """One file of one corpus.

    Attributes:
        corpus: its name.
        name: the file that is there, or the conventional one where none is.
        status: ``verified``: a checksum agrees; ``present``: it is there and no checksum is known;
            ``missing``; ``wrong``: it is there and is another.
        size: bytes of what is there, else those expected; ``None`` for a folder, or where they are not fixed.
        description: name, size and checksum in words; of each alternative too, one a line.
        terms: the licence.
        origin: where people get it.
        downloadable: whether ``fetch`` can get it.
        path: where it was found.
        problem: what is wrong with it.
    """

    corpus: str
    name: str
    status: Status
    size: int | None
    description: str
    terms: str
    origin: str
    downloadable: bool
    path: Path | None = None
    problem: str = ""


def rows(data: str | Path | None = None, only: Sequence[str] = ()) -> list[Row]:
    """Check every file of every corpus, or of those in ``only``; without a folder all are missing.

    Raises :class:`studies.data.errors.DataFolderError` for a folder that is named and cannot be read, and
    :class:`studies.data.errors.UnknownCorpusError` for an unknown name.
    """
    named = data is not None or os.environ.get(VARIABLE, "").strip()
    folder = data_folder(data) if named else None
    found = []
    for name in only or names():
        corpus = get(name)
        for file in corpus.files:
            state = Check(file, "missing") if folder is None else check(file, corpus, folder)
            shown = state.file
            found.append(
                Row(
                    corpus=corpus.name,
                    name=shown.name,
                    status=state.status,
                    size=_size(state),
                    description="\nor ".join(described(one) for one in file.choices()),
                    terms=file.terms,
                    origin=file.origin,
                    downloadable=any(one.url is not None for one in file.choices()),
                    path=state.path,
                    problem=state.problem,
                )
            )
    return found


def _size(state: Check) -> int | None:
    if state.path is None or state.file.folder:
        return state.file.size
    return state.path.stat().st_size


def table(listed: Sequence[Row]) -> Table:
    """Corpus, file, status, size and place of every row."""
    shown = Table("corpus", "file", "status", "bytes", "found at or got by")
    shown.columns[3].justify = "right"
    for row in listed:
        how = "fetch" if row.downloadable else "by hand, see below"
        shown.add_row(
            row.corpus,
            escape(row.name),
            f"[{_STYLES[row.status]}]{row.status}[/]",
            "" if row.size is None else f"{row.size:,}",
            how if row.path is None else escape(str(row.path)),
        )
    return shown


def wanted_table(listed: Sequence[Row]) -> Table | None:
    """Size, checksum, terms and origin of what is missing or wrong; ``None`` where nothing is."""
    lacking = [row for row in listed if row.status in {"missing", "wrong"}]
    if not lacking:
        return None
    shown = Table("corpus", "wanted", "terms", "where people get it", show_lines=True)
    for column in shown.columns:
        column.overflow = "fold"  # a checksum that is cut cannot be compared
    for row in lacking:
        wanted = row.description + (f"\n{row.problem}" if row.problem else "")
        shown.add_row(*map(escape, (row.corpus, wanted, row.terms, row.origin)))
    return shown
