"""Checking a certificate without searching: proofs are made again, counterexamples are replayed.

What is trusted here is the tracer, the proof rules and one step of the real cell. That nothing was found in a
search cannot be checked without searching, and is said so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from properties.core.certificate import CHECK_SET, COLLECTION, SCHEMA, Certificate, Result
from properties.core.certify import subject_json
from properties.core.checks import Examination
from properties.core.desideratum import Property, properties
from properties.core.errors import UsageError
from properties.core.profile import PROFILES
from properties.core.proof import attempt, evidence_of
from properties.core.subject import Subject
from properties.core.verdict import PASSING, Status
from properties.core.witness import Witness, plain

CONFIRMED, SEARCHED, DIFFERS = "confirmed", "not re-checkable (search evidence)", "differs"
_DECIDED = (*PASSING, Status.FALSIFIED, Status.VERIFIER_CONFLICT, Status.STALE_DENIAL)


@dataclass(frozen=True, slots=True)
class Line:
    """What checking one line came to; ``scope`` is empty for what the certificate says as a whole."""

    cell: str
    property: str
    scope: str
    outcome: Literal["confirmed", "not re-checkable (search evidence)", "differs"]
    reason: str = ""


def read(path: Path) -> list[dict[str, Any]]:
    """The certificates in the file at ``path``. Raises :class:`UsageError` for any other content."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"expected a certificate, {path} cannot be read: {error}; write one with --json"
        ) from None
    kind = document.get("schema") if isinstance(document, dict) else type(document).__name__
    found = (
        [document] if kind == SCHEMA else document["certificates"] if kind == COLLECTION else None
    )
    if found is None:
        raise UsageError(
            f"expected a document of schema {SCHEMA!r} or {COLLECTION!r}, got {kind!r}; certify the cell "
            "again with this version"
        )
    for one in found:
        if one.get("schema") != SCHEMA or one.get("check_set") != CHECK_SET:
            raise UsageError(
                f"expected the check set {CHECK_SET!r} of {SCHEMA!r}, got {one.get('check_set')!r} of "
                f"{one.get('schema')!r}; use the version that made the certificate, or certify again"
            )
    return list(found)


def verify(stored: Mapping[str, Any], weights: dict[str, Tensor] | None = None) -> Iterator[Line]:
    """Check one certificate, line by line; ``weights``: the state dict, where it was made of trained ones.

    Raises :class:`HarnessError` where the cell cannot be built again or the document is damaged.
    """
    try:
        name, target = str(stored["subject"]["name"]), stored["subject"]["target"]
        sizes = [(int(d), int(h)) for d, h in stored["subject"]["sizes"]]
        given = stored["subject"]["weights"] == "as given"
        certificate = _rebuilt(stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"expected a whole certificate, this one is damaged: {error!r}; make it again"
        ) from None
    if target is None:
        raise UsageError(
            f"{name}: expected subject.target to say how the cell is built, got null: it was given as a "
            "function without an import path; certify it as package.module:attribute"
        )
    if given != (weights is not None):
        had = "trained weights" if given else "drawn weights"
        raise UsageError(
            f"{name}: the certificate was made with {had}; {'' if given else 'do not '}pass --weights"
        )
    dtype = getattr(torch, certificate.dtype)
    subject = Subject(target, name=name, dtype=dtype, weights=weights, sizes=sizes)
    profile = PROFILES.get(certificate.profile, PROFILES["dev"])
    examination = Examination(subject, profile, certificate.seed)
    yield from _as_a_whole(stored, certificate, subject)
    known = {p.key: p for p in properties()}
    for result, line in zip(certificate.results, stored["results"], strict=True):
        prop = known.get(result.property)
        wrong = "there is no such property" if prop is None else _says(result, prop, subject)
        outcome: Any = DIFFERS
        if prop is not None and not wrong:
            outcome, wrong = _line(examination, prop, result, line)
        yield Line(name, result.property, result.scope, outcome, wrong)


def _rebuilt(stored: Mapping[str, Any]) -> Certificate:
    """The certificate as an object, whose counts, exit status and sentence are computed anew."""
    same = (
        "subject",
        "environment",
        "profile",
        "seed",
        "dtype",
        "evaluation",
        "created_at",
        "limits",
    )
    return Certificate(
        results=tuple(Result.from_json(r) for r in stored["results"]),
        **{k: stored[k] for k in same},
    )


