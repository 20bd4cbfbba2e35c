"""MNIST: handwritten digits, read from the idx files."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.content import contents
from studies.data.corpus import Arrays, Corpus, DataFile
from studies.data.errors import WrongFileError

URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
TERMS = "commonly given as CC BY-SA 3.0 (LeCun and Cortes)"
ORIGIN = f"LeCun, Cortes and Burges' MNIST database; mirrored at {URL}"


@dataclass(frozen=True, eq=False)
class Mnist:
    """Images ``uint8`` (N, 28, 28), 0 to 255, and digits ``uint8`` (N,), in the files' order."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array of an idx file of unsigned bytes.

    Raises :class:`WrongFileError` for another type, another number of ``dimensions`` or another length.
    """
    content = contents(path)
    start = 4 + 4 * dimensions
    magic = int.from_bytes(content[:4], "big")
    if len(content) < start or magic != 0x0800 + dimensions:
        raise WrongFileError(
            f"{path}: expected an idx file of bytes in {dimensions} dimensions, magic "
            f"{0x0800 + dimensions}, got magic {magic}: get it anew"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise WrongFileError(
            f"{path}: expected {math.prod(shape)} bytes for the shape {shape} that its header gives, "
            f"got {len(content) - start}: get it anew"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def parse(paths: Mapping[str, Path]) -> dict[str, NDArray[Any]]:
    """Read the four idx files; as many labels as images."""
    arrays: dict[str, NDArray[Any]] = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        place = paths[f"{prefix}-images-idx3-ubyte.gz"]
        images = read_idx(place, 3)
        labels = read_idx(paths[f"{prefix}-labels-idx1-ubyte.gz"], 1)
        if len(images) != len(labels):
            raise WrongFileError(
                f"{place}: expected one label for each image, got {len(images)} images "
                f"and {len(labels)} labels: get the files anew"
            )
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
    return arrays


def build(arrays: Arrays) -> Mnist:
    """The corpus from its arrays."""
    return Mnist(**arrays)


def _file(name: str, size: int, sha256: str, unpacked_size: int, unpacked_sha256: str) -> DataFile:
    """The archive, with the unpacked file as an alternative."""
    archive = DataFile(
        name=f"{name}.gz",
        size=size,
        sha256=sha256,
        unpacked_size=unpacked_size,
        unpacked_sha256=unpacked_sha256,
        url=f"{URL}{name}.gz",
        terms=TERMS,
        origin=ORIGIN,
    )
    bare = replace(archive, name=name, size=unpacked_size, sha256=unpacked_sha256, url=None)
    return replace(archive, alternatives=(bare,))


CORPORA = (
    Corpus(
        name="mnist",
        summary="MNIST: 60,000 and 10,000 handwritten digits of 28 x 28",
        where="mnist",
        files=(
            _file(
                "train-images-idx3-ubyte",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                47_040_016,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            _file(
                "train-labels-idx1-ubyte",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                60_008,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            _file(
                "t10k-images-idx3-ubyte",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                7_840_016,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            _file(
                "t10k-labels-idx1-ubyte",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                10_008,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        parse=parse,
        build=build,
    ),
)
