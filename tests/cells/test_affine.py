"""Stacked affine maps against the matrix products they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.parts.affine import Affine


@given(
    input_size=st.integers(1, 4),
    hidden_size=st.integers(1, 4),
    rows=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    n_b=st.sampled_from((0, 1, 2)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=30, deadline=None)
def test_every_block_is_its_own_matrix_product(
    input_size: int, hidden_size: int, rows: list[int], n_b: int, seed: int
) -> None:
    """Block k is W_k x + U_k h + b_k with the k-th slice of rows, whatever the widths of the blocks."""
    rng = np.random.default_rng(seed)
    affine = Affine(input_size, hidden_size, rows, n_b=n_b).double()
    with torch.no_grad():
        for parameter in affine.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
    x, h = rng.standard_normal(input_size), rng.standard_normal(hidden_size)
    stored = {name: p.detach().numpy() for name, p in affine.named_parameters()}
    begin = 0
    actual = affine(torch.from_numpy(x), torch.from_numpy(h))
    assert len(rows) == len(actual)
    for width, block in zip(rows, actual, strict=True):
        at = slice(begin, begin + width)
        expected = stored["weight_ih"][at] @ x + stored["weight_hh"][at] @ h
        expected = expected + sum(b[at] for name, b in stored.items() if name.startswith("bias"))
        np.testing.assert_allclose(expected, block.detach().numpy(), atol=1e-12)
        begin += width


def test_a_range_of_blocks_is_the_slice_of_all_blocks() -> None:
    """state_part and split of blocks 1 to 3 are those blocks of the whole, dense and diagonal."""
    h = torch.arange(3.0)
    for diagonal in (False, True):
        affine = Affine(2, 3, 4, diagonal=diagonal)
        torch.nn.init.normal_(affine.weight_hh)
        whole = affine.split(affine.state_part(h))
        part = affine.split(affine.state_part(h, 1, 3), 1, 3)
        assert len(part) == 2
        for expected, actual in zip(whole[1:3], part, strict=True):
            torch.testing.assert_close(actual, expected)


def test_equal_blocks_can_be_counted() -> None:
    """An integer stands for that many blocks of H rows."""
    assert Affine(2, 3, 4).rows == Affine(2, 3, (3, 3, 3, 3)).rows == (3, 3, 3, 3)


def test_bad_arguments_say_what_to_do() -> None:
    """Each wrong argument is refused with what was expected."""
    with pytest.raises(ValueError, match="n_b: expected 0, 1 or 2"):
        Affine(2, 3, 1, n_b=3)
    with pytest.raises(ValueError, match="as many rows as the state: expected 3"):
        Affine(2, 3, (3, 1), diagonal=True)
