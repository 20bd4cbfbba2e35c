"""The page of results: what stands in it is what the stored runs say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray

from studies.command import main
from studies.core.errors import StudyError
from studies.run import report
from studies.run.dataset import spread

SMOKE = ["run", "adding", "--cell", "gato-2", "--profile", "smoke", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs: as the protocol has it, and an ablation."""
    path = tmp_path_factory.mktemp("results")
    assert main([*SMOKE, "--out", str(path / "a.nc")]) == 0
    assert main([*SMOKE, "--set", "s_mode=zero", "--out", str(path / "b.nc")]) == 0
    return path


def test_the_page_says_what_the_runs_say(folder):
    """Means, ranges, ignorance, knobs, published rows with the same knobs only, what differs."""
    plain, ablated = report.load(folder)
    page = report.page([plain, ablated], "r.svg")
    rows = [line for line in page.splitlines() if line.startswith("| gato-2")]
    assert [report.label(plain), report.label(ablated)] == ["gato-2", "gato-2, s_mode=zero"]
    for row, run in zip(rows, (plain, ablated), strict=True):
        assert row.startswith(f"| {report.label(run)} | {spread(run['test_metric'].values)} | 2 |")
    assert "0.167 (appendix A" in rows[1]
    assert "appendix A" not in rows[0]
    assert f"{plain.attrs['ignorance']:.4g}" in page
    assert "no result" in page, "the profile's difference from the paper"


def test_page_and_picture_are_functions_of_the_runs(folder):
    """The same bytes every time."""
    for make in (lambda runs: report.page(runs, "r.svg"), report.picture):
        assert make(report.load(folder)) == make(report.load(folder))


def test_a_stale_page_fails_the_check(folder, capsys):
    """After one changed figure, or where there is no page."""
    out = folder / "page.md"
    arguments = ["report", str(folder), "--out", str(out)]
    assert main([*arguments, "--check"]) == 2
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    out.write_text(out.read_text().replace("| 2 |", "| 3 |"))
    assert main([*arguments, "--check"]) == 2
    assert "stale; expected what `python -m studies report` writes" in capsys.readouterr().err


def test_what_is_no_result_is_refused(tmp_path):
    """Nothing there, no netCDF, or another schema."""
    with pytest.raises(StudyError, match=r"expected results \(\*\.nc\), found none"):
        report.load(tmp_path)
    (tmp_path / "a.nc").write_bytes(b"torn")
    with pytest.raises(StudyError, match="cannot be read as netCDF"):
        report.load(tmp_path)
    (tmp_path / "a.nc").unlink()
    xarray.Dataset(attrs={"schema": "studies-run 0.1"}).to_netcdf(
        tmp_path / "a.nc", engine="h5netcdf"
    )
    with pytest.raises(
        StudyError, match=r"expected the schema studies-run 1\.0, got 'studies-run 0\.1'"
    ):
        report.load(tmp_path)


def test_a_spread_counts_what_is_lost():
    """A NaN never disappears from a table, nor does it spoil a mean."""
    assert spread([1.0, 3.0]) == "2 [1, 3]"
    assert spread([1.0, math.nan, math.inf]) == "1 [1, 1] (2 not finite)"
    assert spread(np.array([math.nan])) == "none finite"
