"""``pytest --cell``: a certificate as a test run, and no trace of the plugin without the option."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from properties import Profile, certify
from properties.core import profile as profiles
from properties.report import write

ROOT = Path(__file__).parents[2]
TINY = Profile("tiny", 1, 12, 3, 8, 32, 2, 3, 2)
INSTALLED = importlib.metadata.entry_points(group="pytest11", name="desiderata")
LOAD = () if INSTALLED else ("-p", "properties.plugin")
HERE = "tests.properties.bad_cells"
NOTHING = """
import sys

def test_nothing_is_loaded(pytestconfig):
    assert "torch" not in sys.modules
    assert not pytestconfig.pluginmanager.has_plugin("desiderata-cells")
"""
# what the checks of Memory do not apply to, by reason
INAPPLICABLE = {
    "bounded-state: the whole state is an identity block: nothing is read back": 2,
    "gate-gradient: the cell exposes no `gates`": 2,
}


@dataclasses.dataclass
class Run:
    """What one run of pytest came to."""

    ret: int
    stdout: pytest.LineMatcher
    stderr: pytest.LineMatcher

    @property
    def outcomes(self):
        """Counts by word, as the last line says them."""
        return {word: int(n) for n, word in re.findall(r"(\d+) ([a-z]+)", self.stdout.lines[-1])}


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run pytest in this process, in an empty folder, with a budget of a second.

    Not by pytester: it forgets every module imported meanwhile, torch's own among them, and what is
    imported a second time is another thing.
    """
    monkeypatch.setitem(profiles.PROFILES, "tiny", TINY)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)

    def go(*arguments):
        quiet = ("-p", "no:cacheprovider", "-p", "no:faulthandler", "--import-mode=importlib")
        ret = pytest.main([*LOAD, *quiet, "--properties-profile", "tiny", *arguments])
        out, err = capsys.readouterr()
        matchers = (pytest.LineMatcher(text.splitlines()) for text in (out, err))
        return Run(int(ret), *matchers)

    return go


def test_a_cell_that_passes_skips_what_does_not_apply_with_the_reason(run, tmp_path):
    """Ids are cell::property[scope]; the folder's own tests are left alone; the summary counts."""
    (tmp_path / "test_mine.py").write_text(
        "def test_of_the_folder(): assert False", encoding="utf-8"
    )
    result = run("--cell", f"{HERE}:Memory", "-v", "-rs")
    assert (0, 14, 6) == (result.ret, result.outcomes["passed"], result.outcomes["skipped"])
    result.stdout.fnmatch_lines(
        [
            "*collected 20 items",
            f"{HERE}:Memory::well-posed[[]at-init] PASSED*",
            f"{HERE}:Memory::bounded-state[[]all-weights] SKIPPED*",
            "*= properties =*",
            f"{HERE}:Memory: 14 of 20 lines ran (tiny, float64, seed 0); 14 hold*",
        ]
    )
    for reason, count in INAPPLICABLE.items():
        result.stdout.fnmatch_lines([f"SKIPPED [[]{count}] *{reason}"])


def test_a_cell_that_fails_is_told_in_words_without_a_traceback(run, tmp_path):
    """The message of the check and nothing of the harness; its certificate is written all the same."""
    result = run("--cell", f"{HERE}:Sound", "--properties-seed", "4", "--certificate-dir", "kept")
    assert 1 == result.ret
    assert 2 == result.outcomes["failed"]
    result.stdout.fnmatch_lines(
        [
            f"{HERE}:Sound ..FF*",
            f"{HERE}:Sound: identity-block (at-init) is falsified",
            "  asked: There is a set S of state scalars*",
            "  seen:  over a gap of *",
            "  case:  input size 1, hidden size 1; *",
            f"  a script of it: python -m properties {HERE}:Sound --only identity-block * --reproducer *",
            f"{HERE}:Sound: 13 of 20 lines ran (tiny, float64, seed 4); *2 falsified*",
            "wrote */kept/tests-properties-bad-cells-Sound.json",
        ]
    )
    for trace in ("*core/checks.py*", "*conformance.py*", "*Traceback*", "*Captured log*"):
        result.stdout.no_fnmatch_line(trace)
    file = tmp_path / "kept" / "tests-properties-bad-cells-Sound.json"
    kept = json.loads(file.read_text(encoding="utf-8"))
    made = json.loads(certify(f"{HERE}:Sound", profile=TINY, seed=4).dumps())
    assert made | {"created_at": ""} == kept | {"created_at": ""}


