"""A short list of scalar operations, as any kernel language can say them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import fx

_aten: Any = torch.ops.aten

Operand = str | float
"""The name of an input or of an earlier result, or a number."""


class Statement(NamedTuple):
    """``target`` becomes ``operation`` of ``operands``."""

    target: str
    operation: str
    operands: tuple[Operand, ...]


class Program(NamedTuple):
    """``statements`` in order, none superfluous, and what comes out; ``reads``: the inputs that matter."""

    statements: tuple[Statement, ...]
    outputs: tuple[Operand, ...]
    reads: frozenset[str]


# what the kernels can do, under the overloads' names in torch
_OPERATIONS = {
    name: name
    for name in "neg abs exp log log1p tanh sigmoid sqrt rsqrt reciprocal floor sin cos relu sign maximum "
    "minimum where add sub mul div gt ge lt le eq ne logical_and logical_or logical_not".split()
} | {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_not": "logical_not"}
# the same values under another name or shape; shapes are all alike here
_SAME = set("detach alias clone _to_copy expand view squeeze unsqueeze lift_fresh_copy".split())
_FILLED = {"zeros_like": 0.0, "ones_like": 1.0, "zeros": 0.0, "ones": 1.0, "new_zeros": 0.0}
# memory whose content is written before it is read
_FILLED |= dict.fromkeys(("empty", "empty_like", "empty_permuted", "new_empty"), 0.0)


def lower(graph: fx.Graph, names: Sequence[str], what: str) -> Program:
    """The program of a traced graph whose placeholders are called ``names``.

    Raises ``ValueError``, naming the operator, where the graph holds one that is not elementwise or
    that has no counterpart here; ``what`` is the name of the step.
    """
    graph.eliminate_dead_code()
    values: dict[fx.Node, Operand] = {}
    statements: list[Statement] = []
    known: dict[tuple[str, tuple[Operand, ...]], Operand] = {}
    outputs: tuple[Operand, ...] = ()
    placeholders = iter(names)
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = next(placeholders)
        elif node.op == "output":
            outputs = tuple(
                0.0 if one is None else _operand(one, values, what) for one in node.args[0]
            )
        elif node.op == "call_function":
            operation, arguments = _read(node, values, what)
            result = _simple(operation, arguments)
            if result is None:
                result = known.get((operation, arguments))
            if result is None:
                result = f"v{len(statements)}"
                statements.append(Statement(result, operation, arguments))
                known[operation, arguments] = result
            values[node] = result
        else:
            raise ValueError(
                f"step {what}: it holds a tensor of its own ({node.target}); pass parameters as weights "
                "and numbers as constants"
            )
    return _pruned(statements, outputs, frozenset(names))


def _read(
    node: fx.Node, values: dict[fx.Node, Operand], what: str
) -> tuple[str, tuple[Operand, ...]]:
    name = str(node.target).split(".")[1] if "." in str(node.target) else str(node.target)
    if name in _SAME:
        return "same", (_operand(node.args[0], values, what),)
    if name in _FILLED:
        return "same", (_FILLED[name],)
    if name in ("full", "full_like", "scalar_tensor"):
        number = node.args[0] if name == "scalar_tensor" else node.args[1]
        return "same", (_operand(number, values, what),)
    if name == "copy":  # over something else, which no longer matters
        return "same", (_operand(node.args[1], values, what),)
    if name == "rsub":
        a, b = (_operand(one, values, what) for one in node.args[:2])
        return _scaled("sub", (b, a), node, what)
    if name not in _OPERATIONS:
        raise ValueError(
            f"step {what}: {node.target} is no elementwise operation that a kernel is generated for; "
            f"expected a composition of {', '.join(sorted(set(_OPERATIONS.values())))}, or of torch's "
            "functions that are composed of these, among them erf, gelu, atan, sinh, pow, round and remainder"
        )
    arguments = tuple(_operand(one, values, what) for one in node.args)
    return _scaled(_OPERATIONS[name], arguments, node, what)


def _scaled(
    operation: str, arguments: tuple[Operand, ...], node: fx.Node, what: str
) -> tuple[str, tuple[Operand, ...]]:
    extra = {key: value for key, value in node.kwargs.items() if value not in (None, 1)}
    if extra:
        raise ValueError(
            f"step {what}: {node.target} with {extra} is not generated; write the factor as a product"
        )
    return operation, arguments


def _operand(value: Any, values: dict[fx.Node, Operand], what: str) -> Operand:
    if isinstance(value, fx.Node):
        return values[value]
    if isinstance(value, (bool, int, float)):
        return float(value)
    raise ValueError(
        f"step {what}: expected tensors and numbers as arguments of its operations, got {value!r}; a step "
        "is elementwise"
    )


def _simple(operation: str, arguments: tuple[Operand, ...]) -> Operand | None:
    """The result where it takes no operation: exact, signed zeros aside."""
    if operation == "same":
        return arguments[0]
    if operation == "add" and 0.0 in arguments:
        return arguments[1 - arguments.index(0.0)]
    if operation in ("sub", "div") and arguments[1] == (0.0 if operation == "sub" else 1.0):
        return arguments[0]
    if operation == "mul" and 1.0 in arguments:
        return arguments[1 - arguments.index(1.0)]
    return None


def _pruned(
    statements: Sequence[Statement], outputs: tuple[Operand, ...], names: frozenset[str]
) -> Program:
    """Without what no output needs."""
    joined = _joined(statements)
    needed = {one for one in outputs if isinstance(one, str)}
    kept = []
    for one in reversed(joined):
        if one.target in needed:
            kept.append(one)
            needed |= {operand for operand in one.operands if isinstance(operand, str)}
    return Program(tuple(reversed(kept)), outputs, names & needed)


def _joined(statements: Sequence[Statement]) -> list[Statement]:
    """Softplus and its slope in one operation each, which kernels do better than the parts.

    ``log1p(exp(-|x|))`` becomes ``softlog(|x|)``, and ``y / (1 + exp(0 - x))`` becomes ``y * sigmoid(x)``.
    """
    made = {one.target: one for one in statements}

    def behind(one: Statement | None, operation: str, place: int = 0) -> Statement | None:
        """What made an operand of ``one``, if that is an ``operation``."""
        found = made.get(str(one.operands[place])) if one is not None else None
        return found if found is not None and found.operation == operation else None

    joined = []
    for one in statements:
        size = behind(behind(behind(one, "exp"), "neg"), "abs")
        below = behind(one, "add", 1) if one.operation == "div" else None
        power = behind(below, "exp") if below is not None and below.operands[1] == 1.0 else None
        minus = behind(power, "sub")
        if one.operation == "log1p" and size is not None:
            joined.append(Statement(one.target, "softlog", (size.target,)))
        elif minus is not None and minus.operands[0] == 0.0:
            slope = f"{one.target}s"
            joined.append(Statement(slope, "sigmoid", (minus.operands[1],)))
            joined.append(Statement(one.target, "mul", (one.operands[0], slope)))
        else:
            joined.append(one)
    return joined


def literals(*programs: Program) -> tuple[float, ...]:
    """The numbers that stand in them, each once, in order of appearance. Raises ``ValueError`` for a NaN."""
    found: dict[float, None] = {}
    for program in programs:
        operands = [*(o for one in program.statements for o in one.operands), *program.outputs]
        for operand in operands:
            if isinstance(operand, float):
                if math.isnan(operand):
                    raise ValueError(
                        "a step may not contain NaN as a number; compute it or leave it out"
                    )
                found[operand] = None
    return tuple(found)
