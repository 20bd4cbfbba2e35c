"""A glyph and a word for every verdict, alike in the terminal, the page and the README.

Color repeats what glyph and word say; it never says anything alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from properties.core.certificate import Result
from properties.core.verdict import PASSING, Status


@dataclass(frozen=True, slots=True)
class Mark:
    """``glyph`` and ``word`` of a verdict, the rich ``style`` that repeats it, and its ``meaning``."""

    glyph: str
    word: str
    style: str
    meaning: str

    @property
    def text(self) -> str:
        """Glyph and word, with a space that does not break."""
        return f"{self.glyph}\N{NO-BREAK SPACE}{self.word}"


PROVED = Mark("●", "proved", "green", "derived for every value the statement ranges over")
TESTED = Mark(
    "✓", "tested", "green", "no counterexample among the counted cases, which is no proof"
)
AT_INIT = Mark(
    "◐", "at init", "yellow", "holds at initialization, not for all weights, as declared"
)
BEYOND = Mark(
    "◑", "not init", "yellow", "holds for all weights drawn, not at initialization, as declared"
)
DENIED = Mark("✗", "denied", "default", "a counterexample was found, as the cell declares")
ALLOWED = Mark(
    "✗", "allowed", "yellow", "a counterexample was found; the caller accepts it, with a reason"
)
ADVISORY = Mark(
    "✗",
    "limited",
    "yellow",
    "a limit of the number format was measured; never counted against a cell",
)
FAILS = Mark(
    "!", "FAILS", "bold red", "a counterexample was found to what the cell claims or leaves open"
)
STALE = Mark("!", "STALE", "bold red", "denied or allowed, yet no counterexample was found")
VACUOUS = Mark(
    "!", "VACUOUS", "bold red", "claimed, yet nothing in the cell is what the claim speaks about"
)
CONFLICT = Mark(
    "!", "CONFLICT", "bold red", "a proof and a counterexample at once: a defect of the verifier"
)
OPEN = Mark("?", "open", "magenta", "could not be judged; the reason says what stood in the way")
NOTHING = Mark("–", "n/a", "dim", "the cell has nothing that the statement speaks about")

MARKS = (
    PROVED, TESTED, AT_INIT, BEYOND, DENIED, ALLOWED, ADVISORY,
    FAILS, STALE, VACUOUS, CONFLICT, OPEN, NOTHING,
)  # fmt: skip

_BY_STATUS = {
    Status.PROVED: PROVED,
    Status.TESTED: TESTED,
    Status.STALE_DENIAL: STALE,
    Status.VACUOUS: VACUOUS,
    Status.VERIFIER_CONFLICT: CONFLICT,
    Status.INCONCLUSIVE: OPEN,
    Status.NOT_APPLICABLE: NOTHING,
}
_LOUD = (
    CONFLICT,
    FAILS,
    STALE,
    VACUOUS,
    OPEN,
    ALLOWED,
)  # one of these in one scope marks the property


def mark(result: Result) -> Mark:
    """The mark of one line."""
    if result.status is Status.FALSIFIED:
        if result.advisory:
            return ADVISORY
        if result.required:
            return FAILS
        return ALLOWED if result.declared == "allowed" else DENIED
    return _BY_STATUS[result.status]


def combined(results: Sequence[Result]) -> Mark:
    """One mark for all scopes of a property: the loudest complaint, else where it holds.

    "proved" only where it is proved in every scope that it applies to; "at init" where it holds for
    initializations and there alone.
    """
    marks = [mark(r) for r in results]
    for loud in _LOUD:
        if loud in marks:
            return loud
    applicable = [r for r in results if r.status is not Status.NOT_APPLICABLE]
    holding = [r for r in applicable if r.status in PASSING]
    if not applicable:
        return NOTHING
    alone = len(applicable) == 1 and holding == applicable and holding[0].scope != "at-init"
    if alone or len(holding) == len(results):
        return PROVED if all(r.status is Status.PROVED for r in holding) else TESTED
    if not holding:
        return mark(applicable[0])
    return AT_INIT if holding[0].scope == "at-init" else BEYOND
