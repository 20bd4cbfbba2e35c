"""A source of separate examples: each begins at the initial state, and an epoch holds each once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from studies.core.batch import Batch
from studies.core.task import Features, Source, Split, Tokens
from studies.tasks.parts.epochs import Epochs

_EVALUATED_TOGETHER = 128


class Examples(ABC):
    """A set of examples. ``lengths``: (count,), the real steps of each."""

    lengths: NDArray[np.int64]

    @abstractmethod
    def batch(self, rows: NDArray[Any], steps: int) -> Batch:
        """The examples ``rows``, padded to ``steps``."""

    def in_order(self) -> Iterator[Batch]:
        """Every example once, by length, so that little is padding."""
        order = np.argsort(self.lengths, kind="stable")
        for start in range(0, len(order), _EVALUATED_TOGETHER):
            rows = order[start : start + _EVALUATED_TOGETHER]
            yield self.batch(rows, int(self.lengths[rows].max()))


class ExampleSource(Source):
    """Training in the order of :class:`Epochs`, evaluation in that of ``Examples.in_order``."""

    def __init__(
        self,
        train: Examples,
        held_out: Mapping[Split, Examples],
        *,
        reads: Tokens | Features,
        output_size: int,
        decode: Literal["every", "last"],
        batch_size: int,
    ) -> None:
        self.train, self.held_out = train, held_out
        self.input, self.output_size, self.decode = reads, output_size, decode
        self.epochs = Epochs(train.lengths, batch_size)
        self.examples_per_step, self.steps_per_epoch = batch_size, self.epochs.steps

    def training(self, seed: int, step: int) -> Batch:
        """At most ``examples_per_step`` examples, in the seed's own order."""
        return self.train.batch(*self.epochs.batch(seed, step))

    def evaluation(self, split: Split) -> Iterator[Batch]:
        """Every held-out example once."""
        return self.held_out[split].in_order()
