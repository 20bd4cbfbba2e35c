"""Laws of plans: what a design enumerates, and what a cell's identity depends on."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path

import fake_runs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cells
from ablations.core.axis import Axis, Level, Requires
from ablations.core.canonical import canonical, digest
from ablations.core.design import enumerate_variants, label
from ablations.core.errors import AblationError
from ablations.core.expect import Expect
from ablations.core.job import job_key, lay_out
from ablations.core.plan import Plan
from ablations.core.registry import axes, get_axis, get_plan, plans
from studies.core.protocol import PROFILES, get_protocol

NAMES = ("one", "two", "three", "four")


def axis(name, count, requires=()):
    """An axis with levels that change nothing."""
    return Axis(name, name, tuple(Level(f"{name}{k}") for k in range(count)), "test", requires)


@st.composite
def crossed(draw):
    """A factorial plan with rules between its axes."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    found = []
    for name, size in zip(NAMES, sizes, strict=False):
        rules = []
        if found and size > 1 and draw(st.booleans()):
            other = draw(st.sampled_from(found))
            kept = draw(st.sets(st.sampled_from([lv.name for lv in other.levels]), min_size=1))
            level = f"{name}{draw(st.integers(1, size - 1))}"
            rules.append(Requires(level, other.name, tuple(sorted(kept)), "drawn"))
        found.append(axis(name, size, tuple(rules)))
    return Plan("drawn", "drawn", "gru", ("adding",), tuple(found), "test", "factorial")


@given(crossed())
def test_a_factorial_is_the_product_less_what_rules_forbid(plan):
    """Each combination once, and those that are left out are listed with the rule."""
    variants, impossible = enumerate_variants(plan)
    names = [[level.name for level in one.levels] for one in plan.axes]
    product = set(itertools.product(*names))
    allowed = {
        levels
        for levels in product
        if all(
            levels[place] != rule.level
            or levels[[a.name for a in plan.axes].index(rule.axis)] in rule.levels
            for place, one in enumerate(plan.axes)
            for rule in one.requires
        )
    }
    assert {tuple(v.levels.values()) for v in variants} == allowed
    assert {tuple(i.levels.values()) for i in impossible} == product - allowed
    assert len(variants) + len(impossible) == len(product)
    assert len({v.name for v in variants}) == len(variants)


@given(crossed())
def test_one_factor_at_a_time_is_the_baseline_and_one_per_level(plan):
    """1 + Σ (levels − 1), each leaving the baseline in one axis."""
    variants, impossible = enumerate_variants(dataclasses.replace(plan, design="ofat"))
    assert variants[0].name == "baseline"
    assert len(variants) + len(impossible) == 1 + sum(len(a.levels) - 1 for a in plan.axes)
    assert all("," not in variant.name for variant in variants)


@pytest.mark.parametrize("name", plans())
def test_every_plan_can_be_laid_out(name):
    """In every profile; the baseline first; no seed and no variant lost."""
    for profile in ("smoke", "laptop", "paper"):
        layout = lay_out(get_plan(name), profile)
        assert layout.variants[0].name == "baseline"
        runs = [(job.cell.key, seed) for job in layout.jobs() for seed in job.seeds]
        assert len(set(runs)) == len(runs)
        assert set(runs) == {(c.key, s) for c in layout.cells for s in layout.seeds}


