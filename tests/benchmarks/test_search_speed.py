"""The batched search against the one-by-one search: draws × steps per second, hidden size 8.

Both run the same rollouts and vjps of the same cells; ``extra_info`` holds the rate, and the batched rows
the ratio to the one-by-one rate measured in the same process a moment before.
"""

from __future__ import annotations

import time

import pytest
import torch

from properties.core.context import Context
from properties.core.engine import SingleEngine
from properties.core.profile import profile
from properties.core.sampling import Regime
from properties.core.subject import Subject

STEPS = 50
BATCH = 1024
ALONE = 8

pytestmark = pytest.mark.benchmark


def work(engine, draws):
    """One rollout and one vjp per draw, as the identity block needs them."""
    final, gradient = engine.pullbacks(draws, torch.ones_like(draws.state))
    return final, gradient


@pytest.mark.benchmark(group="search")
@pytest.mark.parametrize("name", ["gato", "lstm", "rru"])
def test_batched_search(benchmark, name):
    """A batch of parameter draws is searched at least a hundred times as fast as draw by draw."""
    torch.set_num_threads(1)
    context = Context(Subject(name), profile("dev"), 0)
    bench = context.bench((3, 8))
    assert bench.engine.batched, bench.obstacle
    alone = context.draws(Regime((3, 8), STEPS, 0), "all-weights", ALONE)
    many = context.draws(Regime((3, 8), STEPS, 0), "all-weights", BATCH)
    real = SingleEngine(bench.sampler.cell)
    work(real, alone)
    begin = time.perf_counter()
    work(real, alone)
    single_rate = ALONE * STEPS / (time.perf_counter() - begin)
    benchmark.pedantic(work, args=(bench.engine, many), rounds=5, warmup_rounds=1)
    rate = BATCH * STEPS / benchmark.stats.stats.median
    benchmark.extra_info |= {
        "draws_times_steps_per_second": round(rate),
        "one_by_one_per_second": round(single_rate),
        "ratio": round(rate / single_rate, 1),
        "draws_per_second": round(rate / STEPS),
    }


@pytest.mark.benchmark(group="certificate")
def test_whole_certificate(benchmark):
    """What `python -m properties gato --profile dev` computes, without the start of Python."""
    from properties import certify

    result = benchmark.pedantic(certify, args=("gato",), rounds=2, warmup_rounds=1)
    assert result.exit_status == 0
