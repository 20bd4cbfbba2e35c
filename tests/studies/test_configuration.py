"""From names to a configuration: precedence, widths from budgets, and what is refused."""

from __future__ import annotations

import re
import sys
import types

import pytest
import torch

import cells
from studies.core.errors import StudyError
from studies.core.protocol import Protocol, Setting, get_protocol, protocol_of
from studies.core.registry import get_task, register, task_names, task_options
from studies.model.settings import ModelSettings, build, width_of
from studies.run.configuration import parse, resolve

CITATION = "nobody"


def test_the_layers_of_a_setting():
    """Paper, then the paper for that cell, then the profile, then its cell, then the user."""
    protocol = Protocol(
        "p", "t", CITATION, "adding",
        {
            "model.hidden_size": Setting(1, "s"), "lstm/model.hidden_size": Setting(2, "s"),
            "training.clip_norm": Setting(1.0, "s"), "gru/cell.dropout": Setting(0.3, "s"),
        },
        {"laptop": {"model.layers": 3, "lstm/model.layers": 4, "training.clip_norm": 2.0}},
    )  # fmt: skip
    assert protocol.values("paper", "gru") == {
        "model.hidden_size": 1, "training.clip_norm": 1.0, "cell.dropout": 0.3,
    }  # fmt: skip
    assert protocol.values("laptop", "lstm") == {
        "model.hidden_size": 2, "training.clip_norm": 2.0, "model.layers": 4,
    }  # fmt: skip


def test_a_run_is_what_was_asked_for():
    """The adding run of the README, with overrides of every group."""
    found = resolve(
        "adding", "gato-2", profile="laptop", seeds=5,
        overrides=parse(["s_mode=zero", "task.length=20", "training.clip_norm=1", "model.layers=2"]),
    )  # fmt: skip
    assert {"k": 16, "s_mode": "zero"}.items() <= found.model.knobs.items()
    assert (found.model.hidden_size, found.model.layers, found.options["length"]) == (128, 2, 20)
    assert (found.training.clip_norm, found.training.batch_size) == (1, 64)
    assert found.seeds == (0, 1, 2, 3, 4)
    assert "cell.s_mode = zero (protocol: " in found.differs
    assert "task.length = 20 (protocol: 750)" in found.differs


def test_the_paper_profile_is_the_paper():
    """Nothing is replaced, and no setting is said to differ."""
    found = resolve("adding", "gato-2", profile="paper")
    assert (found.options["length"], found.model.hidden_size, found.training.examples) == (
        750,
        512,
        200_000,
    )
    assert "(protocol: " not in found.differs


@pytest.mark.parametrize(("cell", "layers", "embedding"), [("gru", 1, None), ("rru", 2, 8)])
def test_a_budget_gives_the_width(cell, layers, embedding):
    """model.parameters: what all layers have together, for what the lowest reads."""
    found = resolve(
        "adding", cell, profile="smoke",
        overrides={
            "model.parameters": 20_000, "model.layers": layers, "model.embedding": embedding,
        },
    )  # fmt: skip
    source = get_task("adding", **found.options).open(batch_size=2)
    width = width_of(found.model, source)
    made = cells.get(cell)(embedding or 2, width, **found.model.knobs)
    assert sum(p.numel() for p in made.parameters()) * layers == pytest.approx(20_000, rel=0.05)
    assert build(found.model, source, 0).recurrent.layers[0].hidden_size == width


