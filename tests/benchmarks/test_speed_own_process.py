"""A row measured once more in a process of its own: its word is the last, and a failure is none."""

from __future__ import annotations

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


def stored(folder, speed):
    """Options of a run here, under whose key NAME is stored as so many times as quick as it can be."""
    made = result(
        workload="cert-tiny", shape=WORKLOADS["cert-tiny"].label(cuda=False),
        ratio=speed, stream=speed, seconds=1 / speed,
    )  # fmt: skip
    baseline.write(Environment.here(cuda=False), [made], folder)
    return [f"--stored={folder}", "--on=cpu"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("speed", "expected", "why"),
    [
        (1e-6, ("faster",), "of the stored ratio 1e-06"),
        (1e6, ("slower", "busy"), "measured again: "),  # tests beside it may take turns with it
    ],
)
def test_one_row_by_itself(tmp_path, speed, expected, why):
    """The suite's own row, judged by what is stored where the options say."""
    pytest.importorskip("numba")
    found, verdict = OwnProcess(ROOT, stored(tmp_path, speed))(TEST, NAME)
    assert verdict.status in expected, verdict.why
    assert NAME == found.name
    assert why in verdict.why
    assert found.ratio > 0


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
