"""Which code runs a cell over a sequence: one function decides, and says why."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from cells.core import library
from cells.core.library import Library
from cells.core.offer import offered
from cells.core.unroll import Read, check_inputs, unroll
from cells.fused import lanes
from cells.fused.lanes import Lanes
from cells.fused.operators import announce
from cells.graphs import dispatch
from cells.graphs.graphs import Graphs

Backend = Literal["auto", "reference", "library", "fused"]
BACKENDS: tuple[Backend, ...] = ("auto", "reference", "library", "fused")


class Choice(NamedTuple):
    """What runs a layer, and why.

    ``name``: "reference" (the readable step, unrolled), "library" (torch's kernels), "fused" (kernels
    generated from the step of a cell whose units do not mix) or "graphed" (on CUDA, the unroll of any other
    cell as a CUDA graph, its step compiled).
    """

    name: str
    reason: str


class _Plan(NamedTuple):
    """A choice, and the cell in the kernels' terms where some were chosen."""

    choice: Choice
    form: Library | Lanes | Graphs | None


def backends(model: Any, xs: Tensor | None = None) -> tuple[Choice, ...]:
    """Which backend runs each layer of ``model``, a :class:`cells.Recurrent` or a cell, and why.

    ``xs`` ``(T, *batch, input_size)``: the input to ask about, since its dtype, device and size count
    (default: one that raises no objection). Raises ``ValueError`` as the call itself would.
    """
    layers = getattr(model, "layers", None)
    if not isinstance(layers, nn.ModuleList):  # a cell may use the name for something else
        return (_choice(model, xs, "auto"),)
    choices = []
    for layer in layers:
        choices.append(_choice(layer, xs, str(model.backend)))
        xs = None if xs is None else _handed_on(layer, xs)
    return tuple(choices)


def check_backend(requested: str) -> None:
    """Raise ``ValueError`` for the name of no backend."""
    if requested not in BACKENDS:
        raise ValueError(f"backend: expected one of {BACKENDS}, got {requested!r}")


def run(
    cell: Any, xs: Tensor, state: Any, requested: str, read: Read = "every"
) -> tuple[Tensor, Any]:
    """:func:`cells.unroll` by the backend that ``requested`` and the tensors at hand decide.

    Raises ``ValueError`` where ``requested`` is "library" or "fused" and it cannot run the cell, and as
    ``unroll``.
    """
    check_inputs(cell, xs)
    if state is None:
        state = cell.initial_state(*xs.shape[1:-1])
    form = _plan(cell, xs, state, requested).form
    if isinstance(form, Lanes):
        return lanes.run(cell, form, xs, state, read)
    if isinstance(form, Graphs):
        outputs, last = form.run(cell, xs, state)
        return outputs[-1] if read == "last" else outputs, last
    if isinstance(form, Library):
        outputs, last = library.run(form, xs, state)
        return cell.readout(last) if read == "last" else outputs, last
    return unroll(cell, xs, state, read)


def _choice(cell: Any, xs: Tensor | None, requested: str) -> Choice:
    choice, form = _plan(cell, xs, None, requested)
    if not isinstance(form, Graphs) or xs is None:
        return choice
    return Choice(*form.status(cell, xs, cell.initial_state(*xs.shape[1:-1])))


def _handed_on(layer: Any, xs: Tensor) -> Tensor:
    """A tensor like the readouts of ``layer`` for ``xs``, without numbers."""
    readout = layer.readout(layer.initial_state())
    made: Tensor = readout.detach().new_empty(*xs.shape[:-1], readout.shape[-1])
    graded = xs.requires_grad or any(one.requires_grad for one in layer.parameters())
    return made.requires_grad_(graded and torch.is_grad_enabled())


def _plan(cell: Any, xs: Tensor | None, state: Any, requested: str) -> _Plan:
    if requested == "reference":
        return _Plan(Choice("reference", "asked for"), None)
    if xs is not None and state is None:
        state = cell.initial_state(*xs.shape[1:-1])
    reasons = []
    if requested in ("auto", "library"):
        form = _in_library(cell, xs, state)
        if isinstance(form, Library):
            return _Plan(Choice("library", f"this variant is torch's {form.kind}"), form)
        reasons.append(form)
    if requested in ("auto", "fused"):
        own = _in_lanes(cell, xs, state)
        if isinstance(own, Lanes):
            reason = f"its units do not mix: kernel {own.step.name}"
            return _Plan(Choice("fused", reason), own)
        reasons.append(own)
        graphs = dispatch.offer(cell, xs, state)
        if isinstance(graphs, Graphs):
            return _Plan(Choice("graphed", "a CUDA graph for every shape that comes back"), graphs)
        if graphs is not None:
            reasons.append(graphs)
    if requested != "auto":
        raise ValueError(
            f"backend={requested!r} expects a cell and inputs that its kernels can run: "
            f"{'; '.join(reasons)}; use backend='auto' or 'reference'"
        )
    return _Plan(Choice("reference", "; ".join(reasons)), None)


def _in_library(cell: Any, xs: Tensor | None, state: Any) -> Library | str:
    form = offered(cell, "library", Library, f"{type(cell).__name__} is no cell of torch")
    if isinstance(form, Library) and xs is not None:
        return library.misfit(form, xs, state) or form
    return form


def _in_lanes(cell: Any, xs: Tensor | None, state: Any) -> Lanes | str:
    form = offered(cell, "lanes", Lanes, f"{type(cell).__name__} declares no elementwise step")
    if not isinstance(form, Lanes):
        return form
    announce(form.step)
    return form if xs is None else lanes.misfit(form, xs, state) or form
