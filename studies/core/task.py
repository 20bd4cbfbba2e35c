"""What a task is: named, with options and a metric; opened, a source of batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from torch import Tensor

from studies.core.batch import Batch
from studies.core.metric import Metric

Split = Literal["validation", "test"]


@dataclass(frozen=True)
class Tokens:
    """Inputs are integers below ``count``: the model embeds them."""

    count: int


@dataclass(frozen=True)
class Features:
    """Inputs are vectors of ``size`` numbers."""

    size: int


class Source(ABC):
    """An opened task: batches for training and evaluation, all pure functions of their arguments.

    Nothing is advanced by reading, so that replicates do not disturb each other and a resumed run sees what
    an uninterrupted one would have seen.
    """

    input: Tokens | Features
    output_size: int
    decode: Literal["every", "last"]
    """Whether a prediction is made at every step or one after the last."""
    examples_per_step: int
    steps_per_epoch: int | None
    """None where examples are drawn anew for ever."""

    @abstractmethod
    def training(self, seed: int, step: int) -> Batch:
        """The batch of training step ``step`` (from 0) of the replicate with this ``seed``."""

    @abstractmethod
    def evaluation(self, split: Split) -> Iterator[Batch]:
        """The batches of a held-out split, the same for every replicate, in order."""


class Task(ABC):
    """A task with its options fixed. Options are the keyword arguments of the constructor.

    ``name`` is the registry's key; ``summary`` one line; ``paper`` where the task is described; ``corpus``
    the name of the data it reads, None for generated ones.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]
    corpus: ClassVar[str | None] = None
    metric: Metric
    loss: Callable[[Tensor, Tensor], Tensor]
    """Per prediction, (…, K) and targets to (…): what training lowers the weighted mean of."""

    @abstractmethod
    def open(self, *, batch_size: int, folder: Path | None = None) -> Source:
        """Read or prepare the data; ``folder``: where corpora lie, default $DESIDERATA_DATA.

        Raises :class:`~studies.core.errors.StudyError` where data are missing or wrong.
        """

    @abstractmethod
    def ignorance(self, source: Source) -> float:
        """What a model that ignores the past scores on the test split, computed from the data."""
