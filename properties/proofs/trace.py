"""A cell's step, readout and their gradients as functional graphs: the one module on unstable torch APIs.

``make_fx``, ``functionalize``, fake tensors and node metadata may change with any minor version of torch; all
of them are used here and nowhere else. What leaves this module is a graph of aten operators without side
effects, a :class:`~properties.proofs.graph.TracedGraph`.

No operator is decomposed: softplus, logaddexp, gelu, silu, sigmoid and tanh stay one node each, whose range
and monotonicity a domain can know, and replaying the graph runs the kernels that the cell runs.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.fx.traceback as node_metadata
from torch import Tensor, fx
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from cells.core.state import Layout
from properties.proofs.effects import is_mutable, refuse_effects, where
from properties.proofs.graph import Port, Role, TracedGraph, short_lines, short_path
from properties.proofs.lifting import Lifted, TraceRefused

__all__ = ["ReadoutTrace", "StepTrace", "TraceRefused", "trace_readout", "trace_step"]

_NOT_THE_CELL = (f"{Path(torch.__file__).parent}{os.sep}", f"{Path(__file__).parent}{os.sep}", "<")
_aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class StepTrace:
    """One step of a cell at its constructed sizes, unbatched.

    ``forward`` maps (weights…, x, state, discrete…) to (state, discrete…); ``backward`` maps the same
    inputs and a cotangent of the new state to the gradient of the old one, as
    ``torch.autograd.grad`` computes it: detached paths, custom backward functions and hooks
    included. ``layout`` names the scalars of the flat state; ``initial`` is one admissible (x, state,
    discrete…); ``eager`` maps (x, state, discrete…, cotangent) to the outputs of ``forward`` and the
    gradient, computed by the cell itself.
    """

    forward: TracedGraph
    backward: TracedGraph
    layout: Layout
    lifted: Lifted
    initial: tuple[Tensor, ...]
    eager: Callable[..., tuple[Tensor, ...]]

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """The cell's parameters and buffers, in port order, as they are now."""
        return tuple(w.tensor.detach() for w in self.lifted.weights)

    def graph_hashes(self) -> dict[str, str]:
        """The sha256 of both graphs, under ``forward`` and ``autograd``."""
        return {"forward": self.forward.graph_hash(), "autograd": self.backward.graph_hash()}


ReadoutTrace = StepTrace
"""The same for γ: ``forward`` maps (weights…, state, discrete…) to (readout,), ``backward`` its gradient."""


def trace_step(cell: Any) -> StepTrace:
    """Trace ``cell.step`` forward and with autograd.

    Raises :class:`TraceRefused` for a step that no single graph describes: it branches on the values
    of tensors, draws random numbers, changes a buffer or its own inputs, or does what the tracer
    does not support. Tracing runs the step on tensors without data and restores the cell's attributes.
    """
    return _trace(cell, "step")


def trace_readout(cell: Any) -> ReadoutTrace:
    """Trace γ = ``cell.readout`` as a function of the flat state; refusals as for :func:`trace_step`."""
    return _trace(cell, "readout")


