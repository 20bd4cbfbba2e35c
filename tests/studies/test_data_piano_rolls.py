"""Piano-rolls: what a MATLAB file holds comes back, and the real ones have the known sizes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.io

from studies import data
from studies.data.corpora.piano_rolls import LOWEST_MIDI_NOTE
from studies.data.errors import WrongFileError
from tests.studies.tiny_corpora import written

pytestmark = pytest.mark.usefixtures("empty_cache")
CORPUS = data.get("jsb-chorales")
SPLITS = ("train", "valid", "test")


def mat(**splits):
    """The bytes of a MATLAB 5 file with a row of matrices under each key."""
    cells = {}
    for key, pieces in splits.items():
        cells[key] = np.empty((1, len(pieces)), object)
        cells[key][0] = pieces
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, cells)
    return buffer.getvalue()


def rolls(generator, *lengths):
    """Random 0/1 matrices of the given numbers of frames."""
    pieces = np.empty(len(lengths), object)
    for i, length in enumerate(lengths):
        pieces[i] = generator.integers(0, 2, (length, 88), dtype=np.uint8)
    return pieces


def read(folder, content):
    """The corpus of one such file."""
    return data.read(written(CORPUS, folder, {"JSB_Chorales.mat": content}), folder)


def test_pieces_come_back(tmp_path):
    """Number, lengths, order, values and type, the first time and from the cache."""
    generator = np.random.default_rng(0)
    pieces = {
        "train": rolls(generator, 3, 1, 7),
        "valid": rolls(generator, 2),
        "test": rolls(generator, 5),
    }
    content = mat(**{f"{split}data": pieces[split] for split in SPLITS})
    for _ in range(2):
        corpus = read(tmp_path, content)
        for split in SPLITS:
            found = getattr(corpus, split)
            assert len(pieces[split]) == len(found)
            for expected, piece in zip(pieces[split], found, strict=True):
                assert np.uint8 == piece.dtype
                np.testing.assert_array_equal(expected, piece)


def test_what_is_no_matlab_file(tmp_path):
    """Whatever the format's reader makes of it."""
    for content in (b"", b"x" * 500, mat(traindata=rolls(np.random.default_rng(0), 3))[:300]):
        with pytest.raises(WrongFileError, match=r"(expected a MATLAB 5 file|expected the key)"):
            read(tmp_path, content)


def test_a_missing_split(tmp_path):
    """The key is named."""
    piece = rolls(np.random.default_rng(0), 3)
    with pytest.raises(WrongFileError, match="expected the key 'testdata', it is missing"):
        read(tmp_path, mat(traindata=piece, validdata=piece))


@pytest.mark.parametrize(
    "piece", [np.zeros((3, 87), np.uint8), np.full((3, 88), 2, np.uint8)], ids=["narrow", "two"]
)
def test_other_matrices(tmp_path, piece):
    """88 notes that are on or off."""
    pieces = np.empty(1, object)
    pieces[0] = piece
    says = (
        r"expected matrices of 0 and 1 with 88 columns under 'traindata', got one of shape \(3, 8"
    )
    with pytest.raises(WrongFileError, match=says):
        read(tmp_path, mat(traindata=pieces))


@pytest.mark.parametrize(
    ("name", "pieces", "steps", "empty", "longest"),
    [
        ("jsb-chorales", (229, 76, 77), (13_807, 4_602, 4_725), (18, 29, 17), (129, 144, 160)),
        (
            "nottingham",
            (694, 173, 170),
            (176_561, 45_513, 44_463),
            (487, 51, 19),
            (1788, 1473, 1793),
        ),
        (
            "musedata",
            (524, 135, 124),
            (245_202, 82_755, 64_339),
            (12_962, 4_412, 5_042),
            (3457, 3723, 4273),
        ),
        (
            "piano-midi",
            (87, 12, 25),
            (75_911, 8_540, 19_036),
            (4_917, 251, 652),
            (3857, 1637, 2645),
        ),
    ],
)
def test_the_real_corpora(real, name, pieces, steps, empty, longest):
    """Pieces, time steps, rests and the longest piece of each split."""
    splits = [getattr(real(name), split) for split in SPLITS]
    assert pieces == tuple(map(len, splits))
    assert steps == tuple(sum(map(len, split)) for split in splits)
    assert empty == tuple(sum(int((~p.any(axis=1)).sum()) for p in split) for split in splits)
    assert longest == tuple(max(map(len, split)) for split in splits)


def test_the_notes_of_the_chorales(real):
    """Four voices, MIDI notes 43 to 96 as this transposed release has them: columns are notes from 21."""
    rolls = real("jsb-chorales")
    notes = np.flatnonzero(np.concatenate(rolls.train).any(axis=0)) + LOWEST_MIDI_NOTE
    assert (43, 96) == (notes.min(), notes.max())
    assert max(int(piece.sum(axis=1).max()) for piece in rolls.train) == 4
