"""Tuning in the dataset, the report and the commands: apart from the result, checked, and said in words."""

from __future__ import annotations

import html.parser
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import fake_runs
import numpy as np
import pytest
import xarray

from ablations.command import main
from ablations.core.errors import AblationError
from ablations.dataset.content import content_hash
from ablations.dataset.export import export
from ablations.dataset.files import load, runs, save
from ablations.dataset.schema import TUNING, TUNING_ATTRIBUTES
from ablations.dataset.validate import validate
from ablations.ledger.folder import Folder
from ablations.ledger.tried import choice, tried
from ablations.ledger.worker import Worker
from ablations.report.write import contents

ROOT = Path(__file__).parents[2]


def run(capsys, *arguments):
    """(exit status, standard output, standard error)."""
    status = main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def study(path, do=fake_runs.execute, max_jobs=None, **tuning):
    """A study that was tuned, by fake runs, with its layout and its tree."""
    folder, layout = Folder(path), fake_runs.tuned(seeds=6, tuning=tuning)
    Worker(folder, layout, do=do, max_jobs=max_jobs).work()
    return folder, layout, export(folder, layout, certify=False)


def test_the_dataset_holds_the_searches_apart_from_the_runs(tmp_path):
    """By variant and trial, as recorded, with units; the cube is what it is without them."""
    folder, layout, tree = study(tmp_path, trials=5)
    again = load(tmp_path / "study.nc")
    assert tree.identical(again)
    found = again["tuning/adding"].to_dataset()
    assert found["value"].dims == ("variant", "tune_trial")
    assert found["value"].attrs["units"] == runs(again, "adding")["test_metric"].attrs["units"]
    assert json.loads(found.attrs["seeds_json"]) == [100, 101]
    for place, cell in enumerate(layout.cells):
        trials = tried(folder.searches, cell)
        assert found["value"].values[place].tolist() == [one.value for one in trials]
        rates = found["setting_training.learning_rate"].values[place].tolist()
        assert rates == [one.settings["training.learning_rate"] for one in trials]
        assert int(found["chosen"].values[place].argmax()) == choice(folder, cell).number
        assert found["chosen"].values[place].sum() == 1
    cube = runs(again, "adding")
    assert cube["seed"].values.tolist() == list(range(6))
    for place, cell in enumerate(layout.cells):
        values = [folder.record(cell.key, seed).ends["test_metric"] for seed in layout.seeds]
        np.testing.assert_array_equal(cube["test_metric"].values[place], values)
    log = again["attempts"].to_dataset()
    assert sorted(set(log["tune_trial"].values.tolist())) == [-1, 0, 1, 2, 3, 4]
    assert set(log["seeds"].values[log["tune_trial"].values >= 0].tolist()) == {"100 101"}


def test_half_a_search_is_a_dataset_too(tmp_path):
    """Missing trials are NaN with state 0, and nothing is chosen."""
    _, _, tree = study(tmp_path, max_jobs=6, trials=4)
    found = load(tmp_path / "study.nc")["tuning/adding"].to_dataset()
    assert (found["state"].values == 0).sum(axis=1).tolist() == [0, 2, 4]
    assert found["chosen"].values.sum(axis=1).tolist() == [1, 0, 0]
    assert np.isnan(found["value"].values[found["state"].values == 0]).all()
    text = contents(tree)["report.md"].decode()
    assert "| gato-memory=zero | 2 of 4 | 0 | 0 | – |" in text


def test_a_dataset_without_tuning_has_no_group(tmp_path):
    """And says nothing of it."""
    folder, layout = Folder(tmp_path), fake_runs.layout()
    Worker(folder, layout, do=fake_runs.execute).work()
    tree = export(folder, layout, certify=False)
    assert "tuning" not in tree.children
    assert "tune_trial" not in tree["attempts"]
    assert b"Tuned" not in contents(tree)["report.md"]


def broken(tree, change):
    """The tree with one thing wrong and its hash made anew."""
    groups = {node.path: node.to_dataset(inherit=False).copy(deep=True) for node in tree.subtree}
    found = change(groups["/tuning/adding"])
    if isinstance(found, xarray.Dataset):
        groups["/tuning/adding"] = found
    made = xarray.DataTree.from_dict(groups)
    made.attrs["content_hash"] = content_hash(made)
    return made


def put(name, place, value):
    """Change one number."""

    def change(dataset):
        dataset[name].values[place] = value

    return change


