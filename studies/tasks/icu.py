"""Intensive care: whether a stay lasts more than a week, from the vital signs of its first 48 hours."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from studies.baselines import majority_class_accuracy
from studies.core.batch import Batch
from studies.core.metric import ACCURACY, cross_entropy
from studies.core.registry import register
from studies.core.streams import stream
from studies.core.task import Features, Source, Task
from studies.data import read
from studies.data.corpora.mimic3 import LabelledStays
from studies.data.corpora.physionet2012 import SETS, PhysioNet2012
from studies.tasks.parts.examples import Examples, ExampleSource
from studies.tasks.parts.options import at_least_or_none, one_of
from studies.tasks.parts.ragged import Ragged

WEEK = 7  # days
CLASSES = 2


class Stays(Examples):
    """Stays as rows of V values, V indicators and the time; and whether they last long."""

    def __init__(self, series: Ragged, labels: NDArray[np.uint8]) -> None:
        self.series, self.labels, self.lengths = series, labels, series.lengths

    def first(self, count: int | None) -> Stays:
        """The first ``count`` stays; all for None. Rows of other stays are left out."""
        lengths = self.lengths[:count]
        starts = self.series.starts[:count]
        rows = self.series.values[: int((starts + lengths).max())]
        return Stays(Ragged(rows, starts, lengths), self.labels[:count])

    def batch(self, rows: NDArray[Any], steps: int) -> Batch:
        """Inputs (steps, rows, 2V + 1)."""
        labels = self.labels[rows].astype(np.int64)
        inputs = self.series.gathered(rows, steps)
        return Batch(inputs, labels, np.ones(len(rows)), self.lengths[rows])


class Scale(NamedTuple):
    """Means and deviations (2V + 1,) by which features are standardized."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Scale:
        """Of each vital sign where it was measured, and of the times; indicators stay."""
        vitals = features.shape[1] // 2
        there = features[:, vitals:-1] > 0
        mean = np.zeros(features.shape[1])
        deviation = np.ones(features.shape[1])
        for column in range(vitals):
            _fit(features[there[:, column], column], mean, deviation, column)
        _fit(features[:, -1], mean, deviation, -1)
        return cls(mean, deviation)

    def applied(self, stays: Stays) -> Stays:
        """``stays`` with standardized values and times; what is missing stays 0, now the mean."""
        features = stays.series.values
        vitals = features.shape[1] // 2
        scaled = ((features - self.mean) / self.deviation).astype(np.float32)
        scaled[:, :vitals] *= features[:, vitals:-1]
        series = Ragged(scaled, stays.series.starts, stays.series.lengths)
        return Stays(series, stays.labels)


def _fit(
    values: NDArray[np.float32],
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    column: int,
) -> None:
    if len(values):
        mean[column] = values.mean(dtype=np.float64)
        deviation[column] = values.std(dtype=np.float64) or 1.0


class IcuTask(Task):
    """One decision after the last measurement of a stay: does it last more than seven days?

    A step is a time at which something was measured: the vital signs, 0 where missing, an indicator for each,
    and the time in hours. ``standardize``: subtract the training split's mean of each vital sign where
    it was measured, and of the time, and divide by the deviation (assumed: the paper names no scaling,
    and unscaled values would saturate its tanh). ``train_limit``: the first so many training stays. Raises
    ``ValueError`` for others.
    """

    metric = ACCURACY
    loss = staticmethod(cross_entropy)
    standardize: bool
    train_limit: int | None

    def _options(self, train_limit: int | None, *, standardize: bool) -> None:
        at_least_or_none(1, train_limit=train_limit)
        if not isinstance(standardize, bool):
            raise ValueError(f"standardize: expected true or false, got {standardize!r}; change it")  # noqa: TRY004
        self.standardize, self.train_limit = standardize, train_limit

    @abstractmethod
    def splits(self, folder: Path | None) -> tuple[Stays, Stays, Stays]:
        """Read the corpus: training, validation, test."""

    def open(self, *, batch_size: int, folder: Path | None = None) -> ExampleSource:
        """Read the corpus and standardize it."""
        train, valid, test = self.splits(folder)
        train = train.first(self.train_limit)
        if self.standardize:
            scale = Scale.of(train.series.values)
            train, valid, test = (scale.applied(stays) for stays in (train, valid, test))
        return ExampleSource(
            train,
            {"validation": valid, "test": test},
            reads=Features(train.series.values.shape[1]),
            output_size=CLASSES,
            decode="last",
            batch_size=batch_size,
        )

    def ignorance(self, source: Source) -> float:
        """Percent of the test stays that are of the more frequent kind of training."""
        assert isinstance(source, ExampleSource)  # noqa: S101 - what open returned
        train, test = source.train, source.held_out["test"]
        assert isinstance(train, Stays)  # noqa: S101
        assert isinstance(test, Stays)  # noqa: S101
        return 100 * majority_class_accuracy(train.labels, test.labels)


