"""What a plan declares about tuning: identity, ranges, TOML, and every mistake named."""

from __future__ import annotations

import json
import math
from pathlib import Path

import fake_runs
import pytest

from ablations.core.canonical import digest
from ablations.core.errors import AblationError
from ablations.core.job import lay_out
from ablations.core.registry import get_plan, plans
from ablations.core.tuning import Tuning, full, space_of
from ablations.dataset.files import load
from ablations.ledger.tuning import TuningLedger
from studies.core.protocol import Range


def test_identity_is_the_declaration():
    """Every field of the section is in the key; what a search finds is not."""
    base = fake_runs.tuned()
    keys = {cell.key for cell in base.cells}
    assert keys == {cell.key for cell in fake_runs.tuned().cells}
    assert keys.isdisjoint(cell.key for cell in fake_runs.layout().cells)
    changes = [
        {"trials": 5}, {"seeds": (100,)}, {"sampler": "random"}, {"sampler_seed": 1}, {"pruner": "median"},
        {"pruner": "median", "warmup": 1}, {"at_once": 2}, {"share": 0.5}, {"space": {"lam": (0.5, 0.7)}},
        {"space": {"lam": (0.7, 0.5)}}, {"space": {"lam": Range(0.5, 0.7)}},
    ]  # fmt: skip
    found = [fake_runs.tuned(tuning=one).cells[0].key for one in changes]
    assert len({*found, base.cells[0].key}) == len(changes) + 1
    named = fake_runs.tuned(tuning={"space": {"cell.lam": (0.5, 0.7)}})
    assert named.cells[0].key == found[8], "a bare name is a knob of the cell"


def test_keys_of_cells_that_are_not_tuned_are_what_they_were():
    """By the file of a study from before there was tuning, and by what a key was then made of."""
    stored = Path(__file__).parents[2] / "studies" / "results" / "ablations" / "gato-memory.nc"
    assert lay_out(get_plan("gato-memory"), "laptop").key == load(stored).attrs["layout_key"]

    def there(value):
        if not isinstance(value, dict):
            return value
        return {key: there(one) for key, one in value.items() if one is not None}

    for name in plans():
        layout = lay_out(get_plan(name), "laptop")
        assert layout.tuning is None, "the laptop profile is measured as the protocols say"
        for cell in layout.cells:
            content = cell.configuration.plain()
            decides = {k: there(content[k]) for k in ("task", "options", "model", "training")}
            version = layout.plan.protocol_version
            assert cell.key == digest({"protocol_version": version, **decides})


def test_what_the_paper_tuned_is_tuned():
    """RRU's table 2, as printed: the ranges of table 3, 100 trials for each version."""
    layout = lay_out(get_plan("rru-parts"), "paper")
    assert layout.tuning.trials == 100
    assert layout.tuning.searched == {
        "training.learning_rate": Range(1e-4, 1e-2, "log"), "cell.dropout": Range(0.0, 0.8),
        "model.parameters": Range(1_000_000, 15_000_000, whole=True), "cell.q": Range(0.1, 8.0),
    }  # fmt: skip
    assert len(layout.tuned) == 12
    assert "cell.forget_offset" in space_of("rru-nottingham", "lstm")


RATE = {"training.learning_rate": Range(1e-4, 1e-1, "log")}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sampler": "tpee"}, r"tuning: sampler: expected tpe or random, got 'tpee' \(did you mean tpe"),
        ({"pruner": "hyperband"}, "tuning: pruner: expected none or median"),
        ({"trials": 0}, "tuning: trials: expected a whole number of at least 1, got 0"),
        ({"trials": True}, "tuning: trials: expected a whole number"),
        ({"trials": 2.5}, "tuning: trials: expected a whole number"),
        ({"at_once": 0}, "tuning: at_once: expected a whole number of at least 1"),
        ({"warmup": -1}, "tuning: warmup: expected a whole number of at least 0"),
        ({"sampler_seed": -1}, "tuning: sampler_seed: expected a whole number of at least 0"),
        ({"seeds": ()}, "tuning: seeds: expected whole numbers, each once"),
        ({"seeds": (100, 100)}, "tuning: seeds: expected whole numbers, each once"),
        ({"seeds": (-1,)}, "tuning: seeds: expected whole numbers, each once"),
        ({"seeds": (1,)}, r"tuning: seeds: expected others than those of the result, 0 to 1, got 1"),
        ({"share": 0}, "tuning: share: expected a number above 0 and up to 1"),
        ({"share": 1.5}, "tuning: share: expected a number above 0 and up to 1"),
        ({"space": {}}, "tuning: space: expected at least one setting"),
        ({"space": {"lam": (0.5,)}}, "tuning: lam: expected a range or at least two levels"),
        ({"space": {"lam": (0.5, 0.5)}}, "at least two levels, each once"),
        ({"space": {"lam": (0.5, None)}}, "that are text or numbers"),
        ({"space": {"lam": 0.5}}, "expected a range or at least two levels"),
        ({"space": {"lam": Range(0.7, 0.5)}}, "tuning: lam: expected low below high"),
        ({"space": {"lam": Range(0.5, math.inf)}}, "both finite"),
        ({"space": {"lam": Range(0.0, 0.5, "log")}}, "expected low above 0 on a logarithmic scale"),
        ({"space": {"lam": Range(0.1, 0.5, "lin")}}, "expected the scale uniform or log"),
        ({"space": {"k": Range(1.5, 5, whole=True)}}, "tuning: k: expected whole ends"),
        ({"space": {"task.length": Range(5, 9, whole=True)}}, "expected a knob of the cell, or model"),
        ({"space": {"lam": (0.5, 0.7), "cell.lam": (0.5, 0.7)}}, "tuning: .*lam: stands twice"),
        ({"space": {"training.examples": Range(5, 9, whole=True)}, "share": 0.5}, "searched and shared out"),
        ({"space": {"lamda": (0.5, 0.7)}}, r"gato-2 has no knob 'lamda' \(did you mean lam"),
        ({"space": {"training.lr": (0.5, 0.7)}}, "training has no setting 'lr'"),
        ({"space": {"training.learning_rate": Range(-1, 1)}}, "rate: expected a finite number above 0"),
        ({"space": {"s_mode": ("zero", "residual")}}, "s_mode: is what the axis gato-memory changes"),
    ],
)  # fmt: skip
def test_mistakes_are_named(changes, text):
    """With the key, and what was meant where something is near."""
    with pytest.raises(Exception, match=text) as caught:
        fake_runs.tuned(tuning=changes)
    assert type(caught.value).__name__ in ("AblationError", "StudyError")


