"""RRU's word-level language modeling on Penn Treebank."""

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
    ablations,
    clipping,
    lacking,
    results,
)
from studies.protocols.rru_tuning import Tuned, searched, tuned_settings

TASK = "ptb-words-rru"

WORDS = {
    **COMMON,
    **clipping(10.0, "language modeling"),
    "task.window": Setting(64, "appendix A.1: context size"),
    "model.layers": Setting(2, "appendix A.1"),
    "model.embedding": Setting(64, "appendix A.1"),
    "rru/cell.relu_layers": Setting(1, "appendix A.1"),
    "rru/cell.output_size": Setting(128, "appendix A.1"),
    "training.batch_size": Setting(128, "appendix A.1"),
    "training.patience": Setting(7, "appendix A.1"),
}

WORDS_SMOKE = SMOKE | {
    "task.train_limit": 20_000,
    "task.evaluation_limit": 2_000,
    "model.embedding": 8,
}
WORDS_LAPTOP = LAPTOP | {
    "training.batch_size": 32,
    "training.examples": 8_000,
    "training.evaluate_every": 4_000,
}
WORDS_LAPTOP_DIFFERS = f"{LAPTOP_DIFFERS}; batches of 32, at most 8,000 windows"

_TUNED = Tuned(
    (0.00683, 0.00012, 0.00162, 0.00074),
    (0.66035, 0.27062, 0.10384, 0.46872),
    (25_900_000, 10_000_000, 14_200_000, 24_200_000),
    6.86655,
    -2.33114,
    5,
    64,
)
_RANK = Setting(
    64,
    "table 4 prints 74; the cell takes no rank above the width of what it reads, here 64",
)

PROTOCOLS = (
    Protocol(
        name="rru-ptb-words",
        title="Word-level language modeling on Penn Treebank",
        citation=CITATION,
        task=TASK,
        settings={
            **WORDS,
            **tuned_settings(_TUNED),
            "mogrifier-lstm/cell.rank": _RANK,
        },
        varied=searched(10_000_000, 30_000_000),
        lacks=lacking(_TUNED.dropout[3], "table 4"),
        profiles={"smoke": WORDS_SMOKE, "laptop": WORDS_LAPTOP, "paper": {}},
        published=(
            *results(
                "Word-level Penn Treebank",
                "perplexity",
                (102.56, 122.21, 140.35, 126.88),
                "tuned; of the authors' own token stream, not of the standard one",
            ),
            *ablations(
                "Word PTB",
                "perplexity",
                (102.70, 104.60, 104.44, 120.76, 110.74, 103.09),
                "hyperparameters optimized for each version",
            ),
        ),
        differs={
            "smoke": SMOKE_DIFFERS,
            "laptop": WORDS_LAPTOP_DIFFERS,
            "paper": f"{PAPER_DIFFERS}; its rank is 64, not 74; the printed values are the best of 100 "
            "tuning runs",
        },
    ),
)
