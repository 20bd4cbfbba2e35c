"""``bounded-state``: what can be proved of the recurrent part, in exact reals or as executed in a dtype.

In exact reals the vertex method gives the least radius of an inductive box, for all weights and inputs. As
executed in a dtype, intervals whose ends are numbers of that dtype give a radius for the rounded step;
for the 16-bit formats a gate's argument is enumerated as well, which remembers that σ(a) and σ(−a)
belong together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import torch

from properties.proofs.abstraction import PARTIAL, RATIO, SHARE, Abstraction
from properties.proofs.expression import Expressions
from properties.proofs.lowering import TooLarge, lower
from properties.proofs.result import EXACT, Corner, StateProof, ratio, rounded
from properties.proofs.rounded_state import RoundedRadius, rounded_radius
from properties.proofs.trace import StepTrace, TraceRefused, trace_step
from properties.proofs.vertex import Escape, LeastRadius, Vertex, least_radius

SCOPE = "all weights, all inputs, sizes as built, initial state within the radius"
_RANGES = (
    "0 ≤ sigmoid ≤ 1 and −1 ≤ tanh ≤ 1",
    "literals at their exact binary value",
    "every intermediate is finite",
)
_LARGE_GROUP = 12
_EXECUTION = (
    "one rounding to nearest per aten operation, kernels within 4 ulp or the least normal number",
    "0 ≤ sigmoid ≤ 1 and −1 ≤ tanh ≤ 1 in this dtype",
    "no intermediate is NaN",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One traced step as expressions: the new scalars of the fields asked about, and their old leaves."""

    trace: StepTrace
    arena: Expressions
    new: tuple[int, ...]
    old: tuple[int, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, trace: StepTrace, fields: Sequence[str]) -> Step:
        """The scalars of ``fields``. Raises ``ValueError`` for none, or one that the state lacks."""
        known = {f.name for f in trace.layout.fields}
        if not fields:
            raise ValueError(f"fields: expected at least one of {sorted(known)}, got none")
        for name in fields:
            if name not in known:
                raise ValueError(f"fields: expected names among {sorted(known)}, got {name!r}")
        lowered = lower(trace.forward)
        output = lowered.outputs[0].reshape(-1).tolist()
        indices = trace.layout.indices(*fields)
        old = [lowered.arena.leaf("state", "state", i) for i in indices]
        return cls(
            trace,
            lowered.arena,
            tuple(output[i] for i in indices),
            tuple(old),
            tuple(trace.layout.label(i) for i in indices),
        )


def prove_bounded_state(
    cell: Any,
    fields: tuple[str, ...],
    claimed_radius: float | None = None,
    dtype: torch.dtype | None = None,
    *,
    trace: StepTrace | None = None,
) -> StateProof:
    """Decide whether |``fields``| stays bounded, for every parameter and input.

    ``claimed_radius``: the M of the claim; None asks for any radius. A claim is a double, and counts as
    kept if the exact least radius rounds to it or below. ``dtype``: None for exact reals, else the
    dtype in which the step is executed. ``trace``: a trace of ``cell``'s step, made here where absent.

    Returns ``proved`` with the least radius, ``refuted-abstract`` with the corner that escapes or the
    radius that exceeds the claim, or ``inconclusive`` with the reason: never ``proved`` where an
    operation has no rule or may produce NaN. Raises ``ValueError`` for an unknown field, or none.
    """
    semantics = EXACT if dtype is None else rounded(dtype)
    blank = StateProof(
        "inconclusive", semantics, SCOPE, "none", fields, claimed=_exact(claimed_radius)
    )
    try:
        step = Step.of(trace or trace_step(cell), fields)
    except (TraceRefused, TooLarge) as refusal:
        return replace(blank, reason=f"not traced: {refusal}")
    unknown = step.arena.unknown(step.new)
    if unknown:
        return replace(
            blank, reason=f"no rule for the operations {step.trace.forward.named(unknown)}"
        )
    exact = _judge_exact(replace(blank, method="vertex", assumptions=_RANGES), step, claimed_radius)
    if dtype is None:
        return exact
    known = (claimed_radius, None if exact.bound is None else float(exact.bound))
    hints = [radius for radius in known if radius is not None]
    found = rounded_radius(step.arena, step.new, step.old, dtype, hints)
    return _judge_rounded(blank, found, claimed_radius)


def _judge_exact(blank: StateProof, step: Step, claimed: float | None) -> StateProof:
    best: StateProof | None = None
    for abstraction in _abstractions(step):
        found = least_radius(abstraction, step.new)
        wild = isinstance(found, Escape) and found.kind == "unbounded"
        if abstraction.obstacles and not wild:
            proof = replace(blank, reason=f"may leave the reals: {abstraction.obstacles[0]}")
        elif isinstance(found, Escape):
            proof = _escaped(blank, step, abstraction, found)
        else:
            proof = _bounded(blank, step, abstraction, found, claimed)
        if best is None or _better(proof, best):
            best = proof
        if wild or proof.status == "proved":
            break  # expressing the step otherwise changes nothing
    if best is None:
        raise ValueError("expected at least one abstraction, got none")
    return best


def _abstractions(step: Step) -> Iterator[Abstraction]:
    """Ways of expressing the same step; each is sound, and they differ in what they can prove."""
    gates = [p for p in step.arena.cone(step.new) if step.arena[p].op == "sigmoid"]
    shares: tuple[Literal[1, 0], ...] = (1, 0)
    for share in shares:
        forward = Abstraction(step.arena, step.old, share)
        yield forward
        if forward.uses(RATIO):
            backward = Abstraction(step.arena, step.old, share)
            for gate in reversed(gates):  # the other sigmoid of a pair becomes the variable
                backward.polynomial(gate)
            yield backward
        if forward.uses(PARTIAL):
            yield Abstraction(step.arena, step.old, share, group=_LARGE_GROUP)
        if not forward.uses(SHARE):
            return


