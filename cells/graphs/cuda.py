"""CUDA graphs as a recorder. The only module here that needs a device to be run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch

from cells.graphs.recorder import Replay

R = TypeVar("R")
REHEARSALS = 2
"""The first loads kernels and compiles; what a compiled step tunes is tuned by the second."""


class CudaRecorder:
    """Records on a stream beside the caller's, one for each stream that calls.

    The library of matrix products keeps a workspace per stream, which is recorded too: recordings that
    run side by side must not share one.
    """

    def __init__(self) -> None:
        self._beside: dict[Hashable, torch.cuda.Stream] = {}

    def obstacle(self) -> str | None:
        """A recording under way, ours or somebody else's."""
        if torch.cuda.is_current_stream_capturing():
            return "a CUDA graph is being captured, which records the loop itself"
        return None

    def queue(self, device: torch.device) -> Hashable:
        """The device and its current stream."""
        return str(device), torch.cuda.current_stream(device).cuda_stream

    def pool(self) -> Any:
        """A pool of CUDA graphs."""
        return torch.cuda.graph_pool_handle()

    def rehearse(self, work: Callable[[], object], device: torch.device) -> None:
        """On the stream that will record, so that its workspaces and autograd's nodes belong to it."""
        with torch.cuda.device(device):
            caller, beside = torch.cuda.current_stream(), self._stream(device)
            beside.wait_stream(caller)
            with torch.cuda.stream(beside):
                for _ in range(REHEARSALS):
                    work()
            caller.wait_stream(beside)

    def record(self, work: Callable[[], R], device: torch.device, pool: Any) -> tuple[R, Replay]:
        """As a CUDA graph. Calls of other threads, such as a loader that pins memory, do not disturb it."""
        with torch.cuda.device(device):
            caller, beside = torch.cuda.current_stream(), self._stream(device)
            state = torch.cuda.get_rng_state(device)
            graph = torch.cuda.CUDAGraph()
            capture = torch.cuda.graph(
                graph, pool=pool, stream=beside, capture_error_mode="thread_local"
            )
            cause: Exception | None = None
            try:
                with capture:
                    try:
                        results = work()
                    except Exception as error:
                        cause = error
                        raise
            except BaseException as error:  # noqa: BLE001 - it is raised again
                # torch leaves the stream and the generator as they were while it recorded
                torch.cuda.set_stream(caller)
                _renew_generator(device, state)
                # where the end of a recording fails as well, it only says that something did before
                raise cause or error from None
            return results, graph.replay

    def _stream(self, device: torch.device) -> torch.cuda.Stream:
        key = self.queue(device)
        if key not in self._beside:
            self._beside[key] = torch.cuda.Stream(device)
        return self._beside[key]


def _renew_generator(device: torch.device, state: torch.Tensor) -> None:
    """Give the default generator a state of its own again: that of a failed recording stays a recording's."""
    index = torch.cuda.current_device() if device.index is None else device.index
    fresh = torch.Generator(device)
    with contextlib.suppress(RuntimeError):
        fresh.set_state(state)
        torch.cuda.default_generators[index].graphsafe_set_state(fresh)


def compile_step(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` compiled by Inductor for one shape, without graphs of its own; a break is an error."""
    compiled: Callable[..., Any] = torch.compile(
        function, fullgraph=True, dynamic=False, options={"triton.cudagraphs": False}
    )
    return compiled
