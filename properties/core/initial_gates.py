"""How the gates of a cell are distributed at its initialization: Kolmogorov–Smirnov against U(0, 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from properties.core.effective_gate import effective_gates, gate_of, holder_of
from properties.core.subject import Subject, stable_seed

UNITS = 64
CELLS = 16


@dataclass(frozen=True, slots=True)
class InitialGate:
    """Values of one gate at a zero input and the cell's own initial state, over fresh initializations.

    ``uniform``: the statistic sup |F(g) − g| of the sample's distribution F, and its p-value; ``law``: the
    name of the law that the gate states of itself, ``stated``: statistic and p-value against that.
    """

    name: str
    values: Tensor
    uniform: tuple[float, float]
    law: str | None
    stated: tuple[float, float] | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        low, middle, high = (float(self.values.quantile(q)) for q in (0.0, 0.5, 1.0))
        plain: dict[str, Any] = {
            "gate": self.name,
            "values": len(self.values),
            "least": _rounded(low),
            "median": _rounded(middle),
            "largest": _rounded(high),
            "uniform": {"statistic": _rounded(self.uniform[0]), "p": _rounded(self.uniform[1])},
        }
        if self.law is not None and self.stated is not None:
            plain["law"] = self.law
            plain["stated"] = {"statistic": _rounded(self.stated[0]), "p": _rounded(self.stated[1])}
        return plain


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def initial_gates(subject: Subject, seed: int) -> tuple[InitialGate, ...]:
    """The gates of ``CELLS`` fresh cells of ``UNITS`` units, or of the standard size where they refuse.

    Empty where the cell has no ``gate_values``. Raises ``LookupError`` where it exposes no gates.
    """
    size = (subject.standard_size[0], UNITS)
    try:
        subject.build(*size)
    except Exception:  # noqa: BLE001 - a stranger's constructor may refuse a width by any error
        size = subject.standard_size
    values: dict[str, list[Tensor]] = {}
    laws: dict[str, Any] = {}
    for i in range(CELLS):
        cell = subject.build(*size, seed=stable_seed(seed, "initial gates", i))
        holder = holder_of(cell)
        if not hasattr(holder, "gate_values"):
            return ()
        gates = effective_gates(cell)
        with torch.no_grad():
            x = torch.zeros(size[0], dtype=subject.dtype)
            seen = holder.gate_values(x, cell.initial_state())
        named = seen if isinstance(seen, Mapping) else {gates[0].name: seen}
        for name, value in named.items():
            values.setdefault(name, []).append(gate_of(value).double().flatten())
        laws |= {gate.name: getattr(gate.evaluate, "initial_law", None) for gate in gates}
    return tuple(_compare(name, drawn, laws.get(name)) for name, drawn in values.items())


def _compare(name: str, drawn: list[Tensor], law: Any) -> InitialGate:
    from scipy.stats import kstest

    values = torch.cat(drawn)
    uniform = kstest(values.numpy(), "uniform")
    stated = None
    if law is not None:
        # units that share a value are one draw, not several
        once = torch.cat([v.unique() for v in drawn])
        stated = kstest(once.numpy(), lambda g: law.cdf(torch.as_tensor(g)).numpy())
    return InitialGate(
        name=name,
        values=values,
        uniform=(float(uniform.statistic), float(uniform.pvalue)),
        law=None if law is None else str(law.name),
        stated=None if stated is None else (float(stated.statistic), float(stated.pvalue)),
    )
