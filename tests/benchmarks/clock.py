"""What a benchmark reads: processor seconds of this process on a CPU, events of the device on CUDA."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

LONGEST_HOLD = (
    0.02  # seconds: what takes longer to ask for is bound by its host, and is timed as such
)


class Stamp:
    """A place in the device's queue; the difference of two is seconds, once the device has passed both."""

    def __init__(self) -> None:
        self.event = torch.cuda.Event(enable_timing=True)
        self.event.record()

    def __sub__(self, earlier: Stamp) -> float:
        self.event.synchronize()
        return earlier.event.elapsed_time(self.event) / 1e3


@dataclass
class Clock:
    """``clock() - clock()`` is seconds; ``cuda``: of the device, otherwise of this process's processors."""

    cuda: bool = False

    def __call__(self) -> Any:
        """Now, to be subtracted."""
        return Stamp() if self.cuda else time.process_time()

    def hold(self, seconds: float) -> None:
        """Let the device sleep while ``seconds`` of work are queued: then it is timed, and not its launches.

        A training loop runs ahead of its device in the same way. Nothing on a CPU.
        """
        if self.cuda:
            torch.cuda.synchronize()
            rate = torch.cuda.get_device_properties().clock_rate * 1e3  # ticks per second
            torch.cuda._sleep(int(min(seconds, LONGEST_HOLD) * rate))

    def settle(self) -> None:
        """Wait until the device has nothing to do."""
        if self.cuda:
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object]) -> float:
        """What ``work`` takes."""
        begin = self()
        work()
        return self() - begin


@dataclass(frozen=True, slots=True)
class Reading:
    """What :class:`PerCall` answers."""

    stamp: Any
    calls: int

    def __sub__(self, earlier: Reading) -> float:
        return (self.stamp - earlier.stamp) / self.calls


@dataclass
class PerCall:
    """The timer given to pytest-benchmark: its rounds make ``calls`` calls, and its tables speak of one."""

    clock: Clock
    calls: int = 1

    def __call__(self) -> Reading:
        """Now, to be subtracted."""
        return Reading(self.clock(), self.calls)


CLOCK = Clock()  # what this run measures with; conftest.py turns it to the device
TIMER = PerCall(CLOCK)
