"""Reports: deterministic, escaped, and words that follow from the numbers."""

from __future__ import annotations

import csv
import dataclasses
import functools
import html.parser
import io
import json
import math

import fake_runs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.core.axis import Axis, Level
from ablations.core.expect import Expect
from ablations.core.job import lay_out
from ablations.core.registry import get_axis, get_plan
from ablations.dataset.build import build
from ablations.dataset.files import load, runs, save
from ablations.dataset.provenance import provenance
from ablations.report.across import across
from ablations.report.analysis import analyze
from ablations.report.claims import judge
from ablations.report.heatmap import grid, sides
from ablations.report.published import word
from ablations.report.write import contents, write

ABOUT = {**provenance(), "storage_kind": "journal"}
ZERO, OVERWRITTEN = {"gato-memory": "zero"}, {"gato-memory": "overwritten"}


def study(values, expect=(), seeds=6, diverged=(), **changes):
    """A study of GATO's memory whose variants score ``values`` (±1% over seeds, shared between variants)."""
    layout = fake_runs.layout(seeds=seeds, expect=tuple(expect), **changes)
    noise = np.random.default_rng(0).uniform(0.99, 1.01, seeds)
    found = {}
    for cell, mean in zip(layout.cells, values, strict=True):
        job = next(job for job in layout.jobs() if job.cell is cell)
        for seed in layout.seeds:
            record = fake_runs.record(job, seed)
            if (cell.variant.name, seed) in diverged:
                record = fake_runs.record(job, seed, outcome="diverged")
            else:
                ends = {**record.ends, "test_metric": mean * float(noise[seed])}
                record = dataclasses.replace(record, ends=ends)
            found[cell.key, seed] = record
    return build(layout, found, [], {}, ABOUT)


def claims(tree):
    """The words, in order."""
    return [claim.word for section in analyze(tree) for claim in section.claims]


CLAIMS = (
    Expect("solves", "x", "solves"),
    Expect("stays", "x", "at ignorance", ZERO),
    Expect("better", "x", "better than", {}, ZERO),
    Expect("not better", "x", "not better than", ZERO, {}),
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.001, 0.17, 0.17), ["supported"] * 4),
        ((0.17, 0.001, 0.17), ["contradicted"] * 4),
        ((0.0171, 0.153, 0.1), ["inconclusive", "inconclusive", "supported", "supported"]),
    ],
)
def test_claims_follow_the_numbers(values, words):
    """Ignorance scores 0.17 here; nine tenths of the way end at 0.017, a tenth at 0.153."""
    assert claims(study(values, CLAIMS)) == words


def test_equal_variants_decide_nothing():
    """The interval of the difference holds zero."""
    tree = study((0.1, 0.1, 0.1), CLAIMS[2:])
    section = analyze(tree)[0]
    assert section.rows[1].against.difference == 0
    assert claims(tree) == ["inconclusive", "inconclusive"]


SIMILAR = Expect("alike", "x", "similar to", ZERO, {})


@functools.cache
def two():
    """The first two rows of a study, and its claim."""
    tree = study((0.1, 0.1, 0.1), [SIMILAR])
    return analyze(tree)[0].rows[:2], json.loads(tree.attrs["expect_json"])[0]


def judged(first, second, metric="mean_squared_error", better="lower", ignorance=0.17):
    """The verdict on two variants whose runs score these numbers, each the same for every seed."""
    rows, expected = two()
    means = zip(rows, (first, second), strict=True)
    new = [dataclasses.replace(row, values=dict.fromkeys(range(6), mean)) for row, mean in means]
    about = {"metric": metric, "better": better, "ignorance": ignorance}
    return judge(expected, {row.variant: row for row in new}, about)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (0.001, 0.0175, "supported"),  # a tenth of the way is 0.017
        (0.001, 0.0185, "contradicted"),
        (0.0175, 0.001, "supported"),
        (0.0185, 0.001, "contradicted"),  # also where the change is for the better
        (0.17, 0.169, "inconclusive"),  # alike in having learned nothing
        (0.17, 0.154, "inconclusive"),
        (0.17, 0.152, "contradicted"),
        (0.152, 0.15, "supported"),
    ],
)
def test_variants_are_similar_within_a_tenth_of_the_way(first, second, expected):
    """From ignorance (0.17) to a perfect score (0), in either direction."""
    assert judged(first, second).word == expected


