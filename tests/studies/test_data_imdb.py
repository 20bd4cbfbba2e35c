"""IMDB: reviews as Keras numbers them, from any packing of the archive."""

from __future__ import annotations

import json

import numpy as np
import pytest

from studies import data
from studies.data.corpora.imdb import FILTERS, ORDER, limited, word_ids
from studies.data.errors import WrongFileError
from tests.studies.tiny_corpora import archive, place, written

pytestmark = pytest.mark.usefixtures("empty_cache")
RANKS = {"the": 1, "film": 2, "was": 3, "don't": 4, "brilliant": 5}
INDEX = json.dumps(RANKS).encode()
REVIEWS = {
    "aclImdb/README": b"read me",
    "aclImdb/train/pos/10_9.txt": b"The film was BRILLIANT!<br />",
    "aclImdb/train/neg/2_1.txt": b"Don't.",
    "aclImdb/train/pos/2_10.txt": b"film-film",
    "aclImdb/train/unsup/2_0.txt": b"the the the",
    "aclImdb/test/pos/0_8.txt": "was\u00a0was the".encode(),
    "aclImdb/test/neg/0_4.txt": b"",
}


def read(folder, members=None, index=INDEX, mode="w:gz"):
    """The corpus of a tiny archive."""
    packed = archive(REVIEWS if members is None else members, mode)
    contents = {"aclImdb_v1.tar.gz": packed, "imdb_word_index.json": index}
    return data.read(written(data.get("imdb"), folder, contents), folder)


def test_reviews_by_number(tmp_path):
    """In the order that is named: not that of the archive, nor that of the names."""
    assert "by review number, the negative of a number first" == ORDER
    for _ in range(2):
        corpus = read(tmp_path)
        reviews = [corpus.train.review(i).tolist() for i in range(len(corpus.train))]
        assert [[1, 7], [1, 5, 5], [1, 4, 5, 6, 8]] == reviews
        assert [0, 1, 1] == corpus.train.labels.tolist()
        # only the blank divides words, and a word without a rank is left out
        assert [[1], [1, 4]] == [corpus.test.review(i).tolist() for i in range(2)]


def test_every_filtered_sign_is_a_blank():
    """Between two words each of them divides; the apostrophe does not."""
    for sign in FILTERS:
        assert [1, 4, 5] == word_ids(f"the{sign}film", RANKS)
    assert [1, 7] == word_ids("DON'T", RANKS)


def test_rare_words_are_one():
    """Keras' ``num_words``: ids from there on become 2."""
    ids = np.array([1, 4, 9, 5000], np.int32)
    assert [1, 4, 2, 2] == limited(ids, 9).tolist()


def test_any_packing_will_do(tmp_path):
    """The reviews count, not the archive; an unpacked folder is read as well."""
    corpus = written(
        data.get("imdb"),
        tmp_path,
        {"aclImdb_v1.tar.gz": archive(REVIEWS), "imdb_word_index.json": INDEX},
    )
    expected = data.read(corpus, tmp_path).train
    home = tmp_path / "imdb"
    (home / "aclImdb_v1.tar.gz").unlink()
    backwards = {f"./{name}": REVIEWS[name] for name in reversed(REVIEWS)}
    place(tmp_path, corpus, {"aclImdb_v1_labelled.tar.xz": archive(backwards, "w:xz")})
    assert expected.ids.tolist() == data.read(corpus, tmp_path).train.ids.tolist()
    (home / "aclImdb_v1_labelled.tar.xz").unlink()
    for name, content in REVIEWS.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    assert expected.ids.tolist() == data.read(corpus, tmp_path).train.ids.tolist()
    (home / "aclImdb/train/pos/2_10.txt").write_bytes(b"film film")
    with pytest.raises(WrongFileError, match=r"inside are .* bytes"):
        data.read(corpus, tmp_path)


def test_an_archive_without_reviews(tmp_path):
    """Of either half."""
    members = {name: text for name, text in REVIEWS.items() if "/test/" not in name}
    with pytest.raises(WrongFileError, match="expected reviews under aclImdb/test/, found none"):
        read(tmp_path, members)


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (b"{", "expected JSON, it is not"),
        (b"[]", "expected a JSON object from word to rank"),
        (b'{"the": "1"}', "expected a JSON object from word to rank"),
    ],
)
def test_what_is_no_index(tmp_path, index, says):
    """Ranks are whole numbers."""
    with pytest.raises(WrongFileError, match=rf"imdb_word_index.json: {says}"):
        read(tmp_path, index=index)


@pytest.mark.slow
def test_the_real_corpus(real):
    """Keras' first training sequence is among the reviews, and the mean lengths are Keras'."""
    corpus = real("imdb")
    assert (25_000, 25_000) == (len(corpus.train), len(corpus.test))
    assert (12_500, 12_500) == (corpus.train.labels.sum(), corpus.test.labels.sum())
    assert 2_500 == corpus.train.labels[-5_000:].sum()
    # 238.71364 and 230.8042 there; 21 words of training have no rank in the published index
    assert 238.71364 == pytest.approx(len(corpus.train.ids) / 25_000 + 21 / 25_000, abs=1e-9)
    assert 230.8042 == pytest.approx(len(corpus.test.ids) / 25_000, abs=2e-4)
    assert 88_584 + 3 == max(corpus.train.ids.max(), corpus.test.ids.max())
    known = [1, 14, 22, 16, 43, 530, 973, 1622, 1385]
    first = corpus.train.review(2 * 576 + 1)  # pos/576_10.txt
    assert (known, 218) == (first[:9].tolist(), len(first))
