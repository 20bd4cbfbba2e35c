"""The user's cache: parsed corpora and the checksums of files already read.

It only ever saves time. What cannot be written is not kept, and what does not read back whole is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.corpus import Arrays, Corpus
from studies.data.writing import write_bytes

_DIGEST = hashlib.sha256().digest_size


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/desiderata``, or ``~/.cache/desiderata``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "desiderata"


def arrays_path(corpus: Corpus[Any], checksums: Sequence[str]) -> Path:
    """Where the arrays of ``corpus`` are kept, by its reader's version and the files' checksums."""
    key = "\n".join([corpus.name, str(corpus.version), *checksums])
    short = hashlib.sha256(key.encode()).hexdigest()[:24]
    return cache_folder() / "corpora" / f"{corpus.name}-{short}.arrays"


def store(path: Path, arrays: Arrays) -> None:
    """Keep ``arrays`` at ``path``: their checksum, then the bytes of an ``.npz``; nothing if it fails."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    content = buffer.getvalue()
    with contextlib.suppress(OSError):
        write_bytes(path, hashlib.sha256(content).digest() + content)


def load(path: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays kept at ``path``; ``None`` where there are none or where a single bit of them differs."""
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    content = memoryview(kept)[_DIGEST:]
    if hashlib.sha256(content).digest() != kept[:_DIGEST]:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as held:
        return {name: held[name] for name in held.files}
