"""The bandwidth of a copy, measured in the same run: what a kernel that only moves memory could reach."""

from __future__ import annotations

import torch
from clock import CLOCK

BYTES = {"cpu": 2**27, "cuda": 2**30}  # far beyond the caches


def copy_rate(device: torch.device, rounds: int = 9) -> float:
    """Bytes per second, read and written, of the fastest of some copies."""
    count = BYTES[device.type] // 8  # two buffers of float32
    source = torch.randn(count, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    taken = []
    for _ in range(rounds):
        CLOCK.hold(1e-4)
        taken.append(CLOCK.seconds(lambda: target.copy_(source)))
    return 2 * source.nbytes / min(taken)
