"""Subjects: names resolve, factories build, and everything else is an error that says what to do."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import cells
from cells import Channels, Claim
from properties import Subject, SubjectError
from properties.core.resolve import resolve
from properties.core.subject import SIZES


def test_a_registered_name_is_a_subject():
    """Its declarations are the cell's own; small sizes that it refuses are left out."""
    subject = Subject("gato")
    assert "gato" == subject.name
    assert subject.description.claim("identity-block", "at-init") is not None
    assert set(subject.sizes) == {size for size in SIZES if size[1] % 2 == 0}
    assert (3, 8) == subject.standard_size


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("gat0", r"no cell is registered under 'gat0'; did you mean gato"),
        ("gat0", r"a cell of your own is named package\.module:attribute"),
        (
            "cells.gato:GATTO",
            r"expected 'cells\.gato' to have an attribute 'GATTO'.*did you mean GATO",
        ),
        (
            "cells.gato:math",
            r"expected a callable \(input_size, hidden_size\) -> cell, got an object of type module",
        ),
        (
            "cells.gato:GATO.channels",
            r"got an object of type Channels: name a class or a factory function",
        ),
        (
            "nowhere_at_all.cells:X",
            r"no module named 'nowhere_at_all'; install the package, or start",
        ),
        ("cells.nothing:X", r"no module named 'cells\.nothing'"),
    ],
)
def test_a_name_that_names_nothing_is_explained(target, message):
    """Near names where there are some, else what to do."""
    with pytest.raises(SubjectError, match=message):
        Subject(target)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import absent_dependency",
            r"importing 'broken_cell' failed: No module named 'absent_depen",
        ),
        ("1 / 0", r"importing 'broken_cell' raised ZeroDivisionError.*mend the module first"),
        ("def f(:", r"importing 'broken_cell' raised SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_explained(tmp_path, monkeypatch, text, message):
    """A missing dependency of the module is not mistaken for a missing module."""
    (tmp_path / "broken_cell.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_cell", raising=False)
    with pytest.raises(SubjectError, match=message):
        Subject("broken_cell:Cell")


def test_a_module_in_the_current_folder_is_found(tmp_path, monkeypatch):
    """As ``python -m`` would."""
    (tmp_path / "cell_right_here.py").write_text("from cells.gru import GRU as Mine\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    assert "GRU" == resolve("cell_right_here:Mine").__name__


def test_a_factory_that_raises_everywhere_is_explained():
    """With the number of sizes tried, and the last error."""

    def factory(input_size, hidden_size):
        raise KeyError(f"no such size: {input_size}, {hidden_size}")

    message = (
        r"raised KeyError at each of the 12 sizes tried; the last \(input_size=8, hidden_size=8\)"
    )
    with pytest.raises(SubjectError, match=message) as caught:
        Subject(factory, name="mine")
    assert "no such size: 8, 8" in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("factory", [3, None, (1, 2)])
def test_what_cannot_be_called_is_explained(factory):
    """An instance instead of a class is the usual slip."""
    with pytest.raises(SubjectError, match=r"expected a callable .* got (int|NoneType|tuple)"):
        Subject(factory)


def test_what_is_built_must_be_a_cell():
    """A layer that is no recurrence answers none of the calls."""
    with pytest.raises(SubjectError, match=r"built no cell at each of the 12 sizes"):
        Subject(lambda _d, h: nn.BatchNorm1d(h))


class State(NamedTuple):
    """One field of anything."""

    h: object


class Odd(nn.Module):
    """A cell whose initial state is what it is given."""

    input_size = 1

    def __init__(self, state):
        super().__init__()
        self.state = state

    def initial_state(self, *_batch):
        return self.state() if callable(self.state) else self.state

    def step(self, _x, state):
        return state

    def readout(self, state):
        return state


def fails():
    """An initial state that cannot be had."""
    raise RuntimeError("no state today")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            torch.zeros(2),
            r"expected initial_state\(\) to return a NamedTuple of tensors, got Tensor",
        ),
        (State(3.0), r"expected the state to hold tensors, its field 'h' is of type float"),
        (
            State(torch.zeros(2, dtype=torch.int64)),
            r"hold a floating-point tensor, got torch\.int64",
        ),
        (fails, r"initial_state\(\) in torch\.float64 raised RuntimeError: no state today"),
    ],
)
def test_a_state_that_is_none_is_explained(state, message):
    """Named tensors, one of them floating-point."""
    with pytest.raises(SubjectError, match=message):
        Subject(lambda _d, _h: Odd(state), name="odd")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            {"claims": ["bounded"]},
            r"its declarations cannot be read: `claims` must hold cells\.Claim",
        ),
        (
            {"channels": Channels(memory=("s",))},
            r"channels names the field 's'.*fields are \('h',\)",
        ),
        (
            {"claims": [Claim("bounded-state", "so")], "denies": [Claim("bounded-state", "no")]},
            r"'bounded-state' is both claimed and denied",
        ),
    ],
)
def test_declarations_that_contradict_themselves_are_explained(declared, message):
    """Before anything is judged."""

    def factory(_d, _h):
        cell = Odd(State(torch.zeros(2)))
        for name, value in declared.items():
            setattr(cell, name, value)
        return cell

    with pytest.raises(SubjectError, match=message):
        Subject(factory)


def test_a_factory_that_ignores_the_sizes_serves_those_it_has():
    """One trained instance: sizes with another input are left out, and an error where none is left."""
    trained = nn.GRUCell(3, 7)
    subject = Subject(lambda _d, _h: trained)
    assert {3} == {input_size for input_size, _ in subject.sizes}
    with pytest.raises(
        SubjectError, match=r"expected a cell of input_size 8, got one of 3: use the arg"
    ):
        Subject(lambda _d, _h: trained, sizes=[(8, 8)])


def test_a_lazy_cell_is_explained():
    """Its parameters come to be at the first call, after they have been looked for."""

    class Lazy(nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.input_size, self.hidden_size = input_size, hidden_size
            self.linear = nn.LazyLinear(hidden_size)

        def initial_state(self, *batch):
            return State(torch.zeros(*batch, self.hidden_size))

        step = readout = initial_state

    with pytest.raises(
        SubjectError, match=r"'linear\.weight' is lazy: call the module once where it is"
    ):
        Subject(Lazy)


def test_a_build_is_fixed_by_its_seed_and_leaves_the_generator_alone():
    """Equal seeds, equal parameters; the caller's random numbers are not drawn."""
    subject = Subject("gru")
    before = torch.get_rng_state()
    one, same, other = (subject.build(2, 4, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    pairs = list(zip(one.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


def test_a_build_is_in_evaluation_mode_and_in_the_dtype_asked_for():
    """Dropout off, parameters cast."""
    cell = Subject("gru", dtype=torch.float32).build(2, 4)
    assert not cell.training
    assert {torch.float32} == {p.dtype for p in cell.parameters()}


def test_declarations_can_be_replaced():
    """Those of the caller stand in for the cell's own."""
    claim = Claim("bounded-state", "said so", bound=2.0)
    description = Subject("gru", claims=[claim], denies=[]).description
    assert ((claim,), ()) == (description.claims, description.denies)


def test_a_strangers_module_is_adapted():
    """``torch.nn.GRUCell`` needs no changes."""
    subject = Subject(nn.GRUCell)
    assert "torch.nn.modules.rnn:GRUCell" == subject.name
    assert isinstance(subject.build(2, 4).initial_state(3)[0], Tensor)
    assert () == subject.description.claims
    assert cells.adapt(subject.build(2, 4)) is not None
