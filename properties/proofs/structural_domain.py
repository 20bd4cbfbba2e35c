"""The structural domain: for every scalar, its exact coefficient on each source and what else it may read.

Sources are the state scalars in a forward graph and the scalars of the cotangent in a backward one. The
value of one tensor element is

    Σ_k c_k · source_k  +  g(sources marked "may depend", the groups marked, constants)

with c_k known exactly: 0 or ±2^j with |j| ≤ 20, so that sums of coefficients are exact in float64 and
multiplication by one is exact in every binary format. An element with no coefficient and no mark at all is
exactly zero. A source read only through a piecewise constant operator (floor, a comparison) is marked
apart: its derivative is zero wherever it exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx

GROUPS = ("parameter", "input", "state", "other")
"""What a value may read beside the sources; ``state`` where the sources are a cotangent, ``other`` for
constants, integer fields and memory that nothing has written."""


@dataclass(slots=True, eq=False)
class Value:
    """The abstraction of one tensor of shape ``shape`` over n sources.

    ``coefficient`` (\\*shape, n) float64, None for all zero; ``depends`` (\\*shape, 2n + groups) bool: the
    sources, the sources read piecewise constantly, the groups. ``literal``: the tensor itself,
    where it is known (then ``coefficient`` is None and ``depends`` marks ``other`` where it is not zero).
    """

    shape: tuple[int, ...]
    depends: Tensor
    coefficient: Tensor | None = None
    literal: Tensor | None = None

    @property
    def uniform(self) -> bool:
        """Whether every element has the same marks and no coefficient, stored once."""
        strides = self.depends.stride()[:-1]
        return self.coefficient is None and self.literal is None and not any(strides)


@dataclass(slots=True)
class Domain:
    """The sources, and the operations on values that rules are made of.

    ``bitwise``: keep a sum of coefficients only where the floating-point sum is exact too, which is
    what a claim about gradients needs; ``dtype``: the precision of the state.
    """

    sources: int
    dtype: torch.dtype
    bitwise: bool = False
    unknown: list[fx.Node] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Marks per element."""
        return 2 * self.sources + len(GROUPS)

    def group(self, name: str) -> int:
        """The place of a group among the marks."""
        return 2 * self.sources + GROUPS.index(name)

    def row(self, *groups: str) -> Tensor:
        """Marks of the named groups alone."""
        row = torch.zeros(self.width, dtype=torch.bool)
        row[[self.group(g) for g in groups]] = True
        return row

    def spread(self, row: Tensor, shape: Sequence[int]) -> Value:
        """A value whose elements all have the marks ``row``."""
        return Value(tuple(shape), row.expand(*shape, self.width))

    def top(self, shape: Sequence[int]) -> Value:
        """A value that may depend on everything."""
        return self.spread(torch.ones(self.width, dtype=torch.bool), shape)

    def known(self, literal: Tensor) -> Value:
        """A value known exactly."""
        depends = torch.zeros(*literal.shape, self.width, dtype=torch.bool)
        depends[..., self.group("other")] = literal != 0
        return Value(tuple(literal.shape), depends, literal=literal)

    def lift(self, argument: Any) -> Value:
        """A number or a value as a value."""
        if isinstance(argument, Value):
            return argument
        # not the default dtype, in which a factor of 1 + 1e-9 would be 1
        dtype = torch.float64 if isinstance(argument, float) else None
        return self.known(torch.tensor(argument, dtype=dtype))

    def source(self, size: int) -> Value:
        """The sources themselves, as a vector."""
        depends = torch.zeros(size, self.width, dtype=torch.bool)
        return Value((size,), depends, torch.eye(size, dtype=torch.float64))

    def mask(self, value: Value) -> Tensor:
        """Every mark, a nonzero coefficient counted as one."""
        if value.coefficient is None:
            return value.depends
        mask = value.depends.clone()
        mask[..., : self.sources] |= value.coefficient != 0
        return mask

    def is_zero(self, value: Value) -> Tensor:
        """``(*shape,)``: which elements are exactly zero."""
        if value.uniform and all(value.shape):
            return (~value.depends[(0,) * len(value.shape)].any(-1)).expand(value.shape)
        return ~self.mask(value).any(-1)

    def reads_source(self, value: Value) -> bool:
        """Whether any element may depend on any source."""
        row = value.depends[(0,) * len(value.shape)] if value.uniform and all(value.shape) else None
        marks = value.depends if row is None else row
        return value.coefficient is not None or bool(marks[..., : 2 * self.sources].any())

    def joined(self, values: Sequence[Value]) -> Tensor:
        """The marks of everything in ``values``, as one row."""
        row = torch.zeros(self.width, dtype=torch.bool)
        for value in values:
            if all(value.shape):
                marks = (
                    value.depends[(0,) * len(value.shape)] if value.uniform else self.mask(value)
                )
                row = row | marks.reshape(-1, self.width).any(0)
        return row

    def settle(self, coefficient: Tensor, depends: Tensor) -> Value:
        """A value with these parts; coefficients outside the domain become "may depend"."""
        mantissa, exponent = torch.frexp(coefficient)
        fine = (coefficient == 0) | ((mantissa.abs() == 0.5) & (exponent.sub(1).abs() <= 20))
        if not bool(fine.all()):
            depends = depends.clone()
            depends[..., : self.sources] |= ~fine
            coefficient = torch.where(fine, coefficient, 0.0)
        exact = coefficient if bool((coefficient != 0).any()) else None
        return Value(tuple(depends.shape[:-1]), depends, exact)


def leaves(argument: Any) -> list[Value]:
    """Every value among nested arguments."""
    if isinstance(argument, Value):
        return [argument]
    if isinstance(argument, dict):
        return [v for a in argument.values() for v in leaves(a)]
    if isinstance(argument, list | tuple):
        return [v for a in argument for v in leaves(a)]
    return []
