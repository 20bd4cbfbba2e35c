"""Widths from parameter counts: an exhaustive oracle, the published widths, and what is refused."""

from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import cells
from cells import size_for_parameters
from cells.core.sizing import parameter_count

# GATO's own counts: two layers, J = 512 with 5 inputs (copy), J = 256 with 2 inputs (adding).
COPY, ADDING = 138_752, 43_264


@pytest.mark.parametrize(
    ("name", "n_b", "input_size", "budget", "width"),
    [
        ("gru-diag", 2, 5, COPY, 5781),
        ("lstm-diag", 2, 5, COPY, 4336),
        ("gru-diag", 2, 2, ADDING, 2884),
        ("lstm-diag", 2, 2, ADDING, 2163),
        ("gru-diag", 1, 5, COPY, 6607),
        ("lstm-diag", 1, 5, COPY, 4955),
        ("gru-diag", 1, 2, ADDING, 3605),
        ("lstm-diag", 1, 2, ADDING, 2704),
    ],
)
def test_diagonal_cells_at_the_count_of_gato(name, n_b, input_size, budget, width):
    """The widest diagonal cell with no more parameters than GATO has on copy and adding."""
    actual = size_for_parameters(name, budget, input_size=input_size, fit="at_most", n_b=n_b)
    assert width == actual


@pytest.mark.parametrize(
    ("name", "input_size", "budget", "width", "knobs"),
    [
        ("gato-2", 5, COPY, 1024, {}),
        ("gato-2", 2, ADDING, 512, {}),
        ("gru", 25, 827_904, 512, {"n_b": 2}),
        ("lstm", 650, 10_150_400, 1300, {"n_b": 2}),
        ("gru-diag", 650, 1_273_350, 650, {"n_b": 2}),
        ("brhn", 650, 5_075_200, 1300, {"n_b": 2}),
    ],
)
@pytest.mark.parametrize("fit", ["nearest", "at_most"])
def test_a_published_count_gives_its_width(name, input_size, budget, width, knobs, fit):
    """Where the budget is met exactly, both fits are that width."""
    assert width == size_for_parameters(name, budget, input_size=input_size, fit=fit, **knobs)


@functools.cache
def counts_up_to(name, input_size, largest=24):
    """Counts of cells that were really built; refused sizes are left out."""
    counts = {}
    for size in range(1, largest + 1):
        try:
            counts[size] = parameter_count(cells.get(name)(input_size, size))
        except ValueError:
            continue
    return counts


@pytest.mark.parametrize("name", cells.names())
@given(input_size=st.sampled_from((1, 3)), share=st.floats(0.0, 1.0))
@settings(max_examples=4, deadline=None)
def test_equals_the_exhaustive_search(name, input_size, share):
    """For every registered cell: no small size is nearer, and none within the budget is wider."""
    counts = counts_up_to(name, input_size)
    low, high = min(counts.values()), max(counts.values())
    budget = round(low + share * (high - low))
    nearest = size_for_parameters(name, budget, input_size=input_size)
    widest = size_for_parameters(name, budget, input_size=input_size, fit="at_most")
    least = min(abs(count - budget) for count in counts.values())
    found = parameter_count(cells.get(name)(input_size, nearest))
    assert least >= abs(found - budget)
    # beyond the sizes searched by hand a plateau may go on
    best = max(count for count in counts.values() if count <= budget)
    assert best == parameter_count(cells.get(name)(input_size, widest))
    assert max(size for size, count in counts.items() if count == best) <= widest


def test_nearest_goes_up_where_that_is_nearer():
    """Elman at 1 input and no bias has H(1 + H): 2, 6, 12; of a tie the narrower is taken."""
    expected = {1: 1, 2: 1, 3: 1, 4: 1, 5: 2, 8: 2, 9: 2, 10: 3, 12: 3}
    actual = {b: size_for_parameters(_square, b, input_size=1) for b in expected}
    assert expected == actual


def _square(input_size, hidden_size):
    return nn.Linear(input_size + hidden_size, hidden_size, bias=False)


def test_refused_sizes_are_passed_over():
    """A rank of 20 refuses narrower cells, an odd width is none for GATO."""
    knobs = {"rank": 20, "input_size": 50}
    assert 20 == size_for_parameters("mogrifier-lstm", 100, **knobs)
    count = parameter_count(cells.get("mogrifier-lstm")(50, 23, rank=20))
    assert 23 == size_for_parameters("mogrifier-lstm", count, **knobs)
    assert 22 == size_for_parameters("mogrifier-lstm", count - 1, fit="at_most", **knobs)
    assert 0 == size_for_parameters("gato", 5000, input_size=3) % 2

    def only_multiples(input_size, hidden_size):
        if hidden_size % 300:
            raise ValueError("multiples of 300 only")
        return _square(input_size, hidden_size)

    for size in (300, 600, 2100):
        budget = size * (size + 1)
        assert size == size_for_parameters(only_multiples, budget, input_size=1)
        assert size == size_for_parameters(only_multiples, budget + 1, input_size=1, fit="at_most")


def test_a_constructor_that_reads_its_numbers_is_counted_all_the_same():
    """Where the meta device cannot follow, the cell is built; the caller's random stream stays."""

    def factory(input_size, hidden_size):
        module = _square(input_size, hidden_size)
        assert module.weight.abs().max().item() < 2
        return module

    before = torch.get_rng_state()
    assert 3 == size_for_parameters(factory, 12, input_size=1)
    assert torch.equal(before, torch.get_rng_state())


def test_large_cells_cost_no_memory():
    """A dense LSTM of 10¹¹ parameters is sized without being stored."""
    assert 158_000 < size_for_parameters("lstm", 10**11, input_size=100, n_b=1) < 158_200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": 0}, "budget: expected a number of parameters of at least 1, got 0"),
        ({"fit": "below"}, "fit: expected one of 'nearest', 'at_most', got 'below'"),
        (
            {"budget": 3, "fit": "at_most"},
            'budget: the narrowest cell, hidden_size 1, has 12 parameters; raise .*"nearest": got 3',
        ),
        ({"n_b": 7}, "no hidden_size up to 8191 is accepted: n_b: expected 0, 1 or 2.*got 7"),
    ],
)
def test_bad_arguments(arguments, message):
    """Expected, got, remedy; the factory's own reason where no size will do."""
    with pytest.raises(ValueError, match=message):
        size_for_parameters("mgu", **{"budget": 100, "input_size": 4, **arguments})


def test_unknown_names_and_knobs():
    """A name is looked up with its near names; an unknown knob is the caller's TypeError."""
    with pytest.raises(cells.UnknownNameError, match="did you mean"):
        size_for_parameters("mguu", 100, input_size=4)
    with pytest.raises(TypeError, match="knob"):
        size_for_parameters("mgu", 100, input_size=4, knob=1)
