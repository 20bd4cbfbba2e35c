"""The engine of cells whose units do not mix: whole Jacobians from per-unit blocks, by generated kernels."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from cells.fused.lanes import DTYPES
from properties.core import lanes
from properties.core.engine import BatchedEngine, Engine
from properties.core.witness import Draws


class DiagonalEngine(BatchedEngine):
    """A batched engine whose Jacobians presume that units do not mix, as :func:`diagonal` has certified."""

    def jacobians(self, draws: Draws) -> Tensor:
        """∂state_T/∂state_0, (N, n, n), with zeros between units."""
        *_, last = lanes.gaps(self.probe, draws)
        return lanes.whole(self.probe, last, len(draws))

    def whole_jacobians(self, draws: Draws) -> Tensor:
        """The same with nothing presumed, as for any cell."""
        return super().jacobians(draws)


def diagonal(engine: Engine, trial: Draws) -> tuple[Engine, str]:
    """A diagonal engine in place of ``engine`` where the cell allows it, or ``engine``, and why it stays.

    The cell declares an elementwise step, and whole Jacobians on ``trial`` find that its units do not
    mix and that the step is the cell's. The reason is empty where nothing is declared.
    """
    cell: Any = engine.probe.cell
    if not isinstance(engine, BatchedEngine) or engine.through_vjp or not hasattr(cell, "lanes"):
        return engine, ""
    if trial.state.dtype not in DTYPES:
        return engine, f"the kernels have no {trial.state.dtype}"
    form = lanes.declared(engine.probe)
    if isinstance(form, str):
        return engine, form
    try:
        objection = lanes.objection(engine.probe, engine.jacobians, trial)
    except Exception as error:  # noqa: BLE001 - whatever a declared step makes of its kernel
        first = (str(error).strip().splitlines() or [""])[0]
        objection = f"its elementwise step raised {type(error).__name__}: {first[:160]}"
    if objection is not None:
        return engine, objection
    return DiagonalEngine(cell), ""
