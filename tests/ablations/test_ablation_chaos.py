"""Twelve random SIGKILL and SIGSTOP over four workers: every cell complete, none twice."""

from __future__ import annotations

import sys

import chaos
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]


def test_nothing_is_lost_and_nothing_is_done_twice_on_a_journal(tmp_path):
    """Workers die anywhere: training, writing a record, in the middle of a line of the journal."""
    sent = chaos.harass(tmp_path)
    assert sent.total() >= chaos.SIGNALS
    trials = chaos.check(tmp_path)
    assert any(t.user_attrs.get("attempt", 1) > 1 for t in trials), "no signal hit a job"


def test_a_search_comes_out_the_same_whatever_dies(tmp_path):
    """Every variant has its trials, none twice, and they are those of one worker that nobody harassed."""
    chaos.harass(tmp_path / "a", kind="tuned")
    chaos.check(tmp_path / "a", kind="tuned")
    chaos.same_searches(tmp_path / "a", tmp_path / "b")
