"""The dataset: a pure function of the records, checked on both ways, damage noticed."""

from __future__ import annotations

import dataclasses
import errno
import importlib.util
import math
import random
from pathlib import Path

import fake_runs
import h5py
import numpy as np
import pytest
import xarray

from ablations.core.errors import AblationError
from ablations.core.job import lay_out
from ablations.core.registry import get_plan
from ablations.dataset.build import build
from ablations.dataset.content import content_hash
from ablations.dataset.export import export
from ablations.dataset.files import load, runs, save
from ablations.dataset.provenance import provenance
from ablations.dataset.schema import OPTIONAL, VARIABLES
from ablations.dataset.validate import validate
from ablations.ledger.folder import Folder
from ablations.ledger.worker import Worker
from ablations.report.write import contents
from studies.core.errors import StudyError

ABOUT = {**provenance(), "storage_kind": "journal"}


def records(layout, keep=lambda _: True, outcome=None):
    """Fake records of a layout by (cell, seed)."""
    found = {}
    for job in layout.jobs():
        for seed in job.seeds:
            if keep((job.cell.key, seed)):
                how = outcome or ("diverged" if fake_runs.diverges(job) else "ok")
                found[job.cell.key, seed] = fake_runs.record(job, seed, outcome=how)
    return found


def attempt(number, ending="ok", seeds="0 1", variant="baseline"):
    """One line of the log of attempts."""
    return {
        "task": "adding", "number": number, "variant_name": variant, "seeds": seeds, "attempt": 1,
        "ending": ending, "host_id": "h", "reason": "",
    }  # fmt: skip


def tree(layout=None, found=None, attempts=(), verdicts=None):
    """A small study."""
    layout = layout or fake_runs.layout("comparison", 3)
    found = records(layout) if found is None else found
    return build(layout, found, attempts, verdicts or {}, ABOUT)


def test_the_order_of_records_and_attempts_does_not_matter():
    """Identical trees, and one content hash."""
    layout = fake_runs.layout("comparison", 3)
    found, log = records(layout), [attempt(k) for k in range(9)]
    one = tree(layout, found, log)
    shuffled = list(found.items())
    for seed in range(3):
        random.Random(seed).shuffle(shuffled)
        random.Random(seed).shuffle(log)
        two = tree(layout, dict(shuffled), log)
        assert one.identical(two)


def test_a_file_is_read_as_it_was_written(tmp_path):
    """Every group, value and attribute; and the file says the same content hash."""
    layout = fake_runs.layout("comparison", 3)
    verdicts = {v.name: {"identity-block": "proved"} for v in layout.variants}
    made = tree(layout, attempts=[attempt(0), attempt(1, "lost")], verdicts=verdicts)
    save(made, tmp_path / "a.nc")
    again = load(tmp_path / "a.nc")
    assert made.identical(again)
    assert content_hash(again) == made.attrs["content_hash"]
    assert runs(again, "adding")["verdict_identity-block"].values.tolist() == ["proved"] * len(
        layout.cells
    )


@pytest.mark.parametrize("some", ["nothing", "half", "all diverged"])
def test_unfinished_and_unlucky_studies_are_datasets_too(tmp_path, some):
    """Missing is NaN with outcome 0; diverged is outcome 2; neither is inferred from the other."""
    layout = fake_runs.layout("comparison", 2)
    keep = {"nothing": lambda _: False, "half": lambda key: key[1] == 0}.get(some, lambda _: True)
    found = records(layout, keep, "diverged" if some == "all diverged" else None)
    made = tree(layout, found)
    save(made, tmp_path / "a.nc")
    again = load(tmp_path / "a.nc")
    assert made.identical(again)
    one = runs(again, "adding")
    counts = np.bincount(one["outcome"].values.ravel(), minlength=3)
    half = len(layout.cells)
    assert counts[0] == {"nothing": 2 * half, "half": half, "all diverged": 0}[some]
    assert counts[2] == {"nothing": 0, "all diverged": 2 * half}.get(some, counts[2])
    assert np.isnan(one["test_metric"].values[one["outcome"].values != 1]).all()


def test_curves_end_where_the_run_ended():
    """NaN after that, never the last value."""
    layout = fake_runs.layout("comparison", 1)
    found = records(layout)
    one = runs(tree(layout, found), "adding")
    for place, cell in enumerate(layout.cells):
        record = found[cell.key, 0]
        curve = one["valid_metric"].values[place, 0]
        assert curve[: len(record.curves["valid_metric"])].tolist() == record.curves["valid_metric"]
        assert np.isnan(curve[len(record.curves["valid_metric"]) :]).all()


