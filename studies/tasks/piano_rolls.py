"""Polyphonic music: predict the notes of a frame from the frames before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from studies.baselines import RRU_BATCH, RRU_WINDOW, frame_nll, note_frequencies
from studies.core.batch import Batch
from studies.core.metric import NLL_NATS, bernoulli_nll
from studies.core.registry import register
from studies.core.task import Features, Source, Task
from studies.data import read
from studies.tasks.parts.examples import Examples, ExampleSource
from studies.tasks.parts.options import at_least_or_none, one_of
from studies.tasks.parts.ragged import Ragged

NOTES = 88
AVERAGING = ("pooled", "targets", "windows")

Pieces = Sequence[NDArray[np.uint8]]


class Frames(Examples):
    """Stretches of pieces: frame by frame is read, the next one is the target. All frames count alike."""

    def __init__(self, rolls: Ragged) -> None:
        self.rolls, self.lengths = rolls, rolls.lengths

    def batch(self, rows: NDArray[Any], steps: int) -> Batch:
        """Inputs and targets (steps, rows, 88); weight 0 on padding."""
        return Batch(
            self.rolls.gathered(rows, steps).astype(np.float32),
            self.rolls.gathered(rows, steps, 1).astype(np.float32),
            self.weights(rows, steps),
            self.lengths[rows],
        )

    def weights(self, rows: NDArray[Any], steps: int) -> NDArray[np.float64]:
        """1 on each real frame."""
        ones: NDArray[np.float64] = self.rolls.real(rows, steps).astype(np.float64)
        return ones


class Windows(Frames):
    """Stretches that count alike, each by the mean over its frames."""

    def weights(self, rows: NDArray[Any], steps: int) -> NDArray[np.float64]:
        """1 / length on each real frame."""
        weights: NDArray[np.float64] = super().weights(rows, steps) / self.lengths[rows]
        return weights

    def in_order(self) -> Iterator[Batch]:
        """Batches of 16 in the order of the pieces, the last with the remainder; all count alike."""
        count = max(len(self.lengths) // RRU_BATCH, 1)
        for k in range(count):
            end = len(self.lengths) if k == count - 1 else (k + 1) * RRU_BATCH
            rows = np.arange(k * RRU_BATCH, end)
            batch = self.batch(rows, int(self.lengths[rows].max()))
            yield batch._replace(weights=batch.weights / len(rows))


def stretches(pieces: Pieces, window: int | None, stride: int | None) -> Ragged:
    """Every stretch of at most ``window`` targets that begins at a multiple of ``stride`` in a piece.

    None for both: the whole piece. A piece's first frame is an input only.
    """
    ends = np.cumsum([len(piece) for piece in pieces])
    starts, lengths = [], []
    for end, piece in zip(ends, pieces, strict=True):
        targets = len(piece) - 1
        begin = np.arange(0, targets, stride or max(targets, 1))
        starts.append(begin + end - len(piece))
        lengths.append(np.minimum(targets - begin, window or targets))
    return Ragged(np.concatenate(pieces), np.concatenate(starts), np.concatenate(lengths))


class PianoRollSource(ExampleSource):
    """The stretches of three splits. ``frequencies``: (88,), how often each note sounds in training."""

    def __init__(
        self,
        train: Frames,
        valid: Frames,
        test: Frames,
        batch_size: int,
        frequencies: NDArray[np.float64],
    ) -> None:
        super().__init__(
            train,
            {"validation": valid, "test": test},
            reads=Features(NOTES),
            output_size=NOTES,
            decode="every",
            batch_size=batch_size,
        )
        self.frequencies = frequencies


class PianoRollTask(Task):
    """88 independent notes per frame; the score is in nats per frame, summed over notes.

    ``averaging`` of the score over frames, and with it how pieces are read:

    - "pooled": the mean over all frames of all pieces, as Boulanger-Lewandowski et al. (2012) average.
      Pieces are read whole; an empty frame stands before the first, which is predicted too.
    - "targets": the same without the first frame of a piece, as ``locuslab/TCN`` scores (its training loss
      is the sum over a piece; here it is the mean over a batch).
    - "windows": as the RRU paper's code. Empty frames are dropped; pieces are cut into windows of 200,
      100 apart for training and 200 apart else, the rest of a piece being a shorter window; each window
      begins at the initial state and counts by its own mean, and all batches of 16 windows count alike.

    ``window``: None for the paper's. With "windows", another length, which trains half as far apart; with the
    others, training reads stretches of at most so many frames instead of whole pieces, each from the initial
    state, while evaluation stays whole. ``train_limit``: the first so many pieces of the training split.
    Raises ``ValueError`` for others.
    """

    paper: ClassVar[str] = "RRU section 4.1 (after Boulanger-Lewandowski et al. 2012)"
    metric = NLL_NATS
    loss = staticmethod(bernoulli_nll)

    def __init__(
        self, averaging: str = "pooled", window: int | None = None, train_limit: int | None = None
    ) -> None:
        one_of(AVERAGING, averaging=averaging)
        at_least_or_none(2, window=window)
        at_least_or_none(1, train_limit=train_limit)
        self.averaging, self.window, self.train_limit = averaging, window, train_limit

    def open(self, *, batch_size: int, folder: Path | None = None) -> PianoRollSource:
        """Read the corpus."""
        rolls = read(self.corpus or "", folder)
        train = self._prepared(rolls.train[: self.train_limit])
        valid, test = self._prepared(rolls.valid), self._prepared(rolls.test)
        kind: type[Frames] = Frames
        window, stride, evaluated = self.window, self.window, None
        if self.averaging == "windows":
            kind = Windows
            window = evaluated = self.window or RRU_WINDOW
            stride = window // 2
        return PianoRollSource(
            kind(stretches(train, window, stride)),
            kind(stretches(valid, evaluated, evaluated)),
            kind(stretches(test, evaluated, evaluated)),
            batch_size,
            note_frequencies(rolls.train[: self.train_limit]),
        )

    def _prepared(self, pieces: Pieces) -> Pieces:
        if self.averaging == "windows":
            pieces = [piece[piece.any(axis=1)] for piece in pieces]
        elif self.averaging == "pooled":
            pieces = [np.pad(piece, ((1, 0), (0, 0))) for piece in pieces]
        return pieces

    def ignorance(self, source: Source) -> float:
        """The score of the training frames' note frequencies, the empty frames included."""
        assert isinstance(source, PianoRollSource)  # noqa: S101 - what open returned
        total = weight = 0.0
        for batch in source.evaluation("test"):
            frames = batch.targets.reshape(-1, NOTES)
            nll = frame_nll(source.frequencies, frames).reshape(batch.weights.shape)
            total += float((nll * batch.weights).sum())
            weight += float(batch.weights.sum())
        return total / weight


