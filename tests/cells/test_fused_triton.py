"""The GPU's kernels: in Triton's interpreter here, on a GPU where there is one; how they are launched."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import cells
from cells.fused import catalogue, numba_tile_printer, program, triton_kernels, triton_printer
from cells.fused.triton_kernels import launch

STEPS = {step.name: step for step in catalogue.steps()}


@pytest.mark.slow
@pytest.mark.parametrize("module", ["interpreted_kernels.py", "interpreted_unit_networks.py"])
def test_the_interpreter_agrees_with_the_reference(module, tmp_path):
    """Every test in there; in another process, for the kernels are imported for one use."""
    pytest.importorskip("triton", reason="kernels on the GPU need triton")
    here = Path(__file__).with_name(module)
    folders = {"XDG_CACHE_HOME": str(tmp_path), "TRITON_CACHE_DIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", here],
        cwd=here.parents[2],
        env={**os.environ, **folders, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == run.returncode, run.stdout + run.stderr
    assert " passed" in run.stdout
    assert "skipped" not in run.stdout


def test_every_operation_can_be_said():
    """What a program may hold, in both languages."""
    known = {*program._OPERATIONS.values(), "softlog"}
    for printer in (numba_tile_printer, triton_printer):
        assert known == printer._CALLS.keys() | printer._INFIX.keys()


@given(
    kernel=st.sampled_from(["forward", "backward"]),
    lanes=st.integers(1, 2**22),
    loads=st.integers(1, 40),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_every_launch_is_one_that_can_be(kernel, lanes, loads, dtype):
    """Whole warps, a queue within its budget, no more programs than lanes."""
    how = launch(kernel, lanes, loads, dtype)
    assert how.block in (32, 64, 128)
    assert how.depth in (1, 2, 4, 8)
    assert 1 == how.depth or how.depth * loads * dtype.itemsize <= 128
    assert how.block == 32 * how.options(dtype)["num_warps"]
    assert launch(kernel, 2 * lanes, loads, dtype).block >= how.block


def test_without_a_gpu_there_is_a_reason(monkeypatch):
    """Of two, the first that helps."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "torch finds no GPU" in triton_kernels.missing()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(triton_kernels, "_INSTALLED", False)
    assert "triton is not installed" in triton_kernels.missing()
    monkeypatch.setattr(triton_kernels, "_INSTALLED", True)
    assert triton_kernels.missing() is None


NAMES = ["gato", "gato-2", "gru-diag", "lstm-diag", "brhn-diag", "indrnn"]


def everything(cell, backend, xs):
    """Outputs, the last state, and all gradients."""
    xs = xs.detach().requires_grad_()
    outputs, (last,) = cells.Recurrent(cell, backend=backend)(xs)
    generator = torch.Generator(xs.device).manual_seed(1)
    loss = sum(
        (one * torch.randn(one.shape, generator=generator, device=xs.device, dtype=xs.dtype)).sum()
        for one in (outputs, *last)
    )
    wanted = [xs, *cell.parameters()]
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    zeros = (torch.zeros_like(w) if f is None else f for w, f in zip(wanted, found, strict=True))
    return [outputs.detach(), *(one.detach() for one in last), *zeros]


def on_gpu(name, hidden_size, dtype):
    """A cell of three inputs there."""
    generator = torch.Generator().manual_seed(0)
    return cells.get(name)(3, hidden_size, generator=generator).to("cuda", dtype)


@pytest.mark.gpu
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 9, 40])
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu_the_kernels_are_the_reference(name, steps):
    """In double precision."""
    cell = on_gpu(name, 26, torch.float64)
    xs = torch.randn(steps, 5, 3, dtype=torch.float64, device="cuda")
    assert "fused" == cells.backends(cell, xs)[0].name
    ours, theirs = (everything(cell, backend, xs) for backend in ("fused", "reference"))
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


@pytest.mark.gpu
@pytest.mark.parametrize("batch", [4, 100, 500])
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu_every_launch_is_exact_and_repeats_itself(name, batch):
    """Few, some and many lanes in float32: within twice the reference's own error; equal bits again."""
    exact, cell = on_gpu(name, 512, torch.float64), on_gpu(name, 512, torch.float32)
    cell.load_state_dict(exact.state_dict())
    exact.load_state_dict(cell.state_dict())  # what float32 can hold
    xs = torch.randn(30, batch, 3, device="cuda")
    ours, again, theirs = (everything(cell, one, xs) for one in ("fused", "fused", "reference"))
    assert all(map(torch.equal, ours, again))
    truth = everything(exact, "reference", xs.double())
    for mine, other, true in zip(ours, theirs, truth, strict=True):
        error, allowed = (mine - true).norm(), 2 * (other - true).norm() + 2e-6 * true.norm()
        assert error <= allowed


@pytest.mark.gpu
def test_on_a_gpu_under_the_transforms_of_torch():
    """Replicates, and Jacobians of them."""
    cell = on_gpu("gato", 8, torch.float64)
    named = dict(cells.Recurrent(cell).named_parameters())
    several = {k: torch.randn(4, *v.shape, dtype=v.dtype, device="cuda") for k, v in named.items()}
    xs = torch.randn(6, 2, 3, dtype=torch.float64, device="cuda")
    answers = []
    for backend in ("fused", "reference"):
        model = cells.Recurrent(cell, backend=backend)

        def outputs(weights, x, model=model):
            return torch.func.functional_call(model, weights, (x,))[0]

        def loss(weights, x, outputs=outputs):
            return outputs(weights, x).square().sum()

        answers.append(
            [
                torch.func.vmap(outputs, (0, None))(several, xs),
                *torch.func.vmap(torch.func.grad(loss), (0, None))(several, xs).values(),
                torch.func.jacrev(lambda x, outputs=outputs: outputs(named, x)[-1])(xs),
            ]
        )
    torch.testing.assert_close(*answers, atol=1e-10, rtol=1e-10)


@pytest.mark.gpu
def test_on_a_gpu_a_nan_comes_out():
    """Of its own unit, and of no other."""
    for name, (steps, batch) in itertools.product(NAMES, [(5, 2)]):
        cell = on_gpu(name, 8, torch.float32)
        xs = torch.randn(steps, batch, 3, device="cuda")
        xs[2, 1] = torch.nan
        outputs, _ = cells.Recurrent(cell, backend="fused")(xs)
        assert outputs[:2].isfinite().all()
        assert outputs[2:, 1].isnan().all()
        assert outputs[:, 0].isfinite().all()
