"""What the functions that a kernel calls look like: Numba's cache knows of changes in one file only."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_STAMP = re.compile(r"^# (numba_[a-z_, ]+) as of [0-9a-f]{12}$", re.MULTILINE)


def fingerprint(*names: str) -> str:
    """Twelve hexadecimal digits of the modules ``names`` of this package."""
    parts = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in names]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def stamped(text: str) -> str:
    """A module whose line "# numba_a and numba_b as of ..." holds the fingerprint of those."""

    def renewed(match: re.Match[str]) -> str:
        names = re.split(", | and ", match[1])
        return f"# {match[1]} as of {fingerprint(*names)}"

    return _STAMP.sub(renewed, text)
