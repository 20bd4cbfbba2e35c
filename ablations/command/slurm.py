"""Slurm arrays of workers through submitit, which adds logs per task and requeues what ran out of time."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from ablations.core.errors import AblationError

_DONE = (0, 3)
_REQUEUED = 1_000  # times: the ledger counts what is lost, not the launcher


def installed() -> bool:
    """Whether the extra ``slurm`` is there."""
    return importlib.util.find_spec("submitit") is not None


class Work:
    """What one task of the array does: a worker in a process of its own."""

    def __init__(self, study: str) -> None:
        self.study = study
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Work until nothing is left; raises ``RuntimeError`` where the worker could not."""
        command = [sys.executable, "-m", "ablations", "worker", self.study]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(command, env=environment)  # noqa: S603 - ourselves
        status = self._process.wait()
        if status not in _DONE:
            raise RuntimeError(f"the worker of {self.study} ended with status {status}, see above")
        return status

    def checkpoint(self) -> Any:
        """Let the worker save and stop; returns what submitit submits again. It calls this before the end."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            # a signal handler: `wait` may hold its lock in the frame that it has interrupted
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._process.pid, signal.SIGUSR1)
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        return DelayedSubmission(Work(self.study))


def submit_array(study: Path, count: int, options: list[str]) -> list[str]:
    """Submit ``count`` tasks; returns their job numbers. Logs lie in ``STUDY/slurm``.

    ``options``: of sbatch, ``--name=value`` or ``--name``. Raises :class:`AblationError` without ``--time``
    (submitit's own is five minutes), without Slurm, or where sbatch refuses.
    """
    import submitit

    given = dict(_option(one) for one in options)
    if "time" not in given:
        raise AblationError(
            "launch: expected --option=--time=HH:MM:SS, since submitit gives a job five minutes otherwise"
        )
    try:
        executor = submitit.SlurmExecutor(study / "slurm", max_num_timeout=_REQUEUED)
        executor.update_parameters(
            job_name="ablations", array_parallelism=count, additional_parameters=given
        )
        jobs = executor.submit_array([Work(str(study))] * count)
    except (RuntimeError, OSError, submitit.core.utils.FailedJobError) as error:
        raise AblationError(
            f"sbatch cannot be used ({str(error).strip()}): print the script without --submit"
        ) from error
    return [str(job.job_id) for job in jobs]


def _option(text: str) -> tuple[str, str | bool]:
    name, equals, value = text.partition("=")
    if not name.startswith("--") or len(name) < 3:
        raise AblationError(f"--option: expected --name=value or --name, got {text!r}")
    return name.removeprefix("--"), value if equals else True
