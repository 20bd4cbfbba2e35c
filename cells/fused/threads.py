"""Threads for kernels: those of torch's own operations where they can be asked for, else a few of ours.

Torch's wait for their next work by running in circles, so that threads beside them find no processor: with a
pool of our own, two threads on two processors were as slow as one, and short sequences three times as slow.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

_Part = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_chosen: list[int] = []
_forked: list[bool] = []


@contextmanager
def kernel_threads(count: int | None = None) -> Iterator[None]:
    """Inside, kernels on the CPU run on up to ``count`` threads, or as many as this process has processors.

    Results have the same bits on any number of them. Elsewhere there are as many as torch's own operations
    have, whose number stays what it is. Raises ValueError for less than one.
    """
    if count is not None and count < 1:
        raise ValueError(f"kernel_threads: expected 1 or more, or None for all, got {count}")
    _chosen.append(count or processors())
    try:
        yield
    finally:
        _chosen.pop()


def thread_limit() -> int:
    """On how many threads a kernel may run."""
    return _chosen[-1] if _chosen else torch.get_num_threads()


def processors() -> int:
    """How many this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel(part: Callable[[int], None], count: int) -> None:
    """Call ``part`` with each of 0 … ``count`` - 1, on as many threads; raise the first error among them.

    Worth it for what lets go of the interpreter's lock.
    """
    left, errors = deque(range(count)), deque[BaseException]()

    def work(_: Any = None) -> None:
        try:
            # until nothing is left: there may be fewer threads than were asked for
            for k in iter(functools.partial(_next, left), None):
                part(k)
        except BaseException as error:  # noqa: BLE001 - raised again, by the caller's thread
            errors.append(error)

    team = None if _forked else _team()
    if team is not None:
        team(_Part(work), None, count, 0)
    else:
        with ThreadPoolExecutor(count) as pool:
            for _ in range(count - 1):
                pool.submit(work)
            work()
    if errors:
        raise errors[0]


def _next(left: deque[int]) -> int | None:
    try:
        return left.popleft()
    except IndexError:
        return None


@functools.cache
def _team() -> Any:
    """GNU OpenMP's call of a function by a team of threads, which LLVM's has as well; None without."""
    try:
        function = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):  # another system, or another build of torch
        return None
    function.argtypes = [_Part, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    function.restype = None
    return function


if hasattr(os, "register_at_fork"):
    # a child has none of its parent's threads, and a team would wait for them for ever
    os.register_at_fork(after_in_child=lambda: _forked.append(True))
