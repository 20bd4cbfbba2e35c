"""Sequences of many lengths, joined; batches of them are gathered and padded with zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Ragged:
    """Sequence i is ``values[starts[i] : starts[i] + lengths[i]]``; sequences may overlap.

    ``values``: (N, …); ``starts``, ``lengths``: (count,), each length at least 1.
    """

    values: NDArray[Any]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def first(self, count: int | None) -> Ragged:
        """The first ``count`` sequences; all for None."""
        return Ragged(self.values, self.starts[:count], self.lengths[:count])

    def real(self, rows: NDArray[Any], steps: int) -> NDArray[np.bool_]:
        """Which steps of the sequences ``rows`` are real, (``steps``, rows)."""
        inside: NDArray[np.bool_] = np.arange(steps)[:, None] < self.lengths[rows]
        return inside

    def gathered(self, rows: NDArray[Any], steps: int, shift: int = 0) -> NDArray[Any]:
        """(``steps``, rows, …): what stands ``shift`` places after each step; 0 where no step is real."""
        real = self.real(rows, steps)
        places = self.starts[rows] + np.arange(steps)[:, None] + shift
        found: NDArray[Any] = self.values[np.where(real, places, 0)]
        found[~real] = 0
        return found
