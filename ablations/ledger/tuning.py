"""The search inside one cell of the design: an Optuna study, and a ledger like every other.

The smallest design that loses nothing is the one that is there: a trial of a search is a job with one record
per tuning seed, enqueued whole, claimed, leased, beaten for, written before it is told. All that a search
adds is when a job may be enqueued (after the trials that it may know), with which settings (what the sampler
proposes from the records of those), and what its value is (validation, never test). Its records lie in a
folder of their own inside the study's, so that none can be taken for a run of the result; they are the truth
here too, and a lost journal or a killed worker changes nothing of what is proposed. The study in the
storage is what dashboards show, and the book of attempts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial

from ablations.core.job import Cell, Job, job_key, with_settings
from ablations.core.tuning import Tuning
from ablations.ledger.ledger import Ledger
from ablations.ledger.record import Record
from ablations.ledger.search import distributions, propose, prunes
from ablations.ledger.tried import Tried, trial_key, tried, value
from studies.run.configuration import Configuration


@dataclass
class TuningLedger(Ledger):
    """The trials of the search of ``cell``; ``folder``: ``Folder.searches`` of the study's."""

    cell: Cell = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.cell.tuning is None:
            raise ValueError(f"{self.cell.key}: expected a cell that is tuned")
        self.tuning: Tuning = self.cell.tuning
        self._cheaper = _shared(self.cell.configuration, self.tuning.share)
        self._proposed: dict[int, dict[str, Any]] = {}
        super().__post_init__()

    @property
    def name(self) -> str:
        """The name of the task's study, and the cell's key."""
        return f"{super().name}/tuning/{self.cell.key[:12]}"

    def jobs(self) -> list[Job]:
        """The trials without record whose predecessors have ended."""
        there = tried(self.folder, self.cell)
        found = []
        for number, one in enumerate(there):
            before = [known for known in there[: self.tuning.known(number)] if known is not None]
            if len(before) < self.tuning.known(number):
                break  # those after it need at least as many
            if one is None:
                found.append(self._trial(number, self._proposal(number, before)))
        return found

    def _proposal(self, number: int, before: Sequence[Tried]) -> dict[str, Any]:
        if number not in self._proposed:
            self._proposed[number] = propose(self.tuning, number, before, self.better)
        return self._proposed[number]

    def _trial(self, number: int, settings: Mapping[str, Any]) -> Job:
        key = trial_key(self.cell, number)
        cell = dataclasses.replace(self.cell, key=key, configuration=self._cheaper)
        seeds = self.tuning.seeds
        return Job(cell, seeds, job_key(key, seeds), dict(settings), number)

    def _whole(self) -> list[Job]:
        there = tried(self.folder, self.cell)
        return [self._trial(one.number, one.settings) for one in there if one is not None]

    def _about(self, job: Job, past: Sequence[FrozenTrial]) -> dict[str, Any]:
        return super()._about(job, past) | {"tune_trial": job.tune_trial}

    def _levels(self, job: Job) -> dict[str, Any]:
        return {"params": dict(job.settings or {}), "distributions": distributions(self.tuning)}

    def _job(self, about: Mapping[str, Any], params: Mapping[str, Any]) -> Job | None:
        number = int(about["tune_trial"])
        before = tried(self.folder, self.cell)[: self.tuning.known(number)]
        if number >= self.tuning.trials or any(one is None for one in before):
            return None  # a record was damaged meanwhile: the trial is enqueued anew when it is due
        return self._trial(number, params)

    def value(self, records: Sequence[Record]) -> float:
        """What the search goes by: validation, never test."""
        return value(records, self.better)

    def prunes(self, job: Job, curve: Sequence[float]) -> bool:
        """Whether the trial is ended here, by the trials that it may know and no others."""
        known = self.tuning.known(job.tune_trial or 0)
        if self.tuning.pruner == "none" or not known:
            return False
        before = [one for one in tried(self.folder, self.cell)[:known] if one is not None]
        return prunes(self.tuning, before, curve, self.better)


def _shared(configuration: Configuration, share: float) -> Configuration:
    """With a share of the examples."""
    if share == 1 or configuration.training.examples is None:
        return configuration
    budget = max(1, round(share * configuration.training.examples))
    return with_settings(configuration, {"training.examples": budget})
