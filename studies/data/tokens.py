"""Text as numbers: three splits of token ids over one vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.corpus import Arrays

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class TokenSplits:
    """Three streams of token ids; id i stands for ``vocabulary[i]``.

    Attributes:
        train: ids, one-dimensional, the smallest unsigned type that holds them; ``valid`` and ``test`` alike.
        vocabulary: the symbols. For bytes, character i of Latin-1 stands for byte i.
    """

    train: NDArray[Any]
    valid: NDArray[Any]
    test: NDArray[Any]
    vocabulary: tuple[str, ...]

    def without(self, symbol: str) -> TokenSplits:
        """The same streams with every ``symbol`` left out, and the ids closed up.

        Raises ``ValueError`` for a symbol that is not in the vocabulary.
        """
        if symbol not in self.vocabulary:
            raise ValueError(f"expected a symbol of the vocabulary, got {symbol!r}")
        gone = self.vocabulary.index(symbol)
        kept = tuple(one for one in self.vocabulary if one != symbol)

        def closed_up(ids: NDArray[Any]) -> NDArray[Any]:
            left: NDArray[Any] = ids[ids != gone]
            left -= (left > gone).astype(left.dtype)
            return left

        return TokenSplits(closed_up(self.train), closed_up(self.valid), closed_up(self.test), kept)


def by_appearance(train: Sequence[str], valid: Sequence[str], test: Sequence[str]) -> TokenSplits:
    """Number the tokens in the order in which they first appear, train before valid before test."""
    streams = (train, valid, test)
    numbers = {token: i for i, token in enumerate(dict.fromkeys(t for s in streams for t in s))}
    return from_numbers(streams, numbers, tuple(numbers))


def from_numbers(
    streams: Sequence[Sequence[str]], numbers: dict[str, int], vocabulary: tuple[str, ...]
) -> TokenSplits:
    """Number the tokens of three streams as ``numbers`` says."""
    dtype = np.min_scalar_type(len(vocabulary) - 1)
    train, valid, test = (
        np.fromiter((numbers[token] for token in stream), dtype, count=len(stream))
        for stream in streams
    )
    return TokenSplits(train, valid, test, vocabulary)


def flat(prefix: str, tokens: TokenSplits) -> dict[str, NDArray[Any]]:
    """The arrays of ``tokens`` for the cache, their names led by ``prefix``."""
    arrays: dict[str, NDArray[Any]] = {f"{prefix}{one}": getattr(tokens, one) for one in SPLITS}
    # joined, since NumPy's fixed-width texts lose trailing zeros, and a symbol may be one
    symbols = [one.encode() for one in tokens.vocabulary]
    arrays[f"{prefix}symbols"] = np.frombuffer(b"".join(symbols), np.uint8)
    arrays[f"{prefix}widths"] = np.array([len(one) for one in symbols], np.int64)
    return arrays


def unflat(prefix: str, arrays: Arrays) -> TokenSplits:
    """What :func:`flat` was given."""
    text = arrays[f"{prefix}symbols"].tobytes()
    ends = np.cumsum(arrays[f"{prefix}widths"]).tolist()
    vocabulary = tuple(
        text[start:end].decode() for start, end in zip([0, *ends[:-1]], ends, strict=True)
    )
    train, valid, test = (arrays[f"{prefix}{one}"] for one in SPLITS)
    return TokenSplits(train, valid, test, vocabulary)
