"""Checks of constructor arguments, one grammar: expected, got, remedy."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any


def positive(**sizes: int) -> None:
    """Raise ``ValueError`` unless every named size is an integer of at least 1."""
    for name, value in sizes.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(
                f"{name}: expected an integer of at least 1, got {value!r}; pass a positive int"
            )


def within(name: str, value: float, low: float, high: float) -> None:
    """Raise ``ValueError`` unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise ValueError(
            f"{name}: expected a number from {low} to {high}, got {value!r}; "
            "both ends are included, choose one between them"
        )


def one_of(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        listed = ", ".join(repr(c) for c in choices)
        near = difflib.get_close_matches(
            str(value), [c for c in choices if isinstance(c, str)], n=1
        )
        remedy = f"did you mean {near[0]!r}?" if near else "pass one of those"
        raise ValueError(f"{name}: expected one of {listed}, got {value!r}; {remedy}")
