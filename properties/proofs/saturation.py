"""From the corner of a failed proof to weights: what drives every gate to the end where the proof broke.

A sigmoid's argument is an affine map of things that the weights decide. Setting all weights to zero except
one bias per gate (or, without biases, one input weight under a constant input) sends the argument as
far in either direction as one likes, whatever the state is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from properties.proofs.abstraction import Abstraction
from properties.proofs.expression import Expressions
from properties.proofs.polynomial import Monomial, Polynomial
from properties.proofs.result import Corner

LEVEL = 40.0
"""Where a gate is pushed to: σ(40) rounds to 1 in every dtype, and weights of this size are plausible."""

_CENTERS = dict.fromkeys(("sigmoid", "exp", "softmax"), Fraction(1, 2))


@dataclass(frozen=True, slots=True)
class Saturation:
    """Weights and a constant input to try first: ``parameters`` by name, ``x`` of the cell's input size."""

    parameters: dict[str, Tensor]
    x: Tensor


def suggest_weights(cell: Any, corner: Corner, level: float = LEVEL) -> Saturation:
    """Weights under which the kernels of ``corner`` saturate as it says.

    Only the unit that escapes is driven. All other weights are zero, and those that multiply what has no
    bound are 1. A start for a search, not a counterexample: it is the search that replays it.
    """
    parameters = {n: torch.zeros_like(p.detach()) for n, p in _named_parameters(cell)}
    x = torch.ones(cell.input_size, dtype=_dtype(parameters))
    arena: Expressions | None = corner.arena
    if arena is None:
        return Saturation(parameters, x)
    abstraction = Abstraction(arena, ())
    for place, value in corner.targets:
        node = arena[place]
        if node.op == "leaf":
            _set(parameters, arena, place, 1.0)
        elif node.args:
            up = value > _CENTERS.get(node.op, Fraction(0))
            member, strength = 0, level
            if node.op == "softmax":  # the variable is the share that earlier members keep
                member, up = int(node.data[0]), not up
                strength = level * (member + 1)
            argument = abstraction.polynomial(node.args[member])
            _drive(parameters, abstraction, argument, strength if up else -strength)
    return Saturation(parameters, x)


def _named_parameters(cell: Any) -> Iterable[tuple[str, Tensor]]:
    named = getattr(cell, "named_parameters", None)
    return () if named is None else named()


def _dtype(parameters: Mapping[str, Tensor]) -> torch.dtype:
    return next((p.dtype for p in parameters.values()), torch.get_default_dtype())


def _drive(
    parameters: dict[str, Tensor], abstraction: Abstraction, argument: Polynomial, level: float
) -> None:
    """Give one weight the value that makes ``argument`` equal ``level``, all other weights being zero."""
    arena = abstraction.arena
    best: tuple[int, Monomial] | None = None
    for monomial in argument.terms:
        roles = [_role(abstraction, v) for v in monomial]
        rank = {("parameter",): 0, ("input", "parameter"): 1, ("parameter", "state"): 2}.get(
            tuple(sorted(roles)), 9
        )
        if rank < 9 and (best is None or rank < best[0]):
            best = (rank, monomial)
    if best is None:
        return
    for v in best[1]:
        place = abstraction.variables[v].place
        if place is not None and _role(abstraction, v) == "parameter":
            _set(parameters, arena, place, level / float(argument.terms[best[1]]))


def _role(abstraction: Abstraction, variable: int) -> str:
    place = abstraction.variables[variable].place
    if place is None or abstraction.arena[place].op != "leaf":
        return "other"
    return str(abstraction.arena[place].data[0])


def _set(parameters: dict[str, Tensor], arena: Expressions, place: int, value: float) -> None:
    role, name, index = arena[place].data
    tensor = parameters.get(str(name))
    if role == "parameter" and tensor is not None:
        tensor.reshape(-1)[int(index)] = value
