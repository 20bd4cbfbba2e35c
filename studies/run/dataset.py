"""The result of a run as one labelled array set: curves and ends per seed, with units and provenance."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from studies.core.atomic import write_atomically
from studies.core.task import Task
from studies.run.configuration import Configuration
from studies.training.run_state import RunState

SCHEMA = "studies-run 1.0"
STATUSES = ("training", "finished", "stopped", "diverged")


def dataset(
    configuration: Configuration,
    task: Task,
    state: RunState,
    *,
    ignorance: float,
    parameters: int,
    cell_parameters: int,
    surroundings: Mapping[str, Any],
) -> xarray.Dataset:
    """Curves over (seed, step), ends over seed. NaN after a replicate's end, never its last value."""
    metric = task.metric
    replicates, points = state.replicates, state.points
    about = {"units": metric.unit, "metric": metric.name, "better": metric.better}

    def curve(field: str) -> np.ndarray:
        absent = [math.nan] * len(replicates)  # of a checkpoint from before it was noted
        values = [getattr(point, field) or absent for point in points]
        return np.array(values, dtype=np.float64).reshape(len(points), len(replicates)).T

    def end(field: str, kind: type = np.float64) -> tuple[str, np.ndarray]:
        return ("seed", np.array([getattr(r, field) for r in replicates], dtype=kind))

    result = xarray.Dataset(
        {
            "test_metric": (*end("test"), {
                **about, "long_name": f"{metric.long_name}, test split, at the best validation"}),
            "valid_metric_best": (*end("best"), {
                **about, "long_name": f"{metric.long_name}, validation split, best"}),
            "valid_metric": (("seed", "step"), curve("validation"), {
                **about, "long_name": f"{metric.long_name}, validation split"}),
            "train_loss": (("seed", "step"), curve("train_loss"), {
                "units": "1", "long_name": "mean training loss since the evaluation before"}),
            "learning_rate": (("seed", "step"), curve("learning_rate"), {
                "units": "1", "long_name": "learning rate"}),
            "grad_norm": (("seed", "step"), curve("grad_norm"), {
                "units": "1", "long_name": "2-norm of the gradient of that step, before clipping"}),
            "state_norm": (("seed", "step"), curve("state_norm"), {
                "units": "1", "long_name": "2-norm of the state after a validation sequence, mean"}),
            "outcome": ("seed", np.array([STATUSES.index(r.status) for r in replicates], np.int8), {
                "flag_values": np.arange(len(STATUSES), dtype=np.int8),
                "flag_meanings": " ".join(STATUSES), "units": "1", "long_name": "how training ended"}),
            "last_finite_step": (*end("last_finite_step", np.int64), {
                "units": "1", "long_name": "last training step with a finite loss, -1: none"}),
            "last_finite_loss": (*end("last_finite_loss"), {
                "units": "1", "long_name": "training loss of that step"}),
            "best_step": (*end("best_step", np.int64), {
                "units": "1", "long_name": "training step of the best validation, -1: none"}),
        },
        coords={
            "seed": ("seed", np.array([r.seed for r in replicates]), {
                "units": "1", "long_name": "replicate"}),
            "step": ("step", np.array([p.step for p in points], np.int64), {
                "units": "1", "long_name": "training steps done"}),
            "examples": ("step", np.array([p.examples for p in points], np.int64), {
                "units": "1", "long_name": "training examples seen by each replicate"}),
        },
    )  # fmt: skip
    result.attrs = {
        "schema": SCHEMA,
        "title": f"{configuration.task} with {configuration.model.cell}",
        "task": configuration.task,
        "cell": configuration.model.cell,
        "protocol": configuration.protocol,
        "profile": configuration.profile,
        "protocol_differences": configuration.differs or "none",
        "configuration": json.dumps(configuration.plain(), sort_keys=True),
        "metric": metric.name,
        "better": metric.better,
        "ignorance": float(ignorance),
        "n_parameters": parameters,
        "n_cell_parameters": cell_parameters,
        "wall_time_s": round(state.seconds, 3),
        "date_created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        **surroundings,
    }
    return result


def save(result: xarray.Dataset, path: Path) -> None:
    """Write netCDF-4 at ``path``, whole or not at all; raises ``StudyError`` where that fails."""
    write_atomically(path, lambda temporary: result.to_netcdf(temporary, engine="h5netcdf"))


def spread(values: Any) -> str:
    """``0.004 [0.003, 0.006]``: mean and range, diverged replicates (NaN) left out and counted."""
    numbers = [float(value) for value in values if math.isfinite(value)]
    if not numbers:
        return "none finite"
    text = f"{sum(numbers) / len(numbers):.4g} [{min(numbers):.4g}, {max(numbers):.4g}]"
    lost = len(list(values)) - len(numbers)
    return text if not lost else f"{text} ({lost} not finite)"
