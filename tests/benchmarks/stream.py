"""The second witness: an elementwise pass over memory, which suffers where an ``nn.LSTM`` does not."""

from __future__ import annotations

from collections.abc import Callable

import torch

SIZE = {
    "cpu": 2**21,
    "cuda": 2**27,
}  # numbers in each of three buffers: more than the caches of a core


def stream(device: torch.device) -> Callable[[], object]:
    """tanh, a product and a sum, element by element."""
    generator = torch.Generator().manual_seed(2)
    x, z = (torch.randn(SIZE[device.type], generator=generator).to(device) for _ in range(2))
    out = torch.empty_like(x)

    def work() -> None:
        torch.tanh(x, out=out)
        torch.mul(out, z, out=out)
        torch.add(out, x, out=out)

    return work