def test_a_budget_that_nothing_meets_is_refused():
    """With the reason of the cell."""
    source = get_task("adding", length=4).open(batch_size=2)
    with pytest.raises(StudyError, match=r"model\.parameters: .*budget"):
        width_of(ModelSettings("gru", parameters=1, layers=2), source)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=0.5", 0.5),
        ("a=zero", "zero"),
        ("a=None", None),
        ("a=True", True),
        ("a=[1,2]", [1, 2]),
    ],
)
def test_values_are_read_as_json_or_text(text, value):
    """Python's and JSON's words for the same."""
    assert parse([text]) == {"a": value}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"task": "adings"}, "no task is called 'adings' (did you mean adding?)"),
        ({"cell": "gatto"}, "no cell is registered under 'gatto'; did you mean gato"),
        ({"cell": "nowhere.at:all"}, "expected package.module:attribute that can be imported"),
        ({"cell": "math:pi"}, "expected a class or function, got 3.14"),
        ({"profile": "huge"}, "profile: expected one of smoke, laptop, paper"),
        ({"protocol": "gato-ading"}, "no protocol is called 'gato-ading' (did you mean gato-adding"),
        ({"overrides": {"s_mod": 1}}, "gato-2 has no knob 's_mod' (did you mean s_mode?)"),
        ({"overrides": {"task.lenght": 1}}, "no option 'lenght' (did you mean length?)"),
        ({"overrides": {"training.lr": 1}}, "training has no setting 'lr'"),
        ({"overrides": {"model.width": 1}}, "model has no setting 'width'"),
        ({"overrides": {"a.b": 1}}, "expected a knob of the cell, or task.…"),
        ({"overrides": {"task.length": 1}}, "expected at least 2 steps"),
        ({"overrides": {"model.hidden_size": 0}}, "hidden_size: expected a whole number of at least 1"),
        ({"overrides": {"model.hidden_size": None}}, "model.parameters: expected one of them"),
        ({"seeds": 0}, "seeds: expected a number of replicates of at least 1"),
    ],
)  # fmt: skip
def test_what_is_refused(arguments, match):
    """Every wrong name with the near ones, every value with what was expected."""
    with pytest.raises(StudyError, match=re.escape(match)):
        resolve(**{"task": "adding", "cell": "gato-2", **arguments})


@pytest.mark.parametrize("cell", ["torch.nn:LSTMCell", "torch.nn:GRUCell", "cells.rru:RRU"])
def test_cells_from_elsewhere_are_models(cell):
    """A module that is called as (x, state) is adapted; a class is its own factory."""
    found = resolve("adding", cell, profile="smoke")
    source = get_task("adding", **found.options).open(batch_size=2)
    model = build(found.model, source, 0)
    outputs, _ = model(torch.zeros(3, 2, 2), None, None)
    assert outputs.shape == (2, 1)


def test_what_is_no_cell_is_refused(monkeypatch):
    """A module that maps nothing to a state, and a cell whose step fails."""
    source = get_task("adding", length=4).open(batch_size=2)
    with pytest.raises(StudyError, match=r"cell torch\.nn:Linear: Linear has no integer attribute"):
        build(ModelSettings("torch.nn:Linear", 4), source, 0)

    class Broken(cells.get("gru")):
        def step(self, *_):
            raise IndexError("unit 7")

    monkeypatch.setitem(sys.modules, "broken", types.SimpleNamespace(Broken=Broken))
    with pytest.raises(
        StudyError, match=r"on a batch of 2, got IndexError: unit 7; `python -m prop"
    ):
        build(ModelSettings("broken:Broken", 4), source, 0)


def test_an_assignment_needs_its_sign():
    """A bare word is a mistake."""
    with pytest.raises(StudyError, match="--set: expected knob=value, got 's_mode'"):
        parse(["s_mode"])


def test_names_are_given_once():
    """Two tasks of one name would hide each other."""
    task_names()
    with pytest.raises(ValueError, match="the name 'adding' is taken by Adding"):
        register("adding")(type(get_task("adding")))
    assert {"length", "held_out"} == set(task_options("adding"))


def test_protocols_are_found_by_task():
    """What `run` takes without --protocol; a task that no protocol knows is said so."""
    assert protocol_of("adding").name == "gato-adding"
    assert get_protocol("gato-adding").task == "adding"
    with pytest.raises(StudyError, match="no protocol speaks of the task 'nothing'"):
        protocol_of("nothing")
    with pytest.raises(ValueError, match="expected task"):
        Protocol(
            "p", "t", CITATION, "adding", {"model": Setting(1, "s"), "lr": Setting(1, "s")}, {}
        )