def another(dataset):
    """Choose another trial that ended well."""
    state, chosen = dataset["state"].values[0], dataset["chosen"].values[0]
    other = next(k for k in np.flatnonzero(state == 1) if not chosen[k])
    chosen[:] = 0
    chosen[other] = 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: d.drop_vars("value"), "/tuning/adding/value: missing"),
        (lambda d: d.drop_vars([n for n in d if n.startswith("setting_")]), "a variable setting_"),
        (lambda d: d["state"].attrs.pop("units"), "/tuning/adding/state: units: missing"),
        (lambda d: d.attrs.pop("rule"), "/tuning/adding: attribute rule: missing"),
        (lambda d: d.assign(state=d["state"].astype(float)), r"state: expected i\('variant'"),
        (lambda d: d.attrs.update(seeds_json="[5, 100]"), "tuning seeds apart from those of the runs"),
        (put("state", (0, 0), 9), "state: expected flags below 4"),
        (put("value", (0, 0), math.nan), "value: expected a value where there is a trial"),
        (put("chosen", (0, slice(None)), 0), "chosen: expected one trial of each complete search"),
        (put("chosen", (0, slice(None)), 1), "chosen: expected one trial of each complete search"),
        (another, "chosen: baseline: expected the first of the best trials"),
        (
            lambda d: d.assign_coords(variant=["a", "b", "c"]),
            "align|expected the same as at the root",
        ),
    ],
)  # fmt: skip
def test_departures_are_named(tmp_path, change, text):
    """On write as on read."""
    _, _, tree = study(tmp_path / "study", trials=5)

    with pytest.raises((AblationError, ValueError), match=text):
        validate(broken(tree, change))
    with pytest.raises((AblationError, ValueError), match=text):
        save(broken(tree, change), tmp_path / "a.nc")
    assert not (tmp_path / "a.nc").exists()


def test_every_task_of_a_tuned_plan_has_its_group(tmp_path):
    """A group that is left out is missed."""
    _, _, tree = study(tmp_path, trials=2)
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    groups["/tuning/other"] = groups.pop("/tuning/adding")
    with pytest.raises(AblationError, match="/tuning/adding: missing"):
        validate(xarray.DataTree.from_dict(groups))


def test_the_schema_page_names_everything():
    """Variables with dimensions and units, and the attributes."""
    text = (ROOT / "docs" / "schema.md").read_text(encoding="utf-8")
    for name, one in TUNING.items():
        units = "the metric's" if one.units is None else one.units
        assert f"| `{name}` | {', '.join(one.dims)} | {units} |" in text, name
    assert all(f"`{name}`" in text for name in TUNING_ATTRIBUTES)


def test_the_report_says_what_was_chosen_and_what_it_is_not(tmp_path):
    """The chosen values per variant, the ranges, and that the values are of validation and other seeds."""
    folder, layout, tree = study(tmp_path, trials=5)
    files = contents(tree)
    text, page = files["report.md"].decode(), files["report.html"].decode()
    for cell in layout.cells:
        found = choice(folder, cell)
        rate = f"{found.settings['training.learning_rate']:.4g}"
        line = next(
            one for one in text.splitlines() if one.startswith(f"| {cell.variant.name} | 5 of 5")
        )
        assert f"| trial {found.number} | {rate} | {found.settings['cell.lam']} |" in line
        assert f"<td>{rate}</td>" in page
    for said in (text.replace("`", ""), page):
        assert "training.learning_rate 0.0001 to 0.1, logarithmic; cell.lam one of 0.5, 0.7" in said
        assert "validation values of the seeds 100, 101, which no run above has" in said
        assert "are no result" in said
    html.parser.HTMLParser().feed(page)

    def do(job, *_):
        return [fake_runs.record(job, seed, outcome="diverged") for seed in job.seeds]

    _, _, lost = study(tmp_path / "lost", do, trials=2)
    text = contents(lost)["report.md"].decode()
    assert "| baseline | 2 of 2 | 2 | 0 | trial 0, since all diverged |" in text


MINE = """
title = "My cell, tuned"
cell = "gato-2"
tasks = ["adding"]
seeds = 2
[axes]
gato-memory = ["residual", "zero"]
[tuning]
trials = {smoke = 2}
[tuning.space]
"training.learning_rate" = {low = 1e-4, high = 1e-1, scale = "log"}
"""
_SLOWLY = """
import sys, time
from studies.training import trainer
trainer._BETWEEN_CHECKPOINTS = 0.0
real = trainer.Trainer._step
def step(self):
    real(self)
    print(self.run_state.step, self.seeds[0], flush=True)
    time.sleep(0.05)
trainer.Trainer._step = step
from ablations.command import main
sys.exit(main(sys.argv[1:]))
"""


