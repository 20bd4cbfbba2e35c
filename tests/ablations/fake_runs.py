"""Layouts of real plans with runs that cost nothing, so that the ledger is what is tested."""

from __future__ import annotations

import dataclasses
import math
import time

from ablations.core.job import lay_out
from ablations.core.registry import get_plan
from ablations.core.tuning import Tuning
from ablations.ledger.record import OBSERVED, Record
from studies.core.protocol import Range
from studies.core.streams import stream


def layout(name="gato-memory", seeds=2, **changes):
    """The layout of a plan in the smoke profile."""
    return lay_out(dataclasses.replace(get_plan(name), **changes), "smoke", seeds)


def search(**changes):
    """Four trials of two settings on the seeds 100 and 101."""
    space = {"training.learning_rate": Range(1e-4, 1e-1, "log"), "lam": (0.5, 0.7)}
    return Tuning(**{"space": space, "trials": 4, "seeds": (100, 101), **changes})


def tuned(name="gato-memory", seeds=2, **changes):
    """The layout of a plan in the smoke profile with a search inside each cell."""
    tuning = search(**changes.pop("tuning", {}))
    return layout(name, seeds, tuning={"smoke": tuning}, **changes)


def chaotic(kind):
    """What workers that are killed work on: many cells, or few that are searched."""
    if kind == "tuned":
        return tuned(seeds=2, tuning={"trials": 12}, block=1)
    return layout("comparison", 1, block=1)


def distance(settings):
    """What a trial's validation value is: none, at a learning rate of 0.01."""
    return abs(math.log10(settings["training.learning_rate"]) + 2)


def record(job, seed, *, outcome="ok", attempt=1, shift=0.0):
    """A record whose numbers follow from cell and seed; one that diverged has no test metric."""
    draw = stream("fake", job.cell.key, seed).random(4)
    good = outcome != "diverged"
    valid = float(draw[1]) if job.tune_trial is None else distance(job.settings)
    return Record(
        cell=job.cell.key,
        seed=seed,
        task=job.cell.task,
        outcome=outcome,
        about={
            "ignorance": 0.17,
            "metric": "mean_squared_error",
            **({} if job.settings is None else {"tuned": dict(job.settings)}),
        },
        ends={
            "test_metric": float(draw[0]) + shift if good else math.nan,
            "valid_metric_best": valid,
            "best_step": 10,
            "last_finite_step": 19 if good else 12,
            "final_step": 20 if good else 10,
            "n_parameters": 300,
            "n_cell_parameters": 232,
        },
        curves={
            "step": [10, 20] if good else [10],
            "examples": [640, 1280] if good else [640],
            "valid_metric": draw[: 2 if good else 1].tolist(),
            "train_loss": draw[: 2 if good else 1].tolist(),
            "learning_rate": [0.1, 0.1] if good else [0.1],
        },
        provenance={
            "attempt": attempt,
            "wall_time_s": 0.5,
            "device_time_s": 0.25,
            "peak_memory_bytes": 2**28,
            "block": list(job.seeds),
            "device": "x",
        },
        observed={name: draw[2 : 4 if good else 3].tolist() for name in OBSERVED},
    )


def diverges(job):
    """One variant in eleven or so; of the trials of a search, those with a high learning rate."""
    if job.tune_trial is not None:
        return job.settings["training.learning_rate"] > 0.03
    return int(job.cell.key[:4], 16) % 11 == 0


def execute(job, _checkpoint, attempt, _around, report):
    """As :func:`ablations.ledger.execute.execute`, at once."""
    report(10, 0.5)
    outcome = "diverged" if diverges(job) else "ok"
    return [record(job, seed, outcome=outcome, attempt=attempt) for seed in job.seeds]


def slowly(seconds):
    """The same, in ``seconds``."""

    def run(job, checkpoint, attempt, around, report):
        time.sleep(seconds)
        return execute(job, checkpoint, attempt, around, report)

    return run
