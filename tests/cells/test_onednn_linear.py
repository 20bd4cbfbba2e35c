"""Affine maps by oneDNN: the library's values and derivatives, and only where it can."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from cells.parts import onednn_linear
from cells.parts.input_map import input_map

torch.set_num_threads(1)
SIZES = (300, 40, 360)  # above the least

pytestmark = pytest.mark.skipif(
    onednn_linear._operator() is None,
    reason="this build of torch has no oneDNN, or it is switched off",
)


def drawn(dtype=torch.float32, sizes=SIZES, graded=True):
    """X, weight, bias and an upstream gradient."""
    rows, inputs, outputs = sizes
    draw = torch.Generator().manual_seed(0)
    shapes = [(rows, inputs), (outputs, inputs), (outputs,), (rows, outputs)]
    x, w, b, up = (torch.randn(one, generator=draw).to(dtype) for one in shapes)
    return [*(one.requires_grad_(graded) for one in (x, w, b)), up]


@pytest.mark.parametrize("shape", [(300,), (30, 10), (5, 6, 10), (1025, 2)])
@pytest.mark.parametrize("biased", [True, False])
def test_values_and_gradients_are_as_near_to_double_precision_as_the_librarys(biased, shape):
    """Any number of axes, with a bias or without."""
    assert onednn_linear.takes(*drawn()[:3])
    found = []
    for function, dtype in (
        (input_map, torch.float32),
        (F.linear, torch.float32),
        (F.linear, torch.float64),
    ):
        x, w, b, up = drawn(dtype, (math.prod(shape), *SIZES[1:]))
        out = function(x.unflatten(0, shape), w, b if biased else None).reshape(up.shape)
        leaves = (x, w, b) if biased else (x, w)
        found.append([out, *torch.autograd.grad(out, leaves, up)])
    for ours, theirs, true in zip(*found, strict=True):
        assert ours.dtype == torch.float32
        assert ours.is_contiguous()
        error, allowed = (ours - true).norm(), 2 * (theirs - true).norm() + 1e-6 * true.norm()
        assert error <= allowed


def test_some_gradients_and_second_ones():
    """Only what is wanted is made; of a second derivative torch's own products are taken."""
    x, w, b, up = drawn()
    out = onednn_linear.linear(x.detach(), w, b)
    (alone,) = torch.autograd.grad(out, (w,), up)
    torch.testing.assert_close(alone, up.t() @ x.detach(), atol=1e-3, rtol=1e-4)
    seconds = []
    for function in (input_map, F.linear):
        first = torch.autograd.grad(function(x, w, b), (x, w, b), up, create_graph=True)
        seconds.append(torch.autograd.grad(sum(one.square().sum() for one in first), (x, w)))
    torch.testing.assert_close(*seconds, atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        lambda x, w, b: (x.double(), w.double(), b.double()),
        lambda x, w, b: (x[:2], w, b),
        lambda x, w, b: (x.bfloat16(), w.bfloat16(), b.bfloat16()),
        lambda x, w, b: (x.to("meta"), w.to("meta"), b.to("meta")),
    ],
    ids=["double", "small", "half", "meta"],
)
def test_others_are_left_to_the_library(change):
    """Other precisions, other devices, and what is too small to gain."""
    assert not onednn_linear.takes(*change(*drawn(graded=False)[:3]))


@pytest.mark.filterwarnings(
    "ignore:.*torch.jit.script. is deprecated:DeprecationWarning"
)  # by torch
def test_under_transforms_the_library_runs():
    """It has rules for all of them, and we for none."""
    x, w, b, up = drawn(graded=False)
    replicates = torch.stack((w, 2 * w))
    mapped = torch.func.vmap(input_map, (None, 0, None))(x, replicates, b)
    torch.testing.assert_close(mapped[1], F.linear(x, 2 * w, b), atol=1e-4, rtol=1e-5)
    out, tangent = torch.func.jvp(lambda one: input_map(one, w, b), (x,), (x,))
    torch.testing.assert_close(tangent, out - b, atol=1e-4, rtol=1e-5)
    pulled = torch.func.vjp(lambda one: input_map(x, one, b), w)[1](up)[0]
    torch.testing.assert_close(pulled, up.t() @ x, atol=1e-3, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.bfloat16 == input_map(x, w, b).dtype


@pytest.mark.filterwarnings(
    "ignore:TF32 acceleration on top of oneDNN:UserWarning"
)  # by its switch
def test_where_it_is_switched_off_the_library_runs():
    """By torch's own switch."""
    given = drawn(graded=False)[:3]
    with torch.backends.mkldnn.flags(enabled=False):
        assert not onednn_linear.takes(*given)
        off = input_map(*given)
    assert torch.equal(off, F.linear(*given))
