"""MIMIC-III: the layout that the user's file has to have."""

from __future__ import annotations

import io

import numpy as np
import pytest

from studies import data
from studies.data.corpora.mimic3 import SIZES, mimic3
from studies.data.errors import WrongFileError
from tests.studies.tiny_corpora import place

pytestmark = pytest.mark.usefixtures("empty_cache")
TINY = mimic3(sizes=(4, 2, 1))


@pytest.fixture
def arrays():
    """Seven stays of at most six times."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 7, 7)
    there = generator.integers(0, 2, (7, 6, 12))
    values = generator.uniform(1, 100, (7, 6, 12)) * there
    times = np.sort(generator.uniform(0, 48, (7, 6, 1)), axis=1)
    vitals = np.concatenate([values, there, times], axis=2).astype(np.float32)
    vitals[np.arange(6) >= lengths[:, None]] = 0
    return {"vitals": vitals, "lengths": lengths, "labels": generator.integers(0, 2, 7)}


def read(folder, arrays):
    """The corpus of such a file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    place(folder, TINY, {"mimic3.npz": buffer.getvalue()})
    return data.read(TINY, folder)


def test_the_paper_has_these_sizes():
    """53,211 stays."""
    assert 53_211 == sum(SIZES)
    assert "credentialed" in data.get("mimic3").summary


def test_the_splits_come_in_order(tmp_path, arrays):
    """Training, validation, test."""
    for _ in range(2):
        corpus = read(tmp_path, arrays)
        splits = (corpus.train, corpus.valid, corpus.test)
        assert [4, 2, 1] == [len(split.labels) for split in splits]
        for name, array in arrays.items():
            joined = np.concatenate([getattr(split, name) for split in splits])
            np.testing.assert_array_equal(array, joined)
        assert np.float32 == corpus.train.vitals.dtype


def spoil(name, index, value):
    """A change of one entry, or of the array by a function."""

    def change(arrays):
        changed = arrays[name].copy()
        changed[index] = value
        arrays[name] = changed

    return change


def replaced(name, make):
    """A change of one array."""

    def change(arrays):
        arrays[name] = make(arrays[name])

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda arrays: arrays.pop("labels"),
            r"expected the arrays .*, got \['lengths', 'vitals'\]",
        ),
        (
            replaced("vitals", lambda v: v[..., :24]),
            r"vitals of shape \(N, T, 25\).*got \(7, 6, 24\)",
        ),
        (replaced("vitals", lambda v: v[0]), r"vitals of shape \(N, T, 25\)"),
        (replaced("vitals", lambda v: np.repeat(v, 34, axis=1)), "with T from 1 to 200, got"),
        (replaced("vitals", lambda v: v[:6]), r"expected N = 7 stays \(4 \+ 2 \+ 1\), got 6"),
        (replaced("lengths", lambda v: v[:6]), r"expected lengths of shape \(7,\), got \(6,\)"),
        (replaced("labels", lambda v: v / 1.0), "expected labels of integers, got float64"),
        (spoil("lengths", 3, 0), "expected lengths from 1 to 6, got 0 to"),
        (spoil("lengths", 3, 7), "expected lengths from 1 to 6, got . to 7"),
        (spoil("labels", 0, 9), "expected labels of 0 and 1, got"),
        (spoil("vitals", (0, 0, 0), np.nan), "expected vitals of finite numbers"),
        (
            replaced("vitals", lambda v: v.astype(int)),
            "expected vitals of finite numbers, got int64",
        ),
        (spoil("vitals", (0, 0, 12), 0.5), r"expected indicators .* of 0 and 1"),
        (
            spoil("vitals", (0, 0, [0, 12]), (3, 0)),
            r"expected values .* of 0 where the indicator is 0",
        ),
        (spoil("lengths", slice(None), 1), "expected rows of 0 past the length"),
        (spoil("vitals", (slice(None), 0, 24), 99), r"expected times .* that never fall"),
    ],
)
def test_every_rule_is_checked(tmp_path, arrays, change, says):
    """The message names the rule, and says that the file is the user's to make."""
    change(arrays)
    with pytest.raises(WrongFileError, match=rf"mimic3.npz: .*{says}.*make the file anew"):
        read(tmp_path, arrays)


def test_what_is_no_npz(tmp_path):
    """Nor anything that would run code when it is opened."""
    objects = io.BytesIO()
    np.savez(objects, vitals=np.array([object()], object))
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    for content in (b"", b"text", single.getvalue(), objects.getvalue()):
        place(tmp_path, TINY, {"mimic3.npz": content})
        with pytest.raises(WrongFileError, match=r"expected an .npz of plain arrays"):
            data.read(TINY, tmp_path)
