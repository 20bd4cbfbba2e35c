"""Where a training run stands: plain data, so that a checkpoint can hold it and a report can read it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["training", "finished", "stopped", "diverged"]


@dataclass
class ReplicateState:
    """One replicate. ``status``: "finished" with the budget, "stopped" by patience, or "diverged".

    ``last_finite_step`` and ``last_finite_loss`` are the last training step with a finite loss; ``best`` is
    the best validation metric, ``best_step`` where it was seen (-1: never).
    """

    seed: int
    status: Status = "training"
    last_finite_step: int = -1
    last_finite_loss: float = math.nan
    best: float = math.nan
    best_step: int = -1
    without_gain: int = 0
    test: float = math.nan
    loss_sum: float = 0.0
    loss_count: int = 0
    halving_sum: float = 0.0
    halving_before: float = math.inf


@dataclass
class Point:
    """One evaluation: a value per replicate, NaN for those that no longer train.

    ``grad_norm``: of the step before it, unclipped; ``state_norm``: mean over the validation sequences.
    """

    step: int
    examples: int
    train_loss: list[float]
    validation: list[float]
    learning_rate: list[float]
    grad_norm: list[float] = field(default_factory=list)
    state_norm: list[float] = field(default_factory=list)


@dataclass
class RunState:
    """All replicates, the points of their curves, and the number of steps done."""

    replicates: list[ReplicateState]
    step: int = 0
    seconds: float = 0.0
    points: list[Point] = field(default_factory=list)

    @property
    def active(self) -> list[int]:
        """The places of the replicates that still train."""
        return [k for k, r in enumerate(self.replicates) if r.status == "training"]

    def plain(self) -> dict[str, Any]:
        """As nested dictionaries and lists."""
        return asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> RunState:
        """The inverse of :meth:`plain`."""
        return cls(
            [ReplicateState(**one) for one in plain["replicates"]],
            plain["step"],
            plain["seconds"],
            [Point(**one) for one in plain["points"]],
        )
