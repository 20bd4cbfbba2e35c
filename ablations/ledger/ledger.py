"""The ledger of one task of a study: what is to be done, who does it, how it ended.

The truth about a run is its record. The ledger is a queue of complete trials, which workers claim one by one,
and a book of all attempts. Samplers are not asked what to run: they repeat cells and lose them when
workers die.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from ablations.core.job import Job, Layout, job_key
from ablations.ledger.folder import Folder
from ablations.ledger.host import host_id, process_id
from ablations.ledger.lease import Leases
from ablations.ledger.record import Record
from ablations.ledger.tried import Choice, choice, settled
from studies.core.metric import Better
from studies.core.registry import task_class

WAVE = 200  # trials waiting at once: databases re-read all of them at every claim
LOST_LIMIT = 3  # attempts that may be lost before a person must look
_OPEN = (TrialState.WAITING, TrialState.RUNNING)
_FREE = ("preempted",)  # tried again without being counted
_IGNORED = ("superseded", "surplus")


@dataclass(frozen=True)
class Claim:
    """A job that this process holds. ``attempt``: how many times it has been begun, this one included."""

    job: Job
    trial: optuna.Trial
    attempt: int


@dataclass
class Ledger:
    """The trials of one ``task``; ``leases``: what this process knows about the others."""

    storage: optuna.storages.BaseStorage
    folder: Folder
    layout: Layout
    task: str
    leases: Leases = field(default_factory=Leases)

    def __post_init__(self) -> None:
        self.better: Better = task_class(self.task).metric.better
        self.study = self._opened()
        self._seeds = [str(seed) for seed in self.layout.seeds]
        self._beat_lock = threading.Lock()

    @property
    def name(self) -> str:
        """``plan/profile/task@design``: another design is another study, since Optuna fixes its choices."""
        layout = self.layout
        return f"{layout.plan.name}/{layout.profile}/{self.task}@{layout.key[:12]}"

    def _opened(self) -> optuna.Study:
        sampler = optuna.samplers.RandomSampler(seed=0)  # never asked; the default one is slow
        try:  # creating what exists would add a line to the journal each time
            return optuna.load_study(study_name=self.name, storage=self.storage, sampler=sampler)
        except KeyError:
            return optuna.create_study(
                study_name=self.name,
                storage=self.storage,
                sampler=sampler,
                direction="minimize" if self.better == "lower" else "maximize",
                load_if_exists=True,
            )

    def trials(self, states: Sequence[TrialState] | None = None) -> list[FrozenTrial]:
        """The trials of jobs, by number."""
        found = self.study.get_trials(deepcopy=False, states=states)
        return [trial for trial in found if "job" in trial.user_attrs]

    def jobs(self) -> list[Job]:
        """What has no record yet and may be begun: not before the tuning of its cell is complete."""
        return self._of_task(self.layout.jobs(self.folder.done(self.layout)))

    def _of_task(self, jobs: Iterable[Job]) -> list[Job]:
        choices: dict[str, Choice | None] = {}
        found = []
        for job in jobs:
            if job.cell.task != self.task:
                continue
            if job.cell.tuning is not None and job.cell.key not in choices:
                choices[job.cell.key] = choice(self.folder, job.cell)
            found.append(settled(job, choices.get(job.cell.key)))
        return [job for job in found if job is not None]

    def _whole(self) -> list[Job]:
        """Every job of the design, done or not."""
        return self._of_task(self.layout.jobs())

    def fill(self, retry: Iterable[str] = ()) -> list[str]:
        """Enqueue what is to be done and is not under way; returns what needs a person, in words.

        ``retry``: outcomes that are tried again by request ("error", "oom", "timeout", "lost").
        Idempotent, and whatever interrupts it, the next call goes on from there.
        """
        with self.folder.alone("queue"):
            return self._fill(frozenset(retry))

    def _fill(self, retry: frozenset[str]) -> list[str]:
        trials = self.trials()
        history: dict[str, list[FrozenTrial]] = {}
        held: set[tuple[str, int]] = set()
        for trial in trials:
            about = trial.user_attrs
            if ending(trial) not in _IGNORED:
                history.setdefault(about["job"], []).append(trial)
            if trial.state in _OPEN:
                held |= {(about["cell"], seed) for seed in about["seeds"]}
        waiting = sum(trial.state is TrialState.WAITING for trial in trials)
        stuck = []
        for job in self.jobs():
            if any((job.cell.key, seed) in held for seed in job.seeds):
                continue
            past = history.get(job.key, [])
            reason = _stuck(past, retry)
            if reason is not None:
                stuck.append(f"{job.title}: {reason}")
            elif waiting < WAVE:
                self._enqueue(job, past)
                waiting += 1
        self._adopt(history)
        return stuck

    def _enqueue(self, job: Job, past: Sequence[FrozenTrial]) -> None:
        self.study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.WAITING, user_attrs=self._about(job, past), **self._levels(job)
            )
        )

    def _about(self, job: Job, past: Sequence[FrozenTrial]) -> dict[str, Any]:
        about = {
            "job": job.key,
            "cell": job.cell.key,
            "variant": job.cell.variant.name,
            "seeds": list(job.seeds),
            "attempt": len(past) + 1,
        }
        return about | ({"retry_of": past[-1].number} if past else {})

    def _levels(self, job: Job) -> dict[str, Any]:
        plan, levels = self.layout.plan, job.cell.variant.levels
        choices = {axis.name: [level.name for level in axis.levels] for axis in plan.axes}
        return {
            "params": dict(levels),
            "distributions": {n: CategoricalDistribution(c) for n, c in choices.items()},
        }

    def _adopt(self, history: dict[str, list[FrozenTrial]]) -> None:
        """Enter runs that have records and no trial: of a journal that was lost, or a folder copied here."""
        covered = {
            (trial.user_attrs["cell"], seed)
            for trials in history.values()
            for trial in trials
            if trial.state in (*_OPEN, TrialState.COMPLETE)
            for seed in trial.user_attrs["seeds"]
        }
        for job in self._whole():
            records = [self.folder.record(job.cell.key, seed) for seed in job.seeds]
            there = [record for record in records if record is not None]
            if len(there) < len(job.seeds) or any((r.cell, r.seed) in covered for r in there):
                continue
            about = self._about(job, history.get(job.key, []))
            self.study.add_trial(
                optuna.trial.create_trial(
                    state=TrialState.COMPLETE,
                    value=self.value(there),
                    user_attrs={**about, **outcome(there), "adopted": True},
                    **self._levels(job),
                )
            )

    def claim(self) -> Claim | None:
        """Take a waiting job, or None. What turns out to be done, or another's, is closed on the way."""
        while self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            trial = self.study.ask()
            about = dict(trial.user_attrs)
            if (
                "job" not in about
            ):  # another process was faster, and asking an empty queue invents a trial
                self._close(trial, "surplus")
                continue
            trial.set_user_attr("host_id", host_id())
            trial.set_user_attr("process", process_id())
            job = self._job(about, trial.params)
            if job is None or self._is_anothers(trial.number, about["job"]):
                self._close(trial, "superseded")
                continue
            claim = Claim(job, trial, int(about["attempt"]))
            records = [self.folder.record(job.cell.key, seed) for seed in job.seeds]
            there = [record for record in records if record is not None]
            if len(there) == len(records):
                trial.set_user_attr("adopted", value=True)
                self.complete(claim, there)
                continue
            return claim
        return None

    def _job(self, about: Mapping[str, Any], _params: Mapping[str, Any]) -> Job | None:
        for cell in self.layout.cells:
            if cell.key == about["cell"] and cell.task == self.task:
                seeds = tuple(about["seeds"])
                job = Job(cell, seeds, job_key(cell.key, seeds))
                return settled(job, choice(self.folder, cell))
        return None

    def _is_anothers(self, number: int, key: str) -> bool:
        """Of several trials of one job, the lowest that is open or complete is the one that counts."""
        states = (*_OPEN, TrialState.COMPLETE)
        return any(
            trial.number < number
            and trial.user_attrs["job"] == key
            and (trial.state is not TrialState.COMPLETE or self._recorded(trial))
            for trial in self.trials(states)
        )

    def _recorded(self, trial: FrozenTrial) -> bool:
        about = trial.user_attrs
        return all(self.folder.record(about["cell"], seed) is not None for seed in about["seeds"])

    def beat(self, claim: Claim, count: int) -> None:
        """Say that the holder lives."""
        with self._beat_lock:
            claim.trial.set_user_attr("beat", count)

    def complete(self, claim: Claim, records: Sequence[Record]) -> None:
        """The records are written: close the trial.

        One that was given to another meanwhile stays as it is.
        """
        self._tell(claim.trial, outcome(records), self.value(records))

    def fail(self, claim: Claim, what: str, reason: str) -> None:
        """Close the trial with an outcome and one line of ``reason``."""
        self._tell(claim.trial, {"outcome": what, "reason": reason[:200]}, None)

    def reap(self) -> int:
        """Close the trials whose holder is gone; returns how many. :meth:`fill` enqueues them again."""
        count = 0
        for trial in self.trials((TrialState.RUNNING,)):
            about = trial.user_attrs
            holder = (about.get("host_id"), about.get("process"), about.get("beat"))
            if self.leases.lost(trial.number, *holder):
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
                count += 1
        return count

    def prunes(self, _job: Job, _curve: Sequence[float]) -> bool:
        """Whether a job is ended early: never what is measured, since that would bias a comparison."""
        return False

    def _close(self, trial: optuna.Trial, what: str) -> None:
        self._tell(trial, {"outcome": what}, None)

    def _tell(self, trial: optuna.Trial, about: dict[str, Any], value: float | None) -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        try:
            for key, one in about.items():
                trial.set_user_attr(key, one)
            self.study.tell(trial.number, value, state=state, skip_if_finished=True)
        except (UpdateFinishedTrialError, RuntimeError):
            return  # closed by another between two calls: what it said stands

    def value(self, records: Sequence[Record]) -> float:
        """What dashboards show: the median over the seeds, a diverged one counting as the worst infinity."""
        worst = float("inf") if self.better == "lower" else float("-inf")
        values = [r.ends["test_metric"] if r.outcome == "ok" else worst for r in records]
        return float(
            statistics.median_low(values)
            if self.better == "higher"
            else statistics.median_high(values)
        )


