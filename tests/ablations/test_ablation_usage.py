"""What a job used, and what was looked at while it ran."""

from __future__ import annotations

import math
import os
import resource
import time
from pathlib import Path

import fake_runs
import pytest
import torch

from ablations.ledger.execute import Surroundings, execute
from ablations.ledger.record import OBSERVED
from ablations.ledger.usage import Usage


def test_processor_time_is_of_work_and_not_of_waiting():
    """Sleep costs none."""
    with Usage("cpu") as waited:
        time.sleep(0.2)
    with Usage("cpu") as worked:
        began = time.process_time()
        while time.process_time() - began < 0.2:
            pass
    assert worked.seconds >= 0.2 > waited.seconds


def test_memory_is_of_the_process_in_bytes():
    """As the kernel counts it: the largest resident size, of which what is there now is a part."""
    with Usage("cpu") as usage:
        pass
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    now = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert 0.8 * now <= usage.memory <= after < 1.1 * usage.memory


def test_a_job_that_fails_is_not_measured():
    """Its device may not answer."""
    usage = Usage("cpu")
    with pytest.raises(ValueError, match="x"), usage:
        raise ValueError("x")
    assert (usage.memory, usage.seconds) == (-1, 0.0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_memory_and_time_are_the_devices():
    """A tensor of a known size, and a known wait of the device; what was freed before does not count."""
    del_me = torch.ones(2**26, device="cuda")
    del del_me
    with Usage("cuda") as usage:
        torch.ones(2**22, dtype=torch.float32, device="cuda")
        torch.cuda._sleep(10**8)
    assert 2**24 <= usage.memory < 2**26
    assert usage.seconds > 0.01


def test_a_run_says_what_it_used_and_what_was_looked_at(tmp_path):
    """Norms at each evaluation, positive and finite; bytes and seconds of each seed."""
    job = fake_runs.layout().jobs()[0]
    around = Surroundings(device="cpu")
    records = execute(job, tmp_path / "checkpoint", 1, around, lambda *_: None)
    for record in records:
        for name in OBSERVED:
            assert len(record.observed[name]) == len(record.curves["step"]) > 1
            assert all(math.isfinite(value) and value > 0 for value in record.observed[name])
        assert record.provenance["peak_memory_bytes"] > 10**7
        assert 0 < record.provenance["device_time_s"]
    again = execute(job, tmp_path / "another", 1, around, lambda *_: None)
    assert [one.observed for one in again] == [one.observed for one in records]
