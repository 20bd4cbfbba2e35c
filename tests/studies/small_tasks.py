"""Tasks of seconds for tests of the trainer: one of each shape that a real task has."""

from __future__ import annotations

import numpy as np

from studies.core.batch import Batch
from studies.core.metric import (
    ACCURACY,
    BITS_PER_CHARACTER,
    MEAN_SQUARED_ERROR,
    cross_entropy,
    squared_error,
)
from studies.core.streams import stream
from studies.core.task import Features, Source, Task, Tokens


class Sums(Source):
    """Sums of short sequences whose lengths differ between rows, batches and replicates."""

    def __init__(self, batch_size=4, poison=None):
        self.input, self.output_size, self.decode = Features(2), 1, "last"
        self.examples_per_step, self.steps_per_epoch = batch_size, 5
        self.poison = poison

    def draw(self, generator):
        count = self.examples_per_step
        lengths = generator.integers(1, 7, count)
        inputs = generator.normal(size=(lengths.max(), count, 2))
        inputs *= (np.arange(len(inputs))[:, None] < lengths)[..., None]
        return Batch(inputs, inputs.sum((0, 2)), np.ones(count), lengths)

    def training(self, seed, step):
        batch = self.draw(stream(seed, "sums", step))
        if self.poison is not None and (seed, step) == self.poison:
            batch.targets[0] = np.inf
        return batch

    def evaluation(self, split):
        for part in range(2):
            yield self.draw(stream("sums", split, part))


class Windows(Source):
    """A stream of tokens in windows; the state goes on, some rows start afresh."""

    def __init__(self, batch_size=3):
        self.input, self.output_size, self.decode = Tokens(5), 5, "every"
        self.examples_per_step, self.steps_per_epoch = batch_size, 4

    def draw(self, generator, first, steps):
        count = self.examples_per_step
        tokens = generator.integers(0, 5, (steps + 1, count))
        fresh = generator.random(count) < (1.0 if first else 0.3)
        weights = np.ones((steps, count))
        weights[: steps // 2] = 0
        return Batch(tokens[:-1], tokens[1:], weights, None, fresh)

    def training(self, seed, step):
        steps = int(stream("windows", "length", step).integers(2, 6))
        return self.draw(stream(seed, "windows", step), step % 4 == 0, steps)

    def evaluation(self, split):
        for part in range(3):
            yield self.draw(stream("windows", split, part), part == 0, 4)


class SumsTask(Task):
    name, summary, paper = "sums", "sums", "none"
    metric, loss = MEAN_SQUARED_ERROR, staticmethod(squared_error)

    def __init__(self, poison=None):
        self.poison = poison

    def open(self, *, batch_size, **_):
        return Sums(batch_size, self.poison)

    def ignorance(self, _):
        return 1.0


class WindowsTask(Task):
    name, summary, paper = "windows", "windows", "none"
    metric, loss = BITS_PER_CHARACTER, staticmethod(cross_entropy)

    def open(self, *, batch_size, **_):
        return Windows(batch_size)

    def ignorance(self, _):
        return 2.32


class WordsTask(WindowsTask):
    metric = ACCURACY
