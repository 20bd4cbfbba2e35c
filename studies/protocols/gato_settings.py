"""What GATO's four experiments share: citation, optimizer, the baselines' variants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studies.core.protocol import Published, Setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CITATION = "GATO: Gates Are Not the Only Option, submission to ICLR 2020"

TRAINING = {
    "training.optimizer": Setting("adam", "appendix C.3"),
    "training.clip_norm": Setting(None, "appendix C.8: no gradient clipping"),
    "training.patience": Setting(
        None, "assumed: no early stop is mentioned, the best validation is tested (appendix C.4)"
    ),
    "training.dtype": Setting("float32", "assumed: the library's default"),
    "seeds": Setting(3, "section 5.1"),
}

BASELINES = {
    "gru/cell.reset": Setting("after", "section 5.1: nn.GRU; appendix F prints the other form"),
    "gru/cell.n_b": Setting(2, "section 5.1: nn.GRU; the printed counts need two biases"),
    "gru/cell.dropout": Setting(0.0, "appendix C.8"),
    "lstm/cell.n_b": Setting(2, "section 5.1: nn.LSTM; the printed counts need two biases"),
    "lstm/cell.dropout": Setting(0.0, "appendix C.8"),
    "rhn/cell.couple": Setting(False, "appendix G: two gates"),  # noqa: FBT003
    "rhn/cell.depth": Setting(1, "appendix G: one layer"),
    "rhn/cell.init_scale": Setting(0.1, "appendix C.2"),
    "sru/cell.alphas": Setting((0, 0.25, 0.5, 0.9, 0.99), "appendix I"),
    "eurnn/cell.capacity": Setting(2, "appendix H: L = 2"),
    "eurnn/cell.modrelu_init": Setting("zero", "assumed: appendix C.2 does not name these biases"),
}

GATO = {
    "cell.lam": Setting(0.7, "section 5.1"),
    "cell.reg": Setting("sigmoid", "section 5.1"),
    "cell.gamma": Setting("cos", "section 4.2"),
    "cell.s_fraction": Setting(0.5, "section 4.1: r and s are the same size"),
    "cell.s_mode": Setting("residual", "section 4.1"),
    "cell.readout": Setting(
        "gamma_both",
        "assumed: section 3 decodes γ(h), section 4.2 γ(s); appendix A needs r decoded",
    ),
}


def gato(name: str, **more: Setting) -> dict[str, Setting]:
    """GATO's settings for the registered ``name``; ``more``: knobs of this experiment."""
    knobs = GATO | {f"cell.{knob}": setting for knob, setting in more.items()}
    return {f"{name}/{key}": setting for key, setting in knobs.items()}


def counts(
    table: str, rows: Iterable[tuple[str, str, int, Mapping[str, Any]]]
) -> tuple[Published, ...]:
    """Printed parameter counts of cells: rows of cell, label, count, departures."""
    return tuple(
        Published(cell, label, "# parameters", "n_cell_parameters", count, table, departs=departs)
        for cell, label, count, departs in rows
    )
