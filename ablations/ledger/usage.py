"""What a job used of the machine it ran on: the largest memory, and the time of the device."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import torch

_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in one of ru_maxrss


@dataclass
class Usage:
    """Measures what happens inside ``with``; ``device``: "cpu" or "cuda".

    ``memory``, bytes. CUDA: the most that tensors held there at once. CPU: the largest resident size of the
    process until then, which libraries and earlier jobs of the same worker are part of.
    ``seconds``. CUDA: from the first to the last work of the device. CPU: processor time of the process.
    """

    device: str
    memory: int = -1
    seconds: float = 0.0

    def __enter__(self) -> Self:
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            self._first, self._last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            self._first.record()
        self._began = time.process_time()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            return  # there will be no record, and a device that failed may not answer
        if self.device == "cuda":
            self._last.record()
            self._last.synchronize()
            self.seconds = self._first.elapsed_time(self._last) / 1000
            self.memory = torch.cuda.max_memory_allocated()
        else:
            self.seconds = time.process_time() - self._began
            self.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
