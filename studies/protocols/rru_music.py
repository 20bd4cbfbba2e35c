"""RRU's four polyphonic music experiments."""

from __future__ import annotations

from studies.core.protocol import Protocol, Published, Setting
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
    lacking,
    results,
)
from studies.protocols.rru_tuning import Tuned, searched, tuned_settings

MUSIC = {
    **COMMON,
    **clipping(1.5, "music"),
    "task.window": Setting(200, "appendix A.1: context size"),
    "task.averaging": Setting("windows", "the authors' code: the mean over windows of their means"),
    "model.layers": Setting(1, "appendix A.1"),
    "model.embedding": Setting(None, "section 4.1: a binary mask for each time step"),
    "rru/cell.relu_layers": Setting(1, "appendix A.1"),
    "rru/cell.output_size": Setting(64, "appendix A.1"),
    "training.batch_size": Setting(16, "appendix A.1"),
    "training.patience": Setting(7, "appendix A.1"),
}

MUSIC_SMOKE = SMOKE | {"task.window": 20}


def music(
    task: str,
    title: str,
    tuned: Tuned,
    values: tuple[float, float, float, float],
    examples: int,
    more: tuple[Published, ...] = (),
) -> Protocol:
    """The protocol of one corpus; ``examples``: windows that the laptop profile sees."""
    return Protocol(
        name=f"rru-{task}",
        title=f"Polyphonic music modeling, {title}",
        citation=CITATION,
        task=task,
        settings={**MUSIC, **tuned_settings(tuned)},
        varied=searched(1_000_000, 15_000_000),
        lacks=lacking(tuned.dropout[3], "table 4"),
        profiles={
            "smoke": MUSIC_SMOKE,
            "laptop": LAPTOP | {"training.examples": examples},
            "paper": {},
        },
        published=(*results(f"Music {title}", "nll_nats", values, "tuned"), *more),
        differs={
            "smoke": SMOKE_DIFFERS,
            "laptop": f"{LAPTOP_DIFFERS}; at most {examples:,} windows",
            "paper": f"{PAPER_DIFFERS}; the printed values are the best of 100 tuning runs",
        },
    )


PROTOCOLS = (
    music(
        "jsb-chorales",
        "JSB Chorales",
        Tuned(
            (0.00495, 0.00460, 0.01000, 0.00255),
            (0.79362, 0.67605, 0.30081, 0.47521),
            (6_900_000, 1_800_000, 1_300_000, 1_300_000),
            1.76958,
            0.76843,
            6,
            58,
        ),
        (7.72, 8.20, 8.33, 8.18),
        24_000,
    ),
    music(
        "nottingham",
        "Nottingham",
        Tuned(
            (0.00029, 0.00454, 0.00882, 0.00169),
            (0.77186, 0.33787, 0.20310, 0.73808),
            (2_600_000, 3_400_000, 1_300_000, 6_000_000),
            7.31994,
            -0.04104,
            5,
            48,
        ),
        (2.92, 3.22, 3.25, 3.28),
        12_000,
        ablations(
            "Nottingham",
            "nll_nats",
            (2.92, 2.92, 2.97, 3.07, 3.56, 2.96),
            "hyperparameters optimized for each version",
        ),
    ),
    music(
        "musedata",
        "MuseData",
        Tuned(
            (0.00030, 0.00260, 0.00493, 0.00135),
            (0.77518, 0.64839, 0.35383, 0.55499),
            (8_600_000, 1_900_000, 1_800_000, 10_300_000),
            6.85699,
            1.85746,
            5,
            76,
        ),
        (7.03, 7.31, 7.24, 7.22),
        20_000,
    ),
    music(
        "piano-midi",
        "Piano-midi.de",
        Tuned(
            (0.00077, 0.00932, 0.00727, 0.00012),
            (0.71577, 0.75069, 0.22951, 0.77291),
            (5_900_000, 2_400_000, 11_900_000, 2_900_000),
            3.68371,
            0.59993,
            5,
            63,
        ),
        (7.38, 7.58, 7.54, 7.52),
        16_000,
    ),
)
