"""A row measured once more in a process of its own: its word is the last, and a failure is none."""

from __future__ import annotations

import json
from pathlib import Path

import baseline
import own_process
import pytest
from environment import Environment
from fake_results import result
from own_process import OwnProcess
from workloads import WORKLOADS

ROOT = Path(__file__).parents[2]
TEST = "tests/benchmarks/test_bench_workloads.py::test_workload[cert-tiny-fused]"
NAME = "cert-tiny/fused"


@pytest.mark.slow
def test_one_row_by_itself(tmp_path):
    """The suite's own row, judged by what is stored where the options say: far less than it can do."""
    pytest.importorskip("numba")
    made = result(
        workload="cert-tiny", shape=WORKLOADS["cert-tiny"].label(cuda=False),
        ratio=1e-6, stream=1e-6, seconds=1e6,
    )  # fmt: skip
    baseline.write(Environment.here(cuda=False), [made], tmp_path)
    found, verdict = OwnProcess(ROOT, [f"--stored={tmp_path}", "--on=cpu"])(TEST, NAME)
    assert ("faster", NAME) == (verdict.status, found.name), verdict.why
    assert "of the stored ratio 1e-06" in verdict.why
    assert found.ratio > 1e-6


SUITE = """
def pytest_addoption(parser):
    parser.addoption("--own-process", action="store_true")
"""
ROW = """
import json, pathlib, pytest

@pytest.mark.benchmark
def test_row(benchmark, pytestconfig):
    assert pytestconfig.getoption("--own-process")
    row = json.loads(pathlib.Path("row.json").read_text())
    benchmark.pedantic(int)
    benchmark.extra_info |= row
    assert "slower" != row["verdict"]
"""


@pytest.mark.parametrize("status", ["held", "faster", "busy", "slower"])
def test_a_row_comes_back_with_its_verdict(tmp_path, status):
    """Also that of a test that failed, for which it was measured."""
    row = result(ratio=7.0)
    said = {"verdict": status, "why": "0.7 of", "reference_seconds": [1], "stream_seconds": [1]}
    written = json.dumps(row.written() | said)
    files = {
        "conftest.py": SUITE, "test_a.py": ROW, "row.json": written,
        "pytest.ini": "[pytest]\nmarkers = benchmark",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert OwnProcess(tmp_path)("test_a.py::test_row", row.name) == (row, (status, "0.7 of"))


@pytest.mark.parametrize(
    ("test", "options", "said"),
    [
        ("tests/benchmarks/test_bench_workloads.py::test_nothing", [], "not found"),
        (TEST, ["--slow=nonsense"], "expected NAME=FACTOR"),
    ],
)
def test_what_cannot_be_measured_stays_slower(test, options, said):
    """No result, and what pytest said."""
    found, verdict = OwnProcess(ROOT, options)(test, NAME)
    assert found is None
    assert "slower" == verdict.status
    assert verdict.why.startswith("could not be measured (pytest ended with 4): ")
    assert said in verdict.why


def test_so_does_what_never_ends(monkeypatch):
    """Nobody waits for it longer than for the slowest row."""
    monkeypatch.setattr(own_process, "LONGEST", 0.1)
    found, verdict = OwnProcess(ROOT)(TEST, NAME)
    assert found is None
    assert verdict == ("slower", "could not be measured within 0 s")


def test_a_run_starts_it_with_its_own_options(speed):
    """As it was asked to judge, so does the process."""
    assert isinstance(speed.elsewhere, OwnProcess)
    assert ROOT == speed.elsewhere.root
    (stored, on) = speed.elsewhere.options
    assert stored == f"--stored={baseline.FOLDER.absolute()}"
    assert on in ("--on=cpu", "--on=cuda")
