"""``launch --slurm``: a stand-in for Slurm on PATH takes the array, and its tasks are run as Slurm would."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ablations.command import main
from ablations.command.crew import stopping
from ablations.command.slurm import Work
from ablations.core.job import lay_out
from ablations.core.registry import get_plan
from ablations.ledger.folder import Folder
from ablations.ledger.worker import Worker

ROOT = Path(__file__).parents[2]
needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None,
    reason="needs the package submitit, which is an extra",
)
TIME = "--option=--time=01:00:00"


def run(capsys, *arguments):
    """(exit status, standard output, standard error)."""
    status = main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def program(folder, name, text):
    """A command on PATH."""
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A folder with sbatch, srun and scontrol, which keep what they are told."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    program(
        bin_, "sbatch", f'cat "${{1:-/dev/stdin}}" > {bin_}/script; echo "Submitted batch job 7"'
    )
    program(
        bin_,
        "srun",
        f"echo $$ > {bin_}/step\n"
        'while [[ $1 == -* ]]; do [[ $1 == --unbuffered ]] || shift; shift; done; exec "$@"',
    )
    program(bin_, "scontrol", f'echo "$@" >> {bin_}/requeued')
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    return bin_


def declared(path, profile="smoke"):
    """A study that is declared and not begun."""
    Folder(path).declare("gato-memory", lay_out(get_plan("gato-memory"), profile, 2))
    return path


@pytest.fixture
def study(tmp_path):
    """A short one."""
    return declared(tmp_path / "study")


def task(cluster, number, **more):
    """The process of one task of the array, as Slurm starts it."""
    environment = {
        **os.environ, **more, "PYTHONPATH": str(ROOT), "SLURM_JOB_ID": f"{8 + number}",
        "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": str(number), "SLURM_PROCID": "0",
    }  # fmt: skip
    return subprocess.Popen(
        ["bash", str(cluster / "script")], env=environment, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


@needs_submitit
@pytest.mark.slow
def test_an_array_is_submitted_and_its_tasks_do_the_study(capsys, cluster, study):
    """Through submitit: options as given, logs in the study's folder; one task does all that is left."""
    status, out, err = run(
        capsys, "launch", study, "--slurm", 3, "--submit", TIME, "--option=--partition=gpu",
        "--option=--exclusive",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert out.startswith("submitted 7_0, 7_1, 7_2; logs in")
    script = (cluster / "script").read_text()
    for line in ("array=0-2%3", "time=01:00:00", "partition=gpu", "job-name=ablations"):
        assert f"#SBATCH --{line}\n" in script
    assert "#SBATCH --exclusive\n" in script
    first = task(cluster, 0)
    text, _ = first.communicate(timeout=120)
    assert first.returncode == 0, text
    folder = Folder(study)
    assert len(folder.done(folder.layout())) == 6


@needs_submitit
@pytest.mark.slow
def test_a_task_whose_time_is_over_saves_and_is_requeued(capsys, cluster, tmp_path):
    """SIGUSR2 to the processes of its step, as Slurm sends it; each start goes on, and nothing is lost."""
    study = declared(tmp_path / "long", "laptop")
    assert run(capsys, "launch", study, "--slurm", 2, "--submit", TIME)[0] == 0
    folder = Folder(study)
    for _ in range(2):
        started = task(cluster, 0)
        said = []
        for line in started.stdout:
            said.append(line)
            if "jobs to do" in line:
                break
        else:
            pytest.fail("".join(said))
        time.sleep(3)  # so that it trains
        step = int((cluster / "step").read_text())
        (worker,) = Path(f"/proc/{step}/task/{step}/children").read_text().split()
        for pid in (worker, step):
            os.kill(int(pid), signal.SIGUSR2)
        text, _ = started.communicate(timeout=120)
        assert started.returncode == 255, text
    assert (cluster / "requeued").read_text().splitlines() == ["requeue 7_0"] * 2
    assert list((study / "checkpoints").iterdir())
    endings = [a["ending"] for a in Worker(folder, folder.layout()).attempts()]
    assert [one for one in endings if one != "waiting"] == ["preempted"] * 2


@needs_submitit
def test_mistakes_of_a_launch(capsys, cluster, study):
    """No time, an option that is none, a refusal, no Slurm."""
    launch = ["launch", study, "--slurm", 2, "--submit"]
    assert "expected --option=--time" in run(capsys, *launch)[2]
    for option in ("-p gpu", "--", "partition=gpu"):
        status, _, err = run(capsys, *launch, f"--option={option}")
        assert status == 2
        assert f"expected --name=value or --name, got '{option}'" in err
    program(cluster, "sbatch", "echo no such partition >&2; exit 1")
    status, _, err = run(capsys, *launch, TIME)
    assert status == 2
    assert "sbatch cannot be used" in err
    assert "no such partition" in err
    (cluster / "srun").unlink()
    status, _, err = run(capsys, *launch, TIME)
    assert status == 2
    assert "print the script without --submit" in err


def test_without_submitit_sbatch_takes_the_script(capsys, cluster, study, monkeypatch):
    """As it is printed."""
    monkeypatch.setattr("ablations.command.launch.installed", lambda: False)
    _, printed, _ = run(capsys, "launch", study, "--slurm", 2)
    status, out, err = run(capsys, "launch", study, "--slurm", 2, "--submit")
    assert (status, out, err) == (0, "Submitted batch job 7\n", "")
    assert (cluster / "script").read_text() == printed
    program(cluster, "sbatch", "echo no such partition >&2; exit 1")
    status, _, err = run(capsys, "launch", study, "--slurm", 2, "--submit")
    assert status == 2
    assert "sbatch refused the array: no such partition" in err


def test_a_worker_that_cannot_work_fails_its_task(tmp_path):
    """The array shows it as failed."""
    with pytest.raises(RuntimeError, match="ended with status 2, see above"):
        Work(str(tmp_path))()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_worker_hears_each_word(number):
    """And what was set before is set again."""
    before = signal.getsignal(number)
    with stopping() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.wait(5)
    assert signal.getsignal(number) is before
