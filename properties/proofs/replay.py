"""The replay gate: does the graph compute what the cell computes, bit for bit, step after step?

A trace is taken from one call. A cell that counts its calls, caches, or looks at the clock has the same
trace as an honest one, so the graph is run beside the cell for many steps and every bit of the new state
and of the gradient is compared. This is a test, not a proof: it bounds how late a cell may misbehave.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from properties.proofs.trace import StepTrace

SCALES = (1.0, 0.0, 1e-3, 0.1, 10.0, 1e3)
"""Magnitudes of the inputs, in turn: a silent one, small ones and saturating ones."""


def replay(trace: StepTrace, steps: int = 128, seed: int = 0) -> int | None:
    """The first of ``steps`` steps at which graph and cell differ in any bit, or None.

    The cell runs on: each state is what its last step returned. Every sixteenth step, and after a value
    that is not finite, the state is drawn anew. The cell's attributes are restored afterwards.
    """
    generator = Generator().manual_seed(seed)
    inputs = len(trace.initial) - len(trace.forward.outputs)
    values = list(trace.initial)
    with trace.lifted.preserved():
        for step in range(steps):
            if inputs:
                values[0] = _draw(values[0], SCALES[step % len(SCALES)], generator)
            if step % 16 == 15 or not bool(torch.isfinite(values[inputs]).all()):
                values[inputs] = _draw(values[inputs], SCALES[step // 16 % 3], generator)
            shape = trace.forward.outputs[0].shape
            cotangent = _draw(values[inputs].new_empty(shape), 1.0, generator)
            seen = trace.eager(*values, cotangent)
            weights = trace.weights
            expected = trace.forward.run(*weights, *values)
            expected += trace.backward.run(*weights, *values, cotangent)
            if not all(_same_bits(a, b) for a, b in zip(expected, seen, strict=True)):
                return step
            values[inputs:] = [s.detach() for s in seen[:-1]]
    return None


def _draw(like: Tensor, scale: float, generator: Generator) -> Tensor:
    drawn = torch.randn(like.shape, generator=generator, dtype=torch.float64)
    return (scale * drawn).to(dtype=like.dtype, device=like.device)


def _same_bits(expected: Tensor, seen: Tensor) -> bool:
    if expected.shape != seen.shape or expected.dtype != seen.dtype:
        return False
    if not expected.is_floating_point():
        return torch.equal(expected, seen)
    same = (expected == seen) & (torch.signbit(expected) == torch.signbit(seen))
    return bool((same | (expected.isnan() & seen.isnan())).all())
