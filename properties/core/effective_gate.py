"""Effective gates of a cell, read through a protocol that a stranger's cell can meet without importing us.

A cell exposes its gates as ``gates``, a mapping from a name to a gate. A gate

- has ``blocks``, a mapping from the name of each pre-activation to its number of entries;
- is called with one tensor ``(*batch, entries)`` per block, by keyword, and returns its values
  ``(*batch, units)``, or a tuple whose first entry they are (cells.parts.gates returns what is kept,
  then what is written);
- may have ``initial_law``, with a ``name`` and a distribution function ``cdf``, which says how its values are
  distributed at the initialization when input and state are zero.

With ``gate_values(x, state)`` the cell says what its gates are in one step: the values of its one gate in
either of these forms, or a mapping by name. Where a module was adapted, the module itself is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class EffectiveGate:
    """One gate as a function of all its pre-activations, laid side by side in one vector."""

    name: str
    blocks: Mapping[str, int]
    evaluate: Callable[..., Any]

    @property
    def width(self) -> int:
        """The number of pre-activations."""
        return sum(self.blocks.values())

    def __call__(self, preactivations: Tensor) -> Tensor:
        """``(*batch, width)`` to the values of the gate ``(*batch, units)``."""
        parts = torch.split(preactivations, list(self.blocks.values()), -1)
        return gate_of(self.evaluate(**dict(zip(self.blocks, parts, strict=True))))

    def units(self, preactivations: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Row by row, the value of one ``unit`` (N,) and its gradient (N, width), at (N, width)."""
        at = preactivations.detach().requires_grad_()
        value = self(at).gather(-1, unit.unsqueeze(-1)).squeeze(-1)
        (slope,) = torch.autograd.grad(value.sum(), at)
        return value.detach(), slope


def gate_of(result: Any) -> Tensor:
    """The gate's values out of what a gate returned: a tensor, or the first entry of a tuple."""
    value: Tensor = result[0] if isinstance(result, tuple | list) else result
    return value


def effective_gates(cell: Any) -> tuple[EffectiveGate, ...]:
    """The gates that ``cell`` exposes.

    Raises ``LookupError``, with the reason as its text, where there is nothing that meets the protocol.
    """
    holder = holder_of(cell)
    found = getattr(holder, "gates", None)
    if found is None:
        raise LookupError("the cell exposes no `gates`")
    if not hasattr(found, "items"):
        kind = type(found).__name__
        raise LookupError(f"its `gates` is of type {kind}: expected a mapping from names to gates")
    gates = []
    for name, gate in found.items():
        blocks = getattr(gate, "blocks", None)
        if not callable(gate) or not isinstance(blocks, Mapping) or not blocks:
            raise LookupError(
                f"its gate {name!r} has no `blocks`: expected a callable with a mapping from the name "
                "of each pre-activation to its number of entries"
            )
        gates.append(EffectiveGate(str(name), dict(blocks), gate))
    if not gates:
        raise LookupError("its `gates` is empty")
    return tuple(gates)


def holder_of(cell: Any) -> Any:
    """The object that exposes the gates: the cell, or the module that was adapted to be one."""
    inner = getattr(cell, "module", None)
    return inner if not hasattr(cell, "gates") and hasattr(inner, "gates") else cell
