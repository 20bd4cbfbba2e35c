"""Optuna's journal file, made safe against processes that die in the middle of a line.

Optuna's own locks are files: one that a killed process leaves behind stops everybody for 30 seconds. This
one is the kernel's, and ends with the process. Under it, whatever follows the last line break is the torn
line of a process that died or of a disk that was full: nobody was told that it was written, so it is cut off
before the next line would turn it into damage that no reader survives.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from ablations.core.errors import AblationError, UnavailableError


class Journal(BaseJournalBackend):
    """The journal at ``path``.

    Damage before its last line ends with a message and the command that repairs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = JournalFileBackend(str(path))

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """The entries from a number on; raises :class:`AblationError` for a damaged one."""
        try:
            yield from self._reader.read_logs(log_number_from)
        except ValueError as error:  # of JSON, of UTF-8, or a line break too few
            raise AblationError(
                f"{self.path}: a line of the journal is damaged ({error}): the records are unharmed; "
                f"`python -m ablations doctor {self.path.parent} --rebuild` makes a new journal from them"
            ) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append, after cutting off a torn last line; raises :class:`UnavailableError` on a full disk."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        try:
            with self.path.with_name(f".{self.path.name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                _append(self.path, text.encode())
        except OSError as error:
            raise UnavailableError(
                f"{self.path} cannot be written: {error.strerror or error}; make room and run the same "
                "command again"
            ) from error


def _append(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        end = _whole(file)
        file.truncate(end)
        file.seek(end)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def _whole(file: IO[bytes]) -> int:
    """Where the last complete line ends."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65_536)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0
