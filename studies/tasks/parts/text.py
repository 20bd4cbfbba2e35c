"""Text as a task: three splits of token ids, a source that reads them, and what word counts score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.core.batch import Batch
from studies.core.metric import cross_entropy
from studies.core.task import Source, Split, Task, Tokens
from studies.data.tokens import TokenSplits

Ids = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Text:
    """Ids of the three splits, the two held out led by the token before them, which is no target."""

    train: Ids
    validation: Ids
    test: Ids
    symbols: int

    @classmethod
    def of(cls, splits: TokenSplits, train_limit: int | None, evaluation_limit: int | None) -> Text:
        """``train_limit``: the first so many tokens of training; ``evaluation_limit``: of the other two."""
        valid = np.concatenate((splits.train[-1:], splits.valid[:evaluation_limit]))
        test = np.concatenate((splits.valid[-1:], splits.test[:evaluation_limit]))
        return cls(splits.train[:train_limit], valid, test, len(splits.vocabulary))


class TextSource(Source):
    """Tokens in, the next token out, at every step."""

    def __init__(self, text: Text, batch_size: int) -> None:
        self.text = text
        self.input, self.output_size, self.decode = Tokens(text.symbols), text.symbols, "every"
        self.examples_per_step = batch_size

    def held_out(self, split: Split) -> Ids:
        """The ids of a held-out split, led by the token before it."""
        return self.text.validation if split == "validation" else self.text.test


class TextTask(Task):
    """Predict the next token; see the registered tasks."""

    loss = staticmethod(cross_entropy)

    @abstractmethod
    def open(self, *, batch_size: int, folder: Path | None = None) -> TextSource:
        """Read the corpus."""

    def ignorance(self, source: Source) -> float:
        """The score of the training split's token frequencies, each count raised by one."""
        assert isinstance(source, TextSource)  # noqa: S101 - what open returned
        counts = np.bincount(source.text.train, minlength=source.text.symbols) + 1.0
        nats = -np.log(counts / counts.sum())
        return self.metric.finish(_weighted_mean(nats, source.evaluation("test")))


def _weighted_mean(nats: NDArray[np.float64], batches: Iterator[Batch]) -> float:
    total = weight = 0.0
    for batch in batches:
        total += float((nats[batch.targets] * batch.weights).sum())
        weight += float(batch.weights.sum())
    return total / weight
