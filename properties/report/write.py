"""Writing a file whole or not at all: a temporary file in the same folder takes the old one's place."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from properties.core.errors import OutputError


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8 with ``\\n`` line ends.

    A reader sees the old file or the new one, never a part; after an error the old file is untouched
    and nothing else is left in the folder. A link is followed: what it leads to is replaced. Raises
    :class:`OutputError` where the folder is missing, is a file, or cannot be written, where
    ``path`` is a folder, and where the disk is full.
    """
    target = Path(os.path.realpath(path))
    folder = target.parent
    if not folder.is_dir():
        raise OutputError(
            f"output: expected {folder} to be a folder to write {target.name!r} in, it is "
            f"{'a file' if folder.exists() else 'missing'}; create it, or choose another place"
        )
    if target.is_dir():
        raise OutputError(f"output: expected a file name, got the folder {target}; add a name")
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(
            dir=folder, prefix=f".{target.name[:64]}.", suffix=".tmp"
        )
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(_mode(target))
        os.replace(temporary, target)  # noqa: PTH105 - one system call, and the one that tests interrupt
    except OSError as error:
        raise OutputError(
            f"output: {target} could not be written ({error.strerror or error}); "
            "free the space or change the permissions, or choose another place"
        ) from error
    else:
        temporary = None
    finally:
        if temporary is not None:  # also after an interruption
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, or those of a new one (``mkstemp`` makes it private)."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
