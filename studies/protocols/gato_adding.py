"""GATO experiment 2: the adding problem."""

from __future__ import annotations

import math
from typing import Any

from studies.core.protocol import Protocol, Published, Setting
from studies.protocols.gato_settings import BASELINES, CITATION, TRAINING, counts, gato

_AT_CHANCE = "text: not better than the baseline, which is printed as 0.167"


def _error(
    cell: str | None, label: str, length: int, value: float, note: str = "", **knobs: Any
) -> Published:
    departs = {} if length == 750 else {"task.length": length}
    departs |= {f"cell.{knob}": one for knob, one in knobs.items()}
    table = "appendix A" if knobs else "figure 2"
    return Published(
        cell, label, f"T = {length}", "mean_squared_error", value, table, note, departs
    )


_PUBLISHED = (
    *(_error(None, "Baseline", length, 0.167) for length in (100, 200, 400, 750)),
    *(
        _error(cell, label, length, 0.167, "text: after 200,000 examples still around the baseline")
        for cell, label in (("lstm", "LSTM"), ("lstm-diag", "LSTM-DIAG"))
        for length in (100, 200, 400, 750)
    ),
    _error(
        "gru", "GRU", 400, math.inf, "NaN on one seed, which the paper denotes by infinite error"
    ),
    _error("gru", "GRU", 750, 0.167, _AT_CHANCE),
    _error("gato-2", "s set to 0", 750, 0.167, _AT_CHANCE, s_mode="zero"),
    _error("gato-2", "s set to g", 750, 0.167, _AT_CHANCE, s_mode="no_residual"),
    *counts(
        "section 5.3",
        (
            ("gato-2", "GATO", 43_264, {}),
            ("gru", "GRU", 792_576, {}),
            ("lstm", "LSTM", 1_056_768, {}),
        ),
    ),
)

PROTOCOLS = (
    Protocol(
        name="gato-adding",
        title="Experiment 2: adding problem",
        citation=CITATION,
        task="adding",
        settings={
            **TRAINING,
            **BASELINES,
            "task.length": Setting(
                750, "section 5.3: 100, 200, 400, 750; appendix A ablates at 750"
            ),
            "task.held_out": Setting(1000, "section 5.3"),
            "model.hidden_size": Setting(512, "section 5.3"),
            "model.layers": Setting(1, "section 5.3"),
            "model.embedding": Setting(
                None, 'section 5.3: "we do not use embeddings for this task"'
            ),
            "model.decoder_hidden": Setting(256, "section 5.3"),
            **gato(
                "gato-2",
                k=Setting(32, "assumed: follows from the printed count 43,264"),
                n_b=Setting(1, "assumed: follows from the printed count 43,264"),
                init=Setting("uniform", "appendix C.2"),
            ),
            "training.learning_rate": Setting(4e-3, "appendix C.3"),
            "training.halve_every": Setting(10_000, "appendix C.3"),
            "training.batch_size": Setting(64, "appendix C.5"),
            "training.weight_decay": Setting(0.0, "appendix C.6"),
            "training.examples": Setting(200_000, "section 5.3, figure 2"),
            "training.evaluate_every": Setting(5_000, "assumed: the paper does not say how often"),
        },
        varied={"task.length": Setting((100, 200, 400, 750), "section 5.3")},
        profiles={
            "smoke": {
                "task.length": 10,
                "task.held_out": 100,
                "model.hidden_size": 16,
                "model.decoder_hidden": 16,
                "gato-2/cell.k": 4,
                "training.examples": 1_280,
                "training.evaluate_every": 640,
                "training.halve_every": 640,
                "seeds": 2,
            },
            "laptop": {
                "task.length": 50,
                "model.hidden_size": 128,
                "gato-2/cell.k": 16,
                "training.examples": 40_000,
            },
            "paper": {},
        },
        published=_PUBLISHED,
        differs={
            "smoke": "a run of seconds that shows the machinery, no result",
            "laptop": "T = 50 instead of 750, J = 64 instead of 256, k = 16 instead of 32, 40,000 examples",
            "paper": "T = 750 alone of the four printed lengths; how often the paper evaluates is assumed",
        },
    ),
)
