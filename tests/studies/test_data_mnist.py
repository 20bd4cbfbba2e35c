"""MNIST: idx files, compressed or not."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from studies import data
from studies.data.corpora.mnist import read_idx
from studies.data.errors import WrongFileError
from tests.studies.tiny_corpora import idx, place, written

pytestmark = pytest.mark.usefixtures("empty_cache")


@pytest.fixture
def arrays():
    """Five and three images with their labels."""
    generator = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte.gz": generator.integers(0, 256, (5, 28, 28)),
        "train-labels-idx1-ubyte.gz": generator.integers(0, 10, 5),
        "t10k-images-idx3-ubyte.gz": generator.integers(0, 256, (3, 28, 28)),
        "t10k-labels-idx1-ubyte.gz": generator.integers(0, 10, 3),
    }


def test_images_and_labels_come_back(tmp_path, arrays):
    """As bytes, in their order; unpacked files will do."""
    corpus = written(data.get("mnist"), tmp_path, {name: idx(one) for name, one in arrays.items()})
    for _ in range(2):
        mnist = data.read(corpus, tmp_path)
        found = (mnist.train_images, mnist.train_labels, mnist.test_images, mnist.test_labels)
        for expected, one in zip(arrays.values(), found, strict=True):
            assert np.uint8 == one.dtype
            np.testing.assert_array_equal(expected, one)
        for name in arrays:  # the second time they are unpacked
            packed = tmp_path / "mnist" / name
            if packed.exists():
                bare = gzip.decompress(packed.read_bytes())
                place(tmp_path, corpus, {name.removesuffix(".gz"): bare})
                packed.unlink()


def test_labels_without_images(tmp_path, arrays):
    """Each image has its label."""
    arrays["train-labels-idx1-ubyte.gz"] = np.zeros(4)
    corpus = written(data.get("mnist"), tmp_path, {name: idx(one) for name, one in arrays.items()})
    with pytest.raises(WrongFileError, match="one label for each image, got 5 images and 4 labels"):
        data.read(corpus, tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.decompress(idx(np.zeros((2, 3)))), "3 dimensions, magic 2051, got magic 2050"),
        (b"", "got magic 0"),
        (gzip.decompress(idx(np.zeros((2, 2, 2))))[:-1], r"expected 8 bytes for .* got 7"),
        (gzip.decompress(idx(np.zeros((2, 2, 2)))) + b"0", r"expected 8 bytes for .* got 9"),
    ],
    ids=["two dimensions", "empty", "short", "long"],
)
def test_what_is_no_such_idx_file(tmp_path, content, says):
    """Type, dimensions and length are in the header."""
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(WrongFileError, match=says):
        read_idx(tmp_path / "images", 3)


def test_the_real_corpus(real):
    """Sizes, mean and deviation of the training pixels, and the balance of the digits."""
    mnist = real("mnist")
    assert (60_000, 28, 28) == mnist.train_images.shape
    assert (10_000, 28, 28) == mnist.test_images.shape
    pixels = mnist.train_images / 255
    assert 0.1307 == pytest.approx(pixels.mean(), abs=5e-5)
    assert 0.3081 == pytest.approx(pixels.std(), abs=5e-5)
    assert [5, 0, 4, 1, 9] == mnist.train_labels[:5].tolist()
    assert [980, 1135] == np.bincount(mnist.test_labels)[:2].tolist()
