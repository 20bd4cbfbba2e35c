"""One run of the suite: measures, judges, and keeps what it found."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import baseline
import slowing
import torch
from alternating import FEWEST, alternate, ratio, rounds_of, rounds_within
from clock import CLOCK, TIMER
from dispatch import dispatch
from environment import Environment, processor_share
from gate import Measured, Verdict, judge, judge_again
from result import Result
from stream import stream

Figures = Callable[[float, float], Mapping[str, float]]
BUDGET = 1.5  # seconds of rounds per test: the whole suite has to end within eight minutes


@dataclass
class SpeedRun:
    """``environment``, the ``stored`` run of its key if there is one and ``why``; ``slow``: factors by name.

    ``update``: measure twice as long, gate nothing, and store. ``elsewhere``: what measures a row that has
    become slower once more, in a process of its own, whose word is the last; by the test's address and the
    row's name. ``results`` and ``verdicts`` fill up, and ``absent`` with what could not be run here, by name,
    with the reason.
    """

    environment: Environment
    stored: baseline.Baseline | None
    why: str
    slow: Mapping[str, float] = field(default_factory=dict)
    update: bool = False
    elsewhere: Callable[[str, str], tuple[Result | None, Verdict]] | None = None
    results: dict[str, Result] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def measure(
        self,
        benchmark: Any,
        name: tuple[str, str],
        work: Callable[[], object],
        reference: tuple[str, Callable[[], object]],
        *,
        shape: str,
        gated: bool = True,
        backend: str = "",
        budget: float = BUDGET,
        fewest: int = FEWEST,
        warm: bool = False,
        dispatched: bool = False,
        figures: Mapping[str, float] | Figures | None = None,
    ) -> Result:
        """Time ``work`` in turn with ``reference``, (what it is, its work), and judge their ratio.

        ``name``: workload and implementation; ``budget``: seconds of rounds, of which there are ``fewest``
        at least; ``warm``: whether ``work`` has run before; ``dispatched``: whether it is mostly torch's
        dispatch, whatever kernel it ends in, and beside a pass of that judged; ``figures``: what else to
        store, or a function of the ratio and the seconds of one call that says so. A run that stores has
        twice the budget.
        Raises ``AssertionError`` where it has become slower.
        """
        candidate = slowing.slowed(work, slowing.factor_of(*name, self.slow), CLOCK)
        label, other = reference
        dispatched = dispatched and not CLOCK.cuda
        witness = (
            dispatch() if dispatched else stream(torch.device("cuda" if CLOCK.cuda else "cpu"))
        )
        other(), witness()
        if not warm:
            candidate()  # compiled, and in the caches
        theirs, passes, mine = rounds_of(other, witness, candidate, clock=CLOCK)
        more = 2 if self.update and gated else 1
        rounds = rounds_within(budget * more, fewest, theirs, passes, mine)
        before: list[tuple[float, ...]] = []

        def references_first() -> None:
            before.extend(alternate((theirs, passes), 1, CLOCK))
            TIMER.calls = mine.calls
            CLOCK.hold(mine.queued)

        benchmark.pedantic(mine, setup=references_first, rounds=rounds)
        taken = benchmark.stats.stats.data
        first = summary([(*pair, one) for pair, one in zip(before, taken, strict=True)])
        stored = None if self.stored is None else self.stored.results.get("/".join(name))
        kernel = backend == "fused" and not dispatched
        judged = gated and not self.update
        if judged:

            def again(count: int, pause: float) -> Measured:
                time.sleep(pause)
                return summary(alternate((theirs, passes, mine), count, CLOCK))

            share = (lambda: 1.0) if CLOCK.cuda else processor_share
            found, verdict = judge_again(first, again, stored, shape, kernel=kernel, share=share)
        else:
            found, verdict = first, judge(first, stored, shape, kernel=kernel)
        ratios = found.ratio
        result = Result(
            *name, shape, label, ratios.median, ratios.lower, ratios.upper, ratios.rounds, found.stream,
            found.seconds, backend, gated,
            figures(ratios.median, found.seconds) if callable(figures) else dict(figures or {}),
        )  # fmt: skip
        if judged and verdict.status == "slower" and self.elsewhere is not None:
            alone, last = self.elsewhere(benchmark.fullname, result.name)
            result = result if alone is None else alone
            verdict = last._replace(why=f"{verdict.why}; in a process of its own: {last.why}")
        self.keep(result, verdict)
        benchmark.extra_info |= result.written() | {
            "verdict": verdict.status,
            "why": verdict.why,
            "reference_seconds": [pair[0] for pair in before],
            "stream_seconds": [pair[1] for pair in before],
        }
        if judged and verdict.status == "slower":
            raise AssertionError(f"{result.name} has become slower: {verdict.why}")
        return result

    def keep(self, result: Result, verdict: Verdict) -> None:
        """Enter a result. Raises ``ValueError`` for a name that is taken: one test would hide another."""
        if result.name in self.results:
            raise ValueError(f"{result.name} is measured by two tests: rename one")
        self.results[result.name] = result
        if not result.gated and verdict.status in ("slower", "faster"):
            verdict = verdict._replace(status="reported")
        self.verdicts[result.name] = verdict


def summary(rounds: Sequence[Sequence[float]]) -> Measured:
    """Of seconds per call of the reference, the elementwise pass and the candidate, round by round."""
    return Measured(
        ratio([(other, mine) for other, _, mine in rounds]),
        ratio([(passes, mine) for _, passes, mine in rounds]).median,
        statistics.median(mine for _, _, mine in rounds),
    )