@given(
    st.floats(-1, 1), st.floats(-1, 1), st.sampled_from(["lower", "higher"]),
    st.sampled_from(["nll_nats", "perplexity", "bits_per_character", "of-a-user"]),
)  # fmt: skip
def test_where_a_bound_is_out_of_reach_the_way_ends_at_the_better_variant(a, b, better, metric):
    """Ignorance scores 10; the oracle is the definition."""
    sign = 1 if better == "higher" else -1
    first, second = 10 + a, 10 + b
    best = sign * max(sign * first, sign * second)
    way = sign * (best - 10)
    found = judged(first, second, metric, better, 10.0)
    if way <= 0:
        assert found.word == "inconclusive"
    elif abs(abs(a - b) - way / 10) > 1e-9:
        assert found.word == ("supported" if abs(a - b) < way / 10 else "contradicted")


def test_the_margin_of_similarity_is_said():
    """With both ends of the way."""
    assert "margin 0.017, a tenth of the way from 0.17 to 0" in judged(0.1, 0.1).because
    assert "neither has learned the task" in judged(0.17, 0.17).because
    accuracy = judged(91.0, 99.5, "accuracy", "higher", 10.0)
    assert (accuracy.word, "margin 9, a tenth" in accuracy.because) == ("supported", True)
    assert judged(91.0, 99.5, "of-a-user", "higher", 90.0).word == "contradicted"


def test_an_interval_across_the_margin_decides_nothing():
    """Noise as large as the difference; nor does one whose survivors alone are alike, nor few seeds."""
    noisy = study((0.05, 0.06, 0.1), [SIMILAR])
    row = analyze(noisy)[0].rows[1]
    row.values.update({seed: 0.05 + 0.03 * (seed % 2) for seed in row.values})
    rows = {one.variant: one for one in (analyze(noisy)[0].rows[0], row)}
    expected = json.loads(noisy.attrs["expect_json"])[0]
    assert judge(expected, rows, analyze(noisy)[0].about).word == "inconclusive"
    gone = study((0.01, 0.01, 0.1), [SIMILAR], seeds=7, diverged={("baseline", 0)})
    assert claims(gone) == ["inconclusive"]
    assert claims(study((0.01, 0.01, 0.1), [SIMILAR])) == ["supported"]
    assert claims(study((0.01, 0.01, 0.1), [SIMILAR], seeds=4)) == ["inconclusive"]


def test_few_seeds_decide_nothing():
    """However large the difference."""
    assert claims(study((0.001, 0.17, 0.17), CLAIMS, seeds=3)) == ["inconclusive"] * 4


def test_who_diverges_more_is_not_better_by_the_mean_of_the_survivors():
    """The means over finite runs say better; the runs that are gone forbid it."""
    tree = study((0.001, 0.17, 0.17), CLAIMS, seeds=7, diverged={("baseline", 0)})
    assert claims(tree) == ["inconclusive", "supported", "inconclusive", "inconclusive"]
    row = analyze(tree)[0].rows[0]
    assert (row.diverged, len(row.values), row.planned) == (1, 6, 7)
    assert math.isfinite(row.median)


def test_differences_are_paired_by_seed():
    """Only seeds that both have; the noise that they share cancels."""
    tree = study((0.10, 0.11, 0.1), seeds=7, diverged={("gato-memory=zero", 3)})
    against = analyze(tree)[0].rows[1].against
    assert against.n == 6
    assert against.difference == pytest.approx(0.01, rel=0.02)
    assert against.rho == pytest.approx(1.0)
    assert against.p == 2 / 2**6


def test_effects_of_a_grid_are_averaged_over_the_other_axes():
    """A made-up grid in which the second axis adds 1 and the first adds its place."""
    one = Axis("one", "one", (Level("a", {"lam": 0.7}), Level("b", {"lam": 0.5})), "x")
    two = Axis("two", "two", (Level("c", {"gamma": "cos"}), Level("d", {"gamma": "sin"})), "x")
    tree = study((1.0, 2.0, 4.0, 5.0), design="factorial", axes=(one, two))
    effects = {(e.axis, e.level): e for e in analyze(tree)[0].effects}
    assert effects["one", "b"].against.difference == pytest.approx(3.0, rel=0.02)
    assert effects["two", "d"].against.difference == pytest.approx(1.0, rel=0.02)
    assert effects["one", "b"].combinations == 2


@pytest.mark.parametrize(
    ("value", "differs", "expected"),
    [
        (0.1, False, "agrees"),
        (0.2, False, "differs"),
        (0.1, True, "protocol differs"),
        (math.inf, False, "differs"),
    ],
)
def test_one_word_about_a_published_number(value, differs, expected):
    """Six seeds with an interval around 0.1."""
    row = analyze(study((0.1, 0.2, 0.3)))[0].rows[0]
    assert word(value, row, differs=differs) == expected
    few = analyze(study((0.1, 0.2, 0.3), seeds=3))[0].rows[0]
    assert word(0.1, few, differs=False) == "inconclusive"
    assert word(0.1, None, differs=False) == "not run"
    gone = analyze(study((0.1, 0.2, 0.3), diverged={("baseline", 0)}))[0].rows[0]
    assert word(math.inf, gone, differs=False) == "agrees"


