"""GATO experiment 4: word-level language modeling on Penn Treebank."""

from __future__ import annotations

import math
from typing import Any

from studies.core.protocol import Protocol, Published, Setting
from studies.protocols.gato_settings import BASELINES, CITATION, TRAINING, counts, gato

_SAME = {"gru-diag": {"model.hidden_size": 650}, "lstm-diag": {"model.hidden_size": 500}}


def _row(
    cell: str, label: str, value: float, table: str = "table 2", note: str = "", **departs: Any
) -> Published:
    column = "Test Perplexity Score" if table == "table 2" else "Penn Test ppl"
    at = {key.replace("__", "."): one for key, one in departs.items()}
    return Published(cell, label, column, "perplexity", value, table, note, at)


_PUBLISHED = (
    _row("gato", "GATO", 112.85),
    _row("gru", "GRU", 115.78),
    _row("lstm", "LSTM", 122.86),
    _row("gru-diag", "gru-diag", 124.44),
    _row("lstm-diag", "lstm-diag", 119.09),
    _row("gru-diag", "gru-diag (same params)", 124.65, model__hidden_size=650),
    _row("lstm-diag", "lstm-diag (same params)", 122.01, model__hidden_size=500),
    _row("sru", "SRU", 149.97),
    _row("eurnn", "EURNN", 768.96),
    _row("rhn", "RHN", math.inf, note="unbounded hidden state over long sequences"),
    _row("brhn", "brhn", 116.11, note="*RHN with its hidden state bounded by GATO's principles"),
    _row("gato", "1/2 state (original)", 112.85, "table 3"),
    _row("gato", "1/4 state", 122.293, "table 3", cell__s_fraction=0.25),
    _row("gato", "sigmoid (original)", 112.85, "table 4"),
    _row("gato", "tanh", 118.955, "table 4", cell__reg="tanh"),
    _row("gato", "cos (original)", 112.85, "table 5"),
    _row("gato", "sin", 112.89, "table 5", cell__gamma="sin"),
    *counts(
        "table 2",
        (
            ("gato", "GATO", 1_273_350, {}),
            ("gru", "GRU", 7_612_800, {}),
            ("lstm", "LSTM", 10_150_400, {}),
            ("gru-diag", "gru-diag", 2_546_700, {}),
            ("lstm-diag", "lstm-diag", 3_395_600, {}),
            ("gru-diag", "gru-diag (same params)", 1_273_350, _SAME["gru-diag"]),
            ("lstm-diag", "lstm-diag (same params)", 1_306_000, _SAME["lstm-diag"]),
            ("sru", "SRU", 2_198_560, {}),
            ("eurnn", "EURNN", 850_200, {}),
            ("rhn", "RHN", 7_612_800, {}),
            ("brhn", "brhn", 5_075_200, {}),
        ),
    ),
)

_TWO_BIASES = Setting(2, "assumed: the printed counts of table 2 need two biases")

PROTOCOLS = (
    Protocol(
        name="gato-ptb-words",
        title="Experiment 4: language modeling on Penn Treebank",
        citation=CITATION,
        task="ptb-words",
        settings={
            **TRAINING,
            **BASELINES,
            "task.window": Setting(70, "appendix C.7"),
            "task.window_lengths": Setting("merity", "appendix C.7: around 70 and 35"),
            "task.validation_streams": Setting(10, "assumed: as in the code of Merity et al."),
            "task.test_streams": Setting(1, "assumed: as in the code of Merity et al."),
            "model.hidden_size": Setting(1300, "section 5.5"),
            "model.layers": Setting(1, "assumed: section 5.5 does not speak of stacking"),
            "model.embedding": Setting(650, "section 5.5"),
            "model.decoder_hidden": Setting(None, "section 5.5: a linear decoder"),
            **gato(
                "gato",
                n_b=_TWO_BIASES,
                init=Setting("linear", "appendix C.2"),
                wrap_s=Setting(
                    True,  # noqa: FBT003
                    "assumed: the memory is carried through an epoch, where float32 loses its phase",
                ),
            ),
            "gru-diag/cell.n_b": _TWO_BIASES,
            "lstm-diag/cell.n_b": _TWO_BIASES,
            "brhn/cell.init_scale": Setting(0.1, "assumed: as RHN in appendix C.2"),
            "training.learning_rate": Setting(1e-4, "appendix C.3"),
            "training.batch_size": Setting(20, "appendix C.5"),
            "training.weight_decay": Setting(1.2e-6, "appendix C.6"),
            "training.examples": Setting(
                664_000, "assumed: about 50 epochs, since the paper does not say how long it trains"
            ),
            "training.evaluate_every": Setting(None, "assumed: every epoch"),
        },
        profiles={
            "smoke": {
                "task.train_limit": 20_000,
                "task.evaluation_limit": 2_000,
                "task.test_streams": 10,
                "model.hidden_size": 16,
                "model.embedding": 8,
                "training.examples": 100,
                "training.evaluate_every": 100,
                "seeds": 1,
            },
            "laptop": {
                "task.test_streams": 10,
                "model.hidden_size": 128,
                "model.embedding": 64,
                "training.learning_rate": 3e-3,
                "training.examples": 6_000,
                "training.evaluate_every": 3_000,
            },
            "paper": {},
        },
        published=_PUBLISHED,
        differs={
            "smoke": "a run of a few steps that shows the machinery, no result",
            "laptop": "hidden width 128 instead of 1300, embedding 64 instead of 650, learning rate 3e-3 "
            "instead of 1e-4, less than half an epoch, the test split in 10 streams instead of 1",
            "paper": "the length of training is assumed; the memory is kept modulo 2π",
        },
    ),
)
