"""Sixteen-bit formats: every value that a gate's argument can take, through the kernels themselves.

An interval forgets that σ(a) and σ(−a) read the same a. Where a is one of 65,536 numbers, the kernels are
run on all of them, and everything else stays an interval: one case per number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from properties.proofs.expression import Expressions
from properties.proofs.interval_rules import Interval

_KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "neg": torch.neg,
    "exp": torch.exp,
    "sin": torch.sin,
    "cos": torch.cos,
    "relu": torch.relu,
}
_SHIFTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
}
GATES = frozenset(("sigmoid", "tanh", "exp", "sin", "cos"))
SIXTEEN_BIT = frozenset((torch.float16, torch.bfloat16))


def every_value(dtype: torch.dtype) -> Tensor:
    """All numbers of a 16-bit format, infinities included, NaN not."""
    if dtype not in SIXTEEN_BIT:
        raise ValueError(f"expected a 16-bit floating-point dtype, got {dtype}")
    values = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    return values[~torch.isnan(values)]


def base(arena: Expressions, place: int) -> int:
    """What the argument at ``place`` is a shift or reflection of by constants: a, −a, β − a have base a."""
    node = arena[place]
    if node.op == "neg":
        return base(arena, node.args[0])
    if node.op in ("add", "sub"):
        literals = [arena[a].op == "literal" for a in node.args]
        if any(literals) and not all(literals):
            return base(arena, node.args[literals.index(False)])
    return place


def outermost(arena: Expressions, roots: Sequence[int]) -> list[int]:
    """The first gates met on the way down from ``roots``."""
    return [p for p in _above_gates(arena, roots) if arena[p].op in GATES]


def entangled(arena: Expressions, roots: Sequence[int]) -> list[int]:
    """The bases whose gates are read more than once above them: where intervals lose the connection."""
    gates = outermost(arena, roots)
    readers: dict[int, int] = {}
    uses = _uses_above(arena, roots)
    for gate in gates:
        origin = base(arena, arena[gate].args[0])
        readers[origin] = readers.get(origin, 0) + uses[gate]
    return sorted(origin for origin, count in readers.items() if count > 1)


def _above_gates(arena: Expressions, roots: Sequence[int]) -> list[int]:
    """What is between ``roots`` and their outermost gates, gates included."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        place = stack.pop()
        if place not in seen:
            seen.add(place)
            if arena[place].op not in GATES:
                stack.extend(arena[place].args)
    return sorted(seen)


def _uses_above(arena: Expressions, roots: Sequence[int]) -> dict[int, int]:
    region = _above_gates(arena, roots)
    counts = dict.fromkeys(region, 0)
    for place in region:
        if arena[place].op not in GATES:
            for arg in arena[place].args:
                counts[arg] += 1
    return counts


def executed(
    arena: Expressions, origin: int, roots: Sequence[int], dtype: torch.dtype
) -> Mapping[int, Interval]:
    """Everything that depends on ``origin`` and constants alone, for every value of ``origin``.

    Kernels may take another path for the last few elements of a tensor; where the two paths differ, the
    interval holds both results.
    """
    values = every_value(dtype)
    results: dict[int, tuple[Tensor, Tensor]] = {origin: (values, values)}
    for place in arena.cone(roots):
        node = arena[place]
        operands = [_operand(arena, results, a, dtype) for a in node.args]
        if place in results or not operands or any(o is None for o in operands):
            continue
        if all(arena[a].op == "literal" for a in node.args):
            continue
        found = [o for o in operands if o is not None]
        if node.op in _KERNELS:
            results[place] = _both(_KERNELS[node.op], *found[0])
        elif node.op in _SHIFTS:
            shift = _SHIFTS[node.op]
            (a, b), (c, d) = found
            results[place] = _ends(shift(a, c), shift(a, d), shift(b, c), shift(b, d))
    return {p: Interval(low.double(), high.double()) for p, (low, high) in results.items()}


def _operand(
    arena: Expressions, results: Mapping[int, tuple[Tensor, Tensor]], place: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor] | None:
    if place in results:
        return results[place]
    node = arena[place]
    if node.op != "literal":
        return None
    value = torch.tensor(float(node.data[0]), dtype=torch.float64)
    inside = value.to(dtype)
    return (
        (inside, inside) if bool(inside.double() == value) else None
    )  # else the kernel's own constant


def _both(kernel: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    results = []
    for value in (low, high):
        padded = torch.stack((value, value), -1)
        results += [kernel(value), kernel(padded[:, 0])]  # contiguous and strided
    return _ends(*results)


def _ends(*results: Tensor) -> tuple[Tensor, Tensor]:
    stacked = torch.stack(results)
    return stacked.amin(0), stacked.amax(0)
