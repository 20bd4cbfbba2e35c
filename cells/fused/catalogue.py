"""The kernels of the registered cells: whose sources are checked in."""

from __future__ import annotations

from cells.core.offer import offered
from cells.core.registry import get, names
from cells.fused.lanes import Lanes
from cells.fused.numba_printer import mapped_source, numba_source
from cells.fused.step import Step
from cells.fused.trace import trace
from cells.fused.triton_printer import triton_source

PRINTERS = {"numba": numba_source, "numba_mapped": mapped_source, "triton": triton_source}


def steps() -> tuple[Step, ...]:
    """The steps of all registered names whose units do not mix, each once, by name."""
    found = {}
    for name in names():
        form = offered(get(name)(2, 16), "lanes", Lanes, "")
        if isinstance(form, Lanes):
            found[form.step.name] = form.step
    return tuple(found[name] for name in sorted(found))


def sources() -> dict[str, str]:
    """File name to text, of every step in every language."""
    return {
        f"{step.name}_{language}.py": printer(step, programs)
        for step in steps()
        for programs in (trace(step),)
        for language, printer in PRINTERS.items()
    }
