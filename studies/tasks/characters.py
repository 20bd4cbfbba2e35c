"""Character-level language models: Penn Treebank, text8, enwik8, and first parts of the latter two."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from studies.core.metric import BITS_PER_CHARACTER
from studies.core.registry import register
from studies.data import read
from studies.data.tokens import TokenSplits
from studies.tasks.parts.options import at_least, at_least_or_none, one_of
from studies.tasks.parts.parallel_streams import ParallelStreams
from studies.tasks.parts.text import Text, TextSource, TextTask
from studies.tasks.parts.text_windows import TextWindows

_SCORED_TOGETHER = 64


class CharacterTask(TextTask):
    """The next character, in bits per character.

    ``reading``: "rru", windows with the state carried on and reset with probability 0.1, of which the
    second half is scored, in batches of 64, see :class:`~studies.tasks.parts.text_windows.TextWindows`; or
    "stream", the state carried through an epoch and every character scored once, see
    :class:`~studies.tasks.parts.parallel_streams.ParallelStreams`. ``window``: characters read between two
    steps of training, at least 2. ``evaluation_streams``: with "stream", into how many a held-out split
    is cut (10; assumed: fast, and of little effect). ``train_limit``: the first so many characters of the
    training split; ``evaluation_limit``: of each held-out split. Raises ``ValueError`` for others.
    """

    paper: ClassVar[str] = "RRU section 4.1, appendix A.1 and code"
    metric = BITS_PER_CHARACTER

    def __init__(
        self,
        window: int = 256,
        reading: str = "rru",
        evaluation_streams: int = 10,
        train_limit: int | None = None,
        evaluation_limit: int | None = None,
    ) -> None:
        at_least(2, window=window)
        at_least(1, evaluation_streams=evaluation_streams)
        at_least_or_none(2, train_limit=train_limit, evaluation_limit=evaluation_limit)
        one_of(("rru", "stream"), reading=reading)
        self.window, self.reading, self.evaluation_streams = window, reading, evaluation_streams
        self.train_limit, self.evaluation_limit = train_limit, evaluation_limit

    @abstractmethod
    def characters(self, folder: Path | None) -> TokenSplits:
        """Read the corpus."""

    def open(self, *, batch_size: int, folder: Path | None = None) -> TextSource:
        """Read the corpus into ``batch_size`` streams."""
        splits = self.characters(folder)
        text = Text.of(splits, self.train_limit, self.evaluation_limit)
        if self.reading == "rru":
            return TextWindows(
                text,
                batch_size,
                window=self.window,
                stateful=True,
                scored_together=_SCORED_TOGETHER,
            )
        streams = self.evaluation_streams
        return ParallelStreams(
            text,
            batch_size,
            window=self.window,
            window_lengths="fixed",
            held_out_streams={"validation": streams, "test": streams},
        )


@register("ptb-characters", window=512)
class PtbCharacters(CharacterTask):
    """Penn Treebank's characters; see :class:`CharacterTask`.

    With "rru" without sentence ends, 49 symbols (two more in the paper's vocabulary never occur); with
    "stream" with them, 50, as in Merity et al. (2018) and after.
    """

    name: ClassVar[str] = "ptb-characters"
    summary: ClassVar[str] = "Penn Treebank, the next character"
    corpus: ClassVar[str | None] = "ptb"

    def characters(self, folder: Path | None) -> TokenSplits:
        """Read the corpus."""
        treebank = read("ptb", folder)
        splits: TokenSplits = (
            treebank.characters_rru if self.reading == "rru" else treebank.characters
        )
        return splits


class WikipediaTask(CharacterTask):
    """90 percent of the text for training, then 5 for validation, then 5 for testing."""

    def characters(self, folder: Path | None) -> TokenSplits:
        """Read the corpus."""
        splits: TokenSplits = read(self.corpus or "", folder)
        return splits


@register("text8")
class Text8(WikipediaTask):
    """100,000,000 characters of cleaned Wikipedia, 27 symbols; see :class:`CharacterTask`."""

    name: ClassVar[str] = "text8"
    summary: ClassVar[str] = "text8, the next character"
    corpus: ClassVar[str | None] = "text8"


@register("enwik8")
class Enwik8(WikipediaTask):
    """100,000,000 bytes of Wikipedia's XML, 205 symbols; see :class:`CharacterTask`."""

    name: ClassVar[str] = "enwik8"
    summary: ClassVar[str] = "enwik8, the next byte"
    corpus: ClassVar[str | None] = "enwik8"


@register("text8-part")
class Text8Part(WikipediaTask):
    """The first 6,877,825 characters of text8, split 90 / 5 / 5: easier to overfit, another benchmark."""

    name: ClassVar[str] = "text8-part"
    summary: ClassVar[str] = "a first part of text8: another benchmark, not comparable with it"
    paper: ClassVar[str] = "none; the rules are those of RRU section 4.1"
    corpus: ClassVar[str | None] = "text8-part"


@register("enwik8-part")
class Enwik8Part(WikipediaTask):
    """The first 4,154,064 bytes of enwik8, split 90 / 5 / 5: easier to overfit, another benchmark."""

    name: ClassVar[str] = "enwik8-part"
    summary: ClassVar[str] = "a first part of enwik8: another benchmark, not comparable with it"
    paper: ClassVar[str] = "none; the rules are those of RRU section 4.1"
    corpus: ClassVar[str | None] = "enwik8-part"
