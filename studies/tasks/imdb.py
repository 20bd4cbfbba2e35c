"""IMDB: whether a film review is positive."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studies.baselines import majority_class_accuracy
from studies.core.batch import Batch
from studies.core.metric import ACCURACY, cross_entropy
from studies.core.registry import register
from studies.core.task import Source, Task, Tokens
from studies.data import read
from studies.data.corpora.imdb import OUT_OF_VOCABULARY, limited
from studies.data.corpora.imdb import Reviews as Corpus
from studies.tasks.parts.examples import Examples, ExampleSource
from studies.tasks.parts.options import at_least, at_least_or_none
from studies.tasks.parts.ragged import Ragged

HELD_OUT = 5000
CLASSES = 2


class Reviews(Examples):
    """Reviews as words, 0 after the last; and what they are, 1 for positive."""

    def __init__(self, words: Ragged, labels: NDArray[np.uint8]) -> None:
        self.words, self.labels, self.lengths = words, labels, words.lengths

    def batch(self, rows: NDArray[Any], steps: int) -> Batch:
        """Inputs (steps, rows)."""
        labels = self.labels[rows].astype(np.int64)
        inputs = self.words.gathered(rows, steps)
        return Batch(inputs, labels, np.ones(len(rows)), self.lengths[rows])


@register("imdb")
class Imdb(Task):
    """Film reviews, positive or negative; one decision after the last word of each.

    ``length``: the last so many words of a review are read (500, the paper's text; its table 5 says 512).
    Padding stands at the end and no decision sees it. ``vocabulary``: ids below it are kept, Keras' three
    reserved ones included, others are the unknown word (10,000, the paper's text; the code as published
    has 24,902). ``smoothing``: of the labels in the training loss (0.1, the authors' code). The last 5,000
    training reviews are the validation split as in the paper, but in the order of
    :class:`studies.data.corpora.imdb.Imdb`, since Keras' cannot be had from the reviews. ``train_limit``: the
    first so many of the 20,000 training reviews; ``evaluation_limit``: of each held-out split. Raises
    ``ValueError`` for others.
    """

    name: ClassVar[str] = "imdb"
    summary: ClassVar[str] = "film reviews, positive or negative"
    paper: ClassVar[str] = "RRU section 4.1 and code (corpus of Maas et al. 2011)"
    corpus: ClassVar[str | None] = "imdb"
    metric = ACCURACY

    def __init__(
        self,
        length: int = 500,
        vocabulary: int = 10_000,
        smoothing: float = 0.1,
        train_limit: int | None = None,
        evaluation_limit: int | None = None,
    ) -> None:
        at_least(1, length=length)
        at_least(OUT_OF_VOCABULARY + 1, vocabulary=vocabulary)
        at_least_or_none(1, train_limit=train_limit, evaluation_limit=evaluation_limit)
        if not (isinstance(smoothing, int | float) and 0 <= smoothing < 1):
            raise ValueError(
                f"smoothing: expected a number of at least 0 and below 1, got {smoothing!r}; change it"
            )
        self.length, self.vocabulary, self.smoothing = length, vocabulary, smoothing
        self.train_limit, self.evaluation_limit = train_limit, evaluation_limit
        self.loss = self._smoothed

    def _smoothed(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy to (1 − smoothing) of the label and smoothing / 2 of each class."""
        uniform = torch.logsumexp(outputs, -1) - outputs.mean(-1)
        return (1 - self.smoothing) * cross_entropy(outputs, targets) + self.smoothing * uniform

    def open(self, *, batch_size: int, folder: Path | None = None) -> ExampleSource:
        """Read the corpus."""
        data = read("imdb", folder)
        count = len(data.train)
        train = count - min(HELD_OUT, count // 2)
        last = min(train, self.train_limit or train)
        most = self.evaluation_limit
        return ExampleSource(
            self._reviews(data.train, slice(0, last)),
            {
                "validation": self._reviews(data.train, slice(train, most and train + most)),
                "test": self._reviews(data.test, slice(0, most)),
            },
            reads=Tokens(self.vocabulary),
            output_size=CLASSES,
            decode="last",
            batch_size=batch_size,
        )

    def _reviews(self, corpus: Corpus, part: slice) -> Reviews:
        ends = corpus.starts[1:]
        lengths = np.minimum(np.diff(corpus.starts), self.length)
        words = Ragged(limited(corpus.ids, self.vocabulary), (ends - lengths)[part], lengths[part])
        return Reviews(words, corpus.labels[part])

    def ignorance(self, source: Source) -> float:
        """Percent of the test reviews that are of the more frequent kind of training."""
        assert isinstance(source, ExampleSource)  # noqa: S101 - what open returned
        train, test = source.train, source.held_out["test"]
        assert isinstance(train, Reviews)  # noqa: S101
        assert isinstance(test, Reviews)  # noqa: S101
        return 100 * majority_class_accuracy(train.labels, test.labels)
