"""The map of all inputs is the library's, by products of another layout where the inputs are few."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.func import vmap

from cells.parts.input_map import FEW, input_map

SIZES = st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(1, FEW + 2), st.integers(1, 5))


def drawn(seed, *shapes):
    """Tensors of those shapes that want a gradient."""
    generator = torch.Generator().manual_seed(seed)
    make = {"generator": generator, "dtype": torch.float64, "requires_grad": True}
    return [torch.randn(shape, **make) for shape in shapes]


@given(SIZES, st.booleans(), st.integers(0, 99))
def test_it_is_the_librarys(sizes, with_bias, seed):
    """Values, gradients, and gradients of those, also where there are no steps or no examples."""
    steps, batch, inputs, rows = sizes
    x, w, b, up = drawn(seed, (steps, batch, inputs), (rows, inputs), (rows,), (steps, batch, rows))
    found = []
    for function in (input_map, F.linear):
        y = function(x, w, b if with_bias else None)
        first = torch.autograd.grad(y, (x, w), up, create_graph=True)
        second = torch.autograd.grad(
            sum(g.square().sum() for g in first), (x, w), allow_unused=True
        )
        found.append([y, *first, *second])
    torch.testing.assert_close(*found)


def test_replicates_of_it_are_the_librarys():
    """Under ``vmap``, where products become batches of products."""
    x, w, b = drawn(0, (5, 2, 3), (4, 6, 3), (4, 6))
    both = [vmap(function, (None, 0, 0))(x, w, b) for function in (input_map, F.linear)]
    torch.testing.assert_close(*both)


def test_one_step_is_left_to_the_library():
    """A transposed copy of the weight would cost more than it saves."""
    x, w, b = drawn(1, (2, 3), (6, 3), (6,))
    assert torch.equal(input_map(x, w, b), F.linear(x, w, b))
    of_weight = input_map(x, w, b).grad_fn.next_functions[2][0]
    assert "TBackward0" == of_weight.name(), "the weight as it lies, seen transposed"
