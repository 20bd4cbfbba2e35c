"""What a user waits for: sixteen replicates by the command, on all processors, beside one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray
from clock import CLOCK
from gate import Verdict
from result import Result

from cells.fused import numba_kernels

COMMAND = "-m studies run adding --cell gato-2 --profile laptop --quiet".split()


def run(seeds, out):
    """Seconds by the clock, from start to end, and the result."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *COMMAND, "--seeds", str(seeds), "--out", str(out)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    return time.perf_counter() - started, xarray.load_dataset(out, engine="h5netcdf")


@pytest.mark.benchmark(group="replicates")
def test_sixteen_replicates_by_the_command(benchmark, speed, tmp_path):
    """The run of the README; by the clock and on all processors, so nothing that is gated."""
    if CLOCK.cuda:
        pytest.skip("replicates are shared out to processors where they train on those")
    if numba_kernels.missing():
        speed.absent["replicates/16-command"] = numba_kernels.missing()
        pytest.skip(numba_kernels.missing())
    run(1, tmp_path / "compiled.nc")
    alone, one = run(1, tmp_path / "one.nc")
    together, sixteen = benchmark.pedantic(run, args=(16, tmp_path / "sixteen.nc"), rounds=1)
    assert int(sixteen["outcome"].sum()) == 16
    ratio = alone / together
    result = Result(
        "replicates", "16-command", "README's run of adding, from start to end", "one replicate", ratio,
        ratio, ratio, 1, 1.0, together, "fused", gated=False,
        figures={
            "together_over_one": 1 / ratio,
            "processes": sixteen.attrs["processes"],
            "training_over_one": sixteen.attrs["wall_time_s"] / one.attrs["wall_time_s"],
        },
    )  # fmt: skip
    speed.keep(result, Verdict("reported", "by the clock, on all processors"))
    benchmark.extra_info |= result.written()
