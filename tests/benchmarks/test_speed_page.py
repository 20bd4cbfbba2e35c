"""The page of speeds says what the stored runs say, and what is missing."""

from __future__ import annotations

import baseline
import pytest
import speed_page
from fake_results import CPU, GPU, result
from workloads import ROWS


@pytest.fixture
def stored(tmp_path):
    """A run of every workload on a CPU, with ratios that tell rows apart."""
    results = [
        result(name, 1.0 + k + n / 10, workload=workload)
        for k, (workload, names) in enumerate(ROWS.items())
        for n, name in enumerate(names)
    ]
    folder = tmp_path / "stored"
    baseline.write(CPU, [*results, result("gato", workload="kernels")], folder)
    return folder


def text(folder, docs):
    """The page."""
    return speed_page.made(folder, docs)[docs / "speed.md"].decode()


def test_every_result_is_a_row(stored, tmp_path):
    """With its ratio, in the table of its workload, in the order of the workloads."""
    made = text(stored, tmp_path)
    for workload in ROWS:
        assert made.count(f"### {workload}\n") == 1
    assert made.index("### copy") < made.index("### icu") < made.index("### kernels")
    assert "| hoisted | reference" in made.replace("fused |", "reference |")
    assert "ratio to nn.LSTM(2)." in made


def test_goals_stand_there_met_missed_or_unmeasured(stored, tmp_path):
    """In one table per run, for its own device only."""
    made = text(stored, tmp_path)
    assert (
        "| G1 | fused GATO over nn.LSTM(2J) at T 100, B 32, D 64, J 256: ≥ 10× | missed | 1×"
        in made
    )
    assert "| not measured | needs " in made
    assert "| G4 |" not in made
    baseline.write(GPU, [result()], stored)
    assert "| G4 |" in text(stored, tmp_path)


def test_missing_timings_are_said_to_be_missing(stored, tmp_path):
    """A reader of the page must not take silence for success."""
    assert "GPU timings are missing" in text(stored, tmp_path)
    empty = text(tmp_path / "none", tmp_path)
    assert "No run is stored yet." in empty
    assert "GPU timings are missing" in empty
    baseline.write(GPU, [result()], stored)
    assert "GPU timings are missing" not in text(stored, tmp_path)


def test_it_is_the_same_every_time(stored, tmp_path):
    """Page and picture are functions of the stored runs."""
    assert speed_page.made(stored, tmp_path) == speed_page.made(stored, tmp_path)


def test_check_finds_a_stale_page(stored, tmp_path, capsys):
    """Written, it is fresh; edited, or with another run, it is stale and says what to run."""
    given = ["--stored", str(stored), "--out", str(tmp_path / "docs")]
    assert 1 == speed_page.main([*given, "--check"])
    assert 0 == speed_page.main(given)
    assert 0 == speed_page.main([*given, "--check"])
    assert (tmp_path / "docs/speed.svg").read_bytes().startswith(b"<?xml")
    baseline.write(CPU, [result(ratio=99)], stored)
    capsys.readouterr()
    assert 1 == speed_page.main([*given, "--check"])
    assert "stale; expected what `python tests/benchmarks/speed_page.py` writes" in (
        capsys.readouterr().err
    )


def test_the_committed_page_is_fresh():
    """What stands in docs/ is what the committed runs say."""
    assert [] == speed_page.stale(speed_page.made())