def test_what_was_observed_stands_beside():
    """Norms on the curves' points, memory and time of each run; records of before have neither."""
    layout = fake_runs.layout("comparison", 1)
    found = records(layout)
    key = layout.cells[1].key, 0
    keep = {
        k: v for k, v in found[key].provenance.items() if "memory" not in k and "device_t" not in k
    }
    found[key] = dataclasses.replace(found[key], observed={}, provenance=keep)
    one = runs(tree(layout, found), "adding")
    for name in ("grad_norm", "state_norm"):
        record = found[layout.cells[0].key, 0]
        curve = one[name].values[0, 0]
        there = len(record.curves["step"])
        assert curve[:there].tolist() == record.observed[name]
        assert np.isnan(curve[there:]).all()
        assert np.isnan(one[name].values[1]).all()
    assert one["peak_memory"].values[:2, 0].tolist() == [2**28, -1]
    assert one["device_time"].values[0, 0] == 0.25
    assert np.isnan(one["device_time"].values[1, 0])


def test_files_of_before_are_read():
    """The stored one, and any that lacks what 1.2 has added; what it has is checked nevertheless."""
    root = Path(__file__).parents[2]
    old = load(root / "studies" / "results" / "ablations" / "gato-memory.nc")
    assert old.attrs["schema_version"] == "1.0"
    for name in OPTIONAL:
        validate(changed(drop(name)))

    def misplaced(groups):
        group = groups["/runs/adding"]
        groups["/runs/adding"] = group.assign(grad_norm=group["test_metric"])

    with pytest.raises(AblationError, match=r"grad_norm: expected f\('variant', 'seed', 'step'\)"):
        validate(changed(misplaced))


def test_what_failed_says_how():
    """The last attempt of a run without record stands in its outcome; one with a record is what that says."""
    layout = fake_runs.layout(seeds=2)
    log = [attempt(0, "lost"), attempt(1, "error"), attempt(2, "oom", "1", "gato-memory=zero")]
    one = runs(tree(layout, {}, log), "adding")
    assert one["outcome"].values.tolist() == [[3, 3], [0, 4], [0, 0]]
    assert runs(tree(layout, records(layout), log), "adding")["outcome"].values.min() == 1


def test_the_content_hash_is_of_the_numbers():
    """Durations and attempts do not change it; a number, a level or a verdict does."""
    layout = fake_runs.layout()
    base = tree(layout).attrs["content_hash"]
    assert tree(layout, attempts=[attempt(7, "lost")]).attrs["content_hash"] == base
    found = records(layout)
    key = next(iter(found))
    job = next(j for j in layout.jobs() if j.cell.key == key[0])
    found[key] = fake_runs.record(job, key[1], attempt=9)
    assert tree(layout, found).attrs["content_hash"] == base
    used = {"wall_time_s": 9.0, "device_time_s": 9.0, "peak_memory_bytes": 9}
    other = {**found[key].provenance, **used}
    found[key] = dataclasses.replace(found[key], provenance=other)
    assert tree(layout, found).attrs["content_hash"] == base
    found[key] = fake_runs.record(job, key[1], shift=1e-15)
    assert tree(layout, found).attrs["content_hash"] != base
    verdicts = {v.name: {"well-posed": "tested"} for v in layout.variants}
    assert tree(layout, verdicts=verdicts).attrs["content_hash"] != base


def changed(change):
    """A tree with one thing wrong, its hash made anew so that only that is wrong."""
    made = tree(fake_runs.layout())
    groups = {node.path: node.to_dataset(inherit=False) for node in made.subtree}
    change(groups)
    broken = xarray.DataTree.from_dict(groups)
    if "content_hash" in broken.attrs:
        broken.attrs["content_hash"] = content_hash(broken)
    return broken


def drop(name):
    """Leave out a variable of the runs."""

    def change(groups):
        groups["/runs/adding"] = groups["/runs/adding"].drop_vars(name)

    return change


def value(name, number):
    """Put a number where it does not belong."""

    def change(groups):
        groups["/runs/adding"][name].values[0, 0] = number

    return change


