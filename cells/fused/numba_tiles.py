"""Rows between arrays and the scratch of a tile."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from cells.fused.numba_apart import part

LINE = 64
"""Bytes that come from memory at once."""


@njit(forceinline=True, error_model="numpy")
def aligned(tiles: int, values: int, like: Any) -> Any:
    """Zeros (tiles, values) that begin with a line, since wide instructions across two take twice as long."""
    spare = LINE // like.itemsize
    memory = np.zeros(tiles * values + spare, like.dtype)
    skipped = (-memory.ctypes.data % LINE) // like.itemsize
    return memory[skipped : skipped + tiles * values].reshape((tiles, values))


@part  # type: ignore[untyped-decorator]
def copy(target: Any, at: int, source: Any, begin: int, width: int) -> None:
    """``width`` values of ``source`` from ``begin`` to ``target`` at ``at``."""
    to, of = target[at : at + width], source[begin : begin + width]
    for j in range(width):
        to[j] = of[j]


@part  # type: ignore[untyped-decorator]
def add(target: Any, at: int, source: Any, begin: int, width: int) -> None:
    """The same, added to what is there."""
    to, of = target[at : at + width], source[begin : begin + width]
    for j in range(width):
        to[j] += of[j]


def _typed_prefetch(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - Numba's protocol
    """Ask for the line at an address, which need not be one of ours: nothing is read yet."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        byte, number = ir.IntType(8), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte.as_pointer()], kind)
        place = builder.inttoptr(arguments[0], byte.as_pointer())
        # into the second cache: rows lie powers of two apart, and would push each other out of the first
        read, second, data = number(0), number(2), number(1)
        builder.call(function, [place, read, second, data])
        return context.get_dummy_value()

    return types.void(types.uintp), emit


_prefetch: Any = intrinsic(_typed_prefetch)


@part  # type: ignore[untyped-decorator]
def soon(source: Any, begin: int, width: int) -> None:
    """``width`` values of ``source`` from ``begin`` will be read: have them brought."""
    size = source.itemsize
    address = source.ctypes.data + begin * size
    for place in range(0, width * size, LINE):
        _prefetch(address + place)