def test_profiles_and_budgets_are_checked():
    """A profile that there is not, and a share of nothing."""
    with pytest.raises(AblationError, match=r"tuning: expected the profiles .*did you mean laptop"):
        fake_runs.layout(tuning={"labtop": fake_runs.search()})
    with pytest.raises(
        AblationError, match=r"tuning: share: expected 1, got 0\.5: training\.examples"
    ):
        fake_runs.tuned(
            tuning={"share": 0.5},
            overrides={"training.examples": None, "training.patience": 3},
        )
    with pytest.raises(ValueError, match="expected a cell that is tuned"):
        TuningLedger(None, None, fake_runs.layout(), "adding", cell=fake_runs.layout().cells[0])


TOML = """
cell = "gato-2"
tasks = ["adding"]
seeds = 2
[axes]
gato-memory = ["residual", "zero"]
[tuning]
trials = {smoke = 3, paper = 30}
seeds = [100]
sampler = "random"
[tuning.space]
"training.learning_rate" = {low = 1e-4, high = 1e-1, scale = "log"}
lam = [0.5, 0.7]
"""


def test_a_users_plan_may_be_tuned(tmp_path):
    """In the profiles that it names; others are measured as they are."""
    path = tmp_path / "mine.toml"
    path.write_text(TOML)
    plan = get_plan(str(path))
    assert plan.tuning.keys() == {"smoke", "paper"}
    assert plan.tuning["smoke"] == Tuning(
        {"training.learning_rate": Range(1e-4, 1e-1, "log"), "lam": (0.5, 0.7)}, 3, (100,), "random"
    )
    assert lay_out(plan, "laptop").tuned == []
    assert len(lay_out(plan, "smoke").tuned) == 2
    path.write_text(TOML.replace("{smoke = 3, paper = 30}", "5").replace("[100]", "100"))
    assert {one.trials for one in get_plan(str(path)).tuning.values()} == {5}


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("trials =", "trails =", r"mine\.toml, line 8: trails: no such key .*did you mean trials"),
        ('sampler = "random"', 'sampler = "rnadom"', r"line 10: sampler: .*did you mean random"),
        ("seeds = [100]", "seeds = [1]", "tuning: seeds: expected others than those of the result"),
        ("seeds = [100]", 'seeds = ["a"]', r"line 9: seeds: expected whole numbers"),
        ("smoke = 3", "smok = 3", r"line 8: smok: expected profiles, .*did you mean smoke"),
        ("{smoke = 3, paper = 30}", "0", r"line 8: trials: expected a whole number of at least 1"),
        ("low = 1e-4", "lwo = 1e-4", r"line 12: lwo: no such key of a range \(did you mean low"),
        ("low = 1e-4, ", "", r"line 12: training\.learning_rate: expected low and high"),
        ("low = 1e-4", "low = 1", r"line 12: training\.learning_rate: expected low below high"),
        ("lam = [0.5, 0.7]", "lam = 0.5", r"line 13: lam: expected \{low = …, high = …\} or a list"),
        ("[tuning.space]", "[tuning.spaces]", r"no such key of a tuning \(did you mean space"),
        ("trials = {smoke = 3, paper = 30}", "", r"line 7: tuning: the key 'trials' is missing"),
        ("[tuning.space]", "space = 3\n[protocols]", r"line 11: space: expected a table, got 3"),
    ],
)  # fmt: skip
def test_mistakes_in_toml_are_named_with_their_line(tmp_path, old, new, text):
    """And the key."""
    path = tmp_path / "mine.toml"
    assert old in TOML
    path.write_text(TOML.replace(old, new))
    with pytest.raises(AblationError, match=text):
        lay_out(get_plan(str(path)), "smoke")


def test_keys_are_spelled_in_full():
    """A bare name is a knob of the cell."""
    assert (full("q"), full("model.layers")) == ("cell.q", "model.layers")
    assert json.dumps(fake_runs.search().plain())
