"""Operators that combine many scalars into one: sums, products of matrices, norms, softmax.

A ``dot`` node reads x₁, y₁, x₂, y₂, …; a ``sum`` node reads its terms; the order in which a kernel adds them
is not known, and the rounded domains allow for any. A ``softmax`` node reads the whole group and is told
which member it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from properties.proofs.elementwise import apply
from properties.proofs.expression import Expressions

Rule = Callable[..., Any]


def _rows(value: Tensor, dims: Any) -> tuple[Tensor, list[int]]:
    """``value`` with the reduced axes flattened into the last one, and the axes."""
    axes = list(range(value.dim())) if dims is None or dims == [] else dims
    axes = sorted(d % value.dim() for d in ([axes] if isinstance(axes, int) else axes)) or [0]
    kept = [d for d in range(value.dim()) if d not in axes]
    return value.permute(*kept, *axes).reshape(*(value.shape[d] for d in kept), -1), axes


def _fold(
    arena: Expressions, op: str, value: Tensor, dims: Any, keepdim: bool = False
) -> Tensor | None:
    if value.dim() == 0:
        return value
    rows, axes = _rows(value, dims)
    flat = rows.reshape(-1, rows.shape[-1]).tolist()
    result = torch.tensor([_folded(arena, op, row) for row in flat], dtype=torch.int64)
    result = result.reshape(rows.shape[:-1])
    if keepdim:
        for axis in axes:
            result = result.unsqueeze(axis)
    return result


def _folded(arena: Expressions, op: str, row: list[int]) -> int:
    if op == "sum":
        return row[0] if len(row) == 1 else arena.apply("sum", *row)
    value = row[0]
    for place in row[1:]:
        value = arena.apply(op, value, place)
    return value


def _sum(
    arena: Expressions, value: Tensor, dims: Any = None, keepdim: bool = False, dtype: Any = None
) -> Tensor | None:
    return None if dtype is not None else _fold(arena, "sum", value, dims, keepdim)


def _mean(
    arena: Expressions, value: Tensor, dims: Any = None, keepdim: bool = False, dtype: Any = None
) -> Tensor | None:
    total = _sum(arena, value, dims, keepdim, dtype)
    if total is None or total.numel() == 0:
        return None
    return apply(arena, "div", total, float(value.numel() // total.numel()))


def _extreme(op: str) -> Rule:
    def rule(
        arena: Expressions, value: Tensor, dims: Any = None, keepdim: bool = False
    ) -> Tensor | None:
        return _fold(arena, op, value, dims, keepdim)

    return rule


def _norm(
    arena: Expressions,
    value: Tensor,
    order: float = 2,
    dims: Any = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor | None:
    if order == 1:
        return _sum(arena, apply(arena, "abs", value), dims, keepdim, dtype)
    if order != 2:
        return (
            None
            if dtype is not None or order <= 0
            else _general_norm(arena, value, order, dims, keepdim)
        )
    total = _sum(arena, apply(arena, "mul", value, value), dims, keepdim, dtype)
    return None if total is None else apply(arena, "sqrt", total)


def _general_norm(
    arena: Expressions, value: Tensor, order: float, dims: Any, keepdim: bool
) -> Tensor | None:
    if value.dim() == 0:
        return None
    rows, axes = _rows(value, dims)
    flat = [
        arena.apply("norm", *row, data=(float(order),))
        for row in rows.reshape(-1, rows.shape[-1]).tolist()
    ]
    result = torch.tensor(flat, dtype=torch.int64).reshape(rows.shape[:-1])
    for axis in axes if keepdim else ():
        result = result.unsqueeze(axis)
    return result


def _cumsum(arena: Expressions, value: Tensor, dim: int, dtype: Any = None) -> Tensor | None:
    if dtype is not None or value.dim() == 0:
        return None
    moved = value.movedim(dim, -1)
    rows = [
        [_folded(arena, "sum", row[: i + 1]) for i in range(len(row))]
        for row in moved.reshape(-1, moved.shape[-1]).tolist()
    ]
    return torch.tensor(rows, dtype=torch.int64).reshape(moved.shape).movedim(-1, dim)


def _softmax(
    arena: Expressions, value: Tensor, dim: int, half_to_float: bool = False
) -> Tensor | None:
    if half_to_float or value.dim() == 0:
        return None
    moved = value.movedim(dim, -1)
    rows = [
        [arena.apply("softmax", *row, data=(i,)) for i in range(len(row))]
        for row in moved.reshape(-1, moved.shape[-1]).tolist()
    ]
    return torch.tensor(rows, dtype=torch.int64).reshape(moved.shape).movedim(-1, dim)


def _products(arena: Expressions, left: Tensor, right: Tensor) -> Tensor:
    """(…, n, k) and (…, k, m) to (…, n, m)."""
    batch = torch.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    n, k, m = left.shape[-2], left.shape[-1], right.shape[-1]
    a = left.expand(*batch, n, k).reshape(-1, n, k).tolist()
    b = right.transpose(-1, -2).expand(*batch, m, k).reshape(-1, m, k).tolist()
    flat = [
        arena.apply("dot", *(place for pair in zip(row, column, strict=True) for place in pair))
        for rows, columns in zip(a, b, strict=True)
        for row in rows
        for column in columns
    ]
    return torch.tensor(flat, dtype=torch.int64).reshape(*batch, n, m)


def _matmul(arena: Expressions, left: Tensor, right: Tensor) -> Tensor:
    a = left.unsqueeze(0) if left.dim() == 1 else left
    b = right.unsqueeze(-1) if right.dim() == 1 else right
    result = _products(arena, a, b)
    if right.dim() == 1:
        result = result.squeeze(-1)
    return (
        result.squeeze(-1 if right.dim() > 1 else 0)
        if left.dim() == 1 and right.dim() == 1
        else (result.squeeze(-2) if left.dim() == 1 else result)
    )


def _linear(
    arena: Expressions, value: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    result = _matmul(arena, value, weight.t() if weight.dim() == 2 else weight)
    return result if bias is None else apply(arena, "add", result, bias)


def _addmm(
    arena: Expressions, base: Tensor, left: Tensor, right: Tensor, beta: float = 1, alpha: float = 1
) -> Tensor | None:
    if beta != 1 or alpha != 1:
        return None
    product = _matmul(arena, left, right)
    # accumulated together with the product: one more term, of which the order is unknown too
    return apply(arena, "accumulate", product, base)


REDUCTIONS: dict[str, Rule] = {
    "sum": _sum,
    "mean": _mean,
    "amax": _extreme("max"),
    "amin": _extreme("min"),
    "linalg_vector_norm": _norm,
    "cumsum": _cumsum,
    "_softmax": _softmax,
    "softmax": _softmax,
    "mm": _matmul,
    "bmm": _matmul,
    "mv": _matmul,
    "dot": _matmul,
    "matmul": _matmul,
    "linear": _linear,
    "addmm": _addmm,
    "addmv": _addmm,
    "baddbmm": _addmm,
}
"""Operator name (without overload) to its rule."""
