"""Rows between arrays and the scratch of a tile."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(forceinline=True, error_model="numpy")
def copy(target: Any, at: int, source: Any, begin: int, width: int) -> None:
    """``width`` values of ``source`` from ``begin`` to ``target`` at ``at``."""
    to, of = target[at : at + width], source[begin : begin + width]
    for j in range(width):
        to[j] = of[j]


@njit(forceinline=True, error_model="numpy")
def add(target: Any, at: int, source: Any, begin: int, width: int) -> None:
    """The same, added to what is there."""
    to, of = target[at : at + width], source[begin : begin + width]
    for j in range(width):
        to[j] += of[j]
