"""Writing a file of bytes whole or not at all, where a failure is the caller's to explain."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from studies.core.atomic import replaced


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, making its folder where there is none.

    A reader sees the old file or the new one, never a part. Raises ``OSError``; the old file is then
    untouched and no temporary file stays.
    """
    replaced(path, partial(Path.write_bytes, data=content))
