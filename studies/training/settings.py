"""How a model is trained, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from studies.core.errors import StudyError


@dataclass(frozen=True)
class TrainingSettings:
    """Everything about a training run but its task, model and seeds.

    ``optimizer``: "adam" or "radam"; ``batch_size``: examples or streams per step; ``examples``: stop
    after so many (None: only ``patience`` ends the run); ``evaluate_every``: examples between evaluations,
    None for every epoch; ``patience``: evaluations without a better validation metric before a
    replicate stops, None for never; ``clip_norm``: largest norm of a replicate's whole gradient;
    ``clip_per_variable``: m of RRU's rule, each variable's gradient cut to norm m·√(Σ v̂) + 0.01 with
    Adam's second moments v̂; ``halve_every``: examples after which the learning rate is halved if the
    mean training loss rose (GATO C.3). Raises :class:`StudyError` for a value out of range.
    """

    learning_rate: float
    batch_size: int
    optimizer: Literal["adam", "radam"] = "adam"
    weight_decay: float = 0.0
    examples: int | None = None
    evaluate_every: int | None = None
    patience: int | None = None
    clip_norm: float | None = None
    clip_per_variable: float | None = None
    halve_every: int | None = None
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        _positive(
            learning_rate=self.learning_rate,
            clip_norm=self.clip_norm,
            clip_per_variable=self.clip_per_variable,
        )
        _whole(
            batch_size=self.batch_size, examples=self.examples, evaluate_every=self.evaluate_every,
            patience=self.patience, halve_every=self.halve_every,
        )  # fmt: skip
        if not (0 <= self.weight_decay < math.inf):
            raise StudyError(
                f"weight_decay: expected a finite number of at least 0, got {self.weight_decay!r}"
            )
        if self.optimizer not in ("adam", "radam"):
            raise StudyError(f"optimizer: expected adam or radam, got {self.optimizer!r}")
        if self.dtype not in ("float32", "float64"):
            raise StudyError(f"dtype: expected float32 or float64, got {self.dtype!r}")
        if self.examples is None and self.patience is None:
            raise StudyError(
                "examples and patience are both None: the run would never end; give one of them"
            )


def _positive(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
            raise StudyError(f"{name}: expected a finite number above 0, got {value!r}; change it")


def _whole(**values: int | None) -> None:
    for name, value in values.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise StudyError(
                f"{name}: expected a whole number of at least 1, got {value!r}; change it"
            )
