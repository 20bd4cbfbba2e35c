"""The order of examples: each once an epoch, those of like length together."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from studies.core.streams import stream

Rows = NDArray[np.intp]

# Batches that share their examples: enough to mix, few enough to keep padding small.
_BATCHES_PER_POOL = 4


class Epochs:
    """Which examples form the batch of a step.

    Examples are sorted by length and cut into batches, none larger than ``batch_size``, their sizes differing
    by at most one. Four neighbors form a pool, within which each seed and epoch draws its own order; where
    all lengths are equal, there is one pool. The order in which pools are visited does not depend on
    the seed, so that replicates side by side read batches of one length: that of the longest example of
    the pool. Assumed: no paper says how it forms batches.
    """

    def __init__(self, lengths: NDArray[np.int64], batch_size: int) -> None:
        self.steps = -(-len(lengths) // batch_size)
        order = np.argsort(lengths, kind="stable")
        chunks = np.array_split(order, self.steps)
        equal = lengths.min() == lengths.max()
        per_pool = self.steps if equal else _BATCHES_PER_POOL
        pools = [chunks[k : k + per_pool] for k in range(0, self.steps, per_pool)]
        self._pools = [np.concatenate(pool) for pool in pools]
        self._cuts = [np.cumsum([len(chunk) for chunk in pool])[:-1] for pool in pools]
        longest = [int(lengths[pool].max()) for pool in self._pools]
        self._lengths = np.repeat(longest, [len(pool) for pool in pools])
        # an epoch's order is asked for at each of its steps, by every replicate
        self._epoch = functools.lru_cache(maxsize=64)(self._draw)

    def batch(self, seed: int, step: int) -> tuple[Rows, int]:
        """The examples of training step ``step`` and the number of steps to pad them to."""
        epoch, place = divmod(step, self.steps)
        rows, visited = self._epoch(seed, epoch)
        which = int(visited[place])
        return rows[which], int(self._lengths[which])

    def _draw(self, seed: int, epoch: int) -> tuple[list[Rows], Rows]:
        generator = stream(seed, "order", epoch)
        rows = [
            batch
            for pool, cuts in zip(self._pools, self._cuts, strict=True)
            for batch in np.split(generator.permutation(pool), cuts)
        ]
        return rows, stream("order of batches", epoch).permutation(self.steps)
