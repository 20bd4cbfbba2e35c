"""PhysioNet 2012: records as irregular series under interp-net's rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies import data
from studies.data.corpora import physionet2012 as challenge
from studies.data.errors import WrongFileError
from studies.data.members import members
from tests.studies.tiny_corpora import archive, written

pytestmark = pytest.mark.usefixtures("empty_cache")
COLUMNS = list(challenge.VITALS)
RECORD = """Time,Parameter,Value
00:00,RecordID,132540
00:00,Age,76
00:00,Weight,-1
00:42,HR,88
00:42,NISysABP,120
00:42,SysABP,105
00:42,Creatinine,0.8
01:11,Urine,0
01:11,,3
02:30,NISysABP,118
02:30,SysABP,0
02:30,HR,501
02:30,HR,73
47:59,pH,-1
"""


def series(*lines):
    """Times and rows of a record of these lines."""
    return challenge.parse_record("\n".join([challenge.HEADER, *lines, ""]), "here")


def test_a_record_by_hand():
    """Descriptors and laboratory values that are no vitals give no row; missing is NaN."""
    times, rows = challenge.parse_record(RECORD, "here")
    assert [42 / 60, 71 / 60, 2.5, 47 + 59 / 60] == times
    measured = [
        {COLUMNS[i]: value for i, value in enumerate(row) if not math.isnan(value)} for row in rows
    ]
    assert [
        {"heart rate": 88, "systolic pressure": 105},  # from the artery, not the cuff
        {},  # exactly zero
        {
            "heart rate": 73,
            "systolic pressure": 118,
        },  # the later line; the cuff where the artery has 0
        {},  # unknown
    ] == measured


def test_there_are_eleven_vitals():
    """GATO's twelve without capillary refill."""
    assert 11 == len(COLUMNS)
    assert "capillary refill" not in COLUMNS


minutes = st.integers(0, 48 * 60)
values = st.one_of(st.floats(-10, 600).map(lambda x: round(x, 2)), st.just(-1.0), st.just(0.0))
measurements = st.lists(
    st.tuples(minutes, st.sampled_from([*challenge._COLUMNS, "Age", "", "WBC"]), values),
    max_size=60,
)


@given(measured=measurements)
def test_records_against_an_oracle(measured):
    """A dictionary from time and vital to value, later lines over earlier ones, better sources over worse."""
    times, rows = series(
        *(f"{m // 60:02}:{m % 60:02},{name},{value}" for m, name, value in measured)
    )
    expected = sorted({m for m, name, _ in measured if name in challenge._COLUMNS})
    assert [m / 60 for m in expected] == times
    for m, row in zip(expected, rows, strict=True):
        for sources, found in zip(challenge.VITALS.values(), row, strict=True):
            last = {name: value for at, name, value in measured if at == m}
            valid = [last[name] for name in sources if name in last and 0 < last[name] <= 500]
            assert (valid[0] == found) if valid else math.isnan(found)


def test_at_most_two_hundred_times():
    """The first of them, whatever the order of the lines."""
    lines = [f"{i // 60:02}:{i % 60:02},HR,{i + 1}" for i in range(250)]
    times, rows = series(*reversed(lines))
    assert (200, 199 / 60) == (len(times), times[-1])
    assert 200 == rows[-1][COLUMNS.index("heart rate")]


@pytest.mark.parametrize("line", ["00:07,HR", "00:07,HR,fast", "noon,HR,73", "00:07:00,HR,73", "a"])
def test_a_line_of_another_form(line):
    """The line is shown."""
    with pytest.raises(
        WrongFileError, match=f"here: expected lines like '00:07,HR,73', got '{line}'"
    ):
        series(line)


@pytest.mark.parametrize(("text", "got"), [("", "an empty file"), ("time,hr\n", "'time,hr'")])
def test_another_header(text, got):
    """Of a record and of the outcomes."""
    with pytest.raises(
        WrongFileError, match=f"expected the header 'Time,Parameter,Value', got {got}"
    ):
        challenge.parse_record(text, "here")
    with pytest.raises(WrongFileError, match=f"expected the header 'RecordID,.*', got {got}"):
        challenge.parse_outcomes(text, "here")


@pytest.mark.parametrize("line", ["132539,6,1,5,-1", "132539,6,1,five,-1,0"])
def test_another_line_of_outcomes(line):
    """Six whole numbers."""
    text = f"{challenge.OUTCOMES_HEADER}\n{line}\n"
    with pytest.raises(WrongFileError, match=f"here: expected six whole numbers, got '{line}'"):
        challenge.parse_outcomes(text, "here")


