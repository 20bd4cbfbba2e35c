"""The parameter counts that GATO prints, for the cells that split, turn or average their state.

The counts fix what the text leaves open: how many biases an affine map has, the width of the two-layer
increment (k = 32), the input size of the copy task (5), the rounding of SRU, and what EURNN spends
its last H parameters on. Cells are built on the meta device, where a parameter has a shape and no memory.
"""

from __future__ import annotations

import pytest
import torch

from cells import get

COUNTS = [
    # where, cell, input_size, hidden_size, knobs, printed
    ("copy", "gato-2", 5, 1024, {"k": 32}, 138_752),
    ("adding", "gato-2", 2, 512, {"k": 32}, 43_264),
    ("MIMIC", "gato", 25, 512, {}, 20_736),
    ("MIMIC", "sru", 25, 512, {}, 315_282),
    ("MIMIC", "eurnn", 25, 512, {}, 14_848),
    ("MIMIC", "eurnn", 25, 512, {"spend": "diagonal"}, 14_848),
    ("MIMIC", "rhn", 25, 512, {}, 827_904),
    ("PTB", "gato", 650, 1300, {"n_b": 2}, 1_273_350),
    ("PTB", "sru", 650, 1300, {}, 2_198_560),
    ("PTB", "eurnn", 650, 1300, {}, 850_200),
    ("PTB", "rhn", 650, 1300, {}, 7_612_800),
    ("PTB", "brhn", 650, 1300, {}, 5_075_200),
]


def built_size(name: str, inputs: int, hidden: int, **knobs: object) -> int:
    """Number of parameters of a cell that takes no memory."""
    with torch.device("meta"):
        cell = get(name)(inputs, hidden, **knobs)
    return sum(p.numel() for p in cell.parameters())


@pytest.mark.parametrize(
    ("where", "name", "inputs", "hidden", "knobs", "printed"),
    COUNTS,
    ids=[f"{where}-{name}-{'-'.join(knobs)}" for where, name, _, _, knobs, _ in COUNTS],
)
def test_built_cell_has_the_published_count(where, name, inputs, hidden, knobs, printed):
    """Tables 1 and 2 and the text of GATO section 5, number by number."""
    assert printed == built_size(name, inputs, hidden, **knobs), where


def test_k_is_the_only_width_that_fits_both_two_layer_counts():
    """Of all k up to 64 only 32 gives the copy and the adding count."""
    fits = [
        k
        for k in range(1, 65)
        if built_size("gato-2", 5, 1024, k=k) == 138_752
        and built_size("gato-2", 2, 512, k=k) == 43_264
    ]
    assert [32] == fits


@pytest.mark.parametrize(("fraction", "count"), [(0.5, 20_736), (0.25, 24_192), (0.0, 27_648)])
def test_fractions_of_table_3_change_the_count(fraction, count):
    """2 n_r (D+1+n_b) + n_s (D+1+n_b): fewer memory units mean more parameters at equal width."""
    assert count == built_size("gato", 25, 512, s_fraction=fraction)
