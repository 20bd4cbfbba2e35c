"""A beat that says that a worker lives, and the judgment of those who hear it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ablations.ledger.host import alive, host_id

BEAT = 5.0  # seconds between beats
LEASE = 60.0  # seconds without a new beat after which a trial is taken for lost


class Beat:
    """Calls ``tell`` with 1, 2, 3, … every ``interval`` seconds from a thread, until it is left.

    What ``tell`` raises is swallowed: a beat that is not heard costs the lease, never the run.
    """

    def __init__(self, tell: Callable[[int], object], interval: float = BEAT) -> None:
        self._tell, self._interval = tell, interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="beat")

    def _run(self) -> None:
        count = 0
        while not self._over.wait(self._interval):
            count += 1
            with contextlib.suppress(Exception):
                self._tell(count)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()


@dataclass
class Leases:
    """What one process has heard of the others' beats.

    Clocks of machines are never compared: what counts is for how long, on this one's clock, a beat has not
    changed. Where the process is of this host, whether it lives is asked directly.
    """

    lease: float = LEASE
    _heard: dict[int, tuple[object, float]] = field(default_factory=dict)

    def lost(self, trial: int, host: str | None, process: str | None, beat: object) -> bool:
        """Whether the holder of ``trial`` is gone, or silent for longer than the lease."""
        if host == host_id() and process is not None and not alive(process):
            return True
        now = time.monotonic()
        known = self._heard.get(trial)
        if known is None or known[0] != beat:
            self._heard[trial] = (beat, now)
            return False
        return now - known[1] > self.lease