@register("icu-mimic3")
class IcuMimic3(IcuTask):
    """MIMIC-III in the paper's layout: 12 vital signs, 12 indicators, the time; 43,000 / 5,106 / 5,105 stays.

    The file is the user's own, see :mod:`studies.data.corpora.mimic3`; its order decides the split. Options:
    see :class:`IcuTask`.
    """

    name: ClassVar[str] = "icu-mimic3"
    summary: ClassVar[str] = "MIMIC-III, does a stay last more than a week"
    paper: ClassVar[str] = "GATO section 5.4 and appendix C.1"
    corpus: ClassVar[str | None] = "mimic3"

    def __init__(self, *, standardize: bool = True, train_limit: int | None = None) -> None:
        self._options(train_limit, standardize=standardize)

    def splits(self, folder: Path | None) -> tuple[Stays, Stays, Stays]:
        """As the file has them."""
        data = read("mimic3", folder)
        return _joined(data.train), _joined(data.valid), _joined(data.test)


def _joined(stays: LabelledStays) -> Stays:
    real = np.arange(stays.vitals.shape[1]) < stays.lengths[:, None]
    starts = np.cumsum(stays.lengths) - stays.lengths
    return Stays(Ragged(stays.vitals[real], starts, stays.lengths), stays.labels)


@register("icu-physionet2012")
class IcuPhysioNet2012(IcuTask):
    """PhysioNet 2012, an open stand-in: 11 vital signs, 11 indicators, the time. No result on MIMIC-III.

    Stays of unknown length and those without one vital sign are left out. ``split`` of the 12,000:
    "80-10-10", 9,600 / 1,200 / 1,200 drawn once and for all (assumed: near GATO's proportions), or "sets",
    the challenge's a, b and c of 4,000. Other options: see :class:`IcuTask`.
    """

    name: ClassVar[str] = "icu-physionet2012"
    summary: ClassVar[str] = "PhysioNet 2012, does a stay last more than a week; not MIMIC-III"
    paper: ClassVar[str] = "none; the task is that of GATO section 5.4, on other patients"
    corpus: ClassVar[str | None] = "physionet2012"

    def __init__(
        self, *, split: str = "80-10-10", standardize: bool = True, train_limit: int | None = None
    ) -> None:
        one_of(("80-10-10", "sets"), split=split)
        self._options(train_limit, standardize=standardize)
        self.split = split

    def splits(self, folder: Path | None) -> tuple[Stays, Stays, Stays]:
        """By stay or by set."""
        data = read("physionet2012", folder)
        sizes = [len(getattr(data, one)) for one in SETS]
        rows = np.arange(sum(sizes))
        cuts = np.cumsum(sizes)[:-1]
        if self.split == "80-10-10":
            rows = stream("icu-physionet2012", "split").permutation(rows)
            cuts = np.array([len(rows) * 8 // 10, len(rows) * 9 // 10])
        train, valid, test = (_known(data, part) for part in np.split(rows, cuts))
        return train, valid, test


def _known(data: PhysioNet2012, rows: NDArray[np.int64]) -> Stays:
    """The stays ``rows`` of the three sets in a row that have a length of stay and a measurement."""
    sets = [getattr(data, one) for one in SETS]
    days = np.concatenate([one.length_of_stay for one in sets])
    lengths = np.concatenate([np.diff(one.starts) for one in sets])
    ends = np.cumsum(lengths)
    rows = rows[(days[rows] >= 0) & (lengths[rows] > 0)]
    values = np.concatenate([one.values for one in sets])
    times = np.concatenate([one.times for one in sets])
    there = np.isfinite(values)
    features = np.concatenate((np.where(there, values, 0), there, times[:, None]), axis=1)
    # joined anew, so that statistics of a split are those of its rows alone
    chosen = [np.arange(ends[row] - lengths[row], ends[row]) for row in rows]
    series = Ragged(
        features[np.concatenate(chosen)].astype(np.float32),
        np.cumsum(lengths[rows]) - lengths[rows],
        lengths[rows],
    )
    return Stays(series, (days[rows] > WEEK).astype(np.uint8))
