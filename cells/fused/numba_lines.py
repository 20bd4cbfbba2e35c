"""Lines of a kernel in Numba that walk over rows and tiles, and copy between arrays and a tile's scratch."""

from __future__ import annotations

from collections.abc import Sequence

LANES = 64
"""Units per tile: 256 bytes of float32."""


def row(*shared: str) -> list[str]:
    """The loop over rows; what may be ``shared`` by all replicates is read at a place of its own."""
    return [
        "    for row in range(first, last):",
        "        r, b = row // batch, row % batch",
        *(f"        {name}_r = r if {name}.shape[0] > 1 else 0" for name in shared),
    ]


def each_tile(indented: int) -> list[str]:
    """The loop over tiles."""
    lines = [
        "for k in range(tiles):",
        "    tile, begin = scratch[k], k * LANES",
        "    width = min(LANES, units - begin)",
    ]
    return [" " * indented + line for line in lines]


def into(row: int, which: int | Sequence[int], source: str, begin: str, indented: int) -> list[str]:
    """Lines that copy ``source`` into the tile, from ``row`` on; {k} in both texts counts."""
    every = range(which) if isinstance(which, int) else which
    return [
        " " * indented
        + f"copy(tile, {(row + k) * LANES}, {source.format(k=k)}, {begin.format(k=k)}, width)"
        for k in every
    ]


def soon(which: int | Sequence[int], source: str, begin: str, indented: int) -> list[str]:
    """Lines that ask for what :func:`into` will copy at the next step."""
    every = range(which) if isinstance(which, int) else which
    return [
        " " * indented + f"soon({source.format(k=k)}, {begin.format(k=k)}, width)" for k in every
    ]


def out_of(
    row: int, which: int | Sequence[int], target: str, begin: str, indented: int
) -> list[str]:
    """Lines that copy the tile, from ``row`` on, to ``target``."""
    every = range(which) if isinstance(which, int) else which
    return [
        " " * indented
        + f"copy({target.format(k=k)}, {begin.format(k=k)}, tile, {(row + k) * LANES}, width)"
        for k in every
    ]
