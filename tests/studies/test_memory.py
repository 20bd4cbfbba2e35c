"""Memory that stays with the process: counted in fresh pages, in processes of their own."""

import ctypes
import platform
import subprocess
import sys

import pytest

from studies.training.memory import keep_freed_memory

STEPS = """
import resource, sys, torch
from studies.training.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def step():
    x = torch.ones(3, 2**22)
    return float((x + x)[0, 0])
for _ in range(12):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def fresh_pages(how):
    """How many pages four steps of two tensors of 48 MiB took from the system."""
    done = subprocess.run(
        [sys.executable, "-c", STEPS, how], check=True, capture_output=True, text=True, timeout=120
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other habits")
def test_a_step_takes_no_fresh_pages():
    """By default it takes every page of its large tensors."""
    assert fresh_pages("kept") < 100 < fresh_pages("given back") / 10


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_another_library_or_system_is_left_as_it_is(monkeypatch, error):
    """And says so."""

    def loaded(_):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", loaded)
    assert not keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