def outcome(records: Sequence[Record]) -> dict[str, Any]:
    """How a job ended: "ok", or "diverged" where any of its runs did; "pruned" in tuning alone."""
    outcomes = [record.outcome for record in records]
    return {
        "outcome": next((one for one in ("diverged", "pruned") if one in outcomes), "ok"),
        "outcomes": " ".join(outcomes),
        "n_parameters": int(records[0].ends["n_parameters"]),
        "results": " ".join(record.result[:12] for record in records),
    }


def ending(trial: FrozenTrial) -> str:
    """How an attempt ended, or "waiting" or "running".

    A trial that failed without saying how was closed by another: its worker was lost, perhaps while it told.
    """
    if trial.state in _OPEN:
        return trial.state.name.lower()
    told = str(trial.user_attrs.get("outcome", "lost"))
    if trial.state is TrialState.FAIL and told in ("ok", "diverged", "pruned"):
        return "lost"
    return told


def _stuck(past: Sequence[FrozenTrial], retry: frozenset[str]) -> str | None:
    """Why a job without record is not simply tried again, or None."""
    if not past:
        return None
    last = ending(past[-1])
    if past[-1].state is TrialState.COMPLETE or last in _FREE or last in retry:
        return None  # complete without a record: the file was deleted or damaged
    if last == "lost":
        lost = sum(ending(trial) == "lost" for trial in past)
        if lost <= LOST_LIMIT:
            return None
        return f"lost {lost} times: look why its workers die, then `resume --lost`"
    flags = {"error": "--errors", "oom": "--oom", "timeout": "--timeouts"}
    flag = flags.get(str(last), "--errors")
    return f"{last}: {past[-1].user_attrs.get('reason', '')}; `resume {flag}` tries again"
