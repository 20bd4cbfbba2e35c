"""Who runs a workload: our GATO by each backend, and the layers of torch that it is held against."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from workloads import Shape

import cells
from cells.graphs import dispatch
from cells.graphs.graphs import Graphs

L2_SHARE = (
    3  # inputs rotate over so many times the second-level cache, or they would be read from there
)
MOST_COPIES = 64
NO_GRAPHS = "CUDA graphs need a CUDA device"


class Subject(NamedTuple):
    """A layer with what it is run on.

    ``run``: inputs (T, B, D) to outputs; ``parameters``: what gradients are taken of; ``exact``: the same
    function in float64, inputs and upstream gradients to outputs and gradients; ``backend``: which code
    of ours runs it, with the reason, or "".
    """

    run: Callable[[Tensor], Tensor]
    parameters: tuple[Tensor, ...]
    exact: Callable[[Tensor], Tensor]
    exact_parameters: tuple[Tensor, ...]
    backend: str = ""
    reason: str = ""


class MissingError(LookupError):
    """An implementation that does not exist here, with the reason."""


def gato(shape: Shape, device: torch.device, how: str) -> Subject:
    """One-layer GATO by ``how``: "fused", "hoisted" or "naive"."""
    return of_cell("gato", {}, 2 * shape.units, shape, device, how)


def of_cell(
    name: str, knobs: dict[str, Any], width: int, shape: Shape, device: torch.device, how: str
) -> Subject:
    """A cell of ours. Raises :class:`MissingError` where ``how`` is "fused" and nothing fused runs it."""
    cell = _built(name, knobs, width, shape.inputs, torch.float32).to(device)
    exact = _built(name, knobs, width, shape.inputs, torch.float64)
    run, backend, reason = _runner(cell, how, shape, device)
    parameters = tuple(cell.parameters())
    return Subject(
        run,
        parameters,
        lambda xs: cells.unroll(exact, xs)[0],
        tuple(exact.parameters()),
        backend,
        reason,
    )


def _built(name: str, knobs: dict[str, Any], width: int, inputs: int, dtype: torch.dtype) -> Any:
    generator = torch.Generator().manual_seed(0)
    return cells.get(name)(inputs, width, generator=generator, **knobs).to(dtype)


def _runner(
    cell: Any, how: str, shape: Shape, device: torch.device
) -> tuple[Callable[[Tensor], Tensor], str, str]:
    if how == "naive":
        return lambda xs: _step_by_step(cell, xs), "reference", "step, read, step, read"
    if how == "hoisted":
        return lambda xs: cells.unroll(cell, xs)[0], "reference", "asked for"
    if how == "graphed":
        return _graphed(cell, shape, device)
    xs = torch.zeros(shape.steps, shape.batch, shape.inputs, device=device)
    model = cells.Recurrent(cell)
    ((backend, reason),) = cells.backends(model, xs)
    if how == "fused" and backend != "fused":
        raise MissingError(f"{type(cell).__name__} is run by {backend!r} here: {reason}")
    return lambda xs: model(xs)[0], backend, reason


def _step_by_step(cell: Any, xs: Tensor) -> Tensor:
    state, readouts = cell.initial_state(*xs.shape[1:-1]), []
    for x in xs.unbind(0):
        state = cell.step(x, state)
        readouts.append(cell.readout(state))
    return torch.stack(readouts)


def _graphed(
    cell: Any, shape: Shape, device: torch.device
) -> tuple[Callable[[Tensor], Tensor], str, str]:
    """The hoisted loop as a CUDA graph, its step as it is, whatever else would run the cell."""
    if device.type != "cuda":
        raise MissingError(NO_GRAPHS)
    graphs = Graphs(dispatch.RECORDER, compiler=None, uses=1)

    def run(xs: Tensor) -> Tensor:
        return graphs.run(cell, xs, cell.initial_state(*xs.shape[1:-1]))[0]

    xs = torch.zeros(shape.steps, shape.batch, shape.inputs, device=device, requires_grad=True)
    run(xs)
    backend, reason = graphs.status(cell, xs, cell.initial_state(shape.batch))
    if backend != "graphed":
        raise MissingError(reason)
    return run, backend, reason


def of_torch(kind: type[nn.RNNBase], width: int, shape: Shape, device: torch.device) -> Subject:
    """``nn.LSTM`` or ``nn.GRU`` of ``width`` units."""
    torch.manual_seed(0)
    layer = kind(shape.inputs, width)
    exact = kind(shape.inputs, width).double()
    exact.load_state_dict(layer.state_dict())
    layer.to(device)
    return Subject(
        lambda xs: layer(xs)[0],
        tuple(layer.parameters()),
        lambda xs: exact(xs)[0],
        tuple(exact.parameters()),
    )


def equal_parameters(kind: type[nn.RNNBase], shape: Shape) -> int:
    """The width at which ``kind`` has as many parameters as GATO has, as nearly as it goes."""
    cell = cells.get("gato")(shape.inputs, 2 * shape.units)
    wanted = sum(parameter.numel() for parameter in cell.parameters())
    gates = 4 if kind is nn.LSTM else 3

    def count(width: int) -> int:
        return gates * width * (shape.inputs + width + 2)

    width = next(width for width in itertools.count(1) if count(width) >= wanted)
    return min((width, max(1, width - 1)), key=lambda one: abs(count(one) - wanted))


def sequences(shape: Shape, readout: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Random inputs (T, B, D) and upstream gradients (T, B, ``readout``), in rotation on a GPU."""
    generator = torch.Generator().manual_seed(1)
    copies = 1
    if device.type == "cuda":
        one = 4 * shape.steps * shape.batch * (shape.inputs + readout)
        cache = torch.cuda.get_device_properties(device).L2_cache_size
        copies = min(MOST_COPIES, 1 + L2_SHARE * cache // one)
    made = [
        (
            torch.randn(shape.steps, shape.batch, shape.inputs, generator=generator)
            .to(device)
            .requires_grad_(),
            torch.randn(shape.steps, shape.batch, readout, generator=generator).to(device),
        )
        for _ in range(copies)
    ]
    return itertools.cycle(made)


def training(
    subject: Subject, data: Iterator[tuple[Tensor, Tensor]]
) -> Callable[[], Sequence[Tensor]]:
    """Forward and backward on the next of ``data``: outputs, and gradients of inputs and parameters."""

    def work() -> Sequence[Tensor]:
        xs, upstream = next(data)
        outputs = subject.run(xs)
        gradients = torch.autograd.grad(
            outputs, (xs, *subject.parameters), upstream, allow_unused=True
        )
        return outputs, *gradients

    return work
