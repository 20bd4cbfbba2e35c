"""Intervals through a whole step, outward or in a dtype's own rounding, many cases at once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from properties.proofs.expression import Expressions, Node
from properties.proofs.interval_rules import LINE, RULES, Interval, square
from properties.proofs.rounding import Rounding


class Intervals:
    """The intervals of expressions, given those of some places.

    ``known`` maps places (leaves, or operations cut loose from what they read) to intervals; a leaf that is
    not in it may be any number. ``unproved`` lists operations without a rule and arguments outside
    a kernel's domain: nothing is proved about what reads those.
    """

    def __init__(
        self, arena: Expressions, rounding: Rounding, known: Mapping[int, Interval] | None = None
    ) -> None:
        self.arena = arena
        self.rounding = rounding
        self.unproved: list[str] = []
        self._values: dict[int, Interval] = dict(known or {})

    def at(self, place: int) -> Interval:
        """The interval of the expression at ``place``."""
        for p in self._pending(place):
            self._values[p] = self._node(p, self.arena[p])
        return self._values[place]

    def _pending(self, root: int) -> list[int]:
        """What is still to be evaluated for ``root``, operands first, not looking behind known places."""
        seen: set[int] = set()
        stack = [root]
        while stack:
            place = stack.pop()
            if place not in seen and place not in self._values:
                seen.add(place)
                stack.extend(self.arena[place].args)
        return sorted(seen)

    def _node(self, place: int, node: Node) -> Interval:
        if node.op == "literal":
            low, high = self.rounding.literal(float(node.data[0]))
            if bool(torch.isfinite(low) & torch.isfinite(high)):
                return Interval(low, high)
            self.unproved.append("a constant that is not finite")
            return LINE
        if node.op == "leaf":
            return LINE
        arguments = [self._values[a] for a in node.args]
        if node.op == "mul" and node.args[0] == node.args[1]:
            return square(self.rounding, arguments[0])
        if node.op == "cast" and (self.rounding.dtype is None or _is_line(arguments[0])):
            return arguments[0]
        rule = RULES.get(node.op)
        result = None if rule is None else rule(self.rounding, *arguments, *node.data)
        if result is None:
            self.unproved.append(f"{self.arena.text(place)}: no rule, or outside the domain")
            return LINE
        if node.op == "add":
            return self._convex(node, result)
        return result

    # ---- z·a + (1 − z)·b ---------------------------------------------------------------------

    def _convex(self, node: Node, plain: Interval) -> Interval:
        """A convex combination stays within its members, also rounded, if they are within a power of two.

        With |a|, |b| ≤ P = 2^k ≥ 1: |fl(z·a)| ≤ z·P, |fl(w·b)| ≤ w·P for w = fl(1 − z), and fl(z + w) = 1:
        for z ≥ 1/2 because w is exact, for z < 1/2 because w ≤ 1 − z + 2^−(p+1) for p digits, so
        that z + w lies below the midpoint of 1 and its successor.
        """
        found = self._combination(node)
        if found is None:
            return plain
        z, a, b = (self._values[p] for p in found)
        size = torch.maximum(a.magnitude, b.magnitude).clamp(min=1.0)
        if self.rounding.dtype is not None:
            fraction, exponent = torch.frexp(size)
            power = torch.ldexp(
                torch.ones_like(size), exponent
            )  # size = fraction·power, fraction in [½, 1)
            size = torch.where(fraction == 0.5, power / 2, power)
        inside = (z.low >= 0) & (z.high <= 1) & torch.isfinite(size)
        low = torch.where(inside, torch.maximum(plain.low, -size), plain.low)
        high = torch.where(inside, torch.minimum(plain.high, size), plain.high)
        return Interval(low, high)

    def _combination(self, node: Node) -> tuple[int, int, int] | None:
        one = self.arena.literal(1.0)
        first, second = (self.arena[a] for a in node.args)
        if first.op != "mul" or second.op != "mul":
            return None
        for keep, write in ((first, second), (second, first)):
            for i in (0, 1):
                z, a = keep.args[i], keep.args[1 - i]
                for j in (0, 1):
                    w, b = write.args[j], write.args[1 - j]
                    if self.arena[w] == Node("sub", (one, z)):
                        return z, a, b
        return None


def _is_line(a: Interval) -> bool:
    return bool((torch.isinf(a.low) & torch.isinf(a.high)).all())


def stack(values: list[Interval]) -> tuple[Tensor, Tensor]:
    """The ends of many intervals as two tensors, the last axis counting them."""
    lows = torch.stack(torch.broadcast_tensors(*(v.low for v in values)), -1)
    highs = torch.stack(torch.broadcast_tensors(*(v.high for v in values)), -1)
    return lows, highs
