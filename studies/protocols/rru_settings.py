"""What RRU's experiments share: citation, the four systems, optimizer, rows of tables, small profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studies.core.protocol import Published, Setting

if TYPE_CHECKING:
    from collections.abc import Sequence

CITATION = "Zakovskis et al.: Gates are not what you need in RNNs (Residual Recurrent Unit, RRU)"
SYSTEMS = {"rru": "RRU", "gru": "GRU", "lstm": "LSTM", "mogrifier-lstm": "Mogrifier LSTM"}
_CODE = "the authors' code, LUMII-Syslab/RRU"

COMMON = {
    "model.decoder_hidden": Setting(None, f"{_CODE}: one linear layer"),
    "training.optimizer": Setting("radam", "section 4.2"),
    "training.weight_decay": Setting(0.0, f"{_CODE}: L2_decay = 0"),
    "training.clip_norm": Setting(None, f"{_CODE}: gradients are cut per variable instead"),
    "training.examples": Setting(None, "appendix A.1: patience alone ends a run"),
    "training.evaluate_every": Setting(None, "appendix A.1: every epoch"),
    "training.dtype": Setting("float32", "assumed: the library's default"),
    "seeds": Setting(1, "section 4.2: a single experiment for each cell and data set"),
    "rru/cell.kappa": Setting(10.0, f"{_CODE}: S is stored divided by 10"),
    "gru/cell.reset": Setting("before", f"{_CODE}: TensorFlow's GRU cell"),
    "gru/cell.n_b": Setting(1, f"{_CODE}: TensorFlow's GRU cell"),
    "gru/cell.forget_bias": Setting(1.0, f"{_CODE}: TensorFlow's GRU cell"),
    "lstm/cell.n_b": Setting(1, f"{_CODE}: TensorFlow's LSTM cell"),
    "mogrifier-lstm/cell.forget_bias": Setting(0.0, f"{_CODE}: none is passed"),
}

SMOKE: dict[str, Any] = {
    "model.hidden_size": 16,
    "model.layers": 1,
    "rru/cell.output_size": 8,
    "rru/cell.q": 1.0,
    "mogrifier-lstm/cell.rank": 4,
    "training.learning_rate": 3e-3,
    "training.batch_size": 8,
    "training.examples": 32,
    "training.evaluate_every": 32,
    "training.patience": None,
    "seeds": 2,
}

LAPTOP: dict[str, Any] = {
    "model.hidden_size": 128,
    "model.layers": 1,
    "rru/cell.output_size": 64,
    "rru/cell.q": 1.0,
    "rru/cell.relu_layers": 1,
    "rru/cell.dropout": 0.2,
    "gru/cell.dropout": 0.0,
    "gru/cell.reset": "after",
    "lstm/cell.dropout": 0.0,
    "mogrifier-lstm/cell.rank": 8,
    "training.learning_rate": 3e-3,
    "seeds": 3,
}

SMOKE_DIFFERS = "a run of seconds that shows the machinery, no result"
LAPTOP_DIFFERS = (
    "one layer of width 128 and learning rate 3e-3 for every cell instead of the paper's sizes and rates, "
    "RRU's q = 1 and dropout 0.2, GRU (reset after) and LSTM without dropout, which torch's kernels run; "
    "three seeds"
)
LAST_STATE_DIFFERS = (
    "the decision is read from RRU's output, where the authors' code reads the state"
)
PAPER_DIFFERS = (
    "the budget is met by the recurrent cells alone, where the paper also counts embedding and decoder; the "
    "Mogrifier LSTM has no recurrent dropout here"
)


def clipping(multiplier: float, what: str) -> dict[str, Setting]:
    """Section 4.2 says that gradients are clipped; the code says how."""
    source = f"section 4.2 and {_CODE}: multiplier for {what}"
    return {"training.clip_per_variable": Setting(multiplier, source)}


def each(key: str, values: Sequence[Any], source: str) -> dict[str, Setting]:
    """One value for each of the four systems, in the order of the tables; RRU's for cells of other papers."""
    others = Setting(values[0], "assumed: RRU's value, for a cell that the paper does not have")
    return {key: others} | {
        f"{cell}/{key}": Setting(value, source) for cell, value in zip(SYSTEMS, values, strict=True)
    }


def dropout(rates: Sequence[Any], source: str) -> dict[str, Setting]:
    """Rates of RRU, GRU and LSTM; see :func:`lacking` for the Mogrifier LSTM."""
    return {
        f"{cell}/cell.dropout": Setting(rate, source)
        for cell, rate in zip(("rru", "gru", "lstm"), rates, strict=True)
    }


def lacking(rate: Any, source: str) -> dict[str, Setting]:
    """The Mogrifier LSTM's recurrent dropout, which the cell here does not have."""
    return {"mogrifier-lstm/cell.dropout": Setting(rate, source)}


def results(
    task: str, metric: str, values: Sequence[float], note: str = ""
) -> tuple[Published, ...]:
    """A row of table 1: RRU, GRU, LSTM, Mogrifier LSTM."""
    return tuple(
        Published(cell, label, task, metric, value, "table 1", note)
        for (cell, label), value in zip(SYSTEMS.items(), values, strict=True)
    )


_VERSIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("RRU", {}),
    ("no normalization", {"cell.norm": "none"}),
    ("single scalar ReZero", {"cell.z_shape": "scalar"}),
    ("ReLU over c and o_t", {"cell.relu_out": True}),
    ("S = 1", {"cell.s_mode": "one"}),
    ("S initialized with 0.95", {"cell.s_init": 0.95}),
)


def ablations(
    column: str, metric: str, values: Sequence[float], note: str = "", **departs: Any
) -> tuple[Published, ...]:
    """A column of table 2; ``departs``: knobs in which all of its rows leave the main configuration."""
    knobs = {f"cell.{name}": value for name, value in departs.items()}
    return tuple(
        Published("rru", label, column, metric, value, "table 2", note, knobs | version)
        for (label, version), value in zip(_VERSIONS, values, strict=True)
    )
