"""What stands in the way of an identity block: the entry, the operator and the line of the cell's code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from cells.core.state import Layout
from properties.proofs.graph import Source
from properties.proofs.structural import Analysis
from properties.proofs.structural_domain import Value, leaves

_REORDERING = ("roll", "flip", "index", "index_select", "gather", "permute", "take")


@dataclass(frozen=True, slots=True)
class Offender:
    """One entry of the Jacobian that is not the unit matrix's, and where it came about."""

    reason: str
    operator: str | None = None
    source: Source | None = None


def first_offender(
    layout: Layout, analysis: Analysis, exact: Tensor, units: Sequence[int] | None
) -> Offender:
    """The first entry, new by old scalar, of ``exact`` that fails; of ``units`` where they are given.

    The operator is the first on the way back from the result at which the coefficient is no longer what
    it should be; among tensors the walk does not tell elements apart, so it may name a neighbor.
    """
    old = next(j for j in (units or range(len(exact))) if not bool(exact[:, j].all()))
    new = old if not bool(exact[old, old]) else int(torch.nonzero(~exact[:, old])[0])
    backward = any(p.role == "cotangent" for p in analysis.graph.inputs)
    row, source = (old, new) if backward else (new, old)
    reads = "reads" if new != old else "does not carry"
    other = layout.label(old) if new != old else "itself unchanged"
    label = f"{layout.label(new)} {reads} {other}"
    first = analysis.outputs[0]
    output = analysis.graph.nodes[-1].all_input_nodes[0]
    node: fx.Node | None
    coefficient = float(analysis.coefficients()[row, source])
    if bool(first.depends[row, source]):
        node = _walk(analysis, output, lambda v: _marked(v, source))
    elif coefficient == float(new == old):
        return Offender(f"{label}: the result holds something beside it")
    elif coefficient == 0:
        return Offender(f"{label}: the result does not depend on it")
    elif coefficient == 1:
        label += ", with the exact coefficient 1.0"
        node = _reordering(analysis, output, source)
    else:
        label += f", with the exact coefficient {coefficient}"
        node = _walk(analysis, output, lambda v: coefficient in _coefficients(v, source))
    if node is None or node.op != "call_function":
        return Offender(label)
    place = analysis.graph.source(node)
    where = f" ({place})" if place else ""
    return Offender(f"{label}, through {node.target}{where}", str(node.target), place)


def _walk(analysis: Analysis, node: fx.Node, bad: Any) -> fx.Node:
    """The earliest node on a way back from ``node`` whose value is bad and whose arguments are not."""
    while True:
        worse = [n for n in node.all_input_nodes if any(map(bad, leaves(analysis.values[n])))]
        if not worse:
            return node
        node = worse[0]


def _reordering(analysis: Analysis, output: fx.Node, source: int) -> fx.Node | None:
    """The last operator that changes the order of elements on the way of a source to the result."""
    pending = [output]
    while pending:
        node = pending.pop()
        if node.op == "call_function" and str(node.target).split(".")[1] in _REORDERING:
            return node
        pending += [
            n for n in node.all_input_nodes if _coefficients(analysis.values[n], source) - {0.0}
        ]
    return None


def _marked(value: Value, source: int) -> bool:
    return bool(value.depends[..., source].any())


def _coefficients(value: Any, source: int) -> set[float]:
    found: set[float] = set()
    for leaf in leaves(value):
        if leaf.coefficient is not None:
            found |= set(leaf.coefficient[..., source].unique().tolist())
    return found
