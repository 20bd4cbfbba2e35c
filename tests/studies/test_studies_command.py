"""``python -m studies``: results, exit statuses, and nothing lost whatever dies."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray

from studies.command import main
from studies.core import atomic
from studies.core.errors import StudyError
from studies.training import checkpoint

ROOT = Path(__file__).parents[2]
SMOKE = ["run", "adding", "--cell", "gato-2", "--profile", "smoke", "--quiet"]


def inside(folder):
    """The names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def run(capsys, *arguments):
    """(exit status, standard output, standard error)."""
    status = main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_run_ends_in_a_labelled_result(capsys, tmp_path):
    """Curves and ends per seed, with units; the text says what ignorance scores and what differs."""
    path = tmp_path / "new" / "a.nc"
    status, out, err = run(capsys, *SMOKE, "--seeds", 3, "--out", path)
    assert (0, "") == (status, err)
    for words in ("ignorance scores", "smoke", "differs from the paper", f"wrote {path}"):
        assert words in out
    result = xarray.load_dataset(path, engine="h5netcdf")
    assert dict(result.sizes) == {"seed": 3, "step": 2}
    assert (result["outcome"] == 1).all()
    assert np.isfinite(result["valid_metric"]).all()
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.variables.values())
    settings = json.loads(result.attrs["configuration"])
    assert settings["options"]["length"] == 10
    assert result.attrs["n_cell_parameters"] == 232
    assert [path.name] == inside(path.parent), "the checkpoint is gone, no temporary file stays"


def test_kernels_on_any_number_of_threads_give_the_same_numbers(capsys, tmp_path, monkeypatch):
    """Bit for bit; the result says how many there were."""
    pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")
    monkeypatch.setattr("cells.fused.numba_kernels._WORTH_A_THREAD", 1)
    results = []
    for count in (1, 3):
        path = tmp_path / f"{count}.nc"
        assert run(capsys, *SMOKE, "--kernel-threads", count, "--out", path)[0] == 0
        results.append(xarray.load_dataset(path, engine="h5netcdf"))
        assert results[-1].attrs["kernel_threads"] == count
    assert results[0].equals(results[1])


def test_the_same_command_gives_the_same_numbers(capsys, tmp_path):
    """Everything but the time stamp and the duration."""
    for name in ("a.nc", "b.nc"):
        assert run(capsys, *SMOKE, "--out", tmp_path / name)[0] == 0
    one, two = (xarray.load_dataset(tmp_path / n, engine="h5netcdf") for n in ("a.nc", "b.nc"))
    xarray.testing.assert_equal(one, two)
    differing = {k for k in one.attrs if one.attrs[k] != two.attrs[k]}
    assert differing <= {"date_created", "wall_time_s"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "adings", "--cell", "gru"], "did you mean adding?"),
        (["run", "adding", "--cell", "gatto"], "did you mean gato"),
        (["run", "adding", "--cell", "gru", "--set", "lam=1"], "gru has no knob 'lam'"),
        (["run", "adding", "--cell", "gato-2", "--set", "s_fraction=7"], "s_fraction"),
        (["run", "adding", "--cell", "gato-2", "--set", "s_mode=nul"], "s_mode"),
        (["run", "adding", "--cell", "gru", "--device", "tpu"], "device: expected auto, cpu or cuda"),
        (["run", "adding", "--cell", "gru", "--out", "a.txt"], "a file name that ends in .nc"),
        (["run", "adding", "--cell", "gru", "--seeds", "0"], "seeds: expected a number"),
        (["run", "adding"], "Missing option"),
        (["data", "fetch", "ptbb"], "did you mean ptb?"),
        (["run", "jsb-chorales", "--cell", "gru", "--data", "/nowhere"], "/nowhere"),
    ],
)  # fmt: skip
def test_mistakes_end_with_status_2_and_one_message(capsys, arguments, text):
    """No traceback, and what to do."""
    status, out, err = run(capsys, *arguments)
    assert (2, "") == (status, out)
    assert text in err
    assert "Traceback" not in err


def test_the_list_names_tasks_and_cells(capsys):
    """With their protocols."""
    status, out, _ = run(capsys, "list")
    assert status == 0
    assert all(name in out for name in ("adding", "gato-adding", "mogrifier-lstm"))


def test_data_are_listed_without_a_folder(capsys, monkeypatch):
    """Every file is missing then, with where people get it."""
    monkeypatch.delenv("DESIDERATA_DATA", raising=False)
    status, out, _ = run(capsys, "data")
    assert status == 0
    assert "missing" in out
    assert "verified" not in out


LONG = """
import sys, time
from studies.training import trainer
trainer._BETWEEN_CHECKPOINTS = 0.0
save = trainer.checkpoint.save
def slowly(path, content, mark):
    save(path, content, mark)
    print("saved", flush=True)
trainer.checkpoint.save = slowly
from studies.command import main
sys.exit(main(sys.argv[1:]))
"""


