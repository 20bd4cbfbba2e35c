"""The adding problem: the sum of two marked numbers, far apart in a sequence of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from studies.core.batch import Batch
from studies.core.metric import MEAN_SQUARED_ERROR, squared_error
from studies.core.registry import register
from studies.core.streams import stream
from studies.core.task import Features, Source, Split, Task

_EVALUATED_TOGETHER = 250


class AddingSource(Source):
    """Fresh examples at every step; two held-out sets of ``held_out`` examples."""

    def __init__(self, length: int, batch_size: int, held_out: int) -> None:
        self.length, self.held_out = length, held_out
        self.input, self.output_size, self.decode = Features(2), 1, "last"
        self.examples_per_step, self.steps_per_epoch = batch_size, None

    def _draw(self, generator: np.random.Generator, count: int) -> Batch:
        half = self.length // 2
        inputs = np.zeros((self.length, count, 2))
        numbers, marks = inputs[..., 0], inputs[..., 1]
        numbers[:] = generator.random((self.length, count))
        rows = np.arange(count)
        one, other = (
            generator.integers(0, half, count),
            generator.integers(half, self.length, count),
        )
        marks[one, rows] = marks[other, rows] = 1
        return Batch(inputs, numbers[one, rows] + numbers[other, rows], np.ones(count))

    def training(self, seed: int, step: int) -> Batch:
        """``examples_per_step`` new examples."""
        return self._draw(stream(seed, "adding", step), self.examples_per_step)

    def evaluation(self, split: Split) -> Iterator[Batch]:
        """The held-out examples; validation and test are different draws."""
        whole = self._draw(stream("adding", split, self.length), self.held_out)
        for start in range(0, self.held_out, _EVALUATED_TOGETHER):
            rows = slice(start, start + _EVALUATED_TOGETHER)
            yield Batch(whole.inputs[:, rows], whole.targets[rows], whole.weights[rows])


@register("adding")
class Adding(Task):
    """Numbers from U[0, 1], one mark in each half; the sum of the marked two after the last step.

    ``length``: T, at least 2 (paper: 100, 200, 400, 750); ``held_out``: examples of a held-out split (1,000).
    Raises ``ValueError`` for others.
    """

    name: ClassVar[str] = "adding"
    summary: ClassVar[str] = "sum of the two marked numbers in a sequence of T"
    paper: ClassVar[str] = "GATO section 5.3 (after Hochreiter and Schmidhuber 1997)"
    metric = MEAN_SQUARED_ERROR
    loss = staticmethod(squared_error)

    def __init__(self, length: int = 750, held_out: int = 1000) -> None:
        if length < 2 or held_out < 1:
            raise ValueError(
                "length: expected at least 2 steps, one for each mark, and held_out at least 1 example: "
                f"got length={length!r}, held_out={held_out!r}"
            )
        self.length, self.held_out = length, held_out

    def open(self, *, batch_size: int, folder: Path | None = None) -> AddingSource:  # noqa: ARG002
        """Nothing is read."""
        return AddingSource(self.length, batch_size, self.held_out)

    def ignorance(self, source: Source) -> float:
        """The squared error of always answering the expectation, 1; in the limit 1/6 = 0.167."""
        errors = [(batch.targets - 1) ** 2 for batch in source.evaluation("test")]
        return float(np.concatenate(errors).mean())
