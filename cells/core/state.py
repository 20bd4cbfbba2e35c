"""States as flat real vectors: what Jacobians, norms and witnesses are taken of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Field:
    """One floating-point field of a state: its name, feature shape, and place in the flat vector."""

    name: str
    shape: tuple[int, ...]
    start: int
    size: int
    complex: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """How a cell's state maps to a real vector of ``size`` scalars and back.

    Only floating-point and complex fields take part (a complex scalar counts as two); integer
    fields, such as a step counter, are carried along unchanged by :meth:`unravel`.
    """

    fields: tuple[Field, ...]
    size: int

    @classmethod
    def of(cls, state: Any) -> Layout:
        """The layout of ``state``, an unbatched state as ``cell.initial_state()`` returns it."""
        fields: list[Field] = []
        start = 0
        for name, value in zip(state._fields, state, strict=True):
            if not (value.is_floating_point() or value.is_complex()):
                continue
            size = math.prod(value.shape) * (2 if value.is_complex() else 1)
            fields.append(Field(name, tuple(value.shape), start, size, value.is_complex()))
            start += size
        return cls(tuple(fields), start)

    def ravel(self, state: Any) -> Tensor:
        """``(*batch, size)``: the floating-point fields of ``state`` side by side."""
        parts = []
        for field in self.fields:
            value = getattr(state, field.name)
            if field.complex:
                value = torch.view_as_real(value.resolve_conj())
            batch = value.shape[: value.dim() - len(field.shape) - int(field.complex)]
            parts.append(value.reshape(*batch, field.size))
        return torch.cat(parts, -1)

    def unravel(self, vector: Tensor, like: Any) -> Any:
        """The inverse of :meth:`ravel`; ``like`` is a state that supplies the other fields."""
        values = {}
        batch = vector.shape[:-1]
        for field in self.fields:
            part = vector[..., field.start : field.start + field.size]
            if field.complex:
                part = torch.view_as_complex(part.reshape(*batch, *field.shape, 2).contiguous())
            else:
                part = part.reshape(*batch, *field.shape)
            values[field.name] = part
        return like._replace(**values)

    def indices(self, *names: str) -> tuple[int, ...]:
        """The places in the flat vector of the named fields."""
        return tuple(
            i for f in self.fields if f.name in names for i in range(f.start, f.start + f.size)
        )

    def label(self, index: int) -> str:
        """A readable name of one scalar, such as ``memory[3]`` or ``hidden[0].im``."""
        field = next(f for f in self.fields if f.start <= index < f.start + f.size)
        place = index - field.start
        suffix = ""
        if field.complex:
            place, part = divmod(place, 2)
            suffix = ".im" if part else ".re"
        if not field.shape:
            return field.name + suffix
        return f"{field.name}[{place}]{suffix}"
