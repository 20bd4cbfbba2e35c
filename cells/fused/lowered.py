"""A function of replicates called outside of the ``vmap`` that maps them, past torch's own way there.

The rule of a ``torch.autograd.Function`` for ``vmap`` is found by Python of torch's that takes as long as a
short sequence: it walks through trees of arguments several times. A trainer has one ``vmap`` and no other
transform, and there the rule says little: the mapped axis is that of the replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch
from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter


def lowered(
    apply: Callable[..., Sequence[Tensor]], fixed: Sequence[Any], tensors: Sequence[Tensor]
) -> list[Tensor] | None:
    """``apply(*fixed, *stacked)`` with the mapped axis of ``tensors`` leading, results mapped again.

    A tensor that is not mapped has one replicate. None unless one ``vmap`` and no other transform is active,
    and maps one of them: then the function's rules have to be asked.
    """
    if torch.compiler.is_compiling():
        return None
    stack = _functorch.get_interpreter_stack()
    if stack is None or len(stack) != 1 or stack[0].key() != _functorch.TransformType.Vmap:
        return None
    interpreter: Any = retrieve_current_functorch_interpreter()
    level = interpreter.level()
    pairs = [_functorch._unwrap_batched(one, level) for one in tensors]  # noqa: SLF001 - as torch's rule does
    if all(dim is None for _, dim in pairs):
        return None
    with interpreter.lower():
        stacked = [one.unsqueeze(0) if dim is None else one.movedim(dim, 0) for one, dim in pairs]
        results = apply(*fixed, *stacked)
    return [_functorch._add_batch_dim(one, 0, level) for one in results]  # noqa: SLF001
