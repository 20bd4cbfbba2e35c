"""``python -m ablations``: from an empty folder to a report, and every mistake ends with one message."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_runs
import pytest
import xarray

from ablations.command import main
from ablations.command.launch import script
from ablations.dataset.files import load, runs
from ablations.dataset.verdicts import judge
from ablations.ledger.folder import Folder
from ablations.ledger.storage import JOURNAL
from ablations.ledger.worker import Worker

ROOT = Path(__file__).parents[2]
RUN = ["run", "gato-memory", "--profile", "smoke", "--no-certify", "--quiet"]


def run(capsys, *arguments):
    """(exit status, standard output, standard error)."""
    status = main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def numbers(path):
    """The content hash of a study's dataset: everything but times and provenance."""
    return load(path / "study.nc").attrs["content_hash"]


def test_from_an_empty_folder_to_a_report_and_again(capsys, tmp_path):
    """The second time changes nothing and says so; a third, after a record is deleted, repairs."""
    status, out, err = run(capsys, *RUN, "--out", tmp_path / "a")
    assert (status, err) == (0, "")
    assert "6 of 6 runs are done" in out
    assert "inconclusive: on adding: with s set to 0" in out
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert {"study.nc", "report.md", "report.html", "report.csv", "report-adding.svg"} <= names
    content = {p: p.read_bytes() for p in (tmp_path / "a").rglob("*") if p.is_file()}
    status, out, err = run(capsys, *RUN, "--out", tmp_path / "a")
    assert (status, err) == (0, "")
    assert "nothing to do" in out
    assert content == {p: p.read_bytes() for p in (tmp_path / "a").rglob("*") if p.is_file()}
    before = runs(load(tmp_path / "a" / "study.nc"), "adding")
    next((tmp_path / "a" / "runs").iterdir()).unlink()
    status, out, err = run(capsys, *RUN, "--out", tmp_path / "a")
    assert (status, err) == (0, "")
    assert "nothing to do" not in out
    after = runs(load(tmp_path / "a" / "study.nc"), "adding")
    assert (after["outcome"] == 1).all()
    xarray.testing.assert_allclose(before["test_metric"], after["test_metric"])


_LONG = """
import sys
from studies.training import trainer
trainer._BETWEEN_CHECKPOINTS = 0.0
real = trainer.Trainer._step
def step(self):
    real(self)
    print(self.run_state.step, flush=True)
    if "slow" in sys.argv[1]:
        import time
        time.sleep(0.05)
trainer.Trainer._step = step
from ablations.command import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_and_resumed_equals_uninterrupted(capsys, tmp_path, number):
    """Bit for bit, whether it was asked to stop or killed in mid-training."""
    command = [sys.executable, "-c", _LONG, "slow", *RUN, "--out", str(tmp_path / "a")]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.strip() == "7":
            process.send_signal(number)
            break
    _, err = process.communicate()
    if number is signal.SIGTERM:
        assert process.returncode == 75, err
        assert "stopped; the same command goes on" in err
    assert list((tmp_path / "a" / "checkpoints").iterdir())
    assert run(capsys, *RUN, "--out", tmp_path / "a")[0] == 0
    assert run(capsys, *RUN, "--out", tmp_path / "b")[0] == 0
    one, two = (runs(load(tmp_path / n / "study.nc"), "adding") for n in "ab")
    assert one["record_sha256"].values.tolist() == two["record_sha256"].values.tolist()
    assert numbers(tmp_path / "a") == numbers(tmp_path / "b")
    assert one["attempt"].values.max() == 2
    status, out, _ = run(
        capsys, "compare", tmp_path / "a" / "study.nc", tmp_path / "b" / "study.nc"
    )
    assert status == 0
    assert "2 of 2" in out
    assert not list((tmp_path / "a" / "checkpoints").iterdir())


@pytest.mark.slow
def test_several_processes_share_a_study(capsys, tmp_path):
    """``-n 2`` ends with the same content as one process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "ablations", *RUN, "--out", str(tmp_path / "a"), "-n", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    run(capsys, *RUN, "--out", tmp_path / "b")
    assert numbers(tmp_path / "a") == numbers(tmp_path / "b")


@pytest.fixture
def study(tmp_path):
    """A study that is done, by fake runs."""
    folder, layout = Folder(tmp_path / "study"), fake_runs.layout(seeds=2)
    folder.declare("gato-memory", layout)
    Worker(folder, layout, do=fake_runs.execute).work()
    return folder.path


def test_status_compares_the_plan_with_the_records(capsys, study):
    """As a table and as JSON, with the exit status that says whether something is missing."""
    status, out, _ = run(capsys, "status", study)
    assert status == 0
    assert "0 runs are missing" in out
    next((study / "runs").iterdir()).unlink()
    status, out, _ = run(capsys, "status", study, "--json")
    content = json.loads(out)
    assert status == 3
    assert content["missing"] == 1
    assert sum(row["done"] for row in content["runs"]) == 5


