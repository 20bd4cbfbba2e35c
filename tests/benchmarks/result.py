"""One line of the suite: an implementation on a workload, beside what it alternated with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """``ratio``: reference's time over this one's, the median of ``rounds`` paired ones; higher is faster.

    ``lower``, ``upper``: quartiles; ``stream``: the ratio of an elementwise pass over memory, likewise, or
    of a pass of small operations where calls are most of the work;
    ``seconds``: of one call, median; ``shape``: what was run;
    ``reference``: what it alternated with; ``backend``: which code ran ("" where it is torch's own);
    ``gated``: whether a lower ratio fails; ``figures``: what else was measured, by a name that ends in
    its unit.
    """

    workload: str
    implementation: str
    shape: str
    reference: str
    ratio: float
    lower: float
    upper: float
    rounds: int
    stream: float
    seconds: float
    backend: str = ""
    gated: bool = True
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What baselines and ``--slow`` call it."""
        return f"{self.workload}/{self.implementation}"

    def written(self) -> dict[str, Any]:
        """As JSON takes it: four digits, which is more than repeats."""
        stored = asdict(self)
        for key in ("ratio", "lower", "upper", "stream", "seconds"):
            stored[key] = rounded(stored[key])
        stored["figures"] = {k: rounded(v) for k, v in sorted(self.figures.items())}
        return {k: v for k, v in stored.items() if k not in ("workload", "implementation")}

    @classmethod
    def read(cls, name: str, stored: Any) -> Result:
        """The inverse of :meth:`written`. Raises ``ValueError`` for other fields, or other types."""
        expected = {one.name: one.type for one in fields(cls)}
        workload, _, implementation = name.partition("/")
        rest = set(expected) - {"workload", "implementation"}
        if not isinstance(stored, dict) or set(stored) != rest:
            got = sorted(stored) if isinstance(stored, dict) else stored
            raise ValueError(f"{name}: expected the fields {sorted(rest)}, got {got}")
        for key in ("ratio", "lower", "upper", "stream", "seconds", "rounds"):
            value = stored[key]
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: expected a positive finite {key}, got {value!r}")
        return cls(workload, implementation, **stored)


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")
