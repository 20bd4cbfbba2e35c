"""RRU's dropout analysis (section 6) on Nottingham; the one on characters stands beside its main protocol."""

from __future__ import annotations

from studies.core.protocol import Protocol, Setting
from studies.protocols.rru_music import MUSIC, MUSIC_SMOKE
from studies.protocols.rru_ptb_characters import RATES
from studies.protocols.rru_robustness import UNTUNED
from studies.protocols.rru_settings import (
    CITATION,
    LAPTOP,
    LAPTOP_DIFFERS,
    PAPER_DIFFERS,
    SMOKE_DIFFERS,
    dropout,
    lacking,
)

PROTOCOLS = (
    Protocol(
        name="rru-nottingham-dropout",
        title="Dropout analysis, Nottingham",
        citation=CITATION,
        task="nottingham",
        settings={
            **MUSIC,
            **UNTUNED,
            "rru/cell.q": Setting(2.0, "appendix A.3"),
            **dropout(
                (0.5, 0.5, 0.5), "assumed: the middle of the rates; appendix A.3 crosses them"
            ),
            "model.parameters": Setting(5_000_000, "appendix A.3"),
            "training.learning_rate": Setting(1e-3, "appendix A.3"),
        },
        varied=dropout([RATES] * 3, "appendix A.3: from 0.0 to 0.9"),
        lacks=lacking(RATES, "appendix A.3"),
        profiles={
            "smoke": MUSIC_SMOKE,
            "laptop": LAPTOP | {"training.examples": 20_000},
            "paper": {},
        },
        differs={
            "smoke": SMOKE_DIFFERS,
            "laptop": f"{LAPTOP_DIFFERS}; at most 20,000 windows; figure 4 prints no numbers",
            "paper": f"{PAPER_DIFFERS}; one of the printed rates; figure 4 prints no numbers",
        },
        main=False,
    ),
)
