"""Word-level language models on Penn Treebank: the standard stream, and RRU's own words and windows."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, cast

from studies.core.metric import PERPLEXITY
from studies.core.registry import register
from studies.data import read
from studies.tasks.parts.options import at_least, at_least_or_none, one_of
from studies.tasks.parts.parallel_streams import ParallelStreams, WindowLengths
from studies.tasks.parts.text import Text, TextTask
from studies.tasks.parts.text_windows import TextWindows

_SCORED_TOGETHER = 128


@register("ptb-words")
class PtbWords(TextTask):
    """Penn Treebank's words with a sentence end a line, vocabulary 10,000; perplexity over every token.

    Read as parallel streams with the state carried on, see
    :class:`~studies.tasks.parts.parallel_streams.ParallelStreams`. ``window``: 70; ``window_lengths``:
    "merity" draws them around ``window`` and half of it, as GATO C.7 after Merity et al. (2018), or "fixed".
    (Merity et al. also scale the learning rate by the length; GATO does not say, and here it is not done.)
    ``validation_streams`` (10), ``test_streams`` (1): streams that the held-out splits are cut into, as in
    the code of Merity et al.; more are faster and lose a little context. ``train_limit``: the
    first so many training tokens; ``evaluation_limit``: of each held-out split. Raises ``ValueError``
    for others.
    """

    name: ClassVar[str] = "ptb-words"
    summary: ClassVar[str] = "Penn Treebank, the next word"
    paper: ClassVar[str] = "GATO section 5.5 (preparation of Mikolov et al. 2010)"
    corpus: ClassVar[str | None] = "ptb"
    metric = PERPLEXITY

    def __init__(
        self,
        window: int = 70,
        window_lengths: str = "merity",
        validation_streams: int = 10,
        test_streams: int = 1,
        train_limit: int | None = None,
        evaluation_limit: int | None = None,
    ) -> None:
        at_least(1, window=window, validation_streams=validation_streams, test_streams=test_streams)
        at_least_or_none(2, train_limit=train_limit, evaluation_limit=evaluation_limit)
        one_of(("fixed", "merity"), window_lengths=window_lengths)
        self.window, self.window_lengths = window, cast("WindowLengths", window_lengths)
        self.validation_streams, self.test_streams = validation_streams, test_streams
        self.train_limit, self.evaluation_limit = train_limit, evaluation_limit

    def open(self, *, batch_size: int, folder: Path | None = None) -> ParallelStreams:
        """Read the corpus into ``batch_size`` streams."""
        words = read("ptb", folder).words
        return ParallelStreams(
            Text.of(words, self.train_limit, self.evaluation_limit),
            batch_size,
            window=self.window,
            window_lengths=self.window_lengths,
            held_out_streams={"validation": self.validation_streams, "test": self.test_streams},
        )


@register("ptb-words-rru")
class PtbWordsRru(TextTask):
    """Penn Treebank's words as RRU's code splits them, vocabulary 9,650: not comparable with ``ptb-words``.

    No sentence ends, lower case, no punctuation. Windows of 64 half a window apart, shuffled, each
    from the initial state; a window's second half is scored, see
    :class:`~studies.tasks.parts.text_windows.TextWindows`, in batches of 128. ``window``: at least 2;
    ``train_limit``: the first so many training tokens; ``evaluation_limit``: of each held-out split.
    Raises ``ValueError`` for others.
    """

    name: ClassVar[str] = "ptb-words-rru"
    summary: ClassVar[str] = "Penn Treebank, the next word, in RRU's words and windows"
    paper: ClassVar[str] = "RRU section 4.1, appendix A.1 and code"
    corpus: ClassVar[str | None] = "ptb"
    metric = PERPLEXITY

    def __init__(
        self,
        window: int = 64,
        train_limit: int | None = None,
        evaluation_limit: int | None = None,
    ) -> None:
        at_least(2, window=window)
        at_least_or_none(2, train_limit=train_limit, evaluation_limit=evaluation_limit)
        self.window = window
        self.train_limit, self.evaluation_limit = train_limit, evaluation_limit

    def open(self, *, batch_size: int, folder: Path | None = None) -> TextWindows:
        """Read the corpus."""
        words = read("ptb", folder).words_rru
        return TextWindows(
            Text.of(words, self.train_limit, self.evaluation_limit),
            batch_size,
            window=self.window,
            stateful=False,
            scored_together=_SCORED_TOGETHER,
        )
