"""What a proof procedure returns: a status, what it is a statement about, and the numbers, exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

ProofStatus = Literal["proved", "refuted-abstract", "inconclusive"]
"""``refuted-abstract``: the domain has a counterexample, which the search is to replay on the cell."""

EXACT = "exact reals"
AUTOGRAD = "what autograd returns, in exact reals"


def rounded(dtype: Any) -> str:
    """The semantics of execution in ``dtype``."""
    return f"rounded execution in {str(dtype).removeprefix('torch.')}"


def ratio(value: Fraction | None) -> str | None:
    """``value`` as "p/q", or "p" where it is a whole number."""
    return None if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Corner:
    """The vertex at which a proof fails: what saturates where, and what follows.

    ``assignment`` maps the text of a bounded expression to its value "p/q"; ``targets`` maps its place in
    ``arena`` to the same; ``sentence`` reads like "σ = 1, tanh = 1: |h′| = |h| + 1".
    """

    sentence: str
    assignment: dict[str, str]
    targets: tuple[tuple[int, Fraction], ...] = ()
    arena: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class StateProof:
    """What is known of ``bounded-state`` for some fields.

    ``radius``: the least M such that every step maps |fields| ≤ M into itself, as "p/q"; any larger radius
    does too. ``claimed``: the claim, as "p/q". ``growth``: the law at the corner that escapes. ``corner``
    feeds :func:`properties.proofs.saturation.suggest_weights`.
    """

    status: ProofStatus
    semantics: str
    scope: str
    method: str
    fields: tuple[str, ...]
    radius: str | None = None
    claimed: str | None = None
    assumptions: tuple[str, ...] = ()
    reason: str = ""
    growth: Literal["linear", "geometric"] | None = None
    corner: Corner | None = None

    @property
    def bound(self) -> Fraction | None:
        """``radius`` as a number."""
        return None if self.radius is None else Fraction(self.radius)

    def evidence(self) -> dict[str, Any]:
        """Plain data for a certificate."""
        return {
            "status": self.status,
            "semantics": self.semantics,
            "scope": self.scope,
            "method": self.method,
            "fields": list(self.fields),
            "radius": self.radius,
            "claimed": self.claimed,
            "assumptions": list(self.assumptions),
            "reason": self.reason,
            "growth": self.growth,
            "corner": None if self.corner is None else self.corner.sentence,
        }


@dataclass(frozen=True, slots=True)
class DecoderProof:
    """What is known of one property of γ.

    ``bound``: the proved K or K′, or the proved δ, as "p/q"; ``period``: of γ′ in units of 2π, as "p/q";
    ``witness``: points of a refutation or of a proof, as hexadecimal floats; ``window``: where γ′ is
    flat.
    """

    status: ProofStatus
    semantics: str
    scope: str
    method: str
    bound: str | None = None
    claimed: str | None = None
    period: str | None = None
    witness: float | None = None
    window: tuple[float, float] | None = None
    assumptions: tuple[str, ...] = ()
    reason: str = ""

    def evidence(self) -> dict[str, Any]:
        """Plain data for a certificate."""
        return {
            "status": self.status,
            "semantics": self.semantics,
            "scope": self.scope,
            "method": self.method,
            "bound": self.bound,
            "claimed": self.claimed,
            "period": self.period,
            "witness": None if self.witness is None else self.witness.hex(),
            "window": None if self.window is None else [end.hex() for end in self.window],
            "assumptions": list(self.assumptions),
            "reason": self.reason,
        }
