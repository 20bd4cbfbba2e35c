"""The rule for ``vmap`` that all kernels share: a mapped axis becomes more replicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor


def fold(
    size: int, dims: Sequence[int | None], tensors: Sequence[Tensor]
) -> tuple[list[Tensor], int]:
    """The mapped axis of ``size`` folded into the replicates, which lead; and how many there were.

    What has one replicate and is not mapped stays so: it stands for all.
    """
    moved = [
        tensor if dim is None else tensor.movedim(dim, 0)
        for tensor, dim in zip(tensors, dims, strict=True)
    ]
    replicates = max(
        tensor.shape[0 if dim is None else 1] for tensor, dim in zip(moved, dims, strict=True)
    )
    folded = []
    for tensor, dim in zip(moved, dims, strict=True):
        if dim is None and tensor.shape[0] == 1:
            folded.append(tensor)
        else:
            whole = tensor.unsqueeze(0) if dim is None else tensor
            whole = whole.expand(size, replicates, *whole.shape[2:])
            folded.append(whole.reshape(size * replicates, *whole.shape[2:]))
    return folded, replicates


def unfold(out: Sequence[Tensor], size: int, replicates: int) -> Any:
    """The results with the mapped axis in front again, and where it is."""
    count = size * replicates
    whole = tuple(one.expand(count, *one.shape[1:]).unflatten(0, (size, replicates)) for one in out)
    return whole, tuple(0 for _ in whole)
