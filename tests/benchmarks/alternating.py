"""Two pieces of work timed in turn: a busy machine slows both alike, and their ratio stays."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from clock import Clock

SHORTEST_ROUND = (
    2e-3  # seconds: below it a timer's own cost, and one interruption, are part of the figure
)
LONG = 0.25  # seconds: long enough, whatever it is compared with
FEWEST, MOST = 5, 41  # rounds: quartiles need some, and past the last they hardly move

Work = Callable[[], object]


class Ratio(NamedTuple):
    """Median and quartiles of the paired ratios reference ÷ candidate of ``rounds`` rounds."""

    median: float
    lower: float
    upper: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Round:
    """``work``, ``calls`` times in a row.

    ``seconds``: about what the round takes; ``queued``: what the host takes to ask for it.
    """

    work: Work
    calls: int
    seconds: float
    queued: float

    def __call__(self) -> None:
        for _ in range(self.calls):
            self.work()

    def timed(self, clock: Clock) -> float:
        """Seconds of one call."""
        clock.hold(self.queued)
        return clock.seconds(self) / self.calls


def rounds_of(*works: Work, clock: Clock) -> list[Round]:
    """Each of ``works`` as a round, with enough calls for it; they have run before, and are warm.

    A ratio is as noisy as its shorter side: no round is shorter than a quarter of the longest, or LONG.
    """
    once, queued = [], []
    for work in works:
        clock.settle()
        begin, asked = clock(), time.perf_counter()
        work()
        queued.append(time.perf_counter() - asked)
        once.append(max(clock() - begin, 1e-7))
    shortest = max(SHORTEST_ROUND, min(max(once) / 4, LONG))
    calls = [math.ceil(shortest / one) for one in once]
    return [
        Round(work, n, one * n, waited * n)
        for work, n, one, waited in zip(works, calls, once, queued, strict=True)
    ]


def rounds_within(budget: float, fewest: int, *each: Round) -> int:
    """How many rounds, one of ``each``, ``budget`` seconds allow, but ``fewest`` at least."""
    wanted = min(MOST, max(fewest, int(budget / sum(one.seconds for one in each))))
    return wanted if wanted == fewest else wanted + 1 - wanted % 2


def alternate(works: Sequence[Round], rounds: int, clock: Clock) -> list[tuple[float, ...]]:
    """Seconds per call of each, round by round, in turn."""
    return [tuple(work.timed(clock) for work in works) for _ in range(rounds)]


def ratio(pairs: Sequence[tuple[float, float]]) -> Ratio:
    """The ratios of ``(reference, candidate)`` seconds, summarized.

    Raises ``ValueError`` for fewer than two pairs, or a duration that is not positive and finite.
    """
    if len(pairs) < 2:
        raise ValueError(f"pairs: expected two rounds or more, got {len(pairs)}: time more of them")
    for pair in pairs:
        if not all(math.isfinite(one) and one > 0 for one in pair):
            raise ValueError(
                f"pairs: expected positive finite seconds, got {pair}: make the rounds longer"
            )
    ratios = [reference / candidate for reference, candidate in pairs]
    lower, median, upper = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, lower, upper, len(pairs))
