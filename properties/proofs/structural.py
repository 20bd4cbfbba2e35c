"""Structural analysis of one graph: exact coefficients and possible dependence of every scalar.

What the values mean stands in ``structural_domain``, which operator follows which rule in
``structural_operators``. An operator without a rule that reads a source yields a value that may depend on
everything, and is recorded: nothing is proved of a graph that contains one.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from properties.proofs.graph import Port, TracedGraph
from properties.proofs.structural_domain import GROUPS, Domain, Value, leaves
from properties.proofs.structural_operators import CREATION, STORAGE, UNWRITTEN, rule_for


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What the domain found in one graph; ``values`` holds the value of every node."""

    graph: TracedGraph
    domain: Domain
    values: dict[fx.Node, Any]
    outputs: tuple[Value, ...]

    @property
    def unknown(self) -> tuple[fx.Node, ...]:
        """The nodes whose operator has no rule and reads a source."""
        return tuple(self.domain.unknown)

    def coefficients(self) -> Tensor:
        """``(outputs, sources)``: exact coefficients of the first output on the sources."""
        first, n = self.outputs[0], self.domain.sources
        if first.coefficient is None:
            return torch.zeros(*first.shape, n, dtype=torch.float64)
        return first.coefficient

    def marks(self) -> Tensor:
        """``(outputs, 2 · sources + groups)``: the marks of the first output."""
        return self.outputs[0].depends


def analyse(
    graph: TracedGraph, tracked: str, *, bitwise: bool = False, zero: bool = False
) -> Analysis:
    """Run the domain over ``graph`` with the port of role ``tracked`` as the sources.

    ``zero``: put exact zeros in place of the sources; what is then not exactly zero does not come from
    them.
    """
    port = next(p for p in graph.inputs if p.role == tracked)
    domain = Domain(port.shape[0], port.dtype, bitwise)
    inputs = iter(graph.inputs)
    values: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = _enter(domain, next(inputs), tracked, zero=zero)
        elif node.op == "get_attr":
            constant = graph.constant(node)
            trainable = constant.requires_grad
            values[node] = (
                domain.spread(domain.row("parameter"), constant.shape)
                if trainable
                else domain.known(constant.detach().cpu())
            )
        elif node.op == "call_function":
            values[node] = _apply(domain, node, values)
        else:
            outputs = fx.node.map_arg(node.args[0], lambda n: values[n])
    return Analysis(graph, domain, values, tuple(outputs))  # type: ignore[arg-type]


def _enter(domain: Domain, port: Port, tracked: str, *, zero: bool) -> Value:
    if port.role == tracked:
        return (
            domain.known(torch.zeros(port.shape, dtype=port.dtype))
            if zero
            else domain.source(port.shape[0])
        )
    if port.value is not None:
        return domain.known(port.value.cpu())
    group = port.role if port.role in GROUPS else "other"
    return domain.spread(domain.row(group), port.shape)


def _apply(domain: Domain, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    arguments: Any = fx.node.map_arg((node.args, dict(node.kwargs)), lambda n: values[n])
    args, kwargs = arguments
    if node.target is operator.getitem:
        return args[0][args[1]]
    out, name, read = node.meta["val"], operator_name(node), leaves((args, kwargs))
    if name in UNWRITTEN:
        return _each(out, lambda t: domain.spread(domain.row("other"), t.shape))
    if name in CREATION:
        return _known(domain, node, args, kwargs, lambda v: torch.zeros(v.shape))
    if name and all(v.literal is not None for v in read):
        return _known(domain, node, args, kwargs, lambda v: v.literal)
    result = None if name in STORAGE else _by_rule(domain, node, args, kwargs, read)
    if result is None:
        domain.unknown.append(node)
        return _each(out, lambda t: domain.top(t.shape))
    return result


def _by_rule(domain: Domain, node: fx.Node, args: Any, kwargs: Any, read: list[Value]) -> Any:
    """What the operator's rule says, or the joint marks of arguments that read no source."""
    out = node.meta["val"]
    rule, moves = rule_for(node.target)
    rows = [v.depends[(0,) * len(v.shape)] for v in read if v.uniform and all(v.shape)]
    plain = len(rows) == len(read) and all(bool(r.any()) for r in rows)
    if plain and (not moves or all(torch.equal(rows[0], r) for r in rows)):
        row = domain.joined(read)
        if not bool(
            row[: 2 * domain.sources].any()
        ):  # weights and inputs: one row of marks for all
            row = row if moves else row | domain.row("other")
            return _each(out, lambda t: domain.spread(row, t.shape))
    result = None if rule is None else rule(domain, args, kwargs, out)
    if result is None and not any(domain.reads_source(v) for v in read):
        row = domain.joined(read) | domain.row("other")
        return _each(out, lambda t: domain.spread(row, t.shape))
    return result


def operator_name(node: fx.Node) -> str:
    """The bare name of an aten operator, such as ``softplus``; empty for operators from elsewhere."""
    namespace, name, *_ = str(node.target).split(".")
    return name if namespace == "aten" else ""


def _with_tensors(argument: Any, tensor: Any) -> Any:
    if isinstance(argument, Value):
        return tensor(argument)
    if isinstance(argument, dict):
        return {k: _with_tensors(a, tensor) for k, a in argument.items()}
    if isinstance(argument, list | tuple):
        return [_with_tensors(a, tensor) for a in argument]
    return argument


def _each(out: Any, make: Any) -> Any:
    if isinstance(out, list | tuple):
        return [_each(o, make) for o in out]
    return None if out is None else make(out)


def _known(domain: Domain, node: fx.Node, args: Any, kwargs: Any, tensor: Any) -> Any:
    """Compute an operator on literals; ``device`` is left out, since the domain lives on the CPU."""
    args, kwargs = _with_tensors((args, kwargs), tensor)
    options = {k: v for k, v in kwargs.items() if k != "device"}
    result = node.target(*args, **options)  # type: ignore[operator]
    if isinstance(result, Tensor):
        result = result.to(node.meta["val"].dtype)
    return _each(result, domain.known)
