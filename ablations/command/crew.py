"""Workers of one machine: this process, or several of its own that are started again when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import rich.console
import torch

from ablations.core.job import Layout
from ablations.ledger.execute import Surroundings
from ablations.ledger.folder import Folder
from ablations.ledger.storage import VARIABLE
from ablations.ledger.worker import Worker
from studies.training.memory import keep_freed_memory

_AGAIN = 75
_LONGEST = 60.0  # seconds between two starts of a worker that finds no database
_RESTARTS = 20


def solo(
    folder: Folder, layout: Layout, url: str | None, around: Surroundings, retry: Sequence[str] = ()
) -> list[str]:
    """Work in this process; returns what needs a person. Stops softly on SIGTERM and SIGUSR1."""
    torch.set_num_threads(1)  # steps are small, and processes are what is parallel
    keep_freed_memory()
    console = rich.console.Console(stderr=True)

    def say(line: str) -> None:
        if not around.quiet:
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    with stopping() as stop:
        inside = Surroundings(
            around.data, around.device, stop.is_set, around.max_seconds, around.quiet
        )
        worker = Worker(
            folder, layout, url, inside,
            say=say,
        )  # fmt: skip
        return worker.work(tuple(retry))


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that is set by SIGTERM, SIGUSR1 or SIGUSR2.

    The last two are Slurm's word before the end of a job, ours and submitit's.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    heard = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    before = {one: signal.signal(one, lambda *_: event.set()) for one in heard}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def crew(study: Path, count: int, url: str | None, options: Sequence[str]) -> None:
    """``count`` processes of ``worker STUDY``; one that is killed or finds no database is started again.

    The URL goes by the environment, where process lists do not show it.
    """
    command = [sys.executable, "-m", "ablations", "worker", str(study), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if url:
        environment[VARIABLE] = url
    running = [subprocess.Popen(command, env=environment) for _ in range(count)]  # noqa: S603 - ourselves
    wait, restarts = 1.0, 0
    try:
        while running:
            time.sleep(0.2)
            for process in list(running):
                status = process.poll()
                if status is None:
                    continue
                running.remove(process)
                if status not in (0, 2, 3) and restarts < _RESTARTS:
                    time.sleep(wait if status == _AGAIN else 0)
                    wait, restarts = min(2 * wait, _LONGEST), restarts + 1
                    running.append(subprocess.Popen(command, env=environment))  # noqa: S603
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def worker_options(
    data: Path | None, device: str, max_wall: float | None, *, quiet: bool
) -> list[str]:
    """The options of ``worker`` that say the same."""
    options = ["--device", device]
    options += [] if data is None else ["--data", str(data)]
    options += [] if max_wall is None else ["--max-wall", str(max_wall)]
    return options + (["--quiet"] if quiet else [])
