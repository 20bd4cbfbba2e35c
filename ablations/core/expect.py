"""A claim that is no number: what a paper says in words, as something that a dataset can contradict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from ablations.core.errors import AblationError

Relation = Literal["at ignorance", "solves", "better than", "not better than", "similar to"]
COMPARING: tuple[Relation, ...] = ("better than", "not better than", "similar to")


@dataclass(frozen=True)
class Expect:
    """``variant`` of a task stands in ``relation`` to ignorance, or to the variant ``other``.

    "at ignorance": it closes less than a tenth of the way from what ignorance scores to a perfect score;
    "solves": more than nine tenths; "better than" and "not better than": by the paired difference; "similar
    to": the paired difference is less than a tenth of that way, in either direction.

    Variants are given by the levels in which they leave the baseline, ``{}`` being the baseline;
    ``tasks``: where it is claimed (empty: every task of the plan); ``source``: where the paper says so.
    Raises :class:`AblationError` for a relation that there is not, or one without what it compares.
    """

    claim: str
    source: str
    relation: Relation
    variant: Mapping[str, str] = field(default_factory=dict)
    other: Mapping[str, str] | None = None
    tasks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.relation not in get_args(Relation):
            raise AblationError(
                f"expect: relation: expected one of {', '.join(get_args(Relation))}, got {self.relation!r}"
            )
        if (self.relation in COMPARING) != (self.other is not None):
            wanted = "another variant" if self.relation in COMPARING else "no other variant"
            raise AblationError(
                f"expect: {self.relation!r} needs {wanted} in `other`: {self.claim}"
            )
