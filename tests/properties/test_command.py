"""``python -m properties``: exit statuses, files, the same bytes every time, and output that can be read."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
import torch

from properties import Profile, certify
from properties.command import main
from properties.core import profile as profiles
from properties.report import page
from properties.report.schema import schema

ROOT = Path(__file__).parents[2]
TINY = Profile("tiny", 1, 12, 3, 8, 32, 2, 3, 2)
HERE = "tests.properties.bad_cells"

# a package of somebody's, beside which a folder is called `properties` too
STRANGER = '''
import torch


class Leaky(torch.nn.Module):
    """h/2 + W x: a plain (x, h) -> h module that knows nothing of this project."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.linear = torch.nn.Linear(input_size, hidden_size)

    def forward(self, x, h):
        return h / 2 + self.linear(x)
'''


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    """A budget of a second under the name "tiny", in an empty folder."""
    monkeypatch.setitem(profiles.PROFILES, "tiny", TINY)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)


def run(capsys, *arguments, profile="tiny"):
    """Status, standard output and standard error of one command with the small budget."""
    status = main([*map(str, arguments), "--profile", profile])
    return status, *capsys.readouterr()


def load(path):
    """A JSON file without the time of its making, which alone may differ."""
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    for one in document.get("certificates", [document]):
        one["created_at"] = ""
    return document


def environment(**more):
    """The surroundings of a user: this project on the path, one thread."""
    path = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    return {**os.environ, **path, **more}


def shell(folder, *arguments, **more):
    """The command as a user of another package types it; ``-P`` as in the noxfile."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "properties", *arguments],
        cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_a_package_outside_this_repository_is_certified_unchanged(tmp_path):
    """From its own folder: verdict, certificate, page, and scripts that show the counterexamples again."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "leaky.py").write_text(STRANGER, encoding="utf-8")
    (tmp_path / "properties").mkdir()
    (tmp_path / "properties" / "__init__.py").write_text("raise ImportError('not this one')\n")
    only = ("--only", "identity-block", "--only", "bounded-state")
    outputs = ("--json", "c.json", "--html", "c.html", "--reproducer", "scripts")
    done = shell(tmp_path, "theirs.leaky:Leaky", *only, *outputs)
    assert (1, "") == (done.returncode, done.stderr), done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    for text in (
        "theirs.leaky:Leaky: 6 of 6 lines ran (dev, float64, seed 0)",
        "theirs.leaky:Leaky: identity-block\n    asked: There is a set S of state scalars",
        "  ! falsified at-init\n    seen: over a gap of 1 no scalar of the state keeps derivative 1",
        "    case: input size 1, hidden size 1; 1 step of x = 0; state before: 0; parameters as",
        "wrote c.json\nwrote c.html\n",
        "wrote scripts/theirs_leaky_Leaky_identity_block_at_init.py\n",
    ):
        assert text in done.stdout
    document = load(tmp_path / "c.json")
    jsonschema.validate(json.loads((tmp_path / "c.json").read_text(encoding="utf-8")), schema())
    assert "theirs.leaky.Leaky" == document["subject"]["class"]
    # it declares nothing, so that everything asked for is required
    assert all(r["required"] and r["declared"] == "silent" for r in document["results"])
    assert (tmp_path / "c.html").read_text(encoding="utf-8").count("<svg") >= 3
    script = tmp_path / "scripts" / "theirs_leaky_Leaky_identity_block_all_weights.py"
    again = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env=environment(PYTHONSAFEPATH="1"),
    )  # fmt: skip
    assert (1, "") == (again.returncode, again.stderr), again.stdout
    assert "the violation reproduces" in again.stdout


def test_processes_and_hash_seeds_change_no_byte(capsys, tmp_path):
    """Two cells in two processes, and here one after the other: the same document but for the time."""
    arguments = ["gru", "gato", "--only", "identity-block", "--seed", "7", "--json"]
    done = shell(tmp_path, *arguments, "elsewhere.json", "--jobs", "2", PYTHONHASHSEED="123")
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    status, out, err = run(capsys, *arguments, "here.json", "--jobs", "1", profile="dev")
    assert (0, "") == (status, err)
    here, elsewhere = load("here.json"), load("elsewhere.json")
    assert "desiderata-certificates/1" == here["schema"]
    assert ["gru", "gato"] == [c["subject"]["name"] for c in here["certificates"]]
    assert here == elsewhere
    jsonschema.validate(here, schema())
    assert "exit status 0: every required line holds" in out
    assert "wrote here.json" in out


DOOMED = """
import os
import time


def dies(input_size, hidden_size):
    os._exit(3)


def raises(input_size, hidden_size):
    raise ValueError("never")


def waits(input_size, hidden_size):
    with open(f"{os.getpid()}.pid", "w") as file:
        file.write("")
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("dies", ["ended without an answer", "run with --jobs 1"]),
        ("raises", ["raised ValueError at each of the 12 sizes tried"]),
    ],
)
def test_a_failing_process_is_an_error_of_the_whole_run(capsys, tmp_path, name, texts):
    """Nothing is written, whichever process it came from, and no traceback of the pool is shown."""
    (tmp_path / "doomed.py").write_text(DOOMED, encoding="utf-8")
    try:
        status, out, err = run(
            capsys,
            f"doomed:{name}",
            f"{HERE}:Memory",
            "--jobs",
            "2",
            "--json",
            "c.json",
            profile="dev",
        )
    finally:
        sys.modules.pop("doomed", None)
    assert (2, "") == (status, out)
    for text in texts:
        assert text in err
    assert "Traceback" not in err
    assert not (tmp_path / "c.json").exists()


def test_an_interruption_ends_the_processes_and_leaves_nothing(tmp_path):
    """Ctrl-C reaches the whole group of a terminal: the parent says one word, its processes are gone."""
    (tmp_path / "doomed.py").write_text(DOOMED, encoding="utf-8")
    command = [
        sys.executable,
        "-P",
        "-m",
        "properties",
        "doomed:waits",
        f"{HERE}:Memory",
        "--jobs",
        "2",
    ]
    running = subprocess.Popen(
        [*command, "--json", "c.json"], cwd=tmp_path, env=environment(), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # a shell's background ignores the signal, and what it starts would do so too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip
    try:
        while not list(tmp_path.glob("*.pid")):
            assert running.poll() is None
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
    assert (130, "", "stopped: no verdict, nothing more is written\n") == (
        running.returncode,
        out,
        err,
    )
    (worker,) = (int(p.stem) for p in tmp_path.glob("*.pid"))
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    assert not (tmp_path / "c.json").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "last"),
    [
        (["gato", "--only", "well-posed"], 0, "every required line holds"),
        (
            ["gru", "--only", "identity-block"],
            0,
            "every required line holds",
        ),  # denied, as it should be
        ([f"{HERE}:Sound", "--only", "identity-block"], 1, "something required fails"),
        (
            [f"{HERE}:Sound", "--only", "identity-block", "--allow", "identity-block=gated"],
            0,
            "holds",
        ),
        ([f"{HERE}:Sound", "--only", "bounded-state", "--allow", "bounded-state=?"], 1, "is stale"),
        ([f"{HERE}:RaisingStep", "--allow", "well-posed=never mind"], 2, "could not be judged"),
        ([f"{HERE}:Sound", "--only", "writable-memory"], 3, "nothing that was asked for applies"),
    ],
)
def test_the_exit_status_is_the_verdict_and_the_output_says_so(capsys, arguments, status, last):
    """0 all required hold, 1 falsified or stale, 2 inconclusive, 3 nothing applied; so says the file."""
    got, out, err = run(capsys, *arguments, "--json", "c.json")
    assert (status, "") == (got, err)
    assert f"exit status {status}: " in out
    assert last in out
    assert status == load("c.json")["exit_status"]


def test_several_cells_have_the_worst_status_and_each_its_page(capsys, monkeypatch, tmp_path):
    """Falsified before inconclusive before nothing applied; pages are told apart by the cell."""
    monkeypatch.setattr(page, "page", lambda certificate: f"<html>{certificate.name}</html>")
    targets = [f"{HERE}:Sound", f"{HERE}:Memory"]
    status, out, _ = run(
        capsys, *targets, "--only", "identity-block", "--jobs", "1", "--html", "page.html"
    )
    assert 1 == status
    assert "exit status 1: something required fails" in out
    pages = {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()}
    assert {
        "page-tests-properties-bad-cells-Sound.html": f"<html>{targets[0]}</html>",
        "page-tests-properties-bad-cells-Memory.html": f"<html>{targets[1]}</html>",
    } == pages
    assert f"python -m properties {targets[0]} --only identity-block" in out


@pytest.mark.parametrize("width", [80, 120])
def test_output_keeps_to_the_width_but_for_what_is_to_be_copied(capsys, monkeypatch, width):
    """Sentences are folded, commands are not."""
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = run(capsys, f"{HERE}:Sound", "--only", "identity-block", "--only", "bounded-state")
    long = [line for line in out.splitlines() if len(line) > width]
    assert all(line.startswith("    python -m properties ") for line in long)
    assert f"    python -m properties {HERE}:Sound --only identity-block" in out


@pytest.mark.parametrize(
    ("terminal", "environment", "flags", "shown"),
    [
        (True, {}, [], True),
        (True, {"CI": "true"}, [], False),
        (True, {}, ["--quiet"], False),
        (False, {}, [], False),
        (False, {"FORCE_COLOR": "1"}, [], False),
    ],
)
def test_progress_is_shown_on_a_terminal_only(
    capsys, monkeypatch, terminal, environment, flags, shown
):
    """Not in a log of continuous integration, not in a pipe, not when asked to be quiet."""
    for name in ("CI", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    _, _, err = run(capsys, f"{HERE}:Memory", "--only", "well-posed", *flags)
    assert shown == (f"{HERE}:Memory " in err)
    assert shown == bool(err)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["gato", "gru", "lstm"])
def test_certificates_in_other_number_formats_are_made_without_a_crash(name, dtype):
    """Every line is judged: no search stops at an operation that the format lacks."""
    made = certify(name, profile=TINY, dtype=dtype)
    assert [] == [r.reason for r in made.results if "the search stopped with" in r.reason]
    assert str(dtype) == f"torch.{made.dtype}"
    if (name, made.dtype) == ("gato", "bfloat16"):  # and the same certificate comes again
        again = certify(name, profile=TINY, dtype=dtype)
        first, second = (dataclasses.replace(c, created_at="").dumps() for c in (made, again))
        assert first == second


def test_a_cell_that_a_number_format_has_no_kernel_for_says_so(capsys):
    """Complex cells have no bfloat16: which operation stood in the way, and no verdict."""
    status, out, err = run(capsys, "eurnn", "--dtype", "bfloat16")
    assert (2, "") == (status, out)
    assert "eurnn: initial_state() in torch.bfloat16 raised TypeError: " in err
    assert "expected float32 or float64" in err


def test_the_help_names_every_option_and_status(capsys):
    """Short enough to be read."""
    assert 0 == main(["--help"])
    out = capsys.readouterr().out
    for text in ("--all", "--profile", "--only", "--allow", "--weights", "--dtype", "--json", "--html",
                 "--reproducer", "--seed", "--jobs", "--quiet", "package.module:attribute",
                 "Exit status: 0", "dev, ci, nightly"):  # fmt: skip
        assert text in out
