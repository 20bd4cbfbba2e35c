"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from studies.core.errors import StudyError


def replaced(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it; on any error nothing changes.

    The folder is made where there is none. Raises ``OSError``, and whatever ``write`` raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)  # noqa: PTH105 - one system call, and the one that tests interrupt
    finally:  # also after an interruption
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """As :func:`replaced`, for files that a user asked for.

    Raises :class:`StudyError` where the folder cannot be written or the disk is full; what stood at ``path``
    before is still there.
    """
    try:
        replaced(path, write)
    except OSError as error:
        raise _failure(path, error) from error


def _failure(path: Path, error: OSError) -> StudyError:
    return StudyError(
        f"{path} cannot be written: {error.strerror or error}; expected a folder with space that this "
        "user may write to. What stood there before is unchanged: make room or name another place"
    )
