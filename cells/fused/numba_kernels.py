"""Kernels on the CPU: compiled by Numba at the first call, and from its cache on disk afterwards."""

from __future__ import annotations

import functools
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cells.fused.shapes import Sizes, as_expected, check
from cells.fused.step import Step
from cells.fused.store import load
from cells.fused.threads import in_parallel, thread_limit

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
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    *,
    read: bool = True,
    out: Sequence[Tensor] = (),
) -> list[Tensor]:
    """The states after every step and the readouts; see :mod:`cells.fused.operators` for the shapes.

    ``read``: whether readouts are wanted of a step that has some; ``out``: dense tensors to write the results
    to, in place of new ones.
    """
    replicates, steps, batch, units = check(step, inputs, weights, constants, initial)
    kernel, like = _module(step, inputs), inputs[0]
    decoded = read and step.readouts > 0
    widths = [units] * step.states + [step.readouts * units] * decoded
    shapes = [(replicates, steps, batch, width) for width in widths]
    results = [like.new_empty(shape) for shape in shapes] if not out else as_expected(out, shapes)
    given = [
        *arrays(*inputs, weights, *initial),
        _numbers(kernel, constants, like.dtype),
        *arrays(*results),
        *[_nothing(4, like.dtype)] * (step.readouts > 0 and not decoded),
    ]
    over_rows(kernel.forward, given, replicates * batch, steps * units)
    return results


def backward(
    step: Step,
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    states: Sequence[Tensor],
    gradients: Sequence[Tensor],
    *,
    wanted: bool = True,
) -> list[Tensor]:
    """The gradients of all inputs, weights and every initial state, each with all R replicates.

    ``wanted``: whether that of x is; else it is 0.
    """
    sizes = check(step, inputs, weights, constants, initial, states, gradients)
    replicates, _, batch, units = sizes
    like = inputs[0]
    to_weights = like.new_empty(replicates, batch, step.weights, units)
    to_initial = [like.new_empty(replicates, batch, units) for _ in initial]
    first, *maps = inputs
    if maps:
        to_inputs = [first.new_zeros(replicates, *first.shape[1:])]
        # every row has sums of its own, added up in one order: equal runs have equal bits
        to_inputs += [like.new_empty(replicates, batch, *one.shape[1:]) for one in maps]
    else:
        to_inputs = [first.new_empty(replicates, *first.shape[1:])]
    found = arrays(*to_inputs)
    if maps and not wanted:
        found[0] = _nothing(4, like.dtype)
    found += arrays(to_weights, *to_initial)
    _backward(step, (inputs, weights, constants, initial, states, gradients), sizes, found)
    to_first, *sums = to_inputs
    return [to_first, *(one.sum(1) for one in (*sums, to_weights)), *to_initial]


def slopes(
    step: Step,
    inputs: Sequence[Tensor],
    weights: Tensor,
    constants: Sequence[float],
    initial: Sequence[Tensor],
    states: Sequence[Tensor],
    gradients: Sequence[Tensor],
    out: Sequence[Tensor] = (),
) -> list[Tensor]:
    """The gradients of the initial states alone, (R, B, J), for which less has to be written.

    ``inputs``: projected ones; ``gradients``: of the states after every step; ``out``: as in :func:`forward`.
    """
    like = inputs[0]
    absent = [like.new_empty(1, 0, 0, 0)] * (step.states + bool(step.readouts))
    given = (inputs, weights, constants, initial, states, [*gradients, *absent])
    sizes = check(step, *given)
    shapes = [(sizes.replicates, *one.shape[1:]) for one in initial]
    to_initial = (
        [like.new_empty(shape) for shape in shapes] if not out else as_expected(out, shapes)
    )
    nowhere = _nothing(4, like.dtype)
    _backward(step, given, sizes, [nowhere, nowhere, *arrays(*to_initial)])
    return to_initial


def _backward(
    step: Step, given: tuple[Any, ...], sizes: Sizes, found: Sequence[np.ndarray[Any, Any]]
) -> None:
    """Write to ``found`` the gradients of inputs, weights and initial states, where they have elements."""
    inputs, weights, constants, initial, states, gradients = given
    kernel, dtype, count = _module(step, inputs), weights.dtype, step.states
    ranks = [4] * count + [3] * count + [4] * bool(step.readouts)
    # a kernel is compiled for arrays of some rank, also where they are empty
    present = [
        arrays(one)[0] if one.numel() else _nothing(rank, dtype)
        for one, rank in zip(gradients, ranks, strict=True)
    ]
    arguments = [
        *arrays(*inputs, weights, *initial, *states),
        *present,
        _numbers(kernel, constants, dtype),
        *found,
    ]
    each = sizes.steps * sizes.units
    over_rows(kernel.backward, arguments, sizes.replicates * sizes.batch, each)


@functools.cache
def _nothing(rank: int, dtype: torch.dtype) -> np.ndarray[Any, Any]:
    """An array without elements."""
    return torch.empty([1, *[0] * (rank - 1)], dtype=dtype).numpy()


def _module(step: Step, inputs: Sequence[Tensor]) -> Any:
    from cells.fused.numba_printer import mapped_source, numba_source

    if len(inputs) > 1:
        return compiled(lambda: load(step, "numba_mapped", mapped_source))
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
    """Call ``kernel`` for all rows, on several threads where there is work for them.

    ``each``: how many unit steps a row takes.
    """
    parts = min(thread_limit(), rows, max(1, rows * each // _WORTH_A_THREAD))
    if parts <= 1:
        kernel(*arguments, 0, rows)
        return
    # the kernel lets go of the interpreter's lock
    in_parallel(lambda k: kernel(*arguments, rows * k // parts, rows * (k + 1) // parts), parts)
