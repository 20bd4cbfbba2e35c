"""Complex tensors as pairs of real scalars: the few operators that a unitary cell is written with.

A complex tensor is a tensor of places with one more axis, of size 2, for real and imaginary parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from properties.proofs.elementwise import apply
from properties.proofs.expression import Expressions


def parts(value: Any) -> tuple[Any, Any]:
    """Real and imaginary part of places with the extra axis."""
    return value[..., 0], value[..., 1]


def pair(real: Tensor, imaginary: Tensor) -> Tensor:
    """The inverse of :func:`parts`."""
    return torch.stack(torch.broadcast_tensors(real, imaginary), -1)


def _linear(op: str) -> Callable[..., Tensor | None]:
    def rule(arena: Expressions, a: Any, b: Any, alpha: float = 1) -> Tensor | None:
        if alpha != 1:
            return None
        (c, d), (e, f) = parts(a), parts(b)
        return pair(apply(arena, op, c, e), apply(arena, op, d, f))

    return rule


def _mul(arena: Expressions, a: Any, b: Any) -> Tensor:
    (c, d), (e, f) = parts(a), parts(b)
    real = apply(arena, "sub", apply(arena, "mul", c, e), apply(arena, "mul", d, f))
    imaginary = apply(arena, "add", apply(arena, "mul", c, f), apply(arena, "mul", d, e))
    return pair(real, imaginary)


def _div(arena: Expressions, a: Any, b: Any) -> Tensor | None:
    (c, d), (e, f) = parts(a), parts(b)
    if int(f.abs().max()) != 0:  # place 0 is the literal zero: only real divisors have a rule
        return None
    return pair(apply(arena, "div", c, e), apply(arena, "div", d, e))


def _neg(arena: Expressions, a: Any) -> Tensor:
    c, d = parts(a)
    return pair(apply(arena, "neg", c), apply(arena, "neg", d))


def _conj(arena: Expressions, a: Any) -> Tensor:
    c, d = parts(a)
    return pair(c, apply(arena, "neg", d))


def _where(arena: Expressions, condition: Any, a: Any, b: Any) -> Tensor:
    (c, d), (e, f) = parts(a), parts(b)
    return pair(apply(arena, "where", condition, c, e), apply(arena, "where", condition, d, f))


def magnitude(arena: Expressions, a: Any) -> Tensor:
    """|a|, which is not negative."""
    return apply(arena, "norm", *parts(a), data=(2.0,))


TO_COMPLEX: dict[str, Callable[..., Tensor | None]] = {
    "add": _linear("add"),
    "sub": _linear("sub"),
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "_conj": _conj,
    "_conj_physical": _conj,
    "where": _where,
}
"""Operators whose result is complex; real operands arrive with an imaginary part of zero."""
