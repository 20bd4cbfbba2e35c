"""The identity block, proved or not: ∂s_T/∂s_t = I for every horizon, input, parameter and state.

Let J be the Jacobian of one step, in the mathematics (the forward graph) or as autograd returns it (the
backward graph). Two forms are decided, each sufficient at every horizon because it is closed under products.

*Column*: column j of every J is the unit vector e_j for each j in S. Nothing but its own residual reads s_j.
*Block*: the rows of S read S through the identity alone, and nothing else that S can reach. Something may
read S as long as nothing of it finds its way back.

A proof needs both graphs, and the replay gate, which ties the graphs to the cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from properties.proofs.blame import first_offender
from properties.proofs.graph import Source
from properties.proofs.replay import replay
from properties.proofs.structural import Analysis, analyse
from properties.proofs.trace import StepTrace, TraceRefused, trace_step

Form = Literal["column", "block"]


@dataclass(frozen=True, slots=True)
class StructuralProof:
    """What the structural method says of one cell at its constructed sizes.

    ``status``: ``proved``, ``not-proved`` (the domain sees a dependence: search decides) or ``inconclusive``
    (not traced, not replayed, or an operator without a rule). ``units``: the proved block, or without
    a declaration the largest found. ``semantics``: "R" where the forward graph alone has the block,
    "A" where autograd has it. ``operator`` and ``source`` name what stands in the way, and the line of
    the cell's code; ``assumptions`` what a proof rests on beside the rules.
    """

    status: Literal["proved", "not-proved", "inconclusive"]
    form: Form | None
    units: tuple[int, ...]
    semantics: tuple[str, ...]
    reason: str
    ops: tuple[str, ...] = ()
    operator: str | None = None
    source: str | None = None
    assumptions: tuple[str, ...] = ()
    graph_hashes: dict[str, str] | None = None
    replay_steps: int = 0


@dataclass(frozen=True, slots=True)
class Jacobian:
    """Entries of J, new scalars by old: exact coefficients, and which entries are not known exactly."""

    coefficients: Tensor
    unknown: Tensor

    @property
    def may(self) -> Tensor:
        """Entries that may differ from zero."""
        return self.unknown | (self.coefficients != 0)

    def exact(self) -> Tensor:
        """Entries known to agree with the unit matrix."""
        unit = torch.eye(len(self.coefficients), dtype=torch.float64)
        return ~self.unknown & (self.coefficients == unit)


def columns(jacobian: Jacobian) -> set[int]:
    """Every j whose column is known to be e_j."""
    return set(torch.nonzero(jacobian.exact().all(0)).flatten().tolist())


def is_block(jacobian: Jacobian, units: set[int]) -> bool:
    """Whether the rows of ``units`` are proved to have the block form."""
    return not _violators(jacobian, units)


def blocks(jacobian: Jacobian) -> set[int]:
    """The greatest fixpoint: scalars are dropped until every row left has the block form."""
    units = set(torch.nonzero(jacobian.exact().diagonal()).flatten().tolist())
    while units and (violators := _violators(jacobian, units)):
        units -= violators
    return units


def _violators(jacobian: Jacobian, units: set[int]) -> set[int]:
    """The rows of ``units`` that read another of them inexactly, or anything that they reach."""
    inside = torch.zeros(len(jacobian.coefficients), dtype=torch.bool)
    inside[sorted(units)] = True
    reads = jacobian.may
    reached = reads[:, inside].any(1) & ~inside
    while True:
        more = (reached | reads[:, reached].any(1)) & ~inside
        if torch.equal(more, reached):
            break
        reached = more
    wrong = (~jacobian.exact()[:, inside]).any(1) | reads[:, reached].any(1)
    return set(torch.nonzero(wrong & inside).flatten().tolist())


def prove_identity(
    cell: Any,
    carry: Sequence[int] | None = None,
    *,
    trace: StepTrace | None = None,
    replay_steps: int = 128,
) -> StructuralProof:
    """Decide the identity block of ``cell``.

    ``carry``: places in the flat state (:class:`cells.core.state.Layout`) of the declared block; None: look
    for one. ``trace``: a trace of this cell, where there is one already. Raises ``ValueError`` for
    an empty ``carry`` or a place that the state does not have.
    """
    try:
        trace = trace_step(cell) if trace is None else trace
    except TraceRefused as refused:
        return StructuralProof("inconclusive", None, (), (), f"not traced: {refused.reason}")
    size = trace.layout.size
    if carry is not None and (not carry or not set(carry) <= set(range(size))):
        raise ValueError(
            f"carry: expected places from 0 to {size - 1} in the flat state, at least one: got {carry!r}"
        )
    forward = analyse(trace.forward, "state")
    backward = analyse(trace.backward, "cotangent", bitwise=True)
    found = partial(
        StructuralProof,
        ops=tuple(sorted({*trace.forward.ops, *trace.backward.ops})),
        graph_hashes=trace.graph_hashes(),
    )
    for analysis in (forward, backward):
        if analysis.unknown:
            node = analysis.unknown[0]
            line = _line(analysis.graph.source(node))
            reason = f"no rule for {node.target}, which reads the state" + (
                f": {line}" if line else ""
            )
            return found(
                "inconclusive", None, (), (), reason, operator=str(node.target), source=line
            )
    mathematics, autograd = _jacobians(trace, forward, backward)
    form, units, semantics = _decide(mathematics, autograd, carry)
    if "A" not in semantics:
        suspect, jacobian = (backward, autograd) if semantics else (forward, mathematics)
        offender = first_offender(trace.layout, suspect, jacobian.exact(), carry)
        prefix = "autograd may differ from the mathematics: " if semantics else ""
        line = _line(offender.source)
        reason = prefix + offender.reason
        return found(
            "not-proved", form, units, semantics, reason, operator=offender.operator, source=line
        )
    divergence = replay(trace, replay_steps)
    if divergence is not None:
        reason = (
            f"graph and cell differ at step {divergence} of the replay: the step keeps hidden state or reads "
            "something from outside; expected a function of (parameters, state, x)"
        )
        return found("inconclusive", None, (), (), reason, replay_steps=divergence)
    reason = {
        "column": "nothing but its own residual reads the block",
        "block": "the block reads itself through the identity alone, and nothing that it reaches",
    }[form or "column"]
    assumptions = _assumptions(forward, units)
    return found(
        "proved", form, units, semantics, reason, assumptions=assumptions, replay_steps=replay_steps
    )


def _line(source: Source | None) -> str | None:
    return None if source is None else str(source)


def _jacobians(
    trace: StepTrace, forward: Analysis, backward: Analysis
) -> tuple[Jacobian, Jacobian]:
    n = forward.domain.sources
    mathematics = Jacobian(forward.coefficients(), forward.marks()[:, :n])
    marks = backward.marks()
    # a row of the gradient that is not the cotangent alone is no row of a transposed Jacobian,
    # unless it vanishes with the cotangent, as gradients that no one tampered with do
    silent = analyse(trace.backward, "cotangent", bitwise=True, zero=True)
    vanishes = silent.domain.is_zero(silent.outputs[0])
    foreign = marks[:, 2 * n :].any(1)
    unknown = marks[:, :n] | (foreign & ~vanishes)[:, None]
    return mathematics, Jacobian(backward.coefficients().T, unknown.T)


def _decide(
    mathematics: Jacobian, autograd: Jacobian, carry: Sequence[int] | None
) -> tuple[Form | None, tuple[int, ...], tuple[str, ...]]:
    """The form, the units, and in which of "R" and "A" they have it."""
    differ = mathematics.coefficients != autograd.coefficients
    both = Jacobian(mathematics.coefficients, mathematics.unknown | autograd.unknown | differ)
    for jacobian, semantics in ((both, ("R", "A")), (mathematics, ("R",))):
        if carry is not None:
            units = set(carry)
            column, block = units <= columns(jacobian), is_block(jacobian, units)
        else:
            alone, largest = columns(jacobian), blocks(jacobian)
            column, block = bool(alone) and len(alone) >= len(largest), bool(largest)
            units = alone if column else largest
        if column or block:
            return "column" if column else "block", tuple(sorted(units)), semantics
    return None, (), ()


def _assumptions(forward: Analysis, units: tuple[int, ...]) -> tuple[str, ...]:
    n = forward.domain.sources
    pieces = forward.marks()[:, n : 2 * n][:, list(units)]
    if not bool(pieces.any()):
        return ()
    return ("the block is read piecewise constantly: derivatives are taken where they exist",)
