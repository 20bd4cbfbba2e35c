"""What a study costs beside its training: the ledger per trial, a claim, records to file and back."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import statistics
import time

import pytest

from ablations.core.axis import knob
from ablations.core.job import job_key, lay_out
from ablations.core.plan import Plan
from ablations.core.registry import get_plan
from ablations.dataset.build import build
from ablations.dataset.files import load, save
from ablations.dataset.provenance import provenance
from ablations.ledger.execute import Surroundings, execute
from ablations.ledger.folder import Folder
from ablations.ledger.record import Record
from ablations.ledger.worker import Worker

pytestmark = pytest.mark.benchmark(group="ablation-overhead")

POINTS = 50  # of a run's curves
TRIALS = 120
GOAL_SECONDS = 10.0  # 10,000 records to a dataset, to a file, and back


def plan(cells):
    """A grid of so many cells: learning rates against λ of GATO."""
    rates = {f"{k}": 1e-4 * (k + 1) for k in range(50)}
    decays = {f"{k}": 0.5 + 1e-3 * k for k in range(cells // 50)}
    axes = (
        knob("rate", "learning rate", rates, "made up", "training.learning_rate"),
        knob("decay", "decay", decays, "made up", "lam"),
    )
    return Plan("made-up", "made up", "gato-2", ("adding",), axes, "made up", "factorial", block=1)


def record(cell, seed, attempt=1):
    """A finished run with curves of a usual length, at no cost."""
    steps = [10 * (k + 1) for k in range(POINTS)]
    values = [1.0 / (k + 1 + seed) for k in range(POINTS)]
    return Record(
        cell.key, seed, cell.task, "ok",
        {"ignorance": 0.17, "metric": "mean_squared_error"},
        {
            "test_metric": values[-1], "valid_metric_best": values[-1], "best_step": steps[-1],
            "last_finite_step": steps[-1] - 1, "final_step": steps[-1], "n_parameters": 300,
            "n_cell_parameters": 232,
        },
        {
            "step": steps, "examples": [64 * step for step in steps], "valid_metric": values,
            "train_loss": values, "learning_rate": [0.1] * POINTS,
        },
        {"attempt": attempt, "wall_time_s": 0.5, "block": [seed], "device": "none"},
    )  # fmt: skip


def trivial(job, _checkpoint, attempt, _around, report):
    """What does a job in no time."""
    report(1, 0.5)
    return [record(job.cell, seed, attempt) for seed in job.seeds]


def test_harness_time_of_a_trial(benchmark, tmp_path):
    """Claim, beat, records and tell of a job that costs nothing; beside the shortest trial that trains."""
    layout = lay_out(plan(TRIALS // 2 // 50 * 50 + 50), "smoke", 2)
    numbers = itertools.count()

    def setup():
        folder = Folder(tmp_path / str(next(numbers)))
        return (Worker(folder, layout, do=trivial, max_jobs=TRIALS),), {}

    benchmark.pedantic(Worker.work, setup=setup, rounds=3)
    own = lay_out(get_plan("gato-memory"), "smoke", 1)
    (job, *_) = own.jobs()
    durations = []
    for _ in range(3):
        began = time.perf_counter()
        execute(job, tmp_path / "none.pt", 1, Surroundings(device="cpu"), lambda *_: None)
        durations.append(time.perf_counter() - began)
    harness = benchmark.stats.stats.median / TRIALS
    benchmark.extra_info |= {
        "harness, seconds per trial": round(harness, 5),
        "smoke trial of 20 steps, seconds": round(statistics.median(durations), 5),
        "harness over smoke trial": round(harness / statistics.median(durations), 4),
    }


@pytest.mark.parametrize("cells", [500, 5_000])
def test_claim(benchmark, tmp_path, cells):
    """One job out of a full queue; the goal is 0.15 s at 5,000 cells."""
    layout = lay_out(plan(cells), "smoke", 1)
    assert len(layout.cells) == cells
    worker = Worker(Folder(tmp_path), layout)
    began = time.perf_counter()
    worker._fill(())
    filled = time.perf_counter() - began
    (ledger,) = worker.ledgers
    claim = benchmark.pedantic(ledger.claim, rounds=50)
    assert claim.job.key == job_key(claim.job.cell.key, [0])
    benchmark.extra_info |= {
        "cells": cells,
        "claim, seconds": round(benchmark.stats.stats.median, 5),
        "goal": 0.15,
        "filling the queue, seconds": round(filled, 3),
    }


@functools.cache
def records(count):
    """A layout and so many records, ten seeds a cell."""
    layout = lay_out(dataclasses.replace(plan(count // 10)), "smoke", 10)
    return layout, {(c.key, s): record(c, s) for c in layout.cells for s in layout.seeds}


@pytest.mark.parametrize("count", [2_500, 5_000, 10_000])
def test_records_to_a_file_and_back(benchmark, tmp_path, count):
    """Tree, netCDF, tree; checked on both ways. Seconds per thousand records show the growth."""
    layout, found = records(count)
    assert len(found) == count
    about = {**provenance(), "storage_kind": "journal"}
    path = tmp_path / "a.nc"
    parts = {"build": [], "save": [], "load": []}

    def there_and_back():
        marks = [time.perf_counter()]
        tree = build(layout, found, [], {}, about)
        marks.append(time.perf_counter())
        save(tree, path)
        marks.append(time.perf_counter())
        again = load(path)
        marks.append(time.perf_counter())
        for name, one, two in zip(parts, marks[:-1], marks[1:], strict=True):
            parts[name].append(two - one)
        return tree.attrs["content_hash"], again.attrs["content_hash"]

    one, two = benchmark.pedantic(there_and_back, rounds=3)
    assert one == two
    median = benchmark.stats.stats.median
    benchmark.extra_info |= {
        "records": count,
        "seconds": round(median, 3),
        "seconds per thousand records": round(1_000 * median / count, 4),
        "goal at 10,000": GOAL_SECONDS,
        **{name: round(statistics.median(values), 3) for name, values in parts.items()},
    }
