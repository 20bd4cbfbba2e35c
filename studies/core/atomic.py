"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
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


def write_folder_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill an empty folder beside ``path``, then rename it to that.

    What stood at ``path``, folder or file, is renamed first and deleted last, and is back there on any error.
    Raises :class:`StudyError` where the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{path.name[:64]}.", suffix=".tmp", dir=path.parent))
    except OSError as error:
        raise _failure(path, error) from error
    new, old = place / "new", place / "old"
    try:
        new.mkdir()
        write(new)
        for file in new.rglob("*"):
            if file.is_file():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
        if path.exists():
            os.replace(path, old)  # noqa: PTH105 - as in `replaced`
        os.replace(new, path)  # noqa: PTH105
    except OSError as error:
        raise _failure(path, error) from error
    finally:  # also after an interruption
        if old.exists() and not path.exists():
            os.replace(old, path)  # noqa: PTH105
        shutil.rmtree(place, ignore_errors=True)


def _failure(path: Path, error: OSError) -> StudyError:
    return StudyError(
        f"{path} cannot be written: {error.strerror or error}; expected a folder with space that this "
        "user may write to. What stood there before is unchanged: make room or name another place"
    )
