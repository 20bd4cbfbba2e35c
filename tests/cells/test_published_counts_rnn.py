"""Parameter counts that the GATO study prints for its gated baselines, from built cells."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import cells

# GATO sections 5.1-5.4: (experiment, name, printed, input size, width, stored biases). The copy task has
# five input features although the text says four: with four, no printed count of it can be matched.
PUBLISHED = (
    ("copy", "lstm", 4_222_976, 5, 1024, 2),
    ("adding", "gru", 792_576, 2, 512, 2),
    ("adding", "lstm", 1_056_768, 2, 512, 2),
    ("MIMIC", "gru", 827_904, 25, 512, 2),
    ("MIMIC", "lstm", 1_103_872, 25, 512, 2),
    ("MIMIC", "gru-diag", 41_472, 25, 512, 1),
    ("MIMIC", "lstm-diag", 55_296, 25, 512, 1),
    ("MIMIC, same parameters", "gru-diag", 21_504, 25, 256, 2),
    ("MIMIC, same parameters", "lstm-diag", 22_400, 25, 200, 2),
    ("PTB", "gru", 7_612_800, 650, 1300, 2),
    ("PTB", "lstm", 10_150_400, 650, 1300, 2),
    ("PTB", "gru-diag", 2_546_700, 650, 1300, 2),
    ("PTB", "lstm-diag", 3_395_600, 650, 1300, 2),
    ("PTB, same parameters", "gru-diag", 1_273_350, 650, 650, 2),
    ("PTB, same parameters", "lstm-diag", 1_306_000, 650, 500, 2),
)

# Printed for the GRU of the copy task: 3·1024·1015, which is 3·1024·16 short of the GRU of width 1024 that
# the text describes. No width near 1024 with 4 or 5 features and up to two biases gives it, while the LSTM
# of the same table does match: a misprint, recorded and not reproduced.
MISPRINT = 3_118_080


def count(name: str, input_size: int, hidden_size: int, **knobs: Any) -> int:
    """The number of parameters, built without memory for them."""
    with torch.device("meta"):
        cell = cells.get(name)(input_size, hidden_size, **knobs)
    return sum(p.numel() for p in cell.parameters())


@pytest.mark.parametrize(("where", "name", "printed", "input_size", "width", "n_b"), PUBLISHED)
def test_built_cells_have_the_printed_counts(
    where: str, name: str, printed: int, input_size: int, width: int, n_b: int
) -> None:
    """A cell built as the study describes has exactly as many parameters as its table says."""
    assert printed == count(name, input_size, width, n_b=n_b), where


def test_the_copy_gru_is_a_misprint() -> None:
    """No GRU of the study's description has the count printed for the copy task."""
    assert count("gru", 5, 1024, n_b=2) == MISPRINT + 3 * 1024 * 16
    counts = {
        3 * width * (width + features + n_b)
        for width in range(1016, 1033)
        for features in (4, 5)
        for n_b in (0, 1, 2)
    }
    assert MISPRINT not in counts
