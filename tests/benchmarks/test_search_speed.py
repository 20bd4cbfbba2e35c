"""The batched search: draws per second, against the search draw by draw, and for whole Jacobians."""

from __future__ import annotations

import pytest
import torch
from clock import CLOCK, TIMER
from yardstick import yardstick

from properties.core import lanes
from properties.core.context import Context
from properties.core.engine import BatchedEngine, SingleEngine
from properties.core.profile import profile
from properties.core.sampling import Regime
from properties.core.subject import Subject

STEPS = 50
BATCH = 256  # more take fresh pages for every call, or not, by what the process did before
ALONE = 8
JACOBIANS = {"any-cell": 256, "diagonal": 1024}  # more fall out of the cache
STATE = (4, 32)  # D, and the width of the whole state

search = pytest.mark.benchmark(group="search", timer=TIMER)


def work(engine, draws):
    """One rollout and one vjp per draw, as the identity block needs them."""
    return engine.pullbacks(draws, torch.ones_like(draws.state))


@search
@pytest.mark.parametrize("name", ["gato", "lstm", "rru"])
def test_batched_search(benchmark, speed, name):
    """A batch of parameter draws against a few draws one by one, on the same cell."""
    context = Context(Subject(name), profile("dev"), 0)
    bench = context.bench((3, 8))
    assert bench.engine.batched, bench.obstacle
    alone = context.draws(Regime((3, 8), STEPS, 0), "all-weights", ALONE)
    many = context.draws(Regime((3, 8), STEPS, 0), "all-weights", BATCH)
    real = SingleEngine(bench.sampler.cell)
    work(real, alone)
    single = min(CLOCK.seconds(lambda: work(real, alone)) for _ in range(3))
    speed.measure(
        benchmark, ("search", f"pullbacks-{name}"), lambda: work(bench.engine, many),
        (f"{ALONE} draws one by one", lambda: work(real, alone)),
        shape=f"{BATCH} draws, T {STEPS}, D 3, H 8",
        figures=lambda _, seconds: {
            "draws_per_second": BATCH / seconds,
            "draws_per_second_one_by_one": ALONE / single,
            "batched_over_one_by_one": BATCH / seconds * single / ALONE,
        },
    )  # fmt: skip


def jacobians(which, bench):
    """How the Jacobians of draws are taken: whole, as for any cell, or block by block of each unit."""
    if which == "any-cell":
        return BatchedEngine(bench.sampler.cell).jacobians

    def blocks(draws):
        (*_, last) = lanes.gaps(bench.real.probe, draws)
        return last

    return blocks


@search
@pytest.mark.parametrize("which", ["any-cell", "diagonal"])
def test_jacobians(benchmark, speed, which):
    """∂state_T/∂state_0 of GATO per parameter draw: for any cell, and for units that do not mix."""
    context = Context(Subject("gato"), profile("dev"), 0)
    bench = context.bench(STATE)
    take, count = jacobians(which, bench), JACOBIANS[which]
    draws = context.draws(Regime(STATE, STEPS, 0), "all-weights", count)
    few = context.draws(Regime(STATE, STEPS, 0), "all-weights", 2)
    expected = SingleEngine(bench.sampler.cell).jacobians(few)
    found = take(few)
    found = found if which == "any-cell" else lanes.whole(bench.real.probe, found, len(few))
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-6)
    speed.measure(
        benchmark, ("search", f"jacobians-{which}"), lambda: take(draws), yardstick(),
        shape=f"{count} draws, T {STEPS}, D {STATE[0]}, H {STATE[1]}",
        backend="batched" if which == "any-cell" else "fused",
        figures=lambda _, seconds: {"draws_per_second": count / seconds},
    )  # fmt: skip


@search
def test_jacobians_at_every_gap(benchmark, speed):
    """∂state_T/∂state_t of GATO for every t, one draw: what an identity block over all gaps is judged by."""
    size, steps = (4, 64), 1000
    context = Context(Subject("gato"), profile("dev"), 0)
    bench = context.bench(size)
    probe = bench.real.probe
    draws = context.draws(Regime(size, steps, 0), "all-weights", 1)

    def every_gap():
        return list(lanes.gaps(probe, draws))

    found = every_gap()
    assert steps == found[-1].steps
    expected = BatchedEngine(bench.sampler.cell).jacobians(draws)
    torch.testing.assert_close(lanes.whole(probe, found[-1], 1), expected, atol=1e-8, rtol=1e-6)
    speed.measure(
        benchmark, ("search", "jacobians-every-gap"), every_gap, yardstick(), warm=True,
        shape=f"T {steps}, D {size[0]}, H {size[1]}", backend="fused",
    )  # fmt: skip
