"""Lines of a kernel in Numba that walk over rows and tiles, and copy between arrays and a tile's scratch."""

from __future__ import annotations

from collections.abc import Sequence

LANES = 64
"""Units per tile: 256 bytes of float32."""


SLOTS = 8
"""Tiles that are walked through together: of several rows, where a row has fewer."""


def together(
    first: Sequence[str], step: Sequence[str], last: Sequence[str], loop: str, *shared: str
) -> list[str]:
    """The loops over groups of rows: over their tiles at ``first``, over time (``loop``), and at ``last``.

    A row of few units alone would wait for its own results, and for memory where its steps lie pages apart.
    The rows of a group belong to one replicate; what may be ``shared`` by all is read at a place of its own.
    """
    return [
        "    group = first",
        "    while group < last:",
        "        r, begin_row = group // batch, group % batch",
        "        rows = min(scratch.shape[0] // tiles, last - group, batch - begin_row)",
        *(f"        {name}_r = r if {name}.shape[0] > 1 else 0" for name in shared),
        *_each_tile(8),
        *first,
        f"        {loop}",
        *_each_tile(12),
        *step,
        *(_each_tile(8) if last else []),
        *last,
        "        group += rows",
    ]


def _each_tile(indented: int) -> list[str]:
    """The loop over the tiles of a group."""
    lines = [
        "for slot in range(tiles * rows):",
        "    k, b = slot % tiles, begin_row + slot // tiles",
        "    tile, begin = scratch[slot], k * LANES",
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
