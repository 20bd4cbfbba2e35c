"""PhysioNet / Computing in Cardiology Challenge 2012: 12,000 stays in intensive care, 48 hours of each.

It stands in for MIMIC-III, which needs credentials, and no result on it may be called one on MIMIC-III.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.content import contents
from studies.data.corpus import Arrays, Corpus, DataFile
from studies.data.errors import WrongFileError
from studies.data.members import canonical, members

SETS = ("a", "b", "c")
HEADER = "Time,Parameter,Value"
OUTCOMES_HEADER = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death"

# The vital signs of GATO's experiment, and what they are called here, the better source first. Capillary
# refill, the twelfth, was not recorded. Units as recorded: temperature is in degrees Celsius.
VITALS: dict[str, tuple[str, ...]] = {
    "oxygen saturation": ("SaO2",),
    "heart rate": ("HR",),
    "respiratory rate": ("RespRate",),
    "systolic pressure": ("SysABP", "NISysABP"),
    "diastolic pressure": ("DiasABP", "NIDiasABP"),
    "temperature": ("Temp",),
    "Glasgow coma score": ("GCS",),
    "urine": ("Urine",),
    "inspired oxygen": ("FiO2",),
    "glucose": ("Glucose",),
    "pH": ("pH",),
}
# interp-net's rules, after which GATO's features are made
MOST_TIMES = 200
HIGHEST = 500.0

_COLUMNS = {
    parameter: (column, better)
    for column, parameters in enumerate(VITALS.values())
    for better, parameter in enumerate(parameters)
}


@dataclass(frozen=True, eq=False)
class Stays:
    """Stays as irregular series, joined; stay i has rows ``starts[i]`` to ``starts[i + 1]``, perhaps none.

    Attributes:
        times: hours since admission, ``float32`` (rows,), rising within a stay.
        values: ``float32`` (rows, 11), NaN where nothing valid was measured; columns as in ``VITALS``.
        starts: ``int64`` (N + 1,).
        record_ids: ``int64`` (N,), ascending.
        length_of_stay: days, ``int64`` (N,); -1 where it is not known.
        died: in hospital, ``uint8`` (N,).
    """

    times: NDArray[np.float32]
    values: NDArray[np.float32]
    starts: NDArray[np.int64]
    record_ids: NDArray[np.int64]
    length_of_stay: NDArray[np.int64]
    died: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.record_ids)

    def series(self, i: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Times (T,) and values (T, 11) of stay ``i``."""
        rows = slice(self.starts[i], self.starts[i + 1])
        return self.times[rows], self.values[rows]


@dataclass(frozen=True, eq=False)
class PhysioNet2012:
    """The three sets of 4,000 stays, as the challenge had them."""

    a: Stays
    b: Stays
    c: Stays


def parse_record(text: str, where: str) -> tuple[list[float], list[list[float]]]:
    """Times in hours and rows of 11 values of one record.

    Every distinct time with one of the vitals is a row, at most the first 200. Values above 500, below 0
    and exactly 0 are missing (NaN), as in interp-net; so is an unknown one, which is -1. An invasive
    pressure goes before a cuff's at the same time, and of two values of one parameter at one time the later
    line counts. Lines with an empty parameter are skipped. Raises :class:`WrongFileError` for another format.
    """
    lines = text.splitlines()
    if not lines or lines[0] != HEADER:
        got = repr(lines[0]) if lines else "an empty file"
        raise WrongFileError(f"{where}: expected the header {HEADER!r}, got {got}")
    rows: dict[int, dict[tuple[int, int], float]] = {}
    for line in lines[1:]:
        try:
            clock, parameter, value = line.split(",")
            if parameter not in _COLUMNS:
                continue
            hours, minutes = clock.split(":")
            at = 60 * int(hours) + int(minutes)
            rows.setdefault(at, {})[_COLUMNS[parameter]] = float(value)
        except ValueError:
            raise WrongFileError(
                f"{where}: expected lines like '00:07,HR,73', got {line!r}"
            ) from None
    times = sorted(rows)[:MOST_TIMES]
    return [at / 60 for at in times], [_row(rows[at]) for at in times]


def _row(measured: Mapping[tuple[int, int], float]) -> list[float]:
    row = [float("nan")] * len(VITALS)
    for column, better in sorted(measured, reverse=True):  # the better source is written last
        value = measured[column, better]
        if 0 < value <= HIGHEST:
            row[column] = value
    return row


def parse_outcomes(text: str, where: str) -> dict[int, tuple[int, int]]:
    """Length of stay in days (-1: unknown) and death in hospital, by record.

    Raises :class:`WrongFileError` for another format.
    """
    lines = text.splitlines()
    if not lines or lines[0] != OUTCOMES_HEADER:
        got = repr(lines[0]) if lines else "an empty file"
        raise WrongFileError(f"{where}: expected the header {OUTCOMES_HEADER!r}, got {got}")
    outcomes = {}
    for line in lines[1:]:
        try:
            record, _, _, days, _, died = map(int, line.split(","))
        except ValueError:
            raise WrongFileError(f"{where}: expected six whole numbers, got {line!r}") from None
        outcomes[record] = (days, died)
    return outcomes


