"""Downloading the files that are openly published at a stable address, each verified before it is kept."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pooch
from rich.progress import Progress, TaskID

from studies.data.corpus import Corpus, DataFile
from studies.data.errors import DownloadError
from studies.data.folder import data_folder, wanted
from studies.data.verify import Check, check, check_at

_PIECE = 1 << 16
_SECONDS_WITHOUT_A_BYTE = 30


def fetch(
    corpus: Corpus[Any], data: str | Path | None = None, progress: Progress | None = None
) -> list[Check]:
    """Download what is missing or wrong of ``corpus`` into its folder; return a check of every file.

    What is there already is left alone. A download stands under a temporary name until its checksum, or
    that of its content, agrees. Raises :class:`DownloadError` where a file is not openly published
    (nothing is then downloaded), where the address cannot be reached, where something else came, or
    where the folder cannot be written.
    """
    folder = data_folder(data, corpus)
    needed = [
        file
        for file in corpus.files
        if check(file, corpus, folder).status not in {"verified", "present"}
    ]
    closed = [file.name for file in needed if _published(file) is None]
    if closed:
        raise DownloadError(
            f"{corpus.name}: expected files with a public address, {', '.join(closed)} cannot be "
            f"downloaded by a program: get what is needed by hand{wanted(corpus)}"
        )
    for file in needed:
        choice = _published(file)
        if choice is not None:
            _download(choice, folder / corpus.where, progress)
    return [check(file, corpus, folder) for file in corpus.files]


def _published(file: DataFile) -> DataFile | None:
    """The file or the alternative that has an address."""
    return next((one for one in file.choices() if one.url is not None), None)


def _download(file: DataFile, home: Path, progress: Progress | None) -> None:
    by_hand = f"check the connection, or get it by hand from {file.origin} and put it into {home}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".fetch-") as folder, _quiet():
            got = pooch.retrieve(
                url=file.url,
                known_hash=file.sha256,
                fname=file.name,
                path=folder,
                downloader=pooch.HTTPDownloader(
                    progressbar=False if progress is None else _Bar(progress, file),
                    chunk_size=_PIECE,
                    timeout=_SECONDS_WITHOUT_A_BYTE,
                ),
            )
            problem = check_at(file, Path(got)).problem
            if not problem:
                Path(got).replace(home / file.name)
    except (OSError, ValueError) as error:  # what requests raises is an OSError
        raise DownloadError(
            f"expected to fetch {file.name} from {file.url}, it failed ({error}): {by_hand}"
        ) from error
    if problem:
        raise DownloadError(
            f"expected {file.name} from {file.url}, got another file ({problem}): {by_hand}"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without pooch's own lines; what there is to say, the caller says."""
    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


class _Bar:
    """A line of rich's progress display in the shape that pooch asks for."""

    def __init__(self, progress: Progress, file: DataFile) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task(file.name, total=file.size)

    @property
    def total(self) -> float | None:
        """The bytes to come; pooch sets it to 0 where the server does not say."""
        return self._progress.tasks[self._progress.task_ids.index(self._task)].total

    @total.setter
    def total(self, value: int) -> None:
        if value:
            self._progress.update(self._task, total=value)

    def update(self, count: int) -> None:
        """Some more bytes came."""
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        """Begin at zero: pooch does so before it fills the bar at the end."""
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        """Nothing to do: the display belongs to the caller."""
