"""What can be counted about the GPU's kernels without a GPU: registers, spills, instructions."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton", reason="kernels on the GPU need triton")

from cells.fused import __main__, catalogue, triton_ahead
from cells.fused.triton_ahead import FEW, KERNELS, MANY

STEPS = {step.name: step for step in catalogue.steps()}
# Every launch that the catalogue uses in float32 on Hopper. On Ampere, and in float64 (which is for checks),
# the one with the most lanes only: each takes a second, and the source is the same.
CASES = [
    (FEW, torch.float32, 90),
    (MANY, torch.float32, 90),
    (MANY, torch.float32, 80),
    (MANY, torch.float64, 90),
]


@pytest.fixture(scope="module", autouse=True)
def fresh(tmp_path_factory):
    """Nothing compiled before is taken for what is compiled now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.mktemp("triton")))
        yield


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", STEPS)
def test_registers_suffice(name, kernel, record_property):
    """At most 80 in float32, so that a multiprocessor holds 24 warps; nothing spilled, no stack."""
    for lanes, dtype, architecture in CASES:
        found = triton_ahead.counts(STEPS[name], kernel, lanes, dtype, architecture)
        record_property(f"{lanes} lanes, {dtype}, sm_{architecture}", found)
        assert (0, 0) == (found.spilled, found.stack)
        if dtype == torch.float32:
            assert found.registers <= 80
            # a tenth over what the LSTM's gates take, the most of them
            assert found.instructions <= {"forward": 135, "backward": 225}[kernel]
        assert found.instructions > 10


def test_the_command_says_what_is_missing(monkeypatch, capsys):
    """Where there is no compiler."""
    monkeypatch.setattr(triton_ahead, "available", lambda: False)
    monkeypatch.setattr("sys.argv", ["cells.fused", "--counts"])
    assert 1 == __main__.main()
    assert "triton is not installed; `pip install triton`" in capsys.readouterr().err
