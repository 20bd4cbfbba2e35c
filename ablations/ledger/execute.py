"""Doing a job: train its seeds side by side, and make one record of each."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from ablations.core.job import Job
from ablations.ledger.host import host_id
from ablations.ledger.record import OBSERVED, Record
from ablations.ledger.usage import Usage
from studies.command.progress import Display
from studies.run.dataset import STATUSES
from studies.run.study import Study
from studies.training.run_state import RunState

# studies' words → ours; patience is one of the ways to end well
_OUTCOMES = {"finished": "ok", "stopped": "ok", "diverged": "diverged"}
_VERSIONS = ("torch", "numpy", "optuna", "xarray")

Report = Callable[[int, float], object]
"""Called at every evaluation, in order, with step and median validation; true ends a tuning trial."""


class PreemptedError(Exception):
    """The worker was asked to stop; what it has reached is saved."""


class TimeLimitError(Exception):
    """The job took longer than it may; what it has reached is saved."""


@dataclass(frozen=True)
class Surroundings:
    """What a worker brings to a job. ``stopping``: asked at every step; ``max_seconds``: of one attempt."""

    data: Path | None = None
    device: str = "auto"
    stopping: Callable[[], bool] = lambda: False
    max_seconds: float | None = None
    quiet: bool = True


Execute = Callable[[Job, Path, int, Surroundings, Report], Sequence[Record]]


def execute(
    job: Job, checkpoint: Path, attempt: int, around: Surroundings, report: Report
) -> list[Record]:
    """Train, from the checkpoint if there is one, until ``report`` says that it is enough.

    Raises :class:`PreemptedError` or :class:`TimeLimitError` after saving, ``StudyError`` for what a user
    can mend.
    """
    began, started = time.monotonic(), _now()
    resumed = checkpoint.exists()
    study = Study.prepare(
        job.configuration, folder=around.data, device=around.device, checkpoint=checkpoint
    )
    display = Display(study.task.metric, study.source.examples_per_step, quiet=around.quiet)
    reported, pruned = 0, False

    def tell(state: RunState) -> None:
        nonlocal reported, pruned
        for point in state.points[reported:]:
            values = [v for v in point.validation if np.isfinite(v)]
            if values and report(point.step, float(np.median(values))):
                pruned = True
        reported = len(state.points)

    def monitor(state: RunState, total: int | None) -> None:
        display(state, total)
        tell(state)
        if pruned:
            for place in state.active:
                state.replicates[place].status = "stopped"
        if around.stopping():
            study.trainer.save()
            raise PreemptedError
        if around.max_seconds is not None and time.monotonic() - began > around.max_seconds:
            study.trainer.save()
            raise TimeLimitError

    with display, Usage(study.trainer.device.type) as usage:
        result = study.run(monitor)
    tell(study.trainer.run_state)  # what a checkpoint held of a job that had ended
    provenance = {
        "attempt": attempt,
        "resumed": resumed,
        "started": started,
        "finished": _now(),
        "host_id": host_id(),
        "block": list(job.seeds),
        "wall_time_s": result.attrs["wall_time_s"] / len(job.seeds),
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONS},
        "device_time_s": usage.seconds / len(job.seeds),
        "peak_memory_bytes": usage.memory,
        **{key: result.attrs[key] for key in ("device", "python", "threads", "replicates")},
    }
    return [record(job, result, seed, provenance, pruned=pruned) for seed in job.seeds]


def record(
    job: Job, result: xarray.Dataset, seed: int, provenance: dict[str, Any], *, pruned: bool = False
) -> Record:
    """One seed of a result of :mod:`studies` as a record; ``pruned``: ended early, in tuning."""
    one = result.sel(seed=seed)
    about = result.attrs
    curve = one["valid_metric"].values
    # points after a replicate's end are of its block, not of the run
    reached = int(np.isfinite(curve).nonzero()[0].max(initial=-1)) + 1
    outcome = _OUTCOMES[STATUSES[int(one["outcome"])]]
    if not np.isfinite(one["test_metric"]):  # a finite loss to the end and a metric that is none
        outcome = "diverged"
    if pruned and outcome == "ok":
        outcome = "pruned"
    tuned = {} if job.settings is None else {"tuned": dict(job.settings)}
    curves = {
        "step": one["step"].values[:reached].tolist(),
        "examples": one["examples"].values[:reached].tolist(),
        **{
            name: one[name].values[:reached].tolist()
            for name in ("valid_metric", "train_loss", "learning_rate")
        },
    }
    metric = result["test_metric"].attrs
    return Record(
        cell=job.cell.key,
        seed=seed,
        task=job.cell.task,
        outcome=outcome,
        about={
            "metric": about["metric"],
            "unit": metric["units"],
            "better": about["better"],
            "long_name": metric["long_name"],
            "ignorance": about["ignorance"],
            "protocol": about["protocol"],
            "configuration": json.loads(json.dumps(job.configuration.plain())),
            **tuned,
        },
        ends={
            "test_metric": float(one["test_metric"]),
            "valid_metric_best": float(one["valid_metric_best"]),
            "best_step": int(one["best_step"]),
            "last_finite_step": int(one["last_finite_step"]),
            "final_step": curves["step"][-1] if reached else -1,
            "n_parameters": int(about["n_parameters"]),
            "n_cell_parameters": int(about["n_cell_parameters"]),
        },
        curves=curves,
        provenance=provenance,
        observed={name: one[name].values[:reached].tolist() for name in OBSERVED},
    )


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
