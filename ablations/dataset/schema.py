"""The schema of a study's dataset, as data: what is written is checked against it, and what is read too."""

from __future__ import annotations

from typing import NamedTuple

SCHEMA = "ablations-study"
# 1.1: the groups /tuning, where a plan is tuned; 1.2: the variables of OPTIONAL
VERSION = "1.2"
OUTCOME_FLAGS = tuple(range(8))


class Variable(NamedTuple):
    """``kind``: of numpy's dtype, f, i or U; ``units``: None where they are the metric's."""

    dims: tuple[str, ...]
    kind: str
    units: str | None
    long_name: str


RUN = ("variant", "seed")
CURVE = ("variant", "seed", "step")

# of every group /runs/TASK
VARIABLES: dict[str, Variable] = {
    "test_metric": Variable(RUN, "f", None, "metric of the test split at the best validation"),
    "valid_metric_best": Variable(RUN, "f", None, "best metric of the validation split"),
    "outcome": Variable(RUN, "i", "1", "how the run ended"),
    "best_step": Variable(RUN, "i", "1", "training step of the best validation, -1: none"),
    "last_finite_step": Variable(RUN, "i", "1", "last training step with a finite loss, -1: none"),
    "final_step": Variable(RUN, "i", "1", "last training step that was evaluated, -1: none"),
    "n_parameters": Variable(RUN, "i", "1", "parameters of the model, -1: not run"),
    "n_cell_parameters": Variable(RUN, "i", "1", "parameters of the recurrent cells, -1: not run"),
    "wall_time": Variable(RUN, "f", "s", "duration of the block of seeds divided by their number"),
    "device_time": Variable(
        RUN, "f", "s", "processor or GPU time of the attempt that ended, likewise"
    ),
    "peak_memory": Variable(
        RUN, "i", "byte", "largest memory of the block of seeds, -1: not known"
    ),
    "attempt": Variable(RUN, "i", "1", "which attempt made the record, 0: none"),
    "record_sha256": Variable(RUN, "U", "1", "SHA-256 of the run's result"),
    "valid_metric": Variable(CURVE, "f", None, "metric of the validation split"),
    "train_loss": Variable(CURVE, "f", "1", "mean training loss since the evaluation before"),
    "learning_rate": Variable(CURVE, "f", "1", "learning rate"),
    "grad_norm": Variable(CURVE, "f", "1", "2-norm of the gradient of that step, before clipping"),
    "state_norm": Variable(
        CURVE, "f", "1", "2-norm of the state after a validation sequence, mean"
    ),
}
OPTIONAL = ("device_time", "peak_memory", "grad_norm", "state_norm")  # not in files before 1.2
TRIED = ("variant", "tune_trial")
TUNING_STATES = ("missing", "ok", "diverged", "pruned")
# of every group /tuning/TASK, beside a variable for each setting that was searched
TUNING: dict[str, Variable] = {
    "value": Variable(TRIED, "f", None, "best metric of the validation split, on the tuning seeds"),
    "state": Variable(TRIED, "i", "1", "how the trial ended"),
    "chosen": Variable(TRIED, "i", "1", "1 for the trial whose settings the runs have"),
    "last_finite_step": Variable(
        TRIED, "i", "1", "last training step with a finite loss, -1: none"
    ),
    "record_sha256": Variable(
        TRIED, "U", "1", "SHA-256 of the trial's results, one per tuning seed"
    ),
}
SETTING = "setting_"  # before the key of a setting
TUNING_ATTRIBUTES = (
    "task", "metric", "better", "trials", "seeds_json", "space_json", "sampler", "sampler_seed", "pruner",
    "share", "rule",
)  # fmt: skip
# what a group /runs/TASK says of itself
TASK_ATTRIBUTES = (
    "task", "metric", "better", "ignorance", "protocol", "profile", "protocol_differences",
    "citation",
)  # fmt: skip
ROOT_ATTRIBUTES = (
    "Conventions", "schema", "schema_version", "title", "summary", "license", "suite", "design", "profile",
    "axes_json", "expect_json", "impossible_json", "source", "layout_key", "content_hash", "date_created",
    "package_version", "versions_json", "git_sha", "git_dirty", "platform", "devices_json", "seeds_scheme",
    "storage_kind",
)  # fmt: skip
# not "variant": groups inherit the root's coordinate of that name
ATTEMPTS = ("task", "number", "variant_name", "seeds", "attempt", "ending", "host_id", "reason")
TUNE_TRIAL = "tune_trial"  # a column more of the attempts where a plan is tuned, -1 for runs
REFERENCE = ("label", "column", "cell", "metric", "table", "note", "departs_json", "variant_name")
SEEDS_SCHEME = "blake2b of (seed, stream name, position): studies.core.streams"
