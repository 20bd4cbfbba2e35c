"""One rule per family of operators for the structural domain.

A rule takes the domain, the operator's arguments (tensors as values) and its fake result, and returns a
value, a list of values, or None where it does not apply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from properties.proofs.structural_domain import Domain, Value, leaves

Rule = Callable[[Domain, Sequence[Any], dict[str, Any], Any], Any]


def _at(domain: Domain, value: Value, shape: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    """Marks and coefficients, broadcast to ``shape``."""
    depends = value.depends.expand(*shape, domain.width)
    if value.coefficient is None:
        return depends, None
    return depends, value.coefficient.expand(*shape, domain.sources)


def _mask_at(domain: Domain, value: Value, shape: Sequence[int]) -> Tensor:
    return domain.mask(value).expand(*shape, domain.width)


def _opaque(depends: Tensor) -> Value:
    return Value(tuple(depends.shape[:-1]), depends)


def _shape(*values: Value) -> tuple[int, ...]:
    return tuple(torch.broadcast_shapes(*(v.shape for v in values)))


# --- linear operators ------------------------------------------------------------------------------


def scaled(domain: Domain, value: Value, factor: Tensor) -> Value:
    """``value`` times known numbers; a factor outside the domain makes coefficients unknown."""
    shape = torch.broadcast_shapes(value.shape, factor.shape)
    depends, coefficient = _at(domain, value, shape)
    if factor.is_complex():
        return _opaque(_mask_at(domain, value, shape) & (factor != 0).expand(shape)[..., None])
    k = factor.to(torch.float64).expand(shape)[..., None]
    depends = depends & (k != 0)
    return _opaque(depends) if coefficient is None else domain.settle(coefficient * k, depends)


def added(domain: Domain, a: Value, b: Value) -> Value:
    """The sum of two values."""
    shape = _shape(a, b)
    (da, ca), (db, cb) = _at(domain, a, shape), _at(domain, b, shape)
    depends = da | db
    if ca is None or cb is None:
        exact = cb if ca is None else ca
        return Value(tuple(shape), depends, exact)
    if domain.bitwise:
        # (v + w) - w is v in the reals but not in floating point: both must be multiples of v alone
        alone = (_mask_at(domain, a, shape).sum(-1) == 1) & (
            _mask_at(domain, b, shape).sum(-1) == 1
        )
        depends[..., : domain.sources] |= (ca != 0) & (cb != 0) & ~alone[..., None]
    return domain.settle(ca + cb, depends)


def multiplied(domain: Domain, a: Value, b: Value) -> Value:
    """The product: linear where a factor is known, exactly zero where a factor is."""
    for known, other in ((a, b), (b, a)):
        if known.literal is not None:
            return scaled(domain, other, known.literal)
    shape = _shape(a, b)
    zero = domain.is_zero(a).expand(shape) | domain.is_zero(b).expand(shape)
    return _opaque((_mask_at(domain, a, shape) | _mask_at(domain, b, shape)) & ~zero[..., None])


def add(
    domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], _out: Any, sign: int = 1
) -> Value:
    """The sum a + α b."""
    alpha = sign * (args[2] if len(args) > 2 else kwargs.get("alpha", 1))
    b = scaled(domain, domain.lift(args[1]), torch.tensor(float(alpha), dtype=torch.float64))
    return added(domain, domain.lift(args[0]), b)


def sub(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Value:
    """The difference a − α b."""
    return add(domain, args, kwargs, out, -1)


def rsub(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Value:
    """The difference b − α a."""
    return add(domain, (args[1], args[0], *args[2:]), kwargs, out, -1)


def neg(domain: Domain, args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Value:
    """The negative."""
    return scaled(domain, args[0], torch.tensor(-1.0))


def mul(domain: Domain, args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Value:
    """The product a · b."""
    return multiplied(domain, domain.lift(args[0]), domain.lift(args[1]))


def div(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Value | None:
    """The quotient a / b; with a rounding mode, piecewise constant."""
    if len(args) > 2 or kwargs.get("rounding_mode") is not None:
        return constant_pieces(domain, args, kwargs, out)
    a, b = domain.lift(args[0]), domain.lift(args[1])
    if b.literal is not None and not b.literal.is_complex():
        divisor = b.literal.to(torch.float64)
        exact = torch.frexp(divisor)[0].abs() == 0.5
        return scaled(domain, a, torch.where(exact, 1 / divisor, torch.nan))
    shape = _shape(a, b)
    zero = domain.is_zero(a).expand(shape)[..., None]
    return _opaque((_mask_at(domain, a, shape) | _mask_at(domain, b, shape)) & ~zero)


def lerp(domain: Domain, args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Value:
    """The mixture a + w (b − a)."""
    step = added(domain, args[1], scaled(domain, args[0], torch.tensor(-1.0)))
    return added(domain, args[0], multiplied(domain, domain.lift(args[2]), step))


def addcmul(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], _out: Any) -> Value:
    """The sum a + α b c."""
    factor = torch.tensor(float(kwargs.get("value", 1)), dtype=torch.float64)
    return added(domain, args[0], scaled(domain, multiplied(domain, args[1], args[2]), factor))


def where(domain: Domain, args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Value:
    """One of two values: where they agree on a coefficient, it is known whichever is taken."""
    condition, a, b = (domain.lift(v) for v in args)
    shape = _shape(condition, a, b)
    (da, ca), (db, cb) = _at(domain, a, shape), _at(domain, b, shape)
    zero = torch.zeros((), dtype=torch.float64).expand(*shape, domain.sources)
    ca, cb = zero if ca is None else ca, zero if cb is None else cb
    if condition.literal is not None:
        first = condition.literal.bool().expand(shape)[..., None]
        return domain.settle(torch.where(first, ca, cb), torch.where(first, da, db))
    depends = da | db | _mask_at(domain, condition, shape)
    depends[..., : domain.sources] |= ca != cb
    return domain.settle(torch.where(ca == cb, ca, 0.0), depends)


def sum_(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], _out: Any) -> Value:
    """The sum over some axes."""
    value: Value = args[0]
    dims = args[1] if len(args) > 1 else kwargs.get("dim")
    rank = len(value.shape)
    axes = [d % rank for d in ([dims] if isinstance(dims, int) else dims or range(rank))]
    keep = bool(args[2] if len(args) > 2 else kwargs.get("keepdim", False))
    if not axes:
        return value
    depends = value.depends.movedim(axes, list(range(len(axes)))).flatten(0, len(axes) - 1).any(0)
    if keep:
        depends = depends.reshape(*(1 if i in axes else n for i, n in enumerate(value.shape)), -1)
    if value.coefficient is None:
        return _opaque(depends)
    present = value.coefficient != 0
    if domain.bitwise:
        mixed = present & (domain.mask(value).sum(-1, keepdim=True) > 1)
        several = present.sum(axes, keepdim=keep) > 1
        depends[..., : domain.sources] |= several & (mixed.sum(axes, keepdim=keep) > 0)
    return domain.settle(value.coefficient.sum(axes, keepdim=keep), depends)


def mean(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Value | None:
    """The mean over some axes: a sum over a number."""
    total = sum_(domain, args, kwargs, out)
    count = max(1, torch.Size(args[0].shape).numel()) / max(1, torch.Size(total.shape).numel())
    return div(domain, (total, count), {}, out)


# --- products of matrices --------------------------------------------------------------------------


def _product(domain: Domain, a: Value, b: Value, shape: Sequence[int]) -> Value:
    """``(*, I, K)`` times ``(*, K, J)``, vectors taken as one row or one column."""
    left = a.shape if len(a.shape) > 1 else (1, *a.shape)
    right = b.shape if len(b.shape) > 1 else (*b.shape, 1)
    if a.literal is not None and not a.literal.is_complex():
        return combined(domain, a.literal.reshape(left), b, right, shape)
    if b.literal is not None and not b.literal.is_complex():
        swapped = b.literal.reshape(right).mT
        turned = _opaque_or(a, left, swap=True)
        result = combined(domain, swapped, turned, turned.shape, (*shape[:-2], right[-1], left[-2]))
        return _reshaped(_opaque_or(result, result.shape, swap=True), shape)
    present_a = (~domain.is_zero(a)).reshape(left).float()
    present_b = (~domain.is_zero(b)).reshape(right).float()
    met = present_a @ present_b > 0
    total = torch.zeros(*met.shape, domain.width, dtype=torch.bool)
    for value, form, first in ((a, left, True), (b, right, False)):
        if value.uniform:
            total |= met[..., None] & domain.joined([value])
            continue
        marks = domain.mask(value).reshape(*form, domain.width).movedim(-1, 0).float()
        total |= ((marks @ present_b if first else present_a @ marks) > 0).movedim(0, -1)
    return _reshaped(_opaque(total), shape)


def _opaque_or(value: Value, form: Sequence[int], *, swap: bool = False) -> Value:
    """``value`` in the shape ``form``, its last two axes exchanged where ``swap``."""
    depends = value.depends.reshape(*form, -1)
    coefficient = None if value.coefficient is None else value.coefficient.reshape(*form, -1)
    if swap:
        depends = depends.transpose(-2, -3)
        coefficient = None if coefficient is None else coefficient.transpose(-2, -3)
    return Value(tuple(depends.shape[:-1]), depends, coefficient)


def _reshaped(value: Value, shape: Sequence[int]) -> Value:
    return _opaque_or(value, shape)


def combined(
    domain: Domain, known: Tensor, value: Value, form: Sequence[int], shape: Sequence[int]
) -> Value:
    """A known ``(*, I, K)`` matrix times ``value``, seen in shape ``form``; the result in ``shape``."""
    weights = known.to(torch.float64)
    used = (weights != 0).to(torch.float64)
    present = _opaque_or(value, form)
    marks = present.depends.movedim(-1, 0).to(torch.float64)
    depends = ((used @ marks) > 0).movedim(0, -1)
    if present.coefficient is None:
        return _reshaped(_opaque(depends), shape)
    coefficient = present.coefficient.movedim(-1, 0)
    exact = (
        (torch.frexp(weights)[0].abs() == 0.5)
        & (weights.abs() <= 2**20)
        & (weights.abs() >= 2**-20)
    )
    result = (torch.where(exact, weights, 0.0) @ coefficient).movedim(0, -1)
    there = (coefficient != 0).to(torch.float64)
    lost = (used * ~exact) @ there > 0
    if domain.bitwise:
        lost |= used @ there > 1
    depends[..., : domain.sources] |= lost.movedim(0, -1)
    depends = depends.contiguous()
    result = torch.where(lost.movedim(0, -1), 0.0, result)
    return _reshaped(domain.settle(result, depends), shape)


def matmul(domain: Domain, args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Value:
    """A product of matrices or vectors."""
    return _product(domain, args[0], args[1], out.shape)


def addmm(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Value:
    """The sum β a + α b c, with b c a product of matrices."""
    beta, alpha = (
        torch.tensor(float(kwargs.get(k, 1)), dtype=torch.float64) for k in ("beta", "alpha")
    )
    product = scaled(domain, _product(domain, args[1], args[2], out.shape), alpha)
    return added(domain, scaled(domain, args[0], beta), product)


# --- everything elementwise ------------------------------------------------------------------------


def pointwise(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Value:
    """Each element reads the same element of every argument."""
    depends = torch.zeros(*out.shape, domain.width, dtype=torch.bool)
    for value in leaves((args, kwargs)):
        depends |= _mask_at(domain, value, out.shape)
    depends[..., domain.group("other")] = True
    return _opaque(depends)


def keeps_zero(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Value:
    """Elementwise, and zero where the first argument is: tanh, and gradients, linear in what arrives."""
    value = pointwise(domain, args, kwargs, out)
    zero = domain.is_zero(domain.lift(args[0])).expand(value.shape)
    return _opaque(value.depends & ~zero[..., None])


def constant_pieces(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Value:
    """Elementwise and piecewise constant: what is read is marked as read that way."""
    value = pointwise(domain, args, kwargs, out)
    if domain.bitwise:  # a gradient is judged by its value, not by its derivative
        return value
    n = domain.sources
    value.depends[..., n : 2 * n] |= value.depends[..., :n]
    value.depends[..., :n] = False
    return value


def remainder(
    domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any
) -> Value | None:
    """The remainder a mod b = a − b ⌊a / b⌋: the derivative in a is one, for a known b."""
    if domain.bitwise or not isinstance(args[0], Value) or domain.lift(args[1]).literal is None:
        return pointwise(domain, args, kwargs, out)
    depends, coefficient = _at(domain, args[0], out.shape)
    pieces = constant_pieces(domain, args, kwargs, out)
    return Value(tuple(out.shape), depends | pieces.depends, coefficient)


def cast(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Value:
    """A change of type: exact for every value of the state's precision, or a rounding."""
    value: Value = args[0]
    floating = out.dtype.is_floating_point
    if floating and torch.finfo(out.dtype).eps <= torch.finfo(domain.dtype).eps:
        return value
    if floating or out.dtype.is_complex:
        return _opaque(_mask_at(domain, value, out.shape))
    return constant_pieces(domain, args, kwargs, out)


