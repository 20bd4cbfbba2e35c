"""Recordings on a GPU: CUDA graphs of every dense cell are the loop, used, safe and freed."""

from __future__ import annotations

import gc
import threading

import pytest
import torch
from graph_calls import Plain, gradients_of
from torch import nn

import cells
from cells import Recurrent, backends, unroll
from cells.graphs import dispatch
from cells.graphs.graphs import USES

pytestmark = pytest.mark.gpu

TAKEN = {"library", "fused"}
DENSE = [name for name in cells.names() if backends(cells.get(name)(3, 20))[0].name not in TAKEN]


def on_gpu(name, dtype=torch.float64, size=40, **knobs):
    """A cell of three inputs there."""
    generator = torch.Generator().manual_seed(0)
    cell = cells.get(name)(3, size, generator=generator, **knobs)
    with torch.no_grad():
        for one in cell.parameters():
            one.add_(0.1 * torch.randn(one.shape, generator=generator))
    return cell.to("cuda", dtype)


def drawn(cell, steps, batch, seed, *, state=False):
    """Inputs that need a gradient, and the cell's own first state or, with ``state``, one that needs one."""
    generator = torch.Generator().manual_seed(seed)
    like = next(cell.parameters())
    xs = torch.randn(steps, *batch, 3, generator=generator).to(like).requires_grad_()
    start = cell.initial_state(*batch)
    if state:
        fields = (torch.randn(one.shape, generator=generator).to(one) for one in start)
        start = type(start)(*(one.requires_grad_() for one in fields))
    return xs, start


def compared(model, cell, call, tolerance):
    """Outputs, state and gradients of ``model`` against the loop."""
    xs, state = call
    outputs, (last,) = model(xs, (state,))
    theirs = unroll(cell, xs, state)
    for mine, other in zip((outputs, *last), (theirs[0], *theirs[1]), strict=True):
        torch.testing.assert_close(mine, other, atol=tolerance, rtol=tolerance)
    mine, other = (gradients_of(cell, xs, state, one) for one in ((outputs, last), theirs))
    for a, b in zip(mine, other, strict=True):
        scale = float(b.abs().max()) if b.numel() else 1.0
        torch.testing.assert_close(a, b, atol=tolerance * max(scale, 1.0), rtol=tolerance)


@pytest.fixture
def replays(monkeypatch):
    """How often a CUDA graph was replayed."""
    counted, replay = [], torch.cuda.CUDAGraph.replay

    def count(graph):
        counted.append(graph)
        replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", count)
    return counted


@pytest.mark.parametrize("name", DENSE)
def test_every_dense_cell_is_recorded_and_is_the_loop(name, replays):
    """In double precision, from the third use on; compiled wherever no number is complex."""
    cell = on_gpu(name)
    model = Recurrent(cell)
    for seed in range(USES + 3):
        compared(model, cell, drawn(cell, 7, (5,), seed), 1e-9)
    assert 2 + 2 * 4 == len(replays)
    ((chosen, reason),) = backends(model, drawn(cell, 7, (5,), 0)[0])
    assert "graphed" == chosen
    assert "a CUDA graph of the loop, with the" in reason
    complex_state = any(one.is_complex() for one in cell.initial_state())
    assert ("compiled step" in reason) != complex_state, reason


@pytest.mark.parametrize("name", ["rru", "ur-lstm", "mogrifier-lstm", "nru", "rhn", "sru"])
def test_in_single_precision(name):
    """At the width of a layer that is used."""
    cell = on_gpu(name, torch.float32, 256)
    model = Recurrent(cell)
    for seed in range(USES + 1):
        compared(model, cell, drawn(cell, 30, (16,), seed), 1e-3)
    assert 1 == len(dispatch.of(cell))


def test_the_state_is_an_input():
    """A given one, with a gradient, and unbatched."""
    cell = on_gpu("rru")
    model = Recurrent(cell)
    for seed in range(USES + 1):
        for batch in ((), (2, 2)):
            compared(model, cell, drawn(cell, 4, batch, seed, state=True), 1e-10)
    assert 2 == len(dispatch.of(cell))


def test_two_forwards_before_a_backward(replays):
    """The second runs the loop; both gradients are right; the graph serves again afterwards."""
    cell = on_gpu("rru")
    model = Recurrent(cell)
    for seed in range(USES):
        compared(model, cell, drawn(cell, 6, (4,), seed), 1e-10)
    calls = [drawn(cell, 6, (4,), seed) for seed in (10, 11)]
    before = len(replays)
    results = [model(xs, (state,)) for xs, state in calls]
    assert before + 1 == len(replays)
    for call, (outputs, (last,)) in zip(calls, results, strict=True):
        mine = gradients_of(cell, *call, (outputs, last))
        other = gradients_of(cell, *call, unroll(cell, *call))
        torch.testing.assert_close(mine, other, atol=1e-10, rtol=1e-10)
    compared(model, cell, drawn(cell, 6, (4,), 12), 1e-10)
    assert before + 4 == len(replays)