def test_the_doctor_rebuilds_a_journal(capsys, study):
    """Damage in the middle is named by every command, and repaired by the one that they name."""
    journal = study / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], b'{"op_code"\n', *lines[2:]]))
    status, _, err = run(capsys, "status", study)
    assert status == 2
    assert "--rebuild" in err
    assert "Traceback" not in err
    status, out, err = run(capsys, "doctor", study, "--rebuild")
    assert (status, err) == (0, "")
    assert "kept the old journal" in out
    assert run(capsys, "status", study)[0] == 0


def test_the_doctor_moves_a_damaged_record_away(capsys, study):
    """The run becomes missing, and is enqueued."""
    path = next((study / "runs").iterdir())
    path.write_text(path.read_text().replace('"ok"', '"OK"'))
    status, out, _ = run(capsys, "doctor", study)
    assert status == 3
    assert "1 damaged records" in out
    assert "5 of 6 runs are done" in out


def test_export_and_report_from_a_folder(capsys, study, tmp_path):
    """A dataset where it was asked for, a report beside it, and a check that it is not stale."""
    file = tmp_path / "x" / "a.nc"
    assert run(capsys, "export", study, "-o", file, "--no-certify")[0] == 0
    assert run(capsys, "report", file, "--stem", "memory")[0] == 0
    assert (tmp_path / "x" / "memory.md").exists()
    assert run(capsys, "report", file, "--stem", "memory", "--check")[0] == 0
    with (tmp_path / "x" / "memory.md").open("a") as page:
        page.write("more\n")
    status, _, err = run(capsys, "report", file, "--stem", "memory", "--check")
    assert (status, "memory.md: stale" in err) == (2, True)


def test_repro_runs_a_block_again(capsys, tmp_path):
    """A real run is the same, bit for bit; a record of fake runs is not."""
    run(capsys, *RUN, "--out", tmp_path / "a")
    status, out, _ = run(capsys, "repro", tmp_path / "a")
    assert status == 0
    assert out.count("the same, bit for bit") == 2
    folder, layout = Folder(tmp_path / "b"), fake_runs.layout(seeds=2)
    folder.declare("gato-memory", layout)
    Worker(folder, layout, do=fake_runs.execute).work()
    status, out, _ = run(capsys, "repro", tmp_path / "b", "--variant", "gato-memory=zero")
    assert (status, out.count("differs")) == (1, 2)


def test_a_plan_is_shown_before_it_is_run(capsys):
    """Cells and counts; what cannot be, with the rule; as JSON too."""
    status, out, _ = run(capsys, "plan", "rru-parts", "--seeds", "4")
    assert status == 0
    assert "6 variants × 2 tasks × 4 seeds: 48 runs in 12 jobs" in " ".join(out.split())
    content = json.loads(run(capsys, "plan", "gates", "--json")[1])
    assert len(content["cells"]) == 24 * 3
    status, out, _ = run(capsys, "list")
    assert all(name in out for name in ("gato-memory", "comparison", "gate-auxiliary"))
    assert "gates" in json.loads(run(capsys, "list", "--json")[1])["plans"]


IMPOSSIBLE = """
cell = "rru"
tasks = ["adding"]
design = "factorial"
[axes]
rru-scale = ["learned", "one"]
rru-scale-initial = []
"""


def test_a_users_plan_lists_what_cannot_be(capsys, tmp_path):
    """RRU's scale that is one has no initial value."""
    path = tmp_path / "mine.toml"
    path.write_text(IMPOSSIBLE)
    status, out, _ = run(capsys, "plan", path, "--profile", "smoke")
    assert status == 0
    assert "impossible: rru-scale=one, rru-scale-initial=0.95" in out
    assert "a scale that is 1 has no initial value" in out
    assert "3 variants" in out


MINE = """
title = "My cell, by λ"
cell = "gato-2"
tasks = ["adding"]
seeds = 2
axes.lam = [0.7, 0.5]
axes."training.learning_rate" = [0.004, 0.001]
[[expect]]
claim = "a smaller λ is not better"
relation = "not better than"
variant = {lam = "0.5"}
other = {}
"""


