"""Memory that is used again is nobody else's while it is in use."""

from __future__ import annotations

import pytest
import torch

import cells
from properties.core import lanes, workspace
from properties.core.context import Context
from properties.core.profile import profile
from properties.core.sampling import Regime
from properties.core.subject import Subject

pytest.importorskip("numba")


def subject_of(name, size, steps):
    """The probe of a cell, and some draws."""
    context = Context(Subject(cells.get(name), name="x", sizes=(size,)), profile("dev"), 0)
    return context.standard.real.probe, context.draws(Regime(size, steps, 1), "at-init", 5)


def test_iterations_may_be_interleaved_and_left():
    """Two at once, one of them never finished: each gives what it gives alone, and keeps it."""
    subjects = [subject_of("gato", (3, 8), 6), subject_of("lstm-diag", (2, 4), 6)]
    alone = [[gap.blocks.clone() for gap in lanes.gaps(*one)] for one in subjects]
    left = lanes.gaps(*subjects[1])
    next(left)
    together = [[], []]
    for gaps in zip(*(lanes.gaps(*one) for one in subjects), strict=True):
        for found, gap in zip(together, gaps, strict=True):
            found.append(gap.blocks)
    list(lanes.gaps(*subjects[0]))  # writes where the others were
    for expected, found in zip(alone, together, strict=True):
        assert all(map(torch.equal, expected, found))
    assert torch.equal(next(left).blocks, alone[1][1])


def test_memory_is_used_again_and_given_back(monkeypatch):
    """The same pages for the next user, others while somebody has them, none where they are too many."""
    with workspace.workspace() as one:
        first = one.take("a", (3, 4), torch.float64)
        with workspace.workspace() as other:
            assert other.take("a", (3, 4), torch.float64).data_ptr() != first.data_ptr()
    with workspace.workspace() as again:
        assert again.take("a", (2, 5), torch.float64).is_contiguous()
        grown = again.take("a", (99,), torch.float64)
        assert (99,) == grown.shape
        assert again.size >= 99 * 8
        monkeypatch.setattr(workspace, "MOST", 10)
    with workspace.workspace() as fresh:
        assert 0 == fresh.size