def test_the_grid_of_gates_is_every_cell_of_it():
    """Three gates, four initializations, two cores, by their names in the catalogue."""
    layout = lay_out(get_plan("gates"), "smoke")
    found = {variant.cell for variant in layout.variants}
    primary, auxiliary = ("", "c", "o", "u"), ("", "m", "r")
    grid = {f"{p}{a}-{c}" for p in primary for a in auxiliary for c in ("lstm", "gru")}
    assert found == (grid - {"-lstm", "-gru"}) | {"lstm-tied", "gru"}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_robustness_grid_crosses_what_the_paper_crossed(profile):
    """Ten learning rates, ten numbers of parameters, both norms; the printed numbers, or the same in small.

    Every level has a width that fits, and all of them are different.
    """
    plan = get_plan("rru-robustness")
    layout = lay_out(plan, profile)
    assert len(layout.variants) == 200
    varied = get_protocol("rru-nottingham-robustness").varied
    rates = {cell.configuration.training.learning_rate for cell in layout.cells}
    assert rates == set(varied["training.learning_rate"].value)
    counts = sorted({cell.configuration.model.parameters for cell in layout.cells})
    printed = varied["model.parameters"].value
    unit = {"smoke": 10_000, "laptop": 20_000, "paper": 1_000_000}[profile]
    assert counts == [round(count / 1_000_000 * unit) for count in printed]
    first = layout.cells[0].configuration.model
    assert (first.parameters, first.hidden_size) == (round(7.2 * unit), None)
    widths = [
        cells.size_for_parameters(cells.get("rru"), count, input_size=88, **first.knobs)
        for count in counts
    ]
    assert widths == sorted(set(widths))


def test_a_level_is_scaled_where_it_says_so():
    """In the profiles that it names; in others it is what it is."""
    level = Level("x", {"k": 9}, scaled={"laptop": {"k": 3}})
    plan = Plan("drawn", "drawn", "gru", ("adding",), (Axis("a", "a", (level,), "test"),), "test")
    found = {p: enumerate_variants(plan, p)[0][0].overrides for p in PROFILES}
    assert found == {"smoke": {"k": 9}, "laptop": {"k": 3}, "paper": {"k": 9}}


def test_table_2_has_its_six_rows():
    """RRU and its five changes."""
    assert len(lay_out(get_plan("rru-parts"), "laptop").variants) == 6


@pytest.mark.parametrize("name", plans())
def test_claims_are_made_of_variants_that_run(name):
    """Where, about variants of the design, and by a source; each once, and few enough to be read."""
    plan = get_plan(name)
    known = {variant.name for variant in enumerate_variants(plan)[0]}
    for one in plan.expect:
        named = {label(plan, plan.complete(lv)) for lv in (one.variant, one.other or one.variant)}
        assert named <= known
        assert one.other is None or plan.complete(one.other) != plan.complete(one.variant)
        assert set(one.tasks) <= set(plan.tasks)
    assert len({one.claim for one in plan.expect}) == len(plan.expect) <= 10


def test_the_published_ablations_claim_what_their_papers_say():
    """Every plan of one paper's own question; the comparisons of the catalogue ask an open one."""
    silent = {name for name, plan in plans().items() if not plan.expect}
    assert silent == {
        "comparison", "comparison-parameters", "gato-memory-copying", "rru-dropout", "rru-robustness",
    }  # fmt: skip


_IDENTITY = """
from ablations.core.job import lay_out
from ablations.core.registry import get_plan
print([cell.key for cell in lay_out(get_plan("gates"), "smoke").cells])
"""


def test_identity_is_the_same_in_another_process():
    """Hash randomization does not reach it."""
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", _IDENTITY], cwd=root, capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)},
    )  # fmt: skip
    keys = [cell.key for cell in lay_out(get_plan("gates"), "smoke").cells]
    assert run.stdout.strip() == str(keys)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), plain, max_size=5), st.randoms())
def test_identity_is_independent_of_the_order_of_keys(content, draw):
    """And the text can be read back."""
    items = list(content.items())
    draw.shuffle(items)
    assert digest(dict(items)) == digest(content)
    assert json.loads(canonical(content)) == json.loads(json.dumps(content))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_has_no_identity_is_refused(value):
    """NaN would be unequal to itself."""
    with pytest.raises(AblationError, match="a setting must be"):
        digest({"a": value})


def test_identity_follows_what_decides_the_numbers_and_nothing_else():
    """Not the profile's name or the number of seeds; but every level, and the protocol's version."""
    base = fake_runs.layout(seeds=2)
    assert [c.key for c in base.cells] == [c.key for c in fake_runs.layout(seeds=5).cells]
    assert len({cell.key for cell in base.cells}) == len(base.cells)
    raised = fake_runs.layout(protocol_version=2)
    assert {c.key for c in base.cells}.isdisjoint(c.key for c in raised.cells)