def dtype(groups):
    """Outcomes as floats."""
    runs_ = groups["/runs/adding"]
    runs_["outcome"] = runs_["outcome"].astype(float).assign_attrs(runs_["outcome"].attrs)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda g: g["/"].attrs.update(schema_version="2.0"), r"expected the schema .* 1\.\d, got .* 2\.0"),
        (lambda g: g["/"].attrs.pop("schema"), "got None"),
        (lambda g: g["/"].attrs.pop("profile"), "attribute profile: missing"),
        (lambda g: g["/runs/adding"].attrs.pop("ignorance"), "attribute ignorance: missing"),
        (lambda g: g["/runs/adding"]["test_metric"].attrs.pop("units"), "test_metric: units: missing"),
        (drop("outcome"), "/runs/adding/outcome: missing"),
        (dtype, "outcome: expected i"),
        (value("outcome", 9), "outcome: expected flags"),
        (value("test_metric", math.nan), "expected a number where outcome is ok"),
        (value("outcome", 0), "expected NaN where there is no record"),
        (lambda g: g.pop("/runs/adding"), "/runs: no group"),
        (lambda g: g.pop("/attempts"), "/attempts: missing"),
        (lambda g: g.update({"/attempts": g["/attempts"].drop_vars("reason")}), "reason: missing"),
        (
            lambda g: g.update({"/": g["/"].drop_vars([n for n in g["/"].coords if "factor" in str(n)])}),
            "a coordinate factor_",
        ),
    ],
)  # fmt: skip
def test_departures_from_the_schema_are_named(tmp_path, change, text):
    """On write as on read."""
    broken = changed(change)
    with pytest.raises(AblationError, match=text):
        validate(broken)
    with pytest.raises(AblationError, match=text):
        save(broken, tmp_path / "a.nc")
    assert list(tmp_path.iterdir()) == []


ZARR = pytest.mark.skipif(
    importlib.util.find_spec("zarr") is None, reason="needs the package zarr, which is an extra"
)


