"""A worker: claim, beat, train, write the records, tell. The order of the last two is what makes it safe."""

from __future__ import annotations

import contextlib
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from optuna.trial import FrozenTrial, TrialState

from ablations.core.errors import UnavailableError
from ablations.core.job import Job, Layout
from ablations.ledger.execute import (
    Execute,
    PreemptedError,
    Surroundings,
    TimeLimitError,
    execute,
)
from ablations.ledger.folder import Folder
from ablations.ledger.lease import BEAT, LEASE, Beat, Leases
from ablations.ledger.ledger import Claim, Ledger, ending
from ablations.ledger.storage import VARIABLE, close, open_storage, unreachable
from ablations.ledger.tried import untried
from ablations.ledger.tuning import TuningLedger

RESERVE = 64 * 2**20  # bytes of free disk below which nothing new is begun
_POLL = 1.0  # seconds between looks at what the others hold

Say = Callable[[str], object]


@dataclass
class Worker:
    """Works on a study until nothing is left that could be done.

    ``say``: where lines about jobs go; ``do``: what does a job (tests replace it); ``beat`` and ``lease`` in
    seconds; ``max_jobs``: stop after so many.
    """

    folder: Folder
    layout: Layout
    url: str | None = None
    around: Surroundings = field(default_factory=Surroundings)
    say: Say = lambda _: None
    do: Execute = execute
    beat: float = BEAT
    lease: float = LEASE
    max_jobs: int | None = None

    def __post_init__(self) -> None:
        with available(self.url):
            self.storage = open_storage(self.folder.path, self.url)
            tuned = [
                TuningLedger(
                    self.storage,
                    self.folder.searches,
                    self.layout,
                    cell.task,
                    Leases(self.lease),
                    cell=cell,
                )
                for cell in self.layout.tuned
            ]
            runs = [
                Ledger(self.storage, self.folder, self.layout, task, Leases(self.lease))
                for task in self.layout.plan.tasks
            ]
        self.ledgers: list[Ledger] = [*tuned, *runs]

    def work(self, retry: tuple[str, ...] = ()) -> list[str]:
        """Until every job is done or stuck; returns what needs a person, in words.

        ``retry``: outcomes that are tried again once, by request. Raises :class:`PreemptedError` when asked
        to stop, :class:`UnavailableError` where the storage or the disk does not answer.
        """
        with contextlib.closing(self), available(self.url):
            return self._work(retry)

    def _work(self, retry: tuple[str, ...]) -> list[str]:
        done = 0
        stuck = self._fill(retry)
        while True:
            self._room()
            found = self._claim()
            if found is not None:
                self._run(*found)
                done += 1
                if done == self.max_jobs:
                    return stuck
                continue
            for ledger in self.ledgers:
                ledger.reap()
            stuck = self._fill(())
            if not self._open():
                return stuck
            if self.around.stopping():
                raise PreemptedError
            if not self._open(waiting=True):
                time.sleep(min(_POLL, self.lease / 4))

    def attempts(self) -> list[dict[str, Any]]:
        """Every attempt of every job, flat, by task and number."""
        with contextlib.closing(self), available(self.url):
            return [
                _fact(ledger.task, trial) for ledger in self.ledgers for trial in ledger.trials()
            ]

    def close(self) -> None:
        """Give connections back; what is used later opens them again."""
        close(self.storage)

    def _fill(self, retry: tuple[str, ...]) -> list[str]:
        return [line for ledger in self.ledgers for line in ledger.fill(retry)]

    def _open(self, *, waiting: bool = False) -> bool:
        states = [TrialState.WAITING] + ([] if waiting else [TrialState.RUNNING])
        return any(ledger.trials(states) for ledger in self.ledgers)

    def _claim(self) -> tuple[Ledger, Claim] | None:
        for ledger in self.ledgers:
            ledger.reap()
            claim = ledger.claim()
            if claim is not None:
                return ledger, claim
        return None

    def _run(self, ledger: Ledger, claim: Claim) -> None:
        job = claim.job
        left = len(remaining(self.folder, self.layout))
        trials = untried(self.folder, self.layout)
        left_over = f"{left} jobs to do" + (f", {trials} tuning trials before" if trials else "")
        again = f", attempt {claim.attempt}" if claim.attempt > 1 else ""
        self.say(f"{job.title}{again} ({left_over})")
        checkpoint = ledger.folder.checkpoint(job)
        curve: list[float] = []

        def report(step: int, value: float) -> bool:
            curve.append(value)
            with contextlib.suppress(Exception):  # a picture for dashboards, not worth a run
                claim.trial.report(value, step)
            return ledger.prunes(job, curve)

        try:
            with Beat(lambda count: ledger.beat(claim, count), self.beat):
                records = self.do(job, checkpoint, claim.attempt, self.around, report)
                kept = [ledger.folder.keep(record) for record in records]
        except (PreemptedError, KeyboardInterrupt):
            ledger.fail(claim, "preempted", "asked to stop")
            raise
        except TimeLimitError:
            ledger.fail(claim, "timeout", f"over {self.around.max_seconds:g} s")
            self.say(f"{job.title}: over its time; its checkpoint is kept")
        except UnavailableError:
            ledger.fail(claim, "preempted", "no room to write the record")
            raise
        except (MemoryError, torch.OutOfMemoryError) as error:
            self._failed(ledger, claim, "oom", error)
        except Exception as error:  # noqa: BLE001 - one job's error is a result; the others go on
            self._failed(ledger, claim, "error", error)
        else:
            if "conflict" in kept:
                self.say(f"{job.title}: differs from the record of another attempt; both are kept")
                claim.trial.set_user_attr("conflict", value=True)
            ledger.complete(claim, records)
            checkpoint.unlink(missing_ok=True)

    def _failed(self, ledger: Ledger, claim: Claim, what: str, error: BaseException) -> None:
        text = "".join(traceback.format_exception(error))
        path = ledger.folder.path / "errors" / f"{claim.job.key[:24]}-{claim.attempt}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        ledger.fail(claim, what, reason)
        self.say(f"{claim.job.title}: {what}: {reason} (see {path.relative_to(self.folder.path)})")

    def _room(self) -> None:
        free = shutil.disk_usage(self.folder.path).free
        if free < RESERVE:
            raise UnavailableError(
                f"{self.folder.path}: {free // 2**20} MiB of disk are free, expected at least "
                f"{RESERVE // 2**20}: make "
                "room and run the same command again; finished runs are kept"
            )


@contextlib.contextmanager
def available(url: str | None) -> Iterator[None]:
    """Turn what a database that went away raises into :class:`UnavailableError`."""
    import os

    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError, UnboundLocalError) as error:
        known = url or os.environ.get(VARIABLE)
        if known is None:
            raise
        raise unreachable(known, error) from None


def remaining(folder: Folder, layout: Layout) -> list[Job]:
    """The jobs whose runs have no record: what the plan asks for, compared with what is on disk."""
    return layout.jobs(folder.done(layout))


def _fact(task: str, trial: FrozenTrial) -> dict[str, Any]:
    about = trial.user_attrs
    return {
        "task": task,
        "number": trial.number,
        "variant_name": about["variant"],
        "tune_trial": int(about.get("tune_trial", -1)),
        "seeds": " ".join(map(str, about["seeds"])),
        "attempt": int(about["attempt"]),
        "ending": ending(trial),
        "host_id": about.get("host_id", ""),
        "reason": about.get("reason", ""),
    }