def test_more_seeds_are_only_what_is_missing():
    """Runs that are there are not asked for again, whatever the block."""
    layout = fake_runs.layout(seeds=5)
    cell = layout.cells[0]
    jobs = [j for j in layout.jobs([(cell.key, s) for s in (0, 1, 3)]) if j.cell is cell]
    assert [job.seeds for job in jobs] == [(2, 4)]
    assert jobs[0].key == job_key(cell.key, [2, 4])


def test_blocks_go_round_by_round():
    """Every variant has its first block before any has its second."""
    layout = fake_runs.layout(seeds=5, block=2)
    blocks = [job.seeds for job in layout.jobs()]
    assert blocks == [(0, 1)] * 3 + [(2, 3)] * 3 + [(4,)] * 3


MEMORY = get_axis("gato-memory")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: get_plan("gato-memmory"), "did you mean gato-memory"),
        (lambda: get_axis("gato-lamda"), "did you mean gato-lambda"),
        (lambda: MEMORY.level("zeros"), r"did you mean zero\?"),
        (lambda: get_plan("no.such:PLAN"), "can be imported"),
        (lambda: get_plan("ablations.axes.gato_memory:AXIS"), "expected a Plan"),
        (lambda: axis("a", 0), "at least one level"),
        (lambda: Axis("a", "a", (Level("x"), Level("x")), "test"), "each once"),
        (lambda: axis("a", 2, (Requires("a9", "b", ("b0",), "x"),)), "axis a has no level 'a9'"),
        (lambda: lay_out(get_plan("gato-memory"), "labtop"), "did you mean laptop"),
        (lambda: lay_out(get_plan("gato-memory"), "smoke", 0), "seeds: expected at least 1"),
        (lambda: Expect("c", "s", "better"), "relation: expected one of"),
        (lambda: Expect("c", "s", "better than"), "needs another variant"),
        (lambda: Expect("c", "s", "similar to"), "needs another variant"),
        (lambda: Expect("c", "s", "solves", other={}), "needs no other variant"),
        (lambda: fake_runs.layout(tasks=("addin",)), "did you mean adding"),
        (lambda: fake_runs.layout(tasks=()), "at least one task"),
        (lambda: fake_runs.layout(design="factorail"), "did you mean factorial"),
        (lambda: fake_runs.layout(design="list"), "variants: expected with design 'list'"),
        (lambda: fake_runs.layout(axes=(MEMORY, MEMORY)), "an axis stands twice"),
        (lambda: fake_runs.layout(block=0), "block: expected at least 1"),
        (lambda: fake_runs.layout(protocols={"ading": "x"}), "did you mean adding"),
        (lambda: fake_runs.layout(protocols={"adding": "gato-ading"}), "did you mean gato-adding"),
        (lambda: fake_runs.layout(cell="gato-3"), "gato-2"),
        (lambda: fake_runs.layout(cell="{memory}"), "expected braces around axes"),
        (lambda: fake_runs.layout(cell="gru"), "gru has no knob 's_mode'"),
        (
            lambda: fake_runs.layout(
                expect=(), axes=(axis("a", 2, (Requires("a0", "b", ("b1",), "so"),)), axis("b", 2))
            ),
            "its baseline is impossible: a=a0 requires b=b1: so",
        ),
        (lambda: get_plan("gato-memory").axis("gato-memry"), "did you mean gato-memory"),
    ],
)  # fmt: skip
def test_mistakes_are_named(make, text):
    """With what was meant, where something is near."""
    with pytest.raises(Exception, match=text) as caught:
        make()
    assert type(caught.value).__name__ in ("AblationError", "StudyError")


def test_adding_an_axis_or_a_plan_is_adding_a_file():
    """Every module of the two folders is found, under the name that it gives itself."""
    root = Path(__file__).parents[2] / "ablations"
    for folder, known in (("axes", axes()), ("plans", plans())):
        files = [p for p in (root / folder).glob("*.py") if p.stem != "__init__"]
        assert len(files) == len(known)
        assert all(name == one.name for name, one in known.items())
