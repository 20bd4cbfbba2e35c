"""RRU's character-level language modeling on enwik8 and text8."""

from __future__ import annotations

from studies.core.protocol import Protocol, Setting
from studies.protocols.rru_settings import (
    CITATION,
    COMMON,
    LAPTOP,
    LAPTOP_DIFFERS,
    PAPER_DIFFERS,
    SMOKE,
    SMOKE_DIFFERS,
    clipping,
    dropout,
    each,
    lacking,
    results,
)


def _wikipedia(
    task: str, rates: tuple[float, float, float, float], values: tuple[float, float, float, float]
) -> Protocol:
    """``rates``: learning rates."""
    return Protocol(
        name=f"rru-{task}",
        title=f"Character-level language modeling on {task}",
        citation=CITATION,
        task=task,
        settings={
            **COMMON,
            **clipping(10.0, "language modeling"),
            "task.window": Setting(256, "table 5: context size"),
            "model.parameters": Setting(48_000_000, "table 5"),
            "model.layers": Setting(2, "table 5"),
            "model.embedding": Setting(32, "table 5"),
            "rru/cell.relu_layers": Setting(2, "table 5"),
            "rru/cell.q": Setting(4.0, "table 5"),
            "rru/cell.output_size": Setting(128, "table 5"),
            "lstm/cell.forget_offset": Setting(1.0, "table 5"),
            "mogrifier-lstm/cell.rounds": Setting(6, "table 5"),
            "mogrifier-lstm/cell.rank": Setting(
                32,
                "table 5 prints 79; the cell takes no rank above the width of what it reads, here 32",
            ),
            **each("training.learning_rate", rates, "table 6"),
            **dropout((0.7, 0.7, 0.7), "table 6"),
            "training.batch_size": Setting(64, "table 5"),
            "training.patience": Setting(3, "table 5"),
        },
        lacks=lacking(0.7, "table 6"),
        profiles={
            "smoke": SMOKE | {"task.window": 32, "model.embedding": 8},
            "laptop": LAPTOP
            | {
                "task.window": 128,
                "training.batch_size": 32,
                "training.examples": 19_200,
                "training.evaluate_every": 9_600,
            },
            "paper": {},
        },
        published=results(f"Character-level {task}", "bits_per_character", values, "not tuned"),
        differs={
            "smoke": SMOKE_DIFFERS,
            "laptop": f"{LAPTOP_DIFFERS}; windows of 128, batches of 32, at most 19,200 windows",
            "paper": f"{PAPER_DIFFERS}; its rank is 32, not 79; comparable only where the whole 100 million "
            "characters are read",
        },
    )


PROTOCOLS = (
    _wikipedia("enwik8", (1e-3, 1e-3, 1e-3, 1e-3), (1.37, 1.53, 1.49, 1.36)),
    _wikipedia("text8", (1e-3, 1e-4, 1e-3, 1e-3), (1.35, 1.55, 1.44, 1.37)),
)
