"""Data movement in the structural domain, without a rule per operator.

An operator that only moves elements is run once on numbered elements; the numbers that come out say where
each element came from, and zero means that the operator filled it in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from properties.proofs.structural_domain import Domain, Value, leaves
from properties.proofs.structural_rules import Rule, added, cast, combined, dense


def moved(target: Callable[..., Any], data: Sequence[int] | None = None) -> Rule:
    """The rule of an operator that moves the elements of its arguments ``data`` (None: of all)."""

    def rule(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Any:
        if set(kwargs) - {"memory_format", "accumulate"}:
            return None
        if data is not None and not (
            all(v.literal is not None for v in _positions(args, data))
            and all(isinstance(args[i], Value) for i in data)
        ):
            return dense(domain, args, kwargs, out)
        tables: list[Value] = []

        def number(value: Value) -> Tensor:
            start = 1 + sum(_count(t) for t in tables)
            tables.append(value)
            return torch.arange(start, start + _count(value)).reshape(value.shape)

        numbered = [
            _replace(a, number if data is None or i in data else _literal)
            for i, a in enumerate(args)
        ]
        options = {k: v for k, v in kwargs.items() if k != "memory_format"}
        places = target(*numbered, **options)
        if isinstance(places, list | tuple):
            return [_gathered(domain, tables, p) for p in places]
        return _gathered(domain, tables, places)

    return rule


def padded(target: Callable[..., Any]) -> Rule:
    """``constant_pad_nd``: movement, and a constant where nothing was."""

    def rule(domain: Domain, args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Value:
        value = args[0]
        numbers = torch.arange(1, _count(value) + 1).reshape(value.shape)
        places = target(numbers, args[1], 0)
        result = _gathered(domain, [value], places)
        if len(args) > 2 and args[2] != 0:
            result.depends[..., domain.group("other")] |= places == 0
        return result

    return rule


def copied(domain: Domain, args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Value:
    """``copy(destination, source)`` is the source, in the shape and type of the destination."""
    source = domain.lift(args[1])
    numbers = torch.arange(1, _count(source) + 1).reshape(source.shape).expand(out.shape)
    return cast(domain, (_gathered(domain, [source], numbers),), {}, out)


def accumulated(target: Callable[..., Any], data: Sequence[int]) -> Rule:
    """Adding values at known places: gradients of indexing, and ``index_add``."""
    name = str(target).split(".")[1]

    def rule(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Any:
        base, values = domain.lift(args[data[0]]), domain.lift(args[data[1]])
        if any(v.literal is None for v in _positions(args, data)) or kwargs.get("alpha", 1) != 1:
            return dense(domain, args, kwargs, out)
        numbers = torch.arange(_count(base)).reshape(base.shape)
        if name in ("index_put", "_unsafe_index_put"):
            places = numbers[tuple(slice(None) if i is None else i.literal for i in args[1])]
        elif name == "index_add":
            places = numbers.index_select(args[1], args[2].literal)
        else:
            places = numbers.gather(args[1], args[2].literal)
        source = torch.arange(_count(values)).reshape(values.shape)
        source = source[tuple(slice(n) for n in places.shape)] if name == "scatter_add" else source
        matrix = torch.zeros(_count(base), _count(values))
        ones = torch.ones(places.numel())
        flat = places.reshape(-1), source.expand(places.shape).reshape(-1)
        matrix.index_put_(flat, ones, accumulate=True)
        return added(domain, base, combined(domain, matrix, values, (_count(values), 1), out.shape))

    return rule


def _count(value: Value) -> int:
    return torch.Size(value.shape).numel()


def _positions(args: Sequence[Any], data: Sequence[int]) -> list[Value]:
    return [v for i, a in enumerate(args) if i not in data for v in leaves(a)]


def _replace(argument: Any, replacement: Callable[[Value], Tensor]) -> Any:
    if isinstance(argument, Value):
        return replacement(argument)
    if isinstance(argument, list | tuple):
        return [_replace(a, replacement) for a in argument]
    return argument


def _literal(value: Value) -> Tensor:
    if value.literal is None:
        raise ValueError("expected a known tensor of positions, got an unknown one")
    return value.literal


def _gathered(domain: Domain, tables: Sequence[Value], places: Tensor) -> Value:
    """The value whose elements stand at ``places`` among those of ``tables``, counted from one."""
    nothing = torch.zeros(1, domain.width, dtype=torch.bool)
    rows = torch.cat([nothing, *(t.depends.reshape(-1, domain.width) for t in tables)])
    depends = rows[places]
    coefficient = None
    if any(t.coefficient is not None for t in tables):
        n = domain.sources
        parts = [torch.zeros(1, n, dtype=torch.float64)]
        for table in tables:
            own = table.coefficient
            parts.append(parts[0].expand(_count(table), n) if own is None else own.reshape(-1, n))
        coefficient = torch.cat(parts)[places]
        coefficient = coefficient if bool((coefficient != 0).any()) else None
    return Value(tuple(places.shape), depends, coefficient)
