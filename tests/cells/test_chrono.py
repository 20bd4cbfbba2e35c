"""The chrono draw: its support, its mean, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.parts.chrono import chrono_bias


@given(t_max=st.floats(2.01, 1e4), seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_forget_gates_lie_between_a_half_and_the_longest_scale(t_max, seed):
    """The gate f = σ(log v) is in [1/2, 1 − 1/t_max], so that 1/(1 − f) = 1 + v is at most t_max."""
    bias = chrono_bias(50, t_max=t_max, generator=torch.Generator().manual_seed(seed)).double()
    f = torch.sigmoid(bias)
    assert f.min() >= 0.5
    assert (1 / (1 - f)).max() <= t_max * (1 + 1e-5)


def test_the_mean_time_scale():
    """1 + v has the mean (t_max + 2) / 2."""
    bias = chrono_bias(100, 100, t_max=42, generator=torch.Generator().manual_seed(0))
    assert (100, 100) == bias.shape
    assert 21.7 < (1 + bias.double().exp()).mean() < 22.3


@pytest.mark.parametrize("t_max", [2, 1, -3, float("nan"), float("inf")])
def test_an_empty_distribution_is_refused(t_max):
    """The range of v ~ U(1, t_max − 1) needs t_max above 2."""
    with pytest.raises(ValueError, match="t_max: expected a longest dependency above 2 steps"):
        chrono_bias(3, t_max=t_max)
