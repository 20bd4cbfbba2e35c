"""``--slow``: what is slowed on purpose, and by how much."""

from __future__ import annotations

import time

import pytest
from clock import Clock, PerCall, Reading
from slowing import factor_of, parse, slowed


def test_names_and_patterns():
    """An implementation everywhere, or in one workload, or by pattern; factors multiply."""
    factors = parse(["fused=1.3", "copy/*=2"])
    assert {"fused": 1.3, "copy/*": 2.0} == factors
    assert (1.3, 2.6, 2.0, 1.0) == tuple(
        factor_of(workload, name, factors)
        for workload, name in (("icu", "fused"), ("copy", "fused"), ("copy", "gru"), ("icu", "gru"))
    )


@pytest.mark.parametrize("given", ["fused", "fused=", "=1.3", "fused=x", "fused=0.5", "fused=inf"])
def test_anything_else_is_refused(given):
    """A misspelled option would show that nothing is caught."""
    with pytest.raises(
        ValueError, match="--slow: expected NAME=FACTOR with a factor of at least 1"
    ):
        parse([given])


def test_it_takes_so_many_times_as_long():
    """By the clock that measures: never less than the factor asks for."""
    clock = Clock()

    def work():
        begin = time.process_time()
        while time.process_time() - begin < 2e-3:
            pass

    assert clock.seconds(slowed(work, 5.0, clock)) >= 5 * 2e-3
    assert work is slowed(work, 1, clock)


def test_a_table_speaks_of_calls():
    """Differences of the timer are divided by the calls of a round."""
    assert 0.5 == Reading(7.0, 4) - Reading(5.0, 4)
    assert isinstance(PerCall(Clock())(), Reading)


@pytest.mark.gpu
def test_events_measure_the_device():
    """A millisecond of sleep on the device is a millisecond between two stamps, however soon we ask."""
    import torch

    clock = Clock(cuda=True)
    rate = torch.cuda.get_device_properties().clock_rate
    clock.settle()
    assert clock.seconds(lambda: torch.cuda._sleep(rate)) > 5e-4
