"""Other code that computes a cell over a sequence: what is compared with its readable step, unrolled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from cells import Recurrent
from cells.core.backend import BACKENDS

Run = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""``(xs, state) -> (outputs, last state)``, as :func:`cells.unroll` without the cell."""

_NOT_OTHERS = ("auto", "reference")
OFFERED = "offered"


class Implementation(NamedTuple):
    """``name``: a backend of :class:`cells.Recurrent`, or "offered" where the cell brings its own."""

    name: str
    run: Run


def implementations(cell: Any) -> tuple[tuple[Implementation, ...], str]:
    """Every other implementation of ``cell``, and why there are no more of them.

    A cell offers its own as ``cell.fused(xs, state) -> (outputs, last state)``: a method, or a callable
    that is set on the cell, such as on one that ``cells.adapt`` made. The others are the backends of
    :class:`cells.Recurrent` that take the cell.
    """
    found, refusals = [], []
    offered = getattr(cell, "fused", None)
    if callable(offered):
        found.append(Implementation(OFFERED, offered))
    for name in BACKENDS:
        if name in _NOT_OTHERS:
            continue
        try:
            model = Recurrent(cell, backend=name)
        except (ValueError, TypeError) as error:  # TypeError: the cell is no module
            refusals.append(f"{name}: {reason_of(error)}")
            continue
        found.append(Implementation(name, _alone(model)))
    return tuple(found), "; ".join(refusals)


def _alone(model: Recurrent) -> Run:
    def run(xs: Tensor, state: Any) -> tuple[Tensor, Any]:
        outputs, (last,) = model(xs, (state,))
        return outputs, last

    return run


def reason_of(error: Exception) -> str:
    """Why a backend does not take a cell or an input, from what it raised."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    # what is expected of who asked for the backend, and the advice, are told elsewhere
    return (text.rpartition("; use ")[0] or text).rpartition(": ")[2]