def tiny(folder, **changed):
    """The corpus of two stays a set, one of them without a series."""
    contents = {}
    for which in challenge.SETS:
        records = {
            f"set-{which}/20.txt": f"{challenge.HEADER}\n01:30,HR,61\n01:15,GCS,15\n".encode(),
            f"set-{which}/3.txt": f"{challenge.HEADER}\n00:00,Age,54\n".encode(),
            f"set-{which}/index.html": b"<html>",
        }
        contents[f"set-{which}.tar.gz"] = archive(records)
        lines = [challenge.OUTCOMES_HEADER, "3,6,1,-1,-1,0", "20,16,8,8,-1,1", ""]
        contents[f"Outcomes-{which}.txt"] = "\n".join(lines).encode()
    contents.update(changed)
    return written(data.get("physionet2012"), folder, contents)


def test_stays_come_back(tmp_path):
    """By record, with outcome; a stay may have no rows."""
    corpus = tiny(tmp_path)
    for _ in range(2):
        stays = data.read(corpus, tmp_path).b
        assert [3, 20] == stays.record_ids.tolist()
        assert [-1, 8] == stays.length_of_stay.tolist()
        assert [0, 1] == stays.died.tolist()
        times, rows = stays.series(0)
        assert ((0,), (0, 11)) == (times.shape, rows.shape)
        times, rows = stays.series(1)
        assert [1.25, 1.5] == times.tolist()
        expected = np.full((2, 11), np.nan)
        expected[0, COLUMNS.index("Glasgow coma score")] = 15
        expected[1, COLUMNS.index("heart rate")] = 61
        np.testing.assert_array_equal(expected, rows)


def test_records_without_outcomes(tmp_path):
    """The two lists of stays are one."""
    outcomes = f"{challenge.OUTCOMES_HEADER}\n3,6,1,-1,-1,0\n".encode()
    corpus = tiny(tmp_path, **{"Outcomes-c.txt": outcomes})
    with pytest.raises(WrongFileError, match=r"that Outcomes-c.txt lists, 1 are in .* such as 20"):
        data.read(corpus, tmp_path)


def test_an_archive_cut_short(tmp_path):
    """Where no checksum told before."""
    path = tmp_path / "set-a.tar.gz"
    path.write_bytes(archive({"set-a/1.txt": bytes(range(256)) * 99})[:-200])
    with pytest.raises(WrongFileError, match=r"set-a.tar.gz: expected a whole archive"):
        members(path, challenge.is_record("a"))


@pytest.mark.slow
def test_the_real_stays(real):
    """Deaths, unknown and long stays, and how many times a stay has."""
    corpus = real("physionet2012")
    sets = (corpus.a, corpus.b, corpus.c)
    assert [4_000] * 3 == [len(stays) for stays in sets]
    assert [554, 568, 585] == [int(stays.died.sum()) for stays in sets]
    known = [stays.length_of_stay[stays.length_of_stay >= 0] for stays in sets]
    assert [60, 54, 53] == [4_000 - len(days) for days in known]
    assert [65.3, 66.0, 64.9] == [round(100 * float((days > 7).mean()), 1) for days in known]
    assert [10, 10, 10] == [np.median(days) for days in known]
    lengths = np.diff(corpus.a.starts)
    assert (70.0, 200) == (round(float(lengths.mean()), 1), lengths.max())
    for stays in sets:
        assert 48 == stays.times.max()
        valid = stays.values[np.isfinite(stays.values)]
        assert 0 < valid.min() < valid.max() <= 500
        rising = np.diff(stays.times) > 0
        rising[stays.starts[1:-1][(stays.starts[1:-1] > 0)] - 1] = True
        assert rising.all()
    measured = np.isfinite(corpus.a.values).any(axis=0)
    assert measured.all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "lines", "without", "nameless"),
    [("a", 1_757_980, 3, (0, 0)), ("b", 1_762_535, 7, (0, 0)), ("c", 1_765_303, 2, (2_403, 1_594))],
)
def test_the_real_lines(data_dir, which, lines, without, nameless):
    """Data lines, stays of which nothing was measured, and lines without a parameter and their stays."""
    path = data_dir / "physionet2012" / f"set-{which}.tar.xz"
    descriptors = {"RecordID", "Age", "Gender", "Height", "ICUType", "Weight", ""}
    total = unmeasured = 0
    empty = []
    for content in members(path, challenge.is_record(which)).values():
        names = [line.split(",")[1] for line in content.decode().splitlines()[1:]]
        total += len(names)
        unmeasured += set(names) <= descriptors
        empty.append(names.count(""))
    assert (lines, without) == (total, unmeasured)
    assert nameless == (sum(empty), sum(count > 0 for count in empty))
