"""From a traced graph to scalar expressions.

A tensor is represented by the integer tensor of its scalars' places in the arena, so that data movement
needs no rules: the very operation (slice, cat, permute, index, …) is applied to the places. What has no rule
becomes an ``unknown`` node that still reads its operands, and no domain proves anything about those.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from properties.proofs.complex_numbers import TO_COMPLEX, magnitude, pair
from properties.proofs.elementwise import ELEMENTWISE
from properties.proofs.expression import Expressions
from properties.proofs.graph import Port, TracedGraph
from properties.proofs.reductions import REDUCTIONS

MAXIMUM_NODES = 400_000
"""Where lowering stops: a cell this large is to be analyzed at a smaller size."""

_MOVEMENT = frozenset(
    "view _unsafe_view reshape permute transpose t numpy_T expand slice select cat stack split unsafe_split "
    "split_with_sizes chunk unsafe_chunk unbind unsqueeze squeeze index index_select gather roll flip repeat "
    "alias detach detach_ clone contiguous narrow diagonal tril triu slice_backward select_backward "
    "diagonal_backward lift_fresh lift_fresh_copy movedim swapaxes flatten unflatten repeat_interleave "
    "view_as expand_as rot90 slice_scatter select_scatter slice_copy".split()
)
_FILLS = frozenset("zeros_like ones_like full_like new_zeros new_ones new_full empty_like".split())


class TooLarge(Exception):  # noqa: N818 - a limit that is reported, not a failure of the cell
    """The step has more scalars than the proofs go through."""


@dataclass(frozen=True, slots=True)
class Scalars:
    """A tensor of unknown numbers: the places of its scalars, as an integer tensor of its shape.

    ``complex``: the last axis of ``places`` holds real and imaginary parts.
    """

    places: Tensor
    complex: bool = False


@dataclass(frozen=True, slots=True)
class Lowered:
    """A graph as expressions: one tensor of places per output port."""

    arena: Expressions
    outputs: tuple[Tensor, ...]


def lower(
    graph: TracedGraph,
    arena: Expressions | None = None,
    values: Mapping[str, Tensor] | None = None,
) -> Lowered:
    """The scalar expressions of ``graph``.

    Parameters, inputs and state scalars become leaves; buffers keep their values; ``values`` gives values
    to further ports by name (a cotangent, the weights of a trained cell). Raises
    :class:`TooLarge` beyond :data:`MAXIMUM_NODES` nodes.
    """
    arena = Expressions() if arena is None else arena
    environment: dict[fx.Node, Any] = {}
    ports = iter(graph.inputs)
    for node in graph.nodes:
        if node.op == "placeholder":
            environment[node] = _enter(arena, next(ports), values or {})
        elif node.op == "get_attr":
            environment[node] = graph.constant(node).detach()
        elif node.op == "call_function":
            arguments = fx.node.map_arg(node.args, environment.__getitem__)
            keywords = fx.node.map_arg(node.kwargs, environment.__getitem__)
            environment[node] = _call(arena, node, arguments, keywords)
            if len(arena.nodes) > MAXIMUM_NODES:
                raise TooLarge(
                    f"expected a step of at most {MAXIMUM_NODES} scalar operations, got more: "
                    "build the cell at a smaller size"
                )
        elif node.op == "output":
            results = [environment[n] for n in node.args[0]]  # type: ignore[union-attr, index]
            return Lowered(arena, tuple(places_of(arena, r) for r in results))
    raise ValueError("expected a graph with an output node, got none")


def places_of(arena: Expressions, value: Any) -> Tensor:
    """The places of ``value``: a :class:`Scalars`, a tensor of constants, or a number."""
    if isinstance(value, Scalars):
        return value.places
    tensor = torch.as_tensor(value)
    flat = [arena.literal(float(v)) for v in tensor.detach().reshape(-1).tolist()]
    return torch.tensor(flat, dtype=torch.int64).reshape(tensor.shape)


def _enter(arena: Expressions, port: Port, values: Mapping[str, Tensor]) -> Any:
    if port.name in values:
        return values[port.name].detach()
    if port.value is not None:
        return port.value.detach()
    count = int(torch.Size(port.shape).numel())
    flat = [arena.leaf(port.role, port.name, i) for i in range(count)]  # type: ignore[arg-type]
    return Scalars(torch.tensor(flat, dtype=torch.int64).reshape(port.shape))


def _call(  # noqa: PLR0911 - one return per kind of operator
    arena: Expressions, node: fx.Node, arguments: Sequence[Any], keywords: dict[str, Any]
) -> Any:
    target: Any = node.target
    if target is operator.getitem:
        return arguments[0][arguments[1]]
    name = target._schema.name.split("::")[-1]  # noqa: SLF001 - the only name an operator has
    meta = node.meta.get("val")
    if name in _FILLS and isinstance(arguments[0], Scalars):
        return _fill(name, arguments, meta)
    if not _varies(arguments) and not _varies(list(keywords.values())):
        if torch.Tag.nondeterministic_seeded in target.tags:
            return _unknown(arena, name, (), meta)
        return target(*arguments, **keywords)
    if _is_complex(meta) or any(_is_complex(a) for a in arguments):
        result = _call_complex(arena, target, name, arguments)
        return _unknown(arena, name, arguments, meta) if result is None else result
    if name in _MOVEMENT:
        return _wrap(_move(arena, target, name, arguments, keywords))
    if name in ("_to_copy", "to"):
        return _cast(arena, arguments[0], keywords)
    for table in (ELEMENTWISE, REDUCTIONS):
        rule: Callable[..., Any] | None = table.get(name)
        if rule is not None:
            lifted = [_lift(arena, a) for a in arguments]
            result = rule(arena, *lifted, **{k: _lift(arena, v) for k, v in keywords.items()})
            if result is not None:
                return _wrap(result)
    return _unknown(arena, name, arguments, meta)


def _varies(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_varies(v) for v in value)
    return isinstance(value, Scalars)


def _is_complex(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_is_complex(v) for v in value)
    if isinstance(value, Scalars):
        return value.complex
    return isinstance(value, Tensor) and value.is_complex()


def _call_complex(arena: Expressions, target: Any, name: str, arguments: Sequence[Any]) -> Any:
    """An operator that reads or returns complex numbers; None where it has no rule."""
    first = arguments[0]
    match name:
        case "view_as_complex" | "view_as_real":
            return Scalars(first.places, name == "view_as_complex")
        case "complex":
            return Scalars(pair(*(places_of(arena, a) for a in arguments)), complex=True)
        case "abs":
            return Scalars(magnitude(arena, first.places))
        case "real" | "imag":
            return Scalars(first.places[..., int(name == "imag")])
    if name in _MOVEMENT:
        real, imaginary = (
            _move(arena, target, name, [_part(arena, a, k) for a in arguments], {}) for k in (0, 1)
        )
        if isinstance(real, Tensor):
            return Scalars(pair(real, imaginary), complex=True)
        return [Scalars(pair(r, i), complex=True) for r, i in zip(real, imaginary, strict=True)]
    rule = TO_COMPLEX.get(name)
    if rule is None:
        return None
    start = 1 if name == "where" else 0
    lifted = [_lift(arena, a) for a in arguments[:start]]
    lifted += [_as_complex(arena, a) for a in arguments[start:]]
    result = rule(arena, *lifted)
    return None if result is None else Scalars(result, complex=True)


def _as_complex(arena: Expressions, value: Any) -> Tensor:
    if isinstance(value, Scalars) and value.complex:
        return value.places
    if isinstance(value, Tensor) and value.is_complex():
        return places_of(arena, torch.view_as_real(value.resolve_conj()))
    if isinstance(value, complex):
        return pair(places_of(arena, value.real), places_of(arena, value.imag))
    real = places_of(arena, value)
    return pair(real, torch.zeros_like(real))


def _part(arena: Expressions, value: Any, part: int) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_part(arena, v, part) for v in value)
    if _is_complex(value):
        return Scalars(_as_complex(arena, value)[..., part])
    return value


def _lift(arena: Expressions, value: Any) -> Any:
    """Tensors, known or not, as places; numbers and everything else as they are."""
    if isinstance(value, Scalars | Tensor):
        return places_of(arena, value)
    if isinstance(value, list | tuple):
        return type(value)(_lift(arena, v) for v in value)
    return value


def _wrap(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Scalars(value)
    if isinstance(value, list | tuple):
        return [_wrap(v) for v in value]
    return value


def _move(
    arena: Expressions, target: Any, name: str, arguments: Sequence[Any], keywords: dict[str, Any]
) -> Any:
    def places(value: Any) -> Any:
        if isinstance(value, Scalars):
            return value.places
        if isinstance(value, Tensor) and value.is_floating_point():
            return places_of(arena, value)  # constants beside what varies; integers are indices
        if isinstance(value, list | tuple):
            return type(value)(places(v) for v in value)
        return value

    moved = [places(a) for a in arguments]
    if name in ("view", "_unsafe_view", "reshape"):
        return moved[0].reshape(moved[1])
    if name in (
        "detach",
        "detach_",
        "alias",
        "clone",
        "contiguous",
        "lift_fresh",
        "lift_fresh_copy",
    ):
        return moved[0]
    return target(*moved, **keywords)


def _fill(name: str, arguments: Sequence[Any], meta: Any) -> Any:
    shape = tuple(meta.shape)
    if "full" in name:
        return torch.full(shape, float(arguments[-1]), dtype=torch.float64)
    return (torch.ones if "ones" in name else torch.zeros)(shape, dtype=torch.float64)


def _cast(arena: Expressions, value: Scalars, keywords: dict[str, Any]) -> Scalars:
    dtype = keywords.get("dtype")
    if dtype is None:
        return value
    if not dtype.is_floating_point:
        return _unknown(arena, f"cast to {dtype}", (value,), value.places)  # type: ignore[no-any-return]
    flat = [arena.apply("cast", p, data=(str(dtype),)) for p in value.places.reshape(-1).tolist()]
    return Scalars(torch.tensor(flat, dtype=torch.int64).reshape(value.places.shape))


def _unknown(arena: Expressions, name: str, arguments: Sequence[Any], meta: Any) -> Any:
    read: set[int] = set()

    def collect(value: Any) -> None:
        if isinstance(value, Scalars):
            read.update(value.places.reshape(-1).tolist())
        elif isinstance(value, list | tuple):
            for part in value:
                collect(part)

    collect(list(arguments))
    operands = tuple(sorted(read))
    serial = len(
        arena.nodes
    )  # two calls are two nodes: nothing says that the operation is a function

    def fresh(like: Any, part: int) -> Any:
        if isinstance(like, list | tuple):
            return [fresh(v, i) for i, v in enumerate(like)]
        if not isinstance(like, Tensor):
            return like
        places = [
            arena.apply("unknown", *operands, data=(name, serial, part, i))
            for i in range(like.numel())
        ]
        shape = tuple(like.shape)
        found = torch.tensor(places, dtype=torch.int64)
        if like.is_complex():
            return Scalars(torch.stack((found, found), -1).reshape(*shape, 2), complex=True)
        return Scalars(found.reshape(shape))

    return fresh(meta, 0)
