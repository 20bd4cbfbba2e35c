"""A process that compiles the kernels computes the very numbers of those that find them compiled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")

CALL = """
import hashlib, sys, torch
sys.path.insert(0, sys.argv[1])
import cells
from fused_models import everything, start
torch.set_num_threads(1)
for name, inputs, knobs in (("lstm-diag", 3, {}), ("lstm-diag", 9, {}), ("gato-2", 2, {"k": 8})):
    generator = torch.Generator().manual_seed(0)
    cell = cells.get(name)(inputs, 70, generator=generator, **knobs)
    xs = torch.randn(40, 6, inputs, generator=generator)
    for one in everything(cell, "fused", xs, start(cell, 6, dtype=torch.float32)):
        print(name, hashlib.sha256(one.detach().contiguous().numpy().tobytes()).hexdigest())
"""


def numbers(cache):
    """Digests of outputs and of every gradient, computed by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CALL, str(Path(__file__).parent)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout.splitlines()


def test_compiling_and_finding_compiled_give_the_same_bits(tmp_path):
    """A called function that is not inlined is in two objects: which one runs depends on the process."""
    compiled = numbers(tmp_path)
    assert any(tmp_path.rglob("*.nbi"))
    found = numbers(tmp_path)
    assert len(compiled) > 20
    assert compiled == found
