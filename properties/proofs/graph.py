"""Traced graphs as data: what goes in, what comes out, where each operation was written, and a hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, fx

Role = Literal[
    "parameter", "buffer", "input", "state", "discrete", "cotangent", "gradient", "readout"
]
"""What a port carries: ``state`` is the flat vector of :class:`cells.core.state.Layout`; ``discrete`` an
integer field of the state; ``cotangent`` and ``gradient`` the two ends of a vector-Jacobian product."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a graph; ``value`` is given for buffers, which a step must not change."""

    role: Role
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    value: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A line of the cell's code; its text names the file from its package on, as :func:`short_path` does."""

    path: str
    line: int
    function: str
    text: str

    def __str__(self) -> str:
        return f"{short_path(self.path)}:{self.line} in {self.function}: {self.text}"


def short_path(path: str) -> str:
    """``path`` from the outermost package on, or the file name: the same on every machine."""
    file = Path(path)
    parts = [file.name]
    for folder in file.parents:
        if not (folder / "__init__.py").is_file():
            break
        parts.append(folder.name)
    return "/".join(reversed(parts))


def short_lines(text: str) -> str:
    """Lines of a traceback, on one line, with every path shortened."""
    shortened = re.sub(
        r'File "([^"]*)", line (\d+)', lambda m: f"{short_path(m[1])}:{m[2]}", text.strip()
    )
    return " ".join(shortened.split())


_FRAME = re.compile(
    r'File "(?P<path>.*)", line (?P<line>\d+), in (?P<function>.*)\n\s*(?P<text>.*)'
)


@dataclass(frozen=True, slots=True)
class TracedGraph:
    """A functional graph of aten operations.

    ``module.graph`` holds the nodes; placeholders are ``inputs``, in order, and the output node holds a
    tuple that matches ``outputs``. Every ``call_function`` target is an ``OpOverload`` that changes
    none of its arguments (or ``operator.getitem``), ``node.meta["val"]`` is a fake tensor with the node's
    shape and dtype, and ``get_attr`` nodes are tensors that the step closes over.
    """

    module: fx.GraphModule
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def nodes(self) -> tuple[fx.Node, ...]:
        """Every node, in execution order."""
        return tuple(self.module.graph.nodes)

    @property
    def ops(self) -> tuple[str, ...]:
        """The names of the operations used, sorted."""
        return tuple(sorted({str(n.target) for n in self.nodes if n.op == "call_function"}))

    def run(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Evaluate the graph on one tensor per input port."""
        if len(tensors) != len(self.inputs):
            raise ValueError(
                f"expected one tensor per input port, {len(self.inputs)}: got {len(tensors)}"
            )
        with torch.no_grad():
            return tuple(self.module(*tensors))

    def constant(self, node: fx.Node) -> Tensor:
        """The tensor that a ``get_attr`` node names."""
        value = getattr(self.module, str(node.target))
        if not isinstance(value, Tensor):
            raise TypeError(f"expected {node.target} to be a tensor, got {type(value).__name__}")
        return value

    def source(self, node: fx.Node) -> Source | None:
        """Where the operation was written; in a backward graph, the line it is the gradient of."""
        match = _FRAME.search(node.meta.get("stack_trace") or "")
        if match is None:
            return None
        return Source(
            match["path"], int(match["line"]), match["function"].strip(), match["text"].strip()
        )

    def named(self, operations: Iterable[str]) -> str:
        """``operations``, bare names of aten operators, each with the first line that uses it."""
        words = []
        for name in operations:
            users = (n for n in self.nodes if str(n.target).split(".")[1:2] == [name])
            lines = (self.source(n) for n in users)
            line = next((s for s in lines if s is not None), None)
            words.append(name if line is None else f"{name} ({line})")
        return ", ".join(words)

    def canonical_text(self) -> str:
        """The graph as text that does not depend on node names, files or the process."""
        number: dict[fx.Node, int] = {}
        lines = []
        inputs = iter(self.inputs)
        for node in self.nodes:
            number[node] = len(number)
            if node.op == "placeholder":
                port = next(inputs)
                body = f"{port.role} {port.name} {tuple(port.shape)} {port.dtype} {_digest(port.value)}"
            elif node.op == "get_attr":
                value = self.constant(node)
                body = f"constant {tuple(value.shape)} {value.dtype} {_digest(value)}"
            else:
                arguments = _text(node.args, number), _text(node.kwargs, number)
                body = f"{node.op} {node.target if node.op == 'call_function' else ''} {arguments}"
            lines.append(f"%{number[node]} = {body} -> {_signature(node.meta.get('val'))}")
        return "\n".join(lines)

    def graph_hash(self) -> str:
        """sha256 of :meth:`canonical_text`, hexadecimal."""
        return hashlib.sha256(self.canonical_text().encode()).hexdigest()


def _text(value: Any, number: dict[fx.Node, int]) -> str:
    if isinstance(value, fx.Node):
        return f"%{number[value]}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(v, number) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_text(v, number)}" for k, v in sorted(value.items())) + "}"
    return value.hex() if isinstance(value, float) else repr(value)


def _signature(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {value.dtype}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_signature(v) for v in value) + "]"
    return ""


def _digest(value: Tensor | None) -> str:
    if value is None:
        return ""
    data = value.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    return hashlib.sha256(bytes(data.view(torch.uint8).tolist())).hexdigest()[:16]