def test_from_a_tuned_plan_to_its_report_killed_on_the_way(capsys, tmp_path):
    """A trial that is killed goes on from its checkpoint: the numbers of a study that nobody disturbed."""
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    flags = ["run", path, "--profile", "smoke", "--no-certify", "--quiet", "--out"]
    status, out, _ = run(capsys, "plan", path, "--profile", "smoke")
    out = " ".join(out.split())
    assert (status, "4 runs in 2 jobs" in out) == (0, True)
    assert (
        "2 searches × 2 trials: 4 tuning trials with the seeds 100, which are in no result" in out
    )
    content = json.loads(run(capsys, "plan", path, "--profile", "smoke", "--json")[1])
    assert (content["tuning"]["studies"], content["tuning"]["all_trials"]) == (2, 4)
    assert json.loads(run(capsys, "plan", path, "--json")[1])["tuning"] is None
    command = [sys.executable, "-c", _SLOWLY, *map(str, flags), str(tmp_path / "a")]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    for line in process.stdout:
        if line.strip() == "7 100":
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    assert list((tmp_path / "a" / "tuning" / "checkpoints").iterdir())
    status, out, _ = run(capsys, "status", tmp_path / "a", "--json")
    assert (status, json.loads(out)["tuning_missing"], json.loads(out)["missing"]) == (3, 4, 4)
    for name in "ab":
        status, out, err = run(capsys, *flags, tmp_path / name)
        assert (status, err) == (0, "")
        assert "4 of 4 tuning trials are done" in out
        assert "4 of 4 runs are done" in out
    one, two = (load(tmp_path / name / "study.nc") for name in "ab")
    assert one.attrs["content_hash"] == two.attrs["content_hash"]
    assert "lost" in one["attempts"]["ending"].values.tolist()
    assert not list((tmp_path / "a" / "tuning" / "checkpoints").iterdir())
    status, out, _ = run(capsys, *flags, tmp_path / "a")
    assert (status, "nothing to do" in out) == (0, True)
    status, out, _ = run(capsys, "repro", tmp_path / "a", "--variant", "gato-memory=zero")
    assert (status, out.count("the same, bit for bit")) == (0, 2)
    status, out, _ = run(capsys, "status", tmp_path / "a")
    assert status == 0
    assert "2 of 2" in out
    assert "0 tuning trials are missing" in out
    rows = json.loads(run(capsys, "status", tmp_path / "a", "--json")[1])
    assert [row["chosen"]["trial"] in (0, 1) for row in rows["tuning"]] == [True, True]
    assert [row["attempts"] for row in rows["runs"]] == [1, 1]
    victim = next((tmp_path / "a" / "tuning" / "runs").glob("*.jsonl"))
    victim.write_text(victim.read_text().replace('"ok"', '"OK"'))
    status, out, _ = run(capsys, "doctor", tmp_path / "a")
    assert status == 3
    assert "1 damaged records" in out
    assert "3 of 4 tuning trials are done" in out
    status, out, _ = run(capsys, *flags, tmp_path / "a")
    assert (status, "nothing to do" in out) == (0, False)
    assert load(tmp_path / "a" / "study.nc").attrs["content_hash"] == two.attrs["content_hash"]


def test_the_doctor_names_what_does_not_fit(capsys, tmp_path):
    """Two attempts of one trial that differ, and runs with values that the search does not choose."""
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    status, _, _ = run(
        capsys, "run", path, "--profile", "smoke", "--no-certify", "-q", "--out", tmp_path / "a"
    )
    assert status == 0
    folder = Folder(tmp_path / "a")
    cell = folder.layout().tuned[0]
    record = folder.record(cell.key, 0)
    folder.run_path(cell.key, 0).unlink()
    fake = {**record.about, "tuned": {"training.learning_rate": 0.5}}
    Folder(tmp_path / "a").keep(type(record)(**{**vars(record), "about": fake}))
    trial = next(iter(tried(folder.searches, cell))).records[0]
    folder.searches.keep(type(trial)(**{**vars(trial), "outcome": "diverged"}))
    status, out, _ = run(capsys, "doctor", tmp_path / "a")
    assert status == 3
    assert "two attempts of one run differ: tuning/runs/" in out
    assert (
        "baseline on adding: 1 runs were measured with other values than its tuning chooses" in out
    )
