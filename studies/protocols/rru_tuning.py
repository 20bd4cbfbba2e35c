"""The hyperparameters that RRU's authors searched (table 3, appendix A.1) and found (table 4)."""

from __future__ import annotations

from typing import NamedTuple

from studies.core.protocol import Range, Setting
from studies.protocols.rru_settings import dropout, each


class Tuned(NamedTuple):
    """One column of table 4; four values are in the order RRU, GRU, LSTM, Mogrifier LSTM."""

    learning_rate: tuple[float, float, float, float]
    dropout: tuple[float, float, float, float]
    parameters: tuple[int, int, int, int]
    q: float
    forget_bias: float
    rounds: int
    rank: int


def tuned_settings(tuned: Tuned) -> dict[str, Setting]:
    """A column of table 4 as settings."""
    return {
        **each("training.learning_rate", tuned.learning_rate, "table 4"),
        **each("model.parameters", tuned.parameters, "table 4"),
        **dropout(tuned.dropout[:3], "table 4"),
        "rru/cell.q": Setting(tuned.q, "table 4"),
        "lstm/cell.forget_offset": Setting(tuned.forget_bias, "table 4"),
        "mogrifier-lstm/cell.rounds": Setting(tuned.rounds, "table 4"),
        "mogrifier-lstm/cell.rank": Setting(tuned.rank, "table 4"),
    }


def searched(low: int, high: int) -> dict[str, Setting]:
    """Table 3 and the cells' ranges of appendix A.1; ``low`` and ``high``: parameters."""
    return {
        "training.learning_rate": Setting(Range(1e-4, 1e-2, "log"), "table 3"),
        **dropout([Range(0.0, 0.8)] * 3, "table 3"),
        "model.parameters": Setting(Range(low, high, whole=True), "table 3"),
        "rru/cell.q": Setting(Range(0.1, 8.0), "appendix A.1"),
        "lstm/cell.forget_offset": Setting(Range(-3.0, 3.0), "appendix A.1"),
        "mogrifier-lstm/cell.rounds": Setting(Range(5, 6, whole=True), "appendix A.1"),
        "mogrifier-lstm/cell.rank": Setting(Range(40, 90, whole=True), "appendix A.1"),
    }
