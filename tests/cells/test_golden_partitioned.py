"""Recorded trajectories: a refactoring that changes a draw, an order or a sign shows here.

The equations are checked elsewhere, against NumPy; these literals hold still what those tests leave free:
the order in which parameters are drawn, their layout, and the defaults. Where a change is meant, record
anew and say why in the commit.
"""

from __future__ import annotations

import pytest
import torch

from cells import Layout, get, unroll

torch.set_num_threads(1)

# cell, hidden_size, knobs, flat state after six steps from the initial state, parameters of seed 20
GOLDEN = {
    "gato": (
        "gato",
        4,
        {},
        [4.267845592395779, 3.8610526333061137, -0.024062422546696723, -0.11899479131231533],
    ),
    "gato-2": (
        "gato-2",
        4,
        {"k": 2, "gamma": "sin"},
        [4.285618290883236, 4.054754002876692, -0.06239191850104379, 0.07380759487535204],
    ),
    "rhn": (
        "rhn",
        4,
        {"depth": 2, "init_scale": 1.0},
        [0.05686245133940945, -1.2383542639248941, -0.007656433569552673, -0.34345263803525883],
    ),
    "brhn": (
        "brhn",
        4,
        {"init_scale": 1.0, "transform_bias": -2.0},
        [0.6871433391149127, 0.19069896046118645, 0.2914810125619444, 0.7029913033771362],
    ),
    "sru": (
        "sru",
        10,
        {},
        [
            0.36180553585842706,
            0.6567003753272403,
            0.3668891741047281,
            0.6071457549825837,
            0.35754363395862043,
            0.5054458873058305,
            0.17147729260333372,
            0.15669497205529706,
            0.021645597552658328,
            0.01752933581001348,
        ],
    ),
    "eurnn": (
        "eurnn",
        4,
        {},
        [
            -1.9757797387927165,
            0.7845614568721593,
            1.727153381452989,
            -0.3023582594000835,
            -2.3711683752066515,
            1.3697237239353282,
            0.06571870450186568,
            0.45972078448671,
        ],
    ),
    "rru": (
        "rru",
        4,
        {"output_size": 4, "q": 0.5, "relu_layers": 2},
        [
            0.16453941092435687,
            -0.40485571182744606,
            -0.32945765727566056,
            -0.4222532466595774,
            0.16122248289105384,
            -0.14731894162373393,
            -0.2113090863757093,
            -0.5808878476632611,
        ],
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_trajectory_is_the_recorded_one(case):
    """Six steps over fixed inputs, from parameters drawn in float32 with seed 20."""
    name, hidden, knobs, expected = GOLDEN[case]
    cell = get(name)(2, hidden, generator=torch.Generator().manual_seed(20), **knobs).double()
    if name == "rru":
        with torch.no_grad():
            cell.rezero.fill_(0.5)  # a new RRU only decays
    t = torch.arange(1, 13, dtype=torch.float64)
    with torch.no_grad():
        _, state = unroll(cell, (t * t / 7).sin().reshape(6, 2))
    actual = Layout.of(cell.initial_state()).ravel(state)
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64))
