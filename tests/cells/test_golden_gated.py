"""Short float64 trajectories of the gated cells: a refactor that changes a number shows here."""

from __future__ import annotations

import pytest
import torch

import cells

# name: (knobs, readout after 2 steps, readout after 4 steps)
GOLDEN = {
    "janet": (
        {},
        [0.293300732058, 0.143400325391, -0.063016644682],
        [0.811752781849, -0.192288519533, -0.654634656014],
    ),
    "mgu": (
        {},
        [0.088594807595, 0.829043024571, 0.137959094322],
        [0.052427189677, 0.752436398130, 0.318711960060],
    ),
    "indrnn": (
        {},
        [0.000000000000, 0.967029650801, 0.131651439151],
        [0.736674321335, 0.221930730004, 0.000000000000],
    ),
    "li-gru": (
        {},
        [0.092655394972, 0.090972430094, 0.543533972812],
        [0.512052856776, 0.028458170415, 0.052445681587],
    ),
    "mogrifier-lstm": (
        {},
        [0.013496738821, 0.045157401221, -0.078115479072],
        [0.115700774785, 0.031718747572, -0.079022426502],
    ),
    "nru": (
        {"memory_size": 4},
        [0.000000000000, 1.383190526350, 0.000000000000],
        [1.553057383188, 0.000000000000, 0.000000000000],
    ),
    "g-lstm": (
        {"t_max": 4.0},
        [-0.188222132332, -0.096431326873, 0.038151279362],
        [-0.241319390436, -0.096431326873, 0.037756088667],
    ),
    "kaf-gru": (
        {},
        [0.375889225844, 0.736114263096, 0.412047051483],
        [0.390085443633, 0.739926052451, 0.694506658639],
    ),
}


def set_parameters(cell):
    """Numbers that depend on no random generator: sin(j (i + 1) + i/2) for element j of parameter i."""
    with torch.no_grad():
        for i, parameter in enumerate(cell.parameters()):
            angles = torch.arange(1, parameter.numel() + 1).double() * (i + 1) + 0.5 * i
            parameter.copy_(torch.sin(angles).reshape(parameter.shape))


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_trajectory(name):
    """D = 2, H = 3, inputs cos(0 … 7) over four steps."""
    knobs, second, fourth = GOLDEN[name]
    cell = cells.get(name)(2, 3, **knobs).double().eval()
    set_parameters(cell)
    readouts, _ = cells.unroll(cell, torch.cos(torch.arange(8).double()).reshape(4, 2))
    torch.testing.assert_close(
        torch.tensor([second, fourth], dtype=torch.float64), readouts[[1, 3]]
    )
