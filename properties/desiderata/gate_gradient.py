"""gate-gradient: what gradient an effective gate passes when it is nearly open or shut (Gu et al.).

The largest gradient is asked for, so a claim is *existential*: it holds as soon as pre-activations are found
that pass so much, and it is falsified where the search finds none, which no single case can show. Hence
there is no witness to replay; the evidence holds the whole curve instead. A cell that is silent is measured
and cannot fail; one without gates (see properties.core.effective_gate for what counts) is not asked.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from properties.core.context import Context
from properties.core.desideratum import Finding, Property
from properties.core.effective_gate import effective_gates
from properties.core.initial_gates import initial_gates
from properties.core.sampling import Regime
from properties.core.saturation import EPSILONS, LINES, Level, levels
from properties.core.tolerance import tolerance
from properties.core.verdict import Status

CLAIMED_AT = 1e-3
LEAST_P = 1e-4  # a stated law is contradicted below: once in ten thousand certificates by chance
# which of twelve stratified draws: of all weights a scaled one and a corner of the box
_PICKED = {"at-init": (0,), "all-weights": (3, 7), "these-weights": (0,)}


def judge(context: Context, scope: str) -> Finding:
    """Measure every exposed gate, compare with the claimed factor and with the law that the gate states."""
    description = context.subject.description
    spoken = description.claim("gate-gradient", scope) or description.denial("gate-gradient", scope)
    bound = spoken.bound if spoken else None
    vacuous = "vacuous: " if description.claim("gate-gradient", scope) else ""
    size = context.subject.standard_size
    quantifiers: dict[str, Any] = {
        "parameters": scope,
        "sizes": [list(size)],
        "preactivations": f"{LINES} lines through all of them",
        "distances": list(EPSILONS),
    }
    try:
        measured = _measure(context, scope)
    except LookupError as missing:
        return Finding(Status.NOT_APPLICABLE, vacuous + str(missing), quantifiers)
    points = sum(level.points for found in measured.values() for level in found)
    near = {
        name: [level for level in found if math.isclose(level.epsilon, CLAIMED_AT)]
        for name, found in measured.items()
    }
    if not any(near.values()):
        reason = f"{vacuous}no gate comes within {CLAIMED_AT:g} of open or shut"
        return Finding(Status.NOT_APPLICABLE, reason, quantifiers, points)
    worst = min((level for found in near.values() for level in found), key=lambda level: level.most)
    evidence: dict[str, Any] = {"bound": bound, "epsilon": CLAIMED_AT}
    for side in ("open", "shut"):
        ratios = [level.most for found in near.values() for level in found if level.side == side]
        if ratios:
            evidence[f"times_a_sigmoid_near_{side}"] = float(f"{min(ratios):.6g}")
    evidence["curves"] = {
        name: [level.to_json() for level in found] for name, found in measured.items()
    }
    said = (
        f"within {CLAIMED_AT:g} of {worst.side} it passes up to {worst.most:.4g} times the gradient of "
        f"a sigmoid, {worst.most * worst.sigmoid:.3g} instead of {worst.sigmoid:.3g}"
    )
    contradicted = _initial(context, scope, evidence)
    slack = tolerance(torch.float64).bound  # gates are measured in double precision
    if bound is not None and worst.most < bound * (1 - slack):
        reason = f"{said}; at least {bound:g} times was claimed"
        return Finding(Status.FALSIFIED, reason, quantifiers, points, 0, evidence)
    if contradicted:
        return Finding(Status.FALSIFIED, contradicted, quantifiers, points, 0, evidence)
    reason = said + ("" if bound is not None else " (measured, none claimed)")
    return Finding(Status.TESTED, reason, quantifiers, points, 0, evidence)


def _measure(context: Context, scope: str) -> dict[str, tuple[Level, ...]]:
    """By gate the levels that it reaches; of several draws of parameters the one with the least factor."""
    size = context.subject.standard_size
    effective_gates(context.subject.build(*size))  # before anything is drawn
    regime = Regime(size, 1, context.derive("gate-gradient", scope))
    draws = context.draws(regime, scope, 12)
    worst: dict[str, tuple[Level, ...]] = {}
    for i in _PICKED[scope]:
        cell = context.subject.build(*size)
        if isinstance(cell, torch.nn.Module):
            with torch.no_grad():
                for name, parameter in cell.named_parameters():
                    if name in draws.parameters:
                        parameter.copy_(draws.parameters[name][i])
            cell = cell.double()
        for gate in effective_gates(cell):
            found = levels(
                gate, context.derive("gate", gate.name, i), ascent=scope != "all-weights"
            )
            if gate.name not in worst or _factor(found) < _factor(worst[gate.name]):
                worst[gate.name] = found
    return worst


def _factor(found: tuple[Level, ...]) -> float:
    return min((v.most for v in found if math.isclose(v.epsilon, CLAIMED_AT)), default=math.inf)


def _initial(context: Context, scope: str, evidence: dict[str, Any]) -> str:
    """Add the distribution at initialization to the evidence; returns what contradicts a stated law."""
    if scope != "at-init":
        return ""
    found = initial_gates(context.subject, context.derive("initial gates"))
    evidence["initialization"] = [gate.to_json() for gate in found]
    for gate in found:
        evidence["uniform_at_init_statistic"] = float(f"{gate.uniform[0]:.4g}")
        if gate.stated is not None and gate.stated[1] < LEAST_P:
            return (
                f"at the initialization the gate {gate.name!r} is said to be {gate.law}, yet the "
                f"Kolmogorov–Smirnov statistic of {len(gate.values)} values is {gate.stated[0]:.3g} "
                f"(p = {gate.stated[1]:.2g})"
            )
    return ""


PROPERTY = Property(
    key="gate-gradient",
    title="gate gradient",
    statement=(
        "On each of the surfaces g = 1 − ε and g = ε, ε = 1e-3, that a unit of an exposed gate reaches there "
        "are pre-activations with ‖∂g‖ ≥ K ε(1 − ε), K times the gradient of a sigmoid; and a gate that "
        "states its law at the initialization follows it (Kolmogorov–Smirnov, p ≥ 1e-4)."
    ),
    source="Gu et al., Improving the gating mechanism of recurrent neural networks",
    order=65,
    judge=judge,
    semantics=("A",),
)
