"""Networks of units on a GPU: in Triton's interpreter, ahead of time, how they are divided, on a device."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hopper import Hopper
from hypothesis import given
from hypothesis import strategies as st

import cells
from cells.fused import triton_kernels, unit_launch, unit_networks, unit_operators, unit_tiling
from cells.fused.unit_tiling import LANES

KERNELS = ("forward", "backward", "sums", "inputs")


@given(
    kernel=st.sampled_from(KERNELS),
    units=st.integers(1, 2000),
    inputs=st.integers(1, 700),
    hidden=st.integers(1, 200),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_every_tiling_is_one_that_can_be(kernel, units, inputs, hidden, dtype):
    """A warp of whole examples; hidden numbers that divide k, and a word of bits; inputs that fill tiles."""
    how = unit_tiling.tiling(kernel, units, inputs, hidden, dtype)
    assert LANES == how.units * how.examples
    assert how.units == LANES or units <= how.units < 2 * units
    assert 0 == hidden % how.hidden == 32 % how.hidden
    assert how.kept == (inputs == how.width)
    assert 0 == (inputs if how.kept else unit_tiling.WIDEST) % how.width
    assert how.points >= 1
    options = unit_tiling.options(kernel, how, dtype)
    assert 1 == options["num_warps"]
    assert options["maxnreg"] <= 255


@given(
    programs=st.integers(1, 2**14),
    length=st.integers(1, 10**5),
    multiple=st.sampled_from([1, 2, 4, 8, 64]),
)
def test_parts_cover_everything_once(programs, length, multiple):
    """None is empty, none too many; enough programs fill the device by themselves."""
    for divided in (unit_tiling.chunks, unit_tiling.slices):
        found = divided(programs, length, multiple)
        assert 0 == found.length % multiple
        assert found.length * (found.parts - 1) < length <= found.length * found.parts
        assert 1 <= found.parts <= 64
        assert 1 == found.parts or programs * found.parts <= 2**11


def test_the_copy_task_is_divided_as_documented():
    """docs/kernels.md counts its bytes."""
    how = unit_tiling.tiling("forward", 512, 5, 32, torch.float32)
    assert (8, 4) == (how.points, how.hidden)
    assert (56, 4) == unit_tiling.chunks(32 * 512 // LANES, 220, how.points)
    sums = unit_tiling.tiling("sums", 512, 5, 32, torch.float32)
    assert (440, 16) == unit_tiling.slices(512 // LANES * 32 // sums.hidden, 7040, sums.points)


def test_where_there_are_kernels(monkeypatch):
    """On CUDA with Triton; on a CPU as before; nowhere else."""
    on = {kind: SimpleNamespace(device=torch.device(kind)) for kind in ("cuda", "meta")}
    monkeypatch.setattr(triton_kernels, "missing", lambda: None)
    assert unit_networks.available(on["cuda"])
    monkeypatch.setattr(triton_kernels, "missing", lambda: "triton is not installed")
    assert not unit_networks.available(on["cuda"])
    assert not unit_networks.available(on["meta"])


@pytest.mark.parametrize("name", ["unit_networks", "unit_networks_backward"])
def test_the_operators_have_them(name):
    """Under the dispatcher's key for CUDA."""
    for key in ("CPU", "CUDA"):
        assert torch._C._dispatch_has_kernel_for_dispatch_key(f"desiderata::{name}", key)


def test_tensors_of_two_devices_are_refused():
    """A kernel would follow a pointer that means something elsewhere."""
    tensors = [torch.zeros(1, *size) for size in [(4, 2, 3), (4, 2, 5), (2, 5), (13, 5), (2, 5)]]
    tensors[3] = tensors[3].to("meta")
    with pytest.raises(
        ValueError, match="expected all tensors on cpu, where x is, got one on meta"
    ):
        unit_operators.check(*tensors)


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Nothing compiled before is taken for what is compiled now."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


# in float32: inputs in registers (a few, the most) and in tiles, of copy, MIMIC and PTB; k of 1
SIZES = [(512, 5, 32), (256, 2, 32), (256, 8, 32), (325, 650, 32), (3, 1, 1)]
MOST = {"forward": 10, "backward": 17, "sums": 14.5, "inputs": 9.7}
"""Instructions for each hidden number of a point on the copy task, a tenth over what they take."""


@pytest.mark.slow
@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("kernel", KERNELS)
def test_registers_suffice(kernel, record_property):
    """Nothing spilled, no stack; next to nothing but products in the loop over hidden numbers."""
    pytest.importorskip("triton", reason="kernels on the GPU need triton")
    from cells.fused import triton_ahead

    for dtype, architecture in ((torch.float32, 90), (torch.float32, 80), (torch.float64, 90)):
        for sizes in SIZES:
            found = triton_ahead.unit_counts(kernel, *sizes, dtype, architecture)
            record_property(f"{sizes}, {dtype}, sm_{architecture}", str(found))
            assert (0, 0) == (found.spilled, found.stack), (sizes, dtype, architecture)
            if dtype == torch.float32:
                assert found.registers <= (128 if kernel != "sums" and sizes[1] <= 8 else 168)
                assert found.instructions <= MOST[kernel] or sizes != SIZES[0]
            assert found.instructions > sizes[1] % 7


