"""Kernels on the CPU: compiled by Numba at the first call, and from its cache on disk afterwards."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cells.fused.shapes import as_expected, check
from cells.fused.step import Step
from cells.fused.store import load

_WORTH_A_THREAD = 2**18
"""Unit steps below which a second thread costs more than it saves."""


_INSTALLED = importlib.util.find_spec("numba") is not None


def missing() -> str | None:
    """Why there are no kernels on this CPU, or None."""
    if _INSTALLED:
        return None
    return "numba is not installed; `pip install 'desiderata[fused]'` brings it"


def forward(
    step: Step,
    projected: Tensor,
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    out: Sequence[Tensor] = (),
) -> list[Tensor]:
    """The states after every step and the readouts; see :mod:`cells.fused.operators` for the shapes.

    ``out``: dense tensors to write them to, in place of new ones.
    """
    replicates = check(step, projected, weights, constants, initial)
    kernel = _module(step)
    _, steps, batch, _ = projected.shape
    units = initial[0].shape[-1]
    widths = [units] * step.states + [step.readouts * units] * bool(step.readouts)
    shapes = [(replicates, steps, batch, width) for width in widths]
    results = (
        [projected.new_empty(shape) for shape in shapes] if not out else as_expected(out, shapes)
    )
    numbers = _numbers(kernel, constants, projected.dtype)
    given = [*arrays(projected, weights), numbers, *arrays(*initial, *results)]
    over_rows(kernel.forward, given, replicates * batch, steps * units)
    return results


def backward(
    step: Step,
    projected: Tensor,
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    states: Sequence[Tensor],
    gradients: Sequence[Tensor],
) -> list[Tensor]:
    """The gradients of projected, weights and every initial state, each with all R replicates."""
    replicates = check(step, projected, weights, constants, initial, states, gradients)
    _, steps, batch, inputs = projected.shape
    units = initial[0].shape[-1]
    to_projected = projected.new_empty(replicates, steps, batch, inputs)
    to_weights = projected.new_empty(replicates, batch, step.weights, units)
    given = (step, projected, weights, constants, initial, states, gradients)
    to_initial = [projected.new_empty(replicates, batch, units) for _ in initial]
    _backward(given, replicates, to_projected, to_weights, to_initial)
    # every row has sums of its own, added up in one order: equal runs have equal bits
    return [to_projected, to_weights.sum(1), *to_initial]


def slopes(
    step: Step,
    projected: Tensor,
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    states: Sequence[Tensor],
    gradients: Sequence[Tensor],
    out: Sequence[Tensor] = (),
) -> list[Tensor]:
    """The gradients of the initial states alone, (R, B, J), for which less has to be written.

    ``out``: as in :func:`forward`.
    """
    replicates = check(step, projected, weights, constants, initial, states, gradients)
    none = projected.new_empty(0, 0, 0, 0)
    given = (step, projected, weights, constants, initial, states, gradients)
    shapes = [(replicates, *one.shape[1:]) for one in initial]
    to_initial = (
        [projected.new_empty(shape) for shape in shapes] if not out else as_expected(out, shapes)
    )
    _backward(given, replicates, none, none, to_initial)
    return to_initial


def _backward(
    given: tuple[Any, ...],
    replicates: int,
    to_projected: Tensor,
    to_weights: Tensor,
    to_initial: Sequence[Tensor],
) -> None:
    """Write the gradients; those of inputs and weights where they have elements."""
    step, projected, weights, constants, initial, states, gradients = given
    kernel = _module(step)
    _, steps, batch, _ = projected.shape
    units = initial[0].shape[-1]
    numbers = _numbers(kernel, constants, projected.dtype)
    rest = (*initial, *states, *gradients, to_projected, to_weights, *to_initial)
    arguments = [*arrays(projected, weights), numbers, *arrays(*rest)]
    over_rows(kernel.backward, arguments, replicates * batch, steps * units)


def _module(step: Step) -> Any:
    from cells.fused.numba_printer import numba_source

    return compiled(lambda: load(step, "numba", numba_source))


def compiled(module: Callable[[], Any]) -> Any:
    """The module that ``module`` imports, also where no folder can be found that keeps what is compiled."""
    try:
        return module()
    except RuntimeError as error:  # both the source's folder and the home are read-only
        if "cannot cache function" not in str(error):
            raise
        import numba

        config: Any = numba.config
        config.CACHE_DIR = tempfile.mkdtemp(prefix="desiderata-numba-")
        return module()


def _numbers(kernel: Any, constants: Sequence[float], dtype: torch.dtype) -> np.ndarray[Any, Any]:
    precision = np.float32 if dtype == torch.float32 else np.float64
    return np.array([*constants, *kernel.NUMBERS], precision)


def arrays(*tensors: Tensor) -> list[np.ndarray[Any, Any]]:
    """The tensors as a kernel reads and writes them: on the CPU, dense, without a gradient."""
    # short sequences feel every call
    return [(one.detach() if one.requires_grad else one).contiguous().numpy() for one in tensors]


def over_rows(kernel: Callable[..., None], arguments: Sequence[Any], rows: int, each: int) -> None:
    """Call ``kernel`` for all rows, on torch's threads where there is work for them.

    ``each``: how many unit steps a row takes.
    """
    threads = min(torch.get_num_threads(), rows, max(1, rows * each // _WORTH_A_THREAD))
    if threads <= 1:
        kernel(*arguments, 0, rows)
        return
    bounds = [rows * k // threads for k in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:  # the kernel lets go of the interpreter's lock
        running = [
            pool.submit(kernel, *arguments, bounds[k], bounds[k + 1]) for k in range(threads)
        ]
        for one in running:
            one.result()
