"""``--slow NAME=FACTOR``: an implementation made slower on purpose, to see that the gate catches it."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence

from clock import Clock


def parse(given: Sequence[str]) -> dict[str, float]:
    """``NAME=FACTOR`` to factors by name. Raises ``ValueError`` for anything else."""
    factors = {}
    for one in given:
        name, equals, value = one.partition("=")
        try:
            factor = float(value)
        except ValueError:
            factor = math.nan
        if not (name and equals and math.isfinite(factor) and factor >= 1):
            raise ValueError(
                f"--slow: expected NAME=FACTOR with a factor of at least 1, such as fused=1.3; got {one!r}"
            )
        factors[name] = factor
    return factors


def factor_of(workload: str, implementation: str, factors: Mapping[str, float]) -> float:
    """By how much to slow it: names are those of implementations or workload/implementation, or patterns."""
    names = (implementation, f"{workload}/{implementation}")
    return math.prod(
        factor
        for pattern, factor in factors.items()
        if any(fnmatch.fnmatch(name, pattern) for name in names)
    )


def slowed(work: Callable[[], object], factor: float, clock: Clock) -> Callable[[], object]:
    """``work``, and then nothing, until ``factor`` times its time has passed by ``clock``."""
    if factor == 1:
        return work

    def slow() -> None:
        begin = clock()
        work()
        end = (clock() - begin) * factor
        while clock() - begin < end:
            pass

    return slow
