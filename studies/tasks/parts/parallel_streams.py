"""Text cut into parallel streams that are read window by window, the state going on."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studies.core.batch import Batch
from studies.core.errors import StudyError
from studies.core.streams import stream
from studies.core.task import Split
from studies.tasks.parts.text import Text, TextSource

WindowLengths = Literal["fixed", "merity"]

_SHORTEST = 5


def merity_lengths(total: int, window: int) -> NDArray[np.int64]:
    """Window lengths that sum to ``total``: N(``window``, 5²), or N(``window`` / 2, 5²) one time in twenty.

    Rounded, at least 5; the last takes what is left, or the one before it if that is less than 5. After
    Merity et al. (2018), as GATO C.7 says. No seed is in the address, since replicates whose states are
    carried side by side must read windows of one length.
    """
    generator = stream("window lengths", total, window)
    count = total // _SHORTEST + 1
    means = np.where(generator.random(count) < 0.95, window, window / 2)
    drawn = np.rint(generator.normal(means, 5)).astype(np.int64).clip(_SHORTEST)
    ends = np.cumsum(drawn)
    whole = ends[ends < total]
    if len(whole) and total - whole[-1] < _SHORTEST:
        whole = whole[:-1]
    return np.diff(whole, prepend=0, append=total)


class ParallelStreams(TextSource):
    """As many streams as ``batch_size``, of equal length, read side by side; each begins where one ends.

    Training drops the few tokens that do not fill the streams. An epoch begins at the initial state and reads
    each stream once, in windows of ``window`` tokens or, with "merity", of :func:`merity_lengths` in an
    order drawn for each epoch. All seeds read the same. ``held_out_streams``: how many streams each
    held-out split is cut into; every token of it is predicted once, the first from the token before it.
    """

    def __init__(
        self,
        text: Text,
        batch_size: int,
        *,
        window: int,
        window_lengths: WindowLengths,
        held_out_streams: Mapping[Split, int],
    ) -> None:
        super().__init__(text, batch_size)
        self.window, self.held_out_streams = window, held_out_streams
        steps = (len(text.train) - 1) // batch_size
        if steps < 1:
            raise StudyError(
                f"expected at least {batch_size + 1} training tokens for {batch_size} streams, got "
                f"{len(text.train)}: take a smaller batch_size or more text"
            )
        end = steps * batch_size
        self._inputs = np.ascontiguousarray(text.train[:end].reshape(batch_size, steps).T)
        self._targets = np.ascontiguousarray(text.train[1 : end + 1].reshape(batch_size, steps).T)
        self._varies = window_lengths == "merity"
        if self._varies:
            self._lengths = merity_lengths(steps, window)
        else:
            self._lengths = np.diff(np.arange(0, steps, window), append=steps)
        self.steps_per_epoch = len(self._lengths)
        self._epoch = functools.lru_cache(maxsize=4)(self._cuts)

    def _cuts(self, epoch: int) -> NDArray[np.int64]:
        lengths = self._lengths
        if self._varies:
            lengths = stream("window order", epoch).permutation(lengths)
        return np.cumsum(np.concatenate(([0], lengths)))

    def training(self, seed: int, step: int) -> Batch:  # noqa: ARG002 - the text has one order
        """The next window of every stream."""
        epoch, place = divmod(step, len(self._lengths))
        cuts = self._epoch(epoch)
        part = slice(cuts[place], cuts[place + 1])
        inputs, targets = self._inputs[part], self._targets[part]
        fresh = np.full(inputs.shape[1], place == 0)
        return Batch(inputs, targets, np.ones(inputs.shape), None, fresh)

    def evaluation(self, split: Split) -> Iterator[Batch]:
        """Every token of the split once, in windows of ``window``."""
        ids = self.held_out(split)
        targets = len(ids) - 1
        count = min(self.held_out_streams[split], targets)
        steps = -(-targets // count)

        def streams(values: NDArray[np.generic]) -> NDArray[np.generic]:
            padded = np.pad(values, (0, steps * count - targets))
            return padded.reshape(count, steps).T

        inputs, wanted = streams(ids[:-1]), streams(ids[1:])
        weights = streams(np.ones(targets))
        for start in range(0, steps, self.window):
            part = slice(start, start + self.window)
            fresh = np.full(count, start == 0)
            yield Batch(inputs[part], wanted[part], weights[part], None, fresh)