def test_a_users_plan_runs(capsys, tmp_path):
    """From TOML to its report; workers find the file again."""
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    arguments = ["run", path, "--profile", "smoke", "--no-certify", "-q", "--out", tmp_path / "a"]
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    assert "a smaller λ is not better" in out
    factors = runs(load(tmp_path / "a" / "study.nc"), "adding")["factor_lam"].values.tolist()
    assert factors == ["0.7", "0.5", "0.7"]
    assert run(capsys, "worker", tmp_path / "a", "-q")[0] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell = \ntasks = 1", r"mine\.toml: expected TOML: .*line 1"),
        ('cel = "gru"', "line 1: cel: no such key"),
        ('cell = "gru"\ntasks = "adding"', "line 2: tasks: expected list"),
        ('cell = "gru"\nblock = true', "line 2: block: expected int, got True"),
        ('cell = "gru"', "the key 'tasks' is missing"),
        ('cell = "gru"\ntasks = ["adding"]\n[axes]\ngato-memry = []', "line 4: gato-memry: no axis is"),
        ('cell = "gru"\ntasks = ["adding"]\n[axes]\nlam = 3', "line 4: lam: expected a list of levels"),
        ('cell = "gru"\ntasks = ["adding"]\n[axes]\nlam = []', "a setting of yours needs levels"),
        ('cell = "gru"\ntasks = ["adding"]\n[axes]\nlam = [1]', "gru has no knob 'lam'"),
        ('cell = "gato"\ntasks = ["adding"]\n[axes]\ngato-memory = ["zer"]', "did you mean zero"),
        ('cell = "gato"\ntasks = ["ading"]\n[axes]\nlam = [1]', "did you mean adding"),
        ('cell = "gato"\ntasks = ["adding"]\nexpect = [1]\n[axes]\nlam = [1]', "expected tables"),
        ('cell = "gato"\ntasks = ["adding"]\naxes.lam = [1]\n[[expect]]\nclam = "x"', "line 5: clam: no"),
        ('cell = "gato"\ntasks = ["adding"]\naxes.lam = [1]\n[[expect]]\nclaim = "x"', "relation"),
    ],
)  # fmt: skip
def test_mistakes_in_a_plan_are_named_with_line_and_key(capsys, tmp_path, text, message):
    """One message, status 2, no traceback."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    status, out, err = run(capsys, "plan", path)
    assert (status, out) == (2, "")
    assert re.search(message, err), err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "gato-memroy"], "did you mean gato-memory"),
        (["plan", "nowhere.toml"], "expected a plan in TOML that can be read"),
        (["plan", "no.such.package:PLAN"], "can be imported"),
        (["status", "/nowhere"], "expected the folder of a study"),
        (["worker", "/nowhere"], "expected the folder of a study"),
        (["report", "/nowhere.nc"], "expected a study in netCDF"),
        (["run", "gato-memory", "--profile", "lap"], "did you mean laptop"),
        (["run"], "Missing argument"),
        (["repro", "STUDY", "--variant", "gato-memory=zer"], "did you mean gato-memory=zero"),
        (["doctor", "STUDY", "--rebuild", "--storage", "postgresql://x/y"], "got a database"),
        (["worker", "STUDY", "--storage", "sqlite:///x.db"], "SQLite has no row lock"),
        (["report", "STUDY/a.nc", "--style", "x"], "--style: expected quartiles or gato"),
        (["launch", "STUDY", "--slurm", "0"], "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_mistakes_end_with_status_2_and_one_message(capsys, study, arguments, text):
    """No traceback, and what to do."""
    given = [one.replace("STUDY", str(study)) for one in arguments]
    status, _, err = run(capsys, *given)
    assert status == 2
    assert text in " ".join(err.split())
    assert "Traceback" not in err


def test_an_unreachable_database_is_to_be_tried_again(capsys, study):
    """Status 75, and the password nowhere."""
    pytest.importorskip("psycopg")
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/db"
    status, out, err = run(capsys, "worker", study, "--storage", url)
    assert status == 75
    assert "the database does not answer" in err
    assert "secret" not in out + err


def test_an_array_of_workers_is_printed(capsys, study):
    """The same command on every node; paths with spaces are quoted; no URL in the script."""
    status, out, _ = run(capsys, "launch", study, "--slurm", 16, "--option=--partition=gpu")
    assert status == 0
    assert "#SBATCH --array=1-16\n" in out
    assert "#SBATCH --partition=gpu\n" in out
    assert f"-m ablations worker {study}" in out
    assert "'/a b'" in script("/a b", 1, [])
    subprocess.run(["bash", "-n"], input=out, text=True, check=True)


@pytest.mark.slow
def test_verdicts_tell_the_variants_of_gato_apart():
    """The memory has an identity block; without its update it has none."""
    layout = fake_runs.layout()
    found = {cell.variant.name: judge(cell.configuration.model) for cell in layout.cells}
    assert found["baseline"]["identity-block"] == "proved"
    assert found["gato-memory=zero"]["identity-block"] == "falsified"
    assert found["gato-memory=overwritten"]["identity-block"] == "falsified"


def test_verdicts_are_remembered(tmp_path, monkeypatch):
    """A cell is judged once per knobs; the second study reads the file."""
    from ablations.dataset import verdicts as module

    judged = []

    def once(model):
        judged.append(model)
        return {"well-posed": "tested"}

    monkeypatch.setattr(module, "judge", once)
    layout = fake_runs.layout()
    first = module.verdicts(layout, tmp_path)
    assert module.verdicts(layout, tmp_path) == first
    assert len(judged) == 3


def test_watching_ends_when_nothing_is_missing(capsys, study, monkeypatch):
    """It does not sleep then."""
    monkeypatch.setattr(time, "sleep", pytest.fail)
    assert run(capsys, "status", study, "--watch")[0] == 0
