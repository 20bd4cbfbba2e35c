"""RRU's character-level language modeling on Penn Treebank, and the dropout analysis on it."""

from __future__ import annotations

import dataclasses

from studies.core.protocol import Protocol, Setting
from studies.protocols.rru_settings import (
    CITATION,
    COMMON,
    LAPTOP,
    LAPTOP_DIFFERS,
    PAPER_DIFFERS,
    SMOKE,
    SMOKE_DIFFERS,
    ablations,
    clipping,
    dropout,
    lacking,
    results,
)

CHARACTERS_SMOKE = SMOKE | {
    "task.window": 32,
    "task.train_limit": 20_000,
    "task.evaluation_limit": 5_000,
    "model.embedding": 8,
}
CHARACTERS_LAPTOP = LAPTOP | {
    "task.window": 128,
    "training.batch_size": 32,
    "training.examples": 19_200,
    "training.evaluate_every": 9_600,
}
CHARACTERS_DIFFERS = f"{LAPTOP_DIFFERS}; windows of 128, batches of 32, at most 19,200 windows"
RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

_MAIN = Protocol(
    name="rru-ptb-characters",
    title="Character-level language modeling on Penn Treebank",
    citation=CITATION,
    task="ptb-characters",
    settings={
        **COMMON,
        **clipping(10.0, "language modeling"),
        "task.window": Setting(512, "appendix A.1: context size"),
        "task.reading": Setting(
            "rru", "section 4.1: the state is passed on, or zeros in 10 % of cases"
        ),
        "model.parameters": Setting(24_000_000, "appendix A.1"),
        "model.layers": Setting(2, "appendix A.1"),
        "model.embedding": Setting(16, "appendix A.1"),
        "rru/cell.relu_layers": Setting(2, "appendix A.1"),
        "rru/cell.q": Setting(4.0, "appendix A.1"),
        "rru/cell.output_size": Setting(128, "appendix A.1"),
        "lstm/cell.forget_offset": Setting(1.0, "appendix A.1"),
        "mogrifier-lstm/cell.rounds": Setting(4, "appendix A.1"),
        "mogrifier-lstm/cell.rank": Setting(
            16,
            "appendix A.1 prints 24; the cell takes no rank above the width of what it reads, here 16",
        ),
        **dropout((0.7, 0.5, 0.4), "caption of figure 7: the best of ten rates"),
        "training.learning_rate": Setting(1e-3, "appendix A.1"),
        "training.batch_size": Setting(64, "appendix A.1"),
        "training.patience": Setting(11, "appendix A.1"),
    },
    varied=dropout([RATES] * 3, "appendix A.1"),
    lacks=lacking(0.5, "caption of figure 7"),
    profiles={
        "smoke": CHARACTERS_SMOKE,
        "laptop": CHARACTERS_LAPTOP,
        "paper": {},
    },
    published=(
        *results(
            "Character-level Penn Treebank",
            "bits_per_character",
            (1.27, 1.28, 1.34, 1.29),
            "the best of ten dropout rates",
        ),
        *ablations(
            "Character PTB",
            "bits_per_character",
            (1.32, 1.32, 1.32, 1.34, 2.25, 1.33),
            "dropout rate 0.3 for every version",
            dropout=0.3,
        ),
    ),
    differs={
        "smoke": SMOKE_DIFFERS,
        "laptop": CHARACTERS_DIFFERS,
        "paper": f"{PAPER_DIFFERS}; its rank is 16, not 24; one dropout rate a cell, the printed best of ten",
    },
)

PROTOCOLS = (
    _MAIN,
    dataclasses.replace(
        _MAIN,
        name="rru-ptb-characters-dropout",
        title="Dropout analysis, character-level Penn Treebank",
        published=(),
        main=False,
    ),
)
