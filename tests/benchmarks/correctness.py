"""Right before it is fast: what a timed layer computes, against float64, with its memory poisoned."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence

import torch
from implementations import Subject
from torch import Tensor

# of the largest entry, per step: a memory that grows with T rounds, and its cosine sees that
PER_STEP = {False: 1e-5, True: 3e-4}  # float32, TF32


@contextlib.contextmanager
def poisoned() -> Iterator[None]:
    """Fresh memory holds NaN in here: what a kernel forgets to write is seen."""
    before = torch.are_deterministic_algorithms_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # operators without a deterministic form are as they are
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = True
        try:
            yield
        finally:
            torch.utils.deterministic.fill_uninitialized_memory = filled
            torch.use_deterministic_algorithms(before)


def exact(subject: Subject, xs: Tensor, upstream: Tensor) -> list[Tensor]:
    """Outputs and gradients in float64, on the CPU."""
    with torch.enable_grad():
        inputs = xs.detach().cpu().double().requires_grad_()
        outputs = subject.exact(inputs)
        gradients = torch.autograd.grad(
            outputs, (inputs, *subject.exact_parameters), upstream.cpu().double(), allow_unused=True
        )
    return [outputs.detach(), *map(_present, gradients, (inputs, *subject.exact_parameters))]


def computed(
    subject: Subject, xs: Tensor, upstream: Tensor, *, poison: bool = True
) -> list[Tensor]:
    """Outputs and gradients as the timed work computes them, in poisoned memory unless told otherwise."""
    with poisoned() if poison else contextlib.nullcontext():
        outputs = subject.run(xs)
        leaves = (xs, *subject.parameters)
        gradients = torch.autograd.grad(outputs, leaves, upstream, allow_unused=True)
    return [outputs.detach(), *map(_present, gradients, leaves)]


def _present(gradient: Tensor | None, leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if gradient is None else gradient


def error(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest difference, in shares of the largest entry of its tensor; NaN counts as infinite."""
    worst = 0.0
    for mine, other in zip(found, expected, strict=True):
        scale = float(other.abs().max()) or 1.0
        off = float((mine.cpu().double() - other).abs().max()) / scale
        worst = max(worst, off if off == off else float("inf"))  # noqa: PLR0124 - NaN
    return worst


def check(found: Sequence[Tensor], expected: Sequence[Tensor], *, tf32: bool = False) -> float:
    """The error. Raises ``AssertionError`` where it is too large: then the time is worth nothing."""
    allowed = max(100, len(expected[0])) * PER_STEP[tf32]
    off = error(found, expected)
    if not off <= allowed:
        raise AssertionError(
            f"expected the float64 reference's outputs and gradients within {allowed:g} of the largest "
            f"entry, got a difference of {off:.3g}: repair the implementation before it is timed"
        )
    return off
