"""What cells say of their gates is what their step does with them."""

from __future__ import annotations

import pytest
import torch

import cells

# Where the last of the stacked blocks, or a part of its own, makes the candidate.
PARTS = {"janet": "affine", "li-gru": "affine", "mgu": "candidate", "kaf-gru": "candidate"}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("candidate", [0.0, 50.0])
def test_the_step_keeps_and_writes_what_gate_values_say(name, candidate):
    """With a constant candidate, h' = keep · h + write · candidate, and nothing else of the step is seen."""
    generator = torch.Generator().manual_seed(3)
    cell = cells.get(name)(3, 4, generator=generator).double()
    part = getattr(cell, PARTS[name])
    with torch.no_grad():
        for parameter in (part.weight_ih, part.weight_hh):
            parameter[-4:] = 0
        part.bias_ih[-4:] = candidate
    x = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    state = cell.initial_state(5)
    h = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    state = state._replace(hidden=h)
    keep, write = cell.gate_values(x, state)
    value = candidate if name == "li-gru" else min(candidate, 1.0)  # tanh(50) is 1 to the last bit
    torch.testing.assert_close(keep * h + write * value, cell.step(x, state).hidden)


@pytest.mark.parametrize("name", PARTS)
def test_a_gate_is_a_function_of_its_preactivations(name):
    """The gate that is exposed takes the blocks it names, by keyword, and returns both coefficients."""
    cell = cells.get(name)(3, 4).double()
    (gate,) = cell.gates.values()
    (block,) = gate.blocks
    keep, write = gate(**{block: torch.linspace(-30, 30, 4, dtype=torch.float64)})
    assert (4,) == keep.shape == write.shape
    assert bool(((keep > 0) & (keep < 1) & (write > 0) & (write < 1)).all())


def test_what_janet_writes_is_offset_by_beta():
    """β = 1: at a = 1 half is written while σ(1) is kept."""
    (gate,) = cells.get("janet")(3, 1, beta=1.0).gates.values()
    keep, write = gate(forget=torch.ones(1, dtype=torch.float64))
    assert pytest.approx(0.7310585786300049) == keep.item()
    assert pytest.approx(0.5) == write.item()
