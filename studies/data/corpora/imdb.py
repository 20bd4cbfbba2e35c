"""IMDB: the labelled half of the Large Movie Review Dataset (Maas et al., ACL 2011), as Keras' word ranks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.content import contents
from studies.data.corpus import Arrays, Corpus, DataFile
from studies.data.errors import WrongFileError
from studies.data.members import canonical, members

# What Keras' Tokenizer takes for blanks, besides the blank.
FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
START = 1
OUT_OF_VOCABULARY = 2
FIRST_WORD = 3  # a word of rank r has id r + 3; the most frequent has rank 1

ORDER = "by review number, the negative of a number first"

_REVIEW = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")


@dataclass(frozen=True, eq=False)
class Reviews:
    """Reviews as ids of words, joined.

    Attributes:
        ids: of all reviews, ``int32``; review i is ``ids[starts[i] : starts[i + 1]]`` and begins with 1.
        starts: ``int64`` (N + 1,).
        labels: ``uint8`` (N,), 1 for a positive review.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def review(self, i: int) -> NDArray[np.int32]:
        """The ids of review ``i``."""
        return self.ids[self.starts[i] : self.starts[i + 1]]


@dataclass(frozen=True, eq=False)
class Imdb:
    """Both halves, each ordered by review number, the negative review of a number before the positive one.

    Keras' own order cannot be had from the reviews, and so its validation split cannot either; here any
    tail of the training set holds as many positive reviews as negative ones, to within one.
    """

    train: Reviews
    test: Reviews


def is_review(name: str) -> bool:
    """Whether a member of the archive is a labelled review."""
    return _REVIEW.fullmatch(name) is not None


def word_ids(text: str, ranks: Mapping[str, int]) -> list[int]:
    """A review as Keras has it: 1, then rank + 3 of each word; a word without a rank is left out.

    Only the blank divides words, not every white space of Unicode. So the reviews have Keras' lengths, but
    for 21 words of the training set that count there and have no rank in the published index.
    """
    blanks = str.maketrans(dict.fromkeys(FILTERS, " "))
    words = text.lower().translate(blanks).split(" ")
    return [START, *(ranks[word] + FIRST_WORD for word in words if word in ranks)]


def limited(ids: NDArray[np.int32], words: int) -> NDArray[np.int32]:
    """``ids`` with each id of ``words`` or above replaced by 2, as ``num_words`` does in Keras."""
    return np.where(ids < words, ids, np.int32(OUT_OF_VOCABULARY))


def parse(paths: Mapping[str, Path]) -> dict[str, NDArray[Any]]:
    """Number the words of every labelled review."""
    ranks = _ranks(paths["imdb_word_index.json"])
    path = paths["aclImdb_v1.tar.gz"]
    keyed = {}
    for name, text in members(path, is_review).items():
        match = _REVIEW.fullmatch(name)
        assert match is not None  # noqa: S101 - is_review let it through
        split, sentiment, number, _ = match.groups()
        keyed[split, int(number), sentiment] = text
    arrays: dict[str, NDArray[Any]] = {}
    for split in ("train", "test"):
        keys = sorted(key for key in keyed if key[0] == split)
        if not keys:
            raise WrongFileError(
                f"{path}: expected reviews under aclImdb/{split}/, found none: get it anew"
            )
        reviews = [np.array(word_ids(keyed[key].decode("utf-8"), ranks), np.int32) for key in keys]
        arrays[f"{split}_ids"] = np.concatenate(reviews)
        arrays[f"{split}_starts"] = np.cumsum([0, *map(len, reviews)], dtype=np.int64)
        arrays[f"{split}_labels"] = np.array([key[2] == "pos" for key in keys], np.uint8)
    return arrays


def _ranks(path: Path) -> dict[str, int]:
    try:
        ranks = json.loads(contents(path))
    except ValueError as error:
        raise WrongFileError(f"{path}: expected JSON, it is not ({error}): get it anew") from error
    if not isinstance(ranks, dict) or not all(isinstance(rank, int) for rank in ranks.values()):
        raise WrongFileError(f"{path}: expected a JSON object from word to rank: get it anew")
    return ranks


def build(arrays: Arrays) -> Imdb:
    """The corpus from its arrays."""
    train, test = (
        Reviews(*(arrays[f"{split}_{name}"] for name in ("ids", "starts", "labels")))
        for split in ("train", "test")
    )
    return Imdb(train, test)


ARCHIVE = DataFile(
    name="aclImdb_v1.tar.gz",
    size=84_125_825,
    sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
    # of the labelled reviews, see studies.data.members.canonical
    unpacked_sha256="497ed17f001df0fd903eff7fe03f216652161a257460958ccb8c8137189cd03b",
    content=canonical(is_review),
    url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    terms="no licence; cite Maas et al., ACL 2011; the texts are IMDb users'",
    origin="https://ai.stanford.edu/~amaas/data/sentiment/",
)

CORPORA = (
    Corpus(
        name="imdb",
        summary="IMDB: 25,000 and 25,000 film reviews, positive or negative",
        where="imdb",
        files=(
            replace(
                ARCHIVE,
                alternatives=(
                    replace(
                        ARCHIVE,
                        name="aclImdb_v1_labelled.tar.xz",
                        size=18_551_748,
                        sha256="994d0a5d89cd7a1624a3b46e708babe0f5bef42a3f00aff714845cbbea6a7107",
                        url=None,
                    ),
                    replace(ARCHIVE, name="aclImdb", size=None, sha256=None, url=None, folder=True),
                ),
            ),
            DataFile(
                name="imdb_word_index.json",
                size=1_641_221,
                sha256="027313fe9a320280f3bf0fac5baf58c4a683cf39a7ed9c3d3d3912bde4284cf6",
                url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/imdb_word_index.json",
                terms="made by Keras from the same reviews",
                origin="Keras' data set loader, keras.datasets.imdb.get_word_index",
            ),
        ),
        parse=parse,
        build=build,
    ),
)
