"""Several stored runs as one: medians of what was measured, and nothing of different work."""

from __future__ import annotations

import dataclasses
import statistics

import baseline
import pytest
from fake_results import CPU, GPU, result
from hypothesis import given
from hypothesis import strategies as st
from median_run import median, store


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=7))
def test_each_number_is_the_median(ratios):
    """Whatever order the runs came in."""
    rows = [
        dataclasses.replace(result(ratio=one), seconds=1 / one, figures={"draws_per_s": one})
        for one in ratios
    ]
    found = median(rows)
    assert found.ratio == statistics.median(ratios)
    assert found.seconds == pytest.approx(statistics.median(1 / one for one in ratios))
    assert found.figures == {"draws_per_s": statistics.median(ratios)}
    assert found == median([*reversed(rows[:-1]), rows[-1]])


def test_a_lucky_row_is_not_stored(tmp_path):
    """Three runs, and a row that only the newest one has."""
    paths = []
    for k, ratio in enumerate((10.0, 13.0, 10.4)):
        rows = [result(ratio=ratio)] + [result("hoisted", 3.0)] * (k == 2)
        paths.append(baseline.write(CPU, rows, tmp_path / str(k)))
    found = baseline.read(store(paths, tmp_path / "stored"))
    assert {"copy/fused": 10.4, "copy/hoisted": 3.0} == {
        name: one.ratio for name, one in found.results.items()
    }


def test_a_figure_is_of_the_runs_that_have_it():
    """Runs from before it was measured say nothing of it."""
    rows = [dataclasses.replace(result(), figures=one) for one in ({}, {"a": 1.0}, {"a": 3.0})]
    assert {"a": 2.0} == median(rows).figures


def test_different_work_has_no_median(tmp_path):
    """Neither rows of two shapes, nor runs of two machines, nor nothing at all."""
    with pytest.raises(
        ValueError, match="expected the files of stored runs, the newest last; got none"
    ):
        store([], tmp_path)
    other = dataclasses.replace(result(), shape="another")
    with pytest.raises(ValueError, match="copy/fused: expected one shape, reference and backend"):
        median([result(), other])
    paths = [
        baseline.write(key, [result()], tmp_path / key.torch / key.device) for key in (CPU, GPU)
    ]
    with pytest.raises(ValueError, match="expected runs of one key"):
        store(paths, tmp_path / "stored")
