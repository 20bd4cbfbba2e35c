"""RRU's robustness study (section 5): learning rate against number of parameters."""

from __future__ import annotations

from studies.core.protocol import Protocol, Setting
from studies.protocols.rru_music import MUSIC, MUSIC_SMOKE
from studies.protocols.rru_ptb_words import (
    TASK,
    WORDS,
    WORDS_LAPTOP,
    WORDS_LAPTOP_DIFFERS,
    WORDS_SMOKE,
)
from studies.protocols.rru_settings import (
    CITATION,
    LAPTOP,
    LAPTOP_DIFFERS,
    PAPER_DIFFERS,
    SMOKE_DIFFERS,
    dropout,
    lacking,
)

_RATES = (1e-4, 2e-4, 3e-4, 5e-4, 8e-4, 13e-4, 22e-4, 36e-4, 6e-3, 1e-2)
_SILENT = "assumed: the default of the authors' code, since appendix A.2 does not say"

UNTUNED = {
    "rru/cell.q": Setting(2.0, "appendix A.2"),
    **dropout((0.5, 0.5, 0.5), "appendix A.2"),
    "lstm/cell.forget_offset": Setting(1.0, _SILENT),
    "mogrifier-lstm/cell.rounds": Setting(5, _SILENT),
    "mogrifier-lstm/cell.rank": Setting(40, _SILENT),
}


def _grid(millions: tuple[float, ...]) -> dict[str, Setting]:
    counts = tuple(round(one * 1_000_000) for one in millions)
    return {
        "training.learning_rate": Setting(_RATES, "appendix A.2: full grid"),
        "model.parameters": Setting(counts, "appendix A.2: full grid"),
    }


def _center(parameters: int) -> dict[str, Setting]:
    source = "assumed: a point in the middle of the grid"
    return {
        "training.learning_rate": Setting(8e-4, source),
        "model.parameters": Setting(parameters, source),
    }


_GRID_DIFFERS = "one point of the printed grid; figures 2 and 3 print no numbers"

PROTOCOLS = (
    Protocol(
        name="rru-nottingham-robustness",
        title="Robustness against learning rate and parameter count, Nottingham",
        citation=CITATION,
        task="nottingham",
        settings={**MUSIC, **UNTUNED, **_center(7_200_000)},
        varied=_grid((1.0, 2.6, 4.1, 5.7, 7.2, 8.8, 10.3, 11.9, 13.4, 15.0)),
        lacks=lacking(0.5, "appendix A.2"),
        profiles={
            "smoke": MUSIC_SMOKE,
            "laptop": LAPTOP | {"training.examples": 20_000},
            "paper": {},
        },
        differs={
            "smoke": SMOKE_DIFFERS,
            "laptop": f"{LAPTOP_DIFFERS}; at most 20,000 windows; {_GRID_DIFFERS}",
            "paper": f"{PAPER_DIFFERS}; {_GRID_DIFFERS}",
        },
        main=False,
    ),
    Protocol(
        name="rru-ptb-words-robustness",
        title="Robustness against learning rate and parameter count, word-level Penn Treebank",
        citation=CITATION,
        task=TASK,
        settings={**WORDS, **UNTUNED, **_center(18_900_000)},
        varied=_grid((10.0, 12.2, 14.4, 16.7, 18.9, 21.1, 23.3, 25.6, 27.8, 30.0)),
        lacks=lacking(0.5, "appendix A.2"),
        profiles={"smoke": WORDS_SMOKE, "laptop": WORDS_LAPTOP, "paper": {}},
        differs={
            "smoke": SMOKE_DIFFERS,
            "laptop": f"{WORDS_LAPTOP_DIFFERS}; {_GRID_DIFFERS}",
            "paper": f"{PAPER_DIFFERS}; {_GRID_DIFFERS}",
        },
        main=False,
    ),
)