# --- along axes, and everything at once ------------------------------------------------------------


def along(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Value:
    """Each element reads its whole line along one axis: softmax, cumulative sums."""
    axis = next(a for a in (*args, kwargs.get("dim")) if isinstance(a, int))
    values = leaves(args)
    depends = torch.zeros(*out.shape, domain.width, dtype=torch.bool)
    for value in values:
        axis_of = axis % len(value.shape) if value.shape else 0
        line = domain.mask(value).any(axis_of, keepdim=True) if value.shape else domain.mask(value)
        depends |= line.expand(*out.shape, domain.width)
    depends[..., domain.group("other")] = True
    return _opaque(depends)


def dense(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Any:
    """Every element of every result reads every argument: true of any function of its arguments."""
    row = domain.joined(leaves((args, kwargs))) | domain.row("other")
    if isinstance(out, list | tuple):
        return [None if o is None else domain.spread(row, o.shape) for o in out]
    return domain.spread(row, out.shape)


def dense_gradient(domain: Domain, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Any:
    """As :func:`dense`; zero where what arrives, the first argument, is zero."""
    if not bool(domain.is_zero(args[0]).all()):
        return dense(domain, args, kwargs, out)
    row = torch.zeros(domain.width, dtype=torch.bool)
    if isinstance(out, list | tuple):
        return [None if o is None else domain.spread(row, o.shape) for o in out]
    return domain.spread(row, out.shape)
