"""Threads of kernels: every part is done once, errors come out, and a forked child does not wait for ever."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import cells
from cells.fused import threads

torch.set_num_threads(1)


@pytest.fixture(params=["torch's", "ours"], autouse=True)
def _team(request, monkeypatch):
    """With the threads of torch's operations, and where those cannot be asked for."""
    if request.param == "ours":
        monkeypatch.setattr(threads, "_team", lambda: None)
    elif threads._team() is None:
        pytest.skip("this build of torch has no GOMP_parallel")


@given(count=st.integers(1, 9))
def test_every_part_is_done_once(count):
    """However many threads there are."""
    done = Counter()
    threads.in_parallel(lambda k: done.update([k]), count)
    assert done == Counter(range(count))


def test_a_team_may_be_smaller(monkeypatch):
    """What others do not take the one thread does."""
    monkeypatch.setattr(threads, "_team", lambda: lambda work, *_: work(None))
    done = []
    threads.in_parallel(done.append, 4)
    assert done == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", [ValueError, IndexError, KeyboardInterrupt])
def test_an_error_of_a_part_is_raised(kind):
    """In the caller's thread, whichever thread met it."""

    def part(k):
        if k == 1:
            raise kind("of part 1")

    with pytest.raises(kind, match="of part 1"):
        threads.in_parallel(part, 3)


def test_who_says_how_many():
    """Torch, unless one says otherwise, for as long as one does."""
    assert threads.thread_limit() == 1
    with cells.kernel_threads(3):
        with cells.kernel_threads(2):
            assert threads.thread_limit() == 2
        assert threads.thread_limit() == 3
        with cells.kernel_threads():
            assert threads.thread_limit() >= 1
    assert threads.thread_limit() == torch.get_num_threads() == 1
    with (
        pytest.raises(ValueError, match="expected 1 or more, or None for all, got 0"),
        cells.kernel_threads(0),
    ):
        pass


CHILD = """
import os
from cells.fused import threads
threads.in_parallel(lambda k: None, 3)
child = os.fork()
if child == 0:
    done = []
    threads.in_parallel(done.append, 3)
    os._exit(0 if sorted(done) == [0, 1, 2] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="nothing is forked here")
def test_a_forked_child_does_not_wait_for_threads_that_it_has_not():
    """The team's threads stay with the parent."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", CHILD], check=True, timeout=120)
