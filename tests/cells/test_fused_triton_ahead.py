"""What can be counted about the GPU's kernels without a GPU: registers, spills, instructions."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("triton", reason="kernels on the GPU need triton")

from fused_models import plenty
from hopper import Hopper
from triton.runtime import driver

from cells.fused import __main__, catalogue, triton_ahead, triton_kernels
from cells.fused.step import Step
from cells.fused.triton_ahead import FEW, KERNELS, MANY

STEPS = {step.name: step for step in catalogue.steps()}
# Every launch that the catalogue uses in float32 on Hopper. On Ampere, and in float64 (which is for checks),
# the one with the most lanes only, and of the latter the backward, which computes the forward again: each
# takes a second, and the source is the same.
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
    for lanes, dtype, architecture in CASES[: 3 if kernel == "forward" else 4]:
        found = triton_ahead.counts(STEPS[name], kernel, lanes, dtype, architecture)
        record_property(f"{lanes} lanes, {dtype}, sm_{architecture}", str(found))
        assert (0, 0) == (found.spilled, found.stack)
        if dtype == torch.float32:
            assert found.registers <= 80
            # a tenth over what the LSTM's gates take, and over GATO's with two readouts, the most of all
            most = (190, 255) if STEPS[name].readouts else (135, 225)
            assert found.instructions <= most[KERNELS.index(kernel)]
        assert found.instructions > 10


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
def test_functions_of_functions_compile(kernel):
    """Whatever a stranger's step may hold; forty of them at once may spill."""
    step = Step("plenty", plenty, states=1, inputs=1, weights=1)
    assert 500 < triton_ahead.counts(step, kernel, 2**16, torch.float32, 90).instructions < 5_000


@pytest.fixture
def compiled(monkeypatch):
    """(name, compiled kernel) of everything that the launchers would have run."""
    found = []

    class Warmed:
        def __init__(self, function):
            self.function = function

        def __getitem__(self, grid):
            return lambda *a, **k: found.append(
                (self.function.__name__, self.function.warmup(*a, grid=grid, **k))
            )

    def module(step, real=triton_kernels.module):
        known = real(step)
        return SimpleNamespace(
            FORWARD_LOADS=known.FORWARD_LOADS,
            BACKWARD_LOADS=known.BACKWARD_LOADS,
            forward=Warmed(known.forward),
            backward=Warmed(known.backward),
        )

    monkeypatch.setattr(triton_kernels, "module", module)
    monkeypatch.setattr(driver, "_active", Hopper())
    return found


def test_a_launch_compiles_once_and_loses_no_precision(compiled):
    """Other sizes take the same code; constants stay doubles, where Triton makes singles of numbers."""
    step = STEPS["gato_sigmoid_cos"]
    for steps, batch, units in ((5, 2, 7), (16, 1, 16), (1, 1, 1)):
        projected = torch.zeros(1, steps, batch, step.inputs * units)
        initial = [torch.zeros(1, batch, units)] * 2
        arguments = (step, [projected], torch.zeros(1, 3, units), [0.7], initial)
        *states, readouts = triton_kernels.forward(*arguments)
        none = states[1].new_empty(1, 0, 0, 0)
        seeds = [states[0], none, initial[0], none, readouts]
        triton_kernels.backward(*arguments, states, seeds)
    assert ["forward", "backward"] * 3 == [name for name, _ in compiled]
    assert 2 == len({kernel.hash for _, kernel in compiled})
    for _, kernel in compiled:
        assert "fp64" == kernel.src.signature["c0"]
        assert (1, 80) == (kernel.metadata.num_warps, kernel.metadata.maxnreg)


def test_the_command_says_what_is_missing(monkeypatch, capsys):
    """Where there is no compiler."""
    monkeypatch.setattr(triton_ahead, "available", lambda: False)
    monkeypatch.setattr("sys.argv", ["cells.fused", "--counts"])
    assert 1 == __main__.main()
    assert "triton is not installed; `pip install triton`" in capsys.readouterr().err
