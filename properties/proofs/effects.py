"""What keeps a step from being one function: randomness, results that depend on values, writing outside."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload

from properties.proofs.graph import Port, short_lines
from properties.proofs.lifting import TraceRefused, hidden_state


def refuse_effects(graph: fx.GraphModule, ports: Sequence[Port]) -> None:
    """Raise :class:`TraceRefused` for randomness, results that depend on values, outside mutation."""
    port_of = dict(zip((n for n in graph.graph.nodes if n.op == "placeholder"), ports, strict=True))
    for node in graph.graph.nodes:
        if node.op != "call_function" or node.target is operator.getitem:
            continue
        if not isinstance(node.target, OpOverload):
            raise TraceRefused(f"unsupported: {where(node)} is not a single aten operator")
        if torch.Tag.nondeterministic_seeded in node.target.tags:
            raise TraceRefused(
                f"random: {where(node)} draws numbers; expected a deterministic step: "
                "call cell.eval(), or switch the randomness off"
            )
        if not _is_static(node.meta.get("val")):
            raise TraceRefused(
                f"data-dependent: the result of {where(node)} depends on values; expected the same "
                "operations for all values: use torch.where"
            )
        for base in _written(node) if is_mutable(node) else ():
            port = port_of.get(base)
            if port is not None and port.role not in ("parameter", "buffer"):
                raise TraceRefused(
                    f"the step writes into its argument {port.name!r}: {where(node)}; "
                    "expected a pure function: clone before writing"
                )
            if port is not None or base.op == "get_attr":
                name = port.name if port is not None else "a tensor from outside the cell"
                raise TraceRefused(f"{hidden_state(name)}; {where(node)}")


def _is_static(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_static(v) for v in value)
    if value is None:  # an output that was not asked for
        return True
    return isinstance(value, Tensor) and all(isinstance(n, int) for n in value.shape)


def is_mutable(node: fx.Node) -> bool:
    """Whether the node's operator writes into one of its arguments."""
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and schema is not None and bool(schema.is_mutable)


def _written(node: fx.Node) -> Iterator[fx.Node]:
    """What a mutable operator writes into, through views, back to where that tensor came from."""
    for argument, value in zip(_arguments(node), node.args, strict=False):
        if argument.alias_info is None or not argument.alias_info.is_write:
            continue
        for base in value if isinstance(value, list | tuple) else [value]:
            while isinstance(base, fx.Node) and (parent := _viewed(base)) is not None:
                base = parent  # noqa: PLW2901
            if isinstance(base, fx.Node):
                yield base


def _arguments(node: fx.Node) -> Sequence[Any]:
    """The declared arguments of the node's operator."""
    schema = getattr(node.target, "_schema", None)
    return () if schema is None else schema.arguments


def _viewed(node: fx.Node) -> fx.Node | None:
    """The tensor that ``node`` is a view of, or the written argument it returns."""
    if node.target is operator.getitem:
        return node.args[0] if isinstance(node.args[0], fx.Node) else None
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None:
        return None
    if not any(r.alias_info is not None for r in schema.returns):
        return None
    for argument, value in zip(_arguments(node), node.args, strict=False):
        if argument.alias_info is not None and isinstance(value, fx.Node):
            return value
    return None


def where(node: fx.Node) -> str:
    """The operator's name and, where known, the line that called it, for a message."""
    line = short_lines(node.meta.get("stack_trace") or "")
    return f"{node.target}" + (f" ({line})" if line else "")
