"""RRU's character-level language modeling on enwik8 and text8."""

from __future__ import annotations

from studies.core.protocol import Protocol, Setting
from studies.protocols.rru_ptb_characters import (
    CHARACTERS_DIFFERS,
    CHARACTERS_LAPTOP,
    CHARACTERS_SMOKE,
)
from studies.protocols.rru_settings import (
    CITATION,
    COMMON,
    PAPER_DIFFERS,
    SMOKE_DIFFERS,
    clipping,
    dropout,
    each,
    lacking,
    results,
)


def _wikipedia(
    task: str,
    rates: tuple[float, float, float, float],
    values: tuple[float, float, float, float],
    *,
    part: bool = False,
) -> Protocol:
    """``rates``: learning rates; ``part``: of the first characters alone, which is no published benchmark."""
    corpus = f"{task}, first part" if part else task
    warning = "a part of the corpus, not comparable with published numbers; " if part else ""
    return Protocol(
        name=f"rru-{task}-part" if part else f"rru-{task}",
        title=f"Character-level language modeling on {corpus}",
        citation=CITATION,
        task=f"{task}-part" if part else task,
        settings={
            **COMMON,
            **clipping(10.0, "language modeling"),
            "task.window": Setting(256, "table 5: context size"),
            "task.reading": Setting(
                "rru", "section 4.1: the state is passed on, or zeros in 10 % of cases"
            ),
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
            "smoke": CHARACTERS_SMOKE,
            "laptop": CHARACTERS_LAPTOP,
            "paper": {},
        },
        published=()
        if part
        else results(f"Character-level {task}", "bits_per_character", values, "not tuned"),
        differs={
            "smoke": SMOKE_DIFFERS,
            "laptop": f"{warning}{CHARACTERS_DIFFERS}",
            "paper": f"{warning}{PAPER_DIFFERS}; its rank is 32, not 79",
        },
    )


_ENWIK8 = (1e-3, 1e-3, 1e-3, 1e-3), (1.37, 1.53, 1.49, 1.36)
_TEXT8 = (1e-3, 1e-4, 1e-3, 1e-3), (1.35, 1.55, 1.44, 1.37)

PROTOCOLS = (
    _wikipedia("enwik8", *_ENWIK8),
    _wikipedia("enwik8", *_ENWIK8, part=True),
    _wikipedia("text8", *_TEXT8),
    _wikipedia("text8", *_TEXT8, part=True),
)