def test_the_same_dataset_gives_the_same_bytes(tmp_path):
    """From memory and from a file, in every format."""
    tree = study((0.001, 0.17, 0.17), CLAIMS)
    save(tree, tmp_path / "a.nc")
    one, two = contents(tree), contents(load(tmp_path / "a.nc"))
    assert one == two
    assert set(one) == {
        "report.md", "report.html", "report.csv", "report-runs.csv", "report-adding.svg",
    }  # fmt: skip
    assert {p.name: p.read_bytes() for p in write(tree, tmp_path / "out")} == one
    assert "3 variants on adding, 6 seeds" in one["report.md"].decode()
    assert "{" not in one["report.md"].decode(), "a template that was not filled in"


def test_numbers_in_the_tables_are_those_of_the_dataset():
    """The CSV of runs holds every value in full; the one of variants their means."""
    tree = study((0.001, 0.17, 0.17), diverged={("gato-memory=zero", 2)})
    made = contents(tree)
    dataset = runs(tree, "adding")
    rows = list(csv.DictReader(io.StringIO(made["report-runs.csv"].decode())))
    assert len(rows) == dataset["test_metric"].size
    for row, value, outcome in zip(
        rows, dataset["test_metric"].values.ravel(), dataset["outcome"].values.ravel(), strict=True
    ):
        assert (row["test_metric"] == "") == math.isnan(value)
        assert math.isnan(value) or float(row["test_metric"]) == value
        assert row["outcome"] == ("diverged" if outcome == 2 else "ok")
    variants = list(csv.DictReader(io.StringIO(made["report.csv"].decode())))
    assert [row["diverged"] for row in variants] == ["0", "1", "0"]
    expected = np.nanmean(dataset["test_metric"].values, axis=1)
    assert [float(row["mean"]) for row in variants] == pytest.approx(expected.tolist())


def several(values, seeds=6, diverged=()):
    """A study on adding and copying; ``values``: (variant, task)."""
    layout = fake_runs.layout(
        seeds=seeds, tasks=("adding", "copying"), axes=(get_axis("gato-memory"),), expect=()
    )
    found = {}
    for cell, mean in zip(layout.cells, np.ravel(values), strict=True):
        for seed in layout.seeds:
            job = next(job for job in layout.jobs() if job.cell is cell)
            how = "diverged" if (cell.variant.name, cell.task, seed) in diverged else "ok"
            record = fake_runs.record(job, seed, outcome=how)
            about = {"ignorance": 0.17 if cell.task == "adding" else 0.1}
            ends = {**record.ends, "test_metric": mean + seed * 1e-3 if how == "ok" else math.nan}
            found[cell.key, seed] = dataclasses.replace(record, about=about, ends=ends)
    return build(layout, found, [], {}, ABOUT)


SCORES = ((0.01, 0.9), (0.09, 0.5), (0.17, 0.1))


def test_scores_over_all_tasks_lie_between_ignorance_and_the_baseline():
    """About 1, 1/2 and 0: adding is better lower, copying higher."""
    found = across(analyze(several(SCORES)))
    assert found.tasks == ("adding", "copying")
    assert found.left_out == ()
    assert [one.runs for one in found.aggregates] == [12] * 3
    assert [one.iqm for one in found.aggregates] == pytest.approx([1.0, 0.5, 0.0], abs=0.02)
    made = contents(several(SCORES))
    rows = list(csv.DictReader(io.StringIO(made["report-across.csv"].decode())))
    assert [float(row["iqm"]) for row in rows] == [one.iqm for one in found.aggregates]
    for name in ("report.md", "report.html"):
        assert "Across tasks" in made[name].decode()
        assert "Interquartile means over adding, copying" in made[name].decode()
    assert made == contents(several(SCORES))


def test_scores_over_all_tasks_need_runs_and_a_baseline_that_learned():
    """Twelve runs of a variant, and two tasks with something to scale by."""
    assert across(analyze(several(SCORES, seeds=5))) is None
    assert across(analyze(several(((0.01, 0.13), (0.09, 0.5), (0.17, 0.1)), seeds=12))) is None
    assert across(analyze(study((0.001, 0.1, 0.17), seeds=12))) is None
    gone = several(SCORES, diverged=[("baseline", "adding", k) for k in range(6)])
    assert across(analyze(gone)) is None
    made = contents(several(SCORES, seeds=5))
    assert "report-across.csv" not in made
    assert "Across tasks" not in made["report.md"].decode()


