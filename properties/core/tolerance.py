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


def tolerance(dtype: torch.dtype) -> Tolerance:
    """The tolerances of ``dtype``. Raises ``ValueError`` for a dtype that is not in the table."""
    try:
        return _TABLE[dtype]
    except KeyError:
        known = ", ".join(str(d) for d in _TABLE)
        raise ValueError(f"dtype: expected one of {known}, got {dtype}") from None