@register("jsb-chorales")
class JsbChorales(PianoRollTask):
    """Bach's chorales: 229 / 76 / 77 pieces, at most 160 frames long; see :class:`PianoRollTask`."""

    name: ClassVar[str] = "jsb-chorales"
    summary: ClassVar[str] = "Bach's chorales, the next frame of notes"
    corpus: ClassVar[str | None] = "jsb-chorales"


@register("nottingham")
class Nottingham(PianoRollTask):
    """Folk tunes: 694 / 173 / 170 pieces, at most 1,793 frames long; see :class:`PianoRollTask`."""

    name: ClassVar[str] = "nottingham"
    summary: ClassVar[str] = "folk tunes, the next frame of notes"
    corpus: ClassVar[str | None] = "nottingham"


@register("musedata")
class MuseData(PianoRollTask):
    """Orchestras and pianos: 524 / 135 / 124 pieces, at most 4,273 frames; see :class:`PianoRollTask`."""

    name: ClassVar[str] = "musedata"
    summary: ClassVar[str] = "orchestral and piano music, the next frame of notes"
    corpus: ClassVar[str | None] = "musedata"


@register("piano-midi")
class PianoMidi(PianoRollTask):
    """Classical piano music: 87 / 12 / 25 pieces, at most 3,857 frames long; see :class:`PianoRollTask`."""

    name: ClassVar[str] = "piano-midi"
    summary: ClassVar[str] = "classical piano music, the next frame of notes"
    corpus: ClassVar[str | None] = "piano-midi"
