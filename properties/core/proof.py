"""Proofs beside the search: what a sound procedure says, and what it makes of a finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from properties.core.context import Context
from properties.core.desideratum import Finding
from properties.core.verdict import Status


@dataclass(frozen=True)
class Proof:
    """The outcome of one proof procedure for one property of one cell, for all parameters and inputs.

    ``status``: "proved", "refuted" (the abstraction has a counterexample, the cell perhaps not) or
    "inconclusive"; ``semantics``: what the statement is about (exact reals, rounded execution in a
    dtype, what autograd returns); ``reason``: in words; ``evidence``: numbers, JSON-ready.
    """

    status: Literal["proved", "refuted", "inconclusive"]
    semantics: tuple[str, ...]
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)


Prover = Callable[[Context, str], Proof | None]
"""Decides a property, with the numbers claimed for a scope, for every parameter and input; None: no say."""


def attempt(context: Context, key: str, scope: str, prove: Prover) -> Proof | None:
    """Run ``prove`` once per claim; a defect in it is inconclusive, never a verdict."""
    slot = ("proof", key, context.doubt, context.subject.description.claim(key, scope))
    if slot not in context.notes:
        try:
            context.notes[slot] = prove(context, scope)
        except Exception as error:  # noqa: BLE001 - the search must go on, whatever a trace trips over
            text = (str(error).strip().splitlines() or [""])[0]
            context.notes[slot] = Proof(
                "inconclusive", (), f"the proof stopped with {type(error).__name__}: {text[:200]}"
            )
    found: Proof | None = context.notes[slot]
    return found


def evidence_of(proof: Proof) -> dict[str, Any]:
    """``proof`` as a line's evidence."""
    return {
        "status": proof.status,
        "semantics": list(proof.semantics),
        "reason": proof.reason,
        **proof.evidence,
    }


def combine(finding: Finding, proof: Proof | None) -> Finding:
    """The finding of the search beside the proof; a proof with a counterexample is our own defect."""
    if proof is None or finding.status not in (Status.TESTED, Status.FALSIFIED):
        return finding
    evidence = {**finding.evidence, "proof": evidence_of(proof)}
    if proof.status == "proved":
        if finding.status is Status.FALSIFIED:
            reason = (
                f"proved ({proof.reason}) and falsified ({finding.reason}) at once: one of the two is a "
                "defect of this harness, please report both"
            )
            return replace(
                finding, status=Status.VERIFIER_CONFLICT, reason=reason, evidence=evidence
            )
        reason = f"{proof.reason}; search: {finding.reason}"
        return replace(finding, status=Status.PROVED, reason=reason, evidence=evidence)
    return replace(finding, evidence=evidence)
