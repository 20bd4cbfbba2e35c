"""The Elman cell against torch, a transcription of its equation, and its claims."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.elman import Elman, ElmanState


@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    n_b=st.sampled_from((0, 1, 2)),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from((0.3, 3.0)),
)
@settings(max_examples=25, deadline=None)
def test_equals_the_printed_equation(
    sizes: tuple[int, int], n_b: int, seed: int, scale: float
) -> None:
    """The step is h' = tanh(W x + U h + b) with b the sum of the stored biases."""
    rng = np.random.default_rng(seed)
    cell = Elman(*sizes, n_b=n_b).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.from_numpy(scale * rng.standard_normal(parameter.shape)))
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    x, h = rng.standard_normal((2, sizes[0])), rng.standard_normal((2, sizes[1]))
    pre = x @ p["weight_ih"].T + h @ p["weight_hh"].T + p.get("bias_ih", 0) + p.get("bias_hh", 0)
    actual = cell.step(torch.from_numpy(x), ElmanState(torch.from_numpy(h)))
    np.testing.assert_allclose(np.tanh(pre), actual.hidden.detach().numpy(), atol=1e-12)


@given(sizes=st.tuples(st.integers(1, 5), st.integers(1, 6)), seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_equals_torch_on_copied_weights(sizes: tuple[int, int], seed: int) -> None:
    """torch.nn.RNNCell's state dict loads as it is and gives the same step."""
    torch.manual_seed(seed)
    theirs = torch.nn.RNNCell(*sizes).double()
    ours = Elman(*sizes).double()
    ours.load_state_dict(theirs.state_dict())
    x, h = torch.randn(3, sizes[0]).double(), torch.randn(3, sizes[1]).double()
    torch.testing.assert_close(ours.step(x, ElmanState(h)).hidden, theirs(x, h), rtol=0, atol=1e-14)


@pytest.mark.parametrize("n_b", [0, 1, 2])
def test_parameter_count_is_the_formula(n_b: int) -> None:
    """H(D + H + n_b), over a grid of sizes."""
    for d, h in ((1, 1), (3, 2), (2, 7)):
        cell = Elman(d, h, n_b=n_b)
        assert h * (d + h + n_b) == sum(p.numel() for p in cell.parameters())


def test_initial_draw_is_the_librarys() -> None:
    """Every parameter lies in U(±1/√H) and follows the generator."""
    first = Elman(3, 16, generator=torch.Generator().manual_seed(4))
    again = Elman(3, 16, generator=torch.Generator().manual_seed(4))
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
        assert 0.15 < float(a.detach().abs().max()) <= 0.25


def test_declarations_are_readable_and_complete() -> None:
    """Every property is claimed or denied, none both."""
    description = cells.describe(cells.get("elman")(2, 3))
    spoken = {c.property for c in (*description.claims, *description.denies)}
    assert spoken == {
        "well-posed",
        "identity-block",
        "bounded-decoder",
        "non-saturating",
        "bounded-decoder-gradient",
        "bounded-state",
    }


@pytest.mark.parametrize(
    ("sizes", "message"),
    [((0, 2), "input_size: expected an integer of at least 1"), ((2, -1), "hidden_size: expected")],
)
def test_bad_sizes_are_refused(sizes: tuple[int, int], message: str) -> None:
    """Sizes below 1 are named in the error."""
    with pytest.raises(ValueError, match=message):
        Elman(*sizes)
    with pytest.raises(ValueError, match="n_b: expected 0, 1 or 2"):
        Elman(2, 2, n_b=5)
