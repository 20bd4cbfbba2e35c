"""Claims and denials: what a cell says of itself, as data that a measurement can contradict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["at-init", "all-weights"]
Growth = Literal["linear", "geometric"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about a cell: in ``claims`` it must hold, in ``denies`` it must fail.

    ``property``: a property key, such as ``"identity-block"``; ``because``: the paper section or the
    proof; ``scope``: for which parameters (``None``: for both ``at-init`` and ``all-weights``).
    Numbers make a claim falsifiable: ``bound`` is the K, K′ or M of the statement; ``window`` is the
    (length, least slope) pair of ``non-saturating``; ``radius`` bounds the initial state from which
    a ``bounded-state`` bound is promised (default: ``bound``, or 1 where there is no bound); ``growth``
    says of a denied ``bounded-state`` which law the growth follows.

    Raises ``ValueError`` for an empty reason, an unknown scope or growth, or a number that is not
    positive and finite.
    """

    property: str
    because: str
    scope: Scope | None = None
    bound: float | None = None
    window: tuple[float, float] | None = None
    radius: float | None = None
    growth: Growth | None = None

    def __post_init__(self) -> None:
        if not self.because.strip():
            raise ValueError(
                f"a claim about {self.property!r} needs a reason: expected `because` to name a "
                "section or a proof, got an empty text"
            )
        if self.scope is not None and self.scope not in get_args(Scope):
            raise ValueError(
                f"scope: expected one of {get_args(Scope)} or None, got {self.scope!r}"
            )
        if self.growth is not None and self.growth not in get_args(Growth):
            raise ValueError(
                f"growth: expected one of {get_args(Growth)} or None, got {self.growth!r}"
            )
        numbers = [self.bound, self.radius, *(self.window or ())]
        for number in numbers:
            if number is not None and not (math.isfinite(number) and number > 0):
                raise ValueError(
                    f"a number in the claim about {self.property!r} must be positive and finite; "
                    f"leave it out where there is none: got {number!r}"
                )

    def covers(self, scope: str) -> bool:
        """Whether the statement speaks about parameters drawn as ``scope`` says."""
        return self.scope is None or self.scope == scope


@dataclass(frozen=True, slots=True)
class Channels:
    """A partition of the state's fields by what they are for (DESIGN §3).

    ``memory``: said to carry the past unchanged; ``recurrent``: what the next update reads;
    ``emission``: what the cell emits without ever reading it back (RRU's o_t). Naming a memory
    promises nothing: only a claim does.
    """

    memory: tuple[str, ...] = ()
    recurrent: tuple[str, ...] = ()
    emission: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field named, in the order memory, recurrent, emission."""
        return self.memory + self.recurrent + self.emission
