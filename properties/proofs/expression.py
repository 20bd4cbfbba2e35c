"""Scalar expressions: what one traced step computes, scalar by scalar, each distinct one stored once.

Every domain (polynomials, intervals, balls, periods) evaluates the same expressions. Equal operations on
equal operands are the same node, so "x times the same x is a square" and "σ of the same argument" are
comparisons of numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["parameter", "input", "state", "discrete", "cotangent"]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: ``args`` are places in the arena; ``data`` are constants that belong to it."""

    op: str
    args: tuple[int, ...] = ()
    data: tuple[float | int | str, ...] = ()


@dataclass(slots=True)
class Expressions:
    """An arena of nodes in which operands stand before the operations that read them.

    Place 0 holds the literal zero, so that whatever fills a tensor of places with zeros fills it with
    zeros.
    """

    nodes: list[Node] = field(default_factory=list)
    _places: dict[Node, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.literal(0.0)

    def __getitem__(self, place: int) -> Node:
        return self.nodes[place]

    def apply(self, op: str, *args: int, data: tuple[float | int | str, ...] = ()) -> int:
        """The place of ``op`` on the nodes at ``args``."""
        node = Node(op, args, data)
        place = self._places.get(node)
        if place is None:
            place = self._places[node] = len(self.nodes)
            self.nodes.append(node)
        return place

    def literal(self, value: float) -> int:
        """The place of a constant, taken at its exact binary value."""
        return self.apply("literal", data=(float(value) + 0.0,))  # + 0.0: one zero, not two

    def leaf(self, role: Role, name: str, index: int) -> int:
        """The place of a quantity that varies: scalar ``index`` of the flattened tensor ``name``."""
        return self.apply("leaf", data=(role, name, index))

    def cone(self, roots: Iterable[int]) -> list[int]:
        """Every place that ``roots`` depend on, operands first."""
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            place = stack.pop()
            if place not in seen:
                seen.add(place)
                stack.extend(self.nodes[place].args)
        return sorted(seen)

    def unknown(self, roots: Iterable[int]) -> list[str]:
        """The operations without a rule that ``roots`` depend on, by name."""
        cone = (self.nodes[place] for place in self.cone(roots))
        return sorted({str(node.data[0]) for node in cone if node.op == "unknown"})

    def leaves(self, roots: Iterable[int], role: Role | None = None) -> list[int]:
        """The leaves that ``roots`` depend on, of one role or of all."""
        return [
            place
            for place in self.cone(roots)
            if self.nodes[place].op == "leaf" and role in (None, self.nodes[place].data[0])
        ]

    def uses(self, roots: Iterable[int]) -> dict[int, int]:
        """How often each node is read within the cone of ``roots``."""
        roots = list(roots)
        counts = dict.fromkeys(self.cone(roots), 0)
        for place in list(counts):
            for arg in self.nodes[place].args:
                counts[arg] += 1
        return counts

    def text(self, place: int, depth: int = 3) -> str:
        """A readable form of the node at ``place``, cut off below ``depth``."""
        node = self.nodes[place]
        if node.op == "literal":
            return f"{node.data[0]:g}"
        if node.op == "leaf":
            return f"{node.data[1]}[{node.data[2]}]"
        name = str(node.data[0]) if node.op == "unknown" else node.op
        if depth == 0:
            return f"{name}(…)"
        return f"{name}({', '.join(self.text(arg, depth - 1) for arg in node.args[:4])})"

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)