def test_backward_twice():
    """By the loop, where the graph is retained."""
    cell = on_gpu("ur-lstm")
    model = Recurrent(cell)
    for seed in range(USES + 1):
        compared(model, cell, drawn(cell, 6, (4,), seed), 1e-10)
    xs, _ = drawn(cell, 6, (4,), 20)
    outputs, _ = model(xs)
    first, second = (
        torch.autograd.grad(outputs.sum(), (xs, *cell.parameters()), retain_graph=True)
        for _ in range(2)
    )
    torch.testing.assert_close(first, second, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("fused", [False, True])
def test_an_optimizer_is_seen(fused):
    """Training with graphs goes as training without."""
    models = [Recurrent(on_gpu("rru"), backend=one) for one in ("auto", "reference")]
    optimizers = [torch.optim.Adam(one.parameters(), 1e-2, fused=fused) for one in models]
    for seed in range(8):
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            xs, _ = drawn(model.layers[0], 6, (4,), seed)
            model(xs)[0].square().mean().backward()
            optimizer.step()
    assert 1 == len(dispatch.of(models[0].layers[0]))
    torch.testing.assert_close(
        list(models[0].parameters()), list(models[1].parameters()), atol=1e-8, rtol=1e-8
    )


def test_evaluation_between_training_steps():
    """Graphs of one cell share memory: any order of training and evaluation is right."""
    cell = on_gpu("nru")
    model = Recurrent(cell)
    for seed in range(2 * USES):
        compared(model, cell, drawn(cell, 6, (4,), seed), 1e-9)
        for steps in (9, 3):
            xs, _ = drawn(cell, steps, (4,), seed)
            with torch.inference_mode():
                torch.testing.assert_close(model(xs)[0], unroll(cell, xs)[0])
    assert 3 == len(dispatch.of(cell))


def test_streams_and_threads():
    """Each stream has graphs of its own; a backward runs in a thread of autograd's."""
    cell = on_gpu("rhn")
    model = Recurrent(cell)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    for seed in range(USES + 1):
        compared(model, cell, drawn(cell, 6, (4,), seed), 1e-10)
        with torch.cuda.stream(side):
            compared(model, cell, drawn(cell, 6, (4,), seed), 1e-10)
    torch.cuda.current_stream().wait_stream(side)
    assert 2 == len(dispatch.of(cell))
    failed = []

    def work():
        try:
            for seed in range(4):
                compared(model, cell, drawn(cell, 6, (4,), seed), 1e-10)
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [] == failed


def waiting(_, h):
    """What no operator shows and no recording allows."""
    torch.cuda.synchronize()
    return h


def test_a_recording_that_fails_leaves_nothing_behind():
    """The loop runs, random numbers are drawn as before, the stream is ours, and others are recorded."""
    cell = Plain(waiting).cuda()
    model, stream = Recurrent(cell), torch.cuda.current_stream()
    torch.cuda.manual_seed(0)
    expected = torch.rand(4, device="cuda"), torch.rand(4, device="cuda")
    torch.cuda.manual_seed(0)
    assert torch.equal(expected[0], torch.rand(4, device="cuda"))
    xs = torch.randn(5, 2, 3, dtype=torch.float64, device="cuda", requires_grad=True)
    for _ in range(USES + 1):
        torch.testing.assert_close(model(xs)[0], unroll(cell, xs)[0])
    ((name, reason),) = backends(model, xs)
    assert "reference" == name
    assert "step as it is" in reason
    assert stream == torch.cuda.current_stream()
    assert torch.equal(expected[1], torch.rand(4, device="cuda"))
    other = on_gpu("rhn")
    for seed in range(USES + 1):
        compared(Recurrent(other), other, drawn(other, 6, (4,), seed), 1e-10)
    assert 1 == len(dispatch.of(other))
    nn.functional.dropout(torch.ones(100, device="cuda"), 0.5)


def test_memory_is_freed_with_the_cell():
    """And no more is held the more often a shape comes back."""
    gc.collect()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    cell = on_gpu("rru", torch.float32, 128)
    model, held = Recurrent(cell), []
    for seed in range(USES + 5):
        xs, _ = drawn(cell, 20, (16,), seed)
        torch.autograd.grad(model(xs)[0].sum(), xs)
        held.append(torch.cuda.memory_allocated())
    assert 1 == len(dispatch.of(cell))
    assert held[-1] == held[-2] == held[-3]
    del cell, model, xs
    gc.collect()
    assert (
        torch.cuda.memory_allocated() <= before + 64 * 2**20
    )  # workspaces of matrix products stay


def test_what_is_random_or_watched_runs_the_loop():
    """Dropout in training; vmap; autocast; a graph of somebody else's."""
    cell = on_gpu("rru", dropout=0.5)
    for _ in range(USES + 1):
        Recurrent(cell)(drawn(cell, 4, (2,), 0)[0])
    assert "draws random numbers" in backends(cell, drawn(cell, 4, (2,), 0)[0])[0].reason
    cell = on_gpu("rru")
    model, xs = Recurrent(cell), drawn(cell, 4, (2,), 0)[0].detach()
    mapped = torch.vmap(lambda one: model(one)[0], in_dims=1, out_dims=1)(xs)
    torch.testing.assert_close(mapped, unroll(cell, xs)[0])
    with torch.autocast("cuda"):
        assert "autocast is on" in backends(cell, xs)[0].reason
    with pytest.raises(ValueError, match="autocast is on"), torch.autocast("cuda"):
        Recurrent(cell, backend="fused")(xs)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.no_grad(), torch.cuda.stream(side):
        model(xs)  # what happens the first time only
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph, stream=side):
        outputs = model(xs)[0]
        reason = backends(cell, xs)[0].reason
    assert "a CUDA graph is being captured" in reason
    graph.replay()
    torch.testing.assert_close(outputs, unroll(cell, xs)[0])
