"""What a cell costs, counted on the cell itself: parameters, state, products per step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from cells import Layout


@dataclass(frozen=True)
class Measures:
    """``parameters`` and ``state``: scalars; ``products``: multiplications within matrix products."""

    parameters: int
    state: int
    products: int


def measures(factory: Callable[..., Any], input_size: int, hidden_size: int) -> Measures:
    """Count one cell of the given sizes.

    A tied parameter counts once, a complex scalar of the state twice, an integer field of it not at all.
    ``products`` belong to one step and its readout of one sequence: half of the operations that torch's
    ``FlopCounterMode`` counts, since it counts additions too. Elementwise work is not counted.
    """
    with torch.random.fork_rng(devices=[]):
        cell = factory(input_size, hidden_size)
    one = next((p for p in cell.parameters()), torch.empty(0))
    x = torch.zeros(1, input_size, dtype=one.real.dtype, device=one.device)
    # a batch of one: the counter does not know the product of a matrix and a vector
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        cell.readout(cell.step(x, cell.initial_state(1)))
    return Measures(
        sum(p.numel() for p in cell.parameters()),
        Layout.of(cell.initial_state()).size,
        counter.get_total_flops() // 2,
    )
