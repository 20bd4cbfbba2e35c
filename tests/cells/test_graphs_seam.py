"""The dispatch seam takes recordings for what nothing else runs, and says so."""

from __future__ import annotations

import pytest
import torch
from eager_graphs import EagerRecorder
from graph_calls import Plain, branching

import cells
from cells import Choice, Recurrent, backends, unroll
from cells.graphs import dispatch

torch.set_num_threads(1)

ZEROS = torch.zeros(4, 2, 3)


@pytest.fixture
def on_cpu(monkeypatch):
    """The seam with a CPU in the place of CUDA."""
    monkeypatch.setattr(dispatch, "DEVICE", "cpu")
    monkeypatch.setattr(dispatch, "RECORDER", EagerRecorder())
    monkeypatch.setattr(dispatch, "compile_step", None)


@pytest.mark.usefixtures("on_cpu")
def test_the_seam_takes_what_nothing_else_runs():
    """The library and the kernels come first; the state of affairs is told."""
    stack = [cells.get("lstm")(3, 4), cells.get("rru")(4, 6), cells.get("gato")(64, 4)]
    model = Recurrent(*stack).double()
    assert ["library", "graphed", "fused"] == [one.name for one in backends(model)]
    xs = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    reference = Recurrent(*stack, backend="reference")
    for use in range(5):
        (_, (name, reason), _) = backends(model.layers[1], xs.new_zeros(5, 2, 4)) * 3
        assert "graphed" == name
        assert "made at use 3 of the same shapes" in reason
        outputs, _ = model(xs)
        torch.testing.assert_close(outputs, reference(xs)[0], atol=1e-12, rtol=1e-12)
        outputs.sum().backward()
        assert (2 if use >= 2 else 0) == dispatch.RECORDER.recorded
    assert "fused" in [
        one.name for one in backends(Recurrent(cells.get("gato")(3, 4), backend="fused"))
    ]
    dense = Recurrent(cells.get("rru")(3, 4), backend="fused")
    assert ["graphed"] == [one.name for one in backends(dense)]


@pytest.mark.usefixtures("on_cpu")
def test_each_layer_is_asked_about_what_it_reads():
    """An upper one reads the readout below: its width, and whether that has a gradient."""
    model = Recurrent(cells.get("rru")(3, 8), cells.get("rhn")(64, 5)).double()
    xs = torch.randn(5, 2, 3, dtype=torch.float64)
    for _ in range(3):
        assert ["made at use 3" in one.reason for one in backends(model, xs)] == [True, True]
        model(xs)[0].sum().backward()
    assert ["with the step as it is" in one.reason for one in backends(model, xs)] == [True, True]
    with torch.no_grad():
        assert ["used 0 times" in one.reason for one in backends(model, xs)] == [True, True]


@pytest.mark.usefixtures("on_cpu")
def test_the_seam_says_what_was_refused():
    """By :func:`cells.backends`, which layer by layer says what runs."""
    cell = Plain(branching)
    model, xs = Recurrent(cell), torch.randn(5, 2, 3, dtype=torch.float64)
    with torch.no_grad():
        for _ in range(3):
            assert torch.equal(model(xs)[0], unroll(cell, xs)[0])
        ((name, reason),) = backends(model, xs)
    assert "reference" == name
    assert "no CUDA graph of it: its step reads a number back from the device" in reason


def test_off_a_gpu_nothing_is_said_and_fused_is_refused():
    """As before there were recordings."""
    cell = cells.get("rru")(3, 4)
    ((name, reason),) = backends(cell, torch.zeros(2, 2, 3))
    assert Choice("reference", "RRU is no cell of torch; RRU declares no elementwise step") == (
        name,
        reason,
    )
    with pytest.raises(ValueError, match="kernels can run: RRU declares no elementwise step; use"):
        Recurrent(cell, backend="fused")


@pytest.mark.usefixtures("on_cpu")
def test_under_torch_compile_the_loop_is_traced():
    """Without a break."""
    model = Recurrent(cells.get("rhn")(3, 4))
    torch.compiler.reset()
    compiled = torch.compile(lambda xs: model(xs)[0], backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(ZEROS + 1), model(ZEROS + 1)[0])


@pytest.mark.usefixtures("on_cpu")
def test_a_recording_under_way_keeps_the_loop(monkeypatch):
    """Somebody else's, who wants the kernels themselves."""
    monkeypatch.setattr(EagerRecorder, "obstacle", lambda _: "a CUDA graph is being captured")
    ((name, reason),) = backends(cells.get("rhn")(3, 4), ZEROS)
    assert "reference" == name
    assert reason.endswith("a CUDA graph is being captured")
