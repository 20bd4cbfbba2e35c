"""SARIF 2.1.0: what fails or could not be judged, at the line of code it is about, for code scanning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from properties.core.certificate import CHECK_SET, Certificate, Result
from properties.core.desideratum import properties
from properties.core.verdict import Status
from properties.report.source import source_line

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_FAILING = (Status.FALSIFIED, Status.VERIFIER_CONFLICT)


def sarif(certificates: Sequence[Certificate]) -> str:
    """One run: a rule per property, a result per line that is required and falsified, or inconclusive.

    A clean cell has no results, and neither has a violation that the cell denies. ``partialFingerprints``
    depend on cell, property, scope and status alone, so that a finding keeps its identity when code
    moves.
    """
    asked = {r.property for c in certificates for r in c.results}
    rules = [p for p in properties() if p.key in asked]
    index = {p.key: i for i, p in enumerate(rules)}
    results = [
        _result(c, r, index[r.property]) for c in certificates for r in c.results if _concerns(r)
    ]
    driver = {
        "name": "desiderata",
        "semanticVersion": f"{CHECK_SET}.0",
        "rules": [
            {
                "id": p.key,
                "name": "".join(word.capitalize() for word in p.key.split("-")),
                "shortDescription": {"text": p.title},
                "fullDescription": {"text": f"{p.statement} ({p.source})"},
            }
            for p in rules
        ],
    }
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _concerns(result: Result) -> bool:
    undecided = result.status is Status.INCONCLUSIVE and not result.advisory
    return undecided or (result.status in _FAILING and result.fails)


def _result(certificate: Certificate, result: Result, rule: int) -> dict[str, Any]:
    identity = "|".join((certificate.name, result.property, result.scope, str(result.status)))
    verdict = f"{result.property} ({result.scope}) is {result.status}"
    found: dict[str, Any] = {
        "ruleId": result.property,
        "ruleIndex": rule,
        "level": "error" if result.fails else "warning",
        "message": {"text": f"{certificate.name}: {verdict}: {result.reason}"},
        "partialFingerprints": {"line/v1": hashlib.sha256(identity.encode()).hexdigest()},
        "properties": {"scope": result.scope, "semantics": list(result.semantics)},
    }
    place = source_line(certificate, result)
    if place is not None:
        file, line = place
        found["locations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(file)},
                    "region": {"startLine": line},
                },
                "logicalLocations": [{"name": certificate.name, "kind": "type"}],
            }
        ]
    return found
