"""The CUDA recorder against a device that is made up: streams, order of calls, and what failing leaves.

What a real device does is shown by the tests marked `gpu`; these hold what the recorder asks of it.
"""

from __future__ import annotations

import contextlib

import pytest
import torch
from graph_calls import assert_same, call_of, cell_of

from cells.graphs import cuda
from cells.graphs.cuda import CudaRecorder, compile_step
from cells.graphs.graphs import Graphs

CPU = torch.device("cpu")


class Stream:
    """Known by a number; ``waits`` are entered in the log."""

    count = 0

    def __init__(self, device=None):
        Stream.count += 1
        self.device, self.cuda_stream = device, Stream.count

    def wait_stream(self, other):
        LOG.append(("wait", self.cuda_stream, other.cuda_stream))


LOG = []


class Graph:
    """Replays nothing."""

    def replay(self):
        LOG.append(("replay",))


class Device:
    """What :mod:`torch.cuda` would be."""

    def __init__(self):
        self.current, self.capturing, self.end_fails = Stream(), False, False
        self.generator = torch.Generator()
        self.default_generators = [self.generator]

    def current_stream(self, _=None):
        return self.current

    def set_stream(self, stream):
        self.current = stream

    def is_current_stream_capturing(self):
        return self.capturing

    def current_device(self):
        return 0

    def get_rng_state(self, _):
        return self.generator.get_state()

    @contextlib.contextmanager
    def device(self, _):
        yield

    @contextlib.contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before

    @contextlib.contextmanager
    def graph(self, graph, *, pool, stream, capture_error_mode):
        """As torch's: where the end of a capture fails, the stream stays."""
        assert isinstance(graph, Graph)
        assert "thread_local" == capture_error_mode
        LOG.append(("capture", pool, stream.cuda_stream))
        before, self.current, self.capturing = self.current, stream, True
        try:
            yield
        finally:
            self.capturing = False
            if self.end_fails:
                raise ValueError("operation failed due to a previous error during capture")
            self.current = before


@pytest.fixture
def device(monkeypatch):
    """A made-up device; tensors stay on the CPU."""
    LOG.clear()
    made, pools = Device(), iter(range(100))
    for name in (
        "current_stream set_stream is_current_stream_capturing current_device get_rng_state device "
        "stream graph default_generators"
    ).split():
        monkeypatch.setattr(torch.cuda, name, getattr(made, name))
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: next(pools))
    return made


def test_rehearsals_and_recordings_share_a_stream(device):
    """One beside each caller's: workspaces, and autograd's nodes, belong to it; each waits for the other."""
    recorder, seen = CudaRecorder(), []
    caller = device.current

    def work():
        seen.append(device.current.cuda_stream)
        return "results"

    recorder.rehearse(work, CPU)
    assert cuda.REHEARSALS == len(seen)
    results, replay = recorder.record(work, CPU, "pool")
    assert "results" == results
    (beside,) = set(seen)
    assert beside != caller.cuda_stream
    mine = caller.cuda_stream
    assert [("wait", beside, mine), ("wait", mine, beside), ("capture", "pool", beside)] == LOG
    replay()
    assert ("replay",) == LOG[-1]
    assert device.current is caller

    device.current = Stream()
    recorder.record(work, CPU, "pool")
    assert seen[-1] not in (beside, device.current.cuda_stream)
    assert recorder.queue(CPU) == ("cpu", device.current.cuda_stream)


@pytest.mark.parametrize("end_fails", [True, False])
def test_a_recording_that_fails_is_cleaned_up(device, end_fails):
    """The stream is the caller's, random numbers go on as they would have, and the first cause is told."""
    device.end_fails = end_fails
    caller, state = device.current, device.generator.get_state()

    def work():
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        CudaRecorder().record(work, CPU, "pool")
    assert device.current is caller
    assert torch.equal(state, device.generator.get_state())


def test_the_end_of_a_recording_may_fail_alone(device):
    """Then that is the cause."""
    device.end_fails = True
    with pytest.raises(ValueError, match="a previous error during capture"):
        CudaRecorder().record(lambda: None, CPU, "pool")


def test_a_capture_under_way_is_an_obstacle(device):
    """Somebody else's."""
    assert CudaRecorder().obstacle() is None
    device.capturing = True
    assert "a CUDA graph is being captured" in CudaRecorder().obstacle()


def test_what_replays_nothing_is_refused(device):  # noqa: ARG001 - in use
    """The whole way by this recorder: forward and backward in one pool, and not believed."""
    cell, graphs = cell_of("rru"), Graphs(CudaRecorder(), None, 1)
    call = call_of(cell, 4, (2,))
    assert_same(graphs, cell, *call)
    captures = [one for one in LOG if one[0] == "capture"]
    assert 2 == len(captures)
    assert 1 == len(set(captures))
    assert "output 0 is off by" in graphs.status(cell, *call).reason


def test_the_compiler_takes_one_shape_and_no_break():
    """A break in the graph would be run by Python, at every step."""

    def broken(x):
        torch._dynamo.graph_break()
        return x + 1

    with pytest.raises(torch._dynamo.exc.Unsupported):
        compile_step(broken)(torch.ones(2))