def started(folder, *arguments):
    """The command in its own process, with a checkpoint after each step and a word for each."""
    return subprocess.Popen(
        [sys.executable, "-c", LONG, *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize("moment", [3, 11])
def test_killed_at_any_time_it_resumes_to_the_same_numbers(capsys, tmp_path, moment):
    """Kill -9 among checkpoints: what is on the disk is a whole checkpoint, and the result is the same."""
    command = [*SMOKE, "--out", "r.nc"]
    process = started(tmp_path, *command)
    for _ in range(moment):
        assert process.stdout.readline() == "saved\n"
    time.sleep(0.001 * moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = inside(tmp_path)
    assert "r.nc" not in left
    assert "r.nc.checkpoint" in left
    process = started(tmp_path, *command)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out.count("saved") < 40 - moment + 3, "it went on, it did not begin anew"
    assert run(capsys, *SMOKE, "--out", tmp_path / "whole.nc")[0] == 0
    one, two = (xarray.load_dataset(tmp_path / n, engine="h5netcdf") for n in ("r.nc", "whole.nc"))
    xarray.testing.assert_equal(one, two)


def test_other_settings_are_not_continued(capsys, tmp_path, monkeypatch):
    """A checkpoint belongs to its settings; it is left as it is."""
    out = tmp_path / "a.nc"
    mark = tmp_path / "a.nc.checkpoint"
    checkpoint.save(mark, {"run": {}}, "another")
    before = mark.read_bytes()
    status, _, err = run(capsys, *SMOKE, "--out", out)
    assert status == 2
    assert "belongs to a run with other settings" in err
    assert before == mark.read_bytes()
    mark.write_bytes(b"torn")
    assert run(capsys, *SMOKE, "--out", out)[0] == 2
    with pytest.raises(StudyError, match="is no checkpoint"):
        checkpoint.load(mark, "x")
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    checkpoint.save(mark, {}, "x")
    monkeypatch.setattr(checkpoint, "FORMAT", 1)
    with pytest.raises(StudyError, match="expected a checkpoint of format 1"):
        checkpoint.load(mark, "x")


def test_a_full_disk_leaves_what_was_there(tmp_path):
    """Half of a file was written when space ran out."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")

    def write(temporary):
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StudyError, match=r"cannot be written: No space left.*unchanged"):
        atomic.write_atomically(path, write)
    assert (["a.bin"], b"before") == (inside(tmp_path), path.read_bytes())


def filled(*names):
    """Writes these files into a folder."""

    def write(folder):
        for name in names:
            (folder / name).mkdir()
            (folder / name / "x").write_text(name)

    return write


def test_a_folder_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    """Replaced by another, over a file too; after any error or interruption it is what it was."""
    path = tmp_path / "a"
    path.write_text("a file")
    atomic.write_folder_atomically(path, filled("one", "two"))
    atomic.write_folder_atomically(path, filled("three"))
    assert (["a"], ["three"]) == (inside(tmp_path), inside(path))

    def stopped(folder):
        filled("four")(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic.write_folder_atomically(path, stopped)
    assert (["a"], ["three"]) == (inside(tmp_path), inside(path))
    real, moves = os.replace, []

    def fails(source, target):
        moves.append(target)
        if len(moves) == 2:  # the old one is out of the way, and the new one does not come
            raise PermissionError(errno.EACCES, "Permission denied")
        real(source, target)

    monkeypatch.setattr(atomic.os, "replace", fails)
    with pytest.raises(StudyError, match=r"Permission denied.*unchanged"):
        atomic.write_folder_atomically(path, filled("five"))
    assert (["a"], ["three"]) == (inside(tmp_path), inside(path))
    monkeypatch.undo()
    with pytest.raises(StudyError, match="cannot be written"):
        atomic.write_folder_atomically(path / "three" / "x" / "y", filled("six"))


def test_a_full_disk_during_a_run_is_said(capsys, tmp_path, monkeypatch):
    """Status 2, one message, no half-written file."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(xarray.Dataset, "to_netcdf", full)
    status, _, err = run(capsys, *SMOKE, "--out", tmp_path / "a.nc")
    assert status == 2
    assert "No space left on device" in err
    assert ["a.nc.checkpoint"] == inside(tmp_path), "what was trained is kept"
    monkeypatch.undo()
    assert run(capsys, *SMOKE, "--out", tmp_path / "a.nc")[0] == 0


def test_a_folder_that_cannot_be_written_is_refused_before_training(capsys, tmp_path, monkeypatch):
    """Not after an hour."""
    (tmp_path / "file").write_text("")
    status, _, err = run(capsys, *SMOKE, "--out", tmp_path / "file" / "a.nc")
    assert status == 2
    assert "cannot be written" in err

    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(atomic.tempfile, "mkstemp", denied)
    status, _, err = run(capsys, *SMOKE, "--out", tmp_path / "a.nc")
    assert status == 2
    assert "Permission denied; expected a folder with space" in err


def test_an_interruption_says_how_to_go_on(capsys, monkeypatch):
    """Status 130."""

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("studies.training.trainer.Trainer.run", stop)
    status, _, err = run(capsys, *SMOKE)
    assert (130, "stopped; with --out, the same command goes on from its checkpoint\n") == (
        status,
        err,
    )
