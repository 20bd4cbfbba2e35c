"""What the first fused call of a process costs: kernels compiled, and kernels read from the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from clock import CLOCK
from gate import Verdict
from implementations import MissingError, gato
from result import Result
from workloads import Shape

SHAPE = Shape(100, 32, 64, 256)
SCRIPT = """
import time, torch, cells
model = cells.Recurrent(cells.get("gato")({inputs}, {width}), backend="fused")
xs = torch.randn({steps}, {batch}, {inputs}, requires_grad=True)
torch.nn.functional.linear(xs, torch.randn(8, {inputs})).sum().backward()  # torch's own first call
begin = time.process_time()
model(xs)[0].sum().backward()
print(time.process_time() - begin)
"""


def first_call(cache):
    """Processor seconds of forward and backward in a fresh process whose caches lie in ``cache``."""
    words = {
        "steps": SHAPE.steps, "batch": SHAPE.batch, "inputs": SHAPE.inputs, "width": 2 * SHAPE.units,
    }  # fmt: skip
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "XDG_CACHE_HOME": str(cache),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(**words)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == run.returncode, run.stderr
    return float(run.stdout.split()[-1])


@pytest.mark.benchmark(group="first-call")
def test_first_call(benchmark, speed, tmp_path):
    """One process without a cache, two after it; goals, not ratios, and nothing that is gated."""
    if CLOCK.cuda:
        pytest.skip("the goals for a first call are a CPU's")
    try:
        gato(SHAPE, torch.device("cpu"), "fused")
    except MissingError as missing:
        speed.absent["first-call/fused"] = str(missing)
        pytest.skip(str(missing))
    cold = benchmark.pedantic(first_call, args=(tmp_path,), rounds=1)
    cached = min(first_call(tmp_path) for _ in range(2))
    ratio = cached / cold
    result = Result(
        "first-call", "fused", str(SHAPE), "the same from the cache", ratio, ratio, ratio, 1, 1.0, cold,
        "fused", gated=False, figures={"cold_s": cold, "cached_s": cached},
    )  # fmt: skip
    speed.keep(result, Verdict("reported", "a goal, and no ratio"))
    benchmark.extra_info |= result.written()