def is_record(which: str) -> Callable[[str], bool]:
    """Whether a member of the archive is a record of set ``which``."""
    pattern = re.compile(rf"set-{which}/\d+\.txt")
    return lambda name: pattern.fullmatch(name) is not None


def parse(paths: Mapping[str, Path]) -> dict[str, NDArray[Any]]:
    """Read the three sets."""
    arrays: dict[str, NDArray[Any]] = {}
    for which in SETS:
        place = paths[f"Outcomes-{which}.txt"]
        outcomes = parse_outcomes(contents(place).decode("latin-1"), str(place))
        archive = paths[f"set-{which}.tar.gz"]
        records = {
            int(Path(name).stem): parse_record(data.decode("latin-1"), f"{archive}: {name}")
            for name, data in members(archive, is_record(which)).items()
        }
        if records.keys() != outcomes.keys():
            lone = sorted(records.keys() ^ outcomes.keys())
            raise WrongFileError(
                f"{archive}: expected the records that {place.name} lists, {len(lone)} are in one of the two "
                f"only, such as {lone[0]}: get both anew"
            )
        ids = sorted(records)
        series = [records[one] for one in ids]
        rows = [row for _, values in series for row in values]
        arrays |= {
            f"{which}_times": np.array([t for times, _ in series for t in times], np.float32),
            f"{which}_values": np.array(rows, np.float32).reshape(-1, len(VITALS)),
            f"{which}_starts": np.cumsum([0, *(len(t) for t, _ in series)], dtype=np.int64),
            f"{which}_record_ids": np.array(ids, np.int64),
            f"{which}_length_of_stay": np.array([outcomes[one][0] for one in ids], np.int64),
            f"{which}_died": np.array([outcomes[one][1] for one in ids], np.uint8),
        }
    return arrays


def build(arrays: Arrays) -> PhysioNet2012:
    """The corpus from its arrays."""
    return PhysioNet2012(
        *(
            Stays(**{name: arrays[f"{which}_{name}"] for name in Stays.__dataclass_fields__})
            for which in SETS
        )
    )


URL = "https://physionet.org/files/challenge-2012/1.0.0/"
TERMS = (
    "Open Data Commons Attribution License 1.0, as far as known; cite Silva et al. 2012 and "
    "Goldberger et al. 2000; do not try to re-identify anyone"
)


def _archive(which: str, size: int, sha256: str, records: str) -> DataFile:
    """The published archive, known by its records only; or one packed anew, or the folder."""
    published = DataFile(
        name=f"set-{which}.tar.gz",
        unpacked_sha256=records,
        content=canonical(is_record(which)),
        url=f"{URL}set-{which}.tar.gz",
        terms=TERMS,
        origin=URL,
    )
    anew = replace(published, name=f"set-{which}.tar.xz", size=size, sha256=sha256, url=None)
    unpacked = replace(published, name=f"set-{which}", url=None, folder=True)
    return replace(published, alternatives=(anew, unpacked))


def _outcomes(which: str, size: int, sha256: str) -> DataFile:
    name = f"Outcomes-{which}.txt"
    return DataFile(name=name, size=size, sha256=sha256, url=URL + name, terms=TERMS, origin=URL)


CORPORA = (
    Corpus(
        name="physionet2012",
        summary="PhysioNet 2012: 3 x 4,000 stays in intensive care; not MIMIC-III",
        where="physionet2012",
        files=(
            _archive(
                "a",
                4_473_148,
                "32588ecfaecab9ed2b7c88074b3b8f4f1ce2d59113191226f9988d8b756b642d",
                "5180bffb50131399b875126f3df6c4f163de8350bc443aa9207dba0a5092772c",
            ),
            _outcomes(
                "a", 79_219, "2613ea60ccda29f87571a7d6b09ad130858a8ccd66325bd073365925026883c2"
            ),
            _archive(
                "b",
                4_487_488,
                "c640ccf9fd26212595638f009a5b3dc17509fbbe9fae0a60f1c1dd3ad76a4b4f",
                "254b7f1a4507ccbb811ce8a72a0ffe92e48062f109ab1eb60ed5703909dbeaec",
            ),
            _outcomes(
                "b", 79_149, "1305f29734da374a809483229a99f33a9230aa8d4fa74b1a2d6ad788136423d5"
            ),
            _archive(
                "c",
                4_494_304,
                "513b6aeb27549e0b0658c300c9406377e1fddbabca64324587d7a3b915844cfa",
                "1aa70509b308a6620bda0c0094409487a4f37cd6b06aba2acbc9edeb0325431d",
            ),
            _outcomes(
                "c", 79_191, "0b32dcb7753c0f18f2f5fde498a28618b8879c5e527ce0dae8ad120dd7e205c9"
            ),
        ),
        parse=parse,
        build=build,
    ),
)
