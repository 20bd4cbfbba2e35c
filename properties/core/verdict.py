"""Verdicts, and what a declaration makes of them."""

from __future__ import annotations

import enum


class Status(enum.StrEnum):
    """What certification says of one property in one scope; :attr:`meaning` is a sentence with advice."""

    PROVED = "proved"
    TESTED = "tested"
    FALSIFIED = "falsified"
    NOT_APPLICABLE = "not-applicable"
    INCONCLUSIVE = "inconclusive"
    STALE_DENIAL = "stale-denial"
    VACUOUS = "vacuous"
    VERIFIER_CONFLICT = "verifier-conflict"

    @property
    def meaning(self) -> str:
        """One sentence for a reader of the certificate."""
        return _MEANINGS[self]


_MEANINGS = {
    Status.PROVED: "A sound procedure decided it, and the search found nothing against it.",
    Status.TESTED: "No counterexample in the counted cases; that is evidence, not a proof.",
    Status.FALSIFIED: "A counterexample was found, shrunk, and replayed on the real cell.",
    Status.NOT_APPLICABLE: "The cell has nothing that the statement speaks about.",
    Status.INCONCLUSIVE: "The cell could not be judged; the reason says what stood in the way.",
    Status.STALE_DENIAL: "The cell denies the property, but no counterexample was found: drop the denial.",
    Status.VACUOUS: "The cell claims the property, but nothing in it is what the claim speaks about.",
    Status.VERIFIER_CONFLICT: "A proof and a counterexample at once: a defect of the verifier, report it.",
}

PASSING = frozenset({Status.PROVED, Status.TESTED})
FAILING = frozenset(
    {Status.FALSIFIED, Status.STALE_DENIAL, Status.VACUOUS, Status.VERIFIER_CONFLICT}
)
