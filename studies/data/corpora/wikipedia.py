"""text8 and enwik8: 100,000,000 characters, or bytes, of Wikipedia of March 2006; and first parts of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.content import contents
from studies.data.corpus import Arrays, Corpus, DataFile
from studies.data.errors import WrongFileError
from studies.data.tokens import TokenSplits, flat, unflat

TERMS = "Wikipedia text of March 2006, GNU Free Documentation License"
ORIGIN = "Mahoney's compression benchmark, https://mattmahoney.net/dc/textdata.html"


def parse(paths: Mapping[str, Path]) -> dict[str, NDArray[Any]]:
    """Split 90 : 5 : 5 in order, and number the distinct bytes in ascending order."""
    (path,) = paths.values()
    data = np.frombuffer(contents(path), np.uint8)
    held_out = len(data) * 5 // 100
    if not held_out:
        raise WrongFileError(
            f"{path}: expected at least 20 bytes to split 90 : 5 : 5, got {len(data)}"
        )
    counts = np.bincount(data, minlength=256)
    symbols = np.flatnonzero(counts)
    number = np.zeros(256, np.uint8)
    number[symbols] = np.arange(len(symbols))
    ids = number[data]
    tokens = TokenSplits(
        train=ids[: -2 * held_out],
        valid=ids[-2 * held_out : -held_out],
        test=ids[-held_out:],
        vocabulary=tuple(map(chr, symbols.tolist())),
    )
    return flat("", tokens)


def build(arrays: Arrays) -> TokenSplits:
    """The corpus from its arrays."""
    return unflat("", arrays)


def _corpus(name: str, summary: str, where: str, file: DataFile) -> Corpus[TokenSplits]:
    """A corpus of one archive, with the file inside as an alternative."""
    bare = replace(
        file,
        name=Path(file.name).stem,
        size=file.unpacked_size,
        sha256=file.unpacked_sha256,
        url=None,
    )
    return Corpus(
        name, summary, (replace(file, alternatives=(bare,)),), where, parse=parse, build=build
    )


def _part(name: str, length: int, size: int, sha256: str, unpacked: str) -> Corpus[TokenSplits]:
    return _corpus(
        f"{name}-part",
        f"the first {length:,} bytes of {name}: another benchmark, not comparable with {name}",
        name,
        DataFile(
            name=f"{name}.first{length}.xz",
            size=size,
            sha256=sha256,
            unpacked_size=length,
            unpacked_sha256=unpacked,
            terms=TERMS,
            origin=f"the first {length:,} bytes of {name}, cut from it and compressed with xz",
        ),
    )


# The checksums of the whole files are those that independent public sources agree on.
CORPORA = (
    _corpus(
        "text8",
        "text8: 100,000,000 characters of cleaned Wikipedia",
        "text8",
        DataFile(
            name="text8.zip",
            size=31_344_016,
            sha256="a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
            unpacked_size=100_000_000,
            unpacked_sha256="6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
            url="https://mattmahoney.net/dc/text8.zip",
            terms=TERMS,
            origin=ORIGIN,
        ),
    ),
    _corpus(
        "enwik8",
        "enwik8: 100,000,000 bytes of Wikipedia's XML",
        "enwik8",
        DataFile(
            name="enwik8.zip",
            size=36_445_475,
            sha256="547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
            unpacked_size=100_000_000,
            unpacked_sha256="2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
            url="https://mattmahoney.net/dc/enwik8.zip",
            terms=TERMS,
            origin=ORIGIN,
        ),
    ),
    _part(
        "text8",
        6_877_825,
        1_770_824,
        "fa0fbaaf4aaa7f72402306a1d227f5fdac4a0de2b04089f42ead75798347487d",
        "8c5551457ad85e6f248e016443493f940756c7582473e6bbfcafcbe27fc98836",
    ),
    _part(
        "enwik8",
        4_154_064,
        1_166_724,
        "67584bc694f0f621d5786b91bb1dc68bb901e7ac917eba1a559801b5223020fa",
        "d8b3b95fb4993726ea7dcc93ae3c9e08a1a04cc540d05d7656fd267cc8ab5d6a",
    ),
)
