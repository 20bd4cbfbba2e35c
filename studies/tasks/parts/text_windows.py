"""Text in windows as the RRU paper's code reads and scores it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from studies.core.batch import Batch
from studies.core.errors import StudyError
from studies.core.streams import stream
from studies.core.task import Split
from studies.tasks.parts.epochs import Epochs
from studies.tasks.parts.text import Ids, Text, TextSource

RESET = 0.1

_MOST_LOGITS = 1 << 24
_MOST_ROWS = 256


class TextWindows(TextSource):
    """Windows of ``window`` tokens.

    Training without ``stateful``: windows half a window apart, shuffled, each from the initial state. With
    it: windows one after the other in as many streams as ``batch_size``, the state going on, and with
    probability 0.1 all streams begin afresh; the tokens that fill no batch are dropped.

    Evaluation: windows half a window apart, each from the initial state, in batches of ``scored_together``;
    only the second half of a window counts, but in the first batch all of it. The score is the mean over
    batches, the first one counting twice. Windows that fill no batch join the last one, or are dropped
    if ``stateful``, where also a batch holds windows from all over the split.
    """

    def __init__(
        self, text: Text, batch_size: int, *, window: int, stateful: bool, scored_together: int
    ) -> None:
        super().__init__(text, batch_size)
        self.window, self.stateful, self.scored_together = window, stateful, scored_together
        if stateful:
            self._starts = self._windows(text.train, window)
            self.steps_per_epoch = len(self._starts) // batch_size
            if not self.steps_per_epoch:
                raise StudyError(
                    f"expected at least {batch_size} training windows of {window} tokens for a batch, got "
                    f"{len(self._starts)}: take a smaller batch_size or window, or more text"
                )
        else:
            self._starts = self._windows(text.train, window // 2)
            lengths = np.full(len(self._starts), window)
            self._epochs = Epochs(lengths, batch_size)
            self.steps_per_epoch = self._epochs.steps

    def _windows(self, ids: Ids, stride: int) -> NDArray[np.int64]:
        starts = np.arange(0, len(ids) - self.window, stride)
        if not len(starts):
            raise StudyError(
                f"expected more than {self.window} tokens for a window, got {len(ids)}: take a smaller "
                "window or more text"
            )
        return starts

    def training(self, seed: int, step: int) -> Batch:
        """One batch of windows, every token of them a target."""
        fresh = None
        if self.stateful:
            epoch, place = divmod(step, self.steps_per_epoch or 1)
            rows = place + np.arange(self.examples_per_step) * (self.steps_per_epoch or 1)
            begins = place == 0 or stream(seed, "reset", epoch, place).random() < RESET
            fresh = np.full(len(rows), begins)
        else:
            rows, _ = self._epochs.batch(seed, step)
        inputs, targets = self._cut(self.text.train, self._starts[rows])
        return Batch(inputs, targets, np.ones(inputs.shape), None, fresh)

    def _cut(self, ids: Ids, starts: NDArray[np.int64]) -> tuple[Ids, Ids]:
        places = starts + np.arange(self.window)[:, None]
        return ids[places], ids[places + 1]

    def evaluation(self, split: Split) -> Iterator[Batch]:
        """Batches as they fit in memory; their weights say which batch of the paper's code they are in."""
        ids = self.held_out(split)[1:]
        half = self.window // 2
        starts = self._windows(ids, half)
        count = max(len(starts) // self.scored_together, 1)
        if self.stateful:
            kept = starts[: count * self.scored_together]
            batches = [kept[k::count] for k in range(count)]
        else:
            cuts = np.arange(1, count) * self.scored_together
            batches = np.split(starts, cuts)
        sizes = np.concatenate([np.full(len(batch), len(batch)) for batch in batches])
        starts = np.concatenate(batches)
        weights = np.ones((self.window, 1)) / (sizes * (self.window - half))
        first = np.arange(len(starts)) < sizes[0]
        weights[:half, ~first] = 0
        weights[:, first] = 2 / (self.window * sizes[0])
        together = min(max(_MOST_LOGITS // (self.window * self.text.symbols), 1), _MOST_ROWS)
        for begin in range(0, len(starts), together):
            part = slice(begin, begin + together)
            inputs, targets = self._cut(ids, starts[part])
            yield Batch(inputs, targets, weights[:, part])
