"""The certificate: data first. Its JSON form is described by ``report/certificate.schema.json``."""

from __future__ import annotations

import builtins
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from properties.core.verdict import FAILING, PASSING, Status
from properties.core.witness import Witness, plain

SCHEMA = "desiderata-certificate/1"
COLLECTION = "desiderata-certificates/1"
CHECK_SET = "2026.1"


@dataclass(frozen=True)
class Result:
    """One line of a certificate: one property in one scope.

    ``required``: whether the cell is asked for it (not denied, not allowed, not advisory); ``declared``:
    "claims", "denies", "allowed" or "silent", and ``because`` its reason; ``reason``: what was seen;
    ``quantifiers``: what the statement ranges over; ``evidence``: numbers, JSON-ready; ``law``, ``slope``
    and ``supremum`` speak for themselves in ``evidence`` too.
    """

    property: str
    scope: str
    status: Status
    required: bool
    declared: str
    because: str
    reason: str
    advisory: bool
    statement: str
    quantifiers: dict[str, Any]
    semantics: tuple[str, ...]
    passed: int = 0
    discarded: int = 0
    evidence: dict[str, Any] = field(default_factory=dict)
    witness: Witness | None = None

    @builtins.property
    def law(self) -> str | None:
        """The growth law, where one was fitted."""
        return self.evidence.get("law")

    @builtins.property
    def ran(self) -> bool:
        """Whether a search or a proof was carried out."""
        return self.status not in (Status.NOT_APPLICABLE, Status.INCONCLUSIVE)

    @builtins.property
    def fails(self) -> bool:
        """Whether this line alone makes the certificate fail."""
        if self.advisory:
            return False
        if self.status is Status.FALSIFIED:
            return self.required
        return self.status in FAILING

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "property": self.property,
            "scope": self.scope,
            "status": str(self.status),
            "required": self.required,
            "advisory": self.advisory,
            "declared": self.declared,
            "because": self.because,
            "statement": self.statement,
            "reason": self.reason,
            "quantifiers": plain(self.quantifiers),
            "semantics": list(self.semantics),
            "search": {"passed": self.passed, "discarded": self.discarded},
            "evidence": plain(self.evidence),
            "counterexample": None if self.witness is None else self.witness.to_json(),
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Result:
        """What :meth:`to_json` made. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for other data."""
        case = line["counterexample"]
        members = {k: line[k] for k in cls.__dataclass_fields__ if k in line}
        members |= {
            "status": Status(line["status"]),
            "semantics": tuple(line["semantics"]),
            **line["search"],
        }
        return cls(**members, witness=None if case is None else Witness.from_json(case))


@dataclass(frozen=True)
class Certificate:
    """What was asked of one cell, what ran, and what came out."""

    subject: dict[str, Any]
    environment: dict[str, Any]
    profile: str
    seed: int
    dtype: str
    evaluation: str
    results: tuple[Result, ...]
    created_at: str
    limits: tuple[str, ...]
    context: Any = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The cell's name as it was asked for."""
        return str(self.subject["name"])

    def verdict(self, key: str, scope: str = "all-weights") -> Result:
        """The line of one property and scope. Raises ``KeyError`` that lists the lines there are."""
        for result in self.results:
            if result.property == key and result.scope == scope:
                return result
        lines = sorted({(r.property, r.scope) for r in self.results})
        raise KeyError(f"no line for {key!r} in scope {scope!r}; the certificate has {lines}")

    @property
    def counts(self) -> dict[str, int]:
        """How many lines were registered, applied and ran, and how many came out as what."""
        by_status = Counter(str(r.status) for r in self.results)
        applicable = sum(r.status is not Status.NOT_APPLICABLE for r in self.results)
        ran = sum(r.ran for r in self.results)
        return {
            "registered": len(self.results),
            "applicable": applicable,
            "applied": applicable,
            "ran": ran,
            **{str(status): by_status.get(str(status), 0) for status in Status},
        }

    @property
    def exit_status(self) -> int:
        """0 all required hold, 1 something fails, 2 something required is inconclusive, 3 nothing ran."""
        asked = [r for r in self.results if not r.advisory]
        if any(r.fails for r in asked):
            return 1
        if any(r.status is Status.INCONCLUSIVE and r.required for r in asked):
            return 2
        # well-posed always runs: what counts is whether anything that was asked for applied
        beyond = [r for r in asked if r.property != "well-posed"] or asked
        if not any(r.ran for r in beyond):
            return 3
        return 0

    @property
    def holds(self) -> bool:
        """Whether every required line holds."""
        return self.exit_status == 0

    @property
    def statement(self) -> str:
        """A human sentence made of the fields."""
        counts = self.counts
        passing = sum(counts[str(s)] for s in PASSING)
        return (
            f"{self.name}: {counts['ran']} of {counts['registered']} lines ran ({self.profile}, "
            f"{self.dtype}, seed {self.seed}); {passing} hold ({counts['proved']} proved), "
            f"{counts['falsified']} falsified, {counts['inconclusive']} inconclusive."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data that validates against the published schema."""
        return {
            "schema": SCHEMA,
            "check_set": CHECK_SET,
            "created_at": self.created_at,
            "subject": self.subject,
            "environment": self.environment,
            "profile": self.profile,
            "seed": self.seed,
            "dtype": self.dtype,
            "evaluation": self.evaluation,
            "counts": self.counts,
            "exit_status": self.exit_status,
            "results": [r.to_json() for r in self.results],
            "limits": list(self.limits),
            "statement": self.statement,
        }

    def dumps(self) -> str:
        """The JSON text: sorted keys, no NaN, so that equal certificates are equal bytes."""
        return json.dumps(self.to_json(), indent=1, sort_keys=True, allow_nan=False) + "\n"