@pytest.mark.slow
@pytest.mark.usefixtures("fresh")
def test_launches_compile_and_other_sizes_take_the_same_code(monkeypatch):
    """Every kernel as it would be launched: with chunks of time and without, replicates shared or not."""
    pytest.importorskip("triton", reason="kernels on the GPU need triton")
    from triton.runtime import driver

    from cells.fused import triton_chunks, triton_unit_gradients, triton_unit_networks

    found = []

    class Warmed:
        def __init__(self, name, function):
            self.name, self.function = name, function

        def __getitem__(self, grid):
            return lambda *a, **k: found.append(
                (self.name, self.function.warmup(*a, grid=grid, **k).hash)
            )

    for module, names in (
        (triton_unit_networks, ("forward", "backward")),
        (triton_unit_gradients, ("sums", "inputs_gradient")),
        (triton_chunks, ("add_before", "totals_of")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, Warmed(name, getattr(module, name)))
    monkeypatch.setattr(driver, "_active", Hopper())
    for replicates, steps, batch, units in ((1, 17, 2, 40), (2, 1, 16, 33), (2, 33, 1, 64)):
        shapes = [(steps, batch, 3), (steps, batch, units), (4 * 6 + 1, units), (batch, units)]
        tensors = [torch.zeros(r, *s) for r, s in zip((1, replicates, 1, 1), shapes, strict=True)]
        out = unit_launch.forward(replicates, *tensors, True)  # noqa: FBT003
        unit_launch.backward(replicates, *tensors, torch.zeros_like(out), True, True)  # noqa: FBT003
    assert {6} == {len({name for name, _ in found})}
    assert 6 == len({code for _, code in found})


def both_on_gpu(replicates, sizes, dtype, accumulate):
    """Outputs and gradients by the kernels, by the kernels again, and by torch, of random tensors there."""
    steps, batch, units, inputs, k = sizes
    shapes = [
        (steps, batch, inputs),
        (steps, batch, units),
        (k * (inputs + 3) + 1, units),
        (batch, units),
    ]
    generator = torch.Generator("cuda").manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, device="cuda", dtype=torch.float64).to(
            dtype
        )

    given = [draw(r, *s) for r, s in zip(replicates, shapes, strict=True)]
    given.insert(2, draw(replicates[1], batch, units))
    gradient = draw(max(replicates), steps, batch, units)
    of_readouts = draw(max(replicates), steps, batch, 2 * units)

    def ours():
        _, *out, slopes = unit_operators.networks(*given, accumulate, True, "cos", True)  # noqa: FBT003
        none = gradient.new_empty(1, 0, 0)
        found = unit_operators.networks_backward(
            *given, out[0], slopes, none, gradient, of_readouts, accumulate, "cos", True  # noqa: FBT003
        )  # fmt: skip
        return [*out, *(one.sum_to_size(of.shape) for one, of in zip(found, given, strict=True))]

    def theirs(kind):
        leaves = [one.to(kind).requires_grad_() for one in given]
        x, reads, first, weights, held = leaves
        before = torch.cat((first.unsqueeze(1), reads[:, :-1]), 1)
        each = weights[:, :-1].unflatten(1, (k, inputs + 3))[:, None, None]
        hidden = (x[..., None, :, None] * each[..., :inputs, :]).sum(-2)
        hidden = hidden + each[..., inputs, :] * before.unsqueeze(3) + each[..., inputs + 1, :]
        f = (hidden.relu() * each[..., inputs + 2, :]).sum(3) + weights[:, None, None, -1]
        entries = torch.logaddexp(f, torch.zeros_like(f))
        out = (
            held.unsqueeze(1) + entries.cumsum(1) if accumulate else entries + 0 * held.unsqueeze(1)
        )
        out = out.expand(max(replicates), *out.shape[1:])
        read = torch.cos(torch.cat((reads.expand_as(out), out), -1))
        seeds = [gradient.to(kind), of_readouts.to(kind)]
        return [out.detach(), read.detach(), *torch.autograd.grad([out, read], leaves, seeds)]

    return ours(), ours(), theirs


# several chunks of time and one; few units and tiles of them; inputs in registers and in tiles
ON_GPU = [
    ((1, 1, 1, 1), (1, 1, 1, 1, 1)),
    ((1, 1, 1, 1), (2, 3, 5, 3, 2)),
    ((1, 2, 1, 1), (40, 3, 70, 5, 32)),
    ((1, 2, 2, 1), (9, 3, 7, 2, 33)),
    ((2, 1, 1, 2), (33, 9, 40, 17, 8)),
    ((1, 1, 1, 1), (3, 300, 256, 4, 4)),
]


@pytest.mark.gpu
@pytest.mark.parametrize("accumulate", [True, False])
@pytest.mark.parametrize(("replicates", "sizes"), ON_GPU)
def test_on_a_gpu_the_kernels_are_the_reference(replicates, sizes, accumulate):
    """In double precision to rounding, in single as near as torch; equal bits again."""
    ours, again, theirs = both_on_gpu(replicates, sizes, torch.float64, accumulate)
    assert all(map(torch.equal, ours, again))
    torch.testing.assert_close(ours, theirs(torch.float64), atol=1e-9, rtol=1e-10)
    ours, again, theirs = both_on_gpu(replicates, sizes, torch.float32, accumulate)
    assert all(map(torch.equal, ours, again))
    for mine, other, true in zip(ours, theirs(torch.float32), theirs(torch.float64), strict=True):
        assert (mine - true).norm() <= 2 * (other - true).norm() + 2e-6 * true.norm()


@pytest.mark.gpu
def test_on_a_gpu_the_hidden_layer_is_never_written():
    """The peak of memory stays below one array of it."""
    steps, batch, units, inputs, k = 100, 32, 256, 5, 64  # far above what a product borrows
    generator = torch.Generator().manual_seed(0)
    cell = cells.get("gato-2")(inputs, 2 * units, k=k, generator=generator).to("cuda")
    xs = torch.randn(steps, batch, inputs, device="cuda")
    model = cells.Recurrent(cell, backend="fused")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    model(xs)[0].sum().backward()
    assert torch.cuda.max_memory_allocated() - before < 4 * steps * batch * units * k
