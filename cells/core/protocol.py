"""The contract of a cell: an initial state, a pure step, a readout; and how its declarations are read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import Tensor

from cells.core.claims import Channels, Claim

S = TypeVar("S")
"""A cell's state: a ``NamedTuple`` of tensors whose fields are words."""


@runtime_checkable
class Cell(Protocol[S]):
    """A recurrent cell: everything else (unrolling, Jacobians, counting) is a free function over this.

    Leading axes are batch axes: a cell works on the last axis only, so that unbatched, batched and
    vmapped calls agree. Optional attributes, read by :func:`describe`: ``channels``, ``claims``,
    ``denies``.
    """

    input_size: int

    def initial_state(self, *batch: int) -> S:
        """The state before the first input, each field ``(*batch, …)``."""
        ...

    def step(self, x: Tensor, state: S) -> S:
        """One update, pure: ``x`` is ``(*batch, input_size)``."""
        ...

    def readout(self, state: S) -> Tensor:
        """γ: what the decoder sees, ``(*batch, readout_size)``."""
        ...


@dataclass(frozen=True, slots=True)
class Description:
    """What a cell declares. ``channels`` is None where it declares no partition of its state."""

    channels: Channels | None
    claims: tuple[Claim, ...]
    denies: tuple[Claim, ...]

    def claim(self, key: str, scope: str) -> Claim | None:
        """The claim about property ``key`` that covers ``scope``, if any."""
        return _covering(self.claims, key, scope)

    def denial(self, key: str, scope: str) -> Claim | None:
        """The denial of property ``key`` that covers ``scope``, if any."""
        return _covering(self.denies, key, scope)


def _covering(statements: Iterable[Claim], key: str, scope: str) -> Claim | None:
    return next((s for s in statements if s.property == key and s.covers(scope)), None)


def describe(cell: Any) -> Description:
    """Read a cell's declarations; an absent one means that the cell is silent, never an error.

    Raises ``TypeError`` where ``claims`` or ``denies`` holds something else than :class:`Claim`, and
    ``ValueError`` where ``channels`` names a field that the state does not have or where one
    property is claimed and denied for the same parameters.
    """
    channels = getattr(cell, "channels", None)
    claims = _statements(cell, "claims")
    denies = _statements(cell, "denies")
    if channels is not None:
        fields = getattr(cell.initial_state(), "_fields", ())
        for name in channels.fields:
            if name not in fields:
                raise ValueError(
                    f"channels names the field {name!r}, but the state's fields are {fields}: "
                    "name the fields of the state"
                )
    for claim in claims:
        for denial in denies:
            overlap = claim.scope is None or denial.covers(claim.scope)
            if claim.property == denial.property and (overlap or denial.scope is None):
                raise ValueError(
                    f"{claim.property!r} is both claimed and denied for the same parameters: "
                    "give the claim and the denial different scopes, or drop one"
                )
    return Description(channels, claims, denies)


def _statements(cell: Any, attribute: str) -> tuple[Claim, ...]:
    statements = tuple(getattr(cell, attribute, ()))
    for statement in statements:
        if not isinstance(statement, Claim):
            raise TypeError(
                f"`{attribute}` must hold cells.Claim objects, got {type(statement).__name__}: "
                "write Claim(property, because=…)"
            )
    return statements