def test_cells_run_beside_a_folders_own_tests_and_can_be_selected(run, tmp_path):
    """Paths given: both run. -k selects; a cell of which a part ran gets no certificate, and it is said."""
    (tmp_path / "test_mine.py").write_text("def test_of_the_folder(): pass", encoding="utf-8")
    result = run(
        "test_mine.py", "--cell", f"{HERE}:Memory", "--certificate-dir", ".",
        "-k", "test_of_the_folder or finite-step",
    )  # fmt: skip
    assert (0, 2, 19) == (result.ret, result.outcomes["passed"], result.outcomes["deselected"])
    result.stdout.fnmatch_lines(
        [f"{HERE}:Memory: 19 more lines were not run; no certificate is written"]
    )
    assert [] == list(tmp_path.glob("*.json"))


def test_collecting_judges_nothing(run):
    """--collect-only lists the lines; there is nothing to summarize."""
    result = run("--cell", f"{HERE}:Memory", "--collect-only", "-q")
    assert 0 == result.ret
    result.stdout.fnmatch_lines([f"{HERE}:Memory::finite-step[[]at-init]", "20 tests collected*"])
    result.stdout.no_fnmatch_line("*= properties =*")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cell", "gatoo"], "no cell is registered under 'gatoo'; did you mean gato"),
        (["--cell", f"{HERE}:Soun"], "to have an attribute 'Soun', it has none; did you mean Sound?"),
        (["--cell", f"{HERE}:raising"], "one that raised ZeroDivisionError at each of the 12 sizes"),
        (["--cell", "gato", "--properties-profile", "fast"], "expected one of dev, ci, nightly, tiny, got"),
        (["--cell", "gato", "--certificate-dir", "no/where"], "--certificate-dir: expected a folder, or a"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_a_usage_error(run, arguments, message):
    """Status 4 with the message, before anything is collected."""
    result = run(*arguments)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([f"ERROR: *{message}*"])


def test_an_ill_posed_cell_fails_once_per_scope_and_the_rest_is_not_judged(run):
    """Inconclusive where it is required is a failure too: a cell may not pass by breaking the harness."""
    result = run("--cell", f"{HERE}:KeepsAList")
    outcomes = result.outcomes
    assert (18, 2) == (outcomes["failed"], outcomes["passed"])  # the advisory lines are not counted
    result.stdout.fnmatch_lines(["*seen:  a call of step changed history: *carry it in the state*"])


def test_a_certificate_that_cannot_be_written_is_said(run, monkeypatch):
    """A run whose certificate is missing does not look like a success."""

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.os, "fsync", full)
    result = run("--cell", f"{HERE}:Memory", "--certificate-dir", ".")
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stdout.fnmatch_lines(["error: output: *could not be written (No space left on device)*"])


def test_without_the_option_nothing_is_active_and_torch_is_not_imported(tmp_path):
    """Every pytest run of an environment loads the plugin: it must cost nothing."""
    (tmp_path / "test_mine.py").write_text(NOTHING, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *LOAD, "-q"],
        cwd=tmp_path, env=_environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert "1 passed" in done.stdout
    assert "properties" not in done.stdout


def test_under_xdist_the_certificate_is_the_same(monkeypatch, tmp_path):
    """Two workers share the lines; who started them assembles, byte for byte but for the time."""
    (tmp_path / "mine.py").write_text(
        "from tests.properties.bad_cells import Memory\n\n\nclass Own(Memory):\n    pass\n",
        encoding="utf-8",
    )
    (tmp_path / "conftest.py").write_text(
        "from properties.core.profile import PROFILES, Profile\n\n"
        'PROFILES["tiny"] = Profile("tiny", 1, 12, 3, 8, 32, 2, 3, 2)\n',
        encoding="utf-8",
    )
    arguments = [
        "--cell",
        "mine:Own",
        "--properties-profile",
        "tiny",
        "--certificate-dir",
        "kept",
        "-q",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *LOAD, "-n", "2", *arguments],
        cwd=tmp_path, env=_environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert "14 passed, 6 skipped" in done.stdout
    assert "mine:Own: 14 of 20 lines ran" in done.stdout
    kept = json.loads((tmp_path / "kept" / "mine-Own.json").read_text(encoding="utf-8"))
    monkeypatch.syspath_prepend(tmp_path)
    made = json.loads(certify("mine:Own", profile=TINY).dumps())
    assert made | {"created_at": ""} == kept | {"created_at": ""}


def _environment():
    path = os.pathsep.join([str(ROOT), "."])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTEST_ADDOPTS": ""}
