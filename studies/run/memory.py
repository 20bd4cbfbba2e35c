"""Freed memory that stays with the process, for the next step's tensors."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

# parameters of mallopt, from malloc.h
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have the C library hand out freed memory again, however large the piece; whether it can.

    glibc takes pieces of more than 32 MiB from the operating system and gives them back at once, so that
    every step of a training run fills fresh pages, which can take longer than its arithmetic. For programs,
    not for libraries: it holds for the whole process, which keeps the memory of its largest step and some in
    between.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt: Any = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _MOST))
