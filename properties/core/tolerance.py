"""The one table of tolerances, keyed by dtype."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a measurement may miss its requirement in one dtype before it counts as a violation.

    ``bound``: relative slack on a claimed bound (M, K, K′); ``translation``: relative slack on the forward
    check of the identity block; ``agreement``: relative slack between vmapped and one-by-one results.
    The derivative check of the identity block has none: additions pass cotangents on exactly.
    """

    bound: float
    translation: float
    agreement: float


_TABLE = {
    torch.float64: Tolerance(bound=1e-9, translation=1e-9, agreement=1e-9),
    torch.float32: Tolerance(bound=1e-5, translation=1e-3, agreement=1e-4),
    # 16-bit: the forward check is hopeless (additions are rounded away, see resolvable-memory)
    torch.bfloat16: Tolerance(bound=5e-2, translation=float("inf"), agreement=1e-1),
    torch.float16: Tolerance(bound=5e-3, translation=float("inf"), agreement=1e-2),
}


@dataclass(frozen=True, slots=True)
class Rounding:
    """How far two implementations of one function may lie apart because they round at other places.

    The reference is run in float64 and in float32; how far these two are apart is what a rounding in
    float32 grows to in this very case, through however many steps and however large weights. Another
    order of operations may be off by ``factor`` times that much, scaled by the precision at hand (so much
    does luck vary where roundings grow), and by ``floor`` units in the last place of the largest number
    around, plus one per step. A quantity on which float32 and float64 differ by more than the share
    ``decided`` of its size decides nothing.

    ``difference``: relative slack on finite differences, whose error is that of their step.
    """

    factor: float = 256.0
    floor: float = 16.0
    decided: float = 1e-3
    difference: float = 1e-4


ROUNDING = Rounding()


def tolerance(dtype: torch.dtype) -> Tolerance:
    """The tolerances of ``dtype``. Raises ``ValueError`` for a dtype that is not in the table."""
    try:
        return _TABLE[dtype]
    except KeyError:
        known = ", ".join(str(d) for d in _TABLE)
        raise ValueError(f"dtype: expected one of {known}, got {dtype}") from None
