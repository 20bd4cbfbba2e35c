"""MNIST as a sequence: an image row by row or pixel by pixel, in order or permuted; then its digit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from studies.baselines import majority_class_accuracy
from studies.core.batch import Batch
from studies.core.metric import ACCURACY, cross_entropy
from studies.core.registry import register
from studies.core.task import Features, Source, Task
from studies.data import read
from studies.tasks.parts.examples import Examples, ExampleSource
from studies.tasks.parts.options import at_least_or_none, one_of

SIDE = 28
PIXELS = SIDE * SIDE
HELD_OUT = 10_000
PERMUTATIONS = ("none", "rru", "bit-reversal", "92916")


def permutation(name: str) -> NDArray[np.intp]:
    """Which of the 784 pixels is read at each place.

    "rru": ``RandomState(0).permutation(784)``, of the RRU paper's code (its text says that the pixels of each
    row are permuted, the code permutes all); "92916": the same with that seed, as in other work after
    Le et al. (2015); "bit-reversal": the numbers whose ten bits, read backward, rise, as in Gu et
    al.'s later code; "none". They are different tasks.
    """
    if name == "none":
        return np.arange(PIXELS)
    if name == "bit-reversal":
        bits = np.arange(10)
        numbers = np.arange(1 << 10)
        backward: NDArray[np.intp] = ((numbers[:, None] >> bits & 1) << bits[::-1]).sum(axis=1)
        return backward[backward < PIXELS]
    seed = {"rru": 0, "92916": 92916}[name]
    # the legacy generator, since the permutation itself is the convention
    return np.random.RandomState(seed).permutation(PIXELS)


class Images(Examples):
    """Images ``uint8`` (count, steps, features), already permuted, and their digits."""

    def __init__(self, images: NDArray[np.uint8], digits: NDArray[np.uint8]) -> None:
        self.images, self.digits = images, digits
        self.lengths = np.full(len(images), images.shape[1])

    def batch(self, rows: NDArray[Any], steps: int) -> Batch:  # noqa: ARG002
        """Inputs (steps, rows, features) from 0 to 1."""
        inputs = self.images[rows].transpose(1, 0, 2).astype(np.float32) / 255
        return Batch(inputs, self.digits[rows].astype(np.int64), np.ones(len(rows)))


class Mnist(Task):
    """The digit of an image after its last row (28 steps of 28) or pixel (784 steps of 1), ten classes.

    Pixels are divided by 255 and not standardized, and the last 10,000 training images are the validation
    split, both as in the RRU paper's code. ``permutation``: "none", "rru", "bit-reversal" or "92916", see
    :func:`permutation`; always of all 784 pixels, also where rows are read. ``train_limit``: the first
    so many of the 50,000 training images; ``evaluation_limit``: of each held-out split. Raises ``ValueError``
    for others.
    """

    paper: ClassVar[str] = "RRU section 4.1 (after Le et al. 2015)"
    corpus: ClassVar[str | None] = "mnist"
    features: ClassVar[int]
    metric = ACCURACY
    loss = staticmethod(cross_entropy)

    def __init__(
        self,
        permutation: str | int | None = "none",
        train_limit: int | None = None,
        evaluation_limit: int | None = None,
    ) -> None:
        # a command line reads 92916 as a number and none as None
        self.permutation = "none" if permutation is None else str(permutation)
        one_of(PERMUTATIONS, permutation=self.permutation)
        at_least_or_none(1, train_limit=train_limit, evaluation_limit=evaluation_limit)
        self.train_limit, self.evaluation_limit = train_limit, evaluation_limit

    def open(self, *, batch_size: int, folder: Path | None = None) -> ExampleSource:
        """Read the corpus and permute every image once."""
        data = read(self.corpus or "", folder)
        order = permutation(self.permutation)
        images, test_images = (
            one.reshape(len(one), PIXELS)[:, order].reshape(len(one), -1, self.features)
            for one in (data.train_images, data.test_images)
        )
        digits = data.train_labels
        held_out = min(HELD_OUT, len(images) // 2)
        train = slice(0, len(images) - held_out)
        limited, evaluated = slice(0, self.train_limit), slice(0, self.evaluation_limit)
        return ExampleSource(
            Images(images[train][limited], digits[train][limited]),
            {
                "validation": Images(
                    images[train.stop :][evaluated], digits[train.stop :][evaluated]
                ),
                "test": Images(test_images[evaluated], data.test_labels[evaluated]),
            },
            reads=Features(self.features),
            output_size=10,
            decode="last",
            batch_size=batch_size,
        )

    def ignorance(self, source: Source) -> float:
        """Percent of the test digits that are the most frequent one of training."""
        assert isinstance(source, ExampleSource)  # noqa: S101 - what open returned
        train, test = source.train, source.held_out["test"]
        assert isinstance(train, Images)  # noqa: S101
        assert isinstance(test, Images)  # noqa: S101
        return 100 * majority_class_accuracy(train.digits, test.digits)


@register("mnist-rows")
class MnistRows(Mnist):
    """28 steps of 28 pixels; see :class:`Mnist`."""

    name: ClassVar[str] = "mnist-rows"
    summary: ClassVar[str] = "handwritten digits, row by row"
    features: ClassVar[int] = SIDE


@register("permuted-mnist-rows", permutation="rru")
class PermutedMnistRows(MnistRows):
    """28 steps of 28 pixels from anywhere, by default in RRU's order; see :class:`Mnist`."""

    name: ClassVar[str] = "permuted-mnist-rows"
    summary: ClassVar[str] = "handwritten digits, 28 steps of 28 permuted pixels"


@register("mnist-pixels")
class MnistPixels(Mnist):
    """784 steps of one pixel; see :class:`Mnist`."""

    name: ClassVar[str] = "mnist-pixels"
    summary: ClassVar[str] = "handwritten digits, pixel by pixel (sequential MNIST)"
    features: ClassVar[int] = 1


@register("permuted-mnist-pixels", permutation="rru")
class PermutedMnistPixels(MnistPixels):
    """784 steps of one pixel, by default in RRU's order; see :class:`Mnist`."""

    name: ClassVar[str] = "permuted-mnist-pixels"
    summary: ClassVar[str] = "handwritten digits, pixel by pixel in a permuted order"
