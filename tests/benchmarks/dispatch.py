"""The second witness of what is mostly torch's dispatch and Python: work of that kind, and no other."""

from __future__ import annotations

from collections.abc import Callable

import torch

STEPS = 16  # of three operations each, on the way there and back: about as many as a short sequence asks for


def dispatch() -> Callable[[], object]:
    """Operations on 64 numbers and their gradients, called from Python on the CPU."""
    generator = torch.Generator().manual_seed(3)
    x, w = (torch.randn(4, 16, generator=generator).requires_grad_() for _ in range(2))

    def work() -> None:
        state = x
        for _ in range(STEPS):
            state = torch.tanh(state * w + x)
        torch.autograd.grad(state.sum(), (x, w))

    return work
