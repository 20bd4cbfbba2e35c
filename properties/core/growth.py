"""The law by which a state grows with time: bounded, linear or geometric, with its slope."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Law = Literal["bounded", "sublinear", "linear", "geometric"]


@dataclass(frozen=True, slots=True)
class Growth:
    """A law and its numbers.

    ``slope``: units per step where linear, the power of t where sublinear, nats of log magnitude per
    step where geometric, 0 where bounded; ``supremum``: the largest magnitude seen (infinite after
    overflow).
    """

    law: Law
    slope: float
    supremum: float


# Doubling the horizon doubles the growth of a line and leaves a bounded state where it was; between
# the two lie states that are still settling, which a longer rollout decides.
_SETTLED = 0.6
# a running maximum of a bounded, never-repeating trajectory still creeps up a little
CREEP = 0.03
STRAIGHT = 1.7
_CURVED = 1.6
_QUADRATIC = 4.5
# √t gains 1.41 times as much in the second doubling, log t just as much: a logarithm, and what is
# still settling, cannot be told from bounded by any finite rollout
POWER = 1.25
CEILING = 1e100


def growth(magnitudes: Tensor) -> Growth:
    """Classify one trajectory: ``magnitudes`` is ``(T,)``, the largest absolute value at each step.

    The running maximum is compared at T/4, T/2 and T. "sublinear" is a power of t below 1, such as the
    √t of a random walk. T must be at least 8.
    """
    steps = magnitudes.shape[0]
    if steps < 8:
        raise ValueError(f"a growth law needs at least 8 steps, got {steps}: roll out longer")
    finite = torch.isfinite(magnitudes) & (magnitudes < CEILING)
    overflow = int((~finite).nonzero()[0]) if not bool(finite.all()) else steps
    running = torch.cummax(magnitudes[:overflow].double(), 0).values if overflow else magnitudes[:0]
    if overflow < steps:
        slope = _log_slope(running)
        return Growth("geometric", slope, math.inf)
    quarter, half, full = (float(running[steps // d - 1]) for d in (4, 2, 1))
    first, second = half - quarter, full - half
    negligible = CREEP * full
    if second <= negligible or second <= _SETTLED * first:
        return Growth("bounded", 0.0, full)
    if second >= STRAIGHT * first:
        # within the last half a line gains as much late as early, an exponential ever more
        three_quarters = float(running[3 * steps // 4 - 1])
        early, late = three_quarters - half, full - three_quarters
        # a quadratic quadruples from half to full: what a power can do is not called geometric
        if half > 0 and late > _CURVED * early and full > _QUADRATIC * half:
            return Growth("geometric", _log_slope(running), full)
        return Growth("linear", second / (steps - steps // 2), full)
    if second < POWER * first:
        return Growth("bounded", 0.0, full)
    return Growth("sublinear", math.log2(second / first), full)


def _log_slope(running: Tensor) -> float:
    positive = (running > 0).nonzero()
    if len(positive) < 2:
        return math.inf
    start, end = int(positive[len(positive) // 2]), int(positive[-1])
    if end <= start:
        start = int(positive[0])
    if end <= start:
        return math.inf
    return float((running[end].log() - running[start].log()) / (end - start))
