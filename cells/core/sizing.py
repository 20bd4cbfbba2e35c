"""Widths from parameter counts: comparisons at equal budgets need the width that spends one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args

import torch

from cells.core.registry import get

Fit = Literal["nearest", "at_most"]

HOPELESS = 4096
"""Where every size up to this one is refused, the fault lies with another argument."""


def parameter_count(cell: Any) -> int:
    """The number of scalars in ``cell.parameters()``; a tied parameter counts once."""
    return sum(parameter.numel() for parameter in cell.parameters())


def size_for_parameters(
    cell: str | Callable[..., Any],
    budget: int,
    *,
    input_size: int,
    fit: Fit = "nearest",
    **knobs: Any,
) -> int:
    """The ``hidden_size`` at which a cell has about ``budget`` parameters.

    ``cell``: a registered name, or a factory ``(input_size, hidden_size, **knobs) -> cell`` whose count does
    not fall as the width rises; ``fit``: "at_most" for the widest cell within the budget, "nearest" for
    that one or the next wider, whichever is nearer to it (the former where both are as near);
    ``knobs``: passed on to the factory. Sizes that the factory refuses with ``ValueError`` are passed
    over. Cells are built without storage where they can be, on PyTorch's ``meta`` device.

    Raises ``ValueError`` for a budget below 1, an unknown ``fit``, "at_most" a budget that the narrowest
    cell exceeds, and where the factory refuses every size, with its last reason;
    ``UnknownNameError`` for an unregistered name.
    """
    if budget < 1:
        raise ValueError(f"budget: expected a number of parameters of at least 1, got {budget!r}")
    if fit not in get_args(Fit):
        raise ValueError(f"fit: expected one of {', '.join(map(repr, get_args(Fit)))}, got {fit!r}")
    factory = get(cell) if isinstance(cell, str) else cell
    count = functools.cache(functools.partial(_count, factory, input_size, knobs))
    within, above = _bracket(count, budget)
    while (middle := _between(count, within, above)) is not None:
        if _value(count, middle) <= budget:
            within = middle
        else:
            above = middle
    if within == 0:
        if fit == "at_most":
            raise ValueError(
                f"budget: the narrowest cell, hidden_size {above}, has {_value(count, above)} "
                f'parameters; raise the budget or take fit="nearest": got {budget}'
            )
        return above
    if fit == "at_most" or budget - _value(count, within) <= _value(count, above) - budget:
        return within
    return above


def _bracket(count: Callable[[int], int | ValueError], budget: int) -> tuple[int, int]:
    """The widest size found within the budget (0: none), and one above it: powers of 2, or near."""
    within, start = 0, 1
    while True:
        size = _first_admissible(count, range(start, 2 * start))
        if size is not None and _value(count, size) > budget:
            return within, size
        if size is not None:
            within = size
        elif within == 0 and start >= HOPELESS:
            reason = count(start)
            raise ValueError(f"no hidden_size up to {2 * start - 1} is accepted: {reason}")
        start *= 2


def _between(count: Callable[[int], int | ValueError], low: int, high: int) -> int | None:
    """An admissible size strictly between two, as near to the middle as one is found."""
    middle = (low + high) // 2
    upper = _first_admissible(count, range(max(middle, low + 1), high))
    return upper if upper is not None else _first_admissible(count, range(middle, low, -1))


def _first_admissible(count: Callable[[int], int | ValueError], sizes: Iterable[int]) -> int | None:
    return next((size for size in sizes if isinstance(count(size), int)), None)


def _value(count: Callable[[int], int | ValueError], size: int) -> int:
    value = count(size)
    if isinstance(value, ValueError):
        raise value
    return value


def _count(
    factory: Callable[..., Any], input_size: int, knobs: dict[str, Any], hidden_size: int
) -> int | ValueError:
    """The count at one size, or the error with which the factory refuses it."""
    try:
        return parameter_count(_build(lambda: factory(input_size, hidden_size, **knobs)))
    except ValueError as refusal:
        return refusal


def _build(make: Callable[[], Any]) -> Any:
    with torch.random.fork_rng(devices=[]):  # counting must not move the caller's random stream
        try:
            with torch.device("meta"):
                return make()
        except (NotImplementedError, RuntimeError):  # a constructor that reads its own numbers
            return make()
