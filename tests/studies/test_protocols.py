"""Protocols: every key leads somewhere, every value has a source, every profile makes a model."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest
import torch

import cells
from studies.core import metric as metrics
from studies.core.protocol import PROFILES, Protocol, Range, enter, protocol_of, protocols
from studies.core.registry import get_task, task_names, task_options
from studies.model.settings import ModelSettings
from studies.training.settings import TrainingSettings

METRICS = {one.name for one in vars(metrics).values() if isinstance(one, metrics.Metric)}
FIELDS = {
    "training": {field.name for field in dataclasses.fields(TrainingSettings)},
    "model": {field.name for field in dataclasses.fields(ModelSettings)} - {"cell", "knobs"}
    | {"parameters"},
}
SOURCE = re.compile(
    r"assumed: \S|section \d|sections \d|table \d|figure \d|appendix [A-J]|code|hippo-code|ur-lstm"
)
WIDTHS = {
    "adding": 2, "jsb-chorales": 88, "nottingham": 88, "musedata": 88, "piano-midi": 88,
    "mnist-pixels": 1, "mnist-rows": 28, "permuted-mnist-pixels": 1, "permuted-mnist-rows": 28, "copying": 9,
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", list(protocols()))


def knobs(cell):
    """What a cell's factory takes beside its sizes."""
    return set(list(inspect.signature(cells.get(cell)).parameters)[2:])


def exists(protocol, key, cell=None):
    """Whether ``key`` leads to something; ``cell``: whose, where the key has no prefix."""
    prefix, _, plain = key.rpartition("/")
    cell = prefix or cell
    if cell and cell not in cells.names():
        return False
    group, _, field = plain.partition(".")
    if group == "seeds":
        return plain == "seeds"
    if group == "cell":
        return cell is not None and field in knobs(cell)
    if group == "task":
        return field in task_options(protocol.task)
    return field in FIELDS[group]


def about(protocol):
    """The cells that a protocol speaks of."""
    named = {key.rpartition("/")[0] for key in protocol.settings} - {""}
    return sorted(named | {row.cell for row in protocol.published if row.cell})


def built(protocol, cell, profile, departs=()):
    """The cell of ``profile`` without storage, its model and training; the task takes its options."""
    values = protocol.values(profile, cell) | dict(departs)
    groups = {group: {} for group in ("model", "training", "cell", "task")}
    for key, value in values.items():
        group, _, field = key.partition(".")
        if group in groups:
            groups[group][field] = value
    budget = groups["model"].pop("parameters", None)
    width = groups["model"].get("embedding") or WIDTHS[protocol.task]
    if "hidden_size" not in groups["model"]:
        groups["model"]["hidden_size"] = cells.size_for_parameters(
            cell, budget // groups["model"]["layers"], input_size=width, **groups["cell"]
        )
    get_task(protocol.task, **groups["task"])
    model = ModelSettings(cell=cell, knobs=groups["cell"], **groups["model"])
    with torch.device("meta"):
        made = cells.get(cell)(width, model.hidden_size, **model.knobs)
    return made, model, TrainingSettings(**groups["training"])


@EVERY
def test_every_key_leads_somewhere(name):
    """A misspelled option, field or knob would be a setting that nobody follows."""
    protocol = protocols()[name]
    profiled = [key for one in protocol.profiles.values() for key in one]
    keys = {*protocol.settings, *profiled, *protocol.varied}
    assert set() == {key for key in keys if not exists(protocol, key)}
    departs = {(row.cell, key) for row in protocol.published for key in row.departs}
    assert set() == {(cell, key) for cell, key in departs if not exists(protocol, key, cell)}


@EVERY
def test_what_is_lacking_is_lacking(name):
    """As soon as a cell has the knob, the setting belongs among the others."""
    protocol = protocols()[name]
    assert set() == {key for key in protocol.lacks if exists(protocol, key)}


@EVERY
def test_every_value_has_a_source(name):
    """A section, a table, a figure, code, or what was assumed and why."""
    protocol = protocols()[name]
    given = {**protocol.settings, **protocol.varied, **protocol.lacks}
    assert {} == {key: one.source for key, one in given.items() if not SOURCE.search(one.source)}


@EVERY
def test_profiles_are_described(name):
    """Each of the three is there, and the small ones say in what they differ."""
    protocol = protocols()[name]
    assert set(PROFILES) == set(protocol.profiles)
    assert {} == dict(protocol.profiles["paper"])
    assert set(PROFILES) == {key for key, text in protocol.differs.items() if len(text) > 20}


@EVERY
@pytest.mark.parametrize("profile", PROFILES)
def test_values_make_models_and_trainings(name, profile):
    """For every cell that the protocol speaks of, and for one that it does not."""
    protocol = protocols()[name]
    for cell in [*about(protocol), "mgu"]:
        made, model, training = built(protocol, cell, profile)
        assert made.hidden_size == model.hidden_size
        assert training.examples or training.patience


@EVERY
def test_the_paper_took_what_it_varied(name):
    """The value that is set lies among the levels, or in the range, of its own experiment."""
    protocol = protocols()[name]
    for key, (levels, _) in protocol.varied.items():
        prefix, _, plain = key.rpartition("/")
        for cell in [prefix] if prefix else about(protocol):
            value = protocol.values("paper", cell)[plain]
            if isinstance(levels, Range):
                assert levels.low <= value <= levels.high
                assert not levels.whole or isinstance(value, int)
            else:
                assert value in levels


@EVERY
def test_published_rows_name_cells_and_metrics(name):
    """A number that is joined to no result is lost."""
    for row in protocols()[name].published:
        assert row.metric in METRICS | {"n_cell_parameters"}
        assert row.cell is None or row.cell in cells.names()
        assert row.label
        assert row.column
        assert re.match(r"(table|figure) \d$|section \d|appendix [A-J]", row.table)


@EVERY
def test_printed_counts_follow_from_the_settings(name):
    """The settings, with the row's departures, build the cell that the paper counted."""
    protocol = protocols()[name]
    for row in protocol.published:
        if row.metric == "n_cell_parameters":
            made, *_ = built(protocol, row.cell, "paper", row.departs)
            count = sum(parameter.numel() for parameter in made.parameters())
            assert (count == row.value) == ("misprint" not in row.note), row


SHIPPED = (
    "adding copying enwik8 enwik8-part icu-mimic3 icu-physionet2012 imdb jsb-chorales mnist-pixels "
    "mnist-rows musedata nottingham permuted-mnist-pixels permuted-mnist-rows piano-midi "
    "ptb-characters ptb-words ptb-words-rru text8 text8-part"
).split()


@pytest.mark.parametrize("task", SHIPPED)
def test_each_task_has_one_main_protocol(task):
    """It is what a run of the task takes."""
    (main,) = [one for one in protocols().values() if one.task == task and one.main]
    assert protocol_of(task) is main
    assert task in task_names()


def small(name, **more):
    """A protocol of nothing."""
    return Protocol(name, name, "nobody", "adding", {}, {}, **more)


def test_the_main_protocol_goes_before_the_first_name():
    """An experiment beside the main one does not become it by its name."""
    found = {}
    enter(small("a", main=False), found)
    enter(small("b"), found)
    with pytest.raises(
        ValueError, match=r"two main protocols, b and c: give one of them main=False"
    ):
        enter(small("c"), found)
    with pytest.raises(ValueError, match=r"two protocols are called 'a': rename one"):
        enter(small("a", main=False), found)
    assert ["a", "b"] == list(found)
