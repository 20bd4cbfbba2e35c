"""RRU's sentiment analysis on IMDB."""

from __future__ import annotations

from studies.core.protocol import Protocol, Setting
from studies.protocols.rru_settings import (
    CITATION,
    COMMON,
    LAPTOP,
    LAPTOP_DIFFERS,
    LAST_STATE_DIFFERS,
    PAPER_DIFFERS,
    SMOKE,
    SMOKE_DIFFERS,
    ablations,
    clipping,
    dropout,
    lacking,
    results,
)

PROTOCOLS = (
    Protocol(
        name="rru-imdb",
        title="Sentiment analysis on IMDB",
        citation=CITATION,
        task="imdb",
        settings={
            **COMMON,
            **clipping(5.0, "sentiment analysis"),
            "task.length": Setting(512, "table 5: context size; section 4.1 says 500"),
            "task.vocabulary": Setting(10_000, "section 4.1"),
            "task.smoothing": Setting(0.1, "the authors' code: label smoothing"),
            "model.parameters": Setting(20_000_000, "table 5"),
            "model.layers": Setting(2, "table 5"),
            "model.embedding": Setting(64, "table 5"),
            "rru/cell.relu_layers": Setting(1, "table 5"),
            "rru/cell.q": Setting(2.0, "table 5"),
            "rru/cell.output_size": Setting(64, "table 5"),
            "lstm/cell.forget_offset": Setting(1.0, "table 5"),
            "mogrifier-lstm/cell.rounds": Setting(5, "table 5"),
            "mogrifier-lstm/cell.rank": Setting(40, "table 5"),
            **dropout((0.5, 0.5, 0.5), "table 6"),
            "training.learning_rate": Setting(1e-3, "table 6"),
            "training.batch_size": Setting(64, "table 5"),
            "training.patience": Setting(5, "table 5"),
        },
        lacks=lacking(0.5, "table 6"),
        profiles={
            "smoke": SMOKE
            | {
                "task.length": 20,
                "task.vocabulary": 500,
                "task.evaluation_limit": 100,
                "model.embedding": 8,
            },
            "laptop": LAPTOP
            | {
                "task.length": 100,
                "model.embedding": 32,
                "training.learning_rate": 1e-3,
                "gato/training.learning_rate": 4e-3,
                "training.examples": 60_000,
                "training.evaluate_every": 10_000,
            },
            "paper": {},
        },
        published=(
            *results(
                "Sentiment analysis IMDB", "accuracy", (87.20, 87.04, 85.89, 86.23), "not tuned"
            ),
            *ablations(
                "IMDB", "accuracy", (87.45, 87.21, 87.08, 87.17, 86.78, 86.71), "a single run"
            ),
        ),
        differs={
            "smoke": SMOKE_DIFFERS,
            "laptop": f"{LAPTOP_DIFFERS.replace('3e-3', '1e-3')}; the last 100 words, embedding 32, at "
            "most three epochs; GATO with its own paper's rate, 4e-3",
            "paper": f"{PAPER_DIFFERS}; {LAST_STATE_DIFFERS}",
        },
    ),
)