def _better(a: StateProof, b: StateProof) -> bool:
    rank = {"proved": 0, "refuted-abstract": 1, "inconclusive": 2}
    if a.bound is not None and b.bound is not None:
        return a.bound < b.bound
    if (a.bound is None) != (b.bound is None):
        return a.bound is not None
    return rank[a.status] < rank[b.status]


def _bounded(
    blank: StateProof,
    step: Step,
    abstraction: Abstraction,
    found: LeastRadius,
    claimed: float | None,
) -> StateProof:
    proof = replace(blank, radius=ratio(found.radius))
    if claimed is None or float(found.radius) <= claimed:
        return replace(proof, status="proved")
    excess = found.radius - Fraction(claimed)
    reason = (
        f"the least radius is {float(found.radius)!r}, which exceeds the claim {claimed!r} "
        f"by {float(excess):.3g}"
    )
    if not found.exact or found.vertex is None:
        return replace(proof, reason=f"{reason}; the method's radius may not be the least one")
    corner = _corner(step, abstraction, found.vertex)
    return replace(proof, status="refuted-abstract", reason=reason, corner=corner)


def _escaped(blank: StateProof, step: Step, abstraction: Abstraction, escape: Escape) -> StateProof:
    if escape.kind in ("unknown", "shape"):
        vertex = escape.vertex
        detail = "" if vertex is None else f" ({_corner(step, abstraction, vertex).sentence})"
        return replace(blank, reason=f"{_label(step, escape.place)}: {escape.reason}{detail}")
    if escape.kind == "growth" and escape.vertex is not None:
        corner = _corner(step, abstraction, escape.vertex)
        growth: Literal["linear", "geometric"] = (
            "linear" if escape.vertex.slope == 1 else "geometric"
        )
        return replace(
            blank, status="refuted-abstract", reason=corner.sentence, growth=growth, corner=corner
        )
    corner = _unbounded_corner(step, abstraction, escape)
    return replace(
        blank,
        status="refuted-abstract",
        reason=f"{corner.sentence}: {escape.reason}",
        corner=corner,
    )


def _label(step: Step, place: int) -> str:
    return step.labels[step.new.index(place)]


def _corner(step: Step, abstraction: Abstraction, vertex: Vertex) -> Corner:
    parts, assignment, targets = [], {}, []
    counts: dict[str, int] = {}
    for v, (ends, upper, copies) in vertex.corner.items():
        variable = abstraction.variables[v]
        value = ends[0] + (ends[1] - ends[0]) * Fraction(upper, copies)
        counts[variable.name] = counts.get(variable.name, 0) + 1
        name = f"{variable.name}#{counts[variable.name]}"
        parts.append(f"{name} = {_short(value)}")
        text = name if variable.place is None else f"{name} = {step.arena.text(variable.place)}"
        assignment[text] = str(value)
        if variable.place is not None:
            targets.append((variable.place, value))
    label = _label(step, vertex.place)
    sentence = f"|{label}′| = {_law(label, vertex.slope, vertex.offset)}"
    sentence = f"{', '.join(parts)}: {sentence}" if parts else sentence
    return Corner(sentence, assignment, tuple(targets), step.arena)


def _law(label: str, slope: Fraction, offset: Fraction) -> str:
    state = f"|{label}|" if slope == 1 else f"{_short(slope)}·|{label}|"
    if not slope:
        return _short(offset)
    return f"{state} + {_short(offset)}" if offset else state


def _unbounded_corner(step: Step, abstraction: Abstraction, escape: Escape) -> Corner:
    label = _label(step, escape.place)
    names = sorted({abstraction.variables[v].name for v in escape.variables})
    driven = {v: Fraction(1) for v in escape.variables}
    if (
        escape.vertex is not None
    ):  # hold on to the state as well, unless that stops what is unbounded
        terms = abstraction.polynomial(escape.place).terms
        busy = {v for m in terms if set(m) & set(escape.variables) for v in m}
        for v, (ends, upper, copies) in escape.vertex.corner.items():
            if v not in busy:
                driven[v] = ends[0] + (ends[1] - ends[0]) * Fraction(upper, copies)
    places = ((abstraction.variables[v].place, value) for v, value in driven.items())
    targets = tuple((place, value) for place, value in places if place is not None)
    slope = escape.slope or Fraction(0)
    law = f"{_law(label, slope, Fraction(0))} + …" if slope else "…"
    sentence = f"{', '.join(names[:4])} = ∞: |{label}′| = {law}"
    return Corner(sentence, dict.fromkeys(names, "∞"), targets, step.arena)


def _short(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{float(value):.6g}"


def _exact(claimed: float | None) -> str | None:
    return None if claimed is None else str(Fraction(claimed))


def _judge_rounded(blank: StateProof, found: RoundedRadius, claimed: float | None) -> StateProof:
    proof = replace(blank, method=found.method, assumptions=_EXECUTION)
    if found.radius is None:
        return replace(proof, reason=found.reason)
    proof = replace(proof, radius=str(Fraction(found.radius)))
    if claimed is None or found.radius <= claimed:
        return replace(proof, status="proved")
    reason = f"the radius found is {found.radius!r}, which exceeds the claim {claimed!r}"
    return replace(
        proof, status="refuted-abstract" if found.tight else "inconclusive", reason=reason
    )
