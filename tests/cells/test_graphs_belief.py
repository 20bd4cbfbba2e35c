"""Recordings that are wrong are never believed; what that rests on."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
from eager_graphs import EagerRecorder, recording
from graph_calls import assert_same, call_of, cell_of, refusal_of
from hypothesis import given
from hypothesis import strategies as st

from cells.graphs.agreement import disagreement
from cells.graphs.latest import Latest
from cells.graphs.replay import Arena

torch.set_num_threads(1)


class Stale(EagerRecorder):
    """What was returned first is returned always."""

    def put(self, place, one):
        pass


class Scaled(EagerRecorder):
    """One gradient is twice what it should be."""

    def record(self, work, device, pool):
        results, replay = super().record(work, device, pool)
        if work.__name__ == "forward":
            return results, replay

        def wrong():
            replay()
            next(one for one in results[self.which :] if one is not None).mul_(2)

        return results, wrong

    which = 0


class Later(Scaled):
    """Another gradient, that of a parameter."""

    which = 3


class Swapped(EagerRecorder):
    """The first two gradients of one shape are exchanged."""

    def record(self, work, device, pool):
        results, replay = super().record(work, device, pool)
        if work.__name__ == "forward":
            return results, replay
        gradients = [one for one in results if one is not None]
        pairs = [(a, b) for a, b in itertools.combinations(gradients, 2) if a.shape == b.shape]

        def wrong():
            replay()
            a, b = next((a, b) for a, b in pairs if not torch.equal(a, b))
            held = a.clone()
            a.copy_(b)
            b.copy_(held)

        return results, wrong


class Empty(EagerRecorder):
    """Outputs are never written."""

    def put(self, place, _):
        if place is not None:
            place.detach().fill_(torch.nan)


class Failing(EagerRecorder):
    """Recording raises."""

    def record(self, *_):
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")


class FailingBackward(EagerRecorder):
    """Recording the backward raises."""

    def record(self, work, device, pool):
        if work.__name__ == "backward":
            raise RuntimeError("operation not permitted when stream is capturing")
        return super().record(work, device, pool)


MUTANTS = {
    Stale: "output 0 is off by",
    Scaled: "gradient 0 is off by",
    Later: "gradient . is off by",
    Swapped: "gradient . is off by",
    Empty: "output 0 is off by nan",
    Failing: "RuntimeError: operation not permitted when stream is capturing$",
    FailingBackward: "RuntimeError: operation not permitted",
}


@pytest.mark.parametrize("mutant", MUTANTS)
@pytest.mark.parametrize("name", ["rru", "mogrifier-lstm", "lstm"])
def test_a_recording_that_is_wrong_is_never_believed(name, mutant):
    """It is refused for good, and the loop answers."""
    cell, graphs = cell_of(name), recording(recorder=mutant())
    for seed in range(3):
        call = call_of(cell, 4, (2,), seed)
        assert_same(graphs, cell, *call)
    assert re.search(MUTANTS[mutant], refusal_of(graphs, cell, *call))
    assert 0 == len(graphs)


class Baked(EagerRecorder):
    """Parameters are what they were when it was recorded."""

    def record(self, work, device, pool):
        results, replay = super().record(work, device, pool)
        parameters = work.__self__.twin.parameters
        then = [one.detach().clone() for one in parameters]

        def wrong():
            now = [one.detach().clone() for one in parameters]
            for one, old in zip(parameters, then, strict=True):
                one.data.copy_(old)
            replay()
            for one, new in zip(parameters, now, strict=True):
                one.data.copy_(new)

        return results, wrong


def test_parameters_that_were_recorded_are_found_out():
    """At the first call after they have changed, which is compared with the loop once more."""
    cell, graphs = cell_of("rru"), recording(recorder=Baked())
    assert_same(graphs, cell, *call_of(cell, 4, (2,)))
    assert 1 == len(graphs)
    with torch.no_grad():
        cell.weight_hh.mul_(1.5)
    call = call_of(cell, 4, (2,), 1)
    assert_same(graphs, cell, *call)
    assert "it is not the loop's function: output" in refusal_of(graphs, cell, *call)


@given(st.integers(0, 3), st.sampled_from([1e-3, -1e-2, torch.nan, torch.inf]), st.booleans())
def test_agreement_sees_one_wrong_number(place, change, double):
    """In any tensor, whatever the others are; rounding it lets pass."""
    dtype = torch.float64 if double else torch.float32
    generator = torch.Generator().manual_seed(place)
    expected = [
        torch.randn(5, 3, generator=generator, dtype=dtype) * 10.0**k for k in (0, 2, -2, 1)
    ]
    close = [one * (1 + torch.finfo(dtype).eps) for one in expected]
    assert disagreement(close, expected, 10) is None
    close[place][4, 2] = close[place].abs().max() * (1 + change)
    found = disagreement(close, expected, 10)
    assert found is not None
    assert found.startswith(f"{place} is off by")


def test_agreement_of_none_and_of_what_is_counted():
    """None is zeros; integers and truths are exact; shapes and dtypes are the loop's."""
    zeros, ones = torch.zeros(3), torch.ones(3)
    assert disagreement([None, zeros, None], [zeros, None, None], 1) is None
    assert "0 is off by 1," in disagreement([None], [ones], 1)
    assert "0 is off by 1," in disagreement([ones], [None], 1)
    assert disagreement([torch.tensor([3])], [torch.tensor([3])], 1) is None
    assert "off by 1" in disagreement([torch.tensor([3])], [torch.tensor([4])], 1)
    assert "off by 1" in disagreement([ones.bool()], [zeros.bool()], 1)
    assert "is ((3,), torch.float32) instead of ((2,)" in disagreement([ones], [ones[:2]], 1)
    assert "1 tensors instead of 2" == disagreement([ones], [ones, ones], 1)
    tiny = 1e-9 * ones  # beside 1 it is rounding
    assert disagreement([ones, tiny], [ones, -tiny], 1) is None


def test_coarse_products_are_allowed_for():
    """TF32 keeps 10 bits; what is wrong by more than a hundredth is still seen."""
    before = torch.get_float32_matmul_precision()
    found, expected = torch.ones(3), torch.ones(3) * 1.005
    assert disagreement([found], [expected], 100) is not None
    try:
        torch.set_float32_matmul_precision("high")
        assert disagreement([found], [expected], 100) is None
        assert disagreement([found], [1.02 * found], 1000) is not None
    finally:
        torch.set_float32_matmul_precision(before)


def test_an_arena_is_let_once():
    """Asking for one that is busy is a mistake of the caller."""
    arena = Arena(None)
    lease = arena.lease()
    with pytest.raises(RuntimeError, match="expected to be free, got one that awaits a backward"):
        arena.lease()
    lease.valid = False
    assert not arena.busy


@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=30))
def test_the_table_forgets_what_was_used_longest_ago(most, uses):
    """As a list does that moves to its end what is used."""
    table, model = Latest(most), []
    for key, write in uses:
        if write or key in model:
            model = [one for one in model if one != key] + [key]
        if write:
            table.set(key, key)
            model = model[-most:]
        else:
            assert (key if key in model else None) == table.get(key)
        assert tuple(model) == table.keys()