def _trace(cell: Any, method: str) -> StepTrace:
    template = cell.initial_state()
    if not hasattr(template, "_fields"):
        raise TraceRefused(
            "unsupported state: expected initial_state() to return a NamedTuple of tensors, "
            f"got {type(template).__name__}: wrap the cell with cells.adapt"
        )
    layout = Layout.of(template)
    if not layout.size:
        raise TraceRefused(
            "unsupported state: expected at least one floating-point scalar, got none"
        )
    floating = tuple(f.name for f in layout.fields)
    discrete = tuple(n for n in template._fields if n not in floating)
    flat = layout.ravel(template).detach()
    for name in floating:
        part = getattr(template, name)
        if (torch.view_as_real(part) if part.is_complex() else part).dtype != flat.dtype:
            raise TraceRefused(
                "unsupported state: fields of different precisions; give them one dtype"
            )
    lifted = Lifted(cell)
    x = (flat.new_zeros(cell.input_size),) if method == "step" else ()
    initial = (*x, flat, *(getattr(template, n).detach() for n in discrete))

    def function(*tensors: Tensor) -> tuple[Tensor, ...]:
        state = layout.unravel(tensors[len(x)], template)
        state = state._replace(**dict(zip(discrete, tensors[len(x) + 1 :], strict=True)))
        if method == "readout":
            return (cell.readout(state),)
        new = cell.step(tensors[0], state)
        if getattr(new, "_fields", None) != template._fields:
            raise TraceRefused(
                f"the step must return a {type(template).__name__}, got {type(new).__name__}"
            )
        return (layout.ravel(new), *(getattr(new, n) for n in discrete))

    ports = [
        _port("parameter" if w.trainable else "buffer", w.name, w.tensor) for w in lifted.weights
    ]
    names = [("input", "x")] * len(x) + [("state", "state")] + [("discrete", n) for n in discrete]
    ports += [_port(r, n, t) for (r, n), t in zip(names, initial, strict=True)]
    weights = tuple(w.tensor.detach() for w in lifted.weights)
    flags = [w.tensor.requires_grad for w in lifted.weights]

    def on_weights(*tensors: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        own = [t.detach().requires_grad_(f) for t, f in zip(tensors, flags, strict=False)]
        arguments = list(tensors[len(flags) : len(flags) + len(initial)])
        old = arguments[len(x)] = arguments[len(x)].detach().requires_grad_()
        with lifted.swapped(own), torch.enable_grad():
            return function(*arguments), old

    def forward(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(t.detach() for t in on_weights(*tensors)[0])

    def backward(*tensors: Tensor) -> Tensor:
        outputs, old = on_weights(*tensors[:-1])
        return _gradient(outputs[0], old, tensors[-1])

    graph, values = _make_graph(forward, (*weights, *initial), ports)
    result: Role = "state" if method == "step" else "readout"
    outputs = [_port(result, result, values[0])]
    outputs += [_port("discrete", n, v) for n, v in zip(discrete, values[1:], strict=False)]
    cotangent = torch.zeros(values[0].shape, dtype=values[0].dtype, device=flat.device)
    arguments = (*weights, *initial, cotangent)
    back_ports = (*ports, _port("cotangent", result, cotangent))
    back, _ = _make_graph(backward, arguments, back_ports)

    def eager(*tensors: Tensor) -> tuple[Tensor, ...]:
        leaves = list(tensors[:-1])
        old = leaves[len(x)] = leaves[len(x)].detach().requires_grad_()
        with torch.enable_grad():
            results = function(*leaves)
            gradient = _gradient(results[0], old, tensors[-1])
        return (*(r.detach() for r in results), gradient)

    return StepTrace(
        TracedGraph(graph, tuple(ports), tuple(outputs)),
        TracedGraph(back, back_ports, (_port("gradient", "state", flat),)),
        layout,
        lifted,
        initial,
        eager,
    )


def _port(role: Role, name: str, tensor: Tensor) -> Port:
    value = tensor.detach() if role == "buffer" else None
    return Port(role, name, tuple(tensor.shape), tensor.dtype, value)


def _gradient(output: Tensor, old: Tensor, cotangent: Tensor) -> Tensor:
    if not output.requires_grad:
        return torch.zeros_like(old)
    with _BackwardLines(output) if torch.is_anomaly_enabled() else nullcontext():
        return torch.autograd.grad(output, old, cotangent, materialize_grads=True)[0]


def _make_graph(
    function: Callable[..., Any], tensors: Sequence[Tensor], ports: Sequence[Port]
) -> tuple[fx.GraphModule, tuple[Tensor, ...]]:
    """The functional graph of ``function`` and the fake values of its outputs."""

    def as_tuple(*inputs: Tensor) -> tuple[Tensor, ...]:
        result = function(*inputs)
        return result if isinstance(result, tuple) else (result,)

    raw = _run_tracer(as_tuple, tensors, _Lines())
    refuse_effects(raw, ports)
    for node in raw.graph.nodes:
        _clip_slice(node)
    if any(is_mutable(node) for node in raw.graph.nodes):
        raw.graph.lint()
        raw.recompile()
        # an interpreter hands each node's line on to the nodes that replace it
        again = functionalize(fx.Interpreter(raw).run, remove="mutations")
        raw = _run_tracer(again, tensors, nullcontext())
    raw.graph.eliminate_dead_code()
    raw.recompile()
    for node in raw.graph.nodes:
        if is_mutable(node):
            raise TraceRefused(f"unsupported: {where(node)} could not be made functional")
    (outputs,) = next(n for n in raw.graph.nodes if n.op == "output").args
    return raw, tuple(n.meta["val"] for n in outputs)


def _run_tracer(
    function: Callable[..., Any], tensors: Sequence[Tensor], lines: AbstractContextManager[Any]
) -> fx.GraphModule:
    tracer = make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)
    logger = logging.getLogger("torch._subclasses.fake_tensor")  # logs what is raised here as well
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    previous = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    torch.autograd.set_detect_anomaly(True, check_nan=False)
    try:
        with node_metadata.preserve_node_meta(), lines:
            return tracer(*tensors)
    except TraceRefused:
        raise
    except Exception as error:
        raise TraceRefused(_reason(error)) from error
    finally:
        logger.setLevel(level)
        torch.autograd.set_detect_anomaly(*previous)


class _Lines(TorchFunctionMode):
    """Remembers, before each torch call, the line of the cell's code that made it."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if line := _calling_line():
            node_metadata.set_stack_trace(line)
        return func(*args, **(kwargs or {}))


class _BackwardLines(TorchDispatchMode):
    """Lets every backward operation carry the line of the forward operation it belongs to.

    Anomaly mode, on while tracing and only then, stores in each autograd node the line that :class:`_Lines`
    remembered when the node was made. Operations of a hook or of a custom backward function carry
    their own line.
    """

    def __init__(self, output: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        seen: set[Any] = set()
        pending: list[Any] = [output.grad_fn]
        while pending:
            node = pending.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            pending += [parent for parent, _ in node.next_functions]
            line = node.metadata.get("traceback_") or []
            node.register_prehook(functools.partial(_restore_line, line))

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if line := _calling_line():
            node_metadata.set_stack_trace(line)
        return func(*args, **(kwargs or {}))


def _restore_line(line: list[str], _gradients: Any) -> None:
    node_metadata.set_stack_trace(line)


def _calling_line() -> list[str]:
    """The innermost frame that is neither torch's nor ours, formatted as in a traceback."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the documented way to the caller
    while frame is not None:
        code = frame.f_code
        if code.co_filename == __file__ and code.co_name in ("_gradient", "_run_tracer"):
            break
        if not code.co_filename.startswith(_NOT_THE_CELL):
            return traceback.StackSummary.extract(iter([(frame, frame.f_lineno)])).format()
        frame = frame.f_back
    return []


def _clip_slice(node: fx.Node) -> None:
    """Replace an open end of a slice by the size: functionalization cannot replay INT64_MAX."""
    if node.target not in (_aten.slice.Tensor, _aten.slice_scatter.default):
        return
    first = 1 if node.target is _aten.slice.Tensor else 2
    arguments = list(node.args)
    axis = arguments[first] if len(arguments) > first else 0
    size = arguments[0].meta["val"].shape[axis]  # type: ignore[union-attr]
    for place in (first + 1, first + 2):
        if len(arguments) > place and isinstance(arguments[place], int):
            arguments[place] = min(arguments[place], size)  # type: ignore[type-var]
    node.args = tuple(arguments)


def _reason(error: Exception) -> str:
    """What a failure of the tracer says about the cell."""
    kind, text = type(error).__name__, (str(error).strip().splitlines() or [""])[0][:300]
    text = short_lines(text)
    stack = traceback.extract_tb(error.__traceback__)
    own = [f for f in stack if not f.filename.startswith(_NOT_THE_CELL)]
    place = f" at {short_path(own[-1].filename)}:{own[-1].lineno}: {own[-1].line}" if own else ""
    if "DataDependent" in kind or "data-dependent" in text or "value out of a tracing" in text:
        return (
            f"data-dependent: the step turns a tensor into a Python value{place}; "
            "expected the same operations for all values: use torch.where"
        )
    if "in-place operation" in text:
        return f"the step writes into its arguments or parameters{place}; clone before writing ({text})"
    return f"unsupported: {kind}: {text}{place}"