def test_diverged_runs_count_over_all_tasks():
    """A quarter of the runs is cut off, more than that is the answer; neither is left out silently."""
    some = [("gato-memory=zero", "copying", k) for k in range(3)]
    first = across(analyze(several(SCORES, diverged=some))).aggregates[1]
    assert first.runs == 12
    assert math.isfinite(first.iqm)
    more = [*some, ("gato-memory=zero", "copying", 3)]
    made = several(SCORES, diverged=more)
    assert across(analyze(made)).aggregates[1].iqm == -math.inf
    assert "| gato-memory=zero | 12 | -inf |" in contents(made)["report.md"].decode()


def test_a_published_column_is_compared_by_order_and_sign():
    """RRU's table 2: six rows on Nottingham, one printed as no effect; 9 pairs agree, 5 do not, 1 is tied."""
    layout = lay_out(get_plan("rru-parts"), "smoke", 2)
    means = dict(
        zip([v.name for v in layout.variants], (2.9, 2.95, 3.0, 2.8, 3.5, 3.1), strict=True)
    )
    found = {}
    for job in layout.jobs():
        for seed in job.seeds:
            one = fake_runs.record(job, seed)
            ends = {**one.ends, "test_metric": means[job.cell.variant.name] + seed * 1e-3}
            found[job.cell.key, seed] = dataclasses.replace(one, ends=ends)
    made = contents(build(layout, found, [], {}, ABOUT))
    line = (
        "table 2, Nottingham: Kendall's τ = 0.28 over 6 rows; the sign of 3 of 4 effects is the "
        "printed one; 1 printed as no effect."
    )
    assert f"- {line}" in made["report.md"].decode()
    assert line.replace("'", "&#39;") in made["report.html"].decode()
    (row,) = csv.DictReader(io.StringIO(made["report-agreement.csv"].decode()))
    assert (row["task"], row["rows"], row["same"]) == ("nottingham", "6", "3")


class Tags(html.parser.HTMLParser):
    """Collects what a page loads and runs."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_page_is_self_contained_and_escaped():
    """No script, nothing loaded, and a title cannot become markup."""
    expect = [Expect("<script>alert(1)</script>", "x", "solves")]
    tree = study((0.001, 0.17, 0.17), expect, title="<b>bold</b> & more")
    made = contents(tree)
    page = made["report.html"].decode()
    parser = Tags()
    parser.feed(page)
    names = [tag for tag, _ in parser.found]
    assert "script" not in names
    assert "link" not in names
    assert "svg" in names
    loaded = [a for _, a in parser.found for key in ("src", "href") if a.get(key, "#")[0] != "#"]
    assert loaded == []
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; more" in page


def test_an_unfinished_study_says_so():
    """How many runs are missing; no claim is made of none."""
    layout = fake_runs.layout(seeds=6, expect=CLAIMS)
    made = contents(build(layout, {}, [], {}, ABOUT))
    text = made["report.md"].decode()
    assert "18 of 18 runs are missing" in text
    assert "supported" not in text
    assert "inconclusive" in text


@pytest.mark.parametrize("style", ["quartiles", "gato"])
def test_pictures_are_drawn_in_both_styles(style):
    """With a diverged run among them."""
    tree = study((0.001, 0.17, 0.17), diverged={("baseline", 0)})
    svg = contents(tree, style=style)["report-adding.svg"]
    assert svg.startswith(b"<?xml")
    assert contents(tree, style=style)["report-adding.svg"] == svg


def test_a_grid_is_drawn_with_its_diverged_places():
    """Two long axes of a factorial; numbers in order, whichever comes first in the plan.

    Red where a run is gone.
    """
    one = Axis("one", "one", tuple(Level(x, {"lam": float(x)}) for x in ("0.7", "0.1", "0.5")), "x")
    two = Axis("two", "two", tuple(Level(x, {"k": int(x)}) for x in ("4", "2", "3")), "x")
    values = [10 * a + b for a in (7, 1, 5) for b in (4, 2, 3)]
    tree = study(
        values, design="factorial", axes=(one, two), diverged={("one=0.1", k) for k in range(6)}
    )
    axes = json.loads(tree.attrs["axes_json"])
    assert sides(axes, "factorial") == ("one", "two")
    assert sides(axes, "ofat") is None
    levels = {"one": ["0.1", "0.5", "0.7"], "two": ["2", "3", "4"]}
    medians, gone = grid(runs(tree, "adding"), levels, ("one", "two"), {})
    expected = np.array([[12, 52, 72], [13, 53, 73], [np.nan, 54, 74]], dtype=float)
    assert np.allclose(medians, expected, rtol=0.02, equal_nan=True)
    assert gone.tolist() == [[False] * 3, [False] * 3, [True, False, False]]
    made = contents(tree)
    assert made["report-adding-grid.svg"] == contents(tree)["report-adding-grid.svg"]
    assert "(report-adding-grid.svg)" in made["report.md"].decode()
