"""MIMIC-III length of stay, in the feature layout of GATO's experiment, from a file that the user makes.

MIMIC-III is credentialed, so nothing is downloaded and no checksum is known. The user extracts the
features from an own copy and saves them with ``numpy.savez("mimic3.npz", vitals=…, lengths=…, labels=…)``:

- ``vitals``, floating (N, T, 25), T at most 200: columns 0 to 11 are oxygen saturation, heart rate,
  respiratory rate, systolic pressure, diastolic pressure, temperature, Glasgow coma score, urine, inspired
  oxygen, glucose, pH and capillary refill, 0 where missing; columns 12 to 23 say 1 where the value is there
  and 0 where it is missing, in the same order; column 24 is the time in hours, never falling. Rows past the
  length are 0.
- ``lengths``, integer (N,), 1 to T: the number of times of each stay.
- ``labels``, integer (N,): 1 for a stay of more than seven days, admission to discharge, else 0.

N is 53,211: 43,000 stays for training, then 5,106 for validation, then 5,105 for testing (GATO, appendix C).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.content import DAMAGED
from studies.data.corpus import Arrays, Corpus, DataFile
from studies.data.errors import WrongFileError
from studies.data.tokens import SPLITS

VITALS = 12
FEATURES = 2 * VITALS + 1
MOST_TIMES = 200
SIZES = (43_000, 5_106, 5_105)


@dataclass(frozen=True, eq=False)
class LabelledStays:
    """Features ``float32`` (N, T, 25), lengths ``int64`` (N,) and labels ``uint8`` (N,); see the module."""

    vitals: NDArray[np.float32]
    lengths: NDArray[np.int64]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Mimic3:
    """The three splits."""

    train: LabelledStays
    valid: LabelledStays
    test: LabelledStays


def validated(arrays: Arrays, where: str, sizes: tuple[int, int, int]) -> dict[str, NDArray[Any]]:
    """The three arrays, in the types kept.

    Raises :class:`WrongFileError` that names the first rule of the layout which they break.
    """

    def demand(rule: str, *, holds: bool, got: object) -> None:
        if not holds:
            raise WrongFileError(f"{where}: expected {rule}, got {got}; make the file anew")

    names = {"vitals", "lengths", "labels"}
    demand(f"the arrays {sorted(names)}", holds=names <= arrays.keys(), got=sorted(arrays))
    vitals, lengths, labels = (arrays[name] for name in ("vitals", "lengths", "labels"))
    demand(
        f"vitals of shape (N, T, {FEATURES}) with T from 1 to {MOST_TIMES}",
        holds=vitals.ndim == 3
        and vitals.shape[2] == FEATURES
        and 1 <= vitals.shape[1] <= MOST_TIMES,
        got=vitals.shape,
    )
    count, steps = vitals.shape[:2]
    demand(
        f"N = {sum(sizes):,} stays ({' + '.join(map(str, sizes))})",
        holds=count == sum(sizes),
        got=count,
    )
    for name, one in (("lengths", lengths), ("labels", labels)):
        demand(f"{name} of shape ({count},)", holds=one.shape == (count,), got=one.shape)
        demand(f"{name} of integers", holds=np.issubdtype(one.dtype, np.integer), got=one.dtype)
    demand(
        f"lengths from 1 to {steps}",
        holds=bool(((lengths >= 1) & (lengths <= steps)).all()),
        got=f"{lengths.min()} to {lengths.max()}",
    )
    demand(
        "labels of 0 and 1", holds=bool(np.isin(labels, (0, 1)).all()), got=np.unique(labels)[:5]
    )
    demand(
        "vitals of finite numbers",
        holds=np.issubdtype(vitals.dtype, np.floating) and bool(np.isfinite(vitals).all()),
        got=f"{vitals.dtype} with other values or type",
    )
    values, there, times = np.split(vitals, (VITALS, 2 * VITALS), axis=2)
    demand(
        "indicators (columns 12 to 23) of 0 and 1",
        holds=bool(np.isin(there, (0, 1)).all()),
        got="other values",
    )
    demand(
        "values (columns 0 to 11) of 0 where the indicator is 0",
        holds=not values[there == 0].any(),
        got="others",
    )
    real = np.arange(steps) < lengths[:, None]
    demand("rows of 0 past the length", holds=not vitals[~real].any(), got="others")
    falling = (np.diff(times[..., 0], axis=1) < 0) & real[:, 1:]
    demand("times (column 24) that never fall", holds=not falling.any(), got="some that do")
    return {
        "vitals": vitals.astype(np.float32),
        "lengths": lengths.astype(np.int64),
        "labels": labels.astype(np.uint8),
    }


def mimic3(sizes: tuple[int, int, int] = SIZES) -> Corpus[Mimic3]:
    """The corpus with splits of the given sizes; the published ones unless told otherwise."""

    def parse(paths: Mapping[str, Path]) -> dict[str, NDArray[Any]]:
        (path,) = paths.values()
        try:
            with np.load(path, allow_pickle=False) as held:
                arrays = {name: np.asarray(held[name]) for name in held.files}
        except (*DAMAGED, TypeError, ValueError) as error:
            raise WrongFileError(
                f"{path}: expected an .npz of plain arrays, it cannot be read ({error}); make it anew"
            ) from error
        return validated(arrays, str(path), sizes)

    def build(arrays: Arrays) -> Mimic3:
        ends = np.cumsum(sizes)
        parts = {name: np.split(one, ends[:-1]) for name, one in arrays.items()}
        return Mimic3(
            *(
                LabelledStays(*(parts[name][i] for name in ("vitals", "lengths", "labels")))
                for i in range(len(SPLITS))
            )
        )

    return Corpus(
        name="mimic3",
        summary="MIMIC-III length of stay, in GATO's feature layout; credentialed, made by the user",
        where="mimic3",
        files=(
            DataFile(
                name="mimic3.npz",
                terms="PhysioNet Credentialed Health Data License; account, training and agreement needed",
                origin="extract it from an own copy of MIMIC-III, https://physionet.org/content/mimiciii/; "
                "the layout is described in studies/data/corpora/mimic3.py",
            ),
        ),
        parse=parse,
        build=build,
    )


CORPORA = (mimic3(),)
