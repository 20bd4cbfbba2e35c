"""Which code runs a cell over a sequence: one function decides, and says why."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from cells.core import library
from cells.core.library import InLibrary, Library
from cells.core.unroll import check_inputs, unroll

Backend = Literal["auto", "reference", "library"]
BACKENDS: tuple[Backend, ...] = ("auto", "reference", "library")


class Choice(NamedTuple):
    """``name``: "reference" (the readable step, unrolled) or "library" (torch's kernels); ``reason``: why."""

    name: str
    reason: str


class _Plan(NamedTuple):
    """A choice, and the cell in the library's terms where that was chosen."""

    choice: Choice
    form: Library | None


def backends(model: Any, xs: Tensor | None = None) -> tuple[Choice, ...]:
    """Which backend runs each layer of ``model``, a :class:`cells.Recurrent` or a cell, and why.

    ``xs`` ``(T, *batch, input_size)``: the input to ask about, since its dtype, device and size count
    (default: one that raises no objection). Raises ``ValueError`` as the call itself would.
    """
    layers = getattr(model, "layers", None)
    if not isinstance(layers, nn.ModuleList):  # a cell may use the name for something else
        return (_plan(model, xs, None, "auto").choice,)
    return tuple(_plan(layer, xs, None, str(model.backend)).choice for layer in layers)


def check_backend(requested: str) -> None:
    """Raise ``ValueError`` for the name of no backend."""
    if requested not in BACKENDS:
        raise ValueError(f"backend: expected one of {BACKENDS}, got {requested!r}")


def run(cell: Any, xs: Tensor, state: Any, requested: str) -> tuple[Tensor, Any]:
    """:func:`cells.unroll` by the backend that ``requested`` and the tensors at hand decide.

    Raises ``ValueError`` where ``requested`` is "library" and it cannot run the cell, and as ``unroll``.
    """
    check_inputs(cell, xs)
    if state is None:
        state = cell.initial_state(*xs.shape[1:-1])
    form = _plan(cell, xs, state, requested).form
    return unroll(cell, xs, state) if form is None else library.run(form, xs, state)


def _plan(cell: Any, xs: Tensor | None, state: Any, requested: str) -> _Plan:
    if requested == "reference":
        return _Plan(Choice("reference", "asked for"), None)
    form: Library | str = f"{type(cell).__name__} is no cell of torch"
    if isinstance(cell, InLibrary):
        form = cell.library()
    if isinstance(form, Library) and xs is not None:
        if state is None:
            state = cell.initial_state(*xs.shape[1:-1])
        form = library.misfit(form, xs, state) or form
    if isinstance(form, Library):
        return _Plan(Choice("library", f"this variant is torch's {form.kind}"), form)
    if requested == "library":
        raise ValueError(
            f"backend='library' expects a cell and inputs that torch's kernels can run: {form}; "
            "use backend='auto' or 'reference'"
        )
    return _Plan(Choice("reference", form), None)
