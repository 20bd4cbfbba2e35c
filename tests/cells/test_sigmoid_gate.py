"""The sigmoid gate is a sigmoid."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from cells.parts.sigmoid_gate import SigmoidGate


@given(st.lists(st.floats(-500, 500), min_size=1, max_size=5))
def test_it_is_the_logistic_function_of_its_one_block(preactivation):
    """1/(1 + e^−a), by the name and the width that it states."""
    gate = SigmoidGate(len(preactivation))
    assert {"preactivation": len(preactivation)} == gate.blocks
    at = torch.tensor(preactivation, dtype=torch.float64)
    expected = torch.from_numpy(1 / (1 + np.exp(-at.numpy())))
    torch.testing.assert_close(expected, gate(preactivation=at))