def _as_a_whole(
    stored: Mapping[str, Any], certificate: Certificate, subject: Subject
) -> Iterator[Line]:
    for key in ("counts", "exit_status", "statement"):
        if stored[key] != getattr(certificate, key):
            reason = f"stored {stored[key]!r}, the lines give {getattr(certificate, key)!r}"
            yield Line(certificate.name, key, "", "differs", reason)
    built, said = plain(subject_json(subject)), stored["subject"]
    reason = "; ".join(
        f"{k}: stored {said.get(k)!r}, built {v!r}" for k, v in built.items() if said.get(k) != v
    )
    yield Line(certificate.name, "subject", "", "differs" if reason else "confirmed", reason)


def _says(result: Result, prop: Property, subject: Subject) -> str:
    """What the line says of itself that cannot be: of the property, the declaration, or its status."""
    status, scope = result.status, result.scope
    claim, denial = (
        f(prop.key, scope) for f in (subject.description.claim, subject.description.denial)
    )
    declared = "claims" if claim else "denies" if denial else "silent"
    proof = (result.evidence.get("proof") or {}).get("status")
    complaints = {
        "another statement": result.statement != prop.statement,
        f"the cell {declared}": result.declared not in (declared, "allowed"),
        "required otherwise": result.required
        != (not prop.advisory and result.declared in ("claims", "silent")),
        "advisory otherwise": result.advisory != prop.advisory,
        "proved without a proof": status is Status.PROVED and proof != "proved",
        "a proof, but not proved": proof == "proved" and status in (Status.TESTED, Status.FALSIFIED),
        "a counterexample to a line that is not falsified": result.witness is not None
        and status not in (Status.FALSIFIED, Status.VERIFIER_CONFLICT, Status.STALE_DENIAL),
        "denied, yet it holds": result.declared == "denies" and status in PASSING
        and not prop.advisory and scope != "these-weights",
    }  # fmt: skip
    return "; ".join(text for text, true in complaints.items() if true)


def _line(examination: Examination, prop: Property, result: Result, stored: Any) -> tuple[str, str]:
    """Make the line's proof again, replay its counterexample, and compare."""
    status, scope = result.status, result.scope
    if status not in _DECIDED:
        return SEARCHED, ""
    context = examination.context
    context.scope = scope
    proof: dict[str, Any] | None
    if status in (Status.FALSIFIED, Status.VERIFIER_CONFLICT):
        context.notes["replay", prop.key, scope] = result.witness
        found = examination.find(prop, scope)
        if found.status is not status:
            return DIFFERS, f"stored {status}, replayed {found.status}: {found.reason}"
        wrong = _cases_differ(stored["counterexample"], found.witness, context.tolerance.bound)
        if wrong:
            return DIFFERS, wrong
        proof = found.evidence.get("proof")
    else:
        made = None if prop.prove is None else attempt(context, prop.key, scope, prop.prove)
        proof = None if made is None else evidence_of(made)
    wrong = _proofs_differ(stored["evidence"].get("proof"), plain(proof))
    if wrong:
        return DIFFERS, wrong
    checked = (
        status in (Status.FALSIFIED, Status.VERIFIER_CONFLICT)
        or (proof or {}).get("status") == "proved"
    )
    return (CONFIRMED if checked else SEARCHED), ""


def _proofs_differ(stored: Any, made: Any) -> str:
    if stored is None or made is None:
        return "" if stored == made else f"proof: stored {stored!r:.120}, made again {made!r:.120}"
    keys = sorted({*stored, *made})
    return "; ".join(
        f"proof.{k}: stored {stored.get(k)!r}, made again {made.get(k)!r}"
        for k in keys
        if stored.get(k) != made.get(k)
    )


def _cases_differ(stored: Any, replayed: Witness | None, tolerance: float) -> str:
    if stored is None or replayed is None:
        return "" if stored is replayed else "the counterexample does not reproduce"
    again = plain(replayed.to_json())
    wrong = [
        k for k in ("parameters", "state", "inputs", "extra", "horizon") if stored[k] != again[k]
    ]
    for key in ("observed", "required"):
        a, b = float(stored[key]), float(again[key])
        if not (math.isclose(a, b, rel_tol=tolerance) or (math.isnan(a) and math.isnan(b))):
            wrong.append(f"{key}: stored {a!r}, replayed {b!r}")
    return "" if not wrong else f"counterexample: {', '.join(wrong)}"
