"""How the kernels for networks of units are divided on a GPU, and what they are compiled for."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch

LANES = 32
"""A program is one warp: see :mod:`cells.fused.triton_unit_networks`."""
_PROGRAMS, _CHUNKS = 2**11, 16
"""16 warps for every multiprocessor of a large GPU; time is divided until there are as many."""
_SLICE_PROGRAMS, _SLICES = 2**10, 64
"""Fewer where every program writes sums of its own."""
_KEPT, _TILE = 8, {"forward": 4, "backward": 4, "sums": 8, "inputs": 8}
"""A kernel is compiled for that many inputs or fewer; more are walked in tiles of as many as that."""
WIDEST = max(_TILE.values())

Kernel = Literal["forward", "backward", "sums", "inputs"]


class Tiling(NamedTuple):
    """What a kernel is compiled for.

    ``units`` of a tile; ``points`` of a thread; ``hidden`` numbers at once; ``width`` inputs at once, and
    whether those are all, ``kept``.
    """

    units: int
    points: int
    hidden: int
    width: int
    kept: bool

    def arguments(self) -> dict[str, int]:
        """As the kernels call them."""
        given = {name.upper(): value for name, value in self._asdict().items()}
        return {**given, "EXAMPLES": self.examples}

    @property
    def examples(self) -> int:
        """How many of them a warp holds."""
        return LANES // self.units


class Division(NamedTuple):
    """How long each part is, but for the last, and how many there are."""

    length: int
    parts: int


def tiling(kernel: Kernel, units: int, inputs: int, hidden: int, dtype: torch.dtype) -> Tiling:
    """How to compile ``kernel``: as much in registers as they hold, so that a load serves many products.

    "sums" stands for those behind the gradients of the weights, "inputs" for the gradient of x.
    """
    tile = min(LANES, 1 << (units - 1).bit_length())
    kept = inputs <= _KEPT
    width = inputs if kept else _TILE[kernel]
    few = width <= 5
    points, most = {
        "forward": (8, 4) if few else (4, 8),
        "backward": (4, 8 if kept else 4),
        "sums": (2, 8 if width < 8 else 4),
        "inputs": (8 if few else 4, 4),
    }[kernel]
    if dtype == torch.float64:
        points, most = points // 2, most // 2
    at_once = next(one for one in (8, 4, 2, 1) if one <= most and hidden % one == 0)
    return Tiling(tile, points, at_once, width, kept)


def options(kernel: Kernel, how: Tiling, dtype: torch.dtype) -> dict[str, int]:
    """What Triton's compiler is told: one warp, and how many registers a thread may have.

    In float32 such that 16 warps share a multiprocessor, or 12 where most is to be held.
    """
    most = 168 if kernel == "sums" or not how.kept else 128
    most = 255 if dtype == torch.float64 else most
    return {"num_warps": LANES // 32, "num_stages": 1, "maxnreg": most}


def chunks(programs: int, steps: int, points: int) -> Division:
    """Of the steps, where there are that many ``programs`` for each.

    A chunk begins at zero and is corrected afterwards: no more of them than it takes to fill the device.
    """
    return _divided(steps, points, programs, _PROGRAMS, _CHUNKS)


def slices(programs: int, points: int, multiple: int) -> Division:
    """Of all points, where there are that many ``programs`` for each."""
    return _divided(points, multiple, programs, _SLICE_PROGRAMS, _SLICES)


def _divided(whole: int, multiple: int, programs: int, wanted: int, most: int) -> Division:
    parts = min(most, max(1, wanted // programs), -(-whole // multiple))
    each = -(-whole // (parts * multiple)) * multiple
    return Division(each, -(-whole // each))
