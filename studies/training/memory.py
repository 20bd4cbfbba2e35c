"""What a program that trains settles with its process: freed memory stays, old objects are not searched."""

from __future__ import annotations

import ctypes
import functools
import gc
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


@functools.cache
def settle_objects() -> None:
    """Have Python's collector pass over what there is by now; once in a process, after the first step.

    Hundreds of thousands of objects of imported modules are no garbage, and searching them took a
    thirteenth of a run of many short steps. For programs, as above.
    """
    gc.collect()
    gc.freeze()