@ZARR
@pytest.mark.parametrize("some", ["nothing", "half", "all"])
def test_both_formats_hold_the_same(tmp_path, some):
    """Identical trees and one content hash, from memory to netCDF to Zarr and back to netCDF."""
    layout = fake_runs.layout("comparison", 2)
    keep = {"nothing": lambda _: False, "half": lambda key: key[1] == 0}.get(some, lambda _: True)
    log = [] if some == "nothing" else [attempt(0), attempt(1, "lost")]
    verdicts = {v.name: {"identity-block": "proved"} for v in layout.variants}
    made = tree(layout, records(layout, keep), log, verdicts)
    save(made, tmp_path / "a.nc")
    save(load(tmp_path / "a.nc"), tmp_path / "b.zarr")
    there = load(tmp_path / "b.zarr")
    save(there, tmp_path / "c.nc")
    for one in (there, load(tmp_path / "c.nc")):
        assert made.identical(one)
        assert content_hash(one) == made.attrs["content_hash"]
        assert contents(one) == contents(made)
        kinds = {
            v.dtype.kind
            for n in one.subtree
            for v in n.to_dataset(inherit=False).variables.values()
        }
        assert kinds == {"i", "f", "O"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.nc", "b.zarr", "c.nc"}


@ZARR
def test_a_store_is_replaced_whole(tmp_path, monkeypatch):
    """A second one takes the place of the first; where it fails, the first is still there, alone."""
    path = tmp_path / "a.zarr"
    save(tree(fake_runs.layout()), path)
    layout = fake_runs.layout(seeds=3)
    save(tree(layout), path)
    assert load(path).sizes["seed"] == 3

    def full(_, store, **__):
        (store / "zarr.json").write_text("{")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(xarray.DataTree, "to_zarr", full)
    with pytest.raises(StudyError, match=r"a\.zarr cannot be written: No space left.*unchanged"):
        save(tree(fake_runs.layout()), path)
    assert load(path).sizes["seed"] == 3
    assert [one.name for one in tmp_path.iterdir()] == ["a.zarr"]


@ZARR
def test_damage_to_a_store_is_noticed(tmp_path):
    """A changed chunk, a missing one, torn metadata, no store at all."""
    path = tmp_path / "a.zarr"
    save(tree(), path)
    chunk = path / "runs" / "adding" / "test_metric" / "c" / "0" / "0"
    whole = chunk.read_bytes()
    for damaged in (None, whole[: len(whole) // 2], whole[:-3] + b"abc"):
        chunk.unlink() if damaged is None else chunk.write_bytes(damaged)
        with pytest.raises(AblationError, match=r"a\.zarr"):
            load(path)
    chunk.write_bytes(whole)
    load(path)
    (path / "runs" / "zarr.json").write_text("{")
    with pytest.raises(AblationError, match="expected a study in Zarr that can be read"):
        load(path)
    with pytest.raises(AblationError, match="expected a study in Zarr that can be read"):
        load(tmp_path / "none.zarr")


@pytest.mark.parametrize("do", [load, lambda path: save(tree(), path)])
def test_without_the_extra_zarr_it_says_which_package(tmp_path, monkeypatch, do):
    """And how to do without."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "zarr" else find(name, *a)
    )
    with pytest.raises(
        AblationError, match=r"pip install 'desiderata\[zarr\]', or name a file.*\.nc"
    ):
        do(tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == []


def test_damage_to_a_file_is_noticed(tmp_path):
    """A changed number, a torn file, another kind of file."""
    path = tmp_path / "a.nc"
    save(tree(), path)
    whole = path.read_bytes()
    with h5py.File(path, "r+") as file:
        file["runs/adding/test_metric"][0, 0] = 0.25
    with pytest.raises(AblationError, match="content_hash: the content is not what was hashed"):
        load(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AblationError, match="expected a study in netCDF that can be read"):
        load(path)
    path.write_text("no")
    with pytest.raises(AblationError, match="expected a study in netCDF that can be read"):
        load(path)
    with pytest.raises(AblationError, match=r"ends in \.nc or \.zarr"):
        save(tree(), tmp_path / "a.txt")


def test_every_variable_of_the_schema_is_documented():
    """docs/schema.md names each variable, and its dimensions and units are those of the code."""
    text = (Path(__file__).parents[2] / "docs" / "schema.md").read_text(encoding="utf-8")
    for name, one in VARIABLES.items():
        units = "the metric's" if one.units is None else one.units
        assert f"| `{name}` | {', '.join(one.dims)} | {units} |" in text, name


def test_published_numbers_find_their_variant():
    """The rows of the appendix are about s set to 0 and s set to g; T = 50 is another protocol."""
    printed = (
        tree(fake_runs.layout()).children["reference"].children["adding"].to_dataset(inherit=False)
    )
    whose = dict(zip(printed["label"].values, printed["variant_name"].values, strict=True))
    assert whose["s set to 0"] == "gato-memory=zero"
    assert whose["s set to g"] == "gato-memory=overwritten"
    assert whose["LSTM"] == ""
    assert printed["protocol_differs"].values[printed["variant_name"].values != ""].all()


def test_what_the_plan_sets_is_a_difference_from_the_paper():
    """After those of the profile: in which it leaves what the profile says, and from which value."""
    layout = lay_out(get_plan("rru-parts"), "laptop", 4)
    said = tree(layout, {}).children["runs"].children["nottingham"].attrs["protocol_differences"]
    assert said.startswith("one layer of width 128")
    assert "the plan sets model.hidden_size = 64 instead of 128; the plan sets" in said
    assert said.endswith("examples = 6,000 instead of 12,000; 4 seeds instead of 3")
    plain = tree(fake_runs.layout()).children["runs"].children["adding"].attrs
    assert plain["protocol_differences"] == "a run of seconds that shows the machinery, no result"
    changed_ = fake_runs.layout(
        overrides={"lam": 0.7, "training.clip_norm": 1.0}, scaled={"paper": {"k": 1}}, expect=()
    )
    said = tree(changed_).children["runs"].children["adding"].attrs["protocol_differences"]
    assert said.endswith("no result; the plan sets training.clip_norm = 1.0")


def test_an_export_of_a_half_done_study_is_valid_and_two_agree(tmp_path):
    """From a folder, with what there is."""
    folder, layout = Folder(tmp_path), fake_runs.layout(seeds=2)
    Worker(folder, layout, do=fake_runs.execute, max_jobs=2).work()
    one = export(folder, layout, certify=False)
    two = export(folder, layout, certify=False, out=tmp_path / "b.nc")
    assert one.attrs["content_hash"] == two.attrs["content_hash"]
    assert load(tmp_path / "study.nc").attrs["content_hash"] == one.attrs["content_hash"]
    assert (runs(one, "adding")["outcome"].values == 0).sum() == 2


def test_two_exports_at_once_are_one_and_a_message(tmp_path):
    """The second does not wait for minutes of certification without a word."""
    folder, layout = Folder(tmp_path), fake_runs.layout()
    with (
        folder.alone("export"),
        pytest.raises(AblationError, match="another process is at its export"),
    ):
        export(folder, layout, certify=False)
