"""Writing a file whole or not at all: under a temporary name in the same folder, then renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, making its folder where there is none.

    A reader sees the old file or the new one, never a part. Raises ``OSError``; the old file is then
    untouched and no temporary file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name[:64]}.", suffix=".tmp"
        )
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - one system call, and the one that tests interrupt
        temporary = None
    finally:
        if temporary is not None:  # also after an interruption
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
