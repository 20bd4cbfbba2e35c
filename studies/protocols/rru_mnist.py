"""RRU's sequential and permuted MNIST, and a short form by rows."""

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
    each,
    lacking,
    results,
)

_PIXELS = {
    **COMMON,
    **clipping(5.0, "MNIST"),
    "task.permutation": Setting("none", "section 4.1: Sequential MNIST"),
    "model.parameters": Setting(70_000, "table 5"),
    "model.layers": Setting(2, "table 5"),
    "model.embedding": Setting(None, "table 5: none"),
    "rru/cell.relu_layers": Setting(1, "table 5"),
    "rru/cell.q": Setting(2.0, "table 5"),
    "rru/cell.output_size": Setting(64, "table 5"),
    "lstm/cell.forget_offset": Setting(1.0, "table 5"),
    "mogrifier-lstm/cell.rounds": Setting(6, "table 5"),
    "mogrifier-lstm/cell.rank": Setting(
        0,
        "assumed: full matrices; table 5 prints 50; the cell takes no rank above the width of what it reads",
    ),
    **each("training.learning_rate", (1e-3, 1e-3, 1e-4, 5e-5), "table 6"),
    **dropout((0.7, 0.7, 0.7), "table 6"),
    "training.batch_size": Setting(64, "table 5"),
    "training.patience": Setting(5, "table 5"),
}
_PERMUTED = Setting(
    "rru", "the authors' code permutes all pixels; section 4.1 says those of each row"
)
_LACKS = lacking(0.5, "table 6") | {
    "task.smoothing": Setting(0.1, "the authors' code: label smoothing")
}
_SHARP = "labels are not smoothed"
_PAPER = f"{_SHARP}; {PAPER_DIFFERS} and modulates by full matrices instead of rank 50; {LAST_STATE_DIFFERS}"
_PIXELS_SMOKE = SMOKE | {"mogrifier-lstm/cell.rank": 0}
_PIXELS_LAPTOP = LAPTOP | {
    "mogrifier-lstm/cell.rank": 0,
    "training.learning_rate": 1e-3,
    "training.examples": 12_800,
    "training.evaluate_every": 12_800,
}
_PIXELS_DIFFERS = (
    f"{LAPTOP_DIFFERS.replace('3e-3', '1e-3')}; 12,800 images, a quarter of an epoch, too short for a "
    "good accuracy"
)


def _rows(task: str, title: str, permutation: Setting) -> Protocol:
    easier = "28 steps of 28 pixels instead of 784 of one, an easier task"
    rank = Setting(
        28, "assumed: as much of table 5's 50 as the cell takes where 28 pixels are read"
    )
    return Protocol(
        name=f"rru-{task}",
        title=f"{title}, 28 pixels a step (not an experiment of the paper)",
        citation=CITATION,
        task=task,
        settings=_PIXELS | {"task.permutation": permutation, "mogrifier-lstm/cell.rank": rank},
        lacks=_LACKS,
        profiles={
            "smoke": SMOKE,
            "laptop": LAPTOP | {"training.examples": 100_000, "training.evaluate_every": 25_000},
            "paper": {},
        },
        differs={
            "smoke": SMOKE_DIFFERS,
            "laptop": f"{easier}; {LAPTOP_DIFFERS}; at most two epochs",
            "paper": f"{easier}; {_SHARP}; {PAPER_DIFFERS}; {LAST_STATE_DIFFERS}",
        },
    )


PROTOCOLS = (
    Protocol(
        name="rru-mnist",
        title="Sequential MNIST",
        citation=CITATION,
        task="mnist-pixels",
        settings=_PIXELS,
        lacks=_LACKS,
        profiles={"smoke": _PIXELS_SMOKE, "laptop": _PIXELS_LAPTOP, "paper": {}},
        published=(
            *results("Sequential MNIST", "accuracy", (98.74, 98.36, 92.88, 98.14), "not tuned"),
            *ablations(
                "Sequential MNIST",
                "accuracy",
                (98.74, 98.03, 98.45, 86.38, 98.43, 98.60),
                "a single run",
            ),
        ),
        differs={"smoke": SMOKE_DIFFERS, "laptop": _PIXELS_DIFFERS, "paper": _PAPER},
    ),
    Protocol(
        name="rru-mnist-permuted",
        title="Permuted MNIST",
        citation=CITATION,
        task="permuted-mnist-pixels",
        settings=_PIXELS | {"task.permutation": _PERMUTED},
        lacks=_LACKS,
        profiles={"smoke": _PIXELS_SMOKE, "laptop": _PIXELS_LAPTOP, "paper": {}},
        published=results("Permuted MNIST", "accuracy", (97.67, 98.68, 97.39, 97.81), "not tuned"),
        differs={"smoke": SMOKE_DIFFERS, "laptop": _PIXELS_DIFFERS, "paper": _PAPER},
    ),
    _rows("mnist-rows", "Sequential MNIST", _PIXELS["task.permutation"]),
    _rows("permuted-mnist-rows", "Permuted MNIST", _PERMUTED),
)
