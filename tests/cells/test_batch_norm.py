"""Batch normalization over all leading axes, against torch's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cells.parts.batch_norm import BatchNorm


@given(
    batch=st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda b: sum(b) > len(b)),
    features=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=25, deadline=None)
def test_equals_torch(batch, features, seed):
    """Same outputs, gradients and running statistics as nn.BatchNorm1d, in training and in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    v = torch.randn(*batch, features, generator=generator).double().requires_grad_()
    weights = torch.randn(*batch, features, generator=generator).double()
    ours, theirs = BatchNorm(features).double(), nn.BatchNorm1d(features).double()
    gain = torch.randn(features, generator=generator).double()
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(gain)
    for _ in range(2):
        expected = theirs(v.reshape(-1, features)).reshape(v.shape)
        actual = ours(v)
        torch.testing.assert_close(expected, actual)
        torch.testing.assert_close(
            torch.autograd.grad((expected * weights).sum(), v)[0],
            torch.autograd.grad((actual * weights).sum(), v)[0],
        )
    torch.testing.assert_close(theirs.running_mean, ours.running_mean)
    torch.testing.assert_close(theirs.running_var, ours.running_var)
    torch.testing.assert_close(
        theirs.eval()(v.reshape(-1, features)).reshape(v.shape), ours.eval()(v)
    )


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1, 3)])
def test_one_example_has_no_variance(shape):
    """Refused in training mode, fine in eval mode."""
    norm = BatchNorm(3)
    with pytest.raises(ValueError, match=r"at least 2 examples at a step.*call eval\(\): got 1"):
        norm(torch.zeros(shape))
    assert shape == norm.eval()(torch.zeros(shape)).shape
